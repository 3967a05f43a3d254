-- abdm.linking_transactions: Discovery, link init/confirm and link-token flows, HIP- or patient-initiated.
-- RULE to build: user_initiated discovery returns at most one patient

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
  link_ref_number text,
  otp_hash bytea,
  otp_expires_at timestamptz,
  otp_attempts smallint not null default 0,
  token_enc bytea,
  token_expires_at timestamptz,
  context_count integer not null,
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
  constraint linking_transactions_kind_check check (
    kind in ('link_token', 'hip_initiated', 'user_initiated_discovery', 'user_initiated_link')
  ),
  constraint linking_transactions_status_check check (
    status in ('received', 'matched', 'not_found', 'failed', 'confirmed', 'otp_sent', 'expired')
  ),
  constraint linking_transactions_matched_by_rule check (
    matched_by <@ array['MOBILE','ABHA_NUMBER','MR','abhaAddress']
  ),
  constraint linking_transactions_otp_attempts_rule check (otp_attempts <= 3),
  constraint linking_transactions_link_token_complete check (
    kind <> 'link_token' or status <> 'confirmed' or token_expires_at is not null
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

comment on table abdm.linking_transactions is 'class=phi;scope=tenant;owner=fhir;fhir=Task;retention=medical_record;about=Discovery, link init/confirm and link-token flows, HIP- or patient-initiated.';
comment on column abdm.linking_transactions.kind is 'class=phi;about=?';
comment on column abdm.linking_transactions.request_id is 'class=phi;about=?';
comment on column abdm.linking_transactions.transaction_id is 'class=phi;about=?';
comment on column abdm.linking_transactions.hip_id is 'class=phi;about=?';
comment on column abdm.linking_transactions.abha_address is 'class=phi;about=?';
comment on column abdm.linking_transactions.patient_id is 'class=phi;about=The patient.';
comment on column abdm.linking_transactions.matched_by is 'class=phi;about=?';
comment on column abdm.linking_transactions.requested_identifiers_enc is 'class=phi;enc=1;about=?';
comment on column abdm.linking_transactions.link_ref_number is 'class=phi;about=?';
comment on column abdm.linking_transactions.otp_hash is 'class=phi;about=?';
comment on column abdm.linking_transactions.otp_expires_at is 'class=phi;about=?';
comment on column abdm.linking_transactions.otp_attempts is 'class=phi;about=?';
comment on column abdm.linking_transactions.token_enc is 'class=phi;enc=1;about=?';
comment on column abdm.linking_transactions.token_expires_at is 'class=phi;about=?';
comment on column abdm.linking_transactions.context_count is 'class=phi;about=?';
comment on column abdm.linking_transactions.error_code is 'class=phi;about=?';
comment on column abdm.linking_transactions.responded_at is 'class=phi;about=?';
comment on column abdm.linking_transactions.status is 'class=phi;about=?';
select core.comment_standard_columns('abdm.linking_transactions');

alter table abdm.linking_transactions enable row level security;
alter table abdm.linking_transactions force row level security;
create policy tenant_isolation on abdm.linking_transactions
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

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

grant select, insert, update on abdm.linking_transactions to fhir_app;
grant select on abdm.linking_transactions to fhir_ro;
