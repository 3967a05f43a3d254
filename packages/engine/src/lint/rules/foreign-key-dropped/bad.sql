-- applied file: 001_base.sql
create table customers (id bigint primary key);
create table orders (id bigint primary key, customer_id bigint, constraint orders_customer foreign key (customer_id) references customers (id));
-- file: 002_keys.sql
alter table orders drop constraint orders_customer; -- here
