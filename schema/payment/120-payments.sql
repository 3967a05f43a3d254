-- payment.payments: money received, as receipts and advances. The enumerated type payment_status is its state.
--
-- One reference of a provider is one payment, whoever reports it (webhook, poll, return page). allocated and refunded are
-- counters that operations keep, and never exceed the amount.

create table payment.payments (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  receipt_number text,
  kind text not null,
  intent_id uuid,
  patient_id uuid,
  account_id uuid,
  clinic_id uuid not null,
  mode text not null,
  provider_id uuid,
  provider_ref text,
  amount numeric(14, 2) not null,
  allocated numeric(14, 2) not null default 0,
  refunded numeric(14, 2) not null default 0,
  currency text not null,
  received_at timestamptz not null default now(),
  received_by uuid,
  cheque_no text,
  cheque_on date,
  void_reason text,
  status payment.payment_status not null default 'pending',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint payments_pkey primary key (tenant_id, id),
  constraint payments_no_nan check (amount <> 'NaN' and allocated <> 'NaN' and refunded <> 'NaN'),
  constraint payments_receipt_number_key unique (tenant_id, receipt_number),
  constraint payments_kind_check check (kind in ('receipt', 'advance')),
  constraint payments_mode_check check (
    mode in ('cash', 'card', 'upi', 'netbanking', 'cheque', 'bank_transfer', 'wallet', 'mobile_money')
  ),
  constraint payments_currency_form check (currency ~ '^[A-Z]{3}$'),
  constraint payments_received_has_number check (status in ('pending', 'failed') or receipt_number is not null),
  constraint payments_amount_positive check (amount > 0),
  constraint payments_not_overspent check (allocated >= 0 and refunded >= 0 and allocated + refunded <= amount),
  constraint payments_cash_has_receiver check (mode <> 'cash' or received_by is not null),
  constraint payments_cheque_has_number check (mode <> 'cheque' or cheque_no is not null),
  constraint payments_reference_names_provider check (provider_ref is null or provider_id is not null),
  constraint payments_no_card_number check (
    -- what a provider reported is its reference; at the counter it is typed
    ((intent_id is not null and provider_ref !~ '\s|[0-9]-[0-9]') or not core.looks_like_pan(provider_ref))
    and not core.looks_like_pan(cheque_no)
    and not core.looks_like_pan(receipt_number) and not core.looks_like_pan(void_reason)
  ),
  constraint payments_voided_is_unused check (status <> 'voided' or (void_reason is not null and allocated = 0)),
  constraint payments_refunded_wholly check (status <> 'refunded' or refunded = amount)
);

alter table payment.payments add constraint payments_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table payment.payments add constraint payments_intent_fkey
  foreign key (tenant_id, intent_id) references payment.payment_intents (tenant_id, id);
alter table payment.payments add constraint payments_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table payment.payments add constraint payments_account_fkey
  foreign key (tenant_id, account_id) references billing.accounts (tenant_id, id);
alter table payment.payments add constraint payments_clinic_fkey
  foreign key (tenant_id, clinic_id) references facility.clinics (tenant_id, id);
alter table payment.payments add constraint payments_provider_fkey
  foreign key (tenant_id, provider_id) references payment.payment_providers (tenant_id, id);
alter table payment.payments add constraint payments_received_by_fkey
  foreign key (tenant_id, received_by) references auth.users (tenant_id, id);

create unique index payments_one_per_provider_ref on payment.payments (tenant_id, provider_id, provider_ref)
  where provider_ref is not null;
create index payments_intent_idx on payment.payments (tenant_id, intent_id)
  where intent_id is not null;
create index payments_patient_idx on payment.payments (tenant_id, patient_id)
  where patient_id is not null;
create index payments_account_idx on payment.payments (tenant_id, account_id)
  where account_id is not null;
create index payments_clinic_idx on payment.payments (tenant_id, clinic_id);
create index payments_provider_idx on payment.payments (tenant_id, provider_id, received_at)
  where provider_id is not null;
create index payments_received_by_idx on payment.payments (tenant_id, received_by)
  where received_by is not null;

comment on table payment.payments is 'class=financial;scope=tenant;owner=payment_gateway;fhir=PaymentReconciliation;retention=financial;about=Money received: receipts and advances.';
comment on column payment.payments.receipt_number is 'class=financial;about=Number of the receipt, RCP-<yy>-<n>; gapless, and taken last in the transaction that makes the payment.';
comment on column payment.payments.kind is 'class=financial;about=receipt: for something that is due; advance: for what is to come.';
comment on column payment.payments.intent_id is 'class=financial;about=The intent that it came of.';
comment on column payment.payments.patient_id is 'class=financial;about=For whom.';
comment on column payment.payments.account_id is 'class=financial;about=The account that it goes to.';
comment on column payment.payments.clinic_id is 'class=operational;about=The clinic that received it.';
comment on column payment.payments.mode is 'class=operational;about=cash, card, upi, netbanking, cheque, bank_transfer, wallet or mobile_money.';
comment on column payment.payments.provider_id is 'class=operational;about=The provider that took it; empty at the counter.';
comment on column payment.payments.provider_ref is 'class=financial;about=The provider''s reference of it.';
comment on column payment.payments.amount is 'class=financial;about=Amount.';
comment on column payment.payments.allocated is 'class=financial;about=How much of it pays bills.';
comment on column payment.payments.refunded is 'class=financial;about=How much went back.';
comment on column payment.payments.currency is 'class=financial;about=Currency, ISO 4217.';
comment on column payment.payments.received_at is 'class=financial;about=When it was received.';
comment on column payment.payments.received_by is 'class=operational;about=The user who received it; empty when a provider did.';
comment on column payment.payments.cheque_no is 'class=financial;about=Number of the cheque.';
comment on column payment.payments.cheque_on is 'class=financial;about=Date on the cheque.';
comment on column payment.payments.void_reason is 'class=financial;about=Why it was voided, or why a cheque failed.';
comment on column payment.payments.status is 'class=financial;about=Where it stands; the values are payment.payment_status.';
select core.comment_standard_columns('payment.payments');

alter table payment.payments enable row level security, force row level security;
create policy tenant_isolation on payment.payments
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger payments_touch before update on payment.payments
  for each row execute function core.update_updated_at_column('row_version');
create trigger payments_transition before insert or update of status on payment.payments
  for each row execute function core.enforce_transition('payment.payments', 'status');
create constraint trigger payments_items_add_up after insert on payment.payments
  deferrable initially deferred
  for each row execute function payment.check_payment_items('id');
select audit.track('payment.payments');

-- disputed to partially_refunded: a dispute over a part was lost; back to it as well when one was won
insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('payment.payments', '', 'pending', false, null),
  ('payment.payments', 'pending', 'completed', false, 'payment.completed.v1'),
  ('payment.payments', 'pending', 'failed', false, null),
  ('payment.payments', 'completed', 'partially_refunded', false, null),
  ('payment.payments', 'completed', 'refunded', false, null),
  ('payment.payments', 'completed', 'disputed', false, null),
  ('payment.payments', 'completed', 'voided', true, null),
  ('payment.payments', 'partially_refunded', 'refunded', false, null),
  ('payment.payments', 'partially_refunded', 'disputed', false, null),
  ('payment.payments', 'disputed', 'completed', false, null),
  ('payment.payments', 'disputed', 'partially_refunded', false, null),
  ('payment.payments', 'disputed', 'refunded', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on payment.payments to payment_gateway_app, payment_gateway_ro;
