-- file: 001_orders.sql
create table orders (id bigint primary key, total numeric(14, 2), note text);
create view order_totals as
  select o.id, o.total from orders as o;
-- file: 002_drop.sql
alter table orders drop column note;
drop view order_totals;
alter table orders drop column total;
