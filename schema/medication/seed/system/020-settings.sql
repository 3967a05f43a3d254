-- Defaults of prescribing; a tenant overrides them with rows of its own.

insert into core.system_settings (tenant_id, key, value, value_type, description) values
  (
    null, 'medication.frequencies', '{}', 'json',
    'Frequency codes beside the usual ones, or other hours for them: {"BD": {"times": ["08:00", "20:00"]}}.'
  ),
  (null, 'medication.prescription_valid_days', '30', 'int', 'Days that a prescription for home may be dispensed.')
on conflict (tenant_id, key) do nothing;
