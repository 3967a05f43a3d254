-- applied file: 001_base.sql
create table orders (id bigint primary key, total numeric);
-- file: 002_checks.sql
alter table orders add constraint orders_total_positive check (total > 0); -- here
alter table orders
  add column note text,
  add check (note <> ''), -- here
  add column state text check (state in ('open', 'closed')); -- here
