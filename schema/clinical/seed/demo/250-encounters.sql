-- Demo: the visits and stays that the other modules' rows belong to. Numbers 1 to 5 are the day-care visits whose beds
-- the facility shows. The story of the demo is patient 11: seen in the clinic (11), admitted and operated (12). Number 13
-- is a child in the clinic now, 14 an emergency, 15 a patient in the ward whose shift is handed over.

select core.assert_not_production();

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_mrn text;
  v_visit record;
  v_state text;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    v_mrn := case v_id when 'da000000' then 'ASHA-0000' else 'NILE-0000' end;
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000004')::uuid, 'doctor', 'TREAT', null);
    continue when exists (select from clinical.encounters e where e.tenant_id = v_tenant);

    for v_visit in
      select v.*, p.id as patient_id
      from (
        values
          (1, '06', 'SS', 'routine', 3, 1, interval '-4 hours', null::interval, 'self', '{arrived,in_progress}'::text[]),
          (2, '07', 'SS', 'routine', 3, 1, interval '-2 hours', null, 'self', '{arrived,in_progress}'),
          (3, '08', 'SS', 'routine', 3, 1, interval '2 hours', null, 'insurance', '{}'),
          (4, '09', 'SS', 'routine', 3, 1, interval '-10 hours', null, 'self', '{arrived,in_progress}'),
          (5, '10', 'SS', 'routine', 3, 1, interval '-2 days', null, 'self', '{cancelled}'),
          (11, '11', 'AMB', 'routine', 1, 2, interval '-5 days', interval '-4 days 23 hours', 'pmjay', '{arrived,in_progress,finished}'),
          (12, '11', 'IMP', 'routine', 1, 2, interval '-3 days', null, 'pmjay', '{arrived,in_progress}'),
          (13, '12', 'AMB', 'routine', 2, 3, interval '-1 hour', null, 'self', '{arrived,in_progress}'),
          (14, '15', 'EMER', 'emergency', 1, 1, interval '-3 hours', null, 'self', '{arrived,triaged,in_progress}'),
          (15, '19', 'IMP', 'urgent', 1, 2, interval '-2 days', null, 'insurance', '{arrived,in_progress}')
      ) as v (n, mrn, class, priority, department, doctor, starts, ends, payer, states)
      join patient.patients p on p.tenant_id = v_tenant and p.mrn = v_mrn || v.mrn
      order by v.n
    loop
      insert into clinical.encounters (
        tenant_id, id, encounter_number, patient_id, clinic_id, department_id, class, priority, attending_doctor_id,
        period, payer_class, triage_level
      )
      values (
        v_tenant, (v_id || '-0017-7000-8000-' || lpad(v_visit.n::text, 12, '0'))::uuid,
        core.next_default_number('encounter', '', 'ENC-{YY}-'), v_visit.patient_id,
        (v_id || '-0001-7000-8000-000000000001')::uuid,
        (v_id || '-0002-7000-8000-' || lpad(v_visit.department::text, 12, '0'))::uuid,
        v_visit.class::clinical.encounter_class, v_visit.priority,
        (v_id || '-0007-7000-8000-' || lpad(v_visit.doctor::text, 12, '0'))::uuid,
        tstzrange(now() + v_visit.starts, null), v_visit.payer, case v_visit.class when 'EMER' then 2 end
      );
      foreach v_state in array v_visit.states loop
        if v_state = 'cancelled' then
          perform core.set_reason('did not come');
        end if;
        update clinical.encounters e
        set
          status = v_state,
          disposition = case when v_state = 'finished' then 'home' end,
          period = case when v_state = 'finished' then tstzrange(lower(e.period), now() + v_visit.ends) else e.period end
        where e.tenant_id = v_tenant and e.id = (v_id || '-0017-7000-8000-' || lpad(v_visit.n::text, 12, '0'))::uuid;
      end loop;
    end loop;

    insert into clinical.admissions (
      tenant_id, id, encounter_id, admission_number, admission_type, requested_at, care_class, admitting_doctor_id,
      expected_discharge_on
    )
    select
      v_tenant, (v_id || '-0100-7000-8000-0000000000' || a.n)::uuid,
      (v_id || '-0017-7000-8000-0000000000' || a.n)::uuid, core.next_default_number('admission', '', 'IPD-{YY}-'),
      a.type, now() + a.requested, 'general', (v_id || '-0007-7000-8000-000000000002')::uuid, current_date + 1
    from (
      values (12, 'elective', interval '-4 days'), (15, 'emergency', interval '-2 days')
    ) as a (n, type, requested);
    update clinical.admissions a
    set status = 'admitted', admitted_at = a.requested_at + interval '2 hours'
    where a.tenant_id = v_tenant;
  end loop;
end
$$;
