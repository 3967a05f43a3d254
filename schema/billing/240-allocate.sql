-- Money meets bills. billing.allocate is the one place where it does, for payments, payers' payments and credit notes: the
-- caller has locked the source's row, and accounts whose totals may move, and says what the source has to give; the bill is
-- locked here. Several bills in one transaction: in the order of their ids.

create function billing.add_allocation(
  p_invoice billing.invoices,
  p_source_kind text,
  p_source_id uuid,
  p_amount numeric,
  p_key text default null,
  p_reverses_id uuid default null,
  p_reason text default null
) returns billing.payment_allocations
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_allocation billing.payment_allocations;
  v_account_id uuid;
  v_claimed numeric := case when p_invoice.payer_id is null then 0 else p_amount end;
begin
  insert into billing.payment_allocations (
    tenant_id, invoice_id, payment_id, claim_payment_id, credit_note_id, amount, reverses_id, reason, idempotency_key
  )
  values (
    p_invoice.tenant_id, p_invoice.id, case p_source_kind when 'payment' then p_source_id end,
    case p_source_kind when 'claim_payment' then p_source_id end,
    case p_source_kind when 'credit_note' then p_source_id end, p_amount, p_reverses_id, p_reason, p_key
  )
  returning * into v_allocation;
  update billing.invoices i
  set allocated = i.allocated + p_amount
  where i.tenant_id = p_invoice.tenant_id and i.id = p_invoice.id;
  if p_source_kind = 'credit_note' then
    -- the credit note reduced the receivable when it was issued
    update billing.invoices i
    set allocated = i.allocated + p_amount
    where i.tenant_id = p_invoice.tenant_id and i.id = p_source_id
    returning i.account_id into v_account_id;
    -- and counted on its own account then: now it counts where it is used
    if v_account_id <> p_invoice.account_id then
      perform billing.add_to_totals(v_account_id, p_charged => p_amount, p_claimed => v_claimed);
      perform billing.add_to_totals(p_invoice.account_id, p_charged => -p_amount, p_claimed => -v_claimed);
    end if;
  else
    perform billing.post_entries(
      'allocation', v_allocation.id, p_invoice.clinic_id, p_invoice.patient_id, p_invoice.currency,
      jsonb_build_array(
        jsonb_build_object('account', 'advance', 'debit', p_amount),
        jsonb_build_object('account', billing.receivable_of(p_invoice), 'debit', -p_amount)
      )
    );
  end if;
  return v_allocation;
end
$$;

comment on function billing.add_allocation(billing.invoices, text, uuid, numeric, text, uuid, text) is 'about=Writes an allocation, or its reversal below zero, to a bill and source that the caller has locked and checked.';

create function billing.used_of(p_source_kind text, p_source_id uuid) returns numeric
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_used numeric;
begin
  case p_source_kind -- a query each: every kind has an index of its own
    when 'payment' then
      select sum(a.amount) into v_used
      from billing.payment_allocations a
      where a.tenant_id = v_tenant and a.payment_id = p_source_id;
    when 'claim_payment' then
      select sum(a.amount) into v_used
      from billing.payment_allocations a
      where a.tenant_id = v_tenant and a.claim_payment_id = p_source_id;
    when 'credit_note' then
      select sum(a.amount) into v_used
      from billing.payment_allocations a
      where a.tenant_id = v_tenant and a.credit_note_id = p_source_id;
    else
      raise exception 'money comes from a payment, claim_payment or credit_note, not from "%"', p_source_kind
        using errcode = '22023', hint = 'pass one of the three';
  end case;
  return coalesce(v_used, 0);
end
$$;

comment on function billing.used_of(text, uuid) is 'about=How much of a source is allocated, reversals deducted.';

create function billing.open_of(p_invoice_id uuid) returns numeric
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
  select case when i.status in ('issued', 'partially_paid') then i.total - i.allocated - i.written_off else 0 end
  from billing.invoices i
  where i.tenant_id = core.require_tenant() and i.id = p_invoice_id
$$;

comment on function billing.open_of(uuid) is 'about=How much of a bill can still be paid.';

create function billing.allocate(
  p_source_kind text,
  p_source_id uuid,
  p_source_amount numeric,
  p_currency text,
  p_invoice_id uuid,
  p_amount numeric,
  p_key text default null
) returns billing.payment_allocations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_allocation billing.payment_allocations;
  v_invoice billing.invoices;
  v_used numeric;
