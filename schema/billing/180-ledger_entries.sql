-- billing.ledger_entries: double entry. Every money event is one transaction whose debit equals its credit, which a
-- deferred trigger checks at commit; a correction is a transaction the other way round.
--
-- Money that came in and pays no bill yet is an advance (a debt of the hospital); an allocation turns advance into a
-- smaller receivable.

create table billing.ledger_entries (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  txn_id uuid not null,
  line_no smallint not null,
  posted_at timestamptz not null default now(),
  account_code text not null,
  direction text not null,
  amount numeric(14, 2) not null,
  currency text not null,
  ref_type text not null,
  ref_id uuid not null,
  patient_id uuid,
  clinic_id uuid not null,
  reverses_txn_id uuid,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint ledger_entries_pkey primary key (tenant_id, id),
  constraint ledger_entries_no_nan check (amount <> 'NaN'),
  constraint ledger_entries_txn_line_key unique (tenant_id, txn_id, line_no),
  constraint ledger_entries_posted_once unique (tenant_id, ref_type, ref_id, line_no),
  constraint ledger_entries_account_code_check check (
    account_code in (
      'cash', 'bank', 'gateway_clearing', 'gateway_charges', 'patient_receivable', 'payer_receivable', 'advance', 'revenue',
      'tax_payable', 'discount', 'write_off', 'refund_payable', 'tds_receivable'
    )
  ),
  constraint ledger_entries_direction_check check (direction in ('debit', 'credit')),
  constraint ledger_entries_currency_form check (currency ~ '^[A-Z]{3}$'),
  constraint ledger_entries_amount_positive check (amount > 0)
);

alter table billing.ledger_entries add constraint ledger_entries_tenant_fkey foreign key (tenant_id) references core.tenants (id);
alter table billing.ledger_entries
  add constraint ledger_entries_patient_fkey foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table billing.ledger_entries
  add constraint ledger_entries_clinic_fkey foreign key (tenant_id, clinic_id) references facility.clinics (tenant_id, id);

create index ledger_entries_day_idx on billing.ledger_entries (tenant_id, posted_at);
create index ledger_entries_patient_idx on billing.ledger_entries (tenant_id, patient_id) where patient_id is not null;
create index ledger_entries_clinic_idx on billing.ledger_entries (tenant_id, clinic_id);

comment on table billing.ledger_entries is 'class=financial;scope=tenant;owner=billing;fhir=none;retention=financial;append_only=1;about=Double-entry lines; every money event balances to zero.';
comment on column billing.ledger_entries.txn_id is 'class=operational;about=The transaction; its debit equals its credit.';
comment on column billing.ledger_entries.line_no is 'class=operational;about=Line, counted from 1.';
comment on column billing.ledger_entries.posted_at is 'class=financial;about=When it was posted.';
comment on column billing.ledger_entries.account_code is 'class=operational;about=Ledger account: cash, bank, gateway_clearing (money at a provider), gateway_charges, patient_receivable, payer_receivable, advance, revenue, tax_payable, discount, write_off, refund_payable, tds_receivable.';
comment on column billing.ledger_entries.direction is 'class=operational;about=debit or credit.';
comment on column billing.ledger_entries.amount is 'class=financial;about=Amount, above zero.';
comment on column billing.ledger_entries.currency is 'class=financial;about=Currency, ISO 4217.';
comment on column billing.ledger_entries.ref_type is 'class=operational;about=What was posted: invoice, credit_note, payment, payment.voided, allocation, write_off, refund.approved, claim_payment, ...';
comment on column billing.ledger_entries.ref_id is 'class=financial;about=Id of the row that was posted.';
comment on column billing.ledger_entries.patient_id is 'class=financial;about=The patient concerned.';
comment on column billing.ledger_entries.clinic_id is 'class=operational;about=The clinic whose books it is in.';
comment on column billing.ledger_entries.reverses_txn_id is 'class=operational;about=The transaction that this one takes back.';
select core.comment_standard_columns('billing.ledger_entries');

alter table billing.ledger_entries enable row level security, force row level security;
create policy tenant_isolation on billing.ledger_entries
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create constraint trigger ledger_entries_balance after insert on billing.ledger_entries
  deferrable initially deferred
  for each row execute function billing.check_ledger_balance();
create trigger ledger_entries_append_only before update or delete on billing.ledger_entries
  for each row execute function core.refuse_change();
create trigger ledger_entries_no_truncate before truncate on billing.ledger_entries
  for each statement execute function core.refuse_change();
select audit.track('billing.ledger_entries');

grant select on billing.ledger_entries to billing_app, billing_ro;
