-- applied file: 001_base.sql
create table events (at date not null, note text) partition by range (at);
create table events_2024 (at date not null, note text);
alter table events_2024 add constraint in_2024 check (at >= '2024-01-01' and at < '2025-01-01');
create table regions (code text, name text) partition by list (code);
create table regions_north (code text, name text, constraint in_north check (code is not null and code in ('n', 'nw')));
create table visits (at date not null, constraint before_2026 check (at < '2026-01-01'));
create table calls (at date not null);
-- file: 002_attach.sql
alter table events attach partition events_2024 for values from ('2024-01-01') to ('2025-01-01');
alter table regions attach partition regions_north for values in ('n', 'nw');
create table events_2026 (like events);
alter table events attach partition events_2026 for values from ('2026-01-01') to ('2027-01-01');
create table events_2027 partition of events for values from ('2027-01-01') to ('2028-01-01');
-- file: 003_partitioned.sql
alter table visits rename to visits_old;
create table visits (like visits_old) partition by range (at);
alter table visits attach partition visits_old for values from (minvalue) to ('2026-01-01');
alter table calls rename to calls_old;
create table calls (like calls_old) partition by range (at);
alter table calls attach partition calls_old default;
