-- Clinical notes: consultation, progress, nursing, operative, procedure and death notes. Once signed a note is never
-- changed by anybody; an addendum is a note of its own that names it, and signing the addendum marks it amended.

create table clinical.medical_records (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  record_number text not null,
  patient_id uuid not null,
  encounter_id uuid not null,
  type_code text not null,
  title text not null,
  content_enc bytea not null,
  content_hash bytea not null,
  sections jsonb,
  author_id uuid not null,
  signed_at timestamptz,
  signed_by uuid,
  cosigner_id uuid,
  cosigned_at timestamptz,
  amends_id uuid,
  amendment_reason text,
  confidentiality text not null default 'N',
  late_entry boolean not null default false,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint medical_records_pkey primary key (tenant_id, id),
  constraint medical_records_record_number_key unique (tenant_id, record_number),
  constraint medical_records_confidentiality_check check (confidentiality in ('N', 'R', 'V')),
  constraint medical_records_status_check check (
    status in ('draft', 'signed', 'discarded', 'amended', 'entered_in_error')
  ),
  constraint medical_records_signed_has_signature check (
    status not in ('signed', 'amended') or (signed_at is not null and signed_by is not null)
  ),
  constraint medical_records_addendum_has_reason check (amends_id is null or amendment_reason is not null),
  constraint medical_records_cosigned_by_named_senior check (cosigned_at is null or cosigner_id is not null),
  constraint medical_records_cosigner_is_another check (cosigner_id <> author_id),
  constraint medical_records_content_hash_is_sha256 check (octet_length(content_hash) = 32)
);

alter table clinical.medical_records add constraint medical_records_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table clinical.medical_records add constraint medical_records_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table clinical.medical_records add constraint medical_records_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table clinical.medical_records add constraint medical_records_author_fkey
  foreign key (tenant_id, author_id) references workforce.staff (tenant_id, id);
alter table clinical.medical_records add constraint medical_records_signed_by_fkey
  foreign key (tenant_id, signed_by) references workforce.staff (tenant_id, id);
alter table clinical.medical_records add constraint medical_records_cosigner_fkey
  foreign key (tenant_id, cosigner_id) references workforce.staff (tenant_id, id);
alter table clinical.medical_records add constraint medical_records_amends_fkey
  foreign key (tenant_id, amends_id) references clinical.medical_records (tenant_id, id);

create index medical_records_draft_idx on clinical.medical_records (tenant_id, author_id) where status = 'draft';
create index medical_records_patient_idx on clinical.medical_records (tenant_id, patient_id);
create index medical_records_encounter_idx on clinical.medical_records (tenant_id, encounter_id);
create index medical_records_author_idx on clinical.medical_records (tenant_id, author_id);
create index medical_records_signed_by_idx on clinical.medical_records (tenant_id, signed_by)
  where signed_by is not null;
create index medical_records_cosigner_idx on clinical.medical_records (tenant_id, cosigner_id)
  where cosigner_id is not null;
create index medical_records_amends_idx on clinical.medical_records (tenant_id, amends_id)
  where amends_id is not null;

comment on table clinical.medical_records is 'class=phi;scope=tenant;owner=clinical;fhir=Composition;retention=medical_record;about=Signed clinical notes: consultation, progress, nursing, operative, procedure, death note.';
comment on column clinical.medical_records.record_number is 'class=operational;about=Number that people read, series medical_record.';
comment on column clinical.medical_records.patient_id is 'class=phi;about=The patient.';
comment on column clinical.medical_records.encounter_id is 'class=phi;about=The encounter.';
comment on column clinical.medical_records.type_code is 'class=phi;about=Kind of note, such as consultation, progress, nursing, operative, death_note, lama_form.';
comment on column clinical.medical_records.title is 'class=phi;about=Title.';
comment on column clinical.medical_records.content_enc is 'class=phi;enc=1;about=The note; encrypted.';
comment on column clinical.medical_records.content_hash is 'class=phi;about=SHA-256 of the text of the note.';
comment on column clinical.medical_records.sections is 'class=phi;about=Coded sections, where the note has some.';
comment on column clinical.medical_records.author_id is 'class=operational;about=Member of staff who wrote it.';
comment on column clinical.medical_records.signed_at is 'class=operational;about=When it was signed.';
comment on column clinical.medical_records.signed_by is 'class=operational;about=Member of staff who signed it.';
comment on column clinical.medical_records.cosigner_id is 'class=operational;about=Senior who must sign as well.';
comment on column clinical.medical_records.cosigned_at is 'class=operational;about=When the senior signed.';
comment on column clinical.medical_records.amends_id is 'class=phi;about=The note that this one amends.';
comment on column clinical.medical_records.amendment_reason is 'class=phi;about=Why.';
comment on column clinical.medical_records.confidentiality is 'class=phi;about=N normal, R restricted, V very restricted (HL7).';
comment on column clinical.medical_records.late_entry is 'class=phi;about=True when it was written after the encounter had ended.';
comment on column clinical.medical_records.status is 'class=operational;about=draft, signed, amended, discarded or entered_in_error.';
select core.comment_standard_columns('clinical.medical_records');

alter table clinical.medical_records enable row level security, force row level security;
create policy tenant_isolation on clinical.medical_records
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger medical_records_touch before update on clinical.medical_records
  for each row execute function core.update_updated_at_column('row_version');
create trigger medical_records_transition before insert or update of status on clinical.medical_records
  for each row execute function core.enforce_transition('clinical.medical_records', 'status');
create trigger medical_records_unchanged_once_signed before update on clinical.medical_records
  for each row when (old.status <> 'draft') execute function clinical.keep_content('cosigned_at');
create trigger medical_records_patient_of_encounter
  before insert or update of patient_id, encounter_id on clinical.medical_records
  for each row execute function clinical.check_patient_of_encounter();
create trigger medical_records_no_aadhaar before insert or update of title on clinical.medical_records
  for each row execute function core.reject_aadhaar_like('title');
select audit.track('clinical.medical_records');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('clinical.medical_records', '', 'draft', false, null),
  ('clinical.medical_records', 'draft', 'signed', false, null),
  ('clinical.medical_records', 'draft', 'discarded', false, null),
  ('clinical.medical_records', 'signed', 'amended', true, null),
  ('clinical.medical_records', 'signed', 'entered_in_error', true, null)
on conflict (machine, from_state, to_state) do nothing;

-- a draft may be edited; signing and amending are operations
grant select, insert on clinical.medical_records to clinical_app;
grant update (type_code, title, content_enc, content_hash, sections, cosigner_id, confidentiality, row_version)
  on clinical.medical_records to clinical_app;
grant select on clinical.medical_records to clinical_ro;
