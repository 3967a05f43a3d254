-- inventory.stock_reservations: quantity of a batch that is promised to a prescription, an operation or an indent.
--
-- quantity - consumed of the active rows is what stock_balances.reserved says. Every change holds the lock of the balance.
-- A reservation that is not used by expires_at makes room for others; its holder then gets IM504.

create table inventory.stock_reservations (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  store_location_id uuid not null,
  item_id uuid not null,
  batch_id uuid not null,
  quantity numeric(14, 3) not null,
  consumed numeric(14, 3) not null default 0,
  ref_type text not null,
  ref_id uuid not null,
  expires_at timestamptz not null,
  status text not null default 'active',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint stock_reservations_pkey primary key (tenant_id, id),
  constraint stock_reservations_status_check check (status in ('active', 'consumed', 'released', 'expired')),
  constraint stock_reservations_quantity_positive check (quantity > 0),
  constraint stock_reservations_consumed_within_quantity check (consumed between 0 and quantity),
  constraint stock_reservations_consumed_means_all check ((status = 'consumed') = (consumed = quantity)),
  constraint stock_reservations_finite check (quantity <> 'NaN')
);

alter table inventory.stock_reservations add constraint stock_reservations_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table inventory.stock_reservations add constraint stock_reservations_store_location_fkey
  foreign key (tenant_id, store_location_id) references facility.locations (tenant_id, id);
alter table inventory.stock_reservations add constraint stock_reservations_item_fkey
  foreign key (tenant_id, item_id) references inventory.items (tenant_id, id);
alter table inventory.stock_reservations add constraint stock_reservations_batch_fkey
  foreign key (tenant_id, batch_id) references inventory.batches (tenant_id, id);

create unique index stock_reservations_one_active_per_batch
  on inventory.stock_reservations (tenant_id, ref_type, ref_id, store_location_id, batch_id)
  where status = 'active';
-- what of a balance has lapsed
create index stock_reservations_of_balance_idx
  on inventory.stock_reservations (tenant_id, store_location_id, batch_id, expires_at)
  where status = 'active';
create index stock_reservations_to_expire_idx on inventory.stock_reservations (tenant_id, expires_at)
  where status = 'active';
create index stock_reservations_store_location_idx on inventory.stock_reservations (tenant_id, store_location_id);
create index stock_reservations_item_idx on inventory.stock_reservations (tenant_id, item_id);
create index stock_reservations_batch_idx on inventory.stock_reservations (tenant_id, batch_id);

comment on table inventory.stock_reservations is 'class=operational;scope=tenant;owner=inventory;fhir=SupplyRequest;retention=operational;about=Quantity of a batch that is promised to a prescription, an operation or an indent.';
comment on column inventory.stock_reservations.store_location_id is 'class=operational;about=The place that holds the stock.';
comment on column inventory.stock_reservations.item_id is 'class=operational;about=The item of the batch.';
comment on column inventory.stock_reservations.batch_id is 'class=operational;about=The batch that is promised.';
comment on column inventory.stock_reservations.quantity is 'class=operational;about=Base units promised.';
comment on column inventory.stock_reservations.consumed is 'class=operational;about=Base units taken already.';
comment on column inventory.stock_reservations.ref_type is 'class=operational;about=What it is for: prescription_item, procedure, indent_item, ...';
comment on column inventory.stock_reservations.ref_id is 'class=operational;about=Id of what it is for.';
comment on column inventory.stock_reservations.expires_at is 'class=operational;about=When the promise lapses.';
comment on column inventory.stock_reservations.status is 'class=operational;about=active, consumed (all taken), released or expired.';
select core.comment_standard_columns('inventory.stock_reservations');

alter table inventory.stock_reservations enable row level security, force row level security;
create policy tenant_isolation on inventory.stock_reservations
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger stock_reservations_touch before update on inventory.stock_reservations
  for each row execute function core.update_updated_at_column('row_version');
create trigger stock_reservations_transition before insert or update of status on inventory.stock_reservations
  for each row execute function core.enforce_transition('inventory.stock_reservations', 'status');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('inventory.stock_reservations', '', 'active', false, null),
  ('inventory.stock_reservations', 'active', 'consumed', false, null),
  ('inventory.stock_reservations', 'active', 'released', false, null),
  ('inventory.stock_reservations', 'active', 'expired', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on inventory.stock_reservations to inventory_app, inventory_ro;
