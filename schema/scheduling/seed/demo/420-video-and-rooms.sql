-- Demo: visits by video, bookings of the procedure room, and the job that ends tokens nobody came with.

select core.assert_not_production();

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000007')::uuid, 'doctor', 'TREAT', null);
    continue when exists (select from scheduling.telemedicine_sessions t where t.tenant_id = v_tenant);
    perform scheduling.expire_tokens();

    insert into scheduling.telemedicine_sessions (
      tenant_id, id, appointment_id, patient_id, doctor_id, provider, room_ref, patient_location, identity_verified_by,
      prescribing_list
    )
    select
      v_tenant, (v_id || '-001b-7000-8000-' || lpad(a.n::text, 12, '0'))::uuid, a.id, a.patient_id, a.doctor_id,
      'demo-video', 'room-' || a.n, 'at home', 'ID card shown', case a.type when 'follow_up' then 'B' else 'A' end
    from (
      select v.*, row_number() over (order by v.appointment_number) as n
      from scheduling.appointments v
      where v.tenant_id = v_tenant and v.type = 'teleconsult'
    ) a;
    update scheduling.telemedicine_sessions t
    set status = 'cancelled'
    from scheduling.appointments a
    where t.tenant_id = v_tenant and a.tenant_id = v_tenant and a.id = t.appointment_id and a.status = 'cancelled';
    -- one patient is early and looks for the camera
    update scheduling.telemedicine_sessions t
    set status = 'waiting'
    from scheduling.appointments a
    where t.tenant_id = v_tenant and a.tenant_id = v_tenant and a.id = t.appointment_id and a.status = 'confirmed';

    insert into scheduling.resource_bookings (
      tenant_id, id, location_id, purpose, period, setup_minutes, cleanup_minutes
    )
    select
      v_tenant, (v_id || '-001c-7000-8000-00000000000' || r.n)::uuid, (v_id || '-0003-7000-8000-000000000009')::uuid,
      r.purpose, tstzrange(now() + r.starts * interval '1 hour', now() + (r.starts + 1) * interval '1 hour'), 15, 15
    from (
      values (1, 'procedure', -3), (2, 'procedure', 0), (3, 'procedure', 3), (4, 'surgery', 24), (5, 'other', 48)
    ) as r (n, purpose, starts);
    update scheduling.resource_bookings r
    set status = case when right(r.id::text, 1) = '5' then 'cancelled' else 'confirmed' end
    where r.tenant_id = v_tenant and right(r.id::text, 1) <> '4';
    update scheduling.resource_bookings r
    set status = 'in_use'
    where r.tenant_id = v_tenant and right(r.id::text, 1) in ('1', '2');
    update scheduling.resource_bookings r
    set status = 'released'
    where r.tenant_id = v_tenant and right(r.id::text, 1) = '1';
  end loop;
end
$$;
