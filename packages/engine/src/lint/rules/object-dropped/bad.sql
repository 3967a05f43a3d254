-- applied file: 001_base.sql
create table orders (id bigint primary key);
create view order_ids as select id from orders;
create materialized view order_count as select count(*) from orders;
create type state as enum ('open', 'closed');
create sequence numbers;
-- file: 002_drop.sql
drop view order_ids; -- here
drop materialized view if exists order_count; -- here
drop type state; -- here
drop sequence numbers; -- here
drop extension pg_trgm; -- here
