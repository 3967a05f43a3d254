-- file: V1__orders.sql
create table orders (id BIGINT primary key);
-- file: V001__items.sql
create table items (id BIGINT primary key); -- here
