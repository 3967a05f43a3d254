-- All other identifiers of a person; what ABDM discovery matches on. A live identifier belongs to one person. Aadhaar
-- numbers are not a kind of identifier here and are refused in every plaintext column.

create table patient.patient_identifiers (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  patient_id uuid not null,
  kind text not null,
  system_uri text not null,
  value_enc bytea not null,
  value_bidx bytea not null,
  value_last4 text not null,
  assigner text,
  valid_during daterange,
  verified_at timestamptz,
  verification_method text,
  is_primary boolean not null default false,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint patient_identifiers_pkey primary key (tenant_id, id),
  constraint patient_identifiers_kind_check check (
    kind in (
      'abha_number', 'abha_address', 'pmjay_id', 'ration_card', 'passport', 'driving_licence', 'national_id',
      'voter_id', 'insurance_member', 'external_mrn', 'hospital_card'
    )
  ),
  constraint patient_identifiers_last4_at_most_4 check (length(value_last4) <= 4),
  constraint patient_identifiers_verified_somehow check (verified_at is null or verification_method is not null)
);

alter table patient.patient_identifiers add constraint patient_identifiers_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table patient.patient_identifiers add constraint patient_identifiers_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);

create unique index patient_identifiers_value_key on patient.patient_identifiers (tenant_id, system_uri, value_bidx)
  where deleted_at is null;
create unique index patient_identifiers_one_primary_per_kind
  on patient.patient_identifiers (tenant_id, patient_id, kind)
  where is_primary and deleted_at is null;
create index patient_identifiers_patient_idx on patient.patient_identifiers (tenant_id, patient_id);
-- discovery does not always know the issuer
create index patient_identifiers_value_idx on patient.patient_identifiers (tenant_id, value_bidx);

comment on table patient.patient_identifiers is 'class=phi;scope=tenant;owner=clinical;fhir=Patient.identifier;retention=medical_record;about=All other identifiers of a person; what ABDM discovery matches on.';
comment on column patient.patient_identifiers.patient_id is 'class=phi;about=The person.';
comment on column patient.patient_identifiers.kind is 'class=phi;about=abha_number, abha_address, pmjay_id, ration_card, passport, driving_licence, national_id, voter_id, insurance_member, external_mrn or hospital_card.';
comment on column patient.patient_identifiers.system_uri is 'class=phi;about=Who gives such identifiers out (FHIR Identifier.system).';
comment on column patient.patient_identifiers.value_enc is 'class=phi;enc=1;about=The identifier, encrypted.';
comment on column patient.patient_identifiers.value_bidx is 'class=phi;about=Blind index of the normalised identifier.';
comment on column patient.patient_identifiers.value_last4 is 'class=phi;mask=last4;about=Its last four characters, for display.';
comment on column patient.patient_identifiers.assigner is 'class=phi;about=Office that gave it out.';
comment on column patient.patient_identifiers.valid_during is 'class=phi;about=Days on which it is valid.';
comment on column patient.patient_identifiers.verified_at is 'class=operational;about=When it was verified with its issuer.';
comment on column patient.patient_identifiers.verification_method is 'class=operational;about=How it was verified, such as abdm_otp.';
comment on column patient.patient_identifiers.is_primary is 'class=phi;about=The one to use among several of its kind.';
select core.comment_standard_columns('patient.patient_identifiers');

alter table patient.patient_identifiers enable row level security, force row level security;
create policy tenant_isolation on patient.patient_identifiers
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger patient_identifiers_touch before update on patient.patient_identifiers
  for each row execute function core.update_updated_at_column();
create trigger patient_identifiers_no_aadhaar
  before insert or update of system_uri, value_last4, assigner, verification_method on patient.patient_identifiers
  for each row
  execute function core.reject_aadhaar_like('system_uri', 'value_last4', 'assigner', 'verification_method');
select audit.track('patient.patient_identifiers');

grant select, insert, update on patient.patient_identifiers to clinical_app;
grant select on patient.patient_identifiers to clinical_ro;
