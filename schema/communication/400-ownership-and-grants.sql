select core.hand_over('communication', 'notification');

grant usage on type communication.timerange to notification_app, notification_ro;

grant execute on function
  communication.set_contact_preference(text, uuid, text, text, boolean, uuid, communication.timemultirange, text),
  communication.queue_notification(
    text, text, text, uuid, text, bytea, text, text, timestamptz, timestamptz, text, uuid, text, uuid
  ),
  communication.cancel_notification(uuid),
  communication.claim_notifications(int, interval),
  communication.finish_notification(uuid, text),
  communication.record_delivery(text, text, text, timestamptz, text, text)
to notification_app;

select core.ensure_partitions('communication.sms_messages', 'month', 1);
select core.ensure_partitions('communication.whatsapp_messages', 'month', 1);
select core.ensure_partitions('communication.email_messages', 'month', 1);
