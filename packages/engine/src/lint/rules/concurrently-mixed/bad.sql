-- applied file: 001_base.sql
create table orders (id bigint primary key, customer_id bigint, note text);
-- file: 002_index.sql
alter table orders add column total numeric;
create index concurrently orders_total on orders (total); -- here
-- file: 003_index.sql
create index concurrently orders_note on orders (note); -- here
update orders set note = '' where id = 1;
