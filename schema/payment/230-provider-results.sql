-- What providers report. Webhook, poll and return page may all report the same thing, at the same time and in any order:
-- the lock of the intent and the unique reference make it one payment. Money that was taken is never refused: when it
-- does not fit its intent it is kept as an advance for people to look at.

create function payment.redact(p_value jsonb) returns jsonb
  language plpgsql
  immutable
  set search_path = pg_catalog, pg_temp
as $$
begin
  return case jsonb_typeof(p_value)
    when 'object' then (
      select coalesce(
        jsonb_object_agg(
          e.key,
          case
            when e.key ~* '(card.?(no|num)|^pan$|cvv|cvc|track|^pin$|otp|password|secret|token|^vpa$|email|phone|mobile|contact|holder|name)'
              then '"[redacted]"'::jsonb
            else payment.redact(e.value)
          end
        ),
        '{}'
      )
      from jsonb_each(p_value) e
    )
    when 'array' then (
      select coalesce(jsonb_agg(payment.redact(e.value) order by e.ordinality), '[]')
      from jsonb_array_elements(p_value) with ordinality e
    )
    else case when core.looks_like_pan(p_value #>> '{}') then '"[redacted]"'::jsonb else p_value end
  end;
end
$$;

comment on function payment.redact(jsonb) is 'about=A provider''s answer without card data, secrets and contact data: those keys, and values that look like a card number, become [redacted].';

create function payment.record_provider_result(
  p_provider_id uuid,
  p_provider_ref text,
  p_outcome text,
  p_intent_id uuid default null,
  p_amount numeric default null,
  p_currency text default null,
  p_response jsonb default '{}',
  p_error_code text default null,
  p_finished_at timestamptz default null
) returns table (intent_id uuid, intent_status text, payment_id uuid, receipt_number text, is_new boolean)
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_provider payment.payment_providers;
  v_intent_id uuid := p_intent_id;
  v_intent payment.payment_intents;
  v_attempt payment.payment_attempts;
  v_payment payment.payments;
  v_is_new boolean := false;
begin
  if v_intent_id is null then -- a later message about a reference names only the reference
    select a.intent_id into v_intent_id
    from payment.payment_attempts a
    where a.tenant_id = v_tenant and a.provider_id = p_provider_id and a.provider_ref = p_provider_ref
    limit 1;
    if not found then
      raise exception 'no intent is known for this reference of provider %', p_provider_id
        using errcode = 'IM005', hint = 'pass p_intent_id, which the provider carries as its order id';
    end if;
  end if;
  v_intent := payment.lock_intent(v_intent_id);
  select a.* into v_attempt
  from payment.payment_attempts a
  where
    a.tenant_id = v_tenant and a.provider_id = p_provider_id and a.provider_ref = p_provider_ref and a.outcome = p_outcome;
  if found then
    if v_attempt.intent_id <> v_intent.id or v_attempt.amount is distinct from coalesce(p_amount, v_attempt.amount) then
      raise exception 'provider % reported this reference before with another amount or intent', p_provider_id
        using errcode = 'IM581', hint = 'look both reports up at the provider';
    end if;
  else
    v_is_new := true;
    select p.* into v_provider from payment.payment_providers p where p.tenant_id = v_tenant and p.id = p_provider_id;
    if not found then
      raise exception 'provider % does not exist', p_provider_id
        using errcode = 'IM005', hint = 'choose a provider of the tenant';
    end if;
    if p_outcome = 'authorised' and v_intent.status in ('succeeded', 'cancelled', 'expired') then
      raise exception 'payment intent % is over: %', v_intent.id, v_intent.status
        using errcode = 'IM580', hint = 'let the provider release the authorisation';
    end if;
    insert into payment.payment_attempts (
      tenant_id, intent_id, attempt_no, provider_id, provider_ref, finished_at, outcome, amount, error_code,
      response_redacted
    )
    select
      v_tenant, v_intent.id, coalesce(max(a.attempt_no), 0) + 1, p_provider_id, p_provider_ref, p_finished_at, p_outcome,
      p_amount, p_error_code, payment.redact(p_response)
    from payment.payment_attempts a
    where a.tenant_id = v_tenant and a.intent_id = v_intent.id;
    -- a provider answers about what it works on
    if v_intent.status in ('created', 'requires_action', 'failed') then
      v_intent := payment.move_intent(v_intent.id, 'processing');
    end if;
    if p_outcome = 'captured' then
      v_payment := payment.take_captured(v_intent, v_provider, p_provider_ref, p_amount, coalesce(p_currency, v_intent.currency));
    elsif p_outcome in ('declined', 'error') and v_intent.status = 'processing' then
      perform payment.move_intent(v_intent.id, 'failed', coalesce(p_error_code, p_outcome));
    end if;
  end if;
  return query
  select i.id, i.status, p.id, p.receipt_number, v_is_new
  from payment.payment_intents i
  left join payment.payments p
    on p.tenant_id = i.tenant_id and p.provider_id = p_provider_id and p.provider_ref = p_provider_ref
  where i.tenant_id = v_tenant and i.id = v_intent.id;
end
$$;

comment on function payment.record_provider_result(uuid, text, text, uuid, numeric, text, jsonb, text, timestamptz) is 'about=What a provider said about a reference: outcome authorised, captured, declined, error, timeout or unknown. Webhook, poll and return page may all call it: one reference is one payment. Captured money that does not fit its intent (another amount, a second reference, an intent that is over) becomes an advance; is_new tells who was first. The response is kept without card data. IM003, IM005 no such intent or provider, IM580 authorised after the intent was over, IM581 reference known with another amount or intent.';

create function payment.take_captured(
  p_intent payment.payment_intents,
  p_provider payment.payment_providers,
  p_provider_ref text,
  p_amount numeric,
  p_currency text
) returns payment.payments
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_fits boolean := p_intent.status = 'processing' and (p_intent.amount, p_intent.currency) = (p_amount, p_currency);
  v_place record;
  v_payment payment.payments;
begin
  -- the counter may have typed the reference in before the provider reported it
  select p.* into v_payment
  from payment.payments p
  where p.tenant_id = p_intent.tenant_id and p.provider_id = p_provider.id and p.provider_ref = p_provider_ref;
  if found and v_payment.intent_id is distinct from p_intent.id then
    raise exception 'this reference of provider % is payment %', p_provider.id, v_payment.id
      using errcode = 'IM581', hint = 'look both reports up at the provider';
  end if;
  select p.* into v_place from payment.place_of(p_intent.account_id, p_intent.clinic_id, p_intent.patient_id) p;
  v_payment := payment.add_payment(
    jsonb_build_object(
      'kind', case when v_fits and p_intent.purpose <> 'advance' then 'receipt' else 'advance' end,
      'intent_id', p_intent.id, 'patient_id', v_place.patient_id, 'account_id', v_place.account_id,
      'clinic_id', v_place.clinic_id, 'mode', p_provider.kind, 'provider_id', p_provider.id,
      'provider_ref', p_provider_ref, 'amount', p_amount, 'currency', p_currency
    ),
    case
      when v_fits then p_intent.items
      else jsonb_build_array(
        jsonb_build_object('purpose', 'advance', 'description', 'Does not fit its intent', 'amount', p_amount)
      )
    end
  );
  v_payment := payment.complete(v_payment, true);
  if v_fits then
    perform payment.move_intent(p_intent.id, 'succeeded', null, v_payment.id);
  elsif p_intent.status = 'processing' then
    perform payment.move_intent(p_intent.id, 'failed', 'amount_mismatch');
  end if;
  return v_payment;
end
$$;

comment on function payment.take_captured(payment.payment_intents, payment.payment_providers, text, numeric, text) is 'about=The payment of money that a provider took for a locked intent, which succeeds when amount and currency are its own.';
