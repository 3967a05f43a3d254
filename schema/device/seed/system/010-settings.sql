-- Defaults of devices.

insert into core.system_settings (tenant_id, key, value, value_type, description) values
  (null, 'device.escalate_after_minutes', '5', 'int', 'Minutes after which an alarm that nobody took on is passed on, again and again.')
on conflict (tenant_id, key) do nothing;
