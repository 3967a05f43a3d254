-- applied file: 001_base.sql
create table orders (id bigint primary key, note text);
-- file: 002_copy.sql
create table old_orders as select * from orders with no data;
create table numbers as select n from generate_series(1, 10) as n;
create table items (id bigint primary key);
create table more_items as select * from items;
create materialized view notes as select note from orders;
