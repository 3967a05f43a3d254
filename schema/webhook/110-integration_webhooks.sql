-- webhook.integration_webhooks: registered endpoints, inbound sources and FHIR subscriptions.
-- The database keeps the name of a secret, never the secret. That a host resolves to a public address is checked by the
-- sender at the moment of sending: DNS answers change after a row was written.

create table webhook.integration_webhooks (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  code text not null,
  direction text not null,
  kind text not null default 'generic',
  url text,
  event_types text[] not null default '{}',
  criteria text,
  secret_ref text not null,
  signature_alg text not null default 'hmac_sha256',
  max_attempts smallint not null default 12,
  timeout_ms integer not null default 10000,
  backoff jsonb not null default '{"base_ms": 1000, "factor": 2, "max_ms": 3600000}',
  ip_allowlist cidr[],
  failure_count integer not null default 0,
  disabled_reason text,
  status text not null default 'active',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint integration_webhooks_pkey primary key (tenant_id, id),
  constraint integration_webhooks_code_key unique (tenant_id, code),
  constraint integration_webhooks_direction_known check (direction in ('in', 'out')),
  constraint integration_webhooks_kind_known check (
    kind in ('generic', 'fhir_subscription', 'payment', 'abdm', 'nhcx', 'lab_partner')
  ),
  constraint integration_webhooks_signature_alg_known check (signature_alg in ('hmac_sha256', 'ed25519', 'provider')),
  constraint integration_webhooks_status_known check (status in ('active', 'paused', 'disabled')),
  constraint integration_webhooks_secret_by_reference check (secret_ref ~ '^(vault|kms|env)://'),
  -- no user:password@ in the address: it would end up in logs
  constraint integration_webhooks_out_is_https check (
    direction <> 'out' or (url is not null and url ~ '^https://[^/@[:space:]]+([/?#][^[:space:]]*)?$')
  ),
  constraint integration_webhooks_max_attempts_range check (max_attempts between 1 and 20),
  constraint integration_webhooks_timeout_range check (timeout_ms between 100 and 60000),
  constraint integration_webhooks_failure_count_range check (failure_count >= 0),
  constraint integration_webhooks_backoff_form check (
    jsonb_typeof(backoff) = 'object'
    and (backoff ->> 'base_ms')::numeric between 1 and 3600000
    and (backoff ->> 'factor')::numeric between 1 and 10
    and (backoff ->> 'max_ms')::numeric between 1 and 86400000
  )
);

alter table webhook.integration_webhooks
  add constraint integration_webhooks_tenant_fkey foreign key (tenant_id) references core.tenants (id);

comment on table webhook.integration_webhooks is 'class=operational;scope=tenant;owner=interop;fhir=Subscription;retention=operational;about=A registered endpoint, inbound source or FHIR subscription.';
comment on column webhook.integration_webhooks.code is 'class=operational;about=Short name that operations call it by, unique in the tenant.';
comment on column webhook.integration_webhooks.direction is 'class=operational;about=in: somebody calls us; out: we call somebody.';
comment on column webhook.integration_webhooks.kind is 'class=operational;about=generic, fhir_subscription, payment, abdm, nhcx or lab_partner.';
comment on column webhook.integration_webhooks.url is 'class=operational;about=Where outgoing events are posted to, https only.';
comment on column webhook.integration_webhooks.event_types is 'class=operational;about=Event types that are sent or accepted; empty means all.';
comment on column webhook.integration_webhooks.criteria is 'class=operational;about=FHIR search that a subscription listens to.';
comment on column webhook.integration_webhooks.secret_ref is 'class=operational;about=Where the signing secret is kept, such as vault://hooks/payments; never the secret.';
comment on column webhook.integration_webhooks.signature_alg is 'class=operational;about=hmac_sha256, ed25519, or provider for the sender''s own scheme.';
comment on column webhook.integration_webhooks.max_attempts is 'class=operational;about=Attempts before an event is parked as dead, 1 to 20.';
comment on column webhook.integration_webhooks.timeout_ms is 'class=operational;about=How long an attempt may take, in milliseconds.';
comment on column webhook.integration_webhooks.backoff is 'class=operational;about=Waiting time between attempts: base_ms times factor for every further attempt, at most max_ms.';
comment on column webhook.integration_webhooks.ip_allowlist is 'class=operational;about=Networks that an inbound source may call from; null for any.';
comment on column webhook.integration_webhooks.failure_count is 'class=operational;about=Failed attempts since the last success; 10 and more show as failing.';
comment on column webhook.integration_webhooks.disabled_reason is 'class=operational;about=Why it was disabled.';
comment on column webhook.integration_webhooks.status is 'class=operational;about=active, paused (events wait) or disabled (events are refused).';

select core.comment_standard_columns('webhook.integration_webhooks');

alter table webhook.integration_webhooks enable row level security, force row level security;

create policy tenant_isolation on webhook.integration_webhooks
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger integration_webhooks_touch before update on webhook.integration_webhooks
  for each row execute function core.update_updated_at_column('row_version');

create trigger integration_webhooks_transition before insert or update of status on webhook.integration_webhooks
  for each row execute function core.enforce_transition('webhook.integration_webhooks', 'status');

select audit.track('webhook.integration_webhooks');

insert into core.transition_rules (machine, from_state, to_state) values
  ('webhook.integration_webhooks', '', 'active'),
  ('webhook.integration_webhooks', 'active', 'paused'),
  ('webhook.integration_webhooks', 'active', 'disabled'),
  ('webhook.integration_webhooks', 'paused', 'active'),
  ('webhook.integration_webhooks', 'paused', 'disabled'),
  ('webhook.integration_webhooks', 'disabled', 'active')
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on webhook.integration_webhooks to interop_app;
grant select on webhook.integration_webhooks to interop_ro;
