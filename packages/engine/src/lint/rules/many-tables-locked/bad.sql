-- applied file: 001_base.sql
create table orders (id bigint primary key, note text);
create table items (id bigint primary key, note text);
create table payments (id bigint primary key, note text);
-- file: 002_columns.sql
alter table orders add column total numeric;
alter table orders add column state text;
alter table items add column total numeric; -- here
alter table payments add column total numeric;
