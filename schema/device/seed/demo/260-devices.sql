-- Demo: the devices of the house. Number 1 is the analyser of the laboratory, 2 and 6 are monitors of the ward, 3 the
-- fridge of the laboratory (its calibration is overdue), 4 a pump under repair, 5 a glucometer.

select core.assert_not_production();

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_device record;
  v_device_id uuid;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000013')::uuid, 'technician', 'HOPERAT', null);
    continue when exists (select from device.devices d where d.tenant_id = v_tenant);

    for v_device in
      select d.*
      from (
        values
          (1, 'LAB-AN-01', 'Example Instruments', 'Analyser 200', 'analyser', 7, 4, 'astm', 90, 60),
          (2, 'WRD-MO-01', 'Example Medical', 'Monitor 5', 'monitor', 8, 3, 'hl7', 200, 100),
          (3, 'LAB-FR-01', 'Example Cold', 'Fridge 150', 'fridge', 7, 4, 'mqtt', 9, 120),
          (4, 'WRD-IP-01', 'Example Medical', 'Pump 2', 'infusion_pump', 8, 3, 'manual', 150, 12),
          (5, 'OPD-GL-01', 'Example Medical', 'Glucometer 1', 'glucometer', 5, 1, 'manual', 170, null),
          (6, 'WRD-MO-02', 'Example Medical', 'Monitor 5', 'monitor', 8, 3, 'hl7', 200, 100)
      ) as d (n, tag, manufacturer, model, kind, location, department, protocol, calibration_in, service_in)
      order by d.n
    loop
      v_device_id := (v_id || '-0f01-7000-8000-' || lpad(v_device.n::text, 12, '0'))::uuid;
      insert into device.devices (
        tenant_id, id, asset_tag, serial_number, manufacturer, model, kind, location_id, department_id, protocol, firmware
      )
      values (
        v_tenant, v_device_id, v_device.tag, 'SN-' || v_device.tag, v_device.manufacturer, v_device.model, v_device.kind,
        (v_id || '-0003-7000-8000-' || lpad(v_device.location::text, 12, '0'))::uuid,
        (v_id || '-0002-7000-8000-' || lpad(v_device.department::text, 12, '0'))::uuid, v_device.protocol, '1.0'
      );
      perform device.record_maintenance(
        v_device_id, 'acceptance', 'pass', now() - interval '400 days', v_device.manufacturer,
        current_date + v_device.calibration_in, p_traceability => 'national standard'
      );
      if v_device.service_in is not null then
        perform device.record_maintenance(
          v_device_id, 'preventive', 'pass', now() - interval '120 days', v_device.manufacturer,
          current_date + v_device.service_in
        );
      end if;
    end loop;
    perform device.record_maintenance(
      (v_id || '-0f01-7000-8000-000000000001')::uuid, 'calibration', 'pass', now() - interval '20 days',
      'Example Instruments', current_date + 90
    );
    perform device.record_maintenance(
      (v_id || '-0f01-7000-8000-000000000004')::uuid, 'breakdown', 'fail', now() - interval '1 day', 'Example Medical',
      null, true, 'two infusions of that day were reviewed; no patient was harmed'
    );
  end loop;
end
$$;
