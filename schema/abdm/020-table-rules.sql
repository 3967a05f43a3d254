-- What the tables' triggers ask: rules that depend on other rows, on the day or on the environment.

create function abdm.check_environment() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.environment = 'production' and core.environment() is distinct from 'production' then
    raise exception 'this database is marked "%" and cannot answer for a hospital', core.environment()
      using errcode = 'IM006', hint = 'register the site in the sandbox, or use the production database';
  end if;
  return new;
end
$$;

comment on function abdm.check_environment() is 'about=Before insert or update of environment: a production registration only on a database that is marked production (IM006).';

create function abdm.check_hi_types() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_value jsonb := to_jsonb(new) -> tg_argv[0];
  v_type text;
begin
  for v_type in
    select t.value
    from jsonb_array_elements_text(case jsonb_typeof(v_value) when 'array' then v_value else jsonb_build_array(v_value) end) t
  loop
    if not fhir.value_set_contains('urn:abdm:hi-types', v_type) then
      raise exception '"%" is no HI type', v_type
        using
          errcode = '23514', constraint = tg_name, hint = 'HI types are the members of value set urn:abdm:hi-types';
    end if;
  end loop;
  return new;
end
$$;

comment on function abdm.check_hi_types() is 'about=Argument (column, text or text[]). Before insert or update: HI types are members of value set urn:abdm:hi-types (23514).';

create function abdm.check_emergency_consent() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.purpose = 'BTG' and not exists (
    select
    from audit.break_glass_sessions b
    where
      b.tenant_id = new.tenant_id and b.user_id = new.requester_user_id and b.patient_id = new.patient_id
      and b.status = 'open' and b.expires_at > now()
  ) then
    raise exception 'user % has no open emergency access to patient %', new.requester_user_id, new.patient_id
      using errcode = 'IM006', hint = 'open it with audit.open_break_glass, or ask for another purpose';
  end if;
  return new;
end
$$;

comment on function abdm.check_emergency_consent() is 'about=Before insert or update of purpose: purpose BTG needs open emergency access of the requester to the patient (IM006).';

create function abdm.keep_permission() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if
    (
      new.artefact_id, new.role, new.abha_address, new.hip_id, new.hiu_id, new.consent_manager_id, new.schema_version,
      new.purpose, new.hi_types, new.access_mode, new.data_from, new.data_to, new.data_erase_at, new.frequency_unit,
      new.frequency_value, new.frequency_repeats, new.detail, new.signature, new.granted_at
    ) is distinct from (
      old.artefact_id, old.role, old.abha_address, old.hip_id, old.hiu_id, old.consent_manager_id, old.schema_version,
      old.purpose, old.hi_types, old.access_mode, old.data_from, old.data_to, old.data_erase_at, old.frequency_unit,
      old.frequency_value, old.frequency_repeats, old.detail, old.signature, old.granted_at
    )
  then
    raise exception 'what artefact % permits cannot be changed', old.id
      using errcode = 'IM006', hint = 'another permission is another artefact, signed by the consent manager';
  end if;
  return new;
end
$$;

comment on function abdm.keep_permission() is 'about=Before update of an artefact: permission, text and signature stay as they were signed (IM006).';

create function abdm.movable_contexts(
  p_tenant_id uuid,
  p_artefact_row_id uuid,
  p_from timestamptz,
  p_to timestamptz
) returns setof text
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select l.care_context_reference
  from abdm.consent_artefacts a
  join abdm.consent_artefact_contexts l on l.tenant_id = a.tenant_id and l.artefact_row_id = a.id
  join core.tenants t on t.id = a.tenant_id
  left join abdm.care_contexts c on c.tenant_id = l.tenant_id and c.id = l.care_context_id
  where
    a.tenant_id = p_tenant_id and a.id = p_artefact_row_id
    and (
      -- of another site's context we know the reference only
      (a.role = 'HIU' and c.id is null)
      or (
        c.hi_type = any (a.hi_types) and c.status in ('linked', 'notified')
        -- some moment of the record's day lies in the period
        and c.record_date::timestamp at time zone t.timezone <= p_to
        and (c.record_date + 1)::timestamp at time zone t.timezone > p_from
      )
    )
  order by 1;
end
$$;

comment on function abdm.movable_contexts(uuid, uuid, timestamptz, timestamptz) is 'about=References of the contexts that an artefact lists and that may move for a period: as HIP our own, linked, of an HI type that it names, from that period; as HIU all.';

create function abdm.check_session() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_artefact record;
  v_window interval;
  v_used integer;
  v_reference text;
