-- applied file: 001_base.sql
create table orders (id bigint primary key);
-- file: 002_lock.sql
lock table orders; -- here
lock table orders in share row exclusive mode; -- here
