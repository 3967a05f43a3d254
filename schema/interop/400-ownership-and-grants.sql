-- The module belongs to interop_owner. Applications describe endpoints, rules and connections; messages and every state
-- are written by operations.

select core.hand_over('interop', 'interop');

select core.ensure_partitions('interop.hl7_messages', 'month', 1);

grant execute on function
  interop.activate_endpoint(uuid),
  interop.pause_endpoint(uuid, text),
  interop.retire_endpoint(uuid, text),
  interop.record_message(uuid, text, text, text, bytea, bytea, timestamptz, text, text),
  interop.queue_message(uuid, text, text, text, bytea, bytea, uuid, text, uuid, timestamptz, text, text),
  interop.claim_messages(text, int, interval),
  interop.parse_message(uuid, bytea, uuid),
  interop.apply_message(uuid, text, uuid, uuid),
  interop.ignore_message(uuid, text),
  interop.fail_message(uuid, text, jsonb, boolean),
  interop.reject_message(uuid, text, jsonb),
  interop.replay_message(uuid),
  interop.mark_sent(uuid),
  interop.record_ack(uuid, text, text),
  interop.map_message(jsonb, jsonb, jsonb),
  interop.find_mapping(uuid, text, text),
  interop.test_mapping(uuid),
  interop.activate_mapping(uuid),
  interop.retire_mapping(uuid),
  interop.begin_emr_call(uuid),
  interop.finish_emr_call(uuid, boolean, text, bytea),
  interop.save_poll_cursor(uuid, text, text),
  interop.disable_connection(uuid, text),
  interop.enable_connection(uuid)
to interop_app;
