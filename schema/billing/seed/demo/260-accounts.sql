-- Demo: the accounts of the visits and stays, open before anything is charged to them, and one of a sale at the counter.

select core.assert_not_production();

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_encounter record;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000011')::uuid, 'billing', 'TREAT', null);
    continue when exists (select from billing.accounts a where a.tenant_id = v_tenant);

    for v_encounter in
      select e.id, e.patient_id
      from clinical.encounters e
      where e.tenant_id = v_tenant and right(e.id::text, 2)::int between 11 and 15
      order by e.id
    loop
      perform billing.open_account(v_encounter.patient_id, v_encounter.id);
    end loop;
    perform billing.open_account(
      p.id, p_clinic_id => (v_id || '-0001-7000-8000-000000000001')::uuid, p_key => 'demo-counter-sale'
    )
    from patient.patients p
    where p.tenant_id = v_tenant and p.mrn = case v_id when 'da000000' then 'ASHA-000006' else 'NILE-000006' end;
  end loop;
end
$$;
