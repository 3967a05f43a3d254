-- file: 001_orders.sql
create table orders (id bigint primary key, customer_id bigint references customers (id)); -- here
-- file: 002_customers.sql
create table customers (id bigint primary key);
