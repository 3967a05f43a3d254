-- Defaults of the laboratory; a tenant overrides them with rows of its own.

insert into core.system_settings (tenant_id, key, value, value_type, description) values
  (
    null, 'laboratory.transport_limits', '{"ambient": [15, 30], "refrigerated": [2, 8], "frozen": [-90, -15]}', 'json',
    'Lowest and highest temperature on receipt, degrees Celsius, by transport_temp of the test.'
  ),
  (null, 'laboratory.retain_days', '7', 'int', 'Days that a stored sample is kept.'),
  (null, 'laboratory.delta_days', '30', 'int', 'Days that the delta check looks back.'),
  (null, 'laboratory.qc_required', 'true', 'bool', 'Whether results of analysers wait for accepted quality control.'),
  (null, 'laboratory.qc_valid_hours', '24', 'int', 'Hours that an accepted run of quality control lasts.'),
  (null, 'laboratory.qc_run_minutes', '60', 'int', 'Runs of several levels within so many minutes are one run.')
on conflict (tenant_id, key) do nothing;
