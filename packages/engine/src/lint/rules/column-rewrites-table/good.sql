-- applied file: 001_base.sql
create table orders (id bigint primary key, total numeric);
create domain label as text;
create function same(text) returns text language sql immutable as $$ select $1 $$;
create schema clinic;
create table clinic.patients (id bigint primary key);
create function clinic.same_mrn() returns text language plpgsql stable as 'begin return 1; end';
-- file: 002_columns.sql
alter table orders add column note text;
alter table orders add column created_at timestamptz not null default now();
alter table orders add column state text not null default 'open';
alter table orders add column tags text[] default array[]::text[];
alter table orders add column day date default current_date, add column title label default same('x');
alter table orders add column double numeric generated always as (total * 2) virtual;
alter table orders add column key uuid;
alter table orders alter column key set default gen_random_uuid();
alter table orders add column if not exists total numeric generated always as (1) stored;
create table items (id bigint primary key);
alter table items add column number bigserial;
-- file: 003_clinic.sql
set search_path = clinic;
alter table patients add column mrn text default same_mrn();
