-- applied file: 001_base.sql
create table orders (id bigint primary key);
create table items (id bigint primary key);
create table events (at date not null) partition by range (at);
create table events_2024 partition of events for values from ('2024-01-01') to ('2025-01-01');
-- file: 002_drop.sql
drop table orders; -- here
drop table if exists items; -- here
drop table events_2024; -- here
