-- abdm.linking_transactions: one exchange of milestone M2: a link token, a link that we start (HIP-initiated), a discovery by
-- the patient, a link by the patient. A discovery finds exactly one patient or none. The OTP that we send to the patient is
-- kept as a hash, lives some minutes and may be tried three times.

create table abdm.linking_transactions (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  kind text not null,
  request_id uuid not null,
  transaction_id uuid,
  hip_id text not null,
  abha_address text,
  patient_id uuid,
  matched_by text[],
  requested_identifiers_enc bytea,
  context_ids uuid[] not null default '{}',
  context_count integer generated always as (cardinality(context_ids)) stored,
  link_ref_number text,
  otp_hash bytea,
  otp_expires_at timestamptz,
  otp_attempts smallint not null default 0,
  token_enc bytea,
  token_expires_at timestamptz,
  error_code text,
  responded_at timestamptz,
  status text not null default 'received',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint linking_transactions_pkey primary key (tenant_id, id),
  constraint linking_transactions_request_key unique (tenant_id, request_id),
  constraint linking_transactions_kind_known check (
    kind in ('link_token', 'hip_initiated', 'user_initiated_discovery', 'user_initiated_link')
  ),
  constraint linking_transactions_status_known check (
    status in ('received', 'matched', 'not_found', 'failed', 'confirmed', 'otp_sent', 'expired')
  ),
  constraint linking_transactions_matched_by_known check (
    matched_by <@ array['MOBILE', 'ABHA_NUMBER', 'MR', 'abhaAddress']
  ),
  constraint linking_transactions_mr_number_alone_matches_nobody check (matched_by <> array['MR']),
  constraint linking_transactions_match_is_one_patient check (
    status not in ('matched', 'otp_sent') or patient_id is not null
  ),
  constraint linking_transactions_not_found_is_no_patient check (status <> 'not_found' or patient_id is null),
  constraint linking_transactions_address_form check (
    core.valid_abha_address(abha_address) and abha_address = lower(abha_address)
  ),
  constraint linking_transactions_at_most_3_otp_attempts check (otp_attempts between 0 and 3),
  constraint linking_transactions_otp_whole check (
    status <> 'otp_sent' or num_nonnulls(link_ref_number, otp_hash, otp_expires_at) = 3
  ),
  constraint linking_transactions_otp_hash_is_sha256 check (octet_length(otp_hash) = 32),
  constraint linking_transactions_token_expires check (
    kind <> 'link_token' or status <> 'confirmed' or num_nonnulls(token_enc, token_expires_at) = 2
  )
);

alter table abdm.linking_transactions add constraint linking_transactions_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table abdm.linking_transactions add constraint linking_transactions_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);

create unique index linking_transactions_link_ref_number_key on abdm.linking_transactions (tenant_id, link_ref_number)
  where link_ref_number is not null;
create index linking_transactions_patient_idx on abdm.linking_transactions (tenant_id, patient_id)
  where patient_id is not null;
create index linking_transactions_transaction_idx on abdm.linking_transactions (tenant_id, transaction_id)
  where transaction_id is not null;
create index linking_transactions_token_idx on abdm.linking_transactions (tenant_id, abha_address, token_expires_at)
  where kind = 'link_token' and status = 'confirmed';
create index linking_transactions_otp_idx on abdm.linking_transactions (tenant_id, otp_expires_at)
  where status = 'otp_sent';

comment on table abdm.linking_transactions is 'class=phi;scope=tenant;owner=fhir;fhir=Task;retention=medical_record;about=One exchange about linking care contexts: token, discovery, link.';
comment on column abdm.linking_transactions.kind is 'class=operational;about=link_token, hip_initiated, user_initiated_discovery or user_initiated_link.';
comment on column abdm.linking_transactions.request_id is 'class=operational;about=REQUEST-ID of the exchange; the same one again gets the same answer.';
comment on column abdm.linking_transactions.transaction_id is 'class=operational;about=ABDM''s transactionId, which ties a link to its discovery.';
comment on column abdm.linking_transactions.hip_id is 'class=operational;about=Network id of the site.';
comment on column abdm.linking_transactions.abha_address is 'class=pii;about=ABHA address of the person, in lower case.';
comment on column abdm.linking_transactions.patient_id is 'class=phi;about=The one patient, null when none was found.';
comment on column abdm.linking_transactions.matched_by is 'class=operational;about=What the patient was found by: MOBILE, ABHA_NUMBER, abhaAddress, and MR beside one of them.';
comment on column abdm.linking_transactions.requested_identifiers_enc is 'class=pii;enc=1;about=The identifiers that a discovery came with, encrypted.';
comment on column abdm.linking_transactions.context_ids is 'class=phi;about=Care contexts that were offered, or are to be linked.';
comment on column abdm.linking_transactions.context_count is 'class=operational;about=How many they are.';
comment on column abdm.linking_transactions.link_ref_number is 'class=operational;about=Our number of a link that waits for its OTP.';
comment on column abdm.linking_transactions.otp_hash is 'class=operational;about=SHA-256 of link_ref_number and OTP, made by the application. Emptied when the exchange ends.';
comment on column abdm.linking_transactions.otp_expires_at is 'class=operational;about=Until when the OTP may be used.';
comment on column abdm.linking_transactions.otp_attempts is 'class=operational;about=How often a wrong OTP came, at most three times.';
comment on column abdm.linking_transactions.token_enc is 'class=operational;enc=1;about=Link token (X-LINK-TOKEN), encrypted.';
comment on column abdm.linking_transactions.token_expires_at is 'class=operational;about=Until when the link token may be used.';
comment on column abdm.linking_transactions.error_code is 'class=operational;about=Why it failed: ABDM''s code or ours.';
comment on column abdm.linking_transactions.responded_at is 'class=operational;about=When it was answered, by us or by ABDM.';
comment on column abdm.linking_transactions.status is 'class=operational;about=received, matched, not_found, otp_sent, confirmed, failed or expired.';
select core.comment_standard_columns('abdm.linking_transactions');

alter table abdm.linking_transactions enable row level security, force row level security;
create policy tenant_isolation on abdm.linking_transactions
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger linking_transactions_no_aadhaar
  before insert or update of abha_address, error_code on abdm.linking_transactions
  for each row execute function core.reject_aadhaar_like('abha_address', 'error_code');
create trigger linking_transactions_touch before update on abdm.linking_transactions
  for each row execute function core.update_updated_at_column('row_version');
create trigger linking_transactions_transition before insert or update of status on abdm.linking_transactions
  for each row execute function core.enforce_transition('abdm.linking_transactions', 'status');
select audit.track('abdm.linking_transactions');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('abdm.linking_transactions', '', 'received', false, null),
  ('abdm.linking_transactions', 'received', 'matched', false, null),
  ('abdm.linking_transactions', 'received', 'not_found', false, null),
  ('abdm.linking_transactions', 'received', 'failed', false, null),
  ('abdm.linking_transactions', 'received', 'confirmed', false, null),
  ('abdm.linking_transactions', 'matched', 'otp_sent', false, null),
  ('abdm.linking_transactions', 'matched', 'confirmed', false, null),
  ('abdm.linking_transactions', 'matched', 'failed', false, null),
  ('abdm.linking_transactions', 'matched', 'expired', false, null),
  ('abdm.linking_transactions', 'otp_sent', 'confirmed', false, null),
  ('abdm.linking_transactions', 'otp_sent', 'failed', false, null),
  ('abdm.linking_transactions', 'otp_sent', 'expired', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on abdm.linking_transactions to fhir_app;
grant select on abdm.linking_transactions to fhir_ro;