begin
  -- The update is the lock that makes sessions of one artefact count one after another, in every isolation level.
  update abdm.consent_artefacts a
  set last_used_at = now()
  where a.tenant_id = new.tenant_id and a.id = new.artefact_row_id
  returning a.* into v_artefact;

  if v_artefact.status = 'invalid' then
    raise exception 'the signature of artefact % is wrong', v_artefact.id
      using errcode = 'IM714', hint = 'reject the session and report the artefact';
  end if;
  if v_artefact.status <> 'granted' then
    raise exception 'artefact % is %', v_artefact.id, v_artefact.status
      using errcode = 'IM710', hint = 'ask for a new consent';
  end if;
  if v_artefact.data_erase_at <= now() then
    raise exception 'the data of artefact % are due to be erased', v_artefact.id
      using errcode = 'IM715', hint = 'ask for a new consent';
  end if;
  if new.data_from < v_artefact.data_from or new.data_to > v_artefact.data_to then
    raise exception 'session % asks for a period that artefact % does not cover', new.id, v_artefact.id
      using errcode = 'IM711', hint = 'ask for a period inside the consent';
  end if;

  v_window := greatest(v_artefact.frequency_value, 1) * ('1 ' || v_artefact.frequency_unit)::interval;
  select count(*) into v_used
  from abdm.health_info_requests h
  where
    h.tenant_id = new.tenant_id and h.artefact_row_id = v_artefact.id and h.id <> new.id
    and h.authorised_at > now() - v_window;
  if v_used > v_artefact.frequency_repeats then
    raise exception 'artefact % was used % times in its window', v_artefact.id, v_used
      using errcode = 'IM712', hint = 'wait for the next period';
  end if;

  select r.reference into v_reference
  from unnest(new.care_context_references) as r (reference)
  where r.reference not in (
    select m.reference
    from abdm.movable_contexts(new.tenant_id, v_artefact.id, new.data_from, new.data_to) as m (reference)
  )
  limit 1;
  if found then
    raise exception 'artefact % does not allow care context %', v_artefact.id, v_reference
      using errcode = 'IM713', hint = 'leave it out';
  end if;
  return new;
end
$$;

comment on function abdm.check_session() is 'about=Before a session is acknowledged, under the lock of its artefact: granted (IM710), signature (IM714), not due for erasure (IM715), inside the window (IM711), frequency not used up (IM712), contexts and HI types listed (IM713).';

create function abdm.check_transferred_context() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (
    select
    from abdm.health_info_requests h
    join abdm.consent_artefact_contexts l on l.tenant_id = h.tenant_id and l.artefact_row_id = h.artefact_row_id
    where
      h.tenant_id = new.tenant_id and h.id = new.request_row_id
      and l.care_context_reference = new.care_context_reference
      and new.care_context_reference = any (h.care_context_references)
  ) then
    raise exception 'session % may not move care context %', new.request_row_id, new.care_context_reference
      using errcode = 'IM713', hint = 'leave it out';
  end if;
  return new;
end
$$;

comment on function abdm.check_transferred_context() is 'about=Before a transfer is recorded: its artefact lists the context, and the session was authorised for it (IM713).';

create function abdm.follow_merge() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.merged_into_id is not null then
    perform abdm.lock_patient(new.tenant_id, new.merged_into_id);
    if
      exists (
        select
        from abdm.abha_accounts a
        where
          a.tenant_id = new.tenant_id and a.patient_id = new.id and a.status in ('linked', 'deactivated')
          and a.deleted_at is null
      )
      and exists (
        select
        from abdm.abha_accounts a
        where
          a.tenant_id = new.tenant_id and a.patient_id = new.merged_into_id and a.status in ('linked', 'deactivated')
          and a.deleted_at is null
      )
    then
      raise exception 'patients % and % have an ABHA each', new.merged_into_id, new.id
        using errcode = 'IM213', hint = 'find out which one is right and unlink the other with abdm.unlink_abha';
    end if;
    update abdm.abha_accounts a
    set patient_id = new.merged_into_id, moved_from_patient_ids = a.moved_from_patient_ids || new.id
    where a.tenant_id = new.tenant_id and a.patient_id = new.id and a.status in ('linked', 'deactivated');
  else
    update abdm.abha_accounts a
    set patient_id = new.id, moved_from_patient_ids = trim_array(a.moved_from_patient_ids, 1)
    where
      a.tenant_id = new.tenant_id and a.patient_id = old.merged_into_id
      and a.moved_from_patient_ids[cardinality(a.moved_from_patient_ids)] = new.id;
  end if;
  return null;
end
$$;

comment on function abdm.follow_merge() is 'about=After a patient was merged or unmerged: the linked ABHA goes with them. IM213 both patients have one.';
