-- The discharge summary: prepared by one, approved by another, amended by a summary of its own.

create function clinical.lock_discharge_summary(p_summary_id uuid) returns clinical.discharge_summaries
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_encounter_id uuid;
  v_summary clinical.discharge_summaries;
begin
  select s.encounter_id into v_encounter_id
  from clinical.discharge_summaries s
  where s.tenant_id = v_tenant and s.id = p_summary_id;
  if not found then
    raise exception 'discharge summary % does not exist', p_summary_id
      using errcode = 'IM005', hint = 'prepare it with clinical.prepare_discharge_summary';
  end if;
  perform clinical.lock_encounter(v_encounter_id);
  select s.* into v_summary
  from clinical.discharge_summaries s
  where s.tenant_id = v_tenant and s.id = p_summary_id
  for no key update;
  return v_summary;
end
$$;

comment on function clinical.lock_discharge_summary(uuid) is 'about=A discharge summary of the tenant, locked after its encounter. IM003 no tenant, IM005 no such summary.';

create function clinical.prepare_discharge_summary(
  p_admission_id uuid,
  p_discharge_kind text,
  p_content jsonb
) returns clinical.discharge_summaries
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_admission clinical.admissions := clinical.lock_admission(p_admission_id);
  v_summary clinical.discharge_summaries;
begin
  select s.* into v_summary
  from clinical.discharge_summaries s
  where
    s.tenant_id = v_admission.tenant_id and s.encounter_id = v_admission.encounter_id
    and s.status in ('draft', 'in_review', 'final');
  if found then
    return v_summary; -- there is one
  end if;
  if v_admission.status in ('requested', 'cancelled') then
    raise exception 'admission % is %', p_admission_id, v_admission.status
      using errcode = 'IM001', hint = 'a summary is about a patient who was admitted';
  end if;
  return clinical.write_discharge_summary(v_admission, p_discharge_kind, p_content, null, null);
end
$$;

comment on function clinical.prepare_discharge_summary(uuid, text, jsonb) is 'about=The member of staff who is signed in prepares the summary of a stay. p_content has the columns sections, final_diagnoses, procedures, course_enc, condition_at_discharge, medications, follow_up, advice_enc, care_plan and cause_of_death of clinical.discharge_summaries by name, encrypted bytes in hexadecimal. A stay that has a summary: that summary; a draft is edited in the table. IM001 not admitted, IM005 no such admission, IM006 the user is no member of staff, 22023 unknown key.';

create function clinical.write_discharge_summary(
  p_admission clinical.admissions,
  p_discharge_kind text,
  p_content jsonb,
  p_amends_id uuid,
  p_amendment_reason text
) returns clinical.discharge_summaries
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_known constant text[] := array[
    'sections', 'final_diagnoses', 'procedures', 'course_enc', 'condition_at_discharge', 'medications', 'follow_up',
    'advice_enc', 'care_plan', 'cause_of_death'
  ];
  v_unknown text;
  v_summary clinical.discharge_summaries;
begin
  select k.key into v_unknown from jsonb_object_keys(p_content) as k (key) where k.key <> all (v_known) limit 1;
  if found then
    raise exception 'a discharge summary has no "%"', v_unknown
      using errcode = '22023', hint = 'known: ' || array_to_string(v_known, ', ');
  end if;
  insert into clinical.discharge_summaries (
    tenant_id, summary_number, encounter_id, patient_id, admission_id, sections, final_diagnoses, procedures, course_enc,
    condition_at_discharge, medications, follow_up, advice_enc, care_plan, cause_of_death, discharge_kind, prepared_by,
    amends_id, amendment_reason
  )
  select
    p_admission.tenant_id, core.next_default_number('discharge_summary', '', 'DS-{YY}-'), p_admission.encounter_id,
    e.patient_id, p_admission.id, coalesce(p_content -> 'sections', '{}'), coalesce(p_content -> 'final_diagnoses', '[]'),
    coalesce(p_content -> 'procedures', '[]'), patient.bytes_of(p_content, 'course_enc'),
    p_content ->> 'condition_at_discharge', coalesce(p_content -> 'medications', '[]'),
    coalesce(p_content -> 'follow_up', '[]'), patient.bytes_of(p_content, 'advice_enc'), p_content -> 'care_plan',
    p_content -> 'cause_of_death', p_discharge_kind, workforce.acting_staff_id(), p_amends_id, p_amendment_reason
  from clinical.encounters e
  where e.tenant_id = p_admission.tenant_id and e.id = p_admission.encounter_id
  returning * into v_summary;
  return v_summary;
end
$$;

comment on function clinical.write_discharge_summary(clinical.admissions, text, jsonb, uuid, text) is 'about=Writes the draft summary of a stay that the caller has locked. IM006 the user is no member of staff, 22023 unknown key.';

create function clinical.submit_discharge_summary(p_summary_id uuid) returns clinical.discharge_summaries
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_summary clinical.discharge_summaries := clinical.lock_discharge_summary(p_summary_id);
begin
  if v_summary.status = 'in_review' then
    return v_summary;
  end if;
  update clinical.discharge_summaries s
  set status = 'in_review'
  where s.tenant_id = v_summary.tenant_id and s.id = p_summary_id
  returning s.* into v_summary;
  return v_summary;
end
$$;

comment on function clinical.submit_discharge_summary(uuid) is 'about=A draft goes to review. IM001 not a draft, IM005 no such summary.';

