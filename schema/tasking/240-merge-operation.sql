-- Changes made offline. A device sends an operation: which fields of which row it set, its clock, and what it had seen of the
-- row. Every field is merged on its own: the later write stands, equal times are decided by the node, so that all replicas
-- agree whatever the order of arrival. Where the device had not seen the last write of a guarded field (who does it, where
-- it stands), or the state machine has no such move, a person decides. Taking over a handover and verifying are facts that
-- the server decides; a device asks for them by their own operations. A handover is the giver's, offline too.

create function tasking.create_task_offline(p_id uuid, p_patch jsonb, p_hlc_physical_us bigint, p_hlc_logical int, p_node text)
  returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_new tasking.tasks := jsonb_populate_record(null::tasking.tasks, p_patch);
  v_clock jsonb := jsonb_build_object('hlc', tasking.hlc_text(p_hlc_physical_us, p_hlc_logical, p_node), 'node', p_node, 'seq', 1);
begin
  insert into tasking.tasks (
    tenant_id, id, task_number, patient_id, encounter_id, department_id, shift_id, title, description_enc, category,
    priority, assigned_to, assigned_by, due_at, requires_verification, vector_clock, hlc_physical_us, hlc_logical,
    hlc_node, field_clocks
  )
  values (
    core.require_tenant(), p_id, core.next_default_number('task', '', 'TASK-{YY}-'), v_new.patient_id,
    v_new.encounter_id, v_new.department_id, v_new.shift_id, v_new.title, v_new.description_enc, v_new.category,
    coalesce(v_new.priority, 'medium'), v_new.assigned_to, tasking.acting_user_id(), v_new.due_at,
    coalesce(v_new.requires_verification, false), jsonb_build_object(p_node, 1), p_hlc_physical_us, p_hlc_logical,
    p_node,
    (
      select jsonb_object_agg(f, v_clock)
      from jsonb_object_keys(p_patch || '{"status": null}') as f
      where f not in ('status', 'cancel_reason') or not p_patch ? f -- those are merged after it
    )
  )
  on conflict (tenant_id, id) do nothing;
end
$$;

comment on function tasking.create_task_offline(uuid, jsonb, bigint, int, text) is 'about=Makes the pending task that a device made offline, with the clocks of that device, unless it is there. Where it moved since, tasking.merge_operation says.';

create function tasking.check_giver(p_entity_type text, p_entity_id uuid) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_handover_id uuid;
begin
  case p_entity_type
    when 'handovers' then v_handover_id := p_entity_id;
    when 'handover_patients' then
      select p.handover_id into v_handover_id
      from tasking.handover_patients p
      where p.tenant_id = core.require_tenant() and p.id = p_entity_id;
    else return;
  end case;
  if v_handover_id is not null then
    perform tasking.lock_own_handover(v_handover_id);
  end if;
end
$$;

comment on function tasking.check_giver(text, uuid) is 'about=Locks the handover of a handover''s row, which the signed-in user must give. IM005 no such handover, IM006 another user gives it.';

create function tasking.known_operation(p_operation tasking.sync_operations) returns tasking.sync_operations
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_known tasking.sync_operations;
begin
  select o.* into v_known
  from tasking.sync_operations o
  where
    o.tenant_id = core.require_tenant()
    and (
      o.op_id = p_operation.op_id
      or (
        o.node_id = p_operation.node_id and o.hlc_physical_us = p_operation.hlc_physical_us
        and o.hlc_logical = p_operation.hlc_logical
      )
    );
  if
    (v_known.op_id, v_known.entity_id, v_known.node_id)
    <> (p_operation.op_id, p_operation.entity_id, p_operation.node_id)
  then
    raise exception 'operation % was sent with other content', p_operation.op_id
      using errcode = 'IM011', hint = 'give every operation an id and a tick of the clock of its own';
  end if;
  return v_known;
end
$$;

comment on function tasking.known_operation(tasking.sync_operations) is 'about=The operation as it was merged before; null when it is new. IM011 the op_id or the tick was used for something else.';

