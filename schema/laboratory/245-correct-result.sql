-- A released result is corrected by a new row, and what was reported is reported again, in one transaction.

create function laboratory.correct_result(
  p_result_id uuid,
  p_reason text,
  p_value_num numeric default null,
  p_value_text text default null,
  p_value_code text default null,
  p_comparator text default null,
  p_verified_by uuid default null,
  p_notification jsonb default null
) returns laboratory.lab_results
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_old laboratory.lab_results := laboratory.lock_result(p_result_id);
  v_staff_id uuid := workforce.acting_staff_id();
  v_verifier_id uuid := coalesce(p_verified_by, v_staff_id);
  v_test laboratory.lab_tests;
  v_new laboratory.lab_results;
begin
  select r.* into v_new from laboratory.lab_results r where r.tenant_id = v_tenant and r.supersedes_id = p_result_id;
  if found and (v_new.value_num, v_new.value_text, v_new.value_code, v_new.comparator, v_new.amendment_reason)
    is not distinct from (p_value_num, p_value_text, p_value_code, p_comparator, p_reason)
  then
    return v_new;
  end if;
  if coalesce(pg_catalog.btrim(p_reason), '') = '' then
    raise exception 'result % needs a reason to be corrected', p_result_id
      using errcode = 'IM002', hint = 'say why in p_reason: it is printed';
  end if;
  if v_old.status not in ('final', 'corrected') then
    raise exception 'result % is % and cannot be corrected', p_result_id, v_old.status
      using errcode = 'IM311', hint = 'correct the newest released result; before release enter the value again';
  end if;
  perform laboratory.check_second_person(v_old.test_id, v_old.id, v_staff_id, v_verifier_id);

  select t.* into v_test from laboratory.lab_tests t where t.id = v_old.test_id;
  v_new := v_old;
  v_new.value_num := p_value_num;
  v_new.value_text := p_value_text;
  v_new.value_code := p_value_code;
  v_new.comparator := p_comparator;
  v_new.is_critical := false;
  -- by the range of the old one: whether the patient was pregnant is stored nowhere else
  v_new := laboratory.judge(
    v_new, v_test,
    v_old.reference_range_id is not distinct from (
      laboratory.find_reference_range(v_old.test_id, v_old.patient_id, true, laboratory.day_of(v_old))
    ).id
  );

  update laboratory.lab_results r set status = 'superseded' where r.tenant_id = v_tenant and r.id = p_result_id;
  insert into laboratory.lab_results (
    tenant_id, order_item_id, sample_id, test_id, patient_id, resulted_at, value_num, comparator, value_text,
    value_code, unit_ucum, reference_range_id, reference_text, flag, is_critical, delta_flag, device_id, run_ref, method,
    reagent_batch_id, dilution, parent_result_id, entered_by, verified_by, verified_at, authorised_by, authorised_at,
    supersedes_id, amendment_reason, status
  )
  values (
    v_tenant, v_old.order_item_id, v_old.sample_id, v_old.test_id, v_old.patient_id, v_old.resulted_at,
    v_new.value_num, v_new.comparator, v_new.value_text, v_new.value_code, v_old.unit_ucum, v_new.reference_range_id,
    v_new.reference_text, v_new.flag, v_new.is_critical, v_new.delta_flag, v_old.device_id, v_old.run_ref,
    v_old.method, v_old.reagent_batch_id, v_old.dilution, v_old.parent_result_id, v_staff_id, v_verifier_id, now(),
    v_staff_id, now(), p_result_id, p_reason, 'corrected'
  )
  returning * into v_new;
  if v_new.is_critical then
    perform core.enqueue(
      'result', v_new.id, 'result.critical.v1', pg_catalog.jsonb_build_object('id', v_new.id)
    );
    if p_notification is not null then
      perform laboratory.notify_critical(
        v_new.id, p_notification ->> 'notified_to', p_notification ->> 'channel',
        (p_notification ->> 'read_back')::boolean, (p_notification ->> 'notified_staff_id')::uuid, null,
        p_notification ->> 'outcome'
      );
    end if;
  end if;
  perform laboratory.reissue_report(v_old, p_reason);
  return v_new;
end
$$;

comment on function laboratory.correct_result(uuid, text, numeric, text, text, text, uuid, jsonb) is 'about=Supersedes a released result by a corrected one and issues what was reported again, as a higher version with the reason. p_verified_by names who checked the correction, another person where the test asks for one. A correction that is critical must have been told before: p_notification {notified_to, channel, read_back, notified_staff_id, outcome}. A result of the wrong patient is corrected to a text that withdraws it. IM002 no reason, IM005 no such result, IM006, IM311 not the newest released result, IM312 same person, IM313 critical and nobody was told.';

create function laboratory.reissue_report(p_old laboratory.lab_results, p_reason text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_item laboratory.lab_order_items;
  v_report laboratory.diagnostic_reports;
begin
  select i.* into v_item
  from laboratory.lab_order_items i
  where i.tenant_id = p_old.tenant_id and i.id = p_old.order_item_id;
  select d.* into v_report
  from laboratory.diagnostic_reports d
  where d.tenant_id = p_old.tenant_id and d.order_id = v_item.order_id and d.is_current;
  if not found or p_old.id <> all (v_report.result_ids) then -- not reported yet
    return;
  end if;
  perform laboratory.add_report_version(
    v_report, case when v_report.status = 'partial' then 'partial' else 'corrected' end, p_reason, null
  );
  update laboratory.lab_order_items i
  set status = 'amended'
  where i.tenant_id = p_old.tenant_id and i.id = p_old.order_item_id and i.status = 'reported';
  perform laboratory.settle_order(v_item.order_id);
end
$$;

comment on function laboratory.reissue_report(laboratory.lab_results, text) is 'about=After a correction: the report that stated the old result gets a new version. IM313.';
