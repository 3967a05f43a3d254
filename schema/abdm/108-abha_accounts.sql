-- abdm.abha_accounts: The ABHA number and address of a patient as verified with ABDM.
-- RULE to build: abha number is 14 digits before encryption (function)

create table abdm.abha_accounts (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  patient_id uuid,
  abha_number_enc bytea,
  abha_number_bidx bytea,
  abha_number_last4 text,
  abha_address text,
  kyc_status text not null,
  profile_enc bytea not null,
  auth_methods text[] not null default '{}',
  verified_at timestamptz,
  verified_via text,
  network_status text not null,
  status_checked_at timestamptz,
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
  constraint abha_accounts_kyc_status_check check (kyc_status in ('verified', 'unverified', 'pending')),
  constraint abha_accounts_verified_via_check check (
    verified_via in ('aadhaar_otp', 'mobile_otp', 'abha_address_otp', 'biometric', 'demographic', 'scan_share')
  ),
  constraint abha_accounts_network_status_check check (network_status in ('ACTIVE', 'DEACTIVATED', 'DELETED')),
  constraint abha_accounts_status_check check (
    status in ('captured', 'verified', 'rejected', 'linked', 'unlinked', 'deactivated')
  ),
  constraint abha_accounts_num_nonnulls_rule check (num_nonnulls(abha_number_bidx,abha_address) >= 1),
  constraint abha_accounts_abha_address_rule check (
    abha_address ~ '^[A-Za-z0-9][A-Za-z0-9._]{1,48}[A-Za-z0-9]@[a-z]{2,12}$'
  ),
  constraint abha_accounts_linked_complete check (
    status <> 'linked' or (patient_id is not null and verified_at is not null)
  )
);

alter table abdm.abha_accounts add constraint abha_accounts_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table abdm.abha_accounts add constraint abha_accounts_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);

create unique index abha_accounts_abha_number_bidx_key on abdm.abha_accounts (tenant_id, abha_number_bidx)
  where deleted_at is null;
create unique index abha_accounts_abha_address_key on abdm.abha_accounts (tenant_id, abha_address)
  where deleted_at is null;
create unique index abha_accounts_patient_key on abdm.abha_accounts (tenant_id, patient_id)
  where status = 'linked';
create index abha_accounts_patient_idx on abdm.abha_accounts (tenant_id, patient_id)
  where patient_id is not null;

comment on table abdm.abha_accounts is 'class=phi;scope=tenant;owner=fhir;fhir=Patient.identifier;retention=medical_record;about=The ABHA number and address of a patient as verified with ABDM.';
comment on column abdm.abha_accounts.patient_id is 'class=phi;about=The patient.';
comment on column abdm.abha_accounts.abha_number_enc is 'class=phi;enc=1;about=?';
comment on column abdm.abha_accounts.abha_number_bidx is 'class=phi;about=?';
comment on column abdm.abha_accounts.abha_number_last4 is 'class=phi;about=?';
comment on column abdm.abha_accounts.abha_address is 'class=phi;about=?';
comment on column abdm.abha_accounts.kyc_status is 'class=phi;about=?';
comment on column abdm.abha_accounts.profile_enc is 'class=phi;enc=1;about=?';
comment on column abdm.abha_accounts.auth_methods is 'class=phi;about=?';
comment on column abdm.abha_accounts.verified_at is 'class=phi;about=?';
comment on column abdm.abha_accounts.verified_via is 'class=phi;about=?';
comment on column abdm.abha_accounts.network_status is 'class=phi;about=?';
comment on column abdm.abha_accounts.status_checked_at is 'class=phi;about=?';
comment on column abdm.abha_accounts.status is 'class=phi;about=?';
select core.comment_standard_columns('abdm.abha_accounts');

alter table abdm.abha_accounts enable row level security;
alter table abdm.abha_accounts force row level security;
create policy tenant_isolation on abdm.abha_accounts
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger abha_accounts_touch before update on abdm.abha_accounts
  for each row execute function core.update_updated_at_column('row_version');
create trigger abha_accounts_transition before insert or update of status on abdm.abha_accounts
  for each row execute function core.enforce_transition('abdm.abha_accounts', 'status');
select audit.track('abdm.abha_accounts');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('abdm.abha_accounts', '', 'captured', false, null),
  ('abdm.abha_accounts', 'captured', 'verified', false, null),
  ('abdm.abha_accounts', 'captured', 'rejected', false, null),
  ('abdm.abha_accounts', 'verified', 'linked', false, null),
  ('abdm.abha_accounts', 'verified', 'unlinked', false, null),
  ('abdm.abha_accounts', 'linked', 'unlinked', false, null),
  ('abdm.abha_accounts', 'linked', 'deactivated', false, null),
  ('abdm.abha_accounts', 'unlinked', 'linked', false, null),
  ('abdm.abha_accounts', 'deactivated', 'linked', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on abdm.abha_accounts to fhir_app;
grant select on abdm.abha_accounts to fhir_ro;
