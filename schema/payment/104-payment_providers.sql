-- payment.payment_providers: Configured gateways and rails.

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
  priority smallint not null,
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
  constraint payment_providers_secret_ref_rule check (secret_ref ~ '^(vault|kms|env)://'),
  constraint payment_providers_config_rule check (
    not config ?| array['secret','password','key','token','private_key']
  )
);

alter table payment.payment_providers add constraint payment_providers_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

comment on table payment.payment_providers is 'class=financial;scope=tenant;owner=payment_gateway;fhir=none;retention=financial;about=Configured gateways and rails.';
comment on column payment.payment_providers.code is 'class=financial;about=?';
comment on column payment.payment_providers.kind is 'class=financial;about=?';
comment on column payment.payment_providers.display is 'class=financial;about=?';
comment on column payment.payment_providers.secret_ref is 'class=financial;about=?';
comment on column payment.payment_providers.webhook_secret_ref is 'class=financial;about=?';
comment on column payment.payment_providers.config is 'class=financial;about=?';
comment on column payment.payment_providers.supports_refund is 'class=financial;about=?';
comment on column payment.payment_providers.currencies is 'class=financial;about=?';
comment on column payment.payment_providers.priority is 'class=financial;about=?';
comment on column payment.payment_providers.status is 'class=financial;about=?';
select core.comment_standard_columns('payment.payment_providers');

alter table payment.payment_providers enable row level security;
alter table payment.payment_providers force row level security;
create policy tenant_isolation on payment.payment_providers
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger payment_providers_touch before update on payment.payment_providers
  for each row execute function core.update_updated_at_column('row_version');
create trigger payment_providers_transition before insert or update of status on payment.payment_providers
  for each row execute function core.enforce_transition('payment.payment_providers', 'status');
select audit.track('payment.payment_providers');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('payment.payment_providers', '', 'active', false, null),
  ('payment.payment_providers', 'active', 'disabled', false, null),
  ('payment.payment_providers', 'disabled', 'active', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on payment.payment_providers to payment_gateway_app;
grant select on payment.payment_providers to payment_gateway_ro;
