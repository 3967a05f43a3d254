-- applied file: 001_base.sql
create table orders (id bigint primary key, customer_id bigint, note text);
create index orders_customer on orders (customer_id);
create index orders_note on orders (note);
create table events (at date not null, customer_id bigint) partition by range (at);
create index events_customer on events (customer_id);
create table visits (at date not null) partition by range (at);
create table visits_2024 partition of visits for values from ('2024-01-01') to ('2025-01-01');
create table visits_rest partition of visits default;
create materialized view totals as select customer_id, count(*) as n from orders group by customer_id;
create unique index totals_large on totals (customer_id) where n > 1;
create unique index totals_next on totals ((customer_id + 1));
create materialized view notes as select id, note from orders with no data;
create unique index notes_id on notes (id);
-- file: 002_index.sql
create index concurrently events_at on events (at); -- here
-- file: 003_drop.sql
drop index concurrently orders_customer, orders_note; -- here
-- file: 004_drop.sql
drop index concurrently if exists orders_note cascade; -- here
-- file: 005_drop.sql
drop index concurrently events_customer; -- here
-- file: 006_detach.sql
alter table visits detach partition visits_2024 concurrently; -- here
-- file: 007_refresh.sql
refresh materialized view concurrently totals; -- here
refresh materialized view concurrently notes; -- here
refresh materialized view concurrently totals with no data; -- here
