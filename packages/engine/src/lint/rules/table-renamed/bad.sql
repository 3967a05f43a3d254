-- applied file: 001_base.sql
create schema sales;
create table orders (id bigint primary key);
create table items (id bigint primary key);
create view order_ids as select id from orders;
-- file: 002_rename.sql
alter table orders rename to sales_orders; -- here
alter view order_ids rename to ids; -- here
alter table items set schema sales; -- here
alter schema sales rename to trade; -- here
