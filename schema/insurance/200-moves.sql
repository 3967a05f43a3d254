-- How the operations of this module lock and move cases and submissions. A move and its row in adjudication_events
-- are written together, so that turn-around reports miss nothing.

create function insurance.lock_case(p_case_id uuid) returns insurance.pmjay_cases
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_case insurance.pmjay_cases;
begin
  select c.* into v_case
  from insurance.pmjay_cases c
  where c.tenant_id = v_tenant and c.id = p_case_id
  for no key update;
  if not found then
    raise exception 'case % does not exist', p_case_id
      using errcode = 'IM005', hint = 'choose a case of the tenant';
  end if;
  return v_case;
end
$$;

comment on function insurance.lock_case(uuid) is 'about=The case, locked until the transaction ends. IM005 no such case.';

create function insurance.lock_claim(p_claim_id uuid) returns insurance.insurance_claims
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_claim insurance.insurance_claims;
begin
  -- case and parent of a submission never change, so they can be read before anything is locked
  select c.* into v_claim from insurance.insurance_claims c where c.tenant_id = v_tenant and c.id = p_claim_id;
  if not found then
    raise exception 'claim % does not exist', p_claim_id
      using errcode = 'IM005', hint = 'choose a pre-authorisation or claim of the tenant';
  end if;
  if v_claim.case_id is not null then
    perform insurance.lock_case(v_claim.case_id);
  end if;
  perform
  from insurance.insurance_claims c
  where c.tenant_id = v_tenant and c.id in (p_claim_id, v_claim.related_claim_id)
  order by c.id
  for no key update;
  select c.* into v_claim from insurance.insurance_claims c where c.tenant_id = v_tenant and c.id = p_claim_id;
  return v_claim;
end
$$;

comment on function insurance.lock_claim(uuid) is 'about=The submission, locked with its case and the submission that it follows until the transaction ends. IM005 no such claim.';

create function insurance.note_claim(
  p_claim insurance.insurance_claims,
  p_from text,
  p_to text,
  p_role text,
  p_details jsonb default '{}'
) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  insert into insurance.adjudication_events (
    tenant_id, case_id, claim_id, from_status, to_status, actor_role, actor_name, actor_user_id, workflow_code, amount,
    remarks, message_id, raw
  )
  values (
    p_claim.tenant_id, p_claim.case_id, p_claim.id, p_from, p_to, p_role, p_details ->> 'actor_name',
    case when p_role in ('PROVIDER', 'PMAM', 'MEDCO') then core.current_user_id() end, p_claim.workflow_code,
    coalesce((p_details ->> 'amount')::numeric, p_claim.total_approved, p_claim.total_claimed), p_details ->> 'remarks',
    (p_details ->> 'message_id')::uuid, p_details -> 'raw'
  );
end
$$;

comment on function insurance.note_claim(insurance.insurance_claims, text, text, text, jsonb) is 'about=Writes the event of a submission: states, role, and {actor_name, amount, remarks, message_id, raw}.';

create function insurance.move_claim(
  p_claim insurance.insurance_claims,
  p_to insurance.claim_status,
  p_role text,
  p_details jsonb default '{}'
) returns insurance.insurance_claims
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_claim insurance.insurance_claims;
begin
  update insurance.insurance_claims c
  set status = p_to
  where c.tenant_id = p_claim.tenant_id and c.id = p_claim.id
  returning c.* into v_claim;
  perform insurance.note_claim(v_claim, p_claim.status::text, p_to::text, p_role, p_details);
  return v_claim;
end
$$;

comment on function insurance.move_claim(insurance.insurance_claims, insurance.claim_status, text, jsonb) is 'about=Moves a submission that the caller has locked and writes its event. IM001 no such move, IM002 the move needs a reason.';

create function insurance.move_case(p_case_id uuid, p_to text, p_role text default 'SYSTEM') returns insurance.pmjay_cases
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_case insurance.pmjay_cases := insurance.lock_case(p_case_id);
  v_from text := v_case.status;
begin
  update insurance.pmjay_cases c
  set status = p_to
  where c.tenant_id = v_case.tenant_id and c.id = v_case.id
  returning c.* into v_case;
  insert into insurance.adjudication_events (
    tenant_id, case_id, from_status, to_status, actor_role, actor_user_id, amount, remarks
  )
  values (
    v_case.tenant_id, v_case.id, v_from, p_to, p_role, core.current_user_id(), v_case.wallet_blocked,
    core.current_reason()
  );
  return v_case;
end
$$;

comment on function insurance.move_case(uuid, text, text) is 'about=Moves a case and writes its event. IM001 no such move, IM002 the move needs a reason, IM005 no such case.';

create function insurance.follow_claim(p_case_id uuid, p_from text[], p_to text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (
    select
    from insurance.pmjay_cases c
    where c.tenant_id = core.require_tenant() and c.id = p_case_id and c.status = any (p_from)
  ) then
    perform insurance.move_case(p_case_id, p_to);
  end if;
end
$$;

comment on function insurance.follow_claim(uuid, text[], text) is 'about=Moves the case of a submission on, when there is one and it stands in one of the states; a case under treatment, for example, stays there whatever its enhancement does.';

create function insurance.bytes_of(p_object jsonb, p_key text) returns bytea
  language plpgsql
  immutable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_object ->> p_key !~ '^\\x([0-9a-fA-F]{2})+$' then
    raise exception '"%" must be bytes in hexadecimal', p_key
      using errcode = '22023', hint = 'encrypt in the application and send \x and two digits a byte; never plain text';
  end if;
  return (p_object ->> p_key)::bytea;
end
$$;

comment on function insurance.bytes_of(jsonb, text) is 'about=Bytes of one key of an object, written as PostgreSQL writes bytea (\x00ff). 22023 anything else.';

create function insurance.refuse_unknown_keys(p_object jsonb, p_known text[]) returns void
  language plpgsql
  immutable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_key text;
begin
  select k.key into v_key from jsonb_object_keys(p_object) as k (key) where k.key <> all (p_known) limit 1;
  if v_key is not null then
    raise exception 'unknown key "%"', v_key
      using errcode = '22023', hint = 'known keys: ' || array_to_string(p_known, ', ');
  end if;
end
$$;

comment on function insurance.refuse_unknown_keys(jsonb, text[]) is 'about=Raises 22023 for a key that is not in the list: a misspelt amount must not count as none.';
