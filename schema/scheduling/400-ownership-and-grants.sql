-- The module belongs to appointment_owner. Its operations read a few columns of other services' tables; those are the
-- grants that a service of its own replaces by projections.

select core.hand_over('scheduling', 'appointment');

grant usage on schema facility, workforce, patient to appointment_owner, appointment_app, appointment_ro;
grant select (tenant_id, id, code, timezone, status) on facility.clinics to appointment_owner;
grant select (tenant_id, id, status, deleted_at) on patient.patients to appointment_owner;
grant select (tenant_id, id, user_id, status, deleted_at) on workforce.staff to appointment_owner;
grant select (tenant_id, id, staff_id, deleted_at) on workforce.doctors to appointment_owner;

-- the names that scheduling.upcoming_appointments and queue_board show
grant select (tenant_id, id, name, timezone) on facility.clinics to appointment_app, appointment_ro;
grant select (tenant_id, id, name) on facility.departments to appointment_app, appointment_ro;
grant select (tenant_id, id, name) on facility.locations to appointment_app, appointment_ro;
grant select (tenant_id, id, staff_id) on workforce.doctors to appointment_app, appointment_ro;
grant select (tenant_id, id, given_name, family_name) on workforce.staff to appointment_app, appointment_ro;
grant select (tenant_id, id, mrn, given_name, middle_name, family_name) on patient.patients to appointment_app, appointment_ro;
grant select on scheduling.upcoming_appointments, scheduling.queue_board to appointment_app, appointment_ro;

-- Operations. The helpers that lock, count and write (lock_*, add_*, change_slot_counts, ...) are nobody else's, and so is
-- scheduling.generate_appointment_number: a number that is taken and not used would be a gap.
grant execute on function
  scheduling.generate_slots(date, date, uuid, uuid),
  scheduling.close_past_slots(int),
  scheduling.confirm_appointment(uuid),
  scheduling.cancel_appointment(uuid, text),
  scheduling.reschedule_appointment(uuid, uuid, text),
  scheduling.check_in(uuid, text, int),
  scheduling.start_consultation(uuid, uuid),
  scheduling.complete_appointment(uuid),
  scheduling.mark_no_show(uuid),
  scheduling.mark_left(uuid),
  scheduling.issue_token(text, text, uuid, uuid, uuid, date, int, uuid, uuid, uuid, timestamptz),
  scheduling.transfer_token(uuid, text, int),
  scheduling.call_next(text, uuid, date),
  scheduling.recall_token(uuid),
  scheduling.skip_token(uuid),
  scheduling.return_to_waiting(uuid),
  scheduling.start_service(uuid),
  scheduling.finish_service(uuid),
  scheduling.leave_queue(uuid),
  scheduling.expire_tokens(int)
to appointment_app;
