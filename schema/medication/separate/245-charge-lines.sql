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
    select * from medication.lines_to_charge(p_dispense)
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
