-- One visit to the pharmacy counter, one issue to a ward, or goods that come back. Stock has left the shelf when a
-- dispense is ready; it is completed when the patient or ward has it. High-alert and controlled drugs are completed only
-- after a second person checked them.

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
  reason text,
  charge_status text not null default 'pending',
  status text not null default 'preparing',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint dispenses_pkey primary key (tenant_id, id),
  constraint dispenses_number_key unique (tenant_id, dispense_number),
  constraint dispenses_kind_check check (kind in ('opd', 'ipd', 'discharge', 'otc', 'return')),
  constraint dispenses_charge_status_check check (charge_status in ('pending', 'charged', 'free')),
  constraint dispenses_status_check check (status in ('preparing', 'ready', 'cancelled', 'completed', 'returned')),
  constraint dispenses_has_prescription check (kind in ('otc', 'return') or prescription_id is not null),
  constraint dispenses_return_names_dispense check ((kind = 'return') = (return_of_id is not null)),
  constraint dispenses_return_has_reason check (kind <> 'return' or reason is not null),
  constraint dispenses_completed_is_handed_over check (
    status not in ('completed', 'returned') or (handed_over_at is not null and prepared_by is not null)
  )
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
create index dispenses_store_location_idx on medication.dispenses (tenant_id, store_location_id, created_at);
create index dispenses_prepared_by_idx on medication.dispenses (tenant_id, prepared_by)
  where prepared_by is not null;
create index dispenses_checked_by_idx on medication.dispenses (tenant_id, checked_by)
  where checked_by is not null;
create index dispenses_return_of_idx on medication.dispenses (tenant_id, return_of_id)
  where return_of_id is not null;
create index dispenses_waiting_idx on medication.dispenses (tenant_id, store_location_id)
  where status in ('preparing', 'ready');

comment on table medication.dispenses is 'class=phi;scope=tenant;owner=medication;fhir=MedicationDispense (group);retention=medical_record;about=One visit to the pharmacy counter or ward issue.';
comment on column medication.dispenses.dispense_number is 'class=phi;about=Number for people, DSP-<year>-<n>.';
comment on column medication.dispenses.prescription_id is 'class=phi;about=What it is dispensed on; null for over-the-counter sales.';
comment on column medication.dispenses.patient_id is 'class=phi;about=For whom.';
comment on column medication.dispenses.store_location_id is 'class=operational;about=Store whose stock it is taken from or goes back to.';
comment on column medication.dispenses.kind is 'class=operational;about=opd, ipd (to the ward), discharge, otc (without prescription) or return.';
comment on column medication.dispenses.prepared_by is 'class=operational;about=Member of staff who picked the goods.';
comment on column medication.dispenses.checked_by is 'class=operational;about=Second member of staff who checked them; the witness of controlled drugs.';
comment on column medication.dispenses.handed_over_at is 'class=phi;about=When the patient, the ward or, for a return, the store received the goods.';
comment on column medication.dispenses.received_by_name is 'class=phi;about=Who took them, when it was not the patient.';
comment on column medication.dispenses.counselled is 'class=phi;about=The pharmacist explained how to take the medicines.';
comment on column medication.dispenses.return_of_id is 'class=phi;about=The dispense whose goods come back.';
comment on column medication.dispenses.reason is 'class=phi;about=Why goods come back, or why it was cancelled.';
comment on column medication.dispenses.charge_status is 'class=financial;about=charged when every line is on the patient''s account, else pending; free when nothing is charged.';
comment on column medication.dispenses.status is 'class=operational;about=preparing, ready (waits at the counter), completed, cancelled or returned (all of it came back).';
select core.comment_standard_columns('medication.dispenses');

alter table medication.dispenses enable row level security, force row level security;
create policy tenant_isolation on medication.dispenses
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger dispenses_second_person before update of status on medication.dispenses
  for each row execute function medication.check_second_person();
create trigger dispenses_no_aadhaar before insert or update of received_by_name on medication.dispenses
  for each row execute function core.reject_aadhaar_like('received_by_name');
create trigger dispenses_touch before update on medication.dispenses
  for each row execute function core.update_updated_at_column('row_version');
create trigger dispenses_transition before insert or update of status on medication.dispenses
  for each row execute function core.enforce_transition('medication.dispenses', 'status');
select audit.track('medication.dispenses');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('medication.dispenses', '', 'preparing', false, null),
  ('medication.dispenses', 'preparing', 'ready', false, null),
  ('medication.dispenses', 'preparing', 'cancelled', true, null),
  ('medication.dispenses', 'ready', 'completed', false, 'dispense.completed.v1'),
  ('medication.dispenses', 'ready', 'cancelled', true, null),
  ('medication.dispenses', 'completed', 'returned', false, null)
on conflict (machine, from_state, to_state) do nothing;

-- only operations write
grant select on medication.dispenses to medication_app, medication_ro;
