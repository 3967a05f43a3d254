-- Trigger functions of this module's tables. They run as whoever writes: the operations, since applications hold no
-- UPDATE on what they guard.

create function laboratory.check_panel_member() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  -- a reference that is not visible is refused by the triggers that come after
  if exists (select from laboratory.lab_tests t where t.id = new.panel_id and t.kind <> 'panel') then
    raise exception 'test % is no panel', new.panel_id
      using errcode = '23514', constraint = 'lab_panel_members_of_panel', hint = 'give a row of kind panel as panel_id';
  end if;
  if exists (select from laboratory.lab_tests t where t.id = new.test_id and t.kind = 'panel') then
    raise exception 'panel % cannot be part of a panel', new.test_id
      using errcode = '23514', constraint = 'lab_panel_members_no_panel_inside', hint = 'add its tests instead';
  end if;
  return new;
end
$$;

comment on function laboratory.check_panel_member() is 'about=Before insert or update of laboratory.lab_panel_members: a panel holds tests and calculated tests, no panels (23514).';

create function laboratory.check_aliquot_volume() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_volume numeric;
  v_taken numeric;
begin
  if new.parent_sample_id is not null then
    -- the lock makes two aliquots that are made at once see each other
    select s.volume_ml into v_volume
    from laboratory.samples s
    where s.tenant_id = new.tenant_id and s.id = new.parent_sample_id
    for no key update;
    select coalesce(pg_catalog.sum(s.volume_ml), 0) + coalesce(new.volume_ml, 0) into v_taken
    from laboratory.samples s
    where s.tenant_id = new.tenant_id and s.parent_sample_id = new.parent_sample_id and s.id <> new.id;
  else
    v_volume := new.volume_ml;
    select coalesce(pg_catalog.sum(s.volume_ml), 0) into v_taken
    from laboratory.samples s
    where s.tenant_id = new.tenant_id and s.parent_sample_id = new.id;
  end if;
  if v_taken > v_volume then
    raise exception 'the aliquots of sample % hold % ml of % ml', coalesce(new.parent_sample_id, new.id), v_taken, v_volume
      using errcode = 'IM304', hint = 'reduce the volumes';
  end if;
  return new;
end
$$;

comment on function laboratory.check_aliquot_volume() is 'about=Before insert or update of laboratory.samples: the aliquots of a sample whose volume is known hold no more than it does (IM304).';

create function laboratory.keep_released_result() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if old.status not in ('final', 'corrected', 'superseded', 'entered_in_error') then
    return new;
  end if;
  -- what may still change: that it was superseded or entered in error
  if pg_catalog.to_jsonb(new) - array['status', 'row_version', 'updated_at', 'updated_by']
    <> pg_catalog.to_jsonb(old) - array['status', 'row_version', 'updated_at', 'updated_by']
  then
    raise exception 'result % was released and stays as it is', old.id
      using errcode = 'IM311', hint = 'use laboratory.correct_result: it adds a corrected row';
  end if;
  return new;
end
$$;

comment on function laboratory.keep_released_result() is 'about=Before update of laboratory.lab_results: nothing but the status of a released result changes (IM311).';

create function laboratory.check_release() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_state text;
begin
  if new.device_id is null or new.status not in ('final', 'corrected') then
    return new;
  end if;
  if tg_op = 'UPDATE' and old.status = new.status then
    return new;
  end if;
  -- when it was measured, and before the first release also now: a control that failed since makes what came before it
  -- doubtful as well
  v_state := laboratory.qc_state(new.device_id, new.test_id, new.resulted_at);
  if
    v_state = 'accepted' and new.status = 'final'
    and laboratory.qc_state(new.device_id, new.test_id, now()) = 'rejected'
  then
    v_state := 'rejected';
  end if;
  if v_state <> 'accepted' then
    raise exception 'quality control of device % and test % is %', new.device_id, new.test_id, v_state
      using errcode = 'IM310', hint = 'run quality control, and measure again what was measured without it';
  end if;
  return new;
end
$$;

comment on function laboratory.check_release() is 'about=Before a result of an analyser becomes final or corrected: quality control of the device and test was accepted when it was measured and, for the first release, is not rejected now (IM310).';

create function laboratory.keep_issued_report() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  -- where the document is and where it went are found out later; a later version takes over as the current one
  v_free constant text[] := array[
    'status', 'is_current', 'document_id', 'delivered', 'row_version', 'updated_at', 'updated_by'
  ];
begin
  if old.status in ('registered', 'partial') then
    return new;
  end if;
  if pg_catalog.to_jsonb(new) - v_free <> pg_catalog.to_jsonb(old) - v_free then
    raise exception 'version % of report % was issued and stays as it is', old.version, old.id
      using errcode = 'IM311', hint = 'use laboratory.amend_report or laboratory.correct_result: they add a version';
  end if;
  return new;
end
$$;

comment on function laboratory.keep_issued_report() is 'about=Before update of laboratory.diagnostic_reports: what a final, amended or corrected version states never changes (IM311).';

create function laboratory.keep_qc_result() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_review constant text[] := array['incident_id', 'reviewed_by', 'reviewed_at'];
begin
  if old.reviewed_at is not null or pg_catalog.to_jsonb(new) - v_review <> pg_catalog.to_jsonb(old) - v_review then
    raise exception 'quality control run % stays as it is', old.id
      using errcode = 'IM311', hint = 'record another run';
  end if;
  return new;
end
$$;

comment on function laboratory.keep_qc_result() is 'about=Before update of laboratory.qc_results: a run is evidence, only its review is filled in, once (IM311).';
