-- laboratory.samples: a primary sample or an aliquot, with its whole life.
--
-- laboratory.change_sample_state moves a sample and writes the event of the move in the same transaction; nothing else
-- does. The aliquots of a sample hold no more than it does (trigger).

create table laboratory.samples (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  accession_number text not null,
  barcode text not null,
  order_id uuid not null,
  patient_id uuid not null,
  specimen_type text not null,
  container text not null,
  volume_ml numeric(7, 2),
  body_site text,
  collection_method text,
  parent_sample_id uuid,
  aliquot_no smallint,
  collected_at timestamptz,
  collected_by uuid,
  collection_location_id uuid,
  patient_id_check text,
  shipment_ref text,
  shipped_at timestamptz,
  received_at timestamptz,
  received_by uuid,
  receipt_condition text,
  accepted_with_exception text,
  rejection_reason_code text,
  rejected_by uuid,
  rejected_at timestamptz,
  recollection_of_id uuid,
  storage_location_id uuid,
  storage_position text,
  retain_until date,
  disposed_at timestamptz,
  disposed_by uuid,
  status laboratory.sample_status not null default 'planned',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint samples_pkey primary key (tenant_id, id),
  constraint samples_accession_number_key unique (tenant_id, accession_number),
  constraint samples_barcode_key unique (tenant_id, barcode),
  constraint samples_patient_id_check_known check (
    patient_id_check in ('two_identifiers', 'wristband_scan', 'not_done')
  ),
  constraint samples_receipt_condition_check check (
    receipt_condition in ('good', 'haemolysed', 'lipaemic', 'icteric', 'clotted', 'leaked', 'insufficient', 'unlabelled', 'mislabelled', 'wrong_container', 'delayed', 'temperature_breach')
  ),
  constraint samples_collected_from_identified_patient check (
    status in ('planned', 'cancelled')
    or (num_nulls(collected_at, collected_by, patient_id_check) = 0 and patient_id_check <> 'not_done')
  ),
  constraint samples_received_in_a_condition check (
    status not in ('received', 'accessioned', 'aliquoted', 'in_process', 'tested', 'stored')
    or num_nulls(received_at, received_by, receipt_condition) = 0
  ),
  constraint samples_received_after_collection check (received_at >= collected_at),
  constraint samples_rejected_with_reason check (status <> 'rejected' or rejection_reason_code is not null),
  constraint samples_rejection_whole check (
    (rejection_reason_code is null) = (rejected_by is null) and (rejected_by is null) = (rejected_at is null)
  ),
  constraint samples_aliquot_numbered check ((parent_sample_id is null) = (aliquot_no is null)),
  constraint samples_exception_stated check (
    receipt_condition is null or receipt_condition = 'good' or status = 'rejected' or accepted_with_exception is not null
  ),
  constraint samples_finite check (volume_ml <> 'NaN')
);

alter table laboratory.samples add constraint samples_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table laboratory.samples add constraint samples_order_fkey
  foreign key (tenant_id, order_id) references laboratory.lab_orders (tenant_id, id);
alter table laboratory.samples add constraint samples_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table laboratory.samples add constraint samples_parent_sample_fkey
  foreign key (tenant_id, parent_sample_id) references laboratory.samples (tenant_id, id);
alter table laboratory.samples add constraint samples_collected_by_fkey
  foreign key (tenant_id, collected_by) references workforce.staff (tenant_id, id);
alter table laboratory.samples add constraint samples_received_by_fkey
  foreign key (tenant_id, received_by) references workforce.staff (tenant_id, id);
alter table laboratory.samples add constraint samples_rejected_by_fkey
  foreign key (tenant_id, rejected_by) references workforce.staff (tenant_id, id);
alter table laboratory.samples add constraint samples_disposed_by_fkey
  foreign key (tenant_id, disposed_by) references workforce.staff (tenant_id, id);
alter table laboratory.samples add constraint samples_collection_location_fkey
  foreign key (tenant_id, collection_location_id) references facility.locations (tenant_id, id);
alter table laboratory.samples add constraint samples_storage_location_fkey
  foreign key (tenant_id, storage_location_id) references facility.locations (tenant_id, id);
