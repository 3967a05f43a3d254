-- Retention: a month of evidence is dropped as a whole, after its time, by the retention job alone. A month holds the rows
-- of all tenants, so the hold of one of them keeps it for all.

create function audit.tenants_under_hold() returns setof uuid
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if to_regprocedure('compliance.tenants_under_hold()') is not null then -- a clinic has no such module
    return query execute 'select compliance.tenants_under_hold()';
  end if;
end
$$;

comment on function audit.tenants_under_hold() is 'about=Tenants with an active legal hold, whatever it covers; until the end of the transaction no hold is placed.';

-- Nobody sees all tenants' rows, the owner of the log included. To learn whose rows a month holds, the owner stops being
-- bound by the policy for this transaction, under a lock that lets nobody else in meanwhile; a rollback undoes both.
create function audit.tenants_in(p_partition regclass) returns setof uuid
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  execute pg_catalog.format('alter table %s no force row level security', p_partition);
  return query execute pg_catalog.format(
    -- one step along the primary key per tenant
    'with recursive t (id) as (
      (select l.tenant_id from %1$s l order by l.tenant_id limit 1)
      union all
      select (select l.tenant_id from %1$s l where l.tenant_id > t.id order by l.tenant_id limit 1) from t where t.id is not null
    )
    select t.id from t where t.id is not null',
    p_partition
  );
  execute pg_catalog.format('alter table %s force row level security', p_partition);
end
$$;

comment on function audit.tenants_in(regclass) is 'about=The tenants that have rows in a month of a log or of the archives. For the owner.';

create function audit.drop_expired_partitions(p_keep interval default interval '7 years') returns text[]
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '2s'
as $$
declare
  v_partition record;
  v_held uuid[];
  v_dropped text[] := '{}';
begin
  if p_keep < interval '7 years' then
    raise exception 'evidence is kept for at least 7 years'
      using errcode = 'IM006', hint = 'pass an interval of 7 years or more';
  end if;
  v_held := array(select audit.tenants_under_hold());
  for v_partition in
    select
      c.oid::pg_catalog.regclass as partition, c.oid::pg_catalog.regclass::text as name,
      pg_catalog.substring(pg_catalog.pg_get_expr(c.relpartbound, c.oid), 'TO \(''([^'']+)''\)')::timestamptz as upper_bound
    from pg_catalog.pg_inherits i
    join pg_catalog.pg_class c on c.oid = i.inhrelid
    where
      i.inhparent in (
        'audit.audit_logs'::pg_catalog.regclass, 'audit.phi_access_logs'::pg_catalog.regclass,
        'audit.audit_archives'::pg_catalog.regclass
      )
    order by c.relname
  loop
    continue when v_partition.upper_bound is null or v_partition.upper_bound > now() - p_keep;
    if v_held && array(select audit.tenants_in(v_partition.partition)) then
      raise warning '% is kept: a tenant that has rows in it is under a legal hold', v_partition.name
        using errcode = 'IM007', hint = 'run it again when the hold is released';
      continue;
    end if;
    execute pg_catalog.format('drop table %s', v_partition.name);
    v_dropped := v_dropped || v_partition.name;
  end loop;
  return v_dropped;
end
$$;

comment on function audit.drop_expired_partitions(interval) is 'about=Drops the monthly partitions of the logs and their archives that ended more than p_keep (at least 7 years) ago and returns their names. A month with rows of a tenant that has an active legal hold is kept, with a warning IM007. IM006 less than 7 years, 55P03 a hold is being placed.';
