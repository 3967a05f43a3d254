-- A case of the scheme, from the desk to its end. Submissions move it in between (insurance.follow_claim).

create function insurance.register_case(
  p_encounter_id uuid,
  p_coverage_id uuid,
  p_hospital_code text,
  p_home_state text,
  p_treating_state text,
  p_admission_type text,
  p_backdated_to timestamptz default null,
  p_telephonic boolean default false,
  p_mother_case_id uuid default null,
  p_primary_specialty text default null,
  p_tms_case_id text default null
) returns insurance.pmjay_cases
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_patient_id uuid;
  v_coverage insurance.coverages;
  v_case insurance.pmjay_cases;
begin
  select e.patient_id into v_patient_id
  from clinical.encounters e
  where e.tenant_id = v_tenant and e.id = p_encounter_id and e.deleted_at is null;
  if not found then
    raise exception 'encounter % does not exist', p_encounter_id
      using errcode = 'IM005', hint = 'choose an encounter of the tenant';
  end if;
  -- two desks that register the same beneficiary meet here
  select c.* into v_coverage
  from insurance.coverages c
  where c.tenant_id = v_tenant and c.id = p_coverage_id and c.deleted_at is null
  for no key update;
  if not found then
    raise exception 'coverage % does not exist', p_coverage_id
      using errcode = 'IM005', hint = 'choose a coverage of the tenant that is not deleted';
  end if;

  select c.* into v_case
  from insurance.pmjay_cases c
  where
    c.tenant_id = v_tenant and c.coverage_id = p_coverage_id and c.patient_id = v_patient_id
    and c.status not in ('paid', 'closed', 'cancelled');
  if found and v_case.encounter_id = p_encounter_id then
    return v_case;
  end if;
  if found then
    raise exception 'patient % has live case %', v_patient_id, v_case.id
      using errcode = 'IM609', hint = 'close or cancel that case first';
  end if;
  if v_coverage.status <> 'active' then
    raise exception 'coverage % is %', p_coverage_id, v_coverage.status
      using errcode = 'IM600', hint = 'verify the coverage first';
  end if;
  if p_mother_case_id is null and v_coverage.patient_id <> v_patient_id then
    raise exception 'coverage % is not of patient %', p_coverage_id, v_patient_id
      using errcode = 'IM600', hint = 'choose a coverage of the patient, or name the mother''s case for a newborn';
  end if;
  if p_mother_case_id is not null and not exists (
    select
    from insurance.pmjay_cases m
    where
      m.tenant_id = v_tenant and m.id = p_mother_case_id and m.coverage_id = p_coverage_id and m.status <> 'cancelled'
      and m.patient_id <> v_patient_id
  ) then
    raise exception 'case % is no case of the mother on coverage %', p_mother_case_id, p_coverage_id
      using errcode = 'IM005', hint = 'name the case of the mother on the same coverage';
  end if;

  insert into insurance.pmjay_cases (
    tenant_id, case_number, tms_case_id, patient_id, encounter_id, coverage_id, hospital_code, pmam_user_id, home_state,
    treating_state, is_portability, admission_type, registered_at, backdated_to, telephonic, is_newborn, mother_case_id,
    primary_specialty
  )
  values (
    v_tenant, core.next_default_number('case', '', 'CASE-{YY}-'), p_tms_case_id,
    v_patient_id, p_encounter_id, p_coverage_id, p_hospital_code, core.current_user_id(), p_home_state, p_treating_state,
    p_home_state <> p_treating_state, p_admission_type, now(), p_backdated_to, p_telephonic, p_mother_case_id is not null,
    p_mother_case_id, p_primary_specialty
  )
  returning * into v_case;
  insert into insurance.adjudication_events (tenant_id, case_id, to_status, actor_role, actor_user_id)
  values (v_tenant, v_case.id, v_case.status, 'PMAM', core.current_user_id());
  return v_case;
end
$$;

comment on function insurance.register_case(uuid, uuid, text, text, text, text, timestamptz, boolean, uuid, text, text) is 'about=Registers a case for the encounter''s patient; a newborn''s names the mother''s case and runs on her coverage. Registering the encounter again gives the same case. IM003 no tenant, IM005 no such encounter, coverage or mother''s case, IM600 coverage not active or of somebody else, IM609 the patient has another live case on the coverage, IM621 dated back too far.';

