-- file: 001_audit.sql
create table audit_logs (id BIGINT primary key, at timestamptz not null);
-- file: 002_audit.sql
create table audit_logs (id BIGINT primary key, at timestamptz not null, actor text); -- here
