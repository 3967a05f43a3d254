-- file: 001_orders.sql
create table orders (id bigint primary key, placed_at timestamptz);
-- file: 002_index.sql
create index orders_created_at on orders (created_at); -- here
alter table orders add constraint orders_number_key unique (number); -- here
