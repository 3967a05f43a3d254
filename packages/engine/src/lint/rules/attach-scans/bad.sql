-- applied file: 001_base.sql
create table events (at date not null, note text) partition by range (at);
create table events_2024 (at date not null, note text);
create table events_2025 (at date not null, note text);
alter table events_2025 add constraint in_2025 check (at >= '2025-01-01' and at < '2026-01-01') not valid;
create table events_2026 (at date, note text, constraint in_2026 check (at >= '2026-01-01' and at < '2027-01-01'));
create table events_rest (at date not null, note text);
create table visits (at date not null, note text);
-- file: 002_attach.sql
alter table events attach partition events_2024 for values from ('2024-01-01') to ('2025-01-01'); -- here
alter table events attach partition events_2025 for values from ('2025-01-01') to ('2026-01-01'); -- here
alter table events attach partition events_2026 for values from ('2026-01-01') to ('2027-01-01'); -- here
alter table events attach partition events_rest default; -- here
-- file: 003_partitioned.sql
alter table visits rename to visits_old;
create table visits (like visits_old) partition by range (at);
alter table visits attach partition visits_old for values from (minvalue) to ('2026-01-01'); -- here
