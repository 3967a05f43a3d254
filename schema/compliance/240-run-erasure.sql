-- Erasure: on a person's request, or because retention is over. The data keys of the person are destroyed, which makes all that
-- they encrypted unreadable everywhere, backups included; what stands in plain text about who they are is replaced. Lock order:
-- request, patient, holds, keys.

create function compliance.write_erasure(
  p_log compliance.erasure_log,
  p_schema text,
  p_table text,
  p_action text,
  p_rows bigint,
  p_verification jsonb,
  p_kid text default null
) returns compliance.erasure_log
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_log compliance.erasure_log;
begin
  insert into compliance.erasure_log (
    tenant_id, request_id, policy_id, patient_ref_hash, schema_name, table_name, row_count, action, notice_sent_at,
    notice_waived_reason, executed_by, key_kid_destroyed, verification
  )
  values (
    p_log.tenant_id, p_log.request_id, p_log.policy_id, p_log.patient_ref_hash, p_schema, p_table, p_rows, p_action,
    p_log.notice_sent_at, p_log.notice_waived_reason, coalesce(core.current_user_id()::text, 'job'), p_kid,
    p_verification
  )
  returning * into v_log;
  return v_log;
end
$$;

comment on function compliance.write_erasure(compliance.erasure_log, text, text, text, bigint, jsonb, text) is 'about=One row of proof; request, policy, person and notice are those of p_log. IM910 a hold covers it.';

create function compliance.shred_person_keys(p_log compliance.erasure_log, p_patient_id uuid)
  returns setof compliance.erasure_log
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_key record;
begin
  for v_key in
    select k.kid, k.status
    from core.encryption_keys k
    where
      k.tenant_id = p_log.tenant_id and k.subject_type = 'patient' and k.subject_id = p_patient_id
      and k.status <> 'destroyed'
    order by k.id
  loop
    if v_key.status = 'retiring' then
      perform core.retire_key(v_key.kid);
    end if;
    perform core.shred_key(v_key.kid, 'erasure');
    return next compliance.write_erasure(
      p_log, 'core', 'encryption_keys', 'crypto_shred', 1,
      (
        select jsonb_build_object('status', k.status, 'wrapped_key_is_gone', k.wrapped_key is null)
        from core.encryption_keys k
        where k.tenant_id = p_log.tenant_id and k.kid = v_key.kid
      ),
      v_key.kid
    );
  end loop;
end
$$;

comment on function compliance.shred_person_keys(compliance.erasure_log, uuid) is 'about=Destroys every data key of the person; one row of proof a key.';

create function compliance.anonymise_person(p_log compliance.erasure_log, p_patient_id uuid)
  returns setof compliance.erasure_log
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_rows bigint;
begin
  update patient.patient_contacts c
  set
    name = 'Erased', phone_enc = null, phone_bidx = null, proxy_scope = 'none', deleted_at = coalesce(c.deleted_at, now()),
    delete_reason = 'erasure'
  where c.tenant_id = p_log.tenant_id and c.patient_id = p_patient_id;
  get diagnostics v_rows = row_count;
  return next compliance.write_erasure(
    p_log, 'patient', 'patient_contacts', 'anonymise', v_rows, '{"cleared": ["name", "phone"]}'
  );

  update patient.patient_identifiers i
  set
    value_enc = '\x00', value_bidx = sha256(uuid_send(i.id)), value_last4 = '',
    deleted_at = coalesce(i.deleted_at, now()), delete_reason = 'erasure'
  where i.tenant_id = p_log.tenant_id and i.patient_id = p_patient_id;
  get diagnostics v_rows = row_count;
  return next compliance.write_erasure(
    p_log, 'patient', 'patient_identifiers', 'anonymise', v_rows, '{"cleared": ["value"]}'
  );

  update patient.patients p
  set
    given_name = 'Erased', middle_name = null, family_name = null, gender_identity = null,
    birth_date = date_trunc('year', p.birth_date)::date, birth_date_precision = 'year', marital_status = null,
    nationality = null, mobile_enc = null, mobile_bidx = null, email_enc = null, email_bidx = null, address_enc = null,
    pin_code = null, district_lgd = null, phi_enc = null, data_key_kid = null, emr_id = null, portal_user_id = null,
    is_vip = false, deleted_at = coalesce(p.deleted_at, now()), delete_reason = 'erasure'
  where p.tenant_id = p_log.tenant_id and p.id = p_patient_id;
  get diagnostics v_rows = row_count;
  return next compliance.write_erasure(
    p_log, 'patient', 'patients', 'anonymise', v_rows,
    '{"cleared": ["name", "contact", "address", "identifiers", "phi"], "kept": ["mrn", "sex", "birth year"]}'
  );
end
$$;

comment on function compliance.anonymise_person(compliance.erasure_log, uuid) is 'about=Replaces what says in plain text who the patient is: names, contacts, identifiers, the day of birth. The row stays, without its person, so that what hangs on it stays whole. One row of proof a table.';

create function compliance.notice_of_erasure(p_tenant_id uuid, p_people uuid[], p_notice_id uuid) returns timestamptz
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  -- updated_at is when the dispatcher last reported; a later report makes the wait longer, never shorter
  select n.updated_at
  from communication.notifications n
  where
    n.tenant_id = p_tenant_id and n.id = p_notice_id and n.recipient_type = 'patient' and n.recipient_id = any (p_people)
    and n.status in ('sent', 'partially_sent', 'read')
$$;

comment on function compliance.notice_of_erasure(uuid, uuid[], uuid) is 'about=When a message to the patient was sent; null when it was not.';

