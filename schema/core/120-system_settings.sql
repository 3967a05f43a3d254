-- core.system_settings: typed settings; a tenant's row overrides the shared one.
-- Protected rows are written once by the owner and never changed: core.environment says what this database is for.

create table core.system_settings (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  key text not null,
  value jsonb not null,
  value_type text not null,
  description text not null,
  is_protected boolean not null default false,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint system_settings_pkey primary key (id),
  constraint system_settings_key_key unique nulls not distinct (tenant_id, key),
  constraint system_settings_key_form check (key ~ '^[a-z0-9_.]+$'),
  constraint system_settings_value_type_known check (value_type in ('string', 'int', 'bool', 'json', 'secret_ref')),
  constraint system_settings_value_fits check (
    case value_type
      when 'string' then jsonb_typeof(value) = 'string'
      when 'int' then jsonb_typeof(value) = 'number' and value::text ~ '^-?[0-9]+$'
      when 'bool' then jsonb_typeof(value) = 'boolean'
      -- the path in a vault, never the secret itself
      when 'secret_ref' then jsonb_typeof(value) = 'string' and value #>> '{}' ~ '^[a-z]+://'
      else true
    end
  ),
  constraint system_settings_protected_is_shared check (not is_protected or tenant_id is null)
);

alter table core.system_settings add constraint system_settings_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

comment on table core.system_settings is 'class=operational;scope=shared;owner=kernel;fhir=none;retention=operational;about=Typed settings; the row of a tenant overrides the shared row.';
comment on column core.system_settings.key is 'class=operational;about=Dotted name, such as booking.hold_minutes.';
comment on column core.system_settings.value is 'class=operational;about=The value as JSON, of the type that value_type names.';
comment on column core.system_settings.value_type is 'class=operational;about=string, int, bool, json or secret_ref (a vault path, never the secret).';
comment on column core.system_settings.description is 'class=operational;about=What the setting does, for the person who changes it.';
comment on column core.system_settings.is_protected is 'class=operational;about=Written once, then refused to everybody.';

select core.comment_standard_columns('core.system_settings');

alter table core.system_settings enable row level security, force row level security;

create policy tenant_isolation on core.system_settings
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create policy shared_rows on core.system_settings for select using (tenant_id is null);

create function core.keep_protected_setting() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if old.is_protected then
    raise exception 'setting "%" is protected', old.key
      using errcode = 'IM006', hint = 'it is set once; install a new database for another environment';
  end if;
  return case tg_op when 'DELETE' then old else new end;
end
$$;

comment on function core.keep_protected_setting() is 'about=Before update or delete: protected settings stay as they are (IM006).';

create trigger system_settings_protect before update or delete on core.system_settings
  for each row execute function core.keep_protected_setting();

create trigger system_settings_touch before update on core.system_settings
  for each row execute function core.update_updated_at_column('row_version');

grant select, insert, update, delete on core.system_settings to kernel_app;
grant select on core.system_settings to kernel_ro;
