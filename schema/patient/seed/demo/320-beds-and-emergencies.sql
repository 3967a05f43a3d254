-- Demo: the day-care ward with a bed in every state, and what was looked at in an emergency. The visits that the beds
-- are taken for have ids only; the module that keeps visits is not part of a clinic.
-- imhotep:after clinical/250-encounters

select core.assert_not_production();

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_bed text;
  v_mrn text;
  v_patient record;
  v_session uuid;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    v_bed := v_id || '-0004-7000-8000-00000000000';
    v_mrn := case v_id when 'da000000' then 'ASHA-0000' else 'NILE-0000' end;
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000008')::uuid, 'nurse', 'TREAT', null);
    continue when exists (select from facility.bed_allocations a where a.tenant_id = v_tenant);

    -- 1 and 2 are taken, 3 is kept for the afternoon, 4 is being cleaned, 5 blocked, 6 broken, 7 and 8 are free
    insert into facility.bed_allocations (
      tenant_id, id, bed_id, encounter_id, patient_id, kind, period, reserved_until, reason
    )
    select
      v_tenant, (v_id || '-0016-7000-8000-00000000000' || a.n)::uuid, (v_bed || a.bed)::uuid,
      (v_id || '-0017-7000-8000-00000000000' || a.n)::uuid, p.id, a.kind,
      tstzrange(now() + a.starts, now() + a.ends), now() + a.kept_for, 'infusion'
    from (
      values
        (1, 1, '06', 'occupancy', interval '-3 hours', null::interval, null::interval),
        (2, 2, '07', 'occupancy', interval '-1 hour', null, null),
        (3, 3, '08', 'reservation', interval '2 hours', interval '6 hours', interval '3 hours'),
        (4, 4, '09', 'occupancy', interval '-9 hours', null, null),
        (5, 7, '10', 'reservation', interval '-2 days', interval '-1 day', interval '-2 days')
    ) as a (n, bed, mrn, kind, starts, ends, kept_for)
    join patient.patients p on p.tenant_id = v_tenant and p.mrn = v_mrn || a.mrn;
    update facility.bed_allocations a set status = 'active' where a.tenant_id = v_tenant and a.kind = 'occupancy';
    update facility.bed_allocations a
    set status = 'expired'
    where a.tenant_id = v_tenant and a.kind = 'reservation' and a.reserved_until < now();
    update facility.beds b
    set status = 'occupied', current_allocation_id = a.id
    from facility.bed_allocations a
    where b.tenant_id = v_tenant and a.tenant_id = v_tenant and a.bed_id = b.id and a.status = 'active';
    update facility.beds b set status = 'reserved' where b.tenant_id = v_tenant and b.id = (v_bed || '3')::uuid;
    -- number 4 went home: the bed is cleaned when the patient has left it
    update facility.bed_allocations a
    set
      status = 'completed', period = tstzrange(lower(a.period), now()),
      released_by = (v_id || '-0005-7000-8000-000000000008')::uuid
    where a.tenant_id = v_tenant and a.bed_id = (v_bed || '4')::uuid;
    update facility.beds b
    set status = 'cleaning', current_allocation_id = null
    where b.tenant_id = v_tenant and b.id = (v_bed || '4')::uuid;
    perform core.set_reason('next to a contagious patient');
    update facility.beds b set status = 'blocked' where b.tenant_id = v_tenant and b.id = (v_bed || '5')::uuid;
    update facility.beds b set status = 'maintenance' where b.tenant_id = v_tenant and b.id = (v_bed || '6')::uuid;

    -- What is read of a patient is logged. A physician looked at the chart of an unconscious stranger; the privacy
    -- officer found that right. A second emergency access is still open.
    for v_patient in
      select p.id, p.mrn
      from patient.patients p
      where p.tenant_id = v_tenant and p.mrn in (v_mrn || '06', v_mrn || '30')
      order by p.mrn
    loop
      perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000004')::uuid, 'doctor', 'TREAT', null);
      perform audit.log_access('Patient', v_patient.id, v_patient.id, 'view', '{given_name,birth_date}');
      v_session := audit.open_break_glass(v_patient.id, 'emergency', 'unconscious, came alone', interval '2 hours');
      perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000004')::uuid, 'doctor', 'BTG', null);
      perform audit.log_access('Patient', v_patient.id, v_patient.id, 'view', '{blood_group,address_enc}');
      continue when v_patient.mrn = v_mrn || '30';
      perform audit.close_break_glass(v_session);
      perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000012')::uuid, 'auditor', 'HOPERAT', null);
      perform audit.review_break_glass(v_session, 'justified');
    end loop;
  end loop;
end
$$;
