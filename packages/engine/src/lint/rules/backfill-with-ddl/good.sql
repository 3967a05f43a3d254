-- applied file: 001_base.sql
create table orders (id bigint primary key, note text);
create table settings (name text primary key, value text);
-- file: 002_state.sql
alter table orders add column state text;
insert into settings values ('orders.state', 'open');
update settings set value = 'x' where name = 'orders.state';
update orders set note = '' where id in (1, 2, 3);
delete from settings where name = 'old';
create table items (id bigint primary key, note text);
insert into items select generate_series(1, 10), '';
update items set note = '';
-- file: 003_state.sql
update orders set state = 'open' where state is null and id <= 10000;
-- file: 004_state.sql
-- imhotep:no-transaction
alter table orders add column remark text;
update orders set remark = '' where remark is null;
-- file: 005_state.sql
create table states (id bigint primary key);
update orders set state = 'open' where state is null;
-- file: 006_items.sql
alter table orders add column total numeric;
create table lines (id bigint primary key, note text);
with numbers as (select n from generate_series(1, 3) as n) insert into lines select n, '' from numbers;
-- file: 007_notes.sql
alter table orders alter column note set default '';
update orders as o set note = s.note from (values (1, 'a'), (2, 'b')) as s (id, note) where s.id = o.id;
