-- Money goes back: asked for by one user, approved by another, sent, completed. Order of locks: payment, refund, account.

create function payment.lock_refund(p_refund_id uuid) returns payment.refunds
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_refund payment.refunds;
begin
  select r.* into v_refund from payment.refunds r where r.tenant_id = v_tenant and r.id = p_refund_id;
  if not found then
    raise exception 'refund % does not exist', p_refund_id
      using errcode = 'IM005', hint = 'choose a refund of the tenant';
  end if;
  perform payment.lock_payment(v_refund.payment_id);
  select r.* into v_refund
  from payment.refunds r
  where r.tenant_id = v_tenant and r.id = p_refund_id
  for no key update;
  return v_refund;
end
$$;

comment on function payment.lock_refund(uuid) is 'about=The refund, locked with its payment. IM005 no such refund.';

create function payment.require_user() returns uuid
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if core.current_user_id() is null then
    raise exception 'a refund is asked for and approved by people'
      using errcode = 'IM006', hint = 'call it as a signed-in user';
  end if;
  return core.current_user_id();
end
$$;

comment on function payment.require_user() is 'about=The signed-in user. IM006 there is none.';

create function payment.check_sendable(p_refund payment.refunds) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_payment payment.payments;
  v_others numeric;
begin
  select p.* into v_payment
  from payment.payments p
  where p.tenant_id = p_refund.tenant_id and p.id = p_refund.payment_id;
  if v_payment.status not in ('completed', 'partially_refunded') then
    raise exception 'payment % is %', v_payment.id, v_payment.status
      using errcode = 'IM001', hint = 'wait until its dispute is decided; turn the refund down when the money is gone';
  end if;
  select coalesce(sum(r.amount), 0) into v_others
  from payment.refunds r
  where
    r.tenant_id = p_refund.tenant_id and r.payment_id = p_refund.payment_id and r.id <> p_refund.id
    -- who approves promises it beside what was promised before
    and (r.status = 'processing' or (r.status = 'approved' and p_refund.status = 'requested'));
  if v_payment.allocated + v_payment.refunded + v_others + p_refund.amount > v_payment.amount then
    raise exception 'payment % has % left to refund', v_payment.id,
      v_payment.amount - v_payment.allocated - v_payment.refunded - v_others
      using errcode = 'IM582', hint = 'turn the refund down: part of the payment was charged back';
  end if;
end
$$;

comment on function payment.check_sendable(payment.refunds) is 'about=The payment of a locked refund is not disputed (IM001) and still has its amount beside the refunds that are on their way, and for one to be approved beside those approved (IM582).';

create function payment.request_refund(p_key text, p_payment_id uuid, p_amount numeric, p_reason text) returns payment.refunds
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_payment payment.payments := payment.lock_payment(p_payment_id);
  v_user uuid := payment.require_user();
  v_refund payment.refunds;
  v_pending numeric;
begin
  select r.* into v_refund
  from payment.refunds r
  where r.tenant_id = v_payment.tenant_id and r.idempotency_key = p_key;
  if found then
    if v_refund.payment_id = p_payment_id and v_refund.amount = p_amount then
      return v_refund;
    end if;
    raise exception 'key "%" was used for another refund', p_key
      using errcode = 'IM011', hint = 'choose a new key for a new refund';
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'a refund of payment % needs a reason', p_payment_id
      using errcode = 'IM002', hint = 'pass p_reason';
  end if;
  if v_payment.status not in ('completed', 'partially_refunded') then
    raise exception 'payment % is %', p_payment_id, v_payment.status
      using errcode = 'IM001', hint = 'only money that was received goes back';
  end if;
  select coalesce(sum(r.amount), 0) into v_pending
  from payment.refunds r
  where
    r.tenant_id = v_payment.tenant_id and r.payment_id = p_payment_id
    and r.status in ('requested', 'approved', 'processing', 'failed');
  if v_payment.allocated + v_payment.refunded + v_pending + p_amount > v_payment.amount then
    raise exception 'payment % has % left to refund', p_payment_id,
      v_payment.amount - v_payment.allocated - v_payment.refunded - v_pending
      using errcode = 'IM582', hint = 'refund at most what is left, or reverse an allocation first';
  end if;
  insert into payment.refunds (tenant_id, refund_number, payment_id, amount, reason, requested_by, idempotency_key)
  values (
    v_payment.tenant_id, core.next_default_number('refund', '', 'REF-{YY}-'), p_payment_id, p_amount, p_reason,
    v_user, p_key
  )
  returning * into v_refund;
  return v_refund;
end
$$;

comment on function payment.request_refund(text, uuid, numeric, text) is 'about=Asks for money back and reserves it. Same p_key, same refund. IM001 payment not received, IM002 reason missing, IM003, IM005, IM006 no user, IM011, IM582 more than is neither allocated, refunded nor asked for.';

create function payment.approve_refund(p_refund_id uuid) returns payment.refunds
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_refund payment.refunds := payment.lock_refund(p_refund_id);
  v_user uuid := payment.require_user();
