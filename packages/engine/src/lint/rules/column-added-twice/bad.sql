-- file: 001_orders.sql
create table orders (id BIGINT primary key);
alter table orders add column total NUMERIC(14, 2);
-- file: 002_total.sql
alter table orders add column total NUMERIC(14, 2); -- here
-- file: 003_total.sql
alter table orders add column if not exists total text; -- here
