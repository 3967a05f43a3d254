-- payment.settlement_items: the lines of a payout with what they matched when they were imported. A line never changes:
-- payment.reconcile_settlement looks the references up again.

create table payment.settlement_items (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  settlement_id uuid not null,
  line_no integer not null,
  provider_ref text not null,
  payment_id uuid,
  refund_id uuid,
  gross numeric(14, 2) not null,
  fee numeric(14, 2) not null default 0,
  tax numeric(14, 2) not null default 0,
  match text not null,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint settlement_items_pkey primary key (tenant_id, id),
  constraint settlement_items_no_nan check (gross <> 'NaN' and fee <> 'NaN' and tax <> 'NaN'),
  constraint settlement_items_line_no_key unique (tenant_id, settlement_id, line_no),
  constraint settlement_items_match_check check (
    match in ('matched', 'amount_mismatch', 'missing_here', 'missing_there')
  ),
  constraint settlement_items_one_match check (num_nonnulls(payment_id, refund_id) <= 1),
  constraint settlement_items_matched_names_row check (match = 'missing_here' or num_nonnulls(payment_id, refund_id) = 1),
  constraint settlement_items_no_card_number check (provider_ref !~ '\s|[0-9]-[0-9]' or not core.looks_like_pan(provider_ref))
);

alter table payment.settlement_items add constraint settlement_items_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table payment.settlement_items add constraint settlement_items_settlement_fkey
  foreign key (tenant_id, settlement_id) references payment.settlements (tenant_id, id);
alter table payment.settlement_items add constraint settlement_items_payment_fkey
  foreign key (tenant_id, payment_id) references payment.payments (tenant_id, id);
alter table payment.settlement_items add constraint settlement_items_refund_fkey
  foreign key (tenant_id, refund_id) references payment.refunds (tenant_id, id);

create index settlement_items_provider_ref_idx on payment.settlement_items (tenant_id, provider_ref);
create index settlement_items_payment_idx on payment.settlement_items (tenant_id, payment_id)
  where payment_id is not null;
create index settlement_items_refund_idx on payment.settlement_items (tenant_id, refund_id)
  where refund_id is not null;

comment on table payment.settlement_items is 'class=financial;scope=tenant;owner=payment_gateway;fhir=PaymentReconciliation.detail;retention=financial;append_only=1;about=Lines of a payout matched to payments and refunds.';
comment on column payment.settlement_items.settlement_id is 'class=financial;about=The payout.';
comment on column payment.settlement_items.line_no is 'class=operational;about=Line, counted from 1.';
comment on column payment.settlement_items.provider_ref is 'class=financial;about=The provider''s reference of the payment or refund.';
comment on column payment.settlement_items.payment_id is 'class=financial;about=Our payment with that reference.';
comment on column payment.settlement_items.refund_id is 'class=financial;about=Our refund with that reference.';
comment on column payment.settlement_items.gross is 'class=financial;about=Amount before fees; below zero for a refund; 0 on a line that is missing there.';
comment on column payment.settlement_items.fee is 'class=financial;about=What the provider keeps of it.';
comment on column payment.settlement_items.tax is 'class=financial;about=Tax on the fee.';
comment on column payment.settlement_items.match is 'class=operational;about=matched, amount_mismatch, missing_here (not one of ours), missing_there (ours, not in the payout).';
select core.comment_standard_columns('payment.settlement_items');

alter table payment.settlement_items enable row level security, force row level security;
create policy tenant_isolation on payment.settlement_items
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger settlement_items_append_only before update or delete on payment.settlement_items
  for each row execute function core.refuse_change();
create trigger settlement_items_no_truncate before truncate on payment.settlement_items
  for each statement execute function core.refuse_change();
select audit.track('payment.settlement_items');

grant select on payment.settlement_items to payment_gateway_app, payment_gateway_ro;
