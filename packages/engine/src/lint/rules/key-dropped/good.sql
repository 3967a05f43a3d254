-- applied file: 001_base.sql
create table orders (id bigint primary key, code text, slug text);
create unique index orders_code on orders (code);
create unique index orders_code_2 on orders (code);
create unique index orders_open on orders (slug) where code is null;
create index orders_slug on orders (slug);
alter table orders add constraint orders_slug_key unique (slug);
alter table orders add constraint orders_positive check (id > 0);
-- file: 002_keys.sql
drop index concurrently orders_code;
-- file: 003_keys.sql
alter table orders drop constraint orders_slug_key, add constraint orders_slug_code_key unique (slug, code);
alter table orders drop constraint orders_positive;
drop index orders_open;
drop index orders_slug;
-- file: 004_keys.sql
alter table elsewhere.orders drop constraint orders_pkey;
alter table elsewhere.orders add constraint orders_pkey primary key (id, code);
-- file: 005_keys.sql
alter table orders add constraint orders_id_code_key unique (id, code);
alter table orders drop constraint orders_pkey;
