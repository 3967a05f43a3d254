-- A ward asks its store: requested, approved by somebody else, issued first expired first out, received.

create function inventory.lock_indent(p_indent_id uuid) returns inventory.indents
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_indent inventory.indents;
begin
  select i.* into v_indent
  from inventory.indents i
  where i.tenant_id = v_tenant and i.id = p_indent_id
  for no key update;
  if not found then
    raise exception 'indent % does not exist', p_indent_id
      using errcode = 'IM005', hint = 'choose an indent of the tenant';
  end if;
  return v_indent;
end
$$;

comment on function inventory.lock_indent(uuid) is 'about=The indent, locked until the transaction ends. IM005 no such indent.';

create function inventory.set_indent_status(p_indent inventory.indents, p_status text) returns inventory.indents
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_indent inventory.indents;
begin
  update inventory.indents i
  set status = p_status
  where i.tenant_id = p_indent.tenant_id and i.id = p_indent.id
  returning i.* into v_indent;
  return v_indent;
end
$$;

comment on function inventory.set_indent_status(inventory.indents, text) is 'about=Moves a locked indent. IM001 the state machine has no such move, IM002 the move needs a reason.';

create function inventory.request_indent(
  p_id uuid,
  p_from_location_id uuid,
  p_to_location_id uuid,
  p_lines jsonb,
  p_priority text default 'routine',
  p_needed_by timestamptz default null
) returns inventory.indents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_indent inventory.indents;
  v_line record;
begin
  select i.* into v_indent
  from inventory.indents i
  where i.tenant_id = v_tenant and i.id = p_id;
  if found then
    return v_indent;
  end if;
  if jsonb_typeof(p_lines) is distinct from 'array' or jsonb_array_length(p_lines) = 0 then
    raise exception 'an indent has at least one line'
      using errcode = '22023', hint = 'pass p_lines as [{"item_id", "quantity"}]';
  end if;
  perform inventory.store_today(p_from_location_id), inventory.store_today(p_to_location_id); -- IM005
  insert into inventory.indents as i (
    tenant_id, id, indent_number, from_location_id, to_location_id, requested_by, needed_by, priority
  )
  values (
    v_tenant, p_id, core.next_default_number('indent', '', 'IND-{YY}-'), p_from_location_id, p_to_location_id,
    workforce.acting_staff_id(), p_needed_by, p_priority
  )
  on conflict (tenant_id, id) do nothing
  returning i.* into v_indent;
  if not found then -- the same request came twice at the same time
    return inventory.lock_indent(p_id);
  end if;
  for v_line in
    select l.ordinality as line_no, (l.value ->> 'item_id')::uuid as item_id, (l.value ->> 'quantity')::numeric as quantity
    from jsonb_array_elements(p_lines) with ordinality l
  loop
    insert into inventory.indent_items (tenant_id, indent_id, line_no, item_id, requested_qty)
    values (v_tenant, p_id, v_line.line_no, v_line.item_id, v_line.quantity);
  end loop;
  return inventory.set_indent_status(v_indent, 'submitted');
end
$$;

comment on function inventory.request_indent(uuid, uuid, uuid, jsonb, text, timestamptz) is 'about=Asks a store for goods, with the id that the client chose: p_lines [{item_id, quantity}], an item once; the indent waits for approval. The same id again: the same indent. 22023 no lines, IM005 no such place, IM006 the user is no member of staff.';

create function inventory.decide_indent(
  p_indent_id uuid,
  p_approve boolean,
  p_lines jsonb default null,
  p_reason text default null
) returns inventory.indents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_indent inventory.indents := inventory.lock_indent(p_indent_id);
  v_approver uuid := workforce.acting_staff_id();
  v_status text := case when p_approve then 'approved' else 'rejected' end;
begin
  if v_indent.status = v_status then
    return v_indent;
  end if;
  if v_approver = v_indent.requested_by then
    raise exception 'indent % is decided by somebody who did not ask for it', p_indent_id
      using errcode = 'IM506', hint = 'ask another member of staff';
  end if;
  if not p_approve then
    perform core.set_reason(p_reason);
  end if;
  update inventory.indents i
  set status = v_status, approved_by = v_approver
  where i.tenant_id = v_indent.tenant_id and i.id = v_indent.id
  returning i.* into v_indent;
  if p_approve then
    update inventory.indent_items l
    set approved_qty = case
      when p_lines is null then l.requested_qty
      else coalesce(
        (
          select (a.value ->> 'quantity')::numeric
          from jsonb_array_elements(p_lines) a
          where (a.value ->> 'item_id')::uuid = l.item_id
        ),
        0
      )
    end
    where l.tenant_id = v_indent.tenant_id and l.indent_id = v_indent.id;
  end if;
  return v_indent;
