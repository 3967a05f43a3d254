-- The life of an interface.

create function interop.lock_endpoint(p_endpoint_id uuid) returns interop.endpoints
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_endpoint interop.endpoints;
begin
  select e.* into v_endpoint
  from interop.endpoints e
  where e.tenant_id = v_tenant and e.id = p_endpoint_id
  for no key update;
  if not found then
    raise exception 'endpoint % does not exist', p_endpoint_id
      using errcode = 'IM005', hint = 'choose an endpoint of the tenant';
  end if;
  return v_endpoint;
end
$$;

comment on function interop.lock_endpoint(uuid) is 'about=The endpoint, locked until the transaction ends. IM005 no such endpoint.';

create function interop.set_endpoint_status(p_endpoint_id uuid, p_status text, p_reason text) returns interop.endpoints
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_endpoint interop.endpoints := interop.lock_endpoint(p_endpoint_id);
begin
  if v_endpoint.status = p_status then
    return v_endpoint;
  end if;
  if p_reason is not null then
    perform core.set_reason(p_reason);
  end if;
  update interop.endpoints e
  set status = p_status
  where e.tenant_id = v_endpoint.tenant_id and e.id = v_endpoint.id
  returning e.* into v_endpoint;
  return v_endpoint;
end
$$;

comment on function interop.set_endpoint_status(uuid, text, text) is 'about=Moves an endpoint. IM001, IM002, IM005.';

create function interop.activate_endpoint(p_endpoint_id uuid) returns interop.endpoints
  language sql
  security definer
  set search_path = pg_catalog, pg_temp
as $$ select interop.set_endpoint_status(p_endpoint_id, 'active', null) $$;

comment on function interop.activate_endpoint(uuid) is 'about=Messages may come and go. IM001 retired, IM005 no such endpoint.';

create function interop.pause_endpoint(p_endpoint_id uuid, p_reason text) returns interop.endpoints
  language sql
  security definer
  set search_path = pg_catalog, pg_temp
as $$ select interop.set_endpoint_status(p_endpoint_id, 'paused', coalesce(p_reason, '')) $$;

comment on function interop.pause_endpoint(uuid, text) is 'about=Nothing is taken or sent until it is activated again; what is queued waits. IM001 not active, IM002 no reason, IM005 no such endpoint.';

create function interop.retire_endpoint(p_endpoint_id uuid, p_reason text) returns interop.endpoints
  language sql
  security definer
  set search_path = pg_catalog, pg_temp
as $$ select interop.set_endpoint_status(p_endpoint_id, 'retired', coalesce(p_reason, '')) $$;

comment on function interop.retire_endpoint(uuid, text) is 'about=The interface is gone for good; its messages stay. IM001 a draft, IM002 no reason, IM005 no such endpoint.';
