-- Defaults of sign-in and sessions; a tenant overrides them with rows of its own.

insert into core.system_settings (tenant_id, key, value, value_type, description) values
  (null, 'auth.max_failed_attempts', '5', 'int', 'Failed sign-ins after which an account is locked.'),
  (null, 'auth.lockout_minutes', '15', 'int', 'Minutes that a lock after failed sign-ins lasts.'),
  (null, 'auth.session_idle_minutes', '30', 'int', 'Minutes without use after which a session ends; at most 30.'),
  (null, 'auth.session_max_hours', '24', 'int', 'Hours after sign-in after which a session ends; at most 24.')
on conflict (tenant_id, key) do nothing;