end
$$;

comment on function inventory.decide_indent(uuid, boolean, jsonb, text) is 'about=Approves an indent, whole or with the quantities of p_lines [{item_id, quantity}] (items that are not named get nothing), or rejects it. The signed-in user must not be the one who asked. IM001 not submitted, IM002 rejected without a reason, IM005 no such indent, IM506 the one who asked.';

create function inventory.cancel_indent(p_indent_id uuid, p_reason text) returns inventory.indents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_indent inventory.indents := inventory.lock_indent(p_indent_id);
begin
  if v_indent.status in ('cancelled', 'closed_short') then
    return v_indent;
  end if;
  perform core.set_reason(p_reason);
  return inventory.set_indent_status(
    v_indent, case v_indent.status when 'partially_issued' then 'closed_short' else 'cancelled' end
  );
end
$$;

comment on function inventory.cancel_indent(uuid, text) is 'about=Cancels an indent of which nothing was issued, or closes one short whose rest will not come. IM001 issued or finished, IM002 no reason, IM005 no such indent.';

create function inventory.issue_line(
  p_indent inventory.indents,
  p_line inventory.indent_items,
  p_quantity numeric
) returns setof inventory.stock_movements
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_part int;
  v_reservation inventory.stock_reservations;
  v_wanted inventory.stock_movements;
  v_issued numeric := 0;
begin
  select coalesce(max(m.part), 0) + 1 into v_part
  from inventory.stock_movements m
  where m.tenant_id = p_line.tenant_id and m.ref_type = 'indent_item' and m.ref_id = p_line.id;
  for v_reservation in
    select r.*
    from inventory.reserve_fefo(
      p_indent.from_location_id, p_line.item_id, p_quantity, 'indent_item', p_line.id, p_partial => true
    ) r
  loop
    v_wanted := null;
    v_wanted.tenant_id := p_line.tenant_id;
    v_wanted.kind := 'transfer_out';
    v_wanted.quantity := -v_reservation.quantity;
    v_wanted.ref_type := 'indent_item';
    v_wanted.ref_id := p_line.id;
    v_wanted.part := v_part;
    v_wanted.idempotency_key := 'indent_out:' || v_reservation.id;
    return next inventory.take_reserved(v_reservation, v_wanted);
    v_issued := v_issued + v_reservation.quantity;
  end loop;
  update inventory.indent_items l
  set issued_qty = l.issued_qty + v_issued
  where l.tenant_id = p_line.tenant_id and l.id = p_line.id;
end
$$;

comment on function inventory.issue_line(inventory.indents, inventory.indent_items, numeric) is 'about=Takes up to a quantity of a line''s item out of the store, the batches that expire first, and returns the movements.';

create function inventory.issue_indent(p_indent_id uuid, p_idempotency_key text, p_lines jsonb default null)
  returns setof inventory.stock_movements
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_claim record;
  v_indent inventory.indents;
  v_line inventory.indent_items;
  v_movement inventory.stock_movements;
  v_quantity numeric;
  v_ids uuid[] := '{}';
