-- Trigger functions of this module's tables. They run as whoever writes and see what that role may see.

create function facility.check_clinic() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not core.valid_timezone(new.timezone) then
    raise exception 'time zone "%" is unknown', new.timezone
      using errcode = '22023', hint = 'use an IANA name such as Asia/Kolkata';
  end if;
  -- the registry does not publish the form of its ids, so this is no reason to refuse
  if new.hfr_id !~ '^IN[0-9]{10}$' then
    raise warning 'HFR id of clinic % does not look like IN and ten digits', new.id;
  end if;
  return new;
end
$$;

comment on function facility.check_clinic() is 'about=Before insert or update of facility.clinics: the time zone must be known (22023); an unusual HFR id is a warning.';

create function facility.check_department_tree() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_above uuid := new.parent_department_id;
  v_clinic uuid;
begin
  if v_above is null then
    return new;
  end if;
  -- two moves at once could close a ring that neither of them sees
  perform pg_advisory_xact_lock(hashtextextended('facility.departments' || new.tenant_id, 0));
  select d.clinic_id into v_clinic
  from facility.departments d
  where d.tenant_id = new.tenant_id and d.id = v_above;
  if v_clinic <> new.clinic_id then
    raise exception 'department % is in another clinic than department % above it', new.id, v_above
      using errcode = '23514', constraint = 'departments_one_clinic', hint = 'choose a department of the same clinic';
  end if;
  while v_above is not null loop
    if v_above = new.id then
      raise exception 'department % would be above itself', new.id
        using errcode = '23514', constraint = 'departments_no_cycle', hint = 'choose a department that is not below it';
    end if;
    select d.parent_department_id into v_above
    from facility.departments d
    where d.tenant_id = new.tenant_id and d.id = v_above;
  end loop;
  return new;
end
$$;

comment on function facility.check_department_tree() is 'about=Before insert or update of facility.departments: a parent of the same clinic, no cycles (23514).';

create function facility.set_location_path() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_parent record;
  v_above uuid := new.parent_location_id;
begin
  if v_above is null then
    new.path := '/' || lower(new.code);
    return new;
  end if;
  -- two moves at once could close a ring that neither of them sees
  perform pg_advisory_xact_lock(hashtextextended('facility.locations' || new.tenant_id, 0));
  select l.clinic_id, l.path into v_parent
  from facility.locations l
  where l.tenant_id = new.tenant_id and l.id = v_above;
  if not found then
    raise exception 'location % does not exist', v_above
      using errcode = 'IM005', hint = 'create the place that contains it first';
  end if;
  if v_parent.clinic_id <> new.clinic_id then
    raise exception 'location % is in another clinic than location % that contains it', new.id, v_above
      using errcode = '23514', constraint = 'locations_one_clinic', hint = 'choose a place of the same clinic';
  end if;
  new.path := v_parent.path || '/' || lower(new.code);
  while v_above is not null loop
    if v_above = new.id then
      raise exception 'location % would contain itself', new.id
        using errcode = '23514', constraint = 'locations_no_cycle', hint = 'choose a place that is not inside it';
    end if;
    select l.parent_location_id into v_above
    from facility.locations l
    where l.tenant_id = new.tenant_id and l.id = v_above;
  end loop;
  return new;
end
$$;

comment on function facility.set_location_path() is 'about=Before insert or update of facility.locations: path from the codes above it; same clinic, no cycles (23514). IM005 the parent does not exist.';

create function facility.carry_location_path() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  -- the trigger before update computes the new path of each, and this one fires again for what is inside them
  update facility.locations l
  set path = l.path
  where l.tenant_id = new.tenant_id and l.parent_location_id = new.id;
  return null;
end
$$;

comment on function facility.carry_location_path() is 'about=After the path of a location changed: the paths of everything inside it follow.';

create function facility.note_bed_status() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  new.status_changed_at := now();
  return new;
end
$$;

comment on function facility.note_bed_status() is 'about=Before a bed changes its status: keeps status_changed_at.';
