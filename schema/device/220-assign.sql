-- Who or what a device serves.

create function device.assign(
  p_device_id uuid,
  p_assigned_by uuid,
  p_patient_id uuid default null,
  p_encounter_id uuid default null,
  p_bed_id uuid default null,
  p_is_exclusive boolean default true,
  p_alarm_limits jsonb default '{}',
  p_from timestamptz default null
) returns device.device_assignments
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_device device.devices := device.lock_device(p_device_id);
  v_row device.device_assignments;
begin
  select a.* into v_row
  from device.device_assignments a
  where
    a.tenant_id = v_tenant and a.device_id = p_device_id and a.status = 'active'
    and (a.patient_id, a.encounter_id, a.bed_id, a.is_exclusive)
      is not distinct from (p_patient_id, p_encounter_id, p_bed_id, p_is_exclusive);
  if found then
    return v_row;
  end if;
  if v_device.status <> 'active' then
    raise exception 'device % is % and cannot be assigned', p_device_id, v_device.status
      using errcode = 'IM881', hint = 'choose a device that is active';
  end if;
  -- the lock of the device decides between two who ask at once; the exclusion constraint is the last guard
  if exists (
    select
    from device.device_assignments a
    where
      a.tenant_id = v_tenant and a.device_id = p_device_id
      and a.period && pg_catalog.tstzrange(coalesce(p_from, now()), null) and (a.is_exclusive or p_is_exclusive)
  ) then
    raise exception 'device % serves somebody else', p_device_id
      using errcode = 'IM880', hint = 'end that assignment first, or choose another device';
  end if;
  insert into device.device_assignments (
    tenant_id, device_id, is_exclusive, patient_id, encounter_id, bed_id, period, alarm_limits, assigned_by
  )
  values (
    v_tenant, p_device_id, p_is_exclusive, p_patient_id, p_encounter_id, p_bed_id,
    pg_catalog.tstzrange(coalesce(p_from, now()), null), p_alarm_limits, p_assigned_by
  )
  returning * into v_row;
  return v_row;
end
$$;

comment on function device.assign(uuid, uuid, uuid, uuid, uuid, boolean, jsonb, timestamptz) is 'about=Connects an active device to a patient, a bed or the place where it stands, by default for nobody else, with alarm limits {metric: {low, high, priority}}. The same again is the same assignment. IM005 no such device, IM880 the device serves somebody else, IM881 not in service, 23514 limits that no reading can be held against.';

create function device.lock_assignment(p_assignment_id uuid) returns device.device_assignments
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_row device.device_assignments;
begin
  select a.* into v_row
  from device.device_assignments a
  where a.tenant_id = v_tenant and a.id = p_assignment_id
  for no key update;
  if not found then
    raise exception 'device assignment % does not exist', p_assignment_id
      using errcode = 'IM005', hint = 'choose an assignment of the tenant';
  end if;
  return v_row;
end
$$;

comment on function device.lock_assignment(uuid) is 'about=The assignment, locked until the transaction ends. IM005 no such assignment.';

create function device.unassign(p_assignment_id uuid, p_at timestamptz default null)
  returns device.device_assignments
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_row device.device_assignments := device.lock_assignment(p_assignment_id);
begin
  if v_row.status = 'ended' then
    return v_row;
  end if;
  update device.device_assignments a
  set status = 'ended', period = pg_catalog.tstzrange(lower(a.period), greatest(coalesce(p_at, now()), lower(a.period) + interval '1 millisecond'))
  where a.tenant_id = v_tenant and a.id = p_assignment_id
  returning a.* into v_row;
  return v_row;
end
$$;

comment on function device.unassign(uuid, timestamptz) is 'about=Ends an assignment; ended already, it is returned as it is. IM005 no such assignment.';

create function device.set_alarm_limits(p_assignment_id uuid, p_alarm_limits jsonb)
  returns device.device_assignments
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_row device.device_assignments := device.lock_assignment(p_assignment_id);
begin
  if v_row.status = 'ended' then
    raise exception 'device assignment % has ended', p_assignment_id
      using errcode = 'IM001', hint = 'assign the device again with the limits';
  end if;
  update device.device_assignments a
  set alarm_limits = p_alarm_limits
  where a.tenant_id = v_tenant and a.id = p_assignment_id
  returning a.* into v_row;
  return v_row;
end
$$;

comment on function device.set_alarm_limits(uuid, jsonb) is 'about=Sets the alarm limits of an assignment: {metric: {low, high, priority}}. IM001 it has ended, IM005 no such assignment, 23514 limits that no reading can be held against.';
