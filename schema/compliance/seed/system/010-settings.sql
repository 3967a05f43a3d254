-- Defaults of privacy law. A tenant in another country overrides them.

insert into core.system_settings (tenant_id, key, value, value_type, description) values
  (null, 'compliance.majority_age', '18', 'int', 'Age from which a person consents for themselves.'),
  (
    null, 'compliance.request_clocks',
    '{"access": "30 days", "correction": "30 days", "erasure": "30 days", "portability": "30 days", "nomination": "30 days", "grievance": "90 days", "record_copy": "72 hours", "disclosure_accounting": "60 days", "restriction": "30 days"}',
    'json', 'How long each kind of request may take.'
  ),
  (null, 'compliance.restricted_countries', '[]', 'json', 'Countries that personal data may not go to (ISO 3166-1, two letters).'),
  (null, 'compliance.notice_locales', '["en"]', 'json', 'Languages in which every notice is offered.')
on conflict (tenant_id, key) do nothing;
