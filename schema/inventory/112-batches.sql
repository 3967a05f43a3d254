-- inventory.batches: a manufacturer's batch with its expiry; the unit of traceability and recall.
--
-- Only available batches leave a store. A batch that is dearer or expires on another day is another batch, even when the
-- maker printed the same number. The expiry never changes once there is stock: balances refer to it by foreign key.
-- Whoever changes the state locks the batch's balances first, so that no reservation overtakes a recall.

create table inventory.batches (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  item_id uuid not null,
  batch_no text not null,
  gtin text,
  mfg_on date,
  expiry_on date not null,
  mrp numeric(14, 2),
  purchase_price numeric(14, 2) not null default 0,
  tax_rate numeric(5, 2) not null default 0,
  manufacturer text,
  goods_receipt_item_id uuid,
  recall_ref text,
  recall_class text,
  recalled_at timestamptz,
  hold_reason text,
  expiry_announced_at timestamptz,
  status text not null default 'quarantine',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint batches_pkey primary key (tenant_id, id),
  -- what balances refer to: item and expiry of a batch with stock stay as they are
  constraint batches_item_expiry_key unique (tenant_id, id, item_id, expiry_on),
  constraint batches_item_batch_no_key unique nulls not distinct (tenant_id, item_id, batch_no, expiry_on, mrp),
  constraint batches_recall_class_check check (recall_class in ('I', 'II', 'III')),
  constraint batches_status_check check (
    status in ('quarantine', 'available', 'rejected', 'hold', 'recalled', 'expired', 'destroyed', 'returned_to_vendor')
  ),
  constraint batches_expire_after_manufacture check (expiry_on > mfg_on),
  constraint batches_gtin_valid check (core.valid_gtin(gtin)),
  constraint batches_recalled_by_notice check (status <> 'recalled' or (recall_ref is not null and recalled_at is not null)),
  constraint batches_hold_has_reason check (status <> 'hold' or hold_reason is not null),
  constraint batches_prices_not_negative check (purchase_price >= 0 and mrp >= 0),
  constraint batches_tax_rate_check check (tax_rate between 0 and 40),
  constraint batches_batch_no_not_blank check (btrim(batch_no) <> ''),
  constraint batches_finite check (mrp <> 'NaN' and purchase_price <> 'NaN')
);

alter table inventory.batches add constraint batches_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table inventory.batches add constraint batches_item_fkey
  foreign key (tenant_id, item_id) references inventory.items (tenant_id, id);
alter table inventory.batches add constraint batches_goods_receipt_item_fkey
  foreign key (tenant_id, goods_receipt_item_id) references inventory.goods_receipt_items (tenant_id, id);

-- what the job that expires batches looks for
create index batches_to_expire_idx on inventory.batches (tenant_id, expiry_on) where status in ('available', 'hold');
create index batches_goods_receipt_item_idx on inventory.batches (tenant_id, goods_receipt_item_id)
  where goods_receipt_item_id is not null;

comment on table inventory.batches is 'class=operational;scope=tenant;owner=inventory;fhir=Medication.batch;retention=operational;about=A manufacturer''s batch with its expiry; the unit of traceability and recall.';
comment on column inventory.batches.item_id is 'class=operational;about=The item.';
comment on column inventory.batches.batch_no is 'class=operational;about=Batch or lot number as printed.';
comment on column inventory.batches.gtin is 'class=operational;about=GS1 number of the trade item.';
comment on column inventory.batches.mfg_on is 'class=operational;about=Day of manufacture.';
comment on column inventory.batches.expiry_on is 'class=operational;about=Last day of use.';
comment on column inventory.batches.mrp is 'class=operational;about=Maximum retail price of a base unit, where the law knows one.';
comment on column inventory.batches.purchase_price is 'class=operational;about=Price paid for a base unit, without tax.';
comment on column inventory.batches.tax_rate is 'class=operational;about=Tax rate at purchase, in percent.';
comment on column inventory.batches.manufacturer is 'class=operational;about=Who made it.';
comment on column inventory.batches.goods_receipt_item_id is 'class=operational;about=The line of the goods receipt that the batch came with first.';
comment on column inventory.batches.recall_ref is 'class=operational;about=Number of the recall notice.';
comment on column inventory.batches.recall_class is 'class=operational;about=Urgency of the recall: I (danger to life), II, III.';
comment on column inventory.batches.recalled_at is 'class=operational;about=When it was recalled.';
comment on column inventory.batches.hold_reason is 'class=operational;about=Why the batch is on hold.';
comment on column inventory.batches.expiry_announced_at is 'class=operational;about=When event stock.expiring.v1 was written.';
comment on column inventory.batches.status is 'class=operational;about=quarantine (not released yet), available, hold, recalled, expired, rejected, destroyed or returned_to_vendor; changed by operations.';
select core.comment_standard_columns('inventory.batches');

alter table inventory.batches enable row level security, force row level security;
create policy tenant_isolation on inventory.batches
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

-- not the numbers that makers print: one in ten of twelve digits would be taken for an Aadhaar number
create trigger batches_no_aadhaar before insert or update of manufacturer, hold_reason on inventory.batches
  for each row execute function core.reject_aadhaar_like('manufacturer', 'hold_reason');
create trigger batches_touch before update on inventory.batches
  for each row execute function core.update_updated_at_column('row_version');
create trigger batches_transition before insert or update of status on inventory.batches
  for each row execute function core.enforce_transition('inventory.batches', 'status');
select audit.track('inventory.batches');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('inventory.batches', '', 'quarantine', false, null),
  ('inventory.batches', 'quarantine', 'recalled', true, 'stock.recalled.v1'),
  ('inventory.batches', 'quarantine', 'available', false, null),
  ('inventory.batches', 'quarantine', 'rejected', true, null),
  ('inventory.batches', 'available', 'hold', true, null),
  ('inventory.batches', 'available', 'recalled', true, 'stock.recalled.v1'),
  ('inventory.batches', 'available', 'expired', false, null),
  ('inventory.batches', 'hold', 'available', false, null),
  ('inventory.batches', 'hold', 'recalled', true, 'stock.recalled.v1'),
  ('inventory.batches', 'hold', 'expired', false, null),
  ('inventory.batches', 'recalled', 'destroyed', false, null),
  ('inventory.batches', 'recalled', 'returned_to_vendor', false, null),
  ('inventory.batches', 'expired', 'recalled', true, 'stock.recalled.v1'),
  ('inventory.batches', 'expired', 'destroyed', false, null),
  ('inventory.batches', 'expired', 'returned_to_vendor', false, null),
  ('inventory.batches', 'rejected', 'returned_to_vendor', false, null),
  ('inventory.batches', 'rejected', 'destroyed', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on inventory.batches to inventory_app;
grant
  insert (
    tenant_id, id, item_id, batch_no, gtin, mfg_on, expiry_on, mrp, purchase_price, tax_rate, manufacturer
  ),
  update (gtin, mfg_on, manufacturer, row_version)
on inventory.batches to inventory_app;
grant select on inventory.batches to inventory_ro;
