-- The HI types of ABDM, version 3 of its interface. NHA adds to them by circular: then save a new version, shared or of a
-- tenant.

do $$
declare
  v_id uuid;
begin
  insert into fhir.value_sets (tenant_id, url, version, name, bound_to)
  values (
    null, 'urn:abdm:hi-types', '3', 'ABDM health information types',
    '{abdm.care_contexts.hi_type,abdm.consent_requests.hi_types}'
  )
  on conflict (tenant_id, url, version) do nothing
  returning id into v_id;
  if v_id is null then
    return;
  end if;
  insert into fhir.value_set_members (tenant_id, value_set_id, system, code, display, seq) values
    (null, v_id, 'urn:abdm:hi-type', 'OPConsultation', 'OP consultation', 1),
    (null, v_id, 'urn:abdm:hi-type', 'Prescription', 'Prescription', 2),
    (null, v_id, 'urn:abdm:hi-type', 'DischargeSummary', 'Discharge summary', 3),
    (null, v_id, 'urn:abdm:hi-type', 'DiagnosticReport', 'Diagnostic report', 4),
    (null, v_id, 'urn:abdm:hi-type', 'ImmunizationRecord', 'Immunization record', 5),
    (null, v_id, 'urn:abdm:hi-type', 'HealthDocumentRecord', 'Health document', 6),
    (null, v_id, 'urn:abdm:hi-type', 'WellnessRecord', 'Wellness record', 7),
    (null, v_id, 'urn:abdm:hi-type', 'Invoice', 'Invoice', 8);
  update fhir.value_sets v set status = 'active' where v.id = v_id;
end
$$;
