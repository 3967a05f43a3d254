-- applied file: 001_base.sql
create table orders (id bigint primary key);
-- file: 002_logged.sql
create unlogged table imports (id bigint primary key);
alter table imports set logged;
alter table orders set logged;
