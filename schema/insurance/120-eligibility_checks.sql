-- insurance.eligibility_checks: Question to a payer and its answer: is it in force, what balance, what papers are needed.

create table insurance.eligibility_checks (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  request_number text not null,
  coverage_id uuid,
  patient_id uuid not null,
  encounter_id uuid,
  payer_id uuid not null,
  purposes text[] not null default '{}',
  items jsonb not null default '{}',
  correlation_id uuid not null,
  sent_at timestamptz,
  responded_at timestamptz,
  outcome text,
  inforce boolean,
  balance numeric(14, 2),
  required_documents jsonb,
  required_questionnaires jsonb,
  disposition text,
  error jsonb,
  status text not null default 'pending',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint eligibility_checks_pkey primary key (tenant_id, id),
  constraint eligibility_checks_correlation_key unique (tenant_id, correlation_id),
  constraint eligibility_checks_request_number_key unique (tenant_id, request_number),
  constraint eligibility_checks_outcome_check check (outcome in ('queued', 'complete', 'partial', 'error')),
  constraint eligibility_checks_status_check check (status in ('pending', 'awaiting', 'error', 'partial', 'complete')),
  constraint eligibility_checks_cardinality_rule check (
    cardinality(purposes) > 0 and purposes <@ array['validation','auth-requirements','benefits','discovery']
  ),
  constraint eligibility_checks_complete_complete check (status <> 'complete' or outcome is not null)
);

alter table insurance.eligibility_checks add constraint eligibility_checks_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table insurance.eligibility_checks add constraint eligibility_checks_coverage_fkey
  foreign key (tenant_id, coverage_id) references insurance.coverages (tenant_id, id);
alter table insurance.eligibility_checks add constraint eligibility_checks_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table insurance.eligibility_checks add constraint eligibility_checks_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table insurance.eligibility_checks add constraint eligibility_checks_payer_fkey
  foreign key (payer_id) references insurance.payers (id);

create index eligibility_checks_coverage_idx on insurance.eligibility_checks (tenant_id, coverage_id)
  where coverage_id is not null;
create index eligibility_checks_patient_idx on insurance.eligibility_checks (tenant_id, patient_id);
create index eligibility_checks_encounter_idx on insurance.eligibility_checks (tenant_id, encounter_id)
  where encounter_id is not null;
create index eligibility_checks_payer_idx on insurance.eligibility_checks (payer_id, tenant_id);
comment on index insurance.eligibility_checks_payer_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';

comment on table insurance.eligibility_checks is 'class=financial;scope=tenant;owner=billing;fhir=CoverageEligibilityRequest,CoverageEligibilityResponse;retention=financial;about=Question to a payer and its answer: is it in force, what balance, what papers are needed.';
comment on column insurance.eligibility_checks.request_number is 'class=financial;about=?';
comment on column insurance.eligibility_checks.coverage_id is 'class=financial;about=?';
comment on column insurance.eligibility_checks.patient_id is 'class=financial;about=The patient.';
comment on column insurance.eligibility_checks.encounter_id is 'class=financial;about=The encounter that it belongs to.';
comment on column insurance.eligibility_checks.payer_id is 'class=financial;about=?';
comment on column insurance.eligibility_checks.purposes is 'class=financial;about=?';
comment on column insurance.eligibility_checks.items is 'class=financial;about=?';
comment on column insurance.eligibility_checks.correlation_id is 'class=financial;about=Joins request and answer.';
comment on column insurance.eligibility_checks.sent_at is 'class=financial;about=?';
comment on column insurance.eligibility_checks.responded_at is 'class=financial;about=?';
comment on column insurance.eligibility_checks.outcome is 'class=financial;about=?';
comment on column insurance.eligibility_checks.inforce is 'class=financial;about=?';
comment on column insurance.eligibility_checks.balance is 'class=financial;about=?';
comment on column insurance.eligibility_checks.required_documents is 'class=financial;about=?';
comment on column insurance.eligibility_checks.required_questionnaires is 'class=financial;about=?';
comment on column insurance.eligibility_checks.disposition is 'class=financial;about=?';
comment on column insurance.eligibility_checks.error is 'class=financial;about=?';
comment on column insurance.eligibility_checks.status is 'class=financial;about=?';
select core.comment_standard_columns('insurance.eligibility_checks');

alter table insurance.eligibility_checks enable row level security;
alter table insurance.eligibility_checks force row level security;
create policy tenant_isolation on insurance.eligibility_checks
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger eligibility_checks_touch before update on insurance.eligibility_checks
  for each row execute function core.update_updated_at_column('row_version');
create trigger eligibility_checks_payer_visible before insert or update of payer_id on insurance.eligibility_checks
  for each row execute function core.check_shared_reference('payer_id', 'insurance.payers');
create trigger eligibility_checks_transition before insert or update of status on insurance.eligibility_checks
  for each row execute function core.enforce_transition('insurance.eligibility_checks', 'status');
select audit.track('insurance.eligibility_checks');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('insurance.eligibility_checks', '', 'pending', false, null),
  ('insurance.eligibility_checks', 'pending', 'awaiting', false, null),
  ('insurance.eligibility_checks', 'pending', 'error', false, null),
  ('insurance.eligibility_checks', 'awaiting', 'partial', false, null),
  ('insurance.eligibility_checks', 'awaiting', 'complete', false, null),
  ('insurance.eligibility_checks', 'awaiting', 'error', false, null),
  ('insurance.eligibility_checks', 'partial', 'complete', false, null),
  ('insurance.eligibility_checks', 'partial', 'error', false, null),
  ('insurance.eligibility_checks', 'error', 'awaiting', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on insurance.eligibility_checks to billing_app;
grant select on insurance.eligibility_checks to billing_ro;
