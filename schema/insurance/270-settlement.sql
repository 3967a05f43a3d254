-- O32: money from the payer. A notice is stored whatever it says; settling it takes the wallet down, pays the payer's
-- bills of the encounter through billing.allocate, and acknowledges it.

create function insurance.lock_claim_payment(p_claim_payment_id uuid) returns insurance.claim_payments
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_payment insurance.claim_payments;
begin
  select p.* into v_payment
  from insurance.claim_payments p
  where p.tenant_id = v_tenant and p.id = p_claim_payment_id
  for no key update;
  if not found then
    raise exception 'claim payment % does not exist', p_claim_payment_id
      using errcode = 'IM005', hint = 'record its notice first';
  end if;
  return v_payment;
end
$$;

comment on function insurance.lock_claim_payment(uuid) is 'about=The payment, locked until the transaction ends. IM005 no such payment.';

create function insurance.record_payment_notice(
  p_payer_id uuid,
  p_utr text,
  p_paid_on date,
  p_amount numeric,
  p_claim_id uuid default null,
  p_tds numeric default 0,
  p_deductions jsonb default '[]',
  p_notice_correlation_id uuid default null,
  p_message_id uuid default null
) returns insurance.claim_payments
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_payment insurance.claim_payments;
  v_claim insurance.insurance_claims;
  v_paid numeric;
begin
  if p_claim_id is not null then
    v_claim := insurance.lock_claim(p_claim_id);
    if v_claim.payer_id is distinct from p_payer_id or v_claim.use <> 'claim' then
      raise exception 'claim % is none of payer %', p_claim_id, p_payer_id
        using errcode = 'IM005', hint = 'choose a claim of that payer';
    end if;
  end if;
  insert into insurance.claim_payments (
    tenant_id, payer_id, claim_id, utr, paid_on, amount, tds, deductions, net, notice_correlation_id
  )
  values (
    v_tenant, p_payer_id, p_claim_id, p_utr, p_paid_on, p_amount, p_tds, p_deductions, p_amount - p_tds,
    p_notice_correlation_id
  )
  on conflict (tenant_id, payer_id, utr, claim_id) do nothing
  returning * into v_payment;
  if not found then
    select p.* into v_payment
    from insurance.claim_payments p
    where
      p.tenant_id = v_tenant and p.payer_id = p_payer_id and p.utr = p_utr and p.claim_id is not distinct from p_claim_id;
    if v_payment.amount is distinct from p_amount then
      raise exception 'payment % was noticed with another amount', v_payment.id
        using errcode = 'IM011', hint = 'ask the payer which amount is right';
    end if;
    perform insurance.finish_message(p_message_id, 'claim_payments', v_payment.id);
    return v_payment;
  end if;

  select coalesce(sum(p.amount), 0) into v_paid
  from insurance.claim_payments p
  where p.tenant_id = v_tenant and p.claim_id = p_claim_id and p.status <> 'disputed';
  if v_paid > v_claim.total_approved then
    perform core.set_reason('more than was approved');
    update insurance.claim_payments p
    set status = 'disputed'
    where p.tenant_id = v_tenant and p.id = v_payment.id
    returning p.* into v_payment;
  end if;
  perform insurance.finish_message(p_message_id, 'claim_payments', v_payment.id);
  return v_payment;
end
$$;

comment on function insurance.record_payment_notice(uuid, text, date, numeric, uuid, numeric, jsonb, uuid, uuid) is 'about=Stores a payer''s notice that a claim was paid, once per transfer and claim; more than was approved is kept as disputed. IM003 no tenant, IM005 no such claim of the payer, IM011 noticed before with another amount.';

create function insurance.settle_claim_payment(p_claim_payment_id uuid, p_reason text default null)
  returns insurance.claim_payments
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_payment insurance.claim_payments;
  v_claim insurance.insurance_claims;
  v_claim_id uuid;
begin
  -- the claim before its payment, as record_payment_notice does
  select p.claim_id into v_claim_id
  from insurance.claim_payments p
  where p.tenant_id = v_tenant and p.id = p_claim_payment_id;
  if found and v_claim_id is null then
    raise exception 'claim payment % names no claim', p_claim_payment_id
      using errcode = 'IM005', hint = 'record one notice for each claim that the transfer pays';
  end if;
  if found then
    v_claim := insurance.lock_claim(v_claim_id);
  end if;
  v_payment := insurance.lock_claim_payment(p_claim_payment_id);
  if v_payment.status = 'reconciled' then
    return v_payment;
  end if;
  if v_payment.status in ('notified', 'disputed') then
    if v_claim.status not in ('approved', 'partially_approved', 'paid', 'closed') then
      raise exception 'claim % is % and is not paid yet', v_claim.id, v_claim.status
        using errcode = 'IM001', hint = 'settle when the approval is in';
    end if;
    if v_payment.status = 'disputed' and coalesce(btrim(p_reason), '') = '' then
      raise exception 'claim payment % is disputed', p_claim_payment_id
        using errcode = 'IM002', hint = 'say in p_reason why it is accepted';
    end if;
    perform core.set_reason(p_reason);
    perform insurance.take_payment(v_claim, v_payment);
    update insurance.claim_payments p
    set
      status = 'acknowledged', acknowledged_at = now(),
      ack_workflow_code = insurance.resolve_workflow('payment_acknowledgement')
    where p.tenant_id = v_tenant and p.id = v_payment.id
    returning p.* into v_payment;
  end if;
  return insurance.pay_bills(v_claim, v_payment);
end
$$;

