-- Demo: beside the story. An emergency registered by telephone (encounter 14): treated first, authenticated by an
-- exception that a second person approved, its pre-authorisation rejected. A private stay (15) that waits for the
-- payer. An answer to nothing that we sent, kept as failed.

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
  v_auth insurance.beneficiary_authentications;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000011')::uuid, 'billing', 'HPAYMT', null);
    continue when exists (select from insurance.nhcx_messages m where m.tenant_id = v_tenant and m.status = 'failed');

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
          jsonb_build_object(
            'api_path', '/preauth/on_submit', 'entity', 'preauth', 'api_call_id', core.uuid_v7(), 'correlation_id',
            core.uuid_v7(), 'sender_code', 'demo-scheme@hcx', 'recipient_code', 'demo-hospital@hcx', 'hcx_status',
            'response.complete', 'hcx_timestamp', now(), 'jwe_enc', core.encrypt_text('an envelope')::text, 'payload_hash',
            sha256('stray')::text
          )
        )
      ).id,
      '{"adjudication": "approved", "pre_auth_ref": "DEMO-STRAY"}'
    );
  end loop;
end
$$;
