-- medication.prescriptions: A prescription.

create table medication.prescriptions (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  prescription_number text not null,
  patient_id uuid not null,
  encounter_id uuid not null,
  doctor_id uuid not null,
  context text not null,
  prescribed_at timestamptz not null,
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
  constraint prescriptions_prescription_number_key unique (tenant_id, prescription_number),
  constraint prescriptions_context_check check (context in ('opd', 'ipd', 'discharge', 'emergency', 'teleconsult')),
  constraint prescriptions_status_check check (
    status in ('draft', 'active', 'cancelled', 'partially_dispensed', 'completed', 'stopped', 'expired')
  ),
  constraint prescriptions_status_rule check (
    status in ('draft', 'cancelled') or (signed_at is not null and allergies_reviewed)
  ),
  constraint prescriptions_valid_until_rule check (valid_until >= prescribed_at::date)
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

create index prescriptions_patient_idx on medication.prescriptions (tenant_id, patient_id);
create index prescriptions_encounter_idx on medication.prescriptions (tenant_id, encounter_id);
create index prescriptions_doctor_idx on medication.prescriptions (tenant_id, doctor_id);
create index prescriptions_signature_idx on medication.prescriptions (tenant_id, signature_id)
  where signature_id is not null;
create index prescriptions_reconciled_from_idx on medication.prescriptions (tenant_id, reconciled_from_id)
  where reconciled_from_id is not null;

comment on table medication.prescriptions is 'class=phi;scope=tenant;owner=medication;fhir=MedicationRequest (group);retention=medical_record;about=A prescription.';
comment on column medication.prescriptions.prescription_number is 'class=phi;about=?';
comment on column medication.prescriptions.patient_id is 'class=phi;about=The patient.';
comment on column medication.prescriptions.encounter_id is 'class=phi;about=The encounter that it belongs to.';
comment on column medication.prescriptions.doctor_id is 'class=phi;about=?';
comment on column medication.prescriptions.context is 'class=phi;about=?';
comment on column medication.prescriptions.prescribed_at is 'class=phi;about=?';
comment on column medication.prescriptions.signed_at is 'class=phi;about=?';
comment on column medication.prescriptions.signature_id is 'class=phi;about=?';
comment on column medication.prescriptions.valid_until is 'class=phi;about=?';
comment on column medication.prescriptions.reconciled_from_id is 'class=phi;about=?';
comment on column medication.prescriptions.allergies_reviewed is 'class=phi;about=?';
comment on column medication.prescriptions.cancel_reason is 'class=phi;about=?';
comment on column medication.prescriptions.status is 'class=phi;about=?';
select core.comment_standard_columns('medication.prescriptions');

alter table medication.prescriptions enable row level security;
alter table medication.prescriptions force row level security;
create policy tenant_isolation on medication.prescriptions
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger prescriptions_touch before update on medication.prescriptions
  for each row execute function core.update_updated_at_column('row_version');
create trigger prescriptions_transition before insert or update of status on medication.prescriptions
  for each row execute function core.enforce_transition('medication.prescriptions', 'status');
select audit.track('medication.prescriptions');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('medication.prescriptions', '', 'draft', false, null),
  ('medication.prescriptions', 'draft', 'active', false, null),
  ('medication.prescriptions', 'draft', 'cancelled', false, null),
  ('medication.prescriptions', 'active', 'partially_dispensed', false, null),
  ('medication.prescriptions', 'active', 'completed', false, null),
  ('medication.prescriptions', 'active', 'stopped', false, null),
  ('medication.prescriptions', 'active', 'cancelled', false, null),
  ('medication.prescriptions', 'active', 'expired', false, null),
  ('medication.prescriptions', 'partially_dispensed', 'completed', false, null),
  ('medication.prescriptions', 'partially_dispensed', 'stopped', false, null),
  ('medication.prescriptions', 'partially_dispensed', 'expired', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on medication.prescriptions to medication_app;
grant select on medication.prescriptions to medication_ro;
