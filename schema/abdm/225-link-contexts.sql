-- Links that we start (HIP-initiated): a link token first, then the contexts, then the consent manager's answer.
-- Order of locks: transaction, account, contexts by id.

create function abdm.begin_linking(p_request_id uuid, p_transaction abdm.linking_transactions)
  returns abdm.linking_transactions
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_transaction abdm.linking_transactions;
begin
  insert into abdm.linking_transactions (
    tenant_id, kind, request_id, transaction_id, hip_id, abha_address, patient_id, requested_identifiers_enc,
    context_ids
  )
  values (
    core.require_tenant(), p_transaction.kind, p_request_id, p_transaction.transaction_id, p_transaction.hip_id,
    p_transaction.abha_address, p_transaction.patient_id, p_transaction.requested_identifiers_enc,
    coalesce(p_transaction.context_ids, '{}')
  )
  on conflict (tenant_id, request_id) do nothing
  returning * into v_transaction;
  return v_transaction;
end
$$;

comment on function abdm.begin_linking(uuid, abdm.linking_transactions) is 'about=Writes a new exchange; nothing (a null row) when there is one of that request id already.';

create function abdm.earlier_linking(p_request_id uuid, p_kind text, p_patient_id uuid, p_abha_address text)
  returns abdm.linking_transactions
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_transaction abdm.linking_transactions;
begin
  select t.* into v_transaction
  from abdm.linking_transactions t
  where t.tenant_id = core.require_tenant() and t.request_id = p_request_id
  for no key update;
  if found and (
    v_transaction.kind <> p_kind
    or (p_patient_id is not null and v_transaction.patient_id is distinct from p_patient_id)
    or (p_abha_address is not null and v_transaction.abha_address is distinct from p_abha_address)
  ) then
    raise exception 'request % was another exchange', p_request_id
      using errcode = 'IM011', hint = 'choose a new request id for a new exchange';
  end if;
  return v_transaction;
end
$$;

comment on function abdm.earlier_linking(uuid, text, uuid, text) is 'about=The exchange of a request id, locked; nothing (a null row) when there is none. IM011 it is of another kind or, where given, of another patient or address.';

create function abdm.lock_active_account(p_patient_id uuid) returns abdm.abha_accounts
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_account abdm.abha_accounts;
begin
  select a.* into v_account
  from abdm.abha_accounts a
  where
    a.tenant_id = core.require_tenant() and a.patient_id = p_patient_id and a.status in ('linked', 'deactivated')
    and a.deleted_at is null
  for no key update;
  if not found then
    raise exception 'patient % has no linked ABHA', p_patient_id
      using errcode = 'IM005', hint = 'link one with abdm.link_abha';
  end if;
  if v_account.status <> 'linked' or v_account.network_status <> 'ACTIVE' then
    raise exception 'the ABHA of patient % is % on the network', p_patient_id, v_account.network_status
      using errcode = 'IM006', hint = 'the person must reactivate it in an ABHA app';
  end if;
  return v_account;
end
$$;

comment on function abdm.lock_active_account(uuid) is 'about=The patient''s linked account, locked. IM005 none, IM006 it is not active on the network.';

create function abdm.request_link_token(p_request_id uuid, p_patient_id uuid, p_hip_id text default null)
  returns abdm.linking_transactions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_account abdm.abha_accounts;
  v_new abdm.linking_transactions;
  v_transaction abdm.linking_transactions := abdm.earlier_linking(p_request_id, 'link_token', p_patient_id, null);
begin
  if v_transaction.id is not null then
    return v_transaction;
  end if;
  v_account := abdm.lock_active_account(p_patient_id);
  if v_account.abha_address is null then
    raise exception 'ABHA account % has no address', v_account.id
      using errcode = 'IM005', hint = 'record it with abdm.record_abha_address: tokens are for addresses';
  end if;
  v_new.kind := 'link_token';
  v_new.hip_id := coalesce(p_hip_id, abdm.hip_of(null));
  v_new.abha_address := v_account.abha_address;
  v_new.patient_id := p_patient_id;
  v_transaction := abdm.begin_linking(p_request_id, v_new);
  if v_transaction.id is null then
    return abdm.earlier_linking(p_request_id, 'link_token', p_patient_id, null);
  end if;
  return v_transaction;
