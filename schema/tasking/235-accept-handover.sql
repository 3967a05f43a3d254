-- The receiver's part of a handover, and the end of the giving shift. The first acceptance moves the tasks; a second one is
-- told what the first did.

create function tasking.lock_addressed_handover(p_handover_id uuid) returns tasking.handovers
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_handover tasking.handovers := tasking.lock_handover(p_handover_id);
begin
  if v_handover.to_user_id is distinct from core.current_user_id() then
    raise exception 'handover % is addressed to another user', p_handover_id
      using errcode = 'IM750', hint = 'ask the addressee';
  end if;
  return v_handover;
end
$$;

comment on function tasking.lock_addressed_handover(uuid) is 'about=A handover that is addressed to the signed-in user, locked. IM005 no such handover, IM750 it is addressed to somebody else.';

create function tasking.write_read_back(
  p_handover tasking.handovers,
  p_patient_id uuid,
  p_synthesis_enc bytea
) returns tasking.handover_patients
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_row tasking.handover_patients;
begin
  select p.* into v_row
  from tasking.handover_patients p
  where p.tenant_id = p_handover.tenant_id and p.handover_id = p_handover.id and p.patient_id = p_patient_id
  for no key update;
  if not found then
    raise exception 'patient % is not on handover %', p_patient_id, p_handover.id
      using errcode = 'IM005', hint = 'read back the patients of the handover';
  end if;
  if v_row.read_back_at is not null then
    return v_row;
  end if;
  update tasking.handover_patients p
  set
    read_back_at = now(), read_back_by = p_handover.to_user_id,
    synthesis_by_receiver_enc = coalesce(p_synthesis_enc, p.synthesis_by_receiver_enc)
  where p.tenant_id = v_row.tenant_id and p.id = v_row.id
  returning p.* into v_row;
  return v_row;
end
$$;

comment on function tasking.write_read_back(tasking.handovers, uuid, bytea) is 'about=Marks a patient of a locked handover as read back; the first read-back stays. IM005 the patient is not on it.';

create function tasking.read_back(
  p_handover_id uuid,
  p_patient_id uuid,
  p_synthesis_enc bytea default null
) returns tasking.handover_patients
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_handover tasking.handovers := tasking.lock_addressed_handover(p_handover_id);
begin
  if v_handover.status not in ('submitted', 'accepted', 'completed') then
    raise exception 'handover % is %', p_handover_id, v_handover.status
      using errcode = 'IM001', hint = 'a submitted handover is read back';
  end if;
  return tasking.write_read_back(v_handover, p_patient_id, p_synthesis_enc);
end
$$;

comment on function tasking.read_back(uuid, uuid, bytea) is 'about=The receiver says in their own words what they heard about a patient; the first read-back stays. IM001 the handover is not submitted, IM005 no such handover, or the patient is not on it, IM750 addressed to somebody else.';

create function tasking.accept_handover(p_handover_id uuid, p_read_backs jsonb default '[]') returns tasking.handovers
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_handover tasking.handovers := tasking.lock_addressed_handover(p_handover_id);
  v_read_back record;
  v_patient uuid;
  v_moved int;
begin
  if v_handover.status in ('accepted', 'completed') then
    return v_handover; -- the first acceptance counts
  end if;
  if v_handover.status <> 'submitted' then
    raise exception 'handover % is %', p_handover_id, v_handover.status
      using errcode = 'IM001', hint = 'only a submitted handover is accepted';
  end if;
  perform tasking.lock_shifts(v_handover);

  for v_read_back in
    select r.patient_id, r.synthesis_enc
    from jsonb_to_recordset(p_read_backs) as r (patient_id uuid, synthesis_enc bytea)
    order by r.patient_id
  loop
    perform tasking.write_read_back(v_handover, v_read_back.patient_id, v_read_back.synthesis_enc);
  end loop;
  select p.patient_id into v_patient
  from tasking.handover_patients p
  where p.tenant_id = v_handover.tenant_id and p.handover_id = v_handover.id and p.read_back_at is null
  order by p.order_no
  limit 1;
  if found then
    raise exception 'patient % of handover % was not read back', v_patient, p_handover_id
      using errcode = 'IM751', hint = 'read every patient back, then accept';
  end if;

  v_moved := tasking.move_tasks(v_handover);
  update tasking.handovers h
  set status = 'accepted', accepted_at = now(), open_task_count = v_moved
  where h.tenant_id = v_handover.tenant_id and h.id = v_handover.id
  returning h.* into v_handover;
  return v_handover;
