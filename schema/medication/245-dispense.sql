-- Dispensing. One call picks the goods and, when one pair of eyes is enough, hands them over; else a second person
-- completes it. Stock, prescription, charges and the dispense change together or not at all.

create function medication.require_dispensable(p_prescription medication.prescriptions) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_prescription.status not in ('active', 'partially_dispensed') then
    raise exception 'prescription % is %', p_prescription.id, p_prescription.status
      using errcode = 'IM001', hint = 'only a signed prescription that goes on is dispensed';
  end if;
  if p_prescription.valid_until < (now() at time zone medication.clinic_zone(p_prescription.encounter_id))::date then
    raise exception 'prescription % was valid until %', p_prescription.id, p_prescription.valid_until
      using errcode = 'IM001', hint = 'ask the doctor for a new one';
  end if;
  -- an alert may have fired after signing, such as a new allergy
  if cds.count_open_hard_stops('medication.prescriptions', p_prescription.id) > 0 then
    raise exception 'a hard-stop alert of prescription % is open', p_prescription.id
      using errcode = 'IM401', hint = 'call the prescriber: change the prescription, or override the alert';
  end if;
end
$$;

comment on function medication.require_dispensable(medication.prescriptions) is 'about=IM001 the prescription is not active or has lapsed, IM401 a hard-stop alert is open.';

create function medication.ordered_lines(p_lines jsonb, p_prescription_id uuid, p_store_location_id uuid)
  returns setof jsonb
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_known text[] := array[
    'prescription_item_id', 'item_id', 'quantity', 'reservation_id', 'batch_id', 'unit_price', 'fefo_override_reason',
    'substitution_reason'
  ];
  v_unknown text;
  v_bad uuid;
begin
  select k.key into v_unknown
  from jsonb_array_elements(p_lines) as l (line)
  cross join lateral jsonb_object_keys(l.line) as k (key)
  where k.key <> all (v_known)
  limit 1;
  if v_unknown is not null then
    raise exception 'a line has an unknown key "%"', v_unknown
      using errcode = '22023', hint = 'known keys: ' || array_to_string(v_known, ', ');
  end if;
  if jsonb_array_length(p_lines) = 0 then
    raise exception 'nothing is dispensed' using errcode = '22023', hint = 'pass at least one line';
  end if;
  if exists (
    select
    from jsonb_array_elements(p_lines) as l (line)
    where ((l.line ->> 'quantity')::numeric > 0) is not true -- before equal lines are summed
  ) then
    raise exception 'a line has no quantity' using errcode = '22023', hint = 'each line has a quantity of more than 0';
  end if;
  if p_prescription_id is not null then
    select coalesce((l.line ->> 'prescription_item_id')::uuid, core.zero_uuid()) into v_bad
    from jsonb_array_elements(p_lines) as l (line)
    left join medication.prescription_items i
      on i.tenant_id = v_tenant and i.prescription_id = p_prescription_id
      and i.id = (l.line ->> 'prescription_item_id')::uuid
    where i.status is distinct from 'active'
    limit 1;
    if found then
      raise exception 'prescription item % cannot be dispensed', v_bad
        using errcode = 'IM001', hint = 'every line names an active item of the prescription';
    end if;
  elsif exists (
    select
    from jsonb_array_elements(p_lines) as l (line)
    -- the limit keeps it a look-up a line: ->> is not leakproof, a join on it would read all items of the tenant
    left join lateral (
      select k.id, k.kind, k.drug_id, k.is_controlled
      from inventory.items k
      where k.tenant_id = v_tenant and k.id = (l.line ->> 'item_id')::uuid and k.active and k.deleted_at is null
      limit 1
    ) i on true
    left join medication.drugs d on d.id = i.drug_id
    where
      i.id is null or l.line ->> 'prescription_item_id' is not null
      or coalesce(d.schedule, 'none') not in ('OTC', 'none')
      or i.is_controlled or (i.kind = 'drug' and i.drug_id is null) -- nobody knows its schedule
  ) then
    raise exception 'an item is not sold without a prescription'
      using errcode = 'IM006', hint = 'over the counter go drugs of schedule OTC and other goods only';
  end if;

  -- One order of locks for all: by stock item; within an item first what walks its batches in the order of expiry.
  return query
  select l.line
  from (
    -- one thing scanned twice is one line
    select
      e.line || jsonb_build_object('quantity', sum(e.quantity)) as line, (e.line ->> 'item_id')::uuid as item_id
    from (
      select
        a.value - 'quantity' || jsonb_build_object(
          'item_id',
          coalesce(
            (a.value ->> 'item_id')::uuid,
            (
              select medication.stock_item_of(i.drug_id, p_store_location_id)
              from medication.prescription_items i
              where i.tenant_id = v_tenant and i.id = (a.value ->> 'prescription_item_id')::uuid
            )
          )
        ) as line,
        (a.value ->> 'quantity')::numeric as quantity
      from jsonb_array_elements(p_lines) as a (value)
    ) e
    group by e.line
  ) l
  left join lateral (
    select h.batch_id
    from inventory.stock_reservations h
    where h.tenant_id = v_tenant and h.id = (l.line ->> 'reservation_id')::uuid
    limit 1
  ) r on true
  left join lateral (
    select k.id, k.expiry_on
    from inventory.batches k
    where k.tenant_id = v_tenant and k.id = case when r.batch_id is null then (l.line ->> 'batch_id')::uuid else r.batch_id end
    limit 1
  ) b on true
  order by l.item_id, (b.id is not null), b.expiry_on, b.id, l.line ->> 'prescription_item_id';
