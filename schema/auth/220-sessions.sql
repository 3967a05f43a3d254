-- Sessions: start, rotate, revoke. The user's row is locked first, so that ending a family and refreshing it cannot
-- miss each other.

create function auth.start_session(
  p_user_id uuid,
  p_refresh_hash bytea,
  p_ip inet,
  p_user_agent text,
  p_amr text[] default '{}',
  p_device_label text default null,
  p_node_id text default null
) returns uuid
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_idle_minutes int := least(coalesce((core.setting('auth.session_idle_minutes') #>> '{}')::int, 30), 30);
  v_max_hours int := least(coalesce((core.setting('auth.session_max_hours') #>> '{}')::int, 24), 24);
  v_id uuid := core.uuid_v7();
begin
  perform
  from auth.users u
  where u.tenant_id = v_tenant and u.id = p_user_id and u.status = 'active' and u.deleted_at is null
  for no key update;
  if not found then
    raise exception 'user % cannot sign in', p_user_id
      using errcode = 'IM005', hint = 'the user does not exist or is not active';
  end if;

  insert into auth.sessions (
    tenant_id, id, user_id, family_id, refresh_hash, device_label, node_id, ip, user_agent, amr, idle_expires_at,
    expires_at
  )
  values (
    v_tenant, v_id, p_user_id, v_id, p_refresh_hash, p_device_label, p_node_id, p_ip, left(p_user_agent, 400), p_amr,
    now() + make_interval(mins => v_idle_minutes), now() + make_interval(hours => v_max_hours)
  );
  return v_id;
end
$$;

comment on function auth.start_session(uuid, bytea, inet, text, text[], text, text) is 'about=Begins a session of an active user and a new family of refresh tokens; returns the session. p_refresh_hash is the SHA-256 of the token. IM003 no tenant, IM005 no such active user.';

create function auth.rotate_session(p_refresh_hash bytea, p_new_hash bytea, p_ip inet, p_user_agent text)
  returns table (
    outcome text, session_id uuid, user_id uuid, family_id uuid, idle_expires_at timestamptz, expires_at timestamptz
  )
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_idle_minutes int := least(coalesce((core.setting('auth.session_idle_minutes') #>> '{}')::int, 30), 30);
  v_session auth.sessions;
  v_user_status text;
  v_id uuid := core.uuid_v7();
begin
  select s.* into v_session
  from auth.sessions s
  where s.tenant_id = v_tenant and s.refresh_hash = p_refresh_hash;
  if not found then
    return query select 'unknown', null::uuid, null::uuid, null::uuid, null::timestamptz, null::timestamptz;
    return;
  end if;

  select u.status into v_user_status
  from auth.users u
  where u.tenant_id = v_tenant and u.id = v_session.user_id and u.deleted_at is null
  for no key update;
  -- read again: whoever held the lock may have rotated or revoked it
  select s.* into v_session
  from auth.sessions s
  where s.tenant_id = v_tenant and s.id = v_session.id;

  if v_session.revoked_at is not null then
    if v_session.revoke_reason = 'rotated' then
      -- a token is used once; a second use means that two parties hold it, and one of them is a thief
      update auth.sessions s
      set revoked_at = now(), revoke_reason = 'reuse'
      where s.tenant_id = v_tenant and s.family_id = v_session.family_id and s.revoked_at is null;
      return query
      select 'reused', null::uuid, v_session.user_id, v_session.family_id, null::timestamptz, null::timestamptz;
      return;
    end if;
    return query
    select 'revoked', null::uuid, v_session.user_id, v_session.family_id, null::timestamptz, null::timestamptz;
    return;
  end if;
  if v_session.idle_expires_at <= now() or v_session.expires_at <= now() then
    return query
    select 'expired', null::uuid, v_session.user_id, v_session.family_id, null::timestamptz, null::timestamptz;
    return;
  end if;
  if v_user_status is distinct from 'active' then
    return query
    select 'user_inactive', null::uuid, v_session.user_id, v_session.family_id, null::timestamptz, null::timestamptz;
    return;
  end if;

  update auth.sessions s
  set revoked_at = now(), revoke_reason = 'rotated'
  where s.tenant_id = v_tenant and s.id = v_session.id;
  insert into auth.sessions (
    tenant_id, id, user_id, family_id, refresh_hash, device_label, node_id, ip, user_agent, amr, idle_expires_at,
    expires_at
  )
  values (
    v_tenant, v_id, v_session.user_id, v_session.family_id, p_new_hash, v_session.device_label, v_session.node_id, p_ip,
    left(p_user_agent, 400), v_session.amr, now() + make_interval(mins => v_idle_minutes), v_session.expires_at
  );
  return query
  select
    'rotated', v_id, v_session.user_id, v_session.family_id, now() + make_interval(mins => v_idle_minutes),
    v_session.expires_at;
end
$$;

comment on function auth.rotate_session(bytea, bytea, inet, text) is 'about=Exchanges a refresh token for a new one of the same family. outcome: rotated, reused (the whole family is now revoked), revoked, expired, user_inactive or unknown; refusals are rows because an error would roll the revocation back. IM003 no tenant.';

create function auth.revoke_sessions(p_user_id uuid, p_reason text, p_family_id uuid default null) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_count int;
begin
  perform from auth.users u where u.tenant_id = v_tenant and u.id = p_user_id for no key update;
  update auth.sessions s
  set revoked_at = now(), revoke_reason = p_reason
  where
    s.tenant_id = v_tenant
    and s.user_id = p_user_id
    and (p_family_id is null or s.family_id = p_family_id)
    and s.revoked_at is null;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

comment on function auth.revoke_sessions(uuid, text, uuid) is 'about=Ends the live sessions of a user, or of one family (sign out on one device); returns how many. p_reason is kept, signed_out by convention. IM003 no tenant.';