begin
  if p_key is not null then
    select a.* into v_allocation
    from billing.payment_allocations a
    where a.tenant_id = v_tenant and a.idempotency_key = p_key;
    if found then
      if
        v_allocation.invoice_id = p_invoice_id and v_allocation.amount = p_amount
        and p_source_id in (v_allocation.payment_id, v_allocation.claim_payment_id, v_allocation.credit_note_id)
      then
        return v_allocation;
      end if;
      raise exception 'key "%" was used for another allocation', p_key
        using errcode = 'IM011', hint = 'choose a new key for a new allocation';
    end if;
  end if;
  if not p_amount > 0 then
    raise exception 'an allocation is an amount above zero'
      using errcode = '22023', hint = 'take one back with the reversing operation of its source';
  end if;
  v_invoice := billing.lock_invoice(p_invoice_id);
  if v_invoice.kind in ('credit_note', 'proforma') or v_invoice.status in ('draft', 'credited', 'written_off') then
    raise exception 'invoice % is not to be paid: % %', p_invoice_id, v_invoice.kind, v_invoice.status
      using errcode = 'IM001', hint = 'choose an issued bill that is open';
  end if;
  if v_invoice.currency is distinct from p_currency then
    raise exception 'invoice % is in %, the money in %', p_invoice_id, v_invoice.currency, p_currency
      using errcode = 'IM556', hint = 'use money in the currency of the invoice';
  end if;
  if p_source_kind = 'claim_payment' and v_invoice.payer_id is null then
    raise exception 'invoice % is the patient''s', p_invoice_id
      using errcode = 'IM006', hint = 'a payer pays bills that are made out to a payer';
  end if;
  -- the scheme's patients are treated without cash: what the scheme is billed, the patient never pays
  if p_source_kind = 'payment' and v_invoice.payer_id is not null and exists (
    select
    from billing.accounts a
    where a.tenant_id = v_tenant and a.id = v_invoice.account_id and a.payer_class = 'pmjay'
  ) then
    raise exception 'invoice % is billed to the scheme', p_invoice_id
      using errcode = 'IM006', hint = 'a patient of the scheme does not pay what it covers; refund the payment';
  end if;

  v_used := billing.used_of(p_source_kind, p_source_id);
  if v_used + p_amount > p_source_amount then
    raise exception '% % has % left to allocate', p_source_kind, p_source_id, p_source_amount - v_used
      using errcode = 'IM555', hint = 'allocate at most what is left';
  end if;
  if v_invoice.allocated + v_invoice.written_off + p_amount > v_invoice.total then
    raise exception 'invoice % has % open', p_invoice_id, v_invoice.total - v_invoice.allocated - v_invoice.written_off
      using errcode = 'IM554', hint = 'allocate at most what is open';
  end if;
  return billing.add_allocation(v_invoice, p_source_kind, p_source_id, p_amount, p_key);
end
$$;

comment on function billing.allocate(text, uuid, numeric, text, uuid, numeric, text) is 'about=For operations of payment and insurance: lets a source (payment, claim_payment, credit_note) pay so much of a bill. The caller holds the lock of the source''s row; p_source_amount is all that the source may give (its amount less refunds). Posts advance to receivable. Same key, same row. IM001 not a bill that can be paid, IM005, IM006 the wrong payer, IM011, IM554 more than is open, IM555 more than is left, IM556 other currency, IM558 account closed.';

create function billing.reverse_allocation(p_allocation_id uuid, p_reason text) returns billing.payment_allocations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_allocation billing.payment_allocations;
  v_invoice billing.invoices;
  v_reversal billing.payment_allocations;
begin
  select a.* into v_allocation
  from billing.payment_allocations a
  where a.tenant_id = v_tenant and a.id = p_allocation_id and a.amount > 0;
  if not found then
    raise exception 'allocation % does not exist', p_allocation_id
      using errcode = 'IM005', hint = 'choose an allocation, not a reversal';
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'reversing allocation % needs a reason', p_allocation_id
      using errcode = 'IM002', hint = 'pass p_reason';
  end if;
  v_invoice := billing.lock_invoice(v_allocation.invoice_id);
  select a.* into v_reversal
  from billing.payment_allocations a
  where a.tenant_id = v_tenant and a.reverses_id = p_allocation_id;
  if found then
    return v_reversal;
  end if;
  perform core.set_reason(p_reason);
  v_reversal := billing.add_allocation(
    v_invoice,
    case
      when v_allocation.payment_id is not null then 'payment'
      when v_allocation.claim_payment_id is not null then 'claim_payment'
      else 'credit_note'
    end,
    coalesce(v_allocation.payment_id, v_allocation.claim_payment_id, v_allocation.credit_note_id),
    -v_allocation.amount, null, p_allocation_id, p_reason
  );
  if v_allocation.credit_note_id is null then
    perform billing.use_credit_notes(v_invoice.id);
  end if;
  return v_reversal;
