-- applied file: 001_base.sql
create table orders (id bigint primary key, total numeric);
create domain amount as numeric check (value >= 0);
create function next_code() returns text language sql as $$ select md5(random()::text) $$;
create schema clinic;
create table clinic.patients (id bigint primary key);
create function clinic.next_mrn() returns text language plpgsql volatile as 'begin return md5(random()::text); end';
-- file: 002_columns.sql
alter table orders add column number bigserial; -- here
alter table orders add column position int generated always as identity; -- here
alter table orders
  add column note text,
  add column key uuid default gen_random_uuid(), -- here
  add column double numeric generated always as (total * 2) stored; -- here
alter table orders add column seen_at timestamptz default clock_timestamp(); -- here
alter table orders add column code text default next_code(); -- here
alter table orders add column paid amount; -- here
-- file: 003_clinic.sql
set search_path = clinic;
alter table patients add column mrn text default next_mrn(); -- here
