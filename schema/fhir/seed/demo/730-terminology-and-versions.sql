-- Demo: a value set and mappings of each clinic's own, and the story's visit as it was rendered in FHIR: twice, the second
-- time validated, and as a document bundle.
-- imhotep:after insurance/610-preauthorisations

select core.assert_not_production();

-- No secrets: with these texts the demo, and nothing else, is encrypted.
select set_config('app.field_key', 'demo field key, not a secret', true);

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_visit uuid;
  v_patient uuid;
  v_content record;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000001')::uuid, 'admin', 'HOPERAT', null);
    continue when exists (select from fhir.value_sets v where v.tenant_id = v_tenant);

    perform fhir.activate_value_set(
      fhir.save_value_set(
        'urn:demo:visit-reasons', '1', 'Reasons for a visit',
        '[
          {"system": "urn:demo:visit-reason", "code": "fever", "display": "Fever"},
          {"system": "urn:demo:visit-reason", "code": "injury", "display": "Injury"},
          {"system": "urn:demo:visit-reason", "code": "follow_up", "display": "Follow-up"}
        ]'
      )
    );
    insert into fhir.concept_maps (
      tenant_id, id, source_system, source_code, target_system, target_code, equivalence, reviewed_by
    )
    select
      v_tenant, (v_id || '-0d01-7000-8000-00000000000' || m.n)::uuid, 'urn:demo:laboratory', m.source, 'http://loinc.org',
      m.target, m.equivalence, (v_id || '-0005-7000-8000-000000000013')::uuid
    from (
      values (1, 'HB', '718-7', 'equivalent'), (2, 'HOUSE-PANEL', '', 'unmatched')
    ) as m (n, source, target, equivalence);

    v_visit := (v_id || '-0017-7000-8000-000000000011')::uuid;
    select e.patient_id into v_patient from clinical.encounters e where e.tenant_id = v_tenant and e.id = v_visit;
    for v_content in
      select *
      from (
        values
          ('Encounter', v_visit, '{"resourceType":"Encounter","status":"in-progress"}', '{}'),
          ('Encounter', v_visit, '{"resourceType":"Encounter","status":"finished"}', '{"validator":"demo","valid":true}'),
          (
            'Bundle', (v_id || '-0d02-7000-8000-000000000001')::uuid, '{"resourceType":"Bundle","type":"document"}',
            '{"bundle_type":"document","validator":"demo","valid":false,"issues":[{"severity":"error","code":"required"}],'
              || '"profile":["https://nrces.in/ndhm/fhir/r4/StructureDefinition/DocumentBundle"]}'
          )
      ) as c (type, logical_id, content, options)
    loop
      perform fhir.store_version(
        v_content.type, v_content.logical_id, core.encrypt_text(v_content.content),
        sha256(convert_to(v_content.content, 'UTF8')), 'clinical.encounters', v_visit, v_patient,
        v_content.options::jsonb
      );
    end loop;
  end loop;
end
$$;
