-- applied file: 001_base.sql
create table orders (id bigint primary key, note text);
-- file: 002_column.sql
set local lock_timeout = '3s';
alter table orders add column total numeric;
-- file: 003_items.sql
create table items (id bigint primary key);
alter table items add column note text;
alter table orders alter column note set statistics 500;
comment on table orders is 'what is sold';
-- file: 004_index.sql
create index concurrently orders_note on orders (note);
