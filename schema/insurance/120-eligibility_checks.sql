-- insurance.eligibility_checks: a question to a payer and its answer: in force, what balance, what papers.
--
-- A submission needs a complete and recent answer that says "in force" (IM600); setting
-- insurance.eligibility_valid_hours says how recent.

create table insurance.eligibility_checks (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  request_number text not null,
  coverage_id uuid,
  patient_id uuid not null,
  encounter_id uuid,
  payer_id uuid not null,
  purposes text[] not null default '{}',
  items jsonb not null default '[]',
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
  constraint eligibility_checks_no_nan check (balance <> 'NaN'),
  constraint eligibility_checks_correlation_once unique (tenant_id, correlation_id),
  constraint eligibility_checks_number_once unique (tenant_id, request_number),
  constraint eligibility_checks_outcome_known check (outcome in ('queued', 'complete', 'partial', 'error')),
  constraint eligibility_checks_status_known check (status in ('pending', 'awaiting', 'error', 'partial', 'complete')),
  constraint eligibility_checks_purposes_known check (
    cardinality(purposes) > 0 and purposes <@ array['validation', 'auth-requirements', 'benefits', 'discovery']
  ),
  constraint eligibility_checks_balance_not_negative check (balance >= 0),
  constraint eligibility_checks_coverage_or_discovery check (coverage_id is not null or purposes <@ array['discovery']),
  constraint eligibility_checks_complete_has_outcome check (status <> 'complete' or outcome is not null)
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
create index eligibility_checks_unanswered_idx on insurance.eligibility_checks (tenant_id, created_at)
  where status in ('pending', 'awaiting', 'partial');
create index eligibility_checks_payer_idx on insurance.eligibility_checks (payer_id, tenant_id);
comment on index insurance.eligibility_checks_payer_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';

comment on table insurance.eligibility_checks is 'class=financial;scope=tenant;owner=billing;fhir=CoverageEligibilityRequest,CoverageEligibilityResponse;retention=financial;about=Question to a payer and its answer: is it in force, what balance, what papers are needed.';
comment on column insurance.eligibility_checks.request_number is 'class=operational;about=Number that people quote (ELG-yy-n).';
comment on column insurance.eligibility_checks.coverage_id is 'class=operational;about=The coverage asked about; null when the payer is asked which there is (purpose discovery).';
comment on column insurance.eligibility_checks.patient_id is 'class=operational;about=The patient.';
comment on column insurance.eligibility_checks.encounter_id is 'class=operational;about=The visit or stay that it is asked for.';
comment on column insurance.eligibility_checks.payer_id is 'class=operational;about=The payer that is asked.';
comment on column insurance.eligibility_checks.purposes is 'class=financial;about=What is asked, any of validation, auth-requirements, benefits, discovery.';
comment on column insurance.eligibility_checks.items is 'class=phi;about=Packages asked about, a list of {code, quantity}.';
comment on column insurance.eligibility_checks.correlation_id is 'class=operational;about=Joins request and answer.';
comment on column insurance.eligibility_checks.sent_at is 'class=operational;about=When the request left.';
comment on column insurance.eligibility_checks.responded_at is 'class=operational;about=When the last answer came.';
comment on column insurance.eligibility_checks.outcome is 'class=financial;about=The payer''s outcome: queued, complete, partial or error.';
comment on column insurance.eligibility_checks.inforce is 'class=financial;about=True: the payer says that the coverage is in force.';
comment on column insurance.eligibility_checks.balance is 'class=financial;about=What is left of the sum as the payer told it, after what it has approved already.';
comment on column insurance.eligibility_checks.required_documents is 'class=financial;about=Papers that the payer wants with a submission.';
comment on column insurance.eligibility_checks.required_questionnaires is 'class=financial;about=Questionnaires that the payer wants answered.';
comment on column insurance.eligibility_checks.disposition is 'class=financial;about=The payer''s text.';
comment on column insurance.eligibility_checks.error is 'class=financial;about=What the payer or the exchange refused, as they wrote it.';
comment on column insurance.eligibility_checks.status is 'class=operational;about=pending, awaiting (sent), partial, complete or error (may be asked again).';
select core.comment_standard_columns('insurance.eligibility_checks');

alter table insurance.eligibility_checks enable row level security, force row level security;
create policy tenant_isolation on insurance.eligibility_checks
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger eligibility_checks_touch before update on insurance.eligibility_checks
  for each row execute function core.update_updated_at_column('row_version');
create trigger eligibility_checks_payer_visible before insert or update of payer_id on insurance.eligibility_checks
  for each row execute function core.check_shared_reference('payer_id', 'insurance.payers');
create trigger eligibility_checks_announce after insert on insurance.eligibility_checks
  for each row execute function core.announce_first_state('insurance.eligibility_checks');
create trigger eligibility_checks_transition before insert or update of status on insurance.eligibility_checks
  for each row execute function core.enforce_transition('insurance.eligibility_checks', 'status');
select audit.track('insurance.eligibility_checks');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('insurance.eligibility_checks', '', 'pending', false, 'eligibility.requested.v1'),
  ('insurance.eligibility_checks', 'pending', 'awaiting', false, null),
  ('insurance.eligibility_checks', 'pending', 'error', false, null),
  ('insurance.eligibility_checks', 'awaiting', 'partial', false, null),
  ('insurance.eligibility_checks', 'awaiting', 'complete', false, 'eligibility.answered.v1'),
  ('insurance.eligibility_checks', 'awaiting', 'error', false, null),
  ('insurance.eligibility_checks', 'partial', 'complete', false, 'eligibility.answered.v1'),
  ('insurance.eligibility_checks', 'partial', 'error', false, null),
  ('insurance.eligibility_checks', 'error', 'awaiting', false, null)
on conflict (machine, from_state, to_state) do nothing;

-- written by operations only
grant select on insurance.eligibility_checks to billing_app, billing_ro;
