-- applied file: 001_base.sql
create table orders (id bigint not null, code text);
create unique index orders_pkey on orders (id);
-- file: 002_index.sql
create unique index concurrently orders_code_key on orders (code);
-- file: 003_keys.sql
alter table orders add constraint orders_code_key unique using index orders_code_key;
alter table orders add primary key using index orders_pkey;
alter table orders add column note text;
create table items (id bigint not null, code text);
alter table items add primary key (id), add unique (code);
