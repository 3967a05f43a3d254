-- insurance.pmjay_cases: the scheme's case, from registration to payment.
--
-- One live case per coverage and patient. wallet_blocked is the sum of what the case's submissions hold and never
-- more than the wallet has; wallet_used is what was paid of it. The state follows the submissions: only operations
-- move it.

create table insurance.pmjay_cases (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  case_number text not null,
  tms_case_id text,
  patient_id uuid not null,
  encounter_id uuid not null,
  coverage_id uuid not null,
  hospital_code text not null,
  pmam_user_id uuid,
  medco_user_id uuid,
  home_state text not null,
  treating_state text not null,
  is_portability boolean not null default false,
  admission_type text not null,
  registered_at timestamptz not null default now(),
  backdated_to timestamptz,
  telephonic boolean not null default false,
  is_newborn boolean not null default false,
  mother_case_id uuid,
  primary_specialty text,
  wallet_blocked numeric(14, 2) not null default 0,
  wallet_used numeric(14, 2) not null default 0,
  feedback jsonb,
  photo_document_ids uuid[] not null default '{}',
  mortality boolean,
  cancel_reason text,
  status text not null default 'registered',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint pmjay_cases_pkey primary key (tenant_id, id),
  constraint pmjay_cases_no_nan check (wallet_blocked <> 'NaN' and wallet_used <> 'NaN'),
  constraint pmjay_cases_number_once unique (tenant_id, case_number),
  constraint pmjay_cases_admission_type_known check (admission_type in ('planned', 'emergency')),
  constraint pmjay_cases_status_known check (
    status in (
      'registered', 'identity_verified', 'preauth_initiated', 'preauth_approved', 'preauth_rejected', 'under_treatment',
      'discharged', 'claim_initiated', 'claim_queried', 'claim_approved', 'claim_rejected', 'reprocess', 'paid', 'closed',
      'cancelled'
    )
  ),
  constraint pmjay_cases_states_are_codes check (home_state ~ '^[A-Z]{2}$' and treating_state ~ '^[A-Z]{2}$'),
  constraint pmjay_cases_portability_is_another_state check (is_portability = (home_state <> treating_state)),
  constraint pmjay_cases_backdated_to_the_past check (backdated_to <= registered_at),
  constraint pmjay_cases_cancelled_has_reason check (status <> 'cancelled' or cancel_reason is not null),
  constraint pmjay_cases_wallet_not_negative check (wallet_blocked >= 0 and wallet_used >= 0),
  constraint pmjay_cases_used_within_blocked check (wallet_used <= wallet_blocked),
  constraint pmjay_cases_newborn_names_mother check (not is_newborn or mother_case_id is not null)
);

alter table insurance.pmjay_cases add constraint pmjay_cases_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table insurance.pmjay_cases add constraint pmjay_cases_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table insurance.pmjay_cases add constraint pmjay_cases_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table insurance.pmjay_cases add constraint pmjay_cases_coverage_fkey
  foreign key (tenant_id, coverage_id) references insurance.coverages (tenant_id, id);
alter table insurance.pmjay_cases add constraint pmjay_cases_pmam_user_fkey
  foreign key (tenant_id, pmam_user_id) references auth.users (tenant_id, id);
alter table insurance.pmjay_cases add constraint pmjay_cases_medco_user_fkey
  foreign key (tenant_id, medco_user_id) references auth.users (tenant_id, id);
alter table insurance.pmjay_cases add constraint pmjay_cases_mother_case_fkey
  foreign key (tenant_id, mother_case_id) references insurance.pmjay_cases (tenant_id, id);

create unique index pmjay_cases_tms_case_once on insurance.pmjay_cases (tenant_id, tms_case_id)
  where tms_case_id is not null;
create unique index pmjay_cases_one_live_per_beneficiary on insurance.pmjay_cases (tenant_id, coverage_id, patient_id)
  where status not in ('paid', 'closed', 'cancelled');
create index pmjay_cases_live_idx on insurance.pmjay_cases (tenant_id, registered_at)
  where status not in ('paid', 'closed', 'cancelled');
