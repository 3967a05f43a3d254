-- file: 001_base.sql
create table orders (
  id bigint primary key,
  kind "char",
  flag char(1),
  code varchar(10),
  name text check (length(name) <= 10)
);
