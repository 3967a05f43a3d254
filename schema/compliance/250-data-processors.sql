-- Who processes data for the hospital.

create function compliance.lock_processor(p_processor_id uuid) returns compliance.data_processors
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_processor compliance.data_processors;
begin
  select p.* into v_processor
  from compliance.data_processors p
  where p.tenant_id = v_tenant and p.id = p_processor_id
  for no key update;
  if not found then
    raise exception 'processor % does not exist', p_processor_id
      using errcode = 'IM005', hint = 'choose a processor of the tenant';
  end if;
  return v_processor;
end
$$;

comment on function compliance.lock_processor(uuid) is 'about=The processor, locked until the transaction ends. IM005 no such processor.';

create function compliance.add_processor(
  p_name text,
  p_service text,
  p_data_categories text[],
  p_country text,
  p_contract_kind text,
  p_subprocessors jsonb default '[]',
  p_api_client_id uuid default null
) returns compliance.data_processors
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_processor compliance.data_processors;
begin
  insert into compliance.data_processors (
    tenant_id, name, service, data_categories, country, contract_kind, subprocessors, api_client_id
  )
  values (
    v_tenant, p_name, p_service, p_data_categories, p_country, p_contract_kind, p_subprocessors, p_api_client_id
  )
  on conflict (tenant_id, name, service) do nothing
  returning * into v_processor;
  if not found then
    select p.* into v_processor
    from compliance.data_processors p
    where p.tenant_id = v_tenant and p.name = p_name and p.service = p_service;
  end if;
  return v_processor;
end
$$;

comment on function compliance.add_processor(text, text, text[], text, text, jsonb, uuid) is 'about=Notes a company that is to process data, as a draft; name and service name it once. IM003 no tenant, IM916 it, or one that it uses, is in a restricted country.';

create function compliance.activate_processor(
  p_processor_id uuid,
  p_contract_document_id uuid,
  p_signed_on date,
  p_expires_on date default null
) returns compliance.data_processors
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_processor compliance.data_processors := compliance.lock_processor(p_processor_id);
begin
  if v_processor.status = 'active' and v_processor.contract_document_id = p_contract_document_id then
    return v_processor;
  end if;
  update compliance.data_processors p
  set
    status = 'active', contract_document_id = p_contract_document_id, signed_on = p_signed_on,
    expires_on = p_expires_on, last_review_on = core.tenant_today()
  where p.tenant_id = v_processor.tenant_id and p.id = v_processor.id
  returning p.* into v_processor;
  return v_processor;
end
$$;

comment on function compliance.activate_processor(uuid, uuid, date, date) is 'about=The contract is signed: data may go there until p_expires_on; also renews a contract. IM001 terminated, IM005 no such processor, IM916 a restricted country.';

create function compliance.review_processor(p_processor_id uuid) returns compliance.data_processors
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_processor compliance.data_processors := compliance.lock_processor(p_processor_id);
begin
  update compliance.data_processors p
  set last_review_on = core.tenant_today()
  where p.tenant_id = v_processor.tenant_id and p.id = v_processor.id
  returning p.* into v_processor;
  return v_processor;
end
$$;

comment on function compliance.review_processor(uuid) is 'about=Somebody looked at the processor today. IM005 no such processor.';

create function compliance.terminate_processor(p_processor_id uuid, p_reason text) returns compliance.data_processors
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_processor compliance.data_processors := compliance.lock_processor(p_processor_id);
begin
  if v_processor.status = 'terminated' then
    return v_processor;
  end if;
  perform compliance.require_reason(p_reason, 'terminating processor ' || p_processor_id);
  update compliance.data_processors p
  set status = 'terminated'
  where p.tenant_id = v_processor.tenant_id and p.id = v_processor.id
  returning p.* into v_processor;
  return v_processor;
end
$$;

comment on function compliance.terminate_processor(uuid, text) is 'about=The contract was ended. IM001 it was a draft, IM002 no reason, IM005 no such processor.';

create function compliance.expire_processors(p_limit int default 100) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_today date := core.tenant_today();
  v_id uuid;
  v_expired int := 0;
begin
  for v_id in
    select p.id
    from compliance.data_processors p
    where p.tenant_id = v_tenant and p.status = 'active' and p.expires_on < v_today
    order by p.expires_on
    limit p_limit
    for no key update skip locked
  loop
    update compliance.data_processors p set status = 'expired' where p.tenant_id = v_tenant and p.id = v_id;
    v_expired := v_expired + 1;
  end loop;
  return v_expired;
end
$$;

comment on function compliance.expire_processors(int) is 'about=Job: marks up to p_limit processors whose contract ran out and returns how many.';
