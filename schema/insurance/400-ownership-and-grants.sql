-- The module belongs to billing_owner, like billing. Its operations read a few columns of other services' tables and
-- call the evaluation of guidelines; those are what a service of its own replaces by projections and calls.

select core.hand_over('insurance', 'billing');

grant usage on schema patient, clinical, ehr, fhir, facility to billing_owner, billing_app, billing_ro;
grant select (tenant_id, id, patient_id, clinic_id, period, status, deleted_at) on clinical.encounters to billing_owner;
grant select (tenant_id, id, ownership) on facility.clinics to billing_owner;
grant execute on function fhir.value_set_contains(text, text, text) to billing_owner;
grant select (tenant_id, encounter_id, discharge_ordered_at, physically_left_at) on clinical.admissions to billing_owner;
grant select (tenant_id, id, encounter_id, status, stg_status, discharge_kind, created_at)
  on clinical.discharge_summaries to billing_owner;
grant select (tenant_id, id, code, effective, status) on clinical.stg_guidelines to billing_owner;
grant select (tenant_id, id, guideline_id, seq, stage, kind, code, mandatory) on clinical.stg_criteria to billing_owner;
grant select (tenant_id, claim_id, criterion_id, outcome, waived_by, evaluated_at) on clinical.stg_compliance_results
  to billing_owner;
grant execute on function clinical.evaluate_stg_claim(uuid, uuid, text, jsonb, text[]) to billing_owner;
grant select (tenant_id, id, patient_id, deleted_at) on ehr.documents to billing_owner;

-- the names that insurance.preauth_requests shows
grant select (tenant_id, id, mrn, given_name, middle_name, family_name) on patient.patients to billing_app, billing_ro;
grant select on insurance.preauth_requests, insurance.claim_clocks to billing_app, billing_ro;

-- Operations. What locks, checks, moves and holds stays private.
grant execute on function
  insurance.verify_coverage(uuid, text),
  insurance.end_coverage(uuid, text, text),
  insurance.ask_eligibility(uuid, uuid, uuid, uuid, text[], jsonb, uuid),
  insurance.apply_eligibility_answer(uuid, jsonb, uuid),
  insurance.register_case(uuid, uuid, text, text, text, text, timestamptz, boolean, uuid, text, text),
  insurance.start_treatment(uuid),
  insurance.discharge_case(uuid, boolean),
  insurance.cancel_case(uuid, text),
  insurance.close_case(uuid, text),
  insurance.begin_authentication(uuid, uuid, text, text, text),
  insurance.complete_authentication(uuid, bytea, timestamptz, bytea),
  insurance.fail_authentication(uuid),
  insurance.approve_authentication_exception(uuid, text),
  insurance.draft_claim(jsonb, jsonb, text),
  insurance.set_claim_items(uuid, jsonb),
  insurance.mark_ready(uuid, boolean),
  insurance.attach_document(uuid, text, text, text, bytea, uuid, jsonb, uuid, timestamptz, numeric, numeric),
  insurance.review_document(uuid, boolean, text),
  insurance.submit_preauth(uuid),
  insurance.submit_claim(uuid, text),
  insurance.draft_follow_up(uuid, text, jsonb),
  insurance.answer_query(uuid, bytea, uuid[]),
  insurance.request_cancellation(uuid, text),
  insurance.request_reprocess(uuid, text),
  insurance.lapse_queries(int),
  insurance.announce_overdue(int),
  insurance.receive_message(jsonb),
  insurance.queue_message(jsonb, text, uuid),
  insurance.mark_message_sent(uuid, int),
  insurance.mark_message_failed(uuid, text, jsonb, int, timestamptz),
  insurance.apply_payer_response(uuid, jsonb),
  insurance.record_payer_decision(uuid, jsonb),
  insurance.record_payment_notice(uuid, text, date, numeric, uuid, numeric, jsonb, uuid, uuid),
  insurance.settle_claim_payment(uuid, text),
  insurance.dispute_claim_payment(uuid, text)
to billing_app;
