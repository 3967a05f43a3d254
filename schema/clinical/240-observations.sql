-- Coded observations. A correction is a new row; the old one stays and says that it was amended.

create function clinical.record_observation(
  p_patient_id uuid,
  p_encounter_id uuid,
  p_category text,
  p_code_system text,
  p_code text,
  p_display text,
  p_value jsonb,
  p_effective_at timestamptz default now(),
  p_parent_id uuid default null,
  p_id uuid default null,
  p_replaces_id uuid default null
) returns clinical.observations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_id uuid := coalesce(p_id, core.uuid_v7());
  v_patient uuid;
  v_row clinical.observations;
begin
  select o.* into v_row
  from clinical.observations o
  where o.tenant_id = v_tenant and o.id = v_id;
  if found then
    if v_row.patient_id <> p_patient_id then
      raise exception 'observation % is of another patient', v_id
        using errcode = 'IM011', hint = 'choose a new id for a new observation';
    end if;
    return v_row; -- sent again
  end if;
  select e.patient_id into v_patient
  from clinical.encounters e
  where e.tenant_id = v_tenant and e.id = p_encounter_id;
  if v_patient <> p_patient_id then
    raise exception 'encounter % is not of patient %', p_encounter_id, p_patient_id
      using errcode = '23514', hint = 'take the patient from the encounter';
  end if;
  insert into clinical.observations (
    tenant_id, id, effective_at, patient_id, encounter_id, category, code_system, code, display, value_num, unit_ucum,
    value_code, value_text_enc, value_bool, interpretation, body_site, method, parent_id, replaces_id, performer_id
  )
  values (
    v_tenant, v_id, p_effective_at, p_patient_id, p_encounter_id, p_category, p_code_system, p_code, p_display,
    (p_value ->> 'num')::numeric, p_value ->> 'unit', p_value ->> 'code', patient.bytes_of(p_value, 'text_enc'),
    (p_value ->> 'bool')::boolean, p_value ->> 'interpretation', p_value ->> 'body_site', p_value ->> 'method',
    p_parent_id, p_replaces_id, workforce.acting_staff_id()
  );
  update clinical.observations o
  set status = 'final'
  where o.tenant_id = v_tenant and o.id = v_id and o.effective_at = p_effective_at
  returning o.* into v_row;
  return v_row;
end
$$;

comment on function clinical.record_observation(uuid, uuid, text, text, text, text, jsonb, timestamptz, uuid, uuid, uuid) is 'about=Records a final observation. p_value: one of num (with unit, UCUM), code, bool, text_enc (bytes in hexadecimal); and interpretation, body_site, method. An id that the caller chose is recorded once. IM006 the user is no member of staff, IM011 the id is of another patient''s observation, 23514 two values, or a number without unit.';

create function clinical.amend_observation(p_observation_id uuid, p_value jsonb, p_reason text)
  returns clinical.observations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_old clinical.observations;
  v_new clinical.observations;
begin
  select o.* into v_old
  from clinical.observations o
  where o.tenant_id = v_tenant and o.id = p_observation_id
  for no key update;
  if not found then
    raise exception 'observation % does not exist', p_observation_id
      using errcode = 'IM005', hint = 'take the id from clinical.observations';
  end if;
  if v_old.status = 'amended' then
    select o.* into v_new
    from clinical.observations o
    where o.tenant_id = v_tenant and o.patient_id = v_old.patient_id and o.replaces_id = p_observation_id;
    return v_new; -- asked again
  end if;
  perform clinical.require_reason(p_reason, 'amending an observation');
  update clinical.observations o
  set status = 'amended'
  where o.tenant_id = v_tenant and o.id = p_observation_id and o.effective_at = v_old.effective_at;
  return clinical.record_observation(
    v_old.patient_id, v_old.encounter_id, v_old.category, v_old.code_system, v_old.code, v_old.display, p_value,
    v_old.effective_at, v_old.parent_id, null, v_old.id
  );
end
$$;

comment on function clinical.amend_observation(uuid, jsonb, text) is 'about=Corrects the value of a final observation by a new row, which is returned; the old one is amended. Asked again: the same row. IM001 not final, IM002 no reason, IM005 no such observation, IM006 the user is no member of staff.';
