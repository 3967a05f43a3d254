-- Demo: the work of two shifts. The shift before has handed over: the doctor of patient 19 (stay 15) gave, the doctor of this
-- shift read back and took over. One task was found in the EMR, one was not; a tablet that was offline sent its changes.
-- imhotep:after medication/560-pharmacy

select core.assert_not_production();

-- No secrets: with these texts the demo, and nothing else, is encrypted.
select set_config('app.field_key', 'demo field key, not a secret', true);
select set_config('app.index_key', 'demo index key, not a secret', true);

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_user text;
  v_task text;
  v_shift text;
  v_ward uuid;
  v_stay uuid;
  v_patient uuid;
  v_story uuid;
  v_row uuid;
  v_now bigint := (extract(epoch from now()) * 1000000)::bigint;
  v_line record;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    v_user := v_id || '-0005-7000-8000-0000000000';
    v_task := v_id || '-0201-7000-8000-0000000000';
    v_shift := v_id || '-0013-7000-8000-00000000000';
    v_ward := (v_id || '-0002-7000-8000-000000000001')::uuid;
    v_stay := (v_id || '-0017-7000-8000-000000000015')::uuid;
    perform core.begin_request(v_tenant, (v_user || '05')::uuid, 'doctor', 'TREAT', null);
    continue when exists (select from tasking.tasks t where t.tenant_id = v_tenant);
    select e.patient_id into strict v_patient from clinical.encounters e where e.tenant_id = v_tenant and e.id = v_stay;
    select e.patient_id into strict v_story
    from clinical.encounters e
    where e.tenant_id = v_tenant and e.id = (v_id || '-0017-7000-8000-000000000012')::uuid;

    for v_line in
      select *
      from (
        values
          (1, 'Antibiotic before the operation', 'medication', 'high', 'story', null::int, 8, interval '-50 hours', true),
          (2, 'Send the discharge summary', 'documents', 'medium', 'story', 2, 4, interval '2 hours', true),
          (3, 'Blood pressure every two hours', 'observation', 'critical', 'stay', 1, 5, interval '1 hour', false),
          (4, 'Check the crash trolley', 'supplies', 'low', 'ward', 1, 8, interval '3 hours', false),
          (5, 'Call the family', 'call', 'medium', 'stay', 1, null, interval '-1 hour', false),
          (6, 'Order a special bed', 'supplies', 'low', 'stay', 2, 8, interval '5 hours', false),
          (7, 'Change the dressing', 'wound_care', 'medium', 'stay', 2, 8, interval '4 hours', false),
          (8, 'Escort to the scan', 'transport', 'high', 'stay', 2, 8, interval '-30 minutes', false),
          (9, 'Explain the medicines', 'education', 'medium', 'story', 2, 8, interval '6 hours', false)
      ) as t (n, title, category, priority, whose, shift, doer, due, verify)
    loop
      perform tasking.create_task(
        v_ward, v_line.title, v_line.category, v_line.priority::tasking.task_priority,
        case v_line.whose when 'story' then v_story when 'stay' then v_patient end,
        case v_line.whose when 'stay' then v_stay end, (v_shift || v_line.shift)::uuid,
        (v_user || lpad(v_line.doer::text, 2, '0'))::uuid, now() + v_line.due, v_line.verify,
        p_id => (v_task || lpad(v_line.n::text, 2, '0'))::uuid
      );
    end loop;

    -- the EMR shows the antibiotic; of the summary it shows an older version
    perform core.begin_request(v_tenant, (v_user || '08')::uuid, 'nurse', 'TREAT', null);
    v_row := (v_id || '-0202-7000-8000-000000000001')::uuid;
    perform tasking.open_verification(
      (v_task || '01')::uuid, 'EPIC', 'epic-demo-11', 'MedicationAdministration', '{"status": "completed"}',
      (v_id || '-0e03-7000-8000-000000000002')::uuid, v_row
    );
    perform tasking.record_verification(v_row, '{"status": "completed", "dose": "1 g"}', 'MedicationAdministration/demo-1');
    v_row := (v_id || '-0202-7000-8000-000000000002')::uuid;
    perform tasking.open_verification(
      (v_task || '02')::uuid, 'GENERIC_FHIR', 'district-demo-11', 'DocumentReference', '{"docStatus": "final"}',
      (v_id || '-0e03-7000-8000-000000000001')::uuid, v_row
    );
    perform tasking.record_verification(v_row, '{"docStatus": "preliminary"}', 'DocumentReference/demo-2');

    -- the shift before hands over to this one
    perform core.begin_request(v_tenant, (v_user || '05')::uuid, 'doctor', 'TREAT', null);
    v_row := (v_id || '-0203-7000-8000-000000000001')::uuid;
    perform tasking.draft_handover(
      (v_shift || '1')::uuid, (v_shift || '2')::uuid, (v_user || '04')::uuid, now() + interval '15 minutes',
      core.encrypt_text('One patient to watch, a quiet night otherwise.'), v_row
    );
    perform tasking.add_handover_patient(
      v_row, v_stay, 'watcher', core.encrypt_text('Second day, better, still short of breath at night.'),
      '[{"what": "blood pressure every two hours", "by": "nurse"}]',
      '[{"when": "oxygen below 92 %", "do": "call the doctor on duty"}]', core.encrypt_text('Family asks every hour.'), 1
    );
    perform tasking.submit_handover(v_row);
    perform core.begin_request(v_tenant, (v_user || '04')::uuid, 'doctor', 'TREAT', null);
    perform tasking.accept_handover(
      v_row,
      jsonb_build_array(
        jsonb_build_object(
          'patient_id', v_patient, 'synthesis_enc', core.encrypt_text('Watcher; pressure two-hourly; oxygen under 92: I come.')
        )
      )
    );
    -- the next one is being written
    perform tasking.draft_handover(
      (v_shift || '2')::uuid, (v_shift || '3')::uuid, (v_user || '05')::uuid,
      p_id => (v_id || '-0203-7000-8000-000000000002')::uuid
    );
    perform tasking.add_handover_patient(
      (v_id || '-0203-7000-8000-000000000002')::uuid, v_stay, 'stable', core.encrypt_text('Third day, oxygen stopped.')
    );

    -- this shift at work
    perform core.begin_request(v_tenant, (v_user || '08')::uuid, 'nurse', 'TREAT', null);
    perform tasking.start_task((v_task || '07')::uuid);
    perform tasking.hold_task((v_task || '07')::uuid, 'the patient sleeps');
    perform tasking.complete_task((v_task || '09')::uuid);
    perform tasking.cancel_task((v_task || '06')::uuid, 'the bed came yesterday');
    perform tasking.mark_overdue_tasks();

    -- from a tablet that was offline: what was done meanwhile is done, a title is corrected; two tasks were given away and
    -- finished here meanwhile, so a person decides, and has decided on the second
    for v_line in
      select *
      from (
        values
          (1, '08', '{"status": "completed"}'::jsonb, 1, 1),
          (2, '07', '{"title": "Change the dressing, left leg"}', 2, 2),
          (3, '03', jsonb_build_object('assigned_to', v_user || '08'), 3, 0),
          (4, '09', '{"status": "in_progress"}', 4, 0)
      ) as o (n, task, patch, tick, seen)
    loop
      perform tasking.merge_operation(
        (v_id || '-0204-7000-8000-00000000000' || v_line.n)::uuid, 'ward-tablet-1', 'tasks', (v_task || v_line.task)::uuid,
        v_line.patch, core.encrypt_text(v_line.patch::text),
        jsonb_build_object('server', 9 * least(v_line.seen, 1), 'ward-tablet-1', v_line.tick), v_now + v_line.tick, 0
      );
    end loop;
    perform tasking.resolve_conflict(
      (
        select o.id from tasking.sync_operations o
        where o.tenant_id = v_tenant and o.op_id = (v_id || '-0204-7000-8000-000000000004')::uuid
      ),
      '{}', core.encrypt_text('{}'), 'it is done: the patient repeated it without a mistake'
    );
    set constraints all immediate; -- while the transaction works for this tenant
    set constraints all deferred;
  end loop;
end
$$;

-- what the reports show
select tasking.refresh_emr_verification_report();
