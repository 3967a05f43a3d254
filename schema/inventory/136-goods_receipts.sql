-- inventory.goods_receipts: goods received notes. Stock appears when a note is posted, not before, and goods whose cold
-- chain broke are never posted. An invoice of a supplier is received once.

create table inventory.goods_receipts (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  grn_number text not null,
  po_id uuid,
  supplier_id uuid not null,
  store_location_id uuid not null,
  invoice_no text not null,
  invoice_on date not null,
  received_at timestamptz not null default now(),
  received_by uuid not null,
  inspected_by uuid,
  total numeric(14, 2) not null default 0,
  temperature_ok boolean,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint goods_receipts_pkey primary key (tenant_id, id),
  constraint goods_receipts_grn_number_key unique (tenant_id, grn_number),
  constraint goods_receipts_invoice_not_blank check (btrim(invoice_no) <> ''),
  constraint goods_receipts_status_check check (status in ('draft', 'inspected', 'cancelled', 'posted', 'rejected')),
  constraint goods_receipts_posted_is_inspected check (status <> 'posted' or inspected_by is not null),
  constraint goods_receipts_posted_kept_cold check (status <> 'posted' or temperature_ok is not false),
  constraint goods_receipts_total_not_negative check (total >= 0),
  constraint goods_receipts_finite check (total <> 'NaN')
);

alter table inventory.goods_receipts add constraint goods_receipts_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table inventory.goods_receipts add constraint goods_receipts_po_fkey
  foreign key (tenant_id, po_id) references inventory.purchase_orders (tenant_id, id);
alter table inventory.goods_receipts add constraint goods_receipts_supplier_fkey
  foreign key (tenant_id, supplier_id) references inventory.suppliers (tenant_id, id);
alter table inventory.goods_receipts add constraint goods_receipts_store_location_fkey
  foreign key (tenant_id, store_location_id) references facility.locations (tenant_id, id);
alter table inventory.goods_receipts add constraint goods_receipts_received_by_fkey
  foreign key (tenant_id, received_by) references workforce.staff (tenant_id, id);
alter table inventory.goods_receipts add constraint goods_receipts_inspected_by_fkey
  foreign key (tenant_id, inspected_by) references workforce.staff (tenant_id, id);

-- an invoice is received once; a note that was cancelled or rejected makes room for another
create unique index goods_receipts_supplier_invoice_no_key
  on inventory.goods_receipts (tenant_id, supplier_id, invoice_no)
  where status not in ('cancelled', 'rejected');
create index goods_receipts_supplier_idx on inventory.goods_receipts (tenant_id, supplier_id);
create index goods_receipts_open_idx on inventory.goods_receipts (tenant_id, received_at)
  where status in ('draft', 'inspected');
create index goods_receipts_po_idx on inventory.goods_receipts (tenant_id, po_id)
  where po_id is not null;
create index goods_receipts_store_location_idx on inventory.goods_receipts (tenant_id, store_location_id);
create index goods_receipts_received_by_idx on inventory.goods_receipts (tenant_id, received_by);
create index goods_receipts_inspected_by_idx on inventory.goods_receipts (tenant_id, inspected_by)
  where inspected_by is not null;

comment on table inventory.goods_receipts is 'class=financial;scope=tenant;owner=inventory;fhir=SupplyDelivery;retention=financial;about=Goods received notes; stock appears when one is posted.';
comment on column inventory.goods_receipts.grn_number is 'class=operational;about=Number of the note, one series a tenant.';
comment on column inventory.goods_receipts.po_id is 'class=operational;about=The order that the goods answer; null for goods without one.';
comment on column inventory.goods_receipts.supplier_id is 'class=operational;about=From whom.';
comment on column inventory.goods_receipts.store_location_id is 'class=operational;about=Where the goods went.';
comment on column inventory.goods_receipts.invoice_no is 'class=financial;about=Invoice number of the supplier.';
comment on column inventory.goods_receipts.invoice_on is 'class=financial;about=Date of the invoice.';
comment on column inventory.goods_receipts.received_at is 'class=operational;about=When the goods arrived.';
comment on column inventory.goods_receipts.received_by is 'class=operational;about=The staff member who took them in.';
comment on column inventory.goods_receipts.inspected_by is 'class=operational;about=The staff member who checked them.';
comment on column inventory.goods_receipts.total is 'class=financial;about=Sum of the accepted lines with tax.';
comment on column inventory.goods_receipts.temperature_ok is 'class=operational;about=Whether the cold chain held; null when the goods need none.';
comment on column inventory.goods_receipts.status is 'class=operational;about=draft, inspected, posted (in stock), rejected or cancelled.';
select core.comment_standard_columns('inventory.goods_receipts');

alter table inventory.goods_receipts enable row level security, force row level security;
create policy tenant_isolation on inventory.goods_receipts
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger goods_receipts_touch before update on inventory.goods_receipts
  for each row execute function core.update_updated_at_column('row_version');
create trigger goods_receipts_transition before insert or update of status on inventory.goods_receipts
  for each row execute function core.enforce_transition('inventory.goods_receipts', 'status');
select audit.track('inventory.goods_receipts');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('inventory.goods_receipts', '', 'draft', false, null),
  ('inventory.goods_receipts', 'draft', 'inspected', false, null),
  ('inventory.goods_receipts', 'draft', 'cancelled', true, null),
  ('inventory.goods_receipts', 'inspected', 'posted', false, null),
  ('inventory.goods_receipts', 'inspected', 'rejected', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on inventory.goods_receipts to inventory_app, inventory_ro;
