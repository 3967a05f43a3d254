-- Readings in batches. One lookup of the device and, as a rule, one of its assignment serve a whole batch.

create function device.ingest_telemetry(
  p_device_id uuid,
  p_readings jsonb,
  out accepted int,
  out repeated int,
  out refused jsonb,
  out alarms int
) returns record
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_device record;
  v_sent record;
  v_reading record;
  v_is_reading boolean;
  v_assignment device.device_assignments;
  v_limit jsonb;
  v_crossed text;
begin
  accepted := 0;
  repeated := 0;
  refused := '[]';
  alarms := 0;
  select d.status, d.last_seen_at, d.kind in ('fridge', 'freezer') as is_cold into v_device
  from device.devices d
  where d.tenant_id = v_tenant and d.id = p_device_id and d.deleted_at is null;
  if not found then
    raise exception 'device % does not exist', p_device_id
      using errcode = 'IM005', hint = 'choose a device of the tenant that is not deleted';
  end if;
  if v_device.status not in ('active', 'offline') then
    raise exception 'device % is % and its readings are not taken', p_device_id, v_device.status
      using errcode = 'IM881', hint = 'record its acceptance or repair first';
  end if;
  -- not every batch writes the device's row: it would be the one that all batches wait for
  if v_device.last_seen_at is null or v_device.last_seen_at < now() - interval '1 minute' or v_device.status = 'offline' then
    update device.devices d
    set last_seen_at = now(), status = 'active'
    where d.tenant_id = v_tenant and d.id = p_device_id and d.status in ('active', 'offline');
  end if;

  for v_sent in
    select r.place - 1 as index, r.reading
    from pg_catalog.jsonb_array_elements(p_readings) with ordinality as r (reading, place)
  loop
    -- a probe that fell off must not take the readings of the others with it
    begin
      select
        (v_sent.reading ->> 'measured_at')::timestamptz as measured_at, v_sent.reading ->> 'metric_code' as metric_code,
        (v_sent.reading ->> 'value')::float8 as value, v_sent.reading ->> 'unit' as unit,
        coalesce(v_sent.reading ->> 'quality', 'good') as quality, coalesce((v_sent.reading ->> 'seq')::bigint, 0) as seq,
        (v_sent.reading ->> 'patient_id')::uuid as patient_id
      into v_reading;
      v_is_reading := coalesce(
        v_reading.value between -1e15 and 1e15 and v_reading.quality in ('good', 'suspect', 'artefact', 'simulated')
        and num_nulls(v_reading.measured_at, v_reading.metric_code, v_reading.unit) = 0,
        false
      );
    exception
      when data_exception then v_is_reading := false;
    end;
    if not v_is_reading then
      refused := refused || pg_catalog.jsonb_build_object('index', v_sent.index, 'reason', 'malformed');
      continue;
    end if;
    if v_reading.measured_at > now() + interval '5 minutes' then
      refused := refused || pg_catalog.jsonb_build_object('index', v_sent.index, 'reason', 'from_the_future');
      continue;
    end if;
    if
      v_assignment.id is null or not v_assignment.period @> v_reading.measured_at or not v_assignment.is_exclusive
    then
      select a.* into v_assignment
      from device.device_assignments a
      where
        a.tenant_id = v_tenant and a.device_id = p_device_id and a.period @> v_reading.measured_at
        and (a.is_exclusive or a.patient_id = v_reading.patient_id);
    end if;
    if v_reading.patient_id is distinct from v_assignment.patient_id and v_reading.patient_id is not null then
      refused := refused || pg_catalog.jsonb_build_object('index', v_sent.index, 'reason', 'not_assigned_to_patient');
      continue;
    end if;

    insert into device.telemetry (
      tenant_id, measured_at, device_id, patient_id, metric_code, value, unit, quality, seq
    )
    values (
      v_tenant, v_reading.measured_at, p_device_id, v_assignment.patient_id, v_reading.metric_code, v_reading.value,
      v_reading.unit, v_reading.quality, v_reading.seq
    )
    on conflict do nothing;
    if not found then
      repeated := repeated + 1;
      continue;
    end if;
    accepted := accepted + 1;

    v_limit := v_assignment.alarm_limits -> v_reading.metric_code;
    v_crossed := case
      when v_reading.quality <> 'good' or v_limit is null then null
      when v_reading.value < (v_limit ->> 'low')::float8 then 'low'
      when v_reading.value > (v_limit ->> 'high')::float8 then 'high'
    end;
    if v_crossed is not null then
      perform device.ring(
        p_device_id, v_assignment.patient_id, v_reading.metric_code,
        case when v_device.is_cold then 'cold_chain' else v_crossed end, coalesce(v_limit ->> 'priority', 'medium'),
        (v_limit ->> v_crossed)::numeric, v_reading.value::numeric, v_reading.measured_at
      );
      alarms := alarms + 1;
    end if;
  end loop;
end
$$;

comment on function device.ingest_telemetry(uuid, jsonb) is 'about=Stores readings [{measured_at, metric_code, value, unit, quality, seq, patient_id}] of one device. The patient is the one whose assignment covers the reading; a shared device names them. Returns how many are new, how many were there already, the refused ones [{index, reason: malformed, from_the_future or not_assigned_to_patient}] and how many crossed an alarm limit. Sent again, a batch changes nothing. IM005 no such device, IM881 not in service.';
