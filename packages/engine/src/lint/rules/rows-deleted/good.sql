-- applied file: 001_base.sql
create table orders (id bigint primary key, note text);
-- file: 002_delete.sql
delete from orders where note is null;
create table imports (id bigint primary key);
delete from imports;
with gone as (select 1 as id) delete from orders using gone where orders.id = gone.id;
