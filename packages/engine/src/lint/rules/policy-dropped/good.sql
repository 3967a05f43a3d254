-- applied file: 001_orders.sql
create table orders (id BIGINT primary key, shop BIGINT, closed boolean);
alter table orders enable row level security, force row level security;
create policy own on orders using (shop = 1);
create policy open_only on orders as restrictive using (not closed);
create schema clinic;
create table clinic.patients (id bigint primary key, tenant_id bigint);
create policy own on clinic.patients using (tenant_id = 2);
-- file: 002_other.sql
drop policy own on orders;
create policy own on orders using (shop = 2);
drop policy if exists never_there on orders;
alter policy open_only on orders using (closed is not true);
-- file: 003_clinic.sql
set search_path = clinic;
drop policy own on patients;
create policy own on patients using (tenant_id = 1);
