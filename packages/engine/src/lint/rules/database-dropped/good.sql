-- file: 001_base.sql
create table orders (id bigint primary key);
comment on table orders is 'drop database orders';
