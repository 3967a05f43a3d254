-- Critical values are told to someone who can act, and read back.

create function laboratory.notify_critical(
  p_result_id uuid,
  p_notified_to text,
  p_channel text,
  p_read_back boolean,
  p_notified_staff_id uuid default null,
  p_notified_at timestamptz default null,
  p_outcome text default null,
  p_escalation_level smallint default 0,
  p_imaging_result_id uuid default null
) returns laboratory.critical_notifications
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_subject record;
  v_row laboratory.critical_notifications;
begin
  if p_result_id is not null then
    select r.patient_id, r.created_at as detected_at, r.is_critical into v_subject
    from laboratory.lab_results r
    where r.tenant_id = v_tenant and r.id = p_result_id;
  else
    select r.patient_id, r.created_at as detected_at, r.is_critical into v_subject
    from clinical.imaging_results r
    where r.tenant_id = v_tenant and r.id = p_imaging_result_id;
  end if;
  if v_subject.is_critical is not true then
    raise exception 'there is no critical result %', coalesce(p_result_id, p_imaging_result_id)
      using errcode = 'IM005', hint = 'give a result that is critical';
  end if;
  -- one after the other, so that the same notification sent twice is found
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(
    'laboratory.critical_notifications' || coalesce(p_result_id, p_imaging_result_id), 0
  ));
  select n.* into v_row
  from laboratory.critical_notifications n
  where
    n.tenant_id = v_tenant
    and (n.result_id = p_result_id or n.imaging_result_id = p_imaging_result_id)
    and n.notified_to = p_notified_to and n.channel = p_channel and n.read_back = p_read_back
    and n.escalation_level = p_escalation_level
    and (p_notified_at is null or n.notified_at = p_notified_at)
  limit 1;
  if found then
    return v_row;
  end if;
  insert into laboratory.critical_notifications (
    tenant_id, result_id, imaging_result_id, patient_id, notified_to, notified_staff_id, notified_by, channel,
    detected_at, notified_at, read_back, escalation_level, outcome
  )
  values (
    v_tenant, p_result_id, p_imaging_result_id, v_subject.patient_id, p_notified_to, p_notified_staff_id,
    workforce.acting_staff_id(), p_channel, v_subject.detected_at, coalesce(p_notified_at, now()), p_read_back,
    p_escalation_level, p_outcome
  )
  returning * into v_row;
  return v_row;
end
$$;

comment on function laboratory.notify_critical(uuid, text, text, boolean, uuid, timestamptz, text, smallint, uuid) is 'about=Records that a critical laboratory result (or imaging finding) was told to someone, and whether it was read back; attempts in vain are recorded too, and the next try has a higher p_escalation_level. The same again is the same row. IM005 no such critical result, IM006.';
