-- applied file: 001_base.sql
create table orders (id bigint primary key, code text);
-- file: 002_index.sql
create unique index concurrently orders_code on orders (code); -- here