end
$$;

comment on function billing.reverse_allocation(uuid, text) is 'about=For operations of payment and insurance: takes an allocation back, once; the caller holds the lock of the source''s row. What credit notes on the bill have left takes its place. IM002 reason missing, IM005, IM558 account closed.';

create function billing.use_credit_notes(p_invoice_id uuid) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_note record;
  v_invoice billing.invoices;
  v_amount numeric;
begin
  for v_note in
    select i.id, i.total - i.allocated as left_over
    from billing.invoices i
    where i.tenant_id = v_tenant and i.original_invoice_id = p_invoice_id and i.allocated < i.total
    order by i.id
    for no key update
  loop
    select i.* into v_invoice from billing.invoices i where i.tenant_id = v_tenant and i.id = p_invoice_id;
    v_amount := least(v_note.left_over, v_invoice.total - v_invoice.allocated - v_invoice.written_off);
    exit when v_amount <= 0;
    perform billing.add_allocation(v_invoice, 'credit_note', v_note.id, v_amount);
  end loop;
end
$$;

comment on function billing.use_credit_notes(uuid) is 'about=Covers what is open of a locked bill with what its own credit notes have left.';

create function billing.allocate_credit(p_credit_note_id uuid, p_invoice_id uuid, p_amount numeric, p_key text default null)
  returns billing.payment_allocations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_note billing.invoices;
  v_invoice billing.invoices;
begin
  perform billing.lock_accounts_of(null, array[p_credit_note_id, p_invoice_id]);
  -- both are rows of one table: in the order of their ids
  perform billing.lock_invoice(least(p_credit_note_id, p_invoice_id));
  perform billing.lock_invoice(greatest(p_credit_note_id, p_invoice_id));
  select i.* into v_note from billing.invoices i where i.tenant_id = v_tenant and i.id = p_credit_note_id;
  select i.* into v_invoice from billing.invoices i where i.tenant_id = v_tenant and i.id = p_invoice_id;
  if v_note.kind <> 'credit_note' then
    raise exception 'invoice % is not a credit note', p_credit_note_id
      using errcode = 'IM005', hint = 'choose a credit note';
  end if;
  if v_note.patient_id <> v_invoice.patient_id or v_note.payer_id is distinct from v_invoice.payer_id then
    raise exception 'credit note % is not for the debtor of invoice %', p_credit_note_id, p_invoice_id
      using errcode = 'IM006', hint = 'choose a bill of the same patient and payer';
  end if;
  return billing.allocate('credit_note', v_note.id, v_note.total, v_note.currency, p_invoice_id, p_amount, p_key);
end
$$;

comment on function billing.allocate_credit(uuid, uuid, numeric, text) is 'about=Uses what is left of a credit note for another bill of the same patient and payer; the amount counts on the account of that bill. IM001 not a bill that can be paid, IM005, IM006 another debtor, IM011, IM554 more than is open, IM555 more than is left, IM556, IM558 an account is closed.';

create function billing.reverse_credit(p_allocation_id uuid, p_reason text) returns billing.payment_allocations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_allocation record;
begin
  select a.credit_note_id, a.invoice_id, n.original_invoice_id into v_allocation
  from billing.payment_allocations a
  join billing.invoices n on n.tenant_id = a.tenant_id and n.id = a.credit_note_id
  where a.tenant_id = v_tenant and a.id = p_allocation_id;
  if not found or v_allocation.invoice_id = v_allocation.original_invoice_id then
    raise exception 'allocation % is not the use of a credit note on another bill', p_allocation_id
      using errcode = 'IM005', hint = 'choose a row that billing.allocate_credit made';
  end if;
  perform billing.lock_accounts_of(null, array[v_allocation.credit_note_id, v_allocation.invoice_id]);
  perform billing.lock_invoice(least(v_allocation.credit_note_id, v_allocation.invoice_id));
  perform billing.lock_invoice(greatest(v_allocation.credit_note_id, v_allocation.invoice_id));
  return billing.reverse_allocation(p_allocation_id, p_reason);
end
$$;

comment on function billing.reverse_credit(uuid, text) is 'about=Takes back the use of a credit note for another bill. IM002 reason missing, IM005, IM558 an account is closed.';
