-- Defaults of the stores.

insert into core.system_settings (tenant_id, key, value, value_type, description) values
  (null, 'inventory.expiry_warning_days', '90', 'int', 'Days before its expiry that stock counts as expiring.'),
  (null, 'inventory.min_shelf_life_days', '30', 'int', 'Days that received goods must be good for, unless the item says otherwise.')
on conflict (tenant_id, key) do nothing;
