-- One person in one tenant, with the medical record number (MRN).
--
-- Names stay searchable plaintext under RLS; contact data is encrypted with a blind index beside it; everything else
-- that must be kept but not searched is in the encrypted envelope phi_enc. Rows come from patient.register, which
-- looks for duplicates first; merging is patient.merge, and nothing is deleted.

create table patient.patients (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  mrn text not null,
  given_name text not null,
  middle_name text,
  family_name text,
  given_name_lc text generated always as (lower(given_name)) stored,
  family_name_lc text generated always as (lower(family_name)) stored,
  name_phonetic text not null,
  sex text not null,
  gender_identity text,
  birth_date date,
  birth_date_precision text not null default 'day',
  deceased_at timestamptz,
  blood_group text,
  marital_status text,
  language text,
  nationality char(2),
  mobile_enc bytea,
  mobile_bidx bytea,
  email_enc bytea,
  email_bidx bytea,
  address_enc bytea,
  pin_code text,
  state_code text,
  district_lgd integer,
  phi_enc jsonb,
  data_key_kid text,
  emr_system core.emr_system not null default 'INTERNAL',
  emr_id text,
  portal_user_id uuid,
  registered_clinic_id uuid not null,
  is_vip boolean not null default false,
  merged_into_id uuid,
  status text not null default 'active',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint patients_pkey primary key (tenant_id, id),
  constraint patients_sex_check check (sex in ('male', 'female', 'other', 'unknown')),
  constraint patients_birth_date_precision_check check (birth_date_precision in ('day', 'month', 'year', 'estimated')),
  constraint patients_status_check check (status in ('active', 'inactive', 'deceased', 'merged')),
  constraint patients_mrn_not_empty check (mrn <> ''),
  constraint patients_given_name_not_empty check (given_name <> ''),
  -- the birth date is local to nobody knows where: a day of grace
  constraint patients_death_after_birth check ((deceased_at at time zone 'UTC')::date >= birth_date - 1),
  constraint patients_deceased_has_time check (status <> 'deceased' or deceased_at is not null),
  constraint patients_blood_group_check check (blood_group ~ '^(A|B|AB|O|Oh)[+-]$'),
  constraint patients_language_format check (language ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'),
  constraint patients_nationality_format check (nationality ~ '^[A-Z]{2}$'),
  constraint patients_phi_is_envelope check (phi_enc ?& array['v', 'kid', 'alg', 'nonce', 'ct']),
  constraint patients_key_of_encrypted check (
    data_key_kid is not null or num_nonnulls(mobile_enc, email_enc, address_enc, phi_enc) = 0
  ),
  constraint patients_not_merged_into_self check (merged_into_id <> id),
  constraint patients_merged_has_survivor check ((status = 'merged') = (merged_into_id is not null))
);

alter table patient.patients add constraint patients_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table patient.patients add constraint patients_portal_user_fkey
  foreign key (tenant_id, portal_user_id) references auth.users (tenant_id, id);
alter table patient.patients add constraint patients_merged_into_fkey
  foreign key (tenant_id, merged_into_id) references patient.patients (tenant_id, id);
alter table patient.patients add constraint patients_registered_clinic_fkey
  foreign key (tenant_id, registered_clinic_id) references facility.clinics (tenant_id, id);

create unique index patients_mrn_key on patient.patients (tenant_id, mrn) where deleted_at is null;
-- emr_id leads: = on an enum is not leakproof, so RLS would keep it out of the index condition
create unique index patients_emr_id_key on patient.patients (tenant_id, emr_id, emr_system)
  where emr_id is not null and deleted_at is null;
create unique index patients_portal_user_key on patient.patients (tenant_id, portal_user_id)
  where portal_user_id is not null and deleted_at is null;
create index patients_portal_user_idx on patient.patients (tenant_id, portal_user_id)
  where portal_user_id is not null;
create index patients_merged_into_idx on patient.patients (tenant_id, merged_into_id)
  where merged_into_id is not null;
create index patients_registered_clinic_idx on patient.patients (tenant_id, registered_clinic_id);
create index patients_given_name_idx on patient.patients (tenant_id, given_name_lc text_pattern_ops);
create index patients_family_name_idx on patient.patients (tenant_id, family_name_lc text_pattern_ops);
create index patients_name_phonetic_idx on patient.patients (tenant_id, name_phonetic, birth_date);
create index patients_birth_date_idx on patient.patients (tenant_id, birth_date);
create index patients_mobile_idx on patient.patients (tenant_id, mobile_bidx) where mobile_bidx is not null;
create index patients_email_idx on patient.patients (tenant_id, email_bidx) where email_bidx is not null;

comment on table patient.patients is 'class=phi;scope=tenant;owner=clinical;fhir=Patient;retention=medical_record;about=One person in one tenant, with the MRN.';
comment on column patient.patients.mrn is 'class=phi;about=Medical record number, unique in the tenant; its form is the setting mrn.format.';
comment on column patient.patients.given_name is 'class=phi;about=Given name, or the only name of a person with one.';
comment on column patient.patients.middle_name is 'class=phi;about=Middle names, father''s name, patronymic.';
comment on column patient.patients.family_name is 'class=phi;about=Family name, where the person has one.';
comment on column patient.patients.given_name_lc is 'class=phi;about=Given name in lower case, for search.';
comment on column patient.patients.family_name_lc is 'class=phi;about=Family name in lower case, for search.';
comment on column patient.patients.name_phonetic is 'class=phi;about=Sound key of the whole name, order of words ignored; kept by a trigger.';
comment on column patient.patients.sex is 'class=phi;about=Administrative sex: male, female, other or unknown.';
comment on column patient.patients.gender_identity is 'class=phi;about=Gender in the person''s own words.';
comment on column patient.patients.birth_date is 'class=phi;about=Date of birth, at most 130 years ago; the first day of what is known.';
comment on column patient.patients.birth_date_precision is 'class=phi;about=How much of the date of birth is known: day, month, year or estimated.';
comment on column patient.patients.deceased_at is 'class=phi;about=Time of death.';
comment on column patient.patients.blood_group is 'class=phi;about=ABO and RhD as told by the patient; transfusion never relies on it.';
comment on column patient.patients.marital_status is 'class=phi;about=Marital status.';
comment on column patient.patients.language is 'class=phi;about=Language to speak in (BCP 47).';
comment on column patient.patients.nationality is 'class=phi;about=ISO 3166-1 alpha-2 code.';
comment on column patient.patients.mobile_enc is 'class=phi;enc=1;about=Mobile number in E.164, encrypted.';
comment on column patient.patients.mobile_bidx is 'class=phi;about=Blind index of the normalised mobile number; families share one.';
comment on column patient.patients.email_enc is 'class=phi;enc=1;about=E-mail address, encrypted.';
comment on column patient.patients.email_bidx is 'class=phi;about=Blind index of the normalised e-mail address.';
comment on column patient.patients.address_enc is 'class=phi;enc=1;about=Postal address, encrypted.';
comment on column patient.patients.pin_code is 'class=phi;about=Postal code of the address.';
comment on column patient.patients.state_code is 'class=phi;about=State of the address.';
comment on column patient.patients.district_lgd is 'class=phi;about=District of the address by its Local Government Directory code.';
comment on column patient.patients.phi_enc is 'class=phi;enc=1;about=Encrypted envelope {v, kid, alg, nonce, ct} for what is never searched: history, notes on next of kin.';
comment on column patient.patients.data_key_kid is 'class=phi;about=Key that the encrypted columns were written with; there when any of them is.';
comment on column patient.patients.emr_system is 'class=phi;about=The record system that the patient came from.';
comment on column patient.patients.emr_id is 'class=phi;about=Identifier of the patient in that system.';
comment on column patient.patients.portal_user_id is 'class=phi;about=Account of the patient in the portal.';
comment on column patient.patients.registered_clinic_id is 'class=phi;about=Clinic of the first registration.';
comment on column patient.patients.is_vip is 'class=phi;about=Reads are watched more closely.';
comment on column patient.patients.merged_into_id is 'class=phi;about=The patient that this duplicate was merged into; set exactly while status is merged.';
comment on column patient.patients.status is 'class=phi;about=active, inactive, deceased or merged.';
select core.comment_standard_columns('patient.patients');

alter table patient.patients enable row level security, force row level security;
create policy tenant_isolation on patient.patients
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger patients_touch before update on patient.patients
  for each row execute function core.update_updated_at_column('row_version');
create trigger patients_transition before insert or update of status on patient.patients
  for each row execute function core.enforce_transition('patient.patients', 'status');
create trigger patients_first_state after insert on patient.patients
  for each row execute function core.announce_first_state('patient.patients');
create trigger patients_check before insert or update on patient.patients
  for each row execute function patient.check_patient();
create trigger patients_no_aadhaar
  before insert or update of mrn, given_name, middle_name, family_name, emr_id on patient.patients
  for each row execute function core.reject_aadhaar_like('mrn', 'given_name', 'middle_name', 'family_name', 'emr_id');
create trigger patients_announce after update on patient.patients
  for each row when (old.status = new.status and old.row_version <> new.row_version)
  execute function patient.announce_update();
select audit.track('patient.patients');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('patient.patients', '', 'active', false, 'patient.registered.v1'),
  ('patient.patients', 'active', 'inactive', false, 'patient.updated.v1'),
  ('patient.patients', 'active', 'deceased', false, 'patient.updated.v1'),
  ('patient.patients', 'active', 'merged', true, 'patient.merged.v1'),
  ('patient.patients', 'inactive', 'active', false, 'patient.updated.v1'),
  ('patient.patients', 'deceased', 'active', true, 'patient.updated.v1'),
  ('patient.patients', 'merged', 'active', true, 'patient.unmerged.v1')
on conflict (machine, from_state, to_state) do nothing;

-- without merged_into_id, that is without status merged: that is for patient.merge
grant select, insert on patient.patients to clinical_app;
grant update (
    mrn, given_name, middle_name, family_name, name_phonetic, sex, gender_identity, birth_date, birth_date_precision,
    deceased_at, blood_group, marital_status, language, nationality, mobile_enc, mobile_bidx, email_enc, email_bidx,
    address_enc, pin_code, state_code, district_lgd, phi_enc, data_key_kid, emr_system, emr_id, portal_user_id,
    registered_clinic_id, is_vip, status, row_version, deleted_at, deleted_by, delete_reason
  ) on patient.patients to clinical_app;
grant select on patient.patients to clinical_ro;
