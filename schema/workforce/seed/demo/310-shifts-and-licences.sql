-- Demo: who works now. In both clinics a shift of the urgent care runs, the one before it is being handed over, the
-- next is planned; licences are verified by the head nurse or the administrator, never by their holder.

select core.assert_not_production();

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_start timestamptz := date_trunc('hour', now()) - interval '2 hours'; -- of the shift that runs
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    perform core.begin_request(v_tenant, null, 'system', 'HOPERAT', null);
    v_id := left(v_tenant::text, 8);
    continue when exists (select from workforce.shifts s where s.tenant_id = v_tenant);

    update workforce.staff s set status = 'active' where s.tenant_id = v_tenant and s.status = 'onboarding';
    update workforce.staff s set status = 'on_leave' where s.tenant_id = v_tenant and s.employee_code = 'E0017';
    update workforce.staff s
    set status = 'left', left_on = current_date - 5
    where s.tenant_id = v_tenant and s.employee_code = 'E0009';

    -- accounts and departments were made before there was a staff to belong to them
    update auth.users u
    set department_id = s.department_id
    from workforce.staff s
    where u.tenant_id = v_tenant and s.tenant_id = v_tenant and s.user_id = u.id;
    update facility.departments d
    set head_staff_id = (v_id || '-0006-7000-8000-000000000004')::uuid
    where d.tenant_id = v_tenant and d.code = 'OPD';

    insert into workforce.staff_credentials (tenant_id, id, staff_id, kind, title, number, authority, valid_during)
    select
      v_tenant, (v_id || '-0012-7000-8000-' || lpad(c.n::text, 12, '0'))::uuid,
      (v_id || '-0006-7000-8000-' || lpad(c.holder::text, 12, '0'))::uuid, c.kind, c.title, c.number, 'Demo council',
      daterange(current_date + c.valid_from, current_date + c.valid_to)
    from (
      values
        (1, 4, 'registration', 'Medical registration', 'R-401', -700, 1500),
        (2, 5, 'registration', 'Medical registration', 'R-502', -900, 20),
        (3, 8, 'privilege', 'Intravenous access', null, -300, 400),
        (4, 10, 'training', 'Cold chain', null, -800, -70),
        (5, 13, 'certificate', 'Phlebotomy', 'C-13', -10, 700),
        (6, 7, 'certificate', 'Telemedicine', 'C-07', -10, 300),
        (7, 6, 'registration', 'Medical registration', 'R-603', -600, 1200),
        (8, 7, 'registration', 'Medical registration', 'R-704', -600, 1200),
        (9, 8, 'registration', 'Nursing registration', 'N-801', -600, 1200),
        (10, 9, 'registration', 'Nursing registration', 'N-902', -600, 1200),
        (11, 10, 'registration', 'Pharmacist registration', 'P-101', -600, 1200),
        (12, 13, 'registration', 'Technologist registration', 'T-131', -600, 1200),
        (13, 13, 'privilege', 'Release of laboratory results', null, -300, 400),
        (14, 5, 'privilege', 'General surgery', null, -300, 400)
    ) as c (n, holder, kind, title, number, valid_from, valid_to);
    -- the administrator verifies the head nurse's, the head nurse the others'; 5 and 6 still wait
    update workforce.staff_credentials c
    set
      status = 'verified', verified_at = now() - interval '200 days',
      verified_by = (
        v_id || '-0006-7000-8000-00000000000' || case when right(c.staff_id::text, 1) = '8' then 1 else 8 end
      )::uuid
    where c.tenant_id = v_tenant and c.title not in ('Phlebotomy', 'Telemedicine');
    update workforce.staff_credentials c
    set status = 'expired'
    where c.tenant_id = v_tenant and upper(c.valid_during) < current_date;
    perform core.set_reason('the certificate is not legible');
    update workforce.staff_credentials c
    set status = 'rejected'
    where c.tenant_id = v_tenant and c.title = 'Telemedicine';

    insert into workforce.shifts (
      tenant_id, id, department_id, location_id, name, kind, starts_at, ends_at, in_charge_staff_id, min_staff
    )
    select
      v_tenant, (v_id || '-0013-7000-8000-00000000000' || s.n)::uuid, (v_id || '-0002-7000-8000-000000000001')::uuid,
      (v_id || '-0003-7000-8000-000000000005')::uuid, s.name, 'custom', v_start + s.hours * interval '1 hour',
      v_start + (s.hours + 8) * interval '1 hour', (v_id || '-0006-7000-8000-000000000008')::uuid, 2
    from (
      values (1, 'Shift before', -8), (2, 'This shift', 0), (3, 'Next shift', 8), (4, 'Extra shift', 16)
    ) as s (n, name, hours);
    update workforce.shifts s
    set status = 'open'
    where s.tenant_id = v_tenant and s.name in ('Shift before', 'This shift');
    update workforce.shifts s set status = 'handing_over' where s.tenant_id = v_tenant and s.name = 'Shift before';
    perform core.set_reason('not needed');
    update workforce.shifts s set status = 'cancelled' where s.tenant_id = v_tenant and s.name = 'Extra shift';

    insert into workforce.shift_assignments (tenant_id, id, shift_id, staff_id, role, period)
    select
      v_tenant, (v_id || '-0014-7000-8000-00000000000' || a.n)::uuid, s.id,
      (v_id || '-0006-7000-8000-' || lpad(a.staff::text, 12, '0'))::uuid, a.role, tstzrange(s.starts_at, s.ends_at)
    from (
      values
        (1, 1, 10, 'pharmacist'), (2, 1, 8, 'nurse'), (3, 2, 4, 'doctor'), (4, 2, 2, 'reception'),
        (5, 2, 13, 'laboratory'),
        (6, 3, 5, 'doctor'), (7, 3, 3, 'reception'), (8, 4, 7, 'doctor')
    ) as a (n, shift, staff, role)
    join workforce.shifts s on s.tenant_id = v_tenant and right(s.id::text, 1) = a.shift::text;
    update workforce.shift_assignments a
    set status = 'checked_in', checked_in_at = lower(a.period)
    where a.tenant_id = v_tenant and right(a.id::text, 1) in ('1', '3', '4');
    update workforce.shift_assignments a
    set status = 'checked_out', checked_out_at = upper(a.period)
    where a.tenant_id = v_tenant and right(a.id::text, 1) = '1';
    update workforce.shift_assignments a
    set status = 'absent'
    where a.tenant_id = v_tenant and right(a.id::text, 1) = '5';
    update workforce.shift_assignments a
    set status = 'cancelled'
    where a.tenant_id = v_tenant and right(a.id::text, 1) = '8';
  end loop;
end
$$;
