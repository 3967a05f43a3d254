-- applied file: 001_base.sql
create table orders (id bigint primary key, code varchar(20), note text, total numeric(10, 2), rate numeric, at timestamptz, ratio double precision);
-- file: 002_types.sql
alter table orders alter column id type integer; -- here
alter table orders
  alter column code type varchar(10), -- here
  alter column note type varchar(200), -- here
  alter column total type numeric(8, 2), -- here
  alter column rate type numeric(8, 2); -- here
alter table orders alter column at type date; -- here
alter table orders alter column ratio type real; -- here
alter table orders alter column total type integer; -- here
