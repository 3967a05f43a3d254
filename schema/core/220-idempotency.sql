-- Idempotent operations: the same key and content get the same answer, once.

create function core.idempotent_begin(
  p_operation text,
  p_key text,
  p_request_hash bytea,
  p_lease interval default interval '30 seconds',
  out state text,
  out response jsonb
) returns record
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_row core.idempotency_keys;
begin
  -- a second caller waits here until the first commits or rolls back
  insert into core.idempotency_keys (tenant_id, operation, key, request_hash, locked_until, expires_at)
  values (v_tenant, p_operation, p_key, p_request_hash, now() + p_lease, now() + interval '48 hours')
  on conflict (tenant_id, operation, key) do nothing;
  if found then
    state := 'new';
    return;
  end if;

  select k.* into v_row
  from core.idempotency_keys k
  where k.tenant_id = v_tenant and k.operation = p_operation and k.key = p_key
  for update;
  if v_row.request_hash <> p_request_hash then
    raise exception 'key "%" was used for another request', p_key
      using errcode = 'IM011', hint = 'choose a new key for a new request';
  end if;
  if v_row.status = 'succeeded' then
    state := 'done';
    response := v_row.response;
    return;
  end if;
  if v_row.status = 'in_progress' and v_row.locked_until > now() then
    raise exception 'the request with key "%" is still running', p_key
      using errcode = 'IM010', hint = 'repeat it with the same key in a moment';
  end if;
  update core.idempotency_keys k
  set status = 'in_progress', locked_until = now() + p_lease, error_code = null
  where k.tenant_id = v_tenant and k.id = v_row.id;
  state := 'new';
end
$$;

comment on function core.idempotent_begin(text, text, bytea, interval) is 'about=Claims a key. state new: do the work, then core.idempotent_finish; state done: response is the answer that was given. A holder that crashed is replaced after its lease. IM010 still running, IM011 same key with other content.';

create function core.idempotent_finish(
  p_operation text,
  p_key text,
  p_response jsonb,
  p_error_code text default null
) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  update core.idempotency_keys k
  set
    status = case when p_error_code is null then 'succeeded' else 'failed' end,
    response = p_response,
    error_code = p_error_code
  where k.tenant_id = core.require_tenant() and k.operation = p_operation and k.key = p_key and k.status = 'in_progress';
  if not found then
    raise exception 'key "%" is not in progress', p_key
      using errcode = 'IM005', hint = 'call core.idempotent_begin first';
  end if;
end
$$;

comment on function core.idempotent_finish(text, text, jsonb, text) is 'about=Stores the answer (or the failure, which may be tried again) of a claimed key. IM005 the key is not in progress.';

create function core.forget_idempotency_keys(p_limit int default 1000) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_removed int;
begin
  delete from core.idempotency_keys k
  where k.tenant_id = core.require_tenant() and k.id in (
    select e.id
    from core.idempotency_keys e
    where e.tenant_id = core.require_tenant() and e.expires_at < now()
    order by e.expires_at
    limit p_limit
    for update skip locked
  );
  get diagnostics v_removed = row_count;
  return v_removed;
end
$$;

comment on function core.forget_idempotency_keys(int) is 'about=Removes up to p_limit expired keys of the tenant and returns how many.';
