-- A procedure from plan to end, with the three stops of the WHO surgical safety checklist.

create function clinical.lock_procedure(p_procedure_id uuid) returns clinical.procedures
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_procedure clinical.procedures;
begin
  select p.* into v_procedure
  from clinical.procedures p
  where p.tenant_id = core.require_tenant() and p.id = p_procedure_id
  for no key update;
  if not found then
    raise exception 'procedure % does not exist', p_procedure_id
      using errcode = 'IM005', hint = 'plan it with clinical.plan_procedure';
  end if;
  return v_procedure;
end
$$;

comment on function clinical.lock_procedure(uuid) is 'about=A procedure of the tenant, locked. IM003 no tenant, IM005 no such procedure.';

create function clinical.plan_procedure(
  p_encounter_id uuid,
  p_kind text,
  p_code_system text,
  p_code text,
  p_display text,
  p_laterality text default 'na',
  p_primary_surgeon_id uuid default null,
  p_anaesthetist_id uuid default null,
  p_anaesthesia_type text default null,
  p_asa_class int default null,
  p_service_request_id uuid default null,
  p_consent_id uuid default null,
  p_id uuid default null
) returns clinical.procedures
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_encounter clinical.encounters := clinical.lock_encounter(p_encounter_id);
  v_procedure clinical.procedures;
begin
  select p.* into v_procedure
  from clinical.procedures p
  where p.tenant_id = v_encounter.tenant_id and p.id = p_id;
  if found then
    if v_procedure.encounter_id <> p_encounter_id then
      raise exception 'procedure % belongs to another encounter', p_id
        using errcode = 'IM011', hint = 'choose a new id for a new procedure';
    end if;
    return v_procedure; -- sent again
  end if;
  insert into clinical.procedures (
    tenant_id, id, procedure_number, patient_id, encounter_id, service_request_id, code_system, code, display, kind,
    laterality, asa_class, anaesthesia_type, primary_surgeon_id, anaesthetist_id, consent_id
  )
  values (
    v_encounter.tenant_id, coalesce(p_id, core.uuid_v7()), core.next_default_number('procedure', '', 'PROC-{YY}-'),
    v_encounter.patient_id, p_encounter_id, p_service_request_id, p_code_system, p_code, p_display, p_kind,
    p_laterality, p_asa_class, p_anaesthesia_type, p_primary_surgeon_id, p_anaesthetist_id, p_consent_id
  )
  returning * into v_procedure;
  return v_procedure;
end
$$;

comment on function clinical.plan_procedure(uuid, text, text, text, text, text, uuid, uuid, text, int, uuid, uuid, uuid) is 'about=Plans a procedure: surgery, bedside, diagnostic or therapy. An id that the caller chose is planned once. IM005 no such encounter, IM011 the id is of another encounter''s procedure.';

create function clinical.sign_in_procedure(p_procedure_id uuid, p_answers jsonb default '{}')
  returns clinical.procedures
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_procedure clinical.procedures := clinical.lock_procedure(p_procedure_id);
  v_people uuid[] := patient.ids_of(v_procedure.patient_id);
begin
  if v_procedure.sign_in_at is not null then
    return v_procedure;
  end if;
  perform clinical.lock_present_encounter(v_procedure.encounter_id);
  if v_procedure.kind = 'surgery' and not exists (
    select
    from compliance.consents c
    where
      c.tenant_id = v_procedure.tenant_id and c.id = v_procedure.consent_id and c.patient_id = any (v_people)
      and c.kind = 'surgery' and c.decision = 'permit' and c.status = 'active'
      and (c.expires_at is null or c.expires_at > now())
      and (c.encounter_id is null or c.encounter_id = v_procedure.encounter_id)
      and not exists (
        select
        from compliance.consents d
        where
          d.tenant_id = c.tenant_id and d.patient_id = any (v_people) and d.kind = c.kind and d.decision = 'deny'
          and d.status = 'active' and d.given_at >= c.given_at
          and (d.encounter_id is null or d.encounter_id = v_procedure.encounter_id)
      )
  ) then
    raise exception 'procedure % has no consent to surgery that is in force', p_procedure_id
      using errcode = 'IM006', hint = 'record the consent of the patient and set consent_id';
  end if;
  update clinical.procedures p
  set
    status = 'in_progress', sign_in_at = now(), patient_in_at = coalesce(p.patient_in_at, now()),
    checklist = coalesce(p.checklist, '{}') || jsonb_build_object('sign_in', p_answers)
  where p.tenant_id = v_procedure.tenant_id and p.id = p_procedure_id
  returning p.* into v_procedure;
  return v_procedure;
end
$$;

comment on function clinical.sign_in_procedure(uuid, jsonb) is 'about=Sign-in, before anaesthesia: the procedure begins. Surgery needs the patient''s active consent to surgery, under whichever of merged records, and no later denial. Asked again: nothing changes. IM001 not in preparation, or the patient is not here, IM005 no such procedure, IM006 no consent.';

