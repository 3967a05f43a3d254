-- Demo: claims and money. The story: the stay of encounter 12 is discharged, claimed, approved and paid, and the
-- payment pays the scheme's bill. Beside it: an outpatient claim that was paid in part (encounter 11) with a transfer
-- that is disputed, a rejected one that the payer is asked to decide again (4), and a private stay that was queried
-- (15).

select core.assert_not_production();

select set_config('app.field_key', 'demo field key, not a secret', true);
select set_config('app.index_key', 'demo index key, not a secret', true);

do $$
declare
  v_scheme constant uuid := '00000000-0b00-7000-8000-000000000001';
  v_tenant uuid;
  v_id text;
  v_insurer uuid;
  v_case_id uuid;
  v_preauth_id uuid;
  v_claim insurance.insurance_claims;
  v_auth insurance.beneficiary_authentications;
  v_paper insurance.claim_documents;
  v_payment insurance.claim_payments;
  v_envelope jsonb;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true);
    v_id := left(v_tenant::text, 8);
    v_insurer := (v_id || '-0b01-7000-8000-000000000001')::uuid;
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000011')::uuid, 'billing', 'HPAYMT', null);
    continue when exists (select from insurance.claim_payments p where p.tenant_id = v_tenant);

    -- an outpatient claim outside the exchange: no approval needed, approved in part, paid; a second transfer is too much
    v_claim := insurance.draft_claim(
      jsonb_build_object(
        'use', 'claim', 'encounter_id', v_id || '-0017-7000-8000-000000000011',
        'coverage_id', v_id || '-0b04-7000-8000-000000000004', 'channel', 'portal', 'sub_type', 'op'
      ),
      jsonb_build_array(jsonb_build_object('package_id', v_id || '-0b03-7000-8000-000000000007', 'quantity', 2)),
      'demo-claim-11'
    );
    v_claim := insurance.submit_claim(v_claim.id);
    perform insurance.record_payer_decision(
      v_claim.id,
      '{
        "adjudication": "partially_approved", "total_approved": 2000, "payer_claim_ref": "DEMO-CL-11",
        "deduction_reasons": [{"code": "LIST", "amount": 400}]
      }'
    );
    v_payment := insurance.record_payment_notice(v_insurer, 'DEMO-UTR-11', current_date, 2000, v_claim.id, 200);
    perform insurance.settle_claim_payment(v_payment.id);
    perform insurance.record_payment_notice(v_insurer, 'DEMO-UTR-11B', current_date, 2000, v_claim.id, 200);

    -- a rejected one
    v_claim := insurance.draft_claim(
      jsonb_build_object(
        'use', 'claim', 'encounter_id', v_id || '-0017-7000-8000-000000000004',
        'coverage_id', v_id || '-0b04-7000-8000-000000000005', 'channel', 'paper'
      ),
      jsonb_build_array(jsonb_build_object('package_id', v_id || '-0b03-7000-8000-000000000007')),
      'demo-claim-4'
    );
    v_claim := insurance.submit_claim(v_claim.id);
    perform insurance.record_payer_decision(v_claim.id, '{"adjudication": "rejected", "reject_reason": [{"code": "NO-COVER"}]}');
    perform insurance.request_reprocess(v_claim.id, 'the member was covered on that day');

    -- the private stay: a question of the payer is open
    select c.* into v_claim
    from insurance.insurance_claims c
    where c.tenant_id = v_tenant and c.encounter_id = (v_id || '-0017-7000-8000-000000000015')::uuid and c.status = 'submitted';
    perform insurance.record_payer_decision(
      v_claim.id,
      jsonb_build_object(
        'adjudication', 'queried', 'query', jsonb_build_object('text_enc', core.encrypt_text('why four days?')::text)
      )
    );

    -- the story
    select k.id, c.id into v_case_id, v_preauth_id
    from insurance.pmjay_cases k
    join insurance.insurance_claims c
      on c.tenant_id = k.tenant_id and c.case_id = k.id and c.status in ('approved', 'partially_approved')
    where k.tenant_id = v_tenant and k.encounter_id = (v_id || '-0017-7000-8000-000000000012')::uuid;
    perform insurance.discharge_case(v_case_id, false);
    v_claim := insurance.draft_follow_up(v_preauth_id, 'prior');
    v_auth := insurance.begin_authentication(v_claim.encounter_id, v_scheme, 'discharge', 'otp', 'DEMO-TXN-3');
    perform insurance.complete_authentication(v_auth.id, core.encrypt_text('demo token'));
    -- a document of the stay stands for the printed summary
    v_paper := insurance.attach_document(
      v_claim.id, 'attachment', 'discharge_summary', 'discharge-summary.pdf', sha256('summary'),
      (
        select d.id
        from ehr.documents d
        where d.tenant_id = v_tenant and d.encounter_id = v_claim.encounter_id and d.deleted_at is null
        order by d.id
        limit 1
      )
    );
    perform insurance.review_document(v_paper.id, true);
    v_claim := insurance.submit_claim(v_claim.id);
    v_envelope := jsonb_build_object(
      'entity', 'claim', 'hcx_timestamp', now(), 'sender_code', 'demo-scheme@hcx', 'recipient_code', 'demo-hospital@hcx',
      'jwe_enc', core.encrypt_text('an envelope')::text, 'hcx_status', 'response.complete'
    );
    perform insurance.apply_payer_response(
      (
        insurance.receive_message(
          v_envelope || jsonb_build_object(
            'api_path', '/claim/on_submit', 'api_call_id', core.uuid_v7(), 'correlation_id', v_claim.correlation_id,
            'payload_hash', sha256('claim approved')::text
          )
        )
      ).id,
      '{"adjudication": "partially_approved", "total_approved": 21500, "payer_claim_ref": "DEMO-CL-12", "actor_role": "CPD"}'
    );
    v_payment := insurance.record_payment_notice(
      v_scheme, 'DEMO-UTR-12', current_date, 21500, v_claim.id, 0,
      p_message_id => (
        insurance.receive_message(
          v_envelope || jsonb_build_object(
            'api_path', '/paymentnotice/request', 'entity', 'paymentnotice', 'api_call_id', core.uuid_v7(),
            'correlation_id', core.uuid_v7(), 'payload_hash', sha256('paid')::text
          )
        )
      ).id
    );
    perform insurance.settle_claim_payment(v_payment.id);
    -- what is checked at commit is checked while the request is still this tenant's
    set constraints all immediate;
    set constraints all deferred;
  end loop;
end
$$;
