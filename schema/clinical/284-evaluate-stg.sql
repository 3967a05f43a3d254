-- Guidelines for a discharge summary: which apply, what they say, and a doctor's waiver.

create function clinical.stg_facts(p_summary clinical.discharge_summaries) returns jsonb
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'sex', p.sex,
    'age_years', extract(year from age((a.admitted_at at time zone c.timezone)::date, p.birth_date))::int,
    'class', e.class,
    'payer_class', e.payer_class,
    'admission_type', a.admission_type,
    'care_class', a.care_class,
    -- days in the house; the day of discharge is open until discharge is ordered
    'los_days', (a.discharge_ordered_at at time zone c.timezone)::date - (a.admitted_at at time zone c.timezone)::date,
    'discharge_kind', p_summary.discharge_kind,
    'condition_at_discharge', p_summary.condition_at_discharge,
    'icd10_codes', coalesce(
      (select jsonb_agg(d.value ->> 'icd10' order by d.value ->> 'icd10') from jsonb_array_elements(p_summary.final_diagnoses) d
       where d.value ? 'icd10'),
      '[]'
    ),
    'procedure_codes', coalesce(
      (select jsonb_agg(d.value ->> 'code' order by d.value ->> 'code') from jsonb_array_elements(p_summary.procedures) d
       where d.value ? 'code'),
      '[]'
    ),
    'medications', jsonb_array_length(p_summary.medications),
    'follow_up', jsonb_array_length(p_summary.follow_up),
    'has_advice', p_summary.advice_enc is not null,
    'implants', (
      select count(*)
      from clinical.implants i
      join clinical.procedures x on x.tenant_id = i.tenant_id and x.id = i.procedure_id
      where i.tenant_id = p_summary.tenant_id and x.encounter_id = p_summary.encounter_id
    ),
    'answers', coalesce(p_summary.sections -> 'stg_answers', '{}')
  )
  from clinical.encounters e
  join patient.patients p on p.tenant_id = e.tenant_id and p.id = e.patient_id
  join clinical.admissions a on a.tenant_id = e.tenant_id and a.id = p_summary.admission_id
  join facility.clinics c on c.tenant_id = e.tenant_id and c.id = e.clinic_id
  where e.tenant_id = p_summary.tenant_id and e.id = p_summary.encounter_id
$$;

comment on function clinical.stg_facts(clinical.discharge_summaries) is 'about=The facts of a stay that rules of guidelines may ask about: sex, age_years, class, payer_class, admission_type, care_class, los_days, discharge_kind, condition_at_discharge, icd10_codes, procedure_codes, medications, follow_up, has_advice, implants, and answers to questions.';

create function clinical.applicable_guidelines(p_icd10_codes text[], p_on date) returns setof uuid
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  -- of one code the tenant's own guideline stands before the shared one
  select distinct on (g.code) g.id
  from clinical.stg_guidelines g
  where
    (g.tenant_id is null or g.tenant_id = core.require_tenant()) and g.status = 'active' and g.effective @> p_on
    and exists (
      select
      from unnest(p_icd10_codes) as d (code), unnest(g.icd10_codes) as i (code)
      where d.code = i.code or starts_with(d.code, i.code || '.')
    )
  order by g.code, g.tenant_id nulls last
$$;

comment on function clinical.applicable_guidelines(text[], date) is 'about=The guidelines in force on a day for a list of ICD-10 codes; a guideline for I21 is for I21.0 as well.';

create function clinical.set_stg_status(p_summary clinical.discharge_summaries) returns clinical.discharge_summaries
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_states text[];
  v_status text;
  v_reason text;
  v_summary clinical.discharge_summaries;
begin
  select coalesce(array_agg(clinical.stg_status(g.id, 'discharge', p_summary.id, null)), '{}') into v_states
  from clinical.applicable_guidelines(
    array(select d.value ->> 'icd10' from jsonb_array_elements(p_summary.final_diagnoses) d), core.tenant_today()
  ) as g (id);
  v_status := case
    when 'not_checked' = any (v_states) then 'not_checked'
    when 'failed' = any (v_states) then 'failed'
    when 'waived' = any (v_states) then 'waived'
    when 'passed' = any (v_states) then 'passed'
    else 'not_applicable'
  end;
  if v_status = 'waived' then
    select r.waiver_reason into v_reason
    from clinical.stg_compliance_results r
    where
      r.tenant_id = p_summary.tenant_id and r.discharge_summary_id = p_summary.id and r.waiver_reason is not null
    order by r.evaluated_at desc
    limit 1;
  end if;
  if p_summary.stg_checked_at is not null and p_summary.stg_status = v_status
    and p_summary.stg_waiver_reason is not distinct from v_reason then
    return p_summary;
  end if;
  update clinical.discharge_summaries s
  set stg_status = v_status, stg_checked_at = now(), stg_waiver_reason = v_reason
  where s.tenant_id = p_summary.tenant_id and s.id = p_summary.id
  returning s.* into v_summary;
  return v_summary;
