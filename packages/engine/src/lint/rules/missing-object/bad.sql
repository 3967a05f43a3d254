-- file: 001_orders.sql
create table orders (id BIGINT primary key, customer_id BIGINT references customers (id)); -- here
