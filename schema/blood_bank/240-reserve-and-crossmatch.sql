-- A unit is kept for a request and tested against the patient. Each operation locks the unit, then the request.

create function blood_bank.find_compatible_units(p_request_id uuid, p_limit int default 20)
  returns setof blood_bank.blood_components
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
  select c.*
  from blood_bank.blood_requests r
  cross join lateral blood_bank.recipient_group(r.patient_id) g
  join blood_bank.blood_components c on c.tenant_id = r.tenant_id
  cross join lateral blood_bank.match_of(g.blood_group, c.component, c.abo, c.rhd) m
  where
    r.tenant_id = core.require_tenant()
    and r.id = p_request_id
    and c.tenant_id = core.require_tenant()
    and c.status = 'available'
    and c.expires_at > now() + make_interval(hours => blood_bank.limit_of('bloodbank.rules', 'transfusion_hours')::int)
    and blood_bank.satisfies(r.component, c.component)
    and (
      m in ('identical', 'compatible', 'platelets_of_other_group')
      or (m = 'rhd_override' and r.emergency_release_by is not null)
    )
  order by
    array_position(array['identical', 'compatible', 'platelets_of_other_group', 'rhd_override'], m),
    c.component <> r.component, c.expires_at, c.id
  limit p_limit
$$;

comment on function blood_bank.find_compatible_units(uuid, int) is 'about=Available units that may be given on a request: the recipient''s own group first, then first expired, first out.';

create function blood_bank.check_request_takes(p_unit blood_bank.blood_components, p_request blood_bank.blood_requests)
  returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_kept int;
begin
  if p_request.status not in ('accepted', 'partially_issued') then
    raise exception 'blood request % is % and takes no units', p_request.id, p_request.status
      using errcode = 'IM360', hint = 'accept it first, or make a new request';
  end if;
  if not blood_bank.satisfies(p_request.component, p_unit.component) then
    raise exception 'unit % is %, request % asks for %', p_unit.id, p_unit.component, p_request.id, p_request.component
      using errcode = 'IM352', hint = 'choose one of blood_bank.find_compatible_units';
  end if;
  select count(*) into v_kept
  from blood_bank.blood_components c
  where c.tenant_id = p_request.tenant_id and c.reserved_for_request_id = p_request.id and c.id <> p_unit.id;
  if p_request.units_issued + v_kept >= p_request.units_requested then
    raise exception 'blood request % has its % units', p_request.id, p_request.units_requested
      using errcode = 'IM360', hint = 'free a unit that is kept for it, or make a new request';
  end if;
end
$$;

comment on function blood_bank.check_request_takes(blood_bank.blood_components, blood_bank.blood_requests) is 'about=IM352 another component than the request asks for, IM360 the request is not open or has all its units, issued and kept.';

create function blood_bank.keep_unit(
  p_unit blood_bank.blood_components,
  p_request blood_bank.blood_requests,
  p_actor_id uuid,
  p_fefo_reason text
) returns blood_bank.blood_components
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_unit blood_bank.blood_components := p_unit;
  v_earlier uuid;
begin
  if v_unit.status in ('reserved', 'crossmatched') then
    if v_unit.reserved_for_request_id = p_request.id then
      return v_unit;
    end if;
    if v_unit.reserved_until <= now() then -- lapsed, and no job came by yet
      perform blood_bank.release_crossmatches(v_unit, 'released');
      v_unit := blood_bank.move_unit(v_unit, 'available', null, 'reservation_lapsed');
    end if;
  end if;
  if v_unit.status <> 'available' then
    raise exception 'unit % is %', v_unit.id, v_unit.status
      using errcode = 'IM354', hint = 'choose another unit';
  end if;
  perform blood_bank.check_request_takes(v_unit, p_request);
  perform blood_bank.check_in_date(v_unit);
  perform blood_bank.check_match(
    v_unit.id, p_request.id, (blood_bank.recipient_group(p_request.patient_id)).blood_group
  );
  if nullif(btrim(p_fefo_reason), '') is null then
    select c.id into v_earlier
    from blood_bank.blood_components c
    where
      c.tenant_id = v_unit.tenant_id and c.status = 'available' and c.component = v_unit.component
      and c.abo = v_unit.abo and c.rhd = v_unit.rhd and c.expires_at < v_unit.expires_at
      and c.expires_at
        > now() + make_interval(hours => blood_bank.limit_of('bloodbank.rules', 'transfusion_hours')::int)
    order by c.expires_at
    limit 1;
    if found then
      raise exception 'unit % of the same group expires before unit %', v_earlier, v_unit.id
        using errcode = 'IM002', hint = 'take that one, or say why not in the reason';
    end if;
  end if;
  return blood_bank.move_unit(v_unit, 'reserved', p_actor_id, p_fefo_reason, p_request.id);
end
$$;

comment on function blood_bank.keep_unit(blood_bank.blood_components, blood_bank.blood_requests, uuid, text) is 'about=Reserves a unit for a request, both locked by the caller. First expired, first out among units of one component and group, unless a reason is given.';

create function blood_bank.reserve_unit(
  p_component_id uuid,
  p_request_id uuid,
  p_reserved_by uuid,
  p_reason text default null
) returns blood_bank.blood_components
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_unit blood_bank.blood_components := blood_bank.lock_unit(p_component_id);
  v_request blood_bank.blood_requests := blood_bank.lock_request(p_request_id);
begin
  return blood_bank.keep_unit(v_unit, v_request, p_reserved_by, p_reason);
end
$$;

comment on function blood_bank.reserve_unit(uuid, uuid, uuid, text) is 'about=Keeps an available unit for a request, for setting bloodbank.rules.reservation_hours (default 48). Asked again: the same unit. IM002 another unit of the group expires earlier and no reason is given, IM005 no such unit or request, IM351 expires too soon, IM352 does not suit, IM354 it is kept or issued for somebody else, IM355 the group is unconfirmed, IM360 the request takes no more.';

