-- audit.metrics_hourly: the audit log counted by hour, table and action. The sealer adds to it in the transaction that
-- seals, so every row is counted once; view audit_metrics_hourly adds what is not sealed yet.

create table audit.metrics_hourly (
  tenant_id uuid not null,
  bucket timestamptz not null,
  schema_name text not null,
  table_name text not null,
  action text not null,
  events bigint not null,
  constraint metrics_hourly_pkey primary key (tenant_id, bucket, schema_name, table_name, action)
);

alter table audit.metrics_hourly add constraint metrics_hourly_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

comment on table audit.metrics_hourly is 'class=operational;scope=tenant;owner=kernel;fhir=none;retention=audit_7y;about=Sealed audit events per hour, table and action.';
comment on column audit.metrics_hourly.tenant_id is 'class=operational;about=The tenant that the row belongs to.';
comment on column audit.metrics_hourly.bucket is 'class=operational;about=Start of the hour.';
comment on column audit.metrics_hourly.schema_name is 'class=operational;about=Schema of the changed table.';
comment on column audit.metrics_hourly.table_name is 'class=operational;about=The changed table.';
comment on column audit.metrics_hourly.action is 'class=operational;about=What was done.';
comment on column audit.metrics_hourly.events is 'class=operational;about=How many.';

alter table audit.metrics_hourly enable row level security, force row level security;

create policy tenant_isolation on audit.metrics_hourly
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

grant select on audit.metrics_hourly to audit_reader;
