-- applied file: 001_base.sql
create table orders (id bigint primary key, note text, total numeric);
create table items (id bigint primary key, order_id bigint references orders (id));
create view order_ids as select id from orders;
create type state as enum ('open', 'closed');
create function touch() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger items_touch before update on items for each row execute function touch();
-- file: 002_drop.sql
drop table orders cascade; -- here
drop type state cascade; -- here
drop function touch() cascade; -- here
alter table items drop column order_id cascade; -- here
alter table items drop constraint items_pkey cascade; -- here
drop owned by old_service; -- here
