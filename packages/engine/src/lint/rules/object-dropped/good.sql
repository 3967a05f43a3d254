-- applied file: 001_base.sql
create table orders (id bigint primary key, note text);
create view order_ids as select id from orders;
create materialized view order_count as select count(*) from orders;
-- file: 002_drop.sql
drop view order_ids;
create view order_ids as select id, note from orders;
drop materialized view order_count;
create materialized view order_count as select count(*) as orders from orders;
drop view if exists order_notes;
create type state as enum ('open', 'closed');
drop type state;
drop sequence if exists numbers;
-- file: 003_search_path.sql
create schema stock;
set search_path = stock;
create table items (id bigint primary key);
create view item_ids as select id from items;
-- file: 004_search_path.sql
set search_path = stock;
drop view item_ids;
create view item_ids as select id from items where id > 0;
