-- applied file: 001_base.sql
create table orders (id bigint primary key, note text);
-- file: 002_notes.sql
update orders set note = ''; -- here
-- file: 003_notes.sql
with blank as (select '' as note) update only orders set note = blank.note from blank; -- here
