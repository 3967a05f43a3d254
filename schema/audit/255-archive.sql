-- Packing. A month of a log goes in three steps, each safe to repeat and to be killed in:
--   audit.begin_packing(partition)          names the tenants that have rows in it
--   audit.pack_partition(partition)         per tenant, again and again until 0: packs one day of sealed rows, reads the
--                                           archives back and commits only when they give the same rows
--   audit.drop_packed_partition(partition)  drops the month when every row of every tenant is packed
-- Until the drop commits the log is read and the archives are not; from then on the archives are.

create function audit.log_partition(
  p_partition regclass, out log_name text, out time_column text, out from_at timestamptz, out to_at timestamptz
)
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_bound text;
begin
  select p.relname, pg_catalog.pg_get_expr(c.relpartbound, c.oid) into log_name, v_bound
  from pg_catalog.pg_class c
  join pg_catalog.pg_inherits i on i.inhrelid = c.oid
  join pg_catalog.pg_class p on p.oid = i.inhparent
  where
    c.oid = p_partition
    and i.inhparent in ('audit.audit_logs'::pg_catalog.regclass, 'audit.phi_access_logs'::pg_catalog.regclass);
  time_column := case log_name when 'audit_logs' then 'occurred_at' else 'accessed_at' end;
  from_at := pg_catalog.substring(v_bound, 'FROM \(''([^'']+)''\)');
  to_at := pg_catalog.substring(v_bound, 'TO \(''([^'']+)''\)');
  if from_at is null or to_at is null then
    raise exception '% is no month of a log', p_partition
      using errcode = '22023', hint = 'audit.packable_partitions lists what can be packed';
  end if;
end
$$;

comment on function audit.log_partition(regclass) is 'about=Of which log a partition is, and its bounds. 22023 for any other table and for a default partition.';

create function audit.packable_partitions(p_older_than interval default interval '90 days') returns table (
  name regclass,
  log_name text,
  ended_at timestamptz
)
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_older_than < interval '7 days' then
    raise exception 'the last 7 days of the logs are not packed'
      using errcode = 'IM006', hint = 'pass an interval of 7 days or more';
  end if;
  return query
    select p.name, l.log_name, l.to_at
    from (
      select i.inhrelid::pg_catalog.regclass as name
      from pg_catalog.pg_inherits i
      join pg_catalog.pg_class c on c.oid = i.inhrelid
      where
        i.inhparent in ('audit.audit_logs'::pg_catalog.regclass, 'audit.phi_access_logs'::pg_catalog.regclass)
        and pg_catalog.pg_get_expr(c.relpartbound, c.oid) ~ '^FOR VALUES FROM \(''.*TO \('''
    ) as p
    cross join lateral audit.log_partition(p.name) as l
    where l.to_at <= now() - p_older_than
    order by l.to_at, l.log_name;
end
$$;

comment on function audit.packable_partitions(interval) is 'about=The months of the logs that ended at least p_older_than ago, oldest first. IM006 less than 7 days.';

create function audit.ensure_archive_partitions(p_from timestamptz, p_to timestamptz) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
  set timezone = 'UTC'
as $$
declare
  v_month timestamptz := pg_catalog.date_trunc('month', p_from);
  v_name text;
begin
  while v_month < p_to loop
    v_name := pg_catalog.to_char(v_month, '"audit_archives_y"YYYY"m"MM');
    if pg_catalog.to_regclass('audit.' || v_name) is null then
      execute pg_catalog.format(
        'create table audit.%I partition of audit.audit_archives for values from (%L) to (%L)',
        v_name, v_month, v_month + interval '1 month'
      );
      execute pg_catalog.format('alter table audit.%I alter column ids set storage external', v_name);
      perform core.protect_partition(('audit.' || v_name)::pg_catalog.regclass, 'audit.audit_archives');
    end if;
    v_month := v_month + interval '1 month';
  end loop;
end
$$;

comment on function audit.ensure_archive_partitions(timestamptz, timestamptz) is 'about=Makes the months of the archives from p_from until before p_to that are missing.';

create function audit.begin_packing(p_partition regclass) returns setof uuid
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '2s'
as $$
declare
  v_log record := audit.log_partition(p_partition);
begin
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('audit.begin_packing', 0));
  perform audit.ensure_archive_partitions(v_log.from_at, v_log.to_at);
  return query select audit.tenants_in(p_partition);
end
$$;