end
$$;

comment on function clinical.set_stg_status(clinical.discharge_summaries) is 'about=Derives the status of a summary from the last results of the guidelines that apply to it.';

create function clinical.evaluate_stg(p_summary_id uuid) returns clinical.discharge_summaries
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_summary clinical.discharge_summaries := clinical.lock_discharge_summary(p_summary_id);
  v_facts jsonb;
  v_documents text[];
  v_guideline uuid;
begin
  if v_summary.status not in ('draft', 'in_review') then
    return v_summary; -- what was approved was evaluated then
  end if;
  v_facts := clinical.stg_facts(v_summary);
  select coalesce(array_agg(distinct d.type_code), '{}') into v_documents
  from ehr.documents d
  where
    d.tenant_id = v_summary.tenant_id and d.encounter_id = v_summary.encounter_id and d.status = 'current'
    and d.deleted_at is null;
  for v_guideline in
    select g.id
    from clinical.applicable_guidelines(
      array(select c.value from jsonb_array_elements_text(v_facts -> 'icd10_codes') c), core.tenant_today()
    ) as g (id)
    order by g.id
  loop
    perform clinical.evaluate_stg_stage(v_guideline, 'discharge', p_summary_id, null, v_facts, v_documents);
  end loop;
  return clinical.set_stg_status(v_summary);
end
$$;

comment on function clinical.evaluate_stg(uuid) is 'about=Evaluates the guidelines that apply to the diagnoses of a discharge summary in work, from the summary, the stay and the types of its documents: one row a criterion in clinical.stg_compliance_results, and stg_status of the summary, which is returned. The same stay gives the same rows. IM005 no such summary.';

create function clinical.waive_stg_criterion(p_result_id uuid, p_reason text) returns clinical.stg_compliance_results
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_result clinical.stg_compliance_results;
  v_last clinical.stg_compliance_results;
  v_summary clinical.discharge_summaries;
  v_at timestamptz;
begin
  perform clinical.require_reason(p_reason, 'waiving a criterion');
  select r.* into v_result
  from clinical.stg_compliance_results r
  where r.tenant_id = v_tenant and r.id = p_result_id;
  if not found then
    raise exception 'result % does not exist', p_result_id
      using errcode = 'IM005', hint = 'take the id from clinical.stg_findings';
  end if;
  if v_result.discharge_summary_id is not null then
    v_summary := clinical.lock_discharge_summary(v_result.discharge_summary_id);
    if v_summary.status not in ('draft', 'in_review') then
      raise exception 'discharge summary % is %', v_summary.id, v_summary.status
        using errcode = 'IM001', hint = 'criteria are waived before the summary is approved';
    end if;
  end if;
  perform pg_advisory_xact_lock(
    hashtextextended('clinical.stg' || v_tenant || coalesce(v_result.discharge_summary_id, v_result.claim_id), 0)
  );
  select r.* into v_last
  from clinical.stg_compliance_results r
  where
    r.tenant_id = v_tenant and r.criterion_id = v_result.criterion_id
    and (r.discharge_summary_id = v_result.discharge_summary_id or r.claim_id = v_result.claim_id)
  order by r.evaluated_at desc
  limit 1;
  if v_last.waived_by is not null and v_last.input_hash = v_result.input_hash then
    return v_last; -- waived already
  end if;
  if v_last.id <> p_result_id or v_last.outcome not in ('fail', 'missing_data') then
    raise exception 'result % is not the last word on its criterion, or no failure', p_result_id
      using errcode = 'IM001', hint = 'evaluate again and waive what still fails';
  end if;

  v_at := clock_timestamp();
  insert into clinical.stg_compliance_results (
    tenant_id, discharge_summary_id, claim_id, guideline_id, criterion_id, outcome, evidence, input_hash, evaluated_at,
    engine_version, waived_by, waiver_reason
  )
  values (
    v_tenant, v_last.discharge_summary_id, v_last.claim_id, v_last.guideline_id, v_last.criterion_id, v_last.outcome,
    v_last.evidence, v_last.input_hash, v_at, v_last.engine_version, workforce.acting_doctor_id(), p_reason
  )
  returning * into v_last;
  if v_summary.id is not null then
    perform clinical.set_stg_status(v_summary);
  end if;
  return v_last;
end
$$;

comment on function clinical.waive_stg_criterion(uuid, text) is 'about=The doctor who is signed in waives a criterion that failed or could not be evaluated, with a reason: a new result row. It holds for the input that was evaluated. Asked again: the same row. IM001 it did not fail, was evaluated again since, or the summary is approved, IM002 no reason, IM005 no such result, IM006 the user is no doctor.';
