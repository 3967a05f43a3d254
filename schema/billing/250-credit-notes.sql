-- What is taken back of an issued bill. Order of locks: account, bill, charge items by id, and the number last.

create function billing.add_credit_line(p_note_id uuid, p_line billing.invoice_items, p_line_no int, p_quantity numeric)
  returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_before record;
  v_discount numeric := round(p_line.discount * p_quantity / p_line.quantity, 2);
  v_tax numeric := round(p_line.tax * p_quantity / p_line.quantity, 2);
begin
  select coalesce(sum(l.quantity), 0) as quantity, coalesce(sum(l.discount), 0) as discount, coalesce(sum(l.tax), 0) as tax
  into v_before
  from billing.invoice_items l
  where l.tenant_id = p_line.tenant_id and l.credits_item_id = p_line.id;
  if not p_quantity > 0 or v_before.quantity + p_quantity > p_line.quantity then
    raise exception 'line % of invoice % has a quantity of % left to credit',
      p_line.line_no, p_line.invoice_id, p_line.quantity - v_before.quantity
      using errcode = 'IM553', hint = 'credit at most what is left of the line';
  end if;
  if v_before.quantity + p_quantity = p_line.quantity then
    -- the last part takes what is left, so that the parts add up to the line
    v_discount := p_line.discount - v_before.discount;
    v_tax := p_line.tax - v_before.tax;
  end if;
  insert into billing.invoice_items (
    tenant_id, invoice_id, line_no, charge_id, description, sac_hsn, quantity, unit_price, discount, tax_rate, tax, net,
    credits_item_id
  )
  values (
    p_line.tenant_id, p_note_id, p_line_no, p_line.charge_id, p_line.description, p_line.sac_hsn, p_quantity,
    p_line.unit_price, v_discount, p_line.tax_rate, v_tax, round(p_quantity * p_line.unit_price, 2) - v_discount + v_tax,
    p_line.id
  );
end
$$;

comment on function billing.add_credit_line(uuid, billing.invoice_items, int, numeric) is 'about=A line of a credit note for so much of a line of a bill. IM553 more than is left of it.';

create function billing.quantity_left(p_line_id uuid) returns numeric
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select l.quantity - coalesce(
    (
      select sum(c.quantity)
      from billing.invoice_items c
      where c.tenant_id = l.tenant_id and c.credits_item_id = l.id
    ),
    0
  )
  from billing.invoice_items l
  where l.tenant_id = core.current_tenant_id() and l.id = p_line_id
$$;

comment on function billing.quantity_left(uuid) is 'about=How much of a line of a bill is not credited.';

