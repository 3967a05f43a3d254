-- O29: what the payer decided. Locks message, case, submission (with its parent) and moves the state only for the
-- latest submission of a chain; every answer leaves a row in adjudication_events.

create function insurance.find_submission(p_correlation_id uuid, out claim_id uuid, out is_current boolean)
  returns record
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  select c.id, true into claim_id, is_current
  from insurance.insurance_claims c
  where c.tenant_id = v_tenant and c.correlation_id = p_correlation_id;
  if found then
    return;
  end if;
  -- an earlier submission of the same row: queried and answered since, or sent as another message
  select q.claim_id, false into claim_id, is_current
  from insurance.payer_queries q
  where q.tenant_id = v_tenant and q.correlation_id = p_correlation_id;
  if found then
    return;
  end if;
  select m.subject_id, false into claim_id, is_current
  from insurance.nhcx_messages m
  where
    m.tenant_id = v_tenant and m.direction = 'out' and m.correlation_id = p_correlation_id
    and m.subject_type = 'insurance_claims'
  limit 1;
end
$$;

comment on function insurance.find_submission(uuid) is 'about=The submission with a correlation id, and whether the id is that of its last message; nulls when there is none.';

create function insurance.answer_fits(p_claim insurance.insurance_claims, p_response jsonb) returns boolean
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_answer text := p_response ->> 'adjudication';
begin
  if v_answer = 'queried' then
    return p_response -> 'query' ->> 'text_enc' is not null;
  end if;
  if v_answer in ('approved', 'partially_approved') and (
    p_claim.use = 'preauthorization' and coalesce(p_response ->> 'pre_auth_ref', p_claim.pre_auth_ref) is null
    or (p_response ->> 'total_approved')::numeric > p_claim.total_claimed
    or v_answer = 'partially_approved' and not p_response ?| array['total_approved', 'items']
  ) then
    return false;
  end if;
  return not exists (
    select
    from jsonb_array_elements(p_response -> 'items') as e (value)
    left join insurance.insurance_claim_items i
      on i.tenant_id = p_claim.tenant_id and i.claim_id = p_claim.id and i.seq = (e.value ->> 'seq')::int
    where i.id is null or (e.value ->> 'approved_amount')::numeric > i.net
  );
end
$$;

comment on function insurance.answer_fits(insurance.insurance_claims, jsonb) is 'about=False when an answer approves more than was claimed, lacks the reference, the amount or the text of the query, or names an unknown line.';

create function insurance.write_item_decisions(p_claim insurance.insurance_claims, p_response jsonb) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_line jsonb;
begin
  -- without lines, the answer is that of every line
  if not p_response ? 'items' then
    update insurance.insurance_claim_items i
    set
      decision = case p_response ->> 'adjudication'
        when 'rejected' then 'rejected'
        when 'approved' then 'approved'
        else 'partial'
      end,
      approved_quantity = case when p_response ->> 'adjudication' = 'approved' then i.quantity end,
      approved_amount = case p_response ->> 'adjudication' when 'approved' then i.net when 'rejected' then 0 end
    where i.tenant_id = p_claim.tenant_id and i.claim_id = p_claim.id;
    return;
  end if;
  for v_line in
    select e.value from jsonb_array_elements(p_response -> 'items') as e (value) order by (e.value ->> 'seq')::int
  loop
    update insurance.insurance_claim_items i
    set
      decision = v_line ->> 'decision',
      approved_quantity = (v_line ->> 'approved_quantity')::numeric,
      approved_amount = coalesce(
        (v_line ->> 'approved_amount')::numeric,
        case v_line ->> 'decision' when 'approved' then i.net when 'rejected' then 0 end
      ),
      decision_reason = v_line ->> 'reason'
    where i.tenant_id = p_claim.tenant_id and i.claim_id = p_claim.id and i.seq = (v_line ->> 'seq')::int;
  end loop;
