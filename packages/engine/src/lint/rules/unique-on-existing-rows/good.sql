-- applied file: 001_base.sql
create table orders (id bigint primary key, code text);
-- file: 002_index.sql
create index concurrently orders_code on orders (code);
-- file: 003_items.sql
create table items (id bigint primary key, code text);
create unique index items_code on items (code);
