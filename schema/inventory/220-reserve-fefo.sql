-- First expired, first out, for everybody at the same time: whoever reserves waits for the lock of the batch that expires
-- first. SKIP LOCKED would be faster and wrong, because it would hand out later batches before earlier ones.

create function inventory.shortage_code(p_store_location_id uuid, p_item_id uuid, p_min_expiry_on date) returns text
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_there record;
begin
  select
    count(*) filter (where b.expiry_on >= p_min_expiry_on and t.status = 'available') as usable,
    count(*) filter (where b.expiry_on >= p_min_expiry_on and t.status <> 'available') as blocked,
    count(*) filter (where b.expiry_on < p_min_expiry_on) as expiring
  into v_there
  from inventory.stock_balances b
  join inventory.batches t on t.tenant_id = b.tenant_id and t.id = b.batch_id
  where b.tenant_id = v_tenant and b.store_location_id = p_store_location_id and b.item_id = p_item_id and b.on_hand > 0;
  return case
    when v_there.usable > 0 then 'IM500'
    when v_there.blocked > 0 then 'IM502'
    when v_there.expiring > 0 then 'IM501'
    else 'IM500'
  end;
end
$$;

comment on function inventory.shortage_code(uuid, uuid, date) is 'about=Why a store cannot give an item: IM501 all of it expires before p_min_expiry_on, IM502 what does not is blocked, IM500 there is too little.';

create function inventory.reserve_fefo(
  p_store_location_id uuid,
  p_item_id uuid,
  p_quantity numeric,
  p_ref_type text,
  p_ref_id uuid,
  p_ttl interval default '30 minutes',
  p_min_expiry_on date default null,
  p_partial boolean default false
) returns setof inventory.stock_reservations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_min_expiry_on date := greatest(p_min_expiry_on, inventory.store_today(p_store_location_id));
  v_missing numeric := p_quantity;
  v_take numeric;
  v_held numeric;
  v_balance inventory.stock_balances;
  v_reservation inventory.stock_reservations;
begin
  perform inventory.check_quantity(p_quantity);
  if p_ttl is null or p_ttl <= interval '0' then
    raise exception 'a reservation must last some time' using errcode = '22023', hint = 'pass p_ttl, such as 30 minutes';
  end if;
  -- one request sent twice at the same time: the second waits here and finds what the first reserved
  perform pg_catalog.pg_advisory_xact_lock(
    pg_catalog.hashtextextended('inventory.reserve ' || v_tenant || p_ref_type || p_ref_id || p_item_id, 0)
  );
  select sum(r.quantity) into v_held
  from inventory.stock_reservations r
  where
    r.tenant_id = v_tenant and r.ref_type = p_ref_type and r.ref_id = p_ref_id and r.status = 'active'
    and r.store_location_id = p_store_location_id and r.item_id = p_item_id and r.expires_at > now();
  if v_held = p_quantity or (p_partial and v_held < p_quantity) then
    return query
    select r.*
    from inventory.stock_reservations r
    join inventory.batches b on b.tenant_id = r.tenant_id and b.id = r.batch_id
    where
      r.tenant_id = v_tenant and r.ref_type = p_ref_type and r.ref_id = p_ref_id and r.status = 'active'
      and r.store_location_id = p_store_location_id and r.item_id = p_item_id and r.expires_at > now()
    order by b.expiry_on, b.id;
    return;
  end if;
  if v_held is not null then
    raise exception '% % holds a reservation of % of item % already', p_ref_type, p_ref_id, v_held, p_item_id
      using errcode = 'IM011', hint = 'release its reservations first';
  end if;

  -- rows that are promised to the last piece are locked as well: what they get back while we wait is seen
  for v_balance in
    select b.*
    from inventory.stock_balances b
    where
      b.tenant_id = v_tenant
      and b.store_location_id = p_store_location_id
      and b.item_id = p_item_id
      and b.expiry_on >= v_min_expiry_on
      and b.on_hand > 0
    order by b.expiry_on, b.batch_id
    for update
  loop
    v_balance := inventory.end_lapsed(v_balance);
    v_take := least(v_balance.on_hand - v_balance.reserved, v_missing);
    -- asked after the lock: a recall that was faster is visible now
    continue when v_take <= 0 or not exists (
      select
      from inventory.batches t
      where t.tenant_id = v_tenant and t.id = v_balance.batch_id and t.status = 'available'
    );
    insert into inventory.stock_reservations as r (
      tenant_id, store_location_id, item_id, batch_id, quantity, ref_type, ref_id, expires_at
    )
    values (
      v_tenant, p_store_location_id, p_item_id, v_balance.batch_id, v_take, p_ref_type, p_ref_id, now() + p_ttl
    )
    returning r.* into v_reservation;
    update inventory.stock_balances b
    set reserved = b.reserved + v_take
    where b.tenant_id = v_tenant and b.id = v_balance.id;
    return next v_reservation;
    v_missing := v_missing - v_take;
    exit when v_missing = 0;
  end loop;

  if v_missing > 0 and not p_partial then
    raise exception 'store % lacks % of % of item %', p_store_location_id, v_missing, p_quantity, p_item_id
      using
        errcode = inventory.shortage_code(p_store_location_id, p_item_id, v_min_expiry_on),
        hint = 'order or transfer more, or ask for a partial reservation';
  end if;
end
$$;

comment on function inventory.reserve_fefo(uuid, uuid, numeric, text, uuid, interval, date, boolean) is 'about=Reserves a quantity of an item in a store, batch by batch in the order of expiry, and returns a row a batch. Only available batches that expire on p_min_expiry_on (default today) or later. The whole quantity or nothing; with p_partial what there is, perhaps no row. A reference that holds the same reservation gets it again. 22023 quantity or ttl, IM005 no such store, IM011 the reference reserved another quantity, IM500 too little, IM501 all of it expires too soon, IM502 what is left is blocked.';
