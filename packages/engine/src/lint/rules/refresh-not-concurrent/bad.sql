-- applied file: 001_base.sql
create table orders (id bigint primary key, customer_id bigint);
create materialized view totals as select customer_id, count(*) as orders from orders group by customer_id;
create unique index totals_customer_id on totals (customer_id);
create materialized view sums as select count(*) as orders from orders;
-- file: 002_refresh.sql
refresh materialized view totals; -- here
refresh materialized view sums; -- here
refresh materialized view totals with no data; -- here
