-- applied file: 001_base.sql
create table orders (id bigint primary key, customer_id bigint, note text);
create table events (at date not null, note text) partition by range (at);
create table events_2024 partition of events for values from ('2024-01-01') to ('2025-01-01');
-- file: 002_items.sql
create table items (id bigint primary key, order_id bigint, note text);
create index items_order_id on items (order_id);
create table if not exists notes (id bigint primary key, body text);
create index notes_body on notes (body);
create table old_orders as select * from orders;
create index old_orders_id on old_orders (id);
create materialized view totals as select customer_id, count(*) as orders from orders group by customer_id;
create unique index totals_customer_id on totals (customer_id);
create table lines (id bigint primary key, order_id bigint);
alter table lines rename to order_lines;
create index order_lines_order_id on order_lines (order_id);
create table events_2025 partition of events for values from ('2025-01-01') to ('2026-01-01');
create index events_2025_note on events_2025 (note);
-- file: 003_index.sql
create index concurrently orders_customer_id on orders (customer_id);
-- file: 004_partitions.sql
create index events_note on only events (note);
-- file: 005_items.sql
create index items_note on items (note);
-- file: 006_search_path.sql
create table sizes (id bigint primary key, name text);
create index sizes_name on stock.sizes (name);
