-- Role grants, scoped to a clinic and department and limited in time. A grant is ended by valid_to, not deleted: who
-- could do what, and when, stays answerable.

create table auth.user_roles (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  user_id uuid not null,
  role_id uuid not null,
  clinic_id uuid,
  department_id uuid,
  valid_from timestamptz not null default now(),
  valid_to timestamptz,
  granted_by uuid not null,
  reason text,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint user_roles_pkey primary key (tenant_id, id),
  constraint user_roles_not_overlapping exclude using gist (
    tenant_id with =, user_id with =, role_id with =,
    coalesce(clinic_id, core.zero_uuid()) with =, coalesce(department_id, core.zero_uuid()) with =,
    tstzrange(valid_from, valid_to) with &&
  ),
  constraint user_roles_valid_to_after_valid_from check (valid_to is null or valid_to > valid_from),
  constraint user_roles_not_granted_to_self check (granted_by <> user_id)
);

alter table auth.user_roles add constraint user_roles_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table auth.user_roles add constraint user_roles_user_fkey
  foreign key (tenant_id, user_id) references auth.users (tenant_id, id);
alter table auth.user_roles add constraint user_roles_role_fkey
  foreign key (role_id) references auth.roles (id);
alter table auth.user_roles add constraint user_roles_clinic_fkey
  foreign key (tenant_id, clinic_id) references facility.clinics (tenant_id, id);
alter table auth.user_roles add constraint user_roles_department_fkey
  foreign key (tenant_id, department_id) references facility.departments (tenant_id, id);

create index user_roles_user_idx on auth.user_roles (tenant_id, user_id);
create index user_roles_role_idx on auth.user_roles (role_id, tenant_id);
comment on index auth.user_roles_role_idx is 'about=Led by the role: a shared role is looked up over all tenants when it is deleted.';
create index user_roles_clinic_idx on auth.user_roles (tenant_id, clinic_id) where clinic_id is not null;
create index user_roles_department_idx on auth.user_roles (tenant_id, department_id) where department_id is not null;

comment on table auth.user_roles is 'class=operational;scope=tenant;owner=auth;fhir=PractitionerRole;retention=operational;about=Role grants, scoped to clinic and department, limited in time.';
comment on column auth.user_roles.user_id is 'class=operational;about=Who holds the role.';
comment on column auth.user_roles.role_id is 'class=operational;about=The role: of the same tenant, or shared.';
comment on column auth.user_roles.clinic_id is 'class=operational;about=Only in this clinic; null means all.';
comment on column auth.user_roles.department_id is 'class=operational;about=Only in this department; null means all.';
comment on column auth.user_roles.valid_from is 'class=operational;about=First instant of the grant.';
comment on column auth.user_roles.valid_to is 'class=operational;about=End of the grant, exclusive; null means until further notice.';
comment on column auth.user_roles.granted_by is 'class=operational;about=User who granted it; never the holder.';
comment on column auth.user_roles.reason is 'class=operational;about=Why it was granted, where that is not obvious.';
select core.comment_standard_columns('auth.user_roles');

alter table auth.user_roles enable row level security, force row level security;
create policy tenant_isolation on auth.user_roles
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger user_roles_touch before update on auth.user_roles
  for each row execute function core.update_updated_at_column();
create trigger user_roles_role_visible before insert or update of role_id on auth.user_roles
  for each row execute function core.check_shared_reference('role_id', 'auth.roles');
select audit.track('auth.user_roles');

grant select, insert, update on auth.user_roles to auth_app;
grant select on auth.user_roles to auth_ro;
