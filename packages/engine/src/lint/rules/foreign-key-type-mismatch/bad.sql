-- file: 001_customers.sql
create table customers (id uuid primary key);
-- file: 002_orders.sql
create table orders (
  id bigint primary key,
  customer_id bigint references customers (id) -- here
);
-- file: 003_domains.sql
create domain customer_number as integer;
create table calls (customer_id customer_number references customers); -- here
