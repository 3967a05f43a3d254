-- Rescheduling makes a new appointment and keeps the old one: the history of a visit is a chain of rows.

create function scheduling.reschedule_appointment(p_appointment_id uuid, p_slot_id uuid, p_reason text default null)
  returns scheduling.appointments
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_old scheduling.appointments := scheduling.lock_appointment(p_appointment_id);
  v_new scheduling.appointments;
  v_slot scheduling.appointment_slots;
  v_failure text;
begin
  if v_old.status = 'rescheduled' then -- asked again: the same answer, if the slot is the same
    select a.* into v_new
    from scheduling.appointments a
    where a.tenant_id = v_old.tenant_id and a.rescheduled_from_id = v_old.id and a.slot_id = p_slot_id;
    if found then
      return v_new;
    end if;
  end if;
  if v_old.status not in ('booked', 'confirmed') then
    raise exception 'appointment % is %', p_appointment_id, v_old.status
      using errcode = 'IM001', hint = 'only a booked or confirmed appointment can be rescheduled';
  end if;
  if v_old.starts_at <= now() then
    raise exception 'appointment % has begun', p_appointment_id
      using errcode = 'IM108', hint = 'book a new appointment';
  end if;
  if v_old.slot_id = p_slot_id then
    raise exception 'appointment % is in slot % already', p_appointment_id, p_slot_id
      using errcode = '22023', hint = 'choose another slot';
  end if;

  select s.* into v_slot
  from scheduling.appointment_slots s
  where s.tenant_id = v_old.tenant_id and s.id = p_slot_id;
  if not found then
    raise exception 'slot % does not exist', p_slot_id using errcode = 'IM100', hint = 'choose a slot of the tenant';
  end if;
  v_failure := scheduling.slot_refusal(v_slot);
  if v_failure is null and scheduling.patient_is_busy(
    v_old.tenant_id, v_old.patient_id, v_slot.starts_at, v_slot.ends_at, v_old.id
  ) then
    v_failure := 'IM103';
  end if;
  if v_failure is null then
    -- both counters in the order of their ids, so that two moves in opposite directions cannot block each other
    if v_old.slot_id < p_slot_id then
      perform scheduling.change_slot_counts(v_old.tenant_id, v_old.slot_id, -1, 0);
    end if;
    if (scheduling.change_slot_counts(v_old.tenant_id, p_slot_id, 1, 0)).id is null then
      v_failure := 'IM101';
    end if;
    if v_old.slot_id > p_slot_id then
      perform scheduling.change_slot_counts(v_old.tenant_id, v_old.slot_id, -1, 0);
    end if;
  end if;
  if v_failure is not null then
    raise exception 'appointment % cannot move to slot %: %', p_appointment_id, p_slot_id,
      case v_failure
        when 'IM100' then 'the slot is cancelled'
        when 'IM101' then 'the slot is full'
        when 'IM102' then 'the slot is past'
        when 'IM103' then 'the patient has another appointment then'
        else 'the doctor is away'
      end
      using errcode = v_failure, hint = 'choose another slot';
  end if;

  if p_reason is not null then
    perform core.set_reason(p_reason);
  end if;
  perform scheduling.set_appointment_status(v_old, 'rescheduled');
  return scheduling.add_appointment(
    v_slot, v_old.patient_id, v_old.type, v_old.channel, v_old.priority, v_old.reason_enc, v_old.fee_status,
    null, v_old.id
  );
end
$$;

comment on function scheduling.reschedule_appointment(uuid, uuid, text) is 'about=Moves a booked or confirmed appointment to another slot and returns the new one, which names the old in rescheduled_from_id. The old place is free exactly when the new one is taken. IM001 not booked or confirmed, IM005 no such appointment, IM100 no such slot, IM101 full, IM102 past, IM103 patient has another appointment, IM105 doctor away, IM108 the appointment has begun.';
