-- An imaging examination from order to archive, with radiation dose. An ultrasound of a pregnant patient is not acquired
-- without Form F of the PCPNDT Act.

create table clinical.imaging_studies (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  accession_number text not null,
  service_request_id uuid not null,
  patient_id uuid not null,
  encounter_id uuid,
  study_instance_uid text,
  modality text not null,
  body_site text not null,
  laterality text,
  is_obstetric boolean not null default false,
  scheduled_at timestamptz,
  started_at timestamptz,
  ended_at timestamptz,
  device_id uuid,
  performed_by uuid,
  series_count integer not null default 0,
  instance_count integer not null default 0,
  dlp_mgy_cm numeric,
  ctdi_vol numeric,
  contrast jsonb,
  pregnancy_checked boolean,
  pcpndt_form_f jsonb,
  status text not null default 'registered',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint imaging_studies_pkey primary key (tenant_id, id),
  constraint imaging_studies_accession_number_key unique (tenant_id, accession_number),
  constraint imaging_studies_study_instance_uid_key unique (tenant_id, study_instance_uid),
  constraint imaging_studies_modality_check check (
    modality in ('CR', 'DX', 'CT', 'MR', 'US', 'MG', 'XA', 'NM', 'PT', 'RF', 'OT')
  ),
  constraint imaging_studies_status_check check (
    status in ('registered', 'scheduled', 'arrived', 'cancelled', 'in_progress', 'acquired', 'discontinued', 'reported', 'archived')
  ),
  constraint imaging_studies_uid_valid check (core.valid_dicom_uid(study_instance_uid)),
  constraint imaging_studies_counts_not_negative check (series_count >= 0 and instance_count >= 0),
  constraint imaging_studies_laterality_check check (laterality in ('left', 'right', 'bilateral', 'na')),
  constraint imaging_studies_obstetric_is_ultrasound check (not is_obstetric or modality = 'US'),
  constraint imaging_studies_obstetric_has_form_f check (
    not is_obstetric or status not in ('acquired', 'reported', 'archived') or coalesce(jsonb_typeof(pcpndt_form_f) = 'object', false)
  ),
  constraint imaging_studies_ends_after_start check (ended_at >= started_at)
);

alter table clinical.imaging_studies add constraint imaging_studies_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table clinical.imaging_studies add constraint imaging_studies_service_request_fkey
  foreign key (tenant_id, service_request_id) references clinical.service_requests (tenant_id, id);
alter table clinical.imaging_studies add constraint imaging_studies_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table clinical.imaging_studies add constraint imaging_studies_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table clinical.imaging_studies add constraint imaging_studies_device_fkey
  foreign key (tenant_id, device_id) references device.devices (tenant_id, id);
alter table clinical.imaging_studies add constraint imaging_studies_performed_by_fkey
  foreign key (tenant_id, performed_by) references workforce.staff (tenant_id, id);

create index imaging_studies_service_request_idx on clinical.imaging_studies (tenant_id, service_request_id);
create index imaging_studies_worklist_idx on clinical.imaging_studies (tenant_id, scheduled_at)
  where status in ('registered', 'scheduled', 'arrived', 'in_progress');
create index imaging_studies_unreported_idx on clinical.imaging_studies (tenant_id, ended_at) where status = 'acquired';
create index imaging_studies_patient_idx on clinical.imaging_studies (tenant_id, patient_id);
create index imaging_studies_encounter_idx on clinical.imaging_studies (tenant_id, encounter_id)
  where encounter_id is not null;
create index imaging_studies_device_idx on clinical.imaging_studies (tenant_id, device_id)
  where device_id is not null;
create index imaging_studies_performed_by_idx on clinical.imaging_studies (tenant_id, performed_by)
  where performed_by is not null;

