-- Writing a prescription. A draft belongs to its doctor and may still change; nothing is dispensed or given on it.

create function medication.add_prescription_item(p_prescription_id uuid, p_item jsonb) returns medication.prescription_items
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_known text[] := array[
    'id', 'drug_id', 'substituted_for_id', 'dose_value', 'dose_unit', 'route', 'frequency_code', 'timing',
    'duration_days', 'quantity', 'refills', 'is_prn', 'prn_reason', 'start_at', 'instructions', 'no_substitution',
    'indication'
  ];
  v_unknown text;
  v_prescription medication.prescriptions := medication.lock_prescription(p_prescription_id);
  v_tenant uuid := v_prescription.tenant_id;
  v_id uuid := coalesce((p_item ->> 'id')::uuid, core.uuid_v7());
  v_item medication.prescription_items;
begin
  select k.key into v_unknown from jsonb_object_keys(p_item) as k (key) where k.key <> all (v_known) limit 1;
  if v_unknown is not null then
    raise exception 'the item has an unknown key "%"', v_unknown
      using errcode = '22023', hint = 'known keys: ' || array_to_string(v_known, ', ');
  end if;
  select i.* into v_item from medication.prescription_items i where i.tenant_id = v_tenant and i.id = v_id;
  if found then
    if v_item.prescription_id = p_prescription_id and v_item.drug_id = (p_item ->> 'drug_id')::uuid then
      return v_item;
    end if;
    raise exception 'item % was added with other content', v_id
      using errcode = 'IM011', hint = 'give every item an id of its own';
  end if;
  if v_prescription.status <> 'draft' then
    raise exception 'prescription % is % and takes no more items', p_prescription_id, v_prescription.status
      using errcode = 'IM001', hint = 'stop what is wrong and draft a new prescription';
  end if;
  perform from medication.drugs d where d.id = (p_item ->> 'drug_id')::uuid and d.active;
  if not found then
    raise exception 'drug % does not exist or is not prescribed any more', p_item ->> 'drug_id'
      using errcode = 'IM005', hint = 'choose an active drug of the catalogue';
  end if;
  if medication.frequency_plan(p_item ->> 'frequency_code') is null
    and not coalesce(p_item -> 'timing', '{}') ?| array['times', 'every_hours', 'once']
  then
    raise exception 'frequency "%" has no plan', p_item ->> 'frequency_code'
      using errcode = '22023', hint = 'use a code of setting medication.frequencies, or pass timing';
  end if;

  insert into medication.prescription_items as i (
    tenant_id, id, prescription_id, drug_id, substituted_for_id, dose_value, dose_unit, route, frequency_code, timing,
    duration_days, quantity, refills, is_prn, prn_reason, start_at, instructions, no_substitution, indication
  )
  values (
    v_tenant, v_id, p_prescription_id, (p_item ->> 'drug_id')::uuid, (p_item ->> 'substituted_for_id')::uuid,
    (p_item ->> 'dose_value')::numeric, p_item ->> 'dose_unit', p_item ->> 'route', p_item ->> 'frequency_code',
    coalesce(p_item -> 'timing', '{}'), (p_item ->> 'duration_days')::smallint, (p_item ->> 'quantity')::numeric,
    coalesce((p_item ->> 'refills')::smallint, 0),
    coalesce((p_item ->> 'is_prn')::boolean, p_item ->> 'frequency_code' = 'PRN'), p_item ->> 'prn_reason',
    coalesce((p_item ->> 'start_at')::timestamptz, now()), p_item ->> 'instructions',
    coalesce((p_item ->> 'no_substitution')::boolean, false), p_item ->> 'indication'
  )
  returning i.* into v_item;
  return v_item;
end
$$;

comment on function medication.add_prescription_item(uuid, jsonb) is 'about=Adds a medicine to a draft: {drug_id, dose_value, dose_unit, route, frequency_code, quantity, and where needed id, timing, duration_days, refills, is_prn, prn_reason, start_at, instructions, no_substitution, indication, substituted_for_id}. The same id again returns the item. IM001 the prescription is signed or cancelled, IM005 no such prescription or drug, IM011 the id belongs to another item, IM402 the drug is prohibited in a teleconsultation, 22023 unknown key or frequency.';

create function medication.draft_prescription(
  p_encounter_id uuid,
  p_doctor_id uuid,
  p_context text,
  p_items jsonb default '[]',
  p_key text default null,
  p_valid_until date default null,
  p_reconciled_from_id uuid default null
) returns medication.prescriptions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_claim record;
  v_encounter record;
  v_item jsonb;
  v_prescription medication.prescriptions;
