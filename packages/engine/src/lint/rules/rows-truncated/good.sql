-- applied file: 001_base.sql
create table orders (id bigint primary key);
-- file: 002_empty.sql
create table imports (id bigint primary key);
truncate imports;
delete from orders where id < 100;
