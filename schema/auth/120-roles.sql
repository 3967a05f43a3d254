-- Named bundles of permissions. Rows without tenant are the system roles that every tenant can grant; a tenant adds
-- roles of its own beside them.

create table auth.roles (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  code text not null,
  name text not null,
  description text not null,
  is_system boolean not null default false,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint roles_pkey primary key (id),
  constraint roles_code_key unique nulls not distinct (tenant_id, code),
  constraint roles_code_format check (code ~ '^[a-z][a-z0-9_]{1,49}$'),
  constraint roles_system_is_shared check (is_system = (tenant_id is null))
);

alter table auth.roles add constraint roles_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

comment on table auth.roles is 'class=operational;scope=shared;owner=auth;fhir=none;retention=operational;about=Named bundles of permissions: the shared system roles and a tenant''s own.';
comment on column auth.roles.code is 'class=operational;about=Stable name used by programs; for system roles a value of auth.user_role.';
comment on column auth.roles.name is 'class=operational;about=Name shown to administrators.';
comment on column auth.roles.description is 'class=operational;about=What somebody in this role does.';
comment on column auth.roles.is_system is 'class=operational;about=Delivered with the product; only shared rows can be.';
select core.comment_standard_columns('auth.roles');

alter table auth.roles enable row level security, force row level security;
create policy tenant_isolation on auth.roles
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
create policy shared_rows on auth.roles for select using (tenant_id is null);

create trigger roles_touch before update on auth.roles
  for each row execute function core.update_updated_at_column('row_version');
select audit.track('auth.roles');

grant select, insert, update, delete on auth.roles to auth_app;
grant select on auth.roles to auth_ro;
