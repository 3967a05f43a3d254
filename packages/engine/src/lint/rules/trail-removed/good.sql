-- applied file: 001_orders.sql
create schema audit;
create function audit.log_orders() returns trigger language plpgsql as 'begin return null; end';
create function total() returns trigger language plpgsql as 'begin return null; end';
create table orders (id BIGINT primary key);
create trigger audit_update after update on orders for each row execute function audit.log_orders();
create trigger total after update on orders for each row execute function total();
create schema clinic;
create table clinic.patients (id bigint primary key);
create trigger audit_update after update on clinic.patients for each row execute function audit.log_orders();
-- file: 002_bulk.sql
drop trigger audit_update on orders;
create trigger audit_update after update of id on orders for each row execute function audit.log_orders();
alter table orders disable trigger audit_update;
alter table orders enable trigger audit_update;
drop trigger total on orders;
-- file: 003_clinic.sql
set search_path = clinic;
alter table patients disable trigger audit_update;
alter table patients enable trigger audit_update;
drop trigger audit_update on patients;
create trigger audit_update after update of id on patients for each row execute function audit.log_orders();