end
$$;

comment on function medication.ordered_lines(jsonb, uuid, uuid) is 'about=The lines of a dispense, checked, with their stock item, equal ones as one, in the order in which they lock stock. IM001 a line names no active item of the prescription, IM006 not sold without a prescription, IM500 no stock item is the drug, 22023 unknown key, no line or no quantity.';

create function medication.lines_to_charge(p_dispense medication.dispenses)
  returns table (id uuid, sku text, quantity numeric, unit_price numeric)
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select
    l.id, i.sku, l.quantity,
    -- a batch without an MRP stands at what it cost, which is no price
    case when b.mrp is not null or l.unit_price < l.mrp then l.unit_price end
  from medication.dispense_items l
  join inventory.items i on i.tenant_id = l.tenant_id and i.id = l.item_id
  join inventory.batches b on b.tenant_id = l.tenant_id and b.id = l.batch_id
  where l.tenant_id = p_dispense.tenant_id and l.dispense_id = p_dispense.id
  order by l.id;
end
$$;

comment on function medication.lines_to_charge(medication.dispenses) is 'about=The lines of a dispense as they are billed: SKU of the stock item, quantity, and the price of one, tax included; null where the tariff counts.';

create function medication.charge_lines(p_dispense medication.dispenses) returns text
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_encounter uuid;
  v_line record;
  v_charged boolean := true;
begin
  select p.encounter_id into v_encounter
  from medication.prescriptions p
  where p.tenant_id = p_dispense.tenant_id and p.id = p_dispense.prescription_id;
  if v_encounter is null then
    return 'pending'; -- sold over the counter: billed there
  end if;
  for v_line in
    select * from medication.lines_to_charge(p_dispense)
  loop
    v_charged := billing.charge_encounter(
      v_encounter, v_line.sku, 'medication.dispense_items', v_line.id, v_line.quantity, v_line.unit_price
    ) is not null and v_charged;
  end loop;
  return case when v_charged then 'charged' else 'pending' end;
end
$$;

comment on function medication.charge_lines(medication.dispenses) is 'about=Charges every line to the encounter under the SKU of its item at the price of the line, without one at the tariff, each once; returns charged, or pending when the hospital has no such charge or the encounter no open account.';

create function medication.follow_dispense(p_prescription_id uuid) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  update medication.prescriptions p
  set status = 'partially_dispensed'
  where p.tenant_id = v_tenant and p.id = p_prescription_id and p.status = 'active';
  -- what the patient takes home is done when the last fill is handed over; in a ward the course goes on
  update medication.prescription_items i
  set status = 'completed'
  from medication.prescriptions p
  where
    i.tenant_id = v_tenant and i.prescription_id = p_prescription_id and i.status = 'active'
    and i.quantity_dispensed = i.quantity * (1 + i.refills)
    and p.tenant_id = v_tenant and p.id = p_prescription_id and p.context not in ('ipd', 'emergency');
  perform medication.close_if_done(p_prescription_id);
end
$$;

comment on function medication.follow_dispense(uuid) is 'about=After goods were handed over: the prescription is partially dispensed, fully dispensed medicines for home are completed, and with the last of them the prescription.';

create function medication.hand_over(
  p_dispense medication.dispenses,
  p_checked_by uuid,
  p_received_by_name text,
  p_counselled boolean
) returns medication.dispenses
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_charge_status text := 'pending';
  v_dispense medication.dispenses;
