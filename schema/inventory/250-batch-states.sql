-- Release, hold, rejection, expiry. Each locks the batch's balances first: a reservation that is being made either comes
-- before and is seen here, or comes after and sees the new state.

create function inventory.lock_batch(p_batch_id uuid) returns inventory.batches
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_batch inventory.batches;
begin
  perform
  from inventory.stock_balances b
  where b.tenant_id = v_tenant and b.batch_id = p_batch_id
  order by b.store_location_id
  for update;
  select b.* into v_batch
  from inventory.batches b
  where b.tenant_id = v_tenant and b.id = p_batch_id
  for no key update;
  if not found then
    raise exception 'batch % does not exist', p_batch_id
      using errcode = 'IM005', hint = 'choose a batch of the tenant';
  end if;
  return v_batch;
end
$$;

comment on function inventory.lock_batch(uuid) is 'about=A batch whose balances, and then itself, are locked until the transaction ends. IM005 no such batch.';

create function inventory.release_batch(p_batch_id uuid) returns inventory.batches
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_batch inventory.batches := inventory.lock_batch(p_batch_id);
begin
  if v_batch.status = 'available' then
    return v_batch;
  end if;
  if v_batch.expiry_on < core.tenant_today() then
    raise exception 'batch % expired on %', p_batch_id, v_batch.expiry_on
      using errcode = 'IM501', hint = 'an expired batch is written off, not released';
  end if;
  update inventory.batches b
  set status = 'available', hold_reason = null
  where b.tenant_id = v_batch.tenant_id and b.id = v_batch.id
  returning b.* into v_batch;
  return v_batch;
end
$$;

comment on function inventory.release_batch(uuid) is 'about=A batch in quarantine or on hold becomes available. IM001 neither, IM005 no such batch, IM501 expired.';

create function inventory.hold_batch(p_batch_id uuid, p_reason text) returns inventory.batches
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_batch inventory.batches := inventory.lock_batch(p_batch_id);
begin
  if v_batch.status = 'hold' then
    return v_batch;
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'batch % needs a reason to be held', p_batch_id
      using errcode = 'IM002', hint = 'say why in p_reason';
  end if;
  perform core.set_reason(p_reason);
  update inventory.batches b
  set status = 'hold', hold_reason = p_reason
  where b.tenant_id = v_batch.tenant_id and b.id = v_batch.id
  returning b.* into v_batch;
  return v_batch;
end
$$;

comment on function inventory.hold_batch(uuid, text) is 'about=Nothing of an available batch leaves a store until it is released; reservations stay but cannot be used. IM001 not available, IM002 no reason, IM005 no such batch.';

create function inventory.reject_batch(p_batch_id uuid, p_reason text) returns inventory.batches
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_batch inventory.batches := inventory.lock_batch(p_batch_id);
begin
  if v_batch.status = 'rejected' then
    return v_batch;
  end if;
  perform core.set_reason(p_reason);
  update inventory.batches b
  set status = 'rejected'
  where b.tenant_id = v_batch.tenant_id and b.id = v_batch.id
  returning b.* into v_batch;
  return v_batch;
end
$$;

comment on function inventory.reject_batch(uuid, text) is 'about=A batch in quarantine fails its inspection; it is returned to the vendor or destroyed. IM001 not in quarantine, IM002 no reason, IM005 no such batch.';

create function inventory.expire_batches(p_limit int default 500) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_today date := core.tenant_today();
  v_ids uuid[];
  v_batch inventory.batches;
  v_expired int := 0;
begin
  v_ids := array(
    select b.id
    from inventory.batches b
    where b.tenant_id = v_tenant and b.status in ('available', 'hold') and b.expiry_on < v_today
    order by b.expiry_on, b.id
    limit p_limit
  );
  perform
  from inventory.stock_balances b
  where b.tenant_id = v_tenant and b.batch_id = any (v_ids)
  order by b.store_location_id, b.item_id, b.expiry_on, b.batch_id
  for update;
  for v_batch in
    select b.*
    from inventory.batches b
    where b.tenant_id = v_tenant and b.id = any (v_ids) and b.status in ('available', 'hold')
    order by b.id
    for no key update
  loop
    perform inventory.release_promises(v_batch);
    update inventory.batches b
    set status = 'expired'
    where b.tenant_id = v_tenant and b.id = v_batch.id;
    v_expired := v_expired + 1;
  end loop;
  return v_expired;
end
$$;

comment on function inventory.expire_batches(int) is 'about=Marks batches whose last day is over, at most p_limit, releases what was promised of them and returns how many. For a job every day; movements check the date themselves.';

create function inventory.release_promises(p_batch inventory.batches) returns int
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_reservation inventory.stock_reservations;
  v_released int := 0;
begin
  for v_reservation in
    select r.*
    from inventory.stock_reservations r
    where r.tenant_id = p_batch.tenant_id and r.batch_id = p_batch.id and r.status = 'active'
    order by r.id
  loop
    perform inventory.end_reservation(v_reservation, 'released');
    v_released := v_released + 1;
  end loop;
  return v_released;
end
$$;

comment on function inventory.release_promises(inventory.batches) is 'about=Releases every active reservation of a batch that inventory.lock_batch has locked; returns how many.';

create function inventory.announce_expiring(p_days int default null, p_limit int default 500) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_today date := core.tenant_today();
  v_days int := coalesce(p_days, (core.setting('inventory.expiry_warning_days') #>> '{}')::int, 90);
  v_batch record;
  v_announced int := 0;
begin
  for v_batch in
    select b.id
    from inventory.batches b
    where
      b.tenant_id = v_tenant and b.status in ('available', 'hold') and b.expiry_announced_at is null
      and b.expiry_on between v_today and v_today + v_days
      and exists (
        select
        from inventory.stock_balances s
        where s.tenant_id = v_tenant and s.batch_id = b.id and s.on_hand > 0
      )
    order by b.expiry_on, b.id
    limit p_limit
    for no key update skip locked
  loop
    update inventory.batches b
    set expiry_announced_at = now()
    where b.tenant_id = v_tenant and b.id = v_batch.id;
    perform core.enqueue(
      'stock', v_batch.id, 'stock.expiring.v1', jsonb_build_object('batch_id', v_batch.id)
    );
    v_announced := v_announced + 1;
  end loop;
  return v_announced;
end
$$;

comment on function inventory.announce_expiring(int, int) is 'about=Writes event stock.expiring.v1 once for each batch in stock that expires within p_days (default setting inventory.expiry_warning_days, else 90); returns how many. For a job every day.';
