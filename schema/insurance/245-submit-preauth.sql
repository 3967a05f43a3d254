-- O28: a pre-authorisation leaves. Locks case, submission (with the one that it follows) and wallet, in this order.

create function insurance.follow_parent(p_claim insurance.insurance_claims, p_new text) returns text
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_parent insurance.insurance_claims;
  v_changed boolean;
begin
  if p_claim.related_claim_id is null then
    return insurance.resolve_workflow(p_new);
  end if;
  select c.* into v_parent
  from insurance.insurance_claims c
  where c.tenant_id = p_claim.tenant_id and c.id = p_claim.related_claim_id;
  v_changed := insurance.items_changed(p_claim.id, v_parent.id);
  if p_claim.relation = 'enhancement' and not v_changed then
    raise exception 'enhancement % has the item codes of its approval', p_claim.id
      using errcode = 'IM606', hint = 'change the items, or draft a resubmission';
  end if;
  if p_claim.relation = 'enhancement' and exists (
    select
    from insurance.insurance_claim_items i
    join insurance.benefit_packages b on b.id = i.package_id
    where
      i.tenant_id = p_claim.tenant_id and i.claim_id in (p_claim.id, v_parent.id) and not b.enhancement_allowed
      and not exists ( -- stands in both
        select
        from insurance.insurance_claim_items o
        where
          o.tenant_id = i.tenant_id and o.claim_id in (p_claim.id, v_parent.id) and o.claim_id <> i.claim_id
          and o.code_system = i.code_system and o.code = i.code
      )
  ) then
    raise exception 'enhancement % changes a package that cannot be enhanced', p_claim.id
      using errcode = 'IM606', hint = 'benefit_packages.enhancement_allowed says which can';
  end if;
  if p_claim.relation = 'resubmission' and p_claim.use <> 'claim' and v_changed
    and v_parent.adjudication <> 'rejected'
  then
    raise exception 'resubmission % has other item codes than its approval', p_claim.id
      using errcode = 'IM606', hint = 'draft an enhancement';
  end if;
  return insurance.resolve_workflow(p_new, v_parent.use, v_parent.adjudication, v_parent.workflow_code, v_changed);
end
$$;

comment on function insurance.follow_parent(insurance.insurance_claims, text) is 'about=Workflow id of a submission from the one that it follows; enhancements change item codes, and only of packages that allow it, resubmissions of approvals do not. IM606.';

create function insurance.submit_preauth(p_claim_id uuid) returns insurance.insurance_claims
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
  v_minutes int;
  v_code text;
begin
  if v_claim.status = 'submitted' then
    return v_claim;
  end if;
  if v_claim.use = 'claim' then
    raise exception 'claim % is no pre-authorisation', p_claim_id
      using errcode = 'IM606', hint = 'use insurance.submit_claim';
  end if;
  if v_claim.status not in ('draft', 'ready') then
    raise exception 'pre-authorisation % is %', p_claim_id, v_claim.status
      using errcode = 'IM001', hint = 'follow it up with insurance.draft_follow_up';
  end if;
  select c.status into v_case_status
  from insurance.pmjay_cases c
  where c.tenant_id = v_claim.tenant_id and c.id = v_claim.case_id;
  if v_case_status not in (
    'registered', 'identity_verified', 'preauth_initiated', 'preauth_approved', 'preauth_rejected', 'under_treatment'
  ) then
    raise exception 'case % is % and takes no pre-authorisation', v_claim.case_id, v_case_status
      using errcode = 'IM001', hint = 'pre-authorisations are submitted until discharge';
  end if;

  perform insurance.check_has_items(v_claim);
  perform insurance.check_coverage(v_claim);
  perform insurance.check_authenticated(v_claim);
  perform insurance.check_papers(v_claim, 'preauth');
  v_code := insurance.follow_parent(v_claim, v_claim.use);

  select c.* into v_parent
  from insurance.insurance_claims c
  where c.tenant_id = v_claim.tenant_id and c.id = v_claim.related_claim_id;
  -- what the approval holds already is not held twice
  v_claim := insurance.take_hold(v_claim, greatest(v_claim.total_claimed - coalesce(v_parent.wallet_hold, 0), 0));

  select p.preauth_tat_minutes into v_minutes from insurance.payers p where p.id = v_claim.payer_id;
  if v_claim.status = 'draft' then
    v_claim := insurance.move_claim(v_claim, 'ready', 'MEDCO');
  end if;
  update insurance.insurance_claims c
  set
    workflow_code = v_code, submitted_at = now(), submitted_by = core.current_user_id(),
    decision_due_at = now() + make_interval(mins => v_minutes), document_bundle_hash = insurance.document_hash(c.id)
  where c.tenant_id = v_claim.tenant_id and c.id = v_claim.id
  returning c.* into v_claim;
  v_claim := insurance.move_claim(v_claim, 'submitted', 'MEDCO');
  if v_parent.status = 'rejected' then
    perform insurance.move_claim(v_parent, 'resubmitted', 'SYSTEM');
  end if;
  perform insurance.follow_claim(v_claim.case_id, array['identity_verified', 'preauth_rejected'], 'preauth_initiated');
  return v_claim;
end
$$;

comment on function insurance.submit_preauth(uuid) is 'about=Submits a pre-authorisation, an enhancement or a resubmission: checks coverage, authentication, papers and chain, holds its amount of the wallet, stores workflow code and the time until which the payer must decide. Submitting again changes nothing. IM001 decided, or the case is past it, IM005 no such claim, IM600 coverage not in force or not checked, IM601 wallet, IM602 not authenticated, IM603 papers missing, IM606 does not follow, IM610 guideline not met.';
