-- Milestone M1: an attempt at the desk, step by step. A wrong OTP is an answer, not an error: it must stay counted.

create function abdm.start_registration(
  p_request_id uuid,
  p_purpose text,
  p_method text,
  p_clinic_id uuid,
  p_patient_id uuid default null,
  p_consent_id uuid default null
) returns abdm.abha_registrations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_registration abdm.abha_registrations;
  v_people uuid[] := patient.ids_of(p_patient_id);
begin
  select r.* into v_registration
  from abdm.abha_registrations r
  where r.tenant_id = v_tenant and r.request_id = p_request_id;
  if not found then
    if core.current_user_id() is null then
      raise exception 'nobody is signed in' using errcode = 'IM006', hint = 'an ABHA is registered by a person at a desk';
    end if;
    if p_patient_id is not null then
      perform abdm.check_live_patient(p_patient_id);
    end if;
    if p_purpose = 'create' and not exists (
      select
      from compliance.consents c
      where
        c.tenant_id = v_tenant and c.id = p_consent_id and c.kind = 'abdm' and c.decision = 'permit'
        and c.status = 'active' and c.patient_id = any (v_people) and (c.expires_at is null or c.expires_at > now())
        and not exists (
          select
          from compliance.consents d
          where
            d.tenant_id = c.tenant_id and d.patient_id = any (v_people) and d.kind = c.kind and d.decision = 'deny'
            and d.status = 'active' and d.given_at >= c.given_at
        )
    ) then
      raise exception 'patient % gave no consent to create an ABHA', p_patient_id
        using errcode = 'IM006', hint = 'record a consent of kind abdm first and pass it';
    end if;
    -- the same request at the same moment: both get the one row
    insert into abdm.abha_registrations (
      tenant_id, patient_id, purpose, method, request_id, consent_id, operator_user_id, clinic_id
    )
    values (
      v_tenant, p_patient_id, p_purpose, p_method, p_request_id, p_consent_id, core.current_user_id(), p_clinic_id
    )
    on conflict (tenant_id, request_id) do nothing;
    select r.* into v_registration
    from abdm.abha_registrations r
    where r.tenant_id = v_tenant and r.request_id = p_request_id;
  end if;
  if
    (v_registration.purpose, v_registration.method, v_registration.clinic_id)
    is distinct from (p_purpose, p_method, p_clinic_id)
  then
    raise exception 'request % began another registration', p_request_id
      using errcode = 'IM011', hint = 'choose a new request id for a new attempt';
  end if;
  return v_registration;
end
$$;

comment on function abdm.start_registration(uuid, text, text, uuid, uuid, uuid) is 'about=Begins an attempt to create, verify or link an ABHA, by the signed-in user. The same request id again is the same attempt. IM003, IM005 no such patient, IM006 nobody signed in, or no consent to create one that no later denial ended, IM011 that request id began something else, 23514 unknown purpose or method.';

create function abdm.lock_registration(p_registration_id uuid) returns abdm.abha_registrations
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_registration abdm.abha_registrations;
begin
  select r.* into v_registration
  from abdm.abha_registrations r
  where r.tenant_id = core.require_tenant() and r.id = p_registration_id
  for no key update;
  if not found then
    raise exception 'registration % does not exist', p_registration_id
      using errcode = 'IM005', hint = 'begin one with abdm.start_registration';
  end if;
  return v_registration;
end
$$;

comment on function abdm.lock_registration(uuid) is 'about=The registration, locked until the transaction ends. IM005 no such registration.';

