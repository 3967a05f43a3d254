-- Rules that look at another table; their triggers stand with the tables. Each is the last guard behind an operation, so
-- that no road into the table goes around it.

create function medication.needs_second_person(p_drug_id uuid) returns boolean
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  return exists (
    select
    from medication.drugs d
    where d.id = p_drug_id and (d.is_high_alert or d.schedule in ('X', 'NDPS'))
  );
end
$$;

comment on function medication.needs_second_person(uuid) is 'about=Whether two people must handle the drug: high alert, or controlled (Schedule X, NDPS).';

create function medication.check_telemedicine_list() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (
    select
    from medication.prescriptions p
    join medication.drugs d on d.id = new.drug_id
    where
      p.tenant_id = new.tenant_id and p.id = new.prescription_id and p.context = 'teleconsult'
      and d.telemedicine_list = 'prohibited'
  ) then
    raise exception 'drug % may not be prescribed in a teleconsultation', new.drug_id
      using errcode = 'IM402', hint = 'see the patient in person, or choose another drug';
  end if;
  return new;
end
$$;

comment on function medication.check_telemedicine_list() is 'about=Before insert or change of drug of an item: IM402 the drug is prohibited and the prescription comes from a teleconsultation.';

create function medication.check_hard_stops() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.status = 'active' and old.status = 'draft'
    and cds.count_open_hard_stops('medication.prescriptions', new.id) > 0
  then
    raise exception 'a hard-stop alert of prescription % is open', new.id
      using errcode = 'IM401', hint = 'change the prescription, or override the alert with a second approver';
  end if;
  return new;
end
$$;

comment on function medication.check_hard_stops() is 'about=Before a prescription becomes active: IM401 a hard-stop alert of decision support is neither resolved nor overridden by two people.';

create function medication.check_second_person() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.status = 'completed' and old.status <> 'completed'
    and (new.checked_by is null or new.checked_by = new.prepared_by)
    and exists (
      select
      from medication.dispense_items l
      join inventory.items i on i.tenant_id = l.tenant_id and i.id = l.item_id
      where l.tenant_id = new.tenant_id and l.dispense_id = new.id and medication.needs_second_person(i.drug_id)
    )
  then
    raise exception 'dispense % has a high-alert or controlled drug that nobody else checked', new.id
      using errcode = 'IM403', hint = 'a second member of staff checks it and completes the dispense';
  end if;
  return new;
end
$$;

comment on function medication.check_second_person() is 'about=Before a dispense is completed: high-alert and controlled drugs were checked by another person than the one who prepared them. IM403.';

create function medication.check_batch_choice() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_store record;
begin
  if new.quantity < 0 then -- goods that come back
    return new;
  end if;
  select d.store_location_id as id, (now() at time zone c.timezone)::date as today into v_store
  from medication.dispenses d
  join facility.locations l on l.tenant_id = d.tenant_id and l.id = d.store_location_id
  join facility.clinics c on c.tenant_id = l.tenant_id and c.id = l.clinic_id
  where d.tenant_id = new.tenant_id and d.id = new.dispense_id;
  if new.expiry_on <= v_store.today then
    raise exception 'batch % expires on %', new.batch_id, new.expiry_on
      using errcode = 'IM501', hint = 'dispense a batch that expires after today';
  end if;
  -- a reservation took the earliest batch of its day; what came back to stock since then does not undo that
  if new.reservation_id is null and new.fefo_override_reason is null and exists (
    select
    from inventory.stock_balances s
    join inventory.batches b on b.tenant_id = s.tenant_id and b.id = s.batch_id
    where
      s.tenant_id = new.tenant_id and s.store_location_id = v_store.id and s.item_id = new.item_id
      and s.on_hand > s.reserved and s.expiry_on > v_store.today and s.expiry_on < new.expiry_on
      and b.status = 'available'
  ) then
    raise exception 'store % has an earlier batch of item % than %', v_store.id, new.item_id, new.batch_id
      using errcode = 'IM503', hint = 'take the batch that expires first, or say why in fefo_override_reason';
  end if;
  return new;
end
$$;

comment on function medication.check_batch_choice() is 'about=Before insert of a dispensed line: the batch expires after today (IM501), and when an earlier one with free stock was passed over the line says why (IM503).';

create function medication.check_witness() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.status = 'given' and new.witness_id is null and exists (
    select
    from medication.prescription_items i
    where
      i.tenant_id = new.tenant_id and i.id = new.prescription_item_id and medication.needs_second_person(i.drug_id)
  ) then
    raise exception 'a dose of item % needs a witness', new.prescription_item_id
      using errcode = 'IM403', hint = 'name another member of staff in witness_id';
  end if;
  return new;
end
$$;

comment on function medication.check_witness() is 'about=Before a dose is recorded as given: high-alert and controlled drugs are given before a witness. IM403.';

create function medication.check_pharmacy_clearance() returns trigger
  language plpgsql
  security definer -- the discharge runs as another service, which cannot read doses
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_doses int;
begin
  if new.pharmacy_cleared_at is not distinct from old.pharmacy_cleared_at
    and (new.status = old.status or new.status not in ('clinically_discharged', 'billing_cleared', 'discharged'))
  then
    return new;
  end if;
  select count(*) into v_doses
  from medication.medication_administrations a
  where
    a.tenant_id = new.tenant_id and a.encounter_id = new.encounter_id and a.status = 'due' and a.scheduled_at <= now();
  if v_doses > 0 then
    raise exception 'admission %: % due doses are not explained', new.id, v_doses
      using errcode = 'IM203', hint = 'record each as given, missed, refused or held';
  end if;
  if new.pharmacy_cleared_at is not null and new.pharmacy_waiver_reason is null and exists (
    select
    from medication.prescriptions p
    join medication.dispenses d on d.tenant_id = p.tenant_id and d.prescription_id = p.id
    where
      p.tenant_id = new.tenant_id and p.encounter_id = new.encounter_id and d.status in ('preparing', 'ready')
  ) then
    raise exception 'admission %: a dispense waits at the pharmacy', new.id
      using errcode = 'IM203', hint = 'hand it over, cancel it, or waive the clearance';
  end if;
  return new;
end
$$;

comment on function medication.check_pharmacy_clearance() is 'about=Before the pharmacy clears an admission, and before each step of a discharge: every due dose is explained, and nothing waits at the counter unless that is waived. IM203.';

create function medication.end_inpatient_orders() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_prescription record;
begin
  if new.status = 'discharged' and old.status <> 'discharged' then
    for v_prescription in
      select p.id
      from medication.prescriptions p
      where
        p.tenant_id = new.tenant_id and p.encounter_id = new.encounter_id and p.context in ('ipd', 'emergency')
        and p.status in ('active', 'partially_dispensed')
      order by p.id
    loop
      perform medication.stop_prescription(v_prescription.id, 'discharged');
    end loop;
  end if;
  return null;
end
$$;

comment on function medication.end_inpatient_orders() is 'about=After the patient has left: stops the orders of the stay, so that no dose falls due any more. The prescription for home goes on.';
