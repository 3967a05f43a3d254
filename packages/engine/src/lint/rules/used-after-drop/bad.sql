-- file: 001_notes.sql
create table notes (id bigint primary key, body text);
-- file: 002_drop.sql
drop table notes;
-- file: 003_author.sql
alter table notes add column author text; -- here
-- file: 004_parts.sql
create table wards (id bigint primary key, floor int constraint high check (floor > 0));
create function area(int) returns int language sql as 'select 1';
alter table wards drop constraint high;
drop function area(int);
-- file: 005_parts.sql
alter table wards drop constraint high; -- here
drop function area(int); -- here
