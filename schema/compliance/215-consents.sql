-- Consent is given, withdrawn, and runs out. Withdrawal stops what rested on it in the same transaction. A person is all
-- records that were merged into one. Lock order: patients by id, consents by id.

create function compliance.is_standing(p_kind text) returns boolean
  language sql
  immutable
  parallel safe
return p_kind in ('data_processing', 'marketing');

comment on function compliance.is_standing(text) is 'about=Whether consents of a kind stand for the person and not for a visit: then only the newest word counts.';

create function compliance.lock_person(p_tenant_id uuid, p_patient_id uuid) returns uuid[]
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_people uuid[] := patient.ids_of(p_patient_id);
begin
  perform
  from patient.patients p
  where p.tenant_id = p_tenant_id and p.id = any (v_people)
  order by p.id
  for no key update;
  return patient.ids_of(p_patient_id); -- as it is under the lock
end
$$;

comment on function compliance.lock_person(uuid, uuid) is 'about=Locks all records of a person until the transaction ends and returns their ids.';

create function compliance.give_consent(
  p_patient_id uuid,
  p_kind text,
  p_given_by text default 'patient',
  p_purposes text[] default '{}',
  p_decision text default 'permit',
  p_notice_id uuid default null,
  p_contact_id uuid default null,
  p_encounter_id uuid default null,
  p_explained_by uuid default null,
  p_witness_id uuid default null,
  p_document_id uuid default null,
  p_language text default null,
  p_expires_at timestamptz default null,
  p_evidence jsonb default null,
  p_given_at timestamptz default now(),
  p_id uuid default null
) returns compliance.consents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_consent compliance.consents;
  v_status text := 'active';
  v_people uuid[] := compliance.lock_person(v_tenant, p_patient_id);
begin
  if not exists (
    select from patient.patients p where p.tenant_id = v_tenant and p.id = p_patient_id and p.deleted_at is null
  ) then
    raise exception 'patient % does not exist', p_patient_id
      using errcode = 'IM005', hint = 'choose a patient of the tenant';
  end if;
  select c.* into v_consent
  from compliance.consents c
  where
    c.tenant_id = v_tenant
    and (c.id = p_id or (c.patient_id = p_patient_id and c.kind = p_kind and c.given_at = p_given_at));
  if found then
    if v_consent.patient_id <> p_patient_id or v_consent.kind <> p_kind or v_consent.decision <> p_decision then
      raise exception 'consent % is another one', v_consent.id
        using errcode = 'IM011', hint = 'choose a new id for a new consent';
    end if;
    return v_consent;
  end if;

  if compliance.is_standing(p_kind) then
    if exists (
      select
      from compliance.consents c
      where
        c.tenant_id = v_tenant and c.patient_id = any (v_people) and c.kind = p_kind
        and c.status not in ('draft', 'rejected') and greatest(c.given_at, c.withdrawn_at) > p_given_at
    ) then
      v_status := 'superseded'; -- written down late: the person has said something else since
    else
      perform compliance.end_standing_consents(v_tenant, v_people, p_kind);
    end if;
  end if;
  insert into compliance.consents (
    tenant_id, id, patient_id, kind, notice_id, purposes, decision, given_by, contact_id, guardian_verified, given_at,
    expires_at, witness_id, explained_by, language, document_id, evidence, encounter_id
  )
  values (
    v_tenant, coalesce(p_id, core.uuid_v7()), p_patient_id, p_kind, p_notice_id, p_purposes, p_decision, p_given_by,
    p_contact_id, case when p_given_by = 'guardian' then true end, p_given_at, p_expires_at, p_witness_id,
    p_explained_by, p_language, p_document_id, p_evidence, p_encounter_id
  )
  returning * into v_consent;
  update compliance.consents c
  set status = v_status
  where c.tenant_id = v_tenant and c.id = v_consent.id
  returning c.* into v_consent;
  return v_consent;
end
$$;

comment on function compliance.give_consent(uuid, text, text, text[], text, uuid, uuid, uuid, uuid, uuid, uuid, text, timestamptz, jsonb, timestamptz, uuid) is 'about=Records what was permitted or denied, in force at once. A newer consent to data processing or marketing takes the place of the last one, and what rested on that stops; one that is older than the last word is superseded from the start. The same id, or the same kind at the same instant, is the same consent. IM003 no tenant, IM005 no such patient, IM011 the id is another consent''s, IM913 a minor, or no verified guardian, IM914 the notice does not cover it, 23514 in the future.';

create function compliance.stop_what_rests_on(p_tenant_id uuid, p_consent_id uuid) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  update communication.contact_preferences c
  set opted_in = false, changed_at = now()
  where c.tenant_id = p_tenant_id and c.consent_id = p_consent_id and c.opted_in;
end
$$;

comment on function compliance.stop_what_rests_on(uuid, uuid) is 'about=Ends what a consent allowed: messages for which a person opted in under it are sent no more. Other services follow the event.';

