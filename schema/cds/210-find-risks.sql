-- What speaks against a list of medicines. Each function returns alerts that are not written yet: source, category,
-- severity, message, evidence, and in dedupe_key what tells this risk from another of the same order. Private.

create function cds.new_items(p_items jsonb) returns jsonb
  language sql
  immutable
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_agg(i.value order by i.ordinality), '[]')
  from jsonb_array_elements(p_items) with ordinality i
  where not coalesce((i.value ->> 'current')::boolean, false)
$$;

comment on function cds.new_items(jsonb) is 'about=The items that are ordered now, without what the patient takes already.';

create function cds.find_allergies(p_patient_id uuid, p_items jsonb) returns setof cds.alerts
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_items jsonb := cds.new_items(p_items);
  v_match record;
  v_risk cds.alerts;
begin
  for v_match in
    select distinct on (a.id, m.ingredient)
      a.id as allergy_id, a.kind, a.criticality, m.ingredient, m.interaction_id, m.severity, m.effect
    from clinical.allergies a
    cross join lateral (
      select i.value ->> 'ingredient_code' as ingredient, null::uuid as interaction_id, null as severity, null as effect
      from jsonb_array_elements(v_items) i
      where i.value ->> 'ingredient_code' = a.code
      union all
      select d.subject_code, d.id, d.severity, d.effect
      from cds.drug_interactions d
      where
        d.object_code = a.code and d.kind = 'drug_allergy_class' and d.active
        and d.subject_code in (select i.value ->> 'ingredient_code' from jsonb_array_elements(v_items) i)
    ) m
    where
      a.tenant_id = v_tenant and a.patient_id = any (patient.ids_of(p_patient_id)) and a.deleted_at is null
      and a.kind in ('allergy', 'intolerance') and a.clinical_status = 'active'
      and a.verification_status not in ('refuted', 'entered_in_error')
    order by a.id, m.ingredient, m.interaction_id nulls first
  loop
    v_risk := null;
    v_risk.allergy_id := v_match.allergy_id;
    v_risk.interaction_id := v_match.interaction_id;
    v_risk.category := 'allergy';
    v_risk.severity := case
      when v_match.interaction_id is not null then cds.severity_of(v_match.severity)
      when v_match.kind = 'allergy' or v_match.criticality = 'high' then 'hard_stop'
      else 'warning'
    end;
    v_risk.message := v_match.ingredient || ': the patient has ' || case v_match.kind
      when 'allergy' then 'an allergy' else 'an intolerance' end
      || coalesce(' to its class: ' || v_match.effect, ' to it');
    v_risk.evidence := jsonb_build_object('ingredient_code', v_match.ingredient);
    v_risk.dedupe_key := v_match.ingredient || ':' || v_match.allergy_id;
    return next v_risk;
  end loop;
end
$$;

comment on function cds.find_allergies(uuid, jsonb) is 'about=Active allergies and intolerances that name an ingredient, or a class that it clashes with. The ingredient itself is a hard stop, an intolerance of low criticality a warning.';

create function cds.severity_of(p_interaction text) returns text
  language sql
  immutable
  set search_path = pg_catalog, pg_temp
as $$
  select case p_interaction when 'contraindicated' then 'hard_stop' when 'major' then 'warning' else 'info' end
$$;

comment on function cds.severity_of(text) is 'about=Severity of the alert for the severity of an interaction.';

create function cds.find_interactions(p_facts jsonb, p_items jsonb) returns setof cds.alerts
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_codes text[] := array(select i.value ->> 'ingredient_code' from jsonb_array_elements(p_items) i);
  -- what the patient takes already is no reason to warn by itself, only together with something new
  v_new text[] := array(
    select i.value ->> 'ingredient_code' from jsonb_array_elements(cds.new_items(p_items)) i
  );
  v_pair record;
  v_risk cds.alerts;
