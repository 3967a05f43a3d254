-- abdm.consent_artefacts: signed consent artefacts, on either side: the only licence to move data over the network. One is
-- granted only with a signature that was checked and found right; a wrong one is kept as invalid, for the report. What the
-- patient allowed never changes: the permission, its text and its signature are fixed when the row is written.

create table abdm.consent_artefacts (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  artefact_id uuid not null,
  role text not null,
  consent_request_id uuid,
  patient_id uuid,
  abha_address text not null,
  hip_id text not null,
  hiu_id text not null,
  consent_manager_id text not null,
  schema_version text not null,
  purpose text not null,
  hi_types text[] not null,
  access_mode text not null,
  data_from timestamptz not null,
  data_to timestamptz not null,
  data_erase_at timestamptz not null,
  frequency_unit text not null,
  frequency_value smallint not null,
  frequency_repeats smallint not null,
  detail jsonb not null,
  signature text not null,
  signature_valid boolean,
  signature_checked_at timestamptz,
  granted_at timestamptz not null,
  revoked_at timestamptz,
  expired_at timestamptz,
  last_used_at timestamptz,
  status abdm.consent_status not null default 'received',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint consent_artefacts_pkey primary key (tenant_id, id),
  constraint consent_artefacts_artefact_key unique (tenant_id, role, artefact_id),
  constraint consent_artefacts_role_known check (role in ('HIP', 'HIU')),
  constraint consent_artefacts_purpose_known check (
    purpose in ('CAREMGT', 'BTG', 'PUBHLTH', 'HPAYMT', 'DSRCH', 'PATRQT')
  ),
  constraint consent_artefacts_access_mode_known check (access_mode in ('VIEW', 'STORE', 'QUERY', 'STREAM')),
  constraint consent_artefacts_frequency_unit_known check (frequency_unit in ('HOUR', 'DAY', 'WEEK', 'MONTH', 'YEAR')),
  constraint consent_artefacts_frequency_not_negative check (frequency_value >= 0 and frequency_repeats >= 0),
  constraint consent_artefacts_address_form check (
    core.valid_abha_address(abha_address) and abha_address = lower(abha_address)
  ),
  constraint consent_artefacts_some_hi_type check (cardinality(hi_types) > 0),
  constraint consent_artefacts_window_has_length check (data_from < data_to),
  constraint consent_artefacts_signature_not_empty check (signature <> ''),
  constraint consent_artefacts_check_has_time check ((signature_valid is null) = (signature_checked_at is null)),
  constraint consent_artefacts_granted_only_when_signed check (
    status not in ('granted', 'revoked', 'expired') or coalesce(signature_valid, false)
  ),
  constraint consent_artefacts_invalid_is_not_signed check (status <> 'invalid' or not coalesce(signature_valid, false)),
  constraint consent_artefacts_revoked_has_time check ((status = 'revoked') = (revoked_at is not null)),
  constraint consent_artefacts_expired_has_time check ((status = 'expired') = (expired_at is not null))
);

alter table abdm.consent_artefacts add constraint consent_artefacts_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table abdm.consent_artefacts add constraint consent_artefacts_consent_request_fkey
  foreign key (tenant_id, consent_request_id) references abdm.consent_requests (tenant_id, id);
alter table abdm.consent_artefacts add constraint consent_artefacts_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);

create index consent_artefacts_consent_request_idx on abdm.consent_artefacts (tenant_id, consent_request_id)
  where consent_request_id is not null;
create index consent_artefacts_patient_idx on abdm.consent_artefacts (tenant_id, patient_id)
  where patient_id is not null;
create index consent_artefacts_ending_idx on abdm.consent_artefacts (tenant_id, data_erase_at)
  where status = 'granted';