end
$$;

comment on function abdm.request_link_token(uuid, uuid, text) is 'about=We ask the consent manager for a link token for a patient; the same request id again is the same request. IM005 no linked ABHA, or none with an address, IM006 not active on the network, IM011.';

create function abdm.store_link_token(p_request_id uuid, p_token_enc bytea, p_expires_at timestamptz)
  returns abdm.linking_transactions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_transaction abdm.linking_transactions;
begin
  select t.* into v_transaction
  from abdm.linking_transactions t
  where t.tenant_id = v_tenant and t.request_id = p_request_id and t.kind = 'link_token'
  for no key update;
  if not found then
    raise exception 'request % asked for no link token', p_request_id
      using errcode = 'IM005', hint = 'the callback''s resp.requestId names the request';
  end if;
  if v_transaction.status <> 'confirmed' then
    update abdm.linking_transactions t
    set status = 'confirmed', token_enc = p_token_enc, token_expires_at = p_expires_at, responded_at = now()
    where t.tenant_id = v_tenant and t.id = v_transaction.id
    returning t.* into v_transaction;
  end if;
  return v_transaction;
end
$$;

comment on function abdm.store_link_token(uuid, bytea, timestamptz) is 'about=The link token came, encrypted by the application. Again: nothing changes. IM001 the request failed, IM005 no such request.';

create function abdm.link_care_contexts(p_request_id uuid, p_patient_id uuid, p_context_ids uuid[])
  returns abdm.linking_transactions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_account abdm.abha_accounts;
  v_new abdm.linking_transactions;
  v_transaction abdm.linking_transactions;
  v_context record;
  v_is_new boolean := false;
  v_found integer := 0;
begin
  v_new.kind := 'hip_initiated';
  v_new.patient_id := p_patient_id;
  v_new.context_ids := array(select distinct i.id from unnest(p_context_ids) as i (id) order by i.id);
  v_transaction := abdm.earlier_linking(p_request_id, 'hip_initiated', p_patient_id, null);
  if v_transaction.id is null then
    select a.abha_address into v_new.abha_address
    from abdm.abha_accounts a
    where a.tenant_id = v_tenant and a.patient_id = p_patient_id and a.status = 'linked' and a.deleted_at is null;
    select min(c.hip_id) into v_new.hip_id
    from abdm.care_contexts c
    where c.tenant_id = v_tenant and c.id = any (p_context_ids);
    if v_new.hip_id is null then
      raise exception 'none of the care contexts exists'
        using errcode = 'IM005', hint = 'make them with abdm.add_care_context';
    end if;
    v_transaction := abdm.begin_linking(p_request_id, v_new);
    v_is_new := v_transaction.id is not null;
  end if;
  if not v_is_new then
    v_transaction := abdm.earlier_linking(p_request_id, 'hip_initiated', p_patient_id, null);
    if v_transaction.context_ids <> v_new.context_ids then
      raise exception 'request % was about other care contexts', p_request_id
        using errcode = 'IM011', hint = 'choose a new request id';
    end if;
    return v_transaction;
  end if;

  v_account := abdm.lock_active_account(p_patient_id);
  if not exists (
    select
    from abdm.linking_transactions t
    where
      t.tenant_id = v_tenant and t.kind = 'link_token' and t.status = 'confirmed'
      and t.abha_address = v_account.abha_address and t.hip_id = v_new.hip_id and t.token_expires_at > now()
  ) then
    raise exception 'there is no valid link token for the ABHA of patient %', p_patient_id
      using errcode = 'IM703', hint = 'ask for one with abdm.request_link_token';
  end if;
  for v_context in
    select c.id, c.status, c.hip_id
    from abdm.care_contexts c
    join patient.patients p on p.tenant_id = c.tenant_id and p.id = c.patient_id
    where
      c.tenant_id = v_tenant and c.id = any (p_context_ids)
      and (c.patient_id = p_patient_id or p.merged_into_id = p_patient_id)
    order by c.id
    for no key update of c
  loop
    if v_context.status in ('link_requested', 'linked', 'notified') then
      raise exception 'care context % is %', v_context.id, v_context.status
        using errcode = 'IM705', hint = 'nothing to do: leave it out';
    end if;
    if v_context.hip_id <> v_new.hip_id then
      raise exception 'care context % is of another site', v_context.id
        using errcode = 'IM005', hint = 'link the contexts of each site by themselves';
    end if;
    update abdm.care_contexts c
    set
      status = 'link_requested', abha_account_id = v_account.id, link_transaction_id = v_transaction.id,
      last_error = null
    where c.tenant_id = v_tenant and c.id = v_context.id;
    v_found := v_found + 1;
  end loop;
  if v_found <> v_transaction.context_count then
    raise exception '% of % care contexts are not of patient %', v_transaction.context_count - v_found, v_transaction.context_count, p_patient_id
      using errcode = 'IM005', hint = 'link the contexts of each patient by themselves';
  end if;
  return v_transaction;
