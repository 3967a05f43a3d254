-- billing.invoices: Bills of supply, tax invoices, proformas and credit notes; frozen once issued.
-- RULE to build: issued rows immutable except allocated, status, irn (trigger)
-- NOTE: Number is taken from core.id_sequences inside the issuing transaction, so a rollback leaves no gap (CGST Rule 46(b): consecutive, at most 16 characters, unique per financial year). An issued bill is never deleted: it is credited.

create table billing.invoices (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  kind text not null,
  series text not null,
  invoice_number text,
  fiscal_year text,
  account_id uuid not null,
  patient_id uuid not null,
  payer_id uuid,
  clinic_id uuid not null,
  issued_at timestamptz,
  due_on date,
  gstin text,
  place_of_supply text,
  subtotal numeric(14, 2) not null,
  discount numeric(14, 2) not null default 0,
  tax numeric(14, 2) not null default 0,
  round_off numeric(14, 2) not null default 0,
  total numeric(14, 2) not null,
  allocated numeric(14, 2) not null default 0,
  currency text not null default 'INR',
  original_invoice_id uuid,
  credit_reason text,
  irn text,
  cancelled_reason text,
  document_id uuid,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint invoices_pkey primary key (tenant_id, id),
  constraint invoices_kind_series_key unique (tenant_id, kind, series, fiscal_year, invoice_number),
  constraint invoices_kind_check check (kind in ('bill_of_supply', 'tax_invoice', 'credit_note', 'proforma')),
  constraint invoices_currency_form check (currency ~ '^[A-Z]{3}$'),
  constraint invoices_status_check check (
    status in ('draft', 'issued', 'discarded', 'partially_paid', 'paid', 'credited')
  ),
  constraint invoices_total_rule check (total = subtotal - discount + tax + round_off),
  constraint invoices_abs_rule check (abs(round_off) < 1),
  constraint invoices_allocated_range check (allocated between 0 and total),
  constraint invoices_kind_rule check (
    kind = 'proforma' or status = 'draft' or (invoice_number is not null and issued_at is not null)
  ),
  constraint invoices_invoice_number_rule check (invoice_number ~ '^[A-Za-z0-9/-]{1,16}$'),
  constraint invoices_kind_rule_5 check ((kind = 'credit_note') = (original_invoice_id is not null)),
  constraint invoices_credit_note_complete check (kind <> 'credit_note' or credit_reason is not null)
);

alter table billing.invoices add constraint invoices_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table billing.invoices add constraint invoices_account_fkey
  foreign key (tenant_id, account_id) references billing.accounts (tenant_id, id);
alter table billing.invoices add constraint invoices_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table billing.invoices add constraint invoices_payer_fkey
  foreign key (payer_id) references insurance.payers (id);
alter table billing.invoices add constraint invoices_clinic_fkey
  foreign key (tenant_id, clinic_id) references facility.clinics (tenant_id, id);
alter table billing.invoices add constraint invoices_original_invoice_fkey
  foreign key (tenant_id, original_invoice_id) references billing.invoices (tenant_id, id);
alter table billing.invoices add constraint invoices_document_fkey
  foreign key (tenant_id, document_id) references ehr.documents (tenant_id, id);

create index invoices_account_idx on billing.invoices (tenant_id, account_id);
create index invoices_patient_idx on billing.invoices (tenant_id, patient_id);
create index invoices_payer_idx on billing.invoices (payer_id, tenant_id)
  where payer_id is not null;
comment on index billing.invoices_payer_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index invoices_clinic_idx on billing.invoices (tenant_id, clinic_id);
create index invoices_original_invoice_idx on billing.invoices (tenant_id, original_invoice_id)
  where original_invoice_id is not null;
create index invoices_document_idx on billing.invoices (tenant_id, document_id)
  where document_id is not null;

comment on table billing.invoices is 'class=financial;scope=tenant;owner=billing;fhir=Invoice;retention=financial;about=Bills of supply, tax invoices, proformas and credit notes; frozen once issued.';
comment on column billing.invoices.kind is 'class=financial;about=?';
comment on column billing.invoices.series is 'class=financial;about=?';
comment on column billing.invoices.invoice_number is 'class=financial;about=?';
comment on column billing.invoices.fiscal_year is 'class=financial;about=?';
comment on column billing.invoices.account_id is 'class=financial;about=?';
comment on column billing.invoices.patient_id is 'class=financial;about=The patient.';
comment on column billing.invoices.payer_id is 'class=financial;about=?';
comment on column billing.invoices.clinic_id is 'class=financial;about=The clinic.';
comment on column billing.invoices.issued_at is 'class=financial;about=?';
comment on column billing.invoices.due_on is 'class=financial;about=?';
comment on column billing.invoices.gstin is 'class=financial;about=?';
comment on column billing.invoices.place_of_supply is 'class=financial;about=?';
comment on column billing.invoices.subtotal is 'class=financial;about=?';
comment on column billing.invoices.discount is 'class=financial;about=?';
comment on column billing.invoices.tax is 'class=financial;about=?';
comment on column billing.invoices.round_off is 'class=financial;about=?';
comment on column billing.invoices.total is 'class=financial;about=?';
comment on column billing.invoices.allocated is 'class=financial;about=?';
comment on column billing.invoices.currency is 'class=financial;about=Currency (ISO 4217).';
comment on column billing.invoices.original_invoice_id is 'class=financial;about=?';
comment on column billing.invoices.credit_reason is 'class=financial;about=?';
comment on column billing.invoices.irn is 'class=financial;about=?';
comment on column billing.invoices.cancelled_reason is 'class=financial;about=?';
comment on column billing.invoices.document_id is 'class=financial;about=The stored document.';
comment on column billing.invoices.status is 'class=financial;about=?';
select core.comment_standard_columns('billing.invoices');

alter table billing.invoices enable row level security;
alter table billing.invoices force row level security;
create policy tenant_isolation on billing.invoices
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger invoices_touch before update on billing.invoices
  for each row execute function core.update_updated_at_column('row_version');
create trigger invoices_payer_visible before insert or update of payer_id on billing.invoices
  for each row execute function core.check_shared_reference('payer_id', 'insurance.payers');
create trigger invoices_transition before insert or update of status on billing.invoices
  for each row execute function core.enforce_transition('billing.invoices', 'status');
select audit.track('billing.invoices');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('billing.invoices', '', 'draft', false, null),
  ('billing.invoices', 'draft', 'issued', false, null),
  ('billing.invoices', 'draft', 'discarded', false, null),
  ('billing.invoices', 'issued', 'partially_paid', false, null),
  ('billing.invoices', 'issued', 'paid', false, null),
  ('billing.invoices', 'issued', 'credited', false, null),
  ('billing.invoices', 'partially_paid', 'paid', false, null),
  ('billing.invoices', 'partially_paid', 'credited', false, null),
  ('billing.invoices', 'paid', 'credited', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on billing.invoices to billing_app;
grant select on billing.invoices to billing_ro;