create index pmjay_cases_patient_idx on insurance.pmjay_cases (tenant_id, patient_id);
create index pmjay_cases_encounter_idx on insurance.pmjay_cases (tenant_id, encounter_id);
create index pmjay_cases_coverage_idx on insurance.pmjay_cases (tenant_id, coverage_id);
create index pmjay_cases_pmam_user_idx on insurance.pmjay_cases (tenant_id, pmam_user_id)
  where pmam_user_id is not null;
create index pmjay_cases_medco_user_idx on insurance.pmjay_cases (tenant_id, medco_user_id)
  where medco_user_id is not null;
create index pmjay_cases_mother_case_idx on insurance.pmjay_cases (tenant_id, mother_case_id)
  where mother_case_id is not null;

comment on table insurance.pmjay_cases is 'class=phi;scope=tenant;owner=billing;fhir=EpisodeOfCare;retention=medical_record;about=The scheme''s case from registration to payment.';
comment on column insurance.pmjay_cases.case_number is 'class=operational;about=Number that people quote (CASE-yy-n).';
comment on column insurance.pmjay_cases.tms_case_id is 'class=operational;about=Number of the case in the scheme''s transaction management system.';
comment on column insurance.pmjay_cases.patient_id is 'class=operational;about=The beneficiary; for a newborn the child, on the mother''s coverage.';
comment on column insurance.pmjay_cases.encounter_id is 'class=operational;about=The stay or visit that the case pays for.';
comment on column insurance.pmjay_cases.coverage_id is 'class=operational;about=The coverage that pays; its wallet holds what is approved.';
comment on column insurance.pmjay_cases.hospital_code is 'class=operational;about=Code under which the scheme empanelled the hospital.';
comment on column insurance.pmjay_cases.pmam_user_id is 'class=operational;about=The scheme''s helper at the desk who registered the case.';
comment on column insurance.pmjay_cases.medco_user_id is 'class=operational;about=The medical coordinator who answers for its papers.';
comment on column insurance.pmjay_cases.home_state is 'class=operational;about=State of the beneficiary, two letters.';
comment on column insurance.pmjay_cases.treating_state is 'class=operational;about=State of the hospital, two letters.';
comment on column insurance.pmjay_cases.is_portability is 'class=operational;about=True: treated outside the home state; the payer''s portability clock runs.';
comment on column insurance.pmjay_cases.admission_type is 'class=phi;about=planned or emergency.';
comment on column insurance.pmjay_cases.registered_at is 'class=operational;about=When the case was registered.';
comment on column insurance.pmjay_cases.backdated_to is 'class=operational;about=Admission that the registration is dated back to; the payer limits how far.';
comment on column insurance.pmjay_cases.telephonic is 'class=operational;about=True: registered by telephone in an emergency; treatment may begin before the approval.';
comment on column insurance.pmjay_cases.is_newborn is 'class=phi;about=True: a newborn on the mother''s coverage.';
comment on column insurance.pmjay_cases.mother_case_id is 'class=operational;about=Case of the mother; a newborn''s case must name it.';
comment on column insurance.pmjay_cases.primary_specialty is 'class=phi;about=Specialty that the case is filed under.';
comment on column insurance.pmjay_cases.wallet_blocked is 'class=financial;about=What the case''s submissions hold of the wallet; after a payment, what they held, and from the next change on what was paid and is held.';
comment on column insurance.pmjay_cases.wallet_used is 'class=financial;about=What was paid out of the wallet, never more than was blocked.';
comment on column insurance.pmjay_cases.feedback is 'class=phi;about=What the beneficiary said at discharge, as the scheme''s form has it.';
comment on column insurance.pmjay_cases.photo_document_ids is 'class=phi;about=Photographs that the scheme asks for (ehr.documents).';
comment on column insurance.pmjay_cases.mortality is 'class=phi;about=True: the patient died during the stay; null before discharge.';
comment on column insurance.pmjay_cases.cancel_reason is 'class=phi;about=Why the case was cancelled.';
comment on column insurance.pmjay_cases.status is 'class=operational;about=registered, identity_verified, preauth_initiated, preauth_approved, preauth_rejected, under_treatment, discharged, claim_initiated, claim_queried, claim_approved, claim_rejected, reprocess, paid, closed or cancelled.';
select core.comment_standard_columns('insurance.pmjay_cases');

