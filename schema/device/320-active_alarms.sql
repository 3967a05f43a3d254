-- Live alarms, the most urgent and oldest first.

create view device.active_alarms
  with (security_invoker = true)
as
select
  a.tenant_id,
  a.id as alarm_id,
  a.device_id,
  d.asset_tag,
  d.kind as device_kind,
  d.location_id,
  a.patient_id,
  a.metric_code,
  a.limit_kind,
  a.limit_value,
  a.observed_value,
  a.priority,
  a.raised_at,
  a.status,
  a.acknowledged_by,
  a.escalation_level
from device.alarms a
join device.devices d on d.tenant_id = a.tenant_id and d.id = a.device_id
where a.status in ('active', 'acknowledged')
order by array_position(array['crisis', 'high', 'medium', 'low'], a.priority), a.raised_at;

comment on view device.active_alarms is 'class=phi;scope=tenant;owner=device;about=Alarms that are not resolved, with the device and where it is.';
