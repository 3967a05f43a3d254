-- What a charge costs: for whom, in which class, where and when.

create function billing.clinic_date(p_clinic_id uuid, p_at timestamptz default now()) returns date
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select (p_at at time zone c.timezone)::date
  from facility.clinics c
  where c.tenant_id = core.current_tenant_id() and c.id = p_clinic_id
$$;

comment on function billing.clinic_date(uuid, timestamptz) is 'about=The date that a clinic''s calendar shows at an instant.';

create function billing.find_price(
  p_charge_id uuid,
  p_payer_id uuid,
  p_care_class text,
  p_clinic_id uuid,
  p_on date,
  out unit_price numeric,
  out discount_pct numeric
) returns record
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  -- the payer's own price before one for any payer, then the class, then the clinic
  select t.price, t.discount_pct into unit_price, discount_pct
  from billing.tariffs t
  where
    t.tenant_id = v_tenant and t.charge_id = p_charge_id
    and (t.payer_id is null or t.payer_id = p_payer_id)
    and (t.care_class is null or t.care_class = p_care_class)
    and (t.clinic_id is null or t.clinic_id = p_clinic_id)
    and t.valid_during @> p_on
  order by t.payer_id nulls last, t.care_class nulls last, t.clinic_id nulls last
  limit 1;
  if found then
    return;
  end if;
  select c.base_price, 0 into unit_price, discount_pct
  from billing.charge_master c
  where c.tenant_id = v_tenant and c.id = p_charge_id;
  if not found then
    raise exception 'charge % does not exist', p_charge_id
      using errcode = 'IM005', hint = 'choose a charge of billing.charge_master';
  end if;
end
$$;

comment on function billing.find_price(uuid, uuid, text, uuid, date) is 'about=Price of one unit and discount in percent of the most particular tariff of that day: payer counts before class of care, class before clinic; without a tariff the base price. IM003, IM005 no such charge.';

create function billing.without_tax(p_total numeric, p_tax_rate numeric) returns numeric
  language plpgsql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_factor numeric := 1 + p_tax_rate / 100;
  v_taxable numeric := round(p_total / v_factor, 2);
begin
  return v_taxable - case when round(v_taxable * v_factor, 2) > p_total then 0.01 else 0 end;
end
$$;

comment on function billing.without_tax(numeric, numeric) is 'about=What is taxed of an amount with the tax in it: with its tax again it is that amount, or one hundredth less where none makes it up, and never more.';
