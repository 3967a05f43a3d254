-- The kernel belongs to kernel_owner. Every service role is a member of kernel_app: what is granted to kernel_app
-- here, operations and applications of all services may use.

select core.hand_over('core', 'kernel');

grant usage on schema core to kernel_owner, imhotep_platform, audit_writer, audit_reader, retention_job;

-- read by policies, defaults, checks and triggers of every table
grant execute on function
  core.uuid_v7(), core.zero_uuid(), core.current_tenant_id(), core.context_is_signed(), core.require_tenant(),
  core.current_user_id(), core.current_role_name(), core.current_reason(), core.tag(text, text),
  core.valid_luhn(text), core.valid_verhoeff(text), core.verhoeff_sum(text), core.valid_mod37_2(text),
  core.check_character(text, text), core.valid_gstin(text), core.valid_timezone(text),
  core.looks_like_aadhaar(text),
  core.valid_sctid(text), core.valid_loinc(text), core.valid_isbt_din(text, text), core.valid_gtin(text),
  core.valid_icd10(text), core.valid_dicom_uid(text), core.valid_abha_number(text), core.valid_abha_address(text),
  core.valid_ifsc(text), core.valid_income_tax_pan(text), core.valid_pin_code(text), core.valid_indian_mobile(text),
  core.looks_like_pan(text), core.assert_no_pan(jsonb), core.abo_compatible(text, text, text)
to public;

-- whoever may read a table of tenants
grant execute on function
  core.signed_tenant_id(), core.treatment_is_required(), core.look_up_patients(), core.listed_patients(text),
  core.patients_in_care(), core.patients_known()
to kernel_app, kernel_ro, audit_reader, audit_writer, retention_job, imhotep_platform, analytics_deid;

grant execute on function
  core.begin_request(uuid, uuid, text, text, uuid, jsonb), core.set_reason(text),
  core.setting(text), core.environment(), core.assert_not_production(), core.active_tenants(),
  core.tenant_zone(), core.tenant_today(), core.period_key(text, date), core.next_number(text, text, date),
  core.next_default_number(text, text, text, int, text, date),
  core.configure_series(text, text, text, int, text, boolean, text, int),
  core.idempotent_begin(text, text, bytea, interval), core.idempotent_finish(text, text, jsonb, text),
  core.forget_idempotency_keys(int), core.enqueue(text, uuid, text, jsonb),
  core.claim_outbox(text, int, interval), core.mark_published(uuid[], uuid),
  core.mark_failed(uuid, uuid, text, int), core.replay_event(uuid)
to kernel_app;

grant execute on function
  core.begin_request(uuid, uuid, text, text, uuid, jsonb), core.setting(text), core.environment(), core.active_tenants(),
  core.tenant_zone(), core.tenant_today() -- views ask them as their reader
to kernel_ro, audit_reader, audit_writer, retention_job;

grant execute on function
  core.provision_tenant(uuid, text, text, text, text, text, text), core.assert_not_production(), core.environment(),
  core.rewrap_key(text, bytea, text), core.replace_key(text, text, bytea, text, timestamptz), core.retire_key(text),
  core.shred_key(text, text)
to imhotep_platform;

grant select on core.v_tables, core.v_columns to kernel_app, kernel_ro, audit_reader;

select core.ensure_partitions('core.outbox_events', 'day', 2);
