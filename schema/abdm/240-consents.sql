-- Milestone M3, consent: what we ask for, what the consent manager tells us, and how a consent ends.
-- Order of locks: consent request, artefact, its sessions by id, their transfers.

create function abdm.request_consent(p_request jsonb) returns abdm.consent_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_patient_id uuid := (p_request ->> 'patient_id')::uuid;
  v_address text := abdm.normalise_abha_address(p_request ->> 'abha_address');
  v_request abdm.consent_requests;
begin
  if core.current_user_id() is null then
    raise exception 'nobody is signed in' using errcode = 'IM006', hint = 'a consent is asked for by a clinician';
  end if;
  perform abdm.check_live_patient(v_patient_id);
  if v_address is null then
    select a.abha_address into v_address
    from abdm.abha_accounts a
    where a.tenant_id = v_tenant and a.patient_id = v_patient_id and a.status = 'linked' and a.deleted_at is null;
  end if;
  if v_address is null then
    raise exception 'patient % has no linked ABHA address', v_patient_id
      using errcode = 'IM005', hint = 'link one with abdm.link_abha, or pass abha_address';
  end if;

  insert into abdm.consent_requests (
    tenant_id, request_id, patient_id, abha_address, hiu_id, hip_id, requester_user_id, requester_registration,
    purpose, hi_types, access_mode, data_from, data_to, data_erase_at, frequency_unit, frequency_value,
    frequency_repeats
  )
  values (
    v_tenant, (p_request ->> 'request_id')::uuid, v_patient_id, v_address, p_request ->> 'hiu_id',
    p_request ->> 'hip_id', core.current_user_id(), p_request ->> 'requester_registration', p_request ->> 'purpose',
    array(select t.value from jsonb_array_elements_text(p_request -> 'hi_types') t),
    coalesce(p_request ->> 'access_mode', 'VIEW'), (p_request ->> 'data_from')::timestamptz,
    (p_request ->> 'data_to')::timestamptz, (p_request ->> 'data_erase_at')::timestamptz,
    coalesce(p_request ->> 'frequency_unit', 'DAY'), coalesce((p_request ->> 'frequency_value')::smallint, 1),
    coalesce((p_request ->> 'frequency_repeats')::smallint, 0)
  )
  on conflict (tenant_id, request_id) do nothing
  returning * into v_request;
  if not found then
    select r.* into v_request
    from abdm.consent_requests r
    where r.tenant_id = v_tenant and r.request_id = (p_request ->> 'request_id')::uuid;
    if (v_request.patient_id, v_request.purpose) is distinct from (v_patient_id, p_request ->> 'purpose') then
      raise exception 'request % asked for another consent', v_request.request_id
        using errcode = 'IM011', hint = 'choose a new request id';
    end if;
  end if;
  return v_request;
end
$$;

comment on function abdm.request_consent(jsonb) is 'about=The signed-in clinician asks for a consent: {request_id, patient_id, abha_address, hiu_id, hip_id, requester_registration, purpose, hi_types, access_mode, data_from, data_to, data_erase_at, frequency_unit, frequency_value, frequency_repeats}. A draft until the consent manager took it. Same request id, same request. IM003, IM005 no such patient or no ABHA address, IM006 nobody signed in, or BTG without emergency access, IM011, 23514 future data, no HI type, erasure in the past.';

create function abdm.record_consent_request(p_request_id uuid, p_consent_request_id uuid, p_error_code text default null)
  returns abdm.consent_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_request abdm.consent_requests;
begin
  select r.* into v_request
  from abdm.consent_requests r
  where r.tenant_id = v_tenant and r.request_id = p_request_id
  for no key update;
  if not found then
    raise exception 'request % asked for no consent', p_request_id
      using errcode = 'IM005', hint = 'the callback''s resp.requestId names the request';
  end if;
  if v_request.status <> 'draft' then
    return v_request;
  end if;
  update abdm.consent_requests r
  set
    status = case when p_error_code is null then 'requested' else 'failed' end,
    consent_request_id = p_consent_request_id, error_code = p_error_code
  where r.tenant_id = v_tenant and r.id = v_request.id
  returning r.* into v_request;
  return v_request;
end
$$;

