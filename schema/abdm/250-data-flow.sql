-- Milestone M3, data: a session under an artefact, its authorisation, its pages, its end.
-- Order of locks: artefact, session, transfers.

create function abdm.open_session(p_session jsonb) returns abdm.health_info_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_role text := p_session ->> 'role';
  v_artefact_id uuid;
  v_session abdm.health_info_requests;
begin
  select a.id into v_artefact_id
  from abdm.consent_artefacts a
  where a.tenant_id = v_tenant and a.role = v_role and a.artefact_id = (p_session ->> 'artefact_id')::uuid;
  if not found then
    raise exception 'artefact % is not known', p_session ->> 'artefact_id'
      using errcode = 'IM005', hint = 'it comes with abdm.ingest_consent';
  end if;
  insert into abdm.health_info_requests (
    tenant_id, role, request_id, transaction_id, artefact_row_id, data_from, data_to, data_push_url, crypto_alg, curve,
    peer_public_key, peer_key_expires_at, peer_nonce, own_public_key, own_private_key_enc, own_nonce, pages_expected
  )
  values (
    v_tenant, v_role, (p_session ->> 'request_id')::uuid, (p_session ->> 'transaction_id')::uuid, v_artefact_id,
    (p_session ->> 'data_from')::timestamptz, (p_session ->> 'data_to')::timestamptz, p_session ->> 'data_push_url',
    coalesce(p_session ->> 'crypto_alg', 'ECDH'), coalesce(p_session ->> 'curve', 'Curve25519'),
    p_session ->> 'peer_public_key', (p_session ->> 'peer_key_expires_at')::timestamptz, p_session ->> 'peer_nonce',
    p_session ->> 'own_public_key', patient.bytes_of(p_session, 'own_private_key_enc'), p_session ->> 'own_nonce',
    (p_session ->> 'pages_expected')::integer
  )
  on conflict (tenant_id, role, request_id) do nothing
  returning * into v_session;
  if not found then
    select h.* into v_session
    from abdm.health_info_requests h
    where h.tenant_id = v_tenant and h.role = v_role and h.request_id = (p_session ->> 'request_id')::uuid;
    if v_session.artefact_row_id <> v_artefact_id then
      raise exception 'request % opened a session of another artefact', v_session.request_id
        using errcode = 'IM011', hint = 'choose a new request id';
    end if;
  end if;
  return v_session;
end
$$;

comment on function abdm.open_session(jsonb) is 'about=Opens a session of data flow: {role, request_id, transaction_id, artefact_id, data_from, data_to, data_push_url, crypto_alg, curve, peer_public_key, peer_key_expires_at, peer_nonce, own_public_key, own_private_key_enc, own_nonce, pages_expected}. Nothing may move until abdm.authorise_transfer. Same request id, same session. IM003, IM005 no such artefact, IM011, 22023 key in plain text, 23514 malformed.';

create function abdm.lock_session(p_session_id uuid, p_for_use boolean default false) returns abdm.health_info_requests
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_artefact_id uuid;
  v_session abdm.health_info_requests;
begin
  -- the artefact before the session, as revoking does
  select h.artefact_row_id into v_artefact_id
  from abdm.health_info_requests h
  where h.tenant_id = v_tenant and h.id = p_session_id;
  if not found then
    raise exception 'session % does not exist', p_session_id
      using errcode = 'IM005', hint = 'open one with abdm.open_session';
  end if;
  if p_for_use then
    perform from abdm.consent_artefacts a where a.tenant_id = v_tenant and a.id = v_artefact_id for no key update;
  else
    perform from abdm.consent_artefacts a where a.tenant_id = v_tenant and a.id = v_artefact_id for share;
  end if;
  select h.* into v_session
  from abdm.health_info_requests h
  where h.tenant_id = v_tenant and h.id = p_session_id
  for no key update;
  return v_session;
end
$$;

comment on function abdm.lock_session(uuid, boolean) is 'about=A session, locked after its artefact; p_for_use makes other authorisations of the artefact wait. IM005 no such session.';

create function abdm.authorise_transfer(p_session_id uuid, p_care_context_references text[] default null)
  returns abdm.health_info_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_session abdm.health_info_requests := abdm.lock_session(p_session_id, true);
  v_references text[] := p_care_context_references;
