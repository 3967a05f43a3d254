-- Which bills a payment pays. Order of locks: payment, accounts, bill.

create function payment.allocate(p_payment_id uuid, p_invoice_id uuid, p_amount numeric, p_key text default null)
  returns payment.payments
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_payment payment.payments := payment.lock_payment(p_payment_id);
begin
  if v_payment.status not in ('completed', 'partially_refunded') then
    raise exception 'payment % is %', p_payment_id, v_payment.status
      using errcode = 'IM001', hint = 'only money that was received pays bills';
  end if;
  perform payment.use_for_invoice(v_payment, p_invoice_id, p_amount, p_key);
  select p.* into v_payment
  from payment.payments p
  where p.tenant_id = v_payment.tenant_id and p.id = p_payment_id;
  return v_payment;
end
$$;

comment on function payment.allocate(uuid, uuid, numeric, text) is 'about=Lets a payment pay so much of a bill; returns the payment, which then has the account of the bill if it had none. What was refunded or is asked back is not to be used. Same p_key, once. IM001 payment or bill in the wrong state, IM003, IM005, IM006 a scheme''s bill, IM011, IM554 more than the bill has open, IM555 more than the payment has left, IM556 other currency, IM558 account closed.';

create function payment.reverse_allocation(p_allocation_id uuid, p_reason text) returns payment.payments
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_payment_id uuid;
  v_invoice_id uuid;
  v_payment payment.payments;
begin
  select a.payment_id, a.invoice_id into v_payment_id, v_invoice_id
  from billing.payment_allocations a
  where a.tenant_id = v_tenant and a.id = p_allocation_id and a.payment_id is not null;
  if not found then
    raise exception 'allocation % of a payment does not exist', p_allocation_id
      using errcode = 'IM005', hint = 'choose a row of billing.payment_allocations with a payment';
  end if;
  v_payment := payment.lock_payment(v_payment_id);
  perform billing.lock_accounts_of(v_payment.account_id, array[v_invoice_id]);
  perform billing.reverse_allocation(p_allocation_id, p_reason);
  perform payment.count_allocated(v_payment_id, v_invoice_id);
  select p.* into v_payment from payment.payments p where p.tenant_id = v_tenant and p.id = v_payment_id;
  return v_payment;
end
$$;

comment on function payment.reverse_allocation(uuid, text) is 'about=Takes back what a payment paid of a bill: the bill is open again and the payment has it left. Once. IM002 reason missing, IM003, IM005, IM558 account closed.';
