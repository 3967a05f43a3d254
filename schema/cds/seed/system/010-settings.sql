-- Defaults of decision support.

insert into core.system_settings (tenant_id, key, value, value_type, description) values
  (null, 'cds.show_from', '"info"', 'string', 'Least severity that is shown: info, warning or hard_stop. The rest is kept as suppressed.'),
  (null, 'cds.alert_hours', '72', 'int', 'Hours after which an open alert expires; hard stops never do.'),
  (null, 'cds.hard_stop_dose_factor', '2', 'json', 'Times the limit above which a dose is a hard stop instead of a warning.'),
  (null, 'cds.second_approver_roles', '["doctor", "pharmacist"]', 'json', 'Who may approve the override of a hard stop.'),
  (null, 'cds.egfr_codes', '["62238-1", "33914-3"]', 'json', 'LOINC codes of observations that hold an estimated glomerular filtration rate.')
on conflict (tenant_id, key) do nothing;