comment on table clinical.imaging_studies is 'class=phi;scope=tenant;owner=clinical;fhir=ImagingStudy;retention=medical_record;about=An imaging examination from order to archive, with dose and PCPNDT fields.';
comment on column clinical.imaging_studies.accession_number is 'class=operational;about=Accession number, series accession.';
comment on column clinical.imaging_studies.service_request_id is 'class=operational;about=The order.';
comment on column clinical.imaging_studies.patient_id is 'class=phi;about=The patient.';
comment on column clinical.imaging_studies.encounter_id is 'class=phi;about=The encounter.';
comment on column clinical.imaging_studies.study_instance_uid is 'class=operational;about=DICOM Study Instance UID.';
comment on column clinical.imaging_studies.modality is 'class=phi;about=DICOM modality: CR, DX, CT, MR, US, MG, XA, NM, PT, RF or OT.';
comment on column clinical.imaging_studies.body_site is 'class=phi;about=Part of the body.';
comment on column clinical.imaging_studies.laterality is 'class=phi;about=left, right, bilateral or na.';
comment on column clinical.imaging_studies.is_obstetric is 'class=phi;about=True for an ultrasound of a pregnancy.';
comment on column clinical.imaging_studies.scheduled_at is 'class=operational;about=Planned time.';
comment on column clinical.imaging_studies.started_at is 'class=operational;about=Start.';
comment on column clinical.imaging_studies.ended_at is 'class=operational;about=End.';
comment on column clinical.imaging_studies.device_id is 'class=operational;about=Machine.';
comment on column clinical.imaging_studies.performed_by is 'class=operational;about=Member of staff who performed it.';
comment on column clinical.imaging_studies.series_count is 'class=operational;about=Number of series.';
comment on column clinical.imaging_studies.instance_count is 'class=operational;about=Number of images.';
comment on column clinical.imaging_studies.dlp_mgy_cm is 'class=phi;about=Dose-length product in mGy cm.';
comment on column clinical.imaging_studies.ctdi_vol is 'class=phi;about=CT dose index in mGy.';
comment on column clinical.imaging_studies.contrast is 'class=phi;about=Contrast medium: {agent, volume_ml, route}.';
comment on column clinical.imaging_studies.pregnancy_checked is 'class=phi;about=True when pregnancy was asked about.';
comment on column clinical.imaging_studies.pcpndt_form_f is 'class=phi;about=Form F of the PCPNDT Act: its fields.';
comment on column clinical.imaging_studies.status is 'class=operational;about=registered, scheduled, arrived, in_progress, acquired, reported, archived, cancelled or discontinued.';
select core.comment_standard_columns('clinical.imaging_studies');

alter table clinical.imaging_studies enable row level security, force row level security;
create policy tenant_isolation on clinical.imaging_studies
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger imaging_studies_touch before update on clinical.imaging_studies
  for each row execute function core.update_updated_at_column('row_version');
create trigger imaging_studies_transition before insert or update of status on clinical.imaging_studies
  for each row execute function core.enforce_transition('clinical.imaging_studies', 'status');
create trigger imaging_studies_no_aadhaar before insert or update of accession_number, body_site on clinical.imaging_studies
  for each row execute function core.reject_aadhaar_like('accession_number', 'body_site');
select audit.track('clinical.imaging_studies');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('clinical.imaging_studies', '', 'registered', false, null),
  ('clinical.imaging_studies', 'registered', 'scheduled', false, null),
  ('clinical.imaging_studies', 'registered', 'arrived', false, null),
  ('clinical.imaging_studies', 'registered', 'cancelled', true, null),
  ('clinical.imaging_studies', 'scheduled', 'arrived', false, null),
  ('clinical.imaging_studies', 'scheduled', 'cancelled', true, null),
  ('clinical.imaging_studies', 'arrived', 'in_progress', false, null),
  ('clinical.imaging_studies', 'arrived', 'cancelled', true, null),
  ('clinical.imaging_studies', 'in_progress', 'acquired', false, null),
  ('clinical.imaging_studies', 'in_progress', 'discontinued', true, null),
  ('clinical.imaging_studies', 'acquired', 'reported', false, null),
  ('clinical.imaging_studies', 'reported', 'archived', false, null)
on conflict (machine, from_state, to_state) do nothing;

-- the status and its times belong to the operations
grant select, insert on clinical.imaging_studies to clinical_app;
grant update (
  study_instance_uid, laterality, is_obstetric, device_id, performed_by, series_count, instance_count, dlp_mgy_cm,
  ctdi_vol, contrast, pregnancy_checked, pcpndt_form_f, row_version
) on clinical.imaging_studies to clinical_app;
grant select on clinical.imaging_studies to clinical_ro;
