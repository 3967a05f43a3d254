-- Database of the service inventory: inventory, and the kernel.
--
-- Built from the modules by `imhotep bundle --topology services`. Do not edit: change a module and build again.
-- Repeatable: a second run changes nothing. One transaction: psql -1 -f, or one simple query.
--
-- Order: foundations (schemas, roles, types, functions that tables need), tables with their foreign keys to tables above
-- them, all other foreign keys, functions, views, grants; in each part the modules in the order in which they need each other:
--   core       Kernel installed in every service database: tenancy, context, numbering, idempotency, outbox, crypto, settings, state-machine rules.
--   audit      Append-only evidence: who did and who saw what. Partitioned, sealed in the background.
--   inventory  Items, batches, stock ledger, purchasing; FEFO.

set local client_min_messages = warning;
set local check_function_bodies = off;


-- =====================================================================================================================
-- FOUNDATION
-- =====================================================================================================================

-- other services: foundation

create schema if not exists compliance;

comment on schema compliance is 'owner=business;about=What is kept here of the service business: views of what it publishes, functions that read them.';

create schema if not exists facility;

comment on schema facility is 'owner=facility;about=What is kept here of the service facility: views of what it publishes, functions that read them.';

create schema if not exists workforce;

comment on schema workforce is 'owner=business;about=What is kept here of the service business: views of what it publishes, functions that read them.';

-- core: foundation

-- The kernel's schema and what it needs of the server. Both extensions are trusted: no superuser is needed to create them.
create extension if not exists pgcrypto with schema public;

create extension if not exists btree_gist with schema public;

create schema if not exists core;

comment on schema core is 'owner=kernel;about=Kernel installed in every service database: tenancy, context, numbers, idempotency, outbox, settings, state machines.';

-- Roles. They belong to the whole server, so each is made only where it is missing.
--
-- <service>_owner owns a service's objects and runs its operations (SECURITY DEFINER); it is no superuser and has no
-- BYPASSRLS, and RLS is forced, so the tenant predicate holds inside operations as well.
-- <service>_app may call operations and write as granted; <service>_ro may read.
-- imhotep_app is what an application that hosts every module logs in as: a member of all <service>_app.
create or replace function core.create_role_if_missing(p_role text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = p_role) then
    execute pg_catalog.format('create role %I nologin nosuperuser nocreatedb nocreaterole nobypassrls', p_role);
  end if;
exception
  when duplicate_object or unique_violation then null; -- another database of this server made it at the same moment
end
$$;

comment on function core.create_role_if_missing(text) is 'about=Makes a group role without login, superuser or BYPASSRLS unless the server has a role of that name.';

create or replace function core.grant_role_if_missing(p_role text, p_member text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (
    select
    from pg_catalog.pg_auth_members m
    where m.roleid = p_role::pg_catalog.regrole and m.member = p_member::pg_catalog.regrole
  ) then
    execute pg_catalog.format('grant %I to %I', p_role, p_member);
  end if;
end
$$;

comment on function core.grant_role_if_missing(text, text) is 'about=Makes p_member a member of p_role unless it is one.';

create or replace function core.create_service_roles(p_service text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_owner text := p_service || '_owner';
  v_app text := p_service || '_app';
  v_ro text := p_service || '_ro';
begin
  perform core.create_role_if_missing(v_owner);
  perform core.create_role_if_missing(v_app);
  perform core.create_role_if_missing(v_ro);
  if p_service <> 'kernel' then
    perform core.grant_role_if_missing('kernel_app', v_owner);
    perform core.grant_role_if_missing('kernel_app', v_app);
    perform core.grant_role_if_missing('kernel_ro', v_ro);
  end if;
  perform core.grant_role_if_missing(v_app, 'imhotep_app');
  perform core.grant_role_if_missing(v_ro, 'imhotep_ro');
  -- Whoever installs must be able to hand objects over to the owner; a superuser can anyway.
  if not (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
    perform core.grant_role_if_missing(v_owner, current_user);
  end if;
end
$$;

comment on function core.create_service_roles(text) is 'about=Makes the roles <service>_owner, <service>_app and <service>_ro and puts the last two into imhotep_app and imhotep_ro.';

create or replace function core.hand_over(p_schema text, p_service text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_owner text := p_service || '_owner';
  v_owner_id oid := (p_service || '_owner')::pg_catalog.regrole;
  v_schema_id oid := p_schema::pg_catalog.regnamespace;
  v_object record;
begin
  if (select nspowner from pg_catalog.pg_namespace where oid = v_schema_id) <> v_owner_id then
    execute pg_catalog.format('alter schema %I owner to %I', p_schema, v_owner);
  end if;
  for v_object in
    select
      case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence' else 'table' end as kind,
      c.relname as name
    from pg_catalog.pg_class c
    where
      c.relnamespace = v_schema_id
      and c.relowner <> v_owner_id
      and c.relkind in ('r', 'p', 'v', 'm', 'S')
      -- a sequence that belongs to a column goes with its table
      and not exists (
        select from pg_catalog.pg_depend d where d.objid = c.oid and c.relkind = 'S' and d.deptype in ('a', 'i')
      )
    order by c.relname
  loop
    execute pg_catalog.format('alter %s %I.%I owner to %I', v_object.kind, p_schema, v_object.name, v_owner);
  end loop;
  for v_object in
    select p.oid::pg_catalog.regprocedure as signature
    from pg_catalog.pg_proc p
    -- functions that a module gave to a special role on purpose (audit_writer) stay with it
    where
      p.pronamespace = v_schema_id
      and p.proowner <> v_owner_id
      and p.proowner <> coalesce(pg_catalog.to_regrole('audit_writer')::oid, 0)
    order by 1
  loop
    execute pg_catalog.format('alter routine %s owner to %I', v_object.signature, v_owner);
  end loop;
  for v_object in
    select t.typname as name
    from pg_catalog.pg_type t
    where t.typnamespace = v_schema_id and t.typowner <> v_owner_id and t.typtype in ('e', 'd', 'r')
    order by t.typname
  loop
    execute pg_catalog.format('alter type %I.%I owner to %I', p_schema, v_object.name, v_owner);
  end loop;
  execute pg_catalog.format('revoke execute on all routines in schema %I from public', p_schema);
  execute pg_catalog.format(
    'grant usage on schema %I to %I, %I', p_schema, p_service || '_app', p_service || '_ro'
  );
end
$$;

comment on function core.hand_over(text, text) is 'about=Makes <service>_owner the owner of everything in a schema, takes EXECUTE on its functions from public and opens the schema to <service>_app and <service>_ro.';

select core.create_role_if_missing('imhotep_app');
select core.create_role_if_missing('imhotep_ro');
select core.create_role_if_missing('imhotep_platform');
select core.create_role_if_missing('audit_writer');
select core.create_role_if_missing('audit_reader');
select core.create_role_if_missing('retention_job');
select core.create_role_if_missing('analytics_deid');
select core.create_service_roles('kernel');
select core.grant_role_if_missing('kernel_app', 'imhotep_platform');
select core.grant_role_if_missing('kernel_app', 'retention_job');

-- Enumerated types of the kernel. Every other closed list is text with a CHECK, so that a value can be withdrawn.
do $$
begin
  if pg_catalog.to_regtype('core.emr_system') is null then
    create type core.emr_system as enum ('EPIC', 'CERNER', 'GENERIC_FHIR', 'INTERNAL');
  end if;
end
$$;

comment on type core.emr_system is 'about=The electronic medical record that a row came from or is verified against.';

-- Identifiers: UUID version 7 (RFC 9562), so that new rows land at the end of every index.
create or replace function core.uuid_v7() returns uuid
  language sql
  volatile
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  -- 48 bits of Unix milliseconds over a random UUID; version bits 0100 become 0111
  select pg_catalog.encode(
    pg_catalog.set_bit(
      pg_catalog.set_bit(
        overlay(
          pg_catalog.uuid_send(pg_catalog.gen_random_uuid())
          placing pg_catalog.substr(
            pg_catalog.int8send((extract(epoch from pg_catalog.clock_timestamp()) * 1000)::bigint), 3
          )
          from 1 for 6
        ),
        52, 1
      ),
      53, 1
    ),
    'hex'
  )::uuid
$$;

comment on function core.uuid_v7() is 'about=A new UUID version 7: ordered by time, random in its last 74 bits. Native from PostgreSQL 18.';

do $$
begin
  if pg_catalog.current_setting('server_version_num')::int >= 180000 then
    create or replace function core.uuid_v7() returns uuid
      language sql
      volatile
      parallel safe
    as 'select pg_catalog.uuidv7()';
  end if;
end
$$;

create or replace function core.zero_uuid() returns uuid
  language sql
  immutable
  parallel safe
return '00000000-0000-0000-0000-000000000000'::uuid;

comment on function core.zero_uuid() is 'about=The nil UUID; stands for null in exclusion constraints.';

-- A context that cannot be made up in SQL: whoever signs in people signs tenant, user, role and purpose with a key that
-- applications have and SQL has not. An injected set_config then changes nothing but the answer to an error.
-- Off until core.require_signed_context is called.

-- core.require_signed_context replaces it. Inlined, so that the planner drops what is not in use; not immutable, so that
-- plans that are there are made anew.
create or replace function core.context_is_signed() returns boolean
  language sql
  stable
  parallel safe
return false;

comment on function core.context_is_signed() is 'about=Whether this database works only for signed contexts.';

create or replace function core.signed_tenant_id() returns uuid
  language plpgsql
  stable
  parallel safe
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant text := nullif(pg_catalog.current_setting('app.tenant_id', true), '');
  v_role text := coalesce(pg_catalog.current_setting('app.role', true), '');
  v_purpose text := coalesce(pg_catalog.current_setting('app.purpose', true), '');
  v_signature text[] := pg_catalog.string_to_array(pg_catalog.current_setting('app.signature', true), '.');
  v_secret bytea;
  v_expected text;
begin
  if v_tenant is null then
    return null;
  end if;
  select k.secret into v_secret
  from core.context_keys k
  where k.kid = v_signature[1] and k.retired_at is null;
  v_expected := pg_catalog.encode(
    public.hmac(
      pg_catalog.convert_to(
        pg_catalog.concat_ws(
          E'\n', v_signature[1], v_signature[2], coalesce(pg_catalog.current_setting('app.request_id', true), ''),
          v_tenant, coalesce(pg_catalog.current_setting('app.user_id', true), ''), v_purpose, v_role
        ),
        'UTF8'
      ),
      v_secret, 'sha256'
    ),
    'hex'
  );
  if
    pg_catalog.cardinality(v_signature) = 3
    and v_signature[2] ~ '^[0-9]{1,12}$'
    and v_signature[2]::bigint >= extract(epoch from now())
    and pg_catalog.strpos(v_purpose || v_role, E'\n') = 0 -- what one holds cannot be moved into the other
    -- hashes are compared: how long it takes tells nothing about the signature that is expected
    and pg_catalog.sha256(pg_catalog.convert_to(v_signature[3], 'UTF8'))
      = pg_catalog.sha256(pg_catalog.convert_to(v_expected, 'UTF8'))
  then
    return v_tenant::uuid;
  end if;
  raise exception 'the context of this transaction is not signed, was signed too long ago, or was changed since'
    using errcode = 'IM014', hint = 'sign it with signContext and a key of core.context_keys';
end
$$;

comment on function core.signed_tenant_id() is 'about=The tenant of this transaction when core.begin_request brought a signature over tenant, user, role, purpose and request that was valid when the transaction began; null without a tenant. IM014 otherwise.';

-- Who asks, for which tenant, why: set once per transaction, read by policies, defaults, triggers and the audit log.
-- SET LOCAL at the top of a transaction is the one form that also reaches the workers of a distributed database.
create or replace function core.begin_request(
  p_tenant uuid,
  p_user uuid,
  p_role text,
  p_purpose text,
  p_request_id uuid,
  p_details jsonb default '{}'
) returns void
  language plpgsql
  volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_current text := pg_catalog.current_setting('app.tenant_id', true);
begin
  if p_tenant is null then
    raise exception 'no tenant given' using errcode = 'IM003', hint = 'pass the tenant of the signed-in user';
  end if;
  if v_current <> '' and v_current::uuid <> p_tenant then
    raise exception 'this transaction already works for another tenant'
      using errcode = 'IM006', hint = 'begin a new transaction for each tenant';
  end if;
  execute pg_catalog.format(
    'set local app.tenant_id = %L; set local app.user_id = %L; set local app.role = %L; set local app.purpose = %L; set local app.request_id = %L',
    p_tenant, coalesce(p_user::text, ''), coalesce(p_role, ''), coalesce(p_purpose, ''), coalesce(p_request_id::text, '')
  );
  if p_details <> '{}' then
    execute pg_catalog.format(
      'set local app.service = %L; set local app.reason = %L; set local app.ip = %L; set local app.user_agent = %L; set local app.session_id = %L; set local app.correlation_id = %L; set local app.signature = %L',
      coalesce(p_details ->> 'service', ''), coalesce(p_details ->> 'reason', ''),
      coalesce((p_details ->> 'ip')::inet::text, ''), coalesce(pg_catalog.left(p_details ->> 'user_agent', 400), ''),
      coalesce((p_details ->> 'session_id')::uuid::text, ''), coalesce((p_details ->> 'correlation_id')::uuid::text, ''),
      coalesce(p_details ->> 'signature', '')
    );
  end if;
  perform core.current_tenant_id(); -- refuses what is not signed, where it has to be
  if core.treatment_is_required() then
    perform core.look_up_patients();
  end if;
end
$$;

comment on function core.begin_request(uuid, uuid, text, text, uuid, jsonb) is 'about=First statement of every transaction: sets tenant, user, role, purpose of use and request id until commit. p_details may carry service, reason, ip, user_agent, session_id, correlation_id, signature. IM003 no tenant, IM006 another tenant is already set in this transaction, IM014 signatures are required and this one is not valid.';

-- Inlined by the planner, so there is no SET clause; a body in RETURN form is bound to its functions and types when it is
-- created, whatever the caller's search_path.
create or replace function core.current_tenant_id() returns uuid
  language sql
  stable
  parallel safe
return case
  when core.context_is_signed() then core.signed_tenant_id()
  else nullif(current_setting('app.tenant_id', true), '')::uuid
end;

comment on function core.current_tenant_id() is 'about=The tenant of this transaction, null when core.begin_request was not called: then reads see nothing and writes fail. IM014 where signatures are required and this one is not valid.';

create or replace function core.require_tenant() returns uuid
  language plpgsql
  stable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
begin
  if core.current_tenant_id() is null then
    raise exception 'no tenant in this transaction'
      using errcode = 'IM003', hint = 'call core.begin_request first';
  end if;
  return core.current_tenant_id();
end
$$;

comment on function core.require_tenant() is 'about=The tenant of this transaction; raises IM003 when there is none.';

create or replace function core.current_user_id() returns uuid
  language sql
  stable
  parallel safe
return nullif(current_setting('app.user_id', true), '')::uuid;

comment on function core.current_user_id() is 'about=The signed-in user of this transaction, null for a system task.';

create or replace function core.current_role_name() returns text
  language sql
  stable
  parallel safe
return nullif(current_setting('app.role', true), '');

comment on function core.current_role_name() is 'about=The hospital role that the user acts in (doctor, receptionist, ...), not the database role.';

create or replace function core.current_reason() returns text
  language sql
  stable
  parallel safe
return nullif(current_setting('app.reason', true), '');

comment on function core.current_reason() is 'about=The reason given for the change, where one is asked for.';

create or replace function core.set_reason(p_reason text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  execute pg_catalog.format('set local app.reason = %L', coalesce(p_reason, ''));
end
$$;

comment on function core.set_reason(text) is 'about=Sets the reason that state machines and the audit log of this transaction record.';

-- The second layer over health data: who is limited to patients sees the rows of theirs only. core.begin_request looks up
-- once whom the user treats; policies read that list from the settings of the transaction, never with a sub-query a row.
-- Off until core.require_treatment_relationship is called.

-- core.require_treatment_relationship replaces it, as core.require_signed_context does with core.context_is_signed.
create or replace function core.treatment_is_required() returns boolean
  language sql
  stable
  parallel safe
return false;

comment on function core.treatment_is_required() is 'about=Whether this database limits users to the patients they treat.';

create or replace function core.see_all_patients() returns void
  language sql
  stable
return null::void;

comment on function core.see_all_patients() is 'about=A right, not a deed: whoever may execute it is not limited to patients. Owners of schemas have it, because an operation decides on more than what its caller sees (a bed asks who else is in the room).';

-- Both are replaced by core.require_treatment_relationship with what the modules know.
create or replace function core.patients_treated() returns uuid[]
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$ begin return '{}'; end $$;

comment on function core.patients_treated() is 'about=Patients that the signed-in user treats now or treated lately, put together from the functions patients_treated of all modules.';

create or replace function core.patients_of_portal_user() returns uuid[]
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$ begin return '{}'; end $$;

comment on function core.patients_of_portal_user() is 'about=The patients that the signed-in user of the portal is, put together from the functions patients_of_portal_user of all modules.';

create or replace function core.patients_proof(p_scope text, p_patients text) returns text
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

create or replace function core.look_up_patients() returns void
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

create or replace function core.listed_patients(p_scope text) returns uuid[]
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
create or replace function core.patients_in_care() returns uuid[]
  language sql
  stable
  parallel safe
return case
  when has_function_privilege('core.see_all_patients()'::regprocedure, 'execute') then null
  else core.listed_patients('health')
end;

comment on function core.patients_in_care() is 'about=The patients whose health data is visible; null for everybody''s.';

create or replace function core.patients_known() returns uuid[]
  language sql
  stable
  parallel safe
return case
  when has_function_privilege('core.see_all_patients()'::regprocedure, 'execute') then null
  else core.listed_patients('person')
end;

comment on function core.patients_known() is 'about=The patients whose identity and money are visible; null for everybody''s: only the portal is limited.';

create or replace function core.require_treatment_relationship() returns int
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

create or replace function core.waive_treatment_relationship() returns void
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

-- Trigger functions that every module uses. Tables pass their own name as an argument: on a distributed table
-- TG_TABLE_NAME is the name of a shard.
create or replace function core.update_updated_at_column() returns trigger
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

create or replace function core.refuse_change() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception '% is append-only', pg_catalog.format('%I.%I', tg_table_schema, tg_table_name)
    using errcode = 'IM006', hint = 'add a correcting row instead';
end
$$;

comment on function core.refuse_change() is 'about=Refuses UPDATE, DELETE and TRUNCATE of append-only tables for everybody, the owner included (IM006).';

create or replace function core.check_shared_reference() returns trigger
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

-- State machines are data (core.transition_rules); this one trigger enforces them all.
create or replace function core.enforce_transition() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_machine text := tg_argv[0];
  v_column text := tg_argv[1];
  v_from text := '';
  v_to text;
  v_rule record;
begin
  -- almost every machine's column is called status; the branch saves turning the row into JSON
  if v_column = 'status' then
    v_to := new.status::text;
    if tg_op = 'UPDATE' then
      v_from := old.status::text;
    end if;
  else
    v_to := pg_catalog.to_jsonb(new) ->> v_column;
    if tg_op = 'UPDATE' then
      v_from := pg_catalog.to_jsonb(old) ->> v_column;
    end if;
  end if;
  if v_from = v_to then
    return new;
  end if;

  select r.* into v_rule
  from core.transition_rules r
  where r.machine = v_machine and r.from_state = v_from and r.to_state = v_to;
  if not found then
    raise exception '% % cannot go from "%" to "%"', v_machine, new.id, v_from, v_to
      using errcode = 'IM001', hint = 'core.transition_rules lists the moves of ' || v_machine;
  end if;
  if v_rule.requires_reason and core.current_reason() is null then
    raise exception '% % needs a reason to go to "%"', v_machine, new.id, v_to
      using errcode = 'IM002', hint = 'call core.set_reason, or pass the reason to core.begin_request';
  end if;
  if v_rule.allowed_roles is not null and not coalesce(core.current_role_name() = any (v_rule.allowed_roles), false) then
    raise exception 'role "%" may not move % to "%"', core.current_role_name(), v_machine, v_to
      using errcode = 'IM006', hint = 'allowed: ' || pg_catalog.array_to_string(v_rule.allowed_roles, ', ');
  end if;
  -- the event of a first state is written after the insert: ON CONFLICT DO NOTHING may still skip the row
  if v_rule.emits_event is not null and tg_op = 'UPDATE' then
    perform core.enqueue(
      pg_catalog.split_part(v_rule.emits_event, '.', 1), new.id, v_rule.emits_event,
      pg_catalog.jsonb_build_object('id', new.id, 'from', v_from, 'to', v_to)
    );
  end if;
  return new;
end
$$;

comment on function core.enforce_transition() is 'about=Arguments (machine, column). Before insert or update of the column: the move must be a row of core.transition_rules (IM001), with a reason where one is required (IM002), by an allowed role (IM006); writes the event of a move to the outbox. The event of a first state is written by core.announce_first_state.';

create or replace function core.announce_first_state() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_state text := new.status::text;
  v_event text;
begin
  select r.emits_event into v_event
  from core.transition_rules r
  where r.machine = tg_argv[0] and r.from_state = '' and r.to_state = v_state;
  if v_event is not null then
    perform core.enqueue(
      pg_catalog.split_part(v_event, '.', 1), new.id, v_event,
      pg_catalog.jsonb_build_object('id', new.id, 'from', '', 'to', v_state)
    );
  end if;
  return null;
end
$$;

comment on function core.announce_first_state() is 'about=Argument (machine). After insert: writes the event of the first state of column status to the outbox, where the rule names one.';

-- Comments are data: tags first, then about=. The standard columns mean the same everywhere, so they are described once.
create or replace function core.comment_standard_columns(p_table text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_column record;
begin
  for v_column in
    select s.name, s.about
    from (
      values
        ('tenant_id', 'class=operational;about=The tenant that the row belongs to; null in a tenant-or-global table means shared by all.'),
        ('id', 'class=operational;about=Identity of the row, a UUID version 7.'),
        ('row_version', 'class=operational;about=Counted up by every update; an update that sets it must set the version that it read.'),
        ('created_at', 'class=operational;about=When the row was written.'),
        ('created_by', 'class=operational;about=The user who wrote the row, null for a system task.'),
        ('updated_at', 'class=operational;about=When the row was last changed.'),
        ('updated_by', 'class=operational;about=The user who last changed the row.'),
        ('deleted_at', 'class=operational;about=When the row was deleted; the row itself stays.'),
        ('deleted_by', 'class=operational;about=The user who deleted the row.'),
        ('delete_reason', 'class=operational;about=Why the row was deleted.')
    ) as s (name, about)
    join pg_catalog.pg_attribute a
      on a.attrelid = p_table::pg_catalog.regclass and a.attname = s.name and not a.attisdropped
  loop
    execute pg_catalog.format(
      'comment on column %s.%I is %L', p_table::pg_catalog.regclass, v_column.name, v_column.about
    );
  end loop;
end
$$;

comment on function core.comment_standard_columns(text) is 'about=Writes the comments of the standard columns (tenant_id, id, row_version, created_*, updated_*, deleted_*) of a table.';

-- Parsed where it is made, and without SET: the server puts it into the query that calls it, for each comment that is read.
create or replace function core.tag(p_comment text, p_tag text) returns text
  language sql
  immutable
  parallel safe
  return case
    when pg_catalog.strpos(';' || p_comment, ';' || p_tag || '=') = 0 then null
    when p_tag = 'about' then pg_catalog.substr(p_comment, pg_catalog.strpos(';' || p_comment, ';about=') + 6)
    when pg_catalog.strpos(pg_catalog.split_part(';' || p_comment, ';about=', 1), ';' || p_tag || '=') > 0 then
      pg_catalog.split_part(
        pg_catalog.split_part(pg_catalog.split_part(';' || p_comment, ';about=', 1), ';' || p_tag || '=', 2), ';', 1
      )
  end;

comment on function core.tag(text, text) is 'about=The value of one tag of a comment, null when the comment has no such tag.';

-- Partitions by day, month or hash. RLS does not reach a partition that is read directly, so every partition carries the
-- same policy as its parent and no grant at all.
create or replace function core.protect_partition(p_partition regclass, p_parent regclass) returns void
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

create or replace function core.ensure_partitions(p_parent text, p_step text, p_ahead int) returns int
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

create or replace function core.ensure_hash_partitions(p_parent text, p_modulus int) returns int
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

create or replace function core.maintain_partitions() returns int
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

-- Check characters and formats of identifiers. Each answers true, false, or null for null.
create or replace function core.valid_luhn(p_number text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select p_number ~ '^[0-9]{2,}$' and (
    select
      pg_catalog.sum(
        case when i % 2 = 1 then (digit * 2) / 10 + (digit * 2) % 10 else digit end
      ) % 10 = 0
    from (
      select i, pg_catalog.substr(pg_catalog.reverse(p_number), i + 1, 1)::int as digit
      from pg_catalog.generate_series(0, pg_catalog.length(p_number) - 1) as i
    ) as digits
    where p_number ~ '^[0-9]+$'
  )
$$;

comment on function core.valid_luhn(text) is 'about=True when the last digit is the Luhn (mod 10) check digit of the others.';

-- The tables are those of the dihedral group D5: d multiplies, p permutes by position.
create or replace function core.verhoeff_sum(p_digits text) returns int
  language plpgsql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
declare
  d constant int[] := array[
    [0,1,2,3,4,5,6,7,8,9],[1,2,3,4,0,6,7,8,9,5],[2,3,4,0,1,7,8,9,5,6],[3,4,0,1,2,8,9,5,6,7],[4,0,1,2,3,9,5,6,7,8],
    [5,9,8,7,6,0,4,3,2,1],[6,5,9,8,7,1,0,4,3,2],[7,6,5,9,8,2,1,0,4,3],[8,7,6,5,9,3,2,1,0,4],[9,8,7,6,5,4,3,2,1,0]
  ];
  p constant int[] := array[
    [0,1,2,3,4,5,6,7,8,9],[1,5,7,6,2,8,3,0,9,4],[5,8,0,3,7,9,6,1,4,2],[8,9,1,6,0,4,3,5,2,7],
    [9,4,5,3,1,2,6,8,7,0],[4,2,8,6,5,7,3,9,0,1],[2,7,9,3,8,0,6,4,1,5],[7,0,4,6,9,1,3,2,5,8]
  ];
  v_sum int := 0;
  v_length int := pg_catalog.length(p_digits);
begin
  for i in 0..v_length - 1 loop
    v_sum := d[v_sum + 1][p[i % 8 + 1][pg_catalog.substr(p_digits, v_length - i, 1)::int + 1] + 1];
  end loop;
  return v_sum;
end
$$;

comment on function core.verhoeff_sum(text) is 'about=The Verhoeff sum of a string of digits, read from the right; 0 for a number with a right check digit.';

create or replace function core.valid_verhoeff(p_number text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select case when p_number ~ '^[0-9]{2,}$' then core.verhoeff_sum(p_number) = 0 else p_number is not null and false end $$;

comment on function core.valid_verhoeff(text) is 'about=True when the last digit is the Verhoeff check digit of the others.';

create or replace function core.check_character(p_payload text, p_algorithm text) returns text
  language plpgsql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_alphabet constant text := '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ*';
  v_sum int := 0;
begin
  case p_algorithm
    when 'none' then
      return '';
    when 'mod10' then
      for v_digit in 0..9 loop
        if core.valid_luhn(p_payload || v_digit) then
          return v_digit::text;
        end if;
      end loop;
    when 'verhoeff' then
      for v_digit in 0..9 loop
        if core.verhoeff_sum(p_payload || v_digit) = 0 then
          return v_digit::text;
        end if;
      end loop;
    when 'mod37_2' then -- ISO 7064 MOD 37-2
      for i in 1..pg_catalog.length(p_payload) loop
        v_sum := (v_sum + pg_catalog.strpos(v_alphabet, pg_catalog.substr(p_payload, i, 1)) - 1) * 2 % 37;
      end loop;
      return pg_catalog.substr(v_alphabet, (38 - v_sum) % 37 + 1, 1);
  end case;
  raise exception 'no check character for this text' using errcode = '22023';
end
$$;

comment on function core.check_character(text, text) is 'about=The check character of a payload by none, mod10 (Luhn), verhoeff (digits only) or mod37_2 (digits and capitals, ISO 7064).';

create or replace function core.valid_mod37_2(p_text text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_text ~ '^[0-9A-Z]+[0-9A-Z*]$' then
      core.check_character(pg_catalog.left(p_text, -1), 'mod37_2') = pg_catalog.right(p_text, 1)
    else p_text is not null and false
  end
$$;

comment on function core.valid_mod37_2(text) is 'about=True when the last character is the ISO 7064 MOD 37-2 check character of the others.';

create or replace function core.valid_gstin(p_gstin text) returns boolean
  language plpgsql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_alphabet constant text := '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ';
  v_sum int := 0;
  v_product int;
begin
  if p_gstin is null then
    return null;
  end if;
  if p_gstin !~ '^[0-9]{2}[A-Z]{5}[0-9]{4}[A-Z][0-9A-Z]Z[0-9A-Z]$' then
    return false;
  end if;
  for i in 1..14 loop
    v_product := (pg_catalog.strpos(v_alphabet, pg_catalog.substr(p_gstin, i, 1)) - 1) * (case when i % 2 = 1 then 1 else 2 end);
    v_sum := v_sum + v_product / 36 + v_product % 36;
  end loop;
  return pg_catalog.substr(v_alphabet, (36 - v_sum % 36) % 36 + 1, 1) = pg_catalog.right(p_gstin, 1);
end
$$;

comment on function core.valid_gstin(text) is 'about=True for a well-formed Indian GST number: state, tax number, entity, Z and a base-36 check character.';

create or replace function core.valid_timezone(p_name text) returns boolean
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_name is null then
    return null;
  end if;
  -- abbreviations such as IST name more than one zone
  if p_name !~ '/' and p_name <> 'UTC' then
    return false;
  end if;
  perform pg_catalog.now() at time zone p_name;
  return true;
exception
  when invalid_parameter_value then return false;
end
$$;

comment on function core.valid_timezone(text) is 'about=True for UTC or an IANA time zone name such as Asia/Kolkata that the server knows.';

create or replace function core.looks_like_aadhaar(p_text text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select
    from pg_catalog.regexp_matches(p_text, '(?<![0-9A-Za-z])(?<![0-9A-Za-z]-)([2-9][0-9]{3})[ -]?([0-9]{4})[ -]?([0-9]{4})(?![0-9A-Za-z])(?!-[0-9A-Za-z])', 'g') as m
    where core.verhoeff_sum(m[1] || m[2] || m[3]) = 0
  )
$$;

comment on function core.looks_like_aadhaar(text) is 'about=True when the text holds 12 digits (first 2-9, in any usual grouping) that pass the Verhoeff test and are no part of a longer word: the digits of a UUID do not count.';

create or replace function core.reject_aadhaar_like() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_row jsonb := pg_catalog.to_jsonb(new);
begin
  for i in 0..tg_nargs - 1 loop
    if core.looks_like_aadhaar(v_row ->> tg_argv[i]) then
      raise exception 'column "%" must not hold an Aadhaar number', tg_argv[i]
        using errcode = 'IM006', hint = 'store the ABHA number or another identifier; Aadhaar numbers are never kept';
    end if;
  end loop;
  return new;
end
$$;

comment on function core.reject_aadhaar_like() is 'about=Arguments: column names. Before insert or update: refuses a text that looks like an Aadhaar number (IM006).';

-- Check characters and forms of codes that health systems exchange. Each answers true, false, or null for null. Only
-- arithmetic and form: whether a code exists is a question for its code system.
create or replace function core.valid_sctid(p_code text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_code is null then null
    when p_code !~ '^[1-9][0-9]{5,17}$' then false
    else pg_catalog.substr(p_code, pg_catalog.length(p_code) - 2, 2) in ('00', '01', '02', '10', '11', '12')
      and core.verhoeff_sum(p_code) = 0
  end
$$;

comment on function core.valid_sctid(text) is 'about=True for a SNOMED CT identifier: 6 to 18 digits, a known partition, right Verhoeff check digit.';

create or replace function core.valid_loinc(p_code text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_code is null then null
    when p_code !~ '^[0-9]{1,7}-[0-9]$' then false
    else core.valid_luhn(pg_catalog.replace(p_code, '-', ''))
  end
$$;

comment on function core.valid_loinc(text) is 'about=True for a LOINC code: up to seven digits, a hyphen, right mod 10 check digit.';

create or replace function core.valid_isbt_din(p_din text, p_check text default null) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_din is null then null
    when p_din !~ '^[A-NP-Z1-9][A-Z0-9]{4}[0-9]{8}$' then false
    else p_check is null or core.check_character(p_din, 'mod37_2') = p_check
  end
$$;

comment on function core.valid_isbt_din(text, text) is 'about=True for an ISBT 128 donation identification number of 13 characters (facility, year, serial); p_check is its check character (ISO 7064 mod 37-2), where one was read.';

create or replace function core.valid_gtin(p_gtin text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_gtin is null then null
    when p_gtin !~ '^([0-9]{8}|[0-9]{12,14})$' then false
    else (
      select pg_catalog.sum(
        pg_catalog.substr(pg_catalog.reverse(p_gtin), i, 1)::int * case when i % 2 = 0 then 3 else 1 end
      ) % 10 = 0
      from pg_catalog.generate_series(1, pg_catalog.length(p_gtin)) as i
    )
  end
$$;

comment on function core.valid_gtin(text) is 'about=True for a GTIN of 8, 12, 13 or 14 digits with the right GS1 check digit.';

create or replace function core.valid_icd10(p_code text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select p_code ~ '^[A-Z][0-9][0-9A-Z](\.[0-9A-Z]{1,4})?$' $$;

comment on function core.valid_icd10(text) is 'about=True for the form of an ICD-10 code, such as I21.0.';

create or replace function core.valid_dicom_uid(p_uid text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select p_uid ~ '^[0-2](\.(0|[1-9][0-9]*))+$' and pg_catalog.length(p_uid) <= 64 $$;

comment on function core.valid_dicom_uid(text) is 'about=True for a DICOM unique identifier: numbers without leading zeros, at most 64 characters.';

create or replace function core.valid_abha_number(p_number text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select p_number ~ '^([0-9]{14}|[0-9]{2}-[0-9]{4}-[0-9]{4}-[0-9]{4})$' $$;

comment on function core.valid_abha_number(text) is 'about=True for 14 digits, plain or as 2-4-4-4. No check digit is published: whether the number exists, the network tells.';

create or replace function core.valid_abha_address(p_address text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select p_address ~ '^[A-Za-z0-9][A-Za-z0-9._]{1,48}[A-Za-z0-9]@[a-z]{2,12}$' $$;

comment on function core.valid_abha_address(text) is 'about=True for the form of an ABHA address, handle@suffix; a handle of digits only is legal.';

create or replace function core.valid_ifsc(p_code text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select p_code ~ '^[A-Z]{4}0[A-Z0-9]{6}$' $$;

comment on function core.valid_ifsc(text) is 'about=True for the form of an Indian bank branch code.';

create or replace function core.valid_income_tax_pan(p_number text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select p_number ~ '^[A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z]$' $$;

comment on function core.valid_income_tax_pan(text) is 'about=True for the form of an Indian income tax PAN; the fourth letter is the kind of holder.';

create or replace function core.valid_pin_code(p_code text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select p_code ~ '^[1-9][0-9]{5}$' $$;

comment on function core.valid_pin_code(text) is 'about=True for the form of an Indian postal code.';

create or replace function core.valid_indian_mobile(p_number text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select p_number ~ '^\+91[6-9][0-9]{9}$' $$;

comment on function core.valid_indian_mobile(text) is 'about=True for an Indian mobile number in E.164.';

create or replace function core.looks_like_pan(p_text text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select p_text is not null and exists (
    select
    -- the digits of a UUID or a hash, also behind \x or a prefix, are no card number, though one in ten would pass its test
    from pg_catalog.regexp_replace(
      p_text, '(?<![0-9a-f])([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{20,})(?![0-9a-f])', '#', 'gi'
    ) as words
    cross join lateral pg_catalog.regexp_matches(words, '(?<![0-9])[0-9](?:[ -]?[0-9]){12,18}(?![0-9])', 'g') as found (candidate)
    cross join lateral pg_catalog.regexp_replace(found.candidate[1], '[^0-9]', '', 'g') as digits
    -- the issuers' ranges: Visa, Mastercard, American Express, Diners, Discover, RuPay, JCB, Maestro
    where digits ~ '^(4|5[0-8]|2[2-7]|3[4-9]|6|81|82)' and core.valid_luhn(digits)
  )
$$;

comment on function core.looks_like_pan(text) is 'about=True when a text holds what looks like a payment card number: 13 to 19 digits, spaces and hyphens allowed, an issuer''s range, right Luhn digit. UUIDs and hashes are passed over.';

create or replace function core.assert_no_pan(p_value jsonb) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select p_value is null or not core.looks_like_pan(p_value::text) $$;

comment on function core.assert_no_pan(jsonb) is 'about=True when a document holds nothing that looks like a payment card number. For checks.';

create or replace function core.abo_compatible(p_component text, p_donor text, p_recipient text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_donor !~ '^(A|B|AB|O)[+-]$' or p_recipient !~ '^(A|B|AB|O)[+-]$' then null
    when p_component = 'whole_blood' then p_donor = p_recipient
    when p_component = 'red_cells' then
      donor.abo in ('O', recipient.abo) or recipient.abo = 'AB'
    when p_component in ('plasma', 'cryoprecipitate', 'platelets') then
      recipient.abo in ('O', donor.abo) or donor.abo = 'AB'
  end
  -- RhD matters where red cells are given: negative goes to both, positive to positive only
  and (p_component not in ('whole_blood', 'red_cells') or pg_catalog.right(p_donor, 1) = '-' or pg_catalog.right(p_recipient, 1) = '+')
  from
    (select pg_catalog.rtrim(p_donor, '+-')) as donor (abo),
    (select pg_catalog.rtrim(p_recipient, '+-')) as recipient (abo)
$$;

comment on function core.abo_compatible(text, text, text) is 'about=Arguments (red_cells, whole_blood, plasma, cryoprecipitate or platelets; donor group; recipient group), groups such as AB-. True when the component may be given; null for unknown components and groups.';

-- audit: foundation

-- Evidence. The log writes itself from triggers; nobody, the owner included, can change or remove a row of it.
create schema if not exists audit;

comment on schema audit is 'owner=kernel;about=Append-only evidence: who did and who saw what, partitioned by month and sealed in the background.';

-- audit.track enrols a table: it writes one trigger function for the table, with the columns spelled out, and three
-- triggers. An insert logs the statement's rows at once from its transition table; update and delete log row by row,
-- an update only the columns that changed. Encrypted columns are logged as '***'. Run it again after a column is added.
create or replace function audit.track(p_table text) returns void
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

-- inventory: foundation

-- Items, batches, stock ledger, purchasing; FEFO.
create schema if not exists inventory;

comment on schema inventory is 'owner=inventory;about=Items, batches, stock ledger, purchasing; FEFO.';

select core.create_service_roles('inventory');

-- Rules that look at another table; their triggers stand with the tables.
create or replace function inventory.check_witness() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.kind = 'destroy' and new.witness_id is null and exists (
    select
    from inventory.items i
    where i.tenant_id = new.tenant_id and i.id = new.item_id and i.is_controlled
  ) then
    raise exception 'item % is a controlled drug: its destruction needs a witness', new.item_id
      using errcode = 'IM403', hint = 'name another member of staff in witness_id';
  end if;
  return new;
end
$$;

comment on function inventory.check_witness() is 'about=Before insert of a movement: a controlled drug is destroyed before a witness only. IM403 no witness.';

create or replace function inventory.check_shelf_life() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_days int;
  v_received_on date;
begin
  if new.accepted_qty + new.free_qty = 0 then -- the line only records what was sent back
    return new;
  end if;
  select coalesce(i.min_shelf_life_days, (core.setting('inventory.min_shelf_life_days') #>> '{}')::int, 0) into v_days
  from inventory.items i
  where i.tenant_id = new.tenant_id and i.id = new.item_id;
  select (r.received_at at time zone c.timezone)::date into v_received_on
  from inventory.goods_receipts r
  join facility.locations l on l.tenant_id = r.tenant_id and l.id = r.store_location_id
  join facility.clinics c on c.tenant_id = l.tenant_id and c.id = l.clinic_id
  where r.tenant_id = new.tenant_id and r.id = new.grn_id;
  if new.expiry_on < v_received_on + v_days then
    raise exception 'line % expires on %, less than % days after its receipt', new.line_no, new.expiry_on, v_days
      using errcode = 'IM530', hint = 'reject the quantity, or change min_shelf_life_days of the item';
  end if;
  return new;
end
$$;

comment on function inventory.check_shelf_life() is 'about=Before insert of a line of a goods receipt: what is accepted must be good for the days that the item asks for (min_shelf_life_days, else setting inventory.min_shelf_life_days, else 0). IM530 it expires sooner.';


-- =====================================================================================================================
-- TABLES
-- =====================================================================================================================

-- core: tables

-- core.transition_rules: every state machine of the database, one row a legal move.
-- A row with from_state '' names a state that a new row may start in. Each table's file adds the rows of its machine;
-- core.enforce_transition reads them. Reference data: nobody may change a row, a later migration adds moves.
create table if not exists core.transition_rules (
  machine text not null,
  from_state text not null,
  to_state text not null,
  guard text,
  requires_reason boolean not null default false,
  allowed_roles text[],
  emits_event text,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint transition_rules_pkey primary key (machine, from_state, to_state),
  constraint transition_rules_moves check (from_state <> to_state),
  constraint transition_rules_event_form check (emits_event ~ '^[a-z_]+\.[a-z_]+\.v[0-9]+$')
);

comment on table core.transition_rules is 'class=reference;scope=global;owner=kernel;fhir=none;retention=reference;append_only=1;about=Every legal move of every state machine.';
comment on column core.transition_rules.machine is 'class=reference;about=Table that the machine belongs to, with its schema.';
comment on column core.transition_rules.from_state is 'class=reference;about=State before the move, empty for the first state of a row.';
comment on column core.transition_rules.to_state is 'class=reference;about=State after the move.';
comment on column core.transition_rules.guard is 'class=reference;about=What else must hold, for the reader; the operation or a constraint enforces it.';
comment on column core.transition_rules.requires_reason is 'class=reference;about=The move needs core.set_reason or the request''s reason (IM002).';
comment on column core.transition_rules.allowed_roles is 'class=reference;about=Hospital roles that may make the move, null for all that may write the row.';
comment on column core.transition_rules.emits_event is 'class=reference;about=Event that the move writes to the outbox, aggregate.verb.vN.';

select core.comment_standard_columns('core.transition_rules');

create or replace trigger transition_rules_append_only before update or delete on core.transition_rules
  for each row execute function core.refuse_change();

create or replace trigger transition_rules_no_truncate before truncate on core.transition_rules
  for each statement execute function core.refuse_change();

grant select on core.transition_rules to kernel_app, kernel_ro;

-- core.fhir_status_map: the FHIR R4 code of every state of every machine whose table is a FHIR resource with a required
-- binding. A resource is rendered from this table, so a new state of a mapped machine needs a row here; a test compares
-- both. Machines of modules that are not installed are listed all the same: they are names, not references.
--
-- Not a state, so not here: a slot whose last place is held is rendered as busy-tentative; an overdue task carries a flag
-- beside its code; a preliminary document has docStatus preliminary as well; the decision on a claim goes into
-- ClaimResponse.outcome and adjudication.reason.
create table if not exists core.fhir_status_map (
  machine text not null,
  state text not null,
  element text not null,
  code_system text not null,
  code text not null,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint fhir_status_map_pkey primary key (machine, state),
  constraint fhir_status_map_element_has_path check (element ~ '^[A-Z][A-Za-z]+(\.[a-z][A-Za-z]+)+$'),
  constraint fhir_status_map_code_system_is_url check (code_system ~ '^http://'),
  constraint fhir_status_map_code_form check (code ~ '^[a-z]+(-[a-z]+)*$')
);

comment on table core.fhir_status_map is 'class=reference;scope=global;owner=kernel;fhir=none;retention=reference;append_only=1;about=The FHIR R4 code of each state of each machine whose table is a FHIR resource.';
comment on column core.fhir_status_map.machine is 'class=reference;about=Machine of core.transition_rules, such as clinical.encounters.';
comment on column core.fhir_status_map.state is 'class=reference;about=State of the machine.';
comment on column core.fhir_status_map.element is 'class=reference;about=Element of the FHIR resource that carries the code, such as Encounter.status.';
comment on column core.fhir_status_map.code_system is 'class=reference;about=URL of the code system that the element is bound to.';
comment on column core.fhir_status_map.code is 'class=reference;about=The code.';
select core.comment_standard_columns('core.fhir_status_map');

create or replace trigger fhir_status_map_append_only before update or delete on core.fhir_status_map
  for each row execute function core.refuse_change();
create or replace trigger fhir_status_map_no_truncate before truncate on core.fhir_status_map
  for each statement execute function core.refuse_change();

insert into core.fhir_status_map (machine, state, element, code_system, code) values
  ('scheduling.appointments', 'proposed', 'Appointment.status', 'http://hl7.org/fhir/appointmentstatus', 'proposed'),
  ('scheduling.appointments', 'booked', 'Appointment.status', 'http://hl7.org/fhir/appointmentstatus', 'booked'),
  ('scheduling.appointments', 'confirmed', 'Appointment.status', 'http://hl7.org/fhir/appointmentstatus', 'booked'),
  ('scheduling.appointments', 'checked_in', 'Appointment.status', 'http://hl7.org/fhir/appointmentstatus', 'checked-in'),
  ('scheduling.appointments', 'in_consultation', 'Appointment.status', 'http://hl7.org/fhir/appointmentstatus', 'arrived'),
  ('scheduling.appointments', 'completed', 'Appointment.status', 'http://hl7.org/fhir/appointmentstatus', 'fulfilled'),
  ('scheduling.appointments', 'cancelled', 'Appointment.status', 'http://hl7.org/fhir/appointmentstatus', 'cancelled'),
  ('scheduling.appointments', 'rescheduled', 'Appointment.status', 'http://hl7.org/fhir/appointmentstatus', 'cancelled'),
  ('scheduling.appointments', 'left', 'Appointment.status', 'http://hl7.org/fhir/appointmentstatus', 'cancelled'),
  ('scheduling.appointments', 'no_show', 'Appointment.status', 'http://hl7.org/fhir/appointmentstatus', 'noshow'),

  ('scheduling.appointment_slots', 'open', 'Slot.status', 'http://hl7.org/fhir/slotstatus', 'free'),
  ('scheduling.appointment_slots', 'full', 'Slot.status', 'http://hl7.org/fhir/slotstatus', 'busy'),
  ('scheduling.appointment_slots', 'blocked', 'Slot.status', 'http://hl7.org/fhir/slotstatus', 'busy-unavailable'),
  ('scheduling.appointment_slots', 'cancelled', 'Slot.status', 'http://hl7.org/fhir/slotstatus', 'entered-in-error'),
  ('scheduling.appointment_slots', 'past', 'Slot.status', 'http://hl7.org/fhir/slotstatus', 'busy'),

  ('clinical.encounters', 'planned', 'Encounter.status', 'http://hl7.org/fhir/encounter-status', 'planned'),
  ('clinical.encounters', 'arrived', 'Encounter.status', 'http://hl7.org/fhir/encounter-status', 'arrived'),
  ('clinical.encounters', 'triaged', 'Encounter.status', 'http://hl7.org/fhir/encounter-status', 'triaged'),
  ('clinical.encounters', 'in_progress', 'Encounter.status', 'http://hl7.org/fhir/encounter-status', 'in-progress'),
  ('clinical.encounters', 'on_leave', 'Encounter.status', 'http://hl7.org/fhir/encounter-status', 'onleave'),
  ('clinical.encounters', 'finished', 'Encounter.status', 'http://hl7.org/fhir/encounter-status', 'finished'),
  ('clinical.encounters', 'cancelled', 'Encounter.status', 'http://hl7.org/fhir/encounter-status', 'cancelled'),
  ('clinical.encounters', 'entered_in_error', 'Encounter.status', 'http://hl7.org/fhir/encounter-status', 'entered-in-error'),

  ('clinical.conditions', 'unconfirmed', 'Condition.verificationStatus', 'http://terminology.hl7.org/CodeSystem/condition-ver-status', 'unconfirmed'),
  ('clinical.conditions', 'provisional', 'Condition.verificationStatus', 'http://terminology.hl7.org/CodeSystem/condition-ver-status', 'provisional'),
  ('clinical.conditions', 'differential', 'Condition.verificationStatus', 'http://terminology.hl7.org/CodeSystem/condition-ver-status', 'differential'),
  ('clinical.conditions', 'confirmed', 'Condition.verificationStatus', 'http://terminology.hl7.org/CodeSystem/condition-ver-status', 'confirmed'),
  ('clinical.conditions', 'refuted', 'Condition.verificationStatus', 'http://terminology.hl7.org/CodeSystem/condition-ver-status', 'refuted'),
  ('clinical.conditions', 'entered_in_error', 'Condition.verificationStatus', 'http://terminology.hl7.org/CodeSystem/condition-ver-status', 'entered-in-error'),

  ('clinical.procedures', 'preparation', 'Procedure.status', 'http://hl7.org/fhir/event-status', 'preparation'),
  ('clinical.procedures', 'in_progress', 'Procedure.status', 'http://hl7.org/fhir/event-status', 'in-progress'),
  ('clinical.procedures', 'not_done', 'Procedure.status', 'http://hl7.org/fhir/event-status', 'not-done'),
  ('clinical.procedures', 'stopped', 'Procedure.status', 'http://hl7.org/fhir/event-status', 'stopped'),
  ('clinical.procedures', 'completed', 'Procedure.status', 'http://hl7.org/fhir/event-status', 'completed'),
  ('clinical.procedures', 'entered_in_error', 'Procedure.status', 'http://hl7.org/fhir/event-status', 'entered-in-error'),

  ('clinical.vaccination_records', 'completed', 'Immunization.status', 'http://hl7.org/fhir/event-status', 'completed'),
  ('clinical.vaccination_records', 'not_done', 'Immunization.status', 'http://hl7.org/fhir/event-status', 'not-done'),
  ('clinical.vaccination_records', 'entered_in_error', 'Immunization.status', 'http://hl7.org/fhir/event-status', 'entered-in-error'),

  ('clinical.vaccination_records', 'planned', 'ImmunizationRecommendation.recommendation.forecastStatus', 'http://terminology.hl7.org/CodeSystem/immunization-recommendation-status', 'due'),

  ('clinical.service_requests', 'draft', 'ServiceRequest.status', 'http://hl7.org/fhir/request-status', 'draft'),
  ('clinical.service_requests', 'active', 'ServiceRequest.status', 'http://hl7.org/fhir/request-status', 'active'),
  ('clinical.service_requests', 'on_hold', 'ServiceRequest.status', 'http://hl7.org/fhir/request-status', 'on-hold'),
  ('clinical.service_requests', 'completed', 'ServiceRequest.status', 'http://hl7.org/fhir/request-status', 'completed'),
  ('clinical.service_requests', 'revoked', 'ServiceRequest.status', 'http://hl7.org/fhir/request-status', 'revoked'),
  ('clinical.service_requests', 'cancelled', 'ServiceRequest.status', 'http://hl7.org/fhir/request-status', 'revoked'),
  ('clinical.service_requests', 'entered_in_error', 'ServiceRequest.status', 'http://hl7.org/fhir/request-status', 'entered-in-error'),

  ('clinical.imaging_results', 'registered', 'DiagnosticReport.status', 'http://hl7.org/fhir/diagnostic-report-status', 'registered'),
  ('clinical.imaging_results', 'preliminary', 'DiagnosticReport.status', 'http://hl7.org/fhir/diagnostic-report-status', 'preliminary'),
  ('clinical.imaging_results', 'final', 'DiagnosticReport.status', 'http://hl7.org/fhir/diagnostic-report-status', 'final'),
  ('clinical.imaging_results', 'amended', 'DiagnosticReport.status', 'http://hl7.org/fhir/diagnostic-report-status', 'amended'),
  ('clinical.imaging_results', 'corrected', 'DiagnosticReport.status', 'http://hl7.org/fhir/diagnostic-report-status', 'corrected'),
  ('clinical.imaging_results', 'cancelled', 'DiagnosticReport.status', 'http://hl7.org/fhir/diagnostic-report-status', 'cancelled'),
  ('clinical.imaging_results', 'entered_in_error', 'DiagnosticReport.status', 'http://hl7.org/fhir/diagnostic-report-status', 'entered-in-error'),

  ('tasking.tasks', 'pending', 'Task.status', 'http://hl7.org/fhir/task-status', 'requested'),
  ('tasking.tasks', 'in_progress', 'Task.status', 'http://hl7.org/fhir/task-status', 'in-progress'),
  ('tasking.tasks', 'on_hold', 'Task.status', 'http://hl7.org/fhir/task-status', 'on-hold'),
  ('tasking.tasks', 'overdue', 'Task.status', 'http://hl7.org/fhir/task-status', 'in-progress'),
  ('tasking.tasks', 'completed', 'Task.status', 'http://hl7.org/fhir/task-status', 'completed'),
  ('tasking.tasks', 'verified', 'Task.status', 'http://hl7.org/fhir/task-status', 'completed'),
  ('tasking.tasks', 'reopened', 'Task.status', 'http://hl7.org/fhir/task-status', 'in-progress'),
  ('tasking.tasks', 'cancelled', 'Task.status', 'http://hl7.org/fhir/task-status', 'cancelled'),

  ('tasking.handovers', 'draft', 'Task.status', 'http://hl7.org/fhir/task-status', 'draft'),
  ('tasking.handovers', 'submitted', 'Task.status', 'http://hl7.org/fhir/task-status', 'requested'),
  ('tasking.handovers', 'accepted', 'Task.status', 'http://hl7.org/fhir/task-status', 'accepted'),
  ('tasking.handovers', 'rejected', 'Task.status', 'http://hl7.org/fhir/task-status', 'rejected'),
  ('tasking.handovers', 'completed', 'Task.status', 'http://hl7.org/fhir/task-status', 'completed'),
  ('tasking.handovers', 'cancelled', 'Task.status', 'http://hl7.org/fhir/task-status', 'cancelled'),

  ('ehr.documents', 'current', 'DocumentReference.status', 'http://hl7.org/fhir/document-reference-status', 'current'),
  ('ehr.documents', 'superseded', 'DocumentReference.status', 'http://hl7.org/fhir/document-reference-status', 'superseded'),
  ('ehr.documents', 'entered_in_error', 'DocumentReference.status', 'http://hl7.org/fhir/document-reference-status', 'entered-in-error'),
  ('ehr.documents', 'preliminary', 'DocumentReference.status', 'http://hl7.org/fhir/document-reference-status', 'current'),
  ('ehr.documents', 'discarded', 'DocumentReference.status', 'http://hl7.org/fhir/document-reference-status', 'entered-in-error'),

  ('compliance.consents', 'draft', 'Consent.status', 'http://hl7.org/fhir/consent-state-codes', 'draft'),
  ('compliance.consents', 'active', 'Consent.status', 'http://hl7.org/fhir/consent-state-codes', 'active'),
  ('compliance.consents', 'rejected', 'Consent.status', 'http://hl7.org/fhir/consent-state-codes', 'rejected'),
  ('compliance.consents', 'withdrawn', 'Consent.status', 'http://hl7.org/fhir/consent-state-codes', 'inactive'),
  ('compliance.consents', 'superseded', 'Consent.status', 'http://hl7.org/fhir/consent-state-codes', 'inactive'),
  ('compliance.consents', 'expired', 'Consent.status', 'http://hl7.org/fhir/consent-state-codes', 'inactive'),

  ('laboratory.samples', 'planned', 'Specimen.status', 'http://hl7.org/fhir/specimen-status', 'unavailable'),
  ('laboratory.samples', 'collected', 'Specimen.status', 'http://hl7.org/fhir/specimen-status', 'unavailable'),
  ('laboratory.samples', 'in_transit', 'Specimen.status', 'http://hl7.org/fhir/specimen-status', 'unavailable'),
  ('laboratory.samples', 'received', 'Specimen.status', 'http://hl7.org/fhir/specimen-status', 'available'),
  ('laboratory.samples', 'accessioned', 'Specimen.status', 'http://hl7.org/fhir/specimen-status', 'available'),
  ('laboratory.samples', 'aliquoted', 'Specimen.status', 'http://hl7.org/fhir/specimen-status', 'available'),
  ('laboratory.samples', 'in_process', 'Specimen.status', 'http://hl7.org/fhir/specimen-status', 'available'),
  ('laboratory.samples', 'tested', 'Specimen.status', 'http://hl7.org/fhir/specimen-status', 'available'),
  ('laboratory.samples', 'stored', 'Specimen.status', 'http://hl7.org/fhir/specimen-status', 'available'),
  ('laboratory.samples', 'rejected', 'Specimen.status', 'http://hl7.org/fhir/specimen-status', 'unsatisfactory'),
  ('laboratory.samples', 'lost', 'Specimen.status', 'http://hl7.org/fhir/specimen-status', 'unavailable'),
  ('laboratory.samples', 'disposed', 'Specimen.status', 'http://hl7.org/fhir/specimen-status', 'unavailable'),
  ('laboratory.samples', 'cancelled', 'Specimen.status', 'http://hl7.org/fhir/specimen-status', 'entered-in-error'),

  ('laboratory.lab_results', 'registered', 'Observation.status', 'http://hl7.org/fhir/observation-status', 'registered'),
  ('laboratory.lab_results', 'preliminary', 'Observation.status', 'http://hl7.org/fhir/observation-status', 'preliminary'),
  ('laboratory.lab_results', 'verified', 'Observation.status', 'http://hl7.org/fhir/observation-status', 'preliminary'),
  ('laboratory.lab_results', 'final', 'Observation.status', 'http://hl7.org/fhir/observation-status', 'final'),
  ('laboratory.lab_results', 'corrected', 'Observation.status', 'http://hl7.org/fhir/observation-status', 'corrected'),
  ('laboratory.lab_results', 'superseded', 'Observation.status', 'http://hl7.org/fhir/observation-status', 'amended'),
  ('laboratory.lab_results', 'cancelled', 'Observation.status', 'http://hl7.org/fhir/observation-status', 'cancelled'),
  ('laboratory.lab_results', 'entered_in_error', 'Observation.status', 'http://hl7.org/fhir/observation-status', 'entered-in-error'),

  ('laboratory.diagnostic_reports', 'registered', 'DiagnosticReport.status', 'http://hl7.org/fhir/diagnostic-report-status', 'registered'),
  ('laboratory.diagnostic_reports', 'partial', 'DiagnosticReport.status', 'http://hl7.org/fhir/diagnostic-report-status', 'partial'),
  ('laboratory.diagnostic_reports', 'final', 'DiagnosticReport.status', 'http://hl7.org/fhir/diagnostic-report-status', 'final'),
  ('laboratory.diagnostic_reports', 'amended', 'DiagnosticReport.status', 'http://hl7.org/fhir/diagnostic-report-status', 'amended'),
  ('laboratory.diagnostic_reports', 'corrected', 'DiagnosticReport.status', 'http://hl7.org/fhir/diagnostic-report-status', 'corrected'),
  ('laboratory.diagnostic_reports', 'cancelled', 'DiagnosticReport.status', 'http://hl7.org/fhir/diagnostic-report-status', 'cancelled'),
  ('laboratory.diagnostic_reports', 'entered_in_error', 'DiagnosticReport.status', 'http://hl7.org/fhir/diagnostic-report-status', 'entered-in-error'),

  ('blood_bank.blood_components', 'available', 'BiologicallyDerivedProduct.status', 'http://hl7.org/fhir/product-status', 'available'),
  ('blood_bank.blood_components', 'quarantined', 'BiologicallyDerivedProduct.status', 'http://hl7.org/fhir/product-status', 'unavailable'),
  ('blood_bank.blood_components', 'reserved', 'BiologicallyDerivedProduct.status', 'http://hl7.org/fhir/product-status', 'unavailable'),
  ('blood_bank.blood_components', 'crossmatched', 'BiologicallyDerivedProduct.status', 'http://hl7.org/fhir/product-status', 'unavailable'),
  ('blood_bank.blood_components', 'issued', 'BiologicallyDerivedProduct.status', 'http://hl7.org/fhir/product-status', 'unavailable'),
  ('blood_bank.blood_components', 'transfused', 'BiologicallyDerivedProduct.status', 'http://hl7.org/fhir/product-status', 'unavailable'),
  ('blood_bank.blood_components', 'returned', 'BiologicallyDerivedProduct.status', 'http://hl7.org/fhir/product-status', 'unavailable'),
  ('blood_bank.blood_components', 'split', 'BiologicallyDerivedProduct.status', 'http://hl7.org/fhir/product-status', 'unavailable'),
  ('blood_bank.blood_components', 'expired', 'BiologicallyDerivedProduct.status', 'http://hl7.org/fhir/product-status', 'unavailable'),
  ('blood_bank.blood_components', 'discarded', 'BiologicallyDerivedProduct.status', 'http://hl7.org/fhir/product-status', 'unavailable'),

  ('medication.prescription_items', 'draft', 'MedicationRequest.status', 'http://hl7.org/fhir/CodeSystem/medicationrequest-status', 'draft'),
  ('medication.prescription_items', 'active', 'MedicationRequest.status', 'http://hl7.org/fhir/CodeSystem/medicationrequest-status', 'active'),
  ('medication.prescription_items', 'on_hold', 'MedicationRequest.status', 'http://hl7.org/fhir/CodeSystem/medicationrequest-status', 'on-hold'),
  ('medication.prescription_items', 'completed', 'MedicationRequest.status', 'http://hl7.org/fhir/CodeSystem/medicationrequest-status', 'completed'),
  ('medication.prescription_items', 'stopped', 'MedicationRequest.status', 'http://hl7.org/fhir/CodeSystem/medicationrequest-status', 'stopped'),
  ('medication.prescription_items', 'cancelled', 'MedicationRequest.status', 'http://hl7.org/fhir/CodeSystem/medicationrequest-status', 'cancelled'),
  ('medication.prescription_items', 'entered_in_error', 'MedicationRequest.status', 'http://hl7.org/fhir/CodeSystem/medicationrequest-status', 'entered-in-error'),

  ('medication.dispenses', 'preparing', 'MedicationDispense.status', 'http://terminology.hl7.org/CodeSystem/medicationdispense-status', 'preparation'),
  ('medication.dispenses', 'ready', 'MedicationDispense.status', 'http://terminology.hl7.org/CodeSystem/medicationdispense-status', 'in-progress'),
  ('medication.dispenses', 'completed', 'MedicationDispense.status', 'http://terminology.hl7.org/CodeSystem/medicationdispense-status', 'completed'),
  ('medication.dispenses', 'cancelled', 'MedicationDispense.status', 'http://terminology.hl7.org/CodeSystem/medicationdispense-status', 'cancelled'),
  ('medication.dispenses', 'returned', 'MedicationDispense.status', 'http://terminology.hl7.org/CodeSystem/medicationdispense-status', 'stopped'),

  ('medication.medication_administrations', 'due', 'MedicationAdministration.status', 'http://terminology.hl7.org/CodeSystem/medication-admin-status', 'in-progress'),
  ('medication.medication_administrations', 'given', 'MedicationAdministration.status', 'http://terminology.hl7.org/CodeSystem/medication-admin-status', 'completed'),
  ('medication.medication_administrations', 'missed', 'MedicationAdministration.status', 'http://terminology.hl7.org/CodeSystem/medication-admin-status', 'not-done'),
  ('medication.medication_administrations', 'refused', 'MedicationAdministration.status', 'http://terminology.hl7.org/CodeSystem/medication-admin-status', 'not-done'),
  ('medication.medication_administrations', 'cancelled', 'MedicationAdministration.status', 'http://terminology.hl7.org/CodeSystem/medication-admin-status', 'not-done'),
  ('medication.medication_administrations', 'held', 'MedicationAdministration.status', 'http://terminology.hl7.org/CodeSystem/medication-admin-status', 'on-hold'),
  ('medication.medication_administrations', 'entered_in_error', 'MedicationAdministration.status', 'http://terminology.hl7.org/CodeSystem/medication-admin-status', 'entered-in-error'),

  ('billing.charge_items', 'planned', 'ChargeItem.status', 'http://hl7.org/fhir/chargeitem-status', 'planned'),
  ('billing.charge_items', 'billable', 'ChargeItem.status', 'http://hl7.org/fhir/chargeitem-status', 'billable'),
  ('billing.charge_items', 'billed', 'ChargeItem.status', 'http://hl7.org/fhir/chargeitem-status', 'billed'),
  ('billing.charge_items', 'not_billable', 'ChargeItem.status', 'http://hl7.org/fhir/chargeitem-status', 'not-billable'),
  ('billing.charge_items', 'aborted', 'ChargeItem.status', 'http://hl7.org/fhir/chargeitem-status', 'aborted'),

  ('billing.invoices', 'draft', 'Invoice.status', 'http://hl7.org/fhir/invoice-status', 'draft'),
  ('billing.invoices', 'quoted', 'Invoice.status', 'http://hl7.org/fhir/invoice-status', 'draft'),
  ('billing.invoices', 'issued', 'Invoice.status', 'http://hl7.org/fhir/invoice-status', 'issued'),
  ('billing.invoices', 'partially_paid', 'Invoice.status', 'http://hl7.org/fhir/invoice-status', 'issued'),
  ('billing.invoices', 'paid', 'Invoice.status', 'http://hl7.org/fhir/invoice-status', 'balanced'),
  ('billing.invoices', 'written_off', 'Invoice.status', 'http://hl7.org/fhir/invoice-status', 'balanced'),
  ('billing.invoices', 'credited', 'Invoice.status', 'http://hl7.org/fhir/invoice-status', 'cancelled'),
  ('billing.invoices', 'discarded', 'Invoice.status', 'http://hl7.org/fhir/invoice-status', 'entered-in-error'),

  ('insurance.insurance_claims', 'approved', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active'),
  ('insurance.insurance_claims', 'cancel_requested', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active'),
  ('insurance.insurance_claims', 'cancelled', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'cancelled'),
  ('insurance.insurance_claims', 'closed', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active'),
  ('insurance.insurance_claims', 'dispatch_failed', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active'),
  ('insurance.insurance_claims', 'draft', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'draft'),
  ('insurance.insurance_claims', 'expired', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active'),
  ('insurance.insurance_claims', 'lapsed', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active'),
  ('insurance.insurance_claims', 'paid', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active'),
  ('insurance.insurance_claims', 'partially_approved', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active'),
  ('insurance.insurance_claims', 'queried', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active'),
  ('insurance.insurance_claims', 'ready', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active'),
  ('insurance.insurance_claims', 'rejected', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active'),
  ('insurance.insurance_claims', 'reprocess_requested', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active'),
  ('insurance.insurance_claims', 'resubmitted', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active'),
  ('insurance.insurance_claims', 'submitted', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active'),
  ('insurance.insurance_claims', 'superseded', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active'),
  ('insurance.insurance_claims', 'utilised', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active')
on conflict (machine, state) do nothing;

grant select on core.fhir_status_map to kernel_app, kernel_ro;

-- core.tenants: one row per customer organisation; the root of isolation.
-- An application sees the row of its own tenant only; imhotep_platform, which makes tenants, sees all. Rows are never
-- deleted. A demo tenant (code demo...) cannot exist on a production database: without it no demo data can either.
create table if not exists core.tenants (
  id uuid not null default core.uuid_v7(),
  code text not null,
  name text not null,
  kind text not null,
  country char(2) not null,
  timezone text not null,
  locale text not null default 'en',
  currency char(3) not null,
  data_region text not null default 'default',
  parent_tenant_id uuid,
  settings_version integer not null default 1,
  status text not null default 'provisioning',
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint tenants_pkey primary key (id),
  constraint tenants_code_key unique (code),
  constraint tenants_code_form check (code ~ '^[a-z][a-z0-9_-]{1,30}$'),
  constraint tenants_kind_known check (kind in ('hospital_group', 'hospital', 'clinic', 'diagnostic_lab', 'government')),
  constraint tenants_country_form check (country ~ '^[A-Z]{2}$'),
  constraint tenants_currency_form check (currency ~ '^[A-Z]{3}$'),
  constraint tenants_status_known check (status in ('provisioning', 'active', 'suspended', 'closing', 'closed')),
  constraint tenants_not_own_parent check (parent_tenant_id <> id),
  constraint tenants_parent_tenant_fkey
    foreign key (parent_tenant_id) references core.tenants (id)
);

create index if not exists tenants_parent_tenant_idx on core.tenants (parent_tenant_id);

comment on table core.tenants is 'class=operational;scope=root;owner=kernel;fhir=Organization;retention=operational;about=One customer organisation; the root of isolation.';
comment on column core.tenants.code is 'class=operational;about=Short name in lower case, unique on the server.';
comment on column core.tenants.name is 'class=operational;about=Name as people write it.';
comment on column core.tenants.kind is 'class=operational;about=hospital_group, hospital, clinic, diagnostic_lab or government.';
comment on column core.tenants.country is 'class=operational;about=ISO 3166-1 alpha-2; country packs of checks follow it.';
comment on column core.tenants.timezone is 'class=operational;about=IANA time zone that days and opening hours are counted in.';
comment on column core.tenants.locale is 'class=operational;about=Default language of messages.';
comment on column core.tenants.currency is 'class=operational;about=ISO 4217 code of the tenant''s money.';
comment on column core.tenants.data_region is 'class=operational;about=Where the data may be kept.';
comment on column core.tenants.parent_tenant_id is 'class=operational;about=Group that the tenant belongs to.';
comment on column core.tenants.settings_version is 'class=operational;about=Counted up when settings change, so that caches notice.';
comment on column core.tenants.status is 'class=operational;about=provisioning, active, suspended, closing or closed.';

select core.comment_standard_columns('core.tenants');

alter table core.tenants enable row level security, force row level security;

drop policy if exists tenant_isolation on core.tenants;
create policy tenant_isolation on core.tenants
  using (id = (select core.current_tenant_id()))
  with check (id = (select core.current_tenant_id()));

drop policy if exists platform on core.tenants;
create policy platform on core.tenants to imhotep_platform using (true) with check (true);

create or replace function core.check_tenant() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not core.valid_timezone(new.timezone) then
    raise exception 'time zone "%" is unknown', new.timezone
      using errcode = '22023', hint = 'use an IANA name such as Asia/Kolkata';
  end if;
  if new.code ~ '^demo' then
    perform core.assert_not_production();
  end if;
  return new;
end
$$;

comment on function core.check_tenant() is 'about=Before insert or update: the time zone must be known, and demo tenants are refused on production.';

create or replace trigger tenants_check before insert or update of code, timezone on core.tenants
  for each row execute function core.check_tenant();

create or replace trigger tenants_touch before update on core.tenants
  for each row execute function core.update_updated_at_column();

create or replace trigger tenants_transition before insert or update of status on core.tenants
  for each row execute function core.enforce_transition('core.tenants', 'status');

insert into core.transition_rules (machine, from_state, to_state) values
  ('core.tenants', '', 'provisioning'),
  ('core.tenants', 'provisioning', 'active'),
  ('core.tenants', 'provisioning', 'closed'),
  ('core.tenants', 'active', 'suspended'),
  ('core.tenants', 'active', 'closing'),
  ('core.tenants', 'suspended', 'active'),
  ('core.tenants', 'suspended', 'closing'),
  ('core.tenants', 'closing', 'closed')
on conflict (machine, from_state, to_state) do nothing;

grant select on core.tenants to kernel_app, kernel_ro;
grant select, insert, update on core.tenants to imhotep_platform;

-- core.system_settings: typed settings; a tenant's row overrides the shared one.
-- Protected rows are written once by the owner and never changed: core.environment says what this database is for.
create table if not exists core.system_settings (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  key text not null,
  value jsonb not null,
  value_type text not null,
  description text not null,
  is_protected boolean not null default false,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint system_settings_pkey primary key (id),
  constraint system_settings_key_key unique nulls not distinct (tenant_id, key),
  constraint system_settings_key_form check (key ~ '^[a-z0-9_.]+$'),
  constraint system_settings_value_type_known check (value_type in ('string', 'int', 'bool', 'json', 'secret_ref')),
  constraint system_settings_value_fits check (
    case value_type
      when 'string' then jsonb_typeof(value) = 'string'
      when 'int' then jsonb_typeof(value) = 'number' and value::text ~ '^-?[0-9]+$'
      when 'bool' then jsonb_typeof(value) = 'boolean'
      -- the path in a vault, never the secret itself
      when 'secret_ref' then jsonb_typeof(value) = 'string' and value #>> '{}' ~ '^[a-z]+://'
      else true
    end
  ),
  constraint system_settings_protected_is_shared check (not is_protected or tenant_id is null),
  constraint system_settings_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

comment on table core.system_settings is 'class=operational;scope=shared;owner=kernel;fhir=none;retention=operational;about=Typed settings; the row of a tenant overrides the shared row.';
comment on column core.system_settings.key is 'class=operational;about=Dotted name, such as booking.hold_minutes.';
comment on column core.system_settings.value is 'class=operational;about=The value as JSON, of the type that value_type names.';
comment on column core.system_settings.value_type is 'class=operational;about=string, int, bool, json or secret_ref (a vault path, never the secret).';
comment on column core.system_settings.description is 'class=operational;about=What the setting does, for the person who changes it.';
comment on column core.system_settings.is_protected is 'class=operational;about=Written once, then refused to everybody.';

select core.comment_standard_columns('core.system_settings');

alter table core.system_settings enable row level security, force row level security;

drop policy if exists tenant_isolation on core.system_settings;
create policy tenant_isolation on core.system_settings
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

drop policy if exists shared_rows on core.system_settings;
create policy shared_rows on core.system_settings for select using (tenant_id is null);

create or replace function core.keep_protected_setting() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if old.is_protected then
    raise exception 'setting "%" is protected', old.key
      using errcode = 'IM006', hint = 'it is set once; install a new database for another environment';
  end if;
  return case tg_op when 'DELETE' then old else new end;
end
$$;

comment on function core.keep_protected_setting() is 'about=Before update or delete: protected settings stay as they are (IM006).';

create or replace trigger system_settings_protect before update or delete on core.system_settings
  for each row execute function core.keep_protected_setting();

create or replace trigger system_settings_touch before update on core.system_settings
  for each row execute function core.update_updated_at_column('row_version');

grant select, insert, update, delete on core.system_settings to kernel_app;
grant select on core.system_settings to kernel_ro;

-- core.feature_flags: feature switches with roll-out rules; a tenant's row overrides the shared one.
create table if not exists core.feature_flags (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  key text not null,
  enabled boolean not null default false,
  rollout_pct smallint not null default 100,
  rules jsonb not null default '{}',
  expires_on date,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint feature_flags_pkey primary key (id),
  constraint feature_flags_key_key unique nulls not distinct (tenant_id, key),
  constraint feature_flags_key_form check (key ~ '^[a-z0-9_.]+$'),
  constraint feature_flags_rollout_percent check (rollout_pct between 0 and 100),
  constraint feature_flags_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

comment on table core.feature_flags is 'class=operational;scope=shared;owner=kernel;fhir=none;retention=operational;about=Feature switches; the row of a tenant overrides the shared row.';
comment on column core.feature_flags.key is 'class=operational;about=Dotted name of the feature.';
comment on column core.feature_flags.enabled is 'class=operational;about=Whether the feature is on at all.';
comment on column core.feature_flags.rollout_pct is 'class=operational;about=Share of users, in per cent, that see it.';
comment on column core.feature_flags.rules is 'class=operational;about=Further conditions as JSON: roles, clinics.';
comment on column core.feature_flags.expires_on is 'class=operational;about=When the flag should be gone from the code.';

select core.comment_standard_columns('core.feature_flags');

alter table core.feature_flags enable row level security, force row level security;

drop policy if exists tenant_isolation on core.feature_flags;
create policy tenant_isolation on core.feature_flags
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

drop policy if exists shared_rows on core.feature_flags;
create policy shared_rows on core.feature_flags for select using (tenant_id is null);

create or replace trigger feature_flags_touch before update on core.feature_flags
  for each row execute function core.update_updated_at_column('row_version');

grant select, insert, update, delete on core.feature_flags to kernel_app;
grant select on core.feature_flags to kernel_ro;

-- core.id_sequences: one counter row per tenant, scope, series and period.
-- The row lock makes numbers race-proof; counting inside the caller's transaction makes them gapless. The row with
-- period_key '' describes the series; for a series without a period it is the counter as well.
create table if not exists core.id_sequences (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  scope text not null,
  series text not null,
  period text not null default 'none',
  period_key text not null default '',
  prefix text not null default '',
  pad smallint not null default 0,
  check_algo text not null default 'none',
  last_value bigint not null default 0,
  gapless boolean not null default true,
  max_len smallint not null default 64,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint id_sequences_pkey primary key (tenant_id, id),
  constraint id_sequences_series_key unique (tenant_id, scope, series, period_key),
  constraint id_sequences_scope_form check (scope ~ '^[a-z_]{2,30}$'),
  constraint id_sequences_period_known check (period in ('none', 'day', 'month', 'year', 'fiscal_year')),
  constraint id_sequences_check_algo_known check (check_algo in ('none', 'mod10', 'verhoeff', 'mod37_2')),
  constraint id_sequences_pad_range check (pad between 0 and 12),
  constraint id_sequences_counts_up check (last_value >= 0),
  constraint id_sequences_max_len_range check (max_len between 1 and 200),
  constraint id_sequences_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

comment on table core.id_sequences is 'class=operational;scope=tenant;owner=kernel;fhir=none;retention=operational;about=Counters behind MRNs, appointment numbers, tokens and invoice numbers.';
comment on column core.id_sequences.scope is 'class=operational;about=Kind of number: mrn, appointment, token, invoice.';
comment on column core.id_sequences.series is 'class=operational;about=Series within the scope, such as a clinic''s code or a queue.';
comment on column core.id_sequences.period is 'class=operational;about=When counting starts again: none, day, month, year or fiscal_year.';
comment on column core.id_sequences.period_key is 'class=operational;about=The period of this counter (FY2025-26, 2025-11-21); empty for the row that describes the series.';
comment on column core.id_sequences.prefix is 'class=operational;about=Text before the number; {YYYY}, {YY}, {MM}, {DD} and {FY} are filled in.';
comment on column core.id_sequences.pad is 'class=operational;about=Digits that the number is filled up to with zeros.';
comment on column core.id_sequences.check_algo is 'class=operational;about=Check character behind the number: none, mod10, verhoeff or mod37_2.';
comment on column core.id_sequences.last_value is 'class=operational;about=Last number given out.';
comment on column core.id_sequences.gapless is 'class=operational;about=True when a number may never be missing: then it is taken inside the transaction that uses it.';
comment on column core.id_sequences.max_len is 'class=operational;about=Longest text allowed; longer raises IM552.';

select core.comment_standard_columns('core.id_sequences');

alter table core.id_sequences enable row level security, force row level security;

drop policy if exists tenant_isolation on core.id_sequences;
create policy tenant_isolation on core.id_sequences
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger id_sequences_touch before update on core.id_sequences
  for each row execute function core.update_updated_at_column();

grant select on core.id_sequences to kernel_app, kernel_ro;

-- core.idempotency_keys: the outcome of an operation by its key: HTTP retries and event consumers in one place.
-- The unique key is the lock: one caller wins, the others wait for its commit and read its answer.
create table if not exists core.idempotency_keys (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  operation text not null,
  key text not null,
  request_hash bytea not null,
  status text not null default 'in_progress',
  response jsonb,
  error_code text,
  locked_until timestamptz not null,
  expires_at timestamptz not null,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint idempotency_keys_pkey primary key (tenant_id, id),
  constraint idempotency_keys_key_key unique (tenant_id, operation, key),
  constraint idempotency_keys_key_length check (length(key) between 8 and 200),
  constraint idempotency_keys_status_known check (status in ('in_progress', 'succeeded', 'failed')),
  constraint idempotency_keys_answered check (status <> 'succeeded' or response is not null),
  constraint idempotency_keys_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

create index if not exists idempotency_keys_expires_idx on core.idempotency_keys (tenant_id, expires_at);

comment on table core.idempotency_keys is 'class=operational;scope=tenant;owner=kernel;fhir=none;retention=operational;about=What an operation answered to a key, so that a retry gets the same answer.';
comment on column core.idempotency_keys.operation is 'class=operational;about=Name of the operation, or consume:<consumer> for an event.';
comment on column core.idempotency_keys.key is 'class=operational;about=Key that the caller chose, 8 to 200 characters.';
comment on column core.idempotency_keys.request_hash is 'class=operational;about=SHA-256 of the request; the same key with other content is refused (IM011).';
comment on column core.idempotency_keys.status is 'class=operational;about=in_progress, succeeded or failed.';
comment on column core.idempotency_keys.response is 'class=operational;about=The answer, ids only.';
comment on column core.idempotency_keys.error_code is 'class=operational;about=SQLSTATE of a failure.';
comment on column core.idempotency_keys.locked_until is 'class=operational;about=Until then the first caller is taken to be alive.';
comment on column core.idempotency_keys.expires_at is 'class=operational;about=When the row may be removed.';

select core.comment_standard_columns('core.idempotency_keys');

alter table core.idempotency_keys enable row level security, force row level security;

drop policy if exists tenant_isolation on core.idempotency_keys;
create policy tenant_isolation on core.idempotency_keys
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger idempotency_keys_touch before update on core.idempotency_keys
  for each row execute function core.update_updated_at_column();

create or replace trigger idempotency_keys_transition before insert or update of status on core.idempotency_keys
  for each row execute function core.enforce_transition('core.idempotency_keys', 'status');

insert into core.transition_rules (machine, from_state, to_state) values
  ('core.idempotency_keys', '', 'in_progress'),
  ('core.idempotency_keys', 'in_progress', 'succeeded'),
  ('core.idempotency_keys', 'in_progress', 'failed'),
  ('core.idempotency_keys', 'failed', 'in_progress')
on conflict (machine, from_state, to_state) do nothing;

grant select on core.idempotency_keys to kernel_app, kernel_ro;

-- core.outbox_events: events that leave a service, written in the transaction of the change that they tell of.
-- Payloads carry ids and versions, never text about a person. aggregate_seq grows per aggregate because it is taken
-- while the aggregate's row is locked; a relay that reads everything uses (txid, id) behind pg_snapshot_xmin instead.
create sequence if not exists core.outbox_events_seq;

create table if not exists core.outbox_events (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  occurred_at timestamptz not null default now(),
  aggregate_type text not null,
  aggregate_id uuid not null,
  aggregate_seq bigint not null default nextval('core.outbox_events_seq'),
  event_type text not null,
  event_version smallint not null,
  payload jsonb not null,
  headers jsonb not null default '{}',
  txid xid8 not null default pg_current_xact_id(),
  available_at timestamptz not null default now(),
  attempts smallint not null default 0,
  locked_by text,
  lock_token uuid,
  locked_until timestamptz,
  published_at timestamptz,
  last_error text,
  status text not null default 'pending',
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint outbox_events_pkey primary key (tenant_id, id, occurred_at),
  constraint outbox_events_type_form check (event_type ~ '^[a-z_]+\.[a-z_]+\.v[0-9]+$'),
  constraint outbox_events_payload_size check (octet_length(payload::text) < 262144),
  constraint outbox_events_status_known check (status in ('pending', 'claimed', 'published', 'dead')),
  constraint outbox_events_lock_whole check ((status = 'claimed') = (lock_token is not null))
) partition by range (occurred_at);

create table if not exists core.outbox_events_default partition of core.outbox_events default;

create index if not exists outbox_events_due_idx on core.outbox_events (tenant_id, available_at) where status in ('pending', 'claimed');

create index if not exists outbox_events_unpublished_idx on core.outbox_events (tenant_id, aggregate_type, aggregate_id, aggregate_seq)
  where status <> 'published';

comment on table core.outbox_events is 'class=operational;scope=tenant;owner=kernel;fhir=none;retention=operational;partition=day;keep=14d;about=Events that leave a service, written with the change that they tell of.';
comment on column core.outbox_events.occurred_at is 'class=operational;about=When the change was made; days are partitions.';
comment on column core.outbox_events.aggregate_type is 'class=operational;about=Kind of thing the event is about: appointment, patient.';
comment on column core.outbox_events.aggregate_id is 'class=operational;about=Id of that thing.';
comment on column core.outbox_events.aggregate_seq is 'class=operational;about=Order of the events of one aggregate; larger is later.';
comment on column core.outbox_events.event_type is 'class=operational;about=aggregate.verb.vN.';
comment on column core.outbox_events.event_version is 'class=operational;about=N of the type.';
comment on column core.outbox_events.payload is 'class=operational;about=Ids and versions as JSON, never text about a person.';
comment on column core.outbox_events.headers is 'class=operational;about=Correlation id, causation id, trace.';
comment on column core.outbox_events.txid is 'class=operational;about=Transaction that wrote the event; a cursor reads behind the oldest running one.';
comment on column core.outbox_events.available_at is 'class=operational;about=Not before then.';
comment on column core.outbox_events.attempts is 'class=operational;about=How often it was claimed.';
comment on column core.outbox_events.locked_by is 'class=operational;about=Worker that holds it.';
comment on column core.outbox_events.lock_token is 'class=operational;about=Fencing token of the claim; a result with another token is refused (IM850).';
comment on column core.outbox_events.locked_until is 'class=operational;about=End of the lease; then it may be claimed again.';
comment on column core.outbox_events.published_at is 'class=operational;about=When the transport took it.';
comment on column core.outbox_events.last_error is 'class=operational;about=Why the last attempt failed.';
comment on column core.outbox_events.status is 'class=operational;about=pending, claimed, published or dead.';

select core.comment_standard_columns('core.outbox_events');

alter table core.outbox_events enable row level security, force row level security;

drop policy if exists tenant_isolation on core.outbox_events;
create policy tenant_isolation on core.outbox_events
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

alter table core.outbox_events_default enable row level security, force row level security;

drop policy if exists tenant_isolation on core.outbox_events_default;
create policy tenant_isolation on core.outbox_events_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger outbox_events_touch before update on core.outbox_events
  for each row execute function core.update_updated_at_column();

create or replace trigger outbox_events_transition before insert or update of status on core.outbox_events
  for each row execute function core.enforce_transition('core.outbox_events', 'status');

insert into core.transition_rules (machine, from_state, to_state) values
  ('core.outbox_events', '', 'pending'),
  ('core.outbox_events', 'pending', 'claimed'),
  ('core.outbox_events', 'claimed', 'published'),
  ('core.outbox_events', 'claimed', 'pending'),
  ('core.outbox_events', 'claimed', 'dead'),
  ('core.outbox_events', 'dead', 'pending')
on conflict (machine, from_state, to_state) do nothing;

grant select on core.outbox_events to kernel_app, kernel_ro;

-- core.encryption_keys: registry of wrapped data keys. No plain key is ever in the database; destroying a wrapped key
-- makes everything that it encrypted unreadable (crypto-shredding).
create table if not exists core.encryption_keys (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  kid text not null,
  purpose text not null,
  algorithm text not null,
  wrapped_key bytea,
  kms_ref text not null,
  subject_type text,
  subject_id uuid,
  activated_at timestamptz not null default now(),
  rotate_after timestamptz not null,
  destroyed_at timestamptz,
  destroy_reason text,
  status text not null default 'active',
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint encryption_keys_pkey primary key (tenant_id, id),
  constraint encryption_keys_kid_key unique (tenant_id, kid),
  constraint encryption_keys_purpose_known check (purpose in ('field', 'blind_index', 'document', 'token', 'signing')),
  constraint encryption_keys_algorithm_known check (
    algorithm in ('AES-256-GCM', 'HMAC-SHA-256', 'Ed25519', 'X25519')
  ),
  constraint encryption_keys_status_known check (status in ('active', 'retiring', 'retired', 'destroyed')),
  constraint encryption_keys_destroyed_is_gone check (
    (status = 'destroyed') = (wrapped_key is null) and (status = 'destroyed') = (destroyed_at is not null)
  ),
  constraint encryption_keys_destroyed_for_a_reason check (
    status <> 'destroyed' or nullif(btrim(destroy_reason), '') is not null
  ),
  constraint encryption_keys_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

create unique index if not exists encryption_keys_active_key
  on core.encryption_keys (tenant_id, purpose, subject_type, subject_id) nulls not distinct where status = 'active';

comment on table core.encryption_keys is 'class=operational;scope=tenant;owner=kernel;fhir=none;retention=operational;about=Registry of wrapped data keys; no plain key is ever stored.';
comment on column core.encryption_keys.kid is 'class=operational;about=Key id that every ciphertext carries.';
comment on column core.encryption_keys.purpose is 'class=operational;about=field, blind_index, document, token or signing.';
comment on column core.encryption_keys.algorithm is 'class=operational;about=AES-256-GCM, HMAC-SHA-256, Ed25519 or X25519.';
comment on column core.encryption_keys.wrapped_key is 'class=operational;about=Data key encrypted by the master key, null once destroyed.';
comment on column core.encryption_keys.kms_ref is 'class=operational;about=Which master key wrapped it.';
comment on column core.encryption_keys.subject_type is 'class=operational;about=Set with subject_id when the key serves one person.';
comment on column core.encryption_keys.subject_id is 'class=operational;about=The person whose data the key protects.';
comment on column core.encryption_keys.activated_at is 'class=operational;about=Since when it encrypts.';
comment on column core.encryption_keys.rotate_after is 'class=operational;about=When a new key should take over.';
comment on column core.encryption_keys.destroyed_at is 'class=operational;about=When the key was destroyed.';
comment on column core.encryption_keys.destroy_reason is 'class=operational;about=Why.';
comment on column core.encryption_keys.status is 'class=operational;about=active, retiring, retired or destroyed.';

select core.comment_standard_columns('core.encryption_keys');

alter table core.encryption_keys enable row level security, force row level security;

drop policy if exists tenant_isolation on core.encryption_keys;
create policy tenant_isolation on core.encryption_keys
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger encryption_keys_touch before update on core.encryption_keys
  for each row execute function core.update_updated_at_column();

create or replace trigger encryption_keys_transition before insert or update of status on core.encryption_keys
  for each row execute function core.enforce_transition('core.encryption_keys', 'status');

insert into core.transition_rules (machine, from_state, to_state) values
  ('core.encryption_keys', '', 'active'),
  ('core.encryption_keys', 'active', 'retiring'),
  ('core.encryption_keys', 'active', 'destroyed'),
  ('core.encryption_keys', 'retiring', 'retired'),
  ('core.encryption_keys', 'retired', 'destroyed')
on conflict (machine, from_state, to_state) do nothing;

-- applications make the keys of their people; what becomes of a key is for core.replace_key and its neighbours
grant select, insert on core.encryption_keys to kernel_app;
grant select on core.encryption_keys to kernel_ro;

-- core.context_keys: what signatures of contexts are checked with. Nobody but the owner of the kernel reads it.
create table if not exists core.context_keys (
  kid text not null,
  secret bytea not null,
  created_at timestamptz not null default now(),
  retired_at timestamptz,
  constraint context_keys_pkey primary key (kid),
  constraint context_keys_kid_form check (kid ~ '^[A-Za-z0-9_-]{1,64}$'),
  constraint context_keys_secret_is_long check (octet_length(secret) >= 32)
);

comment on table core.context_keys is 'class=operational;scope=global;owner=kernel;fhir=none;retention=operational;about=Keys that contexts are signed with.';
comment on column core.context_keys.kid is 'class=operational;about=Name of the key, the first part of a signature.';
comment on column core.context_keys.secret is 'class=operational;about=The HMAC-SHA-256 key, at least 32 bytes.';
comment on column core.context_keys.created_at is 'class=operational;about=Since when signatures with it are accepted.';
comment on column core.context_keys.retired_at is 'class=operational;about=Since when they are not any more.';

create or replace function core.add_context_key(p_kid text, p_secret bytea) returns void
  language sql
  set search_path = pg_catalog, pg_temp
as $$
  insert into core.context_keys (kid, secret) values (p_kid, p_secret)
$$;

comment on function core.add_context_key(text, bytea) is 'about=Accepts contexts that are signed with this key, beside those of other keys. 23505 the name is taken, 23514 a secret of fewer than 32 bytes.';

create or replace function core.retire_context_key(p_kid text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if core.context_is_signed()
    and not exists (select from core.context_keys k where k.kid <> p_kid and k.retired_at is null)
  then
    raise exception 'key "%" is the last one, without it nobody could work', p_kid
      using errcode = 'IM006', hint = 'add the next key with core.add_context_key first';
  end if;
  update core.context_keys k
  set retired_at = now()
  where k.kid = p_kid and k.retired_at is null;
  if not found then
    raise exception 'no key "%" that is in use', p_kid
      using errcode = 'IM005', hint = 'core.context_keys lists them';
  end if;
end
$$;

comment on function core.retire_context_key(text) is 'about=Accepts no more contexts that are signed with this key. IM005 no such key in use, IM006 the last one while signatures are required.';

create or replace function core.require_signed_context() returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from core.context_keys k where k.retired_at is null) then
    raise exception 'there is no key to check signatures with'
      using errcode = 'IM005', hint = 'add one with core.add_context_key';
  end if;
  create or replace function core.context_is_signed() returns boolean language sql stable parallel safe return true;
end
$$;

comment on function core.require_signed_context() is 'about=From now on, in sessions that are open as well, only signed contexts see and write rows. For the role that installed the schema. IM005 no key.';

create or replace function core.accept_unsigned_context() returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  create or replace function core.context_is_signed() returns boolean language sql stable parallel safe return false;
end
$$;

comment on function core.accept_unsigned_context() is 'about=Takes core.require_signed_context back.';

-- core.schema_migrations: what was applied to this database. The migration runner makes this very table before it
-- applies the first file, so the definition here and in the runner must stay the same (a test compares them).
create table if not exists core.schema_migrations (
  version text not null,
  name text not null,
  kind text not null,
  file text not null,
  checksum bytea not null,
  normalized bytea,
  chain bytea not null,
  body text not null,
  applied_by text not null default current_user,
  applied_at timestamptz not null default now(),
  duration_ms integer not null,
  success boolean not null,
  statements_done integer not null default 0,
  tool_version text not null,
  constraint schema_migrations_pkey primary key (version),
  constraint schema_migrations_kind_check check (kind in ('baseline', 'versioned', 'repeatable', 'seed'))
);

comment on table core.schema_migrations is 'class=operational;scope=global;owner=kernel;fhir=none;retention=operational;about=Migrations and seeds that were applied to this database.';
comment on column core.schema_migrations.version is 'class=operational;about=Identity of the migration; the file name is not.';
comment on column core.schema_migrations.name is 'class=operational;about=Description taken from the file name.';
comment on column core.schema_migrations.kind is 'class=operational;about=baseline, versioned, repeatable or seed.';
comment on column core.schema_migrations.file is 'class=operational;about=File name at the time.';
comment on column core.schema_migrations.checksum is 'class=operational;about=SHA-256 of the exact bytes.';
comment on column core.schema_migrations.normalized is 'class=operational;about=SHA-256 of the parse tree: comments and white space do not count.';
comment on column core.schema_migrations.chain is 'class=operational;about=SHA-256 over the previous chain value and this checksum.';
comment on column core.schema_migrations.body is 'class=operational;about=The text as applied, so that an edited file can be compared.';
comment on column core.schema_migrations.applied_by is 'class=operational;about=Database role that applied it.';
comment on column core.schema_migrations.applied_at is 'class=operational;about=When.';
comment on column core.schema_migrations.duration_ms is 'class=operational;about=Milliseconds that it took.';
comment on column core.schema_migrations.success is 'class=operational;about=False while a file without a transaction is half done.';
comment on column core.schema_migrations.statements_done is 'class=operational;about=Where a file without a transaction resumes.';
comment on column core.schema_migrations.tool_version is 'class=operational;about=Version of the tool that applied it.';

grant select on core.schema_migrations to kernel_ro;

-- core.entity_refs: what this service knows of another service's rows, fed by that service's events.
-- Empty while services share a database: there real foreign keys do the work. attrs holds no health data.
create table if not exists core.entity_refs (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  entity_type text not null,
  entity_id uuid not null,
  display text,
  lifecycle text not null default 'active',
  attrs jsonb not null default '{}',
  source_service text not null,
  source_version bigint not null,
  refreshed_at timestamptz not null default now(),
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint entity_refs_pkey primary key (tenant_id, id),
  constraint entity_refs_entity_key unique (tenant_id, entity_type, entity_id),
  constraint entity_refs_lifecycle_known check (lifecycle in ('active', 'inactive', 'deleted')),
  constraint entity_refs_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

comment on table core.entity_refs is 'class=operational;scope=tenant;owner=kernel;fhir=none;retention=operational;about=Rows of other services that this one refers to, kept by their events.';
comment on column core.entity_refs.entity_type is 'class=operational;about=Table of the other service, such as patient.patients.';
comment on column core.entity_refs.entity_id is 'class=operational;about=Id of the row there.';
comment on column core.entity_refs.display is 'class=pii;about=Text to show, such as a name.';
comment on column core.entity_refs.lifecycle is 'class=operational;about=active, inactive or deleted.';
comment on column core.entity_refs.attrs is 'class=operational;about=Published attributes, no health data.';
comment on column core.entity_refs.source_service is 'class=operational;about=Service that owns the row.';
comment on column core.entity_refs.source_version is 'class=operational;about=Version of the row there; older events are ignored.';
comment on column core.entity_refs.refreshed_at is 'class=operational;about=When it was last heard of.';

select core.comment_standard_columns('core.entity_refs');

alter table core.entity_refs enable row level security, force row level security;

drop policy if exists tenant_isolation on core.entity_refs;
create policy tenant_isolation on core.entity_refs
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger entity_refs_touch before update on core.entity_refs
  for each row execute function core.update_updated_at_column('row_version');

grant select, insert, update on core.entity_refs to kernel_app;
grant select on core.entity_refs to kernel_ro;

-- Whoever tells other services of rows reads the outbox in this order, from where it has stopped.
create index if not exists outbox_events_order_idx on core.outbox_events (txid, aggregate_seq);

comment on index core.outbox_events_order_idx is 'about=Across tenants: the relay reads all of them.';

-- audit: tables

-- audit.audit_logs: every change to a sensitive row, plus sign-ins, exports and security events.
-- A row is named by (tenant_id, occurred_at, seq): one index serves identity and the time window of a tenant. There are
-- no foreign keys, because evidence outlives what it describes. txid tells the sealer which rows can no longer grow.

-- not an identity column: those of a partitioned table are not to be had on every supported version
create sequence if not exists audit.audit_logs_seq;

create table if not exists audit.audit_logs (
  tenant_id uuid not null,
  occurred_at timestamptz not null default now(),
  seq bigint not null default nextval('audit.audit_logs_seq'),
  txid bigint not null default pg_current_xact_id()::text::bigint,
  action text not null,
  schema_name text not null,
  table_name text not null,
  row_id uuid,
  patient_id uuid,
  emr_system text,
  emr_id text,
  old_values jsonb,
  new_values jsonb,
  changed_columns text[],
  actor_user_id uuid default nullif(current_setting('app.user_id', true), '')::uuid,
  actor_role text default nullif(current_setting('app.role', true), ''),
  actor_service text default nullif(current_setting('app.service', true), ''),
  purpose_of_use text default nullif(current_setting('app.purpose', true), ''),
  reason text default nullif(current_setting('app.reason', true), ''),
  ip inet default nullif(current_setting('app.ip', true), '')::inet,
  user_agent text default nullif(current_setting('app.user_agent', true), ''),
  session_id uuid default nullif(current_setting('app.session_id', true), '')::uuid,
  request_id uuid default nullif(current_setting('app.request_id', true), '')::uuid,
  correlation_id uuid default nullif(current_setting('app.correlation_id', true), '')::uuid,
  constraint audit_logs_pkey primary key (tenant_id, occurred_at, seq),
  constraint audit_logs_action_known check (
    action in (
      'insert', 'update', 'delete', 'soft_delete', 'restore', 'login', 'login_failed', 'logout', 'export', 'print',
      'ddl', 'grant', 'config', 'policy_denied'
    )
  )
) partition by range (occurred_at);

create table if not exists audit.audit_logs_default partition of audit.audit_logs default;

-- the whole log by time, for reports over all tenants: a few pages a month
create index if not exists audit_logs_time_idx on audit.audit_logs using brin (occurred_at);

-- the history of one row
create index if not exists audit_logs_row_idx on audit.audit_logs (tenant_id, row_id) where row_id is not null;

-- what the sealer has still to read
create index if not exists audit_logs_txid_idx on audit.audit_logs using brin (txid);

comment on table audit.audit_logs is 'class=phi;scope=tenant;owner=kernel;fhir=AuditEvent;retention=audit_7y;append_only=1;partition=month;keep=7y;about=Every change to a sensitive row, plus sign-ins, exports and security events.';
comment on column audit.audit_logs.tenant_id is 'class=operational;about=The tenant that the row belongs to.';
comment on column audit.audit_logs.occurred_at is 'class=operational;about=Start of the transaction that made the change; months are partitions.';
comment on column audit.audit_logs.seq is 'class=operational;about=Order of rows; with tenant_id and occurred_at the identity of the row.';
comment on column audit.audit_logs.txid is 'class=operational;about=Transaction that wrote the row.';
comment on column audit.audit_logs.action is 'class=operational;about=insert, update, delete, soft_delete, restore, login, login_failed, logout, export, print, ddl, grant, config or policy_denied.';
comment on column audit.audit_logs.schema_name is 'class=operational;about=Schema of the changed table.';
comment on column audit.audit_logs.table_name is 'class=operational;about=The changed table.';
comment on column audit.audit_logs.row_id is 'class=operational;about=Id of the changed row.';
comment on column audit.audit_logs.patient_id is 'class=phi;about=Patient that the row is about, where there is one.';
comment on column audit.audit_logs.emr_system is 'class=operational;about=Outside record that the row came from.';
comment on column audit.audit_logs.emr_id is 'class=phi;about=Its id there.';
comment on column audit.audit_logs.old_values is 'class=phi;about=Changed columns before; encrypted ones as ***.';
comment on column audit.audit_logs.new_values is 'class=phi;about=Changed columns after; encrypted ones as ***.';
comment on column audit.audit_logs.changed_columns is 'class=operational;about=Names of the changed columns.';
comment on column audit.audit_logs.actor_user_id is 'class=pii;about=Who did it, null for a system task.';
comment on column audit.audit_logs.actor_role is 'class=operational;about=Hospital role that the user acted in.';
comment on column audit.audit_logs.actor_service is 'class=operational;about=Service that did it.';
comment on column audit.audit_logs.purpose_of_use is 'class=operational;about=Why the record was used: TREAT, HPAYMT, BTG ...';
comment on column audit.audit_logs.reason is 'class=operational;about=Reason given for the change.';
comment on column audit.audit_logs.ip is 'class=pii;about=Address of the client.';
comment on column audit.audit_logs.user_agent is 'class=operational;about=Program of the client.';
comment on column audit.audit_logs.session_id is 'class=operational;about=Session of the user.';
comment on column audit.audit_logs.request_id is 'class=operational;about=Request that made the change.';
comment on column audit.audit_logs.correlation_id is 'class=operational;about=Chain of requests that it belongs to.';

alter table audit.audit_logs enable row level security, force row level security;

drop policy if exists tenant_isolation on audit.audit_logs;
create policy tenant_isolation on audit.audit_logs
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

alter table audit.audit_logs_default enable row level security, force row level security;

drop policy if exists tenant_isolation on audit.audit_logs_default;
create policy tenant_isolation on audit.audit_logs_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger audit_logs_append_only before update or delete on audit.audit_logs
  for each row execute function core.refuse_change();

create or replace trigger audit_logs_no_truncate before truncate on audit.audit_logs
  for each statement execute function core.refuse_change();

create or replace trigger audit_logs_default_no_truncate before truncate on audit.audit_logs_default
  for each statement execute function core.refuse_change();

grant insert on audit.audit_logs to audit_writer;
grant usage on sequence audit.audit_logs_seq to audit_writer;
grant select on audit.audit_logs to audit_reader;

-- audit.phi_access_logs: every read, search, export, print or disclosure of health data, written in the transaction
-- that reads. It is also the accounting of disclosures.

-- not an identity column: those of a partitioned table are not to be had on every supported version
create sequence if not exists audit.phi_access_logs_seq;

create table if not exists audit.phi_access_logs (
  tenant_id uuid not null,
  accessed_at timestamptz not null default now(),
  seq bigint not null default nextval('audit.phi_access_logs_seq'),
  txid bigint not null default pg_current_xact_id()::text::bigint,
  user_id uuid default nullif(current_setting('app.user_id', true), '')::uuid,
  api_client_id uuid,
  patient_id uuid,
  resource_type text not null,
  resource_id uuid,
  access_kind text not null,
  fields text[],
  row_count integer not null default 1,
  purpose_of_use text not null,
  recipient text,
  legal_basis text,
  break_glass_id uuid,
  consent_id uuid,
  ip inet default nullif(current_setting('app.ip', true), '')::inet,
  session_id uuid default nullif(current_setting('app.session_id', true), '')::uuid,
  request_id uuid default nullif(current_setting('app.request_id', true), '')::uuid,
  constraint phi_access_logs_pkey primary key (tenant_id, accessed_at, seq),
  constraint phi_access_logs_kind_known check (
    access_kind in ('view', 'search', 'list', 'export', 'print', 'disclosure', 'api')
  ),
  constraint phi_access_logs_purpose_known check (
    purpose_of_use in ('TREAT', 'HPAYMT', 'HOPERAT', 'CAREMGT', 'BTG', 'PUBHLTH', 'HRESCH', 'PATRQT')
  ),
  constraint phi_access_logs_disclosure_has_basis check (
    access_kind <> 'disclosure' or (recipient is not null and legal_basis is not null)
  ),
  constraint phi_access_logs_break_glass_is_open check (purpose_of_use <> 'BTG' or break_glass_id is not null),
  constraint phi_access_logs_rows_counted check (row_count >= 0)
) partition by range (accessed_at);

create table if not exists audit.phi_access_logs_default partition of audit.phi_access_logs default;

create index if not exists phi_access_logs_time_idx on audit.phi_access_logs using brin (accessed_at);

create index if not exists phi_access_logs_patient_idx on audit.phi_access_logs (tenant_id, patient_id, accessed_at)
  where patient_id is not null;

create index if not exists phi_access_logs_txid_idx on audit.phi_access_logs using brin (txid);

comment on table audit.phi_access_logs is 'class=phi;scope=tenant;owner=kernel;fhir=AuditEvent;retention=audit_7y;append_only=1;partition=month;keep=7y;about=Every read, search, export, print or disclosure of health data.';
comment on column audit.phi_access_logs.tenant_id is 'class=operational;about=The tenant that the row belongs to.';
comment on column audit.phi_access_logs.accessed_at is 'class=operational;about=When; months are partitions.';
comment on column audit.phi_access_logs.seq is 'class=operational;about=Order of rows; with tenant_id and accessed_at the identity of the row.';
comment on column audit.phi_access_logs.txid is 'class=operational;about=Transaction that wrote the row.';
comment on column audit.phi_access_logs.user_id is 'class=pii;about=Who read.';
comment on column audit.phi_access_logs.api_client_id is 'class=operational;about=Machine client that read.';
comment on column audit.phi_access_logs.patient_id is 'class=phi;about=Whose record.';
comment on column audit.phi_access_logs.resource_type is 'class=operational;about=Table or document kind.';
comment on column audit.phi_access_logs.resource_id is 'class=operational;about=Row, where one was read.';
comment on column audit.phi_access_logs.access_kind is 'class=operational;about=view, search, list, export, print, disclosure or api.';
comment on column audit.phi_access_logs.fields is 'class=operational;about=Columns shown, where less than all.';
comment on column audit.phi_access_logs.row_count is 'class=operational;about=Rows shown.';
comment on column audit.phi_access_logs.purpose_of_use is 'class=operational;about=TREAT, HPAYMT, HOPERAT, CAREMGT, BTG, PUBHLTH, HRESCH or PATRQT.';
comment on column audit.phi_access_logs.recipient is 'class=pii;about=Who received a disclosure.';
comment on column audit.phi_access_logs.legal_basis is 'class=operational;about=Why the disclosure was allowed.';
comment on column audit.phi_access_logs.break_glass_id is 'class=operational;about=Emergency access under which it was read.';
comment on column audit.phi_access_logs.consent_id is 'class=operational;about=Consent under which it was read.';
comment on column audit.phi_access_logs.ip is 'class=pii;about=Address of the client.';
comment on column audit.phi_access_logs.session_id is 'class=operational;about=Session of the user.';
comment on column audit.phi_access_logs.request_id is 'class=operational;about=Request that read.';

alter table audit.phi_access_logs enable row level security, force row level security;

drop policy if exists tenant_isolation on audit.phi_access_logs;
create policy tenant_isolation on audit.phi_access_logs
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

alter table audit.phi_access_logs_default enable row level security, force row level security;

drop policy if exists tenant_isolation on audit.phi_access_logs_default;
create policy tenant_isolation on audit.phi_access_logs_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger phi_access_logs_append_only before update or delete on audit.phi_access_logs
  for each row execute function core.refuse_change();

create or replace trigger phi_access_logs_no_truncate before truncate on audit.phi_access_logs
  for each statement execute function core.refuse_change();

create or replace trigger phi_access_logs_default_no_truncate before truncate on audit.phi_access_logs_default
  for each statement execute function core.refuse_change();

grant insert on audit.phi_access_logs to audit_writer;
grant usage on sequence audit.phi_access_logs_seq to audit_writer;
grant select on audit.phi_access_logs to audit_reader;

-- audit.break_glass_sessions: emergency access to one patient's record, with a reason, at most 4 hours, always
-- reviewed by somebody else.
create table if not exists audit.break_glass_sessions (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  user_id uuid not null,
  patient_id uuid not null,
  reason_code text not null,
  reason_text text not null,
  opened_at timestamptz not null default now(),
  expires_at timestamptz not null default now() + interval '1 hour',
  closed_at timestamptz,
  reviewed_by uuid,
  reviewed_at timestamptz,
  review_outcome text,
  status text not null default 'open',
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint break_glass_sessions_pkey primary key (tenant_id, id),
  constraint break_glass_sessions_reason_given check (length(btrim(reason_text)) >= 10),
  constraint break_glass_sessions_at_most_4_hours check (
    expires_at > opened_at and expires_at <= opened_at + interval '4 hours'
  ),
  constraint break_glass_sessions_outcome_known check (review_outcome in ('justified', 'unjustified', 'escalated')),
  constraint break_glass_sessions_reviewed_by_other check (reviewed_by <> user_id),
  constraint break_glass_sessions_review_whole check (
    (status = 'reviewed') = (reviewed_by is not null and reviewed_at is not null and review_outcome is not null)
  ),
  constraint break_glass_sessions_status_known check (status in ('open', 'closed', 'expired', 'reviewed')),
  constraint break_glass_sessions_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

create unique index if not exists break_glass_sessions_open_key
  on audit.break_glass_sessions (tenant_id, user_id, patient_id) where status = 'open';

create index if not exists break_glass_sessions_unreviewed_idx
  on audit.break_glass_sessions (tenant_id, opened_at) where status in ('open', 'closed', 'expired');

comment on table audit.break_glass_sessions is 'class=operational;scope=tenant;owner=kernel;fhir=Provenance;retention=audit_7y;about=Emergency access to one patient''s record, always reviewed.';
comment on column audit.break_glass_sessions.user_id is 'class=pii;about=Who asked.';
comment on column audit.break_glass_sessions.patient_id is 'class=phi;about=Whose record.';
comment on column audit.break_glass_sessions.reason_code is 'class=operational;about=Kind of emergency.';
comment on column audit.break_glass_sessions.reason_text is 'class=phi;about=What happened, at least 10 characters.';
comment on column audit.break_glass_sessions.opened_at is 'class=operational;about=Since when.';
comment on column audit.break_glass_sessions.expires_at is 'class=operational;about=Until when, at most 4 hours after opening.';
comment on column audit.break_glass_sessions.closed_at is 'class=operational;about=When the user gave it back.';
comment on column audit.break_glass_sessions.reviewed_by is 'class=pii;about=Who reviewed it, never the user.';
comment on column audit.break_glass_sessions.reviewed_at is 'class=operational;about=When it was reviewed.';
comment on column audit.break_glass_sessions.review_outcome is 'class=operational;about=justified, unjustified or escalated.';
comment on column audit.break_glass_sessions.status is 'class=operational;about=open, closed, expired or reviewed.';

select core.comment_standard_columns('audit.break_glass_sessions');

alter table audit.break_glass_sessions enable row level security, force row level security;

drop policy if exists tenant_isolation on audit.break_glass_sessions;
create policy tenant_isolation on audit.break_glass_sessions
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger break_glass_sessions_touch before update on audit.break_glass_sessions
  for each row execute function core.update_updated_at_column();

create or replace trigger break_glass_sessions_transition before insert or update of status on audit.break_glass_sessions
  for each row execute function core.enforce_transition('audit.break_glass_sessions', 'status');

insert into core.transition_rules (machine, from_state, to_state) values
  ('audit.break_glass_sessions', '', 'open'),
  ('audit.break_glass_sessions', 'open', 'closed'),
  ('audit.break_glass_sessions', 'open', 'expired'),
  ('audit.break_glass_sessions', 'closed', 'reviewed'),
  ('audit.break_glass_sessions', 'expired', 'reviewed')
on conflict (machine, from_state, to_state) do nothing;

grant select on audit.break_glass_sessions to kernel_app, kernel_ro, audit_reader;

-- audit.audit_chain_anchors: seals over the logs. A seal covers every row of a tenant whose transaction lies in
-- [from_txid, to_txid); to_txid is the oldest transaction that was still running, so no row can slip in later.
-- leaves keeps per row its seq and half its hash: enough to name a row that was changed, removed or slipped in.
create table if not exists audit.audit_chain_anchors (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  log_name text not null,
  seal_no bigint not null,
  from_txid bigint not null,
  to_txid bigint not null,
  row_count bigint not null,
  leaves bytea not null,
  root bytea not null,
  prev_digest bytea not null,
  digest bytea not null,
  signature bytea,
  key_kid text,
  sealed_at timestamptz not null default now(),
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint audit_chain_anchors_pkey primary key (tenant_id, id),
  constraint audit_chain_anchors_seal_key unique (tenant_id, log_name, seal_no),
  constraint audit_chain_anchors_log_known check (log_name in ('audit_logs', 'phi_access_logs')),
  constraint audit_chain_anchors_range check (to_txid > from_txid),
  constraint audit_chain_anchors_leaf_per_row check (octet_length(leaves) = row_count * 24),
  constraint audit_chain_anchors_signature_whole check (
    (signature is null) = (key_kid is null) and octet_length(signature) = 64
  ),
  constraint audit_chain_anchors_chained check (
    digest = sha256(prev_digest || root || int8send(row_count) || int8send(seal_no) || int8send(from_txid) || int8send(to_txid))
  ),
  constraint audit_chain_anchors_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

comment on table audit.audit_chain_anchors is 'class=operational;scope=tenant;owner=kernel;fhir=Provenance;retention=audit_7y;append_only=1;about=Seals over the logs: each proves a range of rows and the seal before it.';
comment on column audit.audit_chain_anchors.log_name is 'class=operational;about=audit_logs or phi_access_logs.';
comment on column audit.audit_chain_anchors.seal_no is 'class=operational;about=1, 2, 3 ... per tenant and log.';
comment on column audit.audit_chain_anchors.from_txid is 'class=operational;about=First transaction covered.';
comment on column audit.audit_chain_anchors.to_txid is 'class=operational;about=First transaction not covered; everything before it had ended.';
comment on column audit.audit_chain_anchors.row_count is 'class=operational;about=Rows covered.';
comment on column audit.audit_chain_anchors.leaves is 'class=operational;about=Per row 8 bytes seq and 16 bytes of its hash, in order of (txid, seq).';
comment on column audit.audit_chain_anchors.root is 'class=operational;about=SHA-256 over the full hashes of the rows.';
comment on column audit.audit_chain_anchors.prev_digest is 'class=operational;about=Digest of the seal before; 32 zero bytes for the first.';
comment on column audit.audit_chain_anchors.digest is 'class=operational;about=SHA-256 over prev_digest, root, count, number and range.';
comment on column audit.audit_chain_anchors.signature is 'class=operational;about=Ed25519 signature of the digest, where a key is set up.';
comment on column audit.audit_chain_anchors.key_kid is 'class=operational;about=Key that signed.';
comment on column audit.audit_chain_anchors.sealed_at is 'class=operational;about=When.';

select core.comment_standard_columns('audit.audit_chain_anchors');

alter table audit.audit_chain_anchors enable row level security, force row level security;

drop policy if exists tenant_isolation on audit.audit_chain_anchors;
create policy tenant_isolation on audit.audit_chain_anchors
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger audit_chain_anchors_append_only before update or delete on audit.audit_chain_anchors
  for each row execute function core.refuse_change();

create or replace trigger audit_chain_anchors_no_truncate before truncate on audit.audit_chain_anchors
  for each statement execute function core.refuse_change();

grant select on audit.audit_chain_anchors to audit_reader;

-- audit.metrics_hourly: the audit log counted by hour, table and action. The sealer adds to it in the transaction that
-- seals, so every row is counted once; view audit_metrics_hourly adds what is not sealed yet.
create table if not exists audit.metrics_hourly (
  tenant_id uuid not null,
  bucket timestamptz not null,
  schema_name text not null,
  table_name text not null,
  action text not null,
  events bigint not null,
  constraint metrics_hourly_pkey primary key (tenant_id, bucket, schema_name, table_name, action),
  constraint metrics_hourly_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

comment on table audit.metrics_hourly is 'class=operational;scope=tenant;owner=kernel;fhir=none;retention=audit_7y;about=Sealed audit events per hour, table and action.';
comment on column audit.metrics_hourly.tenant_id is 'class=operational;about=The tenant that the row belongs to.';
comment on column audit.metrics_hourly.bucket is 'class=operational;about=Start of the hour.';
comment on column audit.metrics_hourly.schema_name is 'class=operational;about=Schema of the changed table.';
comment on column audit.metrics_hourly.table_name is 'class=operational;about=The changed table.';
comment on column audit.metrics_hourly.action is 'class=operational;about=What was done.';
comment on column audit.metrics_hourly.events is 'class=operational;about=How many.';

alter table audit.metrics_hourly enable row level security, force row level security;

drop policy if exists tenant_isolation on audit.metrics_hourly;
create policy tenant_isolation on audit.metrics_hourly
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

grant select on audit.metrics_hourly to audit_reader;

-- audit.compliance_daily: the audit log counted by day, action and role, kept like audit.metrics_hourly; view
-- audit_compliance_daily adds what is not sealed yet.
create table if not exists audit.compliance_daily (
  tenant_id uuid not null,
  bucket date not null,
  action text not null,
  actor_role text not null,
  events bigint not null,
  without_actor bigint not null,
  without_purpose bigint not null,
  constraint compliance_daily_pkey primary key (tenant_id, bucket, action, actor_role),
  constraint compliance_daily_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

comment on table audit.compliance_daily is 'class=operational;scope=tenant;owner=kernel;fhir=none;retention=audit_7y;about=Sealed audit events per day, action and role, with those that name no actor or purpose.';
comment on column audit.compliance_daily.tenant_id is 'class=operational;about=The tenant that the row belongs to.';
comment on column audit.compliance_daily.bucket is 'class=operational;about=The day, in UTC.';
comment on column audit.compliance_daily.action is 'class=operational;about=What was done.';
comment on column audit.compliance_daily.actor_role is 'class=operational;about=Hospital role, empty for a system task.';
comment on column audit.compliance_daily.events is 'class=operational;about=How many.';
comment on column audit.compliance_daily.without_actor is 'class=operational;about=How many of them name no user.';
comment on column audit.compliance_daily.without_purpose is 'class=operational;about=How many of them name no purpose of use.';

alter table audit.compliance_daily enable row level security, force row level security;

drop policy if exists tenant_isolation on audit.compliance_daily;
create policy tenant_isolation on audit.compliance_daily
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

grant select on audit.compliance_daily to audit_reader;

-- audit.audit_archives: old months of the logs, packed. An archive holds a run of one tenant's rows, column by column:
-- an hour of a busy tenant, or the quiet hours of a day together. Only sealed rows are packed, and a month of a log is
-- dropped when every row of it is in an archive; until then its rows are in both, and the log is what is read.
-- An archive is named by its first row, so the same rows cannot be packed twice.
create table if not exists audit.audit_archives (
  tenant_id uuid not null,
  log_name text not null,
  first_at timestamptz not null,
  first_seq bigint not null,
  last_at timestamptz not null,
  last_seq bigint not null,
  first_txid bigint not null,
  last_txid bigint not null,
  row_count integer not null,
  seq_sum numeric not null,
  codec text not null,
  ids bytea not null,
  content bytea not null,
  packed_at timestamptz not null default now(),
  constraint audit_archives_pkey primary key (tenant_id, log_name, first_at, first_seq),
  constraint audit_archives_log_known check (log_name in ('audit_logs', 'phi_access_logs')),
  constraint audit_archives_codec_known check (codec in ('zlib', 'none')),
  constraint audit_archives_time_order check ((first_at, first_seq) <= (last_at, last_seq)),
  constraint audit_archives_txid_order check (first_txid <= last_txid),
  constraint audit_archives_not_empty check (row_count > 0),
  constraint audit_archives_whole_ids check (octet_length(ids) % 16 = 0)
) partition by range (first_at);

create table if not exists audit.audit_archives_default partition of audit.audit_archives default;

-- what a seal covers
create index if not exists audit_archives_txid_idx on audit.audit_archives (tenant_id, log_name, last_txid);

-- random bytes; trying to compress them is waste
alter table audit.audit_archives alter column ids set storage external;

alter table audit.audit_archives_default alter column ids set storage external;

comment on table audit.audit_archives is 'class=phi;scope=tenant;owner=kernel;fhir=AuditEvent;retention=audit_7y;append_only=1;keep=7y;about=Old months of the logs, packed column by column. Read them with audit.get_audit_logs_time_range.';
comment on column audit.audit_archives.tenant_id is 'class=operational;about=The tenant that the row belongs to.';
comment on column audit.audit_archives.log_name is 'class=operational;about=audit_logs or phi_access_logs.';
comment on column audit.audit_archives.first_at is 'class=operational;about=Time of the first row.';
comment on column audit.audit_archives.first_seq is 'class=operational;about=Its seq.';
comment on column audit.audit_archives.last_at is 'class=operational;about=Time of the last row.';
comment on column audit.audit_archives.last_seq is 'class=operational;about=Its seq.';
comment on column audit.audit_archives.first_txid is 'class=operational;about=Lowest transaction of the rows.';
comment on column audit.audit_archives.last_txid is 'class=operational;about=Highest transaction of the rows.';
comment on column audit.audit_archives.row_count is 'class=operational;about=How many rows.';
comment on column audit.audit_archives.seq_sum is 'class=operational;about=Sum of their seq; with row_count it tells whether a month is packed completely.';
comment on column audit.audit_archives.codec is 'class=operational;about=zlib, or none where the server''s pgcrypto has no zlib.';
comment on column audit.audit_archives.ids is 'class=phi;about=The UUIDs that the rows name, 16 bytes each.';
comment on column audit.audit_archives.content is 'class=phi;about=The rows, see audit.encode_rows.';
comment on column audit.audit_archives.packed_at is 'class=operational;about=When.';

alter table audit.audit_archives enable row level security, force row level security;

drop policy if exists tenant_isolation on audit.audit_archives;
create policy tenant_isolation on audit.audit_archives
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

alter table audit.audit_archives_default enable row level security, force row level security;

drop policy if exists tenant_isolation on audit.audit_archives_default;
create policy tenant_isolation on audit.audit_archives_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger audit_archives_append_only before update or delete on audit.audit_archives
  for each row execute function core.refuse_change();

create or replace trigger audit_archives_no_truncate before truncate on audit.audit_archives
  for each statement execute function core.refuse_change();

create or replace trigger audit_archives_default_no_truncate before truncate on audit.audit_archives_default
  for each statement execute function core.refuse_change();

grant select on audit.audit_archives to audit_reader;

-- inventory: tables

-- inventory.items: what can be in stock: drugs, consumables, implants, reagents, linen, spare parts.
--
-- Quantities everywhere count in the base unit (tablet, ampoule, piece); packs exist for ordering only. Drugs, implants,
-- reagents and blood bags are always tracked by batch, because a recall must find who got them.
create table if not exists inventory.items (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  sku text not null,
  name text not null,
  kind text not null,
  drug_id uuid,
  hsn text,
  gst_rate numeric(5, 2) not null default 0,
  base_unit text not null,
  pack_unit text,
  pack_size numeric(14, 3),
  is_batch_tracked boolean not null default true,
  is_serial_tracked boolean not null default false,
  is_formulary boolean not null default false,
  restricted_approval boolean not null default false,
  is_controlled boolean not null default false,
  reorder_level numeric(14, 3),
  reorder_qty numeric(14, 3),
  min_shelf_life_days integer,
  storage text,
  active boolean not null default true,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint items_pkey primary key (tenant_id, id),
  constraint items_kind_check check (
    kind in ('drug', 'consumable', 'implant', 'reagent', 'blood_bag', 'linen', 'stationery', 'asset_spare')
  ),
  constraint items_traceable_kinds_have_batches check (kind not in ('drug', 'implant', 'reagent', 'blood_bag') or is_batch_tracked),
  constraint items_pack_has_unit_and_size check ((pack_unit is null) = (pack_size is null) and pack_size > 0),
  constraint items_gst_rate_check check (gst_rate between 0 and 40),
  constraint items_hsn_format check (hsn ~ '^[0-9]{4,8}$'),
  constraint items_reorder_not_negative check (reorder_level >= 0 and reorder_qty > 0),
  constraint items_min_shelf_life_not_negative check (min_shelf_life_days >= 0),
  constraint items_controlled_are_drugs check (not is_controlled or kind = 'drug'),
  constraint items_finite check (pack_size <> 'NaN' and reorder_level <> 'NaN' and reorder_qty <> 'NaN'),
  constraint items_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

create unique index if not exists items_sku_key on inventory.items (tenant_id, sku)
  where deleted_at is null;
create index if not exists items_drug_idx on inventory.items (drug_id, tenant_id)
  where drug_id is not null;
comment on index inventory.items_drug_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';

comment on table inventory.items is 'class=operational;scope=tenant;owner=inventory;fhir=Medication;retention=operational;about=What can be in stock: drugs, consumables, implants, reagents, linen, spare parts.';
comment on column inventory.items.sku is 'class=operational;about=Stock-keeping code of the hospital, unique while the item is not deleted.';
comment on column inventory.items.name is 'class=operational;about=What storekeepers call it, with strength and form for a drug.';
comment on column inventory.items.kind is 'class=operational;about=What it is: drug, consumable, implant, reagent, blood_bag, linen, stationery or asset_spare.';
comment on column inventory.items.drug_id is 'class=operational;about=The drug of the catalogue that it is; null for everything that is no drug.';
comment on column inventory.items.hsn is 'class=operational;about=HSN code of the goods for tax, 4 to 8 digits.';
comment on column inventory.items.gst_rate is 'class=operational;about=Tax rate in percent.';
comment on column inventory.items.base_unit is 'class=operational;about=The unit that quantities count, such as tablet, ml or piece.';
comment on column inventory.items.pack_unit is 'class=operational;about=The unit that suppliers sell, such as strip or box.';
comment on column inventory.items.pack_size is 'class=operational;about=How many base units a pack holds.';
comment on column inventory.items.is_batch_tracked is 'class=operational;about=Whether movements name a real batch of the maker; an item without has one batch that stands for all.';
comment on column inventory.items.is_serial_tracked is 'class=operational;about=Whether each piece has a serial number, as implants do.';
comment on column inventory.items.is_formulary is 'class=operational;about=Whether the item is on the hospitals list of preferred items.';
comment on column inventory.items.restricted_approval is 'class=operational;about=Whether issuing it needs the approval of a specialist.';
comment on column inventory.items.is_controlled is 'class=operational;about=Narcotic or psychotropic: destroying it needs a witness. Kept here because the drug catalogue belongs to another service.';
comment on column inventory.items.reorder_level is 'class=operational;about=When usable stock of the tenant falls below this, event stock.low.v1 is written; null for never.';
comment on column inventory.items.reorder_qty is 'class=operational;about=How much is usually ordered.';
comment on column inventory.items.min_shelf_life_days is 'class=operational;about=Days that goods must still be good for on the day of receipt; null for setting inventory.min_shelf_life_days.';
comment on column inventory.items.storage is 'class=operational;about=How to store it, such as 2-8 C or locked cupboard.';
comment on column inventory.items.active is 'class=operational;about=Whether it may be ordered.';
select core.comment_standard_columns('inventory.items');

alter table inventory.items enable row level security, force row level security;
drop policy if exists tenant_isolation on inventory.items;
create policy tenant_isolation on inventory.items
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger items_no_aadhaar before insert or update of name on inventory.items
  for each row execute function core.reject_aadhaar_like('name');
create or replace trigger items_touch before update on inventory.items
  for each row execute function core.update_updated_at_column('row_version');

grant select, insert, update on inventory.items to inventory_app;
grant select on inventory.items to inventory_ro;

-- inventory.suppliers: whom the hospital buys from. A blocked supplier gets no new orders; blocking needs a reason.
--
-- The bank account is encrypted; the GSTIN is checked by its check character.
create table if not exists inventory.suppliers (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  code text not null,
  name text not null,
  gstin text,
  drug_licence_no text,
  licence_valid_to date,
  contact jsonb not null default '{}',
  payment_terms_days smallint not null default 30,
  bank_enc bytea,
  ifsc text,
  rating numeric(3, 2),
  status text not null default 'active',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint suppliers_pkey primary key (tenant_id, id),
  constraint suppliers_status_check check (status in ('active', 'blocked', 'inactive')),
  constraint suppliers_gstin_valid check (core.valid_gstin(gstin)),
  constraint suppliers_ifsc_valid check (core.valid_ifsc(ifsc)),
  constraint suppliers_payment_terms_check check (payment_terms_days between 0 and 365),
  constraint suppliers_rating_check check (rating between 0 and 5),
  constraint suppliers_contact_is_object check (jsonb_typeof(contact) = 'object'),
  constraint suppliers_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

create unique index if not exists suppliers_code_key on inventory.suppliers (tenant_id, code)
  where deleted_at is null;

comment on table inventory.suppliers is 'class=financial;scope=tenant;owner=inventory;fhir=Organization;retention=financial;about=Whom the hospital buys from.';
comment on column inventory.suppliers.code is 'class=operational;about=Code of the hospital, unique while the supplier is not deleted.';
comment on column inventory.suppliers.name is 'class=operational;about=Registered name.';
comment on column inventory.suppliers.gstin is 'class=financial;about=GST identification number (India).';
comment on column inventory.suppliers.drug_licence_no is 'class=operational;about=Wholesale drug licence.';
comment on column inventory.suppliers.licence_valid_to is 'class=operational;about=Last day of the drug licence; drugs are not ordered after it.';
comment on column inventory.suppliers.contact is 'class=pii;about=Contact persons and addresses: {name, phone, email, address}.';
comment on column inventory.suppliers.payment_terms_days is 'class=financial;about=Days until an invoice is due.';
comment on column inventory.suppliers.bank_enc is 'class=financial;enc=1;about=Bank account, encrypted.';
comment on column inventory.suppliers.ifsc is 'class=financial;about=Branch code of the bank account (India).';
comment on column inventory.suppliers.rating is 'class=operational;about=Score of the supplier, 0 to 5.';
comment on column inventory.suppliers.status is 'class=operational;about=active, blocked (a reason is required) or inactive.';
select core.comment_standard_columns('inventory.suppliers');

alter table inventory.suppliers enable row level security, force row level security;
drop policy if exists tenant_isolation on inventory.suppliers;
create policy tenant_isolation on inventory.suppliers
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger suppliers_no_aadhaar before insert or update of name on inventory.suppliers
  for each row execute function core.reject_aadhaar_like('name');
create or replace trigger suppliers_touch before update on inventory.suppliers
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger suppliers_transition before insert or update of status on inventory.suppliers
  for each row execute function core.enforce_transition('inventory.suppliers', 'status');
select audit.track('inventory.suppliers');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('inventory.suppliers', '', 'active', false, null),
  ('inventory.suppliers', 'active', 'blocked', true, null),
  ('inventory.suppliers', 'active', 'inactive', false, null),
  ('inventory.suppliers', 'blocked', 'active', false, null),
  ('inventory.suppliers', 'inactive', 'active', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on inventory.suppliers to inventory_app;
grant select on inventory.suppliers to inventory_ro;

-- inventory.batches: a manufacturer's batch with its expiry; the unit of traceability and recall.
--
-- Only available batches leave a store. A batch that is dearer or expires on another day is another batch, even when the
-- maker printed the same number. The expiry never changes once there is stock: balances refer to it by foreign key.
-- Whoever changes the state locks the batch's balances first, so that no reservation overtakes a recall.
create table if not exists inventory.batches (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  item_id uuid not null,
  batch_no text not null,
  gtin text,
  mfg_on date,
  expiry_on date not null,
  mrp numeric(14, 2),
  purchase_price numeric(14, 2) not null default 0,
  tax_rate numeric(5, 2) not null default 0,
  manufacturer text,
  goods_receipt_item_id uuid,
  recall_ref text,
  recall_class text,
  recalled_at timestamptz,
  hold_reason text,
  expiry_announced_at timestamptz,
  status text not null default 'quarantine',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint batches_pkey primary key (tenant_id, id),
  -- what balances refer to: item and expiry of a batch with stock stay as they are
  constraint batches_item_expiry_key unique (tenant_id, id, item_id, expiry_on),
  constraint batches_item_batch_no_key unique nulls not distinct (tenant_id, item_id, batch_no, expiry_on, mrp),
  constraint batches_recall_class_check check (recall_class in ('I', 'II', 'III')),
  constraint batches_status_check check (
    status in ('quarantine', 'available', 'rejected', 'hold', 'recalled', 'expired', 'destroyed', 'returned_to_vendor')
  ),
  constraint batches_expire_after_manufacture check (expiry_on > mfg_on),
  constraint batches_gtin_valid check (core.valid_gtin(gtin)),
  constraint batches_recalled_by_notice check (status <> 'recalled' or (recall_ref is not null and recalled_at is not null)),
  constraint batches_hold_has_reason check (status <> 'hold' or hold_reason is not null),
  constraint batches_prices_not_negative check (purchase_price >= 0 and mrp >= 0),
  constraint batches_tax_rate_check check (tax_rate between 0 and 40),
  constraint batches_batch_no_not_blank check (btrim(batch_no) <> ''),
  constraint batches_finite check (mrp <> 'NaN' and purchase_price <> 'NaN'),
  constraint batches_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint batches_item_fkey
    foreign key (tenant_id, item_id) references inventory.items (tenant_id, id)
);

-- what the job that expires batches looks for
create index if not exists batches_to_expire_idx on inventory.batches (tenant_id, expiry_on) where status in ('available', 'hold');
create index if not exists batches_goods_receipt_item_idx on inventory.batches (tenant_id, goods_receipt_item_id)
  where goods_receipt_item_id is not null;

comment on table inventory.batches is 'class=operational;scope=tenant;owner=inventory;fhir=Medication.batch;retention=operational;about=A manufacturer''s batch with its expiry; the unit of traceability and recall.';
comment on column inventory.batches.item_id is 'class=operational;about=The item.';
comment on column inventory.batches.batch_no is 'class=operational;about=Batch or lot number as printed.';
comment on column inventory.batches.gtin is 'class=operational;about=GS1 number of the trade item.';
comment on column inventory.batches.mfg_on is 'class=operational;about=Day of manufacture.';
comment on column inventory.batches.expiry_on is 'class=operational;about=Last day of use.';
comment on column inventory.batches.mrp is 'class=operational;about=Maximum retail price of a base unit, where the law knows one.';
comment on column inventory.batches.purchase_price is 'class=operational;about=Price paid for a base unit, without tax.';
comment on column inventory.batches.tax_rate is 'class=operational;about=Tax rate at purchase, in percent.';
comment on column inventory.batches.manufacturer is 'class=operational;about=Who made it.';
comment on column inventory.batches.goods_receipt_item_id is 'class=operational;about=The line of the goods receipt that the batch came with first.';
comment on column inventory.batches.recall_ref is 'class=operational;about=Number of the recall notice.';
comment on column inventory.batches.recall_class is 'class=operational;about=Urgency of the recall: I (danger to life), II, III.';
comment on column inventory.batches.recalled_at is 'class=operational;about=When it was recalled.';
comment on column inventory.batches.hold_reason is 'class=operational;about=Why the batch is on hold.';
comment on column inventory.batches.expiry_announced_at is 'class=operational;about=When event stock.expiring.v1 was written.';
comment on column inventory.batches.status is 'class=operational;about=quarantine (not released yet), available, hold, recalled, expired, rejected, destroyed or returned_to_vendor; changed by operations.';
select core.comment_standard_columns('inventory.batches');

alter table inventory.batches enable row level security, force row level security;
drop policy if exists tenant_isolation on inventory.batches;
create policy tenant_isolation on inventory.batches
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

-- not the numbers that makers print: one in ten of twelve digits would be taken for an Aadhaar number
create or replace trigger batches_no_aadhaar before insert or update of manufacturer, hold_reason on inventory.batches
  for each row execute function core.reject_aadhaar_like('manufacturer', 'hold_reason');
create or replace trigger batches_touch before update on inventory.batches
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger batches_transition before insert or update of status on inventory.batches
  for each row execute function core.enforce_transition('inventory.batches', 'status');
select audit.track('inventory.batches');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('inventory.batches', '', 'quarantine', false, null),
  ('inventory.batches', 'quarantine', 'recalled', true, 'stock.recalled.v1'),
  ('inventory.batches', 'quarantine', 'available', false, null),
  ('inventory.batches', 'quarantine', 'rejected', true, null),
  ('inventory.batches', 'available', 'hold', true, null),
  ('inventory.batches', 'available', 'recalled', true, 'stock.recalled.v1'),
  ('inventory.batches', 'available', 'expired', false, null),
  ('inventory.batches', 'hold', 'available', false, null),
  ('inventory.batches', 'hold', 'recalled', true, 'stock.recalled.v1'),
  ('inventory.batches', 'hold', 'expired', false, null),
  ('inventory.batches', 'recalled', 'destroyed', false, null),
  ('inventory.batches', 'recalled', 'returned_to_vendor', false, null),
  ('inventory.batches', 'expired', 'recalled', true, 'stock.recalled.v1'),
  ('inventory.batches', 'expired', 'destroyed', false, null),
  ('inventory.batches', 'expired', 'returned_to_vendor', false, null),
  ('inventory.batches', 'rejected', 'returned_to_vendor', false, null),
  ('inventory.batches', 'rejected', 'destroyed', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on inventory.batches to inventory_app;
grant
  insert (
    tenant_id, id, item_id, batch_no, gtin, mfg_on, expiry_on, mrp, purchase_price, tax_rate, manufacturer
  ),
  update (gtin, mfg_on, manufacturer, row_version)
on inventory.batches to inventory_app;
grant select on inventory.batches to inventory_ro;

-- inventory.stock_balances: on hand and reserved, per store and batch. This row is the lock of every movement.
--
-- on_hand is the sum of the ledger of its store and batch, reserved the open rest of its active reservations, and neither
-- is ever negative: the checks are the last word. Only operations write here. Whoever locks several balances does it in
-- one order: store, item, expiry, batch (the order of the index below).
create table if not exists inventory.stock_balances (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  store_location_id uuid not null,
  item_id uuid not null,
  batch_id uuid not null,
  expiry_on date not null,
  on_hand numeric(14, 3) not null default 0,
  reserved numeric(14, 3) not null default 0,
  bin text,
  last_movement_id uuid,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint stock_balances_pkey primary key (tenant_id, id),
  constraint stock_balances_store_location_batch_key unique (tenant_id, store_location_id, batch_id),
  constraint stock_balances_on_hand_not_negative check (on_hand >= 0),
  constraint stock_balances_reserved_not_negative check (reserved >= 0),
  constraint stock_balances_reserved_is_on_hand check (reserved <= on_hand),
  constraint stock_balances_finite check (on_hand <> 'NaN'),
  constraint stock_balances_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint stock_balances_item_fkey
    foreign key (tenant_id, item_id) references inventory.items (tenant_id, id),
  constraint stock_balances_batch_fkey
    foreign key (tenant_id, batch_id, item_id, expiry_on) references inventory.batches (tenant_id, id, item_id, expiry_on)
);

-- First expired, first out. Not partial on the quantities: those change with every movement, and a column that an index
-- names would take the updates off the heap-only path.
create index if not exists stock_balances_fefo_idx
  on inventory.stock_balances (tenant_id, store_location_id, item_id, expiry_on, batch_id);
create index if not exists stock_balances_item_idx on inventory.stock_balances (tenant_id, item_id);
create index if not exists stock_balances_batch_idx on inventory.stock_balances (tenant_id, batch_id, item_id, expiry_on);

comment on table inventory.stock_balances is 'class=operational;scope=tenant;owner=inventory;fhir=none;retention=operational;about=On hand and reserved per store and batch; the row that every movement locks.';
comment on column inventory.stock_balances.store_location_id is 'class=operational;about=The place that holds the stock: store, ward, theatre.';
comment on column inventory.stock_balances.item_id is 'class=operational;about=The item of the batch.';
comment on column inventory.stock_balances.batch_id is 'class=operational;about=The batch.';
comment on column inventory.stock_balances.expiry_on is 'class=operational;about=Expiry of the batch, repeated here so that FEFO reads one index.';
comment on column inventory.stock_balances.on_hand is 'class=operational;about=Quantity in the place, in base units, promised or not.';
comment on column inventory.stock_balances.reserved is 'class=operational;about=Part of on_hand that active reservations promise.';
comment on column inventory.stock_balances.bin is 'class=operational;about=Shelf or bin within the place.';
comment on column inventory.stock_balances.last_movement_id is 'class=operational;about=The movement that set on_hand. No foreign key: the ledger keeps its rows for ever, and the index that a key needs would be rewritten by every movement.';
select core.comment_standard_columns('inventory.stock_balances');

alter table inventory.stock_balances enable row level security, force row level security;
drop policy if exists tenant_isolation on inventory.stock_balances;
create policy tenant_isolation on inventory.stock_balances
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger stock_balances_touch before update on inventory.stock_balances
  for each row execute function core.update_updated_at_column('row_version');

grant select on inventory.stock_balances to inventory_app, inventory_ro;
grant update (bin, row_version) on inventory.stock_balances to inventory_app;

-- inventory.stock_movements: the ledger: every quantity in or out, never edited. A mistake is corrected by another row.
--
-- quantity has the sign of its effect, balance_after is on_hand of the store and batch after it, and key and reference
-- each appear once: a repeated call cannot move stock twice. Stock counts post as adjust_* with ref_type 'count'.
create table if not exists inventory.stock_movements (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  moved_at timestamptz not null default clock_timestamp(),
  kind text not null,
  store_location_id uuid not null,
  item_id uuid not null,
  batch_id uuid not null,
  quantity numeric(14, 3) not null,
  balance_after numeric(14, 3) not null,
  unit_cost numeric(14, 2) not null,
  ref_type text not null,
  ref_id uuid not null,
  part smallint not null default 1,
  counter_movement_id uuid,
  patient_id uuid,
  reason_code text,
  approved_by uuid,
  witness_id uuid,
  idempotency_key text not null,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint stock_movements_pkey primary key (tenant_id, id),
  constraint stock_movements_idempotency_key_key unique (tenant_id, idempotency_key),
  constraint stock_movements_reference_once unique (tenant_id, ref_type, ref_id, batch_id, kind, part),
  constraint stock_movements_kind_check check (
    kind in ('opening', 'receipt', 'issue', 'dispense', 'return_in', 'return_out', 'transfer_out', 'transfer_in', 'adjust_up', 'adjust_down', 'expiry_writeoff', 'destroy', 'consume')
  ),
  constraint stock_movements_quantity_not_zero check (quantity <> 0),
  constraint stock_movements_sign_of_kind check (
    (kind in ('opening', 'receipt', 'return_in', 'transfer_in', 'adjust_up')) = (quantity > 0)
  ),
  constraint stock_movements_balance_not_negative check (balance_after >= 0),
  constraint stock_movements_losses_are_approved check (
    kind not in ('opening', 'adjust_up', 'adjust_down', 'expiry_writeoff', 'destroy') or (reason_code is not null and approved_by is not null)
  ),
  constraint stock_movements_idempotency_key_length check (length(idempotency_key) between 8 and 200),
  constraint stock_movements_part_check check (part >= 1),
  constraint stock_movements_witness_is_another check (witness_id <> approved_by),
  constraint stock_movements_finite check (quantity <> 'NaN' and balance_after <> 'NaN' and unit_cost <> 'NaN'),
  constraint stock_movements_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint stock_movements_item_fkey
    foreign key (tenant_id, item_id) references inventory.items (tenant_id, id),
  constraint stock_movements_batch_fkey
    foreign key (tenant_id, batch_id) references inventory.batches (tenant_id, id),
  constraint stock_movements_counter_movement_fkey
    foreign key (tenant_id, counter_movement_id) references inventory.stock_movements (tenant_id, id)
);

-- the ledger of a balance, in order
create index if not exists stock_movements_store_location_idx
  on inventory.stock_movements (tenant_id, store_location_id, batch_id, moved_at);
create index if not exists stock_movements_item_idx on inventory.stock_movements (tenant_id, item_id);
-- who got a batch
create index if not exists stock_movements_batch_idx on inventory.stock_movements (tenant_id, batch_id, patient_id);
create index if not exists stock_movements_counter_movement_idx on inventory.stock_movements (tenant_id, counter_movement_id)
  where counter_movement_id is not null;
create index if not exists stock_movements_patient_idx on inventory.stock_movements (tenant_id, patient_id)
  where patient_id is not null;
create index if not exists stock_movements_approved_by_idx on inventory.stock_movements (tenant_id, approved_by)
  where approved_by is not null;
create index if not exists stock_movements_witness_idx on inventory.stock_movements (tenant_id, witness_id)
  where witness_id is not null;

comment on table inventory.stock_movements is 'class=operational;scope=tenant;owner=inventory;fhir=SupplyDelivery;retention=operational;append_only=1;about=The ledger: every quantity in or out, never edited.';
comment on column inventory.stock_movements.moved_at is 'class=operational;about=When it was posted; later rows of one balance have later times.';
comment on column inventory.stock_movements.kind is 'class=operational;about=Why stock came (opening, receipt, return_in, transfer_in, adjust_up) or went (issue, dispense, return_out, transfer_out, adjust_down, expiry_writeoff, destroy, consume).';
comment on column inventory.stock_movements.store_location_id is 'class=operational;about=The place whose stock changed.';
comment on column inventory.stock_movements.item_id is 'class=operational;about=The item of the batch.';
comment on column inventory.stock_movements.batch_id is 'class=operational;about=The batch.';
comment on column inventory.stock_movements.quantity is 'class=operational;about=Base units, positive in, negative out.';
comment on column inventory.stock_movements.balance_after is 'class=operational;about=on_hand of the store and batch after this movement.';
comment on column inventory.stock_movements.unit_cost is 'class=operational;about=Purchase price of a base unit of the batch at that time.';
comment on column inventory.stock_movements.ref_type is 'class=operational;about=What it was for: dispense_item, goods_receipt_item, indent_item, count, ...';
comment on column inventory.stock_movements.ref_id is 'class=operational;about=Id of what it was for.';
comment on column inventory.stock_movements.part is 'class=operational;about=1, 2, 3 when one reference moves the same batch in parts, as an indent does that is issued twice.';
comment on column inventory.stock_movements.counter_movement_id is 'class=operational;about=The other half: a transfer_in names its transfer_out.';
comment on column inventory.stock_movements.patient_id is 'class=phi;about=Who got the goods; what a recall looks for.';
comment on column inventory.stock_movements.reason_code is 'class=operational;about=Why stock was adjusted, destroyed or written off.';
comment on column inventory.stock_movements.approved_by is 'class=operational;about=The staff member who approved that, never the one who asked.';
comment on column inventory.stock_movements.witness_id is 'class=operational;about=The staff member who watched a controlled drug being destroyed.';
comment on column inventory.stock_movements.idempotency_key is 'class=operational;about=Same key and content, same movement.';
select core.comment_standard_columns('inventory.stock_movements');

alter table inventory.stock_movements enable row level security, force row level security;
drop policy if exists tenant_isolation on inventory.stock_movements;
create policy tenant_isolation on inventory.stock_movements
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

-- not the key: machines make it, and the digits of a UUID may look like one
create or replace trigger stock_movements_no_aadhaar before insert on inventory.stock_movements
  for each row execute function core.reject_aadhaar_like('reason_code');
create or replace trigger stock_movements_witness before insert on inventory.stock_movements
  for each row execute function inventory.check_witness();
create or replace trigger stock_movements_append_only before update or delete on inventory.stock_movements
  for each row execute function core.refuse_change();
create or replace trigger stock_movements_no_truncate before truncate on inventory.stock_movements
  for each statement execute function core.refuse_change();

grant select on inventory.stock_movements to inventory_app, inventory_ro;

-- inventory.stock_reservations: quantity of a batch that is promised to a prescription, an operation or an indent.
--
-- quantity - consumed of the active rows is what stock_balances.reserved says. Every change holds the lock of the balance.
-- A reservation that is not used by expires_at makes room for others; its holder then gets IM504.
create table if not exists inventory.stock_reservations (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  store_location_id uuid not null,
  item_id uuid not null,
  batch_id uuid not null,
  quantity numeric(14, 3) not null,
  consumed numeric(14, 3) not null default 0,
  ref_type text not null,
  ref_id uuid not null,
  expires_at timestamptz not null,
  status text not null default 'active',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint stock_reservations_pkey primary key (tenant_id, id),
  constraint stock_reservations_status_check check (status in ('active', 'consumed', 'released', 'expired')),
  constraint stock_reservations_quantity_positive check (quantity > 0),
  constraint stock_reservations_consumed_within_quantity check (consumed between 0 and quantity),
  constraint stock_reservations_consumed_means_all check ((status = 'consumed') = (consumed = quantity)),
  constraint stock_reservations_finite check (quantity <> 'NaN'),
  constraint stock_reservations_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint stock_reservations_item_fkey
    foreign key (tenant_id, item_id) references inventory.items (tenant_id, id),
  constraint stock_reservations_batch_fkey
    foreign key (tenant_id, batch_id) references inventory.batches (tenant_id, id)
);

create unique index if not exists stock_reservations_one_active_per_batch
  on inventory.stock_reservations (tenant_id, ref_type, ref_id, store_location_id, batch_id)
  where status = 'active';
-- what of a balance has lapsed
create index if not exists stock_reservations_of_balance_idx
  on inventory.stock_reservations (tenant_id, store_location_id, batch_id, expires_at)
  where status = 'active';
create index if not exists stock_reservations_to_expire_idx on inventory.stock_reservations (tenant_id, expires_at)
  where status = 'active';
create index if not exists stock_reservations_store_location_idx on inventory.stock_reservations (tenant_id, store_location_id);
create index if not exists stock_reservations_item_idx on inventory.stock_reservations (tenant_id, item_id);
create index if not exists stock_reservations_batch_idx on inventory.stock_reservations (tenant_id, batch_id);

comment on table inventory.stock_reservations is 'class=operational;scope=tenant;owner=inventory;fhir=SupplyRequest;retention=operational;about=Quantity of a batch that is promised to a prescription, an operation or an indent.';
comment on column inventory.stock_reservations.store_location_id is 'class=operational;about=The place that holds the stock.';
comment on column inventory.stock_reservations.item_id is 'class=operational;about=The item of the batch.';
comment on column inventory.stock_reservations.batch_id is 'class=operational;about=The batch that is promised.';
comment on column inventory.stock_reservations.quantity is 'class=operational;about=Base units promised.';
comment on column inventory.stock_reservations.consumed is 'class=operational;about=Base units taken already.';
comment on column inventory.stock_reservations.ref_type is 'class=operational;about=What it is for: prescription_item, procedure, indent_item, ...';
comment on column inventory.stock_reservations.ref_id is 'class=operational;about=Id of what it is for.';
comment on column inventory.stock_reservations.expires_at is 'class=operational;about=When the promise lapses.';
comment on column inventory.stock_reservations.status is 'class=operational;about=active, consumed (all taken), released or expired.';
select core.comment_standard_columns('inventory.stock_reservations');

alter table inventory.stock_reservations enable row level security, force row level security;
drop policy if exists tenant_isolation on inventory.stock_reservations;
create policy tenant_isolation on inventory.stock_reservations
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger stock_reservations_touch before update on inventory.stock_reservations
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger stock_reservations_transition before insert or update of status on inventory.stock_reservations
  for each row execute function core.enforce_transition('inventory.stock_reservations', 'status');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('inventory.stock_reservations', '', 'active', false, null),
  ('inventory.stock_reservations', 'active', 'consumed', false, null),
  ('inventory.stock_reservations', 'active', 'released', false, null),
  ('inventory.stock_reservations', 'active', 'expired', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on inventory.stock_reservations to inventory_app, inventory_ro;

-- inventory.purchase_orders: what was ordered from suppliers. Who orders does not approve: a constraint says so.
--
-- The total is computed from the lines. Receipts move the state on; the rest of an order that will not come is closed short.
create table if not exists inventory.purchase_orders (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  po_number text not null,
  supplier_id uuid not null,
  store_location_id uuid not null,
  ordered_by uuid not null,
  ordered_at timestamptz not null default now(),
  expected_on date,
  total numeric(14, 2) not null default 0,
  currency text not null,
  approved_by uuid,
  approved_at timestamptz,
  terms jsonb not null default '{}',
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint purchase_orders_pkey primary key (tenant_id, id),
  constraint purchase_orders_po_number_key unique (tenant_id, po_number),
  constraint purchase_orders_currency_form check (currency ~ '^[A-Z]{3}$'),
  constraint purchase_orders_status_check check (
    status in ('draft', 'submitted', 'cancelled', 'approved', 'rejected', 'sent', 'partially_received', 'received', 'closed_short')
  ),
  constraint purchase_orders_approved_before_sent check (
    status in ('draft', 'submitted', 'cancelled', 'rejected') or (approved_by is not null and approved_at is not null)
  ),
  constraint purchase_orders_approved_by_another check (approved_by <> ordered_by),
  constraint purchase_orders_total_not_negative check (total >= 0),
  constraint purchase_orders_finite check (total <> 'NaN'),
  constraint purchase_orders_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint purchase_orders_supplier_fkey
    foreign key (tenant_id, supplier_id) references inventory.suppliers (tenant_id, id)
);

create index if not exists purchase_orders_supplier_idx on inventory.purchase_orders (tenant_id, supplier_id);
create index if not exists purchase_orders_store_location_idx on inventory.purchase_orders (tenant_id, store_location_id);
create index if not exists purchase_orders_ordered_by_idx on inventory.purchase_orders (tenant_id, ordered_by);
-- the work list: what waits for approval, for the supplier, for the rest of the goods
create index if not exists purchase_orders_open_idx on inventory.purchase_orders (tenant_id, status, ordered_at)
  where status in ('submitted', 'approved', 'sent', 'partially_received');
create index if not exists purchase_orders_approved_by_idx on inventory.purchase_orders (tenant_id, approved_by)
  where approved_by is not null;

comment on table inventory.purchase_orders is 'class=financial;scope=tenant;owner=inventory;fhir=SupplyRequest;retention=financial;about=What was ordered from suppliers.';
comment on column inventory.purchase_orders.po_number is 'class=operational;about=Number of the order, one series a tenant.';
comment on column inventory.purchase_orders.supplier_id is 'class=operational;about=From whom.';
comment on column inventory.purchase_orders.store_location_id is 'class=operational;about=Where the goods go.';
comment on column inventory.purchase_orders.ordered_by is 'class=operational;about=The staff member who drafted it.';
comment on column inventory.purchase_orders.ordered_at is 'class=operational;about=When the order was drafted.';
comment on column inventory.purchase_orders.expected_on is 'class=operational;about=When the goods should come.';
comment on column inventory.purchase_orders.total is 'class=financial;about=Sum of the lines with tax.';
comment on column inventory.purchase_orders.currency is 'class=financial;about=Currency (ISO 4217).';
comment on column inventory.purchase_orders.approved_by is 'class=operational;about=The staff member who approved or rejected it.';
comment on column inventory.purchase_orders.approved_at is 'class=operational;about=When it was approved or rejected.';
comment on column inventory.purchase_orders.terms is 'class=financial;about=Conditions that were agreed, as {key: text}.';
comment on column inventory.purchase_orders.status is 'class=operational;about=Where the order stands, from draft to received.';
select core.comment_standard_columns('inventory.purchase_orders');

alter table inventory.purchase_orders enable row level security, force row level security;
drop policy if exists tenant_isolation on inventory.purchase_orders;
create policy tenant_isolation on inventory.purchase_orders
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger purchase_orders_touch before update on inventory.purchase_orders
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger purchase_orders_transition before insert or update of status on inventory.purchase_orders
  for each row execute function core.enforce_transition('inventory.purchase_orders', 'status');
select audit.track('inventory.purchase_orders');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('inventory.purchase_orders', '', 'draft', false, null),
  ('inventory.purchase_orders', 'draft', 'submitted', false, null),
  ('inventory.purchase_orders', 'draft', 'cancelled', true, null),
  ('inventory.purchase_orders', 'submitted', 'approved', false, null),
  ('inventory.purchase_orders', 'submitted', 'rejected', true, null),
  ('inventory.purchase_orders', 'approved', 'sent', false, null),
  ('inventory.purchase_orders', 'approved', 'cancelled', true, null),
  ('inventory.purchase_orders', 'sent', 'partially_received', false, null),
  ('inventory.purchase_orders', 'sent', 'received', false, null),
  ('inventory.purchase_orders', 'sent', 'cancelled', true, null),
  ('inventory.purchase_orders', 'partially_received', 'received', false, null),
  ('inventory.purchase_orders', 'partially_received', 'closed_short', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on inventory.purchase_orders to inventory_app, inventory_ro;
grant update (expected_on, terms, row_version) on inventory.purchase_orders to inventory_app;

-- inventory.purchase_order_items: the lines of a purchase order. received_qty counts what goods receipts accepted, without
-- free goods; suppliers may deliver 5 % more than was ordered, never more.
create table if not exists inventory.purchase_order_items (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  po_id uuid not null,
  line_no smallint not null,
  item_id uuid not null,
  quantity numeric(14, 3) not null,
  received_qty numeric(14, 3) not null default 0,
  unit_price numeric(14, 2) not null,
  tax_rate numeric(5, 2) not null default 0,
  free_qty numeric(14, 3) not null default 0,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint purchase_order_items_pkey primary key (tenant_id, id),
  constraint purchase_order_items_po_line_no_key unique (tenant_id, po_id, line_no),
  -- what goods receipts refer to: goods count for a line of their item
  constraint purchase_order_items_item_key unique (tenant_id, id, item_id),
  constraint purchase_order_items_quantity_positive check (quantity > 0),
  constraint purchase_order_items_received_at_most_105_percent check (received_qty between 0 and quantity * 1.05),
  constraint purchase_order_items_unit_price_not_negative check (unit_price >= 0),
  constraint purchase_order_items_tax_rate_check check (tax_rate between 0 and 40),
  constraint purchase_order_items_free_qty_not_negative check (free_qty >= 0),
  constraint purchase_order_items_line_no_check check (line_no >= 1),
  constraint purchase_order_items_finite check (quantity <> 'NaN' and unit_price <> 'NaN' and free_qty <> 'NaN'),
  constraint purchase_order_items_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint purchase_order_items_po_fkey
    foreign key (tenant_id, po_id) references inventory.purchase_orders (tenant_id, id),
  constraint purchase_order_items_item_fkey
    foreign key (tenant_id, item_id) references inventory.items (tenant_id, id)
);

create index if not exists purchase_order_items_item_idx on inventory.purchase_order_items (tenant_id, item_id);

comment on table inventory.purchase_order_items is 'class=financial;scope=tenant;owner=inventory;fhir=SupplyRequest;retention=financial;about=The lines of a purchase order.';
comment on column inventory.purchase_order_items.po_id is 'class=operational;about=The order.';
comment on column inventory.purchase_order_items.line_no is 'class=operational;about=Line, counted from 1.';
comment on column inventory.purchase_order_items.item_id is 'class=operational;about=The item.';
comment on column inventory.purchase_order_items.quantity is 'class=operational;about=Base units ordered.';
comment on column inventory.purchase_order_items.received_qty is 'class=operational;about=Base units accepted so far.';
comment on column inventory.purchase_order_items.unit_price is 'class=financial;about=Price of a base unit without tax.';
comment on column inventory.purchase_order_items.tax_rate is 'class=financial;about=Tax rate in percent.';
comment on column inventory.purchase_order_items.free_qty is 'class=operational;about=Base units that the supplier adds free of charge.';
select core.comment_standard_columns('inventory.purchase_order_items');

alter table inventory.purchase_order_items enable row level security, force row level security;
drop policy if exists tenant_isolation on inventory.purchase_order_items;
create policy tenant_isolation on inventory.purchase_order_items
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger purchase_order_items_touch before update on inventory.purchase_order_items
  for each row execute function core.update_updated_at_column('row_version');
select audit.track('inventory.purchase_order_items');

grant select on inventory.purchase_order_items to inventory_app, inventory_ro;

-- inventory.goods_receipts: goods received notes. Stock appears when a note is posted, not before, and goods whose cold
-- chain broke are never posted. An invoice of a supplier is received once.
create table if not exists inventory.goods_receipts (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  grn_number text not null,
  po_id uuid,
  supplier_id uuid not null,
  store_location_id uuid not null,
  invoice_no text not null,
  invoice_on date not null,
  received_at timestamptz not null default now(),
  received_by uuid not null,
  inspected_by uuid,
  total numeric(14, 2) not null default 0,
  temperature_ok boolean,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint goods_receipts_pkey primary key (tenant_id, id),
  constraint goods_receipts_grn_number_key unique (tenant_id, grn_number),
  constraint goods_receipts_invoice_not_blank check (btrim(invoice_no) <> ''),
  constraint goods_receipts_status_check check (status in ('draft', 'inspected', 'cancelled', 'posted', 'rejected')),
  constraint goods_receipts_posted_is_inspected check (status <> 'posted' or inspected_by is not null),
  constraint goods_receipts_posted_kept_cold check (status <> 'posted' or temperature_ok is not false),
  constraint goods_receipts_total_not_negative check (total >= 0),
  constraint goods_receipts_finite check (total <> 'NaN'),
  constraint goods_receipts_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint goods_receipts_po_fkey
    foreign key (tenant_id, po_id) references inventory.purchase_orders (tenant_id, id),
  constraint goods_receipts_supplier_fkey
    foreign key (tenant_id, supplier_id) references inventory.suppliers (tenant_id, id)
);

-- an invoice is received once; a note that was cancelled or rejected makes room for another
create unique index if not exists goods_receipts_supplier_invoice_no_key
  on inventory.goods_receipts (tenant_id, supplier_id, invoice_no)
  where status not in ('cancelled', 'rejected');
create index if not exists goods_receipts_supplier_idx on inventory.goods_receipts (tenant_id, supplier_id);
create index if not exists goods_receipts_open_idx on inventory.goods_receipts (tenant_id, received_at)
  where status in ('draft', 'inspected');
create index if not exists goods_receipts_po_idx on inventory.goods_receipts (tenant_id, po_id)
  where po_id is not null;
create index if not exists goods_receipts_store_location_idx on inventory.goods_receipts (tenant_id, store_location_id);
create index if not exists goods_receipts_received_by_idx on inventory.goods_receipts (tenant_id, received_by);
create index if not exists goods_receipts_inspected_by_idx on inventory.goods_receipts (tenant_id, inspected_by)
  where inspected_by is not null;

comment on table inventory.goods_receipts is 'class=financial;scope=tenant;owner=inventory;fhir=SupplyDelivery;retention=financial;about=Goods received notes; stock appears when one is posted.';
comment on column inventory.goods_receipts.grn_number is 'class=operational;about=Number of the note, one series a tenant.';
comment on column inventory.goods_receipts.po_id is 'class=operational;about=The order that the goods answer; null for goods without one.';
comment on column inventory.goods_receipts.supplier_id is 'class=operational;about=From whom.';
comment on column inventory.goods_receipts.store_location_id is 'class=operational;about=Where the goods went.';
comment on column inventory.goods_receipts.invoice_no is 'class=financial;about=Invoice number of the supplier.';
comment on column inventory.goods_receipts.invoice_on is 'class=financial;about=Date of the invoice.';
comment on column inventory.goods_receipts.received_at is 'class=operational;about=When the goods arrived.';
comment on column inventory.goods_receipts.received_by is 'class=operational;about=The staff member who took them in.';
comment on column inventory.goods_receipts.inspected_by is 'class=operational;about=The staff member who checked them.';
comment on column inventory.goods_receipts.total is 'class=financial;about=Sum of the accepted lines with tax.';
comment on column inventory.goods_receipts.temperature_ok is 'class=operational;about=Whether the cold chain held; null when the goods need none.';
comment on column inventory.goods_receipts.status is 'class=operational;about=draft, inspected, posted (in stock), rejected or cancelled.';
select core.comment_standard_columns('inventory.goods_receipts');

alter table inventory.goods_receipts enable row level security, force row level security;
drop policy if exists tenant_isolation on inventory.goods_receipts;
create policy tenant_isolation on inventory.goods_receipts
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger goods_receipts_touch before update on inventory.goods_receipts
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger goods_receipts_transition before insert or update of status on inventory.goods_receipts
  for each row execute function core.enforce_transition('inventory.goods_receipts', 'status');
select audit.track('inventory.goods_receipts');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('inventory.goods_receipts', '', 'draft', false, null),
  ('inventory.goods_receipts', 'draft', 'inspected', false, null),
  ('inventory.goods_receipts', 'draft', 'cancelled', true, null),
  ('inventory.goods_receipts', 'inspected', 'posted', false, null),
  ('inventory.goods_receipts', 'inspected', 'rejected', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on inventory.goods_receipts to inventory_app, inventory_ro;

-- inventory.goods_receipt_items: the lines of a goods received note; each makes a batch or adds to one.
--
-- What expires sooner than the item allows may be recorded as rejected, never as accepted (IM530).
create table if not exists inventory.goods_receipt_items (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  grn_id uuid not null,
  line_no smallint not null,
  po_item_id uuid,
  item_id uuid not null,
  batch_no text not null,
  mfg_on date,
  expiry_on date not null,
  accepted_qty numeric(14, 3) not null default 0,
  rejected_qty numeric(14, 3) not null default 0,
  free_qty numeric(14, 3) not null default 0,
  unit_price numeric(14, 2) not null,
  mrp numeric(14, 2),
  tax_rate numeric(5, 2) not null default 0,
  reject_reason text,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint goods_receipt_items_pkey primary key (tenant_id, id),
  constraint goods_receipt_items_grn_line_no_key unique (tenant_id, grn_id, line_no),
  constraint goods_receipt_items_rejected_with_reason check (rejected_qty = 0 or reject_reason is not null),
  constraint goods_receipt_items_quantities_not_negative check (
    accepted_qty >= 0 and rejected_qty >= 0 and free_qty >= 0 and accepted_qty + rejected_qty + free_qty > 0
  ),
  constraint goods_receipt_items_prices_not_negative check (unit_price >= 0 and mrp >= 0),
  constraint goods_receipt_items_tax_rate_check check (tax_rate between 0 and 40),
  constraint goods_receipt_items_expire_after_manufacture check (expiry_on > mfg_on),
  constraint goods_receipt_items_batch_no_not_blank check (btrim(batch_no) <> ''),
  constraint goods_receipt_items_line_no_check check (line_no >= 1),
  constraint goods_receipt_items_finite check (
    accepted_qty <> 'NaN' and rejected_qty <> 'NaN' and free_qty <> 'NaN' and unit_price <> 'NaN' and mrp <> 'NaN'
  ),
  constraint goods_receipt_items_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint goods_receipt_items_grn_fkey
    foreign key (tenant_id, grn_id) references inventory.goods_receipts (tenant_id, id),
  constraint goods_receipt_items_po_item_fkey
    foreign key (tenant_id, po_item_id, item_id) references inventory.purchase_order_items (tenant_id, id, item_id),
  constraint goods_receipt_items_item_fkey
    foreign key (tenant_id, item_id) references inventory.items (tenant_id, id)
);

create index if not exists goods_receipt_items_po_item_idx on inventory.goods_receipt_items (tenant_id, po_item_id, item_id)
  where po_item_id is not null;
create index if not exists goods_receipt_items_item_idx on inventory.goods_receipt_items (tenant_id, item_id);

comment on table inventory.goods_receipt_items is 'class=financial;scope=tenant;owner=inventory;fhir=SupplyDelivery;retention=financial;append_only=1;about=The lines of a goods received note; each makes a batch or adds to one.';
comment on column inventory.goods_receipt_items.grn_id is 'class=operational;about=The note.';
comment on column inventory.goods_receipt_items.line_no is 'class=operational;about=Line, counted from 1.';
comment on column inventory.goods_receipt_items.po_item_id is 'class=operational;about=The line of the order that it answers.';
comment on column inventory.goods_receipt_items.item_id is 'class=operational;about=The item.';
comment on column inventory.goods_receipt_items.batch_no is 'class=operational;about=Batch number as printed.';
comment on column inventory.goods_receipt_items.mfg_on is 'class=operational;about=Day of manufacture.';
comment on column inventory.goods_receipt_items.expiry_on is 'class=operational;about=Last day of use.';
comment on column inventory.goods_receipt_items.accepted_qty is 'class=operational;about=Base units taken into stock and paid.';
comment on column inventory.goods_receipt_items.rejected_qty is 'class=operational;about=Base units sent back.';
comment on column inventory.goods_receipt_items.free_qty is 'class=operational;about=Base units taken into stock free of charge.';
comment on column inventory.goods_receipt_items.unit_price is 'class=financial;about=Price of a base unit without tax.';
comment on column inventory.goods_receipt_items.mrp is 'class=financial;about=Maximum retail price of a base unit.';
comment on column inventory.goods_receipt_items.tax_rate is 'class=financial;about=Tax rate in percent.';
comment on column inventory.goods_receipt_items.reject_reason is 'class=operational;about=Why goods were sent back.';
select core.comment_standard_columns('inventory.goods_receipt_items');

alter table inventory.goods_receipt_items enable row level security, force row level security;
drop policy if exists tenant_isolation on inventory.goods_receipt_items;
create policy tenant_isolation on inventory.goods_receipt_items
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger goods_receipt_items_no_aadhaar before insert on inventory.goods_receipt_items
  for each row execute function core.reject_aadhaar_like('reject_reason');
create or replace trigger goods_receipt_items_shelf_life before insert on inventory.goods_receipt_items
  for each row execute function inventory.check_shelf_life();
create or replace trigger goods_receipt_items_append_only before update or delete on inventory.goods_receipt_items
  for each row execute function core.refuse_change();
create or replace trigger goods_receipt_items_no_truncate before truncate on inventory.goods_receipt_items
  for each statement execute function core.refuse_change();
select audit.track('inventory.goods_receipt_items');

grant select on inventory.goods_receipt_items to inventory_app, inventory_ro;

-- inventory.indents: a ward or sub-store asks a store for goods. Goods go from from_location_id to to_location_id; between
-- issue and receipt they are in no balance, the ledger shows them as a transfer_out without its transfer_in.
--
-- Who asks does not approve: a constraint says so.
create table if not exists inventory.indents (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  indent_number text not null,
  from_location_id uuid not null,
  to_location_id uuid not null,
  requested_by uuid not null,
  approved_by uuid,
  needed_by timestamptz,
  priority text not null default 'routine',
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint indents_pkey primary key (tenant_id, id),
  constraint indents_indent_number_key unique (tenant_id, indent_number),
  constraint indents_priority_check check (priority in ('routine', 'urgent', 'emergency')),
  constraint indents_status_check check (
    status in ('draft', 'submitted', 'cancelled', 'approved', 'rejected', 'partially_issued', 'issued', 'closed_short', 'received')
  ),
  constraint indents_between_two_places check (from_location_id <> to_location_id),
  constraint indents_approved_by_another check (approved_by <> requested_by),
  constraint indents_approved_before_issued check (
    status in ('draft', 'submitted', 'cancelled', 'rejected') or approved_by is not null
  ),
  constraint indents_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

-- what a store has to approve and issue
create index if not exists indents_open_idx on inventory.indents (tenant_id, from_location_id, created_at)
  where status in ('submitted', 'approved', 'partially_issued');
-- what a ward waits for
create index if not exists indents_to_receive_idx on inventory.indents (tenant_id, to_location_id, created_at)
  where status in ('partially_issued', 'issued');
create index if not exists indents_from_location_idx on inventory.indents (tenant_id, from_location_id);
create index if not exists indents_to_location_idx on inventory.indents (tenant_id, to_location_id);
create index if not exists indents_requested_by_idx on inventory.indents (tenant_id, requested_by);
create index if not exists indents_approved_by_idx on inventory.indents (tenant_id, approved_by)
  where approved_by is not null;

comment on table inventory.indents is 'class=operational;scope=tenant;owner=inventory;fhir=SupplyRequest;retention=operational;about=What a ward or sub-store asks a store for.';
comment on column inventory.indents.indent_number is 'class=operational;about=Number of the indent, one series a tenant.';
comment on column inventory.indents.from_location_id is 'class=operational;about=The store that gives.';
comment on column inventory.indents.to_location_id is 'class=operational;about=The ward or sub-store that asked and gets.';
comment on column inventory.indents.requested_by is 'class=operational;about=The staff member who asked.';
comment on column inventory.indents.approved_by is 'class=operational;about=The staff member who approved or rejected it.';
comment on column inventory.indents.needed_by is 'class=operational;about=When the goods are needed.';
comment on column inventory.indents.priority is 'class=operational;about=routine, urgent or emergency.';
comment on column inventory.indents.status is 'class=operational;about=Where the indent stands, from submitted to received.';
select core.comment_standard_columns('inventory.indents');

alter table inventory.indents enable row level security, force row level security;
drop policy if exists tenant_isolation on inventory.indents;
create policy tenant_isolation on inventory.indents
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger indents_touch before update on inventory.indents
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger indents_transition before insert or update of status on inventory.indents
  for each row execute function core.enforce_transition('inventory.indents', 'status');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('inventory.indents', '', 'draft', false, null),
  ('inventory.indents', 'draft', 'submitted', false, null),
  ('inventory.indents', 'draft', 'cancelled', true, null),
  ('inventory.indents', 'submitted', 'approved', false, null),
  ('inventory.indents', 'submitted', 'rejected', true, null),
  ('inventory.indents', 'submitted', 'cancelled', true, null),
  ('inventory.indents', 'approved', 'partially_issued', false, null),
  ('inventory.indents', 'approved', 'issued', false, null),
  ('inventory.indents', 'approved', 'cancelled', true, null),
  ('inventory.indents', 'partially_issued', 'issued', false, null),
  ('inventory.indents', 'partially_issued', 'closed_short', true, null),
  ('inventory.indents', 'issued', 'received', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on inventory.indents to inventory_app, inventory_ro;
grant update (needed_by, priority, row_version) on inventory.indents to inventory_app;

-- inventory.indent_items: the lines of an indent, one an item. Received is at most issued, issued at most approved, approved
-- at most requested.
create table if not exists inventory.indent_items (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  indent_id uuid not null,
  line_no smallint not null,
  item_id uuid not null,
  requested_qty numeric(14, 3) not null,
  approved_qty numeric(14, 3),
  issued_qty numeric(14, 3) not null default 0,
  received_qty numeric(14, 3) not null default 0,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint indent_items_pkey primary key (tenant_id, id),
  constraint indent_items_indent_line_no_key unique (tenant_id, indent_id, line_no),
  constraint indent_items_indent_item_key unique (tenant_id, indent_id, item_id),
  constraint indent_items_requested_positive check (requested_qty > 0),
  constraint indent_items_approved_at_most_requested check (approved_qty between 0 and requested_qty),
  constraint indent_items_issued_at_most_approved check (issued_qty between 0 and coalesce(approved_qty, 0)),
  constraint indent_items_received_at_most_issued check (received_qty between 0 and issued_qty),
  constraint indent_items_line_no_check check (line_no >= 1),
  constraint indent_items_finite check (requested_qty <> 'NaN'),
  constraint indent_items_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint indent_items_indent_fkey
    foreign key (tenant_id, indent_id) references inventory.indents (tenant_id, id),
  constraint indent_items_item_fkey
    foreign key (tenant_id, item_id) references inventory.items (tenant_id, id)
);

create index if not exists indent_items_item_idx on inventory.indent_items (tenant_id, item_id);

comment on table inventory.indent_items is 'class=operational;scope=tenant;owner=inventory;fhir=SupplyRequest;retention=operational;about=The lines of an indent.';
comment on column inventory.indent_items.indent_id is 'class=operational;about=The indent.';
comment on column inventory.indent_items.line_no is 'class=operational;about=Line, counted from 1.';
comment on column inventory.indent_items.item_id is 'class=operational;about=The item.';
comment on column inventory.indent_items.requested_qty is 'class=operational;about=Base units asked for.';
comment on column inventory.indent_items.approved_qty is 'class=operational;about=Base units approved; null until then.';
comment on column inventory.indent_items.issued_qty is 'class=operational;about=Base units that left the store.';
comment on column inventory.indent_items.received_qty is 'class=operational;about=Base units that arrived; what is missing was lost on the way.';
select core.comment_standard_columns('inventory.indent_items');

alter table inventory.indent_items enable row level security, force row level security;
drop policy if exists tenant_isolation on inventory.indent_items;
create policy tenant_isolation on inventory.indent_items
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger indent_items_touch before update on inventory.indent_items
  for each row execute function core.update_updated_at_column('row_version');

grant select on inventory.indent_items to inventory_app, inventory_ro;

-- compliance: tables

-- Indexes that erasure needs on tables of others: the keys of a person, and who has been here longest.
create index if not exists encryption_keys_subject_idx on core.encryption_keys (tenant_id, subject_type, subject_id)
  where subject_id is not null;

-- other services: tables

create or replace view compliance.legal_holds with (security_invoker = true) as
select
  r.tenant_id,
  r.entity_id as id,
  (r.attrs ->> 'scope')::jsonb as scope,
  (r.attrs ->> 'patient_id')::uuid as patient_id,
  r.attrs ->> 'status' as status
from core.entity_refs r
where r.entity_type = 'compliance.legal_holds' and (r.lifecycle <> 'deleted');

comment on view compliance.legal_holds is 'about=What the service business publishes of compliance.legal_holds, kept by its events.';
comment on column compliance.legal_holds.tenant_id is 'class=operational;about=The tenant that the row belongs to; null in a tenant-or-global table means shared by all.';
comment on column compliance.legal_holds.id is 'class=operational;about=Identity of the row, a UUID version 7.';
comment on column compliance.legal_holds.scope is 'class=operational;about=What it covers: {"schema": .., "table": .., "row_ids": [..]}, each narrowing; {"all": true} for the whole tenant; {} with a patient for all of theirs.';
comment on column compliance.legal_holds.patient_id is 'class=phi;about=The patient whose data it covers, all patients when empty.';
comment on column compliance.legal_holds.status is 'class=operational;about=active or released.';

create or replace view facility.clinics with (security_invoker = true) as
select
  r.tenant_id,
  r.entity_id as id,
  r.attrs ->> 'code' as code,
  r.attrs ->> 'name' as name,
  r.attrs ->> 'timezone' as timezone,
  r.attrs ->> 'status' as status,
  r.attrs ->> 'ownership' as ownership,
  r.attrs ->> 'gstin' as gstin,
  r.attrs ->> 'state_code' as state_code,
  (r.attrs ->> 'deleted_at')::timestamp with time zone as deleted_at
from core.entity_refs r
where r.entity_type = 'facility.clinics' and (r.lifecycle <> 'deleted' or r.attrs ? 'deleted_at');

comment on view facility.clinics is 'about=What the service facility publishes of facility.clinics, kept by its events.';
comment on column facility.clinics.tenant_id is 'class=operational;about=The tenant that the row belongs to; null in a tenant-or-global table means shared by all.';
comment on column facility.clinics.id is 'class=operational;about=Identity of the row, a UUID version 7.';
comment on column facility.clinics.code is 'class=operational;about=Short code, unique in the tenant; appears in numbers such as those of appointments.';
comment on column facility.clinics.name is 'class=operational;about=Name of the site.';
comment on column facility.clinics.timezone is 'class=operational;about=IANA time zone; opening hours, schedules and days of numbers are counted in it.';
comment on column facility.clinics.status is 'class=operational;about=draft, active, suspended or closed (for good).';
comment on column facility.clinics.ownership is 'class=operational;about=public, private or charitable: some packages of schemes are reserved for public hospitals.';
comment on column facility.clinics.gstin is 'class=operational;about=Goods and Services Tax number; its check character is tested.';
comment on column facility.clinics.state_code is 'class=operational;about=State by its GST or ISO 3166-2 code.';
comment on column facility.clinics.deleted_at is 'class=operational;about=When the row was deleted; the row itself stays.';

create or replace view facility.locations with (security_invoker = true) as
select
  r.tenant_id,
  r.entity_id as id,
  (r.attrs ->> 'clinic_id')::uuid as clinic_id,
  (r.attrs ->> 'parent_location_id')::uuid as parent_location_id,
  r.attrs ->> 'name' as name,
  r.attrs ->> 'kind' as kind,
  r.attrs ->> 'sex_policy' as sex_policy,
  (r.attrs ->> 'isolation_capable')::boolean as isolation_capable,
  r.attrs ->> 'care_class' as care_class,
  (r.attrs ->> 'deleted_at')::timestamp with time zone as deleted_at
from core.entity_refs r
where r.entity_type = 'facility.locations' and (r.lifecycle <> 'deleted' or r.attrs ? 'deleted_at');

comment on view facility.locations is 'about=What the service facility publishes of facility.locations, kept by its events.';
comment on column facility.locations.tenant_id is 'class=operational;about=The tenant that the row belongs to; null in a tenant-or-global table means shared by all.';
comment on column facility.locations.id is 'class=operational;about=Identity of the row, a UUID version 7.';
comment on column facility.locations.clinic_id is 'class=operational;about=The clinic it is in.';
comment on column facility.locations.parent_location_id is 'class=operational;about=The place that contains it, in the same clinic.';
comment on column facility.locations.name is 'class=operational;about=Name on the door.';
comment on column facility.locations.kind is 'class=operational;about=building, floor, ward, room, bay, theatre, store, collection_point, counter, cold_store or mortuary.';
comment on column facility.locations.sex_policy is 'class=operational;about=Who may lie here: any, male, female or paediatric.';
comment on column facility.locations.isolation_capable is 'class=operational;about=Has what isolation of a patient needs.';
comment on column facility.locations.care_class is 'class=operational;about=Class of care given here; only for wards, rooms and bays.';
comment on column facility.locations.deleted_at is 'class=operational;about=When the row was deleted; the row itself stays.';

create or replace view workforce.staff with (security_invoker = true) as
select
  r.tenant_id,
  r.entity_id as id,
  (r.attrs ->> 'user_id')::uuid as user_id,
  r.attrs ->> 'status' as status,
  (r.attrs ->> 'department_id')::uuid as department_id,
  (r.attrs ->> 'deleted_at')::timestamp with time zone as deleted_at
from core.entity_refs r
where r.entity_type = 'workforce.staff' and (r.lifecycle <> 'deleted' or r.attrs ? 'deleted_at');

comment on view workforce.staff is 'about=What the service business publishes of workforce.staff, kept by its events.';
comment on column workforce.staff.tenant_id is 'class=operational;about=The tenant that the row belongs to; null in a tenant-or-global table means shared by all.';
comment on column workforce.staff.id is 'class=operational;about=Identity of the row, a UUID version 7.';
comment on column workforce.staff.user_id is 'class=pii;about=The account of this person, where there is one.';
comment on column workforce.staff.status is 'class=operational;about=onboarding, active, on_leave, suspended or left.';
comment on column workforce.staff.department_id is 'class=operational;about=Home department.';
comment on column workforce.staff.deleted_at is 'class=operational;about=When the row was deleted; the row itself stays.';


-- =====================================================================================================================
-- FOREIGN KEYS
-- =====================================================================================================================

-- inventory: foreign keys

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'inventory.batches'::pg_catalog.regclass and conname = 'batches_goods_receipt_item_fkey') then
    alter table inventory.batches add constraint batches_goods_receipt_item_fkey
  foreign key (tenant_id, goods_receipt_item_id) references inventory.goods_receipt_items (tenant_id, id);
  end if;
end
$$;


-- =====================================================================================================================
-- FUNCTIONS
-- =====================================================================================================================

-- core: functions

-- Settings, and what this database is for. The environment is a property of the database, written once: neither an
-- environment variable nor the folder that a command runs in can turn production into development.
create or replace function core.setting(p_key text) returns jsonb
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select s.value
  from core.system_settings s
  where s.key = p_key and (s.tenant_id = core.current_tenant_id() or s.tenant_id is null)
  order by s.tenant_id nulls last
  limit 1
$$;

comment on function core.setting(text) is 'about=Value of a setting: the tenant''s own, else the shared one, else null.';

create or replace function core.environment() returns text
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$ select s.value #>> '{}' from core.system_settings s where s.key = 'core.environment' and s.tenant_id is null $$;

comment on function core.environment() is 'about=dev, test, staging or production; null until core.set_environment was called.';

create or replace function core.set_environment(p_environment text) returns text
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_name text := case p_environment when 'development' then 'dev' else p_environment end;
begin
  if v_name not in ('dev', 'test', 'staging', 'production') then
    raise exception 'unknown environment "%"', p_environment
      using errcode = '22023', hint = 'use dev, test, staging or production';
  end if;
  insert into core.system_settings (tenant_id, key, value, value_type, description, is_protected)
  values (null, 'core.environment', pg_catalog.to_jsonb(v_name), 'string', 'What this database is for; written once.', true)
  on conflict (tenant_id, key) do nothing;
  if core.environment() <> v_name then
    raise exception 'this database is marked "%"', core.environment()
      using errcode = 'IM006', hint = 'the mark cannot be changed; install a new database for another environment';
  end if;
  return v_name;
end
$$;

comment on function core.set_environment(text) is 'about=Marks the database as dev (or development), test, staging or production, once. IM006 it is marked otherwise.';

create or replace function core.assert_not_production() returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if core.environment() is null then
    raise exception 'this database has no environment mark, so demo data is refused'
      using errcode = 'IM006', hint = 'run: select core.set_environment(''dev'')';
  end if;
  if core.environment() = 'production' then
    raise exception 'demo data is refused on a production database'
      using errcode = 'IM006', hint = 'use a database that is marked dev, test or staging';
  end if;
end
$$;

comment on function core.assert_not_production() is 'about=First statement of every demo seed: raises IM006 on a database that is marked production, or not marked at all.';

-- Numbers that people read: MRNs, appointment numbers, tokens, invoice numbers.
-- One counter row a series; its row lock is what makes two callers get two numbers. Take a number as late in the
-- transaction as possible: a gapless series admits one open transaction at a time.
create or replace function core.configure_series(
  p_scope text,
  p_series text,
  p_prefix text default '',
  p_pad int default 0,
  p_period text default 'none',
  p_gapless boolean default true,
  p_check_algo text default 'none',
  p_max_len int default 64
) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  insert into core.id_sequences as s (tenant_id, scope, series, period, period_key, prefix, pad, check_algo, gapless, max_len)
  values (core.require_tenant(), p_scope, p_series, p_period, '', p_prefix, p_pad, p_check_algo, p_gapless, p_max_len)
  on conflict (tenant_id, scope, series, period_key) do update
  set prefix = excluded.prefix, pad = excluded.pad, check_algo = excluded.check_algo, max_len = excluded.max_len
  where (s.prefix, s.pad, s.check_algo, s.max_len)
    is distinct from (excluded.prefix, excluded.pad, excluded.check_algo, excluded.max_len);
end
$$;

comment on function core.configure_series(text, text, text, int, text, boolean, text, int) is 'about=Describes a series of numbers, or changes how its next numbers are written. The counter and the period stay as they are.';

create or replace function core.period_key(p_period text, p_at date) returns text
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select case p_period
    when 'none' then ''
    when 'day' then pg_catalog.to_char(p_at, 'YYYY-MM-DD')
    when 'month' then pg_catalog.to_char(p_at, 'YYYY-MM')
    when 'year' then pg_catalog.to_char(p_at, 'YYYY')
    when 'fiscal_year' then (
      select 'FY' || pg_catalog.to_char(y.start, 'YYYY') || '-' || pg_catalog.to_char(y.start + interval '1 year', 'YY')
      from (
        select p_at - ((coalesce((core.setting('core.fiscal_year_start_month') #>> '{}')::int, 4) - 1) || ' months')::interval as start
      ) as y
    )
  end
$$;

comment on function core.period_key(text, date) is 'about=The key of the period that a date falls into; a fiscal year starts in the month of setting core.fiscal_year_start_month (default April).';

create or replace function core.tenant_zone() returns text
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  return (select t.timezone from core.tenants t where t.id = core.require_tenant());
end
$$;

comment on function core.tenant_zone() is 'about=The time zone of the tenant, for the day of an instant that belongs to no clinic. IM003 no tenant.';

create or replace function core.tenant_today() returns date
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  return (now() at time zone core.tenant_zone())::date;
end
$$;

comment on function core.tenant_today() is 'about=The date in the time zone of the tenant, for what belongs to no clinic: a number, a batch, a licence. IM003 no tenant.';

create or replace function core.next_number(p_scope text, p_series text, p_at date default core.tenant_today()) returns text
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_series record;
  v_key text;
  v_value bigint;
  v_number text;
begin
  select s.period, s.prefix, s.pad, s.check_algo, s.gapless, s.max_len into v_series
  from core.id_sequences s
  where s.tenant_id = v_tenant and s.scope = p_scope and s.series = p_series and s.period_key = '';
  if not found then
    raise exception 'no series "%" of scope "%"', p_series, p_scope
      using errcode = 'IM551', hint = 'describe it with core.configure_series';
  end if;
  v_key := core.period_key(v_series.period, p_at);

  update core.id_sequences s
  set last_value = s.last_value + 1
  where s.tenant_id = v_tenant and s.scope = p_scope and s.series = p_series and s.period_key = v_key
  returning s.last_value into v_value;
  if not found then -- first number of a period; the unique key decides between two that find none
    insert into core.id_sequences as s
      (tenant_id, scope, series, period, period_key, prefix, pad, check_algo, gapless, max_len, last_value)
    values
      (v_tenant, p_scope, p_series, v_series.period, v_key, v_series.prefix, v_series.pad, v_series.check_algo,
       v_series.gapless, v_series.max_len, 1)
    on conflict (tenant_id, scope, series, period_key) do update set last_value = s.last_value + 1
    returning s.last_value into v_value;
  end if;

  v_number := v_series.prefix;
  if pg_catalog.strpos(v_number, '{') > 0 then
    v_number := pg_catalog.replace(v_number, '{YYYY}', pg_catalog.to_char(p_at, 'YYYY'));
    v_number := pg_catalog.replace(v_number, '{YY}', pg_catalog.to_char(p_at, 'YY'));
    v_number := pg_catalog.replace(v_number, '{MM}', pg_catalog.to_char(p_at, 'MM'));
    v_number := pg_catalog.replace(v_number, '{DD}', pg_catalog.to_char(p_at, 'DD'));
    if pg_catalog.strpos(v_number, '{FY}') > 0 then -- needs a setting
      v_number := pg_catalog.replace(v_number, '{FY}', core.period_key('fiscal_year', p_at));
    end if;
  end if;
  v_number := v_number || pg_catalog.lpad(v_value::text, greatest(v_series.pad, pg_catalog.length(v_value::text)), '0');
  if v_series.check_algo <> 'none' then
    -- check characters are computed over letters and digits only; the digit algorithms over the digits
    v_number := v_number || core.check_character(
      case v_series.check_algo
        when 'mod37_2' then pg_catalog.regexp_replace(pg_catalog.upper(v_number), '[^0-9A-Z]', '', 'g')
        else pg_catalog.regexp_replace(v_number, '[^0-9]', '', 'g')
      end,
      v_series.check_algo
    );
  end if;
  if pg_catalog.length(v_number) > v_series.max_len then
    raise exception 'number of series "%" is longer than % characters', p_series, v_series.max_len
      using errcode = 'IM552', hint = 'shorten the prefix or start a new series';
  end if;
  return v_number;
end
$$;

comment on function core.next_number(text, text, date) is 'about=The next number of a series: strictly increasing per period, without gaps because a rollback takes it back. IM551 no such series, IM552 longer than the series allows.';

create or replace function core.next_default_number(
  p_scope text,
  p_series text,
  p_prefix text,
  p_pad int default 6,
  p_period text default 'year',
  p_at date default core.tenant_today()
) returns text
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (
    select
    from core.id_sequences s
    where s.tenant_id = core.require_tenant() and s.scope = p_scope and s.series = p_series and s.period_key = ''
  ) then
    perform core.configure_series(p_scope, p_series, p_prefix, p_pad, p_period);
  end if;
  return core.next_number(p_scope, p_series, p_at);
end
$$;

comment on function core.next_default_number(text, text, text, int, text, date) is 'about=The next number of a series that a tenant may have described with core.configure_series; one that was not is described on its first use, with this prefix ({YYYY}, {YY}, {MM}, {DD}, {FY}), padding and period. IM552 longer than the series allows.';

-- Idempotent operations: the same key and content get the same answer, once.
create or replace function core.idempotent_begin(
  p_operation text,
  p_key text,
  p_request_hash bytea,
  p_lease interval default interval '30 seconds',
  out state text,
  out response jsonb
) returns record
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_row core.idempotency_keys;
begin
  -- a second caller waits here until the first commits or rolls back
  insert into core.idempotency_keys (tenant_id, operation, key, request_hash, locked_until, expires_at)
  values (v_tenant, p_operation, p_key, p_request_hash, now() + p_lease, now() + interval '48 hours')
  on conflict (tenant_id, operation, key) do nothing;
  if found then
    state := 'new';
    return;
  end if;

  select k.* into v_row
  from core.idempotency_keys k
  where k.tenant_id = v_tenant and k.operation = p_operation and k.key = p_key
  for update;
  if v_row.request_hash <> p_request_hash then
    raise exception 'key "%" was used for another request', p_key
      using errcode = 'IM011', hint = 'choose a new key for a new request';
  end if;
  if v_row.status = 'succeeded' then
    state := 'done';
    response := v_row.response;
    return;
  end if;
  if v_row.status = 'in_progress' and v_row.locked_until > now() then
    raise exception 'the request with key "%" is still running', p_key
      using errcode = 'IM010', hint = 'repeat it with the same key in a moment';
  end if;
  update core.idempotency_keys k
  set status = 'in_progress', locked_until = now() + p_lease, error_code = null
  where k.tenant_id = v_tenant and k.id = v_row.id;
  state := 'new';
end
$$;

comment on function core.idempotent_begin(text, text, bytea, interval) is 'about=Claims a key. state new: do the work, then core.idempotent_finish; state done: response is the answer that was given. A holder that crashed is replaced after its lease. IM010 still running, IM011 same key with other content.';

create or replace function core.idempotent_finish(
  p_operation text,
  p_key text,
  p_response jsonb,
  p_error_code text default null
) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  update core.idempotency_keys k
  set
    status = case when p_error_code is null then 'succeeded' else 'failed' end,
    response = p_response,
    error_code = p_error_code
  where k.tenant_id = core.require_tenant() and k.operation = p_operation and k.key = p_key and k.status = 'in_progress';
  if not found then
    raise exception 'key "%" is not in progress', p_key
      using errcode = 'IM005', hint = 'call core.idempotent_begin first';
  end if;
end
$$;

comment on function core.idempotent_finish(text, text, jsonb, text) is 'about=Stores the answer (or the failure, which may be tried again) of a claimed key. IM005 the key is not in progress.';

create or replace function core.forget_idempotency_keys(p_limit int default 1000) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_removed int;
begin
  delete from core.idempotency_keys k
  where k.tenant_id = core.require_tenant() and k.id in (
    select e.id
    from core.idempotency_keys e
    where e.tenant_id = core.require_tenant() and e.expires_at < now()
    order by e.expires_at
    limit p_limit
    for update skip locked
  );
  get diagnostics v_removed = row_count;
  return v_removed;
end
$$;

comment on function core.forget_idempotency_keys(int) is 'about=Removes up to p_limit expired keys of the tenant and returns how many.';

-- Outbox: written by operations and state machines, carried on by a relay. Claims are per tenant: a relay walks
-- core.active_tenants(), which also keeps one busy tenant from starving the others.
create or replace function core.enqueue(p_aggregate_type text, p_aggregate_id uuid, p_event_type text, p_payload jsonb) returns bigint
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_seq bigint;
begin
  insert into core.outbox_events (tenant_id, aggregate_type, aggregate_id, event_type, event_version, payload, headers)
  values (
    core.require_tenant(), p_aggregate_type, p_aggregate_id, p_event_type,
    pg_catalog.substring(p_event_type, 'v([0-9]+)$')::smallint, p_payload,
    pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(
      'request_id', nullif(pg_catalog.current_setting('app.request_id', true), ''),
      'correlation_id', nullif(pg_catalog.current_setting('app.correlation_id', true), '')
    ))
  )
  returning aggregate_seq into v_seq;
  return v_seq;
end
$$;

comment on function core.enqueue(text, uuid, text, jsonb) is 'about=Writes an event to the outbox and returns its order number. Call it while the aggregate''s row is locked; payload holds ids only.';

create or replace function core.claim_outbox(p_worker text, p_limit int default 100, p_lease interval default interval '30 seconds')
  returns setof core.outbox_events
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_token uuid := pg_catalog.gen_random_uuid();
  v_event core.outbox_events;
begin
  for v_event in
    select e.*
    from core.outbox_events e
    where
      e.tenant_id = v_tenant
      and e.status in ('pending', 'claimed')
      and e.available_at <= now()
      and (e.status = 'pending' or e.locked_until < now())
      -- order per aggregate: nothing overtakes an older event that is not published
      and not exists (
        select
        from core.outbox_events older
        where
          older.tenant_id = v_tenant
          and older.aggregate_type = e.aggregate_type
          and older.aggregate_id = e.aggregate_id
          and older.aggregate_seq < e.aggregate_seq
          and older.status <> 'published'
      )
    order by e.available_at, e.aggregate_seq
    limit p_limit
    for update skip locked
  loop
    update core.outbox_events e
    set
      status = 'claimed', attempts = e.attempts + 1, locked_by = p_worker, lock_token = v_token,
      locked_until = now() + p_lease
    where e.tenant_id = v_tenant and e.id = v_event.id and e.occurred_at = v_event.occurred_at
    returning e.* into v_event;
    return next v_event;
  end loop;
end
$$;

comment on function core.claim_outbox(text, int, interval) is 'about=Claims up to p_limit due events of the tenant, the oldest unpublished one of each aggregate. All get the same lock_token; an expired lease may be claimed again.';

create or replace function core.mark_published(p_events uuid[], p_lock_token uuid) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_done int;
begin
  update core.outbox_events e
  set status = 'published', published_at = now(), locked_by = null, lock_token = null, locked_until = null
  where
    e.tenant_id = core.require_tenant() and e.id = any (p_events)
    and e.status = 'claimed' and e.lock_token = p_lock_token;
  get diagnostics v_done = row_count;
  if v_done <> pg_catalog.cardinality(p_events) then
    raise exception 'the lock on % of % events was lost', pg_catalog.cardinality(p_events) - v_done, pg_catalog.cardinality(p_events)
      using errcode = 'IM850', hint = 'another worker took them over after the lease; drop the result';
  end if;
end
$$;

comment on function core.mark_published(uuid[], uuid) is 'about=Marks claimed events as published, all or none. IM850 a lock was lost.';

create or replace function core.mark_failed(p_event uuid, p_lock_token uuid, p_error text, p_max_attempts int default 12) returns text
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_status text;
begin
  update core.outbox_events e
  set
    status = case when e.attempts >= p_max_attempts then 'dead' else 'pending' end,
    available_at = now() + least(interval '1 hour', interval '1 second' * (2 ^ least(e.attempts, 12))),
    last_error = pg_catalog.left(p_error, 500), locked_by = null, lock_token = null, locked_until = null
  where
    e.tenant_id = core.require_tenant() and e.id = p_event
    and e.status = 'claimed' and e.lock_token = p_lock_token
  returning e.status into v_status;
  if not found then
    raise exception 'the lock on event % was lost', p_event
      using errcode = 'IM850', hint = 'another worker took it over after the lease; drop the result';
  end if;
  return v_status;
end
$$;

comment on function core.mark_failed(uuid, uuid, text, int) is 'about=Gives a claimed event back with exponential back-off, or parks it as dead after p_max_attempts; returns its status. IM850 the lock was lost.';

create or replace function core.replay_event(p_event uuid) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  update core.outbox_events e
  set status = 'pending', attempts = 0, available_at = now()
  where e.tenant_id = core.require_tenant() and e.id = p_event and e.status = 'dead';
  if not found then
    raise exception 'event % is not dead', p_event using errcode = 'IM005', hint = 'only dead events are replayed';
  end if;
end
$$;

comment on function core.replay_event(uuid) is 'about=Puts a dead event back into the queue. IM005 the event is not dead.';

-- Encryption inside the database, for tools that cannot do it outside. Applications encrypt with AES-256-GCM before
-- they write. Off unless the session sets app.field_key and app.index_key; no application role may call these.
create or replace function core.session_key(p_setting text) returns text
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_key text := nullif(pg_catalog.current_setting(p_setting, true), '');
begin
  if v_key is null then
    raise exception 'encryption inside the database is off'
      using errcode = 'IM006', hint = 'encrypt in the application, or set ' || p_setting || ' for this session';
  end if;
  return v_key;
end
$$;

comment on function core.session_key(text) is 'about=The key that a session setting holds; IM006 when there is none.';

create or replace function core.encrypt_text(p_plain text) returns bytea
  language sql
  volatile
  set search_path = pg_catalog, pg_temp
as $$
  select public.pgp_sym_encrypt(
    p_plain, core.session_key('app.field_key'), 'cipher-algo=aes256, compress-algo=0, s2k-mode=1'
  )
$$;

comment on function core.encrypt_text(text) is 'about=Ciphertext of a text under the session''s app.field_key; IM006 when encryption in the database is off.';

create or replace function core.decrypt_text(p_cipher bytea) returns text
  language plpgsql
  volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_plain text := public.pgp_sym_decrypt(p_cipher, core.session_key('app.field_key'));
begin
  perform audit.log_event('export', 'core', 'decrypt_text', null, 'text decrypted inside the database');
  return v_plain;
end
$$;

comment on function core.decrypt_text(bytea) is 'about=Plain text of core.encrypt_text under the session''s app.field_key, written to the audit log. IM006 when encryption in the database is off.';

create or replace function core.blind_index(p_plain text) returns bytea
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select public.hmac(
    pg_catalog.convert_to(pg_catalog.lower(pg_catalog.btrim(p_plain)), 'UTF8'),
    pg_catalog.convert_to(core.session_key('app.index_key') || coalesce(core.current_tenant_id()::text, ''), 'UTF8'),
    'sha256'
  )
$$;

comment on function core.blind_index(text) is 'about=HMAC-SHA-256 of a text in lower case without outer blanks, per tenant: finds an encrypted value by equality.';

create or replace function core.rewrap_key(p_kid text, p_wrapped_key bytea, p_kms_ref text) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  update core.encryption_keys k
  set wrapped_key = p_wrapped_key, kms_ref = p_kms_ref
  where k.tenant_id = core.require_tenant() and k.kid = p_kid and k.status <> 'destroyed';
  if not found then
    raise exception 'no key "%" that still exists', p_kid
      using errcode = 'IM005', hint = 'core.encryption_keys lists the keys of the tenant';
  end if;
end
$$;

comment on function core.rewrap_key(text, bytea, text) is 'about=The same data key, wrapped by another master key. IM003 no tenant, IM005 no such key.';

create or replace function core.replace_key(
  p_kid text,
  p_new_kid text,
  p_wrapped_key bytea,
  p_kms_ref text,
  p_rotate_after timestamptz
) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_old core.encryption_keys;
begin
  update core.encryption_keys k
  set status = 'retiring'
  where k.tenant_id = core.require_tenant() and k.kid = p_kid and k.status = 'active'
  returning k.* into v_old;
  if not found then
    raise exception 'no active key "%"', p_kid
      using errcode = 'IM005', hint = 'core.encryption_keys lists the keys of the tenant';
  end if;
  insert into core.encryption_keys (
    tenant_id, kid, purpose, algorithm, wrapped_key, kms_ref, rotate_after, subject_type, subject_id
  )
  values (
    v_old.tenant_id, p_new_kid, v_old.purpose, v_old.algorithm, p_wrapped_key, p_kms_ref, p_rotate_after,
    v_old.subject_type, v_old.subject_id
  );
end
$$;

comment on function core.replace_key(text, text, bytea, text, timestamptz) is 'about=A new key encrypts from now on; the old one only decrypts until everything is encrypted anew (retiring), and is then retired with core.retire_key. IM003 no tenant, IM005 no such active key, 23505 the new name is taken.';

create or replace function core.retire_key(p_kid text) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  update core.encryption_keys k
  set status = 'retired'
  where k.tenant_id = core.require_tenant() and k.kid = p_kid and k.status = 'retiring';
  if not found then
    raise exception 'no key "%" that is retiring', p_kid
      using errcode = 'IM005', hint = 'replace it first with core.replace_key';
  end if;
end
$$;

comment on function core.retire_key(text) is 'about=Nothing is encrypted with a retiring key any more: it may be destroyed. IM003 no tenant, IM005 no such retiring key.';

create or replace function core.shred_key(p_kid text, p_reason text) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if nullif(btrim(p_reason), '') is null then
    raise exception 'destroying a key needs a reason' using errcode = 'IM002', hint = 'pass p_reason';
  end if;
  update core.encryption_keys k
  set status = 'destroyed', wrapped_key = null, destroyed_at = now(), destroy_reason = p_reason
  where k.tenant_id = core.require_tenant() and k.kid = p_kid and k.status in ('active', 'retired');
  if not found then
    raise exception 'no key "%" that may be destroyed', p_kid
      using errcode = 'IM005', hint = 'a retiring key must be retired first';
  end if;
end
$$;

comment on function core.shred_key(text, text) is 'about=Destroys a wrapped key: what it encrypted can never be read again. IM002 no reason, IM005 no such active or retired key, IM910 a legal hold covers the person whose key it is.';

-- Tenants are made by the platform, never by an application.
create or replace function core.provision_tenant(
  p_id uuid,
  p_code text,
  p_name text,
  p_kind text,
  p_country text,
  p_timezone text,
  p_currency text
) returns uuid
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  insert into core.tenants (id, code, name, kind, country, timezone, currency)
  values (p_id, p_code, p_name, p_kind, p_country, p_timezone, p_currency)
  on conflict (id) do nothing;
  update core.tenants set status = 'active' where id = p_id and status = 'provisioning';
  return p_id;
end
$$;

comment on function core.provision_tenant(uuid, text, text, text, text, text, text) is 'about=Makes a tenant and activates it; the same id again changes nothing. For imhotep_platform.';

create or replace function core.active_tenants() returns setof uuid
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$ select t.id from core.tenants t where t.status = 'active' order by t.id $$;

comment on function core.active_tenants() is 'about=Ids of the active tenants that the caller may see: all for imhotep_platform, whose workers walk them.';

-- What services know of each other's rows when each has a database of its own. The owner tells with every change
-- (core.announce_entity, called by generated triggers), the others note it (core.apply_entity_event), and a trigger in
-- the place of each foreign key asks (core.require_entity).
create or replace function core.require_entity(p_tenant_id uuid, p_entity_type text, p_entity_id uuid, p_constraint text)
  returns void
  language plpgsql
  strict
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_lifecycle text;
begin
  -- the lock makes an event that ends the row wait for this transaction, as a foreign key's lock makes its DELETE wait
  select r.lifecycle into v_lifecycle
  from core.entity_refs r
  where r.tenant_id = p_tenant_id and r.entity_type = p_entity_type and r.entity_id = p_entity_id
  for share;
  if not found then
    raise exception '% % is not known here', p_entity_type, p_entity_id
      using errcode = 'IM012', constraint = p_constraint, hint = 'wait for the event of its service, or correct the id';
  end if;
  if v_lifecycle <> 'active' then
    raise exception '% % is %', p_entity_type, p_entity_id, v_lifecycle
      using errcode = 'IM013', constraint = p_constraint, hint = 'refer to one that is active';
  end if;
end
$$;

comment on function core.require_entity(uuid, text, uuid, text) is 'about=In the place of a foreign key into another service: the row must be known here and active; until the end of the transaction it stays so. IM012 unknown here, IM013 inactive or deleted.';

create or replace function core.announce_entity(
  p_tenant_id uuid,
  p_entity_type text,
  p_entity_id uuid,
  p_lifecycle text,
  p_attrs jsonb,
  p_verb text
) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_tenant_id is null then -- shared by all tenants: nobody's projection holds it
    return;
  end if;
  perform core.enqueue(
    p_entity_type, p_entity_id, pg_catalog.split_part(p_entity_type, '.', 2) || '.' || p_verb || '.v1',
    pg_catalog.jsonb_build_object('id', p_entity_id, 'lifecycle', p_lifecycle, 'attrs', p_attrs)
  );
end
$$;

comment on function core.announce_entity(uuid, text, uuid, text, jsonb, text) is 'about=Writes the event <table>.created, .updated or .deleted of a published row to the outbox: id, lifecycle and what is published of it.';

create or replace function core.apply_entity_event(
  p_source_service text,
  p_entity_type text,
  p_entity_id uuid,
  p_source_version bigint,
  p_payload jsonb
) returns boolean
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  insert into core.entity_refs as r (
    tenant_id, entity_type, entity_id, lifecycle, attrs, source_service, source_version
  )
  values (
    core.require_tenant(), p_entity_type, p_entity_id, p_payload ->> 'lifecycle', p_payload -> 'attrs',
    p_source_service, p_source_version
  )
  on conflict (tenant_id, entity_type, entity_id) do update
  set
    lifecycle = excluded.lifecycle, attrs = excluded.attrs, source_service = excluded.source_service,
    source_version = excluded.source_version, refreshed_at = now()
  where r.source_version < excluded.source_version;
  return found;
end
$$;

comment on function core.apply_entity_event(text, text, uuid, bigint, jsonb) is 'about=Notes what another service told of a row: aggregate_type, aggregate_id, aggregate_seq and payload of its event. True when it was news; the same event again, or an older one, changes nothing. IM003 no tenant.';

create or replace function core.close_database(p_service text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_database text := pg_catalog.current_database();
  v_role text;
begin
  execute pg_catalog.format('revoke connect, temporary on database %I from public', v_database);
  foreach v_role in array array[
    p_service || '_owner', p_service || '_app', p_service || '_ro', 'imhotep_platform', 'retention_job', 'audit_reader'
  ] loop
    execute pg_catalog.format('grant connect on database %I to %I', v_database, v_role);
  end loop;
end
$$;

comment on function core.close_database(text) is 'about=Only the roles of the service, and the platform''s, may connect to this database.';

-- audit: functions

-- Writing evidence that no trigger writes: reads of health data, sign-ins, exports. Both functions belong to
-- audit_writer, the one role that may insert into the logs.
create or replace function audit.log_event(
  p_action text,
  p_schema text,
  p_table text,
  p_row_id uuid,
  p_reason text default null
) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  insert into audit.audit_logs (tenant_id, action, schema_name, table_name, row_id, reason)
  values (core.require_tenant(), p_action, p_schema, p_table, p_row_id, coalesce(p_reason, core.current_reason()));
end
$$;

comment on function audit.log_event(text, text, text, uuid, text) is 'about=Writes an event that is no change of a row: login, login_failed, logout, export, print, config, policy_denied ...';

alter function audit.log_event(text, text, text, uuid, text) owner to audit_writer;

create or replace function audit.log_access(
  p_resource_type text,
  p_resource_id uuid,
  p_patient_id uuid,
  p_access_kind text,
  p_fields text[] default null,
  p_row_count int default 1
) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  insert into audit.phi_access_logs (
    tenant_id, resource_type, resource_id, patient_id, access_kind, fields, row_count, purpose_of_use, break_glass_id
  )
  values (
    core.require_tenant(), p_resource_type, p_resource_id, p_patient_id, p_access_kind, p_fields, p_row_count,
    nullif(pg_catalog.current_setting('app.purpose', true), ''),
    -- emergency access counts only while this user's session for this patient is open
    case when pg_catalog.current_setting('app.purpose', true) = 'BTG' then (
      select b.id
      from audit.break_glass_sessions b
      where
        b.tenant_id = core.require_tenant() and b.user_id = core.current_user_id() and b.patient_id = p_patient_id
        and b.status = 'open' and b.expires_at > now()
    ) end
  );
end
$$;

comment on function audit.log_access(text, uuid, uuid, text, text[], int) is 'about=Logs a read of health data with the purpose of use of the request. Purpose BTG is refused (check constraint) unless emergency access to the patient is open.';

alter function audit.log_access(text, uuid, uuid, text, text[], int) owner to audit_writer;

create or replace function audit.log_disclosure(
  p_resource_type text,
  p_resource_id uuid,
  p_patient_id uuid,
  p_recipient text,
  p_legal_basis text,
  p_consent_id uuid default null
) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  insert into audit.phi_access_logs (
    tenant_id, resource_type, resource_id, patient_id, access_kind, row_count, purpose_of_use, recipient, legal_basis,
    consent_id
  )
  values (
    core.require_tenant(), p_resource_type, p_resource_id, p_patient_id, 'disclosure', 1,
    nullif(pg_catalog.current_setting('app.purpose', true), ''), p_recipient, p_legal_basis, p_consent_id
  );
end
$$;

comment on function audit.log_disclosure(text, uuid, uuid, text, text, uuid) is 'about=Logs that health data left the house: to whom, and on what legal basis. Both are required (23514).';

alter function audit.log_disclosure(text, uuid, uuid, text, text, uuid) owner to audit_writer;

grant select on audit.break_glass_sessions to audit_writer;

-- Emergency access: opened with a reason by the user himself, closed, and reviewed by somebody else.
create or replace function audit.open_break_glass(
  p_patient_id uuid,
  p_reason_code text,
  p_reason_text text,
  p_duration interval default interval '1 hour'
) returns uuid
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_user uuid := core.current_user_id();
  v_id uuid;
begin
  if v_user is null then
    raise exception 'emergency access needs a signed-in user'
      using errcode = 'IM006', hint = 'pass the user to core.begin_request';
  end if;
  if pg_catalog.length(pg_catalog.btrim(coalesce(p_reason_text, ''))) < 10 then
    raise exception 'the reason is too short' using errcode = 'IM920', hint = 'write at least 10 characters';
  end if;
  update audit.break_glass_sessions b
  set status = 'expired'
  where
    b.tenant_id = v_tenant and b.user_id = v_user and b.patient_id = p_patient_id
    and b.status = 'open' and b.expires_at <= now();
  insert into audit.break_glass_sessions (tenant_id, user_id, patient_id, reason_code, reason_text, expires_at)
  values (v_tenant, v_user, p_patient_id, p_reason_code, p_reason_text, now() + p_duration)
  on conflict (tenant_id, user_id, patient_id) where status = 'open' do nothing
  returning id into v_id;
  if v_id is null then
    raise exception 'emergency access to this record is already open'
      using errcode = 'IM921', hint = 'go on with the open session, or close it first';
  end if;
  perform core.enqueue('break_glass', v_id, 'break_glass.opened.v1', pg_catalog.jsonb_build_object('id', v_id));
  return v_id;
end
$$;

comment on function audit.open_break_glass(uuid, text, text, interval) is 'about=Opens emergency access of the signed-in user to one patient''s record and returns its id. IM920 reason too short, IM921 already open.';

create or replace function audit.close_break_glass(p_session uuid) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  update audit.break_glass_sessions b
  set status = 'closed', closed_at = now()
  where
    b.tenant_id = core.require_tenant() and b.id = p_session and b.user_id = core.current_user_id()
    and b.status = 'open';
  if not found then
    raise exception 'no open emergency access % of this user', p_session
      using errcode = 'IM005', hint = 'only the user who opened it closes it';
  end if;
end
$$;

comment on function audit.close_break_glass(uuid) is 'about=Gives emergency access back. IM005 none of this user is open under that id.';

create or replace function audit.review_break_glass(p_session uuid, p_outcome text) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_session record;
begin
  select b.user_id, b.status, b.expires_at into v_session
  from audit.break_glass_sessions b
  where b.tenant_id = v_tenant and b.id = p_session
  for update;
  if not found then
    raise exception 'no emergency access %', p_session using errcode = 'IM005';
  end if;
  if v_session.user_id = core.current_user_id() or core.current_user_id() is null then
    raise exception 'emergency access is reviewed by somebody else'
      using errcode = 'IM006', hint = 'ask the privacy officer';
  end if;
  if v_session.status = 'open' and v_session.expires_at <= now() then
    update audit.break_glass_sessions b set status = 'expired' where b.tenant_id = v_tenant and b.id = p_session;
  end if;
  update audit.break_glass_sessions b
  set status = 'reviewed', reviewed_by = core.current_user_id(), reviewed_at = now(), review_outcome = p_outcome
  where b.tenant_id = v_tenant and b.id = p_session;
end
$$;

comment on function audit.review_break_glass(uuid, text) is 'about=Records the review of a closed or expired emergency access: justified, unjustified or escalated. IM005 none such, IM006 own session, IM001 still open.';

-- Emergency access, one of the sources of core.patients_treated.
create or replace function audit.patients_treated() returns setof uuid
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
  select b.patient_id
  from audit.break_glass_sessions b
  where
    b.tenant_id = core.current_tenant_id() and b.user_id = core.current_user_id() and b.status = 'open'
    and b.expires_at > now()
$$;

comment on function audit.patients_treated() is 'about=Patients to whose records the signed-in user has emergency access now.';

-- Sealing in the background. Hashing inside the audit trigger would queue up a tenant's writers behind one another;
-- a sealer closes a range of transactions every few seconds instead. It takes only transactions below the oldest one
-- that still runs: a late commit cannot slip behind a seal.
create or replace function audit.row_hash(p_row jsonb) returns bytea
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.jsonb_strip_nulls(p_row)::text, 'UTF8')) $$;

comment on function audit.row_hash(jsonb) is 'about=SHA-256 of a log row as JSON without nulls, so that a column added later does not change it.';

-- The rows of a log of the tenant in a range of transactions, each with its hash. Times are hashed in UTC.
create or replace function audit.hashed_log_rows(p_log text, p_from bigint, p_to bigint) returns table (txid bigint, seq bigint, hash bytea)
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
  set timezone = 'UTC'
as $$
begin
  if p_log not in ('audit_logs', 'phi_access_logs') then
    raise exception 'no log "%"', p_log using errcode = '22023', hint = 'use audit_logs or phi_access_logs';
  end if;
  return query execute pg_catalog.format(
    'select l.txid, l.seq, audit.row_hash(pg_catalog.to_jsonb(l)) from audit.%I l where l.tenant_id = $1 and l.txid >= $2 and l.txid < $3',
    p_log
  )
  using core.require_tenant(), p_from, p_to;
end
$$;

comment on function audit.hashed_log_rows(text, bigint, bigint) is 'about=The rows of a log in the transactions [from, to) with their hashes, without archives: those hold no row that is still to be sealed.';

-- An archive that cannot be unpacked gives no rows, so that the seals name each of them as missing.
create or replace function audit.hashed_rows(p_log text, p_from bigint, p_to bigint) returns table (txid bigint, seq bigint, hash bytea)
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_archive audit.audit_archives;
begin
  return query select l.* from audit.hashed_log_rows(p_log, p_from, p_to) l;
  for v_archive in
    select a.* from audit.archives_between(p_log, '-infinity', 'infinity', p_from, p_to) a
  loop
    begin
      return query
        select (u.row ->> 'txid')::bigint, (u.row ->> 'seq')::bigint, audit.row_hash(u.row)
        from audit.unpack_archive(v_archive) as u (row)
        where (u.row ->> 'txid')::bigint >= p_from and (u.row ->> 'txid')::bigint < p_to;
    exception
      when data_corrupted then null;
    end;
  end loop;
end
$$;

comment on function audit.hashed_rows(text, bigint, bigint) is 'about=The rows, archived ones too, that a seal over the transactions [from, to) covers, with their hashes.';

create or replace function audit.seal_digest(p_prev bytea, p_root bytea, p_count bigint, p_no bigint, p_from bigint, p_to bigint) returns bytea
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select pg_catalog.sha256(
    p_prev || p_root || pg_catalog.int8send(p_count) || pg_catalog.int8send(p_no)
    || pg_catalog.int8send(p_from) || pg_catalog.int8send(p_to)
  )
$$;

comment on function audit.seal_digest(bytea, bytea, bigint, bigint, bigint, bigint) is 'about=What a seal stores as its digest.';

-- One sealer a tenant and log: another one has nothing to do.
create or replace function audit.may_seal(p_log text) returns boolean
  language sql
  volatile
  set search_path = pg_catalog, pg_temp
as $$
  select pg_catalog.pg_try_advisory_xact_lock(
    pg_catalog.hashtextextended('audit.seal:' || p_log || core.require_tenant()::text, 0)
  )
$$;

comment on function audit.may_seal(text) is 'about=Takes the right to seal a log of the tenant until the transaction ends; false while another one has it.';

create or replace function audit.next_seal(p_log text, p_to bigint) returns audit.audit_chain_anchors
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_last audit.audit_chain_anchors;
  v_next audit.audit_chain_anchors;
begin
  select a.* into v_last
  from audit.audit_chain_anchors a
  where a.tenant_id = core.require_tenant() and a.log_name = p_log
  order by a.seal_no desc
  limit 1;
  v_next.tenant_id := core.require_tenant();
  v_next.log_name := p_log;
  v_next.seal_no := coalesce(v_last.seal_no, 0) + 1;
  v_next.from_txid := coalesce(v_last.to_txid, 0);
  v_next.to_txid := p_to;
  v_next.prev_digest := coalesce(v_last.digest, pg_catalog.decode(pg_catalog.repeat('00', 32), 'hex'));
  if v_next.to_txid <= v_next.from_txid then
    return null;
  end if;

  select
    pg_catalog.count(*),
    pg_catalog.string_agg(pg_catalog.int8send(r.seq) || pg_catalog.substr(r.hash, 1, 16), ''::bytea order by r.txid, r.seq),
    pg_catalog.sha256(pg_catalog.string_agg(r.hash, ''::bytea order by r.txid, r.seq))
  into v_next.row_count, v_next.leaves, v_next.root
  from audit.hashed_log_rows(p_log, v_next.from_txid, v_next.to_txid) r;
  if v_next.row_count = 0 then
    return null;
  end if;
  v_next.digest := audit.seal_digest(
    v_next.prev_digest, v_next.root, v_next.row_count, v_next.seal_no, v_next.from_txid, v_next.to_txid
  );
  return v_next;
end
$$;

comment on function audit.next_seal(text, bigint) is 'about=The seal that would close the rows of the tenant''s log before transaction p_to; null when there are none.';

create or replace function audit.add_seal(p_seal audit.audit_chain_anchors) returns bigint
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  insert into audit.audit_chain_anchors (
    tenant_id, log_name, seal_no, from_txid, to_txid, row_count, leaves, root, prev_digest, digest, signature, key_kid
  )
  values (
    p_seal.tenant_id, p_seal.log_name, p_seal.seal_no, p_seal.from_txid, p_seal.to_txid, p_seal.row_count, p_seal.leaves,
    p_seal.root, p_seal.prev_digest, p_seal.digest, p_seal.signature, p_seal.key_kid
  );
  if p_seal.log_name = 'audit_logs' then
    perform audit.add_to_rollups(p_seal.from_txid, p_seal.to_txid);
  end if;
  return p_seal.row_count;
end
$$;

comment on function audit.add_seal(audit.audit_chain_anchors) is 'about=Writes a seal and adds its rows to the rollups; returns how many.';

create or replace function audit.chain_is_signed(p_log text) returns boolean
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    (
      select a.signature is not null
      from audit.audit_chain_anchors a
      where a.tenant_id = core.require_tenant() and a.log_name = p_log
      order by a.seal_no desc
      limit 1
    ),
    false
  )
$$;

comment on function audit.chain_is_signed(text) is 'about=Whether the last seal of the tenant''s log is signed: the next one must be, too.';

create or replace function audit.seal(p_log text) returns bigint
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_seal audit.audit_chain_anchors;
begin
  if not audit.may_seal(p_log) then
    return 0;
  end if;
  if audit.chain_is_signed(p_log) then
    raise exception 'the seals of % are signed, and one without signature would break their chain', p_log
      using errcode = 'IM006', hint = 'run imhotep audit seal with --key, or call audit.digest_to_sign and audit.seal_signed';
  end if;
  v_seal := audit.next_seal(p_log, pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text::bigint);
  if v_seal.digest is null then
    return 0;
  end if;
  return audit.add_seal(v_seal);
end
$$;

comment on function audit.seal(text) is 'about=Seals the rows of the tenant''s log that can no longer change and adds them to the rollups; returns how many. IM006 the seals before are signed.';

-- The key that signs seals is never in the database: whoever seals asks for the digest, signs it and comes back with the
-- signature in the same transaction. The seal is computed again then, so that nobody can have a digest of his own stored.
create or replace function audit.digest_to_sign(p_log text, out to_txid bigint, out digest bytea)
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_seal audit.audit_chain_anchors;
begin
  if not audit.may_seal(p_log) then
    return;
  end if;
  v_seal := audit.next_seal(p_log, pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text::bigint);
  to_txid := v_seal.to_txid;
  digest := v_seal.digest;
end
$$;

comment on function audit.digest_to_sign(text) is 'about=The digest of the next seal of the tenant''s log, for whoever signs it and calls audit.seal_signed in the same transaction; null when there is nothing to seal.';

create or replace function audit.seal_signed(p_log text, p_to_txid bigint, p_signature bytea, p_key_kid text) returns bigint
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_seal audit.audit_chain_anchors;
begin
  if p_to_txid > pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text::bigint or not audit.may_seal(p_log) then
    raise exception 'this range of % cannot be sealed yet', p_log
      using errcode = '40001', hint = 'ask audit.digest_to_sign in the same transaction';
  end if;
  v_seal := audit.next_seal(p_log, p_to_txid);
  if v_seal.digest is null then
    return 0;
  end if;
  v_seal.signature := p_signature;
  v_seal.key_kid := p_key_kid;
  return audit.add_seal(v_seal);
end
$$;

comment on function audit.seal_signed(text, bigint, bytea, text) is 'about=Seals the rows of the tenant''s log before transaction p_to_txid with the Ed25519 signature of the digest that audit.digest_to_sign gave; returns how many. 40001 that range still changes or somebody else seals it.';

create or replace function audit.seal_signatures(p_log text) returns table (seal_no bigint, digest bytea, signature bytea, key_kid text)
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
  select a.seal_no, a.digest, a.signature, a.key_kid
  from audit.audit_chain_anchors a
  where a.tenant_id = core.require_tenant() and a.log_name = p_log
  order by a.seal_no
$$;

comment on function audit.seal_signatures(text) is 'about=Digest and signature of every seal of the tenant''s log, for whoever has the public key: the database has none.';

create or replace function audit.add_to_rollups(p_from bigint, p_to bigint) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  insert into audit.metrics_hourly as m (tenant_id, bucket, schema_name, table_name, action, events)
  select v_tenant, pg_catalog.date_trunc('hour', l.occurred_at, 'UTC'), l.schema_name, l.table_name, l.action, pg_catalog.count(*)
  from audit.audit_logs l
  where l.tenant_id = v_tenant and l.txid >= p_from and l.txid < p_to
  group by 2, 3, 4, 5
  on conflict (tenant_id, bucket, schema_name, table_name, action) do update set events = m.events + excluded.events;

  insert into audit.compliance_daily as c (tenant_id, bucket, action, actor_role, events, without_actor, without_purpose)
  select
    v_tenant, (l.occurred_at at time zone 'UTC')::date, l.action, coalesce(l.actor_role, ''), pg_catalog.count(*),
    pg_catalog.count(*) filter (where l.actor_user_id is null), pg_catalog.count(*) filter (where l.purpose_of_use is null)
  from audit.audit_logs l
  where l.tenant_id = v_tenant and l.txid >= p_from and l.txid < p_to
  group by 2, 3, 4
  on conflict (tenant_id, bucket, action, actor_role) do update
  set
    events = c.events + excluded.events, without_actor = c.without_actor + excluded.without_actor,
    without_purpose = c.without_purpose + excluded.without_purpose;
end
$$;

comment on function audit.add_to_rollups(bigint, bigint) is 'about=Adds the log rows of the transactions [from, to) to the rollups; called once a range, by audit.seal.';

-- Seals come every few seconds and archives hold hours: seals are recomputed some thousand rows at a time, so that an
-- archive is unpacked once or twice and not once a seal.
create or replace function audit.recomputed_roots(p_log text, p_first_no bigint, out roots jsonb, out last_no bigint)
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_from bigint[];
  v_to bigint[];
  v_no bigint[];
begin
  select pg_catalog.array_agg(s.from_txid order by s.from_txid, s.seal_no), pg_catalog.array_agg(s.to_txid order by s.from_txid, s.seal_no),
    pg_catalog.array_agg(s.seal_no order by s.from_txid, s.seal_no), pg_catalog.max(s.seal_no)
  into v_from, v_to, v_no, last_no
  from (
    select a.seal_no, a.from_txid, a.to_txid, pg_catalog.sum(a.row_count) over (order by a.seal_no) - a.row_count as rows_before
    from audit.audit_chain_anchors a
    where a.tenant_id = core.require_tenant() and a.log_name = p_log and a.seal_no >= p_first_no
    order by a.seal_no
    limit 10000
  ) as s
  where s.rows_before < 20000;

  select pg_catalog.jsonb_object_agg(v_no[f.place], pg_catalog.encode(f.root, 'hex')) into roots
  from (
    select h.place, pg_catalog.sha256(pg_catalog.string_agg(h.hash, ''::bytea order by h.txid, h.seq)) as root
    from (
      select r.*, pg_catalog.width_bucket(r.txid, v_from) as place
      from audit.hashed_rows(p_log, v_from[1], (select pg_catalog.max(t) from pg_catalog.unnest(v_to) t)) r
    ) as h
    where h.place > 0 and h.txid < v_to[h.place]
    group by h.place
  ) as f;
end
$$;

comment on function audit.recomputed_roots(text, bigint) is 'about=The roots of the seals from p_first_no to last_no as the rows now give them, in hex by number; a seal whose rows are all gone is absent.';

create or replace function audit.damaged_archives(p_log text, p_from bigint, p_to bigint) returns table (first_at timestamptz)
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_archive audit.audit_archives;
begin
  for v_archive in
    select a.* from audit.archives_between(p_log, '-infinity', 'infinity', p_from, p_to) a
  loop
    begin
      perform audit.unpack_archive(v_archive);
    exception
      when data_corrupted then
        first_at := v_archive.first_at;
        return next;
    end;
  end loop;
end
$$;

comment on function audit.damaged_archives(text, bigint, bigint) is 'about=The archives of rows of the transactions [from, to) whose bytes were damaged.';

create or replace function audit.verify_chain(p_log text) returns table (seal_no bigint, seq bigint, problem text)
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_seal audit.audit_chain_anchors;
  v_no bigint := 0;
  v_to bigint := 0;
  v_prev bytea := pg_catalog.decode(pg_catalog.repeat('00', 32), 'hex');
  v_roots jsonb; -- recomputed, by seal_no
  v_roots_to bigint := 0;
begin
  for v_seal in
    select a.* from audit.audit_chain_anchors a
    where a.tenant_id = v_tenant and a.log_name = p_log
    order by a.seal_no
  loop
    seal_no := v_seal.seal_no;
    seq := null;
    if v_seal.seal_no <> v_no + 1 or v_seal.from_txid <> v_to then
      problem := 'a seal before this one is missing';
      return next;
    elsif v_seal.prev_digest <> v_prev then
      problem := 'does not follow the seal before it';
      return next;
    end if;
    if v_seal.digest <> audit.seal_digest(
      v_seal.prev_digest, v_seal.root, v_seal.row_count, v_seal.seal_no, v_seal.from_txid, v_seal.to_txid
    ) then
      problem := 'the seal itself was changed';
      return next;
    end if;

    if v_seal.seal_no > v_roots_to then
      select r.roots, r.last_no into v_roots, v_roots_to from audit.recomputed_roots(p_log, v_seal.seal_no) r;
    end if;
    if coalesce(v_roots ->> v_seal.seal_no::text, '') <> pg_catalog.encode(v_seal.root, 'hex') then
      return query
        select
          v_seal.seal_no, coalesce(stored.seq, found.seq),
          case
            when found.seq is null then 'row was removed'
            when stored.seq is null then 'row was slipped in'
            else 'row was changed'
          end
        from (
          select
            -- 8 bytes of seq, most significant first, then 16 bytes of hash
            ('x' || pg_catalog.encode(pg_catalog.substr(v_seal.leaves, i * 24 + 1, 8), 'hex'))::bit(64)::bigint as seq,
            pg_catalog.substr(v_seal.leaves, i * 24 + 9, 16) as hash
          from pg_catalog.generate_series(0, pg_catalog.octet_length(v_seal.leaves) / 24 - 1) as i
        ) as stored
        full join audit.hashed_rows(p_log, v_seal.from_txid, v_seal.to_txid) found on found.seq = stored.seq
        where pg_catalog.substr(found.hash, 1, 16) is distinct from stored.hash
        order by 2;
      if not found then
        problem := 'rows were reordered, or the leaves of the seal were changed with them';
        return next;
      end if;
      return query
        select v_seal.seal_no, null::bigint, pg_catalog.format('the archive from %s on cannot be unpacked', d.first_at at time zone 'UTC')
        from audit.damaged_archives(p_log, v_seal.from_txid, v_seal.to_txid) d
        order by d.first_at;
    end if;
    v_no := v_seal.seal_no;
    v_to := v_seal.to_txid;
    v_prev := v_seal.digest;
  end loop;
end
$$;

comment on function audit.verify_chain(text) is 'about=Recomputes every seal of the tenant''s log and names each row that was changed, removed or slipped in, and each seal that is missing or was changed. No row: all is as it was.';

create or replace function audit.chain_head(p_log text) returns table (seal_no bigint, digest bytea, sealed_rows bigint, unsealed_rows bigint)
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
  select
    h.seal_no, h.digest,
    (
      select coalesce(pg_catalog.sum(a.row_count), 0)::bigint from audit.audit_chain_anchors a
      where a.tenant_id = core.require_tenant() and a.log_name = p_log
    ),
    (
      select pg_catalog.count(*)
      from audit.hashed_log_rows(p_log, coalesce(h.to_txid, 0::bigint), 9223372036854775807)
    )
  from (select core.require_tenant() as tenant_id) as t
  left join lateral (
    select a.seal_no, a.digest, a.to_txid
    from audit.audit_chain_anchors a
    where a.tenant_id = t.tenant_id and a.log_name = p_log
    order by a.seal_no desc
    limit 1
  ) as h on true
$$;

comment on function audit.chain_head(text) is 'about=The last seal of the tenant''s log, how many rows are sealed and how many not yet. Keep the digest elsewhere: whoever rewrites the whole chain cannot rewrite your copy.';

-- compliance: functions

-- The service that has the holds looks at them, the others at what they have heard of them.
create or replace function audit.tenants_under_hold() returns setof uuid
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if to_regprocedure('compliance.tenants_under_hold()') is not null then
    return query execute 'select compliance.tenants_under_hold()';
    return;
  end if;
  alter table core.entity_refs no force row level security;
  return query select distinct h.tenant_id from compliance.legal_holds h where h.status = 'active';
  alter table core.entity_refs force row level security;
end
$$;

-- audit: functions

comment on function audit.tenants_under_hold() is 'about=Tenants with an active legal hold, whatever it covers; until the end of the transaction no hold is placed.';

-- Nobody sees all tenants' rows, the owner of the log included. To learn whose rows a month holds, the owner stops being
-- bound by the policy for this transaction, under a lock that lets nobody else in meanwhile; a rollback undoes both.
create or replace function audit.tenants_in(p_partition regclass) returns setof uuid
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

create or replace function audit.drop_expired_partitions(p_keep interval default interval '7 years') returns text[]
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

-- The form of an archive: rows of one shape (the same columns, the same keys in old_values and new_values) are stored
-- column by column, so that like stands beside like, and then compressed.
--
-- content is [{"rows": n, "columns": [[path, kind, values], ...]}, ...], one element a shape; path is a column, or a
-- column and a key with a dot between. kind is
--   uuid   positions in ids, each as the difference to the one before; a new UUID has the next position, so most are 1
--   time   microseconds since 1970, as differences
--   number as differences
--   same   one value that every row has
--   plain  the values
-- A JSON null makes a shape of its own. A kind is chosen only where it gives back the very text it was made from: the
-- seals hash that text.
create or replace function audit.encode_rows(p_rows jsonb[], out ids bytea, out content jsonb)
  language sql
  stable
  set search_path = pg_catalog, pg_temp
  set timezone = 'UTC'
  set jit = off -- estimates are far off here, and compiling would cost more than running
as $$
  with cells as materialized (
    select r.n, c.path, c.value, pg_catalog.jsonb_typeof(c.value) as type, c.value #>> '{}' as text
    from pg_catalog.unnest(p_rows) with ordinality as r (row, n)
    cross join lateral pg_catalog.jsonb_each(r.row) as e
    cross join lateral (
      select e.key as path, e.value
      where pg_catalog.jsonb_typeof(e.value) <> 'object' or e.value = '{}'
      union all
      select e.key || '.' || f.key, f.value
      from pg_catalog.jsonb_each(case when pg_catalog.jsonb_typeof(e.value) = 'object' then e.value else '{}' end) as f
    ) as c
  ),
  row_shapes as (
    select s.n, pg_catalog.dense_rank() over (order by s.shape) as shape
    from (
      select
        c.n,
        pg_catalog.sha256(
          pg_catalog.convert_to(
            pg_catalog.string_agg(case c.type when 'null' then '-' else '+' end || c.path, ',' order by c.path collate "C"),
            'UTF8'
          )
        ) as shape
      from cells c
      group by c.n
    ) as s
  ),
  shaped as materialized (
    select
      s.shape, c.n, c.path, c.value, c.text,
      case
        when c.path in ('seq', 'txid') then 'number'
        when c.type <> 'string' then 'plain'
        when pg_catalog.length(c.text) = 36
          and c.text ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
          then 'uuid'
        -- exactly how to_jsonb writes a time; February 29 stays plain rather than asking for the year
        when pg_catalog.length(c.text) between 25 and 32
          and c.text ~ '^(19|20)\d\d-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{0,5}[1-9])?\+00:00$'
          then 'time'
        else 'plain'
      end as kind
    from cells c
    join row_shapes s on s.n = c.n
  ),
  columns as (
    select
      c.shape, c.path,
      case
        when pg_catalog.min(c.kind) = pg_catalog.max(c.kind) and pg_catalog.min(c.kind) <> 'plain' then pg_catalog.min(c.kind)
        when pg_catalog.min(c.value::text) = pg_catalog.max(c.value::text) then 'same'
        else 'plain'
      end as kind
    from shaped c
    group by c.shape, c.path
  ),
  typed as materialized (
    select
      c.shape, c.path, c.n, c.value, c.text, k.kind,
      pg_catalog.row_number() over (order by c.shape, c.path collate "C", c.n) as place
    from shaped c
    join columns k on k.shape = c.shape and k.path = c.path
  ),
  dictionary as materialized (
    select t.text, pg_catalog.row_number() over (order by pg_catalog.min(t.place)) as position
    from typed t
    where t.kind = 'uuid'
    group by t.text
  ),
  numbered as (
    select
      t.shape, t.path, t.n, t.kind, t.value,
      case t.kind
        when 'uuid' then d.position
        when 'number' then t.text::bigint
        when 'time' then (extract(epoch from t.text::timestamptz) * 1000000)::bigint
      end as number
    from typed t
    left join dictionary d on t.kind = 'uuid' and d.text = t.text
  ),
  differences as (
    select
      n.*,
      n.number - coalesce(pg_catalog.lag(n.number) over (partition by n.shape, n.path order by n.n), 0::bigint) as difference
    from numbered n
  ),
  packed as (
    select
      d.shape, d.path, pg_catalog.count(*) as rows,
      pg_catalog.jsonb_build_array(
        d.path, d.kind,
        case d.kind
          when 'plain' then pg_catalog.jsonb_agg(d.value order by d.n)
          when 'same' then (pg_catalog.array_agg(d.value))[1]
          else pg_catalog.jsonb_agg(d.difference order by d.n)
        end
      ) as column_values
    from differences d
    group by d.shape, d.path, d.kind
  )
  select
    coalesce(
      (select pg_catalog.string_agg(pg_catalog.uuid_send(d.text::uuid), ''::bytea order by d.position) from dictionary d),
      ''::bytea
    ),
    (
      select pg_catalog.jsonb_agg(s.shape order by s.number)
      from (
        select
          p.shape as number,
          pg_catalog.jsonb_build_object(
            'rows', pg_catalog.max(p.rows), 'columns', pg_catalog.jsonb_agg(p.column_values order by p.path collate "C")
          ) as shape
        from packed p
        group by p.shape
      ) as s
    )
$$;

comment on function audit.encode_rows(jsonb[]) is 'about=Turns rows of a log (as JSON objects without nulls at the top) into columns; ids holds the UUIDs that they name, 16 bytes each.';

create or replace function audit.decode_rows(p_ids bytea, p_content jsonb) returns setof jsonb
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
  set timezone = 'UTC'
  set jit = off -- estimates are far off here, and compiling would cost more than running
as $$
declare
  v_ids uuid[] := array(
    select pg_catalog.encode(pg_catalog.substr(p_ids, i * 16 + 1, 16), 'hex')::uuid
    from pg_catalog.generate_series(0, pg_catalog.octet_length(p_ids) / 16 - 1) as i
    order by i
  );
  v_shape jsonb;
begin
  for v_shape in select s.value from pg_catalog.jsonb_array_elements(p_content) as s loop
    return query
      with columns as (
        select
          pg_catalog.split_part(c.value ->> 0, '.', 1) as name,
          nullif(pg_catalog.substr(c.value ->> 0, pg_catalog.strpos(c.value ->> 0, '.')), c.value ->> 0) as key,
          c.value ->> 1 as kind, c.value -> 2 as content
        from pg_catalog.jsonb_array_elements(v_shape -> 'columns') as c
      ),
      cells as (
        select
          c.name, c.key, v.n,
          case c.kind
            when 'plain' then v.value
            when 'number' then pg_catalog.to_jsonb(v.number)
            when 'uuid' then pg_catalog.to_jsonb(v_ids[v.number])
            else pg_catalog.to_jsonb(timestamptz 'epoch' + v.number * interval '1 microsecond')
          end as value
        from columns c
        cross join lateral (
          select
            e.value, e.n,
            case when c.kind <> 'plain' then
              pg_catalog.sum(case when c.kind <> 'plain' then e.value::bigint end) over (order by e.n)::bigint
            end as number
          from pg_catalog.jsonb_array_elements(c.content) with ordinality as e (value, n)
        ) as v
        where c.kind <> 'same'
        union all
        select c.name, c.key, n, c.content
        from columns c, pg_catalog.generate_series(1, (v_shape ->> 'rows')::bigint) as n
        where c.kind = 'same'
      ),
      fields as (
        select c.n, c.name, c.value from cells c where c.key is null
        union all
        select c.n, c.name, pg_catalog.jsonb_object_agg(pg_catalog.substr(c.key, 2), c.value)
        from cells c
        where c.key is not null
        group by c.n, c.name
      )
      select pg_catalog.jsonb_object_agg(f.name, f.value) from fields f group by f.n;
  end loop;
end
$$;

comment on function audit.decode_rows(bytea, jsonb) is 'about=The rows that audit.encode_rows made columns of, in no order.';

-- PostgreSQL itself offers bytea no entropy coder: pglz reaches 70 % here, zlib 88 %. pgcrypto brings zlib, inside PGP
-- messages. The password is no secret and nothing is kept secret by it; the message also carries a checksum.
create or replace function audit.compress(p_plain bytea, p_codec text) returns bytea
  language sql
  volatile
  set search_path = pg_catalog, pg_temp
as $$
  select case p_codec
    when 'zlib' then public.pgp_sym_encrypt_bytea(
      p_plain, 'not a secret', 'cipher-algo=aes128, s2k-mode=0, compress-algo=2, compress-level=6'
    )
    when 'none' then p_plain
  end
$$;

comment on function audit.compress(bytea, text) is 'about=Compresses the content of an archive by zlib, or not at all (none).';

create or replace function audit.decompress(p_packed bytea, p_codec text) returns bytea
  language sql
  immutable
  set search_path = pg_catalog, pg_temp
as $$
  select case p_codec
    when 'zlib' then public.pgp_sym_decrypt_bytea(p_packed, 'not a secret')
    when 'none' then p_packed
  end
$$;

comment on function audit.decompress(bytea, text) is 'about=Undoes audit.compress.';

-- Packing. A month of a log goes in three steps, each safe to repeat and to be killed in:
--   audit.begin_packing(partition)          names the tenants that have rows in it
--   audit.pack_partition(partition)         per tenant, again and again until 0: packs one day of sealed rows, reads the
--                                           archives back and commits only when they give the same rows
--   audit.drop_packed_partition(partition)  drops the month when every row of every tenant is packed
-- Until the drop commits the log is read and the archives are not; from then on the archives are.
create or replace function audit.log_partition(
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

create or replace function audit.packable_partitions(p_older_than interval default interval '90 days') returns table (
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

create or replace function audit.ensure_archive_partitions(p_from timestamptz, p_to timestamptz) returns void
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

create or replace function audit.begin_packing(p_partition regclass) returns setof uuid
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

create or replace function audit.pack_rows(p_log text, p_time_column text, p_rows jsonb[]) returns void
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

create or replace function audit.is_packed(p_partition regclass, p_tenant_id uuid) returns boolean
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

create or replace function audit.pack_partition(p_partition regclass) returns bigint
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

create or replace function audit.drop_packed_partition(p_partition regclass) returns boolean
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

-- Reading archives: with the tenant in the predicate, only those that overlap the window, newest first. An archive whose
-- first row is still in the log is left out: its month was not dropped yet and is read from there.
create or replace function audit.unpack_archive(p_archive audit.audit_archives) returns setof jsonb
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select r.row || pg_catalog.jsonb_build_object('tenant_id', p_archive.tenant_id)
    from audit.decode_rows(
      p_archive.ids || ''::bytea, -- read from disk once, not once per UUID
      pg_catalog.convert_from(audit.decompress(p_archive.content, p_archive.codec), 'UTF8')::jsonb
    ) as r (row);
exception
  when others then -- pgcrypto, jsonb or a cast: whatever notices first that the bytes are not what was written
    raise exception 'the archive of % from % on cannot be unpacked: %', p_archive.log_name, p_archive.first_at, sqlerrm
      using errcode = 'data_corrupted', hint = 'run: imhotep audit verify';
end
$$;

comment on function audit.unpack_archive(audit.audit_archives) is 'about=The rows of an archive as JSON, in no order. XX001 when its bytes were damaged.';

-- The archives of the tenant that stand for rows that left the log.
create or replace function audit.archives_between(
  p_log text,
  p_from timestamptz,
  p_to timestamptz,
  p_from_txid bigint default 0,
  p_to_txid bigint default 9223372036854775807
) returns setof audit.audit_archives
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select a.*
  from audit.audit_archives a
  where
    a.tenant_id = core.require_tenant()
    and a.log_name = p_log
    and a.first_at < p_to
    and a.last_at >= p_from
    and a.first_at >= p_from - interval '24 hours' -- an archive lies within a day; spares the other partitions
    and a.last_txid >= p_from_txid
    and a.first_txid < p_to_txid
    and case p_log
      when 'audit_logs' then not exists (
        select from audit.audit_logs l
        where l.tenant_id = a.tenant_id and l.occurred_at = a.first_at and l.seq = a.first_seq
      )
      else not exists (
        select from audit.phi_access_logs l
        where l.tenant_id = a.tenant_id and l.accessed_at = a.first_at and l.seq = a.first_seq
      )
    end
$$;

comment on function audit.archives_between(text, timestamptz, timestamptz, bigint, bigint) is 'about=The tenant''s archives of a log that overlap the window of time and the transactions [from, to), and whose rows are no longer in the log itself.';

create or replace function audit.archived_audit_logs(
  p_from timestamptz,
  p_to timestamptz,
  p_patient_id uuid default null,
  p_table text default null,
  p_limit int default null
) returns setof audit.audit_logs
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_archive audit.audit_archives;
  v_found bigint := 0;
  v_count bigint;
  v_reached timestamptz := 'infinity';
begin
  for v_archive in
    select a.*
    from audit.archives_between('audit_logs', p_from, p_to) a
    -- ids are plain bytes: an archive that does not name the patient is not unpacked
    where p_patient_id is null or position(pg_catalog.uuid_send(p_patient_id) in a.ids) > 0
    order by a.last_at desc
  loop
    exit when v_found >= p_limit and v_archive.last_at < v_reached;
    return query
      select l.*
      from audit.unpack_archive(v_archive) as u (row)
      cross join lateral pg_catalog.jsonb_populate_record(null::audit.audit_logs, u.row) as l
      where
        l.occurred_at >= p_from
        and l.occurred_at < p_to
        and (p_patient_id is null or l.patient_id = p_patient_id)
        and (p_table is null or l.schema_name || '.' || l.table_name = p_table);
    get diagnostics v_count = row_count;
    v_found := v_found + v_count;
    v_reached := least(v_reached, v_archive.first_at);
  end loop;
end
$$;

comment on function audit.archived_audit_logs(timestamptz, timestamptz, uuid, text, int) is 'about=The tenant''s archived rows of audit_logs in the window, of one patient or one table (schema.name) where given, in no order; at least the newest p_limit of them.';

create or replace function audit.archived_phi_access_logs(p_from timestamptz, p_to timestamptz, p_patient_id uuid default null)
  returns setof audit.phi_access_logs
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select l.*
  from audit.archives_between('phi_access_logs', p_from, p_to) a
  cross join lateral audit.unpack_archive(a) as u (row)
  cross join lateral pg_catalog.jsonb_populate_record(null::audit.phi_access_logs, u.row) as l
  where
    (p_patient_id is null or position(pg_catalog.uuid_send(p_patient_id) in a.ids) > 0)
    and l.accessed_at >= p_from
    and l.accessed_at < p_to
    and (p_patient_id is null or l.patient_id = p_patient_id)
$$;

comment on function audit.archived_phi_access_logs(timestamptz, timestamptz, uuid) is 'about=The tenant''s archived rows of phi_access_logs in the window, of one patient where given.';

-- workforce: functions

-- Who acts. What is signed, ordered and approved is in the name of the person who is signed in, and of nobody else.
create or replace function workforce.acting_staff_id() returns uuid
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_staff uuid;
begin
  select s.id into v_staff
  from workforce.staff s
  where
    s.tenant_id = v_tenant
    and s.user_id = core.current_user_id()
    and s.deleted_at is null
    and s.status not in ('suspended', 'left');
  if not found then
    raise exception 'user % is no member of staff', core.current_user_id()
      using errcode = 'IM006', hint = 'sign in as the person who does the work, or link the account to a row of workforce.staff';
  end if;
  return v_staff;
end
$$;

comment on function workforce.acting_staff_id() is 'about=The member of staff who is signed in. IM003 no tenant, IM006 the user is no member of staff, suspended or gone.';

-- inventory: functions

-- Helpers of every operation: places, people and the lock of a balance. They are private to the module.
--
-- Order of locks: reference (advisory), order or indent, balances by (store, item, expiry, batch), batch, reservations,
-- number, outbox. Every change of on_hand, reserved or a reservation, and every change of a batch's state, holds the lock
-- of the balances that it touches; what must be current is therefore read by a new statement after the lock.
create or replace function inventory.store_today(p_store_location_id uuid) returns date
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_today date;
begin
  select (now() at time zone c.timezone)::date into v_today
  from facility.locations l
  join facility.clinics c on c.tenant_id = l.tenant_id and c.id = l.clinic_id
  where l.tenant_id = v_tenant and l.id = p_store_location_id and l.deleted_at is null;
  if not found then
    raise exception 'location % does not exist', p_store_location_id
      using errcode = 'IM005', hint = 'choose a location of the tenant';
  end if;
  return v_today;
end
$$;

comment on function inventory.store_today(uuid) is 'about=The date in the time zone of the clinic of a store. IM005 no such location.';

create or replace function inventory.require_second_person(p_staff_id uuid) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_user uuid;
begin
  select s.user_id into v_user
  from workforce.staff s
  where
    s.tenant_id = v_tenant and s.id = p_staff_id and s.deleted_at is null and s.status not in ('suspended', 'left');
  if not found or v_user = core.current_user_id() then
    raise exception 'this needs the approval of another member of staff'
      using errcode = 'IM506', hint = 'name somebody who is not the one who asks';
  end if;
end
$$;

comment on function inventory.require_second_person(uuid) is 'about=Passes when the staff member exists, works here and is not the signed-in user. IM506 otherwise.';

create or replace function inventory.check_quantity(p_quantity numeric) returns void
  language plpgsql
  immutable
  set search_path = pg_catalog, pg_temp
as $$
begin
  -- NaN is greater than infinity
  if p_quantity is null or p_quantity <= 0 or p_quantity >= 'Infinity' or p_quantity <> round(p_quantity, 3) then
    raise exception 'a quantity must be more than 0 and have at most three decimals'
      using errcode = '22023', hint = 'count in base units of the item; the kind of movement gives the direction';
  end if;
end
$$;

comment on function inventory.check_quantity(numeric) is 'about=22023 unless the quantity is positive with at most three decimals.';

create or replace function inventory.lock_balance(
  p_tenant_id uuid,
  p_store_location_id uuid,
  p_batch_id uuid,
  p_create boolean default false
) returns inventory.stock_balances
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_batch record;
  v_balance inventory.stock_balances;
begin
  select b.* into v_balance
  from inventory.stock_balances b
  where b.tenant_id = p_tenant_id and b.store_location_id = p_store_location_id and b.batch_id = p_batch_id
  for update;
  if found then
    return v_balance;
  end if;

  select b.item_id, b.expiry_on into v_batch
  from inventory.batches b
  where b.tenant_id = p_tenant_id and b.id = p_batch_id;
  if not found then
    raise exception 'batch % does not exist', p_batch_id
      using errcode = 'IM005', hint = 'choose a batch of the tenant';
  end if;
  if not p_create then
    raise exception 'store % never had batch %', p_store_location_id, p_batch_id
      using errcode = 'IM505', hint = 'choose a batch that inventory.stock_balances lists for the store';
  end if;
  insert into inventory.stock_balances (tenant_id, store_location_id, item_id, batch_id, expiry_on)
  values (p_tenant_id, p_store_location_id, v_batch.item_id, p_batch_id, v_batch.expiry_on)
  on conflict (tenant_id, store_location_id, batch_id) do nothing;
  select b.* into v_balance
  from inventory.stock_balances b
  where b.tenant_id = p_tenant_id and b.store_location_id = p_store_location_id and b.batch_id = p_batch_id
  for update;
  return v_balance;
end
$$;

comment on function inventory.lock_balance(uuid, uuid, uuid, boolean) is 'about=The balance of a store and batch, locked until the transaction ends; p_create makes an empty one where there is none. IM005 no such batch, IM505 no such balance.';

create or replace function inventory.require_usable(p_balance inventory.stock_balances) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_status text;
begin
  select b.status into v_status
  from inventory.batches b
  where b.tenant_id = p_balance.tenant_id and b.id = p_balance.batch_id;
  if v_status = 'expired' or p_balance.expiry_on < inventory.store_today(p_balance.store_location_id) then
    raise exception 'batch % expired on %', p_balance.batch_id, p_balance.expiry_on
      using errcode = 'IM501', hint = 'choose a later batch, and write this one off';
  end if;
  if v_status <> 'available' then
    raise exception 'batch % is %', p_balance.batch_id, v_status
      using errcode = 'IM502', hint = 'choose another batch';
  end if;
end
$$;

comment on function inventory.require_usable(inventory.stock_balances) is 'about=Passes when the batch of a locked balance may be given to patients and wards. IM501 expired, IM502 recalled, on hold, in quarantine or gone.';

-- The two writers of stock: a line of the ledger with its balance, and a change of what is reserved. Callers hold the lock
-- of the balance. Private to the module.
create or replace function inventory.movement_of_key(p_wanted inventory.stock_movements) returns inventory.stock_movements
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_movement inventory.stock_movements;
begin
  select m.* into v_movement
  from inventory.stock_movements m
  where m.tenant_id = p_wanted.tenant_id and m.idempotency_key = p_wanted.idempotency_key;
  if found and (
    v_movement.kind, v_movement.store_location_id, v_movement.batch_id, v_movement.quantity, v_movement.ref_type,
    v_movement.ref_id
  ) is distinct from (
    p_wanted.kind, p_wanted.store_location_id, p_wanted.batch_id, p_wanted.quantity, p_wanted.ref_type, p_wanted.ref_id
  ) then
    raise exception 'key "%" was used for movement %', p_wanted.idempotency_key, v_movement.id
      using errcode = 'IM011', hint = 'choose a new key for a new movement';
  end if;
  return v_movement;
end
$$;

comment on function inventory.movement_of_key(inventory.stock_movements) is 'about=The movement that was posted under the key of the wanted one, or null. IM011 the key was used for another movement.';

create or replace function inventory.announce_low_stock(p_movement inventory.stock_movements) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_level numeric;
  v_left numeric;
begin
  select i.reorder_level into v_level
  from inventory.items i
  where i.tenant_id = p_movement.tenant_id and i.id = p_movement.item_id;
  if v_level is null then
    return;
  end if;
  select coalesce(sum(b.on_hand), 0) into v_left
  from inventory.stock_balances b
  where b.tenant_id = p_movement.tenant_id and b.item_id = p_movement.item_id and b.expiry_on >= core.tenant_today();
  if v_left < v_level and v_left - p_movement.quantity >= v_level then
    perform core.enqueue(
      'stock', p_movement.item_id, 'stock.low.v1',
      pg_catalog.jsonb_build_object('item_id', p_movement.item_id, 'store_location_id', p_movement.store_location_id)
    );
  end if;
end
$$;

comment on function inventory.announce_low_stock(inventory.stock_movements) is 'about=Writes event stock.low.v1 when a movement took the usable stock of an item below its reorder level.';

create or replace function inventory.write_movement(
  p_movement inventory.stock_movements,
  p_balance inventory.stock_balances,
  p_from_reserved numeric default 0
) returns inventory.stock_movements
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_unit_cost numeric;
  v_movement inventory.stock_movements;
begin
  if p_balance.on_hand + p_movement.quantity < p_balance.reserved - p_from_reserved then
    raise exception 'store % has % of batch %, % of it reserved: % cannot be taken', p_balance.store_location_id,
      p_balance.on_hand, p_balance.batch_id, p_balance.reserved, -p_movement.quantity
      using errcode = 'IM505', hint = 'count the stock and adjust it, or take less';
  end if;
  if exists (
    select
    from inventory.stock_movements m
    where
      m.tenant_id = p_movement.tenant_id and m.ref_type = p_movement.ref_type and m.ref_id = p_movement.ref_id
      and m.batch_id = p_balance.batch_id and m.kind = p_movement.kind and m.part = coalesce(p_movement.part, 1)
  ) then
    raise exception '% % moved batch % under another key', p_movement.ref_type, p_movement.ref_id, p_balance.batch_id
      using errcode = 'IM011', hint = 'repeat it with its first key, or refer to the line that is new';
  end if;

  select b.purchase_price into v_unit_cost
  from inventory.batches b
  where b.tenant_id = p_movement.tenant_id and b.id = p_balance.batch_id;
  insert into inventory.stock_movements as m (
    tenant_id, kind, store_location_id, item_id, batch_id, quantity, balance_after, unit_cost, ref_type, ref_id, part,
    counter_movement_id, patient_id, reason_code, approved_by, witness_id, idempotency_key
  )
  values (
    p_movement.tenant_id, p_movement.kind, p_balance.store_location_id, p_balance.item_id, p_balance.batch_id,
    p_movement.quantity, p_balance.on_hand + p_movement.quantity, v_unit_cost,
    p_movement.ref_type, p_movement.ref_id, coalesce(p_movement.part, 1), p_movement.counter_movement_id,
    p_movement.patient_id, p_movement.reason_code, p_movement.approved_by, p_movement.witness_id,
    p_movement.idempotency_key
  )
  returning m.* into v_movement;
  update inventory.stock_balances b
  set on_hand = v_movement.balance_after, reserved = b.reserved - p_from_reserved, last_movement_id = v_movement.id
  where b.tenant_id = p_balance.tenant_id and b.id = p_balance.id;
  if v_movement.kind in ('issue', 'dispense', 'consume', 'adjust_down', 'destroy', 'expiry_writeoff') then
    perform inventory.announce_low_stock(v_movement);
  end if;
  return v_movement;
end
$$;

comment on function inventory.write_movement(inventory.stock_movements, inventory.stock_balances, numeric) is 'about=Writes a line of the ledger and its balance, which the caller has locked and not changed since; p_from_reserved is the part that a reservation had promised. IM011 the reference moved this batch already, IM505 more than is free.';

create or replace function inventory.end_reservation(p_reservation inventory.stock_reservations, p_status text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  update inventory.stock_reservations r
  set status = p_status
  where r.tenant_id = p_reservation.tenant_id and r.id = p_reservation.id;
  update inventory.stock_balances b
  set reserved = b.reserved - (p_reservation.quantity - p_reservation.consumed)
  where
    b.tenant_id = p_reservation.tenant_id
    and b.store_location_id = p_reservation.store_location_id
    and b.batch_id = p_reservation.batch_id;
end
$$;

comment on function inventory.end_reservation(inventory.stock_reservations, text) is 'about=Releases or expires an active reservation and gives the open rest back to its balance, which the caller has locked.';

create or replace function inventory.end_lapsed(p_balance inventory.stock_balances) returns inventory.stock_balances
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_reservation inventory.stock_reservations;
  v_balance inventory.stock_balances := p_balance;
begin
  if p_balance.reserved = 0 then
    return p_balance;
  end if;
  for v_reservation in
    select r.*
    from inventory.stock_reservations r
    where
      r.tenant_id = p_balance.tenant_id
      and r.store_location_id = p_balance.store_location_id
      and r.batch_id = p_balance.batch_id
      and r.status = 'active'
      and r.expires_at <= now()
    order by r.id
  loop
    perform inventory.end_reservation(v_reservation, 'expired');
    v_balance.reserved := v_balance.reserved - (v_reservation.quantity - v_reservation.consumed);
  end loop;
  return v_balance;
end
$$;

comment on function inventory.end_lapsed(inventory.stock_balances) is 'about=Expires the lapsed reservations of a locked balance and returns it with what is still reserved.';

-- Every movement of one batch in one place, except transfers, which are two.
create or replace function inventory.break_reservations(p_balance inventory.stock_balances, p_on_hand numeric)
  returns inventory.stock_balances
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_reservation inventory.stock_reservations;
  v_balance inventory.stock_balances := inventory.end_lapsed(p_balance);
begin
  for v_reservation in
    select r.*
    from inventory.stock_reservations r
    where
      r.tenant_id = p_balance.tenant_id
      and r.store_location_id = p_balance.store_location_id
      and r.batch_id = p_balance.batch_id
      and r.status = 'active'
    order by r.created_at desc, r.id desc
  loop
    exit when v_balance.reserved <= p_on_hand;
    perform inventory.end_reservation(v_reservation, 'released');
    v_balance.reserved := v_balance.reserved - (v_reservation.quantity - v_reservation.consumed);
  end loop;
  return v_balance;
end
$$;

comment on function inventory.break_reservations(inventory.stock_balances, numeric) is 'about=Releases reservations of a locked balance, the newest first, until no more is promised than p_on_hand; goods that are gone cannot stay promised.';

create or replace function inventory.close_empty_batch(p_movement inventory.stock_movements) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (
    select
    from inventory.stock_balances b
    where b.tenant_id = p_movement.tenant_id and b.batch_id = p_movement.batch_id and b.on_hand > 0
  ) then
    return;
  end if;
  update inventory.batches b
  set status = case p_movement.kind when 'return_out' then 'returned_to_vendor' else 'destroyed' end
  where
    b.tenant_id = p_movement.tenant_id and b.id = p_movement.batch_id and b.status in ('recalled', 'expired', 'rejected');
end
$$;

comment on function inventory.close_empty_batch(inventory.stock_movements) is 'about=A recalled, expired or rejected batch is destroyed or returned_to_vendor when the last of it has gone.';

create or replace function inventory.post_movement(
  p_kind text,
  p_store_location_id uuid,
  p_batch_id uuid,
  p_quantity numeric,
  p_ref_type text,
  p_ref_id uuid,
  p_idempotency_key text,
  p_reason_code text default null,
  p_approved_by uuid default null,
  p_witness_id uuid default null,
  p_patient_id uuid default null
) returns inventory.stock_movements
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_inbound boolean := p_kind in ('opening', 'return_in', 'adjust_up');
  v_loss boolean := p_kind in ('adjust_down', 'expiry_writeoff', 'destroy', 'return_out');
  v_wanted inventory.stock_movements;
  v_balance inventory.stock_balances;
  v_movement inventory.stock_movements;
begin
  if not coalesce(v_inbound or v_loss or p_kind in ('issue', 'dispense', 'consume'), false) then
    raise exception 'kind "%" cannot be posted alone', p_kind
      using errcode = '22023', hint = 'transfers: inventory.transfer or an indent; goods that a supplier brings: inventory.post_goods_receipt';
  end if;
  perform inventory.check_quantity(p_quantity);
  v_wanted.tenant_id := core.require_tenant();
  v_wanted.kind := p_kind;
  v_wanted.store_location_id := p_store_location_id;
  v_wanted.batch_id := p_batch_id;
  v_wanted.quantity := case when v_inbound then p_quantity else -p_quantity end;
  v_wanted.ref_type := p_ref_type;
  v_wanted.ref_id := p_ref_id;
  v_wanted.idempotency_key := p_idempotency_key;
  v_wanted.patient_id := p_patient_id;
  v_wanted.reason_code := nullif(pg_catalog.btrim(p_reason_code), '');
  v_wanted.approved_by := p_approved_by;
  v_wanted.witness_id := p_witness_id;

  v_balance := inventory.lock_balance(v_wanted.tenant_id, p_store_location_id, p_batch_id, v_inbound);
  v_movement := inventory.movement_of_key(v_wanted); -- after the lock: a repetition waits for the first call
  if v_movement.id is not null then
    return v_movement;
  end if;

  -- nothing else vouches for these: no order, no patient, no goods receipt
  if p_kind in ('opening', 'return_in', 'adjust_up', 'adjust_down', 'expiry_writeoff', 'destroy') then
    if v_wanted.reason_code is null then
      raise exception 'a movement of kind % needs a reason', p_kind
        using errcode = 'IM506', hint = 'pass p_reason_code and p_approved_by';
    end if;
    perform inventory.require_second_person(p_approved_by);
  end if;
  if v_loss then
    v_balance := inventory.break_reservations(v_balance, greatest(v_balance.on_hand - p_quantity, 0));
  elsif not v_inbound then
    perform inventory.require_usable(v_balance);
    v_balance := inventory.end_lapsed(v_balance);
  end if;
  v_movement := inventory.write_movement(v_wanted, v_balance);
  if p_kind in ('destroy', 'return_out') then
    perform inventory.close_empty_batch(v_movement);
  end if;
  return v_movement;
end
$$;

comment on function inventory.post_movement(text, uuid, uuid, numeric, text, uuid, text, text, uuid, uuid, uuid) is 'about=Posts a movement of a batch in a store and returns it: in (opening, return_in, adjust_up) or out (issue, dispense, consume, return_out, adjust_down, expiry_writeoff, destroy). p_quantity is positive, the kind gives the sign. Reserved stock stays, but losses break the newest reservations. Same key, same answer. 22023 kind or quantity, IM005 no such batch or store, IM011 key or reference used for another movement, IM403 no witness, IM501 expired, IM502 batch blocked, IM505 more than is free, IM506 reason or second person missing.';

create or replace function inventory.take_back(
  p_store_location_id uuid,
  p_batch_id uuid,
  p_quantity numeric,
  p_ref_type text,
  p_ref_id uuid,
  p_idempotency_key text,
  p_patient_id uuid default null
) returns inventory.stock_movements
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_wanted inventory.stock_movements;
  v_balance inventory.stock_balances;
  v_movement inventory.stock_movements;
begin
  perform inventory.check_quantity(p_quantity);
  v_wanted.tenant_id := core.require_tenant();
  v_wanted.kind := 'return_in';
  v_wanted.store_location_id := p_store_location_id;
  v_wanted.batch_id := p_batch_id;
  v_wanted.quantity := p_quantity;
  v_wanted.ref_type := p_ref_type;
  v_wanted.ref_id := p_ref_id;
  v_wanted.idempotency_key := p_idempotency_key;
  v_wanted.patient_id := p_patient_id;
  v_balance := inventory.lock_balance(v_wanted.tenant_id, p_store_location_id, p_batch_id, true);
  v_movement := inventory.movement_of_key(v_wanted);
  if v_movement.id is not null then
    return v_movement;
  end if;
  return inventory.write_movement(v_wanted, v_balance);
end
$$;

comment on function inventory.take_back(uuid, uuid, numeric, text, uuid, text, uuid) is 'about=For the module that gave goods out and knows that no more comes back: a return_in without a second person. Not granted to applications. Same key, same answer. 22023 quantity, IM005 no such batch, IM011 key or reference used for another movement.';

-- First expired, first out, for everybody at the same time: whoever reserves waits for the lock of the batch that expires
-- first. SKIP LOCKED would be faster and wrong, because it would hand out later batches before earlier ones.
create or replace function inventory.shortage_code(p_store_location_id uuid, p_item_id uuid, p_min_expiry_on date) returns text
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_there record;
begin
  select
    count(*) filter (where b.expiry_on >= p_min_expiry_on and t.status = 'available') as usable,
    count(*) filter (where b.expiry_on >= p_min_expiry_on and t.status <> 'available') as blocked,
    count(*) filter (where b.expiry_on < p_min_expiry_on) as expiring
  into v_there
  from inventory.stock_balances b
  join inventory.batches t on t.tenant_id = b.tenant_id and t.id = b.batch_id
  where b.tenant_id = v_tenant and b.store_location_id = p_store_location_id and b.item_id = p_item_id and b.on_hand > 0;
  return case
    when v_there.usable > 0 then 'IM500'
    when v_there.blocked > 0 then 'IM502'
    when v_there.expiring > 0 then 'IM501'
    else 'IM500'
  end;
end
$$;

comment on function inventory.shortage_code(uuid, uuid, date) is 'about=Why a store cannot give an item: IM501 all of it expires before p_min_expiry_on, IM502 what does not is blocked, IM500 there is too little.';

create or replace function inventory.reserve_fefo(
  p_store_location_id uuid,
  p_item_id uuid,
  p_quantity numeric,
  p_ref_type text,
  p_ref_id uuid,
  p_ttl interval default '30 minutes',
  p_min_expiry_on date default null,
  p_partial boolean default false
) returns setof inventory.stock_reservations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_min_expiry_on date := greatest(p_min_expiry_on, inventory.store_today(p_store_location_id));
  v_missing numeric := p_quantity;
  v_take numeric;
  v_held numeric;
  v_balance inventory.stock_balances;
  v_reservation inventory.stock_reservations;
begin
  perform inventory.check_quantity(p_quantity);
  if p_ttl is null or p_ttl <= interval '0' then
    raise exception 'a reservation must last some time' using errcode = '22023', hint = 'pass p_ttl, such as 30 minutes';
  end if;
  -- one request sent twice at the same time: the second waits here and finds what the first reserved
  perform pg_catalog.pg_advisory_xact_lock(
    pg_catalog.hashtextextended('inventory.reserve ' || v_tenant || p_ref_type || p_ref_id || p_item_id, 0)
  );
  select sum(r.quantity) into v_held
  from inventory.stock_reservations r
  where
    r.tenant_id = v_tenant and r.ref_type = p_ref_type and r.ref_id = p_ref_id and r.status = 'active'
    and r.store_location_id = p_store_location_id and r.item_id = p_item_id and r.expires_at > now();
  if v_held = p_quantity or (p_partial and v_held < p_quantity) then
    return query
    select r.*
    from inventory.stock_reservations r
    join inventory.batches b on b.tenant_id = r.tenant_id and b.id = r.batch_id
    where
      r.tenant_id = v_tenant and r.ref_type = p_ref_type and r.ref_id = p_ref_id and r.status = 'active'
      and r.store_location_id = p_store_location_id and r.item_id = p_item_id and r.expires_at > now()
    order by b.expiry_on, b.id;
    return;
  end if;
  if v_held is not null then
    raise exception '% % holds a reservation of % of item % already', p_ref_type, p_ref_id, v_held, p_item_id
      using errcode = 'IM011', hint = 'release its reservations first';
  end if;

  -- rows that are promised to the last piece are locked as well: what they get back while we wait is seen
  for v_balance in
    select b.*
    from inventory.stock_balances b
    where
      b.tenant_id = v_tenant
      and b.store_location_id = p_store_location_id
      and b.item_id = p_item_id
      and b.expiry_on >= v_min_expiry_on
      and b.on_hand > 0
    order by b.expiry_on, b.batch_id
    for update
  loop
    v_balance := inventory.end_lapsed(v_balance);
    v_take := least(v_balance.on_hand - v_balance.reserved, v_missing);
    -- asked after the lock: a recall that was faster is visible now
    continue when v_take <= 0 or not exists (
      select
      from inventory.batches t
      where t.tenant_id = v_tenant and t.id = v_balance.batch_id and t.status = 'available'
    );
    insert into inventory.stock_reservations as r (
      tenant_id, store_location_id, item_id, batch_id, quantity, ref_type, ref_id, expires_at
    )
    values (
      v_tenant, p_store_location_id, p_item_id, v_balance.batch_id, v_take, p_ref_type, p_ref_id, now() + p_ttl
    )
    returning r.* into v_reservation;
    update inventory.stock_balances b
    set reserved = b.reserved + v_take
    where b.tenant_id = v_tenant and b.id = v_balance.id;
    return next v_reservation;
    v_missing := v_missing - v_take;
    exit when v_missing = 0;
  end loop;

  if v_missing > 0 and not p_partial then
    raise exception 'store % lacks % of % of item %', p_store_location_id, v_missing, p_quantity, p_item_id
      using
        errcode = inventory.shortage_code(p_store_location_id, p_item_id, v_min_expiry_on),
        hint = 'order or transfer more, or ask for a partial reservation';
  end if;
end
$$;

comment on function inventory.reserve_fefo(uuid, uuid, numeric, text, uuid, interval, date, boolean) is 'about=Reserves a quantity of an item in a store, batch by batch in the order of expiry, and returns a row a batch. Only available batches that expire on p_min_expiry_on (default today) or later. The whole quantity or nothing; with p_partial what there is, perhaps no row. A reference that holds the same reservation gets it again. 22023 quantity or ttl, IM005 no such store, IM011 the reference reserved another quantity, IM500 too little, IM501 all of it expires too soon, IM502 what is left is blocked.';

-- What becomes of a reservation: goods are taken, or the promise ends.
create or replace function inventory.lock_reservation(p_reservation_id uuid) returns inventory.stock_reservations
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_reservation inventory.stock_reservations;
begin
  select r.* into v_reservation
  from inventory.stock_reservations r
  where r.tenant_id = v_tenant and r.id = p_reservation_id;
  if not found then
    raise exception 'reservation % does not exist', p_reservation_id
      using errcode = 'IM005', hint = 'choose a reservation of the tenant';
  end if;
  -- place and batch of a reservation never change; its state does, so it is read again after the lock of the balance
  perform inventory.lock_balance(v_tenant, v_reservation.store_location_id, v_reservation.batch_id);
  select r.* into v_reservation
  from inventory.stock_reservations r
  where r.tenant_id = v_tenant and r.id = p_reservation_id;
  return v_reservation;
end
$$;

comment on function inventory.lock_reservation(uuid) is 'about=A reservation whose balance is locked until the transaction ends. IM005 no such reservation.';

create or replace function inventory.take_reserved(
  p_reservation inventory.stock_reservations,
  p_movement inventory.stock_movements
) returns inventory.stock_movements
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_balance inventory.stock_balances;
  v_taken numeric := -p_movement.quantity;
begin
  if p_reservation.status <> 'active' or p_reservation.expires_at <= now() then
    raise exception 'reservation % is %', p_reservation.id,
      case p_reservation.status when 'active' then 'over' else p_reservation.status end
      using errcode = 'IM504', hint = 'reserve again';
  end if;
  if v_taken > p_reservation.quantity - p_reservation.consumed then
    raise exception 'reservation % has only % left', p_reservation.id, p_reservation.quantity - p_reservation.consumed
      using errcode = 'IM504', hint = 'take less, or reserve more';
  end if;
  v_balance := inventory.lock_balance(
    p_reservation.tenant_id, p_reservation.store_location_id, p_reservation.batch_id
  );
  perform inventory.require_usable(v_balance);
  update inventory.stock_reservations r
  set
    consumed = r.consumed + v_taken,
    status = case when r.consumed + v_taken = r.quantity then 'consumed' else r.status end
  where r.tenant_id = p_reservation.tenant_id and r.id = p_reservation.id;
  return inventory.write_movement(p_movement, v_balance, v_taken);
end
$$;

comment on function inventory.take_reserved(inventory.stock_reservations, inventory.stock_movements) is 'about=Writes a movement out of a reservation whose balance is locked. IM501 expired, IM502 batch blocked, IM504 the reservation is gone or has less left.';

create or replace function inventory.consume_reservation(
  p_reservation_id uuid,
  p_quantity numeric,
  p_ref_type text,
  p_ref_id uuid,
  p_idempotency_key text,
  p_patient_id uuid default null
) returns inventory.stock_movements
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_reservation inventory.stock_reservations := inventory.lock_reservation(p_reservation_id);
  v_wanted inventory.stock_movements;
  v_movement inventory.stock_movements;
begin
  perform inventory.check_quantity(p_quantity);
  v_wanted.tenant_id := v_reservation.tenant_id;
  v_wanted.kind := case when p_patient_id is null then 'issue' else 'dispense' end;
  v_wanted.store_location_id := v_reservation.store_location_id;
  v_wanted.batch_id := v_reservation.batch_id;
  v_wanted.quantity := -p_quantity;
  v_wanted.ref_type := p_ref_type;
  v_wanted.ref_id := p_ref_id;
  v_wanted.idempotency_key := p_idempotency_key;
  v_wanted.patient_id := p_patient_id;
  v_movement := inventory.movement_of_key(v_wanted);
  if v_movement.id is not null then
    return v_movement;
  end if;
  return inventory.take_reserved(v_reservation, v_wanted);
end
$$;

comment on function inventory.consume_reservation(uuid, numeric, text, uuid, text, uuid) is 'about=Takes all or part of a reservation out of stock: a movement of kind dispense to a patient, of kind issue without one. The rest stays reserved. Same key, same answer. 22023 quantity, IM005 no such reservation, IM011 key or reference used for another movement, IM501 the batch expired, IM502 it was blocked, IM504 the reservation is used up, released, lapsed or smaller.';

create or replace function inventory.release_reservation(p_reservation_id uuid) returns inventory.stock_reservations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_reservation inventory.stock_reservations := inventory.lock_reservation(p_reservation_id);
begin
  if v_reservation.status in ('released', 'expired') then
    return v_reservation;
  end if;
  if v_reservation.status = 'consumed' then
    raise exception 'reservation % is used up', p_reservation_id
      using errcode = 'IM504', hint = 'post a movement of kind return_in for goods that come back';
  end if;
  perform inventory.end_reservation(v_reservation, 'released');
  return inventory.lock_reservation(p_reservation_id);
end
$$;

comment on function inventory.release_reservation(uuid) is 'about=Ends a reservation and gives its open rest back; one that is released or expired stays as it is. IM005 no such reservation, IM504 used up.';

create or replace function inventory.expire_reservations(p_limit int default 500) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_balance inventory.stock_balances;
  v_before int;
  v_expired int := 0;
begin
  -- balances that somebody works on are left for the next run: this job decides nothing about FEFO
  for v_balance in
    select b.*
    from inventory.stock_balances b
    where
      b.tenant_id = v_tenant
      and (b.store_location_id, b.batch_id) in (
        select r.store_location_id, r.batch_id
        from inventory.stock_reservations r
        where r.tenant_id = v_tenant and r.status = 'active' and r.expires_at <= now()
        order by r.expires_at
        limit p_limit
      )
    order by b.store_location_id, b.item_id, b.expiry_on, b.batch_id
    for update skip locked
  loop
    select count(*) into v_before
    from inventory.stock_reservations r
    where
      r.tenant_id = v_tenant and r.store_location_id = v_balance.store_location_id
      and r.batch_id = v_balance.batch_id and r.status = 'active' and r.expires_at <= now();
    perform inventory.end_lapsed(v_balance);
    v_expired := v_expired + v_before;
  end loop;
  return v_expired;
end
$$;

comment on function inventory.expire_reservations(int) is 'about=Ends reservations whose time is over, about p_limit at a time, and returns how many. For a job every minute.';

-- From one place to another at once: two rows of the ledger a line, out before in.
create or replace function inventory.transfer(
  p_from_location_id uuid,
  p_to_location_id uuid,
  p_lines jsonb,
  p_ref_type text,
  p_ref_id uuid,
  p_idempotency_key text,
  p_reason_code text default null
) returns setof inventory.stock_movements
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_place record;
  v_line record;
  v_wanted inventory.stock_movements;
  v_out inventory.stock_movements;
  v_in inventory.stock_movements;
  v_found int := 0;
  v_written int := 0;
begin
  if p_from_location_id = p_to_location_id or jsonb_typeof(p_lines) is distinct from 'array'
    or jsonb_array_length(p_lines) = 0 then
    raise exception 'a transfer has two places and at least one line'
      using errcode = '22023', hint = 'pass p_lines as [{"batch_id", "quantity"}]';
  end if;
  perform inventory.store_today(p_from_location_id), inventory.store_today(p_to_location_id); -- IM005

  -- every balance of both places, in the order in which everybody locks
  for v_place in
    select p.store_id, b.id as batch_id
    from (values (p_from_location_id), (p_to_location_id)) as p (store_id)
    cross join inventory.batches b
    where
      b.tenant_id = v_tenant
      and b.id = any (array(select (l.value ->> 'batch_id')::uuid from jsonb_array_elements(p_lines) l))
    order by p.store_id, b.item_id, b.expiry_on, b.id
  loop
    perform inventory.lock_balance(v_tenant, v_place.store_id, v_place.batch_id, v_place.store_id = p_to_location_id);
  end loop;

  for v_line in
    select (l.value ->> 'batch_id')::uuid as batch_id, (l.value ->> 'quantity')::numeric as quantity
    from jsonb_array_elements(p_lines) with ordinality l
    order by l.ordinality
  loop
    perform inventory.check_quantity(v_line.quantity);
    v_wanted := null;
    v_wanted.tenant_id := v_tenant;
    v_wanted.kind := 'transfer_out';
    v_wanted.store_location_id := p_from_location_id;
    v_wanted.batch_id := v_line.batch_id;
    v_wanted.quantity := -v_line.quantity;
    v_wanted.ref_type := p_ref_type;
    v_wanted.ref_id := p_ref_id;
    v_wanted.reason_code := p_reason_code;
    v_wanted.idempotency_key := p_idempotency_key || ':' || v_line.batch_id || ':out';
    v_out := inventory.movement_of_key(v_wanted);
    if v_out.id is null then
      -- blocked batches may move as well: that is how they get to the cupboard for them
      v_out := inventory.write_movement(
        v_wanted, inventory.end_lapsed(inventory.lock_balance(v_tenant, p_from_location_id, v_line.batch_id))
      );
      v_written := v_written + 1;
    else
      v_found := v_found + 1;
    end if;
    return next v_out;

    v_wanted.kind := 'transfer_in';
    v_wanted.store_location_id := p_to_location_id;
    v_wanted.quantity := v_line.quantity;
    v_wanted.counter_movement_id := v_out.id;
    v_wanted.idempotency_key := p_idempotency_key || ':' || v_line.batch_id || ':in';
    v_in := inventory.movement_of_key(v_wanted);
    if v_in.id is null then
      v_in := inventory.write_movement(v_wanted, inventory.lock_balance(v_tenant, p_to_location_id, v_line.batch_id));
    end if;
    return next v_in;
  end loop;
  if v_found > 0 and v_written > 0 then
    raise exception 'key "%" was used for a transfer of other lines', p_idempotency_key
      using errcode = 'IM011', hint = 'choose a new key for a new transfer';
  end if;
end
$$;

comment on function inventory.transfer(uuid, uuid, jsonb, text, uuid, text, text) is 'about=Moves batches from one place to another: p_lines [{batch_id, quantity}], each batch once; returns the rows of the ledger, out before in. Reserved stock stays where it is. All lines or none. Same key, same answer. 22023 lines or places, IM005 no such place or batch, IM011 key or reference used for another transfer, IM505 more than is free.';

-- Counting: somebody counts, somebody else approves the difference, and the book follows the shelf.
create or replace function inventory.count_adjust(
  p_store_location_id uuid,
  p_batch_id uuid,
  p_counted_qty numeric,
  p_counted_by uuid,
  p_reason_code text,
  p_count_id uuid,
  p_idempotency_key text,
  p_book_qty numeric default null
) returns inventory.stock_movements
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_approver uuid := workforce.acting_staff_id();
  v_claim record;
  v_balance inventory.stock_balances;
  v_difference numeric;
  v_wanted inventory.stock_movements;
  v_movement inventory.stock_movements;
begin
  if
    p_counted_qty is null or p_counted_qty < 0 or p_counted_qty <> round(p_counted_qty, 3)
    or p_counted_qty >= 'Infinity' or abs(p_book_qty) >= 'Infinity' -- NaN is greater than infinity
  then
    raise exception 'a count is 0 or more, with at most three decimals'
      using errcode = '22023', hint = 'count in base units of the item';
  end if;
  -- a count that changes nothing leaves no row, so the key is remembered apart: repeated later it must change nothing
  v_claim := core.idempotent_begin(
    'inventory.count_adjust', p_idempotency_key,
    sha256(convert_to(concat_ws('|', p_store_location_id, p_batch_id, p_counted_qty, p_counted_by, p_count_id), 'UTF8'))
  );
  if v_claim.state = 'done' then
    select m.* into v_movement
    from inventory.stock_movements m
    where m.tenant_id = v_tenant and m.id = (v_claim.response ->> 'movement_id')::uuid;
    return v_movement;
  end if;
  if p_counted_by is null or p_counted_by = v_approver or nullif(btrim(p_reason_code), '') is null then
    raise exception 'a count is approved by somebody who did not count, with a reason'
      using errcode = 'IM506', hint = 'ask another member of staff to approve it';
  end if;

  perform inventory.store_today(p_store_location_id);
  v_balance := inventory.lock_balance(v_tenant, p_store_location_id, p_batch_id, true);
  v_difference := p_counted_qty - coalesce(p_book_qty, v_balance.on_hand);
  if v_difference <> 0 then
    v_wanted.tenant_id := v_tenant;
    v_wanted.kind := case when v_difference > 0 then 'adjust_up' else 'adjust_down' end;
    v_wanted.quantity := v_difference;
    v_wanted.ref_type := 'count';
    v_wanted.ref_id := p_count_id;
    v_wanted.reason_code := p_reason_code;
    v_wanted.approved_by := v_approver;
    v_wanted.idempotency_key := p_idempotency_key;
    if v_difference < 0 then
      v_balance := inventory.break_reservations(v_balance, greatest(v_balance.on_hand + v_difference, 0));
    end if;
    v_movement := inventory.write_movement(v_wanted, v_balance);
  end if;
  perform core.idempotent_finish(
    'inventory.count_adjust', p_idempotency_key, jsonb_build_object('movement_id', v_movement.id)
  );
  return v_movement;
end
$$;

comment on function inventory.count_adjust(uuid, uuid, numeric, uuid, text, uuid, text, numeric) is 'about=Brings the book of a batch in a store to what was counted and returns the adjustment, a row of nulls when nothing differs. The signed-in user approves and p_counted_by counted. p_book_qty is what the book said at the time of counting (default: now), so that movements since then stay. What is gone breaks the newest reservations. Same key, same answer. 22023 quantity, IM005 no such batch or store, IM006 no member of staff, IM010, IM011, IM505 less would be left than nothing, IM506 reason or second person missing.';

-- Release, hold, rejection, expiry. Each locks the batch's balances first: a reservation that is being made either comes
-- before and is seen here, or comes after and sees the new state.
create or replace function inventory.lock_batch(p_batch_id uuid) returns inventory.batches
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_batch inventory.batches;
begin
  perform
  from inventory.stock_balances b
  where b.tenant_id = v_tenant and b.batch_id = p_batch_id
  order by b.store_location_id
  for update;
  select b.* into v_batch
  from inventory.batches b
  where b.tenant_id = v_tenant and b.id = p_batch_id
  for no key update;
  if not found then
    raise exception 'batch % does not exist', p_batch_id
      using errcode = 'IM005', hint = 'choose a batch of the tenant';
  end if;
  return v_batch;
end
$$;

comment on function inventory.lock_batch(uuid) is 'about=A batch whose balances, and then itself, are locked until the transaction ends. IM005 no such batch.';

create or replace function inventory.release_batch(p_batch_id uuid) returns inventory.batches
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_batch inventory.batches := inventory.lock_batch(p_batch_id);
begin
  if v_batch.status = 'available' then
    return v_batch;
  end if;
  if v_batch.expiry_on < core.tenant_today() then
    raise exception 'batch % expired on %', p_batch_id, v_batch.expiry_on
      using errcode = 'IM501', hint = 'an expired batch is written off, not released';
  end if;
  update inventory.batches b
  set status = 'available', hold_reason = null
  where b.tenant_id = v_batch.tenant_id and b.id = v_batch.id
  returning b.* into v_batch;
  return v_batch;
end
$$;

comment on function inventory.release_batch(uuid) is 'about=A batch in quarantine or on hold becomes available. IM001 neither, IM005 no such batch, IM501 expired.';

create or replace function inventory.hold_batch(p_batch_id uuid, p_reason text) returns inventory.batches
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_batch inventory.batches := inventory.lock_batch(p_batch_id);
begin
  if v_batch.status = 'hold' then
    return v_batch;
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'batch % needs a reason to be held', p_batch_id
      using errcode = 'IM002', hint = 'say why in p_reason';
  end if;
  perform core.set_reason(p_reason);
  update inventory.batches b
  set status = 'hold', hold_reason = p_reason
  where b.tenant_id = v_batch.tenant_id and b.id = v_batch.id
  returning b.* into v_batch;
  return v_batch;
end
$$;

comment on function inventory.hold_batch(uuid, text) is 'about=Nothing of an available batch leaves a store until it is released; reservations stay but cannot be used. IM001 not available, IM002 no reason, IM005 no such batch.';

create or replace function inventory.reject_batch(p_batch_id uuid, p_reason text) returns inventory.batches
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_batch inventory.batches := inventory.lock_batch(p_batch_id);
begin
  if v_batch.status = 'rejected' then
    return v_batch;
  end if;
  perform core.set_reason(p_reason);
  update inventory.batches b
  set status = 'rejected'
  where b.tenant_id = v_batch.tenant_id and b.id = v_batch.id
  returning b.* into v_batch;
  return v_batch;
end
$$;

comment on function inventory.reject_batch(uuid, text) is 'about=A batch in quarantine fails its inspection; it is returned to the vendor or destroyed. IM001 not in quarantine, IM002 no reason, IM005 no such batch.';

create or replace function inventory.expire_batches(p_limit int default 500) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_today date := core.tenant_today();
  v_ids uuid[];
  v_batch inventory.batches;
  v_expired int := 0;
begin
  v_ids := array(
    select b.id
    from inventory.batches b
    where b.tenant_id = v_tenant and b.status in ('available', 'hold') and b.expiry_on < v_today
    order by b.expiry_on, b.id
    limit p_limit
  );
  perform
  from inventory.stock_balances b
  where b.tenant_id = v_tenant and b.batch_id = any (v_ids)
  order by b.store_location_id, b.item_id, b.expiry_on, b.batch_id
  for update;
  for v_batch in
    select b.*
    from inventory.batches b
    where b.tenant_id = v_tenant and b.id = any (v_ids) and b.status in ('available', 'hold')
    order by b.id
    for no key update
  loop
    perform inventory.release_promises(v_batch);
    update inventory.batches b
    set status = 'expired'
    where b.tenant_id = v_tenant and b.id = v_batch.id;
    v_expired := v_expired + 1;
  end loop;
  return v_expired;
end
$$;

comment on function inventory.expire_batches(int) is 'about=Marks batches whose last day is over, at most p_limit, releases what was promised of them and returns how many. For a job every day; movements check the date themselves.';

create or replace function inventory.release_promises(p_batch inventory.batches) returns int
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_reservation inventory.stock_reservations;
  v_released int := 0;
begin
  for v_reservation in
    select r.*
    from inventory.stock_reservations r
    where r.tenant_id = p_batch.tenant_id and r.batch_id = p_batch.id and r.status = 'active'
    order by r.id
  loop
    perform inventory.end_reservation(v_reservation, 'released');
    v_released := v_released + 1;
  end loop;
  return v_released;
end
$$;

comment on function inventory.release_promises(inventory.batches) is 'about=Releases every active reservation of a batch that inventory.lock_batch has locked; returns how many.';

create or replace function inventory.announce_expiring(p_days int default null, p_limit int default 500) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_today date := core.tenant_today();
  v_days int := coalesce(p_days, (core.setting('inventory.expiry_warning_days') #>> '{}')::int, 90);
  v_batch record;
  v_announced int := 0;
begin
  for v_batch in
    select b.id
    from inventory.batches b
    where
      b.tenant_id = v_tenant and b.status in ('available', 'hold') and b.expiry_announced_at is null
      and b.expiry_on between v_today and v_today + v_days
      and exists (
        select
        from inventory.stock_balances s
        where s.tenant_id = v_tenant and s.batch_id = b.id and s.on_hand > 0
      )
    order by b.expiry_on, b.id
    limit p_limit
    for no key update skip locked
  loop
    update inventory.batches b
    set expiry_announced_at = now()
    where b.tenant_id = v_tenant and b.id = v_batch.id;
    perform core.enqueue(
      'stock', v_batch.id, 'stock.expiring.v1', jsonb_build_object('batch_id', v_batch.id)
    );
    v_announced := v_announced + 1;
  end loop;
  return v_announced;
end
$$;

comment on function inventory.announce_expiring(int, int) is 'about=Writes event stock.expiring.v1 once for each batch in stock that expires within p_days (default setting inventory.expiry_warning_days, else 90); returns how many. For a job every day.';

-- A recall: the batch stops at once, promises of it end, and everybody who got it is named.
create or replace function inventory.batch_recipients(p_batch_id uuid)
  returns table (patient_id uuid, quantity numeric, first_at timestamptz, last_at timestamptz)
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_rows int;
begin
  return query
  select m.patient_id, -sum(m.quantity), min(m.moved_at), max(m.moved_at)
  from inventory.stock_movements m
  where m.tenant_id = v_tenant and m.batch_id = p_batch_id and m.patient_id is not null
  group by m.patient_id
  order by m.patient_id;
  get diagnostics v_rows = row_count;
  perform audit.log_access('Batch', p_batch_id, null, 'list', array['patient_id'], v_rows);
end
$$;

comment on function inventory.batch_recipients(uuid) is 'about=The patients to whom the ledger says that a batch went, with the quantity that was not brought back. Other modules know more: implants, vaccinations, administrations. Logged as a read of health data.';

create or replace function inventory.recall_batch(p_batch_id uuid, p_recall_ref text, p_recall_class text default 'II')
  returns table (patient_id uuid, quantity numeric, first_at timestamptz, last_at timestamptz)
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_batch inventory.batches := inventory.lock_batch(p_batch_id);
  v_recipient record;
begin
  if v_batch.status = 'recalled' and v_batch.recall_ref = p_recall_ref then
    return query select r.* from inventory.batch_recipients(p_batch_id) r;
    return;
  end if;
  if nullif(btrim(p_recall_ref), '') is null then
    raise exception 'batch % is recalled by a notice', p_batch_id
      using errcode = 'IM002', hint = 'pass the number of the recall notice in p_recall_ref';
  end if;
  if v_batch.status = 'recalled' then
    raise exception 'batch % was recalled by notice "%"', p_batch_id, v_batch.recall_ref
      using errcode = 'IM001', hint = 'repeat the recall with that notice to get its patients';
  end if;
  perform core.set_reason(p_recall_ref);
  update inventory.batches b
  set status = 'recalled', recall_ref = p_recall_ref, recall_class = p_recall_class, recalled_at = now(), hold_reason = null
  where b.tenant_id = v_batch.tenant_id and b.id = v_batch.id;
  perform inventory.release_promises(v_batch);
  for v_recipient in select r.* from inventory.batch_recipients(p_batch_id) r
  loop
    perform core.enqueue(
      'stock', p_batch_id, 'stock.recalled.v1',
      jsonb_build_object('batch_id', p_batch_id, 'patient_id', v_recipient.patient_id)
    );
    patient_id := v_recipient.patient_id;
    quantity := v_recipient.quantity;
    first_at := v_recipient.first_at;
    last_at := v_recipient.last_at;
    return next;
  end loop;
end
$$;

comment on function inventory.recall_batch(uuid, text, text) is 'about=Recalls a batch by a notice (class I, II or III): nothing of it leaves a store any more, its reservations are released, and the patients who got it are returned, with an event for the batch and one for each patient. Repeated: the same patients. IM001 destroyed, sent back or recalled by another notice, IM002 no notice, IM005 no such batch.';

-- Orders to suppliers: drafted, submitted, approved by somebody else, sent. The client chooses the id of an order, so that
-- a request that is sent twice makes one.
create or replace function inventory.lock_purchase_order(p_po_id uuid) returns inventory.purchase_orders
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_order inventory.purchase_orders;
begin
  select o.* into v_order
  from inventory.purchase_orders o
  where o.tenant_id = v_tenant and o.id = p_po_id
  for no key update;
  if not found then
    raise exception 'purchase order % does not exist', p_po_id
      using errcode = 'IM005', hint = 'choose an order of the tenant';
  end if;
  return v_order;
end
$$;

comment on function inventory.lock_purchase_order(uuid) is 'about=The order, locked until the transaction ends. IM005 no such order.';

create or replace function inventory.set_purchase_order_status(p_order inventory.purchase_orders, p_status text, p_reason text default null)
  returns inventory.purchase_orders
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_order inventory.purchase_orders;
begin
  if p_reason is not null then
    perform core.set_reason(p_reason);
  end if;
  update inventory.purchase_orders o
  set status = p_status
  where o.tenant_id = p_order.tenant_id and o.id = p_order.id
  returning o.* into v_order;
  return v_order;
end
$$;

comment on function inventory.set_purchase_order_status(inventory.purchase_orders, text, text) is 'about=Moves a locked order. IM001 the state machine has no such move, IM002 the move needs a reason.';

create or replace function inventory.require_supplier(p_supplier_id uuid) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (
    select
    from inventory.suppliers s
    where s.tenant_id = core.require_tenant() and s.id = p_supplier_id and s.deleted_at is null
  ) then
    raise exception 'supplier % does not exist', p_supplier_id
      using errcode = 'IM005', hint = 'choose a supplier of the tenant';
  end if;
end
$$;

comment on function inventory.require_supplier(uuid) is 'about=Passes when the tenant has the supplier. IM005 no such supplier.';

create or replace function inventory.check_supplier(p_order inventory.purchase_orders) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_supplier record;
begin
  select s.status, s.licence_valid_to, s.drug_licence_no into v_supplier
  from inventory.suppliers s
  where s.tenant_id = p_order.tenant_id and s.id = p_order.supplier_id;
  if v_supplier.status <> 'active' then
    raise exception 'supplier % is %', p_order.supplier_id, v_supplier.status
      using errcode = 'IM006', hint = 'order from an active supplier';
  end if;
  if v_supplier.licence_valid_to < core.tenant_today() and exists (
    select
    from inventory.purchase_order_items l
    join inventory.items i on i.tenant_id = l.tenant_id and i.id = l.item_id
    where l.tenant_id = p_order.tenant_id and l.po_id = p_order.id and i.kind = 'drug'
  ) then
    raise exception 'the drug licence of supplier % has run out', p_order.supplier_id
      using errcode = 'IM006', hint = 'record the renewed licence, or order the drugs elsewhere';
  end if;
end
$$;

comment on function inventory.check_supplier(inventory.purchase_orders) is 'about=Passes when the supplier of an order is active and, for drugs, licensed. IM006 blocked or without licence.';

create or replace function inventory.create_purchase_order(
  p_id uuid,
  p_supplier_id uuid,
  p_store_location_id uuid,
  p_lines jsonb,
  p_expected_on date default null,
  p_terms jsonb default '{}',
  p_currency text default null
) returns inventory.purchase_orders
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_order inventory.purchase_orders;
  v_currency text := coalesce(p_currency, (select t.currency from core.tenants t where t.id = v_tenant));
  v_line record;
begin
  select o.* into v_order
  from inventory.purchase_orders o
  where o.tenant_id = v_tenant and o.id = p_id;
  if found then
    return v_order;
  end if;
  if jsonb_typeof(p_lines) is distinct from 'array' or jsonb_array_length(p_lines) = 0 then
    raise exception 'an order has at least one line'
      using errcode = '22023', hint = 'pass p_lines as [{"item_id", "quantity", "unit_price", "tax_rate", "free_qty"}]';
  end if;
  perform inventory.require_supplier(p_supplier_id);
  insert into inventory.purchase_orders as o (
    tenant_id, id, po_number, supplier_id, store_location_id, ordered_by, expected_on, terms, currency
  )
  values (
    v_tenant, p_id, core.next_default_number('purchase_order', '', 'PO-{YY}-'), p_supplier_id, p_store_location_id,
    workforce.acting_staff_id(), p_expected_on, p_terms,
    v_currency
  )
  on conflict (tenant_id, id) do nothing
  returning o.* into v_order;
  if not found then -- the same request came twice at the same time
    return inventory.lock_purchase_order(p_id);
  end if;

  for v_line in
    select l.ordinality as line_no, l.value as data
    from jsonb_array_elements(p_lines) with ordinality l
  loop
    insert into inventory.purchase_order_items (
      tenant_id, po_id, line_no, item_id, quantity, unit_price, tax_rate, free_qty
    )
    values (
      v_tenant, p_id, v_line.line_no, (v_line.data ->> 'item_id')::uuid, (v_line.data ->> 'quantity')::numeric,
      (v_line.data ->> 'unit_price')::numeric, coalesce((v_line.data ->> 'tax_rate')::numeric, 0),
      coalesce((v_line.data ->> 'free_qty')::numeric, 0)
    );
  end loop;
  perform inventory.check_supplier(v_order);
  update inventory.purchase_orders o
  set total = (
    select sum(round(l.quantity * l.unit_price * (1 + l.tax_rate / 100), 2))
    from inventory.purchase_order_items l
    where l.tenant_id = v_tenant and l.po_id = p_id
  )
  where o.tenant_id = v_tenant and o.id = p_id
  returning o.* into v_order;
  return v_order;
end
$$;

comment on function inventory.create_purchase_order(uuid, uuid, uuid, jsonb, date, jsonb, text) is 'about=Drafts an order with the id that the client chose: p_lines [{item_id, quantity, unit_price, tax_rate, free_qty}], the total is computed. The same id again: the same order. 22023 no lines, IM005 no such supplier, IM006 supplier blocked or without licence, or the user is no member of staff.';

create or replace function inventory.submit_purchase_order(p_po_id uuid) returns inventory.purchase_orders
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_order inventory.purchase_orders := inventory.lock_purchase_order(p_po_id);
begin
  if v_order.status = 'submitted' then
    return v_order;
  end if;
  return inventory.set_purchase_order_status(v_order, 'submitted');
end
$$;

comment on function inventory.submit_purchase_order(uuid) is 'about=Draft to submitted: it waits for approval. IM001 not a draft, IM005 no such order.';

create or replace function inventory.decide_purchase_order(p_po_id uuid, p_approve boolean, p_reason text default null)
  returns inventory.purchase_orders
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_order inventory.purchase_orders := inventory.lock_purchase_order(p_po_id);
  v_approver uuid := workforce.acting_staff_id();
  v_status text := case when p_approve then 'approved' else 'rejected' end;
begin
  if v_order.status = v_status then
    return v_order;
  end if;
  if v_approver = v_order.ordered_by then
    raise exception 'purchase order % is decided by somebody who did not order it', p_po_id
      using errcode = 'IM506', hint = 'ask another member of staff';
  end if;
  if p_approve then
    perform inventory.check_supplier(v_order);
  else
    perform core.set_reason(p_reason);
  end if;
  update inventory.purchase_orders o
  set status = v_status, approved_by = v_approver, approved_at = now()
  where o.tenant_id = v_order.tenant_id and o.id = v_order.id
  returning o.* into v_order;
  return v_order;
end
$$;

comment on function inventory.decide_purchase_order(uuid, boolean, text) is 'about=Approves or rejects a submitted order; the signed-in user must not be the one who ordered. IM001 not submitted, IM002 rejected without a reason, IM005 no such order, IM006 supplier blocked or without licence, IM506 the one who ordered.';

create or replace function inventory.send_purchase_order(p_po_id uuid) returns inventory.purchase_orders
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_order inventory.purchase_orders := inventory.lock_purchase_order(p_po_id);
begin
  if v_order.status in ('sent', 'partially_received', 'received') then
    return v_order;
  end if;
  return inventory.set_purchase_order_status(v_order, 'sent');
end
$$;

comment on function inventory.send_purchase_order(uuid) is 'about=Approved to sent: the supplier has it. IM001 not approved, IM005 no such order.';

create or replace function inventory.cancel_purchase_order(p_po_id uuid, p_reason text) returns inventory.purchase_orders
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_order inventory.purchase_orders := inventory.lock_purchase_order(p_po_id);
begin
  if v_order.status = 'cancelled' then
    return v_order;
  end if;
  return inventory.set_purchase_order_status(v_order, 'cancelled', coalesce(p_reason, ''));
end
$$;

comment on function inventory.cancel_purchase_order(uuid, text) is 'about=Cancels an order of which nothing was received. IM001 too far on, IM002 no reason, IM005 no such order.';

create or replace function inventory.close_purchase_order(p_po_id uuid, p_reason text) returns inventory.purchase_orders
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_order inventory.purchase_orders := inventory.lock_purchase_order(p_po_id);
begin
  if v_order.status = 'closed_short' then
    return v_order;
  end if;
  return inventory.set_purchase_order_status(v_order, 'closed_short', coalesce(p_reason, ''));
end
$$;

comment on function inventory.close_purchase_order(uuid, text) is 'about=The rest of a partially received order will not come. IM001 not partially received, IM002 no reason, IM005 no such order.';

-- Goods come in: taken in, inspected, posted. Only posting makes stock.
create or replace function inventory.lock_goods_receipt(p_grn_id uuid) returns inventory.goods_receipts
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_receipt inventory.goods_receipts;
begin
  select r.* into v_receipt
  from inventory.goods_receipts r
  where r.tenant_id = v_tenant and r.id = p_grn_id
  for no key update;
  if not found then
    raise exception 'goods receipt % does not exist', p_grn_id
      using errcode = 'IM005', hint = 'choose a goods receipt of the tenant';
  end if;
  return v_receipt;
end
$$;

comment on function inventory.lock_goods_receipt(uuid) is 'about=The goods receipt, locked until the transaction ends. IM005 no such receipt.';

create or replace function inventory.order_line_of(p_po_id uuid, p_line jsonb) returns uuid
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_accepted numeric := coalesce((p_line ->> 'accepted_qty')::numeric, 0);
  v_po_item_id uuid;
begin
  if p_line ->> 'po_item_id' is not null then
    select o.id into v_po_item_id
    from inventory.purchase_order_items o
    where
      o.tenant_id = v_tenant and o.po_id = p_po_id and o.id = (p_line ->> 'po_item_id')::uuid
      and o.item_id = (p_line ->> 'item_id')::uuid;
    if not found then
      raise exception 'line % is not one of purchase order % for item %', p_line ->> 'po_item_id', p_po_id, p_line ->> 'item_id'
        using errcode = 'IM005', hint = 'name a line of the order for the item, or none';
    end if;
    return v_po_item_id;
  end if;
  select o.id into v_po_item_id
  from inventory.purchase_order_items o
  cross join lateral (
    -- what came before and is not posted yet takes its place as well
    select o.quantity - o.received_qty - coalesce(sum(l.accepted_qty), 0) as quantity
    from inventory.goods_receipt_items l
    join inventory.goods_receipts r on r.tenant_id = l.tenant_id and r.id = l.grn_id
    where l.tenant_id = v_tenant and l.po_item_id = o.id and r.status in ('draft', 'inspected')
  ) room
  where o.tenant_id = v_tenant and o.po_id = p_po_id and o.item_id = (p_line ->> 'item_id')::uuid
  order by room.quantity >= v_accepted desc, room.quantity > 0 desc, o.line_no
  limit 1;
  return v_po_item_id;
end
$$;

comment on function inventory.order_line_of(uuid, jsonb) is 'about=The line of a locked purchase order that a line of a goods receipt is for: the one that it names, or the first of its item with room for it; null when nothing of it was ordered. IM005 the line is of another order or item.';

create or replace function inventory.receive_goods(
  p_id uuid,
  p_supplier_id uuid,
  p_store_location_id uuid,
  p_invoice_no text,
  p_invoice_on date,
  p_lines jsonb,
  p_po_id uuid default null,
  p_temperature_ok boolean default null
) returns inventory.goods_receipts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_receipt inventory.goods_receipts;
  v_order inventory.purchase_orders;
  v_line record;
begin
  select r.* into v_receipt
  from inventory.goods_receipts r
  where r.tenant_id = v_tenant and r.id = p_id;
  if found then
    return v_receipt;
  end if;
  if jsonb_typeof(p_lines) is distinct from 'array' or jsonb_array_length(p_lines) = 0 then
    raise exception 'a goods receipt has at least one line'
      using errcode = '22023', hint = 'pass p_lines as a list of objects with the columns of goods_receipt_items';
  end if;
  perform inventory.require_supplier(p_supplier_id);
  if p_po_id is not null then
    v_order := inventory.lock_purchase_order(p_po_id);
    if v_order.status not in ('sent', 'partially_received') or v_order.supplier_id is distinct from p_supplier_id then
      raise exception 'purchase order % awaits no goods of supplier %', p_po_id, p_supplier_id
        using errcode = 'IM001', hint = 'choose an order that was sent to this supplier, or receive without an order';
    end if;
  end if;

  insert into inventory.goods_receipts as r (
    tenant_id, id, grn_number, po_id, supplier_id, store_location_id, invoice_no, invoice_on, received_by, temperature_ok
  )
  values (
    v_tenant, p_id, core.next_default_number('goods_receipt', '', 'GRN-{YY}-'), p_po_id, p_supplier_id,
    p_store_location_id, p_invoice_no, p_invoice_on, workforce.acting_staff_id(), p_temperature_ok
  )
  on conflict (tenant_id, id) do nothing
  returning r.* into v_receipt;
  if not found then -- the same request came twice at the same time
    return inventory.lock_goods_receipt(p_id);
  end if;

  for v_line in
    select l.ordinality as line_no, l.value as data
    from jsonb_array_elements(p_lines) with ordinality l
  loop
    insert into inventory.goods_receipt_items (
      tenant_id, grn_id, line_no, po_item_id, item_id, batch_no, mfg_on, expiry_on, accepted_qty, rejected_qty,
      free_qty, unit_price, mrp, tax_rate, reject_reason
    )
    values (
      v_tenant, p_id, v_line.line_no,
      inventory.order_line_of(p_po_id, v_line.data),
      (v_line.data ->> 'item_id')::uuid, v_line.data ->> 'batch_no', (v_line.data ->> 'mfg_on')::date,
      (v_line.data ->> 'expiry_on')::date, coalesce((v_line.data ->> 'accepted_qty')::numeric, 0),
      coalesce((v_line.data ->> 'rejected_qty')::numeric, 0), coalesce((v_line.data ->> 'free_qty')::numeric, 0),
      (v_line.data ->> 'unit_price')::numeric, (v_line.data ->> 'mrp')::numeric,
      coalesce((v_line.data ->> 'tax_rate')::numeric, 0), v_line.data ->> 'reject_reason'
    );
  end loop;
  update inventory.goods_receipts r
  set total = (
    select sum(round(l.accepted_qty * l.unit_price * (1 + l.tax_rate / 100), 2))
    from inventory.goods_receipt_items l
    where l.tenant_id = v_tenant and l.grn_id = p_id
  )
  where r.tenant_id = v_tenant and r.id = p_id
  returning r.* into v_receipt;
  return v_receipt;
end
$$;

comment on function inventory.receive_goods(uuid, uuid, uuid, text, date, jsonb, uuid, boolean) is 'about=Takes goods in, as a draft with the id that the client chose; p_lines has the columns of goods_receipt_items by name. Nothing is in stock yet. The same id again: the same receipt. 22023 no lines, 23505 the invoice was received before, IM001 the order awaits no goods of this supplier, IM005 no such supplier, order or line of the order, IM006 the user is no member of staff, IM530 goods expire too soon.';

create or replace function inventory.inspect_goods(p_grn_id uuid, p_temperature_ok boolean default null)
  returns inventory.goods_receipts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_receipt inventory.goods_receipts := inventory.lock_goods_receipt(p_grn_id);
  v_inspector uuid := workforce.acting_staff_id();
begin
  if v_receipt.status = 'inspected' then
    return v_receipt;
  end if;
  update inventory.goods_receipts r
  set
    status = 'inspected', inspected_by = v_inspector,
    temperature_ok = coalesce(p_temperature_ok, r.temperature_ok)
  where r.tenant_id = v_receipt.tenant_id and r.id = v_receipt.id
  returning r.* into v_receipt;
  return v_receipt;
end
$$;

comment on function inventory.inspect_goods(uuid, boolean) is 'about=The signed-in user checked the goods. IM001 not a draft, IM005 no such receipt, IM006 no member of staff.';

create or replace function inventory.refuse_goods(p_grn_id uuid, p_reason text) returns inventory.goods_receipts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_receipt inventory.goods_receipts := inventory.lock_goods_receipt(p_grn_id);
begin
  if v_receipt.status in ('rejected', 'cancelled') then
    return v_receipt;
  end if;
  perform core.set_reason(p_reason);
  update inventory.goods_receipts r
  set status = case r.status when 'draft' then 'cancelled' else 'rejected' end
  where r.tenant_id = v_receipt.tenant_id and r.id = v_receipt.id
  returning r.* into v_receipt;
  return v_receipt;
end
$$;

comment on function inventory.refuse_goods(uuid, text) is 'about=Cancels a draft, or rejects goods that were inspected; the invoice may then be received again. IM001 posted already, IM002 no reason, IM005 no such receipt.';

create or replace function inventory.batch_of_line(p_line inventory.goods_receipt_items) returns inventory.batches
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_batch inventory.batches;
begin
  insert into inventory.batches as b (
    tenant_id, item_id, batch_no, mfg_on, expiry_on, mrp, purchase_price, tax_rate, goods_receipt_item_id
  )
  values (
    p_line.tenant_id, p_line.item_id, p_line.batch_no, p_line.mfg_on, p_line.expiry_on, p_line.mrp, p_line.unit_price,
    p_line.tax_rate, p_line.id
  )
  on conflict (tenant_id, item_id, batch_no, expiry_on, mrp) do nothing
  returning b.* into v_batch;
  if found then -- it was inspected with the receipt
    update inventory.batches b
    set status = 'available'
    where b.tenant_id = v_batch.tenant_id and b.id = v_batch.id
    returning b.* into v_batch;
    return v_batch;
  end if;
  select b.* into v_batch
  from inventory.batches b
  where
    b.tenant_id = p_line.tenant_id and b.item_id = p_line.item_id and b.batch_no = p_line.batch_no
    and b.expiry_on = p_line.expiry_on and b.mrp is not distinct from p_line.mrp;
  if v_batch.status not in ('quarantine', 'available', 'hold') then
    raise exception 'batch % is % and takes no more goods', v_batch.id, v_batch.status
      using errcode = 'IM502', hint = 'reject the goods';
  end if;
  return v_batch;
end
$$;

comment on function inventory.batch_of_line(inventory.goods_receipt_items) is 'about=The batch of a line of a goods receipt, made available when it is new. IM502 it was recalled, rejected, destroyed or expired.';

create or replace function inventory.post_goods_receipt(p_grn_id uuid) returns inventory.goods_receipts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_receipt inventory.goods_receipts := inventory.lock_goods_receipt(p_grn_id);
  v_order inventory.purchase_orders;
  v_line inventory.goods_receipt_items;
  v_batch inventory.batches;
  v_lines jsonb := '{}'; -- batch of each line
  v_wanted inventory.stock_movements;
begin
  if v_receipt.status = 'posted' then
    return v_receipt;
  end if;
  if v_receipt.temperature_ok is false then
    raise exception 'the cold chain of goods receipt % was broken', p_grn_id
      using errcode = 'IM006', hint = 'reject the goods with inventory.refuse_goods';
  end if;
  if v_receipt.po_id is not null then
    v_order := inventory.lock_purchase_order(v_receipt.po_id);
  end if;
  -- the state first: a receipt that was not inspected must fail before it makes batches
  update inventory.goods_receipts r
  set status = 'posted'
  where r.tenant_id = v_receipt.tenant_id and r.id = v_receipt.id
  returning r.* into v_receipt;

  for v_line in
    select l.*
    from inventory.goods_receipt_items l
    where l.tenant_id = v_receipt.tenant_id and l.grn_id = v_receipt.id and l.accepted_qty + l.free_qty > 0
    order by l.line_no
  loop
    v_batch := inventory.batch_of_line(v_line);
    v_lines := v_lines || jsonb_build_object(v_line.id, v_batch.id);
  end loop;
  for v_line in
    select l.*
    from inventory.goods_receipt_items l
    where l.tenant_id = v_receipt.tenant_id and l.grn_id = v_receipt.id and v_lines ? l.id::text
    order by l.item_id, l.expiry_on, (v_lines ->> l.id::text)::uuid
  loop
    v_wanted := null;
    v_wanted.tenant_id := v_receipt.tenant_id;
    v_wanted.kind := 'receipt';
    v_wanted.quantity := v_line.accepted_qty + v_line.free_qty;
    v_wanted.ref_type := 'goods_receipt_item';
    v_wanted.ref_id := v_line.id;
    v_wanted.idempotency_key := 'goods_receipt_item:' || v_line.id;
    perform inventory.write_movement(
      v_wanted,
      inventory.lock_balance(
        v_receipt.tenant_id, v_receipt.store_location_id, (v_lines ->> v_line.id::text)::uuid, true
      )
    );
    update inventory.purchase_order_items o
    set received_qty = o.received_qty + v_line.accepted_qty
    where o.tenant_id = v_line.tenant_id and o.id = v_line.po_item_id;
  end loop;

  if v_order.id is not null then
    perform inventory.set_purchase_order_status(
      v_order,
      case
        when exists (
          select
          from inventory.purchase_order_items o
          where o.tenant_id = v_order.tenant_id and o.po_id = v_order.id and o.received_qty < o.quantity
        )
        then 'partially_received'
        else 'received'
      end
    );
  end if;
  return v_receipt;
end
$$;

comment on function inventory.post_goods_receipt(uuid) is 'about=Puts inspected goods into stock: batches are made or topped up, a movement a line is posted, the order counts what came. Posted again: nothing more. 23514 more than 105 percent of what was ordered, IM001 not inspected, IM005 no such receipt, IM006 the cold chain was broken, IM502 a batch takes no more goods.';

-- A ward asks its store: requested, approved by somebody else, issued first expired first out, received.
create or replace function inventory.lock_indent(p_indent_id uuid) returns inventory.indents
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_indent inventory.indents;
begin
  select i.* into v_indent
  from inventory.indents i
  where i.tenant_id = v_tenant and i.id = p_indent_id
  for no key update;
  if not found then
    raise exception 'indent % does not exist', p_indent_id
      using errcode = 'IM005', hint = 'choose an indent of the tenant';
  end if;
  return v_indent;
end
$$;

comment on function inventory.lock_indent(uuid) is 'about=The indent, locked until the transaction ends. IM005 no such indent.';

create or replace function inventory.set_indent_status(p_indent inventory.indents, p_status text) returns inventory.indents
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_indent inventory.indents;
begin
  update inventory.indents i
  set status = p_status
  where i.tenant_id = p_indent.tenant_id and i.id = p_indent.id
  returning i.* into v_indent;
  return v_indent;
end
$$;

comment on function inventory.set_indent_status(inventory.indents, text) is 'about=Moves a locked indent. IM001 the state machine has no such move, IM002 the move needs a reason.';

create or replace function inventory.request_indent(
  p_id uuid,
  p_from_location_id uuid,
  p_to_location_id uuid,
  p_lines jsonb,
  p_priority text default 'routine',
  p_needed_by timestamptz default null
) returns inventory.indents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_indent inventory.indents;
  v_line record;
begin
  select i.* into v_indent
  from inventory.indents i
  where i.tenant_id = v_tenant and i.id = p_id;
  if found then
    return v_indent;
  end if;
  if jsonb_typeof(p_lines) is distinct from 'array' or jsonb_array_length(p_lines) = 0 then
    raise exception 'an indent has at least one line'
      using errcode = '22023', hint = 'pass p_lines as [{"item_id", "quantity"}]';
  end if;
  perform inventory.store_today(p_from_location_id), inventory.store_today(p_to_location_id); -- IM005
  insert into inventory.indents as i (
    tenant_id, id, indent_number, from_location_id, to_location_id, requested_by, needed_by, priority
  )
  values (
    v_tenant, p_id, core.next_default_number('indent', '', 'IND-{YY}-'), p_from_location_id, p_to_location_id,
    workforce.acting_staff_id(), p_needed_by, p_priority
  )
  on conflict (tenant_id, id) do nothing
  returning i.* into v_indent;
  if not found then -- the same request came twice at the same time
    return inventory.lock_indent(p_id);
  end if;
  for v_line in
    select l.ordinality as line_no, (l.value ->> 'item_id')::uuid as item_id, (l.value ->> 'quantity')::numeric as quantity
    from jsonb_array_elements(p_lines) with ordinality l
  loop
    insert into inventory.indent_items (tenant_id, indent_id, line_no, item_id, requested_qty)
    values (v_tenant, p_id, v_line.line_no, v_line.item_id, v_line.quantity);
  end loop;
  return inventory.set_indent_status(v_indent, 'submitted');
end
$$;

comment on function inventory.request_indent(uuid, uuid, uuid, jsonb, text, timestamptz) is 'about=Asks a store for goods, with the id that the client chose: p_lines [{item_id, quantity}], an item once; the indent waits for approval. The same id again: the same indent. 22023 no lines, IM005 no such place, IM006 the user is no member of staff.';

create or replace function inventory.decide_indent(
  p_indent_id uuid,
  p_approve boolean,
  p_lines jsonb default null,
  p_reason text default null
) returns inventory.indents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_indent inventory.indents := inventory.lock_indent(p_indent_id);
  v_approver uuid := workforce.acting_staff_id();
  v_status text := case when p_approve then 'approved' else 'rejected' end;
begin
  if v_indent.status = v_status then
    return v_indent;
  end if;
  if v_approver = v_indent.requested_by then
    raise exception 'indent % is decided by somebody who did not ask for it', p_indent_id
      using errcode = 'IM506', hint = 'ask another member of staff';
  end if;
  if not p_approve then
    perform core.set_reason(p_reason);
  end if;
  update inventory.indents i
  set status = v_status, approved_by = v_approver
  where i.tenant_id = v_indent.tenant_id and i.id = v_indent.id
  returning i.* into v_indent;
  if p_approve then
    update inventory.indent_items l
    set approved_qty = case
      when p_lines is null then l.requested_qty
      else coalesce(
        (
          select (a.value ->> 'quantity')::numeric
          from jsonb_array_elements(p_lines) a
          where (a.value ->> 'item_id')::uuid = l.item_id
        ),
        0
      )
    end
    where l.tenant_id = v_indent.tenant_id and l.indent_id = v_indent.id;
  end if;
  return v_indent;
end
$$;

comment on function inventory.decide_indent(uuid, boolean, jsonb, text) is 'about=Approves an indent, whole or with the quantities of p_lines [{item_id, quantity}] (items that are not named get nothing), or rejects it. The signed-in user must not be the one who asked. IM001 not submitted, IM002 rejected without a reason, IM005 no such indent, IM506 the one who asked.';

create or replace function inventory.cancel_indent(p_indent_id uuid, p_reason text) returns inventory.indents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_indent inventory.indents := inventory.lock_indent(p_indent_id);
begin
  if v_indent.status in ('cancelled', 'closed_short') then
    return v_indent;
  end if;
  perform core.set_reason(p_reason);
  return inventory.set_indent_status(
    v_indent, case v_indent.status when 'partially_issued' then 'closed_short' else 'cancelled' end
  );
end
$$;

comment on function inventory.cancel_indent(uuid, text) is 'about=Cancels an indent of which nothing was issued, or closes one short whose rest will not come. IM001 issued or finished, IM002 no reason, IM005 no such indent.';

create or replace function inventory.issue_line(
  p_indent inventory.indents,
  p_line inventory.indent_items,
  p_quantity numeric
) returns setof inventory.stock_movements
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_part int;
  v_reservation inventory.stock_reservations;
  v_wanted inventory.stock_movements;
  v_issued numeric := 0;
begin
  select coalesce(max(m.part), 0) + 1 into v_part
  from inventory.stock_movements m
  where m.tenant_id = p_line.tenant_id and m.ref_type = 'indent_item' and m.ref_id = p_line.id;
  for v_reservation in
    select r.*
    from inventory.reserve_fefo(
      p_indent.from_location_id, p_line.item_id, p_quantity, 'indent_item', p_line.id, p_partial => true
    ) r
  loop
    v_wanted := null;
    v_wanted.tenant_id := p_line.tenant_id;
    v_wanted.kind := 'transfer_out';
    v_wanted.quantity := -v_reservation.quantity;
    v_wanted.ref_type := 'indent_item';
    v_wanted.ref_id := p_line.id;
    v_wanted.part := v_part;
    v_wanted.idempotency_key := 'indent_out:' || v_reservation.id;
    return next inventory.take_reserved(v_reservation, v_wanted);
    v_issued := v_issued + v_reservation.quantity;
  end loop;
  update inventory.indent_items l
  set issued_qty = l.issued_qty + v_issued
  where l.tenant_id = p_line.tenant_id and l.id = p_line.id;
end
$$;

comment on function inventory.issue_line(inventory.indents, inventory.indent_items, numeric) is 'about=Takes up to a quantity of a line''s item out of the store, the batches that expire first, and returns the movements.';

create or replace function inventory.issue_indent(p_indent_id uuid, p_idempotency_key text, p_lines jsonb default null)
  returns setof inventory.stock_movements
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_claim record;
  v_indent inventory.indents;
  v_line inventory.indent_items;
  v_movement inventory.stock_movements;
  v_quantity numeric;
  v_ids uuid[] := '{}';
begin
  v_claim := core.idempotent_begin(
    'inventory.issue_indent', p_idempotency_key,
    sha256(convert_to(concat_ws('|', p_indent_id, p_lines), 'UTF8'))
  );
  if v_claim.state = 'done' then
    v_ids := array(select (i.value #>> '{}')::uuid from jsonb_array_elements(v_claim.response) i);
    return query
    select m.*
    from inventory.stock_movements m
    where m.tenant_id = v_tenant and m.id = any (v_ids)
    order by array_position(v_ids, m.id);
    return;
  end if;
  v_indent := inventory.lock_indent(p_indent_id);
  if v_indent.status not in ('approved', 'partially_issued') then
    raise exception 'indent % is %', p_indent_id, v_indent.status
      using errcode = 'IM001', hint = 'only an approved or partially issued indent is issued';
  end if;

  for v_line in
    select l.*
    from inventory.indent_items l
    where l.tenant_id = v_tenant and l.indent_id = p_indent_id and l.issued_qty < l.approved_qty
    order by l.item_id -- the order in which balances are locked
  loop
    v_quantity := v_line.approved_qty - v_line.issued_qty;
    if p_lines is not null then
      select least(v_quantity, (a.value ->> 'quantity')::numeric) into v_quantity
      from jsonb_array_elements(p_lines) a
      where (a.value ->> 'item_id')::uuid = v_line.item_id;
    end if;
    continue when coalesce(v_quantity, 0) <= 0;
    for v_movement in select m.* from inventory.issue_line(v_indent, v_line, v_quantity) m
    loop
      v_ids := v_ids || v_movement.id;
      return next v_movement;
    end loop;
  end loop;
  if cardinality(v_ids) = 0 then
    raise exception 'store % has nothing for indent %', v_indent.from_location_id, p_indent_id
      using errcode = 'IM500', hint = 'order goods, or close the indent short with inventory.cancel_indent';
  end if;

  perform inventory.set_indent_status(
    v_indent,
    case
      when exists (
        select
        from inventory.indent_items l
        where l.tenant_id = v_tenant and l.indent_id = p_indent_id and l.issued_qty < l.approved_qty
      )
      then 'partially_issued'
      else 'issued'
    end
  );
  perform core.idempotent_finish('inventory.issue_indent', p_idempotency_key, to_jsonb(v_ids));
end
$$;

comment on function inventory.issue_indent(uuid, text, jsonb) is 'about=Takes what is approved and not issued yet out of the store, first expired first, as much as there is, or the quantities of p_lines [{item_id, quantity}]; returns the movements (transfer_out). The goods are on their way until they are received. Same key, same answer. IM001 not approved, IM005 no such indent, IM010, IM011, IM500 nothing is there.';

create or replace function inventory.receive_indent(p_indent_id uuid, p_lines jsonb default null)
  returns setof inventory.stock_movements
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_indent inventory.indents := inventory.lock_indent(p_indent_id);
  v_out inventory.stock_movements;
  v_quantity numeric;
  v_wanted inventory.stock_movements;
begin
  if v_indent.status not in ('partially_issued', 'issued', 'received', 'closed_short') then
    raise exception 'indent % is %: nothing of it was issued', p_indent_id, v_indent.status
      using errcode = 'IM001', hint = 'issue it first';
  end if;
  for v_out in
    select m.*
    from inventory.stock_movements m
    join inventory.indent_items l on l.tenant_id = m.tenant_id and l.id = m.ref_id
    join inventory.batches b on b.tenant_id = m.tenant_id and b.id = m.batch_id
    where
      m.tenant_id = v_tenant and m.ref_type = 'indent_item' and m.kind = 'transfer_out' and l.indent_id = p_indent_id
      and v_indent.status <> 'received'
      and not exists (
        select
        from inventory.stock_movements r
        where r.tenant_id = v_tenant and r.counter_movement_id = m.id
      )
    order by m.item_id, b.expiry_on, m.batch_id, m.part
  loop
    v_quantity := -v_out.quantity;
    if p_lines is not null then
      select least(v_quantity, (a.value ->> 'quantity')::numeric) into v_quantity
      from jsonb_array_elements(p_lines) a
      where (a.value ->> 'movement_id')::uuid = v_out.id;
    end if;
    continue when coalesce(v_quantity, 0) <= 0; -- nothing of it arrived
    v_wanted := null;
    v_wanted.tenant_id := v_tenant;
    v_wanted.kind := 'transfer_in';
    v_wanted.quantity := v_quantity;
    v_wanted.ref_type := 'indent_item';
    v_wanted.ref_id := v_out.ref_id;
    v_wanted.part := v_out.part;
    v_wanted.counter_movement_id := v_out.id;
    v_wanted.idempotency_key := 'indent_in:' || v_out.id;
    perform inventory.write_movement(
      v_wanted, inventory.lock_balance(v_tenant, v_indent.to_location_id, v_out.batch_id, true)
    );
    update inventory.indent_items l
    set received_qty = l.received_qty + v_quantity
    where l.tenant_id = v_tenant and l.id = v_out.ref_id;
  end loop;
  if v_indent.status = 'issued' then
    perform inventory.set_indent_status(v_indent, 'received');
  end if;
  return query
  select m.*
  from inventory.stock_movements m
  join inventory.indent_items l on l.tenant_id = m.tenant_id and l.id = m.ref_id
  where
    m.tenant_id = v_tenant and m.ref_type = 'indent_item' and m.kind = 'transfer_in' and l.indent_id = p_indent_id
  order by m.moved_at, m.id;
end
$$;

comment on function inventory.receive_indent(uuid, jsonb) is 'about=Puts what was issued into the stock of the place that asked, all of it or the quantities of p_lines [{movement_id, quantity}]; what is missing stays visible as issued_qty - received_qty. Returns all receipts of the indent; repeated, nothing more is added. IM001 nothing was issued, IM005 no such indent.';

-- soft references: functions

create or replace function inventory.goods_receipts_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.inspected_by is distinct from old.inspected_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.inspected_by, 'goods_receipts_inspected_by_fkey');
  end if;
  if new.received_by is distinct from old.received_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.received_by, 'goods_receipts_received_by_fkey');
  end if;
  if new.store_location_id is distinct from old.store_location_id then
    perform core.require_entity(new.tenant_id, 'facility.locations', new.store_location_id, 'goods_receipts_store_location_fkey');
  end if;
  return null;
end
$$;

comment on function inventory.goods_receipts_check_references() is 'about=Of a new or changed row: what inspected_by, received_by, store_location_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger goods_receipts_new_references after insert on inventory.goods_receipts
  for each row execute function inventory.goods_receipts_check_references();

create or replace trigger goods_receipts_changed_references after update on inventory.goods_receipts
  for each row when (new.inspected_by is distinct from old.inspected_by or new.received_by is distinct from old.received_by or new.store_location_id is distinct from old.store_location_id)
  execute function inventory.goods_receipts_check_references();

create or replace function inventory.indents_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.approved_by is distinct from old.approved_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.approved_by, 'indents_approved_by_fkey');
  end if;
  if new.from_location_id is distinct from old.from_location_id then
    perform core.require_entity(new.tenant_id, 'facility.locations', new.from_location_id, 'indents_from_location_fkey');
  end if;
  if new.requested_by is distinct from old.requested_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.requested_by, 'indents_requested_by_fkey');
  end if;
  if new.to_location_id is distinct from old.to_location_id then
    perform core.require_entity(new.tenant_id, 'facility.locations', new.to_location_id, 'indents_to_location_fkey');
  end if;
  return null;
end
$$;

comment on function inventory.indents_check_references() is 'about=Of a new or changed row: what approved_by, from_location_id, requested_by, to_location_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger indents_new_references after insert on inventory.indents
  for each row execute function inventory.indents_check_references();

create or replace trigger indents_changed_references after update on inventory.indents
  for each row when (new.approved_by is distinct from old.approved_by or new.from_location_id is distinct from old.from_location_id or new.requested_by is distinct from old.requested_by or new.to_location_id is distinct from old.to_location_id)
  execute function inventory.indents_check_references();

create or replace function inventory.purchase_orders_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.approved_by is distinct from old.approved_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.approved_by, 'purchase_orders_approved_by_fkey');
  end if;
  if new.ordered_by is distinct from old.ordered_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.ordered_by, 'purchase_orders_ordered_by_fkey');
  end if;
  if new.store_location_id is distinct from old.store_location_id then
    perform core.require_entity(new.tenant_id, 'facility.locations', new.store_location_id, 'purchase_orders_store_location_fkey');
  end if;
  return null;
end
$$;

comment on function inventory.purchase_orders_check_references() is 'about=Of a new or changed row: what approved_by, ordered_by, store_location_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger purchase_orders_new_references after insert on inventory.purchase_orders
  for each row execute function inventory.purchase_orders_check_references();

create or replace trigger purchase_orders_changed_references after update on inventory.purchase_orders
  for each row when (new.approved_by is distinct from old.approved_by or new.ordered_by is distinct from old.ordered_by or new.store_location_id is distinct from old.store_location_id)
  execute function inventory.purchase_orders_check_references();

create or replace function inventory.stock_balances_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.store_location_id is distinct from old.store_location_id then
    perform core.require_entity(new.tenant_id, 'facility.locations', new.store_location_id, 'stock_balances_store_location_fkey');
  end if;
  return null;
end
$$;

comment on function inventory.stock_balances_check_references() is 'about=Of a new or changed row: what store_location_id names must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger stock_balances_new_references after insert on inventory.stock_balances
  for each row execute function inventory.stock_balances_check_references();

create or replace trigger stock_balances_changed_references after update on inventory.stock_balances
  for each row when (new.store_location_id is distinct from old.store_location_id)
  execute function inventory.stock_balances_check_references();

create or replace function inventory.stock_movements_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.approved_by is distinct from old.approved_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.approved_by, 'stock_movements_approved_by_fkey');
  end if;
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'stock_movements_patient_fkey');
  end if;
  if new.store_location_id is distinct from old.store_location_id then
    perform core.require_entity(new.tenant_id, 'facility.locations', new.store_location_id, 'stock_movements_store_location_fkey');
  end if;
  if new.witness_id is distinct from old.witness_id then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.witness_id, 'stock_movements_witness_fkey');
  end if;
  return null;
end
$$;

comment on function inventory.stock_movements_check_references() is 'about=Of a new or changed row: what approved_by, patient_id, store_location_id, witness_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger stock_movements_new_references after insert on inventory.stock_movements
  for each row execute function inventory.stock_movements_check_references();

create or replace trigger stock_movements_changed_references after update on inventory.stock_movements
  for each row when (new.approved_by is distinct from old.approved_by or new.patient_id is distinct from old.patient_id or new.store_location_id is distinct from old.store_location_id or new.witness_id is distinct from old.witness_id)
  execute function inventory.stock_movements_check_references();

create or replace function inventory.stock_reservations_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.store_location_id is distinct from old.store_location_id then
    perform core.require_entity(new.tenant_id, 'facility.locations', new.store_location_id, 'stock_reservations_store_location_fkey');
  end if;
  return null;
end
$$;

comment on function inventory.stock_reservations_check_references() is 'about=Of a new or changed row: what store_location_id names must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger stock_reservations_new_references after insert on inventory.stock_reservations
  for each row execute function inventory.stock_reservations_check_references();

create or replace trigger stock_reservations_changed_references after update on inventory.stock_reservations
  for each row when (new.store_location_id is distinct from old.store_location_id)
  execute function inventory.stock_reservations_check_references();

-- announcements: functions

create or replace function inventory.batches_announce() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' then
    perform core.announce_entity(old.tenant_id, 'inventory.batches', old.id, 'deleted', '{}', 'deleted');
  else
    perform core.announce_entity(new.tenant_id, 'inventory.batches', new.id, 'active', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('item_id', new.item_id, 'batch_no', new.batch_no, 'expiry_on', new.expiry_on, 'mrp', new.mrp, 'status', new.status)), case tg_op when 'INSERT' then 'created' else 'updated' end);
  end if;
  return null;
end
$$;

comment on function inventory.batches_announce() is 'about=Tells the services that refer to inventory.batches of a row that is new, changed in what is published of it (item_id, batch_no, expiry_on, mrp, status), or gone.';

create or replace trigger batches_announce after insert or delete on inventory.batches
  for each row execute function inventory.batches_announce();

create or replace trigger batches_announce_update after update on inventory.batches
  for each row when (new.item_id is distinct from old.item_id or new.batch_no is distinct from old.batch_no or new.expiry_on is distinct from old.expiry_on or new.mrp is distinct from old.mrp or new.status is distinct from old.status)
  execute function inventory.batches_announce();

create or replace function inventory.items_announce() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' then
    perform core.announce_entity(old.tenant_id, 'inventory.items', old.id, 'deleted', '{}', 'deleted');
  else
    perform core.announce_entity(new.tenant_id, 'inventory.items', new.id, case when new.deleted_at is null then 'active' else 'deleted' end, pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('sku', new.sku, 'name', new.name, 'drug_id', new.drug_id, 'active', new.active, 'deleted_at', new.deleted_at)), case tg_op when 'INSERT' then 'created' else 'updated' end);
  end if;
  return null;
end
$$;

comment on function inventory.items_announce() is 'about=Tells the services that refer to inventory.items of a row that is new, changed in what is published of it (sku, name, drug_id, active), or gone.';

create or replace trigger items_announce after insert or delete on inventory.items
  for each row execute function inventory.items_announce();

create or replace trigger items_announce_update after update on inventory.items
  for each row when (new.sku is distinct from old.sku or new.name is distinct from old.name or new.drug_id is distinct from old.drug_id or new.active is distinct from old.active or new.deleted_at is distinct from old.deleted_at)
  execute function inventory.items_announce();

create or replace function inventory.stock_movements_announce() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' then
    perform core.announce_entity(old.tenant_id, 'inventory.stock_movements', old.id, 'deleted', '{}', 'deleted');
  else
    perform core.announce_entity(new.tenant_id, 'inventory.stock_movements', new.id, 'active', '{}'::jsonb, case tg_op when 'INSERT' then 'created' else 'updated' end);
  end if;
  return null;
end
$$;

comment on function inventory.stock_movements_announce() is 'about=Tells the services that refer to inventory.stock_movements of a row that is new, changed in what is published of it (its id), or gone.';

create or replace trigger stock_movements_announce after insert or delete on inventory.stock_movements
  for each row execute function inventory.stock_movements_announce();

create or replace function inventory.stock_reservations_announce() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' then
    perform core.announce_entity(old.tenant_id, 'inventory.stock_reservations', old.id, 'deleted', '{}', 'deleted');
  else
    perform core.announce_entity(new.tenant_id, 'inventory.stock_reservations', new.id, 'active', '{}'::jsonb, case tg_op when 'INSERT' then 'created' else 'updated' end);
  end if;
  return null;
end
$$;

comment on function inventory.stock_reservations_announce() is 'about=Tells the services that refer to inventory.stock_reservations of a row that is new, changed in what is published of it (its id), or gone.';

create or replace trigger stock_reservations_announce after insert or delete on inventory.stock_reservations
  for each row execute function inventory.stock_reservations_announce();


-- =====================================================================================================================
-- VIEWS
-- =====================================================================================================================

-- core: views

-- What every table and column is, read from the comments. Checks and generators read these views and nothing else.
create or replace view core.v_tables with (security_invoker = true) as
select
  n.nspname::text as schema_name,
  c.relname::text as table_name,
  core.tag(d.description, 'class') as class,
  core.tag(d.description, 'scope') as scope,
  core.tag(d.description, 'owner') as owner,
  core.tag(d.description, 'fhir') as fhir,
  core.tag(d.description, 'retention') as retention,
  core.tag(d.description, 'about') as about
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_description d on d.objoid = c.oid and d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objsubid = 0
where c.relkind in ('r', 'p') and not c.relispartition and d.description ~ '^class=';

comment on view core.v_tables is 'about=One row a table: class, scope, owning service, FHIR resource, retention, meaning.';

create or replace view core.v_columns with (security_invoker = true) as
select
  t.schema_name,
  t.table_name,
  a.attname::text as column_name,
  core.tag(d.description, 'class') as class,
  coalesce(core.tag(d.description, 'enc') = '1', false) as encrypted,
  core.tag(d.description, 'mask') as mask,
  core.tag(d.description, 'about') as about
from core.v_tables t
join pg_catalog.pg_attribute a
  on a.attrelid = pg_catalog.format('%I.%I', t.schema_name, t.table_name)::pg_catalog.regclass and a.attnum > 0 and not a.attisdropped
left join pg_catalog.pg_description d
  on d.objoid = a.attrelid and d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objsubid = a.attnum;

comment on view core.v_columns is 'about=One row a column: class, whether it is encrypted, mask, meaning.';

-- audit: views

-- Reading the log. The views keep the rows of the tenant only (security_invoker), the rollups are exact to the second:
-- what is sealed is counted already, the rest is counted now.
create or replace view audit.audit_logs_recent with (security_invoker = true) as
select *
from audit.audit_logs
where occurred_at >= now() - interval '7 days';

comment on view audit.audit_logs_recent is 'about=The audit log of the last seven days.';

create or replace view audit.unsealed_audit_logs with (security_invoker = true) as
select l.*
from audit.audit_logs l
where
  l.txid >= coalesce(
    (
      select a.to_txid
      from audit.audit_chain_anchors a
      where a.tenant_id = (select core.current_tenant_id()) and a.log_name = 'audit_logs'
      order by a.seal_no desc
      limit 1
    ),
    0
  );

comment on view audit.unsealed_audit_logs is 'about=Rows of the audit log that no seal covers yet.';

create or replace view audit.audit_metrics_hourly with (security_invoker = true) as
select tenant_id, bucket, schema_name, table_name, action, sum(events)::bigint as events
from (
  select tenant_id, bucket, schema_name, table_name, action, events
  from audit.metrics_hourly
  union all
  select tenant_id, date_trunc('hour', occurred_at, 'UTC'), schema_name, table_name, action, count(*)
  from audit.unsealed_audit_logs
  group by 1, 2, 3, 4, 5
) as counted
group by 1, 2, 3, 4, 5;

comment on view audit.audit_metrics_hourly is 'about=Audit events per hour, table and action.';

create or replace view audit.audit_compliance_daily with (security_invoker = true) as
select
  tenant_id, bucket, action, actor_role, sum(events)::bigint as events,
  sum(without_actor)::bigint as without_actor, sum(without_purpose)::bigint as without_purpose
from (
  select tenant_id, bucket, action, actor_role, events, without_actor, without_purpose
  from audit.compliance_daily
  union all
  select
    tenant_id, (occurred_at at time zone 'UTC')::date, action, coalesce(actor_role, ''), count(*),
    count(*) filter (where actor_user_id is null), count(*) filter (where purpose_of_use is null)
  from audit.unsealed_audit_logs
  group by 1, 2, 3, 4
) as counted
group by 1, 2, 3, 4;

comment on view audit.audit_compliance_daily is 'about=Audit events per day (UTC), action and role, with those that name no actor or no purpose of use.';

create or replace function audit.get_audit_logs_time_range(
  p_from timestamptz,
  p_to timestamptz,
  p_patient_id uuid default null,
  p_table text default null,
  p_limit int default 1000
) returns setof audit.audit_logs
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select l.*
  from (
    -- each branch is limited by itself, so that the log is read along its key
    (
      select l.*
      from audit.audit_logs l
      where
        l.tenant_id = core.require_tenant()
        and l.occurred_at >= p_from
        and l.occurred_at < p_to
        and (p_patient_id is null or l.patient_id = p_patient_id)
        and (p_table is null or l.schema_name || '.' || l.table_name = p_table)
      order by l.occurred_at desc, l.seq desc
      limit p_limit
    )
    union all
    select a.* from audit.archived_audit_logs(p_from, p_to, p_patient_id, p_table, p_limit) a
  ) as l
  order by l.occurred_at desc, l.seq desc
  limit p_limit
$$;

comment on function audit.get_audit_logs_time_range(timestamptz, timestamptz, uuid, text, int) is 'about=The tenant''s log from p_from until before p_to, archived months too, newest first, of one patient or one table (schema.name) where given.';

create or replace function audit.get_compliance_summary(p_from date, p_to date) returns table (
  action text,
  actor_role text,
  events bigint,
  without_actor bigint,
  without_purpose bigint
)
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select
    d.action, d.actor_role, pg_catalog.sum(d.events)::bigint, pg_catalog.sum(d.without_actor)::bigint,
    pg_catalog.sum(d.without_purpose)::bigint
  from audit.audit_compliance_daily d
  where d.tenant_id = core.require_tenant() and d.bucket >= p_from and d.bucket < p_to
  group by d.action, d.actor_role
  order by d.action, d.actor_role
$$;

comment on function audit.get_compliance_summary(date, date) is 'about=Audit events from p_from until before p_to by action and role, with those that name no actor or no purpose of use.';

-- inventory: views

-- What must be used, returned or written off soon.
create or replace view inventory.expiring_stock
  with (security_invoker = true)
as
select
  b.tenant_id,
  b.store_location_id,
  l.name as store_name,
  b.item_id,
  i.sku,
  i.name as item_name,
  b.batch_id,
  t.batch_no,
  t.status as batch_status,
  b.expiry_on,
  b.expiry_on - (select core.tenant_today()) as days_left,
  b.on_hand,
  b.reserved,
  i.base_unit,
  round(b.on_hand * t.purchase_price, 2) as value
from inventory.stock_balances b
join inventory.batches t on t.tenant_id = b.tenant_id and t.id = b.batch_id
join inventory.items i on i.tenant_id = b.tenant_id and i.id = b.item_id
join facility.locations l on l.tenant_id = b.tenant_id and l.id = b.store_location_id
where
  b.on_hand > 0
  and b.expiry_on <= (select core.tenant_today())
    + (select coalesce((core.setting('inventory.expiry_warning_days') #>> '{}')::int, 90));

comment on view inventory.expiring_stock is 'class=operational;scope=tenant;owner=inventory;about=Stock that expires within setting inventory.expiry_warning_days (default 90) or has expired, with its value at purchase price.';

-- How much of an item can be given out, per place and against the reorder level.
create or replace view inventory.stock_levels
  with (security_invoker = true)
as
select
  b.tenant_id,
  b.store_location_id,
  b.item_id,
  i.sku,
  i.name as item_name,
  i.base_unit,
  sum(b.on_hand) as on_hand,
  sum(b.reserved) as reserved,
  coalesce(sum(b.on_hand - b.reserved) filter (where t.status = 'available' and b.expiry_on >= (select core.tenant_today())), 0)
    as available,
  min(b.expiry_on) filter (where b.on_hand > 0 and t.status = 'available' and b.expiry_on >= (select core.tenant_today()))
    as next_expiry_on,
  i.reorder_level
from inventory.stock_balances b
join inventory.batches t on t.tenant_id = b.tenant_id and t.id = b.batch_id
join inventory.items i on i.tenant_id = b.tenant_id and i.id = b.item_id
group by b.tenant_id, b.store_location_id, b.item_id, i.sku, i.name, i.base_unit, i.reorder_level;

comment on view inventory.stock_levels is 'class=operational;scope=tenant;owner=inventory;about=Stock of an item in a place: on hand, reserved, and available, which leaves out expired and blocked batches.';


-- =====================================================================================================================
-- GRANTS
-- =====================================================================================================================

-- core: grants

-- The kernel belongs to kernel_owner. Every service role is a member of kernel_app: what is granted to kernel_app
-- here, operations and applications of all services may use.
select core.hand_over('core', 'kernel');

grant usage on schema core to kernel_owner, imhotep_platform, audit_writer, audit_reader, retention_job;

-- read by policies, defaults, checks and triggers of every table
grant execute on function
  core.uuid_v7(), core.zero_uuid(), core.current_tenant_id(), core.context_is_signed(), core.require_tenant(),
  core.current_user_id(), core.current_role_name(), core.current_reason(), core.tag(text, text),
  core.valid_luhn(text), core.valid_verhoeff(text), core.verhoeff_sum(text), core.valid_mod37_2(text),
  core.check_character(text, text), core.valid_gstin(text), core.valid_timezone(text),
  core.looks_like_aadhaar(text),
  core.valid_sctid(text), core.valid_loinc(text), core.valid_isbt_din(text, text), core.valid_gtin(text),
  core.valid_icd10(text), core.valid_dicom_uid(text), core.valid_abha_number(text), core.valid_abha_address(text),
  core.valid_ifsc(text), core.valid_income_tax_pan(text), core.valid_pin_code(text), core.valid_indian_mobile(text),
  core.looks_like_pan(text), core.assert_no_pan(jsonb), core.abo_compatible(text, text, text)
to public;

-- whoever may read a table of tenants
grant execute on function
  core.signed_tenant_id(), core.treatment_is_required(), core.look_up_patients(), core.listed_patients(text),
  core.patients_in_care(), core.patients_known()
to kernel_app, kernel_ro, audit_reader, audit_writer, retention_job, imhotep_platform, analytics_deid;

grant execute on function
  core.begin_request(uuid, uuid, text, text, uuid, jsonb), core.set_reason(text),
  core.setting(text), core.environment(), core.assert_not_production(), core.active_tenants(),
  core.tenant_zone(), core.tenant_today(), core.period_key(text, date), core.next_number(text, text, date),
  core.next_default_number(text, text, text, int, text, date),
  core.configure_series(text, text, text, int, text, boolean, text, int),
  core.idempotent_begin(text, text, bytea, interval), core.idempotent_finish(text, text, jsonb, text),
  core.forget_idempotency_keys(int), core.enqueue(text, uuid, text, jsonb),
  core.claim_outbox(text, int, interval), core.mark_published(uuid[], uuid),
  core.mark_failed(uuid, uuid, text, int), core.replay_event(uuid)
to kernel_app;

grant execute on function
  core.begin_request(uuid, uuid, text, text, uuid, jsonb), core.setting(text), core.environment(), core.active_tenants(),
  core.tenant_zone(), core.tenant_today() -- views ask them as their reader
to kernel_ro, audit_reader, audit_writer, retention_job;

grant execute on function
  core.provision_tenant(uuid, text, text, text, text, text, text), core.assert_not_production(), core.environment(),
  core.rewrap_key(text, bytea, text), core.replace_key(text, text, bytea, text, timestamptz), core.retire_key(text),
  core.shred_key(text, text)
to imhotep_platform;

grant select on core.v_tables, core.v_columns to kernel_app, kernel_ro, audit_reader;

select core.ensure_partitions('core.outbox_events', 'day', 2);

grant execute on function
  core.require_entity(uuid, text, uuid, text), core.announce_entity(uuid, text, uuid, text, jsonb, text),
  core.apply_entity_event(text, text, uuid, bigint, jsonb)
to kernel_app;

-- audit: grants

-- audit_writer alone inserts into the logs, audit_reader reads them; applications can do neither.
select core.hand_over('audit', 'kernel');

grant usage on schema audit to kernel_owner, audit_writer, audit_reader, retention_job;

grant execute on function
  audit.log_event(text, text, text, uuid, text), audit.log_access(text, uuid, uuid, text, text[], int),
  audit.log_disclosure(text, uuid, uuid, text, text, uuid),
  audit.open_break_glass(uuid, text, text, interval), audit.close_break_glass(uuid),
  audit.review_break_glass(uuid, text)
to kernel_app;

grant execute on function
  audit.get_audit_logs_time_range(timestamptz, timestamptz, uuid, text, int), audit.get_compliance_summary(date, date),
  audit.verify_chain(text), audit.chain_head(text), audit.seal_signatures(text),
  audit.archived_audit_logs(timestamptz, timestamptz, uuid, text, int),
  audit.archived_phi_access_logs(timestamptz, timestamptz, uuid),
  audit.archives_between(text, timestamptz, timestamptz, bigint, bigint), audit.unpack_archive(audit.audit_archives),
  audit.decode_rows(bytea, jsonb), audit.decompress(bytea, text)
to audit_reader;

grant execute on function
  audit.seal(text), audit.digest_to_sign(text), audit.seal_signed(text, bigint, bytea, text), audit.seal_signatures(text),
  audit.verify_chain(text), audit.chain_head(text)
to imhotep_platform;

grant usage on schema audit to imhotep_platform;

-- only sealed rows are packed, and a tenant that is no longer active still has rows to seal
grant execute on function
  audit.drop_expired_partitions(interval), audit.packable_partitions(interval), audit.log_partition(regclass),
  audit.begin_packing(regclass), audit.pack_partition(regclass), audit.drop_packed_partition(regclass),
  audit.chain_is_signed(text), audit.seal(text), audit.digest_to_sign(text), audit.seal_signed(text, bigint, bytea, text)
to retention_job;

grant select on
  audit.audit_logs_recent, audit.unsealed_audit_logs, audit.audit_metrics_hourly, audit.audit_compliance_daily
to audit_reader;

-- the kernel's own tables that matter to security
select audit.track('core.system_settings');
select audit.track('core.encryption_keys');
select audit.track('audit.break_glass_sessions');

select core.ensure_partitions('audit.audit_logs', 'month', 1);
select core.ensure_partitions('audit.phi_access_logs', 'month', 1);

-- workforce: grants

grant execute on function workforce.acting_staff_id() to kernel_app;

-- inventory: grants

-- inventory_owner owns the module. Its operations read who works here and where the stores are.
select core.hand_over('inventory', 'inventory');

grant usage on schema audit to inventory_owner;

grant select on inventory.expiring_stock, inventory.stock_levels to inventory_app, inventory_ro;

grant execute on function
  inventory.post_movement(text, uuid, uuid, numeric, text, uuid, text, text, uuid, uuid, uuid),
  inventory.reserve_fefo(uuid, uuid, numeric, text, uuid, interval, date, boolean),
  inventory.consume_reservation(uuid, numeric, text, uuid, text, uuid),
  inventory.release_reservation(uuid),
  inventory.expire_reservations(int),
  inventory.transfer(uuid, uuid, jsonb, text, uuid, text, text),
  inventory.count_adjust(uuid, uuid, numeric, uuid, text, uuid, text, numeric),
  inventory.release_batch(uuid),
  inventory.hold_batch(uuid, text),
  inventory.reject_batch(uuid, text),
  inventory.expire_batches(int),
  inventory.announce_expiring(int, int),
  inventory.batch_recipients(uuid),
  inventory.recall_batch(uuid, text, text),
  inventory.create_purchase_order(uuid, uuid, uuid, jsonb, date, jsonb, text),
  inventory.submit_purchase_order(uuid),
  inventory.decide_purchase_order(uuid, boolean, text),
  inventory.send_purchase_order(uuid),
  inventory.cancel_purchase_order(uuid, text),
  inventory.close_purchase_order(uuid, text),
  inventory.receive_goods(uuid, uuid, uuid, text, date, jsonb, uuid, boolean),
  inventory.inspect_goods(uuid, boolean),
  inventory.refuse_goods(uuid, text),
  inventory.post_goods_receipt(uuid),
  inventory.request_indent(uuid, uuid, uuid, jsonb, text, timestamptz),
  inventory.decide_indent(uuid, boolean, jsonb, text),
  inventory.cancel_indent(uuid, text),
  inventory.issue_indent(uuid, text, jsonb),
  inventory.receive_indent(uuid, jsonb)
to inventory_app;

-- other services: grants

select core.hand_over('compliance', 'inventory');

select core.hand_over('facility', 'inventory');

select core.hand_over('workforce', 'inventory');

grant usage on schema compliance, facility, workforce to kernel_owner;

grant select on
  compliance.legal_holds,
  facility.clinics,
  facility.locations,
  workforce.staff
to inventory_app, inventory_ro, kernel_owner;

select core.close_database('inventory');
