-- Demo: what was observed, ordered and done. The story is patient 11 (stay 12): stones of the gallbladder, operated two
-- days ago. Beside it a child who is vaccinated (13), an emergency with a critical finding (14) and a stay in the ward (15).

select core.assert_not_production();

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_visit text; -- the front of the ids of encounters
  v_staff text;
  v_doctor text;
  v_story uuid; -- patient 11
  v_child uuid;
  v_injured uuid;
  v_inpatient uuid;
  v_record uuid;
  v_order clinical.service_requests;
  v_study clinical.imaging_studies;
  v_report clinical.imaging_results;
  v_note clinical.medical_records;
  v_vitals record;
begin
  perform set_config('app.field_key', 'demo field key, not a secret', true);
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    v_visit := v_id || '-0017-7000-8000-0000000000';
    v_staff := v_id || '-0006-7000-8000-0000000000';
    v_doctor := v_id || '-0007-7000-8000-0000000000';
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000004')::uuid, 'doctor', 'TREAT', null);
    continue when exists (select from clinical.conditions c where c.tenant_id = v_tenant);
    select e.patient_id into v_story from clinical.encounters e where e.tenant_id = v_tenant and e.id = (v_visit || '12')::uuid;
    select e.patient_id into v_child from clinical.encounters e where e.tenant_id = v_tenant and e.id = (v_visit || '13')::uuid;
    select e.patient_id into v_injured from clinical.encounters e where e.tenant_id = v_tenant and e.id = (v_visit || '14')::uuid;
    select e.patient_id into v_inpatient from clinical.encounters e where e.tenant_id = v_tenant and e.id = (v_visit || '15')::uuid;

    -- number 4 of the day-care visits went home a minute ago
    update clinical.encounters e
    set status = 'finished', disposition = 'home', period = tstzrange(lower(e.period), now() - interval '1 minute')
    where e.tenant_id = v_tenant and e.id = (v_visit || '04')::uuid;

    -- both stays are in a bed; the class of the ward is day care
    insert into facility.bed_allocations (tenant_id, id, bed_id, encounter_id, patient_id, kind, status, period) values
      (
        v_tenant, (v_id || '-0101-7000-8000-000000000012')::uuid, (v_id || '-0004-7000-8000-000000000007')::uuid,
        (v_visit || '12')::uuid, v_story, 'occupancy', 'active', tstzrange(now() - interval '3 days', null)
      ),
      (
        v_tenant, (v_id || '-0101-7000-8000-000000000015')::uuid, (v_id || '-0004-7000-8000-000000000008')::uuid,
        (v_visit || '15')::uuid, v_inpatient, 'occupancy', 'active', tstzrange(now() - interval '46 hours', null)
      );
    update facility.beds b
    set status = 'occupied', current_allocation_id = a.id
    from facility.bed_allocations a
    where
      b.tenant_id = v_tenant and a.tenant_id = v_tenant and a.bed_id = b.id
      and a.encounter_id in ((v_visit || '12')::uuid, (v_visit || '15')::uuid);

    insert into clinical.care_team_members (tenant_id, encounter_id, staff_id, role, period) values
      (v_tenant, (v_visit || '12')::uuid, (v_staff || '05')::uuid, 'attending', tstzrange(now() - interval '3 days', null)),
      (v_tenant, (v_visit || '12')::uuid, (v_staff || '08')::uuid, 'nurse', tstzrange(now() - interval '3 days', null)),
      (v_tenant, (v_visit || '15')::uuid, (v_staff || '05')::uuid, 'attending', tstzrange(now() - interval '2 days', null)),
      (v_tenant, (v_visit || '15')::uuid, (v_staff || '09')::uuid, 'nurse', tstzrange(now() - interval '2 days', null));

    insert into clinical.conditions (
      tenant_id, patient_id, encounter_id, category, code_system, code, display, icd10, rank, clinical_status, asserted_by
    ) values
      (
        v_tenant, v_story, (v_visit || '12')::uuid, 'final', 'http://hl7.org/fhir/sid/icd-10', 'K80.2',
        'Stones of the gallbladder', 'K80.2', 1, 'active', (v_staff || '05')::uuid
      ),
      (
        v_tenant, v_inpatient, (v_visit || '15')::uuid, 'encounter_diagnosis', 'http://hl7.org/fhir/sid/icd-10', 'J18.9',
        'Pneumonia', 'J18.9', 1, 'active', (v_staff || '05')::uuid
      );
    update clinical.conditions c set verification_status = 'confirmed' where c.tenant_id = v_tenant;

    perform clinical.state_no_known_allergies(v_story, (v_visit || '12')::uuid);
    perform clinical.state_no_known_allergies(v_child, (v_visit || '13')::uuid);
    insert into clinical.allergies (
      tenant_id, patient_id, kind, category, code_system, code, display, criticality, reactions, verification_status,
      recorded_by
    ) values (
      v_tenant, v_inpatient, 'allergy', 'medication', 'https://example.org/ingredients', 'penicillin', 'Penicillin', 'high',
      '[{"manifestation": "rash", "severity": "moderate"}]', 'confirmed', (v_staff || '05')::uuid
    );

    for v_vitals in
      select v.*
      from (
        values
          ('12', interval '3 days', 37.2, 84, 16, 128, 78, 97, false),
          ('12', interval '2 days', 37.6, 96, 18, 118, 70, 96, true),
          ('12', interval '1 day', 36.9, 78, 15, 124, 76, 98, false),
          ('15', interval '46 hours', 38.7, 112, 24, 102, 60, 92, true),
          ('15', interval '4 hours', 37.4, 90, 18, 116, 72, 96, false)
      ) as v (n, ago, temperature, pulse, resp, systolic, diastolic, spo2, oxygen)
    loop
      insert into clinical.vital_signs (
        tenant_id, measured_at, patient_id, encounter_id, temperature_c, pulse, resp_rate, systolic, diastolic, spo2,
        on_oxygen, consciousness, recorded_by
      )
      values (
        v_tenant, now() - v_vitals.ago, case v_vitals.n when '12' then v_story else v_inpatient end,
        (v_visit || v_vitals.n)::uuid, v_vitals.temperature, v_vitals.pulse, v_vitals.resp, v_vitals.systolic,
        v_vitals.diastolic, v_vitals.spo2, v_vitals.oxygen, 'A', (v_staff || '08')::uuid
      );
    end loop;

    perform clinical.record_observation(
      v_story, (v_visit || '12')::uuid, 'fluid_balance', 'https://example.org/observations', 'urine-output',
      'Urine output in 24 hours', '{"num": 1400, "unit": "mL"}'
    );
    perform clinical.amend_observation(
      (
        clinical.record_observation(
          v_inpatient, (v_visit || '15')::uuid, 'fluid_balance', 'https://example.org/observations', 'urine-output',
          'Urine output in 24 hours', '{"num": 90, "unit": "mL"}'
        )
      ).id,
      '{"num": 900, "unit": "mL"}', 'typing error'
    );

    insert into clinical.clinical_assessments (
      tenant_id, patient_id, encounter_id, instrument, answers, score, risk_level, assessed_at, assessor_id
    ) values (
      v_tenant, v_inpatient, (v_visit || '15')::uuid, 'morse', '{"history_of_falling": 25, "iv_line": 20}', 45, 'high',
      now() - interval '45 hours', (v_staff || '09')::uuid
    );
    update clinical.clinical_assessments a set status = 'completed' where a.tenant_id = v_tenant;
    insert into clinical.clinical_assessments (
      tenant_id, patient_id, encounter_id, instrument, due_at, assessor_id
    ) values (
      v_tenant, v_inpatient, (v_visit || '15')::uuid, 'morse', now() + interval '3 hours', (v_staff || '09')::uuid
    );

    v_note := clinical.write_medical_record(
      (v_visit || '12')::uuid, 'operative', 'Operative note', core.encrypt_text('Gallbladder removed, no bleeding.'),
      sha256('Gallbladder removed, no bleeding.')
    );
    perform clinical.sign_medical_record(v_note.id);
    v_note := clinical.amend_medical_record(
      v_note.id, core.encrypt_text('One clip was replaced.'), sha256('One clip was replaced.'), 'a detail was missing'
    );
    perform clinical.sign_medical_record(v_note.id);
    v_note := clinical.write_medical_record(
      (v_visit || '15')::uuid, 'progress', 'Ward round', core.encrypt_text('Better, oxygen stopped.'),
      sha256('Better, oxygen stopped.'), p_cosigner_id => (v_staff || '05')::uuid
    );

    -- the operation, with the patient's consent
    v_order := clinical.place_order(
      (v_visit || '12')::uuid, 'procedure', 'https://example.org/procedures', 'lap-chole', 'Removal of the gallbladder'
    );
    insert into ehr.documents (
      tenant_id, id, document_number, patient_id, encounter_id, type_code, title, category, storage_uri, mime, size_bytes,
      sha256, key_kid, confidentiality, source, virus_scan, scanned_at
    )
    select
      v_tenant, (v_id || '-0102-7000-8000-00000000000' || d.n)::uuid, 'DEMO-CLINICAL-' || d.n, v_story,
      (v_visit || '12')::uuid, d.type_code, d.title, d.category, 's3://demo/' || d.type_code, d.mime, 1024,
      sha256(d.type_code::bytea), 'demo', 'N', 'scanned', 'clean', now()
    from (
      values
        (1, 'surgical_consent', 'Consent to surgery', 'consent', 'application/pdf'),
        (2, 'specimen_photo', 'Specimen', 'imaging', 'image/jpeg'),
        (3, 'implant_sticker', 'Sticker of the clips', 'clinical', 'image/jpeg')
    ) as d (n, type_code, title, category, mime);
    update ehr.documents d
    set status = 'current'
    where d.tenant_id = v_tenant and d.document_number like 'DEMO-CLINICAL-%';
    insert into compliance.consents (
      tenant_id, id, patient_id, kind, decision, given_by, given_at, explained_by, language, document_id, encounter_id
    ) values (
      v_tenant, (v_id || '-0103-7000-8000-000000000001')::uuid, v_story, 'surgery', 'permit', 'patient',
      now() - interval '50 hours', (v_staff || '05')::uuid, 'en', (v_id || '-0102-7000-8000-000000000001')::uuid,
      (v_visit || '12')::uuid
    );
    update compliance.consents c
    set status = 'active'
    where c.tenant_id = v_tenant and c.id = (v_id || '-0103-7000-8000-000000000001')::uuid;
    insert into clinical.procedures (
      tenant_id, id, procedure_number, patient_id, encounter_id, service_request_id, code_system, code, display, kind,
      asa_class, anaesthesia_type, primary_surgeon_id, anaesthetist_id, consent_id
    ) values (
      v_tenant, (v_id || '-0140-7000-8000-000000000001')::uuid, core.next_default_number('procedure', '', 'PROC-{YY}-'),
      v_story, (v_visit || '12')::uuid, v_order.id, 'https://example.org/procedures', 'lap-chole',
      'Removal of the gallbladder', 'surgery', 2, 'general', (v_doctor || '02')::uuid, (v_doctor || '03')::uuid,
      (v_id || '-0103-7000-8000-000000000001')::uuid
    );
    update clinical.procedures p
    set
      status = 'in_progress', patient_in_at = now() - interval '48 hours', sign_in_at = now() - interval '48 hours',
      time_out_at = now() - interval '47 hours 30 minutes', incision_at = now() - interval '47 hours 25 minutes',
      closure_at = now() - interval '46 hours 30 minutes', sign_out_at = now() - interval '46 hours 25 minutes',
      counts_correct = true, blood_loss_ml = 450,
      checklist = '{"sign_in": {"site_marked": true}, "time_out": {"team_agrees": true}, "sign_out": {"counted": true}}'
    where p.tenant_id = v_tenant and p.id = (v_id || '-0140-7000-8000-000000000001')::uuid;
    perform clinical.complete_procedure((v_id || '-0140-7000-8000-000000000001')::uuid);
    insert into inventory.items (tenant_id, id, sku, name, kind, gst_rate, base_unit, is_batch_tracked) values (
      v_tenant, (v_id || '-0144-7000-8000-000000000001')::uuid, 'DEMO-CLIPS', 'Surgical clips (example)', 'implant', 5,
      'piece', true
    );
    perform clinical.record_implant(
      (v_id || '-0140-7000-8000-000000000001')::uuid, (v_id || '-0144-7000-8000-000000000001')::uuid, 'cystic duct',
      p_udi => '(01)00000000000000(21)CLIP1', p_serial_number => 'CLIP1',
      p_sticker_document_id => (v_id || '-0102-7000-8000-000000000003')::uuid
    );

    perform clinical.give_vaccination(
      v_child, 'mmr', 'Measles, mumps, rubella', 2, 'LOT-77', (current_date + 200), 'primary', (v_visit || '13')::uuid,
      p_route => 'subcutaneous', p_site => 'left arm'
    );
    insert into clinical.vaccination_records (
      tenant_id, patient_id, vaccine_code, vaccine_name, dose_number, series, next_due_on
    ) values (v_tenant, v_child, 'dpt', 'Diphtheria, pertussis, tetanus', 5, 'booster', current_date + 30);

    -- the emergency: a fall, a medico-legal case, a critical finding that somebody was told
    perform clinical.register_medico_legal_case((v_visit || '14')::uuid, now() - interval '2 hours');
    v_order := clinical.place_order(
      (v_visit || '14')::uuid, 'imaging', 'https://example.org/imaging', 'ct-head', 'CT of the head', 'stat',
      'fell from a height', (v_id || '-0002-7000-8000-000000000004')::uuid
    );
    v_study := clinical.register_imaging_study(v_order.id, 'CT', 'head');
    perform clinical.move_imaging_study(v_study.id, 'arrived');
    perform clinical.move_imaging_study(v_study.id, 'in_progress');
    perform clinical.move_imaging_study(v_study.id, 'acquired');
    v_report := clinical.report_imaging_study(
      v_study.id, core.encrypt_text('Bleeding on the left.'), core.encrypt_text('Subdural haematoma.'), true
    );
    perform clinical.note_critical_told(v_report.id, 'Doctor on call');
    perform clinical.verify_imaging_report(v_report.id);
    perform clinical.place_order(
      (v_visit || '15')::uuid, 'nursing', 'https://example.org/nursing', 'chest-physio', 'Breathing exercises',
      p_target_department_id => (v_id || '-0002-7000-8000-000000000003')::uuid
    );
  end loop;
end
$$;
