-- What the operations ask and how they lock. Order of locks: donor, donation, unit, request, issue or crossmatch, number.

create function blood_bank.donor_hindrance(p_donor_id uuid, p_kind text, p_on date) returns text
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_donor blood_bank.donors;
  v_age int;
begin
  select d.* into v_donor
  from blood_bank.donors d
  where d.tenant_id = v_tenant and d.id = p_donor_id and d.deleted_at is null;
  v_age := extract(year from age(p_on, v_donor.birth_date));
  return case
    when v_donor.id is null then 'unknown_donor'
    when v_donor.permanent_deferral then 'permanently_deferred'
    when v_donor.status = 'inactive' then 'inactive'
    when exists (
      select
      from blood_bank.donor_deferrals f
      where f.tenant_id = v_tenant and f.donor_id = p_donor_id and f.from_on <= p_on and f.until_on > p_on
    ) then 'deferred'
    when v_age < blood_bank.limit_of('bloodbank.donor', 'min_age') then 'too_young'
    when v_age > blood_bank.limit_of('bloodbank.donor', 'max_age') then 'too_old'
    when v_donor.total_donations = 0 and v_age > blood_bank.limit_of('bloodbank.donor', 'first_time_max_age')
      then 'too_old_for_a_first_time'
    when p_on < v_donor.last_whole_blood_on + blood_bank.limit_of(
      'bloodbank.donor', case v_donor.sex when 'male' then 'interval_days_male' else 'interval_days_female' end
    )::int then 'too_soon_after_whole_blood'
    when p_on < v_donor.last_apheresis_on + blood_bank.limit_of(
      'bloodbank.donor',
      case when p_kind in ('whole_blood', 'double_red_cell') then 'after_apheresis_days' else 'apheresis_interval_days' end
    )::int then 'too_soon_after_apheresis'
  end;
end
$$;

comment on function blood_bank.donor_hindrance(uuid, text, date) is 'about=The rule that keeps a donor from this kind of donation on a day, null when none does: age, deferrals, intervals of setting bloodbank.donor.';

create function blood_bank.screening_failure(
  p_weight_kg numeric,
  p_haemoglobin_g_dl numeric,
  p_systolic int,
  p_diastolic int,
  p_pulse int,
  p_temperature_c numeric
) returns text
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_weight_kg < (l.limits ->> 'min_weight_kg')::numeric then 'low_weight'
    when p_haemoglobin_g_dl < (l.limits ->> 'min_haemoglobin_g_dl')::numeric then 'low_haemoglobin'
    when p_systolic not between (l.limits ->> 'min_systolic')::int and (l.limits ->> 'max_systolic')::int
      or p_diastolic not between (l.limits ->> 'min_diastolic')::int and (l.limits ->> 'max_diastolic')::int
      then 'blood_pressure'
    when p_pulse not between (l.limits ->> 'min_pulse')::int and (l.limits ->> 'max_pulse')::int then 'pulse'
    when p_temperature_c > (l.limits ->> 'max_temperature_c')::numeric then 'temperature'
  end
  from (
    select (blood_bank.default_settings() -> 'bloodbank.donor') || coalesce(core.setting('bloodbank.donor'), '{}') as limits
  ) l
$$;

comment on function blood_bank.screening_failure(numeric, numeric, int, int, int, numeric) is 'about=The measurement that is outside setting bloodbank.donor, null when all are inside.';

create function blood_bank.clearance_of(
  p_donation_id uuid,
  out reactive text[],
  out missing text[],
  out abo text,
  out rhd text
) returns record
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  with tests as (
    select t.test, t.result, t.group_result, t.status, t.repeat_no
    from blood_bank.donation_tests t
    where t.tenant_id = core.require_tenant() and t.donation_id = p_donation_id
  ),
  latest as ( -- the verified one that was done last
    select distinct on (t.test) t.test, t.result, t.group_result
    from tests t
    where t.status = 'verified'
    order by t.test, t.repeat_no desc
  ),
  groups as (
    select
      max(l.group_result) filter (where l.test = 'ABO_FORWARD') as forward,
      max(l.group_result) filter (where l.test = 'ABO_REVERSE') as reverse,
      max(l.group_result) filter (where l.test = 'RHD') as rhd
    from latest l
  )
  select
    -- a unit is never given on the second try: one verified reactive result is enough
    array(
      select distinct t.test
      from tests t
      where t.status = 'verified' and t.result = 'reactive' and t.test <> 'ANTIBODY_SCREEN'
      order by t.test
    ),
    array(
      select m.test
      from unnest(array['HIV', 'HBSAG', 'HCV', 'SYPHILIS', 'MALARIA']) as m (test)
      where not exists (select from latest l where l.test = m.test and l.result = 'non_reactive')
      union all
      select distinct t.test || ' to verify' from tests t where t.status = 'entered'
      union all
      select 'ABO' from groups g where g.forward is distinct from g.reverse or g.forward is null
      union all
      select 'RHD' from groups g where g.rhd is null
    ),
    (select case when g.forward = g.reverse then g.forward end from groups g),
    (select g.rhd from groups g)