alter table laboratory.samples add constraint samples_recollection_of_fkey
  foreign key (tenant_id, recollection_of_id) references laboratory.samples (tenant_id, id);

create unique index samples_one_per_position on laboratory.samples (tenant_id, storage_location_id, storage_position)
  where status = 'stored';
-- lists of live states: to be collected, on their way, in the laboratory, kept
create index samples_planned_idx on laboratory.samples (tenant_id, created_at) where status = 'planned';
create index samples_on_their_way_idx on laboratory.samples (tenant_id, collected_at)
  where status in ('collected', 'in_transit');
create index samples_in_laboratory_idx on laboratory.samples (tenant_id, received_at)
  where status in ('received', 'accessioned', 'aliquoted', 'in_process');
create index samples_kept_idx on laboratory.samples (tenant_id, retain_until)
  where status in ('tested', 'stored', 'rejected');
create index samples_order_idx on laboratory.samples (tenant_id, order_id);
create index samples_patient_idx on laboratory.samples (tenant_id, patient_id);
create index samples_parent_sample_idx on laboratory.samples (tenant_id, parent_sample_id)
  where parent_sample_id is not null;
create index samples_collected_by_idx on laboratory.samples (tenant_id, collected_by)
  where collected_by is not null;
create index samples_received_by_idx on laboratory.samples (tenant_id, received_by)
  where received_by is not null;
create index samples_rejected_by_idx on laboratory.samples (tenant_id, rejected_by)
  where rejected_by is not null;
create index samples_disposed_by_idx on laboratory.samples (tenant_id, disposed_by)
  where disposed_by is not null;
create index samples_collection_location_idx on laboratory.samples (tenant_id, collection_location_id)
  where collection_location_id is not null;
create index samples_storage_location_idx on laboratory.samples (tenant_id, storage_location_id)
  where storage_location_id is not null;
create index samples_recollection_of_idx on laboratory.samples (tenant_id, recollection_of_id)
  where recollection_of_id is not null;

comment on table laboratory.samples is 'class=phi;scope=tenant;owner=lab;fhir=Specimen;retention=medical_record;about=A primary sample or aliquot with its whole life.';
comment on column laboratory.samples.accession_number is 'class=phi;about=The laboratory''s number of the sample; aliquots add -A1, -A2.';
comment on column laboratory.samples.barcode is 'class=phi;about=What the label says; never used twice in a tenant.';
comment on column laboratory.samples.order_id is 'class=phi;about=The order.';
comment on column laboratory.samples.patient_id is 'class=phi;about=The patient.';
comment on column laboratory.samples.specimen_type is 'class=phi;about=What it is: blood, serum, urine.';
comment on column laboratory.samples.container is 'class=phi;about=Tube or vessel.';
comment on column laboratory.samples.volume_ml is 'class=phi;about=Volume in ml.';
comment on column laboratory.samples.body_site is 'class=phi;about=Where on the body it was taken.';
comment on column laboratory.samples.collection_method is 'class=phi;about=How it was taken: venepuncture, midstream.';
comment on column laboratory.samples.parent_sample_id is 'class=phi;about=The sample that an aliquot was taken from.';
comment on column laboratory.samples.aliquot_no is 'class=phi;about=Counts the aliquots of a sample.';
comment on column laboratory.samples.collected_at is 'class=phi;about=When it was taken.';
comment on column laboratory.samples.collected_by is 'class=operational;about=Who took it.';
comment on column laboratory.samples.collection_location_id is 'class=operational;about=Where it was taken.';
comment on column laboratory.samples.patient_id_check is 'class=phi;about=How the patient was identified: two_identifiers or wristband_scan; not_done does not go past planned.';
comment on column laboratory.samples.shipment_ref is 'class=operational;about=Box or consignment that it travelled with.';
comment on column laboratory.samples.shipped_at is 'class=operational;about=When it left.';
comment on column laboratory.samples.received_at is 'class=phi;about=When the laboratory received it.';
comment on column laboratory.samples.received_by is 'class=operational;about=Who received it.';
comment on column laboratory.samples.receipt_condition is 'class=phi;about=What it looked like on receipt; anything but good needs an exception or a rejection.';
comment on column laboratory.samples.accepted_with_exception is 'class=phi;about=Why a compromised sample was accepted; printed on the report (ISO 15189, 7.2.6.2).';
comment on column laboratory.samples.rejection_reason_code is 'class=phi;about=Coded reason of the rejection.';
comment on column laboratory.samples.rejected_by is 'class=operational;about=Who rejected it.';
comment on column laboratory.samples.rejected_at is 'class=phi;about=When it was rejected.';
comment on column laboratory.samples.recollection_of_id is 'class=phi;about=The rejected or lost sample that this one replaces.';
comment on column laboratory.samples.storage_location_id is 'class=operational;about=Rack, fridge or room that it is kept in.';
comment on column laboratory.samples.storage_position is 'class=operational;about=Position there; one stored sample each.';
comment on column laboratory.samples.retain_until is 'class=operational;about=Kept at least until this date.';
comment on column laboratory.samples.disposed_at is 'class=phi;about=When it was destroyed.';
comment on column laboratory.samples.disposed_by is 'class=operational;about=Who destroyed it.';
comment on column laboratory.samples.status is 'class=phi;about=Where the sample is in its life.';
select core.comment_standard_columns('laboratory.samples');

