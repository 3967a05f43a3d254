-- Chargebacks. While a dispute is open its payment pays no bill and is not refunded; when it is lost, so is the money.
-- Order of locks: payment, dispute, accounts, bills by id.

create function payment.open_dispute(
  p_payment_id uuid,
  p_provider_ref text,
  p_reason_code text,
  p_amount numeric,
  p_respond_by timestamptz
) returns payment.disputes
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_payment payment.payments := payment.lock_payment(p_payment_id);
  v_dispute payment.disputes;
begin
  select d.* into v_dispute
  from payment.disputes d
  where d.tenant_id = v_payment.tenant_id and d.provider_ref = p_provider_ref;
  if found then
    if v_dispute.payment_id = p_payment_id and v_dispute.amount = p_amount then
      return v_dispute;
    end if;
    raise exception 'dispute % has this reference', v_dispute.id
      using errcode = 'IM581', hint = 'look both reports up at the provider';
  end if;
  -- a refund on its way counts; one that has not left waits until the dispute is decided
  if p_amount > v_payment.amount - v_payment.refunded - (
    select coalesce(sum(r.amount), 0)
    from payment.refunds r
    where r.tenant_id = v_payment.tenant_id and r.payment_id = p_payment_id and r.status = 'processing'
  ) then
    raise exception 'payment % has less left than is disputed', p_payment_id
      using errcode = 'IM582', hint = 'look the dispute up at the provider: part of it was refunded';
  end if;
  insert into payment.disputes (tenant_id, payment_id, provider_ref, reason_code, amount, respond_by)
  values (v_payment.tenant_id, p_payment_id, p_provider_ref, p_reason_code, p_amount, p_respond_by)
  returning * into v_dispute;
  update payment.payments p
  set status = 'disputed'
  where p.tenant_id = v_payment.tenant_id and p.id = p_payment_id;
  return v_dispute;
end
$$;

comment on function payment.open_dispute(uuid, text, text, numeric, timestamptz) is 'about=A payer disputes a payment at the provider. Same reference, same dispute. IM001 payment not received, or disputed already, IM003, IM005, IM581 reference known otherwise, IM582 more than is left.';

create function payment.lock_dispute(p_dispute_id uuid) returns payment.disputes
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_dispute payment.disputes;
begin
  select d.* into v_dispute from payment.disputes d where d.tenant_id = v_tenant and d.id = p_dispute_id;
  if not found then
    raise exception 'dispute % does not exist', p_dispute_id
      using errcode = 'IM005', hint = 'choose a dispute of the tenant';
  end if;
  perform payment.lock_payment(v_dispute.payment_id);
  select d.* into v_dispute
  from payment.disputes d
  where d.tenant_id = v_tenant and d.id = p_dispute_id
  for no key update;
  return v_dispute;
end
$$;

comment on function payment.lock_dispute(uuid) is 'about=The dispute, locked with its payment. IM005 no such dispute.';

create function payment.submit_evidence(p_dispute_id uuid, p_document_id uuid) returns payment.disputes
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_dispute payment.disputes := payment.lock_dispute(p_dispute_id);
begin
  if v_dispute.status = 'evidence_submitted' and v_dispute.evidence_document_id = p_document_id then
    return v_dispute;
  end if;
  update payment.disputes d
  set status = 'evidence_submitted', evidence_document_id = p_document_id
  where d.tenant_id = v_dispute.tenant_id and d.id = p_dispute_id
  returning d.* into v_dispute;
  return v_dispute;
end
$$;

comment on function payment.submit_evidence(uuid, uuid) is 'about=The evidence was sent to the provider. IM001 decided already, IM003, IM005.';

create function payment.decide_dispute(p_dispute_id uuid, p_decision text, p_outcome text) returns payment.disputes
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_dispute payment.disputes := payment.lock_dispute(p_dispute_id);
  v_payment payment.payments;
begin
  if v_dispute.status = p_decision then
    return v_dispute;
  end if;
  if p_decision not in ('won', 'lost', 'accepted') then
    raise exception 'a dispute is won, lost or accepted, not "%"', p_decision
      using errcode = '22023', hint = 'pass one of the three';
  end if;
  update payment.disputes d
  set status = p_decision, outcome = p_outcome
  where d.tenant_id = v_dispute.tenant_id and d.id = p_dispute_id
  returning d.* into v_dispute;
  if p_decision = 'won' then
    update payment.payments p
    set status = case when p.refunded > 0 then 'partially_refunded' else 'completed' end::payment.payment_status
    where p.tenant_id = v_dispute.tenant_id and p.id = v_dispute.payment_id;
    return v_dispute;
  end if;
  perform payment.free_for_dispute(v_dispute.payment_id, v_dispute.amount);
  v_payment := payment.give_back(v_dispute.payment_id, v_dispute.amount, jsonb_build_object('dispute_id', v_dispute.id));
  perform payment.post(
    v_payment, 'dispute', v_dispute.id, payment.money_account(v_payment.mode), 'advance', v_dispute.amount
  );
  return v_dispute;
end
$$;

comment on function payment.decide_dispute(uuid, text, text) is 'about=A dispute is won (the payment stands), lost, or accepted without contest: then the money is gone and the bills that it paid are open again. IM001 decided otherwise, IM003, IM005, IM558 account closed.';

create function payment.free_for_dispute(p_payment_id uuid, p_amount numeric) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_payment payment.payments;
  v_allocation record;
  v_on_its_way numeric;
  v_missing numeric;
  v_kept numeric;
begin
  select p.* into v_payment from payment.payments p where p.tenant_id = v_tenant and p.id = p_payment_id;
  select coalesce(sum(r.amount), 0) into v_on_its_way
  from payment.refunds r
  where r.tenant_id = v_tenant and r.payment_id = p_payment_id and r.status = 'processing';
  perform billing.lock_accounts_of(
    v_payment.account_id,
    array(
      select a.invoice_id
      from billing.payment_allocations a
      where a.tenant_id = v_tenant and a.payment_id = p_payment_id
    )
  );
  for v_allocation in
    select a.id, a.invoice_id, a.amount
    from billing.payment_allocations a
    where
      a.tenant_id = v_tenant and a.payment_id = p_payment_id and a.amount > 0
      and not exists (
        select from billing.payment_allocations r where r.tenant_id = v_tenant and r.reverses_id = a.id
      )
    order by a.invoice_id, a.id
  loop
    select p.* into v_payment from payment.payments p where p.tenant_id = v_tenant and p.id = p_payment_id;
    v_missing := v_payment.allocated + v_payment.refunded + v_on_its_way + p_amount - v_payment.amount;
    exit when v_missing <= 0;
    perform billing.reverse_allocation(v_allocation.id, 'the payment was charged back');
    perform payment.count_allocated(p_payment_id, v_allocation.invoice_id);
    -- a credit note may have taken its place
    v_kept := least(v_allocation.amount - v_missing, billing.open_of(v_allocation.invoice_id));
    if v_kept > 0 then
      -- refunds that are only asked for may want more than is left: they wait, and are refused when they are sent
      perform billing.allocate(
        'payment', p_payment_id, v_payment.amount - v_payment.refunded - v_on_its_way - p_amount, v_payment.currency,
        v_allocation.invoice_id, v_kept
      );
      perform payment.count_allocated(p_payment_id, v_allocation.invoice_id);
    end if;
  end loop;
end
$$;

comment on function payment.free_for_dispute(uuid, numeric) is 'about=Takes back as much of what a locked payment pays as a lost dispute needs beside the refunds that are on their way.';
