-- applied file: 001_base.sql
create table orders (
  id integer primary key,
  code varchar(20),
  note varchar,
  total numeric(10, 2),
  at timestamp(3),
  address cidr,
  took interval(0)
);
create domain label as text;
-- file: 002_types.sql
alter table orders alter column code type varchar(40);
alter table orders alter column code type text using code::text;
alter table orders
  alter column note type text,
  alter column total type numeric(12, 2),
  alter column at type timestamp(6),
  alter column took type interval;
alter table orders alter column total type numeric using total;
alter table orders alter column address type inet;
alter table orders alter column note type label;
alter table orders alter column id type integer;
create table items (id integer primary key);
alter table items alter column id type bigint;
