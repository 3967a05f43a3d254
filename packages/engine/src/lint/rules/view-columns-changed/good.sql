-- applied file: 001_base.sql
create table orders (id bigint primary key, note text, total numeric);
create view order_notes as select id, note from orders;
create view order_totals as select id, total from orders;
-- file: 002_views.sql
create or replace view order_notes as select id, note, total from orders;
drop view order_totals;
create or replace view order_totals as select total, id, note from orders;
create view order_all as select id, note, total from orders;
create or replace view order_all as select id, note, total, 1 as one from orders;
