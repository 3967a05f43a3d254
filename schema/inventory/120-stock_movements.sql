-- inventory.stock_movements: The ledger: every quantity in or out, never edited.
-- RULE to build: controlled drug destroy => witness_id is not null
-- NOTE: Stock counts post here as adjust_* with ref_type='count'. View medication.controlled_drug_register (Schedule H1/X/NDPS running balance with patient and prescriber) reads this.

create table inventory.stock_movements (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  moved_at timestamptz not null,
  kind text not null,
  store_location_id uuid not null,
  item_id uuid not null,
  batch_id uuid not null,
  quantity numeric(14, 3) not null,
  balance_after numeric(14, 3) not null,
  unit_cost numeric(14, 2) not null,
  ref_type text not null,
  ref_id uuid not null,
  counter_movement_id uuid,
  patient_id uuid,
  reason_code text,
  approved_by uuid,
  witness_id uuid,
  idempotency_key text not null,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint stock_movements_pkey primary key (tenant_id, id),
  constraint stock_movements_idempotency_key_key unique (tenant_id, idempotency_key),
  constraint stock_movements_ref_type_ref_key unique (tenant_id, ref_type, ref_id, batch_id, kind),
  constraint stock_movements_kind_check check (
    kind in ('opening', 'receipt', 'issue', 'dispense', 'return_in', 'return_out', 'transfer_out', 'transfer_in', 'adjust_up', 'adjust_down', 'expiry_writeoff', 'destroy', 'consume')
  ),
  constraint stock_movements_quantity_rule check (quantity <> 0),
  constraint stock_movements_kind_rule check (
    (kind in ('opening', 'receipt', 'return_in', 'transfer_in', 'adjust_up')) = (quantity > 0)
  ),
  constraint stock_movements_balance_after_rule check (balance_after >= 0),
  constraint stock_movements_kind_rule_3 check (
    kind not in ('adjust_up', 'adjust_down', 'expiry_writeoff', 'destroy') or (reason_code is not null and approved_by is not null)
  )
);

alter table inventory.stock_movements add constraint stock_movements_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table inventory.stock_movements add constraint stock_movements_store_location_fkey
  foreign key (tenant_id, store_location_id) references facility.locations (tenant_id, id);
alter table inventory.stock_movements add constraint stock_movements_item_fkey
  foreign key (tenant_id, item_id) references inventory.items (tenant_id, id);
alter table inventory.stock_movements add constraint stock_movements_batch_fkey
  foreign key (tenant_id, batch_id) references inventory.batches (tenant_id, id);
alter table inventory.stock_movements add constraint stock_movements_counter_movement_fkey
  foreign key (tenant_id, counter_movement_id) references inventory.stock_movements (tenant_id, id);
alter table inventory.stock_movements add constraint stock_movements_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table inventory.stock_movements add constraint stock_movements_approved_by_fkey
  foreign key (tenant_id, approved_by) references workforce.staff (tenant_id, id);
alter table inventory.stock_movements add constraint stock_movements_witness_fkey
  foreign key (tenant_id, witness_id) references workforce.staff (tenant_id, id);

create index stock_movements_store_location_idx on inventory.stock_movements (tenant_id, store_location_id);
create index stock_movements_item_idx on inventory.stock_movements (tenant_id, item_id);
create index stock_movements_batch_idx on inventory.stock_movements (tenant_id, batch_id);
create index stock_movements_counter_movement_idx on inventory.stock_movements (tenant_id, counter_movement_id)
  where counter_movement_id is not null;
create index stock_movements_patient_idx on inventory.stock_movements (tenant_id, patient_id)
  where patient_id is not null;
create index stock_movements_approved_by_idx on inventory.stock_movements (tenant_id, approved_by)
  where approved_by is not null;
create index stock_movements_witness_idx on inventory.stock_movements (tenant_id, witness_id)
  where witness_id is not null;

comment on table inventory.stock_movements is 'class=operational;scope=tenant;owner=inventory;fhir=SupplyDelivery;retention=operational;append_only=1;about=The ledger: every quantity in or out, never edited.';
comment on column inventory.stock_movements.moved_at is 'class=operational;about=?';
comment on column inventory.stock_movements.kind is 'class=operational;about=?';
comment on column inventory.stock_movements.store_location_id is 'class=operational;about=?';
comment on column inventory.stock_movements.item_id is 'class=operational;about=?';
comment on column inventory.stock_movements.batch_id is 'class=operational;about=?';
comment on column inventory.stock_movements.quantity is 'class=operational;about=?';
comment on column inventory.stock_movements.balance_after is 'class=operational;about=?';
comment on column inventory.stock_movements.unit_cost is 'class=operational;about=?';
comment on column inventory.stock_movements.ref_type is 'class=operational;about=?';
comment on column inventory.stock_movements.ref_id is 'class=operational;about=?';
comment on column inventory.stock_movements.counter_movement_id is 'class=operational;about=?';
comment on column inventory.stock_movements.patient_id is 'class=operational;about=The patient.';
comment on column inventory.stock_movements.reason_code is 'class=operational;about=?';
comment on column inventory.stock_movements.approved_by is 'class=operational;about=?';
comment on column inventory.stock_movements.witness_id is 'class=operational;about=?';
comment on column inventory.stock_movements.idempotency_key is 'class=operational;about=Same key, same answer.';
select core.comment_standard_columns('inventory.stock_movements');

alter table inventory.stock_movements enable row level security;
alter table inventory.stock_movements force row level security;
create policy tenant_isolation on inventory.stock_movements
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger stock_movements_append_only before update or delete on inventory.stock_movements
  for each row execute function core.refuse_change();
create trigger stock_movements_no_truncate before truncate on inventory.stock_movements
  for each statement execute function core.refuse_change();

grant select, insert on inventory.stock_movements to inventory_app;
grant select on inventory.stock_movements to inventory_ro;
