-- What must hold before a submission leaves. Each check raises its own code; the operations that submit call them.

create function insurance.date_of_claim(p_claim insurance.insurance_claims) returns date
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select billing.clinic_date(e.clinic_id)
  from clinical.encounters e
  where e.tenant_id = p_claim.tenant_id and e.id = p_claim.encounter_id
$$;

comment on function insurance.date_of_claim(insurance.insurance_claims) is 'about=The date of now in the clinic that a submission comes from.';

create function insurance.check_coverage(p_claim insurance.insurance_claims) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_hours int := (core.setting('insurance.eligibility_valid_hours') #>> '{}')::int;
begin
  if not exists (
    select
    from insurance.coverages c
    join insurance.payers p on p.id = c.payer_id
    where
      c.tenant_id = p_claim.tenant_id and c.id = p_claim.coverage_id and c.deleted_at is null and c.status = 'active'
      and c.period @> insurance.date_of_claim(p_claim) and p.status = 'active'
  ) then
    raise exception 'coverage % is not in force', p_claim.coverage_id
      using errcode = 'IM600', hint = 'state, dates and payer of the coverage must be good today';
  end if;
  if not exists (
    select
    from insurance.eligibility_checks e
    where
      e.tenant_id = p_claim.tenant_id and e.coverage_id = p_claim.coverage_id and e.status = 'complete' and e.inforce
      and (v_hours is null or e.responded_at > now() - make_interval(hours => v_hours))
  ) then
    raise exception 'coverage % was not checked recently', p_claim.coverage_id
      using errcode = 'IM600', hint = 'ask the payer with insurance.ask_eligibility';
  end if;
end
$$;

comment on function insurance.check_coverage(insurance.insurance_claims) is 'about=The coverage is active and in force, and the payer said so within setting insurance.eligibility_valid_hours, else IM600.';

create function insurance.check_authenticated(p_claim insurance.insurance_claims) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_stage text := core.setting('insurance.authentication_stages') ->> p_claim.use;
begin
  if p_claim.case_id is null or v_stage is null then
    return;
  end if;
  if not exists (
    select
    from insurance.beneficiary_authentications a
    where
      a.tenant_id = p_claim.tenant_id and a.encounter_id = p_claim.encounter_id and a.payer_id = p_claim.payer_id
      and a.stage = v_stage and a.status = 'authenticated' and coalesce(a.token_expires_at, 'infinity') > now()
  ) then
    raise exception 'the beneficiary of claim % was not authenticated for stage "%"', p_claim.id, v_stage
      using errcode = 'IM602', hint = 'use insurance.begin_authentication, or have an exception approved';
  end if;
end
$$;

comment on function insurance.check_authenticated(insurance.insurance_claims) is 'about=Submissions of a case need a valid authentication of the stage that setting insurance.authentication_stages names for their use, else IM602.';

create function insurance.accepted_papers(p_claim insurance.insurance_claims) returns setof insurance.claim_documents
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select d.*
  from insurance.claim_documents d
  where
    d.tenant_id = p_claim.tenant_id and d.accepted
    and (d.claim_id in (p_claim.id, p_claim.related_claim_id) or d.case_id = p_claim.case_id)
$$;

comment on function insurance.accepted_papers(insurance.insurance_claims) is 'about=Accepted papers of a submission, of the one that it follows, and of its whole case: the scheme takes a file once in a case.';

create function insurance.stg_facts(p_claim insurance.insurance_claims) returns jsonb
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'total_claimed', p_claim.total_claimed,
    'expected_los_days', p_claim.expected_los_days,
    'los_days', (
      select ceil(extract(epoch from upper(e.period) - lower(e.period)) / 86400)::int
      from clinical.encounters e
      where e.tenant_id = p_claim.tenant_id and e.id = p_claim.encounter_id
    ),
    'discharge_kind', (
      select s.discharge_kind
      from clinical.discharge_summaries s
      where s.tenant_id = p_claim.tenant_id and s.encounter_id = p_claim.encounter_id and s.status = 'final'
    ),
    'package_codes', (
      select coalesce(jsonb_agg(distinct b.package_code), '[]')
      from insurance.insurance_claim_items i
      join insurance.benefit_packages b on b.id = i.package_id
      where i.tenant_id = p_claim.tenant_id and i.claim_id = p_claim.id
    ),
    'icd10_codes', (
      select coalesce(jsonb_agg(d.value -> 'code'), '[]') from jsonb_array_elements(p_claim.diagnoses) as d (value)
    ),
    'answers', (
      select coalesce(jsonb_object_agg(d.code, d.questionnaire_response -> 'answer'), '{}')
      from insurance.accepted_papers(p_claim) d
      where d.questionnaire_response is not null
    )
  )
