-- Value sets of a tenant: drafted with their members, then activated. Shared ones come from system seeds.

create function fhir.save_value_set(
  p_url text,
  p_version text,
  p_name text,
  p_members jsonb,
  p_bound_to text[] default '{}'
) returns uuid
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_id uuid;
  v_status text;
  v_member record;
begin
  select v.id, v.status into v_id, v_status
  from fhir.value_sets v
  where v.tenant_id = v_tenant and v.url = p_url and v.version = p_version
  for no key update;
  if v_status <> 'draft' then
    raise exception 'value set % is %, not a draft', v_id, v_status
      using errcode = 'IM001', hint = 'save it under a new version';
  end if;
  if v_id is null then
    insert into fhir.value_sets (tenant_id, url, version, name, bound_to)
    values (v_tenant, p_url, p_version, p_name, p_bound_to)
    returning id into v_id;
  else
    update fhir.value_sets v
    set name = p_name, bound_to = p_bound_to
    where v.tenant_id = v_tenant and v.id = v_id;
    delete from fhir.value_set_members m where m.tenant_id = v_tenant and m.value_set_id = v_id;
  end if;
  for v_member in select e.value, e.ordinality from jsonb_array_elements(p_members) with ordinality e loop
    insert into fhir.value_set_members (tenant_id, value_set_id, system, code, display, seq)
    values (
      v_tenant, v_id, v_member.value ->> 'system', v_member.value ->> 'code', v_member.value ->> 'display',
      v_member.ordinality
    );
  end loop;
  return v_id;
end
$$;

comment on function fhir.save_value_set(text, text, text, jsonb, text[]) is 'about=Writes a draft version of a value set of the tenant with exactly these members [{system, code, display}] and returns its id. IM001 that version is active or retired, 23505 a member twice, 23514 a check digit is wrong.';

create function fhir.activate_value_set(p_value_set_id uuid) returns fhir.value_sets
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_value_set fhir.value_sets;
begin
  select v.* into v_value_set
  from fhir.value_sets v
  where v.tenant_id = v_tenant and v.id = p_value_set_id
  for no key update;
  if not found then
    raise exception 'value set % does not exist', p_value_set_id
      using errcode = 'IM005', hint = 'choose one of the tenant''s own value sets';
  end if;
  if v_value_set.status = 'active' then
    return v_value_set;
  end if;
  update fhir.value_sets v
  set status = 'retired'
  where v.tenant_id = v_tenant and v.url = v_value_set.url and v.status = 'active';
  update fhir.value_sets v
  set status = 'active'
  where v.tenant_id = v_tenant and v.id = p_value_set_id
  returning v.* into v_value_set;
  return v_value_set;
end
$$;

comment on function fhir.activate_value_set(uuid) is 'about=Makes a draft the version that columns are checked against and retires the one before. Activating it again changes nothing. IM001 it is retired, IM005 no such value set of the tenant.';

create function fhir.value_set_contains(p_url text, p_code text, p_system text default null) returns boolean
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select
    from fhir.value_set_members m
    where
      m.value_set_id = (
        select v.id
        from fhir.value_sets v
        where v.url = p_url and v.status = 'active' and (v.tenant_id = core.current_tenant_id() or v.tenant_id is null)
        order by v.tenant_id nulls last
        limit 1
      )
      and m.code = p_code
      and (p_system is null or m.system = p_system)
  )
$$;

comment on function fhir.value_set_contains(text, text, text) is 'about=Whether the active version of a value set has the code: the tenant''s own version where there is one, else the shared one. False for an unknown value set.';

create function fhir.value_set_display(p_url text, p_code text) returns text
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
  select m.display
  from fhir.value_set_members m
  join fhir.value_sets v on v.id = m.value_set_id
  where
    v.url = p_url and v.status = 'active' and (v.tenant_id = core.current_tenant_id() or v.tenant_id is null)
    and m.code = p_code
  order by v.tenant_id nulls last
  limit 1
$$;

comment on function fhir.value_set_display(text, text) is 'about=Text of a code in the active version of a value set, null when it has none. For other modules'' operations.';
