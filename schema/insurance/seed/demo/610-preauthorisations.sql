-- Demo: from eligibility to treatment. The story is encounter 12: eligible, case registered, beneficiary authenticated,
-- pre-authorisation queried, answered and approved, enhanced by an implant. Beside it: an emergency registered by telephone
-- whose approval was rejected (encounter 14), a private one that waits for the payer (15), a question that nobody has
-- answered yet (3), and envelopes that could not be applied.

select core.assert_not_production();

select set_config('app.field_key', 'demo field key, not a secret', true);
select set_config('app.index_key', 'demo index key, not a secret', true);

do $$
declare
  v_scheme constant uuid := '00000000-0b00-7000-8000-000000000001';
  v_tenant uuid;
  v_id text;
  v_insurer uuid;
  v_ask record;
  v_check insurance.eligibility_checks;
  v_case insurance.pmjay_cases;
  v_claim insurance.insurance_claims;
  v_more insurance.insurance_claims;
  v_auth insurance.beneficiary_authentications;
  v_paper insurance.claim_documents;
  v_query_id uuid;
  v_document_id uuid;
  v_envelope jsonb;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true);
    v_id := left(v_tenant::text, 8);
    v_insurer := (v_id || '-0b01-7000-8000-000000000001')::uuid;
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000011')::uuid, 'billing', 'HPAYMT', null);
    continue when exists (select from insurance.eligibility_checks e where e.tenant_id = v_tenant);

    -- eligibility: four answered, one in the air, one refused by the exchange
    for v_ask in
      select a.*, c.patient_id, c.payer_id
      from (
        values
          (1, 12, '{validation,benefits}'::text[], 410000.00), (2, 14, '{validation}', 500000.00),
          (3, 15, '{validation,auth-requirements}', 250000.00), (4, 11, '{validation}', 300000.00), (5, 4, '{validation}', 0.00),
          (6, 3, '{validation}', null)
      ) as a (coverage, encounter, purposes, balance)
      join insurance.coverages c
        on c.tenant_id = v_tenant and c.id = (v_id || '-0b04-7000-8000-' || lpad(a.coverage::text, 12, '0'))::uuid
      order by a.coverage
    loop
      v_check := insurance.ask_eligibility(
        v_ask.payer_id, v_ask.patient_id, (v_id || '-0b04-7000-8000-' || lpad(v_ask.coverage::text, 12, '0'))::uuid,
        (v_id || '-0017-7000-8000-' || lpad(v_ask.encounter::text, 12, '0'))::uuid, v_ask.purposes
      );
      if v_ask.balance is not null then
        perform insurance.apply_eligibility_answer(
          v_check.correlation_id,
          jsonb_build_object('outcome', 'complete', 'inforce', v_ask.balance > 0, 'balance', v_ask.balance)
        );
      end if;
    end loop;

    -- the case of the story
    v_case := insurance.register_case(
      (v_id || '-0017-7000-8000-000000000012')::uuid, (v_id || '-0b04-7000-8000-000000000001')::uuid, 'DEMO-HOSP-1', 'KA',
      'KA', 'planned', now() - interval '2 days', p_primary_specialty => 'SG'
    );
    v_auth := insurance.begin_authentication(v_case.encounter_id, v_scheme, 'preauthorization', 'face', 'DEMO-TXN-1');
    perform insurance.complete_authentication(v_auth.id, core.encrypt_text('demo token'), now() + interval '30 days');
    v_claim := insurance.draft_claim(
      jsonb_build_object(
        'case_id', v_case.id, 'sub_type', 'ip', 'expected_los_days', 3,
        'diagnoses', '[{"seq": 1, "code_system": "http://hl7.org/fhir/sid/icd-10", "code": "K40.9"}]'::jsonb
      ),
      jsonb_build_array(jsonb_build_object('package_id', v_id || '-0b03-7000-8000-000000000001', 'diagnosis_seq', '[1]'::jsonb)),
      'demo-preauth-12'
    );
    v_paper := insurance.attach_document(
      v_claim.id, 'info', 'previous_operation', 'answer-previous-operation.json', sha256('no'),
      p_questionnaire_response => '{"answer": "no"}'
    );
    perform insurance.review_document(v_paper.id, true);
    select d.id into v_document_id
    from ehr.documents d
    where d.tenant_id = v_tenant and d.patient_id = v_case.patient_id and d.deleted_at is null and d.status = 'current'
    order by d.id
    limit 1;
    if found then
      v_paper := insurance.attach_document(
        v_claim.id, 'attachment', 'clinical_notes', 'clinical-notes.pdf', sha256('notes'), v_document_id
      );
      perform insurance.review_document(v_paper.id, true);
    end if;
    v_claim := insurance.submit_preauth(v_claim.id);

    -- out to the exchange, queried, answered, approved
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
    v_envelope := v_envelope || '{"sender_code": "demo-scheme@hcx", "recipient_code": "demo-hospital@hcx", "api_path": "/preauth/on_submit", "hcx_status": "response.complete"}';
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
          'package_id', v_id || '-0b03-7000-8000-000000000002', 'implant_code', 'MESH-DEMO', 'implant_count', 1
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

    -- an emergency by telephone: treated first, authenticated by exception, approval rejected
    v_case := insurance.register_case(
      (v_id || '-0017-7000-8000-000000000014')::uuid, (v_id || '-0b04-7000-8000-000000000002')::uuid, 'DEMO-HOSP-1', 'MH',
      'KA', 'emergency', p_telephonic => true
    );
    perform insurance.start_treatment(v_case.id);
    v_auth := insurance.begin_authentication(v_case.encounter_id, v_scheme, 'preauthorization', 'fingerprint', 'DEMO-TXN-2');
    perform insurance.fail_authentication(v_auth.id);
    perform set_config('app.user_id', v_id || '-0005-7000-8000-000000000012', true);
    perform insurance.approve_authentication_exception(v_auth.id, 'fingers are bandaged');
    perform set_config('app.user_id', v_id || '-0005-7000-8000-000000000011', true);
    v_claim := insurance.draft_claim(
      jsonb_build_object('case_id', v_case.id, 'channel', 'tms', 'priority', 'stat'),
      jsonb_build_array(jsonb_build_object('package_id', v_id || '-0b03-7000-8000-000000000003', 'quantity', 3)),
      'demo-preauth-14'
    );
    v_claim := insurance.submit_preauth(v_claim.id);
    perform insurance.record_payer_decision(
      v_claim.id, '{"adjudication": "rejected", "actor_role": "PPD", "reject_reason": [{"code": "NOT-EMERGENCY"}]}'
    );

    -- a private stay that waits for the payer
    v_claim := insurance.draft_claim(
      jsonb_build_object(
        'encounter_id', v_id || '-0017-7000-8000-000000000015', 'coverage_id', v_id || '-0b04-7000-8000-000000000003',
        'channel', 'portal'
      ),
      jsonb_build_array(jsonb_build_object('package_id', v_id || '-0b03-7000-8000-000000000006', 'quantity', 4)),
      'demo-preauth-15'
    );
    perform insurance.submit_preauth(v_claim.id);

    -- an answer to nothing that we sent: kept, and replayed when its submission is known
    perform insurance.apply_payer_response(
      (
        insurance.receive_message(
          v_envelope || jsonb_build_object(
            'api_call_id', core.uuid_v7(), 'correlation_id', core.uuid_v7(), 'payload_hash', sha256('stray')::text
          )
        )
      ).id,
      '{"adjudication": "approved", "pre_auth_ref": "DEMO-STRAY"}'
    );
  end loop;
end
$$;
