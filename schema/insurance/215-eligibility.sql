-- O28, first half: is the coverage in force, and what has its wallet left? The question leaves through the outbox
-- (eligibility.requested.v1); the answer is applied by insurance.apply_eligibility_answer, whatever way it comes.

create function insurance.ask_eligibility(
  p_payer_id uuid,
  p_patient_id uuid,
  p_coverage_id uuid default null,
  p_encounter_id uuid default null,
  p_purposes text[] default '{validation}',
  p_items jsonb default '[]',
  p_correlation_id uuid default null
) returns insurance.eligibility_checks
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_correlation_id uuid := coalesce(p_correlation_id, core.uuid_v7());
  v_check insurance.eligibility_checks;
begin
  select e.* into v_check
  from insurance.eligibility_checks e
  where e.tenant_id = v_tenant and e.correlation_id = v_correlation_id;
  if found then
    return v_check;
  end if;
  if p_coverage_id is not null and not exists (
    select
    from insurance.coverages c
    where c.tenant_id = v_tenant and c.id = p_coverage_id and c.payer_id = p_payer_id and c.deleted_at is null
  ) then
    raise exception 'coverage % is none of payer %', p_coverage_id, p_payer_id
      using errcode = 'IM005', hint = 'choose a coverage of that payer, or ask with the purpose discovery';
  end if;
  insert into insurance.eligibility_checks (
    tenant_id, request_number, coverage_id, patient_id, encounter_id, payer_id, purposes, items, correlation_id
  )
  values (
    v_tenant, core.next_default_number('eligibility', '', 'ELG-{YY}-'), p_coverage_id, p_patient_id,
    p_encounter_id, p_payer_id, p_purposes, p_items, v_correlation_id
  )
  on conflict (tenant_id, correlation_id) do nothing
  returning * into v_check;
  if not found then
    select e.* into v_check
    from insurance.eligibility_checks e
    where e.tenant_id = v_tenant and e.correlation_id = v_correlation_id;
  end if;
  return v_check;
end
$$;

comment on function insurance.ask_eligibility(uuid, uuid, uuid, uuid, text[], jsonb, uuid) is 'about=Asks a payer about a coverage, or with purpose discovery whether there is one. The same correlation id gives the same check. IM003 no tenant, IM005 no such coverage of the payer.';

create function insurance.apply_eligibility_answer(
  p_correlation_id uuid,
  p_answer jsonb,
  p_message_id uuid default null
) returns insurance.eligibility_checks
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_check insurance.eligibility_checks;
  v_outcome text := p_answer ->> 'outcome';
  v_balance numeric(14, 2) := (p_answer ->> 'balance')::numeric;
  v_wallet uuid[];
  v_approved numeric;
begin
  perform insurance.refuse_unknown_keys(
    p_answer,
    array['outcome', 'inforce', 'balance', 'required_documents', 'required_questionnaires', 'disposition', 'error']
  );
  select e.* into v_check
  from insurance.eligibility_checks e
  where e.tenant_id = v_tenant and e.correlation_id = p_correlation_id
  for no key update;
  if not found then
    raise exception 'no eligibility check has correlation id %', p_correlation_id
      using errcode = 'IM604', hint = 'keep the message and apply it again when the check is known';
  end if;
  if v_check.status = 'complete' then
    return v_check;
  end if;
  if v_check.status in ('pending', 'error') then -- answered before the sender told that it had left, or after all
    update insurance.eligibility_checks e
    set status = 'awaiting', sent_at = coalesce(e.sent_at, now())
    where e.tenant_id = v_tenant and e.id = v_check.id;
  end if;

  update insurance.eligibility_checks e
  set
    status = case when v_outcome = 'queued' then 'awaiting' else v_outcome end,
    outcome = v_outcome,
    responded_at = now(),
    inforce = coalesce((p_answer ->> 'inforce')::boolean, e.inforce),
    balance = coalesce(v_balance, e.balance),
    required_documents = coalesce(p_answer -> 'required_documents', e.required_documents),
    required_questionnaires = coalesce(p_answer -> 'required_questionnaires', e.required_questionnaires),
    disposition = coalesce(p_answer ->> 'disposition', e.disposition),
    error = p_answer -> 'error'
  where e.tenant_id = v_tenant and e.id = v_check.id
  returning e.* into v_check;

  if v_balance is not null and v_check.coverage_id is not null then
    v_wallet := insurance.lock_wallet(v_check.coverage_id);
    -- the payer's figure is what remains after its approvals; ours is before all holds
    select coalesce(sum(c.wallet_hold), 0) into v_approved
    from insurance.insurance_claims c
    where
      c.tenant_id = v_tenant and c.coverage_id = any (v_wallet) and c.wallet_hold > 0
      and c.status in ('approved', 'partially_approved', 'utilised');
    update insurance.coverages c
    set balance = v_balance + v_approved, balance_checked_at = now()
    where c.tenant_id = v_tenant and c.id = any (v_wallet);
  end if;
  perform insurance.finish_message(p_message_id, 'eligibility_checks', v_check.id);
  return v_check;
end
$$;

comment on function insurance.apply_eligibility_answer(uuid, jsonb, uuid) is 'about=Applies a payer''s answer {outcome, inforce, balance, required_documents, required_questionnaires, disposition, error} to the check with that correlation id, and its balance to the wallet; p_message_id is the envelope that brought it. A complete check stays as it is. IM003 no tenant, IM604 no such correlation id, 22023 an unknown key.';
