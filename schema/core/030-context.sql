-- Who asks, for which tenant, why: set once per transaction, read by policies, defaults, triggers and the audit log.
-- SET LOCAL at the top of a transaction is the one form that also reaches the workers of a distributed database.

create function core.begin_request(
  p_tenant uuid,
  p_user uuid,
  p_role text,
  p_purpose text,
  p_request_id uuid,
  p_details jsonb default '{}'
) returns void
  language plpgsql
  volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_current text := pg_catalog.current_setting('app.tenant_id', true);
begin
  if p_tenant is null then
    raise exception 'no tenant given' using errcode = 'IM003', hint = 'pass the tenant of the signed-in user';
  end if;
  if v_current <> '' and v_current::uuid <> p_tenant then
    raise exception 'this transaction already works for another tenant'
      using errcode = 'IM006', hint = 'begin a new transaction for each tenant';
  end if;
  execute pg_catalog.format(
    'set local app.tenant_id = %L; set local app.user_id = %L; set local app.role = %L; set local app.purpose = %L; set local app.request_id = %L',
    p_tenant, coalesce(p_user::text, ''), coalesce(p_role, ''), coalesce(p_purpose, ''), coalesce(p_request_id::text, '')
  );
  if p_details <> '{}' then
    execute pg_catalog.format(
      'set local app.service = %L; set local app.reason = %L; set local app.ip = %L; set local app.user_agent = %L; set local app.session_id = %L; set local app.correlation_id = %L; set local app.signature = %L',
      coalesce(p_details ->> 'service', ''), coalesce(p_details ->> 'reason', ''),
      coalesce((p_details ->> 'ip')::inet::text, ''), coalesce(pg_catalog.left(p_details ->> 'user_agent', 400), ''),
      coalesce((p_details ->> 'session_id')::uuid::text, ''), coalesce((p_details ->> 'correlation_id')::uuid::text, ''),
      coalesce(p_details ->> 'signature', '')
    );
  end if;
  perform core.current_tenant_id(); -- refuses what is not signed, where it has to be
  if core.treatment_is_required() then
    perform core.look_up_patients();
  end if;
end
$$;

comment on function core.begin_request(uuid, uuid, text, text, uuid, jsonb) is 'about=First statement of every transaction: sets tenant, user, role, purpose of use and request id until commit. p_details may carry service, reason, ip, user_agent, session_id, correlation_id, signature. IM003 no tenant, IM006 another tenant is already set in this transaction, IM014 signatures are required and this one is not valid.';

-- Inlined by the planner, so there is no SET clause; a body in RETURN form is bound to its functions and types when it is
-- created, whatever the caller's search_path.
create function core.current_tenant_id() returns uuid
  language sql
  stable
  parallel safe
return case
  when core.context_is_signed() then core.signed_tenant_id()
  else nullif(current_setting('app.tenant_id', true), '')::uuid
end;

comment on function core.current_tenant_id() is 'about=The tenant of this transaction, null when core.begin_request was not called: then reads see nothing and writes fail. IM014 where signatures are required and this one is not valid.';

create function core.require_tenant() returns uuid
  language plpgsql
  stable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
begin
  if core.current_tenant_id() is null then
    raise exception 'no tenant in this transaction'
      using errcode = 'IM003', hint = 'call core.begin_request first';
  end if;
  return core.current_tenant_id();
end
$$;

comment on function core.require_tenant() is 'about=The tenant of this transaction; raises IM003 when there is none.';

create function core.current_user_id() returns uuid
  language sql
  stable
  parallel safe
return nullif(current_setting('app.user_id', true), '')::uuid;

comment on function core.current_user_id() is 'about=The signed-in user of this transaction, null for a system task.';

create function core.current_role_name() returns text
  language sql
  stable
  parallel safe
return nullif(current_setting('app.role', true), '');

comment on function core.current_role_name() is 'about=The hospital role that the user acts in (doctor, receptionist, ...), not the database role.';

create function core.current_reason() returns text
  language sql
  stable
  parallel safe
return nullif(current_setting('app.reason', true), '');

comment on function core.current_reason() is 'about=The reason given for the change, where one is asked for.';

create function core.set_reason(p_reason text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  execute pg_catalog.format('set local app.reason = %L', coalesce(p_reason, ''));
end
$$;

comment on function core.set_reason(text) is 'about=Sets the reason that state machines and the audit log of this transaction record.';
