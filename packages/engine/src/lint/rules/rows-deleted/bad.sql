-- applied file: 001_base.sql
create table orders (id bigint primary key);
-- file: 002_delete.sql
delete from orders; -- here
delete from orders where true; -- here
