-- payment.payment_providers: the gateways, terminals and rails that money comes in by.
--
-- A provider is configured without secrets: secret_ref says where the vault keeps them, and the checks refuse a configuration
-- that looks as if it carried one, or a card number.

create table payment.payment_providers (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  code text not null,
  kind text not null,
  display text not null,
  secret_ref text not null,
  webhook_secret_ref text,
  config jsonb not null default '{}',
  supports_refund boolean not null default false,
  currencies text[] not null default '{}',
  priority smallint not null default 1,
  status text not null default 'active',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint payment_providers_pkey primary key (tenant_id, id),
  constraint payment_providers_code_key unique (tenant_id, code),
  constraint payment_providers_kind_check check (
    kind in ('card', 'upi', 'netbanking', 'wallet', 'cash', 'cheque', 'bank_transfer', 'mobile_money')
  ),
  constraint payment_providers_status_check check (status in ('active', 'disabled')),
  constraint payment_providers_code_form check (code ~ '^[a-z0-9_-]{2,40}$'),
  constraint payment_providers_secret_by_reference check (secret_ref ~ '^(vault|kms|env)://[A-Za-z0-9_./:-]+$'),
  constraint payment_providers_webhook_secret_by_reference check (webhook_secret_ref ~ '^(vault|kms|env)://[A-Za-z0-9_./:-]+$'),
  constraint payment_providers_config_without_secrets check (
    not config ?| array['secret', 'password', 'key', 'token', 'private_key', 'api_key', 'client_secret']
  ),
  constraint payment_providers_no_card_number check (
    core.assert_no_pan(config) and not core.looks_like_pan(code) and not core.looks_like_pan(display)
    and not core.looks_like_pan(secret_ref) and not core.looks_like_pan(webhook_secret_ref)
    and not core.looks_like_pan(currencies::text)
  )
);

alter table payment.payment_providers add constraint payment_providers_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

comment on table payment.payment_providers is 'class=financial;scope=tenant;owner=payment_gateway;fhir=none;retention=financial;about=Configured gateways and rails.';
comment on column payment.payment_providers.code is 'class=operational;about=Short name, such as razorpay or counter-2-terminal.';
comment on column payment.payment_providers.kind is 'class=operational;about=card, upi, netbanking, wallet, cash, cheque, bank_transfer or mobile_money: the main mode.';
comment on column payment.payment_providers.display is 'class=operational;about=Name that people see.';
comment on column payment.payment_providers.secret_ref is 'class=operational;about=Where the credentials are kept: vault://, kms:// or env:// and a path, never the credentials.';
comment on column payment.payment_providers.webhook_secret_ref is 'class=operational;about=Where the secret is kept that signs the provider''s messages.';
comment on column payment.payment_providers.config is 'class=operational;about=Settings without secrets, such as the merchants account.';
comment on column payment.payment_providers.supports_refund is 'class=operational;about=True when refunds go through the provider.';
comment on column payment.payment_providers.currencies is 'class=operational;about=Currencies that it takes, ISO 4217; empty for any.';
comment on column payment.payment_providers.priority is 'class=operational;about=Order in which providers are offered, lowest first.';
comment on column payment.payment_providers.status is 'class=operational;about=active or disabled.';
select core.comment_standard_columns('payment.payment_providers');

alter table payment.payment_providers enable row level security, force row level security;
create policy tenant_isolation on payment.payment_providers
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger payment_providers_touch before update on payment.payment_providers
  for each row execute function core.update_updated_at_column('row_version');
create trigger payment_providers_transition before insert or update of status on payment.payment_providers
  for each row execute function core.enforce_transition('payment.payment_providers', 'status');
select audit.track('payment.payment_providers');

insert into core.transition_rules (machine, from_state, to_state, requires_reason) values
  ('payment.payment_providers', '', 'active', false),
  ('payment.payment_providers', 'active', 'disabled', true),
  ('payment.payment_providers', 'disabled', 'active', false)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on payment.payment_providers to payment_gateway_app;
grant select on payment.payment_providers to payment_gateway_ro;
