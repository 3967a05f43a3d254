-- applied file: 001_base.sql
create table orders (id bigint primary key, customer_id bigint, note text);
create index orders_note on orders (note);
create table events (at date not null) partition by range (at);
create table events_2024 partition of events for values from ('2024-01-01') to ('2025-01-01');
-- file: 002_index.sql
begin;
create index concurrently orders_customer_id on orders (customer_id); -- here
drop index concurrently orders_note; -- here
commit;
-- file: 003_detach.sql
start transaction;
alter table events detach partition events_2024 concurrently; -- here
reindex table concurrently orders; -- here
vacuum orders; -- here
commit;
-- file: 004_reindex.sql
reindex table events; -- here
