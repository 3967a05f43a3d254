-- Demo: what decision support said about orders of the stay of patient 11 and of patient 19, and what was answered.

select core.assert_not_production();

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_mrn text;
  v_patient uuid;
  v_alert uuid;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    v_mrn := case v_id when 'da000000' then 'ASHA-0000' else 'NILE-0000' end;
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000005')::uuid, 'doctor', 'TREAT', null);
    continue when exists (select from cds.alerts a where a.tenant_id = v_tenant and a.subject_type = 'demo_order');

    -- a hard stop that was overridden by two doctors: three times the dose, by mistake confirmed, then explained
    select p.id into v_patient from patient.patients p where p.tenant_id = v_tenant and p.mrn = v_mrn || '11';
    perform cds.check_medication(
      v_patient, (v_id || '-0017-7000-8000-000000000012')::uuid, 'demo_order',
      (v_id || '-0804-7000-8000-000000000001')::uuid,
      '[{"ingredient_code": "morphine", "dose_value": 25, "unit": "mg", "route": "iv", "doses_per_day": 2},
        {"ingredient_code": "ceftriaxone", "dose_value": 1, "unit": "g", "route": "iv", "doses_per_day": 2}]'
    );
    select a.id into v_alert
    from cds.alerts a
    where
      a.tenant_id = v_tenant and a.subject_id = (v_id || '-0804-7000-8000-000000000001')::uuid
      and a.severity = 'hard_stop';
    perform cds.acknowledge_alert(v_alert);
    perform cds.override_alert(
      v_alert, 'tolerated_before', 'Known from long treatment', (v_id || '-0005-7000-8000-000000000004')::uuid
    );

    -- two pain killers of one class: the doctor took one away
    select p.id into v_patient from patient.patients p where p.tenant_id = v_tenant and p.mrn = v_mrn || '19';
    perform cds.check_medication(
      v_patient, (v_id || '-0017-7000-8000-000000000015')::uuid, 'demo_order',
      (v_id || '-0804-7000-8000-000000000002')::uuid,
      '[{"ingredient_code": "ibuprofen"}, {"ingredient_code": "diclofenac"}, {"ingredient_code": "warfarin", "current": true}]'
    );
    perform cds.accept_alert(a.id)
    from cds.alerts a
    where
      a.tenant_id = v_tenant and a.subject_id = (v_id || '-0804-7000-8000-000000000002')::uuid
      and a.category = 'duplicate';
    perform cds.check_medication(
      v_patient, (v_id || '-0017-7000-8000-000000000015')::uuid, 'demo_order',
      (v_id || '-0804-7000-8000-000000000002')::uuid,
      '[{"ingredient_code": "ibuprofen"}, {"ingredient_code": "warfarin", "current": true}]'
    );
  end loop;
end
$$;
