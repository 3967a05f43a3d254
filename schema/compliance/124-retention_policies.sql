-- compliance.retention_policies: how long rows of a class are kept, why, and what happens then. Shared rows are the legal
-- minimums; a tenant's row is added to the shared one: whichever keeps longer counts.

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
  minimum_log_days integer not null default 365,
  approved_by uuid,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint retention_policies_pkey primary key (id),
  constraint retention_policies_one_for_a_class unique nulls not distinct (tenant_id, class, schema_name, table_name),
  constraint retention_policies_starts_from_check check (
    starts_from in ('created', 'last_encounter', 'discharge', 'majority_age', 'closure', 'death')
  ),
  constraint retention_policies_action_check check (
    action in ('erase', 'anonymise', 'archive', 'drop_partition', 'crypto_shred')
  ),
  constraint retention_policies_medical_record_3_years check (
    class <> 'medical_record' or keep_for >= interval '3 years'
  ),
  constraint retention_policies_audit_7_years check (
    class not in ('audit', 'access_log') or keep_for >= interval '7 years'
  ),
  constraint retention_policies_logs_a_year check (minimum_log_days >= 365),
  constraint retention_policies_nothing_before_a_year check (keep_for >= interval '1 year'),
  constraint retention_policies_table_of_a_schema check (table_name is null or schema_name is not null),
  constraint retention_policies_decided_by_somebody check (tenant_id is null or approved_by is not null)
);

alter table compliance.retention_policies add constraint retention_policies_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

comment on table compliance.retention_policies is 'class=operational;scope=shared;owner=business;fhir=none;retention=operational;about=How long each class of rows is kept, why, and what happens then.';
comment on column compliance.retention_policies.class is 'class=operational;about=Class of rows, as the tag retention of table comments names it: medical_record, operational, audit, access_log ...';
comment on column compliance.retention_policies.schema_name is 'class=operational;about=Schema that it is for, all of the class when empty.';
comment on column compliance.retention_policies.table_name is 'class=operational;about=Table that it is for, all of the schema when empty.';
comment on column compliance.retention_policies.basis is 'class=operational;about=The law or decision that it rests on.';
comment on column compliance.retention_policies.keep_for is 'class=operational;about=How long.';
comment on column compliance.retention_policies.starts_from is 'class=operational;about=From when: created, last_encounter, discharge and closure (the last row of the record), majority_age (of a child) or death.';
comment on column compliance.retention_policies.action is 'class=operational;about=What happens then: erase, anonymise, archive, drop_partition or crypto_shred.';
comment on column compliance.retention_policies.minimum_log_days is 'class=operational;about=Days for which the logs about these rows are kept, at least a year (DPDP Rules r.6).';
comment on column compliance.retention_policies.approved_by is 'class=operational;about=The user who decided; none for the legal minimum.';
select core.comment_standard_columns('compliance.retention_policies');

alter table compliance.retention_policies enable row level security, force row level security;
create policy tenant_isolation on compliance.retention_policies
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
create policy shared_rows on compliance.retention_policies for select using (tenant_id is null);

create trigger retention_policies_not_below_the_law
  before insert or update of keep_for, class, schema_name, table_name on compliance.retention_policies
  for each row when (new.tenant_id is not null) execute function compliance.check_legal_minimum();
create trigger retention_policies_touch before update on compliance.retention_policies
  for each row execute function core.update_updated_at_column('row_version');

select audit.track('compliance.retention_policies');

grant select on compliance.retention_policies to business_app;
grant select on compliance.retention_policies to business_ro;
