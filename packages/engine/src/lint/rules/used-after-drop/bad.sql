-- file: 001_notes.sql
create table notes (id bigint primary key, body text);
-- file: 002_drop.sql
drop table notes;
-- file: 003_author.sql
alter table notes add column author text; -- here
