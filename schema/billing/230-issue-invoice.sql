-- Issuing a bill. Order of locks: account, charge items by id, and the counter of the number last, because a gapless
-- series admits one open transaction at a time.

create function billing.take_invoice_number(p_kind text, p_series text, p_on date) returns text
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_prefix text := case p_kind when 'bill_of_supply' then 'B' when 'tax_invoice' then 'T' else 'C' end;
begin
  if not exists (
    select
    from core.id_sequences s
    where s.tenant_id = core.require_tenant() and s.scope = p_kind and s.series = p_series and s.period_key = ''
  ) then
    perform core.configure_series(
      p_kind, p_series, concat_ws('-', v_prefix, nullif(p_series, ''), ''), 6, 'fiscal_year', p_max_len => 16
    );
  end if;
  return core.next_number(p_kind, p_series, p_on);
end
$$;

comment on function billing.take_invoice_number(text, text, date) is 'about=The next number of a kind of bill, series and fiscal year, such as B-000001; core.configure_series(<kind>, <series>, ...) writes it otherwise. Gapless: the counter stays locked until the transaction ends. IM552 longer than 16 characters.';

create function billing.post_invoice(p_invoice billing.invoices) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  -- a credit note is the bill the other way round
  v_sign int := case p_invoice.kind when 'credit_note' then -1 else 1 end;
begin
  perform billing.post_entries(
    case p_invoice.kind when 'credit_note' then 'credit_note' else 'invoice' end, p_invoice.id, p_invoice.clinic_id,
    p_invoice.patient_id, p_invoice.currency,
    jsonb_build_array(
      jsonb_build_object('account', billing.receivable_of(p_invoice), 'debit', v_sign * p_invoice.total),
      jsonb_build_object('account', 'discount', 'debit', v_sign * p_invoice.discount),
      jsonb_build_object('account', 'tax_payable', 'debit', -v_sign * p_invoice.tax),
      jsonb_build_object('account', 'revenue', 'debit', -v_sign * (p_invoice.total + p_invoice.discount - p_invoice.tax))
    )
  );
end
$$;

comment on function billing.post_invoice(billing.invoices) is 'about=Posts an issued bill or credit note to the ledger; rounding goes to revenue.';

create function billing.receivable_of(p_invoice billing.invoices) returns text
  language sql
  immutable
  set search_path = pg_catalog, pg_temp
as $$
  select case when p_invoice.payer_id is null then 'patient_receivable' else 'payer_receivable' end
$$;

comment on function billing.receivable_of(billing.invoices) is 'about=The ledger account of who owes a bill.';