create function tasking.merge_operation(
  p_op_id uuid,
  p_node_id text,
  p_entity_type text,
  p_entity_id uuid,
  p_patch jsonb,
  p_patch_enc bytea,
  p_vector_clock jsonb,
  p_hlc_physical_us bigint,
  p_hlc_logical int
) returns tasking.sync_operations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_user uuid := tasking.acting_user_id();
  v_hlc text := tasking.hlc_text(p_hlc_physical_us, p_hlc_logical, p_node_id);
  v_now bigint := (extract(epoch from now()) * 1000000)::bigint;
  v_row jsonb;
  v_patch jsonb := p_patch;
  v_fields record;
  v_may_set text[] := tasking.fields_to_sync(p_entity_type);
  v_unknown text[];
  v_closed text;
  v_created boolean := false;
  v_operation tasking.sync_operations;
  v_known tasking.sync_operations;
begin
  if p_hlc_physical_us > v_now + 300000000 then
    raise exception 'the clock of node "%" is more than five minutes ahead', p_node_id
      using errcode = 'IM753', hint = 'set the clock of the device and send the operation again';
  end if;
  if v_may_set is null then
    raise exception 'table "%" is not synchronised', p_entity_type
      using errcode = '22023', hint = 'use tasks, handovers, handover_patients or emr_verifications';
  end if;

  perform tasking.check_giver(p_entity_type, p_entity_id);
  -- copies of an operation meet at the row that they change
  v_row := tasking.lock_entity(p_entity_type, p_entity_id);
  if v_row is null and p_entity_type = 'tasks' and p_patch ?& array['title', 'category', 'department_id'] then
    v_may_set := v_may_set || array['patient_id', 'encounter_id', 'department_id', 'shift_id', 'requires_verification'];
    if p_patch - v_may_set = '{}' then
      perform tasking.create_task_offline(p_entity_id, p_patch, p_hlc_physical_us, p_hlc_logical, p_node_id);
      v_row := tasking.lock_entity(p_entity_type, p_entity_id);
      v_created := v_row ->> 'hlc_node' = p_node_id;
      v_may_set := tasking.fields_to_sync(p_entity_type);
    end if;
  elsif v_row is null then
    raise exception '% % does not exist', p_entity_type, p_entity_id
      using errcode = 'IM005', hint = 'drop the operation: the row was never here';
  end if;
  v_operation.op_id := p_op_id;
  v_operation.node_id := p_node_id;
  v_operation.user_id := v_user;
  v_operation.entity_type := p_entity_type;
  v_operation.entity_id := p_entity_id;
  v_operation.patch_enc := p_patch_enc;
  v_operation.vector_clock := p_vector_clock;
  v_operation.hlc_physical_us := p_hlc_physical_us;
  v_operation.hlc_logical := p_hlc_logical;
  v_known := tasking.known_operation(v_operation);
  if v_known.id is not null then
    return v_known;
  end if;
  if v_created then -- the rest is in the row
    v_patch := p_patch - array(select jsonb_object_keys(v_row -> 'field_clocks'));
  end if;

  select array_agg(f order by f) into v_unknown
  from jsonb_object_keys(v_patch) as f
  where f <> all (v_may_set);
  v_closed := tasking.why_closed(p_entity_type, v_row);
  if v_unknown is not null or v_closed is not null then
    v_operation.outcome := 'rejected';
    v_operation.conflict_fields := v_unknown;
    v_operation.resolution := coalesce(v_closed, 'not to be changed offline');
    return tasking.log_operation(v_operation);
  end if;

  select * into v_fields from tasking.sort_fields(v_row, v_patch, p_vector_clock, v_hlc);
  if 'status' = any (v_fields.applied) and not tasking.status_may_follow(v_row, v_patch ->> 'status') then
    v_fields.applied := array_remove(v_fields.applied, 'status');
    v_fields.conflicts := v_fields.conflicts || 'status'::text;
  end if;
  -- a reason without its move says nothing
  if v_patch ->> 'status' = 'cancelled' and 'status' <> all (v_fields.applied) then
    v_fields.applied := array_remove(v_fields.applied, 'cancel_reason');
  end if;
  if v_fields.applied <> '{}' then
    perform tasking.write_merged(v_row, v_operation, v_patch, v_fields.applied);
  end if;
  v_operation.outcome := case
    when v_fields.conflicts <> '{}' then 'conflict'
    when v_created or v_fields.applied <> '{}' then 'applied'
    when v_fields.superseded <> '{}' then 'superseded'
    else 'duplicate'
  end;
  v_operation.conflict_fields := nullif(v_fields.conflicts, '{}');
  v_operation.applied_at := case when v_created or v_fields.applied <> '{}' then now() end;
  return tasking.log_operation(v_operation);
