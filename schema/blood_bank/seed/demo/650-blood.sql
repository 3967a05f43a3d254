-- Demo: the blood bank of both clinics. Seven donors, one of them too pale and one reactive; patient 11 is grouped twice
-- and gets one of two units after the operation, the other comes back; patient 19 has a unit waiting; an emergency is
-- given O negative on the word of a doctor and reacts with a fever.

select core.assert_not_production();

-- No secrets: with these texts the demo, and nothing else, is encrypted.
select set_config('app.field_key', 'demo field key, not a secret', true);
select set_config('app.index_key', 'demo index key, not a secret', true);

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_mrn text;
  v_group text; -- of patient 11
  v_doctor uuid;
  v_technician uuid;
  v_verifier uuid;
  v_nurses uuid[];
  v_patient uuid;
  v_line record;
  v_kind text;
  v_donor uuid;
  v_donation blood_bank.donations;
  v_unit uuid;
  v_units uuid[] := '{}'; -- the two for patient 11
  v_request blood_bank.blood_requests;
  v_issue blood_bank.blood_issues;
  v_reaction uuid;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    v_mrn := case v_id when 'da000000' then 'ASHA-0000' else 'NILE-0000' end;
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000013')::uuid, 'lab_tech', 'TREAT', null);
    continue when exists (select from blood_bank.donors d where d.tenant_id = v_tenant);
    v_doctor := (v_id || '-0007-7000-8000-000000000002')::uuid;
    v_technician := (v_id || '-0006-7000-8000-000000000013')::uuid;
    v_verifier := (v_id || '-0006-7000-8000-000000000005')::uuid;
    v_nurses := array[v_id || '-0006-7000-8000-000000000008', v_id || '-0006-7000-8000-000000000009']::uuid[];
    v_units := '{}';
    select p.blood_group, p.id into v_group, v_patient
    from patient.patients p
    where p.tenant_id = v_tenant and p.mrn = v_mrn || '11';

    insert into facility.locations (tenant_id, id, clinic_id, parent_location_id, department_id, kind, code, name)
    select
      v_tenant, (v_id || '-0500-7000-8000-00000000000' || l.n)::uuid, (v_id || '-0001-7000-8000-000000000001')::uuid,
      (v_id || '-0003-7000-8000-000000000002')::uuid, (v_id || '-0002-7000-8000-000000000004')::uuid, 'cold_store',
      l.code, l.name
    from (
      values
        (1, 'BLOOD-4C', 'Blood refrigerator'), (2, 'PLASMA-40C', 'Plasma freezer'), (3, 'PLT-22C', 'Platelet agitator')
    ) as l (n, code, name);

    -- donors and what became of their donations
    for v_line in
      select *
      from (
        values
          -- number, name, sex, group, days ago, components, what happened
          (1, 'Ravi Shetty', 'male', v_group, 9, '{PRBC,FFP}'::text[], 'released'),
          (2, 'Sunita Rao', 'female', v_group, 6, '{PRBC}', 'released'),
          (3, 'Khalid Osman', 'male', 'O-', 5, '{PRBC,FFP}', 'released'),
          (4, 'Anita D''Souza', 'female', 'AB+', 2, '{PRBC_SAGM,FFP,PLT_RDP}', 'released'),
          (5, 'Joseph Mathai', 'male', 'A+', 3, '{PRBC,FFP}', 'reactive'),
          (6, 'Omar Bashir', 'male', 'B+', 1, '{PRBC}', 'waits for its tests'),
          (7, 'Lalita Menon', 'female', null, 0, '{}', 'too pale')
      ) as d (n, name, sex, blood_group, days, components, what)
      order by d.n
    loop
      v_donor := (
        blood_bank.register_donor(
          v_line.name, v_line.sex, date '1988-03-10' + v_line.n * 97,
          core.encrypt_text('+91 90000 0050' || v_line.n), core.blind_index('+91 90000 0050' || v_line.n),
          case v_line.n when 2 then 'replacement' else 'voluntary' end, p_consent_to_recall => true
        )
      ).id;
      v_donation := blood_bank.screen_donor(
        v_donor, 'whole_blood', 'centre', 68, case v_line.what when 'too pale' then 11.2 else 14.1 end, 122, 78, 74, 36.7,
        v_nurses[1], '{"slept well": true, "medicines": false}'
      );
      continue when v_donation.status = 'deferred';
      perform blood_bank.start_collection(
        v_donation.id, case v_id when 'da000000' then 'A999926' else 'N999926' end || lpad(v_line.n::text, 6, '0'),
        'DEMO-LOT-7', 'triple', v_nurses[1], now() - make_interval(days => v_line.days, mins => 12)
      );
      perform blood_bank.finish_collection(v_donation.id, 450, now() - make_interval(days => v_line.days));
      -- the demo is told now, the screening was before the needle
      update blood_bank.donations d
      set screened_at = d.started_at - interval '20 minutes'
      where d.tenant_id = v_tenant and d.id = v_donation.id;
      foreach v_kind in array v_line.components loop
        v_unit := (
          blood_bank.prepare_unit(
            v_donation.id, v_kind,
            case when v_kind in ('PRBC', 'PRBC_SAGM') then 'E0150V00' when v_kind = 'FFP' then 'E0700V00' else 'E2800V00' end,
            case v_kind when 'FFP' then 200 when 'PLT_RDP' then 60 else 280 end,
            (v_id || '-0500-7000-8000-00000000000' || case v_kind when 'FFP' then 2 when 'PLT_RDP' then 3 else 1 end)::uuid,
            v_technician, p_prepared_at => now() - make_interval(days => v_line.days) + interval '3 hours'
          )
        ).id;
        if v_line.n in (1, 2) and v_kind = 'PRBC' then
          v_units := v_units || v_unit;
        end if;
      end loop;
      continue when v_line.what = 'waits for its tests';
      foreach v_kind in array array['HIV', 'HBSAG', 'HCV', 'SYPHILIS', 'MALARIA'] loop
        perform blood_bank.verify_test(
          (
            blood_bank.enter_test(
              v_donation.id, v_kind, 'clia', 'DEMO-KIT-3', current_date + 200, v_technician,
              case when v_line.what = 'reactive' and v_kind = 'HBSAG' then 'reactive' else 'non_reactive' end
            )
          ).id,
          v_verifier
        );
      end loop;
      foreach v_kind in array array['ABO_FORWARD', 'ABO_REVERSE', 'RHD'] loop
        perform blood_bank.verify_test(
          (
            blood_bank.enter_test(
              v_donation.id, v_kind, 'tube', 'DEMO-SERA-1', current_date + 200, v_technician,
              p_group_result => case
                when v_kind <> 'RHD' then rtrim(v_line.blood_group, '+-')
                when v_line.blood_group like '%+' then 'pos'
                else 'neg'
              end
            )
          ).id,
          v_verifier
        );
      end loop;
      perform blood_bank.release_donation(v_donation.id, v_verifier);
    end loop;

    -- two samples each of patients 11 and 19; the group is the one on their card
    for v_line in
      select s.n, s.encounter, e.patient_id, p.blood_group, s.hours
      from (values (1, '12', 30), (2, '12', 28), (3, '15', 5), (4, '15', 4)) as s (n, encounter, hours)
      join clinical.encounters e
        on e.tenant_id = v_tenant and e.id = (v_id || '-0017-7000-8000-0000000000' || s.encounter)::uuid
      join patient.patients p on p.tenant_id = v_tenant and p.id = e.patient_id
      order by s.n
    loop
      insert into laboratory.lab_orders (
        tenant_id, id, order_number, patient_id, encounter_id, clinic_id, source, ordering_doctor_id, priority,
        ordered_at, due_at
      )
      values (
        v_tenant, (v_id || '-0510-7000-8000-00000000000' || v_line.n)::uuid, 'BB-' || v_line.n, v_line.patient_id,
        (v_id || '-0017-7000-8000-0000000000' || v_line.encounter)::uuid, (v_id || '-0001-7000-8000-000000000001')::uuid,
        'ipd', v_doctor, 'urgent', now() - make_interval(hours => v_line.hours + 1), now()
      );
      insert into laboratory.samples (
        tenant_id, id, accession_number, barcode, order_id, patient_id, specimen_type, container
      )
      values (
        v_tenant, (v_id || '-0511-7000-8000-00000000000' || v_line.n)::uuid, 'BB-' || v_line.n, 'BB-' || v_line.n,
        (v_id || '-0510-7000-8000-00000000000' || v_line.n)::uuid, v_line.patient_id, 'blood', 'edta'
      );
      update laboratory.samples s
      set
        status = 'collected', collected_at = now() - make_interval(hours => v_line.hours), collected_by = v_nurses[2],
        patient_id_check = 'wristband_scan'
      where s.tenant_id = v_tenant and s.id = (v_id || '-0511-7000-8000-00000000000' || v_line.n)::uuid;
      insert into laboratory.sample_events (tenant_id, sample_id, occurred_at, from_status, to_status, actor_id)
      values
        (
          v_tenant, (v_id || '-0511-7000-8000-00000000000' || v_line.n)::uuid,
          now() - make_interval(hours => v_line.hours + 1), null, 'planned', v_nurses[2]
        ),
        (
          v_tenant, (v_id || '-0511-7000-8000-00000000000' || v_line.n)::uuid,
          now() - make_interval(hours => v_line.hours), 'planned', 'collected', v_nurses[2]
        );
      perform blood_bank.record_patient_group(
        v_line.patient_id, (v_id || '-0511-7000-8000-00000000000' || v_line.n)::uuid,
        rtrim(v_line.blood_group, '+-'), case when v_line.blood_group like '%+' then 'pos' else 'neg' end,
        v_technician, 'negative', p_tested_at => now() - make_interval(hours => v_line.hours - 1)
      );
      if v_line.n in (2, 4) then
        perform blood_bank.confirm_patient_group(g.id, v_verifier)
        from blood_bank.patient_blood_groups g
        where g.tenant_id = v_tenant and g.sample_id = (v_id || '-0511-7000-8000-00000000000' || v_line.n)::uuid;
      end if;
    end loop;

    -- the story: two units for patient 11, one given, one brought back
    insert into ehr.documents (
      tenant_id, id, document_number, patient_id, encounter_id, type_code, title, category, storage_uri, mime, size_bytes,
      sha256, key_kid, confidentiality, source, virus_scan, scanned_at
    )
    values (
      v_tenant, (v_id || '-0512-7000-8000-000000000001')::uuid, 'DEMO-TRANSFUSION-1', v_patient,
      (v_id || '-0017-7000-8000-000000000012')::uuid, 'transfusion_consent', 'Consent to transfusion', 'consent',
      's3://demo/transfusion_consent', 'application/pdf', 1024, sha256('transfusion_consent'), 'demo', 'N', 'scanned',
      'clean', now()
    );
    update ehr.documents d
    set status = 'current'
    where d.tenant_id = v_tenant and d.id = (v_id || '-0512-7000-8000-000000000001')::uuid;
    insert into compliance.consents (
      tenant_id, id, patient_id, kind, decision, given_by, given_at, explained_by, language, document_id, encounter_id
    )
    values (
      v_tenant, (v_id || '-0513-7000-8000-000000000001')::uuid, v_patient, 'transfusion', 'permit', 'patient',
      now() - interval '26 hours', (v_id || '-0006-7000-8000-000000000005')::uuid, 'en',
      (v_id || '-0512-7000-8000-000000000001')::uuid, (v_id || '-0017-7000-8000-000000000012')::uuid
    );
    update compliance.consents c
    set status = 'active'
    where c.tenant_id = v_tenant and c.id = (v_id || '-0513-7000-8000-000000000001')::uuid;
    v_request := blood_bank.request_blood(
      v_patient, (v_id || '-0017-7000-8000-000000000012')::uuid, 'PRBC', 2, 'Bleeding during the operation', v_doctor,
      'urgent', now() - interval '25 hours', 8.1, (v_id || '-0511-7000-8000-000000000002')::uuid,
      p_consent_id => (v_id || '-0513-7000-8000-000000000001')::uuid
    );
    perform blood_bank.accept_request(v_request.id);
    foreach v_unit in array v_units loop
      perform blood_bank.record_crossmatch(
        v_request.id, v_unit, (v_id || '-0511-7000-8000-000000000002')::uuid, 'gel', v_technician, 'compatible', v_verifier
      );
    end loop;
    foreach v_unit in array v_units loop
      v_issue := blood_bank.issue_unit(v_unit, v_request.id, v_technician, v_nurses[1], v_technician);
      -- the demo is told now, the day was yesterday; what comes back is not out for long
      update blood_bank.blood_issues i
      set issued_at = now() - case when v_unit = v_units[1] then interval '24 hours' else interval '18 minutes' end
      where i.tenant_id = v_tenant and i.id = v_issue.id;
      if v_unit = v_units[1] then
        perform blood_bank.start_transfusion(
          v_issue.id, v_patient, (select c.din from blood_bank.blood_components c where c.tenant_id = v_tenant and c.id = v_unit),
          v_nurses[1], v_nurses[2], '{"temperature": 36.8, "pulse": 96, "systolic": 104, "diastolic": 66}',
          now() - interval '23 hours 45 minutes'
        );
        perform blood_bank.complete_transfusion(
          v_issue.id, 280, v_nurses[1], '{"temperature": 37.0, "pulse": 84, "systolic": 118, "diastolic": 74}',
          now() - interval '21 hours 10 minutes'
        );
      else
        perform blood_bank.return_unit(v_issue.id, 18, true, v_nurses[1], v_technician, 'bleeding stopped', 5.5);
      end if;
    end loop;
    perform blood_bank.close_request(v_request.id, 'one unit was enough');

    -- a unit of plasma waits for patient 19
    select e.patient_id into v_patient
    from clinical.encounters e
    where e.tenant_id = v_tenant and e.id = (v_id || '-0017-7000-8000-000000000015')::uuid;
    v_request := blood_bank.request_blood(
      v_patient, (v_id || '-0017-7000-8000-000000000015')::uuid, 'FFP', 1, 'Prolonged clotting time', v_doctor,
      p_required_by => now() + interval '6 hours'
    );
    perform blood_bank.accept_request(v_request.id);
    perform blood_bank.reserve_unit(u.id, v_request.id, v_technician)
    from blood_bank.find_compatible_units(v_request.id, 1) u;

    -- the emergency: no time for a crossmatch, and a fever
    select e.patient_id into v_patient
    from clinical.encounters e
    where e.tenant_id = v_tenant and e.id = (v_id || '-0017-7000-8000-000000000014')::uuid;
    v_request := blood_bank.request_blood(
      v_patient, (v_id || '-0017-7000-8000-000000000014')::uuid, 'PRBC', 1, 'Haemorrhage after a fall', v_doctor,
      'emergency_uncrossmatched'
    );
    perform blood_bank.order_emergency_release(v_request.id, v_doctor, 'shock, no time for a crossmatch');
    perform blood_bank.accept_request(v_request.id);
    select c.id into v_unit
    from blood_bank.blood_components c
    where
      c.tenant_id = v_tenant and c.component = 'PRBC' and c.abo = 'O' and c.rhd = 'neg' and c.status = 'available'
    order by c.expires_at
    limit 1;
    v_issue := blood_bank.issue_unit(v_unit, v_request.id, v_technician, v_nurses[1], v_technician);
    perform blood_bank.start_transfusion(
      v_issue.id, v_patient, (select c.din from blood_bank.blood_components c where c.tenant_id = v_tenant and c.id = v_unit),
      v_nurses[1], v_nurses[2], '{"temperature": 36.4, "pulse": 124, "systolic": 82, "diastolic": 50}'
    );
    v_reaction := (
      blood_bank.report_reaction(
        v_issue.id, 'febrile', 'mild', now(), v_nurses[1], '{"temperature": 38.4, "rigors": false}',
        '{"stopped": true, "paracetamol": true}'
      )
    ).id;
    perform blood_bank.complete_transfusion(
      v_issue.id, 120, v_nurses[1], '{"temperature": 38.4, "pulse": 108, "systolic": 96, "diastolic": 60}'
    );
    perform blood_bank.investigate_reaction(v_reaction, '{"clerical check": "no error", "repeat group": "O-"}');
  end loop;
end
$$;
