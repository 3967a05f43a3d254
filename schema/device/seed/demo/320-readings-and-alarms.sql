-- Demo: monitors on two patients, a glucometer that is shared, the fridge of the laboratory; readings of the last hours
-- and the alarms that they raised.
-- imhotep:after clinical/250-encounters

select core.assert_not_production();

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_device text;
  v_nurse uuid;
  v_patient uuid;
  v_assignment uuid;
  v_alarm uuid;
  v_readings jsonb;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000008')::uuid, 'nurse', 'TREAT', null);
    continue when exists (select from device.device_assignments a where a.tenant_id = v_tenant);
    v_device := v_id || '-0f01-7000-8000-00000000000';
    v_nurse := (v_id || '-0006-7000-8000-000000000008')::uuid;

    -- the patient of the story was on the monitor after the operation
    select e.patient_id into v_patient
    from clinical.encounters e
    where e.tenant_id = v_tenant and e.id = (v_id || '-0017-7000-8000-000000000012')::uuid;
    select a.id into v_assignment
    from device.assign(
      (v_device || 2)::uuid, v_nurse, v_patient, (v_id || '-0017-7000-8000-000000000012')::uuid,
      p_alarm_limits => '{"spo2": {"low": 92, "priority": "high"}, "heart_rate": {"low": 50, "high": 120}}',
      p_from => now() - interval '2 days'
    ) a;
    select jsonb_agg(jsonb_build_object(
      'measured_at', now() - interval '2 days' + n * interval '15 minutes', 'metric_code', m.code,
      'value', m.base + (n % 5), 'unit', m.unit
    ))
    into v_readings
    from generate_series(1, 12) n, (values ('heart_rate', 82, '/min'), ('spo2', 95, '%')) as m (code, base, unit);
    perform device.ingest_telemetry((v_device || 2)::uuid, v_readings);
    perform device.ingest_telemetry((v_device || 2)::uuid, jsonb_build_array(
      jsonb_build_object(
        'measured_at', now() - interval '44 hours', 'metric_code', 'spo2', 'value', 88, 'unit', '%'
      ),
      jsonb_build_object(
        'measured_at', now() - interval '43 hours', 'metric_code', 'spo2', 'value', 40, 'unit', '%', 'quality', 'artefact'
      )
    ));
    select a.id into v_alarm
    from device.alarms a
    where a.tenant_id = v_tenant and a.device_id = (v_device || 2)::uuid and a.metric_code = 'spo2';
    perform device.acknowledge_alarm(v_alarm, 'oxygen by mask');
    perform device.resolve_alarm(v_alarm);
    perform device.unassign(v_assignment, now() - interval '1 day');

    -- a patient in the ward now
    select e.patient_id into v_patient
    from clinical.encounters e
    where e.tenant_id = v_tenant and e.id = (v_id || '-0017-7000-8000-000000000015')::uuid;
    perform device.assign(
      (v_device || 6)::uuid, v_nurse, v_patient, (v_id || '-0017-7000-8000-000000000015')::uuid,
      p_alarm_limits => '{"heart_rate": {"low": 50, "high": 110, "priority": "high"}}',
      p_from => now() - interval '6 hours'
    );
    perform device.assign((v_device || 5)::uuid, v_nurse, v_patient, p_is_exclusive => false, p_from => now() - interval '6 hours');
    select jsonb_agg(jsonb_build_object(
      'measured_at', now() - n * interval '10 minutes', 'metric_code', 'heart_rate', 'value', 96 + (n * 7) % 20, 'unit', '/min'
    ))
    into v_readings
    from generate_series(1, 18) n;
    perform device.ingest_telemetry((v_device || 6)::uuid, v_readings);
    perform device.ingest_telemetry((v_device || 5)::uuid, jsonb_build_array(jsonb_build_object(
      'measured_at', now() - interval '3 hours', 'metric_code', 'glucose', 'value', 7.4, 'unit', 'mmol/L', 'patient_id',
      v_patient
    )));

    -- the fridge warmed up while its door was open; a lead came off
    perform device.assign(
      (v_device || 3)::uuid, (v_id || '-0006-7000-8000-000000000013')::uuid,
      p_alarm_limits => '{"temperature": {"low": 2, "high": 8, "priority": "high"}}', p_from => now() - interval '30 days'
    );
    select jsonb_agg(jsonb_build_object(
      'measured_at', now() - n * interval '20 minutes', 'metric_code', 'temperature',
      'value', case n when 3 then 8.9 else 4.2 + (n % 4) * 0.3 end, 'unit', 'Cel'
    ))
    into v_readings
    from generate_series(1, 12) n;
    perform device.ingest_telemetry((v_device || 3)::uuid, v_readings);
    perform device.acknowledge_alarm(a.id, 'door was open')
    from device.alarms a
    where a.tenant_id = v_tenant and a.limit_kind = 'cold_chain';
    perform device.raise_alarm(
      (v_device || 6)::uuid, 'ecg_lead', 'technical', 'low', p_raised_at => now() - interval '20 minutes'
    );
    perform device.escalate_alarms();
  end loop;
end
$$;
