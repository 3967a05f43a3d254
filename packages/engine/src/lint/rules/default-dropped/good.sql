-- applied file: 001_base.sql
create table orders (id bigint primary key, state text not null default 'open', note text default '', code text not null);
-- file: 002_defaults.sql
alter table orders alter column note drop default;
alter table orders alter column code drop default;
alter table orders alter column state set default 'new';
alter table orders add column kind text not null default 'a';
alter table orders alter column kind drop default;
