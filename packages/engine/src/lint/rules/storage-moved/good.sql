-- applied file: 001_base.sql
create table orders (id bigint primary key, note text);
create table events (at date not null) partition by range (at);
-- file: 002_move.sql
create table items (id bigint primary key) tablespace fast;
alter table items set tablespace slow;
alter index items_pkey set tablespace slow;
alter table events set tablespace fast;
alter table orders set (fillfactor = 80);
