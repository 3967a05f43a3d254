-- The giver's part of a handover. Lock order of all handover operations: handover, both shifts by id, tasks by id.

create function tasking.lock_handover(p_handover_id uuid) returns tasking.handovers
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_handover tasking.handovers;
begin
  select h.* into v_handover
  from tasking.handovers h
  where h.tenant_id = v_tenant and h.id = p_handover_id
  for no key update;
  if not found then
    raise exception 'handover % does not exist', p_handover_id
      using errcode = 'IM005', hint = 'choose a handover of the tenant';
  end if;
  return v_handover;
end
$$;

comment on function tasking.lock_handover(uuid) is 'about=The handover, locked until the transaction ends. IM005 no such handover.';

create function tasking.lock_own_handover(p_handover_id uuid) returns tasking.handovers
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_handover tasking.handovers := tasking.lock_handover(p_handover_id);
begin
  if v_handover.from_user_id <> tasking.acting_user_id() then
    raise exception 'handover % is given by another user', p_handover_id
      using errcode = 'IM006', hint = 'the giver drafts, submits and cancels it';
  end if;
  return v_handover;
end
$$;

comment on function tasking.lock_own_handover(uuid) is 'about=A handover that the signed-in user gives, locked. IM005 no such handover, IM006 another user gives it.';

create function tasking.lock_shifts(p_handover tasking.handovers) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_shift record;
begin
  for v_shift in
    select s.id, s.status
    from workforce.shifts s
    where s.tenant_id = p_handover.tenant_id and s.id in (p_handover.from_shift_id, p_handover.to_shift_id)
    order by s.id
    for no key update
  loop
    if v_shift.status in ('closed', 'cancelled') then
      raise exception 'shift % is %', v_shift.id, v_shift.status
        using errcode = 'IM752', hint = 'hand over between shifts that are planned, open or handing over';
    end if;
  end loop;
end
$$;

comment on function tasking.lock_shifts(tasking.handovers) is 'about=Locks both shifts of a handover in the order of their ids. IM752 one is closed or cancelled.';

create function tasking.draft_handover(
  p_from_shift_id uuid,
  p_to_shift_id uuid,
  p_to_user_id uuid,
  p_due_at timestamptz default null,
  p_summary_enc bytea default null,
  p_id uuid default null
) returns tasking.handovers
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_user uuid := tasking.acting_user_id();
  v_department uuid;
  v_due timestamptz := p_due_at;
  v_handover tasking.handovers;
begin
  v_handover.tenant_id := v_tenant;
  v_handover.from_shift_id := p_from_shift_id;
  v_handover.to_shift_id := p_to_shift_id;
  perform tasking.lock_shifts(v_handover); -- two that draft the same handover meet here
  select f.department_id, coalesce(v_due, t.starts_at) into v_department, v_due
  from workforce.shifts f
  cross join workforce.shifts t
  where f.tenant_id = v_tenant and f.id = p_from_shift_id and t.tenant_id = v_tenant and t.id = p_to_shift_id;
  if not found then
    raise exception 'shift % or % does not exist', p_from_shift_id, p_to_shift_id
      using errcode = 'IM005', hint = 'choose two shifts of the tenant';
  end if;

  select h.* into v_handover
  from tasking.handovers h
  where
    h.tenant_id = v_tenant and h.from_shift_id = p_from_shift_id and h.to_shift_id = p_to_shift_id
    and h.from_user_id = v_user and h.to_user_id = p_to_user_id
    and (h.id = p_id or h.status in ('draft', 'submitted', 'accepted'))
  order by h.created_at desc
  limit 1;
  if found then
    return v_handover;
  end if;
  insert into tasking.handovers (
    tenant_id, id, handover_number, department_id, from_shift_id, to_shift_id, from_user_id, to_user_id, due_at, summary_enc
  )
  values (
    v_tenant, coalesce(p_id, core.uuid_v7()), core.next_default_number('handover', '', 'HO-{YY}-'), v_department,
    p_from_shift_id, p_to_shift_id, v_user, p_to_user_id, v_due, p_summary_enc
  )
  returning * into v_handover;
  return v_handover;
end
$$;

comment on function tasking.draft_handover(uuid, uuid, uuid, timestamptz, bytea, uuid) is 'about=The signed-in user begins to hand a shift over; due when the next one starts unless p_due_at says otherwise. Between two shifts and two users one handover is live: asked again, it is returned. IM003 no tenant, IM005 no such shift, IM006 nobody is signed in, IM752 a shift is closed.';

create function tasking.add_handover_patient(
  p_handover_id uuid,
  p_encounter_id uuid,
  p_illness_severity text,
  p_patient_summary_enc bytea,
  p_action_list jsonb default '[]',
  p_contingency_plan jsonb default '[]',
  p_situation_awareness_enc bytea default null,
  p_order_no int default 0
) returns tasking.handover_patients
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_handover tasking.handovers := tasking.lock_own_handover(p_handover_id);
  v_patient uuid;
  v_bed uuid;
  v_row tasking.handover_patients;