comment on function abdm.record_consent_request(uuid, uuid, text) is 'about=The consent manager took the request and gave it an id, or refused it with p_error_code. The first answer stands. IM005 no such request.';

create function abdm.end_artefact(p_artefact abdm.consent_artefacts, p_status abdm.consent_status) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_session record;
begin
  update abdm.consent_artefacts a
  set
    status = p_status,
    revoked_at = case when p_status = 'revoked' then now() end,
    expired_at = case when p_status = 'expired' then now() end
  where a.tenant_id = p_artefact.tenant_id and a.id = p_artefact.id;

  for v_session in
    select h.id, h.status
    from abdm.health_info_requests h
    where
      h.tenant_id = p_artefact.tenant_id and h.artefact_row_id = p_artefact.id
      and h.status in ('received', 'acknowledged', 'transferring', 'partial')
    order by h.id
    for no key update
  loop
    update abdm.health_info_requests h
    set
      status = case v_session.status when 'received' then 'rejected' else 'failed' end,
      session_status = 'FAILED', own_private_key_enc = null, error_code = 'IM710'
    where h.tenant_id = p_artefact.tenant_id and h.id = v_session.id;
  end loop;

  -- what we received is due for erasure now, not on the day that was agreed
  update abdm.health_info_transfers t
  set erase_at = now()
  from abdm.health_info_requests h
  where
    h.tenant_id = p_artefact.tenant_id and h.artefact_row_id = p_artefact.id
    and t.tenant_id = h.tenant_id and t.request_row_id = h.id
    and t.direction = 'in' and t.erased_at is null and t.erase_at > now();

  -- one request may have got several artefacts: it ends with the last
  if not exists (
    select
    from abdm.consent_artefacts a
    where
      a.tenant_id = p_artefact.tenant_id and a.consent_request_id = p_artefact.consent_request_id
      and a.status = 'granted'
  ) then
    update abdm.consent_requests r
    set status = p_status::text
    where r.tenant_id = p_artefact.tenant_id and r.id = p_artefact.consent_request_id and r.status = 'granted';
  end if;
end
$$;

comment on function abdm.end_artefact(abdm.consent_artefacts, abdm.consent_status) is 'about=Revokes or expires an artefact that the caller locked after its request: open sessions end and lose their keys, received data are due for erasure, and the request ends with its last artefact.';

create function abdm.lock_artefact(p_artefact_row_id uuid) returns abdm.consent_artefacts
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_artefact abdm.consent_artefacts;
begin
  perform
  from abdm.consent_requests r
  join abdm.consent_artefacts a on a.tenant_id = r.tenant_id and a.consent_request_id = r.id
  where a.tenant_id = v_tenant and a.id = p_artefact_row_id
  for no key update of r;
  select a.* into v_artefact
  from abdm.consent_artefacts a
  where a.tenant_id = v_tenant and a.id = p_artefact_row_id
  for no key update;
  return v_artefact;
end
$$;

comment on function abdm.lock_artefact(uuid) is 'about=An artefact, locked after the request that it answers.';

create function abdm.save_artefact(p_role text, p_artefact jsonb, p_request abdm.consent_requests)
  returns abdm.consent_artefacts
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_address text := lower(btrim(p_artefact ->> 'abha_address'));
  v_is_valid boolean := (p_artefact ->> 'signature_valid')::boolean;
  v_artefact abdm.consent_artefacts;
  v_context jsonb;
  v_context_id uuid;
