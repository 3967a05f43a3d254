-- Database of the service clinical: patient, clinical, and the kernel.
--
-- Built from the modules by `imhotep bundle --topology services`. Do not edit: change a module and build again.
-- Repeatable: a second run changes nothing. One transaction: psql -1 -f, or one simple query.
--
-- Order: foundations (schemas, roles, types, functions that tables need), tables with their foreign keys to tables above
-- them, all other foreign keys, functions, views, grants; in each part the modules in the order in which they need each other:
--   core      Kernel installed in every service database: tenancy, context, numbering, idempotency, outbox, crypto, settings, state-machine rules.
--   audit     Append-only evidence: who did and who saw what. Partitioned, sealed in the background.
--   patient   Master patient index.
--   clinical  Encounters and everything observed, decided and done for a patient.

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

-- patient: foundation

-- The master patient index: who the patients of a tenant are, and that each is there once.
create schema if not exists patient;

comment on schema patient is 'owner=clinical;about=Master patient index.';

select core.create_service_roles('clinical');

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

create or replace function patient.check_birth_date(p_birth_date date) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  -- a day of grace: it is tomorrow already in the east
  if p_birth_date > current_date + 1 or p_birth_date < current_date - interval '130 years' then
    raise exception 'the birth date is not between 130 years ago and today'
      using errcode = 'IM212', hint = 'ask again; when only the age is known, use birth_date_precision year';
  end if;
end
$$;

comment on function patient.check_birth_date(date) is 'about=Refuses a birth date in the future or more than 130 years ago (IM212).';

create or replace function patient.check_mrn(p_mrn text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_format text := core.setting('mrn.format') #>> '{}';
  v_algorithm text := core.setting('mrn.check_algo') #>> '{}';
  v_valid boolean;
begin
  if v_format is not null and p_mrn !~ v_format then
    raise exception 'the MRN does not match setting mrn.format'
      using errcode = 'IM212', hint = 'take MRNs from patient.register, or correct the setting';
  end if;
  v_valid := case v_algorithm
    when 'mod10' then core.valid_luhn(regexp_replace(p_mrn, '[^0-9]', '', 'g'))
    when 'verhoeff' then core.valid_verhoeff(regexp_replace(p_mrn, '[^0-9]', '', 'g'))
    when 'mod37_2' then core.valid_mod37_2(regexp_replace(upper(p_mrn), '[^0-9A-Z*]', '', 'g'))
    else true
  end;
  if not v_valid then
    raise exception 'the check character of the MRN is wrong'
      using errcode = 'IM212', hint = 'read the number again';
  end if;
end
$$;

comment on function patient.check_mrn(text) is 'about=Refuses an MRN that does not match the settings mrn.format (regular expression) and mrn.check_algo (IM212).';

create or replace function patient.check_patient() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'INSERT' or new.mrn <> old.mrn then
    perform patient.check_mrn(new.mrn);
  end if;
  if tg_op = 'INSERT' or new.birth_date is distinct from old.birth_date then
    perform patient.check_birth_date(new.birth_date);
  end if;
  new.name_phonetic := patient.name_key(concat_ws(' ', new.given_name, new.middle_name, new.family_name));
  return new;
end
$$;

comment on function patient.check_patient() is 'about=Before insert or update of patient.patients: form of the MRN, range of the birth date (IM212), sound key of the name.';

create or replace function patient.announce_update() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform core.enqueue(
    'patient', new.id, 'patient.updated.v1', jsonb_build_object('id', new.id, 'version', new.row_version)
  );
  return null;
end
$$;

comment on function patient.announce_update() is 'about=After a patient changed without changing status: event patient.updated.v1 (changes of status have their own).';

-- Names as they are searched: lower case, one space between words and around them.
create or replace function patient.searchable_name(p_name text) returns text
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select ' ' || btrim(regexp_replace(lower(coalesce(p_name, '')), '[^[:alnum:]]+', ' ', 'g')) || ' ' $$;

comment on function patient.searchable_name(text) is 'about=A name as it is searched: lower case letters and digits, one space between words and around them.';

create or replace function patient.hashed_trigrams(p_tenant_id uuid, p_text text) returns bigint[]
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    array_agg(distinct ('x' || left(md5(p_tenant_id::text || substr(p_text, i, 3)), 16))::bit(64)::bigint), '{}'
  )
  from generate_series(1, length(p_text) - 2) as i
$$;

comment on function patient.hashed_trigrams(uuid, text) is 'about=Numbers that stand for every three letters that stand together in a text, each once; others in every tenant.';

create or replace function patient.keep_name_trigrams() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'UPDATE' then
    -- many programs write all columns back
    if (new.given_name, new.middle_name, new.family_name)
      is not distinct from (old.given_name, old.middle_name, old.family_name)
    then
      return null;
    end if;
    delete from patient.name_trigrams n where n.tenant_id = new.tenant_id and n.patient_id = new.id;
  end if;
  insert into patient.name_trigrams (tenant_id, trigram, patient_id)
  select new.tenant_id, t.trigram, new.id
  from
    unnest(
      patient.hashed_trigrams(
        new.tenant_id, patient.searchable_name(concat_ws(' ', new.given_name, new.middle_name, new.family_name))
      )
    ) as t (trigram);
  return null;
end
$$;

comment on function patient.keep_name_trigrams() is 'about=After the name of a patient was written: keeps patient.name_trigrams.';

-- Body mass index (kg/m2). The clinical module will use it for vital signs.
create or replace function patient.calculate_bmi(p_weight_kg numeric, p_height_cm numeric) returns numeric
  language plpgsql
  immutable
  strict
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_weight_kg <= 0 or p_height_cm not between 20 and 300 then
    raise exception 'weight must be above 0 kg and height between 20 and 300 cm'
      using errcode = '22003', hint = 'give the weight in kilograms and the height in centimetres';
  end if;
  return round(p_weight_kg / (p_height_cm / 100) ^ 2, 1)::numeric(5, 1);
end
$$;

comment on function patient.calculate_bmi(numeric, numeric) is 'about=Body mass index from kilograms and centimetres, one decimal; null when either is null. 22003 a weight or height that nobody has.';

-- clinical: foundation

-- Encounters and everything observed, decided and done for a patient.
create schema if not exists clinical;

comment on schema clinical is 'owner=clinical;about=Encounters and everything observed, decided and done for a patient.';

select core.create_service_roles('clinical');

-- Enumerated types of the module. Enum equality is not leakproof, so row level security keeps it away from ordinary
-- indexes: every list by status has a partial index over the live states instead.
do $$
begin
  if pg_catalog.to_regtype('clinical.encounter_class') is null then
    create type clinical.encounter_class as enum (
  'AMB', 'EMER', 'IMP', 'OBSENC', 'HH', 'VR', 'SS'
);
  end if;
end
$$;

comment on type clinical.encounter_class is 'about=Kind of contact by HL7 ActCode: AMB outpatient, EMER emergency, IMP inpatient, OBSENC observation, HH home, VR virtual, SS short stay.';

-- Trigger functions of this module's tables. Those that call private helpers or read other services' tables run as the
-- owner; row level security holds for the owner as well.
create or replace function clinical.check_stg_criterion() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (
    select
    from clinical.stg_guidelines g
    where g.id = new.guideline_id and g.status <> 'draft'
  ) then
    raise exception 'guideline % is in force and its criteria are frozen', new.guideline_id
      using errcode = 'IM006', hint = 'add a new version of the guideline';
  end if;
  if new.expression is not null then
    perform clinical.check_stg_expression(new.expression);
  end if;
  if new.applies_when is not null then
    perform clinical.check_stg_expression(new.applies_when);
  end if;
  return new;
end
$$;

comment on function clinical.check_stg_criterion() is 'about=Before insert or update of clinical.stg_criteria: only while the guideline is a draft (IM006), and with expressions that can be evaluated (22023).';

create or replace function clinical.check_patient_of_encounter() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_patient uuid;
begin
  select e.patient_id into v_patient
  from clinical.encounters e
  where e.tenant_id = new.tenant_id and e.id = new.encounter_id;
  if v_patient <> new.patient_id then
    raise exception 'encounter % is not of patient %', new.encounter_id, new.patient_id
      using errcode = '23514', constraint = tg_name, hint = 'take the patient from the encounter';
  end if;
  return new;
end
$$;

comment on function clinical.check_patient_of_encounter() is 'about=Before insert or update of what belongs to an encounter: its patient is the patient of the encounter (23514).';

create or replace function clinical.check_lot_not_expired() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_zone text;
begin
  if new.expiry_on is null or new.given_at is null then
    return new;
  end if;
  select c.timezone into v_zone
  from clinical.encounters e
  join facility.clinics c on c.tenant_id = e.tenant_id and c.id = e.clinic_id
  where e.tenant_id = new.tenant_id and e.id = new.encounter_id;
  if new.expiry_on < (new.given_at at time zone coalesce(v_zone, core.tenant_zone()))::date then
    raise exception 'the lot of vaccination % expired on %', new.id, new.expiry_on
      using errcode = '23514', constraint = tg_name, hint = 'give a dose of a lot that is in date';
  end if;
  return new;
end
$$;

comment on function clinical.check_lot_not_expired() is 'about=Before insert or update of a vaccination: its lot had not expired on the day when it was given, in the time zone of the clinic (23514).';

create or replace function clinical.keep_content() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_free text[] := tg_argv || array[
    'status', 'row_version', 'updated_at', 'updated_by', 'deleted_at', 'deleted_by', 'delete_reason'
  ];
begin
  if to_jsonb(new) - v_free <> to_jsonb(old) - v_free then
    raise exception '% % is % and cannot be changed', tg_table_name, old.id, to_jsonb(old) ->> 'status'
      using errcode = 'IM006', hint = 'amend it: the correction is a row of its own that names this one';
  end if;
  return new;
end
$$;

comment on function clinical.keep_content() is 'about=Arguments: columns that stay free. Before update of a row that is signed, final or ended: nothing else than its state may change (IM006).';

create or replace function clinical.check_none_known() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.clinical_status <> 'active' or new.verification_status in ('refuted', 'entered_in_error')
    or new.deleted_at is not null then
    return new;
  end if;
  -- one who states "none known" and one who records an allergy at the same moment meet here
  perform pg_advisory_xact_lock(hashtextextended('clinical.allergies' || new.tenant_id || new.patient_id, 0));
  if new.kind <> 'none_known' then
    update clinical.allergies a
    set clinical_status = 'inactive'
    where
      a.tenant_id = new.tenant_id and a.patient_id = new.patient_id and a.kind = 'none_known'
      and a.clinical_status = 'active' and a.deleted_at is null;
  elsif exists (
    select
    from clinical.allergies a
    where
      a.tenant_id = new.tenant_id and a.patient_id = new.patient_id and a.kind <> 'none_known'
      and a.clinical_status = 'active' and a.verification_status not in ('refuted', 'entered_in_error')
      and a.deleted_at is null
  ) then
    raise exception 'patient % has active allergies', new.patient_id
      using errcode = '23514', constraint = 'allergies_none_known_contradicts',
        hint = 'resolve or refute them before "none known" is stated';
  end if;
  return new;
end
$$;

comment on function clinical.check_none_known() is 'about=Before insert or update of clinical.allergies: an active allergy ends the row "none known"; "none known" beside an active allergy is refused (23514).';

create or replace function clinical.score_vital_signs() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_birth_date date;
begin
  if new.measured_at > now() + interval '5 minutes' then
    raise exception 'vital signs of patient % were measured in the future', new.patient_id
      using errcode = '23514', constraint = 'vital_signs_not_in_future', hint = 'check the clock of the device';
  end if;
  select p.birth_date into v_birth_date
  from patient.patients p
  where p.tenant_id = new.tenant_id and p.id = new.patient_id;
  -- not validated for children; somebody of unknown age is scored like an adult
  new.news2 := case
    when v_birth_date is null or v_birth_date + interval '16 years' <= new.measured_at then clinical.news2(
      new.resp_rate, new.spo2, new.on_oxygen, new.systolic, new.pulse, new.consciousness, new.temperature_c,
      new.spo2_scale
    )
  end;
  return new;
end
$$;

comment on function clinical.score_vital_signs() is 'about=Before insert of clinical.vital_signs: computes NEWS2 of patients of 16 years and older; refuses times in the future (23514).';

create or replace function clinical.check_assessment_score() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if coalesce(core.setting('clinical.scored_instruments') ? new.instrument, false) then
    raise exception 'assessment % by instrument "%" has no score', new.id, new.instrument
      using errcode = '23514', constraint = 'clinical_assessments_scored_has_score',
        hint = 'compute the score, or take the instrument from setting clinical.scored_instruments';
  end if;
  return new;
end
$$;

comment on function clinical.check_assessment_score() is 'about=Before a clinical assessment without a score is completed: refused (23514) for the instruments of setting clinical.scored_instruments.';

create or replace function clinical.reset_stg_status() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_beside text[] := array[
    'status', 'stg_status', 'stg_checked_at', 'stg_waiver_reason', 'approved_by', 'approved_at', 'handed_over_at',
    'document_id', 'row_version', 'updated_at', 'updated_by'
  ];
begin
  if to_jsonb(new) - v_beside <> to_jsonb(old) - v_beside then
    new.stg_status := 'not_checked';
    new.stg_checked_at := null;
    new.stg_waiver_reason := null;
  end if;
  return new;
end
$$;

comment on function clinical.reset_stg_status() is 'about=Before update of a discharge summary in work: what was checked against guidelines is unchecked when its content changes.';

create or replace function clinical.check_bed_policy() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_encounter record;
  v_place record;
  v_entitled int;
  -- classes of comfort in their order; intensive care, isolation and day care are decided by need, not by class
  v_comfort constant text[] := array['general', 'semi_private', 'private', 'deluxe'];
begin
  select e.patient_id, e.isolation, e.status, p.sex, p.birth_date, a.care_class into v_encounter
  from clinical.encounters e
  join patient.patients p on p.tenant_id = e.tenant_id and p.id = e.patient_id
  left join clinical.admissions a on a.tenant_id = e.tenant_id and a.encounter_id = e.id
  where e.tenant_id = new.tenant_id and e.id = new.encounter_id;
  if not found then
    return new; -- the foreign key says it
  end if;
  if v_encounter.patient_id <> new.patient_id then
    raise exception 'encounter % is not of patient %', new.encounter_id, new.patient_id
      using errcode = '23514', constraint = 'bed_allocations_patient_of_encounter',
        hint = 'take the patient from the encounter';
  end if;
  if v_encounter.status in ('finished', 'cancelled', 'entered_in_error')
    and coalesce(upper(new.period), 'infinity') > now() then
    raise exception 'encounter % is % and needs no bed', new.encounter_id, v_encounter.status
      using errcode = 'IM001', hint = 'open a new encounter';
  end if;

  -- the bed's place and all that contains it: a rule of the ward holds in its rooms
  with recursive place as (
    select l.parent_location_id, l.sex_policy, l.isolation_capable, l.care_class, 0 as depth
    from facility.beds b
    join facility.locations l on l.tenant_id = b.tenant_id and l.id = b.location_id
    where b.tenant_id = new.tenant_id and b.id = new.bed_id
    union all
    select l.parent_location_id, l.sex_policy, l.isolation_capable, l.care_class, place.depth + 1
    from place
    join facility.locations l on l.tenant_id = new.tenant_id and l.id = place.parent_location_id
  )
  select
    array_agg(place.sex_policy) as sex_policies,
    coalesce(bool_or(place.isolation_capable), false) as isolation_capable,
    (array_agg(place.care_class order by place.depth) filter (where place.care_class is not null))[1] as care_class
  into v_place
  from place;

  -- only a recorded sex that contradicts the ward refuses: for other and unknown, people decide
  if (v_encounter.sex = 'male' and 'female' = any (v_place.sex_policies))
    or (v_encounter.sex = 'female' and 'male' = any (v_place.sex_policies)) then
    raise exception 'bed % is in a ward for the other sex', new.bed_id
      using errcode = 'IM202', hint = 'choose a bed of a ward that takes the patient';
  end if;
  if 'paediatric' = any (v_place.sex_policies)
    and v_encounter.birth_date + make_interval(
      years => coalesce((core.setting('clinical.paediatric_below_years') #>> '{}')::int, 18)
    ) <= lower(new.period) then
    raise exception 'bed % is in a ward for children', new.bed_id
      using errcode = 'IM202', hint = 'choose a bed of a ward for adults';
  end if;
  if v_encounter.isolation is not null and not v_place.isolation_capable then
    raise exception 'encounter % needs isolation, and bed % offers none', new.encounter_id, new.bed_id
      using errcode = 'IM202', hint = 'choose a bed in a place that is isolation_capable';
  end if;
  v_entitled := array_position(v_comfort, v_encounter.care_class);
  if array_position(v_comfort, v_place.care_class) > v_entitled then
    raise exception 'bed % is of class "%", above the class of encounter %', new.bed_id, v_place.care_class,
        new.encounter_id
      using errcode = 'IM202', hint = 'change care_class of the admission first, or choose another bed';
  end if;
  return new;
end
$$;

comment on function clinical.check_bed_policy() is 'about=Before a bed is reserved or occupied: the ward takes the patient''s sex and age, isolation where it is needed, no class above the admission''s (IM202); the encounter is the patient''s (23514) and has not ended (IM001).';

create or replace function clinical.announce_transfer() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_admission uuid;
begin
  select a.id into v_admission
  from clinical.admissions a
  where a.tenant_id = new.tenant_id and a.encounter_id = new.encounter_id;
  if found then
    perform core.enqueue(
      'admission', v_admission, 'admission.transferred.v1',
      jsonb_build_object('id', v_admission, 'bed_allocation_id', new.id, 'bed_id', new.bed_id)
    );
  end if;
  return null;
end
$$;

comment on function clinical.announce_transfer() is 'about=After an inpatient moved to another bed: event admission.transferred.';

-- National Early Warning Score 2, Royal College of Physicians 2017. For people of 16 years and older who are not pregnant.
create or replace function clinical.news2(
  p_resp_rate int,
  p_spo2 int,
  p_on_oxygen boolean,
  p_systolic int,
  p_pulse int,
  p_consciousness text,
  p_temperature_c numeric,
  p_spo2_scale int default 1
) returns smallint
  language sql
  immutable
  set search_path = pg_catalog, pg_temp
as $$
  select (
    case when p_resp_rate <= 8 then 3 when p_resp_rate <= 11 then 1 when p_resp_rate <= 20 then 0
      when p_resp_rate <= 24 then 2 when p_resp_rate >= 25 then 3 end
    + case
        when p_spo2_scale = 1 then
          case when p_spo2 <= 91 then 3 when p_spo2 <= 93 then 2 when p_spo2 <= 95 then 1 when p_spo2 >= 96 then 0 end
        -- scale 2: too much oxygen counts as well
        when p_spo2 <= 83 then 3 when p_spo2 <= 85 then 2 when p_spo2 <= 87 then 1
        when p_spo2 <= 92 or (p_spo2 >= 93 and not p_on_oxygen) then 0
        when p_spo2 <= 94 then 1 when p_spo2 <= 96 then 2 when p_spo2 >= 97 then 3
      end
    + case p_on_oxygen when true then 2 when false then 0 end
    + case when p_systolic <= 90 then 3 when p_systolic <= 100 then 2 when p_systolic <= 110 then 1
        when p_systolic <= 219 then 0 when p_systolic >= 220 then 3 end
    + case when p_pulse <= 40 then 3 when p_pulse <= 50 then 1 when p_pulse <= 90 then 0 when p_pulse <= 110 then 1
        when p_pulse <= 130 then 2 when p_pulse >= 131 then 3 end
    + case when p_consciousness = 'A' then 0 when p_consciousness in ('C', 'V', 'P', 'U') then 3 end
    + case when p_temperature_c <= 35.0 then 3 when p_temperature_c <= 36.0 then 1 when p_temperature_c <= 38.0 then 0
        when p_temperature_c <= 39.0 then 1 when p_temperature_c > 39.0 then 2 end
  )::smallint
$$;

comment on function clinical.news2(int, int, boolean, int, int, text, numeric, int) is 'about=NEWS2 of breaths a minute, SpO2 in percent, on oxygen, systolic mmHg, pulse, consciousness (A, C, V, P, U), temperature in Celsius and SpO2 scale (1 or 2): 0 to 20, null when a part is missing. 5 asks for urgent review, 7 for emergency assessment.';


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

-- patient: tables

-- One person in one tenant, with the medical record number (MRN).
--
-- Names stay searchable plaintext under RLS; contact data is encrypted with a blind index beside it; everything else
-- that must be kept but not searched is in the encrypted envelope phi_enc. Rows come from patient.register, which
-- looks for duplicates first; merging is patient.merge, and nothing is deleted.
create table if not exists patient.patients (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  mrn text not null,
  given_name text not null,
  middle_name text,
  family_name text,
  given_name_lc text generated always as (lower(given_name)) stored,
  family_name_lc text generated always as (lower(family_name)) stored,
  name_phonetic text not null,
  sex text not null,
  gender_identity text,
  birth_date date,
  birth_date_precision text not null default 'day',
  deceased_at timestamptz,
  blood_group text,
  marital_status text,
  language text,
  nationality char(2),
  mobile_enc bytea,
  mobile_bidx bytea,
  email_enc bytea,
  email_bidx bytea,
  address_enc bytea,
  pin_code text,
  state_code text,
  district_lgd integer,
  phi_enc jsonb,
  data_key_kid text,
  emr_system core.emr_system not null default 'INTERNAL',
  emr_id text,
  portal_user_id uuid,
  registered_clinic_id uuid not null,
  is_vip boolean not null default false,
  merged_into_id uuid,
  status text not null default 'active',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint patients_pkey primary key (tenant_id, id),
  constraint patients_sex_check check (sex in ('male', 'female', 'other', 'unknown')),
  constraint patients_birth_date_precision_check check (birth_date_precision in ('day', 'month', 'year', 'estimated')),
  constraint patients_status_check check (status in ('active', 'inactive', 'deceased', 'merged')),
  constraint patients_mrn_not_empty check (mrn <> ''),
  constraint patients_given_name_not_empty check (given_name <> ''),
  -- the birth date is local to nobody knows where: a day of grace
  constraint patients_death_after_birth check ((deceased_at at time zone 'UTC')::date >= birth_date - 1),
  constraint patients_deceased_has_time check (status <> 'deceased' or deceased_at is not null),
  constraint patients_blood_group_check check (blood_group ~ '^(A|B|AB|O|Oh)[+-]$'),
  constraint patients_language_format check (language ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'),
  constraint patients_nationality_format check (nationality ~ '^[A-Z]{2}$'),
  constraint patients_phi_is_envelope check (phi_enc ?& array['v', 'kid', 'alg', 'nonce', 'ct']),
  constraint patients_key_of_encrypted check (
    data_key_kid is not null or num_nonnulls(mobile_enc, email_enc, address_enc, phi_enc) = 0
  ),
  constraint patients_not_merged_into_self check (merged_into_id <> id),
  constraint patients_merged_has_survivor check ((status = 'merged') = (merged_into_id is not null)),
  constraint patients_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint patients_merged_into_fkey
    foreign key (tenant_id, merged_into_id) references patient.patients (tenant_id, id)
);

create unique index if not exists patients_mrn_key on patient.patients (tenant_id, mrn) where deleted_at is null;
-- emr_id leads: = on an enum is not leakproof, so RLS would keep it out of the index condition
create unique index if not exists patients_emr_id_key on patient.patients (tenant_id, emr_id, emr_system)
  where emr_id is not null and deleted_at is null;
create unique index if not exists patients_portal_user_key on patient.patients (tenant_id, portal_user_id)
  where portal_user_id is not null and deleted_at is null;
create index if not exists patients_portal_user_idx on patient.patients (tenant_id, portal_user_id)
  where portal_user_id is not null;
create index if not exists patients_merged_into_idx on patient.patients (tenant_id, merged_into_id)
  where merged_into_id is not null;
create index if not exists patients_registered_clinic_idx on patient.patients (tenant_id, registered_clinic_id);
create index if not exists patients_given_name_idx on patient.patients (tenant_id, given_name_lc text_pattern_ops);
create index if not exists patients_family_name_idx on patient.patients (tenant_id, family_name_lc text_pattern_ops);
create index if not exists patients_name_phonetic_idx on patient.patients (tenant_id, name_phonetic, birth_date);
create index if not exists patients_birth_date_idx on patient.patients (tenant_id, birth_date);
create index if not exists patients_mobile_idx on patient.patients (tenant_id, mobile_bidx) where mobile_bidx is not null;
create index if not exists patients_email_idx on patient.patients (tenant_id, email_bidx) where email_bidx is not null;

comment on table patient.patients is 'class=phi;scope=tenant;owner=clinical;fhir=Patient;retention=medical_record;about=One person in one tenant, with the MRN.';
comment on column patient.patients.mrn is 'class=phi;about=Medical record number, unique in the tenant; its form is the setting mrn.format.';
comment on column patient.patients.given_name is 'class=phi;about=Given name, or the only name of a person with one.';
comment on column patient.patients.middle_name is 'class=phi;about=Middle names, father''s name, patronymic.';
comment on column patient.patients.family_name is 'class=phi;about=Family name, where the person has one.';
comment on column patient.patients.given_name_lc is 'class=phi;about=Given name in lower case, for search.';
comment on column patient.patients.family_name_lc is 'class=phi;about=Family name in lower case, for search.';
comment on column patient.patients.name_phonetic is 'class=phi;about=Sound key of the whole name, order of words ignored; kept by a trigger.';
comment on column patient.patients.sex is 'class=phi;about=Administrative sex: male, female, other or unknown.';
comment on column patient.patients.gender_identity is 'class=phi;about=Gender in the person''s own words.';
comment on column patient.patients.birth_date is 'class=phi;about=Date of birth, at most 130 years ago; the first day of what is known.';
comment on column patient.patients.birth_date_precision is 'class=phi;about=How much of the date of birth is known: day, month, year or estimated.';
comment on column patient.patients.deceased_at is 'class=phi;about=Time of death.';
comment on column patient.patients.blood_group is 'class=phi;about=ABO and RhD as told by the patient; transfusion never relies on it.';
comment on column patient.patients.marital_status is 'class=phi;about=Marital status.';
comment on column patient.patients.language is 'class=phi;about=Language to speak in (BCP 47).';
comment on column patient.patients.nationality is 'class=phi;about=ISO 3166-1 alpha-2 code.';
comment on column patient.patients.mobile_enc is 'class=phi;enc=1;about=Mobile number in E.164, encrypted.';
comment on column patient.patients.mobile_bidx is 'class=phi;about=Blind index of the normalised mobile number; families share one.';
comment on column patient.patients.email_enc is 'class=phi;enc=1;about=E-mail address, encrypted.';
comment on column patient.patients.email_bidx is 'class=phi;about=Blind index of the normalised e-mail address.';
comment on column patient.patients.address_enc is 'class=phi;enc=1;about=Postal address, encrypted.';
comment on column patient.patients.pin_code is 'class=phi;about=Postal code of the address.';
comment on column patient.patients.state_code is 'class=phi;about=State of the address.';
comment on column patient.patients.district_lgd is 'class=phi;about=District of the address by its Local Government Directory code.';
comment on column patient.patients.phi_enc is 'class=phi;enc=1;about=Encrypted envelope {v, kid, alg, nonce, ct} for what is never searched: history, notes on next of kin.';
comment on column patient.patients.data_key_kid is 'class=phi;about=Key that the encrypted columns were written with; there when any of them is.';
comment on column patient.patients.emr_system is 'class=phi;about=The record system that the patient came from.';
comment on column patient.patients.emr_id is 'class=phi;about=Identifier of the patient in that system.';
comment on column patient.patients.portal_user_id is 'class=phi;about=Account of the patient in the portal.';
comment on column patient.patients.registered_clinic_id is 'class=phi;about=Clinic of the first registration.';
comment on column patient.patients.is_vip is 'class=phi;about=Reads are watched more closely.';
comment on column patient.patients.merged_into_id is 'class=phi;about=The patient that this duplicate was merged into; set exactly while status is merged.';
comment on column patient.patients.status is 'class=phi;about=active, inactive, deceased or merged.';
select core.comment_standard_columns('patient.patients');

alter table patient.patients enable row level security, force row level security;
drop policy if exists tenant_isolation on patient.patients;
create policy tenant_isolation on patient.patients
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger patients_touch before update on patient.patients
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger patients_transition before insert or update of status on patient.patients
  for each row execute function core.enforce_transition('patient.patients', 'status');
create or replace trigger patients_first_state after insert on patient.patients
  for each row execute function core.announce_first_state('patient.patients');
create or replace trigger patients_check before insert or update on patient.patients
  for each row execute function patient.check_patient();
create or replace trigger patients_no_aadhaar
  before insert or update of mrn, given_name, middle_name, family_name, emr_id on patient.patients
  for each row execute function core.reject_aadhaar_like('mrn', 'given_name', 'middle_name', 'family_name', 'emr_id');
create or replace trigger patients_announce after update on patient.patients
  for each row when (old.status = new.status and old.row_version <> new.row_version)
  execute function patient.announce_update();
select audit.track('patient.patients');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('patient.patients', '', 'active', false, 'patient.registered.v1'),
  ('patient.patients', 'active', 'inactive', false, 'patient.updated.v1'),
  ('patient.patients', 'active', 'deceased', false, 'patient.updated.v1'),
  ('patient.patients', 'active', 'merged', true, 'patient.merged.v1'),
  ('patient.patients', 'inactive', 'active', false, 'patient.updated.v1'),
  ('patient.patients', 'deceased', 'active', true, 'patient.updated.v1'),
  ('patient.patients', 'merged', 'active', true, 'patient.unmerged.v1')
on conflict (machine, from_state, to_state) do nothing;

-- without merged_into_id, that is without status merged: that is for patient.merge
grant select, insert on patient.patients to clinical_app;
grant update (
    mrn, given_name, middle_name, family_name, name_phonetic, sex, gender_identity, birth_date, birth_date_precision,
    deceased_at, blood_group, marital_status, language, nationality, mobile_enc, mobile_bidx, email_enc, email_bidx,
    address_enc, pin_code, state_code, district_lgd, phi_enc, data_key_kid, emr_system, emr_id, portal_user_id,
    registered_clinic_id, is_vip, status, row_version, deleted_at, deleted_by, delete_reason
  ) on patient.patients to clinical_app;
grant select on patient.patients to clinical_ro;

-- All other identifiers of a person; what ABDM discovery matches on. A live identifier belongs to one person. Aadhaar
-- numbers are not a kind of identifier here and are refused in every plaintext column.
create table if not exists patient.patient_identifiers (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  patient_id uuid not null,
  kind text not null,
  system_uri text not null,
  value_enc bytea not null,
  value_bidx bytea not null,
  value_last4 text not null,
  assigner text,
  valid_during daterange,
  verified_at timestamptz,
  verification_method text,
  is_primary boolean not null default false,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint patient_identifiers_pkey primary key (tenant_id, id),
  constraint patient_identifiers_kind_check check (
    kind in (
      'abha_number', 'abha_address', 'pmjay_id', 'ration_card', 'passport', 'driving_licence', 'national_id',
      'voter_id', 'insurance_member', 'external_mrn', 'hospital_card'
    )
  ),
  constraint patient_identifiers_last4_at_most_4 check (length(value_last4) <= 4),
  constraint patient_identifiers_verified_somehow check (verified_at is null or verification_method is not null),
  constraint patient_identifiers_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint patient_identifiers_patient_fkey
    foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id)
);

create unique index if not exists patient_identifiers_value_key on patient.patient_identifiers (tenant_id, system_uri, value_bidx)
  where deleted_at is null;
create unique index if not exists patient_identifiers_one_primary_per_kind
  on patient.patient_identifiers (tenant_id, patient_id, kind)
  where is_primary and deleted_at is null;
create index if not exists patient_identifiers_patient_idx on patient.patient_identifiers (tenant_id, patient_id);
-- discovery does not always know the issuer
create index if not exists patient_identifiers_value_idx on patient.patient_identifiers (tenant_id, value_bidx);

comment on table patient.patient_identifiers is 'class=phi;scope=tenant;owner=clinical;fhir=Patient.identifier;retention=medical_record;about=All other identifiers of a person; what ABDM discovery matches on.';
comment on column patient.patient_identifiers.patient_id is 'class=phi;about=The person.';
comment on column patient.patient_identifiers.kind is 'class=phi;about=abha_number, abha_address, pmjay_id, ration_card, passport, driving_licence, national_id, voter_id, insurance_member, external_mrn or hospital_card.';
comment on column patient.patient_identifiers.system_uri is 'class=phi;about=Who gives such identifiers out (FHIR Identifier.system).';
comment on column patient.patient_identifiers.value_enc is 'class=phi;enc=1;about=The identifier, encrypted.';
comment on column patient.patient_identifiers.value_bidx is 'class=phi;about=Blind index of the normalised identifier.';
comment on column patient.patient_identifiers.value_last4 is 'class=phi;mask=last4;about=Its last four characters, for display.';
comment on column patient.patient_identifiers.assigner is 'class=phi;about=Office that gave it out.';
comment on column patient.patient_identifiers.valid_during is 'class=phi;about=Days on which it is valid.';
comment on column patient.patient_identifiers.verified_at is 'class=operational;about=When it was verified with its issuer.';
comment on column patient.patient_identifiers.verification_method is 'class=operational;about=How it was verified, such as abdm_otp.';
comment on column patient.patient_identifiers.is_primary is 'class=phi;about=The one to use among several of its kind.';
select core.comment_standard_columns('patient.patient_identifiers');

alter table patient.patient_identifiers enable row level security, force row level security;
drop policy if exists tenant_isolation on patient.patient_identifiers;
create policy tenant_isolation on patient.patient_identifiers
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger patient_identifiers_touch before update on patient.patient_identifiers
  for each row execute function core.update_updated_at_column();
create or replace trigger patient_identifiers_no_aadhaar
  before insert or update of system_uri, value_last4, assigner, verification_method on patient.patient_identifiers
  for each row
  execute function core.reject_aadhaar_like('system_uri', 'value_last4', 'assigner', 'verification_method');
select audit.track('patient.patient_identifiers');

grant select, insert, update on patient.patient_identifiers to clinical_app;
grant select on patient.patient_identifiers to clinical_ro;

-- Next of kin, guardian, emergency contact, portal proxy. A guardian acts for the patient only after being verified.
-- The ehr module adds the foreign key of guardian_proof_document_id.
create table if not exists patient.patient_contacts (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  patient_id uuid not null,
  name text not null,
  relationship text not null,
  related_patient_id uuid,
  user_id uuid,
  phone_enc bytea,
  phone_bidx bytea,
  is_emergency boolean not null default false,
  is_legal_guardian boolean not null default false,
  guardian_verified_at timestamptz,
  guardian_proof_document_id uuid,
  proxy_scope text not null default 'none',
  valid_to date,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint patient_contacts_pkey primary key (tenant_id, id),
  constraint patient_contacts_proxy_scope_check check (proxy_scope in ('none', 'view', 'book', 'full')),
  constraint patient_contacts_guardian_verified check (
    not is_legal_guardian or guardian_verified_at is not null or proxy_scope = 'none'
  ),
  constraint patient_contacts_not_self check (related_patient_id <> patient_id),
  constraint patient_contacts_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint patient_contacts_patient_fkey
    foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id),
  constraint patient_contacts_related_patient_fkey
    foreign key (tenant_id, related_patient_id) references patient.patients (tenant_id, id)
);

create index if not exists patient_contacts_patient_idx on patient.patient_contacts (tenant_id, patient_id);
create index if not exists patient_contacts_related_patient_idx on patient.patient_contacts (tenant_id, related_patient_id)
  where related_patient_id is not null;
create index if not exists patient_contacts_user_idx on patient.patient_contacts (tenant_id, user_id) where user_id is not null;
create index if not exists patient_contacts_phone_idx on patient.patient_contacts (tenant_id, phone_bidx)
  where phone_bidx is not null;

comment on table patient.patient_contacts is 'class=phi;scope=tenant;owner=clinical;fhir=RelatedPerson;retention=medical_record;about=Next of kin, guardian, emergency contact, portal proxy.';
comment on column patient.patient_contacts.patient_id is 'class=phi;about=The patient.';
comment on column patient.patient_contacts.name is 'class=pii;about=Name of the contact.';
comment on column patient.patient_contacts.relationship is 'class=phi;about=What the contact is to the patient, such as mother.';
comment on column patient.patient_contacts.related_patient_id is 'class=phi;about=The contact''s own record, when the contact is a patient too.';
comment on column patient.patient_contacts.user_id is 'class=pii;about=The contact''s account in the portal.';
comment on column patient.patient_contacts.phone_enc is 'class=pii;enc=1;about=Telephone number in E.164, encrypted.';
comment on column patient.patient_contacts.phone_bidx is 'class=pii;about=Blind index of the normalised telephone number.';
comment on column patient.patient_contacts.is_emergency is 'class=phi;about=To be called in an emergency.';
comment on column patient.patient_contacts.is_legal_guardian is 'class=phi;about=Decides for the patient by law.';
comment on column patient.patient_contacts.guardian_verified_at is 'class=operational;about=When the guardianship was verified.';
comment on column patient.patient_contacts.guardian_proof_document_id is 'class=phi;about=Scan of the proof of guardianship.';
comment on column patient.patient_contacts.proxy_scope is 'class=phi;about=What the contact may do in the portal for the patient: none, view, book or full.';
comment on column patient.patient_contacts.valid_to is 'class=phi;about=Last day on which the contact may act; a child comes of age.';
select core.comment_standard_columns('patient.patient_contacts');

alter table patient.patient_contacts enable row level security, force row level security;
drop policy if exists tenant_isolation on patient.patient_contacts;
create policy tenant_isolation on patient.patient_contacts
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger patient_contacts_touch before update on patient.patient_contacts
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger patient_contacts_no_aadhaar before insert or update of name, relationship on patient.patient_contacts
  for each row execute function core.reject_aadhaar_like('name', 'relationship');
select audit.track('patient.patient_contacts');

grant select, insert, update on patient.patient_contacts to clinical_app;
grant select on patient.patient_contacts to clinical_ro;

-- Duplicate candidates, merges and un-merges. One person proposes, another approves. moved_rows lists every row that a
-- merge moved, so that it can be taken back: identifiers [{id, was_primary}], contacts [id], related_contacts [id],
-- redirected [id], portal_user_id.
create table if not exists patient.patient_merges (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  survivor_id uuid not null,
  duplicate_id uuid not null,
  match_score numeric(5,4) not null default 0,
  match_reasons text[] not null default '{}',
  moved_rows jsonb not null default '{}',
  requested_by uuid not null,
  approved_by uuid,
  executed_at timestamptz,
  reversed_at timestamptz,
  reason text not null,
  status text not null default 'proposed',
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint patient_merges_pkey primary key (tenant_id, id),
  constraint patient_merges_status_check check (status in ('proposed', 'approved', 'merged', 'reversed', 'dismissed')),
  constraint patient_merges_two_patients check (survivor_id <> duplicate_id),
  constraint patient_merges_approved_by_another check (approved_by is null or approved_by <> requested_by),
  constraint patient_merges_score_0_to_1 check (match_score between 0 and 1),
  constraint patient_merges_merged_was_approved check (
    status not in ('merged', 'reversed') or (approved_by is not null and executed_at is not null)
  ),
  constraint patient_merges_reversed_has_time check ((status = 'reversed') = (reversed_at is not null)),
  constraint patient_merges_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint patient_merges_survivor_fkey
    foreign key (tenant_id, survivor_id) references patient.patients (tenant_id, id),
  constraint patient_merges_duplicate_fkey
    foreign key (tenant_id, duplicate_id) references patient.patients (tenant_id, id)
);

-- one open proposal a pair, whichever of the two is to survive
create unique index if not exists patient_merges_one_open_per_pair
  on patient.patient_merges (tenant_id, least(survivor_id, duplicate_id), greatest(survivor_id, duplicate_id))
  where status in ('proposed', 'approved');
create index if not exists patient_merges_survivor_idx on patient.patient_merges (tenant_id, survivor_id);
create index if not exists patient_merges_duplicate_idx on patient.patient_merges (tenant_id, duplicate_id);
create index if not exists patient_merges_open_idx on patient.patient_merges (tenant_id, created_at)
  where status in ('proposed', 'approved');

comment on table patient.patient_merges is 'class=phi;scope=tenant;owner=clinical;fhir=Patient.link;retention=medical_record;about=Duplicate candidates, merges and un-merges, with both keys kept.';
comment on column patient.patient_merges.survivor_id is 'class=phi;about=The record that stays.';
comment on column patient.patient_merges.duplicate_id is 'class=phi;about=The record that is merged into it.';
comment on column patient.patient_merges.match_score is 'class=phi;about=How alike the two are, 0 to 1.';
comment on column patient.patient_merges.match_reasons is 'class=phi;about=What they have in common: name, birth_date, mobile, sex.';
comment on column patient.patient_merges.moved_rows is 'class=phi;about=What the merge moved, by id.';
comment on column patient.patient_merges.requested_by is 'class=operational;about=User who proposed it.';
comment on column patient.patient_merges.approved_by is 'class=operational;about=User who approved it; never the one who proposed.';
comment on column patient.patient_merges.executed_at is 'class=operational;about=When it was merged.';
comment on column patient.patient_merges.reversed_at is 'class=operational;about=When it was taken back.';
comment on column patient.patient_merges.reason is 'class=phi;about=Why the two are thought to be one person.';
comment on column patient.patient_merges.status is 'class=operational;about=proposed, approved, merged, reversed or dismissed.';
select core.comment_standard_columns('patient.patient_merges');

alter table patient.patient_merges enable row level security, force row level security;
drop policy if exists tenant_isolation on patient.patient_merges;
create policy tenant_isolation on patient.patient_merges
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger patient_merges_touch before update on patient.patient_merges
  for each row execute function core.update_updated_at_column();
create or replace trigger patient_merges_transition before insert or update of status on patient.patient_merges
  for each row execute function core.enforce_transition('patient.patient_merges', 'status');
select audit.track('patient.patient_merges');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('patient.patient_merges', '', 'proposed', false, null),
  ('patient.patient_merges', 'proposed', 'approved', false, null),
  ('patient.patient_merges', 'proposed', 'dismissed', false, null),
  ('patient.patient_merges', 'approved', 'merged', false, null),
  ('patient.patient_merges', 'approved', 'dismissed', false, null),
  ('patient.patient_merges', 'merged', 'reversed', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on patient.patient_merges to clinical_app;
grant select on patient.patient_merges to clinical_ro;

-- Which names hold which three letters, so that a part of a name is found without reading every patient. LIKE and trigram
-- operators are not leakproof: under row level security no index serves them, equality of numbers is always served. The
-- letters are hashed with the tenant, so the table tells nobody a name. A trigger on patient.patients keeps it; a row has
-- no life of its own and therefore no id.
create table if not exists patient.name_trigrams (
  tenant_id uuid not null,
  trigram bigint not null,
  patient_id uuid not null,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint name_trigrams_pkey primary key (tenant_id, trigram, patient_id),
  constraint name_trigrams_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint name_trigrams_patient_fkey
    foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id)
);

create index if not exists name_trigrams_patient_idx on patient.name_trigrams (tenant_id, patient_id);

comment on table patient.name_trigrams is 'class=operational;scope=tenant;owner=clinical;fhir=none;retention=medical_record;about=Which patients have a name with these three letters.';
comment on column patient.name_trigrams.trigram is 'class=operational;about=Hash of the tenant and three letters of a name, patient.hashed_trigrams.';
comment on column patient.name_trigrams.patient_id is 'class=operational;about=The patient whose name holds them.';
select core.comment_standard_columns('patient.name_trigrams');

alter table patient.name_trigrams enable row level security, force row level security;
drop policy if exists tenant_isolation on patient.name_trigrams;
create policy tenant_isolation on patient.name_trigrams
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger patients_name_trigrams after insert or update of given_name, middle_name, family_name on patient.patients
  for each row execute function patient.keep_name_trigrams();

-- ehr: tables

create index if not exists patient_contacts_guardian_proof_document_idx on patient.patient_contacts (tenant_id, guardian_proof_document_id) where guardian_proof_document_id is not null;

-- compliance: tables

-- Indexes that erasure needs on tables of others: the keys of a person, and who has been here longest.
create index if not exists encryption_keys_subject_idx on core.encryption_keys (tenant_id, subject_type, subject_id)
  where subject_id is not null;
create index if not exists patients_registered_idx on patient.patients (tenant_id, created_at) where deleted_at is null;

-- clinical: tables

-- One contact with a patient, or one stay. Everything that is observed, decided and done hangs on it. A patient has at
-- most one inpatient stay at a time. Operations move it along its states; finishing frees the bed.
create table if not exists clinical.encounters (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  encounter_number text not null,
  patient_id uuid not null,
  clinic_id uuid not null,
  department_id uuid not null,
  class clinical.encounter_class not null,
  priority text not null default 'routine',
  attending_doctor_id uuid,
  appointment_id uuid,
  referred_by text,
  triage_level smallint,
  isolation text,
  period tstzrange not null,
  chief_complaint_enc bytea,
  is_mlc boolean not null default false,
  mlc_number text,
  police_intimated_at timestamptz,
  disposition text,
  parent_encounter_id uuid,
  payer_class text not null default 'self',
  status text not null default 'planned',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint encounters_pkey primary key (tenant_id, id),
  constraint encounters_priority_check check (priority in ('routine', 'urgent', 'emergency')),
  constraint encounters_disposition_check check (
    disposition in ('home', 'admitted', 'transferred', 'lama', 'dama', 'absconded', 'expired', 'other')
  ),
  constraint encounters_payer_class_check check (payer_class in ('self', 'insurance', 'pmjay', 'corporate', 'free')),
  constraint encounters_status_check check (
    status in ('planned', 'arrived', 'cancelled', 'triaged', 'in_progress', 'on_leave', 'finished', 'entered_in_error')
  ),
  constraint encounters_triage_level_1_to_5 check (triage_level between 1 and 5),
  constraint encounters_isolation_check check (isolation in ('contact', 'droplet', 'airborne', 'protective')),
  constraint encounters_period_has_start check (lower(period) is not null),
  constraint encounters_not_own_parent check (parent_encounter_id <> id),
  constraint encounters_mlc_has_number check (not is_mlc or mlc_number is not null),
  constraint encounters_police_told_of_mlc_only check (police_intimated_at is null or is_mlc),
  constraint encounters_finished_has_end_and_disposition check (
    status <> 'finished' or (upper(period) is not null and disposition is not null)
  ),
  constraint encounters_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint encounters_patient_fkey
    foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id),
  constraint encounters_parent_encounter_fkey
    foreign key (tenant_id, parent_encounter_id) references clinical.encounters (tenant_id, id)
);

create unique index if not exists encounters_encounter_number_key on clinical.encounters (tenant_id, encounter_number)
  where deleted_at is null;
create unique index if not exists encounters_one_stay_per_patient on clinical.encounters (tenant_id, patient_id)
  where class = 'IMP' and status in ('in_progress', 'on_leave');
create unique index if not exists encounters_one_per_appointment on clinical.encounters (tenant_id, appointment_id)
  where appointment_id is not null and status not in ('cancelled', 'entered_in_error');
create unique index if not exists encounters_mlc_number_key on clinical.encounters (tenant_id, mlc_number) where mlc_number is not null;
create index if not exists encounters_patient_idx on clinical.encounters (tenant_id, patient_id);
create index if not exists encounters_clinic_idx on clinical.encounters (tenant_id, clinic_id);
create index if not exists encounters_department_idx on clinical.encounters (tenant_id, department_id);
create index if not exists encounters_present_idx on clinical.encounters (tenant_id, department_id)
  where status in ('arrived', 'triaged', 'in_progress', 'on_leave');
create index if not exists encounters_attending_doctor_idx on clinical.encounters (tenant_id, attending_doctor_id)
  where attending_doctor_id is not null;
create index if not exists encounters_appointment_idx on clinical.encounters (tenant_id, appointment_id)
  where appointment_id is not null;
create index if not exists encounters_parent_encounter_idx on clinical.encounters (tenant_id, parent_encounter_id)
  where parent_encounter_id is not null;

comment on table clinical.encounters is 'class=phi;scope=tenant;owner=clinical;fhir=Encounter;retention=medical_record;about=One contact or stay.';
comment on column clinical.encounters.encounter_number is 'class=operational;about=Number that people read, series encounter.';
comment on column clinical.encounters.patient_id is 'class=phi;about=The patient.';
comment on column clinical.encounters.clinic_id is 'class=operational;about=The clinic.';
comment on column clinical.encounters.department_id is 'class=operational;about=Department that is responsible now.';
comment on column clinical.encounters.class is 'class=operational;about=AMB outpatient, EMER emergency, IMP inpatient, OBSENC observation, HH home, VR virtual, SS short stay (day care); HL7 ActCode.';
comment on column clinical.encounters.priority is 'class=operational;about=routine, urgent or emergency.';
comment on column clinical.encounters.attending_doctor_id is 'class=operational;about=Doctor who is responsible.';
comment on column clinical.encounters.appointment_id is 'class=operational;about=The appointment that it fulfils.';
comment on column clinical.encounters.referred_by is 'class=phi;about=Who sent the patient.';
comment on column clinical.encounters.triage_level is 'class=phi;about=Triage category, 1 most urgent to 5.';
comment on column clinical.encounters.isolation is 'class=phi;about=Isolation that the patient needs: contact, droplet, airborne or protective; null for none. Asked when a bed is allocated.';
comment on column clinical.encounters.period is 'class=operational;about=From arrival to the end, start included; open while it lasts.';
comment on column clinical.encounters.chief_complaint_enc is 'class=phi;enc=1;about=Why the patient came, in their words; encrypted.';
comment on column clinical.encounters.is_mlc is 'class=phi;about=True for a medico-legal case.';
comment on column clinical.encounters.mlc_number is 'class=phi;about=Number in the medico-legal register, series mlc.';
comment on column clinical.encounters.police_intimated_at is 'class=phi;about=When the police was told.';
comment on column clinical.encounters.disposition is 'class=phi;about=How it ended: home, admitted, transferred, lama (left against advice), dama (discharged against advice), absconded, expired or other.';
comment on column clinical.encounters.parent_encounter_id is 'class=phi;about=Encounter that led to this one: the emergency visit of a stay, the mother of a newborn.';
comment on column clinical.encounters.payer_class is 'class=financial;about=Who pays: self, insurance, pmjay, corporate or free.';
comment on column clinical.encounters.status is 'class=operational;about=planned, arrived, triaged, in_progress, on_leave, finished, cancelled or entered_in_error.';
select core.comment_standard_columns('clinical.encounters');

alter table clinical.encounters enable row level security, force row level security;
drop policy if exists tenant_isolation on clinical.encounters;
create policy tenant_isolation on clinical.encounters
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger encounters_touch before update on clinical.encounters
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger encounters_transition before insert or update of status on clinical.encounters
  for each row execute function core.enforce_transition('clinical.encounters', 'status');
create or replace trigger encounters_no_aadhaar before insert or update of referred_by, mlc_number on clinical.encounters
  for each row execute function core.reject_aadhaar_like('referred_by', 'mlc_number');
select audit.track('clinical.encounters');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('clinical.encounters', '', 'planned', false, null),
  ('clinical.encounters', 'planned', 'arrived', false, null),
  ('clinical.encounters', 'planned', 'cancelled', true, null),
  ('clinical.encounters', 'arrived', 'triaged', false, null),
  ('clinical.encounters', 'arrived', 'in_progress', false, 'encounter.started.v1'),
  ('clinical.encounters', 'arrived', 'cancelled', true, null),
  ('clinical.encounters', 'triaged', 'in_progress', false, 'encounter.started.v1'),
  ('clinical.encounters', 'triaged', 'cancelled', true, null),
  ('clinical.encounters', 'in_progress', 'on_leave', false, null),
  ('clinical.encounters', 'in_progress', 'finished', false, 'encounter.finished.v1'),
  ('clinical.encounters', 'on_leave', 'in_progress', false, null),
  ('clinical.encounters', 'on_leave', 'finished', false, 'encounter.finished.v1'),
  ('clinical.encounters', 'finished', 'entered_in_error', true, null)
on conflict (machine, from_state, to_state) do nothing;

-- status, period and the rest of the course belong to the operations
grant select, insert on clinical.encounters to clinical_app;
grant update (
  department_id, attending_doctor_id, priority, referred_by, isolation, chief_complaint_enc, police_intimated_at,
  payer_class, row_version
) on clinical.encounters to clinical_app;
grant select on clinical.encounters to clinical_ro;

-- An inpatient stay from the request to the moment that the patient leaves the building, with its clearances. Discharge
-- has four steps: ordered, clinically complete, billing cleared, physically gone; the bed is freed by the last one only.
-- Modules whose work must be done before (blood, medicines, money) refuse a step by a trigger of their own (IM203).
create table if not exists clinical.admissions (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  encounter_id uuid not null,
  admission_number text not null,
  admission_type text not null,
  requested_at timestamptz not null default now(),
  admitted_at timestamptz,
  expected_discharge_on date,
  care_class text not null,
  admitting_doctor_id uuid not null,
  discharge_ordered_at timestamptz,
  discharge_ordered_by uuid,
  pharmacy_cleared_at timestamptz,
  pharmacy_waiver_reason text,
  billing_cleared_at timestamptz,
  billing_waiver_reason text,
  physically_left_at timestamptz,
  discharge_kind text,
  status text not null default 'requested',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint admissions_pkey primary key (tenant_id, id),
  constraint admissions_admission_number_key unique (tenant_id, admission_number),
  constraint admissions_encounter_key unique (tenant_id, encounter_id),
  constraint admissions_admission_type_check check (
    admission_type in ('elective', 'emergency', 'transfer', 'newborn', 'day_care')
  ),
  constraint admissions_discharge_kind_check check (
    discharge_kind in ('normal', 'lama', 'dama', 'transfer', 'death', 'absconded')
  ),
  constraint admissions_status_check check (
    status in ('requested', 'admitted', 'cancelled', 'discharge_ordered', 'clinically_discharged', 'billing_cleared', 'discharged')
  ),
  constraint admissions_care_class_check check (
    care_class in (
      'general', 'semi_private', 'private', 'deluxe', 'icu', 'hdu', 'nicu', 'picu', 'isolation', 'day_care'
    )
  ),
  constraint admissions_admitted_has_time check (status in ('requested', 'cancelled') or admitted_at is not null),
  constraint admissions_discharge_has_order check (
    status not in ('discharge_ordered', 'clinically_discharged', 'billing_cleared', 'discharged')
    or (discharge_ordered_at is not null and discharge_ordered_by is not null and discharge_kind is not null)
  ),
  constraint admissions_discharged_was_cleared check (
    status <> 'discharged'
    or (pharmacy_cleared_at is not null and billing_cleared_at is not null and physically_left_at is not null)
  ),
  constraint admissions_left_after_admission check (physically_left_at >= admitted_at),
  constraint admissions_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint admissions_encounter_fkey
    foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id)
);

create index if not exists admissions_in_house_idx on clinical.admissions (tenant_id, admitted_at)
  where status in ('admitted', 'discharge_ordered', 'clinically_discharged', 'billing_cleared');
create index if not exists admissions_admitting_doctor_idx on clinical.admissions (tenant_id, admitting_doctor_id);
create index if not exists admissions_discharge_ordered_by_idx on clinical.admissions (tenant_id, discharge_ordered_by)
  where discharge_ordered_by is not null;

comment on table clinical.admissions is 'class=phi;scope=tenant;owner=clinical;fhir=Encounter.hospitalization;retention=medical_record;about=Inpatient life cycle with its clearances.';
comment on column clinical.admissions.encounter_id is 'class=phi;about=The stay.';
comment on column clinical.admissions.admission_number is 'class=operational;about=Number that people read, series admission.';
comment on column clinical.admissions.admission_type is 'class=operational;about=elective, emergency, transfer, newborn or day_care.';
comment on column clinical.admissions.requested_at is 'class=operational;about=When admission was asked for.';
comment on column clinical.admissions.admitted_at is 'class=operational;about=When the patient was admitted.';
comment on column clinical.admissions.expected_discharge_on is 'class=operational;about=Day on which discharge is expected.';
comment on column clinical.admissions.care_class is 'class=operational;about=Class of room that the patient is entitled to: general, semi_private, private, deluxe, icu, hdu, nicu, picu, isolation or day_care.';
comment on column clinical.admissions.admitting_doctor_id is 'class=operational;about=Doctor who admits.';
comment on column clinical.admissions.discharge_ordered_at is 'class=operational;about=When discharge was ordered.';
comment on column clinical.admissions.discharge_ordered_by is 'class=operational;about=Member of staff who ordered it.';
comment on column clinical.admissions.pharmacy_cleared_at is 'class=operational;about=When the pharmacy had nothing open any more.';
comment on column clinical.admissions.pharmacy_waiver_reason is 'class=phi;about=Why its clearance was waived.';
comment on column clinical.admissions.billing_cleared_at is 'class=financial;about=When the bill was settled or waived.';
comment on column clinical.admissions.billing_waiver_reason is 'class=financial;about=Why its clearance was waived, as for a patient who absconded.';
comment on column clinical.admissions.physically_left_at is 'class=operational;about=When the patient left the building; the bed is free from then on.';
comment on column clinical.admissions.discharge_kind is 'class=phi;about=normal, lama (left against advice), dama (discharged against advice), transfer, death or absconded.';
comment on column clinical.admissions.status is 'class=operational;about=requested, admitted, discharge_ordered, clinically_discharged, billing_cleared, discharged or cancelled.';
select core.comment_standard_columns('clinical.admissions');

alter table clinical.admissions enable row level security, force row level security;
drop policy if exists tenant_isolation on clinical.admissions;
create policy tenant_isolation on clinical.admissions
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger admissions_touch before update on clinical.admissions
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger admissions_transition before insert or update of status on clinical.admissions
  for each row execute function core.enforce_transition('clinical.admissions', 'status');
select audit.track('clinical.admissions');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('clinical.admissions', '', 'requested', false, null),
  ('clinical.admissions', 'requested', 'admitted', false, 'admission.admitted.v1'),
  ('clinical.admissions', 'requested', 'cancelled', true, null),
  ('clinical.admissions', 'admitted', 'discharge_ordered', false, null),
  ('clinical.admissions', 'discharge_ordered', 'clinically_discharged', false, null),
  ('clinical.admissions', 'discharge_ordered', 'admitted', true, null),
  ('clinical.admissions', 'clinically_discharged', 'billing_cleared', false, null),
  ('clinical.admissions', 'clinically_discharged', 'admitted', true, null),
  ('clinical.admissions', 'billing_cleared', 'admitted', true, null),
  ('clinical.admissions', 'billing_cleared', 'discharged', false, 'admission.discharged.v1')
on conflict (machine, from_state, to_state) do nothing;

-- status, times and clearances belong to the operations
grant select, insert on clinical.admissions to clinical_app;
grant update (expected_discharge_on, care_class, admitting_doctor_id, row_version) on clinical.admissions to clinical_app;
grant select on clinical.admissions to clinical_ro;

-- Who treats this patient, in which role, from when to when: the basis of access by treatment relationship.
create table if not exists clinical.care_team_members (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  encounter_id uuid not null,
  staff_id uuid not null,
  role text not null,
  period tstzrange not null default tstzrange(now(), null),
  added_by uuid default core.current_user_id(),
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint care_team_members_pkey primary key (tenant_id, id),
  constraint care_team_members_once_at_a_time exclude using gist (
    tenant_id with =, encounter_id with =, staff_id with =, role with =, period with &&
  ),
  constraint care_team_members_period_has_start check (lower(period) is not null and not isempty(period)),
  constraint care_team_members_role_check check (
    role in ('attending', 'consultant', 'resident', 'nurse', 'anaesthetist', 'therapist', 'dietician', 'social_worker')
  ),
  constraint care_team_members_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint care_team_members_encounter_fkey
    foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id)
);

create index if not exists care_team_members_encounter_idx on clinical.care_team_members (tenant_id, encounter_id);
create index if not exists care_team_members_staff_idx on clinical.care_team_members (tenant_id, staff_id);
create index if not exists care_team_members_current_idx on clinical.care_team_members (tenant_id, staff_id) where upper_inf(period);

comment on table clinical.care_team_members is 'class=phi;scope=tenant;owner=clinical;fhir=CareTeam;retention=medical_record;about=Who treats this patient now; the basis of treatment-relationship access.';
comment on column clinical.care_team_members.encounter_id is 'class=phi;about=The encounter.';
comment on column clinical.care_team_members.staff_id is 'class=operational;about=Member of staff.';
comment on column clinical.care_team_members.role is 'class=operational;about=attending, consultant, resident, nurse, anaesthetist, therapist, dietician or social_worker.';
comment on column clinical.care_team_members.period is 'class=operational;about=From when to when; open while they treat the patient.';
comment on column clinical.care_team_members.added_by is 'class=operational;about=User who added them.';
select core.comment_standard_columns('clinical.care_team_members');

alter table clinical.care_team_members enable row level security, force row level security;
drop policy if exists tenant_isolation on clinical.care_team_members;
create policy tenant_isolation on clinical.care_team_members
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger care_team_members_touch before update on clinical.care_team_members
  for each row execute function core.update_updated_at_column('row_version');
select audit.track('clinical.care_team_members');

grant select on clinical.care_team_members to clinical_app;
grant select on clinical.care_team_members to clinical_ro;

-- Problems, diagnoses, history and family history. A stay has at most one principal final diagnosis (rank 1).
create table if not exists clinical.conditions (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  patient_id uuid not null,
  encounter_id uuid,
  category text not null,
  code_system text not null,
  code text not null,
  display text not null,
  icd10 text,
  icd11 text,
  rank smallint,
  onset_on date,
  abatement_on date,
  clinical_status text,
  verification_status text not null default 'unconfirmed',
  relationship text,
  note_enc bytea,
  asserted_by uuid not null,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint conditions_pkey primary key (tenant_id, id),
  constraint conditions_category_check check (
    category in ('problem', 'encounter_diagnosis', 'provisional', 'differential', 'final', 'past_history', 'family_history', 'social_history')
  ),
  constraint conditions_clinical_status_check check (
    clinical_status in ('active', 'recurrence', 'relapse', 'inactive', 'remission', 'resolved')
  ),
  constraint conditions_verification_status_check check (
    verification_status in ('unconfirmed', 'provisional', 'differential', 'confirmed', 'refuted', 'entered_in_error')
  ),
  constraint conditions_icd10_valid check (core.valid_icd10(icd10)),
  constraint conditions_snomed_code_valid check (code_system <> 'http://snomed.info/sct' or core.valid_sctid(code)),
  constraint conditions_family_history_names_relative check (category <> 'family_history' or relationship is not null),
  constraint conditions_ends_after_onset check (abatement_on >= onset_on),
  constraint conditions_rank_positive check (rank > 0),
  constraint conditions_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint conditions_patient_fkey
    foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id),
  constraint conditions_encounter_fkey
    foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id)
);

create unique index if not exists conditions_one_principal_diagnosis on clinical.conditions (tenant_id, encounter_id)
  where category = 'final' and rank = 1 and verification_status not in ('refuted', 'entered_in_error') and deleted_at is null;
create index if not exists conditions_patient_idx on clinical.conditions (tenant_id, patient_id);
create index if not exists conditions_encounter_idx on clinical.conditions (tenant_id, encounter_id)
  where encounter_id is not null;
create index if not exists conditions_asserted_by_idx on clinical.conditions (tenant_id, asserted_by);

comment on table clinical.conditions is 'class=phi;scope=tenant;owner=clinical;fhir=Condition,FamilyMemberHistory;retention=medical_record;about=Problems, diagnoses, history and family history.';
comment on column clinical.conditions.patient_id is 'class=phi;about=The patient.';
comment on column clinical.conditions.encounter_id is 'class=phi;about=Encounter in which it was stated.';
comment on column clinical.conditions.category is 'class=phi;about=problem, encounter_diagnosis, provisional, differential, final, past_history, family_history or social_history.';
comment on column clinical.conditions.code_system is 'class=phi;about=Code system of the code, as a URL.';
comment on column clinical.conditions.code is 'class=phi;about=Code of the condition.';
comment on column clinical.conditions.display is 'class=phi;about=The condition in words.';
comment on column clinical.conditions.icd10 is 'class=phi;about=ICD-10 code, such as I21.0.';
comment on column clinical.conditions.icd11 is 'class=phi;about=ICD-11 code.';
comment on column clinical.conditions.rank is 'class=phi;about=Order among the diagnoses of an encounter; 1 is the principal one.';
comment on column clinical.conditions.onset_on is 'class=phi;about=When it began.';
comment on column clinical.conditions.abatement_on is 'class=phi;about=When it ended.';
comment on column clinical.conditions.clinical_status is 'class=phi;about=active, recurrence, relapse, inactive, remission or resolved.';
comment on column clinical.conditions.verification_status is 'class=phi;about=unconfirmed, provisional, differential, confirmed, refuted or entered_in_error.';
comment on column clinical.conditions.relationship is 'class=phi;about=Of family history: which relative.';
comment on column clinical.conditions.note_enc is 'class=phi;enc=1;about=Remarks; encrypted.';
comment on column clinical.conditions.asserted_by is 'class=operational;about=Member of staff who stated it.';
select core.comment_standard_columns('clinical.conditions');

alter table clinical.conditions enable row level security, force row level security;
drop policy if exists tenant_isolation on clinical.conditions;
create policy tenant_isolation on clinical.conditions
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger conditions_touch before update on clinical.conditions
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger conditions_transition before insert or update of verification_status on clinical.conditions
  for each row execute function core.enforce_transition('clinical.conditions', 'verification_status');
create or replace trigger conditions_no_aadhaar before insert or update of display, relationship on clinical.conditions
  for each row execute function core.reject_aadhaar_like('display', 'relationship');
create or replace trigger conditions_patient_of_encounter before insert or update of patient_id, encounter_id on clinical.conditions
  for each row when (new.encounter_id is not null) execute function clinical.check_patient_of_encounter();
select audit.track('clinical.conditions');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('clinical.conditions', '', 'unconfirmed', false, null),
  ('clinical.conditions', 'unconfirmed', 'provisional', false, null),
  ('clinical.conditions', 'unconfirmed', 'differential', false, null),
  ('clinical.conditions', 'unconfirmed', 'confirmed', false, null),
  ('clinical.conditions', 'unconfirmed', 'refuted', false, null),
  ('clinical.conditions', 'provisional', 'confirmed', false, null),
  ('clinical.conditions', 'provisional', 'refuted', false, null),
  ('clinical.conditions', 'provisional', 'differential', false, null),
  ('clinical.conditions', 'differential', 'confirmed', false, null),
  ('clinical.conditions', 'differential', 'refuted', false, null),
  ('clinical.conditions', 'confirmed', 'refuted', true, null),
  ('clinical.conditions', 'confirmed', 'entered_in_error', true, null),
  ('clinical.conditions', 'differential', 'entered_in_error', true, null),
  ('clinical.conditions', 'provisional', 'entered_in_error', true, null),
  ('clinical.conditions', 'unconfirmed', 'entered_in_error', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on clinical.conditions to clinical_app;
grant select on clinical.conditions to clinical_ro;

-- Allergies and intolerances. "None known" is a statement with a row of its own, never the absence of rows: an allergy
-- ends that row, and while one is active it cannot be stated.
create table if not exists clinical.allergies (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  patient_id uuid not null,
  encounter_id uuid,
  kind text not null,
  category text,
  code_system text,
  code text,
  display text not null,
  criticality text,
  reactions jsonb not null default '[]',
  onset_on date,
  clinical_status text not null default 'active',
  verification_status text not null default 'unconfirmed',
  recorded_by uuid not null,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint allergies_pkey primary key (tenant_id, id),
  constraint allergies_kind_check check (kind in ('allergy', 'intolerance', 'none_known')),
  constraint allergies_category_check check (category in ('medication', 'food', 'environment', 'biologic')),
  constraint allergies_criticality_check check (criticality in ('low', 'high', 'unable_to_assess')),
  constraint allergies_clinical_status_check check (clinical_status in ('active', 'inactive', 'resolved')),
  constraint allergies_verification_status_check check (
    verification_status in ('unconfirmed', 'confirmed', 'refuted', 'entered_in_error')
  ),
  constraint allergies_names_substance check (kind = 'none_known' or (code is not null and category is not null)),
  constraint allergies_none_known_names_nothing check (kind <> 'none_known' or code is null),
  constraint allergies_reactions_is_list check (jsonb_typeof(reactions) = 'array'),
  constraint allergies_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint allergies_patient_fkey
    foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id),
  constraint allergies_encounter_fkey
    foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id)
);

create unique index if not exists allergies_one_none_known on clinical.allergies (tenant_id, patient_id)
  where kind = 'none_known' and clinical_status = 'active' and deleted_at is null;
create unique index if not exists allergies_one_active_per_substance
  on clinical.allergies (tenant_id, patient_id, code_system, code) nulls not distinct
  where kind <> 'none_known' and clinical_status = 'active'
    and verification_status not in ('refuted', 'entered_in_error') and deleted_at is null;
create index if not exists allergies_patient_idx on clinical.allergies (tenant_id, patient_id);
create index if not exists allergies_encounter_idx on clinical.allergies (tenant_id, encounter_id)
  where encounter_id is not null;
create index if not exists allergies_recorded_by_idx on clinical.allergies (tenant_id, recorded_by);

comment on table clinical.allergies is 'class=phi;scope=tenant;owner=clinical;fhir=AllergyIntolerance;retention=medical_record;about=Allergies and intolerances; empty must be stated, not assumed.';
comment on column clinical.allergies.patient_id is 'class=phi;about=The patient.';
comment on column clinical.allergies.encounter_id is 'class=phi;about=Encounter in which it was stated.';
comment on column clinical.allergies.kind is 'class=phi;about=allergy, intolerance or none_known.';
comment on column clinical.allergies.category is 'class=phi;about=medication, food, environment or biologic.';
comment on column clinical.allergies.code_system is 'class=phi;about=Code system of the code, as a URL.';
comment on column clinical.allergies.code is 'class=phi;about=Code of the substance.';
comment on column clinical.allergies.display is 'class=phi;about=The substance in words.';
comment on column clinical.allergies.criticality is 'class=phi;about=low, high or unable_to_assess: what a reaction would do.';
comment on column clinical.allergies.reactions is 'class=phi;about=List of reactions: {manifestation, severity, on}.';
comment on column clinical.allergies.onset_on is 'class=phi;about=When it was first seen.';
comment on column clinical.allergies.clinical_status is 'class=phi;about=active, inactive or resolved.';
comment on column clinical.allergies.verification_status is 'class=phi;about=unconfirmed, confirmed, refuted or entered_in_error.';
comment on column clinical.allergies.recorded_by is 'class=operational;about=Member of staff who recorded it.';
select core.comment_standard_columns('clinical.allergies');

alter table clinical.allergies enable row level security, force row level security;
drop policy if exists tenant_isolation on clinical.allergies;
create policy tenant_isolation on clinical.allergies
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger allergies_touch before update on clinical.allergies
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger allergies_no_aadhaar before insert or update of display on clinical.allergies
  for each row execute function core.reject_aadhaar_like('display');
create or replace trigger allergies_none_known before insert or update on clinical.allergies
  for each row execute function clinical.check_none_known();
create or replace trigger allergies_patient_of_encounter before insert or update of patient_id, encounter_id on clinical.allergies
  for each row when (new.encounter_id is not null) execute function clinical.check_patient_of_encounter();
select audit.track('clinical.allergies');

grant select, insert, update on clinical.allergies to clinical_app;
grant select on clinical.allergies to clinical_ro;

-- One set of vital signs, in typed columns for fast charts. The early-warning score NEWS2 is computed by a trigger when
-- all of its parts are there and the patient is 16 or older. Append-only: a correction is a new row that names the old.
create table if not exists clinical.vital_signs (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  measured_at timestamptz not null,
  patient_id uuid not null,
  encounter_id uuid,
  temperature_c numeric(4, 1),
  pulse smallint,
  resp_rate smallint,
  systolic smallint,
  diastolic smallint,
  spo2 smallint,
  spo2_scale smallint not null default 1,
  on_oxygen boolean,
  weight_kg numeric(6, 2),
  height_cm numeric(5, 1),
  bmi numeric(5, 2) generated always as (patient.calculate_bmi(weight_kg, height_cm)) stored,
  pain_score smallint,
  consciousness text,
  news2 smallint,
  glucose_mg_dl numeric(6, 1),
  device_id uuid,
  recorded_by uuid not null,
  replaces_id uuid,
  is_error boolean not null default false,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint vital_signs_pkey primary key (tenant_id, id, measured_at),
  constraint vital_signs_of_patient_in_order unique (tenant_id, patient_id, measured_at, id),
  constraint vital_signs_consciousness_check check (consciousness in ('A', 'C', 'V', 'P', 'U')),
  constraint vital_signs_temperature_20_to_46 check (temperature_c between 20 and 46),
  constraint vital_signs_pulse_0_to_350 check (pulse between 0 and 350),
  constraint vital_signs_breaths_0_to_120 check (resp_rate between 0 and 120),
  constraint vital_signs_systolic_20_to_320 check (systolic between 20 and 320),
  constraint vital_signs_diastolic_below_systolic check (diastolic between 10 and 220 and diastolic < systolic),
  constraint vital_signs_spo2_0_to_100 check (spo2 between 0 and 100),
  constraint vital_signs_spo2_scale_1_or_2 check (spo2_scale in (1, 2)),
  constraint vital_signs_height_20_to_260 check (height_cm between 20 and 260),
  constraint vital_signs_weight_to_500 check (weight_kg between 0.2 and 500),
  constraint vital_signs_pain_0_to_10 check (pain_score between 0 and 10),
  constraint vital_signs_news2_0_to_20 check (news2 between 0 and 20),
  constraint vital_signs_error_names_row check (not is_error or replaces_id is not null),
  constraint vital_signs_measures_something check (
    is_error or num_nonnulls(
      temperature_c, pulse, resp_rate, systolic, spo2, weight_kg, height_cm, pain_score, consciousness, glucose_mg_dl
    ) > 0
  ),
  constraint vital_signs_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint vital_signs_patient_fkey
    foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id),
  constraint vital_signs_encounter_fkey
    foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id)
) partition by range (measured_at);

create table if not exists clinical.vital_signs_default partition of clinical.vital_signs default;

create index if not exists vital_signs_encounter_idx on clinical.vital_signs (tenant_id, encounter_id)
  where encounter_id is not null;
create index if not exists vital_signs_device_idx on clinical.vital_signs (tenant_id, device_id)
  where device_id is not null;
create index if not exists vital_signs_replaces_idx on clinical.vital_signs (tenant_id, replaces_id)
  where replaces_id is not null;
create index if not exists vital_signs_recorded_by_idx on clinical.vital_signs (tenant_id, recorded_by);

comment on table clinical.vital_signs is 'class=phi;scope=tenant;owner=clinical;fhir=Observation (vital-signs);retention=medical_record;append_only=1;partition=month;about=One set of vitals, typed for fast charts and early-warning scores.';
comment on column clinical.vital_signs.measured_at is 'class=operational;about=When it was measured.';
comment on column clinical.vital_signs.patient_id is 'class=phi;about=The patient.';
comment on column clinical.vital_signs.encounter_id is 'class=phi;about=The encounter.';
comment on column clinical.vital_signs.temperature_c is 'class=phi;about=Body temperature in degrees Celsius.';
comment on column clinical.vital_signs.pulse is 'class=phi;about=Pulse in beats a minute.';
comment on column clinical.vital_signs.resp_rate is 'class=phi;about=Breaths a minute.';
comment on column clinical.vital_signs.systolic is 'class=phi;about=Systolic blood pressure in mmHg.';
comment on column clinical.vital_signs.diastolic is 'class=phi;about=Diastolic blood pressure in mmHg.';
comment on column clinical.vital_signs.spo2 is 'class=phi;about=Oxygen saturation in percent.';
comment on column clinical.vital_signs.spo2_scale is 'class=phi;about=SpO2 scale of NEWS2: 1, or 2 for hypercapnic failure with a target of 88 to 92 percent.';
comment on column clinical.vital_signs.on_oxygen is 'class=phi;about=True when the patient gets oxygen.';
comment on column clinical.vital_signs.weight_kg is 'class=phi;about=Weight in kilograms.';
comment on column clinical.vital_signs.height_cm is 'class=phi;about=Height in centimetres.';
comment on column clinical.vital_signs.bmi is 'class=phi;about=Body mass index, computed.';
comment on column clinical.vital_signs.pain_score is 'class=phi;about=Pain from 0 to 10.';
comment on column clinical.vital_signs.consciousness is 'class=phi;about=A alert, C new confusion, V voice, P pain, U unresponsive.';
comment on column clinical.vital_signs.news2 is 'class=phi;about=National Early Warning Score 2, 0 to 20; null when a part of it is missing.';
comment on column clinical.vital_signs.glucose_mg_dl is 'class=phi;about=Blood glucose in mg/dL.';
comment on column clinical.vital_signs.device_id is 'class=operational;about=Device that measured.';
comment on column clinical.vital_signs.recorded_by is 'class=operational;about=Member of staff who recorded it.';
comment on column clinical.vital_signs.replaces_id is 'class=phi;about=The row that this one corrects.';
comment on column clinical.vital_signs.is_error is 'class=phi;about=True when the replaced row should not exist: nothing was measured.';
select core.comment_standard_columns('clinical.vital_signs');

alter table clinical.vital_signs enable row level security, force row level security;
drop policy if exists tenant_isolation on clinical.vital_signs;
create policy tenant_isolation on clinical.vital_signs
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
alter table clinical.vital_signs_default enable row level security, force row level security;
drop policy if exists tenant_isolation on clinical.vital_signs_default;
create policy tenant_isolation on clinical.vital_signs_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger vital_signs_append_only before update or delete on clinical.vital_signs
  for each row execute function core.refuse_change();
create or replace trigger vital_signs_no_truncate before truncate on clinical.vital_signs
  for each statement execute function core.refuse_change();
create or replace trigger vital_signs_default_no_truncate before truncate on clinical.vital_signs_default
  for each statement execute function core.refuse_change();
create or replace trigger vital_signs_score before insert on clinical.vital_signs
  for each row execute function clinical.score_vital_signs();
select audit.track('clinical.vital_signs');

grant select, insert on clinical.vital_signs to clinical_app;
grant select on clinical.vital_signs to clinical_ro;

-- Any other coded observation: examination, scores, fluid balance, social history. A final one is never changed: its
-- correction is a new row that names it, and it becomes amended.
create table if not exists clinical.observations (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  effective_at timestamptz not null,
  patient_id uuid not null,
  encounter_id uuid,
  category text not null,
  code_system text not null,
  code text not null,
  display text not null,
  value_num numeric,
  unit_ucum text,
  value_code text,
  value_text_enc bytea,
  value_bool boolean,
  interpretation text,
  body_site text,
  method text,
  parent_id uuid,
  replaces_id uuid,
  performer_id uuid not null,
  status text not null default 'preliminary',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint observations_pkey primary key (tenant_id, id, effective_at),
  constraint observations_category_check check (
    category in ('exam', 'survey', 'social_history', 'fluid_balance', 'activity', 'wellness', 'other')
  ),
  constraint observations_status_check check (
    status in ('preliminary', 'final', 'cancelled', 'amended', 'entered_in_error')
  ),
  constraint observations_one_value check (num_nonnulls(value_num, value_code, value_text_enc, value_bool) <= 1),
  constraint observations_number_has_unit check (value_num is null or unit_ucum is not null),
  constraint observations_loinc_code_valid check (code_system <> 'http://loinc.org' or core.valid_loinc(code)),
  constraint observations_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint observations_patient_fkey
    foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id),
  constraint observations_encounter_fkey
    foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id)
) partition by range (effective_at);

create table if not exists clinical.observations_default partition of clinical.observations default;

create index if not exists observations_patient_idx on clinical.observations (tenant_id, patient_id, effective_at);
create index if not exists observations_encounter_idx on clinical.observations (tenant_id, encounter_id)
  where encounter_id is not null;
create index if not exists observations_performer_idx on clinical.observations (tenant_id, performer_id);

comment on table clinical.observations is 'class=phi;scope=tenant;owner=clinical;fhir=Observation;retention=medical_record;partition=month;about=Any other coded observation (examination, scores, intake/output, social history).';
comment on column clinical.observations.effective_at is 'class=operational;about=When it was observed.';
comment on column clinical.observations.patient_id is 'class=phi;about=The patient.';
comment on column clinical.observations.encounter_id is 'class=phi;about=The encounter.';
comment on column clinical.observations.category is 'class=phi;about=exam, survey, social_history, fluid_balance, activity, wellness or other.';
comment on column clinical.observations.code_system is 'class=phi;about=Code system of the code, as a URL.';
comment on column clinical.observations.code is 'class=phi;about=Code of what was observed.';
comment on column clinical.observations.display is 'class=phi;about=What was observed, in words.';
comment on column clinical.observations.value_num is 'class=phi;about=Value as a number.';
comment on column clinical.observations.unit_ucum is 'class=phi;about=Unit of the number (UCUM).';
comment on column clinical.observations.value_code is 'class=phi;about=Value as a code.';
comment on column clinical.observations.value_text_enc is 'class=phi;enc=1;about=Value as text; encrypted.';
comment on column clinical.observations.value_bool is 'class=phi;about=Value as yes or no.';
comment on column clinical.observations.interpretation is 'class=phi;about=Interpretation: H, L, N, A or another HL7 code.';
comment on column clinical.observations.body_site is 'class=phi;about=Where on the body.';
comment on column clinical.observations.method is 'class=phi;about=How it was observed.';
comment on column clinical.observations.parent_id is 'class=phi;about=Observation that this one is a part of.';
comment on column clinical.observations.replaces_id is 'class=phi;about=The row that this one corrects.';
comment on column clinical.observations.performer_id is 'class=operational;about=Member of staff who observed it.';
comment on column clinical.observations.status is 'class=operational;about=preliminary, final, amended, cancelled or entered_in_error.';
select core.comment_standard_columns('clinical.observations');

alter table clinical.observations enable row level security, force row level security;
drop policy if exists tenant_isolation on clinical.observations;
create policy tenant_isolation on clinical.observations
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
alter table clinical.observations_default enable row level security, force row level security;
drop policy if exists tenant_isolation on clinical.observations_default;
create policy tenant_isolation on clinical.observations_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger observations_touch before update on clinical.observations
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger observations_transition before insert or update of status on clinical.observations
  for each row execute function core.enforce_transition('clinical.observations', 'status');
create or replace trigger observations_unchanged_once_final before update on clinical.observations
  for each row when (old.status <> 'preliminary') execute function clinical.keep_content('');
create or replace trigger observations_no_aadhaar before insert on clinical.observations
  for each row execute function core.reject_aadhaar_like('display', 'value_code', 'body_site', 'method');
select audit.track('clinical.observations');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('clinical.observations', '', 'preliminary', false, null),
  ('clinical.observations', 'preliminary', 'final', false, null),
  ('clinical.observations', 'preliminary', 'cancelled', true, null),
  ('clinical.observations', 'final', 'amended', true, null),
  ('clinical.observations', 'final', 'entered_in_error', true, null),
  ('clinical.observations', 'amended', 'entered_in_error', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert on clinical.observations to clinical_app;
grant select on clinical.observations to clinical_ro;

-- Instruments that are filled in: initial assessment, Morse, Braden, GCS, triage, wellness forms. The instruments of the
-- setting clinical.scored_instruments cannot be completed without a score.
create table if not exists clinical.clinical_assessments (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  patient_id uuid not null,
  encounter_id uuid not null,
  template_id uuid,
  instrument text not null,
  instrument_version text not null default '1',
  answers jsonb not null default '{}',
  score numeric,
  risk_level text,
  assessed_at timestamptz not null default now(),
  due_at timestamptz,
  assessor_id uuid not null,
  status text not null default 'in_progress',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint clinical_assessments_pkey primary key (tenant_id, id),
  constraint clinical_assessments_risk_level_check check (risk_level in ('none', 'low', 'medium', 'high')),
  constraint clinical_assessments_status_check check (
    status in ('in_progress', 'completed', 'cancelled', 'amended', 'entered_in_error')
  ),
  constraint clinical_assessments_answers_is_object check (jsonb_typeof(answers) = 'object'),
  constraint clinical_assessments_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint clinical_assessments_patient_fkey
    foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id),
  constraint clinical_assessments_encounter_fkey
    foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id)
);

create index if not exists clinical_assessments_due_idx on clinical.clinical_assessments (tenant_id, due_at)
  where status = 'in_progress';
create index if not exists clinical_assessments_patient_idx on clinical.clinical_assessments (tenant_id, patient_id);
create index if not exists clinical_assessments_encounter_idx on clinical.clinical_assessments (tenant_id, encounter_id);
create index if not exists clinical_assessments_template_idx on clinical.clinical_assessments (template_id, tenant_id)
  where template_id is not null;
comment on index clinical.clinical_assessments_template_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index if not exists clinical_assessments_assessor_idx on clinical.clinical_assessments (tenant_id, assessor_id);

comment on table clinical.clinical_assessments is 'class=phi;scope=tenant;owner=clinical;fhir=QuestionnaireResponse;retention=medical_record;about=Scored instruments (initial assessment, Morse, Braden, GCS, triage, wellness forms).';
comment on column clinical.clinical_assessments.patient_id is 'class=phi;about=The patient.';
comment on column clinical.clinical_assessments.encounter_id is 'class=phi;about=The encounter.';
comment on column clinical.clinical_assessments.template_id is 'class=operational;about=Template of the form.';
comment on column clinical.clinical_assessments.instrument is 'class=phi;about=Code of the instrument, such as morse, braden, gcs.';
comment on column clinical.clinical_assessments.instrument_version is 'class=operational;about=Version of the instrument.';
comment on column clinical.clinical_assessments.answers is 'class=phi;about=Answers by question.';
comment on column clinical.clinical_assessments.score is 'class=phi;about=Total score.';
comment on column clinical.clinical_assessments.risk_level is 'class=phi;about=none, low, medium or high.';
comment on column clinical.clinical_assessments.assessed_at is 'class=operational;about=When it was filled in.';
comment on column clinical.clinical_assessments.due_at is 'class=operational;about=When it must be done.';
comment on column clinical.clinical_assessments.assessor_id is 'class=operational;about=Member of staff who filled it in.';
comment on column clinical.clinical_assessments.status is 'class=operational;about=in_progress, completed, amended, cancelled or entered_in_error.';
select core.comment_standard_columns('clinical.clinical_assessments');

alter table clinical.clinical_assessments enable row level security, force row level security;
drop policy if exists tenant_isolation on clinical.clinical_assessments;
create policy tenant_isolation on clinical.clinical_assessments
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger clinical_assessments_touch before update on clinical.clinical_assessments
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger clinical_assessments_transition before insert or update of status on clinical.clinical_assessments
  for each row execute function core.enforce_transition('clinical.clinical_assessments', 'status');
create or replace trigger clinical_assessments_scored before insert or update on clinical.clinical_assessments
  for each row when (new.status = 'completed' and new.score is null)
  execute function clinical.check_assessment_score();
create or replace trigger clinical_assessments_unchanged_once_completed before update on clinical.clinical_assessments
  for each row when (old.status <> 'in_progress') execute function clinical.keep_content('');
create or replace trigger clinical_assessments_patient_of_encounter
  before insert or update of patient_id, encounter_id on clinical.clinical_assessments
  for each row execute function clinical.check_patient_of_encounter();
select audit.track('clinical.clinical_assessments');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('clinical.clinical_assessments', '', 'in_progress', false, null),
  ('clinical.clinical_assessments', 'in_progress', 'completed', false, null),
  ('clinical.clinical_assessments', 'in_progress', 'cancelled', false, null),
  ('clinical.clinical_assessments', 'completed', 'amended', true, null),
  ('clinical.clinical_assessments', 'completed', 'entered_in_error', true, null),
  ('clinical.clinical_assessments', 'amended', 'entered_in_error', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on clinical.clinical_assessments to clinical_app;
grant select on clinical.clinical_assessments to clinical_ro;

-- Clinical notes: consultation, progress, nursing, operative, procedure and death notes. Once signed a note is never
-- changed by anybody; an addendum is a note of its own that names it, and signing the addendum marks it amended.
create table if not exists clinical.medical_records (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  record_number text not null,
  patient_id uuid not null,
  encounter_id uuid not null,
  type_code text not null,
  title text not null,
  content_enc bytea not null,
  content_hash bytea not null,
  sections jsonb,
  author_id uuid not null,
  signed_at timestamptz,
  signed_by uuid,
  cosigner_id uuid,
  cosigned_at timestamptz,
  amends_id uuid,
  amendment_reason text,
  confidentiality text not null default 'N',
  late_entry boolean not null default false,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint medical_records_pkey primary key (tenant_id, id),
  constraint medical_records_record_number_key unique (tenant_id, record_number),
  constraint medical_records_confidentiality_check check (confidentiality in ('N', 'R', 'V')),
  constraint medical_records_status_check check (
    status in ('draft', 'signed', 'discarded', 'amended', 'entered_in_error')
  ),
  constraint medical_records_signed_has_signature check (
    status not in ('signed', 'amended') or (signed_at is not null and signed_by is not null)
  ),
  constraint medical_records_addendum_has_reason check (amends_id is null or amendment_reason is not null),
  constraint medical_records_cosigned_by_named_senior check (cosigned_at is null or cosigner_id is not null),
  constraint medical_records_cosigner_is_another check (cosigner_id <> author_id),
  constraint medical_records_content_hash_is_sha256 check (octet_length(content_hash) = 32),
  constraint medical_records_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint medical_records_patient_fkey
    foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id),
  constraint medical_records_encounter_fkey
    foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id),
  constraint medical_records_amends_fkey
    foreign key (tenant_id, amends_id) references clinical.medical_records (tenant_id, id)
);

create index if not exists medical_records_draft_idx on clinical.medical_records (tenant_id, author_id) where status = 'draft';
create index if not exists medical_records_patient_idx on clinical.medical_records (tenant_id, patient_id);
create index if not exists medical_records_encounter_idx on clinical.medical_records (tenant_id, encounter_id);
create index if not exists medical_records_author_idx on clinical.medical_records (tenant_id, author_id);
create index if not exists medical_records_signed_by_idx on clinical.medical_records (tenant_id, signed_by)
  where signed_by is not null;
create index if not exists medical_records_cosigner_idx on clinical.medical_records (tenant_id, cosigner_id)
  where cosigner_id is not null;
create index if not exists medical_records_amends_idx on clinical.medical_records (tenant_id, amends_id)
  where amends_id is not null;

comment on table clinical.medical_records is 'class=phi;scope=tenant;owner=clinical;fhir=Composition;retention=medical_record;about=Signed clinical notes: consultation, progress, nursing, operative, procedure, death note.';
comment on column clinical.medical_records.record_number is 'class=operational;about=Number that people read, series medical_record.';
comment on column clinical.medical_records.patient_id is 'class=phi;about=The patient.';
comment on column clinical.medical_records.encounter_id is 'class=phi;about=The encounter.';
comment on column clinical.medical_records.type_code is 'class=phi;about=Kind of note, such as consultation, progress, nursing, operative, death_note, lama_form.';
comment on column clinical.medical_records.title is 'class=phi;about=Title.';
comment on column clinical.medical_records.content_enc is 'class=phi;enc=1;about=The note; encrypted.';
comment on column clinical.medical_records.content_hash is 'class=phi;about=SHA-256 of the text of the note.';
comment on column clinical.medical_records.sections is 'class=phi;about=Coded sections, where the note has some.';
comment on column clinical.medical_records.author_id is 'class=operational;about=Member of staff who wrote it.';
comment on column clinical.medical_records.signed_at is 'class=operational;about=When it was signed.';
comment on column clinical.medical_records.signed_by is 'class=operational;about=Member of staff who signed it.';
comment on column clinical.medical_records.cosigner_id is 'class=operational;about=Senior who must sign as well.';
comment on column clinical.medical_records.cosigned_at is 'class=operational;about=When the senior signed.';
comment on column clinical.medical_records.amends_id is 'class=phi;about=The note that this one amends.';
comment on column clinical.medical_records.amendment_reason is 'class=phi;about=Why.';
comment on column clinical.medical_records.confidentiality is 'class=phi;about=N normal, R restricted, V very restricted (HL7).';
comment on column clinical.medical_records.late_entry is 'class=phi;about=True when it was written after the encounter had ended.';
comment on column clinical.medical_records.status is 'class=operational;about=draft, signed, amended, discarded or entered_in_error.';
select core.comment_standard_columns('clinical.medical_records');

alter table clinical.medical_records enable row level security, force row level security;
drop policy if exists tenant_isolation on clinical.medical_records;
create policy tenant_isolation on clinical.medical_records
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger medical_records_touch before update on clinical.medical_records
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger medical_records_transition before insert or update of status on clinical.medical_records
  for each row execute function core.enforce_transition('clinical.medical_records', 'status');
create or replace trigger medical_records_unchanged_once_signed before update on clinical.medical_records
  for each row when (old.status <> 'draft') execute function clinical.keep_content('cosigned_at');
create or replace trigger medical_records_patient_of_encounter
  before insert or update of patient_id, encounter_id on clinical.medical_records
  for each row execute function clinical.check_patient_of_encounter();
create or replace trigger medical_records_no_aadhaar before insert or update of title on clinical.medical_records
  for each row execute function core.reject_aadhaar_like('title');
select audit.track('clinical.medical_records');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('clinical.medical_records', '', 'draft', false, null),
  ('clinical.medical_records', 'draft', 'signed', false, null),
  ('clinical.medical_records', 'draft', 'discarded', false, null),
  ('clinical.medical_records', 'signed', 'amended', true, null),
  ('clinical.medical_records', 'signed', 'entered_in_error', true, null)
on conflict (machine, from_state, to_state) do nothing;

-- a draft may be edited; signing and amending are operations
grant select, insert on clinical.medical_records to clinical_app;
grant update (type_code, title, content_enc, content_hash, sections, cosigner_id, confidentiality, row_version)
  on clinical.medical_records to clinical_app;
grant select on clinical.medical_records to clinical_ro;

-- Procedures and surgeries, with theatre times and the WHO surgical safety checklist: sign-in before anaesthesia, time-out
-- before incision, sign-out before the patient leaves. Surgery needs an informed consent to begin and a count to end.
create table if not exists clinical.procedures (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  procedure_number text not null,
  patient_id uuid not null,
  encounter_id uuid not null,
  service_request_id uuid,
  code_system text not null,
  code text not null,
  display text not null,
  kind text not null,
  laterality text not null default 'na',
  asa_class smallint,
  anaesthesia_type text,
  primary_surgeon_id uuid,
  anaesthetist_id uuid,
  consent_id uuid,
  sign_in_at timestamptz,
  time_out_at timestamptz,
  sign_out_at timestamptz,
  checklist jsonb,
  patient_in_at timestamptz,
  incision_at timestamptz,
  closure_at timestamptz,
  patient_out_at timestamptz,
  blood_loss_ml integer,
  complications text,
  counts_correct boolean,
  status text not null default 'preparation',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint procedures_pkey primary key (tenant_id, id),
  constraint procedures_procedure_number_key unique (tenant_id, procedure_number),
  constraint procedures_kind_check check (kind in ('surgery', 'bedside', 'diagnostic', 'therapy')),
  constraint procedures_laterality_check check (laterality in ('left', 'right', 'bilateral', 'na')),
  constraint procedures_status_check check (
    status in ('preparation', 'in_progress', 'not_done', 'completed', 'stopped', 'entered_in_error')
  ),
  constraint procedures_time_out_after_sign_in check (
    time_out_at is null or (sign_in_at is not null and time_out_at >= sign_in_at)
  ),
  constraint procedures_sign_out_after_time_out check (
    sign_out_at is null or (time_out_at is not null and sign_out_at >= time_out_at)
  ),
  constraint procedures_incision_after_time_out check (
    incision_at is null or (time_out_at is not null and incision_at >= time_out_at)
  ),
  constraint procedures_closure_after_incision check (
    closure_at is null or (incision_at is not null and closure_at >= incision_at)
  ),
  constraint procedures_surgery_has_consent check (
    kind <> 'surgery' or status in ('preparation', 'not_done') or consent_id is not null
  ),
  constraint procedures_asa_class_1_to_6 check (asa_class between 1 and 6),
  constraint procedures_completed_surgery_signed_out check (
    status <> 'completed' or kind <> 'surgery' or (sign_out_at is not null and counts_correct is not null)
  ),
  constraint procedures_blood_loss_not_negative check (blood_loss_ml >= 0),
  constraint procedures_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint procedures_patient_fkey
    foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id),
  constraint procedures_encounter_fkey
    foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id)
);

create index if not exists procedures_open_idx on clinical.procedures (tenant_id, primary_surgeon_id)
  where status in ('preparation', 'in_progress');
create index if not exists procedures_patient_idx on clinical.procedures (tenant_id, patient_id);
create index if not exists procedures_encounter_idx on clinical.procedures (tenant_id, encounter_id);
create index if not exists procedures_service_request_idx on clinical.procedures (tenant_id, service_request_id)
  where service_request_id is not null;
create index if not exists procedures_primary_surgeon_idx on clinical.procedures (tenant_id, primary_surgeon_id)
  where primary_surgeon_id is not null;
create index if not exists procedures_anaesthetist_idx on clinical.procedures (tenant_id, anaesthetist_id)
  where anaesthetist_id is not null;
create index if not exists procedures_consent_idx on clinical.procedures (tenant_id, consent_id)
  where consent_id is not null;

comment on table clinical.procedures is 'class=phi;scope=tenant;owner=clinical;fhir=Procedure;retention=medical_record;about=Procedures and surgeries, with theatre times and the WHO checklist.';
comment on column clinical.procedures.procedure_number is 'class=operational;about=Number that people read, series procedure.';
comment on column clinical.procedures.patient_id is 'class=phi;about=The patient.';
comment on column clinical.procedures.encounter_id is 'class=phi;about=The encounter.';
comment on column clinical.procedures.service_request_id is 'class=operational;about=The order that it fulfils.';
comment on column clinical.procedures.code_system is 'class=phi;about=Code system of the code, as a URL.';
comment on column clinical.procedures.code is 'class=phi;about=Code of the procedure.';
comment on column clinical.procedures.display is 'class=phi;about=The procedure in words.';
comment on column clinical.procedures.kind is 'class=phi;about=surgery, bedside, diagnostic or therapy.';
comment on column clinical.procedures.laterality is 'class=phi;about=left, right, bilateral or na.';
comment on column clinical.procedures.asa_class is 'class=phi;about=ASA physical status, 1 to 6.';
comment on column clinical.procedures.anaesthesia_type is 'class=phi;about=Kind of anaesthesia.';
comment on column clinical.procedures.primary_surgeon_id is 'class=operational;about=Doctor who operates.';
comment on column clinical.procedures.anaesthetist_id is 'class=operational;about=Doctor who gives anaesthesia.';
comment on column clinical.procedures.consent_id is 'class=phi;about=The informed consent.';
comment on column clinical.procedures.sign_in_at is 'class=operational;about=WHO checklist: sign-in, before anaesthesia.';
comment on column clinical.procedures.time_out_at is 'class=operational;about=WHO checklist: time-out, before incision.';
comment on column clinical.procedures.sign_out_at is 'class=operational;about=WHO checklist: sign-out, before the patient leaves.';
comment on column clinical.procedures.checklist is 'class=phi;about=Answers of the checklist by step: sign_in, time_out, sign_out.';
comment on column clinical.procedures.patient_in_at is 'class=operational;about=Patient in theatre.';
comment on column clinical.procedures.incision_at is 'class=operational;about=Incision.';
comment on column clinical.procedures.closure_at is 'class=operational;about=Closure.';
comment on column clinical.procedures.patient_out_at is 'class=operational;about=Patient out of theatre.';
comment on column clinical.procedures.blood_loss_ml is 'class=phi;about=Blood loss in millilitres.';
comment on column clinical.procedures.complications is 'class=phi;about=Complications.';
comment on column clinical.procedures.counts_correct is 'class=phi;about=True when swabs, needles and instruments were counted and none was missing.';
comment on column clinical.procedures.status is 'class=operational;about=preparation, in_progress, completed, stopped, not_done or entered_in_error.';
select core.comment_standard_columns('clinical.procedures');

alter table clinical.procedures enable row level security, force row level security;
drop policy if exists tenant_isolation on clinical.procedures;
create policy tenant_isolation on clinical.procedures
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger procedures_touch before update on clinical.procedures
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger procedures_transition before insert or update of status on clinical.procedures
  for each row execute function core.enforce_transition('clinical.procedures', 'status');
create or replace trigger procedures_unchanged_once_ended before update on clinical.procedures
  for each row when (old.status not in ('preparation', 'in_progress'))
  execute function clinical.keep_content('complications');
create or replace trigger procedures_patient_of_encounter before insert or update of patient_id, encounter_id on clinical.procedures
  for each row execute function clinical.check_patient_of_encounter();
create or replace trigger procedures_no_aadhaar before insert or update of display, complications on clinical.procedures
  for each row execute function core.reject_aadhaar_like('display', 'complications');
select audit.track('clinical.procedures');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('clinical.procedures', '', 'preparation', false, null),
  ('clinical.procedures', 'preparation', 'in_progress', false, null),
  ('clinical.procedures', 'preparation', 'not_done', true, null),
  ('clinical.procedures', 'in_progress', 'completed', false, null),
  ('clinical.procedures', 'in_progress', 'stopped', true, null),
  ('clinical.procedures', 'completed', 'entered_in_error', true, null)
on conflict (machine, from_state, to_state) do nothing;

-- the checklist, the theatre times and the status belong to the operations
grant select, insert on clinical.procedures to clinical_app;
grant update (
  laterality, asa_class, anaesthesia_type, primary_surgeon_id, anaesthetist_id, consent_id, blood_loss_ml, complications,
  row_version
) on clinical.procedures to clinical_app;
grant select on clinical.procedures to clinical_ro;

-- Implanted devices with batch, UDI or serial number: what a recall and an implant claim ask for. No serial number of a
-- device is in two patients.
create table if not exists clinical.implants (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  patient_id uuid not null,
  procedure_id uuid not null,
  item_id uuid not null,
  batch_id uuid,
  udi text,
  serial_number text,
  implanted_at timestamptz not null default now(),
  body_site text not null,
  sticker_document_id uuid,
  explanted_at timestamptz,
  explant_reason text,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint implants_pkey primary key (tenant_id, id),
  constraint implants_traceable check (num_nonnulls(batch_id, serial_number, udi) >= 1),
  constraint implants_explant_has_reason check (explanted_at is null or explant_reason is not null),
  constraint implants_explanted_after_implant check (explanted_at >= implanted_at),
  constraint implants_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint implants_patient_fkey
    foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id),
  constraint implants_procedure_fkey
    foreign key (tenant_id, procedure_id) references clinical.procedures (tenant_id, id)
);

create unique index if not exists implants_serial_number_key on clinical.implants (tenant_id, item_id, udi, serial_number)
  nulls not distinct where serial_number is not null;
create index if not exists implants_patient_idx on clinical.implants (tenant_id, patient_id);
create index if not exists implants_procedure_idx on clinical.implants (tenant_id, procedure_id);
create index if not exists implants_item_idx on clinical.implants (tenant_id, item_id);
create index if not exists implants_batch_idx on clinical.implants (tenant_id, batch_id)
  where batch_id is not null;
create index if not exists implants_sticker_document_idx on clinical.implants (tenant_id, sticker_document_id)
  where sticker_document_id is not null;

comment on table clinical.implants is 'class=phi;scope=tenant;owner=clinical;fhir=Device;retention=medical_record;about=Implanted devices with UDI and batch; recall and PM-JAY implant evidence.';
comment on column clinical.implants.patient_id is 'class=phi;about=The patient.';
comment on column clinical.implants.procedure_id is 'class=phi;about=Procedure in which it was implanted.';
comment on column clinical.implants.item_id is 'class=operational;about=Item of stock.';
comment on column clinical.implants.batch_id is 'class=operational;about=Batch of the item.';
comment on column clinical.implants.udi is 'class=phi;about=Unique device identifier as scanned.';
comment on column clinical.implants.serial_number is 'class=phi;about=Serial number.';
comment on column clinical.implants.implanted_at is 'class=phi;about=When.';
comment on column clinical.implants.body_site is 'class=phi;about=Where in the body.';
comment on column clinical.implants.sticker_document_id is 'class=phi;about=Picture of its sticker.';
comment on column clinical.implants.explanted_at is 'class=phi;about=When it was taken out.';
comment on column clinical.implants.explant_reason is 'class=phi;about=Why.';
select core.comment_standard_columns('clinical.implants');

alter table clinical.implants enable row level security, force row level security;
drop policy if exists tenant_isolation on clinical.implants;
create policy tenant_isolation on clinical.implants
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger implants_touch before update on clinical.implants
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger implants_no_aadhaar before insert or update of udi, serial_number, body_site on clinical.implants
  for each row execute function core.reject_aadhaar_like('body_site');
select audit.track('clinical.implants');

grant select, insert on clinical.implants to clinical_app;
grant update (sticker_document_id, explanted_at, explant_reason, row_version) on clinical.implants to clinical_app;
grant select on clinical.implants to clinical_ro;

-- Vaccinations given here or elsewhere, planned, or refused. A dose of a series is given once; one given here names its
-- lot, which must not have expired.
create table if not exists clinical.vaccination_records (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  patient_id uuid not null,
  encounter_id uuid,
  vaccine_code text not null,
  vaccine_name text not null,
  brand text,
  manufacturer text,
  batch_id uuid,
  lot_number text,
  expiry_on date,
  dose_number smallint not null,
  series text,
  site text,
  route text,
  given_at timestamptz,
  given_by uuid,
  next_due_on date,
  not_done_reason text,
  external_ref text,
  source text not null default 'own',
  status text not null default 'planned',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint vaccination_records_pkey primary key (tenant_id, id),
  constraint vaccination_records_source_check check (source in ('own', 'external')),
  constraint vaccination_records_status_check check (
    status in ('planned', 'completed', 'not_done', 'entered_in_error')
  ),
  constraint vaccination_records_dose_1_to_20 check (dose_number between 1 and 20),
  constraint vaccination_records_given_has_time_and_lot check (
    status <> 'completed' or (given_at is not null and (source = 'external' or lot_number is not null))
  ),
  constraint vaccination_records_not_done_has_reason check (status <> 'not_done' or not_done_reason is not null),
  constraint vaccination_records_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint vaccination_records_patient_fkey
    foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id),
  constraint vaccination_records_encounter_fkey
    foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id)
);

create unique index if not exists vaccination_records_dose_given_once
  on clinical.vaccination_records (tenant_id, patient_id, vaccine_code, series, dose_number) nulls not distinct
  where status = 'completed' and deleted_at is null;
create index if not exists vaccination_records_due_idx on clinical.vaccination_records (tenant_id, next_due_on) where status = 'planned';
create index if not exists vaccination_records_patient_idx on clinical.vaccination_records (tenant_id, patient_id);
create index if not exists vaccination_records_encounter_idx on clinical.vaccination_records (tenant_id, encounter_id)
  where encounter_id is not null;
create index if not exists vaccination_records_batch_idx on clinical.vaccination_records (tenant_id, batch_id)
  where batch_id is not null;
create index if not exists vaccination_records_given_by_idx on clinical.vaccination_records (tenant_id, given_by)
  where given_by is not null;

comment on table clinical.vaccination_records is 'class=phi;scope=tenant;owner=clinical;fhir=Immunization;retention=medical_record;about=Vaccinations given, planned or refused.';
comment on column clinical.vaccination_records.patient_id is 'class=phi;about=The patient.';
comment on column clinical.vaccination_records.encounter_id is 'class=phi;about=The encounter.';
comment on column clinical.vaccination_records.vaccine_code is 'class=phi;about=Code of the vaccine.';
comment on column clinical.vaccination_records.vaccine_name is 'class=phi;about=Vaccine in words.';
comment on column clinical.vaccination_records.brand is 'class=phi;about=Brand.';
comment on column clinical.vaccination_records.manufacturer is 'class=phi;about=Manufacturer.';
comment on column clinical.vaccination_records.batch_id is 'class=operational;about=Batch of stock that it came from.';
comment on column clinical.vaccination_records.lot_number is 'class=phi;about=Lot number.';
comment on column clinical.vaccination_records.expiry_on is 'class=operational;about=Expiry of the lot.';
comment on column clinical.vaccination_records.dose_number is 'class=phi;about=Dose within the series, from 1.';
comment on column clinical.vaccination_records.series is 'class=phi;about=Series, such as primary or booster.';
comment on column clinical.vaccination_records.site is 'class=phi;about=Where on the body.';
comment on column clinical.vaccination_records.route is 'class=phi;about=How it was given.';
comment on column clinical.vaccination_records.given_at is 'class=phi;about=When.';
comment on column clinical.vaccination_records.given_by is 'class=operational;about=Member of staff who gave it.';
comment on column clinical.vaccination_records.next_due_on is 'class=phi;about=When the next dose is due.';
comment on column clinical.vaccination_records.not_done_reason is 'class=phi;about=Why it was not given.';
comment on column clinical.vaccination_records.external_ref is 'class=phi;about=Reference of a foreign record, such as a certificate.';
comment on column clinical.vaccination_records.source is 'class=phi;about=own, or external when somebody else gave it.';
comment on column clinical.vaccination_records.status is 'class=operational;about=planned, completed, not_done or entered_in_error.';
select core.comment_standard_columns('clinical.vaccination_records');

alter table clinical.vaccination_records enable row level security, force row level security;
drop policy if exists tenant_isolation on clinical.vaccination_records;
create policy tenant_isolation on clinical.vaccination_records
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger vaccination_records_lot_not_expired
  before insert or update of expiry_on, given_at, encounter_id on clinical.vaccination_records
  for each row execute function clinical.check_lot_not_expired();
create or replace trigger vaccination_records_touch before update on clinical.vaccination_records
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger vaccination_records_transition before insert or update of status on clinical.vaccination_records
  for each row execute function core.enforce_transition('clinical.vaccination_records', 'status');
create or replace trigger vaccination_records_unchanged_once_given before update on clinical.vaccination_records
  for each row when (old.status = 'completed') execute function clinical.keep_content('next_due_on');
create or replace trigger vaccination_records_no_aadhaar before insert or update of external_ref, not_done_reason on clinical.vaccination_records
  for each row execute function core.reject_aadhaar_like('external_ref', 'not_done_reason');
select audit.track('clinical.vaccination_records');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('clinical.vaccination_records', '', 'planned', false, null),
  ('clinical.vaccination_records', 'planned', 'completed', false, null),
  ('clinical.vaccination_records', 'planned', 'not_done', false, null),
  ('clinical.vaccination_records', 'completed', 'entered_in_error', true, null),
  ('clinical.vaccination_records', 'not_done', 'planned', false, null)
on conflict (machine, from_state, to_state) do nothing;

-- giving and refusing are operations
grant select, insert on clinical.vaccination_records to clinical_app;
grant update (next_due_on, external_ref, row_version) on clinical.vaccination_records to clinical_app;
grant select on clinical.vaccination_records to clinical_ro;

-- Orders: laboratory, imaging, procedures, referrals, consultations, diet, nursing, therapy, blood. Who carries one out
-- completes it; revoking one that is active needs a reason.
create table if not exists clinical.service_requests (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  order_number text not null,
  patient_id uuid not null,
  encounter_id uuid not null,
  category text not null,
  code_system text not null,
  code text not null,
  display text not null,
  intent text not null default 'order',
  priority text not null default 'routine',
  requester_id uuid not null,
  requested_at timestamptz not null default now(),
  occurrence_at timestamptz,
  recurrence jsonb,
  reason_code text,
  instructions text,
  target_department_id uuid,
  referral_to text,
  hold_reason text,
  revoke_reason text,
  group_id uuid,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint service_requests_pkey primary key (tenant_id, id),
  constraint service_requests_order_number_key unique (tenant_id, order_number),
  constraint service_requests_category_check check (
    category in ('laboratory', 'imaging', 'procedure', 'referral', 'consultation', 'diet', 'nursing', 'therapy', 'blood')
  ),
  constraint service_requests_intent_check check (intent in ('order', 'proposal', 'plan')),
  constraint service_requests_priority_check check (priority in ('routine', 'urgent', 'asap', 'stat')),
  constraint service_requests_status_check check (
    status in ('draft', 'active', 'cancelled', 'on_hold', 'completed', 'revoked', 'entered_in_error')
  ),
  constraint service_requests_revoked_has_reason check (status <> 'revoked' or revoke_reason is not null),
  constraint service_requests_on_hold_has_reason check (status <> 'on_hold' or hold_reason is not null),
  constraint service_requests_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint service_requests_patient_fkey
    foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id),
  constraint service_requests_encounter_fkey
    foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id)
);

create index if not exists service_requests_open_idx on clinical.service_requests (tenant_id, target_department_id, requested_at)
  where status in ('active', 'on_hold');
create index if not exists service_requests_patient_idx on clinical.service_requests (tenant_id, patient_id);
create index if not exists service_requests_encounter_idx on clinical.service_requests (tenant_id, encounter_id);
create index if not exists service_requests_requester_idx on clinical.service_requests (tenant_id, requester_id);
create index if not exists service_requests_target_department_idx on clinical.service_requests (tenant_id, target_department_id)
  where target_department_id is not null;

comment on table clinical.service_requests is 'class=phi;scope=tenant;owner=clinical;fhir=ServiceRequest;retention=medical_record;about=Orders for laboratory, imaging, procedures, referrals, diet, nursing, blood.';
comment on column clinical.service_requests.order_number is 'class=operational;about=Number that people read, series order.';
comment on column clinical.service_requests.patient_id is 'class=phi;about=The patient.';
comment on column clinical.service_requests.encounter_id is 'class=phi;about=The encounter.';
comment on column clinical.service_requests.category is 'class=phi;about=laboratory, imaging, procedure, referral, consultation, diet, nursing, therapy or blood.';
comment on column clinical.service_requests.code_system is 'class=phi;about=Code system of the code, as a URL.';
comment on column clinical.service_requests.code is 'class=phi;about=Code of what is ordered.';
comment on column clinical.service_requests.display is 'class=phi;about=What is ordered, in words.';
comment on column clinical.service_requests.intent is 'class=phi;about=order, proposal or plan.';
comment on column clinical.service_requests.priority is 'class=operational;about=routine, urgent, asap or stat.';
comment on column clinical.service_requests.requester_id is 'class=operational;about=Member of staff who orders.';
comment on column clinical.service_requests.requested_at is 'class=operational;about=When it was ordered.';
comment on column clinical.service_requests.occurrence_at is 'class=operational;about=When it should be done.';
comment on column clinical.service_requests.recurrence is 'class=phi;about=How it repeats, as FHIR Timing.';
comment on column clinical.service_requests.reason_code is 'class=phi;about=Code of the reason.';
comment on column clinical.service_requests.instructions is 'class=phi;about=Instructions to who carries it out.';
comment on column clinical.service_requests.target_department_id is 'class=operational;about=Department that carries it out.';
comment on column clinical.service_requests.referral_to is 'class=phi;about=Of a referral: who the patient is sent to.';
comment on column clinical.service_requests.hold_reason is 'class=phi;about=Why it waits.';
comment on column clinical.service_requests.revoke_reason is 'class=phi;about=Why it was revoked.';
comment on column clinical.service_requests.group_id is 'class=operational;about=Orders that were placed together.';
comment on column clinical.service_requests.status is 'class=operational;about=draft, active, on_hold, completed, revoked, cancelled or entered_in_error.';
select core.comment_standard_columns('clinical.service_requests');

alter table clinical.service_requests enable row level security, force row level security;
drop policy if exists tenant_isolation on clinical.service_requests;
create policy tenant_isolation on clinical.service_requests
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger service_requests_touch before update on clinical.service_requests
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger service_requests_transition before insert or update of status on clinical.service_requests
  for each row execute function core.enforce_transition('clinical.service_requests', 'status');
create or replace trigger service_requests_unchanged_once_ended before update on clinical.service_requests
  for each row when (old.status in ('completed', 'revoked', 'cancelled', 'entered_in_error'))
  execute function clinical.keep_content('');
create or replace trigger service_requests_patient_of_encounter
  before insert or update of patient_id, encounter_id on clinical.service_requests
  for each row execute function clinical.check_patient_of_encounter();
create or replace trigger service_requests_no_aadhaar
  before insert or update of display, instructions, referral_to on clinical.service_requests
  for each row execute function core.reject_aadhaar_like('display', 'instructions', 'referral_to');
select audit.track('clinical.service_requests');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('clinical.service_requests', '', 'draft', false, null),
  ('clinical.service_requests', 'draft', 'active', false, 'order.placed.v1'),
  ('clinical.service_requests', 'draft', 'cancelled', false, null),
  ('clinical.service_requests', 'active', 'on_hold', true, null),
  ('clinical.service_requests', 'active', 'completed', false, null),
  ('clinical.service_requests', 'active', 'revoked', true, 'order.revoked.v1'),
  ('clinical.service_requests', 'on_hold', 'active', false, null),
  ('clinical.service_requests', 'on_hold', 'revoked', true, 'order.revoked.v1'),
  ('clinical.service_requests', 'completed', 'entered_in_error', true, null)
on conflict (machine, from_state, to_state) do nothing;

-- the status belongs to the operations
grant select, insert on clinical.service_requests to clinical_app;
grant update (priority, occurrence_at, recurrence, instructions, target_department_id, row_version)
  on clinical.service_requests to clinical_app;
grant select on clinical.service_requests to clinical_ro;

-- An imaging examination from order to archive, with radiation dose. An ultrasound of a pregnant patient is not acquired
-- without Form F of the PCPNDT Act.
create table if not exists clinical.imaging_studies (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  accession_number text not null,
  service_request_id uuid not null,
  patient_id uuid not null,
  encounter_id uuid,
  study_instance_uid text,
  modality text not null,
  body_site text not null,
  laterality text,
  is_obstetric boolean not null default false,
  scheduled_at timestamptz,
  started_at timestamptz,
  ended_at timestamptz,
  device_id uuid,
  performed_by uuid,
  series_count integer not null default 0,
  instance_count integer not null default 0,
  dlp_mgy_cm numeric,
  ctdi_vol numeric,
  contrast jsonb,
  pregnancy_checked boolean,
  pcpndt_form_f jsonb,
  status text not null default 'registered',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint imaging_studies_pkey primary key (tenant_id, id),
  constraint imaging_studies_accession_number_key unique (tenant_id, accession_number),
  constraint imaging_studies_study_instance_uid_key unique (tenant_id, study_instance_uid),
  constraint imaging_studies_modality_check check (
    modality in ('CR', 'DX', 'CT', 'MR', 'US', 'MG', 'XA', 'NM', 'PT', 'RF', 'OT')
  ),
  constraint imaging_studies_status_check check (
    status in ('registered', 'scheduled', 'arrived', 'cancelled', 'in_progress', 'acquired', 'discontinued', 'reported', 'archived')
  ),
  constraint imaging_studies_uid_valid check (core.valid_dicom_uid(study_instance_uid)),
  constraint imaging_studies_counts_not_negative check (series_count >= 0 and instance_count >= 0),
  constraint imaging_studies_laterality_check check (laterality in ('left', 'right', 'bilateral', 'na')),
  constraint imaging_studies_obstetric_is_ultrasound check (not is_obstetric or modality = 'US'),
  constraint imaging_studies_obstetric_has_form_f check (
    not is_obstetric or status not in ('acquired', 'reported', 'archived') or coalesce(jsonb_typeof(pcpndt_form_f) = 'object', false)
  ),
  constraint imaging_studies_ends_after_start check (ended_at >= started_at),
  constraint imaging_studies_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint imaging_studies_service_request_fkey
    foreign key (tenant_id, service_request_id) references clinical.service_requests (tenant_id, id),
  constraint imaging_studies_patient_fkey
    foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id),
  constraint imaging_studies_encounter_fkey
    foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id)
);

create index if not exists imaging_studies_service_request_idx on clinical.imaging_studies (tenant_id, service_request_id);
create index if not exists imaging_studies_worklist_idx on clinical.imaging_studies (tenant_id, scheduled_at)
  where status in ('registered', 'scheduled', 'arrived', 'in_progress');
create index if not exists imaging_studies_unreported_idx on clinical.imaging_studies (tenant_id, ended_at) where status = 'acquired';
create index if not exists imaging_studies_patient_idx on clinical.imaging_studies (tenant_id, patient_id);
create index if not exists imaging_studies_encounter_idx on clinical.imaging_studies (tenant_id, encounter_id)
  where encounter_id is not null;
create index if not exists imaging_studies_device_idx on clinical.imaging_studies (tenant_id, device_id)
  where device_id is not null;
create index if not exists imaging_studies_performed_by_idx on clinical.imaging_studies (tenant_id, performed_by)
  where performed_by is not null;

comment on table clinical.imaging_studies is 'class=phi;scope=tenant;owner=clinical;fhir=ImagingStudy;retention=medical_record;about=An imaging examination from order to archive, with dose and PCPNDT fields.';
comment on column clinical.imaging_studies.accession_number is 'class=operational;about=Accession number, series accession.';
comment on column clinical.imaging_studies.service_request_id is 'class=operational;about=The order.';
comment on column clinical.imaging_studies.patient_id is 'class=phi;about=The patient.';
comment on column clinical.imaging_studies.encounter_id is 'class=phi;about=The encounter.';
comment on column clinical.imaging_studies.study_instance_uid is 'class=operational;about=DICOM Study Instance UID.';
comment on column clinical.imaging_studies.modality is 'class=phi;about=DICOM modality: CR, DX, CT, MR, US, MG, XA, NM, PT, RF or OT.';
comment on column clinical.imaging_studies.body_site is 'class=phi;about=Part of the body.';
comment on column clinical.imaging_studies.laterality is 'class=phi;about=left, right, bilateral or na.';
comment on column clinical.imaging_studies.is_obstetric is 'class=phi;about=True for an ultrasound of a pregnancy.';
comment on column clinical.imaging_studies.scheduled_at is 'class=operational;about=Planned time.';
comment on column clinical.imaging_studies.started_at is 'class=operational;about=Start.';
comment on column clinical.imaging_studies.ended_at is 'class=operational;about=End.';
comment on column clinical.imaging_studies.device_id is 'class=operational;about=Machine.';
comment on column clinical.imaging_studies.performed_by is 'class=operational;about=Member of staff who performed it.';
comment on column clinical.imaging_studies.series_count is 'class=operational;about=Number of series.';
comment on column clinical.imaging_studies.instance_count is 'class=operational;about=Number of images.';
comment on column clinical.imaging_studies.dlp_mgy_cm is 'class=phi;about=Dose-length product in mGy cm.';
comment on column clinical.imaging_studies.ctdi_vol is 'class=phi;about=CT dose index in mGy.';
comment on column clinical.imaging_studies.contrast is 'class=phi;about=Contrast medium: {agent, volume_ml, route}.';
comment on column clinical.imaging_studies.pregnancy_checked is 'class=phi;about=True when pregnancy was asked about.';
comment on column clinical.imaging_studies.pcpndt_form_f is 'class=phi;about=Form F of the PCPNDT Act: its fields.';
comment on column clinical.imaging_studies.status is 'class=operational;about=registered, scheduled, arrived, in_progress, acquired, reported, archived, cancelled or discontinued.';
select core.comment_standard_columns('clinical.imaging_studies');

alter table clinical.imaging_studies enable row level security, force row level security;
drop policy if exists tenant_isolation on clinical.imaging_studies;
create policy tenant_isolation on clinical.imaging_studies
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger imaging_studies_touch before update on clinical.imaging_studies
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger imaging_studies_transition before insert or update of status on clinical.imaging_studies
  for each row execute function core.enforce_transition('clinical.imaging_studies', 'status');
create or replace trigger imaging_studies_no_aadhaar before insert or update of accession_number, body_site on clinical.imaging_studies
  for each row execute function core.reject_aadhaar_like('accession_number', 'body_site');
select audit.track('clinical.imaging_studies');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('clinical.imaging_studies', '', 'registered', false, null),
  ('clinical.imaging_studies', 'registered', 'scheduled', false, null),
  ('clinical.imaging_studies', 'registered', 'arrived', false, null),
  ('clinical.imaging_studies', 'registered', 'cancelled', true, null),
  ('clinical.imaging_studies', 'scheduled', 'arrived', false, null),
  ('clinical.imaging_studies', 'scheduled', 'cancelled', true, null),
  ('clinical.imaging_studies', 'arrived', 'in_progress', false, null),
  ('clinical.imaging_studies', 'arrived', 'cancelled', true, null),
  ('clinical.imaging_studies', 'in_progress', 'acquired', false, null),
  ('clinical.imaging_studies', 'in_progress', 'discontinued', true, null),
  ('clinical.imaging_studies', 'acquired', 'reported', false, null),
  ('clinical.imaging_studies', 'reported', 'archived', false, null)
on conflict (machine, from_state, to_state) do nothing;

-- the status and its times belong to the operations
grant select, insert on clinical.imaging_studies to clinical_app;
grant update (
  study_instance_uid, laterality, is_obstetric, device_id, performed_by, series_count, instance_count, dlp_mgy_cm,
  ctdi_vol, contrast, pregnancy_checked, pcpndt_form_f, row_version
) on clinical.imaging_studies to clinical_app;
grant select on clinical.imaging_studies to clinical_ro;

-- The radiologist's report of a study. A critical finding is not final before somebody was told; a final report is never
-- changed: its correction is a report of its own that names it.
create table if not exists clinical.imaging_results (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  report_number text not null,
  study_id uuid not null,
  patient_id uuid not null,
  findings_enc bytea not null,
  impression_enc bytea not null,
  conclusion_codes text[],
  is_critical boolean not null default false,
  critical_notified_to text,
  critical_notified_at timestamptz,
  reported_by uuid not null,
  verified_by uuid,
  issued_at timestamptz,
  amends_id uuid,
  amendment_reason text,
  document_id uuid,
  status text not null default 'registered',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint imaging_results_pkey primary key (tenant_id, id),
  constraint imaging_results_report_number_key unique (tenant_id, report_number),
  constraint imaging_results_status_check check (
    status in ('registered', 'preliminary', 'final', 'cancelled', 'amended', 'corrected', 'entered_in_error')
  ),
  constraint imaging_results_final_is_verified check (
    status not in ('final', 'amended', 'corrected') or (verified_by is not null and issued_at is not null)
  ),
  constraint imaging_results_critical_was_told check (
    not is_critical or status in ('registered', 'preliminary') or critical_notified_at is not null
  ),
  constraint imaging_results_amendment_has_reason check (amends_id is null or amendment_reason is not null),
  constraint imaging_results_told_has_name check ((critical_notified_at is null) = (critical_notified_to is null)),
  constraint imaging_results_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint imaging_results_study_fkey
    foreign key (tenant_id, study_id) references clinical.imaging_studies (tenant_id, id),
  constraint imaging_results_patient_fkey
    foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id),
  constraint imaging_results_amends_fkey
    foreign key (tenant_id, amends_id) references clinical.imaging_results (tenant_id, id)
);

create index if not exists imaging_results_study_idx on clinical.imaging_results (tenant_id, study_id);
create index if not exists imaging_results_patient_idx on clinical.imaging_results (tenant_id, patient_id);
create index if not exists imaging_results_reported_by_idx on clinical.imaging_results (tenant_id, reported_by);
create index if not exists imaging_results_verified_by_idx on clinical.imaging_results (tenant_id, verified_by)
  where verified_by is not null;
create index if not exists imaging_results_amends_idx on clinical.imaging_results (tenant_id, amends_id)
  where amends_id is not null;
create index if not exists imaging_results_document_idx on clinical.imaging_results (tenant_id, document_id)
  where document_id is not null;

comment on table clinical.imaging_results is 'class=phi;scope=tenant;owner=clinical;fhir=DiagnosticReport;retention=medical_record;about=The radiologist''s report of a study.';
comment on column clinical.imaging_results.report_number is 'class=operational;about=Number that people read, series imaging_report.';
comment on column clinical.imaging_results.study_id is 'class=phi;about=The study.';
comment on column clinical.imaging_results.patient_id is 'class=phi;about=The patient.';
comment on column clinical.imaging_results.findings_enc is 'class=phi;enc=1;about=Findings; encrypted.';
comment on column clinical.imaging_results.impression_enc is 'class=phi;enc=1;about=Impression; encrypted.';
comment on column clinical.imaging_results.conclusion_codes is 'class=phi;about=Codes of the conclusion.';
comment on column clinical.imaging_results.is_critical is 'class=phi;about=True when somebody must act at once.';
comment on column clinical.imaging_results.critical_notified_to is 'class=phi;about=Who was told.';
comment on column clinical.imaging_results.critical_notified_at is 'class=operational;about=When.';
comment on column clinical.imaging_results.reported_by is 'class=operational;about=Doctor who reported.';
comment on column clinical.imaging_results.verified_by is 'class=operational;about=Doctor who verified.';
comment on column clinical.imaging_results.issued_at is 'class=operational;about=When it was issued.';
comment on column clinical.imaging_results.amends_id is 'class=phi;about=The report that this one replaces.';
comment on column clinical.imaging_results.amendment_reason is 'class=phi;about=Why.';
comment on column clinical.imaging_results.document_id is 'class=operational;about=The stored document.';
comment on column clinical.imaging_results.status is 'class=operational;about=registered, preliminary, final, amended, corrected, cancelled or entered_in_error.';
select core.comment_standard_columns('clinical.imaging_results');

alter table clinical.imaging_results enable row level security, force row level security;
drop policy if exists tenant_isolation on clinical.imaging_results;
create policy tenant_isolation on clinical.imaging_results
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger imaging_results_touch before update on clinical.imaging_results
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger imaging_results_transition before insert or update of status on clinical.imaging_results
  for each row execute function core.enforce_transition('clinical.imaging_results', 'status');
create or replace trigger imaging_results_unchanged_once_final before update on clinical.imaging_results
  for each row when (old.status not in ('registered', 'preliminary')) execute function clinical.keep_content('document_id');
create or replace trigger imaging_results_no_aadhaar before insert or update of critical_notified_to on clinical.imaging_results
  for each row execute function core.reject_aadhaar_like('critical_notified_to');
select audit.track('clinical.imaging_results');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('clinical.imaging_results', '', 'registered', false, null),
  ('clinical.imaging_results', 'registered', 'preliminary', false, null),
  ('clinical.imaging_results', 'registered', 'final', false, 'report.issued.v1'),
  ('clinical.imaging_results', 'registered', 'cancelled', true, null),
  ('clinical.imaging_results', 'preliminary', 'final', false, 'report.issued.v1'),
  ('clinical.imaging_results', 'preliminary', 'cancelled', true, null),
  ('clinical.imaging_results', 'final', 'amended', true, null),
  ('clinical.imaging_results', 'final', 'corrected', true, null),
  ('clinical.imaging_results', 'final', 'entered_in_error', true, null),
  ('clinical.imaging_results', 'amended', 'corrected', true, null),
  ('clinical.imaging_results', 'amended', 'entered_in_error', true, null),
  ('clinical.imaging_results', 'corrected', 'entered_in_error', true, null)
on conflict (machine, from_state, to_state) do nothing;

-- written by operations
grant select on clinical.imaging_results to clinical_app;
grant update (document_id, row_version) on clinical.imaging_results to clinical_app;
grant select on clinical.imaging_results to clinical_ro;

-- The discharge summary in the sections of the national profile (NRCeS). It is prepared by one person, approved by
-- another, a doctor, and not before the guidelines that apply are met or waived. A final one is never changed: an
-- amendment is a summary of its own. A stay has at most one that is final.
create table if not exists clinical.discharge_summaries (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  summary_number text not null,
  encounter_id uuid not null,
  patient_id uuid not null,
  admission_id uuid not null,
  sections jsonb not null default '{}',
  final_diagnoses jsonb not null default '[]',
  procedures jsonb not null default '[]',
  course_enc bytea,
  condition_at_discharge text,
  medications jsonb not null default '[]',
  follow_up jsonb not null default '[]',
  advice_enc bytea,
  care_plan jsonb,
  cause_of_death jsonb,
  discharge_kind text not null,
  stg_status text not null default 'not_checked',
  stg_checked_at timestamptz,
  stg_waiver_reason text,
  prepared_by uuid not null,
  approved_by uuid,
  approved_at timestamptz,
  handed_over_at timestamptz,
  document_id uuid,
  amends_id uuid,
  amendment_reason text,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint discharge_summaries_pkey primary key (tenant_id, id),
  constraint discharge_summaries_summary_number_key unique (tenant_id, summary_number),
  constraint discharge_summaries_stg_status_check check (
    stg_status in ('not_applicable', 'not_checked', 'passed', 'failed', 'waived')
  ),
  constraint discharge_summaries_status_check check (
    status in ('draft', 'in_review', 'cancelled', 'final', 'amended', 'entered_in_error')
  ),
  constraint discharge_summaries_lists check (
    jsonb_typeof(final_diagnoses) = 'array' and jsonb_typeof(procedures) = 'array'
    and jsonb_typeof(medications) = 'array' and jsonb_typeof(follow_up) = 'array'
  ),
  constraint discharge_summaries_sections_is_object check (jsonb_typeof(sections) = 'object'),
  constraint discharge_summaries_discharge_kind_check check (
    discharge_kind in ('normal', 'lama', 'dama', 'transfer', 'death', 'absconded')
  ),
  constraint discharge_summaries_final_is_complete check (
    status <> 'final' or (
      jsonb_array_length(final_diagnoses) > 0 and course_enc is not null and condition_at_discharge is not null
    )
  ),
  constraint discharge_summaries_final_approved_by_another check (
    status <> 'final' or (approved_by is not null and approved_at is not null and approved_by <> prepared_by)
  ),
  constraint discharge_summaries_final_meets_guidelines check (
    status <> 'final' or stg_status in ('not_applicable', 'passed', 'waived')
  ),
  constraint discharge_summaries_amendment_has_reason check (amends_id is null or amendment_reason is not null),
  constraint discharge_summaries_waiver_has_reason check (stg_status <> 'waived' or stg_waiver_reason is not null),
  constraint discharge_summaries_death_has_cause check (discharge_kind <> 'death' or cause_of_death is not null),
  constraint discharge_summaries_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint discharge_summaries_encounter_fkey
    foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id),
  constraint discharge_summaries_patient_fkey
    foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id),
  constraint discharge_summaries_admission_fkey
    foreign key (tenant_id, admission_id) references clinical.admissions (tenant_id, id),
  constraint discharge_summaries_amends_fkey
    foreign key (tenant_id, amends_id) references clinical.discharge_summaries (tenant_id, id)
);

create unique index if not exists discharge_summaries_one_final_per_stay on clinical.discharge_summaries (tenant_id, encounter_id)
  where status = 'final';
create unique index if not exists discharge_summaries_one_in_work_per_stay
  on clinical.discharge_summaries (tenant_id, encounter_id)
  where status in ('draft', 'in_review');
create index if not exists discharge_summaries_in_review_idx on clinical.discharge_summaries (tenant_id, updated_at)
  where status = 'in_review';
create index if not exists discharge_summaries_encounter_idx on clinical.discharge_summaries (tenant_id, encounter_id);
create index if not exists discharge_summaries_patient_idx on clinical.discharge_summaries (tenant_id, patient_id);
create index if not exists discharge_summaries_admission_idx on clinical.discharge_summaries (tenant_id, admission_id);
create index if not exists discharge_summaries_prepared_by_idx on clinical.discharge_summaries (tenant_id, prepared_by);
create index if not exists discharge_summaries_approved_by_idx on clinical.discharge_summaries (tenant_id, approved_by)
  where approved_by is not null;
create index if not exists discharge_summaries_document_idx on clinical.discharge_summaries (tenant_id, document_id)
  where document_id is not null;
create index if not exists discharge_summaries_amends_idx on clinical.discharge_summaries (tenant_id, amends_id)
  where amends_id is not null;

comment on table clinical.discharge_summaries is 'class=phi;scope=tenant;owner=clinical;fhir=Composition (DischargeSummaryRecord);retention=medical_record;about=The discharge summary in the NRCeS section set, checked against STG before it can be finalised.';
comment on column clinical.discharge_summaries.summary_number is 'class=operational;about=Number that people read, series discharge_summary.';
comment on column clinical.discharge_summaries.encounter_id is 'class=phi;about=The stay.';
comment on column clinical.discharge_summaries.patient_id is 'class=phi;about=The patient.';
comment on column clinical.discharge_summaries.admission_id is 'class=phi;about=The admission.';
comment on column clinical.discharge_summaries.sections is 'class=phi;about=Further coded sections; stg_answers holds the answers to questions of guidelines.';
comment on column clinical.discharge_summaries.final_diagnoses is 'class=phi;about=List of {code_system, code, display, icd10, rank}.';
comment on column clinical.discharge_summaries.procedures is 'class=phi;about=List of {code_system, code, display, on}.';
comment on column clinical.discharge_summaries.course_enc is 'class=phi;enc=1;about=Course in hospital; encrypted.';
comment on column clinical.discharge_summaries.condition_at_discharge is 'class=phi;about=Condition at discharge.';
comment on column clinical.discharge_summaries.medications is 'class=phi;about=List of medicines to take.';
comment on column clinical.discharge_summaries.follow_up is 'class=phi;about=List of {on, with, what}.';
comment on column clinical.discharge_summaries.advice_enc is 'class=phi;enc=1;about=Advice; encrypted.';
comment on column clinical.discharge_summaries.care_plan is 'class=phi;about=Plan of further care.';
comment on column clinical.discharge_summaries.cause_of_death is 'class=phi;about=Of a death: causes as on the certificate.';
comment on column clinical.discharge_summaries.discharge_kind is 'class=phi;about=normal, lama, dama, transfer, death or absconded.';
comment on column clinical.discharge_summaries.stg_status is 'class=operational;about=Guidelines: not_checked, not_applicable, failed, waived or passed.';
comment on column clinical.discharge_summaries.stg_checked_at is 'class=operational;about=When they were evaluated.';
comment on column clinical.discharge_summaries.stg_waiver_reason is 'class=phi;about=Why what failed was waived.';
comment on column clinical.discharge_summaries.prepared_by is 'class=operational;about=Member of staff who prepared it.';
comment on column clinical.discharge_summaries.approved_by is 'class=operational;about=Member of staff, a doctor, who approved it; never who prepared it.';
comment on column clinical.discharge_summaries.approved_at is 'class=operational;about=When.';
comment on column clinical.discharge_summaries.handed_over_at is 'class=operational;about=When the patient got it.';
comment on column clinical.discharge_summaries.document_id is 'class=operational;about=The stored document.';
comment on column clinical.discharge_summaries.amends_id is 'class=phi;about=The summary that this one replaces.';
comment on column clinical.discharge_summaries.amendment_reason is 'class=phi;about=Why.';
comment on column clinical.discharge_summaries.status is 'class=operational;about=draft, in_review, final, amended, cancelled or entered_in_error.';
select core.comment_standard_columns('clinical.discharge_summaries');

alter table clinical.discharge_summaries enable row level security, force row level security;
drop policy if exists tenant_isolation on clinical.discharge_summaries;
create policy tenant_isolation on clinical.discharge_summaries
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger discharge_summaries_touch before update on clinical.discharge_summaries
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger discharge_summaries_transition before insert or update of status on clinical.discharge_summaries
  for each row execute function core.enforce_transition('clinical.discharge_summaries', 'status');
create or replace trigger discharge_summaries_unchanged_once_final before update on clinical.discharge_summaries
  for each row when (old.status not in ('draft', 'in_review'))
  execute function clinical.keep_content('document_id', 'handed_over_at');
create or replace trigger discharge_summaries_check_again before update on clinical.discharge_summaries
  for each row when (old.status in ('draft', 'in_review')) execute function clinical.reset_stg_status();
create or replace trigger discharge_summaries_no_aadhaar
  before insert or update of condition_at_discharge on clinical.discharge_summaries
  for each row execute function core.reject_aadhaar_like('condition_at_discharge');
select audit.track('clinical.discharge_summaries');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('clinical.discharge_summaries', '', 'draft', false, null),
  ('clinical.discharge_summaries', 'draft', 'in_review', false, null),
  ('clinical.discharge_summaries', 'draft', 'cancelled', true, null),
  ('clinical.discharge_summaries', 'in_review', 'draft', true, null),
  ('clinical.discharge_summaries', 'in_review', 'final', false, null),
  ('clinical.discharge_summaries', 'final', 'amended', true, null),
  ('clinical.discharge_summaries', 'final', 'entered_in_error', true, null)
on conflict (machine, from_state, to_state) do nothing;

-- a draft may be edited; preparing, reviewing, approving and amending are operations
grant select on clinical.discharge_summaries to clinical_app;
grant update (
  sections, final_diagnoses, procedures, course_enc, condition_at_discharge, medications, follow_up, advice_enc, care_plan,
  cause_of_death, document_id, row_version
) on clinical.discharge_summaries to clinical_app;
grant select on clinical.discharge_summaries to clinical_ro;

-- A version of a Standard Treatment Guideline: which packages and diagnoses it is for, and when it is in force. The
-- National Health Authority says that its guidelines serve the processing of claims and give no clinical management
-- advice: they are named and used like that here. At most one version of a code is active at a time.
create table if not exists clinical.stg_guidelines (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  code text not null,
  version text not null default '1',
  title text not null,
  specialty text not null,
  package_codes text[] not null default '{}',
  icd10_codes text[] not null default '{}',
  source_uri text not null,
  effective daterange not null,
  min_los_days smallint,
  max_los_days smallint,
  day_care_allowed boolean not null default false,
  reserved_public boolean not null default false,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint stg_guidelines_pkey primary key (id),
  constraint stg_guidelines_code_version_key unique nulls not distinct (tenant_id, code, version),
  constraint stg_guidelines_one_version_in_force exclude using gist (
    (coalesce(tenant_id, core.zero_uuid())) with =, code with =, effective with &&
  ) where (status = 'active'),
  constraint stg_guidelines_status_check check (status in ('draft', 'active', 'withdrawn', 'retired')),
  constraint stg_guidelines_effective_not_empty check (not isempty(effective)),
  constraint stg_guidelines_stay_not_negative check (min_los_days >= 0),
  constraint stg_guidelines_stay_in_order check (max_los_days >= min_los_days),
  constraint stg_guidelines_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

comment on table clinical.stg_guidelines is 'class=reference;scope=shared;owner=clinical;fhir=PlanDefinition;retention=reference;about=A version of a Standard Treatment Guideline for one or more packages. For the processing of claims; no advice on treatment.';
comment on column clinical.stg_guidelines.code is 'class=reference;about=Code of the guideline, the same in all its versions.';
comment on column clinical.stg_guidelines.version is 'class=reference;about=Version as its publisher writes it.';
comment on column clinical.stg_guidelines.title is 'class=reference;about=Title.';
comment on column clinical.stg_guidelines.specialty is 'class=reference;about=Medical specialty.';
comment on column clinical.stg_guidelines.package_codes is 'class=reference;about=Codes of the benefit packages that it is for.';
comment on column clinical.stg_guidelines.icd10_codes is 'class=reference;about=ICD-10 codes that it is for; a code without subdivision stands for all of its subdivisions.';
comment on column clinical.stg_guidelines.source_uri is 'class=reference;about=Where it was published.';
comment on column clinical.stg_guidelines.effective is 'class=reference;about=Days on which it is in force, the first included and the last excluded.';
comment on column clinical.stg_guidelines.min_los_days is 'class=reference;about=Shortest stay in days that is accepted without explanation; null for none.';
comment on column clinical.stg_guidelines.max_los_days is 'class=reference;about=Longest stay in days that is accepted without explanation; null for none.';
comment on column clinical.stg_guidelines.day_care_allowed is 'class=reference;about=True when a stay of one day is accepted.';
comment on column clinical.stg_guidelines.reserved_public is 'class=reference;about=True for packages that only public hospitals may treat.';
comment on column clinical.stg_guidelines.status is 'class=reference;about=draft, active, retired (replaced) or withdrawn.';
select core.comment_standard_columns('clinical.stg_guidelines');

alter table clinical.stg_guidelines enable row level security, force row level security;
drop policy if exists tenant_isolation on clinical.stg_guidelines;
create policy tenant_isolation on clinical.stg_guidelines
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
drop policy if exists shared_rows on clinical.stg_guidelines;
create policy shared_rows on clinical.stg_guidelines for select using (tenant_id is null);

create or replace trigger stg_guidelines_touch before update on clinical.stg_guidelines
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger stg_guidelines_transition before insert or update of status on clinical.stg_guidelines
  for each row execute function core.enforce_transition('clinical.stg_guidelines', 'status');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('clinical.stg_guidelines', '', 'draft', false, null),
  ('clinical.stg_guidelines', 'draft', 'active', false, null),
  ('clinical.stg_guidelines', 'draft', 'withdrawn', false, null),
  ('clinical.stg_guidelines', 'active', 'retired', false, null),
  ('clinical.stg_guidelines', 'active', 'withdrawn', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on clinical.stg_guidelines to clinical_app;
grant select on clinical.stg_guidelines to clinical_ro;

-- One mechanical requirement of a guideline at one stage of a case: a document that must be there, a question that must
-- be answered, or a rule over facts of the stay. Criteria are frozen with their guideline: once it is active, a change
-- needs a new version, so that an evaluation can be repeated years later with the same result.
--
-- A rule is a JSON expression: {"fact": "los_days", "op": ">=", "value": 2}, combined by {"all": [..]}, {"any": [..]}
-- and {"not": ..}. clinical.stg_test() says which operators there are; a fact that is not known makes the answer unknown.
create table if not exists clinical.stg_criteria (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  guideline_id uuid not null,
  seq smallint not null,
  stage text not null,
  kind text not null,
  code text not null,
  text text not null,
  document_type text,
  expression jsonb,
  expected jsonb,
  mandatory boolean not null default true,
  applies_when jsonb,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint stg_criteria_pkey primary key (id),
  constraint stg_criteria_seq_key unique nulls not distinct (tenant_id, guideline_id, stage, seq),
  constraint stg_criteria_code_key unique nulls not distinct (tenant_id, guideline_id, stage, code),
  constraint stg_criteria_stage_check check (stage in ('preauth', 'treatment', 'discharge', 'claim')),
  constraint stg_criteria_kind_check check (kind in ('document', 'question', 'rule')),
  constraint stg_criteria_document_names_type check ((kind = 'document') = (document_type is not null)),
  constraint stg_criteria_rule_has_expression check (kind <> 'rule' or expression is not null),
  constraint stg_criteria_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint stg_criteria_guideline_fkey
    foreign key (guideline_id) references clinical.stg_guidelines (id)
);

create index if not exists stg_criteria_guideline_idx on clinical.stg_criteria (guideline_id, tenant_id);
comment on index clinical.stg_criteria_guideline_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';

comment on table clinical.stg_criteria is 'class=reference;scope=shared;owner=clinical;fhir=PlanDefinition.action;retention=reference;about=One mechanical requirement of a guideline: a document, a question, or a rule, for a stage.';
comment on column clinical.stg_criteria.guideline_id is 'class=reference;about=The guideline.';
comment on column clinical.stg_criteria.seq is 'class=reference;about=Order within the stage.';
comment on column clinical.stg_criteria.stage is 'class=reference;about=preauth, treatment, discharge or claim.';
comment on column clinical.stg_criteria.kind is 'class=reference;about=document, question or rule.';
comment on column clinical.stg_criteria.code is 'class=reference;about=Short code, unique in guideline and stage; the answer to a question is the fact answers.<code>.';
comment on column clinical.stg_criteria.text is 'class=reference;about=The requirement in words, as people see it.';
comment on column clinical.stg_criteria.document_type is 'class=reference;about=Of a document: the type that must be among the documents of the case.';
comment on column clinical.stg_criteria.expression is 'class=reference;about=Of a rule: the expression that must be true.';
comment on column clinical.stg_criteria.expected is 'class=reference;about=Of a question: the answer, or a list of answers, that passes; null when any answer does.';
comment on column clinical.stg_criteria.mandatory is 'class=reference;about=False when failing it is only shown.';
comment on column clinical.stg_criteria.applies_when is 'class=reference;about=Expression that says when the criterion applies; null for always.';
select core.comment_standard_columns('clinical.stg_criteria');

alter table clinical.stg_criteria enable row level security, force row level security;
drop policy if exists tenant_isolation on clinical.stg_criteria;
create policy tenant_isolation on clinical.stg_criteria
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
drop policy if exists shared_rows on clinical.stg_criteria;
create policy shared_rows on clinical.stg_criteria for select using (tenant_id is null);

create or replace trigger stg_criteria_touch before update on clinical.stg_criteria
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger stg_criteria_guideline_visible before insert or update of guideline_id on clinical.stg_criteria
  for each row execute function core.check_shared_reference('guideline_id', 'clinical.stg_guidelines');
create or replace trigger stg_criteria_check before insert or update on clinical.stg_criteria
  for each row execute function clinical.check_stg_criterion();

grant select, insert, update on clinical.stg_criteria to clinical_app;
grant select on clinical.stg_criteria to clinical_ro;

-- Evidence: what each criterion of a guideline gave for one discharge summary or one claim. Rows are only added: a new
-- evaluation, or a waiver by a doctor with a reason, is a new row, and the last row of a criterion counts.
create table if not exists clinical.stg_compliance_results (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  discharge_summary_id uuid,
  claim_id uuid,
  guideline_id uuid not null,
  criterion_id uuid not null,
  outcome text not null,
  evidence jsonb not null default '{}',
  input_hash bytea not null,
  evaluated_at timestamptz not null,
  engine_version text not null,
  waived_by uuid,
  waiver_reason text,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint stg_compliance_results_pkey primary key (tenant_id, id),
  constraint stg_compliance_results_once_per_evaluation unique nulls not distinct (
    tenant_id, discharge_summary_id, claim_id, criterion_id, evaluated_at
  ),
  constraint stg_compliance_results_outcome_check check (
    outcome in ('pass', 'fail', 'not_applicable', 'missing_data')
  ),
  constraint stg_compliance_results_of_summary_or_claim check (num_nonnulls(discharge_summary_id, claim_id) = 1),
  constraint stg_compliance_results_waiver_has_reason check ((waived_by is null) = (waiver_reason is null)),
  constraint stg_compliance_results_only_failures_waived check (
    waived_by is null or outcome in ('fail', 'missing_data')
  ),
  constraint stg_compliance_results_input_hash_is_sha256 check (octet_length(input_hash) = 32),
  constraint stg_compliance_results_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint stg_compliance_results_discharge_summary_fkey
    foreign key (tenant_id, discharge_summary_id) references clinical.discharge_summaries (tenant_id, id),
  constraint stg_compliance_results_guideline_fkey
    foreign key (guideline_id) references clinical.stg_guidelines (id),
  constraint stg_compliance_results_criterion_fkey
    foreign key (criterion_id) references clinical.stg_criteria (id)
);

create index if not exists stg_compliance_results_discharge_summary_idx
  on clinical.stg_compliance_results (tenant_id, discharge_summary_id)
  where discharge_summary_id is not null;
create index if not exists stg_compliance_results_claim_idx on clinical.stg_compliance_results (tenant_id, claim_id)
  where claim_id is not null;
create index if not exists stg_compliance_results_guideline_idx on clinical.stg_compliance_results (guideline_id, tenant_id);
comment on index clinical.stg_compliance_results_guideline_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index if not exists stg_compliance_results_criterion_idx on clinical.stg_compliance_results (criterion_id, tenant_id);
comment on index clinical.stg_compliance_results_criterion_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index if not exists stg_compliance_results_waived_by_idx on clinical.stg_compliance_results (tenant_id, waived_by)
  where waived_by is not null;

comment on table clinical.stg_compliance_results is 'class=phi;scope=tenant;owner=clinical;fhir=DetectedIssue;retention=medical_record;append_only=1;about=Evidence: each criterion evaluated for one discharge summary or claim.';
comment on column clinical.stg_compliance_results.discharge_summary_id is 'class=phi;about=The discharge summary that was evaluated, else claim_id.';
comment on column clinical.stg_compliance_results.claim_id is 'class=phi;about=The pre-authorisation or claim that was evaluated, else discharge_summary_id.';
comment on column clinical.stg_compliance_results.guideline_id is 'class=phi;about=The guideline.';
comment on column clinical.stg_compliance_results.criterion_id is 'class=phi;about=The criterion.';
comment on column clinical.stg_compliance_results.outcome is 'class=phi;about=pass, fail, not_applicable, or missing_data when a fact or an answer is not known.';
comment on column clinical.stg_compliance_results.evidence is 'class=phi;about=What was looked at: the document, the answer, or the facts of the rule.';
comment on column clinical.stg_compliance_results.input_hash is 'class=operational;about=SHA-256 of facts, documents, guideline and engine version: the same input is evaluated once.';
comment on column clinical.stg_compliance_results.evaluated_at is 'class=operational;about=When; the same in all rows of one evaluation.';
comment on column clinical.stg_compliance_results.engine_version is 'class=operational;about=Version of the rules of evaluation.';
comment on column clinical.stg_compliance_results.waived_by is 'class=operational;about=Doctor who waived the criterion.';
comment on column clinical.stg_compliance_results.waiver_reason is 'class=phi;about=Why it was waived. A waiver holds for the input that it was given for.';
select core.comment_standard_columns('clinical.stg_compliance_results');

alter table clinical.stg_compliance_results enable row level security, force row level security;
drop policy if exists tenant_isolation on clinical.stg_compliance_results;
create policy tenant_isolation on clinical.stg_compliance_results
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger stg_compliance_results_append_only before update or delete on clinical.stg_compliance_results
  for each row execute function core.refuse_change();
create or replace trigger stg_compliance_results_no_truncate before truncate on clinical.stg_compliance_results
  for each statement execute function core.refuse_change();
create or replace trigger stg_compliance_results_guideline_visible
  before insert or update of guideline_id on clinical.stg_compliance_results
  for each row execute function core.check_shared_reference('guideline_id', 'clinical.stg_guidelines');
create or replace trigger stg_compliance_results_criterion_visible
  before insert or update of criterion_id on clinical.stg_compliance_results
  for each row execute function core.check_shared_reference('criterion_id', 'clinical.stg_criteria');
select audit.track('clinical.stg_compliance_results');

-- written by clinical.evaluate_stg, evaluate_stg_claim and waive_stg_criterion only
grant select on clinical.stg_compliance_results to clinical_app;
grant select on clinical.stg_compliance_results to clinical_ro;

-- other services: tables

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

create or replace view facility.beds with (security_invoker = true) as
select
  r.tenant_id,
  r.entity_id as id,
  (r.attrs ->> 'location_id')::uuid as location_id,
  r.attrs ->> 'status' as status,
  (r.attrs ->> 'deleted_at')::timestamp with time zone as deleted_at
from core.entity_refs r
where r.entity_type = 'facility.beds' and (r.lifecycle <> 'deleted' or r.attrs ? 'deleted_at');

comment on view facility.beds is 'about=What the service facility publishes of facility.beds, kept by its events.';
comment on column facility.beds.tenant_id is 'class=operational;about=The tenant that the row belongs to; null in a tenant-or-global table means shared by all.';
comment on column facility.beds.id is 'class=operational;about=Identity of the row, a UUID version 7.';
comment on column facility.beds.location_id is 'class=operational;about=The ward, room or bay it stands in.';
comment on column facility.beds.status is 'class=operational;about=vacant, reserved, occupied, cleaning, blocked or maintenance.';
comment on column facility.beds.deleted_at is 'class=operational;about=When the row was deleted; the row itself stays.';

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

create or replace view facility.departments with (security_invoker = true) as
select
  r.tenant_id,
  r.entity_id as id,
  (r.attrs ->> 'clinic_id')::uuid as clinic_id,
  r.attrs ->> 'name' as name,
  (r.attrs ->> 'deleted_at')::timestamp with time zone as deleted_at
from core.entity_refs r
where r.entity_type = 'facility.departments' and (r.lifecycle <> 'deleted' or r.attrs ? 'deleted_at');

comment on view facility.departments is 'about=What the service facility publishes of facility.departments, kept by its events.';
comment on column facility.departments.tenant_id is 'class=operational;about=The tenant that the row belongs to; null in a tenant-or-global table means shared by all.';
comment on column facility.departments.id is 'class=operational;about=Identity of the row, a UUID version 7.';
comment on column facility.departments.clinic_id is 'class=operational;about=The clinic it belongs to.';
comment on column facility.departments.name is 'class=operational;about=Name of the department.';
comment on column facility.departments.deleted_at is 'class=operational;about=When the row was deleted; the row itself stays.';

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

create or replace view workforce.doctors with (security_invoker = true) as
select
  r.tenant_id,
  r.entity_id as id,
  (r.attrs ->> 'staff_id')::uuid as staff_id,
  (r.attrs ->> 'registration_valid_to')::date as registration_valid_to,
  (r.attrs ->> 'deleted_at')::timestamp with time zone as deleted_at
from core.entity_refs r
where r.entity_type = 'workforce.doctors' and (r.lifecycle <> 'deleted' or r.attrs ? 'deleted_at');

comment on view workforce.doctors is 'about=What the service business publishes of workforce.doctors, kept by its events.';
comment on column workforce.doctors.tenant_id is 'class=operational;about=The tenant that the row belongs to; null in a tenant-or-global table means shared by all.';
comment on column workforce.doctors.id is 'class=operational;about=Identity of the row, a UUID version 7.';
comment on column workforce.doctors.staff_id is 'class=pii;about=The person.';
comment on column workforce.doctors.registration_valid_to is 'class=pii;about=Last day of the registration; null when it does not lapse.';
comment on column workforce.doctors.deleted_at is 'class=operational;about=When the row was deleted; the row itself stays.';

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

-- clinical: foreign keys

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'clinical.procedures'::pg_catalog.regclass and conname = 'procedures_service_request_fkey') then
    alter table clinical.procedures add constraint procedures_service_request_fkey
  foreign key (tenant_id, service_request_id) references clinical.service_requests (tenant_id, id);
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

-- Registration: one person, one record. Likely duplicates are shown before a second record is made.
create or replace function patient.find_duplicates(
  p_name text,
  p_birth_date date,
  p_birth_date_precision text default 'day',
  p_sex text default null,
  p_mobile_bidx bytea default null,
  p_threshold numeric default null
) returns table (patient_id uuid, score numeric, reasons text[])
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_key text := patient.name_key(p_name);
  v_threshold numeric := coalesce(p_threshold, (core.setting('patient.match_threshold') #>> '{}')::numeric, 0.70);
begin
  return query
  with candidate as (
    -- two index ranges: same sound and about the same birth date, or same mobile number
    select p.id, p.name_phonetic, p.birth_date, p.birth_date_precision, p.sex, p.mobile_bidx
    from patient.patients p
    where
      p.tenant_id = v_tenant and p.deleted_at is null and p.merged_into_id is null and v_key <> ''
      and p.name_phonetic = v_key and p.birth_date between p_birth_date - 366 and p_birth_date + 366
    union
    select p.id, p.name_phonetic, p.birth_date, p.birth_date_precision, p.sex, p.mobile_bidx
    from patient.patients p
    where p.tenant_id = v_tenant and p.deleted_at is null and p.merged_into_id is null and p.mobile_bidx = p_mobile_bidx
  ),
  compared as (
    select
      c.id,
      c.name_phonetic = v_key as same_name,
      c.birth_date = p_birth_date
        and 'day' = all (array[c.birth_date_precision, p_birth_date_precision]) as same_birth_date,
      abs(c.birth_date - p_birth_date) <= 366
        and 'day' <> any (array[c.birth_date_precision, p_birth_date_precision]) as near_birth_date,
      abs(c.birth_date - p_birth_date) > 366 as other_birth_date,
      c.mobile_bidx = p_mobile_bidx as same_mobile,
      c.sex = p_sex and p_sex <> 'unknown' as same_sex
    from candidate c
  ),
  scored as (
    select
      m.id,
      greatest(
        case when m.same_name then 0.45 else 0 end
        + case
            when m.same_birth_date then 0.30
            when m.near_birth_date then 0.15
            when m.other_birth_date then -0.15
            else 0
          end
        + case when m.same_mobile then 0.20 else 0 end
        + case when m.same_sex then 0.05 else 0 end,
        0
      ) as score,
      array_remove(
        array[
          case when m.same_name then 'name' end,
          case when m.same_birth_date or m.near_birth_date then 'birth_date' end,
          case when m.same_mobile then 'mobile' end,
          case when m.same_sex then 'sex' end
        ],
        null
      ) as reasons
    from compared m
  )
  select s.id, s.score, s.reasons
  from scored s
  where s.score >= v_threshold
  order by s.score desc, s.id
  limit 20;
end
$$;

comment on function patient.find_duplicates(text, date, text, text, bytea, numeric) is 'about=Patients that may be the same person, best first, with a score of 0 to 1 (name 0.45, birth date 0.30, mobile 0.20, sex 0.05) and what they have in common. Threshold: p_threshold, else setting patient.match_threshold, else 0.70. IM003 no tenant.';

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

create or replace function patient.add_identifier(p_patient_id uuid, p_identifier jsonb) returns uuid
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_system text := p_identifier ->> 'system_uri';
  v_bidx bytea := patient.bytes_of(p_identifier, 'value_bidx');
  v_id uuid;
  v_holder uuid;
begin
  perform
  from patient.patients p
  where p.tenant_id = v_tenant and p.id = p_patient_id and p.merged_into_id is null and p.deleted_at is null;
  if not found then
    raise exception 'patient % does not exist or was merged', p_patient_id
      using errcode = 'IM005', hint = 'search the patient again';
  end if;
  -- whoever else registers this identifier waits until we are done
  perform pg_advisory_xact_lock(hashtextextended('patient.identifier' || v_tenant || encode(v_bidx, 'hex'), 0));
  select i.id, i.patient_id into v_id, v_holder
  from patient.patient_identifiers i
  where i.tenant_id = v_tenant and i.system_uri = v_system and i.value_bidx = v_bidx and i.deleted_at is null;
  if v_holder = p_patient_id then
    return v_id;
  end if;
  if v_holder is not null then
    raise exception 'an identifier of system "%" belongs to patient %', v_system, v_holder
      using errcode = 'IM210', hint = 'open that patient, or propose a merge if both are one person';
  end if;

  insert into patient.patient_identifiers (
    tenant_id, patient_id, kind, system_uri, value_enc, value_bidx, value_last4, assigner, verified_at,
    verification_method, is_primary
  )
  values (
    v_tenant, p_patient_id, p_identifier ->> 'kind', v_system, patient.bytes_of(p_identifier, 'value_enc'), v_bidx,
    p_identifier ->> 'value_last4', p_identifier ->> 'assigner', (p_identifier ->> 'verified_at')::timestamptz,
    p_identifier ->> 'verification_method', coalesce((p_identifier ->> 'is_primary')::boolean, false)
  )
  returning id into v_id;
  return v_id;
end
$$;

comment on function patient.add_identifier(uuid, jsonb) is 'about=Gives a patient an identifier {kind, system_uri, value_enc, value_bidx, value_last4, assigner, verified_at, verification_method, is_primary}, bytes in hexadecimal; returns its row. Giving it twice changes nothing. IM003 no tenant, IM005 no such patient, IM210 it belongs to another patient.';

create or replace function patient.register(
  p_demographics jsonb,
  p_identifiers jsonb default '[]',
  p_key text default null,
  p_force boolean default false,
  p_force_reason text default null
) returns table (outcome text, patient_id uuid, mrn text, candidates jsonb, failure_code text)
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_known text[] := array[
    'mrn', 'given_name', 'middle_name', 'family_name', 'sex', 'gender_identity', 'birth_date', 'birth_date_precision',
    'deceased_at', 'blood_group', 'marital_status', 'language', 'nationality', 'mobile_enc', 'mobile_bidx', 'email_enc',
    'email_bidx', 'address_enc', 'pin_code', 'state_code', 'district_lgd', 'phi_enc', 'data_key_kid', 'emr_system',
    'emr_id', 'portal_user_id', 'registered_clinic_id', 'is_vip'
  ];
  -- ciphertext of the same text differs every time, so it does not tell a repeated request from another one
  v_ciphertext text[] := array['mobile_enc', 'email_enc', 'address_enc', 'phi_enc', 'data_key_kid', 'value_enc'];
  v_hash bytea;
  v_claim record;
  v_unknown text;
  v_name text := concat_ws(
    ' ', p_demographics ->> 'given_name', p_demographics ->> 'middle_name', p_demographics ->> 'family_name'
  );
  v_birth_date date := (p_demographics ->> 'birth_date')::date;
  v_mobile_bidx bytea := patient.bytes_of(p_demographics, 'mobile_bidx');
  v_clinic_id uuid := (p_demographics ->> 'registered_clinic_id')::uuid;
  v_clinic record;
  v_identifier jsonb;
  v_lock text;
  v_candidates jsonb := '[]';
  v_id uuid;
  v_mrn text;
  v_response jsonb;
begin
  if p_key is not null then
    select sha256(convert_to(
      jsonb_build_array(
        p_demographics - v_ciphertext,
        (
          select jsonb_agg(e.value - v_ciphertext order by e.ordinality)
          from jsonb_array_elements(p_identifiers) with ordinality e
        ),
        p_force
      )::text,
      'UTF8'
    ))
    into v_hash;
    v_claim := core.idempotent_begin('patient.register', p_key, v_hash);
    if v_claim.state = 'done' then
      return query
      select
        v_claim.response ->> 'outcome', (v_claim.response ->> 'patient_id')::uuid, v_claim.response ->> 'mrn',
        v_claim.response -> 'candidates', v_claim.response ->> 'failure_code';
      return;
    end if;
  end if;

  select k.key into v_unknown from jsonb_object_keys(p_demographics) as k (key) where k.key <> all (v_known) limit 1;
  if v_unknown is not null then
    raise exception 'demographics has an unknown key "%"', v_unknown
      using errcode = '22023', hint = 'known keys: ' || array_to_string(v_known, ', ');
  end if;
  if p_force and nullif(btrim(p_force_reason), '') is null then
    raise exception 'registering a likely duplicate needs a reason'
      using errcode = 'IM002', hint = 'pass p_force_reason: why this is another person';
  end if;
  perform patient.check_birth_date(v_birth_date);

  select c.code, c.status into v_clinic
  from facility.clinics c
  where c.tenant_id = v_tenant and c.id = v_clinic_id and c.deleted_at is null;
  if not found then
    raise exception 'clinic % does not exist', v_clinic_id
      using errcode = 'IM005', hint = 'set registered_clinic_id to a clinic of the tenant';
  end if;
  if v_clinic.status in ('suspended', 'closed') then
    raise exception 'clinic % is % and registers nobody', v_clinic_id, v_clinic.status
      using errcode = 'IM006', hint = 'choose an active clinic';
  end if;

  -- Two desks that register the same person at the same moment meet here: by name and birth date, by mobile number, by
  -- identifier. All in one order, so that they cannot wait for each other in a circle.
  for v_lock in
    select l.key
    from (
      select 'patient.name' || v_tenant || patient.name_key(v_name) || coalesce(v_birth_date::text, '') as key
      union
      select 'patient.mobile' || v_tenant || encode(v_mobile_bidx, 'hex')
      union
      select 'patient.identifier' || v_tenant || encode(patient.bytes_of(e.value, 'value_bidx'), 'hex')
      from jsonb_array_elements(p_identifiers) e
    ) l
    where l.key is not null
    order by hashtextextended(l.key, 0)
  loop
    perform pg_advisory_xact_lock(hashtextextended(v_lock, 0));
  end loop;

  if not p_force then
    select coalesce(
      jsonb_agg(
        jsonb_build_object('patient_id', d.patient_id, 'score', d.score, 'reasons', d.reasons) order by d.score desc
      ),
      '[]'
    )
    into v_candidates
    from patient.find_duplicates(
      v_name, v_birth_date, coalesce(p_demographics ->> 'birth_date_precision', 'day'), p_demographics ->> 'sex',
      v_mobile_bidx
    ) d;
  end if;

  if v_candidates = '[]' then
    if p_force then
      perform core.set_reason(p_force_reason);
    end if;
    v_id := core.uuid_v7();
    v_mrn := coalesce(
      p_demographics ->> 'mrn',
      core.next_number('mrn', case when core.setting('mrn.series') #>> '{}' = 'clinic' then v_clinic.code else '' end)
    );
    insert into patient.patients (
      tenant_id, id, mrn, given_name, middle_name, family_name, sex, gender_identity, birth_date, birth_date_precision,
      blood_group, marital_status, language, nationality, mobile_enc, mobile_bidx, email_enc, email_bidx, address_enc,
      pin_code, state_code, district_lgd, phi_enc, data_key_kid, emr_system, emr_id, portal_user_id,
      registered_clinic_id, is_vip, deceased_at
    )
    values (
      v_tenant, v_id, v_mrn, p_demographics ->> 'given_name', p_demographics ->> 'middle_name',
      p_demographics ->> 'family_name', coalesce(p_demographics ->> 'sex', 'unknown'),
      p_demographics ->> 'gender_identity', v_birth_date, coalesce(p_demographics ->> 'birth_date_precision', 'day'),
      p_demographics ->> 'blood_group',
      p_demographics ->> 'marital_status', p_demographics ->> 'language', p_demographics ->> 'nationality',
      patient.bytes_of(p_demographics, 'mobile_enc'), v_mobile_bidx, patient.bytes_of(p_demographics, 'email_enc'),
      patient.bytes_of(p_demographics, 'email_bidx'), patient.bytes_of(p_demographics, 'address_enc'),
      p_demographics ->> 'pin_code', p_demographics ->> 'state_code', (p_demographics ->> 'district_lgd')::int,
      nullif(p_demographics -> 'phi_enc', 'null'), p_demographics ->> 'data_key_kid',
      coalesce((p_demographics ->> 'emr_system')::core.emr_system, 'INTERNAL'), p_demographics ->> 'emr_id',
      (p_demographics ->> 'portal_user_id')::uuid, v_clinic_id, coalesce((p_demographics ->> 'is_vip')::boolean, false),
      (p_demographics ->> 'deceased_at')::timestamptz
    );
    for v_identifier in select e.value from jsonb_array_elements(p_identifiers) e
    loop
      perform patient.add_identifier(v_id, v_identifier);
    end loop;
  end if;

  v_response := jsonb_build_object(
    'outcome', case when v_id is null then 'likely_duplicate' else 'registered' end,
    'patient_id', v_id,
    'mrn', v_mrn,
    'candidates', v_candidates,
    'failure_code', case when v_id is null then 'IM211' end
  );
  if p_key is not null then
    perform core.idempotent_finish('patient.register', p_key, v_response);
  end if;
  return query
  select v_response ->> 'outcome', v_id, v_mrn, v_candidates, v_response ->> 'failure_code';
end
$$;

comment on function patient.register(jsonb, jsonb, text, boolean, text) is 'about=Registers a patient with identifiers and takes an MRN from series mrn. p_demographics has the columns of patient.patients by name, encrypted and blind-index bytes in hexadecimal. outcome registered, or likely_duplicate (failure_code IM211) with candidates and nothing written; p_force with a reason registers all the same, under a new p_key. Same p_key and content, same answer. IM002, IM003, IM005 no such clinic, IM006 clinic closed, IM010, IM011, IM210 identifier of another patient, IM212 birth date or MRN, IM551 no MRN series.';

-- Find patients by any part of their name.
create or replace function patient.search(p_text text, p_limit int default 20)
  returns table (patient_id uuid, mrn text, full_name text, sex text, birth_date date, status text)
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_text text := btrim(patient.searchable_name(p_text));
  v_hash bigint;
  v_count bigint;
  v_rarest bigint;
  v_fewest bigint;
begin
  if length(v_text) < 3 then
    raise exception 'three letters are needed to search for a name'
      using errcode = '22023', hint = 'type more of the name, or search by MRN';
  end if;
  -- the three letters that the fewest names have; beyond a few hundred it no longer matters which
  foreach v_hash in array patient.hashed_trigrams(v_tenant, v_text) loop
    select count(*) into v_count
    from (
      select from patient.name_trigrams n where n.tenant_id = v_tenant and n.trigram = v_hash limit 300
    ) as holders;
    if v_fewest is null or v_count < v_fewest then
      v_fewest := v_count;
      v_rarest := v_hash;
    end if;
    exit when v_fewest = 0;
  end loop;

  return query
    select p.id, p.mrn, concat_ws(' ', p.given_name, p.middle_name, p.family_name), p.sex, p.birth_date, p.status
    from patient.name_trigrams n
    join patient.patients p on p.tenant_id = n.tenant_id and p.id = n.patient_id
    where
      n.tenant_id = v_tenant
      and n.trigram = v_rarest
      and p.tenant_id = v_tenant
      and p.deleted_at is null
      and p.status <> 'merged'
      and strpos(patient.searchable_name(concat_ws(' ', p.given_name, p.middle_name, p.family_name)), v_text) > 0
    order by p.family_name_lc, p.given_name_lc, p.id
    limit p_limit;
end
$$;

comment on function patient.search(text, int) is 'about=Patients whose name holds the text, at least three letters, in the order of their names; merged and deleted records are left out. 22023 shorter text, IM003 no tenant.';

-- Merging duplicates: proposed by one person, approved by another, reversible. Rows of other modules keep the id of the
-- duplicate; whoever reads them asks for patient.ids_of, or listens to patient.merged.v1.
create or replace function patient.propose_merge(
  p_survivor uuid,
  p_duplicate uuid,
  p_reason text,
  p_match_score numeric default 0,
  p_match_reasons text[] default '{}'
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
    raise exception 'a merge is proposed by a user'
      using errcode = 'IM006', hint = 'pass the user to core.begin_request';
  end if;
  perform patient.lock_pair(p_survivor, p_duplicate);
  select m.id into v_id
  from patient.patient_merges m
  where
    m.tenant_id = v_tenant and m.survivor_id = p_survivor and m.duplicate_id = p_duplicate
    and m.status in ('proposed', 'approved');
  if found then
    return v_id;
  end if;
  insert into patient.patient_merges (
    tenant_id, survivor_id, duplicate_id, match_score, match_reasons, requested_by, reason
  )
  values (v_tenant, p_survivor, p_duplicate, p_match_score, p_match_reasons, v_user, p_reason)
  returning id into v_id;
  return v_id;
end
$$;

comment on function patient.propose_merge(uuid, uuid, text, numeric, text[]) is 'about=Proposes to merge p_duplicate into p_survivor and returns the proposal; the same pair again returns the open one. IM003 no tenant, IM005 no such patient, IM006 no user; 23505 the pair is proposed the other way round.';

create or replace function patient.lock_pair(p_one uuid, p_other uuid) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_id uuid;
begin
  foreach v_id in array array[least(p_one, p_other), greatest(p_one, p_other)]
  loop
    perform
    from patient.patients p
    where p.tenant_id = v_tenant and p.id = v_id and p.deleted_at is null
    for no key update;
    if not found then
      raise exception 'patient % does not exist', v_id
        using errcode = 'IM005', hint = 'search the patient again';
    end if;
  end loop;
end
$$;

comment on function patient.lock_pair(uuid, uuid) is 'about=Locks two patients in the order of their ids. IM005 one of them does not exist.';

create or replace function patient.merge(p_survivor uuid, p_duplicate uuid, p_approver uuid default null) returns uuid
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_user uuid := core.current_user_id();
  v_merge patient.patient_merges;
  v_survivor patient.patients;
  v_duplicate patient.patients;
  v_identifier record;
  v_id uuid;
  v_identifiers jsonb := '[]';
  v_contacts jsonb := '[]';
  v_related jsonb := '[]';
  v_redirected jsonb := '[]';
begin
  if v_user is null or v_user <> coalesce(p_approver, v_user) then
    raise exception 'a merge is approved by the signed-in user'
      using errcode = 'IM006', hint = 'let the approver sign in';
  end if;
  perform patient.lock_pair(p_survivor, p_duplicate);
  select p.* into v_survivor from patient.patients p where p.tenant_id = v_tenant and p.id = p_survivor;
  select p.* into v_duplicate from patient.patients p where p.tenant_id = v_tenant and p.id = p_duplicate;

  if v_duplicate.merged_into_id = p_survivor then
    select m.id into v_id
    from patient.patient_merges m
    where
      m.tenant_id = v_tenant and m.survivor_id = p_survivor and m.duplicate_id = p_duplicate and m.status = 'merged';
    if found then
      return v_id;
    end if;
  end if;
  if v_duplicate.status <> 'active' then
    raise exception 'patient % is %, not active', p_duplicate, v_duplicate.status
      using errcode = 'IM001', hint = 'only an active patient can be merged into another';
  end if;
  if v_survivor.status = 'merged' then
    raise exception 'patient % was itself merged into %', p_survivor, v_survivor.merged_into_id
      using errcode = 'IM005', hint = 'merge into that patient';
  end if;

  select m.* into v_merge
  from patient.patient_merges m
  where
    m.tenant_id = v_tenant and m.survivor_id = p_survivor and m.duplicate_id = p_duplicate
    and m.status in ('proposed', 'approved')
  for update;
  if not found then
    raise exception 'nobody proposed to merge % into %', p_duplicate, p_survivor
      using errcode = 'IM005', hint = 'propose it with patient.propose_merge; another user approves';
  end if;
  if v_merge.requested_by = v_user then
    raise exception 'merge % cannot be approved by who proposed it', v_merge.id
      using errcode = 'IM006', hint = 'ask a second person';
  end if;
  if exists (
    select
    from patient.patient_identifiers a
    join patient.patient_identifiers b
      on b.tenant_id = a.tenant_id and b.patient_id = p_duplicate and b.kind = a.kind and b.value_bidx <> a.value_bidx
    where
      a.tenant_id = v_tenant and a.patient_id = p_survivor and a.kind = 'abha_number'
      and a.deleted_at is null and b.deleted_at is null
  ) then
    raise exception 'patients % and % have different ABHA numbers', p_survivor, p_duplicate
      using errcode = 'IM213', hint = 'find out which one is right and delete the other, or dismiss the merge';
  end if;

  perform core.set_reason(v_merge.reason);
  if v_merge.status = 'proposed' then
    update patient.patient_merges m
    set status = 'approved', approved_by = v_user
    where m.tenant_id = v_tenant and m.id = v_merge.id;
  end if;

  -- one primary identifier a kind: the survivor's own stays
  for v_identifier in
    select
      i.id,
      i.is_primary,
      i.is_primary and not exists (
        select
        from patient.patient_identifiers s
        where
          s.tenant_id = v_tenant and s.patient_id = p_survivor and s.kind = i.kind and s.is_primary
          and s.deleted_at is null
      ) as stays_primary
    from patient.patient_identifiers i
    where i.tenant_id = v_tenant and i.patient_id = p_duplicate and i.deleted_at is null
    order by i.id
  loop
    update patient.patient_identifiers i
    set patient_id = p_survivor, is_primary = v_identifier.stays_primary
    where i.tenant_id = v_tenant and i.id = v_identifier.id;
    v_identifiers := v_identifiers || jsonb_build_object('id', v_identifier.id, 'was_primary', v_identifier.is_primary);
  end loop;

  for v_id in
    select c.id
    from patient.patient_contacts c
    where
      c.tenant_id = v_tenant and c.patient_id = p_duplicate and c.deleted_at is null
      and c.related_patient_id is distinct from p_survivor
    order by c.id
  loop
    update patient.patient_contacts c set patient_id = p_survivor where c.tenant_id = v_tenant and c.id = v_id;
    v_contacts := v_contacts || to_jsonb(v_id);
  end loop;

  for v_id in
    select c.id
    from patient.patient_contacts c
    where c.tenant_id = v_tenant and c.related_patient_id = p_duplicate and c.patient_id <> p_survivor
    order by c.id
  loop
    update patient.patient_contacts c set related_patient_id = p_survivor where c.tenant_id = v_tenant and c.id = v_id;
    v_related := v_related || to_jsonb(v_id);
  end loop;

  -- who was merged into the duplicate before now points to the survivor: one step is always enough
  for v_id in
    select p.id from patient.patients p where p.tenant_id = v_tenant and p.merged_into_id = p_duplicate order by p.id
  loop
    update patient.patients p set merged_into_id = p_survivor where p.tenant_id = v_tenant and p.id = v_id;
    v_redirected := v_redirected || to_jsonb(v_id);
  end loop;

  update patient.patients p
  set
    status = 'merged',
    merged_into_id = p_survivor,
    portal_user_id = case when v_survivor.portal_user_id is null then null else p.portal_user_id end
  where p.tenant_id = v_tenant and p.id = p_duplicate;
  if v_survivor.portal_user_id is null and v_duplicate.portal_user_id is not null then
    update patient.patients p
    set portal_user_id = v_duplicate.portal_user_id
    where p.tenant_id = v_tenant and p.id = p_survivor;
  end if;

  update patient.patient_merges m
  set
    status = 'merged',
    executed_at = now(),
    moved_rows = jsonb_build_object(
      'identifiers', v_identifiers,
      'contacts', v_contacts,
      'related_contacts', v_related,
      'redirected', v_redirected,
      'portal_user_id', case when v_survivor.portal_user_id is null then v_duplicate.portal_user_id end
    )
  where m.tenant_id = v_tenant and m.id = v_merge.id;
  return v_merge.id;
end
$$;

comment on function patient.merge(uuid, uuid, uuid) is 'about=Approves the open proposal for the pair as the signed-in user and merges: identifiers, contacts and portal account move to the survivor and are listed in moved_rows; the duplicate gets status merged. Returns the merge; merging a merged pair changes nothing. IM001 the duplicate is not active, IM003, IM005 no such patient or proposal, IM006 approver is the proposer or not signed in, IM213 different ABHA numbers.';

create or replace function patient.dismiss_merge(p_merge uuid, p_reason text) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  perform core.set_reason(p_reason);
  update patient.patient_merges m
  set status = 'dismissed'
  where m.tenant_id = v_tenant and m.id = p_merge;
  if not found then
    raise exception 'merge % does not exist', p_merge using errcode = 'IM005', hint = 'list the open proposals again';
  end if;
end
$$;

comment on function patient.dismiss_merge(uuid, text) is 'about=Closes a proposal: the two are different people. IM001 it is not open, IM003 no tenant, IM005 no such proposal.';

create or replace function patient.unmerge(p_merge uuid, p_reason text) returns uuid
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_merge patient.patient_merges;
  v_duplicate patient.patients;
  v_moved jsonb;
begin
  if nullif(btrim(p_reason), '') is null then
    raise exception 'taking a merge back needs a reason' using errcode = 'IM002', hint = 'pass p_reason';
  end if;
  select m.* into v_merge from patient.patient_merges m where m.tenant_id = v_tenant and m.id = p_merge;
  if not found then
    raise exception 'merge % does not exist', p_merge using errcode = 'IM005', hint = 'list the merges of the patient';
  end if;
  perform patient.lock_pair(v_merge.survivor_id, v_merge.duplicate_id);
  select m.* into v_merge from patient.patient_merges m where m.tenant_id = v_tenant and m.id = p_merge for update;
  if v_merge.status = 'reversed' then
    return v_merge.duplicate_id;
  end if;
  select p.* into v_duplicate from patient.patients p where p.tenant_id = v_tenant and p.id = v_merge.duplicate_id;
  if v_merge.status = 'merged' and v_duplicate.merged_into_id is distinct from v_merge.survivor_id then
    raise exception 'patient % was merged again after merge %', v_merge.survivor_id, p_merge
      using errcode = 'IM006', hint = 'take the later merge back first';
  end if;

  perform core.set_reason(p_reason);
  update patient.patient_merges m
  set status = 'reversed', reversed_at = now()
  where m.tenant_id = v_tenant and m.id = p_merge;

  v_moved := v_merge.moved_rows;
  -- primary flags: the moved ones go back first, with the flag that they had
  update patient.patient_identifiers i
  set patient_id = v_merge.duplicate_id, is_primary = (e.value ->> 'was_primary')::boolean
  from jsonb_array_elements(v_moved -> 'identifiers') e
  where i.tenant_id = v_tenant and i.id = (e.value ->> 'id')::uuid and i.patient_id = v_merge.survivor_id;
  update patient.patient_contacts c
  set patient_id = v_merge.duplicate_id
  where
    c.tenant_id = v_tenant and c.patient_id = v_merge.survivor_id
    and c.id in (select e.value::uuid from jsonb_array_elements_text(v_moved -> 'contacts') e);
  update patient.patient_contacts c
  set related_patient_id = v_merge.duplicate_id
  where
    c.tenant_id = v_tenant and c.related_patient_id = v_merge.survivor_id
    and c.id in (select e.value::uuid from jsonb_array_elements_text(v_moved -> 'related_contacts') e);

  update patient.patients p
  set portal_user_id = null
  where
    p.tenant_id = v_tenant and p.id = v_merge.survivor_id
    and p.portal_user_id = (v_moved ->> 'portal_user_id')::uuid;
  update patient.patients p
  set
    status = 'active',
    merged_into_id = null,
    portal_user_id = coalesce((v_moved ->> 'portal_user_id')::uuid, p.portal_user_id)
  where p.tenant_id = v_tenant and p.id = v_merge.duplicate_id;
  update patient.patients p
  set merged_into_id = v_merge.duplicate_id
  where
    p.tenant_id = v_tenant and p.merged_into_id = v_merge.survivor_id
    and p.id in (select e.value::uuid from jsonb_array_elements_text(v_moved -> 'redirected') e);
  return v_merge.duplicate_id;
end
$$;

comment on function patient.unmerge(uuid, text) is 'about=Takes a merge back: rows of moved_rows that the survivor still holds return to the duplicate, which is active again. Returns the duplicate; a reversed merge again changes nothing. IM001 it was not merged, IM002 no reason, IM003, IM005 no such merge, IM006 a later merge must be taken back first.';

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

-- Who the signed-in user of the portal is: the source of core.patients_of_portal_user.
create or replace function patient.patients_of_portal_user() returns setof uuid
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
  select p.id
  from patient.patients p
  where p.tenant_id = core.current_tenant_id() and p.portal_user_id = core.current_user_id() and p.deleted_at is null
$$;

comment on function patient.patients_of_portal_user() is 'about=The patient that the signed-in user of the portal is.';

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

-- clinical: functions

-- Order of locks: patient, encounter, admission, what hangs on the encounter, beds, numbers, outbox.
create or replace function clinical.lock_encounter(p_encounter_id uuid) returns clinical.encounters
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_encounter clinical.encounters;
begin
  select e.* into v_encounter
  from clinical.encounters e
  where e.tenant_id = v_tenant and e.id = p_encounter_id and e.deleted_at is null
  for no key update;
  if not found then
    raise exception 'encounter % does not exist', p_encounter_id
      using errcode = 'IM005', hint = 'open it with clinical.open_encounter';
  end if;
  return v_encounter;
end
$$;

comment on function clinical.lock_encounter(uuid) is 'about=An encounter of the tenant, locked. IM003 no tenant, IM005 no such encounter.';

create or replace function clinical.lock_present_encounter(p_encounter_id uuid) returns clinical.encounters
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_encounter clinical.encounters := clinical.lock_encounter(p_encounter_id);
begin
  if v_encounter.status not in ('arrived', 'triaged', 'in_progress', 'on_leave') then
    raise exception 'encounter % is %', p_encounter_id, v_encounter.status
      using errcode = 'IM001', hint = 'this is done while the patient is here';
  end if;
  return v_encounter;
end
$$;

comment on function clinical.lock_present_encounter(uuid) is 'about=An encounter whose patient is here, locked. IM001 not arrived, or over, IM003 no tenant, IM005 no such encounter.';

create or replace function clinical.lock_admission(p_admission_id uuid) returns clinical.admissions
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_encounter_id uuid;
  v_admission clinical.admissions;
begin
  select a.encounter_id into v_encounter_id
  from clinical.admissions a
  where a.tenant_id = v_tenant and a.id = p_admission_id;
  if not found then
    raise exception 'admission % does not exist', p_admission_id
      using errcode = 'IM005', hint = 'ask for it with clinical.request_admission';
  end if;
  perform clinical.lock_encounter(v_encounter_id);
  select a.* into v_admission
  from clinical.admissions a
  where a.tenant_id = v_tenant and a.id = p_admission_id
  for no key update;
  return v_admission;
end
$$;

comment on function clinical.lock_admission(uuid) is 'about=An admission of the tenant, locked after its encounter. IM003 no tenant, IM005 no such admission.';

create or replace function clinical.require_reason(p_reason text, p_what text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if nullif(btrim(p_reason), '') is null then
    raise exception '% needs a reason', p_what using errcode = 'IM002', hint = 'say why';
  end if;
  perform core.set_reason(p_reason);
end
$$;

comment on function clinical.require_reason(text, text) is 'about=Arguments (reason, what): sets the reason that state machines and the audit log record. IM002 no reason.';

-- A contact begins. The caller may choose the id: sent again, it is the same encounter.
create or replace function clinical.open_encounter(
  p_patient_id uuid,
  p_class clinical.encounter_class,
  p_department_id uuid,
  p_attending_doctor_id uuid default null,
  p_appointment_id uuid default null,
  p_priority text default 'routine',
  p_payer_class text default 'self',
  p_parent_encounter_id uuid default null,
  p_referred_by text default null,
  p_chief_complaint_enc bytea default null,
  p_id uuid default null
) returns clinical.encounters
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_clinic uuid;
  v_encounter clinical.encounters;
begin
  -- the patient is read and locked by nobody else; two requests for one encounter meet here
  perform
  from patient.patients p
  where
    p.tenant_id = v_tenant and p.id = p_patient_id and p.deleted_at is null and p.status not in ('merged', 'deceased')
  for no key update;
  if not found then
    raise exception 'patient % does not exist, was merged or is deceased', p_patient_id
      using errcode = 'IM005', hint = 'search the patient again';
  end if;
  select e.* into v_encounter
  from clinical.encounters e
  where
    e.tenant_id = v_tenant
    and (
      e.id = p_id or (e.appointment_id = p_appointment_id and e.status not in ('cancelled', 'entered_in_error'))
    );
  if found then
    if v_encounter.patient_id <> p_patient_id then
      raise exception 'encounter % is of another patient', v_encounter.id
        using errcode = 'IM011', hint = 'choose a new id for a new encounter';
    end if;
    return v_encounter; -- asked again
  end if;
  select d.clinic_id into v_clinic
  from facility.departments d
  where d.tenant_id = v_tenant and d.id = p_department_id and d.deleted_at is null;
  if not found then
    raise exception 'department % does not exist', p_department_id
      using errcode = 'IM005', hint = 'choose a department of the tenant';
  end if;

  insert into clinical.encounters (
    tenant_id, id, encounter_number, patient_id, clinic_id, department_id, class, priority, attending_doctor_id,
    appointment_id, referred_by, parent_encounter_id, payer_class, chief_complaint_enc, period
  )
  values (
    v_tenant, coalesce(p_id, core.uuid_v7()), core.next_default_number('encounter', '', 'ENC-{YY}-'), p_patient_id,
    v_clinic, p_department_id, p_class, p_priority, p_attending_doctor_id, p_appointment_id, p_referred_by,
    p_parent_encounter_id, p_payer_class, p_chief_complaint_enc, tstzrange(now(), null)
  )
  returning * into v_encounter;
  return v_encounter;
end
$$;

comment on function clinical.open_encounter(uuid, clinical.encounter_class, uuid, uuid, uuid, text, text, uuid, text, bytea, uuid) is 'about=Opens a planned encounter of a patient in a department. An appointment, and an id that the caller chose, give one encounter however often they are sent. IM003 no tenant, IM005 no such patient or department, IM011 the id or the appointment is of another patient''s encounter.';

-- The course of an encounter. Each step answers the same when it is repeated.
create or replace function clinical.arrive_encounter(p_encounter_id uuid) returns clinical.encounters
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_encounter clinical.encounters := clinical.lock_encounter(p_encounter_id);
begin
  if v_encounter.status = 'arrived' then
    return v_encounter;
  end if;
  update clinical.encounters e
  set status = 'arrived', period = tstzrange(now(), null)
  where e.tenant_id = v_encounter.tenant_id and e.id = p_encounter_id
  returning e.* into v_encounter;
  return v_encounter;
end
$$;

comment on function clinical.arrive_encounter(uuid) is 'about=The patient is here: planned to arrived. IM001 not planned, IM005 no such encounter.';

create or replace function clinical.triage_encounter(p_encounter_id uuid, p_level int, p_isolation text default null)
  returns clinical.encounters
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_encounter clinical.encounters := clinical.lock_encounter(p_encounter_id);
begin
  if v_encounter.status = 'triaged' and v_encounter.triage_level = p_level
    and v_encounter.isolation is not distinct from coalesce(p_isolation, v_encounter.isolation) then
    return v_encounter;
  end if;
  update clinical.encounters e
  set status = 'triaged', triage_level = p_level, isolation = coalesce(p_isolation, e.isolation)
  where e.tenant_id = v_encounter.tenant_id and e.id = p_encounter_id
  returning e.* into v_encounter;
  return v_encounter;
end
$$;

comment on function clinical.triage_encounter(uuid, int, text) is 'about=Triage of a patient who arrived: level 1 (most urgent) to 5, and isolation where it is needed; may be repeated with another level. IM001 not arrived, IM005 no such encounter.';

create or replace function clinical.start_encounter(p_encounter_id uuid, p_attending_doctor_id uuid default null)
  returns clinical.encounters
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_encounter clinical.encounters := clinical.lock_encounter(p_encounter_id);
begin
  if v_encounter.status = 'in_progress' then
    return v_encounter;
  end if;
  if v_encounter.status not in ('arrived', 'triaged', 'on_leave') then
    raise exception 'encounter % is %', p_encounter_id, v_encounter.status
      using errcode = 'IM001', hint = 'only a patient who is here can be seen';
  end if;
  update clinical.encounters e
  set status = 'in_progress', attending_doctor_id = coalesce(p_attending_doctor_id, e.attending_doctor_id)
  where e.tenant_id = v_encounter.tenant_id and e.id = p_encounter_id
  returning e.* into v_encounter;
  perform clinical.join_attending(v_encounter);
  return v_encounter;
end
$$;

comment on function clinical.start_encounter(uuid, uuid) is 'about=The patient is seen: arrived, triaged or on leave to in progress; the attending doctor joins the care team. IM001 not here, IM005 no such encounter.';

create or replace function clinical.send_on_leave(p_encounter_id uuid) returns clinical.encounters
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_encounter clinical.encounters := clinical.lock_encounter(p_encounter_id);
begin
  if v_encounter.status = 'on_leave' then
    return v_encounter;
  end if;
  update clinical.encounters e
  set status = 'on_leave'
  where e.tenant_id = v_encounter.tenant_id and e.id = p_encounter_id
  returning e.* into v_encounter;
  return v_encounter;
end
$$;

comment on function clinical.send_on_leave(uuid) is 'about=The patient goes home for some hours and keeps the bed; clinical.start_encounter takes them back. IM001 not in progress, IM005 no such encounter.';

create or replace function clinical.register_medico_legal_case(p_encounter_id uuid, p_police_intimated_at timestamptz default null)
  returns clinical.encounters
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_encounter clinical.encounters := clinical.lock_encounter(p_encounter_id);
  v_number text := v_encounter.mlc_number;
begin
  if v_encounter.is_mlc
    and v_encounter.police_intimated_at is not distinct from coalesce(p_police_intimated_at, v_encounter.police_intimated_at)
  then
    return v_encounter;
  end if;
  if v_number is null then
    v_number := core.next_default_number('mlc', '', 'MLC-{YY}-');
  end if;
  update clinical.encounters e
  set
    is_mlc = true,
    mlc_number = v_number,
    police_intimated_at = coalesce(p_police_intimated_at, e.police_intimated_at)
  where e.tenant_id = v_encounter.tenant_id and e.id = p_encounter_id
  returning e.* into v_encounter;
  return v_encounter;
end
$$;

comment on function clinical.register_medico_legal_case(uuid, timestamptz) is 'about=Makes an encounter a medico-legal case with a number of its own, and notes when the police was told. Asked again: the same number. IM005 no such encounter.';

-- Who treats the patient.
create or replace function clinical.add_care_team_member(p_encounter_id uuid, p_staff_id uuid, p_role text)
  returns clinical.care_team_members
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_encounter clinical.encounters := clinical.lock_encounter(p_encounter_id);
  v_member clinical.care_team_members;
begin
  if v_encounter.status in ('finished', 'cancelled', 'entered_in_error') then
    raise exception 'encounter % is %', p_encounter_id, v_encounter.status
      using errcode = 'IM001', hint = 'nobody joins the team of an encounter that is over';
  end if;
  select m.* into v_member
  from clinical.care_team_members m
  where
    m.tenant_id = v_encounter.tenant_id and m.encounter_id = p_encounter_id and m.staff_id = p_staff_id
    and m.role = p_role and upper_inf(m.period);
  if found then
    return v_member; -- asked again
  end if;
  insert into clinical.care_team_members (tenant_id, encounter_id, staff_id, role, period)
  values (v_encounter.tenant_id, p_encounter_id, p_staff_id, p_role, tstzrange(clock_timestamp(), null))
  returning * into v_member;
  return v_member;
end
$$;

comment on function clinical.add_care_team_member(uuid, uuid, text) is 'about=A member of staff joins the care team of an encounter in a role, from now on. Asked again: the same row. IM001 the encounter is over, IM005 no such encounter.';

create or replace function clinical.end_care_team_member(p_member_id uuid) returns clinical.care_team_members
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_at timestamptz := clock_timestamp();
  v_member clinical.care_team_members;
begin
  update clinical.care_team_members m
  set period = tstzrange(lower(m.period), v_at)
  where m.tenant_id = v_tenant and m.id = p_member_id and upper_inf(m.period)
  returning m.* into v_member;
  if not found then
    select m.* into v_member
    from clinical.care_team_members m
    where m.tenant_id = v_tenant and m.id = p_member_id;
    if not found then
      raise exception 'member % of a care team does not exist', p_member_id
        using errcode = 'IM005', hint = 'take the id from clinical.care_team_members';
    end if;
  end if;
  return v_member;
end
$$;

comment on function clinical.end_care_team_member(uuid) is 'about=A member of the care team treats the patient no longer, from now on. Asked again: nothing changes. IM005 no such member.';

create or replace function clinical.join_attending(p_encounter clinical.encounters) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_staff uuid;
begin
  select d.staff_id into v_staff
  from workforce.doctors d
  where d.tenant_id = p_encounter.tenant_id and d.id = p_encounter.attending_doctor_id;
  if found then
    perform clinical.add_care_team_member(p_encounter.id, v_staff, 'attending');
  end if;
end
$$;

comment on function clinical.join_attending(clinical.encounters) is 'about=The attending doctor of an encounter joins its care team.';

-- Admission of a patient, with the bed.
create or replace function clinical.request_admission(
  p_encounter_id uuid,
  p_admission_type text,
  p_care_class text,
  p_admitting_doctor_id uuid,
  p_expected_discharge_on date default null
) returns clinical.admissions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_encounter clinical.encounters := clinical.lock_encounter(p_encounter_id);
  v_admission clinical.admissions;
begin
  select a.* into v_admission
  from clinical.admissions a
  where a.tenant_id = v_encounter.tenant_id and a.encounter_id = p_encounter_id;
  if found then
    return v_admission; -- asked again
  end if;
  if v_encounter.status not in ('planned', 'arrived', 'triaged', 'in_progress') then
    raise exception 'encounter % is %', p_encounter_id, v_encounter.status
      using errcode = 'IM001', hint = 'open a new encounter of class IMP';
  end if;
  if v_encounter.class <> 'IMP' and p_admission_type <> 'day_care' then
    raise exception 'encounter % is of class %', p_encounter_id, v_encounter.class
      using errcode = 'IM001', hint = 'admit with an encounter of class IMP whose parent is this one';
  end if;
  insert into clinical.admissions (
    tenant_id, encounter_id, admission_number, admission_type, care_class, admitting_doctor_id, expected_discharge_on
  )
  values (
    v_encounter.tenant_id, p_encounter_id, core.next_default_number('admission', '', 'IPD-{YY}-'), p_admission_type,
    p_care_class, p_admitting_doctor_id, p_expected_discharge_on
  )
  returning * into v_admission;
  return v_admission;
end
$$;

comment on function clinical.request_admission(uuid, text, text, uuid, date) is 'about=Asks for the admission of an inpatient encounter (day care: of any class), as elective, emergency, transfer, newborn or day_care. Asked again: the same admission. IM001 the encounter is over or not of class IMP, IM005 no such encounter.';

-- Discharge in four steps: ordered, clinically complete, billing cleared, physically gone. Modules whose work must be done
-- before a step refuse it by a trigger on clinical.admissions (IM203). The bed goes to cleaning at the last step only.
create or replace function clinical.order_discharge(p_admission_id uuid, p_kind text default 'normal') returns clinical.admissions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_admission clinical.admissions := clinical.lock_admission(p_admission_id);
begin
  if v_admission.status = 'discharge_ordered' and v_admission.discharge_kind = p_kind then
    return v_admission;
  end if;
  if v_admission.status <> 'admitted' then
    raise exception 'admission % is %', p_admission_id, v_admission.status
      using errcode = 'IM001', hint = 'only a patient who is admitted can be discharged; withdraw an order to change its kind';
  end if;
  update clinical.admissions a
  set
    status = 'discharge_ordered', discharge_ordered_at = now(), discharge_ordered_by = workforce.acting_staff_id(),
    discharge_kind = p_kind
  where a.tenant_id = v_admission.tenant_id and a.id = p_admission_id
  returning a.* into v_admission;
  return v_admission;
end
$$;

comment on function clinical.order_discharge(uuid, text) is 'about=Step 1: a member of staff orders discharge, as normal, lama, dama, transfer, death or absconded. IM001 not admitted, IM005 no such admission, IM006 the user is no member of staff.';

create or replace function clinical.withdraw_discharge(p_admission_id uuid, p_reason text) returns clinical.admissions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_admission clinical.admissions := clinical.lock_admission(p_admission_id);
begin
  if v_admission.status = 'admitted' then
    return v_admission;
  end if;
  perform clinical.require_reason(p_reason, 'withdrawing a discharge');
  update clinical.admissions a
  set
    status = 'admitted', discharge_ordered_at = null, discharge_ordered_by = null, discharge_kind = null,
    pharmacy_cleared_at = null, pharmacy_waiver_reason = null, billing_cleared_at = null, billing_waiver_reason = null
  where a.tenant_id = v_admission.tenant_id and a.id = p_admission_id
  returning a.* into v_admission;
  return v_admission;
end
$$;

comment on function clinical.withdraw_discharge(uuid, text) is 'about=The patient stays after all: back to admitted, clearances are void. IM001 not in discharge, IM002 no reason, IM005 no such admission.';

create or replace function clinical.complete_clinical_discharge(p_admission_id uuid) returns clinical.admissions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_admission clinical.admissions := clinical.lock_admission(p_admission_id);
  v_form text;
begin
  if v_admission.status = 'clinically_discharged' then
    return v_admission;
  end if;
  if v_admission.status <> 'discharge_ordered' then
    raise exception 'admission % is %', p_admission_id, v_admission.status
      using errcode = 'IM001', hint = 'order discharge first';
  end if;
  v_form := core.setting('clinical.discharge_forms') ->> v_admission.discharge_kind;
  if not exists (
    select
    from clinical.discharge_summaries s
    where s.tenant_id = v_admission.tenant_id and s.encounter_id = v_admission.encounter_id and s.status = 'final'
  ) and not exists (
    select
    from clinical.medical_records r
    where
      r.tenant_id = v_admission.tenant_id and r.encounter_id = v_admission.encounter_id and r.type_code = v_form
      and r.status = 'signed'
  ) then
    raise exception 'stay % has no final discharge summary', v_admission.encounter_id
      using errcode = 'IM205',
        hint = coalesce('approve the summary, or sign the form ' || v_form, 'approve the summary first');
  end if;
  update clinical.admissions a
  set status = 'clinically_discharged'
  where a.tenant_id = v_admission.tenant_id and a.id = p_admission_id
  returning a.* into v_admission;
  return v_admission;
end
$$;

comment on function clinical.complete_clinical_discharge(uuid) is 'about=Step 2: the clinical work is done. It needs a final discharge summary, or the signed form that setting clinical.discharge_forms names for the kind of discharge (death, left against advice, absconded). IM001 not ordered, IM005 no such admission, IM203 work of another module is open, IM205 no summary.';

create or replace function clinical.clear_pharmacy(p_admission_id uuid, p_waiver_reason text default null)
  returns clinical.admissions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_admission clinical.admissions := clinical.lock_admission(p_admission_id);
begin
  if v_admission.pharmacy_cleared_at is not null then
    return v_admission;
  end if;
  if v_admission.status not in ('discharge_ordered', 'clinically_discharged') then
    raise exception 'admission % is %', p_admission_id, v_admission.status
      using errcode = 'IM001', hint = 'order discharge first';
  end if;
  update clinical.admissions a
  set pharmacy_cleared_at = now(), pharmacy_waiver_reason = nullif(btrim(p_waiver_reason), '')
  where a.tenant_id = v_admission.tenant_id and a.id = p_admission_id
  returning a.* into v_admission;
  return v_admission;
end
$$;

comment on function clinical.clear_pharmacy(uuid, text) is 'about=The pharmacy has nothing open for the stay, or its clearance is waived with a reason. IM001 discharge is not ordered, IM005 no such admission, IM203 the module of medicines has something open.';

create or replace function clinical.clear_billing(p_admission_id uuid, p_waiver_reason text default null)
  returns clinical.admissions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_admission clinical.admissions := clinical.lock_admission(p_admission_id);
begin
  if v_admission.status = 'billing_cleared' then
    return v_admission;
  end if;
  if v_admission.status <> 'clinically_discharged' then
    raise exception 'admission % is %', p_admission_id, v_admission.status
      using errcode = 'IM001', hint = 'complete the clinical discharge first';
  end if;
  if v_admission.pharmacy_cleared_at is null then
    raise exception 'admission % is not cleared by the pharmacy', p_admission_id
      using errcode = 'IM203', hint = 'clear the pharmacy first: its bill must be complete';
  end if;
  update clinical.admissions a
  set
    status = 'billing_cleared', billing_cleared_at = now(), billing_waiver_reason = nullif(btrim(p_waiver_reason), '')
  where a.tenant_id = v_admission.tenant_id and a.id = p_admission_id
  returning a.* into v_admission;
  return v_admission;
end
$$;

comment on function clinical.clear_billing(uuid, text) is 'about=Step 3: the bill is settled, or waived with a reason. IM001 not clinically discharged, IM005 no such admission, IM203 the pharmacy is not cleared, or the bill is open.';

-- "No known allergies" is said, not assumed.
create or replace function clinical.state_no_known_allergies(p_patient_id uuid, p_encounter_id uuid default null)
  returns clinical.allergies
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_row clinical.allergies;
begin
  insert into clinical.allergies (
    tenant_id, patient_id, encounter_id, kind, display, verification_status, recorded_by
  )
  values (
    v_tenant, p_patient_id, p_encounter_id, 'none_known', 'No known allergies', 'confirmed', workforce.acting_staff_id()
  )
  on conflict (tenant_id, patient_id)
    where kind = 'none_known' and clinical_status = 'active' and deleted_at is null
    do nothing
  returning * into v_row;
  if not found then
    select a.* into v_row
    from clinical.allergies a
    where
      a.tenant_id = v_tenant and a.patient_id = p_patient_id and a.kind = 'none_known' and a.clinical_status = 'active'
      and a.deleted_at is null;
  end if;
  return v_row;
end
$$;

comment on function clinical.state_no_known_allergies(uuid, uuid) is 'about=States that a patient has no known allergies. Asked again: the same row. An allergy that is recorded later ends it. IM006 the user is no member of staff, 23514 (allergies_none_known_contradicts) the patient has active allergies.';

-- Vital signs are recorded as a set. A wrong set is replaced by a new one; nothing is changed.
create or replace function clinical.record_vital_signs(
  p_patient_id uuid,
  p_encounter_id uuid,
  p_values jsonb,
  p_measured_at timestamptz default now(),
  p_device_id uuid default null,
  p_id uuid default null,
  p_replaces_id uuid default null
) returns clinical.vital_signs
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_known constant text[] := array[
    'temperature_c', 'pulse', 'resp_rate', 'systolic', 'diastolic', 'spo2', 'spo2_scale', 'on_oxygen', 'weight_kg',
    'height_cm', 'pain_score', 'consciousness', 'glucose_mg_dl', 'is_error'
  ];
  v_unknown text;
  v_patient uuid;
  v_row clinical.vital_signs;
begin
  if p_id is not null then
    -- the time is part of the key: two that send one set with the default meet here
    perform pg_advisory_xact_lock(hashtextextended('clinical.vital_signs ' || v_tenant || p_id, 0));
    select r.* into v_row from clinical.vital_signs r where r.tenant_id = v_tenant and r.id = p_id;
    if found then
      if v_row.patient_id <> p_patient_id then
        raise exception 'vital signs % are of another patient', p_id
          using errcode = 'IM011', hint = 'choose a new id for a new set';
      end if;
      return v_row; -- sent again
    end if;
  end if;
  select k.key into v_unknown from jsonb_object_keys(p_values) as k (key) where k.key <> all (v_known) limit 1;
  if found then
    raise exception 'vital signs have no value "%"', v_unknown
      using errcode = '22023', hint = 'known: ' || array_to_string(v_known, ', ');
  end if;
  select e.patient_id into v_patient
  from clinical.encounters e
  where e.tenant_id = v_tenant and e.id = p_encounter_id;
  if v_patient <> p_patient_id then
    raise exception 'encounter % is not of patient %', p_encounter_id, p_patient_id
      using errcode = '23514', hint = 'take the patient from the encounter';
  end if;
  select r.patient_id into v_patient
  from clinical.vital_signs r
  where r.tenant_id = v_tenant and r.id = p_replaces_id;
  if p_replaces_id is not null and v_patient is distinct from p_patient_id then
    raise exception 'vital signs % of patient % do not exist', p_replaces_id, p_patient_id
      using errcode = 'IM005', hint = 'correct a row of the same patient';
  end if;

  insert into clinical.vital_signs (
    tenant_id, id, measured_at, patient_id, encounter_id, temperature_c, pulse, resp_rate, systolic, diastolic, spo2,
    spo2_scale, on_oxygen, weight_kg, height_cm, pain_score, consciousness, glucose_mg_dl, device_id, recorded_by,
    replaces_id, is_error
  )
  values (
    v_tenant, coalesce(p_id, core.uuid_v7()), p_measured_at, p_patient_id, p_encounter_id,
    (p_values ->> 'temperature_c')::numeric, (p_values ->> 'pulse')::smallint, (p_values ->> 'resp_rate')::smallint,
    (p_values ->> 'systolic')::smallint, (p_values ->> 'diastolic')::smallint, (p_values ->> 'spo2')::smallint,
    coalesce((p_values ->> 'spo2_scale')::smallint, 1), (p_values ->> 'on_oxygen')::boolean,
    (p_values ->> 'weight_kg')::numeric, (p_values ->> 'height_cm')::numeric, (p_values ->> 'pain_score')::smallint,
    p_values ->> 'consciousness', (p_values ->> 'glucose_mg_dl')::numeric, p_device_id, workforce.acting_staff_id(),
    p_replaces_id, coalesce((p_values ->> 'is_error')::boolean, false)
  )
  returning * into v_row;
  return v_row;
end
$$;

comment on function clinical.record_vital_signs(uuid, uuid, jsonb, timestamptz, uuid, uuid, uuid) is 'about=Records a set of vital signs: p_values has the columns of clinical.vital_signs by name. NEWS2 is computed. p_replaces_id corrects an earlier set; {"is_error": true} says that it should not exist. An id that the caller chose is recorded once. IM005 no such set to correct, IM006 the user is no member of staff, IM011 the id is of another patient''s set, 22023 unknown value, 23514 out of range or in the future.';

-- Coded observations. A correction is a new row; the old one stays and says that it was amended.
create or replace function clinical.record_observation(
  p_patient_id uuid,
  p_encounter_id uuid,
  p_category text,
  p_code_system text,
  p_code text,
  p_display text,
  p_value jsonb,
  p_effective_at timestamptz default now(),
  p_parent_id uuid default null,
  p_id uuid default null,
  p_replaces_id uuid default null
) returns clinical.observations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_id uuid := coalesce(p_id, core.uuid_v7());
  v_patient uuid;
  v_row clinical.observations;
begin
  select o.* into v_row
  from clinical.observations o
  where o.tenant_id = v_tenant and o.id = v_id;
  if found then
    if v_row.patient_id <> p_patient_id then
      raise exception 'observation % is of another patient', v_id
        using errcode = 'IM011', hint = 'choose a new id for a new observation';
    end if;
    return v_row; -- sent again
  end if;
  select e.patient_id into v_patient
  from clinical.encounters e
  where e.tenant_id = v_tenant and e.id = p_encounter_id;
  if v_patient <> p_patient_id then
    raise exception 'encounter % is not of patient %', p_encounter_id, p_patient_id
      using errcode = '23514', hint = 'take the patient from the encounter';
  end if;
  insert into clinical.observations (
    tenant_id, id, effective_at, patient_id, encounter_id, category, code_system, code, display, value_num, unit_ucum,
    value_code, value_text_enc, value_bool, interpretation, body_site, method, parent_id, replaces_id, performer_id
  )
  values (
    v_tenant, v_id, p_effective_at, p_patient_id, p_encounter_id, p_category, p_code_system, p_code, p_display,
    (p_value ->> 'num')::numeric, p_value ->> 'unit', p_value ->> 'code', patient.bytes_of(p_value, 'text_enc'),
    (p_value ->> 'bool')::boolean, p_value ->> 'interpretation', p_value ->> 'body_site', p_value ->> 'method',
    p_parent_id, p_replaces_id, workforce.acting_staff_id()
  );
  update clinical.observations o
  set status = 'final'
  where o.tenant_id = v_tenant and o.id = v_id and o.effective_at = p_effective_at
  returning o.* into v_row;
  return v_row;
end
$$;

comment on function clinical.record_observation(uuid, uuid, text, text, text, text, jsonb, timestamptz, uuid, uuid, uuid) is 'about=Records a final observation. p_value: one of num (with unit, UCUM), code, bool, text_enc (bytes in hexadecimal); and interpretation, body_site, method. An id that the caller chose is recorded once. IM006 the user is no member of staff, IM011 the id is of another patient''s observation, 23514 two values, or a number without unit.';

create or replace function clinical.amend_observation(p_observation_id uuid, p_value jsonb, p_reason text)
  returns clinical.observations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_old clinical.observations;
  v_new clinical.observations;
begin
  select o.* into v_old
  from clinical.observations o
  where o.tenant_id = v_tenant and o.id = p_observation_id
  for no key update;
  if not found then
    raise exception 'observation % does not exist', p_observation_id
      using errcode = 'IM005', hint = 'take the id from clinical.observations';
  end if;
  if v_old.status = 'amended' then
    select o.* into v_new
    from clinical.observations o
    where o.tenant_id = v_tenant and o.patient_id = v_old.patient_id and o.replaces_id = p_observation_id;
    return v_new; -- asked again
  end if;
  perform clinical.require_reason(p_reason, 'amending an observation');
  update clinical.observations o
  set status = 'amended'
  where o.tenant_id = v_tenant and o.id = p_observation_id and o.effective_at = v_old.effective_at;
  return clinical.record_observation(
    v_old.patient_id, v_old.encounter_id, v_old.category, v_old.code_system, v_old.code, v_old.display, p_value,
    v_old.effective_at, v_old.parent_id, null, v_old.id
  );
end
$$;

comment on function clinical.amend_observation(uuid, jsonb, text) is 'about=Corrects the value of a final observation by a new row, which is returned; the old one is amended. Asked again: the same row. IM001 not final, IM002 no reason, IM005 no such observation, IM006 the user is no member of staff.';

-- Clinical notes: written, signed, amended by an addendum.
create or replace function clinical.lock_medical_record(p_record_id uuid) returns clinical.medical_records
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_record clinical.medical_records;
begin
  select r.* into v_record
  from clinical.medical_records r
  where r.tenant_id = core.require_tenant() and r.id = p_record_id
  for no key update;
  if not found then
    raise exception 'medical record % does not exist', p_record_id
      using errcode = 'IM005', hint = 'take the id from clinical.medical_records';
  end if;
  return v_record;
end
$$;

comment on function clinical.lock_medical_record(uuid) is 'about=A note of the tenant, locked. IM003 no tenant, IM005 no such note.';

create or replace function clinical.write_medical_record(
  p_encounter_id uuid,
  p_type_code text,
  p_title text,
  p_content_enc bytea,
  p_content_hash bytea,
  p_sections jsonb default null,
  p_confidentiality text default 'N',
  p_cosigner_id uuid default null,
  p_id uuid default null,
  p_amends_id uuid default null,
  p_amendment_reason text default null
) returns clinical.medical_records
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_encounter clinical.encounters := clinical.lock_encounter(p_encounter_id);
  v_record clinical.medical_records;
begin
  select r.* into v_record
  from clinical.medical_records r
  where r.tenant_id = v_encounter.tenant_id and r.id = p_id;
  if found then
    if v_record.encounter_id <> p_encounter_id then
      raise exception 'medical record % belongs to another encounter', p_id
        using errcode = 'IM011', hint = 'choose a new id for a new note';
    end if;
    return v_record; -- sent again
  end if;
  insert into clinical.medical_records (
    tenant_id, id, record_number, patient_id, encounter_id, type_code, title, content_enc, content_hash, sections,
    author_id, cosigner_id, confidentiality, late_entry, amends_id, amendment_reason
  )
  values (
    v_encounter.tenant_id, coalesce(p_id, core.uuid_v7()), core.next_default_number('medical_record', '', 'MR-{YY}-'),
    v_encounter.patient_id, p_encounter_id, p_type_code, p_title, p_content_enc, p_content_hash, p_sections,
    workforce.acting_staff_id(), p_cosigner_id, p_confidentiality,
    v_encounter.status = 'finished', p_amends_id, p_amendment_reason
  )
  returning * into v_record;
  return v_record;
end
$$;

comment on function clinical.write_medical_record(uuid, text, text, bytea, bytea, jsonb, text, uuid, uuid, uuid, text) is 'about=Writes a draft note of the member of staff who is signed in: encrypted content and the SHA-256 of its text. A note that is written after the encounter is a late entry. An id that the caller chose is written once. IM005 no such encounter, IM006 the user is no member of staff, IM011 the id is of another encounter''s note.';

create or replace function clinical.sign_medical_record(p_record_id uuid) returns clinical.medical_records
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_record clinical.medical_records := clinical.lock_medical_record(p_record_id);
  v_signer uuid := workforce.acting_staff_id();
begin
  if v_record.status = 'signed' and v_record.signed_by = v_signer then
    return v_record;
  end if;
  if v_record.author_id <> v_signer then
    raise exception 'medical record % was written by somebody else', p_record_id
      using errcode = 'IM006', hint = 'its author signs; a senior adds a signature with clinical.cosign_medical_record';
  end if;
  update clinical.medical_records r
  set status = 'signed', signed_at = now(), signed_by = v_signer
  where r.tenant_id = v_record.tenant_id and r.id = p_record_id
  returning r.* into v_record;
  if v_record.amends_id is not null then -- the addendum counts from its signature on
    perform core.set_reason(v_record.amendment_reason);
    update clinical.medical_records r
    set status = 'amended'
    where r.tenant_id = v_record.tenant_id and r.id = v_record.amends_id and r.status = 'signed';
  end if;
  return v_record;
end
$$;

comment on function clinical.sign_medical_record(uuid) is 'about=The author signs a draft: from now on nobody changes it. Signing an addendum marks the note that it names as amended. IM001 not a draft, IM005 no such note, IM006 the user is not its author.';

create or replace function clinical.cosign_medical_record(p_record_id uuid) returns clinical.medical_records
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_record clinical.medical_records := clinical.lock_medical_record(p_record_id);
begin
  if v_record.cosigner_id is distinct from workforce.acting_staff_id() then
    raise exception 'medical record % names somebody else, or nobody, as cosigner', p_record_id
      using errcode = 'IM006', hint = 'the senior who is named cosigns';
  end if;
  if v_record.cosigned_at is not null then
    return v_record;
  end if;
  if v_record.status <> 'signed' then
    raise exception 'medical record % is %', p_record_id, v_record.status
      using errcode = 'IM001', hint = 'its author signs first';
  end if;
  update clinical.medical_records r
  set cosigned_at = now()
  where r.tenant_id = v_record.tenant_id and r.id = p_record_id
  returning r.* into v_record;
  return v_record;
end
$$;

comment on function clinical.cosign_medical_record(uuid) is 'about=The senior who is named in a signed note signs it as well. IM001 not signed by its author, IM005 no such note, IM006 the user is not its cosigner.';

create or replace function clinical.amend_medical_record(
  p_record_id uuid,
  p_content_enc bytea,
  p_content_hash bytea,
  p_reason text,
  p_sections jsonb default null,
  p_id uuid default null
) returns clinical.medical_records
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_record clinical.medical_records;
begin
  select r.* into v_record
  from clinical.medical_records r
  where r.tenant_id = core.require_tenant() and r.id = p_record_id;
  if not found then
    raise exception 'medical record % does not exist', p_record_id
      using errcode = 'IM005', hint = 'take the id from clinical.medical_records';
  end if;
  if v_record.status not in ('signed', 'amended') then
    raise exception 'medical record % is %', p_record_id, v_record.status
      using errcode = 'IM001', hint = 'a draft is edited, a signed note is amended';
  end if;
  perform clinical.require_reason(p_reason, 'an addendum');
  return clinical.write_medical_record(
    v_record.encounter_id, v_record.type_code, v_record.title, p_content_enc, p_content_hash, p_sections,
    v_record.confidentiality, null, p_id, v_record.id, p_reason
  );
end
$$;

comment on function clinical.amend_medical_record(uuid, bytea, bytea, text, jsonb, uuid) is 'about=Writes an addendum to a signed note, as a draft note of its own that names it; sign it to let it count. IM001 the note is not signed, IM002 no reason, IM005 no such note, IM006 the user is no member of staff.';

create or replace function clinical.discard_medical_record(p_record_id uuid) returns clinical.medical_records
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_record clinical.medical_records := clinical.lock_medical_record(p_record_id);
begin
  if v_record.status = 'discarded' then
    return v_record;
  end if;
  if v_record.author_id <> workforce.acting_staff_id() then
    raise exception 'medical record % was written by somebody else', p_record_id
      using errcode = 'IM006', hint = 'its author discards it';
  end if;
  update clinical.medical_records r
  set status = 'discarded'
  where r.tenant_id = v_record.tenant_id and r.id = p_record_id
  returning r.* into v_record;
  return v_record;
end
$$;

comment on function clinical.discard_medical_record(uuid) is 'about=The author discards a draft. IM001 signed already, IM005 no such note, IM006 the user is not its author.';

create or replace function clinical.mark_medical_record_in_error(p_record_id uuid, p_reason text) returns clinical.medical_records
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_record clinical.medical_records := clinical.lock_medical_record(p_record_id);
begin
  if v_record.status = 'entered_in_error' then
    return v_record;
  end if;
  if v_record.signed_by is distinct from workforce.acting_staff_id() then
    raise exception 'medical record % was signed by somebody else', p_record_id
      using errcode = 'IM006', hint = 'who signed it says that it was an error';
  end if;
  perform clinical.require_reason(p_reason, 'marking a note as an error');
  update clinical.medical_records r
  set status = 'entered_in_error'
  where r.tenant_id = v_record.tenant_id and r.id = p_record_id
  returning r.* into v_record;
  return v_record;
end
$$;

comment on function clinical.mark_medical_record_in_error(uuid, text) is 'about=Who signed a note says that it should not exist, for a wrong patient for example; it stays readable. IM001 not signed, IM002 no reason, IM005 no such note, IM006 somebody else signed it.';

-- Orders. The services that carry them out (laboratory, imaging, blood) complete them.
create or replace function clinical.lock_order(p_order_id uuid) returns clinical.service_requests
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_order clinical.service_requests;
begin
  select o.* into v_order
  from clinical.service_requests o
  where o.tenant_id = core.require_tenant() and o.id = p_order_id
  for no key update;
  if not found then
    raise exception 'order % does not exist', p_order_id
      using errcode = 'IM005', hint = 'take the id from clinical.open_orders';
  end if;
  return v_order;
end
$$;

comment on function clinical.lock_order(uuid) is 'about=An order of the tenant, locked. IM003 no tenant, IM005 no such order.';

create or replace function clinical.place_order(
  p_encounter_id uuid,
  p_category text,
  p_code_system text,
  p_code text,
  p_display text,
  p_priority text default 'routine',
  p_instructions text default null,
  p_target_department_id uuid default null,
  p_occurrence_at timestamptz default null,
  p_details jsonb default '{}',
  p_id uuid default null
) returns clinical.service_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_encounter clinical.encounters := clinical.lock_encounter(p_encounter_id);
  v_id uuid := coalesce(p_id, core.uuid_v7());
  v_order clinical.service_requests;
begin
  select o.* into v_order
  from clinical.service_requests o
  where o.tenant_id = v_encounter.tenant_id and o.id = v_id;
  if found then
    if v_order.encounter_id <> p_encounter_id then
      raise exception 'order % belongs to another encounter', v_id
        using errcode = 'IM011', hint = 'choose a new id for a new order';
    end if;
    return v_order; -- sent again
  end if;
  if v_encounter.status not in ('planned', 'arrived', 'triaged', 'in_progress', 'on_leave') then
    raise exception 'encounter % is %', p_encounter_id, v_encounter.status
      using errcode = 'IM001', hint = 'orders are placed before the encounter is over';
  end if;
  insert into clinical.service_requests (
    tenant_id, id, order_number, patient_id, encounter_id, category, code_system, code, display, intent, priority,
    requester_id, occurrence_at, recurrence, reason_code, instructions, target_department_id, referral_to, group_id
  )
  values (
    v_encounter.tenant_id, v_id, core.next_default_number('order', '', 'ORD-{YY}-'), v_encounter.patient_id,
    p_encounter_id, p_category, p_code_system, p_code, p_display, coalesce(p_details ->> 'intent', 'order'), p_priority,
    workforce.acting_staff_id(), p_occurrence_at, p_details -> 'recurrence', p_details ->> 'reason_code', p_instructions,
    p_target_department_id, p_details ->> 'referral_to', (p_details ->> 'group_id')::uuid
  );
  update clinical.service_requests o
  set status = 'active'
  where o.tenant_id = v_encounter.tenant_id and o.id = v_id
  returning o.* into v_order;
  return v_order;
end
$$;

comment on function clinical.place_order(uuid, text, text, text, text, text, text, uuid, timestamptz, jsonb, uuid) is 'about=Places an active order of the member of staff who is signed in; p_details may carry intent, recurrence, reason_code, referral_to, group_id. An id that the caller chose is placed once. IM001 the encounter is over, IM005 no such encounter, IM006 the user is no member of staff, IM011 the id is of another encounter''s order.';

create or replace function clinical.hold_order(p_order_id uuid, p_reason text) returns clinical.service_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_order clinical.service_requests := clinical.lock_order(p_order_id);
begin
  if v_order.status = 'on_hold' then
    return v_order;
  end if;
  perform clinical.require_reason(p_reason, 'holding an order');
  update clinical.service_requests o
  set status = 'on_hold', hold_reason = p_reason
  where o.tenant_id = v_order.tenant_id and o.id = p_order_id
  returning o.* into v_order;
  return v_order;
end
$$;

comment on function clinical.hold_order(uuid, text) is 'about=An active order waits. IM001 not active, IM002 no reason, IM005 no such order.';

create or replace function clinical.resume_order(p_order_id uuid) returns clinical.service_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_order clinical.service_requests := clinical.lock_order(p_order_id);
begin
  if v_order.status = 'active' then
    return v_order;
  end if;
  if v_order.status <> 'on_hold' then
    raise exception 'order % is %', p_order_id, v_order.status
      using errcode = 'IM001', hint = 'only an order on hold is resumed';
  end if;
  update clinical.service_requests o
  set status = 'active', hold_reason = null
  where o.tenant_id = v_order.tenant_id and o.id = p_order_id
  returning o.* into v_order;
  return v_order;
end
$$;

comment on function clinical.resume_order(uuid) is 'about=An order on hold is active again. IM001 not on hold, IM005 no such order.';

create or replace function clinical.complete_order(p_order_id uuid) returns clinical.service_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_order clinical.service_requests := clinical.lock_order(p_order_id);
begin
  if v_order.status = 'completed' then
    return v_order;
  end if;
  update clinical.service_requests o
  set status = 'completed'
  where o.tenant_id = v_order.tenant_id and o.id = p_order_id
  returning o.* into v_order;
  return v_order;
end
$$;

comment on function clinical.complete_order(uuid) is 'about=What was ordered is done. IM001 not active, IM005 no such order.';

create or replace function clinical.revoke_order(p_order_id uuid, p_reason text) returns clinical.service_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_order clinical.service_requests := clinical.lock_order(p_order_id);
begin
  if v_order.status = 'revoked' then
    return v_order;
  end if;
  perform clinical.require_reason(p_reason, 'revoking an order');
  update clinical.service_requests o
  set status = 'revoked', revoke_reason = p_reason
  where o.tenant_id = v_order.tenant_id and o.id = p_order_id
  returning o.* into v_order;
  return v_order;
end
$$;

comment on function clinical.revoke_order(uuid, text) is 'about=An order that is active or on hold is not carried out. IM001 completed or cancelled, IM002 no reason, IM005 no such order.';

-- A procedure from plan to end, with the three stops of the WHO surgical safety checklist.
create or replace function clinical.lock_procedure(p_procedure_id uuid) returns clinical.procedures
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_procedure clinical.procedures;
begin
  select p.* into v_procedure
  from clinical.procedures p
  where p.tenant_id = core.require_tenant() and p.id = p_procedure_id
  for no key update;
  if not found then
    raise exception 'procedure % does not exist', p_procedure_id
      using errcode = 'IM005', hint = 'plan it with clinical.plan_procedure';
  end if;
  return v_procedure;
end
$$;

comment on function clinical.lock_procedure(uuid) is 'about=A procedure of the tenant, locked. IM003 no tenant, IM005 no such procedure.';

create or replace function clinical.plan_procedure(
  p_encounter_id uuid,
  p_kind text,
  p_code_system text,
  p_code text,
  p_display text,
  p_laterality text default 'na',
  p_primary_surgeon_id uuid default null,
  p_anaesthetist_id uuid default null,
  p_anaesthesia_type text default null,
  p_asa_class int default null,
  p_service_request_id uuid default null,
  p_consent_id uuid default null,
  p_id uuid default null
) returns clinical.procedures
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_encounter clinical.encounters := clinical.lock_encounter(p_encounter_id);
  v_procedure clinical.procedures;
begin
  select p.* into v_procedure
  from clinical.procedures p
  where p.tenant_id = v_encounter.tenant_id and p.id = p_id;
  if found then
    if v_procedure.encounter_id <> p_encounter_id then
      raise exception 'procedure % belongs to another encounter', p_id
        using errcode = 'IM011', hint = 'choose a new id for a new procedure';
    end if;
    return v_procedure; -- sent again
  end if;
  insert into clinical.procedures (
    tenant_id, id, procedure_number, patient_id, encounter_id, service_request_id, code_system, code, display, kind,
    laterality, asa_class, anaesthesia_type, primary_surgeon_id, anaesthetist_id, consent_id
  )
  values (
    v_encounter.tenant_id, coalesce(p_id, core.uuid_v7()), core.next_default_number('procedure', '', 'PROC-{YY}-'),
    v_encounter.patient_id, p_encounter_id, p_service_request_id, p_code_system, p_code, p_display, p_kind,
    p_laterality, p_asa_class, p_anaesthesia_type, p_primary_surgeon_id, p_anaesthetist_id, p_consent_id
  )
  returning * into v_procedure;
  return v_procedure;
end
$$;

comment on function clinical.plan_procedure(uuid, text, text, text, text, text, uuid, uuid, text, int, uuid, uuid, uuid) is 'about=Plans a procedure: surgery, bedside, diagnostic or therapy. An id that the caller chose is planned once. IM005 no such encounter, IM011 the id is of another encounter''s procedure.';

create or replace function clinical.sign_in_procedure(p_procedure_id uuid, p_answers jsonb default '{}')
  returns clinical.procedures
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_procedure clinical.procedures := clinical.lock_procedure(p_procedure_id);
  v_people uuid[] := patient.ids_of(v_procedure.patient_id);
begin
  if v_procedure.sign_in_at is not null then
    return v_procedure;
  end if;
  perform clinical.lock_present_encounter(v_procedure.encounter_id);
  if v_procedure.kind = 'surgery' and not exists (
    select
    from compliance.consents c
    where
      c.tenant_id = v_procedure.tenant_id and c.id = v_procedure.consent_id and c.patient_id = any (v_people)
      and c.kind = 'surgery' and c.decision = 'permit' and c.status = 'active'
      and (c.expires_at is null or c.expires_at > now())
      and (c.encounter_id is null or c.encounter_id = v_procedure.encounter_id)
      and not exists (
        select
        from compliance.consents d
        where
          d.tenant_id = c.tenant_id and d.patient_id = any (v_people) and d.kind = c.kind and d.decision = 'deny'
          and d.status = 'active' and d.given_at >= c.given_at
          and (d.encounter_id is null or d.encounter_id = v_procedure.encounter_id)
      )
  ) then
    raise exception 'procedure % has no consent to surgery that is in force', p_procedure_id
      using errcode = 'IM006', hint = 'record the consent of the patient and set consent_id';
  end if;
  update clinical.procedures p
  set
    status = 'in_progress', sign_in_at = now(), patient_in_at = coalesce(p.patient_in_at, now()),
    checklist = coalesce(p.checklist, '{}') || jsonb_build_object('sign_in', p_answers)
  where p.tenant_id = v_procedure.tenant_id and p.id = p_procedure_id
  returning p.* into v_procedure;
  return v_procedure;
end
$$;

comment on function clinical.sign_in_procedure(uuid, jsonb) is 'about=Sign-in, before anaesthesia: the procedure begins. Surgery needs the patient''s active consent to surgery, under whichever of merged records, and no later denial. Asked again: nothing changes. IM001 not in preparation, or the patient is not here, IM005 no such procedure, IM006 no consent.';

create or replace function clinical.time_out_procedure(p_procedure_id uuid, p_answers jsonb default '{}')
  returns clinical.procedures
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_procedure clinical.procedures := clinical.lock_procedure(p_procedure_id);
begin
  if v_procedure.time_out_at is not null then
    return v_procedure;
  end if;
  if v_procedure.status <> 'in_progress' then
    raise exception 'procedure % is %', p_procedure_id, v_procedure.status
      using errcode = 'IM001', hint = 'sign in first';
  end if;
  update clinical.procedures p
  set time_out_at = now(), checklist = p.checklist || jsonb_build_object('time_out', p_answers)
  where p.tenant_id = v_procedure.tenant_id and p.id = p_procedure_id
  returning p.* into v_procedure;
  return v_procedure;
end
$$;

comment on function clinical.time_out_procedure(uuid, jsonb) is 'about=Time-out, before incision: patient, site and procedure are confirmed by the team. Asked again: nothing changes. IM001 not signed in, or over, IM005 no such procedure.';

create or replace function clinical.record_incision(p_procedure_id uuid) returns clinical.procedures
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_procedure clinical.procedures := clinical.lock_procedure(p_procedure_id);
begin
  if v_procedure.incision_at is not null then
    return v_procedure;
  end if;
  if v_procedure.status <> 'in_progress' or v_procedure.time_out_at is null then
    raise exception 'procedure % had no time-out', p_procedure_id
      using errcode = 'IM001', hint = 'no incision before the time-out';
  end if;
  update clinical.procedures p
  set incision_at = now()
  where p.tenant_id = v_procedure.tenant_id and p.id = p_procedure_id
  returning p.* into v_procedure;
  return v_procedure;
end
$$;

comment on function clinical.record_incision(uuid) is 'about=Incision. Asked again: nothing changes. IM001 no time-out yet, or over, IM005 no such procedure.';

create or replace function clinical.sign_out_procedure(
  p_procedure_id uuid,
  p_counts_correct boolean,
  p_answers jsonb default '{}',
  p_blood_loss_ml int default null,
  p_complications text default null
) returns clinical.procedures
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_procedure clinical.procedures := clinical.lock_procedure(p_procedure_id);
begin
  if v_procedure.sign_out_at is not null then
    return v_procedure;
  end if;
  if v_procedure.status <> 'in_progress' or v_procedure.time_out_at is null then
    raise exception 'procedure % had no time-out', p_procedure_id
      using errcode = 'IM001', hint = 'sign-in, time-out, sign-out: in this order';
  end if;
  update clinical.procedures p
  set
    sign_out_at = now(), closure_at = case when p.incision_at is not null then coalesce(p.closure_at, now()) end,
    counts_correct = p_counts_correct, blood_loss_ml = coalesce(p_blood_loss_ml, p.blood_loss_ml),
    complications = coalesce(p_complications, p.complications),
    checklist = p.checklist || jsonb_build_object('sign_out', p_answers)
  where p.tenant_id = v_procedure.tenant_id and p.id = p_procedure_id
  returning p.* into v_procedure;
  return v_procedure;
end
$$;

comment on function clinical.sign_out_procedure(uuid, boolean, jsonb, int, text) is 'about=Sign-out, before the patient leaves the theatre: were the counts of swabs, needles and instruments right. Asked again: nothing changes. IM001 no time-out yet, or over, IM005 no such procedure.';

create or replace function clinical.complete_procedure(p_procedure_id uuid) returns clinical.procedures
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_procedure clinical.procedures := clinical.lock_procedure(p_procedure_id);
begin
  if v_procedure.status = 'completed' then
    return v_procedure;
  end if;
  if v_procedure.kind = 'surgery' and v_procedure.sign_out_at is null then
    raise exception 'surgery % is not signed out', p_procedure_id
      using errcode = 'IM001', hint = 'count and sign out first';
  end if;
  if v_procedure.status = 'preparation' and v_procedure.kind <> 'surgery' then -- no theatre, no checklist
    update clinical.procedures p
    set status = 'in_progress'
    where p.tenant_id = v_procedure.tenant_id and p.id = p_procedure_id;
  end if;
  update clinical.procedures p
  set status = 'completed', patient_out_at = coalesce(p.patient_out_at, now())
  where p.tenant_id = v_procedure.tenant_id and p.id = p_procedure_id
  returning p.* into v_procedure;
  update clinical.service_requests o
  set status = 'completed'
  where o.tenant_id = v_procedure.tenant_id and o.id = v_procedure.service_request_id and o.status = 'active';
  return v_procedure;
end
$$;

comment on function clinical.complete_procedure(uuid) is 'about=The procedure is over, and so is its order. Surgery must be signed out; other procedures need no checklist. Asked again: nothing changes. IM001 not begun, stopped, or surgery not signed out, IM005 no such procedure.';

create or replace function clinical.abandon_procedure(p_procedure_id uuid, p_reason text) returns clinical.procedures
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_procedure clinical.procedures := clinical.lock_procedure(p_procedure_id);
begin
  if v_procedure.status in ('not_done', 'stopped') then
    return v_procedure;
  end if;
  perform clinical.require_reason(p_reason, 'abandoning a procedure');
  update clinical.procedures p
  set status = case p.status when 'preparation' then 'not_done' else 'stopped' end
  where p.tenant_id = v_procedure.tenant_id and p.id = p_procedure_id
  returning p.* into v_procedure;
  return v_procedure;
end
$$;

comment on function clinical.abandon_procedure(uuid, text) is 'about=A planned procedure is not done, or one that began is stopped. IM001 completed, IM002 no reason, IM005 no such procedure.';

-- Implants, so that a recall finds the patients.
create or replace function clinical.record_implant(
  p_procedure_id uuid,
  p_item_id uuid,
  p_body_site text,
  p_batch_id uuid default null,
  p_udi text default null,
  p_serial_number text default null,
  p_sticker_document_id uuid default null,
  p_id uuid default null
) returns clinical.implants
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_procedure clinical.procedures := clinical.lock_procedure(p_procedure_id);
  v_implant clinical.implants;
begin
  select i.* into v_implant
  from clinical.implants i
  where i.tenant_id = v_procedure.tenant_id and i.id = p_id;
  if found then
    if v_implant.procedure_id <> p_procedure_id then
      raise exception 'implant % belongs to another procedure', p_id
        using errcode = 'IM011', hint = 'choose a new id for a new implant';
    end if;
    return v_implant; -- sent again
  end if;
  if v_procedure.status not in ('in_progress', 'completed') then
    raise exception 'procedure % is %', p_procedure_id, v_procedure.status
      using errcode = 'IM001', hint = 'an implant is recorded during a procedure or after it';
  end if;
  insert into clinical.implants (
    tenant_id, id, patient_id, procedure_id, item_id, batch_id, udi, serial_number, body_site, sticker_document_id
  )
  values (
    v_procedure.tenant_id, coalesce(p_id, core.uuid_v7()), v_procedure.patient_id, p_procedure_id, p_item_id,
    p_batch_id, p_udi, p_serial_number, p_body_site, p_sticker_document_id
  )
  returning * into v_implant;
  return v_implant;
end
$$;

comment on function clinical.record_implant(uuid, uuid, text, uuid, text, text, uuid, uuid) is 'about=Records an implant of a procedure, with its batch, UDI or serial number. An id that the caller chose is recorded once. IM001 the procedure has not begun or was abandoned, IM005 no such procedure, IM011 the id is of another procedure''s implant, 23505 the serial number is in a patient already, 23514 not traceable.';

-- Vaccinations given and refused.
create or replace function clinical.give_vaccination(
  p_patient_id uuid,
  p_vaccine_code text,
  p_vaccine_name text,
  p_dose_number int,
  p_lot_number text,
  p_expiry_on date,
  p_series text default null,
  p_encounter_id uuid default null,
  p_batch_id uuid default null,
  p_route text default null,
  p_site text default null,
  p_next_due_on date default null
) returns clinical.vaccination_records
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_row clinical.vaccination_records;
begin
  -- two who give the same dose meet here
  perform pg_advisory_xact_lock(
    hashtextextended('clinical.vaccination' || v_tenant || p_patient_id || p_vaccine_code, 0)
  );
  select r.* into v_row
  from clinical.vaccination_records r
  where
    r.tenant_id = v_tenant and r.patient_id = p_patient_id and r.vaccine_code = p_vaccine_code
    and r.series is not distinct from p_series and r.dose_number = p_dose_number
    and r.status in ('planned', 'completed', 'not_done') and r.deleted_at is null
  order by case r.status when 'completed' then 1 when 'planned' then 2 else 3 end
  limit 1;
  if v_row.status = 'completed' then
    return v_row; -- given already
  end if;
  if v_row.status = 'not_done' then -- refused once, given now
    update clinical.vaccination_records r
    set status = 'planned', not_done_reason = null
    where r.tenant_id = v_tenant and r.id = v_row.id;
  elsif v_row.id is null then
    insert into clinical.vaccination_records (
      tenant_id, patient_id, vaccine_code, vaccine_name, dose_number, series
    )
    values (v_tenant, p_patient_id, p_vaccine_code, p_vaccine_name, p_dose_number, p_series)
    returning * into v_row;
  end if;
  update clinical.vaccination_records r
  set
    status = 'completed', given_at = now(), given_by = workforce.acting_staff_id(), lot_number = p_lot_number,
    expiry_on = p_expiry_on, encounter_id = p_encounter_id, batch_id = p_batch_id, route = p_route, site = p_site,
    next_due_on = p_next_due_on
  where r.tenant_id = v_tenant and r.id = v_row.id
  returning r.* into v_row;
  return v_row;
end
$$;

comment on function clinical.give_vaccination(uuid, text, text, int, text, date, text, uuid, uuid, text, text, date) is 'about=Gives a dose of a series; a planned one is completed. The same dose is given once: asked again, its record. IM006 the user is no member of staff, 23514 no lot, or an expired one.';

create or replace function clinical.refuse_vaccination(
  p_patient_id uuid,
  p_vaccine_code text,
  p_vaccine_name text,
  p_dose_number int,
  p_reason text,
  p_series text default null
) returns clinical.vaccination_records
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_row clinical.vaccination_records;
begin
  perform clinical.require_reason(p_reason, 'a vaccination that was not given');
  perform pg_advisory_xact_lock(
    hashtextextended('clinical.vaccination' || v_tenant || p_patient_id || p_vaccine_code, 0)
  );
  select r.* into v_row
  from clinical.vaccination_records r
  where
    r.tenant_id = v_tenant and r.patient_id = p_patient_id and r.vaccine_code = p_vaccine_code
    and r.series is not distinct from p_series and r.dose_number = p_dose_number
    and r.status in ('planned', 'completed', 'not_done') and r.deleted_at is null
  order by case r.status when 'completed' then 1 when 'not_done' then 2 else 3 end
  limit 1;
  if v_row.status = 'completed' then
    raise exception 'dose % of patient % was given', p_dose_number, p_patient_id
      using errcode = 'IM001', hint = 'what was given cannot be refused';
  end if;
  if v_row.status = 'not_done' then
    return v_row; -- asked again
  end if;
  if v_row.id is null then
    insert into clinical.vaccination_records (
      tenant_id, patient_id, vaccine_code, vaccine_name, dose_number, series
    )
    values (v_tenant, p_patient_id, p_vaccine_code, p_vaccine_name, p_dose_number, p_series)
    returning * into v_row;
  end if;
  update clinical.vaccination_records r
  set status = 'not_done', not_done_reason = p_reason
  where r.tenant_id = v_tenant and r.id = v_row.id
  returning r.* into v_row;
  return v_row;
end
$$;

comment on function clinical.refuse_vaccination(uuid, text, text, int, text, text) is 'about=A dose was not given, with the reason; it may be given later. Asked again: the same record. IM001 it was given, IM002 no reason.';

-- Imaging examinations, from the order to the pictures.
create or replace function clinical.lock_imaging_study(p_study_id uuid) returns clinical.imaging_studies
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_study clinical.imaging_studies;
begin
  select s.* into v_study
  from clinical.imaging_studies s
  where s.tenant_id = core.require_tenant() and s.id = p_study_id
  for no key update;
  if not found then
    raise exception 'imaging study % does not exist', p_study_id
      using errcode = 'IM005', hint = 'register it with clinical.register_imaging_study';
  end if;
  return v_study;
end
$$;

comment on function clinical.lock_imaging_study(uuid) is 'about=An imaging study of the tenant, locked. IM003 no tenant, IM005 no such study.';

create or replace function clinical.register_imaging_study(
  p_order_id uuid,
  p_modality text,
  p_body_site text,
  p_laterality text default null,
  p_is_obstetric boolean default false,
  p_scheduled_at timestamptz default null
) returns clinical.imaging_studies
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_order clinical.service_requests := clinical.lock_order(p_order_id);
  v_study clinical.imaging_studies;
begin
  select s.* into v_study
  from clinical.imaging_studies s
  where
    s.tenant_id = v_order.tenant_id and s.service_request_id = p_order_id and s.modality = p_modality
    and s.body_site = p_body_site and s.status not in ('cancelled', 'discontinued');
  if found then
    return v_study; -- asked again
  end if;
  if v_order.category <> 'imaging' or v_order.status <> 'active' then
    raise exception 'order % is % and of category "%"', p_order_id, v_order.status, v_order.category
      using errcode = 'IM001', hint = 'a study is registered for an active order of imaging';
  end if;
  insert into clinical.imaging_studies (
    tenant_id, accession_number, service_request_id, patient_id, encounter_id, modality, body_site, laterality,
    is_obstetric, scheduled_at
  )
  values (
    v_order.tenant_id, core.next_default_number('accession', 'imaging', 'RAD-{YY}-'), p_order_id, v_order.patient_id,
    v_order.encounter_id, p_modality, p_body_site, p_laterality, p_is_obstetric, p_scheduled_at
  )
  returning * into v_study;
  if p_scheduled_at is not null then
    update clinical.imaging_studies s
    set status = 'scheduled'
    where s.tenant_id = v_study.tenant_id and s.id = v_study.id
    returning s.* into v_study;
  end if;
  return v_study;
end
$$;

comment on function clinical.register_imaging_study(uuid, text, text, text, boolean, timestamptz) is 'about=Registers an examination for an active order of imaging, scheduled when a time is given. Asked again for the same modality and part of the body: the same study. IM001 no active order of imaging, IM005 no such order.';

create or replace function clinical.move_imaging_study(p_study_id uuid, p_status text, p_reason text default null)
  returns clinical.imaging_studies
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_study clinical.imaging_studies := clinical.lock_imaging_study(p_study_id);
begin
  if v_study.status = p_status then
    return v_study;
  end if;
  if p_status not in ('arrived', 'in_progress', 'acquired', 'archived', 'cancelled', 'discontinued') then
    raise exception 'a study is not moved to "%"', p_status
      using errcode = '22023', hint = 'use arrived, in_progress, acquired, archived, cancelled or discontinued';
  end if;
  if p_status in ('cancelled', 'discontinued') then
    perform clinical.require_reason(p_reason, 'giving up an examination');
  end if;
  update clinical.imaging_studies s
  set
    status = p_status,
    started_at = case when p_status = 'in_progress' then now() else s.started_at end,
    ended_at = case when p_status in ('acquired', 'discontinued') then now() else s.ended_at end,
    performed_by = case when p_status = 'in_progress' then workforce.acting_staff_id() else s.performed_by end
  where s.tenant_id = v_study.tenant_id and s.id = p_study_id
  returning s.* into v_study;
  return v_study;
end
$$;

comment on function clinical.move_imaging_study(uuid, text, text) is 'about=The patient arrived, the examination is in_progress, acquired, archived, cancelled or discontinued (both with a reason); who begins it is who performs it. Asked again: nothing changes. IM001 not from its state, IM002 no reason, IM005 no such study, IM006 the user is no member of staff, 23514 (imaging_studies_obstetric_has_form_f) an ultrasound of a pregnancy without Form F.';

-- The report of a study: written, the critical finding told, verified, amended by a report of its own.
create or replace function clinical.lock_imaging_report(p_report_id uuid) returns clinical.imaging_results
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_report clinical.imaging_results;
begin
  select r.* into v_report
  from clinical.imaging_results r
  where r.tenant_id = core.require_tenant() and r.id = p_report_id
  for no key update;
  if not found then
    raise exception 'imaging report % does not exist', p_report_id
      using errcode = 'IM005', hint = 'write it with clinical.report_imaging_study';
  end if;
  return v_report;
end
$$;

comment on function clinical.lock_imaging_report(uuid) is 'about=An imaging report of the tenant, locked. IM003 no tenant, IM005 no such report.';

create or replace function clinical.write_imaging_report(
  p_study clinical.imaging_studies,
  p_findings_enc bytea,
  p_impression_enc bytea,
  p_conclusion_codes text[],
  p_is_critical boolean,
  p_amends_id uuid,
  p_amendment_reason text
) returns clinical.imaging_results
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_report clinical.imaging_results;
begin
  insert into clinical.imaging_results (
    tenant_id, report_number, study_id, patient_id, findings_enc, impression_enc, conclusion_codes, is_critical,
    reported_by, amends_id, amendment_reason
  )
  values (
    p_study.tenant_id, core.next_default_number('imaging_report', '', 'RPT-{YY}-'), p_study.id, p_study.patient_id,
    p_findings_enc, p_impression_enc, p_conclusion_codes, p_is_critical, workforce.acting_doctor_id(), p_amends_id,
    p_amendment_reason
  )
  returning * into v_report;
  update clinical.imaging_results r
  set status = 'preliminary'
  where r.tenant_id = v_report.tenant_id and r.id = v_report.id
  returning r.* into v_report;
  if p_is_critical then
    perform core.enqueue(
      'result', v_report.id, 'result.critical.v1',
      jsonb_build_object('id', v_report.id, 'study_id', v_report.study_id)
    );
  end if;
  return v_report;
end
$$;

comment on function clinical.write_imaging_report(clinical.imaging_studies, bytea, bytea, text[], boolean, uuid, text) is 'about=Writes a preliminary report of a study that the caller has locked; a critical one is announced.';

create or replace function clinical.report_imaging_study(
  p_study_id uuid,
  p_findings_enc bytea,
  p_impression_enc bytea,
  p_is_critical boolean default false,
  p_conclusion_codes text[] default null
) returns clinical.imaging_results
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_study clinical.imaging_studies := clinical.lock_imaging_study(p_study_id);
  v_report clinical.imaging_results;
begin
  select r.* into v_report
  from clinical.imaging_results r
  where
    r.tenant_id = v_study.tenant_id and r.study_id = p_study_id and r.status in ('registered', 'preliminary', 'final');
  if found then
    return v_report; -- reported already
  end if;
  if v_study.status not in ('acquired', 'reported') then
    raise exception 'imaging study % is %', p_study_id, v_study.status
      using errcode = 'IM001', hint = 'there is nothing to report before the pictures are there';
  end if;
  return clinical.write_imaging_report(
    v_study, p_findings_enc, p_impression_enc, p_conclusion_codes, p_is_critical, null, null
  );
end
$$;

comment on function clinical.report_imaging_study(uuid, bytea, bytea, boolean, text[]) is 'about=The doctor who is signed in reports a study, preliminarily; a critical finding is announced at once. A study that has a report: that report. IM001 no pictures yet, IM005 no such study, IM006 the user is no doctor.';

create or replace function clinical.note_critical_told(p_report_id uuid, p_told_to text) returns clinical.imaging_results
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_report clinical.imaging_results := clinical.lock_imaging_report(p_report_id);
begin
  if v_report.critical_notified_at is not null then
    return v_report;
  end if;
  update clinical.imaging_results r
  set critical_notified_at = now(), critical_notified_to = p_told_to
  where r.tenant_id = v_report.tenant_id and r.id = p_report_id
  returning r.* into v_report;
  return v_report;
end
$$;

comment on function clinical.note_critical_told(uuid, text) is 'about=Notes who was told of a critical finding, and when. Asked again: the first is kept. IM005 no such report, IM006 the report is final.';

create or replace function clinical.verify_imaging_report(p_report_id uuid) returns clinical.imaging_results
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_report clinical.imaging_results := clinical.lock_imaging_report(p_report_id);
begin
  if v_report.status = 'final' then
    return v_report;
  end if;
  if v_report.is_critical and v_report.critical_notified_at is null then
    raise exception 'nobody was told of the critical finding of report %', p_report_id
      using errcode = 'IM313', hint = 'tell the doctor in charge, then clinical.note_critical_told';
  end if;
  if v_report.amends_id is not null then -- the corrected report counts from its verification on
    perform core.set_reason(v_report.amendment_reason);
    update clinical.imaging_results r
    set status = 'amended'
    where r.tenant_id = v_report.tenant_id and r.id = v_report.amends_id and r.status = 'final';
  end if;
  update clinical.imaging_results r
  set status = 'final', verified_by = workforce.acting_doctor_id(), issued_at = now()
  where r.tenant_id = v_report.tenant_id and r.id = p_report_id
  returning r.* into v_report;
  update clinical.imaging_studies s
  set status = 'reported'
  where s.tenant_id = v_report.tenant_id and s.id = v_report.study_id and s.status = 'acquired';
  update clinical.service_requests o
  set status = 'completed'
  from clinical.imaging_studies s
  where
    o.tenant_id = v_report.tenant_id and s.tenant_id = v_report.tenant_id and s.id = v_report.study_id
    and o.id = s.service_request_id and o.status = 'active';
  return v_report;
end
$$;

comment on function clinical.verify_imaging_report(uuid) is 'about=A doctor verifies a preliminary report: it is final and issued, the study reported, the order completed. A report that amends another replaces it now. Asked again: nothing changes. IM001 not preliminary, IM005 no such report, IM006 the user is no doctor, IM313 nobody was told of a critical finding.';

create or replace function clinical.amend_imaging_report(
  p_report_id uuid,
  p_findings_enc bytea,
  p_impression_enc bytea,
  p_reason text,
  p_is_critical boolean default false,
  p_conclusion_codes text[] default null
) returns clinical.imaging_results
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_old clinical.imaging_results := clinical.lock_imaging_report(p_report_id);
  v_new clinical.imaging_results;
begin
  select r.* into v_new
  from clinical.imaging_results r
  where
    r.tenant_id = v_old.tenant_id and r.amends_id = p_report_id and r.status in ('registered', 'preliminary', 'final');
  if found then
    return v_new; -- being amended already
  end if;
  if v_old.status <> 'final' then
    raise exception 'imaging report % is %', p_report_id, v_old.status
      using errcode = 'IM001', hint = 'only a final report is amended';
  end if;
  perform clinical.require_reason(p_reason, 'amending a report');
  return clinical.write_imaging_report(
    clinical.lock_imaging_study(v_old.study_id), p_findings_enc, p_impression_enc, p_conclusion_codes, p_is_critical,
    v_old.id, p_reason
  );
end
$$;

comment on function clinical.amend_imaging_report(uuid, bytea, bytea, text, boolean, text[]) is 'about=Writes a preliminary report that replaces a final one when it is verified. Asked again: the same report. IM001 not final, IM002 no reason, IM005 no such report, IM006 the user is no doctor.';

-- The discharge summary: prepared by one, approved by another, amended by a summary of its own.
create or replace function clinical.lock_discharge_summary(p_summary_id uuid) returns clinical.discharge_summaries
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_encounter_id uuid;
  v_summary clinical.discharge_summaries;
begin
  select s.encounter_id into v_encounter_id
  from clinical.discharge_summaries s
  where s.tenant_id = v_tenant and s.id = p_summary_id;
  if not found then
    raise exception 'discharge summary % does not exist', p_summary_id
      using errcode = 'IM005', hint = 'prepare it with clinical.prepare_discharge_summary';
  end if;
  perform clinical.lock_encounter(v_encounter_id);
  select s.* into v_summary
  from clinical.discharge_summaries s
  where s.tenant_id = v_tenant and s.id = p_summary_id
  for no key update;
  return v_summary;
end
$$;

comment on function clinical.lock_discharge_summary(uuid) is 'about=A discharge summary of the tenant, locked after its encounter. IM003 no tenant, IM005 no such summary.';

create or replace function clinical.prepare_discharge_summary(
  p_admission_id uuid,
  p_discharge_kind text,
  p_content jsonb
) returns clinical.discharge_summaries
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_admission clinical.admissions := clinical.lock_admission(p_admission_id);
  v_summary clinical.discharge_summaries;
begin
  select s.* into v_summary
  from clinical.discharge_summaries s
  where
    s.tenant_id = v_admission.tenant_id and s.encounter_id = v_admission.encounter_id
    and s.status in ('draft', 'in_review', 'final');
  if found then
    return v_summary; -- there is one
  end if;
  if v_admission.status in ('requested', 'cancelled') then
    raise exception 'admission % is %', p_admission_id, v_admission.status
      using errcode = 'IM001', hint = 'a summary is about a patient who was admitted';
  end if;
  return clinical.write_discharge_summary(v_admission, p_discharge_kind, p_content, null, null);
end
$$;

comment on function clinical.prepare_discharge_summary(uuid, text, jsonb) is 'about=The member of staff who is signed in prepares the summary of a stay. p_content has the columns sections, final_diagnoses, procedures, course_enc, condition_at_discharge, medications, follow_up, advice_enc, care_plan and cause_of_death of clinical.discharge_summaries by name, encrypted bytes in hexadecimal. A stay that has a summary: that summary; a draft is edited in the table. IM001 not admitted, IM005 no such admission, IM006 the user is no member of staff, 22023 unknown key.';

create or replace function clinical.write_discharge_summary(
  p_admission clinical.admissions,
  p_discharge_kind text,
  p_content jsonb,
  p_amends_id uuid,
  p_amendment_reason text
) returns clinical.discharge_summaries
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_known constant text[] := array[
    'sections', 'final_diagnoses', 'procedures', 'course_enc', 'condition_at_discharge', 'medications', 'follow_up',
    'advice_enc', 'care_plan', 'cause_of_death'
  ];
  v_unknown text;
  v_summary clinical.discharge_summaries;
begin
  select k.key into v_unknown from jsonb_object_keys(p_content) as k (key) where k.key <> all (v_known) limit 1;
  if found then
    raise exception 'a discharge summary has no "%"', v_unknown
      using errcode = '22023', hint = 'known: ' || array_to_string(v_known, ', ');
  end if;
  insert into clinical.discharge_summaries (
    tenant_id, summary_number, encounter_id, patient_id, admission_id, sections, final_diagnoses, procedures, course_enc,
    condition_at_discharge, medications, follow_up, advice_enc, care_plan, cause_of_death, discharge_kind, prepared_by,
    amends_id, amendment_reason
  )
  select
    p_admission.tenant_id, core.next_default_number('discharge_summary', '', 'DS-{YY}-'), p_admission.encounter_id,
    e.patient_id, p_admission.id, coalesce(p_content -> 'sections', '{}'), coalesce(p_content -> 'final_diagnoses', '[]'),
    coalesce(p_content -> 'procedures', '[]'), patient.bytes_of(p_content, 'course_enc'),
    p_content ->> 'condition_at_discharge', coalesce(p_content -> 'medications', '[]'),
    coalesce(p_content -> 'follow_up', '[]'), patient.bytes_of(p_content, 'advice_enc'), p_content -> 'care_plan',
    p_content -> 'cause_of_death', p_discharge_kind, workforce.acting_staff_id(), p_amends_id, p_amendment_reason
  from clinical.encounters e
  where e.tenant_id = p_admission.tenant_id and e.id = p_admission.encounter_id
  returning * into v_summary;
  return v_summary;
end
$$;

comment on function clinical.write_discharge_summary(clinical.admissions, text, jsonb, uuid, text) is 'about=Writes the draft summary of a stay that the caller has locked. IM006 the user is no member of staff, 22023 unknown key.';

create or replace function clinical.submit_discharge_summary(p_summary_id uuid) returns clinical.discharge_summaries
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_summary clinical.discharge_summaries := clinical.lock_discharge_summary(p_summary_id);
begin
  if v_summary.status = 'in_review' then
    return v_summary;
  end if;
  update clinical.discharge_summaries s
  set status = 'in_review'
  where s.tenant_id = v_summary.tenant_id and s.id = p_summary_id
  returning s.* into v_summary;
  return v_summary;
end
$$;

comment on function clinical.submit_discharge_summary(uuid) is 'about=A draft goes to review. IM001 not a draft, IM005 no such summary.';

create or replace function clinical.return_discharge_summary(p_summary_id uuid, p_reason text) returns clinical.discharge_summaries
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_summary clinical.discharge_summaries := clinical.lock_discharge_summary(p_summary_id);
begin
  if v_summary.status = 'draft' then
    return v_summary;
  end if;
  perform clinical.require_reason(p_reason, 'returning a summary');
  update clinical.discharge_summaries s
  set status = 'draft'
  where s.tenant_id = v_summary.tenant_id and s.id = p_summary_id
  returning s.* into v_summary;
  return v_summary;
end
$$;

comment on function clinical.return_discharge_summary(uuid, text) is 'about=A summary in review goes back to who prepared it. IM001 not in review, IM002 no reason, IM005 no such summary.';

create or replace function clinical.amend_discharge_summary(p_summary_id uuid, p_content jsonb, p_reason text)
  returns clinical.discharge_summaries
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_old clinical.discharge_summaries := clinical.lock_discharge_summary(p_summary_id);
  v_new clinical.discharge_summaries;
begin
  select s.* into v_new
  from clinical.discharge_summaries s
  where s.tenant_id = v_old.tenant_id and s.amends_id = p_summary_id and s.status in ('draft', 'in_review', 'final');
  if found then
    return v_new; -- being amended already
  end if;
  if v_old.status <> 'final' then
    raise exception 'discharge summary % is %', p_summary_id, v_old.status
      using errcode = 'IM001', hint = 'a draft is edited, a final summary is amended';
  end if;
  perform clinical.require_reason(p_reason, 'amending a summary');
  return clinical.write_discharge_summary(
    clinical.lock_admission(v_old.admission_id), v_old.discharge_kind,
    -- what the amendment does not say stays as it was
    jsonb_strip_nulls(jsonb_build_object(
      'sections', v_old.sections, 'final_diagnoses', v_old.final_diagnoses, 'procedures', v_old.procedures,
      'course_enc', v_old.course_enc, 'condition_at_discharge', v_old.condition_at_discharge,
      'medications', v_old.medications, 'follow_up', v_old.follow_up, 'advice_enc', v_old.advice_enc,
      'care_plan', v_old.care_plan, 'cause_of_death', v_old.cause_of_death
    )) || p_content,
    v_old.id, p_reason
  );
end
$$;

comment on function clinical.amend_discharge_summary(uuid, jsonb, text) is 'about=Prepares a summary that replaces a final one when it is approved; p_content holds what changes, as for clinical.prepare_discharge_summary. Asked again: the same summary. IM001 not final, IM002 no reason, IM005 no such summary, IM006 the user is no member of staff.';

create or replace function clinical.hand_over_discharge_summary(p_summary_id uuid) returns clinical.discharge_summaries
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_summary clinical.discharge_summaries := clinical.lock_discharge_summary(p_summary_id);
begin
  if v_summary.handed_over_at is not null then
    return v_summary;
  end if;
  if v_summary.status <> 'final' then
    raise exception 'discharge summary % is %', p_summary_id, v_summary.status
      using errcode = 'IM001', hint = 'only a final summary is given to the patient';
  end if;
  update clinical.discharge_summaries s
  set handed_over_at = now()
  where s.tenant_id = v_summary.tenant_id and s.id = p_summary_id
  returning s.* into v_summary;
  return v_summary;
end
$$;

comment on function clinical.hand_over_discharge_summary(uuid) is 'about=The patient got the final summary. Asked again: the first time is kept. IM001 not final, IM005 no such summary.';

-- The language of guideline rules. Deterministic: an expression and facts give true, false, or null for "not known".
create or replace function clinical.check_stg_expression(p_expression jsonb) returns void
  language plpgsql
  immutable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_kind text;
  v_part jsonb;
begin
  select k.key into v_kind
  from jsonb_object_keys(case jsonb_typeof(p_expression) when 'object' then p_expression else '{}' end) as k (key)
  where k.key in ('all', 'any', 'not', 'fact')
  limit 1;
  case v_kind
    when 'all', 'any' then
      if jsonb_typeof(p_expression -> v_kind) <> 'array' or jsonb_array_length(p_expression -> v_kind) = 0 then
        raise exception '"%" of a rule needs a list', v_kind
          using errcode = '22023', hint = 'write {"' || v_kind || '": [expression, ...]}';
      end if;
      for v_part in select e.value from jsonb_array_elements(p_expression -> v_kind) as e (value) loop
        perform clinical.check_stg_expression(v_part);
      end loop;
    when 'not' then
      perform clinical.check_stg_expression(p_expression -> 'not');
    when 'fact' then
      if not coalesce(p_expression ->> 'op', '') = any (
        array['=', '<>', '<', '<=', '>', '>=', 'in', 'not_in', 'contains', 'has_prefix', 'known']
      ) then
        raise exception 'operator "%" of a rule is unknown', p_expression ->> 'op'
          using errcode = '22023', hint = 'use =, <>, <, <=, >, >=, in, not_in, contains, has_prefix or known';
      end if;
      if p_expression ->> 'op' <> 'known' and num_nonnulls(p_expression -> 'value', p_expression -> 'value_of') <> 1 then
        raise exception 'a rule compares fact "%" with nothing', p_expression ->> 'fact'
          using errcode = '22023', hint = 'give value, or value_of with the name of another fact';
      end if;
      if p_expression ->> 'op' in ('in', 'not_in') and p_expression ? 'value'
        and jsonb_typeof(p_expression -> 'value') <> 'array' then
        raise exception 'operator "%" of a rule needs a list', p_expression ->> 'op'
          using errcode = '22023', hint = 'write "value": [..]';
      end if;
    else
      raise exception 'a rule has none of "fact", "all", "any", "not"'
        using errcode = '22023', hint = 'write {"fact": "los_days", "op": ">=", "value": 2}';
  end case;
end
$$;

comment on function clinical.check_stg_expression(jsonb) is 'about=Raises 22023 for an expression that clinical.stg_test would not understand.';

create or replace function clinical.stg_test(p_expression jsonb, p_facts jsonb) returns boolean
  language plpgsql
  immutable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_part jsonb;
  v_answer boolean;
  v_unknown boolean := false;
  v_fact jsonb;
  v_value jsonb;
begin
  if p_expression ? 'all' or p_expression ? 'any' then
    for v_part in
      select e.value from jsonb_array_elements(coalesce(p_expression -> 'all', p_expression -> 'any')) as e (value)
    loop
      v_answer := clinical.stg_test(v_part, p_facts);
      if v_answer is null then
        v_unknown := true;
      elsif v_answer <> (p_expression ? 'all') then
        return v_answer; -- one false decides "all", one true decides "any", whatever is unknown beside it
      end if;
    end loop;
    return case when v_unknown then null else p_expression ? 'all' end;
  end if;
  if p_expression ? 'not' then
    return not clinical.stg_test(p_expression -> 'not', p_facts);
  end if;

  v_fact := nullif(p_facts #> string_to_array(p_expression ->> 'fact', '.'), 'null');
  if p_expression ->> 'op' = 'known' then
    return v_fact is not null;
  end if;
  v_value := coalesce(p_expression -> 'value', p_facts #> string_to_array(p_expression ->> 'value_of', '.'));
  if v_fact is null or v_value is null or v_value = 'null' then
    return null;
  end if;
  if p_expression ->> 'op' in ('<', '<=', '>', '>=') and jsonb_typeof(v_fact) <> jsonb_typeof(v_value) then
    return null; -- "12" is not less than 13: a fact of another type is not the fact that was asked for
  end if;
  return case p_expression ->> 'op'
    when '=' then v_fact = v_value
    when '<>' then v_fact <> v_value
    when '<' then v_fact < v_value
    when '<=' then v_fact <= v_value
    when '>' then v_fact > v_value
    when '>=' then v_fact >= v_value
    when 'in' then v_value @> jsonb_build_array(v_fact)
    when 'not_in' then not v_value @> jsonb_build_array(v_fact)
    when 'contains' then v_fact @> v_value
    when 'has_prefix' then exists (
      select
      from jsonb_array_elements_text(case jsonb_typeof(v_fact) when 'array' then v_fact else jsonb_build_array(v_fact) end)
        as f (text)
      where starts_with(f.text, v_value #>> '{}')
    )
  end;
end
$$;

comment on function clinical.stg_test(jsonb, jsonb) is 'about=Arguments (expression, facts): true, false, or null when a fact is not known. {fact, op, value} or {fact, op, value_of}; fact and value_of are paths such as answers.Q1; op is =, <>, <, <=, >, >=, in and not_in (value is a list), contains (fact is a list), has_prefix (of the fact or of one in its list), known. {all: [..]}, {any: [..]} and {not: ..} combine.';

-- Evaluation of a guideline: one result row a criterion, from frozen facts and documents only. The same input gives the
-- rows that are there already, so an evaluation may be asked for as often as one likes.
create or replace function clinical.stg_status(
  p_guideline_id uuid,
  p_stage text,
  p_discharge_summary_id uuid,
  p_claim_id uuid
) returns text
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when count(*) = 0 then 'not_applicable'
    when bool_or(r.outcome is null) then 'not_checked'
    when bool_or(c.mandatory and r.outcome in ('fail', 'missing_data') and r.waived_by is null) then 'failed'
    when bool_or(c.mandatory and r.waived_by is not null) then 'waived'
    else 'passed'
  end
  from clinical.stg_criteria c
  left join lateral (
    select l.outcome, l.waived_by
    from clinical.stg_compliance_results l
    where
      l.tenant_id = core.require_tenant() and l.criterion_id = c.id
      and (l.discharge_summary_id = p_discharge_summary_id or l.claim_id = p_claim_id)
    order by l.evaluated_at desc
    limit 1
  ) r on true
  where
    c.guideline_id = p_guideline_id and c.stage = p_stage
    and (c.tenant_id is null or c.tenant_id = core.require_tenant())
$$;

comment on function clinical.stg_status(uuid, text, uuid, uuid) is 'about=Arguments (guideline, stage, discharge summary or null, claim or null): not_applicable without criteria, not_checked, failed, waived, or passed.';

create or replace function clinical.evaluate_stg_stage(
  p_guideline_id uuid,
  p_stage text,
  p_discharge_summary_id uuid,
  p_claim_id uuid,
  p_facts jsonb,
  p_documents text[]
) returns text
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_engine constant text := '1';
  v_guideline record;
  v_facts jsonb;
  v_hash bytea;
  v_at timestamptz;
  v_criterion record;
  v_applies boolean;
  v_outcome text;
  v_evidence jsonb;
  v_answer jsonb;
begin
  select g.id, g.code, g.version, g.min_los_days, g.max_los_days, g.day_care_allowed into v_guideline
  from clinical.stg_guidelines g
  where g.id = p_guideline_id and (g.tenant_id is null or g.tenant_id = v_tenant) and g.status in ('active', 'retired');
  if not found then
    raise exception 'guideline % does not exist or is not in force', p_guideline_id
      using errcode = 'IM005', hint = 'choose an active row of clinical.stg_guidelines';
  end if;
  v_facts := coalesce(p_facts, '{}') || jsonb_build_object(
    'guideline',
    jsonb_build_object(
      'min_los_days', v_guideline.min_los_days, 'max_los_days', v_guideline.max_los_days,
      'day_care_allowed', v_guideline.day_care_allowed
    )
  );
  select sha256(convert_to(
    jsonb_build_array(
      v_engine, p_guideline_id, p_stage, v_facts, (select jsonb_agg(d order by d) from unnest(p_documents) as d)
    )::text,
    'UTF8'
  ))
  into v_hash;

  -- two that evaluate the same thing: the second finds the rows of the first
  perform pg_advisory_xact_lock(
    hashtextextended('clinical.stg' || v_tenant || coalesce(p_discharge_summary_id, p_claim_id), 0)
  );
  -- after the lock, and later than every row that an evaluation before this one wrote
  v_at := clock_timestamp();
  for v_criterion in
    select c.id, c.code, c.kind, c.document_type, c.expression, c.expected, c.applies_when, l.input_hash
    from clinical.stg_criteria c
    left join lateral (
      select r.input_hash
      from clinical.stg_compliance_results r
      where
        r.tenant_id = v_tenant and r.criterion_id = c.id
        and (r.discharge_summary_id = p_discharge_summary_id or r.claim_id = p_claim_id)
      order by r.evaluated_at desc
      limit 1
    ) l on true
    where
      c.guideline_id = p_guideline_id and c.stage = p_stage and (c.tenant_id is null or c.tenant_id = v_tenant)
    order by c.seq, c.tenant_id nulls first
  loop
    continue when v_criterion.input_hash = v_hash;
    v_applies := v_criterion.applies_when is null or clinical.stg_test(v_criterion.applies_when, v_facts);
    v_evidence := '{}';
    if not v_applies then
      v_outcome := 'not_applicable';
    elsif v_applies is null then
      v_outcome := 'missing_data';
    elsif v_criterion.kind = 'document' then
      v_outcome := case when v_criterion.document_type = any (p_documents) then 'pass' else 'fail' end;
      v_evidence := jsonb_build_object('document_type', v_criterion.document_type);
    elsif v_criterion.kind = 'question' then
      v_answer := nullif(v_facts -> 'answers' -> v_criterion.code, 'null');
      v_outcome := case
        when v_answer is null then 'missing_data'
        when v_criterion.expected is null or v_criterion.expected = v_answer then 'pass'
        when jsonb_typeof(v_criterion.expected) = 'array' and v_criterion.expected @> jsonb_build_array(v_answer) then 'pass'
        else 'fail'
      end;
      v_evidence := jsonb_build_object('answer', v_answer, 'expected', v_criterion.expected);
    else
      v_outcome := case clinical.stg_test(v_criterion.expression, v_facts)
        when true then 'pass'
        when false then 'fail'
        else 'missing_data'
      end;
    end if;
    if v_criterion.kind = 'rule' or v_criterion.applies_when is not null then
      v_evidence := v_evidence || jsonb_build_object(
        'facts',
        (
          select jsonb_object_agg(f.path, v_facts #> string_to_array(f.path, '.'))
          from (
            select distinct p.path #>> '{}' as path
            from jsonb_path_query(
              jsonb_build_array(v_criterion.expression, v_criterion.applies_when), 'strict $.** ? (@.fact != null).fact'
            ) as p (path)
          ) f
        )
      );
    end if;
    insert into clinical.stg_compliance_results (
      tenant_id, discharge_summary_id, claim_id, guideline_id, criterion_id, outcome, evidence, input_hash, evaluated_at,
      engine_version
    )
    values (
      v_tenant, p_discharge_summary_id, p_claim_id, p_guideline_id, v_criterion.id, v_outcome, v_evidence, v_hash, v_at,
      v_engine
    );
  end loop;
  return clinical.stg_status(p_guideline_id, p_stage, p_discharge_summary_id, p_claim_id);
end
$$;

comment on function clinical.evaluate_stg_stage(uuid, text, uuid, uuid, jsonb, text[]) is 'about=Evaluates the criteria of a guideline at a stage for a discharge summary or a claim and returns the status as clinical.stg_status does. IM003 no tenant, IM005 no such guideline, or not in force.';

create or replace function clinical.evaluate_stg_claim(
  p_claim_id uuid,
  p_guideline_id uuid,
  p_stage text,
  p_facts jsonb,
  p_documents text[]
) returns text
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_stage not in ('preauth', 'treatment', 'discharge', 'claim') then
    raise exception 'stage "%" is unknown', p_stage
      using errcode = '22023', hint = 'use preauth, treatment, discharge or claim';
  end if;
  return clinical.evaluate_stg_stage(p_guideline_id, p_stage, null, p_claim_id, p_facts, p_documents);
end
$$;

comment on function clinical.evaluate_stg_claim(uuid, uuid, text, jsonb, text[]) is 'about=Evaluates a guideline for a pre-authorisation or claim: p_facts as the service of claims knows them (answers to questions under answers.<code>, los_days, icd10_codes, package_codes, ...), p_documents the types of its documents. Writes one result row a criterion and returns not_applicable, failed, waived or passed; the same input writes nothing new. Called by the service of claims, not by applications. IM005 no such guideline, or not in force.';

create or replace function clinical.stg_claim_status(p_claim_id uuid, p_guideline_id uuid, p_stage text) returns text
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$ select clinical.stg_status(p_guideline_id, p_stage, null, p_claim_id) $$;

comment on function clinical.stg_claim_status(uuid, uuid, text) is 'about=What the last evaluation of a claim gave, waivers since then included: not_checked, not_applicable, failed, waived or passed. For the service of claims.';

-- Guidelines for a discharge summary: which apply, what they say, and a doctor's waiver.
create or replace function clinical.stg_facts(p_summary clinical.discharge_summaries) returns jsonb
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'sex', p.sex,
    'age_years', extract(year from age((a.admitted_at at time zone c.timezone)::date, p.birth_date))::int,
    'class', e.class,
    'payer_class', e.payer_class,
    'admission_type', a.admission_type,
    'care_class', a.care_class,
    -- days in the house; the day of discharge is open until discharge is ordered
    'los_days', (a.discharge_ordered_at at time zone c.timezone)::date - (a.admitted_at at time zone c.timezone)::date,
    'discharge_kind', p_summary.discharge_kind,
    'condition_at_discharge', p_summary.condition_at_discharge,
    'icd10_codes', coalesce(
      (select jsonb_agg(d.value ->> 'icd10' order by d.value ->> 'icd10') from jsonb_array_elements(p_summary.final_diagnoses) d
       where d.value ? 'icd10'),
      '[]'
    ),
    'procedure_codes', coalesce(
      (select jsonb_agg(d.value ->> 'code' order by d.value ->> 'code') from jsonb_array_elements(p_summary.procedures) d
       where d.value ? 'code'),
      '[]'
    ),
    'medications', jsonb_array_length(p_summary.medications),
    'follow_up', jsonb_array_length(p_summary.follow_up),
    'has_advice', p_summary.advice_enc is not null,
    'implants', (
      select count(*)
      from clinical.implants i
      join clinical.procedures x on x.tenant_id = i.tenant_id and x.id = i.procedure_id
      where i.tenant_id = p_summary.tenant_id and x.encounter_id = p_summary.encounter_id
    ),
    'answers', coalesce(p_summary.sections -> 'stg_answers', '{}')
  )
  from clinical.encounters e
  join patient.patients p on p.tenant_id = e.tenant_id and p.id = e.patient_id
  join clinical.admissions a on a.tenant_id = e.tenant_id and a.id = p_summary.admission_id
  join facility.clinics c on c.tenant_id = e.tenant_id and c.id = e.clinic_id
  where e.tenant_id = p_summary.tenant_id and e.id = p_summary.encounter_id
$$;

comment on function clinical.stg_facts(clinical.discharge_summaries) is 'about=The facts of a stay that rules of guidelines may ask about: sex, age_years, class, payer_class, admission_type, care_class, los_days, discharge_kind, condition_at_discharge, icd10_codes, procedure_codes, medications, follow_up, has_advice, implants, and answers to questions.';

create or replace function clinical.applicable_guidelines(p_icd10_codes text[], p_on date) returns setof uuid
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  -- of one code the tenant's own guideline stands before the shared one
  select distinct on (g.code) g.id
  from clinical.stg_guidelines g
  where
    (g.tenant_id is null or g.tenant_id = core.require_tenant()) and g.status = 'active' and g.effective @> p_on
    and exists (
      select
      from unnest(p_icd10_codes) as d (code), unnest(g.icd10_codes) as i (code)
      where d.code = i.code or starts_with(d.code, i.code || '.')
    )
  order by g.code, g.tenant_id nulls last
$$;

comment on function clinical.applicable_guidelines(text[], date) is 'about=The guidelines in force on a day for a list of ICD-10 codes; a guideline for I21 is for I21.0 as well.';

create or replace function clinical.set_stg_status(p_summary clinical.discharge_summaries) returns clinical.discharge_summaries
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_states text[];
  v_status text;
  v_reason text;
  v_summary clinical.discharge_summaries;
begin
  select coalesce(array_agg(clinical.stg_status(g.id, 'discharge', p_summary.id, null)), '{}') into v_states
  from clinical.applicable_guidelines(
    array(select d.value ->> 'icd10' from jsonb_array_elements(p_summary.final_diagnoses) d), core.tenant_today()
  ) as g (id);
  v_status := case
    when 'not_checked' = any (v_states) then 'not_checked'
    when 'failed' = any (v_states) then 'failed'
    when 'waived' = any (v_states) then 'waived'
    when 'passed' = any (v_states) then 'passed'
    else 'not_applicable'
  end;
  if v_status = 'waived' then
    select r.waiver_reason into v_reason
    from clinical.stg_compliance_results r
    where
      r.tenant_id = p_summary.tenant_id and r.discharge_summary_id = p_summary.id and r.waiver_reason is not null
    order by r.evaluated_at desc
    limit 1;
  end if;
  if p_summary.stg_checked_at is not null and p_summary.stg_status = v_status
    and p_summary.stg_waiver_reason is not distinct from v_reason then
    return p_summary;
  end if;
  update clinical.discharge_summaries s
  set stg_status = v_status, stg_checked_at = now(), stg_waiver_reason = v_reason
  where s.tenant_id = p_summary.tenant_id and s.id = p_summary.id
  returning s.* into v_summary;
  return v_summary;
end
$$;

comment on function clinical.set_stg_status(clinical.discharge_summaries) is 'about=Derives the status of a summary from the last results of the guidelines that apply to it.';

create or replace function clinical.waive_stg_criterion(p_result_id uuid, p_reason text) returns clinical.stg_compliance_results
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_result clinical.stg_compliance_results;
  v_last clinical.stg_compliance_results;
  v_summary clinical.discharge_summaries;
  v_at timestamptz;
begin
  perform clinical.require_reason(p_reason, 'waiving a criterion');
  select r.* into v_result
  from clinical.stg_compliance_results r
  where r.tenant_id = v_tenant and r.id = p_result_id;
  if not found then
    raise exception 'result % does not exist', p_result_id
      using errcode = 'IM005', hint = 'take the id from clinical.stg_findings';
  end if;
  if v_result.discharge_summary_id is not null then
    v_summary := clinical.lock_discharge_summary(v_result.discharge_summary_id);
    if v_summary.status not in ('draft', 'in_review') then
      raise exception 'discharge summary % is %', v_summary.id, v_summary.status
        using errcode = 'IM001', hint = 'criteria are waived before the summary is approved';
    end if;
  end if;
  perform pg_advisory_xact_lock(
    hashtextextended('clinical.stg' || v_tenant || coalesce(v_result.discharge_summary_id, v_result.claim_id), 0)
  );
  select r.* into v_last
  from clinical.stg_compliance_results r
  where
    r.tenant_id = v_tenant and r.criterion_id = v_result.criterion_id
    and (r.discharge_summary_id = v_result.discharge_summary_id or r.claim_id = v_result.claim_id)
  order by r.evaluated_at desc
  limit 1;
  if v_last.waived_by is not null and v_last.input_hash = v_result.input_hash then
    return v_last; -- waived already
  end if;
  if v_last.id <> p_result_id or v_last.outcome not in ('fail', 'missing_data') then
    raise exception 'result % is not the last word on its criterion, or no failure', p_result_id
      using errcode = 'IM001', hint = 'evaluate again and waive what still fails';
  end if;

  v_at := clock_timestamp();
  insert into clinical.stg_compliance_results (
    tenant_id, discharge_summary_id, claim_id, guideline_id, criterion_id, outcome, evidence, input_hash, evaluated_at,
    engine_version, waived_by, waiver_reason
  )
  values (
    v_tenant, v_last.discharge_summary_id, v_last.claim_id, v_last.guideline_id, v_last.criterion_id, v_last.outcome,
    v_last.evidence, v_last.input_hash, v_at, v_last.engine_version, workforce.acting_doctor_id(), p_reason
  )
  returning * into v_last;
  if v_summary.id is not null then
    perform clinical.set_stg_status(v_summary);
  end if;
  return v_last;
end
$$;

comment on function clinical.waive_stg_criterion(uuid, text) is 'about=The doctor who is signed in waives a criterion that failed or could not be evaluated, with a reason: a new result row. It holds for the input that was evaluated. Asked again: the same row. IM001 it did not fail, was evaluated again since, or the summary is approved, IM002 no reason, IM005 no such result, IM006 the user is no doctor.';

-- soft references: functions

create or replace function clinical.admissions_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.admitting_doctor_id is distinct from old.admitting_doctor_id then
    perform core.require_entity(new.tenant_id, 'workforce.doctors', new.admitting_doctor_id, 'admissions_admitting_doctor_fkey');
  end if;
  if new.discharge_ordered_by is distinct from old.discharge_ordered_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.discharge_ordered_by, 'admissions_discharge_ordered_by_fkey');
  end if;
  return null;
end
$$;

comment on function clinical.admissions_check_references() is 'about=Of a new or changed row: what admitting_doctor_id, discharge_ordered_by name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger admissions_new_references after insert on clinical.admissions
  for each row execute function clinical.admissions_check_references();

create or replace trigger admissions_changed_references after update on clinical.admissions
  for each row when (new.admitting_doctor_id is distinct from old.admitting_doctor_id or new.discharge_ordered_by is distinct from old.discharge_ordered_by)
  execute function clinical.admissions_check_references();

create or replace function clinical.allergies_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.recorded_by is distinct from old.recorded_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.recorded_by, 'allergies_recorded_by_fkey');
  end if;
  return null;
end
$$;

comment on function clinical.allergies_check_references() is 'about=Of a new or changed row: what recorded_by names must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger allergies_new_references after insert on clinical.allergies
  for each row execute function clinical.allergies_check_references();

create or replace trigger allergies_changed_references after update on clinical.allergies
  for each row when (new.recorded_by is distinct from old.recorded_by)
  execute function clinical.allergies_check_references();

create or replace function clinical.care_team_members_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.staff_id is distinct from old.staff_id then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.staff_id, 'care_team_members_staff_fkey');
  end if;
  return null;
end
$$;

comment on function clinical.care_team_members_check_references() is 'about=Of a new or changed row: what staff_id names must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger care_team_members_new_references after insert on clinical.care_team_members
  for each row execute function clinical.care_team_members_check_references();

create or replace trigger care_team_members_changed_references after update on clinical.care_team_members
  for each row when (new.staff_id is distinct from old.staff_id)
  execute function clinical.care_team_members_check_references();

create or replace function clinical.clinical_assessments_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.assessor_id is distinct from old.assessor_id then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.assessor_id, 'clinical_assessments_assessor_fkey');
  end if;
  return null;
end
$$;

comment on function clinical.clinical_assessments_check_references() is 'about=Of a new or changed row: what assessor_id names must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger clinical_assessments_new_references after insert on clinical.clinical_assessments
  for each row execute function clinical.clinical_assessments_check_references();

create or replace trigger clinical_assessments_changed_references after update on clinical.clinical_assessments
  for each row when (new.assessor_id is distinct from old.assessor_id)
  execute function clinical.clinical_assessments_check_references();

create or replace function clinical.conditions_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.asserted_by is distinct from old.asserted_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.asserted_by, 'conditions_asserted_by_fkey');
  end if;
  return null;
end
$$;

comment on function clinical.conditions_check_references() is 'about=Of a new or changed row: what asserted_by names must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger conditions_new_references after insert on clinical.conditions
  for each row execute function clinical.conditions_check_references();

create or replace trigger conditions_changed_references after update on clinical.conditions
  for each row when (new.asserted_by is distinct from old.asserted_by)
  execute function clinical.conditions_check_references();

create or replace function clinical.discharge_summaries_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.approved_by is distinct from old.approved_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.approved_by, 'discharge_summaries_approved_by_fkey');
  end if;
  if new.document_id is distinct from old.document_id then
    perform core.require_entity(new.tenant_id, 'ehr.documents', new.document_id, 'discharge_summaries_document_fkey');
  end if;
  if new.prepared_by is distinct from old.prepared_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.prepared_by, 'discharge_summaries_prepared_by_fkey');
  end if;
  return null;
end
$$;

comment on function clinical.discharge_summaries_check_references() is 'about=Of a new or changed row: what approved_by, document_id, prepared_by name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger discharge_summaries_new_references after insert on clinical.discharge_summaries
  for each row execute function clinical.discharge_summaries_check_references();

create or replace trigger discharge_summaries_changed_references after update on clinical.discharge_summaries
  for each row when (new.approved_by is distinct from old.approved_by or new.document_id is distinct from old.document_id or new.prepared_by is distinct from old.prepared_by)
  execute function clinical.discharge_summaries_check_references();

create or replace function clinical.encounters_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.appointment_id is distinct from old.appointment_id then
    perform core.require_entity(new.tenant_id, 'scheduling.appointments', new.appointment_id, 'encounters_appointment_fkey');
  end if;
  if new.attending_doctor_id is distinct from old.attending_doctor_id then
    perform core.require_entity(new.tenant_id, 'workforce.doctors', new.attending_doctor_id, 'encounters_attending_doctor_fkey');
  end if;
  if new.clinic_id is distinct from old.clinic_id then
    perform core.require_entity(new.tenant_id, 'facility.clinics', new.clinic_id, 'encounters_clinic_fkey');
  end if;
  if new.department_id is distinct from old.department_id then
    perform core.require_entity(new.tenant_id, 'facility.departments', new.department_id, 'encounters_department_fkey');
  end if;
  return null;
end
$$;

comment on function clinical.encounters_check_references() is 'about=Of a new or changed row: what appointment_id, attending_doctor_id, clinic_id, department_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger encounters_new_references after insert on clinical.encounters
  for each row execute function clinical.encounters_check_references();

create or replace trigger encounters_changed_references after update on clinical.encounters
  for each row when (new.appointment_id is distinct from old.appointment_id or new.attending_doctor_id is distinct from old.attending_doctor_id or new.clinic_id is distinct from old.clinic_id or new.department_id is distinct from old.department_id)
  execute function clinical.encounters_check_references();

create or replace function clinical.imaging_results_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.document_id is distinct from old.document_id then
    perform core.require_entity(new.tenant_id, 'ehr.documents', new.document_id, 'imaging_results_document_fkey');
  end if;
  if new.reported_by is distinct from old.reported_by then
    perform core.require_entity(new.tenant_id, 'workforce.doctors', new.reported_by, 'imaging_results_reported_by_fkey');
  end if;
  if new.verified_by is distinct from old.verified_by then
    perform core.require_entity(new.tenant_id, 'workforce.doctors', new.verified_by, 'imaging_results_verified_by_fkey');
  end if;
  return null;
end
$$;

comment on function clinical.imaging_results_check_references() is 'about=Of a new or changed row: what document_id, reported_by, verified_by name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger imaging_results_new_references after insert on clinical.imaging_results
  for each row execute function clinical.imaging_results_check_references();

create or replace trigger imaging_results_changed_references after update on clinical.imaging_results
  for each row when (new.document_id is distinct from old.document_id or new.reported_by is distinct from old.reported_by or new.verified_by is distinct from old.verified_by)
  execute function clinical.imaging_results_check_references();

create or replace function clinical.imaging_studies_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.device_id is distinct from old.device_id then
    perform core.require_entity(new.tenant_id, 'device.devices', new.device_id, 'imaging_studies_device_fkey');
  end if;
  if new.performed_by is distinct from old.performed_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.performed_by, 'imaging_studies_performed_by_fkey');
  end if;
  return null;
end
$$;

comment on function clinical.imaging_studies_check_references() is 'about=Of a new or changed row: what device_id, performed_by name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger imaging_studies_new_references after insert on clinical.imaging_studies
  for each row execute function clinical.imaging_studies_check_references();

create or replace trigger imaging_studies_changed_references after update on clinical.imaging_studies
  for each row when (new.device_id is distinct from old.device_id or new.performed_by is distinct from old.performed_by)
  execute function clinical.imaging_studies_check_references();

create or replace function clinical.implants_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.batch_id is distinct from old.batch_id then
    perform core.require_entity(new.tenant_id, 'inventory.batches', new.batch_id, 'implants_batch_fkey');
  end if;
  if new.item_id is distinct from old.item_id then
    perform core.require_entity(new.tenant_id, 'inventory.items', new.item_id, 'implants_item_fkey');
  end if;
  if new.sticker_document_id is distinct from old.sticker_document_id then
    perform core.require_entity(new.tenant_id, 'ehr.documents', new.sticker_document_id, 'implants_sticker_document_fkey');
  end if;
  return null;
end
$$;

comment on function clinical.implants_check_references() is 'about=Of a new or changed row: what batch_id, item_id, sticker_document_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger implants_new_references after insert on clinical.implants
  for each row execute function clinical.implants_check_references();

create or replace trigger implants_changed_references after update on clinical.implants
  for each row when (new.batch_id is distinct from old.batch_id or new.item_id is distinct from old.item_id or new.sticker_document_id is distinct from old.sticker_document_id)
  execute function clinical.implants_check_references();

create or replace function clinical.medical_records_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.author_id is distinct from old.author_id then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.author_id, 'medical_records_author_fkey');
  end if;
  if new.cosigner_id is distinct from old.cosigner_id then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.cosigner_id, 'medical_records_cosigner_fkey');
  end if;
  if new.signed_by is distinct from old.signed_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.signed_by, 'medical_records_signed_by_fkey');
  end if;
  return null;
end
$$;

comment on function clinical.medical_records_check_references() is 'about=Of a new or changed row: what author_id, cosigner_id, signed_by name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger medical_records_new_references after insert on clinical.medical_records
  for each row execute function clinical.medical_records_check_references();

create or replace trigger medical_records_changed_references after update on clinical.medical_records
  for each row when (new.author_id is distinct from old.author_id or new.cosigner_id is distinct from old.cosigner_id or new.signed_by is distinct from old.signed_by)
  execute function clinical.medical_records_check_references();

create or replace function clinical.observations_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.performer_id is distinct from old.performer_id then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.performer_id, 'observations_performer_fkey');
  end if;
  return null;
end
$$;

comment on function clinical.observations_check_references() is 'about=Of a new or changed row: what performer_id names must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger observations_new_references after insert on clinical.observations
  for each row execute function clinical.observations_check_references();

create or replace trigger observations_changed_references after update on clinical.observations
  for each row when (new.performer_id is distinct from old.performer_id)
  execute function clinical.observations_check_references();

create or replace function clinical.procedures_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.anaesthetist_id is distinct from old.anaesthetist_id then
    perform core.require_entity(new.tenant_id, 'workforce.doctors', new.anaesthetist_id, 'procedures_anaesthetist_fkey');
  end if;
  if new.consent_id is distinct from old.consent_id then
    perform core.require_entity(new.tenant_id, 'compliance.consents', new.consent_id, 'procedures_consent_fkey');
  end if;
  if new.primary_surgeon_id is distinct from old.primary_surgeon_id then
    perform core.require_entity(new.tenant_id, 'workforce.doctors', new.primary_surgeon_id, 'procedures_primary_surgeon_fkey');
  end if;
  return null;
end
$$;

comment on function clinical.procedures_check_references() is 'about=Of a new or changed row: what anaesthetist_id, consent_id, primary_surgeon_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger procedures_new_references after insert on clinical.procedures
  for each row execute function clinical.procedures_check_references();

create or replace trigger procedures_changed_references after update on clinical.procedures
  for each row when (new.anaesthetist_id is distinct from old.anaesthetist_id or new.consent_id is distinct from old.consent_id or new.primary_surgeon_id is distinct from old.primary_surgeon_id)
  execute function clinical.procedures_check_references();

create or replace function clinical.service_requests_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.requester_id is distinct from old.requester_id then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.requester_id, 'service_requests_requester_fkey');
  end if;
  if new.target_department_id is distinct from old.target_department_id then
    perform core.require_entity(new.tenant_id, 'facility.departments', new.target_department_id, 'service_requests_target_department_fkey');
  end if;
  return null;
end
$$;

comment on function clinical.service_requests_check_references() is 'about=Of a new or changed row: what requester_id, target_department_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger service_requests_new_references after insert on clinical.service_requests
  for each row execute function clinical.service_requests_check_references();

create or replace trigger service_requests_changed_references after update on clinical.service_requests
  for each row when (new.requester_id is distinct from old.requester_id or new.target_department_id is distinct from old.target_department_id)
  execute function clinical.service_requests_check_references();

create or replace function clinical.stg_compliance_results_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.claim_id is distinct from old.claim_id then
    perform core.require_entity(new.tenant_id, 'insurance.insurance_claims', new.claim_id, 'stg_compliance_results_claim_fkey');
  end if;
  if new.waived_by is distinct from old.waived_by then
    perform core.require_entity(new.tenant_id, 'workforce.doctors', new.waived_by, 'stg_compliance_results_waived_by_fkey');
  end if;
  return null;
end
$$;

comment on function clinical.stg_compliance_results_check_references() is 'about=Of a new or changed row: what claim_id, waived_by name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger stg_compliance_results_new_references after insert on clinical.stg_compliance_results
  for each row execute function clinical.stg_compliance_results_check_references();

create or replace trigger stg_compliance_results_changed_references after update on clinical.stg_compliance_results
  for each row when (new.claim_id is distinct from old.claim_id or new.waived_by is distinct from old.waived_by)
  execute function clinical.stg_compliance_results_check_references();

create or replace function clinical.vaccination_records_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.batch_id is distinct from old.batch_id then
    perform core.require_entity(new.tenant_id, 'inventory.batches', new.batch_id, 'vaccination_records_batch_fkey');
  end if;
  if new.given_by is distinct from old.given_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.given_by, 'vaccination_records_given_by_fkey');
  end if;
  return null;
end
$$;

comment on function clinical.vaccination_records_check_references() is 'about=Of a new or changed row: what batch_id, given_by name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger vaccination_records_new_references after insert on clinical.vaccination_records
  for each row execute function clinical.vaccination_records_check_references();

create or replace trigger vaccination_records_changed_references after update on clinical.vaccination_records
  for each row when (new.batch_id is distinct from old.batch_id or new.given_by is distinct from old.given_by)
  execute function clinical.vaccination_records_check_references();

create or replace function clinical.vital_signs_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.device_id is distinct from old.device_id then
    perform core.require_entity(new.tenant_id, 'device.devices', new.device_id, 'vital_signs_device_fkey');
  end if;
  if new.recorded_by is distinct from old.recorded_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.recorded_by, 'vital_signs_recorded_by_fkey');
  end if;
  return null;
end
$$;

comment on function clinical.vital_signs_check_references() is 'about=Of a new or changed row: what device_id, recorded_by name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger vital_signs_new_references after insert on clinical.vital_signs
  for each row execute function clinical.vital_signs_check_references();

create or replace trigger vital_signs_changed_references after update on clinical.vital_signs
  for each row when (new.device_id is distinct from old.device_id or new.recorded_by is distinct from old.recorded_by)
  execute function clinical.vital_signs_check_references();

create or replace function patient.patient_contacts_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.guardian_proof_document_id is distinct from old.guardian_proof_document_id then
    perform core.require_entity(new.tenant_id, 'ehr.documents', new.guardian_proof_document_id, 'patient_contacts_guardian_proof_document_fkey');
  end if;
  if new.user_id is distinct from old.user_id then
    perform core.require_entity(new.tenant_id, 'auth.users', new.user_id, 'patient_contacts_user_fkey');
  end if;
  return null;
end
$$;

comment on function patient.patient_contacts_check_references() is 'about=Of a new or changed row: what guardian_proof_document_id, user_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger patient_contacts_new_references after insert on patient.patient_contacts
  for each row execute function patient.patient_contacts_check_references();

create or replace trigger patient_contacts_changed_references after update on patient.patient_contacts
  for each row when (new.guardian_proof_document_id is distinct from old.guardian_proof_document_id or new.user_id is distinct from old.user_id)
  execute function patient.patient_contacts_check_references();

create or replace function patient.patients_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.portal_user_id is distinct from old.portal_user_id then
    perform core.require_entity(new.tenant_id, 'auth.users', new.portal_user_id, 'patients_portal_user_fkey');
  end if;
  if new.registered_clinic_id is distinct from old.registered_clinic_id then
    perform core.require_entity(new.tenant_id, 'facility.clinics', new.registered_clinic_id, 'patients_registered_clinic_fkey');
  end if;
  return null;
end
$$;

comment on function patient.patients_check_references() is 'about=Of a new or changed row: what portal_user_id, registered_clinic_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger patients_new_references after insert on patient.patients
  for each row execute function patient.patients_check_references();

create or replace trigger patients_changed_references after update on patient.patients
  for each row when (new.portal_user_id is distinct from old.portal_user_id or new.registered_clinic_id is distinct from old.registered_clinic_id)
  execute function patient.patients_check_references();

-- announcements: functions

create or replace function clinical.admissions_announce() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' then
    perform core.announce_entity(old.tenant_id, 'clinical.admissions', old.id, 'deleted', '{}', 'deleted');
  else
    perform core.announce_entity(new.tenant_id, 'clinical.admissions', new.id, 'active', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('encounter_id', new.encounter_id, 'care_class', new.care_class, 'status', new.status, 'discharge_ordered_at', new.discharge_ordered_at, 'physically_left_at', new.physically_left_at)), case tg_op when 'INSERT' then 'created' else 'updated' end);
  end if;
  return null;
end
$$;

comment on function clinical.admissions_announce() is 'about=Tells the services that refer to clinical.admissions of a row that is new, changed in what is published of it (encounter_id, care_class, status, discharge_ordered_at, physically_left_at), or gone.';

create or replace trigger admissions_announce after insert or delete on clinical.admissions
  for each row execute function clinical.admissions_announce();

create or replace trigger admissions_announce_update after update on clinical.admissions
  for each row when (new.encounter_id is distinct from old.encounter_id or new.care_class is distinct from old.care_class or new.status is distinct from old.status or new.discharge_ordered_at is distinct from old.discharge_ordered_at or new.physically_left_at is distinct from old.physically_left_at)
  execute function clinical.admissions_announce();

create or replace function clinical.allergies_announce() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' then
    perform core.announce_entity(old.tenant_id, 'clinical.allergies', old.id, 'deleted', '{}', 'deleted');
  else
    perform core.announce_entity(new.tenant_id, 'clinical.allergies', new.id, case when new.deleted_at is null then 'active' else 'deleted' end, pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('deleted_at', new.deleted_at)), case tg_op when 'INSERT' then 'created' else 'updated' end);
  end if;
  return null;
end
$$;

comment on function clinical.allergies_announce() is 'about=Tells the services that refer to clinical.allergies of a row that is new, changed in what is published of it (its id), or gone.';

create or replace trigger allergies_announce after insert or delete on clinical.allergies
  for each row execute function clinical.allergies_announce();

create or replace trigger allergies_announce_update after update on clinical.allergies
  for each row when (new.deleted_at is distinct from old.deleted_at)
  execute function clinical.allergies_announce();

create or replace function clinical.encounters_announce() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' then
    perform core.announce_entity(old.tenant_id, 'clinical.encounters', old.id, 'deleted', '{}', 'deleted');
  else
    perform core.announce_entity(new.tenant_id, 'clinical.encounters', new.id, case when new.deleted_at is null then 'active' else 'deleted' end, pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('patient_id', new.patient_id, 'clinic_id', new.clinic_id, 'department_id', new.department_id, 'class', new.class, 'status', new.status, 'period', new.period, 'payer_class', new.payer_class, 'deleted_at', new.deleted_at)), case tg_op when 'INSERT' then 'created' else 'updated' end);
  end if;
  return null;
end
$$;

comment on function clinical.encounters_announce() is 'about=Tells the services that refer to clinical.encounters of a row that is new, changed in what is published of it (patient_id, clinic_id, department_id, class, status, period, payer_class), or gone.';

create or replace trigger encounters_announce after insert or delete on clinical.encounters
  for each row execute function clinical.encounters_announce();

create or replace trigger encounters_announce_update after update on clinical.encounters
  for each row when (new.patient_id is distinct from old.patient_id or new.clinic_id is distinct from old.clinic_id or new.department_id is distinct from old.department_id or new.class is distinct from old.class or new.status is distinct from old.status or new.period is distinct from old.period or new.payer_class is distinct from old.payer_class or new.deleted_at is distinct from old.deleted_at)
  execute function clinical.encounters_announce();

create or replace function clinical.imaging_results_announce() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' then
    perform core.announce_entity(old.tenant_id, 'clinical.imaging_results', old.id, 'deleted', '{}', 'deleted');
  else
    perform core.announce_entity(new.tenant_id, 'clinical.imaging_results', new.id, 'active', '{}'::jsonb, case tg_op when 'INSERT' then 'created' else 'updated' end);
  end if;
  return null;
end
$$;

comment on function clinical.imaging_results_announce() is 'about=Tells the services that refer to clinical.imaging_results of a row that is new, changed in what is published of it (its id), or gone.';

create or replace trigger imaging_results_announce after insert or delete on clinical.imaging_results
  for each row execute function clinical.imaging_results_announce();

create or replace function clinical.procedures_announce() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' then
    perform core.announce_entity(old.tenant_id, 'clinical.procedures', old.id, 'deleted', '{}', 'deleted');
  else
    perform core.announce_entity(new.tenant_id, 'clinical.procedures', new.id, 'active', '{}'::jsonb, case tg_op when 'INSERT' then 'created' else 'updated' end);
  end if;
  return null;
end
$$;

comment on function clinical.procedures_announce() is 'about=Tells the services that refer to clinical.procedures of a row that is new, changed in what is published of it (its id), or gone.';

create or replace trigger procedures_announce after insert or delete on clinical.procedures
  for each row execute function clinical.procedures_announce();

create or replace function clinical.service_requests_announce() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' then
    perform core.announce_entity(old.tenant_id, 'clinical.service_requests', old.id, 'deleted', '{}', 'deleted');
  else
    perform core.announce_entity(new.tenant_id, 'clinical.service_requests', new.id, 'active', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('patient_id', new.patient_id, 'category', new.category, 'status', new.status)), case tg_op when 'INSERT' then 'created' else 'updated' end);
  end if;
  return null;
end
$$;

comment on function clinical.service_requests_announce() is 'about=Tells the services that refer to clinical.service_requests of a row that is new, changed in what is published of it (patient_id, category, status), or gone.';

create or replace trigger service_requests_announce after insert or delete on clinical.service_requests
  for each row execute function clinical.service_requests_announce();

create or replace trigger service_requests_announce_update after update on clinical.service_requests
  for each row when (new.patient_id is distinct from old.patient_id or new.category is distinct from old.category or new.status is distinct from old.status)
  execute function clinical.service_requests_announce();

create or replace function patient.patient_contacts_announce() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' then
    perform core.announce_entity(old.tenant_id, 'patient.patient_contacts', old.id, 'deleted', '{}', 'deleted');
  else
    perform core.announce_entity(new.tenant_id, 'patient.patient_contacts', new.id, case when new.deleted_at is null then 'active' else 'deleted' end, pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('deleted_at', new.deleted_at)), case tg_op when 'INSERT' then 'created' else 'updated' end);
  end if;
  return null;
end
$$;

comment on function patient.patient_contacts_announce() is 'about=Tells the services that refer to patient.patient_contacts of a row that is new, changed in what is published of it (its id), or gone.';

create or replace trigger patient_contacts_announce after insert or delete on patient.patient_contacts
  for each row execute function patient.patient_contacts_announce();

create or replace trigger patient_contacts_announce_update after update on patient.patient_contacts
  for each row when (new.deleted_at is distinct from old.deleted_at)
  execute function patient.patient_contacts_announce();

create or replace function patient.patients_announce() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' then
    perform core.announce_entity(old.tenant_id, 'patient.patients', old.id, 'deleted', '{}', 'deleted');
  else
    perform core.announce_entity(new.tenant_id, 'patient.patients', new.id, case when new.deleted_at is null then 'active' else 'deleted' end, pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('status', new.status, 'merged_into_id', new.merged_into_id, 'deleted_at', new.deleted_at)), case tg_op when 'INSERT' then 'created' else 'updated' end);
  end if;
  return null;
end
$$;

comment on function patient.patients_announce() is 'about=Tells the services that refer to patient.patients of a row that is new, changed in what is published of it (status, merged_into_id), or gone.';

create or replace trigger patients_announce after insert or delete on patient.patients
  for each row execute function patient.patients_announce();

create or replace trigger patients_announce_update after update on patient.patients
  for each row when (new.status is distinct from old.status or new.merged_into_id is distinct from old.merged_into_id or new.deleted_at is distinct from old.deleted_at)
  execute function patient.patients_announce();


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

-- patient: views

-- The head of a chart: one row a patient, from what this module knows. Appointments, visits and tasks are added by the
-- modules that own them.
create or replace view patient.patient_summary
  with (security_invoker = true)
as
select
  p.tenant_id,
  p.id as patient_id,
  p.mrn,
  concat_ws(' ', p.given_name, p.middle_name, p.family_name) as full_name,
  p.sex,
  p.birth_date,
  p.birth_date_precision,
  extract(
    year from age((coalesce(p.deceased_at, now()) at time zone (select core.tenant_zone()))::date, p.birth_date)
  )::int as age_years,
  p.deceased_at,
  p.blood_group,
  p.language,
  p.is_vip,
  p.status,
  p.merged_into_id,
  p.registered_clinic_id,
  p.created_at as registered_at,
  p.mobile_enc is not null as has_mobile,
  p.portal_user_id is not null as has_portal_account,
  i.identifier_kinds,
  i.abha_verified,
  c.emergency_contacts,
  c.legal_guardians,
  (
    select count(*)
    from patient.patients d
    where d.tenant_id = p.tenant_id and d.merged_into_id = p.id
  ) as merged_duplicates
from patient.patients p
left join lateral (
  select
    coalesce(array_agg(distinct n.kind order by n.kind), '{}') as identifier_kinds,
    coalesce(bool_or(n.kind = 'abha_number' and n.verified_at is not null), false) as abha_verified
  from patient.patient_identifiers n
  where n.tenant_id = p.tenant_id and n.patient_id = p.id and n.deleted_at is null
) i on true
left join lateral (
  select
    count(*) filter (where k.is_emergency) as emergency_contacts,
    count(*) filter (where k.is_legal_guardian and k.guardian_verified_at is not null) as legal_guardians
  from patient.patient_contacts k
  where
    k.tenant_id = p.tenant_id and k.patient_id = p.id and k.deleted_at is null
    and (k.valid_to is null or k.valid_to >= (select core.tenant_today()))
) c on true
where p.deleted_at is null;

comment on view patient.patient_summary is 'class=phi;scope=tenant;owner=clinical;about=Head of the chart of each patient: identity, age, identifiers held, contacts, merged duplicates.';

-- clinical: views

-- Vital signs without what was corrected: of a set and its corrections the last one.
create or replace view clinical.vital_signs_chart
  with (security_invoker = true)
as
select
  v.tenant_id, v.id, v.measured_at, v.patient_id, v.encounter_id, v.temperature_c, v.pulse, v.resp_rate, v.systolic,
  v.diastolic, v.spo2, v.on_oxygen, v.weight_kg, v.height_cm, v.bmi, v.pain_score, v.consciousness, v.news2,
  v.glucose_mg_dl, v.device_id, v.recorded_by
from clinical.vital_signs v
where
  not v.is_error
  and not exists (select from clinical.vital_signs c where c.tenant_id = v.tenant_id and c.replaces_id = v.id);

comment on view clinical.vital_signs_chart is 'class=phi;scope=tenant;owner=clinical;about=Vital signs that stand: corrected sets and errors are left out.';

-- What is ordered and not done.
create or replace view clinical.open_orders
  with (security_invoker = true)
as
select
  o.tenant_id, o.id as order_id, o.order_number, o.patient_id, o.encounter_id, o.category, o.code_system, o.code,
  o.display, o.priority, o.requester_id, o.requested_at, o.occurrence_at, o.target_department_id, o.instructions,
  o.hold_reason, o.status
from clinical.service_requests o
where o.status in ('active', 'on_hold');

comment on view clinical.open_orders is 'class=phi;scope=tenant;owner=clinical;about=Orders that are active or on hold.';

-- Whether the allergies of a patient are known: the question that comes before every prescription.
create or replace view clinical.allergy_status
  with (security_invoker = true)
as
select
  p.tenant_id,
  p.id as patient_id,
  case
    when count(a.id) filter (where a.kind <> 'none_known') > 0 then 'allergies'
    when count(a.id) > 0 then 'none_known'
    else 'not_asked'
  end as status,
  count(a.id) filter (where a.kind <> 'none_known') as active_allergies,
  count(a.id) filter (where a.criticality = 'high') as high_criticality,
  max(a.updated_at) as last_stated_at
from patient.patients p
-- in a join condition the planner would ask for the ids once for each allergy of the tenant
left join lateral unnest(patient.ids_of(p.id)) as i (id) on true
left join clinical.allergies a
  on a.tenant_id = p.tenant_id and a.patient_id = i.id and a.clinical_status = 'active'
  and a.verification_status not in ('refuted', 'entered_in_error') and a.deleted_at is null
where p.deleted_at is null
group by p.tenant_id, p.id;

comment on view clinical.allergy_status is 'class=phi;scope=tenant;owner=clinical;about=Of each patient: allergies, none_known, or not_asked, and how many are active; what was stated of merged records counts.';

-- What guidelines found: of each criterion of a summary or claim the last result.
create or replace view clinical.stg_findings
  with (security_invoker = true)
as
select distinct on (r.tenant_id, r.discharge_summary_id, r.claim_id, r.criterion_id)
  r.tenant_id,
  r.id as result_id,
  r.discharge_summary_id,
  r.claim_id,
  r.guideline_id,
  g.code as guideline_code,
  g.version as guideline_version,
  r.criterion_id,
  c.stage,
  c.seq,
  c.code as criterion_code,
  c.text as criterion_text,
  c.mandatory,
  r.outcome,
  r.evidence,
  r.evaluated_at,
  r.waived_by,
  r.waiver_reason,
  c.mandatory and r.outcome in ('fail', 'missing_data') and r.waived_by is null as blocks
from clinical.stg_compliance_results r
join clinical.stg_guidelines g on g.id = r.guideline_id
join clinical.stg_criteria c on c.id = r.criterion_id
order by r.tenant_id, r.discharge_summary_id, r.claim_id, r.criterion_id, r.evaluated_at desc;

comment on view clinical.stg_findings is 'class=phi;scope=tenant;owner=clinical;about=The last result of each criterion for each discharge summary and claim; blocks says what must be met or waived.';


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

-- patient: grants

-- From here on clinical_owner owns the module.
select core.hand_over('patient', 'clinical');

grant execute on function
  patient.calculate_bmi(numeric, numeric),
  patient.find_duplicates(text, date, text, text, bytea, numeric),
  patient.search(text, int),
  patient.register(jsonb, jsonb, text, boolean, text),
  patient.add_identifier(uuid, jsonb),
  patient.propose_merge(uuid, uuid, text, numeric, text[]),
  patient.dismiss_merge(uuid, text),
  patient.merge(uuid, uuid, uuid),
  patient.unmerge(uuid, text),
  -- called by triggers as the role that writes
  patient.name_key(text),
  patient.check_birth_date(date),
  patient.check_mrn(text)
to clinical_app;

-- readers of other tables and views ask for the whole person
grant execute on function patient.ids_of(uuid[]) to clinical_app, clinical_ro;

grant select on patient.patient_summary to clinical_app;
grant select on patient.patient_summary to clinical_ro;

-- workforce: grants

grant execute on function workforce.acting_staff_id(), workforce.acting_doctor_id() to kernel_app;

-- compliance: grants

grant execute on function patient.ids_of(uuid[]) to audit_reader;
grant usage on schema patient to audit_reader;

-- clinical: grants

-- clinical_owner owns the module.
select core.hand_over('clinical', 'clinical');

select core.ensure_partitions('clinical.vital_signs', 'month', 1);
select core.ensure_partitions('clinical.observations', 'month', 1);
grant select
  on
  clinical.vital_signs_chart,
  clinical.open_orders,
  clinical.allergy_status,
  clinical.stg_findings
to clinical_app, clinical_ro;

-- Operations. clinical.evaluate_stg_claim and stg_claim_status are the claims service's: it grants them to its owner.
grant execute on function
  clinical.open_encounter(uuid, clinical.encounter_class, uuid, uuid, uuid, text, text, uuid, text, bytea, uuid),
  clinical.arrive_encounter(uuid),
  clinical.triage_encounter(uuid, int, text),
  clinical.start_encounter(uuid, uuid),
  clinical.send_on_leave(uuid),
  clinical.register_medico_legal_case(uuid, timestamptz),
  clinical.add_care_team_member(uuid, uuid, text),
  clinical.end_care_team_member(uuid),
  clinical.request_admission(uuid, text, text, uuid, date),
  clinical.order_discharge(uuid, text),
  clinical.withdraw_discharge(uuid, text),
  clinical.complete_clinical_discharge(uuid),
  clinical.clear_pharmacy(uuid, text),
  clinical.clear_billing(uuid, text),
  clinical.state_no_known_allergies(uuid, uuid),
  clinical.record_vital_signs(uuid, uuid, jsonb, timestamptz, uuid, uuid, uuid),
  clinical.record_observation(uuid, uuid, text, text, text, text, jsonb, timestamptz, uuid, uuid, uuid),
  clinical.amend_observation(uuid, jsonb, text),
  clinical.write_medical_record(uuid, text, text, bytea, bytea, jsonb, text, uuid, uuid, uuid, text),
  clinical.sign_medical_record(uuid),
  clinical.cosign_medical_record(uuid),
  clinical.amend_medical_record(uuid, bytea, bytea, text, jsonb, uuid),
  clinical.discard_medical_record(uuid),
  clinical.mark_medical_record_in_error(uuid, text),
  clinical.place_order(uuid, text, text, text, text, text, text, uuid, timestamptz, jsonb, uuid),
  clinical.hold_order(uuid, text),
  clinical.resume_order(uuid),
  clinical.complete_order(uuid),
  clinical.revoke_order(uuid, text),
  clinical.plan_procedure(uuid, text, text, text, text, text, uuid, uuid, text, int, uuid, uuid, uuid),
  clinical.sign_in_procedure(uuid, jsonb),
  clinical.time_out_procedure(uuid, jsonb),
  clinical.record_incision(uuid),
  clinical.sign_out_procedure(uuid, boolean, jsonb, int, text),
  clinical.complete_procedure(uuid),
  clinical.abandon_procedure(uuid, text),
  clinical.record_implant(uuid, uuid, text, uuid, text, text, uuid, uuid),
  clinical.give_vaccination(uuid, text, text, int, text, date, text, uuid, uuid, text, text, date),
  clinical.refuse_vaccination(uuid, text, text, int, text, text),
  clinical.register_imaging_study(uuid, text, text, text, boolean, timestamptz),
  clinical.move_imaging_study(uuid, text, text),
  clinical.report_imaging_study(uuid, bytea, bytea, boolean, text[]),
  clinical.note_critical_told(uuid, text),
  clinical.verify_imaging_report(uuid),
  clinical.amend_imaging_report(uuid, bytea, bytea, text, boolean, text[]),
  clinical.prepare_discharge_summary(uuid, text, jsonb),
  clinical.submit_discharge_summary(uuid),
  clinical.return_discharge_summary(uuid, text),
  clinical.amend_discharge_summary(uuid, jsonb, text),
  clinical.hand_over_discharge_summary(uuid),
  clinical.waive_stg_criterion(uuid, text),
  clinical.news2(int, int, boolean, int, int, text, numeric, int)
to clinical_app;

-- other services: grants

select core.hand_over('compliance', 'clinical');

select core.hand_over('facility', 'clinical');

select core.hand_over('workforce', 'clinical');

grant usage on schema compliance, facility, workforce to kernel_owner;

grant select on
  compliance.consents,
  compliance.legal_holds,
  facility.beds,
  facility.clinics,
  facility.departments,
  facility.locations,
  workforce.doctors,
  workforce.staff
to clinical_app, clinical_ro, kernel_owner;

select core.close_database('clinical');
