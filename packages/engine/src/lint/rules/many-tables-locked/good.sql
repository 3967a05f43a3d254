-- applied file: 001_base.sql
create table orders (id bigint primary key, note text);
create table items (id bigint primary key, note text);
-- file: 002_columns.sql
alter table orders add column total numeric;
alter table orders add column state text;
create table payments (id bigint primary key);
alter table payments add column total numeric;
alter table items alter column note set statistics 500;
-- file: 003_columns.sql
-- imhotep:no-transaction
alter table orders add column remark text;
alter table items add column remark text;
