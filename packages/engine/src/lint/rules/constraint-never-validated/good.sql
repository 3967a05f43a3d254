-- file: 001_base.sql
create table orders (id bigint primary key, total numeric);
-- file: 002_check.sql
alter table orders add constraint orders_total_positive check (total > 0) not valid;
-- file: 003_validate.sql
alter table orders validate constraint orders_total_positive;
