-- From booking to the end of the visit. Each operation locks the appointment, answers the same when it is repeated, and
-- keeps the slot's count and the patient's token in step.

create function scheduling.lock_appointment(p_appointment_id uuid) returns scheduling.appointments
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_appointment scheduling.appointments;
begin
  select a.* into v_appointment
  from scheduling.appointments a
  where a.tenant_id = v_tenant and a.id = p_appointment_id and a.deleted_at is null
  for no key update;
  if not found then
    raise exception 'appointment % does not exist', p_appointment_id
      using errcode = 'IM005', hint = 'choose an appointment of the tenant that is not deleted';
  end if;
  return v_appointment;
end
$$;

comment on function scheduling.lock_appointment(uuid) is 'about=The appointment, locked until the transaction ends. IM005 no such appointment.';

create function scheduling.set_appointment_status(
  p_appointment scheduling.appointments,
  p_status scheduling.appointment_status
) returns scheduling.appointments
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_appointment scheduling.appointments;
begin
  update scheduling.appointments a
  set status = p_status
  where a.tenant_id = p_appointment.tenant_id and a.id = p_appointment.id
  returning a.* into v_appointment;
  return v_appointment;
end
$$;

comment on function scheduling.set_appointment_status(scheduling.appointments, scheduling.appointment_status) is 'about=Moves an appointment that the caller has locked. IM001 the state machine has no such move.';

create function scheduling.release_token(p_appointment scheduling.appointments) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  update scheduling.queue_management q
  set status = 'left'
  where
    q.tenant_id = p_appointment.tenant_id
    and q.appointment_id = p_appointment.id
    and q.status in ('waiting', 'called', 'skipped');
end
$$;

comment on function scheduling.release_token(scheduling.appointments) is 'about=Takes the appointment''s token, if it still waits, out of its queue.';

create function scheduling.confirm_appointment(p_appointment_id uuid) returns scheduling.appointments
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_appointment scheduling.appointments := scheduling.lock_appointment(p_appointment_id);
begin
  if v_appointment.status = 'confirmed' then
    return v_appointment;
  end if;
  return scheduling.set_appointment_status(v_appointment, 'confirmed');
end
$$;

comment on function scheduling.confirm_appointment(uuid) is 'about=The patient said that they will come: booked to confirmed. IM001 not booked, IM005 no such appointment.';

create function scheduling.cancel_appointment(p_appointment_id uuid, p_reason text) returns scheduling.appointments
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_appointment scheduling.appointments := scheduling.lock_appointment(p_appointment_id);
begin
  if v_appointment.status = 'cancelled' then
    return v_appointment;
  end if;
  if coalesce(pg_catalog.btrim(p_reason), '') = '' then
    raise exception 'appointment % needs a reason to be cancelled', p_appointment_id
      using errcode = 'IM002', hint = 'say why in p_reason';
  end if;
  if v_appointment.status in ('booked', 'confirmed') and v_appointment.ends_at <= now() then
    raise exception 'appointment % is over', p_appointment_id
      using errcode = 'IM108', hint = 'use scheduling.mark_no_show';
  end if;
  perform core.set_reason(p_reason);
  if v_appointment.slot_id is not null and v_appointment.status in ('booked', 'confirmed', 'checked_in') then
    perform scheduling.change_slot_counts(v_appointment.tenant_id, v_appointment.slot_id, -1, 0);
  end if;
  update scheduling.appointments a
  set status = 'cancelled', cancelled_reason = p_reason
  where a.tenant_id = v_appointment.tenant_id and a.id = v_appointment.id
  returning a.* into v_appointment;
  perform scheduling.release_token(v_appointment);
  return v_appointment;
end
$$;

comment on function scheduling.cancel_appointment(uuid, text) is 'about=Cancels an appointment that has not begun, and gives its place in the slot back. IM001 it cannot be cancelled any more, IM002 no reason, IM005 no such appointment, IM108 its time is over.';

create function scheduling.mark_no_show(p_appointment_id uuid) returns scheduling.appointments
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_appointment scheduling.appointments := scheduling.lock_appointment(p_appointment_id);
begin
  if v_appointment.status = 'no_show' then
    return v_appointment;
  end if;
  if v_appointment.starts_at > now() then
    raise exception 'appointment % has not begun yet', p_appointment_id
      using errcode = 'IM001', hint = 'wait for its start, or use scheduling.cancel_appointment';
  end if;
  return scheduling.set_appointment_status(v_appointment, 'no_show');
end
$$;

comment on function scheduling.mark_no_show(uuid) is 'about=The patient did not come; the place stays taken. IM001 not booked or confirmed, or not begun yet, IM005 no such appointment.';

create function scheduling.mark_left(p_appointment_id uuid) returns scheduling.appointments
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_appointment scheduling.appointments := scheduling.lock_appointment(p_appointment_id);
begin
  if v_appointment.status = 'left' then
    return v_appointment;
  end if;
  v_appointment := scheduling.set_appointment_status(v_appointment, 'left');
  perform scheduling.release_token(v_appointment);
  return v_appointment;
end
$$;

comment on function scheduling.mark_left(uuid) is 'about=The patient checked in and left without being seen; the token leaves its queue. IM001 not checked in, IM005 no such appointment.';

create function scheduling.start_consultation(p_appointment_id uuid, p_encounter_id uuid default null)
  returns scheduling.appointments
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_appointment scheduling.appointments := scheduling.lock_appointment(p_appointment_id);
begin
  if v_appointment.status = 'in_consultation' then
    return v_appointment;
  end if;
  update scheduling.appointments a
  set status = 'in_consultation', encounter_id = coalesce(p_encounter_id, a.encounter_id)
  where a.tenant_id = v_appointment.tenant_id and a.id = v_appointment.id
  returning a.* into v_appointment;
  -- a doctor may fetch the patient without calling the token: then it is called now
  update scheduling.queue_management q
  set status = 'waiting'
  where q.tenant_id = v_appointment.tenant_id and q.appointment_id = v_appointment.id and q.status = 'skipped';
  update scheduling.queue_management q
  set status = 'called', called_at = greatest(now(), q.issued_at)
  where q.tenant_id = v_appointment.tenant_id and q.appointment_id = v_appointment.id and q.status = 'waiting';
  update scheduling.queue_management q
  set status = 'in_service', started_at = greatest(now(), q.called_at)
  where q.tenant_id = v_appointment.tenant_id and q.appointment_id = v_appointment.id and q.status = 'called';
  return v_appointment;
end
$$;

comment on function scheduling.start_consultation(uuid, uuid) is 'about=Checked in to in consultation, with the encounter when there is one already; the token goes into service. IM001 not checked in, IM005 no such appointment.';

create function scheduling.complete_appointment(p_appointment_id uuid) returns scheduling.appointments
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_appointment scheduling.appointments := scheduling.lock_appointment(p_appointment_id);
begin
  if v_appointment.status = 'completed' then
    return v_appointment;
  end if;
  v_appointment := scheduling.set_appointment_status(v_appointment, 'completed');
  update scheduling.queue_management q
  set status = 'done', finished_at = greatest(now(), q.started_at)
  where q.tenant_id = v_appointment.tenant_id and q.appointment_id = v_appointment.id and q.status = 'in_service';
  return v_appointment;
end
$$;

comment on function scheduling.complete_appointment(uuid) is 'about=The consultation is over; the token is done. IM001 not in consultation, IM005 no such appointment.';