create function insurance.start_treatment(p_case_id uuid) returns insurance.pmjay_cases
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_case insurance.pmjay_cases := insurance.lock_case(p_case_id);
begin
  if v_case.status = 'under_treatment' then
    return v_case;
  end if;
  -- before an approval: an emergency that was registered by telephone, or packages that need no approval
  if v_case.status in ('registered', 'identity_verified')
    and not (v_case.telephonic and v_case.admission_type = 'emergency')
    and not coalesce(
      (
        select bool_and(p.approval_not_required)
        from insurance.insurance_claims c
        join insurance.insurance_claim_items i on i.tenant_id = c.tenant_id and i.claim_id = c.id
        left join insurance.benefit_packages p on p.id = i.package_id
        where c.tenant_id = v_case.tenant_id and c.case_id = v_case.id and c.status in ('draft', 'ready')
      ),
      false
    )
  then
    raise exception 'case % has no approval', p_case_id
      using errcode = 'IM605', hint = 'wait for the approval; an emergency is registered by telephone';
  end if;
  return insurance.move_case(p_case_id, 'under_treatment', 'MEDCO');
end
$$;

comment on function insurance.start_treatment(uuid) is 'about=Treatment begins: approved, or an emergency registered by telephone, or only packages that need no approval. IM001 the case is elsewhere, IM005 no such case, IM605 no approval.';

create function insurance.discharge_case(p_case_id uuid, p_mortality boolean default false) returns insurance.pmjay_cases
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_case insurance.pmjay_cases := insurance.lock_case(p_case_id);
begin
  if v_case.status = 'discharged' and v_case.mortality is not distinct from p_mortality then
    return v_case;
  end if;
  update insurance.pmjay_cases c
  set mortality = p_mortality
  where c.tenant_id = v_case.tenant_id and c.id = v_case.id;
  return insurance.move_case(p_case_id, 'discharged', 'MEDCO');
end
$$;

comment on function insurance.discharge_case(uuid, boolean) is 'about=The patient left, or died: under treatment to discharged; the claim may follow. IM001 not under treatment, IM005 no such case.';

create function insurance.cancel_case(p_case_id uuid, p_reason text) returns insurance.pmjay_cases
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_case insurance.pmjay_cases := insurance.lock_case(p_case_id);
  v_claim insurance.insurance_claims;
begin
  if v_case.status = 'cancelled' then
    return v_case;
  end if;
  perform core.set_reason(p_reason);
  select c.* into v_claim
  from insurance.insurance_claims c
  where
    c.tenant_id = v_case.tenant_id and c.case_id = v_case.id
    and c.status in (
      'submitted', 'queried', 'approved', 'partially_approved', 'cancel_requested', 'utilised', 'reprocess_requested', 'paid'
    )
  limit 1;
  if found then
    raise exception 'case % has live submission %', p_case_id, v_claim.id
      using errcode = 'IM608', hint = 'have it cancelled with insurance.request_cancellation first';
  end if;
  for v_claim in
    select c.*
    from insurance.insurance_claims c
    where
      c.tenant_id = v_case.tenant_id and c.case_id = v_case.id
      and c.status in ('draft', 'ready', 'dispatch_failed')
    order by c.id
    for no key update
  loop
    perform insurance.set_hold(v_claim, 0);
    perform insurance.move_claim(v_claim, 'cancelled', 'PROVIDER', jsonb_build_object('remarks', p_reason));
  end loop;
  update insurance.pmjay_cases c
  set cancel_reason = p_reason
  where c.tenant_id = v_case.tenant_id and c.id = v_case.id;
  return insurance.move_case(p_case_id, 'cancelled', 'PMAM');
end
$$;

comment on function insurance.cancel_case(uuid, text) is 'about=Cancels a case with its drafts. IM001 its claim is under way, IM002 no reason, IM005 no such case, IM608 a submission of it is live with the payer.';

create function insurance.close_case(p_case_id uuid, p_reason text default null) returns insurance.pmjay_cases
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_case insurance.pmjay_cases := insurance.lock_case(p_case_id);
  v_claim insurance.insurance_claims;
begin
  if v_case.status = 'closed' then
    return v_case;
  end if;
  perform core.set_reason(p_reason);
  for v_claim in
    select c.*
    from insurance.insurance_claims c
    where
      c.tenant_id = v_case.tenant_id and c.case_id = v_case.id
      and c.status in (
        'approved', 'partially_approved', 'rejected', 'resubmitted', 'utilised', 'superseded', 'paid', 'lapsed'
      )
    order by c.id
    for no key update
  loop
    update insurance.insurance_claims c
    set wallet_hold = 0
    where c.tenant_id = v_claim.tenant_id and c.id = v_claim.id and c.wallet_hold > 0;
    perform insurance.move_claim(v_claim, 'closed', 'SYSTEM');
  end loop;
  return insurance.move_case(p_case_id, 'closed', 'MEDCO');
end
$$;

comment on function insurance.close_case(uuid, text) is 'about=Ends a paid case, or one whose claim stays rejected (with a reason), and its submissions; nothing is held of the wallet any more. IM001 neither paid nor rejected, IM002 no reason, IM005 no such case.';