$$;

comment on function blood_bank.clearance_of(uuid) is 'about=What the tests of a donation say: the reactive ones, what is missing (the five infections verified non-reactive, both ABO tests equal, RhD, nothing entered and unverified), and the group.';

create function blood_bank.shelf_life_end(p_donation_id uuid, p_component text) returns timestamptz
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select d.ended_at + make_interval(days => blood_bank.limit_of('bloodbank.components', p_component, 'shelf_days')::int)
  from blood_bank.donations d
  where d.tenant_id = core.require_tenant() and d.id = p_donation_id
$$;

comment on function blood_bank.shelf_life_end(uuid, text) is 'about=When a component of a donation expires at the latest; null before the collection has ended.';

create function blood_bank.recipient_group(p_patient_id uuid, out blood_group text, out antibody_screen text) returns record
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  with samples as (
    select g.abo, g.rhd, g.antibody_screen, g.tested_at, g.id, g.status
    from blood_bank.patient_blood_groups g
    where g.tenant_id = core.require_tenant() and g.patient_id = p_patient_id and g.status <> 'rejected'
  )
  select
    (
      select s.abo || case s.rhd when 'pos' then '+' else '-' end
      from samples s
      where s.status = 'confirmed' and not exists (select from samples x where x.status = 'discrepant')
      order by s.tested_at desc, s.id desc
      limit 1
    ),
    case -- an antibody that was found once may come back
      when exists (select from samples s where s.antibody_screen = 'positive') then 'positive'
      else coalesce(
        (select s.antibody_screen from samples s order by s.tested_at desc, s.id desc limit 1), 'not_done'
      )
    end
$$;

comment on function blood_bank.recipient_group(uuid) is 'about=The confirmed group of a patient such as A+ (weak RhD is negative), null while it is unconfirmed or samples disagree, and the antibody screen: positive for ever once it was, else that of the last sample.';

create function blood_bank.lock_unit(p_component_id uuid) returns blood_bank.blood_components
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_unit blood_bank.blood_components;
begin
  select c.* into v_unit
  from blood_bank.blood_components c
  where c.tenant_id = v_tenant and c.id = p_component_id
  for no key update;
  if not found then
    raise exception 'unit % does not exist', p_component_id
      using errcode = 'IM005', hint = 'choose a unit of the tenant';
  end if;
  return v_unit;
end
$$;

comment on function blood_bank.lock_unit(uuid) is 'about=The unit, locked until the transaction ends. IM005 no such unit.';

create function blood_bank.lock_request(p_request_id uuid) returns blood_bank.blood_requests
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_request blood_bank.blood_requests;
begin
  select r.* into v_request
  from blood_bank.blood_requests r
  where r.tenant_id = v_tenant and r.id = p_request_id
  for no key update;
  if not found then
    raise exception 'blood request % does not exist', p_request_id
      using errcode = 'IM005', hint = 'choose a request of the tenant';
  end if;
  return v_request;
end
$$;

comment on function blood_bank.lock_request(uuid) is 'about=The request, locked until the transaction ends. IM005 no such request.';

create function blood_bank.lock_issue(p_issue_id uuid) returns blood_bank.blood_issues
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_issue blood_bank.blood_issues;
begin
  select i.* into v_issue
  from blood_bank.blood_issues i
  where i.tenant_id = v_tenant and i.id = p_issue_id;
  if not found then
    raise exception 'issue % does not exist', p_issue_id
      using errcode = 'IM005', hint = 'choose an issue of the tenant';
  end if;
  -- unit and request never change, so they can be read before they are locked
  perform blood_bank.lock_unit(v_issue.component_id);
  perform blood_bank.lock_request(v_issue.request_id);
  select i.* into v_issue
  from blood_bank.blood_issues i
  where i.tenant_id = v_tenant and i.id = p_issue_id
  for no key update;
  return v_issue;
end
$$;

