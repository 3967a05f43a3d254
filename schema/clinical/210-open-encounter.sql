-- A contact begins. The caller may choose the id: sent again, it is the same encounter.

create function clinical.open_encounter(
  p_patient_id uuid,
  p_class clinical.encounter_class,
  p_department_id uuid,
  p_attending_doctor_id uuid default null,
  p_appointment_id uuid default null,
  p_priority text default 'routine',
  p_payer_class text default 'self',
  p_parent_encounter_id uuid default null,
  p_referred_by text default null,
  p_chief_complaint_enc bytea default null,
  p_id uuid default null
) returns clinical.encounters
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_clinic uuid;
  v_encounter clinical.encounters;
begin
  -- the patient is read and locked by nobody else; two requests for one encounter meet here
  perform
  from patient.patients p
  where
    p.tenant_id = v_tenant and p.id = p_patient_id and p.deleted_at is null and p.status not in ('merged', 'deceased')
  for no key update;
  if not found then
    raise exception 'patient % does not exist, was merged or is deceased', p_patient_id
      using errcode = 'IM005', hint = 'search the patient again';
  end if;
  select e.* into v_encounter
  from clinical.encounters e
  where
    e.tenant_id = v_tenant
    and (
      e.id = p_id or (e.appointment_id = p_appointment_id and e.status not in ('cancelled', 'entered_in_error'))
    );
  if found then
    if v_encounter.patient_id <> p_patient_id then
      raise exception 'encounter % is of another patient', v_encounter.id
        using errcode = 'IM011', hint = 'choose a new id for a new encounter';
    end if;
    return v_encounter; -- asked again
  end if;
  select d.clinic_id into v_clinic
  from facility.departments d
  where d.tenant_id = v_tenant and d.id = p_department_id and d.deleted_at is null;
  if not found then
    raise exception 'department % does not exist', p_department_id
      using errcode = 'IM005', hint = 'choose a department of the tenant';
  end if;

  insert into clinical.encounters (
    tenant_id, id, encounter_number, patient_id, clinic_id, department_id, class, priority, attending_doctor_id,
    appointment_id, referred_by, parent_encounter_id, payer_class, chief_complaint_enc, period
  )
  values (
    v_tenant, coalesce(p_id, core.uuid_v7()), core.next_default_number('encounter', '', 'ENC-{YY}-'), p_patient_id,
    v_clinic, p_department_id, p_class, p_priority, p_attending_doctor_id, p_appointment_id, p_referred_by,
    p_parent_encounter_id, p_payer_class, p_chief_complaint_enc, tstzrange(now(), null)
  )
  returning * into v_encounter;
  return v_encounter;
end
$$;

comment on function clinical.open_encounter(uuid, clinical.encounter_class, uuid, uuid, uuid, text, text, uuid, text, bytea, uuid) is 'about=Opens a planned encounter of a patient in a department. An appointment, and an id that the caller chose, give one encounter however often they are sent. IM003 no tenant, IM005 no such patient or department, IM011 the id or the appointment is of another patient''s encounter.';
