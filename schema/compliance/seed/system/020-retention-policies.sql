-- Legal minimums of retention: a tenant may keep longer.

insert into compliance.retention_policies (
  tenant_id, class, schema_name, table_name, basis, keep_for, starts_from, action, minimum_log_days
) values
  (
    null, 'medical_record', null, null, 'Indian Medical Council Regulations 2002, 1.3.1: three years', '3 years',
    'last_encounter', 'crypto_shred', 365
  ),
  (null, 'audit', null, null, 'HIPAA 164.316(b)(2)(i): six years; here seven', '7 years', 'created', 'drop_partition', 2557),
  (null, 'access_log', null, null, 'HIPAA 164.528: six years; here seven', '7 years', 'created', 'drop_partition', 2557),
  (null, 'financial', null, null, 'CGST Act s.36: 72 months from the annual return', '8 years', 'created', 'archive', 365),
  (null, 'operational', null, null, 'DPDP Rules 2025 r.8(3): one year', '1 year', 'created', 'erase', 365)
on conflict (tenant_id, class, schema_name, table_name) do nothing;
