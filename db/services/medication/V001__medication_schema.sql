-- Database of the service medication: medication, and the kernel.
--
-- Built from the modules by `imhotep bundle --topology services`. Do not edit: change a module and build again.
-- Repeatable: a second run changes nothing. One transaction: psql -1 -f, or one simple query.
--
-- Order: foundations (schemas, roles, types, functions that tables need), tables with their foreign keys to tables above
-- them, all other foreign keys, functions, views, grants; in each part the modules in the order in which they need each other:
--   core        Kernel installed in every service database: tenancy, context, numbering, idempotency, outbox, crypto, settings, state-machine rules.
--   audit       Append-only evidence: who did and who saw what. Partitioned, sealed in the background.
--   medication  Drug knowledge, prescribing, dispensing, administration.

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

create schema if not exists facility;

comment on schema facility is 'owner=facility;about=What is kept here of the service facility: views of what it publishes, functions that read them.';

create schema if not exists inventory;

comment on schema inventory is 'owner=inventory;about=What is kept here of the service inventory: views of what it publishes, functions that read them.';

create schema if not exists patient;

comment on schema patient is 'owner=clinical;about=What is kept here of the service clinical: views of what it publishes, functions that read them.';

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

-- medication: foundation

-- Drug knowledge, prescribing, dispensing, administration.
create schema if not exists medication;

comment on schema medication is 'owner=medication;about=Drug knowledge, prescribing, dispensing, administration.';

select core.create_service_roles('medication');

-- Rules that look at another table; their triggers stand with the tables. Each is the last guard behind an operation, so
-- that no road into the table goes around it.
create or replace function medication.needs_second_person(p_drug_id uuid) returns boolean
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  return exists (
    select
    from medication.drugs d
    where d.id = p_drug_id and (d.is_high_alert or d.schedule in ('X', 'NDPS'))
  );
end
$$;

comment on function medication.needs_second_person(uuid) is 'about=Whether two people must handle the drug: high alert, or controlled (Schedule X, NDPS).';

create or replace function medication.check_telemedicine_list() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (
    select
    from medication.prescriptions p
    join medication.drugs d on d.id = new.drug_id
    where
      p.tenant_id = new.tenant_id and p.id = new.prescription_id and p.context = 'teleconsult'
      and d.telemedicine_list = 'prohibited'
  ) then
    raise exception 'drug % may not be prescribed in a teleconsultation', new.drug_id
      using errcode = 'IM402', hint = 'see the patient in person, or choose another drug';
  end if;
  return new;
end
$$;

comment on function medication.check_telemedicine_list() is 'about=Before insert or change of drug of an item: IM402 the drug is prohibited and the prescription comes from a teleconsultation.';

create or replace function medication.check_second_person() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.status = 'completed' and old.status <> 'completed'
    and (new.checked_by is null or new.checked_by = new.prepared_by)
    and exists (
      select
      from medication.dispense_items l
      join inventory.items i on i.tenant_id = l.tenant_id and i.id = l.item_id
      where l.tenant_id = new.tenant_id and l.dispense_id = new.id and medication.needs_second_person(i.drug_id)
    )
  then
    raise exception 'dispense % has a high-alert or controlled drug that nobody else checked', new.id
      using errcode = 'IM403', hint = 'a second member of staff checks it and completes the dispense';
  end if;
  return new;
end
$$;

comment on function medication.check_second_person() is 'about=Before a dispense is completed: high-alert and controlled drugs were checked by another person than the one who prepared them. IM403.';

create or replace function medication.check_witness() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.status = 'given' and new.witness_id is null and exists (
    select
    from medication.prescription_items i
    where
      i.tenant_id = new.tenant_id and i.id = new.prescription_item_id and medication.needs_second_person(i.drug_id)
  ) then
    raise exception 'a dose of item % needs a witness', new.prescription_item_id
      using errcode = 'IM403', hint = 'name another member of staff in witness_id';
  end if;
  return new;
end
$$;

comment on function medication.check_witness() is 'about=Before a dose is recorded as given: high-alert and controlled drugs are given before a witness. IM403.';

create or replace function medication.check_pharmacy_clearance() returns trigger
  language plpgsql
  security definer -- the discharge runs as another service, which cannot read doses
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_doses int;
begin
  if new.pharmacy_cleared_at is not distinct from old.pharmacy_cleared_at
    and (new.status = old.status or new.status not in ('clinically_discharged', 'billing_cleared', 'discharged'))
  then
    return new;
  end if;
  select count(*) into v_doses
  from medication.medication_administrations a
  where
    a.tenant_id = new.tenant_id and a.encounter_id = new.encounter_id and a.status = 'due' and a.scheduled_at <= now();
  if v_doses > 0 then
    raise exception 'admission %: % due doses are not explained', new.id, v_doses
      using errcode = 'IM203', hint = 'record each as given, missed, refused or held';
  end if;
  if new.pharmacy_cleared_at is not null and new.pharmacy_waiver_reason is null and exists (
    select
    from medication.prescriptions p
    join medication.dispenses d on d.tenant_id = p.tenant_id and d.prescription_id = p.id
    where
      p.tenant_id = new.tenant_id and p.encounter_id = new.encounter_id and d.status in ('preparing', 'ready')
  ) then
    raise exception 'admission %: a dispense waits at the pharmacy', new.id
      using errcode = 'IM203', hint = 'hand it over, cancel it, or waive the clearance';
  end if;
  return new;
end
$$;

comment on function medication.check_pharmacy_clearance() is 'about=Before the pharmacy clears an admission, and before each step of a discharge: every due dose is explained, and nothing waits at the counter unless that is waived. IM203.';

create or replace function medication.end_inpatient_orders() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_prescription record;
begin
  if new.status = 'discharged' and old.status <> 'discharged' then
    for v_prescription in
      select p.id
      from medication.prescriptions p
      where
        p.tenant_id = new.tenant_id and p.encounter_id = new.encounter_id and p.context in ('ipd', 'emergency')
        and p.status in ('active', 'partially_dispensed')
      order by p.id
    loop
      perform medication.stop_prescription(v_prescription.id, 'discharged');
    end loop;
  end if;
  return null;
end
$$;

comment on function medication.end_inpatient_orders() is 'about=After the patient has left: stops the orders of the stay, so that no dose falls due any more. The prescription for home goes on.';


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

-- compliance: tables

-- Indexes that erasure needs on tables of others: the keys of a person, and who has been here longest.
create index if not exists encryption_keys_subject_idx on core.encryption_keys (tenant_id, subject_type, subject_id)
  where subject_id is not null;

-- medication: tables

-- The drug catalogue: one row a product or generic in one strength and form, the same for all hospitals. What a hospital
-- stocks and sells is inventory.items; several items may be one drug. Controlled drugs (Schedule X, NDPS) are never
-- prescribed over video.
create table if not exists medication.drugs (
  id uuid not null default core.uuid_v7(),
  code text not null,
  generic_name text not null,
  brand_name text,
  manufacturer text,
  form text not null,
  strength text not null,
  route text[] not null default '{}',
  atc text,
  snomed text,
  schedule text not null,
  hsn text,
  is_high_alert boolean not null default false,
  is_lasa boolean not null default false,
  is_antimicrobial boolean not null default false,
  aware_group text not null default 'na',
  telemedicine_list text not null,
  storage text,
  active boolean not null default true,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint drugs_pkey primary key (id),
  constraint drugs_code_key unique (code),
  constraint drugs_schedule_check check (schedule in ('OTC', 'G', 'H', 'H1', 'X', 'NDPS', 'none')),
  constraint drugs_aware_group_check check (aware_group in ('access', 'watch', 'reserve', 'na')),
  constraint drugs_telemedicine_list_check check (telemedicine_list in ('O', 'A', 'B', 'prohibited')),
  constraint drugs_snomed_valid check (core.valid_sctid(snomed)),
  constraint drugs_atc_format check (atc ~ '^[A-Z][0-9]{2}[A-Z]{2}[0-9]{2}$'),
  constraint drugs_controlled_not_by_video check (schedule not in ('X', 'NDPS') or telemedicine_list = 'prohibited'),
  constraint drugs_aware_group_of_antimicrobials check (is_antimicrobial or aware_group = 'na')
);

create index if not exists drugs_generic_name_idx on medication.drugs (generic_name) where active;

comment on table medication.drugs is 'class=reference;scope=global;owner=medication;fhir=Medication,MedicationKnowledge;retention=reference;about=Drug catalogue (generic and brand).';
comment on column medication.drugs.code is 'class=reference;about=Code of the catalogue that the rows were loaded from.';
comment on column medication.drugs.generic_name is 'class=reference;about=International nonproprietary name, or names joined by + for a combination.';
comment on column medication.drugs.brand_name is 'class=reference;about=Brand; null for a generic entry.';
comment on column medication.drugs.manufacturer is 'class=reference;about=Who makes the brand.';
comment on column medication.drugs.form is 'class=reference;about=Dose form: tablet, capsule, syrup, injection, inhaler, ...';
comment on column medication.drugs.strength is 'class=reference;about=Strength as printed, such as 500 mg or 125 mg/5 ml; the exact amounts are in drug_ingredients.';
comment on column medication.drugs.route is 'class=reference;about=Routes it may be given by: oral, iv, im, sc, topical, inhaled, rectal, ...';
comment on column medication.drugs.atc is 'class=reference;about=WHO ATC code, fifth level.';
comment on column medication.drugs.snomed is 'class=reference;about=SNOMED CT concept id, where the hospital is licensed.';
comment on column medication.drugs.schedule is 'class=reference;about=Indian drug schedule: OTC, G, H, H1, X, NDPS (narcotic or psychotropic), or none.';
comment on column medication.drugs.hsn is 'class=reference;about=HSN code for tax.';
comment on column medication.drugs.is_high_alert is 'class=reference;about=A mistake does grave harm (insulin, heparin, potassium, opioids): two people dispense and give it.';
comment on column medication.drugs.is_lasa is 'class=reference;about=Looks or sounds like another drug: screens show the name in tall-man letters.';
comment on column medication.drugs.is_antimicrobial is 'class=reference;about=Counts for antimicrobial stewardship.';
comment on column medication.drugs.aware_group is 'class=reference;about=WHO AWaRe group of an antibiotic: access, watch, reserve; na for all other drugs.';
comment on column medication.drugs.telemedicine_list is 'class=reference;about=List of the Indian telemedicine guidelines: O any consultation, A video or repeat, B repeat only, prohibited.';
comment on column medication.drugs.storage is 'class=reference;about=How to store it, such as 2-8 degrees Celsius.';
comment on column medication.drugs.active is 'class=reference;about=Whether it may be prescribed.';
select core.comment_standard_columns('medication.drugs');

create or replace trigger drugs_touch before update on medication.drugs
  for each row execute function core.update_updated_at_column('row_version');

grant select on medication.drugs to medication_app, medication_ro;

-- Active and other ingredients of a drug. Interaction, allergy and dose rules match on the ingredient, never on the brand.
create table if not exists medication.drug_ingredients (
  id uuid not null default core.uuid_v7(),
  drug_id uuid not null,
  ingredient_code text not null,
  ingredient_name text not null,
  strength_value numeric,
  strength_unit text,
  is_active boolean not null default true,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint drug_ingredients_pkey primary key (id),
  constraint drug_ingredients_drug_ingredient_key unique (drug_id, ingredient_code),
  constraint drug_ingredients_strength_has_unit check ((strength_value is null) = (strength_unit is null)),
  constraint drug_ingredients_strength_positive check (strength_value > 0),
  constraint drug_ingredients_finite check (strength_value not in ('NaN', 'Infinity', '-Infinity')),
  constraint drug_ingredients_drug_fkey
    foreign key (drug_id) references medication.drugs (id)
);

create index if not exists drug_ingredients_ingredient_idx on medication.drug_ingredients (ingredient_code);

comment on table medication.drug_ingredients is 'class=reference;scope=global;owner=medication;fhir=Medication.ingredient;retention=reference;about=Active ingredients of a drug; what interaction rules match on.';
comment on column medication.drug_ingredients.drug_id is 'class=reference;about=The drug that contains it.';
comment on column medication.drug_ingredients.ingredient_code is 'class=reference;about=Code of the substance, the same as in cds.drug_interactions and cds.dose_limits.';
comment on column medication.drug_ingredients.ingredient_name is 'class=reference;about=Name of the substance.';
comment on column medication.drug_ingredients.strength_value is 'class=reference;about=Amount in one unit of the dose form: a tablet, a millilitre, a puff.';
comment on column medication.drug_ingredients.strength_unit is 'class=reference;about=Unit of the amount, UCUM: mg, ug, g, [IU], mmol.';
comment on column medication.drug_ingredients.is_active is 'class=reference;about=False for excipients, which matter for allergies only.';
select core.comment_standard_columns('medication.drug_ingredients');

create or replace trigger drug_ingredients_touch before update on medication.drug_ingredients
  for each row execute function core.update_updated_at_column();

grant select on medication.drug_ingredients to medication_app, medication_ro;

