-- file: 001_functions.sql
create function touch_row()
returns trigger
language plpgsql
as $$ begin new.changed_at := now(); return new; end $$;
-- file: 002_orders.sql
create table orders (id bigint primary key, changed_at timestamptz);
create trigger touch
before update on orders
for each row
execute function touch_row();
