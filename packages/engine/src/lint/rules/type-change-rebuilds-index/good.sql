-- applied file: 001_base.sql
create table orders (id integer primary key, code varchar(20), note varchar(20), number integer);
create index orders_code on orders (code);
create index orders_number on orders (number);
create index orders_id on orders (lower(note));
-- file: 002_types.sql
alter table orders alter column code type text;
alter table orders alter column code type varchar;
alter table orders alter column number type bigint;
