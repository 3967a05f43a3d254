-- inventory.batches: Manufacturer batch with expiry; the unit of traceability and recall.

create table inventory.batches (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  item_id uuid not null,
  batch_no text not null,
  gtin text,
  mfg_on date,
  expiry_on date not null,
  mrp numeric(14, 2),
  purchase_price numeric(14, 2) not null,
  tax_rate numeric(5, 2) not null,
  manufacturer text,
  goods_receipt_item_id uuid,
  recall_ref text,
  recall_class text,
  recalled_at timestamptz,
  hold_reason text,
  status text not null default 'quarantine',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint batches_pkey primary key (tenant_id, id),
  constraint batches_item_batch_no_key unique (tenant_id, item_id, batch_no, expiry_on, mrp),
  constraint batches_recall_class_check check (recall_class in ('I', 'II', 'III')),
  constraint batches_status_check check (
    status in ('quarantine', 'available', 'rejected', 'hold', 'recalled', 'expired', 'destroyed', 'returned_to_vendor')
  ),
  constraint batches_expiry_on_rule check (expiry_on > mfg_on),
  constraint batches_core_rule check (core.valid_gtin(gtin)),
  constraint batches_recalled_complete check (status <> 'recalled' or recall_ref is not null),
  constraint batches_purchase_price_rule check (purchase_price >= 0)
);

alter table inventory.batches add constraint batches_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table inventory.batches add constraint batches_item_fkey
  foreign key (tenant_id, item_id) references inventory.items (tenant_id, id);
alter table inventory.batches add constraint batches_goods_receipt_item_fkey
  foreign key (tenant_id, goods_receipt_item_id) references inventory.goods_receipt_items (tenant_id, id);

create index batches_goods_receipt_item_idx on inventory.batches (tenant_id, goods_receipt_item_id)
  where goods_receipt_item_id is not null;

comment on table inventory.batches is 'class=operational;scope=tenant;owner=inventory;fhir=Medication.batch;retention=operational;about=Manufacturer batch with expiry; the unit of traceability and recall.';
comment on column inventory.batches.item_id is 'class=operational;about=?';
comment on column inventory.batches.batch_no is 'class=operational;about=?';
comment on column inventory.batches.gtin is 'class=operational;about=?';
comment on column inventory.batches.mfg_on is 'class=operational;about=?';
comment on column inventory.batches.expiry_on is 'class=operational;about=?';
comment on column inventory.batches.mrp is 'class=operational;about=?';
comment on column inventory.batches.purchase_price is 'class=operational;about=?';
comment on column inventory.batches.tax_rate is 'class=operational;about=?';
comment on column inventory.batches.manufacturer is 'class=operational;about=?';
comment on column inventory.batches.goods_receipt_item_id is 'class=operational;about=?';
comment on column inventory.batches.recall_ref is 'class=operational;about=?';
comment on column inventory.batches.recall_class is 'class=operational;about=?';
comment on column inventory.batches.recalled_at is 'class=operational;about=?';
comment on column inventory.batches.hold_reason is 'class=operational;about=?';
comment on column inventory.batches.status is 'class=operational;about=?';
select core.comment_standard_columns('inventory.batches');

alter table inventory.batches enable row level security;
alter table inventory.batches force row level security;
create policy tenant_isolation on inventory.batches
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger batches_touch before update on inventory.batches
  for each row execute function core.update_updated_at_column('row_version');
create trigger batches_transition before insert or update of status on inventory.batches
  for each row execute function core.enforce_transition('inventory.batches', 'status');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('inventory.batches', '', 'quarantine', false, null),
  ('inventory.batches', 'quarantine', 'available', false, null),
  ('inventory.batches', 'quarantine', 'rejected', false, null),
  ('inventory.batches', 'available', 'hold', false, null),
  ('inventory.batches', 'available', 'recalled', false, null),
  ('inventory.batches', 'available', 'expired', false, null),
  ('inventory.batches', 'hold', 'available', false, null),
  ('inventory.batches', 'hold', 'recalled', false, null),
  ('inventory.batches', 'hold', 'expired', false, null),
  ('inventory.batches', 'recalled', 'destroyed', false, null),
  ('inventory.batches', 'expired', 'destroyed', false, null),
  ('inventory.batches', 'expired', 'returned_to_vendor', false, null),
  ('inventory.batches', 'rejected', 'returned_to_vendor', false, null),
  ('inventory.batches', 'rejected', 'destroyed', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on inventory.batches to inventory_app;
grant select on inventory.batches to inventory_ro;
