-- Notices to begin with, in English. A tenant publishes its own, in the languages of its patients.

insert into compliance.consent_notices (
  tenant_id, code, version, locale, purpose, data_categories, body, withdrawal_how, complaint_how, effective_from
) values
  (
    null, 'care', 1, 'en', '{care,billing,insurance}', '{contact,identity,health}',
    'We keep what you tell us and what we find, to treat you and to settle the bill. You may see it, have it corrected, and take your consent back.',
    'At the front desk or in the portal: one click, no reason needed.',
    'Ask for the privacy officer of the hospital; then the Data Protection Board of India.', '2025-11-14'
  ),
  (
    null, 'marketing', 1, 'en', '{newsletter,health_camps}', '{contact}',
    'We may send you news of the hospital and invitations to health camps. Your treatment does not depend on it.',
    'Answer STOP to any message, or ask at the front desk.',
    'Ask for the privacy officer of the hospital; then the Data Protection Board of India.', '2025-11-14'
  )
on conflict (tenant_id, code, version, locale) do nothing;
