-- Problems, diagnoses, history and family history. A stay has at most one principal final diagnosis (rank 1).

create table clinical.conditions (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  patient_id uuid not null,
  encounter_id uuid,
  category text not null,
  code_system text not null,
  code text not null,
  display text not null,
  icd10 text,
  icd11 text,
  rank smallint,
  onset_on date,
  abatement_on date,
  clinical_status text,
  verification_status text not null default 'unconfirmed',
  relationship text,
  note_enc bytea,
  asserted_by uuid not null,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint conditions_pkey primary key (tenant_id, id),
  constraint conditions_category_check check (
    category in ('problem', 'encounter_diagnosis', 'provisional', 'differential', 'final', 'past_history', 'family_history', 'social_history')
  ),
  constraint conditions_clinical_status_check check (
    clinical_status in ('active', 'recurrence', 'relapse', 'inactive', 'remission', 'resolved')
  ),
  constraint conditions_verification_status_check check (
    verification_status in ('unconfirmed', 'provisional', 'differential', 'confirmed', 'refuted', 'entered_in_error')
  ),
  constraint conditions_icd10_valid check (core.valid_icd10(icd10)),
  constraint conditions_snomed_code_valid check (code_system <> 'http://snomed.info/sct' or core.valid_sctid(code)),
  constraint conditions_family_history_names_relative check (category <> 'family_history' or relationship is not null),
  constraint conditions_ends_after_onset check (abatement_on >= onset_on),
  constraint conditions_rank_positive check (rank > 0)
);

alter table clinical.conditions add constraint conditions_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table clinical.conditions add constraint conditions_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table clinical.conditions add constraint conditions_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table clinical.conditions add constraint conditions_asserted_by_fkey
  foreign key (tenant_id, asserted_by) references workforce.staff (tenant_id, id);

create unique index conditions_one_principal_diagnosis on clinical.conditions (tenant_id, encounter_id)
  where category = 'final' and rank = 1 and verification_status not in ('refuted', 'entered_in_error') and deleted_at is null;
create index conditions_patient_idx on clinical.conditions (tenant_id, patient_id);
create index conditions_encounter_idx on clinical.conditions (tenant_id, encounter_id)
  where encounter_id is not null;
create index conditions_asserted_by_idx on clinical.conditions (tenant_id, asserted_by);

comment on table clinical.conditions is 'class=phi;scope=tenant;owner=clinical;fhir=Condition,FamilyMemberHistory;retention=medical_record;about=Problems, diagnoses, history and family history.';
comment on column clinical.conditions.patient_id is 'class=phi;about=The patient.';
comment on column clinical.conditions.encounter_id is 'class=phi;about=Encounter in which it was stated.';
comment on column clinical.conditions.category is 'class=phi;about=problem, encounter_diagnosis, provisional, differential, final, past_history, family_history or social_history.';
comment on column clinical.conditions.code_system is 'class=phi;about=Code system of the code, as a URL.';
comment on column clinical.conditions.code is 'class=phi;about=Code of the condition.';
comment on column clinical.conditions.display is 'class=phi;about=The condition in words.';
comment on column clinical.conditions.icd10 is 'class=phi;about=ICD-10 code, such as I21.0.';
comment on column clinical.conditions.icd11 is 'class=phi;about=ICD-11 code.';
comment on column clinical.conditions.rank is 'class=phi;about=Order among the diagnoses of an encounter; 1 is the principal one.';
comment on column clinical.conditions.onset_on is 'class=phi;about=When it began.';
comment on column clinical.conditions.abatement_on is 'class=phi;about=When it ended.';
comment on column clinical.conditions.clinical_status is 'class=phi;about=active, recurrence, relapse, inactive, remission or resolved.';
comment on column clinical.conditions.verification_status is 'class=phi;about=unconfirmed, provisional, differential, confirmed, refuted or entered_in_error.';
comment on column clinical.conditions.relationship is 'class=phi;about=Of family history: which relative.';
comment on column clinical.conditions.note_enc is 'class=phi;enc=1;about=Remarks; encrypted.';
comment on column clinical.conditions.asserted_by is 'class=operational;about=Member of staff who stated it.';
select core.comment_standard_columns('clinical.conditions');

alter table clinical.conditions enable row level security, force row level security;
create policy tenant_isolation on clinical.conditions
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger conditions_touch before update on clinical.conditions
  for each row execute function core.update_updated_at_column('row_version');
create trigger conditions_transition before insert or update of verification_status on clinical.conditions
  for each row execute function core.enforce_transition('clinical.conditions', 'verification_status');
create trigger conditions_no_aadhaar before insert or update of display, relationship on clinical.conditions
  for each row execute function core.reject_aadhaar_like('display', 'relationship');
create trigger conditions_patient_of_encounter before insert or update of patient_id, encounter_id on clinical.conditions
  for each row when (new.encounter_id is not null) execute function clinical.check_patient_of_encounter();
select audit.track('clinical.conditions');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('clinical.conditions', '', 'unconfirmed', false, null),
  ('clinical.conditions', 'unconfirmed', 'provisional', false, null),
  ('clinical.conditions', 'unconfirmed', 'differential', false, null),
  ('clinical.conditions', 'unconfirmed', 'confirmed', false, null),
  ('clinical.conditions', 'unconfirmed', 'refuted', false, null),
  ('clinical.conditions', 'provisional', 'confirmed', false, null),
  ('clinical.conditions', 'provisional', 'refuted', false, null),
  ('clinical.conditions', 'provisional', 'differential', false, null),
  ('clinical.conditions', 'differential', 'confirmed', false, null),
  ('clinical.conditions', 'differential', 'refuted', false, null),
  ('clinical.conditions', 'confirmed', 'refuted', true, null),
  ('clinical.conditions', 'confirmed', 'entered_in_error', true, null),
  ('clinical.conditions', 'differential', 'entered_in_error', true, null),
  ('clinical.conditions', 'provisional', 'entered_in_error', true, null),
  ('clinical.conditions', 'unconfirmed', 'entered_in_error', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on clinical.conditions to clinical_app;
grant select on clinical.conditions to clinical_ro;
