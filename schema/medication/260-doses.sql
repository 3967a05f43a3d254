-- The round: doses fall due, are given or not, and each is explained. A dose is known by its medicine and its time.

create function medication.require_stay(p_prescription medication.prescriptions) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_status text;
begin
  select e.status into v_status
  from clinical.encounters e
  where e.tenant_id = p_prescription.tenant_id and e.id = p_prescription.encounter_id;
  if p_prescription.context not in ('ipd', 'emergency')
    or p_prescription.status not in ('active', 'partially_dispensed')
    or v_status not in ('arrived', 'triaged', 'in_progress', 'on_leave')
  then
    raise exception 'nurses give nothing on prescription %', p_prescription.id
      using errcode = 'IM001', hint = 'doses are given on active ipd and emergency prescriptions of a stay that goes on';
  end if;
end
$$;

comment on function medication.require_stay(medication.prescriptions) is 'about=Passes for an active prescription of kind ipd or emergency whose patient is still here. IM001 otherwise.';

create function medication.add_doses(p_item medication.prescription_items, p_until timestamptz) returns int
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_prescription record;
  v_zone text;
  v_at timestamptz;
  v_added int := 0;
begin
  select p.patient_id, p.encounter_id into v_prescription
  from medication.prescriptions p
  where p.tenant_id = p_item.tenant_id and p.id = p_item.prescription_id;
  v_zone := medication.clinic_zone(v_prescription.encounter_id);
  -- not before today's rounds: a late order does not fall due in the past for days
  for v_at in select * from medication.dose_times(p_item, v_zone, now() - interval '12 hours', p_until) loop
    insert into medication.medication_administrations (
      tenant_id, prescription_item_id, patient_id, encounter_id, scheduled_at, dose_unit, route
    )
    values (
      p_item.tenant_id, p_item.id, v_prescription.patient_id, v_prescription.encounter_id, v_at, p_item.dose_unit,
      p_item.route
    )
    on conflict (tenant_id, prescription_item_id, scheduled_at) where status <> 'entered_in_error' do nothing;
    if found then
      v_added := v_added + 1;
    end if;
  end loop;
  return v_added;
end
$$;

comment on function medication.add_doses(medication.prescription_items, timestamptz) is 'about=Adds the doses of an item that fall due until a moment and are not there yet; returns how many.';

create function medication.schedule_doses(p_item_id uuid, p_until timestamptz default now() + interval '24 hours')
  returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_item medication.prescription_items := medication.lock_item(p_item_id);
begin
  perform medication.require_stay(medication.lock_prescription(v_item.prescription_id));
  if v_item.status <> 'active' then
    raise exception 'prescription item % is %', p_item_id, v_item.status
      using errcode = 'IM001', hint = 'only active medicines fall due';
  end if;
  return medication.add_doses(v_item, p_until);
end
$$;

comment on function medication.schedule_doses(uuid, timestamptz) is 'about=Makes the doses of a medicine that fall due until p_until (default: in 24 hours) and returns how many are new. As-needed medicines have none. IM001 the medicine, its prescription or the stay is not active, IM005 no such item.';

create function medication.schedule_due_doses(p_until timestamptz default now() + interval '24 hours') returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_prescription record;
  v_item medication.prescription_items;
  v_added int := 0;
begin
  for v_prescription in
    select p.id
    from medication.prescriptions p
    join clinical.encounters e on e.tenant_id = p.tenant_id and e.id = p.encounter_id
    where
      p.tenant_id = v_tenant
      and p.context in ('ipd', 'emergency')
      and p.status in ('active', 'partially_dispensed')
      and e.status in ('arrived', 'triaged', 'in_progress', 'on_leave')
    order by p.id
    for no key update of p skip locked -- one that somebody works on is scheduled by the next run
  loop
    for v_item in
      select i.*
      from medication.prescription_items i
      where i.tenant_id = v_tenant and i.prescription_id = v_prescription.id and i.status = 'active'
      order by i.id
    loop
      v_added := v_added + medication.add_doses(v_item, p_until);
    end loop;
  end loop;
  return v_added;