-- A prescription: what one doctor orders for a patient in one encounter. It is a draft until the doctor signs it; then
-- its items do not change any more, they are held, stopped or replaced. Nothing becomes active without a signature,
-- reviewed allergies, and with an open hard-stop alert of decision support.
create table if not exists medication.prescriptions (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  prescription_number text not null,
  patient_id uuid not null,
  encounter_id uuid not null,
  doctor_id uuid not null,
  context text not null,
  prescribed_at timestamptz not null default now(),
  signed_at timestamptz,
  signature_id uuid,
  valid_until date,
  reconciled_from_id uuid,
  allergies_reviewed boolean not null default false,
  cancel_reason text,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint prescriptions_pkey primary key (tenant_id, id),
  constraint prescriptions_number_key unique (tenant_id, prescription_number),
  constraint prescriptions_context_check check (context in ('opd', 'ipd', 'discharge', 'emergency', 'teleconsult')),
  constraint prescriptions_status_check check (
    status in ('draft', 'active', 'cancelled', 'partially_dispensed', 'completed', 'stopped', 'expired')
  ),
  constraint prescriptions_active_is_signed check (
    status in ('draft', 'cancelled') or (signed_at is not null and signature_id is not null)
  ),
  constraint prescriptions_active_has_allergies_reviewed check (status in ('draft', 'cancelled') or allergies_reviewed),
  constraint prescriptions_cancelled_has_reason check (status <> 'cancelled' or cancel_reason is not null),
  -- the day is the clinic's: at most one before that of UTC
  constraint prescriptions_valid_from_its_day check (valid_until >= (prescribed_at at time zone 'UTC')::date - 1),
  constraint prescriptions_not_from_itself check (reconciled_from_id <> id),
  constraint prescriptions_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint prescriptions_reconciled_from_fkey
    foreign key (tenant_id, reconciled_from_id) references medication.prescriptions (tenant_id, id)
);

create index if not exists prescriptions_patient_idx on medication.prescriptions (tenant_id, patient_id, prescribed_at);
create index if not exists prescriptions_encounter_idx on medication.prescriptions (tenant_id, encounter_id);
create index if not exists prescriptions_doctor_idx on medication.prescriptions (tenant_id, doctor_id, prescribed_at);
create index if not exists prescriptions_signature_idx on medication.prescriptions (tenant_id, signature_id)
  where signature_id is not null;
create index if not exists prescriptions_reconciled_from_idx on medication.prescriptions (tenant_id, reconciled_from_id)
  where reconciled_from_id is not null;
-- the pharmacy's list, the list of what a patient takes, and the job that ends lapsed ones
create index if not exists prescriptions_live_idx on medication.prescriptions (tenant_id, valid_until, prescribed_at)
  where status in ('active', 'partially_dispensed');
create index if not exists prescriptions_draft_idx on medication.prescriptions (tenant_id, doctor_id)
  where status = 'draft';

comment on table medication.prescriptions is 'class=phi;scope=tenant;owner=medication;fhir=MedicationRequest (group);retention=medical_record;about=A prescription.';
comment on column medication.prescriptions.prescription_number is 'class=phi;about=Number for people, RX-<year>-<n>.';
comment on column medication.prescriptions.patient_id is 'class=phi;about=For whom; the patient of the encounter.';
comment on column medication.prescriptions.encounter_id is 'class=phi;about=The visit or stay in which it was ordered.';
comment on column medication.prescriptions.doctor_id is 'class=operational;about=Who prescribes; the only one who can sign it.';
comment on column medication.prescriptions.context is 'class=phi;about=opd, ipd and emergency (given by nurses), discharge (to take home) or teleconsult.';
comment on column medication.prescriptions.prescribed_at is 'class=phi;about=When it was drafted.';
comment on column medication.prescriptions.signed_at is 'class=phi;about=When the doctor signed it.';
comment on column medication.prescriptions.signature_id is 'class=operational;about=The doctor''s signature over the prescription and its items.';
comment on column medication.prescriptions.valid_until is 'class=phi;about=Last day on which it may be dispensed, in the clinic''s calendar; null: until it is stopped.';
comment on column medication.prescriptions.reconciled_from_id is 'class=phi;about=Earlier prescription that was reviewed and continued or changed by this one.';
comment on column medication.prescriptions.allergies_reviewed is 'class=phi;about=The doctor looked at the patient''s allergies before signing.';
comment on column medication.prescriptions.cancel_reason is 'class=phi;about=Why it was cancelled or stopped.';
comment on column medication.prescriptions.status is 'class=phi;about=draft, active, partially_dispensed, completed, stopped, cancelled or expired.';
select core.comment_standard_columns('medication.prescriptions');

alter table medication.prescriptions enable row level security, force row level security;
drop policy if exists tenant_isolation on medication.prescriptions;
create policy tenant_isolation on medication.prescriptions
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
create or replace trigger prescriptions_touch before update on medication.prescriptions
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger prescriptions_transition before insert or update of status on medication.prescriptions
  for each row execute function core.enforce_transition('medication.prescriptions', 'status');
select audit.track('medication.prescriptions');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('medication.prescriptions', '', 'draft', false, null),
  ('medication.prescriptions', 'draft', 'active', false, 'prescription.activated.v1'),
  ('medication.prescriptions', 'draft', 'cancelled', true, null),
  ('medication.prescriptions', 'active', 'partially_dispensed', false, null),
  ('medication.prescriptions', 'active', 'completed', false, null),
  ('medication.prescriptions', 'active', 'stopped', true, 'prescription.stopped.v1'),
  ('medication.prescriptions', 'active', 'cancelled', true, 'prescription.stopped.v1'),
  ('medication.prescriptions', 'active', 'expired', false, null),
  ('medication.prescriptions', 'partially_dispensed', 'completed', false, null),
  ('medication.prescriptions', 'partially_dispensed', 'stopped', true, 'prescription.stopped.v1'),
  ('medication.prescriptions', 'partially_dispensed', 'expired', false, null)
on conflict (machine, from_state, to_state) do nothing;

-- only operations write
grant select on medication.prescriptions to medication_app, medication_ro;

-- One medicine of a prescription: dose, route, timing and quantity. After signing only status, stop and the quantity
-- dispensed change. Never more is dispensed than quantity for each of 1 + refills fills.
create table if not exists medication.prescription_items (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  prescription_id uuid not null,
  drug_id uuid not null,
  substituted_for_id uuid,
  dose_value numeric not null,
  dose_unit text not null,
  route text not null,
  frequency_code text not null,
  timing jsonb not null default '{}',
  duration_days smallint,
  quantity numeric(14, 3) not null,
  quantity_dispensed numeric(14, 3) not null default 0,
  refills smallint not null default 0,
  is_prn boolean not null default false,
  prn_reason text,
  start_at timestamptz not null default now(),
  stop_at timestamptz,
  instructions text,
  no_substitution boolean not null default false,
  indication text,
  stop_reason text,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint prescription_items_pkey primary key (tenant_id, id),
  constraint prescription_items_status_check check (
    status in ('draft', 'active', 'cancelled', 'on_hold', 'completed', 'stopped', 'entered_in_error')
  ),
  constraint prescription_items_dose_positive check (dose_value > 0),
  constraint prescription_items_quantity_positive check (quantity > 0),
  constraint prescription_items_refills_up_to_24 check (refills between 0 and 24),
  constraint prescription_items_not_over_dispensed check (
    quantity_dispensed between 0 and quantity * (1 + refills)
  ),
  constraint prescription_items_duration_up_to_2_years check (duration_days between 1 and 731),
  constraint prescription_items_prn_has_reason check (not is_prn or prn_reason is not null),
  constraint prescription_items_timing_is_object check (jsonb_typeof(timing) = 'object'),
  constraint prescription_items_stops_after_start check (stop_at >= start_at),
  constraint prescription_items_stopped_has_reason check (
    status not in ('stopped', 'entered_in_error', 'on_hold') or stop_reason is not null
  ),
  constraint prescription_items_finite check (dose_value not in ('NaN', 'Infinity', '-Infinity') and quantity <> 'NaN'),
  constraint prescription_items_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint prescription_items_prescription_fkey
    foreign key (tenant_id, prescription_id) references medication.prescriptions (tenant_id, id),
  constraint prescription_items_drug_fkey
    foreign key (drug_id) references medication.drugs (id),
  constraint prescription_items_substituted_for_fkey
    foreign key (substituted_for_id) references medication.drugs (id)
);

create unique index if not exists prescription_items_drug_once
  on medication.prescription_items (tenant_id, prescription_id, drug_id, start_at)
  where status <> 'cancelled';
create index if not exists prescription_items_prescription_idx on medication.prescription_items (tenant_id, prescription_id);
create index if not exists prescription_items_drug_idx on medication.prescription_items (drug_id, tenant_id);
comment on index medication.prescription_items_drug_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index if not exists prescription_items_substituted_for_idx on medication.prescription_items (substituted_for_id, tenant_id)
  where substituted_for_id is not null;
comment on index medication.prescription_items_substituted_for_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';

comment on table medication.prescription_items is 'class=phi;scope=tenant;owner=medication;fhir=MedicationRequest;retention=medical_record;about=One medicine with dose, route, timing and quantity.';
comment on column medication.prescription_items.prescription_id is 'class=phi;about=The prescription that it is a line of.';
comment on column medication.prescription_items.drug_id is 'class=phi;about=What is prescribed.';
comment on column medication.prescription_items.substituted_for_id is 'class=phi;about=Drug that the doctor wanted first and replaced by this one.';
comment on column medication.prescription_items.dose_value is 'class=phi;about=Amount of one dose, in dose_unit.';
comment on column medication.prescription_items.dose_unit is 'class=phi;about=Unit of the dose: of weight or volume in UCUM (mg, ml, [IU]) or a dose form (tablet, capsule, puff, drop).';
comment on column medication.prescription_items.route is 'class=phi;about=oral, iv, im, sc, topical, inhaled, rectal, ...';
comment on column medication.prescription_items.frequency_code is 'class=phi;about=How often: OD, BD, TDS, QID, HS, STAT, Q4H to Q24H, WEEKLY, PRN, or a code of setting medication.frequencies.';
comment on column medication.prescription_items.timing is 'class=phi;about=Own plan in place of the code''s: {times: ["08:00"], every_days: 1}, {every_hours: 8}, {once: true}; max_per_day for as-needed doses. Empty: the code decides.';
comment on column medication.prescription_items.duration_days is 'class=phi;about=Length of the course in days; null: until stopped.';
comment on column medication.prescription_items.quantity is 'class=phi;about=Quantity of one fill, in the base unit of the stock item.';
comment on column medication.prescription_items.quantity_dispensed is 'class=phi;about=Dispensed so far over all fills, less what came back.';
comment on column medication.prescription_items.refills is 'class=phi;about=How many further fills are allowed, 0 to 24.';
comment on column medication.prescription_items.is_prn is 'class=phi;about=Only when needed; such doses are not scheduled.';
comment on column medication.prescription_items.prn_reason is 'class=phi;about=What it may be given for, needed when is_prn.';
comment on column medication.prescription_items.start_at is 'class=phi;about=First moment at which it may be taken.';
comment on column medication.prescription_items.stop_at is 'class=phi;about=When it ends or was ended.';
comment on column medication.prescription_items.instructions is 'class=phi;about=Words for the patient, such as after food.';
comment on column medication.prescription_items.no_substitution is 'class=phi;about=The pharmacy must give this drug and no equivalent.';
comment on column medication.prescription_items.indication is 'class=phi;about=What it is for.';
comment on column medication.prescription_items.stop_reason is 'class=phi;about=Why it was held, stopped or entered in error.';
comment on column medication.prescription_items.status is 'class=phi;about=draft, active, on_hold, completed, stopped, cancelled or entered_in_error.';
select core.comment_standard_columns('medication.prescription_items');

alter table medication.prescription_items enable row level security, force row level security;
drop policy if exists tenant_isolation on medication.prescription_items;
create policy tenant_isolation on medication.prescription_items
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger prescription_items_telemedicine before insert or update of drug_id on medication.prescription_items
  for each row execute function medication.check_telemedicine_list();
create or replace trigger prescription_items_touch before update on medication.prescription_items
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger prescription_items_transition before insert or update of status on medication.prescription_items
  for each row execute function core.enforce_transition('medication.prescription_items', 'status');
select audit.track('medication.prescription_items');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('medication.prescription_items', '', 'draft', false, null),
  ('medication.prescription_items', 'draft', 'active', false, null),
  ('medication.prescription_items', 'draft', 'cancelled', false, null),
  ('medication.prescription_items', 'active', 'on_hold', true, null),
  ('medication.prescription_items', 'active', 'completed', false, null),
  ('medication.prescription_items', 'active', 'stopped', true, null),
  ('medication.prescription_items', 'on_hold', 'active', false, null),
  ('medication.prescription_items', 'on_hold', 'stopped', true, null),
  ('medication.prescription_items', 'stopped', 'entered_in_error', true, null)
on conflict (machine, from_state, to_state) do nothing;

-- only operations write
grant select on medication.prescription_items to medication_app, medication_ro;

