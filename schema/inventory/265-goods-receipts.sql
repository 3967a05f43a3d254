-- Goods come in: taken in, inspected, posted. Only posting makes stock.

create function inventory.lock_goods_receipt(p_grn_id uuid) returns inventory.goods_receipts
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_receipt inventory.goods_receipts;
begin
  select r.* into v_receipt
  from inventory.goods_receipts r
  where r.tenant_id = v_tenant and r.id = p_grn_id
  for no key update;
  if not found then
    raise exception 'goods receipt % does not exist', p_grn_id
      using errcode = 'IM005', hint = 'choose a goods receipt of the tenant';
  end if;
  return v_receipt;
end
$$;

comment on function inventory.lock_goods_receipt(uuid) is 'about=The goods receipt, locked until the transaction ends. IM005 no such receipt.';

create function inventory.order_line_of(p_po_id uuid, p_line jsonb) returns uuid
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_accepted numeric := coalesce((p_line ->> 'accepted_qty')::numeric, 0);
  v_po_item_id uuid;
begin
  if p_line ->> 'po_item_id' is not null then
    select o.id into v_po_item_id
    from inventory.purchase_order_items o
    where
      o.tenant_id = v_tenant and o.po_id = p_po_id and o.id = (p_line ->> 'po_item_id')::uuid
      and o.item_id = (p_line ->> 'item_id')::uuid;
    if not found then
      raise exception 'line % is not one of purchase order % for item %', p_line ->> 'po_item_id', p_po_id, p_line ->> 'item_id'
        using errcode = 'IM005', hint = 'name a line of the order for the item, or none';
    end if;
    return v_po_item_id;
  end if;
  select o.id into v_po_item_id
  from inventory.purchase_order_items o
  cross join lateral (
    -- what came before and is not posted yet takes its place as well
    select o.quantity - o.received_qty - coalesce(sum(l.accepted_qty), 0) as quantity
    from inventory.goods_receipt_items l
    join inventory.goods_receipts r on r.tenant_id = l.tenant_id and r.id = l.grn_id
    where l.tenant_id = v_tenant and l.po_item_id = o.id and r.status in ('draft', 'inspected')
  ) room
  where o.tenant_id = v_tenant and o.po_id = p_po_id and o.item_id = (p_line ->> 'item_id')::uuid
  order by room.quantity >= v_accepted desc, room.quantity > 0 desc, o.line_no
  limit 1;
  return v_po_item_id;
end
$$;

comment on function inventory.order_line_of(uuid, jsonb) is 'about=The line of a locked purchase order that a line of a goods receipt is for: the one that it names, or the first of its item with room for it; null when nothing of it was ordered. IM005 the line is of another order or item.';

create function inventory.receive_goods(
  p_id uuid,
  p_supplier_id uuid,
  p_store_location_id uuid,
  p_invoice_no text,
  p_invoice_on date,
  p_lines jsonb,
  p_po_id uuid default null,
  p_temperature_ok boolean default null
) returns inventory.goods_receipts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_receipt inventory.goods_receipts;
  v_order inventory.purchase_orders;
  v_line record;
