-- Goods that come back: before the hand-over the dispense is cancelled, after it a return is written. Both put the goods
-- into the store they came from and give the quantity back to the prescription. A charge is for billing to credit.

create function medication.cancel_dispense(p_dispense_id uuid, p_reason text) returns medication.dispenses
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_dispense medication.dispenses := medication.lock_dispense(p_dispense_id);
  v_tenant uuid := v_dispense.tenant_id;
  v_line medication.dispense_items;
begin
  if v_dispense.status = 'cancelled' then
    return v_dispense;
  end if;
  perform core.set_reason(btrim(p_reason));
  -- first the move, which refuses what is handed over already
  update medication.dispenses d
  set status = 'cancelled', reason = btrim(p_reason)
  where d.tenant_id = v_tenant and d.id = p_dispense_id
  returning d.* into v_dispense;
  for v_line in
    select l.*
    from medication.dispense_items l
    where l.tenant_id = v_tenant and l.dispense_id = p_dispense_id
    order by l.item_id, l.expiry_on, l.batch_id, l.id
  loop
    if v_line.prescription_item_id is not null then
      perform medication.count_dispensed(v_line.prescription_item_id, -v_line.quantity);
    end if;
    perform inventory.take_back(
      v_dispense.store_location_id, v_line.batch_id, v_line.quantity, 'medication.dispense_items',
      v_line.id, medication.movement_key('cancel', v_line.id), p_patient_id => v_dispense.patient_id
    );
  end loop;
  return v_dispense;
end
$$;

comment on function medication.cancel_dispense(uuid, text) is 'about=Puts the goods of a dispense that waits at the counter back on the shelf. IM001 it was handed over: use medication.return_dispense, IM002 no reason, IM005 no such dispense.';

create function medication.returned_line(
  p_line jsonb,
  p_dispense medication.dispenses,
  p_return_id uuid
) returns medication.dispense_items
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_quantity numeric := (p_line ->> 'quantity')::numeric;
  v_given medication.dispense_items;
  v_line medication.dispense_items;
  v_back numeric;
begin
  select l.* into v_given
  from medication.dispense_items l
  where
    l.tenant_id = p_dispense.tenant_id and l.dispense_id = p_dispense.id
    and l.id = (p_line ->> 'dispense_item_id')::uuid;
  if not found then
    raise exception 'line % is not one of dispense %', p_line ->> 'dispense_item_id', p_dispense.id
      using errcode = 'IM005', hint = 'name lines of the dispense that comes back';
  end if;
  select coalesce(-sum(l.quantity), 0) into v_back
  from medication.dispense_items l
  where l.tenant_id = p_dispense.tenant_id and l.return_of_item_id = v_given.id;
  if v_back + v_quantity > v_given.quantity then
    raise exception 'of line % only % are left to come back', v_given.id, v_given.quantity - v_back
      using errcode = 'IM404', hint = 'reduce the quantity';
  end if;
  if v_given.prescription_item_id is not null then
    perform medication.count_dispensed(v_given.prescription_item_id, -v_quantity);
  end if;
  v_line.id := core.uuid_v7();
  v_line.dispense_id := p_return_id;
  v_line.prescription_item_id := v_given.prescription_item_id;
  v_line.return_of_item_id := v_given.id;
  v_line.unit_price := v_given.unit_price;
  v_line := medication.line_of(
    inventory.take_back(
      p_dispense.store_location_id, v_given.batch_id, v_quantity, 'medication.dispense_items', v_line.id,
      medication.movement_key('return', v_line.id), p_patient_id => p_dispense.patient_id
    ),
    v_line
  );
  v_line.mrp := v_given.mrp; -- as it was sold
  return v_line;
end
$$;

comment on function medication.returned_line(jsonb, medication.dispenses, uuid) is 'about=Takes part of a dispensed line back into stock and returns the line of the return, to be stored. IM005 not a line of the dispense, IM404 more than was given, 22023 the quantity is not positive.';

create function medication.return_dispense(
  p_dispense_id uuid,
  p_lines jsonb,
  p_reason text,
  p_key text,
  p_checked_by uuid default null
) returns medication.dispenses
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_staff uuid := workforce.acting_staff_id();
  v_claim record;
  v_given medication.dispenses;
  v_return medication.dispenses;
  v_line jsonb;
  v_lines medication.dispense_items[] := '{}';
begin
  v_claim := core.idempotent_begin(
    'medication.return_dispense', p_key,
    sha256(convert_to(jsonb_build_array(p_dispense_id, p_lines, p_reason)::text, 'UTF8'))
  );
  if v_claim.state = 'done' then
    return medication.lock_dispense((v_claim.response ->> 'dispense_id')::uuid);
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'goods of dispense % need a reason to come back', p_dispense_id
      using errcode = 'IM002', hint = 'say why in p_reason';
  end if;
  v_given := medication.lock_dispense(p_dispense_id);
  if v_given.status <> 'completed' or v_given.kind = 'return' then
    raise exception 'dispense % was not handed over', p_dispense_id
      using errcode = 'IM001', hint = 'medication.cancel_dispense takes back what waits at the counter';
  end if;

  v_return.tenant_id := v_given.tenant_id;
  v_return.id := core.uuid_v7();
  v_return.prescription_id := v_given.prescription_id;
  v_return.patient_id := v_given.patient_id;
  v_return.store_location_id := v_given.store_location_id;
  v_return.kind := 'return';
  v_return.prepared_by := v_staff;
  v_return.return_of_id := v_given.id;
  v_return.reason := btrim(p_reason);
  for v_line in
    select e.value
    from jsonb_array_elements(p_lines) as e (value)
    -- the limit keeps it a look-up a line: ->> is not leakproof, a join on it would read all lines of the tenant
    left join lateral (
      select g.id, g.item_id, g.expiry_on, g.batch_id
      from medication.dispense_items g
      where g.tenant_id = v_given.tenant_id and g.id = (e.value ->> 'dispense_item_id')::uuid
      limit 1
    ) l on true
    order by l.item_id, l.expiry_on, l.batch_id, l.id
  loop
    v_lines := v_lines || medication.returned_line(v_line, v_given, v_return.id);
  end loop;
  if cardinality(v_lines) = 0 then
    raise exception 'nothing comes back' using errcode = '22023', hint = 'pass at least one line';
  end if;
  v_return := medication.store_lines(v_return, v_lines);
  v_return := medication.hand_over(v_return, p_checked_by, null, false);

  if not exists (
    select
    from medication.dispense_items l
    where
      l.tenant_id = v_given.tenant_id and l.dispense_id = v_given.id
      and l.quantity <> (
        select coalesce(-sum(b.quantity), 0)
        from medication.dispense_items b
        where b.tenant_id = v_given.tenant_id and b.return_of_item_id = l.id
      )
  ) then
    update medication.dispenses d
    set status = 'returned'
    where d.tenant_id = v_given.tenant_id and d.id = v_given.id;
  end if;
  perform core.idempotent_finish('medication.return_dispense', p_key, jsonb_build_object('dispense_id', v_return.id));
  return v_return;
end
$$;

comment on function medication.return_dispense(uuid, jsonb, text, text, uuid) is 'about=Takes goods of a handed-over dispense back: lines {dispense_item_id, quantity}. The return is a dispense of kind return with negative lines; when all has come back the dispense is returned. The same key again returns the return. IM001 not handed over, IM002 no reason, IM005 no such dispense or line, IM006 no member of staff, IM010, IM011 key, IM403 a high-alert or controlled drug needs a second person (p_checked_by), IM404 more than was given.';
