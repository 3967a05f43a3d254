-- applied file: 001_base.sql
create table orders (id bigint primary key);
create domain amount as numeric not null default 0;
-- file: 002_columns.sql
alter table orders add column state text not null default 'open';
alter table orders add column note text;
alter table orders add column total amount;
alter table orders add column number bigint not null generated always as identity;
alter table orders add column line bigserial not null;
alter table orders add column double bigint not null generated always as (id * 2) stored;
create table items (id bigint primary key);
alter table items add column state text not null;
