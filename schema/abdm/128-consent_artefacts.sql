-- abdm.consent_artefacts: Signed consent artefacts, on either side; the only licence to move data.
-- RULE to build: detail, signature and permission columns immutable (trigger)

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
  hi_types text[] not null default '{}',
  access_mode text not null,
  data_from timestamptz not null,
  data_to timestamptz not null,
  data_erase_at timestamptz not null,
  frequency_unit text not null,
  frequency_value smallint not null,
  frequency_repeats smallint not null,
  detail jsonb not null default '{}',
  signature text not null,
  signature_valid boolean,
  signature_checked_at timestamptz,
  granted_at timestamptz not null,
  revoked_at timestamptz,
  expired_at timestamptz,
  status abdm.consent_status not null default 'received',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint consent_artefacts_pkey primary key (tenant_id, id),
  constraint consent_artefacts_role_artefact_key unique (tenant_id, role, artefact_id),
  constraint consent_artefacts_role_check check (role in ('HIP', 'HIU')),
  constraint consent_artefacts_granted_complete check (status <> 'granted' or signature_valid),
  constraint consent_artefacts_data_from_rule check (data_from < data_to)
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

comment on table abdm.consent_artefacts is 'class=phi;scope=tenant;owner=fhir;fhir=Consent;retention=medical_record;about=Signed consent artefacts, on either side; the only licence to move data.';
comment on column abdm.consent_artefacts.artefact_id is 'class=phi;about=?';
comment on column abdm.consent_artefacts.role is 'class=phi;about=?';
comment on column abdm.consent_artefacts.consent_request_id is 'class=phi;about=?';
comment on column abdm.consent_artefacts.patient_id is 'class=phi;about=The patient.';
comment on column abdm.consent_artefacts.abha_address is 'class=phi;about=?';
comment on column abdm.consent_artefacts.hip_id is 'class=phi;about=?';
comment on column abdm.consent_artefacts.hiu_id is 'class=phi;about=?';
comment on column abdm.consent_artefacts.consent_manager_id is 'class=phi;about=?';
comment on column abdm.consent_artefacts.schema_version is 'class=phi;about=?';
comment on column abdm.consent_artefacts.purpose is 'class=phi;about=?';
comment on column abdm.consent_artefacts.hi_types is 'class=phi;about=?';
comment on column abdm.consent_artefacts.access_mode is 'class=phi;about=?';
comment on column abdm.consent_artefacts.data_from is 'class=phi;about=?';
comment on column abdm.consent_artefacts.data_to is 'class=phi;about=?';
comment on column abdm.consent_artefacts.data_erase_at is 'class=phi;about=?';
comment on column abdm.consent_artefacts.frequency_unit is 'class=phi;about=?';
comment on column abdm.consent_artefacts.frequency_value is 'class=phi;about=?';
comment on column abdm.consent_artefacts.frequency_repeats is 'class=phi;about=?';
comment on column abdm.consent_artefacts.detail is 'class=phi;about=?';
comment on column abdm.consent_artefacts.signature is 'class=phi;about=?';
comment on column abdm.consent_artefacts.signature_valid is 'class=phi;about=?';
comment on column abdm.consent_artefacts.signature_checked_at is 'class=phi;about=?';
comment on column abdm.consent_artefacts.granted_at is 'class=phi;about=?';
comment on column abdm.consent_artefacts.revoked_at is 'class=phi;about=?';
comment on column abdm.consent_artefacts.expired_at is 'class=phi;about=?';
comment on column abdm.consent_artefacts.status is 'class=phi;about=?';
select core.comment_standard_columns('abdm.consent_artefacts');

alter table abdm.consent_artefacts enable row level security;
alter table abdm.consent_artefacts force row level security;
create policy tenant_isolation on abdm.consent_artefacts
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger consent_artefacts_touch before update on abdm.consent_artefacts
  for each row execute function core.update_updated_at_column('row_version');
create trigger consent_artefacts_transition before insert or update of status on abdm.consent_artefacts
  for each row execute function core.enforce_transition('abdm.consent_artefacts', 'status');
select audit.track('abdm.consent_artefacts');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('abdm.consent_artefacts', '', 'received', false, null),
  ('abdm.consent_artefacts', 'received', 'granted', false, null),
  ('abdm.consent_artefacts', 'received', 'invalid', false, null),
  ('abdm.consent_artefacts', 'granted', 'revoked', false, null),
  ('abdm.consent_artefacts', 'granted', 'expired', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on abdm.consent_artefacts to fhir_app;
grant select on abdm.consent_artefacts to fhir_ro;
