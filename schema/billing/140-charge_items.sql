-- billing.charge_items: One billable event; exactly one per source event.

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
  status text not null default 'planned',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint charge_items_pkey primary key (tenant_id, id),
  constraint charge_items_status_check check (status in ('planned', 'billable', 'aborted', 'billed', 'not_billable')),
  constraint charge_items_net_rule check (net = round(quantity*unit_price - discount + tax,2)),
  constraint charge_items_discount_range check (discount between 0 and quantity*unit_price),
  constraint charge_items_discount_rule check (discount = 0 or concession_reason is not null),
  constraint charge_items_status_rule check ((status = 'billed') = (invoice_item_id is not null)),
  constraint charge_items_aborted_complete check (status <> 'aborted' or cancel_reason is not null)
);

alter table billing.charge_items add constraint charge_items_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table billing.charge_items add constraint charge_items_account_fkey
  foreign key (tenant_id, account_id) references billing.accounts (tenant_id, id);
alter table billing.charge_items add constraint charge_items_charge_fkey
  foreign key (tenant_id, charge_id) references billing.charge_master (tenant_id, id);
alter table billing.charge_items add constraint charge_items_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table billing.charge_items add constraint charge_items_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table billing.charge_items add constraint charge_items_concession_approved_by_fkey
  foreign key (tenant_id, concession_approved_by) references workforce.staff (tenant_id, id);
alter table billing.charge_items add constraint charge_items_package_charge_item_fkey
  foreign key (tenant_id, package_charge_item_id) references billing.charge_items (tenant_id, id);
alter table billing.charge_items add constraint charge_items_invoice_item_fkey
  foreign key (tenant_id, invoice_item_id) references billing.invoice_items (tenant_id, id) deferrable initially deferred;

create unique index charge_items_source_type_source_key on billing.charge_items (tenant_id, source_type, source_id, charge_id)
  where status <> 'aborted';
create index charge_items_account_idx on billing.charge_items (tenant_id, account_id);
create index charge_items_charge_idx on billing.charge_items (tenant_id, charge_id);
create index charge_items_patient_idx on billing.charge_items (tenant_id, patient_id);
create index charge_items_encounter_idx on billing.charge_items (tenant_id, encounter_id)
  where encounter_id is not null;
create index charge_items_concession_approved_by_idx on billing.charge_items (tenant_id, concession_approved_by)
  where concession_approved_by is not null;
create index charge_items_package_charge_item_idx on billing.charge_items (tenant_id, package_charge_item_id)
  where package_charge_item_id is not null;
create index charge_items_invoice_item_idx on billing.charge_items (tenant_id, invoice_item_id)
  where invoice_item_id is not null;

comment on table billing.charge_items is 'class=financial;scope=tenant;owner=billing;fhir=ChargeItem;retention=financial;about=One billable event; exactly one per source event.';
comment on column billing.charge_items.account_id is 'class=financial;about=?';
comment on column billing.charge_items.charge_id is 'class=financial;about=?';
comment on column billing.charge_items.patient_id is 'class=financial;about=The patient.';
comment on column billing.charge_items.encounter_id is 'class=financial;about=The encounter that it belongs to.';
comment on column billing.charge_items.source_type is 'class=financial;about=?';
comment on column billing.charge_items.source_id is 'class=financial;about=?';
comment on column billing.charge_items.occurred_at is 'class=financial;about=?';
comment on column billing.charge_items.quantity is 'class=financial;about=?';
comment on column billing.charge_items.unit_price is 'class=financial;about=?';
comment on column billing.charge_items.discount is 'class=financial;about=?';
comment on column billing.charge_items.tax_rate is 'class=financial;about=?';
comment on column billing.charge_items.tax is 'class=financial;about=?';
comment on column billing.charge_items.net is 'class=financial;about=?';
comment on column billing.charge_items.concession_reason is 'class=financial;about=?';
comment on column billing.charge_items.concession_approved_by is 'class=financial;about=?';
comment on column billing.charge_items.package_charge_item_id is 'class=financial;about=?';
comment on column billing.charge_items.invoice_item_id is 'class=financial;about=?';
comment on column billing.charge_items.cancel_reason is 'class=financial;about=?';
comment on column billing.charge_items.status is 'class=financial;about=?';
select core.comment_standard_columns('billing.charge_items');

alter table billing.charge_items enable row level security;
alter table billing.charge_items force row level security;
create policy tenant_isolation on billing.charge_items
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger charge_items_touch before update on billing.charge_items
  for each row execute function core.update_updated_at_column('row_version');
create trigger charge_items_transition before insert or update of status on billing.charge_items
  for each row execute function core.enforce_transition('billing.charge_items', 'status');
select audit.track('billing.charge_items');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('billing.charge_items', '', 'planned', false, null),
  ('billing.charge_items', 'planned', 'billable', false, null),
  ('billing.charge_items', 'planned', 'aborted', false, null),
  ('billing.charge_items', 'billable', 'billed', false, null),
  ('billing.charge_items', 'billable', 'aborted', false, null),
  ('billing.charge_items', 'billable', 'not_billable', false, null),
  ('billing.charge_items', 'billed', 'billable', false, null),
  ('billing.charge_items', 'not_billable', 'billable', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on billing.charge_items to billing_app;
grant select on billing.charge_items to billing_ro;
