-- Rules that look at other rows. The operations ask first and say more; these are the last guard, whatever the road.

create function tasking.has_verification(p_tenant_id uuid, p_task_id uuid) returns boolean
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select
    from tasking.emr_verifications v
    where v.tenant_id = p_tenant_id and v.task_id = p_task_id and v.status = 'verified'
  )
$$;

comment on function tasking.has_verification(uuid, uuid) is 'about=Whether a verification found the task in the EMR.';

create function tasking.check_task_verified() returns trigger
  language plpgsql
  security definer -- fires at commit, as whoever is signed in then
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not tasking.has_verification(new.tenant_id, new.id) then
    raise exception 'task % is done but was not verified in the EMR', new.id
      using errcode = 'IM754', hint = 'open a verification; the task is done when it is verified';
  end if;
  return null;
end
$$;

comment on function tasking.check_task_verified() is 'about=At commit: a task that requires verification is completed or verified only with a verified row of emr_verifications (IM754).';

create function tasking.check_verification_patient() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (
    select
    from tasking.tasks t
    where t.tenant_id = new.tenant_id and t.id = new.task_id and t.patient_id = new.patient_id
  ) then
    raise exception 'verification % is not for the patient of task %', new.id, new.task_id
      using errcode = 'IM006', hint = 'only tasks for a patient are verified, in that patient''s record';
  end if;
  return new;
end
$$;

comment on function tasking.check_verification_patient() is 'about=Before insert or change: a verification looks into the record of the task''s own patient (IM006).';

create function tasking.check_shift_takes_tasks() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_status text;
begin
  -- the lock keeps the shift from closing until this task is committed
  select s.status into v_status
  from workforce.shifts s
  where s.tenant_id = new.tenant_id and s.id = new.shift_id
  for share;
  if v_status in ('closed', 'cancelled') then
    raise exception 'shift % is %', new.shift_id, v_status
      using errcode = 'IM752', hint = 'give the task to a shift that is planned or open';
  end if;
  return new;
end
$$;

comment on function tasking.check_shift_takes_tasks() is 'about=Before insert or change of shift_id: a task is given to a shift that is neither closed nor cancelled (IM752).';

create function tasking.leave_closed_shift() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_status text;
begin
  -- the lock keeps the shift from closing until this task is committed
  select s.status into v_status
  from workforce.shifts s
  where s.tenant_id = new.tenant_id and s.id = new.shift_id
  for share;
  if v_status in ('closed', 'cancelled') then
    new.shift_id := null;
  end if;
  return new;
end
$$;

comment on function tasking.leave_closed_shift() is 'about=Before a task is reopened: nobody of a shift that is closed or cancelled does it any more, so it has no shift.';

create function tasking.check_shift_is_handed_over() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tasks int;
begin
  select count(*) into v_tasks
  from tasking.tasks t
  where
    t.tenant_id = new.tenant_id and t.shift_id = new.id and t.deleted_at is null
    and t.status in ('pending', 'in_progress', 'on_hold', 'overdue', 'reopened');
  if v_tasks > 0 then
    raise exception 'shift % still has % open tasks', new.id, v_tasks
      using errcode = 'IM752', hint = 'hand them over, finish or cancel them first';
  end if;
  if exists (
    select
    from tasking.handovers h
    where h.tenant_id = new.tenant_id and h.from_shift_id = new.id and h.status in ('draft', 'submitted')
  ) then
    raise exception 'a handover of shift % is not accepted yet', new.id
      using errcode = 'IM752', hint = 'wait for the receiver, or cancel the handover';
  end if;
  return new;
end
$$;

comment on function tasking.check_shift_is_handed_over() is 'about=Before a shift closes or is cancelled: it has no open task and no handover that waits (IM752).';

create function tasking.check_read_backs() returns trigger
  language plpgsql
  security definer -- fires at commit, as whoever is signed in then
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_patient uuid;
begin
  select p.patient_id into v_patient
  from tasking.handover_patients p
  where p.tenant_id = new.tenant_id and p.handover_id = new.id and p.read_back_at is null
  order by p.order_no
  limit 1;
  if found then
    raise exception 'patient % of handover % was not read back', v_patient, new.id
      using errcode = 'IM751', hint = 'read every patient back, then accept';
  end if;
  return null;
end
$$;

comment on function tasking.check_read_backs() is 'about=At commit: a handover is accepted only when every patient on it was read back (IM751).';

create function tasking.check_handover_is_open() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_status tasking.handover_status;
begin
  select h.status into v_status
  from tasking.handovers h
  where h.tenant_id = new.tenant_id and h.id = new.handover_id
  for share;
  if v_status not in ('draft', 'submitted') or (tg_op = 'INSERT' and v_status <> 'draft') then
    raise exception 'handover % is %', new.handover_id, v_status
      using errcode = 'IM001', hint = 'patients are added to a draft, and change until the handover is accepted';
  end if;
  -- the receiver heard something else
  if
    tg_op = 'UPDATE'
    and (
      new.illness_severity, new.patient_summary_enc, new.action_list, new.situation_awareness_enc, new.contingency_plan
    ) is distinct from (
      old.illness_severity, old.patient_summary_enc, old.action_list, old.situation_awareness_enc, old.contingency_plan
    )
  then
    new.read_back_at := null;
    new.read_back_by := null;
    new.synthesis_by_receiver_enc := null;
  end if;
  return new;
end
$$;

comment on function tasking.check_handover_is_open() is 'about=Before insert or update: patients are added to a draft handover and change until it is accepted (IM001); what changes is to be read back again.';
