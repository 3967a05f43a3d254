-- applied file: 001_base.sql
create table customers (id bigint primary key);
create table orders (id bigint primary key, customer_id bigint);
alter table orders add constraint orders_id_check check (id > 0);
-- file: 002_keys.sql
alter table orders add constraint orders_customer foreign key (customer_id) references customers (id) not valid;
alter table orders add column payer_id bigint references customers (id);
alter table orders add column if not exists customer_id bigint default 1 references customers (id);
create table items (id bigint primary key, order_id bigint references orders (id), customer_id bigint);
alter table items add foreign key (customer_id) references customers (id);
-- file: 003_validate.sql
alter table orders validate constraint orders_customer;
-- file: 004_guarded.sql
do $$
begin
  if not exists (select from pg_constraint where conname = 'orders_customer') then
    alter table orders add constraint orders_customer foreign key (customer_id) references customers (id);
  end if;
  create table lines (id bigint primary key, order_id bigint);
  alter table lines add constraint lines_order foreign key (order_id) references orders (id);
end $$;
