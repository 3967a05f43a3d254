-- Holds against erasure. Placing one waits for erasures that run, and an erasure that comes later sees it: both take the same
-- advisory lock of the tenant, a hold exclusively, erasures together.

create function compliance.holds_lock_key(p_tenant_id uuid) returns bigint
  language sql
  immutable
  parallel safe
return hashtextextended('compliance.legal_holds ' || p_tenant_id::text, 0);

comment on function compliance.holds_lock_key(uuid) is 'about=Key of the advisory lock that holds and erasures of a tenant meet at.';

create function compliance.scope_covers(p_scope jsonb, p_schema text, p_table text, p_row_id uuid) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select
    (p_schema is null or not p_scope ? 'schema' or p_scope ->> 'schema' = p_schema)
    and (p_table is null or not p_scope ? 'table' or p_scope ->> 'table' = p_table)
    and (p_row_id is null or not p_scope ? 'row_ids' or p_scope -> 'row_ids' ? p_row_id::text)
$$;

comment on function compliance.scope_covers(jsonb, text, text, uuid) is 'about=Whether the scope of a hold reaches a schema, table and row; null asks for any.';

create function compliance.is_under_hold(p_schema text, p_table text, p_row_id uuid, p_patient_id uuid) returns boolean
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_people uuid[] := patient.ids_of(p_patient_id);
begin
  return exists (
    select
    from compliance.legal_holds h
    where
      h.tenant_id = core.require_tenant() and h.status = 'active'
      and (h.patient_id is null or h.patient_id = any (v_people))
      and compliance.scope_covers(h.scope, p_schema, p_table, p_row_id)
  );
end
$$;

comment on function compliance.is_under_hold(text, text, uuid, uuid) is 'about=Whether an active hold covers a row, or anything of a table, schema or patient where the narrower arguments are null; a hold on one of several merged records is on all of them. Ask it in read committed. IM003 no tenant.';

create function compliance.place_hold(
  p_reason text,
  p_patient_id uuid default null,
  p_scope jsonb default '{}',
  p_authority text default null,
  p_id uuid default null
) returns compliance.legal_holds
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_hold compliance.legal_holds;
begin
  select h.* into v_hold from compliance.legal_holds h where h.tenant_id = v_tenant and h.id = p_id;
  if found then
    return v_hold;
  end if;
  perform pg_advisory_xact_lock(compliance.holds_lock_key(v_tenant));
  insert into compliance.legal_holds (tenant_id, id, hold_number, scope, patient_id, reason, authority, placed_by)
  values (
    v_tenant, coalesce(p_id, core.uuid_v7()), core.next_default_number('legal_hold', '', 'LH-{YY}-', 4), p_scope,
    p_patient_id, p_reason, p_authority, compliance.acting_user_id()
  )
  on conflict (tenant_id, id) do nothing
  returning * into v_hold;
  if not found then -- the same request at the same moment
    select h.* into v_hold from compliance.legal_holds h where h.tenant_id = v_tenant and h.id = p_id;
  end if;
  return v_hold;
end
$$;

comment on function compliance.place_hold(text, uuid, jsonb, text, uuid) is 'about=Freezes what a patient, schema, table or rows hold (scope of compliance.legal_holds) against retention and erasure, from the moment it is committed. The same id is the same hold. IM003 no tenant, IM006 nobody is signed in.';

create function compliance.release_hold(p_hold_id uuid, p_reason text) returns compliance.legal_holds
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_hold compliance.legal_holds;
begin
  select h.* into v_hold
  from compliance.legal_holds h
  where h.tenant_id = v_tenant and h.id = p_hold_id
  for no key update;
  if not found then
    raise exception 'hold % does not exist', p_hold_id using errcode = 'IM005', hint = 'choose a hold of the tenant';
  end if;
  if v_hold.status = 'released' then
    return v_hold;
  end if;
  if v_hold.placed_by = compliance.acting_user_id() then
    raise exception 'hold % is released by another user than the one who placed it', p_hold_id
      using errcode = 'IM006', hint = 'ask a colleague to release it';
  end if;
  perform compliance.require_reason(p_reason, 'releasing hold ' || p_hold_id);
  update compliance.legal_holds h
  set status = 'released', released_by = compliance.acting_user_id(), released_at = now()
  where h.tenant_id = v_tenant and h.id = p_hold_id
  returning h.* into v_hold;
  return v_hold;
end
$$;

comment on function compliance.release_hold(uuid, text) is 'about=Ends a hold, by another user than the one who placed it. IM002 no reason, IM005 no such hold, IM006 the same user, or nobody is signed in.';

create function compliance.tenants_under_hold() returns setof uuid
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  -- Logs are dropped for all tenants at once, and nobody sees all their holds: the owner looks under a lock that waits for
  -- holds that are being placed and lets no other in.
  alter table compliance.legal_holds no force row level security;
  return query select distinct h.tenant_id from compliance.legal_holds h where h.status = 'active';
  alter table compliance.legal_holds force row level security;
end
$$;

comment on function compliance.tenants_under_hold() is 'about=Tenants with an active hold, whatever it covers; until the end of the transaction no hold is placed. For the kernel, which drops old months of the logs.';
