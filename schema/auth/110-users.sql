-- A human who can sign in. Contact data is encrypted; equality search goes through the blind index (_bidx). Signing in
-- is not an UPDATE by the application: auth.record_sign_in counts failures and locks.

create table auth.users (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  username text not null,
  display_name text not null,
  primary_role auth.user_role not null,
  department_id uuid,
  email_enc bytea not null,
  email_bidx bytea not null,
  phone_enc bytea,
  phone_bidx bytea,
  password_hash text,
  password_changed_at timestamptz,
  must_change_password boolean not null default false,
  mfa_required boolean not null default false,
  failed_attempts smallint not null default 0,
  locked_until timestamptz,
  last_login_at timestamptz,
  status text not null default 'invited',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint users_pkey primary key (tenant_id, id),
  constraint users_status_check check (status in ('invited', 'active', 'locked', 'suspended', 'deactivated')),
  constraint users_username_lower_case check (username = lower(username) and username <> ''),
  constraint users_password_hashed check (password_hash ~ '^\$(argon2id|scrypt)\$'),
  constraint users_failed_attempts_range check (failed_attempts between 0 and 50),
  constraint users_system_without_password check (primary_role <> 'system' or password_hash is null)
);

alter table auth.users add constraint users_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table auth.users add constraint users_department_fkey
  foreign key (tenant_id, department_id) references facility.departments (tenant_id, id)
  deferrable initially deferred;

create unique index users_username_key on auth.users (tenant_id, username) where deleted_at is null;
create unique index users_email_key on auth.users (tenant_id, email_bidx) where deleted_at is null;
create index users_phone_idx on auth.users (tenant_id, phone_bidx) where phone_bidx is not null;
create index users_department_idx on auth.users (tenant_id, department_id) where department_id is not null;
create index users_locked_idx on auth.users (tenant_id, locked_until) where status = 'locked';

comment on table auth.users is 'class=pii;scope=tenant;owner=auth;fhir=Person;retention=medical_record;about=A human who can sign in.';
comment on column auth.users.username is 'class=pii;about=Sign-in name, lower case, unique in the tenant among users that are not deleted.';
comment on column auth.users.display_name is 'class=pii;about=Name shown to colleagues and in the audit log.';
comment on column auth.users.primary_role is 'class=operational;about=The role a user mainly works in; what the user may do is decided by auth.user_roles.';
comment on column auth.users.department_id is 'class=operational;about=Home department, where there is one.';
comment on column auth.users.email_enc is 'class=pii;enc=1;about=E-mail address, encrypted.';
comment on column auth.users.email_bidx is 'class=pii;about=Blind index of the normalised e-mail address.';
comment on column auth.users.phone_enc is 'class=pii;enc=1;about=Mobile number in E.164, encrypted.';
comment on column auth.users.phone_bidx is 'class=pii;about=Blind index of the normalised mobile number.';
comment on column auth.users.password_hash is 'class=pii;about=Password hash in PHC form, argon2id or scrypt; null when the user signs in elsewhere.';
comment on column auth.users.password_changed_at is 'class=operational;about=When the password was last set.';
comment on column auth.users.must_change_password is 'class=operational;about=The next sign-in must set a new password.';
comment on column auth.users.mfa_required is 'class=operational;about=Sign-in needs a second factor.';
comment on column auth.users.failed_attempts is 'class=operational;about=Failed sign-ins since the last successful one.';
comment on column auth.users.locked_until is 'class=operational;about=End of the lock that too many failures caused.';
comment on column auth.users.last_login_at is 'class=operational;about=Last successful sign-in.';
comment on column auth.users.status is 'class=operational;about=invited, active, locked (too many failures), suspended (by an administrator) or deactivated.';
select core.comment_standard_columns('auth.users');

alter table auth.users enable row level security, force row level security;
create policy tenant_isolation on auth.users
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger users_touch before update on auth.users
  for each row execute function core.update_updated_at_column('row_version');
create trigger users_transition before insert or update of status on auth.users
  for each row execute function core.enforce_transition('auth.users', 'status');
select audit.track('auth.users');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('auth.users', '', 'invited', false, null),
  ('auth.users', 'invited', 'active', false, null),
  ('auth.users', 'invited', 'deactivated', true, null),
  ('auth.users', 'active', 'locked', false, null),
  ('auth.users', 'active', 'suspended', true, null),
  ('auth.users', 'active', 'deactivated', true, null),
  ('auth.users', 'locked', 'active', false, null),
  ('auth.users', 'locked', 'deactivated', true, null),
  ('auth.users', 'suspended', 'active', false, null),
  ('auth.users', 'suspended', 'deactivated', true, null),
  ('auth.users', 'deactivated', 'active', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on auth.users to auth_app;
grant select on auth.users to auth_ro;
