-- file: 001_audit.sql
create table audit_logs (id bigint primary key, at timestamptz not null);
-- file: 002_audit.sql
create table if not exists audit_logs (id bigint primary key, at timestamptz not null);
alter table audit_logs add column actor text;
drop table audit_logs;
create table audit_logs (id bigint primary key);
-- file: 003_floors.sql
create table floors (id bigint primary key, level int constraint high check (level > 0), room int unique);
create index rooms on floors (level);
create type shift as enum ('day', 'night');
-- file: 004_floors.sql
alter table floors drop constraint high, add constraint high check (level > 1);
alter table floors drop column room, add column room int constraint floors_room_key unique;
create index if not exists floors on floors (level);
alter type shift add value if not exists 'day';
alter index rooms rename to floors_rooms;
alter table floors set schema public;
create schema old;
alter table audit_logs set schema old;
-- file: 005_floors.sql
do $$
declare
  name text;
begin
  for name in select conname from pg_constraint join floors on conrelid = 'floors'::regclass loop
    execute format('alter table floors drop constraint %I', name);
  end loop;
end $$;
alter table floors add constraint high check (level > 2);
