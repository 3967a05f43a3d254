-- Devices in and out of service. A device is locked before its assignments.

create function device.lock_device(p_device_id uuid) returns device.devices
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_device device.devices;
begin
  select d.* into v_device
  from device.devices d
  where d.tenant_id = v_tenant and d.id = p_device_id and d.deleted_at is null
  for no key update;
  if not found then
    raise exception 'device % does not exist', p_device_id
      using errcode = 'IM005', hint = 'choose a device of the tenant that is not deleted';
  end if;
  return v_device;
end
$$;

comment on function device.lock_device(uuid) is 'about=The device, locked until the transaction ends. IM005 no such device.';

create function device.move_device(p_device device.devices, p_status text) returns device.devices
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_device device.devices := p_device;
begin
  if p_device.status = p_status then
    return p_device;
  end if;
  if p_status = 'retired' and exists (
    select
    from device.device_assignments a
    where a.tenant_id = p_device.tenant_id and a.device_id = p_device.id and a.status = 'active'
  ) then
    raise exception 'device % is in use', p_device.id
      using errcode = 'IM880', hint = 'end its assignments first';
  end if;
  update device.devices d
  set status = p_status
  where d.tenant_id = p_device.tenant_id and d.id = p_device.id
  returning d.* into v_device;
  return v_device;
end
$$;

comment on function device.move_device(device.devices, text) is 'about=Moves a device that the caller has locked. IM001 no such move, IM002 retired without a reason, IM880 still assigned.';

create function device.change_status(p_device_id uuid, p_status text, p_reason text default null)
  returns device.devices
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_device device.devices := device.lock_device(p_device_id);
begin
  if v_device.status = 'commissioning' and p_status = 'active' then
    raise exception 'device % has not passed its acceptance', p_device_id
      using errcode = 'IM001', hint = 'record it with device.record_maintenance, kind acceptance';
  end if;
  if p_reason is not null then
    perform core.set_reason(p_reason);
  end if;
  return device.move_device(v_device, p_status);
end
$$;

comment on function device.change_status(uuid, text, text) is 'about=Takes a device out of service (maintenance, offline, retired) or back into it (active). IM001 no such move, or not accepted yet, IM002 retired without a reason, IM005 no such device, IM880 retired while assigned.';

create function device.record_maintenance(
  p_device_id uuid,
  p_kind text,
  p_result text,
  p_performed_at timestamptz,
  p_performed_by text,
  p_next_due_on date default null,
  p_out_of_tolerance boolean default false,
  p_impact_review text default null,
  p_traceability text default null,
  p_certificate_document_id uuid default null
) returns device.device_maintenance
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_device device.devices := device.lock_device(p_device_id);
  v_row device.device_maintenance;
  v_status text;
begin
  select m.* into v_row
  from device.device_maintenance m
  where
    m.tenant_id = v_tenant and m.device_id = p_device_id and m.kind = p_kind and m.performed_at = p_performed_at;
  if found then
    return v_row;
  end if;
  if p_performed_at > now() + interval '5 minutes' then
    raise exception 'maintenance of device % lies in the future', p_device_id
      using errcode = '22023', hint = 'record it when it is done';
  end if;
  insert into device.device_maintenance (
    tenant_id, device_id, kind, performed_at, performed_by, certificate_document_id, result, traceability, next_due_on,
    out_of_tolerance, impact_review
  )
  values (
    v_tenant, p_device_id, p_kind, p_performed_at, p_performed_by, p_certificate_document_id, p_result,
    p_traceability, p_next_due_on, p_out_of_tolerance, p_impact_review
  )
  returning * into v_row;

  update device.devices d
  set
    calibration_due_on = case when p_kind in ('acceptance', 'calibration') then coalesce(p_next_due_on, d.calibration_due_on)
      else d.calibration_due_on end,
    pm_due_on = case when p_kind = 'preventive' then coalesce(p_next_due_on, d.pm_due_on) else d.pm_due_on end
  where d.tenant_id = v_tenant and d.id = p_device_id and p_next_due_on is not null
    and p_kind in ('acceptance', 'calibration', 'preventive');
  v_status := case
    when p_kind = 'decommission' then 'retired'
    when v_device.status = 'commissioning' and (p_kind <> 'acceptance' or p_result = 'fail') then null
    when p_kind = 'recall' or p_result = 'fail' then 'maintenance'
    else 'active'
  end;
  if v_status is not null then
    if p_kind = 'decommission' then
      perform core.set_reason('decommissioned');
    end if;
    perform device.move_device(device.lock_device(p_device_id), v_status);
  end if;
  return v_row;
end
$$;

comment on function device.record_maintenance(uuid, text, text, timestamptz, text, date, boolean, text, text, uuid) is 'about=Records acceptance, calibration, preventive maintenance, breakdown, recall or decommissioning, keeps the due dates, and moves the device: in use when passed or limited, in maintenance when failed or recalled, retired when decommissioned. The same record again is the same row. IM001 retired already, IM005 no such device, IM880 decommissioned while assigned.';
