-- applied file: 001_base.sql
create table orders (id bigint primary key, state text, kind text);
alter table orders add constraint orders_state check (state in ('open', 'closed', 'lost'));
alter table orders add constraint orders_kind check (kind = any (array['a'::text, 'b'::text]));
-- file: 002_state.sql
alter table orders drop constraint orders_state;
alter table orders add constraint orders_state check (state in ('open', 'closed')) not valid; -- here
alter table orders
  drop constraint orders_kind,
  add constraint orders_kind_2 check (kind = 'a' or kind = 'c') not valid; -- here
