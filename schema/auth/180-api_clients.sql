-- Machine clients and SMART-on-FHIR apps. They prove themselves by a key set of their own or by a secret, never by
-- both.

create table auth.api_clients (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  client_id text not null,
  name text not null,
  owner_user_id uuid not null,
  grant_types text[] not null default '{client_credentials}',
  scopes text[] not null default '{}',
  redirect_uris text[] not null default '{}',
  jwks_uri text,
  secret_hash text,
  ip_allowlist cidr[],
  rate_limit_per_min integer not null default 600,
  expires_at timestamptz,
  status text not null default 'active',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint api_clients_pkey primary key (tenant_id, id),
  constraint api_clients_client_id_key unique (tenant_id, client_id),
  constraint api_clients_status_check check (status in ('active', 'suspended', 'revoked')),
  constraint api_clients_keys_or_secret check (num_nonnulls(jwks_uri, secret_hash) = 1),
  constraint api_clients_jwks_over_https check (jwks_uri ~ '^https://'),
  constraint api_clients_rate_limit_positive check (rate_limit_per_min > 0)
);

alter table auth.api_clients add constraint api_clients_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table auth.api_clients add constraint api_clients_owner_user_fkey
  foreign key (tenant_id, owner_user_id) references auth.users (tenant_id, id);

create index api_clients_owner_user_idx on auth.api_clients (tenant_id, owner_user_id);

comment on table auth.api_clients is 'class=operational;scope=tenant;owner=auth;fhir=Device;retention=operational;about=Machine clients and SMART-on-FHIR apps.';
comment on column auth.api_clients.client_id is 'class=operational;about=Public identifier that the client sends.';
comment on column auth.api_clients.name is 'class=operational;about=Name shown to administrators and on consent pages.';
comment on column auth.api_clients.owner_user_id is 'class=operational;about=User who answers for the client.';
comment on column auth.api_clients.grant_types is 'class=operational;about=OAuth 2.0 grants it may use.';
comment on column auth.api_clients.scopes is 'class=operational;about=Scopes it may ask for.';
comment on column auth.api_clients.redirect_uris is 'class=operational;about=Exact addresses it may be sent back to.';
comment on column auth.api_clients.jwks_uri is 'class=operational;about=Where its public keys are; https only.';
comment on column auth.api_clients.secret_hash is 'class=operational;about=Hash of its secret, when it has no key set.';
comment on column auth.api_clients.ip_allowlist is 'class=operational;about=Networks it may call from; null means any.';
comment on column auth.api_clients.rate_limit_per_min is 'class=operational;about=Requests a minute it may make.';
comment on column auth.api_clients.expires_at is 'class=operational;about=When it stops working; null means never.';
comment on column auth.api_clients.status is 'class=operational;about=active, suspended or revoked (for good).';
select core.comment_standard_columns('auth.api_clients');

alter table auth.api_clients enable row level security, force row level security;
create policy tenant_isolation on auth.api_clients
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger api_clients_touch before update on auth.api_clients
  for each row execute function core.update_updated_at_column('row_version');
create trigger api_clients_transition before insert or update of status on auth.api_clients
  for each row execute function core.enforce_transition('auth.api_clients', 'status');
select audit.track('auth.api_clients');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('auth.api_clients', '', 'active', false, null),
  ('auth.api_clients', 'active', 'suspended', true, null),
  ('auth.api_clients', 'active', 'revoked', true, null),
  ('auth.api_clients', 'suspended', 'active', false, null),
  ('auth.api_clients', 'suspended', 'revoked', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on auth.api_clients to auth_app;
grant select on auth.api_clients to auth_ro;
