-- applied file: 001_base.sql
create table orders (id bigint primary key, note text, total numeric);
-- file: 002_drop.sql
alter table orders drop column note; -- here
alter table orders
  add column state text,
  drop column if exists total; -- here
