-- applied file: 001_base.sql
create table orders (id bigint primary key, note text);
create index orders_note on orders (note);
-- file: 002_order.sql
cluster orders using orders_note; -- here
-- file: 003_space.sql
vacuum (full, analyze) orders; -- here
vacuum full; -- here
