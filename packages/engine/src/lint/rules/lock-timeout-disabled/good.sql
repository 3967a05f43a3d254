-- applied file: 001_base.sql
create table orders (id bigint primary key, note text);
-- file: 002_items.sql
set statement_timeout = 0;
set lock_timeout = 0;
create table items (id bigint primary key);
alter table items add column note text;
create sequence item_numbers;
alter table item_numbers owner to current_user;
set lock_timeout = '3s';
alter table orders add column total numeric;
-- file: 003_index.sql
set lock_timeout = 0;
create index concurrently orders_note on orders (note);
-- file: 004_column.sql
set local lock_timeout = '03s';
alter table orders add column state text;
