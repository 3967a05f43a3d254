-- Sign-in is recorded here and nowhere else, so that guessing a password costs a lock. The answer is a row, not an
-- error: an error would roll the count back.

create function auth.record_sign_in(p_user_id uuid, p_success boolean, p_ip inet default null)
  returns table (allowed boolean, status text, failed_attempts smallint, locked_until timestamptz)
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_max_failed int := coalesce((core.setting('auth.max_failed_attempts') #>> '{}')::int, 5);
  v_lock_minutes int := coalesce((core.setting('auth.lockout_minutes') #>> '{}')::int, 15);
  v_user auth.users;
  v_allowed boolean;
begin
  select u.* into v_user
  from auth.users u
  where u.tenant_id = v_tenant and u.id = p_user_id and u.deleted_at is null
  for no key update;
  if not found then
    raise exception 'user % does not exist', p_user_id
      using errcode = 'IM005', hint = 'look the user up by name again';
  end if;

  -- a lock that has run out ends with the next attempt, whatever that brings
  if v_user.status = 'locked' and v_user.locked_until <= now() then
    v_user.status := 'active';
    v_user.failed_attempts := 0;
    v_user.locked_until := null;
  end if;

  v_allowed := p_success and v_user.status = 'active';
  if v_allowed then
    v_user.failed_attempts := 0;
    v_user.last_login_at := now();
  elsif not p_success then
    v_user.failed_attempts := least(v_user.failed_attempts + 1, 50);
    if v_user.status = 'active' and v_user.failed_attempts >= v_max_failed then
      v_user.status := 'locked';
      v_user.locked_until := now() + make_interval(mins => v_lock_minutes);
    end if;
  end if;

  perform core.set_reason(
    case when v_allowed then 'signed in' when p_success then 'sign-in refused' else 'sign-in failed' end
    || coalesce(' from ' || host(p_ip), '')
  );
  update auth.users u
  set
    status = v_user.status,
    failed_attempts = v_user.failed_attempts,
    locked_until = v_user.locked_until,
    last_login_at = v_user.last_login_at
  where u.tenant_id = v_tenant and u.id = p_user_id;

  return query select v_allowed, v_user.status, v_user.failed_attempts, v_user.locked_until;
end
$$;

comment on function auth.record_sign_in(uuid, boolean, inet) is 'about=Records a sign-in whose credentials were right (p_success) or wrong. allowed tells whether the user may come in; too many failures lock (settings auth.max_failed_attempts, auth.lockout_minutes). IM003 no tenant, IM005 no such user.';
