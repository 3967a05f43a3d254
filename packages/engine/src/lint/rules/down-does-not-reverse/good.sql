-- file: V001__orders.sql
create table orders (id bigint primary key, placed_on date, total numeric(14, 2));
-- file: V002__note.sql
alter table orders add column note text;
create index orders_total on orders (total);
-- file: U002__note.sql
drop index orders_total;
alter table orders drop column note;
-- file: V003__no_date.sql
alter table orders drop column placed_on;
-- file: U003__no_date.sql
alter table orders add column placed_on date;