begin
  for v_pair in
    select d.*
    from cds.drug_interactions d
    where
      d.active
      and d.subject_code = any (v_codes)
      and case d.kind
        when 'drug_drug' then d.object_code = any (v_codes)
        when 'duplicate_class' then d.object_code = any (v_codes)
        when 'drug_disease' then p_facts -> 'conditions' ? d.object_code
        when 'drug_food' then true
        else false
      end
      and (d.subject_code = any (v_new) or d.kind in ('drug_drug', 'duplicate_class') and d.object_code = any (v_new))
    order by d.kind, d.subject_code, d.object_code, d.source
  loop
    v_risk := null;
    v_risk.interaction_id := v_pair.id;
    v_risk.category := case v_pair.kind when 'duplicate_class' then 'duplicate' else 'interaction' end;
    v_risk.severity := cds.severity_of(v_pair.severity);
    v_risk.message := v_pair.subject_code || ' and ' || v_pair.object_code || ': ' || v_pair.effect || '. '
      || v_pair.management;
    v_risk.evidence := jsonb_build_object(
      'kind', v_pair.kind, 'subject_code', v_pair.subject_code, 'object_code', v_pair.object_code
    );
    v_risk.dedupe_key := v_pair.id;
    return next v_risk;
  end loop;

  -- the same ingredient twice, whatever the brands are called
  for v_pair in
    select c.code
    from unnest(v_codes) c (code)
    where c.code = any (v_new)
    group by c.code
    having count(*) > 1
    order by c.code
  loop
    v_risk := null;
    v_risk.category := 'duplicate';
    v_risk.severity := 'warning';
    v_risk.message := v_pair.code || ' is given twice';
    v_risk.evidence := jsonb_build_object('ingredient_code', v_pair.code);
    v_risk.dedupe_key := v_pair.code;
    return next v_risk;
  end loop;
end
$$;

comment on function cds.find_interactions(jsonb, jsonb) is 'about=Pairs of drugs that clash, drugs that clash with an active disease or with food, drugs of one class and one ingredient twice. Items with current = true are what the patient takes already.';

