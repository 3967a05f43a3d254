-- Alarms: one live alarm a condition, taken on by a person, passed on when nobody does.

create function device.priority_rank(p_priority text) returns int
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select array_position(array['low', 'medium', 'high', 'crisis'], p_priority) $$;

comment on function device.priority_rank(text) is 'about=1 low to 4 crisis.';

create function device.ring(
  p_device_id uuid,
  p_patient_id uuid,
  p_metric_code text,
  p_limit_kind text,
  p_priority text,
  p_limit_value numeric,
  p_observed_value numeric,
  p_raised_at timestamptz
) returns device.alarms
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_alarm device.alarms;
begin
  -- the live alarm of the condition may be resolved between insert and select: then the next round inserts
  loop
    insert into device.alarms (
      tenant_id, device_id, patient_id, metric_code, limit_kind, limit_value, observed_value, priority, raised_at
    )
    values (
      v_tenant, p_device_id, p_patient_id, p_metric_code, p_limit_kind, p_limit_value, p_observed_value, p_priority,
      p_raised_at
    )
    on conflict (tenant_id, device_id, patient_id, metric_code, limit_kind) where status in ('active', 'acknowledged')
      do nothing
    returning * into v_alarm;
    exit when found;
    select a.* into v_alarm
    from device.alarms a
    where
      a.tenant_id = v_tenant and a.device_id = p_device_id and a.patient_id is not distinct from p_patient_id
      and a.metric_code = p_metric_code and a.limit_kind = p_limit_kind and a.status in ('active', 'acknowledged')
    for no key update;
    continue when not found;
    if device.priority_rank(p_priority) > device.priority_rank(v_alarm.priority) then
      if v_alarm.status = 'active' then -- no move, so the state machine announces nothing
        perform core.enqueue(
          'device', v_alarm.id, 'device.alarm.v1',
          jsonb_build_object('id', v_alarm.id, 'from', 'active', 'to', 'active')
        );
      end if;
      update device.alarms a
      set
        priority = p_priority, observed_value = p_observed_value, status = 'active', acknowledged_at = null,
        acknowledged_by = null
      where a.tenant_id = v_tenant and a.id = v_alarm.id
      returning a.* into v_alarm;
    end if;
    exit;
  end loop;
  return v_alarm;
end
$$;

comment on function device.ring(uuid, uuid, text, text, text, numeric, numeric, timestamptz) is 'about=The live alarm of a condition, raised when there is none. A higher priority makes an acknowledged alarm active again and announces it anew.';

create function device.patient_of(p_device_id uuid, p_at timestamptz) returns uuid
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  return (
    select a.patient_id
    from device.device_assignments a
    where a.tenant_id = v_tenant and a.device_id = p_device_id and a.is_exclusive and a.period @> p_at
  );
end
$$;

comment on function device.patient_of(uuid, timestamptz) is 'about=The patient who had the device for themselves at an instant; null nobody.';

create function device.raise_alarm(
  p_device_id uuid,
  p_metric_code text,
  p_limit_kind text,
  p_priority text,
  p_limit_value numeric default null,
  p_observed_value numeric default null,
  p_raised_at timestamptz default null
) returns device.alarms
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  if not exists (
    select from device.devices d where d.tenant_id = v_tenant and d.id = p_device_id and d.deleted_at is null
  ) then
    raise exception 'device % does not exist', p_device_id
      using errcode = 'IM005', hint = 'choose a device of the tenant that is not deleted';
  end if;
  return device.ring(
    p_device_id, device.patient_of(p_device_id, coalesce(p_raised_at, now())), p_metric_code, p_limit_kind, p_priority,
    p_limit_value, p_observed_value, coalesce(p_raised_at, now())
  );
end
$$;

comment on function device.raise_alarm(uuid, text, text, text, numeric, numeric, timestamptz) is 'about=Raises an alarm that the device itself gives (technical, disconnect, or a limit of its own), for the patient who has it. A condition that has a live alarm gets that one, with the higher priority of the two. IM005 no such device.';

create function device.lock_alarm(p_alarm_id uuid) returns device.alarms
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_alarm device.alarms;
begin
  select a.* into v_alarm
  from device.alarms a
  where a.tenant_id = v_tenant and a.id = p_alarm_id
  for no key update;
  if not found then
    raise exception 'alarm % does not exist', p_alarm_id
      using errcode = 'IM005', hint = 'choose an alarm of the tenant';
  end if;
  return v_alarm;
end
$$;

comment on function device.lock_alarm(uuid) is 'about=The alarm, locked until the transaction ends. IM005 no such alarm.';

create function device.acknowledge_alarm(p_alarm_id uuid, p_note text default null) returns device.alarms
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_alarm device.alarms := device.lock_alarm(p_alarm_id);
begin
  if v_alarm.status = 'acknowledged' then
    return v_alarm;
  end if;
  if core.current_user_id() is null then
    raise exception 'alarm % is acknowledged by a person', p_alarm_id
      using errcode = 'IM006', hint = 'sign in';
  end if;
  update device.alarms a
  set
    status = 'acknowledged', acknowledged_at = greatest(now(), a.raised_at), acknowledged_by = core.current_user_id(),
    action_note = coalesce(p_note, a.action_note)
  where a.tenant_id = v_tenant and a.id = p_alarm_id
  returning a.* into v_alarm;
  return v_alarm;
end
$$;

comment on function device.acknowledge_alarm(uuid, text) is 'about=The signed-in user takes the alarm on; the first one stays. IM001 resolved, IM005 no such alarm, IM006 nobody is signed in.';

create function device.resolve_alarm(p_alarm_id uuid, p_note text default null) returns device.alarms
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_alarm device.alarms := device.lock_alarm(p_alarm_id);
begin
  if v_alarm.status = 'resolved' then
    return v_alarm;
  end if;
  update device.alarms a
  set
    status = 'resolved', resolved_at = greatest(now(), a.raised_at), action_note = coalesce(p_note, a.action_note)
  where a.tenant_id = v_tenant and a.id = p_alarm_id
  returning a.* into v_alarm;
  return v_alarm;
end
$$;

comment on function device.resolve_alarm(uuid, text) is 'about=The condition is over. IM005 no such alarm.';

create function device.escalate_alarms(p_limit int default 100) returns setof device.alarms
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_minutes int := coalesce((core.setting('device.escalate_after_minutes') #>> '{}')::int, 5);
  v_id uuid;
  v_alarm device.alarms;
begin
  for v_id in
    select a.id
    from device.alarms a
    where
      a.tenant_id = v_tenant and a.status = 'active'
      and a.raised_at + pg_catalog.make_interval(mins => v_minutes * (a.escalation_level + 1)) <= now()
    order by a.raised_at, a.id
    limit p_limit
    for no key update skip locked
  loop
    update device.alarms a
    set escalation_level = a.escalation_level + 1
    where a.tenant_id = v_tenant and a.id = v_id
    returning a.* into v_alarm;
    return next v_alarm;
  end loop;
end
$$;

comment on function device.escalate_alarms(int) is 'about=Job: passes on up to p_limit alarms that nobody took on within device.escalate_after_minutes, once for each such time, and returns them.';
