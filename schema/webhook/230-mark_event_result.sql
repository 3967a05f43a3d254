-- The end of an attempt. The token fences: a worker that slept through its lease cannot overwrite another's result.

create function webhook.retry_delay(p_backoff jsonb, p_event uuid, p_attempt int) returns interval
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  -- between half and the whole of the exponential delay; the fraction is a hash, so that a repeat gives the same time
  select interval '1 millisecond' * (
    least(
      coalesce((p_backoff ->> 'max_ms')::double precision, 3600000),
      coalesce((p_backoff ->> 'base_ms')::double precision, 1000)
        * coalesce((p_backoff ->> 'factor')::double precision, 2) ^ (p_attempt - 1)
    )
    * (0.5 + (pg_catalog.hashtextextended(p_event::text, p_attempt) & 65535)::double precision / 131072)
  )
$$;

comment on function webhook.retry_delay(jsonb, uuid, int) is 'about=How long to wait after attempt p_attempt (1 for the first): exponential with jitter, at most max_ms.';

create function webhook.without_credentials(p_headers jsonb) returns jsonb
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(pg_catalog.jsonb_object_agg(pg_catalog.lower(h.key), h.value), '{}')
  from pg_catalog.jsonb_each(p_headers) as h
  where pg_catalog.lower(h.key) !~ '^(authorization|proxy-authorization|cookie|set-cookie)$|token|secret|signature|api-?key'
$$;

comment on function webhook.without_credentials(jsonb) is 'about=Headers in lower case without those that carry credentials or signatures.';

create function webhook.mark_event_result(
  p_event uuid,
  p_lock_token uuid,
  p_outcome text,
  p_response_status int,
  p_error text,
  p_duration_ms int,
  p_response_excerpt text default null,
  p_retry_after interval default null,
  p_request_headers jsonb default '{}'
) returns text
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_event webhook.webhook_events;
  v_webhook webhook.integration_webhooks;
  v_gone boolean := p_response_status = 410;
  v_status text;
  v_next timestamptz;
begin
  if p_outcome not in ('success', 'retryable', 'permanent', 'timeout') then
    raise exception 'unknown outcome "%"', p_outcome
      using errcode = '22023', hint = 'use success, retryable, permanent or timeout';
  end if;
  select e.* into v_event
  from webhook.webhook_events e
  where e.tenant_id = v_tenant and e.id = p_event
  for update;
  if not found then
    raise exception 'event % does not exist', p_event using errcode = 'IM005', hint = 'claim an event first';
  end if;
  if v_event.status <> 'processing' then
    raise exception 'event % is not being processed but "%"', p_event, v_event.status
      using errcode = 'IM851', hint = 'drop the result: it was reported before, or the lease was lost';
  end if;
  if v_event.lock_token is distinct from p_lock_token then
    raise exception 'the lock on event % was lost', p_event
      using errcode = 'IM850', hint = 'drop the result: another worker took the event over after the lease';
  end if;
  select w.* into strict v_webhook
  from webhook.integration_webhooks w
  where w.tenant_id = v_tenant and w.id = v_event.webhook_id;

  v_status := case
    when p_outcome = 'success' then 'succeeded'
    when p_outcome = 'permanent' or v_gone or v_event.attempts >= v_event.max_attempts then 'dead'
    else 'retry'
  end;
  v_next := now();
  if v_status = 'retry' then
    -- what the receiver asks for counts, but no receiver holds an event for more than a day
    v_next := v_next + greatest(
      webhook.retry_delay(v_webhook.backoff, p_event, v_event.attempts), least(coalesce(p_retry_after, interval '0'), interval '1 day')
    );
  end if;

  -- the endpoint before the event's children: it is the aggregate's root
  if p_outcome = 'success' then
    update webhook.integration_webhooks w
    set failure_count = 0
    where w.tenant_id = v_tenant and w.id = v_webhook.id and w.failure_count <> 0;
  else
    update webhook.integration_webhooks w
    set
      failure_count = w.failure_count + 1,
      status = case when v_gone then 'disabled' else w.status end,
      disabled_reason = case when v_gone then 'the endpoint answered 410 Gone' else w.disabled_reason end
    where w.tenant_id = v_tenant and w.id = v_webhook.id;
  end if;

  update webhook.webhook_events e
  set
    status = v_status, next_attempt_at = v_next,
    finished_at = case when v_status <> 'retry' then now() end,
    last_error = case when p_outcome <> 'success' then pg_catalog.left(coalesce(p_error, p_outcome), 500) end,
    locked_by = null, locked_until = null, lock_token = null
  where e.tenant_id = v_tenant and e.id = p_event;

  insert into webhook.webhook_logs (
    tenant_id, event_id, webhook_id, attempt_no, attempted_at, worker, request_headers, response_status,
    response_excerpt, duration_ms, outcome, error
  )
  values (
    v_tenant, p_event, v_event.webhook_id, v_event.attempts, v_event.claimed_at, v_event.locked_by,
    webhook.without_credentials(p_request_headers), p_response_status::smallint,
    pg_catalog.left(p_response_excerpt, 2048), p_duration_ms, p_outcome, pg_catalog.left(p_error, 500)
  );
  return v_status;
end
$$;

comment on function webhook.mark_event_result(uuid, uuid, text, int, text, int, text, interval, jsonb) is 'about=Reports an attempt (success, retryable, timeout or permanent), writes the log and returns the event''s new status: succeeded, retry, or dead when attempts are used up, the failure is permanent or the endpoint answered 410, which also disables the endpoint. IM005 no such event, IM850 lock lost, IM851 not being processed.';
