-- Demo: made-up payers, one plan of each with a few made-up packages, and who is covered. The scheme is the shared
-- row; patients 11 and 15 are its beneficiaries, patients 8, 9, 11 and 19 are privately insured.

select core.assert_not_production();

-- No secrets: with these texts the demo, and nothing else, is encrypted.
select set_config('app.field_key', 'demo field key, not a secret', true);
select set_config('app.index_key', 'demo index key, not a secret', true);

do $$
declare
  v_scheme constant uuid := '00000000-0b00-7000-8000-000000000001';
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_mrn text;
  v_insurer uuid;
  v_cover record;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    v_mrn := case v_id when 'da000000' then 'ASHA-0000' else 'NILE-0000' end;
    v_insurer := (v_id || '-0b01-7000-8000-000000000001')::uuid;
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000011')::uuid, 'billing', 'HPAYMT', null);
    continue when exists (select from insurance.coverages c where c.tenant_id = v_tenant);

    insert into insurance.payers (
      tenant_id, id, code, name, kind, scheme, nhcx_participant_code, preauth_tat_minutes, discharge_tat_minutes,
      query_response_hours, claim_submit_days, settle_days, rules_effective
    )
    values
      (
        v_tenant, v_insurer, 'SAHYOG', 'Sahyog Health Insurance (made up)', 'insurer', 'PRIVATE', 'sahyog-demo@hcx', 60,
        180, 72, 15, 30, '[2024-01-01,)'
      ),
      (
        v_tenant, (v_id || '-0b01-7000-8000-000000000002')::uuid, 'SETU', 'Setu Claims Administrators (made up)', 'tpa',
        null, null, 120, null, 48, 30, 45, '[2024-01-01,)'
      );
    update insurance.payers p
    set status = 'suspended'
    where p.tenant_id = v_tenant and p.code = 'SETU';

    insert into insurance.insurance_plans (
      tenant_id, id, payer_id, plan_code, version, name, type_code, period, sum_insured, family_floater, source,
      ingested_at, row_count
    )
    values
      (
        v_tenant, (v_id || '-0b02-7000-8000-000000000001')::uuid, v_scheme, 'DEMO-SCHEME', '1',
        'Scheme packages (made up)', 'scheme', '[2024-01-01,)', 500000, true, 'upload', now(), 6
      ),
      (
        v_tenant, (v_id || '-0b02-7000-8000-000000000002')::uuid, v_insurer, 'SAHYOG-GOLD', '2', 'Sahyog Gold (made up)',
        'medical', '[2024-01-01,)', 300000, false, 'manual', now(), 2
      );
    update insurance.insurance_plans p set status = 'active' where p.tenant_id = v_tenant;
    insert into insurance.benefit_packages (
      tenant_id, id, plan_id, package_code, name, specialty_code, procedure_type, base_rate, enhancement_allowed,
      approval_not_required, quantity_allowed, implant_applicable, maximum_implants_allowed, cyclic_procedure,
      maximum_cycles_allowed, is_day_care, pre_days, post_days, stg_code, govt_reserved
    )
    select
      v_tenant, (v_id || '-0b03-7000-8000-' || lpad(b.n::text, 12, '0'))::uuid,
      (v_id || '-0b02-7000-8000-' || lpad(b.plan::text, 12, '0'))::uuid, b.code, b.name, b.specialty, b.kind, b.rate,
      b.enhance, b.free, b.quantity, b.implants is not null, b.implants, b.cycles is not null, b.cycles, b.day_care,
      b.pre, b.post, case b.n when 1 then 'DEMO-GALL' end, b.n = 8
    from (
      values
        (1, 1, 'DEMO-GALL-01', 'Removal of the gallbladder', 'SG', 'surgical', 18000, true, false, 1, null, null, false, 3, 15),
        (2, 1, 'SG902', 'Clips for the operation', 'SG', 'implant', 4000, true, false, null, 2, null, false, null, null),
        (3, 1, 'MG901', 'Fever that needs a bed, per day', 'MG', 'medical', 1800, true, false, 10, null, null, false, null, null),
        (4, 1, 'MO901', 'Cycle of medicines', 'MO', 'follow_up', 6500, false, false, null, null, 6, true, null, null),
        (5, 1, 'LB901', 'Scan without a stay', 'LB', 'investigation', 900, false, true, 2, null, null, true, null, null),
        (6, 2, 'GOLD-1', 'Room and care, per day', 'GM', 'unspecified', 5000, true, false, null, null, null, false, 30, 60),
        (7, 2, 'GOLD-2', 'Tests without a stay', 'LB', 'investigation', 1200, false, true, null, null, null, true, null, null),
        (8, 1, 'SG903', 'Operation in public hospitals only', 'SG', 'surgical', 9000, false, false, 1, null, null, false, 3, 15)
    ) as b (n, plan, code, name, specialty, kind, rate, enhance, free, quantity, implants, cycles, day_care, pre, post);

    for v_cover in
      select c.*, p.id as patient_id
      from (
        values
          (1, '11', v_scheme, 1, 'SCHEME-DEMO-11', 'FAMILY-DEMO-1', null, 'self', 1, 'active'),
          (2, '15', v_scheme, 1, 'SCHEME-DEMO-15', 'FAMILY-DEMO-2', null, 'self', 1, 'active'),
          (3, '19', v_insurer, 2, 'SAHYOG-DEMO-19', null, 'POL-19-A', 'self', 1, 'active'),
          (4, '11', v_insurer, 2, 'SAHYOG-DEMO-11', null, 'POL-11-B', 'spouse', 2, 'active'),
          (5, '09', v_insurer, 2, 'SAHYOG-DEMO-09', null, 'POL-09-C', 'child', 1, 'active'),
          (6, '08', v_insurer, 2, 'SAHYOG-DEMO-08', null, 'POL-08-D', 'self', 1, 'draft'),
          (7, '12', v_scheme, 1, 'SCHEME-DEMO-12', 'FAMILY-DEMO-1', null, 'child', 1, 'cancelled')
      ) as c (n, mrn, payer, plan, member, family, policy, relation, rank, state)
      join patient.patients p on p.tenant_id = v_tenant and p.mrn = v_mrn || c.mrn
      order by c.n
    loop
      insert into insurance.coverages (
        tenant_id, id, patient_id, payer_id, plan_id, policy_number, member_id_enc, member_id_bidx, family_id_enc,
        family_id_bidx, subscriber_relationship, period, sum_insured, rank
      )
      values (
        v_tenant, (v_id || '-0b04-7000-8000-' || lpad(v_cover.n::text, 12, '0'))::uuid, v_cover.patient_id, v_cover.payer,
        (v_id || '-0b02-7000-8000-' || lpad(v_cover.plan::text, 12, '0'))::uuid, v_cover.policy,
        core.encrypt_text(v_cover.member), core.blind_index(v_cover.member), core.encrypt_text(v_cover.family),
        core.blind_index(v_cover.family), v_cover.relation, daterange(current_date - 100, current_date + 265),
        case v_cover.plan when 1 then 500000 else 300000 end, v_cover.rank
      );
      if v_cover.state <> 'draft' then
        perform insurance.verify_coverage((v_id || '-0b04-7000-8000-' || lpad(v_cover.n::text, 12, '0'))::uuid, 'card');
      end if;
      if v_cover.state = 'cancelled' then
        perform insurance.end_coverage(
          (v_id || '-0b04-7000-8000-' || lpad(v_cover.n::text, 12, '0'))::uuid, 'cancelled', 'no member any more'
        );
      end if;
    end loop;
  end loop;
end
$$;
