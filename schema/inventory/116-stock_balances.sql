-- inventory.stock_balances: On-hand and reserved per store and batch; the row that is locked.
-- NOTE: Only inventory.post_movement() and the reserve functions may UPDATE it.

create table inventory.stock_balances (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  store_location_id uuid not null,
  item_id uuid not null,
  batch_id uuid not null,
  expiry_on date not null,
  on_hand numeric(14, 3) not null default 0,
  reserved numeric(14, 3) not null default 0,
  bin text,
  last_movement_id uuid,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint stock_balances_pkey primary key (tenant_id, id),
  constraint stock_balances_store_location_batch_key unique (tenant_id, store_location_id, batch_id),
  constraint stock_balances_on_hand_rule check (on_hand >= 0),
  constraint stock_balances_reserved_rule check (reserved >= 0),
  constraint stock_balances_reserved_rule_2 check (reserved <= on_hand)
);

alter table inventory.stock_balances add constraint stock_balances_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table inventory.stock_balances add constraint stock_balances_store_location_fkey
  foreign key (tenant_id, store_location_id) references facility.locations (tenant_id, id);
alter table inventory.stock_balances add constraint stock_balances_item_fkey
  foreign key (tenant_id, item_id) references inventory.items (tenant_id, id);
alter table inventory.stock_balances add constraint stock_balances_batch_fkey
  foreign key (tenant_id, batch_id) references inventory.batches (tenant_id, id);
alter table inventory.stock_balances add constraint stock_balances_last_movement_fkey
  foreign key (tenant_id, last_movement_id) references inventory.stock_movements (tenant_id, id);

-- KEY to build: index: FEFO btree (tenant_id,store_location_id,item_id,expiry_on,batch_id) where on_hand > reserved
create index stock_balances_item_idx on inventory.stock_balances (tenant_id, item_id);
create index stock_balances_batch_idx on inventory.stock_balances (tenant_id, batch_id);
create index stock_balances_last_movement_idx on inventory.stock_balances (tenant_id, last_movement_id)
  where last_movement_id is not null;

comment on table inventory.stock_balances is 'class=operational;scope=tenant;owner=inventory;fhir=InventoryReport;retention=operational;about=On-hand and reserved per store and batch; the row that is locked.';
comment on column inventory.stock_balances.store_location_id is 'class=operational;about=?';
comment on column inventory.stock_balances.item_id is 'class=operational;about=?';
comment on column inventory.stock_balances.batch_id is 'class=operational;about=?';
comment on column inventory.stock_balances.expiry_on is 'class=operational;about=?';
comment on column inventory.stock_balances.on_hand is 'class=operational;about=?';
comment on column inventory.stock_balances.reserved is 'class=operational;about=?';
comment on column inventory.stock_balances.bin is 'class=operational;about=?';
comment on column inventory.stock_balances.last_movement_id is 'class=operational;about=?';
select core.comment_standard_columns('inventory.stock_balances');

alter table inventory.stock_balances enable row level security;
alter table inventory.stock_balances force row level security;
create policy tenant_isolation on inventory.stock_balances
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger stock_balances_touch before update on inventory.stock_balances
  for each row execute function core.update_updated_at_column('row_version');

grant select, insert, update on inventory.stock_balances to inventory_app;
grant select on inventory.stock_balances to inventory_ro;
