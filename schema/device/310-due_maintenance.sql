-- Calibration and preventive maintenance that is due within 30 days, or overdue (NABH FMS, ISO 15189 6.4 and 6.5).

create view device.due_maintenance
  with (security_invoker = true)
as
select
  d.tenant_id,
  d.id as device_id,
  d.asset_tag,
  d.kind as device_kind,
  d.department_id,
  d.location_id,
  d.status,
  due.kind,
  due.due_on,
  due.due_on < (select core.tenant_today()) as is_overdue
from device.devices d
cross join lateral (values ('calibration', d.calibration_due_on), ('preventive', d.pm_due_on)) as due (kind, due_on)
where
  d.deleted_at is null
  and d.status in ('active', 'maintenance', 'offline')
  and due.due_on <= (select core.tenant_today()) + 30;

comment on view device.due_maintenance is 'class=operational;scope=tenant;owner=device;about=Devices in use whose calibration or preventive maintenance is due within 30 days or overdue.';