end
$$;

comment on function tasking.merge_operation(uuid, text, text, uuid, jsonb, bytea, jsonb, bigint, int) is 'about=Merges a change made offline, once: the same op_id gets the same answer. p_patch: the fields and values that the device set; p_patch_enc: the same, encrypted, for the log; p_vector_clock: what the device had seen of the row, this write included. A task that is not there is made from a patch with title, category and department_id, which may also name patient_id, encounter_id, shift_id and requires_verification, and is moved to its status. The outcome says what became of it, conflict_fields what a person decides. IM003 no tenant, IM005 no such row, IM006 nobody is signed in, or another user gives the handover, IM011 the op_id or the tick was used for something else, IM753 the clock of the device is ahead.';

create function tasking.write_merged(
  p_row jsonb,
  p_operation tasking.sync_operations,
  p_patch jsonb,
  p_fields text[]
) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_now bigint := (extract(epoch from now()) * 1000000)::bigint;
  v_last bigint := greatest((p_row ->> 'hlc_physical_us')::bigint, p_operation.hlc_physical_us);
  v_logical int;
  v_values jsonb;
  v_clock jsonb := jsonb_build_object(
    'hlc', tasking.hlc_text(p_operation.hlc_physical_us, p_operation.hlc_logical, p_operation.node_id),
    'node', p_operation.node_id,
    'seq', coalesce((p_operation.vector_clock ->> p_operation.node_id)::bigint, 0)
  );
begin
  select jsonb_object_agg(f, p_patch -> f) into v_values from unnest(p_fields) as f;
  if 'status' = any (p_fields) then
    v_values := v_values || tasking.facts_of_move(
      p_row, p_patch ->> 'status', least(now(), to_timestamp(p_operation.hlc_physical_us / 1000000.0)),
      p_operation.user_id
    );
  end if;
  -- the row's clock passes both: max(now, row, device) + 1
  v_logical := case
    when v_now > v_last then 0
    else 1 + greatest(
      case when (p_row ->> 'hlc_physical_us')::bigint = v_last then (p_row ->> 'hlc_logical')::int end,
      case when p_operation.hlc_physical_us = v_last then p_operation.hlc_logical end
    )
  end;
  perform tasking.write_fields(
    p_operation.entity_type, p_row,
    v_values || jsonb_build_object(
      'hlc_physical_us', greatest(v_now, v_last), 'hlc_logical', v_logical, 'hlc_node', tasking.server_node(),
      'vector_clock', tasking.merge_vector_clocks(p_row -> 'vector_clock', p_operation.vector_clock),
      'field_clocks', p_row -> 'field_clocks' || (select jsonb_object_agg(f, v_clock) from unnest(p_fields) as f)
    )
  );
end
$$;

comment on function tasking.write_merged(jsonb, tasking.sync_operations, jsonb, text[]) is 'about=Writes the fields of an operation that stand, with their clocks; the clock of the row passes both its own and the device''s.';

