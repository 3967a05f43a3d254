-- cds_owner owns the module. Its checks read a few columns of the chart.

select core.hand_over('cds', 'cds');

grant usage on schema patient, clinical, auth to cds_owner;
grant select (tenant_id, id, birth_date, sex, deleted_at) on patient.patients to cds_owner;
grant select (
  tenant_id, id, patient_id, kind, code, criticality, clinical_status, verification_status, deleted_at
) on clinical.allergies to cds_owner;
grant select (
  tenant_id, patient_id, code, icd10, category, clinical_status, verification_status, deleted_at
) on clinical.conditions to cds_owner;
grant select (tenant_id, id, patient_id, weight_kg, measured_at, replaces_id, is_error) on clinical.vital_signs to cds_owner;
grant select (
  tenant_id, patient_id, code_system, code, value_num, status, effective_at, deleted_at
) on clinical.observations to cds_owner;
grant execute on function patient.ids_of(uuid[]) to cds_owner;
grant select (tenant_id, id, status, primary_role) on auth.users to cds_owner;

grant select on cds.open_alerts, cds.alert_statistics to cds_app, cds_ro;

grant execute on function
  cds.check_medication(uuid, uuid, text, uuid, jsonb),
  cds.run_rules(text, uuid, uuid, text, uuid, jsonb),
  cds.count_open_hard_stops(text, uuid),
  cds.acknowledge_alert(uuid),
  cds.accept_alert(uuid),
  cds.override_alert(uuid, text, text, uuid),
  cds.expire_alerts(int),
  cds.draft_rule(text, text, text, jsonb, text, text, jsonb, text),
  cds.test_rule(uuid),
  cds.start_rule_test(uuid),
  cds.return_rule_to_draft(uuid),
  cds.activate_rule(uuid),
  cds.suspend_rule(uuid, text),
  cds.retire_rule(uuid)
to cds_app;
