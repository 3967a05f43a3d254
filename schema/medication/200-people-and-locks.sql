-- Helpers of every operation: who acts, and the locks. Private to the module.
--
-- Order of locks: idempotency key, prescription, dispense, prescription items by id, stock by item, doses, number, account
-- of the patient, outbox. The prescription is the root: whoever changes one of its items, dispenses or doses holds it.

create function medication.require_witness(p_staff_id uuid, p_actor_id uuid) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  perform
  from workforce.staff s
  where
    s.tenant_id = v_tenant and s.id = p_staff_id and s.deleted_at is null and s.status not in ('suspended', 'left');
  if not found or p_staff_id = p_actor_id then
    raise exception 'staff member % cannot witness this', p_staff_id
      using errcode = 'IM403', hint = 'name another member of staff who works here';
  end if;
end
$$;

comment on function medication.require_witness(uuid, uuid) is 'about=Passes when the witness works here and is not the one who acts. IM403 otherwise.';

create function medication.lock_prescription(p_prescription_id uuid) returns medication.prescriptions
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_prescription medication.prescriptions;
begin
  select p.* into v_prescription
  from medication.prescriptions p
  where p.tenant_id = v_tenant and p.id = p_prescription_id
  for no key update;
  if not found then
    raise exception 'prescription % does not exist', p_prescription_id
      using errcode = 'IM005', hint = 'choose a prescription of the tenant';
  end if;
  return v_prescription;
end
$$;

comment on function medication.lock_prescription(uuid) is 'about=The prescription, locked until the transaction ends. IM005 no such prescription.';

create function medication.lock_item(p_item_id uuid) returns medication.prescription_items
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_item medication.prescription_items;
begin
  select i.* into v_item
  from medication.prescription_items i
  where i.tenant_id = v_tenant and i.id = p_item_id;
  if not found then
    raise exception 'prescription item % does not exist', p_item_id
      using errcode = 'IM005', hint = 'choose an item of a prescription of the tenant';
  end if;
  perform medication.lock_prescription(v_item.prescription_id);
  select i.* into v_item -- what it is now that nobody else can change it
  from medication.prescription_items i
  where i.tenant_id = v_tenant and i.id = p_item_id
  for no key update;
  return v_item;
end
$$;

comment on function medication.lock_item(uuid) is 'about=A prescription item, locked with its prescription. IM005 no such item.';

create function medication.clinic_zone(p_encounter_id uuid) returns text
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_zone text;
begin
  select c.timezone into v_zone
  from clinical.encounters e
  join facility.clinics c on c.tenant_id = e.tenant_id and c.id = e.clinic_id
  where e.tenant_id = v_tenant and e.id = p_encounter_id;
  return v_zone;
end
$$;

comment on function medication.clinic_zone(uuid) is 'about=Time zone of the clinic of an encounter.';
