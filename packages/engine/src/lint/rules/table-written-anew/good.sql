-- applied file: 001_base.sql
create table orders (id bigint primary key, note text);
create index orders_note on orders (note);
alter table orders cluster on orders_note;
-- file: 002_space.sql
vacuum orders;
-- file: 003_statistics.sql
analyze orders;
create table items (id bigint primary key);
cluster items using items_pkey;
