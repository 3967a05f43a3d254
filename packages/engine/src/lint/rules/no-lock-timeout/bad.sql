-- applied file: 001_base.sql
create table orders (id bigint primary key, note text);
-- file: 002_column.sql
alter table orders add column total numeric; -- here
alter table orders add column state text;
-- file: 003_trigger.sql
create function touch() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger orders_touch before update on orders for each row execute function touch(); -- here
