-- file: V20241231101500123__orders.sql
create table orders (id bigint primary key);
-- file: R__totals.sql
create or replace view totals as
  select count(*) as orders from orders;
-- file: 2025-01-02-000061_counted/up.sql
create table items (id bigint primary key);
