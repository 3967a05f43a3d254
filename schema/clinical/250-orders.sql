-- Orders. The services that carry them out (laboratory, imaging, blood) complete them.

create function clinical.lock_order(p_order_id uuid) returns clinical.service_requests
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_order clinical.service_requests;
begin
  select o.* into v_order
  from clinical.service_requests o
  where o.tenant_id = core.require_tenant() and o.id = p_order_id
  for no key update;
  if not found then
    raise exception 'order % does not exist', p_order_id
      using errcode = 'IM005', hint = 'take the id from clinical.open_orders';
  end if;
  return v_order;
end
$$;

comment on function clinical.lock_order(uuid) is 'about=An order of the tenant, locked. IM003 no tenant, IM005 no such order.';

create function clinical.place_order(
  p_encounter_id uuid,
  p_category text,
  p_code_system text,
  p_code text,
  p_display text,
  p_priority text default 'routine',
  p_instructions text default null,
  p_target_department_id uuid default null,
  p_occurrence_at timestamptz default null,
  p_details jsonb default '{}',
  p_id uuid default null
) returns clinical.service_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_encounter clinical.encounters := clinical.lock_encounter(p_encounter_id);
  v_id uuid := coalesce(p_id, core.uuid_v7());
  v_order clinical.service_requests;
begin
  select o.* into v_order
  from clinical.service_requests o
  where o.tenant_id = v_encounter.tenant_id and o.id = v_id;
  if found then
    if v_order.encounter_id <> p_encounter_id then
      raise exception 'order % belongs to another encounter', v_id
        using errcode = 'IM011', hint = 'choose a new id for a new order';
    end if;
    return v_order; -- sent again
  end if;
  if v_encounter.status not in ('planned', 'arrived', 'triaged', 'in_progress', 'on_leave') then
    raise exception 'encounter % is %', p_encounter_id, v_encounter.status
      using errcode = 'IM001', hint = 'orders are placed before the encounter is over';
  end if;
  insert into clinical.service_requests (
    tenant_id, id, order_number, patient_id, encounter_id, category, code_system, code, display, intent, priority,
    requester_id, occurrence_at, recurrence, reason_code, instructions, target_department_id, referral_to, group_id
  )
  values (
    v_encounter.tenant_id, v_id, core.next_default_number('order', '', 'ORD-{YY}-'), v_encounter.patient_id,
    p_encounter_id, p_category, p_code_system, p_code, p_display, coalesce(p_details ->> 'intent', 'order'), p_priority,
    workforce.acting_staff_id(), p_occurrence_at, p_details -> 'recurrence', p_details ->> 'reason_code', p_instructions,
    p_target_department_id, p_details ->> 'referral_to', (p_details ->> 'group_id')::uuid
  );
  update clinical.service_requests o
  set status = 'active'
  where o.tenant_id = v_encounter.tenant_id and o.id = v_id
  returning o.* into v_order;
  return v_order;
end
$$;

comment on function clinical.place_order(uuid, text, text, text, text, text, text, uuid, timestamptz, jsonb, uuid) is 'about=Places an active order of the member of staff who is signed in; p_details may carry intent, recurrence, reason_code, referral_to, group_id. An id that the caller chose is placed once. IM001 the encounter is over, IM005 no such encounter, IM006 the user is no member of staff, IM011 the id is of another encounter''s order.';

create function clinical.hold_order(p_order_id uuid, p_reason text) returns clinical.service_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_order clinical.service_requests := clinical.lock_order(p_order_id);
begin
  if v_order.status = 'on_hold' then
    return v_order;
  end if;
  perform clinical.require_reason(p_reason, 'holding an order');
  update clinical.service_requests o
  set status = 'on_hold', hold_reason = p_reason
  where o.tenant_id = v_order.tenant_id and o.id = p_order_id
  returning o.* into v_order;
  return v_order;
end
$$;

comment on function clinical.hold_order(uuid, text) is 'about=An active order waits. IM001 not active, IM002 no reason, IM005 no such order.';

create function clinical.resume_order(p_order_id uuid) returns clinical.service_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_order clinical.service_requests := clinical.lock_order(p_order_id);
begin
  if v_order.status = 'active' then
    return v_order;
  end if;
  if v_order.status <> 'on_hold' then
    raise exception 'order % is %', p_order_id, v_order.status
      using errcode = 'IM001', hint = 'only an order on hold is resumed';
  end if;
  update clinical.service_requests o
  set status = 'active', hold_reason = null
  where o.tenant_id = v_order.tenant_id and o.id = p_order_id
  returning o.* into v_order;
  return v_order;
end
$$;

comment on function clinical.resume_order(uuid) is 'about=An order on hold is active again. IM001 not on hold, IM005 no such order.';

create function clinical.complete_order(p_order_id uuid) returns clinical.service_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_order clinical.service_requests := clinical.lock_order(p_order_id);
begin
  if v_order.status = 'completed' then
    return v_order;
  end if;
  update clinical.service_requests o
  set status = 'completed'
  where o.tenant_id = v_order.tenant_id and o.id = p_order_id
  returning o.* into v_order;
  return v_order;
end
$$;

comment on function clinical.complete_order(uuid) is 'about=What was ordered is done. IM001 not active, IM005 no such order.';

create function clinical.revoke_order(p_order_id uuid, p_reason text) returns clinical.service_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_order clinical.service_requests := clinical.lock_order(p_order_id);
begin
  if v_order.status = 'revoked' then
    return v_order;
  end if;
  perform clinical.require_reason(p_reason, 'revoking an order');
  update clinical.service_requests o
  set status = 'revoked', revoke_reason = p_reason
  where o.tenant_id = v_order.tenant_id and o.id = p_order_id
  returning o.* into v_order;
  return v_order;
end
$$;

comment on function clinical.revoke_order(uuid, text) is 'about=An order that is active or on hold is not carried out. IM001 completed or cancelled, IM002 no reason, IM005 no such order.';
