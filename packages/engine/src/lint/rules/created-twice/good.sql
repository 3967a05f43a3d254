-- file: 001_audit.sql
create table audit_logs (id bigint primary key, at timestamptz not null);
-- file: 002_audit.sql
create table if not exists audit_logs (id bigint primary key, at timestamptz not null);
alter table audit_logs add column actor text;
drop table audit_logs;
create table audit_logs (id bigint primary key);