begin
  select r.* into v_receipt
  from inventory.goods_receipts r
  where r.tenant_id = v_tenant and r.id = p_id;
  if found then
    return v_receipt;
  end if;
  if jsonb_typeof(p_lines) is distinct from 'array' or jsonb_array_length(p_lines) = 0 then
    raise exception 'a goods receipt has at least one line'
      using errcode = '22023', hint = 'pass p_lines as a list of objects with the columns of goods_receipt_items';
  end if;
  perform inventory.require_supplier(p_supplier_id);
  if p_po_id is not null then
    v_order := inventory.lock_purchase_order(p_po_id);
    if v_order.status not in ('sent', 'partially_received') or v_order.supplier_id is distinct from p_supplier_id then
      raise exception 'purchase order % awaits no goods of supplier %', p_po_id, p_supplier_id
        using errcode = 'IM001', hint = 'choose an order that was sent to this supplier, or receive without an order';
    end if;
  end if;

  insert into inventory.goods_receipts as r (
    tenant_id, id, grn_number, po_id, supplier_id, store_location_id, invoice_no, invoice_on, received_by, temperature_ok
  )
  values (
    v_tenant, p_id, core.next_default_number('goods_receipt', '', 'GRN-{YY}-'), p_po_id, p_supplier_id,
    p_store_location_id, p_invoice_no, p_invoice_on, workforce.acting_staff_id(), p_temperature_ok
  )
  on conflict (tenant_id, id) do nothing
  returning r.* into v_receipt;
  if not found then -- the same request came twice at the same time
    return inventory.lock_goods_receipt(p_id);
  end if;

  for v_line in
    select l.ordinality as line_no, l.value as data
    from jsonb_array_elements(p_lines) with ordinality l
  loop
    insert into inventory.goods_receipt_items (
      tenant_id, grn_id, line_no, po_item_id, item_id, batch_no, mfg_on, expiry_on, accepted_qty, rejected_qty,
      free_qty, unit_price, mrp, tax_rate, reject_reason
    )
    values (
      v_tenant, p_id, v_line.line_no,
      inventory.order_line_of(p_po_id, v_line.data),
      (v_line.data ->> 'item_id')::uuid, v_line.data ->> 'batch_no', (v_line.data ->> 'mfg_on')::date,
      (v_line.data ->> 'expiry_on')::date, coalesce((v_line.data ->> 'accepted_qty')::numeric, 0),
      coalesce((v_line.data ->> 'rejected_qty')::numeric, 0), coalesce((v_line.data ->> 'free_qty')::numeric, 0),
      (v_line.data ->> 'unit_price')::numeric, (v_line.data ->> 'mrp')::numeric,
      coalesce((v_line.data ->> 'tax_rate')::numeric, 0), v_line.data ->> 'reject_reason'
    );
  end loop;
  update inventory.goods_receipts r
  set total = (
    select sum(round(l.accepted_qty * l.unit_price * (1 + l.tax_rate / 100), 2))
    from inventory.goods_receipt_items l
    where l.tenant_id = v_tenant and l.grn_id = p_id
  )
  where r.tenant_id = v_tenant and r.id = p_id
  returning r.* into v_receipt;
  return v_receipt;
end
$$;

comment on function inventory.receive_goods(uuid, uuid, uuid, text, date, jsonb, uuid, boolean) is 'about=Takes goods in, as a draft with the id that the client chose; p_lines has the columns of goods_receipt_items by name. Nothing is in stock yet. The same id again: the same receipt. 22023 no lines, 23505 the invoice was received before, IM001 the order awaits no goods of this supplier, IM005 no such supplier, order or line of the order, IM006 the user is no member of staff, IM530 goods expire too soon.';

create function inventory.inspect_goods(p_grn_id uuid, p_temperature_ok boolean default null)
  returns inventory.goods_receipts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_receipt inventory.goods_receipts := inventory.lock_goods_receipt(p_grn_id);
  v_inspector uuid := workforce.acting_staff_id();
begin
  if v_receipt.status = 'inspected' then
    return v_receipt;
  end if;
  update inventory.goods_receipts r
  set
    status = 'inspected', inspected_by = v_inspector,
    temperature_ok = coalesce(p_temperature_ok, r.temperature_ok)
  where r.tenant_id = v_receipt.tenant_id and r.id = v_receipt.id
  returning r.* into v_receipt;
  return v_receipt;
end
$$;

comment on function inventory.inspect_goods(uuid, boolean) is 'about=The signed-in user checked the goods. IM001 not a draft, IM005 no such receipt, IM006 no member of staff.';

create function inventory.refuse_goods(p_grn_id uuid, p_reason text) returns inventory.goods_receipts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_receipt inventory.goods_receipts := inventory.lock_goods_receipt(p_grn_id);
begin
  if v_receipt.status in ('rejected', 'cancelled') then
    return v_receipt;
  end if;
  perform core.set_reason(p_reason);
  update inventory.goods_receipts r
  set status = case r.status when 'draft' then 'cancelled' else 'rejected' end
  where r.tenant_id = v_receipt.tenant_id and r.id = v_receipt.id
  returning r.* into v_receipt;
  return v_receipt;
end
$$;

comment on function inventory.refuse_goods(uuid, text) is 'about=Cancels a draft, or rejects goods that were inspected; the invoice may then be received again. IM001 posted already, IM002 no reason, IM005 no such receipt.';

