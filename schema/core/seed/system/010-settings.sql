-- The kernel's own shared settings; each module brings the defaults of its operations. A tenant overrides a setting with
-- a row of its own; what an administrator changed here stays changed.

insert into core.system_settings (tenant_id, key, value, value_type, description) values
  (null, 'core.fiscal_year_start_month', '4', 'int', 'Month in which the fiscal year starts; 4 is April.'),
  -- what users see where core.require_treatment_relationship was called
  (null, 'access.days_after_care', '30', 'int', 'Days that somebody still sees a patient after treating them.'),
  (
    null, 'access.roles_of_all_patients',
    '["super_admin", "admin", "lab_tech", "pharmacist", "receptionist", "billing", "auditor", "system"]', 'json',
    'Roles that work for all patients and are not limited to those they treat.'
  )
on conflict (tenant_id, key) do nothing;
