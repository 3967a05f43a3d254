-- Demo: the patient of the story goes home: the summary is prepared by one doctor, approved by another after the
-- guideline is met, discharge is ordered and clinically complete. The summary of stay 15 is a draft.
-- imhotep:after insurance/610-preauthorisations blood_bank/650-blood medication/560-pharmacy

select core.assert_not_production();

do $$
declare
  v_tenant uuid;
  v_id text;
  v_admission text;
  v_summary clinical.discharge_summaries;
begin
  perform set_config('app.field_key', 'demo field key, not a secret', true);
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    v_admission := v_id || '-0100-7000-8000-0000000000';
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000004')::uuid, 'doctor', 'TREAT', null);
    continue when exists (select from clinical.discharge_summaries s where s.tenant_id = v_tenant);

    perform clinical.order_discharge((v_admission || '12')::uuid);
    v_summary := clinical.prepare_discharge_summary(
      (v_admission || '12')::uuid, 'normal',
      jsonb_build_object(
        'final_diagnoses',
        jsonb_build_array(jsonb_build_object(
          'code_system', 'http://hl7.org/fhir/sid/icd-10', 'code', 'K80.2', 'icd10', 'K80.2',
          'display', 'Stones of the gallbladder', 'rank', 1
        )),
        'procedures',
        jsonb_build_array(jsonb_build_object(
          'code_system', 'https://example.org/procedures', 'code', 'lap-chole', 'display', 'Removal of the gallbladder'
        )),
        'course_enc', core.encrypt_text('Operated on the second day, one unit of blood, no fever.'),
        'condition_at_discharge', 'stable, walks, eats',
        'medications', jsonb_build_array(jsonb_build_object('display', 'Paracetamol 500 mg', 'how', 'as needed, 3 days')),
        'follow_up', jsonb_build_array(jsonb_build_object('on', current_date + 7, 'what', 'stitches out')),
        'advice_enc', core.encrypt_text('No heavy lifting for two weeks.'),
        'sections', jsonb_build_object('stg_answers', jsonb_build_object('DRAIN', 'no'))
      )
    );
    perform clinical.submit_discharge_summary(v_summary.id);
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000005')::uuid, 'doctor', 'TREAT', null);
    perform clinical.approve_discharge_summary(v_summary.id);
    perform clinical.hand_over_discharge_summary(v_summary.id);
    perform clinical.complete_clinical_discharge((v_admission || '12')::uuid);

    perform clinical.prepare_discharge_summary(
      (v_admission || '15')::uuid, 'normal',
      jsonb_build_object('course_enc', core.encrypt_text('Pneumonia, better on the second day.'))
    );
  end loop;
end
$$;
