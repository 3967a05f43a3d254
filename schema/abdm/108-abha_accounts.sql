-- abdm.abha_accounts: an ABHA number or address as ABDM verified it, and the patient that it is linked to.
--
-- One ABHA belongs to one patient and one patient has one ABHA, in a tenant; unlinking comes before linking another. What
-- the link was compared on stays: the sound of the name, sex and year of birth of the ABDM profile, what differed, and why
-- somebody linked all the same. There is no Aadhaar number, and no column that could hold one.

create table abdm.abha_accounts (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  patient_id uuid,
  moved_from_patient_ids uuid[] not null default '{}',
  abha_number_enc bytea,
  abha_number_bidx bytea,
  abha_number_last4 text,
  abha_address text,
  kyc_status text not null default 'pending',
  profile_enc bytea,
  profile_name_key text,
  profile_sex text,
  profile_birth_year integer,
  auth_methods text[] not null default '{}',
  verified_at timestamptz,
  verified_via text,
  network_status text not null default 'ACTIVE',
  status_checked_at timestamptz,
  linked_at timestamptz,
  mismatches text[] not null default '{}',
  override_reason text,
  status text not null default 'captured',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint abha_accounts_pkey primary key (tenant_id, id),
  constraint abha_accounts_kyc_status_known check (kyc_status in ('verified', 'unverified', 'pending')),
  constraint abha_accounts_verified_via_known check (
    verified_via in ('aadhaar_otp', 'mobile_otp', 'abha_address_otp', 'biometric', 'demographic', 'scan_share')
  ),
  constraint abha_accounts_network_status_known check (network_status in ('ACTIVE', 'DEACTIVATED', 'DELETED')),
  constraint abha_accounts_status_known check (
    status in ('captured', 'verified', 'rejected', 'linked', 'unlinked', 'deactivated')
  ),
  constraint abha_accounts_profile_sex_known check (profile_sex in ('male', 'female', 'other', 'unknown')),
  constraint abha_accounts_profile_birth_year_range check (profile_birth_year between 1880 and 2200),
  constraint abha_accounts_number_or_address check (num_nonnulls(abha_number_bidx, abha_address) >= 1),
  constraint abha_accounts_number_whole check (
    num_nonnulls(abha_number_enc, abha_number_bidx, abha_number_last4) in (0, 3)
  ),
  constraint abha_accounts_last4_is_4_digits check (abha_number_last4 ~ '^[0-9]{4}$'),
  constraint abha_accounts_address_form check (
    core.valid_abha_address(abha_address) and abha_address = lower(abha_address)
  ),
  constraint abha_accounts_verified_somehow check ((verified_at is null) = (verified_via is null)),
  constraint abha_accounts_linked_is_verified_and_has_patient check (
    status not in ('linked', 'deactivated')
    or (patient_id is not null and verified_at is not null and linked_at is not null)
  ),
  constraint abha_accounts_mismatches_known check (mismatches <@ array['name', 'sex', 'birth_year']),
  constraint abha_accounts_mismatch_has_reason check (mismatches = '{}' or override_reason is not null)
);

alter table abdm.abha_accounts add constraint abha_accounts_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table abdm.abha_accounts add constraint abha_accounts_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);

create unique index abha_accounts_abha_number_key on abdm.abha_accounts (tenant_id, abha_number_bidx)
  where deleted_at is null;
create unique index abha_accounts_abha_address_key on abdm.abha_accounts (tenant_id, abha_address)
  where deleted_at is null;
-- a deactivated ABHA is still the patient's
create unique index abha_accounts_one_per_patient on abdm.abha_accounts (tenant_id, patient_id)
  where status in ('linked', 'deactivated') and deleted_at is null;
create index abha_accounts_patient_idx on abdm.abha_accounts (tenant_id, patient_id) where patient_id is not null;