comment on function insurance.settle_claim_payment(uuid, text) is 'about=Takes a payer''s money for a claim: the claim and its case are paid, the wallet falls, holds end, the receipt is posted, the payer''s open bills of the encounter are paid in order, and the notice is acknowledged. Settled again, it pays bills that were issued since. IM001 the claim is not approved, IM002 disputed and no reason to accept it, IM005 no such payment, or it names no claim.';

create function insurance.take_payment(p_claim insurance.insurance_claims, p_payment insurance.claim_payments) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_claim insurance.insurance_claims := p_claim;
  v_preauth insurance.insurance_claims;
  v_clinic_id uuid;
begin
  perform insurance.draw_wallet(v_claim.coverage_id, p_payment.amount);
  update insurance.pmjay_cases c
  set wallet_used = least(c.wallet_used + p_payment.amount, c.wallet_blocked)
  where c.tenant_id = v_claim.tenant_id and c.id = v_claim.case_id;
  if v_claim.status in ('approved', 'partially_approved') then
    v_claim := insurance.move_claim(
      v_claim, 'paid', 'PAYER', jsonb_build_object('amount', p_payment.amount, 'remarks', p_payment.utr)
    );
    perform insurance.follow_claim(v_claim.case_id, array['claim_approved'], 'paid');
  end if;
  -- the case keeps what it had blocked; its submissions hold nothing any more
  for v_preauth in
    select c.*
    from insurance.insurance_claims c
    where
      c.tenant_id = v_claim.tenant_id and c.coverage_id = v_claim.coverage_id
      and (c.id = v_claim.id or c.use = 'preauthorization' and c.pre_auth_ref = v_claim.pre_auth_ref)
    order by c.id
    for no key update
  loop
    update insurance.insurance_claims c
    set wallet_hold = 0
    where c.tenant_id = v_preauth.tenant_id and c.id = v_preauth.id and c.wallet_hold > 0;
    if v_preauth.status = 'utilised' then
      perform insurance.move_claim(v_preauth, 'closed', 'SYSTEM');
    end if;
  end loop;

  select e.clinic_id into v_clinic_id
  from clinical.encounters e
  where e.tenant_id = v_claim.tenant_id and e.id = v_claim.encounter_id;
  perform billing.post_entries(
    'claim_payment', p_payment.id, v_clinic_id, v_claim.patient_id, billing.currency_of_tenant(),
    jsonb_build_array(
      jsonb_build_object('account', 'bank', 'debit', p_payment.net),
      jsonb_build_object('account', 'tds_receivable', 'debit', p_payment.tds),
      jsonb_build_object('account', 'advance', 'debit', -p_payment.amount)
    )
  );
end
$$;

comment on function insurance.take_payment(insurance.insurance_claims, insurance.claim_payments) is 'about=What a payment does once: wallet, claim, case, holds, and its receipt in the ledger. The caller has locked claim and payment.';

create function insurance.pay_bills(p_claim insurance.insurance_claims, p_payment insurance.claim_payments)
  returns insurance.claim_payments
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_payment insurance.claim_payments := p_payment;
  v_bill record;
  v_amount numeric;
begin
  for v_bill in
    select i.id, i.total - i.allocated - i.written_off as open
    from billing.invoices i
    join billing.accounts a on a.tenant_id = i.tenant_id and a.id = i.account_id
    where
      i.tenant_id = p_claim.tenant_id and a.encounter_id = p_claim.encounter_id and i.payer_id = p_payment.payer_id
      and i.status in ('issued', 'partially_paid') and i.kind in ('bill_of_supply', 'tax_invoice')
    order by i.id
  loop
    v_amount := least(v_bill.open, v_payment.amount - v_payment.allocated);
    exit when v_amount <= 0;
    perform billing.allocate(
      'claim_payment', v_payment.id, v_payment.amount, billing.currency_of_tenant(), v_bill.id, v_amount,
      'claim_payment:' || v_payment.id || ':' || v_bill.id
    );
    update insurance.claim_payments p
    set allocated = p.allocated + v_amount
    where p.tenant_id = v_payment.tenant_id and p.id = v_payment.id
    returning p.* into v_payment;
  end loop;
  if v_payment.allocated = v_payment.amount then
    update insurance.claim_payments p
    set status = 'reconciled'
    where p.tenant_id = v_payment.tenant_id and p.id = v_payment.id
    returning p.* into v_payment;
  end if;
  return v_payment;
end
$$;

comment on function insurance.pay_bills(insurance.insurance_claims, insurance.claim_payments) is 'about=Pays the payer''s open bills of the encounter, in order, with what is left of a payment; reconciled when all of it pays bills.';

create function insurance.dispute_claim_payment(p_claim_payment_id uuid, p_reason text) returns insurance.claim_payments
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_payment insurance.claim_payments := insurance.lock_claim_payment(p_claim_payment_id);
begin
  if v_payment.status = 'disputed' then
    return v_payment;
  end if;
  if v_payment.acknowledged_at is not null then
    raise exception 'claim payment % was settled', p_claim_payment_id
      using errcode = 'IM001', hint = 'an acknowledged payment is corrected with the payer, by a reprocess';
  end if;
  perform core.set_reason(p_reason);
  update insurance.claim_payments p
  set status = 'disputed'
  where p.tenant_id = v_payment.tenant_id and p.id = v_payment.id
  returning p.* into v_payment;
  return v_payment;
end
$$;

comment on function insurance.dispute_claim_payment(uuid, text) is 'about=Objects to a payment that was noticed. IM001 settled already, IM002 no reason, IM005 no such payment.';
