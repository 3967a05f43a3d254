-- Database of the service business: workforce, compliance, tasking, and the kernel.
--
-- Built from the modules by `imhotep bundle --topology services`. Do not edit: change a module and build again.
-- Repeatable: a second run changes nothing. One transaction: psql -1 -f, or one simple query.
--
-- Order: foundations (schemas, roles, types, functions that tables need), tables with their foreign keys to tables above
-- them, all other foreign keys, functions, views, grants; in each part the modules in the order in which they need each other:
--   core        Kernel installed in every service database: tenancy, context, numbering, idempotency, outbox, crypto, settings, state-machine rules.
--   audit       Append-only evidence: who did and who saw what. Partitioned, sealed in the background.
--   workforce   People who work here, their credentials and their shifts.
--   compliance  Privacy law, consent, retention, incidents and evidence.
--   tasking     Task verification against EMRs and shift handover, offline-first (CRDT).

set local client_min_messages = warning;
set local check_function_bodies = off;


-- =====================================================================================================================
-- FOUNDATION
-- =====================================================================================================================

-- other services: foundation

create schema if not exists patient;

comment on schema patient is 'owner=clinical;about=What is kept here of the service clinical: views of what it publishes, functions that read them.';

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

-- workforce: foundation

-- The people who work here. An account (auth.users) is optional: not everybody on the rota signs in.
create schema if not exists workforce;

comment on schema workforce is 'owner=business;about=People who work here, their credentials and their shifts.';

select core.create_service_roles('business');

-- compliance: foundation

-- What privacy and quality law asks for: consent, the rights of a person, breaches, retention and erasure, incidents, and
-- the evidence that all of it is kept.
create schema if not exists compliance;

comment on schema compliance is 'owner=business;about=Consent, rights of persons, breaches, retention and erasure, incidents, and evidence of checks.';

select core.create_service_roles('business');

-- The hash that stands beside a text as proof of what it said.
create or replace function compliance.text_hash(p_text text) returns bytea
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select sha256(convert_to(p_text, 'UTF8')) $$;

comment on function compliance.text_hash(text) is 'about=SHA-256 of a text in UTF-8.';

create or replace function compliance.check_opt_in() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  -- the lock makes whoever withdraws it meanwhile find this opt-in
  select c.expires_at into new.consent_expires_at
  from compliance.consents c
  where
    c.tenant_id = new.tenant_id and c.id = new.consent_id and c.kind = 'marketing' and c.decision = 'permit'
    and c.status = 'active' and (c.expires_at is null or c.expires_at > now())
    and case new.subject_type
      when 'patient' then new.subject_id = any (patient.ids_of(c.patient_id))
      when 'contact' then new.subject_id = c.contact_id
    end
    and c.id = compliance.active_consent(c.patient_id, 'marketing') -- a merged record may hold a newer word
  for share;
  if not found then
    raise exception '% % gave no consent to marketing that is in force', new.subject_type, new.subject_id
      using errcode = 'IM006', hint = 'record their own consent of kind marketing first and pass it';
  end if;
  return new;
end
$$;

comment on function compliance.check_opt_in() is 'about=Before an opt-in to promotional messages: it rests on a consent to marketing of that person, permitted and in force (IM006), and ends with it.';

create or replace function compliance.check_everybody_told() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_waiting int;
begin
  select count(*) into v_waiting
  from compliance.breach_affected_persons p
  where p.tenant_id = new.tenant_id and p.breach_id = new.id and p.notified_at is null;
  if v_waiting > 0 then
    raise exception '% persons affected by breach % were not told', v_waiting, new.id
      using errcode = 'IM915', hint = 'tell them, and record it with compliance.record_person_notice';
  end if;
  return new;
end
$$;

comment on function compliance.check_everybody_told() is 'about=Before a breach closes: every affected person was told (IM915).';

create or replace function compliance.check_legal_minimum() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_minimum interval;
begin
  select max(m.keep_for) into v_minimum
  from compliance.retention_policies m
  where
    m.tenant_id is null and m.class = new.class
    and (m.schema_name is null or m.schema_name = new.schema_name)
    and (m.table_name is null or m.table_name = new.table_name);
  if new.keep_for < v_minimum then
    raise exception 'rows of class "%" are kept for at least %', new.class, v_minimum
      using errcode = 'IM911', hint = 'a policy of the tenant may keep rows longer than the law, not shorter';
  end if;
  return new;
end
$$;

comment on function compliance.check_legal_minimum() is 'about=Before insert or change of a tenant''s policy: it keeps rows at least as long as the shared policy of the class (IM911).';

create or replace function compliance.check_erasure_allowed() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  -- whose rows they were is a hash here: a hold on any patient is compared by the same hash
  if exists (
    select
    from compliance.legal_holds h
    where
      h.tenant_id = new.tenant_id and h.status = 'active'
      and (
        (h.patient_id is null and (
          new.patient_ref_hash is not null -- all of a person: touched by a hold on any table
          or compliance.scope_covers(h.scope, new.schema_name, new.table_name, null)
        ))
        or exists (
          select
          from unnest(patient.ids_of(h.patient_id)) as i
          where compliance.patient_ref_hash(h.tenant_id, i) = new.patient_ref_hash
        )
      )
  ) then
    raise exception 'a legal hold covers what was to be erased'
      using errcode = 'IM910', hint = 'release the hold first';
  end if;
  return new;
end
$$;

comment on function compliance.check_erasure_allowed() is 'about=Before insert: nothing is erased that an active legal hold covers (IM910).';

create or replace function compliance.check_key_not_held() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_advisory_xact_lock_shared(compliance.holds_lock_key(new.tenant_id));
  if compliance.is_under_hold(null, null, null, new.subject_id) then
    raise exception 'a legal hold covers whom key "%" serves', new.kid
      using errcode = 'IM910', hint = 'release the hold first';
  end if;
  return new;
end
$$;

comment on function compliance.check_key_not_held() is 'about=Before the key of a patient is destroyed: no active legal hold covers them (IM910).';

create or replace function compliance.check_country() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_country text;
begin
  select c.country into v_country
  from (
    select new.country as country
    union all
    select s ->> 'country' from jsonb_array_elements(new.subprocessors) as s
  ) as c
  where coalesce(core.setting('compliance.restricted_countries') ? c.country, false)
  limit 1;
  if found then
    raise exception 'personal data may not go to country %', v_country
      using errcode = 'IM916', hint = 'choose a processor elsewhere, or change setting compliance.restricted_countries';
  end if;
  return new;
end
$$;

comment on function compliance.check_country() is 'about=Before insert or change: neither the processor nor one that it uses is in a country of setting compliance.restricted_countries (IM916; DPDP Rules r.15).';

-- tasking: foundation

-- Tasks, their verification in the EMR, and handover between shifts, also for devices that work offline.
create schema if not exists tasking;

comment on schema tasking is 'owner=business;about=Tasks, their verification in an EMR, and handover between shifts; rows carry clocks, so that changes made offline can be merged.';

select core.create_service_roles('business');

-- Enumerated types of the module. Enum equality is not leakproof, so row level security keeps it away from ordinary
-- indexes: every list by status has a partial index over the live states instead.
do $$
begin
  if pg_catalog.to_regtype('tasking.task_status') is null then
    create type tasking.task_status as enum (
  'pending', 'in_progress', 'completed', 'cancelled', 'overdue', 'on_hold', 'verified', 'reopened'
);
  end if;
end
$$;

comment on type tasking.task_status is 'about=States of a task. Open are pending, in_progress, on_hold, overdue and reopened.';

do $$
begin
  if pg_catalog.to_regtype('tasking.task_priority') is null then
    create type tasking.task_priority as enum ('low', 'medium', 'high', 'critical');
  end if;
end
$$;

comment on type tasking.task_priority is 'about=How urgent a task is, from low to critical.';

do $$
begin
  if pg_catalog.to_regtype('tasking.verification_status') is null then
    create type tasking.verification_status as enum (
  'pending', 'in_progress', 'manual_review', 'expired', 'verified', 'mismatch', 'failed', 'rejected'
);
  end if;
end
$$;

comment on type tasking.verification_status is 'about=States of the check of a task in an EMR: pending and in_progress run, failed may be tried again, mismatch and manual_review wait for a person.';

do $$
begin
  if pg_catalog.to_regtype('tasking.handover_status') is null then
    create type tasking.handover_status as enum ('draft', 'submitted', 'cancelled', 'accepted', 'rejected', 'completed');
  end if;
end
$$;

comment on type tasking.handover_status is 'about=States of a handover: the giver drafts and submits, the receiver accepts or rejects.';

-- Clocks of rows that are also changed offline. A hybrid logical clock (HLC) orders writes: microseconds of the wall clock,
-- a counter for writes inside one microsecond or behind a clock that ran ahead, and the node. A vector clock counts the
-- writes of each node, which tells whether a writer had seen another's write. field_clocks keeps, for every field, the HLC,
-- the node and that node's count of the write it holds.
create or replace function tasking.hlc_text(p_physical_us bigint, p_logical int, p_node text) returns text
  language sql
  immutable
  parallel safe
return lpad(p_physical_us::text, 17, '0') || '.' || lpad(p_logical::text, 10, '0') || '.' || p_node;

comment on function tasking.hlc_text(bigint, int, text) is 'about=A hybrid logical clock as text; in collation "C" texts sort as the clocks do, equal times by node.';

create or replace function tasking.merge_vector_clocks(p_one jsonb, p_other jsonb) returns jsonb
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_object_agg(m.node, m.writes), '{}')
  from (
    select c.key as node, max(c.value::bigint) as writes
    from (select * from jsonb_each_text(p_one) union all select * from jsonb_each_text(p_other)) as c
    group by c.key
  ) as m
$$;

comment on function tasking.merge_vector_clocks(jsonb, jsonb) is 'about=For each node the higher count of two vector clocks.';

create or replace function tasking.server_node() returns text
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$ select coalesce(core.setting('tasking.node_id') #>> '{}', 'server') $$;

comment on function tasking.server_node() is 'about=The node that writes of this database count for: setting tasking.node_id, else "server".';

create or replace function tasking.keep_clocks() returns trigger
  language plpgsql
  security definer -- reads a setting, whoever writes
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_now bigint := (extract(epoch from now()) * 1000000)::bigint;
  v_silent text[] := array[
    'tenant_id', 'id', 'created_at', 'created_by', 'updated_at', 'updated_by', 'row_version', 'vector_clock',
    'hlc_physical_us', 'hlc_logical', 'hlc_node', 'field_clocks'
  ];
  v_old jsonb := '{}';
  v_vector jsonb := '{}';
  v_fields jsonb := '{}';
  v_changed text[];
  v_writes bigint;
begin
  if tg_op = 'UPDATE' then
    if new.field_clocks is distinct from old.field_clocks then
      return new; -- tasking.merge_operation brings the clocks of the device
    end if;
    v_old := to_jsonb(old);
    v_vector := old.vector_clock;
    v_fields := old.field_clocks;
  elsif new.field_clocks <> '{}' then
    return new;
  end if;
  select array_agg(f.key) into v_changed
  from jsonb_each(to_jsonb(new)) as f
  where f.key <> all (v_silent) and f.value <> coalesce(v_old -> f.key, 'null');
  if v_changed is null then
    return new;
  end if;

  new.hlc_node := tasking.server_node();
  if tg_op = 'UPDATE' and old.hlc_physical_us >= v_now then
    new.hlc_physical_us := old.hlc_physical_us;
    new.hlc_logical := old.hlc_logical + 1;
  else
    new.hlc_physical_us := v_now;
    new.hlc_logical := 0;
  end if;
  v_writes := coalesce((v_vector ->> new.hlc_node)::bigint, 0) + 1;
  new.vector_clock := v_vector || jsonb_build_object(new.hlc_node, v_writes);
  new.field_clocks := v_fields || (
    select jsonb_object_agg(
      c,
      jsonb_build_object(
        'hlc', tasking.hlc_text(new.hlc_physical_us, new.hlc_logical, new.hlc_node), 'node', new.hlc_node,
        'seq', v_writes
      )
    )
    from unnest(v_changed) as c
  );
  return new;
end
$$;

comment on function tasking.keep_clocks() is 'about=Before insert or update: a write that brings no clocks is one of this server. It raises the row''s hybrid logical clock above the last one, counts the server''s writes in the vector clock and notes both for every field that changed.';

-- Rules that look at other rows. The operations ask first and say more; these are the last guard, whatever the road.
create or replace function tasking.has_verification(p_tenant_id uuid, p_task_id uuid) returns boolean
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select
    from tasking.emr_verifications v
    where v.tenant_id = p_tenant_id and v.task_id = p_task_id and v.status = 'verified'
  )
$$;

comment on function tasking.has_verification(uuid, uuid) is 'about=Whether a verification found the task in the EMR.';

create or replace function tasking.check_task_verified() returns trigger
  language plpgsql
  security definer -- fires at commit, as whoever is signed in then
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not tasking.has_verification(new.tenant_id, new.id) then
    raise exception 'task % is done but was not verified in the EMR', new.id
      using errcode = 'IM754', hint = 'open a verification; the task is done when it is verified';
  end if;
  return null;
end
$$;

comment on function tasking.check_task_verified() is 'about=At commit: a task that requires verification is completed or verified only with a verified row of emr_verifications (IM754).';

create or replace function tasking.check_verification_patient() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (
    select
    from tasking.tasks t
    where t.tenant_id = new.tenant_id and t.id = new.task_id and t.patient_id = new.patient_id
  ) then
    raise exception 'verification % is not for the patient of task %', new.id, new.task_id
      using errcode = 'IM006', hint = 'only tasks for a patient are verified, in that patient''s record';
  end if;
  return new;
end
$$;

comment on function tasking.check_verification_patient() is 'about=Before insert or change: a verification looks into the record of the task''s own patient (IM006).';

create or replace function tasking.check_shift_takes_tasks() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_status text;
begin
  -- the lock keeps the shift from closing until this task is committed
  select s.status into v_status
  from workforce.shifts s
  where s.tenant_id = new.tenant_id and s.id = new.shift_id
  for share;
  if v_status in ('closed', 'cancelled') then
    raise exception 'shift % is %', new.shift_id, v_status
      using errcode = 'IM752', hint = 'give the task to a shift that is planned or open';
  end if;
  return new;
end
$$;

comment on function tasking.check_shift_takes_tasks() is 'about=Before insert or change of shift_id: a task is given to a shift that is neither closed nor cancelled (IM752).';

create or replace function tasking.leave_closed_shift() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_status text;
begin
  -- the lock keeps the shift from closing until this task is committed
  select s.status into v_status
  from workforce.shifts s
  where s.tenant_id = new.tenant_id and s.id = new.shift_id
  for share;
  if v_status in ('closed', 'cancelled') then
    new.shift_id := null;
  end if;
  return new;
end
$$;

comment on function tasking.leave_closed_shift() is 'about=Before a task is reopened: nobody of a shift that is closed or cancelled does it any more, so it has no shift.';

create or replace function tasking.check_shift_is_handed_over() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tasks int;
begin
  select count(*) into v_tasks
  from tasking.tasks t
  where
    t.tenant_id = new.tenant_id and t.shift_id = new.id and t.deleted_at is null
    and t.status in ('pending', 'in_progress', 'on_hold', 'overdue', 'reopened');
  if v_tasks > 0 then
    raise exception 'shift % still has % open tasks', new.id, v_tasks
      using errcode = 'IM752', hint = 'hand them over, finish or cancel them first';
  end if;
  if exists (
    select
    from tasking.handovers h
    where h.tenant_id = new.tenant_id and h.from_shift_id = new.id and h.status in ('draft', 'submitted')
  ) then
    raise exception 'a handover of shift % is not accepted yet', new.id
      using errcode = 'IM752', hint = 'wait for the receiver, or cancel the handover';
  end if;
  return new;
end
$$;

comment on function tasking.check_shift_is_handed_over() is 'about=Before a shift closes or is cancelled: it has no open task and no handover that waits (IM752).';

create or replace function tasking.check_read_backs() returns trigger
  language plpgsql
  security definer -- fires at commit, as whoever is signed in then
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_patient uuid;
begin
  select p.patient_id into v_patient
  from tasking.handover_patients p
  where p.tenant_id = new.tenant_id and p.handover_id = new.id and p.read_back_at is null
  order by p.order_no
  limit 1;
  if found then
    raise exception 'patient % of handover % was not read back', v_patient, new.id
      using errcode = 'IM751', hint = 'read every patient back, then accept';
  end if;
  return null;
end
$$;

comment on function tasking.check_read_backs() is 'about=At commit: a handover is accepted only when every patient on it was read back (IM751).';

create or replace function tasking.check_handover_is_open() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_status tasking.handover_status;
begin
  select h.status into v_status
  from tasking.handovers h
  where h.tenant_id = new.tenant_id and h.id = new.handover_id
  for share;
  if v_status not in ('draft', 'submitted') or (tg_op = 'INSERT' and v_status <> 'draft') then
    raise exception 'handover % is %', new.handover_id, v_status
      using errcode = 'IM001', hint = 'patients are added to a draft, and change until the handover is accepted';
  end if;
  -- the receiver heard something else
  if
    tg_op = 'UPDATE'
    and (
      new.illness_severity, new.patient_summary_enc, new.action_list, new.situation_awareness_enc, new.contingency_plan
    ) is distinct from (
      old.illness_severity, old.patient_summary_enc, old.action_list, old.situation_awareness_enc, old.contingency_plan
    )
  then
    new.read_back_at := null;
    new.read_back_by := null;
    new.synthesis_by_receiver_enc := null;
  end if;
  return new;
end
$$;

comment on function tasking.check_handover_is_open() is 'about=Before insert or update: patients are added to a draft handover and change until it is accepted (IM001); what changes is to be read back again.';


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

-- workforce: tables

