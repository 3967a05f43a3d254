-- A version of a Standard Treatment Guideline: which packages and diagnoses it is for, and when it is in force. The
-- National Health Authority says that its guidelines serve the processing of claims and give no clinical management
-- advice: they are named and used like that here. At most one version of a code is active at a time.

create table clinical.stg_guidelines (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  code text not null,
  version text not null default '1',
  title text not null,
  specialty text not null,
  package_codes text[] not null default '{}',
  icd10_codes text[] not null default '{}',
  source_uri text not null,
  effective daterange not null,
  min_los_days smallint,
  max_los_days smallint,
  day_care_allowed boolean not null default false,
  reserved_public boolean not null default false,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint stg_guidelines_pkey primary key (id),
  constraint stg_guidelines_code_version_key unique nulls not distinct (tenant_id, code, version),
  constraint stg_guidelines_one_version_in_force exclude using gist (
    (coalesce(tenant_id, core.zero_uuid())) with =, code with =, effective with &&
  ) where (status = 'active'),
  constraint stg_guidelines_status_check check (status in ('draft', 'active', 'withdrawn', 'retired')),
  constraint stg_guidelines_effective_not_empty check (not isempty(effective)),
  constraint stg_guidelines_stay_not_negative check (min_los_days >= 0),
  constraint stg_guidelines_stay_in_order check (max_los_days >= min_los_days)
);

alter table clinical.stg_guidelines add constraint stg_guidelines_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

comment on table clinical.stg_guidelines is 'class=reference;scope=shared;owner=clinical;fhir=PlanDefinition;retention=reference;about=A version of a Standard Treatment Guideline for one or more packages. For the processing of claims; no advice on treatment.';
comment on column clinical.stg_guidelines.code is 'class=reference;about=Code of the guideline, the same in all its versions.';
comment on column clinical.stg_guidelines.version is 'class=reference;about=Version as its publisher writes it.';
comment on column clinical.stg_guidelines.title is 'class=reference;about=Title.';
comment on column clinical.stg_guidelines.specialty is 'class=reference;about=Medical specialty.';
comment on column clinical.stg_guidelines.package_codes is 'class=reference;about=Codes of the benefit packages that it is for.';
comment on column clinical.stg_guidelines.icd10_codes is 'class=reference;about=ICD-10 codes that it is for; a code without subdivision stands for all of its subdivisions.';
comment on column clinical.stg_guidelines.source_uri is 'class=reference;about=Where it was published.';
comment on column clinical.stg_guidelines.effective is 'class=reference;about=Days on which it is in force, the first included and the last excluded.';
comment on column clinical.stg_guidelines.min_los_days is 'class=reference;about=Shortest stay in days that is accepted without explanation; null for none.';
comment on column clinical.stg_guidelines.max_los_days is 'class=reference;about=Longest stay in days that is accepted without explanation; null for none.';
comment on column clinical.stg_guidelines.day_care_allowed is 'class=reference;about=True when a stay of one day is accepted.';
comment on column clinical.stg_guidelines.reserved_public is 'class=reference;about=True for packages that only public hospitals may treat.';
comment on column clinical.stg_guidelines.status is 'class=reference;about=draft, active, retired (replaced) or withdrawn.';
select core.comment_standard_columns('clinical.stg_guidelines');

alter table clinical.stg_guidelines enable row level security, force row level security;
create policy tenant_isolation on clinical.stg_guidelines
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
create policy shared_rows on clinical.stg_guidelines for select using (tenant_id is null);

create trigger stg_guidelines_touch before update on clinical.stg_guidelines
  for each row execute function core.update_updated_at_column('row_version');
create trigger stg_guidelines_transition before insert or update of status on clinical.stg_guidelines
  for each row execute function core.enforce_transition('clinical.stg_guidelines', 'status');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('clinical.stg_guidelines', '', 'draft', false, null),
  ('clinical.stg_guidelines', 'draft', 'active', false, null),
  ('clinical.stg_guidelines', 'draft', 'withdrawn', false, null),
  ('clinical.stg_guidelines', 'active', 'retired', false, null),
  ('clinical.stg_guidelines', 'active', 'withdrawn', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on clinical.stg_guidelines to clinical_app;
grant select on clinical.stg_guidelines to clinical_ro;
