-- file: 001_base.sql
create table orders (id bigint primary key);
commit; -- here
create table items (id bigint primary key);
-- file: 002_begin.sql
begin; -- here
create table lines (id bigint primary key);
-- file: 003_twice.sql
begin;
begin; -- here
create table notes (id bigint primary key);
rollback; -- here
commit;
