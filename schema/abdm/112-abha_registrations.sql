-- abdm.abha_registrations: milestone M1, one row an attempt to create, verify or link an ABHA at a desk: by what method, who
-- did it, how often an OTP was wrong, how it ended. The Aadhaar number and the OTP pass through the application and are
-- never stored; an attempt that failed stays failed, and trying again is a new row.

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
  started_at timestamptz not null default now(),
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
  constraint abha_registrations_purpose_known check (
    purpose in ('create', 'verify', 'link', 'address_create', 'reactivate')
  ),
  constraint abha_registrations_method_known check (
    method in (
      'aadhaar_otp', 'aadhaar_biometric', 'mobile_otp', 'driving_licence', 'abha_number_otp', 'abha_address_otp',
      'scan_share'
    )
  ),
  constraint abha_registrations_status_known check (
    status in ('initiated', 'otp_sent', 'failed', 'expired', 'otp_verified', 'enrolled', 'address_set', 'linked')
  ),
  constraint abha_registrations_at_most_3_otp_attempts check (otp_attempts between 0 and 3),
  constraint abha_registrations_otp_sent_has_time check (status <> 'otp_sent' or otp_sent_at is not null),
  constraint abha_registrations_account_known_when_enrolled check (
    status not in ('enrolled', 'address_set', 'linked') or abha_account_id is not null
  ),
  constraint abha_registrations_creation_has_consent check (purpose <> 'create' or consent_id is not null),
  constraint abha_registrations_end_has_time check (
    (status in ('failed', 'expired', 'linked')) = (finished_at is not null)
  )
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
create index abha_registrations_open_idx on abdm.abha_registrations (tenant_id, started_at)
  where status in ('initiated', 'otp_sent', 'otp_verified', 'enrolled', 'address_set');

comment on table abdm.abha_registrations is 'class=phi;scope=tenant;owner=fhir;fhir=Task;retention=medical_record;about=Each attempt to create, verify or link an ABHA, with its outcome.';
comment on column abdm.abha_registrations.patient_id is 'class=phi;about=The patient, null while the person is not registered.';
comment on column abdm.abha_registrations.abha_account_id is 'class=phi;about=The account that came out of it.';
comment on column abdm.abha_registrations.purpose is 'class=operational;about=create, verify, link, address_create or reactivate.';
comment on column abdm.abha_registrations.method is 'class=operational;about=aadhaar_otp, aadhaar_biometric, mobile_otp, driving_licence, abha_number_otp, abha_address_otp or scan_share.';
comment on column abdm.abha_registrations.txn_id is 'class=operational;about=ABDM''s id of the flow (txnId).';
comment on column abdm.abha_registrations.request_id is 'class=operational;about=Our id of the attempt; the same one again is the same attempt.';
comment on column abdm.abha_registrations.otp_sent_at is 'class=operational;about=When ABDM sent an OTP. The OTP itself is nowhere.';
comment on column abdm.abha_registrations.otp_attempts is 'class=operational;about=How often an OTP was tried, at most three times.';
comment on column abdm.abha_registrations.mobile_verified is 'class=operational;about=The mobile number was verified on the way.';
comment on column abdm.abha_registrations.consent_id is 'class=operational;about=The consent to create an ABHA; creating one needs it.';
comment on column abdm.abha_registrations.started_at is 'class=operational;about=When the desk began.';
comment on column abdm.abha_registrations.finished_at is 'class=operational;about=When it ended: linked, failed or expired.';
comment on column abdm.abha_registrations.error_code is 'class=operational;about=Code that ABDM gave for the failure.';
comment on column abdm.abha_registrations.error_message is 'class=operational;about=Its text, unless it repeats an identity number.';
comment on column abdm.abha_registrations.operator_user_id is 'class=operational;about=The user at the desk.';
comment on column abdm.abha_registrations.clinic_id is 'class=operational;about=The site.';
comment on column abdm.abha_registrations.status is 'class=operational;about=initiated, otp_sent, otp_verified, enrolled, address_set, linked, failed or expired.';
select core.comment_standard_columns('abdm.abha_registrations');

alter table abdm.abha_registrations enable row level security, force row level security;
create policy tenant_isolation on abdm.abha_registrations
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger abha_registrations_no_aadhaar
  before insert or update of error_code, error_message on abdm.abha_registrations
  for each row execute function core.reject_aadhaar_like('error_code', 'error_message');
create trigger abha_registrations_touch before update on abdm.abha_registrations
  for each row execute function core.update_updated_at_column('row_version');
create trigger abha_registrations_transition before insert or update of status on abdm.abha_registrations
  for each row execute function core.enforce_transition('abdm.abha_registrations', 'status');
select audit.track('abdm.abha_registrations');

insert into core.transition_rules (machine, from_state, to_state, guard, requires_reason, emits_event) values
  ('abdm.abha_registrations', '', 'initiated', null, false, null),
  ('abdm.abha_registrations', 'initiated', 'otp_sent', null, false, null),
  ('abdm.abha_registrations', 'initiated', 'enrolled', 'method scan_share or aadhaar_biometric: no OTP', false, null),
  ('abdm.abha_registrations', 'initiated', 'failed', null, false, null),
  ('abdm.abha_registrations', 'initiated', 'expired', null, false, null),
  ('abdm.abha_registrations', 'otp_sent', 'otp_verified', null, false, null),
  ('abdm.abha_registrations', 'otp_sent', 'failed', null, false, null),
  ('abdm.abha_registrations', 'otp_sent', 'expired', null, false, null),
  ('abdm.abha_registrations', 'otp_verified', 'enrolled', null, false, null),
  ('abdm.abha_registrations', 'otp_verified', 'failed', null, false, null),
  ('abdm.abha_registrations', 'otp_verified', 'expired', null, false, null),
  ('abdm.abha_registrations', 'enrolled', 'address_set', null, false, null),
  ('abdm.abha_registrations', 'enrolled', 'linked', null, false, null),
  ('abdm.abha_registrations', 'enrolled', 'failed', null, false, null),
  ('abdm.abha_registrations', 'enrolled', 'expired', null, false, null),
  ('abdm.abha_registrations', 'address_set', 'linked', null, false, null),
  ('abdm.abha_registrations', 'address_set', 'failed', null, false, null),
  ('abdm.abha_registrations', 'address_set', 'expired', null, false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on abdm.abha_registrations to fhir_app;
grant select on abdm.abha_registrations to fhir_ro;
