-- Shared settings with the defaults that every tenant starts from. A tenant overrides one with a row of its own; what
-- an administrator changed here stays changed.

insert into core.system_settings (tenant_id, key, value, value_type, description) values
  (null, 'core.fiscal_year_start_month', '4', 'int', 'Month in which the fiscal year starts; 4 is April.'),
  (null, 'auth.max_failed_attempts', '5', 'int', 'Failed sign-ins in a row that lock an account.'),
  (null, 'auth.lock_minutes', '15', 'int', 'Minutes that a locked account stays locked.'),
  (null, 'auth.session_idle_minutes', '30', 'int', 'Minutes without a request that end a session; at most 30.'),
  (null, 'patient.duplicate_threshold', '80', 'int', 'Likeness, in per cent, from which a registration is taken for a duplicate.'),
  (null, 'booking.hold_minutes', '10', 'int', 'Minutes that a held slot stays held; at most 15.'),
  (null, 'booking.cancel_notice_minutes', '0', 'int', 'Minutes before its start until which an appointment may be moved.'),
  (null, 'queue.token_minutes', '30', 'int', 'Minutes that a scan-and-share token lives.'),
  (null, 'webhook.max_attempts', '12', 'int', 'Attempts before a webhook event is parked as dead.'),
  (null, 'communication.quiet_hours', '{"from": "21:00", "to": "08:00"}', 'json', 'Hours without messages that can wait.')
on conflict (tenant_id, key) do nothing;
