-- Demo: the story up to treatment. Encounter 12: case registered, beneficiary authenticated, pre-authorisation
-- queried, answered and approved, enhanced by an implant that was approved in part.

select core.assert_not_production();

select set_config('app.field_key', 'demo field key, not a secret', true);
select set_config('app.index_key', 'demo index key, not a secret', true);

do $$
declare
  v_scheme constant uuid := '00000000-0b00-7000-8000-000000000001';
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_case insurance.pmjay_cases;
  v_claim insurance.insurance_claims;
  v_more insurance.insurance_claims;
  v_auth insurance.beneficiary_authentications;
  v_paper insurance.claim_documents;
  v_query_id uuid;
  v_envelope jsonb;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000011')::uuid, 'billing', 'HPAYMT', null);
    continue when exists (select from insurance.pmjay_cases k where k.tenant_id = v_tenant);

    v_case := insurance.register_case(
      (v_id || '-0017-7000-8000-000000000012')::uuid, (v_id || '-0b04-7000-8000-000000000001')::uuid, 'DEMO-HOSP-1', 'KA',
      'KA', 'planned', now() - interval '2 days', p_primary_specialty => 'SG'
    );
    v_auth := insurance.begin_authentication(v_case.encounter_id, v_scheme, 'preauthorization', 'face', 'DEMO-TXN-1');
    perform insurance.complete_authentication(v_auth.id, core.encrypt_text('demo token'), now() + interval '30 days');
    v_claim := insurance.draft_claim(
      jsonb_build_object(
        'case_id', v_case.id, 'sub_type', 'ip', 'expected_los_days', 3,
        'diagnoses', '[{"seq": 1, "code_system": "http://hl7.org/fhir/sid/icd-10", "code": "K80.2"}]'::jsonb
      ),
      jsonb_build_array(jsonb_build_object('package_id', v_id || '-0b03-7000-8000-000000000001', 'diagnosis_seq', '[1]'::jsonb)),
      'demo-preauth-12'
    );
    -- what the guideline asks for before the operation
    v_paper := insurance.attach_document(
      v_claim.id, 'info', 'PAIN', 'answer-pain.json', sha256('PAIN yes'),
      p_questionnaire_response => '{"answer": "yes"}'
    );
    perform insurance.review_document(v_paper.id, true);
    v_claim := insurance.submit_preauth(v_claim.id);

    -- out to the exchange as a bundle that was validated, queried, answered, approved
    perform fhir.store_version(
      'Bundle', v_claim.id, core.encrypt_text('{"resourceType": "Bundle", "type": "collection"}'), sha256('bundle'),
      'insurance.insurance_claims', v_claim.id, v_claim.patient_id,
      '{
        "bundle_type": "collection", "validator": "demo", "valid": true,
        "profile": ["https://nrces.in/ndhm/fhir/r4/StructureDefinition/ClaimBundle"]
      }'
    );
    v_envelope := jsonb_build_object(
      'entity', 'preauth', 'hcx_timestamp', now(), 'sender_code', 'demo-hospital@hcx', 'recipient_code', 'demo-scheme@hcx',
      'jwe_enc', core.encrypt_text('an envelope')::text
    );
    perform insurance.mark_message_sent(
      (
        insurance.queue_message(
          v_envelope || jsonb_build_object(
            'api_path', '/preauth/submit', 'api_call_id', core.uuid_v7(), 'correlation_id', v_claim.correlation_id,
            'workflow_id', v_claim.workflow_code, 'hcx_status', 'request.initiated', 'payload_hash', sha256('submit')::text
          ),
          'insurance_claims', v_claim.id
        )
      ).id,
      202
    );
    v_envelope := v_envelope || jsonb_build_object(
      'sender_code', 'demo-scheme@hcx', 'recipient_code', 'demo-hospital@hcx', 'api_path', '/preauth/on_submit',
      'hcx_status', 'response.complete'
    );
    perform insurance.apply_payer_response(
      (
        insurance.receive_message(
          v_envelope || jsonb_build_object(
            'api_call_id', core.uuid_v7(), 'correlation_id', v_claim.correlation_id, 'payload_hash', sha256('query')::text
          )
        )
      ).id,
      jsonb_build_object(
        'adjudication', 'queried', 'actor_role', 'PPD',
        'query', jsonb_build_object('text_enc', core.encrypt_text('please send the report of the scan')::text, 'raised_by_role', 'PPD')
      )
    );
    select q.id into v_query_id from insurance.payer_queries q where q.tenant_id = v_tenant and q.claim_id = v_claim.id;
    v_claim := insurance.answer_query(v_query_id, core.encrypt_text('the report is attached'));
    perform insurance.apply_payer_response(
      (
        insurance.receive_message(
          v_envelope || jsonb_build_object(
            'api_call_id', core.uuid_v7(), 'correlation_id', v_claim.correlation_id, 'payload_hash', sha256('approval')::text
          )
        )
      ).id,
      '{"adjudication": "approved", "pre_auth_ref": "DEMO-PA-1", "actor_role": "PPD", "actor_name": "Doctor of the payer"}'
    );

    -- enhanced by an implant, approved in part
    v_more := insurance.draft_follow_up(
      v_claim.id, 'enhancement',
      jsonb_build_array(
        jsonb_build_object('package_id', v_id || '-0b03-7000-8000-000000000001', 'diagnosis_seq', '[1]'::jsonb),
        jsonb_build_object(
          'package_id', v_id || '-0b03-7000-8000-000000000002', 'implant_code', 'CLIPS-DEMO', 'implant_count', 1
        )
      )
    );
    v_more := insurance.submit_preauth(v_more.id);
    perform insurance.apply_payer_response(
      (
        insurance.receive_message(
          v_envelope || jsonb_build_object(
            'api_call_id', core.uuid_v7(), 'correlation_id', v_more.correlation_id, 'payload_hash', sha256('enhanced')::text
          )
        )
      ).id,
      '{"adjudication": "partially_approved", "pre_auth_ref": "DEMO-PA-1-E", "actor_role": "PPD", "items": [
        {"seq": 1, "decision": "approved"}, {"seq": 2, "decision": "partial", "approved_amount": 3500, "reason": "list price"}
      ]}'
    );
    perform insurance.start_treatment(v_case.id);
  end loop;
end
$$;
