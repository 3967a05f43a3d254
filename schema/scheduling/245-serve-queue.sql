-- At the counter: call, recall, skip, serve. Two counters never call the same token, because each skips the rows that the
-- other has locked.

create function scheduling.lock_token(p_token_id uuid) returns scheduling.queue_management
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_token scheduling.queue_management;
begin
  select q.* into v_token
  from scheduling.queue_management q
  where q.tenant_id = v_tenant and q.id = p_token_id
  for no key update;
  if not found then
    raise exception 'token % does not exist', p_token_id
      using errcode = 'IM005', hint = 'choose a token of the tenant';
  end if;
  if v_token.status = 'expired' or (v_token.status = 'waiting' and v_token.token_expires_at <= now()) then
    raise exception 'token % has expired', p_token_id using errcode = 'IM152', hint = 'issue a new token';
  end if;
  return v_token;
end
$$;

comment on function scheduling.lock_token(uuid) is 'about=The token, locked until the transaction ends. IM005 no such token, IM152 expired.';

create function scheduling.queue_today(p_queue_key text) returns date
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  -- a queue belongs to one clinic: the clinic of its latest token
  return (
    select scheduling.clinic_today(q.clinic_id)
    from scheduling.queue_management q
    where q.tenant_id = v_tenant and q.queue_key = p_queue_key
    order by q.queue_date desc, q.token_number desc
    limit 1
  );
end
$$;

comment on function scheduling.queue_today(text) is 'about=The date at the clinic of a queue; null when the queue never had a token.';

create function scheduling.call_next(
  p_queue_key text,
  p_counter_location_id uuid default null,
  p_queue_date date default null
) returns scheduling.queue_management
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_date date := coalesce(p_queue_date, scheduling.queue_today(p_queue_key));
  v_token_id uuid;
  v_token scheduling.queue_management;
begin
  select q.id into v_token_id
  from scheduling.queue_management q
  where
    q.tenant_id = v_tenant
    and q.queue_key = p_queue_key
    and q.queue_date = v_date
    and q.status = 'waiting'
    and (q.token_expires_at is null or q.token_expires_at > now())
  order by q.priority desc, q.token_number
  limit 1
  for no key update skip locked;
  if not found then
    raise exception 'nobody waits in queue "%"', p_queue_key
      using errcode = 'IM153', hint = 'try again when a token was issued';
  end if;
  -- greatest: this transaction may have begun before the one that issued the token
  update scheduling.queue_management q
  set
    status = 'called', called_at = greatest(now(), q.issued_at), started_at = null,
    counter_location_id = p_counter_location_id
  where q.tenant_id = v_tenant and q.id = v_token_id
  returning q.* into v_token;
  return v_token;
end
$$;

comment on function scheduling.call_next(text, uuid, date) is 'about=Calls the waiting token with the highest priority, then the lowest number, of today''s queue to a counter. IM153 nobody waits.';

create function scheduling.recall_token(p_token_id uuid) returns scheduling.queue_management
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_token scheduling.queue_management := scheduling.lock_token(p_token_id);
begin
  if v_token.status = 'called' then
    perform core.enqueue(
      'queue', v_token.id, 'queue.token_called.v1',
      pg_catalog.jsonb_build_object('id', v_token.id, 'from', 'called', 'to', 'called')
    );
  elsif v_token.status = 'skipped' then
    update scheduling.queue_management q
    set status = 'waiting'
    where q.tenant_id = v_token.tenant_id and q.id = v_token.id;
  else
    raise exception 'token % is %', p_token_id, v_token.status
      using errcode = 'IM001', hint = 'only a called or skipped token can be called again';
  end if;
  update scheduling.queue_management q
  set status = 'called', called_at = greatest(now(), q.issued_at), recall_count = q.recall_count + 1
  where q.tenant_id = v_token.tenant_id and q.id = v_token.id
  returning q.* into v_token;
  return v_token;
end
$$;

comment on function scheduling.recall_token(uuid) is 'about=Calls a called or skipped token once more. IM001 neither called nor skipped, IM005 no such token, IM152 expired.';

