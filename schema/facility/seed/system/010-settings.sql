-- Defaults of beds.

insert into core.system_settings (tenant_id, key, value, value_type, description) values
  (null, 'facility.bed_reservation_minutes', '120', 'int', 'Minutes that a bed is kept when nobody says until when.')
on conflict (tenant_id, key) do nothing;
