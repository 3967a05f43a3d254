-- Partitions by day, month or hash. RLS does not reach a partition that is read directly, so every partition carries the
-- same policy as its parent and no grant at all.

create function core.protect_partition(p_partition regclass, p_parent regclass) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_parent pg_catalog.pg_class;
begin
  select * into v_parent from pg_catalog.pg_class where oid = p_parent;
  execute pg_catalog.format(
    'alter table %s owner to %I%s', p_partition, pg_catalog.pg_get_userbyid(v_parent.relowner),
    case when v_parent.relrowsecurity then ', enable row level security, force row level security' end
  );
  if v_parent.relrowsecurity then
    execute pg_catalog.format(
      'create policy tenant_isolation on %s using (tenant_id = (select core.current_tenant_id())) with check (tenant_id = (select core.current_tenant_id()))',
      p_partition
    );
  end if;
  -- row triggers are cloned by the server, a statement trigger is not
  if exists (
    select from pg_catalog.pg_trigger t
    where t.tgrelid = p_parent and t.tgfoid = 'core.refuse_change()'::pg_catalog.regprocedure and t.tgtype & 32 = 32
  ) then
    execute pg_catalog.format(
      'create trigger %I before truncate on %s for each statement execute function core.refuse_change()',
      (select relname from pg_catalog.pg_class where oid = p_partition) || '_no_truncate', p_partition
    );
  end if;
end
$$;

comment on function core.protect_partition(regclass, regclass) is 'about=Gives a new partition the policy, the truncate guard and the owner of its parent.';

create function core.ensure_partitions(p_parent text, p_step text, p_ahead int) returns int
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_parent regclass := p_parent::pg_catalog.regclass;
  v_schema text;
  v_table text;
  v_from timestamptz;
  v_to timestamptz;
  v_name text;
  v_made int := 0;
begin
  if p_step not in ('day', 'month') then
    raise exception 'unknown step "%"', p_step using errcode = '22023', hint = 'use day or month';
  end if;
  select n.nspname, c.relname into v_schema, v_table
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid = v_parent;

  for v_offset in 0..p_ahead loop
    -- bounds in UTC, so that they do not depend on the session's time zone
    v_from := (
      pg_catalog.date_trunc(p_step, pg_catalog.now() at time zone 'UTC') + (v_offset || ' ' || p_step)::interval
    ) at time zone 'UTC';
    v_to := ((v_from at time zone 'UTC') + ('1 ' || p_step)::interval) at time zone 'UTC';
    v_name := v_table || pg_catalog.to_char(
      v_from at time zone 'UTC', case p_step when 'day' then '"_y"YYYY"m"MM"d"DD' else '"_y"YYYY"m"MM' end
    );
    continue when pg_catalog.to_regclass(pg_catalog.format('%I.%I', v_schema, v_name)) is not null;
    begin
      execute pg_catalog.format(
        'create table %I.%I partition of %s for values from (%L) to (%L)', v_schema, v_name, v_parent, v_from, v_to
      );
    exception
      when check_violation then
        raise warning '% is not made: the default partition of % has rows of its time', v_name, v_parent
          using hint = 'they stay readable there; run core.maintain_partitions daily, so that the next ones are made in time';
        continue;
    end;
    perform core.protect_partition(pg_catalog.format('%I.%I', v_schema, v_name)::pg_catalog.regclass, v_parent);
    v_made := v_made + 1;
  end loop;
  return v_made;
end
$$;

comment on function core.ensure_partitions(text, text, int) is 'about=Makes the partitions of this and the next p_ahead days or months that are missing and returns how many it made. Run it by a job at least once a step; rows without a partition go to the default partition, and a day or month that has rows there is passed over with a warning.';

create function core.ensure_hash_partitions(p_parent text, p_modulus int) returns int
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_parent regclass := p_parent::pg_catalog.regclass;
  v_schema text;
  v_table text;
  v_name text;
  v_made int := 0;
begin
  if p_modulus not between 2 and 256 then
    raise exception '% is no sensible number of partitions', p_modulus
      using errcode = '22023', hint = 'use 2 to 256; a power of two can be doubled later';
  end if;
  select n.nspname, c.relname into v_schema, v_table
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid = v_parent;

  for v_remainder in 0..p_modulus - 1 loop
    v_name := v_table || '_h' || pg_catalog.lpad(v_remainder::text, pg_catalog.length((p_modulus - 1)::text), '0');
    continue when pg_catalog.to_regclass(pg_catalog.format('%I.%I', v_schema, v_name)) is not null;
    execute pg_catalog.format(
      'create table %I.%I partition of %s for values with (modulus %s, remainder %s)',
      v_schema, v_name, v_parent, p_modulus, v_remainder
    );
    perform core.protect_partition(pg_catalog.format('%I.%I', v_schema, v_name)::pg_catalog.regclass, v_parent);
    v_made := v_made + 1;
  end loop;
  return v_made;
end
$$;

comment on function core.ensure_hash_partitions(text, int) is 'about=Makes the missing ones of p_modulus hash partitions of a table, <table>_h00 and so on, and returns how many it made. A hash has no default partition: rows can be written when all are there. 22023 fewer than 2 or more than 256.';

create function core.maintain_partitions() returns int
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_table record;
  v_made int := 0;
begin
  for v_table in
    select c.oid::pg_catalog.regclass::text as name, core.tag(d.description, 'partition') as step
    from pg_catalog.pg_class c
    join pg_catalog.pg_description d
      on d.objoid = c.oid and d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objsubid = 0
    where c.relkind = 'p' and core.tag(d.description, 'partition') is not null
    order by 1
  loop
    v_made := v_made + core.ensure_partitions(v_table.name, v_table.step, case v_table.step when 'day' then 7 else 3 end);
  end loop;
  return v_made;
end
$$;

comment on function core.maintain_partitions() is 'about=Makes the missing partitions of the coming 7 days or 3 months of every table whose comment has the tag partition=day or partition=month; returns how many. Run it daily as the role that installed the schema.';
