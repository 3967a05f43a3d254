-- applied file: 001_base.sql
create table orders (id bigint not null, code text);
-- file: 002_keys.sql
alter table orders add constraint orders_code_key unique (code); -- here
alter table orders add primary key (id); -- here
alter table orders
  add column note text,
  add column slug text unique; -- here
