-- file: 001_audit.sql
create table audit_logs (id bigint primary key, at timestamptz not null);
-- file: 002_audit.sql
create table audit_logs (id bigint primary key, at timestamptz not null, actor text); -- here
-- file: 003_floors.sql
create table floors (id bigint primary key, level int check (level > 0), room int unique);
create index rooms on floors (room);
create type shift as enum ('day', 'night');
-- file: 004_floors.sql
alter table floors add constraint floors_level_check check (level < 90); -- here
alter table floors add constraint rooms unique (level); -- here
create table halls (id bigint constraint floors_pkey primary key); -- here
create view rooms as select room from floors; -- here
create sequence rooms; -- here
create type floors as enum ('ground', 'first'); -- here
create table shift (id bigint primary key); -- here
-- file: 005_names.sql
alter table audit_logs rename to floors; -- here
alter table floors rename column room to level; -- here
alter index rooms rename to floors_pkey; -- here
-- file: 006_shift.sql
alter type shift add value 'day'; -- here
alter type shift rename value 'day' to 'night'; -- here
-- file: 007_moves.sql
create schema old;
create table old.floors (id bigint);
create table old.shift_log (id bigint);
create index shifts_pkey on old.shift_log (id);
alter table old.floors set schema public; -- here
create table shifts (id bigint primary key);
alter table shifts set schema old; -- here