create function billing.free_credited_charges(p_account_id uuid, p_note_id uuid, p_rebill boolean, p_reason text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_item record;
begin
  for v_item in
    select i.id, i.net
    from billing.charge_items i
    join billing.invoice_items c on c.tenant_id = i.tenant_id and c.credits_item_id = i.invoice_item_id
    where i.tenant_id = v_tenant and c.invoice_id = p_note_id and billing.quantity_left(i.invoice_item_id) = 0
    order by i.id
    for no key update of i
  loop
    update billing.charge_items i
    set status = 'billable', invoice_item_id = null
    where i.tenant_id = v_tenant and i.id = v_item.id;
    perform billing.add_to_totals(p_account_id, p_charged => v_item.net);
    if not p_rebill then
      perform billing.cancel_charge(v_item.id, p_reason);
    end if;
  end loop;
end
$$;

comment on function billing.free_credited_charges(uuid, uuid, boolean, text) is 'about=The charges whose lines a credit note takes back wholly become billable again, or are cancelled.';

create function billing.issue_credit_note(
  p_invoice_id uuid,
  p_reason text,
  p_lines jsonb default null,
  p_rebill boolean default false,
  p_key text default null
) returns billing.invoices
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_claim record;
  v_bill billing.invoices;
  v_note billing.invoices;
  v_line record;
  v_row billing.invoice_items;
  v_line_no int := 0;
begin
  if nullif(btrim(p_reason), '') is null then
    raise exception 'a credit note on invoice % needs a reason', p_invoice_id
      using errcode = 'IM002', hint = 'pass p_reason';
  end if;
  if p_key is not null then
    v_claim := core.idempotent_begin(
      'billing.issue_credit_note', p_key,
      sha256(convert_to(jsonb_build_array(p_invoice_id, p_lines, p_rebill)::text, 'UTF8'))
    );
    if v_claim.state = 'done' then
      select i.* into v_note
      from billing.invoices i
      where i.tenant_id = v_tenant and i.id = (v_claim.response ->> 'credit_note_id')::uuid;
      return v_note;
    end if;
  end if;
  select i.* into v_bill from billing.invoices i where i.tenant_id = v_tenant and i.id = p_invoice_id;
  if not found then
    raise exception 'invoice % does not exist', p_invoice_id
      using errcode = 'IM005', hint = 'choose an invoice of the tenant';
  end if;
  perform billing.lock_account(v_bill.account_id);
  v_bill := billing.lock_invoice(p_invoice_id);
  if v_bill.kind not in ('bill_of_supply', 'tax_invoice') or v_bill.status not in ('issued', 'partially_paid', 'paid') then
    raise exception 'invoice % cannot be credited: % %', p_invoice_id, v_bill.kind, v_bill.status
      using errcode = 'IM001', hint = 'choose an issued bill that is neither credited nor written off';
  end if;
  perform core.set_reason(p_reason);

  insert into billing.invoices (
    tenant_id, kind, series, account_id, patient_id, payer_id, clinic_id, gstin, place_of_supply, subtotal, total, currency,
    original_invoice_id, credit_reason
  )
  values (
    v_tenant, 'credit_note', v_bill.series, v_bill.account_id, v_bill.patient_id, v_bill.payer_id, v_bill.clinic_id,
    v_bill.gstin, v_bill.place_of_supply, 0, 0, v_bill.currency, p_invoice_id, p_reason
  )
  returning * into v_note;
  for v_line in
    select l.id, coalesce((asked.value ->> 'quantity')::numeric, billing.quantity_left(l.id)) as quantity
    from billing.invoice_items l
    left join jsonb_array_elements(p_lines) as asked on (asked.value ->> 'line_no')::int = l.line_no
    where l.tenant_id = v_tenant and l.invoice_id = p_invoice_id and (p_lines is null or asked.value is not null)
    order by l.line_no
  loop
    continue when v_line.quantity = 0 and p_lines is null;
    v_line_no := v_line_no + 1;
    select l.* into v_row from billing.invoice_items l where l.tenant_id = v_tenant and l.id = v_line.id;
    perform billing.add_credit_line(v_note.id, v_row, v_line_no, v_line.quantity);
  end loop;
  if v_line_no = 0 or v_line_no < jsonb_array_length(p_lines) then
    raise exception 'there is nothing to credit on invoice %, or it has no such line', p_invoice_id
      using errcode = 'IM559', hint = 'name lines of the bill, each once, as [{"line_no": 1, "quantity": 1}]';
  end if;

  update billing.invoices n
  set
    subtotal = s.subtotal,
    discount = s.discount,
    tax = s.tax,
    total = s.total,
    round_off = s.total - s.net
  from (
    select
      sum(round(l.quantity * l.unit_price, 2)) as subtotal, sum(l.discount) as discount, sum(l.tax) as tax, sum(l.net) as net,
      -- the note that takes back the last line takes the rounding of the bill with it
      case
        when not exists (
          select
          from billing.invoice_items b
          where b.tenant_id = v_tenant and b.invoice_id = p_invoice_id and billing.quantity_left(b.id) > 0
        ) then v_bill.total - v_bill.credited
        else least(sum(l.net), v_bill.total - v_bill.credited)
      end as total
    from billing.invoice_items l
    where l.tenant_id = v_tenant and l.invoice_id = v_note.id
  ) s
  where n.tenant_id = v_tenant and n.id = v_note.id
  returning n.* into v_note;

  perform billing.add_to_totals(
    v_bill.account_id,
    p_charged => -v_note.total,
    p_claimed => case when v_bill.payer_id is null then 0 else -v_note.total end
  );
  perform billing.free_credited_charges(v_bill.account_id, v_note.id, p_rebill, p_reason);
  update billing.invoices i
  set credited = i.credited + v_note.total
  where i.tenant_id = v_tenant and i.id = p_invoice_id;
  perform billing.use_credit_notes(p_invoice_id);
  if p_key is not null then
    perform core.idempotent_finish(
      'billing.issue_credit_note', p_key, jsonb_build_object('credit_note_id', v_note.id)
    );
  end if;
  return billing.issue_draft(v_note.id);
end
$$;

comment on function billing.issue_credit_note(uuid, text, jsonb, boolean, text) is 'about=Takes an issued bill back, wholly or [{"line_no", "quantity"}]; returns the numbered credit note, which covers what is open of the bill. Charges whose lines are taken back wholly are cancelled, or with p_rebill become billable again. Of a bill that was paid, the note stays to be used: on another bill with billing.allocate_credit, or in place of a payment whose allocation is reversed and that is then refunded. IM001 not a bill that can be credited, IM002 reason missing, IM003, IM005, IM010, IM011, IM553 more than is left of a line, IM558 account closed, IM559 nothing to credit.';
