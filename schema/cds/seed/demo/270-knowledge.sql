-- Demo: a handful of made-up knowledge. A hospital loads its own from a source that it trusts; nothing here may guide care.

select core.assert_not_production();

-- shared rows know no tenant that the guard of core.tenants would stop: one block, so that the guard covers them
do $$
begin
  perform core.assert_not_production();
  insert into cds.drug_interactions (
    id, kind, subject_code, object_code, severity, onset, evidence_level, effect, management, source
  )
  select
    ('00000000-0801-7000-8000-' || lpad(d.n::text, 12, '0'))::uuid, d.kind, d.subject, d.object, d.severity, d.onset,
    'textbook', d.effect, d.management, 'demo'
  from (
    values
      (1, 'drug_drug', 'ibuprofen', 'warfarin', 'major', 'delayed', 'More bleeding', 'Choose paracetamol, or watch the INR.'),
      (2, 'drug_drug', 'ceftriaxone', 'warfarin', 'moderate', 'delayed', 'INR may rise', 'Check the INR after three days.'),
      (3, 'drug_allergy_class', 'amoxicillin', 'penicillins', 'contraindicated', 'rapid', 'Anaphylaxis', 'Choose another class.'),
      (4, 'drug_allergy_class', 'ceftriaxone', 'penicillins', 'major', 'rapid', 'Cross reaction in a few', 'Ask how severe the reaction was.'),
      (5, 'drug_disease', 'ibuprofen', 'N18.4', 'contraindicated', 'delayed', 'Renal function worsens', 'Choose paracetamol.'),
      (6, 'drug_food', 'warfarin', 'vitamin_k_food', 'minor', 'delayed', 'Less effect', 'Keep the diet steady.'),
      (7, 'duplicate_class', 'diclofenac', 'ibuprofen', 'moderate', 'rapid', 'Two of one class', 'Choose one.')
  ) as d (n, kind, subject, object, severity, onset, effect, management)
  on conflict do nothing;

  insert into cds.dose_limits (id, ingredient_code, route, age_days, max_single, max_daily, unit, per_kg, source)
  select
    ('00000000-0802-7000-8000-' || lpad(d.n::text, 12, '0'))::uuid, d.ingredient, d.route, d.age::int4range, d.single,
    d.daily, d.unit, d.per_kg, 'demo'
  from (
    values
      (1, 'paracetamol', 'oral', '[0,4383)', 15, 60, 'mg', true), (2, 'paracetamol', 'oral', '[4383,)', 1000, 4000, 'mg', false),
      (3, 'amoxicillin', 'oral', '[4383,)', 1000, 3000, 'mg', false), (4, 'ceftriaxone', 'iv', '[4383,)', 2000, 4000, 'mg', false),
      (5, 'morphine', 'iv', '[6575,)', 10, 60, 'mg', false)
  ) as d (n, ingredient, route, age, single, daily, unit, per_kg)
  on conflict do nothing;

  -- a rule that comes with the product, and holds for all tenants that have none of their own
  insert into cds.rules (id, tenant_id, code, name, hook, logic, severity, category, evidence, test_cases)
  values (
    '00000000-0803-7000-8000-000000000001', null, 'renal.ibuprofen', 'Ibuprofen with poor renal function', 'order_select',
    '{"all": [{"fact": "ingredient_code", "op": "=", "value": "ibuprofen"}, {"fact": "egfr", "op": "<", "value": 30}]}',
    'warning', 'renal', 'demo',
    '[{"name": "poor function", "facts": {"ingredient_code": "ibuprofen", "egfr": 25}, "fires": true},
      {"name": "good function", "facts": {"ingredient_code": "ibuprofen", "egfr": 90}, "fires": false},
      {"name": "not known", "facts": {"ingredient_code": "ibuprofen"}, "fires": false}]'
  )
  on conflict do nothing;
  update cds.rules r set status = 'testing' where r.id = '00000000-0803-7000-8000-000000000001' and r.status = 'draft';
  update cds.rules r set status = 'active' where r.id = '00000000-0803-7000-8000-000000000001' and r.status = 'testing';
end
$$;

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_rule uuid;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000010')::uuid, 'pharmacist', 'HOPERAT', null);
    continue when exists (select from cds.rules r where r.tenant_id = v_tenant);

    v_rule := (
      cds.draft_rule(
        'stewardship.ceftriaxone', 'Ceftriaxone: is a narrower antibiotic enough?', 'order_select',
        '{"fact": "ingredient_code", "op": "=", "value": "ceftriaxone"}', 'info', 'stewardship',
        '[{"name": "ceftriaxone", "facts": {"ingredient_code": "ceftriaxone"}, "fires": true},
          {"name": "another", "facts": {"ingredient_code": "amoxicillin"}, "fires": false}]',
        'Antibiotic policy of the house'
      )
    ).id;
    perform cds.start_rule_test(v_rule);
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000004')::uuid, 'doctor', 'HOPERAT', null);
    perform cds.activate_rule(v_rule);
    perform cds.draft_rule(
      'sepsis.fever', 'Fever with fast pulse', 'vitals_in',
      '{"all": [{"fact": "temperature_c", "op": ">=", "value": 38.5}, {"fact": "pulse", "op": ">", "value": 110}]}',
      'warning', 'sepsis'
    );
  end loop;
end
$$;
