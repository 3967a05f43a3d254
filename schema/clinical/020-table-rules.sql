-- Trigger functions of this module's tables. Those that call private helpers or read other services' tables run as the
-- owner; row level security holds for the owner as well.

create function clinical.check_stg_criterion() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (
    select
    from clinical.stg_guidelines g
    where g.id = new.guideline_id and g.status <> 'draft'
  ) then
    raise exception 'guideline % is in force and its criteria are frozen', new.guideline_id
      using errcode = 'IM006', hint = 'add a new version of the guideline';
  end if;
  if new.expression is not null then
    perform clinical.check_stg_expression(new.expression);
  end if;
  if new.applies_when is not null then
    perform clinical.check_stg_expression(new.applies_when);
  end if;
  return new;
end
$$;

comment on function clinical.check_stg_criterion() is 'about=Before insert or update of clinical.stg_criteria: only while the guideline is a draft (IM006), and with expressions that can be evaluated (22023).';

create function clinical.check_patient_of_encounter() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_patient uuid;
begin
  select e.patient_id into v_patient
  from clinical.encounters e
  where e.tenant_id = new.tenant_id and e.id = new.encounter_id;
  if v_patient <> new.patient_id then
    raise exception 'encounter % is not of patient %', new.encounter_id, new.patient_id
      using errcode = '23514', constraint = tg_name, hint = 'take the patient from the encounter';
  end if;
  return new;
end
$$;

comment on function clinical.check_patient_of_encounter() is 'about=Before insert or update of what belongs to an encounter: its patient is the patient of the encounter (23514).';

create function clinical.check_lot_not_expired() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_zone text;
begin
  if new.expiry_on is null or new.given_at is null then
    return new;
  end if;
  select c.timezone into v_zone
  from clinical.encounters e
  join facility.clinics c on c.tenant_id = e.tenant_id and c.id = e.clinic_id
  where e.tenant_id = new.tenant_id and e.id = new.encounter_id;
  if new.expiry_on < (new.given_at at time zone coalesce(v_zone, core.tenant_zone()))::date then
    raise exception 'the lot of vaccination % expired on %', new.id, new.expiry_on
      using errcode = '23514', constraint = tg_name, hint = 'give a dose of a lot that is in date';
  end if;
  return new;
end
$$;

comment on function clinical.check_lot_not_expired() is 'about=Before insert or update of a vaccination: its lot had not expired on the day when it was given, in the time zone of the clinic (23514).';

create function clinical.keep_content() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_free text[] := tg_argv || array[
    'status', 'row_version', 'updated_at', 'updated_by', 'deleted_at', 'deleted_by', 'delete_reason'
  ];
begin
  if to_jsonb(new) - v_free <> to_jsonb(old) - v_free then
    raise exception '% % is % and cannot be changed', tg_table_name, old.id, to_jsonb(old) ->> 'status'
      using errcode = 'IM006', hint = 'amend it: the correction is a row of its own that names this one';
  end if;
  return new;
end
$$;

comment on function clinical.keep_content() is 'about=Arguments: columns that stay free. Before update of a row that is signed, final or ended: nothing else than its state may change (IM006).';

create function clinical.check_none_known() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.clinical_status <> 'active' or new.verification_status in ('refuted', 'entered_in_error')
    or new.deleted_at is not null then
    return new;
  end if;
  -- one who states "none known" and one who records an allergy at the same moment meet here
  perform pg_advisory_xact_lock(hashtextextended('clinical.allergies' || new.tenant_id || new.patient_id, 0));
  if new.kind <> 'none_known' then
    update clinical.allergies a
    set clinical_status = 'inactive'
    where
      a.tenant_id = new.tenant_id and a.patient_id = new.patient_id and a.kind = 'none_known'
      and a.clinical_status = 'active' and a.deleted_at is null;
  elsif exists (
    select
    from clinical.allergies a
    where
      a.tenant_id = new.tenant_id and a.patient_id = new.patient_id and a.kind <> 'none_known'
      and a.clinical_status = 'active' and a.verification_status not in ('refuted', 'entered_in_error')
      and a.deleted_at is null
  ) then
    raise exception 'patient % has active allergies', new.patient_id
      using errcode = '23514', constraint = 'allergies_none_known_contradicts',
        hint = 'resolve or refute them before "none known" is stated';
  end if;
  return new;
end
$$;

comment on function clinical.check_none_known() is 'about=Before insert or update of clinical.allergies: an active allergy ends the row "none known"; "none known" beside an active allergy is refused (23514).';

create function clinical.score_vital_signs() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_birth_date date;
begin
  if new.measured_at > now() + interval '5 minutes' then
    raise exception 'vital signs of patient % were measured in the future', new.patient_id
      using errcode = '23514', constraint = 'vital_signs_not_in_future', hint = 'check the clock of the device';
  end if;
  select p.birth_date into v_birth_date
  from patient.patients p
  where p.tenant_id = new.tenant_id and p.id = new.patient_id;
  -- not validated for children; somebody of unknown age is scored like an adult
  new.news2 := case
    when v_birth_date is null or v_birth_date + interval '16 years' <= new.measured_at then clinical.news2(
      new.resp_rate, new.spo2, new.on_oxygen, new.systolic, new.pulse, new.consciousness, new.temperature_c,
      new.spo2_scale
    )
  end;
  return new;
end
$$;

comment on function clinical.score_vital_signs() is 'about=Before insert of clinical.vital_signs: computes NEWS2 of patients of 16 years and older; refuses times in the future (23514).';

