-- payment.refunds: money that goes back. Who asks for it never approves it.
--
-- What is asked for is reserved: the sum of the refunds of a payment that are not rejected never exceeds what is not
-- allocated, which payment.request_refund and payment.allocate keep under the lock of the payment.

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
  constraint refunds_no_nan check (amount <> 'NaN'),
  constraint refunds_number_key unique (tenant_id, refund_number),
  constraint refunds_one_per_key unique (tenant_id, idempotency_key),
  constraint refunds_status_check check (
    status in ('requested', 'approved', 'rejected', 'processing', 'completed', 'failed')
  ),
  constraint refunds_amount_positive check (amount > 0),
  constraint refunds_approved_by_another check (approved_by <> requested_by),
  constraint refunds_approved_before_it_goes check (status in ('requested', 'rejected') or approved_by is not null),
  constraint refunds_completed_has_time check ((status = 'completed') = (completed_at is not null)),
  constraint refunds_no_card_number check (
    not core.looks_like_pan(reason) and (provider_ref !~ '\s|[0-9]-[0-9]' or not core.looks_like_pan(provider_ref))
    and not core.looks_like_pan(refund_number)
    and not core.looks_like_pan(idempotency_key) and not core.looks_like_pan(failure_code)
  )
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
-- settlement lines name the provider's reference
create index refunds_provider_ref_idx on payment.refunds (tenant_id, provider_ref) where provider_ref is not null;
-- what waits for an approver
create index refunds_requested_idx on payment.refunds (tenant_id, created_at) where status = 'requested';
create index refunds_requested_by_idx on payment.refunds (tenant_id, requested_by);
create index refunds_approved_by_idx on payment.refunds (tenant_id, approved_by)
  where approved_by is not null;

comment on table payment.refunds is 'class=financial;scope=tenant;owner=payment_gateway;fhir=none;retention=financial;about=Refunds with approval.';
comment on column payment.refunds.refund_number is 'class=financial;about=Number for people, REF-<yy>-<n>.';
comment on column payment.refunds.payment_id is 'class=financial;about=The payment that it goes back from.';
comment on column payment.refunds.amount is 'class=financial;about=How much goes back.';
comment on column payment.refunds.reason is 'class=financial;about=Why.';
comment on column payment.refunds.requested_by is 'class=operational;about=The user who asked for it.';
comment on column payment.refunds.approved_by is 'class=operational;about=The user who approved it, another one.';
comment on column payment.refunds.provider_ref is 'class=financial;about=The provider''s reference of it.';
comment on column payment.refunds.idempotency_key is 'class=operational;about=Same key, same refund.';
comment on column payment.refunds.completed_at is 'class=financial;about=When the money was back.';
comment on column payment.refunds.failure_code is 'class=operational;about=Why the last try failed.';
comment on column payment.refunds.status is 'class=financial;about=requested, approved, processing, completed, failed (may be tried again), rejected.';
select core.comment_standard_columns('payment.refunds');

alter table payment.refunds enable row level security, force row level security;
create policy tenant_isolation on payment.refunds
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger refunds_typed_reference before insert or update of provider_ref on payment.refunds
  for each row when (new.provider_ref is not null)
  execute function payment.check_refund_reference();
create trigger refunds_touch before update on payment.refunds
  for each row execute function core.update_updated_at_column('row_version');
create trigger refunds_transition before insert or update of status on payment.refunds
  for each row execute function core.enforce_transition('payment.refunds', 'status');
select audit.track('payment.refunds');

insert into core.transition_rules (machine, from_state, to_state, requires_reason) values
  ('payment.refunds', '', 'requested', false),
  ('payment.refunds', 'requested', 'approved', false),
  ('payment.refunds', 'requested', 'rejected', true),
  ('payment.refunds', 'approved', 'processing', false),
  ('payment.refunds', 'processing', 'completed', false),
  ('payment.refunds', 'processing', 'failed', false),
  ('payment.refunds', 'failed', 'processing', false),
  ('payment.refunds', 'failed', 'rejected', true)
on conflict (machine, from_state, to_state) do nothing;

grant select on payment.refunds to payment_gateway_app, payment_gateway_ro;
