-- The service of accounts charges when it hears the event; it takes each source once.
create function laboratory.charge(
  p_encounter_id uuid,
  p_code text,
  p_source_type text,
  p_source_id uuid
) returns uuid
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_encounter_id is not null then -- from outside: billed at the counter
    perform core.enqueue(
      'charge', p_source_id, 'charge.requested.v1',
      pg_catalog.jsonb_build_object(
        'encounter_id', p_encounter_id, 'code', p_code, 'source_type', p_source_type, 'source_id', p_source_id,
        'quantity', 1
      )
    );
  end if;
  return null;
end
$$;
