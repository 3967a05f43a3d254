-- Every movement of one batch in one place, except transfers, which are two.

create function inventory.break_reservations(p_balance inventory.stock_balances, p_on_hand numeric)
  returns inventory.stock_balances
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_reservation inventory.stock_reservations;
  v_balance inventory.stock_balances := inventory.end_lapsed(p_balance);
begin
  for v_reservation in
    select r.*
    from inventory.stock_reservations r
    where
      r.tenant_id = p_balance.tenant_id
      and r.store_location_id = p_balance.store_location_id
      and r.batch_id = p_balance.batch_id
      and r.status = 'active'
    order by r.created_at desc, r.id desc
  loop
    exit when v_balance.reserved <= p_on_hand;
    perform inventory.end_reservation(v_reservation, 'released');
    v_balance.reserved := v_balance.reserved - (v_reservation.quantity - v_reservation.consumed);
  end loop;
  return v_balance;
end
$$;

comment on function inventory.break_reservations(inventory.stock_balances, numeric) is 'about=Releases reservations of a locked balance, the newest first, until no more is promised than p_on_hand; goods that are gone cannot stay promised.';

create function inventory.close_empty_batch(p_movement inventory.stock_movements) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (
    select
    from inventory.stock_balances b
    where b.tenant_id = p_movement.tenant_id and b.batch_id = p_movement.batch_id and b.on_hand > 0
  ) then
    return;
  end if;
  update inventory.batches b
  set status = case p_movement.kind when 'return_out' then 'returned_to_vendor' else 'destroyed' end
  where
    b.tenant_id = p_movement.tenant_id and b.id = p_movement.batch_id and b.status in ('recalled', 'expired', 'rejected');
end
$$;

comment on function inventory.close_empty_batch(inventory.stock_movements) is 'about=A recalled, expired or rejected batch is destroyed or returned_to_vendor when the last of it has gone.';

create function inventory.post_movement(
  p_kind text,
  p_store_location_id uuid,
  p_batch_id uuid,
  p_quantity numeric,
  p_ref_type text,
  p_ref_id uuid,
  p_idempotency_key text,
  p_reason_code text default null,
  p_approved_by uuid default null,
  p_witness_id uuid default null,
  p_patient_id uuid default null
) returns inventory.stock_movements
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_inbound boolean := p_kind in ('opening', 'return_in', 'adjust_up');
  v_loss boolean := p_kind in ('adjust_down', 'expiry_writeoff', 'destroy', 'return_out');
  v_wanted inventory.stock_movements;
  v_balance inventory.stock_balances;
  v_movement inventory.stock_movements;
begin
  if not coalesce(v_inbound or v_loss or p_kind in ('issue', 'dispense', 'consume'), false) then
    raise exception 'kind "%" cannot be posted alone', p_kind
      using errcode = '22023', hint = 'transfers: inventory.transfer or an indent; goods that a supplier brings: inventory.post_goods_receipt';
  end if;
  perform inventory.check_quantity(p_quantity);
  v_wanted.tenant_id := core.require_tenant();
  v_wanted.kind := p_kind;
  v_wanted.store_location_id := p_store_location_id;
  v_wanted.batch_id := p_batch_id;
  v_wanted.quantity := case when v_inbound then p_quantity else -p_quantity end;
  v_wanted.ref_type := p_ref_type;
  v_wanted.ref_id := p_ref_id;
  v_wanted.idempotency_key := p_idempotency_key;
  v_wanted.patient_id := p_patient_id;
  v_wanted.reason_code := nullif(pg_catalog.btrim(p_reason_code), '');
  v_wanted.approved_by := p_approved_by;
  v_wanted.witness_id := p_witness_id;

  v_balance := inventory.lock_balance(v_wanted.tenant_id, p_store_location_id, p_batch_id, v_inbound);
  v_movement := inventory.movement_of_key(v_wanted); -- after the lock: a repetition waits for the first call
  if v_movement.id is not null then
    return v_movement;
  end if;

  -- nothing else vouches for these: no order, no patient, no goods receipt
  if p_kind in ('opening', 'return_in', 'adjust_up', 'adjust_down', 'expiry_writeoff', 'destroy') then
    if v_wanted.reason_code is null then
      raise exception 'a movement of kind % needs a reason', p_kind
        using errcode = 'IM506', hint = 'pass p_reason_code and p_approved_by';
    end if;
    perform inventory.require_second_person(p_approved_by);
  end if;
  if v_loss then
    v_balance := inventory.break_reservations(v_balance, greatest(v_balance.on_hand - p_quantity, 0));
  elsif not v_inbound then
    perform inventory.require_usable(v_balance);
    v_balance := inventory.end_lapsed(v_balance);
  end if;
  v_movement := inventory.write_movement(v_wanted, v_balance);
  if p_kind in ('destroy', 'return_out') then
    perform inventory.close_empty_batch(v_movement);
  end if;
  return v_movement;
end
$$;

comment on function inventory.post_movement(text, uuid, uuid, numeric, text, uuid, text, text, uuid, uuid, uuid) is 'about=Posts a movement of a batch in a store and returns it: in (opening, return_in, adjust_up) or out (issue, dispense, consume, return_out, adjust_down, expiry_writeoff, destroy). p_quantity is positive, the kind gives the sign. Reserved stock stays, but losses break the newest reservations. Same key, same answer. 22023 kind or quantity, IM005 no such batch or store, IM011 key or reference used for another movement, IM403 no witness, IM501 expired, IM502 batch blocked, IM505 more than is free, IM506 reason or second person missing.';

create function inventory.take_back(
  p_store_location_id uuid,
  p_batch_id uuid,
  p_quantity numeric,
  p_ref_type text,
  p_ref_id uuid,
  p_idempotency_key text,
  p_patient_id uuid default null
) returns inventory.stock_movements
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_wanted inventory.stock_movements;
  v_balance inventory.stock_balances;
  v_movement inventory.stock_movements;
begin
  perform inventory.check_quantity(p_quantity);
  v_wanted.tenant_id := core.require_tenant();
  v_wanted.kind := 'return_in';
  v_wanted.store_location_id := p_store_location_id;
  v_wanted.batch_id := p_batch_id;
  v_wanted.quantity := p_quantity;
  v_wanted.ref_type := p_ref_type;
  v_wanted.ref_id := p_ref_id;
  v_wanted.idempotency_key := p_idempotency_key;
  v_wanted.patient_id := p_patient_id;
  v_balance := inventory.lock_balance(v_wanted.tenant_id, p_store_location_id, p_batch_id, true);
  v_movement := inventory.movement_of_key(v_wanted);
  if v_movement.id is not null then
    return v_movement;
  end if;
  return inventory.write_movement(v_wanted, v_balance);
end
$$;

comment on function inventory.take_back(uuid, uuid, numeric, text, uuid, text, uuid) is 'about=For the module that gave goods out and knows that no more comes back: a return_in without a second person. Not granted to applications. Same key, same answer. 22023 quantity, IM005 no such batch, IM011 key or reference used for another movement.';