alter table laboratory.samples enable row level security, force row level security;
create policy tenant_isolation on laboratory.samples
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger samples_touch before update on laboratory.samples
  for each row execute function core.update_updated_at_column('row_version');
create trigger samples_transition before insert or update of status on laboratory.samples
  for each row execute function core.enforce_transition('laboratory.samples', 'status');
create trigger samples_aliquots_fit before insert or update of volume_ml, parent_sample_id on laboratory.samples
  for each row execute function laboratory.check_aliquot_volume();
create trigger samples_no_aadhaar before insert or update of accepted_with_exception on laboratory.samples
  for each row execute function core.reject_aadhaar_like('accepted_with_exception');
select audit.track('laboratory.samples');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('laboratory.samples', '', 'planned', false, null),
  ('laboratory.samples', '', 'accessioned', false, null), -- an aliquot was never planned
  ('laboratory.samples', 'planned', 'collected', false, 'sample.collected.v1'),
  ('laboratory.samples', 'planned', 'cancelled', false, null),
  ('laboratory.samples', 'collected', 'in_transit', false, null),
  ('laboratory.samples', 'collected', 'received', false, 'sample.received.v1'),
  ('laboratory.samples', 'collected', 'lost', false, null),
  ('laboratory.samples', 'collected', 'rejected', false, 'sample.rejected.v1'),
  ('laboratory.samples', 'in_transit', 'received', false, 'sample.received.v1'),
  ('laboratory.samples', 'in_transit', 'lost', false, null),
  ('laboratory.samples', 'in_transit', 'rejected', false, 'sample.rejected.v1'),
  ('laboratory.samples', 'received', 'accessioned', false, null),
  ('laboratory.samples', 'received', 'rejected', false, 'sample.rejected.v1'),
  ('laboratory.samples', 'accessioned', 'in_process', false, null),
  ('laboratory.samples', 'accessioned', 'aliquoted', false, null),
  ('laboratory.samples', 'accessioned', 'rejected', false, 'sample.rejected.v1'),
  ('laboratory.samples', 'accessioned', 'stored', false, null),
  ('laboratory.samples', 'aliquoted', 'in_process', false, null),
  ('laboratory.samples', 'aliquoted', 'stored', false, null),
  ('laboratory.samples', 'in_process', 'tested', false, null),
  ('laboratory.samples', 'in_process', 'rejected', false, 'sample.rejected.v1'),
  ('laboratory.samples', 'tested', 'stored', false, null),
  ('laboratory.samples', 'tested', 'disposed', false, null),
  ('laboratory.samples', 'stored', 'in_process', false, null),
  ('laboratory.samples', 'stored', 'disposed', false, null),
  ('laboratory.samples', 'rejected', 'disposed', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on laboratory.samples to lab_app;
grant select on laboratory.samples to lab_ro;
