-- payment.payment_intents: An intention to collect an amount; idempotent.

create table payment.payment_intents (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  intent_number text not null,
  idempotency_key text not null,
  patient_id uuid,
  account_id uuid,
  purpose text not null,
  amount numeric(14, 2) not null,
  currency text not null default 'INR',
  provider_id uuid,
  channel text not null,
  return_url text,
  expires_at timestamptz not null,
  failure_code text,
  payment_id uuid,
  status text not null default 'created',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint payment_intents_pkey primary key (tenant_id, id),
  constraint payment_intents_idempotency_key_key unique (tenant_id, idempotency_key),
  constraint payment_intents_intent_number_key unique (tenant_id, intent_number),
  constraint payment_intents_purpose_check check (purpose in ('invoice', 'advance', 'appointment', 'pharmacy')),
  constraint payment_intents_currency_form check (currency ~ '^[A-Z]{3}$'),
  constraint payment_intents_status_check check (
    status in ('created', 'requires_action', 'processing', 'cancelled', 'expired', 'failed', 'succeeded')
  ),
  constraint payment_intents_amount_rule check (amount > 0),
  constraint payment_intents_succeeded_complete check (status <> 'succeeded' or payment_id is not null)
);

alter table payment.payment_intents add constraint payment_intents_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table payment.payment_intents add constraint payment_intents_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table payment.payment_intents add constraint payment_intents_account_fkey
  foreign key (tenant_id, account_id) references billing.accounts (tenant_id, id);
alter table payment.payment_intents add constraint payment_intents_provider_fkey
  foreign key (tenant_id, provider_id) references payment.payment_providers (tenant_id, id);
alter table payment.payment_intents add constraint payment_intents_payment_fkey
  foreign key (tenant_id, payment_id) references payment.payments (tenant_id, id) deferrable initially deferred;

create index payment_intents_patient_idx on payment.payment_intents (tenant_id, patient_id)
  where patient_id is not null;
create index payment_intents_account_idx on payment.payment_intents (tenant_id, account_id)
  where account_id is not null;
create index payment_intents_provider_idx on payment.payment_intents (tenant_id, provider_id)
  where provider_id is not null;
create index payment_intents_payment_idx on payment.payment_intents (tenant_id, payment_id)
  where payment_id is not null;

comment on table payment.payment_intents is 'class=financial;scope=tenant;owner=payment_gateway;fhir=none;retention=financial;about=An intention to collect an amount; idempotent.';
comment on column payment.payment_intents.intent_number is 'class=financial;about=?';
comment on column payment.payment_intents.idempotency_key is 'class=financial;about=Same key, same answer.';
comment on column payment.payment_intents.patient_id is 'class=financial;about=The patient.';
comment on column payment.payment_intents.account_id is 'class=financial;about=?';
comment on column payment.payment_intents.purpose is 'class=financial;about=?';
comment on column payment.payment_intents.amount is 'class=financial;about=?';
comment on column payment.payment_intents.currency is 'class=financial;about=Currency (ISO 4217).';
comment on column payment.payment_intents.provider_id is 'class=financial;about=?';
comment on column payment.payment_intents.channel is 'class=financial;about=?';
comment on column payment.payment_intents.return_url is 'class=financial;about=?';
comment on column payment.payment_intents.expires_at is 'class=financial;about=?';
comment on column payment.payment_intents.failure_code is 'class=financial;about=?';
comment on column payment.payment_intents.payment_id is 'class=financial;about=?';
comment on column payment.payment_intents.status is 'class=financial;about=?';
select core.comment_standard_columns('payment.payment_intents');

alter table payment.payment_intents enable row level security;
alter table payment.payment_intents force row level security;
create policy tenant_isolation on payment.payment_intents
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger payment_intents_touch before update on payment.payment_intents
  for each row execute function core.update_updated_at_column('row_version');
create trigger payment_intents_transition before insert or update of status on payment.payment_intents
  for each row execute function core.enforce_transition('payment.payment_intents', 'status');
select audit.track('payment.payment_intents');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('payment.payment_intents', '', 'created', false, null),
  ('payment.payment_intents', 'created', 'requires_action', false, null),
  ('payment.payment_intents', 'created', 'processing', false, null),
  ('payment.payment_intents', 'created', 'cancelled', false, null),
  ('payment.payment_intents', 'created', 'expired', false, null),
  ('payment.payment_intents', 'requires_action', 'processing', false, null),
  ('payment.payment_intents', 'requires_action', 'cancelled', false, null),
  ('payment.payment_intents', 'requires_action', 'expired', false, null),
  ('payment.payment_intents', 'requires_action', 'failed', false, null),
  ('payment.payment_intents', 'processing', 'succeeded', false, null),
  ('payment.payment_intents', 'processing', 'failed', false, null),
  ('payment.payment_intents', 'failed', 'processing', false, null),
  ('payment.payment_intents', 'failed', 'cancelled', false, null),
  ('payment.payment_intents', 'failed', 'expired', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on payment.payment_intents to payment_gateway_app;
grant select on payment.payment_intents to payment_gateway_ro;