create function inventory.batch_of_line(p_line inventory.goods_receipt_items) returns inventory.batches
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_batch inventory.batches;
begin
  insert into inventory.batches as b (
    tenant_id, item_id, batch_no, mfg_on, expiry_on, mrp, purchase_price, tax_rate, goods_receipt_item_id
  )
  values (
    p_line.tenant_id, p_line.item_id, p_line.batch_no, p_line.mfg_on, p_line.expiry_on, p_line.mrp, p_line.unit_price,
    p_line.tax_rate, p_line.id
  )
  on conflict (tenant_id, item_id, batch_no, expiry_on, mrp) do nothing
  returning b.* into v_batch;
  if found then -- it was inspected with the receipt
    update inventory.batches b
    set status = 'available'
    where b.tenant_id = v_batch.tenant_id and b.id = v_batch.id
    returning b.* into v_batch;
    return v_batch;
  end if;
  select b.* into v_batch
  from inventory.batches b
  where
    b.tenant_id = p_line.tenant_id and b.item_id = p_line.item_id and b.batch_no = p_line.batch_no
    and b.expiry_on = p_line.expiry_on and b.mrp is not distinct from p_line.mrp;
  if v_batch.status not in ('quarantine', 'available', 'hold') then
    raise exception 'batch % is % and takes no more goods', v_batch.id, v_batch.status
      using errcode = 'IM502', hint = 'reject the goods';
  end if;
  return v_batch;
end
$$;

comment on function inventory.batch_of_line(inventory.goods_receipt_items) is 'about=The batch of a line of a goods receipt, made available when it is new. IM502 it was recalled, rejected, destroyed or expired.';

create function inventory.post_goods_receipt(p_grn_id uuid) returns inventory.goods_receipts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_receipt inventory.goods_receipts := inventory.lock_goods_receipt(p_grn_id);
  v_order inventory.purchase_orders;
  v_line inventory.goods_receipt_items;
  v_batch inventory.batches;
  v_lines jsonb := '{}'; -- batch of each line
  v_wanted inventory.stock_movements;
begin
  if v_receipt.status = 'posted' then
    return v_receipt;
  end if;
  if v_receipt.temperature_ok is false then
    raise exception 'the cold chain of goods receipt % was broken', p_grn_id
      using errcode = 'IM006', hint = 'reject the goods with inventory.refuse_goods';
  end if;
  if v_receipt.po_id is not null then
    v_order := inventory.lock_purchase_order(v_receipt.po_id);
  end if;
  -- the state first: a receipt that was not inspected must fail before it makes batches
  update inventory.goods_receipts r
  set status = 'posted'
  where r.tenant_id = v_receipt.tenant_id and r.id = v_receipt.id
  returning r.* into v_receipt;

  for v_line in
    select l.*
    from inventory.goods_receipt_items l
    where l.tenant_id = v_receipt.tenant_id and l.grn_id = v_receipt.id and l.accepted_qty + l.free_qty > 0
    order by l.line_no
  loop
    v_batch := inventory.batch_of_line(v_line);
    v_lines := v_lines || jsonb_build_object(v_line.id, v_batch.id);
  end loop;
  for v_line in
    select l.*
    from inventory.goods_receipt_items l
    where l.tenant_id = v_receipt.tenant_id and l.grn_id = v_receipt.id and v_lines ? l.id::text
    order by l.item_id, l.expiry_on, (v_lines ->> l.id::text)::uuid
  loop
    v_wanted := null;
    v_wanted.tenant_id := v_receipt.tenant_id;
    v_wanted.kind := 'receipt';
    v_wanted.quantity := v_line.accepted_qty + v_line.free_qty;
    v_wanted.ref_type := 'goods_receipt_item';
    v_wanted.ref_id := v_line.id;
    v_wanted.idempotency_key := 'goods_receipt_item:' || v_line.id;
    perform inventory.write_movement(
      v_wanted,
      inventory.lock_balance(
        v_receipt.tenant_id, v_receipt.store_location_id, (v_lines ->> v_line.id::text)::uuid, true
      )
    );
    update inventory.purchase_order_items o
    set received_qty = o.received_qty + v_line.accepted_qty
    where o.tenant_id = v_line.tenant_id and o.id = v_line.po_item_id;
  end loop;

  if v_order.id is not null then
    perform inventory.set_purchase_order_status(
      v_order,
      case
        when exists (
          select
          from inventory.purchase_order_items o
          where o.tenant_id = v_order.tenant_id and o.po_id = v_order.id and o.received_qty < o.quantity
        )
        then 'partially_received'
        else 'received'
      end
    );
  end if;
  return v_receipt;
end
$$;

comment on function inventory.post_goods_receipt(uuid) is 'about=Puts inspected goods into stock: batches are made or topped up, a movement a line is posted, the order counts what came. Posted again: nothing more. 23514 more than 105 percent of what was ordered, IM001 not inspected, IM005 no such receipt, IM006 the cold chain was broken, IM502 a batch takes no more goods.';
