-- The answer of every booking operation, read from the stored request.

create function booking.answer(p_request booking.booking_requests)
  returns table (
    request_id uuid,
    appointment_id uuid,
    appointment_number text,
    status text,
    failure_code text,
    hold_expires_at timestamptz
  )
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  request_id := p_request.id;
  appointment_id := p_request.appointment_id;
  status := p_request.status;
  failure_code := p_request.failure_code;
  hold_expires_at := p_request.hold_expires_at;
  if p_request.appointment_id is not null then
    select a.appointment_number into appointment_number
    from scheduling.appointments a
    where a.tenant_id = p_request.tenant_id and a.id = p_request.appointment_id;
  end if;
  return next;
end
$$;

comment on function booking.answer(booking.booking_requests) is 'about=A request as its caller sees it, with the number of its appointment.';
