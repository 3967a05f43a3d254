-- applied file: 001_base.sql
create table orders (id bigint primary key, code text, slug text);
create unique index orders_code on orders (code);
alter table orders add constraint orders_slug_key unique (slug);
-- file: 002_keys.sql
drop index concurrently orders_code; -- here
-- file: 003_keys.sql
alter table orders drop constraint orders_slug_key; -- here
-- file: 004_keys.sql
alter table orders drop constraint orders_pkey; -- here
-- file: 005_keys.sql
alter table elsewhere.parcels drop constraint parcels_pkey; -- here
