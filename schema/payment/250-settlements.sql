-- The provider pays out what it took, less its fees. Every line must be a payment or refund of ours.

create function payment.our_amount(p_provider_id uuid, p_provider_ref text, p_is_refund boolean)
  returns table (payment_id uuid, refund_id uuid, amount numeric, clinic_id uuid, currency text)
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  if p_is_refund then
    return query
    select null::uuid, r.id, -r.amount, p.clinic_id, p.currency
    from payment.refunds r
    join payment.payments p on p.tenant_id = r.tenant_id and p.id = r.payment_id
    where r.tenant_id = v_tenant and r.provider_ref = p_provider_ref and p.provider_id = p_provider_id
    limit 1;
  else
    return query
    select p.id, null::uuid, p.amount, p.clinic_id, p.currency
    from payment.payments p
    where p.tenant_id = v_tenant and p.provider_id = p_provider_id and p.provider_ref = p_provider_ref;
  end if;
end
$$;

comment on function payment.our_amount(uuid, text, boolean) is 'about=Our payment, or our refund below zero, with a reference of a provider; no row when there is none.';

create function payment.import_settlement(
  p_provider_id uuid,
  p_settlement_ref text,
  p_settled_on date,
  p_lines jsonb,
  p_utr text default null,
  p_covers tstzrange default null
) returns payment.settlements
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_sum record;
  v_settlement payment.settlements;
  v_line record;
  v_ours record;
  v_line_no int := 0;
begin
  select
    coalesce(sum((l.value ->> 'gross')::numeric), 0) as gross, coalesce(sum((l.value ->> 'fee')::numeric), 0) as fees,
    coalesce(sum((l.value ->> 'tax')::numeric), 0) as tax
  into v_sum
  from jsonb_array_elements(p_lines) l;
  insert into payment.settlements (tenant_id, provider_id, settlement_ref, settled_on, gross, fees, tax, net, utr)
  values (
    v_tenant, p_provider_id, p_settlement_ref, p_settled_on, v_sum.gross, v_sum.fees, v_sum.tax,
    v_sum.gross - v_sum.fees - v_sum.tax, p_utr
  )
  on conflict (tenant_id, provider_id, settlement_ref) do nothing
  returning * into v_settlement;
  if not found then
    select s.* into v_settlement
    from payment.settlements s
    where s.tenant_id = v_tenant and s.provider_id = p_provider_id and s.settlement_ref = p_settlement_ref;
    if (v_settlement.gross, v_settlement.fees, v_settlement.tax) <> (v_sum.gross, v_sum.fees, v_sum.tax) then
      raise exception 'settlement % was imported before with other amounts', v_settlement.id
        using errcode = 'IM581', hint = 'look both files up at the provider';
    end if;
    return v_settlement;
  end if;

  for v_line in
    select
      l.value ->> 'provider_ref' as provider_ref, (l.value ->> 'gross')::numeric as gross,
      coalesce((l.value ->> 'fee')::numeric, 0) as fee, coalesce((l.value ->> 'tax')::numeric, 0) as tax
    from jsonb_array_elements(p_lines) with ordinality as l
    order by l.ordinality
  loop
    v_line_no := v_line_no + 1;
    select o.* into v_ours from payment.our_amount(p_provider_id, v_line.provider_ref, v_line.gross < 0) o;
    insert into payment.settlement_items (
      tenant_id, settlement_id, line_no, provider_ref, payment_id, refund_id, gross, fee, tax, match
    )
    values (
      v_tenant, v_settlement.id, v_line_no, v_line.provider_ref, v_ours.payment_id, v_ours.refund_id, v_line.gross,
      v_line.fee, v_line.tax,
      case when v_ours.amount is null then 'missing_here' when v_ours.amount = v_line.gross then 'matched' else 'amount_mismatch' end
    );
  end loop;
  for v_line in -- ours of the time that the file covers, and in no payout yet
    select p.id, p.provider_ref
    from payment.payments p
    where
      p.tenant_id = v_tenant and p.provider_id = p_provider_id and p.provider_ref is not null
      and p.status not in ('pending', 'failed', 'voided') and p.received_at >= lower(p_covers)
      and p.received_at < upper(p_covers)
      and not exists (
        select from payment.settlement_items i where i.tenant_id = v_tenant and i.payment_id = p.id and i.gross > 0
      )
    order by p.received_at, p.id
  loop
    v_line_no := v_line_no + 1;
    insert into payment.settlement_items (tenant_id, settlement_id, line_no, provider_ref, payment_id, gross, match)
    values (v_tenant, v_settlement.id, v_line_no, v_line.provider_ref, v_line.id, 0, 'missing_there');
  end loop;
  return v_settlement;
