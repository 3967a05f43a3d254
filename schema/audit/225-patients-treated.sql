-- Emergency access, one of the sources of core.patients_treated.

create function audit.patients_treated() returns setof uuid
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
  select b.patient_id
  from audit.break_glass_sessions b
  where
    b.tenant_id = core.current_tenant_id() and b.user_id = core.current_user_id() and b.status = 'open'
    and b.expires_at > now()
$$;

comment on function audit.patients_treated() is 'about=Patients to whose records the signed-in user has emergency access now.';
