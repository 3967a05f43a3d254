-- file: 001_notes.sql
create table notes (id bigint primary key, body text);
-- file: 002_drop.sql
drop table notes;
drop table if exists notes;
-- file: 003_again.sql
create table notes (id bigint primary key, body text);
alter table notes add column author text;
