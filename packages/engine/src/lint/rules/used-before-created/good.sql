-- file: 001_customers.sql
create table customers (id bigint primary key);
-- file: 002_orders.sql
create table orders (id bigint primary key, customer_id bigint references customers (id));
-- file: 003_index.sql
create index orders_customer_id on orders (customer_id);
