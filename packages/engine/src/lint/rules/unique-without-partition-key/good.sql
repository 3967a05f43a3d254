-- file: 001_events.sql
create table events (id bigint, at date, primary key (id, at)) partition by range (at);
create table visits (id bigint not null, "At" date not null, unique (id, "At")) partition by range ("At");
create table numbers (id bigint) partition by hash (abs(id));
create table codes (code text primary key);
-- file: 002_keys.sql
alter table visits add constraint visits_pkey primary key ("At", id);
alter table numbers add column code text references codes (code);
create unique index if not exists events_pkey on events (id);
create unique index events_at on events (at);
create table visits_2024 partition of visits for values from ('2024-01-01') to ('2025-01-01') partition by hash (id);
create table visits_2024_0 partition of visits_2024 for values with (modulus 1, remainder 0);
create unique index visits_2024_0_id on visits_2024_0 (id);
create table visits_2025 (id bigint primary key, "At" date not null);
alter table visits attach partition visits_2025 for values from ('2025-01-01') to ('2026-01-01');
create table visits_2026 (id bigint primary key, "At" date not null) partition by list (id);
alter table visits attach partition visits_2026 for values from ('2026-01-01') to ('2027-01-01');
