-- billing.charge_items: one billable event, and exactly one per source event and charge.
--
-- The unique key over the source is what makes charging safe to repeat: a dispense, a result, a day in a bed is charged
-- once however often its module says so. A charge that a package includes is not_billable and names the package's charge.

create table billing.charge_items (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  account_id uuid not null,
  charge_id uuid not null,
  patient_id uuid not null,
  encounter_id uuid,
  source_type text not null,
  source_id uuid not null,
  occurred_at timestamptz not null,
  quantity numeric(14, 3) not null,
  unit_price numeric(14, 2) not null,
  discount numeric(14, 2) not null default 0,
  tax_rate numeric(5, 2) not null,
  tax numeric(14, 2) not null default 0,
  net numeric(14, 2) not null,
  concession_reason text,
  concession_approved_by uuid,
  package_charge_item_id uuid,
  invoice_item_id uuid,
  cancel_reason text,
  status text not null default 'billable',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint charge_items_pkey primary key (tenant_id, id),
  constraint charge_items_no_nan check (quantity <> 'NaN' and unit_price <> 'NaN' and discount <> 'NaN' and tax_rate <> 'NaN' and tax <> 'NaN' and net <> 'NaN'),
  constraint charge_items_status_check check (status in ('planned', 'billable', 'aborted', 'billed', 'not_billable')),
  constraint charge_items_source_type_form check (source_type ~ '^[a-z_]+(\.[a-z_]+)?$'),
  constraint charge_items_quantity_positive check (quantity > 0),
  constraint charge_items_price_not_negative check (unit_price >= 0),
  constraint charge_items_discount_within_price check (discount between 0 and round(quantity * unit_price, 2)),
  constraint charge_items_discount_has_reason check (discount = 0 or concession_reason is not null),
  constraint charge_items_tax_follows_rate check (tax = round((quantity * unit_price - discount) * tax_rate / 100, 2)),
  constraint charge_items_net_adds_up check (net = round(quantity * unit_price, 2) - discount + tax),
  constraint charge_items_billed_has_invoice_line check ((status = 'billed') = (invoice_item_id is not null)),
  constraint charge_items_aborted_has_reason check (status <> 'aborted' or cancel_reason is not null),
  constraint charge_items_in_package_not_billable check (package_charge_item_id is null or status in ('not_billable', 'aborted')),
  constraint charge_items_not_in_itself check (package_charge_item_id <> id)
);

alter table billing.charge_items add constraint charge_items_tenant_fkey foreign key (tenant_id) references core.tenants (id);
alter table billing.charge_items
  add constraint charge_items_account_fkey foreign key (tenant_id, account_id) references billing.accounts (tenant_id, id);
alter table billing.charge_items
  add constraint charge_items_charge_fkey foreign key (tenant_id, charge_id)
  references billing.charge_master (tenant_id, id);
alter table billing.charge_items
  add constraint charge_items_patient_fkey foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table billing.charge_items
  add constraint charge_items_encounter_fkey foreign key (tenant_id, encounter_id)
  references clinical.encounters (tenant_id, id);
alter table billing.charge_items
  add constraint charge_items_concession_approved_by_fkey foreign key (tenant_id, concession_approved_by)
  references workforce.staff (tenant_id, id);
alter table billing.charge_items
  add constraint charge_items_package_charge_item_fkey foreign key (tenant_id, package_charge_item_id)
  references billing.charge_items (tenant_id, id);
alter table billing.charge_items
  add constraint charge_items_invoice_item_fkey foreign key (tenant_id, invoice_item_id)
  references billing.invoice_items (tenant_id, id) deferrable initially deferred;

create unique index charge_items_once_per_source
  on billing.charge_items (tenant_id, source_type, source_id, charge_id)
  where status <> 'aborted';
create index charge_items_account_idx on billing.charge_items (tenant_id, account_id);
-- what the next bill of an account is made of
create index charge_items_unbilled_idx on billing.charge_items (tenant_id, account_id) where status in ('planned', 'billable');
create index charge_items_charge_idx on billing.charge_items (tenant_id, charge_id);
create index charge_items_patient_idx on billing.charge_items (tenant_id, patient_id);
create index charge_items_encounter_idx on billing.charge_items (tenant_id, encounter_id) where encounter_id is not null;
create index charge_items_concession_approved_by_idx
  on billing.charge_items (tenant_id, concession_approved_by)
  where concession_approved_by is not null;
