-- Catalogue of permission codes, <module>.<resource>.<action>. Filled by the system seed, the same in every tenant.
-- Append-only: a code that an API once checked keeps its meaning.

create table auth.permissions (
  id uuid not null default core.uuid_v7(),
  code text not null,
  module text not null,
  action text not null,
  phi_level text not null,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint permissions_pkey primary key (id),
  constraint permissions_code_key unique (code),
  constraint permissions_code_format check (code ~ '^[a-z_]+\.[a-z_]+\.[a-z_]+$'),
  constraint permissions_code_parts check (module = split_part(code, '.', 1) and action = split_part(code, '.', 3)),
  constraint permissions_phi_level_check check (phi_level in ('none', 'pii', 'phi', 'sensitive'))
);

comment on table auth.permissions is 'class=reference;scope=global;owner=auth;fhir=none;retention=reference;append_only=1;about=Catalogue of permission codes, the same in every tenant.';
comment on column auth.permissions.code is 'class=reference;about=<module>.<resource>.<action>, for example scheduling.appointments.cancel.';
comment on column auth.permissions.module is 'class=reference;about=Module that checks the code; its first part.';
comment on column auth.permissions.action is 'class=reference;about=What is done; its last part.';
comment on column auth.permissions.phi_level is 'class=reference;about=Most protected class of data that the permission opens: none, pii, phi or sensitive.';
select core.comment_standard_columns('auth.permissions');

create trigger permissions_append_only before update or delete on auth.permissions
  for each row execute function core.refuse_change();
create trigger permissions_no_truncate before truncate on auth.permissions
  for each statement execute function core.refuse_change();

grant select on auth.permissions to auth_app;
grant select on auth.permissions to auth_ro;