begin
  if v_is_valid is null then
    raise exception 'nobody checked the signature of artefact %', p_artefact ->> 'artefact_id'
      using errcode = 'IM714', hint = 'check it against the consent manager''s public key and pass signature_valid';
  end if;
  insert into abdm.consent_artefacts (
    tenant_id, artefact_id, role, consent_request_id, patient_id, abha_address, hip_id, hiu_id, consent_manager_id,
    schema_version, purpose, hi_types, access_mode, data_from, data_to, data_erase_at, frequency_unit,
    frequency_value, frequency_repeats, detail, signature, signature_valid, signature_checked_at, granted_at
  )
  values (
    v_tenant, (p_artefact ->> 'artefact_id')::uuid, p_role, p_request.id,
    coalesce(
      p_request.patient_id,
      (
        select a.patient_id
        from abdm.abha_accounts a
        where
          a.tenant_id = v_tenant and a.abha_address = v_address and a.status in ('linked', 'deactivated')
          and a.deleted_at is null
      )
    ),
    v_address, p_artefact ->> 'hip_id', p_artefact ->> 'hiu_id', p_artefact ->> 'consent_manager_id',
    coalesce(p_artefact ->> 'schema_version', 'v1.0'), p_artefact ->> 'purpose',
    array(select t.value from jsonb_array_elements_text(p_artefact -> 'hi_types') t), p_artefact ->> 'access_mode',
    (p_artefact ->> 'data_from')::timestamptz, (p_artefact ->> 'data_to')::timestamptz,
    (p_artefact ->> 'data_erase_at')::timestamptz, p_artefact ->> 'frequency_unit',
    coalesce((p_artefact ->> 'frequency_value')::smallint, 1),
    coalesce((p_artefact ->> 'frequency_repeats')::smallint, 0), p_artefact -> 'detail', p_artefact ->> 'signature',
    v_is_valid, now(), coalesce((p_artefact ->> 'granted_at')::timestamptz, now())
  )
  on conflict (tenant_id, role, artefact_id) do nothing
  returning * into v_artefact;
  if not found then -- told twice, under two request ids
    select a.* into v_artefact
    from abdm.consent_artefacts a
    where a.tenant_id = v_tenant and a.role = p_role and a.artefact_id = (p_artefact ->> 'artefact_id')::uuid
    for no key update;
    return v_artefact;
  end if;

  for v_context in select e.value from jsonb_array_elements(p_artefact -> 'care_contexts') e loop
    v_context_id := null;
    if p_role = 'HIP' then
      select c.id into v_context_id
      from abdm.care_contexts c
      where
        c.tenant_id = v_tenant and c.hip_id = v_artefact.hip_id
        and c.patient_reference = v_context ->> 'patient_reference'
        and c.reference = v_context ->> 'care_context_reference';
    end if;
    insert into abdm.consent_artefact_contexts (
      tenant_id, artefact_row_id, patient_reference, care_context_reference, care_context_id
    )
    values (
      v_tenant, v_artefact.id, v_context ->> 'patient_reference', v_context ->> 'care_context_reference', v_context_id
    );
  end loop;

  update abdm.consent_artefacts a
  set status = case when v_is_valid then 'granted' else 'invalid' end::abdm.consent_status
  where a.tenant_id = v_tenant and a.id = v_artefact.id
  returning a.* into v_artefact;
  return v_artefact;
end
$$;

comment on function abdm.save_artefact(text, jsonb, abdm.consent_requests) is 'about=Writes an artefact with its contexts: granted when its signature is right, else invalid. One that is there already stays as it is. IM714 nobody checked the signature.';

create function abdm.ingest_consent(p_request_id uuid, p_message jsonb)
  returns table (outcome text, artefact_row_id uuid, consent_row_id uuid, failure_code text)
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_role text := p_message ->> 'role';
  v_status text := p_message ->> 'status';
  v_claim record;
  v_request abdm.consent_requests;
  v_artefact_row_id uuid;
  v_artefact abdm.consent_artefacts;
  v_answer jsonb;
