-- From draft to order. Decision support looks at the draft, its alerts are answered, and the doctor signs; signing looks
-- again in the same snapshot, so that nothing that changed in between slips through.

create function medication.ingredients_of(p_item medication.prescription_items) returns setof jsonb
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  -- A dose in the unit of the ingredient is that amount of it; a dose in tablets or millilitres holds so many times what
  -- one unit of the form contains.
  return query
  select jsonb_strip_nulls(jsonb_build_object(
    'item_id', p_item.id,
    'ingredient_code', g.ingredient_code,
    'dose_value',
    case when p_item.dose_unit = g.strength_unit then p_item.dose_value else p_item.dose_value * g.strength_value end,
    'unit', coalesce(g.strength_unit, p_item.dose_unit),
    'route', p_item.route,
    'doses_per_day', medication.doses_per_day(p_item)
  ))
  from medication.drug_ingredients g
  where g.drug_id = p_item.drug_id and g.is_active;
end
$$;

comment on function medication.ingredients_of(medication.prescription_items) is 'about=Active ingredients of a medicine as cds.check_medication takes them.';

create function medication.ingredients_to_check(p_prescription medication.prescriptions) returns jsonb
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_items jsonb;
begin
  select coalesce(
    jsonb_agg(
      case when i.prescription_id = p_prescription.id then g.ingredient else g.ingredient || '{"current": true}' end
      order by i.id, g.ingredient ->> 'ingredient_code'
    ),
    '[]'
  )
  into v_items
  from medication.prescriptions p
  join medication.prescription_items i on i.tenant_id = p.tenant_id and i.prescription_id = p.id
  cross join lateral medication.ingredients_of(i) as g (ingredient)
  where
    p.tenant_id = p_prescription.tenant_id and p.patient_id = any (patient.ids_of(p_prescription.patient_id))
    and case
      when p.id = p_prescription.id then i.status in ('draft', 'active', 'on_hold')
      -- the prescription that this one replaces does not count against it
      when p.id = p_prescription.reconciled_from_id or p.status in ('draft', 'cancelled') then false
      when i.status in ('active', 'on_hold') then true
      -- dispensed to the last piece, and still being taken
      else i.status = 'completed' and i.stop_at is null
        and i.start_at + make_interval(days => coalesce(i.duration_days, 30)) > now()
    end;
  return v_items;
end
$$;

comment on function medication.ingredients_to_check(medication.prescriptions) is 'about=What decision support looks at: the ingredients of a prescription, and, marked current, of everything else that the patient takes.';

create function medication.evaluate(p_prescription medication.prescriptions) returns setof cds.alerts
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select *
  from cds.check_medication(
    p_prescription.patient_id, p_prescription.encounter_id, 'medication.prescriptions', p_prescription.id,
    medication.ingredients_to_check(p_prescription)
  );
end
$$;

comment on function medication.evaluate(medication.prescriptions) is 'about=What decision support says to a prescription.';

create function medication.check_prescription(p_prescription_id uuid) returns setof cds.alerts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_prescription medication.prescriptions := medication.lock_prescription(p_prescription_id);
begin
  return query select * from medication.evaluate(v_prescription);
end
$$;

comment on function medication.check_prescription(uuid) is 'about=Asks decision support about a prescription and returns its alerts, which stay and can be answered. Call it while the doctor writes, and before signing. IM005 no such prescription.';

create function medication.check_prescriber(p_prescription medication.prescriptions) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_today date := (now() at time zone medication.clinic_zone(p_prescription.encounter_id))::date;
  v_doctor record;
begin
  select s.id as staff_id, s.user_id, s.status, d.registration_valid_to into v_doctor
  from workforce.doctors d
  join workforce.staff s on s.tenant_id = d.tenant_id and s.id = d.staff_id
  where
    d.tenant_id = p_prescription.tenant_id and d.id = p_prescription.doctor_id
    and d.deleted_at is null and s.deleted_at is null;
  if not found or v_doctor.user_id is distinct from core.current_user_id() then
    raise exception 'prescription % is signed by its prescriber only', p_prescription.id
      using errcode = 'IM006', hint = 'doctor ' || p_prescription.doctor_id || ' must be signed in';
  end if;
  if v_doctor.status in ('suspended', 'left')
    or v_doctor.registration_valid_to < v_today
    -- a licence that the hospital has on file must hold, one that it never filed is not asked for
    or (
      exists (
        select
        from workforce.staff_credentials c
        where
          c.tenant_id = p_prescription.tenant_id and c.staff_id = v_doctor.staff_id and c.kind = 'registration'
          and c.status in ('verified', 'expired', 'revoked')
      )
      and not exists (
        select
        from workforce.staff_credentials c
        where
          c.tenant_id = p_prescription.tenant_id and c.staff_id = v_doctor.staff_id and c.kind = 'registration'
          and c.status = 'verified' and c.valid_during @> v_today
      )
    )
  then
    raise exception 'the registration of doctor % is not valid', p_prescription.doctor_id
      using errcode = 'IM405', hint = 'renew the registration, or ask another prescriber';
  end if;
end
$$;

comment on function medication.check_prescriber(medication.prescriptions) is 'about=Passes when the signed-in user is the prescriber and is registered today. IM006 somebody else, IM405 the registration has lapsed or was revoked.';