comment on function blood_bank.lock_issue(uuid) is 'about=The issue, with its unit and request locked before it. IM005 no such issue.';

create function blood_bank.move_unit(
  p_unit blood_bank.blood_components,
  p_status text,
  p_actor_id uuid,
  p_reason_code text default null,
  p_request_id uuid default null,
  p_second_actor_id uuid default null,
  p_minutes_out int default null,
  p_temperature_c numeric default null
) returns blood_bank.blood_components
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_unit blood_bank.blood_components;
begin
  update blood_bank.blood_components c
  set
    status = p_status,
    discard_reason = case when p_status = 'discarded' then p_reason_code end,
    reserved_for_request_id = case when p_status in ('reserved', 'crossmatched') then p_request_id end,
    reserved_until = case
      when p_status in ('reserved', 'crossmatched') then least(
        c.expires_at,
        now() + make_interval(hours => blood_bank.limit_of('bloodbank.rules', 'reservation_hours')::int)
      )
    end
  where c.tenant_id = p_unit.tenant_id and c.id = p_unit.id
  returning c.* into v_unit;
  insert into blood_bank.component_events (
    tenant_id, component_id, from_status, to_status, actor_id, second_actor_id, location_id, temperature_c,
    out_of_storage_minutes, reason_code
  )
  values (
    p_unit.tenant_id, p_unit.id, p_unit.status, p_status, p_actor_id, p_second_actor_id,
    case when p_status in ('quarantined', 'available', 'reserved', 'crossmatched') then v_unit.storage_location_id end,
    p_temperature_c, p_minutes_out, p_reason_code
  );
  return v_unit;
end
$$;

comment on function blood_bank.move_unit(blood_bank.blood_components, text, uuid, text, uuid, uuid, int, numeric) is 'about=Moves a unit that the caller has locked and writes its trail; reservations end with the states that have one. IM001 the state machine has no such move, IM350 and IM356 the donation is not clear.';

create function blood_bank.release_crossmatches(p_unit blood_bank.blood_components, p_status text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  update blood_bank.crossmatches x
  set status = case x.status when 'pending' then 'released' else p_status end
  where x.tenant_id = p_unit.tenant_id and x.component_id = p_unit.id and x.status in ('pending', 'compatible');
end
$$;

comment on function blood_bank.release_crossmatches(blood_bank.blood_components, text) is 'about=Ends the live crossmatches of a unit that the caller has locked: released or expired.';

create function blood_bank.check_match(p_component_id uuid, p_request_id uuid, p_recipient_group text) returns text
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_unit blood_bank.blood_components;
  v_released_by uuid;
  v_match text;
begin
  select c.* into v_unit
  from blood_bank.blood_components c
  where c.tenant_id = v_tenant and c.id = p_component_id;
  select r.emergency_release_by into v_released_by
  from blood_bank.blood_requests r
  where r.tenant_id = v_tenant and r.id = p_request_id;
  v_match := blood_bank.match_of(p_recipient_group, v_unit.component, v_unit.abo, v_unit.rhd);
  if v_match = 'unconfirmed' or (v_match = 'rhd_override' and p_recipient_group is null and v_released_by is null) then
    raise exception 'the group of the recipient of request % is not confirmed', p_request_id
      using errcode = 'IM355', hint = 'confirm it with a second sample, or give O negative red cells or AB plasma';
  end if;
  if coalesce(v_match, 'incompatible') = 'incompatible' or (v_match = 'rhd_override' and v_released_by is null) then
    raise exception 'unit % does not suit the recipient of request %', p_component_id, p_request_id
      using errcode = 'IM352', hint = 'choose one of blood_bank.find_compatible_units';
  end if;
  return case when v_match in ('rhd_override', 'platelets_of_other_group') then v_match end;
end
$$;

comment on function blood_bank.check_match(uuid, uuid, text) is 'about=A warning to record (rhd_override, platelets_of_other_group), or null, when the unit may be given. IM352 incompatible, IM355 the group is unconfirmed.';

create function blood_bank.check_in_date(p_unit blood_bank.blood_components) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_unit.expires_at
    <= now() + make_interval(hours => blood_bank.limit_of('bloodbank.rules', 'transfusion_hours')::int) then
    raise exception 'unit % expires at %, before a transfusion could end', p_unit.id, p_unit.expires_at
      using errcode = 'IM351', hint = 'choose another unit';
  end if;
end
$$;

comment on function blood_bank.check_in_date(blood_bank.blood_components) is 'about=IM351 when the unit expires before a transfusion that starts now would end.';
