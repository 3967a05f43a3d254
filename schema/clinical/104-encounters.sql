-- One contact with a patient, or one stay. Everything that is observed, decided and done hangs on it. A patient has at
-- most one inpatient stay at a time. Operations move it along its states; finishing frees the bed.

create table clinical.encounters (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  encounter_number text not null,
  patient_id uuid not null,
  clinic_id uuid not null,
  department_id uuid not null,
  class clinical.encounter_class not null,
  priority text not null default 'routine',
  attending_doctor_id uuid,
  appointment_id uuid,
  referred_by text,
  triage_level smallint,
  isolation text,
  period tstzrange not null,
  chief_complaint_enc bytea,
  is_mlc boolean not null default false,
  mlc_number text,
  police_intimated_at timestamptz,
  disposition text,
  parent_encounter_id uuid,
  payer_class text not null default 'self',
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
  constraint encounters_triage_level_1_to_5 check (triage_level between 1 and 5),
  constraint encounters_isolation_check check (isolation in ('contact', 'droplet', 'airborne', 'protective')),
  constraint encounters_period_has_start check (lower(period) is not null),
  constraint encounters_not_own_parent check (parent_encounter_id <> id),
  constraint encounters_mlc_has_number check (not is_mlc or mlc_number is not null),
  constraint encounters_police_told_of_mlc_only check (police_intimated_at is null or is_mlc),
  constraint encounters_finished_has_end_and_disposition check (
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
create unique index encounters_one_stay_per_patient on clinical.encounters (tenant_id, patient_id)
  where class = 'IMP' and status in ('in_progress', 'on_leave');
create unique index encounters_one_per_appointment on clinical.encounters (tenant_id, appointment_id)
  where appointment_id is not null and status not in ('cancelled', 'entered_in_error');
create unique index encounters_mlc_number_key on clinical.encounters (tenant_id, mlc_number) where mlc_number is not null;
create index encounters_patient_idx on clinical.encounters (tenant_id, patient_id);
create index encounters_clinic_idx on clinical.encounters (tenant_id, clinic_id);
create index encounters_department_idx on clinical.encounters (tenant_id, department_id);
create index encounters_present_idx on clinical.encounters (tenant_id, department_id)
  where status in ('arrived', 'triaged', 'in_progress', 'on_leave');
create index encounters_attending_doctor_idx on clinical.encounters (tenant_id, attending_doctor_id)
  where attending_doctor_id is not null;
create index encounters_appointment_idx on clinical.encounters (tenant_id, appointment_id)
  where appointment_id is not null;
create index encounters_parent_encounter_idx on clinical.encounters (tenant_id, parent_encounter_id)
  where parent_encounter_id is not null;

comment on table clinical.encounters is 'class=phi;scope=tenant;owner=clinical;fhir=Encounter;retention=medical_record;about=One contact or stay.';
comment on column clinical.encounters.encounter_number is 'class=operational;about=Number that people read, series encounter.';
comment on column clinical.encounters.patient_id is 'class=phi;about=The patient.';
comment on column clinical.encounters.clinic_id is 'class=operational;about=The clinic.';
comment on column clinical.encounters.department_id is 'class=operational;about=Department that is responsible now.';
comment on column clinical.encounters.class is 'class=operational;about=AMB outpatient, EMER emergency, IMP inpatient, OBSENC observation, HH home, VR virtual, SS short stay (day care); HL7 ActCode.';
comment on column clinical.encounters.priority is 'class=operational;about=routine, urgent or emergency.';
comment on column clinical.encounters.attending_doctor_id is 'class=operational;about=Doctor who is responsible.';
comment on column clinical.encounters.appointment_id is 'class=operational;about=The appointment that it fulfils.';
comment on column clinical.encounters.referred_by is 'class=phi;about=Who sent the patient.';
comment on column clinical.encounters.triage_level is 'class=phi;about=Triage category, 1 most urgent to 5.';
comment on column clinical.encounters.isolation is 'class=phi;about=Isolation that the patient needs: contact, droplet, airborne or protective; null for none. Asked when a bed is allocated.';
comment on column clinical.encounters.period is 'class=operational;about=From arrival to the end, start included; open while it lasts.';
comment on column clinical.encounters.chief_complaint_enc is 'class=phi;enc=1;about=Why the patient came, in their words; encrypted.';
comment on column clinical.encounters.is_mlc is 'class=phi;about=True for a medico-legal case.';
comment on column clinical.encounters.mlc_number is 'class=phi;about=Number in the medico-legal register, series mlc.';
comment on column clinical.encounters.police_intimated_at is 'class=phi;about=When the police was told.';
comment on column clinical.encounters.disposition is 'class=phi;about=How it ended: home, admitted, transferred, lama (left against advice), dama (discharged against advice), absconded, expired or other.';
comment on column clinical.encounters.parent_encounter_id is 'class=phi;about=Encounter that led to this one: the emergency visit of a stay, the mother of a newborn.';
comment on column clinical.encounters.payer_class is 'class=financial;about=Who pays: self, insurance, pmjay, corporate or free.';
comment on column clinical.encounters.status is 'class=operational;about=planned, arrived, triaged, in_progress, on_leave, finished, cancelled or entered_in_error.';
select core.comment_standard_columns('clinical.encounters');

alter table clinical.encounters enable row level security, force row level security;
create policy tenant_isolation on clinical.encounters
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger encounters_touch before update on clinical.encounters
  for each row execute function core.update_updated_at_column('row_version');
create trigger encounters_transition before insert or update of status on clinical.encounters
  for each row execute function core.enforce_transition('clinical.encounters', 'status');
create trigger encounters_no_aadhaar before insert or update of referred_by, mlc_number on clinical.encounters
  for each row execute function core.reject_aadhaar_like('referred_by', 'mlc_number');
select audit.track('clinical.encounters');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('clinical.encounters', '', 'planned', false, null),
  ('clinical.encounters', 'planned', 'arrived', false, null),
  ('clinical.encounters', 'planned', 'cancelled', true, null),
  ('clinical.encounters', 'arrived', 'triaged', false, null),
  ('clinical.encounters', 'arrived', 'in_progress', false, 'encounter.started.v1'),
  ('clinical.encounters', 'arrived', 'cancelled', true, null),
  ('clinical.encounters', 'triaged', 'in_progress', false, 'encounter.started.v1'),
  ('clinical.encounters', 'triaged', 'cancelled', true, null),
  ('clinical.encounters', 'in_progress', 'on_leave', false, null),
  ('clinical.encounters', 'in_progress', 'finished', false, 'encounter.finished.v1'),
  ('clinical.encounters', 'on_leave', 'in_progress', false, null),
  ('clinical.encounters', 'on_leave', 'finished', false, 'encounter.finished.v1'),
  ('clinical.encounters', 'finished', 'entered_in_error', true, null)
on conflict (machine, from_state, to_state) do nothing;

-- status, period and the rest of the course belong to the operations
grant select, insert on clinical.encounters to clinical_app;
grant update (
  department_id, attending_doctor_id, priority, referred_by, isolation, chief_complaint_enc, police_intimated_at,
  payer_class, row_version
) on clinical.encounters to clinical_app;
grant select on clinical.encounters to clinical_ro;
