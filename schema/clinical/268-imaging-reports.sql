-- The report of a study: written, the critical finding told, verified, amended by a report of its own.

create function clinical.lock_imaging_report(p_report_id uuid) returns clinical.imaging_results
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_report clinical.imaging_results;
begin
  select r.* into v_report
  from clinical.imaging_results r
  where r.tenant_id = core.require_tenant() and r.id = p_report_id
  for no key update;
  if not found then
    raise exception 'imaging report % does not exist', p_report_id
      using errcode = 'IM005', hint = 'write it with clinical.report_imaging_study';
  end if;
  return v_report;
end
$$;

comment on function clinical.lock_imaging_report(uuid) is 'about=An imaging report of the tenant, locked. IM003 no tenant, IM005 no such report.';

create function clinical.write_imaging_report(
  p_study clinical.imaging_studies,
  p_findings_enc bytea,
  p_impression_enc bytea,
  p_conclusion_codes text[],
  p_is_critical boolean,
  p_amends_id uuid,
  p_amendment_reason text
) returns clinical.imaging_results
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_report clinical.imaging_results;
begin
  insert into clinical.imaging_results (
    tenant_id, report_number, study_id, patient_id, findings_enc, impression_enc, conclusion_codes, is_critical,
    reported_by, amends_id, amendment_reason
  )
  values (
    p_study.tenant_id, core.next_default_number('imaging_report', '', 'RPT-{YY}-'), p_study.id, p_study.patient_id,
    p_findings_enc, p_impression_enc, p_conclusion_codes, p_is_critical, workforce.acting_doctor_id(), p_amends_id,
    p_amendment_reason
  )
  returning * into v_report;
  update clinical.imaging_results r
  set status = 'preliminary'
  where r.tenant_id = v_report.tenant_id and r.id = v_report.id
  returning r.* into v_report;
  if p_is_critical then
    perform core.enqueue(
      'result', v_report.id, 'result.critical.v1',
      jsonb_build_object('id', v_report.id, 'study_id', v_report.study_id)
    );
  end if;
  return v_report;
end
$$;

comment on function clinical.write_imaging_report(clinical.imaging_studies, bytea, bytea, text[], boolean, uuid, text) is 'about=Writes a preliminary report of a study that the caller has locked; a critical one is announced.';

create function clinical.report_imaging_study(
  p_study_id uuid,
  p_findings_enc bytea,
  p_impression_enc bytea,
  p_is_critical boolean default false,
  p_conclusion_codes text[] default null
) returns clinical.imaging_results
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_study clinical.imaging_studies := clinical.lock_imaging_study(p_study_id);
  v_report clinical.imaging_results;
begin
  select r.* into v_report
  from clinical.imaging_results r
  where
    r.tenant_id = v_study.tenant_id and r.study_id = p_study_id and r.status in ('registered', 'preliminary', 'final');
  if found then
    return v_report; -- reported already
  end if;
  if v_study.status not in ('acquired', 'reported') then
    raise exception 'imaging study % is %', p_study_id, v_study.status
      using errcode = 'IM001', hint = 'there is nothing to report before the pictures are there';
  end if;
  return clinical.write_imaging_report(
    v_study, p_findings_enc, p_impression_enc, p_conclusion_codes, p_is_critical, null, null
  );
end
$$;

comment on function clinical.report_imaging_study(uuid, bytea, bytea, boolean, text[]) is 'about=The doctor who is signed in reports a study, preliminarily; a critical finding is announced at once. A study that has a report: that report. IM001 no pictures yet, IM005 no such study, IM006 the user is no doctor.';

create function clinical.note_critical_told(p_report_id uuid, p_told_to text) returns clinical.imaging_results
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_report clinical.imaging_results := clinical.lock_imaging_report(p_report_id);
begin
  if v_report.critical_notified_at is not null then
    return v_report;
  end if;
  update clinical.imaging_results r
  set critical_notified_at = now(), critical_notified_to = p_told_to
  where r.tenant_id = v_report.tenant_id and r.id = p_report_id
  returning r.* into v_report;
  return v_report;
end
$$;

comment on function clinical.note_critical_told(uuid, text) is 'about=Notes who was told of a critical finding, and when. Asked again: the first is kept. IM005 no such report, IM006 the report is final.';

create function clinical.verify_imaging_report(p_report_id uuid) returns clinical.imaging_results
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_report clinical.imaging_results := clinical.lock_imaging_report(p_report_id);
begin
  if v_report.status = 'final' then
    return v_report;
  end if;
  if v_report.is_critical and v_report.critical_notified_at is null then
    raise exception 'nobody was told of the critical finding of report %', p_report_id
      using errcode = 'IM313', hint = 'tell the doctor in charge, then clinical.note_critical_told';
  end if;
  if v_report.amends_id is not null then -- the corrected report counts from its verification on
    perform core.set_reason(v_report.amendment_reason);
    update clinical.imaging_results r
    set status = 'amended'
    where r.tenant_id = v_report.tenant_id and r.id = v_report.amends_id and r.status = 'final';
  end if;
  update clinical.imaging_results r
  set status = 'final', verified_by = workforce.acting_doctor_id(), issued_at = now()
  where r.tenant_id = v_report.tenant_id and r.id = p_report_id
  returning r.* into v_report;
  update clinical.imaging_studies s
  set status = 'reported'
  where s.tenant_id = v_report.tenant_id and s.id = v_report.study_id and s.status = 'acquired';
  update clinical.service_requests o
  set status = 'completed'
  from clinical.imaging_studies s
  where
    o.tenant_id = v_report.tenant_id and s.tenant_id = v_report.tenant_id and s.id = v_report.study_id
    and o.id = s.service_request_id and o.status = 'active';
  return v_report;
end
$$;

comment on function clinical.verify_imaging_report(uuid) is 'about=A doctor verifies a preliminary report: it is final and issued, the study reported, the order completed. A report that amends another replaces it now. Asked again: nothing changes. IM001 not preliminary, IM005 no such report, IM006 the user is no doctor, IM313 nobody was told of a critical finding.';

create function clinical.amend_imaging_report(
  p_report_id uuid,
  p_findings_enc bytea,
  p_impression_enc bytea,
  p_reason text,
  p_is_critical boolean default false,
  p_conclusion_codes text[] default null
) returns clinical.imaging_results
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_old clinical.imaging_results := clinical.lock_imaging_report(p_report_id);
  v_new clinical.imaging_results;
begin
  select r.* into v_new
  from clinical.imaging_results r
  where
    r.tenant_id = v_old.tenant_id and r.amends_id = p_report_id and r.status in ('registered', 'preliminary', 'final');
  if found then
    return v_new; -- being amended already
  end if;
  if v_old.status <> 'final' then
    raise exception 'imaging report % is %', p_report_id, v_old.status
      using errcode = 'IM001', hint = 'only a final report is amended';
  end if;
  perform clinical.require_reason(p_reason, 'amending a report');
  return clinical.write_imaging_report(
    clinical.lock_imaging_study(v_old.study_id), p_findings_enc, p_impression_enc, p_conclusion_codes, p_is_critical,
    v_old.id, p_reason
  );
end
$$;

comment on function clinical.amend_imaging_report(uuid, bytea, bytea, text, boolean, text[]) is 'about=Writes a preliminary report that replaces a final one when it is verified. Asked again: the same report. IM001 not final, IM002 no reason, IM005 no such report, IM006 the user is no doctor.';
