-- A breach of personal data, from discovery to closure. Reports are recorded once: the first instant stays. Lock order: breach,
-- then its persons.

create function compliance.lock_breach(p_breach_id uuid) returns compliance.breaches
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_breach compliance.breaches;
begin
  select b.* into v_breach
  from compliance.breaches b
  where b.tenant_id = v_tenant and b.id = p_breach_id
  for no key update;
  if not found then
    raise exception 'breach % does not exist', p_breach_id
      using errcode = 'IM005', hint = 'choose a breach of the tenant';
  end if;
  return v_breach;
end
$$;

comment on function compliance.lock_breach(uuid) is 'about=The breach, locked until the transaction ends. IM005 no such breach.';

create function compliance.open_breach(
  p_nature text,
  p_categories text[],
  p_systems text[],
  p_discovered_at timestamptz default now(),
  p_affected_count int default 0,
  p_occurred_from timestamptz default null,
  p_occurred_to timestamptz default null,
  p_likely_impact text default null,
  p_incident_id uuid default null,
  p_id uuid default null
) returns compliance.breaches
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_breach compliance.breaches;
begin
  select b.* into v_breach from compliance.breaches b where b.tenant_id = v_tenant and b.id = p_id;
  if found then
    return v_breach;
  end if;
  insert into compliance.breaches (
    tenant_id, id, breach_number, discovered_at, occurred_from, occurred_to, nature, categories, affected_count, systems,
    likely_impact, incident_id
  )
  values (
    v_tenant, coalesce(p_id, core.uuid_v7()), core.next_default_number('breach', '', 'BR-{YY}-', 4), p_discovered_at,
    p_occurred_from, p_occurred_to, p_nature, p_categories, p_affected_count, p_systems, p_likely_impact, p_incident_id
  )
  returning * into v_breach;
  return v_breach;
end
$$;

comment on function compliance.open_breach(text, text[], text[], timestamptz, int, timestamptz, timestamptz, text, uuid, uuid) is 'about=A breach was discovered: the clocks of CERT-In (6 hours) and the Board (72 hours) run from p_discovered_at. The same id is the same breach. IM003 no tenant.';

create function compliance.add_affected_person(
  p_breach_id uuid,
  p_patient_id uuid,
  p_data_categories text[],
  p_person_ref text default null
) returns compliance.breach_affected_persons
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_breach compliance.breaches := compliance.lock_breach(p_breach_id);
  v_person compliance.breach_affected_persons;
begin
  select p.* into v_person
  from compliance.breach_affected_persons p
  where
    p.tenant_id = v_breach.tenant_id and p.breach_id = v_breach.id
    and case
      when p_patient_id is null then p.patient_id is null and p.person_ref = p_person_ref
      else p.patient_id = p_patient_id
    end;
  if found then
    return v_person;
  end if;
  if v_breach.status = 'closed' then
    raise exception 'breach % is closed', p_breach_id
      using errcode = 'IM001', hint = 'open a new breach for what was found later';
  end if;
  insert into compliance.breach_affected_persons (tenant_id, breach_id, patient_id, person_ref, data_categories)
  values (v_breach.tenant_id, v_breach.id, p_patient_id, p_person_ref, p_data_categories)
  returning * into v_person;
  -- somebody who was not told yet: "all told" is not true any more
  update compliance.breaches b
  set
    principals_notified_at = null,
    affected_count = greatest(
      b.affected_count,
      (
        select count(*)
        from compliance.breach_affected_persons p
        where p.tenant_id = v_breach.tenant_id and p.breach_id = v_breach.id
      )
    )
  where b.tenant_id = v_breach.tenant_id and b.id = v_breach.id;
  return v_person;
end
$$;

comment on function compliance.add_affected_person(uuid, uuid, text[], text) is 'about=Somebody''s data was touched: a patient, or another person by the reference that the hospital knows them by. Each once. IM001 the breach is closed, IM005 no such breach.';

create function compliance.record_person_notice(
  p_person_id uuid,
  p_notification_id uuid default null,
  p_returned boolean default false
) returns compliance.breach_affected_persons
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_breach_id uuid;
  v_person compliance.breach_affected_persons;
begin
  select p.breach_id into v_breach_id
  from compliance.breach_affected_persons p
  where p.tenant_id = v_tenant and p.id = p_person_id;
  if not found then
    raise exception 'affected person % does not exist', p_person_id
      using errcode = 'IM005', hint = 'choose a row of compliance.breach_affected_persons';
  end if;
  perform compliance.lock_breach(v_breach_id);
  update compliance.breach_affected_persons p
  set
    returned = p_returned, notification_id = coalesce(p_notification_id, p.notification_id),
    notified_at = case when not p_returned then coalesce(p.notified_at, now()) end
  where p.tenant_id = v_tenant and p.id = p_person_id
  returning p.* into v_person;

  update compliance.breaches b
  set principals_notified_at = case
    when exists (
      select
      from compliance.breach_affected_persons p
      where p.tenant_id = v_tenant and p.breach_id = v_breach_id and p.notified_at is null
    ) then null
    else coalesce(b.principals_notified_at, greatest(now(), b.discovered_at))
  end
  where b.tenant_id = v_tenant and b.id = v_breach_id and b.status <> 'closed';
  return v_person;