comment on function audit.begin_packing(regclass) is 'about=Makes room for the archives of a month of a log and names the tenants that have rows in it.';

create function audit.pack_rows(p_log text, p_time_column text, p_rows jsonb[]) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
  set timezone = 'UTC'
as $$
declare
  v_archive audit.audit_archives;
  v_plain bytea;
  v_missing bigint;
begin
  v_archive.tenant_id := core.require_tenant();
  v_archive.log_name := p_log;
  v_archive.packed_at := now();
  v_archive.row_count := pg_catalog.cardinality(p_rows);
  v_archive.first_at := p_rows[1] ->> p_time_column;
  v_archive.first_seq := p_rows[1] ->> 'seq';
  v_archive.last_at := p_rows[v_archive.row_count] ->> p_time_column;
  v_archive.last_seq := p_rows[v_archive.row_count] ->> 'seq';
  select pg_catalog.min((r.row ->> 'txid')::bigint), pg_catalog.max((r.row ->> 'txid')::bigint), pg_catalog.sum((r.row ->> 'seq')::bigint)
  into v_archive.first_txid, v_archive.last_txid, v_archive.seq_sum
  from pg_catalog.unnest(p_rows) as r (row);

  select e.ids, pg_catalog.convert_to(e.content::text, 'UTF8') into v_archive.ids, v_plain
  from audit.encode_rows(p_rows) as e;
  begin
    v_archive.codec := 'zlib';
    v_archive.content := audit.compress(v_plain, v_archive.codec);
  exception
    when external_routine_invocation_exception then -- this server's pgcrypto has no zlib
      v_archive.codec := 'none';
      v_archive.content := audit.compress(v_plain, v_archive.codec);
  end;

  -- as text, because 1.0 and 1.00 are equal numbers but not the same evidence
  select pg_catalog.count(*) into v_missing
  from (
    select (r.row || pg_catalog.jsonb_build_object('tenant_id', v_archive.tenant_id))::text from pg_catalog.unnest(p_rows) as r (row)
    except all
    select u.row::text from audit.unpack_archive(v_archive) as u (row)
  ) as m;
  if v_missing > 0 then
    raise exception '% rows of % from % on would not come out of the archive as they went in', v_missing, p_log, v_archive.first_at
      using errcode = 'XX000', hint = 'nothing was packed or lost; report it with the server''s version';
  end if;
  insert into audit.audit_archives select v_archive.*;
end
$$;

comment on function audit.pack_rows(text, text, jsonb[]) is 'about=Writes one archive of these rows, in order of time and seq, after it read them back from it.';

create function audit.is_packed(p_partition regclass, p_tenant_id uuid) returns boolean
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_log record := audit.log_partition(p_partition);
  v_rows bigint;
  v_seq_sum numeric;
begin
  execute pg_catalog.format('select count(*), sum(l.seq) from %s l where l.tenant_id = $1', p_partition)
  into v_rows, v_seq_sum
  using p_tenant_id;
  return (
    select
      coalesce(pg_catalog.sum(a.row_count), 0) = v_rows and coalesce(pg_catalog.sum(a.seq_sum), 0) = coalesce(v_seq_sum, 0)
    from audit.audit_archives a
    where a.tenant_id = p_tenant_id and a.log_name = v_log.log_name and a.first_at >= v_log.from_at and a.first_at < v_log.to_at
  );
end
$$;

comment on function audit.is_packed(regclass, uuid) is 'about=Whether the archives hold as many of the tenant''s rows as this month of the log, with the same sum of seq. What they hold was compared when it was packed, and neither can change since.';

create function audit.pack_partition(p_partition regclass) returns bigint
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set timezone = 'UTC'
as $$
declare
  v_enough constant int := 500; -- rows an archive should have before the hour after it starts another
  v_most constant int := 5000; -- rows of an hour that go into one archive
  v_tenant uuid := core.require_tenant();
  v_log record := audit.log_partition(p_partition);
  v_sealed bigint;
  v_last_at timestamptz;
  v_unpacked text; -- tells rows that are not packed
  v_day timestamptz;
  v_slice record;
  v_rows jsonb[] := '{}';
  v_packed bigint := 0;
