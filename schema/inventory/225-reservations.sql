-- What becomes of a reservation: goods are taken, or the promise ends.

create function inventory.lock_reservation(p_reservation_id uuid) returns inventory.stock_reservations
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_reservation inventory.stock_reservations;
begin
  select r.* into v_reservation
  from inventory.stock_reservations r
  where r.tenant_id = v_tenant and r.id = p_reservation_id;
  if not found then
    raise exception 'reservation % does not exist', p_reservation_id
      using errcode = 'IM005', hint = 'choose a reservation of the tenant';
  end if;
  -- place and batch of a reservation never change; its state does, so it is read again after the lock of the balance
  perform inventory.lock_balance(v_tenant, v_reservation.store_location_id, v_reservation.batch_id);
  select r.* into v_reservation
  from inventory.stock_reservations r
  where r.tenant_id = v_tenant and r.id = p_reservation_id;
  return v_reservation;
end
$$;

comment on function inventory.lock_reservation(uuid) is 'about=A reservation whose balance is locked until the transaction ends. IM005 no such reservation.';

create function inventory.take_reserved(
  p_reservation inventory.stock_reservations,
  p_movement inventory.stock_movements
) returns inventory.stock_movements
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_balance inventory.stock_balances;
  v_taken numeric := -p_movement.quantity;
begin
  if p_reservation.status <> 'active' or p_reservation.expires_at <= now() then
    raise exception 'reservation % is %', p_reservation.id,
      case p_reservation.status when 'active' then 'over' else p_reservation.status end
      using errcode = 'IM504', hint = 'reserve again';
  end if;
  if v_taken > p_reservation.quantity - p_reservation.consumed then
    raise exception 'reservation % has only % left', p_reservation.id, p_reservation.quantity - p_reservation.consumed
      using errcode = 'IM504', hint = 'take less, or reserve more';
  end if;
  v_balance := inventory.lock_balance(
    p_reservation.tenant_id, p_reservation.store_location_id, p_reservation.batch_id
  );
  perform inventory.require_usable(v_balance);
  update inventory.stock_reservations r
  set
    consumed = r.consumed + v_taken,
    status = case when r.consumed + v_taken = r.quantity then 'consumed' else r.status end
  where r.tenant_id = p_reservation.tenant_id and r.id = p_reservation.id;
  return inventory.write_movement(p_movement, v_balance, v_taken);
end
$$;

comment on function inventory.take_reserved(inventory.stock_reservations, inventory.stock_movements) is 'about=Writes a movement out of a reservation whose balance is locked. IM501 expired, IM502 batch blocked, IM504 the reservation is gone or has less left.';

create function inventory.consume_reservation(
  p_reservation_id uuid,
  p_quantity numeric,
  p_ref_type text,
  p_ref_id uuid,
  p_idempotency_key text,
  p_patient_id uuid default null
) returns inventory.stock_movements
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_reservation inventory.stock_reservations := inventory.lock_reservation(p_reservation_id);
  v_wanted inventory.stock_movements;
  v_movement inventory.stock_movements;
begin
  perform inventory.check_quantity(p_quantity);
  v_wanted.tenant_id := v_reservation.tenant_id;
  v_wanted.kind := case when p_patient_id is null then 'issue' else 'dispense' end;
  v_wanted.store_location_id := v_reservation.store_location_id;
  v_wanted.batch_id := v_reservation.batch_id;
  v_wanted.quantity := -p_quantity;
  v_wanted.ref_type := p_ref_type;
  v_wanted.ref_id := p_ref_id;
  v_wanted.idempotency_key := p_idempotency_key;
  v_wanted.patient_id := p_patient_id;
  v_movement := inventory.movement_of_key(v_wanted);
  if v_movement.id is not null then
    return v_movement;
  end if;
  return inventory.take_reserved(v_reservation, v_wanted);
end
$$;

comment on function inventory.consume_reservation(uuid, numeric, text, uuid, text, uuid) is 'about=Takes all or part of a reservation out of stock: a movement of kind dispense to a patient, of kind issue without one. The rest stays reserved. Same key, same answer. 22023 quantity, IM005 no such reservation, IM011 key or reference used for another movement, IM501 the batch expired, IM502 it was blocked, IM504 the reservation is used up, released, lapsed or smaller.';

create function inventory.release_reservation(p_reservation_id uuid) returns inventory.stock_reservations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_reservation inventory.stock_reservations := inventory.lock_reservation(p_reservation_id);
begin
  if v_reservation.status in ('released', 'expired') then
    return v_reservation;
  end if;
  if v_reservation.status = 'consumed' then
    raise exception 'reservation % is used up', p_reservation_id
      using errcode = 'IM504', hint = 'post a movement of kind return_in for goods that come back';
  end if;
  perform inventory.end_reservation(v_reservation, 'released');
  return inventory.lock_reservation(p_reservation_id);
end
$$;

comment on function inventory.release_reservation(uuid) is 'about=Ends a reservation and gives its open rest back; one that is released or expired stays as it is. IM005 no such reservation, IM504 used up.';

create function inventory.expire_reservations(p_limit int default 500) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_balance inventory.stock_balances;
  v_before int;
  v_expired int := 0;
begin
  -- balances that somebody works on are left for the next run: this job decides nothing about FEFO
  for v_balance in
    select b.*
    from inventory.stock_balances b
    where
      b.tenant_id = v_tenant
      and (b.store_location_id, b.batch_id) in (
        select r.store_location_id, r.batch_id
        from inventory.stock_reservations r
        where r.tenant_id = v_tenant and r.status = 'active' and r.expires_at <= now()
        order by r.expires_at
        limit p_limit
      )
    order by b.store_location_id, b.item_id, b.expiry_on, b.batch_id
    for update skip locked
  loop
    select count(*) into v_before
    from inventory.stock_reservations r
    where
      r.tenant_id = v_tenant and r.store_location_id = v_balance.store_location_id
      and r.batch_id = v_balance.batch_id and r.status = 'active' and r.expires_at <= now();
    perform inventory.end_lapsed(v_balance);
    v_expired := v_expired + v_before;
  end loop;
  return v_expired;
end
$$;

comment on function inventory.expire_reservations(int) is 'about=Ends reservations whose time is over, about p_limit at a time, and returns how many. For a job every minute.';
