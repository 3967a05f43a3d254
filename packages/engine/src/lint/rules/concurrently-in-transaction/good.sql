-- applied file: 001_base.sql
create table orders (id bigint primary key, customer_id bigint, note text);
create table events (at date not null) partition by range (at);
-- file: 002_index.sql
create index concurrently orders_customer_id on orders (customer_id);
-- file: 003_index.sql
begin;
alter table orders add column total numeric;
commit;
create index concurrently orders_total on orders (total);
vacuum (analyze) orders;
-- file: 004_note.sql
begin;
analyze orders;
alter table orders add column remark text;
commit;
-- file: 005_reindex.sql
-- imhotep:no-transaction
reindex table events;
-- file: 006_reindex.sql
reindex table concurrently events;
