-- Any other coded observation: examination, scores, fluid balance, social history. A final one is never changed: its
-- correction is a new row that names it, and it becomes amended.

create table clinical.observations (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  effective_at timestamptz not null,
  patient_id uuid not null,
  encounter_id uuid,
  category text not null,
  code_system text not null,
  code text not null,
  display text not null,
  value_num numeric,
  unit_ucum text,
  value_code text,
  value_text_enc bytea,
  value_bool boolean,
  interpretation text,
  body_site text,
  method text,
  parent_id uuid,
  replaces_id uuid,
  performer_id uuid not null,
  status text not null default 'preliminary',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint observations_pkey primary key (tenant_id, id, effective_at),
  constraint observations_category_check check (
    category in ('exam', 'survey', 'social_history', 'fluid_balance', 'activity', 'wellness', 'other')
  ),
  constraint observations_status_check check (
    status in ('preliminary', 'final', 'cancelled', 'amended', 'entered_in_error')
  ),
  constraint observations_one_value check (num_nonnulls(value_num, value_code, value_text_enc, value_bool) <= 1),
  constraint observations_number_has_unit check (value_num is null or unit_ucum is not null),
  constraint observations_loinc_code_valid check (code_system <> 'http://loinc.org' or core.valid_loinc(code))
) partition by range (effective_at);

create table clinical.observations_default partition of clinical.observations default;

alter table clinical.observations add constraint observations_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table clinical.observations add constraint observations_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table clinical.observations add constraint observations_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table clinical.observations add constraint observations_performer_fkey
  foreign key (tenant_id, performer_id) references workforce.staff (tenant_id, id);

create index observations_patient_idx on clinical.observations (tenant_id, patient_id, effective_at);
create index observations_encounter_idx on clinical.observations (tenant_id, encounter_id)
  where encounter_id is not null;
create index observations_performer_idx on clinical.observations (tenant_id, performer_id);

comment on table clinical.observations is 'class=phi;scope=tenant;owner=clinical;fhir=Observation;retention=medical_record;partition=month;about=Any other coded observation (examination, scores, intake/output, social history).';
comment on column clinical.observations.effective_at is 'class=operational;about=When it was observed.';
comment on column clinical.observations.patient_id is 'class=phi;about=The patient.';
comment on column clinical.observations.encounter_id is 'class=phi;about=The encounter.';
comment on column clinical.observations.category is 'class=phi;about=exam, survey, social_history, fluid_balance, activity, wellness or other.';
comment on column clinical.observations.code_system is 'class=phi;about=Code system of the code, as a URL.';
comment on column clinical.observations.code is 'class=phi;about=Code of what was observed.';
comment on column clinical.observations.display is 'class=phi;about=What was observed, in words.';
comment on column clinical.observations.value_num is 'class=phi;about=Value as a number.';
comment on column clinical.observations.unit_ucum is 'class=phi;about=Unit of the number (UCUM).';
comment on column clinical.observations.value_code is 'class=phi;about=Value as a code.';
comment on column clinical.observations.value_text_enc is 'class=phi;enc=1;about=Value as text; encrypted.';
comment on column clinical.observations.value_bool is 'class=phi;about=Value as yes or no.';
comment on column clinical.observations.interpretation is 'class=phi;about=Interpretation: H, L, N, A or another HL7 code.';
comment on column clinical.observations.body_site is 'class=phi;about=Where on the body.';
comment on column clinical.observations.method is 'class=phi;about=How it was observed.';
comment on column clinical.observations.parent_id is 'class=phi;about=Observation that this one is a part of.';
comment on column clinical.observations.replaces_id is 'class=phi;about=The row that this one corrects.';
comment on column clinical.observations.performer_id is 'class=operational;about=Member of staff who observed it.';
comment on column clinical.observations.status is 'class=operational;about=preliminary, final, amended, cancelled or entered_in_error.';
select core.comment_standard_columns('clinical.observations');

alter table clinical.observations enable row level security, force row level security;
create policy tenant_isolation on clinical.observations
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
alter table clinical.observations_default enable row level security, force row level security;
create policy tenant_isolation on clinical.observations_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger observations_touch before update on clinical.observations
  for each row execute function core.update_updated_at_column('row_version');
create trigger observations_transition before insert or update of status on clinical.observations
  for each row execute function core.enforce_transition('clinical.observations', 'status');
create trigger observations_unchanged_once_final before update on clinical.observations
  for each row when (old.status <> 'preliminary') execute function clinical.keep_content('');
create trigger observations_no_aadhaar before insert on clinical.observations
  for each row execute function core.reject_aadhaar_like('display', 'value_code', 'body_site', 'method');
select audit.track('clinical.observations');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('clinical.observations', '', 'preliminary', false, null),
  ('clinical.observations', 'preliminary', 'final', false, null),
  ('clinical.observations', 'preliminary', 'cancelled', true, null),
  ('clinical.observations', 'final', 'amended', true, null),
  ('clinical.observations', 'final', 'entered_in_error', true, null),
  ('clinical.observations', 'amended', 'entered_in_error', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert on clinical.observations to clinical_app;
grant select on clinical.observations to clinical_ro;