-- One visit to the pharmacy counter, one issue to a ward, or goods that come back. Stock has left the shelf when a
-- dispense is ready; it is completed when the patient or ward has it. High-alert and controlled drugs are completed only
-- after a second person checked them.
create table if not exists medication.dispenses (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  dispense_number text not null,
  prescription_id uuid,
  patient_id uuid not null,
  store_location_id uuid not null,
  kind text not null,
  prepared_by uuid,
  checked_by uuid,
  handed_over_at timestamptz,
  received_by_name text,
  counselled boolean not null default false,
  return_of_id uuid,
  reason text,
  charge_status text not null default 'pending',
  status text not null default 'preparing',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint dispenses_pkey primary key (tenant_id, id),
  constraint dispenses_number_key unique (tenant_id, dispense_number),
  constraint dispenses_kind_check check (kind in ('opd', 'ipd', 'discharge', 'otc', 'return')),
  constraint dispenses_charge_status_check check (charge_status in ('pending', 'charged', 'free')),
  constraint dispenses_status_check check (status in ('preparing', 'ready', 'cancelled', 'completed', 'returned')),
  constraint dispenses_has_prescription check (kind in ('otc', 'return') or prescription_id is not null),
  constraint dispenses_return_names_dispense check ((kind = 'return') = (return_of_id is not null)),
  constraint dispenses_return_has_reason check (kind <> 'return' or reason is not null),
  constraint dispenses_completed_is_handed_over check (
    status not in ('completed', 'returned') or (handed_over_at is not null and prepared_by is not null)
  ),
  constraint dispenses_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint dispenses_prescription_fkey
    foreign key (tenant_id, prescription_id) references medication.prescriptions (tenant_id, id),
  constraint dispenses_return_of_fkey
    foreign key (tenant_id, return_of_id) references medication.dispenses (tenant_id, id)
);

create index if not exists dispenses_prescription_idx on medication.dispenses (tenant_id, prescription_id)
  where prescription_id is not null;
create index if not exists dispenses_patient_idx on medication.dispenses (tenant_id, patient_id);
create index if not exists dispenses_store_location_idx on medication.dispenses (tenant_id, store_location_id, created_at);
create index if not exists dispenses_prepared_by_idx on medication.dispenses (tenant_id, prepared_by)
  where prepared_by is not null;
create index if not exists dispenses_checked_by_idx on medication.dispenses (tenant_id, checked_by)
  where checked_by is not null;
create index if not exists dispenses_return_of_idx on medication.dispenses (tenant_id, return_of_id)
  where return_of_id is not null;
create index if not exists dispenses_waiting_idx on medication.dispenses (tenant_id, store_location_id)
  where status in ('preparing', 'ready');

comment on table medication.dispenses is 'class=phi;scope=tenant;owner=medication;fhir=MedicationDispense (group);retention=medical_record;about=One visit to the pharmacy counter or ward issue.';
comment on column medication.dispenses.dispense_number is 'class=phi;about=Number for people, DSP-<year>-<n>.';
comment on column medication.dispenses.prescription_id is 'class=phi;about=What it is dispensed on; null for over-the-counter sales.';
comment on column medication.dispenses.patient_id is 'class=phi;about=For whom.';
comment on column medication.dispenses.store_location_id is 'class=operational;about=Store whose stock it is taken from or goes back to.';
comment on column medication.dispenses.kind is 'class=operational;about=opd, ipd (to the ward), discharge, otc (without prescription) or return.';
comment on column medication.dispenses.prepared_by is 'class=operational;about=Member of staff who picked the goods.';
comment on column medication.dispenses.checked_by is 'class=operational;about=Second member of staff who checked them; the witness of controlled drugs.';
comment on column medication.dispenses.handed_over_at is 'class=phi;about=When the patient, the ward or, for a return, the store received the goods.';
comment on column medication.dispenses.received_by_name is 'class=phi;about=Who took them, when it was not the patient.';
comment on column medication.dispenses.counselled is 'class=phi;about=The pharmacist explained how to take the medicines.';
comment on column medication.dispenses.return_of_id is 'class=phi;about=The dispense whose goods come back.';
comment on column medication.dispenses.reason is 'class=phi;about=Why goods come back, or why it was cancelled.';
comment on column medication.dispenses.charge_status is 'class=financial;about=charged when every line is on the patient''s account, else pending; free when nothing is charged.';
comment on column medication.dispenses.status is 'class=operational;about=preparing, ready (waits at the counter), completed, cancelled or returned (all of it came back).';
select core.comment_standard_columns('medication.dispenses');

alter table medication.dispenses enable row level security, force row level security;
drop policy if exists tenant_isolation on medication.dispenses;
create policy tenant_isolation on medication.dispenses
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger dispenses_second_person before update of status on medication.dispenses
  for each row execute function medication.check_second_person();
create or replace trigger dispenses_no_aadhaar before insert or update of received_by_name on medication.dispenses
  for each row execute function core.reject_aadhaar_like('received_by_name');
create or replace trigger dispenses_touch before update on medication.dispenses
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger dispenses_transition before insert or update of status on medication.dispenses
  for each row execute function core.enforce_transition('medication.dispenses', 'status');
select audit.track('medication.dispenses');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('medication.dispenses', '', 'preparing', false, null),
  ('medication.dispenses', 'preparing', 'ready', false, null),
  ('medication.dispenses', 'preparing', 'cancelled', true, null),
  ('medication.dispenses', 'ready', 'completed', false, 'dispense.completed.v1'),
  ('medication.dispenses', 'ready', 'cancelled', true, null),
  ('medication.dispenses', 'completed', 'returned', false, null)
on conflict (machine, from_state, to_state) do nothing;

-- only operations write
grant select on medication.dispenses to medication_app, medication_ro;

-- The lines of a dispense, each one movement of the stock ledger. A batch may be given in two lines, as at two prices. Lines
-- are never changed; goods that come back are lines of a return with a negative quantity that name the line they come from.
create table if not exists medication.dispense_items (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  dispense_id uuid not null,
  prescription_item_id uuid,
  return_of_item_id uuid,
  item_id uuid not null,
  batch_id uuid not null,
  batch_no text not null,
  expiry_on date not null,
  quantity numeric(14, 3) not null,
  mrp numeric(14, 2) not null,
  unit_price numeric(14, 2) not null,
  tax_rate numeric(5, 2) not null,
  reservation_id uuid,
  movement_id uuid not null,
  fefo_override_reason text,
  substitution_reason text,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint dispense_items_pkey primary key (tenant_id, id),
  constraint dispense_items_one_movement_each unique (tenant_id, movement_id),
  constraint dispense_items_quantity_not_zero check (quantity <> 0),
  constraint dispense_items_negative_is_return check ((quantity < 0) = (return_of_item_id is not null)),
  constraint dispense_items_not_above_mrp check (unit_price between 0 and mrp),
  constraint dispense_items_tax_rate_check check (tax_rate between 0 and 40),
  constraint dispense_items_finite check (quantity <> 'NaN' and mrp <> 'NaN'),
  constraint dispense_items_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint dispense_items_dispense_fkey
    foreign key (tenant_id, dispense_id) references medication.dispenses (tenant_id, id),
  constraint dispense_items_prescription_item_fkey
    foreign key (tenant_id, prescription_item_id) references medication.prescription_items (tenant_id, id),
  constraint dispense_items_return_of_item_fkey
    foreign key (tenant_id, return_of_item_id) references medication.dispense_items (tenant_id, id)
);

create index if not exists dispense_items_dispense_idx on medication.dispense_items (tenant_id, dispense_id);
create index if not exists dispense_items_prescription_item_idx on medication.dispense_items (tenant_id, prescription_item_id)
  where prescription_item_id is not null;
create index if not exists dispense_items_return_of_item_idx on medication.dispense_items (tenant_id, return_of_item_id)
  where return_of_item_id is not null;
create index if not exists dispense_items_item_idx on medication.dispense_items (tenant_id, item_id);
-- who received a batch that is recalled
create index if not exists dispense_items_batch_idx on medication.dispense_items (tenant_id, batch_id, item_id, expiry_on);
create index if not exists dispense_items_reservation_idx on medication.dispense_items (tenant_id, reservation_id)
  where reservation_id is not null;

comment on table medication.dispense_items is 'class=phi;scope=tenant;owner=medication;fhir=MedicationDispense;retention=medical_record;append_only=1;about=Batch-level lines chosen by FEFO.';
comment on column medication.dispense_items.dispense_id is 'class=phi;about=The dispense or return that it is a line of.';
comment on column medication.dispense_items.prescription_item_id is 'class=phi;about=The prescribed medicine that it fulfils; null over the counter.';
comment on column medication.dispense_items.return_of_item_id is 'class=phi;about=The line whose goods come back.';
comment on column medication.dispense_items.item_id is 'class=phi;about=Stock item that was given.';
comment on column medication.dispense_items.batch_id is 'class=phi;about=Batch that was given: who received it is asked when it is recalled.';
comment on column medication.dispense_items.batch_no is 'class=operational;about=Batch number as printed on the label and the bill.';
comment on column medication.dispense_items.expiry_on is 'class=operational;about=Expiry of the batch, as printed on the label and the bill.';
comment on column medication.dispense_items.quantity is 'class=phi;about=In base units of the stock item; negative for goods that come back.';
comment on column medication.dispense_items.mrp is 'class=financial;about=Maximum retail price of one base unit, taxes included.';
comment on column medication.dispense_items.unit_price is 'class=financial;about=Price of one base unit, at most the MRP.';
comment on column medication.dispense_items.tax_rate is 'class=financial;about=GST in percent, of the batch.';
comment on column medication.dispense_items.reservation_id is 'class=operational;about=Reservation that it was taken from; FEFO was decided when that was made.';
comment on column medication.dispense_items.movement_id is 'class=operational;about=The line of the stock ledger.';
comment on column medication.dispense_items.fefo_override_reason is 'class=operational;about=Why a batch was passed over that expires earlier.';
comment on column medication.dispense_items.substitution_reason is 'class=phi;about=Why an equivalent of the prescribed drug was given.';
select core.comment_standard_columns('medication.dispense_items');

alter table medication.dispense_items enable row level security, force row level security;
drop policy if exists tenant_isolation on medication.dispense_items;
create policy tenant_isolation on medication.dispense_items
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
create or replace trigger dispense_items_append_only before update or delete on medication.dispense_items
  for each row execute function core.refuse_change();
create or replace trigger dispense_items_no_truncate before truncate on medication.dispense_items
  for each statement execute function core.refuse_change();
select audit.track('medication.dispense_items');

-- only operations write
grant select on medication.dispense_items to medication_app, medication_ro;

-- The medication administration record: each dose that is due to a patient in a bed, and what happened. Every due dose is
-- explained in the end: given, missed, refused, or cancelled because the order ended before its time. A dose that was
-- recorded wrongly stays as entered_in_error, and the same dose is due again.
create table if not exists medication.medication_administrations (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  prescription_item_id uuid not null,
  patient_id uuid not null,
  encounter_id uuid not null,
  scheduled_at timestamptz not null,
  given_at timestamptz,
  dose_given numeric,
  dose_unit text,
  route text,
  site text,
  batch_id uuid,
  given_by uuid,
  witness_id uuid,
  patient_scan boolean,
  drug_scan boolean,
  not_given_reason text,
  note_enc bytea,
  status text not null default 'due',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint medication_administrations_pkey primary key (tenant_id, id, scheduled_at),
  constraint medication_administrations_status_check check (
    status in ('due', 'given', 'missed', 'refused', 'held', 'cancelled', 'entered_in_error')
  ),
  constraint medication_administrations_given_is_complete check (
    status <> 'given' or (given_at is not null and given_by is not null and dose_given > 0 and dose_unit is not null)
  ),
  constraint medication_administrations_not_given_has_reason check (
    status not in ('missed', 'refused', 'held', 'cancelled', 'entered_in_error') or not_given_reason is not null
  ),
  constraint medication_administrations_witness_is_another check (witness_id <> given_by),
  constraint medication_administrations_finite check (dose_given not in ('NaN', 'Infinity', '-Infinity')),
  constraint medication_administrations_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint medication_administrations_prescription_item_fkey
    foreign key (tenant_id, prescription_item_id) references medication.prescription_items (tenant_id, id)
) partition by range (scheduled_at);

create table if not exists medication.medication_administrations_default
  partition of medication.medication_administrations default;

create index if not exists medication_administrations_item_idx
  on medication.medication_administrations (tenant_id, prescription_item_id);
-- one live record a dose
create unique index if not exists medication_administrations_dose_once
  on medication.medication_administrations (tenant_id, prescription_item_id, scheduled_at)
  where status <> 'entered_in_error';
create index if not exists medication_administrations_patient_idx
  on medication.medication_administrations (tenant_id, patient_id, scheduled_at);
create index if not exists medication_administrations_encounter_idx
  on medication.medication_administrations (tenant_id, encounter_id, scheduled_at);
-- who received a batch that is recalled
create index if not exists medication_administrations_batch_idx on medication.medication_administrations (tenant_id, batch_id)
  where batch_id is not null;
create index if not exists medication_administrations_given_by_idx on medication.medication_administrations (tenant_id, given_by)
  where given_by is not null;
create index if not exists medication_administrations_witness_idx on medication.medication_administrations (tenant_id, witness_id)
  where witness_id is not null;
-- the round: what is due now, over all wards
create index if not exists medication_administrations_due_idx on medication.medication_administrations (tenant_id, scheduled_at)
  where status in ('due', 'held');

