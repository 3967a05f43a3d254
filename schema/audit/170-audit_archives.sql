-- audit.audit_archives: old months of the logs, packed. An archive holds a run of one tenant's rows, column by column:
-- an hour of a busy tenant, or the quiet hours of a day together. Only sealed rows are packed, and a month of a log is
-- dropped when every row of it is in an archive; until then its rows are in both, and the log is what is read.
-- An archive is named by its first row, so the same rows cannot be packed twice.

create table audit.audit_archives (
  tenant_id uuid not null,
  log_name text not null,
  first_at timestamptz not null,
  first_seq bigint not null,
  last_at timestamptz not null,
  last_seq bigint not null,
  first_txid bigint not null,
  last_txid bigint not null,
  row_count integer not null,
  seq_sum numeric not null,
  codec text not null,
  ids bytea not null,
  content bytea not null,
  packed_at timestamptz not null default now(),
  constraint audit_archives_pkey primary key (tenant_id, log_name, first_at, first_seq),
  constraint audit_archives_log_known check (log_name in ('audit_logs', 'phi_access_logs')),
  constraint audit_archives_codec_known check (codec in ('zlib', 'none')),
  constraint audit_archives_time_order check ((first_at, first_seq) <= (last_at, last_seq)),
  constraint audit_archives_txid_order check (first_txid <= last_txid),
  constraint audit_archives_not_empty check (row_count > 0),
  constraint audit_archives_whole_ids check (octet_length(ids) % 16 = 0)
) partition by range (first_at);

create table audit.audit_archives_default partition of audit.audit_archives default;

-- what a seal covers
create index audit_archives_txid_idx on audit.audit_archives (tenant_id, log_name, last_txid);

-- random bytes; trying to compress them is waste
alter table audit.audit_archives alter column ids set storage external;

alter table audit.audit_archives_default alter column ids set storage external;

comment on table audit.audit_archives is 'class=phi;scope=tenant;owner=kernel;fhir=AuditEvent;retention=audit_7y;append_only=1;keep=7y;about=Old months of the logs, packed column by column. Read them with audit.get_audit_logs_time_range.';
comment on column audit.audit_archives.tenant_id is 'class=operational;about=The tenant that the row belongs to.';
comment on column audit.audit_archives.log_name is 'class=operational;about=audit_logs or phi_access_logs.';
comment on column audit.audit_archives.first_at is 'class=operational;about=Time of the first row.';
comment on column audit.audit_archives.first_seq is 'class=operational;about=Its seq.';
comment on column audit.audit_archives.last_at is 'class=operational;about=Time of the last row.';
comment on column audit.audit_archives.last_seq is 'class=operational;about=Its seq.';
comment on column audit.audit_archives.first_txid is 'class=operational;about=Lowest transaction of the rows.';
comment on column audit.audit_archives.last_txid is 'class=operational;about=Highest transaction of the rows.';
comment on column audit.audit_archives.row_count is 'class=operational;about=How many rows.';
comment on column audit.audit_archives.seq_sum is 'class=operational;about=Sum of their seq; with row_count it tells whether a month is packed completely.';
comment on column audit.audit_archives.codec is 'class=operational;about=zlib, or none where the server''s pgcrypto has no zlib.';
comment on column audit.audit_archives.ids is 'class=phi;about=The UUIDs that the rows name, 16 bytes each.';
comment on column audit.audit_archives.content is 'class=phi;about=The rows, see audit.encode_rows.';
comment on column audit.audit_archives.packed_at is 'class=operational;about=When.';

alter table audit.audit_archives enable row level security, force row level security;

create policy tenant_isolation on audit.audit_archives
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

alter table audit.audit_archives_default enable row level security, force row level security;

create policy tenant_isolation on audit.audit_archives_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger audit_archives_append_only before update or delete on audit.audit_archives
  for each row execute function core.refuse_change();

create trigger audit_archives_no_truncate before truncate on audit.audit_archives
  for each statement execute function core.refuse_change();

create trigger audit_archives_default_no_truncate before truncate on audit.audit_archives_default
  for each statement execute function core.refuse_change();

grant select on audit.audit_archives to audit_reader;
