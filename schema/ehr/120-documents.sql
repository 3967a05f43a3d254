-- ehr.documents: Every stored file: reports, scans, consents, claim attachments, exported bundles. Rows are versions; a change supersedes.

create table ehr.documents (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  document_number text not null,
  patient_id uuid,
  encounter_id uuid,
  type_code text not null,
  title text not null,
  category text not null,
  template_id uuid,
  version integer not null default 1,
  supersedes_id uuid,
  storage_uri text not null,
  mime text not null,
  size_bytes bigint not null,
  sha256 bytea not null,
  key_kid text not null,
  original_filename text,
  confidentiality text not null,
  source text not null,
  captured_at timestamptz,
  retention_until date,
  virus_scan text not null,
  status text not null default 'preliminary',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint documents_pkey primary key (tenant_id, id),
  constraint documents_category_check check (
    category in ('clinical', 'consent', 'identity', 'insurance', 'billing', 'administrative', 'imaging')
  ),
  constraint documents_confidentiality_check check (confidentiality in ('N', 'R', 'V')),
  constraint documents_source_check check (source in ('generated', 'uploaded', 'scanned', 'hie', 'device')),
  constraint documents_virus_scan_check check (virus_scan in ('pending', 'clean', 'infected')),
  constraint documents_status_check check (
    status in ('preliminary', 'current', 'discarded', 'superseded', 'entered_in_error')
  ),
  constraint documents_size_bytes_range check (size_bytes between 1 and 524288000),
  constraint documents_octet_length_rule check (octet_length(sha256) = 32),
  constraint documents_storage_uri_rule check (storage_uri ~ '^(s3|file|azure|gs)://'),
  constraint documents_current_complete check (status <> 'current' or virus_scan = 'clean')
);

alter table ehr.documents add constraint documents_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table ehr.documents add constraint documents_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table ehr.documents add constraint documents_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table ehr.documents add constraint documents_template_fkey
  foreign key (template_id) references ehr.document_templates (id);
alter table ehr.documents add constraint documents_supersedes_fkey
  foreign key (tenant_id, supersedes_id) references ehr.documents (tenant_id, id);

create unique index documents_document_number_version_key on ehr.documents (tenant_id, document_number, version)
  where deleted_at is null;
-- KEY to build: (tenant_id,sha256,patient_id) advisory duplicate check
create index documents_patient_idx on ehr.documents (tenant_id, patient_id)
  where patient_id is not null;
create index documents_encounter_idx on ehr.documents (tenant_id, encounter_id)
  where encounter_id is not null;
create index documents_template_idx on ehr.documents (template_id, tenant_id)
  where template_id is not null;
comment on index ehr.documents_template_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index documents_supersedes_idx on ehr.documents (tenant_id, supersedes_id)
  where supersedes_id is not null;

comment on table ehr.documents is 'class=phi;scope=tenant;owner=ehr;fhir=DocumentReference,Binary;retention=medical_record;about=Every stored file: reports, scans, consents, claim attachments, exported bundles. Rows are versions; a change supersedes.';
comment on column ehr.documents.document_number is 'class=phi;about=?';
comment on column ehr.documents.patient_id is 'class=phi;about=The patient.';
comment on column ehr.documents.encounter_id is 'class=phi;about=The encounter that it belongs to.';
comment on column ehr.documents.type_code is 'class=phi;about=?';
comment on column ehr.documents.title is 'class=phi;about=?';
comment on column ehr.documents.category is 'class=phi;about=?';
comment on column ehr.documents.template_id is 'class=phi;about=?';
comment on column ehr.documents.version is 'class=phi;about=?';
comment on column ehr.documents.supersedes_id is 'class=phi;about=?';
comment on column ehr.documents.storage_uri is 'class=phi;about=?';
comment on column ehr.documents.mime is 'class=phi;about=?';
comment on column ehr.documents.size_bytes is 'class=phi;about=?';
comment on column ehr.documents.sha256 is 'class=phi;about=?';
comment on column ehr.documents.key_kid is 'class=phi;about=?';
comment on column ehr.documents.original_filename is 'class=phi;about=?';
comment on column ehr.documents.confidentiality is 'class=phi;about=?';
comment on column ehr.documents.source is 'class=phi;about=?';
comment on column ehr.documents.captured_at is 'class=phi;about=?';
comment on column ehr.documents.retention_until is 'class=phi;about=?';
comment on column ehr.documents.virus_scan is 'class=phi;about=?';
comment on column ehr.documents.status is 'class=phi;about=?';
select core.comment_standard_columns('ehr.documents');

alter table ehr.documents enable row level security;
alter table ehr.documents force row level security;
create policy tenant_isolation on ehr.documents
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger documents_touch before update on ehr.documents
  for each row execute function core.update_updated_at_column('row_version');
create trigger documents_template_visible before insert or update of template_id on ehr.documents
  for each row execute function core.check_shared_reference('template_id', 'ehr.document_templates');
create trigger documents_transition before insert or update of status on ehr.documents
  for each row execute function core.enforce_transition('ehr.documents', 'status');
select audit.track('ehr.documents');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('ehr.documents', '', 'preliminary', false, null),
  ('ehr.documents', 'preliminary', 'current', false, null),
  ('ehr.documents', 'preliminary', 'discarded', false, null),
  ('ehr.documents', 'current', 'superseded', false, null),
  ('ehr.documents', 'current', 'entered_in_error', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on ehr.documents to ehr_app;
grant select on ehr.documents to ehr_ro;