end
$$;

comment on function insurance.write_item_decisions(insurance.insurance_claims, jsonb) is 'about=Writes the payer''s decision on each line of a submission.';

create function insurance.raise_query(p_claim insurance.insurance_claims, p_query jsonb) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  insert into insurance.payer_queries (
    tenant_id, claim_id, query_no, raised_at, raised_by_role, text_enc, requested_documents, due_at, correlation_id
  )
  select
    p_claim.tenant_id, p_claim.id,
    (
      select coalesce(max(q.query_no), 0) + 1
      from insurance.payer_queries q
      where q.tenant_id = p_claim.tenant_id and q.claim_id = p_claim.id
    ),
    now(), coalesce(p_query ->> 'raised_by_role', 'PAYER'), insurance.bytes_of(p_query, 'text_enc'),
    p_query -> 'requested_documents', now() + make_interval(hours => p.query_response_hours), p_claim.correlation_id
  from insurance.payers p
  where p.id = p_claim.payer_id;
end
$$;

comment on function insurance.raise_query(insurance.insurance_claims, jsonb) is 'about=Opens a query {text_enc, raised_by_role, requested_documents} on a submission, due within the payer''s query_response_hours.';

create function insurance.apply_decision(p_claim insurance.insurance_claims, p_response jsonb, p_details jsonb)
  returns insurance.insurance_claims
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_claim insurance.insurance_claims := p_claim;
  v_parent insurance.insurance_claims;
  v_answer text := p_response ->> 'adjudication';
  v_role text := coalesce(p_response ->> 'actor_role', 'PAYER');
  v_was insurance.claim_status := p_claim.status;
