-- applied file: 001_base.sql
create table orders (id bigint primary key);
-- file: 002_bulk.sql
alter table orders enable trigger all;
set session_replication_role = default;
set session_replication_role = origin;
create table items (id bigint primary key);
alter table items disable trigger all;
alter table items enable trigger all;
