-- insurance.insurance_claims: Pre-authorisations, predeterminations and claims: one table as in FHIR (use tells which), with the NHCX fields. View insurance.preauth_requests = use 'preauthorization'.
-- RULE to build: use<>'claim' or status='draft' or pre_auth_ref is not null or package is approval_not_required
-- RULE to build: relation='enhancement' => item code set differs from parent (function)

create table insurance.insurance_claims (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  claim_number text not null,
  use text not null,
  case_id uuid,
  patient_id uuid not null,
  encounter_id uuid not null,
  coverage_id uuid not null,
  payer_id uuid not null,
  related_claim_id uuid,
  relation text,
  channel text not null,
  claim_type_code text not null,
  sub_type text,
  priority text not null,
  billable_period daterange,
  admission_at timestamptz,
  expected_los_days smallint,
  care_team jsonb not null default '{}',
  diagnoses jsonb not null default '{}',
  procedures jsonb,
  accident jsonb,
  total_claimed numeric(14, 2) not null default 0,
  total_approved numeric(14, 2),
  total_deducted numeric(14, 2),
  deduction_reasons jsonb,
  pre_auth_ref text,
  payer_claim_ref text,
  workflow_code text,
  correlation_id uuid not null,
  dispatch_status text not null,
  dispatched_at timestamptz,
  dispatch_error text,
  outcome text,
  adjudication text,
  auto_approved boolean not null default false,
  submitted_at timestamptz,
  submitted_by uuid,
  decision_due_at timestamptz,
  decided_at timestamptz,
  submit_by timestamptz,
  delay_reason text,
  reject_reason jsonb,
  cancel_reason text,
  stg_status text,
  document_bundle_hash bytea,
  status insurance.claim_status not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint insurance_claims_pkey primary key (tenant_id, id),
  constraint insurance_claims_claim_number_key unique (tenant_id, claim_number),
  constraint insurance_claims_correlation_key unique (tenant_id, correlation_id),
  constraint insurance_claims_use_check check (use in ('preauthorization', 'predetermination', 'claim')),
  constraint insurance_claims_relation_check check (
    relation in ('prior', 'enhancement', 'resubmission', 'query_reply', 'reprocess')
  ),
  constraint insurance_claims_channel_check check (channel in ('nhcx', 'tms', 'portal', 'paper')),
  constraint insurance_claims_priority_check check (priority in ('normal', 'stat')),
  constraint insurance_claims_dispatch_status_check check (
    dispatch_status in ('pending', 'awaiting', 'partial', 'complete', 'error')
  ),
  constraint insurance_claims_outcome_check check (outcome in ('queued', 'complete', 'partial', 'error')),
  constraint insurance_claims_adjudication_check check (
    adjudication in ('approved', 'partially_approved', 'queried', 'rejected')
  ),
  constraint insurance_claims_total_claimed_rule check (total_claimed >= 0),
  constraint insurance_claims_total_approved_rule check (total_approved <= total_claimed),
  constraint insurance_claims_claim_complete check (
    use <> 'claim' or channel <> 'nhcx' or related_claim_id is not null
  ),
  constraint insurance_claims_adjudication_rule check (
    adjudication not in ('approved', 'partially_approved') or use <> 'preauthorization' or pre_auth_ref is not null
  ),
  constraint insurance_claims_submitted_at_rule check (submitted_at <= submit_by or delay_reason is not null)
);

alter table insurance.insurance_claims add constraint insurance_claims_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table insurance.insurance_claims add constraint insurance_claims_case_fkey
  foreign key (tenant_id, case_id) references insurance.pmjay_cases (tenant_id, id);
alter table insurance.insurance_claims add constraint insurance_claims_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table insurance.insurance_claims add constraint insurance_claims_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table insurance.insurance_claims add constraint insurance_claims_coverage_fkey
  foreign key (tenant_id, coverage_id) references insurance.coverages (tenant_id, id);
alter table insurance.insurance_claims add constraint insurance_claims_payer_fkey
  foreign key (payer_id) references insurance.payers (id);
alter table insurance.insurance_claims add constraint insurance_claims_related_claim_fkey
  foreign key (tenant_id, related_claim_id) references insurance.insurance_claims (tenant_id, id);
alter table insurance.insurance_claims add constraint insurance_claims_submitted_by_fkey
  foreign key (tenant_id, submitted_by) references auth.users (tenant_id, id);

create unique index insurance_claims_payer_pre_auth_ref_key on insurance.insurance_claims (tenant_id, payer_id, pre_auth_ref)
  where use = 'preauthorization' and pre_auth_ref is not null;
