-- applied file: 001_base.sql
create type state as enum ('open', 'closed');
create table customers (id bigint primary key, parent_id bigint references customers (id));
create table orders (id bigint primary key, customer_id bigint references customers (id), state state);
create view order_ids as select id from orders;
create function touch() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger orders_touch before update on orders for each row execute function touch();
-- file: 002_drop.sql
drop trigger orders_touch on orders;
drop function touch();
drop view order_ids;
drop table customers, orders;
drop type state;
