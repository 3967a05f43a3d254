-- applied file: 001_base.sql
create table orders (id bigint primary key);
create table items (id bigint primary key, note text);
create index items_note on items (note);
-- file: 002_rename.sql
alter table orders rename to sales_orders;
create view orders with (security_invoker) as select * from sales_orders;
create table drafts (id bigint primary key);
alter table drafts rename to sketches;
alter index items_note rename to items_by_note;
alter table items rename constraint items_pkey to items_key;
-- file: 003_swap.sql
create table items_new (id bigint primary key, note text not null);
alter table items rename to items_old;
alter table items_new rename to items;
