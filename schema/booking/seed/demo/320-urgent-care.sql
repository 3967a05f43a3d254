-- Demo: the last hours in the urgent care of both clinics, and its queue. Who has a slot that is still to come was
-- booked as everybody else is. Nobody can book the past, so the visits that are over were written by the
-- operator's hand: a place of the slot, the appointment, and from there the same operations as at the desk.

select core.assert_not_production();

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_mrn text;
  v_line record;
  v_patient uuid;
  v_slot scheduling.appointment_slots;
  v_appointment uuid;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    v_mrn := case v_id when 'da000000' then 'ASHA-' else 'NILE-' end;
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000008')::uuid, 'nurse', 'TREAT', null);
    continue when exists (
      select from booking.booking_requests r where r.tenant_id = v_tenant and r.idempotency_key = 'demo-urgent-care-11'
    );

    for v_line in
      select *
      from (
        values
          -- number, patient, slot (0 is the one that runs now), how far they got
          (1, 10, -9, 'completed'),
          (2, 11, -8, 'completed'),
          (3, 14, -7, 'completed'),
          (4, 15, -6, 'no_show'),
          (5, 16, -5, 'completed'),
          (6, 18, -4, 'left'),
          (7, 20, -3, 'no_show'),
          (8, 22, -2, 'completed'),
          (9, 23, -1, 'completed'),
          (10, 27, 0, 'in_consultation'),
          (11, 30, 1, 'checked_in'),
          (12, 13, 2, 'checked_in'),
          (13, 21, 3, 'checked_in'),
          (14, 1, 4, 'confirmed'),
          (15, 3, 6, 'booked'),
          (16, 28, 8, 'booked')
      ) as l (number, patient, slot, state)
      order by l.number
    loop
      select p.id into strict v_patient
      from patient.patients p
      where p.tenant_id = v_tenant and p.mrn = v_mrn || lpad(v_line.patient::text, 6, '0');
      select s.* into strict v_slot
      from scheduling.appointment_slots s
      where
        s.tenant_id = v_tenant
        and s.doctor_id = (v_id || '-0007-7000-8000-000000000001')::uuid
        and s.starts_at <= now() + v_line.slot * interval '30 minutes'
        and s.ends_at > now() + v_line.slot * interval '30 minutes';

      if v_line.slot > 0 then
        select b.appointment_id into strict v_appointment
        from booking.create_booking('demo-urgent-care-' || v_line.number, v_patient, v_slot.id) b;
      else
        update scheduling.appointment_slots s
        set booked_count = s.booked_count + 1
        where s.tenant_id = v_tenant and s.id = v_slot.id;
        v_appointment := (
          scheduling.add_appointment(v_slot, v_patient, 'new', 'counter', 'routine', null, 'unpaid', null, null)
        ).id;
      end if;

      if v_line.state = 'no_show' then
        perform scheduling.mark_no_show(v_appointment);
      elsif v_line.state = 'confirmed' then
        perform scheduling.confirm_appointment(v_appointment);
      elsif v_line.state <> 'booked' then
        perform scheduling.check_in(v_appointment, 'urgent-care');
        if v_line.state = 'left' then
          perform scheduling.mark_left(v_appointment);
        elsif v_line.state <> 'checked_in' then
          perform scheduling.start_consultation(v_appointment);
        end if;
        if v_line.state = 'completed' then
          perform scheduling.complete_appointment(v_appointment);
        end if;
      end if;
    end loop;

    -- All of that took one moment. The clocks are set to what they would have shown.
    update scheduling.queue_management q
    set
      issued_at = a.starts_at - interval '10 minutes', called_at = a.starts_at, started_at = a.starts_at,
      finished_at = case when q.status = 'done' then a.ends_at - interval '5 minutes' end
    from scheduling.appointments a
    where
      q.tenant_id = v_tenant and a.tenant_id = v_tenant and a.id = q.appointment_id
      and q.status in ('done', 'in_service');
    update scheduling.appointments a
    set checked_in_at = a.starts_at - interval '10 minutes', fee_status = 'paid'
    where a.tenant_id = v_tenant and a.status in ('completed', 'in_consultation', 'left');
    perform scheduling.close_past_slots();
  end loop;
end
$$;