begin
  if v_role not in ('HIP', 'HIU') or v_status not in ('GRANTED', 'DENIED', 'REVOKED', 'EXPIRED')
    or num_nulls(v_role, v_status) > 0
  then
    raise exception 'role % with status % is no consent message', v_role, v_status
      using errcode = '22023', hint = 'role HIP or HIU; status GRANTED, DENIED, REVOKED or EXPIRED';
  end if;
  if v_status = 'REVOKED' and not p_message ? 'artefact_id' then
    raise exception 'a revocation without its artefact revokes nothing'
      using errcode = '22023', hint = 'send one message for each artefact that the gateway names';
  end if;
  v_claim := core.idempotent_begin(
    'abdm.ingest_consent', p_request_id::text, sha256(convert_to(p_message::text, 'UTF8'))
  );
  if v_claim.state = 'done' then
    return query
    select
      v_claim.response ->> 'outcome', (v_claim.response ->> 'artefact_row_id')::uuid,
      (v_claim.response ->> 'consent_row_id')::uuid, v_claim.response ->> 'failure_code';
    return;
  end if;

  if v_role = 'HIU' and p_message ? 'consent_request_id' then
    select r.* into v_request
    from abdm.consent_requests r
    where r.tenant_id = v_tenant and r.consent_request_id = (p_message ->> 'consent_request_id')::uuid
    for no key update;
    if not found then
      raise exception 'consent request % is not ours', p_message ->> 'consent_request_id'
        using errcode = 'IM005', hint = 'its own callback may be under way: try again in a moment';
    end if;
  end if;

  if v_status = 'GRANTED' and p_message ? 'artefact' then
    v_artefact := abdm.save_artefact(v_role, p_message -> 'artefact', v_request);
  elsif p_message ? 'artefact_id' then
    select a.id into v_artefact_row_id
    from abdm.consent_artefacts a
    where a.tenant_id = v_tenant and a.role = v_role and a.artefact_id = (p_message ->> 'artefact_id')::uuid;
    if not found then
      raise exception 'artefact % is not known', p_message ->> 'artefact_id'
        using errcode = 'IM005', hint = 'it may be under way: try again in a moment';
    end if;
    v_artefact := abdm.lock_artefact(v_artefact_row_id);
    if v_status in ('REVOKED', 'EXPIRED') and v_artefact.status = 'granted' then
      perform abdm.end_artefact(v_artefact, lower(v_status)::abdm.consent_status);
    end if;
  end if;

  -- the patient's decision on the request itself; how an artefact ends, abdm.end_artefact says
  if v_status in ('GRANTED', 'DENIED', 'EXPIRED') and (v_artefact.id is null or v_artefact.status = 'granted') then
    update abdm.consent_requests r
    set status = lower(v_status), decided_at = case v_status when 'EXPIRED' then r.decided_at else now() end
    where r.tenant_id = v_tenant and r.id = v_request.id and r.status = 'requested';
  end if;

  v_answer := jsonb_build_object(
    'outcome', case when v_artefact.status = 'invalid' then 'invalid' else lower(v_status) end,
    'artefact_row_id', v_artefact.id,
    'consent_row_id', coalesce(v_request.id, v_artefact.consent_request_id),
    'failure_code', case when v_artefact.status = 'invalid' then 'IM714' end
  );
  perform core.idempotent_finish('abdm.ingest_consent', p_request_id::text, v_answer);
  return query
  select
    v_answer ->> 'outcome', v_artefact.id, (v_answer ->> 'consent_row_id')::uuid, v_answer ->> 'failure_code';
end
$$;

comment on function abdm.ingest_consent(uuid, jsonb) is 'about=A consent message of the gateway, once a REQUEST-ID: {role, status GRANTED|DENIED|REVOKED|EXPIRED, consent_request_id, artefact_id, artefact {artefact_id, abha_address, hip_id, hiu_id, consent_manager_id, schema_version, purpose, hi_types, access_mode, data_from, data_to, data_erase_at, frequency_unit, frequency_value, frequency_repeats, granted_at, detail, signature, signature_valid, care_contexts [{patient_reference, care_context_reference}]}}. A wrong signature is kept as invalid and answered with failure_code IM714. Revoking and expiring end sessions and make received data due for erasure. IM005 unknown request or artefact, IM010, IM011, IM714 signature not checked, 22023 no such message.';

create function abdm.expire_consents(p_limit integer default 1000) returns integer
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_artefact abdm.consent_artefacts;
  v_id uuid;
  v_expired integer := 0;
begin
  for v_id in
    select a.id
    from abdm.consent_artefacts a
    where a.tenant_id = v_tenant and a.status = 'granted' and a.data_erase_at <= now()
    order by a.data_erase_at
    limit p_limit
  loop
    v_artefact := abdm.lock_artefact(v_id);
    continue when v_artefact.status <> 'granted'; -- somebody was faster
    perform abdm.end_artefact(v_artefact, 'expired');
    v_expired := v_expired + 1;
  end loop;
  return v_expired;
end
$$;

comment on function abdm.expire_consents(integer) is 'about=Ends up to p_limit consents whose dataEraseAt has passed, without waiting for the consent manager, and returns how many. For a job.';
