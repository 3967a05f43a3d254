-- file: 001_orders.sql
create table customers (id bigint primary key);
create table orders (id bigint primary key, customer_id bigint references customers (id));
create view open_orders as
  with open as (select * from orders) select id from open;
-- file: 002_sizes.sql
create view sizes as
  select c.relname, c.relpages from pg_class c join pg_namespace n on n.oid = c.relnamespace;
