-- applied file: 001_base.sql
create table events (at date not null) partition by range (at);
-- file: 002_partition.sql
create table events_2025 partition of events for values from ('2025-01-01') to ('2026-01-01'); -- here
