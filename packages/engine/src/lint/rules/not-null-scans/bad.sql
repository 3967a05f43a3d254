-- applied file: 001_base.sql
create table orders (id bigint, note text, total numeric, state text, code text, constraint total_there check (total is not null or note is not null));
alter table orders add constraint orders_state_there check (state is not null) not valid;
create unique index orders_id on orders (id);
create table payments (id bigint, note text, remark text, constraint note_there check (note is not null));
alter table payments add constraint remark_there not null remark not valid;
-- file: 002_not_null.sql
alter table orders alter column note set not null; -- here
alter table orders
  add column remark text,
  alter column total set not null; -- here
alter table orders alter column state set not null; -- here
alter table orders add constraint orders_note_there not null code; -- here
alter table orders add primary key using index orders_id; -- here
alter table payments alter column note set not null, drop constraint note_there; -- here
alter table payments alter column remark set not null; -- here
