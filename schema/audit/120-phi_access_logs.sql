-- audit.phi_access_logs: every read, search, export, print or disclosure of health data, written in the transaction
-- that reads. It is also the accounting of disclosures.

-- not an identity column: those of a partitioned table are not to be had on every supported version
create sequence audit.phi_access_logs_seq;

create table audit.phi_access_logs (
  tenant_id uuid not null,
  accessed_at timestamptz not null default now(),
  seq bigint not null default nextval('audit.phi_access_logs_seq'),
  txid bigint not null default pg_current_xact_id()::text::bigint,
  user_id uuid default nullif(current_setting('app.user_id', true), '')::uuid,
  api_client_id uuid,
  patient_id uuid,
  resource_type text not null,
  resource_id uuid,
  access_kind text not null,
  fields text[],
  row_count integer not null default 1,
  purpose_of_use text not null,
  recipient text,
  legal_basis text,
  break_glass_id uuid,
  consent_id uuid,
  ip inet default nullif(current_setting('app.ip', true), '')::inet,
  session_id uuid default nullif(current_setting('app.session_id', true), '')::uuid,
  request_id uuid default nullif(current_setting('app.request_id', true), '')::uuid,
  constraint phi_access_logs_pkey primary key (tenant_id, accessed_at, seq),
  constraint phi_access_logs_kind_known check (
    access_kind in ('view', 'search', 'list', 'export', 'print', 'disclosure', 'api')
  ),
  constraint phi_access_logs_purpose_known check (
    purpose_of_use in ('TREAT', 'HPAYMT', 'HOPERAT', 'CAREMGT', 'BTG', 'PUBHLTH', 'HRESCH', 'PATRQT')
  ),
  constraint phi_access_logs_disclosure_has_basis check (
    access_kind <> 'disclosure' or (recipient is not null and legal_basis is not null)
  ),
  constraint phi_access_logs_break_glass_is_open check (purpose_of_use <> 'BTG' or break_glass_id is not null),
  constraint phi_access_logs_rows_counted check (row_count >= 0)
) partition by range (accessed_at);

create table audit.phi_access_logs_default partition of audit.phi_access_logs default;

create index phi_access_logs_time_idx on audit.phi_access_logs using brin (accessed_at);

create index phi_access_logs_patient_idx on audit.phi_access_logs (tenant_id, patient_id, accessed_at)
  where patient_id is not null;

create index phi_access_logs_txid_idx on audit.phi_access_logs using brin (txid);

comment on table audit.phi_access_logs is 'class=phi;scope=tenant;owner=kernel;fhir=AuditEvent;retention=audit_7y;append_only=1;partition=month;keep=7y;about=Every read, search, export, print or disclosure of health data.';
comment on column audit.phi_access_logs.tenant_id is 'class=operational;about=The tenant that the row belongs to.';
comment on column audit.phi_access_logs.accessed_at is 'class=operational;about=When; months are partitions.';
comment on column audit.phi_access_logs.seq is 'class=operational;about=Order of rows; with tenant_id and accessed_at the identity of the row.';
comment on column audit.phi_access_logs.txid is 'class=operational;about=Transaction that wrote the row.';
comment on column audit.phi_access_logs.user_id is 'class=pii;about=Who read.';
comment on column audit.phi_access_logs.api_client_id is 'class=operational;about=Machine client that read.';
comment on column audit.phi_access_logs.patient_id is 'class=phi;about=Whose record.';
comment on column audit.phi_access_logs.resource_type is 'class=operational;about=Table or document kind.';
comment on column audit.phi_access_logs.resource_id is 'class=operational;about=Row, where one was read.';
comment on column audit.phi_access_logs.access_kind is 'class=operational;about=view, search, list, export, print, disclosure or api.';
comment on column audit.phi_access_logs.fields is 'class=operational;about=Columns shown, where less than all.';
comment on column audit.phi_access_logs.row_count is 'class=operational;about=Rows shown.';
comment on column audit.phi_access_logs.purpose_of_use is 'class=operational;about=TREAT, HPAYMT, HOPERAT, CAREMGT, BTG, PUBHLTH, HRESCH or PATRQT.';
comment on column audit.phi_access_logs.recipient is 'class=pii;about=Who received a disclosure.';
comment on column audit.phi_access_logs.legal_basis is 'class=operational;about=Why the disclosure was allowed.';
comment on column audit.phi_access_logs.break_glass_id is 'class=operational;about=Emergency access under which it was read.';
comment on column audit.phi_access_logs.consent_id is 'class=operational;about=Consent under which it was read.';
comment on column audit.phi_access_logs.ip is 'class=pii;about=Address of the client.';
comment on column audit.phi_access_logs.session_id is 'class=operational;about=Session of the user.';
comment on column audit.phi_access_logs.request_id is 'class=operational;about=Request that read.';

alter table audit.phi_access_logs enable row level security, force row level security;

create policy tenant_isolation on audit.phi_access_logs
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

alter table audit.phi_access_logs_default enable row level security, force row level security;

create policy tenant_isolation on audit.phi_access_logs_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger phi_access_logs_append_only before update or delete on audit.phi_access_logs
  for each row execute function core.refuse_change();

create trigger phi_access_logs_no_truncate before truncate on audit.phi_access_logs
  for each statement execute function core.refuse_change();

create trigger phi_access_logs_default_no_truncate before truncate on audit.phi_access_logs_default
  for each statement execute function core.refuse_change();

grant insert on audit.phi_access_logs to audit_writer;
grant usage on sequence audit.phi_access_logs_seq to audit_writer;
grant select on audit.phi_access_logs to audit_reader;
