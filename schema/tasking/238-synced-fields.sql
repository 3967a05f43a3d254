-- What of a row changes offline, and how it is read and written when a device sends an operation.

create function tasking.fields_to_sync(p_entity_type text) returns text[]
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select case p_entity_type
    when 'tasks' then
      array[
        'title', 'description_enc', 'category', 'priority', 'assigned_to', 'due_at', 'status', 'cancel_reason'
      ]
    when 'handovers' then array['summary_enc', 'due_at']
    when 'handover_patients' then
      array[
        'illness_severity', 'patient_summary_enc', 'action_list', 'situation_awareness_enc', 'contingency_plan',
        'order_no'
      ]
    when 'emr_verifications' then array['resource_ref']
  end
$$;

comment on function tasking.fields_to_sync(text) is 'about=The fields of a table that a device may set offline; null for a table that is not synchronised.';

create function tasking.is_guarded(p_field text) returns boolean
  language sql
  immutable
  parallel safe
return p_field in ('status', 'assigned_to');

comment on function tasking.is_guarded(text) is 'about=Fields of which two concurrent writes are not merged: a person decides.';

create function tasking.sort_fields(
  p_row jsonb,
  p_patch jsonb,
  p_vector_clock jsonb,
  p_hlc text,
  out applied text[],
  out superseded text[],
  out conflicts text[]
) returns record
  language plpgsql
  immutable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_field record;
  v_clock jsonb;
  v_seen boolean;
begin
  applied := '{}';
  superseded := '{}';
  conflicts := '{}';
  for v_field in select * from jsonb_each(p_patch) as f (name, value) order by f.name loop
    v_clock := p_row -> 'field_clocks' -> v_field.name;
    v_seen := v_clock is null
      or coalesce((p_vector_clock ->> (v_clock ->> 'node'))::bigint, 0) >= (v_clock ->> 'seq')::bigint;
    if tasking.is_guarded(v_field.name) and not v_seen and p_row -> v_field.name <> v_field.value then
      conflicts := conflicts || v_field.name::text;
    elsif v_clock is null or p_hlc collate "C" > (v_clock ->> 'hlc') collate "C" then
      applied := applied || v_field.name::text;
    elsif p_row -> v_field.name <> v_field.value then
      superseded := superseded || v_field.name::text;
    end if;
  end loop;
end
$$;

comment on function tasking.sort_fields(jsonb, jsonb, jsonb, text) is 'about=Sorts the fields of a patch: applied are those that are later (HLC as text) than what the row holds, superseded those that are not, conflicts guarded fields whose last write the sender had not seen. A field that holds the value already is in none, unless the patch is later.';

create function tasking.status_may_follow(p_task jsonb, p_status text) returns boolean
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select
    p_task ->> 'status' = p_status
    or (
      p_status in ('in_progress', 'on_hold', 'completed', 'cancelled', 'reopened')
      and (
        p_status <> 'completed' or not (p_task ->> 'requires_verification')::boolean
        or tasking.has_verification((p_task ->> 'tenant_id')::uuid, (p_task ->> 'id')::uuid)
      )
      and exists (
        select
        from core.transition_rules r
        where r.machine = 'tasking.tasks' and r.from_state = p_task ->> 'status' and r.to_state = p_status
      )
    )
$$;

comment on function tasking.status_may_follow(jsonb, text) is 'about=Whether a device may move a task to a state: a legal move that is no verification, and to completed only with the verification that the task requires.';

-- what comes with a move of a task, in the name of the user who is signed in on the device
create function tasking.facts_of_move(p_task jsonb, p_status text, p_at timestamptz, p_user uuid) returns jsonb
  language sql
  immutable
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_task ->> 'status' = p_status then '{}'::jsonb
    when p_status = 'in_progress' and p_task ->> 'started_at' is null then jsonb_build_object('started_at', p_at)
    when p_status = 'completed' then jsonb_build_object('completed_at', p_at, 'completed_by', p_user)
    when p_status = 'reopened' then '{"completed_at": null, "completed_by": null}'
    else '{}'
  end
$$;

comment on function tasking.facts_of_move(jsonb, text, timestamptz, uuid) is 'about=The columns that a move of a task sets besides status, with their values.';

create function tasking.write_fields(p_entity_type text, p_row jsonb, p_values jsonb) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_values ->> 'status' in ('on_hold', 'cancelled', 'reopened') and core.current_reason() is null then
    perform core.set_reason(coalesce(p_values ->> 'cancel_reason', 'changed offline'));
  end if;
  execute format(
    'update tasking.%1$I t set %2$s from jsonb_populate_record(null::tasking.%1$I, $1) as n where t.tenant_id = $2 and t.id = $3',
    p_entity_type,
    (select string_agg(format('%1$I = n.%1$I', k), ', ' order by k) from jsonb_object_keys(p_values) as k)
  )
  using p_values, (p_row ->> 'tenant_id')::uuid, (p_row ->> 'id')::uuid;
end
$$;

comment on function tasking.write_fields(text, jsonb, jsonb) is 'about=Sets columns of a row that the caller has locked to the values of a JSON object whose keys the caller has checked.';

create function tasking.lock_entity(p_entity_type text, p_entity_id uuid) returns jsonb
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_row jsonb;
begin
  execute format(
    'select to_jsonb(t) from tasking.%I t where t.tenant_id = $1 and t.id = $2 for no key update', p_entity_type
  )
  into v_row
  using core.require_tenant(), p_entity_id;
  return v_row;
end
$$;

comment on function tasking.lock_entity(text, uuid) is 'about=A row of a synchronised table as JSON, locked until the transaction ends; null when there is none.';

create function tasking.why_closed(p_entity_type text, p_row jsonb) returns text
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_status text := p_row ->> 'status';
begin
  if p_entity_type = 'handover_patients' then
    select h.status into v_status
    from tasking.handovers h
    where h.tenant_id = (p_row ->> 'tenant_id')::uuid and h.id = (p_row ->> 'handover_id')::uuid;
  end if;
  return case
    when p_row ->> 'deleted_at' is not null then 'it is deleted'
    when p_entity_type in ('handovers', 'handover_patients') and v_status not in ('draft', 'submitted') then
      'the handover is ' || v_status
    when p_entity_type = 'emr_verifications' and v_status in ('verified', 'rejected', 'expired') then
      'the verification is ' || v_status
  end;
end
$$;

comment on function tasking.why_closed(text, jsonb) is 'about=Why a row takes no change any more; null when it does.';
