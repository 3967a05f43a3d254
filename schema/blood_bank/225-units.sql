-- From a donation to units: prepared, released or discarded, looked back on.

create function blood_bank.prepare_unit(
  p_donation_id uuid,
  p_component text,
  p_product_code text,
  p_volume_ml int,
  p_storage_location_id uuid,
  p_prepared_by uuid,
  p_division text default '00',
  p_prepared_at timestamptz default now(),
  p_expires_at timestamptz default null
) returns blood_bank.blood_components
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_donation blood_bank.donations := blood_bank.lock_donation(p_donation_id);
  v_unit blood_bank.blood_components;
begin
  select c.* into v_unit
  from blood_bank.blood_components c
  where
    c.tenant_id = v_donation.tenant_id and c.din = v_donation.din and c.product_code = p_product_code
    and c.division = p_division;
  if found then
    return v_unit;
  end if;
  if v_donation.status not in ('collected', 'quarantined', 'released') then
    raise exception 'donation % is % and gives no units', p_donation_id, v_donation.status
      using errcode = 'IM001', hint = 'units are made of donations that were collected';
  end if;
  if v_donation.status = 'collected' then
    update blood_bank.donations d
    set status = 'quarantined'
    where d.tenant_id = v_donation.tenant_id and d.id = v_donation.id;
  end if;
  insert into blood_bank.blood_components as c (
    tenant_id, donation_id, din, product_code, division, component, volume_ml, prepared_at, expires_at,
    storage_location_id, storage_temp
  )
  values (
    v_donation.tenant_id, p_donation_id, v_donation.din, p_product_code, p_division, p_component, p_volume_ml,
    p_prepared_at, coalesce(p_expires_at, blood_bank.shelf_life_end(p_donation_id, p_component)), p_storage_location_id,
    numrange(
      blood_bank.limit_of('bloodbank.components', p_component, 'celsius', '0'),
      blood_bank.limit_of('bloodbank.components', p_component, 'celsius', '1'), '[]'
    )
  )
  returning c.* into v_unit;
  insert into blood_bank.component_events (tenant_id, component_id, to_status, actor_id, location_id)
  values (v_unit.tenant_id, v_unit.id, 'quarantined', p_prepared_by, p_storage_location_id);
  return v_unit;
end
$$;

comment on function blood_bank.prepare_unit(uuid, text, text, int, uuid, uuid, text, timestamptz, timestamptz) is 'about=Makes a unit of a donation, in quarantine, with the shelf life and storage of setting bloodbank.components. DIN, product code and division are one unit: made again, the same row. IM001 the donation was not collected, IM005 no such donation, IM351 kept too long.';

create function blood_bank.look_back(p_donation_id uuid) returns table (
  donation_id uuid,
  collected_at timestamptz,
  component_id uuid,
  component text,
  component_status text,
  issue_id uuid,
  patient_id uuid
)
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
  select e.id, e.ended_at, c.id, c.component, c.status, i.id, i.patient_id
  from blood_bank.donations d
  join blood_bank.donations e
    on e.tenant_id = d.tenant_id and e.donor_id = d.donor_id and e.id <> d.id and e.ended_at < d.ended_at
  left join blood_bank.blood_components c on c.tenant_id = e.tenant_id and c.donation_id = e.id
  left join blood_bank.blood_issues i
    on i.tenant_id = c.tenant_id and i.component_id = c.id
    and i.status in ('issued', 'transfusing', 'stopped', 'completed')
  where d.tenant_id = core.require_tenant() and d.id = p_donation_id
  order by e.ended_at desc, c.id
$$;

comment on function blood_bank.look_back(uuid) is 'about=The earlier donations of the donor with their units, where these are, and who received them: what must be traced when a donation is reactive.';

create function blood_bank.release_donation(p_donation_id uuid, p_released_by uuid) returns table (
  outcome text,
  failure_code text,
  units int,
  look_back_units int
)
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_donor blood_bank.donors := blood_bank.lock_donor_of(p_donation_id);
  v_donation blood_bank.donations := blood_bank.lock_donation(p_donation_id);
  v_clearance record := blood_bank.clearance_of(p_donation_id);
  v_group text := v_clearance.abo || case v_clearance.rhd when 'pos' then '+' else '-' end;
  v_reactive boolean := v_clearance.reactive <> '{}';
  v_days int;
  v_test text;
  v_unit blood_bank.blood_components;
