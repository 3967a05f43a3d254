-- What services know of each other's rows when each has a database of its own. The owner tells with every change
-- (core.announce_entity, called by generated triggers), the others note it (core.apply_entity_event), and a trigger in
-- the place of each foreign key asks (core.require_entity).

create function core.require_entity(p_tenant_id uuid, p_entity_type text, p_entity_id uuid, p_constraint text)
  returns void
  language plpgsql
  strict
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_lifecycle text;
begin
  -- the lock makes an event that ends the row wait for this transaction, as a foreign key's lock makes its DELETE wait
  select r.lifecycle into v_lifecycle
  from core.entity_refs r
  where r.tenant_id = p_tenant_id and r.entity_type = p_entity_type and r.entity_id = p_entity_id
  for share;
  if not found then
    raise exception '% % is not known here', p_entity_type, p_entity_id
      using errcode = 'IM012', constraint = p_constraint, hint = 'wait for the event of its service, or correct the id';
  end if;
  if v_lifecycle <> 'active' then
    raise exception '% % is %', p_entity_type, p_entity_id, v_lifecycle
      using errcode = 'IM013', constraint = p_constraint, hint = 'refer to one that is active';
  end if;
end
$$;

comment on function core.require_entity(uuid, text, uuid, text) is 'about=In the place of a foreign key into another service: the row must be known here and active; until the end of the transaction it stays so. IM012 unknown here, IM013 inactive or deleted.';

create function core.announce_entity(
  p_tenant_id uuid,
  p_entity_type text,
  p_entity_id uuid,
  p_lifecycle text,
  p_attrs jsonb,
  p_verb text
) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_tenant_id is null then -- shared by all tenants: nobody's projection holds it
    return;
  end if;
  perform core.enqueue(
    p_entity_type, p_entity_id, pg_catalog.split_part(p_entity_type, '.', 2) || '.' || p_verb || '.v1',
    pg_catalog.jsonb_build_object('id', p_entity_id, 'lifecycle', p_lifecycle, 'attrs', p_attrs)
  );
end
$$;

comment on function core.announce_entity(uuid, text, uuid, text, jsonb, text) is 'about=Writes the event <table>.created, .updated or .deleted of a published row to the outbox: id, lifecycle and what is published of it.';

create function core.apply_entity_event(
  p_source_service text,
  p_entity_type text,
  p_entity_id uuid,
  p_source_version bigint,
  p_payload jsonb
) returns boolean
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  insert into core.entity_refs as r (
    tenant_id, entity_type, entity_id, lifecycle, attrs, source_service, source_version
  )
  values (
    core.require_tenant(), p_entity_type, p_entity_id, p_payload ->> 'lifecycle', p_payload -> 'attrs',
    p_source_service, p_source_version
  )
  on conflict (tenant_id, entity_type, entity_id) do update
  set
    lifecycle = excluded.lifecycle, attrs = excluded.attrs, source_service = excluded.source_service,
    source_version = excluded.source_version, refreshed_at = now()
  where r.source_version < excluded.source_version;
  return found;
end
$$;

comment on function core.apply_entity_event(text, text, uuid, bigint, jsonb) is 'about=Notes what another service told of a row: aggregate_type, aggregate_id, aggregate_seq and payload of its event. True when it was news; the same event again, or an older one, changes nothing. IM003 no tenant.';

create function core.close_database(p_service text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_database text := pg_catalog.current_database();
  v_role text;
begin
  execute pg_catalog.format('revoke connect, temporary on database %I from public', v_database);
  foreach v_role in array array[
    p_service || '_owner', p_service || '_app', p_service || '_ro', 'imhotep_platform', 'retention_job', 'audit_reader'
  ] loop
    execute pg_catalog.format('grant connect on database %I to %I', v_database, v_role);
  end loop;
end
$$;

comment on function core.close_database(text) is 'about=Only the roles of the service, and the platform''s, may connect to this database.';
