-- Rules that span rows or tables, as trigger functions. They read with the rights of billing_owner: a deferred one runs at
-- commit, as whoever commits.

create function billing.follow_invoice_counts() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if old.status not in ('draft', 'quoted', 'discarded') and new.kind <> 'credit_note' then
    new.status := case
      when new.credited = new.total and new.credited > 0 then 'credited'
      when new.allocated + new.written_off = new.total then case when new.written_off > 0 then 'written_off' else 'paid' end
      when new.allocated > 0 then 'partially_paid'
      else 'issued'
    end;
  end if;
  return new;
end
$$;

comment on function billing.follow_invoice_counts() is 'about=Before update: the state of an issued bill follows what is allocated, credited and written off; nobody sets it.';

create function billing.keep_issued_invoice() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  -- counters and what comes to a bill later; everything else is what was printed
  v_moving constant text[] := array[
    'allocated', 'credited', 'written_off', 'write_off_reason', 'write_off_approved_by', 'status', 'irn', 'document_id',
    'cancelled_reason', 'row_version', 'updated_at', 'updated_by'
  ];
begin
  if tg_op = 'UPDATE' then
    if old.status = 'draft' then
      return new;
    end if;
    if to_jsonb(new) - v_moving = to_jsonb(old) - v_moving and (old.irn is null or new.irn = old.irn) then
      return new;
    end if;
  end if;
  raise exception 'invoice % cannot be changed', old.id
    using errcode = 'IM550', hint = 'write a credit note and a new bill';
end
$$;

comment on function billing.keep_issued_invoice() is 'about=Before update or delete: an issued bill keeps what was printed; only its counters, state, document and e-invoice reference move (IM550). No bill is ever deleted.';

create function billing.check_invoice_line() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform
  from billing.invoices i
  where i.tenant_id = new.tenant_id and i.id = new.invoice_id and i.status = 'draft';
  if not found then
    raise exception 'invoice % takes no more lines', new.invoice_id
      using errcode = 'IM550', hint = 'write another bill or a credit note';
  end if;
  return new;
end
$$;

comment on function billing.check_invoice_line() is 'about=Before insert: lines are added to drafts only (IM550).';

create function billing.check_invoice_totals() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_lines record;
begin
  select
    coalesce(sum(round(l.quantity * l.unit_price, 2)), 0) as subtotal,
    coalesce(sum(l.discount), 0) as discount,
    coalesce(sum(l.tax), 0) as tax,
    coalesce(sum(l.net), 0) as net,
    count(*) as count
  into v_lines
  from billing.invoice_items l
  where l.tenant_id = new.tenant_id and l.invoice_id = new.id;
  if
    v_lines.count = 0
    or (v_lines.subtotal, v_lines.discount, v_lines.tax) <> (new.subtotal, new.discount, new.tax)
    or v_lines.net <> new.total - new.round_off
  then
    raise exception 'the lines of invoice % do not add up to its totals', new.id
      using errcode = 'IM553', hint = 'compute the totals from the lines';
  end if;
  return null;
end
$$;

comment on function billing.check_invoice_totals() is 'about=At commit: the lines of a bill that left the draft state add up to its subtotal, discount, tax and total (IM553).';

create function billing.check_account_open() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_account_id uuid;
begin
  select a.id into v_account_id
  from billing.invoices i
  join billing.accounts a on a.tenant_id = i.tenant_id and a.id = i.account_id
  where i.tenant_id = new.tenant_id and i.id = new.invoice_id and a.status = 'closed';
  if found then
    raise exception 'account % is closed', v_account_id
      using errcode = 'IM558', hint = 'reopen it with billing.set_account_status, giving the reason';
  end if;
  return new;
end
$$;

comment on function billing.check_account_open() is 'about=Before insert: the bills of a closed account stay paid as they are; neither money nor a reversal comes to them (IM558).';

create function billing.check_ledger_balance() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_balanced boolean;
begin
  select bool_and(c.difference = 0) into v_balanced
  from (
    select sum(case e.direction when 'debit' then e.amount else -e.amount end) as difference
    from billing.ledger_entries e
    where e.tenant_id = new.tenant_id and e.txn_id = new.txn_id
    group by e.currency
  ) c;
  if v_balanced is not true then -- null: the transaction ends in another tenant, whose rows are not these
    raise exception 'ledger transaction % does not balance', new.txn_id
      using errcode = 'IM553', hint = 'post as much debit as credit in each currency';
  end if;
  return null;
end
$$;

comment on function billing.check_ledger_balance() is 'about=At commit: debit and credit of a ledger transaction are equal in each currency (IM553).';

create function billing.check_discharge_clearance() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_account record;
begin
  -- who is gone, and who died, is not kept back for money
  if new.status = old.status or new.discharge_kind in ('absconded', 'death') then
    return new;
  end if;
  for v_account in
    select
      a.id,
      a.balance > a.credit_limit as owes,
      exists (
        select
        from billing.charge_items i
        where i.tenant_id = a.tenant_id and i.account_id = a.id and i.status in ('planned', 'billable')
      ) as has_unbilled
    from billing.accounts a
    where a.tenant_id = new.tenant_id and a.encounter_id = new.encounter_id and a.status <> 'closed'
  loop
    if v_account.has_unbilled or v_account.owes then
      raise exception 'admission % is not cleared by billing: account % %', new.id, v_account.id,
        case when v_account.has_unbilled then 'has charges that are not billed' else 'is not paid' end
        using errcode = 'IM203', hint = 'make the final bill and collect it, or grant credit with billing.set_credit_limit';
    end if;
  end loop;
  return new;
end
$$;

comment on function billing.check_discharge_clearance() is 'about=Before an admission becomes billing_cleared or discharged: its account has nothing unbilled and owes no more than its credit limit (IM203). Not asked after death or when the patient absconded.';
