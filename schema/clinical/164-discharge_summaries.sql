-- The discharge summary in the sections of the national profile (NRCeS). It is prepared by one person, approved by
-- another, a doctor, and not before the guidelines that apply are met or waived. A final one is never changed: an
-- amendment is a summary of its own. A stay has at most one that is final.

create table clinical.discharge_summaries (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  summary_number text not null,
  encounter_id uuid not null,
  patient_id uuid not null,
  admission_id uuid not null,
  sections jsonb not null default '{}',
  final_diagnoses jsonb not null default '[]',
  procedures jsonb not null default '[]',
  course_enc bytea,
  condition_at_discharge text,
  medications jsonb not null default '[]',
  follow_up jsonb not null default '[]',
  advice_enc bytea,
  care_plan jsonb,
  cause_of_death jsonb,
  discharge_kind text not null,
  stg_status text not null default 'not_checked',
  stg_checked_at timestamptz,
  stg_waiver_reason text,
  prepared_by uuid not null,
  approved_by uuid,
  approved_at timestamptz,
  handed_over_at timestamptz,
  document_id uuid,
  amends_id uuid,
  amendment_reason text,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint discharge_summaries_pkey primary key (tenant_id, id),
  constraint discharge_summaries_summary_number_key unique (tenant_id, summary_number),
  constraint discharge_summaries_stg_status_check check (
    stg_status in ('not_applicable', 'not_checked', 'passed', 'failed', 'waived')
  ),
  constraint discharge_summaries_status_check check (
    status in ('draft', 'in_review', 'cancelled', 'final', 'amended', 'entered_in_error')
  ),
  constraint discharge_summaries_lists check (
    jsonb_typeof(final_diagnoses) = 'array' and jsonb_typeof(procedures) = 'array'
    and jsonb_typeof(medications) = 'array' and jsonb_typeof(follow_up) = 'array'
  ),
  constraint discharge_summaries_sections_is_object check (jsonb_typeof(sections) = 'object'),
  constraint discharge_summaries_discharge_kind_check check (
    discharge_kind in ('normal', 'lama', 'dama', 'transfer', 'death', 'absconded')
  ),
  constraint discharge_summaries_final_is_complete check (
    status <> 'final' or (
      jsonb_array_length(final_diagnoses) > 0 and course_enc is not null and condition_at_discharge is not null
    )
  ),
  constraint discharge_summaries_final_approved_by_another check (
    status <> 'final' or (approved_by is not null and approved_at is not null and approved_by <> prepared_by)
  ),
  constraint discharge_summaries_final_meets_guidelines check (
    status <> 'final' or stg_status in ('not_applicable', 'passed', 'waived')
  ),
  constraint discharge_summaries_amendment_has_reason check (amends_id is null or amendment_reason is not null),
  constraint discharge_summaries_waiver_has_reason check (stg_status <> 'waived' or stg_waiver_reason is not null),
  constraint discharge_summaries_death_has_cause check (discharge_kind <> 'death' or cause_of_death is not null)
);

alter table clinical.discharge_summaries add constraint discharge_summaries_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table clinical.discharge_summaries add constraint discharge_summaries_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table clinical.discharge_summaries add constraint discharge_summaries_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table clinical.discharge_summaries add constraint discharge_summaries_admission_fkey
  foreign key (tenant_id, admission_id) references clinical.admissions (tenant_id, id);
alter table clinical.discharge_summaries add constraint discharge_summaries_prepared_by_fkey
  foreign key (tenant_id, prepared_by) references workforce.staff (tenant_id, id);
alter table clinical.discharge_summaries add constraint discharge_summaries_approved_by_fkey
  foreign key (tenant_id, approved_by) references workforce.staff (tenant_id, id);
alter table clinical.discharge_summaries add constraint discharge_summaries_document_fkey
  foreign key (tenant_id, document_id) references ehr.documents (tenant_id, id);
alter table clinical.discharge_summaries add constraint discharge_summaries_amends_fkey
  foreign key (tenant_id, amends_id) references clinical.discharge_summaries (tenant_id, id);

create unique index discharge_summaries_one_final_per_stay on clinical.discharge_summaries (tenant_id, encounter_id)
  where status = 'final';
create unique index discharge_summaries_one_in_work_per_stay
  on clinical.discharge_summaries (tenant_id, encounter_id)
  where status in ('draft', 'in_review');
create index discharge_summaries_in_review_idx on clinical.discharge_summaries (tenant_id, updated_at)
  where status = 'in_review';
create index discharge_summaries_encounter_idx on clinical.discharge_summaries (tenant_id, encounter_id);
create index discharge_summaries_patient_idx on clinical.discharge_summaries (tenant_id, patient_id);
create index discharge_summaries_admission_idx on clinical.discharge_summaries (tenant_id, admission_id);
create index discharge_summaries_prepared_by_idx on clinical.discharge_summaries (tenant_id, prepared_by);
create index discharge_summaries_approved_by_idx on clinical.discharge_summaries (tenant_id, approved_by)
  where approved_by is not null;
create index discharge_summaries_document_idx on clinical.discharge_summaries (tenant_id, document_id)
  where document_id is not null;
create index discharge_summaries_amends_idx on clinical.discharge_summaries (tenant_id, amends_id)
  where amends_id is not null;

