-- file: 001_orders.sql
create table customers (id BIGINT primary key);
create table orders (id BIGINT primary key, customer_id BIGINT references customers (id));
create view open_orders as
  with open as (select * from orders) select id from open;
