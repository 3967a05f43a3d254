-- audit.track enrols a table: it writes one trigger function for the table, with the columns spelled out, and three
-- triggers. An insert logs the statement's rows at once from its transition table; update and delete log row by row,
-- an update only the columns that changed. Encrypted columns are logged as '***'. Run it again after a column is added.

create function audit.track(p_table text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_table regclass := p_table::pg_catalog.regclass;
  v_schema text;
  v_name text;
  v_function text;
  v_changed text; -- one CASE a column: its name when it changed
  v_row_id text := 'null';
  v_patient_id text := 'null';
  v_emr_system text := 'null';
  v_emr_id text := 'null';
  v_soft_delete boolean;
  v_masked text[]; -- encrypted columns
  v_silent text[] := array['created_at', 'created_by', 'updated_at', 'updated_by', 'row_version'];
  v_columns text[];
  v_mask text;
begin
  select n.nspname, c.relname into v_schema, v_name
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid = v_table;
  v_function := pg_catalog.format('audit.%I', 'log_' || v_schema || '_' || v_name);

  select pg_catalog.array_agg(a.attname::text order by a.attnum) into v_columns
  from pg_catalog.pg_attribute a
  where a.attrelid = v_table and a.attnum > 0 and not a.attisdropped;

  select coalesce(pg_catalog.array_agg(c order by c), '{}') into v_masked
  from pg_catalog.unnest(v_columns) c
  where c ~ '_(enc|bidx|hash)$' or c = 'wrapped_key' or c = 'tenant_id' or c = any (v_silent);

  select pg_catalog.string_agg(
    pg_catalog.format('case when new.%1$I is distinct from old.%1$I then %1$L end', c), E',\n      '
    order by o
  )
  into v_changed
  from pg_catalog.unnest(v_columns) with ordinality u (c, o)
  where c <> all (v_silent);

  if 'id' = any (v_columns) then v_row_id := '%1$s.id'; end if;
  if v_schema = 'patient' and v_name = 'patients' then
    v_patient_id := '%1$s.id';
  elsif 'patient_id' = any (v_columns) then
    v_patient_id := '%1$s.patient_id';
  end if;
  if array['emr_system', 'emr_id'] <@ v_columns then
    v_emr_system := '%1$s.emr_system::text';
    v_emr_id := '%1$s.emr_id';
  end if;
  v_soft_delete := 'deleted_at' = any (v_columns);
  v_mask := pg_catalog.format('%L::text[]', v_masked);

  execute pg_catalog.format(
    $function$
create or replace function %1$s() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $body$
-- written by audit.track; do not edit
declare
  v_changed text[];
  v_old jsonb;
  v_new jsonb;
begin
  if tg_op = 'INSERT' then
    insert into audit.audit_logs (
      tenant_id, action, schema_name, table_name, row_id, patient_id, emr_system, emr_id, new_values
    )
    select
      n.tenant_id, 'insert', %2$L, %3$L, %4$s, %5$s, %6$s, %7$s,
      pg_catalog.jsonb_strip_nulls(pg_catalog.to_jsonb(n) - %8$s)
    from new_rows n
    where n.tenant_id is not null;
    return null;
  end if;

  if tg_op = 'DELETE' then
    if old.tenant_id is not null then
      insert into audit.audit_logs (
        tenant_id, action, schema_name, table_name, row_id, patient_id, emr_system, emr_id, old_values
      )
      values (
        old.tenant_id, 'delete', %2$L, %3$L, %9$s, %10$s, %11$s, %12$s,
        pg_catalog.jsonb_strip_nulls(pg_catalog.to_jsonb(old) - %8$s)
      );
    end if;
    return null;
  end if;

  v_changed := pg_catalog.array_remove(
    array[
      %13$s
    ]::text[],
    null
  );
  if new.tenant_id is null or pg_catalog.cardinality(v_changed) = 0 then
    return null;
  end if;
  v_old := pg_catalog.to_jsonb(old);
  v_new := pg_catalog.to_jsonb(new);
  insert into audit.audit_logs (
    tenant_id, action, schema_name, table_name, row_id, patient_id, emr_system, emr_id,
    old_values, new_values, changed_columns
  )
  select
    new.tenant_id, %14$s, %2$L, %3$L, %15$s, %16$s, %17$s, %18$s,
    pg_catalog.jsonb_object_agg(c, case when c = any (%8$s) then '"***"'::jsonb else v_old -> c end),
    pg_catalog.jsonb_object_agg(c, case when c = any (%8$s) then '"***"'::jsonb else v_new -> c end),
    v_changed
  from pg_catalog.unnest(v_changed) c;
  return null;
end
$body$
    $function$,
    v_function, v_schema, v_name,
    pg_catalog.format(v_row_id, 'n'), pg_catalog.format(v_patient_id, 'n'),
    pg_catalog.format(v_emr_system, 'n'), pg_catalog.format(v_emr_id, 'n'),
    v_mask,
    pg_catalog.format(v_row_id, 'old'), pg_catalog.format(v_patient_id, 'old'),
    pg_catalog.format(v_emr_system, 'old'), pg_catalog.format(v_emr_id, 'old'),
    v_changed,
    case
      when v_soft_delete then
        'case when old.deleted_at is null and new.deleted_at is not null then ''soft_delete'''
        || ' when old.deleted_at is not null and new.deleted_at is null then ''restore'' else ''update'' end'
      else '''update'''
    end,
    pg_catalog.format(v_row_id, 'new'), pg_catalog.format(v_patient_id, 'new'),
    pg_catalog.format(v_emr_system, 'new'), pg_catalog.format(v_emr_id, 'new')
  );
  execute pg_catalog.format('alter function %s() owner to audit_writer', v_function);
  execute pg_catalog.format('revoke execute on function %s() from public', v_function);
  execute pg_catalog.format(
    'comment on function %s() is %L', v_function, 'about=Logs the changes of ' || p_table || '; written by audit.track.'
  );

  execute pg_catalog.format(
    'create or replace trigger audit_insert after insert on %s referencing new table as new_rows for each statement execute function %s()',
    v_table, v_function
  );
  execute pg_catalog.format(
    'create or replace trigger audit_update after update on %s for each row execute function %s()', v_table, v_function
  );
  execute pg_catalog.format(
    'create or replace trigger audit_delete after delete on %s for each row execute function %s()', v_table, v_function
  );
end
$$;

comment on function audit.track(text) is 'about=Enrols a table in the audit log: inserts, updates (changed columns only) and deletes are logged in the same transaction. Repeatable; run it again after a column was added.';