create function tasking.log_operation(p_operation tasking.sync_operations) returns tasking.sync_operations
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_operation tasking.sync_operations;
begin
  insert into tasking.sync_operations (
    tenant_id, op_id, node_id, user_id, entity_type, entity_id, patch_enc, vector_clock, hlc_physical_us, hlc_logical,
    applied_at, outcome, conflict_fields, resolved_by, resolution, resolves_id
  )
  values (
    core.require_tenant(), p_operation.op_id, p_operation.node_id, p_operation.user_id, p_operation.entity_type,
    p_operation.entity_id, p_operation.patch_enc, p_operation.vector_clock, p_operation.hlc_physical_us,
    p_operation.hlc_logical, p_operation.applied_at, p_operation.outcome, p_operation.conflict_fields,
    p_operation.resolved_by, p_operation.resolution, p_operation.resolves_id
  )
  on conflict do nothing -- a copy came at the same moment: without a row to change nothing made them meet
  returning * into v_operation;
  if found then
    return v_operation;
  end if;
  return tasking.known_operation(p_operation);
end
$$;

comment on function tasking.log_operation(tasking.sync_operations) is 'about=Writes the row of an operation, or returns the one of its copy. IM011 as tasking.known_operation.';

create function tasking.resolve_conflict(
  p_operation_id uuid,
  p_values jsonb,
  p_values_enc bytea,
  p_resolution text
) returns tasking.sync_operations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_conflict tasking.sync_operations;
  v_row jsonb;
  v_values jsonb := p_values;
  v_decision tasking.sync_operations;
begin
  select o.* into v_conflict
  from tasking.sync_operations o
  where o.tenant_id = v_tenant and o.id = p_operation_id and o.outcome = 'conflict';
  if not found then
    raise exception 'conflict % does not exist', p_operation_id
      using errcode = 'IM005', hint = 'choose a row of tasking.open_conflicts';
  end if;
  v_row := tasking.lock_entity(v_conflict.entity_type, v_conflict.entity_id);
  select o.* into v_decision
  from tasking.sync_operations o
  where o.tenant_id = v_tenant and o.resolves_id = p_operation_id;
  if found then
    return v_decision;
  end if;
  perform tasking.require_reason(p_resolution, 'the decision on conflict ' || p_operation_id);
  if exists (select from jsonb_object_keys(p_values) as f where f <> all (v_conflict.conflict_fields)) then
    raise exception 'conflict % is about other fields', p_operation_id
      using errcode = '22023', hint = 'decide only on its conflict_fields; {} keeps what is there';
  end if;

  if p_values <> '{}' then
    if p_values ? 'status' then
      v_values := v_values || tasking.facts_of_move(v_row, p_values ->> 'status', now(), tasking.acting_user_id());
      if p_values ->> 'status' = 'cancelled' then
        v_values := v_values || jsonb_build_object('cancel_reason', p_resolution);
      end if;
    end if;
    perform tasking.write_fields(v_conflict.entity_type, v_row, v_values); -- a write of this server: the trigger keeps the clocks
  end if;
  v_row := tasking.lock_entity(v_conflict.entity_type, v_conflict.entity_id);
  v_decision.op_id := core.uuid_v7();
  v_decision.node_id := tasking.server_node();
  v_decision.user_id := tasking.acting_user_id();
  v_decision.entity_type := v_conflict.entity_type;
  v_decision.entity_id := v_conflict.entity_id;
  v_decision.patch_enc := p_values_enc;
  v_decision.vector_clock := v_row -> 'vector_clock';
  v_decision.hlc_physical_us := (extract(epoch from clock_timestamp()) * 1000000)::bigint;
  v_decision.hlc_logical := 0;
  v_decision.outcome := case when p_values = '{}' then 'superseded' else 'applied' end;
  v_decision.applied_at := case when p_values <> '{}' then now() end;
  v_decision.resolved_by := v_decision.user_id;
  v_decision.resolution := p_resolution;
  v_decision.resolves_id := p_operation_id;
  return tasking.log_operation(v_decision);
end
$$;

comment on function tasking.resolve_conflict(uuid, jsonb, bytea, text) is 'about=A person decides a conflict: p_values are the values of its conflict_fields that shall stand ({} keeps what is there), p_values_enc the same encrypted for the log. Decided once; asked again, the first decision is returned. IM001 the state machine has no such move, IM002 no p_resolution, IM005 no such conflict, IM006 nobody is signed in.';
