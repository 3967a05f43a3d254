-- file: 001_orders.sql
create table orders (id bigint primary key);
alter table orders add column total numeric(14, 2);
-- file: 002_total.sql
alter table orders add column if not exists total numeric(14, 2);
alter table orders drop column total;
alter table orders add column total bigint;
alter table orders drop column total, add column total numeric;
