-- The second layer over health data: who is limited to patients sees the rows of theirs only. core.begin_request looks up
-- once whom the user treats; policies read that list from the settings of the transaction, never with a sub-query a row.
-- Off until core.require_treatment_relationship is called.

-- core.require_treatment_relationship replaces it, as core.require_signed_context does with core.context_is_signed.
create function core.treatment_is_required() returns boolean
  language sql
  stable
  parallel safe
return false;

comment on function core.treatment_is_required() is 'about=Whether this database limits users to the patients they treat.';

create function core.see_all_patients() returns void
  language sql
  stable
return null::void;

comment on function core.see_all_patients() is 'about=A right, not a deed: whoever may execute it is not limited to patients. Owners of schemas have it, because an operation decides on more than what its caller sees (a bed asks who else is in the room).';

-- Both are replaced by core.require_treatment_relationship with what the modules know.
create function core.patients_treated() returns uuid[]
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$ begin return '{}'; end $$;

comment on function core.patients_treated() is 'about=Patients that the signed-in user treats now or treated lately, put together from the functions patients_treated of all modules.';

create function core.patients_of_portal_user() returns uuid[]
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$ begin return '{}'; end $$;

comment on function core.patients_of_portal_user() is 'about=The patients that the signed-in user of the portal is, put together from the functions patients_of_portal_user of all modules.';

create function core.patients_proof(p_scope text, p_patients text) returns text
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
  select pg_catalog.encode(
    public.hmac(
      pg_catalog.convert_to(
        pg_catalog.concat_ws(
          E'\n', 'patients', extract(epoch from now()), pg_catalog.current_setting('app.tenant_id', true),
          pg_catalog.current_setting('app.user_id', true), p_scope, p_patients
        ),
        'UTF8'
      ),
      k.secret, 'sha256'
    ),
    'hex'
  )
  from core.context_keys k
  where k.kid = pg_catalog.split_part(pg_catalog.current_setting('app.signature', true), '.', 1)
$$;

comment on function core.patients_proof(text, text) is 'about=What shows, where contexts are signed, that core.look_up_patients set this list in this transaction.';

create function core.look_up_patients() returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_role text := core.current_role_name();
  v_scope text;
  v_patients text := '{}';
begin
  perform core.require_tenant(); -- refuses a context that was changed, where it is signed
  if core.current_user_id() is null or core.setting('access.roles_of_all_patients') ? v_role then
    v_scope := 'all';
  elsif v_role = 'patient' then
    v_scope := 'person';
    v_patients := core.patients_of_portal_user();
  else
    v_scope := 'health';
    v_patients := core.patients_treated();
  end if;
  execute pg_catalog.format(
    'set local app.care_scope = %L; set local app.patients = %L; set local app.patients_proof = %L',
    v_scope, v_patients,
    case when core.context_is_signed() then core.patients_proof(v_scope, v_patients) else '' end
  );
end
$$;

comment on function core.look_up_patients() is 'about=Sets for this transaction whose rows its user sees: everybody''s without a user or in a role of setting access.roles_of_all_patients; their own in the portal (role patient), identity and money included; else health data of the patients they treat.';

create function core.listed_patients(p_scope text) returns uuid[]
  language plpgsql
  stable
  parallel safe
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_scope text := coalesce(pg_catalog.current_setting('app.care_scope', true), '');
  v_patients text := coalesce(pg_catalog.current_setting('app.patients', true), '');
begin
  if v_scope = '' then
    return '{}'; -- nothing was looked up, whatever the list says
  end if;
  if
    core.context_is_signed()
    and pg_catalog.current_setting('app.patients_proof', true) is distinct from core.patients_proof(v_scope, v_patients)
  then
    raise exception 'the patients of this transaction were changed since it began'
      using errcode = 'IM014', hint = 'call core.begin_request; nothing else sets them';
  end if;
  return case
    when v_scope = 'all' or (v_scope = 'health' and p_scope = 'person') then null
    else coalesce(nullif(v_patients, ''), '{}')::uuid[]
  end;
end
$$;

comment on function core.listed_patients(text) is 'about=The patients whose health data (scope health) or identity and money (scope person) this transaction sees; null for everybody''s, none when core.begin_request was not called. IM014 where signatures are required and the list is not the one that was looked up.';

-- what policies ask, once a statement
create function core.patients_in_care() returns uuid[]
  language sql
  stable
  parallel safe
return case
  when has_function_privilege('core.see_all_patients()'::regprocedure, 'execute') then null
  else core.listed_patients('health')
end;

