-- Connections to other record systems, with their circuit breaker.

create function interop.lock_connection(p_connection_id uuid) returns interop.emr_connections
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_connection interop.emr_connections;
begin
  select c.* into v_connection
  from interop.emr_connections c
  where c.tenant_id = v_tenant and c.id = p_connection_id
  for no key update;
  if not found then
    raise exception 'connection % does not exist', p_connection_id
      using errcode = 'IM005', hint = 'choose a connection of the tenant';
  end if;
  return v_connection;
end
$$;

comment on function interop.lock_connection(uuid) is 'about=The connection, locked until the transaction ends. IM005 no such connection.';

create function interop.begin_emr_call(p_connection_id uuid) returns interop.emr_connections
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_connection interop.emr_connections := interop.lock_connection(p_connection_id);
begin
  if v_connection.status = 'disabled' or v_connection.retry_at > now() then
    raise exception 'connection % is %, its circuit %', p_connection_id, v_connection.status, v_connection.circuit_state
      using errcode = 'IM802', hint = 'try again at retry_at, or enable the connection';
  end if;
  if v_connection.status = 'draft' or v_connection.circuit_state <> 'closed' then
    update interop.emr_connections c
    set
      status = case c.status when 'draft' then 'testing' else c.status end,
      -- this caller tries; the others wait for the result, or for a minute when it never comes
      circuit_state = case c.circuit_state when 'closed' then 'closed' else 'half_open' end,
      retry_at = case c.circuit_state when 'closed' then null else now() + interval '1 minute' end
    where c.tenant_id = v_connection.tenant_id and c.id = v_connection.id
    returning c.* into v_connection;
  end if;
  return v_connection;
end
$$;

comment on function interop.begin_emr_call(uuid) is 'about=Before a call: the connection, unless it is disabled or its circuit is open. A draft goes into testing. When the pause of an open circuit is over, one caller gets it (half_open). IM005 no such connection, IM802 disabled, or the circuit is open until retry_at.';

create function interop.finish_emr_call(
  p_connection_id uuid,
  p_ok boolean,
  p_error text default null,
  p_capability_hash bytea default null
) returns interop.emr_connections
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_connection interop.emr_connections := interop.lock_connection(p_connection_id);
  v_failures int := v_connection.failure_count + 1;
  v_limit int := coalesce((core.setting('interop.circuit_failures') #>> '{}')::int, 5);
begin
  if v_connection.status = 'disabled' then
    return v_connection;
  end if;
  if p_ok then
    update interop.emr_connections c
    set
      status = case when c.status in ('testing', 'degraded') then 'active' else c.status end,
      circuit_state = 'closed', retry_at = null, failure_count = 0, last_ok_at = now(), last_error = null,
      capability_hash = coalesce(p_capability_hash, c.capability_hash)
    where c.tenant_id = v_connection.tenant_id and c.id = v_connection.id
    returning c.* into v_connection;
    return v_connection;
  end if;
  update interop.emr_connections c
  set
    status = case when c.status = 'active' and v_failures >= v_limit then 'degraded' else c.status end,
    failure_count = v_failures,
    last_error = left(p_error, 500),
    circuit_state = case when v_failures >= v_limit then 'open' else c.circuit_state end,
    retry_at = case
      when v_failures >= v_limit
        then now() + least(interval '15 minutes', interval '30 seconds' * (2 ^ least(v_failures - v_limit, 10)))
      else c.retry_at
    end
  where c.tenant_id = v_connection.tenant_id and c.id = v_connection.id
  returning c.* into v_connection;
  return v_connection;
end
$$;

comment on function interop.finish_emr_call(uuid, boolean, text, bytea) is 'about=After a call. A success closes the circuit and makes a tested or degraded connection active; setting interop.circuit_failures (default 5) failures in a row open it, for 30 seconds at first and 15 minutes at most. p_error without patient data. IM005 no such connection.';

create function interop.save_poll_cursor(p_connection_id uuid, p_resource_type text, p_cursor text)
  returns interop.emr_connections
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_connection interop.emr_connections := interop.lock_connection(p_connection_id);
begin
  update interop.emr_connections c
  set poll_cursors = c.poll_cursors || jsonb_build_object(p_resource_type, p_cursor)
  where c.tenant_id = v_connection.tenant_id and c.id = v_connection.id
  returning c.* into v_connection;
  return v_connection;
end
$$;

comment on function interop.save_poll_cursor(uuid, text, text) is 'about=Where polling of a resource type goes on. Save it in the transaction that stores what was polled. IM005 no such connection.';

create function interop.disable_connection(p_connection_id uuid, p_reason text) returns interop.emr_connections
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_connection interop.emr_connections := interop.lock_connection(p_connection_id);
begin
  if v_connection.status = 'disabled' then
    return v_connection;
  end if;
  perform core.set_reason(coalesce(p_reason, ''));
  update interop.emr_connections c
  set status = 'disabled'
  where c.tenant_id = v_connection.tenant_id and c.id = v_connection.id
  returning c.* into v_connection;
  return v_connection;
end
$$;

comment on function interop.disable_connection(uuid, text) is 'about=Nobody calls until it is enabled. IM001 not in use yet, IM002 no reason, IM005 no such connection.';

create function interop.enable_connection(p_connection_id uuid) returns interop.emr_connections
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_connection interop.emr_connections := interop.lock_connection(p_connection_id);
begin
  if v_connection.status in ('active', 'degraded') then
    return v_connection;
  end if;
  update interop.emr_connections c
  set status = 'active', circuit_state = 'closed', retry_at = null, failure_count = 0
  where c.tenant_id = v_connection.tenant_id and c.id = v_connection.id
  returning c.* into v_connection;
  return v_connection;
end
$$;

comment on function interop.enable_connection(uuid) is 'about=A disabled connection is called again, with a closed circuit. IM001 it was never tested, IM005 no such connection.';
