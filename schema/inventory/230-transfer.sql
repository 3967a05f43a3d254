-- From one place to another at once: two rows of the ledger a line, out before in.

create function inventory.transfer(
  p_from_location_id uuid,
  p_to_location_id uuid,
  p_lines jsonb,
  p_ref_type text,
  p_ref_id uuid,
  p_idempotency_key text,
  p_reason_code text default null
) returns setof inventory.stock_movements
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_place record;
  v_line record;
  v_wanted inventory.stock_movements;
  v_out inventory.stock_movements;
  v_in inventory.stock_movements;
  v_found int := 0;
  v_written int := 0;
begin
  if p_from_location_id = p_to_location_id or jsonb_typeof(p_lines) is distinct from 'array'
    or jsonb_array_length(p_lines) = 0 then
    raise exception 'a transfer has two places and at least one line'
      using errcode = '22023', hint = 'pass p_lines as [{"batch_id", "quantity"}]';
  end if;
  perform inventory.store_today(p_from_location_id), inventory.store_today(p_to_location_id); -- IM005

  -- every balance of both places, in the order in which everybody locks
  for v_place in
    select p.store_id, b.id as batch_id
    from (values (p_from_location_id), (p_to_location_id)) as p (store_id)
    cross join inventory.batches b
    where
      b.tenant_id = v_tenant
      and b.id = any (array(select (l.value ->> 'batch_id')::uuid from jsonb_array_elements(p_lines) l))
    order by p.store_id, b.item_id, b.expiry_on, b.id
  loop
    perform inventory.lock_balance(v_tenant, v_place.store_id, v_place.batch_id, v_place.store_id = p_to_location_id);
  end loop;

  for v_line in
    select (l.value ->> 'batch_id')::uuid as batch_id, (l.value ->> 'quantity')::numeric as quantity
    from jsonb_array_elements(p_lines) with ordinality l
    order by l.ordinality
  loop
    perform inventory.check_quantity(v_line.quantity);
    v_wanted := null;
    v_wanted.tenant_id := v_tenant;
    v_wanted.kind := 'transfer_out';
    v_wanted.store_location_id := p_from_location_id;
    v_wanted.batch_id := v_line.batch_id;
    v_wanted.quantity := -v_line.quantity;
    v_wanted.ref_type := p_ref_type;
    v_wanted.ref_id := p_ref_id;
    v_wanted.reason_code := p_reason_code;
    v_wanted.idempotency_key := p_idempotency_key || ':' || v_line.batch_id || ':out';
    v_out := inventory.movement_of_key(v_wanted);
    if v_out.id is null then
      -- blocked batches may move as well: that is how they get to the cupboard for them
      v_out := inventory.write_movement(
        v_wanted, inventory.end_lapsed(inventory.lock_balance(v_tenant, p_from_location_id, v_line.batch_id))
      );
      v_written := v_written + 1;
    else
      v_found := v_found + 1;
    end if;
    return next v_out;

    v_wanted.kind := 'transfer_in';
    v_wanted.store_location_id := p_to_location_id;
    v_wanted.quantity := v_line.quantity;
    v_wanted.counter_movement_id := v_out.id;
    v_wanted.idempotency_key := p_idempotency_key || ':' || v_line.batch_id || ':in';
    v_in := inventory.movement_of_key(v_wanted);
    if v_in.id is null then
      v_in := inventory.write_movement(v_wanted, inventory.lock_balance(v_tenant, p_to_location_id, v_line.batch_id));
    end if;
    return next v_in;
  end loop;
  if v_found > 0 and v_written > 0 then
    raise exception 'key "%" was used for a transfer of other lines', p_idempotency_key
      using errcode = 'IM011', hint = 'choose a new key for a new transfer';
  end if;
end
$$;

comment on function inventory.transfer(uuid, uuid, jsonb, text, uuid, text, text) is 'about=Moves batches from one place to another: p_lines [{batch_id, quantity}], each batch once; returns the rows of the ledger, out before in. Reserved stock stays where it is. All lines or none. Same key, same answer. 22023 lines or places, IM005 no such place or batch, IM011 key or reference used for another transfer, IM505 more than is free.';