create function abdm.check_registration_is_open(p_registration abdm.abha_registrations) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_minutes integer := coalesce((core.setting('abdm.registration_minutes') #>> '{}')::integer, 30);
begin
  if p_registration.status = 'failed' and p_registration.otp_attempts >= 3 then
    raise exception 'registration % had three wrong OTPs', p_registration.id
      using errcode = 'IM704', hint = 'start again';
  end if;
  if p_registration.status = 'expired'
    or (p_registration.finished_at is null and p_registration.started_at < now() - make_interval(mins => v_minutes))
  then
    raise exception 'registration % has expired', p_registration.id using errcode = 'IM703', hint = 'start again';
  end if;
end
$$;

comment on function abdm.check_registration_is_open(abdm.abha_registrations) is 'about=Raises IM703 for a registration that is older than setting abdm.registration_minutes, IM704 after three wrong OTPs.';

create function abdm.record_otp_sent(p_registration_id uuid, p_txn_id uuid) returns abdm.abha_registrations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_registration abdm.abha_registrations := abdm.lock_registration(p_registration_id);
begin
  if v_registration.status = 'otp_sent' and v_registration.txn_id = p_txn_id then
    return v_registration;
  end if;
  perform abdm.check_registration_is_open(v_registration);
  update abdm.abha_registrations r
  set status = 'otp_sent', txn_id = p_txn_id, otp_sent_at = now()
  where r.tenant_id = v_registration.tenant_id and r.id = v_registration.id
  returning r.* into v_registration;
  return v_registration;
end
$$;

comment on function abdm.record_otp_sent(uuid, uuid) is 'about=ABDM sent an OTP and gave its txnId; a new txnId is an OTP that was sent again. IM001, IM005, IM703 expired, IM704 three wrong OTPs.';

create function abdm.record_otp_result(
  p_registration_id uuid,
  p_is_right boolean,
  p_mobile_verified boolean default false,
  p_error_code text default null
) returns abdm.abha_registrations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_registration abdm.abha_registrations := abdm.lock_registration(p_registration_id);
begin
  if v_registration.status = 'otp_verified' and p_is_right then
    return v_registration;
  end if;
  perform abdm.check_registration_is_open(v_registration);
  if v_registration.status <> 'otp_sent' then
    raise exception 'registration % waits for no OTP', p_registration_id
      using errcode = 'IM001', hint = 'call abdm.record_otp_sent when ABDM sent one';
  end if;
  update abdm.abha_registrations r
  set
    otp_attempts = r.otp_attempts + 1,
    mobile_verified = r.mobile_verified or (p_is_right and p_mobile_verified),
    error_code = case when p_is_right then null else coalesce(p_error_code, 'wrong_otp') end,
    status = case when p_is_right then 'otp_verified' when r.otp_attempts = 2 then 'failed' else r.status end,
    finished_at = case when not p_is_right and r.otp_attempts = 2 then now() end
  where r.tenant_id = v_registration.tenant_id and r.id = v_registration.id
  returning r.* into v_registration;
  return v_registration;
end
$$;

comment on function abdm.record_otp_result(uuid, boolean, boolean, text) is 'about=What ABDM said to an OTP. The third wrong one ends the attempt as failed. IM001 no OTP was sent, IM005, IM703 expired, IM704 it had three wrong ones already.';

create function abdm.save_account(p_account jsonb, p_verified_via text) returns abdm.abha_accounts
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_number_bidx bytea := patient.bytes_of(p_account, 'abha_number_bidx');
  v_address text := abdm.normalise_abha_address(p_account ->> 'abha_address');
  v_account abdm.abha_accounts;
begin
  -- the row of the number, else of the address, else a new one; whoever makes it at the same moment is waited for
  loop
    select a.* into v_account
    from abdm.abha_accounts a
    where
      a.tenant_id = v_tenant and a.deleted_at is null
      and (a.abha_number_bidx = v_number_bidx or a.abha_address = v_address)
    order by a.abha_number_bidx = v_number_bidx desc nulls last
    limit 1
    for no key update;
    exit when found;
    insert into abdm.abha_accounts (
      tenant_id, abha_number_enc, abha_number_bidx, abha_number_last4, abha_address
    )
    values (
      v_tenant, patient.bytes_of(p_account, 'abha_number_enc'), v_number_bidx, p_account ->> 'abha_number_last4',
      v_address
    )
    on conflict do nothing
    returning * into v_account;
    exit when found;
  end loop;

  if v_account.abha_number_bidx <> v_number_bidx or exists (
    select
    from abdm.abha_accounts a
    where a.tenant_id = v_tenant and a.deleted_at is null and a.abha_address = v_address and a.id <> v_account.id
  ) then
    raise exception 'the ABHA address belongs to an account with another number'
      using errcode = 'IM700', hint = 'verify both again; ABDM knows whose it is';
  end if;

  update abdm.abha_accounts a
  set
    abha_number_enc = coalesce(a.abha_number_enc, patient.bytes_of(p_account, 'abha_number_enc')),
    abha_number_bidx = coalesce(a.abha_number_bidx, v_number_bidx),
    abha_number_last4 = coalesce(a.abha_number_last4, p_account ->> 'abha_number_last4'),
    abha_address = coalesce(v_address, a.abha_address),
    kyc_status = coalesce(p_account ->> 'kyc_status', a.kyc_status),
    profile_enc = coalesce(patient.bytes_of(p_account, 'profile_enc'), a.profile_enc),
    profile_name_key = coalesce(nullif(patient.name_key(p_account ->> 'name'), ''), a.profile_name_key),
    profile_sex = coalesce(p_account ->> 'sex', a.profile_sex),
    profile_birth_year = coalesce((p_account ->> 'birth_year')::integer, a.profile_birth_year),
    auth_methods = coalesce(
      (select array_agg(m.value) from jsonb_array_elements_text(p_account -> 'auth_methods') m), a.auth_methods
    ),
    network_status = 'ACTIVE', -- ABDM verifies no other
    status_checked_at = now(),
    verified_at = now(),
    verified_via = p_verified_via,
    status = case a.status when 'captured' then 'verified' else a.status end
  where a.tenant_id = v_tenant and a.id = v_account.id
  returning a.* into v_account;
  return v_account;
end
$$;

comment on function abdm.save_account(jsonb, text) is 'about=Writes an account as ABDM verified it, found by number or address, and leaves it locked. 22023 malformed address or bytes, IM700 number and address belong to different accounts.';

create function abdm.record_enrolment(p_registration_id uuid, p_account jsonb) returns abdm.abha_accounts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_registration abdm.abha_registrations := abdm.lock_registration(p_registration_id);
  v_account abdm.abha_accounts;
begin
  if v_registration.abha_account_id is not null then
    select a.* into v_account
    from abdm.abha_accounts a
    where a.tenant_id = v_registration.tenant_id and a.id = v_registration.abha_account_id;
    return v_account;
  end if;
  perform abdm.check_registration_is_open(v_registration);
  if v_registration.status = 'initiated' and v_registration.method not in ('scan_share', 'aadhaar_biometric') then
    raise exception 'registration % has no verified OTP', p_registration_id
      using errcode = 'IM001', hint = 'only scan_share and aadhaar_biometric need none';
  end if;
  v_account := abdm.save_account(
    p_account,
    case v_registration.method
      when 'aadhaar_biometric' then 'biometric'
      when 'driving_licence' then 'demographic'
      when 'abha_number_otp' then 'mobile_otp'
      else v_registration.method
    end
  );
  update abdm.abha_registrations r
  set status = 'enrolled', abha_account_id = v_account.id, error_code = null
  where r.tenant_id = v_registration.tenant_id and r.id = v_registration.id;
  return v_account;
end
$$;

comment on function abdm.record_enrolment(uuid, jsonb) is 'about=ABDM created or verified the account: p_account {abha_number_enc, abha_number_bidx, abha_number_last4, abha_address, kyc_status, profile_enc, name, sex, birth_year, auth_methods}, bytes in hexadecimal; of the name only the sound is kept. Returns the account; again: the same. IM001 no verified OTP, IM005, IM700 number and address belong to different accounts, IM703, IM704, 22023 malformed.';

create function abdm.record_abha_address(p_registration_id uuid, p_abha_address text) returns abdm.abha_accounts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_registration abdm.abha_registrations := abdm.lock_registration(p_registration_id);
  v_address text := abdm.normalise_abha_address(p_abha_address);
  v_account abdm.abha_accounts;
begin
  select a.* into v_account
  from abdm.abha_accounts a
  where a.tenant_id = v_registration.tenant_id and a.id = v_registration.abha_account_id
  for no key update;
  if v_registration.status in ('address_set', 'linked') and v_account.abha_address = v_address then
    return v_account;
  end if;
  perform abdm.check_registration_is_open(v_registration);
  if exists (
    select
    from abdm.abha_accounts a
    where
      a.tenant_id = v_registration.tenant_id and a.abha_address = v_address and a.id <> v_account.id
      and a.deleted_at is null
  ) then
    raise exception 'the ABHA address belongs to another account'
      using errcode = 'IM700', hint = 'choose another address';
  end if;
  update abdm.abha_registrations r
  set status = 'address_set'
  where r.tenant_id = v_registration.tenant_id and r.id = v_registration.id;
  update abdm.abha_accounts a
  set abha_address = v_address
  where a.tenant_id = v_registration.tenant_id and a.id = v_account.id
  returning a.* into v_account;
  return v_account;
end
$$;

comment on function abdm.record_abha_address(uuid, text) is 'about=The person chose their ABHA address. IM001 not enrolled yet, IM005, IM700 it belongs to another account, IM703, 22023 malformed.';

create function abdm.fail_registration(p_registration_id uuid, p_error_code text, p_error_message text default null)
  returns abdm.abha_registrations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_registration abdm.abha_registrations := abdm.lock_registration(p_registration_id);
begin
  if v_registration.status = 'failed' then
    return v_registration;
  end if;
  update abdm.abha_registrations r
  set
    status = 'failed', finished_at = now(), error_code = p_error_code,
    error_message = case
      when core.looks_like_aadhaar(p_error_message) then 'left out: it repeated an identity number'
      else left(p_error_message, 500)
    end
  where r.tenant_id = v_registration.tenant_id and r.id = v_registration.id
  returning r.* into v_registration;
  return v_registration;
end
$$;

comment on function abdm.fail_registration(uuid, text, text) is 'about=Ends an attempt that ABDM refused. A message that repeats an identity number is left out. IM001 it ended otherwise, IM005.';

create function abdm.expire_registrations(p_limit integer default 1000) returns integer
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_minutes integer := coalesce((core.setting('abdm.registration_minutes') #>> '{}')::integer, 30);
  v_id uuid;
  v_expired integer := 0;
begin
  for v_id in
    select r.id
    from abdm.abha_registrations r
    where
      r.tenant_id = v_tenant and r.status in ('initiated', 'otp_sent', 'otp_verified', 'enrolled', 'address_set')
      and r.started_at < now() - make_interval(mins => v_minutes)
    order by r.started_at
    limit p_limit
    for update skip locked
  loop
    update abdm.abha_registrations r
    set status = 'expired', finished_at = now()
    where r.tenant_id = v_tenant and r.id = v_id;
    v_expired := v_expired + 1;
  end loop;
  return v_expired;
end
$$;

comment on function abdm.expire_registrations(integer) is 'about=Ends up to p_limit attempts that are older than setting abdm.registration_minutes and returns how many. For a job.';