comment on table clinical.discharge_summaries is 'class=phi;scope=tenant;owner=clinical;fhir=Composition (DischargeSummaryRecord);retention=medical_record;about=The discharge summary in the NRCeS section set, checked against STG before it can be finalised.';
comment on column clinical.discharge_summaries.summary_number is 'class=operational;about=Number that people read, series discharge_summary.';
comment on column clinical.discharge_summaries.encounter_id is 'class=phi;about=The stay.';
comment on column clinical.discharge_summaries.patient_id is 'class=phi;about=The patient.';
comment on column clinical.discharge_summaries.admission_id is 'class=phi;about=The admission.';
comment on column clinical.discharge_summaries.sections is 'class=phi;about=Further coded sections; stg_answers holds the answers to questions of guidelines.';
comment on column clinical.discharge_summaries.final_diagnoses is 'class=phi;about=List of {code_system, code, display, icd10, rank}.';
comment on column clinical.discharge_summaries.procedures is 'class=phi;about=List of {code_system, code, display, on}.';
comment on column clinical.discharge_summaries.course_enc is 'class=phi;enc=1;about=Course in hospital; encrypted.';
comment on column clinical.discharge_summaries.condition_at_discharge is 'class=phi;about=Condition at discharge.';
comment on column clinical.discharge_summaries.medications is 'class=phi;about=List of medicines to take.';
comment on column clinical.discharge_summaries.follow_up is 'class=phi;about=List of {on, with, what}.';
comment on column clinical.discharge_summaries.advice_enc is 'class=phi;enc=1;about=Advice; encrypted.';
comment on column clinical.discharge_summaries.care_plan is 'class=phi;about=Plan of further care.';
comment on column clinical.discharge_summaries.cause_of_death is 'class=phi;about=Of a death: causes as on the certificate.';
comment on column clinical.discharge_summaries.discharge_kind is 'class=phi;about=normal, lama, dama, transfer, death or absconded.';
comment on column clinical.discharge_summaries.stg_status is 'class=operational;about=Guidelines: not_checked, not_applicable, failed, waived or passed.';
comment on column clinical.discharge_summaries.stg_checked_at is 'class=operational;about=When they were evaluated.';
comment on column clinical.discharge_summaries.stg_waiver_reason is 'class=phi;about=Why what failed was waived.';
comment on column clinical.discharge_summaries.prepared_by is 'class=operational;about=Member of staff who prepared it.';
comment on column clinical.discharge_summaries.approved_by is 'class=operational;about=Member of staff, a doctor, who approved it; never who prepared it.';
comment on column clinical.discharge_summaries.approved_at is 'class=operational;about=When.';
comment on column clinical.discharge_summaries.handed_over_at is 'class=operational;about=When the patient got it.';
comment on column clinical.discharge_summaries.document_id is 'class=operational;about=The stored document.';
comment on column clinical.discharge_summaries.amends_id is 'class=phi;about=The summary that this one replaces.';
comment on column clinical.discharge_summaries.amendment_reason is 'class=phi;about=Why.';
comment on column clinical.discharge_summaries.status is 'class=operational;about=draft, in_review, final, amended, cancelled or entered_in_error.';
select core.comment_standard_columns('clinical.discharge_summaries');

alter table clinical.discharge_summaries enable row level security, force row level security;
create policy tenant_isolation on clinical.discharge_summaries
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger discharge_summaries_touch before update on clinical.discharge_summaries
  for each row execute function core.update_updated_at_column('row_version');
create trigger discharge_summaries_transition before insert or update of status on clinical.discharge_summaries
  for each row execute function core.enforce_transition('clinical.discharge_summaries', 'status');
create trigger discharge_summaries_unchanged_once_final before update on clinical.discharge_summaries
  for each row when (old.status not in ('draft', 'in_review'))
  execute function clinical.keep_content('document_id', 'handed_over_at');
create trigger discharge_summaries_check_again before update on clinical.discharge_summaries
  for each row when (old.status in ('draft', 'in_review')) execute function clinical.reset_stg_status();
create trigger discharge_summaries_no_aadhaar
  before insert or update of condition_at_discharge on clinical.discharge_summaries
  for each row execute function core.reject_aadhaar_like('condition_at_discharge');
select audit.track('clinical.discharge_summaries');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('clinical.discharge_summaries', '', 'draft', false, null),
  ('clinical.discharge_summaries', 'draft', 'in_review', false, null),
  ('clinical.discharge_summaries', 'draft', 'cancelled', true, null),
  ('clinical.discharge_summaries', 'in_review', 'draft', true, null),
  ('clinical.discharge_summaries', 'in_review', 'final', false, null),
  ('clinical.discharge_summaries', 'final', 'amended', true, null),
  ('clinical.discharge_summaries', 'final', 'entered_in_error', true, null)
on conflict (machine, from_state, to_state) do nothing;

-- a draft may be edited; preparing, reviewing, approving and amending are operations
grant select on clinical.discharge_summaries to clinical_app;
grant update (
  sections, final_diagnoses, procedures, course_enc, condition_at_discharge, medications, follow_up, advice_enc, care_plan,
  cause_of_death, document_id, row_version
) on clinical.discharge_summaries to clinical_app;
grant select on clinical.discharge_summaries to clinical_ro;
