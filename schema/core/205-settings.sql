-- Settings, and what this database is for. The environment is a property of the database, written once: neither an
-- environment variable nor the folder that a command runs in can turn production into development.

create function core.setting(p_key text) returns jsonb
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select s.value
  from core.system_settings s
  where s.key = p_key and (s.tenant_id = core.current_tenant_id() or s.tenant_id is null)
  order by s.tenant_id nulls last
  limit 1
$$;

comment on function core.setting(text) is 'about=Value of a setting: the tenant''s own, else the shared one, else null.';

create function core.environment() returns text
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$ select s.value #>> '{}' from core.system_settings s where s.key = 'core.environment' and s.tenant_id is null $$;

comment on function core.environment() is 'about=dev, test, staging or production; null until core.set_environment was called.';

create function core.set_environment(p_environment text) returns text
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_name text := case p_environment when 'development' then 'dev' else p_environment end;
begin
  if v_name not in ('dev', 'test', 'staging', 'production') then
    raise exception 'unknown environment "%"', p_environment
      using errcode = '22023', hint = 'use dev, test, staging or production';
  end if;
  insert into core.system_settings (tenant_id, key, value, value_type, description, is_protected)
  values (null, 'core.environment', pg_catalog.to_jsonb(v_name), 'string', 'What this database is for; written once.', true)
  on conflict (tenant_id, key) do nothing;
  if core.environment() <> v_name then
    raise exception 'this database is marked "%"', core.environment()
      using errcode = 'IM006', hint = 'the mark cannot be changed; install a new database for another environment';
  end if;
  return v_name;
end
$$;

comment on function core.set_environment(text) is 'about=Marks the database as dev (or development), test, staging or production, once. IM006 it is marked otherwise.';

create function core.assert_not_production() returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if core.environment() is null then
    raise exception 'this database has no environment mark, so demo data is refused'
      using errcode = 'IM006', hint = 'run: select core.set_environment(''dev'')';
  end if;
  if core.environment() = 'production' then
    raise exception 'demo data is refused on a production database'
      using errcode = 'IM006', hint = 'use a database that is marked dev, test or staging';
  end if;
end
$$;

comment on function core.assert_not_production() is 'about=First statement of every demo seed: raises IM006 on a database that is marked production, or not marked at all.';
