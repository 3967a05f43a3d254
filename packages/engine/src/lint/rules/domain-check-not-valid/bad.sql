-- applied file: 001_base.sql
create domain amount as numeric;
create table orders (id bigint primary key, total amount);
-- file: 002_domain.sql
alter domain amount add constraint amount_positive check (value >= 0); -- here
alter domain amount set not null; -- here
