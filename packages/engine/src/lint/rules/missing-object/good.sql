-- file: 001_orders.sql
create table customers (id bigint primary key);
create table orders (id bigint primary key, customer_id bigint references customers (id));
create view open_orders as
  with open as (select * from orders) select id from open;
-- file: 002_sizes.sql
create view sizes as
  select c.relname, c.relpages from pg_class c join pg_namespace n on n.oid = c.relnamespace;
-- file: 003_drops.sql
alter table orders drop constraint orders_customer_id_fkey;
alter table orders add constraint there check (customer_id is not null) not valid, validate constraint there;
alter table orders drop constraint if exists positive;
alter table customers drop constraint customers_id_not_null;
drop index if exists orders_customer;
drop trigger if exists changed on orders;
drop schema if exists billing;
drop publication if exists changes;
drop extension if exists pgcrypto;
create extension pgcrypto;
drop extension pgcrypto;
-- file: 004_extensions.sql
create extension postgis;
drop function st_area(bytea);
select create_hypertable('orders', 'id');
drop index orders_id_idx;
drop trigger ts_insert_blocker on orders;
-- file: 005_made.sql
select audit.track('orders');
drop trigger audit_orders on orders;
drop policy own on other.orders;
-- file: 006_own_table_of_the_tool.sql
create function guard() returns trigger language plpgsql as 'begin return new; end';
create trigger guard before insert on __diesel_schema_migrations for each row execute function guard();
comment on table schema_migrations is 'what is applied';
