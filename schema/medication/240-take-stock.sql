-- Which batches a dispense takes. A line names a reservation, or a batch, or neither: then what expires first is taken.
-- These helpers write the stock ledger and return the lines to be stored; they are private to the module.

create function medication.stock_item_of(p_drug_id uuid, p_store_location_id uuid) returns uuid
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_item uuid;
begin
  select i.id into v_item
  from inventory.items i
  where i.tenant_id = v_tenant and i.drug_id = p_drug_id and i.active and i.deleted_at is null
  order by
    exists (
      select
      from inventory.stock_balances b
      where
        b.tenant_id = v_tenant and b.store_location_id = p_store_location_id and b.item_id = i.id
        and b.on_hand > b.reserved
    ) desc,
    i.sku
  limit 1;
  if not found then
    raise exception 'no stock item is drug %', p_drug_id
      using errcode = 'IM500', hint = 'name an equivalent in item_id with a substitution_reason';
  end if;
  return v_item;
end
$$;

comment on function medication.stock_item_of(uuid, uuid) is 'about=The stock item of a drug, one that the store has if there is any. IM500 the hospital does not stock it.';

create function medication.check_substitute(
  p_item medication.prescription_items,
  p_stock_item_id uuid,
  p_reason text
) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_drug uuid;
begin
  select i.drug_id into v_drug
  from inventory.items i
  where i.tenant_id = p_item.tenant_id and i.id = p_stock_item_id and i.deleted_at is null;
  if not found then
    raise exception 'stock item % does not exist', p_stock_item_id
      using errcode = 'IM005', hint = 'choose an item of the tenant';
  end if;
  if v_drug = p_item.drug_id then
    return;
  end if;
  if p_item.no_substitution or v_drug is null or exists (
    -- an ingredient that only one of the two has, or has in another strength
    select
    from medication.drug_ingredients g
    where g.drug_id in (v_drug, p_item.drug_id) and g.is_active
    group by g.ingredient_code, g.strength_value, g.strength_unit
    having count(*) <> 2
  ) then
    raise exception 'stock item % does not stand for prescription item %', p_stock_item_id, p_item.id
      using errcode = 'IM006', hint = 'only the same ingredients in the same strength may replace a drug, and not when the doctor says no';
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'prescription item % is fulfilled with another drug', p_item.id
      using errcode = 'IM002', hint = 'say why in substitution_reason';
  end if;
end
$$;

comment on function medication.check_substitute(medication.prescription_items, uuid, text) is 'about=Passes when the stock item is the prescribed drug, or an equivalent with a reason. IM002 no reason, IM005 no such item, IM006 not equivalent, or the doctor allows no substitution.';

create function medication.count_dispensed(p_item_id uuid, p_quantity numeric) returns medication.prescription_items
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_item medication.prescription_items;
begin
  update medication.prescription_items i
  set quantity_dispensed = i.quantity_dispensed + p_quantity
  where
    i.tenant_id = v_tenant and i.id = p_item_id
    and i.quantity_dispensed + p_quantity <= i.quantity * (1 + i.refills)
  returning i.* into v_item;
  if not found then
    raise exception 'prescription item % has less than % left', p_item_id, p_quantity
      using errcode = 'IM404', hint = 'reduce the quantity, or ask the doctor for a new prescription';
  end if;
  return v_item;
end
$$;

comment on function medication.count_dispensed(uuid, numeric) is 'about=Counts a quantity on a prescription item, negative when it comes back. IM404 more than quantity for each fill.';

create function medication.movement_key(p_kind text, p_line_id uuid) returns text
  language sql
  immutable
  set search_path = pg_catalog, pg_temp
as $$
  -- in letters: the digits of a UUID look like an Aadhaar number once in some thousands, and the ledger refuses those
  select p_kind || ' ' || translate(p_line_id::text, '0123456789', 'ghijklmnop')
$$;

comment on function medication.movement_key(text, uuid) is 'about=Idempotency key of the movement that a line makes.';

create function medication.line_of(
  p_movement inventory.stock_movements,
  p_line medication.dispense_items
) returns medication.dispense_items
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_line medication.dispense_items := p_line;
begin
  v_line.tenant_id := p_movement.tenant_id;
  v_line.batch_id := p_movement.batch_id;
  v_line.item_id := p_movement.item_id;
  v_line.quantity := -p_movement.quantity;
  v_line.movement_id := p_movement.id;
  select b.batch_no, b.expiry_on, coalesce(b.mrp, b.purchase_price), b.tax_rate
  into v_line.batch_no, v_line.expiry_on, v_line.mrp, v_line.tax_rate
  from inventory.batches b
  where b.tenant_id = p_movement.tenant_id and b.id = p_movement.batch_id;
  v_line.unit_price := coalesce(p_line.unit_price, v_line.mrp);
  return v_line;
