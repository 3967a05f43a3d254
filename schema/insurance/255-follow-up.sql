-- O30: what may follow a submission: a claim after its approval, an enhancement, a resubmission, the answer to a
-- query, a cancellation, a reprocess. The first three are submissions of their own; the others are new messages about
-- the same one, which gets a new correlation id so that late answers to the old one are told apart.

create function insurance.check_no_claim(p_preauth insurance.insurance_claims) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_claim_id uuid;
begin
  select c.id into v_claim_id
  from insurance.insurance_claims c
  where
    c.tenant_id = p_preauth.tenant_id and c.related_claim_id = p_preauth.id and c.relation = 'prior'
    and c.status not in ('draft', 'ready', 'cancelled');
  if found or p_preauth.status = 'utilised' then
    raise exception 'pre-authorisation % has claim %', p_preauth.id, v_claim_id
      using errcode = 'IM608', hint = 'follow the claim up instead';
  end if;
end
$$;

comment on function insurance.check_no_claim(insurance.insurance_claims) is 'about=A pre-authorisation whose claim was submitted is not changed any more (IM608).';

create function insurance.draft_follow_up(p_claim_id uuid, p_relation text, p_items jsonb default null)
  returns insurance.insurance_claims
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_parent insurance.insurance_claims := insurance.lock_claim(p_claim_id);
  v_use text := case p_relation when 'prior' then 'claim' else v_parent.use end;
  v_claim insurance.insurance_claims;
begin
  if p_relation not in ('prior', 'enhancement', 'resubmission') then
    raise exception 'nothing follows as "%"', p_relation
      using errcode = '22023', hint = 'use prior (a claim after its approval), enhancement or resubmission';
  end if;
  select c.* into v_claim
  from insurance.insurance_claims c
  where
    c.tenant_id = v_parent.tenant_id and c.related_claim_id = v_parent.id and c.use = v_use
    and (c.status in ('draft', 'ready', 'submitted', 'dispatch_failed', 'queried') or p_relation = 'prior')
    and c.status not in ('cancelled', 'closed', 'rejected', 'lapsed');
  if found and v_claim.relation = p_relation and v_claim.status in ('draft', 'ready') then
    return v_claim;
  end if;
  if found then
    raise exception '% % is followed by %', v_parent.use, v_parent.id, v_claim.id
      using errcode = 'IM608', hint = 'follow that one';
  end if;
  if p_relation in ('prior', 'enhancement') and v_parent.use <> 'preauthorization'
    or p_relation in ('prior', 'enhancement') and v_parent.status not in ('approved', 'partially_approved', 'utilised')
    or p_relation = 'resubmission' and v_parent.status not in ('approved', 'partially_approved', 'rejected')
  then
    raise exception 'no % follows a % that is %', p_relation, v_parent.use, v_parent.status
      using errcode = 'IM606', hint = 'claims and enhancements follow approvals, resubmissions follow decisions';
  end if;
  if v_parent.use = 'preauthorization' and p_relation <> 'prior' then
    perform insurance.check_no_claim(v_parent);
  end if;

  insert into insurance.insurance_claims (
    tenant_id, claim_number, use, case_id, patient_id, encounter_id, coverage_id, payer_id, related_claim_id, relation,
    channel, claim_type_code, sub_type, priority, billable_period, admission_at, expected_los_days, care_team, diagnoses,
    procedures, accident, pre_auth_ref, correlation_id
  )
  values (
    v_parent.tenant_id, insurance.next_claim_number(v_use), v_use, v_parent.case_id, v_parent.patient_id,
    v_parent.encounter_id, v_parent.coverage_id, v_parent.payer_id, v_parent.id, p_relation, v_parent.channel,
    v_parent.claim_type_code, v_parent.sub_type, v_parent.priority, v_parent.billable_period, v_parent.admission_at,
    v_parent.expected_los_days, v_parent.care_team, v_parent.diagnoses, v_parent.procedures, v_parent.accident,
    case when v_use = 'claim' then v_parent.pre_auth_ref end, core.uuid_v7()
  )
  returning * into v_claim;
  perform insurance.note_claim(v_claim, null, 'draft', 'PROVIDER');
  v_claim := insurance.write_items(v_claim, coalesce(p_items, insurance.copied_items(v_parent, p_relation = 'prior')));
  -- what cannot be submitted is better refused now than after the papers are in
  perform insurance.follow_parent(v_claim, v_use);
  return v_claim;
end
$$;

comment on function insurance.draft_follow_up(uuid, text, jsonb) is 'about=Drafts what follows a submission: prior (the claim after its approval, by default with the approved lines), enhancement (other item codes) or resubmission (the same ones, or any after a rejection). Asked again: the same draft. IM005 no such claim, IM606 it does not follow, IM607 package limit, IM608 another one follows already, or a claim exists, IM620 mix.';