begin
  if p_key is not null then
    v_claim := core.idempotent_begin(
      'medication.draft_prescription', p_key,
      sha256(convert_to(
        jsonb_build_array(p_encounter_id, p_doctor_id, p_context, p_items, p_valid_until, p_reconciled_from_id)::text,
        'UTF8'
      ))
    );
    if v_claim.state = 'done' then
      return medication.lock_prescription((v_claim.response ->> 'prescription_id')::uuid);
    end if;
  end if;

  select e.patient_id, e.class::text as class, e.status into v_encounter
  from clinical.encounters e
  where e.tenant_id = v_tenant and e.id = p_encounter_id and e.deleted_at is null;
  if not found then
    raise exception 'encounter % does not exist', p_encounter_id
      using errcode = 'IM005', hint = 'choose an encounter of the tenant';
  end if;
  if v_encounter.status in ('cancelled', 'entered_in_error') then
    raise exception 'encounter % is %', p_encounter_id, v_encounter.status
      using errcode = 'IM006', hint = 'prescribe in a visit or stay that takes place';
  end if;
  if v_encounter.class = 'VR' and p_context <> 'teleconsult' then
    raise exception 'encounter % is a video consultation', p_encounter_id
      using errcode = 'IM402', hint = 'use context teleconsult: its list of drugs applies';
  end if;
  if p_reconciled_from_id is not null and not exists (
    select
    from medication.prescriptions p
    where p.tenant_id = v_tenant and p.id = p_reconciled_from_id and p.patient_id = v_encounter.patient_id
  ) then
    raise exception 'prescription % is not one of this patient', p_reconciled_from_id
      using errcode = 'IM005', hint = 'reconcile a prescription of the same patient';
  end if;

  insert into medication.prescriptions as p (
    tenant_id, prescription_number, patient_id, encounter_id, doctor_id, context, valid_until, reconciled_from_id
  )
  values (
    v_tenant, core.next_default_number('prescription', '', 'RX-{YY}-'), v_encounter.patient_id, p_encounter_id,
    p_doctor_id, p_context, p_valid_until, p_reconciled_from_id
  )
  returning p.* into v_prescription;
  for v_item in select e.value from jsonb_array_elements(p_items) as e (value) loop
    perform medication.add_prescription_item(v_prescription.id, v_item);
  end loop;
  if p_key is not null then
    perform core.idempotent_finish(
      'medication.draft_prescription', p_key, jsonb_build_object('prescription_id', v_prescription.id)
    );
  end if;
  return v_prescription;
end
$$;

comment on function medication.draft_prescription(uuid, uuid, text, jsonb, text, date, uuid) is 'about=Drafts a prescription of a doctor in an encounter, with items as medication.add_prescription_item takes them. The same key again returns it. IM005 no such encounter, drug or earlier prescription, IM006 the encounter was cancelled, IM010, IM011 key used with other content, IM402 a drug is prohibited in a teleconsultation, or a video consultation is said to be none, 22023 unknown key or frequency.';

create function medication.remove_prescription_item(p_item_id uuid) returns medication.prescription_items
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_item medication.prescription_items := medication.lock_item(p_item_id);
begin
  if v_item.status = 'cancelled' then
    return v_item;
  end if;
  update medication.prescription_items i
  set status = 'cancelled'
  where i.tenant_id = v_item.tenant_id and i.id = p_item_id
  returning i.* into v_item;
  return v_item;
end
$$;

comment on function medication.remove_prescription_item(uuid) is 'about=Takes a medicine out of a draft. IM001 it is signed: stop it instead, IM005 no such item.';

create function medication.cancel_prescription(p_prescription_id uuid, p_reason text) returns medication.prescriptions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_prescription medication.prescriptions := medication.lock_prescription(p_prescription_id);
begin
  if v_prescription.status = 'cancelled' then
    return v_prescription;
  end if;
  if v_prescription.status <> 'draft' then
    raise exception 'prescription % is signed', p_prescription_id
      using errcode = 'IM001', hint = 'use medication.stop_prescription';
  end if;
  perform core.set_reason(btrim(p_reason));
  update medication.prescription_items i
  set status = 'cancelled'
  where i.tenant_id = v_prescription.tenant_id and i.prescription_id = p_prescription_id and i.status = 'draft';
  update medication.prescriptions p
  set status = 'cancelled', cancel_reason = nullif(btrim(p_reason), '')
  where p.tenant_id = v_prescription.tenant_id and p.id = p_prescription_id
  returning p.* into v_prescription;
  return v_prescription;
end
$$;

comment on function medication.cancel_prescription(uuid, text) is 'about=Throws a draft away. IM001 it is signed, IM002 no reason, IM005 no such prescription.';
