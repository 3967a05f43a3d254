-- applied file: 001_base.sql
create table orders (id bigint primary key, total numeric);
create table items (id bigint primary key, total numeric);
alter table items add constraint items_total check (total > 0) not valid;
-- file: 002_check.sql
alter table orders add constraint orders_total_positive check (total > 0) not valid;
alter table orders validate constraint orders_total_positive; -- here
-- file: 003_check.sql
alter table orders add column note text;
alter table items validate constraint items_total; -- here
-- file: 004_check.sql
alter table items
  add column note text,
  validate constraint items_total; -- here
