-- clinical.encounters: One contact or stay.

create table clinical.encounters (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  encounter_number text not null,
  patient_id uuid not null,
  clinic_id uuid not null,
  department_id uuid not null,
  class clinical.encounter_class not null,
  priority text not null,
  attending_doctor_id uuid,
  appointment_id uuid,
  referred_by text,
  triage_level smallint,
  period tstzrange not null,
  chief_complaint_enc bytea,
  is_mlc boolean not null default false,
  mlc_number text,
  police_intimated_at timestamptz,
  disposition text,
  parent_encounter_id uuid,
  payer_class text not null,
  status text not null default 'planned',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint encounters_pkey primary key (tenant_id, id),
  constraint encounters_priority_check check (priority in ('routine', 'urgent', 'emergency')),
  constraint encounters_disposition_check check (
    disposition in ('home', 'admitted', 'transferred', 'lama', 'dama', 'absconded', 'expired', 'other')
  ),
  constraint encounters_payer_class_check check (payer_class in ('self', 'insurance', 'pmjay', 'corporate', 'free')),
  constraint encounters_status_check check (
    status in ('planned', 'arrived', 'cancelled', 'triaged', 'in_progress', 'on_leave', 'finished', 'entered_in_error')
  ),
  constraint encounters_triage_level_range check (triage_level between 1 and 5),
  constraint encounters_is_mlc_rule check (not is_mlc or mlc_number is not null),
  constraint encounters_finished_complete check (
    status <> 'finished' or (upper(period) is not null and disposition is not null)
  )
);

alter table clinical.encounters add constraint encounters_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table clinical.encounters add constraint encounters_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table clinical.encounters add constraint encounters_clinic_fkey
  foreign key (tenant_id, clinic_id) references facility.clinics (tenant_id, id);
alter table clinical.encounters add constraint encounters_department_fkey
  foreign key (tenant_id, department_id) references facility.departments (tenant_id, id);
alter table clinical.encounters add constraint encounters_attending_doctor_fkey
  foreign key (tenant_id, attending_doctor_id) references workforce.doctors (tenant_id, id);
alter table clinical.encounters add constraint encounters_appointment_fkey
  foreign key (tenant_id, appointment_id) references scheduling.appointments (tenant_id, id);
alter table clinical.encounters add constraint encounters_parent_encounter_fkey
  foreign key (tenant_id, parent_encounter_id) references clinical.encounters (tenant_id, id);

create unique index encounters_encounter_number_key on clinical.encounters (tenant_id, encounter_number)
  where deleted_at is null;
create unique index encounters_patient_key on clinical.encounters (tenant_id, patient_id)
  where class = 'IMP' and status in ('in_progress', 'on_leave');
create index encounters_patient_idx on clinical.encounters (tenant_id, patient_id);
create index encounters_clinic_idx on clinical.encounters (tenant_id, clinic_id);
create index encounters_department_idx on clinical.encounters (tenant_id, department_id);
create index encounters_attending_doctor_idx on clinical.encounters (tenant_id, attending_doctor_id)
  where attending_doctor_id is not null;
create index encounters_appointment_idx on clinical.encounters (tenant_id, appointment_id)
  where appointment_id is not null;
create index encounters_parent_encounter_idx on clinical.encounters (tenant_id, parent_encounter_id)
  where parent_encounter_id is not null;

comment on table clinical.encounters is 'class=phi;scope=tenant;owner=clinical;fhir=Encounter;retention=medical_record;about=One contact or stay.';
comment on column clinical.encounters.encounter_number is 'class=phi;about=?';
comment on column clinical.encounters.patient_id is 'class=phi;about=The patient.';
comment on column clinical.encounters.clinic_id is 'class=phi;about=The clinic.';
comment on column clinical.encounters.department_id is 'class=phi;about=The department.';
comment on column clinical.encounters.class is 'class=phi;about=?';
comment on column clinical.encounters.priority is 'class=phi;about=?';
comment on column clinical.encounters.attending_doctor_id is 'class=phi;about=?';
comment on column clinical.encounters.appointment_id is 'class=phi;about=?';
comment on column clinical.encounters.referred_by is 'class=phi;about=?';
comment on column clinical.encounters.triage_level is 'class=phi;about=?';
comment on column clinical.encounters.period is 'class=phi;about=?';
comment on column clinical.encounters.chief_complaint_enc is 'class=phi;enc=1;about=?';
comment on column clinical.encounters.is_mlc is 'class=phi;about=?';
comment on column clinical.encounters.mlc_number is 'class=phi;about=?';
comment on column clinical.encounters.police_intimated_at is 'class=phi;about=?';
comment on column clinical.encounters.disposition is 'class=phi;about=?';
comment on column clinical.encounters.parent_encounter_id is 'class=phi;about=?';
comment on column clinical.encounters.payer_class is 'class=phi;about=?';
comment on column clinical.encounters.status is 'class=phi;about=?';
select core.comment_standard_columns('clinical.encounters');

alter table clinical.encounters enable row level security;
alter table clinical.encounters force row level security;
create policy tenant_isolation on clinical.encounters
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger encounters_touch before update on clinical.encounters
  for each row execute function core.update_updated_at_column('row_version');
create trigger encounters_transition before insert or update of status on clinical.encounters
  for each row execute function core.enforce_transition('clinical.encounters', 'status');
select audit.track('clinical.encounters');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('clinical.encounters', '', 'planned', false, null),
  ('clinical.encounters', 'planned', 'arrived', false, null),
  ('clinical.encounters', 'planned', 'cancelled', false, null),
  ('clinical.encounters', 'arrived', 'triaged', false, null),
  ('clinical.encounters', 'arrived', 'in_progress', false, null),
  ('clinical.encounters', 'arrived', 'cancelled', false, null),
  ('clinical.encounters', 'triaged', 'in_progress', false, null),
  ('clinical.encounters', 'triaged', 'cancelled', false, null),
  ('clinical.encounters', 'in_progress', 'on_leave', false, null),
  ('clinical.encounters', 'in_progress', 'finished', false, null),
  ('clinical.encounters', 'on_leave', 'in_progress', false, null),
  ('clinical.encounters', 'on_leave', 'finished', false, null),
  ('clinical.encounters', 'finished', 'entered_in_error', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on clinical.encounters to clinical_app;
grant select on clinical.encounters to clinical_ro;
