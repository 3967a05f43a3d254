-- file: 001_orders.sql
create table orders (id bigint primary key, a int, b int);
create index orders_a on orders (a);
-- file: 002_indexes.sql
-- imhotep:no-transaction
drop index concurrently orders_a; -- here
create index concurrently orders_b on orders (b);
