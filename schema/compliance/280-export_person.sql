-- Everything that is held on a person, for access and portability (DPDP Act s.11). What belongs to them is found in the catalog,
-- so that a new table is exported from its first day. Runs as its caller: each role exports what it may read, and the answer
-- says what it may not.

create function compliance.rows_of_person(
  p_reference compliance.person_references,
  p_tenant_id uuid,
  p_people uuid[],
  p_ids jsonb
) returns uuid[]
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_table text := format('%I.%I', p_reference.schema_name, p_reference.table_name);
  v_wanted uuid[] := p_people;
  v_condition text := '';
  v_found uuid[];
begin
  if p_reference.found_by = 'type' then
    v_condition := format(' and t.%I in (''patient'', ''patient.patients'')', p_reference.type_column);
  elsif p_reference.found_by = 'parent' then
    select array_agg(i::uuid) into v_wanted
    from jsonb_array_elements_text(p_ids -> p_reference.parent::regclass::text) as i;
    if v_wanted is null then
      return '{}';
    end if;
    -- a row that names another patient is that patient's
    select coalesce(string_agg(format(' and t.%I is null', r.column_name), ''), '') into v_condition
    from compliance.person_references r
    where
      r.schema_name = p_reference.schema_name and r.table_name = p_reference.table_name and r.found_by = 'patient';
  end if;
  execute format(
    'select array_agg(t.id) from %s t where t.tenant_id = $1 and t.%I = any ($2)%s', v_table, p_reference.column_name,
    v_condition
  )
  into v_found
  using p_tenant_id, v_wanted;
  return coalesce(v_found, '{}');
end
$$;

comment on function compliance.rows_of_person(compliance.person_references, uuid, uuid[], jsonb) is 'about=Ids of the rows that one reference finds: p_people are the patient and whoever was merged into them, p_ids the ids found so far by table.';

create function compliance.export_person(p_patient_id uuid) returns jsonb
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_people uuid[];
  v_reference compliance.person_references;
  v_name text;
  v_ids jsonb := '{}';
  v_before jsonb;
  v_closed text[] := '{}';
  v_columns text;
  v_rows jsonb;
  v_tables jsonb := '{}';
  v_count int := 0;
begin
  with recursive merged as (
    select p.id from patient.patients p where p.tenant_id = v_tenant and p.id = p_patient_id
    union
    select p.id from merged m join patient.patients p on p.tenant_id = v_tenant and p.merged_into_id = m.id
  )
  select array_agg(m.id) into v_people from merged m;
  if v_people is null then
    raise exception 'patient % does not exist', p_patient_id
      using errcode = 'IM005', hint = 'choose a patient of the tenant';
  end if;

  v_ids := jsonb_build_object('patient.patients', to_jsonb(v_people));
  loop -- rows that hang on rows that were found: until nothing new is
    v_before := v_ids;
    for v_reference in select * from compliance.person_references r order by r.found_by, r.schema_name, r.table_name loop
      -- the named ones are found in the first round
      continue when v_reference.found_by <> 'parent' and v_before <> jsonb_build_object('patient.patients', to_jsonb(v_people));
      v_name := v_reference.schema_name || '.' || v_reference.table_name;
      begin
        v_ids := v_ids || (
          select jsonb_build_object(v_name, coalesce(jsonb_agg(distinct i order by i), '[]'))
          from (
            select u::text as i from unnest(compliance.rows_of_person(v_reference, v_tenant, v_people, v_ids)) as u
            union
            select jsonb_array_elements_text(v_ids -> v_name)
          ) as f
        );
      exception
        when insufficient_privilege then
          if v_name <> all (v_closed) then
            v_closed := v_closed || v_name;
          end if;
      end;
    end loop;
    exit when v_ids = v_before;
  end loop;

  for v_name in select k from jsonb_object_keys(v_ids) as k where v_ids -> k <> '[]' order by k loop
    select string_agg(quote_ident(a.attname), ', ' order by a.attnum) into v_columns
    from pg_attribute a
    where
      a.attrelid = v_name::regclass and a.attnum > 0 and not a.attisdropped
      and has_column_privilege(a.attrelid, a.attnum, 'select');
    execute format(
      'select jsonb_agg(to_jsonb(x)) from (select %s from %s where tenant_id = $1 and id = any ($2) order by id) as x',
      v_columns, v_name::regclass
    )
    into v_rows
    using v_tenant, array(select i::uuid from jsonb_array_elements_text(v_ids -> v_name) as i);
    v_tables := v_tables || jsonb_build_object(v_name, v_rows);
    v_count := v_count + jsonb_array_length(v_rows);
  end loop;
  perform audit.log_access('Person', p_patient_id, p_patient_id, 'export', null, v_count);
  return jsonb_build_object(
    'patient_id', p_patient_id, 'taken_at', now(), 'row_count', v_count, 'tables', v_tables,
    'not_readable', to_jsonb(v_closed)
  );
end
$$;

comment on function compliance.export_person(uuid) is 'about=Everything that is held on a patient and on whoever was merged into them: {patient_id, taken_at, row_count, tables: {"schema.table": [row ..]}, not_readable: [tables that the caller may not read]}. Encrypted columns are hexadecimal: the application decrypts them. The export is logged. IM003 no tenant, IM005 no such patient.';
