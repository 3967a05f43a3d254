-- Money comes in. A payment is written, posted, put on its account, used for the bills that it names, and takes its receipt
-- number last, because that counter admits one open transaction at a time.
-- Order of locks: intent, payment, refund, account, bills by id, number.

create function payment.lock_payment(p_payment_id uuid) returns payment.payments
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_payment payment.payments;
begin
  select p.* into v_payment
  from payment.payments p
  where p.tenant_id = core.require_tenant() and p.id = p_payment_id
  for no key update;
  if not found then
    raise exception 'payment % does not exist', p_payment_id
      using errcode = 'IM005', hint = 'choose a payment of the tenant';
  end if;
  return v_payment;
end
$$;

comment on function payment.lock_payment(uuid) is 'about=The payment, locked until the transaction ends. IM005 no such payment.';

create function payment.money_account(p_mode text) returns text
  language sql
  immutable
  set search_path = pg_catalog, pg_temp
as $$
  select case when p_mode = 'cash' then 'cash' when p_mode in ('cheque', 'bank_transfer') then 'bank' else 'gateway_clearing' end
$$;

comment on function payment.money_account(text) is 'about=The ledger account that money of a mode goes to; a provider''s money is in clearing until it pays out.';

create function payment.post(p_payment payment.payments, p_ref_type text, p_ref_id uuid, p_from text, p_to text, p_amount numeric)
  returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform billing.post_entries(
    p_ref_type, p_ref_id, p_payment.clinic_id, p_payment.patient_id, p_payment.currency,
    jsonb_build_array(
      jsonb_build_object('account', p_to, 'debit', p_amount), jsonb_build_object('account', p_from, 'debit', -p_amount)
    )
  );
end
$$;

comment on function payment.post(payment.payments, text, uuid, text, text, numeric) is 'about=Posts an amount to the ledger: p_to is debited, p_from credited.';

create function payment.add_to_account(p_payment payment.payments, p_amount numeric) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_payment.account_id is not null then
    perform billing.add_to_totals(p_payment.account_id, p_paid => p_amount);
  end if;
end
$$;

comment on function payment.add_to_account(payment.payments, numeric) is 'about=Adds to what the patient paid on the account of a payment. IM558 account closed.';

create function payment.add_payment(
  p_payment jsonb,
  p_items jsonb
) returns payment.payments
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_payment payment.payments := jsonb_populate_record(null::payment.payments, p_payment);
  v_item record;
begin
  insert into payment.payments (
    tenant_id, kind, intent_id, patient_id, account_id, clinic_id, mode, provider_id, provider_ref, amount, currency,
    received_by, cheque_no, cheque_on
  )
  values (
    v_tenant, v_payment.kind, v_payment.intent_id, v_payment.patient_id, v_payment.account_id, v_payment.clinic_id,
    v_payment.mode, v_payment.provider_id, v_payment.provider_ref, v_payment.amount, v_payment.currency,
    v_payment.received_by, v_payment.cheque_no, v_payment.cheque_on
  )
  returning * into v_payment;
  for v_item in
    select i.value, i.ordinality
    from jsonb_array_elements(p_items) with ordinality as i
    order by i.ordinality
  loop
    insert into payment.payment_items (
      tenant_id, payment_id, line_no, purpose, invoice_id, appointment_id, description, amount
    )
    values (
      v_tenant, v_payment.id, v_item.ordinality, v_item.value ->> 'purpose', (v_item.value ->> 'invoice_id')::uuid,
      (v_item.value ->> 'appointment_id')::uuid,
      coalesce(v_item.value ->> 'description', initcap(v_item.value ->> 'purpose')), (v_item.value ->> 'amount')::numeric
    );
  end loop;
  return v_payment;
end
$$;

comment on function payment.add_payment(jsonb, jsonb) is 'about=Writes a pending payment, named by its columns, and its items.';

create function payment.complete(p_payment payment.payments, p_keep_rest boolean) returns payment.payments
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_item record;
  v_payment payment.payments := p_payment;
