-- Proof that the beneficiary is present, per stage. The authentication service sees the finger or face; what comes
-- here is its transaction id and, encrypted by the application, its token.

create function insurance.lock_authentication(p_authentication_id uuid) returns insurance.beneficiary_authentications
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_authentication insurance.beneficiary_authentications;
begin
  select a.* into v_authentication
  from insurance.beneficiary_authentications a
  where a.tenant_id = v_tenant and a.id = p_authentication_id
  for no key update;
  if not found then
    raise exception 'authentication % does not exist', p_authentication_id
      using errcode = 'IM005', hint = 'begin it with insurance.begin_authentication';
  end if;
  return v_authentication;
end
$$;

comment on function insurance.lock_authentication(uuid) is 'about=The authentication, locked until the transaction ends. IM005 no such authentication.';

create function insurance.begin_authentication(
  p_encounter_id uuid,
  p_payer_id uuid,
  p_stage text,
  p_method text,
  p_txn_id text
) returns insurance.beneficiary_authentications
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_patient_id uuid;
  v_authentication insurance.beneficiary_authentications;
begin
  if p_method = 'exception' then
    raise exception 'an exception is not begun'
      using errcode = 'IM006', hint = 'begin a method, then have the exception approved';
  end if;
  select e.patient_id into v_patient_id
  from clinical.encounters e
  where e.tenant_id = v_tenant and e.id = p_encounter_id and e.deleted_at is null;
  if not found then
    raise exception 'encounter % does not exist', p_encounter_id
      using errcode = 'IM005', hint = 'choose an encounter of the tenant';
  end if;
  select a.* into v_authentication
  from insurance.beneficiary_authentications a
  where
    a.tenant_id = v_tenant and a.encounter_id = p_encounter_id and a.payer_id = p_payer_id and a.stage = p_stage
    and (a.txn_id = p_txn_id or a.status = 'authenticated' and coalesce(a.token_expires_at, 'infinity') > now());
  if found then
    return v_authentication;
  end if;
  insert into insurance.beneficiary_authentications (tenant_id, encounter_id, patient_id, payer_id, stage, method, txn_id)
  values (v_tenant, p_encounter_id, v_patient_id, p_payer_id, p_stage, p_method, p_txn_id)
  returning * into v_authentication;
  return v_authentication;
end
$$;

comment on function insurance.begin_authentication(uuid, uuid, text, text, text) is 'about=Begins an authentication at a stage; the same transaction, or one that holds already, is returned. IM005 no such encounter, IM006 method exception.';

create function insurance.succeed_authentication(
  p_authentication insurance.beneficiary_authentications
) returns insurance.beneficiary_authentications
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_authentication insurance.beneficiary_authentications;
  v_case_id uuid;
begin
  -- one that holds per stage: an older one has lapsed, else begin_authentication had returned it
  update insurance.beneficiary_authentications a
  set status = 'expired'
  where
    a.tenant_id = p_authentication.tenant_id and a.encounter_id = p_authentication.encounter_id
    and a.payer_id = p_authentication.payer_id and a.stage = p_authentication.stage and a.status = 'authenticated';
  update insurance.beneficiary_authentications a
  set status = 'authenticated', authenticated_at = now()
  where a.tenant_id = p_authentication.tenant_id and a.id = p_authentication.id
  returning a.* into v_authentication;

  select c.id into v_case_id
  from insurance.pmjay_cases c
  where
    c.tenant_id = v_authentication.tenant_id and c.encounter_id = v_authentication.encounter_id
    and c.status = 'registered';
  perform insurance.follow_claim(v_case_id, array['registered'], 'identity_verified');
  return v_authentication;
end
$$;

comment on function insurance.succeed_authentication(insurance.beneficiary_authentications) is 'about=Marks an authentication, locked by the caller, as successful, and the encounter''s registered case as identified.';

create function insurance.complete_authentication(
  p_authentication_id uuid,
  p_token_enc bytea,
  p_token_expires_at timestamptz default null,
  p_refresh_enc bytea default null
) returns insurance.beneficiary_authentications
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_authentication insurance.beneficiary_authentications := insurance.lock_authentication(p_authentication_id);
begin
  if v_authentication.status = 'authenticated' then
    return v_authentication;
  end if;
  update insurance.beneficiary_authentications a
  set token_enc = p_token_enc, token_expires_at = p_token_expires_at, refresh_enc = p_refresh_enc
  where a.tenant_id = v_authentication.tenant_id and a.id = v_authentication.id;
  return insurance.succeed_authentication(v_authentication);
end
$$;

comment on function insurance.complete_authentication(uuid, bytea, timestamptz, bytea) is 'about=The beneficiary was recognised; the encounter''s registered case becomes identity_verified. IM001 failed or expired, IM005 no such authentication.';

create function insurance.fail_authentication(p_authentication_id uuid) returns insurance.beneficiary_authentications
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_authentication insurance.beneficiary_authentications := insurance.lock_authentication(p_authentication_id);
begin
  if v_authentication.status = 'failed' then
    return v_authentication;
  end if;
  update insurance.beneficiary_authentications a
  set status = 'failed'
  where a.tenant_id = v_authentication.tenant_id and a.id = v_authentication.id
  returning a.* into v_authentication;
  return v_authentication;
end
$$;

comment on function insurance.fail_authentication(uuid) is 'about=The beneficiary was not recognised. IM001 it succeeded or expired already, IM005 no such authentication.';

create function insurance.approve_authentication_exception(p_authentication_id uuid, p_reason text)
  returns insurance.beneficiary_authentications
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_authentication insurance.beneficiary_authentications := insurance.lock_authentication(p_authentication_id);
begin
  if v_authentication.status = 'authenticated' then
    return v_authentication;
  end if;
  if coalesce(btrim(p_reason), '') = '' then
    raise exception 'exception of authentication % needs a reason', p_authentication_id
      using errcode = 'IM002', hint = 'say why no method works';
  end if;
  if core.current_user_id() is null or core.current_user_id() = v_authentication.created_by then
    raise exception 'exception of authentication % must be approved by another person', p_authentication_id
      using errcode = 'IM006', hint = 'somebody who did not begin the authentication approves it';
  end if;
  if v_authentication.status = 'failed' then
    update insurance.beneficiary_authentications a
    set status = 'initiated'
    where a.tenant_id = v_authentication.tenant_id and a.id = v_authentication.id;
  end if;
  update insurance.beneficiary_authentications a
  set method = 'exception', exception_reason = p_reason, exception_approved_by = core.current_user_id()
  where a.tenant_id = v_authentication.tenant_id and a.id = v_authentication.id;
  return insurance.succeed_authentication(v_authentication);
end
$$;

comment on function insurance.approve_authentication_exception(uuid, text) is 'about=A second person approves that the beneficiary cannot be authenticated; counts as authenticated. IM001 expired, IM002 no reason, IM005 no such authentication, IM006 the same person who began it.';
