-- Who treats the patient.

create function clinical.add_care_team_member(p_encounter_id uuid, p_staff_id uuid, p_role text)
  returns clinical.care_team_members
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_encounter clinical.encounters := clinical.lock_encounter(p_encounter_id);
  v_member clinical.care_team_members;
begin
  if v_encounter.status in ('finished', 'cancelled', 'entered_in_error') then
    raise exception 'encounter % is %', p_encounter_id, v_encounter.status
      using errcode = 'IM001', hint = 'nobody joins the team of an encounter that is over';
  end if;
  select m.* into v_member
  from clinical.care_team_members m
  where
    m.tenant_id = v_encounter.tenant_id and m.encounter_id = p_encounter_id and m.staff_id = p_staff_id
    and m.role = p_role and upper_inf(m.period);
  if found then
    return v_member; -- asked again
  end if;
  insert into clinical.care_team_members (tenant_id, encounter_id, staff_id, role, period)
  values (v_encounter.tenant_id, p_encounter_id, p_staff_id, p_role, tstzrange(clock_timestamp(), null))
  returning * into v_member;
  return v_member;
end
$$;

comment on function clinical.add_care_team_member(uuid, uuid, text) is 'about=A member of staff joins the care team of an encounter in a role, from now on. Asked again: the same row. IM001 the encounter is over, IM005 no such encounter.';

create function clinical.end_care_team_member(p_member_id uuid) returns clinical.care_team_members
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_at timestamptz := clock_timestamp();
  v_member clinical.care_team_members;
begin
  update clinical.care_team_members m
  set period = tstzrange(lower(m.period), v_at)
  where m.tenant_id = v_tenant and m.id = p_member_id and upper_inf(m.period)
  returning m.* into v_member;
  if not found then
    select m.* into v_member
    from clinical.care_team_members m
    where m.tenant_id = v_tenant and m.id = p_member_id;
    if not found then
      raise exception 'member % of a care team does not exist', p_member_id
        using errcode = 'IM005', hint = 'take the id from clinical.care_team_members';
    end if;
  end if;
  return v_member;
end
$$;

comment on function clinical.end_care_team_member(uuid) is 'about=A member of the care team treats the patient no longer, from now on. Asked again: nothing changes. IM005 no such member.';

create function clinical.join_attending(p_encounter clinical.encounters) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_staff uuid;
begin
  select d.staff_id into v_staff
  from workforce.doctors d
  where d.tenant_id = p_encounter.tenant_id and d.id = p_encounter.attending_doctor_id;
  if found then
    perform clinical.add_care_team_member(p_encounter.id, v_staff, 'attending');
  end if;
end
$$;

comment on function clinical.join_attending(clinical.encounters) is 'about=The attending doctor of an encounter joins its care team.';