begin
  if v_donation.status not in ('collected', 'quarantined', 'released', 'discarded') then
    raise exception 'donation % is % and cannot be released', p_donation_id, v_donation.status
      using errcode = 'IM001', hint = 'finish the collection first';
  end if;
  if v_donation.status <> 'discarded' and not v_reactive then
    if v_clearance.missing <> '{}' then
      raise exception 'donation % is not tested: %', p_donation_id, array_to_string(v_clearance.missing, ', ')
        using errcode = 'IM350', hint = 'enter and verify all tests, then release';
    end if;
    if v_donor.blood_group <> v_group then
      raise exception 'donation % has another group than earlier donations of donor %', p_donation_id, v_donor.id
        using errcode = 'IM350', hint = 'check the identity of donor and tubes, then group again';
    end if;
    if v_donation.status <> 'released' and (
      v_donor.permanent_deferral or exists (
        select
        from blood_bank.donor_deferrals f
        where
          f.tenant_id = v_donor.tenant_id and f.donor_id = v_donor.id
          and f.from_on >= (v_donation.ended_at at time zone core.tenant_zone())::date
      )
    ) then
      raise exception 'donor % was deferred after donation %', v_donor.id, p_donation_id
        using errcode = 'IM359', hint = 'discard the units with blood_bank.discard_unit';
    end if;
  end if;

  if v_donation.status = 'collected' then -- no units yet
    update blood_bank.donations d
    set status = 'quarantined'
    where d.tenant_id = v_donation.tenant_id and d.id = p_donation_id;
  end if;
  if v_donation.status in ('collected', 'quarantined') then
    update blood_bank.donations d
    set status = case when v_reactive then 'discarded' else 'released' end
    where d.tenant_id = v_donation.tenant_id and d.id = p_donation_id
    returning d.* into v_donation;
  end if;

  for v_unit in
    select c.*
    from blood_bank.blood_components c
    where c.tenant_id = v_donation.tenant_id and c.donation_id = p_donation_id and c.status = 'quarantined'
    order by c.id
    for no key update
  loop
    if v_donation.status = 'discarded' then
      perform blood_bank.move_unit(v_unit, 'discarded', p_released_by, 'reactive');
    elsif v_unit.expires_at <= now() then
      perform blood_bank.move_unit(v_unit, 'discarded', p_released_by, 'expired');
    else
      update blood_bank.blood_components c
      set abo = v_clearance.abo, rhd = v_clearance.rhd
      where c.tenant_id = v_unit.tenant_id and c.id = v_unit.id;
      perform blood_bank.move_unit(v_unit, 'available', p_released_by);
    end if;
  end loop;

  if v_donation.status = 'released' then
    update blood_bank.donors d
    set blood_group = v_group
    where d.tenant_id = v_donor.tenant_id and d.id = v_donor.id and d.blood_group is null;
  else
    foreach v_test in array v_clearance.reactive loop -- malaria passes, the others do not
      v_days := blood_bank.limit_of('bloodbank.donor', 'deferral_days', 'tti_' || v_test);
      perform blood_bank.write_deferral(
        v_donor, 'tti_' || v_test, case when v_days is null then 'permanent' else 'temporary' end,
        core.tenant_today() + v_days, p_released_by, 'tti', null, false
      );
    end loop;
  end if;

  outcome := v_donation.status;
  failure_code := case when v_reactive then 'IM356' end;
  select count(*) into units
  from blood_bank.blood_components c
  where c.tenant_id = v_donation.tenant_id and c.donation_id = p_donation_id;
  select count(l.component_id) into look_back_units
  from blood_bank.look_back(p_donation_id) l
  where v_reactive;
  return next;
end
$$;

comment on function blood_bank.release_donation(uuid, uuid) is 'about=Decides on a donation. All tests verified and clear: outcome released, its units available with the group of the tests. Any reactive: outcome discarded (failure_code IM356), every unit discarded, the donor deferred, and look_back_units says how many earlier units blood_bank.look_back lists. Asked again: the same answer; units that were prepared after a release are released too. IM001 not collected, IM005 no such donation, IM350 tests missing, or the group is not that of earlier donations, IM359 the donor was deferred meanwhile.';
