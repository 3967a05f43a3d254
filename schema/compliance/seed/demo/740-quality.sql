-- Demo: processors of data, incidents from report to closure, and checks that people recorded.

select core.assert_not_production();

-- No secrets: with these texts the demo, and nothing else, is encrypted.
select set_config('app.field_key', 'demo field key, not a secret', true);
select set_config('app.index_key', 'demo index key, not a secret', true);

-- a shared row knows no tenant that the guard of core.tenants would stop: in a block, so that the guard covers it
do $$
begin
  perform core.assert_not_production();
  insert into compliance.compliance_checks (
    tenant_id, run_id, rule_id, rule_version, regulation, target, outcome, evidence, ran_at, tool_version
  )
  select
    null, '10000000-0000-7000-8000-000000000001', 'COR-11', '1', 'foundation', 'demo', 'pass',
    '{"migrations": "applied twice, nothing changed"}', now() - interval '2 days', 'manual'
  where not exists (
    select from compliance.compliance_checks c where c.run_id = '10000000-0000-7000-8000-000000000001'
  );
end
$$;

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_user text;
  v_staff text;
  v_ward uuid;
  v_patient uuid;
  v_row uuid;
  v_line record;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    v_user := v_id || '-0005-7000-8000-0000000000';
    v_staff := v_id || '-0006-7000-8000-0000000000';
    v_ward := (v_id || '-0002-7000-8000-000000000001')::uuid;
    perform core.begin_request(v_tenant, (v_user || '08')::uuid, 'nurse', 'HOPERAT', null);
    continue when exists (select from compliance.data_processors p where p.tenant_id = v_tenant);
    select e.patient_id into strict v_patient
    from clinical.encounters e
    where e.tenant_id = v_tenant and e.id = (v_id || '-0017-7000-8000-000000000015')::uuid;

    insert into ehr.documents (
      tenant_id, id, document_number, type_code, title, category, storage_uri, mime, size_bytes, sha256, key_kid, source,
      virus_scan, scanned_at
    ) values (
      v_tenant, (v_id || '-1006-7000-8000-000000000001')::uuid, core.next_default_number('document', '', 'DOC-{YYYY}-'),
      'contract', 'Contract on processing of data, signed', 'administrative',
      's3://demo-documents/' || v_id || '/processor', 'application/pdf', 20480, sha256('demo contract'),
      'demo-document-key', 'scanned', 'clean', now()
    );
    update ehr.documents d
    set status = 'current'
    where d.tenant_id = v_tenant and d.id = (v_id || '-1006-7000-8000-000000000001')::uuid;
    perform compliance.activate_processor(
      (compliance.add_processor('Cloud Backup', 'encrypted backups', '{all}', 'IN', 'both')).id,
      (v_id || '-1006-7000-8000-000000000001')::uuid, current_date - 200, current_date + 165
    );
    perform compliance.add_processor(
      'Speech Notes', 'dictation', '{health}', 'SG', 'DPA', '[{"name": "Voice Lab", "country": "SG"}]'
    );

    for v_line in
      select *
      from (
        values
          (1, 'medication_error', 'none', interval '-9 days', false, 'closed'),
          (2, 'fall', 'mild', interval '-4 days', false, 'action_planned'),
          (3, 'sentinel', 'severe', interval '-12 days', false, 'action_done'),
          (4, 'near_miss', 'none', interval '-1 day', true, 'reported'),
          (5, 'complaint', 'none', interval '-2 days', false, 'rejected'),
          (6, 'hai', 'moderate', interval '-1 day', false, 'under_review'),
          (7, 'adr', 'mild', interval '-7 days', false, 'closed')
      ) as i (n, kind, severity, happened, anonymous, status)
    loop
      v_row := (v_id || '-1007-7000-8000-00000000000' || v_line.n)::uuid;
      perform compliance.report_incident(
        v_line.kind, v_ward, v_line.severity, core.encrypt_text('What happened, in the words of who saw it.'),
        now() + v_line.happened, v_line.anonymous, case when v_line.kind <> 'complaint' then v_patient end,
        -- an infection is counted against the days of a stay
        p_encounter_id => case when v_line.kind = 'hai' then (v_id || '-0017-7000-8000-000000000015')::uuid end,
        p_immediate_action => 'The patient was looked after.', p_id => v_row
      );
      if v_line.status = 'rejected' then
        perform compliance.reject_incident(v_row, 'reported twice');
      elsif v_line.status <> 'reported' then
        perform compliance.review_incident(v_row, '{"method": "five whys", "causes": ["haste", "similar labels"]}');
      end if;
      if v_line.status in ('action_planned', 'action_done', 'closed') then
        perform compliance.plan_incident_action(
          v_row, 'A second look at handing out', (v_staff || '10')::uuid, current_date + 5, 'Labels in two colours'
        );
      end if;
      if v_line.status in ('action_done', 'closed') then
        perform compliance.finish_incident_action(v_row);
      end if;
      if v_line.status = 'closed' then
        perform compliance.close_incident(v_row, 'No repetition in a week of spot checks');
      end if;
    end loop;

    perform compliance.record_check(
      'HIP-25', 'pass', jsonb_build_object('backup', 'nightly', 'sha256', encode(sha256('demo backup'), 'hex'), 'rows', 12345),
      'hipaa', 'backup of last night', (v_id || '-1008-7000-8000-000000000001')::uuid, p_ran_at => now() - interval '10 days'
    );
  end loop;
end
$$;
