-- insurance.insurance_claims: pre-authorisations, predeterminations and claims: one table as in FHIR, where use tells
-- which.
--
-- Submissions form a chain by related_claim_id, and only its last one listens to the payer. A case has one live root
-- of each use, a submission one open follower. A query is answered on the row itself: the row gets a new correlation
-- id and workflow code, payer_queries keeps the old id. View insurance.preauth_requests shows the pre-authorisations.

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
  priority text not null default 'normal',
  billable_period daterange,
  admission_at timestamptz,
  expected_los_days smallint,
  care_team jsonb not null default '[]',
  diagnoses jsonb not null default '[]',
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
  dispatch_status text not null default 'pending',
  dispatched_at timestamptz,
  dispatch_error text,
  outcome text,
  adjudication text,
  auto_approved boolean not null default false,
  submitted_at timestamptz,
  submitted_by uuid,
  decision_due_at timestamptz,
  overdue_announced_at timestamptz,
  decided_at timestamptz,
  submit_by timestamptz,
  delay_reason text,
  reject_reason jsonb,
  cancel_reason text,
  stg_status text,
  document_bundle_hash bytea,
  wallet_hold numeric(14, 2) not null default 0,
  status insurance.claim_status not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint insurance_claims_pkey primary key (tenant_id, id),
  constraint insurance_claims_no_nan check (total_claimed <> 'NaN' and total_approved <> 'NaN' and total_deducted <> 'NaN' and wallet_hold <> 'NaN'),
  constraint insurance_claims_number_once unique (tenant_id, claim_number),
  constraint insurance_claims_correlation_once unique (tenant_id, correlation_id),
  constraint insurance_claims_use_known check (use in ('preauthorization', 'predetermination', 'claim')),
  constraint insurance_claims_relation_known check (
    relation in ('prior', 'enhancement', 'resubmission')
  ),
  constraint insurance_claims_channel_known check (channel in ('nhcx', 'tms', 'portal', 'paper')),
  constraint insurance_claims_priority_known check (priority in ('normal', 'stat')),
  constraint insurance_claims_dispatch_status_known check (
    dispatch_status in ('pending', 'awaiting', 'partial', 'complete', 'error')
  ),
  constraint insurance_claims_outcome_known check (outcome in ('queued', 'complete', 'partial', 'error')),
  constraint insurance_claims_adjudication_known check (
    adjudication in ('approved', 'partially_approved', 'queried', 'rejected')
  ),
  constraint insurance_claims_related_says_how check ((related_claim_id is null) = (relation is null)),
  constraint insurance_claims_prior_is_of_claims check (relation <> 'prior' or use = 'claim'),
  constraint insurance_claims_stg_status_known check (stg_status in ('not_applicable', 'passed', 'waived')),
  constraint insurance_claims_hold_not_negative check (wallet_hold >= 0),
  constraint insurance_claims_submitted_has_code check (
    status in ('draft', 'ready', 'cancelled') or (submitted_at is not null and workflow_code is not null)
  ),
  constraint insurance_claims_claimed_not_negative check (total_claimed >= 0),
  constraint insurance_claims_approved_within_claimed check (total_approved <= total_claimed),
  constraint insurance_claims_exchange_claim_follows_preauth check (
    use <> 'claim' or channel <> 'nhcx' or related_claim_id is not null
  ),
  constraint insurance_claims_approval_has_reference check (
    adjudication not in ('approved', 'partially_approved') or use <> 'preauthorization' or pre_auth_ref is not null
  ),
  constraint insurance_claims_submitted_claim_has_limit check (
    use <> 'claim' or submitted_at is null or submit_by is not null
  ),
  constraint insurance_claims_late_has_reason check (submitted_at <= submit_by or delay_reason is not null)
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

create unique index insurance_claims_approval_reference_once on insurance.insurance_claims (tenant_id, payer_id, pre_auth_ref)
  where use = 'preauthorization' and pre_auth_ref is not null;
create unique index insurance_claims_one_live_root on insurance.insurance_claims (tenant_id, case_id, use)
  where (relation is null or relation = 'prior') and status not in ('cancelled', 'closed', 'rejected', 'lapsed', 'expired');
