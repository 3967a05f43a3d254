-- Who acts. What is signed, ordered and approved is in the name of the person who is signed in, and of nobody else.

create function workforce.acting_staff_id() returns uuid
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_staff uuid;
begin
  select s.id into v_staff
  from workforce.staff s
  where
    s.tenant_id = v_tenant
    and s.user_id = core.current_user_id()
    and s.deleted_at is null
    and s.status not in ('suspended', 'left');
  if not found then
    raise exception 'user % is no member of staff', core.current_user_id()
      using errcode = 'IM006', hint = 'sign in as the person who does the work, or link the account to a row of workforce.staff';
  end if;
  return v_staff;
end
$$;

comment on function workforce.acting_staff_id() is 'about=The member of staff who is signed in. IM003 no tenant, IM006 the user is no member of staff, suspended or gone.';

create function workforce.acting_doctor_id() returns uuid
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_staff uuid := workforce.acting_staff_id();
  v_doctor uuid;
begin
  select d.id into v_doctor
  from workforce.doctors d
  where d.tenant_id = core.require_tenant() and d.staff_id = v_staff and d.deleted_at is null;
  if not found then
    raise exception 'member of staff % is no doctor', v_staff
      using errcode = 'IM006', hint = 'this is done by a doctor';
  end if;
  return v_doctor;
end
$$;

comment on function workforce.acting_doctor_id() is 'about=The doctor who is signed in. IM003 no tenant, IM006 the user is no doctor.';
