-- applied file: 001_base.sql
create table orders (id bigint primary key);
create unlogged table sessions (id bigint primary key);
-- file: 002_logged.sql
alter table orders set unlogged; -- here
alter table sessions set logged; -- here
