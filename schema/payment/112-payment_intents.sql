-- payment.payment_intents: the intention to collect an amount, made before anybody is sent to a provider.
--
-- One key is one intent, so a payment page that is opened twice collects once. An intent ends in one payment, or cancelled
-- or expired; money that comes in after its end is recorded all the same, as an advance.

create table payment.payment_intents (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  intent_number text not null,
  idempotency_key text not null,
  patient_id uuid,
  account_id uuid,
  clinic_id uuid not null,
  purpose text not null,
  amount numeric(14, 2) not null,
  currency text not null,
  items jsonb not null,
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
  constraint payment_intents_no_nan check (amount <> 'NaN'),
  constraint payment_intents_one_per_key unique (tenant_id, idempotency_key),
  constraint payment_intents_number_key unique (tenant_id, intent_number),
  constraint payment_intents_purpose_check check (purpose in ('invoice', 'advance', 'appointment', 'pharmacy')),
  constraint payment_intents_currency_form check (currency ~ '^[A-Z]{3}$'),
  constraint payment_intents_status_check check (
    status in ('created', 'requires_action', 'processing', 'cancelled', 'expired', 'failed', 'succeeded')
  ),
  constraint payment_intents_amount_positive check (amount > 0),
  constraint payment_intents_items_are_a_list check (jsonb_typeof(items) = 'array'),
  constraint payment_intents_no_card_number check (
    core.assert_no_pan(items) and not core.looks_like_pan(return_url) and not core.looks_like_pan(intent_number)
    and not core.looks_like_pan(idempotency_key) and not core.looks_like_pan(channel) and not core.looks_like_pan(failure_code)
  ),
  constraint payment_intents_succeeded_has_payment check (status <> 'succeeded' or payment_id is not null)
);

alter table payment.payment_intents add constraint payment_intents_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table payment.payment_intents add constraint payment_intents_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table payment.payment_intents add constraint payment_intents_account_fkey
  foreign key (tenant_id, account_id) references billing.accounts (tenant_id, id);
alter table payment.payment_intents add constraint payment_intents_clinic_fkey
  foreign key (tenant_id, clinic_id) references facility.clinics (tenant_id, id);
alter table payment.payment_intents add constraint payment_intents_provider_fkey
  foreign key (tenant_id, provider_id) references payment.payment_providers (tenant_id, id);
alter table payment.payment_intents add constraint payment_intents_payment_fkey
  foreign key (tenant_id, payment_id) references payment.payments (tenant_id, id) deferrable initially deferred;

create index payment_intents_patient_idx on payment.payment_intents (tenant_id, patient_id)
  where patient_id is not null;
create index payment_intents_account_idx on payment.payment_intents (tenant_id, account_id)
  where account_id is not null;
create index payment_intents_clinic_idx on payment.payment_intents (tenant_id, clinic_id);
-- what the expiry job looks for
create index payment_intents_lapsing_idx on payment.payment_intents (tenant_id, expires_at)
  where status in ('created', 'requires_action', 'failed');
create index payment_intents_provider_idx on payment.payment_intents (tenant_id, provider_id)
  where provider_id is not null;
create index payment_intents_payment_idx on payment.payment_intents (tenant_id, payment_id)
  where payment_id is not null;

comment on table payment.payment_intents is 'class=financial;scope=tenant;owner=payment_gateway;fhir=none;retention=financial;about=An intention to collect an amount; idempotent.';
comment on column payment.payment_intents.intent_number is 'class=financial;about=Number for people, PAY-<yy>-<n>.';
comment on column payment.payment_intents.idempotency_key is 'class=operational;about=Same key, same intent.';
comment on column payment.payment_intents.patient_id is 'class=financial;about=Whose payment it is.';
comment on column payment.payment_intents.account_id is 'class=financial;about=The account that it goes to.';
comment on column payment.payment_intents.purpose is 'class=financial;about=invoice, advance, appointment or pharmacy.';
comment on column payment.payment_intents.amount is 'class=financial;about=What is to be collected.';
comment on column payment.payment_intents.currency is 'class=financial;about=Currency, ISO 4217.';
comment on column payment.payment_intents.provider_id is 'class=operational;about=The provider that is to collect.';
comment on column payment.payment_intents.channel is 'class=operational;about=How the patient pays: counter, portal, link, kiosk, qr.';
comment on column payment.payment_intents.return_url is 'class=operational;about=Where the provider''s page sends the browser back to.';
comment on column payment.payment_intents.expires_at is 'class=financial;about=When it can no longer be tried.';
comment on column payment.payment_intents.failure_code is 'class=financial;about=Why the last try failed.';
comment on column payment.payment_intents.payment_id is 'class=financial;about=The payment that it ended in.';
comment on column payment.payment_intents.status is 'class=financial;about=created, requires_action, processing, succeeded, failed (may be tried again), cancelled, expired.';
comment on column payment.payment_intents.clinic_id is 'class=operational;about=The clinic that collects.';
comment on column payment.payment_intents.items is 'class=financial;about=What it is for: [{"purpose", "invoice_id", "appointment_id", "description", "amount"}], amounts adding up to the whole.';
select core.comment_standard_columns('payment.payment_intents');

alter table payment.payment_intents enable row level security, force row level security;
create policy tenant_isolation on payment.payment_intents
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger payment_intents_touch before update on payment.payment_intents
  for each row execute function core.update_updated_at_column('row_version');
create trigger payment_intents_transition before insert or update of status on payment.payment_intents
  for each row execute function core.enforce_transition('payment.payment_intents', 'status');
select audit.track('payment.payment_intents');

insert into core.transition_rules (machine, from_state, to_state) values
  ('payment.payment_intents', '', 'created'),
  ('payment.payment_intents', 'created', 'requires_action'),
  ('payment.payment_intents', 'created', 'processing'),
  ('payment.payment_intents', 'created', 'cancelled'),
  ('payment.payment_intents', 'created', 'expired'),
  ('payment.payment_intents', 'requires_action', 'processing'),
  ('payment.payment_intents', 'requires_action', 'cancelled'),
  ('payment.payment_intents', 'requires_action', 'expired'),
  ('payment.payment_intents', 'requires_action', 'failed'),
  ('payment.payment_intents', 'processing', 'succeeded'),
  ('payment.payment_intents', 'processing', 'failed'),
  ('payment.payment_intents', 'failed', 'processing'),
  ('payment.payment_intents', 'failed', 'cancelled'),
  ('payment.payment_intents', 'failed', 'expired')
on conflict (machine, from_state, to_state) do nothing;

grant select on payment.payment_intents to payment_gateway_app, payment_gateway_ro;
