-- applied file: 001_base.sql
create table orders (id bigint primary key, code varchar(20) check (code <> ''), note varchar(20), state varchar(20));
alter table orders add constraint orders_note check (length(note) > 1 or state is null);
-- file: 002_types.sql
alter table orders alter column code type varchar(40); -- here
alter table orders
  alter column note type text, -- here
  alter column state type varchar(20); -- here
