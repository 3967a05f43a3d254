-- applied file: 001_base.sql
create schema sales;
-- file: 002_drop.sql
drop schema sales;
create schema stock;
create table stock.items (id bigint primary key);
drop schema stock cascade;
drop schema if exists scratch cascade;
