-- billing.ledger_entries: Double-entry lines; every money event balances to zero.
-- RULE to build: sum(debit)=sum(credit) per txn_id and currency (deferred constraint trigger)

create table billing.ledger_entries (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  txn_id uuid not null,
  line_no smallint not null,
  posted_at timestamptz not null,
  account_code text not null,
  direction text not null,
  amount numeric(14, 2) not null,
  currency text not null default 'INR',
  ref_type text not null,
  ref_id uuid not null,
  patient_id uuid,
  clinic_id uuid not null,
  reverses_txn_id uuid,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint ledger_entries_pkey primary key (tenant_id, id),
  constraint ledger_entries_txn_line_no_key unique (tenant_id, txn_id, line_no),
  constraint ledger_entries_ref_type_ref_key unique (tenant_id, ref_type, ref_id, line_no),
  constraint ledger_entries_account_code_check check (
    account_code in ('cash', 'bank', 'gateway_clearing', 'patient_receivable', 'payer_receivable', 'advance', 'revenue', 'tax_payable', 'discount', 'write_off', 'refund_payable', 'tds_receivable')
  ),
  constraint ledger_entries_direction_check check (direction in ('debit', 'credit')),
  constraint ledger_entries_currency_form check (currency ~ '^[A-Z]{3}$'),
  constraint ledger_entries_amount_rule check (amount > 0)
);

alter table billing.ledger_entries add constraint ledger_entries_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table billing.ledger_entries add constraint ledger_entries_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table billing.ledger_entries add constraint ledger_entries_clinic_fkey
  foreign key (tenant_id, clinic_id) references facility.clinics (tenant_id, id);

create index ledger_entries_patient_idx on billing.ledger_entries (tenant_id, patient_id)
  where patient_id is not null;
create index ledger_entries_clinic_idx on billing.ledger_entries (tenant_id, clinic_id);

comment on table billing.ledger_entries is 'class=financial;scope=tenant;owner=billing;fhir=none;retention=financial;append_only=1;about=Double-entry lines; every money event balances to zero.';
comment on column billing.ledger_entries.txn_id is 'class=financial;about=?';
comment on column billing.ledger_entries.line_no is 'class=financial;about=Line, counted from 1.';
comment on column billing.ledger_entries.posted_at is 'class=financial;about=?';
comment on column billing.ledger_entries.account_code is 'class=financial;about=?';
comment on column billing.ledger_entries.direction is 'class=financial;about=?';
comment on column billing.ledger_entries.amount is 'class=financial;about=?';
comment on column billing.ledger_entries.currency is 'class=financial;about=Currency (ISO 4217).';
comment on column billing.ledger_entries.ref_type is 'class=financial;about=?';
comment on column billing.ledger_entries.ref_id is 'class=financial;about=?';
comment on column billing.ledger_entries.patient_id is 'class=financial;about=The patient.';
comment on column billing.ledger_entries.clinic_id is 'class=financial;about=The clinic.';
comment on column billing.ledger_entries.reverses_txn_id is 'class=financial;about=?';
select core.comment_standard_columns('billing.ledger_entries');

alter table billing.ledger_entries enable row level security;
alter table billing.ledger_entries force row level security;
create policy tenant_isolation on billing.ledger_entries
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger ledger_entries_append_only before update or delete on billing.ledger_entries
  for each row execute function core.refuse_change();
create trigger ledger_entries_no_truncate before truncate on billing.ledger_entries
  for each statement execute function core.refuse_change();
select audit.track('billing.ledger_entries');

grant select, insert on billing.ledger_entries to billing_app;
grant select on billing.ledger_entries to billing_ro;