begin
  if v_handover.status <> 'draft' then
    raise exception 'handover % is %', p_handover_id, v_handover.status
      using errcode = 'IM001', hint = 'patients are added to a draft';
  end if;
  select e.patient_id into v_patient
  from clinical.encounters e
  where e.tenant_id = v_handover.tenant_id and e.id = p_encounter_id and e.deleted_at is null;
  if not found then
    raise exception 'encounter % does not exist', p_encounter_id
      using errcode = 'IM005', hint = 'choose an encounter of the tenant';
  end if;
  select b.bed_id into v_bed
  from facility.bed_allocations b
  where
    b.tenant_id = v_handover.tenant_id and b.encounter_id = p_encounter_id and b.kind = 'occupancy'
    and b.status = 'active';

  insert into tasking.handover_patients as p (
    tenant_id, handover_id, patient_id, encounter_id, bed_id, illness_severity, patient_summary_enc, action_list,
    contingency_plan, situation_awareness_enc, order_no
  )
  values (
    v_handover.tenant_id, v_handover.id, v_patient, p_encounter_id, v_bed, p_illness_severity, p_patient_summary_enc,
    p_action_list, p_contingency_plan, p_situation_awareness_enc, p_order_no
  )
  on conflict (tenant_id, handover_id, patient_id) do update
  set
    encounter_id = excluded.encounter_id, bed_id = excluded.bed_id, illness_severity = excluded.illness_severity,
    patient_summary_enc = excluded.patient_summary_enc, action_list = excluded.action_list,
    contingency_plan = excluded.contingency_plan, situation_awareness_enc = excluded.situation_awareness_enc,
    order_no = excluded.order_no
  returning p.* into v_row;
  return v_row;
end
$$;

comment on function tasking.add_handover_patient(uuid, uuid, text, bytea, jsonb, jsonb, bytea, int) is 'about=Puts the patient of an encounter on a draft handover, or what is said about them in place of what stood there; the bed is where the patient lies now. IM001 not a draft, IM005 no such handover or encounter, IM006 another user gives it; an unstable patient needs a contingency plan (handover_patients_unstable_has_contingency).';

create function tasking.count_handed_tasks(p_handover tasking.handovers) returns int
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select count(*)::int
  from tasking.tasks t
  where
    t.tenant_id = p_handover.tenant_id and t.shift_id = p_handover.from_shift_id and t.deleted_at is null
    and t.status in ('pending', 'in_progress', 'on_hold', 'overdue', 'reopened')
    and (
      t.patient_id is null
      or t.patient_id in (
        select p.patient_id
        from tasking.handover_patients p
        where p.tenant_id = p_handover.tenant_id and p.handover_id = p_handover.id
      )
    )
$$;

comment on function tasking.count_handed_tasks(tasking.handovers) is 'about=How many open tasks of the giving shift a handover takes along: those of its patients and those of the ward.';

create function tasking.submit_handover(p_handover_id uuid) returns tasking.handovers
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_handover tasking.handovers := tasking.lock_own_handover(p_handover_id);
  v_tasks int;
  v_alerts int;
begin
  if v_handover.status in ('submitted', 'accepted', 'completed') then
    return v_handover;
  end if;
  perform tasking.lock_shifts(v_handover);
  update workforce.shifts s
  set status = 'handing_over'
  where s.tenant_id = v_handover.tenant_id and s.id = v_handover.from_shift_id and s.status = 'open';
  v_tasks := tasking.count_handed_tasks(v_handover);
  select count(*) into v_alerts
  from cds.alerts a
  join tasking.handover_patients p on p.tenant_id = a.tenant_id and p.patient_id = a.patient_id
  where a.tenant_id = v_handover.tenant_id and p.handover_id = v_handover.id and a.status = 'fired';
  update tasking.handovers h
  set
    status = 'submitted', submitted_at = now(), rejected_reason = null, open_task_count = v_tasks,
    unresolved_alert_count = v_alerts
  where h.tenant_id = v_handover.tenant_id and h.id = v_handover.id
  returning h.* into v_handover;
  return v_handover;
end
$$;

comment on function tasking.submit_handover(uuid) is 'about=The giver is done writing: the receiver is asked, and an open shift is handing over. Counts the tasks that will move and the alerts that nobody answered. IM001 not a draft, IM005 no such handover, IM006 another user gives it, IM752 a shift is closed.';

create function tasking.cancel_handover(p_handover_id uuid, p_reason text) returns tasking.handovers
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_handover tasking.handovers := tasking.lock_own_handover(p_handover_id);
begin
  if v_handover.status = 'cancelled' then
    return v_handover;
  end if;
  perform tasking.require_reason(p_reason, 'cancelling handover ' || p_handover_id);
  update tasking.handovers h
  set status = 'cancelled'
  where h.tenant_id = v_handover.tenant_id and h.id = v_handover.id
  returning h.* into v_handover;
  return v_handover;
end
$$;

comment on function tasking.cancel_handover(uuid, text) is 'about=The giver takes a handover back that nobody has accepted. IM001 it is accepted, IM002 no reason, IM005 no such handover, IM006 another user gives it.';

create function tasking.revise_handover(p_handover_id uuid) returns tasking.handovers
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_handover tasking.handovers := tasking.lock_own_handover(p_handover_id);
begin
  if v_handover.status = 'draft' then
    return v_handover;
  end if;
  update tasking.handovers h
  set status = 'draft'
  where h.tenant_id = v_handover.tenant_id and h.id = v_handover.id
  returning h.* into v_handover;
  return v_handover;
end
$$;

comment on function tasking.revise_handover(uuid) is 'about=A rejected handover is a draft again. IM001 not rejected, IM005 no such handover, IM006 another user gives it.';
