-- Orders to suppliers: drafted, submitted, approved by somebody else, sent. The client chooses the id of an order, so that
-- a request that is sent twice makes one.

create function inventory.lock_purchase_order(p_po_id uuid) returns inventory.purchase_orders
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_order inventory.purchase_orders;
begin
  select o.* into v_order
  from inventory.purchase_orders o
  where o.tenant_id = v_tenant and o.id = p_po_id
  for no key update;
  if not found then
    raise exception 'purchase order % does not exist', p_po_id
      using errcode = 'IM005', hint = 'choose an order of the tenant';
  end if;
  return v_order;
end
$$;

comment on function inventory.lock_purchase_order(uuid) is 'about=The order, locked until the transaction ends. IM005 no such order.';

create function inventory.set_purchase_order_status(p_order inventory.purchase_orders, p_status text, p_reason text default null)
  returns inventory.purchase_orders
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_order inventory.purchase_orders;
begin
  if p_reason is not null then
    perform core.set_reason(p_reason);
  end if;
  update inventory.purchase_orders o
  set status = p_status
  where o.tenant_id = p_order.tenant_id and o.id = p_order.id
  returning o.* into v_order;
  return v_order;
end
$$;

comment on function inventory.set_purchase_order_status(inventory.purchase_orders, text, text) is 'about=Moves a locked order. IM001 the state machine has no such move, IM002 the move needs a reason.';

create function inventory.require_supplier(p_supplier_id uuid) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (
    select
    from inventory.suppliers s
    where s.tenant_id = core.require_tenant() and s.id = p_supplier_id and s.deleted_at is null
  ) then
    raise exception 'supplier % does not exist', p_supplier_id
      using errcode = 'IM005', hint = 'choose a supplier of the tenant';
  end if;
end
$$;

comment on function inventory.require_supplier(uuid) is 'about=Passes when the tenant has the supplier. IM005 no such supplier.';

create function inventory.check_supplier(p_order inventory.purchase_orders) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_supplier record;
begin
  select s.status, s.licence_valid_to, s.drug_licence_no into v_supplier
  from inventory.suppliers s
  where s.tenant_id = p_order.tenant_id and s.id = p_order.supplier_id;
  if v_supplier.status <> 'active' then
    raise exception 'supplier % is %', p_order.supplier_id, v_supplier.status
      using errcode = 'IM006', hint = 'order from an active supplier';
  end if;
  if v_supplier.licence_valid_to < core.tenant_today() and exists (
    select
    from inventory.purchase_order_items l
    join inventory.items i on i.tenant_id = l.tenant_id and i.id = l.item_id
    where l.tenant_id = p_order.tenant_id and l.po_id = p_order.id and i.kind = 'drug'
  ) then
    raise exception 'the drug licence of supplier % has run out', p_order.supplier_id
      using errcode = 'IM006', hint = 'record the renewed licence, or order the drugs elsewhere';
  end if;
end
$$;

comment on function inventory.check_supplier(inventory.purchase_orders) is 'about=Passes when the supplier of an order is active and, for drugs, licensed. IM006 blocked or without licence.';

create function inventory.create_purchase_order(
  p_id uuid,
  p_supplier_id uuid,
  p_store_location_id uuid,
  p_lines jsonb,
  p_expected_on date default null,
  p_terms jsonb default '{}',
  p_currency text default null
) returns inventory.purchase_orders
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_order inventory.purchase_orders;
  v_currency text := coalesce(p_currency, (select t.currency from core.tenants t where t.id = v_tenant));
  v_line record;
begin
  select o.* into v_order
  from inventory.purchase_orders o
  where o.tenant_id = v_tenant and o.id = p_id;
  if found then
    return v_order;
  end if;
  if jsonb_typeof(p_lines) is distinct from 'array' or jsonb_array_length(p_lines) = 0 then
    raise exception 'an order has at least one line'
      using errcode = '22023', hint = 'pass p_lines as [{"item_id", "quantity", "unit_price", "tax_rate", "free_qty"}]';
  end if;
  perform inventory.require_supplier(p_supplier_id);
  insert into inventory.purchase_orders as o (
    tenant_id, id, po_number, supplier_id, store_location_id, ordered_by, expected_on, terms, currency
  )
  values (
    v_tenant, p_id, core.next_default_number('purchase_order', '', 'PO-{YY}-'), p_supplier_id, p_store_location_id,
    workforce.acting_staff_id(), p_expected_on, p_terms,
    v_currency
  )
  on conflict (tenant_id, id) do nothing
  returning o.* into v_order;
  if not found then -- the same request came twice at the same time
    return inventory.lock_purchase_order(p_id);
  end if;

  for v_line in
    select l.ordinality as line_no, l.value as data
    from jsonb_array_elements(p_lines) with ordinality l
  loop
    insert into inventory.purchase_order_items (
      tenant_id, po_id, line_no, item_id, quantity, unit_price, tax_rate, free_qty
    )
    values (
      v_tenant, p_id, v_line.line_no, (v_line.data ->> 'item_id')::uuid, (v_line.data ->> 'quantity')::numeric,
      (v_line.data ->> 'unit_price')::numeric, coalesce((v_line.data ->> 'tax_rate')::numeric, 0),
      coalesce((v_line.data ->> 'free_qty')::numeric, 0)
    );
  end loop;
  perform inventory.check_supplier(v_order);
  update inventory.purchase_orders o
  set total = (
    select sum(round(l.quantity * l.unit_price * (1 + l.tax_rate / 100), 2))
    from inventory.purchase_order_items l
    where l.tenant_id = v_tenant and l.po_id = p_id
  )
  where o.tenant_id = v_tenant and o.id = p_id
  returning o.* into v_order;
  return v_order;
