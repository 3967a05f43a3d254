-- file: 001_orders.sql
create table orders (id bigint primary key, customer_id bigint references customers (id)); -- here
-- file: 002_customers.sql
create table customers (id bigint primary key);
drop index customers_name; -- here
alter table customers drop constraint named; -- here
-- file: 003_names.sql
alter table customers add column name text constraint named check (name <> '');
create index customers_name on customers (name);