comment on function core.patients_in_care() is 'about=The patients whose health data is visible; null for everybody''s.';

create function core.patients_known() returns uuid[]
  language sql
  stable
  parallel safe
return case
  when has_function_privilege('core.see_all_patients()'::regprocedure, 'execute') then null
  else core.listed_patients('person')
end;

comment on function core.patients_known() is 'about=The patients whose identity and money are visible; null for everybody''s: only the portal is limited.';

create function core.require_treatment_relationship() returns int
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_name text;
  v_sources text;
  v_list text;
  v_each record;
  v_tables int := 0;
begin
  foreach v_name in array array['patients_treated', 'patients_of_portal_user'] loop
    v_sources := null;
    for v_each in
      select n.nspname as schema_name
      from pg_catalog.pg_proc p
      join pg_catalog.pg_namespace n on n.oid = p.pronamespace
      where p.proname = v_name and n.nspname <> 'core'
      order by n.nspname
    loop
      execute pg_catalog.format(
        'grant usage on schema %1$I to kernel_owner; grant execute on function %1$I.%2$I() to kernel_owner',
        v_each.schema_name, v_name
      );
      v_sources := pg_catalog.concat_ws(
        ' union ', v_sources, pg_catalog.format('select %I.%I()', v_each.schema_name, v_name)
      );
    end loop;
    if v_sources is null then
      raise exception 'no module of this database knows %', v_name
        using errcode = 'IM005', hint = 'the treatment relationship needs the modules patient and scheduling or clinical';
    end if;
    v_list := pg_catalog.format('array(%s)', v_sources);
    if pg_catalog.to_regprocedure('patient.ids_of(uuid[])') is not null then -- a person is all records that were merged
      execute 'grant execute on function patient.ids_of(uuid[]) to kernel_owner';
      v_list := pg_catalog.format('patient.ids_of(variadic %s)', v_list);
    end if;
    execute pg_catalog.format(
      'create or replace function core.%I() returns uuid[] language plpgsql stable security definer set search_path = pg_catalog, pg_temp as %L',
      v_name, pg_catalog.format('begin return %s; end', v_list)
    );
  end loop;

  for v_each in
    select distinct n.nspowner::pg_catalog.regrole as role
    from pg_catalog.pg_namespace n
    join core.v_tables t on t.schema_name = n.nspname
  loop
    execute pg_catalog.format('grant execute on function core.see_all_patients() to %s', v_each.role);
  end loop;

  for v_each in
    select
      t.schema_name, t.table_name, c.column_name,
      case when t.class = 'phi' and c.column_name = 'patient_id' then 'patients_in_care' else 'patients_known' end as list
    from core.v_tables t
    join core.v_columns c using (schema_name, table_name)
    where
      t.class in ('phi', 'pii', 'financial') and t.scope = 'tenant' and t.schema_name not in ('core', 'audit')
      and (
        c.column_name = 'patient_id'
        or (t.schema_name, t.table_name, c.column_name) = ('patient', 'patients', 'id')
      )
      and not exists (
        select
        from pg_catalog.pg_policies p
        where p.schemaname = t.schema_name and p.tablename = t.table_name and p.policyname = 'treatment_relationship'
      )
    order by t.schema_name, t.table_name
  loop
    -- null, hence true: nobody is limited, or the row names no patient
    execute pg_catalog.format(
      'create policy treatment_relationship on %I.%I as restrictive using (coalesce(%I = any ((select core.%I())::uuid[]), true))',
      v_each.schema_name, v_each.table_name, v_each.column_name, v_each.list
    );
    v_tables := v_tables + 1;
  end loop;
  create or replace function core.treatment_is_required() returns boolean language sql stable parallel safe return true;
  return v_tables;
end
$$;

comment on function core.require_treatment_relationship() is 'about=From now on users see health data of the patients they treat, and portal users their own rows: a restrictive policy on every table that names a patient; returns how many tables got it now. For the role that installed the schema; run it again when a module or a table is added. IM005 no module knows who treats whom.';

create function core.waive_treatment_relationship() returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_each record;
begin
  for v_each in
    select p.schemaname, p.tablename from pg_catalog.pg_policies p where p.policyname = 'treatment_relationship'
  loop
    execute pg_catalog.format('drop policy treatment_relationship on %I.%I', v_each.schemaname, v_each.tablename);
  end loop;
  create or replace function core.treatment_is_required() returns boolean language sql stable parallel safe return false;
end
$$;

comment on function core.waive_treatment_relationship() is 'about=Takes core.require_treatment_relationship back.';
