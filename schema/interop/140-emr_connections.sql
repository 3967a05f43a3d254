-- interop.emr_connections: connections to the record systems of others (FHIR R4). The circuit breaker is kept here, so
-- that all workers see it: after some failures in a row nobody calls until a pause is over, then one does.

create table interop.emr_connections (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  name text not null,
  emr_system core.emr_system not null,
  base_url text not null,
  auth text not null,
  client_id text,
  secret_ref text,
  jwks_kid text,
  scopes text[] not null default '{}',
  rate_limit_per_min integer not null default 60,
  circuit_state text not null default 'closed',
  failure_count integer not null default 0,
  retry_at timestamptz,
  last_ok_at timestamptz,
  last_error text,
  poll_cursors jsonb not null default '{}',
  capability_hash bytea,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint emr_connections_pkey primary key (tenant_id, id),
  constraint emr_connections_name_key unique (tenant_id, name),
  constraint emr_connections_url_key unique (tenant_id, emr_system, base_url),
  constraint emr_connections_auth_check check (auth in ('smart_backend', 'oauth2_client', 'basic', 'mtls')),
  constraint emr_connections_circuit_state_check check (circuit_state in ('closed', 'open', 'half_open')),
  constraint emr_connections_status_check check (status in ('draft', 'testing', 'active', 'degraded', 'disabled')),
  constraint emr_connections_to_another_system check (emr_system <> 'INTERNAL'),
  constraint emr_connections_url_is_https check (base_url ~ '^https://[^/@]+(/[^@]*)?$'),
  constraint emr_connections_secret_is_a_reference check (secret_ref ~ '^(vault|kms|env)://'),
  constraint emr_connections_rate_limit_check check (rate_limit_per_min between 1 and 10000),
  constraint emr_connections_failures_not_negative check (failure_count >= 0),
  constraint emr_connections_open_circuit_has_retry check ((circuit_state = 'closed') = (retry_at is null))
);

alter table interop.emr_connections add constraint emr_connections_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

comment on table interop.emr_connections is 'class=operational;scope=tenant;owner=interop;fhir=Endpoint;retention=operational;about=Connections to EPIC, CERNER or any FHIR R4 server.';
comment on column interop.emr_connections.name is 'class=operational;about=Name of the connection.';
comment on column interop.emr_connections.emr_system is 'class=operational;about=EPIC, CERNER or GENERIC_FHIR.';
comment on column interop.emr_connections.base_url is 'class=operational;about=Base URL of the FHIR server, https, without credentials.';
comment on column interop.emr_connections.auth is 'class=operational;about=smart_backend, oauth2_client, basic or mtls.';
comment on column interop.emr_connections.client_id is 'class=operational;about=Client id at the authorisation server.';
comment on column interop.emr_connections.secret_ref is 'class=operational;about=Where the secret or key is: vault://, kms:// or env://.';
comment on column interop.emr_connections.jwks_kid is 'class=operational;about=Key id of the public key that the other side knows.';
comment on column interop.emr_connections.scopes is 'class=operational;about=Scopes that are asked for, such as system/Observation.read.';
comment on column interop.emr_connections.rate_limit_per_min is 'class=operational;about=Calls a minute that were agreed.';
comment on column interop.emr_connections.circuit_state is 'class=operational;about=closed (calls go out), open (nobody calls until retry_at) or half_open (one call tries).';
comment on column interop.emr_connections.failure_count is 'class=operational;about=Failures in a row.';
comment on column interop.emr_connections.retry_at is 'class=operational;about=When an open circuit is tried again.';
comment on column interop.emr_connections.last_ok_at is 'class=operational;about=Last call that worked.';
comment on column interop.emr_connections.last_error is 'class=operational;about=Last failure; no patient data.';
comment on column interop.emr_connections.poll_cursors is 'class=operational;about=Where polling stands, by resource type.';
comment on column interop.emr_connections.capability_hash is 'class=operational;about=SHA-256 of the capability statement, to notice changes.';
comment on column interop.emr_connections.status is 'class=operational;about=draft, testing, active, degraded (failing) or disabled.';
select core.comment_standard_columns('interop.emr_connections');

alter table interop.emr_connections enable row level security, force row level security;
create policy tenant_isolation on interop.emr_connections
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger emr_connections_touch before update on interop.emr_connections
  for each row execute function core.update_updated_at_column('row_version');
create trigger emr_connections_transition before insert or update of status on interop.emr_connections
  for each row execute function core.enforce_transition('interop.emr_connections', 'status');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('interop.emr_connections', '', 'draft', false, null),
  ('interop.emr_connections', 'draft', 'testing', false, null),
  ('interop.emr_connections', 'testing', 'active', false, null),
  ('interop.emr_connections', 'testing', 'draft', false, null),
  ('interop.emr_connections', 'active', 'degraded', false, null),
  ('interop.emr_connections', 'active', 'disabled', true, null),
  ('interop.emr_connections', 'degraded', 'active', false, null),
  ('interop.emr_connections', 'degraded', 'disabled', true, null),
  ('interop.emr_connections', 'disabled', 'active', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on interop.emr_connections to interop_app;
grant insert (tenant_id, id, name, emr_system, base_url, auth, client_id, secret_ref, jwks_kid, scopes, rate_limit_per_min)
  on interop.emr_connections to interop_app;
grant update (name, base_url, auth, client_id, secret_ref, jwks_kid, scopes, rate_limit_per_min, row_version)
  on interop.emr_connections to interop_app;
grant select on interop.emr_connections to interop_ro;