end
$$;

comment on function compliance.record_person_notice(uuid, uuid, boolean) is 'about=An affected person was told, or the notice came back (p_returned). When everybody was told the breach says since when. IM005 no such person.';

create function compliance.contain_breach(p_breach_id uuid, p_measures text) returns compliance.breaches
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_breach compliance.breaches := compliance.lock_breach(p_breach_id);
begin
  if v_breach.status <> 'open' then
    return v_breach;
  end if;
  update compliance.breaches b
  set status = 'contained', measures = p_measures
  where b.tenant_id = v_breach.tenant_id and b.id = v_breach.id
  returning b.* into v_breach;
  return compliance.follow_reports(v_breach);
end
$$;

comment on function compliance.contain_breach(uuid, text) is 'about=It goes on no more: what was done. IM005 no such breach.';

create function compliance.follow_reports(p_breach compliance.breaches) returns compliance.breaches
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_breach compliance.breaches := p_breach;
begin
  if v_breach.status = 'contained' and v_breach.board_initial_at is not null then
    update compliance.breaches b
    set status = 'reported'
    where b.tenant_id = v_breach.tenant_id and b.id = v_breach.id
    returning b.* into v_breach;
  end if;
  return v_breach;
end
$$;

comment on function compliance.follow_reports(compliance.breaches) is 'about=A contained breach of which the Board was told is reported.';

create function compliance.record_breach_report(
  p_breach_id uuid,
  p_step text,
  p_at timestamptz default now()
) returns compliance.breaches
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_breach compliance.breaches := compliance.lock_breach(p_breach_id);
begin
  if p_step not in ('cert_in', 'board_initial', 'board_detailed', 'principals', 'hhs') then
    raise exception 'unknown step "%"', p_step
      using errcode = '22023', hint = 'use cert_in, board_initial, board_detailed, principals or hhs';
  end if;
  if p_step = 'principals' then
    perform
    from compliance.breach_affected_persons p
    where p.tenant_id = v_breach.tenant_id and p.breach_id = v_breach.id and p.notified_at is null;
    if found then
      raise exception 'not everybody affected by breach % was told', p_breach_id
        using errcode = 'IM915', hint = 'record each with compliance.record_person_notice';
    end if;
  end if;
  update compliance.breaches b
  set
    cert_in_reported_at = case p_step when 'cert_in' then coalesce(b.cert_in_reported_at, p_at) else b.cert_in_reported_at end,
    board_initial_at = case p_step when 'board_initial' then coalesce(b.board_initial_at, p_at) else b.board_initial_at end,
    board_detailed_at = case p_step when 'board_detailed' then coalesce(b.board_detailed_at, p_at) else b.board_detailed_at end,
    principals_notified_at = case p_step
      when 'principals' then coalesce(b.principals_notified_at, p_at)
      else b.principals_notified_at
    end,
    hhs_reported_at = case p_step when 'hhs' then coalesce(b.hhs_reported_at, p_at) else b.hhs_reported_at end
  where b.tenant_id = v_breach.tenant_id and b.id = v_breach.id
  returning b.* into v_breach;
  return compliance.follow_reports(v_breach);
end
$$;

comment on function compliance.record_breach_report(uuid, text, timestamptz) is 'about=A report was made: cert_in, board_initial, board_detailed, principals (all persons told) or hhs. The first instant of a step stays. IM005 no such breach, IM915 somebody was not told.';

create function compliance.close_breach(p_breach_id uuid, p_root_cause text, p_measures text default null)
  returns compliance.breaches
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_breach compliance.breaches := compliance.lock_breach(p_breach_id);
begin
  if v_breach.status = 'closed' then
    return v_breach;
  end if;
  if coalesce(p_root_cause, '') = ''
    or num_nulls(v_breach.board_initial_at, v_breach.board_detailed_at, v_breach.principals_notified_at) > 0
  then
    raise exception 'breach % is not reported to the Board and to everybody, or its cause is not known', p_breach_id
      using errcode = 'IM915', hint = 'record the missing reports with compliance.record_breach_report';
  end if;
  update compliance.breaches b
  set status = 'closed', root_cause = p_root_cause, measures = coalesce(p_measures, b.measures)
  where b.tenant_id = v_breach.tenant_id and b.id = v_breach.id
  returning b.* into v_breach;
  return v_breach;
end
$$;

comment on function compliance.close_breach(uuid, text, text) is 'about=Everything is reported, everybody told, the cause known. IM001 not reported, IM005 no such breach, IM915 a step or a person is missing.';
