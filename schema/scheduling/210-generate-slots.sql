-- From schedules to bookable slots.

create function scheduling.generate_slots(
  p_from date,
  p_to date,
  p_doctor_id uuid default null,
  p_schedule_id uuid default null
) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_made int;
begin
  if p_to < p_from or p_to > p_from + 366 then
    raise exception 'cannot generate slots from % to %', p_from, p_to
      using errcode = '22023', hint = 'give a first and a last day at most 366 days apart';
  end if;
  if p_schedule_id is not null and not exists (
    select from scheduling.schedules s where s.tenant_id = v_tenant and s.id = p_schedule_id
  ) then
    raise exception 'schedule % does not exist', p_schedule_id
      using errcode = 'IM005', hint = 'choose a schedule of the tenant';
  end if;

  -- a slot that is there already, or whose time the doctor has given to another clinic, stays as it is
  insert into scheduling.appointment_slots (
    tenant_id, clinic_id, doctor_id, department_id, location_id, schedule_id, starts_at, ends_at, capacity
  )
  select
    v_tenant, s.clinic_id, s.doctor_id, s.department_id, s.location_id, s.id,
    t.starts at time zone c.timezone, (t.starts at time zone c.timezone) + l.length, s.capacity_per_slot
  from facility.clinics c
  -- clinic by clinic, each by its index
  cross join lateral (
    select s.*
    from scheduling.schedules s
    where
      s.tenant_id = c.tenant_id and s.clinic_id = c.id and s.kind in ('regular', 'extra')
      and (p_doctor_id is null or s.doctor_id = p_doctor_id)
      and (p_schedule_id is null or s.id = p_schedule_id)
    offset 0
  ) s
  cross join lateral (select pg_catalog.make_interval(mins => s.slot_minutes) as length) l
  cross join lateral (
    select g::date as day from pg_catalog.generate_series(p_from::timestamp, p_to::timestamp, interval '1 day') g
  ) d
  cross join lateral pg_catalog.generate_series(d.day + s.start_time, d.day + s.end_time - l.length, l.length) t (starts)
  where
    c.tenant_id = v_tenant
    and (s.on_date = d.day or s.weekday = extract(isodow from d.day))
    and s.valid_during @> d.day
    and not exists (
      select
      from scheduling.closures(v_tenant, s.clinic_id, s.doctor_id, s.department_id, t.starts, t.starts + l.length)
    )
  order by d.day, s.start_time, s.id, t.starts
  on conflict do nothing;
  get diagnostics v_made = row_count;
  return v_made;
end
$$;

comment on function scheduling.generate_slots(date, date, uuid, uuid) is 'about=Makes the slots of the regular and extra schedules from p_from to p_to (dates of the clinics, both included), leaving out closed time; all schedules, one doctor''s or one schedule. Returns how many are new; repeating it makes nothing twice. IM005 no such schedule.';

create function scheduling.close_past_slots(p_limit int default 1000) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_slot_id uuid;
  v_closed int := 0;
begin
  for v_slot_id in
    select s.id
    from scheduling.appointment_slots s
    where s.tenant_id = v_tenant and s.status in ('open', 'full', 'blocked') and s.ends_at <= now()
    order by s.ends_at, s.id
    limit p_limit
    for no key update skip locked
  loop
    update scheduling.appointment_slots s set status = 'past' where s.tenant_id = v_tenant and s.id = v_slot_id;
    v_closed := v_closed + 1;
  end loop;
  return v_closed;
end
$$;

comment on function scheduling.close_past_slots(int) is 'about=Marks up to p_limit slots that are over as past, and returns how many. For a job that runs every few minutes; bookings of the past are refused without it as well.';
