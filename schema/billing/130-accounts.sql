-- billing.accounts: the account of a stay or visit; its row is the lock of everything that changes its totals.
--
-- total_charged   what is to be paid: unbilled charges and issued bills, less credit notes, which count on their own account
--                 until they are used for a bill of another
-- total_paid      what the patient paid, advances included, less refunds
-- total_claimed   the part of the bills that a payer owes
-- total_written_off  the part of the patient's bills that was given up
-- balance = charged - paid - claimed - written off is what the patient owes; below zero the hospital owes it. The totals
-- are counters that only operations keep. An account is closed at zero, never above.

create table billing.accounts (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  account_number text not null,
  patient_id uuid not null,
  encounter_id uuid,
  clinic_id uuid not null,
  payer_class text not null,
  payer_id uuid,
  coverage_id uuid,
  credit_limit numeric(14, 2) not null default 0,
  total_charged numeric(14, 2) not null default 0,
  total_paid numeric(14, 2) not null default 0,
  total_claimed numeric(14, 2) not null default 0,
  total_written_off numeric(14, 2) not null default 0,
  balance numeric(14, 2) generated always as (total_charged - total_paid - total_claimed - total_written_off) stored,
  closed_at timestamptz,
  status text not null default 'active',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint accounts_pkey primary key (tenant_id, id),
  constraint accounts_no_nan check (credit_limit <> 'NaN' and total_charged <> 'NaN' and total_paid <> 'NaN' and total_claimed <> 'NaN' and total_written_off <> 'NaN'),
  constraint accounts_number_key unique (tenant_id, account_number),
  constraint accounts_payer_class_check check (payer_class in ('self', 'insurance', 'pmjay', 'corporate', 'free')),
  constraint accounts_status_check check (status in ('active', 'on_hold', 'settling', 'closed')),
  constraint accounts_coverage_names_payer check (coverage_id is null or payer_id is not null),
  constraint accounts_credit_limit_not_negative check (credit_limit >= 0),
  constraint accounts_closed_at_zero check (status <> 'closed' or (balance = 0 and closed_at is not null))
);

alter table billing.accounts add constraint accounts_tenant_fkey foreign key (tenant_id) references core.tenants (id);
alter table billing.accounts
  add constraint accounts_patient_fkey foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table billing.accounts
  add constraint accounts_encounter_fkey foreign key (tenant_id, encounter_id)
  references clinical.encounters (tenant_id, id);
alter table billing.accounts
  add constraint accounts_clinic_fkey foreign key (tenant_id, clinic_id) references facility.clinics (tenant_id, id);
alter table billing.accounts add constraint accounts_payer_fkey foreign key (payer_id) references insurance.payers (id);
alter table billing.accounts
  add constraint accounts_coverage_fkey foreign key (tenant_id, coverage_id)
  references insurance.coverages (tenant_id, id);

create unique index accounts_one_open_per_encounter on billing.accounts (tenant_id, encounter_id) where status <> 'closed';
create index accounts_patient_idx on billing.accounts (tenant_id, patient_id);
create index accounts_encounter_idx on billing.accounts (tenant_id, encounter_id) where encounter_id is not null;
create index accounts_clinic_idx on billing.accounts (tenant_id, clinic_id);
create index accounts_payer_idx on billing.accounts (payer_id, tenant_id) where payer_id is not null;
comment on index billing.accounts_payer_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index accounts_coverage_idx on billing.accounts (tenant_id, coverage_id) where coverage_id is not null;

comment on table billing.accounts is 'class=financial;scope=tenant;owner=billing;fhir=Account;retention=financial;about=The billing account of a stay or visit.';
comment on column billing.accounts.account_number is 'class=financial;about=Number for people, ACC-<yy>-<n>.';
comment on column billing.accounts.patient_id is 'class=financial;about=Whose account it is.';
comment on column billing.accounts.encounter_id is 'class=financial;about=The stay or visit; empty for sales at the counter.';
comment on column billing.accounts.clinic_id is 'class=operational;about=The clinic that bills.';
comment on column billing.accounts.payer_class is 'class=financial;about=Who pays in the main: self, insurance, pmjay, corporate, or free.';
comment on column billing.accounts.payer_id is 'class=financial;about=The payer whose tariffs apply.';
comment on column billing.accounts.coverage_id is 'class=financial;about=The policy or scheme membership behind the payer.';
comment on column billing.accounts.credit_limit is 'class=financial;about=How much the patient may owe and still leave.';
comment on column billing.accounts.total_charged is 'class=financial;about=Unbilled charges and issued bills, less credit notes; one that is used for a bill of another account counts there.';
comment on column billing.accounts.total_paid is 'class=financial;about=Payments of the patient, advances included, less refunds.';
comment on column billing.accounts.total_claimed is 'class=financial;about=Issued bills to payers, less their credit notes; one that is used for a bill of another account counts there.';
comment on column billing.accounts.total_written_off is 'class=financial;about=What was given up of bills to the patient.';
comment on column billing.accounts.balance is 'class=financial;about=What the patient owes; below zero, what the hospital owes.';
comment on column billing.accounts.closed_at is 'class=financial;about=When it was last closed.';
comment on column billing.accounts.status is 'class=financial;about=active; on_hold: charges are taken, bills are not made; settling: the final bill; closed.';
select core.comment_standard_columns('billing.accounts');

alter table billing.accounts enable row level security, force row level security;
create policy tenant_isolation on billing.accounts
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger accounts_touch before update on billing.accounts
  for each row execute function core.update_updated_at_column('row_version');
create trigger accounts_payer_visible before insert or update of payer_id on billing.accounts
  for each row execute function core.check_shared_reference('payer_id', 'insurance.payers');
create trigger accounts_transition before insert or update of status on billing.accounts
  for each row execute function core.enforce_transition('billing.accounts', 'status');
select audit.track('billing.accounts');

insert into core.transition_rules (machine, from_state, to_state, requires_reason) values
  ('billing.accounts', '', 'active', false),
  ('billing.accounts', 'active', 'on_hold', true),
  ('billing.accounts', 'active', 'settling', false),
  ('billing.accounts', 'on_hold', 'active', false),
  ('billing.accounts', 'settling', 'closed', false),
  ('billing.accounts', 'settling', 'active', false),
  ('billing.accounts', 'closed', 'active', true)
on conflict (machine, from_state, to_state) do nothing;

grant select on billing.accounts to billing_app, billing_ro;