create function medication.check_allergies(p_prescription medication.prescriptions, p_reviewed boolean) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not coalesce(p_reviewed, false) then
    raise exception 'the allergies of the patient of prescription % were not reviewed', p_prescription.id
      using errcode = 'IM406', hint = 'show clinical.allergies, then pass p_allergies_reviewed';
  end if;
  -- silence is not "no allergies": in an emergency there is nobody to ask
  if p_prescription.context <> 'emergency' and not exists (
    select
    from clinical.allergies a
    where
      a.tenant_id = p_prescription.tenant_id and a.patient_id = any (patient.ids_of(p_prescription.patient_id))
      and a.clinical_status = 'active' and a.verification_status not in ('refuted', 'entered_in_error')
      and a.deleted_at is null
  ) then
    raise exception 'nothing is known about allergies of the patient of prescription %', p_prescription.id
      using errcode = 'IM406', hint = 'ask the patient and record the allergies, or that none are known';
  end if;
end
$$;

comment on function medication.check_allergies(medication.prescriptions, boolean) is 'about=IM406 unless the prescriber reviewed the allergies and something is recorded about them, be it that none are known; in an emergency the review is enough.';

create function medication.digest_of(p_prescription medication.prescriptions) returns bytea
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
  set timezone = 'UTC' -- the same text for every reader
as $$
declare
  v_items jsonb;
begin
  select jsonb_agg(
    to_jsonb(i) - array[
      'tenant_id', 'quantity_dispensed', 'stop_at', 'stop_reason', 'status', 'row_version', 'created_at', 'created_by',
      'updated_at', 'updated_by'
    ]
    order by i.id
  )
  into v_items
  from medication.prescription_items i
  where i.tenant_id = p_prescription.tenant_id and i.prescription_id = p_prescription.id and i.status <> 'cancelled';
  return sha256(convert_to(
    jsonb_build_array(
      p_prescription.prescription_number, p_prescription.patient_id, p_prescription.encounter_id,
      p_prescription.doctor_id, p_prescription.context, p_prescription.valid_until, v_items
    )::text,
    'UTF8'
  ));
end
$$;

comment on function medication.digest_of(medication.prescriptions) is 'about=SHA-256 of what the doctor signs: the prescription and its items as ordered. What happens to them later does not change it.';

create function medication.activate_prescription(
  p_prescription_id uuid,
  p_allergies_reviewed boolean default false,
  p_method text default 'password_reauth',
  p_signature bytea default null,
  p_certificate_ref text default null
) returns medication.prescriptions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_prescription medication.prescriptions := medication.lock_prescription(p_prescription_id);
  v_tenant uuid := v_prescription.tenant_id;
  v_days int := coalesce((core.setting('medication.prescription_valid_days') #>> '{}')::int, 30);
  v_prohibited uuid;
  v_signature_id uuid;
begin
  if v_prescription.status = 'cancelled' then
    raise exception 'prescription % was cancelled', p_prescription_id
      using errcode = 'IM001', hint = 'draft a new one';
  end if;
  if v_prescription.status <> 'draft' then
    return v_prescription;
  end if;
  perform medication.check_prescriber(v_prescription);
  perform medication.check_allergies(v_prescription, p_allergies_reviewed);
  perform
  from medication.prescription_items i
  where i.tenant_id = v_tenant and i.prescription_id = p_prescription_id and i.status = 'draft';
  if not found then
    raise exception 'prescription % has no items', p_prescription_id
      using errcode = 'IM006', hint = 'add a medicine, or cancel the draft';
  end if;
  -- the catalogue may have changed since the draft was written
  select i.drug_id into v_prohibited
  from medication.prescription_items i
  join medication.drugs d on d.id = i.drug_id
  where
    i.tenant_id = v_tenant and i.prescription_id = p_prescription_id and i.status = 'draft'
    and v_prescription.context = 'teleconsult' and d.telemedicine_list = 'prohibited'
  limit 1;
  if found then
    raise exception 'drug % may not be prescribed in a teleconsultation', v_prohibited
      using errcode = 'IM402', hint = 'see the patient in person, or choose another drug';
  end if;
  -- Two doctors who sign for one patient at the same moment share no row: the second waits here and then sees what the
  -- first ordered.
  perform pg_advisory_xact_lock(hashtextextended('medication.sign ' || v_tenant || v_prescription.patient_id, 0));
  perform from medication.evaluate(v_prescription); -- its hard stops are counted by the trigger of the update below

  v_prescription.valid_until := coalesce(
    v_prescription.valid_until,
    case
      when v_prescription.context not in ('ipd', 'emergency') then
        (now() at time zone medication.clinic_zone(v_prescription.encounter_id))::date + v_days
    end
  );
  select s.id into v_signature_id
  from ehr.sign_record(
    'medication.prescriptions', p_prescription_id, medication.digest_of(v_prescription), 'author', p_method, p_signature,
    p_certificate_ref
  ) s;
  update medication.prescription_items i
  set status = 'active'
  where i.tenant_id = v_tenant and i.prescription_id = p_prescription_id and i.status = 'draft';
  update medication.prescriptions p
  set
    status = 'active', allergies_reviewed = true, signed_at = now(), valid_until = v_prescription.valid_until,
    signature_id = v_signature_id
  where p.tenant_id = v_tenant and p.id = p_prescription_id
  returning p.* into v_prescription;
  return v_prescription;
end
$$;

comment on function medication.activate_prescription(uuid, boolean, text, bytea, text) is 'about=The prescriber signs a draft and it becomes an order. Decision support is asked once more in the same snapshot. Signing twice changes nothing. IM001 it was cancelled, IM005 no such prescription, IM006 somebody else than the prescriber, or no items, IM401 a hard-stop alert is open (medication.check_prescription shows it), IM402 a drug is prohibited in a teleconsultation, IM405 the prescriber''s registration is not valid, IM406 allergies not reviewed or nothing recorded about them.';
