-- file: 001_orders.sql
create table orders (id bigint primary key, customer_id bigint references customers (id)); -- here
-- file: 002_drops.sql
create type state as enum ('open', 'closed');
alter table orders drop constraint orders_customer_fkey; -- here
alter table orders validate constraint positive; -- here
drop index orders_customer; -- here
drop type kind; -- here
drop function total(bigint); -- here
drop trigger changed on orders; -- here
drop policy own on orders; -- here
alter policy own on orders using (true); -- here
alter type state rename value 'shut' to 'done'; -- here
drop schema billing; -- here
drop extension pgcrypto; -- here
drop publication changes; -- here
