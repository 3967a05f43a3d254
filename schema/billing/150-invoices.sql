-- billing.invoices: bills of supply, tax invoices, proformas and credit notes. Frozen once issued.
--
-- CGST Rule 46(b): consecutive numbers of at most 16 characters, unique in a financial year. The number is taken inside
-- the issuing transaction, so a rollback leaves no gap; an issued bill is never deleted but credited. A proforma has no
-- number, is owed by nobody, and ends as quoted.
-- Open is total - allocated - written_off. On a credit note, allocated is what was used of it.

create table billing.invoices (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  kind text not null,
  series text not null default '',
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
  credited numeric(14, 2) not null default 0,
  written_off numeric(14, 2) not null default 0,
  currency text not null,
  original_invoice_id uuid,
  credit_reason text,
  write_off_reason text,
  write_off_approved_by uuid,
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
  constraint invoices_no_nan check (subtotal <> 'NaN' and discount <> 'NaN' and tax <> 'NaN' and round_off <> 'NaN' and total <> 'NaN' and allocated <> 'NaN' and credited <> 'NaN' and written_off <> 'NaN'),
  constraint invoices_number_once_a_year unique (tenant_id, kind, series, fiscal_year, invoice_number),
  constraint invoices_kind_check check (kind in ('bill_of_supply', 'tax_invoice', 'credit_note', 'proforma')),
  constraint invoices_status_check check (
    status in ('draft', 'quoted', 'issued', 'discarded', 'partially_paid', 'paid', 'credited', 'written_off')
  ),
  constraint invoices_series_form check (series ~ '^[A-Za-z0-9]{0,8}$'),
  constraint invoices_number_form check (invoice_number ~ '^[A-Za-z0-9/-]{1,16}$'),
  constraint invoices_currency_form check (currency ~ '^[A-Z]{3}$'),
  constraint invoices_gstin_valid check (gstin is null or core.valid_gstin(gstin)),
  constraint invoices_total_adds_up check (total = subtotal - discount + tax + round_off),
  constraint invoices_round_off_below_one check (abs(round_off) < 1),
  constraint invoices_bill_of_supply_without_tax check (kind <> 'bill_of_supply' or tax = 0),
  constraint invoices_not_over_allocated check (allocated >= 0 and written_off >= 0 and allocated + written_off <= total),
  constraint invoices_not_over_credited check (credited between 0 and total),
  constraint invoices_issued_has_number check (
    status in ('draft', 'quoted', 'discarded')
    or (invoice_number is not null and fiscal_year is not null and issued_at is not null)
  ),
  constraint invoices_proforma_is_quoted check (
    case kind when 'proforma' then status in ('draft', 'quoted', 'discarded') and invoice_number is null else status <> 'quoted' end
  ),
  constraint invoices_credit_note_names_bill check ((kind = 'credit_note') = (original_invoice_id is not null)),
  constraint invoices_credit_note_has_reason check (kind <> 'credit_note' or credit_reason is not null),
  constraint invoices_write_off_approved check (
    written_off = 0 or (write_off_reason is not null and write_off_approved_by is not null)
  ),
  constraint invoices_discarded_has_reason check (status <> 'discarded' or cancelled_reason is not null)
);

alter table billing.invoices add constraint invoices_tenant_fkey foreign key (tenant_id) references core.tenants (id);
alter table billing.invoices
  add constraint invoices_account_fkey foreign key (tenant_id, account_id) references billing.accounts (tenant_id, id);
alter table billing.invoices
  add constraint invoices_patient_fkey foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table billing.invoices add constraint invoices_payer_fkey foreign key (payer_id) references insurance.payers (id);
alter table billing.invoices
  add constraint invoices_clinic_fkey foreign key (tenant_id, clinic_id) references facility.clinics (tenant_id, id);
alter table billing.invoices
  add constraint invoices_original_invoice_fkey foreign key (tenant_id, original_invoice_id)
  references billing.invoices (tenant_id, id);
alter table billing.invoices
  add constraint invoices_write_off_approved_by_fkey foreign key (tenant_id, write_off_approved_by)
  references auth.users (tenant_id, id);
alter table billing.invoices
  add constraint invoices_document_fkey foreign key (tenant_id, document_id) references ehr.documents (tenant_id, id);

create index invoices_account_idx on billing.invoices (tenant_id, account_id);
create index invoices_patient_idx on billing.invoices (tenant_id, patient_id);
-- what billing.ageing lists
create index invoices_open_idx on billing.invoices (tenant_id, due_on) where status in ('issued', 'partially_paid');
create index invoices_payer_idx on billing.invoices (payer_id, tenant_id) where payer_id is not null;
comment on index billing.invoices_payer_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index invoices_clinic_idx on billing.invoices (tenant_id, clinic_id);
create index invoices_original_invoice_idx
  on billing.invoices (tenant_id, original_invoice_id)
  where original_invoice_id is not null;
create index invoices_write_off_approved_by_idx
  on billing.invoices (tenant_id, write_off_approved_by)
  where write_off_approved_by is not null;
create index invoices_document_idx on billing.invoices (tenant_id, document_id) where document_id is not null;

