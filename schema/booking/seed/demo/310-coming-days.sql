-- Demo: who booked a visit in the coming days, in both clinics, and what became of it. Every line below is one request
-- to booking.create_booking or booking.hold_slot, by the front desk or through the portal.

select core.assert_not_production();

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_mrn text;
  v_clinic uuid;
  v_tomorrow timestamptz;
  v_line record;
  v_patient uuid;
  v_slot uuid;
  v_other_slot uuid;
  v_visit timestamptz; -- of line 2
  v_answer record;
  v_appointment scheduling.appointments;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    v_mrn := case v_id when 'da000000' then 'ASHA-' else 'NILE-' end;
    perform core.begin_request(
      v_tenant, (v_id || '-0005-7000-8000-000000000002')::uuid, 'receptionist', 'HOPERAT', null
    );
    continue when exists (select from booking.booking_requests r where r.tenant_id = v_tenant);
    v_clinic := (v_id || '-0001-7000-8000-000000000001')::uuid;
    select ((scheduling.clinic_today(v_clinic) + 1)::timestamp at time zone c.timezone) into v_tomorrow
    from facility.clinics c
    where c.tenant_id = v_tenant and c.id = v_clinic;

    for v_line in
      select *
      from (
        values
          -- number, patient, doctor, how many open slots from tomorrow are passed over, type, channel, what comes next
          (1, 1, 3, 0, 'new', 'phone', 'booked'),
          (2, 2, 2, 0, 'follow_up', 'portal', 'confirmed'),
          (3, 4, 2, 0, 'follow_up', 'portal', 'confirmed'),
          (4, 5, 2, 1, 'new', 'counter', 'booked'),
          (5, 6, 2, 4, 'new', 'phone', 'cancelled'),
          (6, 7, 2, 6, 'new', 'counter', 'rescheduled'),
          (7, 8, 2, 9, 'follow_up', 'portal', 'booked'),
          (8, 9, 2, 12, 'new', 'api', 'booked'),
          (9, 12, 3, 1, 'vaccination', 'phone', 'confirmed'),
          (10, 17, 3, 3, 'new', 'counter', 'booked'),
          (11, 24, 3, 5, 'new', 'phone', 'cancelled'),
          (12, 25, 2, 15, 'new', 'counter', 'booked'),
          (13, 26, 4, 0, 'teleconsult', 'portal', 'confirmed'),
          (14, 28, 4, 1, 'teleconsult', 'portal', 'booked'),
          (15, 32, 4, 3, 'teleconsult', 'portal', 'cancelled'),
          (16, 36, 3, 7, 'follow_up', 'phone', 'booked'),
          (17, 38, 2, 20, 'follow_up', 'counter', 'rescheduled'),
          (18, 29, 2, 22, 'new', 'portal', 'held'),
          (19, 33, 2, 23, 'new', 'portal', 'hold confirmed'),
          (20, 34, 2, 24, 'new', 'portal', 'hold released'),
          (21, 35, 2, 25, 'new', 'portal', 'hold lapses'),
          (22, 37, 2, 0, 'new', 'portal', 'refused: the slot is full'),
          (23, 31, 2, 26, 'new', 'phone', 'refused: the patient has died'),
          (24, 2, 1, 0, 'new', 'whatsapp', 'refused: has a visit then')
      ) as l (number, patient, doctor, passed_over, type, channel, next)
      order by l.number
    loop
      select p.id into strict v_patient
      from patient.patients p
      where p.tenant_id = v_tenant and p.mrn = v_mrn || lpad(v_line.patient::text, 6, '0');

      select s.id, lead(s.id) over (order by s.starts_at) into v_slot, v_other_slot
      from scheduling.appointment_slots s
      where
        s.tenant_id = v_tenant and s.doctor_id = (v_id || '-0007-7000-8000-00000000000' || v_line.doctor)::uuid
        and s.starts_at >= v_tomorrow
        and s.status = case v_line.next when 'refused: the slot is full' then 'full' else 'open' end
        and (v_line.next <> 'refused: has a visit then' or s.starts_at = v_visit)
      order by s.starts_at
      offset v_line.passed_over
      limit 1;
      if v_line.number = 2 then
        select s.starts_at into v_visit
        from scheduling.appointment_slots s
        where s.tenant_id = v_tenant and s.id = v_slot;
      end if;

      if v_line.next in ('held', 'hold confirmed', 'hold released', 'hold lapses') then
        select * into v_answer
        from booking.hold_slot(
          'demo-booking-' || v_line.number, v_patient, v_slot, v_line.type, v_line.channel,
          p_hold => case v_line.next when 'hold lapses' then interval '1 millisecond' else interval '15 minutes' end
        );
      else
        select * into v_answer
        from booking.create_booking(
          'demo-booking-' || v_line.number, v_patient, v_slot, v_line.type, v_line.channel
        );
      end if;

      case v_line.next
        when 'confirmed' then
          perform scheduling.confirm_appointment(v_answer.appointment_id);
        when 'cancelled' then
          perform scheduling.cancel_appointment(v_answer.appointment_id, 'the patient feels better');
        when 'rescheduled' then
          v_appointment := scheduling.reschedule_appointment(v_answer.appointment_id, v_other_slot, 'has to work');
        when 'hold confirmed' then
          perform booking.confirm_hold(v_answer.request_id);
        when 'hold released' then
          perform booking.release_hold(v_answer.request_id);
        else
          null;
      end case;
    end loop;

    -- The one state that no operation leads to yet: a visit that somebody proposed and nobody has booked.
    insert into scheduling.appointments (
      tenant_id, id, appointment_number, patient_id, clinic_id, doctor_id, starts_at, ends_at, type, channel, status
    )
    select
      v_tenant, (v_id || '-0019-7000-8000-000000000001')::uuid, scheduling.generate_appointment_number(v_clinic), p.id,
      v_clinic, (v_id || '-0007-7000-8000-000000000002')::uuid, v_tomorrow + interval '30 days 10 hours',
      v_tomorrow + interval '30 days 10 hours 15 minutes', 'follow_up', 'portal', 'proposed'
    from patient.patients p
    where p.tenant_id = v_tenant and p.mrn = v_mrn || '000014';
  end loop;
end
$$;
