-- The lines of a dispense, each one movement of the stock ledger. A batch may be given in two lines, as at two prices. Lines
-- are never changed; goods that come back are lines of a return with a negative quantity that name the line they come from.

create table medication.dispense_items (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  dispense_id uuid not null,
  prescription_item_id uuid,
  return_of_item_id uuid,
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
  constraint dispense_items_one_movement_each unique (tenant_id, movement_id),
  constraint dispense_items_quantity_not_zero check (quantity <> 0),
  constraint dispense_items_negative_is_return check ((quantity < 0) = (return_of_item_id is not null)),
  constraint dispense_items_not_above_mrp check (unit_price between 0 and mrp),
  constraint dispense_items_tax_rate_check check (tax_rate between 0 and 40),
  constraint dispense_items_finite check (quantity <> 'NaN' and mrp <> 'NaN')
);

alter table medication.dispense_items add constraint dispense_items_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table medication.dispense_items add constraint dispense_items_dispense_fkey
  foreign key (tenant_id, dispense_id) references medication.dispenses (tenant_id, id);
alter table medication.dispense_items add constraint dispense_items_prescription_item_fkey
  foreign key (tenant_id, prescription_item_id) references medication.prescription_items (tenant_id, id);
alter table medication.dispense_items add constraint dispense_items_return_of_item_fkey
  foreign key (tenant_id, return_of_item_id) references medication.dispense_items (tenant_id, id);
alter table medication.dispense_items add constraint dispense_items_item_fkey
  foreign key (tenant_id, item_id) references inventory.items (tenant_id, id);
alter table medication.dispense_items add constraint dispense_items_batch_fkey
  foreign key (tenant_id, batch_id, item_id, expiry_on)
  references inventory.batches (tenant_id, id, item_id, expiry_on);
alter table medication.dispense_items add constraint dispense_items_reservation_fkey
  foreign key (tenant_id, reservation_id) references inventory.stock_reservations (tenant_id, id);
alter table medication.dispense_items add constraint dispense_items_movement_fkey
  foreign key (tenant_id, movement_id) references inventory.stock_movements (tenant_id, id);

create index dispense_items_dispense_idx on medication.dispense_items (tenant_id, dispense_id);
create index dispense_items_prescription_item_idx on medication.dispense_items (tenant_id, prescription_item_id)
  where prescription_item_id is not null;
create index dispense_items_return_of_item_idx on medication.dispense_items (tenant_id, return_of_item_id)
  where return_of_item_id is not null;
create index dispense_items_item_idx on medication.dispense_items (tenant_id, item_id);
-- who received a batch that is recalled
create index dispense_items_batch_idx on medication.dispense_items (tenant_id, batch_id, item_id, expiry_on);
create index dispense_items_reservation_idx on medication.dispense_items (tenant_id, reservation_id)
  where reservation_id is not null;

comment on table medication.dispense_items is 'class=phi;scope=tenant;owner=medication;fhir=MedicationDispense;retention=medical_record;append_only=1;about=Batch-level lines chosen by FEFO.';
comment on column medication.dispense_items.dispense_id is 'class=phi;about=The dispense or return that it is a line of.';
comment on column medication.dispense_items.prescription_item_id is 'class=phi;about=The prescribed medicine that it fulfils; null over the counter.';
comment on column medication.dispense_items.return_of_item_id is 'class=phi;about=The line whose goods come back.';
comment on column medication.dispense_items.item_id is 'class=phi;about=Stock item that was given.';
comment on column medication.dispense_items.batch_id is 'class=phi;about=Batch that was given: who received it is asked when it is recalled.';
comment on column medication.dispense_items.batch_no is 'class=operational;about=Batch number as printed on the label and the bill.';
comment on column medication.dispense_items.expiry_on is 'class=operational;about=Expiry of the batch, as printed on the label and the bill.';
comment on column medication.dispense_items.quantity is 'class=phi;about=In base units of the stock item; negative for goods that come back.';
comment on column medication.dispense_items.mrp is 'class=financial;about=Maximum retail price of one base unit, taxes included.';
comment on column medication.dispense_items.unit_price is 'class=financial;about=Price of one base unit, at most the MRP.';
comment on column medication.dispense_items.tax_rate is 'class=financial;about=GST in percent, of the batch.';
comment on column medication.dispense_items.reservation_id is 'class=operational;about=Reservation that it was taken from; FEFO was decided when that was made.';
comment on column medication.dispense_items.movement_id is 'class=operational;about=The line of the stock ledger.';
comment on column medication.dispense_items.fefo_override_reason is 'class=operational;about=Why a batch was passed over that expires earlier.';
comment on column medication.dispense_items.substitution_reason is 'class=phi;about=Why an equivalent of the prescribed drug was given.';
select core.comment_standard_columns('medication.dispense_items');

alter table medication.dispense_items enable row level security, force row level security;
create policy tenant_isolation on medication.dispense_items
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger dispense_items_batch_choice before insert on medication.dispense_items
  for each row execute function medication.check_batch_choice();
create trigger dispense_items_append_only before update or delete on medication.dispense_items
  for each row execute function core.refuse_change();
create trigger dispense_items_no_truncate before truncate on medication.dispense_items
  for each statement execute function core.refuse_change();
select audit.track('medication.dispense_items');

-- only operations write
grant select on medication.dispense_items to medication_app, medication_ro;