create function clinical.check_assessment_score() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if coalesce(core.setting('clinical.scored_instruments') ? new.instrument, false) then
    raise exception 'assessment % by instrument "%" has no score', new.id, new.instrument
      using errcode = '23514', constraint = 'clinical_assessments_scored_has_score',
        hint = 'compute the score, or take the instrument from setting clinical.scored_instruments';
  end if;
  return new;
end
$$;

comment on function clinical.check_assessment_score() is 'about=Before a clinical assessment without a score is completed: refused (23514) for the instruments of setting clinical.scored_instruments.';

create function clinical.reset_stg_status() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_beside text[] := array[
    'status', 'stg_status', 'stg_checked_at', 'stg_waiver_reason', 'approved_by', 'approved_at', 'handed_over_at',
    'document_id', 'row_version', 'updated_at', 'updated_by'
  ];
begin
  if to_jsonb(new) - v_beside <> to_jsonb(old) - v_beside then
    new.stg_status := 'not_checked';
    new.stg_checked_at := null;
    new.stg_waiver_reason := null;
  end if;
  return new;
end
$$;

comment on function clinical.reset_stg_status() is 'about=Before update of a discharge summary in work: what was checked against guidelines is unchecked when its content changes.';

create function clinical.check_bed_policy() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_encounter record;
  v_place record;
  v_entitled int;
  -- classes of comfort in their order; intensive care, isolation and day care are decided by need, not by class
  v_comfort constant text[] := array['general', 'semi_private', 'private', 'deluxe'];
begin
  select e.patient_id, e.isolation, e.status, p.sex, p.birth_date, a.care_class into v_encounter
  from clinical.encounters e
  join patient.patients p on p.tenant_id = e.tenant_id and p.id = e.patient_id
  left join clinical.admissions a on a.tenant_id = e.tenant_id and a.encounter_id = e.id
  where e.tenant_id = new.tenant_id and e.id = new.encounter_id;
  if not found then
    return new; -- the foreign key says it
  end if;
  if v_encounter.patient_id <> new.patient_id then
    raise exception 'encounter % is not of patient %', new.encounter_id, new.patient_id
      using errcode = '23514', constraint = 'bed_allocations_patient_of_encounter',
        hint = 'take the patient from the encounter';
  end if;
  if v_encounter.status in ('finished', 'cancelled', 'entered_in_error')
    and coalesce(upper(new.period), 'infinity') > now() then
    raise exception 'encounter % is % and needs no bed', new.encounter_id, v_encounter.status
      using errcode = 'IM001', hint = 'open a new encounter';
  end if;

  -- the bed's place and all that contains it: a rule of the ward holds in its rooms
  with recursive place as (
    select l.parent_location_id, l.sex_policy, l.isolation_capable, l.care_class, 0 as depth
    from facility.beds b
    join facility.locations l on l.tenant_id = b.tenant_id and l.id = b.location_id
    where b.tenant_id = new.tenant_id and b.id = new.bed_id
    union all
    select l.parent_location_id, l.sex_policy, l.isolation_capable, l.care_class, place.depth + 1
    from place
    join facility.locations l on l.tenant_id = new.tenant_id and l.id = place.parent_location_id
  )
  select
    array_agg(place.sex_policy) as sex_policies,
    coalesce(bool_or(place.isolation_capable), false) as isolation_capable,
    (array_agg(place.care_class order by place.depth) filter (where place.care_class is not null))[1] as care_class
  into v_place
  from place;

  -- only a recorded sex that contradicts the ward refuses: for other and unknown, people decide
  if (v_encounter.sex = 'male' and 'female' = any (v_place.sex_policies))
    or (v_encounter.sex = 'female' and 'male' = any (v_place.sex_policies)) then
    raise exception 'bed % is in a ward for the other sex', new.bed_id
      using errcode = 'IM202', hint = 'choose a bed of a ward that takes the patient';
  end if;
  if 'paediatric' = any (v_place.sex_policies)
    and v_encounter.birth_date + make_interval(
      years => coalesce((core.setting('clinical.paediatric_below_years') #>> '{}')::int, 18)
    ) <= lower(new.period) then
    raise exception 'bed % is in a ward for children', new.bed_id
      using errcode = 'IM202', hint = 'choose a bed of a ward for adults';
  end if;
  if v_encounter.isolation is not null and not v_place.isolation_capable then
    raise exception 'encounter % needs isolation, and bed % offers none', new.encounter_id, new.bed_id
      using errcode = 'IM202', hint = 'choose a bed in a place that is isolation_capable';
  end if;
  v_entitled := array_position(v_comfort, v_encounter.care_class);
  if array_position(v_comfort, v_place.care_class) > v_entitled then
    raise exception 'bed % is of class "%", above the class of encounter %', new.bed_id, v_place.care_class,
        new.encounter_id
      using errcode = 'IM202', hint = 'change care_class of the admission first, or choose another bed';
  end if;
  return new;
end
$$;

comment on function clinical.check_bed_policy() is 'about=Before a bed is reserved or occupied: the ward takes the patient''s sex and age, isolation where it is needed, no class above the admission''s (IM202); the encounter is the patient''s (23514) and has not ended (IM001).';

create function clinical.announce_transfer() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_admission uuid;
begin
  select a.id into v_admission
  from clinical.admissions a
  where a.tenant_id = new.tenant_id and a.encounter_id = new.encounter_id;
  if found then
    perform core.enqueue(
      'admission', v_admission, 'admission.transferred.v1',
      jsonb_build_object('id', v_admission, 'bed_allocation_id', new.id, 'bed_id', new.bed_id)
    );
  end if;
  return null;
end
$$;

comment on function clinical.announce_transfer() is 'about=After an inpatient moved to another bed: event admission.transferred.';