create function scheduling.skip_token(p_token_id uuid) returns scheduling.queue_management
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_token scheduling.queue_management := scheduling.lock_token(p_token_id);
begin
  if v_token.status = 'skipped' then
    return v_token;
  end if;
  update scheduling.queue_management q
  set status = 'skipped'
  where q.tenant_id = v_token.tenant_id and q.id = v_token.id
  returning q.* into v_token;
  return v_token;
end
$$;

comment on function scheduling.skip_token(uuid) is 'about=Nobody came when the token was called. IM001 not called, IM005 no such token, IM152 expired.';

create function scheduling.return_to_waiting(p_token_id uuid) returns scheduling.queue_management
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_token scheduling.queue_management := scheduling.lock_token(p_token_id);
begin
  if v_token.status = 'waiting' then
    return v_token;
  end if;
  update scheduling.queue_management q
  set status = 'waiting', called_at = null, started_at = null, counter_location_id = null
  where q.tenant_id = v_token.tenant_id and q.id = v_token.id
  returning q.* into v_token;
  return v_token;
end
$$;

comment on function scheduling.return_to_waiting(uuid) is 'about=Puts a called, skipped or served token back; it keeps its number and so its turn. IM001 the token is finished, IM005 no such token, IM152 expired.';

create function scheduling.start_service(p_token_id uuid) returns scheduling.queue_management
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_token scheduling.queue_management := scheduling.lock_token(p_token_id);
begin
  if v_token.status = 'in_service' then
    return v_token;
  end if;
  update scheduling.queue_management q
  set status = 'in_service', started_at = greatest(now(), q.called_at)
  where q.tenant_id = v_token.tenant_id and q.id = v_token.id
  returning q.* into v_token;
  return v_token;
end
$$;

comment on function scheduling.start_service(uuid) is 'about=The called patient is at the counter. IM001 not called, IM005 no such token, IM152 expired.';

create function scheduling.finish_service(p_token_id uuid) returns scheduling.queue_management
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_token scheduling.queue_management := scheduling.lock_token(p_token_id);
begin
  if v_token.status = 'done' then
    return v_token;
  end if;
  update scheduling.queue_management q
  set status = 'done', finished_at = greatest(now(), q.started_at)
  where q.tenant_id = v_token.tenant_id and q.id = v_token.id
  returning q.* into v_token;
  return v_token;
end
$$;

comment on function scheduling.finish_service(uuid) is 'about=Service at the counter is over. IM001 not in service, IM005 no such token.';

create function scheduling.leave_queue(p_token_id uuid) returns scheduling.queue_management
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_token scheduling.queue_management := scheduling.lock_token(p_token_id);
begin
  if v_token.status = 'left' then
    return v_token;
  end if;
  update scheduling.queue_management q
  set status = 'left'
  where q.tenant_id = v_token.tenant_id and q.id = v_token.id
  returning q.* into v_token;
  return v_token;
end
$$;

comment on function scheduling.leave_queue(uuid) is 'about=The patient gave up waiting. IM001 in service or finished, IM005 no such token, IM152 expired.';

create function scheduling.expire_tokens(p_limit int default 1000) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_token record;
  v_expired int := 0;
begin
  for v_token in
    select q.id, q.status
    from scheduling.queue_management q
    join facility.clinics c on c.tenant_id = q.tenant_id and c.id = q.clinic_id
    where
      q.tenant_id = v_tenant
      and q.status in ('waiting', 'called', 'skipped')
      and (
        (q.status = 'waiting' and q.token_expires_at <= now())
        or q.queue_date < (now() at time zone c.timezone)::date
      )
    order by q.queue_date, q.id
    limit p_limit
    for no key update of q skip locked
  loop
    update scheduling.queue_management q
    set status = case v_token.status when 'waiting' then 'expired' else 'left' end
    where q.tenant_id = v_tenant and q.id = v_token.id;
    v_expired := v_expired + 1;
  end loop;
  return v_expired;
end
$$;

comment on function scheduling.expire_tokens(int) is 'about=Ends up to p_limit tokens that nobody will call any more, and returns how many: waiting ones past their time or day expire, called and skipped ones of earlier days left. For a job.';