end
$$;

comment on function medication.schedule_due_doses(timestamptz) is 'about=Job, a few times a day: makes the doses of all patients in beds that fall due until p_until (default: in 24 hours) and returns how many are new.';

create function medication.lock_dose(p_item_id uuid, p_scheduled_at timestamptz)
  returns medication.medication_administrations
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_item medication.prescription_items := medication.lock_item(p_item_id);
  v_dose medication.medication_administrations;
begin
  select a.* into v_dose
  from medication.medication_administrations a
  where
    a.tenant_id = v_item.tenant_id and a.prescription_item_id = p_item_id and a.scheduled_at = p_scheduled_at
    and a.status <> 'entered_in_error'
  for no key update;
  return v_dose;
end
$$;

comment on function medication.lock_dose(uuid, timestamptz) is 'about=The live record of a dose, locked with its order, or null. IM005 no such item.';

create function medication.require_dose(p_dose medication.medication_administrations, p_item_id uuid) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_dose.id is null then
    raise exception 'no dose of item % is due then', p_item_id
      using errcode = 'IM005', hint = 'medication.schedule_doses makes what falls due';
  end if;
end
$$;

comment on function medication.require_dose(medication.medication_administrations, uuid) is 'about=IM005 when there is no dose.';

create function medication.give_dose(
  p_item_id uuid,
  p_scheduled_at timestamptz,
  p_dose_given numeric default null,
  p_witness_id uuid default null,
  p_batch_id uuid default null,
  p_given_at timestamptz default now(),
  p_route text default null,
  p_site text default null,
  p_patient_scan boolean default null,
  p_drug_scan boolean default null,
  p_note_enc bytea default null
) returns medication.medication_administrations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_staff uuid := workforce.acting_staff_id();
  v_dose medication.medication_administrations := medication.lock_dose(p_item_id, p_scheduled_at);
  v_item medication.prescription_items := medication.lock_item(p_item_id);
  v_prescription medication.prescriptions;
begin
  if v_dose.status = 'given' then
    return v_dose;
  end if;
  -- what was given before the order ended may be recorded after it
  if v_item.status not in ('active', 'stopped', 'completed')
    or (v_item.status <> 'active' and p_given_at > v_item.stop_at)
  then
    raise exception 'prescription item % is %', p_item_id, v_item.status
      using errcode = 'IM001', hint = 'give what is ordered now';
  end if;
  if p_given_at > now() + interval '5 minutes' then
    raise exception 'a dose cannot be given in the future' using errcode = '22023', hint = 'record it when it was given';
  end if;
  if p_witness_id is not null then
    perform medication.require_witness(p_witness_id, v_staff);
  end if;
  if v_dose.id is null and v_item.is_prn then
    v_prescription := medication.lock_prescription(v_item.prescription_id);
    perform medication.require_stay(v_prescription);
    insert into medication.medication_administrations as a (
      tenant_id, prescription_item_id, patient_id, encounter_id, scheduled_at, dose_unit, route
    )
    values (
      v_item.tenant_id, p_item_id, v_prescription.patient_id, v_prescription.encounter_id, p_scheduled_at,
      v_item.dose_unit, v_item.route
    )
    returning a.* into v_dose;
  end if;
  perform medication.require_dose(v_dose, p_item_id);

  update medication.medication_administrations a
  set
    status = 'given', given_at = p_given_at, given_by = v_staff, witness_id = p_witness_id,
    dose_given = coalesce(p_dose_given, v_item.dose_value), dose_unit = v_item.dose_unit,
    route = coalesce(p_route, v_item.route), site = p_site, batch_id = p_batch_id, patient_scan = p_patient_scan,
    drug_scan = p_drug_scan, note_enc = p_note_enc, not_given_reason = null
  where a.tenant_id = v_dose.tenant_id and a.id = v_dose.id and a.scheduled_at = v_dose.scheduled_at
  returning a.* into v_dose;
  return v_dose;
