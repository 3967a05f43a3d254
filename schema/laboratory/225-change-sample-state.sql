-- The life of a sample: one function moves it, and writes one event a move in the same transaction.

create function laboratory.move_sample(
  p_sample laboratory.samples,
  p_to laboratory.sample_status,
  p_actor_id uuid default null,
  p_location_id uuid default null,
  p_reason_code text default null,
  p_temperature_c numeric default null,
  p_client_op_id uuid default null,
  p_occurred_at timestamptz default null,
  p_details jsonb default '{}'
) returns laboratory.sample_events
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_sample laboratory.samples := p_sample;
  v_at timestamptz := coalesce(p_occurred_at, now());
  v_last timestamptz;
  v_actor_id uuid := coalesce(p_actor_id, workforce.acting_staff_id());
  v_event laboratory.sample_events;
begin
  if not exists (
    select
    from core.transition_rules r
    where r.machine = 'laboratory.samples' and r.from_state = p_sample.status::text and r.to_state = p_to::text
  ) then
    raise exception 'sample % cannot go from "%" to "%"', p_sample.id, p_sample.status, p_to
      using errcode = 'IM300', hint = 'core.transition_rules lists the moves of laboratory.samples';
  end if;
  -- a sample may be taken before anybody planned it; from then on time goes forward
  if p_to <> 'collected' then
    select pg_catalog.max(e.occurred_at) into v_last
    from laboratory.sample_events e
    where e.tenant_id = p_sample.tenant_id and e.sample_id = p_sample.id and e.to_status <> 'planned';
  end if;
  if p_occurred_at is null then -- this transaction may have begun before the one that it waited for: the order is kept
    v_at := greatest(v_at, v_last + interval '1 microsecond');
  elsif p_occurred_at > now() + interval '5 minutes' or p_occurred_at < v_last then
    raise exception 'sample % cannot become "%" at that time', p_sample.id, p_to
      using errcode = 'IM300', hint = 'the time lies in the future, or before the last event of the sample';
  end if;

  v_sample.status := p_to;
  case p_to
    when 'collected' then
      if coalesce(p_details ->> 'patient_id_check', 'not_done') = 'not_done' then
        raise exception 'the patient of sample % was not identified', p_sample.id
          using errcode = 'IM302', hint = 'check two identifiers at the bedside, then collect';
      end if;
      v_sample.patient_id_check := p_details ->> 'patient_id_check';
      v_sample.collected_at := v_at;
      v_sample.collected_by := v_actor_id;
      v_sample.collection_location_id := p_location_id;
      v_sample.volume_ml := (p_details ->> 'volume_ml')::numeric;
      v_sample.body_site := p_details ->> 'body_site';
      v_sample.collection_method := p_details ->> 'collection_method';
    when 'in_transit' then
      v_sample.shipment_ref := p_details ->> 'shipment_ref';
      v_sample.shipped_at := v_at;
    when 'received' then
      v_sample.received_at := v_at;
      v_sample.received_by := v_actor_id;
      v_sample.accepted_with_exception := p_details ->> 'accepted_with_exception';
      v_sample.receipt_condition := laboratory.condition_on_receipt(
        v_sample, coalesce(p_details ->> 'receipt_condition', 'good'), p_temperature_c
      );
    when 'rejected', 'lost' then
      if p_reason_code is null then
        raise exception 'sample % needs a coded reason to be %', p_sample.id, p_to
          using errcode = 'IM301', hint = 'send the reason code';
      end if;
      if p_to = 'rejected' then
        v_sample.rejection_reason_code := p_reason_code;
        v_sample.rejected_by := v_actor_id;
        v_sample.rejected_at := v_at;
        v_sample.receipt_condition := coalesce(p_details ->> 'receipt_condition', v_sample.receipt_condition);
      end if;
    when 'stored' then
      v_sample.storage_location_id := p_location_id;
      v_sample.storage_position := p_details ->> 'storage_position';
      v_sample.retain_until := coalesce(
        (p_details ->> 'retain_until')::date, v_sample.retain_until,
        (v_at at time zone core.tenant_zone())::date + coalesce((core.setting('laboratory.retain_days') #>> '{}')::int, 7)
      );
    when 'disposed' then
      -- a hold that is being placed is waited for
      perform pg_catalog.pg_advisory_xact_lock_shared(compliance.holds_lock_key(p_sample.tenant_id));
      if compliance.is_under_hold('laboratory', 'samples', p_sample.id, p_sample.patient_id) then
        raise exception 'sample % is under a legal hold', p_sample.id
          using errcode = 'IM007', hint = 'keep it until the hold is lifted';
      end if;
      if v_sample.retain_until > core.tenant_today() and p_reason_code is null then
        raise exception 'sample % is to be kept until %', p_sample.id, v_sample.retain_until
          using errcode = 'IM002', hint = 'wait, or send the reason code of the early disposal';
      end if;
      v_sample.disposed_at := v_at;
      v_sample.disposed_by := v_actor_id;
    else
      null;
  end case;

  if p_reason_code is not null then
    perform core.set_reason(p_reason_code);
  end if;
  update laboratory.samples s
  set
    status = v_sample.status, patient_id_check = v_sample.patient_id_check, collected_at = v_sample.collected_at,
    collected_by = v_sample.collected_by, collection_location_id = v_sample.collection_location_id,
    volume_ml = v_sample.volume_ml, body_site = v_sample.body_site, collection_method = v_sample.collection_method,
    shipment_ref = v_sample.shipment_ref, shipped_at = v_sample.shipped_at, received_at = v_sample.received_at,
    received_by = v_sample.received_by, receipt_condition = v_sample.receipt_condition,
    accepted_with_exception = v_sample.accepted_with_exception,
    rejection_reason_code = v_sample.rejection_reason_code, rejected_by = v_sample.rejected_by,
    rejected_at = v_sample.rejected_at, storage_location_id = v_sample.storage_location_id,
    storage_position = v_sample.storage_position, retain_until = v_sample.retain_until,
    disposed_at = v_sample.disposed_at, disposed_by = v_sample.disposed_by
  where s.tenant_id = p_sample.tenant_id and s.id = p_sample.id;
  insert into laboratory.sample_events (
    tenant_id, sample_id, occurred_at, from_status, to_status, actor_id, location_id, temperature_c, transport_box,
    reason_code, note, device_id, client_op_id
  )
  values (
    p_sample.tenant_id, p_sample.id, v_at, p_sample.status, p_to, v_actor_id, p_location_id, p_temperature_c,
    p_details ->> 'transport_box', p_reason_code, p_details ->> 'note', (p_details ->> 'device_id')::uuid, p_client_op_id
  )
  returning * into v_event;
  perform laboratory.follow_sample(v_sample, p_reason_code);
  return v_event;
end
$$;

comment on function laboratory.move_sample(laboratory.samples, laboratory.sample_status, uuid, uuid, text, numeric, uuid, timestamptz, jsonb) is 'about=Moves a sample that the caller has locked: checks the move, fills in what the new state records, writes the event and lets the order items follow. Codes as laboratory.change_sample_state.';

create function laboratory.condition_on_receipt(
  p_sample laboratory.samples,
  p_condition text,
  p_temperature_c numeric
) returns text
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_limits jsonb := coalesce(
    core.setting('laboratory.transport_limits'), '{"ambient": [15, 30], "refrigerated": [2, 8], "frozen": [-90, -15]}'
  );
  v_age_hours numeric := extract(epoch from p_sample.received_at - p_sample.collected_at) / 3600;
  v_flaw text;
begin
  select
    case
      when v_age_hours > t.stability_hours then 'delayed'
      when p_temperature_c not between (v_limits -> t.transport_temp ->> 0)::numeric and (v_limits -> t.transport_temp ->> 1)::numeric
        then 'temperature_breach'
    end
  into v_flaw
  from laboratory.lab_order_items i
  join laboratory.lab_tests t on t.id = i.test_id
  where i.tenant_id = p_sample.tenant_id and i.sample_id = p_sample.id and i.status <> 'cancelled'
  order by 1 nulls last
  limit 1;
  if v_flaw is not null and p_sample.accepted_with_exception is null then
    raise exception 'sample % does not keep the limits of its tests: %', p_sample.id, v_flaw
      using errcode = 'IM305', hint = 'reject it, or say in accepted_with_exception why it is accepted';
  end if;
  return case when p_condition = 'good' and v_flaw is not null then v_flaw else p_condition end;
end
$$;

comment on function laboratory.condition_on_receipt(laboratory.samples, text, numeric) is 'about=The condition of a received sample: what was seen, or delayed or temperature_breach when a test''s stability or transport limits (setting laboratory.transport_limits) are not kept. IM305 they are not, and no exception is stated.';

create function laboratory.follow_sample(p_sample laboratory.samples, p_reason_code text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := p_sample.tenant_id;
  -- tests are ordered on the primary sample, whichever aliquot they are made from
  v_sample_id uuid := coalesce(p_sample.parent_sample_id, p_sample.id);
begin
  case p_sample.status
    when 'collected' then
      update laboratory.lab_order_items i
      set status = 'sampled'
      where i.tenant_id = v_tenant and i.sample_id = v_sample_id and i.status in ('ordered', 'recollect');
      perform laboratory.settle_order(p_sample.order_id);
    when 'in_process' then
      update laboratory.lab_order_items i
      set status = 'in_process'
      where i.tenant_id = v_tenant and i.sample_id = v_sample_id and i.status = 'sampled';
    when 'rejected', 'lost' then
      -- a spoilt aliquot is replaced by another one of its sample
      if p_sample.parent_sample_id is null then
        perform laboratory.recollect(p_sample, p_reason_code);
      end if;
    when 'cancelled' then
      if exists (
        select
        from laboratory.lab_order_items i
        where i.tenant_id = v_tenant and i.sample_id = v_sample_id and i.status = 'recollect'
      ) then
        raise exception 'tests wait for sample %', p_sample.id
          using errcode = 'IM300', hint = 'cancel the order items instead';
      end if;
      update laboratory.lab_order_items i
      set sample_id = null
      where i.tenant_id = v_tenant and i.sample_id = v_sample_id and i.status = 'ordered';
    else
      null;
  end case;
end
$$;

comment on function laboratory.follow_sample(laboratory.samples, text) is 'about=After a move of a sample: its order items and the order follow. IM300 a planned sample that is still needed cannot be cancelled.';

create function laboratory.recollect(p_sample laboratory.samples, p_reason_code text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := p_sample.tenant_id;
  v_item_id uuid;
  v_items uuid[];
  v_new laboratory.samples;
begin
  select pg_catalog.array_agg(i.id order by i.id) into v_items
  from laboratory.lab_order_items i
  where
    i.tenant_id = v_tenant and i.sample_id = p_sample.id
    and i.status in ('sampled', 'in_process', 'resulted', 'verified');
  if v_items is null then -- nothing waits for it any more
    return;
  end if;
  foreach v_item_id in array v_items loop
    perform laboratory.drop_results(v_item_id, p_reason_code);
  end loop;
  v_new := laboratory.add_sample(
    laboratory.lock_order(p_sample.order_id), p_sample.specimen_type, p_sample.container, null, p_sample.id
  );
  update laboratory.lab_order_items i
  set status = 'recollect', sample_id = v_new.id
  where i.tenant_id = v_tenant and i.id = any (v_items);
end
$$;

comment on function laboratory.recollect(laboratory.samples, text) is 'about=After a primary sample was rejected or lost: results of it that are not released are dropped, and a planned sample takes its place in the open tests.';

create function laboratory.change_sample_state(
  p_sample_id uuid,
  p_to laboratory.sample_status,
  p_actor_id uuid default null,
  p_location_id uuid default null,
  p_reason_code text default null,
  p_temperature_c numeric default null,
  p_client_op_id uuid default null,
  p_occurred_at timestamptz default null,
  p_details jsonb default '{}'
) returns laboratory.sample_events
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_known constant text[] := array[
    'patient_id_check', 'volume_ml', 'body_site', 'collection_method', 'shipment_ref', 'transport_box',
    'receipt_condition', 'accepted_with_exception', 'storage_position', 'retain_until', 'note', 'device_id'
  ];
  v_sample laboratory.samples := laboratory.lock_sample(p_sample_id);
  v_event laboratory.sample_events;
begin
  if p_client_op_id is not null then
    select e.* into v_event
    from laboratory.sample_events e
    where e.tenant_id = v_tenant and e.client_op_id = p_client_op_id;
    if found then
      if v_event.sample_id is distinct from p_sample_id or v_event.to_status is distinct from p_to::text then
        raise exception 'operation % was another move', p_client_op_id
          using errcode = 'IM011', hint = 'give each move an id of its own';
      end if;
      return v_event;
    end if;
  elsif v_sample.status = p_to then
    -- without an id of the call: whoever comes second is told how it came about
    select e.* into v_event
    from laboratory.sample_events e
    where e.tenant_id = v_tenant and e.sample_id = p_sample_id and e.to_status = p_to::text
    order by e.occurred_at desc, e.id desc
    limit 1;
    return v_event;
  end if;
  if p_details - v_known <> '{}' then
    raise exception 'unknown details of a move of sample %', p_sample_id
      using errcode = '22023', hint = 'known: ' || pg_catalog.array_to_string(v_known, ', ');
  end if;
  if p_to = 'aliquoted' then
    raise exception 'sample % is divided by laboratory.create_aliquots', p_sample_id
      using errcode = 'IM300', hint = 'call it with the volumes';
  end if;
  return laboratory.move_sample(
    v_sample, p_to, p_actor_id, p_location_id, p_reason_code, p_temperature_c, p_client_op_id, p_occurred_at, p_details
  );
end
$$;

comment on function laboratory.change_sample_state(uuid, laboratory.sample_status, uuid, uuid, text, numeric, uuid, timestamptz, jsonb) is 'about=Moves a sample and returns the event of the move. Actor: the signed-in member of staff unless another is named. p_details by state: collected patient_id_check, volume_ml, body_site, collection_method; in_transit shipment_ref, transport_box; received receipt_condition, accepted_with_exception; stored storage_position, retain_until; always note, device_id. A rejected or lost sample is replaced by a planned one and its open tests wait for it. The same p_client_op_id again, or the same state without one, returns the first event. IM002 disposed too early without a reason, IM005 no such sample, IM006 no member of staff, IM007 legal hold, IM011 id used for another move, IM300 no such move, IM301 no coded reason, IM302 patient not identified, IM305 limits of the tests not kept.';
