-- applied file: 001_base.sql
create table orders (id bigint primary key, customer_id bigint);
create materialized view totals as select customer_id, count(*) as orders from orders group by customer_id;
create unique index totals_customer_id on totals (customer_id);
create materialized view later as select count(*) as orders from orders with no data;
-- file: 002_refresh.sql
refresh materialized view concurrently totals;
refresh materialized view later;
create materialized view sums as select count(*) as orders from orders with no data;
refresh materialized view sums;
