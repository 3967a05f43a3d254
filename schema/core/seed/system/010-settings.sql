-- The kernel's own shared settings; each module brings the defaults of its operations. A tenant overrides a setting with
-- a row of its own; what an administrator changed here stays changed.

insert into core.system_settings (tenant_id, key, value, value_type, description) values
  (null, 'core.fiscal_year_start_month', '4', 'int', 'Month in which the fiscal year starts; 4 is April.')
on conflict (tenant_id, key) do nothing;
