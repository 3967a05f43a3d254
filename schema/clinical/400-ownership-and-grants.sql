-- clinical_owner owns the module.

select core.hand_over('clinical', 'clinical');

select core.ensure_partitions('clinical.vital_signs', 'month', 3);
select core.ensure_partitions('clinical.observations', 'month', 3);

-- what the operations and the bed policy read of other services
grant usage on schema facility, workforce, ehr, compliance to clinical_owner;
grant select (tenant_id, id, clinic_id, deleted_at) on facility.departments to clinical_owner;
grant select (tenant_id, id, location_id) on facility.beds to clinical_owner;
grant select (tenant_id, id, parent_location_id, sex_policy, isolation_capable, care_class)
  on facility.locations to clinical_owner;
grant select (tenant_id, id, user_id, status, deleted_at) on workforce.staff to clinical_owner;
grant select (tenant_id, id, staff_id, deleted_at) on workforce.doctors to clinical_owner;
grant select (tenant_id, encounter_id, type_code, status, deleted_at) on ehr.documents to clinical_owner;
grant select (tenant_id, id, patient_id, kind, decision, status, expires_at) on compliance.consents to clinical_owner;
