-- applied file: 001_base.sql
create table orders (id bigint primary key);
-- file: 002_bulk.sql
alter table orders disable trigger all; -- here
alter table orders disable trigger user; -- here
-- file: 003_bulk.sql
set session_replication_role = replica; -- here
select set_config('session_replication_role', 'replica', true); -- here
