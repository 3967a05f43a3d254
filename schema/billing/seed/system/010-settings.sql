-- Defaults of billing.

insert into core.system_settings (tenant_id, key, value, value_type, description) values
  (null, 'billing.round_to', '1', 'int', 'Totals of bills are rounded to a multiple of this; 0 leaves them as they are.')
on conflict (tenant_id, key) do nothing;
