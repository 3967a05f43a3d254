-- Next of kin, guardian, emergency contact, portal proxy. A guardian acts for the patient only after being verified.
-- The ehr module adds the foreign key of guardian_proof_document_id.

create table patient.patient_contacts (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  patient_id uuid not null,
  name text not null,
  relationship text not null,
  related_patient_id uuid,
  user_id uuid,
  phone_enc bytea,
  phone_bidx bytea,
  is_emergency boolean not null default false,
  is_legal_guardian boolean not null default false,
  guardian_verified_at timestamptz,
  guardian_proof_document_id uuid,
  proxy_scope text not null default 'none',
  valid_to date,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint patient_contacts_pkey primary key (tenant_id, id),
  constraint patient_contacts_proxy_scope_check check (proxy_scope in ('none', 'view', 'book', 'full')),
  constraint patient_contacts_guardian_verified check (
    not is_legal_guardian or guardian_verified_at is not null or proxy_scope = 'none'
  ),
  constraint patient_contacts_not_self check (related_patient_id <> patient_id)
);

alter table patient.patient_contacts add constraint patient_contacts_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table patient.patient_contacts add constraint patient_contacts_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table patient.patient_contacts add constraint patient_contacts_related_patient_fkey
  foreign key (tenant_id, related_patient_id) references patient.patients (tenant_id, id);
alter table patient.patient_contacts add constraint patient_contacts_user_fkey
  foreign key (tenant_id, user_id) references auth.users (tenant_id, id);

create index patient_contacts_patient_idx on patient.patient_contacts (tenant_id, patient_id);
create index patient_contacts_related_patient_idx on patient.patient_contacts (tenant_id, related_patient_id)
  where related_patient_id is not null;
create index patient_contacts_user_idx on patient.patient_contacts (tenant_id, user_id) where user_id is not null;
create index patient_contacts_phone_idx on patient.patient_contacts (tenant_id, phone_bidx)
  where phone_bidx is not null;

comment on table patient.patient_contacts is 'class=phi;scope=tenant;owner=clinical;fhir=RelatedPerson;retention=medical_record;about=Next of kin, guardian, emergency contact, portal proxy.';
comment on column patient.patient_contacts.patient_id is 'class=phi;about=The patient.';
comment on column patient.patient_contacts.name is 'class=pii;about=Name of the contact.';
comment on column patient.patient_contacts.relationship is 'class=phi;about=What the contact is to the patient, such as mother.';
comment on column patient.patient_contacts.related_patient_id is 'class=phi;about=The contact''s own record, when the contact is a patient too.';
comment on column patient.patient_contacts.user_id is 'class=pii;about=The contact''s account in the portal.';
comment on column patient.patient_contacts.phone_enc is 'class=pii;enc=1;about=Telephone number in E.164, encrypted.';
comment on column patient.patient_contacts.phone_bidx is 'class=pii;about=Blind index of the normalised telephone number.';
comment on column patient.patient_contacts.is_emergency is 'class=phi;about=To be called in an emergency.';
comment on column patient.patient_contacts.is_legal_guardian is 'class=phi;about=Decides for the patient by law.';
comment on column patient.patient_contacts.guardian_verified_at is 'class=operational;about=When the guardianship was verified.';
comment on column patient.patient_contacts.guardian_proof_document_id is 'class=phi;about=Scan of the proof of guardianship.';
comment on column patient.patient_contacts.proxy_scope is 'class=phi;about=What the contact may do in the portal for the patient: none, view, book or full.';
comment on column patient.patient_contacts.valid_to is 'class=phi;about=Last day on which the contact may act; a child comes of age.';
select core.comment_standard_columns('patient.patient_contacts');

alter table patient.patient_contacts enable row level security, force row level security;
create policy tenant_isolation on patient.patient_contacts
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger patient_contacts_touch before update on patient.patient_contacts
  for each row execute function core.update_updated_at_column('row_version');
create trigger patient_contacts_no_aadhaar before insert or update of name, relationship on patient.patient_contacts
  for each row execute function core.reject_aadhaar_like('name', 'relationship');
select audit.track('patient.patient_contacts');

grant select, insert, update on patient.patient_contacts to clinical_app;
grant select on patient.patient_contacts to clinical_ro;
