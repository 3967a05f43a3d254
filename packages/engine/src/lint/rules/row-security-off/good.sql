-- applied file: 001_orders.sql
create table orders (id BIGINT primary key, shop BIGINT);
alter table orders enable row level security, force row level security;
create schema clinic;
create table clinic.patients (id bigint primary key);
alter table clinic.patients enable row level security, force row level security;
-- file: 002_repair.sql
alter table orders no force row level security;
update orders set shop = 1 where shop is null;
alter table orders force row level security;
create table drafts (id BIGINT primary key);
alter table drafts disable row level security;
-- file: 003_clinic.sql
set search_path = clinic;
alter table patients no force row level security;
alter table patients force row level security;
