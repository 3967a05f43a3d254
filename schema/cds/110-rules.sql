-- cds.rules: Executable rules with versions and approval.

create table cds.rules (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  code text not null,
  version integer not null default 1,
  name text not null,
  hook text not null,
  logic jsonb not null default '{}',
  severity text not null,
  category text not null,
  evidence text,
  approved_by uuid,
  approved_at timestamptz,
  test_cases jsonb not null default '{}',
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint rules_pkey primary key (id),
  constraint rules_code_version_key unique nulls not distinct (tenant_id, code, version),
  constraint rules_hook_check check (
    hook in ('order_select', 'order_sign', 'result_in', 'vitals_in', 'encounter_open', 'admission', 'handover')
  ),
  constraint rules_severity_check check (severity in ('info', 'warning', 'hard_stop')),
  constraint rules_category_check check (
    category in ('interaction', 'allergy', 'duplicate', 'dose', 'renal', 'pregnancy', 'early_warning', 'sepsis', 'stewardship', 'preventive', 'stg')
  ),
  constraint rules_status_check check (status in ('draft', 'testing', 'retired', 'active', 'suspended')),
  constraint rules_active_complete check (
    status <> 'active' or (approved_by is not null and jsonb_array_length(test_cases) > 0)
  )
);

alter table cds.rules add constraint rules_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

create unique index rules_code_key on cds.rules (tenant_id, code) nulls not distinct
  where status = 'active';

comment on table cds.rules is 'class=reference;scope=shared;owner=cds;fhir=PlanDefinition,Library;retention=reference;about=Executable rules with versions and approval.';
comment on column cds.rules.code is 'class=reference;about=?';
comment on column cds.rules.version is 'class=reference;about=?';
comment on column cds.rules.name is 'class=reference;about=?';
comment on column cds.rules.hook is 'class=reference;about=?';
comment on column cds.rules.logic is 'class=reference;about=?';
comment on column cds.rules.severity is 'class=reference;about=?';
comment on column cds.rules.category is 'class=reference;about=?';
comment on column cds.rules.evidence is 'class=reference;about=?';
comment on column cds.rules.approved_by is 'class=reference;about=?';
comment on column cds.rules.approved_at is 'class=reference;about=?';
comment on column cds.rules.test_cases is 'class=reference;about=?';
comment on column cds.rules.status is 'class=reference;about=?';
select core.comment_standard_columns('cds.rules');

alter table cds.rules enable row level security;
alter table cds.rules force row level security;
create policy tenant_isolation on cds.rules
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
create policy shared_rows on cds.rules for select using (tenant_id is null);

create trigger rules_touch before update on cds.rules
  for each row execute function core.update_updated_at_column('row_version');
create trigger rules_transition before insert or update of status on cds.rules
  for each row execute function core.enforce_transition('cds.rules', 'status');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('cds.rules', '', 'draft', false, null),
  ('cds.rules', 'draft', 'testing', false, null),
  ('cds.rules', 'draft', 'retired', false, null),
  ('cds.rules', 'testing', 'active', false, null),
  ('cds.rules', 'testing', 'draft', false, null),
  ('cds.rules', 'active', 'retired', false, null),
  ('cds.rules', 'active', 'suspended', false, null),
  ('cds.rules', 'suspended', 'active', false, null),
  ('cds.rules', 'suspended', 'retired', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on cds.rules to cds_app;
grant select on cds.rules to cds_ro;
