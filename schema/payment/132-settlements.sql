-- payment.settlements: a provider's payout to the bank.
--
-- It is reconciled when every line is a payment or refund of ours with the same amount and none of ours is missing; until
-- then it is an exception with a variance that people look into.

create table payment.settlements (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  provider_id uuid not null,
  settlement_ref text not null,
  settled_on date not null,
  gross numeric(14, 2) not null,
  fees numeric(14, 2) not null default 0,
  tax numeric(14, 2) not null default 0,
  net numeric(14, 2) not null,
  utr text,
  variance numeric(14, 2) not null default 0,
  status text not null default 'imported',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint settlements_pkey primary key (tenant_id, id),
  constraint settlements_no_nan check (gross <> 'NaN' and fees <> 'NaN' and tax <> 'NaN' and net <> 'NaN' and variance <> 'NaN'),
  constraint settlements_once_per_reference unique (tenant_id, provider_id, settlement_ref),
  constraint settlements_status_check check (status in ('imported', 'matching', 'reconciled', 'exception')),
  constraint settlements_net_adds_up check (net = gross - fees - tax),
  constraint settlements_reconciled_without_variance check (status <> 'reconciled' or variance = 0),
  constraint settlements_no_card_number check (
    (settlement_ref !~ '\s|[0-9]-[0-9]' or not core.looks_like_pan(settlement_ref)) and (utr !~ '\s|[0-9]-[0-9]' or not core.looks_like_pan(utr))
  )
);

alter table payment.settlements add constraint settlements_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table payment.settlements add constraint settlements_provider_fkey
  foreign key (tenant_id, provider_id) references payment.payment_providers (tenant_id, id);

-- what people have to look into
create index settlements_open_idx on payment.settlements (tenant_id, settled_on) where status in ('imported', 'matching', 'exception');

comment on table payment.settlements is 'class=financial;scope=tenant;owner=payment_gateway;fhir=PaymentReconciliation;retention=financial;about=Provider payouts to the bank.';
comment on column payment.settlements.provider_id is 'class=operational;about=The provider that paid out.';
comment on column payment.settlements.settlement_ref is 'class=financial;about=The provider''s reference of the payout.';
comment on column payment.settlements.settled_on is 'class=financial;about=Date of the payout.';
comment on column payment.settlements.gross is 'class=financial;about=Sum of the lines before fees; refunds count below zero.';
comment on column payment.settlements.fees is 'class=financial;about=What the provider keeps.';
comment on column payment.settlements.tax is 'class=financial;about=Tax on the fees.';
comment on column payment.settlements.net is 'class=financial;about=gross - fees - tax: what arrived at the bank.';
comment on column payment.settlements.utr is 'class=financial;about=The bank''s reference of the transfer.';
comment on column payment.settlements.variance is 'class=financial;about=What the provider''s lines and our payments differ by, each difference counted above zero.';
comment on column payment.settlements.status is 'class=financial;about=imported, matching, reconciled, exception.';
select core.comment_standard_columns('payment.settlements');

alter table payment.settlements enable row level security, force row level security;
create policy tenant_isolation on payment.settlements
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger settlements_touch before update on payment.settlements
  for each row execute function core.update_updated_at_column('row_version');
create trigger settlements_transition before insert or update of status on payment.settlements
  for each row execute function core.enforce_transition('payment.settlements', 'status');
select audit.track('payment.settlements');

insert into core.transition_rules (machine, from_state, to_state) values
  ('payment.settlements', '', 'imported'),
  ('payment.settlements', 'imported', 'matching'),
  ('payment.settlements', 'matching', 'reconciled'),
  ('payment.settlements', 'matching', 'exception'),
  ('payment.settlements', 'exception', 'matching')
on conflict (machine, from_state, to_state) do nothing;

grant select on payment.settlements to payment_gateway_app, payment_gateway_ro;
