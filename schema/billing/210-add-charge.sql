-- Charging: one row per source event and charge, priced when it is made. The account's row is locked, so its totals and
-- what a package still includes are right under any number of writers.

create function billing.package_with_room(
  p_account_id uuid,
  p_charge_id uuid,
  p_charge_code text,
  p_quantity numeric
) returns uuid
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_package uuid;
begin
  select i.id into v_package
  from billing.charge_items i
  join billing.charge_master p on p.tenant_id = i.tenant_id and p.id = i.charge_id
  cross join lateral jsonb_array_elements(p.package_components) as c
  where
    i.tenant_id = v_tenant and i.account_id = p_account_id and i.status in ('billable', 'billed')
    and p.kind = 'package'
    and c.value ->> 'code' = p_charge_code
    and (
      c.value ->> 'quantity' is null
      or (c.value ->> 'quantity')::numeric * i.quantity >= p_quantity + (
        select coalesce(sum(used.quantity), 0)
        from billing.charge_items used
        where
          used.tenant_id = v_tenant and used.package_charge_item_id = i.id and used.charge_id = p_charge_id
          and used.status = 'not_billable'
      )
    )
  order by i.id
  limit 1;
  return v_package;
end
$$;

comment on function billing.package_with_room(uuid, uuid, text, numeric) is 'about=The charge of a package on the account that includes so much more of a charge; null when there is none.';

create function billing.put_into_packages(p_account_id uuid) returns numeric
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_item record;
  v_package uuid;
  v_freed numeric := 0;
begin
  for v_item in
    select i.id, i.charge_id, i.quantity, i.net, c.code
    from billing.charge_items i
    join billing.charge_master c on c.tenant_id = i.tenant_id and c.id = i.charge_id
    where i.tenant_id = v_tenant and i.account_id = p_account_id and i.status = 'billable' and c.kind <> 'package'
    order by i.occurred_at, i.id
  loop
    v_package := billing.package_with_room(p_account_id, v_item.charge_id, v_item.code, v_item.quantity);
    if v_package is not null then
      update billing.charge_items i
      set status = 'not_billable', package_charge_item_id = v_package
      where i.tenant_id = v_tenant and i.id = v_item.id;
      v_freed := v_freed + v_item.net;
    end if;
  end loop;
  return v_freed;
end
$$;

comment on function billing.put_into_packages(uuid) is 'about=Moves billable charges that a package on the account includes into it, oldest first; returns what they would have cost.';

create function billing.add_charge(
  p_account_id uuid,
  p_charge_id uuid,
  p_source_type text,
  p_source_id uuid,
  p_quantity numeric default 1,
  p_occurred_at timestamptz default null,
  p_unit_price numeric default null
) returns billing.charge_items
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_account billing.accounts := billing.lock_account(p_account_id);
  v_tenant uuid := v_account.tenant_id;
  v_charge record;
  v_care_class text;
  v_price record;
  v_discount numeric;
  v_discount_reason text;
  v_tax numeric;
  v_package uuid;
  v_item billing.charge_items;