end
$$;

comment on function payment.import_settlement(uuid, text, date, jsonb, text, tstzrange) is 'about=Takes a payout in: lines [{"provider_ref", "gross", "fee", "tax"}], refunds below zero. p_covers is the time that the payout claims to cover: payments of ours in it that no payout has become lines missing_there. The same reference again is the same settlement. IM003, IM581 imported before with other amounts.';

create function payment.reconcile_settlement(p_settlement_id uuid) returns payment.settlements
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_settlement payment.settlements;
  v_variance numeric;
begin
  select s.* into v_settlement
  from payment.settlements s
  where s.tenant_id = v_tenant and s.id = p_settlement_id
  for no key update;
  if not found then
    raise exception 'settlement % does not exist', p_settlement_id
      using errcode = 'IM005', hint = 'choose a settlement of the tenant';
  end if;
  if v_settlement.status = 'reconciled' then
    return v_settlement;
  end if;
  update payment.settlements s set status = 'matching' where s.tenant_id = v_tenant and s.id = p_settlement_id;
  -- as things are now: a payment that was recorded late matches, and one that another payout has is missing no more
  select coalesce(sum(abs(coalesce(o.amount, 0) - i.gross)), 0) into v_variance
  from payment.settlement_items i
  left join lateral payment.our_amount(v_settlement.provider_id, i.provider_ref, i.gross < 0) o on true
  where
    i.tenant_id = v_tenant and i.settlement_id = p_settlement_id
    and not (
      i.gross = 0
      and exists (
        select
        from payment.settlement_items later
        where later.tenant_id = v_tenant and later.payment_id = i.payment_id and later.gross > 0
      )
    );
  -- two lines that claim the same payment or refund, in this payout or another
  select v_variance + coalesce(sum(abs(i.gross)), 0) into v_variance
  from payment.settlement_items i
  where
    i.tenant_id = v_tenant and i.settlement_id = p_settlement_id and i.gross <> 0
    and exists (
      select
      from payment.settlement_items other
      join payment.settlements s on s.tenant_id = other.tenant_id and s.id = other.settlement_id
      where
        other.tenant_id = v_tenant and other.provider_ref = i.provider_ref and sign(other.gross) = sign(i.gross)
        and s.provider_id = v_settlement.provider_id and other.id < i.id
    );
  update payment.settlements s
  set variance = v_variance, status = case when v_variance = 0 then 'reconciled' else 'exception' end
  where s.tenant_id = v_tenant and s.id = p_settlement_id
  returning s.* into v_settlement;
  if v_settlement.status = 'reconciled' then
    perform payment.post_settlement(v_settlement);
  end if;
  return v_settlement;
end
$$;

comment on function payment.reconcile_settlement(uuid) is 'about=Compares a payout with our payments and refunds as they are now: reconciled (and posted to the ledger) without variance, else an exception that may be tried again after corrections. IM003, IM005.';

create function payment.post_settlement(p_settlement payment.settlements) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_lines jsonb;
  v_clinic_id uuid;
  v_currency text;
begin
  -- each clinic's books get its part
  select
    jsonb_agg(jsonb_build_object('account', l.account, 'debit', l.debit, 'clinic_id', c.clinic_id)),
    (array_agg(c.clinic_id))[1], min(c.currency)
  into v_lines, v_clinic_id, v_currency
  from (
    select o.clinic_id, min(o.currency) as currency, sum(i.gross) as gross, sum(i.fee + i.tax) as charges
    from payment.settlement_items i
    cross join lateral payment.our_amount(p_settlement.provider_id, i.provider_ref, i.gross < 0) o
    where i.tenant_id = p_settlement.tenant_id and i.settlement_id = p_settlement.id and i.gross <> 0
    group by o.clinic_id
  ) c
  cross join lateral (
    values
      ('bank', c.gross - c.charges), ('gateway_charges', c.charges), ('gateway_clearing', -c.gross)
  ) as l (account, debit);
  if v_lines is not null then
    perform billing.post_entries('settlement', p_settlement.id, v_clinic_id, null, v_currency, v_lines);
  end if;
end
$$;

comment on function payment.post_settlement(payment.settlements) is 'about=Posts a reconciled payout: bank and charges against what the provider held.';
