-- applied file: 001_base.sql
create table orders (id bigint primary key);
create view order_ids as select id from orders;
-- file: 002_drop.sql
drop table if exists imports;
create table imports (id bigint primary key);
drop table imports;
create table numbers as select 1 as n;
drop table numbers;
drop view order_ids;
-- file: U002__drop.sql
create view order_ids as select id from orders;
