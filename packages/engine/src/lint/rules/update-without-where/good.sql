-- applied file: 001_base.sql
create table orders (id bigint primary key, note text);
-- file: 002_notes.sql
update orders set note = '' where note is null;
create table items (id bigint primary key, note text);
update items set note = '';
-- file: 003_notes.sql
update orders as o set note = s.note from (values (1, 'a'), (2, 'b')) as s (id, note) where s.id = o.id;
