-- file: 001_customers.sql
create table customers (id bigint primary key);
-- file: 002_orders.sql
create table orders (id bigint primary key, customer_id bigint references customers (id));
-- file: 003_index.sql
create index orders_customer_id on orders (customer_id);
-- file: 004_renumber.sql
create temp sequence renumbered;
create temporary view open_orders as select id from orders;
update orders set id = nextval('renumbered') where id in (select id from open_orders);
drop view open_orders;
drop sequence renumbered;
