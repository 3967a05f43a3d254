-- What may still happen to a charge before it is billed. Order of locks: account, charge item.

create function billing.lock_charge(p_charge_item_id uuid) returns billing.charge_items
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_item billing.charge_items;
  v_account billing.accounts;
begin
  select i.* into v_item
  from billing.charge_items i
  where i.tenant_id = v_tenant and i.id = p_charge_item_id;
  if not found then
    raise exception 'charge item % does not exist', p_charge_item_id
      using errcode = 'IM005', hint = 'choose a charge item of the tenant';
  end if;
  v_account := billing.lock_account(v_item.account_id);
  select i.* into v_item
  from billing.charge_items i
  where i.tenant_id = v_tenant and i.id = p_charge_item_id
  for no key update;
  if v_item.status = 'billed' then
    raise exception 'charge item % is on a bill', p_charge_item_id
      using errcode = 'IM557', hint = 'write a credit note on that bill first';
  end if;
  if v_account.status = 'closed' and v_item.status <> 'aborted' then
    raise exception 'account % is closed', v_account.id
      using errcode = 'IM558', hint = 'reopen it, or use another account';
  end if;
  return v_item;
end
$$;

comment on function billing.lock_charge(uuid) is 'about=A charge that is not billed, locked with its account. IM005 no such charge item, IM557 it is on a bill, IM558 its account is closed; cancelled ones come all the same.';

create function billing.cancel_charge(p_charge_item_id uuid, p_reason text) returns billing.charge_items
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_item billing.charge_items := billing.lock_charge(p_charge_item_id);
  v_included record;
begin
  if v_item.status = 'aborted' then
    return v_item;
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'cancelling charge item % needs a reason', p_charge_item_id
      using errcode = 'IM002', hint = 'pass p_reason';
  end if;
  perform core.set_reason(p_reason);
  if v_item.status = 'billable' then
    perform billing.add_to_totals(v_item.account_id, p_charged => -v_item.net);
  end if;
  -- what a cancelled package included must be paid again
  for v_included in
    update billing.charge_items i
    set status = 'billable', package_charge_item_id = null
    where i.tenant_id = v_item.tenant_id and i.package_charge_item_id = v_item.id and i.status = 'not_billable'
    returning i.net
  loop
    perform billing.add_to_totals(v_item.account_id, p_charged => v_included.net);
  end loop;
  update billing.charge_items i
  set status = 'aborted', cancel_reason = p_reason
  where i.tenant_id = v_item.tenant_id and i.id = v_item.id
  returning i.* into v_item;
  return v_item;
end
$$;

comment on function billing.cancel_charge(uuid, text) is 'about=Cancels a charge that is not billed; its source may be charged anew. What a cancelled package included becomes billable. IM002 reason missing, IM005, IM557 on a bill, IM558 account closed.';

create function billing.grant_concession(
  p_charge_item_id uuid,
  p_discount numeric,
  p_reason text,
  p_approved_by uuid
) returns billing.charge_items
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_item billing.charge_items := billing.lock_charge(p_charge_item_id);
  v_before numeric := v_item.net;
  v_tax numeric;
begin
  if nullif(btrim(p_reason), '') is null or p_approved_by is null then
    raise exception 'a concession on charge item % needs a reason and who granted it', p_charge_item_id
      using errcode = 'IM002', hint = 'pass p_reason and p_approved_by, a member of staff';
  end if;
  if v_item.status <> 'billable' then
    raise exception 'charge item % is %', p_charge_item_id, v_item.status
      using errcode = 'IM001', hint = 'only a billable charge can have a concession';
  end if;
  if
    v_item.discount = p_discount and v_item.concession_reason = p_reason
    and v_item.concession_approved_by = p_approved_by
  then
    return v_item;
  end if;
  v_tax := round((v_item.quantity * v_item.unit_price - p_discount) * v_item.tax_rate / 100, 2);
  perform core.set_reason(p_reason);
  update billing.charge_items i
  set
    discount = p_discount,
    tax = v_tax,
    net = round(i.quantity * i.unit_price, 2) - p_discount + v_tax,
    concession_reason = p_reason,
    concession_approved_by = p_approved_by
  where i.tenant_id = v_item.tenant_id and i.id = v_item.id
  returning i.* into v_item;
  perform billing.add_to_totals(v_item.account_id, p_charged => v_item.net - v_before);
  return v_item;
