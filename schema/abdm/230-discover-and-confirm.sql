-- Links that the patient starts in an ABHA app: discover, init, confirm. Discovery tells one patient or nobody, so that it
-- cannot be used to try out who is treated here.

create function abdm.find_one_patient(p_query jsonb, out patient_id uuid, out matched_by text[]) returns record
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_number_bidx bytea := patient.bytes_of(p_query, 'abha_number_bidx');
  v_mobile_bidx bytea := patient.bytes_of(p_query, 'mobile_bidx');
  v_address text := lower(btrim(p_query ->> 'abha_address'));
  v_name_key text := patient.name_key(p_query ->> 'name');
  v_found record;
begin
  -- The network has verified number, address and mobile; the MR number is what the person typed. A linked ABHA is enough.
  -- A mobile is a family's, so name, sex and year of birth must match as well; of several the MR number may choose one.
  for v_found in
    with linked as (
      select
        a.patient_id as id,
        array_remove(
          array[
            case when a.abha_number_bidx = v_number_bidx then 'ABHA_NUMBER' end,
            case when a.abha_address = v_address then 'abhaAddress' end
          ],
          null
        ) as matched_by
      from abdm.abha_accounts a
      where
        a.tenant_id = v_tenant and a.status = 'linked' and a.deleted_at is null
        and (a.abha_number_bidx = v_number_bidx or a.abha_address = v_address)
    ),
    by_mobile as (
      select p.id, p.mrn = p_query ->> 'mrn' as is_mrn
      from patient.patients p
      where
        p.tenant_id = v_tenant and p.mobile_bidx = v_mobile_bidx and p.merged_into_id is null and p.deleted_at is null
        and abdm.mismatches(p.id, v_name_key, p_query ->> 'sex', (p_query ->> 'birth_year')::integer) = '{}'
    )
    select l.id, l.matched_by from linked l
    union all
    select m.id, case when m.is_mrn then array['MOBILE', 'MR'] else array['MOBILE'] end
    from by_mobile m
    where
      not exists (select from linked)
      and (m.is_mrn or not exists (select from by_mobile o where o.is_mrn))
  loop
    if patient_id is not null and patient_id <> v_found.id then
      patient_id := null;
      matched_by := null;
      return;
    end if;
    patient_id := v_found.id;
    matched_by := v_found.matched_by;
  end loop;
end
$$;

comment on function abdm.find_one_patient(jsonb) is 'about=The one patient that a discovery means and what they were found by, or nobody.';

create function abdm.discover_patient(p_request_id uuid, p_query jsonb) returns abdm.linking_transactions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_match record;
  v_new abdm.linking_transactions;
  v_transaction abdm.linking_transactions;
begin
  v_new.kind := 'user_initiated_discovery';
  v_new.transaction_id := (p_query ->> 'transaction_id')::uuid;
  v_new.hip_id := p_query ->> 'hip_id';
  v_new.abha_address := abdm.normalise_abha_address(p_query ->> 'abha_address');
  v_new.requested_identifiers_enc := patient.bytes_of(p_query, 'requested_identifiers_enc');
  v_match := abdm.find_one_patient(p_query);
  if v_match.patient_id is not null then
    v_new.context_ids := array(
      select c.id
      from abdm.care_contexts c
      join patient.patients p on p.tenant_id = c.tenant_id and p.id = c.patient_id
      where
        c.tenant_id = v_tenant and v_match.patient_id in (c.patient_id, p.merged_into_id)
        and c.hip_id = v_new.hip_id and c.status in ('pending', 'failed', 'unlinked')
      order by c.record_date desc, c.id
    );
  end if;
  v_transaction := abdm.begin_linking(p_request_id, v_new);
  if v_transaction.id is null then
    return abdm.earlier_linking(p_request_id, 'user_initiated_discovery', null, v_new.abha_address);
  end if;
  update abdm.linking_transactions t
  set
    status = case when v_match.patient_id is null then 'not_found' else 'matched' end,
    patient_id = v_match.patient_id, matched_by = v_match.matched_by, responded_at = now()
  where t.tenant_id = v_tenant and t.id = v_transaction.id
  returning t.* into v_transaction;
  return v_transaction;
