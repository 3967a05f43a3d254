-- applied file: 001_base.sql
create table orders (id bigint primary key, total numeric);
-- file: 002_check.sql
alter table orders add constraint orders_total_positive check (total > 0) not valid;
create table items (id bigint primary key, total numeric);
alter table items add constraint items_total check (total > 0) not valid;
alter table items validate constraint items_total;
-- file: 003_validate.sql
set local statement_timeout = '30min';
comment on table orders is 'what is sold';
alter table orders validate constraint orders_total_positive;
-- file: 004_check.sql
-- imhotep:no-transaction
alter table orders add constraint orders_total_small check (total < 1000) not valid;
alter table orders validate constraint orders_total_small;
