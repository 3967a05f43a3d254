-- interop.emr_connections: Connections to EPIC, CERNER or any FHIR R4 server.

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
  rate_limit_per_min integer not null,
  circuit_state text not null,
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
  constraint emr_connections_emr_system_base_url_key unique (tenant_id, emr_system, base_url),
  constraint emr_connections_auth_check check (auth in ('smart_backend', 'oauth2_client', 'basic', 'mtls')),
  constraint emr_connections_circuit_state_check check (circuit_state in ('closed', 'open', 'half_open')),
  constraint emr_connections_status_check check (status in ('draft', 'testing', 'active', 'degraded', 'disabled')),
  constraint emr_connections_base_url_rule check (base_url ~ '^https://')
);

alter table interop.emr_connections add constraint emr_connections_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

comment on table interop.emr_connections is 'class=operational;scope=tenant;owner=interop;fhir=Endpoint;retention=operational;about=Connections to EPIC, CERNER or any FHIR R4 server.';
comment on column interop.emr_connections.name is 'class=operational;about=?';
comment on column interop.emr_connections.emr_system is 'class=operational;about=?';
comment on column interop.emr_connections.base_url is 'class=operational;about=?';
comment on column interop.emr_connections.auth is 'class=operational;about=?';
comment on column interop.emr_connections.client_id is 'class=operational;about=?';
comment on column interop.emr_connections.secret_ref is 'class=operational;about=?';
comment on column interop.emr_connections.jwks_kid is 'class=operational;about=?';
comment on column interop.emr_connections.scopes is 'class=operational;about=?';
comment on column interop.emr_connections.rate_limit_per_min is 'class=operational;about=?';
comment on column interop.emr_connections.circuit_state is 'class=operational;about=?';
comment on column interop.emr_connections.last_ok_at is 'class=operational;about=?';
comment on column interop.emr_connections.last_error is 'class=operational;about=?';
comment on column interop.emr_connections.poll_cursors is 'class=operational;about=?';
comment on column interop.emr_connections.capability_hash is 'class=operational;about=?';
comment on column interop.emr_connections.status is 'class=operational;about=?';
select core.comment_standard_columns('interop.emr_connections');

alter table interop.emr_connections enable row level security;
alter table interop.emr_connections force row level security;
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
  ('interop.emr_connections', 'active', 'disabled', false, null),
  ('interop.emr_connections', 'degraded', 'active', false, null),
  ('interop.emr_connections', 'degraded', 'disabled', false, null),
  ('interop.emr_connections', 'disabled', 'active', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on interop.emr_connections to interop_app;
grant select on interop.emr_connections to interop_ro;