begin
  if v_claim.status = 'dispatch_failed' or (v_claim.status = 'queried' and v_answer <> 'queried') then
    -- it arrived after all, or is decided without our answer
    update insurance.payer_queries q
    set status = 'withdrawn'
    where q.tenant_id = v_claim.tenant_id and q.claim_id = v_claim.id and q.status = 'open';
    v_claim := insurance.move_claim(v_claim, 'submitted', v_role, p_details);
  end if;
  update insurance.payer_queries q
  set status = 'closed'
  where q.tenant_id = v_claim.tenant_id and q.claim_id = v_claim.id and q.status = 'answered';

  update insurance.insurance_claims c
  set
    outcome = coalesce(p_response ->> 'outcome', 'complete'), adjudication = v_answer, dispatch_status = 'complete',
    -- a claim keeps that of its pre-authorisation: it tells what holds of the wallet for it
    pre_auth_ref = case
      when c.use = 'claim' then coalesce(c.pre_auth_ref, p_response ->> 'pre_auth_ref')
      else coalesce(p_response ->> 'pre_auth_ref', c.pre_auth_ref)
    end,
    payer_claim_ref = coalesce(p_response ->> 'payer_claim_ref', c.payer_claim_ref),
    auto_approved = coalesce((p_response ->> 'auto_approved')::boolean, false),
    reject_reason = coalesce(p_response -> 'reject_reason', c.reject_reason),
    deduction_reasons = coalesce(p_response -> 'deduction_reasons', c.deduction_reasons),
    total_approved = case
      when v_answer in ('approved', 'partially_approved') then insurance.approved_total(p_claim.id, p_response)
      when v_answer = 'rejected' then 0
      else c.total_approved
    end,
    total_deducted = case
      when v_answer in ('approved', 'partially_approved') then
        c.total_claimed - insurance.approved_total(p_claim.id, p_response)
      else c.total_deducted
    end,
    decided_at = case when v_answer = 'queried' then c.decided_at else now() end
  where c.tenant_id = v_claim.tenant_id and c.id = v_claim.id
  returning c.* into v_claim;
  update insurance.insurance_claims f
  set pre_auth_ref = v_claim.pre_auth_ref
  where
    f.tenant_id = v_claim.tenant_id and f.related_claim_id = v_claim.id and v_claim.use = 'preauthorization'
    and f.use = 'claim' and f.status in ('draft', 'ready') and f.pre_auth_ref is distinct from v_claim.pre_auth_ref;

  if v_answer = 'queried' then
    perform insurance.raise_query(v_claim, p_response -> 'query');
    v_claim := insurance.move_claim(v_claim, 'queried', v_role, p_details);
    if v_claim.use = 'claim' then
      perform insurance.follow_claim(v_claim.case_id, array['claim_initiated'], 'claim_queried');
    end if;
    return v_claim;
  end if;

  v_claim := insurance.move_claim(v_claim, v_answer::insurance.claim_status, v_role, p_details);
  if v_answer = 'rejected' then
    v_claim := insurance.set_hold(v_claim, 0);
    if v_claim.use = 'claim' then
      perform insurance.follow_claim(
        v_claim.case_id, array['claim_initiated', 'claim_queried', 'reprocess'], 'claim_rejected'
      );
    else
      perform insurance.follow_claim(v_claim.case_id, array['preauth_initiated'], 'preauth_rejected');
    end if;
    return v_claim;
  end if;

  select c.* into v_parent
  from insurance.insurance_claims c
  where c.tenant_id = v_claim.tenant_id and c.id = v_claim.related_claim_id and c.use = v_claim.use;
  -- what it takes the place of
  if v_parent.status in ('approved', 'partially_approved') then
    v_parent := insurance.set_hold(v_parent, 0);
    v_parent := insurance.move_claim(v_parent, 'superseded', 'SYSTEM');
  end if;
  if v_claim.use = 'claim' then
    perform insurance.follow_claim(
      v_claim.case_id, array['claim_initiated', 'claim_queried', 'reprocess'], 'claim_approved'
    );
  elsif v_was <> 'cancel_requested' then
    v_claim := insurance.set_hold(
      v_claim,
      case
        when v_claim.use <> 'preauthorization' then 0
        -- the claim of the approval before it holds that part, or was paid it
        when v_parent.status in ('utilised', 'closed') then greatest(v_claim.total_approved - v_parent.total_approved, 0)
        else v_claim.total_approved
      end
    );
    perform insurance.follow_claim(v_claim.case_id, array['preauth_initiated'], 'preauth_approved');
  end if;
  return v_claim;
end
$$;

comment on function insurance.apply_decision(insurance.insurance_claims, jsonb, jsonb) is 'about=Applies a decision, which the caller has checked, to a submission that it has locked: amounts, query, hold, the parent that it takes the place of, and the case.';

create function insurance.approved_total(p_claim_id uuid, p_response jsonb) returns numeric
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce((p_response ->> 'total_approved')::numeric, sum(i.approved_amount), 0)
  from insurance.insurance_claim_items i
  where i.tenant_id = core.require_tenant() and i.claim_id = p_claim_id
$$;

comment on function insurance.approved_total(uuid, jsonb) is 'about=What an answer approves in all: as it says, else the sum of its lines.';

create function insurance.respond(p_claim_id uuid, p_is_current boolean, p_response jsonb, p_message_id uuid)
  returns text
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_claim insurance.insurance_claims := insurance.lock_claim(p_claim_id);
  v_answer text := p_response ->> 'adjudication';
  v_cancelled boolean := (p_response ->> 'cancelled')::boolean;
  v_details jsonb := jsonb_strip_nulls(jsonb_build_object(
    'actor_name', p_response ->> 'actor_name', 'remarks', p_response ->> 'remarks', 'message_id', p_message_id,
    'amount', p_response ->> 'total_approved', 'raw', p_response - array['query', 'actor_name']
  ));
  v_role text := coalesce(p_response ->> 'actor_role', 'PAYER');
  v_latest boolean := p_is_current and not exists (
    select
    from insurance.insurance_claims f
    where
      f.tenant_id = v_claim.tenant_id and f.related_claim_id = v_claim.id and f.use = v_claim.use
      and f.status not in ('draft', 'ready', 'cancelled')
  );
