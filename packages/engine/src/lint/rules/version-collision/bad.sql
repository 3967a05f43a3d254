-- file: V001__orders.sql
create table orders (id bigint primary key);
-- file: V1__items.sql
create table items (id bigint primary key); -- here
