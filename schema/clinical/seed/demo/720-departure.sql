-- Demo: the bill is with the payer, so the patient of the story owes nothing and leaves; the bed is cleaned.
-- imhotep:after billing/620-charges-and-bills

select core.assert_not_production();

do $$
declare
  v_tenant uuid;
  v_id text;
  v_admission uuid;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    v_admission := (v_id || '-0100-7000-8000-000000000012')::uuid;
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000008')::uuid, 'nurse', 'TREAT', null);
    continue when exists (
      select
      from clinical.admissions a
      where a.tenant_id = v_tenant and a.id = v_admission and a.status = 'discharged'
    );

    perform clinical.clear_pharmacy(v_admission);
    perform clinical.clear_billing(v_admission, 'cashless under PM-JAY: the claim is with the payer');
    perform clinical.record_departure(v_admission);
    perform facility.finish_cleaning((v_id || '-0004-7000-8000-000000000007')::uuid);
  end loop;
end
$$;
