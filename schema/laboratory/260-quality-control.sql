-- Quality control: the verdict is computed where the run is stored. Westgard, Barry, Hunt and Groth, Clin Chem 1981;27:493.

create function laboratory.westgard(p_own numeric[], p_all numeric[], p_run numeric[], p_rules text[]) returns text[]
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(r.rule order by r.place), '{}')
  from (
    values
      (1, '1_2s', abs(p_own[1]) > 2),
      (2, '1_3s', abs(p_own[1]) > 3),
      (
        3, '2_2s',
        (p_own[1] > 2 and (p_own[2] > 2 or 2 < any (p_run))) or (p_own[1] < -2 and (p_own[2] < -2 or -2 > any (p_run)))
      ),
      (4, 'R_4s', (p_own[1] > 2 and -2 > any (p_run)) or (p_own[1] < -2 and 2 < any (p_run))),
      (
        5, '4_1s',
        (cardinality(p_own) >= 4 and (1 < all (p_own[1:4]) or -1 > all (p_own[1:4])))
          or (cardinality(p_all) >= 4 and (1 < all (p_all[1:4]) or -1 > all (p_all[1:4])))
      ),
      (
        6, '10_x',
        (cardinality(p_own) >= 10 and (0 < all (p_own[1:10]) or 0 > all (p_own[1:10])))
          or (cardinality(p_all) >= 10 and (0 < all (p_all[1:10]) or 0 > all (p_all[1:10])))
      )
  ) as r (place, rule, broken)
  where r.broken and r.rule = any (p_rules)
$$;

comment on function laboratory.westgard(numeric[], numeric[], numeric[], text[]) is 'about=The rules that the newest control value breaks. z scores, newest first: of the same lot, of all levels of the analyser and test, and of the other levels of the same run. 1_2s one beyond 2 SD, 1_3s beyond 3 SD, 2_2s two in a row or in a run beyond 2 SD on one side, R_4s two of a run beyond 2 SD on opposite sides, 4_1s four in a row beyond 1 SD, 10_x ten in a row on one side of the mean.';

create function laboratory.last_maintenance(p_device_id uuid, p_at timestamptz) returns timestamptz
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  return (
    select pg_catalog.max(m.performed_at)
    from device.device_maintenance m
    where m.tenant_id = v_tenant and m.device_id = p_device_id and m.performed_at <= p_at
  );
end
$$;

comment on function laboratory.last_maintenance(uuid, timestamptz) is 'about=When the device was last calibrated, serviced or repaired before an instant; null never.';

