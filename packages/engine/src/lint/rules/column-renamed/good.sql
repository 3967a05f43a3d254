-- applied file: 001_base.sql
create table orders (id bigint primary key, note text);
-- file: 002_rename.sql
alter table orders add column remark text;
alter table orders rename column remark to comment;
create table items (id bigint primary key, note text);
alter table items rename note to remark;
alter table orders rename constraint orders_pkey to orders_key;
