-- inventory.items: what can be in stock: drugs, consumables, implants, reagents, linen, spare parts.
--
-- Quantities everywhere count in the base unit (tablet, ampoule, piece); packs exist for ordering only. Drugs, implants,
-- reagents and blood bags are always tracked by batch, because a recall must find who got them.

create table inventory.items (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  sku text not null,
  name text not null,
  kind text not null,
  drug_id uuid,
  hsn text,
  gst_rate numeric(5, 2) not null default 0,
  base_unit text not null,
  pack_unit text,
  pack_size numeric(14, 3),
  is_batch_tracked boolean not null default true,
  is_serial_tracked boolean not null default false,
  is_formulary boolean not null default false,
  restricted_approval boolean not null default false,
  is_controlled boolean not null default false,
  reorder_level numeric(14, 3),
  reorder_qty numeric(14, 3),
  min_shelf_life_days integer,
  storage text,
  active boolean not null default true,
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
  constraint items_traceable_kinds_have_batches check (kind not in ('drug', 'implant', 'reagent', 'blood_bag') or is_batch_tracked),
  constraint items_pack_has_unit_and_size check ((pack_unit is null) = (pack_size is null) and pack_size > 0),
  constraint items_gst_rate_check check (gst_rate between 0 and 40),
  constraint items_hsn_format check (hsn ~ '^[0-9]{4,8}$'),
  constraint items_reorder_not_negative check (reorder_level >= 0 and reorder_qty > 0),
  constraint items_min_shelf_life_not_negative check (min_shelf_life_days >= 0),
  constraint items_controlled_are_drugs check (not is_controlled or kind = 'drug'),
  constraint items_finite check (pack_size <> 'NaN' and reorder_level <> 'NaN' and reorder_qty <> 'NaN')
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

comment on table inventory.items is 'class=operational;scope=tenant;owner=inventory;fhir=Medication;retention=operational;about=What can be in stock: drugs, consumables, implants, reagents, linen, spare parts.';
comment on column inventory.items.sku is 'class=operational;about=Stock-keeping code of the hospital, unique while the item is not deleted.';
comment on column inventory.items.name is 'class=operational;about=What storekeepers call it, with strength and form for a drug.';
comment on column inventory.items.kind is 'class=operational;about=What it is: drug, consumable, implant, reagent, blood_bag, linen, stationery or asset_spare.';
comment on column inventory.items.drug_id is 'class=operational;about=The drug of the catalogue that it is; null for everything that is no drug.';
comment on column inventory.items.hsn is 'class=operational;about=HSN code of the goods for tax, 4 to 8 digits.';
comment on column inventory.items.gst_rate is 'class=operational;about=Tax rate in percent.';
comment on column inventory.items.base_unit is 'class=operational;about=The unit that quantities count, such as tablet, ml or piece.';
comment on column inventory.items.pack_unit is 'class=operational;about=The unit that suppliers sell, such as strip or box.';
comment on column inventory.items.pack_size is 'class=operational;about=How many base units a pack holds.';
comment on column inventory.items.is_batch_tracked is 'class=operational;about=Whether movements name a real batch of the maker; an item without has one batch that stands for all.';
comment on column inventory.items.is_serial_tracked is 'class=operational;about=Whether each piece has a serial number, as implants do.';
comment on column inventory.items.is_formulary is 'class=operational;about=Whether the item is on the hospitals list of preferred items.';
comment on column inventory.items.restricted_approval is 'class=operational;about=Whether issuing it needs the approval of a specialist.';
comment on column inventory.items.is_controlled is 'class=operational;about=Narcotic or psychotropic: destroying it needs a witness. Kept here because the drug catalogue belongs to another service.';
comment on column inventory.items.reorder_level is 'class=operational;about=When usable stock of the tenant falls below this, event stock.low.v1 is written; null for never.';
comment on column inventory.items.reorder_qty is 'class=operational;about=How much is usually ordered.';
comment on column inventory.items.min_shelf_life_days is 'class=operational;about=Days that goods must still be good for on the day of receipt; null for setting inventory.min_shelf_life_days.';
comment on column inventory.items.storage is 'class=operational;about=How to store it, such as 2-8 C or locked cupboard.';
comment on column inventory.items.active is 'class=operational;about=Whether it may be ordered.';
select core.comment_standard_columns('inventory.items');

alter table inventory.items enable row level security, force row level security;
create policy tenant_isolation on inventory.items
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger items_no_aadhaar before insert or update of name on inventory.items
  for each row execute function core.reject_aadhaar_like('name');
create trigger items_touch before update on inventory.items
  for each row execute function core.update_updated_at_column('row_version');

grant select, insert, update on inventory.items to inventory_app;
grant select on inventory.items to inventory_ro;