create index charge_items_package_charge_item_idx
  on billing.charge_items (tenant_id, package_charge_item_id)
  where package_charge_item_id is not null;
create index charge_items_invoice_item_idx
  on billing.charge_items (tenant_id, invoice_item_id)
  where invoice_item_id is not null;

comment on table billing.charge_items is 'class=financial;scope=tenant;owner=billing;fhir=ChargeItem;retention=financial;about=One billable event; exactly one per source event and charge.';
comment on column billing.charge_items.account_id is 'class=financial;about=The account that it is charged to.';
comment on column billing.charge_items.charge_id is 'class=financial;about=What is charged.';
comment on column billing.charge_items.patient_id is 'class=financial;about=For whom.';
comment on column billing.charge_items.encounter_id is 'class=financial;about=The stay or visit that it belongs to.';
comment on column billing.charge_items.source_type is 'class=operational;about=Table of the row that caused it, such as laboratory.lab_order_items, or manual.';
comment on column billing.charge_items.source_id is 'class=financial;about=Id of the row that caused it.';
comment on column billing.charge_items.occurred_at is 'class=financial;about=When the service was given; its day decides the price.';
comment on column billing.charge_items.quantity is 'class=financial;about=How many units of the charge.';
comment on column billing.charge_items.unit_price is 'class=financial;about=Price of one unit before discount and GST, fixed when it was charged.';
comment on column billing.charge_items.discount is 'class=financial;about=Discount of the tariff and concession, for the whole quantity.';
comment on column billing.charge_items.tax_rate is 'class=financial;about=GST in percent.';
comment on column billing.charge_items.tax is 'class=financial;about=GST on price less discount.';
comment on column billing.charge_items.net is 'class=financial;about=Quantity x price - discount + tax.';
comment on column billing.charge_items.concession_reason is 'class=financial;about=Why there is a discount: the word tariff, or a person''s reason.';
comment on column billing.charge_items.concession_approved_by is 'class=operational;about=The member of staff who granted the concession; empty for the discount of a tariff.';
comment on column billing.charge_items.package_charge_item_id is 'class=financial;about=The charge of the package that includes this one.';
comment on column billing.charge_items.invoice_item_id is 'class=financial;about=The line of the bill that it is on.';
comment on column billing.charge_items.cancel_reason is 'class=financial;about=Why it was cancelled.';
comment on column billing.charge_items.status is 'class=financial;about=planned, billable, billed, not_billable (in a package, or free), aborted (cancelled).';
select core.comment_standard_columns('billing.charge_items');

alter table billing.charge_items enable row level security, force row level security;
create policy tenant_isolation on billing.charge_items
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger charge_items_touch before update on billing.charge_items
  for each row execute function core.update_updated_at_column('row_version');
create trigger charge_items_transition before insert or update of status on billing.charge_items
  for each row execute function core.enforce_transition('billing.charge_items', 'status');
create trigger charge_items_first_state after insert on billing.charge_items
  for each row execute function core.announce_first_state('billing.charge_items');
select audit.track('billing.charge_items');

-- billable and not_billable are initial states too: most charges are made for what was done already
insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('billing.charge_items', '', 'planned', false, null),
  ('billing.charge_items', '', 'billable', false, 'charge.added.v1'),
  ('billing.charge_items', '', 'not_billable', false, 'charge.added.v1'),
  ('billing.charge_items', 'planned', 'billable', false, 'charge.added.v1'),
  ('billing.charge_items', 'planned', 'aborted', true, null),
  ('billing.charge_items', 'billable', 'billed', false, null),
  ('billing.charge_items', 'billable', 'aborted', true, null),
  ('billing.charge_items', 'billable', 'not_billable', false, null),
  ('billing.charge_items', 'billed', 'billable', true, null),
  ('billing.charge_items', 'not_billable', 'billable', true, null),
  ('billing.charge_items', 'not_billable', 'aborted', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on billing.charge_items to billing_app, billing_ro;
