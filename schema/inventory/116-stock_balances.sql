-- inventory.stock_balances: on hand and reserved, per store and batch. This row is the lock of every movement.
--
-- on_hand is the sum of the ledger of its store and batch, reserved the open rest of its active reservations, and neither
-- is ever negative: the checks are the last word. Only operations write here. Whoever locks several balances does it in
-- one order: store, item, expiry, batch (the order of the index below).

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
  constraint stock_balances_on_hand_not_negative check (on_hand >= 0),
  constraint stock_balances_reserved_not_negative check (reserved >= 0),
  constraint stock_balances_reserved_is_on_hand check (reserved <= on_hand),
  constraint stock_balances_finite check (on_hand <> 'NaN')
);

alter table inventory.stock_balances add constraint stock_balances_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table inventory.stock_balances add constraint stock_balances_store_location_fkey
  foreign key (tenant_id, store_location_id) references facility.locations (tenant_id, id);
alter table inventory.stock_balances add constraint stock_balances_item_fkey
  foreign key (tenant_id, item_id) references inventory.items (tenant_id, id);
alter table inventory.stock_balances add constraint stock_balances_batch_fkey
  foreign key (tenant_id, batch_id, item_id, expiry_on) references inventory.batches (tenant_id, id, item_id, expiry_on);

-- First expired, first out. Not partial on the quantities: those change with every movement, and a column that an index
-- names would take the updates off the heap-only path.
create index stock_balances_fefo_idx
  on inventory.stock_balances (tenant_id, store_location_id, item_id, expiry_on, batch_id);
create index stock_balances_item_idx on inventory.stock_balances (tenant_id, item_id);
create index stock_balances_batch_idx on inventory.stock_balances (tenant_id, batch_id, item_id, expiry_on);

comment on table inventory.stock_balances is 'class=operational;scope=tenant;owner=inventory;fhir=none;retention=operational;about=On hand and reserved per store and batch; the row that every movement locks.';
comment on column inventory.stock_balances.store_location_id is 'class=operational;about=The place that holds the stock: store, ward, theatre.';
comment on column inventory.stock_balances.item_id is 'class=operational;about=The item of the batch.';
comment on column inventory.stock_balances.batch_id is 'class=operational;about=The batch.';
comment on column inventory.stock_balances.expiry_on is 'class=operational;about=Expiry of the batch, repeated here so that FEFO reads one index.';
comment on column inventory.stock_balances.on_hand is 'class=operational;about=Quantity in the place, in base units, promised or not.';
comment on column inventory.stock_balances.reserved is 'class=operational;about=Part of on_hand that active reservations promise.';
comment on column inventory.stock_balances.bin is 'class=operational;about=Shelf or bin within the place.';
comment on column inventory.stock_balances.last_movement_id is 'class=operational;about=The movement that set on_hand. No foreign key: the ledger keeps its rows for ever, and the index that a key needs would be rewritten by every movement.';
select core.comment_standard_columns('inventory.stock_balances');

alter table inventory.stock_balances enable row level security, force row level security;
create policy tenant_isolation on inventory.stock_balances
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger stock_balances_touch before update on inventory.stock_balances
  for each row execute function core.update_updated_at_column('row_version');

grant select on inventory.stock_balances to inventory_app, inventory_ro;
grant update (bin, row_version) on inventory.stock_balances to inventory_app;
