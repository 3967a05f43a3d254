-- From here on clinical_owner owns the module.

select core.hand_over('patient', 'clinical');

grant execute on function
  patient.calculate_bmi(numeric, numeric),
  patient.find_duplicates(text, date, text, text, bytea, numeric),
  patient.search(text, int),
  patient.register(jsonb, jsonb, text, boolean, text),
  patient.add_identifier(uuid, jsonb),
  patient.propose_merge(uuid, uuid, text, numeric, text[]),
  patient.dismiss_merge(uuid, text),
  patient.merge(uuid, uuid, uuid),
  patient.unmerge(uuid, text),
  -- called by triggers as the role that writes
  patient.name_key(text),
  patient.check_birth_date(date),
  patient.check_mrn(text)
to clinical_app;

-- readers of other tables and views ask for the whole person
grant execute on function patient.ids_of(uuid[]) to clinical_app, clinical_ro;

grant select on patient.patient_summary to clinical_app;
grant select on patient.patient_summary to clinical_ro;

-- patient.register reads the clinic that it registers for
grant usage on schema facility to clinical_owner;
grant select (tenant_id, id, code, status, deleted_at) on facility.clinics to clinical_owner;
