-- From pending to done. Each operation locks the task and answers the same when it is repeated.

create function tasking.lock_task(p_task_id uuid) returns tasking.tasks
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_task tasking.tasks;
begin
  select t.* into v_task
  from tasking.tasks t
  where t.tenant_id = v_tenant and t.id = p_task_id and t.deleted_at is null
  for no key update;
  if not found then
    raise exception 'task % does not exist', p_task_id
      using errcode = 'IM005', hint = 'choose a task of the tenant that is not deleted';
  end if;
  return v_task;
end
$$;

comment on function tasking.lock_task(uuid) is 'about=The task, locked until the transaction ends. IM005 no such task.';

create function tasking.set_task_status(p_task tasking.tasks, p_status tasking.task_status) returns tasking.tasks
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_task tasking.tasks;
begin
  update tasking.tasks t
  set
    status = p_status,
    started_at = case when p_status = 'in_progress' then coalesce(t.started_at, now()) else t.started_at end
  where t.tenant_id = p_task.tenant_id and t.id = p_task.id
  returning t.* into v_task;
  return v_task;
end
$$;

comment on function tasking.set_task_status(tasking.tasks, tasking.task_status) is 'about=Moves a task that the caller has locked. IM001 the state machine has no such move.';

create function tasking.finish_task(p_task tasking.tasks, p_by uuid) returns tasking.tasks
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_task tasking.tasks := p_task;
begin
  update tasking.tasks t
  set status = 'completed', completed_at = now(), completed_by = p_by
  where t.tenant_id = v_task.tenant_id and t.id = v_task.id
  returning t.* into v_task;
  if v_task.requires_verification then
    v_task := tasking.set_task_status(v_task, 'verified');
  end if;
  return v_task;
end
$$;

comment on function tasking.finish_task(tasking.tasks, uuid) is 'about=Completes a task that the caller has locked; one that was verified in the EMR is verified at once. IM001 it cannot be completed from where it stands.';

create function tasking.assign_task(p_task_id uuid, p_user_id uuid) returns tasking.tasks
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_task tasking.tasks := tasking.lock_task(p_task_id);
begin
  if v_task.assigned_to is not distinct from p_user_id then
    return v_task;
  end if;
  if v_task.status in ('completed', 'verified', 'cancelled') then
    raise exception 'task % is %', p_task_id, v_task.status
      using errcode = 'IM001', hint = 'only an open task is given to somebody';
  end if;
  update tasking.tasks t
  set assigned_to = p_user_id, assigned_by = tasking.acting_user_id()
  where t.tenant_id = v_task.tenant_id and t.id = v_task.id
  returning t.* into v_task;
  return v_task;
end
$$;

comment on function tasking.assign_task(uuid, uuid) is 'about=Gives an open task to a user, or back to all with null. IM001 it is done or cancelled, IM005 no such task, IM006 nobody is signed in.';

create function tasking.start_task(p_task_id uuid) returns tasking.tasks
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_task tasking.tasks := tasking.lock_task(p_task_id);
begin
  if v_task.status = 'in_progress' then
    return v_task;
  end if;
  return tasking.set_task_status(v_task, 'in_progress');
end
$$;

comment on function tasking.start_task(uuid) is 'about=Somebody is at it: from pending, on hold, overdue or reopened. IM001 it is done or cancelled, IM005 no such task.';

create function tasking.hold_task(p_task_id uuid, p_reason text) returns tasking.tasks
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_task tasking.tasks := tasking.lock_task(p_task_id);
begin
  if v_task.status = 'on_hold' then
    return v_task;
  end if;
  perform tasking.require_reason(p_reason, 'holding task ' || p_task_id);
  return tasking.set_task_status(v_task, 'on_hold');
end
$$;

comment on function tasking.hold_task(uuid, text) is 'about=Interrupts a task that is in progress. IM001 it is not, IM002 no reason, IM005 no such task.';

create function tasking.complete_task(p_task_id uuid) returns tasking.tasks
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_task tasking.tasks := tasking.lock_task(p_task_id);
begin
  if v_task.status in ('completed', 'verified') then
    return v_task;
  end if;
  if v_task.requires_verification and not tasking.has_verification(v_task.tenant_id, v_task.id) then
    raise exception 'task % is done when the EMR shows it', p_task_id
      using errcode = 'IM754', hint = 'call tasking.open_verification; a verified verification completes the task';
  end if;
  return tasking.finish_task(v_task, tasking.acting_user_id());
end
$$;

comment on function tasking.complete_task(uuid) is 'about=The signed-in user did it. IM001 the task is on hold, reopened or cancelled, IM005 no such task, IM006 nobody is signed in, IM754 it requires verification and has none.';

create function tasking.verify_task(p_task_id uuid) returns tasking.tasks
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_task tasking.tasks := tasking.lock_task(p_task_id);
begin
  if v_task.status = 'verified' then
    return v_task;
  end if;
  if v_task.completed_by = tasking.acting_user_id() then
    raise exception 'task % is verified by another user than the one who did it', p_task_id
      using errcode = 'IM006', hint = 'ask a colleague to look at it';
  end if;
  return tasking.set_task_status(v_task, 'verified');
end
$$;

comment on function tasking.verify_task(uuid) is 'about=A second user saw that a completed task was done. IM001 not completed, IM005 no such task, IM006 the same user.';

create function tasking.reopen_task(p_task_id uuid, p_reason text) returns tasking.tasks
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_task tasking.tasks := tasking.lock_task(p_task_id);
begin
  if v_task.status = 'reopened' then
    return v_task;
  end if;
  perform tasking.require_reason(p_reason, 'reopening task ' || p_task_id);
  update tasking.tasks t
  set status = 'reopened', completed_at = null, completed_by = null
  where t.tenant_id = v_task.tenant_id and t.id = v_task.id
  returning t.* into v_task;
  return v_task;
end
$$;

comment on function tasking.reopen_task(uuid, text) is 'about=A completed task was not done after all. IM001 not completed, or verified already, IM002 no reason, IM005 no such task.';

create function tasking.cancel_task(p_task_id uuid, p_reason text) returns tasking.tasks
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_task tasking.tasks := tasking.lock_task(p_task_id);
begin
  if v_task.status = 'cancelled' then
    return v_task;
  end if;
  perform tasking.require_reason(p_reason, 'cancelling task ' || p_task_id);
  update tasking.tasks t
  set status = 'cancelled', cancel_reason = p_reason
  where t.tenant_id = v_task.tenant_id and t.id = v_task.id
  returning t.* into v_task;
  return v_task;
end
$$;

comment on function tasking.cancel_task(uuid, text) is 'about=An open task is not needed any more. IM001 it is completed or verified, IM002 no reason, IM005 no such task.';

create function tasking.mark_overdue_tasks(p_limit int default 500) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_id uuid;
  v_marked int := 0;
begin
  for v_id in
    select t.id
    from tasking.tasks t
    where
      t.tenant_id = v_tenant and t.status in ('pending', 'in_progress') and t.deleted_at is null and t.due_at < now()
    order by t.due_at
    limit p_limit
    for no key update skip locked
  loop
    update tasking.tasks t set status = 'overdue' where t.tenant_id = v_tenant and t.id = v_id;
    v_marked := v_marked + 1;
  end loop;
  return v_marked;
end
$$;

comment on function tasking.mark_overdue_tasks(int) is 'about=Job: marks up to p_limit tasks whose time has passed and returns how many. Tasks that somebody is changing are left for the next run.';
