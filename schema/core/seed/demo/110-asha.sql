-- Demo: Asha Clinic, Bengaluru, India. A made-up clinic with urgent care around the clock; its patients come from the
-- quarter, from the offices nearby and, for treatment, from Sudan and Singapore.
--
-- Fixed ids of the demo: da is Asha Clinic, db is Nile Clinic; the second group tells the kind of row (0001 clinics,
-- 0002 departments, 0003 locations, 0004 beds, 0005 users, 0006 staff, 0007 doctors ...), the last counts. Equal
-- numbers have equal duties in both clinics, so that one file can tell the same story for both.

select core.assert_not_production();

select core.provision_tenant(
  'da000000-0000-7000-8000-000000000000', 'demo_asha', 'Asha Clinic', 'clinic', 'IN', 'Asia/Kolkata', 'INR'
);

select core.begin_request('da000000-0000-7000-8000-000000000000', null, 'system', 'HOPERAT', null);

-- What this clinic does in its own way; everything else it takes from the shared rows.
insert into core.system_settings (tenant_id, id, key, value, value_type, description) values
  (
    'da000000-0000-7000-8000-000000000000', 'da000000-000a-7000-8000-000000000001', 'auth.lockout_minutes', '30',
    'int', 'Asha Clinic locks accounts for half an hour.'
  ),
  (
    'da000000-0000-7000-8000-000000000000', 'da000000-000a-7000-8000-000000000002', 'queue.scan_share_minutes', '20',
    'int', 'Tokens of scan and share live for 20 minutes here.'
  )
on conflict (tenant_id, key) do nothing;

insert into core.feature_flags (tenant_id, id, key, enabled, rollout_pct) values
  ('da000000-0000-7000-8000-000000000000', 'da000000-0009-7000-8000-000000000001', 'booking.whatsapp', true, 50),
  ('da000000-0000-7000-8000-000000000000', 'da000000-0009-7000-8000-000000000002', 'queue.scan_and_share', true, 100)
on conflict (tenant_id, key) do nothing;

select core.configure_series('mrn', '', 'ASHA-', 6);
select core.configure_series('employee', '', 'E', 4);

-- The wrapped keys are no keys: what the demo encrypts, it encrypts inside the database under a text that everybody can
-- read in its files.
insert into core.encryption_keys (tenant_id, id, kid, purpose, algorithm, wrapped_key, kms_ref, rotate_after) values
  (
    'da000000-0000-7000-8000-000000000000', 'da000000-000b-7000-8000-000000000001', 'demo-field-1', 'field',
    'AES-256-GCM', sha256('made up, wraps nothing: demo_asha field'), 'demo://no-key', '2100-01-01'
  ),
  (
    'da000000-0000-7000-8000-000000000000', 'da000000-000b-7000-8000-000000000002', 'demo-index-1', 'blind_index',
    'HMAC-SHA-256', sha256('made up, wraps nothing: demo_asha index'), 'demo://no-key', '2100-01-01'
  )
on conflict do nothing;

-- A partner that lives in no module of this database, known by its events only.
insert into core.entity_refs (
  tenant_id, id, entity_type, entity_id, display, attrs, source_service, source_version
)
values (
  'da000000-0000-7000-8000-000000000000', 'da000000-000c-7000-8000-000000000001', 'laboratory',
  'da000000-000c-7000-8000-000000000002', 'City Laboratory', '{"accepts": ["blood", "urine"]}', 'diagnostics', 1
)
on conflict do nothing;