$$;

comment on function insurance.stg_facts(insurance.insurance_claims) is 'about=What this module knows for the rules of a guideline: total_claimed, expected_los_days, los_days, discharge_kind, package_codes, icd10_codes, and accepted answers by code.';

create function insurance.check_papers(p_claim insurance.insurance_claims, p_stage text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_guideline record;
  v_missing text;
begin
  for v_guideline in
    -- a guideline of the tenant comes before the shared one of the same code
    select distinct on (g.code) g.id, g.code
    from insurance.insurance_claim_items i
    join insurance.benefit_packages b on b.id = i.package_id
    join clinical.stg_guidelines g on g.code = b.stg_code
    where
      i.tenant_id = p_claim.tenant_id and i.claim_id = p_claim.id and g.status = 'active'
      and g.effective @> insurance.date_of_claim(p_claim) and (g.tenant_id is null or g.tenant_id = p_claim.tenant_id)
    order by g.code, g.tenant_id nulls last
  loop
    continue when clinical.evaluate_stg_claim(
      p_claim.id, v_guideline.id, p_stage, insurance.stg_facts(p_claim),
      array(
        select d.code from insurance.accepted_papers(p_claim) d where d.document_id is not null order by d.code
      )
    ) <> 'failed';
    select string_agg(c.code, ', ' order by c.seq) into v_missing
    from clinical.stg_criteria c
    cross join lateral (
      select r.outcome, r.waived_by
      from clinical.stg_compliance_results r
      where r.tenant_id = p_claim.tenant_id and r.claim_id = p_claim.id and r.criterion_id = c.id
      order by r.evaluated_at desc
      limit 1
    ) last
    where
      c.guideline_id = v_guideline.id and c.stage = p_stage and c.mandatory and c.kind in ('document', 'question')
      and last.outcome in ('fail', 'missing_data') and last.waived_by is null;
    if v_missing is not null then
      raise exception 'claim % lacks papers of guideline "%": %', p_claim.id, v_guideline.code, v_missing
        using errcode = 'IM603', hint = 'attach them and have them accepted, then submit again';
    end if;
    raise exception 'claim % does not meet guideline "%"', p_claim.id, v_guideline.code
      using errcode = 'IM610', hint = 'clinical.stg_criteria has the rules of stage ' || p_stage;
  end loop;
end
$$;

comment on function insurance.check_papers(insurance.insurance_claims, text) is 'about=Evaluates the guidelines of the packages at a stage; the results stay as evidence. IM603 papers or answers are missing (lists their codes), IM610 a rule is not met.';

create function insurance.document_hash(p_claim_id uuid) returns bytea
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select sha256(string_agg(d.sha256, ''::bytea order by d.seq))
  from insurance.claim_documents d
  where d.tenant_id = core.require_tenant() and d.claim_id = p_claim_id
$$;

comment on function insurance.document_hash(uuid) is 'about=SHA-256 over the papers of a submission in their order; null without papers.';

create function insurance.check_has_items(p_claim insurance.insurance_claims) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (
    select from insurance.insurance_claim_items i where i.tenant_id = p_claim.tenant_id and i.claim_id = p_claim.id
  ) then
    raise exception 'claim % has no lines', p_claim.id
      using errcode = 'IM603', hint = 'add them with insurance.set_claim_items';
  end if;
end
$$;

comment on function insurance.check_has_items(insurance.insurance_claims) is 'about=A submission has at least one line, else IM603.';
