-- A task is made. The caller may choose the id: sent again, it is the same task.

create function tasking.create_task(
  p_department_id uuid,
  p_title text,
  p_category text,
  p_priority tasking.task_priority default 'medium',
  p_patient_id uuid default null,
  p_encounter_id uuid default null,
  p_shift_id uuid default null,
  p_assigned_to uuid default null,
  p_due_at timestamptz default null,
  p_requires_verification boolean default false,
  p_description_enc bytea default null,
  p_source_type text default null,
  p_source_id uuid default null,
  p_id uuid default null
) returns tasking.tasks
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_id uuid := coalesce(p_id, core.uuid_v7());
  v_task tasking.tasks;
begin
  select t.* into v_task from tasking.tasks t where t.tenant_id = v_tenant and t.id = v_id;
  if not found then
    insert into tasking.tasks as t (
      tenant_id, id, task_number, patient_id, encounter_id, department_id, shift_id, title, description_enc, category,
      priority, assigned_to, assigned_by, due_at, requires_verification, source_type, source_id
    )
    values (
      v_tenant, v_id, core.next_default_number('task', '', 'TASK-{YY}-'), p_patient_id, p_encounter_id, p_department_id,
      p_shift_id, p_title, p_description_enc, p_category, p_priority, p_assigned_to, tasking.acting_user_id(), p_due_at,
      p_requires_verification, p_source_type, p_source_id
    )
    on conflict (tenant_id, id) do nothing -- the same request at the same moment
    returning t.* into v_task;
    if found then
      return v_task;
    end if;
    select t.* into v_task from tasking.tasks t where t.tenant_id = v_tenant and t.id = v_id;
  end if;
  if v_task.department_id <> p_department_id or v_task.patient_id is distinct from p_patient_id then
    raise exception 'task % is another one', v_id using errcode = 'IM011', hint = 'choose a new id for a new task';
  end if;
  return v_task;
end
$$;

comment on function tasking.create_task(uuid, text, text, tasking.task_priority, uuid, uuid, uuid, uuid, timestamptz, boolean, bytea, text, uuid, uuid) is 'about=Gives a department, or one of its shifts and users, a task for a patient or for the ward. IM003 no tenant, IM006 nobody is signed in, IM011 the id is another task''s, IM752 the shift is closed.';
