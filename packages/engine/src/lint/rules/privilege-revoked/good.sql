-- applied file: 001_base.sql
create role clerk;
create table orders (id bigint primary key);
grant select on orders to clerk;
-- file: 002_revoke.sql
revoke all on orders from public;
revoke delete on orders from clerk;
revoke all on orders from clerk;
grant select, insert on orders to clerk;
create table items (id bigint primary key);
grant select on items to clerk;
revoke select on items from clerk;
