-- insurance.claim_payments: money from a payer for claims.
--
-- A transfer is one row per payer, reference and claim, however often its notice comes. Money is never refused: what
-- is more than the payer approved is kept as disputed.

create table insurance.claim_payments (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  payer_id uuid not null,
  claim_id uuid,
  utr text not null,
  paid_on date not null,
  amount numeric(14, 2) not null,
  tds numeric(14, 2) not null default 0,
  deductions jsonb not null default '[]',
  net numeric(14, 2) not null,
  notice_correlation_id uuid,
  acknowledged_at timestamptz,
  ack_workflow_code text,
  allocated numeric(14, 2) not null default 0,
  status text not null default 'notified',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint claim_payments_pkey primary key (tenant_id, id),
  constraint claim_payments_no_nan check (amount <> 'NaN' and tds <> 'NaN' and net <> 'NaN' and allocated <> 'NaN'),
  constraint claim_payments_transfer_once unique nulls not distinct (tenant_id, payer_id, utr, claim_id),
  constraint claim_payments_status_known check (status in ('notified', 'acknowledged', 'disputed', 'reconciled')),
  constraint claim_payments_amount_positive check (amount > 0 and tds between 0 and amount),
  constraint claim_payments_reconciled_is_allocated check (status <> 'reconciled' or allocated = amount),
  constraint claim_payments_acknowledged_is_sent check (
    status not in ('acknowledged', 'reconciled') or (acknowledged_at is not null and ack_workflow_code is not null)
  ),
  constraint claim_payments_net_is_amount_less_tax check (net = amount - tds),
  constraint claim_payments_allocated_within_amount check (allocated between 0 and amount)
);

alter table insurance.claim_payments add constraint claim_payments_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table insurance.claim_payments add constraint claim_payments_payer_fkey
  foreign key (payer_id) references insurance.payers (id);
alter table insurance.claim_payments add constraint claim_payments_claim_fkey
  foreign key (tenant_id, claim_id) references insurance.insurance_claims (tenant_id, id);

create index claim_payments_open_idx on insurance.claim_payments (tenant_id, paid_on)
  where status in ('notified', 'acknowledged', 'disputed');
create index claim_payments_payer_idx on insurance.claim_payments (payer_id, tenant_id);
comment on index insurance.claim_payments_payer_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index claim_payments_claim_idx on insurance.claim_payments (tenant_id, claim_id)
  where claim_id is not null;

comment on table insurance.claim_payments is 'class=financial;scope=tenant;owner=billing;fhir=PaymentNotice,PaymentReconciliation;retention=financial;about=Money from a payer for claims.';
comment on column insurance.claim_payments.payer_id is 'class=operational;about=Who paid.';
comment on column insurance.claim_payments.claim_id is 'class=operational;about=The claim that is paid; null for a lump sum.';
comment on column insurance.claim_payments.utr is 'class=financial;about=Unique transaction reference of the bank transfer.';
comment on column insurance.claim_payments.paid_on is 'class=financial;about=Date of the transfer.';
comment on column insurance.claim_payments.amount is 'class=financial;about=What was paid before tax was deducted.';
comment on column insurance.claim_payments.tds is 'class=financial;about=Tax deducted at source.';
comment on column insurance.claim_payments.deductions is 'class=financial;about=Other deductions: a list of {code, amount, text}.';
comment on column insurance.claim_payments.net is 'class=financial;about=What arrived: amount less tds.';
comment on column insurance.claim_payments.notice_correlation_id is 'class=operational;about=Correlation id of the payer''s notice.';
comment on column insurance.claim_payments.acknowledged_at is 'class=operational;about=When we acknowledged it.';
comment on column insurance.claim_payments.ack_workflow_code is 'class=operational;about=NHCX workflow id of our acknowledgement.';
comment on column insurance.claim_payments.allocated is 'class=financial;about=How much of amount pays bills (billing.payment_allocations).';
comment on column insurance.claim_payments.status is 'class=operational;about=notified, acknowledged, disputed (more than was approved, or another objection) or reconciled (all of it pays bills).';
select core.comment_standard_columns('insurance.claim_payments');

alter table insurance.claim_payments enable row level security, force row level security;
create policy tenant_isolation on insurance.claim_payments
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger claim_payments_touch before update on insurance.claim_payments
  for each row execute function core.update_updated_at_column('row_version');
create trigger claim_payments_payer_visible before insert or update of payer_id on insurance.claim_payments
  for each row execute function core.check_shared_reference('payer_id', 'insurance.payers');
create trigger claim_payments_workflow before insert or update of ack_workflow_code on insurance.claim_payments
  for each row execute function insurance.check_workflow_code('ack_workflow_code');
create trigger claim_payments_transition before insert or update of status on insurance.claim_payments
  for each row execute function core.enforce_transition('insurance.claim_payments', 'status');
select audit.track('insurance.claim_payments');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('insurance.claim_payments', '', 'notified', false, null),
  ('insurance.claim_payments', 'notified', 'acknowledged', false, 'claim_payment.acknowledged.v1'),
  ('insurance.claim_payments', 'notified', 'disputed', true, 'claim_payment.disputed.v1'),
  ('insurance.claim_payments', 'acknowledged', 'reconciled', false, null),
  ('insurance.claim_payments', 'acknowledged', 'disputed', true, 'claim_payment.disputed.v1'),
  ('insurance.claim_payments', 'disputed', 'acknowledged', false, 'claim_payment.acknowledged.v1')
on conflict (machine, from_state, to_state) do nothing;

-- written by operations only
grant select on insurance.claim_payments to billing_app, billing_ro;
