-- Demo: charges of the visits and stays. The stay of patient 11 (encounter 12) is charged as the scheme's package and billed
-- to the scheme, so that the patient leaves without paying; the other bills are paid, open, credited or only offered.
-- imhotep:after insurance/260-payers-and-coverages

select core.assert_not_production();

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_accounts jsonb; -- last two digits of the encounter (00 for the sale) to account
  v_scheme uuid;
  v_line record;
  v_bill billing.invoices;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000011')::uuid, 'billing', 'TREAT', null);
    continue when exists (select from billing.invoices i where i.tenant_id = v_tenant);
    select jsonb_object_agg(coalesce(right(a.encounter_id::text, 2), '00'), a.id) into v_accounts
    from billing.accounts a
    where a.tenant_id = v_tenant;

    -- the scheme, once there is one among the payers
    select p.id into v_scheme
    from insurance.payers p
    where p.scheme = 'PMJAY' and (p.tenant_id is null or p.tenant_id = v_tenant)
    order by p.tenant_id nulls last, p.code
    limit 1;
    if v_scheme is not null then
      insert into billing.tariffs (tenant_id, charge_id, payer_id, price, valid_during, approved_by)
      values (
        v_tenant, (v_id || '-0900-7000-8000-000000000015')::uuid, v_scheme, 18500, daterange(current_date - 365, null),
        (v_id || '-0006-7000-8000-000000000011')::uuid
      );
      perform billing.change_payer((v_accounts ->> '12')::uuid, 'pmjay', v_scheme);
    end if;

    for v_line in
      select l.*
      from (
        values
          (1, '11', 1, 1::numeric, interval '5 days'),
          (2, '11', 2, 1, interval '5 days'),
          (3, '12', 15, 1, interval '3 days'),
          (4, '12', 4, 3, interval '3 days'),
          (5, '12', 10, 1, interval '2 days'),
          (6, '13', 2, 1, interval '1 hour'),
          (7, '14', 3, 1, interval '3 hours'),
          (8, '14', 9, 1, interval '2 hours'),
          (9, '14', 14, 2, interval '2 hours'),
          (10, '15', 5, 2, interval '2 days'),
          (11, '15', 11, 1, interval '1 day'),
          (12, '00', 12, 20, interval '1 day'),
          (13, '00', 14, 1, interval '1 day')
      ) as l (n, account, charge, quantity, ago)
      order by l.n
    loop
      perform billing.add_charge(
        (v_accounts ->> v_line.account)::uuid, (v_id || '-0900-7000-8000-' || lpad(v_line.charge::text, 12, '0'))::uuid,
        'manual', (v_id || '-0902-7000-8000-' || lpad(v_line.n::text, 12, '0'))::uuid, v_line.quantity, now() - v_line.ago
      );
    end loop;
    -- the doctor's own child: half of the fee
    perform billing.grant_concession(i.id, 250, 'child of a member of staff', (v_id || '-0006-7000-8000-000000000004')::uuid)
    from billing.charge_items i
    where i.tenant_id = v_tenant and i.source_id = (v_id || '-0902-7000-8000-000000000006')::uuid;

    -- bills: the scheme's; one of a visit, made out anew after a mistake; one of the counter; one that is still open
    perform billing.issue_invoice(
      (v_accounts ->> '12')::uuid, p_payer_id => v_scheme, p_due_on => current_date + 15, p_key => 'demo-bill-12'
    );
    v_bill := billing.issue_invoice((v_accounts ->> '11')::uuid, p_key => 'demo-bill-11');
    perform billing.issue_credit_note(
      v_bill.id, 'registered on an earlier visit', '[{"line_no": 1, "quantity": 1}]', p_key => 'demo-credit-11'
    );
    perform billing.issue_invoice((v_accounts ->> '00')::uuid, p_key => 'demo-bill-00');
    perform billing.issue_invoice((v_accounts ->> '14')::uuid, p_due_on => current_date + 7, p_key => 'demo-bill-14');
    -- an estimate for the family of the patient in the ward
    perform billing.issue_invoice((v_accounts ->> '15')::uuid, p_kind => 'proforma', p_key => 'demo-quote-15');
    -- what is checked at commit is checked now, while the tenant is this one
    set constraints all immediate;
    set constraints all deferred;
  end loop;
end
$$;
