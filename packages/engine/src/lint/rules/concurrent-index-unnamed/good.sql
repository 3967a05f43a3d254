-- applied file: 001_base.sql
create table orders (id bigint primary key, customer_id bigint);
-- file: 002_index.sql
create index concurrently orders_customer_id on orders (customer_id);
-- file: 003_items.sql
create table items (id bigint primary key, order_id bigint);
create index on items (order_id);
