-- applied file: 001_base.sql
create table events (at date not null, note text) partition by range (at);
create table events_2024 partition of events for values from ('2024-01-01') to ('2025-01-01');
create table events_2025 partition of events for values from ('2025-01-01') to ('2026-01-01');
-- file: 002_detach.sql
alter table events detach partition events_2024; -- here
-- file: 003_detach.sql
alter table events detach partition events_2025; -- here
drop table events_2025;