begin
  -- one packer a tenant and log; the next one goes on where this one stopped
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('audit.pack:' || v_log.log_name || v_tenant::text, 0));
  select coalesce(pg_catalog.max(a.to_txid), 0::bigint) into v_sealed
  from audit.audit_chain_anchors a
  where a.tenant_id = v_tenant and a.log_name = v_log.log_name;
  select coalesce(pg_catalog.max(a.last_at), '-infinity'::timestamptz) into v_last_at
  from audit.audit_archives a
  where a.tenant_id = v_tenant and a.log_name = v_log.log_name and a.first_at >= v_log.from_at and a.first_at < v_log.to_at;

  foreach v_unpacked in array array[
    -- archives are made in order of time: what comes after the last one
    pg_catalog.format('l.%I > %L', v_log.time_column, v_last_at),
    -- and rows before it that were sealed later than their neighbours
    pg_catalog.format(
      'l.seq not in (
        select (u.row ->> ''seq'')::bigint
        from audit.audit_archives a
        cross join lateral audit.unpack_archive(a) as u (row)
        where a.tenant_id = $1 and a.log_name = %L and a.first_at >= %L and a.first_at < %L
      )',
      v_log.log_name, v_log.from_at, v_log.to_at
    )
  ]
  loop
    execute pg_catalog.format(
      'select pg_catalog.date_trunc(''day'', pg_catalog.min(l.%I)) from %s l where l.tenant_id = $1 and l.txid < $2 and %s',
      v_log.time_column, p_partition, v_unpacked
    )
    into v_day
    using v_tenant, v_sealed;
    exit when v_day is not null or audit.is_packed(p_partition, v_tenant);
  end loop;
  if v_day is null then
    return 0;
  end if;

  perform audit.ensure_archive_partitions(v_log.from_at, v_log.to_at);
  for v_slice in execute pg_catalog.format(
    'select pg_catalog.array_agg(r.row order by r.at, r.seq) as rows
    from (
      select
        l.%1$I as at, l.seq, pg_catalog.date_trunc(''hour'', l.%1$I) as hour,
        pg_catalog.row_number() over (partition by pg_catalog.date_trunc(''hour'', l.%1$I) order by l.%1$I, l.seq) as n,
        (
          select pg_catalog.jsonb_object_agg(e.key, e.value)
          from pg_catalog.jsonb_each(pg_catalog.to_jsonb(l) - ''tenant_id'') as e
          where e.value <> ''null''
        ) as row
      from %2$s l
      where l.tenant_id = $1 and l.txid < $2 and %3$s and l.%1$I < $3 + interval ''24 hours''
    ) as r
    group by r.hour, (r.n - 1) / $4
    order by r.hour, (r.n - 1) / $4',
    v_log.time_column, p_partition, v_unpacked
  )
  using v_tenant, v_sealed, v_day, v_most
  loop
    v_rows := v_rows || v_slice.rows;
    v_packed := v_packed + pg_catalog.cardinality(v_slice.rows);
    if pg_catalog.cardinality(v_rows) >= v_enough then
      perform audit.pack_rows(v_log.log_name, v_log.time_column, v_rows);
      v_rows := '{}';
    end if;
  end loop;
  if v_rows <> '{}' then
    perform audit.pack_rows(v_log.log_name, v_log.time_column, v_rows);
  end if;
  return v_packed;
end
$$;

comment on function audit.pack_partition(regclass) is 'about=Packs the tenant''s rows of one more day of a month of a log into archives and returns how many; 0 when none is left that is sealed and not packed. 22023 for a table that is no month of a log.';

create function audit.drop_packed_partition(p_partition regclass) returns boolean
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '2s'
as $$
declare
  v_tenants uuid[];
  v_packed boolean;
begin
  perform audit.log_partition(p_partition);
  -- from here on nobody can add a row to this month
  execute pg_catalog.format('lock table %s in access exclusive mode', p_partition);
  v_tenants := array(select t from audit.begin_packing(p_partition) as t);
  -- as there, the owner looks at every tenant: a context for each could not be signed here
  execute pg_catalog.format('alter table %s no force row level security', p_partition);
  alter table audit.audit_archives no force row level security;
  select coalesce(pg_catalog.bool_and(audit.is_packed(p_partition, t.id)), true) into v_packed
  from pg_catalog.unnest(v_tenants) as t (id);
  execute pg_catalog.format('alter table %s force row level security', p_partition);
  alter table audit.audit_archives force row level security;
  if v_packed then
    execute pg_catalog.format('drop table %s', p_partition);
  end if;
  return v_packed;
end
$$;

comment on function audit.drop_packed_partition(regclass) is 'about=Drops a month of a log when every tenant''s rows of it are packed, else leaves it and returns false.';
