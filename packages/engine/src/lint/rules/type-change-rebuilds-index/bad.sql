-- applied file: 001_base.sql
create table orders (id integer primary key, code varchar(20), note varchar(20), state varchar(9), title text, slug text collate "C");
create index orders_code on orders (lower(code));
create index orders_note on orders (note) where note is not null;
create index orders_state on orders (id) where state = 'open';
create index orders_title on orders (title);
create index orders_slug on orders (slug);
-- file: 002_types.sql
alter table orders alter column code type text; -- here
alter table orders alter column note type varchar(40); -- here
alter table orders alter column state type text; -- here
alter table orders alter column id type oid; -- here
alter table orders alter column title type text collate "C"; -- here
alter table orders alter column slug type text; -- here
