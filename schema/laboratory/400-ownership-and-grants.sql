-- The module belongs to lab_owner. Its operations read a few columns of other services' tables; those are the grants that a
-- service of its own replaces by projections.

select core.hand_over('laboratory', 'lab');

select core.ensure_partitions('laboratory.qc_results', 'month', 1);

grant usage on schema facility, patient, clinical, workforce, device, billing, compliance to lab_owner;
grant select (tenant_id, id, timezone) on facility.clinics to lab_owner;
grant select (tenant_id, id, sex, birth_date, status, deleted_at) on patient.patients to lab_owner;
grant select (tenant_id, id, patient_id, clinic_id) on clinical.encounters to lab_owner;
grant select (tenant_id, id, patient_id, category, status) on clinical.service_requests to lab_owner;
grant select (tenant_id, id, patient_id, is_critical, created_at) on clinical.imaging_results to lab_owner;
grant select (tenant_id, id, user_id, deleted_at) on workforce.staff to lab_owner;
grant select (tenant_id, id, kind) on device.devices to lab_owner;
grant select (tenant_id, device_id, performed_at) on device.device_maintenance to lab_owner;
grant select on core.transition_rules to lab_owner;
grant execute on function
  billing.charge_encounter(uuid, text, text, uuid, numeric, numeric), billing.cancel_charge(uuid, text)
to lab_owner;
-- whether a sample must be kept: asked before it is disposed of
do $$
begin
  if to_regprocedure('compliance.is_under_hold(text, text, uuid, uuid)') is not null then
    grant execute on function
      compliance.is_under_hold(text, text, uuid, uuid), compliance.holds_lock_key(uuid)
    to lab_owner;
  end if;
end
$$;

grant select on laboratory.tat_monitor, laboratory.unnotified_criticals, laboratory.qc_status to lab_app, lab_ro;

-- Operations; the helpers that lock, judge and move are nobody else's.
grant execute on function
  laboratory.place_order(uuid, text[], uuid, uuid, uuid, text, text, text, text, bytea, uuid, timestamptz, text),
  laboratory.cancel_order_item(uuid, text),
  laboratory.cancel_order(uuid, text),
  laboratory.accession(uuid, jsonb),
  laboratory.create_aliquots(uuid, numeric[], uuid, uuid, uuid),
  laboratory.change_sample_state(uuid, laboratory.sample_status, uuid, uuid, text, numeric, uuid, timestamptz, jsonb),
  laboratory.enter_result(
    uuid, numeric, text, text, text, uuid, uuid, text, uuid, numeric, timestamptz, boolean, boolean, uuid, text
  ),
  laboratory.verify_result(uuid),
  laboratory.authorise_result(uuid),
  laboratory.cancel_result(uuid, text),
  laboratory.correct_result(uuid, text, numeric, text, text, text, uuid, jsonb),
  laboratory.issue_report(uuid, bytea),
  laboratory.amend_report(uuid, text, bytea),
  laboratory.notify_critical(uuid, text, text, boolean, uuid, timestamptz, text, smallint, uuid),
  laboratory.record_qc(uuid, numeric, timestamptz),
  laboratory.accept_qc_lot(uuid),
  laboratory.retire_qc_lot(uuid),
  laboratory.review_qc(uuid, uuid),
  laboratory.record_eqa(uuid, uuid, text, numeric, numeric, numeric, timestamptz)
to lab_app;