comment on table medication.medication_administrations is 'class=phi;scope=tenant;owner=medication;fhir=MedicationAdministration;retention=medical_record;partition=month;about=The MAR: each due dose and what happened.';
comment on column medication.medication_administrations.prescription_item_id is 'class=phi;about=The medicine that was ordered.';
comment on column medication.medication_administrations.patient_id is 'class=phi;about=Who gets the dose.';
comment on column medication.medication_administrations.encounter_id is 'class=phi;about=The stay in which it is given.';
comment on column medication.medication_administrations.scheduled_at is 'class=phi;about=When the dose is due; for an as-needed dose when it was given.';
comment on column medication.medication_administrations.given_at is 'class=phi;about=When it was given.';
comment on column medication.medication_administrations.dose_given is 'class=phi;about=Amount that was given, in dose_unit.';
comment on column medication.medication_administrations.dose_unit is 'class=phi;about=Unit of the dose, as ordered.';
comment on column medication.medication_administrations.route is 'class=phi;about=Route that it was given by.';
comment on column medication.medication_administrations.site is 'class=phi;about=Place on the body, such as left deltoid.';
comment on column medication.medication_administrations.batch_id is 'class=phi;about=Batch that it came from, where it was scanned.';
comment on column medication.medication_administrations.given_by is 'class=operational;about=Member of staff who gave it.';
comment on column medication.medication_administrations.witness_id is 'class=operational;about=Second member of staff; needed for high-alert and controlled drugs.';
comment on column medication.medication_administrations.patient_scan is 'class=operational;about=The patient''s wristband was scanned and matched.';
comment on column medication.medication_administrations.drug_scan is 'class=operational;about=The drug''s barcode was scanned and matched.';
comment on column medication.medication_administrations.not_given_reason is 'class=phi;about=Why it was missed, refused, held or cancelled, or what was recorded wrongly.';
comment on column medication.medication_administrations.note_enc is 'class=phi;enc=1;about=Nurse''s note, encrypted by the application.';
comment on column medication.medication_administrations.status is 'class=phi;about=due, given, missed, refused, held, cancelled (the order ended before) or entered_in_error.';
select core.comment_standard_columns('medication.medication_administrations');

alter table medication.medication_administrations enable row level security, force row level security;
drop policy if exists tenant_isolation on medication.medication_administrations;
create policy tenant_isolation on medication.medication_administrations
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
alter table medication.medication_administrations_default enable row level security, force row level security;
drop policy if exists tenant_isolation on medication.medication_administrations_default;
create policy tenant_isolation on medication.medication_administrations_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger medication_administrations_needs_witness before insert or update of status
  on medication.medication_administrations
  for each row execute function medication.check_witness();
create or replace trigger medication_administrations_touch before update on medication.medication_administrations
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger medication_administrations_transition before insert or update of status
  on medication.medication_administrations
  for each row execute function core.enforce_transition('medication.medication_administrations', 'status');
select audit.track('medication.medication_administrations');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('medication.medication_administrations', '', 'due', false, null),
  ('medication.medication_administrations', 'due', 'given', false, null),
  ('medication.medication_administrations', 'due', 'missed', false, null),
  ('medication.medication_administrations', 'due', 'refused', false, null),
  ('medication.medication_administrations', 'due', 'held', false, null),
  ('medication.medication_administrations', 'due', 'cancelled', false, null),
  ('medication.medication_administrations', 'held', 'given', false, null),
  ('medication.medication_administrations', 'held', 'missed', false, null),
  ('medication.medication_administrations', 'held', 'cancelled', false, null),
  ('medication.medication_administrations', 'given', 'entered_in_error', true, null)
on conflict (machine, from_state, to_state) do nothing;

-- only operations write
grant select on medication.medication_administrations to medication_app, medication_ro;

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

create or replace view inventory.batches with (security_invoker = true) as
select
  r.tenant_id,
  r.entity_id as id,
  (r.attrs ->> 'item_id')::uuid as item_id,
  r.attrs ->> 'batch_no' as batch_no,
  (r.attrs ->> 'expiry_on')::date as expiry_on,
  (r.attrs ->> 'mrp')::numeric(14,2) as mrp,
  r.attrs ->> 'status' as status
from core.entity_refs r
where r.entity_type = 'inventory.batches' and (r.lifecycle <> 'deleted');

comment on view inventory.batches is 'about=What the service inventory publishes of inventory.batches, kept by its events.';
comment on column inventory.batches.tenant_id is 'class=operational;about=The tenant that the row belongs to; null in a tenant-or-global table means shared by all.';
comment on column inventory.batches.id is 'class=operational;about=Identity of the row, a UUID version 7.';
comment on column inventory.batches.item_id is 'class=operational;about=The item.';
comment on column inventory.batches.batch_no is 'class=operational;about=Batch or lot number as printed.';
comment on column inventory.batches.expiry_on is 'class=operational;about=Last day of use.';
comment on column inventory.batches.mrp is 'class=operational;about=Maximum retail price of a base unit, where the law knows one.';
comment on column inventory.batches.status is 'class=operational;about=quarantine (not released yet), available, hold, recalled, expired, rejected, destroyed or returned_to_vendor; changed by operations.';

create or replace view inventory.items with (security_invoker = true) as
select
  r.tenant_id,
  r.entity_id as id,
  r.attrs ->> 'sku' as sku,
  r.attrs ->> 'name' as name,
  (r.attrs ->> 'drug_id')::uuid as drug_id,
  (r.attrs ->> 'active')::boolean as active,
  (r.attrs ->> 'deleted_at')::timestamp with time zone as deleted_at
from core.entity_refs r
where r.entity_type = 'inventory.items' and (r.lifecycle <> 'deleted' or r.attrs ? 'deleted_at');

comment on view inventory.items is 'about=What the service inventory publishes of inventory.items, kept by its events.';
comment on column inventory.items.tenant_id is 'class=operational;about=The tenant that the row belongs to; null in a tenant-or-global table means shared by all.';
comment on column inventory.items.id is 'class=operational;about=Identity of the row, a UUID version 7.';
comment on column inventory.items.sku is 'class=operational;about=Stock-keeping code of the hospital, unique while the item is not deleted.';
comment on column inventory.items.name is 'class=operational;about=What storekeepers call it, with strength and form for a drug.';
comment on column inventory.items.drug_id is 'class=operational;about=The drug of the catalogue that it is; null for everything that is no drug.';
comment on column inventory.items.active is 'class=operational;about=Whether it may be ordered.';
comment on column inventory.items.deleted_at is 'class=operational;about=When the row was deleted; the row itself stays.';

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

create or replace view workforce.staff_credentials with (security_invoker = true) as
select
  r.tenant_id,
  r.entity_id as id,
  (r.attrs ->> 'staff_id')::uuid as staff_id,
  r.attrs ->> 'kind' as kind,
  r.attrs ->> 'status' as status,
  (r.attrs ->> 'valid_during')::daterange as valid_during
from core.entity_refs r
where r.entity_type = 'workforce.staff_credentials' and (r.lifecycle <> 'deleted');

comment on view workforce.staff_credentials is 'about=What the service business publishes of workforce.staff_credentials, kept by its events.';
comment on column workforce.staff_credentials.tenant_id is 'class=operational;about=The tenant that the row belongs to; null in a tenant-or-global table means shared by all.';
comment on column workforce.staff_credentials.id is 'class=operational;about=Identity of the row, a UUID version 7.';
comment on column workforce.staff_credentials.staff_id is 'class=pii;about=Whose credential it is.';
comment on column workforce.staff_credentials.kind is 'class=pii;about=registration, degree, certificate, privilege, immunisation or training.';
comment on column workforce.staff_credentials.status is 'class=operational;about=submitted, verified, rejected, expired or revoked.';
comment on column workforce.staff_credentials.valid_during is 'class=pii;about=Days on which it holds; open end when it does not lapse.';


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

-- medication: functions

-- Helpers of every operation: who acts, and the locks. Private to the module.
--
-- Order of locks: idempotency key, prescription, dispense, prescription items by id, stock by item, doses, number, account
-- of the patient, outbox. The prescription is the root: whoever changes one of its items, dispenses or doses holds it.
create or replace function medication.require_witness(p_staff_id uuid, p_actor_id uuid) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  perform
  from workforce.staff s
  where
    s.tenant_id = v_tenant and s.id = p_staff_id and s.deleted_at is null and s.status not in ('suspended', 'left');
  if not found or p_staff_id = p_actor_id then
    raise exception 'staff member % cannot witness this', p_staff_id
      using errcode = 'IM403', hint = 'name another member of staff who works here';
  end if;
end
$$;

comment on function medication.require_witness(uuid, uuid) is 'about=Passes when the witness works here and is not the one who acts. IM403 otherwise.';

create or replace function medication.lock_prescription(p_prescription_id uuid) returns medication.prescriptions
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_prescription medication.prescriptions;
begin
  select p.* into v_prescription
  from medication.prescriptions p
  where p.tenant_id = v_tenant and p.id = p_prescription_id
  for no key update;
  if not found then
    raise exception 'prescription % does not exist', p_prescription_id
      using errcode = 'IM005', hint = 'choose a prescription of the tenant';
  end if;
  return v_prescription;
end
$$;

comment on function medication.lock_prescription(uuid) is 'about=The prescription, locked until the transaction ends. IM005 no such prescription.';

create or replace function medication.lock_item(p_item_id uuid) returns medication.prescription_items
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_item medication.prescription_items;
begin
  select i.* into v_item
  from medication.prescription_items i
  where i.tenant_id = v_tenant and i.id = p_item_id;
  if not found then
    raise exception 'prescription item % does not exist', p_item_id
      using errcode = 'IM005', hint = 'choose an item of a prescription of the tenant';
  end if;
  perform medication.lock_prescription(v_item.prescription_id);
  select i.* into v_item -- what it is now that nobody else can change it
  from medication.prescription_items i
  where i.tenant_id = v_tenant and i.id = p_item_id
  for no key update;
  return v_item;
end
$$;

comment on function medication.lock_item(uuid) is 'about=A prescription item, locked with its prescription. IM005 no such item.';

create or replace function medication.clinic_zone(p_encounter_id uuid) returns text
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_zone text;
begin
  select c.timezone into v_zone
  from clinical.encounters e
  join facility.clinics c on c.tenant_id = e.tenant_id and c.id = e.clinic_id
  where e.tenant_id = v_tenant and e.id = p_encounter_id;
  return v_zone;
end
$$;

comment on function medication.clinic_zone(uuid) is 'about=Time zone of the clinic of an encounter.';

-- When doses are due. A plan is {times, every_days}, {every_hours} or {once}; an item carries its own in timing, else its
-- frequency code stands for one. A hospital adds codes, or moves the hours of its rounds, in setting
-- medication.frequencies.
create or replace function medication.frequency_plan(p_frequency_code text) returns jsonb
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_plans constant jsonb := '{
    "OD": {"times": ["09:00"]},
    "BD": {"times": ["09:00", "21:00"]},
    "TDS": {"times": ["09:00", "14:00", "21:00"]},
    "QID": {"times": ["08:00", "12:00", "17:00", "22:00"]},
    "HS": {"times": ["22:00"]},
    "AC": {"times": ["07:30", "12:30", "19:30"]},
    "WEEKLY": {"times": ["09:00"], "every_days": 7},
    "Q4H": {"every_hours": 4},
    "Q6H": {"every_hours": 6},
    "Q8H": {"every_hours": 8},
    "Q12H": {"every_hours": 12},
    "Q24H": {"every_hours": 24},
    "STAT": {"once": true},
    "PRN": {}
  }';
begin
  return (v_plans || coalesce(core.setting('medication.frequencies'), '{}')) -> p_frequency_code;
end
$$;

comment on function medication.frequency_plan(text) is 'about=Plan of a frequency code: the hospital''s (setting medication.frequencies), else the usual one, null for an unknown code.';

create or replace function medication.dose_plan(p_item medication.prescription_items) returns jsonb
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_item.timing ?| array['times', 'every_hours', 'once'] then
    return p_item.timing;
  end if;
  return medication.frequency_plan(p_item.frequency_code) || p_item.timing;
end
$$;

comment on function medication.dose_plan(medication.prescription_items) is 'about=Plan of an item: its own timing, else that of its frequency code; null when there is neither.';

create or replace function medication.doses_per_day(p_item medication.prescription_items) returns numeric
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_plan jsonb := medication.dose_plan(p_item);
begin
  return case
    when v_plan ? 'max_per_day' then (v_plan ->> 'max_per_day')::numeric
    when v_plan ? 'times' then
      jsonb_array_length(v_plan -> 'times') / coalesce((v_plan ->> 'every_days')::numeric, 1)
    when v_plan ? 'every_hours' then 24 / (v_plan ->> 'every_hours')::numeric
    when v_plan ? 'once' then 1
  end;
end
$$;

comment on function medication.doses_per_day(medication.prescription_items) is 'about=Most doses a day that an item allows; null when its plan does not say, as for PRN without max_per_day.';

create or replace function medication.dose_times(
  p_item medication.prescription_items,
  p_zone text,
  p_from timestamptz,
  p_until timestamptz
) returns setof timestamptz
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_plan jsonb := medication.dose_plan(p_item);
  v_every int := coalesce((v_plan ->> 'every_days')::int, 1);
  v_from timestamptz := greatest(p_from, p_item.start_at);
  -- exclusive: a course of 5 days that begins at nine ends before nine on the sixth
  v_end timestamptz := least(p_until, p_item.stop_at, p_item.start_at + make_interval(days => p_item.duration_days));
