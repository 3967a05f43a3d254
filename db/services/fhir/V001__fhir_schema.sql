-- Database of the service fhir: fhir, abdm, and the kernel.
--
-- Built from the modules by `imhotep bundle --topology services`. Do not edit: change a module and build again.
-- Repeatable: a second run changes nothing. One transaction: psql -1 -f, or one simple query.
--
-- Order: foundations (schemas, roles, types, functions that tables need), tables with their foreign keys to tables above
-- them, all other foreign keys, functions, views, grants; in each part the modules in the order in which they need each other:
--   core   Kernel installed in every service database: tenancy, context, numbering, idempotency, outbox, crypto, settings, state-machine rules.
--   audit  Append-only evidence: who did and who saw what. Partitioned, sealed in the background.
--   fhir   Terminology and versioned FHIR resources.
--   abdm   Ayushman Bharat Digital Mission: M1 ABHA, M2 care contexts, M3 consented exchange.

set local client_min_messages = warning;
set local check_function_bodies = off;


-- =====================================================================================================================
-- FOUNDATION
-- =====================================================================================================================

-- other services: foundation

create schema if not exists clinical;

comment on schema clinical is 'owner=clinical;about=What is kept here of the service clinical: views of what it publishes, functions that read them.';

create schema if not exists compliance;

comment on schema compliance is 'owner=business;about=What is kept here of the service business: views of what it publishes, functions that read them.';

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

-- patient: foundation

-- Functions that the tables need: the sound key of names, and the rules that a CHECK cannot hold because they depend on
-- the day or on settings.
create or replace function patient.name_key(p_name text) returns text
  language plpgsql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_key text;
begin
  select string_agg(t.sound, ' ' order by t.sound collate "C") into v_key
  from (
    -- all vowels but the first go, and h with them: Mohammed, Muhammad, Mohamad
    select left(s.sound, 1) || regexp_replace(substr(s.sound, 2), '[aeiouh]', '', 'g') as sound
    from (
      select regexp_replace(
        -- letters that transliterations mix up, then doubled letters
        translate(
          replace(replace(replace(replace(replace(w.word, 'ph', 'f'), 'ch', 'j'), 'sh', 's'), 'ck', 'k'), 'x', 'ks'),
          'qcwzyeo', 'kkvsiiu'
        ),
        '(.)\1+', '\1', 'g'
      ) as sound
      from regexp_split_to_table(lower(coalesce(p_name, '')), '[^[:alpha:]]+') as w (word)
      where w.word <> ''
    ) s
  ) t;
  return coalesce(v_key, '');
end
$$;

comment on function patient.name_key(text) is 'about=Sound key of a name written in Latin letters: spellings that transliteration mixes up and the order of words do not count. Other scripts stay as they are.';

-- fhir: foundation

-- Terminology and versioned FHIR resources.
create schema if not exists fhir;

comment on schema fhir is 'owner=fhir;about=Terminology and versioned FHIR resources.';

select core.create_service_roles('fhir');

-- What the tables' checks and triggers ask.
create or replace function fhir.is_r4_resource_type(p_type text) returns boolean
  language sql
  immutable
  parallel safe
return p_type = any (array[
  'Account', 'ActivityDefinition', 'AdverseEvent', 'AllergyIntolerance', 'Appointment', 'AppointmentResponse',
  'AuditEvent', 'Basic', 'Binary', 'BiologicallyDerivedProduct', 'BodyStructure', 'Bundle', 'CapabilityStatement',
  'CarePlan', 'CareTeam', 'CatalogEntry', 'ChargeItem', 'ChargeItemDefinition', 'Claim', 'ClaimResponse',
  'ClinicalImpression', 'CodeSystem', 'Communication', 'CommunicationRequest', 'CompartmentDefinition', 'Composition',
  'ConceptMap', 'Condition', 'Consent', 'Contract', 'Coverage', 'CoverageEligibilityRequest',
  'CoverageEligibilityResponse', 'DetectedIssue', 'Device', 'DeviceDefinition', 'DeviceMetric', 'DeviceRequest',
  'DeviceUseStatement', 'DiagnosticReport', 'DocumentManifest', 'DocumentReference', 'EffectEvidenceSynthesis',
  'Encounter', 'Endpoint', 'EnrollmentRequest', 'EnrollmentResponse', 'EpisodeOfCare', 'EventDefinition', 'Evidence',
  'EvidenceVariable', 'ExampleScenario', 'ExplanationOfBenefit', 'FamilyMemberHistory', 'Flag', 'Goal',
  'GraphDefinition', 'Group', 'GuidanceResponse', 'HealthcareService', 'ImagingStudy', 'Immunization',
  'ImmunizationEvaluation', 'ImmunizationRecommendation', 'ImplementationGuide', 'InsurancePlan', 'Invoice', 'Library',
  'Linkage', 'List', 'Location', 'Measure', 'MeasureReport', 'Media', 'Medication', 'MedicationAdministration',
  'MedicationDispense', 'MedicationKnowledge', 'MedicationRequest', 'MedicationStatement', 'MedicinalProduct',
  'MedicinalProductAuthorization', 'MedicinalProductContraindication', 'MedicinalProductIndication',
  'MedicinalProductIngredient', 'MedicinalProductInteraction', 'MedicinalProductManufactured',
  'MedicinalProductPackaged', 'MedicinalProductPharmaceutical', 'MedicinalProductUndesirableEffect',
  'MessageDefinition', 'MessageHeader', 'MolecularSequence', 'NamingSystem', 'NutritionOrder', 'Observation',
  'ObservationDefinition', 'OperationDefinition', 'OperationOutcome', 'Organization', 'OrganizationAffiliation',
  'Parameters', 'Patient', 'PaymentNotice', 'PaymentReconciliation', 'Person', 'PlanDefinition', 'Practitioner',
  'PractitionerRole', 'Procedure', 'Provenance', 'Questionnaire', 'QuestionnaireResponse', 'RelatedPerson',
  'RequestGroup', 'ResearchDefinition', 'ResearchElementDefinition', 'ResearchStudy', 'ResearchSubject',
  'RiskAssessment', 'RiskEvidenceSynthesis', 'Schedule', 'SearchParameter', 'ServiceRequest', 'Slot', 'Specimen',
  'SpecimenDefinition', 'StructureDefinition', 'StructureMap', 'Subscription', 'Substance', 'SubstanceNucleicAcid',
  'SubstancePolymer', 'SubstanceProtein', 'SubstanceReferenceInformation', 'SubstanceSourceMaterial',
  'SubstanceSpecification', 'SupplyDelivery', 'SupplyRequest', 'Task', 'TerminologyCapabilities', 'TestReport',
  'TestScript', 'ValueSet', 'VerificationResult', 'VisionPrescription'
]);

comment on function fhir.is_r4_resource_type(text) is 'about=True for the name of a resource of FHIR R4 (4.0.1).';

create or replace function fhir.check_concept_code() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_url text;
  v_valid boolean;
begin
  select s.url into v_url from fhir.code_systems s where s.id = new.code_system_id;
  v_valid := case v_url
    when 'http://snomed.info/sct' then core.valid_sctid(new.code)
    when 'http://loinc.org' then new.code ~ '^(LP|LA|LL|LG)' or core.valid_loinc(new.code)
    else true
  end;
  if not v_valid then
    raise exception 'code "%" fails the check digit of %', new.code, v_url
      using
        errcode = '23514', constraint = 'concepts_check_digit', schema = 'fhir', table = 'concepts',
        hint = 'load the code as the publisher wrote it; spreadsheets round long numbers';
  end if;
  return new;
end
$$;

comment on function fhir.check_concept_code() is 'about=Before insert or update of a concept: SNOMED CT and LOINC codes pass their check digit (23514); LOINC parts, answers and groups (LP, LA, LL, LG) have their own form.';

create or replace function fhir.check_draft_members() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_value_set_id uuid := case tg_op when 'DELETE' then old.value_set_id else new.value_set_id end;
  v_status text;
begin
  select v.status into v_status from fhir.value_sets v where v.id = v_value_set_id;
  if v_status in ('active', 'retired') then
    raise exception 'value set % is %, its members stay', v_value_set_id, v_status
      using errcode = 'IM006', hint = 'save a new version with fhir.save_value_set and activate that';
  end if;
  return case tg_op when 'DELETE' then old else new end;
end
$$;

comment on function fhir.check_draft_members() is 'about=Before insert, update or delete of a member: only a draft changes (IM006), so that what an active version says stays what was checked against it.';

-- abdm: foundation

-- Ayushman Bharat Digital Mission: M1 ABHA, M2 care contexts, M3 consented exchange.
create schema if not exists abdm;

comment on schema abdm is 'owner=fhir;about=Ayushman Bharat Digital Mission: M1 ABHA, M2 care contexts, M3 consented exchange.';

select core.create_service_roles('fhir');

-- Enumerated types of the module. HI types are no enum: they are a value set (urn:abdm:hi-types), because NHA adds to them.
do $$
begin
  if pg_catalog.to_regtype('abdm.consent_status') is null then
    create type abdm.consent_status as enum ('received', 'granted', 'invalid', 'revoked', 'expired');
  end if;
end
$$;

comment on type abdm.consent_status is 'about=Life of a consent artefact: received, granted (its signature was checked), invalid (its signature is wrong), revoked by the patient, expired.';

-- What the tables' triggers ask: rules that depend on other rows, on the day or on the environment.
create or replace function abdm.check_environment() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.environment = 'production' and core.environment() is distinct from 'production' then
    raise exception 'this database is marked "%" and cannot answer for a hospital', core.environment()
      using errcode = 'IM006', hint = 'register the site in the sandbox, or use the production database';
  end if;
  return new;
end
$$;

comment on function abdm.check_environment() is 'about=Before insert or update of environment: a production registration only on a database that is marked production (IM006).';

create or replace function abdm.check_hi_types() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_value jsonb := to_jsonb(new) -> tg_argv[0];
  v_type text;
begin
  for v_type in
    select t.value
    from jsonb_array_elements_text(case jsonb_typeof(v_value) when 'array' then v_value else jsonb_build_array(v_value) end) t
  loop
    if not fhir.value_set_contains('urn:abdm:hi-types', v_type) then
      raise exception '"%" is no HI type', v_type
        using
          errcode = '23514', constraint = tg_name, hint = 'HI types are the members of value set urn:abdm:hi-types';
    end if;
  end loop;
  return new;
end
$$;

comment on function abdm.check_hi_types() is 'about=Argument (column, text or text[]). Before insert or update: HI types are members of value set urn:abdm:hi-types (23514).';

create or replace function abdm.check_emergency_consent() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.purpose = 'BTG' and not exists (
    select
    from audit.break_glass_sessions b
    where
      b.tenant_id = new.tenant_id and b.user_id = new.requester_user_id and b.patient_id = new.patient_id
      and b.status = 'open' and b.expires_at > now()
  ) then
    raise exception 'user % has no open emergency access to patient %', new.requester_user_id, new.patient_id
      using errcode = 'IM006', hint = 'open it with audit.open_break_glass, or ask for another purpose';
  end if;
  return new;
end
$$;

comment on function abdm.check_emergency_consent() is 'about=Before insert or update of purpose: purpose BTG needs open emergency access of the requester to the patient (IM006).';

create or replace function abdm.keep_permission() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if
    (
      new.artefact_id, new.role, new.abha_address, new.hip_id, new.hiu_id, new.consent_manager_id, new.schema_version,
      new.purpose, new.hi_types, new.access_mode, new.data_from, new.data_to, new.data_erase_at, new.frequency_unit,
      new.frequency_value, new.frequency_repeats, new.detail, new.signature, new.granted_at
    ) is distinct from (
      old.artefact_id, old.role, old.abha_address, old.hip_id, old.hiu_id, old.consent_manager_id, old.schema_version,
      old.purpose, old.hi_types, old.access_mode, old.data_from, old.data_to, old.data_erase_at, old.frequency_unit,
      old.frequency_value, old.frequency_repeats, old.detail, old.signature, old.granted_at
    )
  then
    raise exception 'what artefact % permits cannot be changed', old.id
      using errcode = 'IM006', hint = 'another permission is another artefact, signed by the consent manager';
  end if;
  return new;
end
$$;

comment on function abdm.keep_permission() is 'about=Before update of an artefact: permission, text and signature stay as they were signed (IM006).';

create or replace function abdm.movable_contexts(
  p_tenant_id uuid,
  p_artefact_row_id uuid,
  p_from timestamptz,
  p_to timestamptz
) returns setof text
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select l.care_context_reference
  from abdm.consent_artefacts a
  join abdm.consent_artefact_contexts l on l.tenant_id = a.tenant_id and l.artefact_row_id = a.id
  join core.tenants t on t.id = a.tenant_id
  left join abdm.care_contexts c on c.tenant_id = l.tenant_id and c.id = l.care_context_id
  where
    a.tenant_id = p_tenant_id and a.id = p_artefact_row_id
    and (
      -- of another site's context we know the reference only
      (a.role = 'HIU' and c.id is null)
      or (
        c.hi_type = any (a.hi_types) and c.status in ('linked', 'notified')
        -- some moment of the record's day lies in the period
        and c.record_date::timestamp at time zone t.timezone <= p_to
        and (c.record_date + 1)::timestamp at time zone t.timezone > p_from
      )
    )
  order by 1;
end
$$;

comment on function abdm.movable_contexts(uuid, uuid, timestamptz, timestamptz) is 'about=References of the contexts that an artefact lists and that may move for a period: as HIP our own, linked, of an HI type that it names, from that period; as HIU all.';

create or replace function abdm.check_session() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_artefact record;
  v_window interval;
  v_used integer;
  v_reference text;
begin
  -- The update is the lock that makes sessions of one artefact count one after another, in every isolation level.
  update abdm.consent_artefacts a
  set last_used_at = now()
  where a.tenant_id = new.tenant_id and a.id = new.artefact_row_id
  returning a.* into v_artefact;

  if v_artefact.status = 'invalid' then
    raise exception 'the signature of artefact % is wrong', v_artefact.id
      using errcode = 'IM714', hint = 'reject the session and report the artefact';
  end if;
  if v_artefact.status <> 'granted' then
    raise exception 'artefact % is %', v_artefact.id, v_artefact.status
      using errcode = 'IM710', hint = 'ask for a new consent';
  end if;
  if v_artefact.data_erase_at <= now() then
    raise exception 'the data of artefact % are due to be erased', v_artefact.id
      using errcode = 'IM715', hint = 'ask for a new consent';
  end if;
  if new.data_from < v_artefact.data_from or new.data_to > v_artefact.data_to then
    raise exception 'session % asks for a period that artefact % does not cover', new.id, v_artefact.id
      using errcode = 'IM711', hint = 'ask for a period inside the consent';
  end if;

  v_window := greatest(v_artefact.frequency_value, 1) * ('1 ' || v_artefact.frequency_unit)::interval;
  select count(*) into v_used
  from abdm.health_info_requests h
  where
    h.tenant_id = new.tenant_id and h.artefact_row_id = v_artefact.id and h.id <> new.id
    and h.authorised_at > now() - v_window;
  if v_used > v_artefact.frequency_repeats then
    raise exception 'artefact % was used % times in its window', v_artefact.id, v_used
      using errcode = 'IM712', hint = 'wait for the next period';
  end if;

  select r.reference into v_reference
  from unnest(new.care_context_references) as r (reference)
  where r.reference not in (
    select m.reference
    from abdm.movable_contexts(new.tenant_id, v_artefact.id, new.data_from, new.data_to) as m (reference)
  )
  limit 1;
  if found then
    raise exception 'artefact % does not allow care context %', v_artefact.id, v_reference
      using errcode = 'IM713', hint = 'leave it out';
  end if;
  return new;
end
$$;

comment on function abdm.check_session() is 'about=Before a session is acknowledged, under the lock of its artefact: granted (IM710), signature (IM714), not due for erasure (IM715), inside the window (IM711), frequency not used up (IM712), contexts and HI types listed (IM713).';

create or replace function abdm.check_transferred_context() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (
    select
    from abdm.health_info_requests h
    join abdm.consent_artefact_contexts l on l.tenant_id = h.tenant_id and l.artefact_row_id = h.artefact_row_id
    where
      h.tenant_id = new.tenant_id and h.id = new.request_row_id
      and l.care_context_reference = new.care_context_reference
      and new.care_context_reference = any (h.care_context_references)
  ) then
    raise exception 'session % may not move care context %', new.request_row_id, new.care_context_reference
      using errcode = 'IM713', hint = 'leave it out';
  end if;
  return new;
end
$$;

comment on function abdm.check_transferred_context() is 'about=Before a transfer is recorded: its artefact lists the context, and the session was authorised for it (IM713).';

create or replace function abdm.follow_merge() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.merged_into_id is not null then
    perform abdm.lock_patient(new.tenant_id, new.merged_into_id);
    if
      exists (
        select
        from abdm.abha_accounts a
        where
          a.tenant_id = new.tenant_id and a.patient_id = new.id and a.status in ('linked', 'deactivated')
          and a.deleted_at is null
      )
      and exists (
        select
        from abdm.abha_accounts a
        where
          a.tenant_id = new.tenant_id and a.patient_id = new.merged_into_id and a.status in ('linked', 'deactivated')
          and a.deleted_at is null
      )
    then
      raise exception 'patients % and % have an ABHA each', new.merged_into_id, new.id
        using errcode = 'IM213', hint = 'find out which one is right and unlink the other with abdm.unlink_abha';
    end if;
    update abdm.abha_accounts a
    set patient_id = new.merged_into_id, moved_from_patient_ids = a.moved_from_patient_ids || new.id
    where a.tenant_id = new.tenant_id and a.patient_id = new.id and a.status in ('linked', 'deactivated');
  else
    update abdm.abha_accounts a
    set patient_id = new.id, moved_from_patient_ids = trim_array(a.moved_from_patient_ids, 1)
    where
      a.tenant_id = new.tenant_id and a.patient_id = old.merged_into_id
      and a.moved_from_patient_ids[cardinality(a.moved_from_patient_ids)] = new.id;
  end if;
  return null;
end
$$;

comment on function abdm.follow_merge() is 'about=After a patient was merged or unmerged: the linked ABHA goes with them. IM213 both patients have one.';


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

-- fhir: tables

-- fhir.code_systems: which code systems are loaded, in which version. One version of a system is current.
--
-- Rows come from fhir.load_code_system, which the platform's loaders call: the table is the same for all tenants. SNOMED CT,
-- LOINC and ICD are licensed works, so none comes with the schema; licence says under what terms a version was loaded.
create table if not exists fhir.code_systems (
  id uuid not null default core.uuid_v7(),
  url text not null,
  version text not null,
  name text not null,
  licence text not null,
  is_current boolean not null default false,
  loaded_at timestamptz not null default now(),
  concept_count integer not null default 0,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint code_systems_pkey primary key (id),
  constraint code_systems_url_version_key unique (url, version),
  constraint code_systems_url_is_uri check (url ~ '^(https?|urn):[^ ]+$'),
  constraint code_systems_licence_stated check (licence <> ''),
  constraint code_systems_concept_count_not_negative check (concept_count >= 0)
);

create unique index if not exists code_systems_one_current_version on fhir.code_systems (url) where is_current;

comment on table fhir.code_systems is 'class=reference;scope=global;owner=fhir;fhir=CodeSystem;retention=reference;about=Code systems and their loaded versions.';
comment on column fhir.code_systems.url is 'class=reference;about=Canonical URI of the system, such as http://loinc.org.';
comment on column fhir.code_systems.version is 'class=reference;about=Version as the publisher names it, such as 2.80.';
comment on column fhir.code_systems.name is 'class=reference;about=Name to show.';
comment on column fhir.code_systems.licence is 'class=reference;about=Terms under which this version was loaded.';
comment on column fhir.code_systems.is_current is 'class=reference;about=The version that searches use; one a system.';
comment on column fhir.code_systems.loaded_at is 'class=reference;about=When the last concepts were loaded.';
comment on column fhir.code_systems.concept_count is 'class=reference;about=How many concepts are loaded.';
select core.comment_standard_columns('fhir.code_systems');

create or replace trigger code_systems_touch before update on fhir.code_systems
  for each row execute function core.update_updated_at_column('row_version');

grant select on fhir.code_systems to fhir_app;
grant select on fhir.code_systems to fhir_ro;

-- fhir.concepts: the codes of the loaded code systems, with what people call them. SNOMED CT and LOINC codes pass their
-- check digit, so a code that a spreadsheet rounded never gets in.
--
-- The table is global and has no row level security, so its two search indexes work: display_lc for what a display begins
-- with, words for words in the middle and for other languages. fhir.search_concepts uses both.
create table if not exists fhir.concepts (
  id uuid not null default core.uuid_v7(),
  code_system_id uuid not null,
  code text not null,
  display text not null,
  status text not null default 'active',
  parents text[] not null default '{}',
  designations jsonb not null default '{}',
  properties jsonb not null default '{}',
  display_lc text generated always as (lower(display)) stored,
  words tsvector generated always as (to_tsvector('simple', display) || to_tsvector('simple', designations)) stored,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint concepts_pkey primary key (id),
  constraint concepts_code_system_code_key unique (code_system_id, code),
  constraint concepts_status_known check (status in ('active', 'inactive')),
  constraint concepts_code_not_empty check (code <> ''),
  constraint concepts_display_not_empty check (display <> ''),
  constraint concepts_designations_by_language check (jsonb_typeof(designations) = 'object'),
  constraint concepts_properties_by_name check (jsonb_typeof(properties) = 'object'),
  constraint concepts_code_system_fkey
    foreign key (code_system_id) references fhir.code_systems (id)
);

create index if not exists concepts_display_idx on fhir.concepts (code_system_id, display_lc text_pattern_ops);
create index if not exists concepts_words_idx on fhir.concepts using gin (words);
comment on index fhir.concepts_words_idx is 'about=Search for words anywhere in the display or in a designation. The table is global, so no policy stands between the index and the query.';

comment on table fhir.concepts is 'class=reference;scope=global;owner=fhir;fhir=CodeSystem.concept;retention=reference;about=Codes with display and designations.';
comment on column fhir.concepts.code_system_id is 'class=reference;about=The version of the code system.';
comment on column fhir.concepts.code is 'class=reference;about=The code.';
comment on column fhir.concepts.display is 'class=reference;about=Preferred text.';
comment on column fhir.concepts.status is 'class=reference;about=active, or inactive: kept for old records, not offered in searches.';
comment on column fhir.concepts.parents is 'class=reference;about=Codes of the parents in the same version.';
comment on column fhir.concepts.designations is 'class=reference;about=Other texts by language, such as {"hi": ["..."], "en": ["..."]}.';
comment on column fhir.concepts.properties is 'class=reference;about=Properties that the publisher gives a code, by name.';
comment on column fhir.concepts.display_lc is 'class=reference;about=The display in lower case, for searches by its beginning.';
comment on column fhir.concepts.words is 'class=reference;about=The words of display and designations, for searches.';
select core.comment_standard_columns('fhir.concepts');

create or replace trigger concepts_check_code before insert or update of code, code_system_id on fhir.concepts
  for each row execute function fhir.check_concept_code();
create or replace trigger concepts_touch before update on fhir.concepts
  for each row execute function core.update_updated_at_column();

grant select on fhir.concepts to fhir_app;
grant select on fhir.concepts to fhir_ro;

