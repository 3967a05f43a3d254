-- The answer of every booking operation, read from the stored request.

create function booking.answer(p_request booking.booking_requests) returns booking.booking_answer
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_number text;
begin
  if p_request.appointment_id is not null then
    select a.appointment_number into v_number
    from scheduling.appointments a
    where a.tenant_id = p_request.tenant_id and a.id = p_request.appointment_id;
  end if;
  return row(
    p_request.id, p_request.appointment_id, v_number, p_request.status, p_request.failure_code, p_request.hold_expires_at
  )::booking.booking_answer;
end
$$;

comment on function booking.answer(booking.booking_requests) is 'about=A request as its caller sees it, with the number of its appointment.';
