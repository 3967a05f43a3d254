-- applied file: 001_base.sql
create table events (at date not null, note text) partition by range (at);
create table events_rest partition of events default;
alter table events_rest add constraint not_2024 check (at < '2024-01-01' or at >= '2025-01-01');
create table visits (at date not null) partition by range (at);
-- file: 002_partitions.sql
create table events_2024 partition of events for values from ('2024-01-01') to ('2025-01-01');
create table visits_2024 partition of visits for values from ('2024-01-01') to ('2025-01-01');
create table visits_rest partition of visits default;
create table visits_2025 partition of visits for values from ('2025-01-01') to ('2026-01-01');
create table calls (at date not null) partition by range (at);
create table calls_rest partition of calls default;
create table calls_2025 (like calls);
alter table calls attach partition calls_2025 for values from ('2025-01-01') to ('2026-01-01');
