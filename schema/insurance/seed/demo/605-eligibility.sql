-- Demo: payers were asked about coverages. Five have answered; the question about patient 8 (encounter 3) is in the
-- air.

select core.assert_not_production();

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_ask record;
  v_check insurance.eligibility_checks;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000011')::uuid, 'billing', 'HPAYMT', null);
    continue when exists (select from insurance.eligibility_checks e where e.tenant_id = v_tenant);

    for v_ask in
      select a.*, c.patient_id, c.payer_id
      from (
        values
          (1, 12, '{validation,benefits}'::text[], 410000.00), (2, 14, '{validation}', 500000.00),
          (3, 15, '{validation,auth-requirements}', 250000.00), (4, 11, '{validation}', 300000.00), (5, 4, '{validation}', 50000.00),
          (6, 3, '{validation}', null)
      ) as a (coverage, encounter, purposes, balance)
      join insurance.coverages c
        on c.tenant_id = v_tenant and c.id = (v_id || '-0b04-7000-8000-' || lpad(a.coverage::text, 12, '0'))::uuid
      order by a.coverage
    loop
      v_check := insurance.ask_eligibility(
        v_ask.payer_id, v_ask.patient_id, (v_id || '-0b04-7000-8000-' || lpad(v_ask.coverage::text, 12, '0'))::uuid,
        (v_id || '-0017-7000-8000-' || lpad(v_ask.encounter::text, 12, '0'))::uuid, v_ask.purposes
      );
      if v_ask.balance is not null then
        perform insurance.apply_eligibility_answer(
          v_check.correlation_id,
          jsonb_build_object('outcome', 'complete', 'inforce', true, 'balance', v_ask.balance)
        );
      end if;
    end loop;
  end loop;
end
$$;
