-- applied file: 001_base.sql
create table customers (id bigint primary key);
create table orders (id bigint primary key, customer_id bigint, payer_id bigint);
-- file: 002_keys.sql
alter table orders add constraint orders_customer foreign key (customer_id) references customers (id); -- here
alter table orders
  add column note text,
  add foreign key (payer_id) references customers; -- here
alter table orders add column agent_id bigint default 1 references customers (id); -- here
-- file: 003_guarded.sql
do $$
begin
  if not exists (select from pg_constraint where conname = 'orders_agent') then
    alter table orders add constraint orders_agent foreign key (agent_id) references customers (id); -- here
  end if;
end $$;
