-- Vaccinations given here or elsewhere, planned, or refused. A dose of a series is given once; one given here names its
-- lot, which must not have expired.

create table clinical.vaccination_records (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  patient_id uuid not null,
  encounter_id uuid,
  vaccine_code text not null,
  vaccine_name text not null,
  brand text,
  manufacturer text,
  batch_id uuid,
  lot_number text,
  expiry_on date,
  dose_number smallint not null,
  series text,
  site text,
  route text,
  given_at timestamptz,
  given_by uuid,
  next_due_on date,
  not_done_reason text,
  external_ref text,
  source text not null default 'own',
  status text not null default 'planned',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint vaccination_records_pkey primary key (tenant_id, id),
  constraint vaccination_records_source_check check (source in ('own', 'external')),
  constraint vaccination_records_status_check check (
    status in ('planned', 'completed', 'not_done', 'entered_in_error')
  ),
  constraint vaccination_records_dose_1_to_20 check (dose_number between 1 and 20),
  constraint vaccination_records_given_has_time_and_lot check (
    status <> 'completed' or (given_at is not null and (source = 'external' or lot_number is not null))
  ),
  constraint vaccination_records_not_done_has_reason check (status <> 'not_done' or not_done_reason is not null)
);

alter table clinical.vaccination_records add constraint vaccination_records_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table clinical.vaccination_records add constraint vaccination_records_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table clinical.vaccination_records add constraint vaccination_records_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table clinical.vaccination_records add constraint vaccination_records_batch_fkey
  foreign key (tenant_id, batch_id) references inventory.batches (tenant_id, id);
alter table clinical.vaccination_records add constraint vaccination_records_given_by_fkey
  foreign key (tenant_id, given_by) references workforce.staff (tenant_id, id);

create unique index vaccination_records_dose_given_once
  on clinical.vaccination_records (tenant_id, patient_id, vaccine_code, series, dose_number) nulls not distinct
  where status = 'completed' and deleted_at is null;
create index vaccination_records_due_idx on clinical.vaccination_records (tenant_id, next_due_on) where status = 'planned';
create index vaccination_records_patient_idx on clinical.vaccination_records (tenant_id, patient_id);
create index vaccination_records_encounter_idx on clinical.vaccination_records (tenant_id, encounter_id)
  where encounter_id is not null;
create index vaccination_records_batch_idx on clinical.vaccination_records (tenant_id, batch_id)
  where batch_id is not null;
create index vaccination_records_given_by_idx on clinical.vaccination_records (tenant_id, given_by)
  where given_by is not null;

comment on table clinical.vaccination_records is 'class=phi;scope=tenant;owner=clinical;fhir=Immunization;retention=medical_record;about=Vaccinations given, planned or refused.';
comment on column clinical.vaccination_records.patient_id is 'class=phi;about=The patient.';
comment on column clinical.vaccination_records.encounter_id is 'class=phi;about=The encounter.';
comment on column clinical.vaccination_records.vaccine_code is 'class=phi;about=Code of the vaccine.';
comment on column clinical.vaccination_records.vaccine_name is 'class=phi;about=Vaccine in words.';
comment on column clinical.vaccination_records.brand is 'class=phi;about=Brand.';
comment on column clinical.vaccination_records.manufacturer is 'class=phi;about=Manufacturer.';
comment on column clinical.vaccination_records.batch_id is 'class=operational;about=Batch of stock that it came from.';
comment on column clinical.vaccination_records.lot_number is 'class=phi;about=Lot number.';
comment on column clinical.vaccination_records.expiry_on is 'class=operational;about=Expiry of the lot.';
comment on column clinical.vaccination_records.dose_number is 'class=phi;about=Dose within the series, from 1.';
comment on column clinical.vaccination_records.series is 'class=phi;about=Series, such as primary or booster.';
comment on column clinical.vaccination_records.site is 'class=phi;about=Where on the body.';
comment on column clinical.vaccination_records.route is 'class=phi;about=How it was given.';
comment on column clinical.vaccination_records.given_at is 'class=phi;about=When.';
comment on column clinical.vaccination_records.given_by is 'class=operational;about=Member of staff who gave it.';
comment on column clinical.vaccination_records.next_due_on is 'class=phi;about=When the next dose is due.';
comment on column clinical.vaccination_records.not_done_reason is 'class=phi;about=Why it was not given.';
comment on column clinical.vaccination_records.external_ref is 'class=phi;about=Reference of a foreign record, such as a certificate.';
comment on column clinical.vaccination_records.source is 'class=phi;about=own, or external when somebody else gave it.';
comment on column clinical.vaccination_records.status is 'class=operational;about=planned, completed, not_done or entered_in_error.';
select core.comment_standard_columns('clinical.vaccination_records');

alter table clinical.vaccination_records enable row level security, force row level security;
create policy tenant_isolation on clinical.vaccination_records
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger vaccination_records_lot_not_expired
  before insert or update of expiry_on, given_at, encounter_id on clinical.vaccination_records
  for each row execute function clinical.check_lot_not_expired();
create trigger vaccination_records_touch before update on clinical.vaccination_records
  for each row execute function core.update_updated_at_column('row_version');
create trigger vaccination_records_transition before insert or update of status on clinical.vaccination_records
  for each row execute function core.enforce_transition('clinical.vaccination_records', 'status');
create trigger vaccination_records_unchanged_once_given before update on clinical.vaccination_records
  for each row when (old.status = 'completed') execute function clinical.keep_content('next_due_on');
create trigger vaccination_records_no_aadhaar before insert or update of external_ref, not_done_reason on clinical.vaccination_records
  for each row execute function core.reject_aadhaar_like('external_ref', 'not_done_reason');
select audit.track('clinical.vaccination_records');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('clinical.vaccination_records', '', 'planned', false, null),
  ('clinical.vaccination_records', 'planned', 'completed', false, null),
  ('clinical.vaccination_records', 'planned', 'not_done', false, null),
  ('clinical.vaccination_records', 'completed', 'entered_in_error', true, null),
  ('clinical.vaccination_records', 'not_done', 'planned', false, null)
on conflict (machine, from_state, to_state) do nothing;

-- giving and refusing are operations
grant select, insert on clinical.vaccination_records to clinical_app;
grant update (next_due_on, external_ref, row_version) on clinical.vaccination_records to clinical_app;
grant select on clinical.vaccination_records to clinical_ro;
