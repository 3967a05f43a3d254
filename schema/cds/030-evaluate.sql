-- The language of rules: small enough to read in a review, without a way to run code.
--
--   {"all": [..]}, {"any": [..]}, {"not": ..}
--   {"fact": "egfr", "op": "<", "value": 30}            = <> < <= > >=
--   {"fact": "route", "op": "in", "value": ["iv"]}      the fact is one of
--   {"fact": "conditions", "op": "has", "value": "N18"} the list has
--   {"fact": "weight_kg", "op": "unknown"}              known, unknown
--
-- A comparison with a fact that is not known is false, and so is its negation by <>: rules say with unknown what they want.

create function cds.valid_logic(p_logic jsonb) returns boolean
  language plpgsql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_part jsonb;
  v_value jsonb := p_logic -> 'value';
begin
  if jsonb_typeof(p_logic) is distinct from 'object' then
    return false;
  end if;
  if p_logic ?| array['all', 'any'] then
    v_part := coalesce(p_logic -> 'all', p_logic -> 'any');
    if (select count(*) from jsonb_object_keys(p_logic)) <> 1 or jsonb_typeof(v_part) <> 'array' then
      return false;
    end if;
    return jsonb_array_length(v_part) > 0
      and not exists (select from jsonb_array_elements(v_part) e where not cds.valid_logic(e.value));
  end if;
  if p_logic ? 'not' then
    return (select count(*) from jsonb_object_keys(p_logic)) = 1 and cds.valid_logic(p_logic -> 'not');
  end if;
  return jsonb_typeof(p_logic -> 'fact') = 'string' and coalesce(
    case
      when p_logic ->> 'op' in ('=', '<>', 'has') then jsonb_typeof(v_value) in ('string', 'number', 'boolean')
      when p_logic ->> 'op' in ('<', '<=', '>', '>=') then jsonb_typeof(v_value) = 'number'
      when p_logic ->> 'op' = 'in' then jsonb_typeof(v_value) = 'array'
      when p_logic ->> 'op' in ('known', 'unknown') then v_value is null
    end,
    false
  );
end
$$;

comment on function cds.valid_logic(jsonb) is 'about=Whether a condition has the form that cds.evaluate reads.';

create function cds.evaluate(p_logic jsonb, p_facts jsonb) returns boolean
  language plpgsql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_fact jsonb := p_facts -> (p_logic ->> 'fact');
  v_op text := p_logic ->> 'op';
  v_value jsonb := p_logic -> 'value';
begin
  if p_logic ? 'all' then
    return not exists (select from jsonb_array_elements(p_logic -> 'all') e where not cds.evaluate(e.value, p_facts));
  end if;
  if p_logic ? 'any' then
    return exists (select from jsonb_array_elements(p_logic -> 'any') e where cds.evaluate(e.value, p_facts));
  end if;
  if p_logic ? 'not' then
    return not cds.evaluate(p_logic -> 'not', p_facts);
  end if;
  v_fact := nullif(v_fact, 'null');
  if v_op in ('known', 'unknown') then
    return (v_fact is null) = (v_op = 'unknown');
  end if;
  if v_fact is null then
    return false;
  end if;
  return case v_op
    when '=' then v_fact = v_value
    when '<>' then v_fact <> v_value
    when 'in' then v_value @> v_fact
    when 'has' then jsonb_typeof(v_fact) = 'array' and v_fact @> v_value
    else
      case
        when jsonb_typeof(v_fact) <> 'number' then false
        when v_op = '<' then (v_fact #>> '{}')::numeric < (v_value #>> '{}')::numeric
        when v_op = '<=' then (v_fact #>> '{}')::numeric <= (v_value #>> '{}')::numeric
        when v_op = '>' then (v_fact #>> '{}')::numeric > (v_value #>> '{}')::numeric
        when v_op = '>=' then (v_fact #>> '{}')::numeric >= (v_value #>> '{}')::numeric
      end
  end;
end
$$;

comment on function cds.evaluate(jsonb, jsonb) is 'about=Whether a condition holds for facts {name: value}. all, any, not; op =, <>, <, <=, >, >=, in, has, known, unknown. A comparison with an unknown fact is false.';

create function cds.convert_dose(p_value numeric, p_from text, p_to text) returns numeric
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  with factor (unit, of_mg) as (
    values ('g', 1000.0), ('mg', 1.0), ('ug', 0.001), ('mcg', 0.001), ('ng', 0.000001)
  )
  select case
    when p_from = p_to then p_value
    else (
      select p_value * f.of_mg / t.of_mg
      from factor f, factor t
      where f.unit = p_from and t.unit = p_to
    )
  end
$$;

comment on function cds.convert_dose(numeric, text, text) is 'about=A dose in another unit of mass (g, mg, ug or mcg, ng); null when the units cannot be compared.';