begin
  if p_checked_by is not null then
    perform medication.require_witness(p_checked_by, p_dispense.prepared_by);
  end if;
  if p_dispense.kind <> 'return' then
    v_charge_status := medication.charge_lines(p_dispense);
  end if;
  update medication.dispenses d
  set
    status = 'completed', checked_by = p_checked_by, handed_over_at = now(), charge_status = v_charge_status,
    received_by_name = nullif(btrim(p_received_by_name), ''), counselled = coalesce(p_counselled, false)
  where d.tenant_id = p_dispense.tenant_id and d.id = p_dispense.id
  returning d.* into v_dispense;
  if v_dispense.prescription_id is not null and v_dispense.kind <> 'return' then
    perform medication.follow_dispense(v_dispense.prescription_id);
  end if;
  return v_dispense;
end
$$;

comment on function medication.hand_over(medication.dispenses, uuid, text, boolean) is 'about=Completes and charges a ready dispense that the caller has locked. IM001 it is not ready, IM403 a high-alert or controlled drug that no second person checked.';

create function medication.store_lines(
  p_dispense medication.dispenses,
  p_lines medication.dispense_items[]
) returns medication.dispenses
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_dispense medication.dispenses;
  v_line medication.dispense_items;
begin
  insert into medication.dispenses as d (
    tenant_id, id, dispense_number, prescription_id, patient_id, store_location_id, kind, prepared_by, return_of_id, reason
  )
  values (
    p_dispense.tenant_id, p_dispense.id, core.next_default_number('dispense', '', 'DSP-{YY}-'),
    p_dispense.prescription_id, p_dispense.patient_id, p_dispense.store_location_id, p_dispense.kind,
    p_dispense.prepared_by, p_dispense.return_of_id, p_dispense.reason
  )
  returning d.* into v_dispense;
  foreach v_line in array p_lines loop
    insert into medication.dispense_items (
      tenant_id, id, dispense_id, prescription_item_id, return_of_item_id, item_id, batch_id, batch_no, expiry_on,
      quantity, mrp, unit_price, tax_rate, reservation_id, movement_id, fefo_override_reason, substitution_reason
    )
    values (
      v_line.tenant_id, v_line.id, v_dispense.id, v_line.prescription_item_id, v_line.return_of_item_id, v_line.item_id,
      v_line.batch_id, v_line.batch_no, v_line.expiry_on, v_line.quantity, v_line.mrp, v_line.unit_price,
      v_line.tax_rate, v_line.reservation_id, v_line.movement_id, v_line.fefo_override_reason,
      v_line.substitution_reason
    );
  end loop;
  update medication.dispenses d
  set status = 'ready'
  where d.tenant_id = v_dispense.tenant_id and d.id = v_dispense.id
  returning d.* into v_dispense;
  return v_dispense;
end
$$;

comment on function medication.store_lines(medication.dispenses, medication.dispense_items[]) is 'about=Writes a dispense or return with its lines, whose goods have moved, and makes it ready. Takes its number late. IM501, IM503 a batch that may not be chosen.';

create function medication.lock_dispense(p_dispense_id uuid) returns medication.dispenses
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_dispense medication.dispenses;
begin
  select d.* into v_dispense
  from medication.dispenses d
  where d.tenant_id = v_tenant and d.id = p_dispense_id;
  if not found then
    raise exception 'dispense % does not exist', p_dispense_id
      using errcode = 'IM005', hint = 'choose a dispense of the tenant';
  end if;
  if v_dispense.prescription_id is not null then
    perform medication.lock_prescription(v_dispense.prescription_id);
  end if;
  select d.* into v_dispense
  from medication.dispenses d
  where d.tenant_id = v_tenant and d.id = p_dispense_id
  for no key update;
  return v_dispense;
end
$$;

comment on function medication.lock_dispense(uuid) is 'about=A dispense, locked with its prescription. IM005 no such dispense.';

create function medication.dispense(
  p_store_location_id uuid,
  p_kind text,
  p_lines jsonb,
  p_key text,
  p_prescription_id uuid default null,
  p_patient_id uuid default null,
  p_hand_over boolean default true,
  p_checked_by uuid default null,
  p_received_by_name text default null,
  p_counselled boolean default false
) returns medication.dispenses
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_staff uuid := workforce.acting_staff_id();
  v_claim record;
  v_prescription medication.prescriptions;
  v_today date;
  v_line jsonb;
  v_taken medication.dispense_items;
  v_lines medication.dispense_items[] := '{}';
  v_dispense medication.dispenses;
