-- file: V1__orders.sql
create table orders (id bigint primary key);
-- file: U1__orders.sql
drop table orders;
-- file: V1.1__items.sql
create table items (id bigint primary key);
