-- applied file: 001_base.sql
create function touch() returns trigger language plpgsql as $$ begin return new; end $$;
create table orders (id bigint primary key);
create trigger orders_touch before update on orders for each row execute function touch();
create trigger orders_check before insert on orders for each row execute function touch();
-- file: 002_triggers.sql
drop trigger orders_touch on orders; -- here
alter table orders disable trigger orders_check; -- here
