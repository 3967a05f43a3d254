-- abdm.abha_registrations: M1 tracking: each attempt to create, verify or link an ABHA.
-- RULE to build: no Aadhaar number, VID or OTP column exists

create table abdm.abha_registrations (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  patient_id uuid,
  abha_account_id uuid,
  purpose text not null,
  method text not null,
  txn_id uuid,
  request_id uuid not null,
  otp_sent_at timestamptz,
  otp_attempts smallint not null default 0,
  mobile_verified boolean not null default false,
  consent_id uuid,
  started_at timestamptz not null,
  finished_at timestamptz,
  error_code text,
  error_message text,
  operator_user_id uuid not null,
  clinic_id uuid not null,
  status text not null default 'initiated',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint abha_registrations_pkey primary key (tenant_id, id),
  constraint abha_registrations_request_key unique (tenant_id, request_id),
  constraint abha_registrations_purpose_check check (
    purpose in ('create', 'verify', 'link', 'address_create', 'reactivate')
  ),
  constraint abha_registrations_method_check check (
    method in ('aadhaar_otp', 'aadhaar_biometric', 'mobile_otp', 'driving_licence', 'abha_number_otp', 'abha_address_otp', 'scan_share')
  ),
  constraint abha_registrations_status_check check (
    status in ('initiated', 'otp_sent', 'failed', 'expired', 'otp_verified', 'enrolled', 'address_set', 'linked')
  ),
  constraint abha_registrations_otp_attempts_rule check (otp_attempts <= 3),
  constraint abha_registrations_linked_complete check (status <> 'linked' or abha_account_id is not null),
  constraint abha_registrations_create_complete check (purpose <> 'create' or consent_id is not null)
);

alter table abdm.abha_registrations add constraint abha_registrations_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table abdm.abha_registrations add constraint abha_registrations_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table abdm.abha_registrations add constraint abha_registrations_abha_account_fkey
  foreign key (tenant_id, abha_account_id) references abdm.abha_accounts (tenant_id, id);
alter table abdm.abha_registrations add constraint abha_registrations_consent_fkey
  foreign key (tenant_id, consent_id) references compliance.consents (tenant_id, id);
alter table abdm.abha_registrations add constraint abha_registrations_operator_user_fkey
  foreign key (tenant_id, operator_user_id) references auth.users (tenant_id, id);
alter table abdm.abha_registrations add constraint abha_registrations_clinic_fkey
  foreign key (tenant_id, clinic_id) references facility.clinics (tenant_id, id);

create unique index abha_registrations_txn_key on abdm.abha_registrations (tenant_id, txn_id)
  where txn_id is not null;
create index abha_registrations_patient_idx on abdm.abha_registrations (tenant_id, patient_id)
  where patient_id is not null;
create index abha_registrations_abha_account_idx on abdm.abha_registrations (tenant_id, abha_account_id)
  where abha_account_id is not null;
create index abha_registrations_consent_idx on abdm.abha_registrations (tenant_id, consent_id)
  where consent_id is not null;
create index abha_registrations_operator_user_idx on abdm.abha_registrations (tenant_id, operator_user_id);
create index abha_registrations_clinic_idx on abdm.abha_registrations (tenant_id, clinic_id);

comment on table abdm.abha_registrations is 'class=phi;scope=tenant;owner=fhir;fhir=Task;retention=medical_record;about=M1 tracking: each attempt to create, verify or link an ABHA.';
comment on column abdm.abha_registrations.patient_id is 'class=phi;about=The patient.';
comment on column abdm.abha_registrations.abha_account_id is 'class=phi;about=?';
comment on column abdm.abha_registrations.purpose is 'class=phi;about=?';
comment on column abdm.abha_registrations.method is 'class=phi;about=?';
comment on column abdm.abha_registrations.txn_id is 'class=phi;about=?';
comment on column abdm.abha_registrations.request_id is 'class=phi;about=?';
comment on column abdm.abha_registrations.otp_sent_at is 'class=phi;about=?';
comment on column abdm.abha_registrations.otp_attempts is 'class=phi;about=?';
comment on column abdm.abha_registrations.mobile_verified is 'class=phi;about=?';
comment on column abdm.abha_registrations.consent_id is 'class=phi;about=?';
comment on column abdm.abha_registrations.started_at is 'class=phi;about=?';
comment on column abdm.abha_registrations.finished_at is 'class=phi;about=?';
comment on column abdm.abha_registrations.error_code is 'class=phi;about=?';
comment on column abdm.abha_registrations.error_message is 'class=phi;about=?';
comment on column abdm.abha_registrations.operator_user_id is 'class=phi;about=?';
comment on column abdm.abha_registrations.clinic_id is 'class=phi;about=The clinic.';
comment on column abdm.abha_registrations.status is 'class=phi;about=?';
select core.comment_standard_columns('abdm.abha_registrations');

alter table abdm.abha_registrations enable row level security;
alter table abdm.abha_registrations force row level security;
create policy tenant_isolation on abdm.abha_registrations
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger abha_registrations_touch before update on abdm.abha_registrations
  for each row execute function core.update_updated_at_column('row_version');
create trigger abha_registrations_transition before insert or update of status on abdm.abha_registrations
  for each row execute function core.enforce_transition('abdm.abha_registrations', 'status');
select audit.track('abdm.abha_registrations');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('abdm.abha_registrations', '', 'initiated', false, null),
  ('abdm.abha_registrations', 'initiated', 'otp_sent', false, null),
  ('abdm.abha_registrations', 'initiated', 'failed', false, null),
  ('abdm.abha_registrations', 'initiated', 'expired', false, null),
  ('abdm.abha_registrations', 'otp_sent', 'otp_verified', false, null),
  ('abdm.abha_registrations', 'otp_sent', 'failed', false, null),
  ('abdm.abha_registrations', 'otp_sent', 'expired', false, null),
  ('abdm.abha_registrations', 'otp_verified', 'enrolled', false, null),
  ('abdm.abha_registrations', 'otp_verified', 'failed', false, null),
  ('abdm.abha_registrations', 'enrolled', 'address_set', false, null),
  ('abdm.abha_registrations', 'enrolled', 'linked', false, null),
  ('abdm.abha_registrations', 'enrolled', 'failed', false, null),
  ('abdm.abha_registrations', 'address_set', 'linked', false, null),
  ('abdm.abha_registrations', 'address_set', 'failed', false, null),
  ('abdm.abha_registrations', 'failed', 'initiated', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on abdm.abha_registrations to fhir_app;
grant select on abdm.abha_registrations to fhir_ro;
