-- file: 001_base.sql
create table orders (id bigint primary key, total numeric, state text, note text);
-- file: 002_check.sql
alter table orders add constraint orders_total_positive check (total > 0) not valid;
alter table orders add constraint orders_state_there not null state not valid;
alter table orders add constraint orders_note_there not null note not valid;
-- file: 003_validate.sql
alter table orders validate constraint orders_total_positive;
alter table orders validate constraint orders_state_there;
alter table orders drop constraint orders_note_there;
