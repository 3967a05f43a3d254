-- Defaults of the queue.

insert into core.system_settings (tenant_id, key, value, value_type, description) values
  (null, 'queue.scan_share_minutes', '30', 'int', 'Minutes that a scan-and-share token lives.')
on conflict (tenant_id, key) do nothing;
