-- applied file: 001_base.sql
create table orders (id bigint primary key);
create domain amount as numeric not null;
-- file: 002_columns.sql
alter table orders add column state text not null; -- here
alter table orders
  add column note text,
  add column total amount, -- here
  add column code text default null not null; -- here