begin
  if p_item.is_prn or v_plan is null then
    return;
  elsif v_plan ? 'once' then
    return query select p_item.start_at where p_item.start_at >= v_from and p_item.start_at < v_end;
  elsif v_plan ? 'every_hours' then
    return query
    select t.at
    from generate_series(
      p_item.start_at, v_end, make_interval(mins => ((v_plan ->> 'every_hours')::numeric * 60)::int)
    ) as t (at)
    where t.at >= v_from and t.at < v_end;
  elsif v_plan ? 'times' then
    return query
    select t.at
    from generate_series(
      (p_item.start_at at time zone p_zone)::date::timestamp, v_end at time zone p_zone, make_interval(days => v_every)
    ) as d (day)
    cross join jsonb_array_elements_text(v_plan -> 'times') as h (clock)
    cross join lateral (select (d.day + h.clock::time) at time zone p_zone) as t (at)
    where t.at >= v_from and t.at < v_end
    order by t.at;
  end if;
end
$$;

comment on function medication.dose_times(medication.prescription_items, text, timestamptz, timestamptz) is 'about=Moments from p_from to before p_until at which an item is due, by the clock of the clinic. None for as-needed doses.';

-- Writing a prescription. A draft belongs to its doctor and may still change; nothing is dispensed or given on it.
create or replace function medication.add_prescription_item(p_prescription_id uuid, p_item jsonb) returns medication.prescription_items
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_known text[] := array[
    'id', 'drug_id', 'substituted_for_id', 'dose_value', 'dose_unit', 'route', 'frequency_code', 'timing',
    'duration_days', 'quantity', 'refills', 'is_prn', 'prn_reason', 'start_at', 'instructions', 'no_substitution',
    'indication'
  ];
  v_unknown text;
  v_prescription medication.prescriptions := medication.lock_prescription(p_prescription_id);
  v_tenant uuid := v_prescription.tenant_id;
  v_id uuid := coalesce((p_item ->> 'id')::uuid, core.uuid_v7());
  v_item medication.prescription_items;
begin
  select k.key into v_unknown from jsonb_object_keys(p_item) as k (key) where k.key <> all (v_known) limit 1;
  if v_unknown is not null then
    raise exception 'the item has an unknown key "%"', v_unknown
      using errcode = '22023', hint = 'known keys: ' || array_to_string(v_known, ', ');
  end if;
  select i.* into v_item from medication.prescription_items i where i.tenant_id = v_tenant and i.id = v_id;
  if found then
    if v_item.prescription_id = p_prescription_id and v_item.drug_id = (p_item ->> 'drug_id')::uuid then
      return v_item;
    end if;
    raise exception 'item % was added with other content', v_id
      using errcode = 'IM011', hint = 'give every item an id of its own';
  end if;
  if v_prescription.status <> 'draft' then
    raise exception 'prescription % is % and takes no more items', p_prescription_id, v_prescription.status
      using errcode = 'IM001', hint = 'stop what is wrong and draft a new prescription';
  end if;
  perform from medication.drugs d where d.id = (p_item ->> 'drug_id')::uuid and d.active;
  if not found then
    raise exception 'drug % does not exist or is not prescribed any more', p_item ->> 'drug_id'
      using errcode = 'IM005', hint = 'choose an active drug of the catalogue';
  end if;
  if medication.frequency_plan(p_item ->> 'frequency_code') is null
    and not coalesce(p_item -> 'timing', '{}') ?| array['times', 'every_hours', 'once']
  then
    raise exception 'frequency "%" has no plan', p_item ->> 'frequency_code'
      using errcode = '22023', hint = 'use a code of setting medication.frequencies, or pass timing';
  end if;

  insert into medication.prescription_items as i (
    tenant_id, id, prescription_id, drug_id, substituted_for_id, dose_value, dose_unit, route, frequency_code, timing,
    duration_days, quantity, refills, is_prn, prn_reason, start_at, instructions, no_substitution, indication
  )
  values (
    v_tenant, v_id, p_prescription_id, (p_item ->> 'drug_id')::uuid, (p_item ->> 'substituted_for_id')::uuid,
    (p_item ->> 'dose_value')::numeric, p_item ->> 'dose_unit', p_item ->> 'route', p_item ->> 'frequency_code',
    coalesce(p_item -> 'timing', '{}'), (p_item ->> 'duration_days')::smallint, (p_item ->> 'quantity')::numeric,
    coalesce((p_item ->> 'refills')::smallint, 0),
    coalesce((p_item ->> 'is_prn')::boolean, p_item ->> 'frequency_code' = 'PRN'), p_item ->> 'prn_reason',
    coalesce((p_item ->> 'start_at')::timestamptz, now()), p_item ->> 'instructions',
    coalesce((p_item ->> 'no_substitution')::boolean, false), p_item ->> 'indication'
  )
  returning i.* into v_item;
  return v_item;
end
$$;

comment on function medication.add_prescription_item(uuid, jsonb) is 'about=Adds a medicine to a draft: {drug_id, dose_value, dose_unit, route, frequency_code, quantity, and where needed id, timing, duration_days, refills, is_prn, prn_reason, start_at, instructions, no_substitution, indication, substituted_for_id}. The same id again returns the item. IM001 the prescription is signed or cancelled, IM005 no such prescription or drug, IM011 the id belongs to another item, IM402 the drug is prohibited in a teleconsultation, 22023 unknown key or frequency.';

create or replace function medication.draft_prescription(
  p_encounter_id uuid,
  p_doctor_id uuid,
  p_context text,
  p_items jsonb default '[]',
  p_key text default null,
  p_valid_until date default null,
  p_reconciled_from_id uuid default null
) returns medication.prescriptions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_claim record;
  v_encounter record;
  v_item jsonb;
  v_prescription medication.prescriptions;
begin
  if p_key is not null then
    v_claim := core.idempotent_begin(
      'medication.draft_prescription', p_key,
      sha256(convert_to(
        jsonb_build_array(p_encounter_id, p_doctor_id, p_context, p_items, p_valid_until, p_reconciled_from_id)::text,
        'UTF8'
      ))
    );
    if v_claim.state = 'done' then
      return medication.lock_prescription((v_claim.response ->> 'prescription_id')::uuid);
    end if;
  end if;

  select e.patient_id, e.class::text as class, e.status into v_encounter
  from clinical.encounters e
  where e.tenant_id = v_tenant and e.id = p_encounter_id and e.deleted_at is null;
  if not found then
    raise exception 'encounter % does not exist', p_encounter_id
      using errcode = 'IM005', hint = 'choose an encounter of the tenant';
  end if;
  if v_encounter.status in ('cancelled', 'entered_in_error') then
    raise exception 'encounter % is %', p_encounter_id, v_encounter.status
      using errcode = 'IM006', hint = 'prescribe in a visit or stay that takes place';
  end if;
  if v_encounter.class = 'VR' and p_context <> 'teleconsult' then
    raise exception 'encounter % is a video consultation', p_encounter_id
      using errcode = 'IM402', hint = 'use context teleconsult: its list of drugs applies';
  end if;
  if p_reconciled_from_id is not null and not exists (
    select
    from medication.prescriptions p
    where p.tenant_id = v_tenant and p.id = p_reconciled_from_id and p.patient_id = v_encounter.patient_id
  ) then
    raise exception 'prescription % is not one of this patient', p_reconciled_from_id
      using errcode = 'IM005', hint = 'reconcile a prescription of the same patient';
  end if;

  insert into medication.prescriptions as p (
    tenant_id, prescription_number, patient_id, encounter_id, doctor_id, context, valid_until, reconciled_from_id
  )
  values (
    v_tenant, core.next_default_number('prescription', '', 'RX-{YY}-'), v_encounter.patient_id, p_encounter_id,
    p_doctor_id, p_context, p_valid_until, p_reconciled_from_id
  )
  returning p.* into v_prescription;
  for v_item in select e.value from jsonb_array_elements(p_items) as e (value) loop
    perform medication.add_prescription_item(v_prescription.id, v_item);
  end loop;
  if p_key is not null then
    perform core.idempotent_finish(
      'medication.draft_prescription', p_key, jsonb_build_object('prescription_id', v_prescription.id)
    );
  end if;
  return v_prescription;
end
$$;

comment on function medication.draft_prescription(uuid, uuid, text, jsonb, text, date, uuid) is 'about=Drafts a prescription of a doctor in an encounter, with items as medication.add_prescription_item takes them. The same key again returns it. IM005 no such encounter, drug or earlier prescription, IM006 the encounter was cancelled, IM010, IM011 key used with other content, IM402 a drug is prohibited in a teleconsultation, or a video consultation is said to be none, 22023 unknown key or frequency.';

create or replace function medication.remove_prescription_item(p_item_id uuid) returns medication.prescription_items
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_item medication.prescription_items := medication.lock_item(p_item_id);
begin
  if v_item.status = 'cancelled' then
    return v_item;
  end if;
  update medication.prescription_items i
  set status = 'cancelled'
  where i.tenant_id = v_item.tenant_id and i.id = p_item_id
  returning i.* into v_item;
  return v_item;
end
$$;

comment on function medication.remove_prescription_item(uuid) is 'about=Takes a medicine out of a draft. IM001 it is signed: stop it instead, IM005 no such item.';

create or replace function medication.cancel_prescription(p_prescription_id uuid, p_reason text) returns medication.prescriptions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_prescription medication.prescriptions := medication.lock_prescription(p_prescription_id);
begin
  if v_prescription.status = 'cancelled' then
    return v_prescription;
  end if;
  if v_prescription.status <> 'draft' then
    raise exception 'prescription % is signed', p_prescription_id
      using errcode = 'IM001', hint = 'use medication.stop_prescription';
  end if;
  perform core.set_reason(btrim(p_reason));
  update medication.prescription_items i
  set status = 'cancelled'
  where i.tenant_id = v_prescription.tenant_id and i.prescription_id = p_prescription_id and i.status = 'draft';
  update medication.prescriptions p
  set status = 'cancelled', cancel_reason = nullif(btrim(p_reason), '')
  where p.tenant_id = v_prescription.tenant_id and p.id = p_prescription_id
  returning p.* into v_prescription;
  return v_prescription;
end
$$;

comment on function medication.cancel_prescription(uuid, text) is 'about=Throws a draft away. IM001 it is signed, IM002 no reason, IM005 no such prescription.';

-- From draft to order. Decision support looks at the draft, its alerts are answered, and the doctor signs; signing looks
-- again in the same snapshot, so that nothing that changed in between slips through.
create or replace function medication.ingredients_of(p_item medication.prescription_items) returns setof jsonb
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  -- A dose in the unit of the ingredient is that amount of it; a dose in tablets or millilitres holds so many times what
  -- one unit of the form contains.
  return query
  select jsonb_strip_nulls(jsonb_build_object(
    'item_id', p_item.id,
    'ingredient_code', g.ingredient_code,
    'dose_value',
    case when p_item.dose_unit = g.strength_unit then p_item.dose_value else p_item.dose_value * g.strength_value end,
    'unit', coalesce(g.strength_unit, p_item.dose_unit),
    'route', p_item.route,
    'doses_per_day', medication.doses_per_day(p_item)
  ))
  from medication.drug_ingredients g
  where g.drug_id = p_item.drug_id and g.is_active;
end
$$;

comment on function medication.ingredients_of(medication.prescription_items) is 'about=Active ingredients of a medicine as cds.check_medication takes them.';

create or replace function medication.ingredients_to_check(p_prescription medication.prescriptions) returns jsonb
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_items jsonb;
begin
  select coalesce(
    jsonb_agg(
      case when i.prescription_id = p_prescription.id then g.ingredient else g.ingredient || '{"current": true}' end
      order by i.id, g.ingredient ->> 'ingredient_code'
    ),
    '[]'
  )
  into v_items
  from medication.prescriptions p
  join medication.prescription_items i on i.tenant_id = p.tenant_id and i.prescription_id = p.id
  cross join lateral medication.ingredients_of(i) as g (ingredient)
  where
    p.tenant_id = p_prescription.tenant_id and p.patient_id = any (patient.ids_of(p_prescription.patient_id))
    and case
      when p.id = p_prescription.id then i.status in ('draft', 'active', 'on_hold')
      -- the prescription that this one replaces does not count against it
      when p.id = p_prescription.reconciled_from_id or p.status in ('draft', 'cancelled') then false
      when i.status in ('active', 'on_hold') then true
      -- dispensed to the last piece, and still being taken
      else i.status = 'completed' and i.stop_at is null
        and i.start_at + make_interval(days => coalesce(i.duration_days, 30)) > now()
    end;
  return v_items;
end
$$;

comment on function medication.ingredients_to_check(medication.prescriptions) is 'about=What decision support looks at: the ingredients of a prescription, and, marked current, of everything else that the patient takes.';

create or replace function medication.check_prescriber(p_prescription medication.prescriptions) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_today date := (now() at time zone medication.clinic_zone(p_prescription.encounter_id))::date;
  v_doctor record;
