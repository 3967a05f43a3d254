-- billing.payment_allocations: Which money pays which bill; reversals are negative rows.
-- RULE to build: sum(invoice) <= invoice.total and sum(source) <= source.amount (function under row locks)

create table billing.payment_allocations (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  invoice_id uuid not null,
  payment_id uuid,
  claim_payment_id uuid,
  credit_note_id uuid,
  amount numeric(14, 2) not null,
  allocated_at timestamptz not null,
  allocated_by uuid not null,
  reverses_id uuid,
  reason text,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint payment_allocations_pkey primary key (tenant_id, id),
  constraint payment_allocations_amount_rule check (amount <> 0),
  constraint payment_allocations_num_nonnulls_rule check (
    num_nonnulls(payment_id,claim_payment_id,credit_note_id) = 1
  ),
  constraint payment_allocations_amount_rule_2 check ((amount < 0) = (reverses_id is not null))
);

alter table billing.payment_allocations add constraint payment_allocations_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table billing.payment_allocations add constraint payment_allocations_invoice_fkey
  foreign key (tenant_id, invoice_id) references billing.invoices (tenant_id, id);
alter table billing.payment_allocations add constraint payment_allocations_payment_fkey
  foreign key (tenant_id, payment_id) references payment.payments (tenant_id, id);
alter table billing.payment_allocations add constraint payment_allocations_claim_payment_fkey
  foreign key (tenant_id, claim_payment_id) references insurance.claim_payments (tenant_id, id);
alter table billing.payment_allocations add constraint payment_allocations_credit_note_fkey
  foreign key (tenant_id, credit_note_id) references billing.invoices (tenant_id, id);
alter table billing.payment_allocations add constraint payment_allocations_allocated_by_fkey
  foreign key (tenant_id, allocated_by) references auth.users (tenant_id, id);
alter table billing.payment_allocations add constraint payment_allocations_reverses_fkey
  foreign key (tenant_id, reverses_id) references billing.payment_allocations (tenant_id, id);

create index payment_allocations_invoice_idx on billing.payment_allocations (tenant_id, invoice_id);
create index payment_allocations_payment_idx on billing.payment_allocations (tenant_id, payment_id)
  where payment_id is not null;
create index payment_allocations_claim_payment_idx on billing.payment_allocations (tenant_id, claim_payment_id)
  where claim_payment_id is not null;
create index payment_allocations_credit_note_idx on billing.payment_allocations (tenant_id, credit_note_id)
  where credit_note_id is not null;
create index payment_allocations_allocated_by_idx on billing.payment_allocations (tenant_id, allocated_by);
create index payment_allocations_reverses_idx on billing.payment_allocations (tenant_id, reverses_id)
  where reverses_id is not null;

comment on table billing.payment_allocations is 'class=financial;scope=tenant;owner=billing;fhir=PaymentReconciliation.detail;retention=financial;append_only=1;about=Which money pays which bill; reversals are negative rows.';
comment on column billing.payment_allocations.invoice_id is 'class=financial;about=?';
comment on column billing.payment_allocations.payment_id is 'class=financial;about=?';
comment on column billing.payment_allocations.claim_payment_id is 'class=financial;about=?';
comment on column billing.payment_allocations.credit_note_id is 'class=financial;about=?';
comment on column billing.payment_allocations.amount is 'class=financial;about=?';
comment on column billing.payment_allocations.allocated_at is 'class=financial;about=?';
comment on column billing.payment_allocations.allocated_by is 'class=financial;about=?';
comment on column billing.payment_allocations.reverses_id is 'class=financial;about=?';
comment on column billing.payment_allocations.reason is 'class=financial;about=?';
select core.comment_standard_columns('billing.payment_allocations');

alter table billing.payment_allocations enable row level security;
alter table billing.payment_allocations force row level security;
create policy tenant_isolation on billing.payment_allocations
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger payment_allocations_append_only before update or delete on billing.payment_allocations
  for each row execute function core.refuse_change();
create trigger payment_allocations_no_truncate before truncate on billing.payment_allocations
  for each statement execute function core.refuse_change();
select audit.track('billing.payment_allocations');

grant select, insert on billing.payment_allocations to billing_app;
grant select on billing.payment_allocations to billing_ro;
