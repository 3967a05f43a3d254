-- applied file: 001_base.sql
create role clerk;
create role reader;
grant reader to clerk;
create table orders (id bigint primary key);
grant select, insert on orders to clerk;
-- file: 002_revoke.sql
revoke insert on orders from clerk; -- here
-- file: 003_revoke.sql
revoke all on orders from clerk; -- here
-- file: 004_revoke.sql
revoke reader from clerk; -- here
