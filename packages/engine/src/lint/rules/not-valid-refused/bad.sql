-- applied file: 001_base.sql
-- server: 17
create table customers (id bigint primary key);
create table events (at date not null, customer_id bigint) partition by range (at);
-- file: 002_key.sql
alter table events add constraint events_customer foreign key (customer_id) references customers (id) not valid; -- here