begin
  if v_session.authorised_at is not null and v_session.status <> 'failed' then
    return v_session;
  end if;
  if v_references is null then
    v_references := array(
      select m.reference
      from abdm.movable_contexts(
        v_session.tenant_id, v_session.artefact_row_id, v_session.data_from, v_session.data_to
      ) as m (reference)
    );
  end if;
  update abdm.health_info_requests h
  set
    status = 'acknowledged', session_status = 'ACKNOWLEDGED', authorised_at = now(),
    care_context_references = v_references
  where h.tenant_id = v_session.tenant_id and h.id = v_session.id
  returning h.* into v_session;
  return v_session;
end
$$;

comment on function abdm.authorise_transfer(uuid, text[]) is 'about=May this session move data? Answers with the session, acknowledged, and the contexts that may move: those named, or all that the artefact lists and that fit. The only way to a transfer; counts once for the frequency, and again is the same answer. IM001 rejected, IM005, IM710 consent not granted, IM711 outside the window, IM712 used too often, IM713 context or HI type not listed, IM714 wrong signature, IM715 due for erasure, 23514 no context left. Then call abdm.reject_session.';

create function abdm.reject_session(p_session_id uuid, p_error_code text) returns abdm.health_info_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_session abdm.health_info_requests := abdm.lock_session(p_session_id);
begin
  if v_session.status = 'rejected' then
    return v_session;
  end if;
  update abdm.health_info_requests h
  set status = 'rejected', session_status = 'FAILED', error_code = p_error_code, own_private_key_enc = null
  where h.tenant_id = v_session.tenant_id and h.id = v_session.id
  returning h.* into v_session;
  return v_session;
end
$$;

comment on function abdm.reject_session(uuid, text) is 'about=Ends a session that was not authorised, with the code of the refusal; its key is gone. IM001 it was authorised, IM005.';

create function abdm.record_transfer(p_session_id uuid, p_transfer jsonb) returns abdm.health_info_transfers
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_session abdm.health_info_requests := abdm.lock_session(p_session_id);
  v_artefact abdm.consent_artefacts;
  v_transfer abdm.health_info_transfers;
begin
  select t.* into v_transfer
  from abdm.health_info_transfers t
  where
    t.tenant_id = v_session.tenant_id and t.request_row_id = v_session.id
    and t.care_context_reference = p_transfer ->> 'care_context_reference'
    and t.page_no = (p_transfer ->> 'page_no')::integer;
  if found then
    return v_transfer;
  end if;
  select a.* into v_artefact
  from abdm.consent_artefacts a
  where a.tenant_id = v_session.tenant_id and a.id = v_session.artefact_row_id;
  if v_artefact.status <> 'granted' then
    raise exception 'artefact % is %', v_artefact.id, v_artefact.status
      using errcode = 'IM710', hint = 'stop: the consent ended while data were moving';
  end if;
  if v_artefact.data_erase_at <= now() then
    raise exception 'the data of artefact % are due to be erased', v_artefact.id
      using errcode = 'IM715', hint = 'stop: ask for a new consent';
  end if;

  insert into abdm.health_info_transfers (
    tenant_id, request_row_id, direction, care_context_reference, page_no, media_type, checksum, hi_status,
    bundle_document_id, bundle_profile, validation_errors, erase_at, error
  )
  values (
    v_session.tenant_id, v_session.id, case v_session.role when 'HIP' then 'out' else 'in' end,
    p_transfer ->> 'care_context_reference', (p_transfer ->> 'page_no')::integer,
    coalesce(p_transfer ->> 'media_type', 'application/fhir+json'), patient.bytes_of(p_transfer, 'checksum'),
    p_transfer ->> 'hi_status', (p_transfer ->> 'bundle_document_id')::uuid, p_transfer ->> 'bundle_profile',
    nullif(p_transfer -> 'validation_errors', 'null'),
    case v_session.role when 'HIU' then v_artefact.data_erase_at end, p_transfer ->> 'error'
  )
  returning * into v_transfer;
  if v_transfer.direction = 'out' and v_artefact.patient_id is not null then
    perform audit.log_disclosure(
      'abdm.care_contexts', v_transfer.id, v_artefact.patient_id, v_artefact.hiu_id,
      'ABDM consent artefact ' || v_artefact.artefact_id
    );
  end if;
  update abdm.health_info_requests h
  set status = 'transferring', pages_received = h.pages_received + 1
  where h.tenant_id = v_session.tenant_id and h.id = v_session.id;
  return v_transfer;