begin
  select s.id as staff_id, s.user_id, s.status, d.registration_valid_to into v_doctor
  from workforce.doctors d
  join workforce.staff s on s.tenant_id = d.tenant_id and s.id = d.staff_id
  where
    d.tenant_id = p_prescription.tenant_id and d.id = p_prescription.doctor_id
    and d.deleted_at is null and s.deleted_at is null;
  if not found or v_doctor.user_id is distinct from core.current_user_id() then
    raise exception 'prescription % is signed by its prescriber only', p_prescription.id
      using errcode = 'IM006', hint = 'doctor ' || p_prescription.doctor_id || ' must be signed in';
  end if;
  if v_doctor.status in ('suspended', 'left')
    or v_doctor.registration_valid_to < v_today
    -- a licence that the hospital has on file must hold, one that it never filed is not asked for
    or (
      exists (
        select
        from workforce.staff_credentials c
        where
          c.tenant_id = p_prescription.tenant_id and c.staff_id = v_doctor.staff_id and c.kind = 'registration'
          and c.status in ('verified', 'expired', 'revoked')
      )
      and not exists (
        select
        from workforce.staff_credentials c
        where
          c.tenant_id = p_prescription.tenant_id and c.staff_id = v_doctor.staff_id and c.kind = 'registration'
          and c.status = 'verified' and c.valid_during @> v_today
      )
    )
  then
    raise exception 'the registration of doctor % is not valid', p_prescription.doctor_id
      using errcode = 'IM405', hint = 'renew the registration, or ask another prescriber';
  end if;
end
$$;

comment on function medication.check_prescriber(medication.prescriptions) is 'about=Passes when the signed-in user is the prescriber and is registered today. IM006 somebody else, IM405 the registration has lapsed or was revoked.';

create or replace function medication.digest_of(p_prescription medication.prescriptions) returns bytea
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
  set timezone = 'UTC' -- the same text for every reader
as $$
declare
  v_items jsonb;
begin
  select jsonb_agg(
    to_jsonb(i) - array[
      'tenant_id', 'quantity_dispensed', 'stop_at', 'stop_reason', 'status', 'row_version', 'created_at', 'created_by',
      'updated_at', 'updated_by'
    ]
    order by i.id
  )
  into v_items
  from medication.prescription_items i
  where i.tenant_id = p_prescription.tenant_id and i.prescription_id = p_prescription.id and i.status <> 'cancelled';
  return sha256(convert_to(
    jsonb_build_array(
      p_prescription.prescription_number, p_prescription.patient_id, p_prescription.encounter_id,
      p_prescription.doctor_id, p_prescription.context, p_prescription.valid_until, v_items
    )::text,
    'UTF8'
  ));
end
$$;

comment on function medication.digest_of(medication.prescriptions) is 'about=SHA-256 of what the doctor signs: the prescription and its items as ordered. What happens to them later does not change it.';

-- What becomes of an order after it was signed: held, resumed, stopped, completed, entered in error, lapsed. Doses that
-- were to come follow their order; doses whose time has passed stay to be explained.
create or replace function medication.move_doses(
  p_item medication.prescription_items,
  p_from text[],
  p_to text,
  p_reason text,
  p_after timestamptz default now()
) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  update medication.medication_administrations a
  set status = p_to, not_given_reason = p_reason
  where
    a.tenant_id = p_item.tenant_id and a.prescription_item_id = p_item.id and a.scheduled_at > p_after
    and a.status = any (p_from);
end
$$;

comment on function medication.move_doses(medication.prescription_items, text[], text, text, timestamptz) is 'about=Holds or cancels the doses of an item that are due after a moment.';

create or replace function medication.close_if_done(p_prescription_id uuid) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  if exists (
    select
    from medication.prescription_items i
    where
      i.tenant_id = v_tenant and i.prescription_id = p_prescription_id and i.status in ('draft', 'active', 'on_hold')
  ) then
    return;
  end if;
  update medication.prescriptions p
  set
    status = case
      when exists (
        select
        from medication.prescription_items i
        where i.tenant_id = v_tenant and i.prescription_id = p_prescription_id and i.status = 'completed'
      ) then 'completed'
      else 'stopped'
    end
  where p.tenant_id = v_tenant and p.id = p_prescription_id and p.status in ('active', 'partially_dispensed');
end
$$;

comment on function medication.close_if_done(uuid) is 'about=Ends a prescription, which the caller has locked, when none of its items goes on: completed when one of them was, else stopped.';

create or replace function medication.hold_item(p_item_id uuid, p_reason text) returns medication.prescription_items
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_item medication.prescription_items := medication.lock_item(p_item_id);
begin
  if v_item.status = 'on_hold' then
    return v_item;
  end if;
  perform core.set_reason(btrim(p_reason));
  update medication.prescription_items i
  set status = 'on_hold', stop_reason = btrim(p_reason)
  where i.tenant_id = v_item.tenant_id and i.id = p_item_id
  returning i.* into v_item;
  perform medication.move_doses(v_item, '{due}', 'held', v_item.stop_reason);
  return v_item;
end
$$;

comment on function medication.hold_item(uuid, text) is 'about=Holds a medicine, for example before an operation; its coming doses are held. IM001 it is not active, IM002 no reason, IM005 no such item.';

create or replace function medication.resume_item(p_item_id uuid) returns medication.prescription_items
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_item medication.prescription_items := medication.lock_item(p_item_id);
begin
  if v_item.status = 'active' then
    return v_item;
  end if;
  update medication.prescription_items i
  set status = 'active', stop_reason = null
  where i.tenant_id = v_item.tenant_id and i.id = p_item_id
  returning i.* into v_item;
  return v_item;
end
$$;

comment on function medication.resume_item(uuid) is 'about=Ends the hold of a medicine; doses that were held may be given. IM001 it is not on hold, IM005 no such item.';

create or replace function medication.end_item(p_item medication.prescription_items, p_status text, p_reason text)
  returns medication.prescription_items
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_item medication.prescription_items;
begin
  update medication.prescription_items i
  set
    status = p_status, stop_reason = coalesce(p_reason, i.stop_reason),
    stop_at = least(i.stop_at, greatest(i.start_at, now()))
  where i.tenant_id = p_item.tenant_id and i.id = p_item.id
  returning i.* into v_item;
  perform medication.move_doses(v_item, '{due,held}', 'cancelled', coalesce(p_reason, 'course completed'));
  return v_item;
end
$$;

comment on function medication.end_item(medication.prescription_items, text, text) is 'about=Stops or completes an item that the caller has locked, and cancels its coming doses.';

create or replace function medication.stop_item(p_item_id uuid, p_reason text) returns medication.prescription_items
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_item medication.prescription_items := medication.lock_item(p_item_id);
begin
  if v_item.status = 'stopped' then
    return v_item;
  end if;
  perform core.set_reason(btrim(p_reason));
  v_item := medication.end_item(v_item, 'stopped', btrim(p_reason));
  perform medication.close_if_done(v_item.prescription_id);
  return v_item;
end
$$;

comment on function medication.stop_item(uuid, text) is 'about=Stops a medicine for good and cancels its coming doses; with its last medicine the prescription ends. IM001 it is a draft or over, IM002 no reason, IM005 no such item.';

create or replace function medication.complete_item(p_item_id uuid) returns medication.prescription_items
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_item medication.prescription_items := medication.lock_item(p_item_id);
begin
  if v_item.status = 'completed' then
    return v_item;
  end if;
  v_item := medication.end_item(v_item, 'completed', null);
  perform medication.close_if_done(v_item.prescription_id);
  return v_item;
end
$$;

comment on function medication.complete_item(uuid) is 'about=The course of a medicine is over as planned. IM001 it is not active, IM005 no such item.';

create or replace function medication.mark_item_in_error(p_item_id uuid, p_reason text) returns medication.prescription_items
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_item medication.prescription_items := medication.lock_item(p_item_id);
begin
  if v_item.status = 'entered_in_error' then
    return v_item;
  end if;
  perform core.set_reason(btrim(p_reason));
  update medication.prescription_items i
  set status = 'entered_in_error', stop_reason = btrim(p_reason)
  where i.tenant_id = v_item.tenant_id and i.id = p_item_id
  returning i.* into v_item;
  return v_item;
end
$$;

comment on function medication.mark_item_in_error(uuid, text) is 'about=Says of a stopped medicine that it should never have been ordered. IM001 it is not stopped, IM002 no reason, IM005 no such item.';

create or replace function medication.stop_prescription(p_prescription_id uuid, p_reason text) returns medication.prescriptions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_prescription medication.prescriptions := medication.lock_prescription(p_prescription_id);
  v_item medication.prescription_items;
begin
  if v_prescription.status = 'stopped' then
    return v_prescription;
  end if;
  if v_prescription.status = 'draft' then
    raise exception 'prescription % is a draft', p_prescription_id
      using errcode = 'IM001', hint = 'use medication.cancel_prescription';
  end if;
  perform core.set_reason(btrim(p_reason));
  for v_item in
    select i.*
    from medication.prescription_items i
    where
      i.tenant_id = v_prescription.tenant_id and i.prescription_id = p_prescription_id
      and i.status in ('active', 'on_hold')
    order by i.id
    for no key update
  loop
    perform medication.end_item(v_item, 'stopped', btrim(p_reason));
  end loop;
  update medication.prescriptions p
  set status = 'stopped', cancel_reason = btrim(p_reason)
  where p.tenant_id = v_prescription.tenant_id and p.id = p_prescription_id
  returning p.* into v_prescription;
  return v_prescription;
end
$$;

comment on function medication.stop_prescription(uuid, text) is 'about=Stops a prescription with all its medicines and cancels their coming doses. IM001 it is a draft or over, IM002 no reason, IM005 no such prescription.';

create or replace function medication.expire_prescriptions(p_limit int default 500) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_yesterday date := core.tenant_today() - 1; -- a clinic of the tenant may lie further west
  v_expired int;
begin
  with lapsed as (
    select p.id
    from medication.prescriptions p
    where
      p.tenant_id = v_tenant and p.status in ('active', 'partially_dispensed') and p.valid_until < v_yesterday
    order by p.valid_until
    limit p_limit
    for no key update skip locked
  )
  update medication.prescriptions p
  set status = 'expired'
  from lapsed l
  where p.tenant_id = v_tenant and p.id = l.id;
  get diagnostics v_expired = row_count;
  return v_expired;
end
$$;

comment on function medication.expire_prescriptions(int) is 'about=Job: marks prescriptions whose last day is over everywhere as expired and returns how many. Their medicines stay as they are: they cannot be dispensed any more, but may still be taken.';

create or replace function medication.check_substitute(
  p_item medication.prescription_items,
  p_stock_item_id uuid,
  p_reason text
) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_drug uuid;
begin
  select i.drug_id into v_drug
  from inventory.items i
  where i.tenant_id = p_item.tenant_id and i.id = p_stock_item_id and i.deleted_at is null;
  if not found then
    raise exception 'stock item % does not exist', p_stock_item_id
      using errcode = 'IM005', hint = 'choose an item of the tenant';
  end if;
  if v_drug = p_item.drug_id then
    return;
  end if;
  if p_item.no_substitution or v_drug is null or exists (
    -- an ingredient that only one of the two has, or has in another strength
    select
    from medication.drug_ingredients g
    where g.drug_id in (v_drug, p_item.drug_id) and g.is_active
    group by g.ingredient_code, g.strength_value, g.strength_unit
    having count(*) <> 2
  ) then
    raise exception 'stock item % does not stand for prescription item %', p_stock_item_id, p_item.id
      using errcode = 'IM006', hint = 'only the same ingredients in the same strength may replace a drug, and not when the doctor says no';
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'prescription item % is fulfilled with another drug', p_item.id
      using errcode = 'IM002', hint = 'say why in substitution_reason';
  end if;
end
$$;

comment on function medication.check_substitute(medication.prescription_items, uuid, text) is 'about=Passes when the stock item is the prescribed drug, or an equivalent with a reason. IM002 no reason, IM005 no such item, IM006 not equivalent, or the doctor allows no substitution.';

create or replace function medication.count_dispensed(p_item_id uuid, p_quantity numeric) returns medication.prescription_items
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_item medication.prescription_items;
begin
  update medication.prescription_items i
  set quantity_dispensed = i.quantity_dispensed + p_quantity
  where
    i.tenant_id = v_tenant and i.id = p_item_id
    and i.quantity_dispensed + p_quantity <= i.quantity * (1 + i.refills)
  returning i.* into v_item;
  if not found then
    raise exception 'prescription item % has less than % left', p_item_id, p_quantity
      using errcode = 'IM404', hint = 'reduce the quantity, or ask the doctor for a new prescription';
  end if;
  return v_item;
end
$$;

comment on function medication.count_dispensed(uuid, numeric) is 'about=Counts a quantity on a prescription item, negative when it comes back. IM404 more than quantity for each fill.';

create or replace function medication.movement_key(p_kind text, p_line_id uuid) returns text
  language sql
  immutable
  set search_path = pg_catalog, pg_temp
as $$
  -- in letters: the digits of a UUID look like an Aadhaar number once in some thousands, and the ledger refuses those
  select p_kind || ' ' || translate(p_line_id::text, '0123456789', 'ghijklmnop')
$$;

comment on function medication.movement_key(text, uuid) is 'about=Idempotency key of the movement that a line makes.';

