-- Rules that look at another table; their triggers stand with the tables.

create function inventory.check_witness() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.kind = 'destroy' and new.witness_id is null and exists (
    select
    from inventory.items i
    where i.tenant_id = new.tenant_id and i.id = new.item_id and i.is_controlled
  ) then
    raise exception 'item % is a controlled drug: its destruction needs a witness', new.item_id
      using errcode = 'IM403', hint = 'name another member of staff in witness_id';
  end if;
  return new;
end
$$;

comment on function inventory.check_witness() is 'about=Before insert of a movement: a controlled drug is destroyed before a witness only. IM403 no witness.';

create function inventory.check_shelf_life() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_days int;
  v_received_on date;
begin
  if new.accepted_qty + new.free_qty = 0 then -- the line only records what was sent back
    return new;
  end if;
  select coalesce(i.min_shelf_life_days, (core.setting('inventory.min_shelf_life_days') #>> '{}')::int, 0) into v_days
  from inventory.items i
  where i.tenant_id = new.tenant_id and i.id = new.item_id;
  select (r.received_at at time zone c.timezone)::date into v_received_on
  from inventory.goods_receipts r
  join facility.locations l on l.tenant_id = r.tenant_id and l.id = r.store_location_id
  join facility.clinics c on c.tenant_id = l.tenant_id and c.id = l.clinic_id
  where r.tenant_id = new.tenant_id and r.id = new.grn_id;
  if new.expiry_on < v_received_on + v_days then
    raise exception 'line % expires on %, less than % days after its receipt', new.line_no, new.expiry_on, v_days
      using errcode = 'IM530', hint = 'reject the quantity, or change min_shelf_life_days of the item';
  end if;
  return new;
end
$$;

comment on function inventory.check_shelf_life() is 'about=Before insert of a line of a goods receipt: what is accepted must be good for the days that the item asks for (min_shelf_life_days, else setting inventory.min_shelf_life_days, else 0). IM530 it expires sooner.';
