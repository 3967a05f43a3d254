-- file: 001_audit.sql
create table audit_logs (id BIGINT primary key, at timestamptz not null, actor VARCHAR(80));
-- file: 002_audit.sql
create table if not exists audit_logs (
  id int8 primary key,
  at TIMESTAMP WITH TIME ZONE not null,
  actor CHARACTER VARYING (80)
);
