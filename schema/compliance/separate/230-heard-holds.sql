-- The service that has the holds looks at them, the others at what they have heard of them.
create function audit.tenants_under_hold() returns setof uuid
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if to_regprocedure('compliance.tenants_under_hold()') is not null then
    return query execute 'select compliance.tenants_under_hold()';
    return;
  end if;
  alter table core.entity_refs no force row level security;
  return query select distinct h.tenant_id from compliance.legal_holds h where h.status = 'active';
  alter table core.entity_refs force row level security;
end
$$;
