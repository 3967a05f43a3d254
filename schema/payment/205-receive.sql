-- Money comes in at the counter.

create function payment.check_items(p_items jsonb, p_amount numeric) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_item jsonb;
  v_amount numeric;
begin
  for v_item in
    select i.value from jsonb_array_elements(p_items) i
  loop
    v_amount := (v_item ->> 'amount')::numeric;
    if
      (v_item ->> 'purpose') in ('invoice', 'appointment', 'advance', 'pharmacy', 'other') is not true
      or (v_amount > 0 and v_amount = round(v_amount, 2) and v_amount < 'NaN') is not true
      or v_item ->> 'purpose' = 'invoice' and v_item ->> 'invoice_id' is null
    then
      raise exception 'an item has no known purpose, no amount above zero with two decimals, or no invoice'
        using errcode = '22023', hint = 'give each item its purpose and amount, and one of purpose invoice its invoice_id';
    end if;
  end loop;
  if p_amount is distinct from (select sum((i.value ->> 'amount')::numeric) from jsonb_array_elements(p_items) i) then
    raise exception 'the items do not add up to the amount'
      using errcode = 'IM553', hint = 'let the amounts of the items add up';
  end if;
  perform payment.check_item_references(p_items);
end
$$;

comment on function payment.check_items(jsonb, numeric) is 'about=Items that payment.payment_items takes: IM553 unless they add up to the amount, IM005 no such bill or appointment, 22023 an item that cannot be stored.';

create function payment.check_item_references(p_items jsonb) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  if exists (
    select
    from jsonb_array_elements(p_items) i
    -- the limits keep them look-ups: ->> is not leakproof, a join on it would read all rows of the tenant
    left join lateral (
      select n.id
      from billing.invoices n
      where n.tenant_id = v_tenant and n.id = (i.value ->> 'invoice_id')::uuid
      limit 1
    ) bill on true
    left join lateral (
      select a.id
      from scheduling.appointments a
      where a.tenant_id = v_tenant and a.id = (i.value ->> 'appointment_id')::uuid
      limit 1
    ) appointment on true
    where
      i.value ->> 'invoice_id' is not null and bill.id is null
      or i.value ->> 'appointment_id' is not null and appointment.id is null
  ) then
    raise exception 'an item names a bill or appointment that does not exist'
      using errcode = 'IM005', hint = 'choose bills and appointments of the tenant';
  end if;
end
$$;

comment on function payment.check_item_references(jsonb) is 'about=IM005 when an item names a bill or appointment that the tenant does not have.';

create function payment.place_of(p_account_id uuid, p_clinic_id uuid, p_patient_id uuid)
  returns table (account_id uuid, clinic_id uuid, patient_id uuid)
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_account record;
begin
  if p_account_id is null then
    if p_clinic_id is null then
      raise exception 'a payment without an account needs a clinic'
        using errcode = '22023', hint = 'pass p_clinic_id, the clinic that receives it';
    end if;
    return query select null::uuid, p_clinic_id, p_patient_id;
    return;
  end if;
  select a.id, a.clinic_id, a.patient_id, a.status into v_account
  from billing.accounts a
  where a.tenant_id = core.require_tenant() and a.id = p_account_id;
  if not found then
    raise exception 'account % does not exist', p_account_id
      using errcode = 'IM005', hint = 'choose an account of the tenant';
  end if;
  -- money for a closed account is the patient's advance
  return query
  select
    case when v_account.status <> 'closed' then v_account.id end, coalesce(p_clinic_id, v_account.clinic_id),
    coalesce(p_patient_id, v_account.patient_id);
end
$$;

comment on function payment.place_of(uuid, uuid, uuid) is 'about=Account, clinic and patient of a payment: those given, else those of the account; a closed account is left out. IM005 no such account.';

create function payment.receive(
  p_key text,
  p_mode text,
  p_amount numeric,
  p_items jsonb default null,
  p_account_id uuid default null,
  p_patient_id uuid default null,
  p_clinic_id uuid default null,
  p_provider_id uuid default null,
  p_provider_ref text default null,
  p_cheque_no text default null,
  p_cheque_on date default null,
  p_currency text default null
) returns payment.payments
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_items jsonb := coalesce(p_items, jsonb_build_array(jsonb_build_object('purpose', 'advance', 'amount', p_amount)));
  v_claim record;
  v_bill record;
  v_place record;
  v_payment payment.payments;
