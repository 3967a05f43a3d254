-- applied file: 001_base.sql
create table orders (id bigint primary key, state text, kind text);
alter table orders add constraint orders_state check (state in ('open', 'closed'));
alter table orders add constraint orders_kind check (kind in ('a', 'b'));
-- file: 002_state.sql
alter table orders drop constraint orders_state, add constraint orders_state check (state in ('open', 'closed', 'lost')) not valid;
alter table orders drop constraint orders_kind;
create table items (id bigint primary key, state text, constraint items_state check (state in ('open', 'closed')));
alter table items drop constraint items_state;
alter table items add constraint items_state check (state in ('open'));
