-- Who works, and what is locked. Order of locks: idempotency key, order, sample, legal holds of the tenant, items and
-- results, account, numbers, outbox.
-- Everything below an order is changed under the lock of the order, so its parts always agree.

create function laboratory.lock_order(p_order_id uuid) returns laboratory.lab_orders
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_order laboratory.lab_orders;
begin
  select o.* into v_order
  from laboratory.lab_orders o
  where o.tenant_id = v_tenant and o.id = p_order_id
  for no key update;
  if not found then
    raise exception 'laboratory order % does not exist', p_order_id
      using errcode = 'IM005', hint = 'choose an order of the tenant';
  end if;
  return v_order;
end
$$;

comment on function laboratory.lock_order(uuid) is 'about=The order, locked until the transaction ends. IM005 no such order.';

create function laboratory.lock_sample(p_sample_id uuid) returns laboratory.samples
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_order_id uuid;
  v_sample laboratory.samples;
begin
  -- a sample never changes its order, so that can be read before anything is locked
  select s.order_id into v_order_id
  from laboratory.samples s
  where s.tenant_id = v_tenant and s.id = p_sample_id;
  if not found then
    raise exception 'sample % does not exist', p_sample_id
      using errcode = 'IM005', hint = 'choose a sample of the tenant';
  end if;
  perform laboratory.lock_order(v_order_id);
  select s.* into v_sample
  from laboratory.samples s
  where s.tenant_id = v_tenant and s.id = p_sample_id
  for no key update;
  return v_sample;
end
$$;

comment on function laboratory.lock_sample(uuid) is 'about=The sample, locked behind its order. IM005 no such sample.';

create function laboratory.lock_item(p_order_item_id uuid) returns laboratory.lab_order_items
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_item laboratory.lab_order_items;
begin
  select i.* into v_item
  from laboratory.lab_order_items i
  where i.tenant_id = v_tenant and i.id = p_order_item_id;
  if not found then
    raise exception 'order item % does not exist', p_order_item_id
      using errcode = 'IM005', hint = 'choose an item of an order of the tenant';
  end if;
  perform laboratory.lock_order(v_item.order_id);
  select i.* into v_item
  from laboratory.lab_order_items i
  where i.tenant_id = v_tenant and i.id = p_order_item_id
  for no key update;
  return v_item;
end
$$;

comment on function laboratory.lock_item(uuid) is 'about=The ordered test, locked behind its order. IM005 no such item.';

create function laboratory.lock_result(p_result_id uuid) returns laboratory.lab_results
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_result laboratory.lab_results;
begin
  select r.* into v_result
  from laboratory.lab_results r
  where r.tenant_id = v_tenant and r.id = p_result_id;
  if not found then
    raise exception 'result % does not exist', p_result_id
      using errcode = 'IM005', hint = 'choose a result of the tenant';
  end if;
  perform laboratory.lock_item(v_result.order_item_id);
  select r.* into v_result
  from laboratory.lab_results r
  where r.tenant_id = v_tenant and r.id = p_result_id
  for no key update;
  return v_result;
end
$$;

comment on function laboratory.lock_result(uuid) is 'about=The result, locked behind its item and order. IM005 no such result.';
