-- O31: the claim after discharge. Locks case, claim (with its pre-authorisation) and, for what no approval holds, the
-- wallet.

create function insurance.check_discharge_summary(p_claim insurance.insurance_claims) returns text
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_summary record;
begin
  select s.id, s.stg_status, s.status into v_summary
  from clinical.discharge_summaries s
  where
    s.tenant_id = p_claim.tenant_id and s.encounter_id = p_claim.encounter_id
    and s.status not in ('cancelled', 'entered_in_error', 'amended')
  order by s.status = 'final' desc, s.created_at desc
  limit 1;
  if not found then
    raise exception 'encounter % has no discharge summary', p_claim.encounter_id
      using errcode = 'IM603', hint = 'write and approve the discharge summary';
  end if;
  if v_summary.status <> 'final' or v_summary.stg_status not in ('not_applicable', 'passed', 'waived') then
    raise exception 'discharge summary % is % and its guideline %', v_summary.id, v_summary.status, v_summary.stg_status
      using errcode = 'IM610', hint = 'evaluate the guideline, meet or waive what failed, and make the summary final';
  end if;
  return v_summary.stg_status;
end
$$;

comment on function insurance.check_discharge_summary(insurance.insurance_claims) is 'about=How the final discharge summary of the encounter stands against the guideline: not_applicable, passed or waived. IM603 there is no summary, IM610 it is not final, or the guideline failed or was not checked.';

create function insurance.check_items_approved(p_claim insurance.insurance_claims) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_seq int;
begin
  select i.seq into v_seq
  from insurance.insurance_claim_items i
  left join insurance.benefit_packages b on b.id = i.package_id
  where
    i.tenant_id = p_claim.tenant_id and i.claim_id = p_claim.id and not coalesce(b.approval_not_required, false)
    and not exists (
      select
      from insurance.insurance_claims a
      join insurance.insurance_claim_items ai on ai.tenant_id = a.tenant_id and ai.claim_id = a.id
      where
        a.tenant_id = p_claim.tenant_id and a.use = 'preauthorization' and a.payer_id = p_claim.payer_id
        and a.pre_auth_ref = p_claim.pre_auth_ref and ai.code_system = i.code_system and ai.code = i.code
        and ai.decision in ('approved', 'partial')
    )
  order by i.seq
  limit 1;
  if found then
    raise exception 'line % of claim % was not approved', v_seq, p_claim.id
      using errcode = 'IM605', hint = 'claim what was approved, and packages that need no approval';
  end if;
end
$$;

comment on function insurance.check_items_approved(insurance.insurance_claims) is 'about=Every line is among the approved ones of the pre-authorisation, or its package needs no approval, else IM605.';

create function insurance.discharged_at(p_claim insurance.insurance_claims) returns timestamptz
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    (
      select coalesce(a.physically_left_at, a.discharge_ordered_at)
      from clinical.admissions a
      where a.tenant_id = p_claim.tenant_id and a.encounter_id = p_claim.encounter_id
    ),
    (
      select upper(e.period)
      from clinical.encounters e
      where e.tenant_id = p_claim.tenant_id and e.id = p_claim.encounter_id
    ),
    now()
  )
$$;

comment on function insurance.discharged_at(insurance.insurance_claims) is 'about=When the patient left, as far as is known; the end of the visit for outpatients, else now.';

create function insurance.settle_days(p_claim insurance.insurance_claims) returns int
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when coalesce(k.is_portability, false) then coalesce(p.portability_settle_days, p.settle_days)
    else p.settle_days
  end
  from insurance.payers p
  left join insurance.pmjay_cases k on k.tenant_id = p_claim.tenant_id and k.id = p_claim.case_id
  where p.id = p_claim.payer_id
$$;

comment on function insurance.settle_days(insurance.insurance_claims) is 'about=Days that the payer has for the claim; another number for patients from other states.';

create function insurance.submit_claim(p_claim_id uuid, p_delay_reason text default null) returns insurance.insurance_claims
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_claim insurance.insurance_claims := insurance.lock_claim(p_claim_id);
  v_parent insurance.insurance_claims;
  v_case_status text;
  v_stg_status text;
  v_submit_by timestamptz;
  v_held numeric;
  v_code text;
