-- applied file: 001_base.sql
create table orders (
  id integer primary key,
  code varchar(20),
  note text,
  total numeric(10, 2),
  at timestamp,
  tags varchar(10)[]
);
create domain amount as numeric check (value >= 0);
-- file: 002_types.sql
alter table orders alter column id type bigint; -- here
alter table orders
  alter column code type varchar(10), -- here
  alter column note set data type varchar(200), -- here
  alter column total type numeric(12, 4); -- here
alter table orders alter column at type timestamptz; -- here
alter table orders alter column tags type text[]; -- here
alter table orders alter column note type text using upper(note); -- here
alter table orders alter column total type amount; -- here
alter table orders alter column code type char(20); -- here
