-- file: orders.sql
create table orders (id bigint primary key); -- here
-- file: V20241302101500__items.sql
create table items (id bigint primary key); -- here
-- file: backfill.sql
insert into items select id from orders; -- here
