-- file: 001_orders.sql
create table orders (id bigint primary key, placed_at timestamptz);
-- file: 002_index.sql
create index orders_placed_at on orders (placed_at);
alter table orders add column number text, add constraint orders_number_key unique (number);
