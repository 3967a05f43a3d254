-- Claims: a worker takes due events under a lease with a fencing token. The claim is per tenant: a worker walks
-- core.active_tenants(), which also keeps one busy tenant from starving the others.

create function webhook.release_expired_leases(p_limit int default 100) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_event webhook.webhook_events;
  v_released int := 0;
begin
  for v_event in
    select e.*
    from webhook.webhook_events e
    where e.tenant_id = v_tenant and e.status = 'processing' and e.locked_until < now()
    order by e.locked_until
    limit p_limit
    for update skip locked
  loop
    insert into webhook.webhook_logs
      (tenant_id, event_id, webhook_id, attempt_no, attempted_at, worker, duration_ms, outcome, error)
    values (
      v_tenant, v_event.id, v_event.webhook_id, v_event.attempts, v_event.claimed_at, v_event.locked_by,
      (extract(epoch from v_event.locked_until - v_event.claimed_at) * 1000)::int, 'lost_lock', 'the lease ran out'
    );
    update webhook.webhook_events e
    set
      status = case when e.attempts >= e.max_attempts then 'dead' else 'retry' end,
      next_attempt_at = now(),
      finished_at = case when e.attempts >= e.max_attempts then now() end,
      last_error = 'the lease ran out', locked_by = null, locked_until = null, lock_token = null
    where e.tenant_id = v_tenant and e.id = v_event.id;
    v_released := v_released + 1;
  end loop;
  return v_released;
end
$$;

comment on function webhook.release_expired_leases(int) is 'about=Gives up to p_limit events whose lease ran out back to the queue (their attempt counts) and returns how many. Every claim does it first.';

create function webhook.claim_events(
  p_worker text,
  p_limit int default 20,
  p_lease interval default interval '30 seconds',
  p_directions text[] default null,
  p_types text[] default null
) returns setof webhook.webhook_events
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_token uuid := pg_catalog.gen_random_uuid();
  v_event webhook.webhook_events;
begin
  if p_limit not between 1 and 1000 or p_lease not between interval '1 second' and interval '1 hour' then
    raise exception 'limit % or lease % is out of range', p_limit, p_lease
      using errcode = '22023', hint = 'claim 1 to 1000 events for 1 second to 1 hour';
  end if;
  perform webhook.release_expired_leases(p_limit);

  for v_event in
    select e.*
    from webhook.webhook_events e
    where
      e.tenant_id = v_tenant
      and e.status in ('pending', 'retry')
      and e.next_attempt_at <= now()
      and (p_directions is null or e.direction = any (p_directions))
      and (p_types is null or e.event_type = any (p_types))
      and exists (
        select
        from webhook.integration_webhooks w
        where w.tenant_id = v_tenant and w.id = e.webhook_id and w.status = 'active'
      )
      -- nothing overtakes an unfinished event of its key, whoever holds that one
      and (
        e.order_key is null
        or not exists (
          select
          from webhook.webhook_events older
          where
            older.tenant_id = v_tenant
            and older.webhook_id = e.webhook_id
            and older.order_key = e.order_key
            and older.queue_number < e.queue_number
            and older.status in ('pending', 'processing', 'retry')
        )
      )
    order by e.priority, e.next_attempt_at, e.queue_number
    limit p_limit
    for update of e skip locked
  loop
    update webhook.webhook_events e
    set
      status = 'processing', attempts = e.attempts + 1, claimed_at = now(), locked_by = p_worker,
      lock_token = v_token, locked_until = now() + p_lease
    where e.tenant_id = v_tenant and e.id = v_event.id
    returning e.* into v_event;
    return next v_event;
  end loop;
end
$$;

comment on function webhook.claim_events(text, int, interval, text[], text[]) is 'about=Claims up to p_limit due events of the tenant by priority, then age; of an order key only the oldest unfinished one. All carry the same lock_token. Events of paused and disabled endpoints wait.';

create function webhook.claim_next_event(
  p_worker text,
  p_lease interval default interval '30 seconds',
  p_directions text[] default null,
  p_types text[] default null
) returns setof webhook.webhook_events
  language sql
  security definer
  set search_path = pg_catalog, pg_temp
as $$ select * from webhook.claim_events(p_worker, 1, p_lease, p_directions, p_types) $$;

comment on function webhook.claim_next_event(text, interval, text[], text[]) is 'about=Claims the next due event of the tenant with its lock_token; no row when there is none.';

create function webhook.extend_lease(p_event uuid, p_lock_token uuid, p_lease interval default interval '30 seconds')
  returns timestamptz
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_until timestamptz;
begin
  update webhook.webhook_events e
  set locked_until = now() + p_lease
  where
    e.tenant_id = core.require_tenant() and e.id = p_event
    and e.status = 'processing' and e.lock_token = p_lock_token
  returning e.locked_until into v_until;
  if not found then
    raise exception 'the lock on event % was lost', p_event
      using errcode = 'IM850', hint = 'another worker may have taken it over; stop working on it';
  end if;
  return v_until;
end
$$;

comment on function webhook.extend_lease(uuid, uuid, interval) is 'about=Prolongs the lease of a claimed event from now on and returns its new end. IM850 the lock was lost.';
