-- Reports: partial, final, then new versions. What is current is one row; what was issued stays.

create function laboratory.released_results(p_order_id uuid) returns uuid[]
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_ids uuid[];
begin
  select pg_catalog.array_agg(r.id order by i.position, r.parent_result_id nulls first, r.created_at, r.id) into v_ids
  from laboratory.lab_order_items i
  join laboratory.lab_results r on r.tenant_id = i.tenant_id and r.order_item_id = i.id
  where i.tenant_id = v_tenant and i.order_id = p_order_id and r.status in ('final', 'corrected');
  return coalesce(v_ids, '{}');
end
$$;

comment on function laboratory.released_results(uuid) is 'about=Ids of the released results of an order, in print order.';

create function laboratory.stated_exceptions(p_result_ids uuid[]) returns text[]
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_texts text[];
begin
  select pg_catalog.array_agg(distinct s.accepted_with_exception order by s.accepted_with_exception) into v_texts
  from laboratory.lab_results r
  join laboratory.samples s on s.tenant_id = r.tenant_id and s.id = r.sample_id
  where r.tenant_id = v_tenant and r.id = any (p_result_ids) and s.accepted_with_exception is not null;
  return coalesce(v_texts, '{}');
end
$$;

comment on function laboratory.stated_exceptions(uuid[]) is 'about=What a report says of compromised samples that its results were measured from.';

create function laboratory.check_critical_told(p_result_ids uuid[]) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_result_id uuid;
begin
  select r.id into v_result_id
  from laboratory.lab_results r
  where
    r.tenant_id = v_tenant and r.id = any (p_result_ids) and r.is_critical
    and not exists (
      select
      from laboratory.critical_notifications n
      where n.tenant_id = v_tenant and n.result_id = r.id and n.read_back
    )
  limit 1;
  if found then
    raise exception 'nobody was told of critical result %', v_result_id
      using errcode = 'IM313', hint = 'tell someone who can act, and record it with laboratory.notify_critical';
  end if;
end
$$;

comment on function laboratory.check_critical_told(uuid[]) is 'about=Refuses a report with a critical result that nobody has read back (IM313).';

create function laboratory.mark_reported(p_order_id uuid) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  update laboratory.lab_order_items i
  set status = 'reported'
  where i.tenant_id = v_tenant and i.order_id = p_order_id and i.status = 'authorised';
  perform laboratory.settle_order(p_order_id);
end
$$;

comment on function laboratory.mark_reported(uuid) is 'about=After a report: its tests are reported, and the order follows.';

create function laboratory.issue_report(p_order_id uuid, p_conclusion_enc bytea default null)
  returns laboratory.diagnostic_reports
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_order laboratory.lab_orders := laboratory.lock_order(p_order_id);
  v_staff_id uuid := workforce.acting_staff_id();
  v_results uuid[] := laboratory.released_results(p_order_id);
  v_report laboratory.diagnostic_reports;
  v_interim boolean;
begin
  select d.* into v_report
  from laboratory.diagnostic_reports d
  where d.tenant_id = v_tenant and d.order_id = p_order_id and d.is_current;
  v_interim := exists (
    select
    from laboratory.lab_order_items i
    where
      i.tenant_id = v_tenant and i.order_id = p_order_id
      and i.status not in ('authorised', 'reported', 'amended', 'cancelled')
  );
  if v_report.result_ids = v_results and v_report.interim = v_interim then
    return v_report;
  end if;
  if v_results = '{}' then
    raise exception 'order % has no released result', p_order_id
      using errcode = 'IM005', hint = 'authorise results first';
  end if;
  perform laboratory.check_critical_told(v_results);

  if v_report.id is null then
    insert into laboratory.diagnostic_reports (
      tenant_id, report_number, order_id, patient_id, issued_at, signed_by, signed_at, conclusion_enc, result_ids,
      exceptions, interim, status
    )
    values (
      v_tenant, core.next_default_number('lab_report', '', 'LR{YY}-'), p_order_id, v_order.patient_id, now(),
      v_staff_id, now(), p_conclusion_enc, v_results, laboratory.stated_exceptions(v_results), v_interim,
      case when v_interim then 'partial' else 'final' end
    )
    returning * into v_report;
  else
    update laboratory.diagnostic_reports d
    set
      issued_at = now(), signed_by = v_staff_id, signed_at = now(),
      conclusion_enc = coalesce(p_conclusion_enc, d.conclusion_enc), result_ids = v_results,
      exceptions = laboratory.stated_exceptions(v_results), interim = v_interim,
      status = case when v_interim then 'partial' else 'final' end
    where d.tenant_id = v_tenant and d.id = v_report.id
    returning d.* into v_report;
    if v_interim then -- a partial report that grew makes no move
      perform core.enqueue('report', v_report.id, 'report.issued.v1', pg_catalog.jsonb_build_object(
        'id', v_report.id, 'from', 'partial', 'to', 'partial'
      ));
    end if;
  end if;
  perform laboratory.mark_reported(p_order_id);
  return v_report;
