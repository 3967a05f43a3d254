-- The question before every order, and the question before signing.

create function cds.check_medication(
  p_patient_id uuid,
  p_encounter_id uuid,
  p_subject_type text,
  p_subject_id uuid,
  p_items jsonb
) returns setof cds.alerts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_facts jsonb := cds.patient_facts(p_patient_id);
  v_risk cds.alerts;
  v_ids uuid[] := '{}';
begin
  if jsonb_typeof(p_items) is distinct from 'array'
    or exists (select from jsonb_array_elements(p_items) i where coalesce(i.value ->> 'ingredient_code', '') = '') then
    raise exception 'p_items must be a list of items with an ingredient_code'
      using errcode = '22023', hint = 'pass [{ingredient_code, dose_value, unit, route, doses_per_day, current}]';
  end if;
  -- two checks of one order would each expire what the other has just found
  perform pg_advisory_xact_lock(hashtextextended('cds.check ' || v_tenant || p_subject_type || p_subject_id, 0));

  for v_risk in
    select r.* from cds.find_allergies(p_patient_id, p_items) r
    union all
    select r.* from cds.find_interactions(v_facts, p_items) r
    union all
    select r.* from cds.find_doses(v_facts, p_items) r
    union all
    select r.*
    from jsonb_array_elements(cds.new_items(p_items)) i
    cross join lateral cds.find_by_rules(array['order_select', 'order_sign'], v_facts || i.value) r
  loop
    v_risk.tenant_id := v_tenant;
    v_risk.patient_id := p_patient_id;
    v_risk.encounter_id := p_encounter_id;
    v_risk.subject_type := p_subject_type;
    v_risk.subject_id := p_subject_id;
    -- the severity belongs to the key: what was overridden as a warning speaks again as a hard stop
    v_risk.dedupe_key := concat_ws(
      ':', p_subject_type, p_subject_id, v_risk.category, v_risk.severity, v_risk.dedupe_key
    );
    v_risk := cds.fire(v_risk);
    v_ids := v_ids || v_risk.id;
  end loop;

  -- what was found before and is not found any more: the order was changed
  update cds.alerts a
  set status = 'expired'
  where
    a.tenant_id = v_tenant and a.subject_type = p_subject_type and a.subject_id = p_subject_id
    and a.status in ('fired', 'acknowledged') and a.id <> all (v_ids)
    and (
      a.rule_id is null
      or exists (select from cds.rules r where r.id = a.rule_id and r.hook in ('order_select', 'order_sign'))
    );
  if cardinality(v_ids) = 0 then
    return; -- the usual case: a plan for no id at all takes any index of the tenant
  end if;
  return query
  select a.*
  from cds.alerts a
  where a.tenant_id = v_tenant and a.id = any (v_ids)
  order by array_position(array['hard_stop', 'warning', 'info'], a.severity), a.id;
end
$$;

comment on function cds.check_medication(uuid, uuid, text, uuid, jsonb) is 'about=Checks medicines against allergies, each other, diseases, food, dose limits and rules, and returns the alerts of the subject that hold now, the worst first. p_items: [{ingredient_code, dose_value, unit, route, doses_per_day, current}]; current = true for what the patient takes already; further keys are facts for rules and replace the patient''s (egfr, weight_kg). A repeated check finds the same alerts; open ones that no longer apply expire. Check again before signing. 22023 items, IM005 no such patient.';

create function cds.run_rules(
  p_hook text,
  p_patient_id uuid,
  p_encounter_id uuid,
  p_subject_type text,
  p_subject_id uuid,
  p_facts jsonb default '{}'
) returns setof cds.alerts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_facts jsonb := cds.patient_facts(p_patient_id) || p_facts;
  v_risk cds.alerts;
begin
  for v_risk in select r.* from cds.find_by_rules(array[p_hook], v_facts) r
  loop
    v_risk.tenant_id := v_tenant;
    v_risk.patient_id := p_patient_id;
    v_risk.encounter_id := p_encounter_id;
    v_risk.subject_type := p_subject_type;
    v_risk.subject_id := p_subject_id;
    v_risk.dedupe_key := concat_ws(':', p_subject_type, p_subject_id, v_risk.category, v_risk.severity, v_risk.dedupe_key);
    return next cds.fire(v_risk);
  end loop;
end
$$;

comment on function cds.run_rules(text, uuid, uuid, text, uuid, jsonb) is 'about=Asks the active rules of a hook (result_in, vitals_in, encounter_open, admission, handover, order_select, order_sign) about a patient and further facts; returns the alerts that hold, written once. IM005 no such patient.';

create function cds.count_open_hard_stops(p_subject_type text, p_subject_id uuid) returns int
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  return (
    select count(*)::int
    from cds.alerts a
    where
      a.tenant_id = v_tenant and a.subject_type = p_subject_type and a.subject_id = p_subject_id
      and a.severity = 'hard_stop' and a.status in ('fired', 'acknowledged')
  );
end
$$;

comment on function cds.count_open_hard_stops(text, uuid) is 'about=How many hard stops of a subject are neither overridden nor gone: what must be 0 before it is signed.';