create function clinical.time_out_procedure(p_procedure_id uuid, p_answers jsonb default '{}')
  returns clinical.procedures
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_procedure clinical.procedures := clinical.lock_procedure(p_procedure_id);
begin
  if v_procedure.time_out_at is not null then
    return v_procedure;
  end if;
  if v_procedure.status <> 'in_progress' then
    raise exception 'procedure % is %', p_procedure_id, v_procedure.status
      using errcode = 'IM001', hint = 'sign in first';
  end if;
  update clinical.procedures p
  set time_out_at = now(), checklist = p.checklist || jsonb_build_object('time_out', p_answers)
  where p.tenant_id = v_procedure.tenant_id and p.id = p_procedure_id
  returning p.* into v_procedure;
  return v_procedure;
end
$$;

comment on function clinical.time_out_procedure(uuid, jsonb) is 'about=Time-out, before incision: patient, site and procedure are confirmed by the team. Asked again: nothing changes. IM001 not signed in, or over, IM005 no such procedure.';

create function clinical.record_incision(p_procedure_id uuid) returns clinical.procedures
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_procedure clinical.procedures := clinical.lock_procedure(p_procedure_id);
begin
  if v_procedure.incision_at is not null then
    return v_procedure;
  end if;
  if v_procedure.status <> 'in_progress' or v_procedure.time_out_at is null then
    raise exception 'procedure % had no time-out', p_procedure_id
      using errcode = 'IM001', hint = 'no incision before the time-out';
  end if;
  update clinical.procedures p
  set incision_at = now()
  where p.tenant_id = v_procedure.tenant_id and p.id = p_procedure_id
  returning p.* into v_procedure;
  return v_procedure;
end
$$;

comment on function clinical.record_incision(uuid) is 'about=Incision. Asked again: nothing changes. IM001 no time-out yet, or over, IM005 no such procedure.';

create function clinical.sign_out_procedure(
  p_procedure_id uuid,
  p_counts_correct boolean,
  p_answers jsonb default '{}',
  p_blood_loss_ml int default null,
  p_complications text default null
) returns clinical.procedures
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_procedure clinical.procedures := clinical.lock_procedure(p_procedure_id);
begin
  if v_procedure.sign_out_at is not null then
    return v_procedure;
  end if;
  if v_procedure.status <> 'in_progress' or v_procedure.time_out_at is null then
    raise exception 'procedure % had no time-out', p_procedure_id
      using errcode = 'IM001', hint = 'sign-in, time-out, sign-out: in this order';
  end if;
  update clinical.procedures p
  set
    sign_out_at = now(), closure_at = case when p.incision_at is not null then coalesce(p.closure_at, now()) end,
    counts_correct = p_counts_correct, blood_loss_ml = coalesce(p_blood_loss_ml, p.blood_loss_ml),
    complications = coalesce(p_complications, p.complications),
    checklist = p.checklist || jsonb_build_object('sign_out', p_answers)
  where p.tenant_id = v_procedure.tenant_id and p.id = p_procedure_id
  returning p.* into v_procedure;
  return v_procedure;
end
$$;

comment on function clinical.sign_out_procedure(uuid, boolean, jsonb, int, text) is 'about=Sign-out, before the patient leaves the theatre: were the counts of swabs, needles and instruments right. Asked again: nothing changes. IM001 no time-out yet, or over, IM005 no such procedure.';

create function clinical.complete_procedure(p_procedure_id uuid) returns clinical.procedures
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_procedure clinical.procedures := clinical.lock_procedure(p_procedure_id);
begin
  if v_procedure.status = 'completed' then
    return v_procedure;
  end if;
  if v_procedure.kind = 'surgery' and v_procedure.sign_out_at is null then
    raise exception 'surgery % is not signed out', p_procedure_id
      using errcode = 'IM001', hint = 'count and sign out first';
  end if;
  if v_procedure.status = 'preparation' and v_procedure.kind <> 'surgery' then -- no theatre, no checklist
    update clinical.procedures p
    set status = 'in_progress'
    where p.tenant_id = v_procedure.tenant_id and p.id = p_procedure_id;
  end if;
  update clinical.procedures p
  set status = 'completed', patient_out_at = coalesce(p.patient_out_at, now())
  where p.tenant_id = v_procedure.tenant_id and p.id = p_procedure_id
  returning p.* into v_procedure;
  update clinical.service_requests o
  set status = 'completed'
  where o.tenant_id = v_procedure.tenant_id and o.id = v_procedure.service_request_id and o.status = 'active';
  return v_procedure;
end
$$;

comment on function clinical.complete_procedure(uuid) is 'about=The procedure is over, and so is its order. Surgery must be signed out; other procedures need no checklist. Asked again: nothing changes. IM001 not begun, stopped, or surgery not signed out, IM005 no such procedure.';

create function clinical.abandon_procedure(p_procedure_id uuid, p_reason text) returns clinical.procedures
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_procedure clinical.procedures := clinical.lock_procedure(p_procedure_id);
begin
  if v_procedure.status in ('not_done', 'stopped') then
    return v_procedure;
  end if;
  perform clinical.require_reason(p_reason, 'abandoning a procedure');
  update clinical.procedures p
  set status = case p.status when 'preparation' then 'not_done' else 'stopped' end
  where p.tenant_id = v_procedure.tenant_id and p.id = p_procedure_id
  returning p.* into v_procedure;
  return v_procedure;
end
$$;

comment on function clinical.abandon_procedure(uuid, text) is 'about=A planned procedure is not done, or one that began is stopped. IM001 completed, IM002 no reason, IM005 no such procedure.';
