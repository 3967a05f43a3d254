-- "No known allergies" is said, not assumed.

create function clinical.state_no_known_allergies(p_patient_id uuid, p_encounter_id uuid default null)
  returns clinical.allergies
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_row clinical.allergies;
begin
  insert into clinical.allergies (
    tenant_id, patient_id, encounter_id, kind, display, verification_status, recorded_by
  )
  values (
    v_tenant, p_patient_id, p_encounter_id, 'none_known', 'No known allergies', 'confirmed', workforce.acting_staff_id()
  )
  on conflict (tenant_id, patient_id)
    where kind = 'none_known' and clinical_status = 'active' and deleted_at is null
    do nothing
  returning * into v_row;
  if not found then
    select a.* into v_row
    from clinical.allergies a
    where
      a.tenant_id = v_tenant and a.patient_id = p_patient_id and a.kind = 'none_known' and a.clinical_status = 'active'
      and a.deleted_at is null;
  end if;
  return v_row;
end
$$;

comment on function clinical.state_no_known_allergies(uuid, uuid) is 'about=States that a patient has no known allergies. Asked again: the same row. An allergy that is recorded later ends it. IM006 the user is no member of staff, 23514 (allergies_none_known_contradicts) the patient has active allergies.';
