-- The service of accounts charges when it hears the events; it takes each source once.
create function medication.charge_lines(p_dispense medication.dispenses) returns text
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_encounter uuid;
  v_line record;
begin
  select p.encounter_id into v_encounter
  from medication.prescriptions p
  where p.tenant_id = p_dispense.tenant_id and p.id = p_dispense.prescription_id;
  if v_encounter is null then
    return 'pending'; -- sold over the counter: billed there
  end if;
  for v_line in
    select
      l.id, l.quantity, i.sku,
      -- a batch without an MRP stands at what it cost, which is no price
      case when b.mrp is not null or l.unit_price < l.mrp then l.unit_price end as unit_price
    from medication.dispense_items l
    join inventory.items i on i.tenant_id = l.tenant_id and i.id = l.item_id
    join inventory.batches b on b.tenant_id = l.tenant_id and b.id = l.batch_id
    where l.tenant_id = p_dispense.tenant_id and l.dispense_id = p_dispense.id
    order by l.id
  loop
    perform core.enqueue(
      'charge', v_line.id, 'charge.requested.v1',
      pg_catalog.jsonb_build_object(
        'encounter_id', v_encounter, 'code', v_line.sku, 'source_type', 'medication.dispense_items',
        'source_id', v_line.id, 'quantity', v_line.quantity, 'unit_price', v_line.unit_price
      )
    );
  end loop;
  return 'pending';
end
$$;
