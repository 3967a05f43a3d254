-- cds.rules: decision rules that are data: a condition over facts, tested before it may speak.
--
-- logic is {"all": [..]}, {"any": [..]}, {"not": ..} or {"fact": "age_years", "op": "<", "value": 12}; cds.evaluate says what it
-- means. Each version is a row; one version of a code is active, and what was tested never changes: a change is a new
-- version. Rows without a tenant come with the product and hold for all; a tenant's own rule of the same code replaces them.

create table cds.rules (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  code text not null,
  version integer not null default 1,
  name text not null,
  hook text not null,
  logic jsonb not null,
  severity text not null,
  category text not null,
  evidence text,
  approved_by uuid,
  approved_at timestamptz,
  test_cases jsonb not null default '[]',
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
  constraint rules_code_format check (code ~ '^[a-z][a-z0-9_.-]{1,59}$'),
  constraint rules_version_check check (version >= 1),
  constraint rules_logic_is_well_formed check (cds.valid_logic(logic)),
  constraint rules_test_cases_are_list check (jsonb_typeof(test_cases) = 'array'),
  constraint rules_active_is_approved_and_tested check (
    status <> 'active' or (
      (approved_by is not null or tenant_id is null)
      and case jsonb_typeof(test_cases) when 'array' then jsonb_array_length(test_cases) > 0 end
    )
  ),
  constraint rules_approved_by_another check (approved_by <> created_by)
);

alter table cds.rules add constraint rules_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

alter table cds.rules add constraint rules_approved_by_fkey
  foreign key (tenant_id, approved_by) references auth.users (tenant_id, id);

create unique index rules_one_active_version on cds.rules (tenant_id, code) nulls not distinct
  where status = 'active';

create index rules_approved_by_idx on cds.rules (tenant_id, approved_by);
create index rules_active_idx on cds.rules (hook, tenant_id) where status = 'active';
comment on index cds.rules_active_idx is 'about=Asked by every order: the active rules of a moment, shared and own.';

comment on table cds.rules is 'class=reference;scope=shared;owner=cds;fhir=PlanDefinition,Library;retention=reference;about=Decision rules: a condition over facts, versioned, tested and approved.';
comment on column cds.rules.code is 'class=reference;about=Name of the rule over its versions.';
comment on column cds.rules.version is 'class=reference;about=1, 2, 3 per code.';
comment on column cds.rules.name is 'class=reference;about=What the rule watches, for people.';
comment on column cds.rules.hook is 'class=reference;about=When it is asked.';
comment on column cds.rules.logic is 'class=reference;about=The condition, see cds.evaluate.';
comment on column cds.rules.severity is 'class=reference;about=info, warning or hard_stop; a hard stop blocks until it is overridden with a second approver.';
comment on column cds.rules.category is 'class=reference;about=What kind of risk it is about.';
comment on column cds.rules.evidence is 'class=reference;about=Source of the rule.';
comment on column cds.rules.approved_by is 'class=reference;about=The user who activated it, never its author; null for rules of the product.';
comment on column cds.rules.approved_at is 'class=reference;about=When it was activated.';
comment on column cds.rules.test_cases is 'class=reference;about=[{"name", "facts": {..}, "fires": true}]; all must pass before activation.';
comment on column cds.rules.status is 'class=reference;about=draft, testing, active, suspended or retired.';
select core.comment_standard_columns('cds.rules');

alter table cds.rules enable row level security, force row level security;
create policy tenant_isolation on cds.rules
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
create policy shared_rows on cds.rules for select using (tenant_id is null);

create trigger rules_keep_tested before update on cds.rules
  for each row execute function cds.keep_tested_logic();
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
  ('cds.rules', 'active', 'suspended', true, null),
  ('cds.rules', 'suspended', 'active', false, null),
  ('cds.rules', 'suspended', 'retired', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on cds.rules to cds_app, cds_ro;