create function billing.round_total(p_net numeric) returns numeric
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_to numeric := coalesce((core.setting('billing.round_to') #>> '{}')::numeric, 1);
begin
  return case when v_to > 0 then round(p_net / v_to) * v_to else p_net end;
end
$$;

comment on function billing.round_total(numeric) is 'about=A total rounded to setting billing.round_to (default 1; 0 leaves it).';

create function billing.issue_draft(p_invoice_id uuid) returns billing.invoices
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_invoice billing.invoices;
  v_today date;
begin
  select i.* into v_invoice from billing.invoices i where i.tenant_id = v_tenant and i.id = p_invoice_id;
  v_today := billing.clinic_date(v_invoice.clinic_id);
  perform billing.post_invoice(v_invoice);
  update billing.invoices i
  set
    invoice_number = billing.take_invoice_number(i.kind, i.series, v_today),
    fiscal_year = core.period_key('fiscal_year', v_today),
    issued_at = now(),
    status = 'issued'
  where i.tenant_id = v_tenant and i.id = p_invoice_id
  returning i.* into v_invoice;
  if v_invoice.total = 0 and v_invoice.kind <> 'credit_note' then -- nothing to pay: the state follows at once
    update billing.invoices i
    set allocated = 0
    where i.tenant_id = v_tenant and i.id = p_invoice_id
    returning i.* into v_invoice;
  end if;
  return v_invoice;
end
$$;

comment on function billing.issue_draft(uuid) is 'about=Posts a draft, gives it its number and issues it. IM552.';

create function billing.issue_invoice(
  p_account_id uuid,
  p_charge_item_ids uuid[] default null,
  p_kind text default null,
  p_series text default '',
  p_payer_id uuid default null,
  p_due_on date default null,
  p_key text default null
) returns billing.invoices
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_account billing.accounts;
  v_tenant uuid := core.require_tenant();
  v_claim record;
  v_item record;
  v_items uuid[];
  v_count int := 0;
  v_sum record;
  v_total numeric;
  v_clinic record;
  v_invoice billing.invoices;
  v_line_no smallint := 0;
  v_line_id uuid;
begin
  if p_key is not null then
    v_claim := core.idempotent_begin(
      'billing.issue_invoice', p_key,
      sha256(convert_to(
        jsonb_build_array(p_account_id, p_charge_item_ids, p_kind, p_series, p_payer_id, p_due_on)::text, 'UTF8'
      ))
    );
    if v_claim.state = 'done' then
      select i.* into v_invoice
      from billing.invoices i
      where i.tenant_id = v_tenant and i.id = (v_claim.response ->> 'invoice_id')::uuid;
      return v_invoice;
    end if;
  end if;
  v_account := billing.lock_account(p_account_id);
  if v_account.status = 'closed' then
    raise exception 'account % is closed', p_account_id
      using errcode = 'IM558', hint = 'reopen it, or use another account';
  end if;
  if v_account.status = 'on_hold' and p_kind is distinct from 'proforma' then
    raise exception 'account % is on hold', p_account_id
      using errcode = 'IM001', hint = 'make it active with billing.set_account_status first';
  end if;

  if p_charge_item_ids is null then -- the account is locked: nobody adds to it now
    select array_agg(i.id) into v_items
    from billing.charge_items i
    where i.tenant_id = v_tenant and i.account_id = p_account_id and i.status = 'billable';
  else
    v_items := p_charge_item_ids;
  end if;
  for v_item in
    select i.id, i.status, i.account_id
    from billing.charge_items i
    where i.tenant_id = v_tenant and i.id = any (v_items)
    order by i.id
    for no key update
  loop
    if v_item.status = 'billed' then
      raise exception 'charge item % is on another bill', v_item.id
        using errcode = 'IM557', hint = 'leave it out, or credit that bill';
    end if;
    if v_item.account_id <> p_account_id or v_item.status <> 'billable' then
      raise exception 'charge item % cannot be billed on account %', v_item.id, p_account_id
        using errcode = 'IM559', hint = 'choose billable charges of the account';
    end if;
    v_count := v_count + 1;
  end loop;
  if v_count = 0 or v_count < cardinality(v_items) then
    raise exception 'there is nothing to bill on account %, or a charge item does not exist', p_account_id
      using errcode = 'IM559', hint = 'choose billable charges of the account, each once';
  end if;

  select
    sum(round(i.quantity * i.unit_price, 2)) as subtotal, sum(i.discount) as discount, sum(i.tax) as tax, sum(i.net) as net,
    bool_or(i.tax_rate > 0) as is_taxed
  into v_sum
  from billing.charge_items i
  where i.tenant_id = v_tenant and i.id = any (v_items);
  v_total := billing.round_total(v_sum.net);
  select c.gstin, c.state_code into v_clinic
  from facility.clinics c
  where c.tenant_id = v_tenant and c.id = v_account.clinic_id;

  insert into billing.invoices (
    tenant_id, kind, series, account_id, patient_id, payer_id, clinic_id, due_on, gstin, place_of_supply, subtotal,
    discount, tax, round_off, total, currency
  )
  values (
    v_tenant, coalesce(p_kind, case when v_sum.is_taxed then 'tax_invoice' else 'bill_of_supply' end), p_series,
    p_account_id, v_account.patient_id, p_payer_id, v_account.clinic_id, p_due_on, v_clinic.gstin, v_clinic.state_code,
    v_sum.subtotal, v_sum.discount, v_sum.tax, v_total - v_sum.net, v_total, billing.currency_of_tenant()
  )
  returning * into v_invoice;
  for v_item in
    select i.*, c.name, c.sac_hsn
    from billing.charge_items i
    join billing.charge_master c on c.tenant_id = i.tenant_id and c.id = i.charge_id
    where i.tenant_id = v_tenant and i.id = any (v_items)
    order by i.occurred_at, i.id
  loop
    v_line_no := v_line_no + 1;
    insert into billing.invoice_items (
      tenant_id, invoice_id, line_no, charge_id, description, sac_hsn, quantity, unit_price, discount, tax_rate, tax, net
    )
    values (
      v_tenant, v_invoice.id, v_line_no, v_item.charge_id, v_item.name, v_item.sac_hsn, v_item.quantity,
      v_item.unit_price, v_item.discount, v_item.tax_rate, v_item.tax, v_item.net
    )
    returning id into v_line_id;
    if v_invoice.kind <> 'proforma' then
      update billing.charge_items i
      set status = 'billed', invoice_item_id = v_line_id
      where i.tenant_id = v_tenant and i.id = v_item.id;
    end if;
  end loop;

  if v_invoice.kind = 'proforma' then
    update billing.invoices i
    set status = 'quoted'
    where i.tenant_id = v_tenant and i.id = v_invoice.id
    returning i.* into v_invoice;
  else
    -- the charges are in the account's total already; the bill adds its rounding
    perform billing.add_to_totals(
      p_account_id,
      p_charged => v_invoice.round_off,
      p_claimed => case when p_payer_id is null then 0 else v_invoice.total end
    );
    if p_key is not null then
      perform core.idempotent_finish('billing.issue_invoice', p_key, jsonb_build_object('invoice_id', v_invoice.id));
    end if;
    return billing.issue_draft(v_invoice.id);
  end if;
  if p_key is not null then
    perform core.idempotent_finish('billing.issue_invoice', p_key, jsonb_build_object('invoice_id', v_invoice.id));
  end if;
  return v_invoice;
end
$$;

comment on function billing.issue_invoice(uuid, uuid[], text, text, uuid, date, text) is 'about=Bills charges of an account (all billable ones when none are named) to the patient, or to a payer, and gives the bill its number. Kind: tax_invoice when a charge has GST, else bill_of_supply; proforma makes an offer that leaves the charges as they are. The same p_key again returns the same bill. IM001 account on hold, IM003, IM005 no such account or payer, IM010, IM011, IM552 number too long, IM557 a charge is on another bill, IM558 account closed, IM559 nothing to bill.';

create function billing.currency_of_tenant() returns text
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
  select t.currency from core.tenants t where t.id = core.current_tenant_id()
$$;

comment on function billing.currency_of_tenant() is 'about=The currency that the tenant bills in, ISO 4217.';

create function billing.discard_proforma(p_invoice_id uuid, p_reason text) returns billing.invoices
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_invoice billing.invoices := billing.lock_invoice(p_invoice_id);
begin
  if v_invoice.status = 'discarded' then
    return v_invoice;
  end if;
  if v_invoice.kind <> 'proforma' then
    raise exception 'invoice % is not a proforma', p_invoice_id
      using errcode = 'IM550', hint = 'write a credit note';
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'discarding proforma % needs a reason', p_invoice_id
      using errcode = 'IM002', hint = 'pass p_reason';
  end if;
  update billing.invoices i
  set status = 'discarded', cancelled_reason = p_reason
  where i.tenant_id = v_invoice.tenant_id and i.id = p_invoice_id
  returning i.* into v_invoice;
  return v_invoice;
end
$$;

comment on function billing.discard_proforma(uuid, text) is 'about=Takes a proforma back. IM002 reason missing, IM005, IM550 it is a bill.';

create function billing.lock_invoice(p_invoice_id uuid) returns billing.invoices
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_invoice billing.invoices;
begin
  select i.* into v_invoice
  from billing.invoices i
  where i.tenant_id = core.require_tenant() and i.id = p_invoice_id
  for no key update;
  if not found then
    raise exception 'invoice % does not exist', p_invoice_id
      using errcode = 'IM005', hint = 'choose an invoice of the tenant';
  end if;
  return v_invoice;
end
$$;

comment on function billing.lock_invoice(uuid) is 'about=The bill, locked until the transaction ends. IM005 no such invoice.';
