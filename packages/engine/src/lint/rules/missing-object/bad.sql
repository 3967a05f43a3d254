-- file: 001_orders.sql
create table orders (id bigint primary key, customer_id bigint references customers (id)); -- here
