-- Database of the service billing: billing, insurance, and the kernel.
--
-- Built from the modules by `imhotep bundle --topology services`. Do not edit: change a module and build again.
-- Repeatable: a second run changes nothing. One transaction: psql -1 -f, or one simple query.
--
-- Order: foundations (schemas, roles, types, functions that tables need), tables with their foreign keys to tables above
-- them, all other foreign keys, functions, views, grants; in each part the modules in the order in which they need each other:
--   core       Kernel installed in every service database: tenancy, context, numbering, idempotency, outbox, crypto, settings, state-machine rules.
--   audit      Append-only evidence: who did and who saw what. Partitioned, sealed in the background.
--   billing    Charges, invoices, allocations, double-entry ledger.
--   insurance  Payers, PM-JAY cases, NHCX exchange: eligibility, pre-authorisation, claims, settlement.

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

create schema if not exists ehr;

comment on schema ehr is 'owner=ehr;about=What is kept here of the service ehr: views of what it publishes, functions that read them.';

create schema if not exists facility;

comment on schema facility is 'owner=facility;about=What is kept here of the service facility: views of what it publishes, functions that read them.';

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

-- billing: foundation

-- Charges, invoices, allocations, double-entry ledger.
create schema if not exists billing;

comment on schema billing is 'owner=billing;about=Charges, invoices, allocations, double-entry ledger.';

select core.create_service_roles('billing');

-- Rules that span rows or tables, as trigger functions. They read with the rights of billing_owner: a deferred one runs at
-- commit, as whoever commits.
create or replace function billing.follow_invoice_counts() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if old.status not in ('draft', 'quoted', 'discarded') and new.kind <> 'credit_note' then
    new.status := case
      when new.credited = new.total and new.credited > 0 then 'credited'
      when new.allocated + new.written_off = new.total then case when new.written_off > 0 then 'written_off' else 'paid' end
      when new.allocated > 0 then 'partially_paid'
      else 'issued'
    end;
  end if;
  return new;
end
$$;

comment on function billing.follow_invoice_counts() is 'about=Before update: the state of an issued bill follows what is allocated, credited and written off; nobody sets it.';

create or replace function billing.keep_issued_invoice() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  -- counters and what comes to a bill later; everything else is what was printed
  v_moving constant text[] := array[
    'allocated', 'credited', 'written_off', 'write_off_reason', 'write_off_approved_by', 'status', 'irn', 'document_id',
    'cancelled_reason', 'row_version', 'updated_at', 'updated_by'
  ];
begin
  if tg_op = 'UPDATE' then
    if old.status = 'draft' then
      return new;
    end if;
    if to_jsonb(new) - v_moving = to_jsonb(old) - v_moving and (old.irn is null or new.irn = old.irn) then
      return new;
    end if;
  end if;
  raise exception 'invoice % cannot be changed', old.id
    using errcode = 'IM550', hint = 'write a credit note and a new bill';
end
$$;

comment on function billing.keep_issued_invoice() is 'about=Before update or delete: an issued bill keeps what was printed; only its counters, state, document and e-invoice reference move (IM550). No bill is ever deleted.';

create or replace function billing.check_invoice_line() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform
  from billing.invoices i
  where i.tenant_id = new.tenant_id and i.id = new.invoice_id and i.status = 'draft';
  if not found then
    raise exception 'invoice % takes no more lines', new.invoice_id
      using errcode = 'IM550', hint = 'write another bill or a credit note';
  end if;
  return new;
end
$$;

comment on function billing.check_invoice_line() is 'about=Before insert: lines are added to drafts only (IM550).';

create or replace function billing.check_invoice_totals() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_lines record;
begin
  select
    coalesce(sum(round(l.quantity * l.unit_price, 2)), 0) as subtotal,
    coalesce(sum(l.discount), 0) as discount,
    coalesce(sum(l.tax), 0) as tax,
    coalesce(sum(l.net), 0) as net,
    count(*) as count
  into v_lines
  from billing.invoice_items l
  where l.tenant_id = new.tenant_id and l.invoice_id = new.id;
  if
    v_lines.count = 0
    or (v_lines.subtotal, v_lines.discount, v_lines.tax) <> (new.subtotal, new.discount, new.tax)
    or v_lines.net <> new.total - new.round_off
  then
    raise exception 'the lines of invoice % do not add up to its totals', new.id
      using errcode = 'IM553', hint = 'compute the totals from the lines';
  end if;
  return null;
end
$$;

comment on function billing.check_invoice_totals() is 'about=At commit: the lines of a bill that left the draft state add up to its subtotal, discount, tax and total (IM553).';

create or replace function billing.check_account_open() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_account_id uuid;
begin
  select a.id into v_account_id
  from billing.invoices i
  join billing.accounts a on a.tenant_id = i.tenant_id and a.id = i.account_id
  where i.tenant_id = new.tenant_id and i.id = new.invoice_id and a.status = 'closed';
  if found then
    raise exception 'account % is closed', v_account_id
      using errcode = 'IM558', hint = 'reopen it with billing.set_account_status, giving the reason';
  end if;
  return new;
end
$$;

comment on function billing.check_account_open() is 'about=Before insert: the bills of a closed account stay paid as they are; neither money nor a reversal comes to them (IM558).';

create or replace function billing.check_ledger_balance() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_balanced boolean;
begin
  select bool_and(c.difference = 0) into v_balanced
  from (
    select sum(case e.direction when 'debit' then e.amount else -e.amount end) as difference
    from billing.ledger_entries e
    where e.tenant_id = new.tenant_id and e.txn_id = new.txn_id
    group by e.currency
  ) c;
  if v_balanced is not true then -- null: the transaction ends in another tenant, whose rows are not these
    raise exception 'ledger transaction % does not balance', new.txn_id
      using errcode = 'IM553', hint = 'post as much debit as credit in each currency';
  end if;
  return null;
end
$$;

comment on function billing.check_ledger_balance() is 'about=At commit: debit and credit of a ledger transaction are equal in each currency (IM553).';

create or replace function billing.check_discharge_clearance() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_account record;
begin
  -- who is gone, and who died, is not kept back for money
  if new.status = old.status or new.discharge_kind in ('absconded', 'death') then
    return new;
  end if;
  for v_account in
    select
      a.id,
      a.balance > a.credit_limit as owes,
      exists (
        select
        from billing.charge_items i
        where i.tenant_id = a.tenant_id and i.account_id = a.id and i.status in ('planned', 'billable')
      ) as has_unbilled
    from billing.accounts a
    where a.tenant_id = new.tenant_id and a.encounter_id = new.encounter_id and a.status <> 'closed'
  loop
    if v_account.has_unbilled or v_account.owes then
      raise exception 'admission % is not cleared by billing: account % %', new.id, v_account.id,
        case when v_account.has_unbilled then 'has charges that are not billed' else 'is not paid' end
        using errcode = 'IM203', hint = 'make the final bill and collect it, or grant credit with billing.set_credit_limit';
    end if;
  end loop;
  return new;
end
$$;

comment on function billing.check_discharge_clearance() is 'about=Before an admission becomes billing_cleared or discharged: its account has nothing unbilled and owes no more than its credit limit (IM203). Not asked after death or when the patient absconded.';

-- insurance: foundation

-- Payers, PM-JAY cases, NHCX exchange: eligibility, pre-authorisation, claims, settlement.
create schema if not exists insurance;

comment on schema insurance is 'owner=billing;about=Payers, PM-JAY cases, NHCX exchange: eligibility, pre-authorisation, claims, settlement.';

select core.create_service_roles('billing');

-- Enumerated types of the module. Enum equality is not leakproof, so row level security keeps it away from ordinary
-- indexes: every list by status has a partial index over the live states instead.
do $$
begin
  if pg_catalog.to_regtype('insurance.claim_status') is null then
    create type insurance.claim_status as enum (
  'draft', 'ready', 'cancelled', 'submitted', 'approved', 'partially_approved', 'queried', 'rejected', 'dispatch_failed',
  'cancel_requested', 'lapsed', 'resubmitted', 'reprocess_requested', 'closed', 'superseded', 'utilised', 'paid', 'expired'
);
  end if;
end
$$;

comment on type insurance.claim_status is 'about=State of a pre-authorisation or claim, from draft to closed; core.transition_rules lists the moves.';

-- Rules of tables that no constraint can say, because they read another table. The tables name them in their
-- triggers.
create or replace function insurance.check_backdating() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_days int;
begin
  if new.backdated_to is null then
    return new;
  end if;
  select p.backdate_days into v_days
  from insurance.coverages c
  join insurance.payers p on p.id = c.payer_id
  where c.tenant_id = new.tenant_id and c.id = new.coverage_id;
  if v_days is null or new.backdated_to < new.registered_at - make_interval(days => v_days) then
    raise exception 'case % is dated back further than the payer allows', new.id
      using
        errcode = 'IM621',
        hint = case when v_days is null then 'this payer allows no back-dating' else 'at most ' || v_days || ' days' end;
  end if;
  return new;
end
$$;

comment on function insurance.check_backdating() is 'about=Before insert or update of a case: backdated_to lies within payers.backdate_days of the registration, else IM621.';

create or replace function insurance.check_claim_item() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_package record;
  v_strata int;
  v_limit text;
begin
  if new.package_id is null then
    return new;
  end if;
  select p.* into v_package from insurance.benefit_packages p where p.id = new.package_id;
  select count(distinct i.stratification_code) into v_strata
  from insurance.insurance_claim_items i
  where
    i.tenant_id = new.tenant_id and i.claim_id = new.claim_id and i.package_id = new.package_id and i.id <> new.id
    and i.stratification_code is distinct from new.stratification_code;
  if new.stratification_code is not null then
    v_strata := v_strata + 1;
  end if;

  v_limit := case
    when v_package.govt_reserved and not exists (
      select
      from insurance.insurance_claims c
      join clinical.encounters e on e.tenant_id = c.tenant_id and e.id = c.encounter_id
      join facility.clinics s on s.tenant_id = e.tenant_id and s.id = e.clinic_id
      where c.tenant_id = new.tenant_id and c.id = new.claim_id and s.ownership = 'public'
    ) then 'govt_reserved'
    when new.quantity > v_package.quantity_allowed then 'quantity_allowed'
    when new.implant_count > 0 and not v_package.implant_applicable then 'implant_applicable'
    when new.implant_count > 1 and not v_package.multiple_implants_allowed then 'multiple_implants_allowed'
    when new.implant_count > v_package.maximum_implants_allowed then 'maximum_implants_allowed'
    when new.stratification_code is not null and not v_package.stratification_allowed then 'stratification_allowed'
    when v_strata > 1 and not v_package.multiple_stratification_allowed then 'multiple_stratification_allowed'
    when v_strata > v_package.maximum_stratification_allowed then 'maximum_stratification_allowed'
    when new.cycle_no is not null and not v_package.cyclic_procedure then 'cyclic_procedure'
    when new.cycle_no > v_package.maximum_cycles_allowed then 'maximum_cycles_allowed'
  end;
  if v_limit is not null then
    raise exception 'line % of claim % asks for more than package % allows', new.seq, new.claim_id, new.package_id
      using errcode = 'IM607', hint = 'see benefit_packages.' || v_limit;
  end if;

  if v_package.procedure_type in ('medical', 'surgical') and not v_package.may_be_mixed and exists (
    select
    from insurance.insurance_claim_items i
    join insurance.benefit_packages p on p.id = i.package_id
    where
      i.tenant_id = new.tenant_id and i.claim_id = new.claim_id and i.id <> new.id
      and p.procedure_type in ('medical', 'surgical') and p.procedure_type <> v_package.procedure_type
      and not p.may_be_mixed
  ) then
    raise exception 'claim % would hold medical and surgical packages', new.claim_id
      using errcode = 'IM620', hint = 'make a submission of its own for each kind';
  end if;
  return new;
end
$$;

comment on function insurance.check_claim_item() is 'about=Before insert or update of a line: quantity, implants, strata and cycles are within the limits of its package, and one that is reserved for public hospitals is claimed by such a one (IM607); medical and surgical packages are not mixed unless one of them may be (IM620).';

create or replace function insurance.check_claim_has_approval() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.use = 'claim' and new.status = 'submitted' and new.pre_auth_ref is null and exists (
    select
    from insurance.insurance_claim_items i
    left join insurance.benefit_packages p on p.id = i.package_id
    where i.tenant_id = new.tenant_id and i.claim_id = new.id and not coalesce(p.approval_not_required, false)
  ) then
    raise exception 'claim % has no approved pre-authorisation', new.id
      using errcode = 'IM605', hint = 'draft it from the approval, or claim packages that need none only';
  end if;
  return new;
end
$$;

comment on function insurance.check_claim_has_approval() is 'about=Before update of status: a claim that is submitted carries the reference of an approval, unless all its packages need none (IM605).';

create or replace function insurance.keep_submitted_claim() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if old.status not in ('draft', 'ready') and (
    (
      new.sub_type, new.priority, new.billable_period, new.admission_at, new.expected_los_days, new.care_team,
      new.diagnoses, new.procedures, new.accident, new.delay_reason
    ) is distinct from (
      old.sub_type, old.priority, old.billable_period, old.admission_at, old.expected_los_days, old.care_team,
      old.diagnoses, old.procedures, old.accident, old.delay_reason
    )
    or new.use = 'claim' and new.pre_auth_ref is distinct from coalesce(old.pre_auth_ref, new.pre_auth_ref)
  ) then
    raise exception 'claim % was submitted and stays as it is', old.id
      using errcode = 'IM001', hint = 'draft an enhancement or a resubmission of it';
  end if;
  return new;
end
$$;

comment on function insurance.keep_submitted_claim() is 'about=Before update: what was submitted is not changed afterwards (IM001).';

-- Whoever deletes may not see every case and submission.
create or replace function insurance.keep_used_coverage() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (
    select
    from insurance.insurance_claims c
    where c.tenant_id = old.tenant_id and c.coverage_id = old.id and c.wallet_hold > 0
  ) or exists (
    select
    from insurance.pmjay_cases c
    where c.tenant_id = old.tenant_id and c.coverage_id = old.id and c.status not in ('paid', 'closed', 'cancelled')
  ) then
    raise exception 'coverage % is in use', old.id
      using errcode = 'IM001', hint = 'end its cases and submissions first, or end it with insurance.end_coverage';
  end if;
  return new;
end
$$;

comment on function insurance.keep_used_coverage() is 'about=Before a coverage is deleted: no case of it is live and no submission holds anything of its wallet (IM001).';


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

-- billing: tables

-- billing.charge_master: everything that can be charged, hospital packages included.
--
-- The base price is what a patient pays who falls under no tariff. A charge that is no longer sold is made inactive; one
-- that was ever charged is never deleted, because its bills name it.
create table if not exists billing.charge_master (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  code text not null,
  name text not null,
  kind text not null,
  department_id uuid,
  sac_hsn text,
  gst_rate numeric(5, 2) not null default 0,
  is_exempt boolean not null default false,
  base_price numeric(14, 2) not null,
  unit text not null default 'each',
  package_components jsonb,
  hbp_package_code text,
  active boolean not null default true,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint charge_master_pkey primary key (tenant_id, id),
  constraint charge_master_no_nan check (gst_rate <> 'NaN' and base_price <> 'NaN'),
  constraint charge_master_code_format check (code ~ '^[A-Za-z0-9][A-Za-z0-9._/-]{0,39}$'),
  constraint charge_master_kind_check check (
    kind in ('service', 'room', 'procedure', 'lab', 'imaging', 'drug', 'consumable', 'package', 'registration')
  ),
  constraint charge_master_sac_hsn_digits check (sac_hsn ~ '^[0-9]{4,8}$'),
  constraint charge_master_gst_rate_range check (gst_rate between 0 and 100),
  constraint charge_master_price_not_negative check (base_price >= 0),
  constraint charge_master_exempt_has_no_gst check (not is_exempt or gst_rate = 0),
  constraint charge_master_package_names_components check ((kind = 'package') = (package_components is not null)),
  constraint charge_master_components_are_a_list check (jsonb_typeof(package_components) = 'array'),
  constraint charge_master_tenant_fkey foreign key (tenant_id) references core.tenants (id)
);

create unique index if not exists charge_master_code_key on billing.charge_master (tenant_id, code) where deleted_at is null;
create index if not exists charge_master_department_idx on billing.charge_master (tenant_id, department_id) where department_id is not null;

comment on table billing.charge_master is 'class=reference;scope=tenant;owner=billing;fhir=ChargeItemDefinition;retention=financial;about=Everything that can be charged, hospital packages included.';
comment on column billing.charge_master.code is 'class=reference;about=The hospital''s code, the one that charge_encounter takes.';
comment on column billing.charge_master.name is 'class=reference;about=Text of the line on a bill.';
comment on column billing.charge_master.kind is 'class=reference;about=service, room, procedure, lab, imaging, drug, consumable, package or registration. Drugs and consumables may be charged at the price of their batch.';
comment on column billing.charge_master.department_id is 'class=operational;about=The department whose revenue it is.';
comment on column billing.charge_master.sac_hsn is 'class=reference;about=Service or goods code of Indian GST, 4 to 8 digits; 9993 is human health care.';
comment on column billing.charge_master.gst_rate is 'class=financial;about=GST in percent.';
comment on column billing.charge_master.is_exempt is 'class=financial;about=True when the law exempts it from GST: it goes on a bill of supply.';
comment on column billing.charge_master.base_price is 'class=financial;about=Price of one unit before GST where no tariff applies.';
comment on column billing.charge_master.unit is 'class=reference;about=What a quantity of 1 is: each, day, hour, strip.';
comment on column billing.charge_master.package_components is 'class=reference;about=What a package includes: [{"code": charge code, "quantity": number, or null for as much as it takes}].';
comment on column billing.charge_master.hbp_package_code is 'class=reference;about=Code of the scheme''s health benefit package that it is claimed as.';
comment on column billing.charge_master.active is 'class=operational;about=False when it is no longer charged.';
select core.comment_standard_columns('billing.charge_master');

alter table billing.charge_master enable row level security, force row level security;
drop policy if exists tenant_isolation on billing.charge_master;
create policy tenant_isolation on billing.charge_master
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger charge_master_touch before update on billing.charge_master
  for each row execute function core.update_updated_at_column('row_version');
select audit.track('billing.charge_master');

grant select, insert, update on billing.charge_master to billing_app;
grant select on billing.charge_master to billing_ro;

-- billing.tariffs: prices by payer, class of care, clinic and date.
--
-- An empty payer, class or clinic means any. Two tariffs for the same charge, payer, class and clinic never overlap in
-- time, so a date has one price; billing.find_price chooses the most particular.
create table if not exists billing.tariffs (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  charge_id uuid not null,
  payer_id uuid,
  care_class text,
  clinic_id uuid,
  price numeric(14, 2) not null,
  discount_pct numeric(5, 2) not null default 0,
  valid_during daterange not null,
  approved_by uuid not null,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint tariffs_pkey primary key (tenant_id, id),
  constraint tariffs_no_nan check (price <> 'NaN' and discount_pct <> 'NaN'),
  constraint tariffs_one_price_a_day exclude using gist (
    tenant_id with =,
    charge_id with =,
    (coalesce(payer_id, core.zero_uuid())) with =,
    (coalesce(care_class, '')) with =,
    (coalesce(clinic_id, core.zero_uuid())) with =,
    valid_during with &&
  ),
  constraint tariffs_price_not_negative check (price >= 0),
  constraint tariffs_discount_pct_range check (discount_pct between 0 and 100),
  constraint tariffs_valid_from_a_day check (not isempty(valid_during) and not lower_inf(valid_during)),
  constraint tariffs_tenant_fkey foreign key (tenant_id) references core.tenants (id),
  constraint tariffs_charge_fkey foreign key (tenant_id, charge_id) references billing.charge_master (tenant_id, id)
);

comment on index billing.tariffs_one_price_a_day is 'about=Guards writes only; billing.find_price reads the few tariffs of a charge by tariffs_charge_idx.';
create index if not exists tariffs_charge_idx on billing.tariffs (tenant_id, charge_id);
create index if not exists tariffs_payer_idx on billing.tariffs (payer_id, tenant_id) where payer_id is not null;
comment on index billing.tariffs_payer_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index if not exists tariffs_clinic_idx on billing.tariffs (tenant_id, clinic_id) where clinic_id is not null;
create index if not exists tariffs_approved_by_idx on billing.tariffs (tenant_id, approved_by);

comment on table billing.tariffs is 'class=financial;scope=tenant;owner=billing;fhir=ChargeItemDefinition.propertyGroup;retention=financial;about=Prices by payer, class of care, clinic and date.';
comment on column billing.tariffs.charge_id is 'class=reference;about=What is priced.';
comment on column billing.tariffs.payer_id is 'class=financial;about=The payer whose price it is; empty for any.';
comment on column billing.tariffs.care_class is 'class=financial;about=Class of care as on the admission (general, semi_private, private); empty for any.';
comment on column billing.tariffs.clinic_id is 'class=operational;about=The clinic that it holds for; empty for any.';
comment on column billing.tariffs.price is 'class=financial;about=Price of one unit before GST.';
comment on column billing.tariffs.discount_pct is 'class=financial;about=Agreed discount on that price, in percent; shown on the bill.';
comment on column billing.tariffs.valid_during is 'class=financial;about=The days on which it holds.';
comment on column billing.tariffs.approved_by is 'class=operational;about=The member of staff who approved the price.';
select core.comment_standard_columns('billing.tariffs');

alter table billing.tariffs enable row level security, force row level security;
drop policy if exists tenant_isolation on billing.tariffs;
create policy tenant_isolation on billing.tariffs
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger tariffs_touch before update on billing.tariffs
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger tariffs_payer_visible before insert or update of payer_id on billing.tariffs
  for each row execute function core.check_shared_reference('payer_id', 'insurance.payers');
select audit.track('billing.tariffs');

grant select, insert, update on billing.tariffs to billing_app;
grant select on billing.tariffs to billing_ro;

-- billing.accounts: the account of a stay or visit; its row is the lock of everything that changes its totals.
--
-- total_charged   what is to be paid: unbilled charges and issued bills, less credit notes, which count on their own account
--                 until they are used for a bill of another
-- total_paid      what the patient paid, advances included, less refunds
-- total_claimed   the part of the bills that a payer owes
-- total_written_off  the part of the patient's bills that was given up
-- balance = charged - paid - claimed - written off is what the patient owes; below zero the hospital owes it. The totals
-- are counters that only operations keep. An account is closed at zero, never above.
create table if not exists billing.accounts (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  account_number text not null,
  patient_id uuid not null,
  encounter_id uuid,
  clinic_id uuid not null,
  payer_class text not null,
  payer_id uuid,
  coverage_id uuid,
  credit_limit numeric(14, 2) not null default 0,
  total_charged numeric(14, 2) not null default 0,
  total_paid numeric(14, 2) not null default 0,
  total_claimed numeric(14, 2) not null default 0,
  total_written_off numeric(14, 2) not null default 0,
  balance numeric(14, 2) generated always as (total_charged - total_paid - total_claimed - total_written_off) stored,
  closed_at timestamptz,
  status text not null default 'active',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint accounts_pkey primary key (tenant_id, id),
  constraint accounts_no_nan check (credit_limit <> 'NaN' and total_charged <> 'NaN' and total_paid <> 'NaN' and total_claimed <> 'NaN' and total_written_off <> 'NaN'),
  constraint accounts_number_key unique (tenant_id, account_number),
  constraint accounts_payer_class_check check (payer_class in ('self', 'insurance', 'pmjay', 'corporate', 'free')),
  constraint accounts_status_check check (status in ('active', 'on_hold', 'settling', 'closed')),
  constraint accounts_coverage_names_payer check (coverage_id is null or payer_id is not null),
  constraint accounts_credit_limit_not_negative check (credit_limit >= 0),
  constraint accounts_closed_at_zero check (status <> 'closed' or (balance = 0 and closed_at is not null)),
  constraint accounts_tenant_fkey foreign key (tenant_id) references core.tenants (id)
);

create unique index if not exists accounts_one_open_per_encounter on billing.accounts (tenant_id, encounter_id) where status <> 'closed';
create index if not exists accounts_patient_idx on billing.accounts (tenant_id, patient_id);
create index if not exists accounts_encounter_idx on billing.accounts (tenant_id, encounter_id) where encounter_id is not null;
create index if not exists accounts_clinic_idx on billing.accounts (tenant_id, clinic_id);
create index if not exists accounts_payer_idx on billing.accounts (payer_id, tenant_id) where payer_id is not null;
comment on index billing.accounts_payer_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index if not exists accounts_coverage_idx on billing.accounts (tenant_id, coverage_id) where coverage_id is not null;

comment on table billing.accounts is 'class=financial;scope=tenant;owner=billing;fhir=Account;retention=financial;about=The billing account of a stay or visit.';
comment on column billing.accounts.account_number is 'class=financial;about=Number for people, ACC-<yy>-<n>.';
comment on column billing.accounts.patient_id is 'class=financial;about=Whose account it is.';
comment on column billing.accounts.encounter_id is 'class=financial;about=The stay or visit; empty for sales at the counter.';
comment on column billing.accounts.clinic_id is 'class=operational;about=The clinic that bills.';
comment on column billing.accounts.payer_class is 'class=financial;about=Who pays in the main: self, insurance, pmjay, corporate, or free.';
comment on column billing.accounts.payer_id is 'class=financial;about=The payer whose tariffs apply.';
comment on column billing.accounts.coverage_id is 'class=financial;about=The policy or scheme membership behind the payer.';
comment on column billing.accounts.credit_limit is 'class=financial;about=How much the patient may owe and still leave.';
comment on column billing.accounts.total_charged is 'class=financial;about=Unbilled charges and issued bills, less credit notes; one that is used for a bill of another account counts there.';
comment on column billing.accounts.total_paid is 'class=financial;about=Payments of the patient, advances included, less refunds.';
comment on column billing.accounts.total_claimed is 'class=financial;about=Issued bills to payers, less their credit notes; one that is used for a bill of another account counts there.';
comment on column billing.accounts.total_written_off is 'class=financial;about=What was given up of bills to the patient.';
comment on column billing.accounts.balance is 'class=financial;about=What the patient owes; below zero, what the hospital owes.';
comment on column billing.accounts.closed_at is 'class=financial;about=When it was last closed.';
comment on column billing.accounts.status is 'class=financial;about=active; on_hold: charges are taken, bills are not made; settling: the final bill; closed.';
select core.comment_standard_columns('billing.accounts');

alter table billing.accounts enable row level security, force row level security;
drop policy if exists tenant_isolation on billing.accounts;
create policy tenant_isolation on billing.accounts
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger accounts_touch before update on billing.accounts
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger accounts_payer_visible before insert or update of payer_id on billing.accounts
  for each row execute function core.check_shared_reference('payer_id', 'insurance.payers');
create or replace trigger accounts_transition before insert or update of status on billing.accounts
  for each row execute function core.enforce_transition('billing.accounts', 'status');
select audit.track('billing.accounts');

insert into core.transition_rules (machine, from_state, to_state, requires_reason) values
  ('billing.accounts', '', 'active', false),
  ('billing.accounts', 'active', 'on_hold', true),
  ('billing.accounts', 'active', 'settling', false),
  ('billing.accounts', 'on_hold', 'active', false),
  ('billing.accounts', 'settling', 'closed', false),
  ('billing.accounts', 'settling', 'active', false),
  ('billing.accounts', 'closed', 'active', true)
on conflict (machine, from_state, to_state) do nothing;

grant select on billing.accounts to billing_app, billing_ro;

-- billing.charge_items: one billable event, and exactly one per source event and charge.
--
-- The unique key over the source is what makes charging safe to repeat: a dispense, a result, a day in a bed is charged
-- once however often its module says so. A charge that a package includes is not_billable and names the package's charge.
create table if not exists billing.charge_items (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  account_id uuid not null,
  charge_id uuid not null,
  patient_id uuid not null,
  encounter_id uuid,
  source_type text not null,
  source_id uuid not null,
  occurred_at timestamptz not null,
  quantity numeric(14, 3) not null,
  unit_price numeric(14, 2) not null,
  discount numeric(14, 2) not null default 0,
  tax_rate numeric(5, 2) not null,
  tax numeric(14, 2) not null default 0,
  net numeric(14, 2) not null,
  concession_reason text,
  concession_approved_by uuid,
  package_charge_item_id uuid,
  invoice_item_id uuid,
  cancel_reason text,
  status text not null default 'billable',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint charge_items_pkey primary key (tenant_id, id),
  constraint charge_items_no_nan check (quantity <> 'NaN' and unit_price <> 'NaN' and discount <> 'NaN' and tax_rate <> 'NaN' and tax <> 'NaN' and net <> 'NaN'),
  constraint charge_items_status_check check (status in ('planned', 'billable', 'aborted', 'billed', 'not_billable')),
  constraint charge_items_source_type_form check (source_type ~ '^[a-z_]+(\.[a-z_]+)?$'),
  constraint charge_items_quantity_positive check (quantity > 0),
  constraint charge_items_price_not_negative check (unit_price >= 0),
  constraint charge_items_discount_within_price check (discount between 0 and round(quantity * unit_price, 2)),
  constraint charge_items_discount_has_reason check (discount = 0 or concession_reason is not null),
  constraint charge_items_tax_follows_rate check (tax = round((quantity * unit_price - discount) * tax_rate / 100, 2)),
  constraint charge_items_net_adds_up check (net = round(quantity * unit_price, 2) - discount + tax),
  constraint charge_items_billed_has_invoice_line check ((status = 'billed') = (invoice_item_id is not null)),
  constraint charge_items_aborted_has_reason check (status <> 'aborted' or cancel_reason is not null),
  constraint charge_items_in_package_not_billable check (package_charge_item_id is null or status in ('not_billable', 'aborted')),
  constraint charge_items_not_in_itself check (package_charge_item_id <> id),
  constraint charge_items_tenant_fkey foreign key (tenant_id) references core.tenants (id),
  constraint charge_items_account_fkey foreign key (tenant_id, account_id) references billing.accounts (tenant_id, id),
  constraint charge_items_charge_fkey foreign key (tenant_id, charge_id)
    references billing.charge_master (tenant_id, id),
  constraint charge_items_package_charge_item_fkey foreign key (tenant_id, package_charge_item_id)
    references billing.charge_items (tenant_id, id)
);

create unique index if not exists charge_items_once_per_source
  on billing.charge_items (tenant_id, source_type, source_id, charge_id)
  where status <> 'aborted';
create index if not exists charge_items_account_idx on billing.charge_items (tenant_id, account_id);
-- what the next bill of an account is made of
create index if not exists charge_items_unbilled_idx on billing.charge_items (tenant_id, account_id) where status in ('planned', 'billable');
create index if not exists charge_items_charge_idx on billing.charge_items (tenant_id, charge_id);
create index if not exists charge_items_patient_idx on billing.charge_items (tenant_id, patient_id);
create index if not exists charge_items_encounter_idx on billing.charge_items (tenant_id, encounter_id) where encounter_id is not null;
create index if not exists charge_items_concession_approved_by_idx
  on billing.charge_items (tenant_id, concession_approved_by)
  where concession_approved_by is not null;
create index if not exists charge_items_package_charge_item_idx
  on billing.charge_items (tenant_id, package_charge_item_id)
  where package_charge_item_id is not null;
create index if not exists charge_items_invoice_item_idx
  on billing.charge_items (tenant_id, invoice_item_id)
  where invoice_item_id is not null;

comment on table billing.charge_items is 'class=financial;scope=tenant;owner=billing;fhir=ChargeItem;retention=financial;about=One billable event; exactly one per source event and charge.';
comment on column billing.charge_items.account_id is 'class=financial;about=The account that it is charged to.';
comment on column billing.charge_items.charge_id is 'class=financial;about=What is charged.';
comment on column billing.charge_items.patient_id is 'class=financial;about=For whom.';
comment on column billing.charge_items.encounter_id is 'class=financial;about=The stay or visit that it belongs to.';
comment on column billing.charge_items.source_type is 'class=operational;about=Table of the row that caused it, such as laboratory.lab_order_items, or manual.';
comment on column billing.charge_items.source_id is 'class=financial;about=Id of the row that caused it.';
comment on column billing.charge_items.occurred_at is 'class=financial;about=When the service was given; its day decides the price.';
comment on column billing.charge_items.quantity is 'class=financial;about=How many units of the charge.';
comment on column billing.charge_items.unit_price is 'class=financial;about=Price of one unit before discount and GST, fixed when it was charged.';
comment on column billing.charge_items.discount is 'class=financial;about=Discount of the tariff and concession, for the whole quantity.';
comment on column billing.charge_items.tax_rate is 'class=financial;about=GST in percent.';
comment on column billing.charge_items.tax is 'class=financial;about=GST on price less discount.';
comment on column billing.charge_items.net is 'class=financial;about=Quantity x price - discount + tax.';
comment on column billing.charge_items.concession_reason is 'class=financial;about=Why there is a discount: the word tariff, or a person''s reason.';
comment on column billing.charge_items.concession_approved_by is 'class=operational;about=The member of staff who granted the concession; empty for the discount of a tariff.';
comment on column billing.charge_items.package_charge_item_id is 'class=financial;about=The charge of the package that includes this one.';
comment on column billing.charge_items.invoice_item_id is 'class=financial;about=The line of the bill that it is on.';
comment on column billing.charge_items.cancel_reason is 'class=financial;about=Why it was cancelled.';
comment on column billing.charge_items.status is 'class=financial;about=planned, billable, billed, not_billable (in a package, or free), aborted (cancelled).';
select core.comment_standard_columns('billing.charge_items');

alter table billing.charge_items enable row level security, force row level security;
drop policy if exists tenant_isolation on billing.charge_items;
create policy tenant_isolation on billing.charge_items
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger charge_items_touch before update on billing.charge_items
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger charge_items_transition before insert or update of status on billing.charge_items
  for each row execute function core.enforce_transition('billing.charge_items', 'status');
create or replace trigger charge_items_first_state after insert on billing.charge_items
  for each row execute function core.announce_first_state('billing.charge_items');
select audit.track('billing.charge_items');

-- billable and not_billable are initial states too: most charges are made for what was done already
insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('billing.charge_items', '', 'planned', false, null),
  ('billing.charge_items', '', 'billable', false, 'charge.added.v1'),
  ('billing.charge_items', '', 'not_billable', false, 'charge.added.v1'),
  ('billing.charge_items', 'planned', 'billable', false, 'charge.added.v1'),
  ('billing.charge_items', 'planned', 'aborted', true, null),
  ('billing.charge_items', 'billable', 'billed', false, null),
  ('billing.charge_items', 'billable', 'aborted', true, null),
  ('billing.charge_items', 'billable', 'not_billable', false, null),
  ('billing.charge_items', 'billed', 'billable', true, null),
  ('billing.charge_items', 'not_billable', 'billable', true, null),
  ('billing.charge_items', 'not_billable', 'aborted', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on billing.charge_items to billing_app, billing_ro;

-- billing.invoices: bills of supply, tax invoices, proformas and credit notes. Frozen once issued.
--
-- CGST Rule 46(b): consecutive numbers of at most 16 characters, unique in a financial year. The number is taken inside
-- the issuing transaction, so a rollback leaves no gap; an issued bill is never deleted but credited. A proforma has no
-- number, is owed by nobody, and ends as quoted.
-- Open is total - allocated - written_off. On a credit note, allocated is what was used of it.
create table if not exists billing.invoices (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  kind text not null,
  series text not null default '',
  invoice_number text,
  fiscal_year text,
  account_id uuid not null,
  patient_id uuid not null,
  payer_id uuid,
  clinic_id uuid not null,
  issued_at timestamptz,
  due_on date,
  gstin text,
  place_of_supply text,
  subtotal numeric(14, 2) not null,
  discount numeric(14, 2) not null default 0,
  tax numeric(14, 2) not null default 0,
  round_off numeric(14, 2) not null default 0,
  total numeric(14, 2) not null,
  allocated numeric(14, 2) not null default 0,
  credited numeric(14, 2) not null default 0,
  written_off numeric(14, 2) not null default 0,
  currency text not null,
  original_invoice_id uuid,
  credit_reason text,
  write_off_reason text,
  write_off_approved_by uuid,
  irn text,
  cancelled_reason text,
  document_id uuid,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint invoices_pkey primary key (tenant_id, id),
  constraint invoices_no_nan check (subtotal <> 'NaN' and discount <> 'NaN' and tax <> 'NaN' and round_off <> 'NaN' and total <> 'NaN' and allocated <> 'NaN' and credited <> 'NaN' and written_off <> 'NaN'),
  constraint invoices_number_once_a_year unique (tenant_id, kind, series, fiscal_year, invoice_number),
  constraint invoices_kind_check check (kind in ('bill_of_supply', 'tax_invoice', 'credit_note', 'proforma')),
  constraint invoices_status_check check (
    status in ('draft', 'quoted', 'issued', 'discarded', 'partially_paid', 'paid', 'credited', 'written_off')
  ),
  constraint invoices_series_form check (series ~ '^[A-Za-z0-9]{0,8}$'),
  constraint invoices_number_form check (invoice_number ~ '^[A-Za-z0-9/-]{1,16}$'),
  constraint invoices_currency_form check (currency ~ '^[A-Z]{3}$'),
  constraint invoices_gstin_valid check (gstin is null or core.valid_gstin(gstin)),
  constraint invoices_total_adds_up check (total = subtotal - discount + tax + round_off),
  constraint invoices_round_off_below_one check (abs(round_off) < 1),
  constraint invoices_bill_of_supply_without_tax check (kind <> 'bill_of_supply' or tax = 0),
  constraint invoices_not_over_allocated check (allocated >= 0 and written_off >= 0 and allocated + written_off <= total),
  constraint invoices_not_over_credited check (credited between 0 and total),
  constraint invoices_issued_has_number check (
    status in ('draft', 'quoted', 'discarded')
    or (invoice_number is not null and fiscal_year is not null and issued_at is not null)
  ),
  constraint invoices_proforma_is_quoted check (
    case kind when 'proforma' then status in ('draft', 'quoted', 'discarded') and invoice_number is null else status <> 'quoted' end
  ),
  constraint invoices_credit_note_names_bill check ((kind = 'credit_note') = (original_invoice_id is not null)),
  constraint invoices_credit_note_has_reason check (kind <> 'credit_note' or credit_reason is not null),
  constraint invoices_write_off_approved check (
    written_off = 0 or (write_off_reason is not null and write_off_approved_by is not null)
  ),
  constraint invoices_discarded_has_reason check (status <> 'discarded' or cancelled_reason is not null),
  constraint invoices_tenant_fkey foreign key (tenant_id) references core.tenants (id),
  constraint invoices_account_fkey foreign key (tenant_id, account_id) references billing.accounts (tenant_id, id),
  constraint invoices_original_invoice_fkey foreign key (tenant_id, original_invoice_id)
    references billing.invoices (tenant_id, id)
);

create index if not exists invoices_account_idx on billing.invoices (tenant_id, account_id);
create index if not exists invoices_patient_idx on billing.invoices (tenant_id, patient_id);
-- what billing.ageing lists
create index if not exists invoices_open_idx on billing.invoices (tenant_id, due_on) where status in ('issued', 'partially_paid');
create index if not exists invoices_payer_idx on billing.invoices (payer_id, tenant_id) where payer_id is not null;
comment on index billing.invoices_payer_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index if not exists invoices_clinic_idx on billing.invoices (tenant_id, clinic_id);
create index if not exists invoices_original_invoice_idx
  on billing.invoices (tenant_id, original_invoice_id)
  where original_invoice_id is not null;
create index if not exists invoices_write_off_approved_by_idx
  on billing.invoices (tenant_id, write_off_approved_by)
  where write_off_approved_by is not null;
create index if not exists invoices_document_idx on billing.invoices (tenant_id, document_id) where document_id is not null;

comment on table billing.invoices is 'class=financial;scope=tenant;owner=billing;fhir=Invoice;retention=financial;about=Bills of supply, tax invoices, proformas and credit notes; frozen once issued.';
comment on column billing.invoices.kind is 'class=financial;about=bill_of_supply (exempt from GST), tax_invoice, credit_note or proforma.';
comment on column billing.invoices.series is 'class=operational;about=Series of numbers, such as one of a counter or registration; empty for the main one.';
comment on column billing.invoices.invoice_number is 'class=financial;about=Consecutive per kind, series and fiscal year; at most 16 characters.';
comment on column billing.invoices.fiscal_year is 'class=operational;about=The fiscal year that the number counts in, such as FY2026-27.';
comment on column billing.invoices.account_id is 'class=financial;about=The account that is billed.';
comment on column billing.invoices.patient_id is 'class=financial;about=The patient who was treated.';
comment on column billing.invoices.payer_id is 'class=financial;about=The payer who owes it; empty when the patient does.';
comment on column billing.invoices.clinic_id is 'class=operational;about=The clinic that bills.';
comment on column billing.invoices.issued_at is 'class=financial;about=When it was issued.';
comment on column billing.invoices.due_on is 'class=financial;about=The day by which it is to be paid.';
comment on column billing.invoices.gstin is 'class=operational;about=GST registration of the clinic when it was issued.';
comment on column billing.invoices.place_of_supply is 'class=operational;about=Code of the state of supply.';
comment on column billing.invoices.subtotal is 'class=financial;about=Sum of quantity x price of the lines.';
comment on column billing.invoices.discount is 'class=financial;about=Sum of the discounts of the lines.';
comment on column billing.invoices.tax is 'class=financial;about=Sum of the GST of the lines.';
comment on column billing.invoices.round_off is 'class=financial;about=What rounds the total (setting billing.round_to).';
comment on column billing.invoices.total is 'class=financial;about=What is to be paid.';
comment on column billing.invoices.allocated is 'class=financial;about=What payments and credit notes cover; on a credit note, what was used of it.';
comment on column billing.invoices.credited is 'class=financial;about=Sum of the credit notes on it.';
comment on column billing.invoices.written_off is 'class=financial;about=What was given up.';
comment on column billing.invoices.currency is 'class=financial;about=Currency, ISO 4217.';
comment on column billing.invoices.original_invoice_id is 'class=financial;about=The bill that a credit note takes back.';
comment on column billing.invoices.credit_reason is 'class=financial;about=Why it is credited.';
comment on column billing.invoices.write_off_reason is 'class=financial;about=Why the rest was given up.';
comment on column billing.invoices.write_off_approved_by is 'class=operational;about=The user who approved giving it up.';
comment on column billing.invoices.irn is 'class=operational;about=Invoice reference number of the e-invoice portal; set once.';
comment on column billing.invoices.cancelled_reason is 'class=financial;about=Why a proforma was discarded.';
comment on column billing.invoices.document_id is 'class=financial;about=The printed bill.';
comment on column billing.invoices.status is 'class=financial;about=draft, quoted (a proforma), issued, partially_paid, paid, credited, written_off, discarded; follows the counters.';
select core.comment_standard_columns('billing.invoices');

alter table billing.invoices enable row level security, force row level security;
drop policy if exists tenant_isolation on billing.invoices;
create policy tenant_isolation on billing.invoices
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

-- in this order: PostgreSQL fires triggers by name, and the transition must see the state that follows the counts
create or replace trigger invoices_follow_counts before update on billing.invoices
  for each row execute function billing.follow_invoice_counts();
create or replace trigger invoices_frozen before update or delete on billing.invoices
  for each row execute function billing.keep_issued_invoice();
create or replace trigger invoices_payer_visible before insert or update of payer_id on billing.invoices
  for each row execute function core.check_shared_reference('payer_id', 'insurance.payers');
create or replace trigger invoices_touch before update on billing.invoices
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger invoices_transition before insert or update on billing.invoices
  for each row execute function core.enforce_transition('billing.invoices', 'status');
-- lines come to drafts only, so the sum is checked once: when the bill leaves that state
drop trigger if exists invoices_lines_add_up on billing.invoices;
create constraint trigger invoices_lines_add_up after update on billing.invoices
  deferrable initially deferred
  for each row when (old.status = 'draft' and new.status <> 'draft') execute function billing.check_invoice_totals();
select audit.track('billing.invoices');

-- written_off: billing.write_off asks for its reason; the state also follows when money covers the rest of such a bill again
insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('billing.invoices', '', 'draft', false, null),
  ('billing.invoices', 'draft', 'issued', false, 'invoice.issued.v1'),
  ('billing.invoices', 'draft', 'quoted', false, null),
  ('billing.invoices', 'draft', 'discarded', false, null),
  ('billing.invoices', 'quoted', 'discarded', false, null),
  ('billing.invoices', 'issued', 'partially_paid', false, null),
  ('billing.invoices', 'issued', 'paid', false, 'invoice.paid.v1'),
  ('billing.invoices', 'issued', 'credited', false, 'invoice.credited.v1'),
  ('billing.invoices', 'issued', 'written_off', false, null),
  ('billing.invoices', 'partially_paid', 'paid', false, 'invoice.paid.v1'),
  ('billing.invoices', 'partially_paid', 'credited', false, 'invoice.credited.v1'),
  ('billing.invoices', 'partially_paid', 'written_off', false, null),
  ('billing.invoices', 'partially_paid', 'issued', true, null),
  ('billing.invoices', 'paid', 'credited', false, 'invoice.credited.v1'),
  ('billing.invoices', 'paid', 'partially_paid', true, null),
  ('billing.invoices', 'paid', 'issued', true, null),
  ('billing.invoices', 'written_off', 'partially_paid', true, null),
  ('billing.invoices', 'written_off', 'issued', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on billing.invoices to billing_app, billing_ro;
grant update (irn, document_id, row_version) on billing.invoices to billing_app;

-- billing.invoice_items: the lines of a bill. They come to a draft and never change; a credit note's line names the line
-- that it takes back.
create table if not exists billing.invoice_items (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  invoice_id uuid not null,
  line_no smallint not null,
  charge_id uuid not null,
  description text not null,
  sac_hsn text,
  quantity numeric(14, 3) not null,
  unit_price numeric(14, 2) not null,
  discount numeric(14, 2) not null default 0,
  tax_rate numeric(5, 2) not null,
  tax numeric(14, 2) not null default 0,
  net numeric(14, 2) not null,
  credits_item_id uuid,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint invoice_items_pkey primary key (tenant_id, id),
  constraint invoice_items_no_nan check (quantity <> 'NaN' and unit_price <> 'NaN' and discount <> 'NaN' and tax_rate <> 'NaN' and tax <> 'NaN' and net <> 'NaN'),
  constraint invoice_items_line_no_key unique (tenant_id, invoice_id, line_no),
  constraint invoice_items_line_no_positive check (line_no >= 1),
  constraint invoice_items_quantity_positive check (quantity > 0),
  constraint invoice_items_discount_within_price check (discount between 0 and round(quantity * unit_price, 2)),
  constraint invoice_items_net_adds_up check (net = round(quantity * unit_price, 2) - discount + tax),
  constraint invoice_items_not_credit_of_itself check (credits_item_id <> id),
  constraint invoice_items_tenant_fkey foreign key (tenant_id) references core.tenants (id),
  constraint invoice_items_invoice_fkey foreign key (tenant_id, invoice_id) references billing.invoices (tenant_id, id),
  constraint invoice_items_charge_fkey foreign key (tenant_id, charge_id)
    references billing.charge_master (tenant_id, id),
  constraint invoice_items_credits_item_fkey foreign key (tenant_id, credits_item_id)
    references billing.invoice_items (tenant_id, id)
);

create index if not exists invoice_items_charge_idx on billing.invoice_items (tenant_id, charge_id);
create index if not exists invoice_items_credits_item_idx
  on billing.invoice_items (tenant_id, credits_item_id)
  where credits_item_id is not null;

comment on table billing.invoice_items is 'class=financial;scope=tenant;owner=billing;fhir=Invoice.lineItem;retention=financial;append_only=1;about=Lines of a bill.';
comment on column billing.invoice_items.invoice_id is 'class=financial;about=The bill.';
comment on column billing.invoice_items.line_no is 'class=operational;about=Line, counted from 1.';
comment on column billing.invoice_items.charge_id is 'class=financial;about=What is billed.';
comment on column billing.invoice_items.description is 'class=financial;about=Its name when it was billed.';
comment on column billing.invoice_items.sac_hsn is 'class=reference;about=Its GST code when it was billed.';
comment on column billing.invoice_items.quantity is 'class=financial;about=How many units.';
comment on column billing.invoice_items.unit_price is 'class=financial;about=Price of one unit before discount and GST.';
comment on column billing.invoice_items.discount is 'class=financial;about=Discount on the line.';
comment on column billing.invoice_items.tax_rate is 'class=financial;about=GST in percent.';
comment on column billing.invoice_items.tax is 'class=financial;about=GST of the line.';
comment on column billing.invoice_items.net is 'class=financial;about=Quantity x price - discount + tax.';
comment on column billing.invoice_items.credits_item_id is 'class=financial;about=On a credit note: the line that it takes back.';
select core.comment_standard_columns('billing.invoice_items');

alter table billing.invoice_items enable row level security, force row level security;
drop policy if exists tenant_isolation on billing.invoice_items;
create policy tenant_isolation on billing.invoice_items
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger invoice_items_to_drafts_only before insert on billing.invoice_items
  for each row execute function billing.check_invoice_line();
create or replace trigger invoice_items_append_only before update or delete on billing.invoice_items
  for each row execute function core.refuse_change();
create or replace trigger invoice_items_no_truncate before truncate on billing.invoice_items
  for each statement execute function core.refuse_change();
select audit.track('billing.invoice_items');

grant select on billing.invoice_items to billing_app, billing_ro;

-- billing.payment_allocations: which money pays which bill. A reversal is a second row with the amount below zero.
--
-- The sum over a bill never exceeds its total (invoices_not_over_allocated is the last guard) and the sum over a source
-- never exceeds what the source has to give: both are kept by billing.allocate under the locks of source and bill.
create table if not exists billing.payment_allocations (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  invoice_id uuid not null,
  payment_id uuid,
  claim_payment_id uuid,
  credit_note_id uuid,
  amount numeric(14, 2) not null,
  allocated_at timestamptz not null default now(),
  allocated_by uuid default core.current_user_id(),
  reverses_id uuid,
  reason text,
  idempotency_key text,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint payment_allocations_pkey primary key (tenant_id, id),
  constraint payment_allocations_no_nan check (amount <> 'NaN'),
  constraint payment_allocations_amount_not_zero check (amount <> 0),
  constraint payment_allocations_one_source check (num_nonnulls(payment_id, claim_payment_id, credit_note_id) = 1),
  constraint payment_allocations_below_zero_reverses check ((amount < 0) = (reverses_id is not null)),
  constraint payment_allocations_reversal_has_reason check (reverses_id is null or reason is not null),
  constraint payment_allocations_tenant_fkey foreign key (tenant_id) references core.tenants (id),
  constraint payment_allocations_invoice_fkey foreign key (tenant_id, invoice_id)
    references billing.invoices (tenant_id, id),
  constraint payment_allocations_credit_note_fkey foreign key (tenant_id, credit_note_id)
    references billing.invoices (tenant_id, id),
  constraint payment_allocations_reverses_fkey foreign key (tenant_id, reverses_id)
    references billing.payment_allocations (tenant_id, id)
);

create unique index if not exists payment_allocations_idempotency_key
  on billing.payment_allocations (tenant_id, idempotency_key)
  where idempotency_key is not null;
create unique index if not exists payment_allocations_reversed_once
  on billing.payment_allocations (tenant_id, reverses_id)
  where reverses_id is not null;
create index if not exists payment_allocations_invoice_idx on billing.payment_allocations (tenant_id, invoice_id);
create index if not exists payment_allocations_payment_idx
  on billing.payment_allocations (tenant_id, payment_id)
  where payment_id is not null;
create index if not exists payment_allocations_claim_payment_idx
  on billing.payment_allocations (tenant_id, claim_payment_id)
  where claim_payment_id is not null;
create index if not exists payment_allocations_credit_note_idx
  on billing.payment_allocations (tenant_id, credit_note_id)
  where credit_note_id is not null;
create index if not exists payment_allocations_allocated_by_idx
  on billing.payment_allocations (tenant_id, allocated_by)
  where allocated_by is not null;

comment on table billing.payment_allocations is 'class=financial;scope=tenant;owner=billing;fhir=PaymentReconciliation.detail;retention=financial;append_only=1;about=Which money pays which bill; reversals are rows below zero.';
comment on column billing.payment_allocations.invoice_id is 'class=financial;about=The bill that is paid.';
comment on column billing.payment_allocations.payment_id is 'class=financial;about=The payment that pays it.';
comment on column billing.payment_allocations.claim_payment_id is 'class=financial;about=The payer''s payment that pays it.';
comment on column billing.payment_allocations.credit_note_id is 'class=financial;about=The credit note that covers it.';
comment on column billing.payment_allocations.amount is 'class=financial;about=How much; below zero takes an earlier row back.';
comment on column billing.payment_allocations.allocated_at is 'class=financial;about=When.';
comment on column billing.payment_allocations.allocated_by is 'class=operational;about=By whom; empty for a system task, such as a provider''s webhook.';
comment on column billing.payment_allocations.reverses_id is 'class=financial;about=The row that this one takes back.';
comment on column billing.payment_allocations.reason is 'class=financial;about=Why it was taken back.';
comment on column billing.payment_allocations.idempotency_key is 'class=operational;about=Same key, same row.';
select core.comment_standard_columns('billing.payment_allocations');

alter table billing.payment_allocations enable row level security, force row level security;
drop policy if exists tenant_isolation on billing.payment_allocations;
create policy tenant_isolation on billing.payment_allocations
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger payment_allocations_account_open before insert on billing.payment_allocations
  for each row execute function billing.check_account_open();
create or replace trigger payment_allocations_append_only before update or delete on billing.payment_allocations
  for each row execute function core.refuse_change();
create or replace trigger payment_allocations_no_truncate before truncate on billing.payment_allocations
  for each statement execute function core.refuse_change();
select audit.track('billing.payment_allocations');

grant select on billing.payment_allocations to billing_app, billing_ro;

-- billing.ledger_entries: double entry. Every money event is one transaction whose debit equals its credit, which a
-- deferred trigger checks at commit; a correction is a transaction the other way round.
--
-- Money that came in and pays no bill yet is an advance (a debt of the hospital); an allocation turns advance into a
-- smaller receivable.
create table if not exists billing.ledger_entries (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  txn_id uuid not null,
  line_no smallint not null,
  posted_at timestamptz not null default now(),
  account_code text not null,
  direction text not null,
  amount numeric(14, 2) not null,
  currency text not null,
  ref_type text not null,
  ref_id uuid not null,
  patient_id uuid,
  clinic_id uuid not null,
  reverses_txn_id uuid,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint ledger_entries_pkey primary key (tenant_id, id),
  constraint ledger_entries_no_nan check (amount <> 'NaN'),
  constraint ledger_entries_txn_line_key unique (tenant_id, txn_id, line_no),
  constraint ledger_entries_posted_once unique (tenant_id, ref_type, ref_id, line_no),
  constraint ledger_entries_account_code_check check (
    account_code in (
      'cash', 'bank', 'gateway_clearing', 'gateway_charges', 'patient_receivable', 'payer_receivable', 'advance', 'revenue',
      'tax_payable', 'discount', 'write_off', 'refund_payable', 'tds_receivable'
    )
  ),
  constraint ledger_entries_direction_check check (direction in ('debit', 'credit')),
  constraint ledger_entries_currency_form check (currency ~ '^[A-Z]{3}$'),
  constraint ledger_entries_amount_positive check (amount > 0),
  constraint ledger_entries_tenant_fkey foreign key (tenant_id) references core.tenants (id)
);

create index if not exists ledger_entries_day_idx on billing.ledger_entries (tenant_id, posted_at);
create index if not exists ledger_entries_patient_idx on billing.ledger_entries (tenant_id, patient_id) where patient_id is not null;
create index if not exists ledger_entries_clinic_idx on billing.ledger_entries (tenant_id, clinic_id);

comment on table billing.ledger_entries is 'class=financial;scope=tenant;owner=billing;fhir=none;retention=financial;append_only=1;about=Double-entry lines; every money event balances to zero.';
comment on column billing.ledger_entries.txn_id is 'class=operational;about=The transaction; its debit equals its credit.';
comment on column billing.ledger_entries.line_no is 'class=operational;about=Line, counted from 1.';
comment on column billing.ledger_entries.posted_at is 'class=financial;about=When it was posted.';
comment on column billing.ledger_entries.account_code is 'class=operational;about=Ledger account: cash, bank, gateway_clearing (money at a provider), gateway_charges, patient_receivable, payer_receivable, advance, revenue, tax_payable, discount, write_off, refund_payable, tds_receivable.';
comment on column billing.ledger_entries.direction is 'class=operational;about=debit or credit.';
comment on column billing.ledger_entries.amount is 'class=financial;about=Amount, above zero.';
comment on column billing.ledger_entries.currency is 'class=financial;about=Currency, ISO 4217.';
comment on column billing.ledger_entries.ref_type is 'class=operational;about=What was posted: invoice, credit_note, payment, payment.voided, allocation, write_off, refund.approved, claim_payment, ...';
comment on column billing.ledger_entries.ref_id is 'class=financial;about=Id of the row that was posted.';
comment on column billing.ledger_entries.patient_id is 'class=financial;about=The patient concerned.';
comment on column billing.ledger_entries.clinic_id is 'class=operational;about=The clinic whose books it is in.';
comment on column billing.ledger_entries.reverses_txn_id is 'class=operational;about=The transaction that this one takes back.';
select core.comment_standard_columns('billing.ledger_entries');

alter table billing.ledger_entries enable row level security, force row level security;
drop policy if exists tenant_isolation on billing.ledger_entries;
create policy tenant_isolation on billing.ledger_entries
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

drop trigger if exists ledger_entries_balance on billing.ledger_entries;
create constraint trigger ledger_entries_balance after insert on billing.ledger_entries
  deferrable initially deferred
  for each row execute function billing.check_ledger_balance();
create or replace trigger ledger_entries_append_only before update or delete on billing.ledger_entries
  for each row execute function core.refuse_change();
create or replace trigger ledger_entries_no_truncate before truncate on billing.ledger_entries
  for each statement execute function core.refuse_change();
select audit.track('billing.ledger_entries');

grant select on billing.ledger_entries to billing_app, billing_ro;

-- insurance: tables

-- insurance.payers: who pays besides the patient: insurers, administrators, state health agencies, schemes.
--
-- Time limits are data, never constants: every clock of this module is computed from the row of the payer, and a test
-- reads the functions for literals. Circulars change the limits, so rules_effective says which dates a row holds for.
create table if not exists insurance.payers (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  code text not null,
  name text not null,
  kind text not null,
  irdai_code text,
  nhcx_participant_code text,
  scheme text,
  state_code text,
  preauth_tat_minutes integer not null,
  discharge_tat_minutes integer,
  query_response_hours integer not null,
  claim_submit_days integer not null,
  settle_days integer not null,
  portability_settle_days integer,
  backdate_days smallint,
  rules_effective daterange not null,
  status text not null default 'active',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint payers_pkey primary key (id),
  constraint payers_code_key unique nulls not distinct (tenant_id, code),
  constraint payers_kind_known check (kind in ('insurer', 'tpa', 'government_scheme', 'corporate', 'trust')),
  constraint payers_scheme_known check (scheme in ('PMJAY', 'CGHS', 'ECHS', 'ESIC', 'STATE', 'PRIVATE')),
  constraint payers_status_known check (status in ('active', 'suspended', 'retired')),
  constraint payers_participant_is_on_the_exchange check (nhcx_participant_code ~ '^[^@[:space:]]+@hcx$'),
  constraint payers_limits_are_positive check (
    preauth_tat_minutes > 0 and query_response_hours > 0 and claim_submit_days > 0 and settle_days > 0
    and coalesce(discharge_tat_minutes, 1) > 0 and coalesce(portability_settle_days, 1) > 0 and coalesce(backdate_days, 0) >= 0
  ),
  constraint payers_state_form check (state_code ~ '^[A-Z]{2}$'),
  constraint payers_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

comment on table insurance.payers is 'class=reference;scope=shared;owner=billing;fhir=Organization;retention=reference;about=Insurers, TPAs, state health agencies, government schemes.';
comment on column insurance.payers.code is 'class=reference;about=Short name that people and imports use, unique per tenant.';
comment on column insurance.payers.name is 'class=reference;about=Name as it stands on claims.';
comment on column insurance.payers.kind is 'class=reference;about=insurer, tpa (administrator), government_scheme, corporate or trust.';
comment on column insurance.payers.irdai_code is 'class=reference;about=Registration with the Indian insurance regulator, where there is one.';
comment on column insurance.payers.nhcx_participant_code is 'class=reference;about=Address on the National Health Claims Exchange, ends with @hcx; null: not reached through it.';
comment on column insurance.payers.scheme is 'class=reference;about=PMJAY, CGHS, ECHS, ESIC, STATE or PRIVATE; null where none of these applies.';
comment on column insurance.payers.state_code is 'class=reference;about=State whose agency this is, two letters as in ISO 3166-2:IN.';
comment on column insurance.payers.preauth_tat_minutes is 'class=reference;about=Minutes within which the payer decides a pre-authorisation.';
comment on column insurance.payers.discharge_tat_minutes is 'class=reference;about=Minutes within which the payer clears a discharge, where it promises that.';
comment on column insurance.payers.query_response_hours is 'class=reference;about=Hours within which the hospital must answer a query.';
comment on column insurance.payers.claim_submit_days is 'class=reference;about=Days after discharge within which a claim must be submitted; later needs a reason.';
comment on column insurance.payers.settle_days is 'class=reference;about=Days within which the payer decides and pays a claim.';
comment on column insurance.payers.portability_settle_days is 'class=reference;about=The same for a patient treated outside the home state; null: as settle_days.';
comment on column insurance.payers.backdate_days is 'class=reference;about=Days that a case may be dated back at registration; null: not at all.';
comment on column insurance.payers.rules_effective is 'class=reference;about=Dates that these limits hold for, from (included) to (excluded): circulars change them.';
comment on column insurance.payers.status is 'class=reference;about=active, suspended (no new cases) or retired.';
select core.comment_standard_columns('insurance.payers');

alter table insurance.payers enable row level security, force row level security;
drop policy if exists tenant_isolation on insurance.payers;
create policy tenant_isolation on insurance.payers
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
drop policy if exists shared_rows on insurance.payers;
create policy shared_rows on insurance.payers for select using (tenant_id is null);

create or replace trigger payers_touch before update on insurance.payers
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger payers_transition before insert or update of status on insurance.payers
  for each row execute function core.enforce_transition('insurance.payers', 'status');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('insurance.payers', '', 'active', false, null),
  ('insurance.payers', 'active', 'suspended', false, null),
  ('insurance.payers', 'active', 'retired', false, null),
  ('insurance.payers', 'suspended', 'active', false, null),
  ('insurance.payers', 'suspended', 'retired', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on insurance.payers to billing_app;
grant select on insurance.payers to billing_ro;

-- insurance.insurance_plans: one version of a payer's plan or scheme, such as a year's package master.
--
-- A PM-JAY plan arrives as a bundle of 50 to 100 MB and becomes 25 to 30 thousand rows of benefit_packages: load them
-- with COPY in one transaction and set the plan active last. Only an active plan's packages can be claimed.
create table if not exists insurance.insurance_plans (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  payer_id uuid not null,
  plan_code text not null,
  version text not null default '1',
  name text not null,
  type_code text not null,
  period daterange not null,
  sum_insured numeric(14, 2),
  family_floater boolean not null default false,
  source text not null,
  raw_bundle_document_id uuid,
  ingested_at timestamptz,
  row_count integer,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint insurance_plans_pkey primary key (id),
  constraint insurance_plans_no_nan check (sum_insured <> 'NaN'),
  constraint insurance_plans_version_once unique nulls not distinct (tenant_id, payer_id, plan_code, version),
  constraint insurance_plans_source_known check (source in ('nhcx_insuranceplan', 'upload', 'manual')),
  constraint insurance_plans_sum_not_negative check (sum_insured >= 0),
  constraint insurance_plans_active_has_dates check (status <> 'active' or not isempty(period)),
  constraint insurance_plans_status_known check (status in ('draft', 'active', 'failed', 'retired')),
  constraint insurance_plans_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint insurance_plans_payer_fkey
    foreign key (payer_id) references insurance.payers (id)
);

create index if not exists insurance_plans_payer_idx on insurance.insurance_plans (payer_id, tenant_id);
comment on index insurance.insurance_plans_payer_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index if not exists insurance_plans_raw_bundle_document_idx on insurance.insurance_plans (tenant_id, raw_bundle_document_id)
  where raw_bundle_document_id is not null;

comment on table insurance.insurance_plans is 'class=reference;scope=shared;owner=billing;fhir=InsurancePlan;retention=reference;about=A payer''s plan or scheme version (e.g. PM-JAY HBP 2022) as ingested.';
comment on column insurance.insurance_plans.payer_id is 'class=reference;about=The payer that offers it.';
comment on column insurance.insurance_plans.plan_code is 'class=reference;about=The payer''s code of the plan.';
comment on column insurance.insurance_plans.version is 'class=reference;about=Version of the plan; every version keeps its packages.';
comment on column insurance.insurance_plans.name is 'class=reference;about=Name of the plan.';
comment on column insurance.insurance_plans.type_code is 'class=reference;about=Kind of plan as the payer writes it (FHIR InsurancePlan.type).';
comment on column insurance.insurance_plans.period is 'class=reference;about=Dates that the plan holds for, from (included) to (excluded).';
comment on column insurance.insurance_plans.sum_insured is 'class=reference;about=Sum insured per period, in the payer''s currency; null: unlimited or set per member.';
comment on column insurance.insurance_plans.family_floater is 'class=reference;about=True: one sum for the whole family, so its members share a wallet.';
comment on column insurance.insurance_plans.source is 'class=reference;about=nhcx_insuranceplan (bundle from the exchange), upload (spreadsheet) or manual.';
comment on column insurance.insurance_plans.raw_bundle_document_id is 'class=reference;about=The bundle as it arrived; a document of the tenant, so null in shared rows.';
comment on column insurance.insurance_plans.ingested_at is 'class=reference;about=When its packages were loaded.';
comment on column insurance.insurance_plans.row_count is 'class=reference;about=How many packages were loaded.';
comment on column insurance.insurance_plans.status is 'class=reference;about=draft, active, failed (not loaded) or retired.';
select core.comment_standard_columns('insurance.insurance_plans');

alter table insurance.insurance_plans enable row level security, force row level security;
drop policy if exists tenant_isolation on insurance.insurance_plans;
create policy tenant_isolation on insurance.insurance_plans
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
drop policy if exists shared_rows on insurance.insurance_plans;
create policy shared_rows on insurance.insurance_plans for select using (tenant_id is null);

create or replace trigger insurance_plans_touch before update on insurance.insurance_plans
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger insurance_plans_payer_visible before insert or update of payer_id on insurance.insurance_plans
  for each row execute function core.check_shared_reference('payer_id', 'insurance.payers');
create or replace trigger insurance_plans_transition before insert or update of status on insurance.insurance_plans
  for each row execute function core.enforce_transition('insurance.insurance_plans', 'status');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('insurance.insurance_plans', '', 'draft', false, null),
  ('insurance.insurance_plans', 'draft', 'active', false, null),
  ('insurance.insurance_plans', 'draft', 'failed', false, null),
  ('insurance.insurance_plans', 'active', 'retired', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on insurance.insurance_plans to billing_app;
grant select on insurance.insurance_plans to billing_ro;

-- insurance.benefit_packages: a package or procedure with its price and the payer's conditions.
--
-- The conditions are the columns that insurance.check_claim_item reads when a line is written (IM607, IM620). The
-- form of package_code is a hint of PM-JAY, not a rule: other payers write theirs as they like.
create table if not exists insurance.benefit_packages (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  plan_id uuid not null,
  package_code text not null,
  procedure_code text,
  name text not null,
  specialty_code text not null,
  procedure_type text not null,
  base_rate numeric(14, 2) not null,
  rate_rules jsonb,
  govt_reserved boolean not null default false,
  approval_not_required boolean not null default false,
  scheduled_tat_approval boolean not null default false,
  enhancement_allowed boolean not null default false,
  quantity_allowed smallint,
  is_day_care boolean not null default false,
  implant_applicable boolean not null default false,
  multiple_implants_allowed boolean not null default false,
  maximum_implants_allowed smallint,
  stratification_allowed boolean not null default false,
  multiple_stratification_allowed boolean not null default false,
  maximum_stratification_allowed smallint,
  cyclic_procedure boolean not null default false,
  maximum_cycles_allowed smallint,
  may_be_mixed boolean not null default false,
  pre_days smallint,
  post_days smallint,
  stg_code text,
  add_ons jsonb not null default '[]',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint benefit_packages_pkey primary key (id),
  constraint benefit_packages_no_nan check (base_rate <> 'NaN'),
  constraint benefit_packages_once_per_plan unique nulls not distinct (tenant_id, plan_id, package_code, procedure_code),
  constraint benefit_packages_procedure_type_known check (
    procedure_type in ('surgical', 'medical', 'day_care', 'investigation', 'implant', 'follow_up', 'unspecified')
  ),
  constraint benefit_packages_rate_not_negative check (base_rate >= 0),
  constraint benefit_packages_implant_limit_needs_implants check (implant_applicable or maximum_implants_allowed is null),
  constraint benefit_packages_stratum_limit_needs_strata check (
    stratification_allowed or maximum_stratification_allowed is null
  ),
  constraint benefit_packages_cycle_limit_needs_cycles check (cyclic_procedure or maximum_cycles_allowed is null),
  constraint benefit_packages_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint benefit_packages_plan_fkey
    foreign key (plan_id) references insurance.insurance_plans (id)
);

create index if not exists benefit_packages_plan_idx on insurance.benefit_packages (plan_id, tenant_id);
comment on index insurance.benefit_packages_plan_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';

comment on table insurance.benefit_packages is 'class=reference;scope=shared;owner=billing;fhir=InsurancePlan.plan.specificCost.benefit;retention=reference;about=A package or procedure with price and the scheme''s conditions.';
comment on column insurance.benefit_packages.plan_id is 'class=reference;about=The plan version that it belongs to.';
comment on column insurance.benefit_packages.package_code is 'class=reference;about=Code of the package, in PM-JAY two letters, three digits and perhaps a letter (MG001A); a hint, not a rule.';
comment on column insurance.benefit_packages.procedure_code is 'class=reference;about=Code of the procedure inside the package, where the payer tells them apart.';
comment on column insurance.benefit_packages.name is 'class=reference;about=Name of the package.';
comment on column insurance.benefit_packages.specialty_code is 'class=reference;about=Specialty that the payer files it under.';
comment on column insurance.benefit_packages.procedure_type is 'class=reference;about=surgical, medical, day_care, investigation, implant, follow_up or unspecified.';
comment on column insurance.benefit_packages.base_rate is 'class=reference;about=Price of one, before stratification and factors.';
comment on column insurance.benefit_packages.rate_rules is 'class=reference;about=Surcharges and factors by city, accreditation or stratum, as the payer publishes them.';
comment on column insurance.benefit_packages.govt_reserved is 'class=reference;about=True: only public hospitals may claim it.';
comment on column insurance.benefit_packages.approval_not_required is 'class=reference;about=True: treatment and claim need no pre-authorisation.';
comment on column insurance.benefit_packages.scheduled_tat_approval is 'class=reference;about=True: approved by the payer''s system when its time has passed.';
comment on column insurance.benefit_packages.enhancement_allowed is 'class=reference;about=True: an approval of it may be enhanced.';
comment on column insurance.benefit_packages.quantity_allowed is 'class=reference;about=Most that one claim may have; null: no limit.';
comment on column insurance.benefit_packages.is_day_care is 'class=reference;about=True: no overnight stay is asked for.';
comment on column insurance.benefit_packages.implant_applicable is 'class=reference;about=True: implants may be claimed with it.';
comment on column insurance.benefit_packages.multiple_implants_allowed is 'class=reference;about=True: more than one implant may be claimed.';
comment on column insurance.benefit_packages.maximum_implants_allowed is 'class=reference;about=Most implants of one claim; null: no limit beyond multiple_implants_allowed.';
comment on column insurance.benefit_packages.stratification_allowed is 'class=reference;about=True: it is claimed with a stratum, such as the kind of ward.';
comment on column insurance.benefit_packages.multiple_stratification_allowed is 'class=reference;about=True: one claim may hold more than one stratum of it.';
comment on column insurance.benefit_packages.maximum_stratification_allowed is 'class=reference;about=Most strata of one claim; null: no limit beyond multiple_stratification_allowed.';
comment on column insurance.benefit_packages.cyclic_procedure is 'class=reference;about=True: given in cycles (chemotherapy, dialysis), each claimed with its number.';
comment on column insurance.benefit_packages.maximum_cycles_allowed is 'class=reference;about=Highest number of a cycle; null: no limit.';
comment on column insurance.benefit_packages.may_be_mixed is 'class=reference;about=True: a medical package may stand beside surgical ones in one submission, and the other way round.';
comment on column insurance.benefit_packages.pre_days is 'class=reference;about=Days before the procedure that it covers.';
comment on column insurance.benefit_packages.post_days is 'class=reference;about=Days after discharge that it covers.';
comment on column insurance.benefit_packages.stg_code is 'class=reference;about=Code of the standard treatment guideline (clinical.stg_guidelines) whose papers the payer asks for.';
comment on column insurance.benefit_packages.add_ons is 'class=reference;about=Packages that may be added to it, a list of codes.';
select core.comment_standard_columns('insurance.benefit_packages');

alter table insurance.benefit_packages enable row level security, force row level security;
drop policy if exists tenant_isolation on insurance.benefit_packages;
create policy tenant_isolation on insurance.benefit_packages
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
drop policy if exists shared_rows on insurance.benefit_packages;
create policy shared_rows on insurance.benefit_packages for select using (tenant_id is null);

create or replace trigger benefit_packages_touch before update on insurance.benefit_packages
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger benefit_packages_plan_visible before insert or update of plan_id on insurance.benefit_packages
  for each row execute function core.check_shared_reference('plan_id', 'insurance.insurance_plans');

grant select, insert, update on insurance.benefit_packages to billing_app;
grant select on insurance.benefit_packages to billing_ro;

-- insurance.coverages: a patient's policy or membership of a scheme.
--
-- balance is what is left before what live submissions hold, so "free" is balance less the holds of the wallet.
-- Members of one family share a wallet (same payer and family_id_bidx): insurance.lock_wallet locks all of them
-- before it counts.
create table if not exists insurance.coverages (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  patient_id uuid not null,
  payer_id uuid not null,
  plan_id uuid,
  policy_number text,
  member_id_enc bytea not null,
  member_id_bidx bytea not null,
  family_id_enc bytea,
  family_id_bidx bytea,
  subscriber_relationship text not null,
  period daterange not null,
  sum_insured numeric(14, 2),
  balance numeric(14, 2),
  balance_checked_at timestamptz,
  rank smallint not null default 1,
  verified_at timestamptz,
  verified_how text,
  card_document_id uuid,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint coverages_pkey primary key (tenant_id, id),
  constraint coverages_no_nan check (sum_insured <> 'NaN' and balance <> 'NaN'),
  constraint coverages_status_known check (status in ('draft', 'active', 'cancelled', 'suspended', 'expired')),
  constraint coverages_balance_not_negative check (balance >= 0),
  constraint coverages_family_is_searchable check ((family_id_enc is null) = (family_id_bidx is null)),
  constraint coverages_rank_from_one check (rank >= 1),
  constraint coverages_active_is_verified check (status <> 'active' or verified_at is not null),
  constraint coverages_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint coverages_payer_fkey
    foreign key (payer_id) references insurance.payers (id),
  constraint coverages_plan_fkey
    foreign key (plan_id) references insurance.insurance_plans (id)
);

create unique index if not exists coverages_member_once on insurance.coverages (
  tenant_id, payer_id, member_id_bidx, policy_number
) nulls not distinct where deleted_at is null;
create unique index if not exists coverages_one_active_per_rank on insurance.coverages (tenant_id, patient_id, rank)
  where status = 'active' and deleted_at is null;
create index if not exists coverages_family_idx on insurance.coverages (tenant_id, payer_id, family_id_bidx)
  where family_id_bidx is not null;
create index if not exists coverages_patient_idx on insurance.coverages (tenant_id, patient_id);
create index if not exists coverages_payer_idx on insurance.coverages (payer_id, tenant_id);
comment on index insurance.coverages_payer_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index if not exists coverages_plan_idx on insurance.coverages (plan_id, tenant_id)
  where plan_id is not null;
comment on index insurance.coverages_plan_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index if not exists coverages_card_document_idx on insurance.coverages (tenant_id, card_document_id)
  where card_document_id is not null;

comment on table insurance.coverages is 'class=financial;scope=tenant;owner=billing;fhir=Coverage;retention=financial;about=A patient''s policy or scheme membership.';
comment on column insurance.coverages.patient_id is 'class=operational;about=The member.';
comment on column insurance.coverages.payer_id is 'class=operational;about=Who pays.';
comment on column insurance.coverages.plan_id is 'class=operational;about=Plan version, where it is known.';
comment on column insurance.coverages.policy_number is 'class=financial;about=Number of the policy; null in schemes that know members only.';
comment on column insurance.coverages.member_id_enc is 'class=pii;enc=1;about=Member or beneficiary number, encrypted.';
comment on column insurance.coverages.member_id_bidx is 'class=pii;about=Blind index of the member number: finds it by equality.';
comment on column insurance.coverages.family_id_enc is 'class=pii;enc=1;about=Number of the family or household, encrypted.';
comment on column insurance.coverages.family_id_bidx is 'class=pii;about=Blind index of the family number: members with the same one share a wallet.';
comment on column insurance.coverages.subscriber_relationship is 'class=financial;about=Relation of the member to the subscriber: self, spouse, child, parent or another word of the payer.';
comment on column insurance.coverages.period is 'class=financial;about=Dates that it is in force, from (included) to (excluded).';
comment on column insurance.coverages.sum_insured is 'class=financial;about=Sum insured for the period; null: unlimited or unknown.';
comment on column insurance.coverages.balance is 'class=financial;about=What is left of the sum before what live submissions of this tenant hold; null: no limit, or not told.';
comment on column insurance.coverages.balance_checked_at is 'class=financial;about=When the payer last told the balance.';
comment on column insurance.coverages.rank is 'class=financial;about=Order in which coverages are asked, 1 first; one active coverage per rank.';
comment on column insurance.coverages.verified_at is 'class=financial;about=When the membership was verified; no coverage is active without it.';
comment on column insurance.coverages.verified_how is 'class=financial;about=Means of verification: card, payer portal, eligibility answer or another.';
comment on column insurance.coverages.card_document_id is 'class=operational;about=Scan of the card.';
comment on column insurance.coverages.status is 'class=operational;about=draft, active, suspended, expired or cancelled.';
select core.comment_standard_columns('insurance.coverages');

alter table insurance.coverages enable row level security, force row level security;
drop policy if exists tenant_isolation on insurance.coverages;
create policy tenant_isolation on insurance.coverages
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger coverages_touch before update on insurance.coverages
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger coverages_payer_visible before insert or update of payer_id on insurance.coverages
  for each row execute function core.check_shared_reference('payer_id', 'insurance.payers');
create or replace trigger coverages_plan_visible before insert or update of plan_id on insurance.coverages
  for each row execute function core.check_shared_reference('plan_id', 'insurance.insurance_plans');
create or replace trigger coverages_policy_number before insert or update of policy_number on insurance.coverages
  for each row execute function core.reject_aadhaar_like('policy_number');
create or replace trigger coverages_kept_while_used before update of deleted_at on insurance.coverages
  for each row when (old.deleted_at is null and new.deleted_at is not null) execute function insurance.keep_used_coverage();
create or replace trigger coverages_transition before insert or update of status on insurance.coverages
  for each row execute function core.enforce_transition('insurance.coverages', 'status');
select audit.track('insurance.coverages');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('insurance.coverages', '', 'draft', false, null),
  ('insurance.coverages', 'draft', 'active', false, null),
  ('insurance.coverages', 'draft', 'cancelled', true, null),
  ('insurance.coverages', 'active', 'suspended', true, null),
  ('insurance.coverages', 'active', 'expired', false, null),
  ('insurance.coverages', 'active', 'cancelled', true, null),
  ('insurance.coverages', 'suspended', 'active', false, null),
  ('insurance.coverages', 'suspended', 'cancelled', true, null)
on conflict (machine, from_state, to_state) do nothing;

-- balance, verification and state belong to operations
grant select on insurance.coverages to billing_app, billing_ro;
grant insert (
  tenant_id, id, patient_id, payer_id, plan_id, policy_number, member_id_enc, member_id_bidx, family_id_enc, family_id_bidx,
  subscriber_relationship, period, sum_insured, rank, card_document_id
) on insurance.coverages to billing_app;
grant update (
  plan_id, policy_number, subscriber_relationship, period, sum_insured, rank, card_document_id, deleted_at, deleted_by,
  delete_reason, row_version
) on insurance.coverages to billing_app;

-- insurance.eligibility_checks: a question to a payer and its answer: in force, what balance, what papers.
--
-- A submission needs a complete and recent answer that says "in force" (IM600); setting
-- insurance.eligibility_valid_hours says how recent.
create table if not exists insurance.eligibility_checks (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  request_number text not null,
  coverage_id uuid,
  patient_id uuid not null,
  encounter_id uuid,
  payer_id uuid not null,
  purposes text[] not null default '{}',
  items jsonb not null default '[]',
  correlation_id uuid not null,
  sent_at timestamptz,
  responded_at timestamptz,
  outcome text,
  inforce boolean,
  balance numeric(14, 2),
  required_documents jsonb,
  required_questionnaires jsonb,
  disposition text,
  error jsonb,
  status text not null default 'pending',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint eligibility_checks_pkey primary key (tenant_id, id),
  constraint eligibility_checks_no_nan check (balance <> 'NaN'),
  constraint eligibility_checks_correlation_once unique (tenant_id, correlation_id),
  constraint eligibility_checks_number_once unique (tenant_id, request_number),
  constraint eligibility_checks_outcome_known check (outcome in ('queued', 'complete', 'partial', 'error')),
  constraint eligibility_checks_status_known check (status in ('pending', 'awaiting', 'error', 'partial', 'complete')),
  constraint eligibility_checks_purposes_known check (
    cardinality(purposes) > 0 and purposes <@ array['validation', 'auth-requirements', 'benefits', 'discovery']
  ),
  constraint eligibility_checks_balance_not_negative check (balance >= 0),
  constraint eligibility_checks_coverage_or_discovery check (coverage_id is not null or purposes <@ array['discovery']),
  constraint eligibility_checks_complete_has_outcome check (status <> 'complete' or outcome is not null),
  constraint eligibility_checks_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint eligibility_checks_coverage_fkey
    foreign key (tenant_id, coverage_id) references insurance.coverages (tenant_id, id),
  constraint eligibility_checks_payer_fkey
    foreign key (payer_id) references insurance.payers (id)
);

create index if not exists eligibility_checks_coverage_idx on insurance.eligibility_checks (tenant_id, coverage_id)
  where coverage_id is not null;
create index if not exists eligibility_checks_patient_idx on insurance.eligibility_checks (tenant_id, patient_id);
create index if not exists eligibility_checks_encounter_idx on insurance.eligibility_checks (tenant_id, encounter_id)
  where encounter_id is not null;
create index if not exists eligibility_checks_unanswered_idx on insurance.eligibility_checks (tenant_id, created_at)
  where status in ('pending', 'awaiting', 'partial');
create index if not exists eligibility_checks_payer_idx on insurance.eligibility_checks (payer_id, tenant_id);
comment on index insurance.eligibility_checks_payer_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';

comment on table insurance.eligibility_checks is 'class=financial;scope=tenant;owner=billing;fhir=CoverageEligibilityRequest,CoverageEligibilityResponse;retention=financial;about=Question to a payer and its answer: is it in force, what balance, what papers are needed.';
comment on column insurance.eligibility_checks.request_number is 'class=operational;about=Number that people quote (ELG-yy-n).';
comment on column insurance.eligibility_checks.coverage_id is 'class=operational;about=The coverage asked about; null when the payer is asked which there is (purpose discovery).';
comment on column insurance.eligibility_checks.patient_id is 'class=operational;about=The patient.';
comment on column insurance.eligibility_checks.encounter_id is 'class=operational;about=The visit or stay that it is asked for.';
comment on column insurance.eligibility_checks.payer_id is 'class=operational;about=The payer that is asked.';
comment on column insurance.eligibility_checks.purposes is 'class=financial;about=What is asked, any of validation, auth-requirements, benefits, discovery.';
comment on column insurance.eligibility_checks.items is 'class=phi;about=Packages asked about, a list of {code, quantity}.';
comment on column insurance.eligibility_checks.correlation_id is 'class=operational;about=Joins request and answer.';
comment on column insurance.eligibility_checks.sent_at is 'class=operational;about=When the request left.';
comment on column insurance.eligibility_checks.responded_at is 'class=operational;about=When the last answer came.';
comment on column insurance.eligibility_checks.outcome is 'class=financial;about=The payer''s outcome: queued, complete, partial or error.';
comment on column insurance.eligibility_checks.inforce is 'class=financial;about=True: the payer says that the coverage is in force.';
comment on column insurance.eligibility_checks.balance is 'class=financial;about=What is left of the sum as the payer told it, after what it has approved already.';
comment on column insurance.eligibility_checks.required_documents is 'class=financial;about=Papers that the payer wants with a submission.';
comment on column insurance.eligibility_checks.required_questionnaires is 'class=financial;about=Questionnaires that the payer wants answered.';
comment on column insurance.eligibility_checks.disposition is 'class=financial;about=The payer''s text.';
comment on column insurance.eligibility_checks.error is 'class=financial;about=What the payer or the exchange refused, as they wrote it.';
comment on column insurance.eligibility_checks.status is 'class=operational;about=pending, awaiting (sent), partial, complete or error (may be asked again).';
select core.comment_standard_columns('insurance.eligibility_checks');

alter table insurance.eligibility_checks enable row level security, force row level security;
drop policy if exists tenant_isolation on insurance.eligibility_checks;
create policy tenant_isolation on insurance.eligibility_checks
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger eligibility_checks_touch before update on insurance.eligibility_checks
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger eligibility_checks_payer_visible before insert or update of payer_id on insurance.eligibility_checks
  for each row execute function core.check_shared_reference('payer_id', 'insurance.payers');
create or replace trigger eligibility_checks_announce after insert on insurance.eligibility_checks
  for each row execute function core.announce_first_state('insurance.eligibility_checks');
create or replace trigger eligibility_checks_transition before insert or update of status on insurance.eligibility_checks
  for each row execute function core.enforce_transition('insurance.eligibility_checks', 'status');
select audit.track('insurance.eligibility_checks');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('insurance.eligibility_checks', '', 'pending', false, 'eligibility.requested.v1'),
  ('insurance.eligibility_checks', 'pending', 'awaiting', false, null),
  ('insurance.eligibility_checks', 'pending', 'error', false, null),
  ('insurance.eligibility_checks', 'awaiting', 'partial', false, null),
  ('insurance.eligibility_checks', 'awaiting', 'complete', false, 'eligibility.answered.v1'),
  ('insurance.eligibility_checks', 'awaiting', 'error', false, null),
  ('insurance.eligibility_checks', 'partial', 'complete', false, 'eligibility.answered.v1'),
  ('insurance.eligibility_checks', 'partial', 'error', false, null),
  ('insurance.eligibility_checks', 'error', 'awaiting', false, null)
on conflict (machine, from_state, to_state) do nothing;

-- written by operations only
grant select on insurance.eligibility_checks to billing_app, billing_ro;

-- insurance.pmjay_cases: the scheme's case, from registration to payment.
--
-- One live case per coverage and patient. wallet_blocked is the sum of what the case's submissions hold and never
-- more than the wallet has; wallet_used is what was paid of it. The state follows the submissions: only operations
-- move it.
create table if not exists insurance.pmjay_cases (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  case_number text not null,
  tms_case_id text,
  patient_id uuid not null,
  encounter_id uuid not null,
  coverage_id uuid not null,
  hospital_code text not null,
  pmam_user_id uuid,
  medco_user_id uuid,
  home_state text not null,
  treating_state text not null,
  is_portability boolean not null default false,
  admission_type text not null,
  registered_at timestamptz not null default now(),
  backdated_to timestamptz,
  telephonic boolean not null default false,
  is_newborn boolean not null default false,
  mother_case_id uuid,
  primary_specialty text,
  wallet_blocked numeric(14, 2) not null default 0,
  wallet_used numeric(14, 2) not null default 0,
  feedback jsonb,
  photo_document_ids uuid[] not null default '{}',
  mortality boolean,
  cancel_reason text,
  status text not null default 'registered',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint pmjay_cases_pkey primary key (tenant_id, id),
  constraint pmjay_cases_no_nan check (wallet_blocked <> 'NaN' and wallet_used <> 'NaN'),
  constraint pmjay_cases_number_once unique (tenant_id, case_number),
  constraint pmjay_cases_admission_type_known check (admission_type in ('planned', 'emergency')),
  constraint pmjay_cases_status_known check (
    status in (
      'registered', 'identity_verified', 'preauth_initiated', 'preauth_approved', 'preauth_rejected', 'under_treatment',
      'discharged', 'claim_initiated', 'claim_queried', 'claim_approved', 'claim_rejected', 'reprocess', 'paid', 'closed',
      'cancelled'
    )
  ),
  constraint pmjay_cases_states_are_codes check (home_state ~ '^[A-Z]{2}$' and treating_state ~ '^[A-Z]{2}$'),
  constraint pmjay_cases_portability_is_another_state check (is_portability = (home_state <> treating_state)),
  constraint pmjay_cases_backdated_to_the_past check (backdated_to <= registered_at),
  constraint pmjay_cases_cancelled_has_reason check (status <> 'cancelled' or cancel_reason is not null),
  constraint pmjay_cases_wallet_not_negative check (wallet_blocked >= 0 and wallet_used >= 0),
  constraint pmjay_cases_used_within_blocked check (wallet_used <= wallet_blocked),
  constraint pmjay_cases_newborn_names_mother check (not is_newborn or mother_case_id is not null),
  constraint pmjay_cases_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint pmjay_cases_coverage_fkey
    foreign key (tenant_id, coverage_id) references insurance.coverages (tenant_id, id),
  constraint pmjay_cases_mother_case_fkey
    foreign key (tenant_id, mother_case_id) references insurance.pmjay_cases (tenant_id, id)
);

create unique index if not exists pmjay_cases_tms_case_once on insurance.pmjay_cases (tenant_id, tms_case_id)
  where tms_case_id is not null;
create unique index if not exists pmjay_cases_one_live_per_beneficiary on insurance.pmjay_cases (tenant_id, coverage_id, patient_id)
  where status not in ('paid', 'closed', 'cancelled');
create index if not exists pmjay_cases_live_idx on insurance.pmjay_cases (tenant_id, registered_at)
  where status not in ('paid', 'closed', 'cancelled');
create index if not exists pmjay_cases_patient_idx on insurance.pmjay_cases (tenant_id, patient_id);
create index if not exists pmjay_cases_encounter_idx on insurance.pmjay_cases (tenant_id, encounter_id);
create index if not exists pmjay_cases_coverage_idx on insurance.pmjay_cases (tenant_id, coverage_id);
create index if not exists pmjay_cases_pmam_user_idx on insurance.pmjay_cases (tenant_id, pmam_user_id)
  where pmam_user_id is not null;
create index if not exists pmjay_cases_medco_user_idx on insurance.pmjay_cases (tenant_id, medco_user_id)
  where medco_user_id is not null;
create index if not exists pmjay_cases_mother_case_idx on insurance.pmjay_cases (tenant_id, mother_case_id)
  where mother_case_id is not null;

comment on table insurance.pmjay_cases is 'class=phi;scope=tenant;owner=billing;fhir=EpisodeOfCare;retention=medical_record;about=The scheme''s case from registration to payment.';
comment on column insurance.pmjay_cases.case_number is 'class=operational;about=Number that people quote (CASE-yy-n).';
comment on column insurance.pmjay_cases.tms_case_id is 'class=operational;about=Number of the case in the scheme''s transaction management system.';
comment on column insurance.pmjay_cases.patient_id is 'class=operational;about=The beneficiary; for a newborn the child, on the mother''s coverage.';
comment on column insurance.pmjay_cases.encounter_id is 'class=operational;about=The stay or visit that the case pays for.';
comment on column insurance.pmjay_cases.coverage_id is 'class=operational;about=The coverage that pays; its wallet holds what is approved.';
comment on column insurance.pmjay_cases.hospital_code is 'class=operational;about=Code under which the scheme empanelled the hospital.';
comment on column insurance.pmjay_cases.pmam_user_id is 'class=operational;about=The scheme''s helper at the desk who registered the case.';
comment on column insurance.pmjay_cases.medco_user_id is 'class=operational;about=The medical coordinator who answers for its papers.';
comment on column insurance.pmjay_cases.home_state is 'class=operational;about=State of the beneficiary, two letters.';
comment on column insurance.pmjay_cases.treating_state is 'class=operational;about=State of the hospital, two letters.';
comment on column insurance.pmjay_cases.is_portability is 'class=operational;about=True: treated outside the home state; the payer''s portability clock runs.';
comment on column insurance.pmjay_cases.admission_type is 'class=phi;about=planned or emergency.';
comment on column insurance.pmjay_cases.registered_at is 'class=operational;about=When the case was registered.';
comment on column insurance.pmjay_cases.backdated_to is 'class=operational;about=Admission that the registration is dated back to; the payer limits how far.';
comment on column insurance.pmjay_cases.telephonic is 'class=operational;about=True: registered by telephone in an emergency; treatment may begin before the approval.';
comment on column insurance.pmjay_cases.is_newborn is 'class=phi;about=True: a newborn on the mother''s coverage.';
comment on column insurance.pmjay_cases.mother_case_id is 'class=operational;about=Case of the mother; a newborn''s case must name it.';
comment on column insurance.pmjay_cases.primary_specialty is 'class=phi;about=Specialty that the case is filed under.';
comment on column insurance.pmjay_cases.wallet_blocked is 'class=financial;about=What the case''s submissions hold of the wallet; after a payment, what they held, and from the next change on what was paid and is held.';
comment on column insurance.pmjay_cases.wallet_used is 'class=financial;about=What was paid out of the wallet, never more than was blocked.';
comment on column insurance.pmjay_cases.feedback is 'class=phi;about=What the beneficiary said at discharge, as the scheme''s form has it.';
comment on column insurance.pmjay_cases.photo_document_ids is 'class=phi;about=Photographs that the scheme asks for (ehr.documents).';
comment on column insurance.pmjay_cases.mortality is 'class=phi;about=True: the patient died during the stay; null before discharge.';
comment on column insurance.pmjay_cases.cancel_reason is 'class=phi;about=Why the case was cancelled.';
comment on column insurance.pmjay_cases.status is 'class=operational;about=registered, identity_verified, preauth_initiated, preauth_approved, preauth_rejected, under_treatment, discharged, claim_initiated, claim_queried, claim_approved, claim_rejected, reprocess, paid, closed or cancelled.';
select core.comment_standard_columns('insurance.pmjay_cases');

alter table insurance.pmjay_cases enable row level security, force row level security;
drop policy if exists tenant_isolation on insurance.pmjay_cases;
create policy tenant_isolation on insurance.pmjay_cases
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger pmjay_cases_touch before update on insurance.pmjay_cases
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger pmjay_cases_backdating before insert or update of registered_at, backdated_to on insurance.pmjay_cases
  for each row execute function insurance.check_backdating();
create or replace trigger pmjay_cases_transition before insert or update of status on insurance.pmjay_cases
  for each row execute function core.enforce_transition('insurance.pmjay_cases', 'status');
select audit.track('insurance.pmjay_cases');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('insurance.pmjay_cases', '', 'registered', false, null),
  ('insurance.pmjay_cases', 'registered', 'identity_verified', false, null),
  ('insurance.pmjay_cases', 'registered', 'cancelled', true, null),
  ('insurance.pmjay_cases', 'registered', 'under_treatment', false, null),
  ('insurance.pmjay_cases', 'identity_verified', 'preauth_initiated', false, null),
  ('insurance.pmjay_cases', 'identity_verified', 'cancelled', true, null),
  ('insurance.pmjay_cases', 'identity_verified', 'under_treatment', false, null),
  ('insurance.pmjay_cases', 'preauth_initiated', 'preauth_approved', false, null),
  ('insurance.pmjay_cases', 'preauth_initiated', 'preauth_rejected', false, null),
  ('insurance.pmjay_cases', 'preauth_initiated', 'cancelled', true, null),
  ('insurance.pmjay_cases', 'preauth_initiated', 'identity_verified', false, null),
  ('insurance.pmjay_cases', 'preauth_rejected', 'preauth_initiated', false, null),
  ('insurance.pmjay_cases', 'preauth_rejected', 'cancelled', true, null),
  ('insurance.pmjay_cases', 'preauth_approved', 'under_treatment', false, null),
  ('insurance.pmjay_cases', 'preauth_approved', 'cancelled', true, null),
  ('insurance.pmjay_cases', 'preauth_approved', 'identity_verified', false, null),
  ('insurance.pmjay_cases', 'under_treatment', 'discharged', false, null),
  ('insurance.pmjay_cases', 'under_treatment', 'cancelled', true, null),
  ('insurance.pmjay_cases', 'discharged', 'claim_initiated', false, null),
  ('insurance.pmjay_cases', 'discharged', 'cancelled', true, null),
  ('insurance.pmjay_cases', 'claim_initiated', 'claim_queried', false, null),
  ('insurance.pmjay_cases', 'claim_initiated', 'claim_approved', false, null),
  ('insurance.pmjay_cases', 'claim_initiated', 'claim_rejected', false, null),
  ('insurance.pmjay_cases', 'claim_queried', 'claim_initiated', false, null),
  ('insurance.pmjay_cases', 'claim_queried', 'claim_rejected', false, null),
  ('insurance.pmjay_cases', 'claim_rejected', 'reprocess', false, null),
  ('insurance.pmjay_cases', 'claim_rejected', 'claim_initiated', false, null),
  ('insurance.pmjay_cases', 'claim_rejected', 'closed', true, null),
  ('insurance.pmjay_cases', 'reprocess', 'claim_approved', false, null),
  ('insurance.pmjay_cases', 'reprocess', 'claim_rejected', false, null),
  ('insurance.pmjay_cases', 'claim_approved', 'paid', false, null),
  ('insurance.pmjay_cases', 'claim_approved', 'claim_initiated', false, null),
  ('insurance.pmjay_cases', 'claim_approved', 'reprocess', false, null),
  ('insurance.pmjay_cases', 'paid', 'closed', false, null)
on conflict (machine, from_state, to_state) do nothing;

-- registration, wallet and state belong to operations
grant select on insurance.pmjay_cases to billing_app, billing_ro;
grant update (tms_case_id, medco_user_id, primary_specialty, feedback, photo_document_ids, row_version)
  on insurance.pmjay_cases to billing_app;

-- insurance.insurance_claims: pre-authorisations, predeterminations and claims: one table as in FHIR, where use tells
-- which.
--
-- Submissions form a chain by related_claim_id, and only its last one listens to the payer. A case has one live root
-- of each use, a submission one open follower. A query is answered on the row itself: the row gets a new correlation
-- id and workflow code, payer_queries keeps the old id. View insurance.preauth_requests shows the pre-authorisations.
create table if not exists insurance.insurance_claims (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  claim_number text not null,
  use text not null,
  case_id uuid,
  patient_id uuid not null,
  encounter_id uuid not null,
  coverage_id uuid not null,
  payer_id uuid not null,
  related_claim_id uuid,
  relation text,
  channel text not null,
  claim_type_code text not null,
  sub_type text,
  priority text not null default 'normal',
  billable_period daterange,
  admission_at timestamptz,
  expected_los_days smallint,
  care_team jsonb not null default '[]',
  diagnoses jsonb not null default '[]',
  procedures jsonb,
  accident jsonb,
  total_claimed numeric(14, 2) not null default 0,
  total_approved numeric(14, 2),
  total_deducted numeric(14, 2),
  deduction_reasons jsonb,
  pre_auth_ref text,
  payer_claim_ref text,
  workflow_code text,
  correlation_id uuid not null,
  dispatch_status text not null default 'pending',
  dispatched_at timestamptz,
  dispatch_error text,
  outcome text,
  adjudication text,
  auto_approved boolean not null default false,
  submitted_at timestamptz,
  submitted_by uuid,
  decision_due_at timestamptz,
  overdue_announced_at timestamptz,
  decided_at timestamptz,
  submit_by timestamptz,
  delay_reason text,
  reject_reason jsonb,
  cancel_reason text,
  stg_status text,
  document_bundle_hash bytea,
  wallet_hold numeric(14, 2) not null default 0,
  status insurance.claim_status not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint insurance_claims_pkey primary key (tenant_id, id),
  constraint insurance_claims_no_nan check (total_claimed <> 'NaN' and total_approved <> 'NaN' and total_deducted <> 'NaN' and wallet_hold <> 'NaN'),
  constraint insurance_claims_number_once unique (tenant_id, claim_number),
  constraint insurance_claims_correlation_once unique (tenant_id, correlation_id),
  constraint insurance_claims_use_known check (use in ('preauthorization', 'predetermination', 'claim')),
  constraint insurance_claims_relation_known check (
    relation in ('prior', 'enhancement', 'resubmission')
  ),
  constraint insurance_claims_channel_known check (channel in ('nhcx', 'tms', 'portal', 'paper')),
  constraint insurance_claims_priority_known check (priority in ('normal', 'stat')),
  constraint insurance_claims_dispatch_status_known check (
    dispatch_status in ('pending', 'awaiting', 'partial', 'complete', 'error')
  ),
  constraint insurance_claims_outcome_known check (outcome in ('queued', 'complete', 'partial', 'error')),
  constraint insurance_claims_adjudication_known check (
    adjudication in ('approved', 'partially_approved', 'queried', 'rejected')
  ),
  constraint insurance_claims_related_says_how check ((related_claim_id is null) = (relation is null)),
  constraint insurance_claims_prior_is_of_claims check (relation <> 'prior' or use = 'claim'),
  constraint insurance_claims_stg_status_known check (stg_status in ('not_applicable', 'passed', 'waived')),
  constraint insurance_claims_hold_not_negative check (wallet_hold >= 0),
  constraint insurance_claims_submitted_has_code check (
    status in ('draft', 'ready', 'cancelled') or (submitted_at is not null and workflow_code is not null)
  ),
  constraint insurance_claims_claimed_not_negative check (total_claimed >= 0),
  constraint insurance_claims_approved_within_claimed check (total_approved <= total_claimed),
  constraint insurance_claims_exchange_claim_follows_preauth check (
    use <> 'claim' or channel <> 'nhcx' or related_claim_id is not null
  ),
  constraint insurance_claims_approval_has_reference check (
    adjudication not in ('approved', 'partially_approved') or use <> 'preauthorization' or pre_auth_ref is not null
  ),
  constraint insurance_claims_submitted_claim_has_limit check (
    use <> 'claim' or submitted_at is null or submit_by is not null
  ),
  constraint insurance_claims_late_has_reason check (submitted_at <= submit_by or delay_reason is not null),
  constraint insurance_claims_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint insurance_claims_case_fkey
    foreign key (tenant_id, case_id) references insurance.pmjay_cases (tenant_id, id),
  constraint insurance_claims_coverage_fkey
    foreign key (tenant_id, coverage_id) references insurance.coverages (tenant_id, id),
  constraint insurance_claims_payer_fkey
    foreign key (payer_id) references insurance.payers (id),
  constraint insurance_claims_related_claim_fkey
    foreign key (tenant_id, related_claim_id) references insurance.insurance_claims (tenant_id, id)
);

create unique index if not exists insurance_claims_approval_reference_once on insurance.insurance_claims (tenant_id, payer_id, pre_auth_ref)
  where use = 'preauthorization' and pre_auth_ref is not null;
create unique index if not exists insurance_claims_one_live_root on insurance.insurance_claims (tenant_id, case_id, use)
  where (relation is null or relation = 'prior') and status not in ('cancelled', 'closed', 'rejected', 'lapsed', 'expired');
create unique index if not exists insurance_claims_one_open_follower on insurance.insurance_claims (tenant_id, related_claim_id, use)
  where status in ('draft', 'ready', 'submitted', 'dispatch_failed', 'queried');
create index if not exists insurance_claims_wallet_idx on insurance.insurance_claims (tenant_id, coverage_id)
  where wallet_hold > 0;
create index if not exists insurance_claims_undecided_idx on insurance.insurance_claims (tenant_id, decision_due_at)
  where status in ('submitted', 'cancel_requested', 'reprocess_requested');
create index if not exists insurance_claims_to_send_idx on insurance.insurance_claims (tenant_id, submitted_at)
  where dispatch_status in ('pending', 'error');
create index if not exists insurance_claims_case_idx on insurance.insurance_claims (tenant_id, case_id)
  where case_id is not null;
create index if not exists insurance_claims_patient_idx on insurance.insurance_claims (tenant_id, patient_id);
create index if not exists insurance_claims_encounter_idx on insurance.insurance_claims (tenant_id, encounter_id);
create index if not exists insurance_claims_coverage_idx on insurance.insurance_claims (tenant_id, coverage_id);
create index if not exists insurance_claims_payer_idx on insurance.insurance_claims (payer_id, tenant_id);
comment on index insurance.insurance_claims_payer_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index if not exists insurance_claims_related_claim_idx on insurance.insurance_claims (tenant_id, related_claim_id)
  where related_claim_id is not null;
create index if not exists insurance_claims_submitted_by_idx on insurance.insurance_claims (tenant_id, submitted_by)
  where submitted_by is not null;

comment on table insurance.insurance_claims is 'class=phi;scope=tenant;owner=billing;fhir=Claim,ClaimResponse;retention=medical_record;about=Pre-authorisations, predeterminations and claims: one table as in FHIR (use tells which), with the NHCX fields. View insurance.preauth_requests = use ''preauthorization''.';
comment on column insurance.insurance_claims.claim_number is 'class=operational;about=Number that people quote (PA-yy-n or CLM-yy-n).';
comment on column insurance.insurance_claims.use is 'class=operational;about=preauthorization, predetermination or claim, as in FHIR Claim.use.';
comment on column insurance.insurance_claims.case_id is 'class=operational;about=Case of the scheme; null for other payers.';
comment on column insurance.insurance_claims.patient_id is 'class=operational;about=The patient.';
comment on column insurance.insurance_claims.encounter_id is 'class=operational;about=The encounter that it belongs to.';
comment on column insurance.insurance_claims.coverage_id is 'class=operational;about=The coverage that is claimed on.';
comment on column insurance.insurance_claims.payer_id is 'class=operational;about=Who decides and pays.';
comment on column insurance.insurance_claims.related_claim_id is 'class=operational;about=The submission that this one follows.';
comment on column insurance.insurance_claims.relation is 'class=operational;about=How it follows: prior (a claim after its pre-authorisation), enhancement or resubmission; null for the first of a chain.';
comment on column insurance.insurance_claims.channel is 'class=operational;about=nhcx, tms (the scheme''s own system), portal or paper.';
comment on column insurance.insurance_claims.claim_type_code is 'class=phi;about=institutional, professional, pharmacy or another code of FHIR Claim.type.';
comment on column insurance.insurance_claims.sub_type is 'class=phi;about=The payer''s kind of claim, such as ip or op.';
comment on column insurance.insurance_claims.priority is 'class=phi;about=normal or stat.';
comment on column insurance.insurance_claims.billable_period is 'class=phi;about=Dates of the services, from (included) to (excluded).';
comment on column insurance.insurance_claims.admission_at is 'class=phi;about=When the patient was admitted.';
comment on column insurance.insurance_claims.expected_los_days is 'class=phi;about=Expected length of stay in days.';
comment on column insurance.insurance_claims.care_team is 'class=phi;about=Who treats: a list of {doctor_id, role}.';
comment on column insurance.insurance_claims.diagnoses is 'class=phi;about=A list of {seq, code_system, code, display, type}.';
comment on column insurance.insurance_claims.procedures is 'class=phi;about=A list of {seq, code_system, code, display, date}.';
comment on column insurance.insurance_claims.accident is 'class=phi;about=Date, kind and place of an accident, where there was one.';
comment on column insurance.insurance_claims.total_claimed is 'class=financial;about=Sum of the lines'' net.';
comment on column insurance.insurance_claims.total_approved is 'class=financial;about=What the payer approved, never more than claimed.';
comment on column insurance.insurance_claims.total_deducted is 'class=financial;about=What the payer took off.';
comment on column insurance.insurance_claims.deduction_reasons is 'class=financial;about=Why it did: a list of {code, amount, text}.';
comment on column insurance.insurance_claims.pre_auth_ref is 'class=operational;about=The payer''s reference of the approval; a claim carries that of its pre-authorisation.';
comment on column insurance.insurance_claims.payer_claim_ref is 'class=operational;about=The payer''s reference of the claim.';
comment on column insurance.insurance_claims.workflow_code is 'class=operational;about=NHCX workflow id of the last submission, resolved from the chain by insurance.resolve_workflow.';
comment on column insurance.insurance_claims.correlation_id is 'class=operational;about=Joins the last submission and its answer; every submission gets a new one.';
comment on column insurance.insurance_claims.dispatch_status is 'class=operational;about=pending (to be sent), awaiting, partial, complete or error.';
comment on column insurance.insurance_claims.dispatched_at is 'class=operational;about=When the envelope left.';
comment on column insurance.insurance_claims.dispatch_error is 'class=operational;about=Why it could not be sent: the exchange''s code.';
comment on column insurance.insurance_claims.outcome is 'class=operational;about=FHIR ClaimResponse.outcome: queued, complete, partial or error.';
comment on column insurance.insurance_claims.adjudication is 'class=operational;about=The last decision: approved, partially_approved, queried or rejected.';
comment on column insurance.insurance_claims.auto_approved is 'class=operational;about=True: decided by the payer''s system because its time had passed.';
comment on column insurance.insurance_claims.submitted_at is 'class=operational;about=When it was submitted; answers to queries do not change it.';
comment on column insurance.insurance_claims.submitted_by is 'class=operational;about=Who submitted it.';
comment on column insurance.insurance_claims.decision_due_at is 'class=operational;about=Until when the payer must decide; computed from insurance.payers when submitted.';
comment on column insurance.insurance_claims.overdue_announced_at is 'class=operational;about=When claim.overdue.v1 told that decision_due_at had passed; before a later decision_due_at it says nothing.';
comment on column insurance.insurance_claims.decided_at is 'class=operational;about=When it was decided.';
comment on column insurance.insurance_claims.submit_by is 'class=operational;about=Until when a claim must be submitted; later needs delay_reason.';
comment on column insurance.insurance_claims.delay_reason is 'class=operational;about=Why the claim comes late.';
comment on column insurance.insurance_claims.reject_reason is 'class=phi;about=Why it was rejected: a list of {code, text}.';
comment on column insurance.insurance_claims.cancel_reason is 'class=operational;about=Why it was cancelled, or is asked to be.';
comment on column insurance.insurance_claims.stg_status is 'class=phi;about=How the discharge summary stood against the standard treatment guideline: not_applicable, passed or waived.';
comment on column insurance.insurance_claims.document_bundle_hash is 'class=operational;about=SHA-256 over the papers at submission, in order.';
comment on column insurance.insurance_claims.wallet_hold is 'class=financial;about=What this submission holds of the coverage''s wallet now; the holds of a case add up to wallet_blocked.';
comment on column insurance.insurance_claims.status is 'class=operational;about=draft, ready, submitted, dispatch_failed, queried, approved, partially_approved, rejected, resubmitted, reprocess_requested, cancel_requested, cancelled, superseded, utilised, paid, lapsed, expired or closed.';
select core.comment_standard_columns('insurance.insurance_claims');

alter table insurance.insurance_claims enable row level security, force row level security;
drop policy if exists tenant_isolation on insurance.insurance_claims;
create policy tenant_isolation on insurance.insurance_claims
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger insurance_claims_touch before update on insurance.insurance_claims
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger insurance_claims_payer_visible before insert or update of payer_id on insurance.insurance_claims
  for each row execute function core.check_shared_reference('payer_id', 'insurance.payers');
create or replace trigger insurance_claims_freeze before update on insurance.insurance_claims
  for each row execute function insurance.keep_submitted_claim();
create or replace trigger insurance_claims_approval before update of status on insurance.insurance_claims
  for each row execute function insurance.check_claim_has_approval();
create or replace trigger insurance_claims_transition before insert or update of status on insurance.insurance_claims
  for each row execute function core.enforce_transition('insurance.insurance_claims', 'status');
select audit.track('insurance.insurance_claims');

-- dispatch_failed to submitted: it was announced when it was submitted first
insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('insurance.insurance_claims', '', 'draft', false, null),
  ('insurance.insurance_claims', 'draft', 'ready', false, null),
  ('insurance.insurance_claims', 'draft', 'cancelled', true, null),
  ('insurance.insurance_claims', 'ready', 'draft', false, null),
  ('insurance.insurance_claims', 'ready', 'submitted', false, 'claim.submitted.v1'),
  ('insurance.insurance_claims', 'ready', 'cancelled', true, null),
  ('insurance.insurance_claims', 'submitted', 'approved', false, 'claim.approved.v1'),
  ('insurance.insurance_claims', 'submitted', 'partially_approved', false, 'claim.approved.v1'),
  ('insurance.insurance_claims', 'submitted', 'queried', false, 'claim.queried.v1'),
  ('insurance.insurance_claims', 'submitted', 'rejected', false, 'claim.rejected.v1'),
  ('insurance.insurance_claims', 'submitted', 'dispatch_failed', false, null),
  ('insurance.insurance_claims', 'submitted', 'cancel_requested', true, 'claim.cancel_requested.v1'),
  ('insurance.insurance_claims', 'dispatch_failed', 'submitted', false, null),
  ('insurance.insurance_claims', 'dispatch_failed', 'cancelled', true, 'claim.cancelled.v1'),
  ('insurance.insurance_claims', 'queried', 'submitted', false, 'claim.submitted.v1'),
  ('insurance.insurance_claims', 'queried', 'lapsed', false, null),
  ('insurance.insurance_claims', 'queried', 'cancel_requested', true, 'claim.cancel_requested.v1'),
  ('insurance.insurance_claims', 'rejected', 'resubmitted', false, null),
  ('insurance.insurance_claims', 'rejected', 'reprocess_requested', true, 'claim.reprocess_requested.v1'),
  ('insurance.insurance_claims', 'rejected', 'closed', false, null),
  ('insurance.insurance_claims', 'approved', 'superseded', false, null),
  ('insurance.insurance_claims', 'approved', 'cancel_requested', true, 'claim.cancel_requested.v1'),
  ('insurance.insurance_claims', 'approved', 'utilised', false, null),
  ('insurance.insurance_claims', 'approved', 'paid', false, 'claim.paid.v1'),
  ('insurance.insurance_claims', 'approved', 'closed', false, null),
  ('insurance.insurance_claims', 'approved', 'expired', false, null),
  ('insurance.insurance_claims', 'approved', 'reprocess_requested', true, 'claim.reprocess_requested.v1'),
  ('insurance.insurance_claims', 'partially_approved', 'superseded', false, null),
  ('insurance.insurance_claims', 'partially_approved', 'cancel_requested', true, 'claim.cancel_requested.v1'),
  ('insurance.insurance_claims', 'partially_approved', 'utilised', false, null),
  ('insurance.insurance_claims', 'partially_approved', 'reprocess_requested', true, 'claim.reprocess_requested.v1'),
  ('insurance.insurance_claims', 'partially_approved', 'paid', false, 'claim.paid.v1'),
  ('insurance.insurance_claims', 'partially_approved', 'closed', false, null),
  ('insurance.insurance_claims', 'cancel_requested', 'cancelled', false, 'claim.cancelled.v1'),
  ('insurance.insurance_claims', 'cancel_requested', 'approved', false, 'claim.approved.v1'),
  ('insurance.insurance_claims', 'cancel_requested', 'partially_approved', false, 'claim.approved.v1'),
  ('insurance.insurance_claims', 'reprocess_requested', 'approved', false, 'claim.approved.v1'),
  ('insurance.insurance_claims', 'reprocess_requested', 'partially_approved', false, 'claim.approved.v1'),
  ('insurance.insurance_claims', 'reprocess_requested', 'rejected', false, 'claim.rejected.v1'),
  ('insurance.insurance_claims', 'resubmitted', 'closed', false, null),
  ('insurance.insurance_claims', 'utilised', 'closed', false, null),
  ('insurance.insurance_claims', 'superseded', 'closed', false, null),
  ('insurance.insurance_claims', 'paid', 'closed', false, null),
  ('insurance.insurance_claims', 'lapsed', 'closed', false, null)
on conflict (machine, from_state, to_state) do nothing;

-- the rest belongs to operations; these may be changed while it is a draft
grant select on insurance.insurance_claims to billing_app, billing_ro;
grant update (
  sub_type, priority, billable_period, admission_at, expected_los_days, care_team, diagnoses, procedures, accident,
  delay_reason, row_version
) on insurance.insurance_claims to billing_app;

-- insurance.insurance_claim_items: package lines of a submission, and the payer's decision on each.
--
-- The package's limits and the ban on mixing medical with surgical packages are checked when a line is written. Lines
-- are replaced as a whole while the submission is a draft; afterwards only the decision is written.
create table if not exists insurance.insurance_claim_items (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  claim_id uuid not null,
  seq smallint not null,
  package_id uuid,
  code_system text not null,
  code text not null,
  display text not null,
  stratification_code text,
  implant_code text,
  implant_count smallint not null default 0,
  cycle_no smallint,
  quantity numeric(8, 2) not null default 1,
  unit_price numeric(14, 2) not null,
  factor numeric(6, 4) not null default 1,
  net numeric(14, 2) not null,
  serviced_on date,
  diagnosis_seq smallint[] not null default '{}',
  charge_item_ids uuid[] not null default '{}',
  approved_quantity numeric(8, 2),
  approved_amount numeric(14, 2),
  decision text,
  decision_reason text,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint insurance_claim_items_pkey primary key (tenant_id, id),
  constraint insurance_claim_items_no_nan check (
    quantity <> 'NaN' and unit_price <> 'NaN' and factor <> 'NaN' and net <> 'NaN' and approved_quantity <> 'NaN' and approved_amount <> 'NaN'
  ),
  constraint insurance_claim_items_line_once unique (tenant_id, claim_id, seq),
  constraint insurance_claim_items_code_once unique nulls not distinct (
    tenant_id, claim_id, code_system, code, stratification_code, cycle_no
  ),
  constraint insurance_claim_items_decision_known check (decision in ('approved', 'partial', 'rejected', 'pending')),
  constraint insurance_claim_items_counts_not_negative check (
    seq >= 1 and quantity > 0 and unit_price >= 0 and factor > 0 and implant_count >= 0 and coalesce(cycle_no, 1) >= 1
  ),
  constraint insurance_claim_items_implant_is_named check (implant_count = 0 or implant_code is not null),
  constraint insurance_claim_items_net_is_product check (net = round(quantity * unit_price * factor, 2)),
  constraint insurance_claim_items_approved_within_net check (approved_amount between 0 and net),
  constraint insurance_claim_items_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint insurance_claim_items_claim_fkey
    foreign key (tenant_id, claim_id) references insurance.insurance_claims (tenant_id, id),
  constraint insurance_claim_items_package_fkey
    foreign key (package_id) references insurance.benefit_packages (id)
);

create index if not exists insurance_claim_items_package_idx on insurance.insurance_claim_items (package_id, tenant_id)
  where package_id is not null;
comment on index insurance.insurance_claim_items_package_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';

comment on table insurance.insurance_claim_items is 'class=phi;scope=tenant;owner=billing;fhir=Claim.item,ClaimResponse.item;retention=medical_record;about=Package lines with stratification, implants and the payer''s decision.';
comment on column insurance.insurance_claim_items.claim_id is 'class=operational;about=The submission.';
comment on column insurance.insurance_claim_items.seq is 'class=operational;about=Number of the line, from 1.';
comment on column insurance.insurance_claim_items.package_id is 'class=operational;about=Package of the plan; its limits hold for the line.';
comment on column insurance.insurance_claim_items.code_system is 'class=phi;about=Code system of the code, as a URL.';
comment on column insurance.insurance_claim_items.code is 'class=phi;about=Package or procedure code that is claimed.';
comment on column insurance.insurance_claim_items.display is 'class=phi;about=Its name.';
comment on column insurance.insurance_claim_items.stratification_code is 'class=phi;about=Stratum, such as the kind of ward.';
comment on column insurance.insurance_claim_items.implant_code is 'class=phi;about=Implant that is claimed with it.';
comment on column insurance.insurance_claim_items.implant_count is 'class=phi;about=How many implants.';
comment on column insurance.insurance_claim_items.cycle_no is 'class=phi;about=Number of the cycle of a cyclic procedure.';
comment on column insurance.insurance_claim_items.quantity is 'class=phi;about=How many.';
comment on column insurance.insurance_claim_items.unit_price is 'class=financial;about=Price of one.';
comment on column insurance.insurance_claim_items.factor is 'class=financial;about=Factor on the price, for example 0.5 for a second procedure.';
comment on column insurance.insurance_claim_items.net is 'class=financial;about=quantity x unit_price x factor, rounded to two places.';
comment on column insurance.insurance_claim_items.serviced_on is 'class=phi;about=Date of the service.';
comment on column insurance.insurance_claim_items.diagnosis_seq is 'class=phi;about=Diagnoses of the claim that justify the line.';
comment on column insurance.insurance_claim_items.charge_item_ids is 'class=operational;about=Charges of the bill that the line stands for (billing.charge_items).';
comment on column insurance.insurance_claim_items.approved_quantity is 'class=financial;about=How many the payer approved.';
comment on column insurance.insurance_claim_items.approved_amount is 'class=financial;about=What the payer approved of net.';
comment on column insurance.insurance_claim_items.decision is 'class=operational;about=approved, partial, rejected or pending; null before an answer.';
comment on column insurance.insurance_claim_items.decision_reason is 'class=phi;about=The payer''s reason.';
select core.comment_standard_columns('insurance.insurance_claim_items');

alter table insurance.insurance_claim_items enable row level security, force row level security;
drop policy if exists tenant_isolation on insurance.insurance_claim_items;
create policy tenant_isolation on insurance.insurance_claim_items
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger insurance_claim_items_touch before update on insurance.insurance_claim_items
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger insurance_claim_items_package_visible before insert or update of package_id on insurance.insurance_claim_items
  for each row execute function core.check_shared_reference('package_id', 'insurance.benefit_packages');
create or replace trigger insurance_claim_items_package before insert or update of
  claim_id, package_id, quantity, implant_count, stratification_code, cycle_no on insurance.insurance_claim_items
  for each row execute function insurance.check_claim_item();
select audit.track('insurance.insurance_claim_items');

-- written by operations only
grant select on insurance.insurance_claim_items to billing_app, billing_ro;

-- insurance.adjudication_events: every step of a case or submission, with role and time. Append-only.
--
-- insurance.move_claim and insurance.move_case write it together with the state, so there is one row per change of
-- state; an answer that moves nothing leaves a row as well. Turn-around reports read this table.
create table if not exists insurance.adjudication_events (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  case_id uuid,
  claim_id uuid,
  occurred_at timestamptz not null default now(),
  from_status text,
  to_status text not null,
  actor_role text not null,
  actor_name text,
  actor_user_id uuid,
  workflow_code text,
  amount numeric(14, 2),
  remarks text,
  message_id uuid,
  raw jsonb,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint adjudication_events_pkey primary key (tenant_id, id),
  constraint adjudication_events_no_nan check (amount <> 'NaN'),
  constraint adjudication_events_actor_role_known check (
    actor_role in ('PMAM', 'MEDCO', 'PPD', 'CPD', 'CEX', 'ACO', 'SHA', 'PAYER', 'SYSTEM', 'PROVIDER')
  ),
  constraint adjudication_events_of_case_or_claim check (num_nonnulls(case_id, claim_id) >= 1),
  constraint adjudication_events_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint adjudication_events_case_fkey
    foreign key (tenant_id, case_id) references insurance.pmjay_cases (tenant_id, id),
  constraint adjudication_events_claim_fkey
    foreign key (tenant_id, claim_id) references insurance.insurance_claims (tenant_id, id)
);

create index if not exists adjudication_events_case_idx on insurance.adjudication_events (tenant_id, case_id, occurred_at)
  where case_id is not null;
create index if not exists adjudication_events_claim_idx on insurance.adjudication_events (tenant_id, claim_id, occurred_at)
  where claim_id is not null;
create index if not exists adjudication_events_actor_user_idx on insurance.adjudication_events (tenant_id, actor_user_id)
  where actor_user_id is not null;
create index if not exists adjudication_events_message_idx on insurance.adjudication_events (tenant_id, message_id)
  where message_id is not null;

comment on table insurance.adjudication_events is 'class=phi;scope=tenant;owner=billing;fhir=Task,ClaimResponse.processNote;retention=medical_record;append_only=1;about=Every step of a case or claim with role and time; what turn-around reports read.';
comment on column insurance.adjudication_events.case_id is 'class=operational;about=The case, where there is one.';
comment on column insurance.adjudication_events.claim_id is 'class=operational;about=The submission; null for a step of the case itself.';
comment on column insurance.adjudication_events.occurred_at is 'class=operational;about=When it happened.';
comment on column insurance.adjudication_events.from_status is 'class=operational;about=State before; null when the row was made.';
comment on column insurance.adjudication_events.to_status is 'class=operational;about=State after; the same as from_status for an answer that moved nothing.';
comment on column insurance.adjudication_events.actor_role is 'class=operational;about=PMAM, MEDCO (hospital, scheme roles), PPD, CPD, CEX, ACO, SHA (scheme), PAYER, PROVIDER (hospital) or SYSTEM.';
comment on column insurance.adjudication_events.actor_name is 'class=pii;about=Name that the payer gave.';
comment on column insurance.adjudication_events.actor_user_id is 'class=operational;about=Our user, where one acted.';
comment on column insurance.adjudication_events.workflow_code is 'class=operational;about=NHCX workflow id of the submission at that moment.';
comment on column insurance.adjudication_events.amount is 'class=financial;about=Claimed, approved or paid amount that goes with the step.';
comment on column insurance.adjudication_events.remarks is 'class=phi;about=Remarks of the payer or of our user.';
comment on column insurance.adjudication_events.message_id is 'class=operational;about=The envelope that brought it.';
comment on column insurance.adjudication_events.raw is 'class=phi;about=The answer as it was parsed, for an envelope.';
select core.comment_standard_columns('insurance.adjudication_events');

alter table insurance.adjudication_events enable row level security, force row level security;
drop policy if exists tenant_isolation on insurance.adjudication_events;
create policy tenant_isolation on insurance.adjudication_events
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger adjudication_events_append_only before update or delete on insurance.adjudication_events
  for each row execute function core.refuse_change();
create or replace trigger adjudication_events_no_truncate before truncate on insurance.adjudication_events
  for each statement execute function core.refuse_change();
select audit.track('insurance.adjudication_events');

-- written by operations only
grant select on insurance.adjudication_events to billing_app, billing_ro;

-- insurance.claim_documents: papers and answers attached to a submission, tied to the criterion that asked for them.
--
-- The scheme refuses a second file of the same name in a case, and the same content is attached once to a submission.
create table if not exists insurance.claim_documents (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  claim_id uuid not null,
  case_id uuid,
  seq smallint not null,
  category_code text not null,
  code text not null,
  criterion_id uuid,
  document_id uuid,
  questionnaire_response jsonb,
  filename text not null,
  sha256 bytea not null,
  captured_at timestamptz,
  latitude numeric(9, 6),
  longitude numeric(9, 6),
  accepted boolean,
  reject_reason text,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint claim_documents_pkey primary key (tenant_id, id),
  constraint claim_documents_no_nan check (latitude <> 'NaN' and longitude <> 'NaN'),
  constraint claim_documents_seq_once unique (tenant_id, claim_id, seq),
  constraint claim_documents_filename_once_per_case unique (tenant_id, case_id, filename),
  constraint claim_documents_content_once unique (tenant_id, claim_id, sha256),
  constraint claim_documents_place_is_on_earth check (
    num_nonnulls(latitude, longitude) in (0, 2) and latitude between -90 and 90 and longitude between -180 and 180
  ),
  constraint claim_documents_hash_is_sha256 check (octet_length(sha256) = 32),
  constraint claim_documents_refusal_has_reason check (accepted is not false or reject_reason is not null),
  constraint claim_documents_paper_or_answer check (num_nonnulls(document_id, questionnaire_response) = 1),
  constraint claim_documents_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint claim_documents_claim_fkey
    foreign key (tenant_id, claim_id) references insurance.insurance_claims (tenant_id, id),
  constraint claim_documents_case_fkey
    foreign key (tenant_id, case_id) references insurance.pmjay_cases (tenant_id, id)
);

create index if not exists claim_documents_criterion_idx on insurance.claim_documents (criterion_id, tenant_id)
  where criterion_id is not null;
comment on index insurance.claim_documents_criterion_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index if not exists claim_documents_document_idx on insurance.claim_documents (tenant_id, document_id)
  where document_id is not null;

comment on table insurance.claim_documents is 'class=phi;scope=tenant;owner=billing;fhir=Claim.supportingInfo;retention=medical_record;about=Papers attached to a pre-auth or claim, tied to the criterion that asked for them.';
comment on column insurance.claim_documents.claim_id is 'class=operational;about=The submission that it is attached to.';
comment on column insurance.claim_documents.case_id is 'class=operational;about=Its case: a file name may be used once in a case.';
comment on column insurance.claim_documents.seq is 'class=operational;about=Number of the paper, from 1.';
comment on column insurance.claim_documents.category_code is 'class=phi;about=FHIR Claim.supportingInfo.category, such as attachment or onset.';
comment on column insurance.claim_documents.code is 'class=phi;about=What the paper is, in the payer''s or guideline''s words.';
comment on column insurance.claim_documents.criterion_id is 'class=operational;about=The criterion of the guideline that asked for it.';
comment on column insurance.claim_documents.document_id is 'class=operational;about=The stored document.';
comment on column insurance.claim_documents.questionnaire_response is 'class=phi;about=The answers, where a question was asked instead of a paper.';
comment on column insurance.claim_documents.filename is 'class=phi;about=Name that the payer sees, without anything about the patient.';
comment on column insurance.claim_documents.sha256 is 'class=operational;about=SHA-256 of the content; the same content is attached once.';
comment on column insurance.claim_documents.captured_at is 'class=phi;about=When the photograph or scan was taken.';
comment on column insurance.claim_documents.latitude is 'class=phi;about=Where it was taken, as some payers ask: degrees north.';
comment on column insurance.claim_documents.longitude is 'class=phi;about=Degrees east.';
comment on column insurance.claim_documents.accepted is 'class=operational;about=True: reviewed and good; false: refused, see reject_reason; null: not reviewed.';
comment on column insurance.claim_documents.reject_reason is 'class=phi;about=Why it was refused.';
select core.comment_standard_columns('insurance.claim_documents');

alter table insurance.claim_documents enable row level security, force row level security;
drop policy if exists tenant_isolation on insurance.claim_documents;
create policy tenant_isolation on insurance.claim_documents
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger claim_documents_touch before update on insurance.claim_documents
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger claim_documents_filename before insert or update of filename on insurance.claim_documents
  for each row execute function core.reject_aadhaar_like('filename');
select audit.track('insurance.claim_documents');

-- written by operations only
grant select on insurance.claim_documents to billing_app, billing_ro;

-- insurance.payer_queries: a payer's question on a submission and our answer, with its clock.
--
-- A submission (one correlation id) is queried once; the answer is the next submission. One that is not answered in
-- time lapses (insurance.lapse_queries), it never stays open silently.
create table if not exists insurance.payer_queries (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  claim_id uuid not null,
  query_no smallint not null,
  raised_at timestamptz not null,
  raised_by_role text not null,
  text_enc bytea not null,
  requested_documents jsonb,
  due_at timestamptz not null,
  correlation_id uuid not null,
  answered_at timestamptz,
  answered_by uuid,
  answer_enc bytea,
  answer_document_ids uuid[],
  status text not null default 'open',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint payer_queries_pkey primary key (tenant_id, id),
  constraint payer_queries_number_once unique (tenant_id, claim_id, query_no),
  constraint payer_queries_one_per_submission unique (tenant_id, correlation_id),
  constraint payer_queries_status_known check (status in ('open', 'answered', 'lapsed', 'withdrawn', 'closed')),
  constraint payer_queries_due_after_raised check (due_at > raised_at),
  constraint payer_queries_raised_by_payer check (raised_by_role in ('PPD', 'CPD', 'CEX', 'ACO', 'SHA', 'PAYER')),
  constraint payer_queries_answered_by_someone check (
    status <> 'answered' or (answered_at is not null and answered_by is not null)
  ),
  constraint payer_queries_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint payer_queries_claim_fkey
    foreign key (tenant_id, claim_id) references insurance.insurance_claims (tenant_id, id)
);

create index if not exists payer_queries_open_idx on insurance.payer_queries (tenant_id, due_at) where status = 'open';
create index if not exists payer_queries_answered_by_idx on insurance.payer_queries (tenant_id, answered_by)
  where answered_by is not null;

comment on table insurance.payer_queries is 'class=phi;scope=tenant;owner=billing;fhir=CommunicationRequest,Communication;retention=medical_record;about=A payer''s question on a claim and our answer, with its clock.';
comment on column insurance.payer_queries.claim_id is 'class=operational;about=The submission that is asked about.';
comment on column insurance.payer_queries.query_no is 'class=operational;about=Number of the query on it, from 1.';
comment on column insurance.payer_queries.raised_at is 'class=operational;about=When the payer asked.';
comment on column insurance.payer_queries.raised_by_role is 'class=operational;about=Who asked: PPD, CPD, CEX, ACO, SHA or PAYER.';
comment on column insurance.payer_queries.text_enc is 'class=phi;enc=1;about=The question, encrypted.';
comment on column insurance.payer_queries.requested_documents is 'class=phi;about=Papers that the payer wants.';
comment on column insurance.payer_queries.due_at is 'class=operational;about=Until when it must be answered; computed from insurance.payers.';
comment on column insurance.payer_queries.correlation_id is 'class=operational;about=Correlation id of the submission that was queried; an answer to it that comes late is recognised by this.';
comment on column insurance.payer_queries.answered_at is 'class=operational;about=When it was answered.';
comment on column insurance.payer_queries.answered_by is 'class=operational;about=Who answered.';
comment on column insurance.payer_queries.answer_enc is 'class=phi;enc=1;about=The answer, encrypted.';
comment on column insurance.payer_queries.answer_document_ids is 'class=operational;about=Papers that were sent with it (insurance.claim_documents).';
comment on column insurance.payer_queries.status is 'class=operational;about=open, answered, lapsed (not answered in time), withdrawn (decided without) or closed.';
select core.comment_standard_columns('insurance.payer_queries');

alter table insurance.payer_queries enable row level security, force row level security;
drop policy if exists tenant_isolation on insurance.payer_queries;
create policy tenant_isolation on insurance.payer_queries
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger payer_queries_touch before update on insurance.payer_queries
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger payer_queries_transition before insert or update of status on insurance.payer_queries
  for each row execute function core.enforce_transition('insurance.payer_queries', 'status');
select audit.track('insurance.payer_queries');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('insurance.payer_queries', '', 'open', false, null),
  ('insurance.payer_queries', 'open', 'answered', false, null),
  ('insurance.payer_queries', 'open', 'lapsed', false, null),
  ('insurance.payer_queries', 'open', 'withdrawn', false, null),
  ('insurance.payer_queries', 'answered', 'closed', false, null),
  ('insurance.payer_queries', 'answered', 'open', false, null)
on conflict (machine, from_state, to_state) do nothing;

-- written by operations only
grant select on insurance.payer_queries to billing_app, billing_ro;

-- insurance.claim_payments: money from a payer for claims.
--
-- A transfer is one row per payer, reference and claim, however often its notice comes. Money is never refused: what
-- is more than the payer approved is kept as disputed.
create table if not exists insurance.claim_payments (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  payer_id uuid not null,
  claim_id uuid,
  utr text not null,
  paid_on date not null,
  amount numeric(14, 2) not null,
  tds numeric(14, 2) not null default 0,
  deductions jsonb not null default '[]',
  net numeric(14, 2) not null,
  notice_correlation_id uuid,
  acknowledged_at timestamptz,
  ack_workflow_code text,
  allocated numeric(14, 2) not null default 0,
  status text not null default 'notified',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint claim_payments_pkey primary key (tenant_id, id),
  constraint claim_payments_no_nan check (amount <> 'NaN' and tds <> 'NaN' and net <> 'NaN' and allocated <> 'NaN'),
  constraint claim_payments_transfer_once unique nulls not distinct (tenant_id, payer_id, utr, claim_id),
  constraint claim_payments_status_known check (status in ('notified', 'acknowledged', 'disputed', 'reconciled')),
  constraint claim_payments_amount_positive check (amount > 0 and tds between 0 and amount),
  constraint claim_payments_reconciled_is_allocated check (status <> 'reconciled' or allocated = amount),
  constraint claim_payments_acknowledged_is_sent check (
    status not in ('acknowledged', 'reconciled') or (acknowledged_at is not null and ack_workflow_code is not null)
  ),
  constraint claim_payments_net_is_amount_less_tax check (net = amount - tds),
  constraint claim_payments_allocated_within_amount check (allocated between 0 and amount),
  constraint claim_payments_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint claim_payments_payer_fkey
    foreign key (payer_id) references insurance.payers (id),
  constraint claim_payments_claim_fkey
    foreign key (tenant_id, claim_id) references insurance.insurance_claims (tenant_id, id)
);

create index if not exists claim_payments_open_idx on insurance.claim_payments (tenant_id, paid_on)
  where status in ('notified', 'acknowledged', 'disputed');
create index if not exists claim_payments_payer_idx on insurance.claim_payments (payer_id, tenant_id);
comment on index insurance.claim_payments_payer_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index if not exists claim_payments_claim_idx on insurance.claim_payments (tenant_id, claim_id)
  where claim_id is not null;

comment on table insurance.claim_payments is 'class=financial;scope=tenant;owner=billing;fhir=PaymentNotice,PaymentReconciliation;retention=financial;about=Money from a payer for claims.';
comment on column insurance.claim_payments.payer_id is 'class=operational;about=Who paid.';
comment on column insurance.claim_payments.claim_id is 'class=operational;about=The claim that is paid; null for a lump sum.';
comment on column insurance.claim_payments.utr is 'class=financial;about=Unique transaction reference of the bank transfer.';
comment on column insurance.claim_payments.paid_on is 'class=financial;about=Date of the transfer.';
comment on column insurance.claim_payments.amount is 'class=financial;about=What was paid before tax was deducted.';
comment on column insurance.claim_payments.tds is 'class=financial;about=Tax deducted at source.';
comment on column insurance.claim_payments.deductions is 'class=financial;about=Other deductions: a list of {code, amount, text}.';
comment on column insurance.claim_payments.net is 'class=financial;about=What arrived: amount less tds.';
comment on column insurance.claim_payments.notice_correlation_id is 'class=operational;about=Correlation id of the payer''s notice.';
comment on column insurance.claim_payments.acknowledged_at is 'class=operational;about=When we acknowledged it.';
comment on column insurance.claim_payments.ack_workflow_code is 'class=operational;about=NHCX workflow id of our acknowledgement.';
comment on column insurance.claim_payments.allocated is 'class=financial;about=How much of amount pays bills (billing.payment_allocations).';
comment on column insurance.claim_payments.status is 'class=operational;about=notified, acknowledged, disputed (more than was approved, or another objection) or reconciled (all of it pays bills).';
select core.comment_standard_columns('insurance.claim_payments');

alter table insurance.claim_payments enable row level security, force row level security;
drop policy if exists tenant_isolation on insurance.claim_payments;
create policy tenant_isolation on insurance.claim_payments
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger claim_payments_touch before update on insurance.claim_payments
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger claim_payments_payer_visible before insert or update of payer_id on insurance.claim_payments
  for each row execute function core.check_shared_reference('payer_id', 'insurance.payers');
create or replace trigger claim_payments_transition before insert or update of status on insurance.claim_payments
  for each row execute function core.enforce_transition('insurance.claim_payments', 'status');
select audit.track('insurance.claim_payments');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('insurance.claim_payments', '', 'notified', false, null),
  ('insurance.claim_payments', 'notified', 'acknowledged', false, 'claim_payment.acknowledged.v1'),
  ('insurance.claim_payments', 'notified', 'disputed', true, 'claim_payment.disputed.v1'),
  ('insurance.claim_payments', 'acknowledged', 'reconciled', false, null),
  ('insurance.claim_payments', 'acknowledged', 'disputed', true, 'claim_payment.disputed.v1'),
  ('insurance.claim_payments', 'disputed', 'acknowledged', false, 'claim_payment.acknowledged.v1')
on conflict (machine, from_state, to_state) do nothing;

-- written by operations only
grant select on insurance.claim_payments to billing_app, billing_ro;

-- insurance.beneficiary_authentications: the beneficiary proved to be present, per stage; the token rides on
-- submissions.
--
-- No biometric data is ever kept: the authentication service sees it, we keep its transaction id and token. Where no
-- method works, a second person approves an exception.
create table if not exists insurance.beneficiary_authentications (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  encounter_id uuid not null,
  patient_id uuid not null,
  payer_id uuid not null,
  stage text not null,
  method text not null,
  txn_id text not null,
  token_enc bytea,
  token_expires_at timestamptz,
  refresh_enc bytea,
  authenticated_at timestamptz,
  exception_reason text,
  exception_approved_by uuid,
  status text not null default 'initiated',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint beneficiary_authentications_pkey primary key (tenant_id, id),
  constraint beneficiary_authentications_stage_known check (
    stage in ('preauthorization', 'claim', 'admission', 'discharge')
  ),
  constraint beneficiary_authentications_method_known check (
    method in ('fingerprint', 'iris', 'face', 'otp', 'exception')
  ),
  constraint beneficiary_authentications_status_known check (
    status in ('initiated', 'authenticated', 'failed', 'expired')
  ),
  constraint beneficiary_authentications_exception_is_approved check (
    method <> 'exception' or (exception_reason is not null and exception_approved_by is not null)
  ),
  constraint beneficiary_authentications_exception_by_another check (exception_approved_by <> created_by),
  constraint beneficiary_authentications_success_is_dated check (
    status <> 'authenticated' or authenticated_at is not null
  ),
  constraint beneficiary_authentications_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint beneficiary_authentications_payer_fkey
    foreign key (payer_id) references insurance.payers (id)
);

create unique index if not exists beneficiary_authentications_one_live_per_stage on insurance.beneficiary_authentications (tenant_id, encounter_id, payer_id, stage)
  where status = 'authenticated';
create index if not exists beneficiary_authentications_encounter_idx on insurance.beneficiary_authentications (tenant_id, encounter_id);
create index if not exists beneficiary_authentications_patient_idx on insurance.beneficiary_authentications (tenant_id, patient_id);
create index if not exists beneficiary_authentications_payer_idx on insurance.beneficiary_authentications (payer_id, tenant_id);
comment on index insurance.beneficiary_authentications_payer_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index if not exists beneficiary_authentications_exception_approved_by_idx on insurance.beneficiary_authentications (tenant_id, exception_approved_by)
  where exception_approved_by is not null;

comment on table insurance.beneficiary_authentications is 'class=phi;scope=tenant;owner=billing;fhir=Consent,Provenance;retention=medical_record;about=Beneficiary biometric/OTP authentication per stage; its token rides on submissions.';
comment on column insurance.beneficiary_authentications.encounter_id is 'class=operational;about=The encounter that it belongs to.';
comment on column insurance.beneficiary_authentications.patient_id is 'class=operational;about=The patient.';
comment on column insurance.beneficiary_authentications.payer_id is 'class=operational;about=The payer that asks for it.';
comment on column insurance.beneficiary_authentications.stage is 'class=operational;about=preauthorization, claim, admission or discharge.';
comment on column insurance.beneficiary_authentications.method is 'class=operational;about=fingerprint, iris, face, otp, or exception where none works.';
comment on column insurance.beneficiary_authentications.txn_id is 'class=operational;about=Transaction id of the authentication service.';
comment on column insurance.beneficiary_authentications.token_enc is 'class=pii;enc=1;about=Token that rides on submissions, encrypted.';
comment on column insurance.beneficiary_authentications.token_expires_at is 'class=operational;about=Until when the token is good; null: no limit.';
comment on column insurance.beneficiary_authentications.refresh_enc is 'class=pii;enc=1;about=Token that gets a new one, encrypted.';
comment on column insurance.beneficiary_authentications.authenticated_at is 'class=operational;about=When it succeeded.';
comment on column insurance.beneficiary_authentications.exception_reason is 'class=phi;about=Why none of the methods works.';
comment on column insurance.beneficiary_authentications.exception_approved_by is 'class=operational;about=Who approved the exception; not the one who asked for it.';
comment on column insurance.beneficiary_authentications.status is 'class=operational;about=initiated, authenticated, failed or expired.';
select core.comment_standard_columns('insurance.beneficiary_authentications');

alter table insurance.beneficiary_authentications enable row level security, force row level security;
drop policy if exists tenant_isolation on insurance.beneficiary_authentications;
create policy tenant_isolation on insurance.beneficiary_authentications
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger beneficiary_authentications_touch before update on insurance.beneficiary_authentications
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger beneficiary_authentications_payer_visible before insert or update of payer_id on insurance.beneficiary_authentications
  for each row execute function core.check_shared_reference('payer_id', 'insurance.payers');
create or replace trigger beneficiary_authentications_transition before insert or update of status on insurance.beneficiary_authentications
  for each row execute function core.enforce_transition('insurance.beneficiary_authentications', 'status');
select audit.track('insurance.beneficiary_authentications');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('insurance.beneficiary_authentications', '', 'initiated', false, null),
  ('insurance.beneficiary_authentications', 'initiated', 'authenticated', false, null),
  ('insurance.beneficiary_authentications', 'initiated', 'failed', false, null),
  ('insurance.beneficiary_authentications', 'initiated', 'expired', false, null),
  ('insurance.beneficiary_authentications', 'failed', 'initiated', false, null),
  ('insurance.beneficiary_authentications', 'authenticated', 'expired', false, null)
on conflict (machine, from_state, to_state) do nothing;

-- written by operations only
grant select on insurance.beneficiary_authentications to billing_app, billing_ro;

-- insurance.nhcx_messages: every envelope of the claims exchange, in and out, kept as it was on the wire and
-- replayable.
--
-- An api_call_id comes once per direction, and the same payload once per correlation and path; failed envelopes do
-- not count, so that they can be sent or applied again.
create table if not exists insurance.nhcx_messages (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  direction text not null,
  api_path text not null,
  entity text not null,
  api_call_id uuid not null,
  request_id uuid,
  correlation_id uuid not null,
  workflow_id text,
  sender_code text not null,
  recipient_code text not null,
  hcx_status text not null,
  hcx_timestamp timestamptz not null,
  ben_abha_bidx bytea,
  jwe_enc bytea not null,
  payload_hash bytea not null,
  bundle_document_id uuid,
  http_status smallint,
  error_code text,
  error jsonb,
  subject_type text,
  subject_id uuid,
  attempts smallint not null default 0,
  next_attempt_at timestamptz,
  processed_at timestamptz,
  status text not null default 'pending',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint nhcx_messages_pkey primary key (tenant_id, id),
  constraint nhcx_messages_call_once unique (tenant_id, direction, api_call_id),
  constraint nhcx_messages_direction_known check (direction in ('out', 'in')),
  constraint nhcx_messages_status_known check (status in ('pending', 'processing', 'sent', 'completed', 'failed')),
  constraint nhcx_messages_hash_is_sha256 check (octet_length(payload_hash) = 32),
  constraint nhcx_messages_subject_known check (
    subject_type in ('insurance_claims', 'eligibility_checks', 'claim_payments')
  ),
  constraint nhcx_messages_subject_complete check ((subject_type is null) = (subject_id is null)),
  constraint nhcx_messages_between_participants check (
    sender_code ~ '^[^@[:space:]]+@hcx$' and recipient_code ~ '^[^@[:space:]]+@hcx$'
  ),
  constraint nhcx_messages_hcx_status_known check (
    hcx_status in (
      'request.initiated', 'request.queued', 'request.dispatched', 'request.retry', 'response.complete',
      'response.partial', 'response.error', 'response.redirect'
    )
  ),
  constraint nhcx_messages_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

create unique index if not exists nhcx_messages_payload_once on insurance.nhcx_messages (tenant_id, direction, correlation_id, api_path, payload_hash)
  where status <> 'failed';
create index if not exists nhcx_messages_unfinished_idx on insurance.nhcx_messages (tenant_id, direction, created_at)
  where status in ('pending', 'processing', 'failed');
create index if not exists nhcx_messages_subject_idx on insurance.nhcx_messages (tenant_id, subject_id)
  where subject_id is not null;
create index if not exists nhcx_messages_bundle_document_idx on insurance.nhcx_messages (tenant_id, bundle_document_id)
  where bundle_document_id is not null;

comment on table insurance.nhcx_messages is 'class=phi;scope=tenant;owner=billing;fhir=MessageHeader,Bundle;retention=medical_record;about=Every NHCX envelope in and out, kept verbatim and replayable.';
comment on column insurance.nhcx_messages.direction is 'class=operational;about=out or in.';
comment on column insurance.nhcx_messages.api_path is 'class=operational;about=Path of the exchange, such as /preauth/submit or /claim/on_submit.';
comment on column insurance.nhcx_messages.entity is 'class=operational;about=coverageeligibility, preauth, claim, communication, paymentnotice, task or insuranceplan.';
comment on column insurance.nhcx_messages.api_call_id is 'class=operational;about=x-hcx-api_call_id: unique per direction.';
comment on column insurance.nhcx_messages.request_id is 'class=operational;about=x-hcx-request_id.';
comment on column insurance.nhcx_messages.correlation_id is 'class=operational;about=x-hcx-correlation_id: joins request and answer.';
comment on column insurance.nhcx_messages.workflow_id is 'class=operational;about=x-hcx-workflow_id.';
comment on column insurance.nhcx_messages.sender_code is 'class=operational;about=Participant that sent it, ends with @hcx.';
comment on column insurance.nhcx_messages.recipient_code is 'class=operational;about=Participant that it is for, ends with @hcx.';
comment on column insurance.nhcx_messages.hcx_status is 'class=operational;about=x-hcx-status: request.initiated, queued, dispatched or retry; response.complete, partial, error or redirect.';
comment on column insurance.nhcx_messages.hcx_timestamp is 'class=operational;about=x-hcx-timestamp.';
comment on column insurance.nhcx_messages.ben_abha_bidx is 'class=pii;about=Blind index of the beneficiary''s ABHA number; the number itself is in the envelope only.';
comment on column insurance.nhcx_messages.jwe_enc is 'class=phi;enc=1;about=The envelope as it was on the wire: a JWE, encrypted for its recipient.';
comment on column insurance.nhcx_messages.payload_hash is 'class=operational;about=SHA-256 of the decrypted payload, or of the envelope where it could not be decrypted.';
comment on column insurance.nhcx_messages.bundle_document_id is 'class=operational;about=The decrypted FHIR bundle as a document.';
comment on column insurance.nhcx_messages.http_status is 'class=operational;about=What the exchange answered to our call.';
comment on column insurance.nhcx_messages.error_code is 'class=operational;about=Why it failed: code of the exchange, or our IM code.';
comment on column insurance.nhcx_messages.error is 'class=operational;about=The exchange''s error object.';
comment on column insurance.nhcx_messages.subject_type is 'class=operational;about=Table that it is about: insurance_claims, eligibility_checks or claim_payments.';
comment on column insurance.nhcx_messages.subject_id is 'class=operational;about=Row of that table.';
comment on column insurance.nhcx_messages.attempts is 'class=operational;about=How often it was tried.';
comment on column insurance.nhcx_messages.next_attempt_at is 'class=operational;about=When it may be tried again.';
comment on column insurance.nhcx_messages.processed_at is 'class=operational;about=When it was applied.';
comment on column insurance.nhcx_messages.status is 'class=operational;about=pending, processing, sent, completed or failed (may be tried again).';
select core.comment_standard_columns('insurance.nhcx_messages');

alter table insurance.nhcx_messages enable row level security, force row level security;
drop policy if exists tenant_isolation on insurance.nhcx_messages;
create policy tenant_isolation on insurance.nhcx_messages
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger nhcx_messages_touch before update on insurance.nhcx_messages
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger nhcx_messages_transition before insert or update of status on insurance.nhcx_messages
  for each row execute function core.enforce_transition('insurance.nhcx_messages', 'status');
select audit.track('insurance.nhcx_messages');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('insurance.nhcx_messages', '', 'pending', false, null),
  ('insurance.nhcx_messages', 'pending', 'processing', false, null),
  ('insurance.nhcx_messages', 'pending', 'sent', false, null),
  ('insurance.nhcx_messages', 'pending', 'failed', false, null),
  ('insurance.nhcx_messages', 'processing', 'completed', false, null),
  ('insurance.nhcx_messages', 'processing', 'failed', false, null),
  ('insurance.nhcx_messages', 'processing', 'pending', false, null),
  ('insurance.nhcx_messages', 'sent', 'completed', false, null),
  ('insurance.nhcx_messages', 'sent', 'failed', false, null),
  ('insurance.nhcx_messages', 'failed', 'pending', false, null)
on conflict (machine, from_state, to_state) do nothing;

-- written by operations only
grant select on insurance.nhcx_messages to billing_app, billing_ro;

-- other services: tables

create or replace view clinical.admissions with (security_invoker = true) as
select
  r.tenant_id,
  r.entity_id as id,
  (r.attrs ->> 'encounter_id')::uuid as encounter_id,
  r.attrs ->> 'care_class' as care_class,
  r.attrs ->> 'status' as status,
  (r.attrs ->> 'discharge_ordered_at')::timestamp with time zone as discharge_ordered_at,
  (r.attrs ->> 'physically_left_at')::timestamp with time zone as physically_left_at
from core.entity_refs r
where r.entity_type = 'clinical.admissions' and (r.lifecycle <> 'deleted');

comment on view clinical.admissions is 'about=What the service clinical publishes of clinical.admissions, kept by its events.';
comment on column clinical.admissions.tenant_id is 'class=operational;about=The tenant that the row belongs to; null in a tenant-or-global table means shared by all.';
comment on column clinical.admissions.id is 'class=operational;about=Identity of the row, a UUID version 7.';
comment on column clinical.admissions.encounter_id is 'class=phi;about=The stay.';
comment on column clinical.admissions.care_class is 'class=operational;about=Class of room that the patient is entitled to: general, semi_private, private, deluxe, icu, hdu, nicu, picu, isolation or day_care.';
comment on column clinical.admissions.status is 'class=operational;about=requested, admitted, discharge_ordered, clinically_discharged, billing_cleared, discharged or cancelled.';
comment on column clinical.admissions.discharge_ordered_at is 'class=operational;about=When discharge was ordered.';
comment on column clinical.admissions.physically_left_at is 'class=operational;about=When the patient left the building; the bed is free from then on.';

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

create or replace view ehr.documents with (security_invoker = true) as
select
  r.tenant_id,
  r.entity_id as id,
  (r.attrs ->> 'patient_id')::uuid as patient_id,
  (r.attrs ->> 'encounter_id')::uuid as encounter_id,
  r.attrs ->> 'status' as status,
  (r.attrs ->> 'deleted_at')::timestamp with time zone as deleted_at
from core.entity_refs r
where r.entity_type = 'ehr.documents' and (r.lifecycle <> 'deleted' or r.attrs ? 'deleted_at');

comment on view ehr.documents is 'about=What the service ehr publishes of ehr.documents, kept by its events.';
comment on column ehr.documents.tenant_id is 'class=operational;about=The tenant that the row belongs to; null in a tenant-or-global table means shared by all.';
comment on column ehr.documents.id is 'class=operational;about=Identity of the row, a UUID version 7.';
comment on column ehr.documents.patient_id is 'class=phi;about=The patient whom it is about; null for papers of the hospital.';
comment on column ehr.documents.encounter_id is 'class=phi;about=The visit or stay that it belongs to.';
comment on column ehr.documents.status is 'class=operational;about=preliminary, current, superseded, entered_in_error or discarded (never was current).';
comment on column ehr.documents.deleted_at is 'class=operational;about=When the row was deleted; the row itself stays.';

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

-- billing: foreign keys

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'billing.tariffs'::pg_catalog.regclass and conname = 'tariffs_payer_fkey') then
    alter table billing.tariffs add constraint tariffs_payer_fkey foreign key (payer_id) references insurance.payers (id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'billing.accounts'::pg_catalog.regclass and conname = 'accounts_payer_fkey') then
    alter table billing.accounts add constraint accounts_payer_fkey foreign key (payer_id) references insurance.payers (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'billing.accounts'::pg_catalog.regclass and conname = 'accounts_coverage_fkey') then
    alter table billing.accounts
  add constraint accounts_coverage_fkey foreign key (tenant_id, coverage_id)
  references insurance.coverages (tenant_id, id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'billing.charge_items'::pg_catalog.regclass and conname = 'charge_items_invoice_item_fkey') then
    alter table billing.charge_items
  add constraint charge_items_invoice_item_fkey foreign key (tenant_id, invoice_item_id)
  references billing.invoice_items (tenant_id, id) deferrable initially deferred;
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'billing.invoices'::pg_catalog.regclass and conname = 'invoices_payer_fkey') then
    alter table billing.invoices add constraint invoices_payer_fkey foreign key (payer_id) references insurance.payers (id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'billing.payment_allocations'::pg_catalog.regclass and conname = 'payment_allocations_claim_payment_fkey') then
    alter table billing.payment_allocations
  add constraint payment_allocations_claim_payment_fkey foreign key (tenant_id, claim_payment_id)
  references insurance.claim_payments (tenant_id, id);
  end if;
end
$$;

-- insurance: foreign keys

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'insurance.adjudication_events'::pg_catalog.regclass and conname = 'adjudication_events_message_fkey') then
    alter table insurance.adjudication_events add constraint adjudication_events_message_fkey
  foreign key (tenant_id, message_id) references insurance.nhcx_messages (tenant_id, id);
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

-- billing: functions

-- Accounts from opening to closing. Whatever changes the totals of an account locks its row first.
create or replace function billing.lock_account(p_account_id uuid) returns billing.accounts
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_account billing.accounts;
begin
  select a.* into v_account
  from billing.accounts a
  where a.tenant_id = core.require_tenant() and a.id = p_account_id
  for no key update;
  if not found then
    raise exception 'account % does not exist', p_account_id
      using errcode = 'IM005', hint = 'choose an account of the tenant';
  end if;
  return v_account;
end
$$;

comment on function billing.lock_account(uuid) is 'about=The account, locked until the transaction ends. IM005 no such account.';

create or replace function billing.lock_accounts_of(p_account_id uuid, p_invoice_ids uuid[]) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  perform
  from billing.accounts a
  where
    a.tenant_id = v_tenant
    and a.id in (
      select p_account_id
      union all
      select i.account_id -- it never changes, so it can be read before the bill is locked
      from billing.invoices i
      where i.tenant_id = v_tenant and i.id = any (p_invoice_ids)
    )
  order by a.id
  for no key update;
end
$$;

comment on function billing.lock_accounts_of(uuid, uuid[]) is 'about=Locks an account and those of bills until the transaction ends, in the order of their ids: before the bills are locked.';

create or replace function billing.add_to_totals(
  p_account_id uuid,
  p_charged numeric default 0,
  p_paid numeric default 0,
  p_claimed numeric default 0,
  p_written_off numeric default 0
) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  update billing.accounts a
  set
    total_charged = a.total_charged + p_charged,
    total_paid = a.total_paid + p_paid,
    total_claimed = a.total_claimed + p_claimed,
    total_written_off = a.total_written_off + p_written_off
  where a.tenant_id = v_tenant and a.id = p_account_id and a.status <> 'closed';
  if found then
    return;
  end if;
  perform from billing.accounts a where a.tenant_id = v_tenant and a.id = p_account_id;
  if found then
    raise exception 'account % is closed', p_account_id
      using errcode = 'IM558', hint = 'reopen it, or use another account';
  end if;
  raise exception 'account % does not exist', p_account_id
    using errcode = 'IM005', hint = 'choose an account of the tenant';
end
$$;

comment on function billing.add_to_totals(uuid, numeric, numeric, numeric, numeric) is 'about=Adds to the totals of an open account; module payment calls it for what the patient paid. IM005 no such account, IM558 closed.';

create or replace function billing.check_coverage(p_patient_id uuid, p_payer_id uuid, p_coverage_id uuid) returns uuid
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_coverage record;
begin
  if p_coverage_id is null then
    return p_payer_id;
  end if;
  select c.patient_id, c.payer_id into v_coverage
  from insurance.coverages c
  where c.tenant_id = core.require_tenant() and c.id = p_coverage_id;
  if not found or v_coverage.patient_id <> p_patient_id then
    raise exception 'coverage % is not one of patient %', p_coverage_id, p_patient_id
      using errcode = 'IM005', hint = 'choose a coverage of the patient';
  end if;
  if p_payer_id <> v_coverage.payer_id then
    raise exception 'coverage % is not with payer %', p_coverage_id, p_payer_id
      using errcode = '22023', hint = 'leave the payer out: the coverage names it';
  end if;
  return v_coverage.payer_id;
end
$$;

comment on function billing.check_coverage(uuid, uuid, uuid) is 'about=The payer of a coverage of the patient, or the payer given when there is no coverage. IM005 not a coverage of the patient.';

create or replace function billing.open_account(
  p_patient_id uuid,
  p_encounter_id uuid default null,
  p_clinic_id uuid default null,
  p_payer_class text default null,
  p_payer_id uuid default null,
  p_coverage_id uuid default null,
  p_key text default null
) returns billing.accounts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_encounter_patient_id uuid;
  v_clinic_id uuid := p_clinic_id;
  v_payer_class text := p_payer_class;
  v_claim record;
  v_account billing.accounts;
begin
  if p_encounter_id is not null then
    select e.patient_id, coalesce(p_clinic_id, e.clinic_id), coalesce(p_payer_class, e.payer_class)
    into v_encounter_patient_id, v_clinic_id, v_payer_class
    from clinical.encounters e
    where e.tenant_id = v_tenant and e.id = p_encounter_id and e.deleted_at is null;
    if not found or v_encounter_patient_id <> p_patient_id then
      raise exception 'encounter % is not one of patient %', p_encounter_id, p_patient_id
        using errcode = 'IM005', hint = 'choose an encounter of the patient';
    end if;
    -- two desks that open the account of one stay meet here
    perform pg_advisory_xact_lock(hashtextextended('billing.open_account' || v_tenant || p_encounter_id, 0));
    select a.* into v_account
    from billing.accounts a
    where a.tenant_id = v_tenant and a.encounter_id = p_encounter_id and a.status <> 'closed';
    if found then
      return v_account;
    end if;
  else
    if p_clinic_id is null then
      raise exception 'an account without an encounter needs a clinic'
        using errcode = '22023', hint = 'pass p_clinic_id, the clinic that bills';
    end if;
    perform from patient.patients p where p.tenant_id = v_tenant and p.id = p_patient_id and p.deleted_at is null;
    if not found then
      raise exception 'patient % does not exist', p_patient_id
        using errcode = 'IM005', hint = 'search the patient again';
    end if;
    if p_key is not null then
      v_claim := core.idempotent_begin(
        'billing.open_account', p_key, sha256(convert_to(p_patient_id || ' ' || p_clinic_id, 'UTF8'))
      );
      if v_claim.state = 'done' then
        select a.* into v_account
        from billing.accounts a
        where a.tenant_id = v_tenant and a.id = (v_claim.response ->> 'account_id')::uuid;
        return v_account;
      end if;
    end if;
  end if;

  insert into billing.accounts (
    tenant_id, account_number, patient_id, encounter_id, clinic_id, payer_class, payer_id, coverage_id
  )
  values (
    v_tenant, core.next_default_number('account', '', 'ACC-{YY}-'), p_patient_id, p_encounter_id,
    v_clinic_id, coalesce(v_payer_class, 'self'),
    billing.check_coverage(p_patient_id, p_payer_id, p_coverage_id), p_coverage_id
  )
  returning * into v_account;
  if p_key is not null and p_encounter_id is null then
    perform core.idempotent_finish('billing.open_account', p_key, jsonb_build_object('account_id', v_account.id));
  end if;
  return v_account;
end
$$;

comment on function billing.open_account(uuid, uuid, uuid, text, uuid, uuid, text) is 'about=Opens the account of a stay or visit, or returns the open one that it has. Without an encounter p_clinic_id is needed and p_key makes a repeat harmless. Payer class and clinic are those of the encounter unless given; a coverage names its payer. IM003, IM005 no such patient, encounter or coverage, IM010, IM011.';

create or replace function billing.set_account_status(p_account_id uuid, p_status text, p_reason text default null)
  returns billing.accounts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_account billing.accounts := billing.lock_account(p_account_id);
begin
  if v_account.status = p_status then
    return v_account;
  end if;
  if p_status = 'closed' then
    raise exception 'an account is closed by billing.close_account'
      using errcode = '22023', hint = 'call billing.close_account, which looks for what is open';
  end if;
  if p_reason is not null then
    perform core.set_reason(p_reason);
  end if;
  update billing.accounts a
  set status = p_status
  where a.tenant_id = v_account.tenant_id and a.id = p_account_id
  returning a.* into v_account;
  return v_account;
end
$$;

comment on function billing.set_account_status(uuid, text, text) is 'about=Puts an account on hold, back to active, or into settling (the final bill); reopens a closed one, with a reason. IM001 no such move, IM002 reason missing, IM005.';

create or replace function billing.set_credit_limit(p_account_id uuid, p_credit_limit numeric, p_reason text) returns billing.accounts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_account billing.accounts := billing.lock_account(p_account_id);
begin
  if nullif(btrim(p_reason), '') is null then
    raise exception 'credit for account % needs a reason', p_account_id
      using errcode = 'IM002', hint = 'pass p_reason: why the patient may owe it';
  end if;
  if v_account.credit_limit = p_credit_limit then
    return v_account;
  end if;
  perform core.set_reason(p_reason);
  update billing.accounts a
  set credit_limit = p_credit_limit
  where a.tenant_id = v_account.tenant_id and a.id = p_account_id
  returning a.* into v_account;
  return v_account;
end
$$;

comment on function billing.set_credit_limit(uuid, numeric, text) is 'about=How much the patient may owe and still leave; the reason is audited. IM002 reason missing, IM005.';

create or replace function billing.close_account(p_account_id uuid) returns billing.accounts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_account billing.accounts := billing.lock_account(p_account_id);
  v_obstacle text;
begin
  if v_account.status = 'closed' then
    return v_account;
  end if;
  v_obstacle := case
    when exists (
      select
      from billing.charge_items i
      where i.tenant_id = v_account.tenant_id and i.account_id = p_account_id and i.status in ('planned', 'billable')
    ) then 'has charges that are not billed'
    when exists (
      select
      from billing.invoices i
      where
        i.tenant_id = v_account.tenant_id and i.account_id = p_account_id and i.kind <> 'credit_note'
        and i.status in ('draft', 'issued', 'partially_paid')
    ) then 'has bills that are not paid'
    when v_account.balance <> 0 then 'has a balance'
  end;
  if v_obstacle is not null then
    raise exception 'account % %', p_account_id, v_obstacle
      using errcode = 'IM560', hint = 'bill or cancel its charges; collect, refund or write off what is open';
  end if;
  if v_account.status = 'active' then
    perform billing.set_account_status(p_account_id, 'settling');
  end if;
  update billing.accounts a
  set status = 'closed', closed_at = now()
  where a.tenant_id = v_account.tenant_id and a.id = p_account_id
  returning a.* into v_account;
  return v_account;
end
$$;

comment on function billing.close_account(uuid) is 'about=Closes an account on which everything is billed, paid and at zero. IM001 it is on hold, IM005, IM560 something is open.';

-- What a charge costs: for whom, in which class, where and when.
create or replace function billing.clinic_date(p_clinic_id uuid, p_at timestamptz default now()) returns date
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select (p_at at time zone c.timezone)::date
  from facility.clinics c
  where c.tenant_id = core.current_tenant_id() and c.id = p_clinic_id
$$;

comment on function billing.clinic_date(uuid, timestamptz) is 'about=The date that a clinic''s calendar shows at an instant.';

create or replace function billing.find_price(
  p_charge_id uuid,
  p_payer_id uuid,
  p_care_class text,
  p_clinic_id uuid,
  p_on date,
  out unit_price numeric,
  out discount_pct numeric
) returns record
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  -- the payer's own price before one for any payer, then the class, then the clinic
  select t.price, t.discount_pct into unit_price, discount_pct
  from billing.tariffs t
  where
    t.tenant_id = v_tenant and t.charge_id = p_charge_id
    and (t.payer_id is null or t.payer_id = p_payer_id)
    and (t.care_class is null or t.care_class = p_care_class)
    and (t.clinic_id is null or t.clinic_id = p_clinic_id)
    and t.valid_during @> p_on
  order by t.payer_id nulls last, t.care_class nulls last, t.clinic_id nulls last
  limit 1;
  if found then
    return;
  end if;
  select c.base_price, 0 into unit_price, discount_pct
  from billing.charge_master c
  where c.tenant_id = v_tenant and c.id = p_charge_id;
  if not found then
    raise exception 'charge % does not exist', p_charge_id
      using errcode = 'IM005', hint = 'choose a charge of billing.charge_master';
  end if;
end
$$;

comment on function billing.find_price(uuid, uuid, text, uuid, date) is 'about=Price of one unit and discount in percent of the most particular tariff of that day: payer counts before class of care, class before clinic; without a tariff the base price. IM003, IM005 no such charge.';

create or replace function billing.without_tax(p_total numeric, p_tax_rate numeric) returns numeric
  language plpgsql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_factor numeric := 1 + p_tax_rate / 100;
  v_taxable numeric := round(p_total / v_factor, 2);
begin
  return v_taxable - case when round(v_taxable * v_factor, 2) > p_total then 0.01 else 0 end;
end
$$;

comment on function billing.without_tax(numeric, numeric) is 'about=What is taxed of an amount with the tax in it: with its tax again it is that amount, or one hundredth less where none makes it up, and never more.';

-- Charging: one row per source event and charge, priced when it is made. The account's row is locked, so its totals and
-- what a package still includes are right under any number of writers.
create or replace function billing.package_with_room(
  p_account_id uuid,
  p_charge_id uuid,
  p_charge_code text,
  p_quantity numeric
) returns uuid
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_package uuid;
begin
  select i.id into v_package
  from billing.charge_items i
  join billing.charge_master p on p.tenant_id = i.tenant_id and p.id = i.charge_id
  cross join lateral jsonb_array_elements(p.package_components) as c
  where
    i.tenant_id = v_tenant and i.account_id = p_account_id and i.status in ('billable', 'billed')
    and p.kind = 'package'
    and c.value ->> 'code' = p_charge_code
    and (
      c.value ->> 'quantity' is null
      or (c.value ->> 'quantity')::numeric * i.quantity >= p_quantity + (
        select coalesce(sum(used.quantity), 0)
        from billing.charge_items used
        where
          used.tenant_id = v_tenant and used.package_charge_item_id = i.id and used.charge_id = p_charge_id
          and used.status = 'not_billable'
      )
    )
  order by i.id
  limit 1;
  return v_package;
end
$$;

comment on function billing.package_with_room(uuid, uuid, text, numeric) is 'about=The charge of a package on the account that includes so much more of a charge; null when there is none.';

create or replace function billing.put_into_packages(p_account_id uuid) returns numeric
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_item record;
  v_package uuid;
  v_freed numeric := 0;
begin
  for v_item in
    select i.id, i.charge_id, i.quantity, i.net, c.code
    from billing.charge_items i
    join billing.charge_master c on c.tenant_id = i.tenant_id and c.id = i.charge_id
    where i.tenant_id = v_tenant and i.account_id = p_account_id and i.status = 'billable' and c.kind <> 'package'
    order by i.occurred_at, i.id
  loop
    v_package := billing.package_with_room(p_account_id, v_item.charge_id, v_item.code, v_item.quantity);
    if v_package is not null then
      update billing.charge_items i
      set status = 'not_billable', package_charge_item_id = v_package
      where i.tenant_id = v_tenant and i.id = v_item.id;
      v_freed := v_freed + v_item.net;
    end if;
  end loop;
  return v_freed;
end
$$;

comment on function billing.put_into_packages(uuid) is 'about=Moves billable charges that a package on the account includes into it, oldest first; returns what they would have cost.';

create or replace function billing.add_charge(
  p_account_id uuid,
  p_charge_id uuid,
  p_source_type text,
  p_source_id uuid,
  p_quantity numeric default 1,
  p_occurred_at timestamptz default null,
  p_unit_price numeric default null
) returns billing.charge_items
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_account billing.accounts := billing.lock_account(p_account_id);
  v_tenant uuid := v_account.tenant_id;
  v_charge record;
  v_care_class text;
  v_price record;
  v_discount numeric;
  v_discount_reason text;
  v_tax numeric;
  v_package uuid;
  v_item billing.charge_items;
begin
  select i.* into v_item
  from billing.charge_items i
  where
    i.tenant_id = v_tenant and i.source_type = p_source_type and i.source_id = p_source_id
    and i.charge_id = p_charge_id and i.status <> 'aborted';
  if found then
    if v_item.account_id = p_account_id and v_item.quantity = p_quantity then
      return v_item;
    end if;
    raise exception 'source % is charged already by charge item %', p_source_id, v_item.id
      using errcode = 'IM557', hint = 'cancel that charge before you charge it in another way';
  end if;
  if v_account.status = 'closed' then
    raise exception 'account % is closed', p_account_id
      using errcode = 'IM558', hint = 'reopen it, or use another account';
  end if;

  select c.code, c.kind, c.gst_rate into v_charge
  from billing.charge_master c
  where c.tenant_id = v_tenant and c.id = p_charge_id and c.active and c.deleted_at is null;
  if not found then
    raise exception 'charge % does not exist or is inactive', p_charge_id
      using errcode = 'IM005', hint = 'choose an active charge of billing.charge_master';
  end if;
  if p_unit_price is not null and v_charge.kind not in ('drug', 'consumable') then
    raise exception 'charge % has its price from the tariffs', p_charge_id
      using errcode = '22023', hint = 'only drugs and consumables may carry the price of their batch';
  end if;

  select a.care_class into v_care_class
  from clinical.admissions a
  where a.tenant_id = v_tenant and a.encounter_id = v_account.encounter_id;
  select f.unit_price, f.discount_pct into v_price
  from billing.find_price(
    p_charge_id, v_account.payer_id, v_care_class, v_account.clinic_id,
    billing.clinic_date(v_account.clinic_id, coalesce(p_occurred_at, now()))
  ) f;
  if p_unit_price is null then
    v_discount := round(p_quantity * v_price.unit_price * v_price.discount_pct / 100, 2);
    v_discount_reason := 'tariff';
  else
    -- a retail price has the tax in it; the discount makes up for the rounding of one unit
    v_price.unit_price := ceil(p_unit_price / (1 + v_charge.gst_rate / 100) * 100) / 100;
    v_discount := round(p_quantity * v_price.unit_price, 2)
      - billing.without_tax(round(p_quantity * p_unit_price, 2), v_charge.gst_rate);
    v_discount_reason := 'rounding';
  end if;
  v_tax := round((p_quantity * v_price.unit_price - v_discount) * v_charge.gst_rate / 100, 2);
  if v_charge.kind <> 'package' then
    v_package := billing.package_with_room(p_account_id, p_charge_id, v_charge.code, p_quantity);
  end if;

  insert into billing.charge_items (
    tenant_id, account_id, charge_id, patient_id, encounter_id, source_type, source_id, occurred_at, quantity, unit_price,
    discount, tax_rate, tax, net, concession_reason, package_charge_item_id, status
  )
  values (
    v_tenant, p_account_id, p_charge_id, v_account.patient_id, v_account.encounter_id, p_source_type, p_source_id,
    coalesce(p_occurred_at, now()), p_quantity, v_price.unit_price, v_discount, v_charge.gst_rate, v_tax,
    round(p_quantity * v_price.unit_price, 2) - v_discount + v_tax, case when v_discount > 0 then v_discount_reason end,
    v_package, case when v_package is null then 'billable' else 'not_billable' end
  )
  -- two accounts may race for one source: the key decides, and the loser is told
  on conflict (tenant_id, source_type, source_id, charge_id) where status <> 'aborted' do nothing
  returning * into v_item;
  if not found then
    raise exception 'source % is charged already', p_source_id
      using errcode = 'IM557', hint = 'look the source up in billing.charge_items';
  end if;
  if v_charge.kind = 'package' then
    perform billing.add_to_totals(p_account_id, p_charged => v_item.net - billing.put_into_packages(p_account_id));
  elsif v_package is null then
    perform billing.add_to_totals(p_account_id, p_charged => v_item.net);
  end if;
  return v_item;
end
$$;

comment on function billing.add_charge(uuid, uuid, text, uuid, numeric, timestamptz, numeric) is 'about=Charges what a source row caused (source type is its table, or manual) to an account, at the tariff of payer, class of care, clinic and day; drugs and consumables may carry the price of their batch (p_unit_price, tax included as in an MRP), and are billed no more than that. A charge that a package on the account includes becomes not_billable, and a package takes in what was charged before. The same source and charge again returns the same row. IM003, IM005 no such account or charge, IM557 charged already with another quantity or account, IM558 account closed.';

create or replace function billing.charge_encounter(
  p_encounter_id uuid,
  p_charge_code text,
  p_source_type text,
  p_source_id uuid,
  p_quantity numeric default 1,
  p_unit_price numeric default null
) returns uuid
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_charge_id uuid;
  v_kind text;
  v_account_id uuid;
  v_item_id uuid;
begin
  select c.id, c.kind into v_charge_id, v_kind
  from billing.charge_master c
  where c.tenant_id = v_tenant and c.code = p_charge_code and c.active and c.deleted_at is null;
  if not found then
    return null;
  end if;
  select i.id into v_item_id
  from billing.charge_items i
  where
    i.tenant_id = v_tenant and i.source_type = p_source_type and i.source_id = p_source_id
    and i.charge_id = v_charge_id and i.status <> 'aborted';
  if found then
    return v_item_id;
  end if;
  select a.id into v_account_id
  from billing.accounts a
  where a.tenant_id = v_tenant and a.encounter_id = p_encounter_id and a.status <> 'closed';
  if not found then
    return null;
  end if;
  return (
    billing.add_charge(
      v_account_id, v_charge_id, p_source_type, p_source_id, p_quantity,
      p_unit_price => case when v_kind in ('drug', 'consumable') then p_unit_price end
    )
  ).id;
end
$$;

comment on function billing.charge_encounter(uuid, text, text, uuid, numeric, numeric) is 'about=For the other modules: charges an encounter by the hospital''s charge code, a drug or consumable at the retail price of its batch where one is given, and returns the charge item; the same one when it is repeated. Null when the tenant has no such charge or the encounter no open account: clinical work is never stopped by billing. IM003.';

-- What may still happen to a charge before it is billed. Order of locks: account, charge item.
create or replace function billing.lock_charge(p_charge_item_id uuid) returns billing.charge_items
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_item billing.charge_items;
  v_account billing.accounts;
begin
  select i.* into v_item
  from billing.charge_items i
  where i.tenant_id = v_tenant and i.id = p_charge_item_id;
  if not found then
    raise exception 'charge item % does not exist', p_charge_item_id
      using errcode = 'IM005', hint = 'choose a charge item of the tenant';
  end if;
  v_account := billing.lock_account(v_item.account_id);
  select i.* into v_item
  from billing.charge_items i
  where i.tenant_id = v_tenant and i.id = p_charge_item_id
  for no key update;
  if v_item.status = 'billed' then
    raise exception 'charge item % is on a bill', p_charge_item_id
      using errcode = 'IM557', hint = 'write a credit note on that bill first';
  end if;
  if v_account.status = 'closed' and v_item.status <> 'aborted' then
    raise exception 'account % is closed', v_account.id
      using errcode = 'IM558', hint = 'reopen it, or use another account';
  end if;
  return v_item;
end
$$;

comment on function billing.lock_charge(uuid) is 'about=A charge that is not billed, locked with its account. IM005 no such charge item, IM557 it is on a bill, IM558 its account is closed; cancelled ones come all the same.';

create or replace function billing.cancel_charge(p_charge_item_id uuid, p_reason text) returns billing.charge_items
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_item billing.charge_items := billing.lock_charge(p_charge_item_id);
  v_included record;
begin
  if v_item.status = 'aborted' then
    return v_item;
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'cancelling charge item % needs a reason', p_charge_item_id
      using errcode = 'IM002', hint = 'pass p_reason';
  end if;
  perform core.set_reason(p_reason);
  if v_item.status = 'billable' then
    perform billing.add_to_totals(v_item.account_id, p_charged => -v_item.net);
  end if;
  -- what a cancelled package included must be paid again
  for v_included in
    update billing.charge_items i
    set status = 'billable', package_charge_item_id = null
    where i.tenant_id = v_item.tenant_id and i.package_charge_item_id = v_item.id and i.status = 'not_billable'
    returning i.net
  loop
    perform billing.add_to_totals(v_item.account_id, p_charged => v_included.net);
  end loop;
  update billing.charge_items i
  set status = 'aborted', cancel_reason = p_reason
  where i.tenant_id = v_item.tenant_id and i.id = v_item.id
  returning i.* into v_item;
  return v_item;
end
$$;

comment on function billing.cancel_charge(uuid, text) is 'about=Cancels a charge that is not billed; its source may be charged anew. What a cancelled package included becomes billable. IM002 reason missing, IM005, IM557 on a bill, IM558 account closed.';

create or replace function billing.grant_concession(
  p_charge_item_id uuid,
  p_discount numeric,
  p_reason text,
  p_approved_by uuid
) returns billing.charge_items
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_item billing.charge_items := billing.lock_charge(p_charge_item_id);
  v_before numeric := v_item.net;
  v_tax numeric;
begin
  if nullif(btrim(p_reason), '') is null or p_approved_by is null then
    raise exception 'a concession on charge item % needs a reason and who granted it', p_charge_item_id
      using errcode = 'IM002', hint = 'pass p_reason and p_approved_by, a member of staff';
  end if;
  if v_item.status <> 'billable' then
    raise exception 'charge item % is %', p_charge_item_id, v_item.status
      using errcode = 'IM001', hint = 'only a billable charge can have a concession';
  end if;
  if
    v_item.discount = p_discount and v_item.concession_reason = p_reason
    and v_item.concession_approved_by = p_approved_by
  then
    return v_item;
  end if;
  v_tax := round((v_item.quantity * v_item.unit_price - p_discount) * v_item.tax_rate / 100, 2);
  perform core.set_reason(p_reason);
  update billing.charge_items i
  set
    discount = p_discount,
    tax = v_tax,
    net = round(i.quantity * i.unit_price, 2) - p_discount + v_tax,
    concession_reason = p_reason,
    concession_approved_by = p_approved_by
  where i.tenant_id = v_item.tenant_id and i.id = v_item.id
  returning i.* into v_item;
  perform billing.add_to_totals(v_item.account_id, p_charged => v_item.net - v_before);
  return v_item;
end
$$;

comment on function billing.grant_concession(uuid, numeric, text, uuid) is 'about=Sets the discount of a billable charge, in money for the whole quantity, in place of the tariff''s. IM001 not billable, IM002 reason or approver missing, IM005, IM557 on a bill, IM558 account closed, 23514 more than its price.';

create or replace function billing.take_out_of_package(p_charge_item_id uuid, p_reason text) returns billing.charge_items
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_item billing.charge_items := billing.lock_charge(p_charge_item_id);
begin
  if v_item.status = 'billable' then
    return v_item;
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'taking charge item % out of its package needs a reason', p_charge_item_id
      using errcode = 'IM002', hint = 'pass p_reason';
  end if;
  perform core.set_reason(p_reason);
  update billing.charge_items i
  set status = 'billable', package_charge_item_id = null
  where i.tenant_id = v_item.tenant_id and i.id = v_item.id
  returning i.* into v_item;
  perform billing.add_to_totals(v_item.account_id, p_charged => v_item.net);
  return v_item;
end
$$;

comment on function billing.take_out_of_package(uuid, text) is 'about=Makes a charge that a package includes billable by itself. IM001 cancelled, IM002 reason missing, IM005, IM557 on a bill, IM558 account closed.';

create or replace function billing.change_payer(
  p_account_id uuid,
  p_payer_class text,
  p_payer_id uuid default null,
  p_coverage_id uuid default null
) returns billing.accounts
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_account billing.accounts := billing.lock_account(p_account_id);
  v_care_class text;
  v_item record;
  v_difference numeric := 0;
begin
  if v_account.status = 'closed' then
    raise exception 'account % is closed', p_account_id
      using errcode = 'IM558', hint = 'reopen it, or use another account';
  end if;
  update billing.accounts a
  set
    payer_class = p_payer_class,
    payer_id = billing.check_coverage(v_account.patient_id, p_payer_id, p_coverage_id),
    coverage_id = p_coverage_id
  where a.tenant_id = v_account.tenant_id and a.id = p_account_id
  returning a.* into v_account;

  select a.care_class into v_care_class
  from clinical.admissions a
  where a.tenant_id = v_account.tenant_id and a.encounter_id = v_account.encounter_id;
  for v_item in
    select i.id, i.net, i.quantity, i.tax_rate, p.unit_price, round(i.quantity * p.unit_price * p.discount_pct / 100, 2) as discount
    from billing.charge_items i
    join billing.charge_master c on c.tenant_id = i.tenant_id and c.id = i.charge_id
    cross join lateral billing.find_price(
      i.charge_id, v_account.payer_id, v_care_class, v_account.clinic_id,
      billing.clinic_date(v_account.clinic_id, i.occurred_at)
    ) p
    where
      i.tenant_id = v_account.tenant_id and i.account_id = p_account_id and i.status = 'billable'
      -- a granted concession and the price of a batch stay as they are
      and i.concession_approved_by is null and c.kind not in ('drug', 'consumable')
    order by i.id
  loop
    update billing.charge_items i
    set
      unit_price = v_item.unit_price,
      discount = v_item.discount,
      concession_reason = case when v_item.discount > 0 then 'tariff' end,
      tax = round((i.quantity * v_item.unit_price - v_item.discount) * i.tax_rate / 100, 2),
      net = round(i.quantity * v_item.unit_price, 2) - v_item.discount
        + round((i.quantity * v_item.unit_price - v_item.discount) * i.tax_rate / 100, 2)
    where i.tenant_id = v_account.tenant_id and i.id = v_item.id
    returning v_difference + i.net - v_item.net into v_difference;
  end loop;
  update billing.accounts a
  set total_charged = a.total_charged + v_difference
  where a.tenant_id = v_account.tenant_id and a.id = p_account_id
  returning a.* into v_account;
  return v_account;
end
$$;

comment on function billing.change_payer(uuid, text, uuid, uuid) is 'about=Another payer for an open account: its billable charges get the prices of the new payer, except drugs, consumables and what has a granted concession. IM005, IM558 account closed.';

-- One way into the ledger: a transaction with all its lines.
create or replace function billing.post_entries(
  p_ref_type text,
  p_ref_id uuid,
  p_clinic_id uuid,
  p_patient_id uuid,
  p_currency text,
  p_lines jsonb,
  p_reverses_txn_id uuid default null
) returns uuid
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_txn_id uuid := core.uuid_v7();
  v_line record;
  v_line_no smallint := 0;
begin
  for v_line in
    select
      l.value ->> 'account' as account,
      (l.value ->> 'debit')::numeric as debit,
      coalesce((l.value ->> 'clinic_id')::uuid, p_clinic_id) as clinic_id
    from jsonb_array_elements(p_lines) with ordinality as l
    order by l.ordinality
  loop
    continue when v_line.debit = 0;
    v_line_no := v_line_no + 1;
    insert into billing.ledger_entries (
      tenant_id, txn_id, line_no, account_code, direction, amount, currency, ref_type, ref_id, patient_id, clinic_id,
      reverses_txn_id
    )
    values (
      v_tenant, v_txn_id, v_line_no, v_line.account, case when v_line.debit > 0 then 'debit' else 'credit' end,
      abs(v_line.debit), p_currency, p_ref_type, p_ref_id, p_patient_id, v_line.clinic_id, p_reverses_txn_id
    );
  end loop;
  return v_txn_id;
end
$$;

comment on function billing.post_entries(text, uuid, uuid, uuid, text, jsonb, uuid) is 'about=For operations of this module, payment and insurance: posts one ledger transaction for a row. p_lines is [{"account": code, "debit": amount, "clinic_id": other clinic}], where a debit below zero is a credit and zero is left out; the debits must add up to zero (IM553 at commit). A row is posted once per ref_type (23505).';

-- Issuing a bill. Order of locks: account, charge items by id, and the counter of the number last, because a gapless
-- series admits one open transaction at a time.
create or replace function billing.take_invoice_number(p_kind text, p_series text, p_on date) returns text
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_prefix text := case p_kind when 'bill_of_supply' then 'B' when 'tax_invoice' then 'T' else 'C' end;
begin
  if not exists (
    select
    from core.id_sequences s
    where s.tenant_id = core.require_tenant() and s.scope = p_kind and s.series = p_series and s.period_key = ''
  ) then
    perform core.configure_series(
      p_kind, p_series, concat_ws('-', v_prefix, nullif(p_series, ''), ''), 6, 'fiscal_year', p_max_len => 16
    );
  end if;
  return core.next_number(p_kind, p_series, p_on);
end
$$;

comment on function billing.take_invoice_number(text, text, date) is 'about=The next number of a kind of bill, series and fiscal year, such as B-000001; core.configure_series(<kind>, <series>, ...) writes it otherwise. Gapless: the counter stays locked until the transaction ends. IM552 longer than 16 characters.';

create or replace function billing.post_invoice(p_invoice billing.invoices) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  -- a credit note is the bill the other way round
  v_sign int := case p_invoice.kind when 'credit_note' then -1 else 1 end;
begin
  perform billing.post_entries(
    case p_invoice.kind when 'credit_note' then 'credit_note' else 'invoice' end, p_invoice.id, p_invoice.clinic_id,
    p_invoice.patient_id, p_invoice.currency,
    jsonb_build_array(
      jsonb_build_object('account', billing.receivable_of(p_invoice), 'debit', v_sign * p_invoice.total),
      jsonb_build_object('account', 'discount', 'debit', v_sign * p_invoice.discount),
      jsonb_build_object('account', 'tax_payable', 'debit', -v_sign * p_invoice.tax),
      jsonb_build_object('account', 'revenue', 'debit', -v_sign * (p_invoice.total + p_invoice.discount - p_invoice.tax))
    )
  );
end
$$;

comment on function billing.post_invoice(billing.invoices) is 'about=Posts an issued bill or credit note to the ledger; rounding goes to revenue.';

create or replace function billing.receivable_of(p_invoice billing.invoices) returns text
  language sql
  immutable
  set search_path = pg_catalog, pg_temp
as $$
  select case when p_invoice.payer_id is null then 'patient_receivable' else 'payer_receivable' end
$$;

comment on function billing.receivable_of(billing.invoices) is 'about=The ledger account of who owes a bill.';

create or replace function billing.round_total(p_net numeric) returns numeric
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_to numeric := coalesce((core.setting('billing.round_to') #>> '{}')::numeric, 1);
begin
  return case when v_to > 0 then round(p_net / v_to) * v_to else p_net end;
end
$$;

comment on function billing.round_total(numeric) is 'about=A total rounded to setting billing.round_to (default 1; 0 leaves it).';

create or replace function billing.issue_draft(p_invoice_id uuid) returns billing.invoices
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_invoice billing.invoices;
  v_today date;
begin
  select i.* into v_invoice from billing.invoices i where i.tenant_id = v_tenant and i.id = p_invoice_id;
  v_today := billing.clinic_date(v_invoice.clinic_id);
  perform billing.post_invoice(v_invoice);
  update billing.invoices i
  set
    invoice_number = billing.take_invoice_number(i.kind, i.series, v_today),
    fiscal_year = core.period_key('fiscal_year', v_today),
    issued_at = now(),
    status = 'issued'
  where i.tenant_id = v_tenant and i.id = p_invoice_id
  returning i.* into v_invoice;
  if v_invoice.total = 0 and v_invoice.kind <> 'credit_note' then -- nothing to pay: the state follows at once
    update billing.invoices i
    set allocated = 0
    where i.tenant_id = v_tenant and i.id = p_invoice_id
    returning i.* into v_invoice;
  end if;
  return v_invoice;
end
$$;

comment on function billing.issue_draft(uuid) is 'about=Posts a draft, gives it its number and issues it. IM552.';

create or replace function billing.issue_invoice(
  p_account_id uuid,
  p_charge_item_ids uuid[] default null,
  p_kind text default null,
  p_series text default '',
  p_payer_id uuid default null,
  p_due_on date default null,
  p_key text default null
) returns billing.invoices
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_account billing.accounts;
  v_tenant uuid := core.require_tenant();
  v_claim record;
  v_item record;
  v_items uuid[];
  v_count int := 0;
  v_sum record;
  v_total numeric;
  v_clinic record;
  v_invoice billing.invoices;
  v_line_no smallint := 0;
  v_line_id uuid;
begin
  if p_key is not null then
    v_claim := core.idempotent_begin(
      'billing.issue_invoice', p_key,
      sha256(convert_to(
        jsonb_build_array(p_account_id, p_charge_item_ids, p_kind, p_series, p_payer_id, p_due_on)::text, 'UTF8'
      ))
    );
    if v_claim.state = 'done' then
      select i.* into v_invoice
      from billing.invoices i
      where i.tenant_id = v_tenant and i.id = (v_claim.response ->> 'invoice_id')::uuid;
      return v_invoice;
    end if;
  end if;
  v_account := billing.lock_account(p_account_id);
  if v_account.status = 'closed' then
    raise exception 'account % is closed', p_account_id
      using errcode = 'IM558', hint = 'reopen it, or use another account';
  end if;
  if v_account.status = 'on_hold' and p_kind is distinct from 'proforma' then
    raise exception 'account % is on hold', p_account_id
      using errcode = 'IM001', hint = 'make it active with billing.set_account_status first';
  end if;

  if p_charge_item_ids is null then -- the account is locked: nobody adds to it now
    select array_agg(i.id) into v_items
    from billing.charge_items i
    where i.tenant_id = v_tenant and i.account_id = p_account_id and i.status = 'billable';
  else
    v_items := p_charge_item_ids;
  end if;
  for v_item in
    select i.id, i.status, i.account_id
    from billing.charge_items i
    where i.tenant_id = v_tenant and i.id = any (v_items)
    order by i.id
    for no key update
  loop
    if v_item.status = 'billed' then
      raise exception 'charge item % is on another bill', v_item.id
        using errcode = 'IM557', hint = 'leave it out, or credit that bill';
    end if;
    if v_item.account_id <> p_account_id or v_item.status <> 'billable' then
      raise exception 'charge item % cannot be billed on account %', v_item.id, p_account_id
        using errcode = 'IM559', hint = 'choose billable charges of the account';
    end if;
    v_count := v_count + 1;
  end loop;
  if v_count = 0 or v_count < cardinality(v_items) then
    raise exception 'there is nothing to bill on account %, or a charge item does not exist', p_account_id
      using errcode = 'IM559', hint = 'choose billable charges of the account, each once';
  end if;

  select
    sum(round(i.quantity * i.unit_price, 2)) as subtotal, sum(i.discount) as discount, sum(i.tax) as tax, sum(i.net) as net,
    bool_or(i.tax_rate > 0) as is_taxed
  into v_sum
  from billing.charge_items i
  where i.tenant_id = v_tenant and i.id = any (v_items);
  v_total := billing.round_total(v_sum.net);
  select c.gstin, c.state_code into v_clinic
  from facility.clinics c
  where c.tenant_id = v_tenant and c.id = v_account.clinic_id;

  insert into billing.invoices (
    tenant_id, kind, series, account_id, patient_id, payer_id, clinic_id, due_on, gstin, place_of_supply, subtotal,
    discount, tax, round_off, total, currency
  )
  values (
    v_tenant, coalesce(p_kind, case when v_sum.is_taxed then 'tax_invoice' else 'bill_of_supply' end), p_series,
    p_account_id, v_account.patient_id, p_payer_id, v_account.clinic_id, p_due_on, v_clinic.gstin, v_clinic.state_code,
    v_sum.subtotal, v_sum.discount, v_sum.tax, v_total - v_sum.net, v_total, billing.currency_of_tenant()
  )
  returning * into v_invoice;
  for v_item in
    select i.*, c.name, c.sac_hsn
    from billing.charge_items i
    join billing.charge_master c on c.tenant_id = i.tenant_id and c.id = i.charge_id
    where i.tenant_id = v_tenant and i.id = any (v_items)
    order by i.occurred_at, i.id
  loop
    v_line_no := v_line_no + 1;
    insert into billing.invoice_items (
      tenant_id, invoice_id, line_no, charge_id, description, sac_hsn, quantity, unit_price, discount, tax_rate, tax, net
    )
    values (
      v_tenant, v_invoice.id, v_line_no, v_item.charge_id, v_item.name, v_item.sac_hsn, v_item.quantity,
      v_item.unit_price, v_item.discount, v_item.tax_rate, v_item.tax, v_item.net
    )
    returning id into v_line_id;
    if v_invoice.kind <> 'proforma' then
      update billing.charge_items i
      set status = 'billed', invoice_item_id = v_line_id
      where i.tenant_id = v_tenant and i.id = v_item.id;
    end if;
  end loop;

  if v_invoice.kind = 'proforma' then
    update billing.invoices i
    set status = 'quoted'
    where i.tenant_id = v_tenant and i.id = v_invoice.id
    returning i.* into v_invoice;
  else
    -- the charges are in the account's total already; the bill adds its rounding
    perform billing.add_to_totals(
      p_account_id,
      p_charged => v_invoice.round_off,
      p_claimed => case when p_payer_id is null then 0 else v_invoice.total end
    );
    if p_key is not null then
      perform core.idempotent_finish('billing.issue_invoice', p_key, jsonb_build_object('invoice_id', v_invoice.id));
    end if;
    return billing.issue_draft(v_invoice.id);
  end if;
  if p_key is not null then
    perform core.idempotent_finish('billing.issue_invoice', p_key, jsonb_build_object('invoice_id', v_invoice.id));
  end if;
  return v_invoice;
end
$$;

comment on function billing.issue_invoice(uuid, uuid[], text, text, uuid, date, text) is 'about=Bills charges of an account (all billable ones when none are named) to the patient, or to a payer, and gives the bill its number. Kind: tax_invoice when a charge has GST, else bill_of_supply; proforma makes an offer that leaves the charges as they are. The same p_key again returns the same bill. IM001 account on hold, IM003, IM005 no such account or payer, IM010, IM011, IM552 number too long, IM557 a charge is on another bill, IM558 account closed, IM559 nothing to bill.';

create or replace function billing.currency_of_tenant() returns text
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
  select t.currency from core.tenants t where t.id = core.current_tenant_id()
$$;

comment on function billing.currency_of_tenant() is 'about=The currency that the tenant bills in, ISO 4217.';

create or replace function billing.discard_proforma(p_invoice_id uuid, p_reason text) returns billing.invoices
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_invoice billing.invoices := billing.lock_invoice(p_invoice_id);
begin
  if v_invoice.status = 'discarded' then
    return v_invoice;
  end if;
  if v_invoice.kind <> 'proforma' then
    raise exception 'invoice % is not a proforma', p_invoice_id
      using errcode = 'IM550', hint = 'write a credit note';
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'discarding proforma % needs a reason', p_invoice_id
      using errcode = 'IM002', hint = 'pass p_reason';
  end if;
  update billing.invoices i
  set status = 'discarded', cancelled_reason = p_reason
  where i.tenant_id = v_invoice.tenant_id and i.id = p_invoice_id
  returning i.* into v_invoice;
  return v_invoice;
end
$$;

comment on function billing.discard_proforma(uuid, text) is 'about=Takes a proforma back. IM002 reason missing, IM005, IM550 it is a bill.';

create or replace function billing.lock_invoice(p_invoice_id uuid) returns billing.invoices
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_invoice billing.invoices;
begin
  select i.* into v_invoice
  from billing.invoices i
  where i.tenant_id = core.require_tenant() and i.id = p_invoice_id
  for no key update;
  if not found then
    raise exception 'invoice % does not exist', p_invoice_id
      using errcode = 'IM005', hint = 'choose an invoice of the tenant';
  end if;
  return v_invoice;
end
$$;

comment on function billing.lock_invoice(uuid) is 'about=The bill, locked until the transaction ends. IM005 no such invoice.';

-- Money meets bills. billing.allocate is the one place where it does, for payments, payers' payments and credit notes: the
-- caller has locked the source's row, and accounts whose totals may move, and says what the source has to give; the bill is
-- locked here. Several bills in one transaction: in the order of their ids.
create or replace function billing.add_allocation(
  p_invoice billing.invoices,
  p_source_kind text,
  p_source_id uuid,
  p_amount numeric,
  p_key text default null,
  p_reverses_id uuid default null,
  p_reason text default null
) returns billing.payment_allocations
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_allocation billing.payment_allocations;
  v_account_id uuid;
  v_claimed numeric := case when p_invoice.payer_id is null then 0 else p_amount end;
begin
  insert into billing.payment_allocations (
    tenant_id, invoice_id, payment_id, claim_payment_id, credit_note_id, amount, reverses_id, reason, idempotency_key
  )
  values (
    p_invoice.tenant_id, p_invoice.id, case p_source_kind when 'payment' then p_source_id end,
    case p_source_kind when 'claim_payment' then p_source_id end,
    case p_source_kind when 'credit_note' then p_source_id end, p_amount, p_reverses_id, p_reason, p_key
  )
  returning * into v_allocation;
  update billing.invoices i
  set allocated = i.allocated + p_amount
  where i.tenant_id = p_invoice.tenant_id and i.id = p_invoice.id;
  if p_source_kind = 'credit_note' then
    -- the credit note reduced the receivable when it was issued
    update billing.invoices i
    set allocated = i.allocated + p_amount
    where i.tenant_id = p_invoice.tenant_id and i.id = p_source_id
    returning i.account_id into v_account_id;
    -- and counted on its own account then: now it counts where it is used
    if v_account_id <> p_invoice.account_id then
      perform billing.add_to_totals(v_account_id, p_charged => p_amount, p_claimed => v_claimed);
      perform billing.add_to_totals(p_invoice.account_id, p_charged => -p_amount, p_claimed => -v_claimed);
    end if;
  else
    perform billing.post_entries(
      'allocation', v_allocation.id, p_invoice.clinic_id, p_invoice.patient_id, p_invoice.currency,
      jsonb_build_array(
        jsonb_build_object('account', 'advance', 'debit', p_amount),
        jsonb_build_object('account', billing.receivable_of(p_invoice), 'debit', -p_amount)
      )
    );
  end if;
  return v_allocation;
end
$$;

comment on function billing.add_allocation(billing.invoices, text, uuid, numeric, text, uuid, text) is 'about=Writes an allocation, or its reversal below zero, to a bill and source that the caller has locked and checked.';

create or replace function billing.used_of(p_source_kind text, p_source_id uuid) returns numeric
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_used numeric;
begin
  case p_source_kind -- a query each: every kind has an index of its own
    when 'payment' then
      select sum(a.amount) into v_used
      from billing.payment_allocations a
      where a.tenant_id = v_tenant and a.payment_id = p_source_id;
    when 'claim_payment' then
      select sum(a.amount) into v_used
      from billing.payment_allocations a
      where a.tenant_id = v_tenant and a.claim_payment_id = p_source_id;
    when 'credit_note' then
      select sum(a.amount) into v_used
      from billing.payment_allocations a
      where a.tenant_id = v_tenant and a.credit_note_id = p_source_id;
    else
      raise exception 'money comes from a payment, claim_payment or credit_note, not from "%"', p_source_kind
        using errcode = '22023', hint = 'pass one of the three';
  end case;
  return coalesce(v_used, 0);
end
$$;

comment on function billing.used_of(text, uuid) is 'about=How much of a source is allocated, reversals deducted.';

create or replace function billing.open_of(p_invoice_id uuid) returns numeric
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
  select case when i.status in ('issued', 'partially_paid') then i.total - i.allocated - i.written_off else 0 end
  from billing.invoices i
  where i.tenant_id = core.require_tenant() and i.id = p_invoice_id
$$;

comment on function billing.open_of(uuid) is 'about=How much of a bill can still be paid.';

create or replace function billing.allocate(
  p_source_kind text,
  p_source_id uuid,
  p_source_amount numeric,
  p_currency text,
  p_invoice_id uuid,
  p_amount numeric,
  p_key text default null
) returns billing.payment_allocations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_allocation billing.payment_allocations;
  v_invoice billing.invoices;
  v_used numeric;
begin
  if p_key is not null then
    select a.* into v_allocation
    from billing.payment_allocations a
    where a.tenant_id = v_tenant and a.idempotency_key = p_key;
    if found then
      if
        v_allocation.invoice_id = p_invoice_id and v_allocation.amount = p_amount
        and p_source_id in (v_allocation.payment_id, v_allocation.claim_payment_id, v_allocation.credit_note_id)
      then
        return v_allocation;
      end if;
      raise exception 'key "%" was used for another allocation', p_key
        using errcode = 'IM011', hint = 'choose a new key for a new allocation';
    end if;
  end if;
  if not p_amount > 0 then
    raise exception 'an allocation is an amount above zero'
      using errcode = '22023', hint = 'take one back with the reversing operation of its source';
  end if;
  v_invoice := billing.lock_invoice(p_invoice_id);
  if v_invoice.kind in ('credit_note', 'proforma') or v_invoice.status in ('draft', 'credited', 'written_off') then
    raise exception 'invoice % is not to be paid: % %', p_invoice_id, v_invoice.kind, v_invoice.status
      using errcode = 'IM001', hint = 'choose an issued bill that is open';
  end if;
  if v_invoice.currency is distinct from p_currency then
    raise exception 'invoice % is in %, the money in %', p_invoice_id, v_invoice.currency, p_currency
      using errcode = 'IM556', hint = 'use money in the currency of the invoice';
  end if;
  if p_source_kind = 'claim_payment' and v_invoice.payer_id is null then
    raise exception 'invoice % is the patient''s', p_invoice_id
      using errcode = 'IM006', hint = 'a payer pays bills that are made out to a payer';
  end if;
  -- the scheme's patients are treated without cash: what the scheme is billed, the patient never pays
  if p_source_kind = 'payment' and v_invoice.payer_id is not null and exists (
    select
    from billing.accounts a
    where a.tenant_id = v_tenant and a.id = v_invoice.account_id and a.payer_class = 'pmjay'
  ) then
    raise exception 'invoice % is billed to the scheme', p_invoice_id
      using errcode = 'IM006', hint = 'a patient of the scheme does not pay what it covers; refund the payment';
  end if;

  v_used := billing.used_of(p_source_kind, p_source_id);
  if v_used + p_amount > p_source_amount then
    raise exception '% % has % left to allocate', p_source_kind, p_source_id, p_source_amount - v_used
      using errcode = 'IM555', hint = 'allocate at most what is left';
  end if;
  if v_invoice.allocated + v_invoice.written_off + p_amount > v_invoice.total then
    raise exception 'invoice % has % open', p_invoice_id, v_invoice.total - v_invoice.allocated - v_invoice.written_off
      using errcode = 'IM554', hint = 'allocate at most what is open';
  end if;
  return billing.add_allocation(v_invoice, p_source_kind, p_source_id, p_amount, p_key);
end
$$;

comment on function billing.allocate(text, uuid, numeric, text, uuid, numeric, text) is 'about=For operations of payment and insurance: lets a source (payment, claim_payment, credit_note) pay so much of a bill. The caller holds the lock of the source''s row; p_source_amount is all that the source may give (its amount less refunds). Posts advance to receivable. Same key, same row. IM001 not a bill that can be paid, IM005, IM006 the wrong payer, IM011, IM554 more than is open, IM555 more than is left, IM556 other currency, IM558 account closed.';

create or replace function billing.reverse_allocation(p_allocation_id uuid, p_reason text) returns billing.payment_allocations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_allocation billing.payment_allocations;
  v_invoice billing.invoices;
  v_reversal billing.payment_allocations;
begin
  select a.* into v_allocation
  from billing.payment_allocations a
  where a.tenant_id = v_tenant and a.id = p_allocation_id and a.amount > 0;
  if not found then
    raise exception 'allocation % does not exist', p_allocation_id
      using errcode = 'IM005', hint = 'choose an allocation, not a reversal';
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'reversing allocation % needs a reason', p_allocation_id
      using errcode = 'IM002', hint = 'pass p_reason';
  end if;
  v_invoice := billing.lock_invoice(v_allocation.invoice_id);
  select a.* into v_reversal
  from billing.payment_allocations a
  where a.tenant_id = v_tenant and a.reverses_id = p_allocation_id;
  if found then
    return v_reversal;
  end if;
  perform core.set_reason(p_reason);
  v_reversal := billing.add_allocation(
    v_invoice,
    case
      when v_allocation.payment_id is not null then 'payment'
      when v_allocation.claim_payment_id is not null then 'claim_payment'
      else 'credit_note'
    end,
    coalesce(v_allocation.payment_id, v_allocation.claim_payment_id, v_allocation.credit_note_id),
    -v_allocation.amount, null, p_allocation_id, p_reason
  );
  if v_allocation.credit_note_id is null then
    perform billing.use_credit_notes(v_invoice.id);
  end if;
  return v_reversal;
end
$$;

comment on function billing.reverse_allocation(uuid, text) is 'about=For operations of payment and insurance: takes an allocation back, once; the caller holds the lock of the source''s row. What credit notes on the bill have left takes its place. IM002 reason missing, IM005, IM558 account closed.';

create or replace function billing.use_credit_notes(p_invoice_id uuid) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_note record;
  v_invoice billing.invoices;
  v_amount numeric;
begin
  for v_note in
    select i.id, i.total - i.allocated as left_over
    from billing.invoices i
    where i.tenant_id = v_tenant and i.original_invoice_id = p_invoice_id and i.allocated < i.total
    order by i.id
    for no key update
  loop
    select i.* into v_invoice from billing.invoices i where i.tenant_id = v_tenant and i.id = p_invoice_id;
    v_amount := least(v_note.left_over, v_invoice.total - v_invoice.allocated - v_invoice.written_off);
    exit when v_amount <= 0;
    perform billing.add_allocation(v_invoice, 'credit_note', v_note.id, v_amount);
  end loop;
end
$$;

comment on function billing.use_credit_notes(uuid) is 'about=Covers what is open of a locked bill with what its own credit notes have left.';

create or replace function billing.allocate_credit(p_credit_note_id uuid, p_invoice_id uuid, p_amount numeric, p_key text default null)
  returns billing.payment_allocations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_note billing.invoices;
  v_invoice billing.invoices;
begin
  perform billing.lock_accounts_of(null, array[p_credit_note_id, p_invoice_id]);
  -- both are rows of one table: in the order of their ids
  perform billing.lock_invoice(least(p_credit_note_id, p_invoice_id));
  perform billing.lock_invoice(greatest(p_credit_note_id, p_invoice_id));
  select i.* into v_note from billing.invoices i where i.tenant_id = v_tenant and i.id = p_credit_note_id;
  select i.* into v_invoice from billing.invoices i where i.tenant_id = v_tenant and i.id = p_invoice_id;
  if v_note.kind <> 'credit_note' then
    raise exception 'invoice % is not a credit note', p_credit_note_id
      using errcode = 'IM005', hint = 'choose a credit note';
  end if;
  if v_note.patient_id <> v_invoice.patient_id or v_note.payer_id is distinct from v_invoice.payer_id then
    raise exception 'credit note % is not for the debtor of invoice %', p_credit_note_id, p_invoice_id
      using errcode = 'IM006', hint = 'choose a bill of the same patient and payer';
  end if;
  return billing.allocate('credit_note', v_note.id, v_note.total, v_note.currency, p_invoice_id, p_amount, p_key);
end
$$;

comment on function billing.allocate_credit(uuid, uuid, numeric, text) is 'about=Uses what is left of a credit note for another bill of the same patient and payer; the amount counts on the account of that bill. IM001 not a bill that can be paid, IM005, IM006 another debtor, IM011, IM554 more than is open, IM555 more than is left, IM556, IM558 an account is closed.';

create or replace function billing.reverse_credit(p_allocation_id uuid, p_reason text) returns billing.payment_allocations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_allocation record;
begin
  select a.credit_note_id, a.invoice_id, n.original_invoice_id into v_allocation
  from billing.payment_allocations a
  join billing.invoices n on n.tenant_id = a.tenant_id and n.id = a.credit_note_id
  where a.tenant_id = v_tenant and a.id = p_allocation_id;
  if not found or v_allocation.invoice_id = v_allocation.original_invoice_id then
    raise exception 'allocation % is not the use of a credit note on another bill', p_allocation_id
      using errcode = 'IM005', hint = 'choose a row that billing.allocate_credit made';
  end if;
  perform billing.lock_accounts_of(null, array[v_allocation.credit_note_id, v_allocation.invoice_id]);
  perform billing.lock_invoice(least(v_allocation.credit_note_id, v_allocation.invoice_id));
  perform billing.lock_invoice(greatest(v_allocation.credit_note_id, v_allocation.invoice_id));
  return billing.reverse_allocation(p_allocation_id, p_reason);
end
$$;

comment on function billing.reverse_credit(uuid, text) is 'about=Takes back the use of a credit note for another bill. IM002 reason missing, IM005, IM558 an account is closed.';

-- What is taken back of an issued bill. Order of locks: account, bill, charge items by id, and the number last.
create or replace function billing.add_credit_line(p_note_id uuid, p_line billing.invoice_items, p_line_no int, p_quantity numeric)
  returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_before record;
  v_discount numeric := round(p_line.discount * p_quantity / p_line.quantity, 2);
  v_tax numeric := round(p_line.tax * p_quantity / p_line.quantity, 2);
begin
  select coalesce(sum(l.quantity), 0) as quantity, coalesce(sum(l.discount), 0) as discount, coalesce(sum(l.tax), 0) as tax
  into v_before
  from billing.invoice_items l
  where l.tenant_id = p_line.tenant_id and l.credits_item_id = p_line.id;
  if not p_quantity > 0 or v_before.quantity + p_quantity > p_line.quantity then
    raise exception 'line % of invoice % has a quantity of % left to credit',
      p_line.line_no, p_line.invoice_id, p_line.quantity - v_before.quantity
      using errcode = 'IM553', hint = 'credit at most what is left of the line';
  end if;
  if v_before.quantity + p_quantity = p_line.quantity then
    -- the last part takes what is left, so that the parts add up to the line
    v_discount := p_line.discount - v_before.discount;
    v_tax := p_line.tax - v_before.tax;
  end if;
  insert into billing.invoice_items (
    tenant_id, invoice_id, line_no, charge_id, description, sac_hsn, quantity, unit_price, discount, tax_rate, tax, net,
    credits_item_id
  )
  values (
    p_line.tenant_id, p_note_id, p_line_no, p_line.charge_id, p_line.description, p_line.sac_hsn, p_quantity,
    p_line.unit_price, v_discount, p_line.tax_rate, v_tax, round(p_quantity * p_line.unit_price, 2) - v_discount + v_tax,
    p_line.id
  );
end
$$;

comment on function billing.add_credit_line(uuid, billing.invoice_items, int, numeric) is 'about=A line of a credit note for so much of a line of a bill. IM553 more than is left of it.';

create or replace function billing.quantity_left(p_line_id uuid) returns numeric
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select l.quantity - coalesce(
    (
      select sum(c.quantity)
      from billing.invoice_items c
      where c.tenant_id = l.tenant_id and c.credits_item_id = l.id
    ),
    0
  )
  from billing.invoice_items l
  where l.tenant_id = core.current_tenant_id() and l.id = p_line_id
$$;

comment on function billing.quantity_left(uuid) is 'about=How much of a line of a bill is not credited.';

create or replace function billing.free_credited_charges(p_account_id uuid, p_note_id uuid, p_rebill boolean, p_reason text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_item record;
begin
  for v_item in
    select i.id, i.net
    from billing.charge_items i
    join billing.invoice_items c on c.tenant_id = i.tenant_id and c.credits_item_id = i.invoice_item_id
    where i.tenant_id = v_tenant and c.invoice_id = p_note_id and billing.quantity_left(i.invoice_item_id) = 0
    order by i.id
    for no key update of i
  loop
    update billing.charge_items i
    set status = 'billable', invoice_item_id = null
    where i.tenant_id = v_tenant and i.id = v_item.id;
    perform billing.add_to_totals(p_account_id, p_charged => v_item.net);
    if not p_rebill then
      perform billing.cancel_charge(v_item.id, p_reason);
    end if;
  end loop;
end
$$;

comment on function billing.free_credited_charges(uuid, uuid, boolean, text) is 'about=The charges whose lines a credit note takes back wholly become billable again, or are cancelled.';

create or replace function billing.issue_credit_note(
  p_invoice_id uuid,
  p_reason text,
  p_lines jsonb default null,
  p_rebill boolean default false,
  p_key text default null
) returns billing.invoices
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_claim record;
  v_bill billing.invoices;
  v_note billing.invoices;
  v_line record;
  v_row billing.invoice_items;
  v_line_no int := 0;
begin
  if nullif(btrim(p_reason), '') is null then
    raise exception 'a credit note on invoice % needs a reason', p_invoice_id
      using errcode = 'IM002', hint = 'pass p_reason';
  end if;
  if p_key is not null then
    v_claim := core.idempotent_begin(
      'billing.issue_credit_note', p_key,
      sha256(convert_to(jsonb_build_array(p_invoice_id, p_lines, p_rebill)::text, 'UTF8'))
    );
    if v_claim.state = 'done' then
      select i.* into v_note
      from billing.invoices i
      where i.tenant_id = v_tenant and i.id = (v_claim.response ->> 'credit_note_id')::uuid;
      return v_note;
    end if;
  end if;
  select i.* into v_bill from billing.invoices i where i.tenant_id = v_tenant and i.id = p_invoice_id;
  if not found then
    raise exception 'invoice % does not exist', p_invoice_id
      using errcode = 'IM005', hint = 'choose an invoice of the tenant';
  end if;
  perform billing.lock_account(v_bill.account_id);
  v_bill := billing.lock_invoice(p_invoice_id);
  if v_bill.kind not in ('bill_of_supply', 'tax_invoice') or v_bill.status not in ('issued', 'partially_paid', 'paid') then
    raise exception 'invoice % cannot be credited: % %', p_invoice_id, v_bill.kind, v_bill.status
      using errcode = 'IM001', hint = 'choose an issued bill that is neither credited nor written off';
  end if;
  perform core.set_reason(p_reason);

  insert into billing.invoices (
    tenant_id, kind, series, account_id, patient_id, payer_id, clinic_id, gstin, place_of_supply, subtotal, total, currency,
    original_invoice_id, credit_reason
  )
  values (
    v_tenant, 'credit_note', v_bill.series, v_bill.account_id, v_bill.patient_id, v_bill.payer_id, v_bill.clinic_id,
    v_bill.gstin, v_bill.place_of_supply, 0, 0, v_bill.currency, p_invoice_id, p_reason
  )
  returning * into v_note;
  for v_line in
    select l.id, coalesce((asked.value ->> 'quantity')::numeric, billing.quantity_left(l.id)) as quantity
    from billing.invoice_items l
    left join jsonb_array_elements(p_lines) as asked on (asked.value ->> 'line_no')::int = l.line_no
    where l.tenant_id = v_tenant and l.invoice_id = p_invoice_id and (p_lines is null or asked.value is not null)
    order by l.line_no
  loop
    continue when v_line.quantity = 0 and p_lines is null;
    v_line_no := v_line_no + 1;
    select l.* into v_row from billing.invoice_items l where l.tenant_id = v_tenant and l.id = v_line.id;
    perform billing.add_credit_line(v_note.id, v_row, v_line_no, v_line.quantity);
  end loop;
  if v_line_no = 0 or v_line_no < jsonb_array_length(p_lines) then
    raise exception 'there is nothing to credit on invoice %, or it has no such line', p_invoice_id
      using errcode = 'IM559', hint = 'name lines of the bill, each once, as [{"line_no": 1, "quantity": 1}]';
  end if;

  update billing.invoices n
  set
    subtotal = s.subtotal,
    discount = s.discount,
    tax = s.tax,
    total = s.total,
    round_off = s.total - s.net
  from (
    select
      sum(round(l.quantity * l.unit_price, 2)) as subtotal, sum(l.discount) as discount, sum(l.tax) as tax, sum(l.net) as net,
      -- the note that takes back the last line takes the rounding of the bill with it
      case
        when not exists (
          select
          from billing.invoice_items b
          where b.tenant_id = v_tenant and b.invoice_id = p_invoice_id and billing.quantity_left(b.id) > 0
        ) then v_bill.total - v_bill.credited
        else least(sum(l.net), v_bill.total - v_bill.credited)
      end as total
    from billing.invoice_items l
    where l.tenant_id = v_tenant and l.invoice_id = v_note.id
  ) s
  where n.tenant_id = v_tenant and n.id = v_note.id
  returning n.* into v_note;

  perform billing.add_to_totals(
    v_bill.account_id,
    p_charged => -v_note.total,
    p_claimed => case when v_bill.payer_id is null then 0 else -v_note.total end
  );
  perform billing.free_credited_charges(v_bill.account_id, v_note.id, p_rebill, p_reason);
  update billing.invoices i
  set credited = i.credited + v_note.total
  where i.tenant_id = v_tenant and i.id = p_invoice_id;
  perform billing.use_credit_notes(p_invoice_id);
  if p_key is not null then
    perform core.idempotent_finish(
      'billing.issue_credit_note', p_key, jsonb_build_object('credit_note_id', v_note.id)
    );
  end if;
  return billing.issue_draft(v_note.id);
end
$$;

comment on function billing.issue_credit_note(uuid, text, jsonb, boolean, text) is 'about=Takes an issued bill back, wholly or [{"line_no", "quantity"}]; returns the numbered credit note, which covers what is open of the bill. Charges whose lines are taken back wholly are cancelled, or with p_rebill become billable again. Of a bill that was paid, the note stays to be used: on another bill with billing.allocate_credit, or in place of a payment whose allocation is reversed and that is then refunded. IM001 not a bill that can be credited, IM002 reason missing, IM003, IM005, IM010, IM011, IM553 more than is left of a line, IM558 account closed, IM559 nothing to credit.';

-- Giving up what is open of a bill: two people, and a loss in the ledger.
create or replace function billing.write_off(p_invoice_id uuid, p_reason text, p_approved_by uuid) returns billing.invoices
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_invoice billing.invoices;
  v_amount numeric;
begin
  if nullif(btrim(p_reason), '') is null or p_approved_by is null then
    raise exception 'writing invoice % off needs a reason and an approver', p_invoice_id
      using errcode = 'IM002', hint = 'pass p_reason and p_approved_by';
  end if;
  if p_approved_by = core.current_user_id() then
    raise exception 'nobody approves their own write-off of invoice %', p_invoice_id
      using errcode = 'IM006', hint = 'let a second user approve it';
  end if;
  select i.* into v_invoice from billing.invoices i where i.tenant_id = v_tenant and i.id = p_invoice_id;
  if not found then
    raise exception 'invoice % does not exist', p_invoice_id
      using errcode = 'IM005', hint = 'choose an invoice of the tenant';
  end if;
  perform billing.lock_account(v_invoice.account_id);
  v_invoice := billing.lock_invoice(p_invoice_id);
  if v_invoice.status = 'written_off' then
    return v_invoice;
  end if;
  if v_invoice.kind = 'credit_note' or v_invoice.status not in ('issued', 'partially_paid') then
    raise exception 'invoice % has nothing to write off: % %', p_invoice_id, v_invoice.kind, v_invoice.status
      using errcode = 'IM001', hint = 'choose an issued bill that is open';
  end if;
  v_amount := v_invoice.total - v_invoice.allocated - v_invoice.written_off;
  perform core.set_reason(p_reason);
  update billing.invoices i
  set written_off = i.written_off + v_amount, write_off_reason = p_reason, write_off_approved_by = p_approved_by
  where i.tenant_id = v_tenant and i.id = p_invoice_id
  returning i.* into v_invoice;
  -- what a payer owed was never part of the patient's balance
  if v_invoice.payer_id is null then
    perform billing.add_to_totals(v_invoice.account_id, p_written_off => v_amount);
  end if;
  perform billing.post_entries(
    'write_off', core.uuid_v7(), v_invoice.clinic_id, v_invoice.patient_id, v_invoice.currency,
    jsonb_build_array(
      jsonb_build_object('account', 'write_off', 'debit', v_amount),
      jsonb_build_object('account', billing.receivable_of(v_invoice), 'debit', -v_amount)
    )
  );
  return v_invoice;
end
$$;

comment on function billing.write_off(uuid, text, uuid) is 'about=Gives up what is open of an issued bill, with a reason and the approval of another user. IM001 nothing open, IM002 reason or approver missing, IM005, IM006 own approval, IM558 account closed.';

-- insurance: functions

-- How the operations of this module lock and move cases and submissions. A move and its row in adjudication_events
-- are written together, so that turn-around reports miss nothing.
create or replace function insurance.lock_case(p_case_id uuid) returns insurance.pmjay_cases
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_case insurance.pmjay_cases;
begin
  select c.* into v_case
  from insurance.pmjay_cases c
  where c.tenant_id = v_tenant and c.id = p_case_id
  for no key update;
  if not found then
    raise exception 'case % does not exist', p_case_id
      using errcode = 'IM005', hint = 'choose a case of the tenant';
  end if;
  return v_case;
end
$$;

comment on function insurance.lock_case(uuid) is 'about=The case, locked until the transaction ends. IM005 no such case.';

create or replace function insurance.lock_claim(p_claim_id uuid) returns insurance.insurance_claims
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_claim insurance.insurance_claims;
begin
  -- case and parent of a submission never change, so they can be read before anything is locked
  select c.* into v_claim from insurance.insurance_claims c where c.tenant_id = v_tenant and c.id = p_claim_id;
  if not found then
    raise exception 'claim % does not exist', p_claim_id
      using errcode = 'IM005', hint = 'choose a pre-authorisation or claim of the tenant';
  end if;
  if v_claim.case_id is not null then
    perform insurance.lock_case(v_claim.case_id);
  end if;
  perform
  from insurance.insurance_claims c
  where c.tenant_id = v_tenant and c.id in (p_claim_id, v_claim.related_claim_id)
  order by c.id
  for no key update;
  select c.* into v_claim from insurance.insurance_claims c where c.tenant_id = v_tenant and c.id = p_claim_id;
  return v_claim;
end
$$;

comment on function insurance.lock_claim(uuid) is 'about=The submission, locked with its case and the submission that it follows until the transaction ends. IM005 no such claim.';

create or replace function insurance.note_claim(
  p_claim insurance.insurance_claims,
  p_from text,
  p_to text,
  p_role text,
  p_details jsonb default '{}'
) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  insert into insurance.adjudication_events (
    tenant_id, case_id, claim_id, from_status, to_status, actor_role, actor_name, actor_user_id, workflow_code, amount,
    remarks, message_id, raw
  )
  values (
    p_claim.tenant_id, p_claim.case_id, p_claim.id, p_from, p_to, p_role, p_details ->> 'actor_name',
    case when p_role in ('PROVIDER', 'PMAM', 'MEDCO') then core.current_user_id() end, p_claim.workflow_code,
    coalesce((p_details ->> 'amount')::numeric, p_claim.total_approved, p_claim.total_claimed), p_details ->> 'remarks',
    (p_details ->> 'message_id')::uuid, p_details -> 'raw'
  );
end
$$;

comment on function insurance.note_claim(insurance.insurance_claims, text, text, text, jsonb) is 'about=Writes the event of a submission: states, role, and {actor_name, amount, remarks, message_id, raw}.';

create or replace function insurance.move_claim(
  p_claim insurance.insurance_claims,
  p_to insurance.claim_status,
  p_role text,
  p_details jsonb default '{}'
) returns insurance.insurance_claims
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_claim insurance.insurance_claims;
begin
  update insurance.insurance_claims c
  set status = p_to
  where c.tenant_id = p_claim.tenant_id and c.id = p_claim.id
  returning c.* into v_claim;
  perform insurance.note_claim(v_claim, p_claim.status::text, p_to::text, p_role, p_details);
  return v_claim;
end
$$;

comment on function insurance.move_claim(insurance.insurance_claims, insurance.claim_status, text, jsonb) is 'about=Moves a submission that the caller has locked and writes its event. IM001 no such move, IM002 the move needs a reason.';

create or replace function insurance.move_case(p_case_id uuid, p_to text, p_role text default 'SYSTEM') returns insurance.pmjay_cases
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_case insurance.pmjay_cases := insurance.lock_case(p_case_id);
  v_from text := v_case.status;
begin
  update insurance.pmjay_cases c
  set status = p_to
  where c.tenant_id = v_case.tenant_id and c.id = v_case.id
  returning c.* into v_case;
  insert into insurance.adjudication_events (
    tenant_id, case_id, from_status, to_status, actor_role, actor_user_id, amount, remarks
  )
  values (
    v_case.tenant_id, v_case.id, v_from, p_to, p_role, core.current_user_id(), v_case.wallet_blocked,
    core.current_reason()
  );
  return v_case;
end
$$;

comment on function insurance.move_case(uuid, text, text) is 'about=Moves a case and writes its event. IM001 no such move, IM002 the move needs a reason, IM005 no such case.';

create or replace function insurance.follow_claim(p_case_id uuid, p_from text[], p_to text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (
    select
    from insurance.pmjay_cases c
    where c.tenant_id = core.require_tenant() and c.id = p_case_id and c.status = any (p_from)
  ) then
    perform insurance.move_case(p_case_id, p_to);
  end if;
end
$$;

comment on function insurance.follow_claim(uuid, text[], text) is 'about=Moves the case of a submission on, when there is one and it stands in one of the states; a case under treatment, for example, stays there whatever its enhancement does.';

create or replace function insurance.bytes_of(p_object jsonb, p_key text) returns bytea
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

comment on function insurance.bytes_of(jsonb, text) is 'about=Bytes of one key of an object, written as PostgreSQL writes bytea (\x00ff). 22023 anything else.';

create or replace function insurance.refuse_unknown_keys(p_object jsonb, p_known text[]) returns void
  language plpgsql
  immutable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_key text;
begin
  select k.key into v_key from jsonb_object_keys(p_object) as k (key) where k.key <> all (p_known) limit 1;
  if v_key is not null then
    raise exception 'unknown key "%"', v_key
      using errcode = '22023', hint = 'known keys: ' || array_to_string(p_known, ', ');
  end if;
end
$$;

comment on function insurance.refuse_unknown_keys(jsonb, text[]) is 'about=Raises 22023 for a key that is not in the list: a misspelt amount must not count as none.';

-- The wallet: what a coverage has left, less what live submissions hold of it. Members of a family share one.
create or replace function insurance.lock_wallet(p_coverage_id uuid) returns uuid[]
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_coverage record;
  v_member uuid;
  v_wallet uuid[] := '{}';
begin
  select c.payer_id, c.family_id_bidx into v_coverage
  from insurance.coverages c
  where c.tenant_id = v_tenant and c.id = p_coverage_id;
  if not found then
    raise exception 'coverage % does not exist', p_coverage_id
      using errcode = 'IM005', hint = 'choose a coverage of the tenant';
  end if;
  -- deleted ones too: what they held or spent is gone for the others as well
  for v_member in
    select c.id
    from insurance.coverages c
    where
      c.tenant_id = v_tenant and c.payer_id = v_coverage.payer_id
      and (c.id = p_coverage_id or c.family_id_bidx = v_coverage.family_id_bidx)
    order by c.id
    for no key update
  loop
    v_wallet := v_wallet || v_member;
  end loop;
  return v_wallet;
end
$$;

comment on function insurance.lock_wallet(uuid) is 'about=The coverages that share the wallet of one, locked in order of their ids until the transaction ends. IM005 no such coverage.';

create or replace function insurance.wallet_free(p_wallet uuid[]) returns numeric
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select b.balance - (
    select coalesce(sum(c.wallet_hold), 0)
    from insurance.insurance_claims c
    where c.tenant_id = core.require_tenant() and c.coverage_id = any (p_wallet) and c.wallet_hold > 0
  )
  from (
    select w.balance
    from insurance.coverages w
    where w.tenant_id = core.require_tenant() and w.id = any (p_wallet) and w.balance is not null
    order by w.balance_checked_at desc nulls last
    limit 1
  ) b
$$;

comment on function insurance.wallet_free(uuid[]) is 'about=What a wallet, locked by the caller, has left: the balance that the payer told last, less all holds. Null: no limit is known.';

create or replace function insurance.set_hold(p_claim insurance.insurance_claims, p_amount numeric) returns insurance.insurance_claims
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_claim insurance.insurance_claims;
begin
  update insurance.insurance_claims c
  set wallet_hold = p_amount
  where c.tenant_id = p_claim.tenant_id and c.id = p_claim.id
  returning c.* into v_claim;
  update insurance.pmjay_cases k
  set wallet_blocked = k.wallet_used + (
    select coalesce(sum(c.wallet_hold), 0)
    from insurance.insurance_claims c
    where c.tenant_id = p_claim.tenant_id and c.case_id = p_claim.case_id
  )
  where k.tenant_id = p_claim.tenant_id and k.id = p_claim.case_id;
  return v_claim;
end
$$;

comment on function insurance.set_hold(insurance.insurance_claims, numeric) is 'about=Sets what a submission holds of the wallet and counts the case''s wallet_blocked again: what was paid and what is held. The caller has locked case, submission and, when the hold rises, the wallet.';

create or replace function insurance.take_hold(p_claim insurance.insurance_claims, p_amount numeric) returns insurance.insurance_claims
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_wallet uuid[] := insurance.lock_wallet(p_claim.coverage_id);
  -- a statement of its own: it sees what those before us in the queue for the lock have committed
  v_free numeric := insurance.wallet_free(v_wallet);
begin
  if p_amount > v_free then
    raise exception 'claim % needs more than its wallet has left', p_claim.id
      using errcode = 'IM601', hint = 'short by ' || p_amount - v_free;
  end if;
  return insurance.set_hold(p_claim, p_amount);
end
$$;

comment on function insurance.take_hold(insurance.insurance_claims, numeric) is 'about=Holds an amount of the wallet for a submission, under the lock of the wallet. IM601 the wallet has less.';

create or replace function insurance.draw_wallet(p_coverage_id uuid, p_amount numeric) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_wallet uuid[] := insurance.lock_wallet(p_coverage_id);
begin
  update insurance.coverages c
  set balance = greatest(c.balance - p_amount, 0)
  where c.tenant_id = core.require_tenant() and c.id = any (v_wallet) and c.balance is not null;
end
$$;

comment on function insurance.draw_wallet(uuid, numeric) is 'about=Takes what was paid out of the balance of a wallet.';

-- Which NHCX workflow id a submission has. The codes are rows of setting insurance.workflow_rules, never constants:
-- NHA changes them (the reply to a query of a claim is 151 in one version and 161 in another), a tenant may have its
-- own.
create or replace function insurance.resolve_workflow(
  p_new text,
  p_parent_use text default null,
  p_parent_answer text default null,
  p_parent_code text default null,
  p_items_changed boolean default null
) returns text
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_rule jsonb;
  v_items text := case when p_items_changed then 'changed' else 'same' end;
  v_refusal text;
begin
  for v_rule in
    select r.value
    from jsonb_array_elements(core.setting('insurance.workflow_rules')) with ordinality as r (value, n)
    order by r.n
  loop
    continue when v_rule ->> 'new' <> p_new or v_rule ->> 'parent' is distinct from p_parent_use;
    continue when v_rule ? 'answer' and not coalesce(v_rule -> 'answer' ? p_parent_answer, false);
    continue when v_rule ? 'sent_as' and not coalesce(v_rule -> 'sent_as' ? p_parent_code, false);
    continue when v_rule ? 'items' and v_rule ->> 'items' <> v_items;
    if v_rule ? 'code' then
      return v_rule ->> 'code';
    end if;
    v_refusal := v_rule ->> 'refuse';
    exit;
  end loop;
  raise exception 'a % cannot follow a % that was answered "%"',
    p_new, coalesce(p_parent_use, 'submission of nothing'), coalesce(p_parent_answer, 'not yet')
    using errcode = 'IM606', hint = coalesce(v_refusal, 'setting insurance.workflow_rules lists what may follow what');
end
$$;

comment on function insurance.resolve_workflow(text, text, text, text, boolean) is 'about=Workflow id of a new submission (preauthorization, claim, claim_without_approval, cancel, reprocess, payment_acknowledgement) by use, answer and code of the one before it and whether the item codes changed; the first fitting row of setting insurance.workflow_rules decides. IM606 none fits, or the row refuses and says what to do instead.';

create or replace function insurance.items_changed(p_claim_id uuid, p_other_id uuid) returns boolean
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select
    from (
      select i.code_system, i.code
      from insurance.insurance_claim_items i
      where i.tenant_id = core.require_tenant() and i.claim_id in (p_claim_id, p_other_id)
      group by i.code_system, i.code
      having count(distinct i.claim_id) = 1
    ) only_one
  )
$$;

comment on function insurance.items_changed(uuid, uuid) is 'about=True when the sets of item codes of two submissions differ; amounts, strata and implants do not count.';

-- The life of a coverage: an application enters it as a draft, these operations do the rest.
create or replace function insurance.verify_coverage(p_coverage_id uuid, p_verified_how text) returns insurance.coverages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_coverage insurance.coverages;
begin
  select c.* into v_coverage
  from insurance.coverages c
  where c.tenant_id = v_tenant and c.id = p_coverage_id and c.deleted_at is null
  for no key update;
  if not found then
    raise exception 'coverage % does not exist', p_coverage_id
      using errcode = 'IM005', hint = 'choose a coverage of the tenant that is not deleted';
  end if;
  if v_coverage.status = 'active' then
    return v_coverage;
  end if;
  update insurance.coverages c
  set status = 'active', verified_at = now(), verified_how = p_verified_how
  where c.tenant_id = v_tenant and c.id = p_coverage_id
  returning c.* into v_coverage;
  return v_coverage;
end
$$;

comment on function insurance.verify_coverage(uuid, text) is 'about=The membership was verified: draft or suspended to active. IM001 cancelled or expired, IM005 no such coverage, 23505 another active coverage of the patient has the rank.';

create or replace function insurance.end_coverage(p_coverage_id uuid, p_status text, p_reason text) returns insurance.coverages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_coverage insurance.coverages;
begin
  if p_status not in ('suspended', 'expired', 'cancelled') then
    raise exception 'a coverage does not end as "%"', p_status
      using errcode = '22023', hint = 'use suspended, expired or cancelled';
  end if;
  select c.* into v_coverage
  from insurance.coverages c
  where c.tenant_id = v_tenant and c.id = p_coverage_id and c.deleted_at is null
  for no key update;
  if not found then
    raise exception 'coverage % does not exist', p_coverage_id
      using errcode = 'IM005', hint = 'choose a coverage of the tenant that is not deleted';
  end if;
  if v_coverage.status = p_status then
    return v_coverage;
  end if;
  perform core.set_reason(p_reason);
  update insurance.coverages c
  set status = p_status
  where c.tenant_id = v_tenant and c.id = p_coverage_id
  returning c.* into v_coverage;
  return v_coverage;
end
$$;

comment on function insurance.end_coverage(uuid, text, text) is 'about=Suspends, expires or cancels a coverage; live submissions keep what they hold. IM001 it has ended otherwise, IM002 suspending and cancelling need a reason, IM005 no such coverage, 22023 another state.';

-- O28, first half: is the coverage in force, and what has its wallet left? The question leaves through the outbox
-- (eligibility.requested.v1); the answer is applied by insurance.apply_eligibility_answer, whatever way it comes.
create or replace function insurance.ask_eligibility(
  p_payer_id uuid,
  p_patient_id uuid,
  p_coverage_id uuid default null,
  p_encounter_id uuid default null,
  p_purposes text[] default '{validation}',
  p_items jsonb default '[]',
  p_correlation_id uuid default null
) returns insurance.eligibility_checks
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_correlation_id uuid := coalesce(p_correlation_id, core.uuid_v7());
  v_check insurance.eligibility_checks;
begin
  select e.* into v_check
  from insurance.eligibility_checks e
  where e.tenant_id = v_tenant and e.correlation_id = v_correlation_id;
  if found then
    return v_check;
  end if;
  if p_coverage_id is not null and not exists (
    select
    from insurance.coverages c
    where c.tenant_id = v_tenant and c.id = p_coverage_id and c.payer_id = p_payer_id and c.deleted_at is null
  ) then
    raise exception 'coverage % is none of payer %', p_coverage_id, p_payer_id
      using errcode = 'IM005', hint = 'choose a coverage of that payer, or ask with the purpose discovery';
  end if;
  insert into insurance.eligibility_checks (
    tenant_id, request_number, coverage_id, patient_id, encounter_id, payer_id, purposes, items, correlation_id
  )
  values (
    v_tenant, core.next_default_number('eligibility', '', 'ELG-{YY}-'), p_coverage_id, p_patient_id,
    p_encounter_id, p_payer_id, p_purposes, p_items, v_correlation_id
  )
  on conflict (tenant_id, correlation_id) do nothing
  returning * into v_check;
  if not found then
    select e.* into v_check
    from insurance.eligibility_checks e
    where e.tenant_id = v_tenant and e.correlation_id = v_correlation_id;
  end if;
  return v_check;
end
$$;

comment on function insurance.ask_eligibility(uuid, uuid, uuid, uuid, text[], jsonb, uuid) is 'about=Asks a payer about a coverage, or with purpose discovery whether there is one. The same correlation id gives the same check. IM003 no tenant, IM005 no such coverage of the payer.';

create or replace function insurance.apply_eligibility_answer(
  p_correlation_id uuid,
  p_answer jsonb,
  p_message_id uuid default null
) returns insurance.eligibility_checks
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_check insurance.eligibility_checks;
  v_outcome text := p_answer ->> 'outcome';
  v_balance numeric(14, 2) := (p_answer ->> 'balance')::numeric;
  v_wallet uuid[];
  v_approved numeric;
begin
  perform insurance.refuse_unknown_keys(
    p_answer,
    array['outcome', 'inforce', 'balance', 'required_documents', 'required_questionnaires', 'disposition', 'error']
  );
  select e.* into v_check
  from insurance.eligibility_checks e
  where e.tenant_id = v_tenant and e.correlation_id = p_correlation_id
  for no key update;
  if not found then
    raise exception 'no eligibility check has correlation id %', p_correlation_id
      using errcode = 'IM604', hint = 'keep the message and apply it again when the check is known';
  end if;
  if v_check.status = 'complete' then
    return v_check;
  end if;
  if v_check.status in ('pending', 'error') then -- answered before the sender told that it had left, or after all
    update insurance.eligibility_checks e
    set status = 'awaiting', sent_at = coalesce(e.sent_at, now())
    where e.tenant_id = v_tenant and e.id = v_check.id;
  end if;

  update insurance.eligibility_checks e
  set
    status = case when v_outcome = 'queued' then 'awaiting' else v_outcome end,
    outcome = v_outcome,
    responded_at = now(),
    inforce = coalesce((p_answer ->> 'inforce')::boolean, e.inforce),
    balance = coalesce(v_balance, e.balance),
    required_documents = coalesce(p_answer -> 'required_documents', e.required_documents),
    required_questionnaires = coalesce(p_answer -> 'required_questionnaires', e.required_questionnaires),
    disposition = coalesce(p_answer ->> 'disposition', e.disposition),
    error = p_answer -> 'error'
  where e.tenant_id = v_tenant and e.id = v_check.id
  returning e.* into v_check;

  if v_balance is not null and v_check.coverage_id is not null then
    v_wallet := insurance.lock_wallet(v_check.coverage_id);
    -- the payer's figure is what remains after its approvals; ours is before all holds
    select coalesce(sum(c.wallet_hold), 0) into v_approved
    from insurance.insurance_claims c
    where
      c.tenant_id = v_tenant and c.coverage_id = any (v_wallet) and c.wallet_hold > 0
      and c.status in ('approved', 'partially_approved', 'utilised');
    update insurance.coverages c
    set balance = v_balance + v_approved, balance_checked_at = now()
    where c.tenant_id = v_tenant and c.id = any (v_wallet);
  end if;
  perform insurance.finish_message(p_message_id, 'eligibility_checks', v_check.id);
  return v_check;
end
$$;

comment on function insurance.apply_eligibility_answer(uuid, jsonb, uuid) is 'about=Applies a payer''s answer {outcome, inforce, balance, required_documents, required_questionnaires, disposition, error} to the check with that correlation id, and its balance to the wallet; p_message_id is the envelope that brought it. A complete check stays as it is. IM003 no tenant, IM604 no such correlation id, 22023 an unknown key.';

-- A case of the scheme, from the desk to its end. Submissions move it in between (insurance.follow_claim).
create or replace function insurance.register_case(
  p_encounter_id uuid,
  p_coverage_id uuid,
  p_hospital_code text,
  p_home_state text,
  p_treating_state text,
  p_admission_type text,
  p_backdated_to timestamptz default null,
  p_telephonic boolean default false,
  p_mother_case_id uuid default null,
  p_primary_specialty text default null,
  p_tms_case_id text default null
) returns insurance.pmjay_cases
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_patient_id uuid;
  v_coverage insurance.coverages;
  v_case insurance.pmjay_cases;
begin
  select e.patient_id into v_patient_id
  from clinical.encounters e
  where e.tenant_id = v_tenant and e.id = p_encounter_id and e.deleted_at is null;
  if not found then
    raise exception 'encounter % does not exist', p_encounter_id
      using errcode = 'IM005', hint = 'choose an encounter of the tenant';
  end if;
  -- two desks that register the same beneficiary meet here
  select c.* into v_coverage
  from insurance.coverages c
  where c.tenant_id = v_tenant and c.id = p_coverage_id and c.deleted_at is null
  for no key update;
  if not found then
    raise exception 'coverage % does not exist', p_coverage_id
      using errcode = 'IM005', hint = 'choose a coverage of the tenant that is not deleted';
  end if;

  select c.* into v_case
  from insurance.pmjay_cases c
  where
    c.tenant_id = v_tenant and c.coverage_id = p_coverage_id and c.patient_id = v_patient_id
    and c.status not in ('paid', 'closed', 'cancelled');
  if found and v_case.encounter_id = p_encounter_id then
    return v_case;
  end if;
  if found then
    raise exception 'patient % has live case %', v_patient_id, v_case.id
      using errcode = 'IM609', hint = 'close or cancel that case first';
  end if;
  if v_coverage.status <> 'active' then
    raise exception 'coverage % is %', p_coverage_id, v_coverage.status
      using errcode = 'IM600', hint = 'verify the coverage first';
  end if;
  if p_mother_case_id is null and v_coverage.patient_id <> v_patient_id then
    raise exception 'coverage % is not of patient %', p_coverage_id, v_patient_id
      using errcode = 'IM600', hint = 'choose a coverage of the patient, or name the mother''s case for a newborn';
  end if;
  if p_mother_case_id is not null and not exists (
    select
    from insurance.pmjay_cases m
    where
      m.tenant_id = v_tenant and m.id = p_mother_case_id and m.coverage_id = p_coverage_id and m.status <> 'cancelled'
      and m.patient_id <> v_patient_id
  ) then
    raise exception 'case % is no case of the mother on coverage %', p_mother_case_id, p_coverage_id
      using errcode = 'IM005', hint = 'name the case of the mother on the same coverage';
  end if;

  insert into insurance.pmjay_cases (
    tenant_id, case_number, tms_case_id, patient_id, encounter_id, coverage_id, hospital_code, pmam_user_id, home_state,
    treating_state, is_portability, admission_type, registered_at, backdated_to, telephonic, is_newborn, mother_case_id,
    primary_specialty
  )
  values (
    v_tenant, core.next_default_number('case', '', 'CASE-{YY}-'), p_tms_case_id,
    v_patient_id, p_encounter_id, p_coverage_id, p_hospital_code, core.current_user_id(), p_home_state, p_treating_state,
    p_home_state <> p_treating_state, p_admission_type, now(), p_backdated_to, p_telephonic, p_mother_case_id is not null,
    p_mother_case_id, p_primary_specialty
  )
  returning * into v_case;
  insert into insurance.adjudication_events (tenant_id, case_id, to_status, actor_role, actor_user_id)
  values (v_tenant, v_case.id, v_case.status, 'PMAM', core.current_user_id());
  return v_case;
end
$$;

comment on function insurance.register_case(uuid, uuid, text, text, text, text, timestamptz, boolean, uuid, text, text) is 'about=Registers a case for the encounter''s patient; a newborn''s names the mother''s case and runs on her coverage. Registering the encounter again gives the same case. IM003 no tenant, IM005 no such encounter, coverage or mother''s case, IM600 coverage not active or of somebody else, IM609 the patient has another live case on the coverage, IM621 dated back too far.';

create or replace function insurance.start_treatment(p_case_id uuid) returns insurance.pmjay_cases
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_case insurance.pmjay_cases := insurance.lock_case(p_case_id);
begin
  if v_case.status = 'under_treatment' then
    return v_case;
  end if;
  -- before an approval: an emergency that was registered by telephone, or packages that need no approval
  if v_case.status in ('registered', 'identity_verified')
    and not (v_case.telephonic and v_case.admission_type = 'emergency')
    and not coalesce(
      (
        select bool_and(p.approval_not_required)
        from insurance.insurance_claims c
        join insurance.insurance_claim_items i on i.tenant_id = c.tenant_id and i.claim_id = c.id
        left join insurance.benefit_packages p on p.id = i.package_id
        where c.tenant_id = v_case.tenant_id and c.case_id = v_case.id and c.status in ('draft', 'ready')
      ),
      false
    )
  then
    raise exception 'case % has no approval', p_case_id
      using errcode = 'IM605', hint = 'wait for the approval; an emergency is registered by telephone';
  end if;
  return insurance.move_case(p_case_id, 'under_treatment', 'MEDCO');
end
$$;

comment on function insurance.start_treatment(uuid) is 'about=Treatment begins: approved, or an emergency registered by telephone, or only packages that need no approval. IM001 the case is elsewhere, IM005 no such case, IM605 no approval.';

create or replace function insurance.discharge_case(p_case_id uuid, p_mortality boolean default false) returns insurance.pmjay_cases
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_case insurance.pmjay_cases := insurance.lock_case(p_case_id);
begin
  if v_case.status = 'discharged' and v_case.mortality is not distinct from p_mortality then
    return v_case;
  end if;
  update insurance.pmjay_cases c
  set mortality = p_mortality
  where c.tenant_id = v_case.tenant_id and c.id = v_case.id;
  return insurance.move_case(p_case_id, 'discharged', 'MEDCO');
end
$$;

comment on function insurance.discharge_case(uuid, boolean) is 'about=The patient left, or died: under treatment to discharged; the claim may follow. IM001 not under treatment, IM005 no such case.';

create or replace function insurance.cancel_case(p_case_id uuid, p_reason text) returns insurance.pmjay_cases
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_case insurance.pmjay_cases := insurance.lock_case(p_case_id);
  v_claim insurance.insurance_claims;
begin
  if v_case.status = 'cancelled' then
    return v_case;
  end if;
  perform core.set_reason(p_reason);
  select c.* into v_claim
  from insurance.insurance_claims c
  where
    c.tenant_id = v_case.tenant_id and c.case_id = v_case.id
    and c.status in (
      'submitted', 'queried', 'approved', 'partially_approved', 'cancel_requested', 'utilised', 'reprocess_requested', 'paid'
    )
  limit 1;
  if found then
    raise exception 'case % has live submission %', p_case_id, v_claim.id
      using errcode = 'IM608', hint = 'have it cancelled with insurance.request_cancellation first';
  end if;
  for v_claim in
    select c.*
    from insurance.insurance_claims c
    where
      c.tenant_id = v_case.tenant_id and c.case_id = v_case.id
      and c.status in ('draft', 'ready', 'dispatch_failed')
    order by c.id
    for no key update
  loop
    perform insurance.set_hold(v_claim, 0);
    perform insurance.move_claim(v_claim, 'cancelled', 'PROVIDER', jsonb_build_object('remarks', p_reason));
  end loop;
  update insurance.pmjay_cases c
  set cancel_reason = p_reason
  where c.tenant_id = v_case.tenant_id and c.id = v_case.id;
  return insurance.move_case(p_case_id, 'cancelled', 'PMAM');
end
$$;

comment on function insurance.cancel_case(uuid, text) is 'about=Cancels a case with its drafts. IM001 its claim is under way, IM002 no reason, IM005 no such case, IM608 a submission of it is live with the payer.';

create or replace function insurance.close_case(p_case_id uuid, p_reason text default null) returns insurance.pmjay_cases
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_case insurance.pmjay_cases := insurance.lock_case(p_case_id);
  v_claim insurance.insurance_claims;
begin
  if v_case.status = 'closed' then
    return v_case;
  end if;
  perform core.set_reason(p_reason);
  for v_claim in
    select c.*
    from insurance.insurance_claims c
    where
      c.tenant_id = v_case.tenant_id and c.case_id = v_case.id
      and c.status in (
        'approved', 'partially_approved', 'rejected', 'resubmitted', 'utilised', 'superseded', 'paid', 'lapsed'
      )
    order by c.id
    for no key update
  loop
    update insurance.insurance_claims c
    set wallet_hold = 0
    where c.tenant_id = v_claim.tenant_id and c.id = v_claim.id and c.wallet_hold > 0;
    perform insurance.move_claim(v_claim, 'closed', 'SYSTEM');
  end loop;
  return insurance.move_case(p_case_id, 'closed', 'MEDCO');
end
$$;

comment on function insurance.close_case(uuid, text) is 'about=Ends a paid case, or one whose claim stays rejected (with a reason), and its submissions; nothing is held of the wallet any more. IM001 neither paid nor rejected, IM002 no reason, IM005 no such case.';

-- Proof that the beneficiary is present, per stage. The authentication service sees the finger or face; what comes
-- here is its transaction id and, encrypted by the application, its token.
create or replace function insurance.lock_authentication(p_authentication_id uuid) returns insurance.beneficiary_authentications
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_authentication insurance.beneficiary_authentications;
begin
  select a.* into v_authentication
  from insurance.beneficiary_authentications a
  where a.tenant_id = v_tenant and a.id = p_authentication_id
  for no key update;
  if not found then
    raise exception 'authentication % does not exist', p_authentication_id
      using errcode = 'IM005', hint = 'begin it with insurance.begin_authentication';
  end if;
  return v_authentication;
end
$$;

comment on function insurance.lock_authentication(uuid) is 'about=The authentication, locked until the transaction ends. IM005 no such authentication.';

create or replace function insurance.begin_authentication(
  p_encounter_id uuid,
  p_payer_id uuid,
  p_stage text,
  p_method text,
  p_txn_id text
) returns insurance.beneficiary_authentications
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_patient_id uuid;
  v_authentication insurance.beneficiary_authentications;
begin
  if p_method = 'exception' then
    raise exception 'an exception is not begun'
      using errcode = 'IM006', hint = 'begin a method, then have the exception approved';
  end if;
  select e.patient_id into v_patient_id
  from clinical.encounters e
  where e.tenant_id = v_tenant and e.id = p_encounter_id and e.deleted_at is null;
  if not found then
    raise exception 'encounter % does not exist', p_encounter_id
      using errcode = 'IM005', hint = 'choose an encounter of the tenant';
  end if;
  select a.* into v_authentication
  from insurance.beneficiary_authentications a
  where
    a.tenant_id = v_tenant and a.encounter_id = p_encounter_id and a.payer_id = p_payer_id and a.stage = p_stage
    and (a.txn_id = p_txn_id or a.status = 'authenticated' and coalesce(a.token_expires_at, 'infinity') > now());
  if found then
    return v_authentication;
  end if;
  insert into insurance.beneficiary_authentications (tenant_id, encounter_id, patient_id, payer_id, stage, method, txn_id)
  values (v_tenant, p_encounter_id, v_patient_id, p_payer_id, p_stage, p_method, p_txn_id)
  returning * into v_authentication;
  return v_authentication;
end
$$;

comment on function insurance.begin_authentication(uuid, uuid, text, text, text) is 'about=Begins an authentication at a stage; the same transaction, or one that holds already, is returned. IM005 no such encounter, IM006 method exception.';

create or replace function insurance.succeed_authentication(
  p_authentication insurance.beneficiary_authentications
) returns insurance.beneficiary_authentications
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_authentication insurance.beneficiary_authentications;
  v_case_id uuid;
begin
  -- one that holds per stage: an older one has lapsed, else begin_authentication had returned it
  update insurance.beneficiary_authentications a
  set status = 'expired'
  where
    a.tenant_id = p_authentication.tenant_id and a.encounter_id = p_authentication.encounter_id
    and a.payer_id = p_authentication.payer_id and a.stage = p_authentication.stage and a.status = 'authenticated';
  update insurance.beneficiary_authentications a
  set status = 'authenticated', authenticated_at = now()
  where a.tenant_id = p_authentication.tenant_id and a.id = p_authentication.id
  returning a.* into v_authentication;

  select c.id into v_case_id
  from insurance.pmjay_cases c
  where
    c.tenant_id = v_authentication.tenant_id and c.encounter_id = v_authentication.encounter_id
    and c.status = 'registered';
  perform insurance.follow_claim(v_case_id, array['registered'], 'identity_verified');
  return v_authentication;
end
$$;

comment on function insurance.succeed_authentication(insurance.beneficiary_authentications) is 'about=Marks an authentication, locked by the caller, as successful, and the encounter''s registered case as identified.';

create or replace function insurance.complete_authentication(
  p_authentication_id uuid,
  p_token_enc bytea,
  p_token_expires_at timestamptz default null,
  p_refresh_enc bytea default null
) returns insurance.beneficiary_authentications
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_authentication insurance.beneficiary_authentications := insurance.lock_authentication(p_authentication_id);
begin
  if v_authentication.status = 'authenticated' then
    return v_authentication;
  end if;
  update insurance.beneficiary_authentications a
  set token_enc = p_token_enc, token_expires_at = p_token_expires_at, refresh_enc = p_refresh_enc
  where a.tenant_id = v_authentication.tenant_id and a.id = v_authentication.id;
  return insurance.succeed_authentication(v_authentication);
end
$$;

comment on function insurance.complete_authentication(uuid, bytea, timestamptz, bytea) is 'about=The beneficiary was recognised; the encounter''s registered case becomes identity_verified. IM001 failed or expired, IM005 no such authentication.';

create or replace function insurance.fail_authentication(p_authentication_id uuid) returns insurance.beneficiary_authentications
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_authentication insurance.beneficiary_authentications := insurance.lock_authentication(p_authentication_id);
begin
  if v_authentication.status = 'failed' then
    return v_authentication;
  end if;
  update insurance.beneficiary_authentications a
  set status = 'failed'
  where a.tenant_id = v_authentication.tenant_id and a.id = v_authentication.id
  returning a.* into v_authentication;
  return v_authentication;
end
$$;

comment on function insurance.fail_authentication(uuid) is 'about=The beneficiary was not recognised. IM001 it succeeded or expired already, IM005 no such authentication.';

create or replace function insurance.approve_authentication_exception(p_authentication_id uuid, p_reason text)
  returns insurance.beneficiary_authentications
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_authentication insurance.beneficiary_authentications := insurance.lock_authentication(p_authentication_id);
begin
  if v_authentication.status = 'authenticated' then
    return v_authentication;
  end if;
  if coalesce(btrim(p_reason), '') = '' then
    raise exception 'exception of authentication % needs a reason', p_authentication_id
      using errcode = 'IM002', hint = 'say why no method works';
  end if;
  if core.current_user_id() is null or core.current_user_id() = v_authentication.created_by then
    raise exception 'exception of authentication % must be approved by another person', p_authentication_id
      using errcode = 'IM006', hint = 'somebody who did not begin the authentication approves it';
  end if;
  if v_authentication.status = 'failed' then
    update insurance.beneficiary_authentications a
    set status = 'initiated'
    where a.tenant_id = v_authentication.tenant_id and a.id = v_authentication.id;
  end if;
  update insurance.beneficiary_authentications a
  set method = 'exception', exception_reason = p_reason, exception_approved_by = core.current_user_id()
  where a.tenant_id = v_authentication.tenant_id and a.id = v_authentication.id;
  return insurance.succeed_authentication(v_authentication);
end
$$;

comment on function insurance.approve_authentication_exception(uuid, text) is 'about=A second person approves that the beneficiary cannot be authenticated; counts as authenticated. IM001 expired, IM002 no reason, IM005 no such authentication, IM006 the same person who began it.';

-- Drafts. The first submission of a chain is drafted here; 255-follow-up.sql drafts those that follow another.
create or replace function insurance.lock_draft(p_claim_id uuid) returns insurance.insurance_claims
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_claim insurance.insurance_claims := insurance.lock_claim(p_claim_id);
begin
  if v_claim.status <> 'draft' then
    raise exception 'claim % is %, no draft', p_claim_id, v_claim.status
      using errcode = 'IM001', hint = 'take a ready one back with insurance.mark_ready(id, false); follow a submitted one up';
  end if;
  return v_claim;
end
$$;

comment on function insurance.lock_draft(uuid) is 'about=The submission, locked, which must be a draft. IM001 it is none, IM005 no such claim.';

create or replace function insurance.write_items(p_claim insurance.insurance_claims, p_items jsonb) returns insurance.insurance_claims
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_claim insurance.insurance_claims;
  v_item record;
  v_package record;
  v_quantity numeric;
  v_price numeric;
  v_factor numeric;
begin
  delete from insurance.insurance_claim_items i where i.tenant_id = p_claim.tenant_id and i.claim_id = p_claim.id;
  for v_item in
    select e.value as line, e.n from jsonb_array_elements(p_items) with ordinality as e (value, n) order by e.n
  loop
    perform insurance.refuse_unknown_keys(
      v_item.line,
      array[
        'package_id', 'code_system', 'code', 'display', 'stratification_code', 'implant_code', 'implant_count', 'cycle_no',
        'quantity', 'unit_price', 'factor', 'serviced_on', 'diagnosis_seq', 'charge_item_ids'
      ]
    );
    v_package := null;
    if v_item.line ? 'package_id' then
      -- a package of the coverage's plan, or of any active plan of the payer where the plan is not known
      select b.id, b.package_code, b.procedure_code, b.name, b.base_rate into v_package
      from insurance.benefit_packages b
      join insurance.insurance_plans p on p.id = b.plan_id and p.payer_id = p_claim.payer_id and p.status = 'active'
      join insurance.coverages c on c.tenant_id = p_claim.tenant_id and c.id = p_claim.coverage_id
      where
        b.id = (v_item.line ->> 'package_id')::uuid and (b.tenant_id is null or b.tenant_id = p_claim.tenant_id)
        and (c.plan_id is null or c.plan_id = p.id);
      if not found then
        raise exception 'package % is none of the coverage''s plan', v_item.line ->> 'package_id'
          using errcode = 'IM005', hint = 'choose a package of the active plan of the coverage';
      end if;
    end if;
    v_quantity := coalesce((v_item.line ->> 'quantity')::numeric, 1);
    v_price := coalesce((v_item.line ->> 'unit_price')::numeric, v_package.base_rate);
    v_factor := coalesce((v_item.line ->> 'factor')::numeric, 1);
    insert into insurance.insurance_claim_items (
      tenant_id, claim_id, seq, package_id, code_system, code, display, stratification_code, implant_code, implant_count,
      cycle_no, quantity, unit_price, factor, net, serviced_on, diagnosis_seq, charge_item_ids
    )
    values (
      p_claim.tenant_id, p_claim.id, v_item.n, v_package.id,
      coalesce(v_item.line ->> 'code_system', core.setting('insurance.package_code_system') #>> '{}'),
      coalesce(v_item.line ->> 'code', v_package.procedure_code, v_package.package_code),
      coalesce(v_item.line ->> 'display', v_package.name),
      v_item.line ->> 'stratification_code', v_item.line ->> 'implant_code',
      coalesce((v_item.line ->> 'implant_count')::smallint, 0), (v_item.line ->> 'cycle_no')::smallint,
      v_quantity, v_price, v_factor, round(v_quantity * v_price * v_factor, 2), (v_item.line ->> 'serviced_on')::date,
      array(select e::smallint from jsonb_array_elements_text(v_item.line -> 'diagnosis_seq') as e),
      array(select e::uuid from jsonb_array_elements_text(v_item.line -> 'charge_item_ids') as e)
    );
  end loop;
  update insurance.insurance_claims c
  set
    total_claimed = (
      select coalesce(sum(i.net), 0)
      from insurance.insurance_claim_items i
      where i.tenant_id = p_claim.tenant_id and i.claim_id = p_claim.id
    )
  where c.tenant_id = p_claim.tenant_id and c.id = p_claim.id
  returning c.* into v_claim;
  return v_claim;
end
$$;

comment on function insurance.write_items(insurance.insurance_claims, jsonb) is 'about=Replaces the lines of a draft, which the caller has locked; code, name and price come from the package where they are not given. IM005 package of another plan, IM607 package limit, IM620 mix, 22023 unknown key.';

create or replace function insurance.draft_claim(p_claim jsonb, p_items jsonb default '[]', p_key text default null)
  returns insurance.insurance_claims
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_use text := coalesce(p_claim ->> 'use', 'preauthorization');
  v_coverage insurance.coverages;
  v_case insurance.pmjay_cases;
  v_patient_id uuid;
  v_period tstzrange;
  v_key record;
  v_live uuid;
  v_claim insurance.insurance_claims;
begin
  if p_key is not null then
    v_key := core.idempotent_begin(
      'insurance.draft_claim', p_key, sha256(convert_to(jsonb_build_array(p_claim, p_items)::text, 'UTF8'))
    );
    if v_key.state = 'done' then
      select c.* into v_claim
      from insurance.insurance_claims c
      where c.tenant_id = v_tenant and c.id = (v_key.response ->> 'claim_id')::uuid;
      return v_claim;
    end if;
  end if;
  perform insurance.refuse_unknown_keys(
    p_claim,
    array[
      'use', 'case_id', 'encounter_id', 'coverage_id', 'channel', 'claim_type_code', 'sub_type', 'priority',
      'billable_period', 'admission_at', 'expected_los_days', 'care_team', 'diagnoses', 'procedures', 'accident'
    ]
  );

  if p_claim ? 'case_id' then
    v_case := insurance.lock_case((p_claim ->> 'case_id')::uuid);
    if v_case.status in ('cancelled', 'closed', 'paid') then
      raise exception 'case % is %', v_case.id, v_case.status
        using errcode = 'IM001', hint = 'register a new case';
    end if;
    select c.id into v_live
    from insurance.insurance_claims c
    where
      c.tenant_id = v_tenant and c.case_id = v_case.id and c.use = v_use and (c.relation is null or c.relation = 'prior')
      and c.status not in ('cancelled', 'closed', 'rejected', 'lapsed', 'expired');
    if found then
      raise exception 'case % has live % %', v_case.id, v_use, v_live
        using errcode = 'IM608', hint = 'follow that one, with insurance.draft_follow_up when it is decided';
    end if;
  end if;
  select e.patient_id, e.period into v_patient_id, v_period
  from clinical.encounters e
  where
    e.tenant_id = v_tenant
    -- not coalesce, here and below: it does not count as leakproof, and a generic plan could not use the primary key
    and e.id = case when v_case.encounter_id is null then (p_claim ->> 'encounter_id')::uuid else v_case.encounter_id end
    and e.deleted_at is null;
  if not found then
    raise exception 'encounter % does not exist', p_claim ->> 'encounter_id'
      using errcode = 'IM005', hint = 'name a case, or an encounter of the tenant';
  end if;
  select c.* into v_coverage
  from insurance.coverages c
  where
    c.tenant_id = v_tenant
    and c.id = case when v_case.coverage_id is null then (p_claim ->> 'coverage_id')::uuid else v_case.coverage_id end
    and c.deleted_at is null;
  if not found or (v_case.id is null and v_coverage.patient_id <> v_patient_id) then
    raise exception 'coverage % is not of patient %', p_claim ->> 'coverage_id', v_patient_id
      using errcode = 'IM005', hint = 'choose a coverage of the patient';
  end if;

  insert into insurance.insurance_claims (
    tenant_id, claim_number, use, case_id, patient_id, encounter_id, coverage_id, payer_id, channel, claim_type_code,
    sub_type, priority, billable_period, admission_at, expected_los_days, care_team, diagnoses, procedures, accident,
    correlation_id
  )
  values (
    v_tenant, insurance.next_claim_number(v_use), v_use, v_case.id, v_patient_id,
    coalesce(v_case.encounter_id, (p_claim ->> 'encounter_id')::uuid), v_coverage.id, v_coverage.payer_id,
    coalesce(p_claim ->> 'channel', 'nhcx'), coalesce(p_claim ->> 'claim_type_code', 'institutional'),
    p_claim ->> 'sub_type', coalesce(p_claim ->> 'priority', 'normal'), (p_claim ->> 'billable_period')::daterange,
    coalesce((p_claim ->> 'admission_at')::timestamptz, lower(v_period)), (p_claim ->> 'expected_los_days')::smallint,
    coalesce(p_claim -> 'care_team', '[]'), coalesce(p_claim -> 'diagnoses', '[]'), p_claim -> 'procedures',
    p_claim -> 'accident', core.uuid_v7()
  )
  returning * into v_claim;
  perform insurance.note_claim(v_claim, null, 'draft', 'PROVIDER');
  v_claim := insurance.write_items(v_claim, p_items);
  if p_key is not null then
    perform core.idempotent_finish('insurance.draft_claim', p_key, jsonb_build_object('claim_id', v_claim.id));
  end if;
  return v_claim;
end
$$;

comment on function insurance.draft_claim(jsonb, jsonb, text) is 'about=Drafts the first submission of a chain: {use, case_id or encounter_id and coverage_id, channel, claim_type_code, sub_type, priority, billable_period, admission_at, expected_los_days, care_team, diagnoses, procedures, accident} and its lines {package_id, code_system, code, display, stratification_code, implant_code, implant_count, cycle_no, quantity, unit_price, factor, serviced_on, diagnosis_seq, charge_item_ids}. The same key gives the same draft. IM001 the case has ended, IM005 no such case, encounter, coverage or package, IM010, IM011 the key, IM607 package limit, IM608 the case has a live one of this use, IM620 mix, 22023 unknown key.';

create or replace function insurance.next_claim_number(p_use text) returns text
  language sql
  set search_path = pg_catalog, pg_temp
as $$
  select case p_use
    when 'claim' then core.next_default_number('claim', '', 'CLM-{YY}-')
    else core.next_default_number('preauth', '', 'PA-{YY}-')
  end
$$;

comment on function insurance.next_claim_number(text) is 'about=The next number of pre-authorisations or of claims.';

create or replace function insurance.set_claim_items(p_claim_id uuid, p_items jsonb) returns insurance.insurance_claims
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
begin
  return insurance.write_items(insurance.lock_draft(p_claim_id), p_items);
end
$$;

comment on function insurance.set_claim_items(uuid, jsonb) is 'about=Replaces the lines of a draft; see insurance.draft_claim for their keys. IM001 no draft, IM005 no such claim, or package of another plan, IM607 package limit, IM620 mix, 22023 unknown key.';

create or replace function insurance.mark_ready(p_claim_id uuid, p_ready boolean default true) returns insurance.insurance_claims
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_claim insurance.insurance_claims := insurance.lock_claim(p_claim_id);
  v_to insurance.claim_status := case when p_ready then 'ready' else 'draft' end;
begin
  if v_claim.status = v_to then
    return v_claim;
  end if;
  return insurance.move_claim(v_claim, v_to, 'MEDCO');
end
$$;

comment on function insurance.mark_ready(uuid, boolean) is 'about=A draft waits for the person who submits, or with false comes back to be changed. IM001 submitted already, IM005 no such claim.';

-- Papers of a submission, and the review of them before it leaves.
create or replace function insurance.attach_document(
  p_claim_id uuid,
  p_category_code text,
  p_code text,
  p_filename text,
  p_sha256 bytea,
  p_document_id uuid default null,
  p_questionnaire_response jsonb default null,
  p_criterion_id uuid default null,
  p_captured_at timestamptz default null,
  p_latitude numeric default null,
  p_longitude numeric default null
) returns insurance.claim_documents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_claim insurance.insurance_claims := insurance.lock_claim(p_claim_id);
  v_document insurance.claim_documents;
begin
  select d.* into v_document
  from insurance.claim_documents d
  where d.tenant_id = v_claim.tenant_id and d.claim_id = v_claim.id and d.sha256 = p_sha256;
  if found then
    return v_document;
  end if;
  if v_claim.status not in ('draft', 'ready', 'queried') then
    raise exception 'claim % is % and takes no papers', p_claim_id, v_claim.status
      using errcode = 'IM001', hint = 'attach them to a draft, or to the answer of a query';
  end if;
  if p_document_id is not null and not exists (
    select
    from ehr.documents d
    where
      d.tenant_id = v_claim.tenant_id and d.id = p_document_id and d.deleted_at is null
      and (d.patient_id is null or d.patient_id = v_claim.patient_id)
  ) then
    raise exception 'document % is none of patient %', p_document_id, v_claim.patient_id
      using errcode = 'IM005', hint = 'choose a stored document of the patient';
  end if;
  insert into insurance.claim_documents (
    tenant_id, claim_id, case_id, seq, category_code, code, criterion_id, document_id, questionnaire_response, filename,
    sha256, captured_at, latitude, longitude
  )
  values (
    v_claim.tenant_id, v_claim.id, v_claim.case_id,
    (
      select coalesce(max(d.seq), 0) + 1
      from insurance.claim_documents d
      where d.tenant_id = v_claim.tenant_id and d.claim_id = v_claim.id
    ),
    p_category_code, p_code, p_criterion_id, p_document_id, p_questionnaire_response, p_filename, p_sha256, p_captured_at,
    p_latitude, p_longitude
  )
  returning * into v_document;
  return v_document;
end
$$;

comment on function insurance.attach_document(uuid, text, text, text, bytea, uuid, jsonb, uuid, timestamptz, numeric, numeric) is 'about=Attaches a stored document, or the answer {"answer": value} to a question, to a draft or queried submission. p_code is the document type or question that the guideline asks for. The same content is attached once and returned. IM001 submitted, IM005 no such claim, document or criterion, IM006 the file name holds an Aadhaar number, 23505 the case has a file of this name.';

create or replace function insurance.review_document(p_claim_document_id uuid, p_accepted boolean, p_reason text default null)
  returns insurance.claim_documents
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_document insurance.claim_documents;
begin
  if not p_accepted and coalesce(btrim(p_reason), '') = '' then
    raise exception 'paper % needs a reason to be refused', p_claim_document_id
      using errcode = 'IM002', hint = 'say what is wrong with it';
  end if;
  update insurance.claim_documents d
  set accepted = p_accepted, reject_reason = case when p_accepted then null else p_reason end
  where d.tenant_id = v_tenant and d.id = p_claim_document_id
  returning d.* into v_document;
  if not found then
    raise exception 'paper % does not exist', p_claim_document_id
      using errcode = 'IM005', hint = 'attach it with insurance.attach_document';
  end if;
  return v_document;
end
$$;

comment on function insurance.review_document(uuid, boolean, text) is 'about=The medical coordinator (or the payer) accepts a paper or refuses it with a reason; only accepted papers count for the guideline. IM002 no reason, IM005 no such paper.';

-- What must hold before a submission leaves. Each check raises its own code; the operations that submit call them.
create or replace function insurance.date_of_claim(p_claim insurance.insurance_claims) returns date
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select billing.clinic_date(e.clinic_id)
  from clinical.encounters e
  where e.tenant_id = p_claim.tenant_id and e.id = p_claim.encounter_id
$$;

comment on function insurance.date_of_claim(insurance.insurance_claims) is 'about=The date of now in the clinic that a submission comes from.';

create or replace function insurance.check_coverage(p_claim insurance.insurance_claims) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_hours int := (core.setting('insurance.eligibility_valid_hours') #>> '{}')::int;
begin
  if not exists (
    select
    from insurance.coverages c
    join insurance.payers p on p.id = c.payer_id
    where
      c.tenant_id = p_claim.tenant_id and c.id = p_claim.coverage_id and c.deleted_at is null and c.status = 'active'
      and c.period @> insurance.date_of_claim(p_claim) and p.status = 'active'
  ) then
    raise exception 'coverage % is not in force', p_claim.coverage_id
      using errcode = 'IM600', hint = 'state, dates and payer of the coverage must be good today';
  end if;
  if not exists (
    select
    from insurance.eligibility_checks e
    where
      e.tenant_id = p_claim.tenant_id and e.coverage_id = p_claim.coverage_id and e.status = 'complete' and e.inforce
      and (v_hours is null or e.responded_at > now() - make_interval(hours => v_hours))
  ) then
    raise exception 'coverage % was not checked recently', p_claim.coverage_id
      using errcode = 'IM600', hint = 'ask the payer with insurance.ask_eligibility';
  end if;
end
$$;

comment on function insurance.check_coverage(insurance.insurance_claims) is 'about=The coverage is active and in force, and the payer said so within setting insurance.eligibility_valid_hours, else IM600.';

create or replace function insurance.check_authenticated(p_claim insurance.insurance_claims) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_stage text := core.setting('insurance.authentication_stages') ->> p_claim.use;
begin
  if p_claim.case_id is null or v_stage is null then
    return;
  end if;
  if not exists (
    select
    from insurance.beneficiary_authentications a
    where
      a.tenant_id = p_claim.tenant_id and a.encounter_id = p_claim.encounter_id and a.payer_id = p_claim.payer_id
      and a.stage = v_stage and a.status = 'authenticated' and coalesce(a.token_expires_at, 'infinity') > now()
  ) then
    raise exception 'the beneficiary of claim % was not authenticated for stage "%"', p_claim.id, v_stage
      using errcode = 'IM602', hint = 'use insurance.begin_authentication, or have an exception approved';
  end if;
end
$$;

comment on function insurance.check_authenticated(insurance.insurance_claims) is 'about=Submissions of a case need a valid authentication of the stage that setting insurance.authentication_stages names for their use, else IM602.';

create or replace function insurance.accepted_papers(p_claim insurance.insurance_claims) returns setof insurance.claim_documents
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select d.*
  from insurance.claim_documents d
  where
    d.tenant_id = p_claim.tenant_id and d.accepted
    and (d.claim_id in (p_claim.id, p_claim.related_claim_id) or d.case_id = p_claim.case_id)
$$;

comment on function insurance.accepted_papers(insurance.insurance_claims) is 'about=Accepted papers of a submission, of the one that it follows, and of its whole case: the scheme takes a file once in a case.';

create or replace function insurance.document_hash(p_claim_id uuid) returns bytea
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select sha256(string_agg(d.sha256, ''::bytea order by d.seq))
  from insurance.claim_documents d
  where d.tenant_id = core.require_tenant() and d.claim_id = p_claim_id
$$;

comment on function insurance.document_hash(uuid) is 'about=SHA-256 over the papers of a submission in their order; null without papers.';

create or replace function insurance.check_has_items(p_claim insurance.insurance_claims) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (
    select from insurance.insurance_claim_items i where i.tenant_id = p_claim.tenant_id and i.claim_id = p_claim.id
  ) then
    raise exception 'claim % has no lines', p_claim.id
      using errcode = 'IM603', hint = 'add them with insurance.set_claim_items';
  end if;
end
$$;

comment on function insurance.check_has_items(insurance.insurance_claims) is 'about=A submission has at least one line, else IM603.';

-- O28: a pre-authorisation leaves. Locks case, submission (with the one that it follows) and wallet, in this order.
create or replace function insurance.follow_parent(p_claim insurance.insurance_claims, p_new text) returns text
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_parent insurance.insurance_claims;
  v_changed boolean;
begin
  if p_claim.related_claim_id is null then
    return insurance.resolve_workflow(p_new);
  end if;
  select c.* into v_parent
  from insurance.insurance_claims c
  where c.tenant_id = p_claim.tenant_id and c.id = p_claim.related_claim_id;
  v_changed := insurance.items_changed(p_claim.id, v_parent.id);
  if p_claim.relation = 'enhancement' and not v_changed then
    raise exception 'enhancement % has the item codes of its approval', p_claim.id
      using errcode = 'IM606', hint = 'change the items, or draft a resubmission';
  end if;
  if p_claim.relation = 'enhancement' and exists (
    select
    from insurance.insurance_claim_items i
    join insurance.benefit_packages b on b.id = i.package_id
    where
      i.tenant_id = p_claim.tenant_id and i.claim_id in (p_claim.id, v_parent.id) and not b.enhancement_allowed
      and not exists ( -- stands in both
        select
        from insurance.insurance_claim_items o
        where
          o.tenant_id = i.tenant_id and o.claim_id in (p_claim.id, v_parent.id) and o.claim_id <> i.claim_id
          and o.code_system = i.code_system and o.code = i.code
      )
  ) then
    raise exception 'enhancement % changes a package that cannot be enhanced', p_claim.id
      using errcode = 'IM606', hint = 'benefit_packages.enhancement_allowed says which can';
  end if;
  if p_claim.relation = 'resubmission' and p_claim.use <> 'claim' and v_changed
    and v_parent.adjudication <> 'rejected'
  then
    raise exception 'resubmission % has other item codes than its approval', p_claim.id
      using errcode = 'IM606', hint = 'draft an enhancement';
  end if;
  return insurance.resolve_workflow(p_new, v_parent.use, v_parent.adjudication, v_parent.workflow_code, v_changed);
end
$$;

comment on function insurance.follow_parent(insurance.insurance_claims, text) is 'about=Workflow id of a submission from the one that it follows; enhancements change item codes, and only of packages that allow it, resubmissions of approvals do not. IM606.';

create or replace function insurance.check_items_approved(p_claim insurance.insurance_claims) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_seq int;
begin
  select i.seq into v_seq
  from insurance.insurance_claim_items i
  left join insurance.benefit_packages b on b.id = i.package_id
  where
    i.tenant_id = p_claim.tenant_id and i.claim_id = p_claim.id and not coalesce(b.approval_not_required, false)
    and not exists (
      select
      from insurance.insurance_claims a
      join insurance.insurance_claim_items ai on ai.tenant_id = a.tenant_id and ai.claim_id = a.id
      where
        a.tenant_id = p_claim.tenant_id and a.use = 'preauthorization' and a.payer_id = p_claim.payer_id
        and a.pre_auth_ref = p_claim.pre_auth_ref and ai.code_system = i.code_system and ai.code = i.code
        and ai.decision in ('approved', 'partial')
    )
  order by i.seq
  limit 1;
  if found then
    raise exception 'line % of claim % was not approved', v_seq, p_claim.id
      using errcode = 'IM605', hint = 'claim what was approved, and packages that need no approval';
  end if;
end
$$;

comment on function insurance.check_items_approved(insurance.insurance_claims) is 'about=Every line is among the approved ones of the pre-authorisation, or its package needs no approval, else IM605.';

create or replace function insurance.discharged_at(p_claim insurance.insurance_claims) returns timestamptz
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    (
      select coalesce(a.physically_left_at, a.discharge_ordered_at)
      from clinical.admissions a
      where a.tenant_id = p_claim.tenant_id and a.encounter_id = p_claim.encounter_id
    ),
    (
      select upper(e.period)
      from clinical.encounters e
      where e.tenant_id = p_claim.tenant_id and e.id = p_claim.encounter_id
    ),
    now()
  )
$$;

comment on function insurance.discharged_at(insurance.insurance_claims) is 'about=When the patient left, as far as is known; the end of the visit for outpatients, else now.';

create or replace function insurance.settle_days(p_claim insurance.insurance_claims) returns int
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when coalesce(k.is_portability, false) then coalesce(p.portability_settle_days, p.settle_days)
    else p.settle_days
  end
  from insurance.payers p
  left join insurance.pmjay_cases k on k.tenant_id = p_claim.tenant_id and k.id = p_claim.case_id
  where p.id = p_claim.payer_id
$$;

comment on function insurance.settle_days(insurance.insurance_claims) is 'about=Days that the payer has for the claim; another number for patients from other states.';

-- O30: what may follow a submission: a claim after its approval, an enhancement, a resubmission, the answer to a
-- query, a cancellation, a reprocess. The first three are submissions of their own; the others are new messages about
-- the same one, which gets a new correlation id so that late answers to the old one are told apart.
create or replace function insurance.check_no_claim(p_preauth insurance.insurance_claims) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_claim_id uuid;
begin
  select c.id into v_claim_id
  from insurance.insurance_claims c
  where
    c.tenant_id = p_preauth.tenant_id and c.related_claim_id = p_preauth.id and c.relation = 'prior'
    and c.status not in ('draft', 'ready', 'cancelled');
  if found or p_preauth.status = 'utilised' then
    raise exception 'pre-authorisation % has claim %', p_preauth.id, v_claim_id
      using errcode = 'IM608', hint = 'follow the claim up instead';
  end if;
end
$$;

comment on function insurance.check_no_claim(insurance.insurance_claims) is 'about=A pre-authorisation whose claim was submitted is not changed any more (IM608).';

create or replace function insurance.draft_follow_up(p_claim_id uuid, p_relation text, p_items jsonb default null)
  returns insurance.insurance_claims
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_parent insurance.insurance_claims := insurance.lock_claim(p_claim_id);
  v_use text := case p_relation when 'prior' then 'claim' else v_parent.use end;
  v_claim insurance.insurance_claims;
begin
  if p_relation not in ('prior', 'enhancement', 'resubmission') then
    raise exception 'nothing follows as "%"', p_relation
      using errcode = '22023', hint = 'use prior (a claim after its approval), enhancement or resubmission';
  end if;
  select c.* into v_claim
  from insurance.insurance_claims c
  where
    c.tenant_id = v_parent.tenant_id and c.related_claim_id = v_parent.id and c.use = v_use
    and (c.status in ('draft', 'ready', 'submitted', 'dispatch_failed', 'queried') or p_relation = 'prior')
    and c.status not in ('cancelled', 'closed', 'rejected', 'lapsed');
  if found and v_claim.relation = p_relation and v_claim.status in ('draft', 'ready') then
    return v_claim;
  end if;
  if found then
    raise exception '% % is followed by %', v_parent.use, v_parent.id, v_claim.id
      using errcode = 'IM608', hint = 'follow that one';
  end if;
  if p_relation in ('prior', 'enhancement') and v_parent.use <> 'preauthorization'
    or p_relation in ('prior', 'enhancement') and v_parent.status not in ('approved', 'partially_approved', 'utilised')
    or p_relation = 'resubmission' and v_parent.status not in ('approved', 'partially_approved', 'rejected')
  then
    raise exception 'no % follows a % that is %', p_relation, v_parent.use, v_parent.status
      using errcode = 'IM606', hint = 'claims and enhancements follow approvals, resubmissions follow decisions';
  end if;
  if v_parent.use = 'preauthorization' and p_relation <> 'prior' then
    perform insurance.check_no_claim(v_parent);
  end if;

  insert into insurance.insurance_claims (
    tenant_id, claim_number, use, case_id, patient_id, encounter_id, coverage_id, payer_id, related_claim_id, relation,
    channel, claim_type_code, sub_type, priority, billable_period, admission_at, expected_los_days, care_team, diagnoses,
    procedures, accident, pre_auth_ref, correlation_id
  )
  values (
    v_parent.tenant_id, insurance.next_claim_number(v_use), v_use, v_parent.case_id, v_parent.patient_id,
    v_parent.encounter_id, v_parent.coverage_id, v_parent.payer_id, v_parent.id, p_relation, v_parent.channel,
    v_parent.claim_type_code, v_parent.sub_type, v_parent.priority, v_parent.billable_period, v_parent.admission_at,
    v_parent.expected_los_days, v_parent.care_team, v_parent.diagnoses, v_parent.procedures, v_parent.accident,
    case when v_use = 'claim' then v_parent.pre_auth_ref end, core.uuid_v7()
  )
  returning * into v_claim;
  perform insurance.note_claim(v_claim, null, 'draft', 'PROVIDER');
  v_claim := insurance.write_items(v_claim, coalesce(p_items, insurance.copied_items(v_parent, p_relation = 'prior')));
  -- what cannot be submitted is better refused now than after the papers are in
  perform insurance.follow_parent(v_claim, v_use);
  return v_claim;
end
$$;

comment on function insurance.draft_follow_up(uuid, text, jsonb) is 'about=Drafts what follows a submission: prior (the claim after its approval, by default with the approved lines), enhancement (other item codes) or resubmission (the same ones, or any after a rejection). Asked again: the same draft. IM005 no such claim, IM606 it does not follow, IM607 package limit, IM608 another one follows already, or a claim exists, IM620 mix.';

create or replace function insurance.copied_items(p_claim insurance.insurance_claims, p_as_approved boolean) returns jsonb
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    jsonb_agg(
      jsonb_strip_nulls(jsonb_build_object(
        'package_id', i.package_id, 'code_system', i.code_system, 'code', i.code, 'display', i.display,
        'stratification_code', i.stratification_code, 'implant_code', i.implant_code, 'implant_count', i.implant_count,
        'cycle_no', i.cycle_no, 'quantity', l.quantity, 'factor', i.factor, 'serviced_on', i.serviced_on,
        'unit_price', least(i.unit_price, trunc(l.approved / (l.quantity * i.factor), 2)),
        'diagnosis_seq', i.diagnosis_seq, 'charge_item_ids', i.charge_item_ids
      ))
      order by i.seq
    ),
    '[]'
  )
  from insurance.insurance_claim_items i
  cross join lateral (
    select
      case when p_as_approved then coalesce(nullif(i.approved_quantity, 0), i.quantity) else i.quantity end as quantity,
      case when p_as_approved then i.approved_amount end as approved
  ) l
  where
    i.tenant_id = p_claim.tenant_id and i.claim_id = p_claim.id
    and not (p_as_approved and i.decision is not distinct from 'rejected')
$$;

comment on function insurance.copied_items(insurance.insurance_claims, boolean) is 'about=The lines of a submission in the form that insurance.write_items reads: as they were, or as approved, without rejected ones and with price and quantity that come to no more than was approved.';

create or replace function insurance.send_again(p_claim insurance.insurance_claims, p_code text) returns insurance.insurance_claims
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_correlation_id uuid := core.uuid_v7();
  v_claim insurance.insurance_claims;
begin
  update insurance.insurance_claims c
  set
    workflow_code = p_code, correlation_id = v_correlation_id, dispatch_status = 'pending', dispatched_at = null,
    dispatch_error = null, outcome = null,
    decision_due_at = now() + (
      select case
        when c.use = 'claim' then make_interval(days => insurance.settle_days(p_claim))
        else make_interval(mins => p.preauth_tat_minutes)
      end
      from insurance.payers p
      where p.id = p_claim.payer_id
    ),
    document_bundle_hash = insurance.document_hash(p_claim.id)
  where c.tenant_id = p_claim.tenant_id and c.id = p_claim.id
  returning c.* into v_claim;
  return v_claim;
end
$$;

comment on function insurance.send_again(insurance.insurance_claims, text) is 'about=Prepares the next message about a submission: new correlation id, its workflow code, the payer''s clock from now.';

create or replace function insurance.answer_query(p_query_id uuid, p_answer_enc bytea, p_document_ids uuid[] default '{}')
  returns insurance.insurance_claims
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_query insurance.payer_queries;
  v_claim insurance.insurance_claims;
  v_code text;
begin
  select q.* into v_query from insurance.payer_queries q where q.tenant_id = v_tenant and q.id = p_query_id;
  if not found then
    raise exception 'query % does not exist', p_query_id
      using errcode = 'IM005', hint = 'choose a query of the tenant';
  end if;
  v_claim := insurance.lock_claim(v_query.claim_id);
  select q.* into v_query from insurance.payer_queries q where q.tenant_id = v_tenant and q.id = p_query_id;
  if v_query.status in ('answered', 'closed') then
    return v_claim;
  end if;
  if v_query.status <> 'open' then
    raise exception 'query % is %', p_query_id, v_query.status
      using errcode = 'IM001', hint = 'a query that lapsed or was withdrawn takes no answer';
  end if;
  v_code := insurance.resolve_workflow(v_claim.use, v_claim.use, 'queried', v_claim.workflow_code);
  update insurance.payer_queries q
  set
    status = 'answered', answered_at = now(), answered_by = core.current_user_id(), answer_enc = p_answer_enc,
    answer_document_ids = p_document_ids
  where q.tenant_id = v_tenant and q.id = p_query_id;
  v_claim := insurance.send_again(v_claim, v_code);
  v_claim := insurance.move_claim(v_claim, 'submitted', 'MEDCO');
  perform insurance.follow_claim(v_claim.case_id, array['claim_queried'], 'claim_initiated');
  return v_claim;
end
$$;

comment on function insurance.answer_query(uuid, bytea, uuid[]) is 'about=Answers a payer''s query: the submission goes out again with a new correlation id and the workflow code of a reply. Answering again changes nothing. IM001 lapsed or withdrawn, IM005 no such query, IM606 no code for the reply.';

create or replace function insurance.request_cancellation(p_claim_id uuid, p_reason text) returns insurance.insurance_claims
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_claim insurance.insurance_claims := insurance.lock_claim(p_claim_id);
  v_code text;
begin
  if v_claim.status in ('cancelled', 'cancel_requested') then
    return v_claim;
  end if;
  if coalesce(btrim(p_reason), '') = '' then
    raise exception 'cancelling claim % needs a reason', p_claim_id using errcode = 'IM002', hint = 'say why in p_reason';
  end if;
  perform core.set_reason(p_reason);
  if v_claim.status not in ('draft', 'ready', 'dispatch_failed') then
    if v_claim.use <> 'claim' then
      perform insurance.check_no_claim(v_claim);
    end if;
    v_code := insurance.resolve_workflow('cancel', v_claim.use, v_claim.adjudication, v_claim.workflow_code);
    v_claim := insurance.send_again(v_claim, v_code);
  end if;
  update insurance.insurance_claims c
  set cancel_reason = p_reason
  where c.tenant_id = v_claim.tenant_id and c.id = v_claim.id
  returning c.* into v_claim;
  if v_code is not null then
    return insurance.move_claim(v_claim, 'cancel_requested', 'MEDCO', jsonb_build_object('remarks', p_reason));
  end if;
  -- it never reached the payer
  v_claim := insurance.set_hold(v_claim, 0);
  v_claim := insurance.move_claim(v_claim, 'cancelled', 'MEDCO', jsonb_build_object('remarks', p_reason));
  if v_claim.use <> 'claim' and v_claim.relation is null then
    perform insurance.follow_claim(v_claim.case_id, array['preauth_initiated'], 'identity_verified');
  end if;
  return v_claim;
end
$$;

comment on function insurance.request_cancellation(uuid, text) is 'about=Cancels a draft, or one that could not be sent, at once; asks the payer to cancel an approved pre-authorisation, whose hold lasts until the answer. Claims that were sent are not cancelled. IM001 too far on, IM002 no reason, IM005 no such claim, IM606 no cancellation of this, IM608 a claim exists.';

create or replace function insurance.request_reprocess(p_claim_id uuid, p_reason text) returns insurance.insurance_claims
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_claim insurance.insurance_claims := insurance.lock_claim(p_claim_id);
  v_code text;
begin
  if v_claim.status = 'reprocess_requested' then
    return v_claim;
  end if;
  if coalesce(btrim(p_reason), '') = '' then
    raise exception 'reprocessing claim % needs a reason', p_claim_id
      using errcode = 'IM002', hint = 'say why in p_reason';
  end if;
  v_code := insurance.resolve_workflow('reprocess', v_claim.use, v_claim.adjudication, v_claim.workflow_code);
  perform core.set_reason(p_reason);
  v_claim := insurance.send_again(v_claim, v_code);
  v_claim := insurance.move_claim(v_claim, 'reprocess_requested', 'MEDCO', jsonb_build_object('remarks', p_reason));
  perform insurance.follow_claim(v_claim.case_id, array['claim_rejected', 'claim_approved'], 'reprocess');
  return v_claim;
end
$$;

comment on function insurance.request_reprocess(uuid, text) is 'about=Asks the payer to decide a decided claim again. IM001 paid or closed, IM002 no reason, IM005 no such claim, IM606 not decided, or no claim.';

create or replace function insurance.lapse_queries(p_limit int default 1000) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_due record;
  v_claim insurance.insurance_claims;
  v_lapsed int := 0;
begin
  for v_due in
    select q.id, q.claim_id
    from insurance.payer_queries q
    where q.tenant_id = v_tenant and q.status = 'open' and q.due_at <= now()
    order by q.due_at, q.id
    limit p_limit
  loop
    v_claim := insurance.lock_claim(v_due.claim_id);
    update insurance.payer_queries q
    set status = 'lapsed'
    where q.tenant_id = v_tenant and q.id = v_due.id and q.status = 'open';
    continue when not found or v_claim.status <> 'queried'; -- answered meanwhile
    v_claim := insurance.set_hold(v_claim, 0);
    perform insurance.move_claim(v_claim, 'lapsed', 'SYSTEM');
    perform insurance.follow_claim(v_claim.case_id, array['claim_queried'], 'claim_rejected');
    if v_claim.use <> 'claim' and v_claim.relation is null then
      perform insurance.follow_claim(v_claim.case_id, array['preauth_initiated'], 'identity_verified');
    end if;
    v_lapsed := v_lapsed + 1;
  end loop;
  return v_lapsed;
end
$$;

comment on function insurance.lapse_queries(int) is 'about=Ends up to p_limit queries whose time has passed without an answer, with their submissions, gives back what these held, and returns how many. For a job that runs every few minutes.';

create or replace function insurance.announce_overdue(p_limit int default 1000) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_claim insurance.insurance_claims;
  v_announced int := 0;
begin
  for v_claim in
    select c.*
    from insurance.insurance_claims c
    where
      c.tenant_id = v_tenant and c.status in ('submitted', 'cancel_requested', 'reprocess_requested')
      and c.decision_due_at <= now()
      and (c.overdue_announced_at is null or c.overdue_announced_at < c.decision_due_at)
    order by c.decision_due_at, c.id
    limit p_limit
    for no key update skip locked
  loop
    update insurance.insurance_claims c
    set overdue_announced_at = now()
    where c.tenant_id = v_tenant and c.id = v_claim.id;
    perform core.enqueue('claim', v_claim.id, 'claim.overdue.v1', jsonb_build_object('id', v_claim.id));
    v_announced := v_announced + 1;
  end loop;
  return v_announced;
end
$$;

comment on function insurance.announce_overdue(int) is 'about=Event claim.overdue.v1 for up to p_limit submissions that the payer should have decided by now, once for each decision_due_at, and returns how many. For a job that runs every few minutes.';

-- Envelopes of the exchange. The gateway encrypts and decrypts; what it sends and gets is stored here first, so that
-- nothing is lost and everything can be replayed. Business messages leave on events of the outbox
-- (claim.submitted.v1, ...).
create or replace function insurance.store_message(
  p_direction text,
  p_envelope jsonb,
  p_subject_type text default null,
  p_subject_id uuid default null
) returns insurance.nhcx_messages
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_hash bytea := insurance.bytes_of(p_envelope, 'payload_hash');
  v_message insurance.nhcx_messages;
begin
  perform insurance.refuse_unknown_keys(
    p_envelope,
    array[
      'api_path', 'entity', 'api_call_id', 'request_id', 'correlation_id', 'workflow_id', 'sender_code',
      'recipient_code', 'hcx_status', 'hcx_timestamp', 'ben_abha_bidx', 'jwe_enc', 'payload_hash', 'bundle_document_id'
    ]
  );
  insert into insurance.nhcx_messages (
    tenant_id, direction, api_path, entity, api_call_id, request_id, correlation_id, workflow_id, sender_code,
    recipient_code, hcx_status, hcx_timestamp, ben_abha_bidx, jwe_enc, payload_hash, bundle_document_id, subject_type,
    subject_id
  )
  values (
    v_tenant, p_direction, p_envelope ->> 'api_path', p_envelope ->> 'entity', (p_envelope ->> 'api_call_id')::uuid,
    (p_envelope ->> 'request_id')::uuid, (p_envelope ->> 'correlation_id')::uuid, p_envelope ->> 'workflow_id',
    p_envelope ->> 'sender_code', p_envelope ->> 'recipient_code', p_envelope ->> 'hcx_status',
    (p_envelope ->> 'hcx_timestamp')::timestamptz, insurance.bytes_of(p_envelope, 'ben_abha_bidx'),
    insurance.bytes_of(p_envelope, 'jwe_enc'), v_hash, (p_envelope ->> 'bundle_document_id')::uuid, p_subject_type,
    p_subject_id
  )
  on conflict do nothing
  returning * into v_message;
  if found then
    return v_message;
  end if;

  select m.* into v_message
  from insurance.nhcx_messages m
  where
    m.tenant_id = v_tenant and m.direction = p_direction
    and (
      m.api_call_id = (p_envelope ->> 'api_call_id')::uuid
      or m.correlation_id = (p_envelope ->> 'correlation_id')::uuid and m.api_path = p_envelope ->> 'api_path'
        and m.payload_hash = v_hash and m.status <> 'failed'
    )
  order by m.api_call_id = (p_envelope ->> 'api_call_id')::uuid desc
  limit 1;
  if v_message.payload_hash <> v_hash then
    raise exception 'call % came with another payload', v_message.api_call_id
      using errcode = 'IM011', hint = 'every call has an id of its own';
  end if;
  return v_message;
end
$$;

comment on function insurance.store_message(text, jsonb, text, uuid) is 'about=Stores an envelope once per call and, unless it failed, per payload; a repeat gives the stored one. IM011 the call id came with another payload.';

create or replace function insurance.receive_message(p_envelope jsonb) returns insurance.nhcx_messages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
begin
  return insurance.store_message('in', p_envelope);
end
$$;

comment on function insurance.receive_message(jsonb) is 'about=Stores what came from the exchange {api_path, entity, api_call_id, request_id, correlation_id, workflow_id, sender_code, recipient_code, hcx_status, hcx_timestamp, ben_abha_bidx, jwe_enc, payload_hash, bundle_document_id}, bytes in hexadecimal. The same call, or payload, again gives the stored message, whose status says whether it was applied. IM003 no tenant, IM011 the call id came with another payload, 22023 unknown key.';

create or replace function insurance.queue_message(p_envelope jsonb, p_subject_type text, p_subject_id uuid)
  returns insurance.nhcx_messages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
begin
  return insurance.store_message('out', p_envelope, p_subject_type, p_subject_id);
end
$$;

comment on function insurance.queue_message(jsonb, text, uuid) is 'about=Stores an envelope before it is sent, with the row that it is about (insurance_claims, eligibility_checks or claim_payments); keys as in insurance.receive_message. Queued again: the stored one. IM003 no tenant, IM011 the call id has another payload, 22023 unknown key.';

create or replace function insurance.lock_message(p_message_id uuid, p_direction text) returns insurance.nhcx_messages
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_message insurance.nhcx_messages;
begin
  select m.* into v_message
  from insurance.nhcx_messages m
  where m.tenant_id = v_tenant and m.id = p_message_id and m.direction = p_direction
  for no key update;
  if not found then
    raise exception 'message % ("%") does not exist', p_message_id, p_direction
      using errcode = 'IM005', hint = 'store it with insurance.receive_message or insurance.queue_message';
  end if;
  return v_message;
end
$$;

comment on function insurance.lock_message(uuid, text) is 'about=The message, locked until the transaction ends. IM005 no such message of this direction.';

create or replace function insurance.lock_outgoing(p_message_id uuid) returns insurance.nhcx_messages
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_claim_id uuid;
begin
  -- the submission before its message, as an answer locks them; what a message is about never changes
  select m.subject_id into v_claim_id
  from insurance.nhcx_messages m
  where
    m.tenant_id = v_tenant and m.id = p_message_id and m.direction = 'out' and m.subject_type = 'insurance_claims';
  if found then
    perform insurance.lock_claim(v_claim_id);
  end if;
  return insurance.lock_message(p_message_id, 'out');
end
$$;

comment on function insurance.lock_outgoing(uuid) is 'about=The outgoing message, locked after the submission that it is about. IM005 no such outgoing message.';

create or replace function insurance.mark_message_sent(p_message_id uuid, p_http_status int) returns insurance.nhcx_messages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_message insurance.nhcx_messages := insurance.lock_outgoing(p_message_id);
  v_claim insurance.insurance_claims;
begin
  if v_message.status in ('sent', 'completed') then
    return v_message;
  end if;
  if v_message.status = 'failed' then
    update insurance.nhcx_messages m
    set status = 'pending'
    where m.tenant_id = v_message.tenant_id and m.id = v_message.id;
  end if;
  update insurance.nhcx_messages m
  set
    status = 'sent', http_status = p_http_status, attempts = m.attempts + 1, next_attempt_at = null, error_code = null,
    error = null
  where m.tenant_id = v_message.tenant_id and m.id = v_message.id
  returning m.* into v_message;

  if v_message.subject_type = 'insurance_claims' then
    v_claim := insurance.lock_claim(v_message.subject_id);
    if v_claim.correlation_id = v_message.correlation_id and v_claim.dispatch_status in ('pending', 'error') then
      update insurance.insurance_claims c
      set dispatch_status = 'awaiting', dispatched_at = now(), dispatch_error = null
      where c.tenant_id = v_claim.tenant_id and c.id = v_claim.id
      returning c.* into v_claim;
      if v_claim.status = 'dispatch_failed' then
        perform insurance.move_claim(v_claim, 'submitted', 'SYSTEM');
      end if;
    end if;
  elsif v_message.subject_type = 'eligibility_checks' then
    update insurance.eligibility_checks e
    set status = 'awaiting', sent_at = now()
    where
      e.tenant_id = v_message.tenant_id and e.id = v_message.subject_id and e.correlation_id = v_message.correlation_id
      and e.status in ('pending', 'error');
  end if;
  return v_message;
end
$$;

comment on function insurance.mark_message_sent(uuid, int) is 'about=The exchange took the message; its submission or check awaits the answer. Marked again: no change. IM005 no such outgoing message.';

create or replace function insurance.mark_message_failed(
  p_message_id uuid,
  p_error_code text,
  p_error jsonb default null,
  p_http_status int default null,
  p_retry_at timestamptz default null
) returns insurance.nhcx_messages
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_message insurance.nhcx_messages := insurance.lock_outgoing(p_message_id);
  v_claim insurance.insurance_claims;
begin
  update insurance.nhcx_messages m
  set
    status = 'failed', error_code = p_error_code, error = p_error, http_status = p_http_status,
    attempts = m.attempts + 1, next_attempt_at = p_retry_at
  where m.tenant_id = v_message.tenant_id and m.id = v_message.id
  returning m.* into v_message;
  if v_message.subject_type = 'insurance_claims' and p_retry_at is null then
    v_claim := insurance.lock_claim(v_message.subject_id);
    if v_claim.correlation_id = v_message.correlation_id and v_claim.status = 'submitted' then
      update insurance.insurance_claims c
      set dispatch_status = 'error', dispatch_error = p_error_code
      where c.tenant_id = v_claim.tenant_id and c.id = v_claim.id
      returning c.* into v_claim;
      perform insurance.move_claim(v_claim, 'dispatch_failed', 'SYSTEM', jsonb_build_object('message_id', v_message.id));
    end if;
  elsif v_message.subject_type = 'eligibility_checks' and p_retry_at is null then
    update insurance.eligibility_checks e
    set status = 'error', error = p_error
    where
      e.tenant_id = v_message.tenant_id and e.id = v_message.subject_id
      and e.status in ('pending', 'awaiting', 'partial');
  end if;
  return v_message;
end
$$;

comment on function insurance.mark_message_failed(uuid, text, jsonb, int, timestamptz) is 'about=The message could not be sent; without p_retry_at for good: then its submission becomes dispatch_failed, and may be sent again (insurance.mark_message_sent) or cancelled. IM001 completed already, IM005 no such outgoing message.';

create or replace function insurance.finish_message(
  p_message_id uuid,
  p_subject_type text,
  p_subject_id uuid
) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_message insurance.nhcx_messages;
begin
  if p_message_id is null then
    return;
  end if;
  v_message := insurance.lock_message(p_message_id, 'in');
  if v_message.status = 'failed' then
    update insurance.nhcx_messages m
    set status = 'pending'
    where m.tenant_id = v_message.tenant_id and m.id = v_message.id;
  end if;
  update insurance.nhcx_messages m
  set status = 'processing'
  where m.tenant_id = v_message.tenant_id and m.id = v_message.id and m.status = 'pending';
  update insurance.nhcx_messages m
  set
    status = 'completed', processed_at = now(), subject_type = p_subject_type, subject_id = p_subject_id,
    attempts = m.attempts + 1, error_code = null, error = null
  where m.tenant_id = v_message.tenant_id and m.id = v_message.id and m.status = 'processing';
  -- the question that it answers
  update insurance.nhcx_messages m
  set status = 'completed', processed_at = now()
  where
    m.tenant_id = v_message.tenant_id and m.direction = 'out' and m.correlation_id = v_message.correlation_id
    and m.status = 'sent';
end
$$;

comment on function insurance.finish_message(uuid, text, uuid) is 'about=Marks an incoming message as applied to a row, and the message that it answers as completed; null for answers that came another way. IM005 no such incoming message.';

create or replace function insurance.park_message(p_message_id uuid, p_code text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_message insurance.nhcx_messages := insurance.lock_message(p_message_id, 'in');
begin
  update insurance.nhcx_messages m
  set status = 'failed', error_code = p_code, attempts = m.attempts + 1
  where m.tenant_id = v_message.tenant_id and m.id = v_message.id;
end
$$;

comment on function insurance.park_message(uuid, text) is 'about=Keeps an incoming message that could not be applied as failed, with its code; applying it again is the replay.';

-- O29: what the payer decided. Locks message, case, submission (with its parent) and moves the state only for the
-- latest submission of a chain; every answer leaves a row in adjudication_events.
create or replace function insurance.find_submission(p_correlation_id uuid, out claim_id uuid, out is_current boolean)
  returns record
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  select c.id, true into claim_id, is_current
  from insurance.insurance_claims c
  where c.tenant_id = v_tenant and c.correlation_id = p_correlation_id;
  if found then
    return;
  end if;
  -- an earlier submission of the same row: queried and answered since, or sent as another message
  select q.claim_id, false into claim_id, is_current
  from insurance.payer_queries q
  where q.tenant_id = v_tenant and q.correlation_id = p_correlation_id;
  if found then
    return;
  end if;
  select m.subject_id, false into claim_id, is_current
  from insurance.nhcx_messages m
  where
    m.tenant_id = v_tenant and m.direction = 'out' and m.correlation_id = p_correlation_id
    and m.subject_type = 'insurance_claims'
  limit 1;
end
$$;

comment on function insurance.find_submission(uuid) is 'about=The submission with a correlation id, and whether the id is that of its last message; nulls when there is none.';

create or replace function insurance.answer_fits(p_claim insurance.insurance_claims, p_response jsonb) returns boolean
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_answer text := p_response ->> 'adjudication';
begin
  if v_answer = 'queried' then
    return p_response -> 'query' ->> 'text_enc' is not null;
  end if;
  if v_answer in ('approved', 'partially_approved') and (
    p_claim.use = 'preauthorization' and coalesce(p_response ->> 'pre_auth_ref', p_claim.pre_auth_ref) is null
    or (p_response ->> 'total_approved')::numeric > p_claim.total_claimed
    or v_answer = 'partially_approved' and not p_response ?| array['total_approved', 'items']
  ) then
    return false;
  end if;
  return not exists (
    select
    from jsonb_array_elements(p_response -> 'items') as e (value)
    left join insurance.insurance_claim_items i
      on i.tenant_id = p_claim.tenant_id and i.claim_id = p_claim.id and i.seq = (e.value ->> 'seq')::int
    where i.id is null or (e.value ->> 'approved_amount')::numeric > i.net
  );
end
$$;

comment on function insurance.answer_fits(insurance.insurance_claims, jsonb) is 'about=False when an answer approves more than was claimed, lacks the reference, the amount or the text of the query, or names an unknown line.';

create or replace function insurance.write_item_decisions(p_claim insurance.insurance_claims, p_response jsonb) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_line jsonb;
begin
  -- without lines, the answer is that of every line
  if not p_response ? 'items' then
    update insurance.insurance_claim_items i
    set
      decision = case p_response ->> 'adjudication'
        when 'rejected' then 'rejected'
        when 'approved' then 'approved'
        else 'partial'
      end,
      approved_quantity = case when p_response ->> 'adjudication' = 'approved' then i.quantity end,
      approved_amount = case p_response ->> 'adjudication' when 'approved' then i.net when 'rejected' then 0 end
    where i.tenant_id = p_claim.tenant_id and i.claim_id = p_claim.id;
    return;
  end if;
  for v_line in
    select e.value from jsonb_array_elements(p_response -> 'items') as e (value) order by (e.value ->> 'seq')::int
  loop
    update insurance.insurance_claim_items i
    set
      decision = v_line ->> 'decision',
      approved_quantity = (v_line ->> 'approved_quantity')::numeric,
      approved_amount = coalesce(
        (v_line ->> 'approved_amount')::numeric,
        case v_line ->> 'decision' when 'approved' then i.net when 'rejected' then 0 end
      ),
      decision_reason = v_line ->> 'reason'
    where i.tenant_id = p_claim.tenant_id and i.claim_id = p_claim.id and i.seq = (v_line ->> 'seq')::int;
  end loop;
end
$$;

comment on function insurance.write_item_decisions(insurance.insurance_claims, jsonb) is 'about=Writes the payer''s decision on each line of a submission.';

create or replace function insurance.raise_query(p_claim insurance.insurance_claims, p_query jsonb) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  insert into insurance.payer_queries (
    tenant_id, claim_id, query_no, raised_at, raised_by_role, text_enc, requested_documents, due_at, correlation_id
  )
  select
    p_claim.tenant_id, p_claim.id,
    (
      select coalesce(max(q.query_no), 0) + 1
      from insurance.payer_queries q
      where q.tenant_id = p_claim.tenant_id and q.claim_id = p_claim.id
    ),
    now(), coalesce(p_query ->> 'raised_by_role', 'PAYER'), insurance.bytes_of(p_query, 'text_enc'),
    p_query -> 'requested_documents', now() + make_interval(hours => p.query_response_hours), p_claim.correlation_id
  from insurance.payers p
  where p.id = p_claim.payer_id;
end
$$;

comment on function insurance.raise_query(insurance.insurance_claims, jsonb) is 'about=Opens a query {text_enc, raised_by_role, requested_documents} on a submission, due within the payer''s query_response_hours.';

create or replace function insurance.apply_decision(p_claim insurance.insurance_claims, p_response jsonb, p_details jsonb)
  returns insurance.insurance_claims
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_claim insurance.insurance_claims := p_claim;
  v_parent insurance.insurance_claims;
  v_answer text := p_response ->> 'adjudication';
  v_role text := coalesce(p_response ->> 'actor_role', 'PAYER');
  v_was insurance.claim_status := p_claim.status;
begin
  if v_claim.status = 'dispatch_failed' or (v_claim.status = 'queried' and v_answer <> 'queried') then
    -- it arrived after all, or is decided without our answer
    update insurance.payer_queries q
    set status = 'withdrawn'
    where q.tenant_id = v_claim.tenant_id and q.claim_id = v_claim.id and q.status = 'open';
    v_claim := insurance.move_claim(v_claim, 'submitted', v_role, p_details);
  end if;
  update insurance.payer_queries q
  set status = 'closed'
  where q.tenant_id = v_claim.tenant_id and q.claim_id = v_claim.id and q.status = 'answered';

  update insurance.insurance_claims c
  set
    outcome = coalesce(p_response ->> 'outcome', 'complete'), adjudication = v_answer, dispatch_status = 'complete',
    -- a claim keeps that of its pre-authorisation: it tells what holds of the wallet for it
    pre_auth_ref = case
      when c.use = 'claim' then coalesce(c.pre_auth_ref, p_response ->> 'pre_auth_ref')
      else coalesce(p_response ->> 'pre_auth_ref', c.pre_auth_ref)
    end,
    payer_claim_ref = coalesce(p_response ->> 'payer_claim_ref', c.payer_claim_ref),
    auto_approved = coalesce((p_response ->> 'auto_approved')::boolean, false),
    reject_reason = coalesce(p_response -> 'reject_reason', c.reject_reason),
    deduction_reasons = coalesce(p_response -> 'deduction_reasons', c.deduction_reasons),
    total_approved = case
      when v_answer in ('approved', 'partially_approved') then insurance.approved_total(p_claim.id, p_response)
      when v_answer = 'rejected' then 0
      else c.total_approved
    end,
    total_deducted = case
      when v_answer in ('approved', 'partially_approved') then
        c.total_claimed - insurance.approved_total(p_claim.id, p_response)
      else c.total_deducted
    end,
    decided_at = case when v_answer = 'queried' then c.decided_at else now() end
  where c.tenant_id = v_claim.tenant_id and c.id = v_claim.id
  returning c.* into v_claim;
  update insurance.insurance_claims f
  set pre_auth_ref = v_claim.pre_auth_ref
  where
    f.tenant_id = v_claim.tenant_id and f.related_claim_id = v_claim.id and v_claim.use = 'preauthorization'
    and f.use = 'claim' and f.status in ('draft', 'ready') and f.pre_auth_ref is distinct from v_claim.pre_auth_ref;

  if v_answer = 'queried' then
    perform insurance.raise_query(v_claim, p_response -> 'query');
    v_claim := insurance.move_claim(v_claim, 'queried', v_role, p_details);
    if v_claim.use = 'claim' then
      perform insurance.follow_claim(v_claim.case_id, array['claim_initiated'], 'claim_queried');
    end if;
    return v_claim;
  end if;

  v_claim := insurance.move_claim(v_claim, v_answer::insurance.claim_status, v_role, p_details);
  if v_answer = 'rejected' then
    v_claim := insurance.set_hold(v_claim, 0);
    if v_claim.use = 'claim' then
      perform insurance.follow_claim(
        v_claim.case_id, array['claim_initiated', 'claim_queried', 'reprocess'], 'claim_rejected'
      );
    else
      perform insurance.follow_claim(v_claim.case_id, array['preauth_initiated'], 'preauth_rejected');
    end if;
    return v_claim;
  end if;

  select c.* into v_parent
  from insurance.insurance_claims c
  where c.tenant_id = v_claim.tenant_id and c.id = v_claim.related_claim_id and c.use = v_claim.use;
  -- what it takes the place of
  if v_parent.status in ('approved', 'partially_approved') then
    v_parent := insurance.set_hold(v_parent, 0);
    v_parent := insurance.move_claim(v_parent, 'superseded', 'SYSTEM');
  end if;
  if v_claim.use = 'claim' then
    perform insurance.follow_claim(
      v_claim.case_id, array['claim_initiated', 'claim_queried', 'reprocess'], 'claim_approved'
    );
  elsif v_was <> 'cancel_requested' then
    v_claim := insurance.set_hold(
      v_claim,
      case
        when v_claim.use <> 'preauthorization' then 0
        -- the claim of the approval before it holds that part, or was paid it
        when v_parent.status in ('utilised', 'closed') then greatest(v_claim.total_approved - v_parent.total_approved, 0)
        else v_claim.total_approved
      end
    );
    perform insurance.follow_claim(v_claim.case_id, array['preauth_initiated'], 'preauth_approved');
  end if;
  return v_claim;
end
$$;

comment on function insurance.apply_decision(insurance.insurance_claims, jsonb, jsonb) is 'about=Applies a decision, which the caller has checked, to a submission that it has locked: amounts, query, hold, the parent that it takes the place of, and the case.';

create or replace function insurance.approved_total(p_claim_id uuid, p_response jsonb) returns numeric
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce((p_response ->> 'total_approved')::numeric, sum(i.approved_amount), 0)
  from insurance.insurance_claim_items i
  where i.tenant_id = core.require_tenant() and i.claim_id = p_claim_id
$$;

comment on function insurance.approved_total(uuid, jsonb) is 'about=What an answer approves in all: as it says, else the sum of its lines.';

create or replace function insurance.respond(p_claim_id uuid, p_is_current boolean, p_response jsonb, p_message_id uuid)
  returns text
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_claim insurance.insurance_claims := insurance.lock_claim(p_claim_id);
  v_answer text := p_response ->> 'adjudication';
  v_cancelled boolean := (p_response ->> 'cancelled')::boolean;
  v_details jsonb := jsonb_strip_nulls(jsonb_build_object(
    'actor_name', p_response ->> 'actor_name', 'remarks', p_response ->> 'remarks', 'message_id', p_message_id,
    'amount', p_response ->> 'total_approved', 'raw', p_response - array['query', 'actor_name']
  ));
  v_role text := coalesce(p_response ->> 'actor_role', 'PAYER');
  v_latest boolean := p_is_current and not exists (
    select
    from insurance.insurance_claims f
    where
      f.tenant_id = v_claim.tenant_id and f.related_claim_id = v_claim.id and f.use = v_claim.use
      and f.status not in ('draft', 'ready', 'cancelled')
  );
begin
  if v_claim.status in ('draft', 'ready') then
    return 'IM001'; -- it was never submitted
  end if;
  -- queued, an answer to an older submission, or the same answer once more: noted, nothing moves
  if not v_latest or coalesce(p_response ->> 'outcome', 'complete') = 'queued'
    or v_answer = v_claim.status::text
    or (v_answer is null and v_cancelled is null and coalesce(p_response ->> 'outcome', 'complete') <> 'error')
  then
    perform insurance.note_claim(v_claim, v_claim.status::text, v_claim.status::text, v_role, v_details);
    return null;
  end if;
  if p_response ->> 'outcome' = 'error' then
    update insurance.insurance_claims c
    set outcome = 'error', dispatch_status = 'error', dispatch_error = p_response ->> 'error_code'
    where c.tenant_id = v_claim.tenant_id and c.id = v_claim.id
    returning c.* into v_claim;
    if v_claim.status = 'submitted' then
      perform insurance.move_claim(v_claim, 'dispatch_failed', v_role, v_details);
    else
      perform insurance.note_claim(v_claim, v_claim.status::text, v_claim.status::text, v_role, v_details);
    end if;
    return null;
  end if;

  if v_claim.status = 'cancel_requested' and v_cancelled is not null then
    if v_cancelled then
      v_claim := insurance.set_hold(v_claim, 0);
      perform insurance.move_claim(v_claim, 'cancelled', v_role, v_details);
      perform insurance.follow_claim(v_claim.case_id, array['preauth_initiated', 'preauth_approved'], 'identity_verified');
    else
      perform insurance.move_claim(v_claim, v_claim.adjudication::insurance.claim_status, v_role, v_details);
    end if;
    return null;
  end if;
  if v_cancelled is not null
    or v_claim.status not in ('submitted', 'dispatch_failed', 'queried', 'cancel_requested', 'reprocess_requested')
    or v_claim.status in ('cancel_requested', 'reprocess_requested') and v_answer = 'queried'
    or v_claim.status = 'cancel_requested' and v_answer = 'rejected'
  then
    return 'IM001';
  end if;
  if not insurance.answer_fits(v_claim, p_response) then
    return 'IM611';
  end if;
  if v_answer <> 'queried' then
    perform insurance.write_item_decisions(v_claim, p_response);
  end if;
  perform insurance.apply_decision(v_claim, p_response, v_details);
  return null;
end
$$;

comment on function insurance.respond(uuid, boolean, jsonb, uuid) is 'about=Applies a payer''s answer to a submission; returns null, or why it cannot be applied: IM001 the submission takes no such answer, IM611 the answer does not fit.';

create or replace function insurance.check_response_keys(p_response jsonb) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform insurance.refuse_unknown_keys(
    p_response,
    array[
      'outcome', 'adjudication', 'cancelled', 'pre_auth_ref', 'payer_claim_ref', 'total_approved', 'auto_approved',
      'deduction_reasons', 'reject_reason', 'items', 'query', 'actor_role', 'actor_name', 'remarks', 'error_code'
    ]
  );
  if p_response ->> 'adjudication' not in ('approved', 'partially_approved', 'queried', 'rejected') then
    raise exception 'adjudication "%" is unknown', p_response ->> 'adjudication'
      using errcode = '22023', hint = 'use approved, partially_approved, queried or rejected';
  end if;
end
$$;

comment on function insurance.check_response_keys(jsonb) is 'about=Refuses an answer with a key or decision that is not known (22023).';

create or replace function insurance.apply_payer_response(p_message_id uuid, p_response jsonb)
  returns table (message_id uuid, message_status text, failure_code text, claim_id uuid, claim_status text)
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_message insurance.nhcx_messages := insurance.lock_message(p_message_id, 'in');
  v_found record;
  v_failure text;
begin
  perform insurance.check_response_keys(p_response);
  v_found := insurance.find_submission(v_message.correlation_id);
  if v_message.status <> 'completed' then
    if v_message.status = 'failed' and exists (
      select
      from insurance.nhcx_messages m
      where
        m.tenant_id = v_message.tenant_id and m.direction = 'in' and m.correlation_id = v_message.correlation_id
        and m.api_path = v_message.api_path and m.payload_hash = v_message.payload_hash and m.status = 'completed'
    ) then
      v_failure := v_message.error_code; -- a later copy of it was applied
    else
      -- tried again from failed; both updates are one move when it was pending
      update insurance.nhcx_messages m
      set status = 'pending'
      where m.tenant_id = v_message.tenant_id and m.id = v_message.id and m.status = 'failed';
      update insurance.nhcx_messages m
      set status = 'processing'
      where m.tenant_id = v_message.tenant_id and m.id = v_message.id and m.status = 'pending';
      v_failure := case
        when v_found.claim_id is null then 'IM604'
        else insurance.respond(v_found.claim_id, v_found.is_current, p_response, v_message.id)
      end;
      if v_failure is null then
        perform insurance.finish_message(v_message.id, 'insurance_claims', v_found.claim_id);
      else
        perform insurance.park_message(v_message.id, v_failure);
      end if;
    end if;
  end if;
  return query
  select m.id, m.status, m.error_code, c.id, c.status::text
  from insurance.nhcx_messages m
  left join insurance.insurance_claims c
    -- not coalesce: it does not count as leakproof, and the join could not use the primary key
    on c.tenant_id = m.tenant_id and c.id = case when m.subject_id is null then v_found.claim_id else m.subject_id end
  where m.tenant_id = v_message.tenant_id and m.id = v_message.id;
end
$$;

comment on function insurance.apply_payer_response(uuid, jsonb) is 'about=Applies a stored answer of the exchange {outcome, adjudication, cancelled, pre_auth_ref, payer_claim_ref, total_approved, auto_approved, deduction_reasons, reject_reason, items: [{seq, decision, approved_quantity, approved_amount, reason}], query: {text_enc, raised_by_role, requested_documents}, actor_role, actor_name, remarks, error_code} to the submission with its correlation id. Applied once; an answer to an older submission is noted only. What cannot be applied is kept as failed with failure_code IM604 (unknown correlation id), IM001 (the submission takes no such answer) or IM611 (does not fit: more than claimed, no reference, an unknown line); call again to replay it. IM005 no such incoming message, 22023 unknown key or decision.';

create or replace function insurance.record_payer_decision(p_claim_id uuid, p_response jsonb) returns insurance.insurance_claims
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_claim insurance.insurance_claims := insurance.lock_claim(p_claim_id);
  v_failure text;
begin
  perform insurance.check_response_keys(p_response);
  if v_claim.channel = 'nhcx' then
    raise exception 'claim % is answered by the exchange', p_claim_id
      using errcode = 'IM006', hint = 'use insurance.receive_message and insurance.apply_payer_response';
  end if;
  v_failure := insurance.respond(p_claim_id, true, p_response, null);
  if v_failure is not null then
    raise exception 'claim % takes no such answer while it is %', p_claim_id, v_claim.status
      using errcode = v_failure, hint = 'compare amounts, lines and reference with what was submitted';
  end if;
  return insurance.lock_claim(p_claim_id);
end
$$;

comment on function insurance.record_payer_decision(uuid, jsonb) is 'about=Enters what a payer decided outside the exchange (tms, portal, paper); keys as in insurance.apply_payer_response. The decision that it has already changes nothing. IM001 the submission takes no such answer, IM005 no such claim, IM006 the exchange answers it, IM611 the answer does not fit, 22023 unknown key or decision.';

-- O32: money from the payer. A notice is stored whatever it says; settling it takes the wallet down, pays the payer's
-- bills of the encounter through billing.allocate, and acknowledges it.
create or replace function insurance.lock_claim_payment(p_claim_payment_id uuid) returns insurance.claim_payments
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_payment insurance.claim_payments;
begin
  select p.* into v_payment
  from insurance.claim_payments p
  where p.tenant_id = v_tenant and p.id = p_claim_payment_id
  for no key update;
  if not found then
    raise exception 'claim payment % does not exist', p_claim_payment_id
      using errcode = 'IM005', hint = 'record its notice first';
  end if;
  return v_payment;
end
$$;

comment on function insurance.lock_claim_payment(uuid) is 'about=The payment, locked until the transaction ends. IM005 no such payment.';

create or replace function insurance.record_payment_notice(
  p_payer_id uuid,
  p_utr text,
  p_paid_on date,
  p_amount numeric,
  p_claim_id uuid default null,
  p_tds numeric default 0,
  p_deductions jsonb default '[]',
  p_notice_correlation_id uuid default null,
  p_message_id uuid default null
) returns insurance.claim_payments
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_payment insurance.claim_payments;
  v_claim insurance.insurance_claims;
  v_paid numeric;
begin
  if p_claim_id is not null then
    v_claim := insurance.lock_claim(p_claim_id);
    if v_claim.payer_id is distinct from p_payer_id or v_claim.use <> 'claim' then
      raise exception 'claim % is none of payer %', p_claim_id, p_payer_id
        using errcode = 'IM005', hint = 'choose a claim of that payer';
    end if;
  end if;
  insert into insurance.claim_payments (
    tenant_id, payer_id, claim_id, utr, paid_on, amount, tds, deductions, net, notice_correlation_id
  )
  values (
    v_tenant, p_payer_id, p_claim_id, p_utr, p_paid_on, p_amount, p_tds, p_deductions, p_amount - p_tds,
    p_notice_correlation_id
  )
  on conflict (tenant_id, payer_id, utr, claim_id) do nothing
  returning * into v_payment;
  if not found then
    select p.* into v_payment
    from insurance.claim_payments p
    where
      p.tenant_id = v_tenant and p.payer_id = p_payer_id and p.utr = p_utr and p.claim_id is not distinct from p_claim_id;
    if v_payment.amount is distinct from p_amount then
      raise exception 'payment % was noticed with another amount', v_payment.id
        using errcode = 'IM011', hint = 'ask the payer which amount is right';
    end if;
    perform insurance.finish_message(p_message_id, 'claim_payments', v_payment.id);
    return v_payment;
  end if;

  select coalesce(sum(p.amount), 0) into v_paid
  from insurance.claim_payments p
  where p.tenant_id = v_tenant and p.claim_id = p_claim_id and p.status <> 'disputed';
  if v_paid > v_claim.total_approved then
    perform core.set_reason('more than was approved');
    update insurance.claim_payments p
    set status = 'disputed'
    where p.tenant_id = v_tenant and p.id = v_payment.id
    returning p.* into v_payment;
  end if;
  perform insurance.finish_message(p_message_id, 'claim_payments', v_payment.id);
  return v_payment;
end
$$;

comment on function insurance.record_payment_notice(uuid, text, date, numeric, uuid, numeric, jsonb, uuid, uuid) is 'about=Stores a payer''s notice that a claim was paid, once per transfer and claim; more than was approved is kept as disputed. IM003 no tenant, IM005 no such claim of the payer, IM011 noticed before with another amount.';

create or replace function insurance.settle_claim_payment(p_claim_payment_id uuid, p_reason text default null)
  returns insurance.claim_payments
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_payment insurance.claim_payments;
  v_claim insurance.insurance_claims;
  v_claim_id uuid;
begin
  -- the claim before its payment, as record_payment_notice does
  select p.claim_id into v_claim_id
  from insurance.claim_payments p
  where p.tenant_id = v_tenant and p.id = p_claim_payment_id;
  if found and v_claim_id is null then
    raise exception 'claim payment % names no claim', p_claim_payment_id
      using errcode = 'IM005', hint = 'record one notice for each claim that the transfer pays';
  end if;
  if found then
    v_claim := insurance.lock_claim(v_claim_id);
  end if;
  v_payment := insurance.lock_claim_payment(p_claim_payment_id);
  if v_payment.status = 'reconciled' then
    return v_payment;
  end if;
  if v_payment.status in ('notified', 'disputed') then
    if v_claim.status not in ('approved', 'partially_approved', 'paid', 'closed') then
      raise exception 'claim % is % and is not paid yet', v_claim.id, v_claim.status
        using errcode = 'IM001', hint = 'settle when the approval is in';
    end if;
    if v_payment.status = 'disputed' and coalesce(btrim(p_reason), '') = '' then
      raise exception 'claim payment % is disputed', p_claim_payment_id
        using errcode = 'IM002', hint = 'say in p_reason why it is accepted';
    end if;
    perform core.set_reason(p_reason);
    perform insurance.take_payment(v_claim, v_payment);
    update insurance.claim_payments p
    set
      status = 'acknowledged', acknowledged_at = now(),
      ack_workflow_code = insurance.resolve_workflow('payment_acknowledgement')
    where p.tenant_id = v_tenant and p.id = v_payment.id
    returning p.* into v_payment;
  end if;
  return insurance.pay_bills(v_claim, v_payment);
end
$$;

comment on function insurance.settle_claim_payment(uuid, text) is 'about=Takes a payer''s money for a claim: the claim and its case are paid, the wallet falls, holds end, the receipt is posted, the payer''s open bills of the encounter are paid in order, and the notice is acknowledged. Settled again, it pays bills that were issued since. IM001 the claim is not approved, IM002 disputed and no reason to accept it, IM005 no such payment, or it names no claim.';

create or replace function insurance.take_payment(p_claim insurance.insurance_claims, p_payment insurance.claim_payments) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_claim insurance.insurance_claims := p_claim;
  v_preauth insurance.insurance_claims;
  v_clinic_id uuid;
begin
  perform insurance.draw_wallet(v_claim.coverage_id, p_payment.amount);
  update insurance.pmjay_cases c
  set wallet_used = least(c.wallet_used + p_payment.amount, c.wallet_blocked)
  where c.tenant_id = v_claim.tenant_id and c.id = v_claim.case_id;
  if v_claim.status in ('approved', 'partially_approved') then
    v_claim := insurance.move_claim(
      v_claim, 'paid', 'PAYER', jsonb_build_object('amount', p_payment.amount, 'remarks', p_payment.utr)
    );
    perform insurance.follow_claim(v_claim.case_id, array['claim_approved'], 'paid');
  end if;
  -- the case keeps what it had blocked; its submissions hold nothing any more
  for v_preauth in
    select c.*
    from insurance.insurance_claims c
    where
      c.tenant_id = v_claim.tenant_id and c.coverage_id = v_claim.coverage_id
      and (c.id = v_claim.id or c.use = 'preauthorization' and c.pre_auth_ref = v_claim.pre_auth_ref)
    order by c.id
    for no key update
  loop
    update insurance.insurance_claims c
    set wallet_hold = 0
    where c.tenant_id = v_preauth.tenant_id and c.id = v_preauth.id and c.wallet_hold > 0;
    if v_preauth.status = 'utilised' then
      perform insurance.move_claim(v_preauth, 'closed', 'SYSTEM');
    end if;
  end loop;

  select e.clinic_id into v_clinic_id
  from clinical.encounters e
  where e.tenant_id = v_claim.tenant_id and e.id = v_claim.encounter_id;
  perform billing.post_entries(
    'claim_payment', p_payment.id, v_clinic_id, v_claim.patient_id, billing.currency_of_tenant(),
    jsonb_build_array(
      jsonb_build_object('account', 'bank', 'debit', p_payment.net),
      jsonb_build_object('account', 'tds_receivable', 'debit', p_payment.tds),
      jsonb_build_object('account', 'advance', 'debit', -p_payment.amount)
    )
  );
end
$$;

comment on function insurance.take_payment(insurance.insurance_claims, insurance.claim_payments) is 'about=What a payment does once: wallet, claim, case, holds, and its receipt in the ledger. The caller has locked claim and payment.';

create or replace function insurance.pay_bills(p_claim insurance.insurance_claims, p_payment insurance.claim_payments)
  returns insurance.claim_payments
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_payment insurance.claim_payments := p_payment;
  v_bill record;
  v_amount numeric;
begin
  for v_bill in
    select i.id, i.total - i.allocated - i.written_off as open
    from billing.invoices i
    join billing.accounts a on a.tenant_id = i.tenant_id and a.id = i.account_id
    where
      i.tenant_id = p_claim.tenant_id and a.encounter_id = p_claim.encounter_id and i.payer_id = p_payment.payer_id
      and i.status in ('issued', 'partially_paid') and i.kind in ('bill_of_supply', 'tax_invoice')
    order by i.id
  loop
    v_amount := least(v_bill.open, v_payment.amount - v_payment.allocated);
    exit when v_amount <= 0;
    perform billing.allocate(
      'claim_payment', v_payment.id, v_payment.amount, billing.currency_of_tenant(), v_bill.id, v_amount,
      'claim_payment:' || v_payment.id || ':' || v_bill.id
    );
    update insurance.claim_payments p
    set allocated = p.allocated + v_amount
    where p.tenant_id = v_payment.tenant_id and p.id = v_payment.id
    returning p.* into v_payment;
  end loop;
  if v_payment.allocated = v_payment.amount then
    update insurance.claim_payments p
    set status = 'reconciled'
    where p.tenant_id = v_payment.tenant_id and p.id = v_payment.id
    returning p.* into v_payment;
  end if;
  return v_payment;
end
$$;

comment on function insurance.pay_bills(insurance.insurance_claims, insurance.claim_payments) is 'about=Pays the payer''s open bills of the encounter, in order, with what is left of a payment; reconciled when all of it pays bills.';

create or replace function insurance.dispute_claim_payment(p_claim_payment_id uuid, p_reason text) returns insurance.claim_payments
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_payment insurance.claim_payments := insurance.lock_claim_payment(p_claim_payment_id);
begin
  if v_payment.status = 'disputed' then
    return v_payment;
  end if;
  if v_payment.acknowledged_at is not null then
    raise exception 'claim payment % was settled', p_claim_payment_id
      using errcode = 'IM001', hint = 'an acknowledged payment is corrected with the payer, by a reprocess';
  end if;
  perform core.set_reason(p_reason);
  update insurance.claim_payments p
  set status = 'disputed'
  where p.tenant_id = v_payment.tenant_id and p.id = v_payment.id
  returning p.* into v_payment;
  return v_payment;
end
$$;

comment on function insurance.dispute_claim_payment(uuid, text) is 'about=Objects to a payment that was noticed. IM001 settled already, IM002 no reason, IM005 no such payment.';

-- soft references: functions

create or replace function billing.accounts_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.clinic_id is distinct from old.clinic_id then
    perform core.require_entity(new.tenant_id, 'facility.clinics', new.clinic_id, 'accounts_clinic_fkey');
  end if;
  if new.encounter_id is distinct from old.encounter_id then
    perform core.require_entity(new.tenant_id, 'clinical.encounters', new.encounter_id, 'accounts_encounter_fkey');
  end if;
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'accounts_patient_fkey');
  end if;
  return null;
end
$$;

comment on function billing.accounts_check_references() is 'about=Of a new or changed row: what clinic_id, encounter_id, patient_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger accounts_new_references after insert on billing.accounts
  for each row execute function billing.accounts_check_references();

create or replace trigger accounts_changed_references after update on billing.accounts
  for each row when (new.clinic_id is distinct from old.clinic_id or new.encounter_id is distinct from old.encounter_id or new.patient_id is distinct from old.patient_id)
  execute function billing.accounts_check_references();

create or replace function billing.charge_items_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.concession_approved_by is distinct from old.concession_approved_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.concession_approved_by, 'charge_items_concession_approved_by_fkey');
  end if;
  if new.encounter_id is distinct from old.encounter_id then
    perform core.require_entity(new.tenant_id, 'clinical.encounters', new.encounter_id, 'charge_items_encounter_fkey');
  end if;
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'charge_items_patient_fkey');
  end if;
  return null;
end
$$;

comment on function billing.charge_items_check_references() is 'about=Of a new or changed row: what concession_approved_by, encounter_id, patient_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger charge_items_new_references after insert on billing.charge_items
  for each row execute function billing.charge_items_check_references();

create or replace trigger charge_items_changed_references after update on billing.charge_items
  for each row when (new.concession_approved_by is distinct from old.concession_approved_by or new.encounter_id is distinct from old.encounter_id or new.patient_id is distinct from old.patient_id)
  execute function billing.charge_items_check_references();

create or replace function billing.charge_master_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.department_id is distinct from old.department_id then
    perform core.require_entity(new.tenant_id, 'facility.departments', new.department_id, 'charge_master_department_fkey');
  end if;
  return null;
end
$$;

comment on function billing.charge_master_check_references() is 'about=Of a new or changed row: what department_id names must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger charge_master_new_references after insert on billing.charge_master
  for each row execute function billing.charge_master_check_references();

create or replace trigger charge_master_changed_references after update on billing.charge_master
  for each row when (new.department_id is distinct from old.department_id)
  execute function billing.charge_master_check_references();

create or replace function billing.invoices_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.clinic_id is distinct from old.clinic_id then
    perform core.require_entity(new.tenant_id, 'facility.clinics', new.clinic_id, 'invoices_clinic_fkey');
  end if;
  if new.document_id is distinct from old.document_id then
    perform core.require_entity(new.tenant_id, 'ehr.documents', new.document_id, 'invoices_document_fkey');
  end if;
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'invoices_patient_fkey');
  end if;
  if new.write_off_approved_by is distinct from old.write_off_approved_by then
    perform core.require_entity(new.tenant_id, 'auth.users', new.write_off_approved_by, 'invoices_write_off_approved_by_fkey');
  end if;
  return null;
end
$$;

comment on function billing.invoices_check_references() is 'about=Of a new or changed row: what clinic_id, document_id, patient_id, write_off_approved_by name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger invoices_new_references after insert on billing.invoices
  for each row execute function billing.invoices_check_references();

create or replace trigger invoices_changed_references after update on billing.invoices
  for each row when (new.clinic_id is distinct from old.clinic_id or new.document_id is distinct from old.document_id or new.patient_id is distinct from old.patient_id or new.write_off_approved_by is distinct from old.write_off_approved_by)
  execute function billing.invoices_check_references();

create or replace function billing.ledger_entries_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.clinic_id is distinct from old.clinic_id then
    perform core.require_entity(new.tenant_id, 'facility.clinics', new.clinic_id, 'ledger_entries_clinic_fkey');
  end if;
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'ledger_entries_patient_fkey');
  end if;
  return null;
end
$$;

comment on function billing.ledger_entries_check_references() is 'about=Of a new or changed row: what clinic_id, patient_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger ledger_entries_new_references after insert on billing.ledger_entries
  for each row execute function billing.ledger_entries_check_references();

create or replace trigger ledger_entries_changed_references after update on billing.ledger_entries
  for each row when (new.clinic_id is distinct from old.clinic_id or new.patient_id is distinct from old.patient_id)
  execute function billing.ledger_entries_check_references();

create or replace function billing.payment_allocations_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.allocated_by is distinct from old.allocated_by then
    perform core.require_entity(new.tenant_id, 'auth.users', new.allocated_by, 'payment_allocations_allocated_by_fkey');
  end if;
  if new.payment_id is distinct from old.payment_id then
    perform core.require_entity(new.tenant_id, 'payment.payments', new.payment_id, 'payment_allocations_payment_fkey');
  end if;
  return null;
end
$$;

comment on function billing.payment_allocations_check_references() is 'about=Of a new or changed row: what allocated_by, payment_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger payment_allocations_new_references after insert on billing.payment_allocations
  for each row execute function billing.payment_allocations_check_references();

create or replace trigger payment_allocations_changed_references after update on billing.payment_allocations
  for each row when (new.allocated_by is distinct from old.allocated_by or new.payment_id is distinct from old.payment_id)
  execute function billing.payment_allocations_check_references();

create or replace function billing.tariffs_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.approved_by is distinct from old.approved_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.approved_by, 'tariffs_approved_by_fkey');
  end if;
  if new.clinic_id is distinct from old.clinic_id then
    perform core.require_entity(new.tenant_id, 'facility.clinics', new.clinic_id, 'tariffs_clinic_fkey');
  end if;
  return null;
end
$$;

comment on function billing.tariffs_check_references() is 'about=Of a new or changed row: what approved_by, clinic_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger tariffs_new_references after insert on billing.tariffs
  for each row execute function billing.tariffs_check_references();

create or replace trigger tariffs_changed_references after update on billing.tariffs
  for each row when (new.approved_by is distinct from old.approved_by or new.clinic_id is distinct from old.clinic_id)
  execute function billing.tariffs_check_references();

create or replace function insurance.adjudication_events_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.actor_user_id is distinct from old.actor_user_id then
    perform core.require_entity(new.tenant_id, 'auth.users', new.actor_user_id, 'adjudication_events_actor_user_fkey');
  end if;
  return null;
end
$$;

comment on function insurance.adjudication_events_check_references() is 'about=Of a new or changed row: what actor_user_id names must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger adjudication_events_new_references after insert on insurance.adjudication_events
  for each row execute function insurance.adjudication_events_check_references();

create or replace trigger adjudication_events_changed_references after update on insurance.adjudication_events
  for each row when (new.actor_user_id is distinct from old.actor_user_id)
  execute function insurance.adjudication_events_check_references();

create or replace function insurance.beneficiary_authentications_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.encounter_id is distinct from old.encounter_id then
    perform core.require_entity(new.tenant_id, 'clinical.encounters', new.encounter_id, 'beneficiary_authentications_encounter_fkey');
  end if;
  if new.exception_approved_by is distinct from old.exception_approved_by then
    perform core.require_entity(new.tenant_id, 'auth.users', new.exception_approved_by, 'beneficiary_authentications_exception_approved_by_fkey');
  end if;
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'beneficiary_authentications_patient_fkey');
  end if;
  return null;
end
$$;

comment on function insurance.beneficiary_authentications_check_references() is 'about=Of a new or changed row: what encounter_id, exception_approved_by, patient_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger beneficiary_authentications_new_references after insert on insurance.beneficiary_authentications
  for each row execute function insurance.beneficiary_authentications_check_references();

create or replace trigger beneficiary_authentications_changed_references after update on insurance.beneficiary_authentications
  for each row when (new.encounter_id is distinct from old.encounter_id or new.exception_approved_by is distinct from old.exception_approved_by or new.patient_id is distinct from old.patient_id)
  execute function insurance.beneficiary_authentications_check_references();

create or replace function insurance.claim_documents_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.document_id is distinct from old.document_id then
    perform core.require_entity(new.tenant_id, 'ehr.documents', new.document_id, 'claim_documents_document_fkey');
  end if;
  return null;
end
$$;

comment on function insurance.claim_documents_check_references() is 'about=Of a new or changed row: what document_id names must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger claim_documents_new_references after insert on insurance.claim_documents
  for each row execute function insurance.claim_documents_check_references();

create or replace trigger claim_documents_changed_references after update on insurance.claim_documents
  for each row when (new.document_id is distinct from old.document_id)
  execute function insurance.claim_documents_check_references();

create or replace function insurance.coverages_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.card_document_id is distinct from old.card_document_id then
    perform core.require_entity(new.tenant_id, 'ehr.documents', new.card_document_id, 'coverages_card_document_fkey');
  end if;
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'coverages_patient_fkey');
  end if;
  return null;
end
$$;

comment on function insurance.coverages_check_references() is 'about=Of a new or changed row: what card_document_id, patient_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger coverages_new_references after insert on insurance.coverages
  for each row execute function insurance.coverages_check_references();

create or replace trigger coverages_changed_references after update on insurance.coverages
  for each row when (new.card_document_id is distinct from old.card_document_id or new.patient_id is distinct from old.patient_id)
  execute function insurance.coverages_check_references();

create or replace function insurance.eligibility_checks_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.encounter_id is distinct from old.encounter_id then
    perform core.require_entity(new.tenant_id, 'clinical.encounters', new.encounter_id, 'eligibility_checks_encounter_fkey');
  end if;
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'eligibility_checks_patient_fkey');
  end if;
  return null;
end
$$;

comment on function insurance.eligibility_checks_check_references() is 'about=Of a new or changed row: what encounter_id, patient_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger eligibility_checks_new_references after insert on insurance.eligibility_checks
  for each row execute function insurance.eligibility_checks_check_references();

create or replace trigger eligibility_checks_changed_references after update on insurance.eligibility_checks
  for each row when (new.encounter_id is distinct from old.encounter_id or new.patient_id is distinct from old.patient_id)
  execute function insurance.eligibility_checks_check_references();

create or replace function insurance.insurance_claims_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.encounter_id is distinct from old.encounter_id then
    perform core.require_entity(new.tenant_id, 'clinical.encounters', new.encounter_id, 'insurance_claims_encounter_fkey');
  end if;
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'insurance_claims_patient_fkey');
  end if;
  if new.submitted_by is distinct from old.submitted_by then
    perform core.require_entity(new.tenant_id, 'auth.users', new.submitted_by, 'insurance_claims_submitted_by_fkey');
  end if;
  return null;
end
$$;

comment on function insurance.insurance_claims_check_references() is 'about=Of a new or changed row: what encounter_id, patient_id, submitted_by name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger insurance_claims_new_references after insert on insurance.insurance_claims
  for each row execute function insurance.insurance_claims_check_references();

create or replace trigger insurance_claims_changed_references after update on insurance.insurance_claims
  for each row when (new.encounter_id is distinct from old.encounter_id or new.patient_id is distinct from old.patient_id or new.submitted_by is distinct from old.submitted_by)
  execute function insurance.insurance_claims_check_references();

create or replace function insurance.insurance_plans_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.raw_bundle_document_id is distinct from old.raw_bundle_document_id then
    perform core.require_entity(new.tenant_id, 'ehr.documents', new.raw_bundle_document_id, 'insurance_plans_raw_bundle_document_fkey');
  end if;
  return null;
end
$$;

comment on function insurance.insurance_plans_check_references() is 'about=Of a new or changed row: what raw_bundle_document_id names must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger insurance_plans_new_references after insert on insurance.insurance_plans
  for each row execute function insurance.insurance_plans_check_references();

create or replace trigger insurance_plans_changed_references after update on insurance.insurance_plans
  for each row when (new.raw_bundle_document_id is distinct from old.raw_bundle_document_id)
  execute function insurance.insurance_plans_check_references();

create or replace function insurance.nhcx_messages_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.bundle_document_id is distinct from old.bundle_document_id then
    perform core.require_entity(new.tenant_id, 'ehr.documents', new.bundle_document_id, 'nhcx_messages_bundle_document_fkey');
  end if;
  return null;
end
$$;

comment on function insurance.nhcx_messages_check_references() is 'about=Of a new or changed row: what bundle_document_id names must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger nhcx_messages_new_references after insert on insurance.nhcx_messages
  for each row execute function insurance.nhcx_messages_check_references();

create or replace trigger nhcx_messages_changed_references after update on insurance.nhcx_messages
  for each row when (new.bundle_document_id is distinct from old.bundle_document_id)
  execute function insurance.nhcx_messages_check_references();

create or replace function insurance.payer_queries_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.answered_by is distinct from old.answered_by then
    perform core.require_entity(new.tenant_id, 'auth.users', new.answered_by, 'payer_queries_answered_by_fkey');
  end if;
  return null;
end
$$;

comment on function insurance.payer_queries_check_references() is 'about=Of a new or changed row: what answered_by names must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger payer_queries_new_references after insert on insurance.payer_queries
  for each row execute function insurance.payer_queries_check_references();

create or replace trigger payer_queries_changed_references after update on insurance.payer_queries
  for each row when (new.answered_by is distinct from old.answered_by)
  execute function insurance.payer_queries_check_references();

create or replace function insurance.pmjay_cases_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.encounter_id is distinct from old.encounter_id then
    perform core.require_entity(new.tenant_id, 'clinical.encounters', new.encounter_id, 'pmjay_cases_encounter_fkey');
  end if;
  if new.medco_user_id is distinct from old.medco_user_id then
    perform core.require_entity(new.tenant_id, 'auth.users', new.medco_user_id, 'pmjay_cases_medco_user_fkey');
  end if;
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'pmjay_cases_patient_fkey');
  end if;
  if new.pmam_user_id is distinct from old.pmam_user_id then
    perform core.require_entity(new.tenant_id, 'auth.users', new.pmam_user_id, 'pmjay_cases_pmam_user_fkey');
  end if;
  return null;
end
$$;

comment on function insurance.pmjay_cases_check_references() is 'about=Of a new or changed row: what encounter_id, medco_user_id, patient_id, pmam_user_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger pmjay_cases_new_references after insert on insurance.pmjay_cases
  for each row execute function insurance.pmjay_cases_check_references();

create or replace trigger pmjay_cases_changed_references after update on insurance.pmjay_cases
  for each row when (new.encounter_id is distinct from old.encounter_id or new.medco_user_id is distinct from old.medco_user_id or new.patient_id is distinct from old.patient_id or new.pmam_user_id is distinct from old.pmam_user_id)
  execute function insurance.pmjay_cases_check_references();

-- announcements: functions

create or replace function billing.accounts_announce() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' then
    perform core.announce_entity(old.tenant_id, 'billing.accounts', old.id, 'deleted', '{}', 'deleted');
  else
    perform core.announce_entity(new.tenant_id, 'billing.accounts', new.id, 'active', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('clinic_id', new.clinic_id, 'patient_id', new.patient_id, 'status', new.status)), case tg_op when 'INSERT' then 'created' else 'updated' end);
  end if;
  return null;
end
$$;

comment on function billing.accounts_announce() is 'about=Tells the services that refer to billing.accounts of a row that is new, changed in what is published of it (clinic_id, patient_id, status), or gone.';

create or replace trigger accounts_announce after insert or delete on billing.accounts
  for each row execute function billing.accounts_announce();

create or replace trigger accounts_announce_update after update on billing.accounts
  for each row when (new.clinic_id is distinct from old.clinic_id or new.patient_id is distinct from old.patient_id or new.status is distinct from old.status)
  execute function billing.accounts_announce();

create or replace function billing.charge_items_announce() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' then
    perform core.announce_entity(old.tenant_id, 'billing.charge_items', old.id, 'deleted', '{}', 'deleted');
  else
    perform core.announce_entity(new.tenant_id, 'billing.charge_items', new.id, 'active', '{}'::jsonb, case tg_op when 'INSERT' then 'created' else 'updated' end);
  end if;
  return null;
end
$$;

comment on function billing.charge_items_announce() is 'about=Tells the services that refer to billing.charge_items of a row that is new, changed in what is published of it (its id), or gone.';

create or replace trigger charge_items_announce after insert or delete on billing.charge_items
  for each row execute function billing.charge_items_announce();

create or replace function billing.invoices_announce() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' then
    perform core.announce_entity(old.tenant_id, 'billing.invoices', old.id, 'deleted', '{}', 'deleted');
  else
    perform core.announce_entity(new.tenant_id, 'billing.invoices', new.id, 'active', '{}'::jsonb, case tg_op when 'INSERT' then 'created' else 'updated' end);
  end if;
  return null;
end
$$;

comment on function billing.invoices_announce() is 'about=Tells the services that refer to billing.invoices of a row that is new, changed in what is published of it (its id), or gone.';

create or replace trigger invoices_announce after insert or delete on billing.invoices
  for each row execute function billing.invoices_announce();

create or replace function insurance.insurance_claims_announce() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' then
    perform core.announce_entity(old.tenant_id, 'insurance.insurance_claims', old.id, 'deleted', '{}', 'deleted');
  else
    perform core.announce_entity(new.tenant_id, 'insurance.insurance_claims', new.id, 'active', '{}'::jsonb, case tg_op when 'INSERT' then 'created' else 'updated' end);
  end if;
  return null;
end
$$;

comment on function insurance.insurance_claims_announce() is 'about=Tells the services that refer to insurance.insurance_claims of a row that is new, changed in what is published of it (its id), or gone.';

create or replace trigger insurance_claims_announce after insert or delete on insurance.insurance_claims
  for each row execute function insurance.insurance_claims_announce();


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

-- billing: views

-- What is owed, by whom and for how long: the list of whoever collects.
create or replace view billing.ageing
  with (security_invoker = true)
as
select
  i.tenant_id,
  i.id as invoice_id,
  i.invoice_number,
  i.fiscal_year,
  i.account_id,
  i.patient_id,
  i.payer_id,
  i.clinic_id,
  i.issued_at,
  o.due_on,
  i.currency,
  i.total,
  i.total - i.allocated - i.written_off as open,
  greatest(o.today - o.due_on, 0) as days_overdue,
  case
    when o.today <= o.due_on then 'not due'
    when o.today - o.due_on <= 30 then '1-30'
    when o.today - o.due_on <= 60 then '31-60'
    when o.today - o.due_on <= 90 then '61-90'
    else 'over 90'
  end as bucket
from billing.invoices i
left join facility.clinics c on c.tenant_id = i.tenant_id and c.id = i.clinic_id
cross join lateral (
  select
    coalesce(i.due_on, (i.issued_at at time zone z.name)::date) as due_on, (now() at time zone z.name)::date as today
  from (select coalesce(c.timezone, 'UTC') as name) as z -- another service may not have heard of the clinic
) o
where i.status in ('issued', 'partially_paid') and i.kind <> 'credit_note';

comment on view billing.ageing is 'class=financial;scope=tenant;owner=billing;about=Open bills with what is open of each and how long it is overdue; a bill without a due date is due on its day. Days are those of the clinic.';

-- The ledger in one look: every account code with its sums. The balances of a currency add up to zero.
create or replace view billing.trial_balance
  with (security_invoker = true)
as
select
  e.tenant_id,
  e.clinic_id,
  e.currency,
  e.account_code,
  coalesce(sum(e.amount) filter (where e.direction = 'debit'), 0) as debit,
  coalesce(sum(e.amount) filter (where e.direction = 'credit'), 0) as credit,
  sum(case e.direction when 'debit' then e.amount else -e.amount end) as balance
from billing.ledger_entries e
group by e.tenant_id, e.clinic_id, e.currency, e.account_code;

comment on view billing.trial_balance is 'class=financial;scope=tenant;owner=billing;about=Debit, credit and balance (debit less credit) of every ledger account of a clinic.';

-- insurance: views

-- Every clock of this module that runs: whose turn it is, until when, and whether the time is up.
create or replace view insurance.claim_clocks
  with (security_invoker = true)
as
select
  c.tenant_id, 'decision' as clock, c.id as claim_id, c.case_id, c.payer_id, 'payer' as turn, c.submitted_at as since,
  c.decision_due_at as due_at, c.decision_due_at < now() as is_overdue
from insurance.insurance_claims c
where c.status in ('submitted', 'cancel_requested', 'reprocess_requested')
union all
select
  q.tenant_id, 'query', c.id, c.case_id, c.payer_id, 'hospital', q.raised_at, q.due_at, q.due_at < now()
from insurance.payer_queries q
join insurance.insurance_claims c on c.tenant_id = q.tenant_id and c.id = q.claim_id
where q.status = 'open'
union all
select
  c.tenant_id, 'payment', c.id, c.case_id, c.payer_id, 'payer', c.decided_at,
  c.submitted_at + pg_catalog.make_interval(
    days => case when k.is_portability then coalesce(y.portability_settle_days, y.settle_days) else y.settle_days end
  ),
  c.submitted_at + pg_catalog.make_interval(
    days => case when k.is_portability then coalesce(y.portability_settle_days, y.settle_days) else y.settle_days end
  ) < now()
from insurance.insurance_claims c
join insurance.payers y on y.id = c.payer_id
left join insurance.pmjay_cases k on k.tenant_id = c.tenant_id and k.id = c.case_id
where c.use = 'claim' and c.status in ('approved', 'partially_approved')
union all
select
  k.tenant_id, 'claim', null, k.id, v.payer_id, 'hospital', e.occurred_at,
  e.occurred_at + pg_catalog.make_interval(days => y.claim_submit_days),
  e.occurred_at + pg_catalog.make_interval(days => y.claim_submit_days) < now()
from insurance.pmjay_cases k
join insurance.coverages v on v.tenant_id = k.tenant_id and v.id = k.coverage_id
join insurance.payers y on y.id = v.payer_id
join insurance.adjudication_events e
  on e.tenant_id = k.tenant_id and e.case_id = k.id and e.claim_id is null and e.to_status = 'discharged'
where k.status = 'discharged';

comment on view insurance.claim_clocks is 'class=phi;scope=tenant;owner=billing;about=Clocks that run: decision and payment (the payer''s turn), query and claim (the hospital''s), with due_at and is_overdue.';


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

-- billing: grants

-- The module belongs to billing_owner. Its operations read a few columns of other services' tables; those are the grants
-- that a service of its own replaces by projections. Modules that charge grant themselves billing.charge_encounter.
select core.hand_over('billing', 'billing');
grant select on billing.ageing, billing.trial_balance to billing_app, billing_ro;

-- Operations. billing.allocate, reverse_allocation, post_entries, add_to_totals and the helpers beside them serve the operations of payment and
-- insurance, whose owners are granted them by those modules.
grant execute on function
  billing.open_account(uuid, uuid, uuid, text, uuid, uuid, text),
  billing.set_account_status(uuid, text, text),
  billing.set_credit_limit(uuid, numeric, text),
  billing.change_payer(uuid, text, uuid, uuid),
  billing.close_account(uuid),
  billing.find_price(uuid, uuid, text, uuid, date),
  billing.add_charge(uuid, uuid, text, uuid, numeric, timestamptz, numeric),
  billing.charge_encounter(uuid, text, text, uuid, numeric, numeric),
  billing.cancel_charge(uuid, text),
  billing.grant_concession(uuid, numeric, text, uuid),
  billing.take_out_of_package(uuid, text),
  billing.issue_invoice(uuid, uuid[], text, text, uuid, date, text),
  billing.discard_proforma(uuid, text),
  billing.issue_credit_note(uuid, text, jsonb, boolean, text),
  billing.allocate_credit(uuid, uuid, numeric, text),
  billing.reverse_credit(uuid, text),
  billing.write_off(uuid, text, uuid)
to billing_app;

-- insurance: grants

-- The module belongs to billing_owner, like billing. Its operations read a few columns of other services' tables and
-- call the evaluation of guidelines; those are what a service of its own replaces by projections and calls.
select core.hand_over('insurance', 'billing');
grant select on insurance.claim_clocks to billing_app, billing_ro;

-- Operations. What locks, checks, moves and holds stays private.
grant execute on function
  insurance.verify_coverage(uuid, text),
  insurance.end_coverage(uuid, text, text),
  insurance.ask_eligibility(uuid, uuid, uuid, uuid, text[], jsonb, uuid),
  insurance.apply_eligibility_answer(uuid, jsonb, uuid),
  insurance.register_case(uuid, uuid, text, text, text, text, timestamptz, boolean, uuid, text, text),
  insurance.start_treatment(uuid),
  insurance.discharge_case(uuid, boolean),
  insurance.cancel_case(uuid, text),
  insurance.close_case(uuid, text),
  insurance.begin_authentication(uuid, uuid, text, text, text),
  insurance.complete_authentication(uuid, bytea, timestamptz, bytea),
  insurance.fail_authentication(uuid),
  insurance.approve_authentication_exception(uuid, text),
  insurance.draft_claim(jsonb, jsonb, text),
  insurance.set_claim_items(uuid, jsonb),
  insurance.mark_ready(uuid, boolean),
  insurance.attach_document(uuid, text, text, text, bytea, uuid, jsonb, uuid, timestamptz, numeric, numeric),
  insurance.review_document(uuid, boolean, text),
  insurance.draft_follow_up(uuid, text, jsonb),
  insurance.answer_query(uuid, bytea, uuid[]),
  insurance.request_cancellation(uuid, text),
  insurance.request_reprocess(uuid, text),
  insurance.lapse_queries(int),
  insurance.announce_overdue(int),
  insurance.receive_message(jsonb),
  insurance.queue_message(jsonb, text, uuid),
  insurance.mark_message_sent(uuid, int),
  insurance.mark_message_failed(uuid, text, jsonb, int, timestamptz),
  insurance.apply_payer_response(uuid, jsonb),
  insurance.record_payer_decision(uuid, jsonb),
  insurance.record_payment_notice(uuid, text, date, numeric, uuid, numeric, jsonb, uuid, uuid),
  insurance.settle_claim_payment(uuid, text),
  insurance.dispute_claim_payment(uuid, text)
to billing_app;

-- other services: grants

select core.hand_over('clinical', 'billing');

select core.hand_over('compliance', 'billing');

select core.hand_over('ehr', 'billing');

select core.hand_over('facility', 'billing');

select core.hand_over('patient', 'billing');

grant usage on schema clinical, compliance, ehr, facility, patient to kernel_owner;

grant select on
  clinical.admissions,
  clinical.encounters,
  compliance.legal_holds,
  ehr.documents,
  facility.clinics,
  patient.patients
to billing_app, billing_ro, kernel_owner;

select core.close_database('billing');
