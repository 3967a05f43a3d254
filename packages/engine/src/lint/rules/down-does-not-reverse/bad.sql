-- file: V001__orders.sql
create table orders (id bigint primary key, total numeric(14, 2));
-- file: V002__note.sql
alter table orders add column note text;
create index orders_total on orders (total);
-- file: U002__note.sql
alter table orders drop column note; -- here