end
$$;

comment on function medication.give_dose(uuid, timestamptz, numeric, uuid, uuid, timestamptz, text, text, boolean, boolean, bytea) is 'about=The signed-in nurse gave a dose that was due or held; the ordered amount unless p_dose_given says otherwise. An as-needed dose need not be due: its record is made, p_scheduled_at is its time. Recording it again changes nothing. IM001 the order is held, over or the dose was explained otherwise, IM005 no such item or dose, IM006 no member of staff, IM403 a high-alert or controlled drug needs another member of staff as witness, 22023 in the future.';

create function medication.record_not_given(
  p_item_id uuid,
  p_scheduled_at timestamptz,
  p_outcome text,
  p_reason text,
  p_note_enc bytea default null
) returns medication.medication_administrations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_staff uuid := workforce.acting_staff_id();
  v_dose medication.medication_administrations := medication.lock_dose(p_item_id, p_scheduled_at);
begin
  if coalesce(p_outcome, '') not in ('missed', 'refused', 'held') then
    raise exception 'unknown outcome "%"', p_outcome using errcode = '22023', hint = 'use missed, refused or held';
  end if;
  perform medication.require_dose(v_dose, p_item_id);
  if v_dose.status = p_outcome then
    return v_dose;
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'a dose of item % that is % needs a reason', p_item_id, p_outcome
      using errcode = 'IM002', hint = 'say why in p_reason';
  end if;
  update medication.medication_administrations a
  set status = p_outcome, not_given_reason = btrim(p_reason), note_enc = coalesce(p_note_enc, a.note_enc)
  where a.tenant_id = v_dose.tenant_id and a.id = v_dose.id and a.scheduled_at = v_dose.scheduled_at
  returning a.* into v_dose;
  return v_dose;
end
$$;

comment on function medication.record_not_given(uuid, timestamptz, text, text, bytea) is 'about=A due dose was missed, refused by the patient or held back, and why; a held one may still be given. IM001 it was explained otherwise, IM002 no reason, IM005 no such item or dose, IM006 no member of staff, 22023 unknown outcome.';

create function medication.mark_dose_in_error(p_item_id uuid, p_scheduled_at timestamptz, p_reason text)
  returns medication.medication_administrations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_staff uuid := workforce.acting_staff_id();
  v_dose medication.medication_administrations := medication.lock_dose(p_item_id, p_scheduled_at);
  v_due medication.medication_administrations;
begin
  perform medication.require_dose(v_dose, p_item_id);
  if v_dose.status = 'due' and exists (
    select
    from medication.medication_administrations a
    where
      a.tenant_id = v_dose.tenant_id and a.prescription_item_id = p_item_id and a.scheduled_at = p_scheduled_at
      and a.status = 'entered_in_error'
  ) then
    return v_dose; -- said already
  end if;
  perform core.set_reason(btrim(p_reason));
  update medication.medication_administrations a
  set status = 'entered_in_error', not_given_reason = nullif(btrim(p_reason), '')
  where a.tenant_id = v_dose.tenant_id and a.id = v_dose.id and a.scheduled_at = v_dose.scheduled_at;
  insert into medication.medication_administrations as a (
    tenant_id, prescription_item_id, patient_id, encounter_id, scheduled_at, dose_unit, route
  )
  values (
    v_dose.tenant_id, p_item_id, v_dose.patient_id, v_dose.encounter_id, p_scheduled_at, v_dose.dose_unit, v_dose.route
  )
  returning a.* into v_due;
  return v_due;
end
$$;

comment on function medication.mark_dose_in_error(uuid, timestamptz, text) is 'about=A dose that is recorded as given was not: the record stays as entered in error, and the dose is due again, to be explained. Returns the due dose. IM001 it was not recorded as given, IM002 no reason, IM005 no such item or dose, IM006 no member of staff.';
