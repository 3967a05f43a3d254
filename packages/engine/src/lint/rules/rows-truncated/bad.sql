-- applied file: 001_base.sql
create table customers (id bigint primary key);
create table orders (id bigint primary key, customer_id bigint references customers (id));
-- file: 002_empty.sql
truncate orders; -- here
truncate table customers restart identity cascade; -- here
