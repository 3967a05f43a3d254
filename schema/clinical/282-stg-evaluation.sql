-- Evaluation of a guideline: one result row a criterion, from frozen facts and documents only. The same input gives the
-- rows that are there already, so an evaluation may be asked for as often as one likes.

create function clinical.stg_status(
  p_guideline_id uuid,
  p_stage text,
  p_discharge_summary_id uuid,
  p_claim_id uuid
) returns text
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when count(*) = 0 then 'not_applicable'
    when bool_or(r.outcome is null) then 'not_checked'
    when bool_or(c.mandatory and r.outcome in ('fail', 'missing_data') and r.waived_by is null) then 'failed'
    when bool_or(c.mandatory and r.waived_by is not null) then 'waived'
    else 'passed'
  end
  from clinical.stg_criteria c
  left join lateral (
    select l.outcome, l.waived_by
    from clinical.stg_compliance_results l
    where
      l.tenant_id = core.require_tenant() and l.criterion_id = c.id
      and (l.discharge_summary_id = p_discharge_summary_id or l.claim_id = p_claim_id)
    order by l.evaluated_at desc
    limit 1
  ) r on true
  where
    c.guideline_id = p_guideline_id and c.stage = p_stage
    and (c.tenant_id is null or c.tenant_id = core.require_tenant())
$$;

comment on function clinical.stg_status(uuid, text, uuid, uuid) is 'about=Arguments (guideline, stage, discharge summary or null, claim or null): not_applicable without criteria, not_checked, failed, waived, or passed.';

create function clinical.evaluate_stg_stage(
  p_guideline_id uuid,
  p_stage text,
  p_discharge_summary_id uuid,
  p_claim_id uuid,
  p_facts jsonb,
  p_documents text[]
) returns text
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_engine constant text := '1';
  v_guideline record;
  v_facts jsonb;
  v_hash bytea;
  v_at timestamptz;
  v_criterion record;
  v_applies boolean;
  v_outcome text;
  v_evidence jsonb;
  v_answer jsonb;
