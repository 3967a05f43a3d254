-- The module belongs to billing_owner. Its operations read a few columns of other services' tables; those are the grants
-- that a service of its own replaces by projections. Modules that charge grant themselves billing.charge_encounter.

select core.hand_over('billing', 'billing');

grant usage on schema facility, workforce, patient, clinical to billing_owner;
grant select (tenant_id, id, code, timezone, gstin, state_code) on facility.clinics to billing_owner;
grant select (tenant_id, id, deleted_at) on patient.patients to billing_owner;
grant select (tenant_id, id, patient_id, clinic_id, payer_class, deleted_at) on clinical.encounters to billing_owner;
grant select (tenant_id, encounter_id, care_class) on clinical.admissions to billing_owner;

-- billing.ageing counts the days of the clinic
grant usage on schema facility to billing_app, billing_ro;
grant select (tenant_id, id, timezone) on facility.clinics to billing_app, billing_ro;
grant select on billing.ageing, billing.trial_balance to billing_app, billing_ro;

-- Operations. billing.allocate, reverse_allocation, post_entries, add_to_totals and the helpers beside them serve the operations of payment and
-- insurance, whose owners are granted them by those modules.
grant execute on function
  billing.open_account(uuid, uuid, uuid, text, uuid, uuid, text),
  billing.set_account_status(uuid, text, text),
  billing.set_credit_limit(uuid, numeric, text),
  billing.change_payer(uuid, text, uuid, uuid),
  billing.close_account(uuid),
  billing.find_price(uuid, uuid, text, uuid, date),
  billing.add_charge(uuid, uuid, text, uuid, numeric, timestamptz, numeric),
  billing.charge_encounter(uuid, text, text, uuid, numeric, numeric),
  billing.cancel_charge(uuid, text),
  billing.grant_concession(uuid, numeric, text, uuid),
  billing.take_out_of_package(uuid, text),
  billing.issue_invoice(uuid, uuid[], text, text, uuid, date, text),
  billing.discard_proforma(uuid, text),
  billing.issue_credit_note(uuid, text, jsonb, boolean, text),
  billing.allocate_credit(uuid, uuid, numeric, text),
  billing.reverse_credit(uuid, text),
  billing.write_off(uuid, text, uuid)
to billing_app;