create or replace function medication.lines_to_charge(p_dispense medication.dispenses)
  returns table (id uuid, sku text, quantity numeric, unit_price numeric)
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select
    l.id, i.sku, l.quantity,
    -- a batch without an MRP stands at what it cost, which is no price
    case when b.mrp is not null or l.unit_price < l.mrp then l.unit_price end
  from medication.dispense_items l
  join inventory.items i on i.tenant_id = l.tenant_id and i.id = l.item_id
  join inventory.batches b on b.tenant_id = l.tenant_id and b.id = l.batch_id
  where l.tenant_id = p_dispense.tenant_id and l.dispense_id = p_dispense.id
  order by l.id;
end
$$;

comment on function medication.lines_to_charge(medication.dispenses) is 'about=The lines of a dispense as they are billed: SKU of the stock item, quantity, and the price of one, tax included; null where the tariff counts.';

-- The service of accounts charges when it hears the events; it takes each source once.
create or replace function medication.charge_lines(p_dispense medication.dispenses) returns text
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_encounter uuid;
  v_line record;
begin
  select p.encounter_id into v_encounter
  from medication.prescriptions p
  where p.tenant_id = p_dispense.tenant_id and p.id = p_dispense.prescription_id;
  if v_encounter is null then
    return 'pending'; -- sold over the counter: billed there
  end if;
  for v_line in
    select * from medication.lines_to_charge(p_dispense)
  loop
    perform core.enqueue(
      'charge', v_line.id, 'charge.requested.v1',
      pg_catalog.jsonb_build_object(
        'encounter_id', v_encounter, 'code', v_line.sku, 'source_type', 'medication.dispense_items',
        'source_id', v_line.id, 'quantity', v_line.quantity, 'unit_price', v_line.unit_price
      )
    );
  end loop;
  return 'pending';
end
$$;

comment on function medication.charge_lines(medication.dispenses) is 'about=Charges every line to the encounter under the SKU of its item at the price of the line, without one at the tariff, each once; returns charged, or pending when the hospital has no such charge or the encounter no open account.';

create or replace function medication.follow_dispense(p_prescription_id uuid) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  update medication.prescriptions p
  set status = 'partially_dispensed'
  where p.tenant_id = v_tenant and p.id = p_prescription_id and p.status = 'active';
  -- what the patient takes home is done when the last fill is handed over; in a ward the course goes on
  update medication.prescription_items i
  set status = 'completed'
  from medication.prescriptions p
  where
    i.tenant_id = v_tenant and i.prescription_id = p_prescription_id and i.status = 'active'
    and i.quantity_dispensed = i.quantity * (1 + i.refills)
    and p.tenant_id = v_tenant and p.id = p_prescription_id and p.context not in ('ipd', 'emergency');
  perform medication.close_if_done(p_prescription_id);
end
$$;

comment on function medication.follow_dispense(uuid) is 'about=After goods were handed over: the prescription is partially dispensed, fully dispensed medicines for home are completed, and with the last of them the prescription.';

create or replace function medication.hand_over(
  p_dispense medication.dispenses,
  p_checked_by uuid,
  p_received_by_name text,
  p_counselled boolean
) returns medication.dispenses
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_charge_status text := 'pending';
  v_dispense medication.dispenses;
begin
  if p_checked_by is not null then
    perform medication.require_witness(p_checked_by, p_dispense.prepared_by);
  end if;
  if p_dispense.kind <> 'return' then
    v_charge_status := medication.charge_lines(p_dispense);
  end if;
  update medication.dispenses d
  set
    status = 'completed', checked_by = p_checked_by, handed_over_at = now(), charge_status = v_charge_status,
    received_by_name = nullif(btrim(p_received_by_name), ''), counselled = coalesce(p_counselled, false)
  where d.tenant_id = p_dispense.tenant_id and d.id = p_dispense.id
  returning d.* into v_dispense;
  if v_dispense.prescription_id is not null and v_dispense.kind <> 'return' then
    perform medication.follow_dispense(v_dispense.prescription_id);
  end if;
  return v_dispense;
end
$$;

comment on function medication.hand_over(medication.dispenses, uuid, text, boolean) is 'about=Completes and charges a ready dispense that the caller has locked. IM001 it is not ready, IM403 a high-alert or controlled drug that no second person checked.';

create or replace function medication.store_lines(
  p_dispense medication.dispenses,
  p_lines medication.dispense_items[]
) returns medication.dispenses
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_dispense medication.dispenses;
  v_line medication.dispense_items;
begin
  insert into medication.dispenses as d (
    tenant_id, id, dispense_number, prescription_id, patient_id, store_location_id, kind, prepared_by, return_of_id, reason
  )
  values (
    p_dispense.tenant_id, p_dispense.id, core.next_default_number('dispense', '', 'DSP-{YY}-'),
    p_dispense.prescription_id, p_dispense.patient_id, p_dispense.store_location_id, p_dispense.kind,
    p_dispense.prepared_by, p_dispense.return_of_id, p_dispense.reason
  )
  returning d.* into v_dispense;
  foreach v_line in array p_lines loop
    insert into medication.dispense_items (
      tenant_id, id, dispense_id, prescription_item_id, return_of_item_id, item_id, batch_id, batch_no, expiry_on,
      quantity, mrp, unit_price, tax_rate, reservation_id, movement_id, fefo_override_reason, substitution_reason
    )
    values (
      v_line.tenant_id, v_line.id, v_dispense.id, v_line.prescription_item_id, v_line.return_of_item_id, v_line.item_id,
      v_line.batch_id, v_line.batch_no, v_line.expiry_on, v_line.quantity, v_line.mrp, v_line.unit_price,
      v_line.tax_rate, v_line.reservation_id, v_line.movement_id, v_line.fefo_override_reason,
      v_line.substitution_reason
    );
  end loop;
  update medication.dispenses d
  set status = 'ready'
  where d.tenant_id = v_dispense.tenant_id and d.id = v_dispense.id
  returning d.* into v_dispense;
  return v_dispense;
end
$$;

comment on function medication.store_lines(medication.dispenses, medication.dispense_items[]) is 'about=Writes a dispense or return with its lines, whose goods have moved, and makes it ready. Takes its number late. IM501, IM503 a batch that may not be chosen.';

create or replace function medication.lock_dispense(p_dispense_id uuid) returns medication.dispenses
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_dispense medication.dispenses;
begin
  select d.* into v_dispense
  from medication.dispenses d
  where d.tenant_id = v_tenant and d.id = p_dispense_id;
  if not found then
    raise exception 'dispense % does not exist', p_dispense_id
      using errcode = 'IM005', hint = 'choose a dispense of the tenant';
  end if;
  if v_dispense.prescription_id is not null then
    perform medication.lock_prescription(v_dispense.prescription_id);
  end if;
  select d.* into v_dispense
  from medication.dispenses d
  where d.tenant_id = v_tenant and d.id = p_dispense_id
  for no key update;
  return v_dispense;
end
$$;

comment on function medication.lock_dispense(uuid) is 'about=A dispense, locked with its prescription. IM005 no such dispense.';

create or replace function medication.complete_dispense(
  p_dispense_id uuid,
  p_received_by_name text default null,
  p_counselled boolean default false
) returns medication.dispenses
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_staff uuid := workforce.acting_staff_id();
  v_dispense medication.dispenses := medication.lock_dispense(p_dispense_id);
begin
  if v_dispense.status = 'completed' then
    return v_dispense;
  end if;
  if v_dispense.kind = 'return' then
    raise exception 'dispense % is a return', p_dispense_id
      using errcode = 'IM001', hint = 'returns are complete when they are made';
  end if;
  return medication.hand_over(
    v_dispense, nullif(v_staff, v_dispense.prepared_by), p_received_by_name, p_counselled
  );
end
$$;

comment on function medication.complete_dispense(uuid, text, boolean) is 'about=Hands over what waits at the counter. When somebody else than the preparer calls it they are its second person. IM001 it is not ready, IM005 no such dispense, IM006 no member of staff, IM403 a high-alert or controlled drug needs somebody else than the preparer.';

-- The round: doses fall due, are given or not, and each is explained. A dose is known by its medicine and its time.
create or replace function medication.require_stay(p_prescription medication.prescriptions) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_status text;
begin
  select e.status into v_status
  from clinical.encounters e
  where e.tenant_id = p_prescription.tenant_id and e.id = p_prescription.encounter_id;
  if p_prescription.context not in ('ipd', 'emergency')
    or p_prescription.status not in ('active', 'partially_dispensed')
    or v_status not in ('arrived', 'triaged', 'in_progress', 'on_leave')
  then
    raise exception 'nurses give nothing on prescription %', p_prescription.id
      using errcode = 'IM001', hint = 'doses are given on active ipd and emergency prescriptions of a stay that goes on';
  end if;
end
$$;

comment on function medication.require_stay(medication.prescriptions) is 'about=Passes for an active prescription of kind ipd or emergency whose patient is still here. IM001 otherwise.';

create or replace function medication.add_doses(p_item medication.prescription_items, p_until timestamptz) returns int
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_prescription record;
  v_zone text;
  v_at timestamptz;
  v_added int := 0;
begin
  select p.patient_id, p.encounter_id into v_prescription
  from medication.prescriptions p
  where p.tenant_id = p_item.tenant_id and p.id = p_item.prescription_id;
  v_zone := medication.clinic_zone(v_prescription.encounter_id);
  -- not before today's rounds: a late order does not fall due in the past for days
  for v_at in select * from medication.dose_times(p_item, v_zone, now() - interval '12 hours', p_until) loop
    insert into medication.medication_administrations (
      tenant_id, prescription_item_id, patient_id, encounter_id, scheduled_at, dose_unit, route
    )
    values (
      p_item.tenant_id, p_item.id, v_prescription.patient_id, v_prescription.encounter_id, v_at, p_item.dose_unit,
      p_item.route
    )
    on conflict (tenant_id, prescription_item_id, scheduled_at) where status <> 'entered_in_error' do nothing;
    if found then
      v_added := v_added + 1;
    end if;
  end loop;
  return v_added;
end
$$;

comment on function medication.add_doses(medication.prescription_items, timestamptz) is 'about=Adds the doses of an item that fall due until a moment and are not there yet; returns how many.';

create or replace function medication.schedule_doses(p_item_id uuid, p_until timestamptz default now() + interval '24 hours')
  returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_item medication.prescription_items := medication.lock_item(p_item_id);
begin
  perform medication.require_stay(medication.lock_prescription(v_item.prescription_id));
  if v_item.status <> 'active' then
    raise exception 'prescription item % is %', p_item_id, v_item.status
      using errcode = 'IM001', hint = 'only active medicines fall due';
  end if;
  return medication.add_doses(v_item, p_until);
end
$$;

comment on function medication.schedule_doses(uuid, timestamptz) is 'about=Makes the doses of a medicine that fall due until p_until (default: in 24 hours) and returns how many are new. As-needed medicines have none. IM001 the medicine, its prescription or the stay is not active, IM005 no such item.';

create or replace function medication.schedule_due_doses(p_until timestamptz default now() + interval '24 hours') returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_prescription record;
  v_item medication.prescription_items;
  v_added int := 0;
begin
  for v_prescription in
    select p.id
    from medication.prescriptions p
    join clinical.encounters e on e.tenant_id = p.tenant_id and e.id = p.encounter_id
    where
      p.tenant_id = v_tenant
      and p.context in ('ipd', 'emergency')
      and p.status in ('active', 'partially_dispensed')
      and e.status in ('arrived', 'triaged', 'in_progress', 'on_leave')
    order by p.id
    for no key update of p skip locked -- one that somebody works on is scheduled by the next run
  loop
    for v_item in
      select i.*
      from medication.prescription_items i
      where i.tenant_id = v_tenant and i.prescription_id = v_prescription.id and i.status = 'active'
      order by i.id
    loop
      v_added := v_added + medication.add_doses(v_item, p_until);
    end loop;
  end loop;
  return v_added;
end
$$;

comment on function medication.schedule_due_doses(timestamptz) is 'about=Job, a few times a day: makes the doses of all patients in beds that fall due until p_until (default: in 24 hours) and returns how many are new.';

create or replace function medication.lock_dose(p_item_id uuid, p_scheduled_at timestamptz)
  returns medication.medication_administrations
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_item medication.prescription_items := medication.lock_item(p_item_id);
  v_dose medication.medication_administrations;
begin
  select a.* into v_dose
  from medication.medication_administrations a
  where
    a.tenant_id = v_item.tenant_id and a.prescription_item_id = p_item_id and a.scheduled_at = p_scheduled_at
    and a.status <> 'entered_in_error'
  for no key update;
  return v_dose;
end
$$;

comment on function medication.lock_dose(uuid, timestamptz) is 'about=The live record of a dose, locked with its order, or null. IM005 no such item.';

create or replace function medication.require_dose(p_dose medication.medication_administrations, p_item_id uuid) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_dose.id is null then
    raise exception 'no dose of item % is due then', p_item_id
      using errcode = 'IM005', hint = 'medication.schedule_doses makes what falls due';
  end if;
end
$$;

comment on function medication.require_dose(medication.medication_administrations, uuid) is 'about=IM005 when there is no dose.';

