-- Demo: what patients agreed to and asked for, a breach that is dealt with and one that just began, holds, and the erasure
-- of somebody who was here long ago.
-- imhotep:after booking clinical/710-discharge-summary insurance/620-other-preauthorisations fhir interop

select core.assert_not_production();

-- No secrets: with these texts the demo, and nothing else, is encrypted.
select set_config('app.field_key', 'demo field key, not a secret', true);
select set_config('app.index_key', 'demo index key, not a secret', true);

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_user text;
  v_locale text;
  v_notice uuid;
  v_patient uuid;
  v_stay uuid;
  v_row uuid;
  v_consent uuid;
  v_line record;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    v_user := v_id || '-0005-7000-8000-0000000000';
    v_locale := case v_id when 'da000000' then 'hi' else 'ar' end;
    v_stay := (v_id || '-0017-7000-8000-000000000012')::uuid;
    perform core.begin_request(v_tenant, (v_user || '12')::uuid, 'auditor', 'HOPERAT', null);
    continue when exists (select from compliance.breaches b where b.tenant_id = v_tenant);
    select e.patient_id into strict v_patient
    from clinical.encounters e
    where e.tenant_id = v_tenant and e.id = v_stay;

    -- notices in the language of the place, and what was agreed to
    insert into core.system_settings (tenant_id, id, key, value, value_type, description) values (
      v_tenant, (v_id || '-100a-7000-8000-000000000001')::uuid, 'compliance.notice_locales',
      jsonb_build_array('en', v_locale), 'json', 'Languages in which every notice is offered.'
    );
    for v_line in
      select *
      from (
        values
          ('care', 'en', 'We keep your record to treat you and to settle the bill.'),
          ('care', 'hi', 'हम आपके इलाज और बिल के लिए आपका रिकॉर्ड रखते हैं।'),
          ('care', 'ar', 'نحتفظ بسجلك لعلاجك وتسوية الفاتورة.'),
          ('marketing', 'en', 'We may invite you to health camps.'),
          ('marketing', 'hi', 'हम आपको स्वास्थ्य शिविरों में बुला सकते हैं।'),
          ('marketing', 'ar', 'قد ندعوك إلى أيام الصحة.')
      ) as n (code, locale, body)
      where n.locale in ('en', v_locale)
    loop
      perform compliance.publish_notice(
        v_line.code, v_line.locale,
        case v_line.code when 'care' then array['care', 'billing', 'insurance'] else array['health_camps'] end,
        array['contact', 'health'], v_line.body, 'At the front desk or in the portal.', 'Ask for the privacy officer.',
        p_effective_from => now() - interval '90 days'
      );
    end loop;
    select n.id into strict v_notice
    from compliance.consent_notices n
    where n.tenant_id = v_tenant and n.code = 'care' and n.locale = v_locale;
    for v_line in
      select e.patient_id, e.id as encounter_id, lower(e.period) as at, c.id as guardian
      from clinical.encounters e
      left join patient.patient_contacts c
        on c.tenant_id = v_tenant and c.patient_id = e.patient_id and c.is_legal_guardian and c.guardian_verified_at is not null
        and compliance.is_minor(v_tenant, e.patient_id, now())
      where e.tenant_id = v_tenant and right(e.id::text, 2) in ('11', '13', '14', '15')
      order by e.id
    loop
      perform compliance.give_consent(
        v_line.patient_id, 'data_processing', case when v_line.guardian is null then 'patient' else 'guardian' end,
        array['care', 'billing'], p_notice_id => v_notice, p_contact_id => v_line.guardian, p_language => v_locale,
        p_given_at => v_line.at
      );
      perform compliance.give_consent(
        v_line.patient_id, 'treatment', case when v_line.guardian is null then 'patient' else 'guardian' end,
        p_contact_id => v_line.guardian, p_encounter_id => v_line.encounter_id, p_language => v_locale,
        p_given_at => v_line.at
      );
    end loop;
    -- the patient of the story opted in to invitations, and out again
    select n.id into strict v_notice
    from compliance.consent_notices n
    where n.tenant_id = v_tenant and n.code = 'marketing' and n.locale = v_locale;
    v_consent := (
      compliance.give_consent(
        v_patient, 'marketing', p_purposes => '{health_camps}', p_notice_id => v_notice, p_language => v_locale,
        p_given_at => now() - interval '5 days', p_id => (v_id || '-1001-7000-8000-000000000001')::uuid
      )
    ).id;
    perform communication.set_contact_preference('patient', v_patient, 'whatsapp', 'promotional', true, v_consent);
    perform compliance.withdraw_consent(v_consent, 'too many messages');

    -- requests, each with its clock
    for v_line in
      select *
      from (
        values
          (1, 'access', interval '-12 days', 'completed', 'granted'),
          (2, 'record_copy', interval '-1 day', 'in_progress', null),
          (3, 'grievance', interval '-3 days', 'received', null),
          (4, 'erasure', interval '-8 days', 'completed', 'refused'),
          (5, 'correction', interval '-2 days', 'on_hold', null)
      ) as r (n, kind, received, status, decision)
    loop
      v_row := (v_id || '-1002-7000-8000-00000000000' || v_line.n)::uuid;
      perform compliance.open_request(
        v_line.kind, 'desk', 'The patient', core.encrypt_text('Asked at the desk.'), v_patient,
        p_received_at => now() + v_line.received, p_id => v_row
      );
      if v_line.status <> 'received' then
        perform compliance.confirm_requester(v_row);
      end if;
      if v_line.status = 'completed' then
        perform compliance.complete_request(
          v_row, v_line.decision, case v_line.decision when 'refused' then 'records are kept for three years by law' end
        );
      elsif v_line.status = 'on_hold' then
        perform compliance.hold_request(v_row, 'proof of the new name is missing');
      end if;
    end loop;
    perform audit.log_disclosure(
      'clinical.discharge_summaries', v_stay, v_patient, 'District hospital', 'request of the patient'
    );

    -- a breach that is over, one that was found an hour ago
    v_row := (v_id || '-1003-7000-8000-000000000001')::uuid;
    perform compliance.open_breach(
      'A list of appointments was sent to a wrong address', '{contact,health}', '{email}', now() - interval '20 days', 2,
      p_likely_impact => 'unwanted calls', p_id => v_row
    );
    perform compliance.record_breach_report(v_row, 'cert_in', now() - interval '20 days' + interval '4 hours');
    perform compliance.record_breach_report(v_row, 'board_initial', now() - interval '20 days' + interval '5 hours');
    perform compliance.record_breach_report(v_row, 'board_detailed', now() - interval '18 days');
    for v_line in
      select p.id from patient.patients p
      where p.tenant_id = v_tenant and right(p.mrn, 6) in ('000011', '000019')
      order by p.mrn
    loop
      perform compliance.record_person_notice(
        (compliance.add_affected_person(v_row, v_line.id, array['contact'])).id
      );
    end loop;
    perform compliance.contain_breach(v_row, 'The receiver deleted the message and said so in writing.');
    perform compliance.close_breach(v_row, 'The address was typed by hand.', 'Addresses are chosen from the directory.');
    v_row := (v_id || '-1003-7000-8000-000000000002')::uuid;
    perform compliance.open_breach(
      'A tablet of the ward is missing', '{health}', '{ward-tablet}', now() - interval '1 hour', 1, p_id => v_row
    );
    perform compliance.add_affected_person(v_row, v_patient, array['health']);

    -- a hold for a dispute, one that is over
    perform compliance.place_hold(
      'dispute about the bill', v_patient, p_authority => 'consumer forum, demo case 12',
      p_id => (v_id || '-1004-7000-8000-000000000001')::uuid
    );
    v_row := (v_id || '-1004-7000-8000-000000000002')::uuid;
    perform compliance.place_hold(
      'inspection', null, '{"schema": "laboratory", "table": "samples"}', 'accreditation body', v_row
    );
    perform core.begin_request(v_tenant, (v_user || '01')::uuid, 'admin', 'HOPERAT', null);
    perform compliance.release_hold(v_row, 'the inspection is over');
    perform compliance.set_retention('medical_record', '5 years', 'last_encounter', 'crypto_shred', 'decision of the board');

    -- somebody who was here once, long ago, and cannot be reached
    v_row := (v_id || '-1005-7000-8000-000000000001')::uuid;
    insert into core.encryption_keys (
      tenant_id, kid, purpose, algorithm, wrapped_key, kms_ref, rotate_after, subject_type, subject_id
    ) values (
      v_tenant, 'demo-person-' || v_id, 'field', 'AES-256-GCM', sha256('made up, wraps nothing'), 'demo://no-key',
      '2100-01-01', 'patient', v_row
    );
    insert into patient.patients (
      tenant_id, id, mrn, given_name, family_name, name_phonetic, sex, birth_date, registered_clinic_id, created_at
    ) values (
      v_tenant, v_row, case v_id when 'da000000' then 'ASHA-000999' else 'NILE-000999' end, 'Wanderer', 'Longago', '',
      'unknown', '1950-06-01', (v_id || '-0001-7000-8000-000000000001')::uuid, now() - interval '9 years'
    );
    perform compliance.run_erasure(
      p_policy_id => (select r.id from compliance.retention_policies r where r.tenant_id = v_tenant and r.class = 'medical_record'),
      p_patient_id => v_row
    );
  end loop;
end
$$;