create function insurance.copied_items(p_claim insurance.insurance_claims, p_as_approved boolean) returns jsonb
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    jsonb_agg(
      jsonb_strip_nulls(jsonb_build_object(
        'package_id', i.package_id, 'code_system', i.code_system, 'code', i.code, 'display', i.display,
        'stratification_code', i.stratification_code, 'implant_code', i.implant_code, 'implant_count', i.implant_count,
        'cycle_no', i.cycle_no, 'quantity', l.quantity, 'factor', i.factor, 'serviced_on', i.serviced_on,
        'unit_price', least(i.unit_price, trunc(l.approved / (l.quantity * i.factor), 2)),
        'diagnosis_seq', i.diagnosis_seq, 'charge_item_ids', i.charge_item_ids
      ))
      order by i.seq
    ),
    '[]'
  )
  from insurance.insurance_claim_items i
  cross join lateral (
    select
      case when p_as_approved then coalesce(nullif(i.approved_quantity, 0), i.quantity) else i.quantity end as quantity,
      case when p_as_approved then i.approved_amount end as approved
  ) l
  where
    i.tenant_id = p_claim.tenant_id and i.claim_id = p_claim.id
    and not (p_as_approved and i.decision is not distinct from 'rejected')
$$;

comment on function insurance.copied_items(insurance.insurance_claims, boolean) is 'about=The lines of a submission in the form that insurance.write_items reads: as they were, or as approved, without rejected ones and with price and quantity that come to no more than was approved.';

create function insurance.send_again(p_claim insurance.insurance_claims, p_code text) returns insurance.insurance_claims
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_correlation_id uuid := core.uuid_v7();
  v_claim insurance.insurance_claims;
begin
  update insurance.insurance_claims c
  set
    workflow_code = p_code, correlation_id = v_correlation_id, dispatch_status = 'pending', dispatched_at = null,
    dispatch_error = null, outcome = null,
    decision_due_at = now() + (
      select case
        when c.use = 'claim' then make_interval(days => insurance.settle_days(p_claim))
        else make_interval(mins => p.preauth_tat_minutes)
      end
      from insurance.payers p
      where p.id = p_claim.payer_id
    ),
    document_bundle_hash = insurance.document_hash(p_claim.id)
  where c.tenant_id = p_claim.tenant_id and c.id = p_claim.id
  returning c.* into v_claim;
  return v_claim;
end
$$;

comment on function insurance.send_again(insurance.insurance_claims, text) is 'about=Prepares the next message about a submission: new correlation id, its workflow code, the payer''s clock from now.';

create function insurance.answer_query(p_query_id uuid, p_answer_enc bytea, p_document_ids uuid[] default '{}')
  returns insurance.insurance_claims
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_query insurance.payer_queries;
  v_claim insurance.insurance_claims;
  v_code text;
begin
  select q.* into v_query from insurance.payer_queries q where q.tenant_id = v_tenant and q.id = p_query_id;
  if not found then
    raise exception 'query % does not exist', p_query_id
      using errcode = 'IM005', hint = 'choose a query of the tenant';
  end if;
  v_claim := insurance.lock_claim(v_query.claim_id);
  select q.* into v_query from insurance.payer_queries q where q.tenant_id = v_tenant and q.id = p_query_id;
  if v_query.status in ('answered', 'closed') then
    return v_claim;
  end if;
  if v_query.status <> 'open' then
    raise exception 'query % is %', p_query_id, v_query.status
      using errcode = 'IM001', hint = 'a query that lapsed or was withdrawn takes no answer';
  end if;
  v_code := insurance.resolve_workflow(v_claim.use, v_claim.use, 'queried', v_claim.workflow_code);
  update insurance.payer_queries q
  set
    status = 'answered', answered_at = now(), answered_by = core.current_user_id(), answer_enc = p_answer_enc,
    answer_document_ids = p_document_ids
  where q.tenant_id = v_tenant and q.id = p_query_id;
  v_claim := insurance.send_again(v_claim, v_code);
  v_claim := insurance.move_claim(v_claim, 'submitted', 'MEDCO');
  perform insurance.follow_claim(v_claim.case_id, array['claim_queried'], 'claim_initiated');
  return v_claim;
end
$$;

comment on function insurance.answer_query(uuid, bytea, uuid[]) is 'about=Answers a payer''s query: the submission goes out again with a new correlation id and the workflow code of a reply. Answering again changes nothing. IM001 lapsed or withdrawn, IM005 no such query, IM606 no code for the reply.';

create function insurance.request_cancellation(p_claim_id uuid, p_reason text) returns insurance.insurance_claims
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_claim insurance.insurance_claims := insurance.lock_claim(p_claim_id);
  v_code text;
