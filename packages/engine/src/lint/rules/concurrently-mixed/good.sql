-- applied file: 001_base.sql
create table orders (id bigint primary key, customer_id bigint, note text);
-- file: 002_index.sql
set lock_timeout = '3s';
drop index if exists orders_customer_id;
create index concurrently orders_customer_id on orders (customer_id);
comment on index orders_customer_id is 'for the list of a customer';
-- file: 003_index.sql
create index concurrently orders_note on orders (note);
vacuum orders;
-- file: 004_index.sql
-- imhotep:no-transaction
alter table orders add column total numeric;
create index concurrently orders_total on orders (total);
-- file: 005_plain.sql
alter table orders add column remark text;
