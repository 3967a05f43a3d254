-- Rules that look at other rows or at settings. The operations ask first; these are the last guard, whatever the road.

create function compliance.is_minor(p_tenant_id uuid, p_patient_id uuid, p_at timestamptz) returns boolean
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    (
      select
        p.birth_date + (coalesce((core.setting('compliance.majority_age') #>> '{}')::int, 18) || ' years')::interval
        > p_at at time zone core.tenant_zone()
      from patient.patients p
      where p.tenant_id = p_tenant_id and p.id = p_patient_id
    ),
    false
  )
$$;

comment on function compliance.is_minor(uuid, uuid, timestamptz) is 'about=Whether the patient was under the age of setting compliance.majority_age (18); a patient without a birth date counts as an adult.';

create function compliance.check_consent() returns trigger
  language plpgsql
  security definer -- looks at the patient and at the contact
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_contact record;
  v_notice compliance.consent_notices;
begin
  if new.given_at > now() + interval '5 minutes' then
    raise exception 'consent % was given in the future', new.id
      using errcode = '23514', constraint = 'consents_not_in_future', hint = 'check the clock of the device';
  end if;
  new.given_at := least(new.given_at, now()); -- a clock that is fast makes no word newer than the next one
  if new.given_by in ('patient', 'spouse') and compliance.is_minor(new.tenant_id, new.patient_id, new.given_at) then
    raise exception 'patient % is a minor', new.patient_id
      using errcode = 'IM913', hint = 'a verified guardian consents: given_by guardian with the contact';
  end if;
  if new.contact_id is not null then
    select c.patient_id, c.is_legal_guardian, c.guardian_verified_at, c.valid_to, c.deleted_at into v_contact
    from patient.patient_contacts c
    where c.tenant_id = new.tenant_id and c.id = new.contact_id;
    if v_contact.patient_id <> new.patient_id then
      raise exception 'contact % is not of patient %', new.contact_id, new.patient_id
        using errcode = 'IM913', hint = 'choose a contact of the patient';
    end if;
    if new.given_by = 'guardian' and (
      not v_contact.is_legal_guardian or v_contact.guardian_verified_at is null or v_contact.deleted_at is not null
      or v_contact.valid_to < (new.given_at at time zone core.tenant_zone())::date
    ) then
      raise exception 'contact % is no verified legal guardian', new.contact_id
        using errcode = 'IM913', hint = 'verify the proof of guardianship first';
    end if;
  end if;
  if new.notice_id is not null then
    select n.* into v_notice from compliance.consent_notices n where n.id = new.notice_id;
    if v_notice.effective_from > new.given_at or not new.purposes <@ v_notice.purpose then
      raise exception 'notice % does not cover the consent', new.notice_id
        using errcode = 'IM914', hint = 'show a notice that is in effect and names all purposes';
    end if;
  end if;
  return new;
end
$$;

comment on function compliance.check_consent() is 'about=Before insert or change: nobody consents in the future (23514; up to 5 minutes of a fast clock count as now), for a minor neither the patient nor a spouse consents, a guardian is a verified legal guardian of this patient (IM913), and the notice was in effect and names all purposes (IM914).';

create function compliance.check_opt_in() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  -- the lock makes whoever withdraws it meanwhile find this opt-in
  select c.expires_at into new.consent_expires_at
  from compliance.consents c
  where
    c.tenant_id = new.tenant_id and c.id = new.consent_id and c.kind = 'marketing' and c.decision = 'permit'
    and c.status = 'active' and (c.expires_at is null or c.expires_at > now())
    and case new.subject_type
      when 'patient' then new.subject_id = any (patient.ids_of(c.patient_id))
      when 'contact' then new.subject_id = c.contact_id
    end
    and c.id = compliance.active_consent(c.patient_id, 'marketing') -- a merged record may hold a newer word
  for share;
  if not found then
    raise exception '% % gave no consent to marketing that is in force', new.subject_type, new.subject_id
      using errcode = 'IM006', hint = 'record their own consent of kind marketing first and pass it';
  end if;
  return new;
end
$$;

comment on function compliance.check_opt_in() is 'about=Before an opt-in to promotional messages: it rests on a consent to marketing of that person, permitted and in force (IM006), and ends with it.';

create function compliance.follow_merge() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_people uuid[] := patient.ids_of(new.id);
begin
  insert into communication.contact_preferences as c (
    tenant_id, subject_type, subject_id, channel, category, opted_in, changed_at
  )
  select new.tenant_id, 'patient', new.merged_into_id, w.channel, w.category, false, w.changed_at
  from (
    select distinct on (p.channel, p.category) p.channel, p.category, p.opted_in, p.changed_at
    from communication.contact_preferences p
    where p.tenant_id = new.tenant_id and p.subject_type = 'patient' and p.subject_id = any (v_people)
    order by p.channel, p.category, p.changed_at desc, p.opted_in
  ) as w
  where not w.opted_in
  on conflict (tenant_id, subject_type, subject_id, channel, category) do update
  set opted_in = false, changed_at = excluded.changed_at
  where c.opted_in;

  update communication.contact_preferences p
  set opted_in = false, changed_at = now()
  from compliance.consents c
  where
    c.tenant_id = new.tenant_id and c.patient_id = any (v_people) and c.kind = 'marketing'
    and c.id is distinct from compliance.active_consent(new.id, 'marketing')
    and p.tenant_id = c.tenant_id and p.consent_id = c.id and p.opted_in;
  return null;
end
$$;

comment on function compliance.follow_merge() is 'about=After a patient was merged: what the person refused last under either record is sent to neither, and opt-ins under a consent to marketing that is not their newest word end. Opt-ins of the duplicate are not taken over.';

create function compliance.check_everybody_told() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_waiting int;
begin
  select count(*) into v_waiting
  from compliance.breach_affected_persons p
  where p.tenant_id = new.tenant_id and p.breach_id = new.id and p.notified_at is null;
  if v_waiting > 0 then
    raise exception '% persons affected by breach % were not told', v_waiting, new.id
      using errcode = 'IM915', hint = 'tell them, and record it with compliance.record_person_notice';
  end if;
  return new;
end
$$;

comment on function compliance.check_everybody_told() is 'about=Before a breach closes: every affected person was told (IM915).';

create function compliance.check_legal_minimum() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_minimum interval;
begin
  select max(m.keep_for) into v_minimum
  from compliance.retention_policies m
  where
    m.tenant_id is null and m.class = new.class
    and (m.schema_name is null or m.schema_name = new.schema_name)
    and (m.table_name is null or m.table_name = new.table_name);
  if new.keep_for < v_minimum then
    raise exception 'rows of class "%" are kept for at least %', new.class, v_minimum
      using errcode = 'IM911', hint = 'a policy of the tenant may keep rows longer than the law, not shorter';
  end if;
  return new;
end
$$;

comment on function compliance.check_legal_minimum() is 'about=Before insert or change of a tenant''s policy: it keeps rows at least as long as the shared policy of the class (IM911).';

create function compliance.check_erasure_allowed() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  -- whose rows they were is a hash here: a hold on any patient is compared by the same hash
  if exists (
    select
    from compliance.legal_holds h
    where
      h.tenant_id = new.tenant_id and h.status = 'active'
      and (
        (h.patient_id is null and (
          new.patient_ref_hash is not null -- all of a person: touched by a hold on any table
          or compliance.scope_covers(h.scope, new.schema_name, new.table_name, null)
        ))
        or exists (
          select
          from unnest(patient.ids_of(h.patient_id)) as i
          where compliance.patient_ref_hash(h.tenant_id, i) = new.patient_ref_hash
        )
      )
  ) then
    raise exception 'a legal hold covers what was to be erased'
      using errcode = 'IM910', hint = 'release the hold first';
  end if;
  return new;
end
$$;

comment on function compliance.check_erasure_allowed() is 'about=Before insert: nothing is erased that an active legal hold covers (IM910).';

create function compliance.check_key_not_held() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_advisory_xact_lock_shared(compliance.holds_lock_key(new.tenant_id));
  if compliance.is_under_hold(null, null, null, new.subject_id) then
    raise exception 'a legal hold covers whom key "%" serves', new.kid
      using errcode = 'IM910', hint = 'release the hold first';
  end if;
  return new;
end
$$;

comment on function compliance.check_key_not_held() is 'about=Before the key of a patient is destroyed: no active legal hold covers them (IM910).';

create function compliance.check_country() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_country text;
begin
  select c.country into v_country
  from (
    select new.country as country
    union all
    select s ->> 'country' from jsonb_array_elements(new.subprocessors) as s
  ) as c
  where coalesce(core.setting('compliance.restricted_countries') ? c.country, false)
  limit 1;
  if found then
    raise exception 'personal data may not go to country %', v_country
      using errcode = 'IM916', hint = 'choose a processor elsewhere, or change setting compliance.restricted_countries';
  end if;
  return new;
end
$$;

comment on function compliance.check_country() is 'about=Before insert or change: neither the processor nor one that it uses is in a country of setting compliance.restricted_countries (IM916; DPDP Rules r.15).';
