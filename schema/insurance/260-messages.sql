-- Envelopes of the exchange. The gateway encrypts and decrypts; what it sends and gets is stored here first, so that
-- nothing is lost and everything can be replayed. Business messages leave on events of the outbox
-- (claim.submitted.v1, ...).

create function insurance.store_message(
  p_direction text,
  p_envelope jsonb,
  p_subject_type text default null,
  p_subject_id uuid default null
) returns insurance.nhcx_messages
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_hash bytea := insurance.bytes_of(p_envelope, 'payload_hash');
  v_message insurance.nhcx_messages;
begin
  perform insurance.refuse_unknown_keys(
    p_envelope,
    array[
      'api_path', 'entity', 'api_call_id', 'request_id', 'correlation_id', 'workflow_id', 'sender_code',
      'recipient_code', 'hcx_status', 'hcx_timestamp', 'ben_abha_bidx', 'jwe_enc', 'payload_hash', 'bundle_document_id'
    ]
  );
  insert into insurance.nhcx_messages (
    tenant_id, direction, api_path, entity, api_call_id, request_id, correlation_id, workflow_id, sender_code,
    recipient_code, hcx_status, hcx_timestamp, ben_abha_bidx, jwe_enc, payload_hash, bundle_document_id, subject_type,
    subject_id
  )
  values (
    v_tenant, p_direction, p_envelope ->> 'api_path', p_envelope ->> 'entity', (p_envelope ->> 'api_call_id')::uuid,
    (p_envelope ->> 'request_id')::uuid, (p_envelope ->> 'correlation_id')::uuid, p_envelope ->> 'workflow_id',
    p_envelope ->> 'sender_code', p_envelope ->> 'recipient_code', p_envelope ->> 'hcx_status',
    (p_envelope ->> 'hcx_timestamp')::timestamptz, insurance.bytes_of(p_envelope, 'ben_abha_bidx'),
    insurance.bytes_of(p_envelope, 'jwe_enc'), v_hash, (p_envelope ->> 'bundle_document_id')::uuid, p_subject_type,
    p_subject_id
  )
  on conflict do nothing
  returning * into v_message;
  if found then
    return v_message;
  end if;

  select m.* into v_message
  from insurance.nhcx_messages m
  where
    m.tenant_id = v_tenant and m.direction = p_direction
    and (
      m.api_call_id = (p_envelope ->> 'api_call_id')::uuid
      or m.correlation_id = (p_envelope ->> 'correlation_id')::uuid and m.api_path = p_envelope ->> 'api_path'
        and m.payload_hash = v_hash and m.status <> 'failed'
    )
  order by m.api_call_id = (p_envelope ->> 'api_call_id')::uuid desc
  limit 1;
  if v_message.payload_hash <> v_hash then
    raise exception 'call % came with another payload', v_message.api_call_id
      using errcode = 'IM011', hint = 'every call has an id of its own';
  end if;
  return v_message;
end
$$;

comment on function insurance.store_message(text, jsonb, text, uuid) is 'about=Stores an envelope once per call and, unless it failed, per payload; a repeat gives the stored one. IM011 the call id came with another payload.';

create function insurance.receive_message(p_envelope jsonb) returns insurance.nhcx_messages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
begin
  return insurance.store_message('in', p_envelope);
end
$$;

comment on function insurance.receive_message(jsonb) is 'about=Stores what came from the exchange {api_path, entity, api_call_id, request_id, correlation_id, workflow_id, sender_code, recipient_code, hcx_status, hcx_timestamp, ben_abha_bidx, jwe_enc, payload_hash, bundle_document_id}, bytes in hexadecimal. The same call, or payload, again gives the stored message, whose status says whether it was applied. IM003 no tenant, IM011 the call id came with another payload, 22023 unknown key.';

create function insurance.queue_message(p_envelope jsonb, p_subject_type text, p_subject_id uuid)
  returns insurance.nhcx_messages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
begin
  return insurance.store_message('out', p_envelope, p_subject_type, p_subject_id);
end
$$;

comment on function insurance.queue_message(jsonb, text, uuid) is 'about=Stores an envelope before it is sent, with the row that it is about (insurance_claims, eligibility_checks or claim_payments); keys as in insurance.receive_message. Queued again: the stored one. IM003 no tenant, IM011 the call id has another payload, 22023 unknown key.';

create function insurance.lock_message(p_message_id uuid, p_direction text) returns insurance.nhcx_messages
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_message insurance.nhcx_messages;
begin
  select m.* into v_message
  from insurance.nhcx_messages m
  where m.tenant_id = v_tenant and m.id = p_message_id and m.direction = p_direction
  for no key update;
  if not found then
    raise exception 'message % ("%") does not exist', p_message_id, p_direction
      using errcode = 'IM005', hint = 'store it with insurance.receive_message or insurance.queue_message';
  end if;
  return v_message;
end
$$;

comment on function insurance.lock_message(uuid, text) is 'about=The message, locked until the transaction ends. IM005 no such message of this direction.';

create function insurance.lock_outgoing(p_message_id uuid) returns insurance.nhcx_messages
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_claim_id uuid;
begin
  -- the submission before its message, as an answer locks them; what a message is about never changes
  select m.subject_id into v_claim_id
  from insurance.nhcx_messages m
  where
    m.tenant_id = v_tenant and m.id = p_message_id and m.direction = 'out' and m.subject_type = 'insurance_claims';
  if found then
    perform insurance.lock_claim(v_claim_id);
  end if;
  return insurance.lock_message(p_message_id, 'out');
end
$$;

comment on function insurance.lock_outgoing(uuid) is 'about=The outgoing message, locked after the submission that it is about. IM005 no such outgoing message.';

