-- file: 001_notes.sql
create table notes (id bigint primary key, body text);
-- file: 002_drop.sql
drop table notes;
drop table if exists notes;
-- file: 003_again.sql
create table notes (id bigint primary key, body text);
alter table notes add column author text;
-- file: 010_again.sql
create table wards (id bigint primary key, floor int constraint high check (floor > 0));
alter table wards drop constraint high;
do $$ begin execute 'alter table wards add constraint high ' || (select string_agg(rule, ' and ') from wards); end $$;
alter table wards drop constraint high;
