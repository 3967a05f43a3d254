-- The language of guideline rules. Deterministic: an expression and facts give true, false, or null for "not known".

create function clinical.check_stg_expression(p_expression jsonb) returns void
  language plpgsql
  immutable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_kind text;
  v_part jsonb;
begin
  select k.key into v_kind
  from jsonb_object_keys(case jsonb_typeof(p_expression) when 'object' then p_expression else '{}' end) as k (key)
  where k.key in ('all', 'any', 'not', 'fact')
  limit 1;
  case v_kind
    when 'all', 'any' then
      if jsonb_typeof(p_expression -> v_kind) <> 'array' or jsonb_array_length(p_expression -> v_kind) = 0 then
        raise exception '"%" of a rule needs a list', v_kind
          using errcode = '22023', hint = 'write {"' || v_kind || '": [expression, ...]}';
      end if;
      for v_part in select e.value from jsonb_array_elements(p_expression -> v_kind) as e (value) loop
        perform clinical.check_stg_expression(v_part);
      end loop;
    when 'not' then
      perform clinical.check_stg_expression(p_expression -> 'not');
    when 'fact' then
      if not coalesce(p_expression ->> 'op', '') = any (
        array['=', '<>', '<', '<=', '>', '>=', 'in', 'not_in', 'contains', 'has_prefix', 'known']
      ) then
        raise exception 'operator "%" of a rule is unknown', p_expression ->> 'op'
          using errcode = '22023', hint = 'use =, <>, <, <=, >, >=, in, not_in, contains, has_prefix or known';
      end if;
      if p_expression ->> 'op' <> 'known' and num_nonnulls(p_expression -> 'value', p_expression -> 'value_of') <> 1 then
        raise exception 'a rule compares fact "%" with nothing', p_expression ->> 'fact'
          using errcode = '22023', hint = 'give value, or value_of with the name of another fact';
      end if;
      if p_expression ->> 'op' in ('in', 'not_in') and p_expression ? 'value'
        and jsonb_typeof(p_expression -> 'value') <> 'array' then
        raise exception 'operator "%" of a rule needs a list', p_expression ->> 'op'
          using errcode = '22023', hint = 'write "value": [..]';
      end if;
    else
      raise exception 'a rule has none of "fact", "all", "any", "not"'
        using errcode = '22023', hint = 'write {"fact": "los_days", "op": ">=", "value": 2}';
  end case;
end
$$;

comment on function clinical.check_stg_expression(jsonb) is 'about=Raises 22023 for an expression that clinical.stg_test would not understand.';

create function clinical.stg_test(p_expression jsonb, p_facts jsonb) returns boolean
  language plpgsql
  immutable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_part jsonb;
  v_answer boolean;
  v_unknown boolean := false;
  v_fact jsonb;
  v_value jsonb;
begin
  if p_expression ? 'all' or p_expression ? 'any' then
    for v_part in
      select e.value from jsonb_array_elements(coalesce(p_expression -> 'all', p_expression -> 'any')) as e (value)
    loop
      v_answer := clinical.stg_test(v_part, p_facts);
      if v_answer is null then
        v_unknown := true;
      elsif v_answer <> (p_expression ? 'all') then
        return v_answer; -- one false decides "all", one true decides "any", whatever is unknown beside it
      end if;
    end loop;
    return case when v_unknown then null else p_expression ? 'all' end;
  end if;
  if p_expression ? 'not' then
    return not clinical.stg_test(p_expression -> 'not', p_facts);
  end if;

  v_fact := nullif(p_facts #> string_to_array(p_expression ->> 'fact', '.'), 'null');
  if p_expression ->> 'op' = 'known' then
    return v_fact is not null;
  end if;
  v_value := coalesce(p_expression -> 'value', p_facts #> string_to_array(p_expression ->> 'value_of', '.'));
  if v_fact is null or v_value is null or v_value = 'null' then
    return null;
  end if;
  if p_expression ->> 'op' in ('<', '<=', '>', '>=') and jsonb_typeof(v_fact) <> jsonb_typeof(v_value) then
    return null; -- "12" is not less than 13: a fact of another type is not the fact that was asked for
  end if;
  return case p_expression ->> 'op'
    when '=' then v_fact = v_value
    when '<>' then v_fact <> v_value
    when '<' then v_fact < v_value
    when '<=' then v_fact <= v_value
    when '>' then v_fact > v_value
    when '>=' then v_fact >= v_value
    when 'in' then v_value @> jsonb_build_array(v_fact)
    when 'not_in' then not v_value @> jsonb_build_array(v_fact)
    when 'contains' then v_fact @> v_value
    when 'has_prefix' then exists (
      select
      from jsonb_array_elements_text(case jsonb_typeof(v_fact) when 'array' then v_fact else jsonb_build_array(v_fact) end)
        as f (text)
      where starts_with(f.text, v_value #>> '{}')
    )
  end;
end
$$;

comment on function clinical.stg_test(jsonb, jsonb) is 'about=Arguments (expression, facts): true, false, or null when a fact is not known. {fact, op, value} or {fact, op, value_of}; fact and value_of are paths such as answers.Q1; op is =, <>, <, <=, >, >=, in and not_in (value is a list), contains (fact is a list), has_prefix (of the fact or of one in its list), known. {all: [..]}, {any: [..]} and {not: ..} combine.';
