-- Tokens: issue and transfer.

create function scheduling.add_token(p_token scheduling.queue_management) returns scheduling.queue_management
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_label text;
  v_token scheduling.queue_management;
begin
  if not exists (
    select
    from core.id_sequences s
    where
      s.tenant_id = p_token.tenant_id and s.scope = 'token' and s.series = p_token.queue_key and s.period_key = ''
  ) then
    perform core.configure_series('token', p_token.queue_key, '', 3, 'day');
  end if;
  -- the counter row stays locked until the transaction ends: that is what makes the numbers gapless
  v_label := core.next_number('token', p_token.queue_key, p_token.queue_date);

  insert into scheduling.queue_management as q (
    tenant_id, queue_key, queue_date, token_number, token_label, clinic_id, department_id, doctor_id, patient_id,
    appointment_id, source, abdm_request_id, token_expires_at, transferred_from_id, priority
  )
  values (
    p_token.tenant_id, p_token.queue_key, p_token.queue_date, pg_catalog.substring(v_label, '[0-9]+$')::int, v_label,
    p_token.clinic_id, p_token.department_id, p_token.doctor_id, p_token.patient_id, p_token.appointment_id,
    p_token.source, p_token.abdm_request_id, p_token.token_expires_at, p_token.transferred_from_id,
    coalesce(p_token.priority, 0)
  )
  returning q.* into v_token;
  return v_token;
end
$$;

comment on function scheduling.add_token(scheduling.queue_management) is 'about=Gives a token its number and writes it; a queue that is new gets its series of numbers.';

create function scheduling.issue_token(
  p_queue_key text,
  p_source text,
  p_clinic_id uuid default null,
  p_appointment_id uuid default null,
  p_patient_id uuid default null,
  p_queue_date date default null,
  p_priority int default 0,
  p_doctor_id uuid default null,
  p_department_id uuid default null,
  p_abdm_request_id uuid default null,
  p_expires_at timestamptz default null
) returns scheduling.queue_management
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_appointment scheduling.appointments;
  v_clinic_status text;
  v_today date;
  v_token scheduling.queue_management;
  v_new scheduling.queue_management;
begin
  if p_appointment_id is not null then
    v_appointment := scheduling.lock_appointment(p_appointment_id);
    select q.* into v_token
    from scheduling.queue_management q
    where
      q.tenant_id = v_tenant
      and q.appointment_id = p_appointment_id
      and q.status in ('waiting', 'called', 'in_service', 'skipped', 'done');
    if found then
      if v_token.queue_key = p_queue_key then
        return v_token;
      end if;
      raise exception 'appointment % has a token of queue "%" already', p_appointment_id, v_token.queue_key
        using errcode = 'IM151', hint = 'use scheduling.transfer_token to send the patient on';
    end if;
  end if;
  if p_abdm_request_id is not null then -- the gateway may deliver a scan twice, at the same time
    perform pg_catalog.pg_advisory_xact_lock(
      pg_catalog.hashtextextended('scheduling.scan_share ' || v_tenant || ' ' || p_abdm_request_id, 0)
    );
    select q.* into v_token
    from scheduling.queue_management q
    where q.tenant_id = v_tenant and q.abdm_request_id = p_abdm_request_id and q.transferred_from_id is null;
    if found then
      return v_token;
    end if;
  end if;

  v_new.clinic_id := coalesce(v_appointment.clinic_id, p_clinic_id);
  if v_new.clinic_id is null then
    raise exception 'no clinic given' using errcode = '22023', hint = 'pass p_clinic_id or p_appointment_id';
  end if;
  v_today := scheduling.clinic_today(v_new.clinic_id);
  select c.status into v_clinic_status
  from facility.clinics c
  where c.tenant_id = v_tenant and c.id = v_new.clinic_id;
  if v_clinic_status <> 'active' or p_queue_date < v_today then
    raise exception 'queue "%" is closed', p_queue_key
      using errcode = 'IM150', hint = 'tokens are issued for today or later, at active clinics';
  end if;
  if p_expires_at <= now() then
    raise exception 'the token would be expired at once'
      using errcode = 'IM152', hint = 'ask for a new token';
  end if;

  v_new.tenant_id := v_tenant;
  v_new.queue_key := p_queue_key;
  v_new.queue_date := coalesce(p_queue_date, v_today);
  v_new.department_id := coalesce(p_department_id, v_appointment.department_id);
  v_new.doctor_id := coalesce(p_doctor_id, v_appointment.doctor_id);
  v_new.patient_id := coalesce(v_appointment.patient_id, p_patient_id);
  v_new.appointment_id := p_appointment_id;
  v_new.source := p_source;
  v_new.abdm_request_id := p_abdm_request_id;
  v_new.token_expires_at := coalesce(
    p_expires_at,
    case when p_source = 'abdm_scan_share' then
      now() + pg_catalog.make_interval(
        mins => coalesce((core.setting('queue.scan_share_minutes') #>> '{}')::int, 30)
      )
    end
  );
  v_new.priority := p_priority;
  return scheduling.add_token(v_new);
end
$$;

comment on function scheduling.issue_token(text, text, uuid, uuid, uuid, date, int, uuid, uuid, uuid, timestamptz) is 'about=Issues the next token of a queue and day (today at the clinic unless given). An appointment, and an ABDM scan-and-share request, gets one token: asked again, the same is returned. Scan-and-share tokens expire after setting queue.scan_share_minutes (default 30). IM005 no such appointment or clinic, IM150 queue closed, IM151 the appointment has a token of another queue, IM152 expired.';

create function scheduling.transfer_token(p_token_id uuid, p_queue_key text, p_priority int default null)
  returns scheduling.queue_management
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_old scheduling.queue_management := scheduling.lock_token(p_token_id);
  v_new scheduling.queue_management;
begin
  if v_old.status = 'transferred' then
    select q.* into v_new
    from scheduling.queue_management q
    where q.tenant_id = v_tenant and q.transferred_from_id = v_old.id and q.queue_key = p_queue_key;
    if found then
      return v_new;
    end if;
  end if;
  if p_queue_key = v_old.queue_key then
    raise exception 'token % is in queue "%" already', p_token_id, p_queue_key
      using errcode = 'IM151', hint = 'choose another queue, or use scheduling.return_to_waiting';
  end if;
  -- the state machine transfers waiting tokens: who was called or is being served waits again first
  if v_old.status in ('called', 'skipped', 'in_service') then
    update scheduling.queue_management q
    set status = 'waiting'
    where q.tenant_id = v_tenant and q.id = v_old.id;
  end if;
  update scheduling.queue_management q
  set status = 'transferred', finished_at = case when q.started_at is not null then greatest(now(), q.started_at) end
  where q.tenant_id = v_tenant and q.id = v_old.id;

  v_new := v_old;
  v_new.queue_key := p_queue_key;
  v_new.transferred_from_id := v_old.id;
  v_new.doctor_id := null; -- whoever serves the other queue
  v_new.department_id := null;
  v_new.token_expires_at := case when v_old.source = 'abdm_scan_share' then v_old.token_expires_at end;
  v_new.priority := coalesce(p_priority, v_old.priority);
  return scheduling.add_token(v_new);
end
$$;

comment on function scheduling.transfer_token(uuid, text, int) is 'about=Sends a waiting, called, skipped or served patient to another queue of the same day, where they get a new token; the old one is transferred. IM001 the token is finished, IM005 no such token, IM151 it is in that queue already, IM152 expired.';
