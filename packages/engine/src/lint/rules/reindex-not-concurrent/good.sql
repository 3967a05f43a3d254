-- applied file: 001_base.sql
create table orders (id bigint primary key, note text);
create index orders_note on orders (note);
-- file: 002_items.sql
create table items (id bigint primary key, note text);
create index items_note on items (note);
reindex table items;
reindex index items_note;
-- file: 003_reindex.sql
reindex table concurrently orders;
-- file: 004_reindex.sql
reindex (concurrently, verbose) index orders_note;
