-- The module belongs to device_owner. Its operations read nothing of other services.

select core.hand_over('device', 'device');

select core.ensure_partitions('device.telemetry', 'day', 2);

grant select on
  device.due_maintenance, device.active_alarms, device.telemetry_1m, device.telemetry_1h
to device_app, device_ro;

grant execute on function
  device.change_status(uuid, text, text),
  device.record_maintenance(uuid, text, text, timestamptz, text, date, boolean, text, text, uuid),
  device.assign(uuid, uuid, uuid, uuid, uuid, boolean, jsonb, timestamptz),
  device.unassign(uuid, timestamptz),
  device.set_alarm_limits(uuid, jsonb),
  device.raise_alarm(uuid, text, text, text, numeric, numeric, timestamptz),
  device.acknowledge_alarm(uuid, text),
  device.resolve_alarm(uuid, text),
  device.escalate_alarms(int),
  device.ingest_telemetry(uuid, jsonb)
to device_app;
