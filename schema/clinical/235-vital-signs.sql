-- Vital signs are recorded as a set. A wrong set is replaced by a new one; nothing is changed.

create function clinical.record_vital_signs(
  p_patient_id uuid,
  p_encounter_id uuid,
  p_values jsonb,
  p_measured_at timestamptz default now(),
  p_device_id uuid default null,
  p_id uuid default null,
  p_replaces_id uuid default null
) returns clinical.vital_signs
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_known constant text[] := array[
    'temperature_c', 'pulse', 'resp_rate', 'systolic', 'diastolic', 'spo2', 'spo2_scale', 'on_oxygen', 'weight_kg',
    'height_cm', 'pain_score', 'consciousness', 'glucose_mg_dl', 'is_error'
  ];
  v_unknown text;
  v_patient uuid;
  v_row clinical.vital_signs;
begin
  if p_id is not null then
    -- the time is part of the key: two that send one set with the default meet here
    perform pg_advisory_xact_lock(hashtextextended('clinical.vital_signs ' || v_tenant || p_id, 0));
    select r.* into v_row from clinical.vital_signs r where r.tenant_id = v_tenant and r.id = p_id;
    if found then
      if v_row.patient_id <> p_patient_id then
        raise exception 'vital signs % are of another patient', p_id
          using errcode = 'IM011', hint = 'choose a new id for a new set';
      end if;
      return v_row; -- sent again
    end if;
  end if;
  select k.key into v_unknown from jsonb_object_keys(p_values) as k (key) where k.key <> all (v_known) limit 1;
  if found then
    raise exception 'vital signs have no value "%"', v_unknown
      using errcode = '22023', hint = 'known: ' || array_to_string(v_known, ', ');
  end if;
  select e.patient_id into v_patient
  from clinical.encounters e
  where e.tenant_id = v_tenant and e.id = p_encounter_id;
  if v_patient <> p_patient_id then
    raise exception 'encounter % is not of patient %', p_encounter_id, p_patient_id
      using errcode = '23514', hint = 'take the patient from the encounter';
  end if;
  select r.patient_id into v_patient
  from clinical.vital_signs r
  where r.tenant_id = v_tenant and r.id = p_replaces_id;
  if p_replaces_id is not null and v_patient is distinct from p_patient_id then
    raise exception 'vital signs % of patient % do not exist', p_replaces_id, p_patient_id
      using errcode = 'IM005', hint = 'correct a row of the same patient';
  end if;

  insert into clinical.vital_signs (
    tenant_id, id, measured_at, patient_id, encounter_id, temperature_c, pulse, resp_rate, systolic, diastolic, spo2,
    spo2_scale, on_oxygen, weight_kg, height_cm, pain_score, consciousness, glucose_mg_dl, device_id, recorded_by,
    replaces_id, is_error
  )
  values (
    v_tenant, coalesce(p_id, core.uuid_v7()), p_measured_at, p_patient_id, p_encounter_id,
    (p_values ->> 'temperature_c')::numeric, (p_values ->> 'pulse')::smallint, (p_values ->> 'resp_rate')::smallint,
    (p_values ->> 'systolic')::smallint, (p_values ->> 'diastolic')::smallint, (p_values ->> 'spo2')::smallint,
    coalesce((p_values ->> 'spo2_scale')::smallint, 1), (p_values ->> 'on_oxygen')::boolean,
    (p_values ->> 'weight_kg')::numeric, (p_values ->> 'height_cm')::numeric, (p_values ->> 'pain_score')::smallint,
    p_values ->> 'consciousness', (p_values ->> 'glucose_mg_dl')::numeric, p_device_id, workforce.acting_staff_id(),
    p_replaces_id, coalesce((p_values ->> 'is_error')::boolean, false)
  )
  returning * into v_row;
  return v_row;
end
$$;

comment on function clinical.record_vital_signs(uuid, uuid, jsonb, timestamptz, uuid, uuid, uuid) is 'about=Records a set of vital signs: p_values has the columns of clinical.vital_signs by name. NEWS2 is computed. p_replaces_id corrects an earlier set; {"is_error": true} says that it should not exist. An id that the caller chose is recorded once. IM005 no such set to correct, IM006 the user is no member of staff, IM011 the id is of another patient''s set, 22023 unknown value, 23514 out of range or in the future.';
