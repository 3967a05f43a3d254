-- applied file: 001_base.sql
create domain amount as numeric;
create domain label as text;
create table orders (id bigint primary key, total amount);
-- file: 002_domain.sql
alter domain amount add constraint amount_positive check (value >= 0) not valid;
alter domain amount set default 0;
alter domain amount drop not null;
alter domain label add constraint label_filled check (value <> '');
create domain code as text;
create table items (id bigint primary key, code code);
alter domain code add constraint code_filled check (value <> '');
-- file: 003_domain.sql
alter domain amount validate constraint amount_positive;
