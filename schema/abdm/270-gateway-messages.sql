-- The inbox and outbox of the gateway. Callbacks are taken in at once and worked on later, under a lease; order is by time.

create function abdm.save_message(p_direction text, p_request_id uuid, p_path text, p_body_enc bytea, p_details jsonb)
  returns abdm.gateway_messages
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_message abdm.gateway_messages;
begin
  insert into abdm.gateway_messages (
    tenant_id, direction, path, request_id, response_to, hip_id, cm_id, headers, body_enc, subject_type, subject_id
  )
  values (
    v_tenant, p_direction, p_path, p_request_id, (p_details ->> 'response_to')::uuid, p_details ->> 'hip_id',
    p_details ->> 'cm_id', coalesce(p_details -> 'headers', '{}'), p_body_enc, p_details ->> 'subject_type',
    (p_details ->> 'subject_id')::uuid
  )
  on conflict (tenant_id, direction, request_id, path) do nothing
  returning * into v_message;
  if not found then
    select m.* into v_message
    from abdm.gateway_messages m
    where
      m.tenant_id = v_tenant and m.direction = p_direction and m.request_id = p_request_id and m.path = p_path;
  end if;
  return v_message;
end
$$;

comment on function abdm.save_message(text, uuid, text, bytea, jsonb) is 'about=Writes a message, or finds the one of that request id and path.';

create function abdm.receive_message(p_request_id uuid, p_path text, p_body_enc bytea, p_details jsonb default '{}')
  returns abdm.gateway_messages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_message abdm.gateway_messages := abdm.save_message('in', p_request_id, p_path, p_body_enc, p_details);
  v_call_id uuid;
begin
  if v_message.response_to is not null then
    for v_call_id in
      select m.id
      from abdm.gateway_messages m
      where
        m.tenant_id = v_message.tenant_id and m.request_id = v_message.response_to and m.direction = 'out'
        and m.status = 'sent'
      order by m.id
      for no key update
    loop
      update abdm.gateway_messages m
      set status = 'acknowledged'
      where m.tenant_id = v_message.tenant_id and m.id = v_call_id;
    end loop;
  end if;
  return v_message;
end
$$;

comment on function abdm.receive_message(uuid, text, bytea, jsonb) is 'about=Takes a callback in, once a REQUEST-ID and path, to be worked on later; the call that it answers is acknowledged. p_details {response_to, hip_id, cm_id, headers}. IM003, 23514 a token among the headers.';

create function abdm.queue_message(p_request_id uuid, p_path text, p_body_enc bytea, p_details jsonb default '{}')
  returns abdm.gateway_messages
  language sql
  security definer
  set search_path = pg_catalog, pg_temp
as $$ select abdm.save_message('out', p_request_id, p_path, p_body_enc, p_details) $$;

comment on function abdm.queue_message(uuid, text, bytea, jsonb) is 'about=Queues a call to the gateway, once a REQUEST-ID and path. p_details {hip_id, cm_id, headers, subject_type, subject_id}. IM003, 23514 a token among the headers.';

create function abdm.claim_messages(
  p_direction text,
  p_limit integer default 20,
  p_lease interval default interval '1 minute'
) returns setof abdm.gateway_messages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_token uuid := gen_random_uuid();
  v_message abdm.gateway_messages;
begin
  -- a worker that died gives its messages back when the lease is over
  for v_message in
    select m.*
    from abdm.gateway_messages m
    where m.tenant_id = v_tenant and m.status = 'processing' and m.locked_until < now()
    order by m.locked_until
    limit p_limit
    for update skip locked
  loop
    perform abdm.give_back(v_message, 'lease_ran_out', interval '0');
  end loop;

  for v_message in
    select m.*
    from abdm.gateway_messages m
    where
      m.tenant_id = v_tenant and m.status = 'pending' and m.direction = p_direction and m.next_attempt_at <= now()
    order by m.next_attempt_at, m.id
    limit p_limit
    for update skip locked
  loop
    update abdm.gateway_messages m
    set status = 'processing', attempts = m.attempts + 1, locked_until = now() + p_lease, lock_token = v_token
    where m.tenant_id = v_tenant and m.id = v_message.id
    returning m.* into v_message;
    return next v_message;
  end loop;
