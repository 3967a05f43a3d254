-- applied file: 001_base.sql
create table events (at date not null, note text) partition by range (at);
create table events_rest partition of events default;
create table events_2025 (at date not null, note text);
create table visits (at date not null);
-- file: 002_partitions.sql
create table events_2024 partition of events for values from ('2024-01-01') to ('2025-01-01'); -- here
alter table events attach partition events_2025 for values from ('2025-01-01') to ('2026-01-01'); -- here
-- file: 003_partitioned.sql
alter table visits rename to visits_rest;
create table visits (like visits_rest) partition by range (at);
alter table visits attach partition visits_rest default;
create table visits_2025 partition of visits for values from ('2025-01-01') to ('2026-01-01'); -- here
create table visits_2026 (like visits);
alter table visits attach partition visits_2026 for values from ('2026-01-01') to ('2027-01-01'); -- here
