-- One road for create_booking and hold_slot: the patient's calendar, then the slot's counter, then the key, then the rest.
-- Whoever inserts the key decides; the same key waits for that decision, gives its place back and returns it. The slot
-- comes before the key, so that in a rush a refusal is one insert by a session that holds no lock on the slot.

create function booking.expire_slot_holds(p_tenant_id uuid, p_slot_id uuid) returns int
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_expired int;
begin
  with due as (
    select r.id
    from booking.booking_requests r
    where
      r.tenant_id = p_tenant_id and r.slot_id = p_slot_id and r.status = 'held' and r.hold_expires_at <= now()
    for no key update skip locked -- a hold that is being confirmed is its holder's
  ),
  expired as (
    update booking.booking_requests r
    set status = 'expired', failure_code = 'IM104', decided_at = now()
    from due
    where r.tenant_id = p_tenant_id and r.id = due.id
    returning r.id
  )
  select pg_catalog.count(*) into v_expired from expired;
  if v_expired > 0 then
    perform scheduling.change_slot_counts(p_tenant_id, p_slot_id, 0, -v_expired);
  end if;
  return v_expired;
end
$$;

comment on function booking.expire_slot_holds(uuid, uuid) is 'about=Ends the holds of one slot whose time is over and gives their places back; returns how many.';

create function booking.refusal_of_patient(p_patient_id uuid, p_status text) returns text
  language plpgsql
  immutable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_status is null then
    raise exception 'patient % does not exist', p_patient_id
      using errcode = 'IM005', hint = 'choose a patient of the tenant that is not deleted';
  end if;
  return case when p_status <> 'active' then 'IM106' end;
end
$$;

comment on function booking.refusal_of_patient(uuid, text) is 'about=IM106 when a patient of this status is merged, inactive or deceased, else null. Raises IM005 no such patient when there is no status.';

-- Inlined, so that the rush pays nothing for the call; hence no SET clause.
create function booking.is_booked_out(p_status text, p_held_count int, p_starts_at timestamptz) returns boolean
  language sql
  stable
return p_status = 'full' and p_held_count = 0 and p_starts_at > now();

comment on function booking.is_booked_out(text, int, timestamptz) is 'about=True for a coming slot that is full of appointments: neither a lapsed hold nor anything else but a cancellation makes room.';

create function booking.refusal_of_slot(p_tenant_id uuid, p_slot_id uuid) returns text
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_slot scheduling.appointment_slots;
  v_failure text;
begin
  select s.* into v_slot
  from scheduling.appointment_slots s
  where s.tenant_id = p_tenant_id and s.id = p_slot_id;
  v_failure := scheduling.slot_refusal(v_slot);
  if v_failure = 'IM101' and booking.expire_slot_holds(p_tenant_id, p_slot_id) > 0 then
    return null;
  end if;
  return v_failure;
end
$$;

comment on function booking.refusal_of_slot(uuid, uuid) is 'about=Why a slot gives no place; null when there is one again, because a hold that had lapsed was ended now or because somebody cancelled.';

create function booking.add_appointment(p_request booking.booking_requests, p_slot scheduling.appointment_slots)
  returns scheduling.appointments
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  return scheduling.add_appointment(
    p_slot, p_request.patient_id, p_request.payload ->> 'type', p_request.channel, p_request.payload ->> 'priority',
    pg_catalog.decode(p_request.payload ->> 'reason_enc', 'base64'), p_request.payload ->> 'fee_status',
    p_request.id, null, p_request.appointment_id
  );
end
$$;

comment on function booking.add_appointment(booking.booking_requests, scheduling.appointment_slots) is 'about=The appointment that a request asks for, in a slot whose place is taken.';

create function booking.stored_request(p_tenant_id uuid, p_idempotency_key text, p_hash bytea)
  returns booking.booking_requests
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_request booking.booking_requests;
begin
  select r.* into v_request
  from booking.booking_requests r
  where r.tenant_id = p_tenant_id and r.idempotency_key = p_idempotency_key;
  if v_request.request_hash <> p_hash then
    raise exception 'idempotency key of booking request % was used with other content', v_request.id
      using errcode = 'IM011', hint = 'use a new key for a new request';
  end if;
  return v_request;
end
$$;

comment on function booking.stored_request(uuid, text, bytea) is 'about=The request of a key, when its content is the same; else IM011.';