begin
  if v_claim.status in ('cancelled', 'cancel_requested') then
    return v_claim;
  end if;
  if coalesce(btrim(p_reason), '') = '' then
    raise exception 'cancelling claim % needs a reason', p_claim_id using errcode = 'IM002', hint = 'say why in p_reason';
  end if;
  perform core.set_reason(p_reason);
  if v_claim.status not in ('draft', 'ready', 'dispatch_failed') then
    if v_claim.use <> 'claim' then
      perform insurance.check_no_claim(v_claim);
    end if;
    v_code := insurance.resolve_workflow('cancel', v_claim.use, v_claim.adjudication, v_claim.workflow_code);
    v_claim := insurance.send_again(v_claim, v_code);
  end if;
  update insurance.insurance_claims c
  set cancel_reason = p_reason
  where c.tenant_id = v_claim.tenant_id and c.id = v_claim.id
  returning c.* into v_claim;
  if v_code is not null then
    return insurance.move_claim(v_claim, 'cancel_requested', 'MEDCO', jsonb_build_object('remarks', p_reason));
  end if;
  -- it never reached the payer
  v_claim := insurance.set_hold(v_claim, 0);
  v_claim := insurance.move_claim(v_claim, 'cancelled', 'MEDCO', jsonb_build_object('remarks', p_reason));
  if v_claim.use <> 'claim' and v_claim.relation is null then
    perform insurance.follow_claim(v_claim.case_id, array['preauth_initiated'], 'identity_verified');
  end if;
  return v_claim;
end
$$;

comment on function insurance.request_cancellation(uuid, text) is 'about=Cancels a draft, or one that could not be sent, at once; asks the payer to cancel an approved pre-authorisation, whose hold lasts until the answer. Claims that were sent are not cancelled. IM001 too far on, IM002 no reason, IM005 no such claim, IM606 no cancellation of this, IM608 a claim exists.';

create function insurance.request_reprocess(p_claim_id uuid, p_reason text) returns insurance.insurance_claims
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_claim insurance.insurance_claims := insurance.lock_claim(p_claim_id);
  v_code text;
begin
  if v_claim.status = 'reprocess_requested' then
    return v_claim;
  end if;
  if coalesce(btrim(p_reason), '') = '' then
    raise exception 'reprocessing claim % needs a reason', p_claim_id
      using errcode = 'IM002', hint = 'say why in p_reason';
  end if;
  v_code := insurance.resolve_workflow('reprocess', v_claim.use, v_claim.adjudication, v_claim.workflow_code);
  perform core.set_reason(p_reason);
  v_claim := insurance.send_again(v_claim, v_code);
  v_claim := insurance.move_claim(v_claim, 'reprocess_requested', 'MEDCO', jsonb_build_object('remarks', p_reason));
  perform insurance.follow_claim(v_claim.case_id, array['claim_rejected', 'claim_approved'], 'reprocess');
  return v_claim;
end
$$;

comment on function insurance.request_reprocess(uuid, text) is 'about=Asks the payer to decide a decided claim again. IM001 paid or closed, IM002 no reason, IM005 no such claim, IM606 not decided, or no claim.';

create function insurance.lapse_queries(p_limit int default 1000) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_due record;
  v_claim insurance.insurance_claims;
  v_lapsed int := 0;
begin
  for v_due in
    select q.id, q.claim_id
    from insurance.payer_queries q
    where q.tenant_id = v_tenant and q.status = 'open' and q.due_at <= now()
    order by q.due_at, q.id
    limit p_limit
  loop
    v_claim := insurance.lock_claim(v_due.claim_id);
    update insurance.payer_queries q
    set status = 'lapsed'
    where q.tenant_id = v_tenant and q.id = v_due.id and q.status = 'open';
    continue when not found or v_claim.status <> 'queried'; -- answered meanwhile
    v_claim := insurance.set_hold(v_claim, 0);
    perform insurance.move_claim(v_claim, 'lapsed', 'SYSTEM');
    perform insurance.follow_claim(v_claim.case_id, array['claim_queried'], 'claim_rejected');
    if v_claim.use <> 'claim' and v_claim.relation is null then
      perform insurance.follow_claim(v_claim.case_id, array['preauth_initiated'], 'identity_verified');
    end if;
    v_lapsed := v_lapsed + 1;
  end loop;
  return v_lapsed;
end
$$;

comment on function insurance.lapse_queries(int) is 'about=Ends up to p_limit queries whose time has passed without an answer, with their submissions, gives back what these held, and returns how many. For a job that runs every few minutes.';

create function insurance.announce_overdue(p_limit int default 1000) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_claim insurance.insurance_claims;
  v_announced int := 0;
begin
  for v_claim in
    select c.*
    from insurance.insurance_claims c
    where
      c.tenant_id = v_tenant and c.status in ('submitted', 'cancel_requested', 'reprocess_requested')
      and c.decision_due_at <= now()
      and (c.overdue_announced_at is null or c.overdue_announced_at < c.decision_due_at)
    order by c.decision_due_at, c.id
    limit p_limit
    for no key update skip locked
  loop
    update insurance.insurance_claims c
    set overdue_announced_at = now()
    where c.tenant_id = v_tenant and c.id = v_claim.id;
    perform core.enqueue('claim', v_claim.id, 'claim.overdue.v1', jsonb_build_object('id', v_claim.id));
    v_announced := v_announced + 1;
  end loop;
  return v_announced;
end
$$;

comment on function insurance.announce_overdue(int) is 'about=Event claim.overdue.v1 for up to p_limit submissions that the payer should have decided by now, once for each decision_due_at, and returns how many. For a job that runs every few minutes.';
