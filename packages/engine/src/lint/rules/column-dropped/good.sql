-- applied file: 001_base.sql
create table orders (id bigint primary key, note text, total numeric);
-- file: 002_drop.sql
alter table orders add column state text;
alter table orders drop column state;
alter table orders drop column if exists remark;
alter table orders alter column note drop not null;
create table items (id bigint primary key, note text);
alter table items drop column note;
