-- payment.settlements: Provider payouts to the bank.

create table payment.settlements (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  provider_id uuid not null,
  settlement_ref text not null,
  settled_on date not null,
  gross numeric(14, 2) not null,
  fees numeric(14, 2) not null,
  tax numeric(14, 2) not null default 0,
  net numeric(14, 2) not null,
  utr text,
  variance numeric(14, 2) not null,
  status text not null default 'imported',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint settlements_pkey primary key (tenant_id, id),
  constraint settlements_provider_settlement_ref_key unique (tenant_id, provider_id, settlement_ref),
  constraint settlements_status_check check (status in ('imported', 'matching', 'reconciled', 'exception')),
  constraint settlements_net_rule check (net = gross - fees - tax),
  constraint settlements_reconciled_complete check (status <> 'reconciled' or variance = 0)
);

alter table payment.settlements add constraint settlements_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table payment.settlements add constraint settlements_provider_fkey
  foreign key (tenant_id, provider_id) references payment.payment_providers (tenant_id, id);

comment on table payment.settlements is 'class=financial;scope=tenant;owner=payment_gateway;fhir=PaymentReconciliation;retention=financial;about=Provider payouts to the bank.';
comment on column payment.settlements.provider_id is 'class=financial;about=?';
comment on column payment.settlements.settlement_ref is 'class=financial;about=?';
comment on column payment.settlements.settled_on is 'class=financial;about=?';
comment on column payment.settlements.gross is 'class=financial;about=?';
comment on column payment.settlements.fees is 'class=financial;about=?';
comment on column payment.settlements.tax is 'class=financial;about=?';
comment on column payment.settlements.net is 'class=financial;about=?';
comment on column payment.settlements.utr is 'class=financial;about=?';
comment on column payment.settlements.variance is 'class=financial;about=?';
comment on column payment.settlements.status is 'class=financial;about=?';
select core.comment_standard_columns('payment.settlements');

alter table payment.settlements enable row level security;
alter table payment.settlements force row level security;
create policy tenant_isolation on payment.settlements
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger settlements_touch before update on payment.settlements
  for each row execute function core.update_updated_at_column('row_version');
create trigger settlements_transition before insert or update of status on payment.settlements
  for each row execute function core.enforce_transition('payment.settlements', 'status');
select audit.track('payment.settlements');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('payment.settlements', '', 'imported', false, null),
  ('payment.settlements', 'imported', 'matching', false, null),
  ('payment.settlements', 'matching', 'reconciled', false, null),
  ('payment.settlements', 'matching', 'exception', false, null),
  ('payment.settlements', 'exception', 'matching', false, null),
  ('payment.settlements', 'exception', 'reconciled', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on payment.settlements to payment_gateway_app;
grant select on payment.settlements to payment_gateway_ro;
