-- Readings summed up by minute and by hour; artefacts and simulations are left out. Ask for a device and a time, as every
-- view over partitions: select .. from device.telemetry_1m where device_id = $1 and bucket >= $2.

create view device.telemetry_1m
  with (security_invoker = true)
as
select
  t.tenant_id,
  t.device_id,
  t.metric_code,
  t.patient_id,
  t.unit,
  date_trunc('minute', t.measured_at) as bucket,
  count(*) as readings,
  min(t.value) as lowest,
  avg(t.value) as average,
  max(t.value) as highest
from device.telemetry t
where t.quality in ('good', 'suspect')
group by t.tenant_id, t.device_id, t.metric_code, t.patient_id, t.unit, date_trunc('minute', t.measured_at);

comment on view device.telemetry_1m is 'class=phi;scope=tenant;owner=device;about=Readings of a device and metric by minute.';

create view device.telemetry_1h
  with (security_invoker = true)
as
select
  t.tenant_id,
  t.device_id,
  t.metric_code,
  t.patient_id,
  t.unit,
  date_trunc('hour', t.measured_at) as bucket,
  count(*) as readings,
  min(t.value) as lowest,
  avg(t.value) as average,
  max(t.value) as highest
from device.telemetry t
where t.quality in ('good', 'suspect')
group by t.tenant_id, t.device_id, t.metric_code, t.patient_id, t.unit, date_trunc('hour', t.measured_at);

comment on view device.telemetry_1h is 'class=phi;scope=tenant;owner=device;about=Readings of a device and metric by hour.';