create function compliance.run_erasure(
  p_request_id uuid default null,
  p_policy_id uuid default null,
  p_patient_id uuid default null,
  p_notice_id uuid default null
) returns setof compliance.erasure_log
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_request compliance.data_principal_requests;
  v_policy compliance.retention_policies;
  v_patient record;
  v_patient_id uuid := p_patient_id;
  v_people uuid[];
  v_until timestamptz;
  v_log compliance.erasure_log;
begin
  if num_nonnulls(p_request_id, p_policy_id) <> 1 then
    raise exception 'an erasure needs a request or a policy'
      using errcode = '22023', hint = 'pass p_request_id, or p_policy_id with p_patient_id';
  end if;
  if p_request_id is not null then
    v_request := compliance.lock_request(p_request_id);
    v_patient_id := v_request.patient_id;
  else
    select r.* into v_policy
    from compliance.retention_policies r
    where
      r.id = p_policy_id and (r.tenant_id = v_tenant or r.tenant_id is null)
      and r.class = 'medical_record' and r.action in ('crypto_shred', 'anonymise', 'erase');
    if not found then
      raise exception 'policy % erases no record of a person', p_policy_id
        using errcode = 'IM005', hint = 'choose a policy of class medical_record; logs are dropped by audit.drop_expired_partitions';
    end if;
  end if;
  loop
    v_people := patient.ids_of(v_patient_id);
    perform
    from patient.patients p
    where p.tenant_id = v_tenant and p.id = any (v_people)
    order by p.id
    for no key update;
    if not found then
      raise exception 'patient % does not exist', v_patient_id
        using errcode = 'IM005', hint = 'name the patient, for a request with compliance.confirm_requester';
    end if;
    exit when patient.ids_of(v_patient_id) <@ v_people; -- else one more was merged meanwhile
  end loop;
  select
    bool_or(p.deceased_at is not null) as is_deceased,
    bool_or(num_nonnulls(p.mobile_bidx, p.email_bidx, p.portal_user_id) > 0) as is_reachable
  into v_patient
  from patient.patients p
  where p.tenant_id = v_tenant and p.id = any (v_people);

  v_log.tenant_id := v_tenant;
  v_log.request_id := p_request_id;
  v_log.policy_id := p_policy_id;
  v_log.patient_ref_hash := compliance.patient_ref_hash(v_tenant, v_patient_id);
  perform
  from compliance.erasure_log e
  where
    e.tenant_id = v_tenant and e.patient_ref_hash = v_log.patient_ref_hash
    and (e.request_id = p_request_id or e.policy_id = p_policy_id);
  if found then -- done already
    return query
      select e.*
      from compliance.erasure_log e
      where
        e.tenant_id = v_tenant
        and e.patient_ref_hash in (select compliance.patient_ref_hash(v_tenant, i) from unnest(v_people) as i)
        and (e.request_id = p_request_id or e.policy_id = p_policy_id)
      order by e.id;
    return;
  end if;
  if p_request_id is not null and (v_request.kind <> 'erasure' or v_request.status <> 'in_progress') then
    raise exception 'request % is a % request and %', p_request_id, v_request.kind, v_request.status
      using errcode = 'IM001', hint = 'an erasure is carried out when it is sure who asks: compliance.confirm_requester';
  end if;

  perform pg_advisory_xact_lock_shared(compliance.holds_lock_key(v_tenant));
  if compliance.is_under_hold(null, null, null, v_patient_id) then
    raise exception 'a legal hold covers patient %', v_patient_id
      using errcode = 'IM910', hint = 'release the hold first';
  end if;
  v_until := compliance.kept_until(v_patient_id);
  if v_until > now() then
    raise exception 'the record of patient % is kept until %', v_patient_id, v_until::date
      using errcode = 'IM911', hint = 'refuse the request on that basis, or wait';
  end if;
  if p_policy_id is not null then
    v_log.notice_sent_at := compliance.notice_of_erasure(v_tenant, v_people, p_notice_id);
    v_log.notice_waived_reason := case
      when v_log.notice_sent_at is not null then null
      when v_patient.is_deceased then 'deceased'
      when not v_patient.is_reachable then 'unreachable'
    end;
    if num_nonnulls(v_log.notice_sent_at, v_log.notice_waived_reason) = 0
      or v_log.notice_sent_at > now() - interval '48 hours'
    then
      raise exception 'patient % was not told 48 hours before', v_patient_id
        using errcode = 'IM912', hint = 'send a notification, wait 48 hours, and pass it as p_notice_id';
    end if;
  end if;

  foreach v_patient_id in array v_people loop
    v_log.patient_ref_hash := compliance.patient_ref_hash(v_tenant, v_patient_id);
    return query select * from compliance.shred_person_keys(v_log, v_patient_id);
    return query select * from compliance.anonymise_person(v_log, v_patient_id);
  end loop;
  if p_request_id is not null then
    update compliance.data_principal_requests r
    set
      status = 'completed', decision = 'granted', completed_at = now(),
      handled_by = coalesce(core.current_user_id(), r.handled_by)
    where r.tenant_id = v_tenant and r.id = p_request_id;
  end if;
end
$$;

comment on function compliance.run_erasure(uuid, uuid, uuid, uuid) is 'about=Erases a person with all records that were merged into one: on their request, or under a policy of class medical_record when its time is over. Their data keys are destroyed, names, contacts and identifiers replaced, and each step proved in compliance.erasure_log, whose rows are returned; asked again, the same rows. Call it in read committed. IM001 the request is no erasure in progress, IM003 no tenant, IM005 no such request, policy or patient, IM910 a legal hold, IM911 the legal minimum is not over, IM912 a policy without 48 hours'' notice to a person who can be reached.';
