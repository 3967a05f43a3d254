-- The patient reports at the desk.

create function scheduling.check_in(p_appointment_id uuid, p_queue_key text default null, p_priority int default 0)
  returns table (
    appointment_id uuid,
    status scheduling.appointment_status,
    checked_in_at timestamptz,
    token_id uuid,
    token_number int,
    token_label text
  )
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_appointment scheduling.appointments := scheduling.lock_appointment(p_appointment_id);
  v_token scheduling.queue_management;
begin
  if v_appointment.status <> 'checked_in' then
    update scheduling.appointments a
    set status = 'checked_in', checked_in_at = now()
    where a.tenant_id = v_appointment.tenant_id and a.id = v_appointment.id
    returning a.* into v_appointment;
  end if;
  if p_queue_key is not null then
    v_token := scheduling.issue_token(
      p_queue_key, 'appointment', p_appointment_id => p_appointment_id, p_priority => p_priority
    );
  end if;
  return query
  select
    v_appointment.id, v_appointment.status, v_appointment.checked_in_at,
    v_token.id, v_token.token_number, v_token.token_label;
end
$$;

comment on function scheduling.check_in(uuid, text, int) is 'about=Booked or confirmed to checked in and, when a queue is named, the token of the appointment. Asked again: the same answer. IM001 not booked or confirmed, IM005 no such appointment, IM150 queue closed, IM151 it has a token of another queue.';
