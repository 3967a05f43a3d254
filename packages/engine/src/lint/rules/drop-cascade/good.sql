-- applied file: 001_base.sql
create table orders (id bigint primary key, note text);
-- file: 002_drop.sql
drop table if exists imports cascade;
create table imports (id bigint primary key);
drop table imports cascade;
drop table orders;
