-- Which role holds which permission. A tenant's row may also point to a shared role: it then adds the permission to
-- that role in this tenant only.

create table auth.role_permissions (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  role_id uuid not null,
  permission_code text not null,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint role_permissions_pkey primary key (id),
  constraint role_permissions_role_permission_key unique nulls not distinct (tenant_id, role_id, permission_code)
);

alter table auth.role_permissions add constraint role_permissions_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table auth.role_permissions add constraint role_permissions_role_fkey
  foreign key (role_id) references auth.roles (id) on delete cascade;
alter table auth.role_permissions add constraint role_permissions_permission_fkey
  foreign key (permission_code) references auth.permissions (code);

create index role_permissions_role_idx on auth.role_permissions (role_id, tenant_id);
comment on index auth.role_permissions_role_idx is 'about=Led by the role: a shared role is looked up over all tenants when it is deleted.';
create index role_permissions_permission_idx on auth.role_permissions (permission_code, tenant_id);
comment on index auth.role_permissions_permission_idx is 'about=Led by the permission, which is the same in all tenants.';

comment on table auth.role_permissions is 'class=operational;scope=shared;owner=auth;fhir=none;retention=operational;about=Which role holds which permission.';
comment on column auth.role_permissions.role_id is 'class=operational;about=The role: of the same tenant, or shared.';
comment on column auth.role_permissions.permission_code is 'class=operational;about=The permission that it holds.';
select core.comment_standard_columns('auth.role_permissions');

alter table auth.role_permissions enable row level security, force row level security;
create policy tenant_isolation on auth.role_permissions
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
create policy shared_rows on auth.role_permissions for select using (tenant_id is null);

create trigger role_permissions_touch before update on auth.role_permissions
  for each row execute function core.update_updated_at_column();
create trigger role_permissions_role_visible before insert or update of role_id on auth.role_permissions
  for each row execute function core.check_shared_reference('role_id', 'auth.roles');
select audit.track('auth.role_permissions');

grant select, insert, update, delete on auth.role_permissions to auth_app;
grant select on auth.role_permissions to auth_ro;
