-- Results: judged when they are entered, verified, authorised. Whoever enters, verifies and authorises is the signed-in
-- member of staff; nobody signs for somebody else.

create function laboratory.find_reference_range(
  p_test_id uuid,
  p_patient_id uuid,
  p_pregnant boolean,
  p_on date
) returns laboratory.reference_ranges
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_range laboratory.reference_ranges;
begin
  select g.* into v_range
  from laboratory.reference_ranges g
  join patient.patients p on p.tenant_id = v_tenant and p.id = p_patient_id
  where
    g.test_id = p_test_id and (g.tenant_id = v_tenant or g.tenant_id is null)
    and g.sex in ('any', p.sex)
    and g.pregnancy in ('any', case when p_pregnant then 'yes' else 'no' end)
    and g.valid_during @> p_on
    -- of a patient of unknown age only a range for all ages is known to apply
    and case
      when p.birth_date is null then lower_inf(g.age_days) and upper_inf(g.age_days)
      else g.age_days @> p_on - p.birth_date
    end
  order by g.tenant_id nulls last, g.sex = 'any', g.pregnancy = 'any', g.id
  limit 1;
  return v_range;
end
$$;

comment on function laboratory.find_reference_range(uuid, uuid, boolean, date) is 'about=The reference range of a test for a patient on a day: the tenant''s before shared ones, one for the sex before one for any; null when there is none.';

create function laboratory.day_of(p_result laboratory.lab_results) returns date
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    -- another service may not have heard of the clinic
    select (p_result.resulted_at at time zone coalesce(c.timezone, 'UTC'))::date
    from laboratory.lab_order_items i
    join laboratory.lab_orders o on o.tenant_id = i.tenant_id and o.id = i.order_id
    left join facility.clinics c on c.tenant_id = o.tenant_id and c.id = o.clinic_id
    where i.tenant_id = p_result.tenant_id and i.id = p_result.order_item_id
  );
end
$$;

comment on function laboratory.day_of(laboratory.lab_results) is 'about=The day of a result in the time zone of its clinic, where birthdays are counted.';

create function laboratory.judge(p_result laboratory.lab_results, p_test laboratory.lab_tests, p_pregnant boolean)
  returns laboratory.lab_results
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_result laboratory.lab_results := p_result;
  v_range laboratory.reference_ranges;
  v_previous numeric;