end
$$;

comment on function inventory.create_purchase_order(uuid, uuid, uuid, jsonb, date, jsonb, text) is 'about=Drafts an order with the id that the client chose: p_lines [{item_id, quantity, unit_price, tax_rate, free_qty}], the total is computed. The same id again: the same order. 22023 no lines, IM005 no such supplier, IM006 supplier blocked or without licence, or the user is no member of staff.';

create function inventory.submit_purchase_order(p_po_id uuid) returns inventory.purchase_orders
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_order inventory.purchase_orders := inventory.lock_purchase_order(p_po_id);
begin
  if v_order.status = 'submitted' then
    return v_order;
  end if;
  return inventory.set_purchase_order_status(v_order, 'submitted');
end
$$;

comment on function inventory.submit_purchase_order(uuid) is 'about=Draft to submitted: it waits for approval. IM001 not a draft, IM005 no such order.';

create function inventory.decide_purchase_order(p_po_id uuid, p_approve boolean, p_reason text default null)
  returns inventory.purchase_orders
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_order inventory.purchase_orders := inventory.lock_purchase_order(p_po_id);
  v_approver uuid := workforce.acting_staff_id();
  v_status text := case when p_approve then 'approved' else 'rejected' end;
begin
  if v_order.status = v_status then
    return v_order;
  end if;
  if v_approver = v_order.ordered_by then
    raise exception 'purchase order % is decided by somebody who did not order it', p_po_id
      using errcode = 'IM506', hint = 'ask another member of staff';
  end if;
  if p_approve then
    perform inventory.check_supplier(v_order);
  else
    perform core.set_reason(p_reason);
  end if;
  update inventory.purchase_orders o
  set status = v_status, approved_by = v_approver, approved_at = now()
  where o.tenant_id = v_order.tenant_id and o.id = v_order.id
  returning o.* into v_order;
  return v_order;
end
$$;

comment on function inventory.decide_purchase_order(uuid, boolean, text) is 'about=Approves or rejects a submitted order; the signed-in user must not be the one who ordered. IM001 not submitted, IM002 rejected without a reason, IM005 no such order, IM006 supplier blocked or without licence, IM506 the one who ordered.';

create function inventory.send_purchase_order(p_po_id uuid) returns inventory.purchase_orders
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_order inventory.purchase_orders := inventory.lock_purchase_order(p_po_id);
begin
  if v_order.status in ('sent', 'partially_received', 'received') then
    return v_order;
  end if;
  return inventory.set_purchase_order_status(v_order, 'sent');
end
$$;

comment on function inventory.send_purchase_order(uuid) is 'about=Approved to sent: the supplier has it. IM001 not approved, IM005 no such order.';

create function inventory.cancel_purchase_order(p_po_id uuid, p_reason text) returns inventory.purchase_orders
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_order inventory.purchase_orders := inventory.lock_purchase_order(p_po_id);
begin
  if v_order.status = 'cancelled' then
    return v_order;
  end if;
  return inventory.set_purchase_order_status(v_order, 'cancelled', coalesce(p_reason, ''));
end
$$;

comment on function inventory.cancel_purchase_order(uuid, text) is 'about=Cancels an order of which nothing was received. IM001 too far on, IM002 no reason, IM005 no such order.';

create function inventory.close_purchase_order(p_po_id uuid, p_reason text) returns inventory.purchase_orders
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_order inventory.purchase_orders := inventory.lock_purchase_order(p_po_id);
begin
  if v_order.status = 'closed_short' then
    return v_order;
  end if;
  return inventory.set_purchase_order_status(v_order, 'closed_short', coalesce(p_reason, ''));
end
$$;

comment on function inventory.close_purchase_order(uuid, text) is 'about=The rest of a partially received order will not come. IM001 not partially received, IM002 no reason, IM005 no such order.';
