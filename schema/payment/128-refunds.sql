-- payment.refunds: Refunds with approval.
-- RULE to build: sum(refunds) <= payment.amount - payment.allocated (function)

create table payment.refunds (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  refund_number text not null,
  payment_id uuid not null,
  amount numeric(14, 2) not null,
  reason text not null,
  requested_by uuid not null,
  approved_by uuid,
  provider_ref text,
  idempotency_key text not null,
  completed_at timestamptz,
  failure_code text,
  status text not null default 'requested',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint refunds_pkey primary key (tenant_id, id),
  constraint refunds_refund_number_key unique (tenant_id, refund_number),
  constraint refunds_idempotency_key_key unique (tenant_id, idempotency_key),
  constraint refunds_status_check check (
    status in ('requested', 'approved', 'rejected', 'processing', 'completed', 'failed')
  ),
  constraint refunds_amount_rule check (amount > 0),
  constraint refunds_approved_by_rule check (approved_by is null or approved_by <> requested_by)
);

alter table payment.refunds add constraint refunds_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table payment.refunds add constraint refunds_payment_fkey
  foreign key (tenant_id, payment_id) references payment.payments (tenant_id, id);
alter table payment.refunds add constraint refunds_requested_by_fkey
  foreign key (tenant_id, requested_by) references auth.users (tenant_id, id);
alter table payment.refunds add constraint refunds_approved_by_fkey
  foreign key (tenant_id, approved_by) references auth.users (tenant_id, id);

create index refunds_payment_idx on payment.refunds (tenant_id, payment_id);
create index refunds_requested_by_idx on payment.refunds (tenant_id, requested_by);
create index refunds_approved_by_idx on payment.refunds (tenant_id, approved_by)
  where approved_by is not null;

comment on table payment.refunds is 'class=financial;scope=tenant;owner=payment_gateway;fhir=none;retention=financial;about=Refunds with approval.';
comment on column payment.refunds.refund_number is 'class=financial;about=?';
comment on column payment.refunds.payment_id is 'class=financial;about=?';
comment on column payment.refunds.amount is 'class=financial;about=?';
comment on column payment.refunds.reason is 'class=financial;about=?';
comment on column payment.refunds.requested_by is 'class=financial;about=?';
comment on column payment.refunds.approved_by is 'class=financial;about=?';
comment on column payment.refunds.provider_ref is 'class=financial;about=?';
comment on column payment.refunds.idempotency_key is 'class=financial;about=Same key, same answer.';
comment on column payment.refunds.completed_at is 'class=financial;about=?';
comment on column payment.refunds.failure_code is 'class=financial;about=?';
comment on column payment.refunds.status is 'class=financial;about=?';
select core.comment_standard_columns('payment.refunds');

alter table payment.refunds enable row level security;
alter table payment.refunds force row level security;
create policy tenant_isolation on payment.refunds
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger refunds_touch before update on payment.refunds
  for each row execute function core.update_updated_at_column('row_version');
create trigger refunds_transition before insert or update of status on payment.refunds
  for each row execute function core.enforce_transition('payment.refunds', 'status');
select audit.track('payment.refunds');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('payment.refunds', '', 'requested', false, null),
  ('payment.refunds', 'requested', 'approved', false, null),
  ('payment.refunds', 'requested', 'rejected', false, null),
  ('payment.refunds', 'approved', 'processing', false, null),
  ('payment.refunds', 'processing', 'completed', false, null),
  ('payment.refunds', 'processing', 'failed', false, null),
  ('payment.refunds', 'failed', 'processing', false, null),
  ('payment.refunds', 'failed', 'rejected', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on payment.refunds to payment_gateway_app;
grant select on payment.refunds to payment_gateway_ro;