begin
  select g.id, g.code, g.version, g.min_los_days, g.max_los_days, g.day_care_allowed into v_guideline
  from clinical.stg_guidelines g
  where g.id = p_guideline_id and (g.tenant_id is null or g.tenant_id = v_tenant) and g.status in ('active', 'retired');
  if not found then
    raise exception 'guideline % does not exist or is not in force', p_guideline_id
      using errcode = 'IM005', hint = 'choose an active row of clinical.stg_guidelines';
  end if;
  v_facts := coalesce(p_facts, '{}') || jsonb_build_object(
    'guideline',
    jsonb_build_object(
      'min_los_days', v_guideline.min_los_days, 'max_los_days', v_guideline.max_los_days,
      'day_care_allowed', v_guideline.day_care_allowed
    )
  );
  select sha256(convert_to(
    jsonb_build_array(
      v_engine, p_guideline_id, p_stage, v_facts, (select jsonb_agg(d order by d) from unnest(p_documents) as d)
    )::text,
    'UTF8'
  ))
  into v_hash;

  -- two that evaluate the same thing: the second finds the rows of the first
  perform pg_advisory_xact_lock(
    hashtextextended('clinical.stg' || v_tenant || coalesce(p_discharge_summary_id, p_claim_id), 0)
  );
  -- after the lock, and later than every row that an evaluation before this one wrote
  v_at := clock_timestamp();
  for v_criterion in
    select c.id, c.code, c.kind, c.document_type, c.expression, c.expected, c.applies_when, l.input_hash
    from clinical.stg_criteria c
    left join lateral (
      select r.input_hash
      from clinical.stg_compliance_results r
      where
        r.tenant_id = v_tenant and r.criterion_id = c.id
        and (r.discharge_summary_id = p_discharge_summary_id or r.claim_id = p_claim_id)
      order by r.evaluated_at desc
      limit 1
    ) l on true
    where
      c.guideline_id = p_guideline_id and c.stage = p_stage and (c.tenant_id is null or c.tenant_id = v_tenant)
    order by c.seq, c.tenant_id nulls first
  loop
    continue when v_criterion.input_hash = v_hash;
    v_applies := v_criterion.applies_when is null or clinical.stg_test(v_criterion.applies_when, v_facts);
    v_evidence := '{}';
    if not v_applies then
      v_outcome := 'not_applicable';
    elsif v_applies is null then
      v_outcome := 'missing_data';
    elsif v_criterion.kind = 'document' then
      v_outcome := case when v_criterion.document_type = any (p_documents) then 'pass' else 'fail' end;
      v_evidence := jsonb_build_object('document_type', v_criterion.document_type);
    elsif v_criterion.kind = 'question' then
      v_answer := nullif(v_facts -> 'answers' -> v_criterion.code, 'null');
      v_outcome := case
        when v_answer is null then 'missing_data'
        when v_criterion.expected is null or v_criterion.expected = v_answer then 'pass'
        when jsonb_typeof(v_criterion.expected) = 'array' and v_criterion.expected @> jsonb_build_array(v_answer) then 'pass'
        else 'fail'
      end;
      v_evidence := jsonb_build_object('answer', v_answer, 'expected', v_criterion.expected);
    else
      v_outcome := case clinical.stg_test(v_criterion.expression, v_facts)
        when true then 'pass'
        when false then 'fail'
        else 'missing_data'
      end;
    end if;
    if v_criterion.kind = 'rule' or v_criterion.applies_when is not null then
      v_evidence := v_evidence || jsonb_build_object(
        'facts',
        (
          select jsonb_object_agg(f.path, v_facts #> string_to_array(f.path, '.'))
          from (
            select distinct p.path #>> '{}' as path
            from jsonb_path_query(
              jsonb_build_array(v_criterion.expression, v_criterion.applies_when), 'strict $.** ? (@.fact != null).fact'
            ) as p (path)
          ) f
        )
      );
    end if;
    insert into clinical.stg_compliance_results (
      tenant_id, discharge_summary_id, claim_id, guideline_id, criterion_id, outcome, evidence, input_hash, evaluated_at,
      engine_version
    )
    values (
      v_tenant, p_discharge_summary_id, p_claim_id, p_guideline_id, v_criterion.id, v_outcome, v_evidence, v_hash, v_at,
      v_engine
    );
  end loop;
  return clinical.stg_status(p_guideline_id, p_stage, p_discharge_summary_id, p_claim_id);
end
$$;

comment on function clinical.evaluate_stg_stage(uuid, text, uuid, uuid, jsonb, text[]) is 'about=Evaluates the criteria of a guideline at a stage for a discharge summary or a claim and returns the status as clinical.stg_status does. IM003 no tenant, IM005 no such guideline, or not in force.';

create function clinical.evaluate_stg_claim(
  p_claim_id uuid,
  p_guideline_id uuid,
  p_stage text,
  p_facts jsonb,
  p_documents text[]
) returns text
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_stage not in ('preauth', 'treatment', 'discharge', 'claim') then
    raise exception 'stage "%" is unknown', p_stage
      using errcode = '22023', hint = 'use preauth, treatment, discharge or claim';
  end if;
  return clinical.evaluate_stg_stage(p_guideline_id, p_stage, null, p_claim_id, p_facts, p_documents);
end
$$;

comment on function clinical.evaluate_stg_claim(uuid, uuid, text, jsonb, text[]) is 'about=Evaluates a guideline for a pre-authorisation or claim: p_facts as the service of claims knows them (answers to questions under answers.<code>, los_days, icd10_codes, package_codes, ...), p_documents the types of its documents. Writes one result row a criterion and returns not_applicable, failed, waived or passed; the same input writes nothing new. Called by the service of claims, not by applications. IM005 no such guideline, or not in force.';

create function clinical.stg_claim_status(p_claim_id uuid, p_guideline_id uuid, p_stage text) returns text
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$ select clinical.stg_status(p_guideline_id, p_stage, null, p_claim_id) $$;

comment on function clinical.stg_claim_status(uuid, uuid, text) is 'about=What the last evaluation of a claim gave, waivers since then included: not_checked, not_applicable, failed, waived or passed. For the service of claims.';
