-- Tenants are made by the platform, never by an application.

create function core.provision_tenant(
  p_id uuid,
  p_code text,
  p_name text,
  p_kind text,
  p_country text,
  p_timezone text,
  p_currency text
) returns uuid
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  insert into core.tenants (id, code, name, kind, country, timezone, currency)
  values (p_id, p_code, p_name, p_kind, p_country, p_timezone, p_currency)
  on conflict (id) do nothing;
  update core.tenants set status = 'active' where id = p_id and status = 'provisioning';
  return p_id;
end
$$;

comment on function core.provision_tenant(uuid, text, text, text, text, text, text) is 'about=Makes a tenant and activates it; the same id again changes nothing. For imhotep_platform.';

create function core.active_tenants() returns setof uuid
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$ select t.id from core.tenants t where t.status = 'active' order by t.id $$;

comment on function core.active_tenants() is 'about=Ids of the active tenants that the caller may see: all for imhotep_platform, whose workers walk them.';
