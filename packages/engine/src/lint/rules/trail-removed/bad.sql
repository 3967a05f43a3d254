-- applied file: 001_orders.sql
create schema audit;
create schema core;
create function audit.log_orders() returns trigger language plpgsql as 'begin return null; end';
create function core.refuse_change() returns trigger language plpgsql as 'begin return null; end';
create table orders (id BIGINT primary key);
create trigger audit_update after update on orders for each row execute function audit.log_orders();
create trigger no_change before update or delete on orders for each row execute function core.refuse_change();
-- file: 002_bulk.sql
drop trigger audit_update on orders; -- here
alter table orders disable trigger no_change; -- here
alter table orders disable trigger user; -- here
