-- From the wish to collect to the provider's door.

create function payment.lock_intent(p_intent_id uuid) returns payment.payment_intents
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_intent payment.payment_intents;
begin
  select i.* into v_intent
  from payment.payment_intents i
  where i.tenant_id = core.require_tenant() and i.id = p_intent_id
  for no key update;
  if not found then
    raise exception 'payment intent % does not exist', p_intent_id
      using errcode = 'IM005', hint = 'choose an intent of the tenant';
  end if;
  return v_intent;
end
$$;

comment on function payment.lock_intent(uuid) is 'about=The intent, locked until the transaction ends. IM005 no such intent.';

create function payment.move_intent(p_intent_id uuid, p_status text, p_failure_code text default null, p_payment_id uuid default null)
  returns payment.payment_intents
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_intent payment.payment_intents;
begin
  update payment.payment_intents i
  set status = p_status, failure_code = p_failure_code, payment_id = coalesce(p_payment_id, i.payment_id)
  where i.tenant_id = core.require_tenant() and i.id = p_intent_id
  returning i.* into v_intent;
  return v_intent;
end
$$;

comment on function payment.move_intent(uuid, text, text, uuid) is 'about=Moves an intent that the caller has locked. IM001 no such move.';

create function payment.create_intent(
  p_key text,
  p_purpose text,
  p_amount numeric,
  p_channel text,
  p_items jsonb default null,
  p_account_id uuid default null,
  p_patient_id uuid default null,
  p_clinic_id uuid default null,
  p_provider_id uuid default null,
  p_return_url text default null,
  p_ttl interval default '30 minutes',
  p_currency text default null
) returns payment.payment_intents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_items jsonb := coalesce(p_items, jsonb_build_array(jsonb_build_object('purpose', p_purpose, 'amount', p_amount)));
  v_currency text := coalesce(p_currency, billing.currency_of_tenant());
  v_place record;
  v_intent payment.payment_intents;
begin
  -- two calls with one key meet here
  perform pg_advisory_xact_lock(hashtextextended('payment.intent' || v_tenant || p_key, 0));
  select i.* into v_intent
  from payment.payment_intents i
  where i.tenant_id = v_tenant and i.idempotency_key = p_key;
  if found then
    if
      v_intent.amount = p_amount and v_intent.currency = v_currency and v_intent.purpose = p_purpose
      and v_intent.items = v_items and (p_account_id is null or v_intent.account_id = p_account_id)
    then
      return v_intent;
    end if;
    raise exception 'key "%" was used for another intent', p_key
      using errcode = 'IM011', hint = 'choose a new key for a new intent';
  end if;
  perform payment.check_items(v_items, p_amount);
  if p_provider_id is not null then
    perform payment.active_provider(p_provider_id);
  end if;
  select p.* into v_place from payment.place_of(p_account_id, p_clinic_id, p_patient_id) p;
  insert into payment.payment_intents (
    tenant_id, intent_number, idempotency_key, patient_id, account_id, clinic_id, purpose, amount, currency, items,
    provider_id, channel, return_url, expires_at
  )
  values (
    v_tenant, core.next_default_number('payment_intent', '', 'PAY-{YY}-'), p_key,
    v_place.patient_id,
    coalesce(v_place.account_id, p_account_id), v_place.clinic_id, p_purpose, p_amount, v_currency, v_items, p_provider_id,
    p_channel, p_return_url, now() + p_ttl
  )
  returning * into v_intent;
  return v_intent;
end
$$;

comment on function payment.create_intent(text, text, numeric, text, jsonb, uuid, uuid, uuid, uuid, text, interval, text) is 'about=An intention to collect an amount for purpose invoice, advance, appointment or pharmacy; items as in payment.receive. Same p_key and content, same intent. IM003, IM005 no such account, provider, bill or appointment, IM011, IM553 items do not add up, 22023 an item that cannot be stored.';

create function payment.active_provider(p_provider_id uuid) returns payment.payment_providers
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_provider payment.payment_providers;
begin
  select p.* into v_provider
  from payment.payment_providers p
  where p.tenant_id = core.require_tenant() and p.id = p_provider_id and p.status = 'active';
  if not found then
    raise exception 'provider % does not exist or is disabled', p_provider_id
      using errcode = 'IM005', hint = 'choose an active provider';
  end if;
  return v_provider;
end
$$;

comment on function payment.active_provider(uuid) is 'about=A provider that is active. IM005.';

create function payment.begin_attempt(p_intent_id uuid, p_provider_id uuid default null, p_requires_action boolean default false)
  returns payment.payment_intents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_intent payment.payment_intents := payment.lock_intent(p_intent_id);
begin
  if v_intent.status in ('succeeded', 'cancelled', 'expired') or v_intent.expires_at <= now() then
    raise exception 'payment intent % is over: %', p_intent_id, v_intent.status
      using errcode = 'IM580', hint = 'make a new intent';
  end if;
  if coalesce(p_provider_id, v_intent.provider_id) is null then
    raise exception 'payment intent % has no provider', p_intent_id
      using errcode = '22023', hint = 'pass p_provider_id';
  end if;
  perform payment.active_provider(coalesce(p_provider_id, v_intent.provider_id));
  if v_intent.status in ('processing', 'requires_action') and (p_provider_id is null or p_provider_id = v_intent.provider_id) then
    return v_intent;
  end if;
  update payment.payment_intents i
  set
    provider_id = coalesce(p_provider_id, i.provider_id),
    status = case when p_requires_action and i.status = 'created' then 'requires_action' else 'processing' end,
    failure_code = null
  where i.tenant_id = v_intent.tenant_id and i.id = p_intent_id
  returning i.* into v_intent;
  return v_intent;
end
$$;

comment on function payment.begin_attempt(uuid, uuid, boolean) is 'about=The patient is sent to the provider: the intent is processing, or waits for an action of the patient. Again: the same. IM003, IM005 no such intent or provider, IM580 expired or over.';

create function payment.cancel_intent(p_intent_id uuid) returns payment.payment_intents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_intent payment.payment_intents := payment.lock_intent(p_intent_id);
begin
  if v_intent.status = 'cancelled' then
    return v_intent;
  end if;
  return payment.move_intent(p_intent_id, 'cancelled');
end
$$;

comment on function payment.cancel_intent(uuid) is 'about=Cancels an intent that no provider is working on. IM001 processing or over, IM005.';

create function payment.expire_intents(p_limit int default 500) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_intent record;
  v_count int := 0;
begin
  for v_intent in
    select i.id
    from payment.payment_intents i
    where i.tenant_id = v_tenant and i.status in ('created', 'requires_action', 'failed') and i.expires_at <= now()
    order by i.expires_at
    limit p_limit
    for no key update skip locked
  loop
    perform payment.move_intent(v_intent.id, 'expired');
    v_count := v_count + 1;
  end loop;
  return v_count;
end
$$;

comment on function payment.expire_intents(int) is 'about=Job: ends intents whose time is over and returns how many. One that a provider is working on is left alone. IM003.';
