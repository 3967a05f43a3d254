-- The store of renderings: the only writer of fhir.resource_versions.

create function fhir.store_version(
  p_resource_type text,
  p_logical_id uuid,
  p_content_enc bytea,
  p_content_hash bytea,
  p_source text,
  p_source_id uuid,
  p_patient_id uuid default null,
  p_options jsonb default '{}'
) returns fhir.resource_versions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_expected integer := (p_options ->> 'expected_version')::integer;
  v_profile text[] := coalesce(
    (select array_agg(e.value order by e.ordinality) from jsonb_array_elements_text(p_options -> 'profile') with ordinality e),
    '{}'
  );
  v_last fhir.resource_versions;
begin
  if p_source !~ '^[a-z_]+\.[a-z_]+$' then
    raise exception 'source "%" is not schema.table', p_source
      using errcode = '22023', hint = 'name the table of the row that was rendered, such as clinical.encounters';
  end if;
  -- A version that somebody else is storing makes the insert wait and then find it taken: look again and take the next.
  loop
    select r.* into v_last
    from fhir.resource_versions r
    where r.tenant_id = v_tenant and r.resource_type = p_resource_type and r.logical_id = p_logical_id
    order by r.version desc
    limit 1;
    if
      v_last.content_hash = p_content_hash and v_last.profile = v_profile
      and v_last.validator is not distinct from p_options ->> 'validator'
      and v_last.valid is not distinct from (p_options ->> 'valid')::boolean
    then
      return v_last;
    end if;
    if v_expected <> coalesce(v_last.version, 0) then
      raise exception '% % is at version %, not %', p_resource_type, p_logical_id, coalesce(v_last.version, 0), v_expected
        using errcode = 'IM004', hint = 'render it again from the current rows';
    end if;

    insert into fhir.resource_versions (
      tenant_id, resource_type, logical_id, version, profile, content_enc, content_hash, source_schema, source_table,
      source_id, patient_id, validator, valid, issues, bundle_type
    )
    values (
      v_tenant, p_resource_type, p_logical_id, coalesce(v_last.version, 0) + 1, v_profile, p_content_enc,
      p_content_hash, split_part(p_source, '.', 1), split_part(p_source, '.', 2), p_source_id, p_patient_id,
      p_options ->> 'validator', (p_options ->> 'valid')::boolean, p_options -> 'issues', p_options ->> 'bundle_type'
    )
    on conflict (tenant_id, resource_type, logical_id, version) do nothing
    returning * into v_last;
    if found then
      return v_last;
    end if;
  end loop;
end
$$;

comment on function fhir.store_version(text, uuid, bytea, bytea, text, uuid, uuid, jsonb) is 'about=Stores a rendering as the next version of a resource and returns it; the content of the last version again, validated alike, is that version. p_source is schema.table of the rendered row. p_options: profile (array), validator, valid, issues, bundle_type, expected_version (0 for none yet). IM003, IM004 another version is the last one, 22023 malformed source, 23514 no FHIR R4 type, or an outcome without its validator or issues.';

create function fhir.resource_history(p_resource_type text, p_logical_id uuid, p_limit integer default 50)
  returns setof fhir.resource_versions
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
  select r.*
  from fhir.resource_versions r
  where r.tenant_id = core.current_tenant_id() and r.resource_type = p_resource_type and r.logical_id = p_logical_id
  order by r.version desc
  limit p_limit
$$;

comment on function fhir.resource_history(text, uuid, integer) is 'about=The last p_limit versions of a resource, newest first, content encrypted. Whoever decrypts one logs the access.';