begin
  perform billing.lock_accounts_of(
    p_payment.account_id,
    array(
      select i.invoice_id
      from payment.payment_items i
      where i.tenant_id = p_payment.tenant_id and i.payment_id = p_payment.id and i.purpose = 'invoice'
    )
  );
  -- money for an account that was closed meanwhile is the patient's advance
  if exists (
    select
    from billing.accounts a
    where a.tenant_id = p_payment.tenant_id and a.id = p_payment.account_id and a.status = 'closed'
  ) then
    update payment.payments p
    set account_id = null
    where p.tenant_id = p_payment.tenant_id and p.id = p_payment.id
    returning p.* into v_payment;
  end if;
  perform payment.post(
    p_payment, 'payment', p_payment.id, 'advance', payment.money_account(p_payment.mode), p_payment.amount
  );
  perform payment.add_to_account(v_payment, p_payment.amount);
  for v_item in
    select i.invoice_id, sum(i.amount) as amount
    from payment.payment_items i
    where i.tenant_id = p_payment.tenant_id and i.payment_id = p_payment.id and i.purpose = 'invoice'
    group by i.invoice_id
    order by i.invoice_id
  loop
    begin
      perform payment.use_for_invoice(p_payment, v_item.invoice_id, v_item.amount);
    exception
      -- the money is here, so it is kept as an advance when its bill was paid or credited in the meantime
      when sqlstate 'IM001' or sqlstate 'IM006' or sqlstate 'IM554' or sqlstate 'IM556' or sqlstate 'IM558' then
        if not p_keep_rest then
          raise;
        end if;
    end;
  end loop;
  update payment.payments p
  set
    status = 'completed',
    receipt_number = coalesce(
      p.receipt_number, core.next_default_number('receipt', '', 'RCP-{YY}-')
    )
  where p.tenant_id = p_payment.tenant_id and p.id = p_payment.id
  returning p.* into v_payment;
  return v_payment;
end
$$;

comment on function payment.complete(payment.payments, boolean) is 'about=The money of a pending payment is here: ledger, account, the bills that its items name, receipt number. p_keep_rest keeps as an advance what a bill does not take.';

create function payment.use_for_invoice(p_payment payment.payments, p_invoice_id uuid, p_amount numeric, p_key text default null)
  returns uuid
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_reserved numeric;
  v_allocation_id uuid;
begin
  perform billing.lock_accounts_of(p_payment.account_id, array[p_invoice_id]);
  select coalesce(sum(r.amount), 0) into v_reserved
  from payment.refunds r
  where
    r.tenant_id = p_payment.tenant_id and r.payment_id = p_payment.id
    and r.status in ('requested', 'approved', 'processing', 'failed');
  v_allocation_id := (
    billing.allocate(
      'payment', p_payment.id, p_payment.amount - p_payment.refunded - v_reserved, p_payment.currency, p_invoice_id, p_amount,
      p_key
    )
  ).id;
  perform payment.count_allocated(p_payment.id, p_invoice_id);
  return v_allocation_id;
end
$$;

comment on function payment.use_for_invoice(payment.payments, uuid, numeric, text) is 'about=Lets a payment that the caller has locked pay so much of a bill: at most its amount less what was refunded or is asked back. Fails as billing.allocate does.';

create function payment.account_of_bill(p_invoice_id uuid) returns uuid
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select i.account_id
  from billing.invoices i
  where i.tenant_id = core.require_tenant() and i.id = p_invoice_id and i.payer_id is null
$$;

comment on function payment.account_of_bill(uuid) is 'about=The account that a bill is on, which never changes; null for one that a payer owes: the account claims it from the payer, the patient does not owe it.';

create function payment.count_allocated(p_payment_id uuid, p_invoice_id uuid) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_account_id uuid := payment.account_of_bill(p_invoice_id);
  v_before payment.payments;
  v_payment payment.payments;
  v_change numeric;
begin
  select p.* into v_before from payment.payments p where p.tenant_id = v_tenant and p.id = p_payment_id;
  update payment.payments p
  set
    allocated = (
      select coalesce(sum(a.amount), 0)
      from billing.payment_allocations a
      where a.tenant_id = v_tenant and a.payment_id = p_payment_id
    ),
    account_id = coalesce(p.account_id, v_account_id)
  where p.tenant_id = v_tenant and p.id = p_payment_id
  returning p.* into v_payment;
  if v_before.account_id is null then
    -- what it paid before were bills of payers
    perform payment.add_to_account(v_payment, v_payment.amount - v_payment.refunded - v_before.allocated);
  end if;
  v_change := v_payment.allocated - v_before.allocated; -- none when an allocation was repeated
  if v_change <> 0 and v_payment.account_id is distinct from v_account_id then
    perform payment.add_to_account(v_payment, -v_change);
    v_payment.account_id := v_account_id;
    perform payment.add_to_account(v_payment, v_change);
  end if;
end
$$;

comment on function payment.count_allocated(uuid, uuid) is 'about=Counts what a locked payment pays, after something of a bill was allocated or reversed. A payment without an account goes to that of the bill; what the payment of another account pays counts on the account of the bill, and on none when a payer owes the bill. IM558 account closed.';

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
