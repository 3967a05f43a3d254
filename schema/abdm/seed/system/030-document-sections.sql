-- The section codes of the document bundles of NRCeS, as the value set that a Composition is built
-- from. NRCeS changes them by a new version of its guide: then save a new version, shared or of a tenant.

do $$
declare
  v_id uuid;
begin
  insert into fhir.value_sets (tenant_id, url, version, name)
  values (null, 'urn:nrces:composition-sections', '6.5.0', 'Sections of NRCeS documents')
  on conflict (tenant_id, url, version) do nothing
  returning id into v_id;
  if v_id is null then
    return;
  end if;
  insert into fhir.value_set_members (tenant_id, value_set_id, system, code, display, seq) values
    (null, v_id, 'http://snomed.info/sct', '422843007', 'Chief complaints', 1),
    (null, v_id, 'http://snomed.info/sct', '425044008', 'Physical examination', 2),
    (null, v_id, 'http://snomed.info/sct', '722446000', 'Allergies', 3),
    (null, v_id, 'http://snomed.info/sct', '1003642006', 'Past medical history', 4),
    (null, v_id, 'http://snomed.info/sct', '422432008', 'Family history', 5),
    (null, v_id, 'http://snomed.info/sct', '721981007', 'Investigations', 6),
    (null, v_id, 'http://snomed.info/sct', '1003640003', 'Procedures', 7),
    (null, v_id, 'http://snomed.info/sct', '1003606003', 'Medication history', 8),
    (null, v_id, 'http://snomed.info/sct', '734163000', 'Care plan', 9),
    (null, v_id, 'http://snomed.info/sct', '390906007', 'Follow-up', 10),
    (null, v_id, 'http://snomed.info/sct', '306206005', 'Referral', 11);
  update fhir.value_sets v set status = 'active' where v.id = v_id;
end
$$;