end
$$;

comment on function tasking.accept_handover(uuid, jsonb) is 'about=The receiver takes over: the open tasks of the handover''s patients and of the ward go to the receiving shift in the same transaction. p_read_backs: [{patient_id, synthesis_enc}] for patients not yet read back. Accepted once; asked again, the answer is the same. IM001 not submitted, IM005 no such handover, IM750 addressed to somebody else, IM751 a patient was not read back, IM752 a shift is closed.';

create function tasking.move_tasks(p_handover tasking.handovers) returns int
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_task record;
  v_moved int := 0;
begin
  for v_task in
    select t.id, t.assigned_to
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
    order by t.id
    for no key update of t
  loop
    update tasking.tasks t
    set
      shift_id = p_handover.to_shift_id, carried_from_handover_id = p_handover.id,
      -- what the giver had in hand is now in the receiver's; others of the giving shift go home
      assigned_to = case
        when v_task.assigned_to = p_handover.from_user_id then p_handover.to_user_id
        when v_task.assigned_to = p_handover.to_user_id then p_handover.to_user_id
      end
    where t.tenant_id = p_handover.tenant_id and t.id = v_task.id;
    v_moved := v_moved + 1;
  end loop;
  return v_moved;
end
$$;

comment on function tasking.move_tasks(tasking.handovers) is 'about=Gives the open tasks of a handover to its receiving shift, in the order of their ids, and returns how many. Tasks of the giver go to the receiver, tasks of others to nobody yet.';

create function tasking.reject_handover(p_handover_id uuid, p_reason text) returns tasking.handovers
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_handover tasking.handovers := tasking.lock_addressed_handover(p_handover_id);
begin
  if v_handover.status = 'rejected' then
    return v_handover;
  end if;
  perform tasking.require_reason(p_reason, 'rejecting handover ' || p_handover_id);
  update tasking.handovers h
  set status = 'rejected', rejected_reason = p_reason
  where h.tenant_id = v_handover.tenant_id and h.id = v_handover.id
  returning h.* into v_handover;
  return v_handover;
end
$$;

comment on function tasking.reject_handover(uuid, text) is 'about=The receiver misses something: the giver revises it. IM001 not submitted, IM002 no reason, IM005 no such handover, IM750 addressed to somebody else.';

create function tasking.complete_handover(p_handover_id uuid) returns tasking.handovers
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_handover tasking.handovers := tasking.lock_handover(p_handover_id);
begin
  if tasking.acting_user_id() not in (v_handover.from_user_id, v_handover.to_user_id) then
    raise exception 'handover % is between other users', p_handover_id
      using errcode = 'IM006', hint = 'giver or receiver closes it';
  end if;
  if v_handover.status = 'completed' then
    return v_handover;
  end if;
  update tasking.handovers h
  set status = 'completed', completed_at = now()
  where h.tenant_id = v_handover.tenant_id and h.id = v_handover.id
  returning h.* into v_handover;
  return v_handover;
end
$$;

comment on function tasking.complete_handover(uuid) is 'about=Giver or receiver: nothing is left to say. IM001 not accepted, IM005 no such handover, IM006 another user.';

create function tasking.close_shift(p_shift_id uuid) returns workforce.shifts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_shift workforce.shifts;
begin
  select s.* into v_shift
  from workforce.shifts s
  where s.tenant_id = v_tenant and s.id = p_shift_id
  for no key update;
  if not found then
    raise exception 'shift % does not exist', p_shift_id
      using errcode = 'IM005', hint = 'choose a shift of the tenant';
  end if;
  if v_shift.status = 'closed' then
    return v_shift;
  end if;
  update workforce.shifts s
  set status = 'closed'
  where s.tenant_id = v_tenant and s.id = p_shift_id
  returning s.* into v_shift;
  return v_shift;
end
$$;

comment on function tasking.close_shift(uuid) is 'about=Ends a shift whose tasks are done or handed over. IM001 it is not open, IM005 no such shift, IM752 open tasks or a waiting handover.';
