-- inventory.goods_receipt_items: the lines of a goods received note; each makes a batch or adds to one.
--
-- What expires sooner than the item allows may be recorded as rejected, never as accepted (IM530).

create table inventory.goods_receipt_items (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  grn_id uuid not null,
  line_no smallint not null,
  po_item_id uuid,
  item_id uuid not null,
  batch_no text not null,
  mfg_on date,
  expiry_on date not null,
  accepted_qty numeric(14, 3) not null default 0,
  rejected_qty numeric(14, 3) not null default 0,
  free_qty numeric(14, 3) not null default 0,
  unit_price numeric(14, 2) not null,
  mrp numeric(14, 2),
  tax_rate numeric(5, 2) not null default 0,
  reject_reason text,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint goods_receipt_items_pkey primary key (tenant_id, id),
  constraint goods_receipt_items_grn_line_no_key unique (tenant_id, grn_id, line_no),
  constraint goods_receipt_items_rejected_with_reason check (rejected_qty = 0 or reject_reason is not null),
  constraint goods_receipt_items_quantities_not_negative check (
    accepted_qty >= 0 and rejected_qty >= 0 and free_qty >= 0 and accepted_qty + rejected_qty + free_qty > 0
  ),
  constraint goods_receipt_items_prices_not_negative check (unit_price >= 0 and mrp >= 0),
  constraint goods_receipt_items_tax_rate_check check (tax_rate between 0 and 40),
  constraint goods_receipt_items_expire_after_manufacture check (expiry_on > mfg_on),
  constraint goods_receipt_items_batch_no_not_blank check (btrim(batch_no) <> ''),
  constraint goods_receipt_items_line_no_check check (line_no >= 1),
  constraint goods_receipt_items_finite check (
    accepted_qty <> 'NaN' and rejected_qty <> 'NaN' and free_qty <> 'NaN' and unit_price <> 'NaN' and mrp <> 'NaN'
  )
);

alter table inventory.goods_receipt_items add constraint goods_receipt_items_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table inventory.goods_receipt_items add constraint goods_receipt_items_grn_fkey
  foreign key (tenant_id, grn_id) references inventory.goods_receipts (tenant_id, id);
alter table inventory.goods_receipt_items add constraint goods_receipt_items_po_item_fkey
  foreign key (tenant_id, po_item_id, item_id) references inventory.purchase_order_items (tenant_id, id, item_id);
alter table inventory.goods_receipt_items add constraint goods_receipt_items_item_fkey
  foreign key (tenant_id, item_id) references inventory.items (tenant_id, id);

create index goods_receipt_items_po_item_idx on inventory.goods_receipt_items (tenant_id, po_item_id, item_id)
  where po_item_id is not null;
create index goods_receipt_items_item_idx on inventory.goods_receipt_items (tenant_id, item_id);

comment on table inventory.goods_receipt_items is 'class=financial;scope=tenant;owner=inventory;fhir=SupplyDelivery;retention=financial;append_only=1;about=The lines of a goods received note; each makes a batch or adds to one.';
comment on column inventory.goods_receipt_items.grn_id is 'class=operational;about=The note.';
comment on column inventory.goods_receipt_items.line_no is 'class=operational;about=Line, counted from 1.';
comment on column inventory.goods_receipt_items.po_item_id is 'class=operational;about=The line of the order that it answers.';
comment on column inventory.goods_receipt_items.item_id is 'class=operational;about=The item.';
comment on column inventory.goods_receipt_items.batch_no is 'class=operational;about=Batch number as printed.';
comment on column inventory.goods_receipt_items.mfg_on is 'class=operational;about=Day of manufacture.';
comment on column inventory.goods_receipt_items.expiry_on is 'class=operational;about=Last day of use.';
comment on column inventory.goods_receipt_items.accepted_qty is 'class=operational;about=Base units taken into stock and paid.';
comment on column inventory.goods_receipt_items.rejected_qty is 'class=operational;about=Base units sent back.';
comment on column inventory.goods_receipt_items.free_qty is 'class=operational;about=Base units taken into stock free of charge.';
comment on column inventory.goods_receipt_items.unit_price is 'class=financial;about=Price of a base unit without tax.';
comment on column inventory.goods_receipt_items.mrp is 'class=financial;about=Maximum retail price of a base unit.';
comment on column inventory.goods_receipt_items.tax_rate is 'class=financial;about=Tax rate in percent.';
comment on column inventory.goods_receipt_items.reject_reason is 'class=operational;about=Why goods were sent back.';
select core.comment_standard_columns('inventory.goods_receipt_items');

alter table inventory.goods_receipt_items enable row level security, force row level security;
create policy tenant_isolation on inventory.goods_receipt_items
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger goods_receipt_items_no_aadhaar before insert on inventory.goods_receipt_items
  for each row execute function core.reject_aadhaar_like('reject_reason');
create trigger goods_receipt_items_shelf_life before insert on inventory.goods_receipt_items
  for each row execute function inventory.check_shelf_life();
create trigger goods_receipt_items_append_only before update or delete on inventory.goods_receipt_items
  for each row execute function core.refuse_change();
create trigger goods_receipt_items_no_truncate before truncate on inventory.goods_receipt_items
  for each statement execute function core.refuse_change();
select audit.track('inventory.goods_receipt_items');

grant select on inventory.goods_receipt_items to inventory_app, inventory_ro;
