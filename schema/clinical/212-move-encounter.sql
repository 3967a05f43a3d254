-- The course of an encounter. Each step answers the same when it is repeated.

create function clinical.arrive_encounter(p_encounter_id uuid) returns clinical.encounters
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_encounter clinical.encounters := clinical.lock_encounter(p_encounter_id);
begin
  if v_encounter.status = 'arrived' then
    return v_encounter;
  end if;
  update clinical.encounters e
  set status = 'arrived', period = tstzrange(now(), null)
  where e.tenant_id = v_encounter.tenant_id and e.id = p_encounter_id
  returning e.* into v_encounter;
  return v_encounter;
end
$$;

comment on function clinical.arrive_encounter(uuid) is 'about=The patient is here: planned to arrived. IM001 not planned, IM005 no such encounter.';

create function clinical.triage_encounter(p_encounter_id uuid, p_level int, p_isolation text default null)
  returns clinical.encounters
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_encounter clinical.encounters := clinical.lock_encounter(p_encounter_id);
begin
  if v_encounter.status = 'triaged' and v_encounter.triage_level = p_level
    and v_encounter.isolation is not distinct from coalesce(p_isolation, v_encounter.isolation) then
    return v_encounter;
  end if;
  update clinical.encounters e
  set status = 'triaged', triage_level = p_level, isolation = coalesce(p_isolation, e.isolation)
  where e.tenant_id = v_encounter.tenant_id and e.id = p_encounter_id
  returning e.* into v_encounter;
  return v_encounter;
end
$$;

comment on function clinical.triage_encounter(uuid, int, text) is 'about=Triage of a patient who arrived: level 1 (most urgent) to 5, and isolation where it is needed; may be repeated with another level. IM001 not arrived, IM005 no such encounter.';

create function clinical.start_encounter(p_encounter_id uuid, p_attending_doctor_id uuid default null)
  returns clinical.encounters
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_encounter clinical.encounters := clinical.lock_encounter(p_encounter_id);
begin
  if v_encounter.status = 'in_progress' then
    return v_encounter;
  end if;
  if v_encounter.status not in ('arrived', 'triaged', 'on_leave') then
    raise exception 'encounter % is %', p_encounter_id, v_encounter.status
      using errcode = 'IM001', hint = 'only a patient who is here can be seen';
  end if;
  update clinical.encounters e
  set status = 'in_progress', attending_doctor_id = coalesce(p_attending_doctor_id, e.attending_doctor_id)
  where e.tenant_id = v_encounter.tenant_id and e.id = p_encounter_id
  returning e.* into v_encounter;
  perform clinical.join_attending(v_encounter);
  return v_encounter;
end
$$;

comment on function clinical.start_encounter(uuid, uuid) is 'about=The patient is seen: arrived, triaged or on leave to in progress; the attending doctor joins the care team. IM001 not here, IM005 no such encounter.';

create function clinical.send_on_leave(p_encounter_id uuid) returns clinical.encounters
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_encounter clinical.encounters := clinical.lock_encounter(p_encounter_id);
begin
  if v_encounter.status = 'on_leave' then
    return v_encounter;
  end if;
  update clinical.encounters e
  set status = 'on_leave'
  where e.tenant_id = v_encounter.tenant_id and e.id = p_encounter_id
  returning e.* into v_encounter;
  return v_encounter;
end
$$;

comment on function clinical.send_on_leave(uuid) is 'about=The patient goes home for some hours and keeps the bed; clinical.start_encounter takes them back. IM001 not in progress, IM005 no such encounter.';