comment on table abdm.abha_accounts is 'class=phi;scope=tenant;owner=fhir;fhir=Patient.identifier;retention=medical_record;about=An ABHA number or address as verified with ABDM, and its patient.';
comment on column abdm.abha_accounts.patient_id is 'class=phi;about=The patient that it is, or was last, linked to.';
comment on column abdm.abha_accounts.moved_from_patient_ids is 'class=phi;about=The duplicates that it was linked to before each patient.merge, the last one last; unmerging gives it back step by step.';
comment on column abdm.abha_accounts.abha_number_enc is 'class=pii;enc=1;about=The ABHA number, 14 digits without hyphens (abdm.normalise_abha_number), encrypted.';
comment on column abdm.abha_accounts.abha_number_bidx is 'class=pii;about=Blind index of the 14 digits.';
comment on column abdm.abha_accounts.abha_number_last4 is 'class=pii;mask=last4;about=Its last four digits, for display.';
comment on column abdm.abha_accounts.abha_address is 'class=pii;about=ABHA address in lower case, handle@suffix.';
comment on column abdm.abha_accounts.kyc_status is 'class=operational;about=Whether ABDM knows the person by a government document: verified, unverified, or pending.';
comment on column abdm.abha_accounts.profile_enc is 'class=pii;enc=1;about=The profile that ABDM gave, as JSON, encrypted. Null until it was verified.';
comment on column abdm.abha_accounts.profile_name_key is 'class=pii;about=Sound key (patient.name_key) of the name in the profile.';
comment on column abdm.abha_accounts.profile_sex is 'class=pii;about=male, female, other or unknown in the profile.';
comment on column abdm.abha_accounts.profile_birth_year is 'class=pii;about=Year of birth in the profile.';
comment on column abdm.abha_accounts.auth_methods is 'class=operational;about=How ABDM lets the person sign in, such as MOBILE_OTP.';
comment on column abdm.abha_accounts.verified_at is 'class=operational;about=When ABDM last verified it for us.';
comment on column abdm.abha_accounts.verified_via is 'class=operational;about=aadhaar_otp, mobile_otp, abha_address_otp, biometric, demographic or scan_share.';
comment on column abdm.abha_accounts.network_status is 'class=operational;about=ACTIVE, DEACTIVATED or DELETED, as ABDM notifies. Only ACTIVE ones are linked.';
comment on column abdm.abha_accounts.status_checked_at is 'class=operational;about=When the network''s status was last heard.';
comment on column abdm.abha_accounts.linked_at is 'class=operational;about=When it was last linked to the patient.';
comment on column abdm.abha_accounts.mismatches is 'class=operational;about=What differed between profile and patient when it was linked: name, sex, birth_year.';
comment on column abdm.abha_accounts.override_reason is 'class=phi;about=Why it was linked all the same.';
comment on column abdm.abha_accounts.status is 'class=operational;about=captured, verified, rejected, linked, unlinked, or deactivated (by ABDM, still the patient''s).';
select core.comment_standard_columns('abdm.abha_accounts');

alter table abdm.abha_accounts enable row level security, force row level security;
create policy tenant_isolation on abdm.abha_accounts
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger abha_accounts_no_aadhaar before insert or update of abha_address, override_reason on abdm.abha_accounts
  for each row execute function core.reject_aadhaar_like('abha_address', 'override_reason');
create trigger abha_accounts_touch before update on abdm.abha_accounts
  for each row execute function core.update_updated_at_column('row_version');
create trigger abha_accounts_transition before insert or update of status on abdm.abha_accounts
  for each row execute function core.enforce_transition('abdm.abha_accounts', 'status');
select audit.track('abdm.abha_accounts');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('abdm.abha_accounts', '', 'captured', false, null),
  ('abdm.abha_accounts', 'captured', 'verified', false, null),
  ('abdm.abha_accounts', 'captured', 'rejected', false, null),
  ('abdm.abha_accounts', 'verified', 'linked', false, 'abha.linked.v1'),
  ('abdm.abha_accounts', 'verified', 'unlinked', true, null),
  ('abdm.abha_accounts', 'linked', 'unlinked', true, 'abha.unlinked.v1'),
  ('abdm.abha_accounts', 'linked', 'deactivated', false, null),
  ('abdm.abha_accounts', 'unlinked', 'linked', false, 'abha.linked.v1'),
  ('abdm.abha_accounts', 'deactivated', 'linked', false, 'abha.linked.v1'),
  ('abdm.abha_accounts', 'deactivated', 'unlinked', true, 'abha.unlinked.v1')
on conflict (machine, from_state, to_state) do nothing;

grant select on abdm.abha_accounts to fhir_app;
grant select on abdm.abha_accounts to fhir_ro;
