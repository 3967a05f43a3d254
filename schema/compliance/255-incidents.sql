-- Incidents: reported, reviewed, put right, closed when that helped.

create function compliance.lock_incident(p_incident_id uuid) returns compliance.incidents
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_incident compliance.incidents;
begin
  select i.* into v_incident
  from compliance.incidents i
  where i.tenant_id = v_tenant and i.id = p_incident_id
  for no key update;
  if not found then
    raise exception 'incident % does not exist', p_incident_id
      using errcode = 'IM005', hint = 'choose an incident of the tenant';
  end if;
  return v_incident;
end
$$;

comment on function compliance.lock_incident(uuid) is 'about=The incident, locked until the transaction ends. IM005 no such incident.';

create function compliance.report_incident(
  p_kind text,
  p_department_id uuid,
  p_severity text,
  p_description_enc bytea,
  p_occurred_at timestamptz default now(),
  p_anonymous boolean default false,
  p_patient_id uuid default null,
  p_encounter_id uuid default null,
  p_subject_type text default null,
  p_subject_id uuid default null,
  p_immediate_action text default null,
  p_id uuid default null
) returns compliance.incidents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_incident compliance.incidents;
begin
  select i.* into v_incident from compliance.incidents i where i.tenant_id = v_tenant and i.id = p_id;
  if found then
    return v_incident;
  end if;
  insert into compliance.incidents (
    tenant_id, id, incident_number, kind, patient_id, encounter_id, department_id, occurred_at, reported_by, anonymous,
    severity, description_enc, subject_type, subject_id, immediate_action, created_by
  )
  values (
    v_tenant, coalesce(p_id, core.uuid_v7()), core.next_default_number('incident', '', 'INC-{YY}-'), p_kind,
    p_patient_id, p_encounter_id, p_department_id, p_occurred_at,
    case when not p_anonymous then workforce.acting_staff_id() end, p_anonymous, p_severity, p_description_enc,
    p_subject_type, p_subject_id, p_immediate_action, case when not p_anonymous then core.current_user_id() end
  )
  returning * into v_incident;
  return v_incident;
end
$$;

comment on function compliance.report_incident(text, uuid, text, bytea, timestamptz, boolean, uuid, uuid, text, uuid, text, uuid) is 'about=Reports an incident, in the name of the signed-in member of staff or anonymously: then the row does not say who. The same id is the same incident. IM003 no tenant, IM006 the user is no member of staff.';

create function compliance.review_incident(p_incident_id uuid, p_root_cause jsonb default null)
  returns compliance.incidents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_incident compliance.incidents := compliance.lock_incident(p_incident_id);
begin
  if v_incident.status not in ('reported', 'under_review') then
    raise exception 'incident % is %', p_incident_id, v_incident.status
      using errcode = 'IM001', hint = 'findings are written during the review; compliance.reopen_incident begins another one';
  end if;
  update compliance.incidents i
  set status = 'under_review', root_cause = coalesce(p_root_cause, i.root_cause)
  where i.tenant_id = v_incident.tenant_id and i.id = v_incident.id
  returning i.* into v_incident;
  return v_incident;
end
$$;

comment on function compliance.review_incident(uuid, jsonb) is 'about=Begins the review, or writes down the root cause that it found. IM001 the review is over, IM005 no such incident.';

create function compliance.reject_incident(p_incident_id uuid, p_reason text) returns compliance.incidents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_incident compliance.incidents := compliance.lock_incident(p_incident_id);
begin
  if v_incident.status = 'rejected' then
    return v_incident;
  end if;
  perform compliance.require_reason(p_reason, 'rejecting incident ' || p_incident_id);
  update compliance.incidents i
  set status = 'rejected'
  where i.tenant_id = v_incident.tenant_id and i.id = v_incident.id
  returning i.* into v_incident;
  return v_incident;
end
$$;

comment on function compliance.reject_incident(uuid, text) is 'about=The report is none, or a second one of the same. IM001 under review already, IM002 no reason, IM005 no such incident.';

create function compliance.plan_incident_action(
  p_incident_id uuid,
  p_corrective_action text,
  p_owner_id uuid,
  p_due_on date,
  p_preventive_action text default null
) returns compliance.incidents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_incident compliance.incidents := compliance.lock_incident(p_incident_id);
begin
  if v_incident.kind = 'sentinel' and v_incident.root_cause is null then
    raise exception 'the root cause of sentinel event % is not known', p_incident_id
      using errcode = 'IM001', hint = 'write it down with compliance.review_incident first';
  end if;
  update compliance.incidents i
  set
    status = 'action_planned', corrective_action = p_corrective_action, preventive_action = p_preventive_action,
    capa_owner_id = p_owner_id, capa_due_on = p_due_on
  where i.tenant_id = v_incident.tenant_id and i.id = v_incident.id
  returning i.* into v_incident;
  return v_incident;
end
$$;

comment on function compliance.plan_incident_action(uuid, text, uuid, date, text) is 'about=What puts it right, who sees to it and until when; until it is done the plan may be changed. IM001 not under review, or a sentinel event without root cause, IM005 no such incident.';

create function compliance.finish_incident_action(p_incident_id uuid, p_done_on date default core.tenant_today())
  returns compliance.incidents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_incident compliance.incidents := compliance.lock_incident(p_incident_id);
begin
  if v_incident.status = 'action_done' then
    return v_incident;
  end if;
  update compliance.incidents i
  set status = 'action_done', capa_done_on = p_done_on
  where i.tenant_id = v_incident.tenant_id and i.id = v_incident.id
  returning i.* into v_incident;
  return v_incident;
end
$$;

comment on function compliance.finish_incident_action(uuid, date) is 'about=What was planned is done. IM001 nothing is planned, IM005 no such incident.';

create function compliance.close_incident(
  p_incident_id uuid,
  p_effectiveness text,
  p_corrective_action text default null
) returns compliance.incidents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_incident compliance.incidents := compliance.lock_incident(p_incident_id);
begin
  if v_incident.status = 'closed' then
    return v_incident;
  end if;
  update compliance.incidents i
  set
    status = 'closed', effectiveness = p_effectiveness,
    corrective_action = coalesce(p_corrective_action, i.corrective_action)
  where i.tenant_id = v_incident.tenant_id and i.id = v_incident.id
  returning i.* into v_incident;
  return v_incident;
end
$$;

comment on function compliance.close_incident(uuid, text, text) is 'about=It helped, and how that was seen; from under_review also what little was done. IM001 neither reviewed nor done, IM005 no such incident; without corrective action and effectiveness incidents_closed_when_effective refuses.';

create function compliance.reopen_incident(p_incident_id uuid, p_reason text) returns compliance.incidents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_incident compliance.incidents := compliance.lock_incident(p_incident_id);
begin
  if v_incident.status = 'under_review' then
    return v_incident;
  end if;
  perform compliance.require_reason(p_reason, 'reviewing incident ' || p_incident_id || ' again');
  update compliance.incidents i
  set status = 'under_review'
  where i.tenant_id = v_incident.tenant_id and i.id = v_incident.id
  returning i.* into v_incident;
  return v_incident;
end
$$;

comment on function compliance.reopen_incident(uuid, text) is 'about=What was done did not help: another review. IM001 nothing was done yet, or it is closed, IM002 no reason, IM005 no such incident.';
