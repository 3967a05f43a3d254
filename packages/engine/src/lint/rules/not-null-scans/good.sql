-- applied file: 001_base.sql
create table orders (id bigint primary key, note text, total numeric, state text not null);
alter table orders add constraint orders_note_there check (note is not null) not valid;
alter table orders validate constraint orders_note_there;
alter table orders add constraint orders_total_there check (total is not null and total > 0);
create table payments (id bigint not null, remark text);
alter table payments add constraint remark_there not null remark not valid;
alter table payments validate constraint remark_there;
create unique index payments_id on payments (id);
-- file: 002_not_null.sql
alter table orders alter column note set not null;
alter table orders drop constraint orders_note_there;
alter table orders alter column total set not null;
alter table orders alter column state set not null;
alter table orders alter column note drop not null;
alter table payments alter column remark set not null;
alter table payments add primary key using index payments_id;
create table items (id bigint, note text);
alter table items alter column note set not null;
-- file: 003_not_null.sql
alter table orders add constraint orders_note_again not null note not valid;
