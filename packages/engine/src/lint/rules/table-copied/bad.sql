-- applied file: 001_base.sql
create table orders (id bigint primary key, note text);
-- file: 002_copy.sql
create table old_orders as select * from orders; -- here
select id, note into old_notes from orders where note is not null; -- here
