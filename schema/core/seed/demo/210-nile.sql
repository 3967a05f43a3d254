-- Demo: Nile Clinic, Khartoum, Sudan. A made-up clinic with urgent care around the clock; its patients come from the
-- city, and some from the Indian and Singaporean communities. The ids are explained in 110-asha.sql.

select core.assert_not_production();

select core.provision_tenant(
  'db000000-0000-7000-8000-000000000000', 'demo_nile', 'Nile Clinic', 'clinic', 'SD', 'Africa/Khartoum', 'SDG'
);

select core.begin_request('db000000-0000-7000-8000-000000000000', null, 'system', 'HOPERAT', null);

-- What this clinic does in its own way; everything else it takes from the shared rows.
insert into core.system_settings (tenant_id, id, key, value, value_type, description) values
  (
    'db000000-0000-7000-8000-000000000000', 'db000000-000a-7000-8000-000000000001', 'core.fiscal_year_start_month',
    '1', 'int', 'The fiscal year of Nile Clinic starts in January.'
  ),
  (
    'db000000-0000-7000-8000-000000000000', 'db000000-000a-7000-8000-000000000002', 'auth.max_failed_attempts', '4',
    'int', 'Nile Clinic locks accounts after four failed sign-ins.'
  )
on conflict (tenant_id, key) do nothing;

insert into core.feature_flags (tenant_id, id, key, enabled, rollout_pct) values
  ('db000000-0000-7000-8000-000000000000', 'db000000-0009-7000-8000-000000000001', 'booking.whatsapp', true, 50),
  ('db000000-0000-7000-8000-000000000000', 'db000000-0009-7000-8000-000000000002', 'queue.scan_and_share', false, 100)
on conflict (tenant_id, key) do nothing;

select core.configure_series('mrn', '', 'NILE-', 6);
select core.configure_series('employee', '', 'E', 4);

-- The wrapped keys are no keys: what the demo encrypts, it encrypts inside the database under a text that everybody can
-- read in its files.
insert into core.encryption_keys (tenant_id, id, kid, purpose, algorithm, wrapped_key, kms_ref, rotate_after) values
  (
    'db000000-0000-7000-8000-000000000000', 'db000000-000b-7000-8000-000000000001', 'demo-field-1', 'field',
    'AES-256-GCM', sha256('made up, wraps nothing: demo_nile field'), 'demo://no-key', '2100-01-01'
  ),
  (
    'db000000-0000-7000-8000-000000000000', 'db000000-000b-7000-8000-000000000002', 'demo-index-1', 'blind_index',
    'HMAC-SHA-256', sha256('made up, wraps nothing: demo_nile index'), 'demo://no-key', '2100-01-01'
  )
on conflict do nothing;

-- A partner that lives in no module of this database, known by its events only.
insert into core.entity_refs (
  tenant_id, id, entity_type, entity_id, display, attrs, source_service, source_version
)
values (
  'db000000-0000-7000-8000-000000000000', 'db000000-000c-7000-8000-000000000001', 'laboratory',
  'db000000-000c-7000-8000-000000000002', 'Two Rivers Laboratory', '{"accepts": ["blood", "urine"]}', 'diagnostics', 1
)
on conflict do nothing;