end
$$;

comment on function abdm.discover_patient(uuid, jsonb) is 'about=A patient looks for their records: p_query {transaction_id, hip_id, abha_address, abha_number_bidx, mobile_bidx, mrn, name, sex, birth_year, requested_identifiers_enc}, bytes in hexadecimal. Answers matched with exactly one patient and the contexts to offer, or not_found. Same request id, same answer. IM003, IM011, 22023 malformed.';

create function abdm.init_link(
  p_request_id uuid,
  p_transaction_id uuid,
  p_references text[],
  p_link_ref_number text,
  p_otp_hash bytea
) returns abdm.linking_transactions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_minutes integer := coalesce((core.setting('abdm.otp_minutes') #>> '{}')::integer, 10);
  v_discovery abdm.linking_transactions;
  v_new abdm.linking_transactions;
  v_transaction abdm.linking_transactions := abdm.earlier_linking(p_request_id, 'user_initiated_link', null, null);
  v_linked uuid;
begin
  if v_transaction.id is not null then
    return v_transaction;
  end if;
  select t.* into v_discovery
  from abdm.linking_transactions t
  where
    t.tenant_id = v_tenant and t.transaction_id = p_transaction_id and t.kind = 'user_initiated_discovery'
    and t.status = 'matched'
  order by t.created_at desc
  limit 1;
  if not found then
    raise exception 'transaction % discovered nobody', p_transaction_id
      using errcode = 'IM005', hint = 'the patient must discover their records first';
  end if;
  if v_discovery.created_at < now() - interval '1 hour' then
    raise exception 'the discovery of transaction % is too old', p_transaction_id
      using errcode = 'IM703', hint = 'the patient must discover their records again';
  end if;
  v_new := v_discovery;
  v_new.kind := 'user_initiated_link';
  v_new.context_ids := array(
    select c.id
    from abdm.care_contexts c
    where
      c.tenant_id = v_tenant and c.id = any (v_discovery.context_ids) and c.reference = any (p_references)
    order by c.id
  );
  if coalesce(cardinality(v_new.context_ids), 0) <> cardinality(array(select distinct unnest(p_references)))
    or v_new.context_ids = '{}'
  then
    raise exception 'transaction % did not offer all of these care contexts', p_transaction_id
      using errcode = 'IM005', hint = 'only contexts of the discovery can be linked';
  end if;
  select c.id into v_linked
  from abdm.care_contexts c
  where
    c.tenant_id = v_tenant and c.id = any (v_new.context_ids) and c.status in ('link_requested', 'linked', 'notified')
  limit 1;
  v_transaction := abdm.begin_linking(p_request_id, v_new);
  if v_transaction.id is null then
    return abdm.earlier_linking(p_request_id, 'user_initiated_link', v_new.patient_id, null);
  end if;
  if v_linked is not null then
    raise exception 'care context % is linked already', v_linked
      using errcode = 'IM705', hint = 'discover again: it is no longer offered';
  end if;
  update abdm.linking_transactions t
  set status = 'matched', matched_by = v_discovery.matched_by
  where t.tenant_id = v_tenant and t.id = v_transaction.id;
  update abdm.linking_transactions t
  set
    status = 'otp_sent', link_ref_number = p_link_ref_number, otp_hash = p_otp_hash,
    otp_expires_at = now() + make_interval(mins => v_minutes)
  where t.tenant_id = v_tenant and t.id = v_transaction.id
  returning t.* into v_transaction;
  return v_transaction;
end
$$;

comment on function abdm.init_link(uuid, uuid, text[], text, bytea) is 'about=The patient chose contexts of their discovery and we send an OTP to the registered mobile: p_otp_hash is SHA-256 of link reference number and OTP. The OTP lives for setting abdm.otp_minutes. Same request id, same answer. IM005 nobody or other contexts were discovered, IM011, IM703 discovery older than an hour, IM705 linked already.';

create function abdm.confirm_link(p_link_ref_number text, p_otp_hash bytea) returns abdm.linking_transactions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_transaction abdm.linking_transactions;
  v_account abdm.abha_accounts;
  v_context record;
begin
  select t.* into v_transaction
  from abdm.linking_transactions t
  where t.tenant_id = v_tenant and t.link_ref_number = p_link_ref_number and t.kind = 'user_initiated_link'
  for no key update;
  if not found then
    raise exception 'no link waits under this reference number'
      using errcode = 'IM005', hint = 'begin with abdm.init_link';
  end if;
  if v_transaction.status = 'confirmed' then
    return v_transaction;
  end if;
  if v_transaction.status = 'failed' then
    raise exception 'link % had three wrong OTPs', v_transaction.id using errcode = 'IM704', hint = 'start again';
  end if;
  if v_transaction.status = 'expired' or v_transaction.otp_expires_at <= now() then
    raise exception 'the OTP of link % has expired', v_transaction.id using errcode = 'IM703', hint = 'start again';
  end if;

  if v_transaction.otp_hash is distinct from p_otp_hash then
    -- no error: it would take the count back
    update abdm.linking_transactions t
    set
      otp_attempts = t.otp_attempts + 1,
      status = case when t.otp_attempts = 2 then 'failed' else t.status end,
      error_code = case when t.otp_attempts = 2 then 'IM704' else 'wrong_otp' end,
      otp_hash = case when t.otp_attempts < 2 then t.otp_hash end
    where t.tenant_id = v_tenant and t.id = v_transaction.id
    returning t.* into v_transaction;
    return v_transaction;
  end if;

  -- The network has verified the address, and the OTP reached the mobile that the patient gave us.
  perform abdm.lock_patient(v_tenant, v_transaction.patient_id);
  perform abdm.check_live_patient(v_transaction.patient_id);
  v_account := abdm.save_account(jsonb_build_object('abha_address', v_transaction.abha_address), 'abha_address_otp');
  if v_account.status <> 'linked' or v_account.patient_id <> v_transaction.patient_id then
    v_account := abdm.attach_account(v_transaction.patient_id, v_account, '{}', null);
  end if;
  for v_context in
    select c.id, c.status
    from abdm.care_contexts c
    where c.tenant_id = v_tenant and c.id = any (v_transaction.context_ids)
    order by c.id
    for no key update
  loop
    if v_context.status in ('link_requested', 'linked', 'notified') then
      raise exception 'care context % is linked already', v_context.id
        using errcode = 'IM705', hint = 'discover again: it is no longer offered';
    end if;
    update abdm.care_contexts c
    set
      status = 'link_requested', abha_account_id = v_account.id, link_transaction_id = v_transaction.id,
      last_error = null
    where c.tenant_id = v_tenant and c.id = v_context.id;
  end loop;
  perform abdm.settle_contexts(v_transaction, null);
  update abdm.linking_transactions t
  set status = 'confirmed', otp_hash = null, error_code = null, responded_at = now()
  where t.tenant_id = v_tenant and t.id = v_transaction.id
  returning t.* into v_transaction;
  return v_transaction;
end
$$;

comment on function abdm.confirm_link(text, bytea) is 'about=The patient typed the OTP. Right: the contexts are linked (status confirmed), and so is the ABHA address. Wrong: the answer is otp_sent with one attempt more, failed after the third. Confirming again changes nothing. IM003, IM005 no such link, IM700 the address is another patient''s, IM701 the patient has another ABHA, IM703 expired, IM704 three wrong OTPs, IM705 linked already.';

create function abdm.expire_linking(p_limit integer default 1000) returns integer
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_id uuid;
  v_expired integer := 0;
begin
  for v_id in
    select t.id
    from abdm.linking_transactions t
    where t.tenant_id = v_tenant and t.status = 'otp_sent' and t.otp_expires_at <= now()
    order by t.otp_expires_at
    limit p_limit
    for update skip locked
  loop
    update abdm.linking_transactions t
    set status = 'expired', otp_hash = null
    where t.tenant_id = v_tenant and t.id = v_id;
    v_expired := v_expired + 1;
  end loop;
  return v_expired;
end
$$;

comment on function abdm.expire_linking(integer) is 'about=Ends up to p_limit links whose OTP has expired and returns how many. For a job.';
