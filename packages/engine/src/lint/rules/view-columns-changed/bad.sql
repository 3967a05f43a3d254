-- applied file: 001_base.sql
create table orders (id bigint primary key, note text, total numeric);
create view order_notes as select id, note from orders;
create view order_totals as select id, total from orders;
create view order_all as select id, note, total from orders;
-- file: 002_views.sql
create or replace view order_notes as select id from orders; -- here
drop view order_totals;
create view order_totals as select id from orders; -- here
create or replace view order_all as select id, total, note from orders; -- here
