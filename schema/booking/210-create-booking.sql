-- Book a slot in one step. Plans are generic from the first call: look-ups by key gain nothing from custom plans, which
-- a new connection would make five times for every statement (with 200 connections a third of the time).

create function booking.create_booking(
  p_idempotency_key text,
  p_patient_id uuid,
  p_slot_id uuid,
  p_type text default 'new',
  p_channel text default 'counter',
  p_payload jsonb default '{}'
) returns booking.booking_answer
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
begin
  return booking.decide_request(p_idempotency_key, p_patient_id, p_slot_id, p_type, p_channel, p_payload, null);
end
$$;

comment on function booking.create_booking(text, uuid, uuid, text, text, jsonb) is 'about=Books a place of a slot for a patient; p_payload may carry priority, fee_status and reason_enc (base64). One row: status confirmed with the appointment, or rejected with failure_code IM100 slot cancelled, IM101 full, IM102 past, IM103 the patient has another appointment then, IM105 doctor away, IM106 patient merged or blocked. Outcomes are stored: the same key returns the same answer. Raises IM005 no such patient, IM011 key used with other content, IM100 no such slot; 55P03 after 3 s behind other requests, then ask again.';
