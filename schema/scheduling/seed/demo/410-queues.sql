-- Demo: the counters of today in both clinics, with a token in every state. Who waits for the urgent care got a token
-- when they checked in; here come those without an appointment, to the front desk and to the laboratory.
-- imhotep:after booking/320-urgent-care

select core.assert_not_production();

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_clinic uuid;
  v_line record;
  v_token scheduling.queue_management;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    perform core.begin_request(
      v_tenant, (v_id || '-0005-7000-8000-000000000002')::uuid, 'receptionist', 'HOPERAT', null
    );
    continue when exists (
      select from scheduling.queue_management q where q.tenant_id = v_tenant and q.queue_key = 'front-desk'
    );
    v_clinic := (v_id || '-0001-7000-8000-000000000001')::uuid;

    for v_line in
      select *
      from (
        values
          -- number, MRN or a stranger, what happened at the desk
          (1, '000001', 'served'),
          (2, '000006', 'sent to the laboratory'),
          (3, null, 'gave up'),
          (4, '000008', 'did not hear the call'),
          (5, '000009', 'called again'),
          (6, '000012', 'is being served'),
          (7, '000017', 'waits'),
          (8, null, 'waits'),
          (9, '000024', 'waits'),
          (10, '000036', 'waits')
      ) as l (number, mrn, what)
      order by l.number
    loop
      v_token := scheduling.issue_token(
        'front-desk', case when v_line.mrn is null then 'kiosk' else 'counter' end, p_clinic_id => v_clinic,
        p_patient_id => (
          select p.id from patient.patients p where p.tenant_id = v_tenant and right(p.mrn, 6) = v_line.mrn
        ),
        p_department_id => (v_id || '-0002-7000-8000-000000000005')::uuid
      );
      continue when v_line.what = 'waits';
      v_token := scheduling.call_next('front-desk', (v_id || '-0003-7000-8000-000000000004')::uuid);
      case v_line.what
        when 'served' then
          perform scheduling.start_service(v_token.id);
          perform scheduling.finish_service(v_token.id);
        when 'is being served' then
          perform scheduling.start_service(v_token.id);
        when 'sent to the laboratory' then
          perform scheduling.start_service(v_token.id);
          perform scheduling.transfer_token(v_token.id, 'laboratory', 2);
        when 'gave up' then
          perform scheduling.leave_queue(v_token.id);
        when 'did not hear the call' then
          perform scheduling.skip_token(v_token.id);
        when 'called again' then
          perform scheduling.recall_token(v_token.id);
      end case;
    end loop;

    -- a token from a telephone that scanned the code at the door, and nobody came with it
    perform scheduling.issue_token(
      'laboratory', case v_id when 'da000000' then 'abdm_scan_share' else 'kiosk' end, p_clinic_id => v_clinic,
      p_abdm_request_id => case v_id when 'da000000' then (v_id || '-001a-7000-8000-000000000001')::uuid end,
      p_expires_at => now() + interval '1 millisecond'
    );
    perform scheduling.issue_token('laboratory', 'counter', p_clinic_id => v_clinic);
  end loop;
end
$$;
