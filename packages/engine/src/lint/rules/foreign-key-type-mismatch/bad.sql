-- file: 001_customers.sql
create table customers (id uuid primary key);
-- file: 002_orders.sql
create table orders (
  id BIGINT primary key,
  customer_id BIGINT references customers (id) -- here
);
