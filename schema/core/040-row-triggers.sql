-- Trigger functions that every module uses. Tables pass their own name as an argument: on a distributed table
-- TG_TABLE_NAME is the name of a shard.

create function core.update_updated_at_column() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  new.updated_at := pg_catalog.now();
  new.updated_by := coalesce(core.current_user_id(), new.updated_by);
  if tg_nargs > 0 then -- the argument is row_version: only versioned tables have the column
    if new.row_version <> old.row_version then
      raise exception 'row % was changed by somebody else', old.id
        using errcode = 'IM004', hint = 'read the row again and repeat the change on its current version';
    end if;
    new.row_version := old.row_version + 1;
  end if;
  return new;
end
$$;

comment on function core.update_updated_at_column() is 'about=Before update: keeps updated_at and updated_by. With the argument row_version it counts that column up, and an update that sets it must set the version that it read, else IM004.';

create function core.refuse_change() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception '% is append-only', pg_catalog.format('%I.%I', tg_table_schema, tg_table_name)
    using errcode = 'IM006', hint = 'add a correcting row instead';
end
$$;

comment on function core.refuse_change() is 'about=Refuses UPDATE, DELETE and TRUNCATE of append-only tables for everybody, the owner included (IM006).';

create function core.check_shared_reference() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_column text := tg_argv[0];
  v_id uuid := (pg_catalog.to_jsonb(new) ->> v_column)::uuid;
  v_visible boolean;
begin
  if v_id is null then
    return new;
  end if;
  execute pg_catalog.format(
    'select exists (select from %s where id = $1 and (tenant_id is null or tenant_id = $2))',
    tg_argv[1]::pg_catalog.regclass
  )
  into v_visible
  using v_id, new.tenant_id;
  if not v_visible then
    raise exception '% % does not exist', v_column, v_id
      using errcode = 'IM005', hint = 'choose a row of the tenant or a shared one';
  end if;
  return new;
end
$$;

comment on function core.check_shared_reference() is 'about=Arguments (column, table). A reference to a tenant-or-global table must point to a row of the same tenant or to a shared row, else IM005.';
