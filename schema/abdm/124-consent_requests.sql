-- abdm.consent_requests: M3 as HIU: what we ask a patient's consent for.
-- RULE to build: purpose<>'BTG' or a break_glass session is open

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
  hi_types text[] not null default '{}',
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
  constraint consent_requests_purpose_check check (
    purpose in ('CAREMGT', 'BTG', 'PUBHLTH', 'HPAYMT', 'DSRCH', 'PATRQT')
  ),
  constraint consent_requests_access_mode_check check (access_mode in ('VIEW', 'STORE', 'QUERY', 'STREAM')),
  constraint consent_requests_frequency_unit_check check (frequency_unit in ('HOUR', 'DAY', 'WEEK', 'MONTH', 'YEAR')),
  constraint consent_requests_status_check check (
    status in ('draft', 'requested', 'failed', 'granted', 'denied', 'expired', 'revoked')
  ),
  constraint consent_requests_data_from_rule check (data_from < data_to),
  constraint consent_requests_data_to_rule check (data_to <= created_at),
  constraint consent_requests_data_erase_at_rule check (data_erase_at > created_at),
  constraint consent_requests_cardinality_rule check (
    cardinality(hi_types) > 0 and hi_types <@ array['OPConsultation','DiagnosticReport','DischargeSummary','Prescription','ImmunizationRecord','HealthDocumentRecord','WellnessRecord','Invoice']
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

comment on table abdm.consent_requests is 'class=phi;scope=tenant;owner=fhir;fhir=Consent (proposal);retention=medical_record;about=M3 as HIU: what we ask a patient''s consent for.';
comment on column abdm.consent_requests.request_id is 'class=phi;about=?';
comment on column abdm.consent_requests.consent_request_id is 'class=phi;about=?';
comment on column abdm.consent_requests.patient_id is 'class=phi;about=The patient.';
comment on column abdm.consent_requests.abha_address is 'class=phi;about=?';
comment on column abdm.consent_requests.hiu_id is 'class=phi;about=?';
comment on column abdm.consent_requests.hip_id is 'class=phi;about=?';
comment on column abdm.consent_requests.requester_user_id is 'class=phi;about=?';
comment on column abdm.consent_requests.requester_registration is 'class=phi;about=?';
comment on column abdm.consent_requests.purpose is 'class=phi;about=?';
comment on column abdm.consent_requests.hi_types is 'class=phi;about=?';
comment on column abdm.consent_requests.access_mode is 'class=phi;about=?';
comment on column abdm.consent_requests.data_from is 'class=phi;about=?';
comment on column abdm.consent_requests.data_to is 'class=phi;about=?';
comment on column abdm.consent_requests.data_erase_at is 'class=phi;about=?';
comment on column abdm.consent_requests.frequency_unit is 'class=phi;about=?';
comment on column abdm.consent_requests.frequency_value is 'class=phi;about=?';
comment on column abdm.consent_requests.frequency_repeats is 'class=phi;about=?';
comment on column abdm.consent_requests.decided_at is 'class=phi;about=?';
comment on column abdm.consent_requests.error_code is 'class=phi;about=?';
comment on column abdm.consent_requests.status is 'class=phi;about=?';
select core.comment_standard_columns('abdm.consent_requests');

alter table abdm.consent_requests enable row level security;
alter table abdm.consent_requests force row level security;
create policy tenant_isolation on abdm.consent_requests
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

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

grant select, insert, update on abdm.consent_requests to fhir_app;
grant select on abdm.consent_requests to fhir_ro;
