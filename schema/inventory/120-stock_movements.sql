-- inventory.stock_movements: the ledger: every quantity in or out, never edited. A mistake is corrected by another row.
--
-- quantity has the sign of its effect, balance_after is on_hand of the store and batch after it, and key and reference
-- each appear once: a repeated call cannot move stock twice. Stock counts post as adjust_* with ref_type 'count'.

create table inventory.stock_movements (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  moved_at timestamptz not null default clock_timestamp(),
  kind text not null,
  store_location_id uuid not null,
  item_id uuid not null,
  batch_id uuid not null,
  quantity numeric(14, 3) not null,
  balance_after numeric(14, 3) not null,
  unit_cost numeric(14, 2) not null,
  ref_type text not null,
  ref_id uuid not null,
  part smallint not null default 1,
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
  constraint stock_movements_reference_once unique (tenant_id, ref_type, ref_id, batch_id, kind, part),
  constraint stock_movements_kind_check check (
    kind in ('opening', 'receipt', 'issue', 'dispense', 'return_in', 'return_out', 'transfer_out', 'transfer_in', 'adjust_up', 'adjust_down', 'expiry_writeoff', 'destroy', 'consume')
  ),
  constraint stock_movements_quantity_not_zero check (quantity <> 0),
  constraint stock_movements_sign_of_kind check (
    (kind in ('opening', 'receipt', 'return_in', 'transfer_in', 'adjust_up')) = (quantity > 0)
  ),
  constraint stock_movements_balance_not_negative check (balance_after >= 0),
  constraint stock_movements_losses_are_approved check (
    kind not in ('opening', 'adjust_up', 'adjust_down', 'expiry_writeoff', 'destroy') or (reason_code is not null and approved_by is not null)
  ),
  constraint stock_movements_idempotency_key_length check (length(idempotency_key) between 8 and 200),
  constraint stock_movements_part_check check (part >= 1),
  constraint stock_movements_witness_is_another check (witness_id <> approved_by),
  constraint stock_movements_finite check (quantity <> 'NaN' and balance_after <> 'NaN' and unit_cost <> 'NaN')
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

-- the ledger of a balance, in order
create index stock_movements_store_location_idx
  on inventory.stock_movements (tenant_id, store_location_id, batch_id, moved_at);
create index stock_movements_item_idx on inventory.stock_movements (tenant_id, item_id);
-- who got a batch
create index stock_movements_batch_idx on inventory.stock_movements (tenant_id, batch_id, patient_id);
create index stock_movements_counter_movement_idx on inventory.stock_movements (tenant_id, counter_movement_id)
  where counter_movement_id is not null;
create index stock_movements_patient_idx on inventory.stock_movements (tenant_id, patient_id)
  where patient_id is not null;
create index stock_movements_approved_by_idx on inventory.stock_movements (tenant_id, approved_by)
  where approved_by is not null;
create index stock_movements_witness_idx on inventory.stock_movements (tenant_id, witness_id)
  where witness_id is not null;

comment on table inventory.stock_movements is 'class=operational;scope=tenant;owner=inventory;fhir=SupplyDelivery;retention=operational;append_only=1;about=The ledger: every quantity in or out, never edited.';
comment on column inventory.stock_movements.moved_at is 'class=operational;about=When it was posted; later rows of one balance have later times.';
comment on column inventory.stock_movements.kind is 'class=operational;about=Why stock came (opening, receipt, return_in, transfer_in, adjust_up) or went (issue, dispense, return_out, transfer_out, adjust_down, expiry_writeoff, destroy, consume).';
comment on column inventory.stock_movements.store_location_id is 'class=operational;about=The place whose stock changed.';
comment on column inventory.stock_movements.item_id is 'class=operational;about=The item of the batch.';
comment on column inventory.stock_movements.batch_id is 'class=operational;about=The batch.';
comment on column inventory.stock_movements.quantity is 'class=operational;about=Base units, positive in, negative out.';
comment on column inventory.stock_movements.balance_after is 'class=operational;about=on_hand of the store and batch after this movement.';
comment on column inventory.stock_movements.unit_cost is 'class=operational;about=Purchase price of a base unit of the batch at that time.';
comment on column inventory.stock_movements.ref_type is 'class=operational;about=What it was for: dispense_item, goods_receipt_item, indent_item, count, ...';
comment on column inventory.stock_movements.ref_id is 'class=operational;about=Id of what it was for.';
comment on column inventory.stock_movements.part is 'class=operational;about=1, 2, 3 when one reference moves the same batch in parts, as an indent does that is issued twice.';
comment on column inventory.stock_movements.counter_movement_id is 'class=operational;about=The other half: a transfer_in names its transfer_out.';
comment on column inventory.stock_movements.patient_id is 'class=phi;about=Who got the goods; what a recall looks for.';
comment on column inventory.stock_movements.reason_code is 'class=operational;about=Why stock was adjusted, destroyed or written off.';
comment on column inventory.stock_movements.approved_by is 'class=operational;about=The staff member who approved that, never the one who asked.';
comment on column inventory.stock_movements.witness_id is 'class=operational;about=The staff member who watched a controlled drug being destroyed.';
comment on column inventory.stock_movements.idempotency_key is 'class=operational;about=Same key and content, same movement.';
select core.comment_standard_columns('inventory.stock_movements');

alter table inventory.stock_movements enable row level security, force row level security;
create policy tenant_isolation on inventory.stock_movements
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

-- not the key: machines make it, and the digits of a UUID may look like one
create trigger stock_movements_no_aadhaar before insert on inventory.stock_movements
  for each row execute function core.reject_aadhaar_like('reason_code');
create trigger stock_movements_witness before insert on inventory.stock_movements
  for each row execute function inventory.check_witness();
create trigger stock_movements_append_only before update or delete on inventory.stock_movements
  for each row execute function core.refuse_change();
create trigger stock_movements_no_truncate before truncate on inventory.stock_movements
  for each statement execute function core.refuse_change();

grant select on inventory.stock_movements to inventory_app, inventory_ro;
