-- What becomes of a message. Workers claim, parse, apply, or fail; every step answers the same when it is repeated.

create function interop.lock_message(p_message_id uuid) returns interop.hl7_messages
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_message interop.hl7_messages;
begin
  select m.* into v_message
  from interop.hl7_messages m
  where m.tenant_id = v_tenant and m.id = p_message_id
  for no key update;
  if not found then
    raise exception 'message % does not exist', p_message_id
      using errcode = 'IM005', hint = 'choose a message of the tenant';
  end if;
  return v_message;
end
$$;

comment on function interop.lock_message(uuid) is 'about=The message, locked until the transaction ends. IM005 no such message.';

create function interop.claim_messages(
  p_direction text,
  p_limit int default 20,
  p_lease interval default interval '1 minute'
) returns setof interop.hl7_messages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_message interop.hl7_messages;
  v_max int := coalesce((core.setting('interop.max_attempts') #>> '{}')::int, 8);
begin
  if p_limit not between 1 and 1000 or p_lease not between interval '1 second' and interval '1 hour' then
    raise exception 'limit % or lease % is out of range', p_limit, p_lease
      using errcode = '22023', hint = 'claim 1 to 1000 messages for 1 second to 1 hour';
  end if;
  for v_message in
    select m.*
    from interop.hl7_messages m
    join interop.endpoints e on e.tenant_id = m.tenant_id and e.id = m.endpoint_id
    where
      m.tenant_id = v_tenant and m.direction = p_direction and m.status in ('received', 'parsed', 'queued', 'failed')
      and m.next_attempt_at <= now() and e.status = 'active'
    order by m.next_attempt_at, m.id
    limit p_limit
    for no key update of m skip locked
  loop
    -- it takes every worker down with it
    if v_message.attempts >= v_max then
      perform interop.fail_message(
        v_message.id, format('given up: %s attempts were begun and none ended', v_message.attempts)
      );
      continue;
    end if;
    -- a message that goes out again is queued again; one that came in is parsed again from failed
    update interop.hl7_messages m
    set
      status = case when p_direction = 'out' then 'queued' else m.status end,
      attempts = m.attempts + 1, next_attempt_at = now() + p_lease
    where m.tenant_id = v_tenant and m.id = v_message.id and m.received_at = v_message.received_at
    returning m.* into v_message;
    return next v_message;
  end loop;
end
$$;

comment on function interop.claim_messages(text, int, interval) is 'about=Gives a worker up to p_limit due messages of a direction, oldest first, and hides them from others for the lease; a worker that dies loses them after it, parsed ones too, and one that was claimed interop.max_attempts times in vain is dead. A message may so be processed twice: the steps after it answer the same when repeated. Messages of paused endpoints wait.';

create function interop.parse_message(p_message_id uuid, p_parsed_enc bytea, p_patient_id uuid default null)
  returns interop.hl7_messages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_message interop.hl7_messages := interop.lock_message(p_message_id);
begin
  if v_message.status in ('parsed', 'applied', 'ignored') then
    return v_message;
  end if;
  update interop.hl7_messages m
  set status = 'parsed', parsed_enc = p_parsed_enc, patient_id = coalesce(p_patient_id, m.patient_id)
  where m.tenant_id = v_message.tenant_id and m.id = v_message.id and m.received_at = v_message.received_at
  returning m.* into v_message;
  return v_message;
end
$$;

comment on function interop.parse_message(uuid, bytea, uuid) is 'about=Stores the segments, and the patient once matched. IM001 the message was rejected or is dead, IM005 no such message.';

create function interop.apply_message(
  p_message_id uuid,
  p_subject_type text,
  p_subject_id uuid,
  p_patient_id uuid default null
) returns interop.hl7_messages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_message interop.hl7_messages := interop.lock_message(p_message_id);
begin
  if v_message.status = 'applied' then
    return v_message;
  end if;
  perform interop.find_mapping(v_message.endpoint_id, v_message.message_type, v_message.trigger_event);
  update interop.hl7_messages m
  set
    status = 'applied', subject_type = p_subject_type, subject_id = p_subject_id,
    patient_id = coalesce(p_patient_id, m.patient_id), ack_code = 'AA', ack_at = now(), ack_text = null,
    error_segments = null, next_attempt_at = null
  where m.tenant_id = v_message.tenant_id and m.id = v_message.id and m.received_at = v_message.received_at
  returning m.* into v_message;
  return v_message;
end
$$;

comment on function interop.apply_message(uuid, text, uuid, uuid) is 'about=The message has become a row, in the same transaction: it is applied and answered with AA. IM001 not parsed, IM005 no such message, IM800 no active mapping rule for its type.';

create function interop.ignore_message(p_message_id uuid, p_reason text) returns interop.hl7_messages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_message interop.hl7_messages := interop.lock_message(p_message_id);
begin
  if v_message.status = 'ignored' then
    return v_message;
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'message % needs a reason to be ignored', p_message_id
      using errcode = 'IM002', hint = 'say why in p_reason';
  end if;
  perform core.set_reason(p_reason);
  update interop.hl7_messages m
  set status = 'ignored', ack_code = 'AA', ack_at = now(), ack_text = p_reason, next_attempt_at = null
  where m.tenant_id = v_message.tenant_id and m.id = v_message.id and m.received_at = v_message.received_at
  returning m.* into v_message;
  return v_message;
end
$$;

comment on function interop.ignore_message(uuid, text) is 'about=The message is understood and nothing is to be done: answered with AA. IM001 not parsed, IM002 no reason, IM005 no such message.';

create function interop.fail_message(
  p_message_id uuid,
  p_error text,
  p_error_segments jsonb default null,
  p_permanent boolean default false
) returns interop.hl7_messages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_message interop.hl7_messages := interop.lock_message(p_message_id);
  v_max int := coalesce((core.setting('interop.max_attempts') #>> '{}')::int, 8);
begin
  if v_message.status in ('dead', 'rejected') then
    return v_message;
  end if;
  update interop.hl7_messages m
  set
    status = 'failed', error_segments = p_error_segments, ack_text = left(p_error, 500),
    -- one that goes out keeps the answer that it got
    ack_code = case m.direction when 'in' then 'AE' else m.ack_code end,
    ack_at = case m.direction when 'in' then now() else m.ack_at end,
    next_attempt_at = now() + least(interval '1 hour', interval '1 second' * (2 ^ least(m.attempts, 12)))
  where m.tenant_id = v_message.tenant_id and m.id = v_message.id and m.received_at = v_message.received_at
  returning m.* into v_message;
  if p_permanent or v_message.attempts >= v_max then
    update interop.hl7_messages m
    set status = 'dead', next_attempt_at = null
    where m.tenant_id = v_message.tenant_id and m.id = v_message.id and m.received_at = v_message.received_at
    returning m.* into v_message;
  end if;
  return v_message;
end
$$;

comment on function interop.fail_message(uuid, text, jsonb, boolean) is 'about=Processing or sending failed: it is tried again with exponential back-off, and dead after setting interop.max_attempts (default 8) or at once when p_permanent. A message in is answered with AE. p_error names fields, never their values. IM001 applied or answered already, IM005 no such message.';

create function interop.reject_message(p_message_id uuid, p_error text, p_error_segments jsonb default null)
  returns interop.hl7_messages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_message interop.hl7_messages := interop.lock_message(p_message_id);
begin
  if v_message.status = 'rejected' then
    return v_message;
  end if;
  update interop.hl7_messages m
  set
    status = 'rejected', ack_code = 'AR', ack_at = now(), ack_text = left(p_error, 500),
    error_segments = p_error_segments, next_attempt_at = null
  where m.tenant_id = v_message.tenant_id and m.id = v_message.id and m.received_at = v_message.received_at
  returning m.* into v_message;
  return v_message;
end
$$;

comment on function interop.reject_message(uuid, text, jsonb) is 'about=The message cannot be read, and will not when it is repeated: answered with AR. IM001 parsed already, IM005 no such message.';

create function interop.replay_message(p_message_id uuid) returns interop.hl7_messages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_message interop.hl7_messages := interop.lock_message(p_message_id);
  v_replay interop.hl7_messages;
begin
  select m.* into v_replay
  from interop.hl7_messages m
  where
    m.tenant_id = v_message.tenant_id and m.replay_of_id = p_message_id and m.status not in ('dead', 'rejected')
  order by m.received_at desc
  limit 1;
  if found then
    return v_replay;
  end if;
  if v_message.status not in ('failed', 'dead', 'rejected') then
    raise exception 'message % is %', p_message_id, v_message.status
      using errcode = 'IM001', hint = 'only messages that failed, are dead or were rejected are replayed';
  end if;
  if v_message.status = 'failed' then -- the replay takes its place
    update interop.hl7_messages m
    set status = 'dead', next_attempt_at = null
    where m.tenant_id = v_message.tenant_id and m.id = v_message.id and m.received_at = v_message.received_at;
  end if;
  insert into interop.hl7_messages as m (
    tenant_id, endpoint_id, direction, control_id, message_type, trigger_event, version_id, processing_id, message_at,
    received_at, raw_enc, raw_hash, patient_id, subject_type, subject_id, next_attempt_at, replay_of_id
  )
  values (
    v_message.tenant_id, v_message.endpoint_id, v_message.direction, v_message.control_id, v_message.message_type,
    v_message.trigger_event, v_message.version_id, v_message.processing_id, v_message.message_at, clock_timestamp(),
    v_message.raw_enc, v_message.raw_hash, v_message.patient_id, v_message.subject_type, v_message.subject_id, now(),
    p_message_id
  )
  returning m.* into v_replay;
  if v_replay.direction = 'out' then
    update interop.hl7_messages m
    set status = 'queued'
    where m.tenant_id = v_replay.tenant_id and m.id = v_replay.id and m.received_at = v_replay.received_at
    returning m.* into v_replay;
  end if;
  return v_replay;
end
$$;

comment on function interop.replay_message(uuid) is 'about=Tries a message again as a new row that names it, after a mapping or a system was put right; the old one stays as evidence. Asked again while the replay lives: the same replay. IM001 it has not failed, IM005 no such message.';

create function interop.mark_sent(p_message_id uuid) returns interop.hl7_messages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_message interop.hl7_messages := interop.lock_message(p_message_id);
begin
  if v_message.status in ('sent', 'acked') then
    return v_message;
  end if;
  update interop.hl7_messages m
  set status = 'sent', next_attempt_at = null
  where m.tenant_id = v_message.tenant_id and m.id = v_message.id and m.received_at = v_message.received_at
  returning m.* into v_message;
  return v_message;
end
$$;

comment on function interop.mark_sent(uuid) is 'about=The message has left; the answer is awaited. IM001 not queued, IM005 no such message.';

create function interop.record_ack(p_message_id uuid, p_ack_code text, p_ack_text text default null)
  returns interop.hl7_messages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_message interop.hl7_messages := interop.lock_message(p_message_id);
begin
  if v_message.ack_code = p_ack_code and v_message.status in ('acked', 'failed', 'dead') then
    return v_message;
  end if;
  if v_message.direction <> 'out' or v_message.status <> 'sent' then
    raise exception 'message % is % and awaits no answer', p_message_id, v_message.status
      using errcode = 'IM001', hint = 'answers belong to messages that were sent';
  end if;
  update interop.hl7_messages m
  set ack_code = p_ack_code, ack_at = now(), ack_text = left(p_ack_text, 500)
  where m.tenant_id = v_message.tenant_id and m.id = v_message.id and m.received_at = v_message.received_at
  returning m.* into v_message;
  if p_ack_code in ('AA', 'CA') then
    update interop.hl7_messages m
    set status = 'acked'
    where m.tenant_id = v_message.tenant_id and m.id = v_message.id and m.received_at = v_message.received_at
    returning m.* into v_message;
    return v_message;
  end if;
  -- an error may pass, a rejection does not
  return interop.fail_message(p_message_id, p_ack_text, null, p_ack_code in ('AR', 'CR'));
end
$$;

comment on function interop.record_ack(uuid, text, text) is 'about=The answer to a message that was sent: AA and CA end it, AE and CE have it sent again later, AR and CR end it as dead. IM001 it awaits no answer, IM005 no such message.';