end
$$;

comment on function abdm.claim_messages(text, integer, interval) is 'about=Claims up to p_limit due messages of a direction (in or out) for p_lease; all carry the same lock_token. A lease that ran out is a failed attempt.';

create function abdm.give_back(p_message abdm.gateway_messages, p_error_code text, p_delay interval)
  returns abdm.gateway_messages
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_is_last boolean := p_message.attempts >= 10;
  v_message abdm.gateway_messages;
begin
  update abdm.gateway_messages m
  set
    status = case when v_is_last then 'failed' else 'pending' end,
    error_code = p_error_code,
    next_attempt_at = now() + p_delay,
    processed_at = case when v_is_last then now() end,
    locked_until = null,
    lock_token = null
  where m.tenant_id = p_message.tenant_id and m.id = p_message.id
  returning m.* into v_message;
  return v_message;
end
$$;

comment on function abdm.give_back(abdm.gateway_messages, text, interval) is 'about=Puts a message that the caller locked back into the queue, or gives it up after ten attempts.';

create function abdm.lock_claimed(p_message_id uuid, p_lock_token uuid) returns abdm.gateway_messages
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_message abdm.gateway_messages;
begin
  select m.* into v_message
  from abdm.gateway_messages m
  where m.tenant_id = core.require_tenant() and m.id = p_message_id and m.lock_token = p_lock_token
  for no key update;
  if not found then
    raise exception 'the lock on message % was lost', p_message_id
      using errcode = 'IM850', hint = 'another worker took it over after the lease; drop the result';
  end if;
  return v_message;
end
$$;

comment on function abdm.lock_claimed(uuid, uuid) is 'about=A message that the caller claimed, locked. IM850 the lease was lost.';

create function abdm.complete_message(
  p_message_id uuid,
  p_lock_token uuid,
  p_http_status integer default null,
  p_subject_type text default null,
  p_subject_id uuid default null
) returns abdm.gateway_messages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_message abdm.gateway_messages := abdm.lock_claimed(p_message_id, p_lock_token);
begin
  update abdm.gateway_messages m
  set
    status = case m.direction when 'out' then 'sent' else 'completed' end,
    http_status = coalesce(p_http_status::smallint, m.http_status),
    error_code = null,
    subject_type = coalesce(p_subject_type, m.subject_type),
    subject_id = coalesce(p_subject_id, m.subject_id),
    processed_at = now(), locked_until = null, lock_token = null
  where m.tenant_id = v_message.tenant_id and m.id = v_message.id
  returning m.* into v_message;
  return v_message;
end
$$;

comment on function abdm.complete_message(uuid, uuid, integer, text, uuid) is 'about=A claimed callback is done, or a claimed call was taken by the gateway; names the row that it was about. IM850 the lease was lost.';

create function abdm.retry_message(
  p_message_id uuid,
  p_lock_token uuid,
  p_error_code text,
  p_http_status integer default null
) returns abdm.gateway_messages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_message abdm.gateway_messages := abdm.lock_claimed(p_message_id, p_lock_token);
begin
  if p_http_status is not null then
    update abdm.gateway_messages m
    set http_status = p_http_status
    where m.tenant_id = v_message.tenant_id and m.id = v_message.id;
  end if;
  return abdm.give_back(v_message, p_error_code, least(interval '1 hour', interval '5 seconds' * 2 ^ v_message.attempts));
end
$$;

comment on function abdm.retry_message(uuid, uuid, text, integer) is 'about=A claimed message failed: it comes again later, ever later, and is failed after ten attempts. IM850 the lease was lost.';

create function abdm.replay_message(p_message_id uuid) returns abdm.gateway_messages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_message abdm.gateway_messages;
begin
  update abdm.gateway_messages m
  set status = 'pending', attempts = 0, next_attempt_at = now(), processed_at = null
  where m.tenant_id = core.require_tenant() and m.id = p_message_id and m.status = 'failed'
  returning m.* into v_message;
  if not found then
    raise exception 'message % has not failed', p_message_id
      using errcode = 'IM005', hint = 'only failed messages are replayed';
  end if;
  return v_message;
end
$$;

comment on function abdm.replay_message(uuid) is 'about=A person puts a failed message back into the queue. IM005 it has not failed.';
