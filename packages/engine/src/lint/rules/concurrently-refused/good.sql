-- applied file: 001_base.sql
create table orders (id bigint primary key, customer_id bigint, note text);
create index orders_note on orders (note);
create table events (at date not null, customer_id bigint) partition by range (at);
create table events_2024 partition of events for values from ('2024-01-01') to ('2025-01-01');
create index events_customer on events (customer_id);
create table visits (at date not null) partition by range (at);
create table visits_2024 partition of visits for values from ('2024-01-01') to ('2025-01-01');
create table visits_rest partition of visits default;
create materialized view notes as select id, note from orders with no data;
create unique index notes_id on notes (id);
create materialized view totals as select customer_id, count(*) as n from orders group by customer_id;
-- file: 002_index.sql
create index events_at on only events (at);
-- file: 003_index.sql
create index concurrently events_2024_at on events_2024 (at);
-- file: 004_index.sql
alter index events_at attach partition events_2024_at;
-- file: 005_drop.sql
drop index concurrently orders_note;
-- file: 006_drop.sql
drop index events_customer;
-- file: 007_detach.sql
alter table events detach partition events_2024 concurrently;
-- file: 008_detach.sql
alter table visits detach partition visits_2024;
-- file: 009_refresh.sql
refresh materialized view notes;
refresh materialized view concurrently notes;
-- file: 010_refresh.sql
do $$ begin execute 'create unique index totals_' || 'customer on totals (customer_id)' || current_setting('app.suffix'); end $$;
refresh materialized view concurrently totals;