create unique index insurance_claims_one_open_follower on insurance.insurance_claims (tenant_id, related_claim_id, use)
  where status in ('draft', 'ready', 'submitted', 'dispatch_failed', 'queried');
create index insurance_claims_wallet_idx on insurance.insurance_claims (tenant_id, coverage_id)
  where wallet_hold > 0;
create index insurance_claims_undecided_idx on insurance.insurance_claims (tenant_id, decision_due_at)
  where status in ('submitted', 'cancel_requested', 'reprocess_requested');
create index insurance_claims_to_send_idx on insurance.insurance_claims (tenant_id, submitted_at)
  where dispatch_status in ('pending', 'error');
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
comment on column insurance.insurance_claims.claim_number is 'class=operational;about=Number that people quote (PA-yy-n or CLM-yy-n).';
comment on column insurance.insurance_claims.use is 'class=operational;about=preauthorization, predetermination or claim, as in FHIR Claim.use.';
comment on column insurance.insurance_claims.case_id is 'class=operational;about=Case of the scheme; null for other payers.';
comment on column insurance.insurance_claims.patient_id is 'class=operational;about=The patient.';
comment on column insurance.insurance_claims.encounter_id is 'class=operational;about=The encounter that it belongs to.';
comment on column insurance.insurance_claims.coverage_id is 'class=operational;about=The coverage that is claimed on.';
comment on column insurance.insurance_claims.payer_id is 'class=operational;about=Who decides and pays.';
comment on column insurance.insurance_claims.related_claim_id is 'class=operational;about=The submission that this one follows.';
comment on column insurance.insurance_claims.relation is 'class=operational;about=How it follows: prior (a claim after its pre-authorisation), enhancement or resubmission; null for the first of a chain.';
comment on column insurance.insurance_claims.channel is 'class=operational;about=nhcx, tms (the scheme''s own system), portal or paper.';
comment on column insurance.insurance_claims.claim_type_code is 'class=phi;about=institutional, professional, pharmacy or another code of FHIR Claim.type.';
comment on column insurance.insurance_claims.sub_type is 'class=phi;about=The payer''s kind of claim, such as ip or op.';
comment on column insurance.insurance_claims.priority is 'class=phi;about=normal or stat.';
comment on column insurance.insurance_claims.billable_period is 'class=phi;about=Dates of the services, from (included) to (excluded).';
comment on column insurance.insurance_claims.admission_at is 'class=phi;about=When the patient was admitted.';
comment on column insurance.insurance_claims.expected_los_days is 'class=phi;about=Expected length of stay in days.';
comment on column insurance.insurance_claims.care_team is 'class=phi;about=Who treats: a list of {doctor_id, role}.';
comment on column insurance.insurance_claims.diagnoses is 'class=phi;about=A list of {seq, code_system, code, display, type}.';
comment on column insurance.insurance_claims.procedures is 'class=phi;about=A list of {seq, code_system, code, display, date}.';
comment on column insurance.insurance_claims.accident is 'class=phi;about=Date, kind and place of an accident, where there was one.';
comment on column insurance.insurance_claims.total_claimed is 'class=financial;about=Sum of the lines'' net.';
comment on column insurance.insurance_claims.total_approved is 'class=financial;about=What the payer approved, never more than claimed.';
comment on column insurance.insurance_claims.total_deducted is 'class=financial;about=What the payer took off.';
comment on column insurance.insurance_claims.deduction_reasons is 'class=financial;about=Why it did: a list of {code, amount, text}.';
comment on column insurance.insurance_claims.pre_auth_ref is 'class=operational;about=The payer''s reference of the approval; a claim carries that of its pre-authorisation.';
comment on column insurance.insurance_claims.payer_claim_ref is 'class=operational;about=The payer''s reference of the claim.';
comment on column insurance.insurance_claims.workflow_code is 'class=operational;about=NHCX workflow id of the last submission, resolved from the chain by insurance.resolve_workflow.';
comment on column insurance.insurance_claims.correlation_id is 'class=operational;about=Joins the last submission and its answer; every submission gets a new one.';
comment on column insurance.insurance_claims.dispatch_status is 'class=operational;about=pending (to be sent), awaiting, partial, complete or error.';
comment on column insurance.insurance_claims.dispatched_at is 'class=operational;about=When the envelope left.';
comment on column insurance.insurance_claims.dispatch_error is 'class=operational;about=Why it could not be sent: the exchange''s code.';
comment on column insurance.insurance_claims.outcome is 'class=operational;about=FHIR ClaimResponse.outcome: queued, complete, partial or error.';
comment on column insurance.insurance_claims.adjudication is 'class=operational;about=The last decision: approved, partially_approved, queried or rejected.';
comment on column insurance.insurance_claims.auto_approved is 'class=operational;about=True: decided by the payer''s system because its time had passed.';
comment on column insurance.insurance_claims.submitted_at is 'class=operational;about=When it was submitted; answers to queries do not change it.';
comment on column insurance.insurance_claims.submitted_by is 'class=operational;about=Who submitted it.';
comment on column insurance.insurance_claims.decision_due_at is 'class=operational;about=Until when the payer must decide; computed from insurance.payers when submitted.';
comment on column insurance.insurance_claims.overdue_announced_at is 'class=operational;about=When claim.overdue.v1 told that decision_due_at had passed; before a later decision_due_at it says nothing.';
comment on column insurance.insurance_claims.decided_at is 'class=operational;about=When it was decided.';
comment on column insurance.insurance_claims.submit_by is 'class=operational;about=Until when a claim must be submitted; later needs delay_reason.';
comment on column insurance.insurance_claims.delay_reason is 'class=operational;about=Why the claim comes late.';
comment on column insurance.insurance_claims.reject_reason is 'class=phi;about=Why it was rejected: a list of {code, text}.';
comment on column insurance.insurance_claims.cancel_reason is 'class=operational;about=Why it was cancelled, or is asked to be.';
comment on column insurance.insurance_claims.stg_status is 'class=phi;about=How the discharge summary stood against the standard treatment guideline: not_applicable, passed or waived.';
comment on column insurance.insurance_claims.document_bundle_hash is 'class=operational;about=SHA-256 over the papers at submission, in order.';
comment on column insurance.insurance_claims.wallet_hold is 'class=financial;about=What this submission holds of the coverage''s wallet now; the holds of a case add up to wallet_blocked.';
comment on column insurance.insurance_claims.status is 'class=operational;about=draft, ready, submitted, dispatch_failed, queried, approved, partially_approved, rejected, resubmitted, reprocess_requested, cancel_requested, cancelled, superseded, utilised, paid, lapsed, expired or closed.';
select core.comment_standard_columns('insurance.insurance_claims');

