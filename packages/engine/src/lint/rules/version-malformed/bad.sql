-- file: orders.sql
create table orders (id BIGINT primary key); -- here
-- file: V20241302101500__items.sql
create table items (id BIGINT primary key); -- here