create function clinical.finish_encounter(p_encounter_id uuid, p_disposition text) returns clinical.encounters
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_encounter clinical.encounters := clinical.lock_encounter(p_encounter_id);
begin
  if v_encounter.status = 'finished' and v_encounter.disposition = p_disposition then
    return v_encounter;
  end if;
  if v_encounter.status = 'finished' then
    raise exception 'encounter % is finished', p_encounter_id
      using errcode = 'IM001', hint = 'its disposition stays as it was recorded';
  end if;
  if exists (
    select
    from clinical.admissions a
    where
      a.tenant_id = v_encounter.tenant_id and a.encounter_id = p_encounter_id
      and a.status not in ('discharged', 'cancelled')
  ) then
    raise exception 'encounter % is a stay that is not discharged', p_encounter_id
      using errcode = 'IM001', hint = 'a stay ends with clinical.record_departure';
  end if;
  return clinical.end_encounter(v_encounter, p_disposition);
end
$$;

comment on function clinical.finish_encounter(uuid, text) is 'about=The contact is over: in progress or on leave to finished, with its disposition; the care team ends, a bed goes to cleaning. IM001 not in progress, or a stay that is not discharged, IM005 no such encounter.';

create function clinical.end_encounter(p_encounter clinical.encounters, p_disposition text) returns clinical.encounters
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_encounter clinical.encounters;
begin
  update clinical.encounters e
  set
    status = 'finished', disposition = p_disposition,
    period = tstzrange(lower(e.period), greatest(now(), lower(e.period) + interval '1 microsecond'))
  where e.tenant_id = p_encounter.tenant_id and e.id = p_encounter.id
  returning e.* into v_encounter;
  -- who joins and ends at the same instant was there for no time
  update clinical.care_team_members m
  set period = tstzrange(lower(m.period), greatest(now(), lower(m.period) + interval '1 microsecond'))
  where m.tenant_id = p_encounter.tenant_id and m.encounter_id = p_encounter.id and upper_inf(m.period);
  perform facility.vacate_beds(p_encounter.id, p_encounter.patient_id);
  return v_encounter;
end
$$;

comment on function clinical.end_encounter(clinical.encounters, text) is 'about=Finishes an encounter that the caller has locked: care team ends, beds are vacated. IM001 not in progress.';

create function clinical.cancel_encounter(p_encounter_id uuid, p_reason text) returns clinical.encounters
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_encounter clinical.encounters := clinical.lock_encounter(p_encounter_id);
begin
  if v_encounter.status = 'cancelled' then
    return v_encounter;
  end if;
  perform clinical.require_reason(p_reason, 'cancelling an encounter');
  update clinical.admissions a
  set status = 'cancelled'
  where a.tenant_id = v_encounter.tenant_id and a.encounter_id = p_encounter_id and a.status = 'requested';
  update clinical.encounters e
  set status = 'cancelled'
  where e.tenant_id = v_encounter.tenant_id and e.id = p_encounter_id
  returning e.* into v_encounter;
  perform facility.vacate_beds(p_encounter_id, v_encounter.patient_id);
  return v_encounter;
end
$$;

comment on function clinical.cancel_encounter(uuid, text) is 'about=Cancels an encounter that has not begun, with its request for admission and the bed that was kept for it. IM001 begun, IM002 no reason, IM005 no such encounter.';

create function clinical.register_medico_legal_case(p_encounter_id uuid, p_police_intimated_at timestamptz default null)
  returns clinical.encounters
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_encounter clinical.encounters := clinical.lock_encounter(p_encounter_id);
  v_number text := v_encounter.mlc_number;
begin
  if v_encounter.is_mlc
    and v_encounter.police_intimated_at is not distinct from coalesce(p_police_intimated_at, v_encounter.police_intimated_at)
  then
    return v_encounter;
  end if;
  if v_number is null then
    v_number := core.next_default_number('mlc', '', 'MLC-{YY}-');
  end if;
  update clinical.encounters e
  set
    is_mlc = true,
    mlc_number = v_number,
    police_intimated_at = coalesce(p_police_intimated_at, e.police_intimated_at)
  where e.tenant_id = v_encounter.tenant_id and e.id = p_encounter_id
  returning e.* into v_encounter;
  return v_encounter;
end
$$;

comment on function clinical.register_medico_legal_case(uuid, timestamptz) is 'about=Makes an encounter a medico-legal case with a number of its own, and notes when the police was told. Asked again: the same number. IM005 no such encounter.';
