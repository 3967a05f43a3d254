-- Demo: orders in every stage. The stay of patient 11 (encounter 12): electrolytes and haemoglobin on the day of
-- admission, the haemoglobin critical and told to the ward (the transfusion follows), potassium corrected later. The visit
-- before (11): creatinine, sample kept. The child (13): sample to be collected. The emergency (14): a haemolysed sample,
-- to be collected again. The ward (15): a partial report, and a critical potassium that nobody was told of yet. One order
-- from outside was cancelled.

select core.assert_not_production();

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_technician uuid;
  v_doctor uuid;
  v_order record;
  v_order_id uuid;
  v_sample record;
  v_item record;
  v_result uuid;
  v_value numeric;
  v_taken timestamptz;
  v_reagent uuid;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    v_technician := (v_id || '-0005-7000-8000-000000000013')::uuid;
    v_doctor := (v_id || '-0005-7000-8000-000000000005')::uuid;
    perform core.begin_request(v_tenant, v_technician, 'technician', 'TREAT', null);
    continue when exists (select from laboratory.lab_orders o where o.tenant_id = v_tenant);
    select b.id into v_reagent
    from inventory.batches b
    join inventory.items i on i.tenant_id = b.tenant_id and i.id = b.item_id
    where b.tenant_id = v_tenant and i.kind = 'reagent'
    order by b.expiry_on
    limit 1;
    -- No secret: with this text the demo, and nothing else, is encrypted.
    perform set_config('app.field_key', 'demo field key, not a secret', true);

    for v_order in
      select d.*, e.patient_id
      from (
        values
          ('story', 12, '{ELEC,HB}'::text[], 'ipd', 'urgent', interval '70 hours', 2),
          ('visit', 11, '{CREAT}', 'opd', 'routine', interval '119 hours', 2),
          ('child', 13, '{HB,CRP}', 'opd', 'routine', interval '50 minutes', 3),
          ('emergency', 14, '{ELEC}', 'emergency', 'stat', interval '150 minutes', 1),
          ('ward', 15, '{ELEC,CRP,UCULT}', 'ipd', 'urgent', interval '5 hours', 2),
          ('outside', null, '{HBA1C}', 'outside', 'routine', interval '2 days', null)
      ) as d (name, encounter, codes, source, priority, ago, doctor)
      left join clinical.encounters e
        on e.tenant_id = v_tenant and e.id = (v_id || '-0017-7000-8000-0000000000' || d.encounter)::uuid
      order by d.ago desc
    loop
      perform core.begin_request(v_tenant, v_technician, 'technician', 'TREAT', null);
      v_taken := now() - v_order.ago + interval '20 minutes';
      select o.id into v_order_id
      from laboratory.place_order(
        coalesce(
          v_order.patient_id,
          (
            select p.id
            from patient.patients p
            where
              p.tenant_id = v_tenant
              and p.mrn = case v_id when 'da000000' then 'ASHA-000016' else 'NILE-000016' end
          )
        ),
        v_order.codes, (v_id || '-0017-7000-8000-0000000000' || v_order.encounter)::uuid,
        (v_id || '-0001-7000-8000-000000000001')::uuid,
        (v_id || '-0007-7000-8000-00000000000' || v_order.doctor)::uuid,
        case when v_order.doctor is null then 'Dr Example, City Polyclinic' end, v_order.source, v_order.priority,
        p_clinical_info_enc => core.encrypt_text('demo'), p_ordered_at => now() - v_order.ago
      ) o;
      if v_order.name = 'outside' then
        perform laboratory.cancel_order(v_order_id, 'patient did not come');
        continue;
      end if;

      for v_sample in select s.* from laboratory.accession(v_order_id) s loop
        continue when v_order.name = 'child'; -- waits for the collection
        perform laboratory.change_sample_state(
          v_sample.id, 'collected', (v_id || '-0006-7000-8000-000000000009')::uuid,
          (v_id || '-0003-7000-8000-00000000000' || case v_order.source when 'ipd' then 8 else 7 end)::uuid,
          p_occurred_at => v_taken, p_client_op_id => gen_random_uuid(),
          p_details => '{"patient_id_check": "two_identifiers", "volume_ml": 4, "collection_method": "venepuncture"}'
        );
        continue when v_sample.specimen_type = 'urine'; -- on its way
        if v_order.source = 'ipd' then
          perform laboratory.change_sample_state(
            v_sample.id, 'in_transit', (v_id || '-0006-7000-8000-000000000009')::uuid, p_temperature_c => 22,
            p_occurred_at => v_taken + interval '5 minutes', p_details => '{"transport_box": "BOX-2"}'
          );
        end if;
        if v_order.name = 'emergency' then
          perform laboratory.change_sample_state(
            v_sample.id, 'rejected', p_reason_code => 'haemolysed', p_occurred_at => v_taken + interval '15 minutes',
            p_details => '{"receipt_condition": "haemolysed"}'
          );
          continue;
        end if;
        perform laboratory.change_sample_state(
          v_sample.id, 'received', p_temperature_c => 22, p_occurred_at => v_taken + interval '15 minutes',
          p_details => case
            when v_order.name = 'visit' then '{"receipt_condition": "lipaemic", "accepted_with_exception": "lipaemic serum, patient not fasting"}'::jsonb
            else '{}'
          end
        );
        perform laboratory.change_sample_state(v_sample.id, 'accessioned', p_occurred_at => v_taken + interval '18 minutes');
        if v_order.name = 'story' and v_sample.specimen_type = 'serum' then
          perform laboratory.create_aliquots(v_sample.id, '{1.5,1}', gen_random_uuid());
        end if;
      end loop;
      continue when v_order.name not in ('story', 'visit', 'ward');

      for v_item in
        select i.id, t.code, t.requires_authorisation
        from laboratory.lab_order_items i
        join laboratory.lab_tests t on t.id = i.test_id
        where i.tenant_id = v_tenant and i.order_id = v_order_id and t.code <> 'UCULT'
        order by i.position
      loop
        v_value := case v_order.name || ' ' || v_item.code
          when 'story HB' then 6.4 when 'story NA' then 138 when 'story K' then 4.4 when 'visit CREAT' then 1.4
          when 'ward NA' then 137 when 'ward K' then 6.9 else 12.5
        end;
        perform core.begin_request(v_tenant, v_technician, 'technician', 'TREAT', null);
        select r.id into v_result
        from laboratory.enter_result(
          v_item.id, v_value,
          p_device_id => case when v_item.code in ('NA', 'K') then (v_id || '-0f01-7000-8000-000000000001')::uuid end,
          p_run_ref => 'RUN-' || to_char(v_taken, 'YYYYMMDD'), p_resulted_at => v_taken + interval '1 hour',
          p_reagent_batch_id => case when v_item.code = 'HB' then v_reagent end
        ) r;
        continue when v_order.name = 'ward' and v_item.code = 'CRP'; -- to be verified
        perform core.begin_request(v_tenant, v_doctor, 'doctor', 'TREAT', null);
        perform laboratory.verify_result(v_result);
        continue when v_order.name = 'ward' and v_item.code = 'K'; -- critical, to be told and released
        perform core.begin_request(v_tenant, v_technician, 'technician', 'TREAT', null);
        perform laboratory.authorise_result(v_result);
        if v_order.name = 'story' and v_item.code = 'HB' then
          perform laboratory.notify_critical(
            v_result, 'ward nurse on duty', 'phone', true, (v_id || '-0006-7000-8000-000000000008')::uuid,
            p_outcome => 'doctor called, blood requested'
          );
        end if;
      end loop;
      perform core.begin_request(v_tenant, v_doctor, 'doctor', 'TREAT', null);
      perform laboratory.issue_report(v_order_id, core.encrypt_text('demo'));
    end loop;

    -- potassium of the story was typed wrongly
    perform core.begin_request(v_tenant, v_doctor, 'doctor', 'TREAT', null);
    perform laboratory.correct_result(
      r.id, 'typing error', 4.6, p_verified_by => (v_id || '-0006-7000-8000-000000000013')::uuid
    )
    from laboratory.lab_results r
    join laboratory.lab_tests t on t.id = r.test_id
    where r.tenant_id = v_tenant and t.code = 'K' and r.status = 'final' and r.value_num = 4.4;
    -- the creatinine sample is kept
    perform core.begin_request(v_tenant, v_technician, 'technician', 'TREAT', null);
    perform laboratory.change_sample_state(
      s.id, 'stored', p_location_id => (v_id || '-0003-7000-8000-000000000007')::uuid,
      p_details => '{"storage_position": "A-01"}'
    )
    from laboratory.samples s
    join laboratory.lab_orders o on o.tenant_id = s.tenant_id and o.id = s.order_id
    where s.tenant_id = v_tenant and o.encounter_id = (v_id || '-0017-7000-8000-000000000011')::uuid;
  end loop;
end
$$;
