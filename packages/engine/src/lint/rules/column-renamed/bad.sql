-- applied file: 001_base.sql
create table orders (id bigint primary key, note text);
create view order_ids as select id from orders;
-- file: 002_rename.sql
alter table orders rename column note to remark; -- here
alter view order_ids rename column id to order_id; -- here
