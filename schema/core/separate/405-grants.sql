grant execute on function
  core.require_entity(uuid, text, uuid, text), core.announce_entity(uuid, text, uuid, text, jsonb, text),
  core.apply_entity_event(text, text, uuid, bigint, jsonb)
to kernel_app;
