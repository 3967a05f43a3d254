-- applied file: 001_base.sql
create table orders (id bigint primary key, customer_id bigint, note text);
create table events (at date not null, note text) partition by range (at);
create table events_2024 partition of events for values from ('2024-01-01') to ('2025-01-01');
create materialized view totals as select customer_id, count(*) as orders from orders group by customer_id;
-- file: 002_index.sql
create index orders_customer_id on orders (customer_id); -- here
create unique index on orders (note); -- here
create index if not exists orders_note on orders using gin (to_tsvector('simple', note)); -- here
create index events_at on events (at); -- here
create index events_2024_at on events_2024 (at); -- here
create index totals_orders on totals (orders); -- here
-- file: 003_index.sql
create index orders_note_lower on orders (lower(note)); -- here
