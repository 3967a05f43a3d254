-- inventory.purchase_order_items: the lines of a purchase order. received_qty counts what goods receipts accepted, without
-- free goods; suppliers may deliver 5 % more than was ordered, never more.

create table inventory.purchase_order_items (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  po_id uuid not null,
  line_no smallint not null,
  item_id uuid not null,
  quantity numeric(14, 3) not null,
  received_qty numeric(14, 3) not null default 0,
  unit_price numeric(14, 2) not null,
  tax_rate numeric(5, 2) not null default 0,
  free_qty numeric(14, 3) not null default 0,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint purchase_order_items_pkey primary key (tenant_id, id),
  constraint purchase_order_items_po_line_no_key unique (tenant_id, po_id, line_no),
  -- what goods receipts refer to: goods count for a line of their item
  constraint purchase_order_items_item_key unique (tenant_id, id, item_id),
  constraint purchase_order_items_quantity_positive check (quantity > 0),
  constraint purchase_order_items_received_at_most_105_percent check (received_qty between 0 and quantity * 1.05),
  constraint purchase_order_items_unit_price_not_negative check (unit_price >= 0),
  constraint purchase_order_items_tax_rate_check check (tax_rate between 0 and 40),
  constraint purchase_order_items_free_qty_not_negative check (free_qty >= 0),
  constraint purchase_order_items_line_no_check check (line_no >= 1),
  constraint purchase_order_items_finite check (quantity <> 'NaN' and unit_price <> 'NaN' and free_qty <> 'NaN')
);

alter table inventory.purchase_order_items add constraint purchase_order_items_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table inventory.purchase_order_items add constraint purchase_order_items_po_fkey
  foreign key (tenant_id, po_id) references inventory.purchase_orders (tenant_id, id);
alter table inventory.purchase_order_items add constraint purchase_order_items_item_fkey
  foreign key (tenant_id, item_id) references inventory.items (tenant_id, id);

create index purchase_order_items_item_idx on inventory.purchase_order_items (tenant_id, item_id);

comment on table inventory.purchase_order_items is 'class=financial;scope=tenant;owner=inventory;fhir=SupplyRequest;retention=financial;about=The lines of a purchase order.';
comment on column inventory.purchase_order_items.po_id is 'class=operational;about=The order.';
comment on column inventory.purchase_order_items.line_no is 'class=operational;about=Line, counted from 1.';
comment on column inventory.purchase_order_items.item_id is 'class=operational;about=The item.';
comment on column inventory.purchase_order_items.quantity is 'class=operational;about=Base units ordered.';
comment on column inventory.purchase_order_items.received_qty is 'class=operational;about=Base units accepted so far.';
comment on column inventory.purchase_order_items.unit_price is 'class=financial;about=Price of a base unit without tax.';
comment on column inventory.purchase_order_items.tax_rate is 'class=financial;about=Tax rate in percent.';
comment on column inventory.purchase_order_items.free_qty is 'class=operational;about=Base units that the supplier adds free of charge.';
select core.comment_standard_columns('inventory.purchase_order_items');

alter table inventory.purchase_order_items enable row level security, force row level security;
create policy tenant_isolation on inventory.purchase_order_items
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger purchase_order_items_touch before update on inventory.purchase_order_items
  for each row execute function core.update_updated_at_column('row_version');
select audit.track('inventory.purchase_order_items');

grant select on inventory.purchase_order_items to inventory_app, inventory_ro;
