-- applied file: 001_base.sql
create table orders (id bigint primary key, customer_id bigint, note text);
create index orders_customer_id on orders (customer_id);
create table events (at date not null) partition by range (at);
create index events_at on events (at);
-- file: 002_items.sql
create table items (id bigint primary key, order_id bigint);
create index items_order_id on items (order_id);
drop index items_order_id;
drop index if exists items_that_never_was;
drop index events_at;
-- file: 003_drop.sql
drop index concurrently orders_customer_id;
