-- clinical_owner owns the module.

select core.hand_over('clinical', 'clinical');

select core.ensure_partitions('clinical.vital_signs', 'month', 1);
select core.ensure_partitions('clinical.observations', 'month', 1);

-- what the operations, the policy of beds and the views read of other services
grant usage on schema facility, workforce, ehr, compliance to clinical_owner;
grant select (tenant_id, id, timezone) on facility.clinics to clinical_owner;
grant select (tenant_id, id, clinic_id, deleted_at) on facility.departments to clinical_owner;
grant select (tenant_id, id, location_id) on facility.beds to clinical_owner;
grant select (tenant_id, id, parent_location_id, sex_policy, isolation_capable, care_class)
  on facility.locations to clinical_owner;
grant select (tenant_id, id, user_id, status, deleted_at) on workforce.staff to clinical_owner;
grant select (tenant_id, id, staff_id, deleted_at) on workforce.doctors to clinical_owner;
grant select (tenant_id, id, department_id) on workforce.shifts to clinical_owner;
grant select (tenant_id, shift_id, staff_id, period, status) on workforce.shift_assignments to clinical_owner;
grant select (tenant_id, encounter_id, type_code, status, deleted_at) on ehr.documents to clinical_owner;
grant select (
  tenant_id, id, patient_id, kind, decision, status, given_at, expires_at, encounter_id
) on compliance.consents to clinical_owner;
grant usage on schema facility to clinical_app, clinical_ro;
grant select (tenant_id, id, bed_id, encounter_id, status) on facility.bed_allocations to clinical_app, clinical_ro;
grant select
  on clinical.current_stays, clinical.vital_signs_chart, clinical.open_orders, clinical.allergy_status,
    clinical.stg_findings
  to clinical_app, clinical_ro;

-- stays take and free beds
grant execute on function
  facility.allocate_bed(uuid, uuid, uuid, text),
  facility.vacate_beds(uuid, uuid, text)
to clinical_owner;

-- Operations. clinical.evaluate_stg_claim and stg_claim_status are the claims service's: it grants them to its owner.
grant execute on function
  clinical.open_encounter(uuid, clinical.encounter_class, uuid, uuid, uuid, text, text, uuid, text, bytea, uuid),
  clinical.arrive_encounter(uuid),
  clinical.triage_encounter(uuid, int, text),
  clinical.start_encounter(uuid, uuid),
  clinical.send_on_leave(uuid),
  clinical.finish_encounter(uuid, text),
  clinical.cancel_encounter(uuid, text),
  clinical.register_medico_legal_case(uuid, timestamptz),
  clinical.add_care_team_member(uuid, uuid, text),
  clinical.end_care_team_member(uuid),
  clinical.request_admission(uuid, text, text, uuid, date),
  clinical.admit(uuid, uuid),
  clinical.cancel_admission(uuid, text),
  clinical.order_discharge(uuid, text),
  clinical.withdraw_discharge(uuid, text),
  clinical.complete_clinical_discharge(uuid),
  clinical.clear_pharmacy(uuid, text),
  clinical.clear_billing(uuid, text),
  clinical.record_departure(uuid),
  clinical.state_no_known_allergies(uuid, uuid),
  clinical.record_vital_signs(uuid, uuid, jsonb, timestamptz, uuid, uuid, uuid),
  clinical.record_observation(uuid, uuid, text, text, text, text, jsonb, timestamptz, uuid, uuid, uuid),
  clinical.amend_observation(uuid, jsonb, text),
  clinical.write_medical_record(uuid, text, text, bytea, bytea, jsonb, text, uuid, uuid, uuid, text),
  clinical.sign_medical_record(uuid),
  clinical.cosign_medical_record(uuid),
  clinical.amend_medical_record(uuid, bytea, bytea, text, jsonb, uuid),
  clinical.discard_medical_record(uuid),
  clinical.mark_medical_record_in_error(uuid, text),
  clinical.place_order(uuid, text, text, text, text, text, text, uuid, timestamptz, jsonb, uuid),
  clinical.hold_order(uuid, text),
  clinical.resume_order(uuid),
  clinical.complete_order(uuid),
  clinical.revoke_order(uuid, text),
  clinical.plan_procedure(uuid, text, text, text, text, text, uuid, uuid, text, int, uuid, uuid, uuid),
  clinical.sign_in_procedure(uuid, jsonb),
  clinical.time_out_procedure(uuid, jsonb),
  clinical.record_incision(uuid),
  clinical.sign_out_procedure(uuid, boolean, jsonb, int, text),
  clinical.complete_procedure(uuid),
  clinical.abandon_procedure(uuid, text),
  clinical.record_implant(uuid, uuid, text, uuid, text, text, uuid, uuid),
  clinical.give_vaccination(uuid, text, text, int, text, date, text, uuid, uuid, text, text, date),
  clinical.refuse_vaccination(uuid, text, text, int, text, text),
  clinical.register_imaging_study(uuid, text, text, text, boolean, timestamptz),
  clinical.move_imaging_study(uuid, text, text),
  clinical.report_imaging_study(uuid, bytea, bytea, boolean, text[]),
  clinical.note_critical_told(uuid, text),
  clinical.verify_imaging_report(uuid),
  clinical.amend_imaging_report(uuid, bytea, bytea, text, boolean, text[]),
  clinical.prepare_discharge_summary(uuid, text, jsonb),
  clinical.submit_discharge_summary(uuid),
  clinical.return_discharge_summary(uuid, text),
  clinical.approve_discharge_summary(uuid),
  clinical.amend_discharge_summary(uuid, jsonb, text),
  clinical.hand_over_discharge_summary(uuid),
  clinical.evaluate_stg(uuid),
  clinical.waive_stg_criterion(uuid, text),
  clinical.news2(int, int, boolean, int, int, text, numeric, int)
to clinical_app;
