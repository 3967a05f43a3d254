-- The medication administration record: each dose that is due to a patient in a bed, and what happened. Every due dose is
-- explained in the end: given, missed, refused, or cancelled because the order ended before its time. A dose that was
-- recorded wrongly stays as entered_in_error, and the same dose is due again.

create table medication.medication_administrations (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  prescription_item_id uuid not null,
  patient_id uuid not null,
  encounter_id uuid not null,
  scheduled_at timestamptz not null,
  given_at timestamptz,
  dose_given numeric,
  dose_unit text,
  route text,
  site text,
  batch_id uuid,
  given_by uuid,
  witness_id uuid,
  patient_scan boolean,
  drug_scan boolean,
  not_given_reason text,
  note_enc bytea,
  status text not null default 'due',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint medication_administrations_pkey primary key (tenant_id, id, scheduled_at),
  constraint medication_administrations_status_check check (
    status in ('due', 'given', 'missed', 'refused', 'held', 'cancelled', 'entered_in_error')
  ),
  constraint medication_administrations_given_is_complete check (
    status <> 'given' or (given_at is not null and given_by is not null and dose_given > 0 and dose_unit is not null)
  ),
  constraint medication_administrations_not_given_has_reason check (
    status not in ('missed', 'refused', 'held', 'cancelled', 'entered_in_error') or not_given_reason is not null
  ),
  constraint medication_administrations_witness_is_another check (witness_id <> given_by),
  constraint medication_administrations_finite check (dose_given not in ('NaN', 'Infinity', '-Infinity'))
) partition by range (scheduled_at);

create table medication.medication_administrations_default
  partition of medication.medication_administrations default;

alter table medication.medication_administrations add constraint medication_administrations_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table medication.medication_administrations add constraint medication_administrations_prescription_item_fkey
  foreign key (tenant_id, prescription_item_id) references medication.prescription_items (tenant_id, id);
alter table medication.medication_administrations add constraint medication_administrations_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table medication.medication_administrations add constraint medication_administrations_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table medication.medication_administrations add constraint medication_administrations_batch_fkey
  foreign key (tenant_id, batch_id) references inventory.batches (tenant_id, id);
alter table medication.medication_administrations add constraint medication_administrations_given_by_fkey
  foreign key (tenant_id, given_by) references workforce.staff (tenant_id, id);
alter table medication.medication_administrations add constraint medication_administrations_witness_fkey
  foreign key (tenant_id, witness_id) references workforce.staff (tenant_id, id);

create index medication_administrations_item_idx
  on medication.medication_administrations (tenant_id, prescription_item_id);
-- one live record a dose
create unique index medication_administrations_dose_once
  on medication.medication_administrations (tenant_id, prescription_item_id, scheduled_at)
  where status <> 'entered_in_error';
create index medication_administrations_patient_idx
  on medication.medication_administrations (tenant_id, patient_id, scheduled_at);
create index medication_administrations_encounter_idx
  on medication.medication_administrations (tenant_id, encounter_id, scheduled_at);
-- who received a batch that is recalled
create index medication_administrations_batch_idx on medication.medication_administrations (tenant_id, batch_id)
  where batch_id is not null;
create index medication_administrations_given_by_idx on medication.medication_administrations (tenant_id, given_by)
  where given_by is not null;
create index medication_administrations_witness_idx on medication.medication_administrations (tenant_id, witness_id)
  where witness_id is not null;
-- the round: what is due now, over all wards
create index medication_administrations_due_idx on medication.medication_administrations (tenant_id, scheduled_at)
  where status in ('due', 'held');

comment on table medication.medication_administrations is 'class=phi;scope=tenant;owner=medication;fhir=MedicationAdministration;retention=medical_record;partition=month;about=The MAR: each due dose and what happened.';
comment on column medication.medication_administrations.prescription_item_id is 'class=phi;about=The medicine that was ordered.';
comment on column medication.medication_administrations.patient_id is 'class=phi;about=Who gets the dose.';
comment on column medication.medication_administrations.encounter_id is 'class=phi;about=The stay in which it is given.';
comment on column medication.medication_administrations.scheduled_at is 'class=phi;about=When the dose is due; for an as-needed dose when it was given.';
comment on column medication.medication_administrations.given_at is 'class=phi;about=When it was given.';
comment on column medication.medication_administrations.dose_given is 'class=phi;about=Amount that was given, in dose_unit.';
comment on column medication.medication_administrations.dose_unit is 'class=phi;about=Unit of the dose, as ordered.';
comment on column medication.medication_administrations.route is 'class=phi;about=Route that it was given by.';
comment on column medication.medication_administrations.site is 'class=phi;about=Place on the body, such as left deltoid.';
comment on column medication.medication_administrations.batch_id is 'class=phi;about=Batch that it came from, where it was scanned.';
comment on column medication.medication_administrations.given_by is 'class=operational;about=Member of staff who gave it.';
comment on column medication.medication_administrations.witness_id is 'class=operational;about=Second member of staff; needed for high-alert and controlled drugs.';
comment on column medication.medication_administrations.patient_scan is 'class=operational;about=The patient''s wristband was scanned and matched.';
comment on column medication.medication_administrations.drug_scan is 'class=operational;about=The drug''s barcode was scanned and matched.';
comment on column medication.medication_administrations.not_given_reason is 'class=phi;about=Why it was missed, refused, held or cancelled, or what was recorded wrongly.';
comment on column medication.medication_administrations.note_enc is 'class=phi;enc=1;about=Nurse''s note, encrypted by the application.';
comment on column medication.medication_administrations.status is 'class=phi;about=due, given, missed, refused, held, cancelled (the order ended before) or entered_in_error.';
select core.comment_standard_columns('medication.medication_administrations');

alter table medication.medication_administrations enable row level security, force row level security;
create policy tenant_isolation on medication.medication_administrations
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
alter table medication.medication_administrations_default enable row level security, force row level security;
create policy tenant_isolation on medication.medication_administrations_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger medication_administrations_needs_witness before insert or update of status
  on medication.medication_administrations
  for each row execute function medication.check_witness();
create trigger medication_administrations_touch before update on medication.medication_administrations
  for each row execute function core.update_updated_at_column('row_version');
create trigger medication_administrations_transition before insert or update of status
  on medication.medication_administrations
  for each row execute function core.enforce_transition('medication.medication_administrations', 'status');
select audit.track('medication.medication_administrations');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('medication.medication_administrations', '', 'due', false, null),
  ('medication.medication_administrations', 'due', 'given', false, null),
  ('medication.medication_administrations', 'due', 'missed', false, null),
  ('medication.medication_administrations', 'due', 'refused', false, null),
  ('medication.medication_administrations', 'due', 'held', false, null),
  ('medication.medication_administrations', 'due', 'cancelled', false, null),
  ('medication.medication_administrations', 'held', 'given', false, null),
  ('medication.medication_administrations', 'held', 'missed', false, null),
  ('medication.medication_administrations', 'held', 'cancelled', false, null),
  ('medication.medication_administrations', 'given', 'entered_in_error', true, null)
on conflict (machine, from_state, to_state) do nothing;

-- only operations write
grant select on medication.medication_administrations to medication_app, medication_ro;
