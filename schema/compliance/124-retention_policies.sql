-- compliance.retention_policies: How long each class of rows is kept, why, and what happens then.

create table compliance.retention_policies (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  class text not null,
  schema_name text,
  table_name text,
  basis text not null,
  keep_for interval not null,
  starts_from text not null,
  action text not null,
  minimum_log_days integer not null,
  approved_by uuid,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint retention_policies_pkey primary key (id),
  constraint retention_policies_class_schema_name_key unique nulls not distinct (tenant_id, class, schema_name, table_name),
  constraint retention_policies_starts_from_check check (
    starts_from in ('created', 'last_encounter', 'discharge', 'majority_age', 'closure', 'death')
  ),
  constraint retention_policies_action_check check (
    action in ('erase', 'anonymise', 'archive', 'drop_partition', 'crypto_shred')
  ),
  constraint retention_policies_medical_record_complete check (
    class <> 'medical_record' or keep_for >= interval '3 years'
  ),
  constraint retention_policies_class_rule check (
    class not in ('audit', 'access_log') or keep_for >= interval '7 years'
  ),
  constraint retention_policies_minimum_log_days_rule check (minimum_log_days >= 365)
);

alter table compliance.retention_policies add constraint retention_policies_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

comment on table compliance.retention_policies is 'class=operational;scope=shared;owner=business;fhir=none;retention=operational;about=How long each class of rows is kept, why, and what happens then.';
comment on column compliance.retention_policies.class is 'class=operational;about=?';
comment on column compliance.retention_policies.schema_name is 'class=operational;about=?';
comment on column compliance.retention_policies.table_name is 'class=operational;about=?';
comment on column compliance.retention_policies.basis is 'class=operational;about=?';
comment on column compliance.retention_policies.keep_for is 'class=operational;about=?';
comment on column compliance.retention_policies.starts_from is 'class=operational;about=?';
comment on column compliance.retention_policies.action is 'class=operational;about=?';
comment on column compliance.retention_policies.minimum_log_days is 'class=operational;about=?';
comment on column compliance.retention_policies.approved_by is 'class=operational;about=?';
select core.comment_standard_columns('compliance.retention_policies');

alter table compliance.retention_policies enable row level security;
alter table compliance.retention_policies force row level security;
create policy tenant_isolation on compliance.retention_policies
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
create policy shared_rows on compliance.retention_policies for select using (tenant_id is null);

create trigger retention_policies_touch before update on compliance.retention_policies
  for each row execute function core.update_updated_at_column('row_version');

grant select, insert, update on compliance.retention_policies to business_app;
grant select on compliance.retention_policies to business_ro;