begin
  if v_refund.status <> 'requested' and v_refund.approved_by is not null then
    return v_refund;
  end if;
  if v_user = v_refund.requested_by then
    raise exception 'nobody approves their own refund %', p_refund_id
      using errcode = 'IM006', hint = 'let a second user approve it';
  end if;
  perform payment.check_sendable(v_refund);
  update payment.refunds r
  set status = 'approved', approved_by = v_user
  where r.tenant_id = v_refund.tenant_id and r.id = p_refund_id
  returning r.* into v_refund;
  perform payment.post(p, 'refund.approved', v_refund.id, 'refund_payable', 'advance', v_refund.amount)
  from payment.payments p
  where p.tenant_id = v_refund.tenant_id and p.id = v_refund.payment_id;
  return v_refund;
end
$$;

comment on function payment.approve_refund(uuid) is 'about=A second user approves a refund; the money is owed from now on. IM001 rejected, or the payment is disputed, IM003, IM005, IM006 own request or no user, IM582 part of the payment was charged back.';

create function payment.reject_refund(p_refund_id uuid, p_reason text) returns payment.refunds
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_refund payment.refunds := payment.lock_refund(p_refund_id);
begin
  if v_refund.status = 'rejected' then
    return v_refund;
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'rejecting refund % needs a reason', p_refund_id
      using errcode = 'IM002', hint = 'pass p_reason';
  end if;
  perform core.set_reason(p_reason);
  if v_refund.approved_by is not null then -- it had been approved and could not be sent
    perform payment.post(p, 'refund.rejected', v_refund.id, 'advance', 'refund_payable', v_refund.amount)
    from payment.payments p
    where p.tenant_id = v_refund.tenant_id and p.id = v_refund.payment_id;
  end if;
  update payment.refunds r
  set status = 'rejected'
  where r.tenant_id = v_refund.tenant_id and r.id = p_refund_id
  returning r.* into v_refund;
  return v_refund;
end
$$;

comment on function payment.reject_refund(uuid, text) is 'about=Turns a refund down that is asked for or failed; what it reserved is free. IM001 approved or sent, IM002 reason missing, IM005.';

create function payment.record_refund_result(
  p_refund_id uuid,
  p_outcome text,
  p_provider_ref text default null,
  p_failure_code text default null
) returns payment.refunds
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_refund payment.refunds := payment.lock_refund(p_refund_id);
  v_payment payment.payments;
begin
  if v_refund.status = p_outcome then
    return v_refund;
  end if;
  if p_outcome not in ('processing', 'completed', 'failed') then
    raise exception 'a refund is processing, completed or failed, not "%"', p_outcome
      using errcode = '22023', hint = 'pass one of the three';
  end if;
  if v_refund.status in ('approved', 'failed') then
    if p_outcome <> 'failed' then
      perform payment.check_sendable(v_refund);
    end if;
    update payment.refunds r
    set status = 'processing', failure_code = null, provider_ref = coalesce(p_provider_ref, r.provider_ref)
    where r.tenant_id = v_refund.tenant_id and r.id = p_refund_id
    returning r.* into v_refund;
  end if;
  if p_outcome = 'processing' then
    return v_refund;
  end if;
  update payment.refunds r
  set
    status = p_outcome,
    provider_ref = coalesce(p_provider_ref, r.provider_ref),
    failure_code = p_failure_code,
    completed_at = case when p_outcome = 'completed' then now() end
  where r.tenant_id = v_refund.tenant_id and r.id = p_refund_id
  returning r.* into v_refund;
  if p_outcome = 'completed' then
    v_payment := payment.give_back(v_refund.payment_id, v_refund.amount, jsonb_build_object('refund_id', v_refund.id));
    perform payment.post(
      v_payment, 'refund.completed', v_refund.id, payment.money_account(v_payment.mode), 'refund_payable', v_refund.amount
    );
  end if;
  return v_refund;
end
$$;

comment on function payment.record_refund_result(uuid, text, text, text) is 'about=An approved refund is processing, completed (at the counter: handed over) or failed. Again: the same. IM001 not approved or over, or the payment is disputed, IM003, IM005, IM558 account closed, IM582 part of the payment was charged back.';

create function payment.give_back(p_payment_id uuid, p_amount numeric, p_event jsonb) returns payment.payments
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_payment payment.payments;
begin
  update payment.payments p
  set
    refunded = p.refunded + p_amount,
    status = case
      when exists (
        select
        from payment.disputes d
        where d.tenant_id = p.tenant_id and d.payment_id = p.id and d.status in ('opened', 'evidence_submitted')
      ) then p.status
      when p.refunded + p_amount = p.amount then 'refunded'
      else 'partially_refunded'
    end::payment.payment_status
  where p.tenant_id = core.require_tenant() and p.id = p_payment_id
  returning p.* into v_payment;
  perform payment.add_to_account(v_payment, -p_amount);
  perform core.enqueue('payment', p_payment_id, 'payment.refunded.v1', p_event || jsonb_build_object('id', p_payment_id));
  return v_payment;
end
$$;

comment on function payment.give_back(uuid, numeric, jsonb) is 'about=Counts money of a locked payment as gone back, on its account too, and announces it. While a dispute is open the payment stays disputed. IM558 account closed.';