create function cds.find_doses(p_facts jsonb, p_items jsonb) returns setof cds.alerts
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_hard_stop_factor numeric := coalesce((core.setting('cds.hard_stop_dose_factor') #>> '{}')::numeric, 2);
  v_row record;
  v_risk cds.alerts;
  v_weight numeric;
  v_single numeric;
  v_daily numeric;
  v_excess numeric;
  v_why_not text;
  v_not_applied text[] := '{}';
begin
  for v_row in
    select
      e.value as item, d.id as limit_id, d.pregnancy, d.max_single, d.max_daily, d.unit, d.per_kg, f.facts,
      -- what decides whether the limit holds, and is not known
      nullif(
        concat_ws(
          ', ',
          case when d.age_days @> (f.facts ->> 'age_days')::int or d.age_days @> int4range(0, null) then null
            else 'the age is not known' end,
          case when d.weight_kg is not null and f.facts ->> 'weight_kg' is null then 'the weight is not known' end,
          case when d.egfr is not null and f.facts ->> 'egfr' is null then 'the renal function is not known' end
        ), ''
      ) as unknown
    from jsonb_array_elements(cds.new_items(p_items)) e
    cross join lateral (select p_facts || e.value as facts) f
    join cds.dose_limits d
      on d.ingredient_code = e.value ->> 'ingredient_code' and d.route = e.value ->> 'route'
    where
      coalesce(d.age_days @> (f.facts ->> 'age_days')::int, true)
      and coalesce(d.weight_kg @> (f.facts ->> 'weight_kg')::numeric, true)
      and coalesce(d.egfr @> (f.facts ->> 'egfr')::numeric, true)
      and (d.pregnancy <> 'allowed' or (f.facts ->> 'pregnant')::boolean)
    order by d.id
  loop
    v_risk := null;
    v_risk.dose_limit_id := v_row.limit_id;
    v_risk.evidence := jsonb_build_object(
      'item', v_row.item, 'max_single', v_row.max_single, 'max_daily', v_row.max_daily, 'unit', v_row.unit,
      'per_kg', v_row.per_kg
    );
    v_risk.dedupe_key := concat_ws(
      ':', v_row.limit_id, v_row.item ->> 'dose_value', v_row.item ->> 'unit', v_row.item ->> 'doses_per_day'
    );
    if v_row.pregnancy = 'avoid' and (v_row.facts ->> 'pregnant')::boolean then
      v_risk.category := 'pregnancy';
      v_risk.severity := 'hard_stop';
      v_risk.message := (v_row.item ->> 'ingredient_code') || ' is to be avoided in pregnancy';
      return next v_risk;
      continue;
    end if;

    v_risk.category := 'dose';
    v_risk.severity := 'warning';
    v_single := cds.convert_dose((v_row.item ->> 'dose_value')::numeric, v_row.item ->> 'unit', v_row.unit);
    v_daily := v_single * (v_row.item ->> 'doses_per_day')::numeric;
    v_weight := case when v_row.per_kg then (v_row.facts ->> 'weight_kg')::numeric else 1 end;
    v_why_not := case
      when v_row.unknown is not null then v_row.unknown
      when v_single is null then 'its unit is not ' || v_row.unit
      when v_weight is null then 'the weight is not known'
    end;
    if v_why_not is not null then -- a limit that cannot be applied must not look like one that holds
      if v_row.unknown is not null then -- once, not for each band
        v_risk.dedupe_key := concat_ws(
          ':', v_row.item ->> 'ingredient_code', v_row.item ->> 'route', v_row.item ->> 'dose_value',
          v_row.item ->> 'unit', v_row.item ->> 'doses_per_day'
        );
        continue when v_risk.dedupe_key = any (v_not_applied);
        v_not_applied := v_not_applied || v_risk.dedupe_key;
      end if;
      v_risk.message := (v_row.item ->> 'ingredient_code') || ': the dose cannot be checked, ' || v_why_not;
      v_risk.dedupe_key := v_risk.dedupe_key || ':unchecked';
      return next v_risk;
      continue;
    end if;
    v_excess := greatest(v_single / (v_row.max_single * v_weight), v_daily / (v_row.max_daily * v_weight));
    if v_excess > 1 then
      v_risk.severity := case when v_excess > v_hard_stop_factor then 'hard_stop' else 'warning' end;
      v_risk.message := (v_row.item ->> 'ingredient_code') || ': ' || trim_scale(round(v_excess, 2))
        || ' times the most that may be given';
      v_risk.evidence := v_risk.evidence || jsonb_build_object('times_the_limit', trim_scale(round(v_excess, 2)));
      return next v_risk;
    end if;
  end loop;
end
$$;

comment on function cds.find_doses(jsonb, jsonb) is 'about=New items whose dose or daily dose exceeds a limit for the patient''s age, weight and renal function: a warning, a hard stop above setting cds.hard_stop_dose_factor (default 2) times the limit; drugs to avoid in pregnancy; and limits that cannot be checked because age, weight, renal function or unit is not known.';

create function cds.find_by_rules(p_hooks text[], p_facts jsonb) returns setof cds.alerts
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_rule record;
  v_risk cds.alerts;
begin
  for v_rule in
    -- a tenant's own rule replaces the shared one of the same code
    select distinct on (r.code) r.id, r.code, r.name, r.logic, r.severity, r.category
    from cds.rules r
    where r.hook = any (p_hooks) and r.status = 'active' and (r.tenant_id = v_tenant or r.tenant_id is null)
    order by r.code, r.tenant_id nulls last
  loop
    if cds.evaluate(v_rule.logic, p_facts) then
      v_risk := null;
      v_risk.rule_id := v_rule.id;
      v_risk.category := v_rule.category;
      v_risk.severity := v_rule.severity;
      v_risk.message := v_rule.name;
      v_risk.evidence := jsonb_build_object('rule', v_rule.code);
      v_risk.dedupe_key := concat_ws(':', v_rule.id, p_facts ->> 'ingredient_code');
      return next v_risk;
    end if;
  end loop;
end
$$;

comment on function cds.find_by_rules(text[], jsonb) is 'about=Active rules of the hooks whose condition holds for the facts; a tenant''s own rule replaces the shared one of its code.';
