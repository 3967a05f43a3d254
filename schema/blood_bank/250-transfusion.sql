-- At the bedside.

create function blood_bank.not_before(p_at timestamptz, p_earlier timestamptz) returns timestamptz
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select case when p_at >= p_earlier - interval '5 minutes' then greatest(p_at, p_earlier) else p_at end
$$;

comment on function blood_bank.not_before(timestamptz, timestamptz) is 'about=An instant that a clock at the bedside told: up to 5 minutes before what happened earlier, which another clock told, it is as late as that.';

create function blood_bank.start_transfusion(
  p_issue_id uuid,
  p_patient_id uuid,
  p_din text,
  p_check1_by uuid,
  p_check2_by uuid,
  p_pre_vitals jsonb default null,
  p_started_at timestamptz default now()
) returns blood_bank.blood_issues
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_issue blood_bank.blood_issues := blood_bank.lock_issue(p_issue_id);
  v_unit blood_bank.blood_components := blood_bank.lock_unit(v_issue.component_id);
  v_started_at timestamptz := blood_bank.not_before(p_started_at, v_issue.issued_at);
  v_warning text;
begin
  if v_issue.patient_id is distinct from p_patient_id or v_unit.din is distinct from p_din then
    raise exception 'issue % is not this unit for this patient', p_issue_id
      using errcode = 'IM352', hint = 'stop: compare wristband, label and form, and call the blood bank';
  end if;
  if p_check1_by is null or p_check2_by is null or p_check1_by = p_check2_by then
    raise exception 'issue % was not checked by two people', p_issue_id
      using errcode = 'IM358', hint = 'ask a second person to check patient and unit at the bedside';
  end if;
  if v_issue.status in ('transfusing', 'stopped', 'completed') then
    return v_issue;
  end if;
  if v_unit.expires_at <= v_started_at then
    raise exception 'unit % expired at %', v_unit.id, v_unit.expires_at
      using errcode = 'IM351', hint = 'discard it and ask for another unit';
  end if;
  if v_issue.status = 'issued' then
    v_warning := blood_bank.consent_warning(blood_bank.lock_request(v_issue.request_id), v_started_at);
  end if;
  update blood_bank.blood_issues i
  set
    status = 'transfusing', bedside_check1_by = p_check1_by, bedside_check2_by = p_check2_by,
    pre_vitals = p_pre_vitals, started_at = v_started_at,
    warnings = case
      when v_warning is null or v_warning = any (i.warnings) then i.warnings
      else i.warnings || v_warning
    end
  where i.tenant_id = v_issue.tenant_id and i.id = v_issue.id
  returning i.* into v_issue;
  return v_issue;
end
$$;

comment on function blood_bank.start_transfusion(uuid, uuid, text, uuid, uuid, jsonb, timestamptz) is 'about=Two different people checked the patient''s wristband (p_patient_id) and the unit''s label (p_din) at the bedside, and the transfusion starts, unless the patient has denied or withdrawn by p_started_at and no doctor ordered emergency release since (with one: warning without_consent). A p_started_at up to 5 minutes before the issue, from a clock that is slow, is the moment of the issue. Asked again: the same issue. IM001 the unit was returned, IM005 no such issue, IM006 the patient denied or withdrew, IM351 expired, IM352 another patient or unit, IM358 not two different people.';

create function blood_bank.stop_transfusion(p_issue_id uuid, p_reason text) returns blood_bank.blood_issues
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_issue blood_bank.blood_issues := blood_bank.lock_issue(p_issue_id);
begin
  if v_issue.status in ('stopped', 'completed') then
    return v_issue;
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'stopping transfusion % needs a reason', p_issue_id
      using errcode = 'IM002', hint = 'say why in p_reason';
  end if;
  perform core.set_reason(p_reason);
  update blood_bank.blood_issues i
  set status = 'stopped'
  where i.tenant_id = v_issue.tenant_id and i.id = v_issue.id
  returning i.* into v_issue;
  return v_issue;
end
$$;

comment on function blood_bank.stop_transfusion(uuid, text) is 'about=Stops a running transfusion; blood_bank.complete_transfusion then says how much was given. IM001 not running, IM002 no reason, IM005 no such issue.';

create function blood_bank.complete_transfusion(
  p_issue_id uuid,
  p_volume_given_ml int,
  p_recorded_by uuid,
  p_post_vitals jsonb default null,
  p_ended_at timestamptz default now()
) returns blood_bank.blood_issues
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_issue blood_bank.blood_issues := blood_bank.lock_issue(p_issue_id);
  v_unit blood_bank.blood_components := blood_bank.lock_unit(v_issue.component_id);
  v_hours int := blood_bank.limit_of('bloodbank.rules', 'transfusion_hours');
begin
  if v_issue.status = 'completed' then
    return v_issue;
  end if;
  update blood_bank.blood_issues i
  set
    status = 'completed', ended_at = blood_bank.not_before(p_ended_at, i.started_at), volume_given_ml = p_volume_given_ml, post_vitals = p_post_vitals,
    warnings = case
      when blood_bank.needs_crossmatch(v_unit.component) and p_ended_at > i.issued_at + make_interval(hours => v_hours)
        then i.warnings || 'over_four_hours'::text
      else i.warnings
    end
  where i.tenant_id = v_issue.tenant_id and i.id = v_issue.id
  returning i.* into v_issue;
  perform blood_bank.move_unit(v_unit, 'transfused', p_recorded_by);
  return v_issue;
end
$$;

comment on function blood_bank.complete_transfusion(uuid, int, uuid, jsonb, timestamptz) is 'about=The transfusion is over, or was stopped: what was given, and the vital signs after it. Red cells that took longer than four hours since the issue get the warning over_four_hours. Asked again: the same issue. IM001 not started, IM005 no such issue.';
