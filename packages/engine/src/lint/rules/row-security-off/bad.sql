-- applied file: 001_orders.sql
create table orders (id BIGINT primary key, shop BIGINT);
alter table orders enable row level security, force row level security;
-- file: 002_repair.sql
alter table orders disable row level security; -- here
alter table orders no force row level security; -- here
