-- applied file: 001_base.sql
create table orders (id bigint primary key, total numeric);
-- file: 002_checks.sql
alter table orders add constraint orders_total_positive check (total > 0) not valid;
alter table orders add constraint orders_total_hint check (total < 1000) not enforced;
alter table orders add column note text;
create table items (id bigint primary key, total numeric, constraint items_total check (total > 0));
alter table items add check (total < 1000);
-- file: 003_validate.sql
alter table orders validate constraint orders_total_positive;