comment on table billing.invoices is 'class=financial;scope=tenant;owner=billing;fhir=Invoice;retention=financial;about=Bills of supply, tax invoices, proformas and credit notes; frozen once issued.';
comment on column billing.invoices.kind is 'class=financial;about=bill_of_supply (exempt from GST), tax_invoice, credit_note or proforma.';
comment on column billing.invoices.series is 'class=operational;about=Series of numbers, such as one of a counter or registration; empty for the main one.';
comment on column billing.invoices.invoice_number is 'class=financial;about=Consecutive per kind, series and fiscal year; at most 16 characters.';
comment on column billing.invoices.fiscal_year is 'class=operational;about=The fiscal year that the number counts in, such as FY2026-27.';
comment on column billing.invoices.account_id is 'class=financial;about=The account that is billed.';
comment on column billing.invoices.patient_id is 'class=financial;about=The patient who was treated.';
comment on column billing.invoices.payer_id is 'class=financial;about=The payer who owes it; empty when the patient does.';
comment on column billing.invoices.clinic_id is 'class=operational;about=The clinic that bills.';
comment on column billing.invoices.issued_at is 'class=financial;about=When it was issued.';
comment on column billing.invoices.due_on is 'class=financial;about=The day by which it is to be paid.';
comment on column billing.invoices.gstin is 'class=operational;about=GST registration of the clinic when it was issued.';
comment on column billing.invoices.place_of_supply is 'class=operational;about=Code of the state of supply.';
comment on column billing.invoices.subtotal is 'class=financial;about=Sum of quantity x price of the lines.';
comment on column billing.invoices.discount is 'class=financial;about=Sum of the discounts of the lines.';
comment on column billing.invoices.tax is 'class=financial;about=Sum of the GST of the lines.';
comment on column billing.invoices.round_off is 'class=financial;about=What rounds the total (setting billing.round_to).';
comment on column billing.invoices.total is 'class=financial;about=What is to be paid.';
comment on column billing.invoices.allocated is 'class=financial;about=What payments and credit notes cover; on a credit note, what was used of it.';
comment on column billing.invoices.credited is 'class=financial;about=Sum of the credit notes on it.';
comment on column billing.invoices.written_off is 'class=financial;about=What was given up.';
comment on column billing.invoices.currency is 'class=financial;about=Currency, ISO 4217.';
comment on column billing.invoices.original_invoice_id is 'class=financial;about=The bill that a credit note takes back.';
comment on column billing.invoices.credit_reason is 'class=financial;about=Why it is credited.';
comment on column billing.invoices.write_off_reason is 'class=financial;about=Why the rest was given up.';
comment on column billing.invoices.write_off_approved_by is 'class=operational;about=The user who approved giving it up.';
comment on column billing.invoices.irn is 'class=operational;about=Invoice reference number of the e-invoice portal; set once.';
comment on column billing.invoices.cancelled_reason is 'class=financial;about=Why a proforma was discarded.';
comment on column billing.invoices.document_id is 'class=financial;about=The printed bill.';
comment on column billing.invoices.status is 'class=financial;about=draft, quoted (a proforma), issued, partially_paid, paid, credited, written_off, discarded; follows the counters.';
select core.comment_standard_columns('billing.invoices');

alter table billing.invoices enable row level security, force row level security;
create policy tenant_isolation on billing.invoices
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

-- in this order: PostgreSQL fires triggers by name, and the transition must see the state that follows the counts
create trigger invoices_follow_counts before update on billing.invoices
  for each row execute function billing.follow_invoice_counts();
create trigger invoices_frozen before update or delete on billing.invoices
  for each row execute function billing.keep_issued_invoice();
create trigger invoices_payer_visible before insert or update of payer_id on billing.invoices
  for each row execute function core.check_shared_reference('payer_id', 'insurance.payers');
create trigger invoices_touch before update on billing.invoices
  for each row execute function core.update_updated_at_column('row_version');
create trigger invoices_transition before insert or update on billing.invoices
  for each row execute function core.enforce_transition('billing.invoices', 'status');
-- lines come to drafts only, so the sum is checked once: when the bill leaves that state
create constraint trigger invoices_lines_add_up after update on billing.invoices
  deferrable initially deferred
  for each row when (old.status = 'draft' and new.status <> 'draft') execute function billing.check_invoice_totals();
select audit.track('billing.invoices');

-- written_off: billing.write_off asks for its reason; the state also follows when money covers the rest of such a bill again
insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('billing.invoices', '', 'draft', false, null),
  ('billing.invoices', 'draft', 'issued', false, 'invoice.issued.v1'),
  ('billing.invoices', 'draft', 'quoted', false, null),
  ('billing.invoices', 'draft', 'discarded', false, null),
  ('billing.invoices', 'quoted', 'discarded', false, null),
  ('billing.invoices', 'issued', 'partially_paid', false, null),
  ('billing.invoices', 'issued', 'paid', false, 'invoice.paid.v1'),
  ('billing.invoices', 'issued', 'credited', false, 'invoice.credited.v1'),
  ('billing.invoices', 'issued', 'written_off', false, null),
  ('billing.invoices', 'partially_paid', 'paid', false, 'invoice.paid.v1'),
  ('billing.invoices', 'partially_paid', 'credited', false, 'invoice.credited.v1'),
  ('billing.invoices', 'partially_paid', 'written_off', false, null),
  ('billing.invoices', 'partially_paid', 'issued', true, null),
  ('billing.invoices', 'paid', 'credited', false, 'invoice.credited.v1'),
  ('billing.invoices', 'paid', 'partially_paid', true, null),
  ('billing.invoices', 'paid', 'issued', true, null),
  ('billing.invoices', 'written_off', 'partially_paid', true, null),
  ('billing.invoices', 'written_off', 'issued', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on billing.invoices to billing_app, billing_ro;
grant update (irn, document_id, row_version) on billing.invoices to billing_app;
