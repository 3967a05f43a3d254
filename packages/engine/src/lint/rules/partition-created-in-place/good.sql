-- applied file: 001_base.sql
create table events (at date not null) partition by range (at);
-- file: 002_partition.sql
create table events_2025 (like events including all);
alter table events attach partition events_2025 for values from ('2025-01-01') to ('2026-01-01');
create table visits (at date not null) partition by range (at);
create table visits_2025 partition of visits for values from ('2025-01-01') to ('2026-01-01');
