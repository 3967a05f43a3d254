-- billing.payment_allocations: which money pays which bill. A reversal is a second row with the amount below zero.
--
-- The sum over a bill never exceeds its total (invoices_not_over_allocated is the last guard) and the sum over a source
-- never exceeds what the source has to give: both are kept by billing.allocate under the locks of source and bill.

create table billing.payment_allocations (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  invoice_id uuid not null,
  payment_id uuid,
  claim_payment_id uuid,
  credit_note_id uuid,
  amount numeric(14, 2) not null,
  allocated_at timestamptz not null default now(),
  allocated_by uuid default core.current_user_id(),
  reverses_id uuid,
  reason text,
  idempotency_key text,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint payment_allocations_pkey primary key (tenant_id, id),
  constraint payment_allocations_no_nan check (amount <> 'NaN'),
  constraint payment_allocations_amount_not_zero check (amount <> 0),
  constraint payment_allocations_one_source check (num_nonnulls(payment_id, claim_payment_id, credit_note_id) = 1),
  constraint payment_allocations_below_zero_reverses check ((amount < 0) = (reverses_id is not null)),
  constraint payment_allocations_reversal_has_reason check (reverses_id is null or reason is not null)
);

alter table billing.payment_allocations
  add constraint payment_allocations_tenant_fkey foreign key (tenant_id) references core.tenants (id);
alter table billing.payment_allocations
  add constraint payment_allocations_invoice_fkey foreign key (tenant_id, invoice_id)
  references billing.invoices (tenant_id, id);
alter table billing.payment_allocations
  add constraint payment_allocations_payment_fkey foreign key (tenant_id, payment_id)
  references payment.payments (tenant_id, id);
alter table billing.payment_allocations
  add constraint payment_allocations_claim_payment_fkey foreign key (tenant_id, claim_payment_id)
  references insurance.claim_payments (tenant_id, id);
alter table billing.payment_allocations
  add constraint payment_allocations_credit_note_fkey foreign key (tenant_id, credit_note_id)
  references billing.invoices (tenant_id, id);
alter table billing.payment_allocations
  add constraint payment_allocations_allocated_by_fkey foreign key (tenant_id, allocated_by)
  references auth.users (tenant_id, id);
alter table billing.payment_allocations
  add constraint payment_allocations_reverses_fkey foreign key (tenant_id, reverses_id)
  references billing.payment_allocations (tenant_id, id);

create unique index payment_allocations_idempotency_key
  on billing.payment_allocations (tenant_id, idempotency_key)
  where idempotency_key is not null;
create unique index payment_allocations_reversed_once
  on billing.payment_allocations (tenant_id, reverses_id)
  where reverses_id is not null;
create index payment_allocations_invoice_idx on billing.payment_allocations (tenant_id, invoice_id);
create index payment_allocations_payment_idx
  on billing.payment_allocations (tenant_id, payment_id)
  where payment_id is not null;
create index payment_allocations_claim_payment_idx
  on billing.payment_allocations (tenant_id, claim_payment_id)
  where claim_payment_id is not null;
create index payment_allocations_credit_note_idx
  on billing.payment_allocations (tenant_id, credit_note_id)
  where credit_note_id is not null;
create index payment_allocations_allocated_by_idx
  on billing.payment_allocations (tenant_id, allocated_by)
  where allocated_by is not null;

comment on table billing.payment_allocations is 'class=financial;scope=tenant;owner=billing;fhir=PaymentReconciliation.detail;retention=financial;append_only=1;about=Which money pays which bill; reversals are rows below zero.';
comment on column billing.payment_allocations.invoice_id is 'class=financial;about=The bill that is paid.';
comment on column billing.payment_allocations.payment_id is 'class=financial;about=The payment that pays it.';
comment on column billing.payment_allocations.claim_payment_id is 'class=financial;about=The payer''s payment that pays it.';
comment on column billing.payment_allocations.credit_note_id is 'class=financial;about=The credit note that covers it.';
comment on column billing.payment_allocations.amount is 'class=financial;about=How much; below zero takes an earlier row back.';
comment on column billing.payment_allocations.allocated_at is 'class=financial;about=When.';
comment on column billing.payment_allocations.allocated_by is 'class=operational;about=By whom; empty for a system task, such as a provider''s webhook.';
comment on column billing.payment_allocations.reverses_id is 'class=financial;about=The row that this one takes back.';
comment on column billing.payment_allocations.reason is 'class=financial;about=Why it was taken back.';
comment on column billing.payment_allocations.idempotency_key is 'class=operational;about=Same key, same row.';
select core.comment_standard_columns('billing.payment_allocations');

alter table billing.payment_allocations enable row level security, force row level security;
create policy tenant_isolation on billing.payment_allocations
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger payment_allocations_account_open before insert on billing.payment_allocations
  for each row execute function billing.check_account_open();
create trigger payment_allocations_append_only before update or delete on billing.payment_allocations
  for each row execute function core.refuse_change();
create trigger payment_allocations_no_truncate before truncate on billing.payment_allocations
  for each statement execute function core.refuse_change();
select audit.track('billing.payment_allocations');

grant select on billing.payment_allocations to billing_app, billing_ro;
