-- Loaders of the global terminology. The platform runs them (imhotep_platform), not a tenant: what they write, all see.

create function fhir.load_code_system(
  p_url text,
  p_version text,
  p_name text,
  p_licence text,
  p_is_current boolean default true
) returns uuid
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_id uuid;
begin
  if p_is_current then
    update fhir.code_systems s set is_current = false where s.url = p_url and s.version <> p_version and s.is_current;
  end if;
  insert into fhir.code_systems as s (url, version, name, licence, is_current)
  values (p_url, p_version, p_name, p_licence, p_is_current)
  on conflict (url, version) do update
  set name = excluded.name, licence = excluded.licence, is_current = s.is_current or excluded.is_current
  returning s.id into v_id;
  return v_id;
end
$$;

comment on function fhir.load_code_system(text, text, text, text, boolean) is 'about=Registers a version of a code system and returns its id; registering it again changes name and licence. p_is_current makes it the version that searches use.';

create function fhir.load_concepts(p_code_system_id uuid, p_concepts jsonb) returns integer
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_concept jsonb;
  v_is_new boolean;
  v_new integer := 0;
begin
  perform from fhir.code_systems s where s.id = p_code_system_id for no key update;
  if not found then
    raise exception 'code system % does not exist', p_code_system_id
      using errcode = 'IM005', hint = 'register it with fhir.load_code_system first';
  end if;
  for v_concept in select e.value from jsonb_array_elements(p_concepts) e loop
    insert into fhir.concepts (code_system_id, code, display, status, parents, designations, properties)
    values (
      p_code_system_id, v_concept ->> 'code', v_concept ->> 'display', coalesce(v_concept ->> 'status', 'active'),
      coalesce((select array_agg(p.value) from jsonb_array_elements_text(v_concept -> 'parents') p), '{}'),
      coalesce(v_concept -> 'designations', '{}'), coalesce(v_concept -> 'properties', '{}')
    )
    on conflict (code_system_id, code) do update
    set
      display = excluded.display, status = excluded.status, parents = excluded.parents,
      designations = excluded.designations, properties = excluded.properties
    returning xmax = 0 into v_is_new; -- a row that was there before carries the lock of this update
    v_new := v_new + v_is_new::integer;
  end loop;
  update fhir.code_systems s
  set concept_count = s.concept_count + v_new, loaded_at = now()
  where s.id = p_code_system_id;
  return v_new;
end
$$;

comment on function fhir.load_concepts(uuid, jsonb) is 'about=Writes concepts [{code, display, status, parents, designations, properties}] of a code system and returns how many are new; known codes are brought up to date. Send some thousand at a time; a batch that is sent again changes nothing. IM005 no such code system, 23514 a check digit is wrong: then nothing of the batch is written.';