comment on table abdm.consent_artefacts is 'class=phi;scope=tenant;owner=fhir;fhir=Consent;retention=medical_record;about=Signed consent artefacts on either side, the only licence to move data.';
comment on column abdm.consent_artefacts.artefact_id is 'class=operational;about=The consent manager''s id of the artefact.';
comment on column abdm.consent_artefacts.role is 'class=operational;about=Our side: HIP (we give data) or HIU (we get data).';
comment on column abdm.consent_artefacts.consent_request_id is 'class=operational;about=Our request that it answers, as HIU.';
comment on column abdm.consent_artefacts.patient_id is 'class=phi;about=The patient, null when none of ours was recognised.';
comment on column abdm.consent_artefacts.abha_address is 'class=pii;about=ABHA address of the patient, in lower case.';
comment on column abdm.consent_artefacts.hip_id is 'class=operational;about=Network id of the site that gives.';
comment on column abdm.consent_artefacts.hiu_id is 'class=operational;about=Network id of the site that gets.';
comment on column abdm.consent_artefacts.consent_manager_id is 'class=operational;about=Consent manager that signed it.';
comment on column abdm.consent_artefacts.schema_version is 'class=operational;about=Version of the artefact''s form.';
comment on column abdm.consent_artefacts.purpose is 'class=operational;about=CAREMGT, BTG, PUBHLTH, HPAYMT, DSRCH or PATRQT.';
comment on column abdm.consent_artefacts.hi_types is 'class=operational;about=Kinds of record that may move, as the artefact lists them.';
comment on column abdm.consent_artefacts.access_mode is 'class=operational;about=VIEW, STORE, QUERY or STREAM.';
comment on column abdm.consent_artefacts.data_from is 'class=operational;about=Beginning of the period of records.';
comment on column abdm.consent_artefacts.data_to is 'class=operational;about=End of that period.';
comment on column abdm.consent_artefacts.data_erase_at is 'class=operational;about=dataEraseAt: nothing moves from then on, and what moved is erased.';
comment on column abdm.consent_artefacts.frequency_unit is 'class=operational;about=HOUR, DAY, WEEK, MONTH or YEAR.';
comment on column abdm.consent_artefacts.frequency_value is 'class=operational;about=Length of the window in that unit; 0 counts as 1.';
comment on column abdm.consent_artefacts.frequency_repeats is 'class=operational;about=How many transfers a window allows beyond the first.';
comment on column abdm.consent_artefacts.detail is 'class=phi;about=The artefact''s text as it was signed.';
comment on column abdm.consent_artefacts.signature is 'class=operational;about=The signature over it.';
comment on column abdm.consent_artefacts.signature_valid is 'class=operational;about=What the check against the consent manager''s public key gave.';
comment on column abdm.consent_artefacts.signature_checked_at is 'class=operational;about=When it was checked.';
comment on column abdm.consent_artefacts.granted_at is 'class=operational;about=When the patient granted it.';
comment on column abdm.consent_artefacts.revoked_at is 'class=operational;about=When we heard that the patient took it back.';
comment on column abdm.consent_artefacts.expired_at is 'class=operational;about=When it was found to have run out.';
comment on column abdm.consent_artefacts.last_used_at is 'class=operational;about=When a session was last authorised under it.';
comment on column abdm.consent_artefacts.status is 'class=operational;about=received, granted, invalid, revoked or expired.';
select core.comment_standard_columns('abdm.consent_artefacts');

alter table abdm.consent_artefacts enable row level security, force row level security;
create policy tenant_isolation on abdm.consent_artefacts
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger consent_artefacts_permission_stays before update on abdm.consent_artefacts
  for each row execute function abdm.keep_permission();
create trigger consent_artefacts_no_aadhaar
  before insert on abdm.consent_artefacts
  for each row execute function core.reject_aadhaar_like('abha_address', 'hip_id', 'hiu_id');
create trigger consent_artefacts_touch before update on abdm.consent_artefacts
  for each row execute function core.update_updated_at_column('row_version');
create trigger consent_artefacts_transition before insert or update of status on abdm.consent_artefacts
  for each row execute function core.enforce_transition('abdm.consent_artefacts', 'status');
select audit.track('abdm.consent_artefacts');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('abdm.consent_artefacts', '', 'received', false, null),
  ('abdm.consent_artefacts', 'received', 'granted', false, 'consent.granted.v1'),
  ('abdm.consent_artefacts', 'received', 'invalid', false, null),
  ('abdm.consent_artefacts', 'granted', 'revoked', false, 'consent.revoked.v1'),
  ('abdm.consent_artefacts', 'granted', 'expired', false, 'consent.expired.v1')
on conflict (machine, from_state, to_state) do nothing;

grant select on abdm.consent_artefacts to fhir_app;
grant select on abdm.consent_artefacts to fhir_ro;
