-- Demo: when the doctors of both clinics can be seen, and the slots from yesterday to next week. Doctor 1 is the urgent
-- care, open day and night, so that there is a queue at whatever hour the demo is installed; 2 and 3 have hours in the
-- morning, 4 sees patients by video in the evening; the paediatrics department vaccinates ten children an hour.
-- Doctor 3 is at a conference the day after tomorrow and works an afternoon more the day after that.

select core.assert_not_production();

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_clinic uuid;
  v_today date;
  v_days int[];
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000001')::uuid, 'admin', 'HOPERAT', null);
    continue when exists (select from scheduling.schedules s where s.tenant_id = v_tenant);
    v_clinic := (v_id || '-0001-7000-8000-000000000001')::uuid;
    v_today := scheduling.clinic_today(v_clinic);
    v_days := case v_id when 'da000000' then '{1,2,3,4,5,6}' else '{7,1,2,3,4}' end; -- working days, 1 is Monday

    insert into scheduling.schedules (
      tenant_id, id, clinic_id, doctor_id, department_id, location_id, weekday, start_time, end_time, slot_minutes,
      capacity_per_slot, appointment_type, channel
    )
    select
      v_tenant, (v_id || '-0018-7000-8000-' || lpad((s.n * 10 + d.day)::text, 12, '0'))::uuid, v_clinic,
      (v_id || '-0007-7000-8000-' || lpad(s.doctor::text, 12, '0'))::uuid,
      (v_id || '-0002-7000-8000-' || lpad(s.department::text, 12, '0'))::uuid,
      (v_id || '-0003-7000-8000-' || lpad(s.room::text, 12, '0'))::uuid, d.day, s.starts, s.ends, s.minutes, s.capacity,
      s.type, s.channel
    from (
      values
        (1, 1, 1, 5, time '00:00', time '24:00', 30, 1, 'any', 'in_person'),
        (2, 2, 1, 6, '09:00', '13:00', 15, 1, 'any', 'in_person'),
        (3, 3, 2, 6, '14:00', '18:00', 20, 1, 'any', 'in_person'),
        (4, 4, 1, null, '17:00', '20:00', 30, 1, 'teleconsult', 'video'),
        (5, null, 2, 5, '10:00', '12:00', 60, 10, 'vaccination', 'in_person')
    ) as s (n, doctor, department, room, starts, ends, minutes, capacity, type, channel)
    cross join generate_series(1, 7) as d (day)
    where s.n = 1 or d.day = any (v_days);

    insert into scheduling.schedules (
      tenant_id, id, clinic_id, doctor_id, department_id, kind, on_date, start_time, end_time, slot_minutes, reason
    ) values
      (
        v_tenant, (v_id || '-0018-7000-8000-000000000101')::uuid, v_clinic,
        (v_id || '-0007-7000-8000-000000000003')::uuid,
        null, 'closed', v_today + 2, '00:00', '24:00', 15, 'conference'
      ),
      (
        v_tenant, (v_id || '-0018-7000-8000-000000000102')::uuid, v_clinic,
        (v_id || '-0007-7000-8000-000000000003')::uuid,
        (v_id || '-0002-7000-8000-000000000002')::uuid, 'extra', v_today + 3, '18:00', '20:00', 20,
        'after the conference'
      );

    -- the urgent care gives out times for three days, the others for a week
    perform scheduling.generate_slots(v_today - 1, v_today + 3, (v_id || '-0007-7000-8000-000000000001')::uuid);
    perform scheduling.generate_slots(v_today - 1, v_today + 6, (v_id || '-0007-7000-8000-00000000000' || d.n)::uuid)
    from generate_series(2, 4) as d (n);
    perform scheduling.generate_slots(v_today, v_today + 6, p_schedule_id => s.id)
    from scheduling.schedules s
    where s.tenant_id = v_tenant and s.doctor_id is null;

    -- The last video slot of the week is kept free, the one before it was given up.
    update scheduling.appointment_slots s
    set status = case l.place when 1 then 'blocked' else 'cancelled' end
    from (
      select v.id, row_number() over (order by v.starts_at desc) as place
      from scheduling.appointment_slots v
      where v.tenant_id = v_tenant and v.doctor_id = (v_id || '-0007-7000-8000-000000000004')::uuid
    ) l
    where s.tenant_id = v_tenant and s.id = l.id and l.place <= 2;
  end loop;
end
$$;
