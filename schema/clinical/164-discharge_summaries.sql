-- clinical.discharge_summaries: The discharge summary in the NRCeS section set, checked against STG before it can be finalised.

create table clinical.discharge_summaries (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  summary_number text not null,
  encounter_id uuid not null,
  patient_id uuid not null,
  admission_id uuid not null,
  sections jsonb not null default '{}',
  final_diagnoses jsonb not null default '{}',
  procedures jsonb not null default '{}',
  course_enc bytea not null,
  condition_at_discharge text not null,
  medications jsonb not null default '{}',
  follow_up jsonb not null default '{}',
  advice_enc bytea,
  care_plan jsonb,
  cause_of_death jsonb,
  discharge_kind text not null,
  stg_status text not null,
  stg_checked_at timestamptz,
  stg_waiver_reason text,
  prepared_by uuid not null,
  approved_by uuid,
  approved_at timestamptz,
  handed_over_at timestamptz,
  document_id uuid,
  amends_id uuid,
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
  constraint discharge_summaries_final_complete check (
    status <> 'final' or (approved_by is not null and approved_by <> prepared_by and stg_status in ('not_applicable', 'passed', 'waived'))
  ),
  constraint discharge_summaries_waived_complete check (stg_status <> 'waived' or stg_waiver_reason is not null),
  constraint discharge_summaries_death_complete check (discharge_kind <> 'death' or cause_of_death is not null)
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
  foreign key (tenant_id, approved_by) references workforce.doctors (tenant_id, id);
alter table clinical.discharge_summaries add constraint discharge_summaries_document_fkey
  foreign key (tenant_id, document_id) references ehr.documents (tenant_id, id);
alter table clinical.discharge_summaries add constraint discharge_summaries_amends_fkey
  foreign key (tenant_id, amends_id) references clinical.discharge_summaries (tenant_id, id);

create unique index discharge_summaries_encounter_key on clinical.discharge_summaries (tenant_id, encounter_id)
  where status = 'final';
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
comment on column clinical.discharge_summaries.summary_number is 'class=phi;about=?';
comment on column clinical.discharge_summaries.encounter_id is 'class=phi;about=The encounter that it belongs to.';
comment on column clinical.discharge_summaries.patient_id is 'class=phi;about=The patient.';
comment on column clinical.discharge_summaries.admission_id is 'class=phi;about=?';
comment on column clinical.discharge_summaries.sections is 'class=phi;about=?';
comment on column clinical.discharge_summaries.final_diagnoses is 'class=phi;about=?';
comment on column clinical.discharge_summaries.procedures is 'class=phi;about=?';
comment on column clinical.discharge_summaries.course_enc is 'class=phi;enc=1;about=?';
comment on column clinical.discharge_summaries.condition_at_discharge is 'class=phi;about=?';
comment on column clinical.discharge_summaries.medications is 'class=phi;about=?';
comment on column clinical.discharge_summaries.follow_up is 'class=phi;about=?';
comment on column clinical.discharge_summaries.advice_enc is 'class=phi;enc=1;about=?';
comment on column clinical.discharge_summaries.care_plan is 'class=phi;about=?';
comment on column clinical.discharge_summaries.cause_of_death is 'class=phi;about=?';
comment on column clinical.discharge_summaries.discharge_kind is 'class=phi;about=?';
comment on column clinical.discharge_summaries.stg_status is 'class=phi;about=?';
comment on column clinical.discharge_summaries.stg_checked_at is 'class=phi;about=?';
comment on column clinical.discharge_summaries.stg_waiver_reason is 'class=phi;about=?';
comment on column clinical.discharge_summaries.prepared_by is 'class=phi;about=?';
comment on column clinical.discharge_summaries.approved_by is 'class=phi;about=?';
comment on column clinical.discharge_summaries.approved_at is 'class=phi;about=?';
comment on column clinical.discharge_summaries.handed_over_at is 'class=phi;about=?';
comment on column clinical.discharge_summaries.document_id is 'class=phi;about=The stored document.';
comment on column clinical.discharge_summaries.amends_id is 'class=phi;about=?';
comment on column clinical.discharge_summaries.status is 'class=phi;about=?';
select core.comment_standard_columns('clinical.discharge_summaries');

alter table clinical.discharge_summaries enable row level security;
alter table clinical.discharge_summaries force row level security;
create policy tenant_isolation on clinical.discharge_summaries
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger discharge_summaries_touch before update on clinical.discharge_summaries
  for each row execute function core.update_updated_at_column('row_version');
create trigger discharge_summaries_transition before insert or update of status on clinical.discharge_summaries
  for each row execute function core.enforce_transition('clinical.discharge_summaries', 'status');
select audit.track('clinical.discharge_summaries');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('clinical.discharge_summaries', '', 'draft', false, null),
  ('clinical.discharge_summaries', 'draft', 'in_review', false, null),
  ('clinical.discharge_summaries', 'draft', 'cancelled', false, null),
  ('clinical.discharge_summaries', 'in_review', 'draft', false, null),
  ('clinical.discharge_summaries', 'in_review', 'final', false, null),
  ('clinical.discharge_summaries', 'final', 'amended', false, null),
  ('clinical.discharge_summaries', 'final', 'entered_in_error', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on clinical.discharge_summaries to clinical_app;
grant select on clinical.discharge_summaries to clinical_ro;
