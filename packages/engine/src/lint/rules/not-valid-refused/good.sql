-- applied file: 001_base.sql
-- server: 17
create table customers (id bigint primary key);
create table events (at date not null, customer_id bigint) partition by range (at);
create table events_2024 partition of events for values from ('2024-01-01') to ('2025-01-01');
-- file: 002_key.sql
alter table events_2024 add constraint events_2024_customer foreign key (customer_id) references customers (id) not valid;
alter table events add constraint events_at check (at > '2000-01-01') not valid;
-- file: 003_key.sql
alter table events_2024 validate constraint events_2024_customer;
-- file: 004_key.sql
alter table events add constraint events_customer foreign key (customer_id) references customers (id);
