-- file: 001_app.sql
create role app;
create table customers (id bigint primary key);
grant select on all tables in schema public to app;
-- file: 002_orders.sql
create table orders (id bigint primary key);
grant select on orders to app;
-- file: 003_default.sql
alter default privileges in schema public grant select on tables to app;
create table items (id bigint primary key);
