-- clinical.imaging_studies: An imaging examination from order to archive, with dose and PCPNDT fields.
-- RULE to build: obstetric ultrasound requires pcpndt_form_f before status 'acquired'

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
  scheduled_at timestamptz,
  started_at timestamptz,
  ended_at timestamptz,
  device_id uuid,
  performed_by uuid,
  series_count integer not null,
  instance_count integer not null,
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
  constraint imaging_studies_study_instance_uid_rule check (
    study_instance_uid ~ '^[0-2](\.(0|[1-9][0-9]*))+$' and length(study_instance_uid) <= 64
  ),
  constraint imaging_studies_ended_at_rule check (ended_at >= started_at)
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
create index imaging_studies_patient_idx on clinical.imaging_studies (tenant_id, patient_id);
create index imaging_studies_encounter_idx on clinical.imaging_studies (tenant_id, encounter_id)
  where encounter_id is not null;
create index imaging_studies_device_idx on clinical.imaging_studies (tenant_id, device_id)
  where device_id is not null;
create index imaging_studies_performed_by_idx on clinical.imaging_studies (tenant_id, performed_by)
  where performed_by is not null;

comment on table clinical.imaging_studies is 'class=phi;scope=tenant;owner=clinical;fhir=ImagingStudy;retention=medical_record;about=An imaging examination from order to archive, with dose and PCPNDT fields.';
comment on column clinical.imaging_studies.accession_number is 'class=phi;about=?';
comment on column clinical.imaging_studies.service_request_id is 'class=phi;about=?';
comment on column clinical.imaging_studies.patient_id is 'class=phi;about=The patient.';
comment on column clinical.imaging_studies.encounter_id is 'class=phi;about=The encounter that it belongs to.';
comment on column clinical.imaging_studies.study_instance_uid is 'class=phi;about=?';
comment on column clinical.imaging_studies.modality is 'class=phi;about=?';
comment on column clinical.imaging_studies.body_site is 'class=phi;about=?';
comment on column clinical.imaging_studies.laterality is 'class=phi;about=?';
comment on column clinical.imaging_studies.scheduled_at is 'class=phi;about=?';
comment on column clinical.imaging_studies.started_at is 'class=phi;about=?';
comment on column clinical.imaging_studies.ended_at is 'class=phi;about=?';
comment on column clinical.imaging_studies.device_id is 'class=phi;about=?';
comment on column clinical.imaging_studies.performed_by is 'class=phi;about=?';
comment on column clinical.imaging_studies.series_count is 'class=phi;about=?';
comment on column clinical.imaging_studies.instance_count is 'class=phi;about=?';
comment on column clinical.imaging_studies.dlp_mgy_cm is 'class=phi;about=?';
comment on column clinical.imaging_studies.ctdi_vol is 'class=phi;about=?';
comment on column clinical.imaging_studies.contrast is 'class=phi;about=?';
comment on column clinical.imaging_studies.pregnancy_checked is 'class=phi;about=?';
comment on column clinical.imaging_studies.pcpndt_form_f is 'class=phi;about=?';
comment on column clinical.imaging_studies.status is 'class=phi;about=?';
select core.comment_standard_columns('clinical.imaging_studies');

alter table clinical.imaging_studies enable row level security;
alter table clinical.imaging_studies force row level security;
create policy tenant_isolation on clinical.imaging_studies
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger imaging_studies_touch before update on clinical.imaging_studies
  for each row execute function core.update_updated_at_column('row_version');
create trigger imaging_studies_transition before insert or update of status on clinical.imaging_studies
  for each row execute function core.enforce_transition('clinical.imaging_studies', 'status');
select audit.track('clinical.imaging_studies');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('clinical.imaging_studies', '', 'registered', false, null),
  ('clinical.imaging_studies', 'registered', 'scheduled', false, null),
  ('clinical.imaging_studies', 'registered', 'arrived', false, null),
  ('clinical.imaging_studies', 'registered', 'cancelled', false, null),
  ('clinical.imaging_studies', 'scheduled', 'arrived', false, null),
  ('clinical.imaging_studies', 'scheduled', 'cancelled', false, null),
  ('clinical.imaging_studies', 'arrived', 'in_progress', false, null),
  ('clinical.imaging_studies', 'arrived', 'cancelled', false, null),
  ('clinical.imaging_studies', 'in_progress', 'acquired', false, null),
  ('clinical.imaging_studies', 'in_progress', 'discontinued', false, null),
  ('clinical.imaging_studies', 'acquired', 'reported', false, null),
  ('clinical.imaging_studies', 'reported', 'archived', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on clinical.imaging_studies to clinical_app;
grant select on clinical.imaging_studies to clinical_ro;