begin
  select i.* into v_item
  from billing.charge_items i
  where
    i.tenant_id = v_tenant and i.source_type = p_source_type and i.source_id = p_source_id
    and i.charge_id = p_charge_id and i.status <> 'aborted';
  if found then
    if v_item.account_id = p_account_id and v_item.quantity = p_quantity then
      return v_item;
    end if;
    raise exception 'source % is charged already by charge item %', p_source_id, v_item.id
      using errcode = 'IM557', hint = 'cancel that charge before you charge it in another way';
  end if;
  if v_account.status = 'closed' then
    raise exception 'account % is closed', p_account_id
      using errcode = 'IM558', hint = 'reopen it, or use another account';
  end if;

  select c.code, c.kind, c.gst_rate into v_charge
  from billing.charge_master c
  where c.tenant_id = v_tenant and c.id = p_charge_id and c.active and c.deleted_at is null;
  if not found then
    raise exception 'charge % does not exist or is inactive', p_charge_id
      using errcode = 'IM005', hint = 'choose an active charge of billing.charge_master';
  end if;
  if p_unit_price is not null and v_charge.kind not in ('drug', 'consumable') then
    raise exception 'charge % has its price from the tariffs', p_charge_id
      using errcode = '22023', hint = 'only drugs and consumables may carry the price of their batch';
  end if;

  select a.care_class into v_care_class
  from clinical.admissions a
  where a.tenant_id = v_tenant and a.encounter_id = v_account.encounter_id;
  select f.unit_price, f.discount_pct into v_price
  from billing.find_price(
    p_charge_id, v_account.payer_id, v_care_class, v_account.clinic_id,
    billing.clinic_date(v_account.clinic_id, coalesce(p_occurred_at, now()))
  ) f;
  if p_unit_price is null then
    v_discount := round(p_quantity * v_price.unit_price * v_price.discount_pct / 100, 2);
    v_discount_reason := 'tariff';
  else
    -- a retail price has the tax in it; the discount makes up for the rounding of one unit
    v_price.unit_price := ceil(p_unit_price / (1 + v_charge.gst_rate / 100) * 100) / 100;
    v_discount := round(p_quantity * v_price.unit_price, 2)
      - billing.without_tax(round(p_quantity * p_unit_price, 2), v_charge.gst_rate);
    v_discount_reason := 'rounding';
  end if;
  v_tax := round((p_quantity * v_price.unit_price - v_discount) * v_charge.gst_rate / 100, 2);
  if v_charge.kind <> 'package' then
    v_package := billing.package_with_room(p_account_id, p_charge_id, v_charge.code, p_quantity);
  end if;

  insert into billing.charge_items (
    tenant_id, account_id, charge_id, patient_id, encounter_id, source_type, source_id, occurred_at, quantity, unit_price,
    discount, tax_rate, tax, net, concession_reason, package_charge_item_id, status
  )
  values (
    v_tenant, p_account_id, p_charge_id, v_account.patient_id, v_account.encounter_id, p_source_type, p_source_id,
    coalesce(p_occurred_at, now()), p_quantity, v_price.unit_price, v_discount, v_charge.gst_rate, v_tax,
    round(p_quantity * v_price.unit_price, 2) - v_discount + v_tax, case when v_discount > 0 then v_discount_reason end,
    v_package, case when v_package is null then 'billable' else 'not_billable' end
  )
  -- two accounts may race for one source: the key decides, and the loser is told
  on conflict (tenant_id, source_type, source_id, charge_id) where status <> 'aborted' do nothing
  returning * into v_item;
  if not found then
    raise exception 'source % is charged already', p_source_id
      using errcode = 'IM557', hint = 'look the source up in billing.charge_items';
  end if;
  if v_charge.kind = 'package' then
    perform billing.add_to_totals(p_account_id, p_charged => v_item.net - billing.put_into_packages(p_account_id));
  elsif v_package is null then
    perform billing.add_to_totals(p_account_id, p_charged => v_item.net);
  end if;
  return v_item;
end
$$;

comment on function billing.add_charge(uuid, uuid, text, uuid, numeric, timestamptz, numeric) is 'about=Charges what a source row caused (source type is its table, or manual) to an account, at the tariff of payer, class of care, clinic and day; drugs and consumables may carry the price of their batch (p_unit_price, tax included as in an MRP), and are billed no more than that. A charge that a package on the account includes becomes not_billable, and a package takes in what was charged before. The same source and charge again returns the same row. IM003, IM005 no such account or charge, IM557 charged already with another quantity or account, IM558 account closed.';

create function billing.charge_encounter(
  p_encounter_id uuid,
  p_charge_code text,
  p_source_type text,
  p_source_id uuid,
  p_quantity numeric default 1,
  p_unit_price numeric default null
) returns uuid
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_charge_id uuid;
  v_kind text;
  v_account_id uuid;
  v_item_id uuid;
begin
  select c.id, c.kind into v_charge_id, v_kind
  from billing.charge_master c
  where c.tenant_id = v_tenant and c.code = p_charge_code and c.active and c.deleted_at is null;
  if not found then
    return null;
  end if;
  select i.id into v_item_id
  from billing.charge_items i
  where
    i.tenant_id = v_tenant and i.source_type = p_source_type and i.source_id = p_source_id
    and i.charge_id = v_charge_id and i.status <> 'aborted';
  if found then
    return v_item_id;
  end if;
  select a.id into v_account_id
  from billing.accounts a
  where a.tenant_id = v_tenant and a.encounter_id = p_encounter_id and a.status <> 'closed';
  if not found then
    return null;
  end if;
  return (
    billing.add_charge(
      v_account_id, v_charge_id, p_source_type, p_source_id, p_quantity,
      p_unit_price => case when v_kind in ('drug', 'consumable') then p_unit_price end
    )
  ).id;
end
$$;

comment on function billing.charge_encounter(uuid, text, text, uuid, numeric, numeric) is 'about=For the other modules: charges an encounter by the hospital''s charge code, a drug or consumable at the retail price of its batch where one is given, and returns the charge item; the same one when it is repeated. Null when the tenant has no such charge or the encounter no open account: clinical work is never stopped by billing. IM003.';
