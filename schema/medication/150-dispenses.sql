-- medication.dispenses: One visit to the pharmacy counter or ward issue.
-- RULE to build: high-alert items require checked_by <> prepared_by (trigger)

create table medication.dispenses (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  dispense_number text not null,
  prescription_id uuid,
  patient_id uuid not null,
  store_location_id uuid not null,
  kind text not null,
  prepared_by uuid,
  checked_by uuid,
  handed_over_at timestamptz,
  received_by_name text,
  counselled boolean not null default false,
  return_of_id uuid,
  charge_status text not null,
  status text not null default 'preparing',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint dispenses_pkey primary key (tenant_id, id),
  constraint dispenses_dispense_number_key unique (tenant_id, dispense_number),
  constraint dispenses_kind_check check (kind in ('opd', 'ipd', 'discharge', 'otc', 'return')),
  constraint dispenses_charge_status_check check (charge_status in ('pending', 'charged', 'free')),
  constraint dispenses_status_check check (status in ('preparing', 'ready', 'cancelled', 'completed', 'returned')),
  constraint dispenses_kind_rule check (kind = 'otc' or prescription_id is not null or kind = 'return'),
  constraint dispenses_completed_complete check (status <> 'completed' or handed_over_at is not null)
);

alter table medication.dispenses add constraint dispenses_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table medication.dispenses add constraint dispenses_prescription_fkey
  foreign key (tenant_id, prescription_id) references medication.prescriptions (tenant_id, id);
alter table medication.dispenses add constraint dispenses_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table medication.dispenses add constraint dispenses_store_location_fkey
  foreign key (tenant_id, store_location_id) references facility.locations (tenant_id, id);
alter table medication.dispenses add constraint dispenses_prepared_by_fkey
  foreign key (tenant_id, prepared_by) references workforce.staff (tenant_id, id);
alter table medication.dispenses add constraint dispenses_checked_by_fkey
  foreign key (tenant_id, checked_by) references workforce.staff (tenant_id, id);
alter table medication.dispenses add constraint dispenses_return_of_fkey
  foreign key (tenant_id, return_of_id) references medication.dispenses (tenant_id, id);

create index dispenses_prescription_idx on medication.dispenses (tenant_id, prescription_id)
  where prescription_id is not null;
create index dispenses_patient_idx on medication.dispenses (tenant_id, patient_id);
create index dispenses_store_location_idx on medication.dispenses (tenant_id, store_location_id);
create index dispenses_prepared_by_idx on medication.dispenses (tenant_id, prepared_by)
  where prepared_by is not null;
create index dispenses_checked_by_idx on medication.dispenses (tenant_id, checked_by)
  where checked_by is not null;
create index dispenses_return_of_idx on medication.dispenses (tenant_id, return_of_id)
  where return_of_id is not null;

comment on table medication.dispenses is 'class=phi;scope=tenant;owner=medication;fhir=MedicationDispense (group);retention=medical_record;about=One visit to the pharmacy counter or ward issue.';
comment on column medication.dispenses.dispense_number is 'class=phi;about=?';
comment on column medication.dispenses.prescription_id is 'class=phi;about=?';
comment on column medication.dispenses.patient_id is 'class=phi;about=The patient.';
comment on column medication.dispenses.store_location_id is 'class=phi;about=?';
comment on column medication.dispenses.kind is 'class=phi;about=?';
comment on column medication.dispenses.prepared_by is 'class=phi;about=?';
comment on column medication.dispenses.checked_by is 'class=phi;about=?';
comment on column medication.dispenses.handed_over_at is 'class=phi;about=?';
comment on column medication.dispenses.received_by_name is 'class=phi;about=?';
comment on column medication.dispenses.counselled is 'class=phi;about=?';
comment on column medication.dispenses.return_of_id is 'class=phi;about=?';
comment on column medication.dispenses.charge_status is 'class=phi;about=?';
comment on column medication.dispenses.status is 'class=phi;about=?';
select core.comment_standard_columns('medication.dispenses');

alter table medication.dispenses enable row level security;
alter table medication.dispenses force row level security;
create policy tenant_isolation on medication.dispenses
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger dispenses_touch before update on medication.dispenses
  for each row execute function core.update_updated_at_column('row_version');
create trigger dispenses_transition before insert or update of status on medication.dispenses
  for each row execute function core.enforce_transition('medication.dispenses', 'status');
select audit.track('medication.dispenses');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('medication.dispenses', '', 'preparing', false, null),
  ('medication.dispenses', 'preparing', 'ready', false, null),
  ('medication.dispenses', 'preparing', 'cancelled', false, null),
  ('medication.dispenses', 'ready', 'completed', false, null),
  ('medication.dispenses', 'ready', 'cancelled', false, null),
  ('medication.dispenses', 'completed', 'returned', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on medication.dispenses to medication_app;
grant select on medication.dispenses to medication_ro;
