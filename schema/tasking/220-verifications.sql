-- The check in the EMR. A worker fetches the resource and reports what it saw; the comparison is here, so that every road to
-- "verified" is the same. Lock order: task, then verification.

create function tasking.lock_verification(p_verification_id uuid) returns tasking.emr_verifications
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_task_id uuid;
  v_verification tasking.emr_verifications;
begin
  select v.task_id into v_task_id
  from tasking.emr_verifications v
  where v.tenant_id = v_tenant and v.id = p_verification_id;
  if not found then
    raise exception 'verification % does not exist', p_verification_id
      using errcode = 'IM005', hint = 'choose a verification of the tenant';
  end if;
  perform tasking.lock_task(v_task_id);
  select v.* into v_verification
  from tasking.emr_verifications v
  where v.tenant_id = v_tenant and v.id = p_verification_id
  for no key update;
  return v_verification;
end
$$;

comment on function tasking.lock_verification(uuid) is 'about=The verification, locked with its task until the transaction ends. IM005 no such verification.';

create function tasking.open_verification(
  p_task_id uuid,
  p_emr_system core.emr_system,
  p_emr_patient_id text,
  p_resource_type text,
  p_expected jsonb,
  p_emr_connection_id uuid default null,
  p_id uuid default null
) returns tasking.emr_verifications
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_task tasking.tasks := tasking.lock_task(p_task_id);
  v_verification tasking.emr_verifications;
begin
  select v.* into v_verification
  from tasking.emr_verifications v
  where
    v.tenant_id = v_task.tenant_id and v.task_id = v_task.id
    and (v.id = p_id or v.status in ('pending', 'in_progress'))
  order by v.created_at
  limit 1;
  if found then
    return v_verification; -- one at a time
  end if;
  if v_task.status in ('verified', 'cancelled') then
    raise exception 'task % is %', p_task_id, v_task.status
      using errcode = 'IM754', hint = 'a task is verified while it is open or completed';
  end if;
  insert into tasking.emr_verifications (
    tenant_id, id, task_id, patient_id, emr_system, emr_connection_id, emr_patient_id, resource_type, expected,
    created_by
  )
  values (
    v_task.tenant_id, coalesce(p_id, core.uuid_v7()), v_task.id, v_task.patient_id, p_emr_system, p_emr_connection_id,
    p_emr_patient_id, p_resource_type, p_expected, tasking.acting_user_id()
  )
  returning * into v_verification;
  return v_verification;
end
$$;

comment on function tasking.open_verification(uuid, core.emr_system, text, text, jsonb, uuid, uuid) is 'about=The signed-in user did the task: the EMR is to show it. A task has one running verification; asked again, it is returned. p_expected names the fields that the resource must show. IM005 no such task, IM006 nobody is signed in, IM754 the task is verified or cancelled.';

create function tasking.begin_verification(p_verification_id uuid) returns tasking.emr_verifications
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_verification tasking.emr_verifications := tasking.lock_verification(p_verification_id);
begin
  if v_verification.status = 'in_progress' then
    return v_verification;
  end if;
  update tasking.emr_verifications v
  set status = 'in_progress', attempts = v.attempts + 1, next_attempt_at = null
  where v.tenant_id = v_verification.tenant_id and v.id = v_verification.id
  returning v.* into v_verification;
  return v_verification;
end
$$;

comment on function tasking.begin_verification(uuid) is 'about=A worker looks into the EMR now; counts the attempt. IM001 the verification does not wait, IM005 no such verification.';

create function tasking.compare_with_emr(p_expected jsonb, p_observed jsonb) returns jsonb
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select jsonb_object_agg(
    e.key, jsonb_build_object('expected', e.value, 'observed', coalesce(p_observed -> e.key, 'null'))
  )
  from jsonb_each(p_expected) as e
  -- an object or array in the EMR may say more than was expected, not less
  where not coalesce(p_observed -> e.key @> e.value, false)
$$;

comment on function tasking.compare_with_emr(jsonb, jsonb) is 'about=The fields of p_expected that p_observed does not show, each with what was expected and observed; null when it shows all.';

create function tasking.record_verification(
  p_verification_id uuid,
  p_observed jsonb,
  p_resource_ref text
) returns tasking.emr_verifications
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_verification tasking.emr_verifications := tasking.lock_verification(p_verification_id);
  v_hash bytea := sha256(convert_to(p_observed::text, 'UTF8'));
  v_discrepancy jsonb;
begin
  if v_verification.status in ('verified', 'mismatch') and v_verification.observed_hash = v_hash then
    return v_verification; -- reported again
  end if;
  if v_verification.status not in ('pending', 'in_progress') then
    raise exception 'verification % is %', p_verification_id, v_verification.status
      using errcode = 'IM754', hint = 'open a new verification';
  end if;
  if p_observed is null or p_resource_ref is null then
    raise exception 'verification % was reported without what was seen', p_verification_id
      using errcode = 'IM754', hint = 'report the resource and its reference, or call tasking.fail_verification';
  end if;
  if v_verification.status = 'pending' then
    v_verification := tasking.begin_verification(p_verification_id);
  end if;

  v_discrepancy := tasking.compare_with_emr(v_verification.expected, p_observed);
  update tasking.emr_verifications v
  set
    status = case when v_discrepancy is null then 'verified' else 'mismatch' end::tasking.verification_status,
    observed_hash = v_hash, resource_ref = p_resource_ref, discrepancy = v_discrepancy,
    verified_at = case when v_discrepancy is null then now() end
  where v.tenant_id = v_verification.tenant_id and v.id = v_verification.id
  returning v.* into v_verification;
  if v_verification.status = 'verified' then
    perform tasking.close_verified_task(v_verification);
  end if;
  return v_verification;