alter table insurance.insurance_claims enable row level security, force row level security;
create policy tenant_isolation on insurance.insurance_claims
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger insurance_claims_touch before update on insurance.insurance_claims
  for each row execute function core.update_updated_at_column('row_version');
create trigger insurance_claims_payer_visible before insert or update of payer_id on insurance.insurance_claims
  for each row execute function core.check_shared_reference('payer_id', 'insurance.payers');
create trigger insurance_claims_freeze before update on insurance.insurance_claims
  for each row execute function insurance.keep_submitted_claim();
create trigger insurance_claims_approval before update of status on insurance.insurance_claims
  for each row execute function insurance.check_claim_has_approval();
create trigger insurance_claims_workflow before insert or update of workflow_code on insurance.insurance_claims
  for each row execute function insurance.check_workflow_code('workflow_code');
create trigger insurance_claims_transition before insert or update of status on insurance.insurance_claims
  for each row execute function core.enforce_transition('insurance.insurance_claims', 'status');
select audit.track('insurance.insurance_claims');

-- dispatch_failed to submitted: it was announced when it was submitted first
insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('insurance.insurance_claims', '', 'draft', false, null),
  ('insurance.insurance_claims', 'draft', 'ready', false, null),
  ('insurance.insurance_claims', 'draft', 'cancelled', true, null),
  ('insurance.insurance_claims', 'ready', 'draft', false, null),
  ('insurance.insurance_claims', 'ready', 'submitted', false, 'claim.submitted.v1'),
  ('insurance.insurance_claims', 'ready', 'cancelled', true, null),
  ('insurance.insurance_claims', 'submitted', 'approved', false, 'claim.approved.v1'),
  ('insurance.insurance_claims', 'submitted', 'partially_approved', false, 'claim.approved.v1'),
  ('insurance.insurance_claims', 'submitted', 'queried', false, 'claim.queried.v1'),
  ('insurance.insurance_claims', 'submitted', 'rejected', false, 'claim.rejected.v1'),
  ('insurance.insurance_claims', 'submitted', 'dispatch_failed', false, null),
  ('insurance.insurance_claims', 'submitted', 'cancel_requested', true, 'claim.cancel_requested.v1'),
  ('insurance.insurance_claims', 'dispatch_failed', 'submitted', false, null),
  ('insurance.insurance_claims', 'dispatch_failed', 'cancelled', true, 'claim.cancelled.v1'),
  ('insurance.insurance_claims', 'queried', 'submitted', false, 'claim.submitted.v1'),
  ('insurance.insurance_claims', 'queried', 'lapsed', false, null),
  ('insurance.insurance_claims', 'queried', 'cancel_requested', true, 'claim.cancel_requested.v1'),
  ('insurance.insurance_claims', 'rejected', 'resubmitted', false, null),
  ('insurance.insurance_claims', 'rejected', 'reprocess_requested', true, 'claim.reprocess_requested.v1'),
  ('insurance.insurance_claims', 'rejected', 'closed', false, null),
  ('insurance.insurance_claims', 'approved', 'superseded', false, null),
  ('insurance.insurance_claims', 'approved', 'cancel_requested', true, 'claim.cancel_requested.v1'),
  ('insurance.insurance_claims', 'approved', 'utilised', false, null),
  ('insurance.insurance_claims', 'approved', 'paid', false, 'claim.paid.v1'),
  ('insurance.insurance_claims', 'approved', 'closed', false, null),
  ('insurance.insurance_claims', 'approved', 'expired', false, null),
  ('insurance.insurance_claims', 'approved', 'reprocess_requested', true, 'claim.reprocess_requested.v1'),
  ('insurance.insurance_claims', 'partially_approved', 'superseded', false, null),
  ('insurance.insurance_claims', 'partially_approved', 'cancel_requested', true, 'claim.cancel_requested.v1'),
  ('insurance.insurance_claims', 'partially_approved', 'utilised', false, null),
  ('insurance.insurance_claims', 'partially_approved', 'reprocess_requested', true, 'claim.reprocess_requested.v1'),
  ('insurance.insurance_claims', 'partially_approved', 'paid', false, 'claim.paid.v1'),
  ('insurance.insurance_claims', 'partially_approved', 'closed', false, null),
  ('insurance.insurance_claims', 'cancel_requested', 'cancelled', false, 'claim.cancelled.v1'),
  ('insurance.insurance_claims', 'cancel_requested', 'approved', false, 'claim.approved.v1'),
  ('insurance.insurance_claims', 'cancel_requested', 'partially_approved', false, 'claim.approved.v1'),
  ('insurance.insurance_claims', 'reprocess_requested', 'approved', false, 'claim.approved.v1'),
  ('insurance.insurance_claims', 'reprocess_requested', 'partially_approved', false, 'claim.approved.v1'),
  ('insurance.insurance_claims', 'reprocess_requested', 'rejected', false, 'claim.rejected.v1'),
  ('insurance.insurance_claims', 'resubmitted', 'closed', false, null),
  ('insurance.insurance_claims', 'utilised', 'closed', false, null),
  ('insurance.insurance_claims', 'superseded', 'closed', false, null),
  ('insurance.insurance_claims', 'paid', 'closed', false, null),
  ('insurance.insurance_claims', 'lapsed', 'closed', false, null)
on conflict (machine, from_state, to_state) do nothing;

-- the rest belongs to operations; these may be changed while it is a draft
grant select on insurance.insurance_claims to billing_app, billing_ro;
grant update (
  sub_type, priority, billable_period, admission_at, expected_los_days, care_team, diagnoses, procedures, accident,
  delay_reason, row_version
) on insurance.insurance_claims to billing_app;
