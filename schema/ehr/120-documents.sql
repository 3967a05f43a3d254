-- Every stored file: reports, scans, consents, claim attachments, exported bundles. The bytes live in object storage,
-- encrypted; a row says what they are and proves by hash that they are still the same. A row is one version: another
-- content is another row that supersedes it. Nothing is current before a virus scan found it clean, and of a document
-- number one version is current.

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
  duplicate_of_id uuid,
  storage_uri text not null,
  mime text not null,
  size_bytes bigint not null,
  sha256 bytea not null,
  key_kid text not null,
  original_filename text,
  confidentiality text not null default 'N',
  source text not null,
  captured_at timestamptz,
  retention_until date,
  virus_scan text not null default 'pending',
  scanned_at timestamptz,
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
  constraint documents_size_up_to_500_mb check (size_bytes between 1 and 524288000),
  constraint documents_sha256_is_32_bytes check (octet_length(sha256) = 32),
  constraint documents_storage_uri_scheme check (storage_uri ~ '^(s3|file|azure|gs)://'),
  constraint documents_mime_format check (mime ~ '^[a-z]+/[A-Za-z0-9.+-]+$'),
  constraint documents_current_is_clean check (
    status not in ('current', 'superseded', 'entered_in_error') or virus_scan = 'clean'
  ),
  constraint documents_scan_is_dated check (virus_scan = 'pending' or scanned_at is not null),
  constraint documents_later_version_supersedes check ((version = 1) = (supersedes_id is null)),
  constraint documents_encounter_names_patient check (encounter_id is null or patient_id is not null)
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
alter table ehr.documents add constraint documents_duplicate_of_fkey
  foreign key (tenant_id, duplicate_of_id) references ehr.documents (tenant_id, id);

create unique index documents_version_key on ehr.documents (tenant_id, document_number, version);
create unique index documents_one_current_version on ehr.documents (tenant_id, document_number)
  where status = 'current' and deleted_at is null;
-- a stored object is registered once: that makes ehr.add_document safe to repeat
create unique index documents_storage_uri_key on ehr.documents (tenant_id, storage_uri);
create index documents_same_content_idx on ehr.documents (tenant_id, sha256)
  where deleted_at is null;
create index documents_patient_idx on ehr.documents (tenant_id, patient_id, created_at)
  where patient_id is not null;
create index documents_encounter_idx on ehr.documents (tenant_id, encounter_id)
  where encounter_id is not null;
create index documents_template_idx on ehr.documents (template_id, tenant_id)
  where template_id is not null;
comment on index ehr.documents_template_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index documents_supersedes_idx on ehr.documents (tenant_id, supersedes_id)
  where supersedes_id is not null;
create index documents_duplicate_of_idx on ehr.documents (tenant_id, duplicate_of_id)
  where duplicate_of_id is not null;
create index documents_to_scan_idx on ehr.documents (tenant_id, created_at)
  where virus_scan = 'pending' and status = 'preliminary';

comment on table ehr.documents is 'class=phi;scope=tenant;owner=ehr;fhir=DocumentReference,Binary;retention=medical_record;about=Every stored file: reports, scans, consents, claim attachments, exported bundles. Rows are versions; a change supersedes.';
comment on column ehr.documents.document_number is 'class=phi;about=Number for people, DOC-<year>-<n>; all versions of a document share it.';
comment on column ehr.documents.patient_id is 'class=phi;about=The patient whom it is about; null for papers of the hospital.';
comment on column ehr.documents.encounter_id is 'class=phi;about=The visit or stay that it belongs to.';
comment on column ehr.documents.type_code is 'class=phi;about=What it is, a code of the hospital''s list of document types, such as discharge_summary, lab_report, id_proof.';
comment on column ehr.documents.title is 'class=phi;about=Title that people see in lists.';
comment on column ehr.documents.category is 'class=operational;about=clinical, consent, identity, insurance, billing, administrative or imaging.';
comment on column ehr.documents.template_id is 'class=operational;about=Template version that it was made from.';
comment on column ehr.documents.version is 'class=operational;about=Counts 1, 2, 3 within a document number.';
comment on column ehr.documents.supersedes_id is 'class=operational;about=The version that this one replaces.';
comment on column ehr.documents.duplicate_of_id is 'class=operational;about=An earlier document of the same patient with the same content: a hint for a person, not a refusal.';
comment on column ehr.documents.storage_uri is 'class=operational;about=Where the encrypted bytes are: s3://, gs://, azure:// or file://. One row an object.';
comment on column ehr.documents.mime is 'class=operational;about=Media type of the content, such as application/pdf.';
comment on column ehr.documents.size_bytes is 'class=operational;about=Size of the content in bytes, 1 to 524,288,000.';
comment on column ehr.documents.sha256 is 'class=phi;about=SHA-256 of the plain content: proves that it is unchanged, and is what signatures sign.';
comment on column ehr.documents.key_kid is 'class=operational;about=Key that the bytes are encrypted with, a kid of core.encryption_keys.';
comment on column ehr.documents.original_filename is 'class=phi;about=Name of the file as it was uploaded.';
comment on column ehr.documents.confidentiality is 'class=operational;about=HL7 confidentiality: N normal, R restricted, V very restricted.';
comment on column ehr.documents.source is 'class=operational;about=generated here, uploaded, scanned, received from a health information exchange (hie) or from a device.';
comment on column ehr.documents.captured_at is 'class=phi;about=When the paper or picture was made, if that is known.';
comment on column ehr.documents.retention_until is 'class=operational;about=Kept at least until this day; null: the retention policy of its class decides.';
comment on column ehr.documents.virus_scan is 'class=operational;about=pending, clean or infected; an infected file is discarded at once.';
comment on column ehr.documents.scanned_at is 'class=operational;about=When the scanner answered.';
comment on column ehr.documents.status is 'class=operational;about=preliminary, current, superseded, entered_in_error or discarded (never was current).';
select core.comment_standard_columns('ehr.documents');

alter table ehr.documents enable row level security, force row level security;
create policy tenant_isolation on ehr.documents
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger documents_file before update on ehr.documents
  for each row execute function ehr.keep_stored_file();
-- not storage_uri: programs name objects, and the digits of a UUID look like an Aadhaar number once in some thousands
create trigger documents_no_aadhaar before insert or update of title, original_filename on ehr.documents
  for each row execute function core.reject_aadhaar_like('title', 'original_filename');
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
  ('ehr.documents', 'preliminary', 'discarded', true, null),
  ('ehr.documents', 'current', 'superseded', false, null),
  ('ehr.documents', 'current', 'entered_in_error', true, null)
on conflict (machine, from_state, to_state) do nothing;

-- rows come and move by operations; how a document is described may be corrected
grant select on ehr.documents to ehr_app, ehr_ro;
grant update (type_code, title, category, confidentiality, captured_at, retention_until, row_version)
  on ehr.documents to ehr_app;
