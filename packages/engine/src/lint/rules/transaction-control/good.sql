-- file: 001_base.sql
begin;
create table orders (id bigint primary key);
savepoint before_items;
create table items (id bigint primary key);
release savepoint before_items;
commit;
-- file: 002_lines.sql
create table lines (id bigint primary key);
create function one() returns int language plpgsql as $$ begin return 1; end $$;
-- file: 003_notes.sql
start transaction;
create table notes (id bigint primary key);
end;