create function clinical.return_discharge_summary(p_summary_id uuid, p_reason text) returns clinical.discharge_summaries
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_summary clinical.discharge_summaries := clinical.lock_discharge_summary(p_summary_id);
begin
  if v_summary.status = 'draft' then
    return v_summary;
  end if;
  perform clinical.require_reason(p_reason, 'returning a summary');
  update clinical.discharge_summaries s
  set status = 'draft'
  where s.tenant_id = v_summary.tenant_id and s.id = p_summary_id
  returning s.* into v_summary;
  return v_summary;
end
$$;

comment on function clinical.return_discharge_summary(uuid, text) is 'about=A summary in review goes back to who prepared it. IM001 not in review, IM002 no reason, IM005 no such summary.';

create function clinical.approve_discharge_summary(p_summary_id uuid) returns clinical.discharge_summaries
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_summary clinical.discharge_summaries := clinical.lock_discharge_summary(p_summary_id);
  v_approver uuid;
begin
  if v_summary.status = 'final' then
    return v_summary;
  end if;
  if v_summary.status <> 'in_review' then
    raise exception 'discharge summary % is %', p_summary_id, v_summary.status
      using errcode = 'IM001', hint = 'send it to review first';
  end if;
  perform workforce.acting_doctor_id();
  v_approver := workforce.acting_staff_id();
  if v_approver = v_summary.prepared_by then
    raise exception 'discharge summary % was prepared by who approves it', p_summary_id
      using errcode = 'IM006', hint = 'another doctor approves';
  end if;
  -- against the stay as it is now, whatever was checked before
  v_summary := clinical.evaluate_stg(p_summary_id);
  if v_summary.stg_status not in ('not_applicable', 'passed', 'waived') then
    raise exception 'discharge summary % does not meet the guidelines that apply', p_summary_id
      using errcode = 'IM610', hint = 'clinical.stg_findings lists what failed; correct the summary, or waive with a reason';
  end if;
  if v_summary.amends_id is not null then
    perform core.set_reason(v_summary.amendment_reason);
    update clinical.discharge_summaries s
    set status = 'amended'
    where s.tenant_id = v_summary.tenant_id and s.id = v_summary.amends_id and s.status = 'final';
  end if;
  update clinical.discharge_summaries s
  set status = 'final', approved_by = v_approver, approved_at = now()
  where s.tenant_id = v_summary.tenant_id and s.id = p_summary_id
  returning s.* into v_summary;
  return v_summary;
end
$$;

comment on function clinical.approve_discharge_summary(uuid) is 'about=A doctor, not the person who prepared it, approves a summary in review: it is final. The guidelines that apply are evaluated once more. A summary that amends another replaces it now. Asked again: nothing changes. IM001 not in review, IM005 no such summary, IM006 no doctor, or prepared by the same person, IM610 a guideline is not met, 23514 no diagnosis, course or condition.';

create function clinical.amend_discharge_summary(p_summary_id uuid, p_content jsonb, p_reason text)
  returns clinical.discharge_summaries
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_old clinical.discharge_summaries := clinical.lock_discharge_summary(p_summary_id);
  v_new clinical.discharge_summaries;
begin
  select s.* into v_new
  from clinical.discharge_summaries s
  where s.tenant_id = v_old.tenant_id and s.amends_id = p_summary_id and s.status in ('draft', 'in_review', 'final');
  if found then
    return v_new; -- being amended already
  end if;
  if v_old.status <> 'final' then
    raise exception 'discharge summary % is %', p_summary_id, v_old.status
      using errcode = 'IM001', hint = 'a draft is edited, a final summary is amended';
  end if;
  perform clinical.require_reason(p_reason, 'amending a summary');
  return clinical.write_discharge_summary(
    clinical.lock_admission(v_old.admission_id), v_old.discharge_kind,
    -- what the amendment does not say stays as it was
    jsonb_strip_nulls(jsonb_build_object(
      'sections', v_old.sections, 'final_diagnoses', v_old.final_diagnoses, 'procedures', v_old.procedures,
      'course_enc', v_old.course_enc, 'condition_at_discharge', v_old.condition_at_discharge,
      'medications', v_old.medications, 'follow_up', v_old.follow_up, 'advice_enc', v_old.advice_enc,
      'care_plan', v_old.care_plan, 'cause_of_death', v_old.cause_of_death
    )) || p_content,
    v_old.id, p_reason
  );
end
$$;

comment on function clinical.amend_discharge_summary(uuid, jsonb, text) is 'about=Prepares a summary that replaces a final one when it is approved; p_content holds what changes, as for clinical.prepare_discharge_summary. Asked again: the same summary. IM001 not final, IM002 no reason, IM005 no such summary, IM006 the user is no member of staff.';

create function clinical.hand_over_discharge_summary(p_summary_id uuid) returns clinical.discharge_summaries
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_summary clinical.discharge_summaries := clinical.lock_discharge_summary(p_summary_id);
begin
  if v_summary.handed_over_at is not null then
    return v_summary;
  end if;
  if v_summary.status <> 'final' then
    raise exception 'discharge summary % is %', p_summary_id, v_summary.status
      using errcode = 'IM001', hint = 'only a final summary is given to the patient';
  end if;
  update clinical.discharge_summaries s
  set handed_over_at = now()
  where s.tenant_id = v_summary.tenant_id and s.id = p_summary_id
  returning s.* into v_summary;
  return v_summary;
end
$$;

comment on function clinical.hand_over_discharge_summary(uuid) is 'about=The patient got the final summary. Asked again: the first time is kept. IM001 not final, IM005 no such summary.';
