-- Who the signed-in user of the portal is: the source of core.patients_of_portal_user.

create function patient.patients_of_portal_user() returns setof uuid
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
  select p.id
  from patient.patients p
  where p.tenant_id = core.current_tenant_id() and p.portal_user_id = core.current_user_id() and p.deleted_at is null
$$;

comment on function patient.patients_of_portal_user() is 'about=The patient that the signed-in user of the portal is.';
