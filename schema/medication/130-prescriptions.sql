-- A prescription: what one doctor orders for a patient in one encounter. It is a draft until the doctor signs it; then
-- its items do not change any more, they are held, stopped or replaced. Nothing becomes active without a signature,
-- reviewed allergies, and with an open hard-stop alert of decision support.

create table medication.prescriptions (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  prescription_number text not null,
  patient_id uuid not null,
  encounter_id uuid not null,
  doctor_id uuid not null,
  context text not null,
  prescribed_at timestamptz not null default now(),
  signed_at timestamptz,
  signature_id uuid,
  valid_until date,
  reconciled_from_id uuid,
  allergies_reviewed boolean not null default false,
  cancel_reason text,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint prescriptions_pkey primary key (tenant_id, id),
  constraint prescriptions_number_key unique (tenant_id, prescription_number),
  constraint prescriptions_context_check check (context in ('opd', 'ipd', 'discharge', 'emergency', 'teleconsult')),
  constraint prescriptions_status_check check (
    status in ('draft', 'active', 'cancelled', 'partially_dispensed', 'completed', 'stopped', 'expired')
  ),
  constraint prescriptions_active_is_signed check (
    status in ('draft', 'cancelled') or (signed_at is not null and signature_id is not null)
  ),
  constraint prescriptions_active_has_allergies_reviewed check (status in ('draft', 'cancelled') or allergies_reviewed),
  constraint prescriptions_cancelled_has_reason check (status <> 'cancelled' or cancel_reason is not null),
  -- the day is the clinic's: at most one before that of UTC
  constraint prescriptions_valid_from_its_day check (valid_until >= (prescribed_at at time zone 'UTC')::date - 1),
  constraint prescriptions_not_from_itself check (reconciled_from_id <> id)
);

alter table medication.prescriptions add constraint prescriptions_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table medication.prescriptions add constraint prescriptions_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table medication.prescriptions add constraint prescriptions_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table medication.prescriptions add constraint prescriptions_doctor_fkey
  foreign key (tenant_id, doctor_id) references workforce.doctors (tenant_id, id);
alter table medication.prescriptions add constraint prescriptions_signature_fkey
  foreign key (tenant_id, signature_id) references ehr.document_signatures (tenant_id, id);
alter table medication.prescriptions add constraint prescriptions_reconciled_from_fkey
  foreign key (tenant_id, reconciled_from_id) references medication.prescriptions (tenant_id, id);

create index prescriptions_patient_idx on medication.prescriptions (tenant_id, patient_id, prescribed_at);
create index prescriptions_encounter_idx on medication.prescriptions (tenant_id, encounter_id);
create index prescriptions_doctor_idx on medication.prescriptions (tenant_id, doctor_id, prescribed_at);
create index prescriptions_signature_idx on medication.prescriptions (tenant_id, signature_id)
  where signature_id is not null;
create index prescriptions_reconciled_from_idx on medication.prescriptions (tenant_id, reconciled_from_id)
  where reconciled_from_id is not null;
-- the pharmacy's list, the list of what a patient takes, and the job that ends lapsed ones
create index prescriptions_live_idx on medication.prescriptions (tenant_id, valid_until, prescribed_at)
  where status in ('active', 'partially_dispensed');
create index prescriptions_draft_idx on medication.prescriptions (tenant_id, doctor_id)
  where status = 'draft';

comment on table medication.prescriptions is 'class=phi;scope=tenant;owner=medication;fhir=MedicationRequest (group);retention=medical_record;about=A prescription.';
comment on column medication.prescriptions.prescription_number is 'class=phi;about=Number for people, RX-<year>-<n>.';
comment on column medication.prescriptions.patient_id is 'class=phi;about=For whom; the patient of the encounter.';
comment on column medication.prescriptions.encounter_id is 'class=phi;about=The visit or stay in which it was ordered.';
comment on column medication.prescriptions.doctor_id is 'class=operational;about=Who prescribes; the only one who can sign it.';
comment on column medication.prescriptions.context is 'class=phi;about=opd, ipd and emergency (given by nurses), discharge (to take home) or teleconsult.';
comment on column medication.prescriptions.prescribed_at is 'class=phi;about=When it was drafted.';
comment on column medication.prescriptions.signed_at is 'class=phi;about=When the doctor signed it.';
comment on column medication.prescriptions.signature_id is 'class=operational;about=The doctor''s signature over the prescription and its items.';
comment on column medication.prescriptions.valid_until is 'class=phi;about=Last day on which it may be dispensed, in the clinic''s calendar; null: until it is stopped.';
comment on column medication.prescriptions.reconciled_from_id is 'class=phi;about=Earlier prescription that was reviewed and continued or changed by this one.';
comment on column medication.prescriptions.allergies_reviewed is 'class=phi;about=The doctor looked at the patient''s allergies before signing.';
comment on column medication.prescriptions.cancel_reason is 'class=phi;about=Why it was cancelled or stopped.';
comment on column medication.prescriptions.status is 'class=phi;about=draft, active, partially_dispensed, completed, stopped, cancelled or expired.';
select core.comment_standard_columns('medication.prescriptions');

alter table medication.prescriptions enable row level security, force row level security;
create policy tenant_isolation on medication.prescriptions
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger prescriptions_hard_stops before update of status on medication.prescriptions
  for each row execute function medication.check_hard_stops();
create trigger prescriptions_touch before update on medication.prescriptions
  for each row execute function core.update_updated_at_column('row_version');
create trigger prescriptions_transition before insert or update of status on medication.prescriptions
  for each row execute function core.enforce_transition('medication.prescriptions', 'status');
select audit.track('medication.prescriptions');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('medication.prescriptions', '', 'draft', false, null),
  ('medication.prescriptions', 'draft', 'active', false, 'prescription.activated.v1'),
  ('medication.prescriptions', 'draft', 'cancelled', true, null),
  ('medication.prescriptions', 'active', 'partially_dispensed', false, null),
  ('medication.prescriptions', 'active', 'completed', false, null),
  ('medication.prescriptions', 'active', 'stopped', true, 'prescription.stopped.v1'),
  ('medication.prescriptions', 'active', 'cancelled', true, 'prescription.stopped.v1'),
  ('medication.prescriptions', 'active', 'expired', false, null),
  ('medication.prescriptions', 'partially_dispensed', 'completed', false, null),
  ('medication.prescriptions', 'partially_dispensed', 'stopped', true, 'prescription.stopped.v1'),
  ('medication.prescriptions', 'partially_dispensed', 'expired', false, null)
on conflict (machine, from_state, to_state) do nothing;

-- only operations write
grant select on medication.prescriptions to medication_app, medication_ro;