create unique index insurance_claims_case_use_key on insurance.insurance_claims (tenant_id, case_id, use)
  where related_claim_id is null and status not in ('cancelled', 'closed', 'rejected');
create index insurance_claims_case_idx on insurance.insurance_claims (tenant_id, case_id)
  where case_id is not null;
create index insurance_claims_patient_idx on insurance.insurance_claims (tenant_id, patient_id);
create index insurance_claims_encounter_idx on insurance.insurance_claims (tenant_id, encounter_id);
create index insurance_claims_coverage_idx on insurance.insurance_claims (tenant_id, coverage_id);
create index insurance_claims_payer_idx on insurance.insurance_claims (payer_id, tenant_id);
comment on index insurance.insurance_claims_payer_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index insurance_claims_related_claim_idx on insurance.insurance_claims (tenant_id, related_claim_id)
  where related_claim_id is not null;
create index insurance_claims_submitted_by_idx on insurance.insurance_claims (tenant_id, submitted_by)
  where submitted_by is not null;

comment on table insurance.insurance_claims is 'class=phi;scope=tenant;owner=billing;fhir=Claim,ClaimResponse;retention=medical_record;about=Pre-authorisations, predeterminations and claims: one table as in FHIR (use tells which), with the NHCX fields. View insurance.preauth_requests = use ''preauthorization''.';
comment on column insurance.insurance_claims.claim_number is 'class=phi;about=?';
comment on column insurance.insurance_claims.use is 'class=phi;about=?';
comment on column insurance.insurance_claims.case_id is 'class=phi;about=?';
comment on column insurance.insurance_claims.patient_id is 'class=phi;about=The patient.';
comment on column insurance.insurance_claims.encounter_id is 'class=phi;about=The encounter that it belongs to.';
comment on column insurance.insurance_claims.coverage_id is 'class=phi;about=?';
comment on column insurance.insurance_claims.payer_id is 'class=phi;about=?';
comment on column insurance.insurance_claims.related_claim_id is 'class=phi;about=?';
comment on column insurance.insurance_claims.relation is 'class=phi;about=?';
comment on column insurance.insurance_claims.channel is 'class=phi;about=?';
comment on column insurance.insurance_claims.claim_type_code is 'class=phi;about=?';
comment on column insurance.insurance_claims.sub_type is 'class=phi;about=?';
comment on column insurance.insurance_claims.priority is 'class=phi;about=?';
comment on column insurance.insurance_claims.billable_period is 'class=phi;about=?';
comment on column insurance.insurance_claims.admission_at is 'class=phi;about=?';
comment on column insurance.insurance_claims.expected_los_days is 'class=phi;about=?';
comment on column insurance.insurance_claims.care_team is 'class=phi;about=?';
comment on column insurance.insurance_claims.diagnoses is 'class=phi;about=?';
comment on column insurance.insurance_claims.procedures is 'class=phi;about=?';
comment on column insurance.insurance_claims.accident is 'class=phi;about=?';
comment on column insurance.insurance_claims.total_claimed is 'class=phi;about=?';
comment on column insurance.insurance_claims.total_approved is 'class=phi;about=?';
comment on column insurance.insurance_claims.total_deducted is 'class=phi;about=?';
comment on column insurance.insurance_claims.deduction_reasons is 'class=phi;about=?';
comment on column insurance.insurance_claims.pre_auth_ref is 'class=phi;about=?';
comment on column insurance.insurance_claims.payer_claim_ref is 'class=phi;about=?';
comment on column insurance.insurance_claims.workflow_code is 'class=phi;about=?';
comment on column insurance.insurance_claims.correlation_id is 'class=phi;about=Joins request and answer.';
comment on column insurance.insurance_claims.dispatch_status is 'class=phi;about=?';
comment on column insurance.insurance_claims.dispatched_at is 'class=phi;about=?';
comment on column insurance.insurance_claims.dispatch_error is 'class=phi;about=?';
comment on column insurance.insurance_claims.outcome is 'class=phi;about=?';
comment on column insurance.insurance_claims.adjudication is 'class=phi;about=?';
comment on column insurance.insurance_claims.auto_approved is 'class=phi;about=?';
comment on column insurance.insurance_claims.submitted_at is 'class=phi;about=?';
comment on column insurance.insurance_claims.submitted_by is 'class=phi;about=?';
comment on column insurance.insurance_claims.decision_due_at is 'class=phi;about=?';
comment on column insurance.insurance_claims.decided_at is 'class=phi;about=?';
comment on column insurance.insurance_claims.submit_by is 'class=phi;about=?';
comment on column insurance.insurance_claims.delay_reason is 'class=phi;about=?';
comment on column insurance.insurance_claims.reject_reason is 'class=phi;about=?';
comment on column insurance.insurance_claims.cancel_reason is 'class=phi;about=?';
comment on column insurance.insurance_claims.stg_status is 'class=phi;about=?';
comment on column insurance.insurance_claims.document_bundle_hash is 'class=phi;about=?';
comment on column insurance.insurance_claims.status is 'class=phi;about=?';
select core.comment_standard_columns('insurance.insurance_claims');

