-- Orders: tests by code, panels opened, charges made once. Billing that has no price or no open account stops nothing.

create function laboratory.find_test(p_code text) returns laboratory.lab_tests
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_test laboratory.lab_tests;
begin
  select t.* into v_test
  from laboratory.lab_tests t
  where t.code = p_code and (t.tenant_id = v_tenant or t.tenant_id is null)
  order by t.tenant_id nulls last
  limit 1;
  if v_test.active is not true then
    raise exception 'there is no test "%"', p_code
      using errcode = 'IM005', hint = 'order a code of laboratory.lab_tests that is active';
  end if;
  return v_test;
end
$$;

comment on function laboratory.find_test(text) is 'about=The test or panel with a code, the tenant''s own before a shared one. IM005 none that is active.';

create function laboratory.charge(
  p_encounter_id uuid,
  p_code text,
  p_source_type text,
  p_source_id uuid
) returns uuid
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_encounter_id is null then -- from outside: billed at the counter
    return null;
  end if;
  return billing.charge_encounter(p_encounter_id, p_code, p_source_type, p_source_id);
end
$$;

comment on function laboratory.charge(uuid, text, text, uuid) is 'about=Puts the price of a test or panel on the account of the encounter, once; null when billing has none.';

create function laboratory.cancel_charge(p_item laboratory.lab_order_items, p_reason text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_item.charge_item_id is null or exists ( -- the rest of its panel goes on
    select
    from laboratory.lab_order_items i
    where
      i.tenant_id = p_item.tenant_id and i.order_id = p_item.order_id and i.charge_item_id = p_item.charge_item_id
      and i.status <> 'cancelled'
  ) then
    return;
  end if;
  perform billing.cancel_charge(p_item.charge_item_id, p_reason);
exception
  when sqlstate 'IM557' or sqlstate 'IM558' then -- on a bill, or the account is closed: only a credit note helps now
    perform core.enqueue(
      'charge', p_item.charge_item_id, 'charge.credit_requested.v1',
      pg_catalog.jsonb_build_object('charge_item_id', p_item.charge_item_id, 'order_id', p_item.order_id)
    );
end
$$;

comment on function laboratory.cancel_charge(laboratory.lab_order_items, text) is 'about=Cancels the charge of a cancelled test, or of a panel with its last one. What is on a bill stays and is announced as charge.credit_requested.v1.';

create function laboratory.check_requester(
  p_patient_id uuid,
  p_encounter_id uuid,
  p_service_request_id uuid
) returns uuid
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_clinic_id uuid;
begin
  if not exists (
    select
    from patient.patients p
    where p.tenant_id = v_tenant and p.id = p_patient_id and p.deleted_at is null and p.status <> 'merged'
  ) then
    raise exception 'patient % does not exist', p_patient_id
      using errcode = 'IM005', hint = 'choose a patient of the tenant that is not merged or deleted';
  end if;
  if p_encounter_id is not null then
    select e.clinic_id into v_clinic_id
    from clinical.encounters e
    where e.tenant_id = v_tenant and e.id = p_encounter_id and e.patient_id = p_patient_id;
    if not found then
      raise exception 'patient % has no encounter %', p_patient_id, p_encounter_id
        using errcode = 'IM005', hint = 'choose an encounter of the patient';
    end if;
  end if;
  if p_service_request_id is not null and not exists (
    select
    from clinical.service_requests r
    where
      r.tenant_id = v_tenant and r.id = p_service_request_id and r.patient_id = p_patient_id
      and r.category = 'laboratory' and r.status in ('active', 'completed')
  ) then
    raise exception 'patient % has no active laboratory request %', p_patient_id, p_service_request_id
      using errcode = 'IM005', hint = 'activate the request first';
  end if;
  return v_clinic_id;
end
$$;

comment on function laboratory.check_requester(uuid, uuid, uuid) is 'about=Patient, encounter and request belong together; returns the clinic of the encounter. IM005 they do not.';

create function laboratory.tests_of(p_panel_ids uuid[]) returns uuid[]
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select array(
    select distinct t.id
    from laboratory.lab_panel_members m
    join laboratory.lab_tests t on t.id = m.test_id
    where
      m.panel_id = any (p_panel_ids) and (m.tenant_id = core.require_tenant() or m.tenant_id is null) and t.active
  )
$$;

comment on function laboratory.tests_of(uuid[]) is 'about=The active tests of panels.';

create function laboratory.panels_to_charge(p_codes text[]) returns uuid[]
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_panel record;
  v_panels uuid[] := '{}';
begin
  for v_panel in
    select t.id, c.code, laboratory.tests_of(array[t.id]) as tests
    from pg_catalog.unnest(p_codes) as c (code)
    cross join lateral laboratory.find_test(c.code) as t
    where t.kind = 'panel'
  loop
    if v_panel.tests = '{}' then
      raise exception 'the panel "%" holds no tests', v_panel.code
        using errcode = 'IM005', hint = 'add members to laboratory.lab_panel_members';
    end if;
    v_panels := v_panels || v_panel.id;
  end loop;
  -- the smallest goes first, of equal ones the last named
  for v_panel in
    select p.id, laboratory.tests_of(array[p.id]) as tests
    from pg_catalog.unnest(v_panels) with ordinality as p (id, n)
    order by pg_catalog.cardinality(laboratory.tests_of(array[p.id])), p.n desc
  loop
    if v_panel.tests <@ laboratory.tests_of(pg_catalog.array_remove(v_panels, v_panel.id)) then
      v_panels := pg_catalog.array_remove(v_panels, v_panel.id);
    end if;
  end loop;
  return v_panels;
end
$$;

comment on function laboratory.panels_to_charge(text[]) is 'about=The panels among codes, without those whose tests all lie in the others. IM005 no such test, or a panel without tests.';

create function laboratory.place_order(
  p_patient_id uuid,
  p_codes text[],
  p_encounter_id uuid default null,
  p_clinic_id uuid default null,
  p_ordering_doctor_id uuid default null,
  p_external_doctor text default null,
  p_source text default 'opd',
  p_priority text default 'routine',
  p_fasting text default null,
  p_clinical_info_enc bytea default null,
  p_service_request_id uuid default null,
  p_ordered_at timestamptz default null,
  p_key text default null
) returns laboratory.lab_orders
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_order laboratory.lab_orders;
  v_claim record;
  v_clinic_id uuid;
  v_order_id uuid := core.uuid_v7();
  v_ordered_at timestamptz := coalesce(p_ordered_at, now());
  v_code text;
  v_test laboratory.lab_tests;
  v_member record;
  v_item record;
  v_items jsonb := '[]';
  v_tests uuid[] := '{}';
  v_panels uuid[];
  v_in_panels uuid[];
  v_item_id uuid;
  v_charge_id uuid;
  v_charged boolean := false;
  v_minutes int := 0;
begin
  if p_key is not null then
    v_claim := core.idempotent_begin('laboratory.place_order', p_key, pg_catalog.sha256(pg_catalog.convert_to(
      pg_catalog.jsonb_build_array(
        p_patient_id, p_codes, p_encounter_id, p_clinic_id, p_ordering_doctor_id, p_external_doctor, p_source,
        p_priority, p_fasting, p_service_request_id, p_ordered_at
      )::text, 'UTF8'
    )));
    if v_claim.state = 'done' then
      select o.* into v_order
      from laboratory.lab_orders o
      where o.tenant_id = v_tenant and o.id = (v_claim.response ->> 'order_id')::uuid;
      return v_order;
    end if;
  end if;
  if p_service_request_id is not null then
    -- one order a request: whoever comes second finds the first
    perform pg_catalog.pg_advisory_xact_lock(
      pg_catalog.hashtextextended('laboratory.lab_orders' || v_tenant || p_service_request_id, 0)
    );
    select o.* into v_order
    from laboratory.lab_orders o
    where o.tenant_id = v_tenant and o.service_request_id = p_service_request_id;
    if found then
      return laboratory.answer_order(v_order, p_key);
    end if;
  end if;
  if coalesce(pg_catalog.cardinality(p_codes), 0) = 0 then
    raise exception 'an order needs at least one test' using errcode = '22023', hint = 'give codes of laboratory.lab_tests';
  end if;
  v_clinic_id := coalesce(laboratory.check_requester(p_patient_id, p_encounter_id, p_service_request_id), p_clinic_id);
  if v_clinic_id is null then
    raise exception 'an order without an encounter needs a clinic'
      using errcode = '22023', hint = 'give the clinic whose laboratory works on it';
  end if;

  -- what is ordered: panels opened, a test once; what ordered panels hold is not charged beside them
  v_panels := laboratory.panels_to_charge(p_codes);
  v_in_panels := laboratory.tests_of(v_panels);
  foreach v_code in array p_codes loop
    v_test := laboratory.find_test(v_code);
    continue when v_test.id = any (v_in_panels) or v_test.kind = 'panel' and v_test.id <> all (v_panels);
    if v_test.kind = 'panel' then
      v_charge_id := laboratory.charge(p_encounter_id, v_code, 'laboratory.lab_orders', v_order_id);
    end if;
    for v_member in
      select t.id, t.tat_minutes, t.stat_tat_minutes, m.panel_id, m.seq
      from laboratory.lab_panel_members m
      join laboratory.lab_tests t on t.id = m.test_id
      where m.panel_id = v_test.id and (m.tenant_id = v_tenant or m.tenant_id is null) and t.active
      union all
      select v_test.id, v_test.tat_minutes, v_test.stat_tat_minutes, null, 0
      where v_test.kind <> 'panel'
      order by seq
    loop
      continue when v_member.id = any (v_tests);
      v_tests := v_tests || v_member.id;
      v_item_id := core.uuid_v7();
      if v_test.kind <> 'panel' then
        v_charge_id := laboratory.charge(p_encounter_id, v_code, 'laboratory.lab_order_items', v_item_id);
      end if;
      v_charged := v_charged or v_charge_id is not null;
      v_items := v_items || pg_catalog.jsonb_build_object(
        'id', v_item_id, 'position', pg_catalog.cardinality(v_tests), 'test_id', v_member.id, 'panel_id', v_member.panel_id, 'charge_item_id', v_charge_id,
        'minutes', case when p_priority = 'stat' then coalesce(v_member.stat_tat_minutes, v_member.tat_minutes)
          else v_member.tat_minutes end
      );
      v_minutes := greatest(v_minutes, (v_items -> -1 ->> 'minutes')::int);
    end loop;
  end loop;

  insert into laboratory.lab_orders (
    tenant_id, id, order_number, service_request_id, patient_id, encounter_id, clinic_id, source, ordering_doctor_id,
    external_doctor, clinical_info_enc, fasting, priority, ordered_at, due_at, billed_at
  )
  values (
    v_tenant, v_order_id, core.next_default_number('lab_order', '', 'LO{YY}-'), p_service_request_id, p_patient_id,
    p_encounter_id, v_clinic_id, p_source, p_ordering_doctor_id, p_external_doctor, p_clinical_info_enc, p_fasting,
    p_priority, v_ordered_at, v_ordered_at + pg_catalog.make_interval(mins => v_minutes),
    case when v_charged then now() end
  )
  returning * into v_order;
  for v_item in
    select x.*
    from pg_catalog.jsonb_to_recordset(v_items)
      as x (id uuid, position smallint, test_id uuid, panel_id uuid, charge_item_id uuid, minutes int)
  loop
    insert into laboratory.lab_order_items (
      tenant_id, id, order_id, position, test_id, panel_id, charge_item_id, due_at
    )
    values (
      v_tenant, v_item.id, v_order_id, v_item.position, v_item.test_id, v_item.panel_id, v_item.charge_item_id,
      v_ordered_at + pg_catalog.make_interval(mins => v_item.minutes)
    );
  end loop;
  return laboratory.answer_order(v_order, p_key);
end
$$;

comment on function laboratory.place_order(uuid, text[], uuid, uuid, uuid, text, text, text, text, bytea, uuid, timestamptz, text) is 'about=Orders tests and panels by code for a patient, with a doctor of the house or from outside, and charges the encounter. One order for a service request; p_key makes other calls repeatable. IM005 no such test, patient, encounter or request, IM010, IM011 key used for another order.';

create function laboratory.answer_order(p_order laboratory.lab_orders, p_key text) returns laboratory.lab_orders
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_key is not null then
    perform core.idempotent_finish(
      'laboratory.place_order', p_key, pg_catalog.jsonb_build_object('order_id', p_order.id)
    );
  end if;
  return p_order;
end
$$;

comment on function laboratory.answer_order(laboratory.lab_orders, text) is 'about=Keeps the answer of laboratory.place_order for its key, and gives it.';

create function laboratory.settle_order(p_order_id uuid) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_status text;
  v_next text;
  v_open int;
  v_begun int;
  v_reported int;
  v_amended int;
begin
  select o.status into v_status from laboratory.lab_orders o where o.tenant_id = v_tenant and o.id = p_order_id;
  select
    pg_catalog.count(*) filter (where i.status not in ('reported', 'amended', 'cancelled')),
    pg_catalog.count(*) filter (where i.status not in ('ordered', 'cancelled')),
    pg_catalog.count(*) filter (where i.status in ('reported', 'amended')),
    pg_catalog.count(*) filter (where i.status = 'amended')
  into v_open, v_begun, v_reported, v_amended
  from laboratory.lab_order_items i
  where i.tenant_id = v_tenant and i.order_id = p_order_id;

  -- one move after the other, as the state machine has them
  loop
    v_next := case
      when v_status in ('registered', 'in_progress') and v_begun = 0 and v_open = 0 then 'cancelled'
      when v_status = 'registered' and v_begun > 0 then 'in_progress'
      when v_status = 'in_progress' and v_reported > 0 and v_open > 0 then 'partially_reported'
      when v_status in ('in_progress', 'partially_reported') and v_reported > 0 and v_open = 0 then 'completed'
      when v_status = 'completed' and v_amended > 0 then 'amended'
    end;
    exit when v_next is null;
    update laboratory.lab_orders o set status = v_next where o.tenant_id = v_tenant and o.id = p_order_id;
    v_status := v_next;
  end loop;
end
$$;

comment on function laboratory.settle_order(uuid) is 'about=Moves an order that the caller has locked to where its items are.';

create function laboratory.cancel_order_item(p_order_item_id uuid, p_reason text) returns laboratory.lab_order_items
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_item laboratory.lab_order_items := laboratory.lock_item(p_order_item_id);
  v_sample_id uuid := v_item.sample_id;
begin
  if v_item.status = 'cancelled' then
    return v_item;
  end if;
  if coalesce(pg_catalog.btrim(p_reason), '') = '' then
    raise exception 'order item % needs a reason to be cancelled', p_order_item_id
      using errcode = 'IM002', hint = 'say why in p_reason';
  end if;
  perform core.set_reason(p_reason);
  update laboratory.lab_order_items i
  set status = 'cancelled', cancel_reason = p_reason
  where i.tenant_id = v_tenant and i.id = p_order_item_id
  returning i.* into v_item;

  -- a sample that nobody needs any more is not collected
  if exists (
    select from laboratory.samples s where s.tenant_id = v_tenant and s.id = v_sample_id and s.status = 'planned'
  ) and not exists (
    select
    from laboratory.lab_order_items i
    where i.tenant_id = v_tenant and i.sample_id = v_sample_id and i.status <> 'cancelled'
  ) then
    perform laboratory.move_sample(laboratory.lock_sample(v_sample_id), 'cancelled');
  end if;
  perform laboratory.cancel_charge(v_item, p_reason);
  perform laboratory.settle_order(v_item.order_id);
  return v_item;
end
$$;

comment on function laboratory.cancel_order_item(uuid, text) is 'about=Cancels a test that is not in process yet, its planned sample when nothing else needs it, and the order when nothing is left. Its charge is cancelled, that of a panel with its last test; what is on a bill stays, and event charge.credit_requested.v1 asks for a credit note. IM001 too far on, IM002 no reason, IM005 no such item.';

create function laboratory.cancel_order(p_order_id uuid, p_reason text) returns laboratory.lab_orders
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_order laboratory.lab_orders := laboratory.lock_order(p_order_id);
  v_item_id uuid;
begin
  for v_item_id in
    select i.id
    from laboratory.lab_order_items i
    where i.tenant_id = v_tenant and i.order_id = p_order_id and i.status <> 'cancelled'
    order by i.id
  loop
    perform laboratory.cancel_order_item(v_item_id, p_reason);
  end loop;
  select o.* into v_order from laboratory.lab_orders o where o.tenant_id = v_tenant and o.id = p_order_id;
  return v_order;
end
$$;

comment on function laboratory.cancel_order(uuid, text) is 'about=Cancels all tests of an order with their charges, or none when one is in process. IM001 one is too far on, IM002 no reason, IM005 no such order.';
