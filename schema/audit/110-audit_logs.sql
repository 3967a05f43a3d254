-- audit.audit_logs: every change to a sensitive row, plus sign-ins, exports and security events.
-- A row is named by (tenant_id, occurred_at, seq): one index serves identity and the time window of a tenant. There are
-- no foreign keys, because evidence outlives what it describes. txid tells the sealer which rows can no longer grow.

-- not an identity column: those of a partitioned table are not to be had on every supported version
create sequence audit.audit_logs_seq;

create table audit.audit_logs (
  tenant_id uuid not null,
  occurred_at timestamptz not null default now(),
  seq bigint not null default nextval('audit.audit_logs_seq'),
  txid bigint not null default pg_current_xact_id()::text::bigint,
  action text not null,
  schema_name text not null,
  table_name text not null,
  row_id uuid,
  patient_id uuid,
  emr_system text,
  emr_id text,
  old_values jsonb,
  new_values jsonb,
  changed_columns text[],
  actor_user_id uuid default nullif(current_setting('app.user_id', true), '')::uuid,
  actor_role text default nullif(current_setting('app.role', true), ''),
  actor_service text default nullif(current_setting('app.service', true), ''),
  purpose_of_use text default nullif(current_setting('app.purpose', true), ''),
  reason text default nullif(current_setting('app.reason', true), ''),
  ip inet default nullif(current_setting('app.ip', true), '')::inet,
  user_agent text default nullif(current_setting('app.user_agent', true), ''),
  session_id uuid default nullif(current_setting('app.session_id', true), '')::uuid,
  request_id uuid default nullif(current_setting('app.request_id', true), '')::uuid,
  correlation_id uuid default nullif(current_setting('app.correlation_id', true), '')::uuid,
  constraint audit_logs_pkey primary key (tenant_id, occurred_at, seq),
  constraint audit_logs_action_known check (
    action in (
      'insert', 'update', 'delete', 'soft_delete', 'restore', 'login', 'login_failed', 'logout', 'export', 'print',
      'ddl', 'grant', 'config', 'policy_denied'
    )
  )
) partition by range (occurred_at);

create table audit.audit_logs_default partition of audit.audit_logs default;

-- the whole log by time, for reports over all tenants: a few pages a month
create index audit_logs_time_idx on audit.audit_logs using brin (occurred_at);

-- the history of one row
create index audit_logs_row_idx on audit.audit_logs (tenant_id, row_id) where row_id is not null;

-- what the sealer has still to read
create index audit_logs_txid_idx on audit.audit_logs using brin (txid);

comment on table audit.audit_logs is 'class=phi;scope=tenant;owner=kernel;fhir=AuditEvent;retention=audit_7y;append_only=1;partition=month;keep=7y;about=Every change to a sensitive row, plus sign-ins, exports and security events.';
comment on column audit.audit_logs.tenant_id is 'class=operational;about=The tenant that the row belongs to.';
comment on column audit.audit_logs.occurred_at is 'class=operational;about=Start of the transaction that made the change; months are partitions.';
comment on column audit.audit_logs.seq is 'class=operational;about=Order of rows; with tenant_id and occurred_at the identity of the row.';
comment on column audit.audit_logs.txid is 'class=operational;about=Transaction that wrote the row.';
comment on column audit.audit_logs.action is 'class=operational;about=insert, update, delete, soft_delete, restore, login, login_failed, logout, export, print, ddl, grant, config or policy_denied.';
comment on column audit.audit_logs.schema_name is 'class=operational;about=Schema of the changed table.';
comment on column audit.audit_logs.table_name is 'class=operational;about=The changed table.';
comment on column audit.audit_logs.row_id is 'class=operational;about=Id of the changed row.';
comment on column audit.audit_logs.patient_id is 'class=phi;about=Patient that the row is about, where there is one.';
comment on column audit.audit_logs.emr_system is 'class=operational;about=Outside record that the row came from.';
comment on column audit.audit_logs.emr_id is 'class=phi;about=Its id there.';
comment on column audit.audit_logs.old_values is 'class=phi;about=Changed columns before; encrypted ones as ***.';
comment on column audit.audit_logs.new_values is 'class=phi;about=Changed columns after; encrypted ones as ***.';
comment on column audit.audit_logs.changed_columns is 'class=operational;about=Names of the changed columns.';
comment on column audit.audit_logs.actor_user_id is 'class=pii;about=Who did it, null for a system task.';
comment on column audit.audit_logs.actor_role is 'class=operational;about=Hospital role that the user acted in.';
comment on column audit.audit_logs.actor_service is 'class=operational;about=Service that did it.';
comment on column audit.audit_logs.purpose_of_use is 'class=operational;about=Why the record was used: TREAT, HPAYMT, BTG ...';
comment on column audit.audit_logs.reason is 'class=operational;about=Reason given for the change.';
comment on column audit.audit_logs.ip is 'class=pii;about=Address of the client.';
comment on column audit.audit_logs.user_agent is 'class=operational;about=Program of the client.';
comment on column audit.audit_logs.session_id is 'class=operational;about=Session of the user.';
comment on column audit.audit_logs.request_id is 'class=operational;about=Request that made the change.';
comment on column audit.audit_logs.correlation_id is 'class=operational;about=Chain of requests that it belongs to.';

alter table audit.audit_logs enable row level security, force row level security;

create policy tenant_isolation on audit.audit_logs
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

alter table audit.audit_logs_default enable row level security, force row level security;

create policy tenant_isolation on audit.audit_logs_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger audit_logs_append_only before update or delete on audit.audit_logs
  for each row execute function core.refuse_change();

create trigger audit_logs_no_truncate before truncate on audit.audit_logs
  for each statement execute function core.refuse_change();

create trigger audit_logs_default_no_truncate before truncate on audit.audit_logs_default
  for each statement execute function core.refuse_change();

grant insert on audit.audit_logs to audit_writer;
grant usage on sequence audit.audit_logs_seq to audit_writer;
grant select on audit.audit_logs to audit_reader;
