-- The module belongs to appointment_owner, as scheduling does. Applications read requests and call operations; nobody
-- but the operations writes.

select core.hand_over('booking', 'appointment');

grant usage on schema patient to appointment_owner;
grant select (tenant_id, id, status, deleted_at) on patient.patients to appointment_owner;

grant execute on function
  booking.create_booking(text, uuid, uuid, text, text, jsonb),
  booking.hold_slot(text, uuid, uuid, text, text, jsonb, interval),
  booking.confirm_hold(uuid),
  booking.release_hold(uuid),
  booking.expire_holds(int)
to appointment_app;
