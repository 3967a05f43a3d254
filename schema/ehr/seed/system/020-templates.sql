-- Two templates that every hospital starts with. A hospital that wants other words makes its own of the same code.

insert into ehr.document_templates (tenant_id, code, version, kind, name, locale, schema, body, effective_from)
values
  (
    null, 'consent.procedure', 1, 'consent', 'Consent to a procedure', 'en-IN',
    '{"type": "object", "required": ["procedure", "explained_by"],
      "properties": {"procedure": {"type": "string"}, "explained_by": {"type": "string"}, "risks": {"type": "string"}}}',
    'I, {{patient}}, agree to {{procedure}}. {{explained_by}} explained to me what is done, its risks and alternatives.',
    '2026-01-01'
  ),
  (
    null, 'prescription', 1, 'print', 'Prescription', 'en-IN', '{}',
    '{{clinic}} {{doctor}} {{registration_no}} {{date}} {{patient}} {{#items}}{{drug}} {{dose}} {{frequency}} {{days}}{{/items}}',
    '2026-01-01'
  )
on conflict (tenant_id, code, version, locale) do nothing;

update ehr.document_templates t set status = 'active' where t.tenant_id is null and t.status = 'draft';
