-- What a caller of the booking operations sees.

create type booking.booking_answer as (
  request_id uuid,
  appointment_id uuid,
  appointment_number text,
  status text,
  failure_code text,
  hold_expires_at timestamptz
);

comment on type booking.booking_answer is 'about=A booking request as its caller sees it: where it stands, why it was refused, and the appointment that came of it.';
