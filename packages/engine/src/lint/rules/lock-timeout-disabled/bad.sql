-- applied file: 001_base.sql
create table orders (id bigint primary key, note text);
-- file: 002_column.sql
set lock_timeout = 0;
alter table orders add column total numeric; -- here
-- file: 003_column.sql
select set_config('lock_timeout', '0ms', true);
alter table orders add column state text; -- here
