-- The service of accounts cancels the charge when it hears the event, or writes a credit note where it is on a bill.
create function laboratory.cancel_charge(p_item laboratory.lab_order_items, p_reason text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_encounter_id uuid;
  v_code text;
begin
  select o.encounter_id into v_encounter_id
  from laboratory.lab_orders o
  where o.tenant_id = p_item.tenant_id and o.id = p_item.order_id;
  if v_encounter_id is null or exists ( -- billed at the counter; or the rest of its panel goes on
    select
    from laboratory.lab_order_items i
    where
      i.tenant_id = p_item.tenant_id and i.order_id = p_item.order_id and i.panel_id = p_item.panel_id
      and i.status <> 'cancelled'
  ) then
    return;
  end if;
  select t.code into v_code
  from laboratory.lab_tests t
  where t.id = coalesce(p_item.panel_id, p_item.test_id);
  perform core.enqueue(
    'charge', case when p_item.panel_id is null then p_item.id else p_item.order_id end, 'charge.cancel_requested.v1',
    pg_catalog.jsonb_build_object(
      'encounter_id', v_encounter_id, 'code', v_code,
      'source_type', case when p_item.panel_id is null then 'laboratory.lab_order_items' else 'laboratory.lab_orders' end,
      'source_id', case when p_item.panel_id is null then p_item.id else p_item.order_id end
    )
  );
end
$$;
