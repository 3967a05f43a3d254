-- applied file: 001_base.sql
create schema sales;
create table sales.orders (id bigint primary key);
create schema stock;
-- file: 002_drop.sql
drop schema sales cascade; -- here
drop schema if exists stock cascade; -- here
