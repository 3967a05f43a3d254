-- One ABHA a patient, one patient an ABHA. Order of locks: registration, patient, account, care contexts.

create function abdm.attach_account(
  p_patient_id uuid,
  p_account abdm.abha_accounts,
  p_mismatches text[],
  p_override_reason text
) returns abdm.abha_accounts
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_account abdm.abha_accounts;
begin
  if p_account.status in ('linked', 'deactivated') and p_account.patient_id is distinct from p_patient_id then
    raise exception 'ABHA account % is linked to patient %', p_account.id, p_account.patient_id
      using errcode = 'IM700', hint = 'merge the patients, or unlink it there first';
  end if;
  if exists (
    select
    from patient.patient_identifiers i
    where
      i.tenant_id = p_account.tenant_id and i.kind = 'abha_number' and i.value_bidx = p_account.abha_number_bidx
      and i.patient_id is distinct from p_patient_id and i.deleted_at is null
  ) then
    raise exception 'the number of ABHA account % is an identifier of another patient', p_account.id
      using errcode = 'IM700', hint = 'merge the patients, or delete the identifier there';
  end if;
  if
    exists (
      select
      from abdm.abha_accounts a
      where
        a.tenant_id = p_account.tenant_id and a.patient_id = p_patient_id and a.id <> p_account.id
        and a.status in ('linked', 'deactivated') and a.deleted_at is null
    )
    or exists (
      select
      from patient.patient_identifiers i
      where
        i.tenant_id = p_account.tenant_id and i.patient_id = p_patient_id and i.kind = 'abha_number'
        and i.value_bidx <> p_account.abha_number_bidx and i.deleted_at is null
    )
  then
    raise exception 'patient % has another ABHA', p_patient_id
      using errcode = 'IM701', hint = 'unlink that one first';
  end if;

  update abdm.abha_accounts a
  set
    patient_id = p_patient_id, moved_from_patient_ids = '{}', linked_at = now(), mismatches = p_mismatches,
    override_reason = p_override_reason, status = 'linked'
  where a.tenant_id = p_account.tenant_id and a.id = p_account.id
  returning a.* into v_account;

  if v_account.abha_number_bidx is not null and not exists (
    select
    from patient.patient_identifiers i
    where
      i.tenant_id = v_account.tenant_id and i.patient_id = p_patient_id and i.kind = 'abha_number'
      and i.value_bidx = v_account.abha_number_bidx and i.deleted_at is null
  ) then
    perform patient.add_identifier(
      p_patient_id,
      jsonb_build_object(
        'kind', 'abha_number',
        'system_uri', coalesce(core.setting('abdm.identifier_system') #>> '{}', 'https://healthid.abdm.gov.in'),
        'value_enc', v_account.abha_number_enc,
        'value_bidx', v_account.abha_number_bidx,
        'value_last4', v_account.abha_number_last4,
        'assigner', 'ABDM',
        'verified_at', v_account.verified_at,
        'verification_method', v_account.verified_via,
        'is_primary', true
      )
    );
  end if;
  return v_account;
end
$$;

comment on function abdm.attach_account(uuid, abdm.abha_accounts, text[], text) is 'about=Links an account that the caller locked to a patient that the caller locked, and gives the patient the number as an identifier. IM700 it is another patient''s, IM701 the patient has another.';

create function abdm.link_abha(
  p_patient_id uuid,
  p_account_id uuid,
  p_override_reason text default null,
  p_registration_id uuid default null
) returns abdm.abha_accounts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_reason text := nullif(btrim(p_override_reason), '');
  v_registration abdm.abha_registrations;
  v_account abdm.abha_accounts;
  v_mismatches text[];
begin
  if p_registration_id is not null then
    v_registration := abdm.lock_registration(p_registration_id);
    if v_registration.abha_account_id is distinct from p_account_id then
      raise exception 'registration % is of another ABHA account', p_registration_id
        using errcode = 'IM005', hint = 'pass the account that abdm.record_enrolment returned';
    end if;
    if v_registration.status <> 'linked' then
      perform abdm.check_registration_is_open(v_registration);
    end if;
  end if;
  perform abdm.lock_patient(v_tenant, p_patient_id);
  perform abdm.check_live_patient(p_patient_id);
  select a.* into v_account
  from abdm.abha_accounts a
  where a.tenant_id = v_tenant and a.id = p_account_id and a.deleted_at is null
  for no key update;
  if not found then
    raise exception 'ABHA account % does not exist', p_account_id
      using errcode = 'IM005', hint = 'verify the ABHA first';
  end if;

  if v_account.status <> 'linked' or v_account.patient_id is distinct from p_patient_id then
    if v_account.verified_at is null then
      raise exception 'ABHA account % was never verified', p_account_id
        using errcode = 'IM001', hint = 'verify it with ABDM first';
    end if;
    if v_account.network_status <> 'ACTIVE' then
      raise exception 'ABHA account % is % on the network', p_account_id, v_account.network_status
        using errcode = 'IM006', hint = 'the person must reactivate it in an ABHA app';
    end if;
    v_mismatches := abdm.mismatches(
      p_patient_id, v_account.profile_name_key, v_account.profile_sex, v_account.profile_birth_year
    );
    if v_mismatches <> '{}' and v_reason is null then
      raise exception 'ABHA account % and patient % differ in %', p_account_id, p_patient_id, array_to_string(v_mismatches, ', ')
        using errcode = 'IM702', hint = 'correct the record, or say in p_override_reason why it is the same person';
    end if;
    perform core.set_reason(v_reason);
    v_account := abdm.attach_account(
      p_patient_id, v_account, v_mismatches, case when v_mismatches <> '{}' then v_reason end
    );
  end if;
  if v_registration.id is not null and v_registration.status <> 'linked' then
    update abdm.abha_registrations r
    set status = 'linked', patient_id = p_patient_id, finished_at = now()
    where r.tenant_id = v_tenant and r.id = v_registration.id;
  end if;
  return v_account;
end
$$;

comment on function abdm.link_abha(uuid, uuid, text, uuid) is 'about=Links a verified ABHA to a patient whose name, sex and year of birth match its profile, or for a reason all the same; ends the registration that led to it. Linking again changes nothing. IM001 never verified, IM003, IM005 no such patient, account or registration, IM006 not active on the network, IM700 it is another patient''s, IM701 the patient has another, IM702 they do not match, IM703 registration expired, IM704.';

create function abdm.detach_account(p_account abdm.abha_accounts, p_reason text) returns abdm.abha_accounts
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_account abdm.abha_accounts;
  v_context record;
begin
  perform core.set_reason(p_reason);
  update abdm.abha_accounts a
  set status = 'unlinked', moved_from_patient_ids = '{}'
  where a.tenant_id = p_account.tenant_id and a.id = p_account.id
  returning a.* into v_account;
  for v_context in
    select c.id, c.status
    from abdm.care_contexts c
    where
      c.tenant_id = v_account.tenant_id and c.abha_account_id = v_account.id
      and c.status in ('link_requested', 'linked', 'notified')
    order by c.id
    for no key update
  loop
    update abdm.care_contexts c
    set status = case v_context.status when 'link_requested' then 'failed' else 'unlinked' end, last_error = 'abha_unlinked'
    where c.tenant_id = v_account.tenant_id and c.id = v_context.id;
  end loop;
  update patient.patient_identifiers i
  set deleted_at = now(), deleted_by = core.current_user_id(), delete_reason = p_reason
  where
    i.tenant_id = v_account.tenant_id and i.patient_id = v_account.patient_id and i.kind = 'abha_number'
    and i.value_bidx = v_account.abha_number_bidx and i.deleted_at is null;
  return v_account;
end
$$;

comment on function abdm.detach_account(abdm.abha_accounts, text) is 'about=Unlinks an account that the caller locked: its care contexts are unlinked and the patient loses the identifier.';

create function abdm.unlink_abha(p_account_id uuid, p_reason text) returns abdm.abha_accounts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_account abdm.abha_accounts;
begin
  select a.* into v_account
  from abdm.abha_accounts a
  where a.tenant_id = v_tenant and a.id = p_account_id and a.deleted_at is null
  for no key update;
  if not found then
    raise exception 'ABHA account % does not exist', p_account_id
      using errcode = 'IM005', hint = 'choose an account of the tenant';
  end if;
  if v_account.status = 'unlinked' then
    return v_account;
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'unlinking ABHA account % needs a reason', p_account_id
      using errcode = 'IM002', hint = 'say why in p_reason';
  end if;
  return abdm.detach_account(v_account, p_reason);
end
$$;

comment on function abdm.unlink_abha(uuid, text) is 'about=Takes an ABHA from its patient: the care contexts are unlinked, the identifier is deleted, records stay. Again: nothing changes. IM001 it was never linked, IM002 no reason, IM005.';

create function abdm.record_abha_status(
  p_network_status text,
  p_abha_number_bidx bytea default null,
  p_abha_address text default null
) returns abdm.abha_accounts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_account abdm.abha_accounts;
begin
  select a.* into v_account
  from abdm.abha_accounts a
  where
    a.tenant_id = v_tenant and a.deleted_at is null
    and (a.abha_number_bidx = p_abha_number_bidx or a.abha_address = lower(p_abha_address))
  order by a.abha_number_bidx = p_abha_number_bidx desc nulls last
  limit 1
  for no key update;
  if not found then
    raise exception 'no ABHA account has this number or address'
      using errcode = 'IM005', hint = 'nothing is to be done: we do not know the person';
  end if;
  update abdm.abha_accounts a
  set
    network_status = p_network_status,
    status_checked_at = now(),
    status = case
      when p_network_status = 'DEACTIVATED' and a.status = 'linked' then 'deactivated'
      when p_network_status = 'ACTIVE' and a.status = 'deactivated' then 'linked'
      else a.status
    end
  where a.tenant_id = v_tenant and a.id = v_account.id
  returning a.* into v_account;
  if p_network_status = 'DELETED' and v_account.status in ('linked', 'deactivated') then
    v_account := abdm.detach_account(v_account, 'deleted on the network');
  end if;
  return v_account;
end
$$;

comment on function abdm.record_abha_status(text, bytea, text) is 'about=ABDM notified that an account is ACTIVE, DEACTIVATED (it stays the patient''s, but nothing is linked to it) or DELETED (it is unlinked). IM005 we do not know the account, 23514 unknown status.';