begin
  if coalesce(p_kind, '') not in ('opd', 'ipd', 'discharge', 'otc') or (p_kind = 'otc') <> (p_prescription_id is null) then
    raise exception 'kind "%" does not fit', p_kind
      using errcode = '22023', hint = 'opd, ipd and discharge need a prescription, otc has none';
  end if;
  v_claim := core.idempotent_begin(
    'medication.dispense', p_key,
    sha256(convert_to(
      jsonb_build_array(p_store_location_id, p_kind, p_lines, p_prescription_id, p_patient_id, p_hand_over)::text, 'UTF8'
    ))
  );
  if v_claim.state = 'done' then
    return medication.lock_dispense((v_claim.response ->> 'dispense_id')::uuid);
  end if;

  v_dispense.tenant_id := v_tenant;
  v_dispense.id := core.uuid_v7();
  v_dispense.store_location_id := p_store_location_id;
  v_dispense.kind := p_kind;
  v_dispense.prepared_by := v_staff;
  v_dispense.patient_id := p_patient_id;
  if p_prescription_id is not null then
    v_prescription := medication.lock_prescription(p_prescription_id);
    perform medication.require_dispensable(v_prescription);
    v_dispense.prescription_id := v_prescription.id;
    v_dispense.patient_id := v_prescription.patient_id;
  end if;
  select (now() at time zone c.timezone)::date into v_today
  from facility.locations l
  join facility.clinics c on c.tenant_id = l.tenant_id and c.id = l.clinic_id
  where l.tenant_id = v_tenant and l.id = p_store_location_id and l.deleted_at is null;
  if not found then
    raise exception 'store % does not exist', p_store_location_id
      using errcode = 'IM005', hint = 'choose a location of the tenant';
  end if;

  for v_line in
    select l.line from medication.ordered_lines(p_lines, p_prescription_id, p_store_location_id) as l (line)
  loop
    for v_taken in
      select * from medication.take_line(v_line, v_dispense.id, p_store_location_id, v_dispense.patient_id, v_today)
    loop
      v_lines := v_lines || v_taken;
    end loop;
  end loop;
  v_dispense := medication.store_lines(v_dispense, v_lines);
  if p_hand_over then
    v_dispense := medication.hand_over(v_dispense, p_checked_by, p_received_by_name, p_counselled);
  end if;
  perform core.idempotent_finish('medication.dispense', p_key, jsonb_build_object('dispense_id', v_dispense.id));
  return v_dispense;
end
$$;

comment on function medication.dispense(uuid, text, jsonb, text, uuid, uuid, boolean, uuid, text, boolean) is 'about=Takes medicines out of a store for a prescription (kind opd, ipd, discharge), or over the counter (otc, with p_patient_id), and hands them over, or leaves them ready when p_hand_over is false. Lines: {prescription_item_id, quantity, and where needed item_id, reservation_id, batch_id, fefo_override_reason, substitution_reason, unit_price}; without reservation or batch what expires first and lasts for the course is taken. The same key again returns the dispense. IM001 prescription or item not active, or lapsed, IM002 substitution without reason, IM005, IM006 no staff, not equivalent, or not sold without prescription, IM010, IM011 key, IM401 hard-stop alert, IM403 needs a second person (p_checked_by), IM404 more than prescribed, IM500 too little, IM501 expired, IM502 blocked, IM503 an earlier batch was passed over, IM504 reservation gone, IM505 too little of the batch; 55P03 after 3 s behind others, then ask again.';

create function medication.complete_dispense(
  p_dispense_id uuid,
  p_received_by_name text default null,
  p_counselled boolean default false
) returns medication.dispenses
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_staff uuid := workforce.acting_staff_id();
  v_dispense medication.dispenses := medication.lock_dispense(p_dispense_id);
begin
  if v_dispense.status = 'completed' then
    return v_dispense;
  end if;
  if v_dispense.kind = 'return' then
    raise exception 'dispense % is a return', p_dispense_id
      using errcode = 'IM001', hint = 'returns are complete when they are made';
  end if;
  return medication.hand_over(
    v_dispense, nullif(v_staff, v_dispense.prepared_by), p_received_by_name, p_counselled
  );
end
$$;

comment on function medication.complete_dispense(uuid, text, boolean) is 'about=Hands over what waits at the counter. When somebody else than the preparer calls it they are its second person. IM001 it is not ready, IM005 no such dispense, IM006 no member of staff, IM403 a high-alert or controlled drug needs somebody else than the preparer.';
