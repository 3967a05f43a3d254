-- file: 001_app.sql
create role app;
create table customers (id BIGINT primary key);
grant select on all tables in schema public to app;
-- file: 002_orders.sql
create table orders (id BIGINT primary key); -- here