create function booking.decide_request(
  p_idempotency_key text,
  p_patient_id uuid,
  p_slot_id uuid,
  p_type text,
  p_channel text,
  p_payload jsonb,
  p_hold interval -- null: book at once
) returns booking.booking_answer
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_payload jsonb := coalesce(p_payload, '{}') || pg_catalog.jsonb_build_object('type', p_type);
  v_hash bytea := pg_catalog.sha256(pg_catalog.convert_to(
    pg_catalog.jsonb_build_array(p_patient_id, p_slot_id, p_channel, v_payload, p_hold)::text, 'UTF8'
  ));
  v_booked int;
  v_held int;
  v_found record;
  v_booked_out boolean;
  v_slot scheduling.appointment_slots;
  v_request booking.booking_requests;
  v_appointment_id uuid;
  v_number text;
  v_failure text;
  v_taken boolean;
begin
  for v_try in 1..3 loop
    -- A request row refers to its slot and patient: when one does not exist nothing can be stored, so this is raised. Only
    -- what settles a refusal is read, and nobody else is asked about a slot that is full of appointments: a rush pays for
    -- whatever is done here.
    select s.status, s.held_count, s.starts_at, p.status as patient_status into v_found
    from scheduling.appointment_slots s
    left join patient.patients p on p.tenant_id = v_tenant and p.id = p_patient_id and p.deleted_at is null
    where s.tenant_id = v_tenant and s.id = p_slot_id;
    if not found then
      raise exception 'slot % does not exist', p_slot_id using errcode = 'IM100', hint = 'choose a slot of the tenant';
    end if;
    v_booked_out := booking.is_booked_out(v_found.status, v_found.held_count, v_found.starts_at);
    -- where no place is taken the insert below is soon enough to find a key that is known; two conditions, because one with
    -- a sub-query is run as a query even when it need not look
    if not v_booked_out or v_found.patient_status is null then
      if exists (
        select from booking.booking_requests r where r.tenant_id = v_tenant and r.idempotency_key = p_idempotency_key
      ) then
        return booking.answer(booking.stored_request(v_tenant, p_idempotency_key, v_hash));
      end if;
    end if;
    if v_found.patient_status is distinct from 'active' then
      v_failure := booking.refusal_of_patient(p_patient_id, v_found.patient_status);
    elsif v_booked_out then
      v_failure := 'IM101';
    elsif v_try = 1 then
      perform scheduling.lock_calendar(v_tenant, p_patient_id);
      v_booked := (p_hold is null)::int;
      v_held := 1 - v_booked;
    else
      -- the update found no place: a lapsed hold may make room
      v_failure := booking.refusal_of_slot(v_tenant, p_slot_id);
    end if;
    exit when v_failure is not null;
    v_slot := scheduling.change_slot_counts(v_tenant, p_slot_id, v_booked, v_held);
    exit when v_slot.id is not null;
  end loop;
  v_taken := v_slot.id is not null;

  if v_taken then
    -- asked when a place was got: in a rush most wait for one in vain
    v_failure := case
      when scheduling.is_slot_closed(v_slot) then 'IM105'
      when scheduling.patient_is_busy(v_tenant, p_patient_id, v_slot.starts_at, v_slot.ends_at) then 'IM103'
    end;
    if v_failure is not null then
      perform scheduling.change_slot_counts(v_tenant, p_slot_id, -v_booked, -v_held);
      v_taken := false;
    elsif p_hold is null then
      v_appointment_id := core.uuid_v7();
    end if;
  end if;

  -- waits while another transaction decides the same key
  insert into booking.booking_requests as r (
    tenant_id, idempotency_key, request_hash, patient_id, slot_id, requested_by, channel, payload, attempts,
    status, failure_code, hold_expires_at, appointment_id, decided_at
  )
  values (
    v_tenant, p_idempotency_key, v_hash, p_patient_id, p_slot_id, core.current_user_id(), p_channel, v_payload, 1,
    case when not v_taken then 'rejected' when p_hold is not null then 'held' else 'confirmed' end,
    case when not v_taken then coalesce(v_failure, 'IM101') end,
    case when v_taken then now() + p_hold end,
    v_appointment_id,
    case when not v_taken or p_hold is null then now() end
  )
  on conflict (tenant_id, idempotency_key) do nothing
  returning r.* into v_request;
  if not found then
    if v_taken then
      perform scheduling.change_slot_counts(v_tenant, p_slot_id, -v_booked, -v_held);
    end if;
    return booking.answer(booking.stored_request(v_tenant, p_idempotency_key, v_hash));
  end if;

  if v_appointment_id is not null then
    v_number := (booking.add_appointment(v_request, v_slot)).appointment_number;
  end if;
  return row(
    v_request.id, v_appointment_id, v_number, v_request.status, v_request.failure_code, v_request.hold_expires_at
  )::booking.booking_answer;
end
$$;

comment on function booking.decide_request(text, uuid, uuid, text, text, jsonb, interval) is 'about=Stores a request under its key and decides it: confirmed, held (when p_hold is given) or rejected with a failure code; a key that was decided before returns that decision.';
