-- Demo: a made-up guideline of each tenant, with a criterion of every kind and stage.

select core.assert_not_production();

do $$
declare
  v_tenant uuid;
  v_id text;
  v_guideline uuid;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000004')::uuid, 'doctor', 'TREAT', null);
    v_guideline := (v_id || '-0168-7000-8000-000000000001')::uuid;
    continue when exists (select from clinical.stg_guidelines g where g.id = v_guideline);

    insert into clinical.stg_guidelines (
      tenant_id, id, code, version, title, specialty, package_codes, icd10_codes, source_uri, effective, min_los_days,
      max_los_days
    )
    values (
      v_tenant, v_guideline, 'DEMO-GALL', '1', 'Removal of the gallbladder (example)', 'surgery', '{DEMO-GALL-01}', '{K80}',
      'https://example.org/guidelines/demo-gall/1', '[2024-01-01,)', 1, 5
    );
    insert into clinical.stg_criteria (
      tenant_id, guideline_id, seq, stage, kind, code, text, document_type, expression, expected, mandatory
    )
    values
      (v_tenant, v_guideline, 1, 'preauth', 'question', 'PAIN', 'Attacks of pain are documented', null, null, '"yes"', true),
      (
        v_tenant, v_guideline, 2, 'preauth', 'rule', 'DIAGNOSIS', 'Diagnosis is stones of the gallbladder', null,
        '{"fact": "icd10_codes", "op": "has_prefix", "value": "K80"}', null, true
      ),
      (
        v_tenant, v_guideline, 1, 'discharge', 'rule', 'STAY', 'Stay is within the limits of the guideline', null,
        '{"all": [{"fact": "los_days", "op": ">=", "value_of": "guideline.min_los_days"}, {"fact": "los_days", "op": "<=", "value_of": "guideline.max_los_days"}]}',
        null, true
      ),
      (v_tenant, v_guideline, 2, 'discharge', 'question', 'DRAIN', 'Was a drain left?', null, null, '["yes", "no"]', true),
      (
        v_tenant, v_guideline, 3, 'discharge', 'document', 'PICTURES', 'Pictures of the specimen', 'specimen_photo', null,
        null, true
      ),
      (
        v_tenant, v_guideline, 4, 'discharge', 'rule', 'FOLLOWUP', 'Follow-up is planned', null,
        '{"fact": "follow_up", "op": ">", "value": 0}', null, false
      ),
      (v_tenant, v_guideline, 1, 'claim', 'document', 'SUMMARY', 'Discharge summary', 'discharge_summary', null, null, true),
      (
        v_tenant, v_guideline, 2, 'claim', 'rule', 'ALIVE', 'Discharge is not a death', null,
        '{"fact": "discharge_kind", "op": "<>", "value": "death"}', null, false
      );
    update clinical.stg_guidelines g set status = 'active' where g.id = v_guideline;
  end loop;
end
$$;
