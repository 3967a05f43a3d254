-- Hold a place while the patient decides or pays, then confirm or release it. A hold counts against the slot like a
-- booking does, for at most 15 minutes.

create function booking.hold_slot(
  p_idempotency_key text,
  p_patient_id uuid,
  p_slot_id uuid,
  p_type text default 'new',
  p_channel text default 'portal',
  p_payload jsonb default '{}',
  p_hold interval default interval '5 minutes'
) returns booking.booking_answer
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
begin
  if p_hold is null or p_hold <= interval '0' or p_hold > interval '15 minutes' then
    raise exception 'a place cannot be held for %', p_hold
      using errcode = '22023', hint = 'hold it for at most 15 minutes';
  end if;
  return booking.decide_request(p_idempotency_key, p_patient_id, p_slot_id, p_type, p_channel, p_payload, p_hold);
end
$$;

comment on function booking.hold_slot(text, uuid, uuid, text, text, jsonb, interval) is 'about=Holds a place of a slot for up to 15 minutes. One row: status held with hold_expires_at, or rejected with the failure codes of booking.create_booking; the same key returns the request as it stands. Raises IM005, IM011, IM100 as booking.create_booking does.';

create function booking.lock_request(p_request_id uuid) returns booking.booking_requests
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_request booking.booking_requests;
begin
  select r.* into v_request
  from booking.booking_requests r
  where r.tenant_id = v_tenant and r.id = p_request_id
  for no key update;
  if not found then
    raise exception 'booking request % does not exist', p_request_id
      using errcode = 'IM005', hint = 'use the request_id that booking.hold_slot returned';
  end if;
  if v_request.requested_by is distinct from core.current_user_id() then
    raise exception 'booking request % is held by another user', p_request_id
      using errcode = 'IM107', hint = 'only the user who holds a place may confirm or release it';
  end if;
  return v_request;
end
$$;

comment on function booking.lock_request(uuid) is 'about=The request, locked until the transaction ends. IM005 no such request, IM107 another user holds it.';

create function booking.end_hold(p_request booking.booking_requests, p_status text, p_failure_code text)
  returns booking.booking_requests
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_request booking.booking_requests;
begin
  perform scheduling.change_slot_counts(p_request.tenant_id, p_request.slot_id, 0, -1);
  update booking.booking_requests r
  set status = p_status, failure_code = p_failure_code, decided_at = now()
  where r.tenant_id = p_request.tenant_id and r.id = p_request.id
  returning r.* into v_request;
  return v_request;
end
$$;

comment on function booking.end_hold(booking.booking_requests, text, text) is 'about=Ends a hold that the caller has locked, without an appointment, and gives its place back.';

create function booking.confirm_hold(p_request_id uuid) returns booking.booking_answer
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_request booking.booking_requests := booking.lock_request(p_request_id);
  v_slot scheduling.appointment_slots;
  v_appointment scheduling.appointments;
  v_failure text;
begin
  if v_request.status <> 'held' then -- decided before: the same answer
    return booking.answer(v_request);
  end if;
  if v_request.hold_expires_at <= now() then
    return booking.answer(booking.end_hold(v_request, 'expired', 'IM104'));
  end if;

  select s.* into v_slot
  from scheduling.appointment_slots s
  where s.tenant_id = v_request.tenant_id and s.id = v_request.slot_id;
  v_failure := coalesce(
    booking.refusal_of_patient(
      v_request.patient_id,
      (
        select p.status
        from patient.patients p
        where p.tenant_id = v_request.tenant_id and p.id = v_request.patient_id and p.deleted_at is null
      )
    ),
    scheduling.slot_refusal(v_slot, 0) -- the held place is there already
  );
  if v_failure is null and scheduling.patient_is_busy(
    v_request.tenant_id, v_request.patient_id, v_slot.starts_at, v_slot.ends_at
  ) then
    v_failure := 'IM103';
  end if;
  if v_failure is not null then
    return booking.answer(booking.end_hold(v_request, 'released', v_failure));
  end if;

  perform scheduling.change_slot_counts(v_request.tenant_id, v_request.slot_id, 1, -1);
  v_appointment := booking.add_appointment(v_request, v_slot);
  update booking.booking_requests r
  set status = 'confirmed', appointment_id = v_appointment.id, decided_at = now()
  where r.tenant_id = v_request.tenant_id and r.id = v_request.id
  returning r.* into v_request;
  return booking.answer(v_request);
end
$$;

comment on function booking.confirm_hold(uuid) is 'about=Turns a held place into an appointment. One row: status confirmed; or expired with IM104; or released with IM102 past, IM103 the patient has another appointment, IM105 doctor away, IM106 patient merged or blocked. Repeating it returns the same answer. Raises IM005 no such request, IM107 not the holder.';

create function booking.release_hold(p_request_id uuid) returns booking.booking_answer
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_request booking.booking_requests := booking.lock_request(p_request_id);
begin
  if v_request.status = 'confirmed' then
    raise exception 'booking request % is confirmed', p_request_id
      using errcode = 'IM001', hint = 'use scheduling.cancel_appointment';
  end if;
  if v_request.status = 'held' then
    if v_request.hold_expires_at <= now() then
      v_request := booking.end_hold(v_request, 'expired', 'IM104');
    else
      v_request := booking.end_hold(v_request, 'released', null);
    end if;
  end if;
  return booking.answer(v_request);
end
$$;

comment on function booking.release_hold(uuid) is 'about=Gives a held place back. One row: status released, or expired with IM104; repeating it returns the same answer. Raises IM001 confirmed already, IM005 no such request, IM107 not the holder.';

create function booking.expire_holds(p_limit int default 500) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_slot_id uuid;
  v_expired int := 0;
begin
  for v_slot_id in
    select distinct due.slot_id
    from (
      select r.slot_id
      from booking.booking_requests r
      where r.tenant_id = v_tenant and r.status = 'held' and r.hold_expires_at <= now()
      order by r.hold_expires_at
      limit p_limit
    ) due
    order by due.slot_id -- slots are locked in the order of their ids
  loop
    v_expired := v_expired + booking.expire_slot_holds(v_tenant, v_slot_id);
  end loop;
  return v_expired;
end
$$;

comment on function booking.expire_holds(int) is 'about=Ends holds whose time is over, for the slots of the p_limit oldest ones, and returns how many. For a job that runs every minute; a request for a full slot ends that slot''s lapsed holds by itself.';
