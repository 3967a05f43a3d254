-- An inpatient stay from the request to the moment that the patient leaves the building, with its clearances. Discharge
-- has four steps: ordered, clinically complete, billing cleared, physically gone; the bed is freed by the last one only.
-- Modules whose work must be done before (blood, medicines, money) refuse a step by a trigger of their own (IM203).

create table clinical.admissions (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  encounter_id uuid not null,
  admission_number text not null,
  admission_type text not null,
  requested_at timestamptz not null default now(),
  admitted_at timestamptz,
  expected_discharge_on date,
  care_class text not null,
  admitting_doctor_id uuid not null,
  discharge_ordered_at timestamptz,
  discharge_ordered_by uuid,
  pharmacy_cleared_at timestamptz,
  pharmacy_waiver_reason text,
  billing_cleared_at timestamptz,
  billing_waiver_reason text,
  physically_left_at timestamptz,
  discharge_kind text,
  status text not null default 'requested',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint admissions_pkey primary key (tenant_id, id),
  constraint admissions_admission_number_key unique (tenant_id, admission_number),
  constraint admissions_encounter_key unique (tenant_id, encounter_id),
  constraint admissions_admission_type_check check (
    admission_type in ('elective', 'emergency', 'transfer', 'newborn', 'day_care')
  ),
  constraint admissions_discharge_kind_check check (
    discharge_kind in ('normal', 'lama', 'dama', 'transfer', 'death', 'absconded')
  ),
  constraint admissions_status_check check (
    status in ('requested', 'admitted', 'cancelled', 'discharge_ordered', 'clinically_discharged', 'billing_cleared', 'discharged')
  ),
  constraint admissions_care_class_check check (
    care_class in (
      'general', 'semi_private', 'private', 'deluxe', 'icu', 'hdu', 'nicu', 'picu', 'isolation', 'day_care'
    )
  ),
  constraint admissions_admitted_has_time check (status in ('requested', 'cancelled') or admitted_at is not null),
  constraint admissions_discharge_has_order check (
    status not in ('discharge_ordered', 'clinically_discharged', 'billing_cleared', 'discharged')
    or (discharge_ordered_at is not null and discharge_ordered_by is not null and discharge_kind is not null)
  ),
  constraint admissions_discharged_was_cleared check (
    status <> 'discharged'
    or (pharmacy_cleared_at is not null and billing_cleared_at is not null and physically_left_at is not null)
  ),
  constraint admissions_left_after_admission check (physically_left_at >= admitted_at)
);

alter table clinical.admissions add constraint admissions_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table clinical.admissions add constraint admissions_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table clinical.admissions add constraint admissions_admitting_doctor_fkey
  foreign key (tenant_id, admitting_doctor_id) references workforce.doctors (tenant_id, id);
alter table clinical.admissions add constraint admissions_discharge_ordered_by_fkey
  foreign key (tenant_id, discharge_ordered_by) references workforce.staff (tenant_id, id);

create index admissions_in_house_idx on clinical.admissions (tenant_id, admitted_at)
  where status in ('admitted', 'discharge_ordered', 'clinically_discharged', 'billing_cleared');
create index admissions_admitting_doctor_idx on clinical.admissions (tenant_id, admitting_doctor_id);
create index admissions_discharge_ordered_by_idx on clinical.admissions (tenant_id, discharge_ordered_by)
  where discharge_ordered_by is not null;

comment on table clinical.admissions is 'class=phi;scope=tenant;owner=clinical;fhir=Encounter.hospitalization;retention=medical_record;about=Inpatient life cycle with its clearances.';
comment on column clinical.admissions.encounter_id is 'class=phi;about=The stay.';
comment on column clinical.admissions.admission_number is 'class=operational;about=Number that people read, series admission.';
comment on column clinical.admissions.admission_type is 'class=operational;about=elective, emergency, transfer, newborn or day_care.';
comment on column clinical.admissions.requested_at is 'class=operational;about=When admission was asked for.';
comment on column clinical.admissions.admitted_at is 'class=operational;about=When the patient was admitted.';
comment on column clinical.admissions.expected_discharge_on is 'class=operational;about=Day on which discharge is expected.';
comment on column clinical.admissions.care_class is 'class=operational;about=Class of room that the patient is entitled to: general, semi_private, private, deluxe, icu, hdu, nicu, picu, isolation or day_care.';
comment on column clinical.admissions.admitting_doctor_id is 'class=operational;about=Doctor who admits.';
comment on column clinical.admissions.discharge_ordered_at is 'class=operational;about=When discharge was ordered.';
comment on column clinical.admissions.discharge_ordered_by is 'class=operational;about=Member of staff who ordered it.';
comment on column clinical.admissions.pharmacy_cleared_at is 'class=operational;about=When the pharmacy had nothing open any more.';
comment on column clinical.admissions.pharmacy_waiver_reason is 'class=phi;about=Why its clearance was waived.';
comment on column clinical.admissions.billing_cleared_at is 'class=financial;about=When the bill was settled or waived.';
comment on column clinical.admissions.billing_waiver_reason is 'class=financial;about=Why its clearance was waived, as for a patient who absconded.';
comment on column clinical.admissions.physically_left_at is 'class=operational;about=When the patient left the building; the bed is free from then on.';
comment on column clinical.admissions.discharge_kind is 'class=phi;about=normal, lama (left against advice), dama (discharged against advice), transfer, death or absconded.';
comment on column clinical.admissions.status is 'class=operational;about=requested, admitted, discharge_ordered, clinically_discharged, billing_cleared, discharged or cancelled.';
select core.comment_standard_columns('clinical.admissions');

alter table clinical.admissions enable row level security, force row level security;
create policy tenant_isolation on clinical.admissions
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger admissions_touch before update on clinical.admissions
  for each row execute function core.update_updated_at_column('row_version');
create trigger admissions_transition before insert or update of status on clinical.admissions
  for each row execute function core.enforce_transition('clinical.admissions', 'status');
select audit.track('clinical.admissions');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('clinical.admissions', '', 'requested', false, null),
  ('clinical.admissions', 'requested', 'admitted', false, 'admission.admitted.v1'),
  ('clinical.admissions', 'requested', 'cancelled', true, null),
  ('clinical.admissions', 'admitted', 'discharge_ordered', false, null),
  ('clinical.admissions', 'discharge_ordered', 'clinically_discharged', false, null),
  ('clinical.admissions', 'discharge_ordered', 'admitted', true, null),
  ('clinical.admissions', 'clinically_discharged', 'billing_cleared', false, null),
  ('clinical.admissions', 'clinically_discharged', 'admitted', true, null),
  ('clinical.admissions', 'billing_cleared', 'admitted', true, null),
  ('clinical.admissions', 'billing_cleared', 'discharged', false, 'admission.discharged.v1')
on conflict (machine, from_state, to_state) do nothing;

-- status, times and clearances belong to the operations
grant select, insert on clinical.admissions to clinical_app;
grant update (expected_discharge_on, care_class, admitting_doctor_id, row_version) on clinical.admissions to clinical_app;
grant select on clinical.admissions to clinical_ro;