end
$$;

comment on function laboratory.issue_report(uuid, bytea) is 'about=Issues the released results of an order, signed by the caller: partial while tests are open, else final. A partial report grows until it is final; without anything new the report is returned as it is (for another conclusion: laboratory.amend_report). IM005 no such order or nothing released, IM006, IM311 final already, IM313 nobody was told of a critical result.';

create function laboratory.add_report_version(
  p_report laboratory.diagnostic_reports,
  p_status text,
  p_reason text,
  p_conclusion_enc bytea
) returns laboratory.diagnostic_reports
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_results uuid[] := laboratory.released_results(p_report.order_id);
  v_staff_id uuid := workforce.acting_staff_id();
  v_report laboratory.diagnostic_reports;
begin
  -- a partial report goes on stating what it stated: what was released since waits for the next issue
  if p_report.status = 'partial' then
    select pg_catalog.array_agg(coalesce(r.id, stated.id) order by stated.place) into v_results
    from pg_catalog.unnest(p_report.result_ids) with ordinality as stated (id, place)
    left join laboratory.lab_results r on r.tenant_id = p_report.tenant_id and r.supersedes_id = stated.id;
  end if;
  perform laboratory.check_critical_told(v_results);
  update laboratory.diagnostic_reports d
  set is_current = false
  where d.tenant_id = p_report.tenant_id and d.id = p_report.id;
  insert into laboratory.diagnostic_reports (
    tenant_id, report_number, order_id, patient_id, version, issued_at, signed_by, signed_at, conclusion_enc,
    result_ids, exceptions, interim, amends_id, amendment_reason, status
  )
  values (
    p_report.tenant_id, p_report.report_number, p_report.order_id, p_report.patient_id, p_report.version + 1, now(),
    v_staff_id, now(), coalesce(p_conclusion_enc, p_report.conclusion_enc), v_results,
    laboratory.stated_exceptions(v_results), p_report.interim, p_report.id, p_reason, p_status
  )
  returning * into v_report;
  return v_report;
end
$$;

comment on function laboratory.add_report_version(laboratory.diagnostic_reports, text, text, bytea) is 'about=The next version of a report, signed by the caller; it becomes the current one. IM006, IM313.';

create function laboratory.amend_report(p_report_id uuid, p_reason text, p_conclusion_enc bytea default null)
  returns laboratory.diagnostic_reports
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_report laboratory.diagnostic_reports;
  v_next laboratory.diagnostic_reports;
begin
  select d.* into v_report from laboratory.diagnostic_reports d where d.tenant_id = v_tenant and d.id = p_report_id;
  if not found then
    raise exception 'report % does not exist', p_report_id
      using errcode = 'IM005', hint = 'choose a report of the tenant';
  end if;
  if coalesce(pg_catalog.btrim(p_reason), '') = '' then
    raise exception 'report % needs a reason to be amended', p_report_id
      using errcode = 'IM002', hint = 'say why in p_reason: it is printed';
  end if;
  perform laboratory.lock_order(v_report.order_id);
  select d.* into v_next
  from laboratory.diagnostic_reports d
  where d.tenant_id = v_tenant and d.amends_id = p_report_id;
  if found and v_next.status = 'amended' and v_next.amendment_reason = p_reason then
    return v_next;
  end if;
  if found or v_report.status not in ('final', 'amended', 'corrected') then
    raise exception 'version % of report % cannot be amended', v_report.version, p_report_id
      using errcode = 'IM311', hint = 'amend the current version, once it is final';
  end if;
  return laboratory.add_report_version(v_report, 'amended', p_reason, p_conclusion_enc);
end
$$;

comment on function laboratory.amend_report(uuid, text, bytea) is 'about=A new version of an issued report with a new conclusion, and a reason that is printed; the version before stays. IM002 no reason, IM005 no such report, IM006, IM311 not the current final version, IM313.';
