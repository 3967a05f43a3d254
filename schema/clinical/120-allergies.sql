-- Allergies and intolerances. "None known" is a statement with a row of its own, never the absence of rows: an allergy
-- ends that row, and while one is active it cannot be stated.

create table clinical.allergies (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  patient_id uuid not null,
  encounter_id uuid,
  kind text not null,
  category text,
  code_system text,
  code text,
  display text not null,
  criticality text,
  reactions jsonb not null default '[]',
  onset_on date,
  clinical_status text not null default 'active',
  verification_status text not null default 'unconfirmed',
  recorded_by uuid not null,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint allergies_pkey primary key (tenant_id, id),
  constraint allergies_kind_check check (kind in ('allergy', 'intolerance', 'none_known')),
  constraint allergies_category_check check (category in ('medication', 'food', 'environment', 'biologic')),
  constraint allergies_criticality_check check (criticality in ('low', 'high', 'unable_to_assess')),
  constraint allergies_clinical_status_check check (clinical_status in ('active', 'inactive', 'resolved')),
  constraint allergies_verification_status_check check (
    verification_status in ('unconfirmed', 'confirmed', 'refuted', 'entered_in_error')
  ),
  constraint allergies_names_substance check (kind = 'none_known' or (code is not null and category is not null)),
  constraint allergies_none_known_names_nothing check (kind <> 'none_known' or code is null),
  constraint allergies_reactions_is_list check (jsonb_typeof(reactions) = 'array')
);

alter table clinical.allergies add constraint allergies_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table clinical.allergies add constraint allergies_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table clinical.allergies add constraint allergies_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table clinical.allergies add constraint allergies_recorded_by_fkey
  foreign key (tenant_id, recorded_by) references workforce.staff (tenant_id, id);

create unique index allergies_one_none_known on clinical.allergies (tenant_id, patient_id)
  where kind = 'none_known' and clinical_status = 'active' and deleted_at is null;
create unique index allergies_one_active_per_substance
  on clinical.allergies (tenant_id, patient_id, code_system, code) nulls not distinct
  where kind <> 'none_known' and clinical_status = 'active'
    and verification_status not in ('refuted', 'entered_in_error') and deleted_at is null;
create index allergies_patient_idx on clinical.allergies (tenant_id, patient_id);
create index allergies_encounter_idx on clinical.allergies (tenant_id, encounter_id)
  where encounter_id is not null;
create index allergies_recorded_by_idx on clinical.allergies (tenant_id, recorded_by);

comment on table clinical.allergies is 'class=phi;scope=tenant;owner=clinical;fhir=AllergyIntolerance;retention=medical_record;about=Allergies and intolerances; empty must be stated, not assumed.';
comment on column clinical.allergies.patient_id is 'class=phi;about=The patient.';
comment on column clinical.allergies.encounter_id is 'class=phi;about=Encounter in which it was stated.';
comment on column clinical.allergies.kind is 'class=phi;about=allergy, intolerance or none_known.';
comment on column clinical.allergies.category is 'class=phi;about=medication, food, environment or biologic.';
comment on column clinical.allergies.code_system is 'class=phi;about=Code system of the code, as a URL.';
comment on column clinical.allergies.code is 'class=phi;about=Code of the substance.';
comment on column clinical.allergies.display is 'class=phi;about=The substance in words.';
comment on column clinical.allergies.criticality is 'class=phi;about=low, high or unable_to_assess: what a reaction would do.';
comment on column clinical.allergies.reactions is 'class=phi;about=List of reactions: {manifestation, severity, on}.';
comment on column clinical.allergies.onset_on is 'class=phi;about=When it was first seen.';
comment on column clinical.allergies.clinical_status is 'class=phi;about=active, inactive or resolved.';
comment on column clinical.allergies.verification_status is 'class=phi;about=unconfirmed, confirmed, refuted or entered_in_error.';
comment on column clinical.allergies.recorded_by is 'class=operational;about=Member of staff who recorded it.';
select core.comment_standard_columns('clinical.allergies');

alter table clinical.allergies enable row level security, force row level security;
create policy tenant_isolation on clinical.allergies
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger allergies_touch before update on clinical.allergies
  for each row execute function core.update_updated_at_column('row_version');
create trigger allergies_no_aadhaar before insert or update of display on clinical.allergies
  for each row execute function core.reject_aadhaar_like('display');
create trigger allergies_none_known before insert or update on clinical.allergies
  for each row execute function clinical.check_none_known();
create trigger allergies_patient_of_encounter before insert or update of patient_id, encounter_id on clinical.allergies
  for each row when (new.encounter_id is not null) execute function clinical.check_patient_of_encounter();
select audit.track('clinical.allergies');

grant select, insert, update on clinical.allergies to clinical_app;
grant select on clinical.allergies to clinical_ro;
