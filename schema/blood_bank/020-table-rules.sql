-- Rules that a constraint cannot express. The tables name these triggers; what they call is in the 2NN files.

create function blood_bank.check_donation() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_rule text;
  v_limit numeric;
begin
  if new.eligible and (tg_op = 'INSERT' or not old.eligible) then
    v_rule := coalesce(
      blood_bank.donor_hindrance(new.donor_id, new.kind, (new.screened_at at time zone core.tenant_zone())::date),
      blood_bank.screening_failure(
        new.weight_kg, new.haemoglobin_g_dl, new.systolic, new.diastolic, new.pulse, new.temperature_c
      )
    );
    if v_rule is not null then
      raise exception 'donor % may not donate: %', new.donor_id, v_rule
        using errcode = 'IM359', hint = 'defer the donor; setting bloodbank.donor has the limits';
    end if;
  end if;
  if new.volume_ml is not null and (tg_op = 'INSERT' or old.volume_ml is distinct from new.volume_ml) then
    v_limit := blood_bank.limit_of(
      'bloodbank.donor',
      case
        when new.kind <> 'whole_blood' then 'apheresis_volume_ml'
        when new.weight_kg > blood_bank.limit_of('bloodbank.donor', 'heavy_from_kg') then 'heavy_volume_ml'
        else 'volume_ml'
      end
    );
    if new.volume_ml > v_limit then
      raise exception 'donation % is of more than % ml', new.id, v_limit
        using errcode = 'IM359', hint = 'correct the volume, or report the event as an adverse reaction of the donor';
    end if;
  end if;
  return new;
end
$$;

comment on function blood_bank.check_donation() is 'about=Before insert or update: a donation is eligible only when donor and measurements keep the limits of setting bloodbank.donor, and no more is taken than the donor''s weight allows (IM359).';

create function blood_bank.check_kit_in_date() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.kit_expiry < (new.tested_at at time zone core.tenant_zone())::date then
    raise exception 'the kit of test % expired on %', new.id, new.kit_expiry
      using errcode = '23514', constraint = tg_name, hint = 'test again with a kit that is in date';
  end if;
  return new;
end
$$;

comment on function blood_bank.check_kit_in_date() is 'about=Before insert or update: the kit of a test had not expired on the day of the test (23514).';

create function blood_bank.check_unit_is_clear() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_clearance record;
begin
  if new.status not in ('available', 'reserved', 'crossmatched', 'issued', 'transfused')
    or (tg_op = 'UPDATE' and old.status in ('available', 'reserved', 'crossmatched', 'issued')) then
    return new;
  end if;
  v_clearance := blood_bank.clearance_of(new.donation_id);
  if v_clearance.reactive <> '{}' then
    raise exception 'unit % is of a reactive donation', new.id
      using errcode = 'IM356', hint = 'discard it';
  end if;
  if v_clearance.missing <> '{}' or v_clearance.abo <> new.abo or v_clearance.rhd <> new.rhd then
    raise exception 'unit % is of a donation that is not clear: %', new.id, array_to_string(v_clearance.missing, ', ')
      using errcode = 'IM350', hint = 'verify the tests and call blood_bank.release_donation';
  end if;
  return new;
end
$$;

comment on function blood_bank.check_unit_is_clear() is 'about=Before a unit becomes usable: the five infections of its donation are verified non-reactive, both ABO tests agree, RhD is known, and the label says the same (IM350, IM356).';

create function blood_bank.check_shelf_life() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_limit timestamptz := blood_bank.shelf_life_end(new.donation_id, new.component);
begin
  if new.parent_component_id is not null then
    v_limit := least(
      v_limit,
      (
        select c.expires_at
        from blood_bank.blood_components c
        where c.tenant_id = new.tenant_id and c.id = new.parent_component_id
      )
    );
  end if;
  if v_limit is null then
    raise exception 'donation % has not been collected', new.donation_id
      using errcode = 'IM350', hint = 'finish the collection first';
  end if;
  if new.expires_at > v_limit then
    raise exception 'unit % would be kept until %, its shelf life ends at %', new.id, new.expires_at, v_limit
      using errcode = 'IM351', hint = 'setting bloodbank.components has the shelf lives; they count from the collection';
  end if;
  return new;
