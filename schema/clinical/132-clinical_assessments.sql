-- Instruments that are filled in: initial assessment, Morse, Braden, GCS, triage, wellness forms. The instruments of the
-- setting clinical.scored_instruments cannot be completed without a score.

create table clinical.clinical_assessments (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  patient_id uuid not null,
  encounter_id uuid not null,
  template_id uuid,
  instrument text not null,
  instrument_version text not null default '1',
  answers jsonb not null default '{}',
  score numeric,
  risk_level text,
  assessed_at timestamptz not null default now(),
  due_at timestamptz,
  assessor_id uuid not null,
  status text not null default 'in_progress',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint clinical_assessments_pkey primary key (tenant_id, id),
  constraint clinical_assessments_risk_level_check check (risk_level in ('none', 'low', 'medium', 'high')),
  constraint clinical_assessments_status_check check (
    status in ('in_progress', 'completed', 'cancelled', 'amended', 'entered_in_error')
  ),
  constraint clinical_assessments_answers_is_object check (jsonb_typeof(answers) = 'object')
);

alter table clinical.clinical_assessments add constraint clinical_assessments_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table clinical.clinical_assessments add constraint clinical_assessments_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table clinical.clinical_assessments add constraint clinical_assessments_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table clinical.clinical_assessments add constraint clinical_assessments_template_fkey
  foreign key (template_id) references ehr.document_templates (id);
alter table clinical.clinical_assessments add constraint clinical_assessments_assessor_fkey
  foreign key (tenant_id, assessor_id) references workforce.staff (tenant_id, id);

create index clinical_assessments_due_idx on clinical.clinical_assessments (tenant_id, due_at)
  where status = 'in_progress';
create index clinical_assessments_patient_idx on clinical.clinical_assessments (tenant_id, patient_id);
create index clinical_assessments_encounter_idx on clinical.clinical_assessments (tenant_id, encounter_id);
create index clinical_assessments_template_idx on clinical.clinical_assessments (template_id, tenant_id)
  where template_id is not null;
comment on index clinical.clinical_assessments_template_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index clinical_assessments_assessor_idx on clinical.clinical_assessments (tenant_id, assessor_id);

comment on table clinical.clinical_assessments is 'class=phi;scope=tenant;owner=clinical;fhir=QuestionnaireResponse;retention=medical_record;about=Scored instruments (initial assessment, Morse, Braden, GCS, triage, wellness forms).';
comment on column clinical.clinical_assessments.patient_id is 'class=phi;about=The patient.';
comment on column clinical.clinical_assessments.encounter_id is 'class=phi;about=The encounter.';
comment on column clinical.clinical_assessments.template_id is 'class=operational;about=Template of the form.';
comment on column clinical.clinical_assessments.instrument is 'class=phi;about=Code of the instrument, such as morse, braden, gcs.';
comment on column clinical.clinical_assessments.instrument_version is 'class=operational;about=Version of the instrument.';
comment on column clinical.clinical_assessments.answers is 'class=phi;about=Answers by question.';
comment on column clinical.clinical_assessments.score is 'class=phi;about=Total score.';
comment on column clinical.clinical_assessments.risk_level is 'class=phi;about=none, low, medium or high.';
comment on column clinical.clinical_assessments.assessed_at is 'class=operational;about=When it was filled in.';
comment on column clinical.clinical_assessments.due_at is 'class=operational;about=When it must be done.';
comment on column clinical.clinical_assessments.assessor_id is 'class=operational;about=Member of staff who filled it in.';
comment on column clinical.clinical_assessments.status is 'class=operational;about=in_progress, completed, amended, cancelled or entered_in_error.';
select core.comment_standard_columns('clinical.clinical_assessments');

alter table clinical.clinical_assessments enable row level security, force row level security;
create policy tenant_isolation on clinical.clinical_assessments
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger clinical_assessments_touch before update on clinical.clinical_assessments
  for each row execute function core.update_updated_at_column('row_version');
create trigger clinical_assessments_template_visible before insert or update of template_id on clinical.clinical_assessments
  for each row execute function core.check_shared_reference('template_id', 'ehr.document_templates');
create trigger clinical_assessments_transition before insert or update of status on clinical.clinical_assessments
  for each row execute function core.enforce_transition('clinical.clinical_assessments', 'status');
create trigger clinical_assessments_scored before insert or update on clinical.clinical_assessments
  for each row when (new.status = 'completed' and new.score is null)
  execute function clinical.check_assessment_score();
create trigger clinical_assessments_unchanged_once_completed before update on clinical.clinical_assessments
  for each row when (old.status <> 'in_progress') execute function clinical.keep_content('');
create trigger clinical_assessments_patient_of_encounter
  before insert or update of patient_id, encounter_id on clinical.clinical_assessments
  for each row execute function clinical.check_patient_of_encounter();
select audit.track('clinical.clinical_assessments');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('clinical.clinical_assessments', '', 'in_progress', false, null),
  ('clinical.clinical_assessments', 'in_progress', 'completed', false, null),
  ('clinical.clinical_assessments', 'in_progress', 'cancelled', false, null),
  ('clinical.clinical_assessments', 'completed', 'amended', true, null),
  ('clinical.clinical_assessments', 'completed', 'entered_in_error', true, null),
  ('clinical.clinical_assessments', 'amended', 'entered_in_error', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on clinical.clinical_assessments to clinical_app;
grant select on clinical.clinical_assessments to clinical_ro;