begin
  v_range := laboratory.find_reference_range(
    p_test.id, p_result.patient_id, p_pregnant, laboratory.day_of(p_result)
  );
  v_result.reference_range_id := v_range.id;
  v_result.reference_text := coalesce(
    v_range.text_range,
    case when v_range.id is not null then
      pg_catalog.concat_ws(' - ', v_range.low, v_range.high)
    end
  );
  v_result.flag := case pg_catalog.lower(p_result.value_code)
    when 'positive' then 'POS' when 'negative' then 'NEG' when 'indeterminate' then 'IND'
  end;
  v_result.delta_flag := null;
  if p_result.value_num is null then
    return v_result;
  end if;

  if
    p_result.comparator is null and p_result.dilution is null
    and (p_result.value_num < v_range.reportable_low or p_result.value_num > v_range.reportable_high)
  then
    raise exception 'the value of order item % is outside what the method can measure', p_result.order_item_id
      using errcode = '22023', hint = 'dilute and give the factor, or report the limit with a comparator';
  end if;
  if v_range.id is not null then
    v_result.flag := case
      when p_result.value_num < v_range.critical_low then 'LL'
      when p_result.value_num > v_range.critical_high then 'HH'
      when p_result.value_num < v_range.low then 'L'
      when p_result.value_num > v_range.high then 'H'
      else 'N'
    end;
    v_result.is_critical := p_result.is_critical or v_result.flag in ('LL', 'HH');
  end if;
  if p_test.delta_check_pct is not null then
    select r.value_num into v_previous
    from laboratory.lab_results r
    where
      r.tenant_id = p_result.tenant_id and r.patient_id = p_result.patient_id and r.test_id = p_test.id
      and r.resulted_at < p_result.resulted_at
      and r.resulted_at > p_result.resulted_at - pg_catalog.make_interval(
        days => coalesce((core.setting('laboratory.delta_days') #>> '{}')::int, 30)
      )
      and r.status in ('final', 'corrected')
      and r.value_num <> 0
    order by r.resulted_at desc
    limit 1;
    v_result.delta_flag := pg_catalog.abs(p_result.value_num - v_previous) * 100 > p_test.delta_check_pct * pg_catalog.abs(v_previous);
  end if;
  return v_result;
end
$$;

comment on function laboratory.judge(laboratory.lab_results, laboratory.lab_tests, boolean) is 'about=A result with its reference range, flag, whether it is critical, and the delta check against the patient''s previous result of the last laboratory.delta_days. 22023 the value is outside what the method can measure, without comparator or dilution.';

create function laboratory.settle_item(p_order_item_id uuid) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_open int;
  v_verified int;
begin
  select
    pg_catalog.count(*) filter (where r.status in ('registered', 'preliminary')),
    pg_catalog.count(*) filter (where r.status = 'verified')
  into v_open, v_verified
  from laboratory.lab_results r
  where r.tenant_id = v_tenant and r.order_item_id = p_order_item_id;
  if v_open > 0 then
    return;
  end if;
  update laboratory.lab_order_items i
  set status = 'verified'
  where i.tenant_id = v_tenant and i.id = p_order_item_id and i.status = 'resulted';
  if v_verified = 0 then
    update laboratory.lab_order_items i
    set status = 'authorised'
    where i.tenant_id = v_tenant and i.id = p_order_item_id and i.status = 'verified';
  end if;
end
$$;

comment on function laboratory.settle_item(uuid) is 'about=Moves a test whose results are all verified, or all released, on with them.';

create function laboratory.enter_result(
  p_order_item_id uuid,
  p_value_num numeric default null,
  p_value_text text default null,
  p_value_code text default null,
  p_comparator text default null,
  p_sample_id uuid default null,
  p_device_id uuid default null,
  p_run_ref text default null,
  p_reagent_batch_id uuid default null,
  p_dilution numeric default null,
  p_resulted_at timestamptz default null,
  p_pregnant boolean default false,
  p_is_critical boolean default false,
  p_parent_result_id uuid default null,
  p_test_code text default null
) returns laboratory.lab_results
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_item laboratory.lab_order_items := laboratory.lock_item(p_order_item_id);
  v_test laboratory.lab_tests;
  v_sample laboratory.samples;
  v_old laboratory.lab_results;
  v_new laboratory.lab_results;
begin
  if p_test_code is null then
    select t.* into v_test from laboratory.lab_tests t where t.id = v_item.test_id;
  else
    v_test := laboratory.find_test(p_test_code);
  end if;
  if
    pg_catalog.num_nonnulls(p_value_num, p_value_text, p_value_code) = 0
    or (v_test.result_type = 'numeric' and p_value_num is null)
    or (v_test.result_type = 'coded' and p_value_code is null)
  then
    raise exception 'test % needs a value that is %', v_test.id, v_test.result_type
      using errcode = '22023', hint = 'fill value_num for numeric, value_code for coded tests';
  end if;

  v_new.tenant_id := v_tenant;
  v_new.order_item_id := v_item.id;
  v_new.sample_id := coalesce(p_sample_id, v_item.sample_id);
  v_new.test_id := v_test.id;
  v_new.value_num := p_value_num;
  v_new.value_text := p_value_text;
  v_new.value_code := p_value_code;
  v_new.comparator := p_comparator;
  v_new.unit_ucum := v_test.unit_ucum;
  v_new.device_id := p_device_id;
  v_new.run_ref := p_run_ref;
  v_new.method := v_test.method;
  v_new.reagent_batch_id := p_reagent_batch_id;
  v_new.dilution := p_dilution;
  v_new.is_critical := p_is_critical;
  v_new.parent_result_id := p_parent_result_id;

  select r.* into v_old
  from laboratory.lab_results r
  where
    r.tenant_id = v_tenant and r.order_item_id = v_item.id and r.test_id = v_test.id
    and r.parent_result_id is not distinct from p_parent_result_id
    and r.status not in ('superseded', 'cancelled', 'entered_in_error');
  if
    v_old.id is not null
    and (v_old.value_num, v_old.value_text, v_old.value_code, v_old.comparator, v_old.sample_id, v_old.device_id)
      is not distinct from
      (p_value_num, p_value_text, p_value_code, p_comparator, v_new.sample_id, p_device_id)
  then
    return v_old;
  end if;
  if v_old.status not in ('registered', 'preliminary') then
    raise exception 'order item % has a result that is %', v_item.id, v_old.status
      using errcode = 'IM311', hint = 'cancel it before its release, or use laboratory.correct_result after';
  end if;

  v_sample := laboratory.sample_for_test(v_item, v_new.sample_id);
  select i.* into v_item -- it followed the sample
  from laboratory.lab_order_items i
  where i.tenant_id = v_tenant and i.id = p_order_item_id;
  v_new.patient_id := v_sample.patient_id;
  v_new.resulted_at := coalesce(p_resulted_at, greatest(now(), v_sample.collected_at));
  if v_new.resulted_at > now() + interval '5 minutes' or v_new.resulted_at < v_sample.collected_at then
    raise exception 'the result of order item % is from a time that cannot be', v_item.id
      using errcode = '22023', hint = 'a result is measured after the sample was taken, and not in the future';
  end if;
  v_new := laboratory.judge(v_new, v_test, p_pregnant);

  if v_old.id is not null then -- typed again before anybody verified it
    update laboratory.lab_results r
    set
      sample_id = v_new.sample_id, resulted_at = v_new.resulted_at, value_num = v_new.value_num,
      value_text = v_new.value_text, value_code = v_new.value_code, comparator = v_new.comparator,
      reference_range_id = v_new.reference_range_id, reference_text = v_new.reference_text, flag = v_new.flag,
      is_critical = v_new.is_critical, delta_flag = v_new.delta_flag, device_id = v_new.device_id,
      run_ref = v_new.run_ref, reagent_batch_id = v_new.reagent_batch_id, dilution = v_new.dilution,
      entered_by = workforce.acting_staff_id(), status = 'preliminary'
    where r.tenant_id = v_tenant and r.id = v_old.id
    returning r.* into v_new;
  else
    insert into laboratory.lab_results (
      tenant_id, order_item_id, sample_id, test_id, patient_id, resulted_at, value_num, comparator, value_text,
      value_code, unit_ucum, reference_range_id, reference_text, flag, is_critical, delta_flag, device_id, run_ref,
      method, reagent_batch_id, dilution, parent_result_id, entered_by, status
    )
    values (
      v_tenant, v_new.order_item_id, v_new.sample_id, v_new.test_id, v_new.patient_id, v_new.resulted_at,
      v_new.value_num, v_new.comparator, v_new.value_text, v_new.value_code, v_new.unit_ucum,
      v_new.reference_range_id, v_new.reference_text, v_new.flag, v_new.is_critical, v_new.delta_flag,
      v_new.device_id, v_new.run_ref, v_new.method, v_new.reagent_batch_id, v_new.dilution, v_new.parent_result_id,
      workforce.acting_staff_id(), 'preliminary'
    )
    returning * into v_new;
  end if;
  update laboratory.lab_order_items i
  set status = 'resulted'
  where i.tenant_id = v_tenant and i.id = v_item.id and i.status <> 'resulted';
  perform laboratory.finish_samples(coalesce(v_sample.parent_sample_id, v_sample.id));
  return v_new;
end
$$;

comment on function laboratory.enter_result(uuid, numeric, text, text, text, uuid, uuid, text, uuid, numeric, timestamptz, boolean, boolean, uuid, text) is 'about=Enters the result of an ordered test, or of a part of it (p_parent_result_id, p_test_code), and judges it: range, flag, critical, delta. Before verification a new value replaces the old one; the same again is the same row. The sample goes into process, and is tested when nothing else waits for it. IM001 the test is too far on, IM005 no such item or test, IM006 no member of staff, IM300 the sample is not ready, IM311 verified or released already.';

create function laboratory.sample_for_test(p_item laboratory.lab_order_items, p_sample_id uuid)
  returns laboratory.samples
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_sample laboratory.samples;
begin
  if p_sample_id is null then
    raise exception 'order item % has no sample', p_item.id
      using errcode = 'IM300', hint = 'plan it with laboratory.accession, collect and receive it';
  end if;
  v_sample := laboratory.lock_sample(p_sample_id);
  if p_item.sample_id not in (v_sample.id, coalesce(v_sample.parent_sample_id, v_sample.id)) then
    raise exception 'sample % is not the sample of order item %', p_sample_id, p_item.id
      using errcode = 'IM005', hint = 'measure the sample of the item, or an aliquot of it';
  end if;
  if v_sample.status in ('accessioned', 'aliquoted', 'stored') then
    perform laboratory.move_sample(v_sample, 'in_process');
  elsif v_sample.status not in ('in_process', 'tested') then
    raise exception 'sample % is %', p_sample_id, v_sample.status
      using errcode = 'IM300', hint = 'receive and accession it first';
  end if;
  return v_sample;
end
$$;

comment on function laboratory.sample_for_test(laboratory.lab_order_items, uuid) is 'about=The sample or aliquot that a test is made from, locked and in process. IM005 of another test, IM300 not ready.';

create function laboratory.finish_samples(p_sample_id uuid) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_sample laboratory.samples;
begin
  if exists (
    select
    from laboratory.lab_order_items i
    where
      i.tenant_id = v_tenant and i.sample_id = p_sample_id and i.status in ('ordered', 'sampled', 'recollect', 'in_process')
  ) then
    return;
  end if;
  for v_sample in
    select s.*
    from laboratory.samples s
    where s.tenant_id = v_tenant and (s.id = p_sample_id or s.parent_sample_id = p_sample_id) and s.status = 'in_process'
    order by s.id
    for no key update
  loop
    perform laboratory.move_sample(v_sample, 'tested');
  end loop;
end
$$;

comment on function laboratory.finish_samples(uuid) is 'about=When no test waits for a primary sample any more: it and its aliquots that are in process are tested.';

create function laboratory.verify_result(p_result_id uuid) returns laboratory.lab_results
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_result laboratory.lab_results := laboratory.lock_result(p_result_id);
  v_staff_id uuid := workforce.acting_staff_id();
begin
  if v_result.status in ('verified', 'final') then
    return v_result;
  end if;
  perform laboratory.check_second_person(v_result.test_id, v_result.id, v_staff_id, v_result.entered_by);
  update laboratory.lab_results r
  set status = 'verified', verified_by = v_staff_id, verified_at = now()
  where r.tenant_id = v_tenant and r.id = p_result_id
  returning r.* into v_result;
  if v_result.is_critical then
    perform core.enqueue(
      'result', v_result.id, 'result.critical.v1', pg_catalog.jsonb_build_object('id', v_result.id)
    );
  end if;
  perform laboratory.settle_item(v_result.order_item_id);
  return v_result;
end
$$;

comment on function laboratory.verify_result(uuid) is 'about=Technical check by the signed-in member of staff; a critical result sends result.critical.v1. IM001 not preliminary, IM005 no such result, IM006, IM312 by the person who entered it, where the test asks for another.';

create function laboratory.check_second_person(
  p_test_id uuid,
  p_result_id uuid,
  p_staff_id uuid,
  p_before uuid
) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_staff_id = p_before and (
    select t.requires_authorisation from laboratory.lab_tests t where t.id = p_test_id
  ) then
    raise exception 'the step before on result % was done by the same person', p_result_id
      using errcode = 'IM312', hint = 'ask a second person';
  end if;
end
$$;

comment on function laboratory.check_second_person(uuid, uuid, uuid, uuid) is 'about=Refuses the person who did the step before, where the test requires authorisation (IM312).';

create function laboratory.authorise_result(p_result_id uuid) returns laboratory.lab_results
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_result laboratory.lab_results := laboratory.lock_result(p_result_id);
  v_staff_id uuid := workforce.acting_staff_id();
begin
  if v_result.status = 'final' then
    return v_result;
  end if;
  perform laboratory.check_second_person(v_result.test_id, v_result.id, v_staff_id, v_result.verified_by);
  update laboratory.lab_results r
  set status = 'final', authorised_by = v_staff_id, authorised_at = now()
  where r.tenant_id = v_tenant and r.id = p_result_id
  returning r.* into v_result;
  perform laboratory.settle_item(v_result.order_item_id);
  return v_result;
end
$$;

comment on function laboratory.authorise_result(uuid) is 'about=Releases a verified result; from now on its value stays. IM001 not verified, IM005 no such result, IM006, IM310 quality control of the analyser is rejected or missing, IM312 by the person who verified it, where the test asks for another.';

create function laboratory.drop_results(p_order_item_id uuid, p_reason text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  perform core.set_reason(p_reason);
  update laboratory.lab_results r
  set status = 'preliminary', verified_by = null, verified_at = null
  where r.tenant_id = v_tenant and r.order_item_id = p_order_item_id and r.status = 'verified';
  update laboratory.lab_results r
  set status = 'cancelled'
  where r.tenant_id = v_tenant and r.order_item_id = p_order_item_id and r.status in ('registered', 'preliminary');
  update laboratory.lab_order_items i
  set status = 'in_process'
  where i.tenant_id = v_tenant and i.id = p_order_item_id and i.status in ('resulted', 'verified');
end
$$;

comment on function laboratory.drop_results(uuid, text) is 'about=Cancels the results of a test that are not released, and puts it back into process.';

create function laboratory.cancel_result(p_result_id uuid, p_reason text) returns laboratory.lab_results
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_result laboratory.lab_results := laboratory.lock_result(p_result_id);
begin
  if v_result.status = 'cancelled' then
    return v_result;
  end if;
  if coalesce(pg_catalog.btrim(p_reason), '') = '' then
    raise exception 'result % needs a reason to be cancelled', p_result_id
      using errcode = 'IM002', hint = 'say why in p_reason';
  end if;
  if v_result.status not in ('registered', 'preliminary', 'verified') then
    raise exception 'result % was released', p_result_id
      using errcode = 'IM311', hint = 'use laboratory.correct_result';
  end if;
  perform laboratory.drop_results(v_result.order_item_id, p_reason);
  select r.* into v_result
  from laboratory.lab_results r
  where r.tenant_id = v_tenant and r.id = p_result_id;
  return v_result;
end
$$;

comment on function laboratory.cancel_result(uuid, text) is 'about=Drops the results of a test before their release, parts included: it is measured again. IM002 no reason, IM005 no such result, IM311 released already.';
