-- Everything that is held on a person, for access and portability (DPDP Act s.11). What belongs to them is found in the catalog,
-- so that a new table is exported from its first day. Runs as its caller: each role exports what it may read, and the answer
-- says what it may not.

create function compliance.rows_of_person(
  p_reference compliance.person_references,
  p_tenant_id uuid,
  p_people uuid[],
  p_ids jsonb,
  p_named jsonb
) returns uuid[]
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_table text := p_reference.schema_name || '.' || p_reference.table_name;
  v_wanted uuid[] := p_people;
  v_condition text := '';
  v_found uuid[];
begin
  if p_reference.found_by = 'type' then
    v_condition := format(' and t.%I in (''patient'', ''patient.patients'')', p_reference.type_column);
  elsif p_reference.found_by = 'parent' then
    v_wanted := array(
      select i::uuid from jsonb_array_elements_text(p_ids -> p_reference.parent::regclass::text) as i
    );
    if v_wanted = '{}' then
      return v_wanted;
    end if;
    -- a row that names another patient is that patient's
    select coalesce(string_agg(format(' and t.%I is null', c), ''), '') into v_condition
    from jsonb_array_elements_text(p_named -> v_table) as c;
  end if;
  execute format(
    'select array_agg(t.id) from %I.%I t where t.tenant_id = $1 and t.%I = any ($2)%s', p_reference.schema_name,
    p_reference.table_name, p_reference.column_name, v_condition
  )
  into v_found
  using p_tenant_id, v_wanted;
  return coalesce(v_found, '{}');
end
$$;

comment on function compliance.rows_of_person(compliance.person_references, uuid, uuid[], jsonb, jsonb) is 'about=Ids of the rows that one reference finds: p_people are all records of the patient, p_ids the ids found so far by table, p_named the columns of each table that name a patient.';

create function compliance.find_person(
  p_tenant_id uuid,
  p_people uuid[],
  out ids jsonb,
  out not_readable text[]
) returns record
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_references compliance.person_references[];
  v_reference compliance.person_references;
  v_named jsonb;
  v_table text;
  v_found uuid[];
  v_before jsonb;
  v_round int := 0;
begin
  select array_agg(r order by r.schema_name, r.table_name, r.column_name) into v_references
  from compliance.person_references r;
  select jsonb_object_agg(n.name, n.columns) into v_named
  from (
    select r.schema_name || '.' || r.table_name as name, jsonb_agg(r.column_name) as columns
    from unnest(v_references) as r
    where r.found_by = 'patient'
    group by 1
  ) as n;
  ids := jsonb_build_object('patient.patients', to_jsonb(p_people));
  not_readable := '{}';
  loop -- the rows that name the person first; then what hangs on rows that were found, until nothing new is
    v_before := ids;
    foreach v_reference in array v_references loop
      continue when (v_reference.found_by = 'parent') <> (v_round > 0);
      v_table := v_reference.schema_name || '.' || v_reference.table_name;
      begin
        v_found := compliance.rows_of_person(v_reference, p_tenant_id, p_people, ids, v_named);
        if v_found <> '{}' then
          ids := ids || jsonb_build_object(
            v_table,
            (
              select jsonb_agg(distinct i)
              from (
                select u::text as i from unnest(v_found) as u
                union all
                select jsonb_array_elements_text(ids -> v_table)
              ) as f
            )
          );
        end if;
      exception
        when insufficient_privilege then
          if v_table <> all (not_readable) then
            not_readable := not_readable || v_table;
          end if;
      end;
    end loop;
    exit when v_round > 0 and ids = v_before;
    v_round := v_round + 1;
  end loop;
end
$$;

comment on function compliance.find_person(uuid, uuid[]) is 'about=Ids of all rows of a person by table (schema.table), and the tables that the caller may not read.';

create function compliance.export_person(p_patient_id uuid) returns jsonb
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_people uuid[];
  v_found record;
  v_table text;
  v_columns text;
  v_rows jsonb;
  v_tables jsonb := '{}';
  v_count int := 0;
begin
  -- not patient.ids_of, which not every caller may ask; a merge redirects what was merged before: one step is enough
  select array_agg(p.id) into v_people
  from patient.patients k
  join patient.patients p
    on p.tenant_id = k.tenant_id and coalesce(k.merged_into_id, k.id) in (p.id, p.merged_into_id)
  where k.tenant_id = v_tenant and k.id = p_patient_id;
  if v_people is null then
    raise exception 'patient % does not exist', p_patient_id
      using errcode = 'IM005', hint = 'choose a patient of the tenant';
  end if;

  select * into v_found from compliance.find_person(v_tenant, v_people);
  for v_table in select k from jsonb_object_keys(v_found.ids) as k order by k loop
    select string_agg(quote_ident(a.attname), ', ' order by a.attnum) into v_columns
    from pg_attribute a
    where
      a.attrelid = v_table::regclass and a.attnum > 0 and not a.attisdropped
      and has_column_privilege(a.attrelid, a.attnum, 'select');
    execute format(
      'select jsonb_agg(to_jsonb(x)) from (select %s from %s where tenant_id = $1 and id = any ($2) order by id) as x',
      v_columns, v_table::regclass
    )
    into v_rows
    using v_tenant, array(select i::uuid from jsonb_array_elements_text(v_found.ids -> v_table) as i);
    v_tables := v_tables || jsonb_build_object(v_table, v_rows);
    v_count := v_count + jsonb_array_length(v_rows);
  end loop;
  perform audit.log_access('Person', p_patient_id, p_patient_id, 'export', null, v_count);
  return jsonb_build_object(
    'patient_id', p_patient_id, 'taken_at', now(), 'row_count', v_count, 'tables', v_tables,
    'not_readable', to_jsonb(v_found.not_readable)
  );
end
$$;

comment on function compliance.export_person(uuid) is 'about=Everything that is held on a patient, by whichever of the records that were merged is asked for: {patient_id, taken_at, row_count, tables: {"schema.table": [row ..]}, not_readable: [tables that the caller may not read]}. Encrypted columns are hexadecimal: the application decrypts them. The export is logged. IM003 no tenant, IM005 no such patient.';