end
$$;

comment on function abdm.link_care_contexts(uuid, uuid, uuid[]) is 'about=We ask the consent manager to link care contexts of a patient; abdm.record_link_result has its answer. All or none; the same request id again is the same request. IM001 withdrawn, IM003, IM005 no linked ABHA, or contexts of another patient or site, IM006 not active on the network, IM011, IM703 no valid link token, IM705 linked already.';

create function abdm.settle_contexts(p_transaction abdm.linking_transactions, p_error_code text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_id uuid;
begin
  for v_id in
    select c.id
    from abdm.care_contexts c
    where
      c.tenant_id = p_transaction.tenant_id and c.id = any (p_transaction.context_ids)
      and c.link_transaction_id = p_transaction.id and c.status = 'link_requested'
    order by c.id
    for no key update
  loop
    update abdm.care_contexts c
    set
      status = case when p_error_code is null then 'linked' else 'failed' end,
      linked_at = case when p_error_code is null then now() end,
      last_error = p_error_code
    where c.tenant_id = p_transaction.tenant_id and c.id = v_id;
  end loop;
end
$$;

comment on function abdm.settle_contexts(abdm.linking_transactions, text) is 'about=Marks the contexts that wait for an exchange as linked, or as failed with an error code.';

create function abdm.record_link_result(p_request_id uuid, p_error_code text default null)
  returns abdm.linking_transactions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_transaction abdm.linking_transactions;
begin
  select t.* into v_transaction
  from abdm.linking_transactions t
  where t.tenant_id = v_tenant and t.request_id = p_request_id and t.kind in ('link_token', 'hip_initiated')
  for no key update;
  if not found then
    raise exception 'request % asked for no link', p_request_id
      using errcode = 'IM005', hint = 'the callback''s resp.requestId names the request';
  end if;
  if v_transaction.status in ('confirmed', 'failed') then
    return v_transaction;
  end if;
  perform abdm.settle_contexts(v_transaction, p_error_code);
  update abdm.linking_transactions t
  set
    status = case when p_error_code is null then 'confirmed' else 'failed' end,
    error_code = p_error_code, responded_at = now()
  where t.tenant_id = v_tenant and t.id = v_transaction.id
  returning t.* into v_transaction;
  return v_transaction;
end
$$;

comment on function abdm.record_link_result(uuid, text) is 'about=The consent manager answered: linked, or failed with p_error_code; also how a request for a link token fails. The first answer stands. IM005 no such request.';
