-- applied file: 001_base.sql
create function touch() returns trigger language plpgsql as $$ begin return new; end $$;
create table orders (id bigint primary key, note text);
create trigger orders_touch before update on orders for each row execute function touch();
create table items (id bigint primary key);
create trigger items_touch before update on items for each row execute function touch();
-- file: 002_triggers.sql
drop trigger orders_touch on orders;
create trigger orders_touched before insert or update on orders for each row execute function touch();
alter table items disable trigger items_touch;
update items set id = id where id = 1;
alter table items enable trigger items_touch;
drop trigger if exists never_there on orders;
create table lines (id bigint primary key);
create trigger lines_touch before update on lines for each row execute function touch();
drop trigger lines_touch on lines;
