-- file: 001_base.sql
create table orders (
  id bigint primary key,
  code char(10), -- here
  country character(2) not null -- here
);
alter table orders add column currency char(3); -- here
