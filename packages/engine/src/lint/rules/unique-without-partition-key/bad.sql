-- file: 001_events.sql
create table events (id bigint primary key, at date not null) partition by range (at); -- here
create table visits (id bigint not null, at date not null, unique (id, at)) partition by range (at);
create table numbers (id bigint, unique (id)) partition by hash (abs(id)); -- here
-- file: 002_keys.sql
alter table visits add constraint visits_pkey primary key (id); -- here
alter table visits add column code text unique; -- here
create unique index visits_id on visits (id) include (at); -- here
create table visits_2024 partition of visits for values from ('2024-01-01') to ('2025-01-01') partition by list (code); -- here
create table visits_2025 (id bigint not null, at date not null, code text) partition by list (code);
alter table visits attach partition visits_2025 for values from ('2025-01-01') to ('2026-01-01'); -- here
