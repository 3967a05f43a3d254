-- Drafts. The first submission of a chain is drafted here; 255-follow-up.sql drafts those that follow another.

create function insurance.lock_draft(p_claim_id uuid) returns insurance.insurance_claims
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_claim insurance.insurance_claims := insurance.lock_claim(p_claim_id);
begin
  if v_claim.status <> 'draft' then
    raise exception 'claim % is %, no draft', p_claim_id, v_claim.status
      using errcode = 'IM001', hint = 'take a ready one back with insurance.mark_ready(id, false); follow a submitted one up';
  end if;
  return v_claim;
end
$$;

comment on function insurance.lock_draft(uuid) is 'about=The submission, locked, which must be a draft. IM001 it is none, IM005 no such claim.';

create function insurance.write_items(p_claim insurance.insurance_claims, p_items jsonb) returns insurance.insurance_claims
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_claim insurance.insurance_claims;
  v_item record;
  v_package record;
  v_quantity numeric;
  v_price numeric;
  v_factor numeric;
begin
  delete from insurance.insurance_claim_items i where i.tenant_id = p_claim.tenant_id and i.claim_id = p_claim.id;
  for v_item in
    select e.value as line, e.n from jsonb_array_elements(p_items) with ordinality as e (value, n) order by e.n
  loop
    perform insurance.refuse_unknown_keys(
      v_item.line,
      array[
        'package_id', 'code_system', 'code', 'display', 'stratification_code', 'implant_code', 'implant_count', 'cycle_no',
        'quantity', 'unit_price', 'factor', 'serviced_on', 'diagnosis_seq', 'charge_item_ids'
      ]
    );
    v_package := null;
    if v_item.line ? 'package_id' then
      -- a package of the coverage's plan, or of any active plan of the payer where the plan is not known
      select b.id, b.package_code, b.procedure_code, b.name, b.base_rate into v_package
      from insurance.benefit_packages b
      join insurance.insurance_plans p on p.id = b.plan_id and p.payer_id = p_claim.payer_id and p.status = 'active'
      join insurance.coverages c on c.tenant_id = p_claim.tenant_id and c.id = p_claim.coverage_id
      where
        b.id = (v_item.line ->> 'package_id')::uuid and (b.tenant_id is null or b.tenant_id = p_claim.tenant_id)
        and (c.plan_id is null or c.plan_id = p.id);
      if not found then
        raise exception 'package % is none of the coverage''s plan', v_item.line ->> 'package_id'
          using errcode = 'IM005', hint = 'choose a package of the active plan of the coverage';
      end if;
    end if;
    v_quantity := coalesce((v_item.line ->> 'quantity')::numeric, 1);
    v_price := coalesce((v_item.line ->> 'unit_price')::numeric, v_package.base_rate);
    v_factor := coalesce((v_item.line ->> 'factor')::numeric, 1);
    insert into insurance.insurance_claim_items (
      tenant_id, claim_id, seq, package_id, code_system, code, display, stratification_code, implant_code, implant_count,
      cycle_no, quantity, unit_price, factor, net, serviced_on, diagnosis_seq, charge_item_ids
    )
    values (
      p_claim.tenant_id, p_claim.id, v_item.n, v_package.id,
      coalesce(v_item.line ->> 'code_system', core.setting('insurance.package_code_system') #>> '{}'),
      coalesce(v_item.line ->> 'code', v_package.procedure_code, v_package.package_code),
      coalesce(v_item.line ->> 'display', v_package.name),
      v_item.line ->> 'stratification_code', v_item.line ->> 'implant_code',
      coalesce((v_item.line ->> 'implant_count')::smallint, 0), (v_item.line ->> 'cycle_no')::smallint,
      v_quantity, v_price, v_factor, round(v_quantity * v_price * v_factor, 2), (v_item.line ->> 'serviced_on')::date,
      array(select e::smallint from jsonb_array_elements_text(v_item.line -> 'diagnosis_seq') as e),
      array(select e::uuid from jsonb_array_elements_text(v_item.line -> 'charge_item_ids') as e)
    );
  end loop;
  update insurance.insurance_claims c
  set
    total_claimed = (
      select coalesce(sum(i.net), 0)
      from insurance.insurance_claim_items i
      where i.tenant_id = p_claim.tenant_id and i.claim_id = p_claim.id
    )
  where c.tenant_id = p_claim.tenant_id and c.id = p_claim.id
  returning c.* into v_claim;
  return v_claim;
end
$$;

comment on function insurance.write_items(insurance.insurance_claims, jsonb) is 'about=Replaces the lines of a draft, which the caller has locked; code, name and price come from the package where they are not given. IM005 package of another plan, IM607 package limit, IM620 mix, 22023 unknown key.';

create function insurance.draft_claim(p_claim jsonb, p_items jsonb default '[]', p_key text default null)
  returns insurance.insurance_claims
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_use text := coalesce(p_claim ->> 'use', 'preauthorization');
  v_coverage insurance.coverages;
  v_case insurance.pmjay_cases;
  v_patient_id uuid;
  v_period tstzrange;
  v_key record;
  v_live uuid;
  v_claim insurance.insurance_claims;
begin
  if p_key is not null then
    v_key := core.idempotent_begin(
      'insurance.draft_claim', p_key, sha256(convert_to(jsonb_build_array(p_claim, p_items)::text, 'UTF8'))
    );
    if v_key.state = 'done' then
      select c.* into v_claim
      from insurance.insurance_claims c
      where c.tenant_id = v_tenant and c.id = (v_key.response ->> 'claim_id')::uuid;
      return v_claim;
    end if;
  end if;
  perform insurance.refuse_unknown_keys(
    p_claim,
    array[
      'use', 'case_id', 'encounter_id', 'coverage_id', 'channel', 'claim_type_code', 'sub_type', 'priority',
      'billable_period', 'admission_at', 'expected_los_days', 'care_team', 'diagnoses', 'procedures', 'accident'
    ]
  );

  if p_claim ? 'case_id' then
    v_case := insurance.lock_case((p_claim ->> 'case_id')::uuid);
    if v_case.status in ('cancelled', 'closed', 'paid') then
      raise exception 'case % is %', v_case.id, v_case.status
        using errcode = 'IM001', hint = 'register a new case';
    end if;
    select c.id into v_live
    from insurance.insurance_claims c
    where
      c.tenant_id = v_tenant and c.case_id = v_case.id and c.use = v_use and (c.relation is null or c.relation = 'prior')
      and c.status not in ('cancelled', 'closed', 'rejected', 'lapsed', 'expired');
    if found then
      raise exception 'case % has live % %', v_case.id, v_use, v_live
        using errcode = 'IM608', hint = 'follow that one, with insurance.draft_follow_up when it is decided';
    end if;
  end if;
  select e.patient_id, e.period into v_patient_id, v_period
  from clinical.encounters e
  where
    e.tenant_id = v_tenant
    -- not coalesce, here and below: it does not count as leakproof, and a generic plan could not use the primary key
    and e.id = case when v_case.encounter_id is null then (p_claim ->> 'encounter_id')::uuid else v_case.encounter_id end
    and e.deleted_at is null;
  if not found then
    raise exception 'encounter % does not exist', p_claim ->> 'encounter_id'
      using errcode = 'IM005', hint = 'name a case, or an encounter of the tenant';
  end if;
  select c.* into v_coverage
  from insurance.coverages c
  where
    c.tenant_id = v_tenant
    and c.id = case when v_case.coverage_id is null then (p_claim ->> 'coverage_id')::uuid else v_case.coverage_id end
    and c.deleted_at is null;
  if not found or (v_case.id is null and v_coverage.patient_id <> v_patient_id) then
    raise exception 'coverage % is not of patient %', p_claim ->> 'coverage_id', v_patient_id
      using errcode = 'IM005', hint = 'choose a coverage of the patient';
  end if;

  insert into insurance.insurance_claims (
    tenant_id, claim_number, use, case_id, patient_id, encounter_id, coverage_id, payer_id, channel, claim_type_code,
    sub_type, priority, billable_period, admission_at, expected_los_days, care_team, diagnoses, procedures, accident,
    correlation_id
  )
  values (
    v_tenant, insurance.next_claim_number(v_use), v_use, v_case.id, v_patient_id,
    coalesce(v_case.encounter_id, (p_claim ->> 'encounter_id')::uuid), v_coverage.id, v_coverage.payer_id,
    coalesce(p_claim ->> 'channel', 'nhcx'), coalesce(p_claim ->> 'claim_type_code', 'institutional'),
    p_claim ->> 'sub_type', coalesce(p_claim ->> 'priority', 'normal'), (p_claim ->> 'billable_period')::daterange,
    coalesce((p_claim ->> 'admission_at')::timestamptz, lower(v_period)), (p_claim ->> 'expected_los_days')::smallint,
    coalesce(p_claim -> 'care_team', '[]'), coalesce(p_claim -> 'diagnoses', '[]'), p_claim -> 'procedures',
    p_claim -> 'accident', core.uuid_v7()
  )
  returning * into v_claim;
  perform insurance.note_claim(v_claim, null, 'draft', 'PROVIDER');
  v_claim := insurance.write_items(v_claim, p_items);
  if p_key is not null then
    perform core.idempotent_finish('insurance.draft_claim', p_key, jsonb_build_object('claim_id', v_claim.id));
  end if;
  return v_claim;
end
$$;

comment on function insurance.draft_claim(jsonb, jsonb, text) is 'about=Drafts the first submission of a chain: {use, case_id or encounter_id and coverage_id, channel, claim_type_code, sub_type, priority, billable_period, admission_at, expected_los_days, care_team, diagnoses, procedures, accident} and its lines {package_id, code_system, code, display, stratification_code, implant_code, implant_count, cycle_no, quantity, unit_price, factor, serviced_on, diagnosis_seq, charge_item_ids}. The same key gives the same draft. IM001 the case has ended, IM005 no such case, encounter, coverage or package, IM010, IM011 the key, IM607 package limit, IM608 the case has a live one of this use, IM620 mix, 22023 unknown key.';

create function insurance.next_claim_number(p_use text) returns text
  language sql
  set search_path = pg_catalog, pg_temp
as $$
  select case p_use
    when 'claim' then core.next_default_number('claim', '', 'CLM-{YY}-')
    else core.next_default_number('preauth', '', 'PA-{YY}-')
  end
$$;

comment on function insurance.next_claim_number(text) is 'about=The next number of pre-authorisations or of claims.';

create function insurance.set_claim_items(p_claim_id uuid, p_items jsonb) returns insurance.insurance_claims
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
begin
  return insurance.write_items(insurance.lock_draft(p_claim_id), p_items);
end
$$;

comment on function insurance.set_claim_items(uuid, jsonb) is 'about=Replaces the lines of a draft; see insurance.draft_claim for their keys. IM001 no draft, IM005 no such claim, or package of another plan, IM607 package limit, IM620 mix, 22023 unknown key.';

create function insurance.mark_ready(p_claim_id uuid, p_ready boolean default true) returns insurance.insurance_claims
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_claim insurance.insurance_claims := insurance.lock_claim(p_claim_id);
  v_to insurance.claim_status := case when p_ready then 'ready' else 'draft' end;
begin
  if v_claim.status = v_to then
    return v_claim;
  end if;
  return insurance.move_claim(v_claim, v_to, 'MEDCO');
end
$$;

comment on function insurance.mark_ready(uuid, boolean) is 'about=A draft waits for the person who submits, or with false comes back to be changed. IM001 submitted already, IM005 no such claim.';
