-- applied file: 001_base.sql
create table orders (id bigint primary key);
-- file: 002_details.sql
alter table orders add column details jsonb not null default '{}';
create table messages (id bigint primary key, raw json not null);
alter table messages add column answer json;
