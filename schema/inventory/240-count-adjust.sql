-- Counting: somebody counts, somebody else approves the difference, and the book follows the shelf.

create function inventory.count_adjust(
  p_store_location_id uuid,
  p_batch_id uuid,
  p_counted_qty numeric,
  p_counted_by uuid,
  p_reason_code text,
  p_count_id uuid,
  p_idempotency_key text,
  p_book_qty numeric default null
) returns inventory.stock_movements
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_approver uuid := workforce.acting_staff_id();
  v_claim record;
  v_balance inventory.stock_balances;
  v_difference numeric;
  v_wanted inventory.stock_movements;
  v_movement inventory.stock_movements;
begin
  if
    p_counted_qty is null or p_counted_qty < 0 or p_counted_qty <> round(p_counted_qty, 3)
    or p_counted_qty >= 'Infinity' or abs(p_book_qty) >= 'Infinity' -- NaN is greater than infinity
  then
    raise exception 'a count is 0 or more, with at most three decimals'
      using errcode = '22023', hint = 'count in base units of the item';
  end if;
  -- a count that changes nothing leaves no row, so the key is remembered apart: repeated later it must change nothing
  v_claim := core.idempotent_begin(
    'inventory.count_adjust', p_idempotency_key,
    sha256(convert_to(concat_ws('|', p_store_location_id, p_batch_id, p_counted_qty, p_counted_by, p_count_id), 'UTF8'))
  );
  if v_claim.state = 'done' then
    select m.* into v_movement
    from inventory.stock_movements m
    where m.tenant_id = v_tenant and m.id = (v_claim.response ->> 'movement_id')::uuid;
    return v_movement;
  end if;
  if p_counted_by is null or p_counted_by = v_approver or nullif(btrim(p_reason_code), '') is null then
    raise exception 'a count is approved by somebody who did not count, with a reason'
      using errcode = 'IM506', hint = 'ask another member of staff to approve it';
  end if;

  perform inventory.store_today(p_store_location_id);
  v_balance := inventory.lock_balance(v_tenant, p_store_location_id, p_batch_id, true);
  v_difference := p_counted_qty - coalesce(p_book_qty, v_balance.on_hand);
  if v_difference <> 0 then
    v_wanted.tenant_id := v_tenant;
    v_wanted.kind := case when v_difference > 0 then 'adjust_up' else 'adjust_down' end;
    v_wanted.quantity := v_difference;
    v_wanted.ref_type := 'count';
    v_wanted.ref_id := p_count_id;
    v_wanted.reason_code := p_reason_code;
    v_wanted.approved_by := v_approver;
    v_wanted.idempotency_key := p_idempotency_key;
    if v_difference < 0 then
      v_balance := inventory.break_reservations(v_balance, greatest(v_balance.on_hand + v_difference, 0));
    end if;
    v_movement := inventory.write_movement(v_wanted, v_balance);
  end if;
  perform core.idempotent_finish(
    'inventory.count_adjust', p_idempotency_key, jsonb_build_object('movement_id', v_movement.id)
  );
  return v_movement;
end
$$;

comment on function inventory.count_adjust(uuid, uuid, numeric, uuid, text, uuid, text, numeric) is 'about=Brings the book of a batch in a store to what was counted and returns the adjustment, a row of nulls when nothing differs. The signed-in user approves and p_counted_by counted. p_book_qty is what the book said at the time of counting (default: now), so that movements since then stay. What is gone breaks the newest reservations. Same key, same answer. 22023 quantity, IM005 no such batch or store, IM006 no member of staff, IM010, IM011, IM505 less would be left than nothing, IM506 reason or second person missing.';
