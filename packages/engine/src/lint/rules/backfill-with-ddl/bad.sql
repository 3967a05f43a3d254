-- applied file: 001_base.sql
create table orders (id bigint primary key, note text, customer_id bigint);
create table old_notes (id bigint primary key, note text);
-- file: 002_state.sql
alter table orders add column state text;
update orders set state = 'open'; -- here
-- file: 003_notes.sql
alter table orders alter column note set default '';
update orders set note = '' where note is null; -- here
delete from old_notes where note is null; -- here
insert into old_notes select id, note from orders; -- here
-- file: 004_copy.sql
begin;
alter table orders add column remark text;
create table remarks as select id, note from orders; -- here
commit;
-- file: 005_block.sql
do $$
begin
  alter table orders add column kind text;
  update orders set kind = 'a'; -- here
end $$;
