-- The module belongs to lab_owner, like the laboratory. Applications read its tables and change them through operations
-- only. Its operations read a few columns of other services' tables; those are the grants that a service of its own
-- replaces by projections.

select core.hand_over('blood_bank', 'lab');

select core.ensure_partitions('blood_bank.component_events', 'month', 1);

grant usage on schema clinical, compliance, patient to lab_owner;
grant execute on function patient.ids_of(uuid[]) to lab_owner;
grant select (tenant_id, id, patient_id) on clinical.encounters to lab_owner;
grant select (tenant_id, id, patient_id, kind, decision, status, given_at, expires_at, withdrawn_at, encounter_id)
  on compliance.consents to lab_owner;

grant select on blood_bank.stock_by_group to lab_app, lab_ro;

-- Operations. What locks, counts and moves (lock_*, move_unit, keep_unit, count_issued, ...) is nobody else's.
grant execute on function
  blood_bank.register_donor(text, text, date, bytea, bytea, text, bytea, uuid, boolean),
  blood_bank.defer_donor(uuid, text, text, uuid, date, text, text, boolean),
  blood_bank.screen_donor(uuid, text, text, numeric, numeric, int, int, int, numeric, uuid, jsonb, text, date, uuid, text, text),
  blood_bank.start_collection(uuid, text, text, text, uuid, timestamptz),
  blood_bank.finish_collection(uuid, int, timestamptz, boolean, jsonb),
  blood_bank.enter_test(uuid, text, text, text, date, uuid, text, text, int, timestamptz, uuid),
  blood_bank.verify_test(uuid, uuid),
  blood_bank.invalidate_test(uuid, text),
  blood_bank.prepare_unit(uuid, text, text, int, uuid, uuid, text, timestamptz, timestamptz),
  blood_bank.release_donation(uuid, uuid),
  blood_bank.look_back(uuid),
  blood_bank.record_patient_group(uuid, uuid, text, text, uuid, text, text[], timestamptz),
  blood_bank.confirm_patient_group(uuid, uuid),
  blood_bank.resolve_discrepancy(uuid, uuid, text),
  blood_bank.request_blood(uuid, uuid, text, int, text, uuid, text, timestamptz, numeric, uuid, uuid, uuid, text),
  blood_bank.order_emergency_release(uuid, uuid, text),
  blood_bank.accept_request(uuid),
  blood_bank.reject_request(uuid, text),
  blood_bank.cancel_request(uuid, text),
  blood_bank.close_request(uuid, text),
  blood_bank.find_compatible_units(uuid, int),
  blood_bank.reserve_unit(uuid, uuid, uuid, text),
  blood_bank.free_unit(uuid, uuid, text),
  blood_bank.record_crossmatch(uuid, uuid, uuid, text, uuid, text, uuid, text),
  blood_bank.issue_unit(uuid, uuid, uuid, uuid, uuid, text),
  blood_bank.return_unit(uuid, int, boolean, uuid, uuid, text, numeric),
  blood_bank.discard_unit(uuid, text, uuid),
  blood_bank.start_transfusion(uuid, uuid, text, uuid, uuid, jsonb, timestamptz),
  blood_bank.stop_transfusion(uuid, text),
  blood_bank.complete_transfusion(uuid, int, uuid, jsonb, timestamptz),
  blood_bank.report_reaction(uuid, text, text, timestamptz, uuid, jsonb, jsonb),
  blood_bank.investigate_reaction(uuid, jsonb),
  blood_bank.conclude_reaction(uuid, text),
  blood_bank.close_reaction(uuid, text, timestamptz),
  blood_bank.expire_units(int),
  blood_bank.free_lapsed_units(int)
to lab_app;
