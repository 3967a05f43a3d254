-- applied file: 001_base.sql
create table orders (id bigint primary key, customer_id bigint);
-- file: 002_index.sql
create index concurrently on orders (customer_id); -- here
