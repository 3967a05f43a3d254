-- webhook.webhook_events and webhook_logs are written by the operations only.

select core.hand_over('webhook', 'interop');

grant execute on function
  webhook.enqueue_event(text, text, text, bytea, bytea, text, smallint, timestamptz, boolean, uuid),
  webhook.replay_event(uuid),
  webhook.release_expired_leases(int),
  webhook.claim_events(text, int, interval, text[], text[]),
  webhook.claim_next_event(text, interval, text[], text[]),
  webhook.extend_lease(uuid, uuid, interval),
  webhook.mark_event_result(uuid, uuid, text, int, text, int, text, interval, jsonb)
to interop_app;

grant select on webhook.endpoint_health to interop_app, interop_ro;

select core.ensure_partitions('webhook.webhook_logs', 'month', 1);
