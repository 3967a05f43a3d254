-- file: 001_audit.sql
create table audit_logs (id bigint primary key, at timestamptz not null, actor varchar(80));
-- file: 002_audit.sql
create table if not exists audit_logs (
  id int8 primary key,
  at timestamp with time zone not null,
  actor character varying (80)
);
