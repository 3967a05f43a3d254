-- applied file: 001_base.sql
create table orders (id integer primary key, code varchar(20), note varchar(20), number integer, title text, slug text collate "C");
create index orders_code on orders (code);
create index orders_number on orders (number);
create index orders_id on orders (lower(note));
create index orders_title on orders (title collate "C");
create index orders_slug on orders (slug);
-- file: 002_types.sql
alter table orders alter column code type text;
alter table orders alter column code type varchar;
alter table orders alter column number type bigint;
alter table orders alter column title type text collate "C";
alter table orders alter column title type text;
alter table orders alter column slug type varchar collate "C";
