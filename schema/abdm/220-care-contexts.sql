-- Milestone M2: which pieces of the record can be linked, and taking them back.

create function abdm.context_display(p_hi_type text, p_record_date date) returns text
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select left(
    replace(
      replace(
        coalesce(core.setting('abdm.context_display') #>> '{}', '{type}, {date}'),
        '{type}', coalesce(fhir.value_set_display('urn:abdm:hi-types', p_hi_type), p_hi_type)
      ),
      '{date}', to_char(p_record_date, 'DD Mon YYYY')
    ),
    80
  )
$$;

comment on function abdm.context_display(text, date) is 'about=What the patient reads of a care context: setting abdm.context_display with {type} and {date}. No other word of the record goes in.';

create function abdm.hip_of(p_clinic_id uuid) returns text
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_hips text[];
begin
  select array_agg(distinct r.network_id) into v_hips
  from abdm.facility_registrations r
  where
    r.tenant_id = core.require_tenant() and r.role in ('HIP', 'HIP_HIU') and r.status = 'active'
    and (p_clinic_id is null or r.clinic_id = p_clinic_id);
  if coalesce(cardinality(v_hips), 0) <> 1 then
    raise exception 'the site has % active registrations as information provider', coalesce(cardinality(v_hips), 0)
      using errcode = 'IM005', hint = 'activate one in abdm.facility_registrations, or pass p_hip_id';
  end if;
  return v_hips[1];
end
$$;

comment on function abdm.hip_of(uuid) is 'about=Network id of the clinic as information provider; of the tenant''s only one when no clinic is given. IM005 none, or more than one.';

create function abdm.add_care_context(
  p_patient_id uuid,
  p_hi_type text,
  p_source_type text,
  p_source_id uuid,
  p_record_date date,
  p_encounter_id uuid default null,
  p_hip_id text default null
) returns abdm.care_contexts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_id uuid := core.uuid_v7();
  v_clinic_id uuid;
  v_context abdm.care_contexts;
begin
  perform abdm.check_live_patient(p_patient_id);
  if p_encounter_id is not null then
    select e.clinic_id into v_clinic_id
    from clinical.encounters e
    join patient.patients p on p.tenant_id = e.tenant_id and p.id = e.patient_id
    where
      e.tenant_id = v_tenant and e.id = p_encounter_id
      and (e.patient_id = p_patient_id or p.merged_into_id = p_patient_id);
    if not found then
      raise exception 'patient % has no encounter %', p_patient_id, p_encounter_id
        using errcode = 'IM005', hint = 'pass the patient of the encounter';
    end if;
  end if;

  insert into abdm.care_contexts (
    tenant_id, id, patient_id, encounter_id, hip_id, patient_reference, reference, display, hi_type, source_type,
    source_id, record_date
  )
  values (
    v_tenant, v_id, p_patient_id, p_encounter_id, coalesce(p_hip_id, abdm.hip_of(v_clinic_id)), p_patient_id::text,
    v_id::text, abdm.context_display(p_hi_type, p_record_date), p_hi_type, p_source_type, p_source_id, p_record_date
  )
  on conflict (tenant_id, source_type, source_id, hi_type) do nothing
  returning * into v_context;
  if not found then
    select c.* into v_context
    from abdm.care_contexts c
    where
      c.tenant_id = v_tenant and c.source_type = p_source_type and c.source_id = p_source_id
      and c.hi_type = p_hi_type;
  end if;
  return v_context;
end
$$;

comment on function abdm.add_care_context(uuid, text, text, uuid, date, uuid, text) is 'about=Makes a row of the record linkable as one HI type; the same row and type again is the same context. The reference is the context''s id, the display a template. IM003, IM005 no such patient or encounter, or no one registration as provider, 23514 no HI type.';

create function abdm.mark_contexts_notified(p_context_ids uuid[]) returns integer
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_id uuid;
  v_notified integer := 0;
begin
  for v_id in
    select c.id
    from abdm.care_contexts c
    where c.tenant_id = v_tenant and c.id = any (p_context_ids) and c.status = 'linked'
    order by c.id
    for no key update
  loop
    update abdm.care_contexts c
    set status = 'notified', notified_at = now()
    where c.tenant_id = v_tenant and c.id = v_id;
    v_notified := v_notified + 1;
  end loop;
  return v_notified;
end
$$;

comment on function abdm.mark_contexts_notified(uuid[]) is 'about=The consent manager was told of new data in these contexts; returns how many were linked and not yet marked.';

create function abdm.unlink_care_context(p_context_id uuid, p_reason text, p_withdraw boolean default false)
  returns abdm.care_contexts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_context abdm.care_contexts;
begin
  select c.* into v_context
  from abdm.care_contexts c
  where c.tenant_id = v_tenant and c.id = p_context_id
  for no key update;
  if not found then
    raise exception 'care context % does not exist', p_context_id
      using errcode = 'IM005', hint = 'choose a care context of the tenant';
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'care context % needs a reason to be taken back', p_context_id
      using errcode = 'IM002', hint = 'say why in p_reason';
  end if;
  perform core.set_reason(p_reason);
  if v_context.status in ('linked', 'notified') then
    update abdm.care_contexts c
    set status = 'unlinked'
    where c.tenant_id = v_tenant and c.id = p_context_id
    returning c.* into v_context;
  end if;
  if p_withdraw and v_context.status <> 'withdrawn' then
    update abdm.care_contexts c
    set status = 'withdrawn'
    where c.tenant_id = v_tenant and c.id = p_context_id
    returning c.* into v_context;
  end if;
  return v_context;
end
$$;

comment on function abdm.unlink_care_context(uuid, text, boolean) is 'about=Takes a linked context back; p_withdraw takes it back for good, linked or not. Again: nothing changes. IM001 a link is under way, IM002 no reason, IM005.';
