-- applied file: 001_orders.sql
create table orders (id BIGINT primary key, shop BIGINT, closed boolean);
alter table orders enable row level security, force row level security;
create policy own on orders using (shop = 1);
create policy open_only on orders as restrictive using (not closed);
-- file: 002_other.sql
drop policy own on orders;
create policy own on orders using (shop = 2);
drop policy if exists never_there on orders;
alter policy open_only on orders using (closed is not true);
