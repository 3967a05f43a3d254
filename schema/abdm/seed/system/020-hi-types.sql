-- The HI types of ABDM, version 3 of its interface: as a code system, as the value set that columns are checked against, and
-- with the SNOMED CT document type that NHA's own mapper gives their bundles. NHA adds to them by circular: then save a new
-- version, shared or of a tenant.

do $$
declare
  v_id uuid;
begin
  perform fhir.load_concepts(
    fhir.load_code_system('urn:abdm:hi-type', '3', 'ABDM health information types', 'Published by NHA, free of charge'),
    '[
      {"code": "OPConsultation", "display": "OP consultation"},
      {"code": "Prescription", "display": "Prescription"},
      {"code": "DischargeSummary", "display": "Discharge summary"},
      {"code": "DiagnosticReport", "display": "Diagnostic report"},
      {"code": "ImmunizationRecord", "display": "Immunization record"},
      {"code": "HealthDocumentRecord", "display": "Health document"},
      {"code": "WellnessRecord", "display": "Wellness record"},
      {"code": "Invoice", "display": "Invoice"}
    ]'
  );

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

insert into fhir.concept_maps (
  tenant_id, source_system, source_code, target_system, target_code, equivalence, valid_during
) values
  (null, 'urn:abdm:hi-type', 'OPConsultation', 'http://snomed.info/sct', '371530004', 'equivalent', '[2020-01-01,)'),
  (null, 'urn:abdm:hi-type', 'DischargeSummary', 'http://snomed.info/sct', '373942005', 'equivalent', '[2020-01-01,)'),
  (null, 'urn:abdm:hi-type', 'Prescription', 'http://snomed.info/sct', '440545006', 'equivalent', '[2020-01-01,)'),
  (null, 'urn:abdm:hi-type', 'DiagnosticReport', 'http://snomed.info/sct', '721981007', 'equivalent', '[2020-01-01,)'),
  (null, 'urn:abdm:hi-type', 'ImmunizationRecord', 'http://snomed.info/sct', '41000179103', 'equivalent', '[2020-01-01,)'),
  (null, 'urn:abdm:hi-type', 'HealthDocumentRecord', 'http://snomed.info/sct', '419891008', 'equivalent', '[2020-01-01,)'),
  (null, 'urn:abdm:hi-type', 'WellnessRecord', 'http://snomed.info/sct', '', 'unmatched', '[2020-01-01,)')
on conflict (tenant_id, source_system, source_code, target_system, target_code) do nothing;
