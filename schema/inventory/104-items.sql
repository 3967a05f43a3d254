-- inventory.items: Stockable item: drug, consumable, implant, reagent.

create table inventory.items (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  sku text not null,
  name text not null,
  kind text not null,
  drug_id uuid,
  hsn text,
  gst_rate numeric(5, 2) not null,
  base_unit text not null,
  pack_unit text,
  pack_size numeric,
  is_batch_tracked boolean not null default false,
  is_serial_tracked boolean not null default false,
  is_formulary boolean not null default false,
  restricted_approval boolean not null default false,
  reorder_level numeric(14, 3),
  reorder_qty numeric(14, 3),
  min_shelf_life_days integer,
  storage text,
  active boolean not null default false,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint items_pkey primary key (tenant_id, id),
  constraint items_kind_check check (
    kind in ('drug', 'consumable', 'implant', 'reagent', 'blood_bag', 'linen', 'stationery', 'asset_spare')
  ),
  constraint items_kind_rule check (kind not in ('drug', 'implant', 'reagent', 'blood_bag') or is_batch_tracked),
  constraint items_pack_size_rule check (pack_size > 0),
  constraint items_gst_rate_range check (gst_rate between 0 and 40)
);

alter table inventory.items add constraint items_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table inventory.items add constraint items_drug_fkey
  foreign key (drug_id) references medication.drugs (id);

create unique index items_sku_key on inventory.items (tenant_id, sku)
  where deleted_at is null;
create index items_drug_idx on inventory.items (drug_id, tenant_id)
  where drug_id is not null;
comment on index inventory.items_drug_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';

comment on table inventory.items is 'class=operational;scope=tenant;owner=inventory;fhir=Medication,SupplyItem;retention=operational;about=Stockable item: drug, consumable, implant, reagent.';
comment on column inventory.items.sku is 'class=operational;about=?';
comment on column inventory.items.name is 'class=operational;about=?';
comment on column inventory.items.kind is 'class=operational;about=?';
comment on column inventory.items.drug_id is 'class=operational;about=?';
comment on column inventory.items.hsn is 'class=operational;about=?';
comment on column inventory.items.gst_rate is 'class=operational;about=?';
comment on column inventory.items.base_unit is 'class=operational;about=?';
comment on column inventory.items.pack_unit is 'class=operational;about=?';
comment on column inventory.items.pack_size is 'class=operational;about=?';
comment on column inventory.items.is_batch_tracked is 'class=operational;about=?';
comment on column inventory.items.is_serial_tracked is 'class=operational;about=?';
comment on column inventory.items.is_formulary is 'class=operational;about=?';
comment on column inventory.items.restricted_approval is 'class=operational;about=?';
comment on column inventory.items.reorder_level is 'class=operational;about=?';
comment on column inventory.items.reorder_qty is 'class=operational;about=?';
comment on column inventory.items.min_shelf_life_days is 'class=operational;about=?';
comment on column inventory.items.storage is 'class=operational;about=?';
comment on column inventory.items.active is 'class=operational;about=?';
select core.comment_standard_columns('inventory.items');

alter table inventory.items enable row level security;
alter table inventory.items force row level security;
create policy tenant_isolation on inventory.items
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger items_touch before update on inventory.items
  for each row execute function core.update_updated_at_column('row_version');

grant select, insert, update on inventory.items to inventory_app;
grant select on inventory.items to inventory_ro;