begin
  if v_claim.status in ('draft', 'ready') then
    return 'IM001'; -- it was never submitted
  end if;
  -- queued, an answer to an older submission, or the same answer once more: noted, nothing moves
  if not v_latest or coalesce(p_response ->> 'outcome', 'complete') = 'queued'
    or v_answer = v_claim.status::text
    or (v_answer is null and v_cancelled is null and coalesce(p_response ->> 'outcome', 'complete') <> 'error')
  then
    perform insurance.note_claim(v_claim, v_claim.status::text, v_claim.status::text, v_role, v_details);
    return null;
  end if;
  if p_response ->> 'outcome' = 'error' then
    update insurance.insurance_claims c
    set outcome = 'error', dispatch_status = 'error', dispatch_error = p_response ->> 'error_code'
    where c.tenant_id = v_claim.tenant_id and c.id = v_claim.id
    returning c.* into v_claim;
    if v_claim.status = 'submitted' then
      perform insurance.move_claim(v_claim, 'dispatch_failed', v_role, v_details);
    else
      perform insurance.note_claim(v_claim, v_claim.status::text, v_claim.status::text, v_role, v_details);
    end if;
    return null;
  end if;

  if v_claim.status = 'cancel_requested' and v_cancelled is not null then
    if v_cancelled then
      v_claim := insurance.set_hold(v_claim, 0);
      perform insurance.move_claim(v_claim, 'cancelled', v_role, v_details);
      perform insurance.follow_claim(v_claim.case_id, array['preauth_initiated', 'preauth_approved'], 'identity_verified');
    else
      perform insurance.move_claim(v_claim, v_claim.adjudication::insurance.claim_status, v_role, v_details);
    end if;
    return null;
  end if;
  if v_cancelled is not null
    or v_claim.status not in ('submitted', 'dispatch_failed', 'queried', 'cancel_requested', 'reprocess_requested')
    or v_claim.status in ('cancel_requested', 'reprocess_requested') and v_answer = 'queried'
    or v_claim.status = 'cancel_requested' and v_answer = 'rejected'
  then
    return 'IM001';
  end if;
  if not insurance.answer_fits(v_claim, p_response) then
    return 'IM611';
  end if;
  if v_answer <> 'queried' then
    perform insurance.write_item_decisions(v_claim, p_response);
  end if;
  perform insurance.apply_decision(v_claim, p_response, v_details);
  return null;
end
$$;

comment on function insurance.respond(uuid, boolean, jsonb, uuid) is 'about=Applies a payer''s answer to a submission; returns null, or why it cannot be applied: IM001 the submission takes no such answer, IM611 the answer does not fit.';

create function insurance.check_response_keys(p_response jsonb) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform insurance.refuse_unknown_keys(
    p_response,
    array[
      'outcome', 'adjudication', 'cancelled', 'pre_auth_ref', 'payer_claim_ref', 'total_approved', 'auto_approved',
      'deduction_reasons', 'reject_reason', 'items', 'query', 'actor_role', 'actor_name', 'remarks', 'error_code'
    ]
  );
  if p_response ->> 'adjudication' not in ('approved', 'partially_approved', 'queried', 'rejected') then
    raise exception 'adjudication "%" is unknown', p_response ->> 'adjudication'
      using errcode = '22023', hint = 'use approved, partially_approved, queried or rejected';
  end if;
end
$$;

comment on function insurance.check_response_keys(jsonb) is 'about=Refuses an answer with a key or decision that is not known (22023).';

create function insurance.apply_payer_response(p_message_id uuid, p_response jsonb)
  returns table (message_id uuid, message_status text, failure_code text, claim_id uuid, claim_status text)
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_message insurance.nhcx_messages := insurance.lock_message(p_message_id, 'in');
  v_found record;
  v_failure text;
