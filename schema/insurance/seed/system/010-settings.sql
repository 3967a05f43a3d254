-- Defaults of claims. Codes of the exchange and scheme rules are data: a tenant, or a later release, overrides the
-- row.

insert into core.system_settings (tenant_id, key, value, value_type, description) values
  (null, 'insurance.eligibility_valid_hours', '72', 'int', 'Hours that a payer''s answer about a coverage is good for a submission.'),
  (
    null, 'insurance.authentication_stages', '{"preauthorization": "preauthorization", "claim": "discharge"}', 'json',
    'Stage at which the beneficiary of a case must be authenticated, by use of the submission; a use without a row needs none.'
  ),
  (null, 'insurance.acknowledge_notice_days', '7', 'int', 'Days within which a payer''s notice of a payment is acknowledged or disputed.'),
  (
    null, 'insurance.package_code_system', '"https://nrces.in/ndhm/fhir/r4/CodeSystem/ndhm-billing-codes"', 'string',
    'Code system of claim lines that name none.'
  ),
  (
    null, 'insurance.workflow_rules',
    '[
      {"new": "preauthorization", "parent": null, "code": "12"},
      {"new": "preauthorization", "parent": "preauthorization", "answer": ["rejected"], "code": "121"},
      {"new": "preauthorization", "parent": "preauthorization", "answer": ["approved", "partially_approved"], "items": "same", "code": "121"},
      {"new": "preauthorization", "parent": "preauthorization", "answer": ["approved", "partially_approved"], "items": "changed", "code": "13"},
      {"new": "preauthorization", "parent": "preauthorization", "answer": ["queried"], "sent_as": ["12", "121", "19"], "code": "19"},
      {"new": "preauthorization", "parent": "preauthorization", "answer": ["queried"], "sent_as": ["13", "131"], "code": "131"},
      {"new": "cancel", "parent": "preauthorization", "answer": ["approved", "partially_approved"], "code": "122"},
      {"new": "claim", "parent": null, "refuse": "draft the claim from its approved pre-authorisation"},
      {"new": "claim_without_approval", "parent": null, "code": "15"},
      {"new": "claim", "parent": "preauthorization", "answer": ["approved", "partially_approved"], "code": "15"},
      {"new": "claim", "parent": "claim", "answer": ["queried"], "code": "151"},
      {"new": "claim", "parent": "claim", "answer": ["rejected"], "code": "16"},
      {"new": "claim", "parent": "claim", "answer": ["approved", "partially_approved"], "items": "same", "code": "16"},
      {"new": "claim", "parent": "claim", "answer": ["approved", "partially_approved"], "items": "changed", "refuse": "ask the payer to decide again with insurance.request_reprocess"},
      {"new": "reprocess", "parent": "claim", "answer": ["approved", "partially_approved", "rejected"], "code": "18"},
      {"new": "payment_acknowledgement", "parent": null, "code": "17"}
    ]',
    'json',
    'NHCX workflow ids: first row that fits a new submission, the one before it (parent), its answer, how it was sent, and whether the item codes changed. code 151 is 161 in a later version of the specification.'
  )
on conflict (tenant_id, key) do nothing;
