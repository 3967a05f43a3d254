-- abdm.consent_requests: milestone M3 as information user (HIU): what a clinician of ours asks a patient's consent for.
-- Past data only, for a stated purpose, with a date on which we erase what we got. Purpose BTG (break the glass) needs open
-- emergency access to that patient.

create table abdm.consent_requests (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  request_id uuid not null,
  consent_request_id uuid,
  patient_id uuid not null,
  abha_address text not null,
  hiu_id text not null,
  hip_id text,
  requester_user_id uuid not null,
  requester_registration text not null,
  purpose text not null,
  hi_types text[] not null,
  access_mode text not null,
  data_from timestamptz not null,
  data_to timestamptz not null,
  data_erase_at timestamptz not null,
  frequency_unit text not null,
  frequency_value smallint not null,
  frequency_repeats smallint not null,
  decided_at timestamptz,
  error_code text,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint consent_requests_pkey primary key (tenant_id, id),
  constraint consent_requests_request_key unique (tenant_id, request_id),
  constraint consent_requests_purpose_known check (
    purpose in ('CAREMGT', 'BTG', 'PUBHLTH', 'HPAYMT', 'DSRCH', 'PATRQT')
  ),
  constraint consent_requests_access_mode_known check (access_mode in ('VIEW', 'STORE', 'QUERY', 'STREAM')),
  constraint consent_requests_frequency_unit_known check (frequency_unit in ('HOUR', 'DAY', 'WEEK', 'MONTH', 'YEAR')),
  constraint consent_requests_frequency_not_negative check (frequency_value >= 0 and frequency_repeats >= 0),
  constraint consent_requests_status_known check (
    status in ('draft', 'requested', 'failed', 'granted', 'denied', 'expired', 'revoked')
  ),
  constraint consent_requests_address_form check (
    core.valid_abha_address(abha_address) and abha_address = lower(abha_address)
  ),
  constraint consent_requests_window_has_length check (data_from < data_to),
  constraint consent_requests_past_data_only check (data_to <= created_at),
  constraint consent_requests_erase_in_future check (data_erase_at > created_at),
  constraint consent_requests_some_hi_type check (cardinality(hi_types) > 0),
  constraint consent_requests_requested_has_network_id check (
    status in ('draft', 'failed') or consent_request_id is not null
  ),
  constraint consent_requests_decision_has_time check (
    status not in ('granted', 'denied', 'revoked') or decided_at is not null
  )
);

alter table abdm.consent_requests add constraint consent_requests_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table abdm.consent_requests add constraint consent_requests_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table abdm.consent_requests add constraint consent_requests_requester_user_fkey
  foreign key (tenant_id, requester_user_id) references auth.users (tenant_id, id);

create unique index consent_requests_consent_request_key on abdm.consent_requests (tenant_id, consent_request_id)
  where consent_request_id is not null;
create index consent_requests_patient_idx on abdm.consent_requests (tenant_id, patient_id);
create index consent_requests_requester_user_idx on abdm.consent_requests (tenant_id, requester_user_id);

comment on table abdm.consent_requests is 'class=phi;scope=tenant;owner=fhir;fhir=Consent;retention=medical_record;about=What we ask a patient''s consent for, as an information user.';
comment on column abdm.consent_requests.request_id is 'class=operational;about=REQUEST-ID that we sent; the same one again is the same request.';
comment on column abdm.consent_requests.consent_request_id is 'class=operational;about=The consent manager''s id of the request.';
comment on column abdm.consent_requests.patient_id is 'class=phi;about=The patient.';
comment on column abdm.consent_requests.abha_address is 'class=pii;about=ABHA address that was asked, in lower case.';
comment on column abdm.consent_requests.hiu_id is 'class=operational;about=Network id of our site.';
comment on column abdm.consent_requests.hip_id is 'class=operational;about=Network id of the one site that is asked, null for all.';
comment on column abdm.consent_requests.requester_user_id is 'class=operational;about=The clinician who asks.';
comment on column abdm.consent_requests.requester_registration is 'class=operational;about=Their registration number with the medical council, which the patient is shown.';
comment on column abdm.consent_requests.purpose is 'class=operational;about=CAREMGT (care), BTG (emergency), PUBHLTH, HPAYMT (payment), DSRCH (research) or PATRQT (the patient asked).';
comment on column abdm.consent_requests.hi_types is 'class=operational;about=Kinds of record: codes of value set urn:abdm:hi-types.';
comment on column abdm.consent_requests.access_mode is 'class=operational;about=VIEW, STORE, QUERY or STREAM.';
comment on column abdm.consent_requests.data_from is 'class=operational;about=Beginning of the period of records.';
comment on column abdm.consent_requests.data_to is 'class=operational;about=End of that period, not in the future.';
comment on column abdm.consent_requests.data_erase_at is 'class=operational;about=When we erase what we got.';
comment on column abdm.consent_requests.frequency_unit is 'class=operational;about=HOUR, DAY, WEEK, MONTH or YEAR.';
comment on column abdm.consent_requests.frequency_value is 'class=operational;about=Length of the window in that unit; 0 counts as 1.';
comment on column abdm.consent_requests.frequency_repeats is 'class=operational;about=How many transfers a window allows beyond the first.';
comment on column abdm.consent_requests.decided_at is 'class=operational;about=When we heard of the patient''s decision.';
comment on column abdm.consent_requests.error_code is 'class=operational;about=ABDM''s code when the request failed.';
comment on column abdm.consent_requests.status is 'class=operational;about=draft, requested, granted, denied, expired, revoked or failed.';
select core.comment_standard_columns('abdm.consent_requests');

alter table abdm.consent_requests enable row level security, force row level security;
create policy tenant_isolation on abdm.consent_requests
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger consent_requests_emergency before insert or update of purpose on abdm.consent_requests
  for each row execute function abdm.check_emergency_consent();
create trigger consent_requests_hi_types before insert or update of hi_types on abdm.consent_requests
  for each row execute function abdm.check_hi_types('hi_types');
create trigger consent_requests_no_aadhaar
  before insert or update of abha_address, requester_registration, error_code on abdm.consent_requests
  for each row execute function core.reject_aadhaar_like('abha_address', 'requester_registration', 'error_code');
create trigger consent_requests_touch before update on abdm.consent_requests
  for each row execute function core.update_updated_at_column('row_version');
create trigger consent_requests_transition before insert or update of status on abdm.consent_requests
  for each row execute function core.enforce_transition('abdm.consent_requests', 'status');
select audit.track('abdm.consent_requests');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('abdm.consent_requests', '', 'draft', false, null),
  ('abdm.consent_requests', 'draft', 'requested', false, null),
  ('abdm.consent_requests', 'draft', 'failed', false, null),
  ('abdm.consent_requests', 'requested', 'granted', false, null),
  ('abdm.consent_requests', 'requested', 'denied', false, null),
  ('abdm.consent_requests', 'requested', 'expired', false, null),
  ('abdm.consent_requests', 'requested', 'failed', false, null),
  ('abdm.consent_requests', 'granted', 'revoked', false, null),
  ('abdm.consent_requests', 'granted', 'expired', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on abdm.consent_requests to fhir_app;
grant select on abdm.consent_requests to fhir_ro;
