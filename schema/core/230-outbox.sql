-- Outbox: written by operations and state machines, carried on by a relay. Claims are per tenant: a relay walks
-- core.active_tenants(), which also keeps one busy tenant from starving the others.

create function core.enqueue(p_aggregate_type text, p_aggregate_id uuid, p_event_type text, p_payload jsonb) returns bigint
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_seq bigint;
begin
  insert into core.outbox_events (tenant_id, aggregate_type, aggregate_id, event_type, event_version, payload, headers)
  values (
    core.require_tenant(), p_aggregate_type, p_aggregate_id, p_event_type,
    pg_catalog.substring(p_event_type, 'v([0-9]+)$')::smallint, p_payload,
    pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(
      'request_id', nullif(pg_catalog.current_setting('app.request_id', true), ''),
      'correlation_id', nullif(pg_catalog.current_setting('app.correlation_id', true), '')
    ))
  )
  returning aggregate_seq into v_seq;
  return v_seq;
end
$$;

comment on function core.enqueue(text, uuid, text, jsonb) is 'about=Writes an event to the outbox and returns its order number. Call it while the aggregate''s row is locked; payload holds ids only.';

create function core.claim_outbox(p_worker text, p_limit int default 100, p_lease interval default interval '30 seconds')
  returns setof core.outbox_events
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_token uuid := pg_catalog.gen_random_uuid();
  v_event core.outbox_events;
begin
  for v_event in
    select e.*
    from core.outbox_events e
    where
      e.tenant_id = v_tenant
      and e.status in ('pending', 'claimed')
      and e.available_at <= now()
      and (e.status = 'pending' or e.locked_until < now())
      -- order per aggregate: nothing overtakes an older event that is not published
      and not exists (
        select
        from core.outbox_events older
        where
          older.tenant_id = v_tenant
          and older.aggregate_type = e.aggregate_type
          and older.aggregate_id = e.aggregate_id
          and older.aggregate_seq < e.aggregate_seq
          and older.status <> 'published'
      )
    order by e.available_at, e.aggregate_seq
    limit p_limit
    for update skip locked
  loop
    update core.outbox_events e
    set
      status = 'claimed', attempts = e.attempts + 1, locked_by = p_worker, lock_token = v_token,
      locked_until = now() + p_lease
    where e.tenant_id = v_tenant and e.id = v_event.id and e.occurred_at = v_event.occurred_at
    returning e.* into v_event;
    return next v_event;
  end loop;
end
$$;

comment on function core.claim_outbox(text, int, interval) is 'about=Claims up to p_limit due events of the tenant, the oldest unpublished one of each aggregate. All get the same lock_token; an expired lease may be claimed again.';

create function core.mark_published(p_events uuid[], p_lock_token uuid) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_done int;
begin
  update core.outbox_events e
  set status = 'published', published_at = now(), locked_by = null, lock_token = null, locked_until = null
  where
    e.tenant_id = core.require_tenant() and e.id = any (p_events)
    and e.status = 'claimed' and e.lock_token = p_lock_token;
  get diagnostics v_done = row_count;
  if v_done <> pg_catalog.cardinality(p_events) then
    raise exception 'the lock on % of % events was lost', pg_catalog.cardinality(p_events) - v_done, pg_catalog.cardinality(p_events)
      using errcode = 'IM850', hint = 'another worker took them over after the lease; drop the result';
  end if;
end
$$;

comment on function core.mark_published(uuid[], uuid) is 'about=Marks claimed events as published, all or none. IM850 a lock was lost.';

create function core.mark_failed(p_event uuid, p_lock_token uuid, p_error text, p_max_attempts int default 12) returns text
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_status text;
begin
  update core.outbox_events e
  set
    status = case when e.attempts >= p_max_attempts then 'dead' else 'pending' end,
    available_at = now() + least(interval '1 hour', interval '1 second' * (2 ^ least(e.attempts, 12))),
    last_error = pg_catalog.left(p_error, 500), locked_by = null, lock_token = null, locked_until = null
  where
    e.tenant_id = core.require_tenant() and e.id = p_event
    and e.status = 'claimed' and e.lock_token = p_lock_token
  returning e.status into v_status;
  if not found then
    raise exception 'the lock on event % was lost', p_event
      using errcode = 'IM850', hint = 'another worker took it over after the lease; drop the result';
  end if;
  return v_status;
end
$$;

comment on function core.mark_failed(uuid, uuid, text, int) is 'about=Gives a claimed event back with exponential back-off, or parks it as dead after p_max_attempts; returns its status. IM850 the lock was lost.';

create function core.replay_event(p_event uuid) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  update core.outbox_events e
  set status = 'pending', attempts = 0, available_at = now()
  where e.tenant_id = core.require_tenant() and e.id = p_event and e.status = 'dead';
  if not found then
    raise exception 'event % is not dead', p_event using errcode = 'IM005', hint = 'only dead events are replayed';
  end if;
end
$$;

comment on function core.replay_event(uuid) is 'about=Puts a dead event back into the queue. IM005 the event is not dead.';