-- fhir.value_sets: closed lists of codes that are data, because a circular may change them: HI types, workflow codes.
--
-- A tenant's active value set hides the shared one of the same URL. Versions are drafted, activated and retired; one
-- version is active, and its members no longer change. Rows come from fhir.save_value_set and fhir.activate_value_set.
create table if not exists fhir.value_sets (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  url text not null,
  version text not null,
  name text not null,
  compose jsonb not null default '{}',
  bound_to text[] not null default '{}',
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint value_sets_pkey primary key (id),
  constraint value_sets_url_version_key unique nulls not distinct (tenant_id, url, version),
  constraint value_sets_status_known check (status in ('draft', 'active', 'retired')),
  constraint value_sets_url_is_uri check (url ~ '^(https?|urn):[^ ]+$'),
  constraint value_sets_compose_is_object check (jsonb_typeof(compose) = 'object'),
  constraint value_sets_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

create unique index if not exists value_sets_one_active_version on fhir.value_sets (tenant_id, url) nulls not distinct
  where status = 'active';

comment on table fhir.value_sets is 'class=reference;scope=shared;owner=fhir;fhir=ValueSet;retention=reference;about=Closed lists of codes that columns are checked against.';
comment on column fhir.value_sets.url is 'class=reference;about=Canonical URI; columns are bound to it, not to a version.';
comment on column fhir.value_sets.version is 'class=reference;about=Version, any text.';
comment on column fhir.value_sets.name is 'class=reference;about=Name to show.';
comment on column fhir.value_sets.compose is 'class=reference;about=How the members were chosen, as FHIR ValueSet.compose, where somebody wrote it down.';
comment on column fhir.value_sets.bound_to is 'class=reference;about=Columns that are checked against it, as schema.table.column, for the reader.';
comment on column fhir.value_sets.status is 'class=reference;about=draft, active or retired.';
select core.comment_standard_columns('fhir.value_sets');

alter table fhir.value_sets enable row level security, force row level security;
drop policy if exists tenant_isolation on fhir.value_sets;
create policy tenant_isolation on fhir.value_sets
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
drop policy if exists shared_rows on fhir.value_sets;
create policy shared_rows on fhir.value_sets for select using (tenant_id is null);

create or replace trigger value_sets_touch before update on fhir.value_sets
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger value_sets_transition before insert or update of status on fhir.value_sets
  for each row execute function core.enforce_transition('fhir.value_sets', 'status');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('fhir.value_sets', '', 'draft', false, null),
  ('fhir.value_sets', 'draft', 'active', false, null),
  ('fhir.value_sets', 'draft', 'retired', false, null),
  ('fhir.value_sets', 'active', 'retired', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on fhir.value_sets to fhir_app;
grant select on fhir.value_sets to fhir_ro;

-- fhir.value_set_members: the codes of a value set, written out one by one for fast checks. Members change while their
-- value set is a draft, and never again.
create table if not exists fhir.value_set_members (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  value_set_id uuid not null,
  system text not null,
  code text not null,
  display text not null,
  seq integer not null,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint value_set_members_pkey primary key (id),
  constraint value_set_members_code_key unique nulls not distinct (tenant_id, value_set_id, system, code),
  constraint value_set_members_code_not_empty check (code <> ''),
  constraint value_set_members_snomed_check_digit check (system <> 'http://snomed.info/sct' or core.valid_sctid(code)),
  constraint value_set_members_loinc_check_digit check (
    system <> 'http://loinc.org' or code ~ '^(LP|LA|LL|LG)' or core.valid_loinc(code)
  ),
  constraint value_set_members_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint value_set_members_value_set_fkey
    foreign key (value_set_id) references fhir.value_sets (id) on delete cascade
);

create index if not exists value_set_members_value_set_idx on fhir.value_set_members (value_set_id, tenant_id);
comment on index fhir.value_set_members_value_set_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';

comment on table fhir.value_set_members is 'class=reference;scope=shared;owner=fhir;fhir=ValueSet.expansion;retention=reference;about=The codes of a value set.';
comment on column fhir.value_set_members.value_set_id is 'class=reference;about=The value set.';
comment on column fhir.value_set_members.system is 'class=reference;about=URI of the code system that the code belongs to.';
comment on column fhir.value_set_members.code is 'class=reference;about=The code.';
comment on column fhir.value_set_members.display is 'class=reference;about=Text to show.';
comment on column fhir.value_set_members.seq is 'class=reference;about=Place in the list, from 1.';
select core.comment_standard_columns('fhir.value_set_members');

alter table fhir.value_set_members enable row level security, force row level security;
drop policy if exists tenant_isolation on fhir.value_set_members;
create policy tenant_isolation on fhir.value_set_members
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
drop policy if exists shared_rows on fhir.value_set_members;
create policy shared_rows on fhir.value_set_members for select using (tenant_id is null);

create or replace trigger value_set_members_of_draft before insert or update or delete on fhir.value_set_members
  for each row execute function fhir.check_draft_members();
create or replace trigger value_set_members_touch before update on fhir.value_set_members
  for each row execute function core.update_updated_at_column();
create or replace trigger value_set_members_value_set_visible before insert or update of value_set_id on fhir.value_set_members
  for each row execute function core.check_shared_reference('value_set_id', 'fhir.value_sets');

grant select on fhir.value_set_members to fhir_app;
grant select on fhir.value_set_members to fhir_ro;

-- fhir.concept_maps: what a code of one system is in another: ICD-10 to SNOMED CT, local tests to LOINC, packages to
-- SNOMED CT. Shared rows come from loaders; a tenant adds its own, and both count. fhir.translate_code reads them.
create table if not exists fhir.concept_maps (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  source_system text not null,
  source_code text not null,
  target_system text not null,
  target_code text not null,
  equivalence text not null,
  valid_during daterange not null default daterange(current_date - 1, null), -- today wherever the tenant is
  reviewed_by uuid,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint concept_maps_pkey primary key (id),
  constraint concept_maps_pair_key unique nulls not distinct (
    tenant_id, source_system, source_code, target_system, target_code
  ),
  constraint concept_maps_equivalence_known check (
    equivalence in ('equivalent', 'wider', 'narrower', 'inexact', 'unmatched')
  ),
  constraint concept_maps_unmatched_has_no_target check ((equivalence = 'unmatched') = (target_code = '')),
  constraint concept_maps_valid_some_day check (not isempty(valid_during)),
  constraint concept_maps_snomed_check_digit check (
    (source_system <> 'http://snomed.info/sct' or core.valid_sctid(source_code))
    and (target_system <> 'http://snomed.info/sct' or target_code = '' or core.valid_sctid(target_code))
  ),
  constraint concept_maps_loinc_check_digit check (
    (source_system <> 'http://loinc.org' or core.valid_loinc(source_code))
    and (target_system <> 'http://loinc.org' or target_code = '' or core.valid_loinc(target_code))
  ),
  constraint concept_maps_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

comment on table fhir.concept_maps is 'class=reference;scope=shared;owner=fhir;fhir=ConceptMap;retention=reference;about=Mappings (ICD-10 to SNOMED, local to LOINC, package to SNOMED).';
comment on column fhir.concept_maps.source_system is 'class=reference;about=URI of the system that is translated from.';
comment on column fhir.concept_maps.source_code is 'class=reference;about=Code there.';
comment on column fhir.concept_maps.target_system is 'class=reference;about=URI of the system that is translated to.';
comment on column fhir.concept_maps.target_code is 'class=reference;about=Code there, empty when there is none.';
comment on column fhir.concept_maps.equivalence is 'class=reference;about=What the target is to the source: equivalent, wider, narrower, inexact, or unmatched: somebody looked and found none.';
comment on column fhir.concept_maps.valid_during is 'class=reference;about=Days on which the mapping holds.';
comment on column fhir.concept_maps.reviewed_by is 'class=operational;about=The user who checked it, null for a mapping as loaded.';
select core.comment_standard_columns('fhir.concept_maps');

alter table fhir.concept_maps enable row level security, force row level security;
drop policy if exists tenant_isolation on fhir.concept_maps;
create policy tenant_isolation on fhir.concept_maps
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
drop policy if exists shared_rows on fhir.concept_maps;
create policy shared_rows on fhir.concept_maps for select using (tenant_id is null);

create or replace trigger concept_maps_touch before update on fhir.concept_maps
  for each row execute function core.update_updated_at_column('row_version');

grant select, insert, update on fhir.concept_maps to fhir_app;
grant select on fhir.concept_maps to fhir_ro;

-- fhir.resource_versions: rows and document bundles as they were rendered in FHIR, for good. What left the hospital can be
-- shown years later; a new rendering is a new version. Versions of a resource count 1, 2, 3 without a gap, and a rendering
-- that equals the last one is no new version: fhir.store_version, the only writer, sees to both.
--
-- Partitioned by hash of logical_id, 16 ways: the versions of a resource are together and no partition grows old.
create table if not exists fhir.resource_versions (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  resource_type text not null,
  logical_id uuid not null,
  version integer not null,
  profile text[] not null default '{}',
  content_enc bytea not null,
  content_hash bytea not null,
  source_schema text not null,
  source_table text not null,
  source_id uuid not null,
  patient_id uuid,
  recorded_at timestamptz not null default now(),
  validator text,
  valid boolean,
  issues jsonb,
  bundle_type text,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint resource_versions_pkey primary key (tenant_id, id, logical_id),
  constraint resource_versions_version_key unique (tenant_id, resource_type, logical_id, version),
  constraint resource_versions_type_of_r4 check (fhir.is_r4_resource_type(resource_type)),
  constraint resource_versions_version_from_1 check (version >= 1),
  constraint resource_versions_hash_is_sha256 check (octet_length(content_hash) = 32),
  constraint resource_versions_outcome_has_validator check ((valid is null) = (validator is null)),
  constraint resource_versions_invalid_has_issues check (valid or valid is null or issues is not null),
  constraint resource_versions_bundle_type_known check (
    bundle_type in (
      'document', 'message', 'transaction', 'transaction-response', 'batch', 'batch-response', 'history', 'searchset',
      'collection'
    )
  ),
  constraint resource_versions_bundle_has_type check ((resource_type = 'Bundle') = (bundle_type is not null)),
  constraint resource_versions_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
) partition by hash (logical_id);

create index if not exists resource_versions_patient_idx on fhir.resource_versions (tenant_id, patient_id, recorded_at)
  where patient_id is not null;
create index if not exists resource_versions_source_idx on fhir.resource_versions (tenant_id, source_id);

comment on table fhir.resource_versions is 'class=phi;scope=tenant;owner=fhir;fhir=(any),Bundle;retention=medical_record;append_only=1;about=FHIR renderings of rows and document bundles, version by version, with profile and outcome of validation.';
comment on column fhir.resource_versions.resource_type is 'class=operational;about=Kind of resource, by its FHIR R4 name.';
comment on column fhir.resource_versions.logical_id is 'class=operational;about=FHIR id of the resource, the same over its versions.';
comment on column fhir.resource_versions.version is 'class=operational;about=meta.versionId: 1, 2, 3 without gaps.';
comment on column fhir.resource_versions.profile is 'class=operational;about=meta.profile: canonical URLs that the content claims to follow.';
comment on column fhir.resource_versions.content_enc is 'class=phi;enc=1;about=The resource as JSON, encrypted.';
comment on column fhir.resource_versions.content_hash is 'class=operational;about=SHA-256 of the canonical JSON before encryption; equal hash, equal content.';
comment on column fhir.resource_versions.source_schema is 'class=operational;about=Schema of the row that was rendered.';
comment on column fhir.resource_versions.source_table is 'class=operational;about=Table of that row.';
comment on column fhir.resource_versions.source_id is 'class=operational;about=Its id; of a bundle the row that the document is about.';
comment on column fhir.resource_versions.patient_id is 'class=phi;about=The patient that the content is about, null for resources without one.';
comment on column fhir.resource_versions.recorded_at is 'class=operational;about=meta.lastUpdated: when this version was stored.';
comment on column fhir.resource_versions.validator is 'class=operational;about=Name and version of what validated the content, null when nothing did.';
comment on column fhir.resource_versions.valid is 'class=operational;about=The outcome, null when it was not validated.';
comment on column fhir.resource_versions.issues is 'class=phi;about=OperationOutcome.issue of the validation.';
comment on column fhir.resource_versions.bundle_type is 'class=operational;about=Bundle.type of bundles: document, collection, transaction and so on.';
select core.comment_standard_columns('fhir.resource_versions');

alter table fhir.resource_versions enable row level security, force row level security;
drop policy if exists tenant_isolation on fhir.resource_versions;
create policy tenant_isolation on fhir.resource_versions
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger resource_versions_append_only before update or delete on fhir.resource_versions
  for each row execute function core.refuse_change();
create or replace trigger resource_versions_no_truncate before truncate on fhir.resource_versions
  for each statement execute function core.refuse_change();
select audit.track('fhir.resource_versions');

grant select on fhir.resource_versions to fhir_app;
grant select on fhir.resource_versions to fhir_ro;

-- compliance: tables

-- Indexes that erasure needs on tables of others: the keys of a person, and who has been here longest.
create index if not exists encryption_keys_subject_idx on core.encryption_keys (tenant_id, subject_type, subject_id)
  where subject_id is not null;

-- abdm: tables

-- abdm.facility_registrations: who a site is on the networks: information provider (HIP), information user (HIU), NHCX
-- provider. Secrets and private keys stay in a vault; a row holds the path. A database that is not marked production
-- cannot hold a registration for production, so that a test system never answers for a hospital.
create table if not exists abdm.facility_registrations (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  clinic_id uuid not null,
  role text not null,
  hfr_id text not null,
  network_id text not null,
  bridge_id text,
  callback_url text not null,
  secret_ref text,
  signing_key_kid text,
  certificate text,
  certificate_expires_at timestamptz,
  consent_manager_id text,
  environment text not null,
  milestone_status jsonb not null default '{}',
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint facility_registrations_pkey primary key (tenant_id, id),
  constraint facility_registrations_network_id_key unique (tenant_id, environment, role, network_id),
  constraint facility_registrations_role_known check (
    role in ('HIP', 'HIU', 'HIP_HIU', 'NHCX_PROVIDER', 'HEALTH_LOCKER')
  ),
  constraint facility_registrations_environment_known check (environment in ('sandbox', 'production')),
  constraint facility_registrations_status_known check (
    status in ('draft', 'registered', 'failed', 'active', 'suspended', 'deregistered')
  ),
  constraint facility_registrations_callback_is_https check (callback_url ~ '^https://[^ ]+$'),
  constraint facility_registrations_secret_is_a_path check (secret_ref ~ '^[a-z]+://'),
  constraint facility_registrations_certificate_is_public check (certificate !~ 'PRIVATE KEY'),
  constraint facility_registrations_certificate_has_end check ((certificate is null) = (certificate_expires_at is null)),
  constraint facility_registrations_participant_is_on_the_exchange check (
    role <> 'NHCX_PROVIDER' or network_id ~ '^[^@[:space:]]+@hcx$'
  ),
  constraint facility_registrations_active_participant_has_key check (
    role <> 'NHCX_PROVIDER' or status <> 'active' or (signing_key_kid is not null and certificate is not null)
  ),
  constraint facility_registrations_milestones_by_name check (jsonb_typeof(milestone_status) = 'object'),
  constraint facility_registrations_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

create unique index if not exists facility_registrations_one_active_per_clinic
  on abdm.facility_registrations (tenant_id, clinic_id, role, environment)
  where status = 'active';
create index if not exists facility_registrations_clinic_idx on abdm.facility_registrations (tenant_id, clinic_id);

comment on table abdm.facility_registrations is 'class=operational;scope=tenant;owner=fhir;fhir=Organization,Endpoint;retention=operational;about=Who a site is on the networks: HIP, HIU, NHCX participant.';
comment on column abdm.facility_registrations.clinic_id is 'class=operational;about=The site.';
comment on column abdm.facility_registrations.role is 'class=operational;about=HIP (gives data), HIU (asks for data), HIP_HIU (both), NHCX_PROVIDER (claims) or HEALTH_LOCKER.';
comment on column abdm.facility_registrations.hfr_id is 'class=operational;about=Number of the site in the Health Facility Registry.';
comment on column abdm.facility_registrations.network_id is 'class=operational;about=Id that the gateway knows the site by: X-HIP-ID, X-HIU-ID or participant code.';
comment on column abdm.facility_registrations.bridge_id is 'class=operational;about=Id of the software (HRP bridge) that answers for the site.';
comment on column abdm.facility_registrations.callback_url is 'class=operational;about=Where the gateway sends its callbacks.';
comment on column abdm.facility_registrations.secret_ref is 'class=operational;about=Path of the client secret in a vault, never the secret.';
comment on column abdm.facility_registrations.signing_key_kid is 'class=operational;about=Key that requests are signed with, by its id.';
comment on column abdm.facility_registrations.certificate is 'class=operational;about=Public certificate, PEM.';
comment on column abdm.facility_registrations.certificate_expires_at is 'class=operational;about=End of the certificate.';
comment on column abdm.facility_registrations.consent_manager_id is 'class=operational;about=Consent manager that the site works with (X-CM-ID), such as sbx or abdm.';
comment on column abdm.facility_registrations.environment is 'class=operational;about=sandbox or production.';
comment on column abdm.facility_registrations.milestone_status is 'class=operational;about=What NHA certified, by milestone: {"M1": {"on": "2026-01-31"}}.';
comment on column abdm.facility_registrations.status is 'class=operational;about=draft, registered, failed, active, suspended or deregistered.';
select core.comment_standard_columns('abdm.facility_registrations');

alter table abdm.facility_registrations enable row level security, force row level security;
drop policy if exists tenant_isolation on abdm.facility_registrations;
create policy tenant_isolation on abdm.facility_registrations
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger facility_registrations_environment before insert or update of environment on abdm.facility_registrations
  for each row execute function abdm.check_environment();
create or replace trigger facility_registrations_no_aadhaar
  before insert or update of hfr_id, network_id, bridge_id on abdm.facility_registrations
  for each row execute function core.reject_aadhaar_like('hfr_id', 'network_id', 'bridge_id');
create or replace trigger facility_registrations_touch before update on abdm.facility_registrations
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger facility_registrations_transition before insert or update of status on abdm.facility_registrations
  for each row execute function core.enforce_transition('abdm.facility_registrations', 'status');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('abdm.facility_registrations', '', 'draft', false, null),
  ('abdm.facility_registrations', 'draft', 'registered', false, null),
  ('abdm.facility_registrations', 'draft', 'failed', false, null),
  ('abdm.facility_registrations', 'failed', 'draft', false, null),
  ('abdm.facility_registrations', 'registered', 'active', false, null),
  ('abdm.facility_registrations', 'registered', 'suspended', true, null),
  ('abdm.facility_registrations', 'active', 'suspended', true, null),
  ('abdm.facility_registrations', 'active', 'deregistered', true, null),
  ('abdm.facility_registrations', 'suspended', 'active', false, null),
  ('abdm.facility_registrations', 'suspended', 'deregistered', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on abdm.facility_registrations to fhir_app;
grant select on abdm.facility_registrations to fhir_ro;

-- abdm.abha_accounts: an ABHA number or address as ABDM verified it, and the patient that it is linked to.
--
-- One ABHA belongs to one patient and one patient has one ABHA, in a tenant; unlinking comes before linking another. What
-- the link was compared on stays: the sound of the name, sex and year of birth of the ABDM profile, what differed, and why
-- somebody linked all the same. There is no Aadhaar number, and no column that could hold one.
create table if not exists abdm.abha_accounts (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  patient_id uuid,
  moved_from_patient_ids uuid[] not null default '{}',
  abha_number_enc bytea,
  abha_number_bidx bytea,
  abha_number_last4 text,
  abha_address text,
  kyc_status text not null default 'pending',
  profile_enc bytea,
  profile_name_key text,
  profile_sex text,
  profile_birth_year integer,
  auth_methods text[] not null default '{}',
  verified_at timestamptz,
  verified_via text,
  network_status text not null default 'ACTIVE',
  status_checked_at timestamptz,
  linked_at timestamptz,
  mismatches text[] not null default '{}',
  override_reason text,
  status text not null default 'captured',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint abha_accounts_pkey primary key (tenant_id, id),
  constraint abha_accounts_kyc_status_known check (kyc_status in ('verified', 'unverified', 'pending')),
  constraint abha_accounts_verified_via_known check (
    verified_via in ('aadhaar_otp', 'mobile_otp', 'abha_address_otp', 'biometric', 'demographic', 'scan_share')
  ),
  constraint abha_accounts_network_status_known check (network_status in ('ACTIVE', 'DEACTIVATED', 'DELETED')),
  constraint abha_accounts_status_known check (
    status in ('captured', 'verified', 'rejected', 'linked', 'unlinked', 'deactivated')
  ),
  constraint abha_accounts_profile_sex_known check (profile_sex in ('male', 'female', 'other', 'unknown')),
  constraint abha_accounts_profile_birth_year_range check (profile_birth_year between 1880 and 2200),
  constraint abha_accounts_number_or_address check (num_nonnulls(abha_number_bidx, abha_address) >= 1),
  constraint abha_accounts_number_whole check (
    num_nonnulls(abha_number_enc, abha_number_bidx, abha_number_last4) in (0, 3)
  ),
  constraint abha_accounts_last4_is_4_digits check (abha_number_last4 ~ '^[0-9]{4}$'),
  constraint abha_accounts_address_form check (
    core.valid_abha_address(abha_address) and abha_address = lower(abha_address)
  ),
  constraint abha_accounts_verified_somehow check ((verified_at is null) = (verified_via is null)),
  constraint abha_accounts_linked_is_verified_and_has_patient check (
    status not in ('linked', 'deactivated')
    or (patient_id is not null and verified_at is not null and linked_at is not null)
  ),
  constraint abha_accounts_mismatches_known check (mismatches <@ array['name', 'sex', 'birth_year']),
  constraint abha_accounts_mismatch_has_reason check (mismatches = '{}' or override_reason is not null),
  constraint abha_accounts_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

create unique index if not exists abha_accounts_abha_number_key on abdm.abha_accounts (tenant_id, abha_number_bidx)
  where deleted_at is null;
create unique index if not exists abha_accounts_abha_address_key on abdm.abha_accounts (tenant_id, abha_address)
  where deleted_at is null;
-- a deactivated ABHA is still the patient's
create unique index if not exists abha_accounts_one_per_patient on abdm.abha_accounts (tenant_id, patient_id)
  where status in ('linked', 'deactivated') and deleted_at is null;
create index if not exists abha_accounts_patient_idx on abdm.abha_accounts (tenant_id, patient_id) where patient_id is not null;

comment on table abdm.abha_accounts is 'class=phi;scope=tenant;owner=fhir;fhir=Patient.identifier;retention=medical_record;about=An ABHA number or address as verified with ABDM, and its patient.';
comment on column abdm.abha_accounts.patient_id is 'class=phi;about=The patient that it is, or was last, linked to.';
comment on column abdm.abha_accounts.moved_from_patient_ids is 'class=phi;about=The duplicates that it was linked to before each patient.merge, the last one last; unmerging gives it back step by step.';
comment on column abdm.abha_accounts.abha_number_enc is 'class=pii;enc=1;about=The ABHA number, 14 digits without hyphens (abdm.normalise_abha_number), encrypted.';
comment on column abdm.abha_accounts.abha_number_bidx is 'class=pii;about=Blind index of the 14 digits.';
comment on column abdm.abha_accounts.abha_number_last4 is 'class=pii;mask=last4;about=Its last four digits, for display.';
comment on column abdm.abha_accounts.abha_address is 'class=pii;about=ABHA address in lower case, handle@suffix.';
comment on column abdm.abha_accounts.kyc_status is 'class=operational;about=Whether ABDM knows the person by a government document: verified, unverified, or pending.';
comment on column abdm.abha_accounts.profile_enc is 'class=pii;enc=1;about=The profile that ABDM gave, as JSON, encrypted. Null until it was verified.';
comment on column abdm.abha_accounts.profile_name_key is 'class=pii;about=Sound key (patient.name_key) of the name in the profile.';
comment on column abdm.abha_accounts.profile_sex is 'class=pii;about=male, female, other or unknown in the profile.';
comment on column abdm.abha_accounts.profile_birth_year is 'class=pii;about=Year of birth in the profile.';
comment on column abdm.abha_accounts.auth_methods is 'class=operational;about=How ABDM lets the person sign in, such as MOBILE_OTP.';
comment on column abdm.abha_accounts.verified_at is 'class=operational;about=When ABDM last verified it for us.';
comment on column abdm.abha_accounts.verified_via is 'class=operational;about=aadhaar_otp, mobile_otp, abha_address_otp, biometric, demographic or scan_share.';
comment on column abdm.abha_accounts.network_status is 'class=operational;about=ACTIVE, DEACTIVATED or DELETED, as ABDM notifies. Only ACTIVE ones are linked.';
comment on column abdm.abha_accounts.status_checked_at is 'class=operational;about=When the network''s status was last heard.';
comment on column abdm.abha_accounts.linked_at is 'class=operational;about=When it was last linked to the patient.';
comment on column abdm.abha_accounts.mismatches is 'class=operational;about=What differed between profile and patient when it was linked: name, sex, birth_year.';
comment on column abdm.abha_accounts.override_reason is 'class=phi;about=Why it was linked all the same.';
comment on column abdm.abha_accounts.status is 'class=operational;about=captured, verified, rejected, linked, unlinked, or deactivated (by ABDM, still the patient''s).';
select core.comment_standard_columns('abdm.abha_accounts');

alter table abdm.abha_accounts enable row level security, force row level security;
drop policy if exists tenant_isolation on abdm.abha_accounts;
create policy tenant_isolation on abdm.abha_accounts
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger abha_accounts_no_aadhaar before insert or update of abha_address, override_reason on abdm.abha_accounts
  for each row execute function core.reject_aadhaar_like('abha_address', 'override_reason');
create or replace trigger abha_accounts_touch before update on abdm.abha_accounts
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger abha_accounts_transition before insert or update of status on abdm.abha_accounts
  for each row execute function core.enforce_transition('abdm.abha_accounts', 'status');
select audit.track('abdm.abha_accounts');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('abdm.abha_accounts', '', 'captured', false, null),
  ('abdm.abha_accounts', 'captured', 'verified', false, null),
  ('abdm.abha_accounts', 'captured', 'rejected', false, null),
  ('abdm.abha_accounts', 'verified', 'linked', false, 'abha.linked.v1'),
  ('abdm.abha_accounts', 'verified', 'unlinked', true, null),
  ('abdm.abha_accounts', 'linked', 'unlinked', true, 'abha.unlinked.v1'),
  ('abdm.abha_accounts', 'linked', 'deactivated', false, null),
  ('abdm.abha_accounts', 'unlinked', 'linked', false, 'abha.linked.v1'),
  ('abdm.abha_accounts', 'deactivated', 'linked', false, 'abha.linked.v1'),
  ('abdm.abha_accounts', 'deactivated', 'unlinked', true, 'abha.unlinked.v1')
on conflict (machine, from_state, to_state) do nothing;

grant select on abdm.abha_accounts to fhir_app;
grant select on abdm.abha_accounts to fhir_ro;

-- abdm.abha_registrations: milestone M1, one row an attempt to create, verify or link an ABHA at a desk: by what method, who
-- did it, how often an OTP was wrong, how it ended. The Aadhaar number and the OTP pass through the application and are
-- never stored; an attempt that failed stays failed, and trying again is a new row.
create table if not exists abdm.abha_registrations (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  patient_id uuid,
  abha_account_id uuid,
  purpose text not null,
  method text not null,
  txn_id uuid,
  request_id uuid not null,
  otp_sent_at timestamptz,
  otp_attempts smallint not null default 0,
  mobile_verified boolean not null default false,
  consent_id uuid,
  started_at timestamptz not null default now(),
  finished_at timestamptz,
  error_code text,
  error_message text,
  operator_user_id uuid not null,
  clinic_id uuid not null,
  status text not null default 'initiated',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint abha_registrations_pkey primary key (tenant_id, id),
  constraint abha_registrations_request_key unique (tenant_id, request_id),
  constraint abha_registrations_purpose_known check (
    purpose in ('create', 'verify', 'link', 'address_create', 'reactivate')
  ),
  constraint abha_registrations_method_known check (
    method in (
      'aadhaar_otp', 'aadhaar_biometric', 'mobile_otp', 'driving_licence', 'abha_number_otp', 'abha_address_otp',
      'scan_share'
    )
  ),
  constraint abha_registrations_status_known check (
    status in ('initiated', 'otp_sent', 'failed', 'expired', 'otp_verified', 'enrolled', 'address_set', 'linked')
  ),
  constraint abha_registrations_at_most_3_otp_attempts check (otp_attempts between 0 and 3),
  constraint abha_registrations_otp_sent_has_time check (status <> 'otp_sent' or otp_sent_at is not null),
  constraint abha_registrations_account_known_when_enrolled check (
    status not in ('enrolled', 'address_set', 'linked') or abha_account_id is not null
  ),
  constraint abha_registrations_creation_has_consent check (purpose <> 'create' or consent_id is not null),
  constraint abha_registrations_end_has_time check (
    (status in ('failed', 'expired', 'linked')) = (finished_at is not null)
  ),
  constraint abha_registrations_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint abha_registrations_abha_account_fkey
    foreign key (tenant_id, abha_account_id) references abdm.abha_accounts (tenant_id, id)
);

create unique index if not exists abha_registrations_txn_key on abdm.abha_registrations (tenant_id, txn_id)
  where txn_id is not null;
create index if not exists abha_registrations_patient_idx on abdm.abha_registrations (tenant_id, patient_id)
  where patient_id is not null;
create index if not exists abha_registrations_abha_account_idx on abdm.abha_registrations (tenant_id, abha_account_id)
  where abha_account_id is not null;
create index if not exists abha_registrations_consent_idx on abdm.abha_registrations (tenant_id, consent_id)
  where consent_id is not null;
create index if not exists abha_registrations_operator_user_idx on abdm.abha_registrations (tenant_id, operator_user_id);
create index if not exists abha_registrations_clinic_idx on abdm.abha_registrations (tenant_id, clinic_id);
create index if not exists abha_registrations_open_idx on abdm.abha_registrations (tenant_id, started_at)
  where status in ('initiated', 'otp_sent', 'otp_verified', 'enrolled', 'address_set');

comment on table abdm.abha_registrations is 'class=phi;scope=tenant;owner=fhir;fhir=Task;retention=medical_record;about=Each attempt to create, verify or link an ABHA, with its outcome.';
comment on column abdm.abha_registrations.patient_id is 'class=phi;about=The patient, null while the person is not registered.';
comment on column abdm.abha_registrations.abha_account_id is 'class=phi;about=The account that came out of it.';
comment on column abdm.abha_registrations.purpose is 'class=operational;about=create, verify, link, address_create or reactivate.';
comment on column abdm.abha_registrations.method is 'class=operational;about=aadhaar_otp, aadhaar_biometric, mobile_otp, driving_licence, abha_number_otp, abha_address_otp or scan_share.';
comment on column abdm.abha_registrations.txn_id is 'class=operational;about=ABDM''s id of the flow (txnId).';
comment on column abdm.abha_registrations.request_id is 'class=operational;about=Our id of the attempt; the same one again is the same attempt.';
comment on column abdm.abha_registrations.otp_sent_at is 'class=operational;about=When ABDM sent an OTP. The OTP itself is nowhere.';
comment on column abdm.abha_registrations.otp_attempts is 'class=operational;about=How often an OTP was tried, at most three times.';
comment on column abdm.abha_registrations.mobile_verified is 'class=operational;about=The mobile number was verified on the way.';
comment on column abdm.abha_registrations.consent_id is 'class=operational;about=The consent to create an ABHA; creating one needs it.';
comment on column abdm.abha_registrations.started_at is 'class=operational;about=When the desk began.';
comment on column abdm.abha_registrations.finished_at is 'class=operational;about=When it ended: linked, failed or expired.';
comment on column abdm.abha_registrations.error_code is 'class=operational;about=Code that ABDM gave for the failure.';
comment on column abdm.abha_registrations.error_message is 'class=operational;about=Its text, unless it repeats an identity number.';
comment on column abdm.abha_registrations.operator_user_id is 'class=operational;about=The user at the desk.';
comment on column abdm.abha_registrations.clinic_id is 'class=operational;about=The site.';
comment on column abdm.abha_registrations.status is 'class=operational;about=initiated, otp_sent, otp_verified, enrolled, address_set, linked, failed or expired.';
select core.comment_standard_columns('abdm.abha_registrations');

alter table abdm.abha_registrations enable row level security, force row level security;
drop policy if exists tenant_isolation on abdm.abha_registrations;
create policy tenant_isolation on abdm.abha_registrations
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger abha_registrations_no_aadhaar
  before insert or update of error_code, error_message on abdm.abha_registrations
  for each row execute function core.reject_aadhaar_like('error_code', 'error_message');
create or replace trigger abha_registrations_touch before update on abdm.abha_registrations
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger abha_registrations_transition before insert or update of status on abdm.abha_registrations
  for each row execute function core.enforce_transition('abdm.abha_registrations', 'status');
select audit.track('abdm.abha_registrations');

insert into core.transition_rules (machine, from_state, to_state, guard, requires_reason, emits_event) values
  ('abdm.abha_registrations', '', 'initiated', null, false, null),
  ('abdm.abha_registrations', 'initiated', 'otp_sent', null, false, null),
  ('abdm.abha_registrations', 'initiated', 'enrolled', 'method scan_share or aadhaar_biometric: no OTP', false, null),
  ('abdm.abha_registrations', 'initiated', 'failed', null, false, null),
  ('abdm.abha_registrations', 'initiated', 'expired', null, false, null),
  ('abdm.abha_registrations', 'otp_sent', 'otp_verified', null, false, null),
  ('abdm.abha_registrations', 'otp_sent', 'failed', null, false, null),
  ('abdm.abha_registrations', 'otp_sent', 'expired', null, false, null),
  ('abdm.abha_registrations', 'otp_verified', 'enrolled', null, false, null),
  ('abdm.abha_registrations', 'otp_verified', 'failed', null, false, null),
  ('abdm.abha_registrations', 'otp_verified', 'expired', null, false, null),
  ('abdm.abha_registrations', 'enrolled', 'address_set', null, false, null),
  ('abdm.abha_registrations', 'enrolled', 'linked', null, false, null),
  ('abdm.abha_registrations', 'enrolled', 'failed', null, false, null),
  ('abdm.abha_registrations', 'enrolled', 'expired', null, false, null),
  ('abdm.abha_registrations', 'address_set', 'linked', null, false, null),
  ('abdm.abha_registrations', 'address_set', 'failed', null, false, null),
  ('abdm.abha_registrations', 'address_set', 'expired', null, false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on abdm.abha_registrations to fhir_app;
grant select on abdm.abha_registrations to fhir_ro;

-- abdm.care_contexts: milestone M2, a piece of a patient's record that can be linked to the ABHA: one visit or document,
-- with one HI type. What the network may show is reference and display: the display comes from a template, kind of record
-- and date, so it cannot name a diagnosis.
create table if not exists abdm.care_contexts (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  patient_id uuid not null,
  abha_account_id uuid,
  encounter_id uuid,
  hip_id text not null,
  patient_reference text not null,
  reference text not null,
  display text not null,
  hi_type text not null,
  source_type text not null,
  source_id uuid not null,
  bundle_logical_id uuid,
  linked_at timestamptz,
  link_transaction_id uuid,
  notified_at timestamptz,
  last_error text,
  record_date date not null,
  status text not null default 'pending',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint care_contexts_pkey primary key (tenant_id, id),
  constraint care_contexts_reference_key unique (tenant_id, hip_id, patient_reference, reference),
  constraint care_contexts_source_key unique (tenant_id, source_type, source_id, hi_type),
  constraint care_contexts_status_known check (
    status in ('pending', 'link_requested', 'failed', 'withdrawn', 'linked', 'notified', 'unlinked')
  ),
  constraint care_contexts_source_is_a_table check (source_type ~ '^[a-z_]+\.[a-z_]+$'),
  constraint care_contexts_display_at_most_80 check (length(display) between 1 and 80),
  constraint care_contexts_linked_to_an_account check (
    status not in ('linked', 'notified') or (linked_at is not null and abha_account_id is not null)
  ),
  constraint care_contexts_notified_has_time check (status <> 'notified' or notified_at is not null),
  constraint care_contexts_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint care_contexts_abha_account_fkey
    foreign key (tenant_id, abha_account_id) references abdm.abha_accounts (tenant_id, id)
);

create index if not exists care_contexts_patient_idx on abdm.care_contexts (tenant_id, patient_id);
create index if not exists care_contexts_abha_account_idx on abdm.care_contexts (tenant_id, abha_account_id)
  where abha_account_id is not null;
create index if not exists care_contexts_encounter_idx on abdm.care_contexts (tenant_id, encounter_id)
  where encounter_id is not null;
create index if not exists care_contexts_link_transaction_idx on abdm.care_contexts (tenant_id, link_transaction_id)
  where link_transaction_id is not null;
create index if not exists care_contexts_unlinked_idx on abdm.care_contexts (tenant_id, record_date)
  where status in ('pending', 'failed');

comment on table abdm.care_contexts is 'class=phi;scope=tenant;owner=fhir;fhir=Encounter,Composition;retention=medical_record;about=A visit or document of a patient that can be linked to the ABHA.';
comment on column abdm.care_contexts.patient_id is 'class=phi;about=The patient.';
comment on column abdm.care_contexts.abha_account_id is 'class=phi;about=The ABHA that it is linked to.';
comment on column abdm.care_contexts.encounter_id is 'class=phi;about=The visit or stay, where there is one.';
comment on column abdm.care_contexts.hip_id is 'class=operational;about=Network id of the site that gives the data.';
comment on column abdm.care_contexts.patient_reference is 'class=phi;about=What the network calls the patient: the patient''s id, which says nothing.';
comment on column abdm.care_contexts.reference is 'class=operational;about=What the network calls the context, unique at the site: the row''s own id.';
comment on column abdm.care_contexts.display is 'class=phi;about=What the patient reads, at most 80 characters, from the template in setting abdm.context_display.';
comment on column abdm.care_contexts.hi_type is 'class=phi;about=Kind of record: a code of value set urn:abdm:hi-types, such as DischargeSummary.';
comment on column abdm.care_contexts.source_type is 'class=operational;about=Table that holds the record, as schema.table.';
comment on column abdm.care_contexts.source_id is 'class=operational;about=Row of that table.';
comment on column abdm.care_contexts.bundle_logical_id is 'class=operational;about=The document bundle in fhir.resource_versions, once it was rendered.';
comment on column abdm.care_contexts.linked_at is 'class=operational;about=When the consent manager confirmed the link.';
comment on column abdm.care_contexts.link_transaction_id is 'class=operational;about=The exchange that linked it, or is about to.';
comment on column abdm.care_contexts.notified_at is 'class=operational;about=When the consent manager was told that there is new data.';
comment on column abdm.care_contexts.last_error is 'class=operational;about=Code of the last failure to link.';
comment on column abdm.care_contexts.record_date is 'class=phi;about=Day of the record, which the window of a consent is compared with.';
comment on column abdm.care_contexts.status is 'class=operational;about=pending, link_requested, linked, notified, failed, unlinked, or withdrawn for good.';
select core.comment_standard_columns('abdm.care_contexts');

alter table abdm.care_contexts enable row level security, force row level security;
drop policy if exists tenant_isolation on abdm.care_contexts;
create policy tenant_isolation on abdm.care_contexts
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger care_contexts_hi_type before insert or update of hi_type on abdm.care_contexts
  for each row execute function abdm.check_hi_types('hi_type');
create or replace trigger care_contexts_touch before update on abdm.care_contexts
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger care_contexts_transition before insert or update of status on abdm.care_contexts
  for each row execute function core.enforce_transition('abdm.care_contexts', 'status');
select audit.track('abdm.care_contexts');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('abdm.care_contexts', '', 'pending', false, null),
  ('abdm.care_contexts', 'pending', 'link_requested', false, null),
  ('abdm.care_contexts', 'pending', 'failed', false, null),
  ('abdm.care_contexts', 'pending', 'withdrawn', true, null),
  ('abdm.care_contexts', 'link_requested', 'linked', false, 'care_context.linked.v1'),
  ('abdm.care_contexts', 'link_requested', 'failed', false, null),
  ('abdm.care_contexts', 'linked', 'notified', false, null),
  ('abdm.care_contexts', 'linked', 'unlinked', true, null),
  ('abdm.care_contexts', 'notified', 'unlinked', true, null),
  ('abdm.care_contexts', 'failed', 'link_requested', false, null),
  ('abdm.care_contexts', 'failed', 'withdrawn', true, null),
  ('abdm.care_contexts', 'unlinked', 'link_requested', false, null),
  ('abdm.care_contexts', 'unlinked', 'withdrawn', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on abdm.care_contexts to fhir_app;
grant select on abdm.care_contexts to fhir_ro;

-- abdm.linking_transactions: one exchange of milestone M2: a link token, a link that we start (HIP-initiated), a discovery by
-- the patient, a link by the patient. A discovery finds exactly one patient or none. The OTP that we send to the patient is
-- kept as a hash, lives some minutes and may be tried three times.
create table if not exists abdm.linking_transactions (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  kind text not null,
  request_id uuid not null,
  transaction_id uuid,
  hip_id text not null,
  abha_address text,
  patient_id uuid,
  matched_by text[],
  requested_identifiers_enc bytea,
  context_ids uuid[] not null default '{}',
  context_count integer generated always as (cardinality(context_ids)) stored,
  link_ref_number text,
  otp_hash bytea,
  otp_expires_at timestamptz,
  otp_attempts smallint not null default 0,
  token_enc bytea,
  token_expires_at timestamptz,
  error_code text,
  responded_at timestamptz,
  status text not null default 'received',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint linking_transactions_pkey primary key (tenant_id, id),
  constraint linking_transactions_request_key unique (tenant_id, request_id),
  constraint linking_transactions_kind_known check (
    kind in ('link_token', 'hip_initiated', 'user_initiated_discovery', 'user_initiated_link')
  ),
  constraint linking_transactions_status_known check (
    status in ('received', 'matched', 'not_found', 'failed', 'confirmed', 'otp_sent', 'expired')
  ),
  constraint linking_transactions_matched_by_known check (
    matched_by <@ array['MOBILE', 'ABHA_NUMBER', 'MR', 'abhaAddress']
  ),
  constraint linking_transactions_mr_number_alone_matches_nobody check (matched_by <> array['MR']),
  constraint linking_transactions_match_is_one_patient check (
    status not in ('matched', 'otp_sent') or patient_id is not null
  ),
  constraint linking_transactions_not_found_is_no_patient check (status <> 'not_found' or patient_id is null),
  constraint linking_transactions_address_form check (
    core.valid_abha_address(abha_address) and abha_address = lower(abha_address)
  ),
  constraint linking_transactions_at_most_3_otp_attempts check (otp_attempts between 0 and 3),
  constraint linking_transactions_otp_whole check (
    status <> 'otp_sent' or num_nonnulls(link_ref_number, otp_hash, otp_expires_at) = 3
  ),
  constraint linking_transactions_otp_hash_is_sha256 check (octet_length(otp_hash) = 32),
  constraint linking_transactions_token_expires check (
    kind <> 'link_token' or status <> 'confirmed' or num_nonnulls(token_enc, token_expires_at) = 2
  ),
  constraint linking_transactions_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

create unique index if not exists linking_transactions_link_ref_number_key on abdm.linking_transactions (tenant_id, link_ref_number)
  where link_ref_number is not null;
create index if not exists linking_transactions_patient_idx on abdm.linking_transactions (tenant_id, patient_id)
  where patient_id is not null;
create index if not exists linking_transactions_transaction_idx on abdm.linking_transactions (tenant_id, transaction_id)
  where transaction_id is not null;
create index if not exists linking_transactions_token_idx on abdm.linking_transactions (tenant_id, abha_address, token_expires_at)
  where kind = 'link_token' and status = 'confirmed';
create index if not exists linking_transactions_otp_idx on abdm.linking_transactions (tenant_id, otp_expires_at)
  where status = 'otp_sent';

comment on table abdm.linking_transactions is 'class=phi;scope=tenant;owner=fhir;fhir=Task;retention=medical_record;about=One exchange about linking care contexts: token, discovery, link.';
comment on column abdm.linking_transactions.kind is 'class=operational;about=link_token, hip_initiated, user_initiated_discovery or user_initiated_link.';
comment on column abdm.linking_transactions.request_id is 'class=operational;about=REQUEST-ID of the exchange; the same one again gets the same answer.';
comment on column abdm.linking_transactions.transaction_id is 'class=operational;about=ABDM''s transactionId, which ties a link to its discovery.';
comment on column abdm.linking_transactions.hip_id is 'class=operational;about=Network id of the site.';
comment on column abdm.linking_transactions.abha_address is 'class=pii;about=ABHA address of the person, in lower case.';
comment on column abdm.linking_transactions.patient_id is 'class=phi;about=The one patient, null when none was found.';
comment on column abdm.linking_transactions.matched_by is 'class=operational;about=What the patient was found by: MOBILE, ABHA_NUMBER, abhaAddress, and MR beside one of them.';
comment on column abdm.linking_transactions.requested_identifiers_enc is 'class=pii;enc=1;about=The identifiers that a discovery came with, encrypted.';
comment on column abdm.linking_transactions.context_ids is 'class=phi;about=Care contexts that were offered, or are to be linked.';
comment on column abdm.linking_transactions.context_count is 'class=operational;about=How many they are.';
comment on column abdm.linking_transactions.link_ref_number is 'class=operational;about=Our number of a link that waits for its OTP.';
comment on column abdm.linking_transactions.otp_hash is 'class=operational;about=SHA-256 of link_ref_number and OTP, made by the application. Emptied when the exchange ends.';
comment on column abdm.linking_transactions.otp_expires_at is 'class=operational;about=Until when the OTP may be used.';
comment on column abdm.linking_transactions.otp_attempts is 'class=operational;about=How often a wrong OTP came, at most three times.';
comment on column abdm.linking_transactions.token_enc is 'class=operational;enc=1;about=Link token (X-LINK-TOKEN), encrypted.';
comment on column abdm.linking_transactions.token_expires_at is 'class=operational;about=Until when the link token may be used.';
comment on column abdm.linking_transactions.error_code is 'class=operational;about=Why it failed: ABDM''s code or ours.';
comment on column abdm.linking_transactions.responded_at is 'class=operational;about=When it was answered, by us or by ABDM.';
comment on column abdm.linking_transactions.status is 'class=operational;about=received, matched, not_found, otp_sent, confirmed, failed or expired.';
select core.comment_standard_columns('abdm.linking_transactions');

alter table abdm.linking_transactions enable row level security, force row level security;
drop policy if exists tenant_isolation on abdm.linking_transactions;
create policy tenant_isolation on abdm.linking_transactions
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger linking_transactions_no_aadhaar
  before insert or update of abha_address, error_code on abdm.linking_transactions
  for each row execute function core.reject_aadhaar_like('abha_address', 'error_code');
create or replace trigger linking_transactions_touch before update on abdm.linking_transactions
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger linking_transactions_transition before insert or update of status on abdm.linking_transactions
  for each row execute function core.enforce_transition('abdm.linking_transactions', 'status');
select audit.track('abdm.linking_transactions');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('abdm.linking_transactions', '', 'received', false, null),
  ('abdm.linking_transactions', 'received', 'matched', false, null),
  ('abdm.linking_transactions', 'received', 'not_found', false, null),
  ('abdm.linking_transactions', 'received', 'failed', false, null),
  ('abdm.linking_transactions', 'received', 'confirmed', false, null),
  ('abdm.linking_transactions', 'matched', 'otp_sent', false, null),
  ('abdm.linking_transactions', 'matched', 'confirmed', false, null),
  ('abdm.linking_transactions', 'matched', 'failed', false, null),
  ('abdm.linking_transactions', 'matched', 'expired', false, null),
  ('abdm.linking_transactions', 'otp_sent', 'confirmed', false, null),
  ('abdm.linking_transactions', 'otp_sent', 'failed', false, null),
  ('abdm.linking_transactions', 'otp_sent', 'expired', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on abdm.linking_transactions to fhir_app;
grant select on abdm.linking_transactions to fhir_ro;

-- abdm.consent_requests: milestone M3 as information user (HIU): what a clinician of ours asks a patient's consent for.
-- Past data only, for a stated purpose, with a date on which we erase what we got. Purpose BTG (break the glass) needs open
-- emergency access to that patient.
create table if not exists abdm.consent_requests (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  request_id uuid not null,
  consent_request_id uuid,
  patient_id uuid not null,
  abha_address text not null,
  hiu_id text not null,
  hip_id text,
  requester_user_id uuid not null,
  requester_registration text not null,
  purpose text not null,
  hi_types text[] not null,
  access_mode text not null,
  data_from timestamptz not null,
  data_to timestamptz not null,
  data_erase_at timestamptz not null,
  frequency_unit text not null,
  frequency_value smallint not null,
  frequency_repeats smallint not null,
  decided_at timestamptz,
  error_code text,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint consent_requests_pkey primary key (tenant_id, id),
  constraint consent_requests_request_key unique (tenant_id, request_id),
  constraint consent_requests_purpose_known check (
    purpose in ('CAREMGT', 'BTG', 'PUBHLTH', 'HPAYMT', 'DSRCH', 'PATRQT')
  ),
  constraint consent_requests_access_mode_known check (access_mode in ('VIEW', 'STORE', 'QUERY', 'STREAM')),
  constraint consent_requests_frequency_unit_known check (frequency_unit in ('HOUR', 'DAY', 'WEEK', 'MONTH', 'YEAR')),
  constraint consent_requests_frequency_not_negative check (frequency_value >= 0 and frequency_repeats >= 0),
  constraint consent_requests_status_known check (
    status in ('draft', 'requested', 'failed', 'granted', 'denied', 'expired', 'revoked')
  ),
  constraint consent_requests_address_form check (
    core.valid_abha_address(abha_address) and abha_address = lower(abha_address)
  ),
  constraint consent_requests_window_has_length check (data_from < data_to),
  constraint consent_requests_past_data_only check (data_to <= created_at),
  constraint consent_requests_erase_in_future check (data_erase_at > created_at),
  constraint consent_requests_some_hi_type check (cardinality(hi_types) > 0),
  constraint consent_requests_requested_has_network_id check (
    status in ('draft', 'failed') or consent_request_id is not null
  ),
  constraint consent_requests_decision_has_time check (
    status not in ('granted', 'denied', 'revoked') or decided_at is not null
  ),
  constraint consent_requests_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

create unique index if not exists consent_requests_consent_request_key on abdm.consent_requests (tenant_id, consent_request_id)
  where consent_request_id is not null;
create index if not exists consent_requests_patient_idx on abdm.consent_requests (tenant_id, patient_id);
create index if not exists consent_requests_requester_user_idx on abdm.consent_requests (tenant_id, requester_user_id);

comment on table abdm.consent_requests is 'class=phi;scope=tenant;owner=fhir;fhir=Consent;retention=medical_record;about=What we ask a patient''s consent for, as an information user.';
comment on column abdm.consent_requests.request_id is 'class=operational;about=REQUEST-ID that we sent; the same one again is the same request.';
comment on column abdm.consent_requests.consent_request_id is 'class=operational;about=The consent manager''s id of the request.';
comment on column abdm.consent_requests.patient_id is 'class=phi;about=The patient.';
comment on column abdm.consent_requests.abha_address is 'class=pii;about=ABHA address that was asked, in lower case.';
comment on column abdm.consent_requests.hiu_id is 'class=operational;about=Network id of our site.';
comment on column abdm.consent_requests.hip_id is 'class=operational;about=Network id of the one site that is asked, null for all.';
comment on column abdm.consent_requests.requester_user_id is 'class=operational;about=The clinician who asks.';
comment on column abdm.consent_requests.requester_registration is 'class=operational;about=Their registration number with the medical council, which the patient is shown.';
comment on column abdm.consent_requests.purpose is 'class=operational;about=CAREMGT (care), BTG (emergency), PUBHLTH, HPAYMT (payment), DSRCH (research) or PATRQT (the patient asked).';
comment on column abdm.consent_requests.hi_types is 'class=operational;about=Kinds of record: codes of value set urn:abdm:hi-types.';
comment on column abdm.consent_requests.access_mode is 'class=operational;about=VIEW, STORE, QUERY or STREAM.';
comment on column abdm.consent_requests.data_from is 'class=operational;about=Beginning of the period of records.';
comment on column abdm.consent_requests.data_to is 'class=operational;about=End of that period, not in the future.';
comment on column abdm.consent_requests.data_erase_at is 'class=operational;about=When we erase what we got.';
comment on column abdm.consent_requests.frequency_unit is 'class=operational;about=HOUR, DAY, WEEK, MONTH or YEAR.';
comment on column abdm.consent_requests.frequency_value is 'class=operational;about=Length of the window in that unit; 0 counts as 1.';
comment on column abdm.consent_requests.frequency_repeats is 'class=operational;about=How many transfers a window allows beyond the first.';
comment on column abdm.consent_requests.decided_at is 'class=operational;about=When we heard of the patient''s decision.';
comment on column abdm.consent_requests.error_code is 'class=operational;about=ABDM''s code when the request failed.';
comment on column abdm.consent_requests.status is 'class=operational;about=draft, requested, granted, denied, expired, revoked or failed.';
select core.comment_standard_columns('abdm.consent_requests');

alter table abdm.consent_requests enable row level security, force row level security;
drop policy if exists tenant_isolation on abdm.consent_requests;
create policy tenant_isolation on abdm.consent_requests
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger consent_requests_emergency before insert or update of purpose on abdm.consent_requests
  for each row execute function abdm.check_emergency_consent();
create or replace trigger consent_requests_hi_types before insert or update of hi_types on abdm.consent_requests
  for each row execute function abdm.check_hi_types('hi_types');
create or replace trigger consent_requests_no_aadhaar
  before insert or update of abha_address, requester_registration, error_code on abdm.consent_requests
  for each row execute function core.reject_aadhaar_like('abha_address', 'requester_registration', 'error_code');
create or replace trigger consent_requests_touch before update on abdm.consent_requests
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger consent_requests_transition before insert or update of status on abdm.consent_requests
  for each row execute function core.enforce_transition('abdm.consent_requests', 'status');
select audit.track('abdm.consent_requests');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('abdm.consent_requests', '', 'draft', false, null),
  ('abdm.consent_requests', 'draft', 'requested', false, null),
  ('abdm.consent_requests', 'draft', 'failed', false, null),
  ('abdm.consent_requests', 'requested', 'granted', false, null),
  ('abdm.consent_requests', 'requested', 'denied', false, null),
  ('abdm.consent_requests', 'requested', 'expired', false, null),
  ('abdm.consent_requests', 'requested', 'failed', false, null),
  ('abdm.consent_requests', 'granted', 'revoked', false, null),
  ('abdm.consent_requests', 'granted', 'expired', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on abdm.consent_requests to fhir_app;
grant select on abdm.consent_requests to fhir_ro;

-- abdm.consent_artefacts: signed consent artefacts, on either side: the only licence to move data over the network. One is
-- granted only with a signature that was checked and found right; a wrong one is kept as invalid, for the report. What the
-- patient allowed never changes: the permission, its text and its signature are fixed when the row is written.
create table if not exists abdm.consent_artefacts (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  artefact_id uuid not null,
  role text not null,
  consent_request_id uuid,
  patient_id uuid,
  abha_address text not null,
  hip_id text not null,
  hiu_id text not null,
  consent_manager_id text not null,
  schema_version text not null,
  purpose text not null,
  hi_types text[] not null,
  access_mode text not null,
  data_from timestamptz not null,
  data_to timestamptz not null,
  data_erase_at timestamptz not null,
  frequency_unit text not null,
  frequency_value smallint not null,
  frequency_repeats smallint not null,
  detail jsonb not null,
  signature text not null,
  signature_valid boolean,
  signature_checked_at timestamptz,
  granted_at timestamptz not null,
  revoked_at timestamptz,
  expired_at timestamptz,
  last_used_at timestamptz,
  status abdm.consent_status not null default 'received',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint consent_artefacts_pkey primary key (tenant_id, id),
  constraint consent_artefacts_artefact_key unique (tenant_id, role, artefact_id),
  constraint consent_artefacts_role_known check (role in ('HIP', 'HIU')),
  constraint consent_artefacts_purpose_known check (
    purpose in ('CAREMGT', 'BTG', 'PUBHLTH', 'HPAYMT', 'DSRCH', 'PATRQT')
  ),
  constraint consent_artefacts_access_mode_known check (access_mode in ('VIEW', 'STORE', 'QUERY', 'STREAM')),
  constraint consent_artefacts_frequency_unit_known check (frequency_unit in ('HOUR', 'DAY', 'WEEK', 'MONTH', 'YEAR')),
  constraint consent_artefacts_frequency_not_negative check (frequency_value >= 0 and frequency_repeats >= 0),
  constraint consent_artefacts_address_form check (
    core.valid_abha_address(abha_address) and abha_address = lower(abha_address)
  ),
  constraint consent_artefacts_some_hi_type check (cardinality(hi_types) > 0),
  constraint consent_artefacts_window_has_length check (data_from < data_to),
  constraint consent_artefacts_signature_not_empty check (signature <> ''),
  constraint consent_artefacts_check_has_time check ((signature_valid is null) = (signature_checked_at is null)),
  constraint consent_artefacts_granted_only_when_signed check (
    status not in ('granted', 'revoked', 'expired') or coalesce(signature_valid, false)
  ),
  constraint consent_artefacts_invalid_is_not_signed check (status <> 'invalid' or not coalesce(signature_valid, false)),
  constraint consent_artefacts_revoked_has_time check ((status = 'revoked') = (revoked_at is not null)),
  constraint consent_artefacts_expired_has_time check ((status = 'expired') = (expired_at is not null)),
  constraint consent_artefacts_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint consent_artefacts_consent_request_fkey
    foreign key (tenant_id, consent_request_id) references abdm.consent_requests (tenant_id, id)
);

create index if not exists consent_artefacts_consent_request_idx on abdm.consent_artefacts (tenant_id, consent_request_id)
  where consent_request_id is not null;
create index if not exists consent_artefacts_patient_idx on abdm.consent_artefacts (tenant_id, patient_id)
  where patient_id is not null;
create index if not exists consent_artefacts_ending_idx on abdm.consent_artefacts (tenant_id, data_erase_at)
  where status = 'granted';

comment on table abdm.consent_artefacts is 'class=phi;scope=tenant;owner=fhir;fhir=Consent;retention=medical_record;about=Signed consent artefacts on either side, the only licence to move data.';
comment on column abdm.consent_artefacts.artefact_id is 'class=operational;about=The consent manager''s id of the artefact.';
comment on column abdm.consent_artefacts.role is 'class=operational;about=Our side: HIP (we give data) or HIU (we get data).';
comment on column abdm.consent_artefacts.consent_request_id is 'class=operational;about=Our request that it answers, as HIU.';
comment on column abdm.consent_artefacts.patient_id is 'class=phi;about=The patient, null when none of ours was recognised.';
comment on column abdm.consent_artefacts.abha_address is 'class=pii;about=ABHA address of the patient, in lower case.';
comment on column abdm.consent_artefacts.hip_id is 'class=operational;about=Network id of the site that gives.';
comment on column abdm.consent_artefacts.hiu_id is 'class=operational;about=Network id of the site that gets.';
comment on column abdm.consent_artefacts.consent_manager_id is 'class=operational;about=Consent manager that signed it.';
comment on column abdm.consent_artefacts.schema_version is 'class=operational;about=Version of the artefact''s form.';
comment on column abdm.consent_artefacts.purpose is 'class=operational;about=CAREMGT, BTG, PUBHLTH, HPAYMT, DSRCH or PATRQT.';
comment on column abdm.consent_artefacts.hi_types is 'class=operational;about=Kinds of record that may move, as the artefact lists them.';
comment on column abdm.consent_artefacts.access_mode is 'class=operational;about=VIEW, STORE, QUERY or STREAM.';
comment on column abdm.consent_artefacts.data_from is 'class=operational;about=Beginning of the period of records.';
comment on column abdm.consent_artefacts.data_to is 'class=operational;about=End of that period.';
comment on column abdm.consent_artefacts.data_erase_at is 'class=operational;about=dataEraseAt: nothing moves from then on, and what moved is erased.';
comment on column abdm.consent_artefacts.frequency_unit is 'class=operational;about=HOUR, DAY, WEEK, MONTH or YEAR.';
comment on column abdm.consent_artefacts.frequency_value is 'class=operational;about=Length of the window in that unit; 0 counts as 1.';
comment on column abdm.consent_artefacts.frequency_repeats is 'class=operational;about=How many transfers a window allows beyond the first.';
comment on column abdm.consent_artefacts.detail is 'class=phi;about=The artefact''s text as it was signed.';
comment on column abdm.consent_artefacts.signature is 'class=operational;about=The signature over it.';
comment on column abdm.consent_artefacts.signature_valid is 'class=operational;about=What the check against the consent manager''s public key gave.';
comment on column abdm.consent_artefacts.signature_checked_at is 'class=operational;about=When it was checked.';
comment on column abdm.consent_artefacts.granted_at is 'class=operational;about=When the patient granted it.';
comment on column abdm.consent_artefacts.revoked_at is 'class=operational;about=When we heard that the patient took it back.';
comment on column abdm.consent_artefacts.expired_at is 'class=operational;about=When it was found to have run out.';
comment on column abdm.consent_artefacts.last_used_at is 'class=operational;about=When a session was last authorised under it.';
comment on column abdm.consent_artefacts.status is 'class=operational;about=received, granted, invalid, revoked or expired.';
select core.comment_standard_columns('abdm.consent_artefacts');

alter table abdm.consent_artefacts enable row level security, force row level security;
drop policy if exists tenant_isolation on abdm.consent_artefacts;
create policy tenant_isolation on abdm.consent_artefacts
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger consent_artefacts_permission_stays before update on abdm.consent_artefacts
  for each row execute function abdm.keep_permission();
create or replace trigger consent_artefacts_no_aadhaar
  before insert on abdm.consent_artefacts
  for each row execute function core.reject_aadhaar_like('abha_address', 'hip_id', 'hiu_id');
create or replace trigger consent_artefacts_touch before update on abdm.consent_artefacts
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger consent_artefacts_transition before insert or update of status on abdm.consent_artefacts
  for each row execute function core.enforce_transition('abdm.consent_artefacts', 'status');
select audit.track('abdm.consent_artefacts');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('abdm.consent_artefacts', '', 'received', false, null),
  ('abdm.consent_artefacts', 'received', 'granted', false, 'consent.granted.v1'),
  ('abdm.consent_artefacts', 'received', 'invalid', false, null),
  ('abdm.consent_artefacts', 'granted', 'revoked', false, 'consent.revoked.v1'),
  ('abdm.consent_artefacts', 'granted', 'expired', false, 'consent.expired.v1')
on conflict (machine, from_state, to_state) do nothing;

grant select on abdm.consent_artefacts to fhir_app;
grant select on abdm.consent_artefacts to fhir_ro;

-- abdm.consent_artefact_contexts: the care contexts that an artefact lists. What is not here does not move (IM713).
create table if not exists abdm.consent_artefact_contexts (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  artefact_row_id uuid not null,
  patient_reference text not null,
  care_context_reference text not null,
  care_context_id uuid,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint consent_artefact_contexts_pkey primary key (tenant_id, id),
  constraint consent_artefact_contexts_reference_key unique (tenant_id, artefact_row_id, care_context_reference),
  constraint consent_artefact_contexts_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint consent_artefact_contexts_artefact_row_fkey
    foreign key (tenant_id, artefact_row_id) references abdm.consent_artefacts (tenant_id, id),
  constraint consent_artefact_contexts_care_context_fkey
    foreign key (tenant_id, care_context_id) references abdm.care_contexts (tenant_id, id)
);

create index if not exists consent_artefact_contexts_care_context_idx on abdm.consent_artefact_contexts (tenant_id, care_context_id)
  where care_context_id is not null;

comment on table abdm.consent_artefact_contexts is 'class=phi;scope=tenant;owner=fhir;fhir=Consent;retention=medical_record;append_only=1;about=Care contexts that an artefact lists.';
comment on column abdm.consent_artefact_contexts.artefact_row_id is 'class=operational;about=The artefact.';
comment on column abdm.consent_artefact_contexts.patient_reference is 'class=phi;about=What the giving site calls the patient.';
comment on column abdm.consent_artefact_contexts.care_context_reference is 'class=phi;about=What the giving site calls the context.';
comment on column abdm.consent_artefact_contexts.care_context_id is 'class=phi;about=Our context of that reference, when we are the site that gives.';
select core.comment_standard_columns('abdm.consent_artefact_contexts');

alter table abdm.consent_artefact_contexts enable row level security, force row level security;
drop policy if exists tenant_isolation on abdm.consent_artefact_contexts;
create policy tenant_isolation on abdm.consent_artefact_contexts
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger consent_artefact_contexts_append_only before update or delete on abdm.consent_artefact_contexts
  for each row execute function core.refuse_change();
create or replace trigger consent_artefact_contexts_no_truncate before truncate on abdm.consent_artefact_contexts
  for each statement execute function core.refuse_change();
select audit.track('abdm.consent_artefact_contexts');

grant select on abdm.consent_artefact_contexts to fhir_app;
grant select on abdm.consent_artefact_contexts to fhir_ro;

-- abdm.health_info_requests: a session of data flow under a consent artefact, on either side: the period asked for, the keys,
-- how far it got. A session is acknowledged only while its artefact allows it (trigger abdm.check_session): granted, before
-- dataEraseAt, inside the window, as often as the frequency says, with contexts and HI types that the artefact lists.
-- The private key is gone when the session has ended.
create table if not exists abdm.health_info_requests (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  role text not null,
  request_id uuid not null,
  transaction_id uuid,
  artefact_row_id uuid not null,
  data_from timestamptz not null,
  data_to timestamptz not null,
  data_push_url text not null,
  crypto_alg text not null,
  curve text not null,
  peer_public_key text,
  peer_key_expires_at timestamptz,
  peer_nonce text,
  own_public_key text,
  own_private_key_enc bytea,
  own_nonce text,
  authorised_at timestamptz,
  care_context_references text[] not null default '{}',
  pages_expected integer,
  pages_received integer not null default 0,
  session_status text,
  notified_at timestamptz,
  error_code text,
  status text not null default 'received',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint health_info_requests_pkey primary key (tenant_id, id),
  constraint health_info_requests_request_key unique (tenant_id, role, request_id),
  constraint health_info_requests_role_known check (role in ('HIP', 'HIU')),
  constraint health_info_requests_session_status_known check (
    session_status in ('ACKNOWLEDGED', 'TRANSFERRED', 'FAILED', 'PARTIAL')
  ),
  constraint health_info_requests_status_known check (
    status in (
      'received', 'acknowledged', 'rejected', 'transferring', 'failed', 'transferred', 'partial', 'notified'
    )
  ),
  constraint health_info_requests_window_has_length check (data_from < data_to),
  constraint health_info_requests_push_to_https check (data_push_url ~ '^https://[^ ]+$'),
  constraint health_info_requests_pages_not_negative check (pages_expected >= 0 and pages_received >= 0),
  constraint health_info_requests_peer_key_known_by_hip check (
    role <> 'HIP' or num_nonnulls(peer_public_key, peer_nonce) = 2
  ),
  constraint health_info_requests_authorised_before_transfer check (
    status not in ('acknowledged', 'transferring', 'transferred', 'partial')
    or (authorised_at is not null and cardinality(care_context_references) > 0)
  ),
  constraint health_info_requests_notified_has_time check (status <> 'notified' or notified_at is not null),
  constraint health_info_requests_no_key_after_the_end check (
    own_private_key_enc is null or status in ('received', 'acknowledged', 'transferring', 'partial')
  ),
  constraint health_info_requests_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint health_info_requests_artefact_row_fkey
    foreign key (tenant_id, artefact_row_id) references abdm.consent_artefacts (tenant_id, id)
);

create unique index if not exists health_info_requests_transaction_key on abdm.health_info_requests (tenant_id, role, transaction_id)
  where transaction_id is not null;
create index if not exists health_info_requests_artefact_row_idx
  on abdm.health_info_requests (tenant_id, artefact_row_id, authorised_at);

comment on table abdm.health_info_requests is 'class=phi;scope=tenant;owner=fhir;fhir=Task;retention=medical_record;about=A session of data flow under a consent artefact.';
comment on column abdm.health_info_requests.role is 'class=operational;about=Our side: HIP (we send) or HIU (we receive).';
comment on column abdm.health_info_requests.request_id is 'class=operational;about=REQUEST-ID of the request for data; the same one again is the same session.';
comment on column abdm.health_info_requests.transaction_id is 'class=operational;about=ABDM''s transactionId of the session.';
comment on column abdm.health_info_requests.artefact_row_id is 'class=operational;about=The artefact that allows it.';
comment on column abdm.health_info_requests.data_from is 'class=operational;about=Beginning of the period of records that is asked for.';
comment on column abdm.health_info_requests.data_to is 'class=operational;about=End of that period.';
comment on column abdm.health_info_requests.data_push_url is 'class=operational;about=Where the encrypted data go.';
comment on column abdm.health_info_requests.crypto_alg is 'class=operational;about=Key agreement, such as ECDH.';
comment on column abdm.health_info_requests.curve is 'class=operational;about=Curve of the keys, such as Curve25519.';
comment on column abdm.health_info_requests.peer_public_key is 'class=operational;about=Public key of the other side.';
comment on column abdm.health_info_requests.peer_key_expires_at is 'class=operational;about=Until when that key may be used.';
comment on column abdm.health_info_requests.peer_nonce is 'class=operational;about=Nonce of the other side.';
comment on column abdm.health_info_requests.own_public_key is 'class=operational;about=Our public key of this session.';
comment on column abdm.health_info_requests.own_private_key_enc is 'class=operational;enc=1;about=Our private key of this session, encrypted. Gone when the session has ended.';
comment on column abdm.health_info_requests.own_nonce is 'class=operational;about=Our nonce.';
comment on column abdm.health_info_requests.authorised_at is 'class=operational;about=When the artefact was found to allow it; this is what the frequency counts.';
comment on column abdm.health_info_requests.care_context_references is 'class=phi;about=The contexts that may move in this session.';
comment on column abdm.health_info_requests.pages_expected is 'class=operational;about=How many pages the sender announced.';
comment on column abdm.health_info_requests.pages_received is 'class=operational;about=How many pages were recorded, sent or received.';
comment on column abdm.health_info_requests.session_status is 'class=operational;about=What the consent manager was told: ACKNOWLEDGED, TRANSFERRED, FAILED or PARTIAL.';
comment on column abdm.health_info_requests.notified_at is 'class=operational;about=When it was told how the session ended.';
comment on column abdm.health_info_requests.error_code is 'class=operational;about=Why it was rejected or failed: a code of ours (IM7xx) or of ABDM.';
comment on column abdm.health_info_requests.status is 'class=operational;about=received, acknowledged, transferring, partial, transferred, failed, rejected or notified.';
select core.comment_standard_columns('abdm.health_info_requests');

alter table abdm.health_info_requests enable row level security, force row level security;
drop policy if exists tenant_isolation on abdm.health_info_requests;
create policy tenant_isolation on abdm.health_info_requests
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger health_info_requests_allowed before update of status on abdm.health_info_requests
  for each row when (new.status = 'acknowledged' and old.status <> 'acknowledged')
  execute function abdm.check_session();
create or replace trigger health_info_requests_touch before update on abdm.health_info_requests
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger health_info_requests_transition before insert or update of status on abdm.health_info_requests
  for each row execute function core.enforce_transition('abdm.health_info_requests', 'status');
select audit.track('abdm.health_info_requests');

insert into core.transition_rules (machine, from_state, to_state, guard, requires_reason, emits_event) values
  ('abdm.health_info_requests', '', 'received', null, false, null),
  ('abdm.health_info_requests', 'received', 'acknowledged', 'abdm.check_session: IM710-IM715', false, null),
  ('abdm.health_info_requests', 'received', 'rejected', null, false, null),
  ('abdm.health_info_requests', 'acknowledged', 'transferring', null, false, null),
  ('abdm.health_info_requests', 'acknowledged', 'failed', null, false, null),
  ('abdm.health_info_requests', 'transferring', 'transferred', null, false, null),
  ('abdm.health_info_requests', 'transferring', 'failed', null, false, null),
  ('abdm.health_info_requests', 'transferring', 'partial', null, false, null),
  ('abdm.health_info_requests', 'partial', 'transferring', null, false, null),
  ('abdm.health_info_requests', 'partial', 'failed', null, false, null),
  ('abdm.health_info_requests', 'transferred', 'notified', null, false, null),
  ('abdm.health_info_requests', 'failed', 'notified', null, false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on abdm.health_info_requests to fhir_app;
grant select on abdm.health_info_requests to fhir_ro;

-- abdm.health_info_transfers: each page of each care context that was sent or received, by its checksum. A context that the
-- session's artefact does not list has no transfer (IM713). What was received has a day on which it is erased; erasing
-- (abdm.erase_due) takes the content away and leaves the row, as proof.
create table if not exists abdm.health_info_transfers (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  request_row_id uuid not null,
  direction text not null,
  care_context_reference text not null,
  page_no integer not null,
  media_type text not null,
  checksum bytea not null,
  hi_status text,
  bundle_document_id uuid,
  bundle_profile text,
  validation_errors jsonb,
  transferred_at timestamptz not null default now(),
  erase_at timestamptz,
  erased_at timestamptz,
  error text,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint health_info_transfers_pkey primary key (tenant_id, id),
  constraint health_info_transfers_page_key unique (tenant_id, request_row_id, care_context_reference, page_no),
  constraint health_info_transfers_direction_known check (direction in ('out', 'in')),
  constraint health_info_transfers_hi_status_known check (hi_status in ('DELIVERED', 'ERRORED', 'OK')),
  constraint health_info_transfers_page_not_negative check (page_no >= 0),
  constraint health_info_transfers_checksum_not_empty check (octet_length(checksum) > 0),
  constraint health_info_transfers_received_is_erased_some_day check (direction <> 'in' or erase_at is not null),
  constraint health_info_transfers_erased_has_no_content check (erased_at is null or bundle_document_id is null),
  constraint health_info_transfers_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint health_info_transfers_request_row_fkey
    foreign key (tenant_id, request_row_id) references abdm.health_info_requests (tenant_id, id)
);

create index if not exists health_info_transfers_bundle_document_idx on abdm.health_info_transfers (tenant_id, bundle_document_id)
  where bundle_document_id is not null;
create index if not exists health_info_transfers_due_idx on abdm.health_info_transfers (tenant_id, erase_at)
  where erase_at is not null and erased_at is null;

comment on table abdm.health_info_transfers is 'class=phi;scope=tenant;owner=fhir;fhir=DocumentReference;retention=medical_record;about=Each page of a care context that was sent or received.';
comment on column abdm.health_info_transfers.request_row_id is 'class=operational;about=The session.';
comment on column abdm.health_info_transfers.direction is 'class=operational;about=out (sent) or in (received).';
comment on column abdm.health_info_transfers.care_context_reference is 'class=phi;about=The care context, by the giving site''s reference.';
comment on column abdm.health_info_transfers.page_no is 'class=operational;about=Number of the page in the session.';
comment on column abdm.health_info_transfers.media_type is 'class=operational;about=Kind of content, such as application/fhir+json.';
comment on column abdm.health_info_transfers.checksum is 'class=operational;about=Checksum of the content that came with it.';
comment on column abdm.health_info_transfers.hi_status is 'class=operational;about=DELIVERED or ERRORED (sent), OK or ERRORED (received).';
comment on column abdm.health_info_transfers.bundle_document_id is 'class=phi;about=The stored bundle, null when it is not kept or was erased.';
comment on column abdm.health_info_transfers.bundle_profile is 'class=operational;about=Canonical URL of the bundle''s profile.';
comment on column abdm.health_info_transfers.validation_errors is 'class=phi;about=What validation found wrong.';
comment on column abdm.health_info_transfers.transferred_at is 'class=operational;about=When it was sent or received.';
comment on column abdm.health_info_transfers.erase_at is 'class=operational;about=When received content must be gone: dataEraseAt, or at once when the consent ends before.';
comment on column abdm.health_info_transfers.erased_at is 'class=operational;about=When it was erased.';
comment on column abdm.health_info_transfers.error is 'class=operational;about=Code of the failure of this page.';
select core.comment_standard_columns('abdm.health_info_transfers');

alter table abdm.health_info_transfers enable row level security, force row level security;
drop policy if exists tenant_isolation on abdm.health_info_transfers;
create policy tenant_isolation on abdm.health_info_transfers
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger health_info_transfers_context_listed
  before insert or update of request_row_id, care_context_reference on abdm.health_info_transfers
  for each row execute function abdm.check_transferred_context();
create or replace trigger health_info_transfers_touch before update on abdm.health_info_transfers
  for each row execute function core.update_updated_at_column('row_version');
select audit.track('abdm.health_info_transfers');

grant select on abdm.health_info_transfers to fhir_app;
grant select on abdm.health_info_transfers to fhir_ro;

-- abdm.gateway_messages: every call to the ABDM gateway and every callback from it. A callback that comes twice is one row
-- (REQUEST-ID and path), it is worked on under a lease, and one that failed ten times waits for a person to replay it.
-- Bodies are encrypted; headers are kept without tokens.
create table if not exists abdm.gateway_messages (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  direction text not null,
  path text not null,
  request_id uuid not null,
  response_to uuid,
  hip_id text,
  cm_id text,
  headers jsonb not null default '{}',
  body_enc bytea not null,
  http_status smallint,
  error_code text,
  attempts smallint not null default 0,
  next_attempt_at timestamptz not null default now(),
  locked_until timestamptz,
  lock_token uuid,
  processed_at timestamptz,
  subject_type text,
  subject_id uuid,
  status text not null default 'pending',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint gateway_messages_pkey primary key (tenant_id, id),
  constraint gateway_messages_request_key unique (tenant_id, direction, request_id, path),
  constraint gateway_messages_direction_known check (direction in ('out', 'in')),
  constraint gateway_messages_status_known check (
    status in ('pending', 'processing', 'sent', 'completed', 'failed', 'acknowledged')
  ),
  constraint gateway_messages_path_is_absolute check (path ~ '^/[^ ]*$'),
  constraint gateway_messages_at_most_10_attempts check (attempts between 0 and 10),
  constraint gateway_messages_http_status_range check (http_status between 100 and 599),
  constraint gateway_messages_headers_without_tokens check (
    headers::text !~* '"(authorization|cookie|x-token|x-auth-token|x-link-token|t-token)" *:'
  ),
  constraint gateway_messages_lease_whole check (
    (status = 'processing') = (locked_until is not null) and (locked_until is null) = (lock_token is null)
  ),
  constraint gateway_messages_sent_is_outgoing check (status not in ('sent', 'acknowledged') or direction = 'out'),
  constraint gateway_messages_subject_whole check ((subject_type is null) = (subject_id is null)),
  constraint gateway_messages_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

create index if not exists gateway_messages_due_idx on abdm.gateway_messages (tenant_id, next_attempt_at)
  where status = 'pending';
create index if not exists gateway_messages_leased_idx on abdm.gateway_messages (tenant_id, locked_until)
  where status = 'processing';
create index if not exists gateway_messages_failed_idx on abdm.gateway_messages (tenant_id, created_at)
  where status = 'failed';
create index if not exists gateway_messages_request_idx on abdm.gateway_messages (tenant_id, request_id);

comment on table abdm.gateway_messages is 'class=phi;scope=tenant;owner=fhir;fhir=AuditEvent;retention=medical_record;about=Every ABDM gateway call and callback, deduplicated by REQUEST-ID.';
comment on column abdm.gateway_messages.direction is 'class=operational;about=out (our call) or in (callback).';
comment on column abdm.gateway_messages.path is 'class=operational;about=Path of the API, such as /v3/consent/request/hiu/notify.';
comment on column abdm.gateway_messages.request_id is 'class=operational;about=REQUEST-ID of the message.';
comment on column abdm.gateway_messages.response_to is 'class=operational;about=REQUEST-ID of our call that a callback answers.';
comment on column abdm.gateway_messages.hip_id is 'class=operational;about=Header X-HIP-ID or X-HIU-ID.';
comment on column abdm.gateway_messages.cm_id is 'class=operational;about=Header X-CM-ID.';
comment on column abdm.gateway_messages.headers is 'class=operational;about=The other headers, without tokens.';
comment on column abdm.gateway_messages.body_enc is 'class=phi;enc=1;about=The body, encrypted.';
comment on column abdm.gateway_messages.http_status is 'class=operational;about=What the gateway answered to our call.';
comment on column abdm.gateway_messages.error_code is 'class=operational;about=Code of the last failure.';
comment on column abdm.gateway_messages.attempts is 'class=operational;about=How often it was worked on, at most ten times before a person looks.';
comment on column abdm.gateway_messages.next_attempt_at is 'class=operational;about=Not worked on before.';
comment on column abdm.gateway_messages.locked_until is 'class=operational;about=End of the lease of the worker that has it.';
comment on column abdm.gateway_messages.lock_token is 'class=operational;about=Proof of that lease.';
comment on column abdm.gateway_messages.processed_at is 'class=operational;about=When it was completed, sent or given up.';
comment on column abdm.gateway_messages.subject_type is 'class=operational;about=Table of the row that it was about, as schema.table.';
comment on column abdm.gateway_messages.subject_id is 'class=operational;about=That row.';
comment on column abdm.gateway_messages.status is 'class=operational;about=pending, processing, completed, failed; our calls go from processing to sent and acknowledged.';
select core.comment_standard_columns('abdm.gateway_messages');

alter table abdm.gateway_messages enable row level security, force row level security;
drop policy if exists tenant_isolation on abdm.gateway_messages;
create policy tenant_isolation on abdm.gateway_messages
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger gateway_messages_touch before update on abdm.gateway_messages
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger gateway_messages_transition before insert or update of status on abdm.gateway_messages
  for each row execute function core.enforce_transition('abdm.gateway_messages', 'status');
select audit.track('abdm.gateway_messages');

insert into core.transition_rules (machine, from_state, to_state, guard, requires_reason, emits_event) values
  ('abdm.gateway_messages', '', 'pending', null, false, null),
  ('abdm.gateway_messages', 'pending', 'processing', null, false, null),
  ('abdm.gateway_messages', 'processing', 'completed', null, false, null),
  ('abdm.gateway_messages', 'processing', 'sent', 'outgoing only', false, null),
  ('abdm.gateway_messages', 'processing', 'failed', null, false, null),
  ('abdm.gateway_messages', 'processing', 'pending', null, false, null),
  ('abdm.gateway_messages', 'sent', 'acknowledged', null, false, null),
  ('abdm.gateway_messages', 'sent', 'failed', null, false, null),
  ('abdm.gateway_messages', 'failed', 'pending', null, false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on abdm.gateway_messages to fhir_app;
grant select on abdm.gateway_messages to fhir_ro;

-- other services: tables

create or replace view clinical.encounters with (security_invoker = true) as
select
  r.tenant_id,
  r.entity_id as id,
  (r.attrs ->> 'patient_id')::uuid as patient_id,
  (r.attrs ->> 'clinic_id')::uuid as clinic_id,
  (r.attrs ->> 'department_id')::uuid as department_id,
  r.attrs ->> 'class' as class,
  r.attrs ->> 'status' as status,
  (r.attrs ->> 'period')::tstzrange as period,
  r.attrs ->> 'payer_class' as payer_class,
  (r.attrs ->> 'deleted_at')::timestamp with time zone as deleted_at
from core.entity_refs r
where r.entity_type = 'clinical.encounters' and (r.lifecycle <> 'deleted' or r.attrs ? 'deleted_at');

comment on view clinical.encounters is 'about=What the service clinical publishes of clinical.encounters, kept by its events.';
comment on column clinical.encounters.tenant_id is 'class=operational;about=The tenant that the row belongs to; null in a tenant-or-global table means shared by all.';
comment on column clinical.encounters.id is 'class=operational;about=Identity of the row, a UUID version 7.';
comment on column clinical.encounters.patient_id is 'class=phi;about=The patient.';
comment on column clinical.encounters.clinic_id is 'class=operational;about=The clinic.';
comment on column clinical.encounters.department_id is 'class=operational;about=Department that is responsible now.';
comment on column clinical.encounters.class is 'class=operational;about=AMB outpatient, EMER emergency, IMP inpatient, OBSENC observation, HH home, VR virtual, SS short stay (day care); HL7 ActCode.';
comment on column clinical.encounters.status is 'class=operational;about=planned, arrived, triaged, in_progress, on_leave, finished, cancelled or entered_in_error.';
comment on column clinical.encounters.period is 'class=operational;about=From arrival to the end, start included; open while it lasts.';
comment on column clinical.encounters.payer_class is 'class=financial;about=Who pays: self, insurance, pmjay, corporate or free.';
comment on column clinical.encounters.deleted_at is 'class=operational;about=When the row was deleted; the row itself stays.';

create or replace view compliance.consents with (security_invoker = true) as
select
  r.tenant_id,
  r.entity_id as id,
  (r.attrs ->> 'patient_id')::uuid as patient_id,
  r.attrs ->> 'kind' as kind,
  r.attrs ->> 'decision' as decision,
  r.attrs ->> 'status' as status,
  (r.attrs ->> 'given_at')::timestamp with time zone as given_at,
  (r.attrs ->> 'expires_at')::timestamp with time zone as expires_at,
  (r.attrs ->> 'withdrawn_at')::timestamp with time zone as withdrawn_at,
  (r.attrs ->> 'encounter_id')::uuid as encounter_id
from core.entity_refs r
where r.entity_type = 'compliance.consents' and (r.lifecycle <> 'deleted');

comment on view compliance.consents is 'about=What the service business publishes of compliance.consents, kept by its events.';
comment on column compliance.consents.tenant_id is 'class=operational;about=The tenant that the row belongs to; null in a tenant-or-global table means shared by all.';
comment on column compliance.consents.id is 'class=operational;about=Identity of the row, a UUID version 7.';
comment on column compliance.consents.patient_id is 'class=phi;about=The patient whose body or data it is about.';
comment on column compliance.consents.kind is 'class=phi;about=data_processing, treatment, surgery, anaesthesia, transfusion, high_risk, research, telemedicine, photography, marketing, abdm or insurance_sharing.';
comment on column compliance.consents.decision is 'class=phi;about=permit or deny.';
comment on column compliance.consents.status is 'class=operational;about=draft, active, rejected, withdrawn, expired or superseded.';
comment on column compliance.consents.given_at is 'class=operational;about=When it was given.';
comment on column compliance.consents.expires_at is 'class=operational;about=When it ends by itself.';
comment on column compliance.consents.withdrawn_at is 'class=operational;about=When it was withdrawn.';
comment on column compliance.consents.encounter_id is 'class=phi;about=The visit or stay that it is for; none for a standing consent.';

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

-- abdm: foreign keys

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'abdm.care_contexts'::pg_catalog.regclass and conname = 'care_contexts_link_transaction_fkey') then
    alter table abdm.care_contexts add constraint care_contexts_link_transaction_fkey
  foreign key (tenant_id, link_transaction_id) references abdm.linking_transactions (tenant_id, id);
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

create or replace function patient.bytes_of(p_object jsonb, p_key text) returns bytea
  language plpgsql
  immutable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_object ->> p_key !~ '^\\x([0-9a-fA-F]{2})+$' then
    raise exception '"%" must be bytes in hexadecimal', p_key
      using errcode = '22023', hint = 'encrypt in the application and send \x and two digits a byte; never plain text';
  end if;
  return (p_object ->> p_key)::bytea;
end
$$;

comment on function patient.bytes_of(jsonb, text) is 'about=Bytes of one key of an object, written as PostgreSQL writes bytea (\x00ff). 22023 anything else, so that plain text cannot slip into an encrypted column.';

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

-- fhir: functions

-- Loaders of the global terminology. The platform runs them (imhotep_platform), not a tenant: what they write, all see.
create or replace function fhir.load_code_system(
  p_url text,
  p_version text,
  p_name text,
  p_licence text,
  p_is_current boolean default true
) returns uuid
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_id uuid;
begin
  if p_is_current then
    update fhir.code_systems s set is_current = false where s.url = p_url and s.version <> p_version and s.is_current;
  end if;
  insert into fhir.code_systems as s (url, version, name, licence, is_current)
  values (p_url, p_version, p_name, p_licence, p_is_current)
  on conflict (url, version) do update
  set name = excluded.name, licence = excluded.licence, is_current = s.is_current or excluded.is_current
  returning s.id into v_id;
  return v_id;
end
$$;

comment on function fhir.load_code_system(text, text, text, text, boolean) is 'about=Registers a version of a code system and returns its id; registering it again changes name and licence. p_is_current makes it the version that searches use.';

create or replace function fhir.load_concepts(p_code_system_id uuid, p_concepts jsonb) returns integer
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_concept jsonb;
  v_is_new boolean;
  v_new integer := 0;
begin
  perform from fhir.code_systems s where s.id = p_code_system_id for no key update;
  if not found then
    raise exception 'code system % does not exist', p_code_system_id
      using errcode = 'IM005', hint = 'register it with fhir.load_code_system first';
  end if;
  for v_concept in select e.value from jsonb_array_elements(p_concepts) e loop
    insert into fhir.concepts (code_system_id, code, display, status, parents, designations, properties)
    values (
      p_code_system_id, v_concept ->> 'code', v_concept ->> 'display', coalesce(v_concept ->> 'status', 'active'),
      coalesce((select array_agg(p.value) from jsonb_array_elements_text(v_concept -> 'parents') p), '{}'),
      coalesce(v_concept -> 'designations', '{}'), coalesce(v_concept -> 'properties', '{}')
    )
    on conflict (code_system_id, code) do update
    set
      display = excluded.display, status = excluded.status, parents = excluded.parents,
      designations = excluded.designations, properties = excluded.properties
    returning xmax = 0 into v_is_new; -- a row that was there before carries the lock of this update
    v_new := v_new + v_is_new::integer;
  end loop;
  update fhir.code_systems s
  set concept_count = s.concept_count + v_new, loaded_at = now()
  where s.id = p_code_system_id;
  return v_new;
end
$$;

comment on function fhir.load_concepts(uuid, jsonb) is 'about=Writes concepts [{code, display, status, parents, designations, properties}] of a code system and returns how many are new; known codes are brought up to date. Send some thousand at a time; a batch that is sent again changes nothing. IM005 no such code system, 23514 a check digit is wrong: then nothing of the batch is written.';

-- Value sets of a tenant: drafted with their members, then activated. Shared ones come from system seeds.
create or replace function fhir.save_value_set(
  p_url text,
  p_version text,
  p_name text,
  p_members jsonb,
  p_bound_to text[] default '{}'
) returns uuid
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_id uuid;
  v_status text;
  v_member record;
begin
  select v.id, v.status into v_id, v_status
  from fhir.value_sets v
  where v.tenant_id = v_tenant and v.url = p_url and v.version = p_version
  for no key update;
  if v_status <> 'draft' then
    raise exception 'value set % is %, not a draft', v_id, v_status
      using errcode = 'IM001', hint = 'save it under a new version';
  end if;
  if v_id is null then
    insert into fhir.value_sets (tenant_id, url, version, name, bound_to)
    values (v_tenant, p_url, p_version, p_name, p_bound_to)
    returning id into v_id;
  else
    update fhir.value_sets v
    set name = p_name, bound_to = p_bound_to
    where v.tenant_id = v_tenant and v.id = v_id;
    delete from fhir.value_set_members m where m.tenant_id = v_tenant and m.value_set_id = v_id;
  end if;
  for v_member in select e.value, e.ordinality from jsonb_array_elements(p_members) with ordinality e loop
    insert into fhir.value_set_members (tenant_id, value_set_id, system, code, display, seq)
    values (
      v_tenant, v_id, v_member.value ->> 'system', v_member.value ->> 'code', v_member.value ->> 'display',
      v_member.ordinality
    );
  end loop;
  return v_id;
end
$$;

comment on function fhir.save_value_set(text, text, text, jsonb, text[]) is 'about=Writes a draft version of a value set of the tenant with exactly these members [{system, code, display}] and returns its id. IM001 that version is active or retired, 23505 a member twice, 23514 a check digit is wrong.';

create or replace function fhir.activate_value_set(p_value_set_id uuid) returns fhir.value_sets
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_value_set fhir.value_sets;
begin
  select v.* into v_value_set
  from fhir.value_sets v
  where v.tenant_id = v_tenant and v.id = p_value_set_id
  for no key update;
  if not found then
    raise exception 'value set % does not exist', p_value_set_id
      using errcode = 'IM005', hint = 'choose one of the tenant''s own value sets';
  end if;
  if v_value_set.status = 'active' then
    return v_value_set;
  end if;
  update fhir.value_sets v
  set status = 'retired'
  where v.tenant_id = v_tenant and v.url = v_value_set.url and v.status = 'active';
  update fhir.value_sets v
  set status = 'active'
  where v.tenant_id = v_tenant and v.id = p_value_set_id
  returning v.* into v_value_set;
  return v_value_set;
end
$$;

comment on function fhir.activate_value_set(uuid) is 'about=Makes a draft the version that columns are checked against and retires the one before. Activating it again changes nothing. IM001 it is retired, IM005 no such value set of the tenant.';

create or replace function fhir.value_set_contains(p_url text, p_code text, p_system text default null) returns boolean
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select
    from fhir.value_set_members m
    where
      m.value_set_id = (
        select v.id
        from fhir.value_sets v
        where v.url = p_url and v.status = 'active' and (v.tenant_id = core.current_tenant_id() or v.tenant_id is null)
        order by v.tenant_id nulls last
        limit 1
      )
      and m.code = p_code
      and (p_system is null or m.system = p_system)
  )
$$;

comment on function fhir.value_set_contains(text, text, text) is 'about=Whether the active version of a value set has the code: the tenant''s own version where there is one, else the shared one. False for an unknown value set.';

create or replace function fhir.value_set_display(p_url text, p_code text) returns text
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
  select m.display
  from fhir.value_set_members m
  join fhir.value_sets v on v.id = m.value_set_id
  where
    v.url = p_url and v.status = 'active' and (v.tenant_id = core.current_tenant_id() or v.tenant_id is null)
    and m.code = p_code
  order by v.tenant_id nulls last
  limit 1
$$;

comment on function fhir.value_set_display(text, text) is 'about=Text of a code in the active version of a value set, null when it has none. For other modules'' operations.';

-- Reading the terminology.
create or replace function fhir.search_concepts(p_url text, p_query text, p_limit integer default 20, p_version text default null)
  returns table (code text, display text, designations jsonb)
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_system uuid;
  v_typed text := lower(btrim(p_query));
  v_prefix text := replace(replace(replace(v_typed, '\', '\\'), '%', '\%'), '_', '\_') || '%';
  v_words tsquery;
  v_found integer;
begin
  select s.id into v_system
  from fhir.code_systems s
  where s.url = p_url and (s.version = p_version or (p_version is null and s.is_current));
  if v_system is null or length(v_typed) < 2 then
    return;
  end if;

  -- the code itself, and displays that begin like this
  return query
  select c.code, c.display, c.designations
  from fhir.concepts c
  where
    c.code_system_id = v_system and c.status = 'active'
    and (c.code = btrim(p_query) or c.display_lc like v_prefix)
  order by c.code = btrim(p_query) desc, length(c.display), c.code
  limit p_limit;
  get diagnostics v_found = row_count;
  if v_found >= p_limit then
    return;
  end if;

  -- then those that have all the words somewhere, the last perhaps unfinished
  select string_agg(quote_literal(w.word) || ':*', ' & ')::tsquery into v_words
  from regexp_split_to_table(v_typed, '[^[:alnum:]]+') as w (word)
  where w.word <> '';
  return query
  select c.code, c.display, c.designations
  from fhir.concepts c
  where
    c.code_system_id = v_system and c.status = 'active'
    and c.words @@ v_words
    and c.display_lc not like v_prefix and c.code <> btrim(p_query)
  order by length(c.display), c.code
  limit p_limit - v_found;
end
$$;

comment on function fhir.search_concepts(text, text, integer, text) is 'about=Active concepts of the current (or the given) version of a code system: the code that was typed, displays that begin so, then those that have all the words, in any designation. Nothing for fewer than two characters.';

create or replace function fhir.translate_code(
  p_source_system text,
  p_source_code text,
  p_target_system text,
  p_on date default core.tenant_today()
) returns table (target_code text, equivalence text, is_own boolean)
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
  select m.target_code, m.equivalence, m.tenant_id is not null
  from fhir.concept_maps m
  where
    (m.tenant_id = core.current_tenant_id() or m.tenant_id is null)
    and m.source_system = p_source_system and m.source_code = p_source_code and m.target_system = p_target_system
    and m.valid_during @> p_on
  order by
    m.tenant_id is null,
    array_position(array['equivalent', 'wider', 'narrower', 'inexact', 'unmatched'], m.equivalence),
    m.target_code
$$;

comment on function fhir.translate_code(text, text, text, date) is 'about=What a code is in another system on a day, by default the tenant''s: the tenant''s own mappings first, the closest first. unmatched has an empty code: somebody looked and found none. No row: nobody looked. IM003 no tenant and no day.';

-- The store of renderings: the only writer of fhir.resource_versions.
create or replace function fhir.store_version(
  p_resource_type text,
  p_logical_id uuid,
  p_content_enc bytea,
  p_content_hash bytea,
  p_source text,
  p_source_id uuid,
  p_patient_id uuid default null,
  p_options jsonb default '{}'
) returns fhir.resource_versions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_expected integer := (p_options ->> 'expected_version')::integer;
  v_profile text[] := coalesce(
    (select array_agg(e.value order by e.ordinality) from jsonb_array_elements_text(p_options -> 'profile') with ordinality e),
    '{}'
  );
  v_last fhir.resource_versions;
begin
  if p_source !~ '^[a-z_]+\.[a-z_]+$' then
    raise exception 'source "%" is not schema.table', p_source
      using errcode = '22023', hint = 'name the table of the row that was rendered, such as clinical.encounters';
  end if;
  -- A version that somebody else is storing makes the insert wait and then find it taken: look again and take the next.
  loop
    select r.* into v_last
    from fhir.resource_versions r
    where r.tenant_id = v_tenant and r.resource_type = p_resource_type and r.logical_id = p_logical_id
    order by r.version desc
    limit 1;
    if
      v_last.content_hash = p_content_hash and v_last.profile = v_profile
      and v_last.validator is not distinct from p_options ->> 'validator'
      and v_last.valid is not distinct from (p_options ->> 'valid')::boolean
    then
      return v_last;
    end if;
    if v_expected <> coalesce(v_last.version, 0) then
      raise exception '% % is at version %, not %', p_resource_type, p_logical_id, coalesce(v_last.version, 0), v_expected
        using errcode = 'IM004', hint = 'render it again from the current rows';
    end if;

    insert into fhir.resource_versions (
      tenant_id, resource_type, logical_id, version, profile, content_enc, content_hash, source_schema, source_table,
      source_id, patient_id, validator, valid, issues, bundle_type
    )
    values (
      v_tenant, p_resource_type, p_logical_id, coalesce(v_last.version, 0) + 1, v_profile, p_content_enc,
      p_content_hash, split_part(p_source, '.', 1), split_part(p_source, '.', 2), p_source_id, p_patient_id,
      p_options ->> 'validator', (p_options ->> 'valid')::boolean, p_options -> 'issues', p_options ->> 'bundle_type'
    )
    on conflict (tenant_id, resource_type, logical_id, version) do nothing
    returning * into v_last;
    if found then
      return v_last;
    end if;
  end loop;
end
$$;

comment on function fhir.store_version(text, uuid, bytea, bytea, text, uuid, uuid, jsonb) is 'about=Stores a rendering as the next version of a resource and returns it; the content of the last version again, validated alike, is that version. p_source is schema.table of the rendered row. p_options: profile (array), validator, valid, issues, bundle_type, expected_version (0 for none yet). IM003, IM004 another version is the last one, 22023 malformed source, 23514 no FHIR R4 type, or an outcome without its validator or issues.';

create or replace function fhir.resource_history(p_resource_type text, p_logical_id uuid, p_limit integer default 50)
  returns setof fhir.resource_versions
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
  select r.*
  from fhir.resource_versions r
  where r.tenant_id = core.current_tenant_id() and r.resource_type = p_resource_type and r.logical_id = p_logical_id
  order by r.version desc
  limit p_limit
$$;

comment on function fhir.resource_history(text, uuid, integer) is 'about=The last p_limit versions of a resource, newest first, content encrypted. Whoever decrypts one logs the access.';

-- compliance: functions

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

-- abdm: functions

-- Forms of ABHA numbers and addresses, and how alike a profile and a patient are.
create or replace function abdm.normalise_abha_number(p_number text) returns text
  language plpgsql
  immutable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_number is not null and not core.valid_abha_number(btrim(p_number)) then
    raise exception 'an ABHA number has 14 digits'
      using errcode = '22023', hint = 'write it plain or as 2-4-4-4; no check digit is published, so the network decides';
  end if;
  return replace(btrim(p_number), '-', '');
end
$$;

comment on function abdm.normalise_abha_number(text) is 'about=The 14 digits of an ABHA number that came plain or as 2-4-4-4: what is encrypted and blind-indexed. 22023 anything else.';

create or replace function abdm.normalise_abha_address(p_address text) returns text
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_address text := lower(btrim(p_address));
begin
  if v_address is null then
    return null;
  end if;
  if not core.valid_abha_address(v_address)
    or not coalesce(core.setting('abdm.address_suffixes'), '["abdm", "sbx"]') ? split_part(v_address, '@', 2)
  then
    raise exception 'this is no ABHA address'
      using errcode = '22023', hint = 'handle@suffix; setting abdm.address_suffixes lists the suffixes';
  end if;
  return v_address;
end
$$;

comment on function abdm.normalise_abha_address(text) is 'about=An ABHA address in lower case: handle@suffix with a suffix of setting abdm.address_suffixes. 22023 anything else.';

create or replace function abdm.name_overlap(p_name_key text, p_other_key text) returns numeric
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select count(distinct sound)::numeric
    / nullif(least(cardinality(string_to_array(p_name_key, ' ')), cardinality(string_to_array(p_other_key, ' '))), 0)
  from unnest(string_to_array(p_name_key, ' ')) as a (sound)
  join unnest(string_to_array(p_other_key, ' ')) as b (sound) using (sound)
$$;

comment on function abdm.name_overlap(text, text) is 'about=How many sounds two sound keys (patient.name_key) share, as a part of the shorter one: 0 to 1.';

create or replace function abdm.lock_patient(p_tenant_id uuid, p_patient_id uuid) returns void
  language sql
  volatile
  set search_path = pg_catalog, pg_temp
as $$ select pg_advisory_xact_lock(hashtextextended('abdm.patient' || p_tenant_id || p_patient_id, 0)) $$;

comment on function abdm.lock_patient(uuid, uuid) is 'about=Makes whoever links an ABHA to the same patient wait until the transaction ends.';

create or replace function abdm.check_live_patient(p_patient_id uuid) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_patient record;
begin
  select p.merged_into_id, p.deleted_at into v_patient
  from patient.patients p
  where p.tenant_id = core.require_tenant() and p.id = p_patient_id;
  if not found or v_patient.deleted_at is not null then
    raise exception 'patient % does not exist', p_patient_id using errcode = 'IM005', hint = 'search the patient again';
  end if;
  if v_patient.merged_into_id is not null then
    raise exception 'patient % was merged into %', p_patient_id, v_patient.merged_into_id
      using errcode = 'IM005', hint = 'work on that patient';
  end if;
end
$$;

comment on function abdm.check_live_patient(uuid) is 'about=Raises IM005 unless the patient is there and was not merged into another.';

-- Milestone M1: an attempt at the desk, step by step. A wrong OTP is an answer, not an error: it must stay counted.
create or replace function abdm.start_registration(
  p_request_id uuid,
  p_purpose text,
  p_method text,
  p_clinic_id uuid,
  p_patient_id uuid default null,
  p_consent_id uuid default null
) returns abdm.abha_registrations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_registration abdm.abha_registrations;
  v_people uuid[] := patient.ids_of(p_patient_id);
begin
  select r.* into v_registration
  from abdm.abha_registrations r
  where r.tenant_id = v_tenant and r.request_id = p_request_id;
  if not found then
    if core.current_user_id() is null then
      raise exception 'nobody is signed in' using errcode = 'IM006', hint = 'an ABHA is registered by a person at a desk';
    end if;
    if p_patient_id is not null then
      perform abdm.check_live_patient(p_patient_id);
    end if;
    if p_purpose = 'create' and not exists (
      select
      from compliance.consents c
      where
        c.tenant_id = v_tenant and c.id = p_consent_id and c.kind = 'abdm' and c.decision = 'permit'
        and c.status = 'active' and c.patient_id = any (v_people) and (c.expires_at is null or c.expires_at > now())
        and not exists (
          select
          from compliance.consents d
          where
            d.tenant_id = c.tenant_id and d.patient_id = any (v_people) and d.kind = c.kind and d.decision = 'deny'
            and d.status = 'active' and d.given_at >= c.given_at
        )
    ) then
      raise exception 'patient % gave no consent to create an ABHA', p_patient_id
        using errcode = 'IM006', hint = 'record a consent of kind abdm first and pass it';
    end if;
    -- the same request at the same moment: both get the one row
    insert into abdm.abha_registrations (
      tenant_id, patient_id, purpose, method, request_id, consent_id, operator_user_id, clinic_id
    )
    values (
      v_tenant, p_patient_id, p_purpose, p_method, p_request_id, p_consent_id, core.current_user_id(), p_clinic_id
    )
    on conflict (tenant_id, request_id) do nothing;
    select r.* into v_registration
    from abdm.abha_registrations r
    where r.tenant_id = v_tenant and r.request_id = p_request_id;
  end if;
  if
    (v_registration.purpose, v_registration.method, v_registration.clinic_id)
    is distinct from (p_purpose, p_method, p_clinic_id)
  then
    raise exception 'request % began another registration', p_request_id
      using errcode = 'IM011', hint = 'choose a new request id for a new attempt';
  end if;
  return v_registration;
end
$$;

comment on function abdm.start_registration(uuid, text, text, uuid, uuid, uuid) is 'about=Begins an attempt to create, verify or link an ABHA, by the signed-in user. The same request id again is the same attempt. IM003, IM005 no such patient, IM006 nobody signed in, or no consent to create one that no later denial ended, IM011 that request id began something else, 23514 unknown purpose or method.';

create or replace function abdm.lock_registration(p_registration_id uuid) returns abdm.abha_registrations
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_registration abdm.abha_registrations;
begin
  select r.* into v_registration
  from abdm.abha_registrations r
  where r.tenant_id = core.require_tenant() and r.id = p_registration_id
  for no key update;
  if not found then
    raise exception 'registration % does not exist', p_registration_id
      using errcode = 'IM005', hint = 'begin one with abdm.start_registration';
  end if;
  return v_registration;
end
$$;

comment on function abdm.lock_registration(uuid) is 'about=The registration, locked until the transaction ends. IM005 no such registration.';

create or replace function abdm.check_registration_is_open(p_registration abdm.abha_registrations) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_minutes integer := coalesce((core.setting('abdm.registration_minutes') #>> '{}')::integer, 30);
begin
  if p_registration.status = 'failed' and p_registration.otp_attempts >= 3 then
    raise exception 'registration % had three wrong OTPs', p_registration.id
      using errcode = 'IM704', hint = 'start again';
  end if;
  if p_registration.status = 'expired'
    or (p_registration.finished_at is null and p_registration.started_at < now() - make_interval(mins => v_minutes))
  then
    raise exception 'registration % has expired', p_registration.id using errcode = 'IM703', hint = 'start again';
  end if;
end
$$;

comment on function abdm.check_registration_is_open(abdm.abha_registrations) is 'about=Raises IM703 for a registration that is older than setting abdm.registration_minutes, IM704 after three wrong OTPs.';

create or replace function abdm.record_otp_sent(p_registration_id uuid, p_txn_id uuid) returns abdm.abha_registrations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_registration abdm.abha_registrations := abdm.lock_registration(p_registration_id);
begin
  if v_registration.status = 'otp_sent' and v_registration.txn_id = p_txn_id then
    return v_registration;
  end if;
  perform abdm.check_registration_is_open(v_registration);
  update abdm.abha_registrations r
  set status = 'otp_sent', txn_id = p_txn_id, otp_sent_at = now()
  where r.tenant_id = v_registration.tenant_id and r.id = v_registration.id
  returning r.* into v_registration;
  return v_registration;
end
$$;

comment on function abdm.record_otp_sent(uuid, uuid) is 'about=ABDM sent an OTP and gave its txnId; a new txnId is an OTP that was sent again. IM001, IM005, IM703 expired, IM704 three wrong OTPs.';

create or replace function abdm.record_otp_result(
  p_registration_id uuid,
  p_is_right boolean,
  p_mobile_verified boolean default false,
  p_error_code text default null
) returns abdm.abha_registrations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_registration abdm.abha_registrations := abdm.lock_registration(p_registration_id);
begin
  if v_registration.status = 'otp_verified' and p_is_right then
    return v_registration;
  end if;
  perform abdm.check_registration_is_open(v_registration);
  if v_registration.status <> 'otp_sent' then
    raise exception 'registration % waits for no OTP', p_registration_id
      using errcode = 'IM001', hint = 'call abdm.record_otp_sent when ABDM sent one';
  end if;
  update abdm.abha_registrations r
  set
    otp_attempts = r.otp_attempts + 1,
    mobile_verified = r.mobile_verified or (p_is_right and p_mobile_verified),
    error_code = case when p_is_right then null else coalesce(p_error_code, 'wrong_otp') end,
    status = case when p_is_right then 'otp_verified' when r.otp_attempts = 2 then 'failed' else r.status end,
    finished_at = case when not p_is_right and r.otp_attempts = 2 then now() end
  where r.tenant_id = v_registration.tenant_id and r.id = v_registration.id
  returning r.* into v_registration;
  return v_registration;
end
$$;

comment on function abdm.record_otp_result(uuid, boolean, boolean, text) is 'about=What ABDM said to an OTP. The third wrong one ends the attempt as failed. IM001 no OTP was sent, IM005, IM703 expired, IM704 it had three wrong ones already.';

create or replace function abdm.save_account(p_account jsonb, p_verified_via text) returns abdm.abha_accounts
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_number_bidx bytea := patient.bytes_of(p_account, 'abha_number_bidx');
  v_address text := abdm.normalise_abha_address(p_account ->> 'abha_address');
  v_account abdm.abha_accounts;
begin
  -- the row of the number, else of the address, else a new one; whoever makes it at the same moment is waited for
  loop
    select a.* into v_account
    from abdm.abha_accounts a
    where
      a.tenant_id = v_tenant and a.deleted_at is null
      and (a.abha_number_bidx = v_number_bidx or a.abha_address = v_address)
    order by a.abha_number_bidx = v_number_bidx desc nulls last
    limit 1
    for no key update;
    exit when found;
    insert into abdm.abha_accounts (
      tenant_id, abha_number_enc, abha_number_bidx, abha_number_last4, abha_address
    )
    values (
      v_tenant, patient.bytes_of(p_account, 'abha_number_enc'), v_number_bidx, p_account ->> 'abha_number_last4',
      v_address
    )
    on conflict do nothing
    returning * into v_account;
    exit when found;
  end loop;

  if v_account.abha_number_bidx <> v_number_bidx or exists (
    select
    from abdm.abha_accounts a
    where a.tenant_id = v_tenant and a.deleted_at is null and a.abha_address = v_address and a.id <> v_account.id
  ) then
    raise exception 'the ABHA address belongs to an account with another number'
      using errcode = 'IM700', hint = 'verify both again; ABDM knows whose it is';
  end if;

  update abdm.abha_accounts a
  set
    abha_number_enc = coalesce(a.abha_number_enc, patient.bytes_of(p_account, 'abha_number_enc')),
    abha_number_bidx = coalesce(a.abha_number_bidx, v_number_bidx),
    abha_number_last4 = coalesce(a.abha_number_last4, p_account ->> 'abha_number_last4'),
    abha_address = coalesce(v_address, a.abha_address),
    kyc_status = coalesce(p_account ->> 'kyc_status', a.kyc_status),
    profile_enc = coalesce(patient.bytes_of(p_account, 'profile_enc'), a.profile_enc),
    profile_name_key = coalesce(nullif(patient.name_key(p_account ->> 'name'), ''), a.profile_name_key),
    profile_sex = coalesce(p_account ->> 'sex', a.profile_sex),
    profile_birth_year = coalesce((p_account ->> 'birth_year')::integer, a.profile_birth_year),
    auth_methods = coalesce(
      (select array_agg(m.value) from jsonb_array_elements_text(p_account -> 'auth_methods') m), a.auth_methods
    ),
    network_status = 'ACTIVE', -- ABDM verifies no other
    status_checked_at = now(),
    verified_at = now(),
    verified_via = p_verified_via,
    status = case a.status when 'captured' then 'verified' else a.status end
  where a.tenant_id = v_tenant and a.id = v_account.id
  returning a.* into v_account;
  return v_account;
end
$$;

comment on function abdm.save_account(jsonb, text) is 'about=Writes an account as ABDM verified it, found by number or address, and leaves it locked. 22023 malformed address or bytes, IM700 number and address belong to different accounts.';

create or replace function abdm.record_enrolment(p_registration_id uuid, p_account jsonb) returns abdm.abha_accounts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_registration abdm.abha_registrations := abdm.lock_registration(p_registration_id);
  v_account abdm.abha_accounts;
begin
  if v_registration.abha_account_id is not null then
    select a.* into v_account
    from abdm.abha_accounts a
    where a.tenant_id = v_registration.tenant_id and a.id = v_registration.abha_account_id;
    return v_account;
  end if;
  perform abdm.check_registration_is_open(v_registration);
  if v_registration.status = 'initiated' and v_registration.method not in ('scan_share', 'aadhaar_biometric') then
    raise exception 'registration % has no verified OTP', p_registration_id
      using errcode = 'IM001', hint = 'only scan_share and aadhaar_biometric need none';
  end if;
  v_account := abdm.save_account(
    p_account,
    case v_registration.method
      when 'aadhaar_biometric' then 'biometric'
      when 'driving_licence' then 'demographic'
      when 'abha_number_otp' then 'mobile_otp'
      else v_registration.method
    end
  );
  update abdm.abha_registrations r
  set status = 'enrolled', abha_account_id = v_account.id, error_code = null
  where r.tenant_id = v_registration.tenant_id and r.id = v_registration.id;
  return v_account;
end
$$;

comment on function abdm.record_enrolment(uuid, jsonb) is 'about=ABDM created or verified the account: p_account {abha_number_enc, abha_number_bidx, abha_number_last4, abha_address, kyc_status, profile_enc, name, sex, birth_year, auth_methods}, bytes in hexadecimal; of the name only the sound is kept. Returns the account; again: the same. IM001 no verified OTP, IM005, IM700 number and address belong to different accounts, IM703, IM704, 22023 malformed.';

create or replace function abdm.record_abha_address(p_registration_id uuid, p_abha_address text) returns abdm.abha_accounts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_registration abdm.abha_registrations := abdm.lock_registration(p_registration_id);
  v_address text := abdm.normalise_abha_address(p_abha_address);
  v_account abdm.abha_accounts;
begin
  select a.* into v_account
  from abdm.abha_accounts a
  where a.tenant_id = v_registration.tenant_id and a.id = v_registration.abha_account_id
  for no key update;
  if v_registration.status in ('address_set', 'linked') and v_account.abha_address = v_address then
    return v_account;
  end if;
  perform abdm.check_registration_is_open(v_registration);
  if exists (
    select
    from abdm.abha_accounts a
    where
      a.tenant_id = v_registration.tenant_id and a.abha_address = v_address and a.id <> v_account.id
      and a.deleted_at is null
  ) then
    raise exception 'the ABHA address belongs to another account'
      using errcode = 'IM700', hint = 'choose another address';
  end if;
  update abdm.abha_registrations r
  set status = 'address_set'
  where r.tenant_id = v_registration.tenant_id and r.id = v_registration.id;
  update abdm.abha_accounts a
  set abha_address = v_address
  where a.tenant_id = v_registration.tenant_id and a.id = v_account.id
  returning a.* into v_account;
  return v_account;
end
$$;

comment on function abdm.record_abha_address(uuid, text) is 'about=The person chose their ABHA address. IM001 not enrolled yet, IM005, IM700 it belongs to another account, IM703, 22023 malformed.';

create or replace function abdm.fail_registration(p_registration_id uuid, p_error_code text, p_error_message text default null)
  returns abdm.abha_registrations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_registration abdm.abha_registrations := abdm.lock_registration(p_registration_id);
begin
  if v_registration.status = 'failed' then
    return v_registration;
  end if;
  update abdm.abha_registrations r
  set
    status = 'failed', finished_at = now(), error_code = p_error_code,
    error_message = case
      when core.looks_like_aadhaar(p_error_message) then 'left out: it repeated an identity number'
      else left(p_error_message, 500)
    end
  where r.tenant_id = v_registration.tenant_id and r.id = v_registration.id
  returning r.* into v_registration;
  return v_registration;
end
$$;

comment on function abdm.fail_registration(uuid, text, text) is 'about=Ends an attempt that ABDM refused. A message that repeats an identity number is left out. IM001 it ended otherwise, IM005.';

create or replace function abdm.expire_registrations(p_limit integer default 1000) returns integer
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_minutes integer := coalesce((core.setting('abdm.registration_minutes') #>> '{}')::integer, 30);
  v_id uuid;
  v_expired integer := 0;
begin
  for v_id in
    select r.id
    from abdm.abha_registrations r
    where
      r.tenant_id = v_tenant and r.status in ('initiated', 'otp_sent', 'otp_verified', 'enrolled', 'address_set')
      and r.started_at < now() - make_interval(mins => v_minutes)
    order by r.started_at
    limit p_limit
    for update skip locked
  loop
    update abdm.abha_registrations r
    set status = 'expired', finished_at = now()
    where r.tenant_id = v_tenant and r.id = v_id;
    v_expired := v_expired + 1;
  end loop;
  return v_expired;
end
$$;

comment on function abdm.expire_registrations(integer) is 'about=Ends up to p_limit attempts that are older than setting abdm.registration_minutes and returns how many. For a job.';

-- Milestone M2: which pieces of the record can be linked, and taking them back.
create or replace function abdm.context_display(p_hi_type text, p_record_date date) returns text
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select left(
    replace(
      replace(
        coalesce(core.setting('abdm.context_display') #>> '{}', '{type}, {date}'),
        '{type}', coalesce(fhir.value_set_display('urn:abdm:hi-types', p_hi_type), p_hi_type)
      ),
      '{date}', to_char(p_record_date, 'DD Mon YYYY')
    ),
    80
  )
$$;

comment on function abdm.context_display(text, date) is 'about=What the patient reads of a care context: setting abdm.context_display with {type} and {date}. No other word of the record goes in.';

create or replace function abdm.hip_of(p_clinic_id uuid) returns text
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_hips text[];
begin
  select array_agg(distinct r.network_id) into v_hips
  from abdm.facility_registrations r
  where
    r.tenant_id = core.require_tenant() and r.role in ('HIP', 'HIP_HIU') and r.status = 'active'
    and (p_clinic_id is null or r.clinic_id = p_clinic_id);
  if coalesce(cardinality(v_hips), 0) <> 1 then
    raise exception 'the site has % active registrations as information provider', coalesce(cardinality(v_hips), 0)
      using errcode = 'IM005', hint = 'activate one in abdm.facility_registrations, or pass p_hip_id';
  end if;
  return v_hips[1];
end
$$;

comment on function abdm.hip_of(uuid) is 'about=Network id of the clinic as information provider; of the tenant''s only one when no clinic is given. IM005 none, or more than one.';

create or replace function abdm.add_care_context(
  p_patient_id uuid,
  p_hi_type text,
  p_source_type text,
  p_source_id uuid,
  p_record_date date,
  p_encounter_id uuid default null,
  p_hip_id text default null
) returns abdm.care_contexts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_id uuid := core.uuid_v7();
  v_clinic_id uuid;
  v_context abdm.care_contexts;
begin
  perform abdm.check_live_patient(p_patient_id);
  if p_encounter_id is not null then
    select e.clinic_id into v_clinic_id
    from clinical.encounters e
    join patient.patients p on p.tenant_id = e.tenant_id and p.id = e.patient_id
    where
      e.tenant_id = v_tenant and e.id = p_encounter_id
      and (e.patient_id = p_patient_id or p.merged_into_id = p_patient_id);
    if not found then
      raise exception 'patient % has no encounter %', p_patient_id, p_encounter_id
        using errcode = 'IM005', hint = 'pass the patient of the encounter';
    end if;
  end if;

  insert into abdm.care_contexts (
    tenant_id, id, patient_id, encounter_id, hip_id, patient_reference, reference, display, hi_type, source_type,
    source_id, record_date
  )
  values (
    v_tenant, v_id, p_patient_id, p_encounter_id, coalesce(p_hip_id, abdm.hip_of(v_clinic_id)), p_patient_id::text,
    v_id::text, abdm.context_display(p_hi_type, p_record_date), p_hi_type, p_source_type, p_source_id, p_record_date
  )
  on conflict (tenant_id, source_type, source_id, hi_type) do nothing
  returning * into v_context;
  if not found then
    select c.* into v_context
    from abdm.care_contexts c
    where
      c.tenant_id = v_tenant and c.source_type = p_source_type and c.source_id = p_source_id
      and c.hi_type = p_hi_type;
  end if;
  return v_context;
end
$$;

comment on function abdm.add_care_context(uuid, text, text, uuid, date, uuid, text) is 'about=Makes a row of the record linkable as one HI type; the same row and type again is the same context. The reference is the context''s id, the display a template. IM003, IM005 no such patient or encounter, or no one registration as provider, 23514 no HI type.';

create or replace function abdm.mark_contexts_notified(p_context_ids uuid[]) returns integer
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_id uuid;
  v_notified integer := 0;
begin
  for v_id in
    select c.id
    from abdm.care_contexts c
    where c.tenant_id = v_tenant and c.id = any (p_context_ids) and c.status = 'linked'
    order by c.id
    for no key update
  loop
    update abdm.care_contexts c
    set status = 'notified', notified_at = now()
    where c.tenant_id = v_tenant and c.id = v_id;
    v_notified := v_notified + 1;
  end loop;
  return v_notified;
end
$$;

comment on function abdm.mark_contexts_notified(uuid[]) is 'about=The consent manager was told of new data in these contexts; returns how many were linked and not yet marked.';

create or replace function abdm.unlink_care_context(p_context_id uuid, p_reason text, p_withdraw boolean default false)
  returns abdm.care_contexts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_context abdm.care_contexts;
begin
  select c.* into v_context
  from abdm.care_contexts c
  where c.tenant_id = v_tenant and c.id = p_context_id
  for no key update;
  if not found then
    raise exception 'care context % does not exist', p_context_id
      using errcode = 'IM005', hint = 'choose a care context of the tenant';
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'care context % needs a reason to be taken back', p_context_id
      using errcode = 'IM002', hint = 'say why in p_reason';
  end if;
  perform core.set_reason(p_reason);
  if v_context.status in ('linked', 'notified') then
    update abdm.care_contexts c
    set status = 'unlinked'
    where c.tenant_id = v_tenant and c.id = p_context_id
    returning c.* into v_context;
  end if;
  if p_withdraw and v_context.status <> 'withdrawn' then
    update abdm.care_contexts c
    set status = 'withdrawn'
    where c.tenant_id = v_tenant and c.id = p_context_id
    returning c.* into v_context;
  end if;
  return v_context;
end
$$;

comment on function abdm.unlink_care_context(uuid, text, boolean) is 'about=Takes a linked context back; p_withdraw takes it back for good, linked or not. Again: nothing changes. IM001 a link is under way, IM002 no reason, IM005.';

-- Links that we start (HIP-initiated): a link token first, then the contexts, then the consent manager's answer.
-- Order of locks: transaction, account, contexts by id.
create or replace function abdm.begin_linking(p_request_id uuid, p_transaction abdm.linking_transactions)
  returns abdm.linking_transactions
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_transaction abdm.linking_transactions;
begin
  insert into abdm.linking_transactions (
    tenant_id, kind, request_id, transaction_id, hip_id, abha_address, patient_id, requested_identifiers_enc,
    context_ids
  )
  values (
    core.require_tenant(), p_transaction.kind, p_request_id, p_transaction.transaction_id, p_transaction.hip_id,
    p_transaction.abha_address, p_transaction.patient_id, p_transaction.requested_identifiers_enc,
    coalesce(p_transaction.context_ids, '{}')
  )
  on conflict (tenant_id, request_id) do nothing
  returning * into v_transaction;
  return v_transaction;
end
$$;

comment on function abdm.begin_linking(uuid, abdm.linking_transactions) is 'about=Writes a new exchange; nothing (a null row) when there is one of that request id already.';

create or replace function abdm.earlier_linking(p_request_id uuid, p_kind text, p_patient_id uuid, p_abha_address text)
  returns abdm.linking_transactions
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_transaction abdm.linking_transactions;
begin
  select t.* into v_transaction
  from abdm.linking_transactions t
  where t.tenant_id = core.require_tenant() and t.request_id = p_request_id
  for no key update;
  if found and (
    v_transaction.kind <> p_kind
    or (p_patient_id is not null and v_transaction.patient_id is distinct from p_patient_id)
    or (p_abha_address is not null and v_transaction.abha_address is distinct from p_abha_address)
  ) then
    raise exception 'request % was another exchange', p_request_id
      using errcode = 'IM011', hint = 'choose a new request id for a new exchange';
  end if;
  return v_transaction;
end
$$;

comment on function abdm.earlier_linking(uuid, text, uuid, text) is 'about=The exchange of a request id, locked; nothing (a null row) when there is none. IM011 it is of another kind or, where given, of another patient or address.';

create or replace function abdm.lock_active_account(p_patient_id uuid) returns abdm.abha_accounts
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_account abdm.abha_accounts;
begin
  select a.* into v_account
  from abdm.abha_accounts a
  where
    a.tenant_id = core.require_tenant() and a.patient_id = p_patient_id and a.status in ('linked', 'deactivated')
    and a.deleted_at is null
  for no key update;
  if not found then
    raise exception 'patient % has no linked ABHA', p_patient_id
      using errcode = 'IM005', hint = 'link one with abdm.link_abha';
  end if;
  if v_account.status <> 'linked' or v_account.network_status <> 'ACTIVE' then
    raise exception 'the ABHA of patient % is % on the network', p_patient_id, v_account.network_status
      using errcode = 'IM006', hint = 'the person must reactivate it in an ABHA app';
  end if;
  return v_account;
end
$$;

comment on function abdm.lock_active_account(uuid) is 'about=The patient''s linked account, locked. IM005 none, IM006 it is not active on the network.';

create or replace function abdm.request_link_token(p_request_id uuid, p_patient_id uuid, p_hip_id text default null)
  returns abdm.linking_transactions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_account abdm.abha_accounts;
  v_new abdm.linking_transactions;
  v_transaction abdm.linking_transactions := abdm.earlier_linking(p_request_id, 'link_token', p_patient_id, null);
begin
  if v_transaction.id is not null then
    return v_transaction;
  end if;
  v_account := abdm.lock_active_account(p_patient_id);
  if v_account.abha_address is null then
    raise exception 'ABHA account % has no address', v_account.id
      using errcode = 'IM005', hint = 'record it with abdm.record_abha_address: tokens are for addresses';
  end if;
  v_new.kind := 'link_token';
  v_new.hip_id := coalesce(p_hip_id, abdm.hip_of(null));
  v_new.abha_address := v_account.abha_address;
  v_new.patient_id := p_patient_id;
  v_transaction := abdm.begin_linking(p_request_id, v_new);
  if v_transaction.id is null then
    return abdm.earlier_linking(p_request_id, 'link_token', p_patient_id, null);
  end if;
  return v_transaction;
end
$$;

comment on function abdm.request_link_token(uuid, uuid, text) is 'about=We ask the consent manager for a link token for a patient; the same request id again is the same request. IM005 no linked ABHA, or none with an address, IM006 not active on the network, IM011.';

create or replace function abdm.store_link_token(p_request_id uuid, p_token_enc bytea, p_expires_at timestamptz)
  returns abdm.linking_transactions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_transaction abdm.linking_transactions;
begin
  select t.* into v_transaction
  from abdm.linking_transactions t
  where t.tenant_id = v_tenant and t.request_id = p_request_id and t.kind = 'link_token'
  for no key update;
  if not found then
    raise exception 'request % asked for no link token', p_request_id
      using errcode = 'IM005', hint = 'the callback''s resp.requestId names the request';
  end if;
  if v_transaction.status <> 'confirmed' then
    update abdm.linking_transactions t
    set status = 'confirmed', token_enc = p_token_enc, token_expires_at = p_expires_at, responded_at = now()
    where t.tenant_id = v_tenant and t.id = v_transaction.id
    returning t.* into v_transaction;
  end if;
  return v_transaction;
end
$$;

comment on function abdm.store_link_token(uuid, bytea, timestamptz) is 'about=The link token came, encrypted by the application. Again: nothing changes. IM001 the request failed, IM005 no such request.';

create or replace function abdm.link_care_contexts(p_request_id uuid, p_patient_id uuid, p_context_ids uuid[])
  returns abdm.linking_transactions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_account abdm.abha_accounts;
  v_new abdm.linking_transactions;
  v_transaction abdm.linking_transactions;
  v_context record;
  v_is_new boolean := false;
  v_found integer := 0;
begin
  v_new.kind := 'hip_initiated';
  v_new.patient_id := p_patient_id;
  v_new.context_ids := array(select distinct i.id from unnest(p_context_ids) as i (id) order by i.id);
  v_transaction := abdm.earlier_linking(p_request_id, 'hip_initiated', p_patient_id, null);
  if v_transaction.id is null then
    select a.abha_address into v_new.abha_address
    from abdm.abha_accounts a
    where a.tenant_id = v_tenant and a.patient_id = p_patient_id and a.status = 'linked' and a.deleted_at is null;
    select min(c.hip_id) into v_new.hip_id
    from abdm.care_contexts c
    where c.tenant_id = v_tenant and c.id = any (p_context_ids);
    if v_new.hip_id is null then
      raise exception 'none of the care contexts exists'
        using errcode = 'IM005', hint = 'make them with abdm.add_care_context';
    end if;
    v_transaction := abdm.begin_linking(p_request_id, v_new);
    v_is_new := v_transaction.id is not null;
  end if;
  if not v_is_new then
    v_transaction := abdm.earlier_linking(p_request_id, 'hip_initiated', p_patient_id, null);
    if v_transaction.context_ids <> v_new.context_ids then
      raise exception 'request % was about other care contexts', p_request_id
        using errcode = 'IM011', hint = 'choose a new request id';
    end if;
    return v_transaction;
  end if;

  v_account := abdm.lock_active_account(p_patient_id);
  if not exists (
    select
    from abdm.linking_transactions t
    where
      t.tenant_id = v_tenant and t.kind = 'link_token' and t.status = 'confirmed'
      and t.abha_address = v_account.abha_address and t.hip_id = v_new.hip_id and t.token_expires_at > now()
  ) then
    raise exception 'there is no valid link token for the ABHA of patient %', p_patient_id
      using errcode = 'IM703', hint = 'ask for one with abdm.request_link_token';
  end if;
  for v_context in
    select c.id, c.status, c.hip_id
    from abdm.care_contexts c
    join patient.patients p on p.tenant_id = c.tenant_id and p.id = c.patient_id
    where
      c.tenant_id = v_tenant and c.id = any (p_context_ids)
      and (c.patient_id = p_patient_id or p.merged_into_id = p_patient_id)
    order by c.id
    for no key update of c
  loop
    if v_context.status in ('link_requested', 'linked', 'notified') then
      raise exception 'care context % is %', v_context.id, v_context.status
        using errcode = 'IM705', hint = 'nothing to do: leave it out';
    end if;
    if v_context.hip_id <> v_new.hip_id then
      raise exception 'care context % is of another site', v_context.id
        using errcode = 'IM005', hint = 'link the contexts of each site by themselves';
    end if;
    update abdm.care_contexts c
    set
      status = 'link_requested', abha_account_id = v_account.id, link_transaction_id = v_transaction.id,
      last_error = null
    where c.tenant_id = v_tenant and c.id = v_context.id;
    v_found := v_found + 1;
  end loop;
  if v_found <> v_transaction.context_count then
    raise exception '% of % care contexts are not of patient %', v_transaction.context_count - v_found, v_transaction.context_count, p_patient_id
      using errcode = 'IM005', hint = 'link the contexts of each patient by themselves';
  end if;
  return v_transaction;
end
$$;

comment on function abdm.link_care_contexts(uuid, uuid, uuid[]) is 'about=We ask the consent manager to link care contexts of a patient; abdm.record_link_result has its answer. All or none; the same request id again is the same request. IM001 withdrawn, IM003, IM005 no linked ABHA, or contexts of another patient or site, IM006 not active on the network, IM011, IM703 no valid link token, IM705 linked already.';

create or replace function abdm.settle_contexts(p_transaction abdm.linking_transactions, p_error_code text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_id uuid;
begin
  for v_id in
    select c.id
    from abdm.care_contexts c
    where
      c.tenant_id = p_transaction.tenant_id and c.id = any (p_transaction.context_ids)
      and c.link_transaction_id = p_transaction.id and c.status = 'link_requested'
    order by c.id
    for no key update
  loop
    update abdm.care_contexts c
    set
      status = case when p_error_code is null then 'linked' else 'failed' end,
      linked_at = case when p_error_code is null then now() end,
      last_error = p_error_code
    where c.tenant_id = p_transaction.tenant_id and c.id = v_id;
  end loop;
end
$$;

comment on function abdm.settle_contexts(abdm.linking_transactions, text) is 'about=Marks the contexts that wait for an exchange as linked, or as failed with an error code.';

create or replace function abdm.record_link_result(p_request_id uuid, p_error_code text default null)
  returns abdm.linking_transactions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_transaction abdm.linking_transactions;
begin
  select t.* into v_transaction
  from abdm.linking_transactions t
  where t.tenant_id = v_tenant and t.request_id = p_request_id and t.kind in ('link_token', 'hip_initiated')
  for no key update;
  if not found then
    raise exception 'request % asked for no link', p_request_id
      using errcode = 'IM005', hint = 'the callback''s resp.requestId names the request';
  end if;
  if v_transaction.status in ('confirmed', 'failed') then
    return v_transaction;
  end if;
  perform abdm.settle_contexts(v_transaction, p_error_code);
  update abdm.linking_transactions t
  set
    status = case when p_error_code is null then 'confirmed' else 'failed' end,
    error_code = p_error_code, responded_at = now()
  where t.tenant_id = v_tenant and t.id = v_transaction.id
  returning t.* into v_transaction;
  return v_transaction;
end
$$;

comment on function abdm.record_link_result(uuid, text) is 'about=The consent manager answered: linked, or failed with p_error_code; also how a request for a link token fails. The first answer stands. IM005 no such request.';

create or replace function abdm.init_link(
  p_request_id uuid,
  p_transaction_id uuid,
  p_references text[],
  p_link_ref_number text,
  p_otp_hash bytea
) returns abdm.linking_transactions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_minutes integer := coalesce((core.setting('abdm.otp_minutes') #>> '{}')::integer, 10);
  v_discovery abdm.linking_transactions;
  v_new abdm.linking_transactions;
  v_transaction abdm.linking_transactions := abdm.earlier_linking(p_request_id, 'user_initiated_link', null, null);
  v_linked uuid;
begin
  if v_transaction.id is not null then
    return v_transaction;
  end if;
  select t.* into v_discovery
  from abdm.linking_transactions t
  where
    t.tenant_id = v_tenant and t.transaction_id = p_transaction_id and t.kind = 'user_initiated_discovery'
    and t.status = 'matched'
  order by t.created_at desc
  limit 1;
  if not found then
    raise exception 'transaction % discovered nobody', p_transaction_id
      using errcode = 'IM005', hint = 'the patient must discover their records first';
  end if;
  if v_discovery.created_at < now() - interval '1 hour' then
    raise exception 'the discovery of transaction % is too old', p_transaction_id
      using errcode = 'IM703', hint = 'the patient must discover their records again';
  end if;
  v_new := v_discovery;
  v_new.kind := 'user_initiated_link';
  v_new.context_ids := array(
    select c.id
    from abdm.care_contexts c
    where
      c.tenant_id = v_tenant and c.id = any (v_discovery.context_ids) and c.reference = any (p_references)
    order by c.id
  );
  if coalesce(cardinality(v_new.context_ids), 0) <> cardinality(array(select distinct unnest(p_references)))
    or v_new.context_ids = '{}'
  then
    raise exception 'transaction % did not offer all of these care contexts', p_transaction_id
      using errcode = 'IM005', hint = 'only contexts of the discovery can be linked';
  end if;
  select c.id into v_linked
  from abdm.care_contexts c
  where
    c.tenant_id = v_tenant and c.id = any (v_new.context_ids) and c.status in ('link_requested', 'linked', 'notified')
  limit 1;
  v_transaction := abdm.begin_linking(p_request_id, v_new);
  if v_transaction.id is null then
    return abdm.earlier_linking(p_request_id, 'user_initiated_link', v_new.patient_id, null);
  end if;
  if v_linked is not null then
    raise exception 'care context % is linked already', v_linked
      using errcode = 'IM705', hint = 'discover again: it is no longer offered';
  end if;
  update abdm.linking_transactions t
  set status = 'matched', matched_by = v_discovery.matched_by
  where t.tenant_id = v_tenant and t.id = v_transaction.id;
  update abdm.linking_transactions t
  set
    status = 'otp_sent', link_ref_number = p_link_ref_number, otp_hash = p_otp_hash,
    otp_expires_at = now() + make_interval(mins => v_minutes)
  where t.tenant_id = v_tenant and t.id = v_transaction.id
  returning t.* into v_transaction;
  return v_transaction;
end
$$;

comment on function abdm.init_link(uuid, uuid, text[], text, bytea) is 'about=The patient chose contexts of their discovery and we send an OTP to the registered mobile: p_otp_hash is SHA-256 of link reference number and OTP. The OTP lives for setting abdm.otp_minutes. Same request id, same answer. IM005 nobody or other contexts were discovered, IM011, IM703 discovery older than an hour, IM705 linked already.';

create or replace function abdm.expire_linking(p_limit integer default 1000) returns integer
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_id uuid;
  v_expired integer := 0;
begin
  for v_id in
    select t.id
    from abdm.linking_transactions t
    where t.tenant_id = v_tenant and t.status = 'otp_sent' and t.otp_expires_at <= now()
    order by t.otp_expires_at
    limit p_limit
    for update skip locked
  loop
    update abdm.linking_transactions t
    set status = 'expired', otp_hash = null
    where t.tenant_id = v_tenant and t.id = v_id;
    v_expired := v_expired + 1;
  end loop;
  return v_expired;
end
$$;

comment on function abdm.expire_linking(integer) is 'about=Ends up to p_limit links whose OTP has expired and returns how many. For a job.';

-- Milestone M3, consent: what we ask for, what the consent manager tells us, and how a consent ends.
-- Order of locks: consent request, artefact, its sessions by id, their transfers.
create or replace function abdm.request_consent(p_request jsonb) returns abdm.consent_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_patient_id uuid := (p_request ->> 'patient_id')::uuid;
  v_address text := abdm.normalise_abha_address(p_request ->> 'abha_address');
  v_request abdm.consent_requests;
begin
  if core.current_user_id() is null then
    raise exception 'nobody is signed in' using errcode = 'IM006', hint = 'a consent is asked for by a clinician';
  end if;
  perform abdm.check_live_patient(v_patient_id);
  if v_address is null then
    select a.abha_address into v_address
    from abdm.abha_accounts a
    where a.tenant_id = v_tenant and a.patient_id = v_patient_id and a.status = 'linked' and a.deleted_at is null;
  end if;
  if v_address is null then
    raise exception 'patient % has no linked ABHA address', v_patient_id
      using errcode = 'IM005', hint = 'link one with abdm.link_abha, or pass abha_address';
  end if;

  insert into abdm.consent_requests (
    tenant_id, request_id, patient_id, abha_address, hiu_id, hip_id, requester_user_id, requester_registration,
    purpose, hi_types, access_mode, data_from, data_to, data_erase_at, frequency_unit, frequency_value,
    frequency_repeats
  )
  values (
    v_tenant, (p_request ->> 'request_id')::uuid, v_patient_id, v_address, p_request ->> 'hiu_id',
    p_request ->> 'hip_id', core.current_user_id(), p_request ->> 'requester_registration', p_request ->> 'purpose',
    array(select t.value from jsonb_array_elements_text(p_request -> 'hi_types') t),
    coalesce(p_request ->> 'access_mode', 'VIEW'), (p_request ->> 'data_from')::timestamptz,
    (p_request ->> 'data_to')::timestamptz, (p_request ->> 'data_erase_at')::timestamptz,
    coalesce(p_request ->> 'frequency_unit', 'DAY'), coalesce((p_request ->> 'frequency_value')::smallint, 1),
    coalesce((p_request ->> 'frequency_repeats')::smallint, 0)
  )
  on conflict (tenant_id, request_id) do nothing
  returning * into v_request;
  if not found then
    select r.* into v_request
    from abdm.consent_requests r
    where r.tenant_id = v_tenant and r.request_id = (p_request ->> 'request_id')::uuid;
    if (v_request.patient_id, v_request.purpose) is distinct from (v_patient_id, p_request ->> 'purpose') then
      raise exception 'request % asked for another consent', v_request.request_id
        using errcode = 'IM011', hint = 'choose a new request id';
    end if;
  end if;
  return v_request;
end
$$;

comment on function abdm.request_consent(jsonb) is 'about=The signed-in clinician asks for a consent: {request_id, patient_id, abha_address, hiu_id, hip_id, requester_registration, purpose, hi_types, access_mode, data_from, data_to, data_erase_at, frequency_unit, frequency_value, frequency_repeats}. A draft until the consent manager took it. Same request id, same request. IM003, IM005 no such patient or no ABHA address, IM006 nobody signed in, or BTG without emergency access, IM011, 23514 future data, no HI type, erasure in the past.';

create or replace function abdm.record_consent_request(p_request_id uuid, p_consent_request_id uuid, p_error_code text default null)
  returns abdm.consent_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_request abdm.consent_requests;
begin
  select r.* into v_request
  from abdm.consent_requests r
  where r.tenant_id = v_tenant and r.request_id = p_request_id
  for no key update;
  if not found then
    raise exception 'request % asked for no consent', p_request_id
      using errcode = 'IM005', hint = 'the callback''s resp.requestId names the request';
  end if;
  if v_request.status <> 'draft' then
    return v_request;
  end if;
  update abdm.consent_requests r
  set
    status = case when p_error_code is null then 'requested' else 'failed' end,
    consent_request_id = p_consent_request_id, error_code = p_error_code
  where r.tenant_id = v_tenant and r.id = v_request.id
  returning r.* into v_request;
  return v_request;
end
$$;

comment on function abdm.record_consent_request(uuid, uuid, text) is 'about=The consent manager took the request and gave it an id, or refused it with p_error_code. The first answer stands. IM005 no such request.';

create or replace function abdm.end_artefact(p_artefact abdm.consent_artefacts, p_status abdm.consent_status) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_session record;
begin
  update abdm.consent_artefacts a
  set
    status = p_status,
    revoked_at = case when p_status = 'revoked' then now() end,
    expired_at = case when p_status = 'expired' then now() end
  where a.tenant_id = p_artefact.tenant_id and a.id = p_artefact.id;

  for v_session in
    select h.id, h.status
    from abdm.health_info_requests h
    where
      h.tenant_id = p_artefact.tenant_id and h.artefact_row_id = p_artefact.id
      and h.status in ('received', 'acknowledged', 'transferring', 'partial')
    order by h.id
    for no key update
  loop
    update abdm.health_info_requests h
    set
      status = case v_session.status when 'received' then 'rejected' else 'failed' end,
      session_status = 'FAILED', own_private_key_enc = null, error_code = 'IM710'
    where h.tenant_id = p_artefact.tenant_id and h.id = v_session.id;
  end loop;

  -- what we received is due for erasure now, not on the day that was agreed
  update abdm.health_info_transfers t
  set erase_at = now()
  from abdm.health_info_requests h
  where
    h.tenant_id = p_artefact.tenant_id and h.artefact_row_id = p_artefact.id
    and t.tenant_id = h.tenant_id and t.request_row_id = h.id
    and t.direction = 'in' and t.erased_at is null and t.erase_at > now();

  -- one request may have got several artefacts: it ends with the last
  if not exists (
    select
    from abdm.consent_artefacts a
    where
      a.tenant_id = p_artefact.tenant_id and a.consent_request_id = p_artefact.consent_request_id
      and a.status = 'granted'
  ) then
    update abdm.consent_requests r
    set status = p_status::text
    where r.tenant_id = p_artefact.tenant_id and r.id = p_artefact.consent_request_id and r.status = 'granted';
  end if;
end
$$;

comment on function abdm.end_artefact(abdm.consent_artefacts, abdm.consent_status) is 'about=Revokes or expires an artefact that the caller locked after its request: open sessions end and lose their keys, received data are due for erasure, and the request ends with its last artefact.';

create or replace function abdm.lock_artefact(p_artefact_row_id uuid) returns abdm.consent_artefacts
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_artefact abdm.consent_artefacts;
begin
  perform
  from abdm.consent_requests r
  join abdm.consent_artefacts a on a.tenant_id = r.tenant_id and a.consent_request_id = r.id
  where a.tenant_id = v_tenant and a.id = p_artefact_row_id
  for no key update of r;
  select a.* into v_artefact
  from abdm.consent_artefacts a
  where a.tenant_id = v_tenant and a.id = p_artefact_row_id
  for no key update;
  return v_artefact;
end
$$;

comment on function abdm.lock_artefact(uuid) is 'about=An artefact, locked after the request that it answers.';

create or replace function abdm.save_artefact(p_role text, p_artefact jsonb, p_request abdm.consent_requests)
  returns abdm.consent_artefacts
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_address text := lower(btrim(p_artefact ->> 'abha_address'));
  v_is_valid boolean := (p_artefact ->> 'signature_valid')::boolean;
  v_artefact abdm.consent_artefacts;
  v_context jsonb;
  v_context_id uuid;
begin
  if v_is_valid is null then
    raise exception 'nobody checked the signature of artefact %', p_artefact ->> 'artefact_id'
      using errcode = 'IM714', hint = 'check it against the consent manager''s public key and pass signature_valid';
  end if;
  insert into abdm.consent_artefacts (
    tenant_id, artefact_id, role, consent_request_id, patient_id, abha_address, hip_id, hiu_id, consent_manager_id,
    schema_version, purpose, hi_types, access_mode, data_from, data_to, data_erase_at, frequency_unit,
    frequency_value, frequency_repeats, detail, signature, signature_valid, signature_checked_at, granted_at
  )
  values (
    v_tenant, (p_artefact ->> 'artefact_id')::uuid, p_role, p_request.id,
    coalesce(
      p_request.patient_id,
      (
        select a.patient_id
        from abdm.abha_accounts a
        where
          a.tenant_id = v_tenant and a.abha_address = v_address and a.status in ('linked', 'deactivated')
          and a.deleted_at is null
      )
    ),
    v_address, p_artefact ->> 'hip_id', p_artefact ->> 'hiu_id', p_artefact ->> 'consent_manager_id',
    coalesce(p_artefact ->> 'schema_version', 'v1.0'), p_artefact ->> 'purpose',
    array(select t.value from jsonb_array_elements_text(p_artefact -> 'hi_types') t), p_artefact ->> 'access_mode',
    (p_artefact ->> 'data_from')::timestamptz, (p_artefact ->> 'data_to')::timestamptz,
    (p_artefact ->> 'data_erase_at')::timestamptz, p_artefact ->> 'frequency_unit',
    coalesce((p_artefact ->> 'frequency_value')::smallint, 1),
    coalesce((p_artefact ->> 'frequency_repeats')::smallint, 0), p_artefact -> 'detail', p_artefact ->> 'signature',
    v_is_valid, now(), coalesce((p_artefact ->> 'granted_at')::timestamptz, now())
  )
  on conflict (tenant_id, role, artefact_id) do nothing
  returning * into v_artefact;
  if not found then -- told twice, under two request ids
    select a.* into v_artefact
    from abdm.consent_artefacts a
    where a.tenant_id = v_tenant and a.role = p_role and a.artefact_id = (p_artefact ->> 'artefact_id')::uuid
    for no key update;
    return v_artefact;
  end if;

  for v_context in select e.value from jsonb_array_elements(p_artefact -> 'care_contexts') e loop
    v_context_id := null;
    if p_role = 'HIP' then
      select c.id into v_context_id
      from abdm.care_contexts c
      where
        c.tenant_id = v_tenant and c.hip_id = v_artefact.hip_id
        and c.patient_reference = v_context ->> 'patient_reference'
        and c.reference = v_context ->> 'care_context_reference';
    end if;
    insert into abdm.consent_artefact_contexts (
      tenant_id, artefact_row_id, patient_reference, care_context_reference, care_context_id
    )
    values (
      v_tenant, v_artefact.id, v_context ->> 'patient_reference', v_context ->> 'care_context_reference', v_context_id
    );
  end loop;

  update abdm.consent_artefacts a
  set status = case when v_is_valid then 'granted' else 'invalid' end::abdm.consent_status
  where a.tenant_id = v_tenant and a.id = v_artefact.id
  returning a.* into v_artefact;
  return v_artefact;
end
$$;

comment on function abdm.save_artefact(text, jsonb, abdm.consent_requests) is 'about=Writes an artefact with its contexts: granted when its signature is right, else invalid. One that is there already stays as it is. IM714 nobody checked the signature.';

create or replace function abdm.ingest_consent(p_request_id uuid, p_message jsonb)
  returns table (outcome text, artefact_row_id uuid, consent_row_id uuid, failure_code text)
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_role text := p_message ->> 'role';
  v_status text := p_message ->> 'status';
  v_claim record;
  v_request abdm.consent_requests;
  v_artefact_row_id uuid;
  v_artefact abdm.consent_artefacts;
  v_answer jsonb;
begin
  if v_role not in ('HIP', 'HIU') or v_status not in ('GRANTED', 'DENIED', 'REVOKED', 'EXPIRED')
    or num_nulls(v_role, v_status) > 0
  then
    raise exception 'role % with status % is no consent message', v_role, v_status
      using errcode = '22023', hint = 'role HIP or HIU; status GRANTED, DENIED, REVOKED or EXPIRED';
  end if;
  if v_status = 'REVOKED' and not p_message ? 'artefact_id' then
    raise exception 'a revocation without its artefact revokes nothing'
      using errcode = '22023', hint = 'send one message for each artefact that the gateway names';
  end if;
  v_claim := core.idempotent_begin(
    'abdm.ingest_consent', p_request_id::text, sha256(convert_to(p_message::text, 'UTF8'))
  );
  if v_claim.state = 'done' then
    return query
    select
      v_claim.response ->> 'outcome', (v_claim.response ->> 'artefact_row_id')::uuid,
      (v_claim.response ->> 'consent_row_id')::uuid, v_claim.response ->> 'failure_code';
    return;
  end if;

  if v_role = 'HIU' and p_message ? 'consent_request_id' then
    select r.* into v_request
    from abdm.consent_requests r
    where r.tenant_id = v_tenant and r.consent_request_id = (p_message ->> 'consent_request_id')::uuid
    for no key update;
    if not found then
      raise exception 'consent request % is not ours', p_message ->> 'consent_request_id'
        using errcode = 'IM005', hint = 'its own callback may be under way: try again in a moment';
    end if;
  end if;

  if v_status = 'GRANTED' and p_message ? 'artefact' then
    v_artefact := abdm.save_artefact(v_role, p_message -> 'artefact', v_request);
  elsif p_message ? 'artefact_id' then
    select a.id into v_artefact_row_id
    from abdm.consent_artefacts a
    where a.tenant_id = v_tenant and a.role = v_role and a.artefact_id = (p_message ->> 'artefact_id')::uuid;
    if not found then
      raise exception 'artefact % is not known', p_message ->> 'artefact_id'
        using errcode = 'IM005', hint = 'it may be under way: try again in a moment';
    end if;
    v_artefact := abdm.lock_artefact(v_artefact_row_id);
    if v_status in ('REVOKED', 'EXPIRED') and v_artefact.status = 'granted' then
      perform abdm.end_artefact(v_artefact, lower(v_status)::abdm.consent_status);
    end if;
  end if;

  -- the patient's decision on the request itself; how an artefact ends, abdm.end_artefact says
  if v_status in ('GRANTED', 'DENIED', 'EXPIRED') and (v_artefact.id is null or v_artefact.status = 'granted') then
    update abdm.consent_requests r
    set status = lower(v_status), decided_at = case v_status when 'EXPIRED' then r.decided_at else now() end
    where r.tenant_id = v_tenant and r.id = v_request.id and r.status = 'requested';
  end if;

  v_answer := jsonb_build_object(
    'outcome', case when v_artefact.status = 'invalid' then 'invalid' else lower(v_status) end,
    'artefact_row_id', v_artefact.id,
    'consent_row_id', coalesce(v_request.id, v_artefact.consent_request_id),
    'failure_code', case when v_artefact.status = 'invalid' then 'IM714' end
  );
  perform core.idempotent_finish('abdm.ingest_consent', p_request_id::text, v_answer);
  return query
  select
    v_answer ->> 'outcome', v_artefact.id, (v_answer ->> 'consent_row_id')::uuid, v_answer ->> 'failure_code';
end
$$;

comment on function abdm.ingest_consent(uuid, jsonb) is 'about=A consent message of the gateway, once a REQUEST-ID: {role, status GRANTED|DENIED|REVOKED|EXPIRED, consent_request_id, artefact_id, artefact {artefact_id, abha_address, hip_id, hiu_id, consent_manager_id, schema_version, purpose, hi_types, access_mode, data_from, data_to, data_erase_at, frequency_unit, frequency_value, frequency_repeats, granted_at, detail, signature, signature_valid, care_contexts [{patient_reference, care_context_reference}]}}. A wrong signature is kept as invalid and answered with failure_code IM714. Revoking and expiring end sessions and make received data due for erasure. IM005 unknown request or artefact, IM010, IM011, IM714 signature not checked, 22023 no such message.';

create or replace function abdm.expire_consents(p_limit integer default 1000) returns integer
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_artefact abdm.consent_artefacts;
  v_id uuid;
  v_expired integer := 0;
begin
  for v_id in
    select a.id
    from abdm.consent_artefacts a
    where a.tenant_id = v_tenant and a.status = 'granted' and a.data_erase_at <= now()
    order by a.data_erase_at
    limit p_limit
  loop
    v_artefact := abdm.lock_artefact(v_id);
    continue when v_artefact.status <> 'granted'; -- somebody was faster
    perform abdm.end_artefact(v_artefact, 'expired');
    v_expired := v_expired + 1;
  end loop;
  return v_expired;
end
$$;

comment on function abdm.expire_consents(integer) is 'about=Ends up to p_limit consents whose dataEraseAt has passed, without waiting for the consent manager, and returns how many. For a job.';

-- Milestone M3, data: a session under an artefact, its authorisation, its pages, its end.
-- Order of locks: artefact, session, transfers.
create or replace function abdm.open_session(p_session jsonb) returns abdm.health_info_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_role text := p_session ->> 'role';
  v_artefact_id uuid;
  v_session abdm.health_info_requests;
begin
  select a.id into v_artefact_id
  from abdm.consent_artefacts a
  where a.tenant_id = v_tenant and a.role = v_role and a.artefact_id = (p_session ->> 'artefact_id')::uuid;
  if not found then
    raise exception 'artefact % is not known', p_session ->> 'artefact_id'
      using errcode = 'IM005', hint = 'it comes with abdm.ingest_consent';
  end if;
  insert into abdm.health_info_requests (
    tenant_id, role, request_id, transaction_id, artefact_row_id, data_from, data_to, data_push_url, crypto_alg, curve,
    peer_public_key, peer_key_expires_at, peer_nonce, own_public_key, own_private_key_enc, own_nonce, pages_expected
  )
  values (
    v_tenant, v_role, (p_session ->> 'request_id')::uuid, (p_session ->> 'transaction_id')::uuid, v_artefact_id,
    (p_session ->> 'data_from')::timestamptz, (p_session ->> 'data_to')::timestamptz, p_session ->> 'data_push_url',
    coalesce(p_session ->> 'crypto_alg', 'ECDH'), coalesce(p_session ->> 'curve', 'Curve25519'),
    p_session ->> 'peer_public_key', (p_session ->> 'peer_key_expires_at')::timestamptz, p_session ->> 'peer_nonce',
    p_session ->> 'own_public_key', patient.bytes_of(p_session, 'own_private_key_enc'), p_session ->> 'own_nonce',
    (p_session ->> 'pages_expected')::integer
  )
  on conflict (tenant_id, role, request_id) do nothing
  returning * into v_session;
  if not found then
    select h.* into v_session
    from abdm.health_info_requests h
    where h.tenant_id = v_tenant and h.role = v_role and h.request_id = (p_session ->> 'request_id')::uuid;
    if v_session.artefact_row_id <> v_artefact_id then
      raise exception 'request % opened a session of another artefact', v_session.request_id
        using errcode = 'IM011', hint = 'choose a new request id';
    end if;
  end if;
  return v_session;
end
$$;

comment on function abdm.open_session(jsonb) is 'about=Opens a session of data flow: {role, request_id, transaction_id, artefact_id, data_from, data_to, data_push_url, crypto_alg, curve, peer_public_key, peer_key_expires_at, peer_nonce, own_public_key, own_private_key_enc, own_nonce, pages_expected}. Nothing may move until abdm.authorise_transfer. Same request id, same session. IM003, IM005 no such artefact, IM011, 22023 key in plain text, 23514 malformed.';

create or replace function abdm.lock_session(p_session_id uuid, p_for_use boolean default false) returns abdm.health_info_requests
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_artefact_id uuid;
  v_session abdm.health_info_requests;
begin
  -- the artefact before the session, as revoking does
  select h.artefact_row_id into v_artefact_id
  from abdm.health_info_requests h
  where h.tenant_id = v_tenant and h.id = p_session_id;
  if not found then
    raise exception 'session % does not exist', p_session_id
      using errcode = 'IM005', hint = 'open one with abdm.open_session';
  end if;
  if p_for_use then
    perform from abdm.consent_artefacts a where a.tenant_id = v_tenant and a.id = v_artefact_id for no key update;
  else
    perform from abdm.consent_artefacts a where a.tenant_id = v_tenant and a.id = v_artefact_id for share;
  end if;
  select h.* into v_session
  from abdm.health_info_requests h
  where h.tenant_id = v_tenant and h.id = p_session_id
  for no key update;
  return v_session;
end
$$;

comment on function abdm.lock_session(uuid, boolean) is 'about=A session, locked after its artefact; p_for_use makes other authorisations of the artefact wait. IM005 no such session.';

create or replace function abdm.authorise_transfer(p_session_id uuid, p_care_context_references text[] default null)
  returns abdm.health_info_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_session abdm.health_info_requests := abdm.lock_session(p_session_id, true);
  v_references text[] := p_care_context_references;
begin
  if v_session.authorised_at is not null and v_session.status <> 'failed' then
    return v_session;
  end if;
  if v_references is null then
    v_references := array(
      select m.reference
      from abdm.movable_contexts(
        v_session.tenant_id, v_session.artefact_row_id, v_session.data_from, v_session.data_to
      ) as m (reference)
    );
  end if;
  update abdm.health_info_requests h
  set
    status = 'acknowledged', session_status = 'ACKNOWLEDGED', authorised_at = now(),
    care_context_references = v_references
  where h.tenant_id = v_session.tenant_id and h.id = v_session.id
  returning h.* into v_session;
  return v_session;
end
$$;

comment on function abdm.authorise_transfer(uuid, text[]) is 'about=May this session move data? Answers with the session, acknowledged, and the contexts that may move: those named, or all that the artefact lists and that fit. The only way to a transfer; counts once for the frequency, and again is the same answer. IM001 rejected, IM005, IM710 consent not granted, IM711 outside the window, IM712 used too often, IM713 context or HI type not listed, IM714 wrong signature, IM715 due for erasure, 23514 no context left. Then call abdm.reject_session.';

create or replace function abdm.reject_session(p_session_id uuid, p_error_code text) returns abdm.health_info_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_session abdm.health_info_requests := abdm.lock_session(p_session_id);
begin
  if v_session.status = 'rejected' then
    return v_session;
  end if;
  update abdm.health_info_requests h
  set status = 'rejected', session_status = 'FAILED', error_code = p_error_code, own_private_key_enc = null
  where h.tenant_id = v_session.tenant_id and h.id = v_session.id
  returning h.* into v_session;
  return v_session;
end
$$;

comment on function abdm.reject_session(uuid, text) is 'about=Ends a session that was not authorised, with the code of the refusal; its key is gone. IM001 it was authorised, IM005.';

create or replace function abdm.record_transfer(p_session_id uuid, p_transfer jsonb) returns abdm.health_info_transfers
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_session abdm.health_info_requests := abdm.lock_session(p_session_id);
  v_artefact abdm.consent_artefacts;
  v_transfer abdm.health_info_transfers;
begin
  select t.* into v_transfer
  from abdm.health_info_transfers t
  where
    t.tenant_id = v_session.tenant_id and t.request_row_id = v_session.id
    and t.care_context_reference = p_transfer ->> 'care_context_reference'
    and t.page_no = (p_transfer ->> 'page_no')::integer;
  if found then
    return v_transfer;
  end if;
  select a.* into v_artefact
  from abdm.consent_artefacts a
  where a.tenant_id = v_session.tenant_id and a.id = v_session.artefact_row_id;
  if v_artefact.status <> 'granted' then
    raise exception 'artefact % is %', v_artefact.id, v_artefact.status
      using errcode = 'IM710', hint = 'stop: the consent ended while data were moving';
  end if;
  if v_artefact.data_erase_at <= now() then
    raise exception 'the data of artefact % are due to be erased', v_artefact.id
      using errcode = 'IM715', hint = 'stop: ask for a new consent';
  end if;

  insert into abdm.health_info_transfers (
    tenant_id, request_row_id, direction, care_context_reference, page_no, media_type, checksum, hi_status,
    bundle_document_id, bundle_profile, validation_errors, erase_at, error
  )
  values (
    v_session.tenant_id, v_session.id, case v_session.role when 'HIP' then 'out' else 'in' end,
    p_transfer ->> 'care_context_reference', (p_transfer ->> 'page_no')::integer,
    coalesce(p_transfer ->> 'media_type', 'application/fhir+json'), patient.bytes_of(p_transfer, 'checksum'),
    p_transfer ->> 'hi_status', (p_transfer ->> 'bundle_document_id')::uuid, p_transfer ->> 'bundle_profile',
    nullif(p_transfer -> 'validation_errors', 'null'),
    case v_session.role when 'HIU' then v_artefact.data_erase_at end, p_transfer ->> 'error'
  )
  returning * into v_transfer;
  if v_transfer.direction = 'out' and v_artefact.patient_id is not null then
    perform audit.log_disclosure(
      'abdm.care_contexts', v_transfer.id, v_artefact.patient_id, v_artefact.hiu_id,
      'ABDM consent artefact ' || v_artefact.artefact_id
    );
  end if;
  update abdm.health_info_requests h
  set status = 'transferring', pages_received = h.pages_received + 1
  where h.tenant_id = v_session.tenant_id and h.id = v_session.id;
  return v_transfer;
end
$$;

comment on function abdm.record_transfer(uuid, jsonb) is 'about=A page was sent or received: {care_context_reference, page_no, media_type, checksum, hi_status, bundle_document_id, bundle_profile, validation_errors, error}. The same page again is the same row. IM001 session not authorised or over, IM005, IM710 the consent ended, IM713 context not in the session, IM715 due for erasure.';

create or replace function abdm.finish_transfer(p_session_id uuid, p_session_status text, p_error_code text default null)
  returns abdm.health_info_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_session abdm.health_info_requests := abdm.lock_session(p_session_id);
  v_status text := lower(p_session_status);
begin
  if v_status is null or v_status not in ('transferred', 'failed', 'partial') then
    raise exception 'a session does not end as "%"', p_session_status
      using errcode = '22023', hint = 'TRANSFERRED, FAILED or PARTIAL';
  end if;
  if v_session.status in (v_status, 'notified') then
    return v_session;
  end if;
  update abdm.health_info_requests h
  set
    status = v_status, session_status = upper(v_status), error_code = p_error_code,
    own_private_key_enc = case when v_status = 'partial' then h.own_private_key_enc end
  where h.tenant_id = v_session.tenant_id and h.id = v_session.id
  returning h.* into v_session;
  return v_session;
end
$$;

comment on function abdm.finish_transfer(uuid, text, text) is 'about=The session ended as TRANSFERRED or FAILED, and its private key is gone; PARTIAL may go on. Again: nothing changes. IM001, IM005, 22023 another word.';

create or replace function abdm.mark_session_notified(p_session_id uuid) returns abdm.health_info_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_session abdm.health_info_requests := abdm.lock_session(p_session_id);
begin
  if v_session.status = 'notified' then
    return v_session;
  end if;
  update abdm.health_info_requests h
  set status = 'notified', notified_at = now()
  where h.tenant_id = v_session.tenant_id and h.id = v_session.id
  returning h.* into v_session;
  return v_session;
end
$$;

comment on function abdm.mark_session_notified(uuid) is 'about=The consent manager was told how the session ended. IM001 it has not ended, IM005.';

-- The inbox and outbox of the gateway. Callbacks are taken in at once and worked on later, under a lease; order is by time.
create or replace function abdm.save_message(p_direction text, p_request_id uuid, p_path text, p_body_enc bytea, p_details jsonb)
  returns abdm.gateway_messages
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_message abdm.gateway_messages;
begin
  insert into abdm.gateway_messages (
    tenant_id, direction, path, request_id, response_to, hip_id, cm_id, headers, body_enc, subject_type, subject_id
  )
  values (
    v_tenant, p_direction, p_path, p_request_id, (p_details ->> 'response_to')::uuid, p_details ->> 'hip_id',
    p_details ->> 'cm_id', coalesce(p_details -> 'headers', '{}'), p_body_enc, p_details ->> 'subject_type',
    (p_details ->> 'subject_id')::uuid
  )
  on conflict (tenant_id, direction, request_id, path) do nothing
  returning * into v_message;
  if not found then
    select m.* into v_message
    from abdm.gateway_messages m
    where
      m.tenant_id = v_tenant and m.direction = p_direction and m.request_id = p_request_id and m.path = p_path;
  end if;
  return v_message;
end
$$;

comment on function abdm.save_message(text, uuid, text, bytea, jsonb) is 'about=Writes a message, or finds the one of that request id and path.';

create or replace function abdm.receive_message(p_request_id uuid, p_path text, p_body_enc bytea, p_details jsonb default '{}')
  returns abdm.gateway_messages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_message abdm.gateway_messages := abdm.save_message('in', p_request_id, p_path, p_body_enc, p_details);
  v_call_id uuid;
begin
  if v_message.response_to is not null then
    for v_call_id in
      select m.id
      from abdm.gateway_messages m
      where
        m.tenant_id = v_message.tenant_id and m.request_id = v_message.response_to and m.direction = 'out'
        and m.status = 'sent'
      order by m.id
      for no key update
    loop
      update abdm.gateway_messages m
      set status = 'acknowledged'
      where m.tenant_id = v_message.tenant_id and m.id = v_call_id;
    end loop;
  end if;
  return v_message;
end
$$;

comment on function abdm.receive_message(uuid, text, bytea, jsonb) is 'about=Takes a callback in, once a REQUEST-ID and path, to be worked on later; the call that it answers is acknowledged. p_details {response_to, hip_id, cm_id, headers}. IM003, 23514 a token among the headers.';

create or replace function abdm.queue_message(p_request_id uuid, p_path text, p_body_enc bytea, p_details jsonb default '{}')
  returns abdm.gateway_messages
  language sql
  security definer
  set search_path = pg_catalog, pg_temp
as $$ select abdm.save_message('out', p_request_id, p_path, p_body_enc, p_details) $$;

comment on function abdm.queue_message(uuid, text, bytea, jsonb) is 'about=Queues a call to the gateway, once a REQUEST-ID and path. p_details {hip_id, cm_id, headers, subject_type, subject_id}. IM003, 23514 a token among the headers.';

create or replace function abdm.claim_messages(
  p_direction text,
  p_limit integer default 20,
  p_lease interval default interval '1 minute'
) returns setof abdm.gateway_messages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_token uuid := gen_random_uuid();
  v_message abdm.gateway_messages;
begin
  -- a worker that died gives its messages back when the lease is over
  for v_message in
    select m.*
    from abdm.gateway_messages m
    where m.tenant_id = v_tenant and m.status = 'processing' and m.locked_until < now()
    order by m.locked_until
    limit p_limit
    for update skip locked
  loop
    perform abdm.give_back(v_message, 'lease_ran_out', interval '0');
  end loop;

  for v_message in
    select m.*
    from abdm.gateway_messages m
    where
      m.tenant_id = v_tenant and m.status = 'pending' and m.direction = p_direction and m.next_attempt_at <= now()
    order by m.next_attempt_at, m.id
    limit p_limit
    for update skip locked
  loop
    update abdm.gateway_messages m
    set status = 'processing', attempts = m.attempts + 1, locked_until = now() + p_lease, lock_token = v_token
    where m.tenant_id = v_tenant and m.id = v_message.id
    returning m.* into v_message;
    return next v_message;
  end loop;
end
$$;

comment on function abdm.claim_messages(text, integer, interval) is 'about=Claims up to p_limit due messages of a direction (in or out) for p_lease; all carry the same lock_token. A lease that ran out is a failed attempt.';

create or replace function abdm.give_back(p_message abdm.gateway_messages, p_error_code text, p_delay interval)
  returns abdm.gateway_messages
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_is_last boolean := p_message.attempts >= 10;
  v_message abdm.gateway_messages;
begin
  update abdm.gateway_messages m
  set
    status = case when v_is_last then 'failed' else 'pending' end,
    error_code = p_error_code,
    next_attempt_at = now() + p_delay,
    processed_at = case when v_is_last then now() end,
    locked_until = null,
    lock_token = null
  where m.tenant_id = p_message.tenant_id and m.id = p_message.id
  returning m.* into v_message;
  return v_message;
end
$$;

comment on function abdm.give_back(abdm.gateway_messages, text, interval) is 'about=Puts a message that the caller locked back into the queue, or gives it up after ten attempts.';

create or replace function abdm.lock_claimed(p_message_id uuid, p_lock_token uuid) returns abdm.gateway_messages
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_message abdm.gateway_messages;
begin
  select m.* into v_message
  from abdm.gateway_messages m
  where m.tenant_id = core.require_tenant() and m.id = p_message_id and m.lock_token = p_lock_token
  for no key update;
  if not found then
    raise exception 'the lock on message % was lost', p_message_id
      using errcode = 'IM850', hint = 'another worker took it over after the lease; drop the result';
  end if;
  return v_message;
end
$$;

comment on function abdm.lock_claimed(uuid, uuid) is 'about=A message that the caller claimed, locked. IM850 the lease was lost.';

create or replace function abdm.complete_message(
  p_message_id uuid,
  p_lock_token uuid,
  p_http_status integer default null,
  p_subject_type text default null,
  p_subject_id uuid default null
) returns abdm.gateway_messages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_message abdm.gateway_messages := abdm.lock_claimed(p_message_id, p_lock_token);
begin
  update abdm.gateway_messages m
  set
    status = case m.direction when 'out' then 'sent' else 'completed' end,
    http_status = coalesce(p_http_status::smallint, m.http_status),
    error_code = null,
    subject_type = coalesce(p_subject_type, m.subject_type),
    subject_id = coalesce(p_subject_id, m.subject_id),
    processed_at = now(), locked_until = null, lock_token = null
  where m.tenant_id = v_message.tenant_id and m.id = v_message.id
  returning m.* into v_message;
  return v_message;
end
$$;

comment on function abdm.complete_message(uuid, uuid, integer, text, uuid) is 'about=A claimed callback is done, or a claimed call was taken by the gateway; names the row that it was about. IM850 the lease was lost.';

create or replace function abdm.retry_message(
  p_message_id uuid,
  p_lock_token uuid,
  p_error_code text,
  p_http_status integer default null
) returns abdm.gateway_messages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_message abdm.gateway_messages := abdm.lock_claimed(p_message_id, p_lock_token);
begin
  if p_http_status is not null then
    update abdm.gateway_messages m
    set http_status = p_http_status
    where m.tenant_id = v_message.tenant_id and m.id = v_message.id;
  end if;
  return abdm.give_back(v_message, p_error_code, least(interval '1 hour', interval '5 seconds' * 2 ^ v_message.attempts));
end
$$;

comment on function abdm.retry_message(uuid, uuid, text, integer) is 'about=A claimed message failed: it comes again later, ever later, and is failed after ten attempts. IM850 the lease was lost.';

create or replace function abdm.replay_message(p_message_id uuid) returns abdm.gateway_messages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_message abdm.gateway_messages;
begin
  update abdm.gateway_messages m
  set status = 'pending', attempts = 0, next_attempt_at = now(), processed_at = null
  where m.tenant_id = core.require_tenant() and m.id = p_message_id and m.status = 'failed'
  returning m.* into v_message;
  if not found then
    raise exception 'message % has not failed', p_message_id
      using errcode = 'IM005', hint = 'only failed messages are replayed';
  end if;
  return v_message;
end
$$;

comment on function abdm.replay_message(uuid) is 'about=A person puts a failed message back into the queue. IM005 it has not failed.';

-- soft references: functions

create or replace function abdm.abha_accounts_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'abha_accounts_patient_fkey');
  end if;
  return null;
end
$$;

comment on function abdm.abha_accounts_check_references() is 'about=Of a new or changed row: what patient_id names must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger abha_accounts_new_references after insert on abdm.abha_accounts
  for each row execute function abdm.abha_accounts_check_references();

create or replace trigger abha_accounts_changed_references after update on abdm.abha_accounts
  for each row when (new.patient_id is distinct from old.patient_id)
  execute function abdm.abha_accounts_check_references();

create or replace function abdm.abha_registrations_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.clinic_id is distinct from old.clinic_id then
    perform core.require_entity(new.tenant_id, 'facility.clinics', new.clinic_id, 'abha_registrations_clinic_fkey');
  end if;
  if new.consent_id is distinct from old.consent_id then
    perform core.require_entity(new.tenant_id, 'compliance.consents', new.consent_id, 'abha_registrations_consent_fkey');
  end if;
  if new.operator_user_id is distinct from old.operator_user_id then
    perform core.require_entity(new.tenant_id, 'auth.users', new.operator_user_id, 'abha_registrations_operator_user_fkey');
  end if;
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'abha_registrations_patient_fkey');
  end if;
  return null;
end
$$;

comment on function abdm.abha_registrations_check_references() is 'about=Of a new or changed row: what clinic_id, consent_id, operator_user_id, patient_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger abha_registrations_new_references after insert on abdm.abha_registrations
  for each row execute function abdm.abha_registrations_check_references();

create or replace trigger abha_registrations_changed_references after update on abdm.abha_registrations
  for each row when (new.clinic_id is distinct from old.clinic_id or new.consent_id is distinct from old.consent_id or new.operator_user_id is distinct from old.operator_user_id or new.patient_id is distinct from old.patient_id)
  execute function abdm.abha_registrations_check_references();

create or replace function abdm.care_contexts_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.encounter_id is distinct from old.encounter_id then
    perform core.require_entity(new.tenant_id, 'clinical.encounters', new.encounter_id, 'care_contexts_encounter_fkey');
  end if;
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'care_contexts_patient_fkey');
  end if;
  return null;
end
$$;

comment on function abdm.care_contexts_check_references() is 'about=Of a new or changed row: what encounter_id, patient_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger care_contexts_new_references after insert on abdm.care_contexts
  for each row execute function abdm.care_contexts_check_references();

create or replace trigger care_contexts_changed_references after update on abdm.care_contexts
  for each row when (new.encounter_id is distinct from old.encounter_id or new.patient_id is distinct from old.patient_id)
  execute function abdm.care_contexts_check_references();

create or replace function abdm.consent_artefacts_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'consent_artefacts_patient_fkey');
  end if;
  return null;
end
$$;

comment on function abdm.consent_artefacts_check_references() is 'about=Of a new or changed row: what patient_id names must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger consent_artefacts_new_references after insert on abdm.consent_artefacts
  for each row execute function abdm.consent_artefacts_check_references();

create or replace trigger consent_artefacts_changed_references after update on abdm.consent_artefacts
  for each row when (new.patient_id is distinct from old.patient_id)
  execute function abdm.consent_artefacts_check_references();

create or replace function abdm.consent_requests_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'consent_requests_patient_fkey');
  end if;
  if new.requester_user_id is distinct from old.requester_user_id then
    perform core.require_entity(new.tenant_id, 'auth.users', new.requester_user_id, 'consent_requests_requester_user_fkey');
  end if;
  return null;
end
$$;

comment on function abdm.consent_requests_check_references() is 'about=Of a new or changed row: what patient_id, requester_user_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger consent_requests_new_references after insert on abdm.consent_requests
  for each row execute function abdm.consent_requests_check_references();

create or replace trigger consent_requests_changed_references after update on abdm.consent_requests
  for each row when (new.patient_id is distinct from old.patient_id or new.requester_user_id is distinct from old.requester_user_id)
  execute function abdm.consent_requests_check_references();

create or replace function abdm.facility_registrations_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.clinic_id is distinct from old.clinic_id then
    perform core.require_entity(new.tenant_id, 'facility.clinics', new.clinic_id, 'facility_registrations_clinic_fkey');
  end if;
  return null;
end
$$;

comment on function abdm.facility_registrations_check_references() is 'about=Of a new or changed row: what clinic_id names must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger facility_registrations_new_references after insert on abdm.facility_registrations
  for each row execute function abdm.facility_registrations_check_references();

create or replace trigger facility_registrations_changed_references after update on abdm.facility_registrations
  for each row when (new.clinic_id is distinct from old.clinic_id)
  execute function abdm.facility_registrations_check_references();

create or replace function abdm.health_info_transfers_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.bundle_document_id is distinct from old.bundle_document_id then
    perform core.require_entity(new.tenant_id, 'ehr.documents', new.bundle_document_id, 'health_info_transfers_bundle_document_fkey');
  end if;
  return null;
end
$$;

comment on function abdm.health_info_transfers_check_references() is 'about=Of a new or changed row: what bundle_document_id names must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger health_info_transfers_new_references after insert on abdm.health_info_transfers
  for each row execute function abdm.health_info_transfers_check_references();

create or replace trigger health_info_transfers_changed_references after update on abdm.health_info_transfers
  for each row when (new.bundle_document_id is distinct from old.bundle_document_id)
  execute function abdm.health_info_transfers_check_references();

create or replace function abdm.linking_transactions_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'linking_transactions_patient_fkey');
  end if;
  return null;
end
$$;

comment on function abdm.linking_transactions_check_references() is 'about=Of a new or changed row: what patient_id names must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger linking_transactions_new_references after insert on abdm.linking_transactions
  for each row execute function abdm.linking_transactions_check_references();

create or replace trigger linking_transactions_changed_references after update on abdm.linking_transactions
  for each row when (new.patient_id is distinct from old.patient_id)
  execute function abdm.linking_transactions_check_references();

create or replace function fhir.resource_versions_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'resource_versions_patient_fkey');
  end if;
  return null;
end
$$;

comment on function fhir.resource_versions_check_references() is 'about=Of a new or changed row: what patient_id names must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger resource_versions_new_references after insert on fhir.resource_versions
  for each row execute function fhir.resource_versions_check_references();

create or replace trigger resource_versions_changed_references after update on fhir.resource_versions
  for each row when (new.patient_id is distinct from old.patient_id)
  execute function fhir.resource_versions_check_references();


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

-- fhir: views

-- fhir.current_resources: the last version of every resource, without its content.
create or replace view fhir.current_resources
  with (security_invoker = true)
as
select distinct on (r.tenant_id, r.resource_type, r.logical_id)
  r.tenant_id,
  r.resource_type,
  r.logical_id,
  r.version,
  r.profile,
  r.bundle_type,
  r.source_schema,
  r.source_table,
  r.source_id,
  r.patient_id,
  r.valid,
  r.recorded_at
from fhir.resource_versions r
order by r.tenant_id, r.resource_type, r.logical_id, r.version desc;

comment on view fhir.current_resources is 'class=phi;scope=tenant;owner=fhir;about=The last version of every FHIR resource, without its content: what is there and whether it was found valid.';

-- abdm: views

-- What still has to be made linkable: visits and stays that are over, of patients with a linked ABHA, without a care context.
-- It should be empty for what ended more than a day ago.
create or replace view abdm.encounters_without_context
  with (security_invoker = true)
as
select
  e.tenant_id,
  e.id as encounter_id,
  e.patient_id,
  a.id as abha_account_id,
  e.clinic_id,
  e.class,
  upper(e.period) as ended_at
from abdm.abha_accounts a
join clinical.encounters e on e.tenant_id = a.tenant_id and e.patient_id = a.patient_id
where
  a.status = 'linked' and a.deleted_at is null
  and e.status = 'finished'
  and not exists (
    select from abdm.care_contexts c where c.tenant_id = e.tenant_id and c.encounter_id = e.id
  );

comment on view abdm.encounters_without_context is 'class=phi;scope=tenant;owner=fhir;about=Finished visits and stays of patients with a linked ABHA that have no care context yet.';


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

-- fhir: grants

-- fhir_owner owns the module. Tenants call operations; concept maps they write themselves.
select core.hand_over('fhir', 'fhir');

select core.ensure_hash_partitions('fhir.resource_versions', 16);

grant execute on function
  fhir.save_value_set(text, text, text, jsonb, text[]),
  fhir.activate_value_set(uuid),
  fhir.value_set_contains(text, text, text),
  fhir.search_concepts(text, text, integer, text),
  fhir.translate_code(text, text, text, date),
  fhir.store_version(text, uuid, bytea, bytea, text, uuid, uuid, jsonb),
  fhir.resource_history(text, uuid, integer)
to fhir_app;

grant select on fhir.current_resources to fhir_app, fhir_ro;

-- the terminology is the same for all tenants, so the platform loads it
grant usage on schema fhir to imhotep_platform;
grant execute on function
  fhir.load_code_system(text, text, text, text, boolean), fhir.load_concepts(uuid, jsonb)
to imhotep_platform;

-- compliance: grants

grant execute on function patient.ids_of(uuid[]) to audit_reader;
grant execute on function compliance.is_under_hold(text, text, uuid, uuid) to kernel_app;

-- abdm: grants

-- fhir_owner owns the module. Applications read its tables and call its operations; only the registrations of sites they
-- write themselves. Below are the columns and functions of other services that the operations use: what a service of its own
-- replaces by projections.
select core.hand_over('abdm', 'fhir');

grant usage on schema audit to fhir_owner;
grant execute on function
  patient.name_key(text),
  patient.bytes_of(jsonb, text),
  patient.ids_of(uuid[])
to fhir_owner;
grant select (tenant_id, user_id, patient_id, status, expires_at) on audit.break_glass_sessions to fhir_owner;
grant select on abdm.encounters_without_context to fhir_app, fhir_ro;

do $$
begin
  -- erasure asks for legal holds
  if to_regprocedure('compliance.is_under_hold(text, text, uuid, uuid)') is not null then
    grant execute on function
      compliance.is_under_hold(text, text, uuid, uuid), compliance.holds_lock_key(uuid)
    to fhir_owner;
  end if;
end
$$;

grant execute on function
  abdm.normalise_abha_number(text),
  abdm.start_registration(uuid, text, text, uuid, uuid, uuid),
  abdm.record_otp_sent(uuid, uuid),
  abdm.record_otp_result(uuid, boolean, boolean, text),
  abdm.record_enrolment(uuid, jsonb),
  abdm.record_abha_address(uuid, text),
  abdm.fail_registration(uuid, text, text),
  abdm.expire_registrations(integer),
  abdm.add_care_context(uuid, text, text, uuid, date, uuid, text),
  abdm.mark_contexts_notified(uuid[]),
  abdm.unlink_care_context(uuid, text, boolean),
  abdm.request_link_token(uuid, uuid, text),
  abdm.store_link_token(uuid, bytea, timestamptz),
  abdm.link_care_contexts(uuid, uuid, uuid[]),
  abdm.record_link_result(uuid, text),
  abdm.init_link(uuid, uuid, text[], text, bytea),
  abdm.expire_linking(integer),
  abdm.request_consent(jsonb),
  abdm.record_consent_request(uuid, uuid, text),
  abdm.ingest_consent(uuid, jsonb),
  abdm.expire_consents(integer),
  abdm.open_session(jsonb),
  abdm.authorise_transfer(uuid, text[]),
  abdm.reject_session(uuid, text),
  abdm.record_transfer(uuid, jsonb),
  abdm.finish_transfer(uuid, text, text),
  abdm.mark_session_notified(uuid),
  abdm.receive_message(uuid, text, bytea, jsonb),
  abdm.queue_message(uuid, text, bytea, jsonb),
  abdm.claim_messages(text, integer, interval),
  abdm.complete_message(uuid, uuid, integer, text, uuid),
  abdm.retry_message(uuid, uuid, text, integer),
  abdm.replay_message(uuid)
to fhir_app;

-- other services: grants

select core.hand_over('clinical', 'fhir');

select core.hand_over('compliance', 'fhir');

select core.hand_over('patient', 'fhir');

grant usage on schema clinical, compliance, patient to kernel_owner;

grant select on
  clinical.encounters,
  compliance.consents,
  compliance.legal_holds,
  patient.patients
to fhir_app, fhir_ro, kernel_owner;

select core.close_database('fhir');
