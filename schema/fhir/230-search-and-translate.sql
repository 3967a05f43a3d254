-- Reading the terminology.

create function fhir.search_concepts(p_url text, p_query text, p_limit integer default 20, p_version text default null)
  returns table (code text, display text, designations jsonb)
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_system uuid;
  v_typed text := lower(btrim(p_query));
  v_prefix text := replace(replace(replace(v_typed, '\', '\\'), '%', '\%'), '_', '\_') || '%';
  v_words tsquery;
  v_found integer;
begin
  select s.id into v_system
  from fhir.code_systems s
  where s.url = p_url and (s.version = p_version or (p_version is null and s.is_current));
  if v_system is null or length(v_typed) < 2 then
    return;
  end if;

  -- the code itself, and displays that begin like this
  return query
  select c.code, c.display, c.designations
  from fhir.concepts c
  where
    c.code_system_id = v_system and c.status = 'active'
    and (c.code = btrim(p_query) or c.display_lc like v_prefix)
  order by c.code = btrim(p_query) desc, length(c.display), c.code
  limit p_limit;
  get diagnostics v_found = row_count;
  if v_found >= p_limit then
    return;
  end if;

  -- then those that have all the words somewhere, the last perhaps unfinished
  select string_agg(quote_literal(w.word) || ':*', ' & ')::tsquery into v_words
  from regexp_split_to_table(v_typed, '[^[:alnum:]]+') as w (word)
  where w.word <> '';
  return query
  select c.code, c.display, c.designations
  from fhir.concepts c
  where
    c.code_system_id = v_system and c.status = 'active'
    and c.words @@ v_words
    and c.display_lc not like v_prefix and c.code <> btrim(p_query)
  order by length(c.display), c.code
  limit p_limit - v_found;
end
$$;

comment on function fhir.search_concepts(text, text, integer, text) is 'about=Active concepts of the current (or the given) version of a code system: the code that was typed, displays that begin so, then those that have all the words, in any designation. Nothing for fewer than two characters.';

create function fhir.translate_code(
  p_source_system text,
  p_source_code text,
  p_target_system text,
  p_on date default core.tenant_today()
) returns table (target_code text, equivalence text, is_own boolean)
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
  select m.target_code, m.equivalence, m.tenant_id is not null
  from fhir.concept_maps m
  where
    (m.tenant_id = core.current_tenant_id() or m.tenant_id is null)
    and m.source_system = p_source_system and m.source_code = p_source_code and m.target_system = p_target_system
    and m.valid_during @> p_on
  order by
    m.tenant_id is null,
    array_position(array['equivalent', 'wider', 'narrower', 'inexact', 'unmatched'], m.equivalence),
    m.target_code
$$;

comment on function fhir.translate_code(text, text, text, date) is 'about=What a code is in another system on a day, by default the tenant''s: the tenant''s own mappings first, the closest first. unmatched has an empty code: somebody looked and found none. No row: nobody looked. IM003 no tenant and no day.';
