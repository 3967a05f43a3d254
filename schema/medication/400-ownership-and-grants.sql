-- The module belongs to medication_owner. Its operations read a few columns of other services and call theirs: stock is
-- moved by inventory, judged by cds, charged by billing, signed by ehr.

select core.hand_over('medication', 'medication');

select core.ensure_partitions('medication.medication_administrations', 'month', 1);

grant usage on schema facility, workforce, patient, clinical, ehr, inventory, cds, billing to medication_owner;
grant execute on function patient.ids_of(uuid[]) to medication_owner;
grant select (tenant_id, id, timezone) on facility.clinics to medication_owner;
grant select (tenant_id, id, clinic_id, deleted_at) on facility.locations to medication_owner;
grant select (tenant_id, id, user_id, status, deleted_at) on workforce.staff to medication_owner;
grant select (tenant_id, id, staff_id, registration_valid_to, deleted_at) on workforce.doctors to medication_owner;
grant select (tenant_id, staff_id, kind, status, valid_during) on workforce.staff_credentials to medication_owner;
grant select (tenant_id, id, patient_id, clinic_id, class, status, deleted_at) on clinical.encounters to medication_owner;
grant select (tenant_id, patient_id, clinical_status, verification_status, deleted_at) on clinical.allergies
  to medication_owner;
grant select (tenant_id, id, sku, kind, drug_id, is_controlled, active, deleted_at) on inventory.items to medication_owner;
grant select (tenant_id, id, item_id, batch_no, expiry_on, mrp, purchase_price, tax_rate, status) on inventory.batches
  to medication_owner;
grant select (tenant_id, store_location_id, item_id, batch_id, expiry_on, on_hand, reserved) on inventory.stock_balances
  to medication_owner;
grant select (tenant_id, id, store_location_id, item_id, batch_id) on inventory.stock_reservations to medication_owner;
grant execute on function
  inventory.reserve_fefo(uuid, uuid, numeric, text, uuid, interval, date, boolean),
  inventory.consume_reservation(uuid, numeric, text, uuid, text, uuid),
  inventory.post_movement(text, uuid, uuid, numeric, text, uuid, text, text, uuid, uuid, uuid),
  inventory.take_back(uuid, uuid, numeric, text, uuid, text, uuid),
  cds.check_medication(uuid, uuid, text, uuid, jsonb),
  cds.count_open_hard_stops(text, uuid),
  billing.charge_encounter(uuid, text, text, uuid, numeric, numeric),
  ehr.sign_record(text, uuid, bytea, text, text, bytea, text)
to medication_owner;

-- what medication.controlled_drug_register shows
grant usage on schema workforce, patient, inventory to medication_app, medication_ro;
grant select (
    tenant_id, id, moved_at, store_location_id, item_id, batch_id, kind, quantity, ref_type, ref_id, patient_id,
    reason_code, witness_id
  ) on inventory.stock_movements to medication_app, medication_ro;
grant select (tenant_id, id, name, drug_id) on inventory.items to medication_app, medication_ro;
grant select (tenant_id, id, batch_no, expiry_on) on inventory.batches to medication_app, medication_ro;
grant select (tenant_id, id, staff_id, registration_no) on workforce.doctors to medication_app, medication_ro;
grant select (tenant_id, id, given_name, family_name) on workforce.staff to medication_app, medication_ro;
grant select (tenant_id, id, mrn, given_name, family_name) on patient.patients to medication_app, medication_ro;
grant select on medication.controlled_drug_register to medication_app, medication_ro;

grant execute on function
  medication.draft_prescription(uuid, uuid, text, jsonb, text, date, uuid),
  medication.add_prescription_item(uuid, jsonb),
  medication.remove_prescription_item(uuid),
  medication.cancel_prescription(uuid, text),
  medication.check_prescription(uuid),
  medication.activate_prescription(uuid, boolean, text, bytea, text),
  medication.hold_item(uuid, text),
  medication.resume_item(uuid),
  medication.stop_item(uuid, text),
  medication.complete_item(uuid),
  medication.mark_item_in_error(uuid, text),
  medication.stop_prescription(uuid, text),
  medication.expire_prescriptions(int),
  medication.dispense(uuid, text, jsonb, text, uuid, uuid, boolean, uuid, text, boolean),
  medication.complete_dispense(uuid, text, boolean),
  medication.cancel_dispense(uuid, text),
  medication.return_dispense(uuid, jsonb, text, text, uuid),
  medication.schedule_doses(uuid, timestamptz),
  medication.schedule_due_doses(timestamptz),
  medication.give_dose(uuid, timestamptz, numeric, uuid, uuid, timestamptz, text, text, boolean, boolean, bytea),
  medication.record_not_given(uuid, timestamptz, text, text, bytea),
  medication.mark_dose_in_error(uuid, timestamptz, text)
to medication_app;
