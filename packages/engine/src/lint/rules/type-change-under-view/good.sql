-- applied file: 001_base.sql
create table orders (id bigint primary key, code varchar(10), note varchar(10));
create view order_codes as select o.id, o.code from orders as o;
-- file: 002_types.sql
alter table orders alter column note type varchar(20);
alter table orders alter column code type varchar(10);
drop view order_codes;
alter table orders alter column code type varchar(20);
create view order_codes as select o.id, o.code from orders as o;
