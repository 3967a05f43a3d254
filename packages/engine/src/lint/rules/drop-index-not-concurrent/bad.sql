-- applied file: 001_base.sql
create table orders (id bigint primary key, customer_id bigint, note text);
create index orders_customer_id on orders (customer_id);
create index orders_note on orders (note);
-- file: 002_drop.sql
drop index orders_customer_id; -- here
-- file: 003_drop.sql
drop index if exists orders_note; -- here
