-- A bed is kept for an encounter, until a time.

create function facility.reserve_bed(
  p_bed_id uuid,
  p_encounter_id uuid,
  p_patient_id uuid,
  p_until timestamptz default null,
  p_reason text default null
) returns facility.bed_allocations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_bed facility.beds;
  v_at timestamptz;
  v_until timestamptz;
  v_held facility.bed_allocations;
begin
  perform facility.lock_patient(p_patient_id);
  v_bed := facility.lock_bed(p_bed_id);
  v_at := clock_timestamp();
  v_until := coalesce(
    p_until,
    v_at + make_interval(mins => coalesce((core.setting('facility.bed_reservation_minutes') #>> '{}')::int, 120))
  );
  if v_until <= v_at then
    raise exception 'bed % cannot be reserved until a time that is past', p_bed_id
      using errcode = '22023', hint = 'choose a later time';
  end if;
  if v_bed.status = 'reserved' then
    select a.* into v_held
    from facility.bed_allocations a
    where a.tenant_id = v_tenant and a.bed_id = p_bed_id and a.status = 'reserved';
    if v_held.encounter_id = p_encounter_id and v_held.reserved_until > v_at then
      return v_held; -- asked again
    end if;
    if v_held.reserved_until <= v_at then
      perform facility.end_reservation(p_bed_id, 'expired');
      v_bed.status := 'vacant';
    end if;
  end if;
  if v_bed.status in ('reserved', 'occupied') then
    raise exception 'bed % is %', p_bed_id, v_bed.status
      using errcode = 'IM200', hint = 'choose a vacant bed of facility.bed_board';
  end if;
  if v_bed.status <> 'vacant' then
    raise exception 'bed % is %', p_bed_id,
        case v_bed.status when 'cleaning' then 'being cleaned' when 'blocked' then 'blocked' else 'under maintenance' end
      using errcode = 'IM204', hint = 'choose a vacant bed';
  end if;

  insert into facility.bed_allocations (
    tenant_id, bed_id, encounter_id, patient_id, kind, period, reserved_until, reason
  )
  values (
    v_tenant, p_bed_id, p_encounter_id, p_patient_id, 'reservation', tstzrange(v_at, v_until), v_until, p_reason
  )
  returning * into v_held;
  update facility.beds b set status = 'reserved' where b.tenant_id = v_tenant and b.id = p_bed_id;
  return v_held;
end
$$;

comment on function facility.reserve_bed(uuid, uuid, uuid, timestamptz, text) is 'about=Keeps a vacant bed for an encounter until p_until, by default for the minutes of setting facility.bed_reservation_minutes. Asked again: the same reservation. IM001 the encounter has ended, IM005 no such bed, IM200 taken, IM202 policy, IM204 cleaning, blocked or under maintenance, 22023 time in the past.';

create function facility.release_reservation(p_allocation_id uuid) returns facility.bed_allocations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_held facility.bed_allocations;
begin
  perform facility.lock_bed(a.bed_id)
  from facility.bed_allocations a
  where a.tenant_id = v_tenant and a.id = p_allocation_id;
  select a.* into v_held
  from facility.bed_allocations a
  where a.tenant_id = v_tenant and a.id = p_allocation_id;
  if not found then
    raise exception 'reservation % does not exist', p_allocation_id
      using errcode = 'IM005', hint = 'take reservation_id from facility.bed_board';
  end if;
  if v_held.status in ('active', 'completed') then
    raise exception 'reservation % was used', p_allocation_id
      using errcode = 'IM001', hint = 'a bed that is occupied is freed when the patient leaves';
  end if;
  if v_held.status = 'reserved' then
    perform facility.end_reservation(v_held.bed_id, 'released');
    v_held.status := 'released';
  end if;
  return v_held;
end
$$;

comment on function facility.release_reservation(uuid) is 'about=Gives a reserved bed back. A reservation that ended already stays as it is. IM001 it was used, IM005 no such reservation.';

create function facility.expire_reservations(p_limit int default 1000) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_lapsed record;
  v_expired int := 0;
begin
  for v_lapsed in
    select b.id as bed_id, a.id
    from facility.bed_allocations a
    join facility.beds b on b.tenant_id = a.tenant_id and b.id = a.bed_id
    where a.tenant_id = v_tenant and a.status = 'reserved' and a.reserved_until <= now()
    order by b.id
    limit p_limit
    for no key update of b skip locked
  loop
    -- between the read and the lock somebody may have used it
    if exists (
      select
      from facility.bed_allocations a
      where a.tenant_id = v_tenant and a.id = v_lapsed.id and a.status = 'reserved'
    ) then
      perform facility.end_reservation(v_lapsed.bed_id, 'expired');
      v_expired := v_expired + 1;
    end if;
  end loop;
  return v_expired;
end
$$;

comment on function facility.expire_reservations(int) is 'about=Ends up to p_limit reservations whose time is over and returns how many; their beds are vacant. For a job.';