create or replace function medication.give_dose(
  p_item_id uuid,
  p_scheduled_at timestamptz,
  p_dose_given numeric default null,
  p_witness_id uuid default null,
  p_batch_id uuid default null,
  p_given_at timestamptz default now(),
  p_route text default null,
  p_site text default null,
  p_patient_scan boolean default null,
  p_drug_scan boolean default null,
  p_note_enc bytea default null
) returns medication.medication_administrations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_staff uuid := workforce.acting_staff_id();
  v_dose medication.medication_administrations := medication.lock_dose(p_item_id, p_scheduled_at);
  v_item medication.prescription_items := medication.lock_item(p_item_id);
  v_prescription medication.prescriptions;
begin
  if v_dose.status = 'given' then
    return v_dose;
  end if;
  -- what was given before the order ended may be recorded after it
  if v_item.status not in ('active', 'stopped', 'completed')
    or (v_item.status <> 'active' and p_given_at > v_item.stop_at)
  then
    raise exception 'prescription item % is %', p_item_id, v_item.status
      using errcode = 'IM001', hint = 'give what is ordered now';
  end if;
  if p_given_at > now() + interval '5 minutes' then
    raise exception 'a dose cannot be given in the future' using errcode = '22023', hint = 'record it when it was given';
  end if;
  if p_witness_id is not null then
    perform medication.require_witness(p_witness_id, v_staff);
  end if;
  if v_dose.id is null and v_item.is_prn then
    v_prescription := medication.lock_prescription(v_item.prescription_id);
    perform medication.require_stay(v_prescription);
    insert into medication.medication_administrations as a (
      tenant_id, prescription_item_id, patient_id, encounter_id, scheduled_at, dose_unit, route
    )
    values (
      v_item.tenant_id, p_item_id, v_prescription.patient_id, v_prescription.encounter_id, p_scheduled_at,
      v_item.dose_unit, v_item.route
    )
    returning a.* into v_dose;
  end if;
  perform medication.require_dose(v_dose, p_item_id);

  update medication.medication_administrations a
  set
    status = 'given', given_at = p_given_at, given_by = v_staff, witness_id = p_witness_id,
    dose_given = coalesce(p_dose_given, v_item.dose_value), dose_unit = v_item.dose_unit,
    route = coalesce(p_route, v_item.route), site = p_site, batch_id = p_batch_id, patient_scan = p_patient_scan,
    drug_scan = p_drug_scan, note_enc = p_note_enc, not_given_reason = null
  where a.tenant_id = v_dose.tenant_id and a.id = v_dose.id and a.scheduled_at = v_dose.scheduled_at
  returning a.* into v_dose;
  return v_dose;
end
$$;

comment on function medication.give_dose(uuid, timestamptz, numeric, uuid, uuid, timestamptz, text, text, boolean, boolean, bytea) is 'about=The signed-in nurse gave a dose that was due or held; the ordered amount unless p_dose_given says otherwise. An as-needed dose need not be due: its record is made, p_scheduled_at is its time. Recording it again changes nothing. IM001 the order is held, over or the dose was explained otherwise, IM005 no such item or dose, IM006 no member of staff, IM403 a high-alert or controlled drug needs another member of staff as witness, 22023 in the future.';

create or replace function medication.record_not_given(
  p_item_id uuid,
  p_scheduled_at timestamptz,
  p_outcome text,
  p_reason text,
  p_note_enc bytea default null
) returns medication.medication_administrations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_staff uuid := workforce.acting_staff_id();
  v_dose medication.medication_administrations := medication.lock_dose(p_item_id, p_scheduled_at);
begin
  if coalesce(p_outcome, '') not in ('missed', 'refused', 'held') then
    raise exception 'unknown outcome "%"', p_outcome using errcode = '22023', hint = 'use missed, refused or held';
  end if;
  perform medication.require_dose(v_dose, p_item_id);
  if v_dose.status = p_outcome then
    return v_dose;
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'a dose of item % that is % needs a reason', p_item_id, p_outcome
      using errcode = 'IM002', hint = 'say why in p_reason';
  end if;
  update medication.medication_administrations a
  set status = p_outcome, not_given_reason = btrim(p_reason), note_enc = coalesce(p_note_enc, a.note_enc)
  where a.tenant_id = v_dose.tenant_id and a.id = v_dose.id and a.scheduled_at = v_dose.scheduled_at
  returning a.* into v_dose;
  return v_dose;
end
$$;

comment on function medication.record_not_given(uuid, timestamptz, text, text, bytea) is 'about=A due dose was missed, refused by the patient or held back, and why; a held one may still be given. IM001 it was explained otherwise, IM002 no reason, IM005 no such item or dose, IM006 no member of staff, 22023 unknown outcome.';

create or replace function medication.mark_dose_in_error(p_item_id uuid, p_scheduled_at timestamptz, p_reason text)
  returns medication.medication_administrations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_staff uuid := workforce.acting_staff_id();
  v_dose medication.medication_administrations := medication.lock_dose(p_item_id, p_scheduled_at);
  v_due medication.medication_administrations;
begin
  perform medication.require_dose(v_dose, p_item_id);
  if v_dose.status = 'due' and exists (
    select
    from medication.medication_administrations a
    where
      a.tenant_id = v_dose.tenant_id and a.prescription_item_id = p_item_id and a.scheduled_at = p_scheduled_at
      and a.status = 'entered_in_error'
  ) then
    return v_dose; -- said already
  end if;
  perform core.set_reason(btrim(p_reason));
  update medication.medication_administrations a
  set status = 'entered_in_error', not_given_reason = nullif(btrim(p_reason), '')
  where a.tenant_id = v_dose.tenant_id and a.id = v_dose.id and a.scheduled_at = v_dose.scheduled_at;
  insert into medication.medication_administrations as a (
    tenant_id, prescription_item_id, patient_id, encounter_id, scheduled_at, dose_unit, route
  )
  values (
    v_dose.tenant_id, p_item_id, v_dose.patient_id, v_dose.encounter_id, p_scheduled_at, v_dose.dose_unit, v_dose.route
  )
  returning a.* into v_due;
  return v_due;
end
$$;

comment on function medication.mark_dose_in_error(uuid, timestamptz, text) is 'about=A dose that is recorded as given was not: the record stays as entered in error, and the dose is due again, to be explained. Returns the due dose. IM001 it was not recorded as given, IM002 no reason, IM005 no such item or dose, IM006 no member of staff.';

-- soft references: functions

create or replace function medication.dispense_items_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.batch_id is distinct from old.batch_id then
    perform core.require_entity(new.tenant_id, 'inventory.batches', new.batch_id, 'dispense_items_batch_fkey');
  end if;
  if new.item_id is distinct from old.item_id then
    perform core.require_entity(new.tenant_id, 'inventory.items', new.item_id, 'dispense_items_item_fkey');
  end if;
  if new.movement_id is distinct from old.movement_id then
    perform core.require_entity(new.tenant_id, 'inventory.stock_movements', new.movement_id, 'dispense_items_movement_fkey');
  end if;
  if new.reservation_id is distinct from old.reservation_id then
    perform core.require_entity(new.tenant_id, 'inventory.stock_reservations', new.reservation_id, 'dispense_items_reservation_fkey');
  end if;
  return null;
end
$$;

comment on function medication.dispense_items_check_references() is 'about=Of a new or changed row: what batch_id, item_id, movement_id, reservation_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger dispense_items_new_references after insert on medication.dispense_items
  for each row execute function medication.dispense_items_check_references();

create or replace trigger dispense_items_changed_references after update on medication.dispense_items
  for each row when (new.batch_id is distinct from old.batch_id or new.item_id is distinct from old.item_id or new.movement_id is distinct from old.movement_id or new.reservation_id is distinct from old.reservation_id)
  execute function medication.dispense_items_check_references();

create or replace function medication.dispenses_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.checked_by is distinct from old.checked_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.checked_by, 'dispenses_checked_by_fkey');
  end if;
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'dispenses_patient_fkey');
  end if;
  if new.prepared_by is distinct from old.prepared_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.prepared_by, 'dispenses_prepared_by_fkey');
  end if;
  if new.store_location_id is distinct from old.store_location_id then
    perform core.require_entity(new.tenant_id, 'facility.locations', new.store_location_id, 'dispenses_store_location_fkey');
  end if;
  return null;
end
$$;

comment on function medication.dispenses_check_references() is 'about=Of a new or changed row: what checked_by, patient_id, prepared_by, store_location_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger dispenses_new_references after insert on medication.dispenses
  for each row execute function medication.dispenses_check_references();

create or replace trigger dispenses_changed_references after update on medication.dispenses
  for each row when (new.checked_by is distinct from old.checked_by or new.patient_id is distinct from old.patient_id or new.prepared_by is distinct from old.prepared_by or new.store_location_id is distinct from old.store_location_id)
  execute function medication.dispenses_check_references();

create or replace function medication.medication_administrations_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.batch_id is distinct from old.batch_id then
    perform core.require_entity(new.tenant_id, 'inventory.batches', new.batch_id, 'medication_administrations_batch_fkey');
  end if;
  if new.encounter_id is distinct from old.encounter_id then
    perform core.require_entity(new.tenant_id, 'clinical.encounters', new.encounter_id, 'medication_administrations_encounter_fkey');
  end if;
  if new.given_by is distinct from old.given_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.given_by, 'medication_administrations_given_by_fkey');
  end if;
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'medication_administrations_patient_fkey');
  end if;
  if new.witness_id is distinct from old.witness_id then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.witness_id, 'medication_administrations_witness_fkey');
  end if;
  return null;
end
$$;

comment on function medication.medication_administrations_check_references() is 'about=Of a new or changed row: what batch_id, encounter_id, given_by, patient_id, witness_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger medication_administrations_new_references after insert on medication.medication_administrations
  for each row execute function medication.medication_administrations_check_references();

create or replace trigger medication_administrations_changed_references after update on medication.medication_administrations
  for each row when (new.batch_id is distinct from old.batch_id or new.encounter_id is distinct from old.encounter_id or new.given_by is distinct from old.given_by or new.patient_id is distinct from old.patient_id or new.witness_id is distinct from old.witness_id)
  execute function medication.medication_administrations_check_references();

create or replace function medication.prescriptions_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.doctor_id is distinct from old.doctor_id then
    perform core.require_entity(new.tenant_id, 'workforce.doctors', new.doctor_id, 'prescriptions_doctor_fkey');
  end if;
  if new.encounter_id is distinct from old.encounter_id then
    perform core.require_entity(new.tenant_id, 'clinical.encounters', new.encounter_id, 'prescriptions_encounter_fkey');
  end if;
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'prescriptions_patient_fkey');
  end if;
  if new.signature_id is distinct from old.signature_id then
    perform core.require_entity(new.tenant_id, 'ehr.document_signatures', new.signature_id, 'prescriptions_signature_fkey');
  end if;
  return null;
end
$$;

comment on function medication.prescriptions_check_references() is 'about=Of a new or changed row: what doctor_id, encounter_id, patient_id, signature_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger prescriptions_new_references after insert on medication.prescriptions
  for each row execute function medication.prescriptions_check_references();

create or replace trigger prescriptions_changed_references after update on medication.prescriptions
  for each row when (new.doctor_id is distinct from old.doctor_id or new.encounter_id is distinct from old.encounter_id or new.patient_id is distinct from old.patient_id or new.signature_id is distinct from old.signature_id)
  execute function medication.prescriptions_check_references();


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

-- compliance: grants

grant execute on function patient.ids_of(uuid[]) to audit_reader;

-- medication: grants

-- The module belongs to medication_owner. Its operations read a few columns of other services and call theirs: stock is
-- moved by inventory, judged by cds, charged by billing, signed by ehr.
select core.hand_over('medication', 'medication');

select core.ensure_partitions('medication.medication_administrations', 'month', 1);
grant execute on function patient.ids_of(uuid[]) to medication_owner;

grant execute on function
  medication.draft_prescription(uuid, uuid, text, jsonb, text, date, uuid),
  medication.add_prescription_item(uuid, jsonb),
  medication.remove_prescription_item(uuid),
  medication.cancel_prescription(uuid, text),
  medication.hold_item(uuid, text),
  medication.resume_item(uuid),
  medication.stop_item(uuid, text),
  medication.complete_item(uuid),
  medication.mark_item_in_error(uuid, text),
  medication.stop_prescription(uuid, text),
  medication.expire_prescriptions(int),
  medication.complete_dispense(uuid, text, boolean),
  medication.schedule_doses(uuid, timestamptz),
  medication.schedule_due_doses(timestamptz),
  medication.give_dose(uuid, timestamptz, numeric, uuid, uuid, timestamptz, text, text, boolean, boolean, bytea),
  medication.record_not_given(uuid, timestamptz, text, text, bytea),
  medication.mark_dose_in_error(uuid, timestamptz, text)
to medication_app;

-- other services: grants

select core.hand_over('clinical', 'medication');

select core.hand_over('compliance', 'medication');

select core.hand_over('facility', 'medication');

select core.hand_over('inventory', 'medication');

select core.hand_over('patient', 'medication');

select core.hand_over('workforce', 'medication');

grant usage on schema clinical, compliance, facility, inventory, patient, workforce to kernel_owner;

grant select on
  clinical.encounters,
  compliance.legal_holds,
  facility.clinics,
  inventory.batches,
  inventory.items,
  patient.patients,
  workforce.doctors,
  workforce.staff,
  workforce.staff_credentials
to medication_app, medication_ro, kernel_owner;

select core.close_database('medication');