begin
  perform insurance.check_response_keys(p_response);
  v_found := insurance.find_submission(v_message.correlation_id);
  if v_message.status <> 'completed' then
    if v_message.status = 'failed' and exists (
      select
      from insurance.nhcx_messages m
      where
        m.tenant_id = v_message.tenant_id and m.direction = 'in' and m.correlation_id = v_message.correlation_id
        and m.api_path = v_message.api_path and m.payload_hash = v_message.payload_hash and m.status = 'completed'
    ) then
      v_failure := v_message.error_code; -- a later copy of it was applied
    else
      -- tried again from failed; both updates are one move when it was pending
      update insurance.nhcx_messages m
      set status = 'pending'
      where m.tenant_id = v_message.tenant_id and m.id = v_message.id and m.status = 'failed';
      update insurance.nhcx_messages m
      set status = 'processing'
      where m.tenant_id = v_message.tenant_id and m.id = v_message.id and m.status = 'pending';
      v_failure := case
        when v_found.claim_id is null then 'IM604'
        else insurance.respond(v_found.claim_id, v_found.is_current, p_response, v_message.id)
      end;
      if v_failure is null then
        perform insurance.finish_message(v_message.id, 'insurance_claims', v_found.claim_id);
      else
        perform insurance.park_message(v_message.id, v_failure);
      end if;
    end if;
  end if;
  return query
  select m.id, m.status, m.error_code, c.id, c.status::text
  from insurance.nhcx_messages m
  left join insurance.insurance_claims c
    -- not coalesce: it does not count as leakproof, and the join could not use the primary key
    on c.tenant_id = m.tenant_id and c.id = case when m.subject_id is null then v_found.claim_id else m.subject_id end
  where m.tenant_id = v_message.tenant_id and m.id = v_message.id;
end
$$;

comment on function insurance.apply_payer_response(uuid, jsonb) is 'about=Applies a stored answer of the exchange {outcome, adjudication, cancelled, pre_auth_ref, payer_claim_ref, total_approved, auto_approved, deduction_reasons, reject_reason, items: [{seq, decision, approved_quantity, approved_amount, reason}], query: {text_enc, raised_by_role, requested_documents}, actor_role, actor_name, remarks, error_code} to the submission with its correlation id. Applied once; an answer to an older submission is noted only. What cannot be applied is kept as failed with failure_code IM604 (unknown correlation id), IM001 (the submission takes no such answer) or IM611 (does not fit: more than claimed, no reference, an unknown line); call again to replay it. IM005 no such incoming message, 22023 unknown key or decision.';

create function insurance.record_payer_decision(p_claim_id uuid, p_response jsonb) returns insurance.insurance_claims
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_claim insurance.insurance_claims := insurance.lock_claim(p_claim_id);
  v_failure text;
begin
  perform insurance.check_response_keys(p_response);
  if v_claim.channel = 'nhcx' then
    raise exception 'claim % is answered by the exchange', p_claim_id
      using errcode = 'IM006', hint = 'use insurance.receive_message and insurance.apply_payer_response';
  end if;
  v_failure := insurance.respond(p_claim_id, true, p_response, null);
  if v_failure is not null then
    raise exception 'claim % takes no such answer while it is %', p_claim_id, v_claim.status
      using errcode = v_failure, hint = 'compare amounts, lines and reference with what was submitted';
  end if;
  return insurance.lock_claim(p_claim_id);
end
$$;

comment on function insurance.record_payer_decision(uuid, jsonb) is 'about=Enters what a payer decided outside the exchange (tms, portal, paper); keys as in insurance.apply_payer_response. The decision that it has already changes nothing. IM001 the submission takes no such answer, IM005 no such claim, IM006 the exchange answers it, IM611 the answer does not fit, 22023 unknown key or decision.';
