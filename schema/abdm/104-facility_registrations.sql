-- abdm.facility_registrations: who a site is on the networks: information provider (HIP), information user (HIU), NHCX
-- provider. Secrets and private keys stay in a vault; a row holds the path. A database that is not marked production
-- cannot hold a registration for production, so that a test system never answers for a hospital.

create table abdm.facility_registrations (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  clinic_id uuid not null,
  role text not null,
  hfr_id text not null,
  network_id text not null,
  bridge_id text,
  callback_url text not null,
  secret_ref text,
  signing_key_kid text,
  certificate text,
  certificate_expires_at timestamptz,
  consent_manager_id text,
  environment text not null,
  milestone_status jsonb not null default '{}',
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint facility_registrations_pkey primary key (tenant_id, id),
  constraint facility_registrations_network_id_key unique (tenant_id, environment, role, network_id),
  constraint facility_registrations_role_known check (
    role in ('HIP', 'HIU', 'HIP_HIU', 'NHCX_PROVIDER', 'HEALTH_LOCKER')
  ),
  constraint facility_registrations_environment_known check (environment in ('sandbox', 'production')),
  constraint facility_registrations_status_known check (
    status in ('draft', 'registered', 'failed', 'active', 'suspended', 'deregistered')
  ),
  constraint facility_registrations_callback_is_https check (callback_url ~ '^https://[^ ]+$'),
  constraint facility_registrations_secret_is_a_path check (secret_ref ~ '^[a-z]+://'),
  constraint facility_registrations_certificate_is_public check (certificate !~ 'PRIVATE KEY'),
  constraint facility_registrations_certificate_has_end check ((certificate is null) = (certificate_expires_at is null)),
  constraint facility_registrations_participant_is_on_the_exchange check (
    role <> 'NHCX_PROVIDER' or network_id ~ '^[^@[:space:]]+@hcx$'
  ),
  constraint facility_registrations_active_participant_has_key check (
    role <> 'NHCX_PROVIDER' or status <> 'active' or (signing_key_kid is not null and certificate is not null)
  ),
  constraint facility_registrations_milestones_by_name check (jsonb_typeof(milestone_status) = 'object')
);

alter table abdm.facility_registrations add constraint facility_registrations_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table abdm.facility_registrations add constraint facility_registrations_clinic_fkey
  foreign key (tenant_id, clinic_id) references facility.clinics (tenant_id, id);

create unique index facility_registrations_one_active_per_clinic
  on abdm.facility_registrations (tenant_id, clinic_id, role, environment)
  where status = 'active';
create index facility_registrations_clinic_idx on abdm.facility_registrations (tenant_id, clinic_id);

comment on table abdm.facility_registrations is 'class=operational;scope=tenant;owner=fhir;fhir=Organization,Endpoint;retention=operational;about=Who a site is on the networks: HIP, HIU, NHCX participant.';
comment on column abdm.facility_registrations.clinic_id is 'class=operational;about=The site.';
comment on column abdm.facility_registrations.role is 'class=operational;about=HIP (gives data), HIU (asks for data), HIP_HIU (both), NHCX_PROVIDER (claims) or HEALTH_LOCKER.';
comment on column abdm.facility_registrations.hfr_id is 'class=operational;about=Number of the site in the Health Facility Registry.';
comment on column abdm.facility_registrations.network_id is 'class=operational;about=Id that the gateway knows the site by: X-HIP-ID, X-HIU-ID or participant code.';
comment on column abdm.facility_registrations.bridge_id is 'class=operational;about=Id of the software (HRP bridge) that answers for the site.';
comment on column abdm.facility_registrations.callback_url is 'class=operational;about=Where the gateway sends its callbacks.';
comment on column abdm.facility_registrations.secret_ref is 'class=operational;about=Path of the client secret in a vault, never the secret.';
comment on column abdm.facility_registrations.signing_key_kid is 'class=operational;about=Key that requests are signed with, by its id.';
comment on column abdm.facility_registrations.certificate is 'class=operational;about=Public certificate, PEM.';
comment on column abdm.facility_registrations.certificate_expires_at is 'class=operational;about=End of the certificate.';
comment on column abdm.facility_registrations.consent_manager_id is 'class=operational;about=Consent manager that the site works with (X-CM-ID), such as sbx or abdm.';
comment on column abdm.facility_registrations.environment is 'class=operational;about=sandbox or production.';
comment on column abdm.facility_registrations.milestone_status is 'class=operational;about=What NHA certified, by milestone: {"M1": {"on": "2026-01-31"}}.';
comment on column abdm.facility_registrations.status is 'class=operational;about=draft, registered, failed, active, suspended or deregistered.';
select core.comment_standard_columns('abdm.facility_registrations');

alter table abdm.facility_registrations enable row level security, force row level security;
create policy tenant_isolation on abdm.facility_registrations
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger facility_registrations_environment before insert or update of environment on abdm.facility_registrations
  for each row execute function abdm.check_environment();
create trigger facility_registrations_no_aadhaar
  before insert or update of hfr_id, network_id, bridge_id on abdm.facility_registrations
  for each row execute function core.reject_aadhaar_like('hfr_id', 'network_id', 'bridge_id');
create trigger facility_registrations_touch before update on abdm.facility_registrations
  for each row execute function core.update_updated_at_column('row_version');
create trigger facility_registrations_transition before insert or update of status on abdm.facility_registrations
  for each row execute function core.enforce_transition('abdm.facility_registrations', 'status');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('abdm.facility_registrations', '', 'draft', false, null),
  ('abdm.facility_registrations', 'draft', 'registered', false, null),
  ('abdm.facility_registrations', 'draft', 'failed', false, null),
  ('abdm.facility_registrations', 'failed', 'draft', false, null),
  ('abdm.facility_registrations', 'registered', 'active', false, null),
  ('abdm.facility_registrations', 'registered', 'suspended', true, null),
  ('abdm.facility_registrations', 'active', 'suspended', true, null),
  ('abdm.facility_registrations', 'active', 'deregistered', true, null),
  ('abdm.facility_registrations', 'suspended', 'active', false, null),
  ('abdm.facility_registrations', 'suspended', 'deregistered', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on abdm.facility_registrations to fhir_app;
grant select on abdm.facility_registrations to fhir_ro;
