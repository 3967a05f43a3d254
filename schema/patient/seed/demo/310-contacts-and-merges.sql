-- Demo: families, and people who were registered twice. In both clinics the front desk registered four patients again
-- under another spelling: one pair was merged, one merged and taken apart again, one turned out to be two people, one
-- waits for a decision.

select core.assert_not_production();

-- No secrets: with these texts the demo, and nothing else, is encrypted.
select set_config('app.field_key', 'demo field key, not a secret', true);
select set_config('app.index_key', 'demo index key, not a secret', true);

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_mrn text;
  v_person record;
  v_twin record;
  v_merge uuid;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    v_mrn := case v_id when 'da000000' then 'ASHA-' else 'NILE-' end;
    perform core.begin_request(
      v_tenant, (v_id || '-0005-7000-8000-000000000002')::uuid, 'receptionist', 'HOPERAT', null
    );
    continue when exists (select from patient.patient_merges m where m.tenant_id = v_tenant);

    -- children, and who speaks for them
    insert into patient.patient_contacts (
      tenant_id, id, patient_id, name, relationship, phone_enc, phone_bidx, is_emergency, is_legal_guardian,
      guardian_verified_at, proxy_scope
    )
    select
      v_tenant, (v_id || '-0015-7000-8000-' || right(p.mrn, 6) || '000001')::uuid, p.id, 'Parent of ' || p.given_name,
      'parent', core.encrypt_text(c.phone), core.blind_index(c.phone), true, true, now(), 'full'
    from patient.patients p
    cross join lateral (
      select case v_id when 'da000000' then '+9155503' else '+24955503' end || right(p.mrn, 5) as phone
    ) c
    where p.tenant_id = v_tenant and p.birth_date > current_date - interval '16 years';
    -- the portal user of number 2 may book for her mother, number 4
    insert into patient.patient_contacts (
      tenant_id, id, patient_id, name, relationship, related_patient_id, user_id, proxy_scope
    )
    select
      v_tenant, (v_id || '-0015-7000-8000-000004000002')::uuid, m.id, d.given_name, 'daughter', d.id,
      (v_id || '-0005-7000-8000-000000000014')::uuid, 'book'
    from patient.patients m
    join patient.patients d on d.tenant_id = v_tenant and d.mrn = v_mrn || '000002'
    where m.tenant_id = v_tenant and m.mrn = v_mrn || '000004';

    -- number 31 died, number 19 moved away
    update patient.patients p
    set status = 'deceased', deceased_at = now() - interval '60 days'
    where p.tenant_id = v_tenant and p.mrn = v_mrn || '000031';
    update patient.patients p set status = 'inactive' where p.tenant_id = v_tenant and p.mrn = v_mrn || '000019';

    for v_person in
      select p.*, t.what
      from (
        values ('000003', 'merge'), ('000005', 'unmerge'), ('000013', 'dismiss'), ('000021', 'propose')
      ) as t (n, what)
      join patient.patients p on p.tenant_id = v_tenant and p.mrn = v_mrn || t.n
      order by p.mrn
    loop
      perform core.begin_request(
        v_tenant, (v_id || '-0005-7000-8000-000000000003')::uuid, 'receptionist', 'HOPERAT', null
      );
      select r.patient_id into strict v_twin
      from patient.register(
        jsonb_build_object(
          'given_name', v_person.given_name,
          'family_name', v_person.family_name,
          'sex', v_person.sex,
          'birth_date', v_person.birth_date,
          'birth_date_precision', 'estimated',
          'registered_clinic_id', v_person.registered_clinic_id
        ),
        p_key => 'demo-twin-' || v_person.mrn, p_force => true, p_force_reason => 'says they were never here before'
      ) r;
      v_merge := patient.propose_merge(
        v_person.id, v_twin.patient_id, 'same name and year of birth', 0.65, '{name,birth_date,sex}'
      );
      perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000001')::uuid, 'admin', 'HOPERAT', null);
      if v_person.what in ('merge', 'unmerge') then
        perform patient.merge(v_person.id, v_twin.patient_id);
      end if;
      if v_person.what = 'unmerge' then
        perform patient.unmerge(v_merge, 'they came together: two people');
      elsif v_person.what = 'dismiss' then
        perform patient.dismiss_merge(v_merge, 'cousins of the same name');
      end if;
    end loop;
  end loop;
end
$$;
