-- Rules of tables that no constraint can say, because they read another table. The tables name them in their
-- triggers.

create function insurance.check_backdating() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_days int;
begin
  if new.backdated_to is null then
    return new;
  end if;
  select p.backdate_days into v_days
  from insurance.coverages c
  join insurance.payers p on p.id = c.payer_id
  where c.tenant_id = new.tenant_id and c.id = new.coverage_id;
  if v_days is null or new.backdated_to < new.registered_at - make_interval(days => v_days) then
    raise exception 'case % is dated back further than the payer allows', new.id
      using
        errcode = 'IM621',
        hint = case when v_days is null then 'this payer allows no back-dating' else 'at most ' || v_days || ' days' end;
  end if;
  return new;
end
$$;

comment on function insurance.check_backdating() is 'about=Before insert or update of a case: backdated_to lies within payers.backdate_days of the registration, else IM621.';

create function insurance.check_claim_item() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_package record;
  v_strata int;
  v_limit text;
begin
  if new.package_id is null then
    return new;
  end if;
  select p.* into v_package from insurance.benefit_packages p where p.id = new.package_id;
  select count(distinct i.stratification_code) into v_strata
  from insurance.insurance_claim_items i
  where
    i.tenant_id = new.tenant_id and i.claim_id = new.claim_id and i.package_id = new.package_id and i.id <> new.id
    and i.stratification_code is distinct from new.stratification_code;
  if new.stratification_code is not null then
    v_strata := v_strata + 1;
  end if;

  v_limit := case
    when v_package.govt_reserved and not exists (
      select
      from insurance.insurance_claims c
      join clinical.encounters e on e.tenant_id = c.tenant_id and e.id = c.encounter_id
      join facility.clinics s on s.tenant_id = e.tenant_id and s.id = e.clinic_id
      where c.tenant_id = new.tenant_id and c.id = new.claim_id and s.ownership = 'public'
    ) then 'govt_reserved'
    when new.quantity > v_package.quantity_allowed then 'quantity_allowed'
    when new.implant_count > 0 and not v_package.implant_applicable then 'implant_applicable'
    when new.implant_count > 1 and not v_package.multiple_implants_allowed then 'multiple_implants_allowed'
    when new.implant_count > v_package.maximum_implants_allowed then 'maximum_implants_allowed'
    when new.stratification_code is not null and not v_package.stratification_allowed then 'stratification_allowed'
    when v_strata > 1 and not v_package.multiple_stratification_allowed then 'multiple_stratification_allowed'
    when v_strata > v_package.maximum_stratification_allowed then 'maximum_stratification_allowed'
    when new.cycle_no is not null and not v_package.cyclic_procedure then 'cyclic_procedure'
    when new.cycle_no > v_package.maximum_cycles_allowed then 'maximum_cycles_allowed'
  end;
  if v_limit is not null then
    raise exception 'line % of claim % asks for more than package % allows', new.seq, new.claim_id, new.package_id
      using errcode = 'IM607', hint = 'see benefit_packages.' || v_limit;
  end if;

  if v_package.procedure_type in ('medical', 'surgical') and not v_package.may_be_mixed and exists (
    select
    from insurance.insurance_claim_items i
    join insurance.benefit_packages p on p.id = i.package_id
    where
      i.tenant_id = new.tenant_id and i.claim_id = new.claim_id and i.id <> new.id
      and p.procedure_type in ('medical', 'surgical') and p.procedure_type <> v_package.procedure_type
      and not p.may_be_mixed
  ) then
    raise exception 'claim % would hold medical and surgical packages', new.claim_id
      using errcode = 'IM620', hint = 'make a submission of its own for each kind';
  end if;
  return new;
end
$$;

comment on function insurance.check_claim_item() is 'about=Before insert or update of a line: quantity, implants, strata and cycles are within the limits of its package, and one that is reserved for public hospitals is claimed by such a one (IM607); medical and surgical packages are not mixed unless one of them may be (IM620).';

create function insurance.check_claim_has_approval() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.use = 'claim' and new.status = 'submitted' and new.pre_auth_ref is null and exists (
    select
    from insurance.insurance_claim_items i
    left join insurance.benefit_packages p on p.id = i.package_id
    where i.tenant_id = new.tenant_id and i.claim_id = new.id and not coalesce(p.approval_not_required, false)
  ) then
    raise exception 'claim % has no approved pre-authorisation', new.id
      using errcode = 'IM605', hint = 'draft it from the approval, or claim packages that need none only';
  end if;
  return new;
end
$$;

comment on function insurance.check_claim_has_approval() is 'about=Before update of status: a claim that is submitted carries the reference of an approval, unless all its packages need none (IM605).';

create function insurance.keep_submitted_claim() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if old.status not in ('draft', 'ready') and (
    (
      new.sub_type, new.priority, new.billable_period, new.admission_at, new.expected_los_days, new.care_team,
      new.diagnoses, new.procedures, new.accident, new.delay_reason
    ) is distinct from (
      old.sub_type, old.priority, old.billable_period, old.admission_at, old.expected_los_days, old.care_team,
      old.diagnoses, old.procedures, old.accident, old.delay_reason
    )
    or new.use = 'claim' and new.pre_auth_ref is distinct from coalesce(old.pre_auth_ref, new.pre_auth_ref)
  ) then
    raise exception 'claim % was submitted and stays as it is', old.id
      using errcode = 'IM001', hint = 'draft an enhancement or a resubmission of it';
  end if;
  return new;
end
$$;

comment on function insurance.keep_submitted_claim() is 'about=Before update: what was submitted is not changed afterwards (IM001).';

create function insurance.check_workflow_code() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_code text := to_jsonb(new) ->> tg_argv[0];
begin
  if v_code is not null and not fhir.value_set_contains('urn:nhcx:workflow-ids', v_code) then
    raise exception '"%" is no workflow id of the exchange', v_code
      using
        errcode = '23514', constraint = tg_name,
        hint = 'workflow ids are the members of value set urn:nhcx:workflow-ids; see setting insurance.workflow_rules';
  end if;
  return new;
end
$$;

comment on function insurance.check_workflow_code() is 'about=Argument (column). Before insert or update: workflow ids that we send are members of value set urn:nhcx:workflow-ids (23514).';

-- Whoever deletes may not see every case and submission.
create function insurance.keep_used_coverage() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (
    select
    from insurance.insurance_claims c
    where c.tenant_id = old.tenant_id and c.coverage_id = old.id and c.wallet_hold > 0
  ) or exists (
    select
    from insurance.pmjay_cases c
    where c.tenant_id = old.tenant_id and c.coverage_id = old.id and c.status not in ('paid', 'closed', 'cancelled')
  ) then
    raise exception 'coverage % is in use', old.id
      using errcode = 'IM001', hint = 'end its cases and submissions first, or end it with insurance.end_coverage';
  end if;
  return new;
end
$$;

comment on function insurance.keep_used_coverage() is 'about=Before a coverage is deleted: no case of it is live and no submission holds anything of its wallet (IM001).';
