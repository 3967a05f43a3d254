-- inventory.purchase_orders: Orders to suppliers.

create table inventory.purchase_orders (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  po_number text not null,
  supplier_id uuid not null,
  store_location_id uuid not null,
  ordered_at timestamptz not null,
  expected_on date,
  total numeric(14, 2) not null,
  currency text not null default 'INR',
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
  constraint purchase_orders_status_rule check (
    status in ('draft', 'submitted', 'cancelled', 'rejected') or (approved_by is not null and approved_by <> created_by)
  ),
  constraint purchase_orders_total_rule check (total >= 0)
);

alter table inventory.purchase_orders add constraint purchase_orders_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table inventory.purchase_orders add constraint purchase_orders_supplier_fkey
  foreign key (tenant_id, supplier_id) references inventory.suppliers (tenant_id, id);
alter table inventory.purchase_orders add constraint purchase_orders_store_location_fkey
  foreign key (tenant_id, store_location_id) references facility.locations (tenant_id, id);
alter table inventory.purchase_orders add constraint purchase_orders_approved_by_fkey
  foreign key (tenant_id, approved_by) references workforce.staff (tenant_id, id);

create index purchase_orders_supplier_idx on inventory.purchase_orders (tenant_id, supplier_id);
create index purchase_orders_store_location_idx on inventory.purchase_orders (tenant_id, store_location_id);
create index purchase_orders_approved_by_idx on inventory.purchase_orders (tenant_id, approved_by)
  where approved_by is not null;

comment on table inventory.purchase_orders is 'class=financial;scope=tenant;owner=inventory;fhir=SupplyRequest;retention=financial;about=Orders to suppliers.';
comment on column inventory.purchase_orders.po_number is 'class=financial;about=?';
comment on column inventory.purchase_orders.supplier_id is 'class=financial;about=?';
comment on column inventory.purchase_orders.store_location_id is 'class=financial;about=?';
comment on column inventory.purchase_orders.ordered_at is 'class=financial;about=?';
comment on column inventory.purchase_orders.expected_on is 'class=financial;about=?';
comment on column inventory.purchase_orders.total is 'class=financial;about=?';
comment on column inventory.purchase_orders.currency is 'class=financial;about=Currency (ISO 4217).';
comment on column inventory.purchase_orders.approved_by is 'class=financial;about=?';
comment on column inventory.purchase_orders.approved_at is 'class=financial;about=?';
comment on column inventory.purchase_orders.terms is 'class=financial;about=?';
comment on column inventory.purchase_orders.status is 'class=financial;about=?';
select core.comment_standard_columns('inventory.purchase_orders');

alter table inventory.purchase_orders enable row level security;
alter table inventory.purchase_orders force row level security;
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
  ('inventory.purchase_orders', 'draft', 'cancelled', false, null),
  ('inventory.purchase_orders', 'submitted', 'approved', false, null),
  ('inventory.purchase_orders', 'submitted', 'rejected', false, null),
  ('inventory.purchase_orders', 'approved', 'sent', false, null),
  ('inventory.purchase_orders', 'approved', 'cancelled', false, null),
  ('inventory.purchase_orders', 'sent', 'partially_received', false, null),
  ('inventory.purchase_orders', 'sent', 'received', false, null),
  ('inventory.purchase_orders', 'sent', 'cancelled', false, null),
  ('inventory.purchase_orders', 'partially_received', 'received', false, null),
  ('inventory.purchase_orders', 'partially_received', 'closed_short', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on inventory.purchase_orders to inventory_app;
grant select on inventory.purchase_orders to inventory_ro;
