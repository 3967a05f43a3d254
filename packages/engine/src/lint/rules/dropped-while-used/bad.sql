-- applied file: 001_base.sql
create type state as enum ('open', 'closed');
create domain label as text;
create table customers (id bigint primary key);
create table orders (id bigint primary key, customer_id bigint references customers (id), state state, labels label[]);
create view order_ids as select id from orders;
create view last_order as select max(id) as id from order_ids;
create function touch() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger orders_touch before update on orders for each row execute function touch();
create schema stock;
create table stock.items (id bigint primary key);
-- file: 002_drop.sql
drop table customers; -- here
-- file: 003_drop.sql
drop type state; -- here
-- file: 004_drop.sql
drop view order_ids; -- here
-- file: 005_drop.sql
drop function touch(); -- here
-- file: 006_drop.sql
drop domain label; -- here
-- file: 007_drop.sql
drop schema stock; -- here