begin
  v_claim := core.idempotent_begin(
    'inventory.issue_indent', p_idempotency_key,
    sha256(convert_to(concat_ws('|', p_indent_id, p_lines), 'UTF8'))
  );
  if v_claim.state = 'done' then
    v_ids := array(select (i.value #>> '{}')::uuid from jsonb_array_elements(v_claim.response) i);
    return query
    select m.*
    from inventory.stock_movements m
    where m.tenant_id = v_tenant and m.id = any (v_ids)
    order by array_position(v_ids, m.id);
    return;
  end if;
  v_indent := inventory.lock_indent(p_indent_id);
  if v_indent.status not in ('approved', 'partially_issued') then
    raise exception 'indent % is %', p_indent_id, v_indent.status
      using errcode = 'IM001', hint = 'only an approved or partially issued indent is issued';
  end if;

  for v_line in
    select l.*
    from inventory.indent_items l
    where l.tenant_id = v_tenant and l.indent_id = p_indent_id and l.issued_qty < l.approved_qty
    order by l.item_id -- the order in which balances are locked
  loop
    v_quantity := v_line.approved_qty - v_line.issued_qty;
    if p_lines is not null then
      select least(v_quantity, (a.value ->> 'quantity')::numeric) into v_quantity
      from jsonb_array_elements(p_lines) a
      where (a.value ->> 'item_id')::uuid = v_line.item_id;
    end if;
    continue when coalesce(v_quantity, 0) <= 0;
    for v_movement in select m.* from inventory.issue_line(v_indent, v_line, v_quantity) m
    loop
      v_ids := v_ids || v_movement.id;
      return next v_movement;
    end loop;
  end loop;
  if cardinality(v_ids) = 0 then
    raise exception 'store % has nothing for indent %', v_indent.from_location_id, p_indent_id
      using errcode = 'IM500', hint = 'order goods, or close the indent short with inventory.cancel_indent';
  end if;

  perform inventory.set_indent_status(
    v_indent,
    case
      when exists (
        select
        from inventory.indent_items l
        where l.tenant_id = v_tenant and l.indent_id = p_indent_id and l.issued_qty < l.approved_qty
      )
      then 'partially_issued'
      else 'issued'
    end
  );
  perform core.idempotent_finish('inventory.issue_indent', p_idempotency_key, to_jsonb(v_ids));
end
$$;

comment on function inventory.issue_indent(uuid, text, jsonb) is 'about=Takes what is approved and not issued yet out of the store, first expired first, as much as there is, or the quantities of p_lines [{item_id, quantity}]; returns the movements (transfer_out). The goods are on their way until they are received. Same key, same answer. IM001 not approved, IM005 no such indent, IM010, IM011, IM500 nothing is there.';

create function inventory.receive_indent(p_indent_id uuid, p_lines jsonb default null)
  returns setof inventory.stock_movements
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_indent inventory.indents := inventory.lock_indent(p_indent_id);
  v_out inventory.stock_movements;
  v_quantity numeric;
  v_wanted inventory.stock_movements;
begin
  if v_indent.status not in ('partially_issued', 'issued', 'received', 'closed_short') then
    raise exception 'indent % is %: nothing of it was issued', p_indent_id, v_indent.status
      using errcode = 'IM001', hint = 'issue it first';
  end if;
  for v_out in
    select m.*
    from inventory.stock_movements m
    join inventory.indent_items l on l.tenant_id = m.tenant_id and l.id = m.ref_id
    join inventory.batches b on b.tenant_id = m.tenant_id and b.id = m.batch_id
    where
      m.tenant_id = v_tenant and m.ref_type = 'indent_item' and m.kind = 'transfer_out' and l.indent_id = p_indent_id
      and v_indent.status <> 'received'
      and not exists (
        select
        from inventory.stock_movements r
        where r.tenant_id = v_tenant and r.counter_movement_id = m.id
      )
    order by m.item_id, b.expiry_on, m.batch_id, m.part
  loop
    v_quantity := -v_out.quantity;
    if p_lines is not null then
      select least(v_quantity, (a.value ->> 'quantity')::numeric) into v_quantity
      from jsonb_array_elements(p_lines) a
      where (a.value ->> 'movement_id')::uuid = v_out.id;
    end if;
    continue when coalesce(v_quantity, 0) <= 0; -- nothing of it arrived
    v_wanted := null;
    v_wanted.tenant_id := v_tenant;
    v_wanted.kind := 'transfer_in';
    v_wanted.quantity := v_quantity;
    v_wanted.ref_type := 'indent_item';
    v_wanted.ref_id := v_out.ref_id;
    v_wanted.part := v_out.part;
    v_wanted.counter_movement_id := v_out.id;
    v_wanted.idempotency_key := 'indent_in:' || v_out.id;
    perform inventory.write_movement(
      v_wanted, inventory.lock_balance(v_tenant, v_indent.to_location_id, v_out.batch_id, true)
    );
    update inventory.indent_items l
    set received_qty = l.received_qty + v_quantity
    where l.tenant_id = v_tenant and l.id = v_out.ref_id;
  end loop;
  if v_indent.status = 'issued' then
    perform inventory.set_indent_status(v_indent, 'received');
  end if;
  return query
  select m.*
  from inventory.stock_movements m
  join inventory.indent_items l on l.tenant_id = m.tenant_id and l.id = m.ref_id
  where
    m.tenant_id = v_tenant and m.ref_type = 'indent_item' and m.kind = 'transfer_in' and l.indent_id = p_indent_id
  order by m.moved_at, m.id;
end
$$;

comment on function inventory.receive_indent(uuid, jsonb) is 'about=Puts what was issued into the stock of the place that asked, all of it or the quantities of p_lines [{movement_id, quantity}]; what is missing stays visible as issued_qty - received_qty. Returns all receipts of the indent; repeated, nothing more is added. IM001 nothing was issued, IM005 no such indent.';