create function insurance.mark_message_sent(p_message_id uuid, p_http_status int) returns insurance.nhcx_messages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_message insurance.nhcx_messages := insurance.lock_outgoing(p_message_id);
  v_claim insurance.insurance_claims;
begin
  if v_message.status in ('sent', 'completed') then
    return v_message;
  end if;
  if v_message.status = 'failed' then
    update insurance.nhcx_messages m
    set status = 'pending'
    where m.tenant_id = v_message.tenant_id and m.id = v_message.id;
  end if;
  update insurance.nhcx_messages m
  set
    status = 'sent', http_status = p_http_status, attempts = m.attempts + 1, next_attempt_at = null, error_code = null,
    error = null
  where m.tenant_id = v_message.tenant_id and m.id = v_message.id
  returning m.* into v_message;

  if v_message.subject_type = 'insurance_claims' then
    v_claim := insurance.lock_claim(v_message.subject_id);
    if v_claim.correlation_id = v_message.correlation_id and v_claim.dispatch_status in ('pending', 'error') then
      update insurance.insurance_claims c
      set dispatch_status = 'awaiting', dispatched_at = now(), dispatch_error = null
      where c.tenant_id = v_claim.tenant_id and c.id = v_claim.id
      returning c.* into v_claim;
      if v_claim.status = 'dispatch_failed' then
        perform insurance.move_claim(v_claim, 'submitted', 'SYSTEM');
      end if;
    end if;
  elsif v_message.subject_type = 'eligibility_checks' then
    update insurance.eligibility_checks e
    set status = 'awaiting', sent_at = now()
    where
      e.tenant_id = v_message.tenant_id and e.id = v_message.subject_id and e.correlation_id = v_message.correlation_id
      and e.status in ('pending', 'error');
  end if;
  return v_message;
end
$$;

comment on function insurance.mark_message_sent(uuid, int) is 'about=The exchange took the message; its submission or check awaits the answer. Marked again: no change. IM005 no such outgoing message.';

create function insurance.mark_message_failed(
  p_message_id uuid,
  p_error_code text,
  p_error jsonb default null,
  p_http_status int default null,
  p_retry_at timestamptz default null
) returns insurance.nhcx_messages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_message insurance.nhcx_messages := insurance.lock_outgoing(p_message_id);
  v_claim insurance.insurance_claims;
begin
  update insurance.nhcx_messages m
  set
    status = 'failed', error_code = p_error_code, error = p_error, http_status = p_http_status,
    attempts = m.attempts + 1, next_attempt_at = p_retry_at
  where m.tenant_id = v_message.tenant_id and m.id = v_message.id
  returning m.* into v_message;
  if v_message.subject_type = 'insurance_claims' and p_retry_at is null then
    v_claim := insurance.lock_claim(v_message.subject_id);
    if v_claim.correlation_id = v_message.correlation_id and v_claim.status = 'submitted' then
      update insurance.insurance_claims c
      set dispatch_status = 'error', dispatch_error = p_error_code
      where c.tenant_id = v_claim.tenant_id and c.id = v_claim.id
      returning c.* into v_claim;
      perform insurance.move_claim(v_claim, 'dispatch_failed', 'SYSTEM', jsonb_build_object('message_id', v_message.id));
    end if;
  elsif v_message.subject_type = 'eligibility_checks' and p_retry_at is null then
    update insurance.eligibility_checks e
    set status = 'error', error = p_error
    where
      e.tenant_id = v_message.tenant_id and e.id = v_message.subject_id
      and e.status in ('pending', 'awaiting', 'partial');
  end if;
  return v_message;
end
$$;

comment on function insurance.mark_message_failed(uuid, text, jsonb, int, timestamptz) is 'about=The message could not be sent; without p_retry_at for good: then its submission becomes dispatch_failed, and may be sent again (insurance.mark_message_sent) or cancelled. IM001 completed already, IM005 no such outgoing message.';

create function insurance.finish_message(
  p_message_id uuid,
  p_subject_type text,
  p_subject_id uuid
) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_message insurance.nhcx_messages;
begin
  if p_message_id is null then
    return;
  end if;
  v_message := insurance.lock_message(p_message_id, 'in');
  if v_message.status = 'failed' then
    update insurance.nhcx_messages m
    set status = 'pending'
    where m.tenant_id = v_message.tenant_id and m.id = v_message.id;
  end if;
  update insurance.nhcx_messages m
  set status = 'processing'
  where m.tenant_id = v_message.tenant_id and m.id = v_message.id and m.status = 'pending';
  update insurance.nhcx_messages m
  set
    status = 'completed', processed_at = now(), subject_type = p_subject_type, subject_id = p_subject_id,
    attempts = m.attempts + 1, error_code = null, error = null
  where m.tenant_id = v_message.tenant_id and m.id = v_message.id and m.status = 'processing';
  -- the question that it answers
  update insurance.nhcx_messages m
  set status = 'completed', processed_at = now()
  where
    m.tenant_id = v_message.tenant_id and m.direction = 'out' and m.correlation_id = v_message.correlation_id
    and m.status = 'sent';
end
$$;

comment on function insurance.finish_message(uuid, text, uuid) is 'about=Marks an incoming message as applied to a row, and the message that it answers as completed; null for answers that came another way. IM005 no such incoming message.';

create function insurance.park_message(p_message_id uuid, p_code text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_message insurance.nhcx_messages := insurance.lock_message(p_message_id, 'in');
begin
  update insurance.nhcx_messages m
  set status = 'failed', error_code = p_code, attempts = m.attempts + 1
  where m.tenant_id = v_message.tenant_id and m.id = v_message.id;
end
$$;

comment on function insurance.park_message(uuid, text) is 'about=Keeps an incoming message that could not be applied as failed, with its code; applying it again is the replay.';
