-- Helpers of every operation: places, people and the lock of a balance. They are private to the module.
--
-- Order of locks: reference (advisory), order or indent, balances by (store, item, expiry, batch), batch, reservations,
-- number, outbox. Every change of on_hand, reserved or a reservation, and every change of a batch's state, holds the lock
-- of the balances that it touches; what must be current is therefore read by a new statement after the lock.

create function inventory.store_today(p_store_location_id uuid) returns date
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_today date;
begin
  select (now() at time zone c.timezone)::date into v_today
  from facility.locations l
  join facility.clinics c on c.tenant_id = l.tenant_id and c.id = l.clinic_id
  where l.tenant_id = v_tenant and l.id = p_store_location_id and l.deleted_at is null;
  if not found then
    raise exception 'location % does not exist', p_store_location_id
      using errcode = 'IM005', hint = 'choose a location of the tenant';
  end if;
  return v_today;
end
$$;

comment on function inventory.store_today(uuid) is 'about=The date in the time zone of the clinic of a store. IM005 no such location.';

create function inventory.require_second_person(p_staff_id uuid) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_user uuid;
begin
  select s.user_id into v_user
  from workforce.staff s
  where
    s.tenant_id = v_tenant and s.id = p_staff_id and s.deleted_at is null and s.status not in ('suspended', 'left');
  if not found or v_user = core.current_user_id() then
    raise exception 'this needs the approval of another member of staff'
      using errcode = 'IM506', hint = 'name somebody who is not the one who asks';
  end if;
end
$$;

comment on function inventory.require_second_person(uuid) is 'about=Passes when the staff member exists, works here and is not the signed-in user. IM506 otherwise.';

create function inventory.check_quantity(p_quantity numeric) returns void
  language plpgsql
  immutable
  set search_path = pg_catalog, pg_temp
as $$
begin
  -- NaN is greater than infinity
  if p_quantity is null or p_quantity <= 0 or p_quantity >= 'Infinity' or p_quantity <> round(p_quantity, 3) then
    raise exception 'a quantity must be more than 0 and have at most three decimals'
      using errcode = '22023', hint = 'count in base units of the item; the kind of movement gives the direction';
  end if;
end
$$;

comment on function inventory.check_quantity(numeric) is 'about=22023 unless the quantity is positive with at most three decimals.';

create function inventory.lock_balance(
  p_tenant_id uuid,
  p_store_location_id uuid,
  p_batch_id uuid,
  p_create boolean default false
) returns inventory.stock_balances
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_batch record;
  v_balance inventory.stock_balances;
begin
  select b.* into v_balance
  from inventory.stock_balances b
  where b.tenant_id = p_tenant_id and b.store_location_id = p_store_location_id and b.batch_id = p_batch_id
  for update;
  if found then
    return v_balance;
  end if;

  select b.item_id, b.expiry_on into v_batch
  from inventory.batches b
  where b.tenant_id = p_tenant_id and b.id = p_batch_id;
  if not found then
    raise exception 'batch % does not exist', p_batch_id
      using errcode = 'IM005', hint = 'choose a batch of the tenant';
  end if;
  if not p_create then
    raise exception 'store % never had batch %', p_store_location_id, p_batch_id
      using errcode = 'IM505', hint = 'choose a batch that inventory.stock_balances lists for the store';
  end if;
  insert into inventory.stock_balances (tenant_id, store_location_id, item_id, batch_id, expiry_on)
  values (p_tenant_id, p_store_location_id, v_batch.item_id, p_batch_id, v_batch.expiry_on)
  on conflict (tenant_id, store_location_id, batch_id) do nothing;
  select b.* into v_balance
  from inventory.stock_balances b
  where b.tenant_id = p_tenant_id and b.store_location_id = p_store_location_id and b.batch_id = p_batch_id
  for update;
  return v_balance;
end
$$;

comment on function inventory.lock_balance(uuid, uuid, uuid, boolean) is 'about=The balance of a store and batch, locked until the transaction ends; p_create makes an empty one where there is none. IM005 no such batch, IM505 no such balance.';

create function inventory.require_usable(p_balance inventory.stock_balances) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_status text;
begin
  select b.status into v_status
  from inventory.batches b
  where b.tenant_id = p_balance.tenant_id and b.id = p_balance.batch_id;
  if v_status = 'expired' or p_balance.expiry_on < inventory.store_today(p_balance.store_location_id) then
    raise exception 'batch % expired on %', p_balance.batch_id, p_balance.expiry_on
      using errcode = 'IM501', hint = 'choose a later batch, and write this one off';
  end if;
  if v_status <> 'available' then
    raise exception 'batch % is %', p_balance.batch_id, v_status
      using errcode = 'IM502', hint = 'choose another batch';
  end if;
end
$$;

comment on function inventory.require_usable(inventory.stock_balances) is 'about=Passes when the batch of a locked balance may be given to patients and wards. IM501 expired, IM502 recalled, on hold, in quarantine or gone.';