end
$$;

comment on function abdm.record_transfer(uuid, jsonb) is 'about=A page was sent or received: {care_context_reference, page_no, media_type, checksum, hi_status, bundle_document_id, bundle_profile, validation_errors, error}. The same page again is the same row. IM001 session not authorised or over, IM005, IM710 the consent ended, IM713 context not in the session, IM715 due for erasure.';

create function abdm.finish_transfer(p_session_id uuid, p_session_status text, p_error_code text default null)
  returns abdm.health_info_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_session abdm.health_info_requests := abdm.lock_session(p_session_id);
  v_status text := lower(p_session_status);
begin
  if v_status is null or v_status not in ('transferred', 'failed', 'partial') then
    raise exception 'a session does not end as "%"', p_session_status
      using errcode = '22023', hint = 'TRANSFERRED, FAILED or PARTIAL';
  end if;
  if v_session.status in (v_status, 'notified') then
    return v_session;
  end if;
  update abdm.health_info_requests h
  set
    status = v_status, session_status = upper(v_status), error_code = p_error_code,
    own_private_key_enc = case when v_status = 'partial' then h.own_private_key_enc end
  where h.tenant_id = v_session.tenant_id and h.id = v_session.id
  returning h.* into v_session;
  return v_session;
end
$$;

comment on function abdm.finish_transfer(uuid, text, text) is 'about=The session ended as TRANSFERRED or FAILED, and its private key is gone; PARTIAL may go on. Again: nothing changes. IM001, IM005, 22023 another word.';

create function abdm.mark_session_notified(p_session_id uuid) returns abdm.health_info_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_session abdm.health_info_requests := abdm.lock_session(p_session_id);
begin
  if v_session.status = 'notified' then
    return v_session;
  end if;
  update abdm.health_info_requests h
  set status = 'notified', notified_at = now()
  where h.tenant_id = v_session.tenant_id and h.id = v_session.id
  returning h.* into v_session;
  return v_session;
end
$$;

comment on function abdm.mark_session_notified(uuid) is 'about=The consent manager was told how the session ended. IM001 it has not ended, IM005.';

create function abdm.erase_due(p_limit integer default 100) returns integer
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_transfer record;
  v_erased integer := 0;
begin
  -- a hold that is being placed is waited for, one that comes later waits
  perform pg_advisory_xact_lock_shared(compliance.holds_lock_key(v_tenant));
  for v_transfer in
    select t.id, t.bundle_document_id
    from abdm.health_info_transfers t
    join abdm.health_info_requests h on h.tenant_id = t.tenant_id and h.id = t.request_row_id
    join abdm.consent_artefacts a on a.tenant_id = h.tenant_id and a.id = h.artefact_row_id
    where
      t.tenant_id = v_tenant and t.erased_at is null and t.erase_at <= now()
      and not compliance.is_under_hold('abdm', 'health_info_transfers', t.id, a.patient_id)
      and (
        t.bundle_document_id is null
        or not compliance.is_under_hold('ehr', 'documents', t.bundle_document_id, a.patient_id)
      )
    order by t.erase_at
    limit p_limit
    for update of t skip locked
  loop
    update abdm.health_info_transfers t
    set erased_at = now(), bundle_document_id = null, validation_errors = null
    where t.tenant_id = v_tenant and t.id = v_transfer.id;
    if v_transfer.bundle_document_id is not null then
      update ehr.documents d
      set deleted_at = now(), deleted_by = core.current_user_id(), delete_reason = 'the consent to hold it ended'
      where d.tenant_id = v_tenant and d.id = v_transfer.bundle_document_id and d.deleted_at is null;
      -- whoever keeps the object and its key destroys both
      perform core.enqueue(
        'health_info_transfer', v_transfer.id, 'health_info_transfer.erased.v1',
        jsonb_build_object('id', v_transfer.id, 'document_id', v_transfer.bundle_document_id)
      );
    end if;
    v_erased := v_erased + 1;
  end loop;
  return v_erased;
end
$$;

comment on function abdm.erase_due(integer) is 'about=Erases the content of up to p_limit received pages whose day has come and returns how many: the document is deleted, event health_info_transfer.erased.v1 has the store destroy object and key, the row stays with erased_at. Pages under a legal hold wait. For a job.';
