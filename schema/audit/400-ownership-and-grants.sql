-- audit_writer alone inserts into the logs, audit_reader reads them; applications can do neither.

select core.hand_over('audit', 'kernel');

grant usage on schema audit to kernel_owner, audit_writer, audit_reader, retention_job;

grant execute on function
  audit.log_event(text, text, text, uuid, text), audit.log_access(text, uuid, uuid, text, text[], int),
  audit.log_disclosure(text, uuid, uuid, text, text, uuid),
  audit.open_break_glass(uuid, text, text, interval), audit.close_break_glass(uuid),
  audit.review_break_glass(uuid, text)
to kernel_app;

grant execute on function
  audit.get_audit_logs_time_range(timestamptz, timestamptz, uuid, text, int), audit.get_compliance_summary(date, date),
  audit.verify_chain(text), audit.chain_head(text), audit.seal_signatures(text),
  audit.archived_audit_logs(timestamptz, timestamptz, uuid, text, int),
  audit.archived_phi_access_logs(timestamptz, timestamptz, uuid),
  audit.archives_between(text, timestamptz, timestamptz, bigint, bigint), audit.unpack_archive(audit.audit_archives),
  audit.decode_rows(bytea, jsonb), audit.decompress(bytea, text)
to audit_reader;

grant execute on function
  audit.seal(text), audit.digest_to_sign(text), audit.seal_signed(text, bigint, bytea, text), audit.seal_signatures(text),
  audit.verify_chain(text), audit.chain_head(text)
to imhotep_platform;

grant usage on schema audit to imhotep_platform;

-- only sealed rows are packed, and a tenant that is no longer active still has rows to seal
grant execute on function
  audit.drop_expired_partitions(interval), audit.packable_partitions(interval), audit.log_partition(regclass),
  audit.begin_packing(regclass), audit.pack_partition(regclass), audit.drop_packed_partition(regclass),
  audit.chain_is_signed(text), audit.seal(text), audit.digest_to_sign(text), audit.seal_signed(text, bigint, bytea, text)
to retention_job;

grant select on
  audit.audit_logs_recent, audit.unsealed_audit_logs, audit.audit_metrics_hourly, audit.audit_compliance_daily
to audit_reader;

-- the kernel's own tables that matter to security
select audit.track('core.system_settings');
select audit.track('core.encryption_keys');
select audit.track('audit.break_glass_sessions');

select core.ensure_partitions('audit.audit_logs', 'month', 1);
select core.ensure_partitions('audit.phi_access_logs', 'month', 1);
