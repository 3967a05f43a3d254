-- file: 001_customers.sql
create table customers (id uuid primary key, code varchar(20) unique);
-- file: 002_orders.sql
create table orders (
  id bigint primary key,
  customer_id uuid references customers,
  code text references customers (code)
);
