-- A payment is written, posted, put on its account, used for the bills that it names, and takes its receipt number last,
-- because that counter admits one open transaction at a time.
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
