-- insurance.insurance_plans: one version of a payer's plan or scheme, such as a year's package master.
--
-- A PM-JAY plan arrives as a bundle of 50 to 100 MB and becomes 25 to 30 thousand rows of benefit_packages: load them
-- with COPY in one transaction and set the plan active last. Only an active plan's packages can be claimed.

create table insurance.insurance_plans (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  payer_id uuid not null,
  plan_code text not null,
  version text not null default '1',
  name text not null,
  type_code text not null,
  period daterange not null,
  sum_insured numeric(14, 2),
  family_floater boolean not null default false,
  source text not null,
  raw_bundle_document_id uuid,
  ingested_at timestamptz,
  row_count integer,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint insurance_plans_pkey primary key (id),
  constraint insurance_plans_no_nan check (sum_insured <> 'NaN'),
  constraint insurance_plans_version_once unique nulls not distinct (tenant_id, payer_id, plan_code, version),
  constraint insurance_plans_source_known check (source in ('nhcx_insuranceplan', 'upload', 'manual')),
  constraint insurance_plans_sum_not_negative check (sum_insured >= 0),
  constraint insurance_plans_active_has_dates check (status <> 'active' or not isempty(period)),
  constraint insurance_plans_status_known check (status in ('draft', 'active', 'failed', 'retired'))
);

alter table insurance.insurance_plans add constraint insurance_plans_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table insurance.insurance_plans add constraint insurance_plans_payer_fkey
  foreign key (payer_id) references insurance.payers (id);
alter table insurance.insurance_plans add constraint insurance_plans_raw_bundle_document_fkey
  foreign key (tenant_id, raw_bundle_document_id) references ehr.documents (tenant_id, id);

create index insurance_plans_payer_idx on insurance.insurance_plans (payer_id, tenant_id);
comment on index insurance.insurance_plans_payer_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index insurance_plans_raw_bundle_document_idx on insurance.insurance_plans (tenant_id, raw_bundle_document_id)
  where raw_bundle_document_id is not null;

comment on table insurance.insurance_plans is 'class=reference;scope=shared;owner=billing;fhir=InsurancePlan;retention=reference;about=A payer''s plan or scheme version (e.g. PM-JAY HBP 2022) as ingested.';
comment on column insurance.insurance_plans.payer_id is 'class=reference;about=The payer that offers it.';
comment on column insurance.insurance_plans.plan_code is 'class=reference;about=The payer''s code of the plan.';
comment on column insurance.insurance_plans.version is 'class=reference;about=Version of the plan; every version keeps its packages.';
comment on column insurance.insurance_plans.name is 'class=reference;about=Name of the plan.';
comment on column insurance.insurance_plans.type_code is 'class=reference;about=Kind of plan as the payer writes it (FHIR InsurancePlan.type).';
comment on column insurance.insurance_plans.period is 'class=reference;about=Dates that the plan holds for, from (included) to (excluded).';
comment on column insurance.insurance_plans.sum_insured is 'class=reference;about=Sum insured per period, in the payer''s currency; null: unlimited or set per member.';
comment on column insurance.insurance_plans.family_floater is 'class=reference;about=True: one sum for the whole family, so its members share a wallet.';
comment on column insurance.insurance_plans.source is 'class=reference;about=nhcx_insuranceplan (bundle from the exchange), upload (spreadsheet) or manual.';
comment on column insurance.insurance_plans.raw_bundle_document_id is 'class=reference;about=The bundle as it arrived; a document of the tenant, so null in shared rows.';
comment on column insurance.insurance_plans.ingested_at is 'class=reference;about=When its packages were loaded.';
comment on column insurance.insurance_plans.row_count is 'class=reference;about=How many packages were loaded.';
comment on column insurance.insurance_plans.status is 'class=reference;about=draft, active, failed (not loaded) or retired.';
select core.comment_standard_columns('insurance.insurance_plans');

alter table insurance.insurance_plans enable row level security, force row level security;
create policy tenant_isolation on insurance.insurance_plans
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
create policy shared_rows on insurance.insurance_plans for select using (tenant_id is null);

create trigger insurance_plans_touch before update on insurance.insurance_plans
  for each row execute function core.update_updated_at_column('row_version');
create trigger insurance_plans_payer_visible before insert or update of payer_id on insurance.insurance_plans
  for each row execute function core.check_shared_reference('payer_id', 'insurance.payers');
create trigger insurance_plans_transition before insert or update of status on insurance.insurance_plans
  for each row execute function core.enforce_transition('insurance.insurance_plans', 'status');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('insurance.insurance_plans', '', 'draft', false, null),
  ('insurance.insurance_plans', 'draft', 'active', false, null),
  ('insurance.insurance_plans', 'draft', 'failed', false, null),
  ('insurance.insurance_plans', 'active', 'retired', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on insurance.insurance_plans to billing_app;
grant select on insurance.insurance_plans to billing_ro;