end
$$;

comment on function tasking.record_verification(uuid, jsonb, text) is 'about=What the EMR showed. When it shows all that was expected the verification is verified and so is its task, in the name of who opened the verification; else mismatch, with the fields that differ. IM005 no such verification, IM754 it is over, or nothing was reported.';

create function tasking.close_verified_task(p_verification tasking.emr_verifications) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_task tasking.tasks := tasking.lock_task(p_verification.task_id);
begin
  if v_task.status in ('on_hold', 'reopened') then
    v_task := tasking.set_task_status(v_task, 'in_progress');
  end if;
  if v_task.status in ('pending', 'in_progress', 'overdue') then
    v_task := tasking.finish_task(v_task, coalesce(p_verification.created_by, core.current_user_id()));
  end if;
  if v_task.status = 'completed' then
    perform tasking.set_task_status(v_task, 'verified');
  end if;
end
$$;

comment on function tasking.close_verified_task(tasking.emr_verifications) is 'about=The EMR shows that the task was done: it is completed, where that was missing, and verified. A cancelled task stays.';

create function tasking.fail_verification(
  p_verification_id uuid,
  p_error text,
  p_retry_in interval default null
) returns tasking.emr_verifications
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_verification tasking.emr_verifications := tasking.lock_verification(p_verification_id);
begin
  if v_verification.status = 'failed' then
    return v_verification;
  end if;
  if v_verification.status = 'pending' then
    v_verification := tasking.begin_verification(p_verification_id);
  end if;
  update tasking.emr_verifications v
  set
    status = 'failed', discrepancy = jsonb_build_object('error', left(p_error, 500)),
    next_attempt_at = now() + coalesce(
      p_retry_in, least(interval '6 hours', interval '1 minute' * (2 ^ least(v.attempts, 10)))
    )
  where v.tenant_id = v_verification.tenant_id and v.id = v_verification.id
  returning v.* into v_verification;
  return v_verification;
end
$$;

comment on function tasking.fail_verification(uuid, text, interval) is 'about=The EMR did not answer, or has no such resource yet; the next attempt waits p_retry_in, else twice as long as the last one, at most six hours. IM001 the verification does not run, IM005 no such verification.';

create function tasking.repeat_verifications(p_limit int default 100) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_limit int := coalesce((core.setting('tasking.verification_attempts') #>> '{}')::int, 10);
  v_failed record;
  v_repeated int := 0;
begin
  for v_failed in
    select v.id, v.task_id, v.attempts
    from tasking.emr_verifications v
    join tasking.tasks t on t.tenant_id = v.tenant_id and t.id = v.task_id
    where v.tenant_id = v_tenant and v.status = 'failed' and v.next_attempt_at <= now()
    order by v.next_attempt_at
    limit p_limit
    for no key update skip locked
  loop
    continue when exists ( -- a newer one of the task runs
      select
      from tasking.emr_verifications r
      where r.tenant_id = v_tenant and r.task_id = v_failed.task_id and r.status in ('pending', 'in_progress')
    );
    update tasking.emr_verifications v
    set status = case when v_failed.attempts >= v_limit then 'manual_review' else 'pending' end::tasking.verification_status
    where v.tenant_id = v_tenant and v.id = v_failed.id;
    v_repeated := v_repeated + 1;
  end loop;
  return v_repeated;
end
$$;

comment on function tasking.repeat_verifications(int) is 'about=Job: failed verifications whose time has come wait again, or go to a person after setting tasking.verification_attempts (10) attempts; returns how many moved.';

create function tasking.decide_verification(
  p_verification_id uuid,
  p_verified boolean,
  p_reason text default null
) returns tasking.emr_verifications
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_verification tasking.emr_verifications := tasking.lock_verification(p_verification_id);
  v_outcome tasking.verification_status := case when p_verified then 'verified' else 'rejected' end;
begin
  if v_verification.status = v_outcome then
    return v_verification;
  end if;
  if
    p_verified
    and tasking.acting_user_id() in (
      v_verification.created_by,
      (
        select coalesce(t.completed_by, t.assigned_to)
        from tasking.tasks t
        where t.tenant_id = v_verification.tenant_id and t.id = v_verification.task_id
      )
    )
  then
    raise exception 'verification % is confirmed by another user than the one who did the task', p_verification_id
      using errcode = 'IM006', hint = 'ask a colleague to look into the EMR';
  end if;
  if v_verification.status in ('pending', 'failed', 'mismatch') then
    update tasking.emr_verifications v
    set status = 'manual_review'
    where v.tenant_id = v_verification.tenant_id and v.id = v_verification.id;
  end if;
  if not p_verified then
    perform tasking.require_reason(p_reason, 'rejecting verification ' || p_verification_id);
  end if;
  update tasking.emr_verifications v
  set
    status = v_outcome, method = 'manual', verified_by = tasking.acting_user_id(),
    verified_at = case when p_verified then now() end
  where v.tenant_id = v_verification.tenant_id and v.id = v_verification.id
  returning v.* into v_verification;
  if p_verified then
    perform tasking.close_verified_task(v_verification);
  end if;
  return v_verification;
end
$$;

comment on function tasking.decide_verification(uuid, boolean, text) is 'about=A person looked into the EMR: verified, with its task, or rejected with a reason. IM001 the verification is over or runs, IM002 no reason, IM005 no such verification, IM006 nobody is signed in, or the user who did the task confirms it.';