alter table insurance.insurance_claims enable row level security;
alter table insurance.insurance_claims force row level security;
create policy tenant_isolation on insurance.insurance_claims
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger insurance_claims_touch before update on insurance.insurance_claims
  for each row execute function core.update_updated_at_column('row_version');
create trigger insurance_claims_payer_visible before insert or update of payer_id on insurance.insurance_claims
  for each row execute function core.check_shared_reference('payer_id', 'insurance.payers');
create trigger insurance_claims_transition before insert or update of status on insurance.insurance_claims
  for each row execute function core.enforce_transition('insurance.insurance_claims', 'status');
select audit.track('insurance.insurance_claims');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('insurance.insurance_claims', '', 'draft', false, null),
  ('insurance.insurance_claims', 'draft', 'ready', false, null),
  ('insurance.insurance_claims', 'draft', 'cancelled', false, null),
  ('insurance.insurance_claims', 'ready', 'draft', false, null),
  ('insurance.insurance_claims', 'ready', 'submitted', false, null),
  ('insurance.insurance_claims', 'ready', 'cancelled', false, null),
  ('insurance.insurance_claims', 'submitted', 'approved', false, null),
  ('insurance.insurance_claims', 'submitted', 'partially_approved', false, null),
  ('insurance.insurance_claims', 'submitted', 'queried', false, null),
  ('insurance.insurance_claims', 'submitted', 'rejected', false, null),
  ('insurance.insurance_claims', 'submitted', 'dispatch_failed', false, null),
  ('insurance.insurance_claims', 'submitted', 'cancel_requested', false, null),
  ('insurance.insurance_claims', 'dispatch_failed', 'submitted', false, null),
  ('insurance.insurance_claims', 'dispatch_failed', 'cancelled', false, null),
  ('insurance.insurance_claims', 'queried', 'submitted', false, null),
  ('insurance.insurance_claims', 'queried', 'lapsed', false, null),
  ('insurance.insurance_claims', 'queried', 'cancel_requested', false, null),
  ('insurance.insurance_claims', 'rejected', 'resubmitted', false, null),
  ('insurance.insurance_claims', 'rejected', 'reprocess_requested', false, null),
  ('insurance.insurance_claims', 'rejected', 'closed', false, null),
  ('insurance.insurance_claims', 'approved', 'superseded', false, null),
  ('insurance.insurance_claims', 'approved', 'cancel_requested', false, null),
  ('insurance.insurance_claims', 'approved', 'utilised', false, null),
  ('insurance.insurance_claims', 'approved', 'paid', false, null),
  ('insurance.insurance_claims', 'approved', 'closed', false, null),
  ('insurance.insurance_claims', 'approved', 'expired', false, null),
  ('insurance.insurance_claims', 'partially_approved', 'superseded', false, null),
  ('insurance.insurance_claims', 'partially_approved', 'cancel_requested', false, null),
  ('insurance.insurance_claims', 'partially_approved', 'utilised', false, null),
  ('insurance.insurance_claims', 'partially_approved', 'reprocess_requested', false, null),
  ('insurance.insurance_claims', 'partially_approved', 'paid', false, null),
  ('insurance.insurance_claims', 'partially_approved', 'closed', false, null),
  ('insurance.insurance_claims', 'cancel_requested', 'cancelled', false, null),
  ('insurance.insurance_claims', 'cancel_requested', 'approved', false, null),
  ('insurance.insurance_claims', 'cancel_requested', 'partially_approved', false, null),
  ('insurance.insurance_claims', 'reprocess_requested', 'approved', false, null),
  ('insurance.insurance_claims', 'reprocess_requested', 'partially_approved', false, null),
  ('insurance.insurance_claims', 'reprocess_requested', 'rejected', false, null),
  ('insurance.insurance_claims', 'resubmitted', 'closed', false, null),
  ('insurance.insurance_claims', 'utilised', 'closed', false, null),
  ('insurance.insurance_claims', 'superseded', 'closed', false, null),
  ('insurance.insurance_claims', 'paid', 'closed', false, null),
  ('insurance.insurance_claims', 'lapsed', 'closed', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on insurance.insurance_claims to billing_app;
grant select on insurance.insurance_claims to billing_ro;
