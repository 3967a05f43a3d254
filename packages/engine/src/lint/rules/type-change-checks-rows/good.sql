-- applied file: 001_base.sql
create table orders (id integer primary key check (id > 0), code varchar(20), note varchar(20), state varchar(20));
alter table orders add constraint orders_code check (code <> '');
alter table orders add constraint orders_note check (note <> '') not valid;
-- file: 002_types.sql
alter table orders
  drop constraint orders_code,
  alter column code type varchar(40),
  add constraint orders_code check (code <> '') not valid;
alter table orders alter column note type varchar(40);
alter table orders alter column state type text;
alter table orders alter column id type bigint;
create table items (id bigint primary key, code varchar(20) check (code <> ''));
alter table items alter column code type text;
