-- file: 001_base.sql
create table orders (id bigint primary key, total numeric, state text);
-- file: 002_check.sql
alter table orders add constraint orders_total_positive check (total > 0) not valid; -- here
alter table orders
  add constraint orders_state_there not null state not valid; -- here
