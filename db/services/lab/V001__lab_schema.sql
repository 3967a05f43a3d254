-- Database of the service lab: laboratory, blood_bank, and the kernel.
--
-- Built from the modules by `imhotep bundle --topology services`. Do not edit: change a module and build again.
-- Repeatable: a second run changes nothing. One transaction: psql -1 -f, or one simple query.
--
-- Order: foundations (schemas, roles, types, functions that tables need), tables with their foreign keys to tables above
-- them, all other foreign keys, functions, views, grants; in each part the modules in the order in which they need each other:
--   core        Kernel installed in every service database: tenancy, context, numbering, idempotency, outbox, crypto, settings, state-machine rules.
--   audit       Append-only evidence: who did and who saw what. Partitioned, sealed in the background.
--   laboratory  LIMS: catalogue, orders, sample chain of custody, results, reports, quality control (ISO 15189).
--   blood_bank  Donor to recipient, vein to vein.

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

create schema if not exists device;

comment on schema device is 'owner=device;about=What is kept here of the service device: views of what it publishes, functions that read them.';

create schema if not exists facility;

comment on schema facility is 'owner=facility;about=What is kept here of the service facility: views of what it publishes, functions that read them.';

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

-- laboratory: foundation

-- LIMS: catalogue, orders, sample chain of custody, results, reports, quality control (ISO 15189).
create schema if not exists laboratory;

comment on schema laboratory is 'owner=lab;about=LIMS: catalogue, orders, sample chain of custody, results, reports, quality control (ISO 15189).';

select core.create_service_roles('lab');

-- Enumerated types of the module. Enum equality is not leakproof, so row level security keeps it away from ordinary
-- indexes: every list by status has a partial index over the live states instead.
do $$
begin
  if pg_catalog.to_regtype('laboratory.sample_status') is null then
    create type laboratory.sample_status as enum (
  'planned', 'collected', 'cancelled', 'in_transit', 'received', 'lost', 'rejected', 'accessioned', 'in_process', 'aliquoted', 'stored', 'tested', 'disposed'
);
  end if;
end
$$;

comment on type laboratory.sample_status is 'about=The life of a sample, from planned to disposed; core.transition_rules lists the moves.';

-- Trigger functions of this module's tables. They run as whoever writes: the operations, since applications hold no
-- UPDATE on what they guard.
create or replace function laboratory.check_panel_member() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  -- a reference that is not visible is refused by the triggers that come after
  if exists (select from laboratory.lab_tests t where t.id = new.panel_id and t.kind <> 'panel') then
    raise exception 'test % is no panel', new.panel_id
      using errcode = '23514', constraint = 'lab_panel_members_of_panel', hint = 'give a row of kind panel as panel_id';
  end if;
  if exists (select from laboratory.lab_tests t where t.id = new.test_id and t.kind = 'panel') then
    raise exception 'panel % cannot be part of a panel', new.test_id
      using errcode = '23514', constraint = 'lab_panel_members_no_panel_inside', hint = 'add its tests instead';
  end if;
  return new;
end
$$;

comment on function laboratory.check_panel_member() is 'about=Before insert or update of laboratory.lab_panel_members: a panel holds tests and calculated tests, no panels (23514).';

create or replace function laboratory.check_aliquot_volume() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_volume numeric;
  v_taken numeric;
begin
  if new.parent_sample_id is not null then
    -- the lock makes two aliquots that are made at once see each other
    select s.volume_ml into v_volume
    from laboratory.samples s
    where s.tenant_id = new.tenant_id and s.id = new.parent_sample_id
    for no key update;
    select coalesce(pg_catalog.sum(s.volume_ml), 0) + coalesce(new.volume_ml, 0) into v_taken
    from laboratory.samples s
    where s.tenant_id = new.tenant_id and s.parent_sample_id = new.parent_sample_id and s.id <> new.id;
  else
    v_volume := new.volume_ml;
    select coalesce(pg_catalog.sum(s.volume_ml), 0) into v_taken
    from laboratory.samples s
    where s.tenant_id = new.tenant_id and s.parent_sample_id = new.id;
  end if;
  if v_taken > v_volume then
    raise exception 'the aliquots of sample % hold % ml of % ml', coalesce(new.parent_sample_id, new.id), v_taken, v_volume
      using errcode = 'IM304', hint = 'reduce the volumes';
  end if;
  return new;
end
$$;

comment on function laboratory.check_aliquot_volume() is 'about=Before insert or update of laboratory.samples: the aliquots of a sample whose volume is known hold no more than it does (IM304).';

create or replace function laboratory.keep_released_result() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if old.status not in ('final', 'corrected', 'superseded', 'entered_in_error') then
    return new;
  end if;
  -- what may still change: that it was superseded or entered in error
  if pg_catalog.to_jsonb(new) - array['status', 'row_version', 'updated_at', 'updated_by']
    <> pg_catalog.to_jsonb(old) - array['status', 'row_version', 'updated_at', 'updated_by']
  then
    raise exception 'result % was released and stays as it is', old.id
      using errcode = 'IM311', hint = 'use laboratory.correct_result: it adds a corrected row';
  end if;
  return new;
end
$$;

comment on function laboratory.keep_released_result() is 'about=Before update of laboratory.lab_results: nothing but the status of a released result changes (IM311).';

create or replace function laboratory.check_release() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_state text;
begin
  if new.device_id is null or new.status not in ('final', 'corrected') then
    return new;
  end if;
  if tg_op = 'UPDATE' and old.status = new.status then
    return new;
  end if;
  -- when it was measured, and before the first release also now: a control that failed since makes what came before it
  -- doubtful as well
  v_state := laboratory.qc_state(new.device_id, new.test_id, new.resulted_at);
  if
    v_state = 'accepted' and new.status = 'final'
    and laboratory.qc_state(new.device_id, new.test_id, now()) = 'rejected'
  then
    v_state := 'rejected';
  end if;
  if v_state <> 'accepted' then
    raise exception 'quality control of device % and test % is %', new.device_id, new.test_id, v_state
      using errcode = 'IM310', hint = 'run quality control, and measure again what was measured without it';
  end if;
  return new;
end
$$;

comment on function laboratory.check_release() is 'about=Before a result of an analyser becomes final or corrected: quality control of the device and test was accepted when it was measured and, for the first release, is not rejected now (IM310).';

create or replace function laboratory.keep_issued_report() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  -- where the document is and where it went are found out later; a later version takes over as the current one
  v_free constant text[] := array[
    'status', 'is_current', 'document_id', 'delivered', 'row_version', 'updated_at', 'updated_by'
  ];
begin
  if old.status in ('registered', 'partial') then
    return new;
  end if;
  if pg_catalog.to_jsonb(new) - v_free <> pg_catalog.to_jsonb(old) - v_free then
    raise exception 'version % of report % was issued and stays as it is', old.version, old.id
      using errcode = 'IM311', hint = 'use laboratory.amend_report or laboratory.correct_result: they add a version';
  end if;
  return new;
end
$$;

comment on function laboratory.keep_issued_report() is 'about=Before update of laboratory.diagnostic_reports: what a final, amended or corrected version states never changes (IM311).';

create or replace function laboratory.keep_qc_result() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_review constant text[] := array['incident_id', 'reviewed_by', 'reviewed_at'];
begin
  if old.reviewed_at is not null or pg_catalog.to_jsonb(new) - v_review <> pg_catalog.to_jsonb(old) - v_review then
    raise exception 'quality control run % stays as it is', old.id
      using errcode = 'IM311', hint = 'record another run';
  end if;
  return new;
end
$$;

comment on function laboratory.keep_qc_result() is 'about=Before update of laboratory.qc_results: a run is evidence, only its review is filled in, once (IM311).';

-- blood_bank: foundation

-- Donor to recipient, vein to vein.
create schema if not exists blood_bank;

comment on schema blood_bank is 'owner=lab;about=Donor to recipient, vein to vein.';

select core.create_service_roles('lab');

-- What a blood centre may set, and which blood suits whom. Pure functions, so that they can be read and tested alone.
create or replace function blood_bank.default_settings() returns jsonb
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select '{
    "bloodbank.donor": {
      "min_age": 18, "max_age": 65, "first_time_max_age": 60,
      "min_weight_kg": 45, "volume_ml": 350, "heavy_from_kg": 55, "heavy_volume_ml": 450, "apheresis_volume_ml": 800,
      "min_haemoglobin_g_dl": 12.5,
      "min_systolic": 100, "max_systolic": 140, "min_diastolic": 60, "max_diastolic": 90,
      "min_pulse": 60, "max_pulse": 100, "max_temperature_c": 37.5,
      "interval_days_male": 90, "interval_days_female": 120,
      "after_apheresis_days": 28, "apheresis_interval_days": 2,
      "deferral_days": {
        "low_weight": 30, "low_haemoglobin": 90, "blood_pressure": 1, "pulse": 1, "temperature": 14, "tti_MALARIA": 90
      }
    },
    "bloodbank.components": {
      "WB":         {"shelf_days": 35,  "celsius": [2, 6]},
      "PRBC":       {"shelf_days": 35,  "celsius": [2, 6]},
      "PRBC_SAGM":  {"shelf_days": 42,  "celsius": [2, 6]},
      "LR_PRBC":    {"shelf_days": 42,  "celsius": [2, 6]},
      "IRRAD_PRBC": {"shelf_days": 28,  "celsius": [2, 6]},
      "FFP":        {"shelf_days": 365, "celsius": [-80, -30]},
      "CPP":        {"shelf_days": 365, "celsius": [-80, -30]},
      "CRYO":       {"shelf_days": 365, "celsius": [-80, -30]},
      "PLT_RDP":    {"shelf_days": 5,   "celsius": [20, 24]},
      "PLT_SDP":    {"shelf_days": 5,   "celsius": [20, 24]}
    },
    "bloodbank.rules": {
      "crossmatch_hours": 72, "reservation_hours": 48, "return_minutes": 30, "transfusion_hours": 4
    }
  }'::jsonb
$$;

comment on function blood_bank.default_settings() is 'about=Defaults of the settings bloodbank.donor (who may give), bloodbank.components (shelf lives and storage) and bloodbank.rules, as the law of India has them. The seed writes them as shared settings; a tenant''s own setting may hold only the keys that differ.';

create or replace function blood_bank.setting(p_key text, variadic p_path text[]) returns jsonb
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(core.setting(p_key) #> p_path, blood_bank.default_settings() -> p_key #> p_path)
$$;

comment on function blood_bank.setting(text, text[]) is 'about=A value of a bloodbank setting: the tenant''s, else the shared, else the default; null when nobody set it.';

create or replace function blood_bank.limit_of(p_key text, variadic p_path text[]) returns numeric
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$ select (blood_bank.setting(p_key, variadic p_path) #>> '{}')::numeric $$;

comment on function blood_bank.limit_of(text, text[]) is 'about=A number of a bloodbank setting.';

create or replace function blood_bank.component_class(p_component text) returns text
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_component = 'WB' then 'whole_blood'
    when p_component in ('PRBC', 'PRBC_SAGM', 'LR_PRBC', 'IRRAD_PRBC') then 'red_cells'
    when p_component in ('FFP', 'CPP') then 'plasma'
    when p_component = 'CRYO' then 'cryoprecipitate'
    when p_component in ('PLT_RDP', 'PLT_SDP') then 'platelets'
  end
$$;

comment on function blood_bank.component_class(text) is 'about=What core.abo_compatible calls the component: whole_blood, red_cells, plasma, cryoprecipitate or platelets.';

create or replace function blood_bank.needs_crossmatch(p_component text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select blood_bank.component_class(p_component) in ('whole_blood', 'red_cells') $$;

comment on function blood_bank.needs_crossmatch(text) is 'about=True for components with red cells; plasma and platelets are given by group.';

create or replace function blood_bank.satisfies(p_requested text, p_given text) returns boolean
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select
    p_requested = p_given
    or (p_requested in ('PRBC', 'PRBC_SAGM') and blood_bank.component_class(p_given) = 'red_cells')
    or (p_requested = 'PLT_RDP' and p_given = 'PLT_SDP')
$$;

comment on function blood_bank.satisfies(text, text) is 'about=True when a unit of the given component answers a request: plain red cells may be leucoreduced or irradiated ones, never the other way round.';

create or replace function blood_bank.match_of(p_recipient text, p_component text, p_abo text, p_rhd text) returns text
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_recipient is null then
      case
        when u.class = 'red_cells' and p_abo = 'O' then case p_rhd when 'neg' then 'compatible' else 'rhd_override' end
        when u.class not in ('red_cells', 'whole_blood') and p_abo = 'AB' then 'compatible'
        else 'unconfirmed'
      end
    when u.donor = p_recipient then 'identical'
    when core.abo_compatible(u.class, u.donor, p_recipient) then 'compatible'
    when u.class = 'platelets' then 'platelets_of_other_group'
    when core.abo_compatible(u.class, p_abo || '-', p_recipient) then 'rhd_override' -- only RhD stands against it
    else 'incompatible'
  end
  from (
    select
      blood_bank.component_class(p_component) as class,
      p_abo || case p_rhd when 'pos' then '+' else '-' end as donor
  ) u
$$;

comment on function blood_bank.match_of(text, text, text, text) is 'about=How a unit (component, abo, rhd) suits a recipient of group such as A+, or null while it is unconfirmed: identical, compatible, platelets_of_other_group (may be given, a warning), rhd_override (only on emergency release), unconfirmed or incompatible.';

-- Rules that a constraint cannot express. The tables name these triggers; what they call is in the 2NN files.
create or replace function blood_bank.check_donation() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_rule text;
  v_limit numeric;
begin
  if new.eligible and (tg_op = 'INSERT' or not old.eligible) then
    v_rule := coalesce(
      blood_bank.donor_hindrance(new.donor_id, new.kind, (new.screened_at at time zone core.tenant_zone())::date),
      blood_bank.screening_failure(
        new.weight_kg, new.haemoglobin_g_dl, new.systolic, new.diastolic, new.pulse, new.temperature_c
      )
    );
    if v_rule is not null then
      raise exception 'donor % may not donate: %', new.donor_id, v_rule
        using errcode = 'IM359', hint = 'defer the donor; setting bloodbank.donor has the limits';
    end if;
  end if;
  if new.volume_ml is not null and (tg_op = 'INSERT' or old.volume_ml is distinct from new.volume_ml) then
    v_limit := blood_bank.limit_of(
      'bloodbank.donor',
      case
        when new.kind <> 'whole_blood' then 'apheresis_volume_ml'
        when new.weight_kg > blood_bank.limit_of('bloodbank.donor', 'heavy_from_kg') then 'heavy_volume_ml'
        else 'volume_ml'
      end
    );
    if new.volume_ml > v_limit then
      raise exception 'donation % is of more than % ml', new.id, v_limit
        using errcode = 'IM359', hint = 'correct the volume, or report the event as an adverse reaction of the donor';
    end if;
  end if;
  return new;
end
$$;

comment on function blood_bank.check_donation() is 'about=Before insert or update: a donation is eligible only when donor and measurements keep the limits of setting bloodbank.donor, and no more is taken than the donor''s weight allows (IM359).';

create or replace function blood_bank.check_kit_in_date() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.kit_expiry < (new.tested_at at time zone core.tenant_zone())::date then
    raise exception 'the kit of test % expired on %', new.id, new.kit_expiry
      using errcode = '23514', constraint = tg_name, hint = 'test again with a kit that is in date';
  end if;
  return new;
end
$$;

comment on function blood_bank.check_kit_in_date() is 'about=Before insert or update: the kit of a test had not expired on the day of the test (23514).';

create or replace function blood_bank.check_unit_is_clear() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_clearance record;
begin
  if new.status not in ('available', 'reserved', 'crossmatched', 'issued', 'transfused')
    or (tg_op = 'UPDATE' and old.status in ('available', 'reserved', 'crossmatched', 'issued')) then
    return new;
  end if;
  v_clearance := blood_bank.clearance_of(new.donation_id);
  if v_clearance.reactive <> '{}' then
    raise exception 'unit % is of a reactive donation', new.id
      using errcode = 'IM356', hint = 'discard it';
  end if;
  if v_clearance.missing <> '{}' or v_clearance.abo <> new.abo or v_clearance.rhd <> new.rhd then
    raise exception 'unit % is of a donation that is not clear: %', new.id, array_to_string(v_clearance.missing, ', ')
      using errcode = 'IM350', hint = 'verify the tests and call blood_bank.release_donation';
  end if;
  return new;
end
$$;

comment on function blood_bank.check_unit_is_clear() is 'about=Before a unit becomes usable: the five infections of its donation are verified non-reactive, both ABO tests agree, RhD is known, and the label says the same (IM350, IM356).';

create or replace function blood_bank.check_shelf_life() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_limit timestamptz := blood_bank.shelf_life_end(new.donation_id, new.component);
begin
  if new.parent_component_id is not null then
    v_limit := least(
      v_limit,
      (
        select c.expires_at
        from blood_bank.blood_components c
        where c.tenant_id = new.tenant_id and c.id = new.parent_component_id
      )
    );
  end if;
  if v_limit is null then
    raise exception 'donation % has not been collected', new.donation_id
      using errcode = 'IM350', hint = 'finish the collection first';
  end if;
  if new.expires_at > v_limit then
    raise exception 'unit % would be kept until %, its shelf life ends at %', new.id, new.expires_at, v_limit
      using errcode = 'IM351', hint = 'setting bloodbank.components has the shelf lives; they count from the collection';
  end if;
  return new;
end
$$;

comment on function blood_bank.check_shelf_life() is 'about=Before insert or update: a unit expires at the end of its component''s shelf life after the collection at the latest, a part not after the whole (IM351; IM350 not collected).';

create or replace function blood_bank.compare_blood_groups() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_row record;
begin
  -- two samples that are entered at the same moment must see each other
  perform pg_advisory_xact_lock(hashtextextended('blood_bank.group ' || new.tenant_id || new.patient_id, 0));
  if new.status <> 'first_sample' then
    return new;
  end if;
  for v_row in
    select g.id, g.status
    from blood_bank.patient_blood_groups g
    where
      g.tenant_id = new.tenant_id
      and g.patient_id = new.patient_id
      and g.status in ('first_sample', 'confirmed', 'discrepant')
      and (g.abo <> new.abo or (g.rhd = 'pos') <> (new.rhd = 'pos'))
    order by g.id
  loop
    new.status := 'discrepant';
    if v_row.status <> 'discrepant' then
      update blood_bank.patient_blood_groups g
      set status = 'discrepant'
      where g.tenant_id = new.tenant_id and g.id = v_row.id;
    end if;
  end loop;
  return new;
end
$$;

comment on function blood_bank.compare_blood_groups() is 'about=Before insert: a sample that contradicts other samples of the patient is discrepant, and so are they. Weak and negative RhD do not contradict each other.';

create or replace function blood_bank.check_crossmatch() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_group record := blood_bank.recipient_group(new.patient_id);
begin
  if new.method = 'electronic' and (v_group.blood_group is null or v_group.antibody_screen <> 'negative') then
    raise exception 'patient % has no confirmed group with a negative antibody screen', new.patient_id
      using errcode = 'IM355', hint = 'crossmatch by ahg or gel, or confirm the group with a second sample';
  end if;
  perform blood_bank.check_match(new.component_id, new.request_id, v_group.blood_group);
  return new;
end
$$;

comment on function blood_bank.check_crossmatch() is 'about=Before insert: no crossmatch of a unit that the groups forbid (IM352, IM355), and no electronic one without a confirmed group and a negative antibody screen (IM355).';

create or replace function blood_bank.check_issue() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_component text;
  v_released_by uuid;
begin
  if new.crossmatch_id is not null then
    return new;
  end if;
  select c.component into v_component
  from blood_bank.blood_components c
  where c.tenant_id = new.tenant_id and c.id = new.component_id;
  select r.emergency_release_by into v_released_by
  from blood_bank.blood_requests r
  where r.tenant_id = new.tenant_id and r.id = new.request_id;
  if blood_bank.needs_crossmatch(v_component) and v_released_by is null then
    raise exception 'unit % is issued without a crossmatch', new.component_id
      using errcode = 'IM353', hint = 'crossmatch it, or have a doctor order emergency release';
  end if;
  return new;
end
$$;

comment on function blood_bank.check_issue() is 'about=Before insert: a unit with red cells leaves on a crossmatch, or on the emergency release of a named doctor (IM353).';

create or replace function blood_bank.check_no_unit_is_out() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_units int;
begin
  if new.status = old.status or new.status not in ('clinically_discharged', 'discharged') then
    return new;
  end if;
  select count(*) into v_units
  from blood_bank.blood_requests r
  join blood_bank.blood_issues i on i.tenant_id = r.tenant_id and i.request_id = r.id
  where
    r.tenant_id = new.tenant_id
    and r.encounter_id = new.encounter_id
    and i.status in ('issued', 'transfusing', 'stopped');
  if v_units > 0 then
    raise exception 'admission % has % blood units out', new.id, v_units
      using errcode = 'IM203', hint = 'complete the transfusions, or bring the units back with blood_bank.return_unit';
  end if;
  return new;
end
$$;

comment on function blood_bank.check_no_unit_is_out() is 'about=Before an admission is discharged, clinically or physically: every unit that was issued in the stay is given or back (IM203).';


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

-- laboratory: tables

-- laboratory.lab_tests: the catalogue of tests and panels. Rows without a tenant are shared by all; a tenant's own row with
-- the same code stands before it.
create table if not exists laboratory.lab_tests (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  code text not null,
  name text not null,
  loinc text,
  kind text not null,
  department_code text not null,
  specimen_type text,
  container text,
  min_volume_ml numeric(6, 2),
  method text,
  result_type text,
  unit_ucum text,
  decimals smallint,
  tat_minutes integer not null,
  stat_tat_minutes integer,
  stability_hours integer,
  transport_temp text not null default 'ambient',
  delta_check_pct numeric(5, 2),
  nabl_scope boolean not null default false,
  requires_authorisation boolean not null default false,
  formula jsonb,
  active boolean not null default false,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint lab_tests_pkey primary key (id),
  constraint lab_tests_code_key unique nulls not distinct (tenant_id, code),
  constraint lab_tests_kind_check check (kind in ('test', 'panel', 'calculated')),
  constraint lab_tests_result_type_check check (result_type in ('numeric', 'coded', 'text', 'titre', 'image')),
  constraint lab_tests_transport_temp_check check (transport_temp in ('ambient', 'refrigerated', 'frozen')),
  constraint lab_tests_code_form check (code ~ '^[A-Z0-9][A-Z0-9_-]{0,19}$'),
  constraint lab_tests_loinc_valid check (core.valid_loinc(loinc)),
  constraint lab_tests_calculated_has_formula check (kind <> 'calculated' or formula is not null),
  constraint lab_tests_turnaround_positive check (tat_minutes > 0 and stat_tat_minutes > 0),
  constraint lab_tests_panel_or_specimen check (
    kind = 'panel' or (specimen_type is not null and container is not null and result_type is not null)
  ),
  constraint lab_tests_numeric_has_unit check (result_type <> 'numeric' or unit_ucum is not null),
  constraint lab_tests_finite check (min_volume_ml <> 'NaN' and delta_check_pct <> 'NaN'),
  constraint lab_tests_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

comment on table laboratory.lab_tests is 'class=reference;scope=shared;owner=lab;fhir=ActivityDefinition,ObservationDefinition;retention=reference;about=Test and panel catalogue.';
comment on column laboratory.lab_tests.code is 'class=reference;about=Short code for people and orders, and the charge code of the test: HB, LFT. A tenant''s own test takes precedence over a shared one.';
comment on column laboratory.lab_tests.name is 'class=reference;about=Name as printed.';
comment on column laboratory.lab_tests.loinc is 'class=reference;about=LOINC code; the check digit is tested, whether it exists is not.';
comment on column laboratory.lab_tests.kind is 'class=reference;about=test, panel (a list of tests) or calculated (from other results).';
comment on column laboratory.lab_tests.department_code is 'class=reference;about=Section of the laboratory: haematology, biochemistry, microbiology.';
comment on column laboratory.lab_tests.specimen_type is 'class=reference;about=What is taken: blood, serum, urine. Tests of one specimen type and container share a sample.';
comment on column laboratory.lab_tests.container is 'class=reference;about=Tube or vessel: edta, plain, fluoride, sterile_cup.';
comment on column laboratory.lab_tests.min_volume_ml is 'class=reference;about=Least volume in ml that the test needs.';
comment on column laboratory.lab_tests.method is 'class=reference;about=Method, printed on the report.';
comment on column laboratory.lab_tests.result_type is 'class=reference;about=numeric, coded, text, titre or image: which value column a result must fill.';
comment on column laboratory.lab_tests.unit_ucum is 'class=reference;about=UCUM unit of numeric results.';
comment on column laboratory.lab_tests.decimals is 'class=reference;about=Digits after the point when printed.';
comment on column laboratory.lab_tests.tat_minutes is 'class=reference;about=Turnaround that is promised, minutes from order to report.';
comment on column laboratory.lab_tests.stat_tat_minutes is 'class=reference;about=The same for stat orders.';
comment on column laboratory.lab_tests.stability_hours is 'class=reference;about=How old a sample may be at receipt, hours from collection; null for no limit.';
comment on column laboratory.lab_tests.transport_temp is 'class=reference;about=ambient, refrigerated or frozen; limits in setting laboratory.transport_limits.';
comment on column laboratory.lab_tests.delta_check_pct is 'class=reference;about=Change against the patient''s previous result that is flagged, per cent.';
comment on column laboratory.lab_tests.nabl_scope is 'class=reference;about=Whether the test is in the scope of accreditation, and so needs external quality assessment.';
comment on column laboratory.lab_tests.requires_authorisation is 'class=reference;about=Whether author, verifier and authoriser must be different people, one after the other.';
comment on column laboratory.lab_tests.formula is 'class=reference;about=For calculated tests: {"expression": .., "inputs": [codes]}; evaluated by the application, entered like a result.';
comment on column laboratory.lab_tests.active is 'class=reference;about=Whether the test can be ordered.';
select core.comment_standard_columns('laboratory.lab_tests');

alter table laboratory.lab_tests enable row level security, force row level security;
drop policy if exists tenant_isolation on laboratory.lab_tests;
create policy tenant_isolation on laboratory.lab_tests
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
drop policy if exists shared_rows on laboratory.lab_tests;
create policy shared_rows on laboratory.lab_tests for select using (tenant_id is null);

create or replace trigger lab_tests_touch before update on laboratory.lab_tests
  for each row execute function core.update_updated_at_column('row_version');

grant select, insert, update on laboratory.lab_tests to lab_app;
grant select on laboratory.lab_tests to lab_ro;

-- laboratory.lab_panel_members: the tests of a panel, in print order. Panels hold tests, never panels (trigger).
create table if not exists laboratory.lab_panel_members (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  panel_id uuid not null,
  test_id uuid not null,
  seq smallint not null,
  required boolean not null default false,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint lab_panel_members_pkey primary key (id),
  constraint lab_panel_members_panel_test_key unique nulls not distinct (tenant_id, panel_id, test_id),
  constraint lab_panel_members_not_itself check (panel_id <> test_id),
  constraint lab_panel_members_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint lab_panel_members_panel_fkey
    foreign key (panel_id) references laboratory.lab_tests (id) on delete cascade,
  constraint lab_panel_members_test_fkey
    foreign key (test_id) references laboratory.lab_tests (id)
);

create index if not exists lab_panel_members_panel_idx on laboratory.lab_panel_members (panel_id, tenant_id);
comment on index laboratory.lab_panel_members_panel_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index if not exists lab_panel_members_test_idx on laboratory.lab_panel_members (test_id, tenant_id);
comment on index laboratory.lab_panel_members_test_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';

comment on table laboratory.lab_panel_members is 'class=reference;scope=shared;owner=lab;fhir=ActivityDefinition;retention=reference;about=Tests of a panel in print order.';
comment on column laboratory.lab_panel_members.panel_id is 'class=reference;about=The panel.';
comment on column laboratory.lab_panel_members.test_id is 'class=reference;about=A test of it.';
comment on column laboratory.lab_panel_members.seq is 'class=reference;about=Place on the report.';
comment on column laboratory.lab_panel_members.required is 'class=reference;about=Whether the panel is incomplete without the test.';
select core.comment_standard_columns('laboratory.lab_panel_members');

alter table laboratory.lab_panel_members enable row level security, force row level security;
drop policy if exists tenant_isolation on laboratory.lab_panel_members;
create policy tenant_isolation on laboratory.lab_panel_members
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
drop policy if exists shared_rows on laboratory.lab_panel_members;
create policy shared_rows on laboratory.lab_panel_members for select using (tenant_id is null);

create or replace trigger lab_panel_members_touch before update on laboratory.lab_panel_members
  for each row execute function core.update_updated_at_column();
create or replace trigger lab_panel_members_kinds before insert or update of panel_id, test_id on laboratory.lab_panel_members
  for each row execute function laboratory.check_panel_member();
create or replace trigger lab_panel_members_panel_visible before insert or update of panel_id on laboratory.lab_panel_members
  for each row execute function core.check_shared_reference('panel_id', 'laboratory.lab_tests');
create or replace trigger lab_panel_members_test_visible before insert or update of test_id on laboratory.lab_panel_members
  for each row execute function core.check_shared_reference('test_id', 'laboratory.lab_tests');

grant select, insert, update, delete on laboratory.lab_panel_members to lab_app;
grant select on laboratory.lab_panel_members to lab_ro;

-- laboratory.reference_ranges: normal, critical and reportable limits by sex, age and pregnancy.
--
-- For one test, sex and pregnancy, ranges never overlap in age and validity (constraint), so a result has one range; a range
-- for the sex stands before one for any. A tenant's own range names who approved it (ISO 15189, 7.3.5); shared ones are
-- defaults that nobody has approved.
create table if not exists laboratory.reference_ranges (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  test_id uuid not null,
  sex text not null,
  age_days int4range not null,
  pregnancy text not null,
  low numeric,
  high numeric,
  critical_low numeric,
  critical_high numeric,
  reportable_low numeric,
  reportable_high numeric,
  text_range text,
  valid_during daterange not null,
  approved_by uuid,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint reference_ranges_pkey primary key (id),
  constraint reference_ranges_one_at_a_time exclude using gist (
    (coalesce(tenant_id, core.zero_uuid())) with =, test_id with =, sex with =, pregnancy with =, age_days with &&, valid_during with &&
  ),
  constraint reference_ranges_approved check (tenant_id is null or approved_by is not null),
  constraint reference_ranges_sex_check check (sex in ('any', 'male', 'female')),
  constraint reference_ranges_pregnancy_check check (pregnancy in ('any', 'yes', 'no')),
  constraint reference_ranges_low_below_high check (low <= high),
  constraint reference_ranges_critical_below_low check (critical_low <= low),
  constraint reference_ranges_critical_above_high check (critical_high >= high),
  constraint reference_ranges_finite check (
    low not in ('NaN', 'Infinity', '-Infinity') and high not in ('NaN', 'Infinity', '-Infinity')
    and critical_low not in ('NaN', 'Infinity', '-Infinity')
    and critical_high not in ('NaN', 'Infinity', '-Infinity')
    and reportable_low not in ('NaN', 'Infinity', '-Infinity')
    and reportable_high not in ('NaN', 'Infinity', '-Infinity')
  ),
  constraint reference_ranges_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint reference_ranges_test_fkey
    foreign key (test_id) references laboratory.lab_tests (id)
);

create index if not exists reference_ranges_approved_by_idx on laboratory.reference_ranges (tenant_id, approved_by);
create index if not exists reference_ranges_test_idx on laboratory.reference_ranges (test_id, tenant_id);
comment on index laboratory.reference_ranges_test_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';

comment on table laboratory.reference_ranges is 'class=reference;scope=shared;owner=lab;fhir=ObservationDefinition.qualifiedInterval;retention=reference;about=Normal, critical and reportable limits by sex, age and state.';
comment on column laboratory.reference_ranges.test_id is 'class=reference;about=The test.';
comment on column laboratory.reference_ranges.sex is 'class=reference;about=any, male or female, by the sex that the patient is registered with.';
comment on column laboratory.reference_ranges.age_days is 'class=reference;about=Age in days, upper end exclusive.';
comment on column laboratory.reference_ranges.pregnancy is 'class=reference;about=any, yes or no.';
comment on column laboratory.reference_ranges.low is 'class=reference;about=Lower reference limit, in the unit of the test.';
comment on column laboratory.reference_ranges.high is 'class=reference;about=Upper reference limit.';
comment on column laboratory.reference_ranges.critical_low is 'class=reference;about=Below this somebody must be told at once.';
comment on column laboratory.reference_ranges.critical_high is 'class=reference;about=Above this somebody must be told at once.';
comment on column laboratory.reference_ranges.reportable_low is 'class=reference;about=Lower end of what the method can measure; a value below needs a comparator.';
comment on column laboratory.reference_ranges.reportable_high is 'class=reference;about=Upper end of what the method can measure; a value above needs a comparator or a dilution.';
comment on column laboratory.reference_ranges.text_range is 'class=reference;about=Range as printed when it is not two numbers.';
comment on column laboratory.reference_ranges.valid_during is 'class=reference;about=Dates on which the range holds, end exclusive.';
comment on column laboratory.reference_ranges.approved_by is 'class=reference;about=The person who approved it; null for shared defaults only.';
select core.comment_standard_columns('laboratory.reference_ranges');

alter table laboratory.reference_ranges enable row level security, force row level security;
drop policy if exists tenant_isolation on laboratory.reference_ranges;
create policy tenant_isolation on laboratory.reference_ranges
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
drop policy if exists shared_rows on laboratory.reference_ranges;
create policy shared_rows on laboratory.reference_ranges for select using (tenant_id is null);

create or replace trigger reference_ranges_touch before update on laboratory.reference_ranges
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger reference_ranges_test_visible before insert or update of test_id on laboratory.reference_ranges
  for each row execute function core.check_shared_reference('test_id', 'laboratory.lab_tests');

grant select, insert, update on laboratory.reference_ranges to lab_app;
grant select on laboratory.reference_ranges to lab_ro;

-- laboratory.lab_orders: the laboratory's copy of an order, or a referral from outside.
--
-- Its row is the lock of everything below it: samples, items, results and report of one order move one at a time.
create table if not exists laboratory.lab_orders (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  order_number text not null,
  service_request_id uuid,
  patient_id uuid not null,
  encounter_id uuid,
  clinic_id uuid not null,
  source text not null,
  ordering_doctor_id uuid,
  external_doctor text,
  clinical_info_enc bytea,
  fasting text,
  priority text not null,
  ordered_at timestamptz not null,
  due_at timestamptz not null,
  billed_at timestamptz,
  status text not null default 'registered',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint lab_orders_pkey primary key (tenant_id, id),
  constraint lab_orders_order_number_key unique (tenant_id, order_number),
  constraint lab_orders_source_check check (source in ('opd', 'ipd', 'emergency', 'outside', 'camp')),
  constraint lab_orders_fasting_check check (fasting in ('yes', 'no', 'unknown')),
  constraint lab_orders_priority_check check (priority in ('routine', 'urgent', 'stat')),
  constraint lab_orders_status_check check (
    status in ('registered', 'in_progress', 'cancelled', 'partially_reported', 'completed', 'amended')
  ),
  constraint lab_orders_names_a_requester check (num_nonnulls(ordering_doctor_id, external_doctor) >= 1),
  constraint lab_orders_due_after_order check (due_at > ordered_at),
  constraint lab_orders_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

create unique index if not exists lab_orders_one_per_service_request on laboratory.lab_orders (tenant_id, service_request_id)
  where service_request_id is not null;
create index if not exists lab_orders_patient_idx on laboratory.lab_orders (tenant_id, patient_id, ordered_at);
create index if not exists lab_orders_live_idx on laboratory.lab_orders (tenant_id, due_at)
  where status in ('registered', 'in_progress', 'partially_reported');
create index if not exists lab_orders_encounter_idx on laboratory.lab_orders (tenant_id, encounter_id)
  where encounter_id is not null;
create index if not exists lab_orders_clinic_idx on laboratory.lab_orders (tenant_id, clinic_id);
create index if not exists lab_orders_ordering_doctor_idx on laboratory.lab_orders (tenant_id, ordering_doctor_id)
  where ordering_doctor_id is not null;

comment on table laboratory.lab_orders is 'class=phi;scope=tenant;owner=lab;fhir=ServiceRequest;retention=medical_record;about=The laboratory''s copy of an order (or an outside referral).';
comment on column laboratory.lab_orders.order_number is 'class=phi;about=Number for people.';
comment on column laboratory.lab_orders.service_request_id is 'class=phi;about=The clinical order that it carries out; at most one laboratory order each.';
comment on column laboratory.lab_orders.patient_id is 'class=phi;about=The patient.';
comment on column laboratory.lab_orders.encounter_id is 'class=phi;about=The visit or stay; null for a referral from outside.';
comment on column laboratory.lab_orders.clinic_id is 'class=operational;about=The clinic whose laboratory works on it.';
comment on column laboratory.lab_orders.source is 'class=operational;about=opd, ipd, emergency, outside or camp.';
comment on column laboratory.lab_orders.ordering_doctor_id is 'class=operational;about=Who ordered, when a doctor of the house.';
comment on column laboratory.lab_orders.external_doctor is 'class=phi;about=Who ordered, when from outside; printed on the report.';
comment on column laboratory.lab_orders.clinical_info_enc is 'class=phi;enc=1;about=Clinical information for the laboratory, encrypted by the application.';
comment on column laboratory.lab_orders.fasting is 'class=phi;about=yes, no or unknown.';
comment on column laboratory.lab_orders.priority is 'class=phi;about=routine, urgent or stat; stat orders have their own turnaround.';
comment on column laboratory.lab_orders.ordered_at is 'class=phi;about=When it was ordered.';
comment on column laboratory.lab_orders.due_at is 'class=phi;about=When the last result is promised.';
comment on column laboratory.lab_orders.billed_at is 'class=operational;about=When its charges were put on the account; null when billing had none.';
comment on column laboratory.lab_orders.status is 'class=phi;about=Where the order stands; follows its items.';
select core.comment_standard_columns('laboratory.lab_orders');

alter table laboratory.lab_orders enable row level security, force row level security;
drop policy if exists tenant_isolation on laboratory.lab_orders;
create policy tenant_isolation on laboratory.lab_orders
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger lab_orders_touch before update on laboratory.lab_orders
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger lab_orders_no_aadhaar before insert or update of external_doctor on laboratory.lab_orders
  for each row execute function core.reject_aadhaar_like('external_doctor');
create or replace trigger lab_orders_transition before insert or update of status on laboratory.lab_orders
  for each row execute function core.enforce_transition('laboratory.lab_orders', 'status');
select audit.track('laboratory.lab_orders');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('laboratory.lab_orders', '', 'registered', false, null),
  ('laboratory.lab_orders', 'registered', 'in_progress', false, null),
  ('laboratory.lab_orders', 'registered', 'cancelled', true, null),
  ('laboratory.lab_orders', 'in_progress', 'partially_reported', false, null),
  ('laboratory.lab_orders', 'in_progress', 'completed', false, null),
  ('laboratory.lab_orders', 'in_progress', 'cancelled', true, null),
  ('laboratory.lab_orders', 'partially_reported', 'completed', false, null),
  ('laboratory.lab_orders', 'completed', 'amended', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on laboratory.lab_orders to lab_app;
grant update (clinical_info_enc, fasting, row_version) on laboratory.lab_orders to lab_app;
grant select on laboratory.lab_orders to lab_ro;

-- laboratory.lab_order_items: one ordered test and where it stands. A test stands once in an order; a repeat names the item
-- that it repeats.
create table if not exists laboratory.lab_order_items (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  order_id uuid not null,
  position smallint not null,
  test_id uuid not null,
  panel_id uuid,
  sample_id uuid,
  charge_item_id uuid,
  outsourced_to text,
  cancel_reason text,
  repeat_of_id uuid,
  due_at timestamptz not null,
  status text not null default 'ordered',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint lab_order_items_pkey primary key (tenant_id, id),
  constraint lab_order_items_status_check check (
    status in ('ordered', 'sampled', 'cancelled', 'in_process', 'recollect', 'resulted', 'verified', 'authorised', 'reported', 'amended')
  ),
  constraint lab_order_items_cancelled_with_reason check (status <> 'cancelled' or cancel_reason is not null),
  constraint lab_order_items_has_sample_or_partner check (
    status in ('ordered', 'cancelled') or sample_id is not null or outsourced_to is not null
  ),
  constraint lab_order_items_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint lab_order_items_order_fkey
    foreign key (tenant_id, order_id) references laboratory.lab_orders (tenant_id, id),
  constraint lab_order_items_test_fkey
    foreign key (test_id) references laboratory.lab_tests (id),
  constraint lab_order_items_panel_fkey
    foreign key (panel_id) references laboratory.lab_tests (id),
  constraint lab_order_items_repeat_of_fkey
    foreign key (tenant_id, repeat_of_id) references laboratory.lab_order_items (tenant_id, id)
);

create unique index if not exists lab_order_items_test_once_per_order on laboratory.lab_order_items (tenant_id, order_id, test_id)
  where status <> 'cancelled' and repeat_of_id is null;
-- the worklist, by what is due first
create index if not exists lab_order_items_open_idx on laboratory.lab_order_items (tenant_id, due_at)
  where status in ('ordered', 'sampled', 'recollect', 'in_process', 'resulted', 'verified', 'authorised');
create index if not exists lab_order_items_order_idx on laboratory.lab_order_items (tenant_id, order_id);
create index if not exists lab_order_items_test_idx on laboratory.lab_order_items (test_id, tenant_id);
comment on index laboratory.lab_order_items_test_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index if not exists lab_order_items_panel_idx on laboratory.lab_order_items (panel_id, tenant_id)
  where panel_id is not null;
comment on index laboratory.lab_order_items_panel_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index if not exists lab_order_items_sample_idx on laboratory.lab_order_items (tenant_id, sample_id)
  where sample_id is not null;
create index if not exists lab_order_items_charge_item_idx on laboratory.lab_order_items (tenant_id, charge_item_id)
  where charge_item_id is not null;
create index if not exists lab_order_items_repeat_of_idx on laboratory.lab_order_items (tenant_id, repeat_of_id)
  where repeat_of_id is not null;

comment on table laboratory.lab_order_items is 'class=phi;scope=tenant;owner=lab;fhir=ServiceRequest;retention=medical_record;about=One ordered test and where it stands.';
comment on column laboratory.lab_order_items.order_id is 'class=phi;about=The order.';
comment on column laboratory.lab_order_items.position is 'class=operational;about=Place on the order and the report, from 1.';
comment on column laboratory.lab_order_items.test_id is 'class=phi;about=The test, never a panel.';
comment on column laboratory.lab_order_items.panel_id is 'class=phi;about=The panel that it was ordered with.';
comment on column laboratory.lab_order_items.sample_id is 'class=phi;about=The sample that it is made from: after a rejection the one that replaces it.';
comment on column laboratory.lab_order_items.charge_item_id is 'class=financial;about=The charge; items of a panel share it. Null when billing had no price or no open account.';
comment on column laboratory.lab_order_items.outsourced_to is 'class=operational;about=The laboratory that the test was sent to.';
comment on column laboratory.lab_order_items.cancel_reason is 'class=phi;about=Why it was cancelled.';
comment on column laboratory.lab_order_items.repeat_of_id is 'class=phi;about=The item that this one repeats.';
comment on column laboratory.lab_order_items.due_at is 'class=phi;about=When the result is promised.';
comment on column laboratory.lab_order_items.status is 'class=phi;about=ordered, sampled, in_process, resulted, verified, authorised, reported; recollect, cancelled, amended.';
select core.comment_standard_columns('laboratory.lab_order_items');

alter table laboratory.lab_order_items enable row level security, force row level security;
drop policy if exists tenant_isolation on laboratory.lab_order_items;
create policy tenant_isolation on laboratory.lab_order_items
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger lab_order_items_touch before update on laboratory.lab_order_items
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger lab_order_items_test_visible before insert or update of test_id on laboratory.lab_order_items
  for each row execute function core.check_shared_reference('test_id', 'laboratory.lab_tests');
create or replace trigger lab_order_items_panel_visible before insert or update of panel_id on laboratory.lab_order_items
  for each row execute function core.check_shared_reference('panel_id', 'laboratory.lab_tests');
create or replace trigger lab_order_items_transition before insert or update of status on laboratory.lab_order_items
  for each row execute function core.enforce_transition('laboratory.lab_order_items', 'status');
select audit.track('laboratory.lab_order_items');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('laboratory.lab_order_items', '', 'ordered', false, null),
  ('laboratory.lab_order_items', 'ordered', 'sampled', false, null),
  ('laboratory.lab_order_items', 'ordered', 'cancelled', false, null),
  ('laboratory.lab_order_items', 'sampled', 'in_process', false, null),
  ('laboratory.lab_order_items', 'sampled', 'recollect', false, null),
  ('laboratory.lab_order_items', 'sampled', 'cancelled', false, null),
  ('laboratory.lab_order_items', 'recollect', 'sampled', false, null),
  ('laboratory.lab_order_items', 'recollect', 'cancelled', false, null),
  ('laboratory.lab_order_items', 'in_process', 'resulted', false, null),
  ('laboratory.lab_order_items', 'in_process', 'recollect', false, null),
  ('laboratory.lab_order_items', 'resulted', 'verified', false, null),
  ('laboratory.lab_order_items', 'resulted', 'in_process', false, null),
  ('laboratory.lab_order_items', 'verified', 'authorised', false, null),
  ('laboratory.lab_order_items', 'verified', 'in_process', false, null),
  ('laboratory.lab_order_items', 'authorised', 'reported', false, null),
  ('laboratory.lab_order_items', 'reported', 'amended', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on laboratory.lab_order_items to lab_app;
grant update (outsourced_to, row_version) on laboratory.lab_order_items to lab_app;
grant select on laboratory.lab_order_items to lab_ro;

-- laboratory.samples: a primary sample or an aliquot, with its whole life.
--
-- laboratory.change_sample_state moves a sample and writes the event of the move in the same transaction; nothing else
-- does. The aliquots of a sample hold no more than it does (trigger).
create table if not exists laboratory.samples (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  accession_number text not null,
  barcode text not null,
  order_id uuid not null,
  patient_id uuid not null,
  specimen_type text not null,
  container text not null,
  volume_ml numeric(7, 2),
  body_site text,
  collection_method text,
  parent_sample_id uuid,
  aliquot_no smallint,
  collected_at timestamptz,
  collected_by uuid,
  collection_location_id uuid,
  patient_id_check text,
  shipment_ref text,
  shipped_at timestamptz,
  received_at timestamptz,
  received_by uuid,
  receipt_condition text,
  accepted_with_exception text,
  rejection_reason_code text,
  rejected_by uuid,
  rejected_at timestamptz,
  recollection_of_id uuid,
  storage_location_id uuid,
  storage_position text,
  retain_until date,
  disposed_at timestamptz,
  disposed_by uuid,
  status laboratory.sample_status not null default 'planned',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint samples_pkey primary key (tenant_id, id),
  constraint samples_accession_number_key unique (tenant_id, accession_number),
  constraint samples_barcode_key unique (tenant_id, barcode),
  constraint samples_patient_id_check_known check (
    patient_id_check in ('two_identifiers', 'wristband_scan', 'not_done')
  ),
  constraint samples_receipt_condition_check check (
    receipt_condition in ('good', 'haemolysed', 'lipaemic', 'icteric', 'clotted', 'leaked', 'insufficient', 'unlabelled', 'mislabelled', 'wrong_container', 'delayed', 'temperature_breach')
  ),
  constraint samples_collected_from_identified_patient check (
    status in ('planned', 'cancelled')
    or (num_nulls(collected_at, collected_by, patient_id_check) = 0 and patient_id_check <> 'not_done')
  ),
  constraint samples_received_in_a_condition check (
    status not in ('received', 'accessioned', 'aliquoted', 'in_process', 'tested', 'stored')
    or num_nulls(received_at, received_by, receipt_condition) = 0
  ),
  constraint samples_received_after_collection check (received_at >= collected_at),
  constraint samples_rejected_with_reason check (status <> 'rejected' or rejection_reason_code is not null),
  constraint samples_rejection_whole check (
    (rejection_reason_code is null) = (rejected_by is null) and (rejected_by is null) = (rejected_at is null)
  ),
  constraint samples_aliquot_numbered check ((parent_sample_id is null) = (aliquot_no is null)),
  constraint samples_exception_stated check (
    receipt_condition is null or receipt_condition = 'good' or status = 'rejected' or accepted_with_exception is not null
  ),
  constraint samples_finite check (volume_ml <> 'NaN'),
  constraint samples_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint samples_order_fkey
    foreign key (tenant_id, order_id) references laboratory.lab_orders (tenant_id, id),
  constraint samples_parent_sample_fkey
    foreign key (tenant_id, parent_sample_id) references laboratory.samples (tenant_id, id),
  constraint samples_recollection_of_fkey
    foreign key (tenant_id, recollection_of_id) references laboratory.samples (tenant_id, id)
);

create unique index if not exists samples_one_per_position on laboratory.samples (tenant_id, storage_location_id, storage_position)
  where status = 'stored';
-- lists of live states: to be collected, on their way, in the laboratory, kept
create index if not exists samples_planned_idx on laboratory.samples (tenant_id, created_at) where status = 'planned';
create index if not exists samples_on_their_way_idx on laboratory.samples (tenant_id, collected_at)
  where status in ('collected', 'in_transit');
create index if not exists samples_in_laboratory_idx on laboratory.samples (tenant_id, received_at)
  where status in ('received', 'accessioned', 'aliquoted', 'in_process');
create index if not exists samples_kept_idx on laboratory.samples (tenant_id, retain_until)
  where status in ('tested', 'stored', 'rejected');
create index if not exists samples_order_idx on laboratory.samples (tenant_id, order_id);
create index if not exists samples_patient_idx on laboratory.samples (tenant_id, patient_id);
create index if not exists samples_parent_sample_idx on laboratory.samples (tenant_id, parent_sample_id)
  where parent_sample_id is not null;
create index if not exists samples_collected_by_idx on laboratory.samples (tenant_id, collected_by)
  where collected_by is not null;
create index if not exists samples_received_by_idx on laboratory.samples (tenant_id, received_by)
  where received_by is not null;
create index if not exists samples_rejected_by_idx on laboratory.samples (tenant_id, rejected_by)
  where rejected_by is not null;
create index if not exists samples_disposed_by_idx on laboratory.samples (tenant_id, disposed_by)
  where disposed_by is not null;
create index if not exists samples_collection_location_idx on laboratory.samples (tenant_id, collection_location_id)
  where collection_location_id is not null;
create index if not exists samples_storage_location_idx on laboratory.samples (tenant_id, storage_location_id)
  where storage_location_id is not null;
create index if not exists samples_recollection_of_idx on laboratory.samples (tenant_id, recollection_of_id)
  where recollection_of_id is not null;

comment on table laboratory.samples is 'class=phi;scope=tenant;owner=lab;fhir=Specimen;retention=medical_record;about=A primary sample or aliquot with its whole life.';
comment on column laboratory.samples.accession_number is 'class=phi;about=The laboratory''s number of the sample; aliquots add -A1, -A2.';
comment on column laboratory.samples.barcode is 'class=phi;about=What the label says; never used twice in a tenant.';
comment on column laboratory.samples.order_id is 'class=phi;about=The order.';
comment on column laboratory.samples.patient_id is 'class=phi;about=The patient.';
comment on column laboratory.samples.specimen_type is 'class=phi;about=What it is: blood, serum, urine.';
comment on column laboratory.samples.container is 'class=phi;about=Tube or vessel.';
comment on column laboratory.samples.volume_ml is 'class=phi;about=Volume in ml.';
comment on column laboratory.samples.body_site is 'class=phi;about=Where on the body it was taken.';
comment on column laboratory.samples.collection_method is 'class=phi;about=How it was taken: venepuncture, midstream.';
comment on column laboratory.samples.parent_sample_id is 'class=phi;about=The sample that an aliquot was taken from.';
comment on column laboratory.samples.aliquot_no is 'class=phi;about=Counts the aliquots of a sample.';
comment on column laboratory.samples.collected_at is 'class=phi;about=When it was taken.';
comment on column laboratory.samples.collected_by is 'class=operational;about=Who took it.';
comment on column laboratory.samples.collection_location_id is 'class=operational;about=Where it was taken.';
comment on column laboratory.samples.patient_id_check is 'class=phi;about=How the patient was identified: two_identifiers or wristband_scan; not_done does not go past planned.';
comment on column laboratory.samples.shipment_ref is 'class=operational;about=Box or consignment that it travelled with.';
comment on column laboratory.samples.shipped_at is 'class=operational;about=When it left.';
comment on column laboratory.samples.received_at is 'class=phi;about=When the laboratory received it.';
comment on column laboratory.samples.received_by is 'class=operational;about=Who received it.';
comment on column laboratory.samples.receipt_condition is 'class=phi;about=What it looked like on receipt; anything but good needs an exception or a rejection.';
comment on column laboratory.samples.accepted_with_exception is 'class=phi;about=Why a compromised sample was accepted; printed on the report (ISO 15189, 7.2.6.2).';
comment on column laboratory.samples.rejection_reason_code is 'class=phi;about=Coded reason of the rejection.';
comment on column laboratory.samples.rejected_by is 'class=operational;about=Who rejected it.';
comment on column laboratory.samples.rejected_at is 'class=phi;about=When it was rejected.';
comment on column laboratory.samples.recollection_of_id is 'class=phi;about=The rejected or lost sample that this one replaces.';
comment on column laboratory.samples.storage_location_id is 'class=operational;about=Rack, fridge or room that it is kept in.';
comment on column laboratory.samples.storage_position is 'class=operational;about=Position there; one stored sample each.';
comment on column laboratory.samples.retain_until is 'class=operational;about=Kept at least until this date.';
comment on column laboratory.samples.disposed_at is 'class=phi;about=When it was destroyed.';
comment on column laboratory.samples.disposed_by is 'class=operational;about=Who destroyed it.';
comment on column laboratory.samples.status is 'class=phi;about=Where the sample is in its life.';
select core.comment_standard_columns('laboratory.samples');

alter table laboratory.samples enable row level security, force row level security;
drop policy if exists tenant_isolation on laboratory.samples;
create policy tenant_isolation on laboratory.samples
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger samples_touch before update on laboratory.samples
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger samples_transition before insert or update of status on laboratory.samples
  for each row execute function core.enforce_transition('laboratory.samples', 'status');
create or replace trigger samples_aliquots_fit before insert or update of volume_ml, parent_sample_id on laboratory.samples
  for each row execute function laboratory.check_aliquot_volume();
create or replace trigger samples_no_aadhaar before insert or update of accepted_with_exception on laboratory.samples
  for each row execute function core.reject_aadhaar_like('accepted_with_exception');
select audit.track('laboratory.samples');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('laboratory.samples', '', 'planned', false, null),
  ('laboratory.samples', '', 'accessioned', false, null), -- an aliquot was never planned
  ('laboratory.samples', 'planned', 'collected', false, 'sample.collected.v1'),
  ('laboratory.samples', 'planned', 'cancelled', false, null),
  ('laboratory.samples', 'collected', 'in_transit', false, null),
  ('laboratory.samples', 'collected', 'received', false, 'sample.received.v1'),
  ('laboratory.samples', 'collected', 'lost', false, null),
  ('laboratory.samples', 'collected', 'rejected', false, 'sample.rejected.v1'),
  ('laboratory.samples', 'in_transit', 'received', false, 'sample.received.v1'),
  ('laboratory.samples', 'in_transit', 'lost', false, null),
  ('laboratory.samples', 'in_transit', 'rejected', false, 'sample.rejected.v1'),
  ('laboratory.samples', 'received', 'accessioned', false, null),
  ('laboratory.samples', 'received', 'rejected', false, 'sample.rejected.v1'),
  ('laboratory.samples', 'accessioned', 'in_process', false, null),
  ('laboratory.samples', 'accessioned', 'aliquoted', false, null),
  ('laboratory.samples', 'accessioned', 'rejected', false, 'sample.rejected.v1'),
  ('laboratory.samples', 'accessioned', 'stored', false, null),
  ('laboratory.samples', 'aliquoted', 'in_process', false, null),
  ('laboratory.samples', 'aliquoted', 'stored', false, null),
  ('laboratory.samples', 'in_process', 'tested', false, null),
  ('laboratory.samples', 'in_process', 'rejected', false, 'sample.rejected.v1'),
  ('laboratory.samples', 'tested', 'stored', false, null),
  ('laboratory.samples', 'tested', 'disposed', false, null),
  ('laboratory.samples', 'stored', 'in_process', false, null),
  ('laboratory.samples', 'stored', 'disposed', false, null),
  ('laboratory.samples', 'rejected', 'disposed', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on laboratory.samples to lab_app;
grant select on laboratory.samples to lab_ro;

-- laboratory.sample_events: chain of custody. One row for every state that a sample enters, written with the move by
-- laboratory.change_sample_state; the newest by occurred_at agrees with the sample.
create table if not exists laboratory.sample_events (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  sample_id uuid not null,
  occurred_at timestamptz not null,
  from_status text,
  to_status text not null,
  actor_id uuid not null,
  location_id uuid,
  temperature_c numeric(4, 1),
  transport_box text,
  reason_code text,
  note text,
  device_id uuid,
  client_op_id uuid,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint sample_events_pkey primary key (tenant_id, id),
  constraint sample_events_sample_occurred_at_key unique (tenant_id, sample_id, occurred_at, id),
  constraint sample_events_rejected_with_reason check (to_status <> 'rejected' or reason_code is not null),
  constraint sample_events_finite check (temperature_c <> 'NaN'),
  constraint sample_events_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint sample_events_sample_fkey
    foreign key (tenant_id, sample_id) references laboratory.samples (tenant_id, id)
);

create unique index if not exists sample_events_client_op_key on laboratory.sample_events (tenant_id, client_op_id)
  where client_op_id is not null;
create index if not exists sample_events_actor_idx on laboratory.sample_events (tenant_id, actor_id);
create index if not exists sample_events_location_idx on laboratory.sample_events (tenant_id, location_id)
  where location_id is not null;
create index if not exists sample_events_device_idx on laboratory.sample_events (tenant_id, device_id)
  where device_id is not null;

comment on table laboratory.sample_events is 'class=phi;scope=tenant;owner=lab;fhir=Specimen.processing,Provenance;retention=medical_record;append_only=1;about=Chain of custody: every change of state, hands, place or temperature.';
comment on column laboratory.sample_events.sample_id is 'class=phi;about=The sample.';
comment on column laboratory.sample_events.occurred_at is 'class=phi;about=When it happened, as the one who did it says; offline work arrives later.';
comment on column laboratory.sample_events.from_status is 'class=phi;about=State before; null for the first.';
comment on column laboratory.sample_events.to_status is 'class=phi;about=State after.';
comment on column laboratory.sample_events.actor_id is 'class=operational;about=Who had it in hand.';
comment on column laboratory.sample_events.location_id is 'class=operational;about=Where.';
comment on column laboratory.sample_events.temperature_c is 'class=phi;about=Temperature of the sample or its box, degrees Celsius.';
comment on column laboratory.sample_events.transport_box is 'class=operational;about=Box that it travelled in.';
comment on column laboratory.sample_events.reason_code is 'class=phi;about=Coded reason of a rejection or loss.';
comment on column laboratory.sample_events.note is 'class=phi;about=Remark.';
comment on column laboratory.sample_events.device_id is 'class=operational;about=Machine that made the move: sorter, analyser, fridge.';
comment on column laboratory.sample_events.client_op_id is 'class=operational;about=Id that the client gave the move; sent again it gets this row.';
select core.comment_standard_columns('laboratory.sample_events');

alter table laboratory.sample_events enable row level security, force row level security;
drop policy if exists tenant_isolation on laboratory.sample_events;
create policy tenant_isolation on laboratory.sample_events
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger sample_events_append_only before update or delete on laboratory.sample_events
  for each row execute function core.refuse_change();
create or replace trigger sample_events_no_truncate before truncate on laboratory.sample_events
  for each statement execute function core.refuse_change();
create or replace trigger sample_events_no_aadhaar before insert on laboratory.sample_events
  for each row execute function core.reject_aadhaar_like('note');
select audit.track('laboratory.sample_events');

grant select on laboratory.sample_events to lab_app;
grant select on laboratory.sample_events to lab_ro;

-- laboratory.lab_results: the result of one test on one sample. Entered, verified, authorised; then its value never
-- changes (IM311): a correction is a new row that supersedes it. What an analyser measured is released only while its
-- quality control is accepted (IM310, trigger).
--
-- Growth of an organism and each antibiotic susceptibility are child rows (parent_result_id).
create table if not exists laboratory.lab_results (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  order_item_id uuid not null,
  sample_id uuid not null,
  test_id uuid not null,
  patient_id uuid not null,
  resulted_at timestamptz not null,
  value_num numeric,
  comparator text,
  value_text text,
  value_code text,
  unit_ucum text,
  reference_range_id uuid,
  reference_text text,
  flag text,
  is_critical boolean not null default false,
  delta_flag boolean,
  device_id uuid,
  run_ref text,
  method text,
  reagent_batch_id uuid,
  dilution numeric,
  parent_result_id uuid,
  entered_by uuid,
  verified_by uuid,
  verified_at timestamptz,
  authorised_by uuid,
  authorised_at timestamptz,
  supersedes_id uuid,
  amendment_reason text,
  status text not null default 'registered',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint lab_results_pkey primary key (tenant_id, id),
  constraint lab_results_comparator_check check (comparator in ('lt', 'le', 'ge', 'gt')),
  constraint lab_results_flag_check check (flag in ('N', 'L', 'H', 'LL', 'HH', 'A', 'POS', 'NEG', 'IND')),
  constraint lab_results_status_check check (
    status in ('registered', 'preliminary', 'cancelled', 'corrected', 'verified', 'final', 'superseded', 'entered_in_error')
  ),
  constraint lab_results_has_value check (
    num_nonnulls(value_num, value_text, value_code) >= 1 or status in ('registered', 'cancelled')
  ),
  constraint lab_results_released_by_two_steps check (
    status not in ('final', 'corrected') or (verified_by is not null and authorised_by is not null)
  ),
  constraint lab_results_correction_with_reason check ((supersedes_id is null) = (amendment_reason is null)),
  constraint lab_results_finite check (
    value_num not in ('NaN', 'Infinity', '-Infinity') and dilution not in ('NaN', 'Infinity', '-Infinity')
  ),
  constraint lab_results_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint lab_results_order_item_fkey
    foreign key (tenant_id, order_item_id) references laboratory.lab_order_items (tenant_id, id),
  constraint lab_results_sample_fkey
    foreign key (tenant_id, sample_id) references laboratory.samples (tenant_id, id),
  constraint lab_results_test_fkey
    foreign key (test_id) references laboratory.lab_tests (id),
  constraint lab_results_reference_range_fkey
    foreign key (reference_range_id) references laboratory.reference_ranges (id),
  constraint lab_results_parent_result_fkey
    foreign key (tenant_id, parent_result_id) references laboratory.lab_results (tenant_id, id),
  constraint lab_results_supersedes_fkey
    foreign key (tenant_id, supersedes_id) references laboratory.lab_results (tenant_id, id)
);

create unique index if not exists lab_results_one_live_per_test on laboratory.lab_results (tenant_id, order_item_id, test_id, parent_result_id) nulls not distinct
  where status not in ('superseded', 'cancelled', 'entered_in_error');
create index if not exists lab_results_order_item_idx on laboratory.lab_results (tenant_id, order_item_id);
create index if not exists lab_results_sample_idx on laboratory.lab_results (tenant_id, sample_id);
create index if not exists lab_results_test_idx on laboratory.lab_results (test_id, tenant_id);
comment on index laboratory.lab_results_test_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index if not exists lab_results_patient_idx on laboratory.lab_results (tenant_id, patient_id, test_id, resulted_at);
create index if not exists lab_results_pending_idx on laboratory.lab_results (tenant_id, resulted_at)
  where status in ('preliminary', 'verified');
create index if not exists lab_results_critical_idx on laboratory.lab_results (tenant_id, resulted_at) where is_critical;
create index if not exists lab_results_reference_range_idx on laboratory.lab_results (reference_range_id, tenant_id)
  where reference_range_id is not null;
comment on index laboratory.lab_results_reference_range_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index if not exists lab_results_device_idx on laboratory.lab_results (tenant_id, device_id)
  where device_id is not null;
create index if not exists lab_results_reagent_batch_idx on laboratory.lab_results (tenant_id, reagent_batch_id)
  where reagent_batch_id is not null;
create index if not exists lab_results_parent_result_idx on laboratory.lab_results (tenant_id, parent_result_id)
  where parent_result_id is not null;
create index if not exists lab_results_entered_by_idx on laboratory.lab_results (tenant_id, entered_by)
  where entered_by is not null;
create index if not exists lab_results_verified_by_idx on laboratory.lab_results (tenant_id, verified_by)
  where verified_by is not null;
create index if not exists lab_results_authorised_by_idx on laboratory.lab_results (tenant_id, authorised_by)
  where authorised_by is not null;
create unique index if not exists lab_results_corrected_once on laboratory.lab_results (tenant_id, supersedes_id)
  where supersedes_id is not null;

comment on table laboratory.lab_results is 'class=phi;scope=tenant;owner=lab;fhir=Observation (laboratory);retention=medical_record;about=Result of one test on one sample; a correction is a new row.';
comment on column laboratory.lab_results.order_item_id is 'class=phi;about=The ordered test.';
comment on column laboratory.lab_results.sample_id is 'class=phi;about=The sample or aliquot that was measured.';
comment on column laboratory.lab_results.test_id is 'class=phi;about=The test; for child rows it may be another than the item''s.';
comment on column laboratory.lab_results.patient_id is 'class=phi;about=The patient.';
comment on column laboratory.lab_results.resulted_at is 'class=phi;about=When it was measured.';
comment on column laboratory.lab_results.value_num is 'class=phi;about=Numeric value in unit_ucum.';
comment on column laboratory.lab_results.comparator is 'class=phi;about=lt, le, ge, gt when the value is a limit of the method: <5.';
comment on column laboratory.lab_results.value_text is 'class=phi;about=Text, titre or description.';
comment on column laboratory.lab_results.value_code is 'class=phi;about=Coded value: positive, negative, an organism.';
comment on column laboratory.lab_results.unit_ucum is 'class=phi;about=Unit of the value, copied from the test.';
comment on column laboratory.lab_results.reference_range_id is 'class=phi;about=The range that it was judged by.';
comment on column laboratory.lab_results.reference_text is 'class=phi;about=That range as printed, kept as it was.';
comment on column laboratory.lab_results.flag is 'class=phi;about=N normal, L low, H high, LL and HH critical, A abnormal, POS, NEG, IND.';
comment on column laboratory.lab_results.is_critical is 'class=phi;about=Whether somebody must be told at once.';
comment on column laboratory.lab_results.delta_flag is 'class=phi;about=Whether it differs from the patient''s previous result by more than the test allows; null without one.';
comment on column laboratory.lab_results.device_id is 'class=operational;about=The analyser; null for work by hand.';
comment on column laboratory.lab_results.run_ref is 'class=operational;about=The analyser''s number of the run.';
comment on column laboratory.lab_results.method is 'class=phi;about=Method, copied from the test.';
comment on column laboratory.lab_results.reagent_batch_id is 'class=operational;about=Reagent lot.';
comment on column laboratory.lab_results.dilution is 'class=phi;about=Factor of dilution; the value is already multiplied by it.';
comment on column laboratory.lab_results.parent_result_id is 'class=phi;about=The result that this one details.';
comment on column laboratory.lab_results.entered_by is 'class=operational;about=Who entered it.';
comment on column laboratory.lab_results.verified_by is 'class=operational;about=Who checked it technically.';
comment on column laboratory.lab_results.verified_at is 'class=phi;about=When it was checked.';
comment on column laboratory.lab_results.authorised_by is 'class=operational;about=Who released it.';
comment on column laboratory.lab_results.authorised_at is 'class=phi;about=When it was released.';
comment on column laboratory.lab_results.supersedes_id is 'class=phi;about=The result that it corrects.';
comment on column laboratory.lab_results.amendment_reason is 'class=phi;about=Why it was corrected.';
comment on column laboratory.lab_results.status is 'class=phi;about=registered, preliminary, verified, final, corrected; superseded, cancelled, entered_in_error.';
select core.comment_standard_columns('laboratory.lab_results');

alter table laboratory.lab_results enable row level security, force row level security;
drop policy if exists tenant_isolation on laboratory.lab_results;
create policy tenant_isolation on laboratory.lab_results
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger lab_results_touch before update on laboratory.lab_results
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger lab_results_test_visible before insert or update of test_id on laboratory.lab_results
  for each row execute function core.check_shared_reference('test_id', 'laboratory.lab_tests');
create or replace trigger lab_results_reference_range_visible before insert or update of reference_range_id on laboratory.lab_results
  for each row execute function core.check_shared_reference('reference_range_id', 'laboratory.reference_ranges');
create or replace trigger lab_results_transition before insert or update of status on laboratory.lab_results
  for each row execute function core.enforce_transition('laboratory.lab_results', 'status');
create or replace trigger lab_results_first_state after insert on laboratory.lab_results
  for each row execute function core.announce_first_state('laboratory.lab_results');
create or replace trigger lab_results_final_stays before update on laboratory.lab_results
  for each row execute function laboratory.keep_released_result();
create or replace trigger lab_results_qc_accepted before insert or update of status on laboratory.lab_results
  for each row execute function laboratory.check_release();
select audit.track('laboratory.lab_results');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('laboratory.lab_results', '', 'registered', false, null),
  ('laboratory.lab_results', '', 'preliminary', false, null), -- entered with its value
  ('laboratory.lab_results', '', 'corrected', false, 'result.corrected.v1'), -- in the transaction that supersedes the old
  ('laboratory.lab_results', 'registered', 'preliminary', false, null),
  ('laboratory.lab_results', 'registered', 'cancelled', true, null),
  ('laboratory.lab_results', 'preliminary', 'verified', false, null),
  ('laboratory.lab_results', 'preliminary', 'cancelled', true, null),
  ('laboratory.lab_results', 'verified', 'final', false, 'result.final.v1'),
  ('laboratory.lab_results', 'verified', 'preliminary', false, null),
  ('laboratory.lab_results', 'final', 'superseded', false, null),
  ('laboratory.lab_results', 'final', 'entered_in_error', true, null),
  ('laboratory.lab_results', 'corrected', 'superseded', false, null),
  ('laboratory.lab_results', 'corrected', 'entered_in_error', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on laboratory.lab_results to lab_app;
grant select on laboratory.lab_results to lab_ro;

-- laboratory.critical_notifications: proof that a critical value reached someone who can act. Only one with read-back counts:
-- without it the report is not issued (IM313). Attempts that reached nobody are rows too.
create table if not exists laboratory.critical_notifications (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  result_id uuid,
  imaging_result_id uuid,
  patient_id uuid not null,
  notified_to text not null,
  notified_staff_id uuid,
  notified_by uuid not null,
  channel text not null,
  detected_at timestamptz not null,
  notified_at timestamptz not null,
  read_back boolean not null default false,
  within_target boolean generated always as (notified_at - detected_at <= interval '30 minutes') stored,
  escalation_level smallint not null default 0,
  outcome text,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint critical_notifications_pkey primary key (tenant_id, id),
  constraint critical_notifications_channel_check check (channel in ('phone', 'in_person', 'app')),
  constraint critical_notifications_one_subject check (num_nonnulls(result_id, imaging_result_id) = 1),
  constraint critical_notifications_told_after_detection check (notified_at >= detected_at),
  constraint critical_notifications_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint critical_notifications_result_fkey
    foreign key (tenant_id, result_id) references laboratory.lab_results (tenant_id, id)
);

create index if not exists critical_notifications_result_idx on laboratory.critical_notifications (tenant_id, result_id)
  where result_id is not null;
create index if not exists critical_notifications_imaging_result_idx on laboratory.critical_notifications (tenant_id, imaging_result_id)
  where imaging_result_id is not null;
create index if not exists critical_notifications_patient_idx on laboratory.critical_notifications (tenant_id, patient_id);
create index if not exists critical_notifications_notified_staff_idx on laboratory.critical_notifications (tenant_id, notified_staff_id)
  where notified_staff_id is not null;
create index if not exists critical_notifications_notified_by_idx on laboratory.critical_notifications (tenant_id, notified_by);

comment on table laboratory.critical_notifications is 'class=phi;scope=tenant;owner=lab;fhir=Communication;retention=medical_record;append_only=1;about=Proof that a critical value reached someone who can act, with read-back.';
comment on column laboratory.critical_notifications.result_id is 'class=phi;about=The critical laboratory result.';
comment on column laboratory.critical_notifications.imaging_result_id is 'class=phi;about=The critical finding of imaging.';
comment on column laboratory.critical_notifications.patient_id is 'class=phi;about=The patient.';
comment on column laboratory.critical_notifications.notified_to is 'class=operational;about=Who was told: role or name.';
comment on column laboratory.critical_notifications.notified_staff_id is 'class=operational;about=The same as a member of staff, when it is one.';
comment on column laboratory.critical_notifications.notified_by is 'class=operational;about=Who told.';
comment on column laboratory.critical_notifications.channel is 'class=operational;about=phone, in_person or app.';
comment on column laboratory.critical_notifications.detected_at is 'class=phi;about=When the value was known to be critical.';
comment on column laboratory.critical_notifications.notified_at is 'class=phi;about=When it was told.';
comment on column laboratory.critical_notifications.read_back is 'class=phi;about=Whether the listener read the value back.';
comment on column laboratory.critical_notifications.within_target is 'class=phi;about=Whether it was told within 30 minutes.';
comment on column laboratory.critical_notifications.escalation_level is 'class=operational;about=How many were asked before.';
comment on column laboratory.critical_notifications.outcome is 'class=phi;about=What the listener said or will do.';
select core.comment_standard_columns('laboratory.critical_notifications');

alter table laboratory.critical_notifications enable row level security, force row level security;
drop policy if exists tenant_isolation on laboratory.critical_notifications;
create policy tenant_isolation on laboratory.critical_notifications
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger critical_notifications_append_only before update or delete on laboratory.critical_notifications
  for each row execute function core.refuse_change();
create or replace trigger critical_notifications_no_truncate before truncate on laboratory.critical_notifications
  for each statement execute function core.refuse_change();
create or replace trigger critical_notifications_no_aadhaar before insert on laboratory.critical_notifications
  for each row execute function core.reject_aadhaar_like('notified_to', 'outcome');
select audit.track('laboratory.critical_notifications');

grant select on laboratory.critical_notifications to lab_app;
grant select on laboratory.critical_notifications to lab_ro;

-- laboratory.diagnostic_reports: the issued report of an order. A partial report grows into the final one; a final one is
-- never changed (IM311): an amendment or correction is a new version that names the version before it and why.
-- One version of an order's report is current (unique index).
create table if not exists laboratory.diagnostic_reports (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  report_number text not null,
  order_id uuid not null,
  patient_id uuid not null,
  version integer not null default 1,
  issued_at timestamptz,
  signed_by uuid,
  signed_at timestamptz,
  conclusion_enc bytea,
  result_ids uuid[] not null default '{}',
  exceptions text[] not null default '{}',
  interim boolean not null default false,
  is_current boolean not null default true,
  amends_id uuid,
  amendment_reason text,
  document_id uuid,
  delivered jsonb not null default '{}',
  status text not null default 'registered',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint diagnostic_reports_pkey primary key (tenant_id, id),
  constraint diagnostic_reports_number_key unique (tenant_id, report_number, version),
  constraint diagnostic_reports_status_check check (
    status in ('registered', 'partial', 'final', 'cancelled', 'amended', 'corrected', 'entered_in_error')
  ),
  constraint diagnostic_reports_signed check (
    status not in ('final', 'amended', 'corrected') or (signed_by is not null and issued_at is not null)
  ),
  constraint diagnostic_reports_amended_with_reason check (
    version = 1 or (amends_id is not null and amendment_reason is not null)
  ),
  constraint diagnostic_reports_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint diagnostic_reports_order_fkey
    foreign key (tenant_id, order_id) references laboratory.lab_orders (tenant_id, id),
  constraint diagnostic_reports_amends_fkey
    foreign key (tenant_id, amends_id) references laboratory.diagnostic_reports (tenant_id, id)
);

create unique index if not exists diagnostic_reports_one_current on laboratory.diagnostic_reports (tenant_id, order_id) where is_current;
create index if not exists diagnostic_reports_order_idx on laboratory.diagnostic_reports (tenant_id, order_id);
create index if not exists diagnostic_reports_patient_idx on laboratory.diagnostic_reports (tenant_id, patient_id);
create index if not exists diagnostic_reports_signed_by_idx on laboratory.diagnostic_reports (tenant_id, signed_by)
  where signed_by is not null;
create unique index if not exists diagnostic_reports_amended_once on laboratory.diagnostic_reports (tenant_id, amends_id)
  where amends_id is not null;
create index if not exists diagnostic_reports_document_idx on laboratory.diagnostic_reports (tenant_id, document_id)
  where document_id is not null;

comment on table laboratory.diagnostic_reports is 'class=phi;scope=tenant;owner=lab;fhir=DiagnosticReport (lab);retention=medical_record;about=The issued laboratory report.';
comment on column laboratory.diagnostic_reports.report_number is 'class=phi;about=Number for people; versions share it.';
comment on column laboratory.diagnostic_reports.order_id is 'class=phi;about=The order.';
comment on column laboratory.diagnostic_reports.patient_id is 'class=phi;about=The patient.';
comment on column laboratory.diagnostic_reports.version is 'class=phi;about=Counts the versions.';
comment on column laboratory.diagnostic_reports.issued_at is 'class=phi;about=When it was issued.';
comment on column laboratory.diagnostic_reports.signed_by is 'class=operational;about=Who signed it.';
comment on column laboratory.diagnostic_reports.signed_at is 'class=phi;about=When it was signed.';
comment on column laboratory.diagnostic_reports.conclusion_enc is 'class=phi;enc=1;about=Conclusion, encrypted by the application.';
comment on column laboratory.diagnostic_reports.result_ids is 'class=phi;about=The results that it states, in print order.';
comment on column laboratory.diagnostic_reports.exceptions is 'class=phi;about=Why compromised samples were accepted, as stated on the report (ISO 15189, 7.2.6.2).';
comment on column laboratory.diagnostic_reports.is_current is 'class=phi;about=Whether this is the newest version.';
comment on column laboratory.diagnostic_reports.interim is 'class=phi;about=Whether results are still to come.';
comment on column laboratory.diagnostic_reports.amends_id is 'class=phi;about=The version that this one replaces.';
comment on column laboratory.diagnostic_reports.amendment_reason is 'class=phi;about=Why it replaces it; printed.';
comment on column laboratory.diagnostic_reports.document_id is 'class=phi;about=The stored document.';
comment on column laboratory.diagnostic_reports.delivered is 'class=phi;about=When it went where: {"portal": .., "abdm": ..}.';
comment on column laboratory.diagnostic_reports.status is 'class=phi;about=registered, partial, final, amended, corrected; cancelled, entered_in_error.';
select core.comment_standard_columns('laboratory.diagnostic_reports');

alter table laboratory.diagnostic_reports enable row level security, force row level security;
drop policy if exists tenant_isolation on laboratory.diagnostic_reports;
create policy tenant_isolation on laboratory.diagnostic_reports
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger diagnostic_reports_touch before update on laboratory.diagnostic_reports
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger diagnostic_reports_transition before insert or update of status on laboratory.diagnostic_reports
  for each row execute function core.enforce_transition('laboratory.diagnostic_reports', 'status');
create or replace trigger diagnostic_reports_first_state after insert on laboratory.diagnostic_reports
  for each row execute function core.announce_first_state('laboratory.diagnostic_reports');
create or replace trigger diagnostic_reports_final_stays before update on laboratory.diagnostic_reports
  for each row execute function laboratory.keep_issued_report();
select audit.track('laboratory.diagnostic_reports');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('laboratory.diagnostic_reports', '', 'registered', false, null),
  -- a report is issued as it is made; a later version begins as what it is
  ('laboratory.diagnostic_reports', '', 'partial', false, 'report.issued.v1'),
  ('laboratory.diagnostic_reports', '', 'final', false, 'report.issued.v1'),
  ('laboratory.diagnostic_reports', '', 'amended', false, 'report.issued.v1'),
  ('laboratory.diagnostic_reports', '', 'corrected', false, 'report.issued.v1'),
  ('laboratory.diagnostic_reports', 'registered', 'partial', false, 'report.issued.v1'),
  ('laboratory.diagnostic_reports', 'registered', 'final', false, 'report.issued.v1'),
  ('laboratory.diagnostic_reports', 'registered', 'cancelled', false, null),
  ('laboratory.diagnostic_reports', 'partial', 'final', false, 'report.issued.v1'),
  ('laboratory.diagnostic_reports', 'partial', 'cancelled', false, null),
  ('laboratory.diagnostic_reports', 'final', 'entered_in_error', true, null),
  ('laboratory.diagnostic_reports', 'amended', 'entered_in_error', true, null),
  ('laboratory.diagnostic_reports', 'corrected', 'entered_in_error', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on laboratory.diagnostic_reports to lab_app;
grant update (document_id, delivered, row_version) on laboratory.diagnostic_reports to lab_app;
grant select on laboratory.diagnostic_reports to lab_ro;

-- laboratory.qc_lots: lots of control material with mean and standard deviation per test and analyser.
--
-- A lot is established by runs of its own and then accepted (laboratory.accept_qc_lot); only runs after that count for the
-- release of results.
create table if not exists laboratory.qc_lots (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  material text not null,
  lot_number text not null,
  level text not null,
  test_id uuid not null,
  device_id uuid not null,
  mean numeric not null,
  sd numeric not null,
  source text not null,
  runs_for_establishment smallint not null,
  opened_on date not null,
  expires_on date not null,
  rules text[] not null default '{1_2s,1_3s,2_2s,R_4s,4_1s,10_x}',
  accepted_by uuid,
  accepted_at timestamptz,
  status text not null default 'establishing',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint qc_lots_pkey primary key (tenant_id, id),
  constraint qc_lots_lot_once unique (tenant_id, lot_number, level, test_id, device_id),
  constraint qc_lots_level_check check (level in ('L1', 'L2', 'L3')),
  constraint qc_lots_source_check check (source in ('manufacturer', 'established')),
  constraint qc_lots_status_check check (status in ('establishing', 'active', 'retired')),
  constraint qc_lots_accepted_by_someone check ((accepted_at is null) = (accepted_by is null)),
  constraint qc_lots_active_was_accepted check (
    case status when 'establishing' then accepted_at is null when 'active' then accepted_at is not null else true end
  ),
  constraint qc_lots_runs_positive check (runs_for_establishment > 0),
  constraint qc_lots_sd_positive check (sd > 0),
  constraint qc_lots_expires_after_opening check (expires_on > opened_on),
  constraint qc_lots_rules_known check (rules <@ array['1_2s', '1_3s', '2_2s', 'R_4s', '4_1s', '10_x']),
  constraint qc_lots_finite check (
    mean not in ('NaN', 'Infinity', '-Infinity') and sd not in ('NaN', 'Infinity', '-Infinity')
  ),
  constraint qc_lots_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint qc_lots_test_fkey
    foreign key (test_id) references laboratory.lab_tests (id)
);

create index if not exists qc_lots_test_idx on laboratory.qc_lots (test_id, tenant_id);
comment on index laboratory.qc_lots_test_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';

create index if not exists qc_lots_accepted_by_idx on laboratory.qc_lots (tenant_id, accepted_by) where accepted_by is not null;
create index if not exists qc_lots_device_idx on laboratory.qc_lots (tenant_id, device_id);

comment on table laboratory.qc_lots is 'class=operational;scope=tenant;owner=lab;fhir=Substance;retention=operational;about=Control material lots with target mean and SD per test and analyser.';
comment on column laboratory.qc_lots.material is 'class=operational;about=Name of the control material.';
comment on column laboratory.qc_lots.lot_number is 'class=operational;about=Lot number of the manufacturer.';
comment on column laboratory.qc_lots.level is 'class=operational;about=L1, L2 or L3: low, normal, high.';
comment on column laboratory.qc_lots.test_id is 'class=operational;about=The test.';
comment on column laboratory.qc_lots.device_id is 'class=operational;about=The analyser.';
comment on column laboratory.qc_lots.mean is 'class=operational;about=Target mean, in the unit of the test.';
comment on column laboratory.qc_lots.sd is 'class=operational;about=Standard deviation, in the unit of the test.';
comment on column laboratory.qc_lots.source is 'class=operational;about=manufacturer, or established: then acceptance computes mean and SD from the runs.';
comment on column laboratory.qc_lots.runs_for_establishment is 'class=operational;about=How many runs acceptance needs.';
comment on column laboratory.qc_lots.opened_on is 'class=operational;about=First day of use.';
comment on column laboratory.qc_lots.expires_on is 'class=operational;about=Last day of use.';
comment on column laboratory.qc_lots.rules is 'class=operational;about=The Westgard rules that are evaluated; 1_2s warns, the others reject.';
comment on column laboratory.qc_lots.accepted_by is 'class=operational;about=Who accepted the lot for use.';
comment on column laboratory.qc_lots.accepted_at is 'class=operational;about=When; runs from then on count for the release of results.';
comment on column laboratory.qc_lots.status is 'class=operational;about=establishing, active or retired.';
select core.comment_standard_columns('laboratory.qc_lots');

alter table laboratory.qc_lots enable row level security, force row level security;
drop policy if exists tenant_isolation on laboratory.qc_lots;
create policy tenant_isolation on laboratory.qc_lots
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger qc_lots_touch before update on laboratory.qc_lots
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger qc_lots_test_visible before insert or update of test_id on laboratory.qc_lots
  for each row execute function core.check_shared_reference('test_id', 'laboratory.lab_tests');
create or replace trigger qc_lots_transition before insert or update of status on laboratory.qc_lots
  for each row execute function core.enforce_transition('laboratory.qc_lots', 'status');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('laboratory.qc_lots', '', 'establishing', false, null),
  ('laboratory.qc_lots', 'establishing', 'active', false, null),
  ('laboratory.qc_lots', 'establishing', 'retired', false, null),
  ('laboratory.qc_lots', 'active', 'retired', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on laboratory.qc_lots to lab_app;
grant insert (
  tenant_id, id, material, lot_number, level, test_id, device_id, mean, sd, source, runs_for_establishment, opened_on,
  expires_on, rules
) on laboratory.qc_lots to lab_app;
grant select on laboratory.qc_lots to lab_ro;

-- laboratory.qc_results: runs of internal quality control with their Westgard verdict, and rounds of external assessment.
--
-- The verdict is computed here, in laboratory.record_qc, never sent. A row is evidence: only its review (incident, reviewer,
-- time) is filled in later, once (trigger); a rejected run is not reviewed without an incident.
create table if not exists laboratory.qc_results (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  qc_lot_id uuid,
  scheme text not null,
  test_id uuid not null,
  device_id uuid not null,
  run_at timestamptz not null,
  value numeric not null,
  target numeric,
  z_score numeric(8, 4) not null,
  violated_rules text[] not null default '{}',
  verdict text not null,
  operator_id uuid not null,
  eqa_round text,
  eqa_performance text,
  incident_id uuid,
  reviewed_by uuid,
  reviewed_at timestamptz,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint qc_results_pkey primary key (tenant_id, id, run_at),
  constraint qc_results_scheme_check check (scheme in ('iqc', 'eqa')),
  constraint qc_results_verdict_check check (verdict in ('accept', 'warn', 'reject')),
  constraint qc_results_eqa_performance_check check (
    eqa_performance in ('acceptable', 'questionable', 'unacceptable')
  ),
  constraint qc_results_internal_has_lot check ((scheme = 'iqc') = (qc_lot_id is not null)),
  constraint qc_results_external_has_round check (scheme <> 'eqa' or eqa_round is not null),
  constraint qc_results_reviewed_by_someone check ((reviewed_at is null) = (reviewed_by is null)),
  constraint qc_results_reject_reviewed_with_incident check (verdict <> 'reject' or reviewed_at is null or incident_id is not null),
  constraint qc_results_finite check (
    value not in ('NaN', 'Infinity', '-Infinity') and target not in ('NaN', 'Infinity', '-Infinity')
    and z_score <> 'NaN'
  ),
  constraint qc_results_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint qc_results_qc_lot_fkey
    foreign key (tenant_id, qc_lot_id) references laboratory.qc_lots (tenant_id, id),
  constraint qc_results_test_fkey
    foreign key (test_id) references laboratory.lab_tests (id)
) partition by range (run_at);

create table if not exists laboratory.qc_results_default partition of laboratory.qc_results default;

-- a run is recorded once
create unique index if not exists qc_results_run_once on laboratory.qc_results (tenant_id, qc_lot_id, run_at)
  where qc_lot_id is not null;
create index if not exists qc_results_test_idx on laboratory.qc_results (test_id, tenant_id);
comment on index laboratory.qc_results_test_idx is 'about=Led by the reference: a shared row is looked up over all tenants when it is deleted.';
create index if not exists qc_results_device_idx on laboratory.qc_results (tenant_id, device_id, test_id, run_at);
create index if not exists qc_results_operator_idx on laboratory.qc_results (tenant_id, operator_id);
create index if not exists qc_results_incident_idx on laboratory.qc_results (tenant_id, incident_id)
  where incident_id is not null;
create index if not exists qc_results_reviewed_by_idx on laboratory.qc_results (tenant_id, reviewed_by)
  where reviewed_by is not null;

comment on table laboratory.qc_results is 'class=operational;scope=tenant;owner=lab;fhir=Observation;retention=operational;partition=month;about=Internal QC runs with Westgard verdict, and external (EQA/PT) rounds.';
comment on column laboratory.qc_results.qc_lot_id is 'class=operational;about=The control lot; null for an external round.';
comment on column laboratory.qc_results.scheme is 'class=operational;about=iqc internal or eqa external.';
comment on column laboratory.qc_results.test_id is 'class=operational;about=The test.';
comment on column laboratory.qc_results.device_id is 'class=operational;about=The analyser.';
comment on column laboratory.qc_results.run_at is 'class=operational;about=When it was measured; months are partitions.';
comment on column laboratory.qc_results.value is 'class=operational;about=Measured value, in the unit of the test.';
comment on column laboratory.qc_results.target is 'class=operational;about=Mean of the lot at that time, or assigned value of the round.';
comment on column laboratory.qc_results.z_score is 'class=operational;about=(value - target) / SD.';
comment on column laboratory.qc_results.violated_rules is 'class=operational;about=The Westgard rules that the run breaks.';
comment on column laboratory.qc_results.verdict is 'class=operational;about=accept, warn (1_2s only) or reject.';
comment on column laboratory.qc_results.operator_id is 'class=operational;about=Who ran it.';
comment on column laboratory.qc_results.eqa_round is 'class=operational;about=Scheme and round of the external assessment.';
comment on column laboratory.qc_results.eqa_performance is 'class=operational;about=acceptable (|z| at most 2), questionable (below 3) or unacceptable.';
comment on column laboratory.qc_results.incident_id is 'class=operational;about=The nonconformity that a rejected run led to.';
comment on column laboratory.qc_results.reviewed_by is 'class=operational;about=Who reviewed it.';
comment on column laboratory.qc_results.reviewed_at is 'class=operational;about=When it was reviewed.';
select core.comment_standard_columns('laboratory.qc_results');

alter table laboratory.qc_results enable row level security, force row level security;
drop policy if exists tenant_isolation on laboratory.qc_results;
create policy tenant_isolation on laboratory.qc_results
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
alter table laboratory.qc_results_default enable row level security, force row level security;
drop policy if exists tenant_isolation on laboratory.qc_results_default;
create policy tenant_isolation on laboratory.qc_results_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger qc_results_reviewed_once before update on laboratory.qc_results
  for each row execute function laboratory.keep_qc_result();
create or replace trigger qc_results_not_deleted before delete on laboratory.qc_results
  for each row execute function core.refuse_change();
create or replace trigger qc_results_test_visible before insert or update of test_id on laboratory.qc_results
  for each row execute function core.check_shared_reference('test_id', 'laboratory.lab_tests');
select audit.track('laboratory.qc_results');

grant select on laboratory.qc_results to lab_app;
grant select on laboratory.qc_results to lab_ro;

-- blood_bank: tables

-- blood_bank.donors: people who give blood. A donor is one mobile number and birth date; donor and patient are
-- different roles of a person and are joined by patient_id only when somebody said so.
--
-- Whether a donor may give is not a column: it follows from donor_deferrals and the last donation, and is asked again at
-- each screening (IM359). status is what the last decision was.
create table if not exists blood_bank.donors (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  donor_number text not null,
  patient_id uuid,
  name text not null,
  sex text not null,
  birth_date date not null,
  mobile_enc bytea not null,
  mobile_bidx bytea not null,
  address_enc bytea,
  donor_type text not null,
  blood_group text,
  last_whole_blood_on date,
  last_apheresis_on date,
  total_donations integer not null default 0,
  permanent_deferral boolean not null default false,
  consent_to_recall boolean not null default false,
  status text not null default 'active',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint donors_pkey primary key (tenant_id, id),
  constraint donors_sex_check check (sex in ('male', 'female', 'other')),
  constraint donors_donor_type_check check (donor_type in ('voluntary', 'replacement', 'autologous', 'directed')),
  constraint donors_status_check check (status in ('active', 'deferred', 'inactive', 'permanently_deferred')),
  constraint donors_blood_group_known check (blood_group ~ '^(A|B|AB|O)[+-]$'),
  -- to a day, wherever the tenant is; a screening asks to the day
  constraint donors_of_age check (birth_date <= (created_at at time zone 'UTC')::date + 1 - interval '18 years'),
  constraint donors_total_not_negative check (total_donations >= 0),
  constraint donors_permanent_deferral_is_a_state check (permanent_deferral = (status = 'permanently_deferred')),
  constraint donors_tenant_fkey
    foreign key (tenant_id) references core.tenants (id)
);

create unique index if not exists donors_donor_number_key on blood_bank.donors (tenant_id, donor_number)
  where deleted_at is null;
create unique index if not exists donors_mobile_bidx_birth_date_key on blood_bank.donors (tenant_id, mobile_bidx, birth_date)
  where deleted_at is null;
create index if not exists donors_patient_idx on blood_bank.donors (tenant_id, patient_id)
  where patient_id is not null;

comment on table blood_bank.donors is 'class=phi;scope=tenant;owner=lab;fhir=Patient;retention=medical_record;about=Blood donors.';
comment on column blood_bank.donors.donor_number is 'class=pii;about=Number on the donor card, series donor.';
comment on column blood_bank.donors.patient_id is 'class=phi;about=The donor as a patient of this tenant, for autologous donors and where it is known.';
comment on column blood_bank.donors.name is 'class=pii;about=Name on the proof of identity that the donor showed.';
comment on column blood_bank.donors.sex is 'class=pii;about=male, female or other; decides the interval between donations.';
comment on column blood_bank.donors.birth_date is 'class=pii;about=Date of birth.';
comment on column blood_bank.donors.mobile_enc is 'class=pii;enc=1;about=Mobile number, encrypted; the donor is recalled on it.';
comment on column blood_bank.donors.mobile_bidx is 'class=pii;about=Blind index of the mobile number.';
comment on column blood_bank.donors.address_enc is 'class=pii;enc=1;about=Postal address, encrypted.';
comment on column blood_bank.donors.donor_type is 'class=operational;about=voluntary, replacement, autologous or directed.';
comment on column blood_bank.donors.blood_group is 'class=phi;about=ABO and RhD group such as AB-, from the first donation that was released; null before.';
comment on column blood_bank.donors.last_whole_blood_on is 'class=phi;about=Day of the last donation of whole blood or double red cells.';
comment on column blood_bank.donors.last_apheresis_on is 'class=phi;about=Day of the last donation of platelets or plasma.';
comment on column blood_bank.donors.total_donations is 'class=phi;about=Completed donations; changed by operations only.';
comment on column blood_bank.donors.permanent_deferral is 'class=phi;about=True exactly when status is permanently_deferred.';
comment on column blood_bank.donors.consent_to_recall is 'class=operational;about=The donor agreed to be called for donations and results.';
comment on column blood_bank.donors.status is 'class=phi;about=active, deferred (until the last deferral lapses), inactive or permanently_deferred.';
select core.comment_standard_columns('blood_bank.donors');

alter table blood_bank.donors enable row level security, force row level security;
drop policy if exists tenant_isolation on blood_bank.donors;
create policy tenant_isolation on blood_bank.donors
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger donors_no_aadhaar before insert or update on blood_bank.donors
  for each row execute function core.reject_aadhaar_like('donor_number', 'name');
create or replace trigger donors_touch before update on blood_bank.donors
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger donors_transition before insert or update of status on blood_bank.donors
  for each row execute function core.enforce_transition('blood_bank.donors', 'status');
select audit.track('blood_bank.donors');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('blood_bank.donors', '', 'active', false, null),
  ('blood_bank.donors', 'active', 'deferred', false, null),
  ('blood_bank.donors', 'active', 'inactive', false, null),
  ('blood_bank.donors', 'active', 'permanently_deferred', false, null),
  ('blood_bank.donors', 'deferred', 'active', false, null),
  ('blood_bank.donors', 'deferred', 'permanently_deferred', false, null),
  ('blood_bank.donors', 'inactive', 'active', false, null),
  ('blood_bank.donors', 'inactive', 'permanently_deferred', false, null)
on conflict (machine, from_state, to_state) do nothing;

-- the number, the group, the dates and the state belong to operations
grant select on blood_bank.donors to lab_app;
grant update (name, mobile_enc, mobile_bidx, address_enc, donor_type, consent_to_recall, patient_id, row_version)
  on blood_bank.donors to lab_app;
grant select on blood_bank.donors to lab_ro;

-- blood_bank.donor_deferrals: why and until when a donor may not give. Append-only: a deferral lapses by its date, and
-- one that was entered by mistake is answered by a donor who is screened again after it.
create table if not exists blood_bank.donor_deferrals (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  donor_id uuid not null,
  reason_code text not null,
  reason_text text,
  kind text not null,
  from_on date not null,
  until_on date,
  recorded_by uuid not null,
  counselled boolean not null default false,
  source text not null,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint donor_deferrals_pkey primary key (tenant_id, id),
  constraint donor_deferrals_kind_check check (kind in ('temporary', 'permanent')),
  constraint donor_deferrals_source_check check (source in ('screening', 'tti', 'post_donation', 'lookback')),
  constraint donor_deferrals_temporary_has_end check ((kind = 'permanent') = (until_on is null)),
  constraint donor_deferrals_end_after_start check (until_on > from_on),
  constraint donor_deferrals_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint donor_deferrals_donor_fkey
    foreign key (tenant_id, donor_id) references blood_bank.donors (tenant_id, id)
);

create unique index if not exists donor_deferrals_once_key on blood_bank.donor_deferrals (tenant_id, donor_id, from_on, reason_code, source);
create index if not exists donor_deferrals_recorded_by_idx on blood_bank.donor_deferrals (tenant_id, recorded_by);

comment on table blood_bank.donor_deferrals is 'class=phi;scope=tenant;owner=lab;fhir=Flag;retention=medical_record;append_only=1;about=Temporary and permanent deferrals.';
comment on column blood_bank.donor_deferrals.donor_id is 'class=phi;about=The donor.';
comment on column blood_bank.donor_deferrals.reason_code is 'class=phi;about=Short code: low_haemoglobin, low_weight, blood_pressure, tti_HIV, travel, ...';
comment on column blood_bank.donor_deferrals.reason_text is 'class=phi;about=What the code does not say.';
comment on column blood_bank.donor_deferrals.kind is 'class=phi;about=temporary or permanent.';
comment on column blood_bank.donor_deferrals.from_on is 'class=phi;about=First day of the deferral.';
comment on column blood_bank.donor_deferrals.until_on is 'class=phi;about=Day from which the donor may be screened again; null when permanent.';
comment on column blood_bank.donor_deferrals.recorded_by is 'class=operational;about=Member of staff who decided.';
comment on column blood_bank.donor_deferrals.counselled is 'class=phi;about=The donor was told why, and what to do.';
comment on column blood_bank.donor_deferrals.source is 'class=phi;about=screening (before the needle), tti (a reactive test), post_donation (the donor called back) or lookback.';
select core.comment_standard_columns('blood_bank.donor_deferrals');

alter table blood_bank.donor_deferrals enable row level security, force row level security;
drop policy if exists tenant_isolation on blood_bank.donor_deferrals;
create policy tenant_isolation on blood_bank.donor_deferrals
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger donor_deferrals_no_aadhaar before insert on blood_bank.donor_deferrals
  for each row execute function core.reject_aadhaar_like('reason_text');
create or replace trigger donor_deferrals_append_only before update or delete on blood_bank.donor_deferrals
  for each row execute function core.refuse_change();
create or replace trigger donor_deferrals_no_truncate before truncate on blood_bank.donor_deferrals
  for each statement execute function core.refuse_change();
select audit.track('blood_bank.donor_deferrals');

grant select on blood_bank.donor_deferrals to lab_app;
grant select on blood_bank.donor_deferrals to lab_ro;

-- blood_bank.donations: one visit of a donor, from the screening to the release of what was given, identified from the
-- needle on by its ISBT 128 donation identification number (DIN).
--
-- The checks here say what can be measured at all; whether a donor may give is decided by the limits of setting
-- bloodbank.donor (Indian defaults) in trigger donations_donor_may_give, so that a refused donor's low haemoglobin can be
-- recorded and another country can set its own limits.
create table if not exists blood_bank.donations (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  din text,
  donor_id uuid not null,
  kind text not null,
  donation_site text not null,
  camp_name text,
  screened_at timestamptz not null default now(),
  screened_by uuid not null,
  weight_kg numeric(5, 1) not null,
  haemoglobin_g_dl numeric(4, 1) not null,
  systolic smallint not null,
  diastolic smallint not null,
  pulse smallint not null,
  temperature_c numeric(4, 1) not null,
  questionnaire jsonb not null default '{}',
  consent_signature_id uuid,
  eligible boolean not null default false,
  deferral_reason text,
  bag_lot text,
  bag_type text,
  volume_ml smallint,
  started_at timestamptz,
  ended_at timestamptz,
  phlebotomist_id uuid,
  adverse_reaction jsonb,
  status text not null default 'registered',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint donations_pkey primary key (tenant_id, id),
  constraint donations_din_key unique (tenant_id, din),
  constraint donations_kind_check check (
    kind in ('whole_blood', 'plateletpheresis', 'plasmapheresis', 'double_red_cell')
  ),
  constraint donations_status_check check (
    status in ('registered', 'screened', 'deferred', 'collecting', 'collected', 'incomplete', 'quarantined', 'released', 'discarded')
  ),
  constraint donations_din_is_isbt128 check (core.valid_isbt_din(din)),
  constraint donations_haemoglobin_can_be check (haemoglobin_g_dl between 1 and 30),
  constraint donations_weight_can_be check (weight_kg between 10 and 400),
  constraint donations_volume_can_be check (volume_ml between 1 and 1000),
  constraint donations_blood_pressure_can_be check (
    systolic between 30 and 300 and diastolic between 10 and 200 and diastolic < systolic
  ),
  constraint donations_pulse_can_be check (pulse between 20 and 250),
  constraint donations_temperature_can_be check (temperature_c between 30 and 45),
  constraint donations_collected_from_eligible_only check (eligible or status in ('registered', 'deferred')),
  constraint donations_deferral_has_reason check ((status = 'deferred') = (deferral_reason is not null)),
  constraint donations_collecting_is_labelled check (
    status in ('registered', 'screened', 'deferred')
    or num_nulls(din, bag_lot, bag_type, phlebotomist_id, started_at) = 0
  ),
  constraint donations_collected_is_measured check (
    status in ('registered', 'screened', 'deferred', 'collecting') or num_nulls(volume_ml, ended_at) = 0
  ),
  constraint donations_end_after_start check (ended_at >= started_at),
  constraint donations_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint donations_donor_fkey
    foreign key (tenant_id, donor_id) references blood_bank.donors (tenant_id, id)
);

-- a donor is at one needle at a time
create unique index if not exists donations_open_key on blood_bank.donations (tenant_id, donor_id)
  where status in ('registered', 'screened', 'collecting');
create index if not exists donations_donor_idx on blood_bank.donations (tenant_id, donor_id, screened_at);
create index if not exists donations_screened_by_idx on blood_bank.donations (tenant_id, screened_by);
-- what waits for tests, preparation or release
create index if not exists donations_to_release_idx on blood_bank.donations (tenant_id, ended_at)
  where status in ('collected', 'quarantined');
create index if not exists donations_consent_signature_idx on blood_bank.donations (tenant_id, consent_signature_id)
  where consent_signature_id is not null;
create index if not exists donations_phlebotomist_idx on blood_bank.donations (tenant_id, phlebotomist_id)
  where phlebotomist_id is not null;

comment on table blood_bank.donations is 'class=phi;scope=tenant;owner=lab;fhir=Procedure;retention=medical_record;about=One donation, identified by its ISBT-128 DIN.';
comment on column blood_bank.donations.din is 'class=phi;about=ISBT 128 donation identification number of 13 characters; null until the bag is labelled.';
comment on column blood_bank.donations.donor_id is 'class=phi;about=The donor.';
comment on column blood_bank.donations.kind is 'class=phi;about=whole_blood, plateletpheresis, plasmapheresis or double_red_cell.';
comment on column blood_bank.donations.donation_site is 'class=operational;about=Where: centre, mobile or camp.';
comment on column blood_bank.donations.camp_name is 'class=operational;about=Name of the camp.';
comment on column blood_bank.donations.screened_at is 'class=phi;about=When the donor was screened.';
comment on column blood_bank.donations.screened_by is 'class=operational;about=Member of staff who screened.';
comment on column blood_bank.donations.weight_kg is 'class=phi;about=Weight in kg.';
comment on column blood_bank.donations.haemoglobin_g_dl is 'class=phi;about=Haemoglobin in g/dL.';
comment on column blood_bank.donations.systolic is 'class=phi;about=Systolic blood pressure in mmHg.';
comment on column blood_bank.donations.diastolic is 'class=phi;about=Diastolic blood pressure in mmHg.';
comment on column blood_bank.donations.pulse is 'class=phi;about=Beats a minute.';
comment on column blood_bank.donations.temperature_c is 'class=phi;about=Temperature in degrees Celsius.';
comment on column blood_bank.donations.questionnaire is 'class=phi;about=Answers of the donor, by question.';
comment on column blood_bank.donations.consent_signature_id is 'class=phi;about=Signature under the consent of the donor.';
comment on column blood_bank.donations.eligible is 'class=phi;about=The screening found nothing against this donation.';
comment on column blood_bank.donations.deferral_reason is 'class=phi;about=Rule or answer that the donor was deferred for; null unless status is deferred.';
comment on column blood_bank.donations.bag_lot is 'class=operational;about=Lot of the blood bag.';
comment on column blood_bank.donations.bag_type is 'class=operational;about=Type of bag: single, double, triple, quadruple_sagm, apheresis_kit.';
comment on column blood_bank.donations.volume_ml is 'class=phi;about=Volume that was collected in ml.';
comment on column blood_bank.donations.started_at is 'class=phi;about=Needle in.';
comment on column blood_bank.donations.ended_at is 'class=phi;about=Needle out; shelf lives count from here.';
comment on column blood_bank.donations.phlebotomist_id is 'class=operational;about=Member of staff who collected.';
comment on column blood_bank.donations.adverse_reaction is 'class=phi;about=What happened to the donor: kind, severity, treatment.';
comment on column blood_bank.donations.status is 'class=phi;about=registered, screened, deferred, collecting, collected, incomplete, quarantined (components wait for the tests), released or discarded.';
select core.comment_standard_columns('blood_bank.donations');

alter table blood_bank.donations enable row level security, force row level security;
drop policy if exists tenant_isolation on blood_bank.donations;
create policy tenant_isolation on blood_bank.donations
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger donations_donor_may_give before insert or update on blood_bank.donations
  for each row execute function blood_bank.check_donation();
create or replace trigger donations_touch before update on blood_bank.donations
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger donations_transition before insert or update of status on blood_bank.donations
  for each row execute function core.enforce_transition('blood_bank.donations', 'status');
select audit.track('blood_bank.donations');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('blood_bank.donations', '', 'registered', false, null),
  ('blood_bank.donations', 'registered', 'screened', false, null),
  ('blood_bank.donations', 'registered', 'deferred', false, null),
  ('blood_bank.donations', 'screened', 'collecting', false, null),
  ('blood_bank.donations', 'screened', 'deferred', false, null),
  ('blood_bank.donations', 'collecting', 'collected', false, null),
  ('blood_bank.donations', 'collecting', 'incomplete', false, null),
  ('blood_bank.donations', 'collected', 'quarantined', false, null),
  ('blood_bank.donations', 'collected', 'discarded', false, null),
  ('blood_bank.donations', 'quarantined', 'released', false, null),
  ('blood_bank.donations', 'quarantined', 'discarded', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on blood_bank.donations to lab_app;
grant select on blood_bank.donations to lab_ro;

-- blood_bank.donation_tests: screening for infections (TTI) and grouping of a donation.
--
-- Five infections and three grouping tests stand between a donation and its use (blood_bank.clearance_of). A test that is
-- done again is a new row with the next repeat_no; the verifier is never the tester.
create table if not exists blood_bank.donation_tests (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  donation_id uuid not null,
  test text not null,
  method text not null,
  kit_lot text not null,
  kit_expiry date not null,
  result text,
  group_result text,
  tested_at timestamptz not null default now(),
  tested_by uuid not null,
  verified_by uuid,
  repeat_no smallint not null default 1,
  device_id uuid,
  status text not null default 'entered',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint donation_tests_pkey primary key (tenant_id, id),
  constraint donation_tests_repeat_key unique (tenant_id, donation_id, test, repeat_no),
  constraint donation_tests_test_check check (
    test in ('HIV', 'HBSAG', 'HCV', 'SYPHILIS', 'MALARIA', 'NAT', 'ABO_FORWARD', 'ABO_REVERSE', 'RHD', 'ANTIBODY_SCREEN')
  ),
  constraint donation_tests_result_check check (result in ('non_reactive', 'reactive', 'indeterminate', 'invalid')),
  constraint donation_tests_status_check check (status in ('entered', 'verified', 'invalid')),
  constraint donation_tests_result_fits_test check (
    case
      when test in ('ABO_FORWARD', 'ABO_REVERSE') then result is null and group_result in ('A', 'B', 'AB', 'O')
      when test = 'RHD' then result is null and group_result in ('pos', 'neg')
      else result is not null and group_result is null
    end
  ),
  constraint donation_tests_repeat_counts_from_one check (repeat_no >= 1),
  constraint donation_tests_verified_by_second_person check (
    status <> 'verified' or (verified_by is not null and verified_by <> tested_by)
  ),
  constraint donation_tests_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint donation_tests_donation_fkey
    foreign key (tenant_id, donation_id) references blood_bank.donations (tenant_id, id)
);

-- the list of the verifier
create index if not exists donation_tests_to_verify_idx on blood_bank.donation_tests (tenant_id, tested_at) where status = 'entered';
create index if not exists donation_tests_tested_by_idx on blood_bank.donation_tests (tenant_id, tested_by);
create index if not exists donation_tests_verified_by_idx on blood_bank.donation_tests (tenant_id, verified_by)
  where verified_by is not null;
create index if not exists donation_tests_device_idx on blood_bank.donation_tests (tenant_id, device_id)
  where device_id is not null;

comment on table blood_bank.donation_tests is 'class=phi;scope=tenant;owner=lab;fhir=Observation;retention=medical_record;about=Mandatory TTI screening and grouping of each donation.';
comment on column blood_bank.donation_tests.donation_id is 'class=phi;about=The donation that was tested.';
comment on column blood_bank.donation_tests.test is 'class=phi;about=HIV, HBSAG, HCV, SYPHILIS, MALARIA (all five mandatory), NAT, ABO_FORWARD, ABO_REVERSE, RHD or ANTIBODY_SCREEN.';
comment on column blood_bank.donation_tests.method is 'class=operational;about=Method: elisa, clia, rapid, nat, tube, gel, ...';
comment on column blood_bank.donation_tests.kit_lot is 'class=operational;about=Lot of the kit or reagent.';
comment on column blood_bank.donation_tests.kit_expiry is 'class=operational;about=Last day on which the kit may be used.';
comment on column blood_bank.donation_tests.result is 'class=phi;about=non_reactive, reactive, indeterminate or invalid; null for grouping tests.';
comment on column blood_bank.donation_tests.group_result is 'class=phi;about=A, B, AB or O of the ABO tests, pos or neg of RHD; null for others.';
comment on column blood_bank.donation_tests.tested_at is 'class=phi;about=When the test was read.';
comment on column blood_bank.donation_tests.tested_by is 'class=operational;about=Member of staff who read it.';
comment on column blood_bank.donation_tests.verified_by is 'class=operational;about=Second member of staff who verified the result.';
comment on column blood_bank.donation_tests.repeat_no is 'class=operational;about=1 for the first test of the donation, then counting up.';
comment on column blood_bank.donation_tests.device_id is 'class=operational;about=Analyser, when there was one.';
comment on column blood_bank.donation_tests.status is 'class=phi;about=entered, verified (final) or invalid (run failed; test again).';
select core.comment_standard_columns('blood_bank.donation_tests');

alter table blood_bank.donation_tests enable row level security, force row level security;
drop policy if exists tenant_isolation on blood_bank.donation_tests;
create policy tenant_isolation on blood_bank.donation_tests
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger donation_tests_kit_in_date before insert or update of kit_expiry, tested_at on blood_bank.donation_tests
  for each row execute function blood_bank.check_kit_in_date();
create or replace trigger donation_tests_touch before update on blood_bank.donation_tests
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger donation_tests_transition before insert or update of status on blood_bank.donation_tests
  for each row execute function core.enforce_transition('blood_bank.donation_tests', 'status');
select audit.track('blood_bank.donation_tests');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('blood_bank.donation_tests', '', 'entered', false, null),
  ('blood_bank.donation_tests', 'entered', 'verified', false, null),
  ('blood_bank.donation_tests', 'entered', 'invalid', false, null),
  ('blood_bank.donation_tests', 'invalid', 'entered', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on blood_bank.donation_tests to lab_app;
grant select on blood_bank.donation_tests to lab_ro;

-- blood_bank.blood_components: the units that can be transfused.
--
-- Invariants: a unit can be given only when its donation is clear (trigger blood_components_donation_is_clear), never
-- beyond its shelf life (trigger blood_components_within_shelf_life), and to one patient only: the unit's row is the lock
-- of reservation, crossmatch and issue, and blood_issues_one_live_issue is the last guard. Every move has its row in
-- component_events; both are written by blood_bank.move_unit alone.
create table if not exists blood_bank.blood_components (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  donation_id uuid not null,
  din text not null,
  product_code text not null,
  division text not null default '00',
  component text not null,
  abo text,
  rhd text,
  volume_ml smallint not null,
  prepared_at timestamptz not null default now(),
  expires_at timestamptz not null,
  storage_location_id uuid not null,
  storage_temp numrange not null,
  modifications jsonb,
  parent_component_id uuid,
  reserved_for_request_id uuid,
  reserved_until timestamptz,
  discard_reason text,
  status text not null default 'quarantined',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint blood_components_pkey primary key (tenant_id, id),
  constraint blood_components_label_key unique (tenant_id, din, product_code, division),
  constraint blood_components_component_check check (
    component in ('WB', 'PRBC', 'PRBC_SAGM', 'FFP', 'PLT_RDP', 'PLT_SDP', 'CRYO', 'CPP', 'LR_PRBC', 'IRRAD_PRBC')
  ),
  constraint blood_components_abo_check check (abo in ('A', 'B', 'AB', 'O')),
  constraint blood_components_rhd_check check (rhd in ('pos', 'neg')),
  constraint blood_components_status_check check (
    status in ('quarantined', 'available', 'discarded', 'reserved', 'split', 'expired', 'crossmatched', 'issued', 'transfused', 'returned')
  ),
  constraint blood_components_volume_positive check (volume_ml > 0),
  constraint blood_components_expires_after_preparation check (expires_at > prepared_at),
  constraint blood_components_discarded_for_a_reason check ((status = 'discarded') = (discard_reason is not null)),
  constraint blood_components_group_known_before_use check (
    status in ('quarantined', 'discarded') or num_nulls(abo, rhd) = 0
  ),
  constraint blood_components_kept_for_one_request check (
    (status in ('reserved', 'crossmatched')) = (num_nulls(reserved_for_request_id, reserved_until) = 0)
    and num_nulls(reserved_for_request_id, reserved_until) in (0, 2)
  ),
  constraint blood_components_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint blood_components_donation_fkey
    foreign key (tenant_id, donation_id) references blood_bank.donations (tenant_id, id),
  constraint blood_components_parent_component_fkey
    foreign key (tenant_id, parent_component_id) references blood_bank.blood_components (tenant_id, id)
);

-- first expired, first out among units of one group; also the stock view
create index if not exists blood_components_fefo_idx on blood_bank.blood_components (tenant_id, component, abo, rhd, expires_at)
  where status = 'available';
create index if not exists blood_components_to_expire_idx on blood_bank.blood_components (tenant_id, expires_at)
  where status in ('available', 'reserved', 'crossmatched');
create index if not exists blood_components_to_free_idx on blood_bank.blood_components (tenant_id, reserved_until)
  where status in ('reserved', 'crossmatched');
create index if not exists blood_components_donation_idx on blood_bank.blood_components (tenant_id, donation_id);
create index if not exists blood_components_storage_location_idx on blood_bank.blood_components (tenant_id, storage_location_id);
create index if not exists blood_components_parent_component_idx on blood_bank.blood_components (tenant_id, parent_component_id)
  where parent_component_id is not null;
create index if not exists blood_components_reserved_for_request_idx on blood_bank.blood_components (tenant_id, reserved_for_request_id)
  where reserved_for_request_id is not null;

comment on table blood_bank.blood_components is 'class=phi;scope=tenant;owner=lab;fhir=BiologicallyDerivedProduct;retention=medical_record;about=A unit that can be transfused.';
comment on column blood_bank.blood_components.donation_id is 'class=phi;about=The donation that the unit was made of.';
comment on column blood_bank.blood_components.din is 'class=phi;about=Donation identification number on the label.';
comment on column blood_bank.blood_components.product_code is 'class=operational;about=ISBT 128 product code on the label.';
comment on column blood_bank.blood_components.division is 'class=operational;about=Division of the product: 00 for a whole unit, A0, B0 for parts.';
comment on column blood_bank.blood_components.component is 'class=operational;about=WB, PRBC (CPDA-1), PRBC_SAGM, LR_PRBC (leucoreduced), IRRAD_PRBC (irradiated), FFP, CPP (cryo-poor plasma), CRYO, PLT_RDP (random donor) or PLT_SDP (single donor).';
comment on column blood_bank.blood_components.abo is 'class=phi;about=ABO group from the verified tests of the donation; null until the release.';
comment on column blood_bank.blood_components.rhd is 'class=phi;about=RhD pos or neg; null until the release.';
comment on column blood_bank.blood_components.volume_ml is 'class=operational;about=Volume in ml.';
comment on column blood_bank.blood_components.prepared_at is 'class=operational;about=When the unit was made.';
comment on column blood_bank.blood_components.expires_at is 'class=operational;about=End of the shelf life, which counts from the end of the collection.';
comment on column blood_bank.blood_components.storage_location_id is 'class=operational;about=Refrigerator, freezer or agitator where the unit belongs.';
comment on column blood_bank.blood_components.storage_temp is 'class=operational;about=Storage temperature in degrees Celsius.';
comment on column blood_bank.blood_components.modifications is 'class=operational;about=What was done to the unit: irradiated, washed, pooled.';
comment on column blood_bank.blood_components.parent_component_id is 'class=phi;about=The unit that this one is a part of.';
comment on column blood_bank.blood_components.reserved_for_request_id is 'class=phi;about=Request that the unit is kept for while reserved or crossmatched.';
comment on column blood_bank.blood_components.reserved_until is 'class=operational;about=When the reservation lapses.';
comment on column blood_bank.blood_components.discard_reason is 'class=operational;about=Why the unit was discarded: reactive, expired, seal_broken, out_too_long, leak, ...';
comment on column blood_bank.blood_components.status is 'class=operational;about=quarantined, available, reserved, crossmatched, issued, transfused, returned, expired, split or discarded.';
select core.comment_standard_columns('blood_bank.blood_components');

alter table blood_bank.blood_components enable row level security, force row level security;
drop policy if exists tenant_isolation on blood_bank.blood_components;
create policy tenant_isolation on blood_bank.blood_components
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger blood_components_donation_is_clear before insert or update of status on blood_bank.blood_components
  for each row execute function blood_bank.check_unit_is_clear();
create or replace trigger blood_components_within_shelf_life before insert or update of expires_at, component, donation_id
  on blood_bank.blood_components
  for each row execute function blood_bank.check_shelf_life();
create or replace trigger blood_components_touch before update on blood_bank.blood_components
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger blood_components_transition before insert or update of status on blood_bank.blood_components
  for each row execute function core.enforce_transition('blood_bank.blood_components', 'status');
select audit.track('blood_bank.blood_components');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('blood_bank.blood_components', '', 'quarantined', false, null),
  ('blood_bank.blood_components', 'quarantined', 'available', false, 'blood.unit_released.v1'),
  ('blood_bank.blood_components', 'quarantined', 'discarded', false, null),
  ('blood_bank.blood_components', 'available', 'reserved', false, null),
  ('blood_bank.blood_components', 'available', 'split', false, null),
  ('blood_bank.blood_components', 'available', 'discarded', false, null),
  ('blood_bank.blood_components', 'available', 'expired', false, null),
  ('blood_bank.blood_components', 'reserved', 'crossmatched', false, null),
  ('blood_bank.blood_components', 'reserved', 'issued', false, null),
  ('blood_bank.blood_components', 'reserved', 'available', false, null),
  ('blood_bank.blood_components', 'reserved', 'expired', false, null),
  ('blood_bank.blood_components', 'reserved', 'discarded', false, null),
  ('blood_bank.blood_components', 'crossmatched', 'issued', false, null),
  ('blood_bank.blood_components', 'crossmatched', 'available', false, null),
  ('blood_bank.blood_components', 'crossmatched', 'expired', false, null),
  ('blood_bank.blood_components', 'crossmatched', 'discarded', false, null),
  ('blood_bank.blood_components', 'issued', 'transfused', false, null),
  ('blood_bank.blood_components', 'issued', 'returned', false, null),
  ('blood_bank.blood_components', 'issued', 'discarded', false, null),
  ('blood_bank.blood_components', 'returned', 'available', false, null),
  ('blood_bank.blood_components', 'returned', 'discarded', false, null),
  ('blood_bank.blood_components', 'expired', 'discarded', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on blood_bank.blood_components to lab_app;
grant select on blood_bank.blood_components to lab_ro;

-- blood_bank.component_events: the custody and temperature trail of every unit, one row a move, written together with
-- the move by blood_bank.move_unit. Append-only.
create table if not exists blood_bank.component_events (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  component_id uuid not null,
  occurred_at timestamptz not null default clock_timestamp(),
  from_status text,
  to_status text not null,
  actor_id uuid,
  second_actor_id uuid,
  location_id uuid,
  temperature_c numeric(4, 1),
  out_of_storage_minutes smallint,
  reason_code text,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint component_events_pkey primary key (tenant_id, id, occurred_at),
  constraint component_events_reason_of_returns_and_discards check (
    to_status not in ('discarded', 'returned') or reason_code is not null
  ),
  constraint component_events_restocked_within_30_minutes check (
    to_status <> 'available' or from_status is distinct from 'returned' or coalesce(out_of_storage_minutes <= 30, false)
  ),
  -- only jobs free and expire units without a person
  constraint component_events_actor_known check (actor_id is not null or to_status in ('available', 'expired')),
  constraint component_events_finite check (temperature_c <> 'NaN'),
  constraint component_events_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint component_events_component_fkey
    foreign key (tenant_id, component_id) references blood_bank.blood_components (tenant_id, id)
) partition by range (occurred_at);

create table if not exists blood_bank.component_events_default partition of blood_bank.component_events default;

create index if not exists component_events_component_idx on blood_bank.component_events (tenant_id, component_id, occurred_at);
create index if not exists component_events_actor_idx on blood_bank.component_events (tenant_id, actor_id)
  where actor_id is not null;
create index if not exists component_events_second_actor_idx on blood_bank.component_events (tenant_id, second_actor_id)
  where second_actor_id is not null;
create index if not exists component_events_location_idx on blood_bank.component_events (tenant_id, location_id)
  where location_id is not null;

comment on table blood_bank.component_events is 'class=phi;scope=tenant;owner=lab;fhir=Provenance;retention=medical_record;append_only=1;partition=month;about=Custody and temperature trail of every unit.';
comment on column blood_bank.component_events.component_id is 'class=operational;about=The unit.';
comment on column blood_bank.component_events.occurred_at is 'class=operational;about=When it moved; months are partitions. Moves of one transaction keep their order.';
comment on column blood_bank.component_events.from_status is 'class=operational;about=State before; null for a unit that was made.';
comment on column blood_bank.component_events.to_status is 'class=operational;about=State after.';
comment on column blood_bank.component_events.actor_id is 'class=operational;about=Member of staff who moved it; null when a job did.';
comment on column blood_bank.component_events.second_actor_id is 'class=operational;about=Second person: the one who received or brought it back.';
comment on column blood_bank.component_events.location_id is 'class=operational;about=Where it was put.';
comment on column blood_bank.component_events.temperature_c is 'class=operational;about=Temperature of the unit in degrees Celsius, when it was measured.';
comment on column blood_bank.component_events.out_of_storage_minutes is 'class=operational;about=Minutes that a returned unit was out of controlled storage.';
comment on column blood_bank.component_events.reason_code is 'class=operational;about=Why; required for returns and discards.';
select core.comment_standard_columns('blood_bank.component_events');

alter table blood_bank.component_events enable row level security, force row level security;
drop policy if exists tenant_isolation on blood_bank.component_events;
create policy tenant_isolation on blood_bank.component_events
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
alter table blood_bank.component_events_default enable row level security, force row level security;
drop policy if exists tenant_isolation on blood_bank.component_events_default;
create policy tenant_isolation on blood_bank.component_events_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger component_events_append_only before update or delete on blood_bank.component_events
  for each row execute function core.refuse_change();
create or replace trigger component_events_no_truncate before truncate on blood_bank.component_events
  for each statement execute function core.refuse_change();
create or replace trigger component_events_default_no_truncate before truncate on blood_bank.component_events_default
  for each statement execute function core.refuse_change();
select audit.track('blood_bank.component_events');

grant select on blood_bank.component_events to lab_app;
grant select on blood_bank.component_events to lab_ro;

-- blood_bank.patient_blood_groups: what each sample of a patient said about the blood group.
--
-- A group counts only when two samples that were taken independently agree (state confirmed). A sample that disagrees
-- makes every row of the patient that it contradicts discrepant (trigger patient_blood_groups_compared), and until a
-- person has resolved that the group is unconfirmed: O red cells and AB plasma only.
create table if not exists blood_bank.patient_blood_groups (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  patient_id uuid not null,
  abo text not null,
  rhd text not null,
  antibody_screen text not null,
  antibodies text[] not null default '{}',
  sample_id uuid not null,
  tested_at timestamptz not null default now(),
  tested_by uuid not null,
  verified_by uuid,
  discrepancy_note text,
  status text not null default 'first_sample',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint patient_blood_groups_pkey primary key (tenant_id, id),
  constraint patient_blood_groups_patient_sample_key unique (tenant_id, patient_id, sample_id),
  constraint patient_blood_groups_abo_check check (abo in ('A', 'B', 'AB', 'O')),
  constraint patient_blood_groups_rhd_check check (rhd in ('pos', 'neg', 'weak')),
  constraint patient_blood_groups_antibody_screen_check check (
    antibody_screen in ('negative', 'positive', 'not_done')
  ),
  constraint patient_blood_groups_status_check check (
    status in ('first_sample', 'confirmed', 'discrepant', 'rejected')
  ),
  constraint patient_blood_groups_confirmed_by_second_person check (
    status <> 'confirmed' or (verified_by is not null and verified_by <> tested_by)
  ),
  constraint patient_blood_groups_rejected_with_note check (status <> 'rejected' or discrepancy_note is not null),
  constraint patient_blood_groups_antibodies_of_positive_screen check (
    antibodies = '{}' or antibody_screen = 'positive'
  ),
  constraint patient_blood_groups_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint patient_blood_groups_sample_fkey
    foreign key (tenant_id, sample_id) references laboratory.samples (tenant_id, id)
);

create index if not exists patient_blood_groups_discrepant_idx on blood_bank.patient_blood_groups (tenant_id, tested_at)
  where status = 'discrepant';
create index if not exists patient_blood_groups_sample_idx on blood_bank.patient_blood_groups (tenant_id, sample_id);
create index if not exists patient_blood_groups_tested_by_idx on blood_bank.patient_blood_groups (tenant_id, tested_by);
create index if not exists patient_blood_groups_verified_by_idx on blood_bank.patient_blood_groups (tenant_id, verified_by)
  where verified_by is not null;

comment on table blood_bank.patient_blood_groups is 'class=phi;scope=tenant;owner=lab;fhir=Observation;retention=medical_record;about=Confirmed recipient group: two independent samples before group-specific issue.';
comment on column blood_bank.patient_blood_groups.patient_id is 'class=phi;about=The patient.';
comment on column blood_bank.patient_blood_groups.abo is 'class=phi;about=A, B, AB or O.';
comment on column blood_bank.patient_blood_groups.rhd is 'class=phi;about=pos, neg or weak; weak counts as negative for a recipient.';
comment on column blood_bank.patient_blood_groups.antibody_screen is 'class=phi;about=negative, positive or not_done.';
comment on column blood_bank.patient_blood_groups.antibodies is 'class=phi;about=Antibodies that were identified, such as anti-K.';
comment on column blood_bank.patient_blood_groups.sample_id is 'class=phi;about=Sample that was tested.';
comment on column blood_bank.patient_blood_groups.tested_at is 'class=phi;about=When it was tested.';
comment on column blood_bank.patient_blood_groups.tested_by is 'class=operational;about=Member of staff who tested.';
comment on column blood_bank.patient_blood_groups.verified_by is 'class=operational;about=Second member of staff who confirmed or resolved.';
comment on column blood_bank.patient_blood_groups.discrepancy_note is 'class=phi;about=How a discrepancy was resolved.';
comment on column blood_bank.patient_blood_groups.status is 'class=phi;about=first_sample, confirmed (a second sample agrees), discrepant (samples disagree) or rejected (found wrong, such as blood of somebody else in the tube).';
select core.comment_standard_columns('blood_bank.patient_blood_groups');

alter table blood_bank.patient_blood_groups enable row level security, force row level security;
drop policy if exists tenant_isolation on blood_bank.patient_blood_groups;
create policy tenant_isolation on blood_bank.patient_blood_groups
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger patient_blood_groups_compared before insert on blood_bank.patient_blood_groups
  for each row execute function blood_bank.compare_blood_groups();
create or replace trigger patient_blood_groups_touch before update on blood_bank.patient_blood_groups
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger patient_blood_groups_transition before insert or update of status on blood_bank.patient_blood_groups
  for each row execute function core.enforce_transition('blood_bank.patient_blood_groups', 'status');
select audit.track('blood_bank.patient_blood_groups');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('blood_bank.patient_blood_groups', '', 'first_sample', false, null),
  ('blood_bank.patient_blood_groups', '', 'discrepant', false, null),
  ('blood_bank.patient_blood_groups', 'first_sample', 'confirmed', false, null),
  ('blood_bank.patient_blood_groups', 'first_sample', 'discrepant', false, null),
  ('blood_bank.patient_blood_groups', 'confirmed', 'discrepant', false, null),
  ('blood_bank.patient_blood_groups', 'discrepant', 'confirmed', false, null),
  ('blood_bank.patient_blood_groups', 'discrepant', 'first_sample', false, null),
  ('blood_bank.patient_blood_groups', 'discrepant', 'rejected', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on blood_bank.patient_blood_groups to lab_app;
grant select on blood_bank.patient_blood_groups to lab_ro;

-- blood_bank.blood_requests: a doctor asks for units of one component for a patient.
--
-- units_issued counts the live issues of the request and never passes units_requested; status follows the count. A unit
-- that comes back lowers the count and opens the request again.
create table if not exists blood_bank.blood_requests (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  request_number text not null,
  service_request_id uuid,
  patient_id uuid not null,
  encounter_id uuid not null,
  component text not null,
  units_requested smallint not null,
  units_issued smallint not null default 0,
  urgency text not null,
  indication text not null,
  hb_g_dl numeric(4, 1),
  required_by timestamptz not null,
  sample_id uuid,
  requested_by uuid not null,
  consent_id uuid,
  emergency_release_by uuid,
  emergency_release_at timestamptz,
  emergency_reason text,
  status_reason text,
  status text not null default 'requested',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint blood_requests_pkey primary key (tenant_id, id),
  constraint blood_requests_request_number_key unique (tenant_id, request_number),
  constraint blood_requests_urgency_check check (
    urgency in ('routine', 'urgent', 'emergency_uncrossmatched', 'massive_transfusion')
  ),
  constraint blood_requests_status_check check (
    status in ('requested', 'accepted', 'rejected', 'cancelled', 'partially_issued', 'fulfilled', 'closed')
  ),
  constraint blood_requests_component_check check (
    component in ('WB', 'PRBC', 'PRBC_SAGM', 'FFP', 'PLT_RDP', 'PLT_SDP', 'CRYO', 'CPP', 'LR_PRBC', 'IRRAD_PRBC')
  ),
  constraint blood_requests_units_requested_check check (units_requested between 1 and 40),
  constraint blood_requests_not_over_issued check (units_issued between 0 and units_requested),
  constraint blood_requests_status_follows_units check (
    case status
      when 'partially_issued' then units_issued between 1 and units_requested - 1
      when 'fulfilled' then units_issued = units_requested
      when 'closed' then true
      else units_issued = 0
    end
  ),
  constraint blood_requests_haemoglobin_can_be check (hb_g_dl between 1 and 30),
  constraint blood_requests_uncrossmatched_needs_a_doctor check (
    urgency <> 'emergency_uncrossmatched' or status in ('requested', 'rejected', 'cancelled')
    or emergency_release_by is not null
  ),
  constraint blood_requests_emergency_release_has_reason check (
    num_nulls(emergency_release_by, emergency_release_at, emergency_reason) in (0, 3)
  ),
  constraint blood_requests_end_has_reason check (
    status not in ('rejected', 'cancelled', 'closed') or status_reason is not null
  ),
  constraint blood_requests_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint blood_requests_sample_fkey
    foreign key (tenant_id, sample_id) references laboratory.samples (tenant_id, id)
);

-- the work of the blood bank
create index if not exists blood_requests_open_idx on blood_bank.blood_requests (tenant_id, required_by)
  where status in ('requested', 'accepted', 'partially_issued');
create index if not exists blood_requests_service_request_idx on blood_bank.blood_requests (tenant_id, service_request_id)
  where service_request_id is not null;
create index if not exists blood_requests_patient_idx on blood_bank.blood_requests (tenant_id, patient_id);
create index if not exists blood_requests_encounter_idx on blood_bank.blood_requests (tenant_id, encounter_id);
create index if not exists blood_requests_sample_idx on blood_bank.blood_requests (tenant_id, sample_id)
  where sample_id is not null;
create index if not exists blood_requests_requested_by_idx on blood_bank.blood_requests (tenant_id, requested_by);
create index if not exists blood_requests_consent_idx on blood_bank.blood_requests (tenant_id, consent_id)
  where consent_id is not null;
create index if not exists blood_requests_emergency_release_by_idx on blood_bank.blood_requests (tenant_id, emergency_release_by)
  where emergency_release_by is not null;

comment on table blood_bank.blood_requests is 'class=phi;scope=tenant;owner=lab;fhir=ServiceRequest;retention=medical_record;about=Request for units of one component for a patient.';
comment on column blood_bank.blood_requests.request_number is 'class=operational;about=Number of the request, series blood_request.';
comment on column blood_bank.blood_requests.service_request_id is 'class=phi;about=Order that asked for the blood.';
comment on column blood_bank.blood_requests.patient_id is 'class=phi;about=The patient who is to receive it.';
comment on column blood_bank.blood_requests.encounter_id is 'class=phi;about=Visit or stay in which it is needed.';
comment on column blood_bank.blood_requests.component is 'class=operational;about=Component that is asked for, in the words of blood_components.component.';
comment on column blood_bank.blood_requests.units_requested is 'class=phi;about=How many units, 1 to 40.';
comment on column blood_bank.blood_requests.units_issued is 'class=phi;about=Units that are out or were given; changed by operations only.';
comment on column blood_bank.blood_requests.urgency is 'class=phi;about=routine, urgent, emergency_uncrossmatched or massive_transfusion.';
comment on column blood_bank.blood_requests.indication is 'class=phi;about=Why the patient needs it.';
comment on column blood_bank.blood_requests.hb_g_dl is 'class=phi;about=Haemoglobin of the patient in g/dL.';
comment on column blood_bank.blood_requests.required_by is 'class=phi;about=When it is needed.';
comment on column blood_bank.blood_requests.sample_id is 'class=phi;about=Sample for grouping and crossmatch.';
comment on column blood_bank.blood_requests.requested_by is 'class=operational;about=Doctor who asks.';
comment on column blood_bank.blood_requests.consent_id is 'class=phi;about=Consent of the patient to the transfusion.';
comment on column blood_bank.blood_requests.emergency_release_by is 'class=operational;about=Doctor who takes the responsibility for units without a compatible crossmatch.';
comment on column blood_bank.blood_requests.emergency_release_at is 'class=phi;about=When that doctor ordered it; what the patient says afterwards counts again.';
comment on column blood_bank.blood_requests.emergency_reason is 'class=phi;about=Why that doctor could not wait.';
comment on column blood_bank.blood_requests.status_reason is 'class=phi;about=Why the request was rejected, cancelled or closed.';
comment on column blood_bank.blood_requests.status is 'class=phi;about=requested, accepted, partially_issued, fulfilled, closed, rejected or cancelled.';
select core.comment_standard_columns('blood_bank.blood_requests');

alter table blood_bank.blood_requests enable row level security, force row level security;
drop policy if exists tenant_isolation on blood_bank.blood_requests;
create policy tenant_isolation on blood_bank.blood_requests
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger blood_requests_no_aadhaar before insert or update on blood_bank.blood_requests
  for each row execute function core.reject_aadhaar_like('indication', 'emergency_reason', 'status_reason');
create or replace trigger blood_requests_touch before update on blood_bank.blood_requests
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger blood_requests_transition before insert or update of status on blood_bank.blood_requests
  for each row execute function core.enforce_transition('blood_bank.blood_requests', 'status');
select audit.track('blood_bank.blood_requests');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('blood_bank.blood_requests', '', 'requested', false, null),
  ('blood_bank.blood_requests', 'requested', 'accepted', false, null),
  ('blood_bank.blood_requests', 'requested', 'rejected', true, null),
  ('blood_bank.blood_requests', 'requested', 'cancelled', true, null),
  ('blood_bank.blood_requests', 'accepted', 'partially_issued', false, null),
  ('blood_bank.blood_requests', 'accepted', 'fulfilled', false, null),
  ('blood_bank.blood_requests', 'accepted', 'cancelled', true, null),
  ('blood_bank.blood_requests', 'partially_issued', 'fulfilled', false, null),
  ('blood_bank.blood_requests', 'partially_issued', 'accepted', false, null),
  ('blood_bank.blood_requests', 'partially_issued', 'closed', true, null),
  ('blood_bank.blood_requests', 'fulfilled', 'partially_issued', false, null),
  ('blood_bank.blood_requests', 'fulfilled', 'accepted', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on blood_bank.blood_requests to lab_app;
grant select on blood_bank.blood_requests to lab_ro;

-- blood_bank.crossmatches: a unit is tested against a sample of the patient.
--
-- One live crossmatch for a unit and request, valid for at most 72 hours from the collection of the sample. Trigger
-- crossmatches_may_match refuses a unit that the groups forbid (IM352) and an electronic crossmatch without a confirmed
-- group and a negative antibody screen (IM355).
create table if not exists blood_bank.crossmatches (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  request_id uuid not null,
  component_id uuid not null,
  patient_id uuid not null,
  sample_id uuid not null,
  sample_collected_at timestamptz not null,
  method text not null,
  result text,
  performed_by uuid not null,
  performed_at timestamptz not null default now(),
  verified_by uuid,
  valid_until timestamptz not null,
  status text not null default 'pending',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint crossmatches_pkey primary key (tenant_id, id),
  constraint crossmatches_method_check check (method in ('immediate_spin', 'ahg', 'gel', 'electronic')),
  constraint crossmatches_result_check check (result in ('compatible', 'incompatible', 'least_incompatible')),
  constraint crossmatches_status_check check (
    status in ('pending', 'compatible', 'incompatible', 'used', 'expired', 'released')
  ),
  constraint crossmatches_valid_72_hours_at_most check (valid_until <= sample_collected_at + interval '72 hours'),
  constraint crossmatches_status_follows_result check (
    case
      when status = 'pending' then result is null
      when status = 'incompatible' then result = 'incompatible'
      when status = 'released' then coalesce(result, '') <> 'incompatible'
      else coalesce(result in ('compatible', 'least_incompatible'), false)
    end
  ),
  constraint crossmatches_verified_by_second_person check (verified_by <> performed_by),
  constraint crossmatches_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint crossmatches_request_fkey
    foreign key (tenant_id, request_id) references blood_bank.blood_requests (tenant_id, id),
  constraint crossmatches_component_fkey
    foreign key (tenant_id, component_id) references blood_bank.blood_components (tenant_id, id),
  constraint crossmatches_sample_fkey
    foreign key (tenant_id, sample_id) references laboratory.samples (tenant_id, id)
);

create unique index if not exists crossmatches_one_live_key on blood_bank.crossmatches (tenant_id, request_id, component_id)
  where status in ('pending', 'compatible', 'used');
create index if not exists crossmatches_request_idx on blood_bank.crossmatches (tenant_id, request_id);
create index if not exists crossmatches_component_idx on blood_bank.crossmatches (tenant_id, component_id);
create index if not exists crossmatches_patient_idx on blood_bank.crossmatches (tenant_id, patient_id);
create index if not exists crossmatches_sample_idx on blood_bank.crossmatches (tenant_id, sample_id);
create index if not exists crossmatches_performed_by_idx on blood_bank.crossmatches (tenant_id, performed_by);
create index if not exists crossmatches_verified_by_idx on blood_bank.crossmatches (tenant_id, verified_by)
  where verified_by is not null;

comment on table blood_bank.crossmatches is 'class=phi;scope=tenant;owner=lab;fhir=Observation;retention=medical_record;about=Compatibility test of a unit with a patient sample.';
comment on column blood_bank.crossmatches.request_id is 'class=phi;about=The request.';
comment on column blood_bank.crossmatches.component_id is 'class=phi;about=The unit.';
comment on column blood_bank.crossmatches.patient_id is 'class=phi;about=The patient.';
comment on column blood_bank.crossmatches.sample_id is 'class=phi;about=Sample of the patient that was used.';
comment on column blood_bank.crossmatches.sample_collected_at is 'class=phi;about=When that sample was taken.';
comment on column blood_bank.crossmatches.method is 'class=phi;about=immediate_spin, ahg, gel or electronic.';
comment on column blood_bank.crossmatches.result is 'class=phi;about=compatible, incompatible or least_incompatible (given only on emergency release); null while it runs.';
comment on column blood_bank.crossmatches.performed_by is 'class=operational;about=Member of staff who tested.';
comment on column blood_bank.crossmatches.performed_at is 'class=phi;about=When the test was read, or begun while there is no result.';
comment on column blood_bank.crossmatches.verified_by is 'class=operational;about=Second member of staff, where one verified.';
comment on column blood_bank.crossmatches.valid_until is 'class=phi;about=Until then the unit may be issued on it.';
comment on column blood_bank.crossmatches.status is 'class=phi;about=pending, compatible, incompatible, used, expired or released.';
select core.comment_standard_columns('blood_bank.crossmatches');

alter table blood_bank.crossmatches enable row level security, force row level security;
drop policy if exists tenant_isolation on blood_bank.crossmatches;
create policy tenant_isolation on blood_bank.crossmatches
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger crossmatches_may_match before insert on blood_bank.crossmatches
  for each row execute function blood_bank.check_crossmatch();
create or replace trigger crossmatches_touch before update on blood_bank.crossmatches
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger crossmatches_transition before insert or update of status on blood_bank.crossmatches
  for each row execute function core.enforce_transition('blood_bank.crossmatches', 'status');
select audit.track('blood_bank.crossmatches');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('blood_bank.crossmatches', '', 'pending', false, null),
  ('blood_bank.crossmatches', 'pending', 'compatible', false, null),
  ('blood_bank.crossmatches', 'pending', 'incompatible', false, null),
  ('blood_bank.crossmatches', 'pending', 'released', false, null),
  ('blood_bank.crossmatches', 'compatible', 'used', false, null),
  ('blood_bank.crossmatches', 'compatible', 'expired', false, null),
  ('blood_bank.crossmatches', 'compatible', 'released', false, null),
  ('blood_bank.crossmatches', 'used', 'released', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on blood_bank.crossmatches to lab_app;
grant select on blood_bank.crossmatches to lab_ro;

-- blood_bank.blood_issues: a unit leaves the blood bank for a patient, is checked at the bedside, given or brought back.
--
-- blood_issues_one_live_issue: of one unit there is never more than one issue that is out, running or done. A
-- transfusion starts only after two different people have checked patient and unit. A discharge waits for units that are
-- out (trigger on clinical.admissions, IM203).
create table if not exists blood_bank.blood_issues (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  issue_number text not null,
  component_id uuid not null,
  request_id uuid not null,
  crossmatch_id uuid,
  patient_id uuid not null,
  issued_at timestamptz not null default now(),
  issued_by uuid not null,
  received_by uuid not null,
  label_check_by uuid not null,
  bedside_check1_by uuid,
  bedside_check2_by uuid,
  started_at timestamptz,
  ended_at timestamptz,
  volume_given_ml smallint,
  pre_vitals jsonb,
  post_vitals jsonb,
  returned_at timestamptz,
  return_reason text,
  warnings text[] not null default '{}',
  status text not null default 'issued',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint blood_issues_pkey primary key (tenant_id, id),
  constraint blood_issues_issue_number_key unique (tenant_id, issue_number),
  constraint blood_issues_status_check check (status in ('issued', 'transfusing', 'returned', 'completed', 'stopped')),
  constraint blood_issues_taken_by_another_person check (issued_by <> received_by),
  constraint blood_issues_two_different_checkers check (
    num_nulls(bedside_check1_by, bedside_check2_by) = 2
    or (num_nulls(bedside_check1_by, bedside_check2_by) = 0 and bedside_check1_by <> bedside_check2_by)
  ),
  constraint blood_issues_checked_before_start check (started_at is null or bedside_check2_by is not null),
  constraint blood_issues_start_after_issue check (started_at >= issued_at),
  constraint blood_issues_running_has_started check (
    status not in ('transfusing', 'stopped', 'completed') or started_at is not null
  ),
  constraint blood_issues_completed_is_measured check (
    status <> 'completed' or num_nulls(ended_at, volume_given_ml) = 0
  ),
  constraint blood_issues_end_after_start check (ended_at >= started_at),
  constraint blood_issues_volume_not_negative check (volume_given_ml >= 0),
  constraint blood_issues_returned_for_a_reason check (
    status <> 'returned' or num_nulls(returned_at, return_reason) = 0
  ),
  constraint blood_issues_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint blood_issues_component_fkey
    foreign key (tenant_id, component_id) references blood_bank.blood_components (tenant_id, id),
  constraint blood_issues_request_fkey
    foreign key (tenant_id, request_id) references blood_bank.blood_requests (tenant_id, id),
  constraint blood_issues_crossmatch_fkey
    foreign key (tenant_id, crossmatch_id) references blood_bank.crossmatches (tenant_id, id)
);

create unique index if not exists blood_issues_one_live_issue on blood_bank.blood_issues (tenant_id, component_id)
  where status in ('issued', 'transfusing', 'stopped', 'completed');
-- what is out
create index if not exists blood_issues_out_idx on blood_bank.blood_issues (tenant_id, issued_at)
  where status in ('issued', 'transfusing', 'stopped');
create index if not exists blood_issues_component_idx on blood_bank.blood_issues (tenant_id, component_id);
create index if not exists blood_issues_request_idx on blood_bank.blood_issues (tenant_id, request_id);
create index if not exists blood_issues_crossmatch_idx on blood_bank.blood_issues (tenant_id, crossmatch_id)
  where crossmatch_id is not null;
create index if not exists blood_issues_patient_idx on blood_bank.blood_issues (tenant_id, patient_id);
create index if not exists blood_issues_issued_by_idx on blood_bank.blood_issues (tenant_id, issued_by);
create index if not exists blood_issues_received_by_idx on blood_bank.blood_issues (tenant_id, received_by);
create index if not exists blood_issues_label_check_by_idx on blood_bank.blood_issues (tenant_id, label_check_by);
create index if not exists blood_issues_bedside_check1_by_idx on blood_bank.blood_issues (tenant_id, bedside_check1_by)
  where bedside_check1_by is not null;
create index if not exists blood_issues_bedside_check2_by_idx on blood_bank.blood_issues (tenant_id, bedside_check2_by)
  where bedside_check2_by is not null;

comment on table blood_bank.blood_issues is 'class=phi;scope=tenant;owner=lab;fhir=BiologicallyDerivedProduct,MedicationAdministration;retention=medical_record;about=Issue of a unit, bedside check, transfusion, or return.';
comment on column blood_bank.blood_issues.issue_number is 'class=operational;about=Number of the issue, series blood_issue.';
comment on column blood_bank.blood_issues.component_id is 'class=phi;about=The unit.';
comment on column blood_bank.blood_issues.request_id is 'class=phi;about=The request.';
comment on column blood_bank.blood_issues.crossmatch_id is 'class=phi;about=Crossmatch that it was issued on, or that was read after an emergency release; null for plasma and platelets.';
comment on column blood_bank.blood_issues.patient_id is 'class=phi;about=The patient.';
comment on column blood_bank.blood_issues.issued_at is 'class=phi;about=When it left the blood bank.';
comment on column blood_bank.blood_issues.issued_by is 'class=operational;about=Member of staff who handed it over.';
comment on column blood_bank.blood_issues.received_by is 'class=operational;about=Member of staff who took it, another person.';
comment on column blood_bank.blood_issues.label_check_by is 'class=operational;about=Member of staff who compared label, form and unit at the hatch.';
comment on column blood_bank.blood_issues.bedside_check1_by is 'class=operational;about=First person who checked patient and unit at the bedside.';
comment on column blood_bank.blood_issues.bedside_check2_by is 'class=operational;about=Second person who did, another one.';
comment on column blood_bank.blood_issues.started_at is 'class=phi;about=Start of the transfusion.';
comment on column blood_bank.blood_issues.ended_at is 'class=phi;about=End of the transfusion.';
comment on column blood_bank.blood_issues.volume_given_ml is 'class=phi;about=Volume that the patient received in ml.';
comment on column blood_bank.blood_issues.pre_vitals is 'class=phi;about=Vital signs before: temperature, pulse, blood pressure, respiration.';
comment on column blood_bank.blood_issues.post_vitals is 'class=phi;about=Vital signs after.';
comment on column blood_bank.blood_issues.returned_at is 'class=phi;about=When the unit came back unused, or was reported destroyed.';
comment on column blood_bank.blood_issues.return_reason is 'class=phi;about=Why it came back.';
comment on column blood_bank.blood_issues.warnings is 'class=phi;about=What was accepted knowingly or noticed: without_consent, rhd_override, group_unconfirmed, platelets_of_other_group, least_incompatible, not_crossmatched, incompatible_afterwards, over_four_hours.';
comment on column blood_bank.blood_issues.status is 'class=phi;about=issued, transfusing, stopped, completed or returned.';
select core.comment_standard_columns('blood_bank.blood_issues');

alter table blood_bank.blood_issues enable row level security, force row level security;
drop policy if exists tenant_isolation on blood_bank.blood_issues;
create policy tenant_isolation on blood_bank.blood_issues
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger blood_issues_on_crossmatch_or_emergency before insert on blood_bank.blood_issues
  for each row execute function blood_bank.check_issue();
create or replace trigger blood_issues_no_aadhaar before insert or update on blood_bank.blood_issues
  for each row execute function core.reject_aadhaar_like('return_reason');
create or replace trigger blood_issues_touch before update on blood_bank.blood_issues
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger blood_issues_transition before insert or update of status on blood_bank.blood_issues
  for each row execute function core.enforce_transition('blood_bank.blood_issues', 'status');
create or replace trigger blood_issues_announced after insert on blood_bank.blood_issues
  for each row execute function core.announce_first_state('blood_bank.blood_issues');
select audit.track('blood_bank.blood_issues');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('blood_bank.blood_issues', '', 'issued', false, 'blood.issued.v1'),
  ('blood_bank.blood_issues', 'issued', 'transfusing', false, null),
  ('blood_bank.blood_issues', 'issued', 'returned', true, 'blood.returned.v1'),
  ('blood_bank.blood_issues', 'transfusing', 'completed', false, null),
  ('blood_bank.blood_issues', 'transfusing', 'stopped', true, null),
  ('blood_bank.blood_issues', 'stopped', 'completed', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on blood_bank.blood_issues to lab_app;
grant select on blood_bank.blood_issues to lab_ro;

-- blood_bank.transfusion_reactions: haemovigilance. What happened to the patient during or after a transfusion, what was
-- found out and what was reported to the national programme.
create table if not exists blood_bank.transfusion_reactions (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  reaction_number text not null,
  issue_id uuid not null,
  patient_id uuid not null,
  onset_at timestamptz not null,
  kind text not null,
  severity text not null,
  signs jsonb not null default '{}',
  actions jsonb not null default '{}',
  workup jsonb,
  imputability text,
  hvpi_reported_at timestamptz,
  hvpi_ref text,
  reported_by uuid not null,
  status text not null default 'reported',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint transfusion_reactions_pkey primary key (tenant_id, id),
  constraint transfusion_reactions_reaction_number_key unique (tenant_id, reaction_number),
  constraint transfusion_reactions_kind_check check (
    kind in ('febrile', 'allergic', 'anaphylaxis', 'acute_haemolytic', 'delayed_haemolytic', 'taco', 'trali', 'septic', 'other')
  ),
  constraint transfusion_reactions_severity_check check (
    severity in ('mild', 'moderate', 'severe', 'life_threatening', 'fatal')
  ),
  constraint transfusion_reactions_imputability_check check (
    imputability in ('definite', 'probable', 'possible', 'unlikely', 'excluded', 'not_assessable')
  ),
  constraint transfusion_reactions_status_check check (status in ('reported', 'investigating', 'concluded', 'closed')),
  constraint transfusion_reactions_severe_is_assessed check (
    severity not in ('severe', 'life_threatening', 'fatal') or status in ('reported', 'investigating')
    or imputability is not null
  ),
  constraint transfusion_reactions_tenant_fkey
    foreign key (tenant_id) references core.tenants (id),
  constraint transfusion_reactions_issue_fkey
    foreign key (tenant_id, issue_id) references blood_bank.blood_issues (tenant_id, id)
);

create index if not exists transfusion_reactions_open_idx on blood_bank.transfusion_reactions (tenant_id, onset_at)
  where status <> 'closed';
create index if not exists transfusion_reactions_issue_idx on blood_bank.transfusion_reactions (tenant_id, issue_id);
create index if not exists transfusion_reactions_patient_idx on blood_bank.transfusion_reactions (tenant_id, patient_id);
create index if not exists transfusion_reactions_reported_by_idx on blood_bank.transfusion_reactions (tenant_id, reported_by);

comment on table blood_bank.transfusion_reactions is 'class=phi;scope=tenant;owner=lab;fhir=AdverseEvent;retention=medical_record;about=Haemovigilance.';
comment on column blood_bank.transfusion_reactions.reaction_number is 'class=operational;about=Number of the report, series transfusion_reaction.';
comment on column blood_bank.transfusion_reactions.issue_id is 'class=phi;about=Issue of the unit.';
comment on column blood_bank.transfusion_reactions.patient_id is 'class=phi;about=The patient.';
comment on column blood_bank.transfusion_reactions.onset_at is 'class=phi;about=When it began.';
comment on column blood_bank.transfusion_reactions.kind is 'class=phi;about=febrile, allergic, anaphylaxis, acute_haemolytic, delayed_haemolytic, taco, trali, septic or other.';
comment on column blood_bank.transfusion_reactions.severity is 'class=phi;about=mild, moderate, severe, life_threatening or fatal.';
comment on column blood_bank.transfusion_reactions.signs is 'class=phi;about=Signs and symptoms.';
comment on column blood_bank.transfusion_reactions.actions is 'class=phi;about=What was done for the patient.';
comment on column blood_bank.transfusion_reactions.workup is 'class=phi;about=Findings of the blood bank: clerical check, repeat grouping, culture.';
comment on column blood_bank.transfusion_reactions.imputability is 'class=phi;about=definite, probable, possible, unlikely, excluded or not_assessable: was it the transfusion?';
comment on column blood_bank.transfusion_reactions.hvpi_reported_at is 'class=operational;about=When it was reported to the haemovigilance programme.';
comment on column blood_bank.transfusion_reactions.hvpi_ref is 'class=operational;about=Reference of that report.';
comment on column blood_bank.transfusion_reactions.reported_by is 'class=operational;about=Member of staff who reported it.';
comment on column blood_bank.transfusion_reactions.status is 'class=phi;about=reported, investigating, concluded or closed.';
select core.comment_standard_columns('blood_bank.transfusion_reactions');

alter table blood_bank.transfusion_reactions enable row level security, force row level security;
drop policy if exists tenant_isolation on blood_bank.transfusion_reactions;
create policy tenant_isolation on blood_bank.transfusion_reactions
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger transfusion_reactions_touch before update on blood_bank.transfusion_reactions
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger transfusion_reactions_transition before insert or update of status on blood_bank.transfusion_reactions
  for each row execute function core.enforce_transition('blood_bank.transfusion_reactions', 'status');
create or replace trigger transfusion_reactions_announced after insert on blood_bank.transfusion_reactions
  for each row execute function core.announce_first_state('blood_bank.transfusion_reactions');
select audit.track('blood_bank.transfusion_reactions');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('blood_bank.transfusion_reactions', '', 'reported', false, 'blood.reaction.v1'),
  ('blood_bank.transfusion_reactions', 'reported', 'investigating', false, null),
  ('blood_bank.transfusion_reactions', 'investigating', 'concluded', false, null),
  ('blood_bank.transfusion_reactions', 'concluded', 'closed', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on blood_bank.transfusion_reactions to lab_app;
grant select on blood_bank.transfusion_reactions to lab_ro;

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

create or replace view clinical.service_requests with (security_invoker = true) as
select
  r.tenant_id,
  r.entity_id as id,
  (r.attrs ->> 'patient_id')::uuid as patient_id,
  r.attrs ->> 'category' as category,
  r.attrs ->> 'status' as status
from core.entity_refs r
where r.entity_type = 'clinical.service_requests' and (r.lifecycle <> 'deleted');

comment on view clinical.service_requests is 'about=What the service clinical publishes of clinical.service_requests, kept by its events.';
comment on column clinical.service_requests.tenant_id is 'class=operational;about=The tenant that the row belongs to; null in a tenant-or-global table means shared by all.';
comment on column clinical.service_requests.id is 'class=operational;about=Identity of the row, a UUID version 7.';
comment on column clinical.service_requests.patient_id is 'class=phi;about=The patient.';
comment on column clinical.service_requests.category is 'class=phi;about=laboratory, imaging, procedure, referral, consultation, diet, nursing, therapy or blood.';
comment on column clinical.service_requests.status is 'class=operational;about=draft, active, on_hold, completed, revoked, cancelled or entered_in_error.';

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

create or replace view device.device_maintenance with (security_invoker = true) as
select
  r.tenant_id,
  r.entity_id as id,
  (r.attrs ->> 'device_id')::uuid as device_id,
  (r.attrs ->> 'performed_at')::timestamp with time zone as performed_at
from core.entity_refs r
where r.entity_type = 'device.device_maintenance' and (r.lifecycle <> 'deleted');

comment on view device.device_maintenance is 'about=What the service device publishes of device.device_maintenance, kept by its events.';
comment on column device.device_maintenance.tenant_id is 'class=operational;about=The tenant that the row belongs to; null in a tenant-or-global table means shared by all.';
comment on column device.device_maintenance.id is 'class=operational;about=Identity of the row, a UUID version 7.';
comment on column device.device_maintenance.device_id is 'class=operational;about=The device.';
comment on column device.device_maintenance.performed_at is 'class=operational;about=When; one record a device, kind and time.';

create or replace view device.devices with (security_invoker = true) as
select
  r.tenant_id,
  r.entity_id as id,
  r.attrs ->> 'kind' as kind,
  r.attrs ->> 'status' as status,
  (r.attrs ->> 'deleted_at')::timestamp with time zone as deleted_at
from core.entity_refs r
where r.entity_type = 'device.devices' and (r.lifecycle <> 'deleted' or r.attrs ? 'deleted_at');

comment on view device.devices is 'about=What the service device publishes of device.devices, kept by its events.';
comment on column device.devices.tenant_id is 'class=operational;about=The tenant that the row belongs to; null in a tenant-or-global table means shared by all.';
comment on column device.devices.id is 'class=operational;about=Identity of the row, a UUID version 7.';
comment on column device.devices.kind is 'class=operational;about=What it is; fridges and freezers raise cold_chain alarms, analysers need quality control before results are released.';
comment on column device.devices.status is 'class=operational;about=commissioning, active, maintenance, offline (no signal) or retired.';
comment on column device.devices.deleted_at is 'class=operational;about=When the row was deleted; the row itself stays.';

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

-- laboratory: foreign keys

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'laboratory.lab_order_items'::pg_catalog.regclass and conname = 'lab_order_items_sample_fkey') then
    alter table laboratory.lab_order_items add constraint lab_order_items_sample_fkey
  foreign key (tenant_id, sample_id) references laboratory.samples (tenant_id, id);
  end if;
end
$$;

-- blood_bank: foreign keys

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'blood_bank.blood_components'::pg_catalog.regclass and conname = 'blood_components_reserved_for_request_fkey') then
    -- the table of the units is made before this one
    alter table blood_bank.blood_components add constraint blood_components_reserved_for_request_fkey
  foreign key (tenant_id, reserved_for_request_id) references blood_bank.blood_requests (tenant_id, id);
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

-- laboratory: functions

-- Who works, and what is locked. Order of locks: idempotency key, order, sample, legal holds of the tenant, items and
-- results, account, numbers, outbox.
-- Everything below an order is changed under the lock of the order, so its parts always agree.
create or replace function laboratory.lock_order(p_order_id uuid) returns laboratory.lab_orders
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_order laboratory.lab_orders;
begin
  select o.* into v_order
  from laboratory.lab_orders o
  where o.tenant_id = v_tenant and o.id = p_order_id
  for no key update;
  if not found then
    raise exception 'laboratory order % does not exist', p_order_id
      using errcode = 'IM005', hint = 'choose an order of the tenant';
  end if;
  return v_order;
end
$$;

comment on function laboratory.lock_order(uuid) is 'about=The order, locked until the transaction ends. IM005 no such order.';

create or replace function laboratory.lock_sample(p_sample_id uuid) returns laboratory.samples
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_order_id uuid;
  v_sample laboratory.samples;
begin
  -- a sample never changes its order, so that can be read before anything is locked
  select s.order_id into v_order_id
  from laboratory.samples s
  where s.tenant_id = v_tenant and s.id = p_sample_id;
  if not found then
    raise exception 'sample % does not exist', p_sample_id
      using errcode = 'IM005', hint = 'choose a sample of the tenant';
  end if;
  perform laboratory.lock_order(v_order_id);
  select s.* into v_sample
  from laboratory.samples s
  where s.tenant_id = v_tenant and s.id = p_sample_id
  for no key update;
  return v_sample;
end
$$;

comment on function laboratory.lock_sample(uuid) is 'about=The sample, locked behind its order. IM005 no such sample.';

create or replace function laboratory.lock_item(p_order_item_id uuid) returns laboratory.lab_order_items
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_item laboratory.lab_order_items;
begin
  select i.* into v_item
  from laboratory.lab_order_items i
  where i.tenant_id = v_tenant and i.id = p_order_item_id;
  if not found then
    raise exception 'order item % does not exist', p_order_item_id
      using errcode = 'IM005', hint = 'choose an item of an order of the tenant';
  end if;
  perform laboratory.lock_order(v_item.order_id);
  select i.* into v_item
  from laboratory.lab_order_items i
  where i.tenant_id = v_tenant and i.id = p_order_item_id
  for no key update;
  return v_item;
end
$$;

comment on function laboratory.lock_item(uuid) is 'about=The ordered test, locked behind its order. IM005 no such item.';

create or replace function laboratory.lock_result(p_result_id uuid) returns laboratory.lab_results
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_result laboratory.lab_results;
begin
  select r.* into v_result
  from laboratory.lab_results r
  where r.tenant_id = v_tenant and r.id = p_result_id;
  if not found then
    raise exception 'result % does not exist', p_result_id
      using errcode = 'IM005', hint = 'choose a result of the tenant';
  end if;
  perform laboratory.lock_item(v_result.order_item_id);
  select r.* into v_result
  from laboratory.lab_results r
  where r.tenant_id = v_tenant and r.id = p_result_id
  for no key update;
  return v_result;
end
$$;

comment on function laboratory.lock_result(uuid) is 'about=The result, locked behind its item and order. IM005 no such result.';

-- Orders: tests by code, panels opened, charges made once. Billing that has no price or no open account stops nothing.
create or replace function laboratory.find_test(p_code text) returns laboratory.lab_tests
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_test laboratory.lab_tests;
begin
  select t.* into v_test
  from laboratory.lab_tests t
  where t.code = p_code and (t.tenant_id = v_tenant or t.tenant_id is null)
  order by t.tenant_id nulls last
  limit 1;
  if v_test.active is not true then
    raise exception 'there is no test "%"', p_code
      using errcode = 'IM005', hint = 'order a code of laboratory.lab_tests that is active';
  end if;
  return v_test;
end
$$;

comment on function laboratory.find_test(text) is 'about=The test or panel with a code, the tenant''s own before a shared one. IM005 none that is active.';

-- The service of accounts charges when it hears the event; it takes each source once.
create or replace function laboratory.charge(
  p_encounter_id uuid,
  p_code text,
  p_source_type text,
  p_source_id uuid
) returns uuid
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_encounter_id is not null then -- from outside: billed at the counter
    perform core.enqueue(
      'charge', p_source_id, 'charge.requested.v1',
      pg_catalog.jsonb_build_object(
        'encounter_id', p_encounter_id, 'code', p_code, 'source_type', p_source_type, 'source_id', p_source_id,
        'quantity', 1
      )
    );
  end if;
  return null;
end
$$;

comment on function laboratory.charge(uuid, text, text, uuid) is 'about=Puts the price of a test or panel on the account of the encounter, once; null when billing has none.';

-- The service of accounts cancels the charge when it hears the event, or writes a credit note where it is on a bill.
create or replace function laboratory.cancel_charge(p_item laboratory.lab_order_items, p_reason text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_encounter_id uuid;
  v_code text;
begin
  select o.encounter_id into v_encounter_id
  from laboratory.lab_orders o
  where o.tenant_id = p_item.tenant_id and o.id = p_item.order_id;
  if v_encounter_id is null or exists ( -- billed at the counter; or the rest of its panel goes on
    select
    from laboratory.lab_order_items i
    where
      i.tenant_id = p_item.tenant_id and i.order_id = p_item.order_id and i.panel_id = p_item.panel_id
      and i.status <> 'cancelled'
  ) then
    return;
  end if;
  select t.code into v_code
  from laboratory.lab_tests t
  where t.id = coalesce(p_item.panel_id, p_item.test_id);
  perform core.enqueue(
    'charge', case when p_item.panel_id is null then p_item.id else p_item.order_id end, 'charge.cancel_requested.v1',
    pg_catalog.jsonb_build_object(
      'encounter_id', v_encounter_id, 'code', v_code,
      'source_type', case when p_item.panel_id is null then 'laboratory.lab_order_items' else 'laboratory.lab_orders' end,
      'source_id', case when p_item.panel_id is null then p_item.id else p_item.order_id end
    )
  );
end
$$;

comment on function laboratory.cancel_charge(laboratory.lab_order_items, text) is 'about=Cancels the charge of a cancelled test, or of a panel with its last one. What is on a bill stays and is announced as charge.credit_requested.v1.';

create or replace function laboratory.check_requester(
  p_patient_id uuid,
  p_encounter_id uuid,
  p_service_request_id uuid
) returns uuid
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_clinic_id uuid;
begin
  if not exists (
    select
    from patient.patients p
    where p.tenant_id = v_tenant and p.id = p_patient_id and p.deleted_at is null and p.status <> 'merged'
  ) then
    raise exception 'patient % does not exist', p_patient_id
      using errcode = 'IM005', hint = 'choose a patient of the tenant that is not merged or deleted';
  end if;
  if p_encounter_id is not null then
    select e.clinic_id into v_clinic_id
    from clinical.encounters e
    where e.tenant_id = v_tenant and e.id = p_encounter_id and e.patient_id = p_patient_id;
    if not found then
      raise exception 'patient % has no encounter %', p_patient_id, p_encounter_id
        using errcode = 'IM005', hint = 'choose an encounter of the patient';
    end if;
  end if;
  if p_service_request_id is not null and not exists (
    select
    from clinical.service_requests r
    where
      r.tenant_id = v_tenant and r.id = p_service_request_id and r.patient_id = p_patient_id
      and r.category = 'laboratory' and r.status in ('active', 'completed')
  ) then
    raise exception 'patient % has no active laboratory request %', p_patient_id, p_service_request_id
      using errcode = 'IM005', hint = 'activate the request first';
  end if;
  return v_clinic_id;
end
$$;

comment on function laboratory.check_requester(uuid, uuid, uuid) is 'about=Patient, encounter and request belong together; returns the clinic of the encounter. IM005 they do not.';

create or replace function laboratory.tests_of(p_panel_ids uuid[]) returns uuid[]
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select array(
    select distinct t.id
    from laboratory.lab_panel_members m
    join laboratory.lab_tests t on t.id = m.test_id
    where
      m.panel_id = any (p_panel_ids) and (m.tenant_id = core.require_tenant() or m.tenant_id is null) and t.active
  )
$$;

comment on function laboratory.tests_of(uuid[]) is 'about=The active tests of panels.';

create or replace function laboratory.panels_to_charge(p_codes text[]) returns uuid[]
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_panel record;
  v_panels uuid[] := '{}';
begin
  for v_panel in
    select t.id, c.code, laboratory.tests_of(array[t.id]) as tests
    from pg_catalog.unnest(p_codes) as c (code)
    cross join lateral laboratory.find_test(c.code) as t
    where t.kind = 'panel'
  loop
    if v_panel.tests = '{}' then
      raise exception 'the panel "%" holds no tests', v_panel.code
        using errcode = 'IM005', hint = 'add members to laboratory.lab_panel_members';
    end if;
    v_panels := v_panels || v_panel.id;
  end loop;
  -- the smallest goes first, of equal ones the last named
  for v_panel in
    select p.id, laboratory.tests_of(array[p.id]) as tests
    from pg_catalog.unnest(v_panels) with ordinality as p (id, n)
    order by pg_catalog.cardinality(laboratory.tests_of(array[p.id])), p.n desc
  loop
    if v_panel.tests <@ laboratory.tests_of(pg_catalog.array_remove(v_panels, v_panel.id)) then
      v_panels := pg_catalog.array_remove(v_panels, v_panel.id);
    end if;
  end loop;
  return v_panels;
end
$$;

comment on function laboratory.panels_to_charge(text[]) is 'about=The panels among codes, without those whose tests all lie in the others. IM005 no such test, or a panel without tests.';

create or replace function laboratory.place_order(
  p_patient_id uuid,
  p_codes text[],
  p_encounter_id uuid default null,
  p_clinic_id uuid default null,
  p_ordering_doctor_id uuid default null,
  p_external_doctor text default null,
  p_source text default 'opd',
  p_priority text default 'routine',
  p_fasting text default null,
  p_clinical_info_enc bytea default null,
  p_service_request_id uuid default null,
  p_ordered_at timestamptz default null,
  p_key text default null
) returns laboratory.lab_orders
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_order laboratory.lab_orders;
  v_claim record;
  v_clinic_id uuid;
  v_order_id uuid := core.uuid_v7();
  v_ordered_at timestamptz := coalesce(p_ordered_at, now());
  v_code text;
  v_test laboratory.lab_tests;
  v_member record;
  v_item record;
  v_items jsonb := '[]';
  v_tests uuid[] := '{}';
  v_panels uuid[];
  v_in_panels uuid[];
  v_item_id uuid;
  v_charge_id uuid;
  v_charged boolean := false;
  v_minutes int := 0;
begin
  if p_key is not null then
    v_claim := core.idempotent_begin('laboratory.place_order', p_key, pg_catalog.sha256(pg_catalog.convert_to(
      pg_catalog.jsonb_build_array(
        p_patient_id, p_codes, p_encounter_id, p_clinic_id, p_ordering_doctor_id, p_external_doctor, p_source,
        p_priority, p_fasting, p_service_request_id, p_ordered_at
      )::text, 'UTF8'
    )));
    if v_claim.state = 'done' then
      select o.* into v_order
      from laboratory.lab_orders o
      where o.tenant_id = v_tenant and o.id = (v_claim.response ->> 'order_id')::uuid;
      return v_order;
    end if;
  end if;
  if p_service_request_id is not null then
    -- one order a request: whoever comes second finds the first
    perform pg_catalog.pg_advisory_xact_lock(
      pg_catalog.hashtextextended('laboratory.lab_orders' || v_tenant || p_service_request_id, 0)
    );
    select o.* into v_order
    from laboratory.lab_orders o
    where o.tenant_id = v_tenant and o.service_request_id = p_service_request_id;
    if found then
      return laboratory.answer_order(v_order, p_key);
    end if;
  end if;
  if coalesce(pg_catalog.cardinality(p_codes), 0) = 0 then
    raise exception 'an order needs at least one test' using errcode = '22023', hint = 'give codes of laboratory.lab_tests';
  end if;
  v_clinic_id := coalesce(laboratory.check_requester(p_patient_id, p_encounter_id, p_service_request_id), p_clinic_id);
  if v_clinic_id is null then
    raise exception 'an order without an encounter needs a clinic'
      using errcode = '22023', hint = 'give the clinic whose laboratory works on it';
  end if;

  -- what is ordered: panels opened, a test once; what ordered panels hold is not charged beside them
  v_panels := laboratory.panels_to_charge(p_codes);
  v_in_panels := laboratory.tests_of(v_panels);
  foreach v_code in array p_codes loop
    v_test := laboratory.find_test(v_code);
    continue when v_test.id = any (v_in_panels) or v_test.kind = 'panel' and v_test.id <> all (v_panels);
    if v_test.kind = 'panel' then
      v_charge_id := laboratory.charge(p_encounter_id, v_code, 'laboratory.lab_orders', v_order_id);
    end if;
    for v_member in
      select t.id, t.tat_minutes, t.stat_tat_minutes, m.panel_id, m.seq
      from laboratory.lab_panel_members m
      join laboratory.lab_tests t on t.id = m.test_id
      where m.panel_id = v_test.id and (m.tenant_id = v_tenant or m.tenant_id is null) and t.active
      union all
      select v_test.id, v_test.tat_minutes, v_test.stat_tat_minutes, null, 0
      where v_test.kind <> 'panel'
      order by seq
    loop
      continue when v_member.id = any (v_tests);
      v_tests := v_tests || v_member.id;
      v_item_id := core.uuid_v7();
      if v_test.kind <> 'panel' then
        v_charge_id := laboratory.charge(p_encounter_id, v_code, 'laboratory.lab_order_items', v_item_id);
      end if;
      v_charged := v_charged or v_charge_id is not null;
      v_items := v_items || pg_catalog.jsonb_build_object(
        'id', v_item_id, 'position', pg_catalog.cardinality(v_tests), 'test_id', v_member.id, 'panel_id', v_member.panel_id, 'charge_item_id', v_charge_id,
        'minutes', case when p_priority = 'stat' then coalesce(v_member.stat_tat_minutes, v_member.tat_minutes)
          else v_member.tat_minutes end
      );
      v_minutes := greatest(v_minutes, (v_items -> -1 ->> 'minutes')::int);
    end loop;
  end loop;

  insert into laboratory.lab_orders (
    tenant_id, id, order_number, service_request_id, patient_id, encounter_id, clinic_id, source, ordering_doctor_id,
    external_doctor, clinical_info_enc, fasting, priority, ordered_at, due_at, billed_at
  )
  values (
    v_tenant, v_order_id, core.next_default_number('lab_order', '', 'LO{YY}-'), p_service_request_id, p_patient_id,
    p_encounter_id, v_clinic_id, p_source, p_ordering_doctor_id, p_external_doctor, p_clinical_info_enc, p_fasting,
    p_priority, v_ordered_at, v_ordered_at + pg_catalog.make_interval(mins => v_minutes),
    case when v_charged then now() end
  )
  returning * into v_order;
  for v_item in
    select x.*
    from pg_catalog.jsonb_to_recordset(v_items)
      as x (id uuid, position smallint, test_id uuid, panel_id uuid, charge_item_id uuid, minutes int)
  loop
    insert into laboratory.lab_order_items (
      tenant_id, id, order_id, position, test_id, panel_id, charge_item_id, due_at
    )
    values (
      v_tenant, v_item.id, v_order_id, v_item.position, v_item.test_id, v_item.panel_id, v_item.charge_item_id,
      v_ordered_at + pg_catalog.make_interval(mins => v_item.minutes)
    );
  end loop;
  return laboratory.answer_order(v_order, p_key);
end
$$;

comment on function laboratory.place_order(uuid, text[], uuid, uuid, uuid, text, text, text, text, bytea, uuid, timestamptz, text) is 'about=Orders tests and panels by code for a patient, with a doctor of the house or from outside, and charges the encounter. One order for a service request; p_key makes other calls repeatable. IM005 no such test, patient, encounter or request, IM010, IM011 key used for another order.';

create or replace function laboratory.answer_order(p_order laboratory.lab_orders, p_key text) returns laboratory.lab_orders
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_key is not null then
    perform core.idempotent_finish(
      'laboratory.place_order', p_key, pg_catalog.jsonb_build_object('order_id', p_order.id)
    );
  end if;
  return p_order;
end
$$;

comment on function laboratory.answer_order(laboratory.lab_orders, text) is 'about=Keeps the answer of laboratory.place_order for its key, and gives it.';

create or replace function laboratory.settle_order(p_order_id uuid) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_status text;
  v_next text;
  v_open int;
  v_begun int;
  v_reported int;
  v_amended int;
begin
  select o.status into v_status from laboratory.lab_orders o where o.tenant_id = v_tenant and o.id = p_order_id;
  select
    pg_catalog.count(*) filter (where i.status not in ('reported', 'amended', 'cancelled')),
    pg_catalog.count(*) filter (where i.status not in ('ordered', 'cancelled')),
    pg_catalog.count(*) filter (where i.status in ('reported', 'amended')),
    pg_catalog.count(*) filter (where i.status = 'amended')
  into v_open, v_begun, v_reported, v_amended
  from laboratory.lab_order_items i
  where i.tenant_id = v_tenant and i.order_id = p_order_id;

  -- one move after the other, as the state machine has them
  loop
    v_next := case
      when v_status in ('registered', 'in_progress') and v_begun = 0 and v_open = 0 then 'cancelled'
      when v_status = 'registered' and v_begun > 0 then 'in_progress'
      when v_status = 'in_progress' and v_reported > 0 and v_open > 0 then 'partially_reported'
      when v_status in ('in_progress', 'partially_reported') and v_reported > 0 and v_open = 0 then 'completed'
      when v_status = 'completed' and v_amended > 0 then 'amended'
    end;
    exit when v_next is null;
    update laboratory.lab_orders o set status = v_next where o.tenant_id = v_tenant and o.id = p_order_id;
    v_status := v_next;
  end loop;
end
$$;

comment on function laboratory.settle_order(uuid) is 'about=Moves an order that the caller has locked to where its items are.';

create or replace function laboratory.cancel_order_item(p_order_item_id uuid, p_reason text) returns laboratory.lab_order_items
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_item laboratory.lab_order_items := laboratory.lock_item(p_order_item_id);
  v_sample_id uuid := v_item.sample_id;
begin
  if v_item.status = 'cancelled' then
    return v_item;
  end if;
  if coalesce(pg_catalog.btrim(p_reason), '') = '' then
    raise exception 'order item % needs a reason to be cancelled', p_order_item_id
      using errcode = 'IM002', hint = 'say why in p_reason';
  end if;
  perform core.set_reason(p_reason);
  update laboratory.lab_order_items i
  set status = 'cancelled', cancel_reason = p_reason
  where i.tenant_id = v_tenant and i.id = p_order_item_id
  returning i.* into v_item;

  -- a sample that nobody needs any more is not collected
  if exists (
    select from laboratory.samples s where s.tenant_id = v_tenant and s.id = v_sample_id and s.status = 'planned'
  ) and not exists (
    select
    from laboratory.lab_order_items i
    where i.tenant_id = v_tenant and i.sample_id = v_sample_id and i.status <> 'cancelled'
  ) then
    perform laboratory.move_sample(laboratory.lock_sample(v_sample_id), 'cancelled');
  end if;
  perform laboratory.cancel_charge(v_item, p_reason);
  perform laboratory.settle_order(v_item.order_id);
  return v_item;
end
$$;

comment on function laboratory.cancel_order_item(uuid, text) is 'about=Cancels a test that is not in process yet, its planned sample when nothing else needs it, and the order when nothing is left. Its charge is cancelled, that of a panel with its last test; what is on a bill stays, and event charge.credit_requested.v1 asks for a credit note. IM001 too far on, IM002 no reason, IM005 no such item.';

create or replace function laboratory.cancel_order(p_order_id uuid, p_reason text) returns laboratory.lab_orders
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_order laboratory.lab_orders := laboratory.lock_order(p_order_id);
  v_item_id uuid;
begin
  for v_item_id in
    select i.id
    from laboratory.lab_order_items i
    where i.tenant_id = v_tenant and i.order_id = p_order_id and i.status <> 'cancelled'
    order by i.id
  loop
    perform laboratory.cancel_order_item(v_item_id, p_reason);
  end loop;
  select o.* into v_order from laboratory.lab_orders o where o.tenant_id = v_tenant and o.id = p_order_id;
  return v_order;
end
$$;

comment on function laboratory.cancel_order(uuid, text) is 'about=Cancels all tests of an order with their charges, or none when one is in process. IM001 one is too far on, IM002 no reason, IM005 no such order.';

-- From an order to labelled samples, and from a sample to its aliquots.
create or replace function laboratory.add_sample(
  p_order laboratory.lab_orders,
  p_specimen_type text,
  p_container text,
  p_barcode text,
  p_recollection_of_id uuid
) returns laboratory.samples
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_number text := core.next_default_number('accession', '', 'L{YY}-');
  v_sample laboratory.samples;
begin
  insert into laboratory.samples (
    tenant_id, accession_number, barcode, order_id, patient_id, specimen_type, container, recollection_of_id
  )
  values (
    p_order.tenant_id, v_number, coalesce(p_barcode, v_number), p_order.id, p_order.patient_id, p_specimen_type,
    p_container, p_recollection_of_id
  )
  on conflict on constraint samples_barcode_key do nothing
  returning * into v_sample;
  if not found then
    raise exception 'the barcode for order % is on another sample', p_order.id
      using errcode = 'IM303', hint = 'print a new label';
  end if;
  insert into laboratory.sample_events (tenant_id, sample_id, occurred_at, to_status, actor_id)
  values (p_order.tenant_id, v_sample.id, now(), 'planned', workforce.acting_staff_id());
  return v_sample;
end
$$;

comment on function laboratory.add_sample(laboratory.lab_orders, text, text, text, uuid) is 'about=A planned sample of an order that the caller has locked, with its number, label and first event. IM303 the barcode is taken.';

create or replace function laboratory.accession(p_order_id uuid, p_labels jsonb default '[]') returns setof laboratory.samples
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_order laboratory.lab_orders := laboratory.lock_order(p_order_id);
  v_specimen record;
  v_sample laboratory.samples;
begin
  for v_specimen in
    select t.specimen_type, t.container
    from laboratory.lab_order_items i
    join laboratory.lab_tests t on t.id = i.test_id
    where i.tenant_id = v_tenant and i.order_id = p_order_id and i.status = 'ordered' and i.sample_id is null
    group by t.specimen_type, t.container
    order by t.specimen_type, t.container
  loop
    v_sample := laboratory.add_sample(
      v_order, v_specimen.specimen_type, v_specimen.container,
      (
        select l.label ->> 'barcode'
        from pg_catalog.jsonb_array_elements(p_labels) as l (label)
        where
          l.label ->> 'specimen_type' = v_specimen.specimen_type
          and coalesce(l.label ->> 'container', v_specimen.container) = v_specimen.container
        limit 1
      ),
      null
    );
    update laboratory.lab_order_items i
    set sample_id = v_sample.id
    where
      i.tenant_id = v_tenant and i.order_id = p_order_id and i.status = 'ordered' and i.sample_id is null
      and i.test_id in (
        select t.id
        from laboratory.lab_tests t
        where t.specimen_type = v_specimen.specimen_type and t.container = v_specimen.container
      );
  end loop;
  return query
  select s.*
  from laboratory.samples s
  where s.tenant_id = v_tenant and s.order_id = p_order_id and s.parent_sample_id is null
  order by s.accession_number;
end
$$;

comment on function laboratory.accession(uuid, jsonb) is 'about=Plans the samples of an order: one for each specimen type and container that its tests need, with accession number and barcode. p_labels names preprinted barcodes: [{specimen_type, container, barcode}]. Returns all primary samples of the order; asked again it makes none twice. IM005 no such order, IM006, IM303 barcode taken.';

create or replace function laboratory.create_aliquots(
  p_sample_id uuid,
  p_volumes_ml numeric[],
  p_client_op_id uuid,
  p_actor_id uuid default null,
  p_location_id uuid default null
) returns setof laboratory.samples
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_sample laboratory.samples := laboratory.lock_sample(p_sample_id);
  v_actor_id uuid := coalesce(p_actor_id, workforce.acting_staff_id());
  v_first smallint;
  v_no smallint;
  v_aliquot laboratory.samples;
begin
  if p_client_op_id is null or coalesce(pg_catalog.cardinality(p_volumes_ml), 0) = 0 or 0 >= any (p_volumes_ml) then
    raise exception 'aliquots of sample % need volumes above zero and an operation id', p_sample_id
      using errcode = '22023', hint = 'give the volumes in ml, and one new id for the whole call';
  end if;
  -- the id of the call is on the event of its first aliquot
  select a.aliquot_no into v_first
  from laboratory.sample_events e
  join laboratory.samples a on a.tenant_id = e.tenant_id and a.id = e.sample_id
  where e.tenant_id = v_tenant and e.client_op_id = p_client_op_id and a.parent_sample_id = p_sample_id;

  if v_first is null then
    if v_sample.status not in ('accessioned', 'aliquoted') or v_sample.parent_sample_id is not null then
      raise exception 'sample % is % and cannot be divided', p_sample_id, v_sample.status
        using errcode = 'IM300', hint = 'divide a primary sample that is accessioned';
    end if;
    if v_sample.status = 'accessioned' then
      perform laboratory.move_sample(v_sample, 'aliquoted', v_actor_id, p_location_id);
    end if;
    select coalesce(pg_catalog.max(s.aliquot_no), 0) + 1 into v_first
    from laboratory.samples s
    where s.tenant_id = v_tenant and s.parent_sample_id = p_sample_id;

    for v_index in 1..pg_catalog.cardinality(p_volumes_ml) loop
      v_no := v_first + v_index - 1;
      v_aliquot := v_sample;
      v_aliquot.id := core.uuid_v7();
      v_aliquot.accession_number := v_sample.accession_number || '-A' || v_no;
      v_aliquot.barcode := v_aliquot.accession_number;
      v_aliquot.parent_sample_id := p_sample_id;
      v_aliquot.aliquot_no := v_no;
      v_aliquot.volume_ml := p_volumes_ml[v_index];
      v_aliquot.recollection_of_id := null;
      v_aliquot.status := 'accessioned';
      v_aliquot.row_version := 1;
      v_aliquot.created_at := now();
      v_aliquot.created_by := core.current_user_id();
      v_aliquot.updated_at := now();
      v_aliquot.updated_by := null;
      insert into laboratory.samples values (v_aliquot.*) on conflict on constraint samples_barcode_key do nothing;
      if not found then
        raise exception 'the barcode of an aliquot of sample % is on another sample', p_sample_id
          using errcode = 'IM303', hint = 'print a new label';
      end if;
      insert into laboratory.sample_events (
        tenant_id, sample_id, occurred_at, to_status, actor_id, location_id, client_op_id
      )
      values (
        v_tenant, v_aliquot.id, now(), 'accessioned', v_actor_id, p_location_id,
        case when v_index = 1 then p_client_op_id end
      );
    end loop;
  end if;
  return query
  select s.*
  from laboratory.samples s
  where
    s.tenant_id = v_tenant and s.parent_sample_id = p_sample_id
    and s.aliquot_no between v_first and v_first + pg_catalog.cardinality(p_volumes_ml) - 1
  order by s.aliquot_no;
end
$$;

comment on function laboratory.create_aliquots(uuid, numeric[], uuid, uuid, uuid) is 'about=Divides an accessioned sample into aliquots of so many ml each; the same p_client_op_id again returns the same aliquots. IM005 no such sample, IM006, IM300 it cannot be divided, IM303 barcode taken, IM304 more than the sample holds.';

-- The life of a sample: one function moves it, and writes one event a move in the same transaction.
create or replace function laboratory.move_sample(
  p_sample laboratory.samples,
  p_to laboratory.sample_status,
  p_actor_id uuid default null,
  p_location_id uuid default null,
  p_reason_code text default null,
  p_temperature_c numeric default null,
  p_client_op_id uuid default null,
  p_occurred_at timestamptz default null,
  p_details jsonb default '{}'
) returns laboratory.sample_events
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_sample laboratory.samples := p_sample;
  v_at timestamptz := coalesce(p_occurred_at, now());
  v_last timestamptz;
  v_actor_id uuid := coalesce(p_actor_id, workforce.acting_staff_id());
  v_event laboratory.sample_events;
begin
  if not exists (
    select
    from core.transition_rules r
    where r.machine = 'laboratory.samples' and r.from_state = p_sample.status::text and r.to_state = p_to::text
  ) then
    raise exception 'sample % cannot go from "%" to "%"', p_sample.id, p_sample.status, p_to
      using errcode = 'IM300', hint = 'core.transition_rules lists the moves of laboratory.samples';
  end if;
  -- a sample may be taken before anybody planned it; from then on time goes forward
  if p_to <> 'collected' then
    select pg_catalog.max(e.occurred_at) into v_last
    from laboratory.sample_events e
    where e.tenant_id = p_sample.tenant_id and e.sample_id = p_sample.id and e.to_status <> 'planned';
  end if;
  if p_occurred_at is null then -- this transaction may have begun before the one that it waited for: the order is kept
    v_at := greatest(v_at, v_last + interval '1 microsecond');
  elsif p_occurred_at > now() + interval '5 minutes' or p_occurred_at < v_last then
    raise exception 'sample % cannot become "%" at that time', p_sample.id, p_to
      using errcode = 'IM300', hint = 'the time lies in the future, or before the last event of the sample';
  end if;

  v_sample.status := p_to;
  case p_to
    when 'collected' then
      if coalesce(p_details ->> 'patient_id_check', 'not_done') = 'not_done' then
        raise exception 'the patient of sample % was not identified', p_sample.id
          using errcode = 'IM302', hint = 'check two identifiers at the bedside, then collect';
      end if;
      v_sample.patient_id_check := p_details ->> 'patient_id_check';
      v_sample.collected_at := v_at;
      v_sample.collected_by := v_actor_id;
      v_sample.collection_location_id := p_location_id;
      v_sample.volume_ml := (p_details ->> 'volume_ml')::numeric;
      v_sample.body_site := p_details ->> 'body_site';
      v_sample.collection_method := p_details ->> 'collection_method';
    when 'in_transit' then
      v_sample.shipment_ref := p_details ->> 'shipment_ref';
      v_sample.shipped_at := v_at;
    when 'received' then
      v_sample.received_at := v_at;
      v_sample.received_by := v_actor_id;
      v_sample.accepted_with_exception := p_details ->> 'accepted_with_exception';
      v_sample.receipt_condition := laboratory.condition_on_receipt(
        v_sample, coalesce(p_details ->> 'receipt_condition', 'good'), p_temperature_c
      );
    when 'rejected', 'lost' then
      if p_reason_code is null then
        raise exception 'sample % needs a coded reason to be %', p_sample.id, p_to
          using errcode = 'IM301', hint = 'send the reason code';
      end if;
      if p_to = 'rejected' then
        v_sample.rejection_reason_code := p_reason_code;
        v_sample.rejected_by := v_actor_id;
        v_sample.rejected_at := v_at;
        v_sample.receipt_condition := coalesce(p_details ->> 'receipt_condition', v_sample.receipt_condition);
      end if;
    when 'stored' then
      v_sample.storage_location_id := p_location_id;
      v_sample.storage_position := p_details ->> 'storage_position';
      v_sample.retain_until := coalesce(
        (p_details ->> 'retain_until')::date, v_sample.retain_until,
        (v_at at time zone core.tenant_zone())::date + coalesce((core.setting('laboratory.retain_days') #>> '{}')::int, 7)
      );
    when 'disposed' then
      -- a hold that is being placed is waited for
      perform pg_catalog.pg_advisory_xact_lock_shared(compliance.holds_lock_key(p_sample.tenant_id));
      if compliance.is_under_hold('laboratory', 'samples', p_sample.id, p_sample.patient_id) then
        raise exception 'sample % is under a legal hold', p_sample.id
          using errcode = 'IM007', hint = 'keep it until the hold is lifted';
      end if;
      if v_sample.retain_until > core.tenant_today() and p_reason_code is null then
        raise exception 'sample % is to be kept until %', p_sample.id, v_sample.retain_until
          using errcode = 'IM002', hint = 'wait, or send the reason code of the early disposal';
      end if;
      v_sample.disposed_at := v_at;
      v_sample.disposed_by := v_actor_id;
    else
      null;
  end case;

  if p_reason_code is not null then
    perform core.set_reason(p_reason_code);
  end if;
  update laboratory.samples s
  set
    status = v_sample.status, patient_id_check = v_sample.patient_id_check, collected_at = v_sample.collected_at,
    collected_by = v_sample.collected_by, collection_location_id = v_sample.collection_location_id,
    volume_ml = v_sample.volume_ml, body_site = v_sample.body_site, collection_method = v_sample.collection_method,
    shipment_ref = v_sample.shipment_ref, shipped_at = v_sample.shipped_at, received_at = v_sample.received_at,
    received_by = v_sample.received_by, receipt_condition = v_sample.receipt_condition,
    accepted_with_exception = v_sample.accepted_with_exception,
    rejection_reason_code = v_sample.rejection_reason_code, rejected_by = v_sample.rejected_by,
    rejected_at = v_sample.rejected_at, storage_location_id = v_sample.storage_location_id,
    storage_position = v_sample.storage_position, retain_until = v_sample.retain_until,
    disposed_at = v_sample.disposed_at, disposed_by = v_sample.disposed_by
  where s.tenant_id = p_sample.tenant_id and s.id = p_sample.id;
  insert into laboratory.sample_events (
    tenant_id, sample_id, occurred_at, from_status, to_status, actor_id, location_id, temperature_c, transport_box,
    reason_code, note, device_id, client_op_id
  )
  values (
    p_sample.tenant_id, p_sample.id, v_at, p_sample.status, p_to, v_actor_id, p_location_id, p_temperature_c,
    p_details ->> 'transport_box', p_reason_code, p_details ->> 'note', (p_details ->> 'device_id')::uuid, p_client_op_id
  )
  returning * into v_event;
  perform laboratory.follow_sample(v_sample, p_reason_code);
  return v_event;
end
$$;

comment on function laboratory.move_sample(laboratory.samples, laboratory.sample_status, uuid, uuid, text, numeric, uuid, timestamptz, jsonb) is 'about=Moves a sample that the caller has locked: checks the move, fills in what the new state records, writes the event and lets the order items follow. Codes as laboratory.change_sample_state.';

create or replace function laboratory.condition_on_receipt(
  p_sample laboratory.samples,
  p_condition text,
  p_temperature_c numeric
) returns text
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_limits jsonb := coalesce(
    core.setting('laboratory.transport_limits'), '{"ambient": [15, 30], "refrigerated": [2, 8], "frozen": [-90, -15]}'
  );
  v_age_hours numeric := extract(epoch from p_sample.received_at - p_sample.collected_at) / 3600;
  v_flaw text;
begin
  select
    case
      when v_age_hours > t.stability_hours then 'delayed'
      when p_temperature_c not between (v_limits -> t.transport_temp ->> 0)::numeric and (v_limits -> t.transport_temp ->> 1)::numeric
        then 'temperature_breach'
    end
  into v_flaw
  from laboratory.lab_order_items i
  join laboratory.lab_tests t on t.id = i.test_id
  where i.tenant_id = p_sample.tenant_id and i.sample_id = p_sample.id and i.status <> 'cancelled'
  order by 1 nulls last
  limit 1;
  if v_flaw is not null and p_sample.accepted_with_exception is null then
    raise exception 'sample % does not keep the limits of its tests: %', p_sample.id, v_flaw
      using errcode = 'IM305', hint = 'reject it, or say in accepted_with_exception why it is accepted';
  end if;
  return case when p_condition = 'good' and v_flaw is not null then v_flaw else p_condition end;
end
$$;

comment on function laboratory.condition_on_receipt(laboratory.samples, text, numeric) is 'about=The condition of a received sample: what was seen, or delayed or temperature_breach when a test''s stability or transport limits (setting laboratory.transport_limits) are not kept. IM305 they are not, and no exception is stated.';

create or replace function laboratory.follow_sample(p_sample laboratory.samples, p_reason_code text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := p_sample.tenant_id;
  -- tests are ordered on the primary sample, whichever aliquot they are made from
  v_sample_id uuid := coalesce(p_sample.parent_sample_id, p_sample.id);
begin
  case p_sample.status
    when 'collected' then
      update laboratory.lab_order_items i
      set status = 'sampled'
      where i.tenant_id = v_tenant and i.sample_id = v_sample_id and i.status in ('ordered', 'recollect');
      perform laboratory.settle_order(p_sample.order_id);
    when 'in_process' then
      update laboratory.lab_order_items i
      set status = 'in_process'
      where i.tenant_id = v_tenant and i.sample_id = v_sample_id and i.status = 'sampled';
    when 'rejected', 'lost' then
      -- a spoilt aliquot is replaced by another one of its sample
      if p_sample.parent_sample_id is null then
        perform laboratory.recollect(p_sample, p_reason_code);
      end if;
    when 'cancelled' then
      if exists (
        select
        from laboratory.lab_order_items i
        where i.tenant_id = v_tenant and i.sample_id = v_sample_id and i.status = 'recollect'
      ) then
        raise exception 'tests wait for sample %', p_sample.id
          using errcode = 'IM300', hint = 'cancel the order items instead';
      end if;
      update laboratory.lab_order_items i
      set sample_id = null
      where i.tenant_id = v_tenant and i.sample_id = v_sample_id and i.status = 'ordered';
    else
      null;
  end case;
end
$$;

comment on function laboratory.follow_sample(laboratory.samples, text) is 'about=After a move of a sample: its order items and the order follow. IM300 a planned sample that is still needed cannot be cancelled.';

create or replace function laboratory.recollect(p_sample laboratory.samples, p_reason_code text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := p_sample.tenant_id;
  v_item_id uuid;
  v_items uuid[];
  v_new laboratory.samples;
begin
  select pg_catalog.array_agg(i.id order by i.id) into v_items
  from laboratory.lab_order_items i
  where
    i.tenant_id = v_tenant and i.sample_id = p_sample.id
    and i.status in ('sampled', 'in_process', 'resulted', 'verified');
  if v_items is null then -- nothing waits for it any more
    return;
  end if;
  foreach v_item_id in array v_items loop
    perform laboratory.drop_results(v_item_id, p_reason_code);
  end loop;
  v_new := laboratory.add_sample(
    laboratory.lock_order(p_sample.order_id), p_sample.specimen_type, p_sample.container, null, p_sample.id
  );
  update laboratory.lab_order_items i
  set status = 'recollect', sample_id = v_new.id
  where i.tenant_id = v_tenant and i.id = any (v_items);
end
$$;

comment on function laboratory.recollect(laboratory.samples, text) is 'about=After a primary sample was rejected or lost: results of it that are not released are dropped, and a planned sample takes its place in the open tests.';

create or replace function laboratory.change_sample_state(
  p_sample_id uuid,
  p_to laboratory.sample_status,
  p_actor_id uuid default null,
  p_location_id uuid default null,
  p_reason_code text default null,
  p_temperature_c numeric default null,
  p_client_op_id uuid default null,
  p_occurred_at timestamptz default null,
  p_details jsonb default '{}'
) returns laboratory.sample_events
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_known constant text[] := array[
    'patient_id_check', 'volume_ml', 'body_site', 'collection_method', 'shipment_ref', 'transport_box',
    'receipt_condition', 'accepted_with_exception', 'storage_position', 'retain_until', 'note', 'device_id'
  ];
  v_sample laboratory.samples := laboratory.lock_sample(p_sample_id);
  v_event laboratory.sample_events;
begin
  if p_client_op_id is not null then
    select e.* into v_event
    from laboratory.sample_events e
    where e.tenant_id = v_tenant and e.client_op_id = p_client_op_id;
    if found then
      if v_event.sample_id is distinct from p_sample_id or v_event.to_status is distinct from p_to::text then
        raise exception 'operation % was another move', p_client_op_id
          using errcode = 'IM011', hint = 'give each move an id of its own';
      end if;
      return v_event;
    end if;
  elsif v_sample.status = p_to then
    -- without an id of the call: whoever comes second is told how it came about
    select e.* into v_event
    from laboratory.sample_events e
    where e.tenant_id = v_tenant and e.sample_id = p_sample_id and e.to_status = p_to::text
    order by e.occurred_at desc, e.id desc
    limit 1;
    return v_event;
  end if;
  if p_details - v_known <> '{}' then
    raise exception 'unknown details of a move of sample %', p_sample_id
      using errcode = '22023', hint = 'known: ' || pg_catalog.array_to_string(v_known, ', ');
  end if;
  if p_to = 'aliquoted' then
    raise exception 'sample % is divided by laboratory.create_aliquots', p_sample_id
      using errcode = 'IM300', hint = 'call it with the volumes';
  end if;
  return laboratory.move_sample(
    v_sample, p_to, p_actor_id, p_location_id, p_reason_code, p_temperature_c, p_client_op_id, p_occurred_at, p_details
  );
end
$$;

comment on function laboratory.change_sample_state(uuid, laboratory.sample_status, uuid, uuid, text, numeric, uuid, timestamptz, jsonb) is 'about=Moves a sample and returns the event of the move. Actor: the signed-in member of staff unless another is named. p_details by state: collected patient_id_check, volume_ml, body_site, collection_method; in_transit shipment_ref, transport_box; received receipt_condition, accepted_with_exception; stored storage_position, retain_until; always note, device_id. A rejected or lost sample is replaced by a planned one and its open tests wait for it. The same p_client_op_id again, or the same state without one, returns the first event. IM002 disposed too early without a reason, IM005 no such sample, IM006 no member of staff, IM007 legal hold, IM011 id used for another move, IM300 no such move, IM301 no coded reason, IM302 patient not identified, IM305 limits of the tests not kept.';

create or replace function laboratory.day_of(p_result laboratory.lab_results) returns date
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    -- another service may not have heard of the clinic
    select (p_result.resulted_at at time zone coalesce(c.timezone, 'UTC'))::date
    from laboratory.lab_order_items i
    join laboratory.lab_orders o on o.tenant_id = i.tenant_id and o.id = i.order_id
    left join facility.clinics c on c.tenant_id = o.tenant_id and c.id = o.clinic_id
    where i.tenant_id = p_result.tenant_id and i.id = p_result.order_item_id
  );
end
$$;

comment on function laboratory.day_of(laboratory.lab_results) is 'about=The day of a result in the time zone of its clinic, where birthdays are counted.';

create or replace function laboratory.settle_item(p_order_item_id uuid) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_open int;
  v_verified int;
begin
  select
    pg_catalog.count(*) filter (where r.status in ('registered', 'preliminary')),
    pg_catalog.count(*) filter (where r.status = 'verified')
  into v_open, v_verified
  from laboratory.lab_results r
  where r.tenant_id = v_tenant and r.order_item_id = p_order_item_id;
  if v_open > 0 then
    return;
  end if;
  update laboratory.lab_order_items i
  set status = 'verified'
  where i.tenant_id = v_tenant and i.id = p_order_item_id and i.status = 'resulted';
  if v_verified = 0 then
    update laboratory.lab_order_items i
    set status = 'authorised'
    where i.tenant_id = v_tenant and i.id = p_order_item_id and i.status = 'verified';
  end if;
end
$$;

comment on function laboratory.settle_item(uuid) is 'about=Moves a test whose results are all verified, or all released, on with them.';

create or replace function laboratory.sample_for_test(p_item laboratory.lab_order_items, p_sample_id uuid)
  returns laboratory.samples
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_sample laboratory.samples;
begin
  if p_sample_id is null then
    raise exception 'order item % has no sample', p_item.id
      using errcode = 'IM300', hint = 'plan it with laboratory.accession, collect and receive it';
  end if;
  v_sample := laboratory.lock_sample(p_sample_id);
  if p_item.sample_id not in (v_sample.id, coalesce(v_sample.parent_sample_id, v_sample.id)) then
    raise exception 'sample % is not the sample of order item %', p_sample_id, p_item.id
      using errcode = 'IM005', hint = 'measure the sample of the item, or an aliquot of it';
  end if;
  if v_sample.status in ('accessioned', 'aliquoted', 'stored') then
    perform laboratory.move_sample(v_sample, 'in_process');
  elsif v_sample.status not in ('in_process', 'tested') then
    raise exception 'sample % is %', p_sample_id, v_sample.status
      using errcode = 'IM300', hint = 'receive and accession it first';
  end if;
  return v_sample;
end
$$;

comment on function laboratory.sample_for_test(laboratory.lab_order_items, uuid) is 'about=The sample or aliquot that a test is made from, locked and in process. IM005 of another test, IM300 not ready.';

create or replace function laboratory.finish_samples(p_sample_id uuid) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_sample laboratory.samples;
begin
  if exists (
    select
    from laboratory.lab_order_items i
    where
      i.tenant_id = v_tenant and i.sample_id = p_sample_id and i.status in ('ordered', 'sampled', 'recollect', 'in_process')
  ) then
    return;
  end if;
  for v_sample in
    select s.*
    from laboratory.samples s
    where s.tenant_id = v_tenant and (s.id = p_sample_id or s.parent_sample_id = p_sample_id) and s.status = 'in_process'
    order by s.id
    for no key update
  loop
    perform laboratory.move_sample(v_sample, 'tested');
  end loop;
end
$$;

comment on function laboratory.finish_samples(uuid) is 'about=When no test waits for a primary sample any more: it and its aliquots that are in process are tested.';

create or replace function laboratory.verify_result(p_result_id uuid) returns laboratory.lab_results
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_result laboratory.lab_results := laboratory.lock_result(p_result_id);
  v_staff_id uuid := workforce.acting_staff_id();
begin
  if v_result.status in ('verified', 'final') then
    return v_result;
  end if;
  perform laboratory.check_second_person(v_result.test_id, v_result.id, v_staff_id, v_result.entered_by);
  update laboratory.lab_results r
  set status = 'verified', verified_by = v_staff_id, verified_at = now()
  where r.tenant_id = v_tenant and r.id = p_result_id
  returning r.* into v_result;
  if v_result.is_critical then
    perform core.enqueue(
      'result', v_result.id, 'result.critical.v1', pg_catalog.jsonb_build_object('id', v_result.id)
    );
  end if;
  perform laboratory.settle_item(v_result.order_item_id);
  return v_result;
end
$$;

comment on function laboratory.verify_result(uuid) is 'about=Technical check by the signed-in member of staff; a critical result sends result.critical.v1. IM001 not preliminary, IM005 no such result, IM006, IM312 by the person who entered it, where the test asks for another.';

create or replace function laboratory.check_second_person(
  p_test_id uuid,
  p_result_id uuid,
  p_staff_id uuid,
  p_before uuid
) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_staff_id = p_before and (
    select t.requires_authorisation from laboratory.lab_tests t where t.id = p_test_id
  ) then
    raise exception 'the step before on result % was done by the same person', p_result_id
      using errcode = 'IM312', hint = 'ask a second person';
  end if;
end
$$;

comment on function laboratory.check_second_person(uuid, uuid, uuid, uuid) is 'about=Refuses the person who did the step before, where the test requires authorisation (IM312).';

create or replace function laboratory.authorise_result(p_result_id uuid) returns laboratory.lab_results
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_result laboratory.lab_results := laboratory.lock_result(p_result_id);
  v_staff_id uuid := workforce.acting_staff_id();
begin
  if v_result.status = 'final' then
    return v_result;
  end if;
  perform laboratory.check_second_person(v_result.test_id, v_result.id, v_staff_id, v_result.verified_by);
  update laboratory.lab_results r
  set status = 'final', authorised_by = v_staff_id, authorised_at = now()
  where r.tenant_id = v_tenant and r.id = p_result_id
  returning r.* into v_result;
  perform laboratory.settle_item(v_result.order_item_id);
  return v_result;
end
$$;

comment on function laboratory.authorise_result(uuid) is 'about=Releases a verified result; from now on its value stays. IM001 not verified, IM005 no such result, IM006, IM310 quality control of the analyser is rejected or missing, IM312 by the person who verified it, where the test asks for another.';

create or replace function laboratory.drop_results(p_order_item_id uuid, p_reason text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  perform core.set_reason(p_reason);
  update laboratory.lab_results r
  set status = 'preliminary', verified_by = null, verified_at = null
  where r.tenant_id = v_tenant and r.order_item_id = p_order_item_id and r.status = 'verified';
  update laboratory.lab_results r
  set status = 'cancelled'
  where r.tenant_id = v_tenant and r.order_item_id = p_order_item_id and r.status in ('registered', 'preliminary');
  update laboratory.lab_order_items i
  set status = 'in_process'
  where i.tenant_id = v_tenant and i.id = p_order_item_id and i.status in ('resulted', 'verified');
end
$$;

comment on function laboratory.drop_results(uuid, text) is 'about=Cancels the results of a test that are not released, and puts it back into process.';

create or replace function laboratory.cancel_result(p_result_id uuid, p_reason text) returns laboratory.lab_results
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_result laboratory.lab_results := laboratory.lock_result(p_result_id);
begin
  if v_result.status = 'cancelled' then
    return v_result;
  end if;
  if coalesce(pg_catalog.btrim(p_reason), '') = '' then
    raise exception 'result % needs a reason to be cancelled', p_result_id
      using errcode = 'IM002', hint = 'say why in p_reason';
  end if;
  if v_result.status not in ('registered', 'preliminary', 'verified') then
    raise exception 'result % was released', p_result_id
      using errcode = 'IM311', hint = 'use laboratory.correct_result';
  end if;
  perform laboratory.drop_results(v_result.order_item_id, p_reason);
  select r.* into v_result
  from laboratory.lab_results r
  where r.tenant_id = v_tenant and r.id = p_result_id;
  return v_result;
end
$$;

comment on function laboratory.cancel_result(uuid, text) is 'about=Drops the results of a test before their release, parts included: it is measured again. IM002 no reason, IM005 no such result, IM311 released already.';

-- Reports: partial, final, then new versions. What is current is one row; what was issued stays.
create or replace function laboratory.released_results(p_order_id uuid) returns uuid[]
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_ids uuid[];
begin
  select pg_catalog.array_agg(r.id order by i.position, r.parent_result_id nulls first, r.created_at, r.id) into v_ids
  from laboratory.lab_order_items i
  join laboratory.lab_results r on r.tenant_id = i.tenant_id and r.order_item_id = i.id
  where i.tenant_id = v_tenant and i.order_id = p_order_id and r.status in ('final', 'corrected');
  return coalesce(v_ids, '{}');
end
$$;

comment on function laboratory.released_results(uuid) is 'about=Ids of the released results of an order, in print order.';

create or replace function laboratory.stated_exceptions(p_result_ids uuid[]) returns text[]
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_texts text[];
begin
  select pg_catalog.array_agg(distinct s.accepted_with_exception order by s.accepted_with_exception) into v_texts
  from laboratory.lab_results r
  join laboratory.samples s on s.tenant_id = r.tenant_id and s.id = r.sample_id
  where r.tenant_id = v_tenant and r.id = any (p_result_ids) and s.accepted_with_exception is not null;
  return coalesce(v_texts, '{}');
end
$$;

comment on function laboratory.stated_exceptions(uuid[]) is 'about=What a report says of compromised samples that its results were measured from.';

create or replace function laboratory.check_critical_told(p_result_ids uuid[]) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_result_id uuid;
begin
  select r.id into v_result_id
  from laboratory.lab_results r
  where
    r.tenant_id = v_tenant and r.id = any (p_result_ids) and r.is_critical
    and not exists (
      select
      from laboratory.critical_notifications n
      where n.tenant_id = v_tenant and n.result_id = r.id and n.read_back
    )
  limit 1;
  if found then
    raise exception 'nobody was told of critical result %', v_result_id
      using errcode = 'IM313', hint = 'tell someone who can act, and record it with laboratory.notify_critical';
  end if;
end
$$;

comment on function laboratory.check_critical_told(uuid[]) is 'about=Refuses a report with a critical result that nobody has read back (IM313).';

create or replace function laboratory.mark_reported(p_order_id uuid) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  update laboratory.lab_order_items i
  set status = 'reported'
  where i.tenant_id = v_tenant and i.order_id = p_order_id and i.status = 'authorised';
  perform laboratory.settle_order(p_order_id);
end
$$;

comment on function laboratory.mark_reported(uuid) is 'about=After a report: its tests are reported, and the order follows.';

create or replace function laboratory.issue_report(p_order_id uuid, p_conclusion_enc bytea default null)
  returns laboratory.diagnostic_reports
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_order laboratory.lab_orders := laboratory.lock_order(p_order_id);
  v_staff_id uuid := workforce.acting_staff_id();
  v_results uuid[] := laboratory.released_results(p_order_id);
  v_report laboratory.diagnostic_reports;
  v_interim boolean;
begin
  select d.* into v_report
  from laboratory.diagnostic_reports d
  where d.tenant_id = v_tenant and d.order_id = p_order_id and d.is_current;
  v_interim := exists (
    select
    from laboratory.lab_order_items i
    where
      i.tenant_id = v_tenant and i.order_id = p_order_id
      and i.status not in ('authorised', 'reported', 'amended', 'cancelled')
  );
  if v_report.result_ids = v_results and v_report.interim = v_interim then
    return v_report;
  end if;
  if v_results = '{}' then
    raise exception 'order % has no released result', p_order_id
      using errcode = 'IM005', hint = 'authorise results first';
  end if;
  perform laboratory.check_critical_told(v_results);

  if v_report.id is null then
    insert into laboratory.diagnostic_reports (
      tenant_id, report_number, order_id, patient_id, issued_at, signed_by, signed_at, conclusion_enc, result_ids,
      exceptions, interim, status
    )
    values (
      v_tenant, core.next_default_number('lab_report', '', 'LR{YY}-'), p_order_id, v_order.patient_id, now(),
      v_staff_id, now(), p_conclusion_enc, v_results, laboratory.stated_exceptions(v_results), v_interim,
      case when v_interim then 'partial' else 'final' end
    )
    returning * into v_report;
  else
    update laboratory.diagnostic_reports d
    set
      issued_at = now(), signed_by = v_staff_id, signed_at = now(),
      conclusion_enc = coalesce(p_conclusion_enc, d.conclusion_enc), result_ids = v_results,
      exceptions = laboratory.stated_exceptions(v_results), interim = v_interim,
      status = case when v_interim then 'partial' else 'final' end
    where d.tenant_id = v_tenant and d.id = v_report.id
    returning d.* into v_report;
    if v_interim then -- a partial report that grew makes no move
      perform core.enqueue('report', v_report.id, 'report.issued.v1', pg_catalog.jsonb_build_object(
        'id', v_report.id, 'from', 'partial', 'to', 'partial'
      ));
    end if;
  end if;
  perform laboratory.mark_reported(p_order_id);
  return v_report;
end
$$;

comment on function laboratory.issue_report(uuid, bytea) is 'about=Issues the released results of an order, signed by the caller: partial while tests are open, else final. A partial report grows until it is final; without anything new the report is returned as it is (for another conclusion: laboratory.amend_report). IM005 no such order or nothing released, IM006, IM311 final already, IM313 nobody was told of a critical result.';

create or replace function laboratory.add_report_version(
  p_report laboratory.diagnostic_reports,
  p_status text,
  p_reason text,
  p_conclusion_enc bytea
) returns laboratory.diagnostic_reports
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_results uuid[] := laboratory.released_results(p_report.order_id);
  v_staff_id uuid := workforce.acting_staff_id();
  v_report laboratory.diagnostic_reports;
begin
  -- a partial report goes on stating what it stated: what was released since waits for the next issue
  if p_report.status = 'partial' then
    select pg_catalog.array_agg(coalesce(r.id, stated.id) order by stated.place) into v_results
    from pg_catalog.unnest(p_report.result_ids) with ordinality as stated (id, place)
    left join laboratory.lab_results r on r.tenant_id = p_report.tenant_id and r.supersedes_id = stated.id;
  end if;
  perform laboratory.check_critical_told(v_results);
  update laboratory.diagnostic_reports d
  set is_current = false
  where d.tenant_id = p_report.tenant_id and d.id = p_report.id;
  insert into laboratory.diagnostic_reports (
    tenant_id, report_number, order_id, patient_id, version, issued_at, signed_by, signed_at, conclusion_enc,
    result_ids, exceptions, interim, amends_id, amendment_reason, status
  )
  values (
    p_report.tenant_id, p_report.report_number, p_report.order_id, p_report.patient_id, p_report.version + 1, now(),
    v_staff_id, now(), coalesce(p_conclusion_enc, p_report.conclusion_enc), v_results,
    laboratory.stated_exceptions(v_results), p_report.interim, p_report.id, p_reason, p_status
  )
  returning * into v_report;
  return v_report;
end
$$;

comment on function laboratory.add_report_version(laboratory.diagnostic_reports, text, text, bytea) is 'about=The next version of a report, signed by the caller; it becomes the current one. IM006, IM313.';

create or replace function laboratory.amend_report(p_report_id uuid, p_reason text, p_conclusion_enc bytea default null)
  returns laboratory.diagnostic_reports
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_report laboratory.diagnostic_reports;
  v_next laboratory.diagnostic_reports;
begin
  select d.* into v_report from laboratory.diagnostic_reports d where d.tenant_id = v_tenant and d.id = p_report_id;
  if not found then
    raise exception 'report % does not exist', p_report_id
      using errcode = 'IM005', hint = 'choose a report of the tenant';
  end if;
  if coalesce(pg_catalog.btrim(p_reason), '') = '' then
    raise exception 'report % needs a reason to be amended', p_report_id
      using errcode = 'IM002', hint = 'say why in p_reason: it is printed';
  end if;
  perform laboratory.lock_order(v_report.order_id);
  select d.* into v_next
  from laboratory.diagnostic_reports d
  where d.tenant_id = v_tenant and d.amends_id = p_report_id;
  if found and v_next.status = 'amended' and v_next.amendment_reason = p_reason then
    return v_next;
  end if;
  if found or v_report.status not in ('final', 'amended', 'corrected') then
    raise exception 'version % of report % cannot be amended', v_report.version, p_report_id
      using errcode = 'IM311', hint = 'amend the current version, once it is final';
  end if;
  return laboratory.add_report_version(v_report, 'amended', p_reason, p_conclusion_enc);
end
$$;

comment on function laboratory.amend_report(uuid, text, bytea) is 'about=A new version of an issued report with a new conclusion, and a reason that is printed; the version before stays. IM002 no reason, IM005 no such report, IM006, IM311 not the current final version, IM313.';

create or replace function laboratory.reissue_report(p_old laboratory.lab_results, p_reason text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_item laboratory.lab_order_items;
  v_report laboratory.diagnostic_reports;
begin
  select i.* into v_item
  from laboratory.lab_order_items i
  where i.tenant_id = p_old.tenant_id and i.id = p_old.order_item_id;
  select d.* into v_report
  from laboratory.diagnostic_reports d
  where d.tenant_id = p_old.tenant_id and d.order_id = v_item.order_id and d.is_current;
  if not found or p_old.id <> all (v_report.result_ids) then -- not reported yet
    return;
  end if;
  perform laboratory.add_report_version(
    v_report, case when v_report.status = 'partial' then 'partial' else 'corrected' end, p_reason, null
  );
  update laboratory.lab_order_items i
  set status = 'amended'
  where i.tenant_id = p_old.tenant_id and i.id = p_old.order_item_id and i.status = 'reported';
  perform laboratory.settle_order(v_item.order_id);
end
$$;

comment on function laboratory.reissue_report(laboratory.lab_results, text) is 'about=After a correction: the report that stated the old result gets a new version. IM313.';

-- Quality control: the verdict is computed where the run is stored. Westgard, Barry, Hunt and Groth, Clin Chem 1981;27:493.
create or replace function laboratory.westgard(p_own numeric[], p_all numeric[], p_run numeric[], p_rules text[]) returns text[]
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(r.rule order by r.place), '{}')
  from (
    values
      (1, '1_2s', abs(p_own[1]) > 2),
      (2, '1_3s', abs(p_own[1]) > 3),
      (
        3, '2_2s',
        (p_own[1] > 2 and (p_own[2] > 2 or 2 < any (p_run))) or (p_own[1] < -2 and (p_own[2] < -2 or -2 > any (p_run)))
      ),
      (4, 'R_4s', (p_own[1] > 2 and -2 > any (p_run)) or (p_own[1] < -2 and 2 < any (p_run))),
      (
        5, '4_1s',
        (cardinality(p_own) >= 4 and (1 < all (p_own[1:4]) or -1 > all (p_own[1:4])))
          or (cardinality(p_all) >= 4 and (1 < all (p_all[1:4]) or -1 > all (p_all[1:4])))
      ),
      (
        6, '10_x',
        (cardinality(p_own) >= 10 and (0 < all (p_own[1:10]) or 0 > all (p_own[1:10])))
          or (cardinality(p_all) >= 10 and (0 < all (p_all[1:10]) or 0 > all (p_all[1:10])))
      )
  ) as r (place, rule, broken)
  where r.broken and r.rule = any (p_rules)
$$;

comment on function laboratory.westgard(numeric[], numeric[], numeric[], text[]) is 'about=The rules that the newest control value breaks. z scores, newest first: of the same lot, of all levels of the analyser and test, and of the other levels of the same run. 1_2s one beyond 2 SD, 1_3s beyond 3 SD, 2_2s two in a row or in a run beyond 2 SD on one side, R_4s two of a run beyond 2 SD on opposite sides, 4_1s four in a row beyond 1 SD, 10_x ten in a row on one side of the mean.';

create or replace function laboratory.last_maintenance(p_device_id uuid, p_at timestamptz) returns timestamptz
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  return (
    select pg_catalog.max(m.performed_at)
    from device.device_maintenance m
    where m.tenant_id = v_tenant and m.device_id = p_device_id and m.performed_at <= p_at
  );
end
$$;

comment on function laboratory.last_maintenance(uuid, timestamptz) is 'about=When the device was last calibrated, serviced or repaired before an instant; null never.';

create or replace function laboratory.qc_state(p_device_id uuid, p_test_id uuid, p_at timestamptz) returns text
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_since timestamptz := p_at - pg_catalog.make_interval(
    hours => coalesce((core.setting('laboratory.qc_valid_hours') #>> '{}')::int, 24)
  );
  v_levels int;
  v_rejected int;
  v_accepted int;
begin
  v_since := greatest(v_since, laboratory.last_maintenance(p_device_id, p_at));
  select
    pg_catalog.count(*) filter (where newest.in_use),
    pg_catalog.count(*) filter (where newest.in_use and newest.verdict = 'reject'),
    pg_catalog.count(*) filter (where newest.verdict <> 'reject' and newest.run_at >= v_since)
  into v_levels, v_rejected, v_accepted
  from (
    -- a level that was given up blocks nothing any more; a retired lot is not changed again
    select distinct on (l.level)
      q.verdict, q.run_at,
      exists (
        select
        from laboratory.qc_lots u
        where
          u.tenant_id = v_tenant and u.device_id = p_device_id and u.test_id = p_test_id and u.level = l.level
          and (u.status <> 'retired' or u.updated_at > p_at)
      ) as in_use
    from laboratory.qc_lots l
    cross join lateral (
      select r.verdict, r.run_at
      from laboratory.qc_results r
      where r.tenant_id = v_tenant and r.qc_lot_id = l.id and r.run_at >= l.accepted_at and r.run_at <= p_at
      order by r.run_at desc
      limit 1
    ) q
    where l.tenant_id = v_tenant and l.device_id = p_device_id and l.test_id = p_test_id
    order by l.level, q.run_at desc
  ) newest;
  if v_rejected > 0 then
    return 'rejected';
  end if;
  if v_accepted > 0 or (v_levels = 0 and not laboratory.needs_qc(p_device_id)) then
    return 'accepted';
  end if;
  return 'missing';
end
$$;

comment on function laboratory.qc_state(uuid, uuid, timestamptz) is 'about=Quality control of an analyser and test at an instant: rejected when the newest run of a level in use was, accepted when one was accepted since the last maintenance and within laboratory.qc_valid_hours, else missing. A device that needs none is accepted until it has runs.';

create or replace function laboratory.needs_qc(p_device_id uuid) returns boolean
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  return coalesce((core.setting('laboratory.qc_required') #>> '{}')::boolean, true) and exists (
    select from device.devices d where d.tenant_id = v_tenant and d.id = p_device_id and d.kind = 'analyser'
  );
end
$$;

comment on function laboratory.needs_qc(uuid) is 'about=Whether results of the device wait for quality control even when no control lot was ever run: analysers, unless setting laboratory.qc_required is false.';

create or replace function laboratory.lock_lots(p_qc_lot_id uuid) returns laboratory.qc_lots
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_lot laboratory.qc_lots;
begin
  -- all levels of the analyser and test: the rules look across them
  perform
  from laboratory.qc_lots l
  join laboratory.qc_lots asked on asked.tenant_id = l.tenant_id and asked.device_id = l.device_id and asked.test_id = l.test_id
  where asked.tenant_id = v_tenant and asked.id = p_qc_lot_id
  order by l.id
  for no key update of l;
  select l.* into v_lot from laboratory.qc_lots l where l.tenant_id = v_tenant and l.id = p_qc_lot_id;
  if not found then
    raise exception 'control lot % does not exist', p_qc_lot_id
      using errcode = 'IM005', hint = 'choose a control lot of the tenant';
  end if;
  return v_lot;
end
$$;

comment on function laboratory.lock_lots(uuid) is 'about=The control lot, locked with the other levels of its analyser and test. IM005 no such lot.';

create or replace function laboratory.record_qc(p_qc_lot_id uuid, p_value numeric, p_run_at timestamptz)
  returns laboratory.qc_results
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_lot laboratory.qc_lots := laboratory.lock_lots(p_qc_lot_id);
  v_z numeric := pg_catalog.round((p_value - v_lot.mean) / v_lot.sd, 4);
  v_own numeric[];
  v_all numeric[];
  v_run numeric[];
  v_broken text[] := '{}';
  v_row laboratory.qc_results;
  v_since timestamptz;
begin
  select q.* into v_row
  from laboratory.qc_results q
  where q.tenant_id = v_tenant and q.qc_lot_id = p_qc_lot_id and q.run_at = p_run_at;
  if found then
    if v_row.value is distinct from p_value then
      raise exception 'control lot % was run at that time with another value', p_qc_lot_id
        using errcode = 'IM011', hint = 'a run stays as it is: record another one';
    end if;
    return v_row;
  end if;
  if p_run_at > now() + interval '5 minutes' then
    raise exception 'a run of control lot % lies in the future', p_qc_lot_id
      using errcode = '22023', hint = 'set the clock of the analyser';
  end if;
  if v_lot.status = 'retired' or (p_run_at at time zone core.tenant_zone())::date > v_lot.expires_on then
    raise exception 'control lot % is retired or expired', p_qc_lot_id
      using errcode = 'IM310', hint = 'open another lot';
  end if;

  -- a lot that is being established has no limits yet: its runs are kept, and judge nothing
  if v_lot.status = 'active' then
    v_since := laboratory.last_maintenance(v_lot.device_id, p_run_at);
    -- runs that were rejected were dealt with; what is looked back on begins after the last maintenance
    select
      pg_catalog.array_agg(h.z_score order by h.run_at desc, h.id desc) filter (where h.qc_lot_id = p_qc_lot_id),
      pg_catalog.array_agg(h.z_score order by h.run_at desc, h.id desc)
    into v_own, v_all
    from (
      select q.id, q.qc_lot_id, q.run_at, q.z_score
      from laboratory.qc_results q
      join laboratory.qc_lots l on l.tenant_id = q.tenant_id and l.id = q.qc_lot_id
      where
        q.tenant_id = v_tenant and q.device_id = v_lot.device_id and q.test_id = v_lot.test_id
        and q.run_at < p_run_at and q.run_at > p_run_at - interval '60 days'
        and (v_since is null or q.run_at >= v_since)
        and q.run_at >= l.accepted_at and q.verdict <> 'reject'
      order by q.run_at desc, q.id desc
      limit 100
    ) h;
    select pg_catalog.array_agg(other.z_score) into v_run
    from (
      select distinct on (l.level) q.z_score
      from laboratory.qc_results q
      join laboratory.qc_lots l on l.tenant_id = q.tenant_id and l.id = q.qc_lot_id
      where
        q.tenant_id = v_tenant and q.device_id = v_lot.device_id and q.test_id = v_lot.test_id
        and l.level <> v_lot.level and q.run_at >= l.accepted_at
        and q.run_at <= p_run_at
        and q.run_at >= p_run_at - pg_catalog.make_interval(
          mins => coalesce((core.setting('laboratory.qc_run_minutes') #>> '{}')::int, 60)
        )
      order by l.level, q.run_at desc
    ) other;
    v_broken := laboratory.westgard(v_z || v_own, v_z || v_all, coalesce(v_run, '{}'), v_lot.rules);
  end if;

  insert into laboratory.qc_results (
    tenant_id, qc_lot_id, scheme, test_id, device_id, run_at, value, target, z_score, violated_rules, verdict,
    operator_id
  )
  values (
    v_tenant, p_qc_lot_id, 'iqc', v_lot.test_id, v_lot.device_id, p_run_at, p_value, v_lot.mean, v_z, v_broken,
    case when v_broken = '{}' then 'accept' when v_broken = '{1_2s}' then 'warn' else 'reject' end,
    workforce.acting_staff_id()
  )
  returning * into v_row;
  return v_row;
end
$$;

comment on function laboratory.record_qc(uuid, numeric, timestamptz) is 'about=Stores a run of a control lot with its z score, the Westgard rules it breaks and the verdict: reject, warn (1_2s alone) or accept. The same run again is the same row. Levels of one run are those within laboratory.qc_run_minutes. IM005 no such lot, IM006, IM011 the run had another value, IM310 lot retired or expired.';

create or replace function laboratory.accept_qc_lot(p_qc_lot_id uuid) returns laboratory.qc_lots
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_lot laboratory.qc_lots := laboratory.lock_lots(p_qc_lot_id);
  v_runs record;
begin
  if v_lot.status = 'active' then
    return v_lot;
  end if;
  select pg_catalog.count(*) as n, pg_catalog.avg(q.value) as mean, pg_catalog.stddev_samp(q.value) as sd into v_runs
  from laboratory.qc_results q
  where q.tenant_id = v_tenant and q.qc_lot_id = p_qc_lot_id;
  if v_runs.n < v_lot.runs_for_establishment or (v_lot.source = 'established' and coalesce(v_runs.sd, 0) = 0) then
    raise exception 'control lot % has % of % runs', p_qc_lot_id, v_runs.n, v_lot.runs_for_establishment
      using errcode = 'IM310', hint = 'run it as often as its establishment asks for, over more than one value';
  end if;
  update laboratory.qc_lots l
  set
    status = 'active', accepted_at = now(), accepted_by = workforce.acting_staff_id(),
    mean = case when l.source = 'established' then pg_catalog.round(v_runs.mean, 4) else l.mean end,
    sd = case when l.source = 'established' then pg_catalog.round(v_runs.sd, 4) else l.sd end
  where l.tenant_id = v_tenant and l.id = p_qc_lot_id
  returning l.* into v_lot;
  return v_lot;
end
$$;

comment on function laboratory.accept_qc_lot(uuid) is 'about=Takes a control lot into use; one of source established gets mean and SD of its runs. Runs from now on are judged and count. IM001 retired, IM005 no such lot, IM006, IM310 too few runs.';

create or replace function laboratory.retire_qc_lot(p_qc_lot_id uuid) returns laboratory.qc_lots
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_lot laboratory.qc_lots := laboratory.lock_lots(p_qc_lot_id);
begin
  update laboratory.qc_lots l
  set status = 'retired'
  where l.tenant_id = v_tenant and l.id = p_qc_lot_id and l.status <> 'retired'
  returning l.* into v_lot;
  select l.* into v_lot from laboratory.qc_lots l where l.tenant_id = v_tenant and l.id = p_qc_lot_id;
  return v_lot;
end
$$;

comment on function laboratory.retire_qc_lot(uuid) is 'about=Takes a control lot out of use; its runs stay. IM005 no such lot.';

create or replace function laboratory.review_qc(p_qc_result_id uuid, p_incident_id uuid default null)
  returns laboratory.qc_results
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_row laboratory.qc_results;
begin
  select q.* into v_row
  from laboratory.qc_results q
  where q.tenant_id = v_tenant and q.id = p_qc_result_id
  for no key update;
  if not found then
    raise exception 'quality control run % does not exist', p_qc_result_id
      using errcode = 'IM005', hint = 'choose a run of the tenant';
  end if;
  if v_row.reviewed_at is not null and v_row.incident_id is not distinct from p_incident_id then
    return v_row;
  end if;
  update laboratory.qc_results q
  set reviewed_by = workforce.acting_staff_id(), reviewed_at = now(), incident_id = p_incident_id
  where q.tenant_id = v_tenant and q.id = p_qc_result_id and q.run_at = v_row.run_at
  returning q.* into v_row;
  return v_row;
end
$$;

comment on function laboratory.review_qc(uuid, uuid) is 'about=Signs the review of a run, with the incident that it led to: a rejected run needs one (23514). IM005 no such run, IM006, IM311 reviewed already.';

create or replace function laboratory.record_eqa(
  p_test_id uuid,
  p_device_id uuid,
  p_round text,
  p_value numeric,
  p_target numeric,
  p_sd numeric,
  p_run_at timestamptz
) returns laboratory.qc_results
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_z numeric := pg_catalog.round((p_value - p_target) / nullif(p_sd, 0), 4);
  v_row laboratory.qc_results;
begin
  if v_z is null then
    raise exception 'a round needs value, target and standard deviation'
      using errcode = '22023', hint = 'take them from the report of the scheme';
  end if;
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(
    'laboratory.qc_results' || v_tenant || p_device_id || p_test_id || p_round, 0
  ));
  select q.* into v_row
  from laboratory.qc_results q
  where
    q.tenant_id = v_tenant and q.device_id = p_device_id and q.test_id = p_test_id and q.scheme = 'eqa'
    and q.eqa_round = p_round;
  if found then
    if (v_row.value, v_row.target) <> (p_value, p_target) then
      raise exception 'the round of device % and test % is recorded with other values', p_device_id, p_test_id
        using errcode = 'IM011', hint = 'a round is recorded once';
    end if;
    return v_row;
  end if;
  insert into laboratory.qc_results (
    tenant_id, scheme, test_id, device_id, run_at, value, target, z_score, verdict, operator_id, eqa_round,
    eqa_performance
  )
  values (
    v_tenant, 'eqa', p_test_id, p_device_id, p_run_at, p_value, p_target, v_z,
    case when pg_catalog.abs(v_z) <= 2 then 'accept' when pg_catalog.abs(v_z) < 3 then 'warn' else 'reject' end,
    workforce.acting_staff_id(), p_round,
    case when pg_catalog.abs(v_z) <= 2 then 'acceptable' when pg_catalog.abs(v_z) < 3 then 'questionable'
      else 'unacceptable' end
  )
  returning * into v_row;
  return v_row;
end
$$;

comment on function laboratory.record_eqa(uuid, uuid, text, numeric, numeric, numeric, timestamptz) is 'about=Stores a round of external quality assessment with its z score: up to 2 acceptable, below 3 questionable, else unacceptable (ISO 13528). A round is recorded once. IM006, IM011 other values.';

-- blood_bank: functions

-- What the operations ask and how they lock. Order of locks: donor, donation, unit, request, issue or crossmatch, number.
create or replace function blood_bank.donor_hindrance(p_donor_id uuid, p_kind text, p_on date) returns text
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_donor blood_bank.donors;
  v_age int;
begin
  select d.* into v_donor
  from blood_bank.donors d
  where d.tenant_id = v_tenant and d.id = p_donor_id and d.deleted_at is null;
  v_age := extract(year from age(p_on, v_donor.birth_date));
  return case
    when v_donor.id is null then 'unknown_donor'
    when v_donor.permanent_deferral then 'permanently_deferred'
    when v_donor.status = 'inactive' then 'inactive'
    when exists (
      select
      from blood_bank.donor_deferrals f
      where f.tenant_id = v_tenant and f.donor_id = p_donor_id and f.from_on <= p_on and f.until_on > p_on
    ) then 'deferred'
    when v_age < blood_bank.limit_of('bloodbank.donor', 'min_age') then 'too_young'
    when v_age > blood_bank.limit_of('bloodbank.donor', 'max_age') then 'too_old'
    when v_donor.total_donations = 0 and v_age > blood_bank.limit_of('bloodbank.donor', 'first_time_max_age')
      then 'too_old_for_a_first_time'
    when p_on < v_donor.last_whole_blood_on + blood_bank.limit_of(
      'bloodbank.donor', case v_donor.sex when 'male' then 'interval_days_male' else 'interval_days_female' end
    )::int then 'too_soon_after_whole_blood'
    when p_on < v_donor.last_apheresis_on + blood_bank.limit_of(
      'bloodbank.donor',
      case when p_kind in ('whole_blood', 'double_red_cell') then 'after_apheresis_days' else 'apheresis_interval_days' end
    )::int then 'too_soon_after_apheresis'
  end;
end
$$;

comment on function blood_bank.donor_hindrance(uuid, text, date) is 'about=The rule that keeps a donor from this kind of donation on a day, null when none does: age, deferrals, intervals of setting bloodbank.donor.';

create or replace function blood_bank.screening_failure(
  p_weight_kg numeric,
  p_haemoglobin_g_dl numeric,
  p_systolic int,
  p_diastolic int,
  p_pulse int,
  p_temperature_c numeric
) returns text
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_weight_kg < (l.limits ->> 'min_weight_kg')::numeric then 'low_weight'
    when p_haemoglobin_g_dl < (l.limits ->> 'min_haemoglobin_g_dl')::numeric then 'low_haemoglobin'
    when p_systolic not between (l.limits ->> 'min_systolic')::int and (l.limits ->> 'max_systolic')::int
      or p_diastolic not between (l.limits ->> 'min_diastolic')::int and (l.limits ->> 'max_diastolic')::int
      then 'blood_pressure'
    when p_pulse not between (l.limits ->> 'min_pulse')::int and (l.limits ->> 'max_pulse')::int then 'pulse'
    when p_temperature_c > (l.limits ->> 'max_temperature_c')::numeric then 'temperature'
  end
  from (
    select (blood_bank.default_settings() -> 'bloodbank.donor') || coalesce(core.setting('bloodbank.donor'), '{}') as limits
  ) l
$$;

comment on function blood_bank.screening_failure(numeric, numeric, int, int, int, numeric) is 'about=The measurement that is outside setting bloodbank.donor, null when all are inside.';

create or replace function blood_bank.clearance_of(
  p_donation_id uuid,
  out reactive text[],
  out missing text[],
  out abo text,
  out rhd text
) returns record
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  with tests as (
    select t.test, t.result, t.group_result, t.status, t.repeat_no
    from blood_bank.donation_tests t
    where t.tenant_id = core.require_tenant() and t.donation_id = p_donation_id
  ),
  latest as ( -- the verified one that was done last
    select distinct on (t.test) t.test, t.result, t.group_result
    from tests t
    where t.status = 'verified'
    order by t.test, t.repeat_no desc
  ),
  groups as (
    select
      max(l.group_result) filter (where l.test = 'ABO_FORWARD') as forward,
      max(l.group_result) filter (where l.test = 'ABO_REVERSE') as reverse,
      max(l.group_result) filter (where l.test = 'RHD') as rhd
    from latest l
  )
  select
    -- a unit is never given on the second try: one verified reactive result is enough
    array(
      select distinct t.test
      from tests t
      where t.status = 'verified' and t.result = 'reactive' and t.test <> 'ANTIBODY_SCREEN'
      order by t.test
    ),
    array(
      select m.test
      from unnest(array['HIV', 'HBSAG', 'HCV', 'SYPHILIS', 'MALARIA']) as m (test)
      where not exists (select from latest l where l.test = m.test and l.result = 'non_reactive')
      union all
      select distinct t.test || ' to verify' from tests t where t.status = 'entered'
      union all
      select 'ABO' from groups g where g.forward is distinct from g.reverse or g.forward is null
      union all
      select 'RHD' from groups g where g.rhd is null
    ),
    (select case when g.forward = g.reverse then g.forward end from groups g),
    (select g.rhd from groups g)
$$;

comment on function blood_bank.clearance_of(uuid) is 'about=What the tests of a donation say: the reactive ones, what is missing (the five infections verified non-reactive, both ABO tests equal, RhD, nothing entered and unverified), and the group.';

create or replace function blood_bank.shelf_life_end(p_donation_id uuid, p_component text) returns timestamptz
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select d.ended_at + make_interval(days => blood_bank.limit_of('bloodbank.components', p_component, 'shelf_days')::int)
  from blood_bank.donations d
  where d.tenant_id = core.require_tenant() and d.id = p_donation_id
$$;

comment on function blood_bank.shelf_life_end(uuid, text) is 'about=When a component of a donation expires at the latest; null before the collection has ended.';

create or replace function blood_bank.recipient_group(p_patient_id uuid, out blood_group text, out antibody_screen text) returns record
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  with samples as (
    select g.abo, g.rhd, g.antibody_screen, g.tested_at, g.id, g.status
    from blood_bank.patient_blood_groups g
    where g.tenant_id = core.require_tenant() and g.patient_id = p_patient_id and g.status <> 'rejected'
  )
  select
    (
      select s.abo || case s.rhd when 'pos' then '+' else '-' end
      from samples s
      where s.status = 'confirmed' and not exists (select from samples x where x.status = 'discrepant')
      order by s.tested_at desc, s.id desc
      limit 1
    ),
    case -- an antibody that was found once may come back
      when exists (select from samples s where s.antibody_screen = 'positive') then 'positive'
      else coalesce(
        (select s.antibody_screen from samples s order by s.tested_at desc, s.id desc limit 1), 'not_done'
      )
    end
$$;

comment on function blood_bank.recipient_group(uuid) is 'about=The confirmed group of a patient such as A+ (weak RhD is negative), null while it is unconfirmed or samples disagree, and the antibody screen: positive for ever once it was, else that of the last sample.';

create or replace function blood_bank.lock_unit(p_component_id uuid) returns blood_bank.blood_components
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_unit blood_bank.blood_components;
begin
  select c.* into v_unit
  from blood_bank.blood_components c
  where c.tenant_id = v_tenant and c.id = p_component_id
  for no key update;
  if not found then
    raise exception 'unit % does not exist', p_component_id
      using errcode = 'IM005', hint = 'choose a unit of the tenant';
  end if;
  return v_unit;
end
$$;

comment on function blood_bank.lock_unit(uuid) is 'about=The unit, locked until the transaction ends. IM005 no such unit.';

create or replace function blood_bank.lock_request(p_request_id uuid) returns blood_bank.blood_requests
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_request blood_bank.blood_requests;
begin
  select r.* into v_request
  from blood_bank.blood_requests r
  where r.tenant_id = v_tenant and r.id = p_request_id
  for no key update;
  if not found then
    raise exception 'blood request % does not exist', p_request_id
      using errcode = 'IM005', hint = 'choose a request of the tenant';
  end if;
  return v_request;
end
$$;

comment on function blood_bank.lock_request(uuid) is 'about=The request, locked until the transaction ends. IM005 no such request.';

create or replace function blood_bank.lock_issue(p_issue_id uuid) returns blood_bank.blood_issues
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_issue blood_bank.blood_issues;
begin
  select i.* into v_issue
  from blood_bank.blood_issues i
  where i.tenant_id = v_tenant and i.id = p_issue_id;
  if not found then
    raise exception 'issue % does not exist', p_issue_id
      using errcode = 'IM005', hint = 'choose an issue of the tenant';
  end if;
  -- unit and request never change, so they can be read before they are locked
  perform blood_bank.lock_unit(v_issue.component_id);
  perform blood_bank.lock_request(v_issue.request_id);
  select i.* into v_issue
  from blood_bank.blood_issues i
  where i.tenant_id = v_tenant and i.id = p_issue_id
  for no key update;
  return v_issue;
end
$$;

comment on function blood_bank.lock_issue(uuid) is 'about=The issue, with its unit and request locked before it. IM005 no such issue.';

create or replace function blood_bank.move_unit(
  p_unit blood_bank.blood_components,
  p_status text,
  p_actor_id uuid,
  p_reason_code text default null,
  p_request_id uuid default null,
  p_second_actor_id uuid default null,
  p_minutes_out int default null,
  p_temperature_c numeric default null
) returns blood_bank.blood_components
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_unit blood_bank.blood_components;
begin
  update blood_bank.blood_components c
  set
    status = p_status,
    discard_reason = case when p_status = 'discarded' then p_reason_code end,
    reserved_for_request_id = case when p_status in ('reserved', 'crossmatched') then p_request_id end,
    reserved_until = case
      when p_status in ('reserved', 'crossmatched') then least(
        c.expires_at,
        now() + make_interval(hours => blood_bank.limit_of('bloodbank.rules', 'reservation_hours')::int)
      )
    end
  where c.tenant_id = p_unit.tenant_id and c.id = p_unit.id
  returning c.* into v_unit;
  insert into blood_bank.component_events (
    tenant_id, component_id, from_status, to_status, actor_id, second_actor_id, location_id, temperature_c,
    out_of_storage_minutes, reason_code
  )
  values (
    p_unit.tenant_id, p_unit.id, p_unit.status, p_status, p_actor_id, p_second_actor_id,
    case when p_status in ('quarantined', 'available', 'reserved', 'crossmatched') then v_unit.storage_location_id end,
    p_temperature_c, p_minutes_out, p_reason_code
  );
  return v_unit;
end
$$;

comment on function blood_bank.move_unit(blood_bank.blood_components, text, uuid, text, uuid, uuid, int, numeric) is 'about=Moves a unit that the caller has locked and writes its trail; reservations end with the states that have one. IM001 the state machine has no such move, IM350 and IM356 the donation is not clear.';

create or replace function blood_bank.release_crossmatches(p_unit blood_bank.blood_components, p_status text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  update blood_bank.crossmatches x
  set status = case x.status when 'pending' then 'released' else p_status end
  where x.tenant_id = p_unit.tenant_id and x.component_id = p_unit.id and x.status in ('pending', 'compatible');
end
$$;

comment on function blood_bank.release_crossmatches(blood_bank.blood_components, text) is 'about=Ends the live crossmatches of a unit that the caller has locked: released or expired.';

create or replace function blood_bank.check_match(p_component_id uuid, p_request_id uuid, p_recipient_group text) returns text
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_unit blood_bank.blood_components;
  v_released_by uuid;
  v_match text;
begin
  select c.* into v_unit
  from blood_bank.blood_components c
  where c.tenant_id = v_tenant and c.id = p_component_id;
  select r.emergency_release_by into v_released_by
  from blood_bank.blood_requests r
  where r.tenant_id = v_tenant and r.id = p_request_id;
  v_match := blood_bank.match_of(p_recipient_group, v_unit.component, v_unit.abo, v_unit.rhd);
  if v_match = 'unconfirmed' or (v_match = 'rhd_override' and p_recipient_group is null and v_released_by is null) then
    raise exception 'the group of the recipient of request % is not confirmed', p_request_id
      using errcode = 'IM355', hint = 'confirm it with a second sample, or give O negative red cells or AB plasma';
  end if;
  if coalesce(v_match, 'incompatible') = 'incompatible' or (v_match = 'rhd_override' and v_released_by is null) then
    raise exception 'unit % does not suit the recipient of request %', p_component_id, p_request_id
      using errcode = 'IM352', hint = 'choose one of blood_bank.find_compatible_units';
  end if;
  return case when v_match in ('rhd_override', 'platelets_of_other_group') then v_match end;
end
$$;

comment on function blood_bank.check_match(uuid, uuid, text) is 'about=A warning to record (rhd_override, platelets_of_other_group), or null, when the unit may be given. IM352 incompatible, IM355 the group is unconfirmed.';

create or replace function blood_bank.check_in_date(p_unit blood_bank.blood_components) returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_unit.expires_at
    <= now() + make_interval(hours => blood_bank.limit_of('bloodbank.rules', 'transfusion_hours')::int) then
    raise exception 'unit % expires at %, before a transfusion could end', p_unit.id, p_unit.expires_at
      using errcode = 'IM351', hint = 'choose another unit';
  end if;
end
$$;

comment on function blood_bank.check_in_date(blood_bank.blood_components) is 'about=IM351 when the unit expires before a transfusion that starts now would end.';

-- Donors: register, defer.
create or replace function blood_bank.lock_donor(p_donor_id uuid) returns blood_bank.donors
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_donor blood_bank.donors;
begin
  select d.* into v_donor
  from blood_bank.donors d
  where d.tenant_id = v_tenant and d.id = p_donor_id and d.deleted_at is null
  for no key update;
  if not found then
    raise exception 'donor % does not exist', p_donor_id
      using errcode = 'IM005', hint = 'choose a donor of the tenant, or call blood_bank.register_donor';
  end if;
  return v_donor;
end
$$;

comment on function blood_bank.lock_donor(uuid) is 'about=The donor, locked until the transaction ends. IM005 no such donor.';

create or replace function blood_bank.register_donor(
  p_name text,
  p_sex text,
  p_birth_date date,
  p_mobile_enc bytea,
  p_mobile_bidx bytea,
  p_donor_type text default 'voluntary',
  p_address_enc bytea default null,
  p_patient_id uuid default null,
  p_consent_to_recall boolean default false
) returns blood_bank.donors
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_donor blood_bank.donors;
begin
  perform pg_advisory_xact_lock(
    hashtextextended('blood_bank.donor ' || v_tenant || encode(p_mobile_bidx, 'hex') || p_birth_date, 0)
  );
  select d.* into v_donor
  from blood_bank.donors d
  where
    d.tenant_id = v_tenant and d.mobile_bidx = p_mobile_bidx and d.birth_date = p_birth_date and d.deleted_at is null;
  if found then
    if lower(btrim(v_donor.name)) = lower(btrim(p_name)) then
      return v_donor;
    end if;
    raise exception 'donor % has this mobile number and birth date under another name', v_donor.id
      using errcode = 'IM211', hint = 'choose that donor, or register with a mobile number of their own';
  end if;
  insert into blood_bank.donors as d (
    tenant_id, donor_number, name, sex, birth_date, mobile_enc, mobile_bidx, donor_type, address_enc, patient_id,
    consent_to_recall
  )
  values (
    v_tenant, core.next_default_number('donor', '', 'DNR-{YY}-'), p_name, p_sex, p_birth_date, p_mobile_enc,
    p_mobile_bidx, p_donor_type, p_address_enc, p_patient_id, p_consent_to_recall
  )
  returning d.* into v_donor;
  return v_donor;
end
$$;

comment on function blood_bank.register_donor(text, text, date, bytea, bytea, text, bytea, uuid, boolean) is 'about=Registers a donor with a number of series donor. The mobile number (blind index) and birth date are the donor: registered again, the same row is returned. IM211 they belong to a donor of another name.';

create or replace function blood_bank.write_deferral(
  p_donor blood_bank.donors,
  p_reason_code text,
  p_kind text,
  p_until_on date,
  p_recorded_by uuid,
  p_source text,
  p_reason_text text,
  p_counselled boolean
) returns blood_bank.donor_deferrals
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_today date := core.tenant_today();
  v_deferral blood_bank.donor_deferrals;
begin
  insert into blood_bank.donor_deferrals as f (
    tenant_id, donor_id, reason_code, reason_text, kind, from_on, until_on, recorded_by, counselled, source
  )
  values (
    p_donor.tenant_id, p_donor.id, p_reason_code, p_reason_text, p_kind, v_today,
    case p_kind when 'temporary' then p_until_on end, p_recorded_by, p_counselled, p_source
  )
  on conflict (tenant_id, donor_id, from_on, reason_code, source) do nothing
  returning f.* into v_deferral;
  if not found then
    select f.* into v_deferral
    from blood_bank.donor_deferrals f
    where
      f.tenant_id = p_donor.tenant_id and f.donor_id = p_donor.id and f.from_on = v_today
      and f.reason_code = p_reason_code and f.source = p_source;
  end if;
  update blood_bank.donors d
  set
    status = case
      when v_deferral.kind = 'permanent' then 'permanently_deferred'
      when d.status = 'active' then 'deferred'
      else d.status
    end,
    permanent_deferral = d.permanent_deferral or v_deferral.kind = 'permanent'
  where d.tenant_id = p_donor.tenant_id and d.id = p_donor.id and d.status <> 'permanently_deferred';
  return v_deferral;
end
$$;

comment on function blood_bank.write_deferral(blood_bank.donors, text, text, date, uuid, text, text, boolean) is 'about=Defers a donor whom the caller has locked; the same reason and source on one day is one deferral.';

create or replace function blood_bank.defer_donor(
  p_donor_id uuid,
  p_reason_code text,
  p_kind text,
  p_recorded_by uuid,
  p_until_on date default null,
  p_source text default 'screening',
  p_reason_text text default null,
  p_counselled boolean default false
) returns blood_bank.donor_deferrals
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  return blood_bank.write_deferral(
    blood_bank.lock_donor(p_donor_id), p_reason_code, p_kind, p_until_on, p_recorded_by, p_source, p_reason_text,
    p_counselled
  );
end
$$;

comment on function blood_bank.defer_donor(uuid, text, text, uuid, date, text, text, boolean) is 'about=Defers a donor, temporarily until a day or permanently; the same reason and source on one day is one deferral, which is returned. IM005 no such donor.';

-- A donation: screened, collected.
create or replace function blood_bank.lock_donation(p_donation_id uuid) returns blood_bank.donations
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_donation blood_bank.donations;
begin
  select d.* into v_donation
  from blood_bank.donations d
  where d.tenant_id = v_tenant and d.id = p_donation_id
  for no key update;
  if not found then
    raise exception 'donation % does not exist', p_donation_id
      using errcode = 'IM005', hint = 'choose a donation of the tenant';
  end if;
  return v_donation;
end
$$;

comment on function blood_bank.lock_donation(uuid) is 'about=The donation, locked until the transaction ends. IM005 no such donation.';

create or replace function blood_bank.lock_donor_of(p_donation_id uuid) returns blood_bank.donors
  language sql
  set search_path = pg_catalog, pg_temp
as $$
  select l.*
  from blood_bank.donations d
  cross join lateral blood_bank.lock_donor(d.donor_id) l
  where d.tenant_id = core.require_tenant() and d.id = p_donation_id
$$;

comment on function blood_bank.lock_donor_of(uuid) is 'about=Locks the donor of a donation, before the donation itself; no row when there is no such donation.';

create or replace function blood_bank.screen_donor(
  p_donor_id uuid,
  p_kind text,
  p_donation_site text,
  p_weight_kg numeric,
  p_haemoglobin_g_dl numeric,
  p_systolic int,
  p_diastolic int,
  p_pulse int,
  p_temperature_c numeric,
  p_screened_by uuid,
  p_questionnaire jsonb default '{}',
  p_defer_reason text default null,
  p_defer_until date default null,
  p_consent_signature_id uuid default null,
  p_camp_name text default null,
  p_key text default null
) returns blood_bank.donations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_today date := core.tenant_today();
  v_claim record;
  v_donor blood_bank.donors;
  v_donation blood_bank.donations;
  v_rule text;
begin
  if p_key is not null then
    v_claim := core.idempotent_begin(
      'blood_bank.screen_donor', p_key,
      sha256(convert_to(
        jsonb_build_array(
          p_donor_id, p_kind, p_weight_kg, p_haemoglobin_g_dl, p_systolic, p_diastolic, p_pulse, p_temperature_c,
          p_questionnaire, p_defer_reason
        )::text, 'UTF8'
      ))
    );
    if v_claim.state = 'done' then
      select d.* into v_donation
      from blood_bank.donations d
      where d.tenant_id = v_tenant and d.id = (v_claim.response ->> 'donation_id')::uuid;
      return v_donation;
    end if;
  end if;

  v_donor := blood_bank.lock_donor(p_donor_id);
  v_rule := blood_bank.donor_hindrance(p_donor_id, p_kind, v_today);
  if v_rule is not null then
    raise exception 'donor % may not donate: %', p_donor_id, v_rule
      using errcode = 'IM359', hint = 'tell the donor from when on; setting bloodbank.donor has the limits';
  end if;
  if v_donor.status = 'deferred' then -- the deferral has lapsed
    update blood_bank.donors d
    set status = 'active'
    where d.tenant_id = v_tenant and d.id = v_donor.id
    returning d.* into v_donor;
  end if;

  v_rule := coalesce(
    p_defer_reason,
    blood_bank.screening_failure(
      p_weight_kg, p_haemoglobin_g_dl, p_systolic, p_diastolic, p_pulse, p_temperature_c
    )
  );
  insert into blood_bank.donations as d (
    tenant_id, donor_id, kind, donation_site, camp_name, screened_by, weight_kg, haemoglobin_g_dl, systolic, diastolic,
    pulse, temperature_c, questionnaire, consent_signature_id, eligible
  )
  values (
    v_tenant, p_donor_id, p_kind, p_donation_site, p_camp_name, p_screened_by, p_weight_kg, p_haemoglobin_g_dl,
    p_systolic, p_diastolic, p_pulse, p_temperature_c, p_questionnaire, p_consent_signature_id, v_rule is null
  )
  returning d.* into v_donation;
  update blood_bank.donations d
  set status = case when v_rule is null then 'screened' else 'deferred' end, deferral_reason = v_rule
  where d.tenant_id = v_tenant and d.id = v_donation.id
  returning d.* into v_donation;
  if v_rule is not null then
    perform blood_bank.write_deferral(
      v_donor, v_rule, 'temporary',
      coalesce(
        p_defer_until,
        v_today + coalesce(blood_bank.limit_of('bloodbank.donor', 'deferral_days', v_rule)::int, 28)
      ),
      p_screened_by, 'screening', null, false
    );
  end if;

  if p_key is not null then
    perform core.idempotent_finish(
      'blood_bank.screen_donor', p_key, jsonb_build_object('donation_id', v_donation.id)
    );
  end if;
  return v_donation;
end
$$;

comment on function blood_bank.screen_donor(uuid, text, text, numeric, numeric, int, int, int, numeric, uuid, jsonb, text, date, uuid, text, text) is 'about=Screens a donor for a donation: screened when everything is within setting bloodbank.donor; deferred, with a deferral of the donor, when a measurement is not or the screener says so (p_defer_reason). Same p_key and content, same answer. IM005 no such donor, IM010, IM011, IM359 the donor may not be screened now: age, interval, an open deferral.';

create or replace function blood_bank.start_collection(
  p_donation_id uuid,
  p_din text,
  p_bag_lot text,
  p_bag_type text,
  p_phlebotomist_id uuid,
  p_started_at timestamptz default now()
) returns blood_bank.donations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_donation blood_bank.donations := blood_bank.lock_donation(p_donation_id);
  v_rule text;
begin
  if v_donation.status in ('collecting', 'collected', 'quarantined', 'released') and v_donation.din = p_din then
    return v_donation;
  end if;
  v_rule := blood_bank.donor_hindrance(
    v_donation.donor_id, v_donation.kind, (p_started_at at time zone core.tenant_zone())::date
  );
  if v_rule is not null then -- deferred since the screening
    raise exception 'donor % may not donate: %', v_donation.donor_id, v_rule
      using errcode = 'IM359', hint = 'screen the donor again';
  end if;
  update blood_bank.donations d
  set
    status = 'collecting', din = p_din, bag_lot = p_bag_lot, bag_type = p_bag_type,
    phlebotomist_id = p_phlebotomist_id, started_at = p_started_at
  where d.tenant_id = v_donation.tenant_id and d.id = v_donation.id
  returning d.* into v_donation;
  return v_donation;
end
$$;

comment on function blood_bank.start_collection(uuid, text, text, text, uuid, timestamptz) is 'about=Labels the bag with its donation identification number and begins. IM001 not screened, IM005 no such donation, IM359 the donor was deferred meanwhile.';

create or replace function blood_bank.finish_collection(
  p_donation_id uuid,
  p_volume_ml int,
  p_ended_at timestamptz default now(),
  p_incomplete boolean default false,
  p_adverse_reaction jsonb default null
) returns blood_bank.donations
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_donor blood_bank.donors := blood_bank.lock_donor_of(p_donation_id);
  v_donation blood_bank.donations := blood_bank.lock_donation(p_donation_id);
  v_day date := (p_ended_at at time zone core.tenant_zone())::date;
begin
  if v_donation.status in ('collected', 'quarantined', 'released', 'discarded', 'incomplete') then
    return v_donation;
  end if;
  update blood_bank.donations d
  set
    status = case when p_incomplete then 'incomplete' else 'collected' end, volume_ml = p_volume_ml,
    ended_at = p_ended_at, adverse_reaction = p_adverse_reaction
  where d.tenant_id = v_donation.tenant_id and d.id = v_donation.id
  returning d.* into v_donation;
  -- an incomplete donation was a loss of blood as well: the interval counts, the donation does not
  update blood_bank.donors d
  set
    total_donations = d.total_donations + case when p_incomplete then 0 else 1 end,
    last_whole_blood_on = case
      when v_donation.kind in ('whole_blood', 'double_red_cell') then greatest(d.last_whole_blood_on, v_day)
      else d.last_whole_blood_on
    end,
    last_apheresis_on = case
      when v_donation.kind in ('plateletpheresis', 'plasmapheresis') then greatest(d.last_apheresis_on, v_day)
      else d.last_apheresis_on
    end
  where d.tenant_id = v_donor.tenant_id and d.id = v_donor.id;
  return v_donation;
end
$$;

comment on function blood_bank.finish_collection(uuid, int, timestamptz, boolean, jsonb) is 'about=Ends a collection: collected, or incomplete (no components). Counts the donation and starts the interval of the donor. IM001 not being collected, IM005 no such donation, IM359 more than the donor''s weight allows.';

-- Tests of a donation: entered by one person, verified by another.
create or replace function blood_bank.enter_test(
  p_donation_id uuid,
  p_test text,
  p_method text,
  p_kit_lot text,
  p_kit_expiry date,
  p_tested_by uuid,
  p_result text default null,
  p_group_result text default null,
  p_repeat_no int default 1,
  p_tested_at timestamptz default now(),
  p_device_id uuid default null
) returns blood_bank.donation_tests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_donation blood_bank.donations := blood_bank.lock_donation(p_donation_id);
  v_test blood_bank.donation_tests;
begin
  select t.* into v_test
  from blood_bank.donation_tests t
  where
    t.tenant_id = v_donation.tenant_id and t.donation_id = p_donation_id and t.test = p_test
    and t.repeat_no = p_repeat_no;
  if found then
    if (v_test.result, v_test.group_result) is not distinct from (p_result, p_group_result) then
      return v_test;
    end if;
    raise exception 'test % number % of donation % has another result', p_test, p_repeat_no, p_donation_id
      using errcode = 'IM011', hint = 'declare that one invalid, and enter this one with the next p_repeat_no';
  end if;
  if v_donation.status not in ('collected', 'quarantined') then
    raise exception 'donation % is % and takes no test results', p_donation_id, v_donation.status
      using errcode = 'IM001', hint = 'results are entered between the collection and the release';
  end if;
  insert into blood_bank.donation_tests as t (
    tenant_id, donation_id, test, method, kit_lot, kit_expiry, result, group_result, tested_at, tested_by, repeat_no,
    device_id
  )
  values (
    v_donation.tenant_id, p_donation_id, p_test, p_method, p_kit_lot, p_kit_expiry, p_result, p_group_result,
    p_tested_at, p_tested_by, p_repeat_no, p_device_id
  )
  returning t.* into v_test;
  return v_test;
end
$$;

comment on function blood_bank.enter_test(uuid, text, text, text, date, uuid, text, text, int, timestamptz, uuid) is 'about=Enters a result: p_result of infections and screens, p_group_result of ABO and RhD. Donation, test and p_repeat_no are one test: entered again with the same result, the same row. IM001 the donation is not waiting for tests, IM005 no such donation, IM011 it has another result.';

create or replace function blood_bank.lock_test(p_test_id uuid) returns blood_bank.donation_tests
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_test blood_bank.donation_tests;
begin
  select t.* into v_test
  from blood_bank.donation_tests t
  where t.tenant_id = v_tenant and t.id = p_test_id;
  if not found then
    raise exception 'test % does not exist', p_test_id
      using errcode = 'IM005', hint = 'choose a donation test of the tenant';
  end if;
  perform blood_bank.lock_donation(v_test.donation_id); -- a release reads all tests under this lock
  select t.* into v_test
  from blood_bank.donation_tests t
  where t.tenant_id = v_tenant and t.id = p_test_id
  for no key update;
  return v_test;
end
$$;

comment on function blood_bank.lock_test(uuid) is 'about=The test, with its donation locked before it. IM005 no such test.';

create or replace function blood_bank.verify_test(p_test_id uuid, p_verified_by uuid) returns blood_bank.donation_tests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_test blood_bank.donation_tests := blood_bank.lock_test(p_test_id);
begin
  if v_test.status = 'verified' then
    return v_test;
  end if;
  if v_test.tested_by = p_verified_by then
    raise exception 'test % was read by the same person', p_test_id
      using errcode = 'IM312', hint = 'ask a second person to verify it';
  end if;
  update blood_bank.donation_tests t
  set status = 'verified', verified_by = p_verified_by
  where t.tenant_id = v_test.tenant_id and t.id = v_test.id
  returning t.* into v_test;
  return v_test;
end
$$;

comment on function blood_bank.verify_test(uuid, uuid) is 'about=A second person verifies a result, which is final then. IM001 declared invalid, IM005 no such test, IM312 the verifier is the tester.';

create or replace function blood_bank.invalidate_test(p_test_id uuid, p_reason text) returns blood_bank.donation_tests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_test blood_bank.donation_tests := blood_bank.lock_test(p_test_id);
begin
  if v_test.status = 'invalid' then
    return v_test;
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'test % needs a reason to be invalid', p_test_id
      using errcode = 'IM002', hint = 'say in p_reason what was wrong with the run';
  end if;
  perform core.set_reason(p_reason);
  update blood_bank.donation_tests t
  set status = 'invalid'
  where t.tenant_id = v_test.tenant_id and t.id = v_test.id
  returning t.* into v_test;
  return v_test;
end
$$;

comment on function blood_bank.invalidate_test(uuid, text) is 'about=The run failed: the result does not count and the test is done again with the next p_repeat_no. IM001 verified already, IM002 no reason, IM005 no such test.';

-- From a donation to units: prepared, released or discarded, looked back on.
create or replace function blood_bank.prepare_unit(
  p_donation_id uuid,
  p_component text,
  p_product_code text,
  p_volume_ml int,
  p_storage_location_id uuid,
  p_prepared_by uuid,
  p_division text default '00',
  p_prepared_at timestamptz default now(),
  p_expires_at timestamptz default null
) returns blood_bank.blood_components
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_donation blood_bank.donations := blood_bank.lock_donation(p_donation_id);
  v_unit blood_bank.blood_components;
begin
  select c.* into v_unit
  from blood_bank.blood_components c
  where
    c.tenant_id = v_donation.tenant_id and c.din = v_donation.din and c.product_code = p_product_code
    and c.division = p_division;
  if found then
    return v_unit;
  end if;
  if v_donation.status not in ('collected', 'quarantined', 'released') then
    raise exception 'donation % is % and gives no units', p_donation_id, v_donation.status
      using errcode = 'IM001', hint = 'units are made of donations that were collected';
  end if;
  if v_donation.status = 'collected' then
    update blood_bank.donations d
    set status = 'quarantined'
    where d.tenant_id = v_donation.tenant_id and d.id = v_donation.id;
  end if;
  insert into blood_bank.blood_components as c (
    tenant_id, donation_id, din, product_code, division, component, volume_ml, prepared_at, expires_at,
    storage_location_id, storage_temp
  )
  values (
    v_donation.tenant_id, p_donation_id, v_donation.din, p_product_code, p_division, p_component, p_volume_ml,
    p_prepared_at, coalesce(p_expires_at, blood_bank.shelf_life_end(p_donation_id, p_component)), p_storage_location_id,
    numrange(
      blood_bank.limit_of('bloodbank.components', p_component, 'celsius', '0'),
      blood_bank.limit_of('bloodbank.components', p_component, 'celsius', '1'), '[]'
    )
  )
  returning c.* into v_unit;
  insert into blood_bank.component_events (tenant_id, component_id, to_status, actor_id, location_id)
  values (v_unit.tenant_id, v_unit.id, 'quarantined', p_prepared_by, p_storage_location_id);
  return v_unit;
end
$$;

comment on function blood_bank.prepare_unit(uuid, text, text, int, uuid, uuid, text, timestamptz, timestamptz) is 'about=Makes a unit of a donation, in quarantine, with the shelf life and storage of setting bloodbank.components. DIN, product code and division are one unit: made again, the same row. IM001 the donation was not collected, IM005 no such donation, IM351 kept too long.';

create or replace function blood_bank.look_back(p_donation_id uuid) returns table (
  donation_id uuid,
  collected_at timestamptz,
  component_id uuid,
  component text,
  component_status text,
  issue_id uuid,
  patient_id uuid
)
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
  select e.id, e.ended_at, c.id, c.component, c.status, i.id, i.patient_id
  from blood_bank.donations d
  join blood_bank.donations e
    on e.tenant_id = d.tenant_id and e.donor_id = d.donor_id and e.id <> d.id and e.ended_at < d.ended_at
  left join blood_bank.blood_components c on c.tenant_id = e.tenant_id and c.donation_id = e.id
  left join blood_bank.blood_issues i
    on i.tenant_id = c.tenant_id and i.component_id = c.id
    and i.status in ('issued', 'transfusing', 'stopped', 'completed')
  where d.tenant_id = core.require_tenant() and d.id = p_donation_id
  order by e.ended_at desc, c.id
$$;

comment on function blood_bank.look_back(uuid) is 'about=The earlier donations of the donor with their units, where these are, and who received them: what must be traced when a donation is reactive.';

create or replace function blood_bank.release_donation(p_donation_id uuid, p_released_by uuid) returns table (
  outcome text,
  failure_code text,
  units int,
  look_back_units int
)
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_donor blood_bank.donors := blood_bank.lock_donor_of(p_donation_id);
  v_donation blood_bank.donations := blood_bank.lock_donation(p_donation_id);
  v_clearance record := blood_bank.clearance_of(p_donation_id);
  v_group text := v_clearance.abo || case v_clearance.rhd when 'pos' then '+' else '-' end;
  v_reactive boolean := v_clearance.reactive <> '{}';
  v_days int;
  v_test text;
  v_unit blood_bank.blood_components;
begin
  if v_donation.status not in ('collected', 'quarantined', 'released', 'discarded') then
    raise exception 'donation % is % and cannot be released', p_donation_id, v_donation.status
      using errcode = 'IM001', hint = 'finish the collection first';
  end if;
  if v_donation.status <> 'discarded' and not v_reactive then
    if v_clearance.missing <> '{}' then
      raise exception 'donation % is not tested: %', p_donation_id, array_to_string(v_clearance.missing, ', ')
        using errcode = 'IM350', hint = 'enter and verify all tests, then release';
    end if;
    if v_donor.blood_group <> v_group then
      raise exception 'donation % has another group than earlier donations of donor %', p_donation_id, v_donor.id
        using errcode = 'IM350', hint = 'check the identity of donor and tubes, then group again';
    end if;
    if v_donation.status <> 'released' and (
      v_donor.permanent_deferral or exists (
        select
        from blood_bank.donor_deferrals f
        where
          f.tenant_id = v_donor.tenant_id and f.donor_id = v_donor.id
          and f.from_on >= (v_donation.ended_at at time zone core.tenant_zone())::date
      )
    ) then
      raise exception 'donor % was deferred after donation %', v_donor.id, p_donation_id
        using errcode = 'IM359', hint = 'discard the units with blood_bank.discard_unit';
    end if;
  end if;

  if v_donation.status = 'collected' then -- no units yet
    update blood_bank.donations d
    set status = 'quarantined'
    where d.tenant_id = v_donation.tenant_id and d.id = p_donation_id;
  end if;
  if v_donation.status in ('collected', 'quarantined') then
    update blood_bank.donations d
    set status = case when v_reactive then 'discarded' else 'released' end
    where d.tenant_id = v_donation.tenant_id and d.id = p_donation_id
    returning d.* into v_donation;
  end if;

  for v_unit in
    select c.*
    from blood_bank.blood_components c
    where c.tenant_id = v_donation.tenant_id and c.donation_id = p_donation_id and c.status = 'quarantined'
    order by c.id
    for no key update
  loop
    if v_donation.status = 'discarded' then
      perform blood_bank.move_unit(v_unit, 'discarded', p_released_by, 'reactive');
    elsif v_unit.expires_at <= now() then
      perform blood_bank.move_unit(v_unit, 'discarded', p_released_by, 'expired');
    else
      update blood_bank.blood_components c
      set abo = v_clearance.abo, rhd = v_clearance.rhd
      where c.tenant_id = v_unit.tenant_id and c.id = v_unit.id;
      perform blood_bank.move_unit(v_unit, 'available', p_released_by);
    end if;
  end loop;

  if v_donation.status = 'released' then
    update blood_bank.donors d
    set blood_group = v_group
    where d.tenant_id = v_donor.tenant_id and d.id = v_donor.id and d.blood_group is null;
  else
    foreach v_test in array v_clearance.reactive loop -- malaria passes, the others do not
      v_days := blood_bank.limit_of('bloodbank.donor', 'deferral_days', 'tti_' || v_test);
      perform blood_bank.write_deferral(
        v_donor, 'tti_' || v_test, case when v_days is null then 'permanent' else 'temporary' end,
        core.tenant_today() + v_days, p_released_by, 'tti', null, false
      );
    end loop;
  end if;

  outcome := v_donation.status;
  failure_code := case when v_reactive then 'IM356' end;
  select count(*) into units
  from blood_bank.blood_components c
  where c.tenant_id = v_donation.tenant_id and c.donation_id = p_donation_id;
  select count(l.component_id) into look_back_units
  from blood_bank.look_back(p_donation_id) l
  where v_reactive;
  return next;
end
$$;

comment on function blood_bank.release_donation(uuid, uuid) is 'about=Decides on a donation. All tests verified and clear: outcome released, its units available with the group of the tests. Any reactive: outcome discarded (failure_code IM356), every unit discarded, the donor deferred, and look_back_units says how many earlier units blood_bank.look_back lists. Asked again: the same answer; units that were prepared after a release are released too. IM001 not collected, IM005 no such donation, IM350 tests missing, or the group is not that of earlier donations, IM359 the donor was deferred meanwhile.';

-- The blood group of a patient: two samples, taken independently, or it is not known.
create or replace function blood_bank.record_patient_group(
  p_patient_id uuid,
  p_sample_id uuid,
  p_abo text,
  p_rhd text,
  p_tested_by uuid,
  p_antibody_screen text default 'not_done',
  p_antibodies text[] default '{}',
  p_tested_at timestamptz default now()
) returns blood_bank.patient_blood_groups
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_group blood_bank.patient_blood_groups;
begin
  perform blood_bank.sample_of(p_sample_id, p_patient_id);
  perform pg_advisory_xact_lock(hashtextextended('blood_bank.group ' || v_tenant || p_patient_id, 0));
  select g.* into v_group
  from blood_bank.patient_blood_groups g
  where g.tenant_id = v_tenant and g.patient_id = p_patient_id and g.sample_id = p_sample_id;
  if found then
    if (v_group.abo, v_group.rhd) = (p_abo, p_rhd) then
      return v_group;
    end if;
    raise exception 'sample % was grouped with another result', p_sample_id
      using errcode = 'IM011', hint = 'take a new sample';
  end if;
  insert into blood_bank.patient_blood_groups as g (
    tenant_id, patient_id, sample_id, abo, rhd, antibody_screen, antibodies, tested_at, tested_by
  )
  values (
    v_tenant, p_patient_id, p_sample_id, p_abo, p_rhd, p_antibody_screen, p_antibodies, p_tested_at, p_tested_by
  )
  returning g.* into v_group;
  return v_group;
end
$$;

comment on function blood_bank.record_patient_group(uuid, uuid, text, text, uuid, text, text[], timestamptz) is 'about=Records what a sample says: first_sample, or discrepant when it contradicts another sample of the patient (which becomes discrepant, too). A sample is grouped once: the same again, the same row. IM005 no such sample of the patient, IM011 it was grouped with another result, IM353 not collected.';

create or replace function blood_bank.sample_of(p_sample_id uuid, p_patient_id uuid, out root_id uuid, out collected_at timestamptz)
  returns record
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  select coalesce(s.parent_sample_id, s.id), coalesce(s.collected_at, parent.collected_at) into root_id, collected_at
  from laboratory.samples s
  left join laboratory.samples parent on parent.tenant_id = s.tenant_id and parent.id = s.parent_sample_id
  where s.tenant_id = core.require_tenant() and s.id = p_sample_id and s.patient_id = p_patient_id;
  if not found then
    raise exception 'sample % is not of patient %', p_sample_id, p_patient_id
      using errcode = 'IM005', hint = 'choose a sample of the patient';
  end if;
  if collected_at is null then
    raise exception 'sample % is not collected', p_sample_id
      using errcode = 'IM353', hint = 'record the collection first';
  end if;
end
$$;

comment on function blood_bank.sample_of(uuid, uuid) is 'about=Of a sample of the patient: the tube that it was taken from (aliquots are one sample), and when. IM005 no such sample of the patient, IM353 not collected.';

create or replace function blood_bank.confirm_patient_group(p_group_id uuid, p_verified_by uuid) returns blood_bank.patient_blood_groups
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_group blood_bank.patient_blood_groups;
  v_root uuid;
begin
  select g.* into v_group
  from blood_bank.patient_blood_groups g
  where g.tenant_id = v_tenant and g.id = p_group_id
  for no key update;
  if not found then
    raise exception 'blood group % does not exist', p_group_id
      using errcode = 'IM005', hint = 'choose a row of blood_bank.patient_blood_groups';
  end if;
  if v_group.status = 'confirmed' then
    return v_group;
  end if;
  if v_group.tested_by = p_verified_by then
    raise exception 'blood group % was tested by the same person', p_group_id
      using errcode = 'IM312', hint = 'ask a second person to confirm it';
  end if;
  v_root := (blood_bank.sample_of(v_group.sample_id, v_group.patient_id)).root_id;
  if v_group.status <> 'first_sample' or not exists (
    select
    from blood_bank.patient_blood_groups g
    where
      g.tenant_id = v_tenant and g.patient_id = v_group.patient_id and g.id <> v_group.id
      and g.status in ('first_sample', 'confirmed')
      and g.abo = v_group.abo and (g.rhd = 'pos') = (v_group.rhd = 'pos')
      and (blood_bank.sample_of(g.sample_id, g.patient_id)).root_id <> v_root
  ) then
    raise exception 'blood group % is not backed by a second sample', p_group_id
      using errcode = 'IM355', hint = 'take a second sample, or resolve the discrepancy first';
  end if;
  update blood_bank.patient_blood_groups g
  set status = 'confirmed', verified_by = p_verified_by
  where g.tenant_id = v_tenant and g.id = v_group.id
  returning g.* into v_group;
  return v_group;
end
$$;

comment on function blood_bank.confirm_patient_group(uuid, uuid) is 'about=A second person confirms a group that another, independently taken sample of the patient agrees with (two aliquots of one tube are one sample). IM005 no such row, IM312 the tester confirms their own result, IM355 no second sample agrees, or samples disagree.';

create or replace function blood_bank.resolve_discrepancy(p_right_group_id uuid, p_resolved_by uuid, p_note text)
  returns setof blood_bank.patient_blood_groups
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_right blood_bank.patient_blood_groups;
  v_group blood_bank.patient_blood_groups;
begin
  if nullif(btrim(p_note), '') is null then
    raise exception 'a discrepancy is resolved with a note'
      using errcode = 'IM002', hint = 'say in p_note what was found';
  end if;
  select g.* into v_right
  from blood_bank.patient_blood_groups g
  where g.tenant_id = v_tenant and g.id = p_right_group_id;
  if not found then
    raise exception 'blood group % does not exist', p_right_group_id
      using errcode = 'IM005', hint = 'choose a row of blood_bank.patient_blood_groups';
  end if;
  perform pg_advisory_xact_lock(hashtextextended('blood_bank.group ' || v_tenant || v_right.patient_id, 0));
  for v_group in
    select g.*
    from blood_bank.patient_blood_groups g
    where g.tenant_id = v_tenant and g.patient_id = v_right.patient_id and g.status = 'discrepant'
    order by g.id
    for no key update
  loop
    update blood_bank.patient_blood_groups g
    set
      status = case
        when g.abo = v_right.abo and (g.rhd = 'pos') = (v_right.rhd = 'pos') then 'first_sample'
        else 'rejected'
      end,
      verified_by = p_resolved_by, discrepancy_note = p_note
    where g.tenant_id = v_tenant and g.id = v_group.id
    returning g.* into v_group;
    return next v_group;
  end loop;
end
$$;

comment on function blood_bank.resolve_discrepancy(uuid, uuid, text) is 'about=Says which of the contradicting samples was right: those that agree with it are first samples again, the others rejected. The group is confirmed anew with blood_bank.confirm_patient_group. Returns the rows that it changed, none when it is repeated. IM002 no note, IM005 no such row.';

-- Requests: asked for by a doctor, accepted or refused by the blood bank.
create or replace function blood_bank.request_blood(
  p_patient_id uuid,
  p_encounter_id uuid,
  p_component text,
  p_units int,
  p_indication text,
  p_requested_by uuid,
  p_urgency text default 'routine',
  p_required_by timestamptz default now(),
  p_hb_g_dl numeric default null,
  p_sample_id uuid default null,
  p_consent_id uuid default null,
  p_service_request_id uuid default null,
  p_key text default null
) returns blood_bank.blood_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_people uuid[] := patient.ids_of(p_patient_id);
  v_claim record;
  v_request blood_bank.blood_requests;
begin
  if p_key is not null then
    v_claim := core.idempotent_begin(
      'blood_bank.request_blood', p_key,
      sha256(convert_to(
        jsonb_build_array(p_patient_id, p_encounter_id, p_component, p_units, p_urgency, p_indication)::text, 'UTF8'
      ))
    );
    if v_claim.state = 'done' then
      select r.* into v_request
      from blood_bank.blood_requests r
      where r.tenant_id = v_tenant and r.id = (v_claim.response ->> 'request_id')::uuid;
      return v_request;
    end if;
  end if;

  if not exists (
    select
    from clinical.encounters e
    where e.tenant_id = v_tenant and e.id = p_encounter_id and e.patient_id = p_patient_id
  ) then
    raise exception 'encounter % is not of patient %', p_encounter_id, p_patient_id
      using errcode = 'IM005', hint = 'choose an encounter of the patient';
  end if;
  if p_consent_id is not null and not exists (
    select
    from compliance.consents c
    where
      c.tenant_id = v_tenant and c.id = p_consent_id and c.patient_id = any (v_people)
      and c.kind = 'transfusion' and c.decision = 'permit' and c.status = 'active'
      and (c.expires_at is null or c.expires_at > now())
      and (c.encounter_id is null or c.encounter_id = p_encounter_id)
      and not exists (
        select
        from compliance.consents d
        where
          d.tenant_id = c.tenant_id and d.patient_id = any (v_people) and d.kind = c.kind and d.decision = 'deny'
          and d.status = 'active' and d.given_at >= c.given_at
          and (d.encounter_id is null or d.encounter_id = p_encounter_id)
      )
  ) then
    raise exception 'consent % does not permit a transfusion of patient %', p_consent_id, p_patient_id
      using errcode = 'IM006', hint = 'record an active consent of kind transfusion, for the patient or for this encounter';
  end if;
  if p_sample_id is not null then
    perform blood_bank.sample_of(p_sample_id, p_patient_id);
  end if;

  insert into blood_bank.blood_requests as r (
    tenant_id, request_number, service_request_id, patient_id, encounter_id, component, units_requested, urgency,
    indication, hb_g_dl, required_by, sample_id, requested_by, consent_id
  )
  values (
    v_tenant, core.next_default_number('blood_request', '', 'BR-{YY}-'), p_service_request_id, p_patient_id,
    p_encounter_id, p_component, p_units, p_urgency, p_indication, p_hb_g_dl, p_required_by, p_sample_id,
    p_requested_by, p_consent_id
  )
  returning r.* into v_request;
  if p_key is not null then
    perform core.idempotent_finish(
      'blood_bank.request_blood', p_key, jsonb_build_object('request_id', v_request.id)
    );
  end if;
  return v_request;
end
$$;

comment on function blood_bank.request_blood(uuid, uuid, text, int, text, uuid, text, timestamptz, numeric, uuid, uuid, uuid, text) is 'about=A doctor asks for 1 to 40 units of a component for a patient. Same p_key and content, same request. IM005 no such encounter or sample of the patient, IM006 the consent is of another patient or encounter, or not in force, or was denied since, IM010, IM011, IM353 the sample is not collected.';

create or replace function blood_bank.order_emergency_release(p_request_id uuid, p_doctor_id uuid, p_reason text)
  returns blood_bank.blood_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_request blood_bank.blood_requests := blood_bank.lock_request(p_request_id);
  v_word record := blood_bank.last_word(v_request, now());
begin
  if
    v_request.emergency_release_by = p_doctor_id
    and (coalesce(v_word.permits, true) or v_word.said_at <= v_request.emergency_release_at)
  then
    return v_request;
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'emergency release of request % needs a reason', p_request_id
      using errcode = 'IM002', hint = 'say in p_reason why the patient cannot wait';
  end if;
  -- of a fulfilled request units may be out that wait for the transfusion
  if v_request.status not in ('requested', 'accepted', 'partially_issued', 'fulfilled') then
    raise exception 'blood request % is %', p_request_id, v_request.status
      using errcode = 'IM360', hint = 'make a new request';
  end if;
  perform core.set_reason(p_reason);
  update blood_bank.blood_requests r
  set emergency_release_by = p_doctor_id, emergency_release_at = now(), emergency_reason = p_reason
  where r.tenant_id = v_request.tenant_id and r.id = v_request.id
  returning r.* into v_request;
  return v_request;
end
$$;

comment on function blood_bank.order_emergency_release(uuid, uuid, text) is 'about=A named doctor takes the responsibility for units of a request that have no compatible crossmatch, or that differ in RhD, or that the patient has refused until now. The same doctor again: the same release, unless the patient has refused since. IM002 no reason, IM005 no such request, IM360 the request is over.';

create or replace function blood_bank.accept_request(p_request_id uuid) returns blood_bank.blood_requests
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_request blood_bank.blood_requests := blood_bank.lock_request(p_request_id);
begin
  if v_request.status in ('accepted', 'partially_issued', 'fulfilled') then
    return v_request;
  end if;
  if v_request.urgency = 'emergency_uncrossmatched' and v_request.emergency_release_by is null then
    raise exception 'request % asks for uncrossmatched units and no doctor ordered their release', p_request_id
      using errcode = 'IM353', hint = 'call blood_bank.order_emergency_release';
  end if;
  update blood_bank.blood_requests r
  set status = 'accepted'
  where r.tenant_id = v_request.tenant_id and r.id = v_request.id
  returning r.* into v_request;
  return v_request;
end
$$;

comment on function blood_bank.accept_request(uuid) is 'about=The blood bank takes a request on. IM001 it is over, IM005 no such request, IM353 uncrossmatched units without the release of a doctor.';

create or replace function blood_bank.end_request(p_request_id uuid, p_status text, p_reason text) returns blood_bank.blood_requests
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_unit blood_bank.blood_components;
  v_request blood_bank.blood_requests;
begin
  if nullif(btrim(p_reason), '') is null then
    raise exception 'request % needs a reason to be %', p_request_id, p_status
      using errcode = 'IM002', hint = 'say why in p_reason';
  end if;
  -- units before the request, as everywhere
  for v_unit in
    select c.*
    from blood_bank.blood_components c
    where c.tenant_id = v_tenant and c.reserved_for_request_id = p_request_id
    order by c.id
    for no key update
  loop
    perform blood_bank.release_crossmatches(v_unit, 'released');
    perform blood_bank.move_unit(v_unit, 'available', null, p_status);
  end loop;
  v_request := blood_bank.lock_request(p_request_id);
  -- it waited behind somebody who kept one more: that unit may not be locked behind the request
  if exists (
    select
    from blood_bank.blood_components c
    where c.tenant_id = v_tenant and c.reserved_for_request_id = p_request_id
  ) then
    raise exception 'a unit was kept for request % meanwhile', p_request_id
      using errcode = '40001', hint = 'repeat the transaction';
  end if;
  if v_request.status = p_status then
    return v_request;
  end if;
  perform core.set_reason(p_reason);
  update blood_bank.blood_requests r
  set status = p_status, status_reason = p_reason
  where r.tenant_id = v_tenant and r.id = p_request_id
  returning r.* into v_request;
  return v_request;
end
$$;

comment on function blood_bank.end_request(uuid, text, text) is 'about=Ends a request and frees the units that are kept for it. IM001, IM002, IM005; 40001 one more was kept meanwhile, then ask again.';

create or replace function blood_bank.reject_request(p_request_id uuid, p_reason text) returns blood_bank.blood_requests
  language sql
  security definer
  set search_path = pg_catalog, pg_temp
as $$ select blood_bank.end_request(p_request_id, 'rejected', p_reason) $$;

comment on function blood_bank.reject_request(uuid, text) is 'about=The blood bank does not take a request on. IM001 accepted already, IM002 no reason, IM005 no such request.';

create or replace function blood_bank.cancel_request(p_request_id uuid, p_reason text) returns blood_bank.blood_requests
  language sql
  security definer
  set search_path = pg_catalog, pg_temp
as $$ select blood_bank.end_request(p_request_id, 'cancelled', p_reason) $$;

comment on function blood_bank.cancel_request(uuid, text) is 'about=A request of which nothing is issued is not needed any more; its units are free again. IM001 units are issued, IM002 no reason, IM005 no such request.';

create or replace function blood_bank.close_request(p_request_id uuid, p_reason text) returns blood_bank.blood_requests
  language sql
  security definer
  set search_path = pg_catalog, pg_temp
as $$ select blood_bank.end_request(p_request_id, 'closed', p_reason) $$;

comment on function blood_bank.close_request(uuid, text) is 'about=No more units are needed than were issued; the others are free again. IM001 not partially issued, IM002 no reason, IM005 no such request.';

-- A unit is kept for a request and tested against the patient. Each operation locks the unit, then the request.
create or replace function blood_bank.find_compatible_units(p_request_id uuid, p_limit int default 20)
  returns setof blood_bank.blood_components
  language sql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
  select c.*
  from blood_bank.blood_requests r
  cross join lateral blood_bank.recipient_group(r.patient_id) g
  join blood_bank.blood_components c on c.tenant_id = r.tenant_id
  cross join lateral blood_bank.match_of(g.blood_group, c.component, c.abo, c.rhd) m
  where
    r.tenant_id = core.require_tenant()
    and r.id = p_request_id
    and c.tenant_id = core.require_tenant()
    and c.status = 'available'
    and c.expires_at > now() + make_interval(hours => blood_bank.limit_of('bloodbank.rules', 'transfusion_hours')::int)
    and blood_bank.satisfies(r.component, c.component)
    and (
      m in ('identical', 'compatible', 'platelets_of_other_group')
      or (m = 'rhd_override' and r.emergency_release_by is not null)
    )
  order by
    array_position(array['identical', 'compatible', 'platelets_of_other_group', 'rhd_override'], m),
    c.component <> r.component, c.expires_at, c.id
  limit p_limit
$$;

comment on function blood_bank.find_compatible_units(uuid, int) is 'about=Available units that may be given on a request: the recipient''s own group first, then first expired, first out.';

create or replace function blood_bank.check_request_takes(p_unit blood_bank.blood_components, p_request blood_bank.blood_requests)
  returns void
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_kept int;
begin
  if p_request.status not in ('accepted', 'partially_issued') then
    raise exception 'blood request % is % and takes no units', p_request.id, p_request.status
      using errcode = 'IM360', hint = 'accept it first, or make a new request';
  end if;
  if not blood_bank.satisfies(p_request.component, p_unit.component) then
    raise exception 'unit % is %, request % asks for %', p_unit.id, p_unit.component, p_request.id, p_request.component
      using errcode = 'IM352', hint = 'choose one of blood_bank.find_compatible_units';
  end if;
  select count(*) into v_kept
  from blood_bank.blood_components c
  where c.tenant_id = p_request.tenant_id and c.reserved_for_request_id = p_request.id and c.id <> p_unit.id;
  if p_request.units_issued + v_kept >= p_request.units_requested then
    raise exception 'blood request % has its % units', p_request.id, p_request.units_requested
      using errcode = 'IM360', hint = 'free a unit that is kept for it, or make a new request';
  end if;
end
$$;

comment on function blood_bank.check_request_takes(blood_bank.blood_components, blood_bank.blood_requests) is 'about=IM352 another component than the request asks for, IM360 the request is not open or has all its units, issued and kept.';

create or replace function blood_bank.keep_unit(
  p_unit blood_bank.blood_components,
  p_request blood_bank.blood_requests,
  p_actor_id uuid,
  p_fefo_reason text
) returns blood_bank.blood_components
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_unit blood_bank.blood_components := p_unit;
  v_earlier uuid;
begin
  if v_unit.status in ('reserved', 'crossmatched') then
    if v_unit.reserved_for_request_id = p_request.id then
      return v_unit;
    end if;
    if v_unit.reserved_until <= now() then -- lapsed, and no job came by yet
      perform blood_bank.release_crossmatches(v_unit, 'released');
      v_unit := blood_bank.move_unit(v_unit, 'available', null, 'reservation_lapsed');
    end if;
  end if;
  if v_unit.status <> 'available' then
    raise exception 'unit % is %', v_unit.id, v_unit.status
      using errcode = 'IM354', hint = 'choose another unit';
  end if;
  perform blood_bank.check_request_takes(v_unit, p_request);
  perform blood_bank.check_in_date(v_unit);
  perform blood_bank.check_match(
    v_unit.id, p_request.id, (blood_bank.recipient_group(p_request.patient_id)).blood_group
  );
  if nullif(btrim(p_fefo_reason), '') is null then
    select c.id into v_earlier
    from blood_bank.blood_components c
    where
      c.tenant_id = v_unit.tenant_id and c.status = 'available' and c.component = v_unit.component
      and c.abo = v_unit.abo and c.rhd = v_unit.rhd and c.expires_at < v_unit.expires_at
      and c.expires_at
        > now() + make_interval(hours => blood_bank.limit_of('bloodbank.rules', 'transfusion_hours')::int)
    order by c.expires_at
    limit 1;
    if found then
      raise exception 'unit % of the same group expires before unit %', v_earlier, v_unit.id
        using errcode = 'IM002', hint = 'take that one, or say why not in the reason';
    end if;
  end if;
  return blood_bank.move_unit(v_unit, 'reserved', p_actor_id, p_fefo_reason, p_request.id);
end
$$;

comment on function blood_bank.keep_unit(blood_bank.blood_components, blood_bank.blood_requests, uuid, text) is 'about=Reserves a unit for a request, both locked by the caller. First expired, first out among units of one component and group, unless a reason is given.';

create or replace function blood_bank.reserve_unit(
  p_component_id uuid,
  p_request_id uuid,
  p_reserved_by uuid,
  p_reason text default null
) returns blood_bank.blood_components
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_unit blood_bank.blood_components := blood_bank.lock_unit(p_component_id);
  v_request blood_bank.blood_requests := blood_bank.lock_request(p_request_id);
begin
  return blood_bank.keep_unit(v_unit, v_request, p_reserved_by, p_reason);
end
$$;

comment on function blood_bank.reserve_unit(uuid, uuid, uuid, text) is 'about=Keeps an available unit for a request, for setting bloodbank.rules.reservation_hours (default 48). Asked again: the same unit. IM002 another unit of the group expires earlier and no reason is given, IM005 no such unit or request, IM351 expires too soon, IM352 does not suit, IM354 it is kept or issued for somebody else, IM355 the group is unconfirmed, IM360 the request takes no more.';

create or replace function blood_bank.free_unit(p_component_id uuid, p_freed_by uuid, p_reason_code text default 'not_needed')
  returns blood_bank.blood_components
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_unit blood_bank.blood_components := blood_bank.lock_unit(p_component_id);
begin
  if v_unit.status = 'available' then
    return v_unit;
  end if;
  if v_unit.status not in ('reserved', 'crossmatched') then
    raise exception 'unit % is % and not kept for a request', p_component_id, v_unit.status
      using errcode = 'IM001', hint = 'use blood_bank.return_unit for units that were issued';
  end if;
  perform blood_bank.release_crossmatches(v_unit, 'released');
  return blood_bank.move_unit(v_unit, 'available', p_freed_by, p_reason_code);
end
$$;

comment on function blood_bank.free_unit(uuid, uuid, text) is 'about=A unit that was reserved or crossmatched is available again; its crossmatch is released. IM001 it is not kept for a request, IM005 no such unit.';

create or replace function blood_bank.record_crossmatch(
  p_request_id uuid,
  p_component_id uuid,
  p_sample_id uuid,
  p_method text,
  p_performed_by uuid,
  p_result text default null,
  p_verified_by uuid default null,
  p_reason text default null
) returns blood_bank.crossmatches
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_unit blood_bank.blood_components := blood_bank.lock_unit(p_component_id);
  v_request blood_bank.blood_requests := blood_bank.lock_request(p_request_id);
  v_hours int := blood_bank.limit_of('bloodbank.rules', 'crossmatch_hours');
  v_sample record;
  v_crossmatch blood_bank.crossmatches;
  v_is_out boolean; -- on emergency release: tested after it has left
begin
  v_is_out := exists (
    select
    from blood_bank.blood_issues i
    where
      i.tenant_id = v_unit.tenant_id and i.component_id = v_unit.id and i.request_id = p_request_id
      and i.status <> 'returned'
  );
  select x.* into v_crossmatch
  from blood_bank.crossmatches x
  where
    x.tenant_id = v_unit.tenant_id and x.request_id = p_request_id and x.component_id = p_component_id
    and x.sample_id = p_sample_id and x.method = p_method and x.status <> 'released'
  order by x.performed_at desc, x.id desc
  limit 1;
  if found and (v_crossmatch.status <> 'pending' or p_result is null) then
    if p_result is null or v_crossmatch.result = p_result then
      return v_crossmatch;
    end if;
    raise exception 'crossmatch % has another result', v_crossmatch.id
      using errcode = 'IM011', hint = 'crossmatch again by another method, or with another sample';
  end if;

  if v_crossmatch.id is null then
    v_sample := blood_bank.sample_of(p_sample_id, v_request.patient_id);
    if v_sample.collected_at + make_interval(hours => v_hours) <= now() then
      raise exception 'sample % is older than % hours', p_sample_id, v_hours
        using errcode = 'IM353', hint = 'take a new sample';
    end if;
    if not v_is_out then
      v_unit := blood_bank.keep_unit(v_unit, v_request, p_performed_by, p_reason);
    end if;
    -- another method or sample replaces the crossmatch before it
    perform blood_bank.release_crossmatches(v_unit, 'released');
    insert into blood_bank.crossmatches as x (
      tenant_id, request_id, component_id, patient_id, sample_id, sample_collected_at, method, performed_by,
      valid_until
    )
    values (
      v_unit.tenant_id, p_request_id, p_component_id, v_request.patient_id, p_sample_id, v_sample.collected_at,
      p_method, p_performed_by, v_sample.collected_at + make_interval(hours => v_hours)
    )
    returning x.* into v_crossmatch;
  end if;
  if p_result is null then
    return v_crossmatch;
  end if;

  update blood_bank.crossmatches x
  set
    status = case p_result when 'incompatible' then 'incompatible' else 'compatible' end, result = p_result,
    performed_by = p_performed_by, performed_at = now(), verified_by = p_verified_by
  where x.tenant_id = v_crossmatch.tenant_id and x.id = v_crossmatch.id
  returning x.* into v_crossmatch;
  if v_is_out then
    update blood_bank.blood_issues i
    set
      crossmatch_id = coalesce(i.crossmatch_id, v_crossmatch.id),
      warnings = i.warnings || case when p_result <> 'compatible' then array['incompatible_afterwards'] else '{}' end
    where
      i.tenant_id = v_unit.tenant_id and i.component_id = v_unit.id and i.request_id = p_request_id
      and i.status <> 'returned';
  elsif v_crossmatch.status = 'incompatible' then
    perform blood_bank.move_unit(v_unit, 'available', p_performed_by, 'incompatible');
  elsif v_unit.status = 'reserved' then
    perform blood_bank.move_unit(v_unit, 'crossmatched', p_performed_by, null, p_request_id);
  end if;
  return v_crossmatch;
end
$$;

comment on function blood_bank.record_crossmatch(uuid, uuid, uuid, text, uuid, text, uuid, text) is 'about=Crossmatches a unit for a request with a sample of the patient; without p_result it is begun, with one (compatible, least_incompatible, incompatible) it is done. Reserves the unit when it is available. Valid for setting bloodbank.rules.crossmatch_hours (at most 72) after the collection of the sample. Incompatible: the unit is available again. A unit that left on emergency release is tested afterwards: it stays where it is, and an incompatible result becomes the warning incompatible_afterwards of its issue. The same again, the same row. Fails as reserve_unit does, and with IM011 it has another result, IM353 the sample is not collected or too old, IM355 an electronic crossmatch without a confirmed group and a negative antibody screen.';

-- A unit leaves the blood bank, and may come back.
create or replace function blood_bank.count_issued(p_request blood_bank.blood_requests, p_change int) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  update blood_bank.blood_requests r
  set
    units_issued = r.units_issued + p_change,
    status = case
      when r.status = 'closed' then 'closed'
      when r.units_issued + p_change = 0 then 'accepted'
      when r.units_issued + p_change = r.units_requested then 'fulfilled'
      else 'partially_issued'
    end
  where r.tenant_id = p_request.tenant_id and r.id = p_request.id;
end
$$;

comment on function blood_bank.count_issued(blood_bank.blood_requests, int) is 'about=Changes the count of a request that the caller has locked; its state follows.';

create or replace function blood_bank.last_word(
  p_request blood_bank.blood_requests,
  p_at timestamptz,
  out permits boolean,
  out said_at timestamptz
) returns record
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_people uuid[] := patient.ids_of(p_request.patient_id);
begin
  select w.permits and not w.is_taken_back, w.said_at into permits, said_at
  from (
    select
      c.decision = 'permit' as permits,
      coalesce(c.withdrawn_at <= p_at, false) as is_taken_back,
      case when c.withdrawn_at <= p_at then c.withdrawn_at else c.given_at end as said_at,
      c.expires_at
    from compliance.consents c
    where
      c.tenant_id = p_request.tenant_id and c.patient_id = any (v_people) and c.kind = 'transfusion'
      and c.status in ('active', 'withdrawn', 'expired') and c.given_at <= p_at
      and (c.encounter_id is null or c.encounter_id = p_request.encounter_id)
  ) w
  where
    -- who takes a consent back refuses; who takes a denial back has said nothing
    case when w.is_taken_back then w.permits else w.expires_at is null or w.expires_at > p_at end
  order by w.said_at desc, 1
  limit 1;
end
$$;

comment on function blood_bank.last_word(blood_bank.blood_requests, timestamptz) is 'about=What the patient had said last on transfusions by an instant, for the encounter or for any, and when: given, denied or taken back. Null and null where nothing is in force.';

create or replace function blood_bank.consent_warning(p_request blood_bank.blood_requests, p_at timestamptz) returns text
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_word record := blood_bank.last_word(p_request, p_at);
begin
  -- a request that named a consent rests on it
  if coalesce(v_word.permits, p_request.consent_id is null) then
    return null;
  end if;
  -- the doctor answers for what was known, not for what the patient says afterwards
  if p_request.emergency_release_at is null or p_request.emergency_release_at < v_word.said_at then
    raise exception 'the patient of request % does not consent to a transfusion any more', p_request.id
      using errcode = 'IM006', hint = 'record a new consent of kind transfusion, or have a doctor order emergency release';
  end if;
  return 'without_consent';
end
$$;

comment on function blood_bank.consent_warning(blood_bank.blood_requests, timestamptz) is 'about=Null when the patient permits a transfusion at an instant, or nothing is in force and the request named no consent; without_consent when a doctor answers for it, who ordered emergency release after the refusal. IM006 else.';

create or replace function blood_bank.issue_unit(
  p_component_id uuid,
  p_request_id uuid,
  p_issued_by uuid,
  p_received_by uuid,
  p_label_check_by uuid,
  p_reason text default null
) returns blood_bank.blood_issues
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_unit blood_bank.blood_components := blood_bank.lock_unit(p_component_id);
  v_request blood_bank.blood_requests := blood_bank.lock_request(p_request_id);
  v_group text;
  v_crossmatch blood_bank.crossmatches;
  v_warnings text[] := '{}';
  v_issue blood_bank.blood_issues;
begin
  select i.* into v_issue
  from blood_bank.blood_issues i
  where
    i.tenant_id = v_unit.tenant_id and i.component_id = v_unit.id
    and i.status in ('issued', 'transfusing', 'stopped', 'completed');
  if found then
    if v_issue.request_id = p_request_id then
      return v_issue;
    end if;
    raise exception 'unit % is issued', p_component_id
      using errcode = 'IM354', hint = 'choose another unit';
  end if;
  v_warnings := array[blood_bank.consent_warning(v_request, now())];
  v_unit := blood_bank.keep_unit(v_unit, v_request, p_issued_by, p_reason);
  perform blood_bank.check_request_takes(v_unit, v_request);
  perform blood_bank.check_in_date(v_unit);
  v_group := (blood_bank.recipient_group(v_request.patient_id)).blood_group;
  v_warnings := v_warnings || array[
    blood_bank.check_match(p_component_id, p_request_id, v_group),
    case when v_group is null then 'group_unconfirmed' end
  ];

  if blood_bank.needs_crossmatch(v_unit.component) then
    select x.* into v_crossmatch
    from blood_bank.crossmatches x
    where
      x.tenant_id = v_unit.tenant_id and x.request_id = p_request_id and x.component_id = p_component_id
      and x.status = 'compatible' and x.valid_until > now()
    for no key update;
    if v_request.emergency_release_by is null
      and (v_crossmatch.id is null or v_crossmatch.result = 'least_incompatible') then
      raise exception 'unit % has no valid compatible crossmatch for request %', p_component_id, p_request_id
        using errcode = 'IM353', hint = 'crossmatch again, or have a doctor order emergency release';
    end if;
    if v_crossmatch.id is null and exists (
      select
      from blood_bank.crossmatches x
      where
        x.tenant_id = v_unit.tenant_id and x.component_id = p_component_id and x.patient_id = v_request.patient_id
        and x.status = 'incompatible'
    ) then
      raise exception 'unit % was found incompatible with the recipient of request %', p_component_id, p_request_id
        using errcode = 'IM353', hint = 'choose another unit; emergency release is for units that were not tested';
    end if;
    v_warnings := v_warnings || case
      when v_crossmatch.id is null then 'not_crossmatched'
      when v_crossmatch.result = 'least_incompatible' then 'least_incompatible'
    end;
  end if;
  if v_crossmatch.id is not null then
    update blood_bank.crossmatches x
    set status = 'used'
    where x.tenant_id = v_crossmatch.tenant_id and x.id = v_crossmatch.id;
  end if;
  perform blood_bank.release_crossmatches(v_unit, 'expired');

  perform blood_bank.move_unit(
    v_unit, 'issued', p_issued_by, p_reason, p_second_actor_id => p_received_by
  );
  perform blood_bank.count_issued(v_request, 1);
  insert into blood_bank.blood_issues as i (
    tenant_id, issue_number, component_id, request_id, crossmatch_id, patient_id, issued_by, received_by,
    label_check_by, warnings
  )
  values (
    v_unit.tenant_id, core.next_default_number('blood_issue', '', 'BI-{YY}-'), p_component_id, p_request_id,
    v_crossmatch.id, v_request.patient_id, p_issued_by, p_received_by, p_label_check_by,
    array_remove(v_warnings, null)
  )
  returning i.* into v_issue;
  return v_issue;
end
$$;

comment on function blood_bank.issue_unit(uuid, uuid, uuid, uuid, uuid, text) is 'about=Hands a unit over for a patient; it is reserved on the way when it was available. Red cells leave on a valid compatible crossmatch, or on the emergency release of a named doctor, and nothing without it against the newest word of the patient; what was accepted knowingly is in warnings. Issued again for the same request: the same issue. IM002 another unit of the group expires earlier and no reason is given, IM005 no such unit or request, IM006 the patient denied or withdrew, IM351 expires before a transfusion could end, IM352 does not suit, IM353 no valid crossmatch, IM354 issued or kept for somebody else, IM355 the group is unconfirmed, IM360 the request takes no more.';

create or replace function blood_bank.end_issue(p_issue blood_bank.blood_issues, p_reason text) returns blood_bank.blood_issues
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_issue blood_bank.blood_issues;
begin
  perform core.set_reason(p_reason);
  update blood_bank.blood_issues i
  set status = 'returned', returned_at = now(), return_reason = p_reason
  where i.tenant_id = p_issue.tenant_id and i.id = p_issue.id
  returning i.* into v_issue;
  update blood_bank.crossmatches x
  set status = 'released'
  where x.tenant_id = p_issue.tenant_id and x.id = p_issue.crossmatch_id and x.status = 'used';
  perform blood_bank.count_issued(blood_bank.lock_request(p_issue.request_id), -1);
  return v_issue;
end
$$;

comment on function blood_bank.end_issue(blood_bank.blood_issues, text) is 'about=Ends an issue, unused, that the caller has locked; its crossmatch is released and the request may be served again. IM001 the transfusion has begun.';

create or replace function blood_bank.return_unit(
  p_issue_id uuid,
  p_minutes_out int,
  p_seal_intact boolean,
  p_returned_by uuid,
  p_taken_back_by uuid,
  p_reason text,
  p_temperature_c numeric default null
) returns blood_bank.blood_issues
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_issue blood_bank.blood_issues := blood_bank.lock_issue(p_issue_id);
  v_limit int := least(30, blood_bank.limit_of('bloodbank.rules', 'return_minutes')::int);
  -- nothing records a refrigerator outside the blood bank: from its issue on a unit is out
  v_minutes int := greatest(p_minutes_out, floor(extract(epoch from now() - v_issue.issued_at) / 60));
  v_unit blood_bank.blood_components;
begin
  if v_issue.status = 'returned' then
    return v_issue;
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'the return of issue % needs a reason', p_issue_id
      using errcode = 'IM002', hint = 'say in p_reason why the unit was not given';
  end if;
  if v_issue.status = 'issued' and (
    p_minutes_out is null or p_minutes_out < 0 or v_minutes > v_limit or p_seal_intact is distinct from true
  ) then
    raise exception 'issue % cannot come back into stock: % minutes out, seal intact: %', p_issue_id, v_minutes, p_seal_intact
      using errcode = 'IM357', hint = 'discard the unit with blood_bank.discard_unit';
  end if;
  v_issue := blood_bank.end_issue(v_issue, p_reason);
  v_unit := blood_bank.move_unit(
    blood_bank.lock_unit(v_issue.component_id), 'returned', p_taken_back_by, p_reason,
    p_second_actor_id => p_returned_by, p_minutes_out => v_minutes, p_temperature_c => p_temperature_c
  );
  perform blood_bank.move_unit(v_unit, 'available', p_taken_back_by, p_reason, p_minutes_out => v_minutes);
  return v_issue;
end
$$;

comment on function blood_bank.return_unit(uuid, int, boolean, uuid, uuid, text, numeric) is 'about=A unit that was not begun comes back into stock: at most 30 minutes out of storage and after its issue (setting bloodbank.rules.return_minutes may say less), seal intact. The request may be served again. Asked again: the same issue. IM001 the transfusion has begun, IM002 no reason, IM005 no such issue, IM357 too long out or the seal is broken: discard it.';

create or replace function blood_bank.discard_unit(p_component_id uuid, p_reason_code text, p_discarded_by uuid)
  returns blood_bank.blood_components
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_donation blood_bank.donations;
  v_unit blood_bank.blood_components;
  v_issue blood_bank.blood_issues;
begin
  -- the donation before its units; a unit never changes its donation
  select d.* into v_donation
  from blood_bank.donations d
  where
    d.tenant_id = v_tenant
    and d.id = (
      select c.donation_id
      from blood_bank.blood_components c
      where c.tenant_id = v_tenant and c.id = p_component_id
    )
  for no key update;
  v_unit := blood_bank.lock_unit(p_component_id);
  if v_unit.status = 'discarded' then
    return v_unit;
  end if;
  if nullif(btrim(p_reason_code), '') is null then
    raise exception 'unit % needs a reason to be discarded', p_component_id
      using errcode = 'IM002', hint = 'say why in p_reason_code';
  end if;
  if v_unit.status = 'issued' then
    select i.* into v_issue
    from blood_bank.blood_issues i
    where
      i.tenant_id = v_unit.tenant_id and i.component_id = v_unit.id and i.status in ('issued', 'transfusing', 'stopped');
    v_issue := blood_bank.end_issue(blood_bank.lock_issue(v_issue.id), p_reason_code);
  end if;
  perform blood_bank.release_crossmatches(v_unit, 'released');
  v_unit := blood_bank.move_unit(v_unit, 'discarded', p_discarded_by, p_reason_code);
  if v_donation.status = 'quarantined' and not exists (
    select
    from blood_bank.blood_components c
    where c.tenant_id = v_tenant and c.donation_id = v_donation.id and c.status <> 'discarded'
  ) then
    update blood_bank.donations d
    set status = 'discarded'
    where d.tenant_id = v_tenant and d.id = v_donation.id;
  end if;
  return v_unit;
end
$$;

comment on function blood_bank.discard_unit(uuid, text, uuid) is 'about=A unit is destroyed; one that was issued and not begun comes off its request. A donation in quarantine whose last unit is destroyed is discarded. IM001 it was transfused or is running, IM002 no reason, IM005 no such unit.';

-- At the bedside.
create or replace function blood_bank.not_before(p_at timestamptz, p_earlier timestamptz) returns timestamptz
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select case when p_at >= p_earlier - interval '5 minutes' then greatest(p_at, p_earlier) else p_at end
$$;

comment on function blood_bank.not_before(timestamptz, timestamptz) is 'about=An instant that a clock at the bedside told: up to 5 minutes before what happened earlier, which another clock told, it is as late as that.';

create or replace function blood_bank.start_transfusion(
  p_issue_id uuid,
  p_patient_id uuid,
  p_din text,
  p_check1_by uuid,
  p_check2_by uuid,
  p_pre_vitals jsonb default null,
  p_started_at timestamptz default now()
) returns blood_bank.blood_issues
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_issue blood_bank.blood_issues := blood_bank.lock_issue(p_issue_id);
  v_unit blood_bank.blood_components := blood_bank.lock_unit(v_issue.component_id);
  v_started_at timestamptz := blood_bank.not_before(p_started_at, v_issue.issued_at);
  v_warning text;
begin
  if v_issue.patient_id is distinct from p_patient_id or v_unit.din is distinct from p_din then
    raise exception 'issue % is not this unit for this patient', p_issue_id
      using errcode = 'IM352', hint = 'stop: compare wristband, label and form, and call the blood bank';
  end if;
  if p_check1_by is null or p_check2_by is null or p_check1_by = p_check2_by then
    raise exception 'issue % was not checked by two people', p_issue_id
      using errcode = 'IM358', hint = 'ask a second person to check patient and unit at the bedside';
  end if;
  if v_issue.status in ('transfusing', 'stopped', 'completed') then
    return v_issue;
  end if;
  if v_unit.expires_at <= v_started_at then
    raise exception 'unit % expired at %', v_unit.id, v_unit.expires_at
      using errcode = 'IM351', hint = 'discard it and ask for another unit';
  end if;
  if v_issue.status = 'issued' then
    v_warning := blood_bank.consent_warning(blood_bank.lock_request(v_issue.request_id), v_started_at);
  end if;
  update blood_bank.blood_issues i
  set
    status = 'transfusing', bedside_check1_by = p_check1_by, bedside_check2_by = p_check2_by,
    pre_vitals = p_pre_vitals, started_at = v_started_at,
    warnings = case
      when v_warning is null or v_warning = any (i.warnings) then i.warnings
      else i.warnings || v_warning
    end
  where i.tenant_id = v_issue.tenant_id and i.id = v_issue.id
  returning i.* into v_issue;
  return v_issue;
end
$$;

comment on function blood_bank.start_transfusion(uuid, uuid, text, uuid, uuid, jsonb, timestamptz) is 'about=Two different people checked the patient''s wristband (p_patient_id) and the unit''s label (p_din) at the bedside, and the transfusion starts, unless the patient has denied or withdrawn by p_started_at and no doctor ordered emergency release since (with one: warning without_consent). A p_started_at up to 5 minutes before the issue, from a clock that is slow, is the moment of the issue. Asked again: the same issue. IM001 the unit was returned, IM005 no such issue, IM006 the patient denied or withdrew, IM351 expired, IM352 another patient or unit, IM358 not two different people.';

create or replace function blood_bank.stop_transfusion(p_issue_id uuid, p_reason text) returns blood_bank.blood_issues
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_issue blood_bank.blood_issues := blood_bank.lock_issue(p_issue_id);
begin
  if v_issue.status in ('stopped', 'completed') then
    return v_issue;
  end if;
  if nullif(btrim(p_reason), '') is null then
    raise exception 'stopping transfusion % needs a reason', p_issue_id
      using errcode = 'IM002', hint = 'say why in p_reason';
  end if;
  perform core.set_reason(p_reason);
  update blood_bank.blood_issues i
  set status = 'stopped'
  where i.tenant_id = v_issue.tenant_id and i.id = v_issue.id
  returning i.* into v_issue;
  return v_issue;
end
$$;

comment on function blood_bank.stop_transfusion(uuid, text) is 'about=Stops a running transfusion; blood_bank.complete_transfusion then says how much was given. IM001 not running, IM002 no reason, IM005 no such issue.';

create or replace function blood_bank.complete_transfusion(
  p_issue_id uuid,
  p_volume_given_ml int,
  p_recorded_by uuid,
  p_post_vitals jsonb default null,
  p_ended_at timestamptz default now()
) returns blood_bank.blood_issues
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_issue blood_bank.blood_issues := blood_bank.lock_issue(p_issue_id);
  v_unit blood_bank.blood_components := blood_bank.lock_unit(v_issue.component_id);
  v_hours int := blood_bank.limit_of('bloodbank.rules', 'transfusion_hours');
begin
  if v_issue.status = 'completed' then
    return v_issue;
  end if;
  update blood_bank.blood_issues i
  set
    status = 'completed', ended_at = blood_bank.not_before(p_ended_at, i.started_at), volume_given_ml = p_volume_given_ml, post_vitals = p_post_vitals,
    warnings = case
      when blood_bank.needs_crossmatch(v_unit.component) and p_ended_at > i.issued_at + make_interval(hours => v_hours)
        then i.warnings || 'over_four_hours'::text
      else i.warnings
    end
  where i.tenant_id = v_issue.tenant_id and i.id = v_issue.id
  returning i.* into v_issue;
  perform blood_bank.move_unit(v_unit, 'transfused', p_recorded_by);
  return v_issue;
end
$$;

comment on function blood_bank.complete_transfusion(uuid, int, uuid, jsonb, timestamptz) is 'about=The transfusion is over, or was stopped: what was given, and the vital signs after it. Red cells that took longer than four hours since the issue get the warning over_four_hours. Asked again: the same issue. IM001 not started, IM005 no such issue.';

-- Haemovigilance.
create or replace function blood_bank.report_reaction(
  p_issue_id uuid,
  p_kind text,
  p_severity text,
  p_onset_at timestamptz,
  p_reported_by uuid,
  p_signs jsonb default '{}',
  p_actions jsonb default '{}'
) returns blood_bank.transfusion_reactions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_issue blood_bank.blood_issues := blood_bank.lock_issue(p_issue_id);
  v_reaction blood_bank.transfusion_reactions;
begin
  select x.* into v_reaction
  from blood_bank.transfusion_reactions x
  where x.tenant_id = v_issue.tenant_id and x.issue_id = p_issue_id and x.kind = p_kind and x.onset_at = p_onset_at;
  if found then
    return v_reaction;
  end if;
  if v_issue.started_at is null then
    raise exception 'the transfusion of issue % has not begun', p_issue_id
      using errcode = 'IM001', hint = 'record its start first';
  end if;
  if v_issue.status = 'transfusing' then
    perform blood_bank.stop_transfusion(p_issue_id, 'reaction: ' || p_kind);
  end if;
  insert into blood_bank.transfusion_reactions as x (
    tenant_id, reaction_number, issue_id, patient_id, onset_at, kind, severity, signs, actions, reported_by
  )
  values (
    v_issue.tenant_id, core.next_default_number('transfusion_reaction', '', 'TR-{YY}-'), p_issue_id,
    v_issue.patient_id, p_onset_at, p_kind, p_severity, p_signs, p_actions, p_reported_by
  )
  returning x.* into v_reaction;
  return v_reaction;
end
$$;

comment on function blood_bank.report_reaction(uuid, text, text, timestamptz, uuid, jsonb, jsonb) is 'about=Reports a reaction; a transfusion that is running is stopped. Issue, kind and onset are one reaction: reported again, the same row. IM001 the transfusion has not begun, IM005 no such issue.';

create or replace function blood_bank.lock_reaction(p_reaction_id uuid) returns blood_bank.transfusion_reactions
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_reaction blood_bank.transfusion_reactions;
begin
  select x.* into v_reaction
  from blood_bank.transfusion_reactions x
  where x.tenant_id = v_tenant and x.id = p_reaction_id
  for no key update;
  if not found then
    raise exception 'transfusion reaction % does not exist', p_reaction_id
      using errcode = 'IM005', hint = 'choose a reaction of the tenant';
  end if;
  return v_reaction;
end
$$;

comment on function blood_bank.lock_reaction(uuid) is 'about=The reaction, locked until the transaction ends. IM005 no such reaction.';

create or replace function blood_bank.investigate_reaction(p_reaction_id uuid, p_workup jsonb) returns blood_bank.transfusion_reactions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_reaction blood_bank.transfusion_reactions := blood_bank.lock_reaction(p_reaction_id);
begin
  update blood_bank.transfusion_reactions x
  set status = 'investigating', workup = coalesce(x.workup, '{}') || p_workup
  where x.tenant_id = v_reaction.tenant_id and x.id = v_reaction.id
  returning x.* into v_reaction;
  return v_reaction;
end
$$;

comment on function blood_bank.investigate_reaction(uuid, jsonb) is 'about=Adds findings to the work-up of a reaction, which is being investigated then. IM001 concluded already, IM005 no such reaction.';

create or replace function blood_bank.conclude_reaction(p_reaction_id uuid, p_imputability text)
  returns blood_bank.transfusion_reactions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_reaction blood_bank.transfusion_reactions := blood_bank.lock_reaction(p_reaction_id);
begin
  if v_reaction.status in ('concluded', 'closed') and v_reaction.imputability = p_imputability then
    return v_reaction;
  end if;
  if v_reaction.status in ('concluded', 'closed') then
    raise exception 'transfusion reaction % is concluded', p_reaction_id
      using errcode = 'IM001', hint = 'report a new finding as another reaction';
  end if;
  update blood_bank.transfusion_reactions x
  set status = 'concluded', imputability = p_imputability
  where x.tenant_id = v_reaction.tenant_id and x.id = v_reaction.id
  returning x.* into v_reaction;
  return v_reaction;
end
$$;

comment on function blood_bank.conclude_reaction(uuid, text) is 'about=Says whether it was the transfusion. IM001 not investigated, or concluded otherwise, IM005 no such reaction.';

create or replace function blood_bank.close_reaction(
  p_reaction_id uuid,
  p_hvpi_ref text default null,
  p_hvpi_reported_at timestamptz default now()
) returns blood_bank.transfusion_reactions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_reaction blood_bank.transfusion_reactions := blood_bank.lock_reaction(p_reaction_id);
begin
  if v_reaction.status = 'closed' then
    return v_reaction;
  end if;
  update blood_bank.transfusion_reactions x
  set
    status = 'closed', hvpi_ref = p_hvpi_ref,
    hvpi_reported_at = case when p_hvpi_ref is not null then p_hvpi_reported_at end
  where x.tenant_id = v_reaction.tenant_id and x.id = v_reaction.id
  returning x.* into v_reaction;
  return v_reaction;
end
$$;

comment on function blood_bank.close_reaction(uuid, text, timestamptz) is 'about=Closes a concluded reaction, with the reference of its report to the haemovigilance programme where there is one. IM001 not concluded, IM005 no such reaction.';

-- Jobs. Both skip units that somebody works on; the next run takes them.
create or replace function blood_bank.expire_units(p_limit int default 1000) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_unit blood_bank.blood_components;
  v_expired int := 0;
begin
  for v_unit in
    select c.*
    from blood_bank.blood_components c
    where
      c.tenant_id = v_tenant and c.status in ('available', 'reserved', 'crossmatched') and c.expires_at <= now()
    order by c.expires_at
    limit p_limit
    for no key update skip locked
  loop
    perform blood_bank.release_crossmatches(v_unit, 'expired');
    perform blood_bank.move_unit(v_unit, 'expired', null);
    v_expired := v_expired + 1;
  end loop;
  return v_expired;
end
$$;

comment on function blood_bank.expire_units(int) is 'about=Job: marks up to p_limit units whose shelf life is over and returns how many. No operation waits for it: an expired unit is refused (IM351) before it is marked.';

create or replace function blood_bank.free_lapsed_units(p_limit int default 1000) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_unit blood_bank.blood_components;
  v_freed int := 0;
begin
  for v_unit in
    select c.*
    from blood_bank.blood_components c
    where c.tenant_id = v_tenant and c.status in ('reserved', 'crossmatched') and c.reserved_until <= now()
    order by c.reserved_until
    limit p_limit
    for no key update skip locked
  loop
    perform blood_bank.release_crossmatches(v_unit, 'expired');
    perform blood_bank.move_unit(v_unit, 'available', null, 'reservation_lapsed');
    v_freed := v_freed + 1;
  end loop;
  return v_freed;
end
$$;

comment on function blood_bank.free_lapsed_units(int) is 'about=Job: frees up to p_limit units whose reservation lapsed and returns how many.';

-- soft references: functions

create or replace function blood_bank.blood_components_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.storage_location_id is distinct from old.storage_location_id then
    perform core.require_entity(new.tenant_id, 'facility.locations', new.storage_location_id, 'blood_components_storage_location_fkey');
  end if;
  return null;
end
$$;

comment on function blood_bank.blood_components_check_references() is 'about=Of a new or changed row: what storage_location_id names must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger blood_components_new_references after insert on blood_bank.blood_components
  for each row execute function blood_bank.blood_components_check_references();

create or replace trigger blood_components_changed_references after update on blood_bank.blood_components
  for each row when (new.storage_location_id is distinct from old.storage_location_id)
  execute function blood_bank.blood_components_check_references();

create or replace function blood_bank.blood_issues_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.bedside_check1_by is distinct from old.bedside_check1_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.bedside_check1_by, 'blood_issues_bedside_check1_by_fkey');
  end if;
  if new.bedside_check2_by is distinct from old.bedside_check2_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.bedside_check2_by, 'blood_issues_bedside_check2_by_fkey');
  end if;
  if new.issued_by is distinct from old.issued_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.issued_by, 'blood_issues_issued_by_fkey');
  end if;
  if new.label_check_by is distinct from old.label_check_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.label_check_by, 'blood_issues_label_check_by_fkey');
  end if;
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'blood_issues_patient_fkey');
  end if;
  if new.received_by is distinct from old.received_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.received_by, 'blood_issues_received_by_fkey');
  end if;
  return null;
end
$$;

comment on function blood_bank.blood_issues_check_references() is 'about=Of a new or changed row: what bedside_check1_by, bedside_check2_by, issued_by, label_check_by, patient_id, received_by name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger blood_issues_new_references after insert on blood_bank.blood_issues
  for each row execute function blood_bank.blood_issues_check_references();

create or replace trigger blood_issues_changed_references after update on blood_bank.blood_issues
  for each row when (new.bedside_check1_by is distinct from old.bedside_check1_by or new.bedside_check2_by is distinct from old.bedside_check2_by or new.issued_by is distinct from old.issued_by or new.label_check_by is distinct from old.label_check_by or new.patient_id is distinct from old.patient_id or new.received_by is distinct from old.received_by)
  execute function blood_bank.blood_issues_check_references();

create or replace function blood_bank.blood_requests_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.consent_id is distinct from old.consent_id then
    perform core.require_entity(new.tenant_id, 'compliance.consents', new.consent_id, 'blood_requests_consent_fkey');
  end if;
  if new.emergency_release_by is distinct from old.emergency_release_by then
    perform core.require_entity(new.tenant_id, 'workforce.doctors', new.emergency_release_by, 'blood_requests_emergency_release_by_fkey');
  end if;
  if new.encounter_id is distinct from old.encounter_id then
    perform core.require_entity(new.tenant_id, 'clinical.encounters', new.encounter_id, 'blood_requests_encounter_fkey');
  end if;
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'blood_requests_patient_fkey');
  end if;
  if new.requested_by is distinct from old.requested_by then
    perform core.require_entity(new.tenant_id, 'workforce.doctors', new.requested_by, 'blood_requests_requested_by_fkey');
  end if;
  if new.service_request_id is distinct from old.service_request_id then
    perform core.require_entity(new.tenant_id, 'clinical.service_requests', new.service_request_id, 'blood_requests_service_request_fkey');
  end if;
  return null;
end
$$;

comment on function blood_bank.blood_requests_check_references() is 'about=Of a new or changed row: what consent_id, emergency_release_by, encounter_id, patient_id, requested_by, service_request_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger blood_requests_new_references after insert on blood_bank.blood_requests
  for each row execute function blood_bank.blood_requests_check_references();

create or replace trigger blood_requests_changed_references after update on blood_bank.blood_requests
  for each row when (new.consent_id is distinct from old.consent_id or new.emergency_release_by is distinct from old.emergency_release_by or new.encounter_id is distinct from old.encounter_id or new.patient_id is distinct from old.patient_id or new.requested_by is distinct from old.requested_by or new.service_request_id is distinct from old.service_request_id)
  execute function blood_bank.blood_requests_check_references();

create or replace function blood_bank.component_events_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.actor_id is distinct from old.actor_id then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.actor_id, 'component_events_actor_fkey');
  end if;
  if new.location_id is distinct from old.location_id then
    perform core.require_entity(new.tenant_id, 'facility.locations', new.location_id, 'component_events_location_fkey');
  end if;
  if new.second_actor_id is distinct from old.second_actor_id then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.second_actor_id, 'component_events_second_actor_fkey');
  end if;
  return null;
end
$$;

comment on function blood_bank.component_events_check_references() is 'about=Of a new or changed row: what actor_id, location_id, second_actor_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger component_events_new_references after insert on blood_bank.component_events
  for each row execute function blood_bank.component_events_check_references();

create or replace trigger component_events_changed_references after update on blood_bank.component_events
  for each row when (new.actor_id is distinct from old.actor_id or new.location_id is distinct from old.location_id or new.second_actor_id is distinct from old.second_actor_id)
  execute function blood_bank.component_events_check_references();

create or replace function blood_bank.crossmatches_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'crossmatches_patient_fkey');
  end if;
  if new.performed_by is distinct from old.performed_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.performed_by, 'crossmatches_performed_by_fkey');
  end if;
  if new.verified_by is distinct from old.verified_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.verified_by, 'crossmatches_verified_by_fkey');
  end if;
  return null;
end
$$;

comment on function blood_bank.crossmatches_check_references() is 'about=Of a new or changed row: what patient_id, performed_by, verified_by name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger crossmatches_new_references after insert on blood_bank.crossmatches
  for each row execute function blood_bank.crossmatches_check_references();

create or replace trigger crossmatches_changed_references after update on blood_bank.crossmatches
  for each row when (new.patient_id is distinct from old.patient_id or new.performed_by is distinct from old.performed_by or new.verified_by is distinct from old.verified_by)
  execute function blood_bank.crossmatches_check_references();

create or replace function blood_bank.donation_tests_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.device_id is distinct from old.device_id then
    perform core.require_entity(new.tenant_id, 'device.devices', new.device_id, 'donation_tests_device_fkey');
  end if;
  if new.tested_by is distinct from old.tested_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.tested_by, 'donation_tests_tested_by_fkey');
  end if;
  if new.verified_by is distinct from old.verified_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.verified_by, 'donation_tests_verified_by_fkey');
  end if;
  return null;
end
$$;

comment on function blood_bank.donation_tests_check_references() is 'about=Of a new or changed row: what device_id, tested_by, verified_by name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger donation_tests_new_references after insert on blood_bank.donation_tests
  for each row execute function blood_bank.donation_tests_check_references();

create or replace trigger donation_tests_changed_references after update on blood_bank.donation_tests
  for each row when (new.device_id is distinct from old.device_id or new.tested_by is distinct from old.tested_by or new.verified_by is distinct from old.verified_by)
  execute function blood_bank.donation_tests_check_references();

create or replace function blood_bank.donations_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.consent_signature_id is distinct from old.consent_signature_id then
    perform core.require_entity(new.tenant_id, 'ehr.document_signatures', new.consent_signature_id, 'donations_consent_signature_fkey');
  end if;
  if new.phlebotomist_id is distinct from old.phlebotomist_id then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.phlebotomist_id, 'donations_phlebotomist_fkey');
  end if;
  if new.screened_by is distinct from old.screened_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.screened_by, 'donations_screened_by_fkey');
  end if;
  return null;
end
$$;

comment on function blood_bank.donations_check_references() is 'about=Of a new or changed row: what consent_signature_id, phlebotomist_id, screened_by name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger donations_new_references after insert on blood_bank.donations
  for each row execute function blood_bank.donations_check_references();

create or replace trigger donations_changed_references after update on blood_bank.donations
  for each row when (new.consent_signature_id is distinct from old.consent_signature_id or new.phlebotomist_id is distinct from old.phlebotomist_id or new.screened_by is distinct from old.screened_by)
  execute function blood_bank.donations_check_references();

create or replace function blood_bank.donor_deferrals_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.recorded_by is distinct from old.recorded_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.recorded_by, 'donor_deferrals_recorded_by_fkey');
  end if;
  return null;
end
$$;

comment on function blood_bank.donor_deferrals_check_references() is 'about=Of a new or changed row: what recorded_by names must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger donor_deferrals_new_references after insert on blood_bank.donor_deferrals
  for each row execute function blood_bank.donor_deferrals_check_references();

create or replace trigger donor_deferrals_changed_references after update on blood_bank.donor_deferrals
  for each row when (new.recorded_by is distinct from old.recorded_by)
  execute function blood_bank.donor_deferrals_check_references();

create or replace function blood_bank.donors_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'donors_patient_fkey');
  end if;
  return null;
end
$$;

comment on function blood_bank.donors_check_references() is 'about=Of a new or changed row: what patient_id names must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger donors_new_references after insert on blood_bank.donors
  for each row execute function blood_bank.donors_check_references();

create or replace trigger donors_changed_references after update on blood_bank.donors
  for each row when (new.patient_id is distinct from old.patient_id)
  execute function blood_bank.donors_check_references();

create or replace function blood_bank.patient_blood_groups_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'patient_blood_groups_patient_fkey');
  end if;
  if new.tested_by is distinct from old.tested_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.tested_by, 'patient_blood_groups_tested_by_fkey');
  end if;
  if new.verified_by is distinct from old.verified_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.verified_by, 'patient_blood_groups_verified_by_fkey');
  end if;
  return null;
end
$$;

comment on function blood_bank.patient_blood_groups_check_references() is 'about=Of a new or changed row: what patient_id, tested_by, verified_by name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger patient_blood_groups_new_references after insert on blood_bank.patient_blood_groups
  for each row execute function blood_bank.patient_blood_groups_check_references();

create or replace trigger patient_blood_groups_changed_references after update on blood_bank.patient_blood_groups
  for each row when (new.patient_id is distinct from old.patient_id or new.tested_by is distinct from old.tested_by or new.verified_by is distinct from old.verified_by)
  execute function blood_bank.patient_blood_groups_check_references();

create or replace function blood_bank.transfusion_reactions_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'transfusion_reactions_patient_fkey');
  end if;
  if new.reported_by is distinct from old.reported_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.reported_by, 'transfusion_reactions_reported_by_fkey');
  end if;
  return null;
end
$$;

comment on function blood_bank.transfusion_reactions_check_references() is 'about=Of a new or changed row: what patient_id, reported_by name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger transfusion_reactions_new_references after insert on blood_bank.transfusion_reactions
  for each row execute function blood_bank.transfusion_reactions_check_references();

create or replace trigger transfusion_reactions_changed_references after update on blood_bank.transfusion_reactions
  for each row when (new.patient_id is distinct from old.patient_id or new.reported_by is distinct from old.reported_by)
  execute function blood_bank.transfusion_reactions_check_references();

create or replace function laboratory.critical_notifications_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.imaging_result_id is distinct from old.imaging_result_id then
    perform core.require_entity(new.tenant_id, 'clinical.imaging_results', new.imaging_result_id, 'critical_notifications_imaging_result_fkey');
  end if;
  if new.notified_by is distinct from old.notified_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.notified_by, 'critical_notifications_notified_by_fkey');
  end if;
  if new.notified_staff_id is distinct from old.notified_staff_id then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.notified_staff_id, 'critical_notifications_notified_staff_fkey');
  end if;
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'critical_notifications_patient_fkey');
  end if;
  return null;
end
$$;

comment on function laboratory.critical_notifications_check_references() is 'about=Of a new or changed row: what imaging_result_id, notified_by, notified_staff_id, patient_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger critical_notifications_new_references after insert on laboratory.critical_notifications
  for each row execute function laboratory.critical_notifications_check_references();

create or replace trigger critical_notifications_changed_references after update on laboratory.critical_notifications
  for each row when (new.imaging_result_id is distinct from old.imaging_result_id or new.notified_by is distinct from old.notified_by or new.notified_staff_id is distinct from old.notified_staff_id or new.patient_id is distinct from old.patient_id)
  execute function laboratory.critical_notifications_check_references();

create or replace function laboratory.diagnostic_reports_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.document_id is distinct from old.document_id then
    perform core.require_entity(new.tenant_id, 'ehr.documents', new.document_id, 'diagnostic_reports_document_fkey');
  end if;
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'diagnostic_reports_patient_fkey');
  end if;
  if new.signed_by is distinct from old.signed_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.signed_by, 'diagnostic_reports_signed_by_fkey');
  end if;
  return null;
end
$$;

comment on function laboratory.diagnostic_reports_check_references() is 'about=Of a new or changed row: what document_id, patient_id, signed_by name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger diagnostic_reports_new_references after insert on laboratory.diagnostic_reports
  for each row execute function laboratory.diagnostic_reports_check_references();

create or replace trigger diagnostic_reports_changed_references after update on laboratory.diagnostic_reports
  for each row when (new.document_id is distinct from old.document_id or new.patient_id is distinct from old.patient_id or new.signed_by is distinct from old.signed_by)
  execute function laboratory.diagnostic_reports_check_references();

create or replace function laboratory.lab_order_items_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.charge_item_id is distinct from old.charge_item_id then
    perform core.require_entity(new.tenant_id, 'billing.charge_items', new.charge_item_id, 'lab_order_items_charge_item_fkey');
  end if;
  return null;
end
$$;

comment on function laboratory.lab_order_items_check_references() is 'about=Of a new or changed row: what charge_item_id names must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger lab_order_items_new_references after insert on laboratory.lab_order_items
  for each row execute function laboratory.lab_order_items_check_references();

create or replace trigger lab_order_items_changed_references after update on laboratory.lab_order_items
  for each row when (new.charge_item_id is distinct from old.charge_item_id)
  execute function laboratory.lab_order_items_check_references();

create or replace function laboratory.lab_orders_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.clinic_id is distinct from old.clinic_id then
    perform core.require_entity(new.tenant_id, 'facility.clinics', new.clinic_id, 'lab_orders_clinic_fkey');
  end if;
  if new.encounter_id is distinct from old.encounter_id then
    perform core.require_entity(new.tenant_id, 'clinical.encounters', new.encounter_id, 'lab_orders_encounter_fkey');
  end if;
  if new.ordering_doctor_id is distinct from old.ordering_doctor_id then
    perform core.require_entity(new.tenant_id, 'workforce.doctors', new.ordering_doctor_id, 'lab_orders_ordering_doctor_fkey');
  end if;
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'lab_orders_patient_fkey');
  end if;
  if new.service_request_id is distinct from old.service_request_id then
    perform core.require_entity(new.tenant_id, 'clinical.service_requests', new.service_request_id, 'lab_orders_service_request_fkey');
  end if;
  return null;
end
$$;

comment on function laboratory.lab_orders_check_references() is 'about=Of a new or changed row: what clinic_id, encounter_id, ordering_doctor_id, patient_id, service_request_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger lab_orders_new_references after insert on laboratory.lab_orders
  for each row execute function laboratory.lab_orders_check_references();

create or replace trigger lab_orders_changed_references after update on laboratory.lab_orders
  for each row when (new.clinic_id is distinct from old.clinic_id or new.encounter_id is distinct from old.encounter_id or new.ordering_doctor_id is distinct from old.ordering_doctor_id or new.patient_id is distinct from old.patient_id or new.service_request_id is distinct from old.service_request_id)
  execute function laboratory.lab_orders_check_references();

create or replace function laboratory.lab_results_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.authorised_by is distinct from old.authorised_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.authorised_by, 'lab_results_authorised_by_fkey');
  end if;
  if new.device_id is distinct from old.device_id then
    perform core.require_entity(new.tenant_id, 'device.devices', new.device_id, 'lab_results_device_fkey');
  end if;
  if new.entered_by is distinct from old.entered_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.entered_by, 'lab_results_entered_by_fkey');
  end if;
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'lab_results_patient_fkey');
  end if;
  if new.reagent_batch_id is distinct from old.reagent_batch_id then
    perform core.require_entity(new.tenant_id, 'inventory.batches', new.reagent_batch_id, 'lab_results_reagent_batch_fkey');
  end if;
  if new.verified_by is distinct from old.verified_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.verified_by, 'lab_results_verified_by_fkey');
  end if;
  return null;
end
$$;

comment on function laboratory.lab_results_check_references() is 'about=Of a new or changed row: what authorised_by, device_id, entered_by, patient_id, reagent_batch_id, verified_by name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger lab_results_new_references after insert on laboratory.lab_results
  for each row execute function laboratory.lab_results_check_references();

create or replace trigger lab_results_changed_references after update on laboratory.lab_results
  for each row when (new.authorised_by is distinct from old.authorised_by or new.device_id is distinct from old.device_id or new.entered_by is distinct from old.entered_by or new.patient_id is distinct from old.patient_id or new.reagent_batch_id is distinct from old.reagent_batch_id or new.verified_by is distinct from old.verified_by)
  execute function laboratory.lab_results_check_references();

create or replace function laboratory.qc_lots_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.accepted_by is distinct from old.accepted_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.accepted_by, 'qc_lots_accepted_by_fkey');
  end if;
  if new.device_id is distinct from old.device_id then
    perform core.require_entity(new.tenant_id, 'device.devices', new.device_id, 'qc_lots_device_fkey');
  end if;
  return null;
end
$$;

comment on function laboratory.qc_lots_check_references() is 'about=Of a new or changed row: what accepted_by, device_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger qc_lots_new_references after insert on laboratory.qc_lots
  for each row execute function laboratory.qc_lots_check_references();

create or replace trigger qc_lots_changed_references after update on laboratory.qc_lots
  for each row when (new.accepted_by is distinct from old.accepted_by or new.device_id is distinct from old.device_id)
  execute function laboratory.qc_lots_check_references();

create or replace function laboratory.qc_results_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.device_id is distinct from old.device_id then
    perform core.require_entity(new.tenant_id, 'device.devices', new.device_id, 'qc_results_device_fkey');
  end if;
  if new.incident_id is distinct from old.incident_id then
    perform core.require_entity(new.tenant_id, 'compliance.incidents', new.incident_id, 'qc_results_incident_fkey');
  end if;
  if new.operator_id is distinct from old.operator_id then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.operator_id, 'qc_results_operator_fkey');
  end if;
  if new.reviewed_by is distinct from old.reviewed_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.reviewed_by, 'qc_results_reviewed_by_fkey');
  end if;
  return null;
end
$$;

comment on function laboratory.qc_results_check_references() is 'about=Of a new or changed row: what device_id, incident_id, operator_id, reviewed_by name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger qc_results_new_references after insert on laboratory.qc_results
  for each row execute function laboratory.qc_results_check_references();

create or replace trigger qc_results_changed_references after update on laboratory.qc_results
  for each row when (new.device_id is distinct from old.device_id or new.incident_id is distinct from old.incident_id or new.operator_id is distinct from old.operator_id or new.reviewed_by is distinct from old.reviewed_by)
  execute function laboratory.qc_results_check_references();

create or replace function laboratory.reference_ranges_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.approved_by is distinct from old.approved_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.approved_by, 'reference_ranges_approved_by_fkey');
  end if;
  return null;
end
$$;

comment on function laboratory.reference_ranges_check_references() is 'about=Of a new or changed row: what approved_by names must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger reference_ranges_new_references after insert on laboratory.reference_ranges
  for each row execute function laboratory.reference_ranges_check_references();

create or replace trigger reference_ranges_changed_references after update on laboratory.reference_ranges
  for each row when (new.approved_by is distinct from old.approved_by)
  execute function laboratory.reference_ranges_check_references();

create or replace function laboratory.sample_events_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.actor_id is distinct from old.actor_id then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.actor_id, 'sample_events_actor_fkey');
  end if;
  if new.device_id is distinct from old.device_id then
    perform core.require_entity(new.tenant_id, 'device.devices', new.device_id, 'sample_events_device_fkey');
  end if;
  if new.location_id is distinct from old.location_id then
    perform core.require_entity(new.tenant_id, 'facility.locations', new.location_id, 'sample_events_location_fkey');
  end if;
  return null;
end
$$;

comment on function laboratory.sample_events_check_references() is 'about=Of a new or changed row: what actor_id, device_id, location_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger sample_events_new_references after insert on laboratory.sample_events
  for each row execute function laboratory.sample_events_check_references();

create or replace trigger sample_events_changed_references after update on laboratory.sample_events
  for each row when (new.actor_id is distinct from old.actor_id or new.device_id is distinct from old.device_id or new.location_id is distinct from old.location_id)
  execute function laboratory.sample_events_check_references();

create or replace function laboratory.samples_check_references() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.collected_by is distinct from old.collected_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.collected_by, 'samples_collected_by_fkey');
  end if;
  if new.collection_location_id is distinct from old.collection_location_id then
    perform core.require_entity(new.tenant_id, 'facility.locations', new.collection_location_id, 'samples_collection_location_fkey');
  end if;
  if new.disposed_by is distinct from old.disposed_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.disposed_by, 'samples_disposed_by_fkey');
  end if;
  if new.patient_id is distinct from old.patient_id then
    perform core.require_entity(new.tenant_id, 'patient.patients', new.patient_id, 'samples_patient_fkey');
  end if;
  if new.received_by is distinct from old.received_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.received_by, 'samples_received_by_fkey');
  end if;
  if new.rejected_by is distinct from old.rejected_by then
    perform core.require_entity(new.tenant_id, 'workforce.staff', new.rejected_by, 'samples_rejected_by_fkey');
  end if;
  if new.storage_location_id is distinct from old.storage_location_id then
    perform core.require_entity(new.tenant_id, 'facility.locations', new.storage_location_id, 'samples_storage_location_fkey');
  end if;
  return null;
end
$$;

comment on function laboratory.samples_check_references() is 'about=Of a new or changed row: what collected_by, collection_location_id, disposed_by, patient_id, received_by, rejected_by, storage_location_id name must be known and active. IM012 unknown here, IM013 not active.';

create or replace trigger samples_new_references after insert on laboratory.samples
  for each row execute function laboratory.samples_check_references();

create or replace trigger samples_changed_references after update on laboratory.samples
  for each row when (new.collected_by is distinct from old.collected_by or new.collection_location_id is distinct from old.collection_location_id or new.disposed_by is distinct from old.disposed_by or new.patient_id is distinct from old.patient_id or new.received_by is distinct from old.received_by or new.rejected_by is distinct from old.rejected_by or new.storage_location_id is distinct from old.storage_location_id)
  execute function laboratory.samples_check_references();


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

-- laboratory: views

-- Tests that are not reported yet, by what is due first: how far each is and how much time is left.
create or replace view laboratory.tat_monitor
  with (security_invoker = true)
as
select
  i.tenant_id,
  i.id as order_item_id,
  o.id as order_id,
  o.order_number,
  o.clinic_id,
  o.patient_id,
  o.priority,
  t.code as test_code,
  t.department_code,
  i.status,
  o.ordered_at,
  s.accession_number,
  s.status as sample_status,
  s.collected_at,
  s.received_at,
  i.due_at,
  extract(epoch from i.due_at - now())::bigint / 60 as minutes_left,
  i.due_at < now() as is_late
from laboratory.lab_order_items i
join laboratory.lab_orders o on o.tenant_id = i.tenant_id and o.id = i.order_id
join laboratory.lab_tests t on t.id = i.test_id
left join laboratory.samples s on s.tenant_id = i.tenant_id and s.id = i.sample_id
where i.status in ('ordered', 'sampled', 'recollect', 'in_process', 'resulted', 'verified', 'authorised');

comment on view laboratory.tat_monitor is 'class=phi;scope=tenant;owner=lab;about=Turnaround: every test that is not reported, its sample, when it is due and the minutes left, negative when late.';

-- Critical results that nobody has read back yet: the list of calls to make (ISO 15189, 7.4.1.3).
create or replace view laboratory.unnotified_criticals
  with (security_invoker = true)
as
select
  r.tenant_id,
  r.id as result_id,
  r.order_item_id,
  r.patient_id,
  o.id as order_id,
  o.ordering_doctor_id,
  t.code as test_code,
  r.flag,
  r.status,
  r.created_at as detected_at,
  (
    select count(*)
    from laboratory.critical_notifications n
    where n.tenant_id = r.tenant_id and n.result_id = r.id
  ) as attempts
from laboratory.lab_results r
join laboratory.lab_order_items i on i.tenant_id = r.tenant_id and i.id = r.order_item_id
join laboratory.lab_orders o on o.tenant_id = i.tenant_id and o.id = i.order_id
join laboratory.lab_tests t on t.id = r.test_id
where
  r.is_critical
  and r.status in ('preliminary', 'verified', 'final', 'corrected')
  and not exists (
    select
    from laboratory.critical_notifications n
    where n.tenant_id = r.tenant_id and n.result_id = r.id and n.read_back
  );

comment on view laboratory.unnotified_criticals is 'class=phi;scope=tenant;owner=lab;about=Critical results without a notification that was read back, and how often somebody tried.';

-- Control lots in use with their newest run.
create or replace view laboratory.qc_status
  with (security_invoker = true)
as
select
  l.tenant_id,
  l.id as qc_lot_id,
  l.device_id,
  l.test_id,
  t.code as test_code,
  l.level,
  l.lot_number,
  l.expires_on,
  q.run_at as last_run_at,
  q.z_score,
  q.violated_rules,
  q.verdict
from laboratory.qc_lots l
join laboratory.lab_tests t on t.id = l.test_id
left join lateral (
  select r.run_at, r.z_score, r.violated_rules, r.verdict
  from laboratory.qc_results r
  where r.tenant_id = l.tenant_id and r.qc_lot_id = l.id and r.run_at >= l.accepted_at
  order by r.run_at desc
  limit 1
) q on true
where l.status = 'active';

comment on view laboratory.qc_status is 'class=operational;scope=tenant;owner=lab;about=Every control lot in use, its newest run and the verdict.';

-- blood_bank: views

-- What is in the refrigerators, by component and group. Expired units that no job has marked yet are left out.
create or replace view blood_bank.stock_by_group with (security_invoker = true) as
select
  c.tenant_id,
  c.component,
  c.abo,
  c.rhd,
  count(*) filter (where c.status = 'available') as available_units,
  count(*) filter (where c.status in ('reserved', 'crossmatched')) as kept_units,
  count(*) filter (where c.status = 'quarantined') as quarantined_units,
  count(*) filter (where c.status = 'available' and c.expires_at < now() + interval '3 days') as expiring_units,
  coalesce(sum(c.volume_ml) filter (where c.status = 'available'), 0) as available_ml,
  min(c.expires_at) filter (where c.status = 'available') as first_expiry_at
from blood_bank.blood_components c
where c.status in ('quarantined', 'available', 'reserved', 'crossmatched') and c.expires_at > now()
group by c.tenant_id, c.component, c.abo, c.rhd;

comment on view blood_bank.stock_by_group is 'class=operational;scope=tenant;owner=lab;about=Units in stock by component and group. Units in quarantine have no group yet.';


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
grant execute on function compliance.is_under_hold(text, text, uuid, uuid) to kernel_app;

-- laboratory: grants

-- The module belongs to lab_owner. Its operations read a few columns of other services' tables; those are the grants that a
-- service of its own replaces by projections.
select core.hand_over('laboratory', 'lab');

select core.ensure_partitions('laboratory.qc_results', 'month', 1);
grant select on core.transition_rules to lab_owner;
-- whether a sample must be kept: asked before it is disposed of
do $$
begin
  if to_regprocedure('compliance.is_under_hold(text, text, uuid, uuid)') is not null then
    grant execute on function
      compliance.is_under_hold(text, text, uuid, uuid), compliance.holds_lock_key(uuid)
    to lab_owner;
  end if;
end
$$;

grant select on laboratory.tat_monitor, laboratory.unnotified_criticals, laboratory.qc_status to lab_app, lab_ro;

-- Operations; the helpers that lock, judge and move are nobody else's.
grant execute on function
  laboratory.place_order(uuid, text[], uuid, uuid, uuid, text, text, text, text, bytea, uuid, timestamptz, text),
  laboratory.cancel_order_item(uuid, text),
  laboratory.cancel_order(uuid, text),
  laboratory.accession(uuid, jsonb),
  laboratory.create_aliquots(uuid, numeric[], uuid, uuid, uuid),
  laboratory.change_sample_state(uuid, laboratory.sample_status, uuid, uuid, text, numeric, uuid, timestamptz, jsonb),
  laboratory.verify_result(uuid),
  laboratory.authorise_result(uuid),
  laboratory.cancel_result(uuid, text),
  laboratory.issue_report(uuid, bytea),
  laboratory.amend_report(uuid, text, bytea),
  laboratory.record_qc(uuid, numeric, timestamptz),
  laboratory.accept_qc_lot(uuid),
  laboratory.retire_qc_lot(uuid),
  laboratory.review_qc(uuid, uuid),
  laboratory.record_eqa(uuid, uuid, text, numeric, numeric, numeric, timestamptz)
to lab_app;

-- blood_bank: grants

-- The module belongs to lab_owner, like the laboratory. Applications read its tables and change them through operations
-- only. Its operations read a few columns of other services' tables; those are the grants that a service of its own
-- replaces by projections.
select core.hand_over('blood_bank', 'lab');

select core.ensure_partitions('blood_bank.component_events', 'month', 1);
grant execute on function patient.ids_of(uuid[]) to lab_owner;

grant select on blood_bank.stock_by_group to lab_app, lab_ro;

-- Operations. What locks, counts and moves (lock_*, move_unit, keep_unit, count_issued, ...) is nobody else's.
grant execute on function
  blood_bank.register_donor(text, text, date, bytea, bytea, text, bytea, uuid, boolean),
  blood_bank.defer_donor(uuid, text, text, uuid, date, text, text, boolean),
  blood_bank.screen_donor(uuid, text, text, numeric, numeric, int, int, int, numeric, uuid, jsonb, text, date, uuid, text, text),
  blood_bank.start_collection(uuid, text, text, text, uuid, timestamptz),
  blood_bank.finish_collection(uuid, int, timestamptz, boolean, jsonb),
  blood_bank.enter_test(uuid, text, text, text, date, uuid, text, text, int, timestamptz, uuid),
  blood_bank.verify_test(uuid, uuid),
  blood_bank.invalidate_test(uuid, text),
  blood_bank.prepare_unit(uuid, text, text, int, uuid, uuid, text, timestamptz, timestamptz),
  blood_bank.release_donation(uuid, uuid),
  blood_bank.look_back(uuid),
  blood_bank.record_patient_group(uuid, uuid, text, text, uuid, text, text[], timestamptz),
  blood_bank.confirm_patient_group(uuid, uuid),
  blood_bank.resolve_discrepancy(uuid, uuid, text),
  blood_bank.request_blood(uuid, uuid, text, int, text, uuid, text, timestamptz, numeric, uuid, uuid, uuid, text),
  blood_bank.order_emergency_release(uuid, uuid, text),
  blood_bank.accept_request(uuid),
  blood_bank.reject_request(uuid, text),
  blood_bank.cancel_request(uuid, text),
  blood_bank.close_request(uuid, text),
  blood_bank.find_compatible_units(uuid, int),
  blood_bank.reserve_unit(uuid, uuid, uuid, text),
  blood_bank.free_unit(uuid, uuid, text),
  blood_bank.record_crossmatch(uuid, uuid, uuid, text, uuid, text, uuid, text),
  blood_bank.issue_unit(uuid, uuid, uuid, uuid, uuid, text),
  blood_bank.return_unit(uuid, int, boolean, uuid, uuid, text, numeric),
  blood_bank.discard_unit(uuid, text, uuid),
  blood_bank.start_transfusion(uuid, uuid, text, uuid, uuid, jsonb, timestamptz),
  blood_bank.stop_transfusion(uuid, text),
  blood_bank.complete_transfusion(uuid, int, uuid, jsonb, timestamptz),
  blood_bank.report_reaction(uuid, text, text, timestamptz, uuid, jsonb, jsonb),
  blood_bank.investigate_reaction(uuid, jsonb),
  blood_bank.conclude_reaction(uuid, text),
  blood_bank.close_reaction(uuid, text, timestamptz),
  blood_bank.expire_units(int),
  blood_bank.free_lapsed_units(int)
to lab_app;

-- other services: grants

select core.hand_over('clinical', 'lab');

select core.hand_over('compliance', 'lab');

select core.hand_over('device', 'lab');

select core.hand_over('facility', 'lab');

select core.hand_over('patient', 'lab');

select core.hand_over('workforce', 'lab');

grant usage on schema clinical, compliance, device, facility, patient, workforce to kernel_owner;

grant select on
  clinical.encounters,
  clinical.service_requests,
  compliance.consents,
  compliance.legal_holds,
  device.device_maintenance,
  device.devices,
  facility.clinics,
  patient.patients,
  workforce.staff
to lab_app, lab_ro, kernel_owner;

select core.close_database('lab');