begin
  v_claim := core.idempotent_begin(
    'payment.receive', p_key,
    sha256(convert_to(
      jsonb_build_array(
        p_mode, p_amount, p_items, p_account_id, p_patient_id, p_clinic_id, p_provider_id, p_provider_ref, p_cheque_no, p_currency
      )::text,
      'UTF8'
    ))
  );
  if v_claim.state = 'done' then
    select p.* into v_payment
    from payment.payments p
    where p.tenant_id = v_tenant and p.id = (v_claim.response ->> 'payment_id')::uuid;
    return v_payment;
  end if;
  perform payment.check_items(v_items, p_amount);
  select n.account_id, n.payer_id into v_bill
  from billing.invoices n
  where
    n.tenant_id = v_tenant
    and n.id = (
      select (i.value ->> 'invoice_id')::uuid
      from jsonb_array_elements(v_items) with ordinality i
      where i.value ->> 'purpose' = 'invoice'
      order by i.ordinality
      limit 1
    );
  select p.* into v_place
  from payment.place_of(coalesce(p_account_id, v_bill.account_id), p_clinic_id, p_patient_id) p;
  if p_account_id is null and v_bill.payer_id is not null then
    v_place.account_id := null; -- the patient does not owe it
  end if;
  if p_provider_ref is not null and exists (
    select
    from payment.payments p
    where p.tenant_id = v_tenant and p.provider_id = p_provider_id and p.provider_ref = p_provider_ref
  ) then
    raise exception 'provider % reported this reference before', p_provider_id
      using errcode = 'IM581', hint = 'look the payment up by its reference';
  end if;

  v_payment := payment.add_payment(
    jsonb_build_object(
      'kind', case when v_items @> '[{"purpose": "advance"}]' then 'advance' else 'receipt' end,
      'patient_id', v_place.patient_id, 'account_id', v_place.account_id, 'clinic_id', v_place.clinic_id, 'mode', p_mode,
      'provider_id', p_provider_id, 'provider_ref', p_provider_ref, 'amount', p_amount, 'currency', coalesce(p_currency, billing.currency_of_tenant()),
      'received_by', core.current_user_id(), 'cheque_no', p_cheque_no, 'cheque_on', p_cheque_on
    ),
    v_items
  );
  if p_mode = 'cheque' then -- it counts when the bank has paid it
    update payment.payments p
    set receipt_number = core.next_default_number('receipt', '', 'RCP-{YY}-')
    where p.tenant_id = v_tenant and p.id = v_payment.id
    returning p.* into v_payment;
  else
    v_payment := payment.complete(v_payment, false);
  end if;
  perform core.idempotent_finish('payment.receive', p_key, jsonb_build_object('payment_id', v_payment.id));
  return v_payment;
end
$$;

comment on function payment.receive(text, text, numeric, jsonb, uuid, uuid, uuid, uuid, text, text, date, text) is 'about=A receipt at the counter, in the tenant''s currency unless another is given. Items [{"purpose", "invoice_id", "appointment_id", "description", "amount"}] add up to the amount; without items it is an advance; those of purpose invoice pay their bills at once, and without an account it goes to that of the first bill, or to none when a payer owes that. A cheque stays pending until payment.settle_cheque. Same p_key and content, same payment. IM001 a bill that cannot be paid, IM003, IM005 no such account or bill, IM006, IM010, IM011, IM553 items do not add up, IM554 more than a bill has open, IM556 other currency, IM581 reference known, 22023 an item that cannot be stored.';

create function payment.settle_cheque(p_payment_id uuid, p_cleared boolean, p_reason text default null)
  returns payment.payments
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_payment payment.payments := payment.lock_payment(p_payment_id);
begin
  if v_payment.status::text = (case when p_cleared then 'completed' else 'failed' end) then
    return v_payment;
  end if;
  if v_payment.mode <> 'cheque' or v_payment.status <> 'pending' then
    raise exception 'payment % is no cheque that is pending', p_payment_id
      using errcode = 'IM001', hint = 'choose a pending cheque';
  end if;
  if p_cleared then
    return payment.complete(v_payment, true);
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'the failure of cheque payment % needs a reason', p_payment_id
      using errcode = 'IM002', hint = 'pass p_reason';
  end if;
  update payment.payments p
  set status = 'failed', void_reason = p_reason
  where p.tenant_id = v_payment.tenant_id and p.id = p_payment_id
  returning p.* into v_payment;
  return v_payment;
end
$$;

comment on function payment.settle_cheque(uuid, boolean, text) is 'about=The bank paid a cheque, or did not (with a reason). What its bills no longer take stays as an advance. IM001 not a pending cheque, IM002 reason missing, IM005.';

create function payment.void(p_payment_id uuid, p_reason text) returns payment.payments
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_payment payment.payments := payment.lock_payment(p_payment_id);
begin
  if v_payment.status = 'voided' then
    return v_payment;
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'voiding payment % needs a reason', p_payment_id
      using errcode = 'IM002', hint = 'pass p_reason';
  end if;
  if v_payment.provider_ref is not null or v_payment.allocated <> 0 or exists (
    select
    from payment.refunds r
    where r.tenant_id = v_payment.tenant_id and r.payment_id = p_payment_id and r.status <> 'rejected'
  ) then
    raise exception 'payment % is used, or a provider took it', p_payment_id
      using errcode = 'IM001', hint = 'reverse its allocations, or refund it';
  end if;
  perform core.set_reason(p_reason);
  update payment.payments p
  set status = 'voided', void_reason = p_reason
  where p.tenant_id = v_payment.tenant_id and p.id = p_payment_id
  returning p.* into v_payment;
  perform payment.add_to_account(v_payment, -v_payment.amount);
  perform payment.post(
    v_payment, 'payment.voided', v_payment.id, payment.money_account(v_payment.mode), 'advance', v_payment.amount
  );
  return v_payment;
end
$$;

comment on function payment.void(uuid, text) is 'about=Takes back a receipt that was written by mistake and pays nothing. IM001 not completed, used, or taken by a provider, IM002 reason missing, IM005, IM558 account closed.';
