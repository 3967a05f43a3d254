-- applied file: 001_base.sql
create table orders (id integer primary key, code varchar(20), note text, total numeric(10, 2), at timestamp, day date, n smallint);
-- file: 002_types.sql
alter table orders alter column id type bigint;
alter table orders alter column code type varchar(40), alter column total type numeric(12, 2);
alter table orders alter column total type numeric(14, 4);
alter table orders alter column at type timestamptz;
alter table orders alter column day type timestamptz;
alter table orders alter column n type numeric;
alter table orders alter column note type text;
create table items (id bigint primary key);
alter table items alter column id type integer;