alter table insurance.pmjay_cases enable row level security, force row level security;
create policy tenant_isolation on insurance.pmjay_cases
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger pmjay_cases_touch before update on insurance.pmjay_cases
  for each row execute function core.update_updated_at_column('row_version');
create trigger pmjay_cases_backdating before insert or update of registered_at, backdated_to on insurance.pmjay_cases
  for each row execute function insurance.check_backdating();
create trigger pmjay_cases_transition before insert or update of status on insurance.pmjay_cases
  for each row execute function core.enforce_transition('insurance.pmjay_cases', 'status');
select audit.track('insurance.pmjay_cases');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('insurance.pmjay_cases', '', 'registered', false, null),
  ('insurance.pmjay_cases', 'registered', 'identity_verified', false, null),
  ('insurance.pmjay_cases', 'registered', 'cancelled', true, null),
  ('insurance.pmjay_cases', 'registered', 'under_treatment', false, null),
  ('insurance.pmjay_cases', 'identity_verified', 'preauth_initiated', false, null),
  ('insurance.pmjay_cases', 'identity_verified', 'cancelled', true, null),
  ('insurance.pmjay_cases', 'identity_verified', 'under_treatment', false, null),
  ('insurance.pmjay_cases', 'preauth_initiated', 'preauth_approved', false, null),
  ('insurance.pmjay_cases', 'preauth_initiated', 'preauth_rejected', false, null),
  ('insurance.pmjay_cases', 'preauth_initiated', 'cancelled', true, null),
  ('insurance.pmjay_cases', 'preauth_initiated', 'identity_verified', false, null),
  ('insurance.pmjay_cases', 'preauth_rejected', 'preauth_initiated', false, null),
  ('insurance.pmjay_cases', 'preauth_rejected', 'cancelled', true, null),
  ('insurance.pmjay_cases', 'preauth_approved', 'under_treatment', false, null),
  ('insurance.pmjay_cases', 'preauth_approved', 'cancelled', true, null),
  ('insurance.pmjay_cases', 'preauth_approved', 'identity_verified', false, null),
  ('insurance.pmjay_cases', 'under_treatment', 'discharged', false, null),
  ('insurance.pmjay_cases', 'under_treatment', 'cancelled', true, null),
  ('insurance.pmjay_cases', 'discharged', 'claim_initiated', false, null),
  ('insurance.pmjay_cases', 'discharged', 'cancelled', true, null),
  ('insurance.pmjay_cases', 'claim_initiated', 'claim_queried', false, null),
  ('insurance.pmjay_cases', 'claim_initiated', 'claim_approved', false, null),
  ('insurance.pmjay_cases', 'claim_initiated', 'claim_rejected', false, null),
  ('insurance.pmjay_cases', 'claim_queried', 'claim_initiated', false, null),
  ('insurance.pmjay_cases', 'claim_queried', 'claim_rejected', false, null),
  ('insurance.pmjay_cases', 'claim_rejected', 'reprocess', false, null),
  ('insurance.pmjay_cases', 'claim_rejected', 'claim_initiated', false, null),
  ('insurance.pmjay_cases', 'claim_rejected', 'closed', true, null),
  ('insurance.pmjay_cases', 'reprocess', 'claim_approved', false, null),
  ('insurance.pmjay_cases', 'reprocess', 'claim_rejected', false, null),
  ('insurance.pmjay_cases', 'claim_approved', 'paid', false, null),
  ('insurance.pmjay_cases', 'claim_approved', 'claim_initiated', false, null),
  ('insurance.pmjay_cases', 'claim_approved', 'reprocess', false, null),
  ('insurance.pmjay_cases', 'paid', 'closed', false, null)
on conflict (machine, from_state, to_state) do nothing;

-- registration, wallet and state belong to operations
grant select on insurance.pmjay_cases to billing_app, billing_ro;
grant update (tms_case_id, medco_user_id, primary_specialty, feedback, photo_document_ids, row_version)
  on insurance.pmjay_cases to billing_app;
