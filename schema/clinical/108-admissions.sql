-- clinical.admissions: Inpatient life cycle with its clearances.

create table clinical.admissions (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  encounter_id uuid not null,
  admission_number text not null,
  admission_type text not null,
  requested_at timestamptz not null,
  admitted_at timestamptz,
  expected_discharge_on date,
  care_class text not null,
  admitting_doctor_id uuid not null,
  discharge_ordered_at timestamptz,
  discharge_ordered_by uuid,
  pharmacy_cleared_at timestamptz,
  billing_cleared_at timestamptz,
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
  constraint admissions_discharged_complete check (
    status <> 'discharged' or (physically_left_at is not null and discharge_kind is not null)
  ),
  constraint admissions_physically_left_at_rule check (physically_left_at >= admitted_at)
);

alter table clinical.admissions add constraint admissions_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table clinical.admissions add constraint admissions_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table clinical.admissions add constraint admissions_admitting_doctor_fkey
  foreign key (tenant_id, admitting_doctor_id) references workforce.doctors (tenant_id, id);
alter table clinical.admissions add constraint admissions_discharge_ordered_by_fkey
  foreign key (tenant_id, discharge_ordered_by) references workforce.staff (tenant_id, id);

create index admissions_admitting_doctor_idx on clinical.admissions (tenant_id, admitting_doctor_id);
create index admissions_discharge_ordered_by_idx on clinical.admissions (tenant_id, discharge_ordered_by)
  where discharge_ordered_by is not null;

comment on table clinical.admissions is 'class=phi;scope=tenant;owner=clinical;fhir=Encounter.hospitalization;retention=medical_record;about=Inpatient life cycle with its clearances.';
comment on column clinical.admissions.encounter_id is 'class=phi;about=The encounter that it belongs to.';
comment on column clinical.admissions.admission_number is 'class=phi;about=?';
comment on column clinical.admissions.admission_type is 'class=phi;about=?';
comment on column clinical.admissions.requested_at is 'class=phi;about=?';
comment on column clinical.admissions.admitted_at is 'class=phi;about=?';
comment on column clinical.admissions.expected_discharge_on is 'class=phi;about=?';
comment on column clinical.admissions.care_class is 'class=phi;about=?';
comment on column clinical.admissions.admitting_doctor_id is 'class=phi;about=?';
comment on column clinical.admissions.discharge_ordered_at is 'class=phi;about=?';
comment on column clinical.admissions.discharge_ordered_by is 'class=phi;about=?';
comment on column clinical.admissions.pharmacy_cleared_at is 'class=phi;about=?';
comment on column clinical.admissions.billing_cleared_at is 'class=phi;about=?';
comment on column clinical.admissions.physically_left_at is 'class=phi;about=?';
comment on column clinical.admissions.discharge_kind is 'class=phi;about=?';
comment on column clinical.admissions.status is 'class=phi;about=?';
select core.comment_standard_columns('clinical.admissions');

alter table clinical.admissions enable row level security;
alter table clinical.admissions force row level security;
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
  ('clinical.admissions', 'requested', 'admitted', false, null),
  ('clinical.admissions', 'requested', 'cancelled', false, null),
  ('clinical.admissions', 'admitted', 'discharge_ordered', false, null),
  ('clinical.admissions', 'discharge_ordered', 'clinically_discharged', false, null),
  ('clinical.admissions', 'discharge_ordered', 'admitted', false, null),
  ('clinical.admissions', 'clinically_discharged', 'billing_cleared', false, null),
  ('clinical.admissions', 'clinically_discharged', 'admitted', false, null),
  ('clinical.admissions', 'billing_cleared', 'discharged', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on clinical.admissions to clinical_app;
grant select on clinical.admissions to clinical_ro;
