-- applied file: 001_base.sql
create table orders (id bigint primary key);
-- file: 002_lock.sql
lock table orders in access share mode;
lock table orders in row exclusive mode;
create table items (id bigint primary key);
lock table items in exclusive mode;