end
$$;

comment on function billing.grant_concession(uuid, numeric, text, uuid) is 'about=Sets the discount of a billable charge, in money for the whole quantity, in place of the tariff''s. IM001 not billable, IM002 reason or approver missing, IM005, IM557 on a bill, IM558 account closed, 23514 more than its price.';

create function billing.take_out_of_package(p_charge_item_id uuid, p_reason text) returns billing.charge_items
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_item billing.charge_items := billing.lock_charge(p_charge_item_id);
begin
  if v_item.status = 'billable' then
    return v_item;
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'taking charge item % out of its package needs a reason', p_charge_item_id
      using errcode = 'IM002', hint = 'pass p_reason';
  end if;
  perform core.set_reason(p_reason);
  update billing.charge_items i
  set status = 'billable', package_charge_item_id = null
  where i.tenant_id = v_item.tenant_id and i.id = v_item.id
  returning i.* into v_item;
  perform billing.add_to_totals(v_item.account_id, p_charged => v_item.net);
  return v_item;
end
$$;

comment on function billing.take_out_of_package(uuid, text) is 'about=Makes a charge that a package includes billable by itself. IM001 cancelled, IM002 reason missing, IM005, IM557 on a bill, IM558 account closed.';

create function billing.change_payer(
  p_account_id uuid,
  p_payer_class text,
  p_payer_id uuid default null,
  p_coverage_id uuid default null
) returns billing.accounts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_account billing.accounts := billing.lock_account(p_account_id);
  v_care_class text;
  v_item record;
  v_difference numeric := 0;
begin
  if v_account.status = 'closed' then
    raise exception 'account % is closed', p_account_id
      using errcode = 'IM558', hint = 'reopen it, or use another account';
  end if;
  update billing.accounts a
  set
    payer_class = p_payer_class,
    payer_id = billing.check_coverage(v_account.patient_id, p_payer_id, p_coverage_id),
    coverage_id = p_coverage_id
  where a.tenant_id = v_account.tenant_id and a.id = p_account_id
  returning a.* into v_account;

  select a.care_class into v_care_class
  from clinical.admissions a
  where a.tenant_id = v_account.tenant_id and a.encounter_id = v_account.encounter_id;
  for v_item in
    select i.id, i.net, i.quantity, i.tax_rate, p.unit_price, round(i.quantity * p.unit_price * p.discount_pct / 100, 2) as discount
    from billing.charge_items i
    join billing.charge_master c on c.tenant_id = i.tenant_id and c.id = i.charge_id
    cross join lateral billing.find_price(
      i.charge_id, v_account.payer_id, v_care_class, v_account.clinic_id,
      billing.clinic_date(v_account.clinic_id, i.occurred_at)
    ) p
    where
      i.tenant_id = v_account.tenant_id and i.account_id = p_account_id and i.status = 'billable'
      -- a granted concession and the price of a batch stay as they are
      and i.concession_approved_by is null and c.kind not in ('drug', 'consumable')
    order by i.id
  loop
    update billing.charge_items i
    set
      unit_price = v_item.unit_price,
      discount = v_item.discount,
      concession_reason = case when v_item.discount > 0 then 'tariff' end,
      tax = round((i.quantity * v_item.unit_price - v_item.discount) * i.tax_rate / 100, 2),
      net = round(i.quantity * v_item.unit_price, 2) - v_item.discount
        + round((i.quantity * v_item.unit_price - v_item.discount) * i.tax_rate / 100, 2)
    where i.tenant_id = v_account.tenant_id and i.id = v_item.id
    returning v_difference + i.net - v_item.net into v_difference;
  end loop;
  update billing.accounts a
  set total_charged = a.total_charged + v_difference
  where a.tenant_id = v_account.tenant_id and a.id = p_account_id
  returning a.* into v_account;
  return v_account;
end
$$;

comment on function billing.change_payer(uuid, text, uuid, uuid) is 'about=Another payer for an open account: its billable charges get the prices of the new payer, except drugs, consumables and what has a granted concession. IM005, IM558 account closed.';
