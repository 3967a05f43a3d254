-- applied file: 001_base.sql
create table customers (id bigint primary key);
create table orders (
  id bigint primary key,
  customer_id bigint,
  payer_id bigint,
  agent_id bigint,
  constraint orders_customer foreign key (customer_id) references customers (id),
  constraint orders_payer foreign key (payer_id) references customers (id),
  constraint orders_agent foreign key (agent_id) references customers (id),
  constraint orders_positive check (id > 0)
);
-- file: 002_keys.sql
alter table orders
  drop constraint orders_customer,
  add constraint orders_customer foreign key (customer_id) references customers (id) on delete cascade not valid;
alter table orders drop constraint orders_positive;
-- file: 003_keys.sql
alter table orders drop constraint orders_payer, drop column payer_id;
-- file: 004_keys.sql
alter table orders add constraint orders_agent_2 foreign key (agent_id) references customers (id) not valid;
alter table orders drop constraint orders_agent;
create table items (id bigint primary key, order_id bigint, constraint items_order foreign key (order_id) references orders (id));
alter table items drop constraint items_order;
