-- applied file: 001_base.sql
create table events (at date not null, note text) partition by range (at);
create table events_rest partition of events default;
create table events_2025 (at date not null, note text);
-- file: 002_partitions.sql
create table events_2024 partition of events for values from ('2024-01-01') to ('2025-01-01'); -- here
alter table events attach partition events_2025 for values from ('2025-01-01') to ('2026-01-01'); -- here
