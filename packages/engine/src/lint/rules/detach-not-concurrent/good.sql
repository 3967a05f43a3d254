-- applied file: 001_base.sql
create table events (at date not null, note text) partition by range (at);
create table events_2024 partition of events for values from ('2024-01-01') to ('2025-01-01');
create table visits (at date not null) partition by range (at);
create table visits_2024 partition of visits for values from ('2024-01-01') to ('2025-01-01');
create table visits_rest partition of visits default;
-- file: 002_detach.sql
alter table events detach partition events_2024 concurrently;
-- file: 003_detach.sql
alter table visits detach partition visits_2024;
create table trips (at date not null) partition by range (at);
create table trips_2024 partition of trips for values from ('2024-01-01') to ('2025-01-01');
alter table trips detach partition trips_2024;
