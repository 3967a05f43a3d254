-- From here on auth_owner owns the module; applications hold what their operations need.

select core.hand_over('auth', 'auth');

grant execute on function
  auth.record_sign_in(uuid, boolean, inet),
  auth.start_session(uuid, bytea, inet, text, text[], text, text),
  auth.rotate_session(bytea, bytea, inet, text),
  auth.revoke_sessions(uuid, text, uuid)
to auth_app;

grant select on auth.user_permissions to auth_app;
grant select on auth.user_permissions to auth_ro;
