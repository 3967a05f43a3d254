-- Demo: both clinics on the ABDM sandbox. Patient 11, the story, creates an ABHA and has visit and stay linked; another
-- clinic is allowed to read them, and ours reads there until the patient takes that back. Patient 12 mistypes three OTPs,
-- patient 19 finds their stay in an ABHA app, patient 15 was deactivated by ABDM, the visit of patient 09 is not linkable yet.

select core.assert_not_production();

-- No secrets: with these texts the demo, and nothing else, is encrypted.
select set_config('app.field_key', 'demo field key, not a secret', true);
select set_config('app.index_key', 'demo index key, not a secret', true);

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_mrn text;
  v_hip text;
  v_clinic uuid;
  v_consent uuid;
  v_person record;
  v_account uuid;
  v_registration uuid;
  v_contexts uuid[];
  v_references jsonb;
  v_transaction uuid;
  v_session uuid;
  v_n integer;
  v_message abdm.gateway_messages;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    v_mrn := case v_id when 'da000000' then 'ASHA-0000' else 'NILE-0000' end;
    v_hip := case v_id when 'da000000' then 'DEMO-HIP-ASHA' else 'DEMO-HIP-NILE' end;
    v_clinic := (v_id || '-0001-7000-8000-000000000001')::uuid;
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000004')::uuid, 'doctor', 'TREAT', null);
    continue when exists (select from abdm.facility_registrations r where r.tenant_id = v_tenant);

    insert into abdm.facility_registrations (
      tenant_id, id, clinic_id, role, hfr_id, network_id, bridge_id, callback_url, secret_ref, consent_manager_id,
      environment, milestone_status
    )
    values (
      v_tenant, (v_id || '-0c01-7000-8000-000000000001')::uuid, v_clinic, 'HIP_HIU', 'DEMO-HFR-' || right(v_hip, 4),
      v_hip, 'DEMO-BRIDGE', 'https://demo.example.org/abdm/callback', 'vault://demo/abdm', 'sbx', 'sandbox',
      '{"M1": {"on": "2026-01-31"}, "M2": {"on": "2026-02-28"}}'
    );
    -- on the claims exchange with a key of its own
    insert into abdm.facility_registrations (
      tenant_id, id, clinic_id, role, hfr_id, network_id, callback_url, secret_ref, signing_key_kid, certificate,
      certificate_expires_at, environment
    )
    values (
      v_tenant, (v_id || '-0c01-7000-8000-000000000002')::uuid, v_clinic, 'NHCX_PROVIDER', 'DEMO-HFR-' || right(v_hip, 4),
      'demo-hospital@hcx', 'https://demo.example.org/nhcx/callback', 'vault://demo/nhcx', 'demo-key-1',
      'demo certificate', now() + interval '1 year', 'sandbox'
    );
    update abdm.facility_registrations r set status = 'registered' where r.tenant_id = v_tenant;
    update abdm.facility_registrations r set status = 'active' where r.tenant_id = v_tenant;

    -- M1
    for v_person in
      select
        m.n, m.method, m.purpose, p.id, concat_ws(' ', p.given_name, p.middle_name, p.family_name) as name, p.sex,
        extract(year from p.birth_date)::integer as birth_year,
        -- who has a card already keeps its number
        coalesce(i.value_enc, core.encrypt_text('9100000000' || right(p.mrn, 4))) as number_enc,
        coalesce(i.value_bidx, core.blind_index('9100000000' || right(p.mrn, 4))) as number_bidx
      from (
        values
          ('09', 'mobile_otp', 'link'), ('11', 'aadhaar_otp', 'create'), ('12', 'mobile_otp', 'verify'), ('15', 'scan_share', 'link'),
          ('19', 'abha_number_otp', 'link')
      ) as m (n, method, purpose)
      join patient.patients p on p.tenant_id = v_tenant and p.mrn = v_mrn || m.n
      left join patient.patient_identifiers i
        on i.tenant_id = v_tenant and i.patient_id = p.id and i.kind = 'abha_number' and i.deleted_at is null
      order by m.n
    loop
      v_consent := null;
      if v_person.purpose = 'create' then
        v_consent := (v_id || '-0c02-7000-8000-000000000001')::uuid;
        insert into compliance.consents (tenant_id, id, patient_id, kind, decision, given_by, given_at, purposes)
        values (v_tenant, v_consent, v_person.id, 'abdm', 'permit', 'patient', now() - interval '5 days', '{abha}');
        update compliance.consents c set status = 'active' where c.tenant_id = v_tenant and c.id = v_consent;
      end if;
      v_registration := (
        abdm.start_registration(
          (v_id || '-0c03-7000-8000-0000000000' || v_person.n)::uuid, v_person.purpose, v_person.method, v_clinic,
          v_person.id, v_consent
        )
      ).id;
      if v_person.method <> 'scan_share' then
        perform abdm.record_otp_sent(v_registration, (v_id || '-0c04-7000-8000-0000000000' || v_person.n)::uuid);
        perform abdm.record_otp_result(v_registration, false);
        if v_person.n = '12' then
          perform abdm.record_otp_result(v_registration, false);
          perform abdm.record_otp_result(v_registration, false);
          continue;
        end if;
        perform abdm.record_otp_result(v_registration, true, true);
      end if;
      v_account := (
        abdm.record_enrolment(
          v_registration,
          jsonb_build_object(
            'abha_number_enc', v_person.number_enc,
            'abha_number_bidx', v_person.number_bidx,
            'abha_number_last4', lpad(v_person.n, 4, '0'),
            'abha_address', 'demo.' || left(v_id, 2) || v_person.n || '@sbx',
            'kyc_status', 'verified',
            'profile_enc', core.encrypt_text('{"demo": true}'),
            'name', v_person.name,
            'sex', v_person.sex,
            'birth_year', v_person.birth_year,
            'auth_methods', '["MOBILE_OTP"]'::jsonb
          )
        )
      ).id;
      perform abdm.link_abha(v_person.id, v_account, null, v_registration);
      if v_person.n = '15' then
        perform abdm.record_abha_status('DEACTIVATED', v_person.number_bidx);
      end if;
    end loop;

    -- M2: we link the visit and the stay of patient 11; the prescription waits
    select p.id into v_person from patient.patients p where p.tenant_id = v_tenant and p.mrn = v_mrn || '11';
    select array_agg((
      abdm.add_care_context(
        v_person.id, c.hi_type, c.source, c.id, current_date - c.days,
        (v_id || '-0017-7000-8000-0000000000' || c.encounter)::uuid
      )
    ).id order by c.n)
    into v_contexts
    from (
      values
        (1, 'OPConsultation', 'clinical.encounters', (v_id || '-0017-7000-8000-000000000011')::uuid, 5, '11'),
        (2, 'DischargeSummary', 'clinical.encounters', (v_id || '-0017-7000-8000-000000000012')::uuid, 0, '12'),
        (3, 'WellnessRecord', 'clinical.encounters', (v_id || '-0017-7000-8000-000000000011')::uuid, 5, '11')
    ) as c (n, hi_type, source, id, days, encounter);
    perform abdm.request_link_token((v_id || '-0c05-7000-8000-000000000001')::uuid, v_person.id);
    perform abdm.store_link_token(
      (v_id || '-0c05-7000-8000-000000000001')::uuid, core.encrypt_text('demo token'), now() + interval '1 hour'
    );
    perform abdm.link_care_contexts((v_id || '-0c05-7000-8000-000000000002')::uuid, v_person.id, v_contexts[1:2]);
    perform abdm.record_link_result((v_id || '-0c05-7000-8000-000000000002')::uuid);
    perform abdm.mark_contexts_notified(v_contexts[1:1]);
    select jsonb_agg(jsonb_build_object('patient_reference', c.patient_reference, 'care_context_reference', c.reference))
    into v_references
    from abdm.care_contexts c
    where c.tenant_id = v_tenant and c.id = any (v_contexts[1:2]);

    -- M2: patient 19 finds the stay in an app and confirms it with an OTP; somebody else finds nothing
    select p.id into v_person from patient.patients p where p.tenant_id = v_tenant and p.mrn = v_mrn || '19';
    v_contexts := array[(
      abdm.add_care_context(
        v_person.id, 'HealthDocumentRecord', 'clinical.encounters', (v_id || '-0017-7000-8000-000000000015')::uuid,
        current_date - 2, (v_id || '-0017-7000-8000-000000000015')::uuid
      )
    ).id];
    v_transaction := (v_id || '-0c06-7000-8000-000000000001')::uuid;
    perform abdm.discover_patient(
      (v_id || '-0c05-7000-8000-000000000003')::uuid,
      jsonb_build_object(
        'transaction_id', v_transaction, 'hip_id', v_hip, 'abha_address', 'demo.' || left(v_id, 2) || '19@sbx'
      )
    );
    perform abdm.init_link(
      (v_id || '-0c05-7000-8000-000000000004')::uuid, v_transaction, array[v_contexts[1]::text], 'DEMO-LINK-1',
      sha256('DEMO-LINK-1:123456')
    );
    perform abdm.confirm_link('DEMO-LINK-1', sha256('DEMO-LINK-1:654321'));
    perform abdm.confirm_link('DEMO-LINK-1', sha256('DEMO-LINK-1:123456'));
    perform abdm.discover_patient(
      (v_id || '-0c05-7000-8000-000000000005')::uuid,
      jsonb_build_object(
        'transaction_id', (v_id || '-0c06-7000-8000-000000000002')::uuid, 'hip_id', v_hip,
        'abha_address', 'nobody@sbx', 'name', 'Nobody', 'sex', 'unknown', 'birth_year', 1990, 'mrn', v_mrn || '11'
      )
    );

    -- M3: another clinic reads what patient 11 allows it to read
    perform abdm.ingest_consent(
      (v_id || '-0c07-7000-8000-000000000001')::uuid,
      jsonb_build_object('role', 'HIP', 'status', 'GRANTED', 'artefact', jsonb_build_object(
        'artefact_id', (v_id || '-0c08-7000-8000-000000000001')::uuid,
        'abha_address', 'demo.' || left(v_id, 2) || '11@sbx', 'hip_id', v_hip, 'hiu_id', 'DEMO-HIU-OTHER',
        'consent_manager_id', 'sbx', 'purpose', 'CAREMGT', 'access_mode', 'VIEW',
        'hi_types', '["OPConsultation", "DischargeSummary"]'::jsonb,
        'data_from', now() - interval '1 year', 'data_to', now() + interval '1 day',
        'data_erase_at', now() + interval '30 days', 'frequency_unit', 'DAY', 'frequency_value', 1,
        'frequency_repeats', 1, 'detail', '{"demo": true}'::jsonb, 'signature', 'ZGVtbw==', 'signature_valid', true,
        'care_contexts', v_references
      ))
    );
    v_session := (
      abdm.open_session(jsonb_build_object(
        'role', 'HIP', 'request_id', (v_id || '-0c09-7000-8000-000000000001')::uuid,
        'transaction_id', (v_id || '-0c06-7000-8000-000000000003')::uuid,
        'artefact_id', (v_id || '-0c08-7000-8000-000000000001')::uuid, 'data_from', now() - interval '1 month',
        'data_to', now(), 'data_push_url', 'https://hiu.example.org/push', 'peer_public_key', 'demo',
        'peer_nonce', 'demo', 'own_private_key_enc', core.encrypt_text('demo key')
      ))
    ).id;
    perform abdm.authorise_transfer(v_session);
    v_n := 0;
    for v_person in
      select
        c.id, c.patient_id, c.reference,
        'https://nrces.in/ndhm/fhir/r4/StructureDefinition/'
          || case c.hi_type when 'OPConsultation' then 'OPConsultRecord' else 'DischargeSummaryRecord' end as profile
      from jsonb_array_elements(v_references) e
      join abdm.care_contexts c on c.tenant_id = v_tenant and c.reference = e.value ->> 'care_context_reference'
      order by c.id
    loop
      v_n := v_n + 1;
      perform fhir.store_version(
        'Bundle', v_person.id, core.encrypt_text('{"resourceType": "Bundle", "type": "document"}'),
        sha256(v_person.reference::bytea), 'abdm.care_contexts', v_person.id, v_person.patient_id,
        jsonb_build_object(
          'bundle_type', 'document', 'validator', 'demo', 'valid', true, 'profile', jsonb_build_array(v_person.profile)
        )
      );
      perform abdm.record_transfer(v_session, jsonb_build_object(
        'care_context_reference', v_person.reference, 'page_no', v_n, 'checksum', sha256(v_person.reference::bytea),
        'hi_status', 'DELIVERED', 'bundle_profile', v_person.profile
      ));
    end loop;
    perform abdm.finish_transfer(v_session, 'TRANSFERRED');
    perform abdm.mark_session_notified(v_session);

    -- M3: our doctor reads what patient 11 has elsewhere, until the patient takes it back
    select p.id into v_person from patient.patients p where p.tenant_id = v_tenant and p.mrn = v_mrn || '11';
    perform abdm.request_consent(jsonb_build_object(
      'request_id', (v_id || '-0c0a-7000-8000-00000000000' || r.n)::uuid, 'patient_id', v_person.id, 'hiu_id', v_hip,
      'requester_registration', 'DEMO-' || right(v_id, 3) || '-4', 'purpose', 'CAREMGT', 'hi_types', r.hi_types,
      'data_from', now() - interval '1 year', 'data_to', now() - interval '1 day',
      'data_erase_at', now() + interval '90 days'
    ))
    from (values (1, '["DiagnosticReport"]'::jsonb), (2, '["Invoice"]')) as r (n, hi_types);
    perform abdm.record_consent_request(
      (v_id || '-0c0a-7000-8000-000000000001')::uuid, (v_id || '-0c0b-7000-8000-000000000001')::uuid
    );
    perform abdm.ingest_consent(
      (v_id || '-0c07-7000-8000-000000000002')::uuid,
      jsonb_build_object(
        'role', 'HIU', 'status', 'GRANTED', 'consent_request_id', (v_id || '-0c0b-7000-8000-000000000001')::uuid,
        'artefact', jsonb_build_object(
          'artefact_id', (v_id || '-0c08-7000-8000-000000000002')::uuid,
          'abha_address', 'demo.' || left(v_id, 2) || '11@sbx', 'hip_id', 'DEMO-HIP-OTHER', 'hiu_id', v_hip,
          'consent_manager_id', 'sbx', 'purpose', 'CAREMGT', 'access_mode', 'VIEW',
          'hi_types', '["DiagnosticReport"]'::jsonb, 'data_from', now() - interval '1 year',
          'data_to', now() - interval '1 day', 'data_erase_at', now() + interval '90 days', 'frequency_unit', 'DAY',
          'detail', '{"demo": true}'::jsonb, 'signature', 'ZGVtbw==', 'signature_valid', true,
          'care_contexts', '[{"patient_reference": "theirs", "care_context_reference": "report-1"}]'::jsonb
        )
      )
    );
    v_session := (
      abdm.open_session(jsonb_build_object(
        'role', 'HIU', 'request_id', (v_id || '-0c09-7000-8000-000000000002')::uuid,
        'artefact_id', (v_id || '-0c08-7000-8000-000000000002')::uuid, 'data_from', now() - interval '1 year',
        'data_to', now() - interval '1 day', 'data_push_url', 'https://demo.example.org/abdm/push',
        'own_public_key', 'demo', 'own_nonce', 'demo', 'own_private_key_enc', core.encrypt_text('demo key')
      ))
    ).id;
    perform abdm.authorise_transfer(v_session);
    perform abdm.record_transfer(v_session, jsonb_build_object(
      'care_context_reference', 'report-1', 'page_no', 1, 'checksum', sha256('report'), 'hi_status', 'OK',
      'bundle_profile', 'https://nrces.in/ndhm/fhir/r4/StructureDefinition/DiagnosticReportRecord'
    ));
    perform abdm.ingest_consent(
      (v_id || '-0c07-7000-8000-000000000003')::uuid,
      jsonb_build_object(
        'role', 'HIU', 'status', 'REVOKED', 'artefact_id', (v_id || '-0c08-7000-8000-000000000002')::uuid
      )
    );

    -- M3: in an emergency the doctor asks for what patient 19 has elsewhere; somebody else looks into it afterwards
    select p.id into v_person from patient.patients p where p.tenant_id = v_tenant and p.mrn = v_mrn || '19';
    v_session := audit.open_break_glass(v_person.id, 'emergency', 'bleeding, the allergies are not known');
    perform abdm.request_consent(jsonb_build_object(
      'request_id', (v_id || '-0c0a-7000-8000-000000000003')::uuid, 'patient_id', v_person.id, 'hiu_id', v_hip,
      'requester_registration', 'DEMO-' || right(v_id, 3) || '-4', 'purpose', 'BTG', 'hi_types', '["DischargeSummary"]'::jsonb,
      'data_from', now() - interval '5 years', 'data_to', now() - interval '1 day',
      'data_erase_at', now() + interval '7 days'
    ));
    perform audit.close_break_glass(v_session);
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000012')::uuid, 'auditor', 'HOPERAT', null);
    perform audit.review_break_glass(v_session, 'justified');
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000004')::uuid, 'doctor', 'TREAT', null);

    -- the gateway's messages: a call and its answer, a callback that waits, one that failed once
    perform abdm.queue_message(
      (v_id || '-0c0c-7000-8000-000000000001')::uuid, '/v3/consent/request/init', core.encrypt_text('{}'),
      '{"cm_id": "sbx"}'
    );
    for v_message in select m.* from abdm.claim_messages('out') m loop
      perform abdm.complete_message(v_message.id, v_message.lock_token, 202);
    end loop;
    perform abdm.receive_message(
      (v_id || '-0c0c-7000-8000-00000000000' || m.n)::uuid, m.path, core.encrypt_text('{}'),
      jsonb_strip_nulls(jsonb_build_object('hip_id', v_hip, 'response_to', m.answers))
    )
    from (
      values
        (2, '/v3/consent/request/on-init', (v_id || '-0c0c-7000-8000-000000000001')::uuid),
        (3, '/v3/hip/patient/share', null)
    ) as m (n, path, answers);
    for v_message in select m.* from abdm.claim_messages('in', 2) m loop
      if v_message.response_to is not null then
        perform abdm.complete_message(v_message.id, v_message.lock_token);
      else
        perform abdm.retry_message(v_message.id, v_message.lock_token, 'patient_unknown');
      end if;
    end loop;
    perform abdm.receive_message(
      (v_id || '-0c0c-7000-8000-000000000004')::uuid, '/v3/hip/patient/care-context/discover', core.encrypt_text('{}')
    );
    -- what came under the consent that was revoked
    perform abdm.erase_due();
  end loop;
end
$$;
