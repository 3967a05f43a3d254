-- Feature flags, all off until somebody turns them on.

insert into core.feature_flags (tenant_id, key, enabled) values
  (null, 'booking.portal', true),
  (null, 'booking.whatsapp', false),
  (null, 'queue.scan_and_share', false),
  (null, 'scheduling.telemedicine', true),
  (null, 'communication.sms', true),
  (null, 'communication.whatsapp', false),
  (null, 'webhook.outgoing', true)
on conflict (tenant_id, key) do nothing;
