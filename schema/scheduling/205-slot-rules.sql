-- What stands between a patient and a slot. These helpers belong to the operations of scheduling and booking; no
-- application role may call them.

-- Inlined into the query that asks, hence no SET clause.
create function scheduling.closures(
  p_tenant_id uuid,
  p_clinic_id uuid,
  p_doctor_id uuid,
  p_department_id uuid,
  p_local_start timestamp,
  p_local_end timestamp
) returns setof scheduling.schedules
  language sql
  stable
as $$
  select c.*
  from scheduling.schedules c
  where
    c.tenant_id = p_tenant_id
    and c.kind = 'closed'
    and c.clinic_id = p_clinic_id
    -- a doctor's leave holds in every department, a department's holiday for every doctor
    and (c.doctor_id = p_doctor_id or (c.doctor_id is null and c.department_id = p_department_id))
    and (c.on_date = p_local_start::date or c.weekday = extract(isodow from p_local_start))
    and c.valid_during @> p_local_start::date
    and p_local_start::date + c.start_time < p_local_end
    and p_local_start::date + c.end_time > p_local_start
$$;

comment on function scheduling.closures(uuid, uuid, uuid, uuid, timestamp, timestamp) is 'about=The closed schedules of the doctor or department that cover part of the time, given as wall-clock time of the clinic.';

create function scheduling.is_slot_closed(p_slot scheduling.appointment_slots) returns boolean
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  return exists (
    select
    from facility.clinics c
    cross join lateral scheduling.closures(
      p_slot.tenant_id, p_slot.clinic_id, p_slot.doctor_id, p_slot.department_id,
      p_slot.starts_at at time zone c.timezone, p_slot.ends_at at time zone c.timezone
    )
    where c.tenant_id = p_slot.tenant_id and c.id = p_slot.clinic_id
  );
end
$$;

comment on function scheduling.is_slot_closed(scheduling.appointment_slots) is 'about=True when the doctor, the department or the clinic is away during a slot.';

create function scheduling.slot_refusal(p_slot scheduling.appointment_slots, p_places int default 1) returns text
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_slot.status = 'cancelled' then
    return 'IM100';
  end if;
  if p_slot.status = 'past' or p_slot.starts_at <= now() then
    return 'IM102';
  end if;
  if p_slot.status = 'blocked' or scheduling.is_slot_closed(p_slot) then
    return 'IM105';
  end if;
  if p_places > 0 and p_slot.booked_count + p_slot.held_count + p_places > p_slot.capacity + p_slot.overbook_limit then
    return 'IM101';
  end if;
  return null;
end
$$;

comment on function scheduling.slot_refusal(scheduling.appointment_slots, int) is 'about=Why a slot takes no more patients, as a failure code, or null: IM100 cancelled, IM101 full, IM102 past, IM105 doctor away or slot blocked.';

create function scheduling.change_slot_counts(p_tenant_id uuid, p_slot_id uuid, p_booked int, p_held int)
  returns scheduling.appointment_slots
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_slot scheduling.appointment_slots;
begin
  -- one conditional update: it waits for the row lock, then decides on the newest counts
  update scheduling.appointment_slots s
  set booked_count = s.booked_count + p_booked, held_count = s.held_count + p_held
  where
    s.tenant_id = p_tenant_id
    and s.id = p_slot_id
    and (
      p_booked + p_held <= 0
      or (
        s.status = 'open'
        and s.starts_at > now()
        and s.booked_count + s.held_count + p_booked + p_held <= s.capacity + s.overbook_limit
      )
    )
  returning s.* into v_slot;
  return v_slot;
end
$$;

comment on function scheduling.change_slot_counts(uuid, uuid, int, int) is 'about=Takes places of a slot or gives them back and returns the slot; null when it is not open, past or has too few places. Locks the slot until the transaction ends.';

-- Inlined, hence no SET clause.
create function scheduling.lock_calendar(p_tenant_id uuid, p_patient_id uuid) returns void
  language sql
  volatile
return pg_catalog.pg_advisory_xact_lock(
  pg_catalog.hashtextextended('scheduling.patient ' || p_tenant_id || ' ' || p_patient_id, 0)
);

comment on function scheduling.lock_calendar(uuid, uuid) is 'about=Until the end of the transaction nobody else changes the appointments of a patient: two bookings for different slots share no row.';

create function scheduling.patient_is_busy(
  p_tenant_id uuid,
  p_patient_id uuid,
  p_starts_at timestamptz,
  p_ends_at timestamptz,
  p_except uuid default null
) returns boolean
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  -- The query below must begin after the lock to see what another booking stored, hence read committed.
  perform scheduling.lock_calendar(p_tenant_id, p_patient_id);
  return exists (
    select
    from scheduling.appointments a
    where
      a.tenant_id = p_tenant_id
      and a.patient_id = p_patient_id
      and a.starts_at < p_ends_at
      and a.ends_at > p_starts_at
      and a.status in ('booked', 'confirmed', 'checked_in', 'in_consultation')
      and a.deleted_at is null
      and a.id is distinct from p_except
  );
end
$$;

comment on function scheduling.patient_is_busy(uuid, uuid, timestamptz, timestamptz, uuid) is 'about=Whether the patient has a live appointment in part of the time. Locks the patient''s calendar until the transaction ends.';

create function scheduling.add_appointment(
  p_slot scheduling.appointment_slots,
  p_patient_id uuid,
  p_type text,
  p_channel text,
  p_priority text,
  p_reason_enc bytea,
  p_fee_status text,
  p_booking_request_id uuid,
  p_rescheduled_from_id uuid,
  p_id uuid default null
) returns scheduling.appointments
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_date date;
  v_appointment scheduling.appointments;
begin
  select (p_slot.starts_at at time zone c.timezone)::date into v_date
  from facility.clinics c
  where c.tenant_id = p_slot.tenant_id and c.id = p_slot.clinic_id;

  insert into scheduling.appointments as a (
    tenant_id, id, appointment_number, patient_id, clinic_id, doctor_id, department_id, slot_id, starts_at, ends_at,
    type, channel, priority, reason_enc, fee_status, booking_request_id, rescheduled_from_id, status
  )
  values (
    p_slot.tenant_id, coalesce(p_id, core.uuid_v7()), scheduling.generate_appointment_number(p_slot.clinic_id, v_date),
    p_patient_id, p_slot.clinic_id, p_slot.doctor_id, p_slot.department_id, p_slot.id, p_slot.starts_at, p_slot.ends_at,
    p_type, p_channel, coalesce(p_priority, 'routine'), p_reason_enc, coalesce(p_fee_status, 'unpaid'),
    p_booking_request_id, p_rescheduled_from_id, 'booked'
  )
  returning a.* into v_appointment;
  return v_appointment;
end
$$;

comment on function scheduling.add_appointment(scheduling.appointment_slots, uuid, text, text, text, bytea, text, uuid, uuid, uuid) is 'about=Writes a booked appointment, under the id p_id if one is given, in a slot whose place the caller has taken; takes its number last.';
