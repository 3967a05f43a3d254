/** Fields of the scheme's workflow (PMJ-21), by table and type. */
export const workflowFields: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'insurance.pmjay_cases': {
    text: `case_number tms_case_id hospital_code home_state treating_state admission_type primary_specialty
      cancel_reason status`,
    uuid: 'patient_id encounter_id coverage_id pmam_user_id medco_user_id mother_case_id',
    boolean: 'is_portability telephonic is_newborn mortality',
    'timestamp with time zone': 'registered_at backdated_to',
    numeric: 'wallet_blocked wallet_used',
    jsonb: 'feedback',
    'uuid[]': 'photo_document_ids',
  },
  'insurance.insurance_claims': {
    text: `claim_number use relation channel claim_type_code sub_type priority pre_auth_ref payer_claim_ref
      workflow_code dispatch_status dispatch_error outcome adjudication delay_reason cancel_reason
      stg_status`,
    uuid: 'case_id patient_id encounter_id coverage_id payer_id related_claim_id correlation_id submitted_by',
    daterange: 'billable_period',
    'timestamp with time zone': 'admission_at dispatched_at submitted_at decision_due_at decided_at submit_by',
    smallint: 'expected_los_days',
    jsonb: 'care_team diagnoses procedures accident deduction_reasons reject_reason',
    numeric: 'total_claimed total_approved total_deducted',
    boolean: 'auto_approved',
    bytea: 'document_bundle_hash',
    'insurance.claim_status': 'status',
  },
  'insurance.insurance_claim_items': {
    uuid: 'claim_id package_id',
    smallint: 'seq implant_count cycle_no',
    text: 'code_system code display stratification_code implant_code decision decision_reason',
    numeric: 'quantity unit_price factor net approved_quantity approved_amount',
    date: 'serviced_on',
    'smallint[]': 'diagnosis_seq',
    'uuid[]': 'charge_item_ids',
  },
  'insurance.claim_documents': {
    uuid: 'claim_id case_id criterion_id document_id',
    smallint: 'seq',
    text: 'category_code code filename reject_reason',
    jsonb: 'questionnaire_response',
    bytea: 'sha256',
    'timestamp with time zone': 'captured_at',
    boolean: 'accepted',
    numeric: 'latitude longitude',
  },
  'insurance.payer_queries': {
    uuid: 'claim_id correlation_id answered_by',
    smallint: 'query_no',
    'timestamp with time zone': 'raised_at due_at answered_at',
    text: 'raised_by_role status',
    bytea: 'text_enc answer_enc',
    jsonb: 'requested_documents',
    'uuid[]': 'answer_document_ids',
  },
  'insurance.adjudication_events': {
    uuid: 'case_id claim_id actor_user_id message_id',
    'timestamp with time zone': 'occurred_at',
    text: 'from_status to_status actor_role actor_name workflow_code remarks',
    numeric: 'amount',
    jsonb: 'raw',
  },
  'insurance.beneficiary_authentications': {
    uuid: 'encounter_id patient_id payer_id exception_approved_by',
    text: 'stage method txn_id exception_reason status',
    bytea: 'token_enc refresh_enc',
    'timestamp with time zone': 'token_expires_at authenticated_at',
  },
}
