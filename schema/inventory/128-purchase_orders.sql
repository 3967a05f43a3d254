-- inventory.purchase_orders: what was ordered from suppliers. Who orders does not approve: a constraint says so.
--
-- The total is computed from the lines. Receipts move the state on; the rest of an order that will not come is closed short.

create table inventory.purchase_orders (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  po_number text not null,
  supplier_id uuid not null,
  store_location_id uuid not null,
  ordered_by uuid not null,
  ordered_at timestamptz not null default now(),
  expected_on date,
  total numeric(14, 2) not null default 0,
  currency text not null,
  approved_by uuid,
  approved_at timestamptz,
  terms jsonb not null default '{}',
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint purchase_orders_pkey primary key (tenant_id, id),
  constraint purchase_orders_po_number_key unique (tenant_id, po_number),
  constraint purchase_orders_currency_form check (currency ~ '^[A-Z]{3}$'),
  constraint purchase_orders_status_check check (
    status in ('draft', 'submitted', 'cancelled', 'approved', 'rejected', 'sent', 'partially_received', 'received', 'closed_short')
  ),
  constraint purchase_orders_approved_before_sent check (
    status in ('draft', 'submitted', 'cancelled', 'rejected') or (approved_by is not null and approved_at is not null)
  ),
  constraint purchase_orders_approved_by_another check (approved_by <> ordered_by),
  constraint purchase_orders_total_not_negative check (total >= 0),
  constraint purchase_orders_finite check (total <> 'NaN')
);

alter table inventory.purchase_orders add constraint purchase_orders_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table inventory.purchase_orders add constraint purchase_orders_supplier_fkey
  foreign key (tenant_id, supplier_id) references inventory.suppliers (tenant_id, id);
alter table inventory.purchase_orders add constraint purchase_orders_store_location_fkey
  foreign key (tenant_id, store_location_id) references facility.locations (tenant_id, id);
alter table inventory.purchase_orders add constraint purchase_orders_ordered_by_fkey
  foreign key (tenant_id, ordered_by) references workforce.staff (tenant_id, id);
alter table inventory.purchase_orders add constraint purchase_orders_approved_by_fkey
  foreign key (tenant_id, approved_by) references workforce.staff (tenant_id, id);

create index purchase_orders_supplier_idx on inventory.purchase_orders (tenant_id, supplier_id);
create index purchase_orders_store_location_idx on inventory.purchase_orders (tenant_id, store_location_id);
create index purchase_orders_ordered_by_idx on inventory.purchase_orders (tenant_id, ordered_by);
-- the work list: what waits for approval, for the supplier, for the rest of the goods
create index purchase_orders_open_idx on inventory.purchase_orders (tenant_id, status, ordered_at)
  where status in ('submitted', 'approved', 'sent', 'partially_received');
create index purchase_orders_approved_by_idx on inventory.purchase_orders (tenant_id, approved_by)
  where approved_by is not null;

comment on table inventory.purchase_orders is 'class=financial;scope=tenant;owner=inventory;fhir=SupplyRequest;retention=financial;about=What was ordered from suppliers.';
comment on column inventory.purchase_orders.po_number is 'class=operational;about=Number of the order, one series a tenant.';
comment on column inventory.purchase_orders.supplier_id is 'class=operational;about=From whom.';
comment on column inventory.purchase_orders.store_location_id is 'class=operational;about=Where the goods go.';
comment on column inventory.purchase_orders.ordered_by is 'class=operational;about=The staff member who drafted it.';
comment on column inventory.purchase_orders.ordered_at is 'class=operational;about=When the order was drafted.';
comment on column inventory.purchase_orders.expected_on is 'class=operational;about=When the goods should come.';
comment on column inventory.purchase_orders.total is 'class=financial;about=Sum of the lines with tax.';
comment on column inventory.purchase_orders.currency is 'class=financial;about=Currency (ISO 4217).';
comment on column inventory.purchase_orders.approved_by is 'class=operational;about=The staff member who approved or rejected it.';
comment on column inventory.purchase_orders.approved_at is 'class=operational;about=When it was approved or rejected.';
comment on column inventory.purchase_orders.terms is 'class=financial;about=Conditions that were agreed, as {key: text}.';
comment on column inventory.purchase_orders.status is 'class=operational;about=Where the order stands, from draft to received.';
select core.comment_standard_columns('inventory.purchase_orders');

alter table inventory.purchase_orders enable row level security, force row level security;
create policy tenant_isolation on inventory.purchase_orders
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger purchase_orders_touch before update on inventory.purchase_orders
  for each row execute function core.update_updated_at_column('row_version');
create trigger purchase_orders_transition before insert or update of status on inventory.purchase_orders
  for each row execute function core.enforce_transition('inventory.purchase_orders', 'status');
select audit.track('inventory.purchase_orders');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('inventory.purchase_orders', '', 'draft', false, null),
  ('inventory.purchase_orders', 'draft', 'submitted', false, null),
  ('inventory.purchase_orders', 'draft', 'cancelled', true, null),
  ('inventory.purchase_orders', 'submitted', 'approved', false, null),
  ('inventory.purchase_orders', 'submitted', 'rejected', true, null),
  ('inventory.purchase_orders', 'approved', 'sent', false, null),
  ('inventory.purchase_orders', 'approved', 'cancelled', true, null),
  ('inventory.purchase_orders', 'sent', 'partially_received', false, null),
  ('inventory.purchase_orders', 'sent', 'received', false, null),
  ('inventory.purchase_orders', 'sent', 'cancelled', true, null),
  ('inventory.purchase_orders', 'partially_received', 'received', false, null),
  ('inventory.purchase_orders', 'partially_received', 'closed_short', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on inventory.purchase_orders to inventory_app, inventory_ro;
grant update (expected_on, terms, row_version) on inventory.purchase_orders to inventory_app;
