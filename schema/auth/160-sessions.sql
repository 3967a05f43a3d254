-- Signed-in sessions. Every refresh makes a new row of the same family and revokes the one before; a refresh token
-- that comes a second time was stolen or copied, and its whole family ends (auth.rotate_session). Not in the audit
-- log: last_seen_at changes too often; signing in is (auth.users).

create table auth.sessions (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  user_id uuid not null,
  family_id uuid not null,
  refresh_hash bytea not null,
  device_label text,
  node_id text,
  ip inet not null,
  user_agent text not null,
  amr text[] not null default '{}',
  issued_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now(),
  idle_expires_at timestamptz not null,
  expires_at timestamptz not null,
  revoked_at timestamptz,
  revoke_reason text,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint sessions_pkey primary key (tenant_id, id),
  constraint sessions_refresh_hash_key unique (tenant_id, refresh_hash),
  constraint sessions_refresh_hash_is_sha256 check (octet_length(refresh_hash) = 32),
  constraint sessions_idle_at_most_30_minutes check (idle_expires_at <= last_seen_at + interval '30 minutes'),
  constraint sessions_at_most_24_hours check (expires_at <= issued_at + interval '24 hours'),
  constraint sessions_revoked_with_reason check ((revoked_at is null) = (revoke_reason is null))
);

alter table auth.sessions add constraint sessions_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table auth.sessions add constraint sessions_user_fkey
  foreign key (tenant_id, user_id) references auth.users (tenant_id, id);

create index sessions_user_idx on auth.sessions (tenant_id, user_id);
create index sessions_family_idx on auth.sessions (tenant_id, family_id);
create index sessions_expires_at_idx on auth.sessions (tenant_id, expires_at);

comment on table auth.sessions is 'class=operational;scope=tenant;owner=auth;fhir=none;retention=operational;about=Signed-in sessions and refresh-token families.';
comment on column auth.sessions.user_id is 'class=operational;about=Who is signed in.';
comment on column auth.sessions.family_id is 'class=operational;about=Same for all sessions that were refreshed from one sign-in.';
comment on column auth.sessions.refresh_hash is 'class=operational;about=SHA-256 of the refresh token; the token itself is never stored.';
comment on column auth.sessions.device_label is 'class=operational;about=Name that the user gave to the device.';
comment on column auth.sessions.node_id is 'class=operational;about=Replica id of a device that works offline.';
comment on column auth.sessions.ip is 'class=pii;about=Address the session was made from.';
comment on column auth.sessions.user_agent is 'class=operational;about=Browser or program the session was made from.';
comment on column auth.sessions.amr is 'class=operational;about=How the user proved who they are (RFC 8176: pwd, otp, hwk, ...).';
comment on column auth.sessions.issued_at is 'class=operational;about=When this refresh token was issued.';
comment on column auth.sessions.last_seen_at is 'class=operational;about=Last request seen.';
comment on column auth.sessions.idle_expires_at is 'class=operational;about=End of the session unless it is used before; at most 30 minutes after last_seen_at.';
comment on column auth.sessions.expires_at is 'class=operational;about=End of the family, however busy; at most 24 hours after sign-in.';
comment on column auth.sessions.revoked_at is 'class=operational;about=When it was ended before its time.';
comment on column auth.sessions.revoke_reason is 'class=operational;about=rotated, reuse, signed_out, or the words of an administrator.';
select core.comment_standard_columns('auth.sessions');

alter table auth.sessions enable row level security, force row level security;
create policy tenant_isolation on auth.sessions
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger sessions_touch before update on auth.sessions
  for each row execute function core.update_updated_at_column();

grant select, insert, update, delete on auth.sessions to auth_app;
grant select on auth.sessions to auth_ro;
