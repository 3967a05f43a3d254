-- The two writers of stock: a line of the ledger with its balance, and a change of what is reserved. Callers hold the lock
-- of the balance. Private to the module.

create function inventory.movement_of_key(p_wanted inventory.stock_movements) returns inventory.stock_movements
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_movement inventory.stock_movements;
begin
  select m.* into v_movement
  from inventory.stock_movements m
  where m.tenant_id = p_wanted.tenant_id and m.idempotency_key = p_wanted.idempotency_key;
  if found and (
    v_movement.kind, v_movement.store_location_id, v_movement.batch_id, v_movement.quantity, v_movement.ref_type,
    v_movement.ref_id
  ) is distinct from (
    p_wanted.kind, p_wanted.store_location_id, p_wanted.batch_id, p_wanted.quantity, p_wanted.ref_type, p_wanted.ref_id
  ) then
    raise exception 'key "%" was used for movement %', p_wanted.idempotency_key, v_movement.id
      using errcode = 'IM011', hint = 'choose a new key for a new movement';
  end if;
  return v_movement;
end
$$;

comment on function inventory.movement_of_key(inventory.stock_movements) is 'about=The movement that was posted under the key of the wanted one, or null. IM011 the key was used for another movement.';

create function inventory.announce_low_stock(p_movement inventory.stock_movements) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_level numeric;
  v_left numeric;
begin
  select i.reorder_level into v_level
  from inventory.items i
  where i.tenant_id = p_movement.tenant_id and i.id = p_movement.item_id;
  if v_level is null then
    return;
  end if;
  select coalesce(sum(b.on_hand), 0) into v_left
  from inventory.stock_balances b
  where b.tenant_id = p_movement.tenant_id and b.item_id = p_movement.item_id and b.expiry_on >= core.tenant_today();
  if v_left < v_level and v_left - p_movement.quantity >= v_level then
    perform core.enqueue(
      'stock', p_movement.item_id, 'stock.low.v1',
      pg_catalog.jsonb_build_object('item_id', p_movement.item_id, 'store_location_id', p_movement.store_location_id)
    );
  end if;
end
$$;

comment on function inventory.announce_low_stock(inventory.stock_movements) is 'about=Writes event stock.low.v1 when a movement took the usable stock of an item below its reorder level.';

create function inventory.write_movement(
  p_movement inventory.stock_movements,
  p_balance inventory.stock_balances,
  p_from_reserved numeric default 0
) returns inventory.stock_movements
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_unit_cost numeric;
  v_movement inventory.stock_movements;
begin
  if p_balance.on_hand + p_movement.quantity < p_balance.reserved - p_from_reserved then
    raise exception 'store % has % of batch %, % of it reserved: % cannot be taken', p_balance.store_location_id,
      p_balance.on_hand, p_balance.batch_id, p_balance.reserved, -p_movement.quantity
      using errcode = 'IM505', hint = 'count the stock and adjust it, or take less';
  end if;
  if exists (
    select
    from inventory.stock_movements m
    where
      m.tenant_id = p_movement.tenant_id and m.ref_type = p_movement.ref_type and m.ref_id = p_movement.ref_id
      and m.batch_id = p_balance.batch_id and m.kind = p_movement.kind and m.part = coalesce(p_movement.part, 1)
  ) then
    raise exception '% % moved batch % under another key', p_movement.ref_type, p_movement.ref_id, p_balance.batch_id
      using errcode = 'IM011', hint = 'repeat it with its first key, or refer to the line that is new';
  end if;

  select b.purchase_price into v_unit_cost
  from inventory.batches b
  where b.tenant_id = p_movement.tenant_id and b.id = p_balance.batch_id;
  insert into inventory.stock_movements as m (
    tenant_id, kind, store_location_id, item_id, batch_id, quantity, balance_after, unit_cost, ref_type, ref_id, part,
    counter_movement_id, patient_id, reason_code, approved_by, witness_id, idempotency_key
  )
  values (
    p_movement.tenant_id, p_movement.kind, p_balance.store_location_id, p_balance.item_id, p_balance.batch_id,
    p_movement.quantity, p_balance.on_hand + p_movement.quantity, v_unit_cost,
    p_movement.ref_type, p_movement.ref_id, coalesce(p_movement.part, 1), p_movement.counter_movement_id,
    p_movement.patient_id, p_movement.reason_code, p_movement.approved_by, p_movement.witness_id,
    p_movement.idempotency_key
  )
  returning m.* into v_movement;
  update inventory.stock_balances b
  set on_hand = v_movement.balance_after, reserved = b.reserved - p_from_reserved, last_movement_id = v_movement.id
  where b.tenant_id = p_balance.tenant_id and b.id = p_balance.id;
  if v_movement.kind in ('issue', 'dispense', 'consume', 'adjust_down', 'destroy', 'expiry_writeoff') then
    perform inventory.announce_low_stock(v_movement);
  end if;
  return v_movement;
end
$$;

comment on function inventory.write_movement(inventory.stock_movements, inventory.stock_balances, numeric) is 'about=Writes a line of the ledger and its balance, which the caller has locked and not changed since; p_from_reserved is the part that a reservation had promised. IM011 the reference moved this batch already, IM505 more than is free.';

create function inventory.end_reservation(p_reservation inventory.stock_reservations, p_status text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  update inventory.stock_reservations r
  set status = p_status
  where r.tenant_id = p_reservation.tenant_id and r.id = p_reservation.id;
  update inventory.stock_balances b
  set reserved = b.reserved - (p_reservation.quantity - p_reservation.consumed)
  where
    b.tenant_id = p_reservation.tenant_id
    and b.store_location_id = p_reservation.store_location_id
    and b.batch_id = p_reservation.batch_id;
end
$$;

comment on function inventory.end_reservation(inventory.stock_reservations, text) is 'about=Releases or expires an active reservation and gives the open rest back to its balance, which the caller has locked.';

create function inventory.end_lapsed(p_balance inventory.stock_balances) returns inventory.stock_balances
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_reservation inventory.stock_reservations;
  v_balance inventory.stock_balances := p_balance;
begin
  if p_balance.reserved = 0 then
    return p_balance;
  end if;
  for v_reservation in
    select r.*
    from inventory.stock_reservations r
    where
      r.tenant_id = p_balance.tenant_id
      and r.store_location_id = p_balance.store_location_id
      and r.batch_id = p_balance.batch_id
      and r.status = 'active'
      and r.expires_at <= now()
    order by r.id
  loop
    perform inventory.end_reservation(v_reservation, 'expired');
    v_balance.reserved := v_balance.reserved - (v_reservation.quantity - v_reservation.consumed);
  end loop;
  return v_balance;
end
$$;

comment on function inventory.end_lapsed(inventory.stock_balances) is 'about=Expires the lapsed reservations of a locked balance and returns it with what is still reserved.';
