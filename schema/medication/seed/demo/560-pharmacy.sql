-- Demo: the pharmacy at work. Patient 11 takes medicines home from the clinic, and gets injections in the ward, where every
-- dose of the three days is explained, so that the discharge can go on. The child in the clinic has a draft, the emergency
-- got one dose at once, patient 19 in the ward has doses due. One dispense waits at the counter, one came back.

select core.assert_not_production();

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_store uuid;
  v_stock record;
  v_order record;
  v_dose record;
  v_line record;
  v_prescription medication.prescriptions;
  v_dispense medication.dispenses;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    v_store := (v_id || '-0601-7000-8000-000000000001')::uuid;
    -- user and staff 5 are the physician, 4 the urgent care, 8 the head nurse, 10 the pharmacist
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000010')::uuid, 'pharmacist', 'TREAT', null);
    continue when exists (select from medication.prescriptions p where p.tenant_id = v_tenant);

    insert into facility.locations (tenant_id, id, clinic_id, department_id, kind, code, name)
    values (
      v_tenant, v_store, (v_id || '-0001-7000-8000-000000000001')::uuid,
      (v_id || '-0002-7000-8000-000000000004')::uuid, 'store', 'DISPENSARY', 'Dispensary'
    );
    for v_stock in
      select
        d.id as drug_id, d.code, d.generic_name || ' ' || d.strength as name, right(d.id::text, 2) as n,
        d.schedule = 'NDPS' as controlled, d.form
      from medication.drugs d
      where d.code ~ '^DEMO-'
      order by d.code
    loop
      insert into inventory.items (
        tenant_id, id, sku, name, kind, drug_id, gst_rate, base_unit, is_batch_tracked, is_controlled, is_formulary,
        active
      )
      values (
        v_tenant, (v_id || '-0602-7000-8000-0000000000' || v_stock.n)::uuid, 'MED-' || v_stock.n, v_stock.name, 'drug',
        v_stock.drug_id, 5, v_stock.form, true, v_stock.controlled, true, true
      );
      -- two batches each: what expires first is given first
      for v_line in values (1, 200, 4.50), (2, 420, 5.00) loop
        insert into inventory.batches (
          tenant_id, id, item_id, batch_no, mfg_on, expiry_on, mrp, purchase_price, tax_rate, manufacturer
        )
        values (
          v_tenant, (v_id || '-0603-7000-8000-00000000' || v_stock.n || '0' || v_line.column1)::uuid,
          (v_id || '-0602-7000-8000-0000000000' || v_stock.n)::uuid, 'DM' || v_stock.n || v_line.column1,
          current_date - 100, current_date + v_line.column2, v_line.column3, v_line.column3 * 0.6, 5, 'Demo Pharma'
        );
        update inventory.batches b
        set status = 'available'
        where b.tenant_id = v_tenant and b.id = (v_id || '-0603-7000-8000-00000000' || v_stock.n || '0' || v_line.column1)::uuid;
        perform inventory.post_movement(
          'opening', v_store, (v_id || '-0603-7000-8000-00000000' || v_stock.n || '0' || v_line.column1)::uuid,
          case v_line.column1 when 1 then 40 else 200 end, 'medication.demo',
          (v_id || '-0603-7000-8000-00000000' || v_stock.n || '0' || v_line.column1)::uuid,
          'demo opening ' || v_stock.n || v_line.column1, 'first count', (v_id || '-0006-7000-8000-000000000004')::uuid
        );
      end loop;
    end loop;

    -- "none known" is a statement, and nothing is signed without one
    insert into clinical.allergies (tenant_id, patient_id, kind, display, recorded_by, verification_status)
    select distinct v_tenant, e.patient_id, 'none_known', 'No known allergies', (v_id || '-0006-7000-8000-000000000008')::uuid, 'confirmed'
    from clinical.encounters e
    where
      e.tenant_id = v_tenant and right(e.id::text, 2) in ('11', '12', '13', '14', '15')
      and not exists (
        select
        from clinical.allergies a
        where
          a.tenant_id = v_tenant and a.patient_id = e.patient_id and a.clinical_status = 'active' and a.deleted_at is null
      );

    -- n, encounter, doctor and their user, context, signed, items as (drug, dose, unit, route, frequency, days, quantity, prn)
    for v_order in
      select *
      from (
        values
          (1, '11', 2, 5, 'opd', true, '[
            {"d": "01", "dose": 1, "unit": "tablet", "route": "oral", "f": "TDS", "days": 3, "q": 9},
            {"d": "05", "dose": 1, "unit": "tablet", "route": "oral", "f": "OD", "days": 14, "q": 14}
          ]'::jsonb),
          (2, '12', 2, 5, 'ipd', true, '[
            {"d": "03", "dose": 1000, "unit": "mg", "route": "iv", "f": "Q12H", "days": 3, "q": 6},
            {"d": "08", "dose": 40, "unit": "mg", "route": "sc", "f": "Q24H", "days": 5, "q": 5},
            {"d": "09", "dose": 2, "unit": "mg", "route": "iv", "f": "PRN", "q": 3, "prn": "pain above 6 of 10"}
          ]'),
          (3, '12', 2, 5, 'discharge', true, '[
            {"d": "02", "dose": 1, "unit": "capsule", "route": "oral", "f": "TDS", "days": 5, "q": 15},
            {"d": "01", "dose": 1, "unit": "tablet", "route": "oral", "f": "QID", "days": 5, "q": 20}
          ]'),
          (4, '13', 3, 6, 'opd', false, '[
            {"d": "10", "dose": 1, "unit": "sachet", "route": "oral", "f": "QID", "days": 2, "q": 8}
          ]'),
          (5, '14', 1, 4, 'emergency', true, '[
            {"d": "07", "dose": 6, "unit": "[IU]", "route": "sc", "f": "STAT", "days": 1, "q": 1}
          ]'),
          (6, '15', 2, 5, 'ipd', true, '[
            {"d": "06", "dose": 1, "unit": "tablet", "route": "oral", "f": "Q6H", "days": 7, "q": 28},
            {"d": "04", "dose": 1, "unit": "tablet", "route": "oral", "f": "TDS", "days": 3, "q": 9}
          ]')
      ) as o (n, encounter, doctor, doctor_user, context, signed, items)
      order by o.n
    loop
      perform core.begin_request(
        v_tenant, (v_id || '-0005-7000-8000-' || lpad(v_order.doctor_user::text, 12, '0'))::uuid, 'doctor', 'TREAT', null
      );
      v_prescription := medication.draft_prescription(
        (v_id || '-0017-7000-8000-0000000000' || v_order.encounter)::uuid,
        (v_id || '-0007-7000-8000-' || lpad(v_order.doctor::text, 12, '0'))::uuid, v_order.context,
        (
          select jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
            'id', v_id || '-0604-7000-8000-0000000' || lpad(v_order.n::text, 2, '0') || '0' || (i.value ->> 'd'),
            'drug_id', '06000000-0000-7000-8000-0000000000' || (i.value ->> 'd'), 'dose_value', i.value -> 'dose',
            'dose_unit', i.value -> 'unit', 'route', i.value -> 'route', 'frequency_code', i.value -> 'f',
            'duration_days', i.value -> 'days', 'quantity', i.value -> 'q', 'prn_reason', i.value -> 'prn',
            'start_at', case v_order.context when 'ipd' then now() - interval '2 days 20 hours' end
          )))
          from jsonb_array_elements(v_order.items) i
        ),
        'demo prescription ' || v_order.n
      );
      if v_order.signed then
        perform medication.check_prescription(v_prescription.id);
        perform medication.activate_prescription(v_prescription.id, true);
      end if;

      -- to the ward before its doses are given; 1 and 3 over the counter; number 6 waits at the pharmacy
      perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000010')::uuid, 'pharmacist', 'TREAT', null);
      if v_order.n in (1, 2, 3, 5, 6) then
        v_dispense := medication.dispense(
          v_store,
          case v_order.context when 'opd' then 'opd' when 'discharge' then 'discharge' else 'ipd' end,
          (
            select jsonb_agg(jsonb_build_object('prescription_item_id', i.id, 'quantity', i.quantity) order by i.id)
            from medication.prescription_items i
            where i.tenant_id = v_tenant and i.prescription_id = v_prescription.id
          ),
          'demo dispense ' || v_order.n, v_prescription.id, p_hand_over => v_order.n <> 6,
          p_checked_by => (v_id || '-0006-7000-8000-000000000008')::uuid, p_counselled => v_order.n = 1
        );
      end if;
      if v_order.n = 1 then -- some of it comes back
        perform medication.return_dispense(
          v_dispense.id,
          (
            select jsonb_agg(jsonb_build_object('dispense_item_id', l.id, 'quantity', 2))
            from medication.dispense_items l
            where l.tenant_id = v_tenant and l.dispense_id = v_dispense.id and l.quantity > 5
              and l.item_id = (v_id || '-0602-7000-8000-000000000005')::uuid
          ),
          'admitted two days later', 'demo return 1'
        );
      end if;
    end loop;

    -- the doses: what was due is given by the head nurse, high-alert drugs before a doctor
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000008')::uuid, 'nurse', 'TREAT', null);
    insert into medication.medication_administrations (
      tenant_id, prescription_item_id, patient_id, encounter_id, scheduled_at, dose_unit, route
    )
    select v_tenant, i.id, p.patient_id, p.encounter_id, t.at, i.dose_unit, i.route
    from medication.prescriptions p
    join medication.prescription_items i on i.tenant_id = p.tenant_id and i.prescription_id = p.id
    cross join lateral medication.dose_times(i, 'UTC', now() - interval '3 days', now() + interval '24 hours') as t (at)
    where p.tenant_id = v_tenant and p.context in ('ipd', 'emergency') and i.status = 'active';
    for v_dose in
      select
        a.prescription_item_id as item_id, a.scheduled_at, medication.needs_second_person(i.drug_id) as two,
        row_number() over (partition by a.prescription_item_id order by a.scheduled_at desc) as back,
        right(a.encounter_id::text, 2) as encounter
      from medication.medication_administrations a
      join medication.prescription_items i on i.tenant_id = a.tenant_id and i.id = a.prescription_item_id
      where a.tenant_id = v_tenant and a.status = 'due' and a.scheduled_at <= now()
      order by a.scheduled_at, a.prescription_item_id
    loop
      continue when v_dose.encounter = '15' and v_dose.back = 1; -- is due now
      if v_dose.encounter = '15' and v_dose.back = 2 then
        perform medication.record_not_given(v_dose.item_id, v_dose.scheduled_at, 'refused', 'nausea');
      elsif v_dose.encounter = '15' and v_dose.back = 3 then
        perform medication.record_not_given(v_dose.item_id, v_dose.scheduled_at, 'missed', 'away for an X-ray');
      else
        perform medication.give_dose(
          v_dose.item_id, v_dose.scheduled_at, p_given_at => v_dose.scheduled_at + interval '10 seconds' * (v_dose.back - 1),
          p_witness_id => case when v_dose.two then (v_id || '-0006-7000-8000-000000000005')::uuid end,
          p_patient_scan => true, p_drug_scan => true
        );
      end if;
    end loop;
    select i.id into strict v_dose
    from medication.prescription_items i
    where i.tenant_id = v_tenant and i.drug_id = '06000000-0000-7000-8000-000000000009';
    perform medication.give_dose(
      v_dose.id, now() - interval '30 hours', p_given_at => now() - interval '30 hours',
      p_witness_id => (v_id || '-0006-7000-8000-000000000005')::uuid, p_patient_scan => true, p_drug_scan => true
    );
    -- recorded twice by mistake, and put right
    perform medication.give_dose(
      v_dose.id, now() - interval '29 hours', p_given_at => now() - interval '29 hours',
      p_witness_id => (v_id || '-0006-7000-8000-000000000005')::uuid
    );
    perform medication.mark_dose_in_error(v_dose.id, now() - interval '29 hours', 'recorded twice');
    perform medication.record_not_given(v_dose.id, now() - interval '29 hours', 'missed', 'was recorded twice');

    -- over the counter
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000010')::uuid, 'pharmacist', 'TREAT', null);
    perform medication.dispense(
      v_store, 'otc', jsonb_build_array(jsonb_build_object('item_id', v_id || '-0602-7000-8000-000000000010', 'quantity', 4)),
      'demo counter sale', p_patient_id => (
        select e.patient_id
        from clinical.encounters e
        where e.tenant_id = v_tenant and e.id = (v_id || '-0017-7000-8000-000000000013')::uuid
      )
    );
  end loop;
end
$$;