end
$$;

comment on function medication.line_of(inventory.stock_movements, medication.dispense_items) is 'about=The line of a dispense that a movement of the stock ledger makes; p_line gives its id and what the movement does not know.';

create function medication.take_reservation(
  p_reservation_id uuid,
  p_quantity numeric,
  p_store_location_id uuid,
  p_patient_id uuid,
  p_line medication.dispense_items
) returns medication.dispense_items
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_line medication.dispense_items := p_line;
begin
  perform
  from inventory.stock_reservations r
  where
    r.tenant_id = v_tenant and r.id = p_reservation_id and r.item_id = p_line.item_id
    and r.store_location_id = p_store_location_id;
  if not found then
    raise exception 'reservation % is not one of item % in store %', p_reservation_id, p_line.item_id,
      p_store_location_id
      using errcode = 'IM504', hint = 'reserve again in the store that dispenses';
  end if;
  v_line.id := core.uuid_v7();
  v_line.reservation_id := p_reservation_id;
  return medication.line_of(
    inventory.consume_reservation(
      p_reservation_id, p_quantity, 'medication.dispense_items', v_line.id,
      medication.movement_key('dispense', v_line.id), p_patient_id
    ),
    v_line
  );
end
$$;

comment on function medication.take_reservation(uuid, numeric, uuid, uuid, medication.dispense_items) is 'about=Takes a quantity out of a reservation. IM501 expired, IM502 blocked, IM504 the reservation is gone, smaller, or for something else.';

create function medication.take_line(
  p_line jsonb,
  p_dispense_id uuid,
  p_store_location_id uuid,
  p_patient_id uuid,
  p_today date
) returns setof medication.dispense_items
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_item medication.prescription_items;
  v_reservation inventory.stock_reservations;
  v_quantity numeric := (p_line ->> 'quantity')::numeric;
  v_line medication.dispense_items;
begin
  v_line.dispense_id := p_dispense_id;
  v_line.prescription_item_id := (p_line ->> 'prescription_item_id')::uuid;
  v_line.item_id := (p_line ->> 'item_id')::uuid;
  v_line.unit_price := (p_line ->> 'unit_price')::numeric;
  v_line.fefo_override_reason := nullif(btrim(p_line ->> 'fefo_override_reason'), '');
  v_line.substitution_reason := nullif(btrim(p_line ->> 'substitution_reason'), '');
  if v_line.prescription_item_id is not null then
    v_item := medication.count_dispensed(v_line.prescription_item_id, v_quantity);
    perform medication.check_substitute(v_item, v_line.item_id, v_line.substitution_reason);
  end if;

  if p_line ->> 'reservation_id' is not null then
    return next medication.take_reservation(
      (p_line ->> 'reservation_id')::uuid, v_quantity, p_store_location_id, p_patient_id, v_line
    );
  elsif p_line ->> 'batch_id' is not null then
    -- what was checked is the item: a batch of another one would go out in its name
    perform
    from inventory.batches b
    where
      b.tenant_id = core.require_tenant() and b.id = (p_line ->> 'batch_id')::uuid and b.item_id = v_line.item_id;
    if not found then
      raise exception 'batch % is not one of item %', p_line ->> 'batch_id', v_line.item_id
        using errcode = 'IM005', hint = 'choose a batch of the item, or name the item of the batch in item_id';
    end if;
    v_line.id := core.uuid_v7();
    return next medication.line_of(
      inventory.post_movement(
        'dispense', p_store_location_id, (p_line ->> 'batch_id')::uuid, v_quantity, 'medication.dispense_items',
        v_line.id, medication.movement_key('dispense', v_line.id), p_patient_id => p_patient_id
      ),
      v_line
    );
  else
    for v_reservation in
      select *
      from inventory.reserve_fefo(
        p_store_location_id, v_line.item_id, v_quantity, 'medication.dispense_items', core.uuid_v7(),
        -- the last dose must be good as well
        p_min_expiry_on => p_today + coalesce(v_item.duration_days, 1)
      )
    loop
      return next medication.take_reservation(
        v_reservation.id, v_reservation.quantity, p_store_location_id, p_patient_id, v_line
      );
    end loop;
  end if;
end
$$;

comment on function medication.take_line(jsonb, uuid, uuid, uuid, date) is 'about=Takes the goods of one line out of stock: from its reservation, from its batch, or from what expires first and lasts for the course. One row a batch, to be stored. IM002, IM006 substitution, IM005 the batch is of another item, IM404 more than prescribed, IM500 too little, IM501 expired, IM502 blocked, IM504 reservation gone, IM505 too little of the batch.';