end
$$;

comment on function blood_bank.check_shelf_life() is 'about=Before insert or update: a unit expires at the end of its component''s shelf life after the collection at the latest, a part not after the whole (IM351; IM350 not collected).';

create function blood_bank.compare_blood_groups() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_row record;
begin
  -- two samples that are entered at the same moment must see each other
  perform pg_advisory_xact_lock(hashtextextended('blood_bank.group ' || new.tenant_id || new.patient_id, 0));
  if new.status <> 'first_sample' then
    return new;
  end if;
  for v_row in
    select g.id, g.status
    from blood_bank.patient_blood_groups g
    where
      g.tenant_id = new.tenant_id
      and g.patient_id = new.patient_id
      and g.status in ('first_sample', 'confirmed', 'discrepant')
      and (g.abo <> new.abo or (g.rhd = 'pos') <> (new.rhd = 'pos'))
    order by g.id
  loop
    new.status := 'discrepant';
    if v_row.status <> 'discrepant' then
      update blood_bank.patient_blood_groups g
      set status = 'discrepant'
      where g.tenant_id = new.tenant_id and g.id = v_row.id;
    end if;
  end loop;
  return new;
end
$$;

comment on function blood_bank.compare_blood_groups() is 'about=Before insert: a sample that contradicts other samples of the patient is discrepant, and so are they. Weak and negative RhD do not contradict each other.';

create function blood_bank.check_crossmatch() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_group record := blood_bank.recipient_group(new.patient_id);
begin
  if new.method = 'electronic' and (v_group.blood_group is null or v_group.antibody_screen <> 'negative') then
    raise exception 'patient % has no confirmed group with a negative antibody screen', new.patient_id
      using errcode = 'IM355', hint = 'crossmatch by ahg or gel, or confirm the group with a second sample';
  end if;
  perform blood_bank.check_match(new.component_id, new.request_id, v_group.blood_group);
  return new;
end
$$;

comment on function blood_bank.check_crossmatch() is 'about=Before insert: no crossmatch of a unit that the groups forbid (IM352, IM355), and no electronic one without a confirmed group and a negative antibody screen (IM355).';

create function blood_bank.check_issue() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_component text;
  v_released_by uuid;
begin
  if new.crossmatch_id is not null then
    return new;
  end if;
  select c.component into v_component
  from blood_bank.blood_components c
  where c.tenant_id = new.tenant_id and c.id = new.component_id;
  select r.emergency_release_by into v_released_by
  from blood_bank.blood_requests r
  where r.tenant_id = new.tenant_id and r.id = new.request_id;
  if blood_bank.needs_crossmatch(v_component) and v_released_by is null then
    raise exception 'unit % is issued without a crossmatch', new.component_id
      using errcode = 'IM353', hint = 'crossmatch it, or have a doctor order emergency release';
  end if;
  return new;
end
$$;

comment on function blood_bank.check_issue() is 'about=Before insert: a unit with red cells leaves on a crossmatch, or on the emergency release of a named doctor (IM353).';

create function blood_bank.check_no_unit_is_out() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_units int;
begin
  if new.status = old.status or new.status not in ('clinically_discharged', 'discharged') then
    return new;
  end if;
  select count(*) into v_units
  from blood_bank.blood_requests r
  join blood_bank.blood_issues i on i.tenant_id = r.tenant_id and i.request_id = r.id
  where
    r.tenant_id = new.tenant_id
    and r.encounter_id = new.encounter_id
    and i.status in ('issued', 'transfusing', 'stopped');
  if v_units > 0 then
    raise exception 'admission % has % blood units out', new.id, v_units
      using errcode = 'IM203', hint = 'complete the transfusions, or bring the units back with blood_bank.return_unit';
  end if;
  return new;
end
$$;

comment on function blood_bank.check_no_unit_is_out() is 'about=Before an admission is discharged, clinically or physically: every unit that was issued in the stay is given or back (IM203).';