-- Every employee, consultant, resident and contractor. Names are searchable plaintext, contact data and the date of
-- birth are encrypted. Search by prefix: given_name_lc ~>=~ 'ab' and given_name_lc ~<~ 'ac'.
create table if not exists workforce.staff (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  employee_code text not null,
  user_id uuid,
  given_name text not null,
  family_name text,
  given_name_lc text generated always as (lower(given_name)) stored,
  family_name_lc text generated always as (lower(family_name)) stored,
  sex text not null,
  dob_enc bytea,
  phone_enc bytea not null,
  phone_bidx bytea not null,
  email_enc bytea,
  kind text not null,
  department_id uuid not null,
  designation text not null,
  employment_type text not null,
  joined_on date not null,
  left_on date,
  status text not null default 'onboarding',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint staff_pkey primary key (tenant_id, id),
  constraint staff_sex_check check (sex in ('male', 'female', 'other', 'unknown')),
  constraint staff_kind_check check (
    kind in (
      'doctor', 'nurse', 'technician', 'pharmacist', 'lab_scientist', 'radiographer', 'administrator', 'support'
    )
  ),
  constraint staff_employment_type_check check (
    employment_type in ('full_time', 'part_time', 'visiting', 'contract', 'trainee')
  ),
  constraint staff_status_check check (status in ('onboarding', 'active', 'on_leave', 'suspended', 'left')),
  constraint staff_left_after_joining check (left_on is null or left_on >= joined_on),
  constraint staff_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

create unique index if not exists staff_employee_code_key on workforce.staff (tenant_id, employee_code) where deleted_at is null;
create unique index if not exists staff_user_key on workforce.staff (tenant_id, user_id)
  where user_id is not null and deleted_at is null;
create index if not exists staff_user_idx on workforce.staff (tenant_id, user_id) where user_id is not null;
create index if not exists staff_department_idx on workforce.staff (tenant_id, department_id);
create index if not exists staff_phone_idx on workforce.staff (tenant_id, phone_bidx);
create index if not exists staff_given_name_idx on workforce.staff (tenant_id, given_name_lc text_pattern_ops);
create index if not exists staff_family_name_idx on workforce.staff (tenant_id, family_name_lc text_pattern_ops);

comment on table workforce.staff is 'class=pii;scope=tenant;owner=business;fhir=Practitioner;retention=medical_record;about=Every employee, consultant, resident and contractor.';
comment on column workforce.staff.employee_code is 'class=pii;about=Code in the books of the employer, unique in the tenant.';
comment on column workforce.staff.user_id is 'class=pii;about=The account of this person, where there is one.';
comment on column workforce.staff.given_name is 'class=pii;about=Given name.';
comment on column workforce.staff.family_name is 'class=pii;about=Family name, where the person has one.';
comment on column workforce.staff.given_name_lc is 'class=pii;about=Given name in lower case, for search.';
comment on column workforce.staff.family_name_lc is 'class=pii;about=Family name in lower case, for search.';
comment on column workforce.staff.sex is 'class=pii;about=male, female, other or unknown.';
comment on column workforce.staff.dob_enc is 'class=pii;enc=1;about=Date of birth, encrypted.';
comment on column workforce.staff.phone_enc is 'class=pii;enc=1;about=Mobile number in E.164, encrypted.';
comment on column workforce.staff.phone_bidx is 'class=pii;about=Blind index of the normalised mobile number.';
comment on column workforce.staff.email_enc is 'class=pii;enc=1;about=E-mail address, encrypted.';
comment on column workforce.staff.kind is 'class=operational;about=doctor, nurse, technician, pharmacist, lab_scientist, radiographer, administrator or support.';
comment on column workforce.staff.department_id is 'class=operational;about=Home department.';
comment on column workforce.staff.designation is 'class=operational;about=Job title.';
comment on column workforce.staff.employment_type is 'class=operational;about=full_time, part_time, visiting, contract or trainee.';
comment on column workforce.staff.joined_on is 'class=operational;about=First day of work.';
comment on column workforce.staff.left_on is 'class=operational;about=Last day of work.';
comment on column workforce.staff.status is 'class=operational;about=onboarding, active, on_leave, suspended or left.';
select core.comment_standard_columns('workforce.staff');

alter table workforce.staff enable row level security, force row level security;
drop policy if exists tenant_isolation on workforce.staff;
create policy tenant_isolation on workforce.staff
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger staff_touch before update on workforce.staff
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger staff_transition before insert or update of status on workforce.staff
  for each row execute function core.enforce_transition('workforce.staff', 'status');
create or replace trigger staff_no_aadhaar before insert or update of employee_code, given_name, family_name on workforce.staff
  for each row execute function core.reject_aadhaar_like('employee_code', 'given_name', 'family_name');
select audit.track('workforce.staff');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('workforce.staff', '', 'onboarding', false, null),
  ('workforce.staff', 'onboarding', 'active', false, null),
  ('workforce.staff', 'onboarding', 'left', false, null),
  ('workforce.staff', 'active', 'on_leave', false, null),
  ('workforce.staff', 'active', 'suspended', true, null),
  ('workforce.staff', 'active', 'left', false, null),
  ('workforce.staff', 'on_leave', 'active', false, null),
  ('workforce.staff', 'on_leave', 'left', false, null),
  ('workforce.staff', 'suspended', 'active', false, null),
  ('workforce.staff', 'suspended', 'left', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on workforce.staff to business_app;
grant select on workforce.staff to business_ro;

-- What a registered medical practitioner has on top of a row of workforce.staff.
create table if not exists workforce.doctors (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  staff_id uuid not null,
  registration_no text not null,
  registration_council text not null,
  registration_valid_to date,
  hpr_id text,
  qualification text not null,
  specialty_codes text[] not null default '{}',
  consultation_minutes smallint not null default 15,
  default_fee numeric(14,2) not null default 0,
  accepts_appointments boolean not null default true,
  telemedicine_enabled boolean not null default false,
  signature_key_ref text,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint doctors_pkey primary key (tenant_id, id),
  constraint doctors_consultation_3_to_240_minutes check (consultation_minutes between 3 and 240),
  constraint doctors_hpr_id_format check (hpr_id ~ '^[0-9]{2}-?[0-9]{4}-?[0-9]{4}-?[0-9]{4}$'),
  constraint doctors_fee_not_negative check (default_fee >= 0),
  constraint doctors_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint doctors_staff_fkey
    foreign key (tenant_id, staff_id) references workforce.staff (tenant_id, id)
);

create unique index if not exists doctors_staff_key on workforce.doctors (tenant_id, staff_id) where deleted_at is null;
create unique index if not exists doctors_registration_key on workforce.doctors (tenant_id, registration_council, registration_no)
  where deleted_at is null;
create index if not exists doctors_staff_idx on workforce.doctors (tenant_id, staff_id);
create index if not exists doctors_registration_valid_to_idx on workforce.doctors (tenant_id, registration_valid_to)
  where deleted_at is null;

comment on table workforce.doctors is 'class=pii;scope=tenant;owner=business;fhir=Practitioner,PractitionerRole;retention=medical_record;about=Registered medical practitioner data on top of staff.';
comment on column workforce.doctors.staff_id is 'class=pii;about=The person.';
comment on column workforce.doctors.registration_no is 'class=pii;about=Registration number at the medical council.';
comment on column workforce.doctors.registration_council is 'class=pii;about=The council that registered the doctor.';
comment on column workforce.doctors.registration_valid_to is 'class=pii;about=Last day of the registration; null when it does not lapse.';
comment on column workforce.doctors.hpr_id is 'class=pii;about=Healthcare Professionals Registry id (ABDM), 14 digits.';
comment on column workforce.doctors.qualification is 'class=pii;about=Degrees as printed on a prescription.';
comment on column workforce.doctors.specialty_codes is 'class=operational;about=Specialties (SNOMED CT or the tenant''s own codes).';
comment on column workforce.doctors.consultation_minutes is 'class=operational;about=Usual length of a consultation in minutes.';
comment on column workforce.doctors.default_fee is 'class=financial;about=Usual consultation fee in the tenant''s currency.';
comment on column workforce.doctors.accepts_appointments is 'class=operational;about=Can be booked.';
comment on column workforce.doctors.telemedicine_enabled is 'class=operational;about=Also sees patients by video.';
comment on column workforce.doctors.signature_key_ref is 'class=pii;about=Reference to the signing key in the key store; never the key.';
select core.comment_standard_columns('workforce.doctors');

alter table workforce.doctors enable row level security, force row level security;
drop policy if exists tenant_isolation on workforce.doctors;
create policy tenant_isolation on workforce.doctors
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger doctors_touch before update on workforce.doctors
  for each row execute function core.update_updated_at_column('row_version');
select audit.track('workforce.doctors');

grant select, insert, update on workforce.doctors to business_app;
grant select on workforce.doctors to business_ro;

-- Licences, certificates and granted clinical privileges with their validity. Nobody verifies their own. The ehr
-- module adds the foreign key of document_id.
create table if not exists workforce.staff_credentials (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  staff_id uuid not null,
  kind text not null,
  title text not null,
  number text,
  authority text,
  valid_during daterange not null,
  document_id uuid,
  verified_by uuid,
  verified_at timestamptz,
  status text not null default 'submitted',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint staff_credentials_pkey primary key (tenant_id, id),
  constraint staff_credentials_not_overlapping exclude using gist (
    tenant_id with =, staff_id with =, kind with =, title with =, valid_during with &&
  ) where (status = 'verified'),
  constraint staff_credentials_kind_check check (
    kind in ('registration', 'degree', 'certificate', 'privilege', 'immunisation', 'training')
  ),
  constraint staff_credentials_status_check check (
    status in ('submitted', 'verified', 'rejected', 'expired', 'revoked')
  ),
  constraint staff_credentials_verified_by_another check (
    status <> 'verified' or (verified_by is not null and verified_by <> staff_id and verified_at is not null)
  ),
  constraint staff_credentials_valid_during_not_empty check (not isempty(valid_during)),
  constraint staff_credentials_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint staff_credentials_staff_fkey
    foreign key (tenant_id, staff_id) references workforce.staff (tenant_id, id),
  constraint staff_credentials_verified_by_fkey
    foreign key (tenant_id, verified_by) references workforce.staff (tenant_id, id)
);

create index if not exists staff_credentials_staff_idx on workforce.staff_credentials (tenant_id, staff_id);
create index if not exists staff_credentials_verified_by_idx on workforce.staff_credentials (tenant_id, verified_by)
  where verified_by is not null;

comment on table workforce.staff_credentials is 'class=pii;scope=tenant;owner=business;fhir=Practitioner.qualification;retention=medical_record;about=Licences, certificates and granted clinical privileges with validity and verification.';
comment on column workforce.staff_credentials.staff_id is 'class=pii;about=Whose credential it is.';
comment on column workforce.staff_credentials.kind is 'class=pii;about=registration, degree, certificate, privilege, immunisation or training.';
comment on column workforce.staff_credentials.title is 'class=pii;about=What it is called.';
comment on column workforce.staff_credentials.number is 'class=pii;about=Number printed on it.';
comment on column workforce.staff_credentials.authority is 'class=pii;about=Who issued it.';
comment on column workforce.staff_credentials.valid_during is 'class=pii;about=Days on which it holds; open end when it does not lapse.';
comment on column workforce.staff_credentials.document_id is 'class=pii;about=Scan of it.';
comment on column workforce.staff_credentials.verified_by is 'class=pii;about=Member of staff who checked it at the source; never the holder.';
comment on column workforce.staff_credentials.verified_at is 'class=operational;about=When it was checked.';
comment on column workforce.staff_credentials.status is 'class=operational;about=submitted, verified, rejected, expired or revoked.';
select core.comment_standard_columns('workforce.staff_credentials');

alter table workforce.staff_credentials enable row level security, force row level security;
drop policy if exists tenant_isolation on workforce.staff_credentials;
create policy tenant_isolation on workforce.staff_credentials
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger staff_credentials_touch before update on workforce.staff_credentials
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger staff_credentials_transition before insert or update of status on workforce.staff_credentials
  for each row execute function core.enforce_transition('workforce.staff_credentials', 'status');
select audit.track('workforce.staff_credentials');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('workforce.staff_credentials', '', 'submitted', false, null),
  ('workforce.staff_credentials', 'submitted', 'verified', false, null),
  ('workforce.staff_credentials', 'submitted', 'rejected', true, null),
  ('workforce.staff_credentials', 'verified', 'expired', false, null),
  ('workforce.staff_credentials', 'verified', 'revoked', true, null),
  ('workforce.staff_credentials', 'expired', 'submitted', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on workforce.staff_credentials to business_app;
grant select on workforce.staff_credentials to business_ro;

-- A dated shift of a department: the unit that handovers move between.
create table if not exists workforce.shifts (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  department_id uuid not null,
  location_id uuid,
  name text not null,
  kind text not null,
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  in_charge_staff_id uuid,
  min_staff smallint not null default 1,
  status text not null default 'planned',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint shifts_pkey primary key (tenant_id, id),
  constraint shifts_name_key unique (tenant_id, department_id, name, starts_at),
  constraint shifts_kind_check check (kind in ('morning', 'evening', 'night', 'day', 'on_call', 'custom')),
  constraint shifts_status_check check (status in ('planned', 'open', 'handing_over', 'closed', 'cancelled')),
  constraint shifts_at_most_24_hours check (ends_at > starts_at and ends_at <= starts_at + interval '24 hours'),
  constraint shifts_min_staff_not_negative check (min_staff >= 0),
  constraint shifts_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint shifts_in_charge_staff_fkey
    foreign key (tenant_id, in_charge_staff_id) references workforce.staff (tenant_id, id)
);

create index if not exists shifts_location_idx on workforce.shifts (tenant_id, location_id) where location_id is not null;
create index if not exists shifts_in_charge_staff_idx on workforce.shifts (tenant_id, in_charge_staff_id)
  where in_charge_staff_id is not null;
create index if not exists shifts_starts_at_idx on workforce.shifts (tenant_id, starts_at);

comment on table workforce.shifts is 'class=operational;scope=tenant;owner=business;fhir=Schedule;retention=operational;about=A dated shift of a department; the unit handovers move between.';
comment on column workforce.shifts.department_id is 'class=operational;about=The department.';
comment on column workforce.shifts.location_id is 'class=operational;about=The ward or place, when the shift is for one.';
comment on column workforce.shifts.name is 'class=operational;about=Name of the shift in the department.';
comment on column workforce.shifts.kind is 'class=operational;about=morning, evening, night, day, on_call or custom.';
comment on column workforce.shifts.starts_at is 'class=operational;about=Beginning.';
comment on column workforce.shifts.ends_at is 'class=operational;about=End, at most 24 hours later.';
comment on column workforce.shifts.in_charge_staff_id is 'class=operational;about=Who leads the shift.';
comment on column workforce.shifts.min_staff is 'class=operational;about=People needed for it.';
comment on column workforce.shifts.status is 'class=operational;about=planned, open, handing_over, closed or cancelled.';
select core.comment_standard_columns('workforce.shifts');

alter table workforce.shifts enable row level security, force row level security;
drop policy if exists tenant_isolation on workforce.shifts;
create policy tenant_isolation on workforce.shifts
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger shifts_touch before update on workforce.shifts
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger shifts_transition before insert or update of status on workforce.shifts
  for each row execute function core.enforce_transition('workforce.shifts', 'status');
select audit.track('workforce.shifts');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('workforce.shifts', '', 'planned', false, null),
  ('workforce.shifts', 'planned', 'open', false, null),
  ('workforce.shifts', 'planned', 'cancelled', true, null),
  ('workforce.shifts', 'open', 'handing_over', false, null),
  ('workforce.shifts', 'open', 'closed', false, null),
  ('workforce.shifts', 'handing_over', 'closed', false, null),
  ('workforce.shifts', 'handing_over', 'open', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on workforce.shifts to business_app;
grant select on workforce.shifts to business_ro;

-- Who works on which shift. One person is on one shift at a time.
create table if not exists workforce.shift_assignments (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  shift_id uuid not null,
  staff_id uuid not null,
  role text not null,
  period tstzrange not null,
  checked_in_at timestamptz,
  checked_out_at timestamptz,
  swapped_with_id uuid,
  status text not null default 'assigned',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint shift_assignments_pkey primary key (tenant_id, id),
  constraint shift_assignments_staff_key unique (tenant_id, shift_id, staff_id),
  constraint shift_assignments_one_shift_at_a_time exclude using gist (
    tenant_id with =, staff_id with =, period with &&
  ) where (status in ('assigned', 'checked_in')),
  constraint shift_assignments_status_check check (
    status in ('assigned', 'checked_in', 'checked_out', 'absent', 'swapped', 'cancelled')
  ),
  constraint shift_assignments_period_not_empty check (not isempty(period)),
  constraint shift_assignments_out_after_in check (checked_out_at is null or checked_out_at >= checked_in_at),
  constraint shift_assignments_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint shift_assignments_shift_fkey
    foreign key (tenant_id, shift_id) references workforce.shifts (tenant_id, id),
  constraint shift_assignments_staff_fkey
    foreign key (tenant_id, staff_id) references workforce.staff (tenant_id, id),
  constraint shift_assignments_swapped_with_fkey
    foreign key (tenant_id, swapped_with_id) references workforce.shift_assignments (tenant_id, id)
);

create index if not exists shift_assignments_staff_idx on workforce.shift_assignments (tenant_id, staff_id);
create index if not exists shift_assignments_swapped_with_idx on workforce.shift_assignments (tenant_id, swapped_with_id)
  where swapped_with_id is not null;

comment on table workforce.shift_assignments is 'class=operational;scope=tenant;owner=business;fhir=none;retention=operational;about=Staff on a shift.';
comment on column workforce.shift_assignments.shift_id is 'class=operational;about=The shift.';
comment on column workforce.shift_assignments.staff_id is 'class=operational;about=The person.';
comment on column workforce.shift_assignments.role is 'class=operational;about=What the person does on it, such as charge_nurse.';
comment on column workforce.shift_assignments.period is 'class=operational;about=From when to when, start included and end excluded.';
comment on column workforce.shift_assignments.checked_in_at is 'class=operational;about=When the person came.';
comment on column workforce.shift_assignments.checked_out_at is 'class=operational;about=When the person went.';
comment on column workforce.shift_assignments.swapped_with_id is 'class=operational;about=The assignment that took this one''s place.';
comment on column workforce.shift_assignments.status is 'class=operational;about=assigned, checked_in, checked_out, absent, swapped or cancelled.';
select core.comment_standard_columns('workforce.shift_assignments');

alter table workforce.shift_assignments enable row level security, force row level security;
drop policy if exists tenant_isolation on workforce.shift_assignments;
create policy tenant_isolation on workforce.shift_assignments
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger shift_assignments_touch before update on workforce.shift_assignments
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger shift_assignments_transition before insert or update of status on workforce.shift_assignments
  for each row execute function core.enforce_transition('workforce.shift_assignments', 'status');
select audit.track('workforce.shift_assignments');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('workforce.shift_assignments', '', 'assigned', false, null),
  ('workforce.shift_assignments', 'assigned', 'checked_in', false, null),
  ('workforce.shift_assignments', 'assigned', 'absent', false, null),
  ('workforce.shift_assignments', 'assigned', 'swapped', false, null),
  ('workforce.shift_assignments', 'assigned', 'cancelled', false, null),
  ('workforce.shift_assignments', 'checked_in', 'checked_out', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on workforce.shift_assignments to business_app;
grant select on workforce.shift_assignments to business_ro;

-- ehr: tables

create index if not exists staff_credentials_document_idx on workforce.staff_credentials (tenant_id, document_id) where document_id is not null;

-- compliance: tables

-- compliance.consent_notices: what a person is told before they consent, in every language that is offered (DPDP Act s.5). A
-- notice never changes: another text is another version.
create table if not exists compliance.consent_notices (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  code text not null,
  version integer not null default 1,
  locale text not null,
  purpose text[] not null default '{}',
  data_categories text[] not null default '{}',
  body text not null,
  body_hash bytea not null generated always as (compliance.text_hash(body)) stored,
  withdrawal_how text not null,
  complaint_how text not null,
  effective_from timestamptz not null default now(),
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint consent_notices_pkey primary key (id),
  constraint consent_notices_version_from_1 check (version >= 1),
  constraint consent_notices_code_form check (code ~ '^[a-z][a-z_]{1,39}$'),
  constraint consent_notices_locale_form check (locale ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'),
  constraint consent_notices_name_a_purpose check (cardinality(purpose) > 0),
  constraint consent_notices_version_key unique nulls not distinct (tenant_id, code, version, locale),
  constraint consent_notices_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

comment on table compliance.consent_notices is 'class=operational;scope=shared;owner=business;fhir=Questionnaire;retention=operational;append_only=1;about=Versioned notices that are shown before consent, in each language.';
comment on column compliance.consent_notices.code is 'class=operational;about=Name of the notice through all its versions, such as care or marketing.';
comment on column compliance.consent_notices.version is 'class=operational;about=Version, from 1.';
comment on column compliance.consent_notices.locale is 'class=operational;about=Language (BCP 47), such as en or kn-IN.';
comment on column compliance.consent_notices.purpose is 'class=operational;about=Purposes that a consent after this notice may have.';
comment on column compliance.consent_notices.data_categories is 'class=operational;about=Kinds of data that it speaks of.';
comment on column compliance.consent_notices.body is 'class=operational;about=The text that is shown.';
comment on column compliance.consent_notices.body_hash is 'class=operational;about=SHA-256 of the text: proves what was shown.';
comment on column compliance.consent_notices.withdrawal_how is 'class=operational;about=How consent is withdrawn, as easily as it was given.';
comment on column compliance.consent_notices.complaint_how is 'class=operational;about=Where to complain, up to the Data Protection Board.';
comment on column compliance.consent_notices.effective_from is 'class=operational;about=Since when it is shown.';
select core.comment_standard_columns('compliance.consent_notices');

alter table compliance.consent_notices enable row level security, force row level security;
drop policy if exists tenant_isolation on compliance.consent_notices;
create policy tenant_isolation on compliance.consent_notices
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
drop policy if exists shared_rows on compliance.consent_notices;
create policy shared_rows on compliance.consent_notices for select using (tenant_id is null);

create or replace trigger consent_notices_append_only before update or delete on compliance.consent_notices
  for each row execute function core.refuse_change();
create or replace trigger consent_notices_no_truncate before truncate on compliance.consent_notices
  for each statement execute function core.refuse_change();

grant select on compliance.consent_notices to business_app;
grant select on compliance.consent_notices to business_ro;

-- compliance.consents: consent given, refused or withdrawn. A minor consents through a verified guardian; what data may be used
-- for is bound to the notice that was shown; withdrawal takes effect in the same transaction.
create table if not exists compliance.consents (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  patient_id uuid not null,
  kind text not null,
  notice_id uuid,
  purposes text[] not null default '{}',
  decision text not null,
  given_by text not null,
  contact_id uuid,
  guardian_verified boolean,
  given_at timestamptz not null default now(),
  expires_at timestamptz,
  withdrawn_at timestamptz,
  withdrawal_reason text,
  witness_id uuid,
  explained_by uuid,
  language text,
  document_id uuid,
  evidence jsonb,
  encounter_id uuid,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint consents_pkey primary key (tenant_id, id),
  constraint consents_given_once unique (tenant_id, patient_id, kind, given_at),
  constraint consents_kind_check check (
    kind in (
      'data_processing', 'treatment', 'surgery', 'anaesthesia', 'transfusion', 'high_risk', 'research', 'telemedicine',
      'photography', 'marketing', 'abdm', 'insurance_sharing'
    )
  ),
  constraint consents_decision_check check (decision in ('permit', 'deny')),
  constraint consents_given_by_check check (
    given_by in ('patient', 'guardian', 'spouse', 'lawful_representative', 'emergency_doctrine')
  ),
  constraint consents_status_check check (
    status in ('draft', 'active', 'rejected', 'withdrawn', 'expired', 'superseded')
  ),
  constraint consents_data_processing_after_notice check (kind <> 'data_processing' or notice_id is not null),
  constraint consents_guardian_is_verified check (
    given_by <> 'guardian' or (contact_id is not null and coalesce(guardian_verified, false))
  ),
  constraint consents_procedure_explained_and_signed check (
    kind not in ('surgery', 'anaesthesia', 'transfusion', 'high_risk')
    or (explained_by is not null and document_id is not null)
  ),
  constraint consents_withdrawn_at_a_time check (status <> 'withdrawn' or withdrawn_at is not null),
  constraint consents_withdrawn_after_given check (withdrawn_at >= given_at),
  constraint consents_expire_after_given check (expires_at > given_at),
  constraint consents_language_form check (language ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'),
  constraint consents_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint consents_notice_fkey
    foreign key (notice_id) references compliance.consent_notices (id),
  constraint consents_witness_fkey
    foreign key (tenant_id, witness_id) references workforce.staff (tenant_id, id),
  constraint consents_explained_by_fkey
    foreign key (tenant_id, explained_by) references workforce.staff (tenant_id, id)
);

-- of consents that stand for the person and not for a visit, one is in force
create unique index if not exists consents_one_standing on compliance.consents (tenant_id, patient_id, kind)
  where status = 'active' and kind in ('data_processing', 'marketing');
create index if not exists consents_to_expire_idx on compliance.consents (tenant_id, expires_at)
  where status = 'active' and expires_at is not null;
create index if not exists consents_notice_idx on compliance.consents (notice_id, tenant_id)
  where notice_id is not null;
comment on index compliance.consents_notice_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index if not exists consents_contact_idx on compliance.consents (tenant_id, contact_id)
  where contact_id is not null;
create index if not exists consents_witness_idx on compliance.consents (tenant_id, witness_id)
  where witness_id is not null;
create index if not exists consents_explained_by_idx on compliance.consents (tenant_id, explained_by)
  where explained_by is not null;
create index if not exists consents_document_idx on compliance.consents (tenant_id, document_id)
  where document_id is not null;
create index if not exists consents_encounter_idx on compliance.consents (tenant_id, encounter_id)
  where encounter_id is not null;

comment on table compliance.consents is 'class=phi;scope=tenant;owner=business;fhir=Consent;retention=medical_record;about=Consent given, refused or withdrawn: treatment, procedures, use of data, research, teleconsultation, ABDM.';
comment on column compliance.consents.patient_id is 'class=phi;about=The patient whose body or data it is about.';
comment on column compliance.consents.kind is 'class=phi;about=data_processing, treatment, surgery, anaesthesia, transfusion, high_risk, research, telemedicine, photography, marketing, abdm or insurance_sharing.';
comment on column compliance.consents.notice_id is 'class=operational;about=The notice that was shown.';
comment on column compliance.consents.purposes is 'class=operational;about=What data may be used for, within the purposes of the notice.';
comment on column compliance.consents.decision is 'class=phi;about=permit or deny.';
comment on column compliance.consents.given_by is 'class=phi;about=patient, guardian, spouse, lawful_representative or emergency_doctrine (nobody could be asked).';
comment on column compliance.consents.contact_id is 'class=phi;about=The guardian or representative, a contact of the patient.';
comment on column compliance.consents.guardian_verified is 'class=operational;about=Whether that contact was verified as legal guardian when they consented.';
comment on column compliance.consents.given_at is 'class=operational;about=When it was given.';
comment on column compliance.consents.expires_at is 'class=operational;about=When it ends by itself.';
comment on column compliance.consents.withdrawn_at is 'class=operational;about=When it was withdrawn.';
comment on column compliance.consents.withdrawal_reason is 'class=phi;about=Why, if the person said so.';
comment on column compliance.consents.witness_id is 'class=operational;about=Member of staff who saw it.';
comment on column compliance.consents.explained_by is 'class=operational;about=Member of staff who explained what it is about.';
comment on column compliance.consents.language is 'class=operational;about=Language in which it was explained (BCP 47).';
comment on column compliance.consents.document_id is 'class=operational;about=The signed form.';
comment on column compliance.consents.evidence is 'class=phi;about=How it was given otherwise: channel, time of the code, recording.';
comment on column compliance.consents.encounter_id is 'class=phi;about=The visit or stay that it is for; none for a standing consent.';
comment on column compliance.consents.status is 'class=operational;about=draft, active, rejected, withdrawn, expired or superseded.';
select core.comment_standard_columns('compliance.consents');

alter table compliance.consents enable row level security, force row level security;
drop policy if exists tenant_isolation on compliance.consents;
create policy tenant_isolation on compliance.consents
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
create or replace trigger consents_no_aadhaar before insert or update of withdrawal_reason on compliance.consents
  for each row execute function core.reject_aadhaar_like('withdrawal_reason');
create or replace trigger consents_touch before update on compliance.consents
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger consents_notice_visible before insert or update of notice_id on compliance.consents
  for each row execute function core.check_shared_reference('notice_id', 'compliance.consent_notices');
create or replace trigger consents_transition before insert or update of status on compliance.consents
  for each row execute function core.enforce_transition('compliance.consents', 'status');
select audit.track('compliance.consents');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('compliance.consents', '', 'draft', false, null),
  ('compliance.consents', 'draft', 'active', false, 'consent.granted.v1'),
  ('compliance.consents', 'draft', 'rejected', false, null),
  ('compliance.consents', 'draft', 'superseded', false, null),
  ('compliance.consents', 'active', 'withdrawn', false, 'consent.revoked.v1'),
  ('compliance.consents', 'active', 'expired', false, 'consent.expired.v1'),
  ('compliance.consents', 'active', 'superseded', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on compliance.consents to business_app;
grant select on compliance.consents to business_ro;

-- compliance.data_principal_requests: what a person asks for about their data, each with the clock that the law sets. The clock
-- runs from receipt and does not stop while the request waits.
create table if not exists compliance.data_principal_requests (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  request_number text not null,
  patient_id uuid,
  requester_name text not null,
  relationship text,
  kind text not null,
  channel text not null,
  received_at timestamptz not null default now(),
  identity_verified_at timestamptz,
  due_at timestamptz not null,
  details_enc bytea not null,
  decision text,
  refusal_basis text,
  completed_at timestamptz,
  response_document_id uuid,
  handled_by uuid,
  escalated_to_board boolean not null default false,
  status text not null default 'received',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint data_principal_requests_pkey primary key (tenant_id, id),
  constraint data_principal_requests_number_key unique (tenant_id, request_number),
  constraint data_principal_requests_kind_check check (
    kind in (
      'access', 'correction', 'erasure', 'portability', 'nomination', 'grievance', 'record_copy', 'disclosure_accounting',
      'restriction'
    )
  ),
  constraint data_principal_requests_decision_check check (decision in ('granted', 'partially_granted', 'refused')),
  constraint data_principal_requests_status_check check (
    status in ('received', 'verifying', 'rejected', 'in_progress', 'completed', 'on_hold')
  ),
  constraint data_principal_requests_due_after_receipt check (due_at > received_at),
  constraint data_principal_requests_refused_on_a_basis check (decision <> 'refused' or refusal_basis is not null),
  constraint data_principal_requests_completed_for_the_person check (
    status <> 'completed' or (completed_at is not null and identity_verified_at is not null and decision is not null)
  ),
  constraint data_principal_requests_record_copy_in_72_hours check (
    kind <> 'record_copy' or due_at <= received_at + interval '72 hours'
  ),
  constraint data_principal_requests_grievance_in_90_days check (
    kind <> 'grievance' or due_at <= received_at + interval '90 days'
  ),
  constraint data_principal_requests_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

create index if not exists data_principal_requests_open_idx on compliance.data_principal_requests (tenant_id, due_at)
  where status not in ('completed', 'rejected');
create index if not exists data_principal_requests_patient_idx on compliance.data_principal_requests (tenant_id, patient_id)
  where patient_id is not null;
create index if not exists data_principal_requests_response_document_idx
  on compliance.data_principal_requests (tenant_id, response_document_id)
  where response_document_id is not null;
create index if not exists data_principal_requests_handled_by_idx on compliance.data_principal_requests (tenant_id, handled_by)
  where handled_by is not null;

comment on table compliance.data_principal_requests is 'class=phi;scope=tenant;owner=business;fhir=Task;retention=medical_record;about=Access, correction, erasure, nomination, grievance and copies of records, each with a legal clock.';
comment on column compliance.data_principal_requests.request_number is 'class=operational;about=Number that the person is told, DPR-YY-n.';
comment on column compliance.data_principal_requests.patient_id is 'class=phi;about=Whose data it is about, once that is known.';
comment on column compliance.data_principal_requests.requester_name is 'class=pii;about=Who asks.';
comment on column compliance.data_principal_requests.relationship is 'class=pii;about=What the requester is to the patient, when somebody else asks.';
comment on column compliance.data_principal_requests.kind is 'class=operational;about=access, correction, erasure, portability, nomination, grievance, record_copy, disclosure_accounting or restriction.';
comment on column compliance.data_principal_requests.channel is 'class=operational;about=How it came: desk, portal, email, post ...';
comment on column compliance.data_principal_requests.received_at is 'class=operational;about=When it came: the clock starts.';
comment on column compliance.data_principal_requests.identity_verified_at is 'class=operational;about=When it was made sure who asks.';
comment on column compliance.data_principal_requests.due_at is 'class=operational;about=When it must be answered.';
comment on column compliance.data_principal_requests.details_enc is 'class=phi;enc=1;about=What is asked, encrypted.';
comment on column compliance.data_principal_requests.decision is 'class=operational;about=granted, partially_granted or refused.';
comment on column compliance.data_principal_requests.refusal_basis is 'class=operational;about=The law that allows to refuse.';
comment on column compliance.data_principal_requests.completed_at is 'class=operational;about=When it was answered.';
comment on column compliance.data_principal_requests.response_document_id is 'class=operational;about=The answer.';
comment on column compliance.data_principal_requests.handled_by is 'class=operational;about=The user who handles it.';
comment on column compliance.data_principal_requests.escalated_to_board is 'class=operational;about=Whether the person went to the Data Protection Board.';
comment on column compliance.data_principal_requests.status is 'class=operational;about=received, verifying, in_progress, on_hold, completed or rejected.';
select core.comment_standard_columns('compliance.data_principal_requests');

alter table compliance.data_principal_requests enable row level security, force row level security;
drop policy if exists tenant_isolation on compliance.data_principal_requests;
create policy tenant_isolation on compliance.data_principal_requests
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger data_principal_requests_no_aadhaar
  before insert or update of requester_name, refusal_basis on compliance.data_principal_requests
  for each row execute function core.reject_aadhaar_like('requester_name', 'refusal_basis');
create or replace trigger data_principal_requests_touch before update on compliance.data_principal_requests
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger data_principal_requests_transition before insert or update of status on compliance.data_principal_requests
  for each row execute function core.enforce_transition('compliance.data_principal_requests', 'status');
select audit.track('compliance.data_principal_requests');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('compliance.data_principal_requests', '', 'received', false, null),
  ('compliance.data_principal_requests', 'received', 'verifying', false, null),
  ('compliance.data_principal_requests', 'received', 'rejected', true, null),
  ('compliance.data_principal_requests', 'verifying', 'in_progress', false, null),
  ('compliance.data_principal_requests', 'verifying', 'rejected', true, null),
  ('compliance.data_principal_requests', 'in_progress', 'completed', false, null),
  ('compliance.data_principal_requests', 'in_progress', 'on_hold', true, null),
  ('compliance.data_principal_requests', 'on_hold', 'in_progress', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on compliance.data_principal_requests to business_app;
grant select on compliance.data_principal_requests to business_ro;

-- compliance.breaches: the register of personal-data breaches with its clocks: CERT-In within 6 hours, the Data Protection Board
-- in detail within 72 hours, every affected person without delay. Closed only when all of it is done and the cause is known.
create table if not exists compliance.breaches (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  breach_number text not null,
  discovered_at timestamptz not null,
  occurred_from timestamptz,
  occurred_to timestamptz,
  nature text not null,
  categories text[] not null default '{}',
  affected_count integer not null default 0,
  systems text[] not null default '{}',
  likely_impact text,
  cert_in_reported_at timestamptz,
  board_initial_at timestamptz,
  board_detailed_at timestamptz,
  principals_notified_at timestamptz,
  hhs_reported_at timestamptz,
  root_cause text,
  measures text,
  incident_id uuid,
  -- computed in UTC, where adding hours is immutable
  cert_in_due_at timestamptz generated always as (
    (discovered_at at time zone 'UTC' + interval '6 hours') at time zone 'UTC'
  ) stored,
  board_due_at timestamptz generated always as (
    (discovered_at at time zone 'UTC' + interval '72 hours') at time zone 'UTC'
  ) stored,
  status text not null default 'open',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint breaches_pkey primary key (tenant_id, id),
  constraint breaches_number_key unique (tenant_id, breach_number),
  constraint breaches_status_check check (status in ('open', 'contained', 'reported', 'closed')),
  constraint breaches_details_after_first_report check (board_detailed_at >= board_initial_at),
  constraint breaches_closed_when_all_is_done check (
    status <> 'closed'
    or (
      board_initial_at is not null and board_detailed_at is not null and principals_notified_at is not null
      and root_cause is not null
    )
  ),
  constraint breaches_reported_after_discovery check (
    least(cert_in_reported_at, board_initial_at, principals_notified_at, hhs_reported_at) >= discovered_at
  ),
  constraint breaches_end_after_begin check (occurred_to >= occurred_from),
  constraint breaches_discovered_after_begin check (discovered_at >= occurred_from),
  constraint breaches_count_not_negative check (affected_count >= 0),
  constraint breaches_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

create index if not exists breaches_open_idx on compliance.breaches (tenant_id, discovered_at) where status <> 'closed';
create index if not exists breaches_incident_idx on compliance.breaches (tenant_id, incident_id)
  where incident_id is not null;

comment on table compliance.breaches is 'class=operational;scope=tenant;owner=business;fhir=AuditEvent;retention=operational;about=Register of personal-data breaches with their clocks.';
comment on column compliance.breaches.breach_number is 'class=operational;about=Number of the register, BR-YY-n.';
comment on column compliance.breaches.discovered_at is 'class=operational;about=When the hospital became aware of it: the clocks start.';
comment on column compliance.breaches.occurred_from is 'class=operational;about=When it began, if that is known.';
comment on column compliance.breaches.occurred_to is 'class=operational;about=When it ended.';
comment on column compliance.breaches.nature is 'class=operational;about=What happened, without names of persons.';
comment on column compliance.breaches.categories is 'class=operational;about=Kinds of data: contact, identity, health, financial ...';
comment on column compliance.breaches.affected_count is 'class=operational;about=How many persons, as far as is known.';
comment on column compliance.breaches.systems is 'class=operational;about=Systems that it happened in.';
comment on column compliance.breaches.likely_impact is 'class=operational;about=What may follow for the persons.';
comment on column compliance.breaches.cert_in_reported_at is 'class=operational;about=When it was reported to CERT-In.';
comment on column compliance.breaches.board_initial_at is 'class=operational;about=When the Board was told.';
comment on column compliance.breaches.board_detailed_at is 'class=operational;about=When the Board had the details.';
comment on column compliance.breaches.principals_notified_at is 'class=operational;about=When every affected person had been told.';
comment on column compliance.breaches.hhs_reported_at is 'class=operational;about=When it was reported to HHS, where HIPAA applies.';
comment on column compliance.breaches.root_cause is 'class=operational;about=Why it happened.';
comment on column compliance.breaches.measures is 'class=operational;about=What was done against it, and so that it does not happen again.';
comment on column compliance.breaches.incident_id is 'class=operational;about=The incident that it was noticed as.';
comment on column compliance.breaches.cert_in_due_at is 'class=operational;about=Six hours after discovery.';
comment on column compliance.breaches.board_due_at is 'class=operational;about=72 hours after discovery.';
comment on column compliance.breaches.status is 'class=operational;about=open, contained, reported or closed.';
select core.comment_standard_columns('compliance.breaches');

alter table compliance.breaches enable row level security, force row level security;
drop policy if exists tenant_isolation on compliance.breaches;
create policy tenant_isolation on compliance.breaches
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger breaches_everybody_told before update of status on compliance.breaches
  for each row when (new.status = 'closed' and old.status <> 'closed')
  execute function compliance.check_everybody_told();
create or replace trigger breaches_no_aadhaar before insert or update of nature, root_cause, measures on compliance.breaches
  for each row execute function core.reject_aadhaar_like('nature', 'root_cause', 'measures');
create or replace trigger breaches_touch before update on compliance.breaches
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger breaches_transition before insert or update of status on compliance.breaches
  for each row execute function core.enforce_transition('compliance.breaches', 'status');
create or replace trigger breaches_first_state after insert on compliance.breaches
  for each row execute function core.announce_first_state('compliance.breaches');
select audit.track('compliance.breaches');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('compliance.breaches', '', 'open', false, 'breach.opened.v1'),
  ('compliance.breaches', 'open', 'contained', false, null),
  ('compliance.breaches', 'contained', 'reported', false, null),
  ('compliance.breaches', 'reported', 'closed', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on compliance.breaches to business_app;
grant select on compliance.breaches to business_ro;

-- compliance.breach_affected_persons: whose data a breach touched, and when each was told. A notice that came back told nobody.
create table if not exists compliance.breach_affected_persons (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  breach_id uuid not null,
  patient_id uuid,
  person_ref text,
  data_categories text[] not null default '{}',
  notification_id uuid,
  notified_at timestamptz,
  returned boolean not null default false,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint breach_affected_persons_pkey primary key (tenant_id, id),
  constraint breach_affected_persons_patient_once unique (tenant_id, breach_id, patient_id),
  constraint breach_affected_persons_name_somebody check (num_nonnulls(patient_id, person_ref) >= 1),
  constraint breach_affected_persons_returned_told_nobody check (not returned or notified_at is null),
  constraint breach_affected_persons_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint breach_affected_persons_breach_fkey
    foreign key (tenant_id, breach_id) references compliance.breaches (tenant_id, id)
);

create unique index if not exists breach_affected_persons_person_once on compliance.breach_affected_persons (tenant_id, breach_id, person_ref)
  where patient_id is null;
create index if not exists breach_affected_persons_to_tell_idx on compliance.breach_affected_persons (tenant_id, breach_id)
  where notified_at is null;
create index if not exists breach_affected_persons_patient_idx on compliance.breach_affected_persons (tenant_id, patient_id)
  where patient_id is not null;
create index if not exists breach_affected_persons_notification_idx on compliance.breach_affected_persons (tenant_id, notification_id)
  where notification_id is not null;

comment on table compliance.breach_affected_persons is 'class=phi;scope=tenant;owner=business;fhir=Communication;retention=medical_record;about=Who was affected by a breach, and when each was told.';
comment on column compliance.breach_affected_persons.breach_id is 'class=operational;about=The breach.';
comment on column compliance.breach_affected_persons.patient_id is 'class=phi;about=The patient, when it is one.';
comment on column compliance.breach_affected_persons.person_ref is 'class=pii;about=Somebody else, by the number that the hospital knows them by (employee code, case number).';
comment on column compliance.breach_affected_persons.data_categories is 'class=operational;about=Kinds of their data.';
comment on column compliance.breach_affected_persons.notification_id is 'class=operational;about=The message that told them.';
comment on column compliance.breach_affected_persons.notified_at is 'class=operational;about=When they were told.';
comment on column compliance.breach_affected_persons.returned is 'class=operational;about=The notice came back: tell them in another way.';
select core.comment_standard_columns('compliance.breach_affected_persons');

alter table compliance.breach_affected_persons enable row level security, force row level security;
drop policy if exists tenant_isolation on compliance.breach_affected_persons;
create policy tenant_isolation on compliance.breach_affected_persons
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger breach_affected_persons_no_aadhaar before insert or update of person_ref on compliance.breach_affected_persons
  for each row execute function core.reject_aadhaar_like('person_ref');
create or replace trigger breach_affected_persons_touch before update on compliance.breach_affected_persons
  for each row execute function core.update_updated_at_column('row_version');
select audit.track('compliance.breach_affected_persons');

grant select on compliance.breach_affected_persons to business_app;
grant select on compliance.breach_affected_persons to business_ro;

-- compliance.retention_policies: how long rows of a class are kept, why, and what happens then. Shared rows are the legal
-- minimums; a tenant's row is added to the shared one: whichever keeps longer counts.
create table if not exists compliance.retention_policies (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  class text not null,
  schema_name text,
  table_name text,
  basis text not null,
  keep_for interval not null,
  starts_from text not null,
  action text not null,
  minimum_log_days integer not null default 365,
  approved_by uuid,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint retention_policies_pkey primary key (id),
  constraint retention_policies_one_for_a_class unique nulls not distinct (tenant_id, class, schema_name, table_name),
  constraint retention_policies_starts_from_check check (
    starts_from in ('created', 'last_encounter', 'discharge', 'majority_age', 'closure', 'death')
  ),
  constraint retention_policies_action_check check (
    action in ('erase', 'anonymise', 'archive', 'drop_partition', 'crypto_shred')
  ),
  constraint retention_policies_medical_record_3_years check (
    class <> 'medical_record' or keep_for >= interval '3 years'
  ),
  constraint retention_policies_audit_7_years check (
    class not in ('audit', 'access_log') or keep_for >= interval '7 years'
  ),
  constraint retention_policies_logs_a_year check (minimum_log_days >= 365),
  constraint retention_policies_nothing_before_a_year check (keep_for >= interval '1 year'),
  constraint retention_policies_table_of_a_schema check (table_name is null or schema_name is not null),
  constraint retention_policies_decided_by_somebody check (tenant_id is null or approved_by is not null),
  constraint retention_policies_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

comment on table compliance.retention_policies is 'class=operational;scope=shared;owner=business;fhir=none;retention=operational;about=How long each class of rows is kept, why, and what happens then.';
comment on column compliance.retention_policies.class is 'class=operational;about=Class of rows, as the tag retention of table comments names it: medical_record, operational, audit, access_log ...';
comment on column compliance.retention_policies.schema_name is 'class=operational;about=Schema that it is for, all of the class when empty.';
comment on column compliance.retention_policies.table_name is 'class=operational;about=Table that it is for, all of the schema when empty.';
comment on column compliance.retention_policies.basis is 'class=operational;about=The law or decision that it rests on.';
comment on column compliance.retention_policies.keep_for is 'class=operational;about=How long.';
comment on column compliance.retention_policies.starts_from is 'class=operational;about=From when: created, last_encounter, discharge and closure (the last row of the record), majority_age (of a child) or death.';
comment on column compliance.retention_policies.action is 'class=operational;about=What happens then: erase, anonymise, archive, drop_partition or crypto_shred.';
comment on column compliance.retention_policies.minimum_log_days is 'class=operational;about=Days for which the logs about these rows are kept, at least a year (DPDP Rules r.6).';
comment on column compliance.retention_policies.approved_by is 'class=operational;about=The user who decided; none for the legal minimum.';
select core.comment_standard_columns('compliance.retention_policies');

alter table compliance.retention_policies enable row level security, force row level security;
drop policy if exists tenant_isolation on compliance.retention_policies;
create policy tenant_isolation on compliance.retention_policies
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
drop policy if exists shared_rows on compliance.retention_policies;
create policy shared_rows on compliance.retention_policies for select using (tenant_id is null);

create or replace trigger retention_policies_not_below_the_law
  before insert or update of keep_for, class, schema_name, table_name on compliance.retention_policies
  for each row when (new.tenant_id is not null) execute function compliance.check_legal_minimum();
create or replace trigger retention_policies_touch before update on compliance.retention_policies
  for each row execute function core.update_updated_at_column('row_version');

select audit.track('compliance.retention_policies');

grant select on compliance.retention_policies to business_app;
grant select on compliance.retention_policies to business_ro;

-- compliance.legal_holds: while a hold is active nothing that it covers is erased, whatever retention or the person says. The
-- one who placed it does not release it.
create table if not exists compliance.legal_holds (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  hold_number text not null,
  scope jsonb not null default '{}',
  patient_id uuid,
  reason text not null,
  authority text,
  placed_by uuid not null,
  placed_at timestamptz not null default now(),
  released_by uuid,
  released_at timestamptz,
  status text not null default 'active',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint legal_holds_pkey primary key (tenant_id, id),
  constraint legal_holds_number_key unique (tenant_id, hold_number),
  constraint legal_holds_status_check check (status in ('active', 'released')),
  constraint legal_holds_released_by_another check (
    status <> 'released' or (released_at is not null and released_by is not null and released_by <> placed_by)
  ),
  constraint legal_holds_scope_is_known check (
    jsonb_typeof(scope) = 'object' and scope - '{all,schema,table,row_ids}'::text[] = '{}'
    and (not scope ? 'table' or scope ? 'schema') and (not scope ? 'row_ids' or scope ? 'table')
  ),
  constraint legal_holds_cover_something check (patient_id is not null or scope <> '{}'),
  constraint legal_holds_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

create index if not exists legal_holds_patient_idx on compliance.legal_holds (tenant_id, patient_id)
  where patient_id is not null;
create index if not exists legal_holds_active_idx on compliance.legal_holds (tenant_id, patient_id) where status = 'active';
create index if not exists legal_holds_placed_by_idx on compliance.legal_holds (tenant_id, placed_by);
create index if not exists legal_holds_released_by_idx on compliance.legal_holds (tenant_id, released_by)
  where released_by is not null;

comment on table compliance.legal_holds is 'class=operational;scope=tenant;owner=business;fhir=none;retention=operational;about=Freezes that beat retention and erasure.';
comment on column compliance.legal_holds.hold_number is 'class=operational;about=Number of the hold, LH-YY-n.';
comment on column compliance.legal_holds.scope is 'class=operational;about=What it covers: {"schema": .., "table": .., "row_ids": [..]}, each narrowing; {"all": true} for the whole tenant; {} with a patient for all of theirs.';
comment on column compliance.legal_holds.patient_id is 'class=phi;about=The patient whose data it covers, all patients when empty.';
comment on column compliance.legal_holds.reason is 'class=operational;about=Why: litigation, inquiry, audit.';
comment on column compliance.legal_holds.authority is 'class=operational;about=Who ordered it, with the reference of the order.';
comment on column compliance.legal_holds.placed_by is 'class=operational;about=The user who placed it.';
comment on column compliance.legal_holds.placed_at is 'class=operational;about=Since when.';
comment on column compliance.legal_holds.released_by is 'class=operational;about=Another user, who released it.';
comment on column compliance.legal_holds.released_at is 'class=operational;about=Until when.';
comment on column compliance.legal_holds.status is 'class=operational;about=active or released.';
select core.comment_standard_columns('compliance.legal_holds');

alter table compliance.legal_holds enable row level security, force row level security;
drop policy if exists tenant_isolation on compliance.legal_holds;
create policy tenant_isolation on compliance.legal_holds
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger legal_holds_no_aadhaar before insert or update of reason, authority on compliance.legal_holds
  for each row execute function core.reject_aadhaar_like('reason', 'authority');
create or replace trigger legal_holds_touch before update on compliance.legal_holds
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger legal_holds_transition before insert or update of status on compliance.legal_holds
  for each row execute function core.enforce_transition('compliance.legal_holds', 'status');
select audit.track('compliance.legal_holds');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('compliance.legal_holds', '', 'active', false, null),
  ('compliance.legal_holds', 'active', 'released', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on compliance.legal_holds to business_app;
grant select on compliance.legal_holds to business_ro;

-- compliance.erasure_log: proof of what was erased, anonymised or shredded, and why. It does not name the person: whoever knows
-- the id can recompute its hash.
create table if not exists compliance.erasure_log (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  request_id uuid,
  policy_id uuid,
  patient_ref_hash bytea,
  schema_name text not null,
  table_name text not null,
  row_count bigint not null,
  action text not null,
  notice_sent_at timestamptz,
  notice_waived_reason text,
  executed_at timestamptz not null default now(),
  executed_by text not null,
  key_kid_destroyed text,
  verification jsonb not null default '{}',
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint erasure_log_pkey primary key (tenant_id, id),
  constraint erasure_log_action_check check (action in ('crypto_shred', 'anonymise', 'erase', 'drop_partition')),
  constraint erasure_log_notice_waived_reason_check check (notice_waived_reason in ('unreachable', 'deceased')),
  constraint erasure_log_asked_or_due check (num_nonnulls(request_id, policy_id) >= 1),
  constraint erasure_log_notice_48_hours_before check (notice_sent_at <= executed_at - interval '48 hours'),
  constraint erasure_log_policy_with_notice check (
    request_id is not null or num_nonnulls(notice_sent_at, notice_waived_reason) >= 1 or patient_ref_hash is null
  ),
  constraint erasure_log_count_not_negative check (row_count >= 0),
  constraint erasure_log_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint erasure_log_request_fkey
    foreign key (tenant_id, request_id) references compliance.data_principal_requests (tenant_id, id),
  constraint erasure_log_policy_fkey
    foreign key (policy_id) references compliance.retention_policies (id)
);

create index if not exists erasure_log_patient_idx on compliance.erasure_log (tenant_id, patient_ref_hash)
  where patient_ref_hash is not null;
create index if not exists erasure_log_request_idx on compliance.erasure_log (tenant_id, request_id)
  where request_id is not null;
create index if not exists erasure_log_policy_idx on compliance.erasure_log (policy_id, tenant_id)
  where policy_id is not null;
comment on index compliance.erasure_log_policy_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';

comment on table compliance.erasure_log is 'class=operational;scope=tenant;owner=business;fhir=Provenance;retention=operational;append_only=1;about=What was erased, anonymised or shredded, why, with proof.';
comment on column compliance.erasure_log.request_id is 'class=operational;about=The request of the person that it answers.';
comment on column compliance.erasure_log.policy_id is 'class=operational;about=The retention policy that it carries out.';
comment on column compliance.erasure_log.patient_ref_hash is 'class=operational;about=SHA-256 of the tenant and the patients id.';
comment on column compliance.erasure_log.schema_name is 'class=operational;about=Schema of the rows.';
comment on column compliance.erasure_log.table_name is 'class=operational;about=Table of the rows.';
comment on column compliance.erasure_log.row_count is 'class=operational;about=How many rows.';
comment on column compliance.erasure_log.action is 'class=operational;about=crypto_shred, anonymise, erase or drop_partition.';
comment on column compliance.erasure_log.notice_sent_at is 'class=operational;about=When the person was told, at least 48 hours before (DPDP Rules r.8).';
comment on column compliance.erasure_log.notice_waived_reason is 'class=operational;about=Why a policy was carried out without notice: unreachable or deceased.';
comment on column compliance.erasure_log.executed_at is 'class=operational;about=When it was done.';
comment on column compliance.erasure_log.executed_by is 'class=operational;about=The user, or the job.';
comment on column compliance.erasure_log.key_kid_destroyed is 'class=operational;about=The data key that was destroyed.';
comment on column compliance.erasure_log.verification is 'class=operational;about=What was found afterwards.';
select core.comment_standard_columns('compliance.erasure_log');

alter table compliance.erasure_log enable row level security, force row level security;
drop policy if exists tenant_isolation on compliance.erasure_log;
create policy tenant_isolation on compliance.erasure_log
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger erasure_log_not_under_hold before insert on compliance.erasure_log
  for each row execute function compliance.check_erasure_allowed();
create or replace trigger erasure_log_append_only before update or delete on compliance.erasure_log
  for each row execute function core.refuse_change();
create or replace trigger erasure_log_no_truncate before truncate on compliance.erasure_log
  for each statement execute function core.refuse_change();
create or replace trigger erasure_log_policy_visible before insert or update of policy_id on compliance.erasure_log
  for each row execute function core.check_shared_reference('policy_id', 'compliance.retention_policies');

grant select on compliance.erasure_log to business_app;
grant select on compliance.erasure_log to business_ro;

-- compliance.data_processors: who processes data for the hospital, under which contract and in which country. Active only with a
-- signed contract, and never in a country that the law or the hospital forbids.
create table if not exists compliance.data_processors (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  name text not null,
  service text not null,
  data_categories text[] not null default '{}',
  country text not null,
  contract_kind text not null,
  contract_document_id uuid,
  signed_on date,
  expires_on date,
  subprocessors jsonb not null default '[]',
  api_client_id uuid,
  last_review_on date,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint data_processors_pkey primary key (tenant_id, id),
  constraint data_processors_once_a_service unique (tenant_id, name, service),
  constraint data_processors_country_form check (country ~ '^[A-Z]{2}$'),
  constraint data_processors_contract_kind_check check (contract_kind in ('BAA', 'DPA', 'both')),
  constraint data_processors_status_check check (status in ('draft', 'active', 'expired', 'terminated')),
  constraint data_processors_active_under_contract check (
    status <> 'active' or (contract_document_id is not null and signed_on is not null)
  ),
  constraint data_processors_expire_after_signing check (expires_on >= signed_on),
  constraint data_processors_subprocessors_are_a_list check (jsonb_typeof(subprocessors) = 'array'),
  constraint data_processors_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

create index if not exists data_processors_to_expire_idx on compliance.data_processors (tenant_id, expires_on)
  where status = 'active' and expires_on is not null;
create index if not exists data_processors_contract_document_idx on compliance.data_processors (tenant_id, contract_document_id)
  where contract_document_id is not null;
create index if not exists data_processors_api_client_idx on compliance.data_processors (tenant_id, api_client_id)
  where api_client_id is not null;

comment on table compliance.data_processors is 'class=operational;scope=tenant;owner=business;fhir=Organization,Contract;retention=operational;about=Processors and business associates with their contracts and countries.';
comment on column compliance.data_processors.name is 'class=operational;about=The company.';
comment on column compliance.data_processors.service is 'class=operational;about=What it does with the data.';
comment on column compliance.data_processors.data_categories is 'class=operational;about=Kinds of data that it sees.';
comment on column compliance.data_processors.country is 'class=operational;about=Where it processes (ISO 3166-1, two letters).';
comment on column compliance.data_processors.contract_kind is 'class=operational;about=BAA (HIPAA), DPA (DPDP, GDPR) or both.';
comment on column compliance.data_processors.contract_document_id is 'class=operational;about=The signed contract.';
comment on column compliance.data_processors.signed_on is 'class=operational;about=When it was signed.';
comment on column compliance.data_processors.expires_on is 'class=operational;about=Last day of the contract; none when it runs on.';
comment on column compliance.data_processors.subprocessors is 'class=operational;about=Whom it uses itself: [{"name": .., "country": ..}].';
comment on column compliance.data_processors.api_client_id is 'class=operational;about=The machine client that it calls with.';
comment on column compliance.data_processors.last_review_on is 'class=operational;about=When it was last looked at.';
comment on column compliance.data_processors.status is 'class=operational;about=draft, active, expired or terminated.';
select core.comment_standard_columns('compliance.data_processors');

alter table compliance.data_processors enable row level security, force row level security;
drop policy if exists tenant_isolation on compliance.data_processors;
create policy tenant_isolation on compliance.data_processors
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger data_processors_in_allowed_country
  before insert or update of country, subprocessors, status on compliance.data_processors
  for each row when (new.status in ('draft', 'active')) execute function compliance.check_country();
create or replace trigger data_processors_touch before update on compliance.data_processors
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger data_processors_transition before insert or update of status on compliance.data_processors
  for each row execute function core.enforce_transition('compliance.data_processors', 'status');
select audit.track('compliance.data_processors');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('compliance.data_processors', '', 'draft', false, null),
  ('compliance.data_processors', 'draft', 'active', false, null),
  ('compliance.data_processors', 'active', 'expired', false, null),
  ('compliance.data_processors', 'active', 'terminated', true, null),
  ('compliance.data_processors', 'expired', 'active', false, null),
  ('compliance.data_processors', 'expired', 'terminated', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on compliance.data_processors to business_app;
grant select on compliance.data_processors to business_ro;

-- compliance.incidents: near misses, adverse and sentinel events, non-conformities, infections, drug reactions, with what was
-- found and done. Anybody may report without their name; a sentinel event goes on only with its root cause.
create table if not exists compliance.incidents (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  incident_number text not null,
  kind text not null,
  patient_id uuid,
  encounter_id uuid,
  department_id uuid not null,
  occurred_at timestamptz not null,
  reported_at timestamptz not null default now(),
  reported_by uuid,
  anonymous boolean not null default false,
  severity text not null,
  description_enc bytea not null,
  subject_type text,
  subject_id uuid,
  immediate_action text,
  root_cause jsonb,
  corrective_action text,
  preventive_action text,
  capa_owner_id uuid,
  capa_due_on date,
  capa_done_on date,
  effectiveness text,
  external_report jsonb,
  status text not null default 'reported',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint incidents_pkey primary key (tenant_id, id),
  constraint incidents_number_key unique (tenant_id, incident_number),
  constraint incidents_kind_check check (
    kind in (
      'near_miss', 'adverse_event', 'sentinel', 'medication_error', 'adr', 'fall', 'pressure_injury', 'hai',
      'needle_stick', 'lab_nonconformity', 'equipment', 'security', 'complaint', 'other'
    )
  ),
  constraint incidents_severity_check check (severity in ('none', 'mild', 'moderate', 'severe', 'death')),
  constraint incidents_status_check check (
    status in ('reported', 'under_review', 'rejected', 'action_planned', 'closed', 'action_done')
  ),
  constraint incidents_reported_after_they_happened check (reported_at >= occurred_at),
  constraint incidents_reported_by_somebody check (anonymous = (reported_by is null)),
  constraint incidents_sentinel_has_root_cause check (
    kind <> 'sentinel' or status in ('reported', 'under_review', 'rejected') or root_cause is not null
  ),
  constraint incidents_closed_when_effective check (
    status <> 'closed' or (corrective_action is not null and effectiveness is not null)
  ),
  constraint incidents_planned_with_owner check (
    status <> 'action_planned' or (corrective_action is not null and capa_owner_id is not null and capa_due_on is not null)
  ),
  constraint incidents_done_on_a_day check (status <> 'action_done' or capa_done_on is not null),
  constraint incidents_subject_is_whole check ((subject_type is null) = (subject_id is null)),
  constraint incidents_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint incidents_reported_by_fkey
    foreign key (tenant_id, reported_by) references workforce.staff (tenant_id, id),
  constraint incidents_capa_owner_fkey
    foreign key (tenant_id, capa_owner_id) references workforce.staff (tenant_id, id)
);

create index if not exists incidents_open_idx on compliance.incidents (tenant_id, capa_due_on) where status not in ('closed', 'rejected');
create index if not exists incidents_patient_idx on compliance.incidents (tenant_id, patient_id)
  where patient_id is not null;
create index if not exists incidents_encounter_idx on compliance.incidents (tenant_id, encounter_id)
  where encounter_id is not null;
create index if not exists incidents_department_idx on compliance.incidents (tenant_id, department_id);
create index if not exists incidents_reported_by_idx on compliance.incidents (tenant_id, reported_by)
  where reported_by is not null;
create index if not exists incidents_capa_owner_idx on compliance.incidents (tenant_id, capa_owner_id)
  where capa_owner_id is not null;

comment on table compliance.incidents is 'class=phi;scope=tenant;owner=business;fhir=AdverseEvent;retention=medical_record;about=Incidents with review, root cause, corrective and preventive action.';
comment on column compliance.incidents.incident_number is 'class=operational;about=Number of the register, INC-YY-n.';
comment on column compliance.incidents.kind is 'class=operational;about=near_miss, adverse_event, sentinel, medication_error, adr, fall, pressure_injury, hai, needle_stick, lab_nonconformity, equipment, security, complaint or other.';
comment on column compliance.incidents.patient_id is 'class=phi;about=The patient whom it concerns.';
comment on column compliance.incidents.encounter_id is 'class=phi;about=The visit or stay.';
comment on column compliance.incidents.department_id is 'class=operational;about=Where it happened.';
comment on column compliance.incidents.occurred_at is 'class=operational;about=When it happened.';
comment on column compliance.incidents.reported_at is 'class=operational;about=When it was reported.';
comment on column compliance.incidents.reported_by is 'class=operational;about=Member of staff who reported; none for an anonymous report.';
comment on column compliance.incidents.anonymous is 'class=operational;about=Reported without a name.';
comment on column compliance.incidents.severity is 'class=phi;about=Harm: none, mild, moderate, severe or death.';
comment on column compliance.incidents.description_enc is 'class=phi;enc=1;about=What happened, encrypted.';
comment on column compliance.incidents.subject_type is 'class=operational;about=What it is about, schema.table, such as medication.dispenses.';
comment on column compliance.incidents.subject_id is 'class=operational;about=The row that it is about.';
comment on column compliance.incidents.immediate_action is 'class=phi;about=What was done at once.';
comment on column compliance.incidents.root_cause is 'class=phi;about=Findings: {"method": .., "causes": [..]}.';
comment on column compliance.incidents.corrective_action is 'class=phi;about=What puts it right.';
comment on column compliance.incidents.preventive_action is 'class=phi;about=What keeps it from happening again.';
comment on column compliance.incidents.capa_owner_id is 'class=operational;about=Member of staff who sees to it.';
comment on column compliance.incidents.capa_due_on is 'class=operational;about=Until when.';
comment on column compliance.incidents.capa_done_on is 'class=operational;about=When it was done.';
comment on column compliance.incidents.effectiveness is 'class=phi;about=Whether it helped, and how that was seen.';
comment on column compliance.incidents.external_report is 'class=phi;about=Reports to authorities: {"to": .., "reference": .., "on": ..}.';
comment on column compliance.incidents.status is 'class=operational;about=reported, under_review, action_planned, action_done, closed or rejected.';
select core.comment_standard_columns('compliance.incidents');

alter table compliance.incidents enable row level security, force row level security;
drop policy if exists tenant_isolation on compliance.incidents;
create policy tenant_isolation on compliance.incidents
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger incidents_no_aadhaar
  before insert or update of immediate_action, corrective_action, preventive_action, effectiveness on compliance.incidents
  for each row execute function core.reject_aadhaar_like(
    'immediate_action', 'corrective_action', 'preventive_action', 'effectiveness'
  );
create or replace trigger incidents_touch before update on compliance.incidents
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger incidents_transition before insert or update of status on compliance.incidents
  for each row execute function core.enforce_transition('compliance.incidents', 'status');
select audit.track('compliance.incidents');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('compliance.incidents', '', 'reported', false, null),
  ('compliance.incidents', 'reported', 'under_review', false, null),
  ('compliance.incidents', 'reported', 'rejected', true, null),
  ('compliance.incidents', 'under_review', 'action_planned', false, null),
  ('compliance.incidents', 'under_review', 'closed', false, null),
  ('compliance.incidents', 'action_planned', 'action_done', false, null),
  ('compliance.incidents', 'action_done', 'closed', false, null),
  ('compliance.incidents', 'action_done', 'under_review', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on compliance.incidents to business_app;
grant select on compliance.incidents to business_ro;

-- compliance.compliance_checks: checks that were made, by the checker or by a person, with their evidence: a rule counts as kept
-- because a row here says what was looked at. A run over the whole database is a shared row, a check of a tenant its own.
create table if not exists compliance.compliance_checks (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  run_id uuid not null,
  rule_id text not null,
  rule_version text not null,
  regulation text not null,
  target text not null,
  outcome text not null,
  evidence jsonb not null default '{}',
  evidence_hash bytea not null generated always as (compliance.text_hash(evidence::text)) stored,
  waiver_id text,
  ran_at timestamptz not null default now(),
  tool_version text not null,
  schema_fingerprint bytea,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint compliance_checks_pkey primary key (id, ran_at),
  constraint compliance_checks_once_a_run unique nulls not distinct (tenant_id, run_id, rule_id, target, ran_at),
  constraint compliance_checks_outcome_check check (outcome in ('pass', 'fail', 'not_applicable', 'error', 'waived')),
  constraint compliance_checks_waived_by_decision check (outcome <> 'waived' or waiver_id is not null),
  constraint compliance_checks_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
) partition by range (ran_at);

create table if not exists compliance.compliance_checks_default partition of compliance.compliance_checks default;

create index if not exists compliance_checks_rule_idx on compliance.compliance_checks (tenant_id, rule_id, ran_at);

comment on table compliance.compliance_checks is 'class=operational;scope=shared;owner=business;fhir=none;retention=operational;append_only=1;partition=month;about=Checks that were made, with outcome and evidence.';
comment on column compliance.compliance_checks.run_id is 'class=operational;about=The run that it belongs to.';
comment on column compliance.compliance_checks.rule_id is 'class=operational;about=The rule, such as HIP-25.';
comment on column compliance.compliance_checks.rule_version is 'class=operational;about=Version of the rule.';
comment on column compliance.compliance_checks.regulation is 'class=operational;about=Family of the rule: hipaa, dpdp, abdm ...';
comment on column compliance.compliance_checks.target is 'class=operational;about=What was checked: a database, a backup, a site.';
comment on column compliance.compliance_checks.outcome is 'class=operational;about=pass, fail, not_applicable, error or waived.';
comment on column compliance.compliance_checks.evidence is 'class=operational;about=What was looked at and found; ids and counts, never values of persons.';
comment on column compliance.compliance_checks.evidence_hash is 'class=operational;about=SHA-256 of the evidence.';
comment on column compliance.compliance_checks.waiver_id is 'class=operational;about=The decision that waives the rule.';
comment on column compliance.compliance_checks.ran_at is 'class=operational;about=When; months are partitions.';
comment on column compliance.compliance_checks.tool_version is 'class=operational;about=Version of what checked, or manual.';
comment on column compliance.compliance_checks.schema_fingerprint is 'class=operational;about=SHA-256 of the definitions that were checked; none for what a person checked.';
select core.comment_standard_columns('compliance.compliance_checks');

alter table compliance.compliance_checks enable row level security, force row level security;
drop policy if exists tenant_isolation on compliance.compliance_checks;
create policy tenant_isolation on compliance.compliance_checks
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
drop policy if exists shared_rows on compliance.compliance_checks;
create policy shared_rows on compliance.compliance_checks for select using (tenant_id is null);
alter table compliance.compliance_checks_default enable row level security, force row level security;
drop policy if exists tenant_isolation on compliance.compliance_checks_default;
create policy tenant_isolation on compliance.compliance_checks_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
drop policy if exists shared_rows on compliance.compliance_checks_default;
create policy shared_rows on compliance.compliance_checks_default for select using (tenant_id is null);

create or replace trigger compliance_checks_append_only before update or delete on compliance.compliance_checks
  for each row execute function core.refuse_change();
create or replace trigger compliance_checks_no_truncate before truncate on compliance.compliance_checks
  for each statement execute function core.refuse_change();
create or replace trigger compliance_checks_default_no_truncate before truncate on compliance.compliance_checks_default
  for each statement execute function core.refuse_change();

-- compliance.record_check runs as its caller, so that whoever installs can record a check of the whole database
grant select, insert on compliance.compliance_checks to business_app;
grant select on compliance.compliance_checks to business_ro;

create or replace trigger encryption_keys_not_under_hold before update of status on core.encryption_keys
  for each row when (new.status = 'destroyed' and old.status <> 'destroyed' and new.subject_type = 'patient')
  execute function compliance.check_key_not_held();

-- Indexes that erasure needs on tables of others: the keys of a person, and who has been here longest.
create index if not exists encryption_keys_subject_idx on core.encryption_keys (tenant_id, subject_type, subject_id)
  where subject_id is not null;

-- tasking: tables

-- tasking.tasks: a unit of work for a patient or a ward. A task that requires verification is done only when the EMR was
-- found to say so: until then it stays open, and at commit tasks_verified_when_done asks for the proof.
create table if not exists tasking.tasks (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  task_number text not null,
  patient_id uuid,
  encounter_id uuid,
  department_id uuid not null,
  shift_id uuid,
  title text not null,
  description_enc bytea,
  category text not null,
  priority tasking.task_priority not null default 'medium',
  assigned_to uuid,
  assigned_by uuid not null,
  due_at timestamptz,
  started_at timestamptz,
  completed_at timestamptz,
  completed_by uuid,
  requires_verification boolean not null default false,
  source_type text,
  source_id uuid,
  carried_from_handover_id uuid,
  cancel_reason text,
  vector_clock jsonb not null default '{}',
  hlc_physical_us bigint not null,
  hlc_logical integer not null,
  hlc_node text not null,
  field_clocks jsonb not null default '{}',
  status tasking.task_status not null default 'pending',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint tasks_pkey primary key (tenant_id, id),
  constraint tasks_title_not_empty check (btrim(title) <> ''),
  constraint tasks_category_form check (category ~ '^[a-z][a-z_]{1,39}$'),
  constraint tasks_done_by_somebody check (
    status not in ('completed', 'verified') or (completed_at is not null and completed_by is not null)
  ),
  constraint tasks_cancelled_with_reason check (status <> 'cancelled' or cancel_reason is not null),
  constraint tasks_encounter_names_patient check (encounter_id is null or patient_id is not null),
  constraint tasks_verified_in_a_record check (not requires_verification or patient_id is not null),
  constraint tasks_source_is_whole check ((source_type is null) = (source_id is null)),
  constraint tasks_clock_is_positive check (hlc_physical_us > 0 and hlc_logical >= 0),
  constraint tasks_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint tasks_shift_fkey
    foreign key (tenant_id, shift_id) references workforce.shifts (tenant_id, id)
);

create unique index if not exists tasks_number_key on tasking.tasks (tenant_id, task_number) where deleted_at is null;
create index if not exists tasks_patient_idx on tasking.tasks (tenant_id, patient_id)
  where patient_id is not null;
create index if not exists tasks_encounter_idx on tasking.tasks (tenant_id, encounter_id)
  where encounter_id is not null;
create index if not exists tasks_department_idx on tasking.tasks (tenant_id, department_id);
create index if not exists tasks_open_of_patient_idx on tasking.tasks (tenant_id, patient_id, due_at)
  where status in ('pending', 'in_progress', 'on_hold', 'overdue', 'reopened') and deleted_at is null;
create index if not exists tasks_open_of_shift_idx on tasking.tasks (tenant_id, shift_id, id)
  where status in ('pending', 'in_progress', 'on_hold', 'overdue', 'reopened') and deleted_at is null;
create index if not exists tasks_open_of_user_idx on tasking.tasks (tenant_id, assigned_to, due_at)
  where status in ('pending', 'in_progress', 'on_hold', 'overdue', 'reopened') and deleted_at is null;
create index if not exists tasks_to_mark_overdue_idx on tasking.tasks (tenant_id, due_at)
  where status in ('pending', 'in_progress') and deleted_at is null;
create index if not exists tasks_shift_idx on tasking.tasks (tenant_id, shift_id)
  where shift_id is not null;
create index if not exists tasks_assigned_to_idx on tasking.tasks (tenant_id, assigned_to)
  where assigned_to is not null;
create index if not exists tasks_assigned_by_idx on tasking.tasks (tenant_id, assigned_by);
create index if not exists tasks_completed_by_idx on tasking.tasks (tenant_id, completed_by)
  where completed_by is not null;
create index if not exists tasks_carried_from_handover_idx on tasking.tasks (tenant_id, carried_from_handover_id)
  where carried_from_handover_id is not null;

comment on table tasking.tasks is 'class=phi;scope=tenant;owner=business;fhir=Task;retention=medical_record;about=A unit of work for a patient or a ward, where asked for verified in the EMR.';
comment on column tasking.tasks.task_number is 'class=operational;about=Number that people say, TASK-YY-n.';
comment on column tasking.tasks.patient_id is 'class=phi;about=The patient; none for a task of the ward.';
comment on column tasking.tasks.encounter_id is 'class=phi;about=The visit or stay that it belongs to.';
comment on column tasking.tasks.department_id is 'class=operational;about=The department whose work it is.';
comment on column tasking.tasks.shift_id is 'class=operational;about=The shift that answers for it; an accepted handover moves it to the next one; none once it is reopened after that shift.';
comment on column tasking.tasks.title is 'class=phi;about=What is to be done, in a line.';
comment on column tasking.tasks.description_enc is 'class=phi;enc=1;about=Details, encrypted.';
comment on column tasking.tasks.category is 'class=operational;about=Kind of work, a word of the hospital: medication, wound_care, call, transport, supplies ...';
comment on column tasking.tasks.priority is 'class=operational;about=low, medium, high or critical.';
comment on column tasking.tasks.assigned_to is 'class=operational;about=The user who does it; nobody yet while empty.';
comment on column tasking.tasks.assigned_by is 'class=operational;about=The user who asked for it.';
comment on column tasking.tasks.due_at is 'class=operational;about=When it should be done; a job marks it overdue after that.';
comment on column tasking.tasks.started_at is 'class=operational;about=When somebody began.';
comment on column tasking.tasks.completed_at is 'class=operational;about=When it was done.';
comment on column tasking.tasks.completed_by is 'class=operational;about=The user who did it.';
comment on column tasking.tasks.requires_verification is 'class=operational;about=Whether it is done only when the EMR shows it.';
comment on column tasking.tasks.source_type is 'class=operational;about=What it came from, schema.table, such as clinical.service_requests.';
comment on column tasking.tasks.source_id is 'class=operational;about=The row that it came from.';
comment on column tasking.tasks.carried_from_handover_id is 'class=operational;about=The handover that brought it to its shift.';
comment on column tasking.tasks.cancel_reason is 'class=operational;about=Why it was cancelled.';
comment on column tasking.tasks.status is 'class=operational;about=pending, in_progress, on_hold, overdue, reopened (open), completed, verified, cancelled.';
comment on column tasking.tasks.vector_clock is 'class=operational;about=For each node, how many of its writes are in the row.';
comment on column tasking.tasks.hlc_physical_us is 'class=operational;about=Hybrid logical clock of the last write: microseconds since 1970.';
comment on column tasking.tasks.hlc_logical is 'class=operational;about=Hybrid logical clock: counter of writes that share the microsecond.';
comment on column tasking.tasks.hlc_node is 'class=operational;about=Hybrid logical clock: the node that wrote.';
comment on column tasking.tasks.field_clocks is 'class=operational;about=For each field that was written: hlc (as text), node and seq (count of the node) of its last write.';
select core.comment_standard_columns('tasking.tasks');

alter table tasking.tasks enable row level security, force row level security;
drop policy if exists tenant_isolation on tasking.tasks;
create policy tenant_isolation on tasking.tasks
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger tasks_clocks before insert or update on tasking.tasks
  for each row execute function tasking.keep_clocks();
create or replace trigger tasks_no_aadhaar before insert or update of title, cancel_reason on tasking.tasks
  for each row execute function core.reject_aadhaar_like('title', 'cancel_reason');
create or replace trigger tasks_shift_is_open before insert or update of shift_id on tasking.tasks
  for each row when (new.shift_id is not null) execute function tasking.check_shift_takes_tasks();
create or replace trigger tasks_leave_closed_shift before update of status on tasking.tasks
  for each row when (new.status = 'reopened' and old.status <> 'reopened' and new.shift_id is not null)
  execute function tasking.leave_closed_shift();
create or replace trigger tasks_touch before update on tasking.tasks
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger tasks_transition before insert or update of status on tasking.tasks
  for each row execute function core.enforce_transition('tasking.tasks', 'status');
drop trigger if exists tasks_verified_when_done on tasking.tasks;
create constraint trigger tasks_verified_when_done
  after insert or update of status, requires_verification on tasking.tasks
  deferrable initially deferred
  for each row when (new.requires_verification and new.status in ('completed', 'verified'))
  execute function tasking.check_task_verified();
select audit.track('tasking.tasks');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('tasking.tasks', '', 'pending', false, null),
  ('tasking.tasks', 'pending', 'in_progress', false, null),
  ('tasking.tasks', 'pending', 'completed', false, 'task.completed.v1'),
  ('tasking.tasks', 'pending', 'cancelled', true, null),
  ('tasking.tasks', 'pending', 'overdue', false, null),
  ('tasking.tasks', 'in_progress', 'completed', false, 'task.completed.v1'),
  ('tasking.tasks', 'in_progress', 'on_hold', true, null),
  ('tasking.tasks', 'in_progress', 'cancelled', true, null),
  ('tasking.tasks', 'in_progress', 'overdue', false, null),
  ('tasking.tasks', 'on_hold', 'in_progress', false, null),
  ('tasking.tasks', 'on_hold', 'cancelled', true, null),
  ('tasking.tasks', 'overdue', 'in_progress', false, null),
  ('tasking.tasks', 'overdue', 'completed', false, 'task.completed.v1'),
  ('tasking.tasks', 'overdue', 'cancelled', true, null),
  ('tasking.tasks', 'completed', 'verified', false, 'task.verified.v1'),
  ('tasking.tasks', 'completed', 'reopened', true, null),
  ('tasking.tasks', 'reopened', 'in_progress', false, null),
  ('tasking.tasks', 'reopened', 'cancelled', true, null)
on conflict (machine, from_state, to_state) do nothing;

-- what a person corrects; everything else moves by operations
grant select, update (title, description_enc, category, priority, due_at) on tasking.tasks to business_app;
grant select on tasking.tasks to business_ro;

-- tasking.emr_verifications: the check that what a task did is recorded in EPIC, CERNER or any FHIR server. One check of a
-- task runs at a time; a mismatch stays with what differed until a person decides.
create table if not exists tasking.emr_verifications (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  task_id uuid not null,
  patient_id uuid not null,
  emr_system core.emr_system not null,
  emr_connection_id uuid,
  emr_patient_id text not null,
  resource_type text not null,
  resource_ref text,
  expected jsonb not null default '{}',
  observed_hash bytea,
  discrepancy jsonb,
  attempts smallint not null default 0,
  next_attempt_at timestamptz,
  verified_at timestamptz,
  verified_by uuid,
  method text not null default 'automatic',
  vector_clock jsonb not null default '{}',
  hlc_physical_us bigint not null,
  hlc_logical integer not null,
  hlc_node text not null,
  field_clocks jsonb not null default '{}',
  status tasking.verification_status not null default 'pending',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint emr_verifications_pkey primary key (tenant_id, id),
  constraint emr_verifications_method_check check (method in ('automatic', 'manual')),
  constraint emr_verifications_verified_with_proof check (
    status <> 'verified' or (verified_at is not null and (resource_ref is not null or method = 'manual'))
  ),
  constraint emr_verifications_manual_by_somebody check (
    status <> 'verified' or method <> 'manual' or verified_by is not null
  ),
  constraint emr_verifications_mismatch_says_what check (status <> 'mismatch' or discrepancy is not null),
  constraint emr_verifications_at_most_20_attempts check (attempts between 0 and 20),
  constraint emr_verifications_in_an_emr check (emr_system <> 'INTERNAL'),
  constraint emr_verifications_expect_an_object check (jsonb_typeof(expected) = 'object'),
  constraint emr_verifications_clock_is_positive check (hlc_physical_us > 0 and hlc_logical >= 0),
  constraint emr_verifications_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint emr_verifications_task_fkey
    foreign key (tenant_id, task_id) references tasking.tasks (tenant_id, id)
);

create unique index if not exists emr_verifications_one_at_a_time on tasking.emr_verifications (tenant_id, task_id)
  where status in ('pending', 'in_progress');
create index if not exists emr_verifications_task_idx on tasking.emr_verifications (tenant_id, task_id);
create index if not exists emr_verifications_to_run_idx on tasking.emr_verifications (tenant_id, created_at)
  where status in ('pending', 'in_progress');
create index if not exists emr_verifications_to_repeat_idx on tasking.emr_verifications (tenant_id, next_attempt_at)
  where status = 'failed';
create index if not exists emr_verifications_to_decide_idx on tasking.emr_verifications (tenant_id, updated_at)
  where status in ('mismatch', 'manual_review');
create index if not exists emr_verifications_patient_idx on tasking.emr_verifications (tenant_id, patient_id);
create index if not exists emr_verifications_emr_connection_idx on tasking.emr_verifications (tenant_id, emr_connection_id)
  where emr_connection_id is not null;
create index if not exists emr_verifications_verified_by_idx on tasking.emr_verifications (tenant_id, verified_by)
  where verified_by is not null;

comment on table tasking.emr_verifications is 'class=phi;scope=tenant;owner=business;fhir=Provenance;retention=medical_record;about=The check that a task is really recorded in an EMR.';
comment on column tasking.emr_verifications.task_id is 'class=phi;about=The task.';
comment on column tasking.emr_verifications.patient_id is 'class=phi;about=The patient of the task.';
comment on column tasking.emr_verifications.emr_system is 'class=operational;about=EPIC, CERNER or GENERIC_FHIR; INTERNAL is no EMR to check against.';
comment on column tasking.emr_verifications.emr_connection_id is 'class=operational;about=The connection to look through.';
comment on column tasking.emr_verifications.emr_patient_id is 'class=phi;about=The id of the patient in the EMR.';
comment on column tasking.emr_verifications.resource_type is 'class=operational;about=FHIR resource to look for, such as MedicationAdministration.';
comment on column tasking.emr_verifications.resource_ref is 'class=phi;about=The resource that was found, Type/id.';
comment on column tasking.emr_verifications.expected is 'class=phi;about=Fields that the resource must show, with their values.';
comment on column tasking.emr_verifications.observed_hash is 'class=operational;about=SHA-256 of what the EMR showed.';
comment on column tasking.emr_verifications.discrepancy is 'class=phi;about=For each field that differs what was expected and observed; for a failed attempt, error.';
comment on column tasking.emr_verifications.attempts is 'class=operational;about=How often it was tried, at most 20.';
comment on column tasking.emr_verifications.next_attempt_at is 'class=operational;about=When a failed attempt may be repeated.';
comment on column tasking.emr_verifications.verified_at is 'class=operational;about=When it was found right.';
comment on column tasking.emr_verifications.verified_by is 'class=operational;about=The user who decided; none when the comparison did.';
comment on column tasking.emr_verifications.method is 'class=operational;about=automatic (compared by the server) or manual (a person looked).';
comment on column tasking.emr_verifications.status is 'class=operational;about=pending, in_progress, verified, mismatch, failed, manual_review, rejected or expired.';
comment on column tasking.emr_verifications.vector_clock is 'class=operational;about=For each node, how many of its writes are in the row.';
comment on column tasking.emr_verifications.hlc_physical_us is 'class=operational;about=Hybrid logical clock of the last write: microseconds since 1970.';
comment on column tasking.emr_verifications.hlc_logical is 'class=operational;about=Hybrid logical clock: counter of writes that share the microsecond.';
comment on column tasking.emr_verifications.hlc_node is 'class=operational;about=Hybrid logical clock: the node that wrote.';
comment on column tasking.emr_verifications.field_clocks is 'class=operational;about=For each field that was written: hlc (as text), node and seq (count of the node) of its last write.';
select core.comment_standard_columns('tasking.emr_verifications');

alter table tasking.emr_verifications enable row level security, force row level security;
drop policy if exists tenant_isolation on tasking.emr_verifications;
create policy tenant_isolation on tasking.emr_verifications
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger emr_verifications_clocks before insert or update on tasking.emr_verifications
  for each row execute function tasking.keep_clocks();
create or replace trigger emr_verifications_no_aadhaar before insert or update of emr_patient_id on tasking.emr_verifications
  for each row execute function core.reject_aadhaar_like('emr_patient_id');
create or replace trigger emr_verifications_of_the_patient
  before insert or update of task_id, patient_id on tasking.emr_verifications
  for each row execute function tasking.check_verification_patient();
create or replace trigger emr_verifications_touch before update on tasking.emr_verifications
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger emr_verifications_transition before insert or update of status on tasking.emr_verifications
  for each row execute function core.enforce_transition('tasking.emr_verifications', 'status');
select audit.track('tasking.emr_verifications');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('tasking.emr_verifications', '', 'pending', false, null),
  ('tasking.emr_verifications', 'pending', 'in_progress', false, null),
  ('tasking.emr_verifications', 'pending', 'manual_review', false, null),
  ('tasking.emr_verifications', 'pending', 'expired', false, null),
  ('tasking.emr_verifications', 'in_progress', 'verified', false, null),
  ('tasking.emr_verifications', 'in_progress', 'mismatch', false, 'task.mismatch.v1'),
  ('tasking.emr_verifications', 'in_progress', 'failed', false, null),
  ('tasking.emr_verifications', 'failed', 'pending', false, null),
  ('tasking.emr_verifications', 'failed', 'manual_review', false, null),
  ('tasking.emr_verifications', 'failed', 'expired', false, null),
  ('tasking.emr_verifications', 'mismatch', 'manual_review', false, null),
  ('tasking.emr_verifications', 'mismatch', 'pending', false, null),
  ('tasking.emr_verifications', 'manual_review', 'verified', false, null),
  ('tasking.emr_verifications', 'manual_review', 'rejected', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on tasking.emr_verifications to business_app;
grant select on tasking.emr_verifications to business_ro;

-- tasking.handovers: a shift gives its patients and tasks to the next one, in the form of I-PASS. The giver submits, the
-- receiver reads every patient back and accepts: with that the open tasks are theirs.
create table if not exists tasking.handovers (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  handover_number text not null,
  department_id uuid not null,
  from_shift_id uuid not null,
  to_shift_id uuid not null,
  from_user_id uuid not null,
  to_user_id uuid not null,
  due_at timestamptz not null,
  submitted_at timestamptz,
  accepted_at timestamptz,
  completed_at timestamptz,
  rejected_reason text,
  summary_enc bytea,
  open_task_count integer not null default 0,
  unresolved_alert_count integer not null default 0,
  vector_clock jsonb not null default '{}',
  hlc_physical_us bigint not null,
  hlc_logical integer not null,
  hlc_node text not null,
  field_clocks jsonb not null default '{}',
  status tasking.handover_status not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint handovers_pkey primary key (tenant_id, id),
  constraint handovers_number_key unique (tenant_id, handover_number),
  constraint handovers_between_two_people check (from_user_id <> to_user_id),
  constraint handovers_between_two_shifts check (from_shift_id <> to_shift_id),
  constraint handovers_accepted_at_a_time check (status not in ('accepted', 'completed') or accepted_at is not null),
  constraint handovers_accepted_after_submission check (accepted_at >= submitted_at),
  constraint handovers_rejected_with_reason check (status <> 'rejected' or rejected_reason is not null),
  constraint handovers_counts_not_negative check (open_task_count >= 0 and unresolved_alert_count >= 0),
  constraint handovers_clock_is_positive check (hlc_physical_us > 0 and hlc_logical >= 0),
  constraint handovers_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint handovers_from_shift_fkey
    foreign key (tenant_id, from_shift_id) references workforce.shifts (tenant_id, id),
  constraint handovers_to_shift_fkey
    foreign key (tenant_id, to_shift_id) references workforce.shifts (tenant_id, id)
);

create unique index if not exists handovers_one_live_between_two on tasking.handovers (
  tenant_id, from_shift_id, to_shift_id, from_user_id, to_user_id
)
  where status in ('draft', 'submitted', 'accepted');
create index if not exists handovers_department_idx on tasking.handovers (tenant_id, department_id);
create index if not exists handovers_from_shift_idx on tasking.handovers (tenant_id, from_shift_id);
create index if not exists handovers_to_shift_idx on tasking.handovers (tenant_id, to_shift_id);
create index if not exists handovers_from_user_idx on tasking.handovers (tenant_id, from_user_id);
create index if not exists handovers_to_accept_idx on tasking.handovers (tenant_id, to_user_id, due_at) where status = 'submitted';
create index if not exists handovers_to_user_idx on tasking.handovers (tenant_id, to_user_id);

comment on table tasking.handovers is 'class=phi;scope=tenant;owner=business;fhir=Communication,Task;retention=medical_record;about=A handover between shifts in the form of I-PASS, accepted by the receiver.';
comment on column tasking.handovers.handover_number is 'class=operational;about=Number that people say, HO-YY-n.';
comment on column tasking.handovers.department_id is 'class=operational;about=The department that hands over.';
comment on column tasking.handovers.from_shift_id is 'class=operational;about=The shift that gives.';
comment on column tasking.handovers.to_shift_id is 'class=operational;about=The shift that receives.';
comment on column tasking.handovers.from_user_id is 'class=operational;about=The user who gives.';
comment on column tasking.handovers.to_user_id is 'class=operational;about=The user who receives: nobody else may read back or accept.';
comment on column tasking.handovers.due_at is 'class=operational;about=When it should be accepted.';
comment on column tasking.handovers.submitted_at is 'class=operational;about=When the giver submitted it.';
comment on column tasking.handovers.accepted_at is 'class=operational;about=When the receiver accepted it.';
comment on column tasking.handovers.completed_at is 'class=operational;about=When it was closed.';
comment on column tasking.handovers.rejected_reason is 'class=operational;about=What the receiver misses.';
comment on column tasking.handovers.summary_enc is 'class=phi;enc=1;about=State of the ward, encrypted.';
comment on column tasking.handovers.open_task_count is 'class=operational;about=Open tasks at submission, then those that moved.';
comment on column tasking.handovers.unresolved_alert_count is 'class=operational;about=Alerts of decision support about the patients that nobody had answered at submission.';
comment on column tasking.handovers.status is 'class=operational;about=draft, submitted, accepted, completed, rejected or cancelled.';
comment on column tasking.handovers.vector_clock is 'class=operational;about=For each node, how many of its writes are in the row.';
comment on column tasking.handovers.hlc_physical_us is 'class=operational;about=Hybrid logical clock of the last write: microseconds since 1970.';
comment on column tasking.handovers.hlc_logical is 'class=operational;about=Hybrid logical clock: counter of writes that share the microsecond.';
comment on column tasking.handovers.hlc_node is 'class=operational;about=Hybrid logical clock: the node that wrote.';
comment on column tasking.handovers.field_clocks is 'class=operational;about=For each field that was written: hlc (as text), node and seq (count of the node) of its last write.';
select core.comment_standard_columns('tasking.handovers');

alter table tasking.handovers enable row level security, force row level security;
drop policy if exists tenant_isolation on tasking.handovers;
create policy tenant_isolation on tasking.handovers
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger handovers_clocks before insert or update on tasking.handovers
  for each row execute function tasking.keep_clocks();
create or replace trigger handovers_no_aadhaar before insert or update of rejected_reason on tasking.handovers
  for each row execute function core.reject_aadhaar_like('rejected_reason');
create or replace trigger handovers_touch before update on tasking.handovers
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger handovers_transition before insert or update of status on tasking.handovers
  for each row execute function core.enforce_transition('tasking.handovers', 'status');
drop trigger if exists handovers_read_back_when_accepted on tasking.handovers;
create constraint trigger handovers_read_back_when_accepted after insert or update of status on tasking.handovers
  deferrable initially deferred
  for each row when (new.status in ('accepted', 'completed')) execute function tasking.check_read_backs();
select audit.track('tasking.handovers');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('tasking.handovers', '', 'draft', false, null),
  ('tasking.handovers', 'draft', 'submitted', false, 'handover.submitted.v1'),
  ('tasking.handovers', 'draft', 'cancelled', true, null),
  ('tasking.handovers', 'submitted', 'accepted', false, 'handover.accepted.v1'),
  ('tasking.handovers', 'submitted', 'rejected', true, null),
  ('tasking.handovers', 'submitted', 'cancelled', true, null),
  ('tasking.handovers', 'rejected', 'draft', false, null),
  ('tasking.handovers', 'rejected', 'cancelled', true, null),
  ('tasking.handovers', 'accepted', 'completed', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on tasking.handovers to business_app;
grant select on tasking.handovers to business_ro;

-- tasking.handover_patients: one patient of a handover, in the letters of I-PASS: Illness severity, Patient summary, Action
-- list, Situation awareness, Synthesis by the receiver. An unstable patient is handed over with a plan for what may happen.
create table if not exists tasking.handover_patients (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  handover_id uuid not null,
  patient_id uuid not null,
  encounter_id uuid not null,
  bed_id uuid,
  illness_severity text not null,
  patient_summary_enc bytea not null,
  action_list jsonb not null default '[]',
  situation_awareness_enc bytea,
  contingency_plan jsonb not null default '[]',
  synthesis_by_receiver_enc bytea,
  read_back_at timestamptz,
  read_back_by uuid,
  order_no smallint not null default 0,
  vector_clock jsonb not null default '{}',
  hlc_physical_us bigint not null,
  hlc_logical integer not null,
  hlc_node text not null,
  field_clocks jsonb not null default '{}',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint handover_patients_pkey primary key (tenant_id, id),
  constraint handover_patients_handover_patient_key unique (tenant_id, handover_id, patient_id),
  constraint handover_patients_illness_severity_check check (illness_severity in ('stable', 'watcher', 'unstable')),
  constraint handover_patients_lists_are_arrays check (
    jsonb_typeof(action_list) = 'array' and jsonb_typeof(contingency_plan) = 'array'
  ),
  constraint handover_patients_unstable_has_contingency check (
    illness_severity <> 'unstable' or contingency_plan <> '[]'
  ),
  constraint handover_patients_read_back_by_somebody check ((read_back_at is null) = (read_back_by is null)),
  constraint handover_patients_clock_is_positive check (hlc_physical_us > 0 and hlc_logical >= 0),
  constraint handover_patients_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint handover_patients_handover_fkey
    foreign key (tenant_id, handover_id) references tasking.handovers (tenant_id, id)
);

create index if not exists handover_patients_patient_idx on tasking.handover_patients (tenant_id, patient_id);
create index if not exists handover_patients_encounter_idx on tasking.handover_patients (tenant_id, encounter_id);
create index if not exists handover_patients_bed_idx on tasking.handover_patients (tenant_id, bed_id)
  where bed_id is not null;
create index if not exists handover_patients_read_back_by_idx on tasking.handover_patients (tenant_id, read_back_by)
  where read_back_by is not null;

comment on table tasking.handover_patients is 'class=phi;scope=tenant;owner=business;fhir=Communication.payload;retention=medical_record;about=One patient in a handover: illness severity, patient summary, action list, situation awareness, synthesis by the receiver.';
comment on column tasking.handover_patients.handover_id is 'class=operational;about=The handover.';
comment on column tasking.handover_patients.patient_id is 'class=phi;about=The patient.';
comment on column tasking.handover_patients.encounter_id is 'class=phi;about=The visit or stay.';
comment on column tasking.handover_patients.bed_id is 'class=operational;about=The bed that the patient lies in.';
comment on column tasking.handover_patients.illness_severity is 'class=phi;about=stable, watcher (may get worse) or unstable.';
comment on column tasking.handover_patients.patient_summary_enc is 'class=phi;enc=1;about=Why the patient is here, what was done, what is planned; encrypted.';
comment on column tasking.handover_patients.action_list is 'class=phi;about=What is to be done: [{"what": .., "by": .., "at": ..}].';
comment on column tasking.handover_patients.situation_awareness_enc is 'class=phi;enc=1;about=What is going on around the patient; encrypted.';
comment on column tasking.handover_patients.contingency_plan is 'class=phi;about=What to do when: [{"when": .., "do": ..}]; at least one for an unstable patient.';
comment on column tasking.handover_patients.synthesis_by_receiver_enc is 'class=phi;enc=1;about=The receivers own words of it, encrypted: the read-back.';
comment on column tasking.handover_patients.read_back_at is 'class=operational;about=When the receiver read back.';
comment on column tasking.handover_patients.read_back_by is 'class=operational;about=The user who read back.';
comment on column tasking.handover_patients.order_no is 'class=operational;about=Order in which the patients are discussed.';
comment on column tasking.handover_patients.vector_clock is 'class=operational;about=For each node, how many of its writes are in the row.';
comment on column tasking.handover_patients.hlc_physical_us is 'class=operational;about=Hybrid logical clock of the last write: microseconds since 1970.';
comment on column tasking.handover_patients.hlc_logical is 'class=operational;about=Hybrid logical clock: counter of writes that share the microsecond.';
comment on column tasking.handover_patients.hlc_node is 'class=operational;about=Hybrid logical clock: the node that wrote.';
comment on column tasking.handover_patients.field_clocks is 'class=operational;about=For each field that was written: hlc (as text), node and seq (count of the node) of its last write.';
select core.comment_standard_columns('tasking.handover_patients');

alter table tasking.handover_patients enable row level security, force row level security;
drop policy if exists tenant_isolation on tasking.handover_patients;
create policy tenant_isolation on tasking.handover_patients
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger handover_patients_clocks before insert or update on tasking.handover_patients
  for each row execute function tasking.keep_clocks();
create or replace trigger handover_patients_while_open before insert or update on tasking.handover_patients
  for each row execute function tasking.check_handover_is_open();
create or replace trigger handover_patients_touch before update on tasking.handover_patients
  for each row execute function core.update_updated_at_column('row_version');
select audit.track('tasking.handover_patients');

grant select on tasking.handover_patients to business_app;
grant select on tasking.handover_patients to business_ro;

-- tasking.sync_operations: every change that a device made offline, and what became of it. An operation is merged once,
-- however often it is sent. A conflict stays open until a person decides: that is a further row, which resolves it.
create table if not exists tasking.sync_operations (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  op_id uuid not null,
  node_id text not null,
  user_id uuid not null,
  entity_type text not null,
  entity_id uuid not null,
  patch_enc bytea not null,
  vector_clock jsonb not null default '{}',
  hlc_physical_us bigint not null,
  hlc_logical integer not null,
  received_at timestamptz not null default now(),
  applied_at timestamptz,
  outcome text not null,
  conflict_fields text[],
  resolved_by uuid,
  resolution text,
  resolves_id uuid,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint sync_operations_pkey primary key (tenant_id, id),
  constraint sync_operations_merged_once unique (tenant_id, op_id),
  constraint sync_operations_one_per_tick unique (tenant_id, node_id, hlc_physical_us, hlc_logical),
  constraint sync_operations_entity_type_check check (
    entity_type in ('tasks', 'handovers', 'handover_patients', 'emr_verifications')
  ),
  constraint sync_operations_outcome_check check (
    outcome in ('applied', 'duplicate', 'superseded', 'conflict', 'rejected')
  ),
  constraint sync_operations_resolved_once unique (tenant_id, resolves_id),
  constraint sync_operations_node_form check (node_id ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
  constraint sync_operations_clock_not_ahead check (
    hlc_physical_us <= (extract(epoch from received_at) * 1000000)::bigint + 300000000
  ),
  constraint sync_operations_conflict_names_fields check (outcome <> 'conflict' or conflict_fields is not null),
  constraint sync_operations_resolved_by_somebody check (
    num_nulls(resolves_id, resolved_by) in (0, 2) and (resolves_id is null or resolution is not null)
  ),
  constraint sync_operations_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint sync_operations_resolves_fkey
    foreign key (tenant_id, resolves_id) references tasking.sync_operations (tenant_id, id)
);

create index if not exists sync_operations_entity_idx on tasking.sync_operations (tenant_id, entity_id);
create index if not exists sync_operations_open_conflicts_idx on tasking.sync_operations (tenant_id, received_at)
  where outcome = 'conflict';
create index if not exists sync_operations_user_idx on tasking.sync_operations (tenant_id, user_id);
create index if not exists sync_operations_resolved_by_idx on tasking.sync_operations (tenant_id, resolved_by)
  where resolved_by is not null;

comment on table tasking.sync_operations is 'class=phi;scope=tenant;owner=business;fhir=Provenance;retention=medical_record;append_only=1;about=Log of changes made offline: what was sent, how it merged, what conflicted.';
comment on column tasking.sync_operations.op_id is 'class=operational;about=Id that the device gave the operation.';
comment on column tasking.sync_operations.node_id is 'class=operational;about=The device.';
comment on column tasking.sync_operations.user_id is 'class=operational;about=The user who was signed in when it was sent.';
comment on column tasking.sync_operations.entity_type is 'class=operational;about=tasks, handovers, handover_patients or emr_verifications.';
comment on column tasking.sync_operations.entity_id is 'class=phi;about=The row that it changes.';
comment on column tasking.sync_operations.patch_enc is 'class=phi;enc=1;about=The fields and values that were sent, encrypted: what loses is still there.';
comment on column tasking.sync_operations.vector_clock is 'class=operational;about=What the device had seen of the row, its own write included.';
comment on column tasking.sync_operations.hlc_physical_us is 'class=operational;about=Clock of the device: microseconds since 1970, at most five minutes ahead.';
comment on column tasking.sync_operations.hlc_logical is 'class=operational;about=Clock of the device: counter inside one microsecond.';
comment on column tasking.sync_operations.received_at is 'class=operational;about=When the server got it.';
comment on column tasking.sync_operations.applied_at is 'class=operational;about=When a field of it was written.';
comment on column tasking.sync_operations.outcome is 'class=operational;about=applied (a field at least), duplicate (nothing new), superseded (later writes stand), conflict (a person decides) or rejected (not to be changed offline).';
comment on column tasking.sync_operations.conflict_fields is 'class=operational;about=Fields that a person decides, or that were rejected.';
comment on column tasking.sync_operations.resolved_by is 'class=operational;about=The user who decided the conflict that resolves_id names.';
comment on column tasking.sync_operations.resolution is 'class=operational;about=What was decided and why, or why it was rejected.';
comment on column tasking.sync_operations.resolves_id is 'class=operational;about=The conflict that this row decides.';
select core.comment_standard_columns('tasking.sync_operations');

alter table tasking.sync_operations enable row level security, force row level security;
drop policy if exists tenant_isolation on tasking.sync_operations;
create policy tenant_isolation on tasking.sync_operations
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger sync_operations_append_only before update or delete on tasking.sync_operations
  for each row execute function core.refuse_change();
create or replace trigger sync_operations_no_truncate before truncate on tasking.sync_operations
  for each statement execute function core.refuse_change();
select audit.track('tasking.sync_operations');

grant select on tasking.sync_operations to business_app;
grant select on tasking.sync_operations to business_ro;

-- A shift closes, or is cancelled, only when its work is in other hands: the rule of this module on a table of workforce.
create or replace trigger shifts_handed_over before update of status on workforce.shifts
  for each row when (new.status in ('closed', 'cancelled') and old.status is distinct from new.status)
  execute function tasking.check_shift_is_handed_over();

-- other services: tables

create or replace view patient.patients with (security_invoker = true) as
select
  r.tenant_id,
  r.entity_id as id,
  r.attrs ->> 'status' as status,
  (r.attrs ->> 'merged_into_id')::uuid as merged_into_id,
  (r.attrs ->> 'deleted_at')::timestamp with time zone as deleted_at
from core.entity_refs r
where r.entity_type = 'patient.patients' and (r.lifecycle <> 'deleted' or r.attrs ? 'deleted_at');

comment on view patient.patients is 'about=What the service clinical publishes of patient.patients, kept by its events.';
comment on column patient.patients.tenant_id is 'class=operational;about=The tenant that the row belongs to; null in a tenant-or-global table means shared by all.';
comment on column patient.patients.id is 'class=operational;about=Identity of the row, a UUID version 7.';
comment on column patient.patients.status is 'class=phi;about=active, inactive, deceased or merged.';
comment on column patient.patients.merged_into_id is 'class=phi;about=The patient that this duplicate was merged into; set exactly while status is merged.';
comment on column patient.patients.deleted_at is 'class=operational;about=When the row was deleted; the row itself stays.';


-- =====================================================================================================================
-- FOREIGN KEYS
-- =====================================================================================================================

-- compliance: foreign keys

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'compliance.breaches'::pg_catalog.regclass and conname = 'breaches_incident_fkey') then
    alter table compliance.breaches add constraint breaches_incident_fkey
  foreign key (tenant_id, incident_id) references compliance.incidents (tenant_id, id);
  end if;
end
$$;

-- tasking: foreign keys

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'tasking.tasks'::pg_catalog.regclass and conname = 'tasks_carried_from_handover_fkey') then
    alter table tasking.tasks add constraint tasks_carried_from_handover_fkey
  foreign key (tenant_id, carried_from_handover_id) references tasking.handovers (tenant_id, id);
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

-- patient: functions

-- Under which ids the rows of a person are: theirs, and those of the records that were merged with it.
create or replace function patient.ids_of(variadic p_patients uuid[]) returns uuid[]
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
  select array(
    select unnest(p_patients)
    union
    select p.id
    from patient.patients k
    -- A merge redirects what was merged before: one step is enough. An index serves case, not coalesce, behind row security.
    join patient.patients p
      on p.tenant_id = k.tenant_id
      and (
        p.id = k.merged_into_id
        or p.merged_into_id = case when k.merged_into_id is null then k.id else k.merged_into_id end
      )
    where k.tenant_id = core.current_tenant_id() and k.id = any (p_patients)
  )
$$;

comment on function patient.ids_of(uuid[]) is 'about=The ids of the patients and of all records that are merged with them, survivor or duplicate: whoever reads the chart of a person asks for patient_id = any (patient.ids_of(..)).';

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

create or replace function workforce.acting_doctor_id() returns uuid
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_staff uuid := workforce.acting_staff_id();
  v_doctor uuid;
begin
  select d.id into v_doctor
  from workforce.doctors d
  where d.tenant_id = core.require_tenant() and d.staff_id = v_staff and d.deleted_at is null;
  if not found then
    raise exception 'member of staff % is no doctor', v_staff
      using errcode = 'IM006', hint = 'this is done by a doctor';
  end if;
  return v_doctor;
end
$$;

comment on function workforce.acting_doctor_id() is 'about=The doctor who is signed in. IM003 no tenant, IM006 the user is no doctor.';

-- compliance: functions

-- Who acts, and the reason that goes into the log.
create or replace function compliance.acting_user_id() returns uuid
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if core.current_user_id() is null then
    raise exception 'nobody is signed in'
      using errcode = 'IM006', hint = 'pass the user of the session to core.begin_request';
  end if;
  return core.current_user_id();
end
$$;

comment on function compliance.acting_user_id() is 'about=The user who is signed in. IM006 nobody.';

create or replace function compliance.require_reason(p_reason text, p_what text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if coalesce(btrim(p_reason), '') = '' then
    raise exception '% needs a reason', p_what using errcode = 'IM002', hint = 'say why in p_reason';
  end if;
  perform core.set_reason(p_reason);
end
$$;

comment on function compliance.require_reason(text, text) is 'about=Sets the reason of the change. IM002 there is none.';

create or replace function compliance.patient_ref_hash(p_tenant_id uuid, p_patient_id uuid) returns bytea
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select sha256(uuid_send(p_tenant_id) || uuid_send(p_patient_id)) $$;

comment on function compliance.patient_ref_hash(uuid, uuid) is 'about=What stands for a patient in the log of erasures: SHA-256 of tenant and patient id.';

-- Where data of a person is, read from the catalog: nobody has to keep a list. A row belongs to a patient when it names them
-- (a foreign key to patient.patients or a column patient_id), when a pair of columns x_type and x_id does, or when it hangs on
-- such a row and names no patient itself. Kernel and log are left out: compliance.disclosure_accounting answers for the log.
create or replace view compliance.person_references with (security_invoker = true) as
with tables as materialized (
  select
    c.oid,
    n.nspname::text as schema_name,
    c.relname::text as table_name,
    core.tag(d.description, 'class') as class,
    core.tag(d.description, 'retention') as retention
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_description d
    on d.objoid = c.oid and d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objsubid = 0
  where
    c.relkind in ('r', 'p') and not c.relispartition and n.nspname not in ('core', 'audit')
    and core.tag(d.description, 'scope') = 'tenant'
    and exists (
      select
      from pg_catalog.pg_attribute a
      where a.attrelid = c.oid and a.attname = 'id' and not a.attisdropped
    )
),
keys as materialized (
  select k.conrelid, k.confrelid, a.attname::text as column_name
  from pg_catalog.pg_constraint k
  join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = any (k.conkey) and a.attname <> 'tenant_id'
  where k.contype = 'f' and k.conparentid = 0
),
named as (
  select k.conrelid as oid, k.column_name
  from keys k
  where k.confrelid = 'patient.patients'::pg_catalog.regclass
  union
  select a.attrelid, a.attname::text
  from pg_catalog.pg_attribute a
  where a.attname = 'patient_id' and a.atttypid = 'pg_catalog.uuid'::pg_catalog.regtype and not a.attisdropped
),
-- tables by their ids in arrays, because the planner misjudges the catalog: a join of these took half a second
always_named as (
  select pg_catalog.array_agg(n.oid) as oids
  from named n
  join pg_catalog.pg_attribute a on a.attrelid = n.oid and a.attname = n.column_name and a.attnotnull
),
personal as (
  select pg_catalog.array_agg(t.oid) as oids
  from tables t
  where t.class in ('phi', 'pii', 'financial')
),
keys_to_parents as materialized (
  select k.*
  from keys k
  where
    k.confrelid = any ((select p.oids from personal p)::oid[])
    and k.confrelid <> 'patient.patients'::pg_catalog.regclass
    and k.conrelid = any ((select p.oids from personal p)::oid[])
    -- each of its rows names the patient itself
    and k.conrelid <> all ((select a.oids from always_named a)::oid[])
)
select t.schema_name, t.table_name, t.class, t.retention, 'patient' as found_by, n.column_name, null as type_column,
  null::oid as parent
from tables t
join named n on n.oid = t.oid
union all
select t.schema_name, t.table_name, t.class, t.retention, 'type', i.attname::text, y.attname::text, null
from tables t
join pg_catalog.pg_attribute y
  on y.attrelid = t.oid and y.attname ~ '_type$' and y.atttypid = 'pg_catalog.text'::pg_catalog.regtype and not y.attisdropped
join pg_catalog.pg_attribute i
  on i.attrelid = t.oid and i.attname = pg_catalog.regexp_replace(y.attname, '_type$', '_id')
  and i.atttypid = 'pg_catalog.uuid'::pg_catalog.regtype and not i.attisdropped
union all
select t.schema_name, t.table_name, t.class, t.retention, 'parent', k.column_name, null, k.confrelid
from tables t
join keys_to_parents k on k.conrelid = t.oid;

comment on view compliance.person_references is 'about=By which column the rows of a table may belong to a patient. found_by: patient (column_name holds the patient''s id), type (so it does where type_column says patient), parent (column_name holds the id of a row of table parent that belongs to the patient).';

-- The texts that are shown before consent.
create or replace function compliance.publish_notice(
  p_code text,
  p_locale text,
  p_purpose text[],
  p_data_categories text[],
  p_body text,
  p_withdrawal_how text,
  p_complaint_how text,
  p_version int default 1,
  p_effective_from timestamptz default now()
) returns compliance.consent_notices
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_notice compliance.consent_notices;
begin
  insert into compliance.consent_notices as n (
    tenant_id, code, version, locale, purpose, data_categories, body, withdrawal_how, complaint_how, effective_from
  )
  values (
    v_tenant, p_code, p_version, p_locale, p_purpose, p_data_categories, p_body, p_withdrawal_how, p_complaint_how,
    p_effective_from
  )
  on conflict (tenant_id, code, version, locale) do nothing
  returning n.* into v_notice;
  if found then
    return v_notice;
  end if;
  select n.* into v_notice
  from compliance.consent_notices n
  where n.tenant_id = v_tenant and n.code = p_code and n.version = p_version and n.locale = p_locale;
  if v_notice.body_hash <> compliance.text_hash(p_body) or v_notice.purpose <> p_purpose then
    raise exception 'version % of notice "%" has another text', p_version, p_code
      using errcode = 'IM011', hint = 'another text is another version';
  end if;
  return v_notice;
end
$$;

comment on function compliance.publish_notice(text, text, text[], text[], text, text, text, int, timestamptz) is 'about=Adds a notice of the tenant in one language. A version is written once; sent again it is returned. IM003 no tenant, IM011 the version has another text.';

-- Consent is given, withdrawn, and runs out. Withdrawal stops what rested on it in the same transaction. A person is all
-- records that were merged into one. Lock order: patients by id, consents by id.
create or replace function compliance.is_standing(p_kind text) returns boolean
  language sql
  immutable
  parallel safe
return p_kind in ('data_processing', 'marketing');

comment on function compliance.is_standing(text) is 'about=Whether consents of a kind stand for the person and not for a visit: then only the newest word counts.';

create or replace function compliance.lock_consent(p_consent_id uuid) returns compliance.consents
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_consent compliance.consents;
begin
  select c.* into v_consent
  from compliance.consents c
  where c.tenant_id = v_tenant and c.id = p_consent_id
  for no key update;
  if not found then
    raise exception 'consent % does not exist', p_consent_id
      using errcode = 'IM005', hint = 'choose a consent of the tenant';
  end if;
  return v_consent;
end
$$;

comment on function compliance.lock_consent(uuid) is 'about=The consent, locked until the transaction ends. IM005 no such consent.';

create or replace function compliance.active_consent(p_patient_id uuid, p_kind text, p_purpose text default null) returns uuid
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_people uuid[] := patient.ids_of(p_patient_id);
  v_word record;
begin
  select
    c.id,
    c.decision = 'permit' and c.status = 'active' and (c.expires_at is null or c.expires_at > now())
    and (p_purpose is null or p_purpose = any (c.purposes)) as permits
  into v_word
  from compliance.consents c
  where
    c.tenant_id = core.require_tenant() and c.patient_id = any (v_people) and c.kind = p_kind
    and case
      -- also one that was taken back or has run out: an older one under a merged record does not come to life again
      when compliance.is_standing(p_kind) then c.status not in ('draft', 'rejected')
      else
        c.status = 'active' and (c.expires_at is null or c.expires_at > now())
        -- who denies without naming a purpose denies all
        and (p_purpose is null or p_purpose = any (c.purposes) or (c.decision = 'deny' and c.purposes = '{}'))
    end
  order by
    case when compliance.is_standing(p_kind) then greatest(c.given_at, c.withdrawn_at) else c.given_at end desc,
    c.decision, c.id desc
  limit 1;
  return case when v_word.permits then v_word.id end;
end
$$;

comment on function compliance.active_consent(uuid, text, text) is 'about=The consent of a kind, and for a purpose where one is given, that is in force for the person, under whichever of the records that were merged it was given; null when there is none, or when the newest word is a denial. IM003 no tenant.';

-- Requests of persons about their data: received, identity made sure, handled, answered before the clock runs out.
create or replace function compliance.lock_request(p_request_id uuid) returns compliance.data_principal_requests
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_request compliance.data_principal_requests;
begin
  select r.* into v_request
  from compliance.data_principal_requests r
  where r.tenant_id = v_tenant and r.id = p_request_id
  for no key update;
  if not found then
    raise exception 'request % does not exist', p_request_id
      using errcode = 'IM005', hint = 'choose a request of the tenant';
  end if;
  return v_request;
end
$$;

comment on function compliance.lock_request(uuid) is 'about=The request, locked until the transaction ends. IM005 no such request.';

create or replace function compliance.move_request(p_request compliance.data_principal_requests, p_status text)
  returns compliance.data_principal_requests
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_request compliance.data_principal_requests;
begin
  update compliance.data_principal_requests r
  set status = p_status, handled_by = coalesce(core.current_user_id(), r.handled_by)
  where r.tenant_id = p_request.tenant_id and r.id = p_request.id
  returning r.* into v_request;
  return v_request;
end
$$;

comment on function compliance.move_request(compliance.data_principal_requests, text) is 'about=Moves a request that the caller has locked; the signed-in user handles it. IM001 the state machine has no such move.';

create or replace function compliance.request_clock(p_kind text) returns interval
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    (core.setting('compliance.request_clocks') ->> p_kind)::interval,
    case p_kind when 'record_copy' then interval '72 hours' when 'grievance' then interval '90 days' else interval '30 days' end
  )
$$;

comment on function compliance.request_clock(text) is 'about=How long a kind of request may take: setting compliance.request_clocks, else 72 hours for copies of records, 90 days for grievances and 30 days for all else.';

create or replace function compliance.open_request(
  p_kind text,
  p_channel text,
  p_requester_name text,
  p_details_enc bytea,
  p_patient_id uuid default null,
  p_relationship text default null,
  p_received_at timestamptz default now(),
  p_id uuid default null
) returns compliance.data_principal_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_request compliance.data_principal_requests;
begin
  select r.* into v_request
  from compliance.data_principal_requests r
  where r.tenant_id = v_tenant and r.id = p_id;
  if found then
    if v_request.kind <> p_kind or v_request.patient_id is distinct from p_patient_id then
      raise exception 'request % is another one', p_id using errcode = 'IM011', hint = 'choose a new id for a new request';
    end if;
    return v_request;
  end if;
  insert into compliance.data_principal_requests (
    tenant_id, id, request_number, patient_id, requester_name, relationship, kind, channel, received_at, due_at,
    details_enc
  )
  values (
    v_tenant, coalesce(p_id, core.uuid_v7()), core.next_default_number('data_request', '', 'DPR-{YY}-'), p_patient_id,
    p_requester_name, p_relationship, p_kind, p_channel, p_received_at,
    p_received_at + compliance.request_clock(p_kind), p_details_enc
  )
  returning * into v_request;
  return v_request;
end
$$;

comment on function compliance.open_request(text, text, text, bytea, uuid, text, timestamptz, uuid) is 'about=A request was received; its clock runs from then. IM003 no tenant, IM011 the id is another request''s.';

create or replace function compliance.begin_request_check(p_request_id uuid) returns compliance.data_principal_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_request compliance.data_principal_requests := compliance.lock_request(p_request_id);
begin
  if v_request.status = 'verifying' then
    return v_request;
  end if;
  return compliance.move_request(v_request, 'verifying');
end
$$;

comment on function compliance.begin_request_check(uuid) is 'about=The signed-in user makes sure who asks. IM001 not just received, IM005 no such request.';

create or replace function compliance.confirm_requester(p_request_id uuid, p_patient_id uuid default null)
  returns compliance.data_principal_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_request compliance.data_principal_requests := compliance.lock_request(p_request_id);
begin
  if v_request.status = 'in_progress' then
    return v_request;
  end if;
  if v_request.status = 'received' then
    v_request := compliance.move_request(v_request, 'verifying');
  end if;
  update compliance.data_principal_requests r
  set
    status = 'in_progress', identity_verified_at = coalesce(r.identity_verified_at, now()),
    patient_id = coalesce(r.patient_id, p_patient_id), handled_by = coalesce(core.current_user_id(), r.handled_by)
  where r.tenant_id = v_request.tenant_id and r.id = v_request.id
  returning r.* into v_request;
  return v_request;
end
$$;

comment on function compliance.confirm_requester(uuid, uuid) is 'about=It is sure who asks, and about which patient: the request is handled, also again after it was on hold. IM001 answered already, IM005 no such request.';

create or replace function compliance.hold_request(p_request_id uuid, p_reason text) returns compliance.data_principal_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_request compliance.data_principal_requests := compliance.lock_request(p_request_id);
begin
  if v_request.status = 'on_hold' then
    return v_request;
  end if;
  perform compliance.require_reason(p_reason, 'holding request ' || p_request_id);
  return compliance.move_request(v_request, 'on_hold');
end
$$;

comment on function compliance.hold_request(uuid, text) is 'about=Something is missing; the clock goes on, and compliance.confirm_requester takes it up again. IM001 not in progress, IM002 no reason, IM005 no such request.';

create or replace function compliance.reject_request(p_request_id uuid, p_reason text) returns compliance.data_principal_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_request compliance.data_principal_requests := compliance.lock_request(p_request_id);
begin
  if v_request.status = 'rejected' then
    return v_request;
  end if;
  perform compliance.require_reason(p_reason, 'rejecting request ' || p_request_id);
  return compliance.move_request(v_request, 'rejected');
end
$$;

comment on function compliance.reject_request(uuid, text) is 'about=It could not be made sure who asks. IM001 being handled already: then it is completed, if need be as refused, IM002 no reason, IM005 no such request.';

create or replace function compliance.complete_request(
  p_request_id uuid,
  p_decision text,
  p_refusal_basis text default null,
  p_response_document_id uuid default null
) returns compliance.data_principal_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_request compliance.data_principal_requests := compliance.lock_request(p_request_id);
begin
  if v_request.status = 'completed' then
    return v_request;
  end if;
  if v_request.kind = 'erasure' and p_decision <> 'refused' then
    raise exception 'request % is granted by erasing', p_request_id
      using errcode = 'IM006', hint = 'call compliance.run_erasure: it completes the request';
  end if;
  update compliance.data_principal_requests r
  set
    status = 'completed', completed_at = now(), decision = p_decision, refusal_basis = p_refusal_basis,
    response_document_id = p_response_document_id, handled_by = coalesce(core.current_user_id(), r.handled_by)
  where r.tenant_id = v_request.tenant_id and r.id = v_request.id
  returning r.* into v_request;
  return v_request;
end
$$;

comment on function compliance.complete_request(uuid, text, text, uuid) is 'about=The request is answered: granted, partially_granted, or refused on a legal basis (data_principal_requests_refused_on_a_basis). An erasure is granted by compliance.run_erasure alone. IM001 not in progress, IM005 no such request, IM006 an erasure.';

create or replace function compliance.escalate_request(p_request_id uuid) returns compliance.data_principal_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_request compliance.data_principal_requests := compliance.lock_request(p_request_id);
begin
  if v_request.escalated_to_board then
    return v_request;
  end if;
  update compliance.data_principal_requests r
  set escalated_to_board = true
  where r.tenant_id = v_request.tenant_id and r.id = v_request.id
  returning r.* into v_request;
  return v_request;
end
$$;

comment on function compliance.escalate_request(uuid) is 'about=The person went to the Data Protection Board. IM005 no such request.';

-- A breach of personal data, from discovery to closure. Reports are recorded once: the first instant stays. Lock order: breach,
-- then its persons.
create or replace function compliance.lock_breach(p_breach_id uuid) returns compliance.breaches
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_breach compliance.breaches;
begin
  select b.* into v_breach
  from compliance.breaches b
  where b.tenant_id = v_tenant and b.id = p_breach_id
  for no key update;
  if not found then
    raise exception 'breach % does not exist', p_breach_id
      using errcode = 'IM005', hint = 'choose a breach of the tenant';
  end if;
  return v_breach;
end
$$;

comment on function compliance.lock_breach(uuid) is 'about=The breach, locked until the transaction ends. IM005 no such breach.';

create or replace function compliance.open_breach(
  p_nature text,
  p_categories text[],
  p_systems text[],
  p_discovered_at timestamptz default now(),
  p_affected_count int default 0,
  p_occurred_from timestamptz default null,
  p_occurred_to timestamptz default null,
  p_likely_impact text default null,
  p_incident_id uuid default null,
  p_id uuid default null
) returns compliance.breaches
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_breach compliance.breaches;
begin
  select b.* into v_breach from compliance.breaches b where b.tenant_id = v_tenant and b.id = p_id;
  if found then
    return v_breach;
  end if;
  insert into compliance.breaches (
    tenant_id, id, breach_number, discovered_at, occurred_from, occurred_to, nature, categories, affected_count, systems,
    likely_impact, incident_id
  )
  values (
    v_tenant, coalesce(p_id, core.uuid_v7()), core.next_default_number('breach', '', 'BR-{YY}-', 4), p_discovered_at,
    p_occurred_from, p_occurred_to, p_nature, p_categories, p_affected_count, p_systems, p_likely_impact, p_incident_id
  )
  returning * into v_breach;
  return v_breach;
end
$$;

comment on function compliance.open_breach(text, text[], text[], timestamptz, int, timestamptz, timestamptz, text, uuid, uuid) is 'about=A breach was discovered: the clocks of CERT-In (6 hours) and the Board (72 hours) run from p_discovered_at. The same id is the same breach. IM003 no tenant.';

create or replace function compliance.add_affected_person(
  p_breach_id uuid,
  p_patient_id uuid,
  p_data_categories text[],
  p_person_ref text default null
) returns compliance.breach_affected_persons
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_breach compliance.breaches := compliance.lock_breach(p_breach_id);
  v_person compliance.breach_affected_persons;
begin
  select p.* into v_person
  from compliance.breach_affected_persons p
  where
    p.tenant_id = v_breach.tenant_id and p.breach_id = v_breach.id
    and case
      when p_patient_id is null then p.patient_id is null and p.person_ref = p_person_ref
      else p.patient_id = p_patient_id
    end;
  if found then
    return v_person;
  end if;
  if v_breach.status = 'closed' then
    raise exception 'breach % is closed', p_breach_id
      using errcode = 'IM001', hint = 'open a new breach for what was found later';
  end if;
  insert into compliance.breach_affected_persons (tenant_id, breach_id, patient_id, person_ref, data_categories)
  values (v_breach.tenant_id, v_breach.id, p_patient_id, p_person_ref, p_data_categories)
  returning * into v_person;
  -- somebody who was not told yet: "all told" is not true any more
  update compliance.breaches b
  set
    principals_notified_at = null,
    affected_count = greatest(
      b.affected_count,
      (
        select count(*)
        from compliance.breach_affected_persons p
        where p.tenant_id = v_breach.tenant_id and p.breach_id = v_breach.id
      )
    )
  where b.tenant_id = v_breach.tenant_id and b.id = v_breach.id;
  return v_person;
end
$$;

comment on function compliance.add_affected_person(uuid, uuid, text[], text) is 'about=Somebody''s data was touched: a patient, or another person by the reference that the hospital knows them by. Each once. IM001 the breach is closed, IM005 no such breach.';

create or replace function compliance.record_person_notice(
  p_person_id uuid,
  p_notification_id uuid default null,
  p_returned boolean default false
) returns compliance.breach_affected_persons
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_breach_id uuid;
  v_person compliance.breach_affected_persons;
begin
  select p.breach_id into v_breach_id
  from compliance.breach_affected_persons p
  where p.tenant_id = v_tenant and p.id = p_person_id;
  if not found then
    raise exception 'affected person % does not exist', p_person_id
      using errcode = 'IM005', hint = 'choose a row of compliance.breach_affected_persons';
  end if;
  perform compliance.lock_breach(v_breach_id);
  update compliance.breach_affected_persons p
  set
    returned = p_returned, notification_id = coalesce(p_notification_id, p.notification_id),
    notified_at = case when not p_returned then coalesce(p.notified_at, now()) end
  where p.tenant_id = v_tenant and p.id = p_person_id
  returning p.* into v_person;

  update compliance.breaches b
  set principals_notified_at = case
    when exists (
      select
      from compliance.breach_affected_persons p
      where p.tenant_id = v_tenant and p.breach_id = v_breach_id and p.notified_at is null
    ) then null
    else coalesce(b.principals_notified_at, greatest(now(), b.discovered_at))
  end
  where b.tenant_id = v_tenant and b.id = v_breach_id and b.status <> 'closed';
  return v_person;
end
$$;

comment on function compliance.record_person_notice(uuid, uuid, boolean) is 'about=An affected person was told, or the notice came back (p_returned). When everybody was told the breach says since when. IM005 no such person.';

create or replace function compliance.contain_breach(p_breach_id uuid, p_measures text) returns compliance.breaches
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_breach compliance.breaches := compliance.lock_breach(p_breach_id);
begin
  if v_breach.status <> 'open' then
    return v_breach;
  end if;
  update compliance.breaches b
  set status = 'contained', measures = p_measures
  where b.tenant_id = v_breach.tenant_id and b.id = v_breach.id
  returning b.* into v_breach;
  return compliance.follow_reports(v_breach);
end
$$;

comment on function compliance.contain_breach(uuid, text) is 'about=It goes on no more: what was done. IM005 no such breach.';

create or replace function compliance.follow_reports(p_breach compliance.breaches) returns compliance.breaches
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_breach compliance.breaches := p_breach;
begin
  if v_breach.status = 'contained' and v_breach.board_initial_at is not null then
    update compliance.breaches b
    set status = 'reported'
    where b.tenant_id = v_breach.tenant_id and b.id = v_breach.id
    returning b.* into v_breach;
  end if;
  return v_breach;
end
$$;

comment on function compliance.follow_reports(compliance.breaches) is 'about=A contained breach of which the Board was told is reported.';

create or replace function compliance.record_breach_report(
  p_breach_id uuid,
  p_step text,
  p_at timestamptz default now()
) returns compliance.breaches
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_breach compliance.breaches := compliance.lock_breach(p_breach_id);
begin
  if p_step not in ('cert_in', 'board_initial', 'board_detailed', 'principals', 'hhs') then
    raise exception 'unknown step "%"', p_step
      using errcode = '22023', hint = 'use cert_in, board_initial, board_detailed, principals or hhs';
  end if;
  if p_step = 'principals' then
    perform
    from compliance.breach_affected_persons p
    where p.tenant_id = v_breach.tenant_id and p.breach_id = v_breach.id and p.notified_at is null;
    if found then
      raise exception 'not everybody affected by breach % was told', p_breach_id
        using errcode = 'IM915', hint = 'record each with compliance.record_person_notice';
    end if;
  end if;
  update compliance.breaches b
  set
    cert_in_reported_at = case p_step when 'cert_in' then coalesce(b.cert_in_reported_at, p_at) else b.cert_in_reported_at end,
    board_initial_at = case p_step when 'board_initial' then coalesce(b.board_initial_at, p_at) else b.board_initial_at end,
    board_detailed_at = case p_step when 'board_detailed' then coalesce(b.board_detailed_at, p_at) else b.board_detailed_at end,
    principals_notified_at = case p_step
      when 'principals' then coalesce(b.principals_notified_at, p_at)
      else b.principals_notified_at
    end,
    hhs_reported_at = case p_step when 'hhs' then coalesce(b.hhs_reported_at, p_at) else b.hhs_reported_at end
  where b.tenant_id = v_breach.tenant_id and b.id = v_breach.id
  returning b.* into v_breach;
  return compliance.follow_reports(v_breach);
end
$$;

comment on function compliance.record_breach_report(uuid, text, timestamptz) is 'about=A report was made: cert_in, board_initial, board_detailed, principals (all persons told) or hhs. The first instant of a step stays. IM005 no such breach, IM915 somebody was not told.';

create or replace function compliance.close_breach(p_breach_id uuid, p_root_cause text, p_measures text default null)
  returns compliance.breaches
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_breach compliance.breaches := compliance.lock_breach(p_breach_id);
begin
  if v_breach.status = 'closed' then
    return v_breach;
  end if;
  if coalesce(p_root_cause, '') = ''
    or num_nulls(v_breach.board_initial_at, v_breach.board_detailed_at, v_breach.principals_notified_at) > 0
  then
    raise exception 'breach % is not reported to the Board and to everybody, or its cause is not known', p_breach_id
      using errcode = 'IM915', hint = 'record the missing reports with compliance.record_breach_report';
  end if;
  update compliance.breaches b
  set status = 'closed', root_cause = p_root_cause, measures = coalesce(p_measures, b.measures)
  where b.tenant_id = v_breach.tenant_id and b.id = v_breach.id
  returning b.* into v_breach;
  return v_breach;
end
$$;

comment on function compliance.close_breach(uuid, text, text) is 'about=Everything is reported, everybody told, the cause known. IM001 not reported, IM005 no such breach, IM915 a step or a person is missing.';

-- Holds against erasure. Placing one waits for erasures that run, and an erasure that comes later sees it: both take the same
-- advisory lock of the tenant, a hold exclusively, erasures together.
create or replace function compliance.holds_lock_key(p_tenant_id uuid) returns bigint
  language sql
  immutable
  parallel safe
return hashtextextended('compliance.legal_holds ' || p_tenant_id::text, 0);

comment on function compliance.holds_lock_key(uuid) is 'about=Key of the advisory lock that holds and erasures of a tenant meet at.';

create or replace function compliance.scope_covers(p_scope jsonb, p_schema text, p_table text, p_row_id uuid) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select
    (p_schema is null or not p_scope ? 'schema' or p_scope ->> 'schema' = p_schema)
    and (p_table is null or not p_scope ? 'table' or p_scope ->> 'table' = p_table)
    and (p_row_id is null or not p_scope ? 'row_ids' or p_scope -> 'row_ids' ? p_row_id::text)
$$;

comment on function compliance.scope_covers(jsonb, text, text, uuid) is 'about=Whether the scope of a hold reaches a schema, table and row; null asks for any.';

create or replace function compliance.is_under_hold(p_schema text, p_table text, p_row_id uuid, p_patient_id uuid) returns boolean
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_people uuid[] := patient.ids_of(p_patient_id);
begin
  return exists (
    select
    from compliance.legal_holds h
    where
      h.tenant_id = core.require_tenant() and h.status = 'active'
      and (h.patient_id is null or h.patient_id = any (v_people))
      and compliance.scope_covers(h.scope, p_schema, p_table, p_row_id)
  );
end
$$;

comment on function compliance.is_under_hold(text, text, uuid, uuid) is 'about=Whether an active hold covers a row, or anything of a table, schema or patient where the narrower arguments are null; a hold on one of several merged records is on all of them. Ask it in read committed. IM003 no tenant.';

create or replace function compliance.place_hold(
  p_reason text,
  p_patient_id uuid default null,
  p_scope jsonb default '{}',
  p_authority text default null,
  p_id uuid default null
) returns compliance.legal_holds
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_hold compliance.legal_holds;
begin
  select h.* into v_hold from compliance.legal_holds h where h.tenant_id = v_tenant and h.id = p_id;
  if found then
    return v_hold;
  end if;
  perform pg_advisory_xact_lock(compliance.holds_lock_key(v_tenant));
  insert into compliance.legal_holds (tenant_id, id, hold_number, scope, patient_id, reason, authority, placed_by)
  values (
    v_tenant, coalesce(p_id, core.uuid_v7()), core.next_default_number('legal_hold', '', 'LH-{YY}-', 4), p_scope,
    p_patient_id, p_reason, p_authority, compliance.acting_user_id()
  )
  on conflict (tenant_id, id) do nothing
  returning * into v_hold;
  if not found then -- the same request at the same moment
    select h.* into v_hold from compliance.legal_holds h where h.tenant_id = v_tenant and h.id = p_id;
  end if;
  return v_hold;
end
$$;

comment on function compliance.place_hold(text, uuid, jsonb, text, uuid) is 'about=Freezes what a patient, schema, table or rows hold (scope of compliance.legal_holds) against retention and erasure, from the moment it is committed. The same id is the same hold. IM003 no tenant, IM006 nobody is signed in.';

create or replace function compliance.release_hold(p_hold_id uuid, p_reason text) returns compliance.legal_holds
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_hold compliance.legal_holds;
begin
  select h.* into v_hold
  from compliance.legal_holds h
  where h.tenant_id = v_tenant and h.id = p_hold_id
  for no key update;
  if not found then
    raise exception 'hold % does not exist', p_hold_id using errcode = 'IM005', hint = 'choose a hold of the tenant';
  end if;
  if v_hold.status = 'released' then
    return v_hold;
  end if;
  if v_hold.placed_by = compliance.acting_user_id() then
    raise exception 'hold % is released by another user than the one who placed it', p_hold_id
      using errcode = 'IM006', hint = 'ask a colleague to release it';
  end if;
  perform compliance.require_reason(p_reason, 'releasing hold ' || p_hold_id);
  update compliance.legal_holds h
  set status = 'released', released_by = compliance.acting_user_id(), released_at = now()
  where h.tenant_id = v_tenant and h.id = p_hold_id
  returning h.* into v_hold;
  return v_hold;
end
$$;

comment on function compliance.release_hold(uuid, text) is 'about=Ends a hold, by another user than the one who placed it. IM002 no reason, IM005 no such hold, IM006 the same user, or nobody is signed in.';

create or replace function compliance.tenants_under_hold() returns setof uuid
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  -- Logs are dropped for all tenants at once, and nobody sees all their holds: the owner looks under a lock that waits for
  -- holds that are being placed and lets no other in.
  alter table compliance.legal_holds no force row level security;
  return query select distinct h.tenant_id from compliance.legal_holds h where h.status = 'active';
  alter table compliance.legal_holds force row level security;
end
$$;

comment on function compliance.tenants_under_hold() is 'about=Tenants with an active hold, whatever it covers; until the end of the transaction no hold is placed. For the kernel, which drops old months of the logs.';

-- How long a person's record is kept. The law counts from the last row of the record, wherever that is.
create or replace function compliance.set_retention(
  p_class text,
  p_keep_for interval,
  p_starts_from text,
  p_action text,
  p_basis text,
  p_schema text default null,
  p_table text default null,
  p_minimum_log_days int default 365
) returns compliance.retention_policies
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_policy compliance.retention_policies;
begin
  insert into compliance.retention_policies as r (
    tenant_id, class, schema_name, table_name, basis, keep_for, starts_from, action, minimum_log_days, approved_by
  )
  values (
    core.require_tenant(), p_class, p_schema, p_table, p_basis, p_keep_for, p_starts_from, p_action,
    p_minimum_log_days, compliance.acting_user_id()
  )
  on conflict (tenant_id, class, schema_name, table_name) do update
  set
    basis = excluded.basis, keep_for = excluded.keep_for, starts_from = excluded.starts_from, action = excluded.action,
    minimum_log_days = excluded.minimum_log_days, approved_by = excluded.approved_by
  returning r.* into v_policy;
  return v_policy;
end
$$;

comment on function compliance.set_retention(text, interval, text, text, text, text, text, int) is 'about=The tenant''s own policy for a class of rows, in place of the last one; the signed-in user answers for it. IM003 no tenant, IM006 nobody is signed in, IM911 shorter than the law.';

-- Erasure: on a person's request, or because retention is over. The data keys of the person are destroyed, which makes all that
-- they encrypted unreadable everywhere, backups included; what stands in plain text about who they are is replaced. Lock order:
-- request, patient, holds, keys.
create or replace function compliance.write_erasure(
  p_log compliance.erasure_log,
  p_schema text,
  p_table text,
  p_action text,
  p_rows bigint,
  p_verification jsonb,
  p_kid text default null
) returns compliance.erasure_log
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_log compliance.erasure_log;
begin
  insert into compliance.erasure_log (
    tenant_id, request_id, policy_id, patient_ref_hash, schema_name, table_name, row_count, action, notice_sent_at,
    notice_waived_reason, executed_by, key_kid_destroyed, verification
  )
  values (
    p_log.tenant_id, p_log.request_id, p_log.policy_id, p_log.patient_ref_hash, p_schema, p_table, p_rows, p_action,
    p_log.notice_sent_at, p_log.notice_waived_reason, coalesce(core.current_user_id()::text, 'job'), p_kid,
    p_verification
  )
  returning * into v_log;
  return v_log;
end
$$;

comment on function compliance.write_erasure(compliance.erasure_log, text, text, text, bigint, jsonb, text) is 'about=One row of proof; request, policy, person and notice are those of p_log. IM910 a hold covers it.';

create or replace function compliance.shred_person_keys(p_log compliance.erasure_log, p_patient_id uuid)
  returns setof compliance.erasure_log
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_key record;
begin
  for v_key in
    select k.kid, k.status
    from core.encryption_keys k
    where
      k.tenant_id = p_log.tenant_id and k.subject_type = 'patient' and k.subject_id = p_patient_id
      and k.status <> 'destroyed'
    order by k.id
  loop
    if v_key.status = 'retiring' then
      perform core.retire_key(v_key.kid);
    end if;
    perform core.shred_key(v_key.kid, 'erasure');
    return next compliance.write_erasure(
      p_log, 'core', 'encryption_keys', 'crypto_shred', 1,
      (
        select jsonb_build_object('status', k.status, 'wrapped_key_is_gone', k.wrapped_key is null)
        from core.encryption_keys k
        where k.tenant_id = p_log.tenant_id and k.kid = v_key.kid
      ),
      v_key.kid
    );
  end loop;
end
$$;

comment on function compliance.shred_person_keys(compliance.erasure_log, uuid) is 'about=Destroys every data key of the person; one row of proof a key.';

-- Who processes data for the hospital.
create or replace function compliance.lock_processor(p_processor_id uuid) returns compliance.data_processors
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_processor compliance.data_processors;
begin
  select p.* into v_processor
  from compliance.data_processors p
  where p.tenant_id = v_tenant and p.id = p_processor_id
  for no key update;
  if not found then
    raise exception 'processor % does not exist', p_processor_id
      using errcode = 'IM005', hint = 'choose a processor of the tenant';
  end if;
  return v_processor;
end
$$;

comment on function compliance.lock_processor(uuid) is 'about=The processor, locked until the transaction ends. IM005 no such processor.';

create or replace function compliance.add_processor(
  p_name text,
  p_service text,
  p_data_categories text[],
  p_country text,
  p_contract_kind text,
  p_subprocessors jsonb default '[]',
  p_api_client_id uuid default null
) returns compliance.data_processors
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_processor compliance.data_processors;
begin
  insert into compliance.data_processors (
    tenant_id, name, service, data_categories, country, contract_kind, subprocessors, api_client_id
  )
  values (
    v_tenant, p_name, p_service, p_data_categories, p_country, p_contract_kind, p_subprocessors, p_api_client_id
  )
  on conflict (tenant_id, name, service) do nothing
  returning * into v_processor;
  if not found then
    select p.* into v_processor
    from compliance.data_processors p
    where p.tenant_id = v_tenant and p.name = p_name and p.service = p_service;
  end if;
  return v_processor;
end
$$;

comment on function compliance.add_processor(text, text, text[], text, text, jsonb, uuid) is 'about=Notes a company that is to process data, as a draft; name and service name it once. IM003 no tenant, IM916 it, or one that it uses, is in a restricted country.';

create or replace function compliance.activate_processor(
  p_processor_id uuid,
  p_contract_document_id uuid,
  p_signed_on date,
  p_expires_on date default null
) returns compliance.data_processors
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_processor compliance.data_processors := compliance.lock_processor(p_processor_id);
begin
  if v_processor.status = 'active' and v_processor.contract_document_id = p_contract_document_id then
    return v_processor;
  end if;
  update compliance.data_processors p
  set
    status = 'active', contract_document_id = p_contract_document_id, signed_on = p_signed_on,
    expires_on = p_expires_on, last_review_on = core.tenant_today()
  where p.tenant_id = v_processor.tenant_id and p.id = v_processor.id
  returning p.* into v_processor;
  return v_processor;
end
$$;

comment on function compliance.activate_processor(uuid, uuid, date, date) is 'about=The contract is signed: data may go there until p_expires_on; also renews a contract. IM001 terminated, IM005 no such processor, IM916 a restricted country.';

create or replace function compliance.review_processor(p_processor_id uuid) returns compliance.data_processors
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_processor compliance.data_processors := compliance.lock_processor(p_processor_id);
begin
  update compliance.data_processors p
  set last_review_on = core.tenant_today()
  where p.tenant_id = v_processor.tenant_id and p.id = v_processor.id
  returning p.* into v_processor;
  return v_processor;
end
$$;

comment on function compliance.review_processor(uuid) is 'about=Somebody looked at the processor today. IM005 no such processor.';

create or replace function compliance.terminate_processor(p_processor_id uuid, p_reason text) returns compliance.data_processors
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_processor compliance.data_processors := compliance.lock_processor(p_processor_id);
begin
  if v_processor.status = 'terminated' then
    return v_processor;
  end if;
  perform compliance.require_reason(p_reason, 'terminating processor ' || p_processor_id);
  update compliance.data_processors p
  set status = 'terminated'
  where p.tenant_id = v_processor.tenant_id and p.id = v_processor.id
  returning p.* into v_processor;
  return v_processor;
end
$$;

comment on function compliance.terminate_processor(uuid, text) is 'about=The contract was ended. IM001 it was a draft, IM002 no reason, IM005 no such processor.';

create or replace function compliance.expire_processors(p_limit int default 100) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_today date := core.tenant_today();
  v_id uuid;
  v_expired int := 0;
begin
  for v_id in
    select p.id
    from compliance.data_processors p
    where p.tenant_id = v_tenant and p.status = 'active' and p.expires_on < v_today
    order by p.expires_on
    limit p_limit
    for no key update skip locked
  loop
    update compliance.data_processors p set status = 'expired' where p.tenant_id = v_tenant and p.id = v_id;
    v_expired := v_expired + 1;
  end loop;
  return v_expired;
end
$$;

comment on function compliance.expire_processors(int) is 'about=Job: marks up to p_limit processors whose contract ran out and returns how many.';

-- Incidents: reported, reviewed, put right, closed when that helped.
create or replace function compliance.lock_incident(p_incident_id uuid) returns compliance.incidents
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_incident compliance.incidents;
begin
  select i.* into v_incident
  from compliance.incidents i
  where i.tenant_id = v_tenant and i.id = p_incident_id
  for no key update;
  if not found then
    raise exception 'incident % does not exist', p_incident_id
      using errcode = 'IM005', hint = 'choose an incident of the tenant';
  end if;
  return v_incident;
end
$$;

comment on function compliance.lock_incident(uuid) is 'about=The incident, locked until the transaction ends. IM005 no such incident.';

create or replace function compliance.report_incident(
  p_kind text,
  p_department_id uuid,
  p_severity text,
  p_description_enc bytea,
  p_occurred_at timestamptz default now(),
  p_anonymous boolean default false,
  p_patient_id uuid default null,
  p_encounter_id uuid default null,
  p_subject_type text default null,
  p_subject_id uuid default null,
  p_immediate_action text default null,
  p_id uuid default null
) returns compliance.incidents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_incident compliance.incidents;
begin
  select i.* into v_incident from compliance.incidents i where i.tenant_id = v_tenant and i.id = p_id;
  if found then
    return v_incident;
  end if;
  insert into compliance.incidents (
    tenant_id, id, incident_number, kind, patient_id, encounter_id, department_id, occurred_at, reported_by, anonymous,
    severity, description_enc, subject_type, subject_id, immediate_action, created_by
  )
  values (
    v_tenant, coalesce(p_id, core.uuid_v7()), core.next_default_number('incident', '', 'INC-{YY}-'), p_kind,
    p_patient_id, p_encounter_id, p_department_id, p_occurred_at,
    case when not p_anonymous then workforce.acting_staff_id() end, p_anonymous, p_severity, p_description_enc,
    p_subject_type, p_subject_id, p_immediate_action, case when not p_anonymous then core.current_user_id() end
  )
  returning * into v_incident;
  return v_incident;
end
$$;

comment on function compliance.report_incident(text, uuid, text, bytea, timestamptz, boolean, uuid, uuid, text, uuid, text, uuid) is 'about=Reports an incident, in the name of the signed-in member of staff or anonymously: then the row does not say who. The same id is the same incident. IM003 no tenant, IM006 the user is no member of staff.';

create or replace function compliance.review_incident(p_incident_id uuid, p_root_cause jsonb default null)
  returns compliance.incidents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_incident compliance.incidents := compliance.lock_incident(p_incident_id);
begin
  if v_incident.status not in ('reported', 'under_review') then
    raise exception 'incident % is %', p_incident_id, v_incident.status
      using errcode = 'IM001', hint = 'findings are written during the review; compliance.reopen_incident begins another one';
  end if;
  update compliance.incidents i
  set status = 'under_review', root_cause = coalesce(p_root_cause, i.root_cause)
  where i.tenant_id = v_incident.tenant_id and i.id = v_incident.id
  returning i.* into v_incident;
  return v_incident;
end
$$;

comment on function compliance.review_incident(uuid, jsonb) is 'about=Begins the review, or writes down the root cause that it found. IM001 the review is over, IM005 no such incident.';

create or replace function compliance.reject_incident(p_incident_id uuid, p_reason text) returns compliance.incidents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_incident compliance.incidents := compliance.lock_incident(p_incident_id);
begin
  if v_incident.status = 'rejected' then
    return v_incident;
  end if;
  perform compliance.require_reason(p_reason, 'rejecting incident ' || p_incident_id);
  update compliance.incidents i
  set status = 'rejected'
  where i.tenant_id = v_incident.tenant_id and i.id = v_incident.id
  returning i.* into v_incident;
  return v_incident;
end
$$;

comment on function compliance.reject_incident(uuid, text) is 'about=The report is none, or a second one of the same. IM001 under review already, IM002 no reason, IM005 no such incident.';

create or replace function compliance.plan_incident_action(
  p_incident_id uuid,
  p_corrective_action text,
  p_owner_id uuid,
  p_due_on date,
  p_preventive_action text default null
) returns compliance.incidents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_incident compliance.incidents := compliance.lock_incident(p_incident_id);
begin
  if v_incident.kind = 'sentinel' and v_incident.root_cause is null then
    raise exception 'the root cause of sentinel event % is not known', p_incident_id
      using errcode = 'IM001', hint = 'write it down with compliance.review_incident first';
  end if;
  update compliance.incidents i
  set
    status = 'action_planned', corrective_action = p_corrective_action, preventive_action = p_preventive_action,
    capa_owner_id = p_owner_id, capa_due_on = p_due_on
  where i.tenant_id = v_incident.tenant_id and i.id = v_incident.id
  returning i.* into v_incident;
  return v_incident;
end
$$;

comment on function compliance.plan_incident_action(uuid, text, uuid, date, text) is 'about=What puts it right, who sees to it and until when; until it is done the plan may be changed. IM001 not under review, or a sentinel event without root cause, IM005 no such incident.';

create or replace function compliance.finish_incident_action(p_incident_id uuid, p_done_on date default core.tenant_today())
  returns compliance.incidents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_incident compliance.incidents := compliance.lock_incident(p_incident_id);
begin
  if v_incident.status = 'action_done' then
    return v_incident;
  end if;
  update compliance.incidents i
  set status = 'action_done', capa_done_on = p_done_on
  where i.tenant_id = v_incident.tenant_id and i.id = v_incident.id
  returning i.* into v_incident;
  return v_incident;
end
$$;

comment on function compliance.finish_incident_action(uuid, date) is 'about=What was planned is done. IM001 nothing is planned, IM005 no such incident.';

create or replace function compliance.close_incident(
  p_incident_id uuid,
  p_effectiveness text,
  p_corrective_action text default null
) returns compliance.incidents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_incident compliance.incidents := compliance.lock_incident(p_incident_id);
begin
  if v_incident.status = 'closed' then
    return v_incident;
  end if;
  update compliance.incidents i
  set
    status = 'closed', effectiveness = p_effectiveness,
    corrective_action = coalesce(p_corrective_action, i.corrective_action)
  where i.tenant_id = v_incident.tenant_id and i.id = v_incident.id
  returning i.* into v_incident;
  return v_incident;
end
$$;

comment on function compliance.close_incident(uuid, text, text) is 'about=It helped, and how that was seen; from under_review also what little was done. IM001 neither reviewed nor done, IM005 no such incident; without corrective action and effectiveness incidents_closed_when_effective refuses.';

create or replace function compliance.reopen_incident(p_incident_id uuid, p_reason text) returns compliance.incidents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_incident compliance.incidents := compliance.lock_incident(p_incident_id);
begin
  if v_incident.status = 'under_review' then
    return v_incident;
  end if;
  perform compliance.require_reason(p_reason, 'reviewing incident ' || p_incident_id || ' again');
  update compliance.incidents i
  set status = 'under_review'
  where i.tenant_id = v_incident.tenant_id and i.id = v_incident.id
  returning i.* into v_incident;
  return v_incident;
end
$$;

comment on function compliance.reopen_incident(uuid, text) is 'about=What was done did not help: another review. IM001 nothing was done yet, or it is closed, IM002 no reason, IM005 no such incident.';

-- Evidence of checks: written by `imhotep verify --rules --record`, and by people for what only they can see.
create or replace function compliance.record_check(
  p_rule_id text,
  p_outcome text,
  p_evidence jsonb,
  p_regulation text default null,
  p_target text default null,
  p_run_id uuid default null,
  p_rule_version text default '1',
  p_tool_version text default 'manual',
  p_schema_fingerprint bytea default null,
  p_waiver_id text default null,
  p_ran_at timestamptz default now()
) returns compliance.compliance_checks
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.current_tenant_id();
  v_run uuid := coalesce(p_run_id, core.uuid_v7());
  v_target text := coalesce(p_target, current_database());
  v_check compliance.compliance_checks;
begin
  insert into compliance.compliance_checks as c (
    tenant_id, run_id, rule_id, rule_version, regulation, target, outcome, evidence, waiver_id, ran_at, tool_version,
    schema_fingerprint
  )
  values (
    v_tenant, v_run, p_rule_id, p_rule_version, coalesce(p_regulation, split_part(lower(p_rule_id), '-', 1)), v_target,
    p_outcome, p_evidence, p_waiver_id, p_ran_at, p_tool_version, p_schema_fingerprint
  )
  on conflict (tenant_id, run_id, rule_id, target, ran_at) do nothing
  returning c.* into v_check;
  if not found then -- recorded already
    select c.* into v_check
    from compliance.compliance_checks c
    where
      c.tenant_id is not distinct from v_tenant and c.run_id = v_run and c.rule_id = p_rule_id
      and c.target = v_target and c.ran_at = p_ran_at;
  end if;
  return v_check;
end
$$;

comment on function compliance.record_check(text, text, jsonb, text, text, uuid, text, text, bytea, text, timestamptz) is 'about=Records a check with its evidence (ids and counts only): for the tenant of the request, or for the whole database when there is none, which only the role that installed the schema may. A restore test is rule HIP-25 with the checksum of the backup as evidence. Rule, target and instant of a run are recorded once.';

-- The account of disclosures that a person may ask for (45 CFR 164.528: six years). audit.log_disclosure writes them.
create or replace function compliance.disclosure_accounting(
  p_patient_id uuid,
  p_from timestamptz default now() - interval '6 years',
  p_to timestamptz default now()
) returns table (
    disclosed_at timestamptz, recipient text, legal_basis text, purpose_of_use text, resource_type text, resource_id uuid,
    fields text[], user_id uuid
  )
  language plpgsql
  stable
  security definer -- belongs to audit_reader, which alone reads log and archives
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_people uuid[] := patient.ids_of(p_patient_id);
begin
  return query
    select l.accessed_at, l.recipient, l.legal_basis, l.purpose_of_use, l.resource_type, l.resource_id, l.fields, l.user_id
    from audit.phi_access_logs l
    where
      l.tenant_id = v_tenant and l.patient_id = any (v_people) and l.access_kind = 'disclosure'
      and l.accessed_at >= p_from and l.accessed_at <= p_to
    union all
    select l.accessed_at, l.recipient, l.legal_basis, l.purpose_of_use, l.resource_type, l.resource_id, l.fields, l.user_id
    from unnest(v_people) as i
    cross join audit.archived_phi_access_logs(p_from, p_to, i) as l
    where l.access_kind = 'disclosure'
    order by 1;
end
$$;

comment on function compliance.disclosure_accounting(uuid, timestamptz, timestamptz) is 'about=Every disclosure of a patient''s data, merged records included, in a window, by default the last six years: when, to whom, on what basis, what. Reads the log and its archives. IM003 no tenant.';

-- Everything that is held on a person, for access and portability (DPDP Act s.11). What belongs to them is found in the catalog,
-- so that a new table is exported from its first day. Runs as its caller: each role exports what it may read, and the answer
-- says what it may not.
create or replace function compliance.rows_of_person(
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

create or replace function compliance.find_person(
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

create or replace function compliance.export_person(p_patient_id uuid) returns jsonb
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

-- tasking: functions

-- Who acts. Work is given, done and handed over in the name of the person who is signed in.
create or replace function tasking.acting_user_id() returns uuid
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if core.current_user_id() is null then
    raise exception 'nobody is signed in'
      using errcode = 'IM006', hint = 'pass the user of the session to core.begin_request';
  end if;
  return core.current_user_id();
end
$$;

comment on function tasking.acting_user_id() is 'about=The user who is signed in. IM006 nobody.';

create or replace function tasking.require_reason(p_reason text, p_what text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if coalesce(btrim(p_reason), '') = '' then
    raise exception '% needs a reason', p_what using errcode = 'IM002', hint = 'say why in p_reason';
  end if;
  perform core.set_reason(p_reason);
end
$$;

comment on function tasking.require_reason(text, text) is 'about=Sets the reason of the change. IM002 there is none.';

-- A task is made. The caller may choose the id: sent again, it is the same task.
create or replace function tasking.create_task(
  p_department_id uuid,
  p_title text,
  p_category text,
  p_priority tasking.task_priority default 'medium',
  p_patient_id uuid default null,
  p_encounter_id uuid default null,
  p_shift_id uuid default null,
  p_assigned_to uuid default null,
  p_due_at timestamptz default null,
  p_requires_verification boolean default false,
  p_description_enc bytea default null,
  p_source_type text default null,
  p_source_id uuid default null,
  p_id uuid default null
) returns tasking.tasks
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_id uuid := coalesce(p_id, core.uuid_v7());
  v_task tasking.tasks;
begin
  select t.* into v_task from tasking.tasks t where t.tenant_id = v_tenant and t.id = v_id;
  if not found then
    insert into tasking.tasks as t (
      tenant_id, id, task_number, patient_id, encounter_id, department_id, shift_id, title, description_enc, category,
      priority, assigned_to, assigned_by, due_at, requires_verification, source_type, source_id
    )
    values (
      v_tenant, v_id, core.next_default_number('task', '', 'TASK-{YY}-'), p_patient_id, p_encounter_id, p_department_id,
      p_shift_id, p_title, p_description_enc, p_category, p_priority, p_assigned_to, tasking.acting_user_id(), p_due_at,
      p_requires_verification, p_source_type, p_source_id
    )
    on conflict (tenant_id, id) do nothing -- the same request at the same moment
    returning t.* into v_task;
    if found then
      return v_task;
    end if;
    select t.* into v_task from tasking.tasks t where t.tenant_id = v_tenant and t.id = v_id;
  end if;
  if v_task.department_id <> p_department_id or v_task.patient_id is distinct from p_patient_id then
    raise exception 'task % is another one', v_id using errcode = 'IM011', hint = 'choose a new id for a new task';
  end if;
  return v_task;
end
$$;

comment on function tasking.create_task(uuid, text, text, tasking.task_priority, uuid, uuid, uuid, uuid, timestamptz, boolean, bytea, text, uuid, uuid) is 'about=Gives a department, or one of its shifts and users, a task for a patient or for the ward. IM003 no tenant, IM006 nobody is signed in, IM011 the id is another task''s, IM752 the shift is closed.';

-- From pending to done. Each operation locks the task and answers the same when it is repeated.
create or replace function tasking.lock_task(p_task_id uuid) returns tasking.tasks
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_task tasking.tasks;
begin
  select t.* into v_task
  from tasking.tasks t
  where t.tenant_id = v_tenant and t.id = p_task_id and t.deleted_at is null
  for no key update;
  if not found then
    raise exception 'task % does not exist', p_task_id
      using errcode = 'IM005', hint = 'choose a task of the tenant that is not deleted';
  end if;
  return v_task;
end
$$;

comment on function tasking.lock_task(uuid) is 'about=The task, locked until the transaction ends. IM005 no such task.';

create or replace function tasking.set_task_status(p_task tasking.tasks, p_status tasking.task_status) returns tasking.tasks
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_task tasking.tasks;
begin
  update tasking.tasks t
  set
    status = p_status,
    started_at = case when p_status = 'in_progress' then coalesce(t.started_at, now()) else t.started_at end
  where t.tenant_id = p_task.tenant_id and t.id = p_task.id
  returning t.* into v_task;
  return v_task;
end
$$;

comment on function tasking.set_task_status(tasking.tasks, tasking.task_status) is 'about=Moves a task that the caller has locked. IM001 the state machine has no such move.';

create or replace function tasking.finish_task(p_task tasking.tasks, p_by uuid) returns tasking.tasks
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_task tasking.tasks := p_task;
begin
  update tasking.tasks t
  set status = 'completed', completed_at = now(), completed_by = p_by
  where t.tenant_id = v_task.tenant_id and t.id = v_task.id
  returning t.* into v_task;
  if v_task.requires_verification then
    v_task := tasking.set_task_status(v_task, 'verified');
  end if;
  return v_task;
end
$$;

comment on function tasking.finish_task(tasking.tasks, uuid) is 'about=Completes a task that the caller has locked; one that was verified in the EMR is verified at once. IM001 it cannot be completed from where it stands.';

create or replace function tasking.assign_task(p_task_id uuid, p_user_id uuid) returns tasking.tasks
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_task tasking.tasks := tasking.lock_task(p_task_id);
begin
  if v_task.assigned_to is not distinct from p_user_id then
    return v_task;
  end if;
  if v_task.status in ('completed', 'verified', 'cancelled') then
    raise exception 'task % is %', p_task_id, v_task.status
      using errcode = 'IM001', hint = 'only an open task is given to somebody';
  end if;
  update tasking.tasks t
  set assigned_to = p_user_id, assigned_by = tasking.acting_user_id()
  where t.tenant_id = v_task.tenant_id and t.id = v_task.id
  returning t.* into v_task;
  return v_task;
end
$$;

comment on function tasking.assign_task(uuid, uuid) is 'about=Gives an open task to a user, or back to all with null. IM001 it is done or cancelled, IM005 no such task, IM006 nobody is signed in.';

create or replace function tasking.start_task(p_task_id uuid) returns tasking.tasks
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_task tasking.tasks := tasking.lock_task(p_task_id);
begin
  if v_task.status = 'in_progress' then
    return v_task;
  end if;
  return tasking.set_task_status(v_task, 'in_progress');
end
$$;

comment on function tasking.start_task(uuid) is 'about=Somebody is at it: from pending, on hold, overdue or reopened. IM001 it is done or cancelled, IM005 no such task.';

create or replace function tasking.hold_task(p_task_id uuid, p_reason text) returns tasking.tasks
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_task tasking.tasks := tasking.lock_task(p_task_id);
begin
  if v_task.status = 'on_hold' then
    return v_task;
  end if;
  perform tasking.require_reason(p_reason, 'holding task ' || p_task_id);
  return tasking.set_task_status(v_task, 'on_hold');
end
$$;

comment on function tasking.hold_task(uuid, text) is 'about=Interrupts a task that is in progress. IM001 it is not, IM002 no reason, IM005 no such task.';

create or replace function tasking.complete_task(p_task_id uuid) returns tasking.tasks
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_task tasking.tasks := tasking.lock_task(p_task_id);
begin
  if v_task.status in ('completed', 'verified') then
    return v_task;
  end if;
  if v_task.requires_verification and not tasking.has_verification(v_task.tenant_id, v_task.id) then
    raise exception 'task % is done when the EMR shows it', p_task_id
      using errcode = 'IM754', hint = 'call tasking.open_verification; a verified verification completes the task';
  end if;
  return tasking.finish_task(v_task, tasking.acting_user_id());
end
$$;

comment on function tasking.complete_task(uuid) is 'about=The signed-in user did it. IM001 the task is on hold, reopened or cancelled, IM005 no such task, IM006 nobody is signed in, IM754 it requires verification and has none.';

create or replace function tasking.verify_task(p_task_id uuid) returns tasking.tasks
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_task tasking.tasks := tasking.lock_task(p_task_id);
begin
  if v_task.status = 'verified' then
    return v_task;
  end if;
  if v_task.completed_by = tasking.acting_user_id() then
    raise exception 'task % is verified by another user than the one who did it', p_task_id
      using errcode = 'IM006', hint = 'ask a colleague to look at it';
  end if;
  return tasking.set_task_status(v_task, 'verified');
end
$$;

comment on function tasking.verify_task(uuid) is 'about=A second user saw that a completed task was done. IM001 not completed, IM005 no such task, IM006 the same user.';

create or replace function tasking.reopen_task(p_task_id uuid, p_reason text) returns tasking.tasks
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_task tasking.tasks := tasking.lock_task(p_task_id);
begin
  if v_task.status = 'reopened' then
    return v_task;
  end if;
  perform tasking.require_reason(p_reason, 'reopening task ' || p_task_id);
  update tasking.tasks t
  set status = 'reopened', completed_at = null, completed_by = null
  where t.tenant_id = v_task.tenant_id and t.id = v_task.id
  returning t.* into v_task;
  return v_task;
end
$$;

comment on function tasking.reopen_task(uuid, text) is 'about=A completed task was not done after all. IM001 not completed, or verified already, IM002 no reason, IM005 no such task.';

create or replace function tasking.cancel_task(p_task_id uuid, p_reason text) returns tasking.tasks
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_task tasking.tasks := tasking.lock_task(p_task_id);
begin
  if v_task.status = 'cancelled' then
    return v_task;
  end if;
  perform tasking.require_reason(p_reason, 'cancelling task ' || p_task_id);
  update tasking.tasks t
  set status = 'cancelled', cancel_reason = p_reason
  where t.tenant_id = v_task.tenant_id and t.id = v_task.id
  returning t.* into v_task;
  return v_task;
end
$$;

comment on function tasking.cancel_task(uuid, text) is 'about=An open task is not needed any more. IM001 it is completed or verified, IM002 no reason, IM005 no such task.';

create or replace function tasking.mark_overdue_tasks(p_limit int default 500) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_id uuid;
  v_marked int := 0;
begin
  for v_id in
    select t.id
    from tasking.tasks t
    where
      t.tenant_id = v_tenant and t.status in ('pending', 'in_progress') and t.deleted_at is null and t.due_at < now()
    order by t.due_at
    limit p_limit
    for no key update skip locked
  loop
    update tasking.tasks t set status = 'overdue' where t.tenant_id = v_tenant and t.id = v_id;
    v_marked := v_marked + 1;
  end loop;
  return v_marked;
end
$$;

comment on function tasking.mark_overdue_tasks(int) is 'about=Job: marks up to p_limit tasks whose time has passed and returns how many. Tasks that somebody is changing are left for the next run.';

-- The check in the EMR. A worker fetches the resource and reports what it saw; the comparison is here, so that every road to
-- "verified" is the same. Lock order: task, then verification.
create or replace function tasking.lock_verification(p_verification_id uuid) returns tasking.emr_verifications
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_task_id uuid;
  v_verification tasking.emr_verifications;
begin
  select v.task_id into v_task_id
  from tasking.emr_verifications v
  where v.tenant_id = v_tenant and v.id = p_verification_id;
  if not found then
    raise exception 'verification % does not exist', p_verification_id
      using errcode = 'IM005', hint = 'choose a verification of the tenant';
  end if;
  perform tasking.lock_task(v_task_id);
  select v.* into v_verification
  from tasking.emr_verifications v
  where v.tenant_id = v_tenant and v.id = p_verification_id
  for no key update;
  return v_verification;
end
$$;

comment on function tasking.lock_verification(uuid) is 'about=The verification, locked with its task until the transaction ends. IM005 no such verification.';

create or replace function tasking.open_verification(
  p_task_id uuid,
  p_emr_system core.emr_system,
  p_emr_patient_id text,
  p_resource_type text,
  p_expected jsonb,
  p_emr_connection_id uuid default null,
  p_id uuid default null
) returns tasking.emr_verifications
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_task tasking.tasks := tasking.lock_task(p_task_id);
  v_verification tasking.emr_verifications;
begin
  select v.* into v_verification
  from tasking.emr_verifications v
  where
    v.tenant_id = v_task.tenant_id and v.task_id = v_task.id
    and (v.id = p_id or v.status in ('pending', 'in_progress'))
  order by v.created_at
  limit 1;
  if found then
    return v_verification; -- one at a time
  end if;
  if v_task.status in ('verified', 'cancelled') then
    raise exception 'task % is %', p_task_id, v_task.status
      using errcode = 'IM754', hint = 'a task is verified while it is open or completed';
  end if;
  insert into tasking.emr_verifications (
    tenant_id, id, task_id, patient_id, emr_system, emr_connection_id, emr_patient_id, resource_type, expected,
    created_by
  )
  values (
    v_task.tenant_id, coalesce(p_id, core.uuid_v7()), v_task.id, v_task.patient_id, p_emr_system, p_emr_connection_id,
    p_emr_patient_id, p_resource_type, p_expected, tasking.acting_user_id()
  )
  returning * into v_verification;
  return v_verification;
end
$$;

comment on function tasking.open_verification(uuid, core.emr_system, text, text, jsonb, uuid, uuid) is 'about=The signed-in user did the task: the EMR is to show it. A task has one running verification; asked again, it is returned. p_expected names the fields that the resource must show. IM005 no such task, IM006 nobody is signed in, IM754 the task is verified or cancelled.';

create or replace function tasking.begin_verification(p_verification_id uuid) returns tasking.emr_verifications
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_verification tasking.emr_verifications := tasking.lock_verification(p_verification_id);
begin
  if v_verification.status = 'in_progress' then
    return v_verification;
  end if;
  update tasking.emr_verifications v
  set status = 'in_progress', attempts = v.attempts + 1, next_attempt_at = null
  where v.tenant_id = v_verification.tenant_id and v.id = v_verification.id
  returning v.* into v_verification;
  return v_verification;
end
$$;

comment on function tasking.begin_verification(uuid) is 'about=A worker looks into the EMR now; counts the attempt. IM001 the verification does not wait, IM005 no such verification.';

create or replace function tasking.compare_with_emr(p_expected jsonb, p_observed jsonb) returns jsonb
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select jsonb_object_agg(
    e.key, jsonb_build_object('expected', e.value, 'observed', coalesce(p_observed -> e.key, 'null'))
  )
  from jsonb_each(p_expected) as e
  -- an object or array in the EMR may say more than was expected, not less
  where not coalesce(p_observed -> e.key @> e.value, false)
$$;

comment on function tasking.compare_with_emr(jsonb, jsonb) is 'about=The fields of p_expected that p_observed does not show, each with what was expected and observed; null when it shows all.';

create or replace function tasking.record_verification(
  p_verification_id uuid,
  p_observed jsonb,
  p_resource_ref text
) returns tasking.emr_verifications
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_verification tasking.emr_verifications := tasking.lock_verification(p_verification_id);
  v_hash bytea := sha256(convert_to(p_observed::text, 'UTF8'));
  v_discrepancy jsonb;
begin
  if v_verification.status in ('verified', 'mismatch') and v_verification.observed_hash = v_hash then
    return v_verification; -- reported again
  end if;
  if v_verification.status not in ('pending', 'in_progress') then
    raise exception 'verification % is %', p_verification_id, v_verification.status
      using errcode = 'IM754', hint = 'open a new verification';
  end if;
  if p_observed is null or p_resource_ref is null then
    raise exception 'verification % was reported without what was seen', p_verification_id
      using errcode = 'IM754', hint = 'report the resource and its reference, or call tasking.fail_verification';
  end if;
  if v_verification.status = 'pending' then
    v_verification := tasking.begin_verification(p_verification_id);
  end if;

  v_discrepancy := tasking.compare_with_emr(v_verification.expected, p_observed);
  update tasking.emr_verifications v
  set
    status = case when v_discrepancy is null then 'verified' else 'mismatch' end::tasking.verification_status,
    observed_hash = v_hash, resource_ref = p_resource_ref, discrepancy = v_discrepancy,
    verified_at = case when v_discrepancy is null then now() end
  where v.tenant_id = v_verification.tenant_id and v.id = v_verification.id
  returning v.* into v_verification;
  if v_verification.status = 'verified' then
    perform tasking.close_verified_task(v_verification);
  end if;
  return v_verification;
end
$$;

comment on function tasking.record_verification(uuid, jsonb, text) is 'about=What the EMR showed. When it shows all that was expected the verification is verified and so is its task, in the name of who opened the verification; else mismatch, with the fields that differ. IM005 no such verification, IM754 it is over, or nothing was reported.';

create or replace function tasking.close_verified_task(p_verification tasking.emr_verifications) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_task tasking.tasks := tasking.lock_task(p_verification.task_id);
begin
  if v_task.status in ('on_hold', 'reopened') then
    v_task := tasking.set_task_status(v_task, 'in_progress');
  end if;
  if v_task.status in ('pending', 'in_progress', 'overdue') then
    v_task := tasking.finish_task(v_task, coalesce(p_verification.created_by, core.current_user_id()));
  end if;
  if v_task.status = 'completed' then
    perform tasking.set_task_status(v_task, 'verified');
  end if;
end
$$;

comment on function tasking.close_verified_task(tasking.emr_verifications) is 'about=The EMR shows that the task was done: it is completed, where that was missing, and verified. A cancelled task stays.';

create or replace function tasking.fail_verification(
  p_verification_id uuid,
  p_error text,
  p_retry_in interval default null
) returns tasking.emr_verifications
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_verification tasking.emr_verifications := tasking.lock_verification(p_verification_id);
begin
  if v_verification.status = 'failed' then
    return v_verification;
  end if;
  if v_verification.status = 'pending' then
    v_verification := tasking.begin_verification(p_verification_id);
  end if;
  update tasking.emr_verifications v
  set
    status = 'failed', discrepancy = jsonb_build_object('error', left(p_error, 500)),
    next_attempt_at = now() + coalesce(
      p_retry_in, least(interval '6 hours', interval '1 minute' * (2 ^ least(v.attempts, 10)))
    )
  where v.tenant_id = v_verification.tenant_id and v.id = v_verification.id
  returning v.* into v_verification;
  return v_verification;
end
$$;

comment on function tasking.fail_verification(uuid, text, interval) is 'about=The EMR did not answer, or has no such resource yet; the next attempt waits p_retry_in, else twice as long as the last one, at most six hours. IM001 the verification does not run, IM005 no such verification.';

create or replace function tasking.repeat_verifications(p_limit int default 100) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_limit int := coalesce((core.setting('tasking.verification_attempts') #>> '{}')::int, 10);
  v_failed record;
  v_repeated int := 0;
begin
  for v_failed in
    select v.id, v.task_id, v.attempts
    from tasking.emr_verifications v
    join tasking.tasks t on t.tenant_id = v.tenant_id and t.id = v.task_id
    where v.tenant_id = v_tenant and v.status = 'failed' and v.next_attempt_at <= now()
    order by v.next_attempt_at
    limit p_limit
    for no key update skip locked
  loop
    continue when exists ( -- a newer one of the task runs
      select
      from tasking.emr_verifications r
      where r.tenant_id = v_tenant and r.task_id = v_failed.task_id and r.status in ('pending', 'in_progress')
    );
    update tasking.emr_verifications v
    set status = case when v_failed.attempts >= v_limit then 'manual_review' else 'pending' end::tasking.verification_status
    where v.tenant_id = v_tenant and v.id = v_failed.id;
    v_repeated := v_repeated + 1;
  end loop;
  return v_repeated;
end
$$;

comment on function tasking.repeat_verifications(int) is 'about=Job: failed verifications whose time has come wait again, or go to a person after setting tasking.verification_attempts (10) attempts; returns how many moved.';

create or replace function tasking.decide_verification(
  p_verification_id uuid,
  p_verified boolean,
  p_reason text default null
) returns tasking.emr_verifications
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_verification tasking.emr_verifications := tasking.lock_verification(p_verification_id);
  v_outcome tasking.verification_status := case when p_verified then 'verified' else 'rejected' end;
begin
  if v_verification.status = v_outcome then
    return v_verification;
  end if;
  if
    p_verified
    and tasking.acting_user_id() in (
      v_verification.created_by,
      (
        select coalesce(t.completed_by, t.assigned_to)
        from tasking.tasks t
        where t.tenant_id = v_verification.tenant_id and t.id = v_verification.task_id
      )
    )
  then
    raise exception 'verification % is confirmed by another user than the one who did the task', p_verification_id
      using errcode = 'IM006', hint = 'ask a colleague to look into the EMR';
  end if;
  if v_verification.status in ('pending', 'failed', 'mismatch') then
    update tasking.emr_verifications v
    set status = 'manual_review'
    where v.tenant_id = v_verification.tenant_id and v.id = v_verification.id;
  end if;
  if not p_verified then
    perform tasking.require_reason(p_reason, 'rejecting verification ' || p_verification_id);
  end if;
  update tasking.emr_verifications v
  set
    status = v_outcome, method = 'manual', verified_by = tasking.acting_user_id(),
    verified_at = case when p_verified then now() end
  where v.tenant_id = v_verification.tenant_id and v.id = v_verification.id
  returning v.* into v_verification;
  if p_verified then
    perform tasking.close_verified_task(v_verification);
  end if;
  return v_verification;
end
$$;

comment on function tasking.decide_verification(uuid, boolean, text) is 'about=A person looked into the EMR: verified, with its task, or rejected with a reason. IM001 the verification is over or runs, IM002 no reason, IM005 no such verification, IM006 nobody is signed in, or the user who did the task confirms it.';

-- The giver's part of a handover. Lock order of all handover operations: handover, both shifts by id, tasks by id.
create or replace function tasking.lock_handover(p_handover_id uuid) returns tasking.handovers
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_handover tasking.handovers;
begin
  select h.* into v_handover
  from tasking.handovers h
  where h.tenant_id = v_tenant and h.id = p_handover_id
  for no key update;
  if not found then
    raise exception 'handover % does not exist', p_handover_id
      using errcode = 'IM005', hint = 'choose a handover of the tenant';
  end if;
  return v_handover;
end
$$;

comment on function tasking.lock_handover(uuid) is 'about=The handover, locked until the transaction ends. IM005 no such handover.';

create or replace function tasking.lock_own_handover(p_handover_id uuid) returns tasking.handovers
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_handover tasking.handovers := tasking.lock_handover(p_handover_id);
begin
  if v_handover.from_user_id <> tasking.acting_user_id() then
    raise exception 'handover % is given by another user', p_handover_id
      using errcode = 'IM006', hint = 'the giver drafts, submits and cancels it';
  end if;
  return v_handover;
end
$$;

comment on function tasking.lock_own_handover(uuid) is 'about=A handover that the signed-in user gives, locked. IM005 no such handover, IM006 another user gives it.';

create or replace function tasking.lock_shifts(p_handover tasking.handovers) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_shift record;
begin
  for v_shift in
    select s.id, s.status
    from workforce.shifts s
    where s.tenant_id = p_handover.tenant_id and s.id in (p_handover.from_shift_id, p_handover.to_shift_id)
    order by s.id
    for no key update
  loop
    if v_shift.status in ('closed', 'cancelled') then
      raise exception 'shift % is %', v_shift.id, v_shift.status
        using errcode = 'IM752', hint = 'hand over between shifts that are planned, open or handing over';
    end if;
  end loop;
end
$$;

comment on function tasking.lock_shifts(tasking.handovers) is 'about=Locks both shifts of a handover in the order of their ids. IM752 one is closed or cancelled.';

create or replace function tasking.draft_handover(
  p_from_shift_id uuid,
  p_to_shift_id uuid,
  p_to_user_id uuid,
  p_due_at timestamptz default null,
  p_summary_enc bytea default null,
  p_id uuid default null
) returns tasking.handovers
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_user uuid := tasking.acting_user_id();
  v_department uuid;
  v_due timestamptz := p_due_at;
  v_handover tasking.handovers;
begin
  v_handover.tenant_id := v_tenant;
  v_handover.from_shift_id := p_from_shift_id;
  v_handover.to_shift_id := p_to_shift_id;
  perform tasking.lock_shifts(v_handover); -- two that draft the same handover meet here
  select f.department_id, coalesce(v_due, t.starts_at) into v_department, v_due
  from workforce.shifts f
  cross join workforce.shifts t
  where f.tenant_id = v_tenant and f.id = p_from_shift_id and t.tenant_id = v_tenant and t.id = p_to_shift_id;
  if not found then
    raise exception 'shift % or % does not exist', p_from_shift_id, p_to_shift_id
      using errcode = 'IM005', hint = 'choose two shifts of the tenant';
  end if;

  select h.* into v_handover
  from tasking.handovers h
  where
    h.tenant_id = v_tenant and h.from_shift_id = p_from_shift_id and h.to_shift_id = p_to_shift_id
    and h.from_user_id = v_user and h.to_user_id = p_to_user_id
    and (h.id = p_id or h.status in ('draft', 'submitted', 'accepted'))
  order by h.created_at desc
  limit 1;
  if found then
    return v_handover;
  end if;
  insert into tasking.handovers (
    tenant_id, id, handover_number, department_id, from_shift_id, to_shift_id, from_user_id, to_user_id, due_at, summary_enc
  )
  values (
    v_tenant, coalesce(p_id, core.uuid_v7()), core.next_default_number('handover', '', 'HO-{YY}-'), v_department,
    p_from_shift_id, p_to_shift_id, v_user, p_to_user_id, v_due, p_summary_enc
  )
  returning * into v_handover;
  return v_handover;
end
$$;

comment on function tasking.draft_handover(uuid, uuid, uuid, timestamptz, bytea, uuid) is 'about=The signed-in user begins to hand a shift over; due when the next one starts unless p_due_at says otherwise. Between two shifts and two users one handover is live: asked again, it is returned. IM003 no tenant, IM005 no such shift, IM006 nobody is signed in, IM752 a shift is closed.';

create or replace function tasking.count_handed_tasks(p_handover tasking.handovers) returns int
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select count(*)::int
  from tasking.tasks t
  where
    t.tenant_id = p_handover.tenant_id and t.shift_id = p_handover.from_shift_id and t.deleted_at is null
    and t.status in ('pending', 'in_progress', 'on_hold', 'overdue', 'reopened')
    and (
      t.patient_id is null
      or t.patient_id in (
        select p.patient_id
        from tasking.handover_patients p
        where p.tenant_id = p_handover.tenant_id and p.handover_id = p_handover.id
      )
    )
$$;

comment on function tasking.count_handed_tasks(tasking.handovers) is 'about=How many open tasks of the giving shift a handover takes along: those of its patients and those of the ward.';

create or replace function tasking.cancel_handover(p_handover_id uuid, p_reason text) returns tasking.handovers
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_handover tasking.handovers := tasking.lock_own_handover(p_handover_id);
begin
  if v_handover.status = 'cancelled' then
    return v_handover;
  end if;
  perform tasking.require_reason(p_reason, 'cancelling handover ' || p_handover_id);
  update tasking.handovers h
  set status = 'cancelled'
  where h.tenant_id = v_handover.tenant_id and h.id = v_handover.id
  returning h.* into v_handover;
  return v_handover;
end
$$;

comment on function tasking.cancel_handover(uuid, text) is 'about=The giver takes a handover back that nobody has accepted. IM001 it is accepted, IM002 no reason, IM005 no such handover, IM006 another user gives it.';

create or replace function tasking.revise_handover(p_handover_id uuid) returns tasking.handovers
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_handover tasking.handovers := tasking.lock_own_handover(p_handover_id);
begin
  if v_handover.status = 'draft' then
    return v_handover;
  end if;
  update tasking.handovers h
  set status = 'draft'
  where h.tenant_id = v_handover.tenant_id and h.id = v_handover.id
  returning h.* into v_handover;
  return v_handover;
end
$$;

comment on function tasking.revise_handover(uuid) is 'about=A rejected handover is a draft again. IM001 not rejected, IM005 no such handover, IM006 another user gives it.';

-- The receiver's part of a handover, and the end of the giving shift. The first acceptance moves the tasks; a second one is
-- told what the first did.
create or replace function tasking.lock_addressed_handover(p_handover_id uuid) returns tasking.handovers
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_handover tasking.handovers := tasking.lock_handover(p_handover_id);
begin
  if v_handover.to_user_id is distinct from core.current_user_id() then
    raise exception 'handover % is addressed to another user', p_handover_id
      using errcode = 'IM750', hint = 'ask the addressee';
  end if;
  return v_handover;
end
$$;

comment on function tasking.lock_addressed_handover(uuid) is 'about=A handover that is addressed to the signed-in user, locked. IM005 no such handover, IM750 it is addressed to somebody else.';

create or replace function tasking.write_read_back(
  p_handover tasking.handovers,
  p_patient_id uuid,
  p_synthesis_enc bytea
) returns tasking.handover_patients
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_row tasking.handover_patients;
begin
  select p.* into v_row
  from tasking.handover_patients p
  where p.tenant_id = p_handover.tenant_id and p.handover_id = p_handover.id and p.patient_id = p_patient_id
  for no key update;
  if not found then
    raise exception 'patient % is not on handover %', p_patient_id, p_handover.id
      using errcode = 'IM005', hint = 'read back the patients of the handover';
  end if;
  if v_row.read_back_at is not null then
    return v_row;
  end if;
  update tasking.handover_patients p
  set
    read_back_at = now(), read_back_by = p_handover.to_user_id,
    synthesis_by_receiver_enc = coalesce(p_synthesis_enc, p.synthesis_by_receiver_enc)
  where p.tenant_id = v_row.tenant_id and p.id = v_row.id
  returning p.* into v_row;
  return v_row;
end
$$;

comment on function tasking.write_read_back(tasking.handovers, uuid, bytea) is 'about=Marks a patient of a locked handover as read back; the first read-back stays. IM005 the patient is not on it.';

create or replace function tasking.read_back(
  p_handover_id uuid,
  p_patient_id uuid,
  p_synthesis_enc bytea default null
) returns tasking.handover_patients
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_handover tasking.handovers := tasking.lock_addressed_handover(p_handover_id);
begin
  if v_handover.status not in ('submitted', 'accepted', 'completed') then
    raise exception 'handover % is %', p_handover_id, v_handover.status
      using errcode = 'IM001', hint = 'a submitted handover is read back';
  end if;
  return tasking.write_read_back(v_handover, p_patient_id, p_synthesis_enc);
end
$$;

comment on function tasking.read_back(uuid, uuid, bytea) is 'about=The receiver says in their own words what they heard about a patient; the first read-back stays. IM001 the handover is not submitted, IM005 no such handover, or the patient is not on it, IM750 addressed to somebody else.';

create or replace function tasking.accept_handover(p_handover_id uuid, p_read_backs jsonb default '[]') returns tasking.handovers
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_handover tasking.handovers := tasking.lock_addressed_handover(p_handover_id);
  v_read_back record;
  v_patient uuid;
  v_moved int;
begin
  if v_handover.status in ('accepted', 'completed') then
    return v_handover; -- the first acceptance counts
  end if;
  if v_handover.status <> 'submitted' then
    raise exception 'handover % is %', p_handover_id, v_handover.status
      using errcode = 'IM001', hint = 'only a submitted handover is accepted';
  end if;
  perform tasking.lock_shifts(v_handover);

  for v_read_back in
    select r.patient_id, r.synthesis_enc
    from jsonb_to_recordset(p_read_backs) as r (patient_id uuid, synthesis_enc bytea)
    order by r.patient_id
  loop
    perform tasking.write_read_back(v_handover, v_read_back.patient_id, v_read_back.synthesis_enc);
  end loop;
  select p.patient_id into v_patient
  from tasking.handover_patients p
  where p.tenant_id = v_handover.tenant_id and p.handover_id = v_handover.id and p.read_back_at is null
  order by p.order_no
  limit 1;
  if found then
    raise exception 'patient % of handover % was not read back', v_patient, p_handover_id
      using errcode = 'IM751', hint = 'read every patient back, then accept';
  end if;

  v_moved := tasking.move_tasks(v_handover);
  update tasking.handovers h
  set status = 'accepted', accepted_at = now(), open_task_count = v_moved
  where h.tenant_id = v_handover.tenant_id and h.id = v_handover.id
  returning h.* into v_handover;
  return v_handover;
end
$$;

comment on function tasking.accept_handover(uuid, jsonb) is 'about=The receiver takes over: the open tasks of the handover''s patients and of the ward go to the receiving shift in the same transaction. p_read_backs: [{patient_id, synthesis_enc}] for patients not yet read back. Accepted once; asked again, the answer is the same. IM001 not submitted, IM005 no such handover, IM750 addressed to somebody else, IM751 a patient was not read back, IM752 a shift is closed.';

create or replace function tasking.move_tasks(p_handover tasking.handovers) returns int
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_task record;
  v_moved int := 0;
begin
  for v_task in
    select t.id, t.assigned_to
    from tasking.tasks t
    where
      t.tenant_id = p_handover.tenant_id and t.shift_id = p_handover.from_shift_id and t.deleted_at is null
      and t.status in ('pending', 'in_progress', 'on_hold', 'overdue', 'reopened')
      and (
        t.patient_id is null
        or t.patient_id in (
          select p.patient_id
          from tasking.handover_patients p
          where p.tenant_id = p_handover.tenant_id and p.handover_id = p_handover.id
        )
      )
    order by t.id
    for no key update of t
  loop
    update tasking.tasks t
    set
      shift_id = p_handover.to_shift_id, carried_from_handover_id = p_handover.id,
      -- what the giver had in hand is now in the receiver's; others of the giving shift go home
      assigned_to = case
        when v_task.assigned_to = p_handover.from_user_id then p_handover.to_user_id
        when v_task.assigned_to = p_handover.to_user_id then p_handover.to_user_id
      end
    where t.tenant_id = p_handover.tenant_id and t.id = v_task.id;
    v_moved := v_moved + 1;
  end loop;
  return v_moved;
end
$$;

comment on function tasking.move_tasks(tasking.handovers) is 'about=Gives the open tasks of a handover to its receiving shift, in the order of their ids, and returns how many. Tasks of the giver go to the receiver, tasks of others to nobody yet.';

create or replace function tasking.reject_handover(p_handover_id uuid, p_reason text) returns tasking.handovers
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_handover tasking.handovers := tasking.lock_addressed_handover(p_handover_id);
begin
  if v_handover.status = 'rejected' then
    return v_handover;
  end if;
  perform tasking.require_reason(p_reason, 'rejecting handover ' || p_handover_id);
  update tasking.handovers h
  set status = 'rejected', rejected_reason = p_reason
  where h.tenant_id = v_handover.tenant_id and h.id = v_handover.id
  returning h.* into v_handover;
  return v_handover;
end
$$;

comment on function tasking.reject_handover(uuid, text) is 'about=The receiver misses something: the giver revises it. IM001 not submitted, IM002 no reason, IM005 no such handover, IM750 addressed to somebody else.';

create or replace function tasking.complete_handover(p_handover_id uuid) returns tasking.handovers
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_handover tasking.handovers := tasking.lock_handover(p_handover_id);
begin
  if tasking.acting_user_id() not in (v_handover.from_user_id, v_handover.to_user_id) then
    raise exception 'handover % is between other users', p_handover_id
      using errcode = 'IM006', hint = 'giver or receiver closes it';
  end if;
  if v_handover.status = 'completed' then
    return v_handover;
  end if;
  update tasking.handovers h
  set status = 'completed', completed_at = now()
  where h.tenant_id = v_handover.tenant_id and h.id = v_handover.id
  returning h.* into v_handover;
  return v_handover;
end
$$;

comment on function tasking.complete_handover(uuid) is 'about=Giver or receiver: nothing is left to say. IM001 not accepted, IM005 no such handover, IM006 another user.';

create or replace function tasking.close_shift(p_shift_id uuid) returns workforce.shifts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_shift workforce.shifts;
begin
  select s.* into v_shift
  from workforce.shifts s
  where s.tenant_id = v_tenant and s.id = p_shift_id
  for no key update;
  if not found then
    raise exception 'shift % does not exist', p_shift_id
      using errcode = 'IM005', hint = 'choose a shift of the tenant';
  end if;
  if v_shift.status = 'closed' then
    return v_shift;
  end if;
  update workforce.shifts s
  set status = 'closed'
  where s.tenant_id = v_tenant and s.id = p_shift_id
  returning s.* into v_shift;
  return v_shift;
end
$$;

comment on function tasking.close_shift(uuid) is 'about=Ends a shift whose tasks are done or handed over. IM001 it is not open, IM005 no such shift, IM752 open tasks or a waiting handover.';

-- What of a row changes offline, and how it is read and written when a device sends an operation.
create or replace function tasking.fields_to_sync(p_entity_type text) returns text[]
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select case p_entity_type
    when 'tasks' then
      array[
        'title', 'description_enc', 'category', 'priority', 'assigned_to', 'due_at', 'status', 'cancel_reason'
      ]
    when 'handovers' then array['summary_enc', 'due_at']
    when 'handover_patients' then
      array[
        'illness_severity', 'patient_summary_enc', 'action_list', 'situation_awareness_enc', 'contingency_plan',
        'order_no'
      ]
    when 'emr_verifications' then array['resource_ref']
  end
$$;

comment on function tasking.fields_to_sync(text) is 'about=The fields of a table that a device may set offline; null for a table that is not synchronised.';

create or replace function tasking.is_guarded(p_field text) returns boolean
  language sql
  immutable
  parallel safe
return p_field in ('status', 'assigned_to');

comment on function tasking.is_guarded(text) is 'about=Fields of which two concurrent writes are not merged: a person decides.';

create or replace function tasking.sort_fields(
  p_row jsonb,
  p_patch jsonb,
  p_vector_clock jsonb,
  p_hlc text,
  out applied text[],
  out superseded text[],
  out conflicts text[]
) returns record
  language plpgsql
  immutable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_field record;
  v_clock jsonb;
  v_seen boolean;
begin
  applied := '{}';
  superseded := '{}';
  conflicts := '{}';
  for v_field in select * from jsonb_each(p_patch) as f (name, value) order by f.name loop
    v_clock := p_row -> 'field_clocks' -> v_field.name;
    v_seen := v_clock is null
      or coalesce((p_vector_clock ->> (v_clock ->> 'node'))::bigint, 0) >= (v_clock ->> 'seq')::bigint;
    if tasking.is_guarded(v_field.name) and not v_seen and p_row -> v_field.name <> v_field.value then
      conflicts := conflicts || v_field.name::text;
    elsif v_clock is null or p_hlc collate "C" > (v_clock ->> 'hlc') collate "C" then
      applied := applied || v_field.name::text;
    elsif p_row -> v_field.name <> v_field.value then
      superseded := superseded || v_field.name::text;
    end if;
  end loop;
end
$$;

comment on function tasking.sort_fields(jsonb, jsonb, jsonb, text) is 'about=Sorts the fields of a patch: applied are those that are later (HLC as text) than what the row holds, superseded those that are not, conflicts guarded fields whose last write the sender had not seen. A field that holds the value already is in none, unless the patch is later.';

create or replace function tasking.status_may_follow(p_task jsonb, p_status text) returns boolean
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select
    p_task ->> 'status' = p_status
    or (
      p_status in ('in_progress', 'on_hold', 'completed', 'cancelled', 'reopened')
      and (
        p_status <> 'completed' or not (p_task ->> 'requires_verification')::boolean
        or tasking.has_verification((p_task ->> 'tenant_id')::uuid, (p_task ->> 'id')::uuid)
      )
      and exists (
        select
        from core.transition_rules r
        where r.machine = 'tasking.tasks' and r.from_state = p_task ->> 'status' and r.to_state = p_status
      )
    )
$$;

comment on function tasking.status_may_follow(jsonb, text) is 'about=Whether a device may move a task to a state: a legal move that is no verification, and to completed only with the verification that the task requires.';

-- what comes with a move of a task, in the name of the user who is signed in on the device
create or replace function tasking.facts_of_move(p_task jsonb, p_status text, p_at timestamptz, p_user uuid) returns jsonb
  language sql
  immutable
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_task ->> 'status' = p_status then '{}'::jsonb
    when p_status = 'in_progress' and p_task ->> 'started_at' is null then jsonb_build_object('started_at', p_at)
    when p_status = 'completed' then jsonb_build_object('completed_at', p_at, 'completed_by', p_user)
    when p_status = 'reopened' then '{"completed_at": null, "completed_by": null}'
    else '{}'
  end
$$;

comment on function tasking.facts_of_move(jsonb, text, timestamptz, uuid) is 'about=The columns that a move of a task sets besides status, with their values.';

create or replace function tasking.write_fields(p_entity_type text, p_row jsonb, p_values jsonb) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_values ->> 'status' in ('on_hold', 'cancelled', 'reopened') and core.current_reason() is null then
    perform core.set_reason(coalesce(p_values ->> 'cancel_reason', 'changed offline'));
  end if;
  execute format(
    'update tasking.%1$I t set %2$s from jsonb_populate_record(null::tasking.%1$I, $1) as n where t.tenant_id = $2 and t.id = $3',
    p_entity_type,
    (select string_agg(format('%1$I = n.%1$I', k), ', ' order by k) from jsonb_object_keys(p_values) as k)
  )
  using p_values, (p_row ->> 'tenant_id')::uuid, (p_row ->> 'id')::uuid;
end
$$;

comment on function tasking.write_fields(text, jsonb, jsonb) is 'about=Sets columns of a row that the caller has locked to the values of a JSON object whose keys the caller has checked.';

create or replace function tasking.lock_entity(p_entity_type text, p_entity_id uuid) returns jsonb
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_row jsonb;
begin
  execute format(
    'select to_jsonb(t) from tasking.%I t where t.tenant_id = $1 and t.id = $2 for no key update', p_entity_type
  )
  into v_row
  using core.require_tenant(), p_entity_id;
  return v_row;
end
$$;

comment on function tasking.lock_entity(text, uuid) is 'about=A row of a synchronised table as JSON, locked until the transaction ends; null when there is none.';

create or replace function tasking.why_closed(p_entity_type text, p_row jsonb) returns text
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_status text := p_row ->> 'status';
begin
  if p_entity_type = 'handover_patients' then
    select h.status into v_status
    from tasking.handovers h
    where h.tenant_id = (p_row ->> 'tenant_id')::uuid and h.id = (p_row ->> 'handover_id')::uuid;
  end if;
  return case
    when p_row ->> 'deleted_at' is not null then 'it is deleted'
    when p_entity_type in ('handovers', 'handover_patients') and v_status not in ('draft', 'submitted') then
      'the handover is ' || v_status
    when p_entity_type = 'emr_verifications' and v_status in ('verified', 'rejected', 'expired') then
      'the verification is ' || v_status
  end;
end
$$;

comment on function tasking.why_closed(text, jsonb) is 'about=Why a row takes no change any more; null when it does.';

-- Changes made offline. A device sends an operation: which fields of which row it set, its clock, and what it had seen of the
-- row. Every field is merged on its own: the later write stands, equal times are decided by the node, so that all replicas
-- agree whatever the order of arrival. Where the device had not seen the last write of a guarded field (who does it, where
-- it stands), or the state machine has no such move, a person decides. Taking over a handover and verifying are facts that
-- the server decides; a device asks for them by their own operations. A handover is the giver's, offline too.
create or replace function tasking.create_task_offline(p_id uuid, p_patch jsonb, p_hlc_physical_us bigint, p_hlc_logical int, p_node text)
  returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_new tasking.tasks := jsonb_populate_record(null::tasking.tasks, p_patch);
  v_clock jsonb := jsonb_build_object('hlc', tasking.hlc_text(p_hlc_physical_us, p_hlc_logical, p_node), 'node', p_node, 'seq', 1);
begin
  insert into tasking.tasks (
    tenant_id, id, task_number, patient_id, encounter_id, department_id, shift_id, title, description_enc, category,
    priority, assigned_to, assigned_by, due_at, requires_verification, vector_clock, hlc_physical_us, hlc_logical,
    hlc_node, field_clocks
  )
  values (
    core.require_tenant(), p_id, core.next_default_number('task', '', 'TASK-{YY}-'), v_new.patient_id,
    v_new.encounter_id, v_new.department_id, v_new.shift_id, v_new.title, v_new.description_enc, v_new.category,
    coalesce(v_new.priority, 'medium'), v_new.assigned_to, tasking.acting_user_id(), v_new.due_at,
    coalesce(v_new.requires_verification, false), jsonb_build_object(p_node, 1), p_hlc_physical_us, p_hlc_logical,
    p_node,
    (
      select jsonb_object_agg(f, v_clock)
      from jsonb_object_keys(p_patch || '{"status": null}') as f
      where f not in ('status', 'cancel_reason') or not p_patch ? f -- those are merged after it
    )
  )
  on conflict (tenant_id, id) do nothing;
end
$$;

comment on function tasking.create_task_offline(uuid, jsonb, bigint, int, text) is 'about=Makes the pending task that a device made offline, with the clocks of that device, unless it is there. Where it moved since, tasking.merge_operation says.';

create or replace function tasking.check_giver(p_entity_type text, p_entity_id uuid) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_handover_id uuid;
begin
  case p_entity_type
    when 'handovers' then v_handover_id := p_entity_id;
    when 'handover_patients' then
      select p.handover_id into v_handover_id
      from tasking.handover_patients p
      where p.tenant_id = core.require_tenant() and p.id = p_entity_id;
    else return;
  end case;
  if v_handover_id is not null then
    perform tasking.lock_own_handover(v_handover_id);
  end if;
end
$$;

comment on function tasking.check_giver(text, uuid) is 'about=Locks the handover of a handover''s row, which the signed-in user must give. IM005 no such handover, IM006 another user gives it.';

create or replace function tasking.known_operation(p_operation tasking.sync_operations) returns tasking.sync_operations
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_known tasking.sync_operations;
begin
  select o.* into v_known
  from tasking.sync_operations o
  where
    o.tenant_id = core.require_tenant()
    and (
      o.op_id = p_operation.op_id
      or (
        o.node_id = p_operation.node_id and o.hlc_physical_us = p_operation.hlc_physical_us
        and o.hlc_logical = p_operation.hlc_logical
      )
    );
  if
    (v_known.op_id, v_known.entity_id, v_known.node_id)
    <> (p_operation.op_id, p_operation.entity_id, p_operation.node_id)
  then
    raise exception 'operation % was sent with other content', p_operation.op_id
      using errcode = 'IM011', hint = 'give every operation an id and a tick of the clock of its own';
  end if;
  return v_known;
end
$$;

comment on function tasking.known_operation(tasking.sync_operations) is 'about=The operation as it was merged before; null when it is new. IM011 the op_id or the tick was used for something else.';

create or replace function tasking.merge_operation(
  p_op_id uuid,
  p_node_id text,
  p_entity_type text,
  p_entity_id uuid,
  p_patch jsonb,
  p_patch_enc bytea,
  p_vector_clock jsonb,
  p_hlc_physical_us bigint,
  p_hlc_logical int
) returns tasking.sync_operations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_user uuid := tasking.acting_user_id();
  v_hlc text := tasking.hlc_text(p_hlc_physical_us, p_hlc_logical, p_node_id);
  v_now bigint := (extract(epoch from now()) * 1000000)::bigint;
  v_row jsonb;
  v_patch jsonb := p_patch;
  v_fields record;
  v_may_set text[] := tasking.fields_to_sync(p_entity_type);
  v_unknown text[];
  v_closed text;
  v_created boolean := false;
  v_operation tasking.sync_operations;
  v_known tasking.sync_operations;
begin
  if p_hlc_physical_us > v_now + 300000000 then
    raise exception 'the clock of node "%" is more than five minutes ahead', p_node_id
      using errcode = 'IM753', hint = 'set the clock of the device and send the operation again';
  end if;
  if v_may_set is null then
    raise exception 'table "%" is not synchronised', p_entity_type
      using errcode = '22023', hint = 'use tasks, handovers, handover_patients or emr_verifications';
  end if;

  perform tasking.check_giver(p_entity_type, p_entity_id);
  -- copies of an operation meet at the row that they change
  v_row := tasking.lock_entity(p_entity_type, p_entity_id);
  if v_row is null and p_entity_type = 'tasks' and p_patch ?& array['title', 'category', 'department_id'] then
    v_may_set := v_may_set || array['patient_id', 'encounter_id', 'department_id', 'shift_id', 'requires_verification'];
    if p_patch - v_may_set = '{}' then
      perform tasking.create_task_offline(p_entity_id, p_patch, p_hlc_physical_us, p_hlc_logical, p_node_id);
      v_row := tasking.lock_entity(p_entity_type, p_entity_id);
      v_created := v_row ->> 'hlc_node' = p_node_id;
      v_may_set := tasking.fields_to_sync(p_entity_type);
    end if;
  elsif v_row is null then
    raise exception '% % does not exist', p_entity_type, p_entity_id
      using errcode = 'IM005', hint = 'drop the operation: the row was never here';
  end if;
  v_operation.op_id := p_op_id;
  v_operation.node_id := p_node_id;
  v_operation.user_id := v_user;
  v_operation.entity_type := p_entity_type;
  v_operation.entity_id := p_entity_id;
  v_operation.patch_enc := p_patch_enc;
  v_operation.vector_clock := p_vector_clock;
  v_operation.hlc_physical_us := p_hlc_physical_us;
  v_operation.hlc_logical := p_hlc_logical;
  v_known := tasking.known_operation(v_operation);
  if v_known.id is not null then
    return v_known;
  end if;
  if v_created then -- the rest is in the row
    v_patch := p_patch - array(select jsonb_object_keys(v_row -> 'field_clocks'));
  end if;

  select array_agg(f order by f) into v_unknown
  from jsonb_object_keys(v_patch) as f
  where f <> all (v_may_set);
  v_closed := tasking.why_closed(p_entity_type, v_row);
  if v_unknown is not null or v_closed is not null then
    v_operation.outcome := 'rejected';
    v_operation.conflict_fields := v_unknown;
    v_operation.resolution := coalesce(v_closed, 'not to be changed offline');
    return tasking.log_operation(v_operation);
  end if;

  select * into v_fields from tasking.sort_fields(v_row, v_patch, p_vector_clock, v_hlc);
  if 'status' = any (v_fields.applied) and not tasking.status_may_follow(v_row, v_patch ->> 'status') then
    v_fields.applied := array_remove(v_fields.applied, 'status');
    v_fields.conflicts := v_fields.conflicts || 'status'::text;
  end if;
  -- a reason without its move says nothing
  if v_patch ->> 'status' = 'cancelled' and 'status' <> all (v_fields.applied) then
    v_fields.applied := array_remove(v_fields.applied, 'cancel_reason');
  end if;
  if v_fields.applied <> '{}' then
    perform tasking.write_merged(v_row, v_operation, v_patch, v_fields.applied);
  end if;
  v_operation.outcome := case
    when v_fields.conflicts <> '{}' then 'conflict'
    when v_created or v_fields.applied <> '{}' then 'applied'
    when v_fields.superseded <> '{}' then 'superseded'
    else 'duplicate'
  end;
  v_operation.conflict_fields := nullif(v_fields.conflicts, '{}');
  v_operation.applied_at := case when v_created or v_fields.applied <> '{}' then now() end;
  return tasking.log_operation(v_operation);
end
$$;

comment on function tasking.merge_operation(uuid, text, text, uuid, jsonb, bytea, jsonb, bigint, int) is 'about=Merges a change made offline, once: the same op_id gets the same answer. p_patch: the fields and values that the device set; p_patch_enc: the same, encrypted, for the log; p_vector_clock: what the device had seen of the row, this write included. A task that is not there is made from a patch with title, category and department_id, which may also name patient_id, encounter_id, shift_id and requires_verification, and is moved to its status. The outcome says what became of it, conflict_fields what a person decides. IM003 no tenant, IM005 no such row, IM006 nobody is signed in, or another user gives the handover, IM011 the op_id or the tick was used for something else, IM753 the clock of the device is ahead.';

create or replace function tasking.write_merged(
  p_row jsonb,
  p_operation tasking.sync_operations,
  p_patch jsonb,
  p_fields text[]
) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_now bigint := (extract(epoch from now()) * 1000000)::bigint;
  v_last bigint := greatest((p_row ->> 'hlc_physical_us')::bigint, p_operation.hlc_physical_us);
  v_logical int;
  v_values jsonb;
  v_clock jsonb := jsonb_build_object(
    'hlc', tasking.hlc_text(p_operation.hlc_physical_us, p_operation.hlc_logical, p_operation.node_id),
    'node', p_operation.node_id,
    'seq', coalesce((p_operation.vector_clock ->> p_operation.node_id)::bigint, 0)
  );
begin
  select jsonb_object_agg(f, p_patch -> f) into v_values from unnest(p_fields) as f;
  if 'status' = any (p_fields) then
    v_values := v_values || tasking.facts_of_move(
      p_row, p_patch ->> 'status', least(now(), to_timestamp(p_operation.hlc_physical_us / 1000000.0)),
      p_operation.user_id
    );
  end if;
  -- the row's clock passes both: max(now, row, device) + 1
  v_logical := case
    when v_now > v_last then 0
    else 1 + greatest(
      case when (p_row ->> 'hlc_physical_us')::bigint = v_last then (p_row ->> 'hlc_logical')::int end,
      case when p_operation.hlc_physical_us = v_last then p_operation.hlc_logical end
    )
  end;
  perform tasking.write_fields(
    p_operation.entity_type, p_row,
    v_values || jsonb_build_object(
      'hlc_physical_us', greatest(v_now, v_last), 'hlc_logical', v_logical, 'hlc_node', tasking.server_node(),
      'vector_clock', tasking.merge_vector_clocks(p_row -> 'vector_clock', p_operation.vector_clock),
      'field_clocks', p_row -> 'field_clocks' || (select jsonb_object_agg(f, v_clock) from unnest(p_fields) as f)
    )
  );
end
$$;

comment on function tasking.write_merged(jsonb, tasking.sync_operations, jsonb, text[]) is 'about=Writes the fields of an operation that stand, with their clocks; the clock of the row passes both its own and the device''s.';

create or replace function tasking.log_operation(p_operation tasking.sync_operations) returns tasking.sync_operations
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_operation tasking.sync_operations;
begin
  insert into tasking.sync_operations (
    tenant_id, op_id, node_id, user_id, entity_type, entity_id, patch_enc, vector_clock, hlc_physical_us, hlc_logical,
    applied_at, outcome, conflict_fields, resolved_by, resolution, resolves_id
  )
  values (
    core.require_tenant(), p_operation.op_id, p_operation.node_id, p_operation.user_id, p_operation.entity_type,
    p_operation.entity_id, p_operation.patch_enc, p_operation.vector_clock, p_operation.hlc_physical_us,
    p_operation.hlc_logical, p_operation.applied_at, p_operation.outcome, p_operation.conflict_fields,
    p_operation.resolved_by, p_operation.resolution, p_operation.resolves_id
  )
  on conflict do nothing -- a copy came at the same moment: without a row to change nothing made them meet
  returning * into v_operation;
  if found then
    return v_operation;
  end if;
  return tasking.known_operation(p_operation);
end
$$;

comment on function tasking.log_operation(tasking.sync_operations) is 'about=Writes the row of an operation, or returns the one of its copy. IM011 as tasking.known_operation.';

create or replace function tasking.resolve_conflict(
  p_operation_id uuid,
  p_values jsonb,
  p_values_enc bytea,
  p_resolution text
) returns tasking.sync_operations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_conflict tasking.sync_operations;
  v_row jsonb;
  v_values jsonb := p_values;
  v_decision tasking.sync_operations;
begin
  select o.* into v_conflict
  from tasking.sync_operations o
  where o.tenant_id = v_tenant and o.id = p_operation_id and o.outcome = 'conflict';
  if not found then
    raise exception 'conflict % does not exist', p_operation_id
      using errcode = 'IM005', hint = 'choose a row of tasking.open_conflicts';
  end if;
  v_row := tasking.lock_entity(v_conflict.entity_type, v_conflict.entity_id);
  select o.* into v_decision
  from tasking.sync_operations o
  where o.tenant_id = v_tenant and o.resolves_id = p_operation_id;
  if found then
    return v_decision;
  end if;
  perform tasking.require_reason(p_resolution, 'the decision on conflict ' || p_operation_id);
  if exists (select from jsonb_object_keys(p_values) as f where f <> all (v_conflict.conflict_fields)) then
    raise exception 'conflict % is about other fields', p_operation_id
      using errcode = '22023', hint = 'decide only on its conflict_fields; {} keeps what is there';
  end if;

  if p_values <> '{}' then
    if p_values ? 'status' then
      v_values := v_values || tasking.facts_of_move(v_row, p_values ->> 'status', now(), tasking.acting_user_id());
      if p_values ->> 'status' = 'cancelled' then
        v_values := v_values || jsonb_build_object('cancel_reason', p_resolution);
      end if;
    end if;
    perform tasking.write_fields(v_conflict.entity_type, v_row, v_values); -- a write of this server: the trigger keeps the clocks
  end if;
  v_row := tasking.lock_entity(v_conflict.entity_type, v_conflict.entity_id);
  v_decision.op_id := core.uuid_v7();
  v_decision.node_id := tasking.server_node();
  v_decision.user_id := tasking.acting_user_id();
  v_decision.entity_type := v_conflict.entity_type;
  v_decision.entity_id := v_conflict.entity_id;
  v_decision.patch_enc := p_values_enc;
  v_decision.vector_clock := v_row -> 'vector_clock';
  v_decision.hlc_physical_us := (extract(epoch from clock_timestamp()) * 1000000)::bigint;
  v_decision.hlc_logical := 0;
  v_decision.outcome := case when p_values = '{}' then 'superseded' else 'applied' end;
  v_decision.applied_at := case when p_values <> '{}' then now() end;
  v_decision.resolved_by := v_decision.user_id;
  v_decision.resolution := p_resolution;
  v_decision.resolves_id := p_operation_id;
  return tasking.log_operation(v_decision);
end
$$;

comment on function tasking.resolve_conflict(uuid, jsonb, bytea, text) is 'about=A person decides a conflict: p_values are the values of its conflict_fields that shall stand ({} keeps what is there), p_values_enc the same encrypted for the log. Decided once; asked again, the first decision is returned. IM001 the state machine has no such move, IM002 no p_resolution, IM005 no such conflict, IM006 nobody is signed in.';

-- soft references: functions

create or replace function compliance.breach_affected_persons_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.notification_id is distinct from old.notification_id then
    perform core.require_entity(new.tenant_id, 'communication.notifications', new.notification_id, 'breach_affected_persons_notification_fkey');
  end if;
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'breach_affected_persons_patient_fkey');
  end if;
  return null;
end
$$;

comment on function compliance.breach_affected_persons_check_references() is 'about=Of a new or changed row: what notification_id, patient_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger breach_affected_persons_new_references after insert on compliance.breach_affected_persons
  for each row execute function compliance.breach_affected_persons_check_references();

create or replace trigger breach_affected_persons_changed_references after update on compliance.breach_affected_persons
  for each row when (new.notification_id is distinct from old.notification_id or new.patient_id is distinct from old.patient_id)
  execute function compliance.breach_affected_persons_check_references();

create or replace function compliance.consents_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.contact_id is distinct from old.contact_id then
    perform core.require_entity(new.tenant_id, 'patient.patient_contacts', new.contact_id, 'consents_contact_fkey');
  end if;
  if new.document_id is distinct from old.document_id then
    perform core.require_entity(new.tenant_id, 'ehr.documents', new.document_id, 'consents_document_fkey');
  end if;
  if new.encounter_id is distinct from old.encounter_id then
    perform core.require_entity(new.tenant_id, 'clinical.encounters', new.encounter_id, 'consents_encounter_fkey');
  end if;
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'consents_patient_fkey');
  end if;
  return null;
end
$$;

comment on function compliance.consents_check_references() is 'about=Of a new or changed row: what contact_id, document_id, encounter_id, patient_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger consents_new_references after insert on compliance.consents
  for each row execute function compliance.consents_check_references();

create or replace trigger consents_changed_references after update on compliance.consents
  for each row when (new.contact_id is distinct from old.contact_id or new.document_id is distinct from old.document_id or new.encounter_id is distinct from old.encounter_id or new.patient_id is distinct from old.patient_id)
  execute function compliance.consents_check_references();

create or replace function compliance.data_principal_requests_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.handled_by is distinct from old.handled_by then
    perform core.require_entity(new.tenant_id, 'auth.users', new.handled_by, 'data_principal_requests_handled_by_fkey');
  end if;
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'data_principal_requests_patient_fkey');
  end if;
  if new.response_document_id is distinct from old.response_document_id then
    perform core.require_entity(new.tenant_id, 'ehr.documents', new.response_document_id, 'data_principal_requests_response_document_fkey');
  end if;
  return null;
end
$$;

comment on function compliance.data_principal_requests_check_references() is 'about=Of a new or changed row: what handled_by, patient_id, response_document_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger data_principal_requests_new_references after insert on compliance.data_principal_requests
  for each row execute function compliance.data_principal_requests_check_references();

create or replace trigger data_principal_requests_changed_references after update on compliance.data_principal_requests
  for each row when (new.handled_by is distinct from old.handled_by or new.patient_id is distinct from old.patient_id or new.response_document_id is distinct from old.response_document_id)
  execute function compliance.data_principal_requests_check_references();

create or replace function compliance.data_processors_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.api_client_id is distinct from old.api_client_id then
    perform core.require_entity(new.tenant_id, 'auth.api_clients', new.api_client_id, 'data_processors_api_client_fkey');
  end if;
  if new.contract_document_id is distinct from old.contract_document_id then
    perform core.require_entity(new.tenant_id, 'ehr.documents', new.contract_document_id, 'data_processors_contract_document_fkey');
  end if;
  return null;
end
$$;

comment on function compliance.data_processors_check_references() is 'about=Of a new or changed row: what api_client_id, contract_document_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger data_processors_new_references after insert on compliance.data_processors
  for each row execute function compliance.data_processors_check_references();

create or replace trigger data_processors_changed_references after update on compliance.data_processors
  for each row when (new.api_client_id is distinct from old.api_client_id or new.contract_document_id is distinct from old.contract_document_id)
  execute function compliance.data_processors_check_references();

create or replace function compliance.incidents_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.department_id is distinct from old.department_id then
    perform core.require_entity(new.tenant_id, 'facility.departments', new.department_id, 'incidents_department_fkey');
  end if;
  if new.encounter_id is distinct from old.encounter_id then
    perform core.require_entity(new.tenant_id, 'clinical.encounters', new.encounter_id, 'incidents_encounter_fkey');
  end if;
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'incidents_patient_fkey');
  end if;
  return null;
end
$$;

comment on function compliance.incidents_check_references() is 'about=Of a new or changed row: what department_id, encounter_id, patient_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger incidents_new_references after insert on compliance.incidents
  for each row execute function compliance.incidents_check_references();

create or replace trigger incidents_changed_references after update on compliance.incidents
  for each row when (new.department_id is distinct from old.department_id or new.encounter_id is distinct from old.encounter_id or new.patient_id is distinct from old.patient_id)
  execute function compliance.incidents_check_references();

create or replace function compliance.legal_holds_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'legal_holds_patient_fkey');
  end if;
  if new.placed_by is distinct from old.placed_by then
    perform core.require_entity(new.tenant_id, 'auth.users', new.placed_by, 'legal_holds_placed_by_fkey');
  end if;
  if new.released_by is distinct from old.released_by then
    perform core.require_entity(new.tenant_id, 'auth.users', new.released_by, 'legal_holds_released_by_fkey');
  end if;
  return null;
end
$$;

comment on function compliance.legal_holds_check_references() is 'about=Of a new or changed row: what patient_id, placed_by, released_by name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger legal_holds_new_references after insert on compliance.legal_holds
  for each row execute function compliance.legal_holds_check_references();

create or replace trigger legal_holds_changed_references after update on compliance.legal_holds
  for each row when (new.patient_id is distinct from old.patient_id or new.placed_by is distinct from old.placed_by or new.released_by is distinct from old.released_by)
  execute function compliance.legal_holds_check_references();

create or replace function tasking.emr_verifications_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.emr_connection_id is distinct from old.emr_connection_id then
    perform core.require_entity(new.tenant_id, 'interop.emr_connections', new.emr_connection_id, 'emr_verifications_emr_connection_fkey');
  end if;
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'emr_verifications_patient_fkey');
  end if;
  if new.verified_by is distinct from old.verified_by then
    perform core.require_entity(new.tenant_id, 'auth.users', new.verified_by, 'emr_verifications_verified_by_fkey');
  end if;
  return null;
end
$$;

comment on function tasking.emr_verifications_check_references() is 'about=Of a new or changed row: what emr_connection_id, patient_id, verified_by name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger emr_verifications_new_references after insert on tasking.emr_verifications
  for each row execute function tasking.emr_verifications_check_references();

create or replace trigger emr_verifications_changed_references after update on tasking.emr_verifications
  for each row when (new.emr_connection_id is distinct from old.emr_connection_id or new.patient_id is distinct from old.patient_id or new.verified_by is distinct from old.verified_by)
  execute function tasking.emr_verifications_check_references();

create or replace function tasking.handover_patients_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.bed_id is distinct from old.bed_id then
    perform core.require_entity(new.tenant_id, 'facility.beds', new.bed_id, 'handover_patients_bed_fkey');
  end if;
  if new.encounter_id is distinct from old.encounter_id then
    perform core.require_entity(new.tenant_id, 'clinical.encounters', new.encounter_id, 'handover_patients_encounter_fkey');
  end if;
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'handover_patients_patient_fkey');
  end if;
  if new.read_back_by is distinct from old.read_back_by then
    perform core.require_entity(new.tenant_id, 'auth.users', new.read_back_by, 'handover_patients_read_back_by_fkey');
  end if;
  return null;
end
$$;

comment on function tasking.handover_patients_check_references() is 'about=Of a new or changed row: what bed_id, encounter_id, patient_id, read_back_by name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger handover_patients_new_references after insert on tasking.handover_patients
  for each row execute function tasking.handover_patients_check_references();

create or replace trigger handover_patients_changed_references after update on tasking.handover_patients
  for each row when (new.bed_id is distinct from old.bed_id or new.encounter_id is distinct from old.encounter_id or new.patient_id is distinct from old.patient_id or new.read_back_by is distinct from old.read_back_by)
  execute function tasking.handover_patients_check_references();

create or replace function tasking.handovers_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.department_id is distinct from old.department_id then
    perform core.require_entity(new.tenant_id, 'facility.departments', new.department_id, 'handovers_department_fkey');
  end if;
  if new.from_user_id is distinct from old.from_user_id then
    perform core.require_entity(new.tenant_id, 'auth.users', new.from_user_id, 'handovers_from_user_fkey');
  end if;
  if new.to_user_id is distinct from old.to_user_id then
    perform core.require_entity(new.tenant_id, 'auth.users', new.to_user_id, 'handovers_to_user_fkey');
  end if;
  return null;
end
$$;

comment on function tasking.handovers_check_references() is 'about=Of a new or changed row: what department_id, from_user_id, to_user_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger handovers_new_references after insert on tasking.handovers
  for each row execute function tasking.handovers_check_references();

create or replace trigger handovers_changed_references after update on tasking.handovers
  for each row when (new.department_id is distinct from old.department_id or new.from_user_id is distinct from old.from_user_id or new.to_user_id is distinct from old.to_user_id)
  execute function tasking.handovers_check_references();

create or replace function tasking.sync_operations_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.resolved_by is distinct from old.resolved_by then
    perform core.require_entity(new.tenant_id, 'auth.users', new.resolved_by, 'sync_operations_resolved_by_fkey');
  end if;
  if new.user_id is distinct from old.user_id then
    perform core.require_entity(new.tenant_id, 'auth.users', new.user_id, 'sync_operations_user_fkey');
  end if;
  return null;
end
$$;

comment on function tasking.sync_operations_check_references() is 'about=Of a new or changed row: what resolved_by, user_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger sync_operations_new_references after insert on tasking.sync_operations
  for each row execute function tasking.sync_operations_check_references();

create or replace trigger sync_operations_changed_references after update on tasking.sync_operations
  for each row when (new.resolved_by is distinct from old.resolved_by or new.user_id is distinct from old.user_id)
  execute function tasking.sync_operations_check_references();

create or replace function tasking.tasks_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.assigned_by is distinct from old.assigned_by then
    perform core.require_entity(new.tenant_id, 'auth.users', new.assigned_by, 'tasks_assigned_by_fkey');
  end if;
  if new.assigned_to is distinct from old.assigned_to then
    perform core.require_entity(new.tenant_id, 'auth.users', new.assigned_to, 'tasks_assigned_to_fkey');
  end if;
  if new.completed_by is distinct from old.completed_by then
    perform core.require_entity(new.tenant_id, 'auth.users', new.completed_by, 'tasks_completed_by_fkey');
  end if;
  if new.department_id is distinct from old.department_id then
    perform core.require_entity(new.tenant_id, 'facility.departments', new.department_id, 'tasks_department_fkey');
  end if;
  if new.encounter_id is distinct from old.encounter_id then
    perform core.require_entity(new.tenant_id, 'clinical.encounters', new.encounter_id, 'tasks_encounter_fkey');
  end if;
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'tasks_patient_fkey');
  end if;
  return null;
end
$$;

comment on function tasking.tasks_check_references() is 'about=Of a new or changed row: what assigned_by, assigned_to, completed_by, department_id, encounter_id, patient_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger tasks_new_references after insert on tasking.tasks
  for each row execute function tasking.tasks_check_references();

create or replace trigger tasks_changed_references after update on tasking.tasks
  for each row when (new.assigned_by is distinct from old.assigned_by or new.assigned_to is distinct from old.assigned_to or new.completed_by is distinct from old.completed_by or new.department_id is distinct from old.department_id or new.encounter_id is distinct from old.encounter_id or new.patient_id is distinct from old.patient_id)
  execute function tasking.tasks_check_references();

create or replace function workforce.shifts_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.department_id is distinct from old.department_id then
    perform core.require_entity(new.tenant_id, 'facility.departments', new.department_id, 'shifts_department_fkey');
  end if;
  if new.location_id is distinct from old.location_id then
    perform core.require_entity(new.tenant_id, 'facility.locations', new.location_id, 'shifts_location_fkey');
  end if;
  return null;
end
$$;

comment on function workforce.shifts_check_references() is 'about=Of a new or changed row: what department_id, location_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger shifts_new_references after insert on workforce.shifts
  for each row execute function workforce.shifts_check_references();

create or replace trigger shifts_changed_references after update on workforce.shifts
  for each row when (new.department_id is distinct from old.department_id or new.location_id is distinct from old.location_id)
  execute function workforce.shifts_check_references();

create or replace function workforce.staff_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.department_id is distinct from old.department_id then
    perform core.require_entity(new.tenant_id, 'facility.departments', new.department_id, 'staff_department_fkey');
  end if;
  if new.user_id is distinct from old.user_id then
    perform core.require_entity(new.tenant_id, 'auth.users', new.user_id, 'staff_user_fkey');
  end if;
  return null;
end
$$;

comment on function workforce.staff_check_references() is 'about=Of a new or changed row: what department_id, user_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger staff_new_references after insert on workforce.staff
  for each row execute function workforce.staff_check_references();

create or replace trigger staff_changed_references after update on workforce.staff
  for each row when (new.department_id is distinct from old.department_id or new.user_id is distinct from old.user_id)
  execute function workforce.staff_check_references();

create or replace function workforce.staff_credentials_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.document_id is distinct from old.document_id then
    perform core.require_entity(new.tenant_id, 'ehr.documents', new.document_id, 'staff_credentials_document_fkey');
  end if;
  return null;
end
$$;

comment on function workforce.staff_credentials_check_references() is 'about=Of a new or changed row: what document_id names must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger staff_credentials_new_references after insert on workforce.staff_credentials
  for each row execute function workforce.staff_credentials_check_references();

create or replace trigger staff_credentials_changed_references after update on workforce.staff_credentials
  for each row when (new.document_id is distinct from old.document_id)
  execute function workforce.staff_credentials_check_references();

-- announcements: functions

create or replace function compliance.consents_announce() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' then
    perform core.announce_entity(old.tenant_id, 'compliance.consents', old.id, 'deleted', '{}', 'deleted');
  else
    perform core.announce_entity(new.tenant_id, 'compliance.consents', new.id, 'active', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('patient_id', new.patient_id, 'kind', new.kind, 'decision', new.decision, 'status', new.status, 'given_at', new.given_at, 'expires_at', new.expires_at, 'withdrawn_at', new.withdrawn_at, 'encounter_id', new.encounter_id)), case tg_op when 'INSERT' then 'created' else 'updated' end);
  end if;
  return null;
end
$$;

comment on function compliance.consents_announce() is 'about=Tells the services that refer to compliance.consents of a row that is new, changed in what is published of it (patient_id, kind, decision, status, given_at, expires_at, withdrawn_at, encounter_id), or gone.';

create or replace trigger consents_announce after insert or delete on compliance.consents
  for each row execute function compliance.consents_announce();

create or replace trigger consents_announce_update after update on compliance.consents
  for each row when (new.patient_id is distinct from old.patient_id or new.kind is distinct from old.kind or new.decision is distinct from old.decision or new.status is distinct from old.status or new.given_at is distinct from old.given_at or new.expires_at is distinct from old.expires_at or new.withdrawn_at is distinct from old.withdrawn_at or new.encounter_id is distinct from old.encounter_id)
  execute function compliance.consents_announce();

create or replace function compliance.incidents_announce() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' then
    perform core.announce_entity(old.tenant_id, 'compliance.incidents', old.id, 'deleted', '{}', 'deleted');
  else
    perform core.announce_entity(new.tenant_id, 'compliance.incidents', new.id, 'active', '{}'::jsonb, case tg_op when 'INSERT' then 'created' else 'updated' end);
  end if;
  return null;
end
$$;

comment on function compliance.incidents_announce() is 'about=Tells the services that refer to compliance.incidents of a row that is new, changed in what is published of it (its id), or gone.';

create or replace trigger incidents_announce after insert or delete on compliance.incidents
  for each row execute function compliance.incidents_announce();

create or replace function compliance.legal_holds_announce() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' then
    perform core.announce_entity(old.tenant_id, 'compliance.legal_holds', old.id, 'deleted', '{}', 'deleted');
  else
    perform core.announce_entity(new.tenant_id, 'compliance.legal_holds', new.id, 'active', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('scope', new.scope, 'patient_id', new.patient_id, 'status', new.status)), case tg_op when 'INSERT' then 'created' else 'updated' end);
  end if;
  return null;
end
$$;

comment on function compliance.legal_holds_announce() is 'about=Tells the services that refer to compliance.legal_holds of a row that is new, changed in what is published of it (scope, patient_id, status), or gone.';

create or replace trigger legal_holds_announce after insert or delete on compliance.legal_holds
  for each row execute function compliance.legal_holds_announce();

create or replace trigger legal_holds_announce_update after update on compliance.legal_holds
  for each row when (new.scope is distinct from old.scope or new.patient_id is distinct from old.patient_id or new.status is distinct from old.status)
  execute function compliance.legal_holds_announce();

create or replace function workforce.doctors_announce() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' then
    perform core.announce_entity(old.tenant_id, 'workforce.doctors', old.id, 'deleted', '{}', 'deleted');
  else
    perform core.announce_entity(new.tenant_id, 'workforce.doctors', new.id, case when new.deleted_at is null then 'active' else 'deleted' end, pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('staff_id', new.staff_id, 'registration_valid_to', new.registration_valid_to, 'deleted_at', new.deleted_at)), case tg_op when 'INSERT' then 'created' else 'updated' end);
  end if;
  return null;
end
$$;

comment on function workforce.doctors_announce() is 'about=Tells the services that refer to workforce.doctors of a row that is new, changed in what is published of it (staff_id, registration_valid_to), or gone.';

create or replace trigger doctors_announce after insert or delete on workforce.doctors
  for each row execute function workforce.doctors_announce();

create or replace trigger doctors_announce_update after update on workforce.doctors
  for each row when (new.staff_id is distinct from old.staff_id or new.registration_valid_to is distinct from old.registration_valid_to or new.deleted_at is distinct from old.deleted_at)
  execute function workforce.doctors_announce();

create or replace function workforce.staff_announce() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' then
    perform core.announce_entity(old.tenant_id, 'workforce.staff', old.id, 'deleted', '{}', 'deleted');
  else
    perform core.announce_entity(new.tenant_id, 'workforce.staff', new.id, case when new.deleted_at is null then 'active' else 'deleted' end, pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('user_id', new.user_id, 'status', new.status, 'department_id', new.department_id, 'deleted_at', new.deleted_at)), case tg_op when 'INSERT' then 'created' else 'updated' end);
  end if;
  return null;
end
$$;

comment on function workforce.staff_announce() is 'about=Tells the services that refer to workforce.staff of a row that is new, changed in what is published of it (user_id, status, department_id), or gone.';

create or replace trigger staff_announce after insert or delete on workforce.staff
  for each row execute function workforce.staff_announce();

create or replace trigger staff_announce_update after update on workforce.staff
  for each row when (new.user_id is distinct from old.user_id or new.status is distinct from old.status or new.department_id is distinct from old.department_id or new.deleted_at is distinct from old.deleted_at)
  execute function workforce.staff_announce();

create or replace function workforce.staff_credentials_announce() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' then
    perform core.announce_entity(old.tenant_id, 'workforce.staff_credentials', old.id, 'deleted', '{}', 'deleted');
  else
    perform core.announce_entity(new.tenant_id, 'workforce.staff_credentials', new.id, 'active', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('staff_id', new.staff_id, 'kind', new.kind, 'status', new.status, 'valid_during', new.valid_during)), case tg_op when 'INSERT' then 'created' else 'updated' end);
  end if;
  return null;
end
$$;

comment on function workforce.staff_credentials_announce() is 'about=Tells the services that refer to workforce.staff_credentials of a row that is new, changed in what is published of it (staff_id, kind, status, valid_during), or gone.';

create or replace trigger staff_credentials_announce after insert or delete on workforce.staff_credentials
  for each row execute function workforce.staff_credentials_announce();

create or replace trigger staff_credentials_announce_update after update on workforce.staff_credentials
  for each row when (new.staff_id is distinct from old.staff_id or new.kind is distinct from old.kind or new.status is distinct from old.status or new.valid_during is distinct from old.valid_during)
  execute function workforce.staff_credentials_announce();


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

-- compliance: views

-- Every clock that runs, so that one list shows what is late and what will be.
create or replace view compliance.clocks_due with (security_invoker = true) as
select c.tenant_id, c.clock, c.subject_table, c.subject_id, c.number, c.due_at, c.due_at < now() as overdue
from (
  select r.tenant_id, 'request: ' || r.kind as clock, 'data_principal_requests' as subject_table, r.id as subject_id,
    r.request_number as number, r.due_at
  from compliance.data_principal_requests r
  where r.status not in ('completed', 'rejected')
  union all
  select b.tenant_id, 'breach: CERT-In', 'breaches', b.id, b.breach_number, b.cert_in_due_at
  from compliance.breaches b
  where b.status <> 'closed' and b.cert_in_reported_at is null
  union all
  select b.tenant_id, 'breach: Board, first report', 'breaches', b.id, b.breach_number, b.discovered_at
  from compliance.breaches b
  where b.status <> 'closed' and b.board_initial_at is null
  union all
  select b.tenant_id, 'breach: Board, details', 'breaches', b.id, b.breach_number, b.board_due_at
  from compliance.breaches b
  where b.status <> 'closed' and b.board_detailed_at is null
  union all
  select b.tenant_id, 'breach: persons', 'breaches', b.id, b.breach_number, b.board_due_at
  from compliance.breaches b
  where b.status <> 'closed' and b.principals_notified_at is null
  union all
  select i.tenant_id, 'incident: action', 'incidents', i.id, i.incident_number,
    (i.capa_due_on + 1)::timestamp at time zone (select core.tenant_zone())
  from compliance.incidents i
  where i.status = 'action_planned'
  union all
  select p.tenant_id, 'processor: contract', 'data_processors', p.id, p.name,
    (p.expires_on + 1)::timestamp at time zone (select core.tenant_zone())
  from compliance.data_processors p
  where p.status in ('active', 'expired') and p.expires_on is not null
) as c;

comment on view compliance.clocks_due is 'about=Clocks that run: requests of persons, reports of breaches, planned actions of incidents, contracts of processors; with the instant they run out and whether that has passed. The Board is to be told of a breach without delay, so that clock is overdue from the start.';

-- tasking: views

-- What devices sent and nobody could merge.
create or replace view tasking.open_conflicts with (security_invoker = true) as
select o.tenant_id, o.id, o.op_id, o.node_id, o.user_id, o.entity_type, o.entity_id, o.conflict_fields, o.patch_enc, o.received_at
from tasking.sync_operations o
where
  o.outcome = 'conflict'
  and not exists (
    select from tasking.sync_operations d where d.tenant_id = o.tenant_id and d.resolves_id = o.id
  );

comment on view tasking.open_conflicts is 'about=Conflicts of offline changes that wait for a person: see tasking.resolve_conflict.';

-- Reporting on verification in EMRs. A materialized view has no policies, so this one is granted to nobody: its reader is a
-- function that adds the tenant. It is filled tenant by tenant, under the policies of the table; where only signed contexts
-- work, nobody can sign one for each tenant here, and the owner looks past the policies while nobody else is at the table.
create or replace function tasking.active_tenant_ids() returns setof uuid
  language sql
  stable
  security definer -- belongs to imhotep_platform, which alone sees all tenants
  set search_path = pg_catalog, pg_temp
as $$ select t from core.active_tenants() as t $$;

comment on function tasking.active_tenant_ids() is 'about=Ids of all active tenants, for the job that refreshes reports over them; no service may call it.';

create or replace function tasking.verification_facts()
  returns table (
    tenant_id uuid, day date, emr_system core.emr_system, status tasking.verification_status, verifications bigint,
    attempts bigint, minutes_to_verify numeric
  )
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_before text := coalesce(current_setting('app.tenant_id', true), '');
  v_tenant uuid;
begin
  for v_tenant in select * from tasking.active_tenant_ids() loop
    if not core.context_is_signed() then
      perform set_config('app.tenant_id', v_tenant::text, true);
    end if;
    return query
      select
        v.tenant_id, (v.created_at at time zone 'UTC')::date, v.emr_system, v.status, count(*), sum(v.attempts),
        round(avg(extract(epoch from v.verified_at - v.created_at) / 60), 1)
      from tasking.emr_verifications v
      where v.tenant_id = v_tenant
      group by 1, 2, 3, 4;
  end loop;
  if not core.context_is_signed() then
    perform set_config('app.tenant_id', v_before, true);
  end if;
end
$$;

comment on function tasking.verification_facts() is 'about=Verifications per tenant, day (UTC) of their opening, EMR and state.';

create materialized view if not exists tasking.emr_verification_report as
select f.tenant_id, f.day, f.emr_system, f.status, f.verifications, f.attempts, f.minutes_to_verify
from tasking.verification_facts() as f
with no data;

create unique index if not exists emr_verification_report_key on tasking.emr_verification_report (tenant_id, day, emr_system, status);

comment on materialized view tasking.emr_verification_report is 'about=Verifications per tenant, day, EMR and state, as of the last tasking.refresh_emr_verification_report; read it by tasking.emr_verification_summary.';

create or replace function tasking.refresh_emr_verification_report() returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '2s'
as $$
begin
  if core.context_is_signed() then -- a rollback takes it back
    alter table tasking.emr_verifications no force row level security;
  end if;
  if (select c.relispopulated from pg_class c where c.oid = 'tasking.emr_verification_report'::regclass) then
    refresh materialized view concurrently tasking.emr_verification_report;
  else
    refresh materialized view tasking.emr_verification_report;
  end if;
  if core.context_is_signed() then
    alter table tasking.emr_verifications force row level security;
  end if;
end
$$;

comment on function tasking.refresh_emr_verification_report() is 'about=Job of imhotep_platform: brings the report up to date for all tenants; its readers are not blocked. Where only signed contexts work, verifications wait meanwhile; 55P03 after 2 s behind others, then ask again.';

create or replace function tasking.emr_verification_summary(p_from date, p_to date)
  returns table (
    day date, emr_system core.emr_system, status tasking.verification_status, verifications bigint, attempts bigint,
    minutes_to_verify numeric
  )
  language plpgsql
  stable
  security definer -- the predicate on the tenant is the policy here
  set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select r.day, r.emr_system, r.status, r.verifications, r.attempts, r.minutes_to_verify
    from tasking.emr_verification_report r
    where r.tenant_id = core.require_tenant() and r.day >= p_from and r.day < p_to
    order by r.day, r.emr_system, r.status;
end
$$;

comment on function tasking.emr_verification_summary(date, date) is 'about=The tenant''s verifications per day from p_from to before p_to, EMR and state, with attempts and the mean minutes until they were verified, as of the last refresh. IM003 no tenant.';


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

-- From here on business_owner owns the module.
select core.hand_over('workforce', 'business');

-- operations of every service act in the name of the person who is signed in
grant usage on schema workforce to kernel_app;
grant execute on function workforce.acting_staff_id(), workforce.acting_doctor_id() to kernel_app;

-- compliance: grants

-- The module belongs to business_owner, as workforce and tasking do. Its operations read and change a few columns of others:
-- what an erasure replaces, what a withdrawal stops.
select core.hand_over('compliance', 'business');

-- the log is read by audit_reader alone
alter function compliance.disclosure_accounting(uuid, timestamptz, timestamptz) owner to audit_reader;

select core.ensure_partitions('compliance.compliance_checks', 'month', 1);
grant execute on function patient.ids_of(uuid[]) to business_owner, audit_reader;
grant execute on function core.retire_key(text), core.shred_key(text, text) to business_owner;

-- retention counts from the last row of a record, in whichever table that is: when it was written and for whom, nothing else
do $$
declare
  v_reference record;
begin
  for v_reference in
    select r.schema_name, r.table_name, string_agg(distinct quote_ident(r.column_name), ', ') as columns
    from compliance.person_references r
    where r.found_by = 'patient' and r.retention = 'medical_record' and r.schema_name not in ('compliance', 'patient')
    group by r.schema_name, r.table_name
  loop
    execute format('grant usage on schema %I to business_owner', v_reference.schema_name);
    execute format(
      'grant select (tenant_id, created_at, %s) on %I.%I to business_owner', v_reference.columns,
      v_reference.schema_name, v_reference.table_name
    );
  end loop;
end
$$;

grant select on compliance.clocks_due, compliance.person_references to business_app, business_ro;

-- other services ask before they erase, and before they use data
grant usage on schema compliance to kernel_app;
grant execute on function
  compliance.is_under_hold(text, text, uuid, uuid),
  compliance.active_consent(uuid, text, text)
to kernel_app;
-- so does the kernel before it drops a month of the logs
grant usage on schema compliance to kernel_owner;
grant execute on function compliance.tenants_under_hold() to kernel_owner;

-- read by generated columns and by functions that run as their caller
grant execute on function
  compliance.text_hash(text),
  compliance.rows_of_person(compliance.person_references, uuid, uuid[], jsonb, jsonb),
  compliance.find_person(uuid, uuid[])
to public;
grant execute on function
  compliance.publish_notice(text, text, text[], text[], text, text, text, int, timestamptz),
  compliance.open_request(text, text, text, bytea, uuid, text, timestamptz, uuid),
  compliance.begin_request_check(uuid),
  compliance.confirm_requester(uuid, uuid),
  compliance.hold_request(uuid, text),
  compliance.reject_request(uuid, text),
  compliance.complete_request(uuid, text, text, uuid),
  compliance.escalate_request(uuid),
  compliance.open_breach(text, text[], text[], timestamptz, int, timestamptz, timestamptz, text, uuid, uuid),
  compliance.add_affected_person(uuid, uuid, text[], text),
  compliance.record_person_notice(uuid, uuid, boolean),
  compliance.contain_breach(uuid, text),
  compliance.record_breach_report(uuid, text, timestamptz),
  compliance.close_breach(uuid, text, text),
  compliance.place_hold(text, uuid, jsonb, text, uuid),
  compliance.release_hold(uuid, text),
  compliance.set_retention(text, interval, text, text, text, text, text, int),
  compliance.add_processor(text, text, text[], text, text, jsonb, uuid),
  compliance.activate_processor(uuid, uuid, date, date),
  compliance.review_processor(uuid),
  compliance.terminate_processor(uuid, text),
  compliance.expire_processors(int),
  compliance.report_incident(text, uuid, text, bytea, timestamptz, boolean, uuid, uuid, text, uuid, text, uuid),
  compliance.review_incident(uuid, jsonb),
  compliance.reject_incident(uuid, text),
  compliance.plan_incident_action(uuid, text, uuid, date, text),
  compliance.finish_incident_action(uuid, date),
  compliance.close_incident(uuid, text, text),
  compliance.reopen_incident(uuid, text),
  compliance.record_check(text, text, jsonb, text, text, uuid, text, text, bytea, text, timestamptz),
  compliance.disclosure_accounting(uuid, timestamptz, timestamptz),
  compliance.export_person(uuid)
to business_app;

-- tasking: grants

-- The module belongs to business_owner, as workforce and compliance do. Its operations read a few columns of other services.
select core.hand_over('tasking', 'business');

-- lists the tenants, which no service may: ids only, and only for the refresh of reports
alter function tasking.active_tenant_ids() owner to imhotep_platform;
grant usage on schema tasking to imhotep_platform;
grant execute on function tasking.active_tenant_ids() to business_owner;
grant execute on function tasking.refresh_emr_verification_report() to imhotep_platform;
grant select on tasking.open_conflicts to business_app, business_ro;

grant execute on function
  tasking.create_task(
    uuid, text, text, tasking.task_priority, uuid, uuid, uuid, uuid, timestamptz, boolean, bytea, text, uuid, uuid
  ),
  tasking.assign_task(uuid, uuid),
  tasking.start_task(uuid),
  tasking.hold_task(uuid, text),
  tasking.complete_task(uuid),
  tasking.verify_task(uuid),
  tasking.reopen_task(uuid, text),
  tasking.cancel_task(uuid, text),
  tasking.mark_overdue_tasks(int),
  tasking.open_verification(uuid, core.emr_system, text, text, jsonb, uuid, uuid),
  tasking.begin_verification(uuid),
  tasking.record_verification(uuid, jsonb, text),
  tasking.fail_verification(uuid, text, interval),
  tasking.repeat_verifications(int),
  tasking.decide_verification(uuid, boolean, text),
  tasking.draft_handover(uuid, uuid, uuid, timestamptz, bytea, uuid),
  tasking.cancel_handover(uuid, text),
  tasking.revise_handover(uuid),
  tasking.read_back(uuid, uuid, bytea),
  tasking.accept_handover(uuid, jsonb),
  tasking.reject_handover(uuid, text),
  tasking.complete_handover(uuid),
  tasking.close_shift(uuid),
  tasking.merge_operation(uuid, text, text, uuid, jsonb, bytea, jsonb, bigint, int),
  tasking.resolve_conflict(uuid, jsonb, bytea, text),
  tasking.emr_verification_summary(date, date)
to business_app;

-- other services: grants

select core.hand_over('patient', 'business');

grant usage on schema patient to kernel_owner;

grant select on
  patient.patients
to business_app, business_ro, kernel_owner;

select core.close_database('business');
