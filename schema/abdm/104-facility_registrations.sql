-- abdm.facility_registrations: A site's identities on the networks: HIP, HIU, HRP bridge, NHCX participant.
-- RULE to build: environment='sandbox' or core.environment = production

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
  constraint facility_registrations_environment_role_key unique (tenant_id, environment, role, network_id),
  constraint facility_registrations_role_check check (
    role in ('HIP', 'HIU', 'HIP_HIU', 'NHCX_PROVIDER', 'HEALTH_LOCKER')
  ),
  constraint facility_registrations_environment_check check (environment in ('sandbox', 'production')),
  constraint facility_registrations_status_check check (
    status in ('draft', 'registered', 'failed', 'active', 'suspended', 'deregistered')
  ),
  constraint facility_registrations_callback_url_rule check (callback_url ~ '^https://')
);

alter table abdm.facility_registrations add constraint facility_registrations_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table abdm.facility_registrations add constraint facility_registrations_clinic_fkey
  foreign key (tenant_id, clinic_id) references facility.clinics (tenant_id, id);

create unique index facility_registrations_clinic_role_key on abdm.facility_registrations (tenant_id, clinic_id, role, environment)
  where status = 'active';
create index facility_registrations_clinic_idx on abdm.facility_registrations (tenant_id, clinic_id);

comment on table abdm.facility_registrations is 'class=operational;scope=tenant;owner=fhir;fhir=Organization,Endpoint;retention=operational;about=A site''s identities on the networks: HIP, HIU, HRP bridge, NHCX participant.';
comment on column abdm.facility_registrations.clinic_id is 'class=operational;about=The clinic.';
comment on column abdm.facility_registrations.role is 'class=operational;about=?';
comment on column abdm.facility_registrations.hfr_id is 'class=operational;about=?';
comment on column abdm.facility_registrations.network_id is 'class=operational;about=?';
comment on column abdm.facility_registrations.bridge_id is 'class=operational;about=?';
comment on column abdm.facility_registrations.callback_url is 'class=operational;about=?';
comment on column abdm.facility_registrations.secret_ref is 'class=operational;about=?';
comment on column abdm.facility_registrations.signing_key_kid is 'class=operational;about=?';
comment on column abdm.facility_registrations.certificate is 'class=operational;about=?';
comment on column abdm.facility_registrations.certificate_expires_at is 'class=operational;about=?';
comment on column abdm.facility_registrations.consent_manager_id is 'class=operational;about=?';
comment on column abdm.facility_registrations.environment is 'class=operational;about=?';
comment on column abdm.facility_registrations.milestone_status is 'class=operational;about=?';
comment on column abdm.facility_registrations.status is 'class=operational;about=?';
select core.comment_standard_columns('abdm.facility_registrations');

alter table abdm.facility_registrations enable row level security;
alter table abdm.facility_registrations force row level security;
create policy tenant_isolation on abdm.facility_registrations
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

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
  ('abdm.facility_registrations', 'registered', 'suspended', false, null),
  ('abdm.facility_registrations', 'active', 'suspended', false, null),
  ('abdm.facility_registrations', 'active', 'deregistered', false, null),
  ('abdm.facility_registrations', 'suspended', 'active', false, null),
  ('abdm.facility_registrations', 'suspended', 'deregistered', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on abdm.facility_registrations to fhir_app;
grant select on abdm.facility_registrations to fhir_ro;
