-- The answer of every booking operation, read from the stored request.

create function booking.answer(p_request booking.booking_requests) returns booking.booking_answer
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_answer booking.booking_answer;
begin
  v_answer.request_id := p_request.id;
  v_answer.appointment_id := p_request.appointment_id;
  v_answer.status := p_request.status;
  v_answer.failure_code := p_request.failure_code;
  v_answer.hold_expires_at := p_request.hold_expires_at;
  if p_request.appointment_id is not null then
    select a.appointment_number into v_answer.appointment_number
    from scheduling.appointments a
    where a.tenant_id = p_request.tenant_id and a.id = p_request.appointment_id;
  end if;
  return v_answer;
end
$$;

comment on function booking.answer(booking.booking_requests) is 'about=A request as its caller sees it, with the number of its appointment.';
