-- applied file: 001_base.sql
create table orders (id bigint primary key, note text);
create index orders_note on orders (note);
-- file: 002_move.sql
alter table orders set tablespace fast; -- here
alter index orders_note set tablespace fast; -- here
alter table all in tablespace pg_default set tablespace fast; -- here
alter table orders set access method columnar; -- here
