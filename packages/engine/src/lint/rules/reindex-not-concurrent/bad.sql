-- applied file: 001_base.sql
create table orders (id bigint primary key, note text);
create index orders_note on orders (note);
-- file: 002_reindex.sql
reindex table orders; -- here
reindex index orders_note; -- here
-- file: 003_reindex.sql
reindex (verbose) schema public; -- here