create function compliance.end_standing_consents(p_tenant_id uuid, p_people uuid[], p_kind text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_id uuid;
begin
  for v_id in
    select c.id
    from compliance.consents c
    where c.tenant_id = p_tenant_id and c.patient_id = any (p_people) and c.kind = p_kind and c.status = 'active'
    order by c.id
    for no key update
  loop
    update compliance.consents c set status = 'superseded' where c.tenant_id = p_tenant_id and c.id = v_id;
    perform compliance.stop_what_rests_on(p_tenant_id, v_id);
  end loop;
end
$$;

comment on function compliance.end_standing_consents(uuid, uuid[], text) is 'about=Marks the active consents of a kind, of all records of a person, as superseded by a newer word.';

create function compliance.lock_consent(p_consent_id uuid) returns compliance.consents
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_consent compliance.consents;
begin
  select c.* into v_consent
  from compliance.consents c
  where c.tenant_id = v_tenant and c.id = p_consent_id
  for no key update;
  if not found then
    raise exception 'consent % does not exist', p_consent_id
      using errcode = 'IM005', hint = 'choose a consent of the tenant';
  end if;
  return v_consent;
end
$$;

comment on function compliance.lock_consent(uuid) is 'about=The consent, locked until the transaction ends. IM005 no such consent.';

create function compliance.withdraw_consent(p_consent_id uuid, p_reason text default null) returns compliance.consents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_consent compliance.consents;
  v_people uuid[];
begin
  select compliance.lock_person(v_tenant, c.patient_id) into v_people
  from compliance.consents c
  where c.tenant_id = v_tenant and c.id = p_consent_id and compliance.is_standing(c.kind);
  v_consent := compliance.lock_consent(p_consent_id);
  if v_consent.status = 'withdrawn' then
    return v_consent;
  end if;
  update compliance.consents c
  set status = 'withdrawn', withdrawn_at = greatest(now(), c.given_at), withdrawal_reason = p_reason
  where c.tenant_id = v_consent.tenant_id and c.id = v_consent.id
  returning c.* into v_consent;
  perform compliance.stop_what_rests_on(v_consent.tenant_id, v_consent.id);
  if compliance.is_standing(v_consent.kind) then -- of merged records each may have one
    perform compliance.end_standing_consents(v_tenant, v_people, v_consent.kind);
  end if;
  return v_consent;
end
$$;

comment on function compliance.withdraw_consent(uuid, text) is 'about=The person takes a consent back; nobody has to say why. Messages that rested on it stop at once, and consents to data processing or marketing under records that were merged end with it. IM001 not in force, IM005 no such consent.';

create function compliance.expire_consents(p_limit int default 500) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_id uuid;
  v_expired int := 0;
begin
  for v_id in
    select c.id
    from compliance.consents c
    where c.tenant_id = v_tenant and c.status = 'active' and c.expires_at <= now()
    order by c.expires_at
    limit p_limit
    for no key update skip locked
  loop
    update compliance.consents c set status = 'expired' where c.tenant_id = v_tenant and c.id = v_id;
    perform compliance.stop_what_rests_on(v_tenant, v_id);
    v_expired := v_expired + 1;
  end loop;
  return v_expired;
end
$$;

comment on function compliance.expire_consents(int) is 'about=Job: ends up to p_limit consents whose time is over and returns how many.';

create function compliance.active_consent(p_patient_id uuid, p_kind text, p_purpose text default null) returns uuid
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_people uuid[] := patient.ids_of(p_patient_id);
  v_word record;
begin
  select
    c.id,
    c.decision = 'permit' and c.status = 'active' and (c.expires_at is null or c.expires_at > now())
    and (p_purpose is null or p_purpose = any (c.purposes)) as permits
  into v_word
  from compliance.consents c
  where
    c.tenant_id = core.require_tenant() and c.patient_id = any (v_people) and c.kind = p_kind
    and case
      -- also one that was taken back or has run out: an older one under a merged record does not come to life again
      when compliance.is_standing(p_kind) then c.status not in ('draft', 'rejected')
      else
        c.status = 'active' and (c.expires_at is null or c.expires_at > now())
        -- who denies without naming a purpose denies all
        and (p_purpose is null or p_purpose = any (c.purposes) or (c.decision = 'deny' and c.purposes = '{}'))
    end
  order by
    case when compliance.is_standing(p_kind) then greatest(c.given_at, c.withdrawn_at) else c.given_at end desc,
    c.decision, c.id desc
  limit 1;
  return case when v_word.permits then v_word.id end;
end
$$;

comment on function compliance.active_consent(uuid, text, text) is 'about=The consent of a kind, and for a purpose where one is given, that is in force for the person, under whichever of the records that were merged it was given; null when there is none, or when the newest word is a denial. IM003 no tenant.';
