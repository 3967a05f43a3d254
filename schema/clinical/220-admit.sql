-- Admission of a patient, with the bed.

create function clinical.request_admission(
  p_encounter_id uuid,
  p_admission_type text,
  p_care_class text,
  p_admitting_doctor_id uuid,
  p_expected_discharge_on date default null
) returns clinical.admissions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_encounter clinical.encounters := clinical.lock_encounter(p_encounter_id);
  v_admission clinical.admissions;
begin
  select a.* into v_admission
  from clinical.admissions a
  where a.tenant_id = v_encounter.tenant_id and a.encounter_id = p_encounter_id;
  if found then
    return v_admission; -- asked again
  end if;
  if v_encounter.status not in ('planned', 'arrived', 'triaged', 'in_progress') then
    raise exception 'encounter % is %', p_encounter_id, v_encounter.status
      using errcode = 'IM001', hint = 'open a new encounter of class IMP';
  end if;
  if v_encounter.class <> 'IMP' and p_admission_type <> 'day_care' then
    raise exception 'encounter % is of class %', p_encounter_id, v_encounter.class
      using errcode = 'IM001', hint = 'admit with an encounter of class IMP whose parent is this one';
  end if;
  insert into clinical.admissions (
    tenant_id, encounter_id, admission_number, admission_type, care_class, admitting_doctor_id, expected_discharge_on
  )
  values (
    v_encounter.tenant_id, p_encounter_id, core.next_default_number('admission', '', 'IPD-{YY}-'), p_admission_type,
    p_care_class, p_admitting_doctor_id, p_expected_discharge_on
  )
  returning * into v_admission;
  return v_admission;
end
$$;

comment on function clinical.request_admission(uuid, text, text, uuid, date) is 'about=Asks for the admission of an inpatient encounter (day care: of any class), as elective, emergency, transfer, newborn or day_care. Asked again: the same admission. IM001 the encounter is over or not of class IMP, IM005 no such encounter.';

create function clinical.admit(p_admission_id uuid, p_bed_id uuid default null) returns clinical.admissions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_admission clinical.admissions := clinical.lock_admission(p_admission_id);
  v_encounter clinical.encounters := clinical.lock_encounter(v_admission.encounter_id);
  v_other uuid;
begin
  if v_admission.status not in ('requested', 'admitted') then
    raise exception 'admission % is %', p_admission_id, v_admission.status
      using errcode = 'IM001', hint = 'only a requested admission can be admitted';
  end if;
  if v_admission.status = 'requested' then
    -- two stays of one patient that are admitted at the same moment meet here
    perform pg_advisory_xact_lock(
      hashtextextended('clinical.stay' || v_encounter.tenant_id || v_encounter.patient_id, 0)
    );
    select e.id into v_other
    from clinical.encounters e
    where
      e.tenant_id = v_encounter.tenant_id and e.patient_id = v_encounter.patient_id and e.id <> v_encounter.id
      and e.class = 'IMP' and e.status in ('in_progress', 'on_leave');
    if found and v_encounter.class = 'IMP' then
      raise exception 'patient % is admitted with encounter %', v_encounter.patient_id, v_other
        using errcode = 'IM201', hint = 'discharge that stay, or transfer the patient within it';
    end if;
    if v_encounter.status = 'planned' then
      perform clinical.arrive_encounter(v_encounter.id);
    end if;
    perform clinical.start_encounter(v_encounter.id, v_admission.admitting_doctor_id);
    update clinical.admissions a
    set status = 'admitted', admitted_at = now()
    where a.tenant_id = v_admission.tenant_id and a.id = p_admission_id
    returning a.* into v_admission;
  end if;
  if p_bed_id is not null then
    perform facility.allocate_bed(p_bed_id, v_encounter.id, v_encounter.patient_id);
  end if;
  return v_admission;
end
$$;

comment on function clinical.admit(uuid, uuid) is 'about=Admits a patient: the encounter begins, the admitting doctor joins the care team, and the bed is taken when one is named; an admitted patient without a bed gets one the same way. Asked again: the same admission. IM001 cancelled or discharged, IM005 no such admission or bed, IM200 bed taken, IM201 the patient has another stay or another bed, IM202 policy, IM204 cleaning, blocked or under maintenance; 55P03 after 3 s behind others.';

create function clinical.cancel_admission(p_admission_id uuid, p_reason text) returns clinical.admissions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_admission clinical.admissions := clinical.lock_admission(p_admission_id);
begin
  if v_admission.status = 'cancelled' then
    return v_admission;
  end if;
  perform clinical.require_reason(p_reason, 'cancelling an admission');
  update clinical.admissions a
  set status = 'cancelled'
  where a.tenant_id = v_admission.tenant_id and a.id = p_admission_id
  returning a.* into v_admission;
  perform facility.vacate_beds(e.id, e.patient_id)
  from clinical.encounters e
  where e.tenant_id = v_admission.tenant_id and e.id = v_admission.encounter_id;
  return v_admission;
end
$$;

comment on function clinical.cancel_admission(uuid, text) is 'about=Cancels a requested admission and gives a bed that was kept for it back. IM001 admitted already, IM002 no reason, IM005 no such admission.';