create function blood_bank.free_unit(p_component_id uuid, p_freed_by uuid, p_reason_code text default 'not_needed')
  returns blood_bank.blood_components
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_unit blood_bank.blood_components := blood_bank.lock_unit(p_component_id);
begin
  if v_unit.status = 'available' then
    return v_unit;
  end if;
  if v_unit.status not in ('reserved', 'crossmatched') then
    raise exception 'unit % is % and not kept for a request', p_component_id, v_unit.status
      using errcode = 'IM001', hint = 'use blood_bank.return_unit for units that were issued';
  end if;
  perform blood_bank.release_crossmatches(v_unit, 'released');
  return blood_bank.move_unit(v_unit, 'available', p_freed_by, p_reason_code);
end
$$;

comment on function blood_bank.free_unit(uuid, uuid, text) is 'about=A unit that was reserved or crossmatched is available again; its crossmatch is released. IM001 it is not kept for a request, IM005 no such unit.';

create function blood_bank.record_crossmatch(
  p_request_id uuid,
  p_component_id uuid,
  p_sample_id uuid,
  p_method text,
  p_performed_by uuid,
  p_result text default null,
  p_verified_by uuid default null,
  p_reason text default null
) returns blood_bank.crossmatches
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_unit blood_bank.blood_components := blood_bank.lock_unit(p_component_id);
  v_request blood_bank.blood_requests := blood_bank.lock_request(p_request_id);
  v_hours int := blood_bank.limit_of('bloodbank.rules', 'crossmatch_hours');
  v_sample record;
  v_crossmatch blood_bank.crossmatches;
  v_is_out boolean; -- on emergency release: tested after it has left
begin
  v_is_out := exists (
    select
    from blood_bank.blood_issues i
    where
      i.tenant_id = v_unit.tenant_id and i.component_id = v_unit.id and i.request_id = p_request_id
      and i.status <> 'returned'
  );
  select x.* into v_crossmatch
  from blood_bank.crossmatches x
  where
    x.tenant_id = v_unit.tenant_id and x.request_id = p_request_id and x.component_id = p_component_id
    and x.sample_id = p_sample_id and x.method = p_method and x.status <> 'released'
  order by x.performed_at desc, x.id desc
  limit 1;
  if found and (v_crossmatch.status <> 'pending' or p_result is null) then
    if p_result is null or v_crossmatch.result = p_result then
      return v_crossmatch;
    end if;
    raise exception 'crossmatch % has another result', v_crossmatch.id
      using errcode = 'IM011', hint = 'crossmatch again by another method, or with another sample';
  end if;

  if v_crossmatch.id is null then
    v_sample := blood_bank.sample_of(p_sample_id, v_request.patient_id);
    if v_sample.collected_at + make_interval(hours => v_hours) <= now() then
      raise exception 'sample % is older than % hours', p_sample_id, v_hours
        using errcode = 'IM353', hint = 'take a new sample';
    end if;
    if not v_is_out then
      v_unit := blood_bank.keep_unit(v_unit, v_request, p_performed_by, p_reason);
    end if;
    -- another method or sample replaces the crossmatch before it
    perform blood_bank.release_crossmatches(v_unit, 'released');
    insert into blood_bank.crossmatches as x (
      tenant_id, request_id, component_id, patient_id, sample_id, sample_collected_at, method, performed_by,
      valid_until
    )
    values (
      v_unit.tenant_id, p_request_id, p_component_id, v_request.patient_id, p_sample_id, v_sample.collected_at,
      p_method, p_performed_by, v_sample.collected_at + make_interval(hours => v_hours)
    )
    returning x.* into v_crossmatch;
  end if;
  if p_result is null then
    return v_crossmatch;
  end if;

  update blood_bank.crossmatches x
  set
    status = case p_result when 'incompatible' then 'incompatible' else 'compatible' end, result = p_result,
    performed_by = p_performed_by, performed_at = now(), verified_by = p_verified_by
  where x.tenant_id = v_crossmatch.tenant_id and x.id = v_crossmatch.id
  returning x.* into v_crossmatch;
  if v_is_out then
    update blood_bank.blood_issues i
    set
      crossmatch_id = coalesce(i.crossmatch_id, v_crossmatch.id),
      warnings = i.warnings || case when p_result <> 'compatible' then array['incompatible_afterwards'] else '{}' end
    where
      i.tenant_id = v_unit.tenant_id and i.component_id = v_unit.id and i.request_id = p_request_id
      and i.status <> 'returned';
  elsif v_crossmatch.status = 'incompatible' then
    perform blood_bank.move_unit(v_unit, 'available', p_performed_by, 'incompatible');
  elsif v_unit.status = 'reserved' then
    perform blood_bank.move_unit(v_unit, 'crossmatched', p_performed_by, null, p_request_id);
  end if;
  return v_crossmatch;
end
$$;

comment on function blood_bank.record_crossmatch(uuid, uuid, uuid, text, uuid, text, uuid, text) is 'about=Crossmatches a unit for a request with a sample of the patient; without p_result it is begun, with one (compatible, least_incompatible, incompatible) it is done. Reserves the unit when it is available. Valid for setting bloodbank.rules.crossmatch_hours (at most 72) after the collection of the sample. Incompatible: the unit is available again. A unit that left on emergency release is tested afterwards: it stays where it is, and an incompatible result becomes the warning incompatible_afterwards of its issue. The same again, the same row. Fails as reserve_unit does, and with IM011 it has another result, IM353 the sample is not collected or too old, IM355 an electronic crossmatch without a confirmed group and a negative antibody screen.';