create function laboratory.qc_state(p_device_id uuid, p_test_id uuid, p_at timestamptz) returns text
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_since timestamptz := p_at - pg_catalog.make_interval(
    hours => coalesce((core.setting('laboratory.qc_valid_hours') #>> '{}')::int, 24)
  );
  v_levels int;
  v_rejected int;
  v_accepted int;
begin
  v_since := greatest(v_since, laboratory.last_maintenance(p_device_id, p_at));
  select
    pg_catalog.count(*) filter (where newest.in_use),
    pg_catalog.count(*) filter (where newest.in_use and newest.verdict = 'reject'),
    pg_catalog.count(*) filter (where newest.verdict <> 'reject' and newest.run_at >= v_since)
  into v_levels, v_rejected, v_accepted
  from (
    -- a level that was given up blocks nothing any more; a retired lot is not changed again
    select distinct on (l.level)
      q.verdict, q.run_at,
      exists (
        select
        from laboratory.qc_lots u
        where
          u.tenant_id = v_tenant and u.device_id = p_device_id and u.test_id = p_test_id and u.level = l.level
          and (u.status <> 'retired' or u.updated_at > p_at)
      ) as in_use
    from laboratory.qc_lots l
    cross join lateral (
      select r.verdict, r.run_at
      from laboratory.qc_results r
      where r.tenant_id = v_tenant and r.qc_lot_id = l.id and r.run_at >= l.accepted_at and r.run_at <= p_at
      order by r.run_at desc
      limit 1
    ) q
    where l.tenant_id = v_tenant and l.device_id = p_device_id and l.test_id = p_test_id
    order by l.level, q.run_at desc
  ) newest;
  if v_rejected > 0 then
    return 'rejected';
  end if;
  if v_accepted > 0 or (v_levels = 0 and not laboratory.needs_qc(p_device_id)) then
    return 'accepted';
  end if;
  return 'missing';
end
$$;

comment on function laboratory.qc_state(uuid, uuid, timestamptz) is 'about=Quality control of an analyser and test at an instant: rejected when the newest run of a level in use was, accepted when one was accepted since the last maintenance and within laboratory.qc_valid_hours, else missing. A device that needs none is accepted until it has runs.';

create function laboratory.needs_qc(p_device_id uuid) returns boolean
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  return coalesce((core.setting('laboratory.qc_required') #>> '{}')::boolean, true) and exists (
    select from device.devices d where d.tenant_id = v_tenant and d.id = p_device_id and d.kind = 'analyser'
  );
end
$$;

comment on function laboratory.needs_qc(uuid) is 'about=Whether results of the device wait for quality control even when no control lot was ever run: analysers, unless setting laboratory.qc_required is false.';

create function laboratory.lock_lots(p_qc_lot_id uuid) returns laboratory.qc_lots
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_lot laboratory.qc_lots;
begin
  -- all levels of the analyser and test: the rules look across them
  perform
  from laboratory.qc_lots l
  join laboratory.qc_lots asked on asked.tenant_id = l.tenant_id and asked.device_id = l.device_id and asked.test_id = l.test_id
  where asked.tenant_id = v_tenant and asked.id = p_qc_lot_id
  order by l.id
  for no key update of l;
  select l.* into v_lot from laboratory.qc_lots l where l.tenant_id = v_tenant and l.id = p_qc_lot_id;
  if not found then
    raise exception 'control lot % does not exist', p_qc_lot_id
      using errcode = 'IM005', hint = 'choose a control lot of the tenant';
  end if;
  return v_lot;
end
$$;

comment on function laboratory.lock_lots(uuid) is 'about=The control lot, locked with the other levels of its analyser and test. IM005 no such lot.';

create function laboratory.record_qc(p_qc_lot_id uuid, p_value numeric, p_run_at timestamptz)
  returns laboratory.qc_results
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_lot laboratory.qc_lots := laboratory.lock_lots(p_qc_lot_id);
  v_z numeric := pg_catalog.round((p_value - v_lot.mean) / v_lot.sd, 4);
  v_own numeric[];
  v_all numeric[];
  v_run numeric[];
  v_broken text[] := '{}';
  v_row laboratory.qc_results;
  v_since timestamptz;
begin
  select q.* into v_row
  from laboratory.qc_results q
  where q.tenant_id = v_tenant and q.qc_lot_id = p_qc_lot_id and q.run_at = p_run_at;
  if found then
    if v_row.value is distinct from p_value then
      raise exception 'control lot % was run at that time with another value', p_qc_lot_id
        using errcode = 'IM011', hint = 'a run stays as it is: record another one';
    end if;
    return v_row;
  end if;
  if p_run_at > now() + interval '5 minutes' then
    raise exception 'a run of control lot % lies in the future', p_qc_lot_id
      using errcode = '22023', hint = 'set the clock of the analyser';
  end if;
  if v_lot.status = 'retired' or (p_run_at at time zone core.tenant_zone())::date > v_lot.expires_on then
    raise exception 'control lot % is retired or expired', p_qc_lot_id
      using errcode = 'IM310', hint = 'open another lot';
  end if;

  -- a lot that is being established has no limits yet: its runs are kept, and judge nothing
  if v_lot.status = 'active' then
    v_since := laboratory.last_maintenance(v_lot.device_id, p_run_at);
    -- runs that were rejected were dealt with; what is looked back on begins after the last maintenance
    select
      pg_catalog.array_agg(h.z_score order by h.run_at desc, h.id desc) filter (where h.qc_lot_id = p_qc_lot_id),
      pg_catalog.array_agg(h.z_score order by h.run_at desc, h.id desc)
    into v_own, v_all
    from (
      select q.id, q.qc_lot_id, q.run_at, q.z_score
      from laboratory.qc_results q
      join laboratory.qc_lots l on l.tenant_id = q.tenant_id and l.id = q.qc_lot_id
      where
        q.tenant_id = v_tenant and q.device_id = v_lot.device_id and q.test_id = v_lot.test_id
        and q.run_at < p_run_at and q.run_at > p_run_at - interval '60 days'
        and (v_since is null or q.run_at >= v_since)
        and q.run_at >= l.accepted_at and q.verdict <> 'reject'
      order by q.run_at desc, q.id desc
      limit 100
    ) h;
    select pg_catalog.array_agg(other.z_score) into v_run
    from (
      select distinct on (l.level) q.z_score
      from laboratory.qc_results q
      join laboratory.qc_lots l on l.tenant_id = q.tenant_id and l.id = q.qc_lot_id
      where
        q.tenant_id = v_tenant and q.device_id = v_lot.device_id and q.test_id = v_lot.test_id
        and l.level <> v_lot.level and q.run_at >= l.accepted_at
        and q.run_at <= p_run_at
        and q.run_at >= p_run_at - pg_catalog.make_interval(
          mins => coalesce((core.setting('laboratory.qc_run_minutes') #>> '{}')::int, 60)
        )
      order by l.level, q.run_at desc
    ) other;
    v_broken := laboratory.westgard(v_z || v_own, v_z || v_all, coalesce(v_run, '{}'), v_lot.rules);
  end if;

  insert into laboratory.qc_results (
    tenant_id, qc_lot_id, scheme, test_id, device_id, run_at, value, target, z_score, violated_rules, verdict,
    operator_id
  )
  values (
    v_tenant, p_qc_lot_id, 'iqc', v_lot.test_id, v_lot.device_id, p_run_at, p_value, v_lot.mean, v_z, v_broken,
    case when v_broken = '{}' then 'accept' when v_broken = '{1_2s}' then 'warn' else 'reject' end,
    workforce.acting_staff_id()
  )
  returning * into v_row;
  return v_row;
end
$$;

comment on function laboratory.record_qc(uuid, numeric, timestamptz) is 'about=Stores a run of a control lot with its z score, the Westgard rules it breaks and the verdict: reject, warn (1_2s alone) or accept. The same run again is the same row. Levels of one run are those within laboratory.qc_run_minutes. IM005 no such lot, IM006, IM011 the run had another value, IM310 lot retired or expired.';

create function laboratory.accept_qc_lot(p_qc_lot_id uuid) returns laboratory.qc_lots
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_lot laboratory.qc_lots := laboratory.lock_lots(p_qc_lot_id);
  v_runs record;
begin
  if v_lot.status = 'active' then
    return v_lot;
  end if;
  select pg_catalog.count(*) as n, pg_catalog.avg(q.value) as mean, pg_catalog.stddev_samp(q.value) as sd into v_runs
  from laboratory.qc_results q
  where q.tenant_id = v_tenant and q.qc_lot_id = p_qc_lot_id;
  if v_runs.n < v_lot.runs_for_establishment or (v_lot.source = 'established' and coalesce(v_runs.sd, 0) = 0) then
    raise exception 'control lot % has % of % runs', p_qc_lot_id, v_runs.n, v_lot.runs_for_establishment
      using errcode = 'IM310', hint = 'run it as often as its establishment asks for, over more than one value';
  end if;
  update laboratory.qc_lots l
  set
    status = 'active', accepted_at = now(), accepted_by = workforce.acting_staff_id(),
    mean = case when l.source = 'established' then pg_catalog.round(v_runs.mean, 4) else l.mean end,
    sd = case when l.source = 'established' then pg_catalog.round(v_runs.sd, 4) else l.sd end
  where l.tenant_id = v_tenant and l.id = p_qc_lot_id
  returning l.* into v_lot;
  return v_lot;
end
$$;

comment on function laboratory.accept_qc_lot(uuid) is 'about=Takes a control lot into use; one of source established gets mean and SD of its runs. Runs from now on are judged and count. IM001 retired, IM005 no such lot, IM006, IM310 too few runs.';

create function laboratory.retire_qc_lot(p_qc_lot_id uuid) returns laboratory.qc_lots
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_lot laboratory.qc_lots := laboratory.lock_lots(p_qc_lot_id);
begin
  update laboratory.qc_lots l
  set status = 'retired'
  where l.tenant_id = v_tenant and l.id = p_qc_lot_id and l.status <> 'retired'
  returning l.* into v_lot;
  select l.* into v_lot from laboratory.qc_lots l where l.tenant_id = v_tenant and l.id = p_qc_lot_id;
  return v_lot;
end
$$;

comment on function laboratory.retire_qc_lot(uuid) is 'about=Takes a control lot out of use; its runs stay. IM005 no such lot.';

create function laboratory.review_qc(p_qc_result_id uuid, p_incident_id uuid default null)
  returns laboratory.qc_results
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_row laboratory.qc_results;
begin
  select q.* into v_row
  from laboratory.qc_results q
  where q.tenant_id = v_tenant and q.id = p_qc_result_id
  for no key update;
  if not found then
    raise exception 'quality control run % does not exist', p_qc_result_id
      using errcode = 'IM005', hint = 'choose a run of the tenant';
  end if;
  if v_row.reviewed_at is not null and v_row.incident_id is not distinct from p_incident_id then
    return v_row;
  end if;
  update laboratory.qc_results q
  set reviewed_by = workforce.acting_staff_id(), reviewed_at = now(), incident_id = p_incident_id
  where q.tenant_id = v_tenant and q.id = p_qc_result_id and q.run_at = v_row.run_at
  returning q.* into v_row;
  return v_row;
end
$$;

comment on function laboratory.review_qc(uuid, uuid) is 'about=Signs the review of a run, with the incident that it led to: a rejected run needs one (23514). IM005 no such run, IM006, IM311 reviewed already.';

create function laboratory.record_eqa(
  p_test_id uuid,
  p_device_id uuid,
  p_round text,
  p_value numeric,
  p_target numeric,
  p_sd numeric,
  p_run_at timestamptz
) returns laboratory.qc_results
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_z numeric := pg_catalog.round((p_value - p_target) / nullif(p_sd, 0), 4);
  v_row laboratory.qc_results;
begin
  if v_z is null then
    raise exception 'a round needs value, target and standard deviation'
      using errcode = '22023', hint = 'take them from the report of the scheme';
  end if;
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(
    'laboratory.qc_results' || v_tenant || p_device_id || p_test_id || p_round, 0
  ));
  select q.* into v_row
  from laboratory.qc_results q
  where
    q.tenant_id = v_tenant and q.device_id = p_device_id and q.test_id = p_test_id and q.scheme = 'eqa'
    and q.eqa_round = p_round;
  if found then
    if (v_row.value, v_row.target) <> (p_value, p_target) then
      raise exception 'the round of device % and test % is recorded with other values', p_device_id, p_test_id
        using errcode = 'IM011', hint = 'a round is recorded once';
    end if;
    return v_row;
  end if;
  insert into laboratory.qc_results (
    tenant_id, scheme, test_id, device_id, run_at, value, target, z_score, verdict, operator_id, eqa_round,
    eqa_performance
  )
  values (
    v_tenant, 'eqa', p_test_id, p_device_id, p_run_at, p_value, p_target, v_z,
    case when pg_catalog.abs(v_z) <= 2 then 'accept' when pg_catalog.abs(v_z) < 3 then 'warn' else 'reject' end,
    workforce.acting_staff_id(), p_round,
    case when pg_catalog.abs(v_z) <= 2 then 'acceptable' when pg_catalog.abs(v_z) < 3 then 'questionable'
      else 'unacceptable' end
  )
  returning * into v_row;
  return v_row;
end
$$;

comment on function laboratory.record_eqa(uuid, uuid, text, numeric, numeric, numeric, timestamptz) is 'about=Stores a round of external quality assessment with its z score: up to 2 acceptable, below 3 questionable, else unacceptable (ISO 13528). A round is recorded once. IM006, IM011 other values.';
