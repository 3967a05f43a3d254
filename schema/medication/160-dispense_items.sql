-- medication.dispense_items: Batch-level lines chosen by FEFO.
-- RULE to build: expiry_on > dispensed date unless return
-- RULE to build: an older non-expired batch with stock exists => fefo_override_reason is not null (trigger)

create table medication.dispense_items (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  dispense_id uuid not null,
  prescription_item_id uuid,
  item_id uuid not null,
  batch_id uuid not null,
  batch_no text not null,
  expiry_on date not null,
  quantity numeric(14, 3) not null,
  mrp numeric(14, 2) not null,
  unit_price numeric(14, 2) not null,
  tax_rate numeric(5, 2) not null,
  reservation_id uuid,
  movement_id uuid not null,
  fefo_override_reason text,
  substitution_reason text,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint dispense_items_pkey primary key (tenant_id, id),
  constraint dispense_items_dispense_batch_key unique (tenant_id, dispense_id, batch_id, prescription_item_id),
  constraint dispense_items_quantity_rule check (quantity <> 0),
  constraint dispense_items_unit_price_rule check (unit_price <= mrp)
);

alter table medication.dispense_items add constraint dispense_items_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table medication.dispense_items add constraint dispense_items_dispense_fkey
  foreign key (tenant_id, dispense_id) references medication.dispenses (tenant_id, id);
alter table medication.dispense_items add constraint dispense_items_prescription_item_fkey
  foreign key (tenant_id, prescription_item_id) references medication.prescription_items (tenant_id, id);
alter table medication.dispense_items add constraint dispense_items_item_fkey
  foreign key (tenant_id, item_id) references inventory.items (tenant_id, id);
alter table medication.dispense_items add constraint dispense_items_batch_fkey
  foreign key (tenant_id, batch_id) references inventory.batches (tenant_id, id);
alter table medication.dispense_items add constraint dispense_items_reservation_fkey
  foreign key (tenant_id, reservation_id) references inventory.stock_reservations (tenant_id, id);
alter table medication.dispense_items add constraint dispense_items_movement_fkey
  foreign key (tenant_id, movement_id) references inventory.stock_movements (tenant_id, id);

create index dispense_items_prescription_item_idx on medication.dispense_items (tenant_id, prescription_item_id)
  where prescription_item_id is not null;
create index dispense_items_item_idx on medication.dispense_items (tenant_id, item_id);
create index dispense_items_batch_idx on medication.dispense_items (tenant_id, batch_id);
create index dispense_items_reservation_idx on medication.dispense_items (tenant_id, reservation_id)
  where reservation_id is not null;
create index dispense_items_movement_idx on medication.dispense_items (tenant_id, movement_id);

comment on table medication.dispense_items is 'class=phi;scope=tenant;owner=medication;fhir=MedicationDispense;retention=medical_record;append_only=1;about=Batch-level lines chosen by FEFO.';
comment on column medication.dispense_items.dispense_id is 'class=phi;about=?';
comment on column medication.dispense_items.prescription_item_id is 'class=phi;about=?';
comment on column medication.dispense_items.item_id is 'class=phi;about=?';
comment on column medication.dispense_items.batch_id is 'class=phi;about=?';
comment on column medication.dispense_items.batch_no is 'class=phi;about=?';
comment on column medication.dispense_items.expiry_on is 'class=phi;about=?';
comment on column medication.dispense_items.quantity is 'class=phi;about=?';
comment on column medication.dispense_items.mrp is 'class=phi;about=?';
comment on column medication.dispense_items.unit_price is 'class=phi;about=?';
comment on column medication.dispense_items.tax_rate is 'class=phi;about=?';
comment on column medication.dispense_items.reservation_id is 'class=phi;about=?';
comment on column medication.dispense_items.movement_id is 'class=phi;about=?';
comment on column medication.dispense_items.fefo_override_reason is 'class=phi;about=?';
comment on column medication.dispense_items.substitution_reason is 'class=phi;about=?';
select core.comment_standard_columns('medication.dispense_items');

alter table medication.dispense_items enable row level security;
alter table medication.dispense_items force row level security;
create policy tenant_isolation on medication.dispense_items
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger dispense_items_append_only before update or delete on medication.dispense_items
  for each row execute function core.refuse_change();
create trigger dispense_items_no_truncate before truncate on medication.dispense_items
  for each statement execute function core.refuse_change();
select audit.track('medication.dispense_items');

grant select, insert on medication.dispense_items to medication_app;
grant select on medication.dispense_items to medication_ro;