begin
  if v_claim.status = 'submitted' then
    return v_claim;
  end if;
  if v_claim.use <> 'claim' then
    raise exception '% % is no claim', v_claim.use, p_claim_id
      using errcode = 'IM606', hint = 'use insurance.submit_preauth';
  end if;
  if v_claim.status not in ('draft', 'ready') then
    raise exception 'claim % is %', p_claim_id, v_claim.status
      using errcode = 'IM001', hint = 'follow it up with insurance.draft_follow_up';
  end if;
  select c.status into v_case_status
  from insurance.pmjay_cases c
  where c.tenant_id = v_claim.tenant_id and c.id = v_claim.case_id;
  if v_case_status not in ('discharged', 'claim_rejected', 'claim_approved') then
    raise exception 'case % is %', v_claim.case_id, v_case_status
      using errcode = 'IM001', hint = 'a claim is submitted after discharge (insurance.discharge_case)';
  end if;
  select c.* into v_parent
  from insurance.insurance_claims c
  where c.tenant_id = v_claim.tenant_id and c.id = v_claim.related_claim_id;

  if v_claim.relation = 'prior' and v_parent.status not in ('approved', 'partially_approved', 'utilised') then
    raise exception 'claim % follows a pre-authorisation that is %', p_claim_id, v_parent.status
      using errcode = 'IM606', hint = 'cancel this draft, and draft the claim from the approval that is in force';
  end if;
  perform insurance.check_has_items(v_claim);
  perform insurance.check_items_approved(v_claim);
  if v_claim.pre_auth_ref is null then
    perform insurance.check_coverage(v_claim); -- nobody has asked the payer yet
  end if;
  v_code := insurance.follow_parent(
    v_claim, case when v_claim.pre_auth_ref is null and v_parent.id is null then 'claim_without_approval' else 'claim' end
  );
  perform insurance.check_authenticated(v_claim);
  if v_claim.case_id is not null or exists (
    select from clinical.admissions a where a.tenant_id = v_claim.tenant_id and a.encounter_id = v_claim.encounter_id
  ) then
    v_stg_status := insurance.check_discharge_summary(v_claim);
  end if;
  perform insurance.check_papers(v_claim, 'claim');
  select insurance.discharged_at(v_claim) + make_interval(days => p.claim_submit_days) into v_submit_by
  from insurance.payers p
  where p.id = v_claim.payer_id;
  if now() > v_submit_by and coalesce(p_delay_reason, v_claim.delay_reason) is null then
    raise exception 'claim % comes after its time', p_claim_id
      using errcode = 'IM002', hint = 'say why in p_delay_reason';
  end if;

  -- what no approval holds is held now, so that no more is ever used of a wallet than was held
  select coalesce(sum(c.wallet_hold), 0) into v_held
  from insurance.insurance_claims c
  where
    c.tenant_id = v_claim.tenant_id and c.coverage_id = v_claim.coverage_id and c.wallet_hold > 0 and c.id <> v_claim.id
    and (c.pre_auth_ref = v_claim.pre_auth_ref or c.id = v_parent.id);
  if v_claim.total_claimed > v_held then
    v_claim := insurance.take_hold(v_claim, v_claim.total_claimed - v_held);
  end if;
  if v_claim.status = 'draft' then
    v_claim := insurance.move_claim(v_claim, 'ready', 'MEDCO');
  end if;
  update insurance.insurance_claims c
  set
    workflow_code = v_code, submitted_at = now(), submitted_by = core.current_user_id(), submit_by = v_submit_by,
    delay_reason = coalesce(p_delay_reason, c.delay_reason), stg_status = v_stg_status,
    decision_due_at = now() + make_interval(days => insurance.settle_days(v_claim)),
    document_bundle_hash = insurance.document_hash(c.id)
  where c.tenant_id = v_claim.tenant_id and c.id = v_claim.id
  returning c.* into v_claim;
  v_claim := insurance.move_claim(v_claim, 'submitted', 'MEDCO');

  if v_parent.use <> 'claim' and v_parent.status in ('approved', 'partially_approved') then
    perform insurance.move_claim(v_parent, 'utilised', 'SYSTEM');
  elsif v_parent.status = 'rejected' then
    perform insurance.move_claim(v_parent, 'resubmitted', 'SYSTEM');
  end if;
  perform insurance.follow_claim(
    v_claim.case_id, array['discharged', 'claim_rejected', 'claim_approved'], 'claim_initiated'
  );
  return v_claim;
end
$$;

comment on function insurance.submit_claim(uuid, text) is 'about=Submits a claim or its resubmission after discharge: only approved lines, guideline met or waived, beneficiary authenticated, papers complete, in time or with a reason. The pre-authorisation is utilised. Submitting again changes nothing. IM001 decided, or the case is not discharged, IM002 late without a reason, IM005 no such claim, IM600 coverage of a claim without approval, IM601 wallet, IM602 not authenticated, IM603 papers or summary missing, IM605 not approved, IM606 does not follow, or its pre-authorisation is not in force any more, IM610 guideline.';
