-- Schema of core, audit, auth, communication, facility, patient, webhook, workforce, scheduling, booking.
--
-- Built from the modules by `imhotep bundle`. Do not edit: change a module and build again.
-- Repeatable: a second run changes nothing. One transaction: psql -1 -f, or one simple query.
--
-- Order: foundations (schemas, roles, types, functions that tables need), tables, foreign keys, functions, views, grants;
-- in each part the modules in the order in which they need each other:
--   core           Kernel installed in every service database: tenancy, context, numbering, idempotency, outbox, crypto, settings, state-machine rules.
--   audit          Append-only evidence: who did and who saw what. Partitioned, sealed in the background.
--   auth           Identity, roles, sessions and machine clients.
--   communication  Messages to people: templates, notifications, SMS, WhatsApp and e-mail, and what each person agreed to receive.
--   facility       Sites, departments, physical places and beds.
--   patient        Master patient index.
--   webhook        Reliable webhooks, in and out: endpoints, a queue with leases and fencing tokens, and a log of every attempt.
--   workforce      People who work here, their credentials and their shifts.
--   scheduling     Availability, appointments, queues, virtual visits.
--   booking        Race-proof booking API; holds and requests in one table.

set local client_min_messages = warning;


-- =====================================================================================================================
-- FOUNDATION
-- =====================================================================================================================

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
      'set local app.service = %L; set local app.reason = %L; set local app.ip = %L; set local app.user_agent = %L; set local app.session_id = %L; set local app.correlation_id = %L',
      coalesce(p_details ->> 'service', ''), coalesce(p_details ->> 'reason', ''),
      coalesce((p_details ->> 'ip')::inet::text, ''), coalesce(pg_catalog.left(p_details ->> 'user_agent', 400), ''),
      coalesce((p_details ->> 'session_id')::uuid::text, ''), coalesce((p_details ->> 'correlation_id')::uuid::text, '')
    );
  end if;
end
$$;

comment on function core.begin_request(uuid, uuid, text, text, uuid, jsonb) is 'about=First statement of every transaction: sets tenant, user, role, purpose of use and request id until commit. p_details may carry service, reason, ip, user_agent, session_id, correlation_id. IM003 no tenant, IM006 another tenant is already set in this transaction.';

-- Inlined by the planner, so there is no SET clause; a body in RETURN form is bound to its functions and types when it is
-- created, whatever the caller's search_path.
create or replace function core.current_tenant_id() returns uuid
  language sql
  stable
  parallel safe
return nullif(current_setting('app.tenant_id', true), '')::uuid;

comment on function core.current_tenant_id() is 'about=The tenant of this transaction, null when core.begin_request was not called: then reads see nothing and writes fail.';

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

create or replace function core.tag(p_comment text, p_tag text) returns text
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_tag = 'about' then pg_catalog.substring(p_comment, '(?:^|;)about=(.*)$')
    else pg_catalog.substring(pg_catalog.regexp_replace(p_comment, '(^|;)about=.*$', ''), '(?:^|;)' || p_tag || '=([^;]*)')
  end
$$;

comment on function core.tag(text, text) is 'about=The value of one tag of a comment, null when the comment has no such tag.';

-- Partitions by day or month. RLS does not reach a partition that is read directly, so every partition carries the
-- same policy as its parent and no grant at all.
create or replace function core.protect_partition(p_partition regclass, p_parent regclass) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_parent pg_catalog.pg_class;
begin
  select * into v_parent from pg_catalog.pg_class where oid = p_parent;
  if v_parent.relrowsecurity then
    execute pg_catalog.format('alter table %s enable row level security', p_partition);
    execute pg_catalog.format('alter table %s force row level security', p_partition);
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
  execute pg_catalog.format('alter table %s owner to %I', p_partition, pg_catalog.pg_get_userbyid(v_parent.relowner));
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
    execute pg_catalog.format(
      'create table %I.%I partition of %s for values from (%L) to (%L)', v_schema, v_name, v_parent, v_from, v_to
    );
    perform core.protect_partition(pg_catalog.format('%I.%I', v_schema, v_name)::pg_catalog.regclass, v_parent);
    v_made := v_made + 1;
  end loop;
  return v_made;
end
$$;

comment on function core.ensure_partitions(text, text, int) is 'about=Makes the partitions of this and the next p_ahead days or months that are missing and returns how many it made. Run it by a job at least once a step; rows without a partition go to the default partition.';

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
    from pg_catalog.regexp_matches(p_text, '(?<![0-9])([2-9][0-9]{3})[ -]?([0-9]{4})[ -]?([0-9]{4})(?![0-9])', 'g') as m
    where core.verhoeff_sum(m[1] || m[2] || m[3]) = 0
  )
$$;

comment on function core.looks_like_aadhaar(text) is 'about=True when the text holds 12 digits (first 2-9, in any usual grouping) that pass the Verhoeff test.';

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

-- auth: foundation

-- Who may sign in, and what they may do. Passwords and tokens are kept as hashes only.
create schema if not exists auth;

comment on schema auth is 'owner=auth;about=Identity, roles, sessions and machine clients.';

select core.create_service_roles('auth');

-- The roles that the product knows by name. A tenant's own roles are rows of auth.roles.
do $$
begin
  if pg_catalog.to_regtype('auth.user_role') is null then
    create type auth.user_role as enum (
  'super_admin', 'admin', 'doctor', 'nurse', 'lab_tech', 'pharmacist', 'receptionist', 'billing', 'auditor', 'patient',
  'system'
);
  end if;
end
$$;

comment on type auth.user_role is 'about=The role a user mainly works in; each has a shared row in auth.roles.';

-- communication: foundation

-- Messages to people.
create schema if not exists communication;

comment on schema communication is 'owner=notification;about=Messages to people: templates, notifications, SMS, WhatsApp and e-mail, and what each person agreed to receive.';

select core.create_service_roles('notification');

-- Times of a day. Quiet hours that pass midnight are two ranges, so columns use the multirange communication.timemultirange.
do $$
begin
  if pg_catalog.to_regtype('communication.timerange') is null then
    create type communication.timerange as range (subtype = time);
  end if;
end
$$;

comment on type communication.timerange is 'about=From one time of the day to a later one; 24:00 is the end of the day.';

-- facility: foundation

-- Where care happens: clinics, their departments, places and beds.
create schema if not exists facility;

comment on schema facility is 'owner=facility;about=Sites, departments, physical places and beds.';

select core.create_service_roles('facility');

-- Trigger functions of this module's tables. They run as whoever writes and see what that role may see.
create or replace function facility.check_clinic() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not core.valid_timezone(new.timezone) then
    raise exception 'time zone "%" is unknown', new.timezone
      using errcode = '22023', hint = 'use an IANA name such as Asia/Kolkata';
  end if;
  -- the registry does not publish the form of its ids, so this is no reason to refuse
  if new.hfr_id !~ '^IN[0-9]{10}$' then
    raise warning 'HFR id of clinic % does not look like IN and ten digits', new.id;
  end if;
  return new;
end
$$;

comment on function facility.check_clinic() is 'about=Before insert or update of facility.clinics: the time zone must be known (22023); an unusual HFR id is a warning.';

create or replace function facility.check_department_tree() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_above uuid := new.parent_department_id;
  v_clinic uuid;
begin
  if v_above is null then
    return new;
  end if;
  -- two moves at once could close a ring that neither of them sees
  perform pg_advisory_xact_lock(hashtextextended('facility.departments' || new.tenant_id, 0));
  select d.clinic_id into v_clinic
  from facility.departments d
  where d.tenant_id = new.tenant_id and d.id = v_above;
  if v_clinic <> new.clinic_id then
    raise exception 'department % is in another clinic than department % above it', new.id, v_above
      using errcode = '23514', constraint = 'departments_one_clinic', hint = 'choose a department of the same clinic';
  end if;
  while v_above is not null loop
    if v_above = new.id then
      raise exception 'department % would be above itself', new.id
        using errcode = '23514', constraint = 'departments_no_cycle', hint = 'choose a department that is not below it';
    end if;
    select d.parent_department_id into v_above
    from facility.departments d
    where d.tenant_id = new.tenant_id and d.id = v_above;
  end loop;
  return new;
end
$$;

comment on function facility.check_department_tree() is 'about=Before insert or update of facility.departments: a parent of the same clinic, no cycles (23514).';

create or replace function facility.set_location_path() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_parent record;
  v_above uuid := new.parent_location_id;
begin
  if v_above is null then
    new.path := '/' || lower(new.code);
    return new;
  end if;
  -- two moves at once could close a ring that neither of them sees
  perform pg_advisory_xact_lock(hashtextextended('facility.locations' || new.tenant_id, 0));
  select l.clinic_id, l.path into v_parent
  from facility.locations l
  where l.tenant_id = new.tenant_id and l.id = v_above;
  if not found then
    raise exception 'location % does not exist', v_above
      using errcode = 'IM005', hint = 'create the place that contains it first';
  end if;
  if v_parent.clinic_id <> new.clinic_id then
    raise exception 'location % is in another clinic than location % that contains it', new.id, v_above
      using errcode = '23514', constraint = 'locations_one_clinic', hint = 'choose a place of the same clinic';
  end if;
  new.path := v_parent.path || '/' || lower(new.code);
  while v_above is not null loop
    if v_above = new.id then
      raise exception 'location % would contain itself', new.id
        using errcode = '23514', constraint = 'locations_no_cycle', hint = 'choose a place that is not inside it';
    end if;
    select l.parent_location_id into v_above
    from facility.locations l
    where l.tenant_id = new.tenant_id and l.id = v_above;
  end loop;
  return new;
end
$$;

comment on function facility.set_location_path() is 'about=Before insert or update of facility.locations: path from the codes above it; same clinic, no cycles (23514). IM005 the parent does not exist.';

create or replace function facility.carry_location_path() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  -- the trigger before update computes the new path of each, and this one fires again for what is inside them
  update facility.locations l
  set path = l.path
  where l.tenant_id = new.tenant_id and l.parent_location_id = new.id;
  return null;
end
$$;

comment on function facility.carry_location_path() is 'about=After the path of a location changed: the paths of everything inside it follow.';

create or replace function facility.note_bed_status() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  new.status_changed_at := now();
  return new;
end
$$;

comment on function facility.note_bed_status() is 'about=Before a bed changes its status: keeps status_changed_at.';

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

-- webhook: foundation

-- Reliable webhooks, in and out.
create schema if not exists webhook;

comment on schema webhook is 'owner=interop;about=Reliable webhooks, in and out: endpoints, a queue with leases and fencing tokens, and a log of every attempt.';

select core.create_service_roles('interop');

-- workforce: foundation

-- The people who work here. An account (auth.users) is optional: not everybody on the rota signs in.
create schema if not exists workforce;

comment on schema workforce is 'owner=business;about=People who work here, their credentials and their shifts.';

select core.create_service_roles('business');

-- scheduling: foundation

-- Availability, appointments, queues and virtual visits; owned by the appointment service together with booking.
create schema if not exists scheduling;

comment on schema scheduling is 'owner=appointment;about=Availability, appointments, queues, virtual visits.';

select core.create_service_roles('appointment');

-- Enumerated types of the module. Enum equality is not leakproof, so row level security keeps it away from ordinary
-- indexes: every list by status has a partial index over the live states instead.
do $$
begin
  if pg_catalog.to_regtype('scheduling.appointment_status') is null then
    create type scheduling.appointment_status as enum (
  'proposed', 'booked', 'confirmed', 'checked_in', 'in_consultation', 'completed', 'cancelled', 'no_show', 'rescheduled', 'left'
);
  end if;
end
$$;

comment on type scheduling.appointment_status is 'about=Where a visit stands, from proposed to completed; the legal moves are rows of core.transition_rules.';

-- The state of a slot follows its counts; appointment_slots has the trigger.
create or replace function scheduling.follow_slot_counts() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.status in ('open', 'full') then
    new.status := case
      when new.booked_count + new.held_count >= new.capacity + new.overbook_limit then 'full'
      else 'open'
    end;
  end if;
  return new;
end
$$;

comment on function scheduling.follow_slot_counts() is 'about=Before insert or update: a slot is full exactly when no place is left, open otherwise; blocked, cancelled and past slots keep their state.';

-- booking: foundation

-- The way into scheduling.appointments: idempotent, race-proof requests to book.
create schema if not exists booking;

comment on schema booking is 'owner=appointment;about=Race-proof booking API; holds and requests in one table.';

select core.create_service_roles('appointment');


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
  constraint tenants_not_own_parent check (parent_tenant_id <> id)
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

alter table core.tenants enable row level security;
alter table core.tenants force row level security;

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
  constraint system_settings_protected_is_shared check (not is_protected or tenant_id is null)
);

comment on table core.system_settings is 'class=operational;scope=shared;owner=kernel;fhir=none;retention=operational;about=Typed settings; the row of a tenant overrides the shared row.';
comment on column core.system_settings.key is 'class=operational;about=Dotted name, such as booking.hold_minutes.';
comment on column core.system_settings.value is 'class=operational;about=The value as JSON, of the type that value_type names.';
comment on column core.system_settings.value_type is 'class=operational;about=string, int, bool, json or secret_ref (a vault path, never the secret).';
comment on column core.system_settings.description is 'class=operational;about=What the setting does, for the person who changes it.';
comment on column core.system_settings.is_protected is 'class=operational;about=Written once, then refused to everybody.';

select core.comment_standard_columns('core.system_settings');

alter table core.system_settings enable row level security;
alter table core.system_settings force row level security;

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
  constraint feature_flags_rollout_percent check (rollout_pct between 0 and 100)
);

comment on table core.feature_flags is 'class=operational;scope=shared;owner=kernel;fhir=none;retention=operational;about=Feature switches; the row of a tenant overrides the shared row.';
comment on column core.feature_flags.key is 'class=operational;about=Dotted name of the feature.';
comment on column core.feature_flags.enabled is 'class=operational;about=Whether the feature is on at all.';
comment on column core.feature_flags.rollout_pct is 'class=operational;about=Share of users, in per cent, that see it.';
comment on column core.feature_flags.rules is 'class=operational;about=Further conditions as JSON: roles, clinics.';
comment on column core.feature_flags.expires_on is 'class=operational;about=When the flag should be gone from the code.';

select core.comment_standard_columns('core.feature_flags');

alter table core.feature_flags enable row level security;
alter table core.feature_flags force row level security;

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
  constraint id_sequences_max_len_range check (max_len between 1 and 200)
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

alter table core.id_sequences enable row level security;
alter table core.id_sequences force row level security;

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
  constraint idempotency_keys_answered check (status <> 'succeeded' or response is not null)
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

alter table core.idempotency_keys enable row level security;
alter table core.idempotency_keys force row level security;

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

alter table core.outbox_events enable row level security;
alter table core.outbox_events force row level security;

drop policy if exists tenant_isolation on core.outbox_events;
create policy tenant_isolation on core.outbox_events
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

alter table core.outbox_events_default enable row level security;
alter table core.outbox_events_default force row level security;

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
  )
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

alter table core.encryption_keys enable row level security;
alter table core.encryption_keys force row level security;

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

grant select, insert, update on core.encryption_keys to kernel_app;
grant select on core.encryption_keys to kernel_ro;

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
  constraint entity_refs_lifecycle_known check (lifecycle in ('active', 'inactive', 'deleted'))
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

alter table core.entity_refs enable row level security;
alter table core.entity_refs force row level security;

drop policy if exists tenant_isolation on core.entity_refs;
create policy tenant_isolation on core.entity_refs
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger entity_refs_touch before update on core.entity_refs
  for each row execute function core.update_updated_at_column('row_version');

grant select, insert, update on core.entity_refs to kernel_app;
grant select on core.entity_refs to kernel_ro;

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

alter table audit.audit_logs enable row level security;
alter table audit.audit_logs force row level security;

drop policy if exists tenant_isolation on audit.audit_logs;
create policy tenant_isolation on audit.audit_logs
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

alter table audit.audit_logs_default enable row level security;
alter table audit.audit_logs_default force row level security;

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

alter table audit.phi_access_logs enable row level security;
alter table audit.phi_access_logs force row level security;

drop policy if exists tenant_isolation on audit.phi_access_logs;
create policy tenant_isolation on audit.phi_access_logs
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

alter table audit.phi_access_logs_default enable row level security;
alter table audit.phi_access_logs_default force row level security;

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
  constraint break_glass_sessions_status_known check (status in ('open', 'closed', 'expired', 'reviewed'))
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

alter table audit.break_glass_sessions enable row level security;
alter table audit.break_glass_sessions force row level security;

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
  constraint audit_chain_anchors_chained check (
    digest = sha256(prev_digest || root || int8send(row_count) || int8send(seal_no) || int8send(from_txid) || int8send(to_txid))
  )
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

alter table audit.audit_chain_anchors enable row level security;
alter table audit.audit_chain_anchors force row level security;

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
  constraint metrics_hourly_pkey primary key (tenant_id, bucket, schema_name, table_name, action)
);

comment on table audit.metrics_hourly is 'class=operational;scope=tenant;owner=kernel;fhir=none;retention=audit_7y;about=Sealed audit events per hour, table and action.';
comment on column audit.metrics_hourly.tenant_id is 'class=operational;about=The tenant that the row belongs to.';
comment on column audit.metrics_hourly.bucket is 'class=operational;about=Start of the hour.';
comment on column audit.metrics_hourly.schema_name is 'class=operational;about=Schema of the changed table.';
comment on column audit.metrics_hourly.table_name is 'class=operational;about=The changed table.';
comment on column audit.metrics_hourly.action is 'class=operational;about=What was done.';
comment on column audit.metrics_hourly.events is 'class=operational;about=How many.';

alter table audit.metrics_hourly enable row level security;
alter table audit.metrics_hourly force row level security;

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
  constraint compliance_daily_pkey primary key (tenant_id, bucket, action, actor_role)
);

comment on table audit.compliance_daily is 'class=operational;scope=tenant;owner=kernel;fhir=none;retention=audit_7y;about=Sealed audit events per day, action and role, with those that name no actor or purpose.';
comment on column audit.compliance_daily.tenant_id is 'class=operational;about=The tenant that the row belongs to.';
comment on column audit.compliance_daily.bucket is 'class=operational;about=The day, in UTC.';
comment on column audit.compliance_daily.action is 'class=operational;about=What was done.';
comment on column audit.compliance_daily.actor_role is 'class=operational;about=Hospital role, empty for a system task.';
comment on column audit.compliance_daily.events is 'class=operational;about=How many.';
comment on column audit.compliance_daily.without_actor is 'class=operational;about=How many of them name no user.';
comment on column audit.compliance_daily.without_purpose is 'class=operational;about=How many of them name no purpose of use.';

alter table audit.compliance_daily enable row level security;
alter table audit.compliance_daily force row level security;

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

alter table audit.audit_archives enable row level security;
alter table audit.audit_archives force row level security;

drop policy if exists tenant_isolation on audit.audit_archives;
create policy tenant_isolation on audit.audit_archives
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

alter table audit.audit_archives_default enable row level security;
alter table audit.audit_archives_default force row level security;

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

-- auth: tables

-- A human who can sign in. Contact data is encrypted; equality search goes through the blind index (_bidx). Signing in
-- is not an UPDATE by the application: auth.record_sign_in counts failures and locks.
create table if not exists auth.users (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  username text not null,
  display_name text not null,
  primary_role auth.user_role not null,
  department_id uuid,
  email_enc bytea not null,
  email_bidx bytea not null,
  phone_enc bytea,
  phone_bidx bytea,
  password_hash text,
  password_changed_at timestamptz,
  must_change_password boolean not null default false,
  mfa_required boolean not null default false,
  failed_attempts smallint not null default 0,
  locked_until timestamptz,
  last_login_at timestamptz,
  status text not null default 'invited',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint users_pkey primary key (tenant_id, id),
  constraint users_status_check check (status in ('invited', 'active', 'locked', 'suspended', 'deactivated')),
  constraint users_username_lower_case check (username = lower(username) and username <> ''),
  constraint users_password_hashed check (password_hash ~ '^\$(argon2id|scrypt)\$'),
  constraint users_failed_attempts_range check (failed_attempts between 0 and 50),
  constraint users_system_without_password check (primary_role <> 'system' or password_hash is null)
);

create unique index if not exists users_username_key on auth.users (tenant_id, username) where deleted_at is null;
create unique index if not exists users_email_key on auth.users (tenant_id, email_bidx) where deleted_at is null;
create index if not exists users_phone_idx on auth.users (tenant_id, phone_bidx) where phone_bidx is not null;
create index if not exists users_department_idx on auth.users (tenant_id, department_id) where department_id is not null;
create index if not exists users_locked_idx on auth.users (tenant_id, locked_until) where status = 'locked';

comment on table auth.users is 'class=pii;scope=tenant;owner=auth;fhir=Person;retention=medical_record;about=A human who can sign in.';
comment on column auth.users.username is 'class=pii;about=Sign-in name, lower case, unique in the tenant among users that are not deleted.';
comment on column auth.users.display_name is 'class=pii;about=Name shown to colleagues and in the audit log.';
comment on column auth.users.primary_role is 'class=operational;about=The role a user mainly works in; what the user may do is decided by auth.user_roles.';
comment on column auth.users.department_id is 'class=operational;about=Home department, where there is one.';
comment on column auth.users.email_enc is 'class=pii;enc=1;about=E-mail address, encrypted.';
comment on column auth.users.email_bidx is 'class=pii;about=Blind index of the normalised e-mail address.';
comment on column auth.users.phone_enc is 'class=pii;enc=1;about=Mobile number in E.164, encrypted.';
comment on column auth.users.phone_bidx is 'class=pii;about=Blind index of the normalised mobile number.';
comment on column auth.users.password_hash is 'class=pii;about=Password hash in PHC form, argon2id or scrypt; null when the user signs in elsewhere.';
comment on column auth.users.password_changed_at is 'class=operational;about=When the password was last set.';
comment on column auth.users.must_change_password is 'class=operational;about=The next sign-in must set a new password.';
comment on column auth.users.mfa_required is 'class=operational;about=Sign-in needs a second factor.';
comment on column auth.users.failed_attempts is 'class=operational;about=Failed sign-ins since the last successful one.';
comment on column auth.users.locked_until is 'class=operational;about=End of the lock that too many failures caused.';
comment on column auth.users.last_login_at is 'class=operational;about=Last successful sign-in.';
comment on column auth.users.status is 'class=operational;about=invited, active, locked (too many failures), suspended (by an administrator) or deactivated.';
select core.comment_standard_columns('auth.users');

alter table auth.users enable row level security;
alter table auth.users force row level security;
drop policy if exists tenant_isolation on auth.users;
create policy tenant_isolation on auth.users
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger users_touch before update on auth.users
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger users_transition before insert or update of status on auth.users
  for each row execute function core.enforce_transition('auth.users', 'status');
select audit.track('auth.users');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('auth.users', '', 'invited', false, null),
  ('auth.users', 'invited', 'active', false, null),
  ('auth.users', 'invited', 'deactivated', true, null),
  ('auth.users', 'active', 'locked', false, null),
  ('auth.users', 'active', 'suspended', true, null),
  ('auth.users', 'active', 'deactivated', true, null),
  ('auth.users', 'locked', 'active', false, null),
  ('auth.users', 'locked', 'deactivated', true, null),
  ('auth.users', 'suspended', 'active', false, null),
  ('auth.users', 'suspended', 'deactivated', true, null),
  ('auth.users', 'deactivated', 'active', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on auth.users to auth_app;
grant select on auth.users to auth_ro;

-- Named bundles of permissions. Rows without tenant are the system roles that every tenant can grant; a tenant adds
-- roles of its own beside them.
create table if not exists auth.roles (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  code text not null,
  name text not null,
  description text not null,
  is_system boolean not null default false,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint roles_pkey primary key (id),
  constraint roles_code_key unique nulls not distinct (tenant_id, code),
  constraint roles_code_format check (code ~ '^[a-z][a-z0-9_]{1,49}$'),
  constraint roles_system_is_shared check (is_system = (tenant_id is null))
);

comment on table auth.roles is 'class=operational;scope=shared;owner=auth;fhir=none;retention=operational;about=Named bundles of permissions: the shared system roles and a tenant''s own.';
comment on column auth.roles.code is 'class=operational;about=Stable name used by programs; for system roles a value of auth.user_role.';
comment on column auth.roles.name is 'class=operational;about=Name shown to administrators.';
comment on column auth.roles.description is 'class=operational;about=What somebody in this role does.';
comment on column auth.roles.is_system is 'class=operational;about=Delivered with the product; only shared rows can be.';
select core.comment_standard_columns('auth.roles');

alter table auth.roles enable row level security;
alter table auth.roles force row level security;
drop policy if exists tenant_isolation on auth.roles;
create policy tenant_isolation on auth.roles
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
drop policy if exists shared_rows on auth.roles;
create policy shared_rows on auth.roles for select using (tenant_id is null);

create or replace trigger roles_touch before update on auth.roles
  for each row execute function core.update_updated_at_column('row_version');
select audit.track('auth.roles');

grant select, insert, update, delete on auth.roles to auth_app;
grant select on auth.roles to auth_ro;

-- Catalogue of permission codes, <module>.<resource>.<action>. Filled by the system seed, the same in every tenant.
-- Append-only: a code that an API once checked keeps its meaning.
create table if not exists auth.permissions (
  id uuid not null default core.uuid_v7(),
  code text not null,
  module text not null,
  action text not null,
  phi_level text not null,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint permissions_pkey primary key (id),
  constraint permissions_code_key unique (code),
  constraint permissions_code_format check (code ~ '^[a-z_]+\.[a-z_]+\.[a-z_]+$'),
  constraint permissions_code_parts check (module = split_part(code, '.', 1) and action = split_part(code, '.', 3)),
  constraint permissions_phi_level_check check (phi_level in ('none', 'pii', 'phi', 'sensitive'))
);

comment on table auth.permissions is 'class=reference;scope=global;owner=auth;fhir=none;retention=reference;append_only=1;about=Catalogue of permission codes, the same in every tenant.';
comment on column auth.permissions.code is 'class=reference;about=<module>.<resource>.<action>, for example scheduling.appointments.cancel.';
comment on column auth.permissions.module is 'class=reference;about=Module that checks the code; its first part.';
comment on column auth.permissions.action is 'class=reference;about=What is done; its last part.';
comment on column auth.permissions.phi_level is 'class=reference;about=Most protected class of data that the permission opens: none, pii, phi or sensitive.';
select core.comment_standard_columns('auth.permissions');

create or replace trigger permissions_append_only before update or delete on auth.permissions
  for each row execute function core.refuse_change();
create or replace trigger permissions_no_truncate before truncate on auth.permissions
  for each statement execute function core.refuse_change();

grant select on auth.permissions to auth_app;
grant select on auth.permissions to auth_ro;

-- Which role holds which permission. A tenant's row may also point to a shared role: it then adds the permission to
-- that role in this tenant only.
create table if not exists auth.role_permissions (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  role_id uuid not null,
  permission_code text not null,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint role_permissions_pkey primary key (id),
  constraint role_permissions_role_permission_key unique nulls not distinct (tenant_id, role_id, permission_code)
);

create index if not exists role_permissions_role_idx on auth.role_permissions (role_id, tenant_id);
comment on index auth.role_permissions_role_idx is 'about=Led by the role: a shared role is looked up over all tenants when it is deleted.';
create index if not exists role_permissions_permission_idx on auth.role_permissions (permission_code, tenant_id);
comment on index auth.role_permissions_permission_idx is 'about=Led by the permission, which is the same in all tenants.';

comment on table auth.role_permissions is 'class=operational;scope=shared;owner=auth;fhir=none;retention=operational;about=Which role holds which permission.';
comment on column auth.role_permissions.role_id is 'class=operational;about=The role: of the same tenant, or shared.';
comment on column auth.role_permissions.permission_code is 'class=operational;about=The permission that it holds.';
select core.comment_standard_columns('auth.role_permissions');

alter table auth.role_permissions enable row level security;
alter table auth.role_permissions force row level security;
drop policy if exists tenant_isolation on auth.role_permissions;
create policy tenant_isolation on auth.role_permissions
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));
drop policy if exists shared_rows on auth.role_permissions;
create policy shared_rows on auth.role_permissions for select using (tenant_id is null);

create or replace trigger role_permissions_touch before update on auth.role_permissions
  for each row execute function core.update_updated_at_column();
create or replace trigger role_permissions_role_visible before insert or update of role_id on auth.role_permissions
  for each row execute function core.check_shared_reference('role_id', 'auth.roles');
select audit.track('auth.role_permissions');

grant select, insert, update, delete on auth.role_permissions to auth_app;
grant select on auth.role_permissions to auth_ro;

-- Role grants, scoped to a clinic and department and limited in time. A grant is ended by valid_to, not deleted: who
-- could do what, and when, stays answerable.
create table if not exists auth.user_roles (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  user_id uuid not null,
  role_id uuid not null,
  clinic_id uuid,
  department_id uuid,
  valid_from timestamptz not null default now(),
  valid_to timestamptz,
  granted_by uuid not null,
  reason text,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint user_roles_pkey primary key (tenant_id, id),
  constraint user_roles_not_overlapping exclude using gist (
    tenant_id with =, user_id with =, role_id with =,
    coalesce(clinic_id, core.zero_uuid()) with =, coalesce(department_id, core.zero_uuid()) with =,
    tstzrange(valid_from, valid_to) with &&
  ),
  constraint user_roles_valid_to_after_valid_from check (valid_to is null or valid_to > valid_from),
  constraint user_roles_not_granted_to_self check (granted_by <> user_id)
);

create index if not exists user_roles_user_idx on auth.user_roles (tenant_id, user_id);
create index if not exists user_roles_role_idx on auth.user_roles (role_id, tenant_id);
comment on index auth.user_roles_role_idx is 'about=Led by the role: a shared role is looked up over all tenants when it is deleted.';
create index if not exists user_roles_clinic_idx on auth.user_roles (tenant_id, clinic_id) where clinic_id is not null;
create index if not exists user_roles_department_idx on auth.user_roles (tenant_id, department_id) where department_id is not null;

comment on table auth.user_roles is 'class=operational;scope=tenant;owner=auth;fhir=PractitionerRole;retention=operational;about=Role grants, scoped to clinic and department, limited in time.';
comment on column auth.user_roles.user_id is 'class=operational;about=Who holds the role.';
comment on column auth.user_roles.role_id is 'class=operational;about=The role: of the same tenant, or shared.';
comment on column auth.user_roles.clinic_id is 'class=operational;about=Only in this clinic; null means all.';
comment on column auth.user_roles.department_id is 'class=operational;about=Only in this department; null means all.';
comment on column auth.user_roles.valid_from is 'class=operational;about=First instant of the grant.';
comment on column auth.user_roles.valid_to is 'class=operational;about=End of the grant, exclusive; null means until further notice.';
comment on column auth.user_roles.granted_by is 'class=operational;about=User who granted it; never the holder.';
comment on column auth.user_roles.reason is 'class=operational;about=Why it was granted, where that is not obvious.';
select core.comment_standard_columns('auth.user_roles');

alter table auth.user_roles enable row level security;
alter table auth.user_roles force row level security;
drop policy if exists tenant_isolation on auth.user_roles;
create policy tenant_isolation on auth.user_roles
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger user_roles_touch before update on auth.user_roles
  for each row execute function core.update_updated_at_column();
create or replace trigger user_roles_role_visible before insert or update of role_id on auth.user_roles
  for each row execute function core.check_shared_reference('role_id', 'auth.roles');
select audit.track('auth.user_roles');

grant select, insert, update on auth.user_roles to auth_app;
grant select on auth.user_roles to auth_ro;

-- Signed-in sessions. Every refresh makes a new row of the same family and revokes the one before; a refresh token
-- that comes a second time was stolen or copied, and its whole family ends (auth.rotate_session). Not in the audit
-- log: last_seen_at changes too often; signing in is (auth.users).
create table if not exists auth.sessions (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  user_id uuid not null,
  family_id uuid not null,
  refresh_hash bytea not null,
  device_label text,
  node_id text,
  ip inet not null,
  user_agent text not null,
  amr text[] not null default '{}',
  issued_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now(),
  idle_expires_at timestamptz not null,
  expires_at timestamptz not null,
  revoked_at timestamptz,
  revoke_reason text,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint sessions_pkey primary key (tenant_id, id),
  constraint sessions_refresh_hash_key unique (tenant_id, refresh_hash),
  constraint sessions_refresh_hash_is_sha256 check (octet_length(refresh_hash) = 32),
  constraint sessions_idle_at_most_30_minutes check (idle_expires_at <= last_seen_at + interval '30 minutes'),
  constraint sessions_at_most_24_hours check (expires_at <= issued_at + interval '24 hours'),
  constraint sessions_revoked_with_reason check ((revoked_at is null) = (revoke_reason is null))
);

create index if not exists sessions_user_idx on auth.sessions (tenant_id, user_id);
create index if not exists sessions_family_idx on auth.sessions (tenant_id, family_id);
create index if not exists sessions_expires_at_idx on auth.sessions (tenant_id, expires_at);

comment on table auth.sessions is 'class=operational;scope=tenant;owner=auth;fhir=none;retention=operational;about=Signed-in sessions and refresh-token families.';
comment on column auth.sessions.user_id is 'class=operational;about=Who is signed in.';
comment on column auth.sessions.family_id is 'class=operational;about=Same for all sessions that were refreshed from one sign-in.';
comment on column auth.sessions.refresh_hash is 'class=operational;about=SHA-256 of the refresh token; the token itself is never stored.';
comment on column auth.sessions.device_label is 'class=operational;about=Name that the user gave to the device.';
comment on column auth.sessions.node_id is 'class=operational;about=Replica id of a device that works offline.';
comment on column auth.sessions.ip is 'class=pii;about=Address the session was made from.';
comment on column auth.sessions.user_agent is 'class=operational;about=Browser or program the session was made from.';
comment on column auth.sessions.amr is 'class=operational;about=How the user proved who they are (RFC 8176: pwd, otp, hwk, ...).';
comment on column auth.sessions.issued_at is 'class=operational;about=When this refresh token was issued.';
comment on column auth.sessions.last_seen_at is 'class=operational;about=Last request seen.';
comment on column auth.sessions.idle_expires_at is 'class=operational;about=End of the session unless it is used before; at most 30 minutes after last_seen_at.';
comment on column auth.sessions.expires_at is 'class=operational;about=End of the family, however busy; at most 24 hours after sign-in.';
comment on column auth.sessions.revoked_at is 'class=operational;about=When it was ended before its time.';
comment on column auth.sessions.revoke_reason is 'class=operational;about=rotated, reuse, signed_out, or the words of an administrator.';
select core.comment_standard_columns('auth.sessions');

alter table auth.sessions enable row level security;
alter table auth.sessions force row level security;
drop policy if exists tenant_isolation on auth.sessions;
create policy tenant_isolation on auth.sessions
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger sessions_touch before update on auth.sessions
  for each row execute function core.update_updated_at_column();

grant select, insert, update, delete on auth.sessions to auth_app;
grant select on auth.sessions to auth_ro;

-- Second factors and the challenge that is open on each. A factor is disabled, never deleted.
create table if not exists auth.mfa_factors (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  user_id uuid not null,
  kind text not null,
  secret_enc bytea,
  public_key bytea,
  challenge_hash bytea,
  challenge_expires_at timestamptz,
  challenge_attempts smallint not null default 0,
  confirmed_at timestamptz,
  last_used_at timestamptz,
  disabled_at timestamptz,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint mfa_factors_pkey primary key (tenant_id, id),
  constraint mfa_factors_kind_check check (kind in ('totp', 'webauthn', 'sms_otp', 'recovery_code')),
  constraint mfa_factors_at_most_5_attempts check (challenge_attempts between 0 and 5),
  constraint mfa_factors_challenge_expires check ((challenge_hash is null) = (challenge_expires_at is null))
);

create index if not exists mfa_factors_user_idx on auth.mfa_factors (tenant_id, user_id);
-- one live factor of a kind; a user may hold several security keys
create unique index if not exists mfa_factors_one_per_kind on auth.mfa_factors (tenant_id, user_id, kind)
  where disabled_at is null and kind <> 'webauthn';

comment on table auth.mfa_factors is 'class=operational;scope=tenant;owner=auth;fhir=none;retention=operational;about=Second factors and pending challenges.';
comment on column auth.mfa_factors.user_id is 'class=operational;about=Whose factor it is.';
comment on column auth.mfa_factors.kind is 'class=operational;about=totp, webauthn, sms_otp or recovery_code.';
comment on column auth.mfa_factors.secret_enc is 'class=operational;enc=1;about=Shared secret of a TOTP or the remaining recovery codes, encrypted.';
comment on column auth.mfa_factors.public_key is 'class=operational;about=Public key of a WebAuthn credential (COSE).';
comment on column auth.mfa_factors.challenge_hash is 'class=operational;about=Hash of the challenge or code that was sent and not yet answered.';
comment on column auth.mfa_factors.challenge_expires_at is 'class=operational;about=When the open challenge lapses.';
comment on column auth.mfa_factors.challenge_attempts is 'class=operational;about=Wrong answers to the open challenge, at most 5.';
comment on column auth.mfa_factors.confirmed_at is 'class=operational;about=When the user proved to hold the factor; before that it opens nothing.';
comment on column auth.mfa_factors.last_used_at is 'class=operational;about=Last successful use.';
comment on column auth.mfa_factors.disabled_at is 'class=operational;about=When the factor was switched off.';
select core.comment_standard_columns('auth.mfa_factors');

alter table auth.mfa_factors enable row level security;
alter table auth.mfa_factors force row level security;
drop policy if exists tenant_isolation on auth.mfa_factors;
create policy tenant_isolation on auth.mfa_factors
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger mfa_factors_touch before update on auth.mfa_factors
  for each row execute function core.update_updated_at_column();
select audit.track('auth.mfa_factors');

grant select, insert, update on auth.mfa_factors to auth_app;
grant select on auth.mfa_factors to auth_ro;

-- Machine clients and SMART-on-FHIR apps. They prove themselves by a key set of their own or by a secret, never by
-- both.
create table if not exists auth.api_clients (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  client_id text not null,
  name text not null,
  owner_user_id uuid not null,
  grant_types text[] not null default '{client_credentials}',
  scopes text[] not null default '{}',
  redirect_uris text[] not null default '{}',
  jwks_uri text,
  secret_hash text,
  ip_allowlist cidr[],
  rate_limit_per_min integer not null default 600,
  expires_at timestamptz,
  status text not null default 'active',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint api_clients_pkey primary key (tenant_id, id),
  constraint api_clients_client_id_key unique (tenant_id, client_id),
  constraint api_clients_status_check check (status in ('active', 'suspended', 'revoked')),
  constraint api_clients_keys_or_secret check (num_nonnulls(jwks_uri, secret_hash) = 1),
  constraint api_clients_jwks_over_https check (jwks_uri ~ '^https://'),
  constraint api_clients_rate_limit_positive check (rate_limit_per_min > 0)
);

create index if not exists api_clients_owner_user_idx on auth.api_clients (tenant_id, owner_user_id);

comment on table auth.api_clients is 'class=operational;scope=tenant;owner=auth;fhir=Device;retention=operational;about=Machine clients and SMART-on-FHIR apps.';
comment on column auth.api_clients.client_id is 'class=operational;about=Public identifier that the client sends.';
comment on column auth.api_clients.name is 'class=operational;about=Name shown to administrators and on consent pages.';
comment on column auth.api_clients.owner_user_id is 'class=operational;about=User who answers for the client.';
comment on column auth.api_clients.grant_types is 'class=operational;about=OAuth 2.0 grants it may use.';
comment on column auth.api_clients.scopes is 'class=operational;about=Scopes it may ask for.';
comment on column auth.api_clients.redirect_uris is 'class=operational;about=Exact addresses it may be sent back to.';
comment on column auth.api_clients.jwks_uri is 'class=operational;about=Where its public keys are; https only.';
comment on column auth.api_clients.secret_hash is 'class=operational;about=Hash of its secret, when it has no key set.';
comment on column auth.api_clients.ip_allowlist is 'class=operational;about=Networks it may call from; null means any.';
comment on column auth.api_clients.rate_limit_per_min is 'class=operational;about=Requests a minute it may make.';
comment on column auth.api_clients.expires_at is 'class=operational;about=When it stops working; null means never.';
comment on column auth.api_clients.status is 'class=operational;about=active, suspended or revoked (for good).';
select core.comment_standard_columns('auth.api_clients');

alter table auth.api_clients enable row level security;
alter table auth.api_clients force row level security;
drop policy if exists tenant_isolation on auth.api_clients;
create policy tenant_isolation on auth.api_clients
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger api_clients_touch before update on auth.api_clients
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger api_clients_transition before insert or update of status on auth.api_clients
  for each row execute function core.enforce_transition('auth.api_clients', 'status');
select audit.track('auth.api_clients');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('auth.api_clients', '', 'active', false, null),
  ('auth.api_clients', 'active', 'suspended', true, null),
  ('auth.api_clients', 'active', 'revoked', true, null),
  ('auth.api_clients', 'suspended', 'active', false, null),
  ('auth.api_clients', 'suspended', 'revoked', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on auth.api_clients to auth_app;
grant select on auth.api_clients to auth_ro;

-- communication: tables

-- communication.notification_templates: message templates per channel and language, with regulator ids.
-- What was approved is what is sent: text and ids of a template are fixed once it leaves draft; a change is a new version.
create table if not exists communication.notification_templates (
  tenant_id uuid,
  id uuid not null default core.uuid_v7(),
  code text not null,
  channel text not null,
  locale text not null default 'en',
  version integer not null default 1,
  category text not null,
  subject text,
  body text not null,
  variables text[] not null default '{}',
  dlt_template_id text,
  dlt_entity_id text,
  whatsapp_template text,
  phi_allowed boolean not null default false,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint notification_templates_pkey primary key (id),
  constraint notification_templates_version_key unique nulls not distinct (tenant_id, code, channel, locale, version),
  constraint notification_templates_code_form check (code ~ '^[a-z0-9_.]+$'),
  constraint notification_templates_channel_known check (channel in ('in_app', 'sms', 'whatsapp', 'email', 'push')),
  constraint notification_templates_category_known check (category in ('transactional', 'service', 'promotional')),
  constraint notification_templates_status_known check (status in ('draft', 'approved', 'active', 'retired')),
  constraint notification_templates_version_range check (version >= 1),
  constraint notification_templates_no_phi_outside check (channel not in ('sms', 'email', 'whatsapp') or not phi_allowed),
  constraint notification_templates_whatsapp_has_name check (channel <> 'whatsapp' or whatsapp_template is not null)
);

comment on table communication.notification_templates is 'class=operational;scope=shared;owner=notification;fhir=none;retention=operational;about=The text of a message for one channel and language, in one version.';
comment on column communication.notification_templates.code is 'class=operational;about=Dotted name that callers use, such as appointment.reminder.';
comment on column communication.notification_templates.channel is 'class=operational;about=in_app, sms, whatsapp, email or push.';
comment on column communication.notification_templates.locale is 'class=operational;about=Language of the text (BCP 47).';
comment on column communication.notification_templates.version is 'class=operational;about=Counted up for each new text; the highest active version is sent.';
comment on column communication.notification_templates.category is 'class=operational;about=transactional, service or promotional; promotional messages need an opt-in.';
comment on column communication.notification_templates.subject is 'class=operational;about=Subject line or title.';
comment on column communication.notification_templates.body is 'class=operational;about=Text with its variables in braces.';
comment on column communication.notification_templates.variables is 'class=operational;about=Names of the variables that the text needs.';
comment on column communication.notification_templates.dlt_template_id is 'class=operational;about=Template id of the Indian DLT registry; without it no SMS goes out in India.';
comment on column communication.notification_templates.dlt_entity_id is 'class=operational;about=Id of the sending organisation in the DLT registry.';
comment on column communication.notification_templates.whatsapp_template is 'class=operational;about=Name under which WhatsApp approved the template.';
comment on column communication.notification_templates.phi_allowed is 'class=operational;about=Whether variables may hold health data; never on sms, whatsapp and email.';
comment on column communication.notification_templates.status is 'class=operational;about=draft, approved, active or retired.';

select core.comment_standard_columns('communication.notification_templates');

alter table communication.notification_templates enable row level security;
alter table communication.notification_templates force row level security;

drop policy if exists tenant_isolation on communication.notification_templates;
create policy tenant_isolation on communication.notification_templates
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

drop policy if exists shared_rows on communication.notification_templates;
create policy shared_rows on communication.notification_templates for select using (tenant_id is null);

create or replace function communication.check_template() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if
    new.channel = 'sms' and new.status = 'active' and new.dlt_template_id is null
    and exists (select from core.tenants t where t.id = new.tenant_id and t.country = 'IN')
  then
    raise exception 'template % has no DLT id', new.id
      using errcode = 'IM006', hint = 'register the text with the DLT registry and set dlt_template_id before it is active';
  end if;
  if tg_op = 'UPDATE' and old.status <> 'draft' and
    (new.code, new.channel, new.locale, new.version, new.category, new.subject, new.body, new.variables,
     new.dlt_template_id, new.dlt_entity_id, new.whatsapp_template, new.phi_allowed)
    is distinct from
    (old.code, old.channel, old.locale, old.version, old.category, old.subject, old.body, old.variables,
     old.dlt_template_id, old.dlt_entity_id, old.whatsapp_template, old.phi_allowed)
  then
    raise exception 'template % is approved and cannot be changed', new.id
      using errcode = 'IM006', hint = 'add the changed text as a new version';
  end if;
  return new;
end
$$;

comment on function communication.check_template() is 'about=Before insert or update: an active SMS template of an Indian tenant needs its DLT id, and only drafts can be changed (IM006).';

create or replace trigger notification_templates_check before insert or update on communication.notification_templates
  for each row execute function communication.check_template();

create or replace trigger notification_templates_touch before update on communication.notification_templates
  for each row execute function core.update_updated_at_column('row_version');

create or replace trigger notification_templates_transition before insert or update of status on communication.notification_templates
  for each row execute function core.enforce_transition('communication.notification_templates', 'status');

insert into core.transition_rules (machine, from_state, to_state) values
  ('communication.notification_templates', '', 'draft'),
  ('communication.notification_templates', 'draft', 'approved'),
  ('communication.notification_templates', 'draft', 'retired'),
  ('communication.notification_templates', 'approved', 'active'),
  ('communication.notification_templates', 'approved', 'retired'),
  ('communication.notification_templates', 'active', 'retired')
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on communication.notification_templates to notification_app;
grant select on communication.notification_templates to notification_ro;

-- communication.notifications: one thing to tell someone. A dispatcher claims it, sends it over the template's channel
-- (a row of sms_messages, whatsapp_messages or email_messages) and reports how it went.
create table if not exists communication.notifications (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  template_id uuid,
  recipient_type text not null,
  recipient_id uuid not null,
  purpose text not null,
  payload_enc bytea not null,
  priority text not null default 'normal',
  dedupe_key text not null,
  scheduled_at timestamptz not null default now(),
  expires_at timestamptz,
  read_at timestamptz,
  subject_type text,
  subject_id uuid,
  suppressed_reason text,
  status text not null default 'pending',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint notifications_pkey primary key (tenant_id, id),
  constraint notifications_dedupe_key unique (tenant_id, dedupe_key),
  constraint notifications_recipient_type_known check (recipient_type in ('patient', 'user', 'contact')),
  constraint notifications_priority_known check (priority in ('low', 'normal', 'high', 'critical')),
  constraint notifications_status_known check (
    status in (
      'pending', 'processing', 'sent', 'partially_sent', 'read', 'failed', 'suppressed', 'cancelled', 'dead'
    )
  ),
  constraint notifications_expire_after_schedule check (status = 'suppressed' or expires_at > scheduled_at),
  constraint notifications_suppressed_has_reason check (status <> 'suppressed' or suppressed_reason is not null),
  constraint notifications_subject_is_whole check ((subject_type is null) = (subject_id is null))
);

create index if not exists notifications_template_idx on communication.notifications (template_id, tenant_id);
comment on index communication.notifications_template_idx is 'about=Led by the template: a shared template is looked up over all tenants when it is deleted.';
create index if not exists notifications_due_idx on communication.notifications (tenant_id, scheduled_at) where status = 'pending';
create index if not exists notifications_processing_idx on communication.notifications (tenant_id, updated_at)
  where status = 'processing';
create index if not exists notifications_recipient_idx on communication.notifications (tenant_id, recipient_id, created_at);
create index if not exists notifications_subject_idx on communication.notifications (tenant_id, subject_id)
  where subject_id is not null;

comment on table communication.notifications is 'class=phi;scope=tenant;owner=notification;fhir=Communication;retention=medical_record;about=One thing to tell one person.';
comment on column communication.notifications.template_id is 'class=operational;about=The text and channel it is sent with.';
comment on column communication.notifications.recipient_type is 'class=operational;about=patient, user or contact.';
comment on column communication.notifications.recipient_id is 'class=phi;about=The person it is for, in the table that recipient_type names.';
comment on column communication.notifications.purpose is 'class=phi;about=Why it is sent, such as appointment.reminder.';
comment on column communication.notifications.payload_enc is 'class=phi;enc=1;about=Values of the template''s variables, encrypted.';
comment on column communication.notifications.priority is 'class=operational;about=low, normal, high or critical; critical ones are sent in quiet hours too.';
comment on column communication.notifications.dedupe_key is 'class=operational;about=The caller''s key: one notification per key.';
comment on column communication.notifications.scheduled_at is 'class=operational;about=Not sent before this moment; moved behind the quiet hours of the person.';
comment on column communication.notifications.expires_at is 'class=operational;about=Not sent after this moment.';
comment on column communication.notifications.read_at is 'class=operational;about=When the person read it.';
comment on column communication.notifications.subject_type is 'class=operational;about=Table of the row it tells about, such as scheduling.appointments.';
comment on column communication.notifications.subject_id is 'class=operational;about=The row it tells about.';
comment on column communication.notifications.suppressed_reason is 'class=operational;about=Why it is not sent: opted_out, no_opt_in, bounced or quiet_until_expiry.';
comment on column communication.notifications.status is 'class=operational;about=pending, processing, sent, partially_sent, read, failed, suppressed, cancelled or dead.';

select core.comment_standard_columns('communication.notifications');

alter table communication.notifications enable row level security;
alter table communication.notifications force row level security;

drop policy if exists tenant_isolation on communication.notifications;
create policy tenant_isolation on communication.notifications
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger notifications_touch before update on communication.notifications
  for each row execute function core.update_updated_at_column('row_version');

create or replace trigger notifications_transition before insert or update of status on communication.notifications
  for each row execute function core.enforce_transition('communication.notifications', 'status');

create or replace trigger notifications_template_id_visible before insert or update of template_id on communication.notifications
  for each row execute function core.check_shared_reference('template_id', 'communication.notification_templates');

select audit.track('communication.notifications');

insert into core.transition_rules (machine, from_state, to_state, guard) values
  ('communication.notifications', '', 'pending', null),
  ('communication.notifications', '', 'suppressed', 'the person''s preferences forbid it'),
  ('communication.notifications', 'pending', 'processing', 'claimed'),
  ('communication.notifications', 'pending', 'cancelled', null),
  ('communication.notifications', 'pending', 'suppressed', null),
  ('communication.notifications', 'processing', 'sent', null),
  ('communication.notifications', 'processing', 'failed', null),
  ('communication.notifications', 'processing', 'partially_sent', null),
  ('communication.notifications', 'sent', 'read', null),
  ('communication.notifications', 'partially_sent', 'sent', null),
  ('communication.notifications', 'partially_sent', 'failed', null),
  ('communication.notifications', 'failed', 'pending', 'tried again'),
  ('communication.notifications', 'failed', 'dead', null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on communication.notifications to notification_app;
grant select on communication.notifications to notification_ro;

-- communication.sms_messages: one SMS to one number. One partition a month by created_at.
create table if not exists communication.sms_messages (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  notification_id uuid,
  to_enc bytea not null,
  to_bidx bytea not null,
  body_enc bytea not null,
  segments smallint not null default 1,
  provider text not null,
  provider_ref text,
  dlt_template_id text,
  sent_at timestamptz,
  delivered_at timestamptz,
  error_code text,
  cost numeric(14,2),
  attempts smallint not null default 0,
  status text not null default 'queued',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint sms_messages_pkey primary key (tenant_id, id, created_at),
  constraint sms_messages_provider_ref_key unique (tenant_id, provider, provider_ref, created_at),
  constraint sms_messages_status_known check (
    status in ('queued', 'sending', 'sent', 'delivered', 'failed', 'expired', 'cancelled', 'dead')
  ),
  constraint sms_messages_segments_range check (segments between 1 and 20),
  constraint sms_messages_attempts_range check (attempts >= 0),
  constraint sms_messages_cost_range check (cost >= 0)
) partition by range (created_at);

create table if not exists communication.sms_messages_default partition of communication.sms_messages default;

create index if not exists sms_messages_notification_idx on communication.sms_messages (tenant_id, notification_id);
create index if not exists sms_messages_to_bidx_idx on communication.sms_messages (tenant_id, to_bidx, created_at);
create index if not exists sms_messages_queued_idx on communication.sms_messages (tenant_id, created_at) where status = 'queued';

comment on table communication.sms_messages is 'class=pii;scope=tenant;owner=notification;fhir=Communication;retention=medical_record;partition=month;about=One SMS to one number.';
comment on column communication.sms_messages.notification_id is 'class=operational;about=The notification it carries, null for a direct message.';
comment on column communication.sms_messages.to_enc is 'class=pii;enc=1;mask=last4;about=Number it goes to, encrypted.';
comment on column communication.sms_messages.to_bidx is 'class=pii;about=Blind index of the number.';
comment on column communication.sms_messages.body_enc is 'class=pii;enc=1;about=Text as sent, encrypted.';
comment on column communication.sms_messages.segments is 'class=operational;about=How many parts the text takes.';
comment on column communication.sms_messages.provider is 'class=operational;about=Gateway that sends it.';
comment on column communication.sms_messages.provider_ref is 'class=operational;about=The gateway''s id of the message.';
comment on column communication.sms_messages.dlt_template_id is 'class=operational;about=DLT template id it was sent under.';
comment on column communication.sms_messages.sent_at is 'class=operational;about=When the gateway took it.';
comment on column communication.sms_messages.delivered_at is 'class=operational;about=When it reached the phone.';
comment on column communication.sms_messages.error_code is 'class=operational;about=The gateway''s error code.';
comment on column communication.sms_messages.cost is 'class=financial;about=What the gateway charged, in the tenant''s currency.';
comment on column communication.sms_messages.attempts is 'class=operational;about=Attempts to send it so far.';
comment on column communication.sms_messages.status is 'class=operational;about=queued, sending, sent, delivered, failed, expired, cancelled or dead.';

select core.comment_standard_columns('communication.sms_messages');

alter table communication.sms_messages enable row level security;
alter table communication.sms_messages force row level security;

drop policy if exists tenant_isolation on communication.sms_messages;
create policy tenant_isolation on communication.sms_messages
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

alter table communication.sms_messages_default enable row level security;
alter table communication.sms_messages_default force row level security;

drop policy if exists tenant_isolation on communication.sms_messages_default;
create policy tenant_isolation on communication.sms_messages_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger sms_messages_touch before update on communication.sms_messages
  for each row execute function core.update_updated_at_column('row_version');

create or replace trigger sms_messages_transition before insert or update of status on communication.sms_messages
  for each row execute function core.enforce_transition('communication.sms_messages', 'status');

select audit.track('communication.sms_messages');

insert into core.transition_rules (machine, from_state, to_state) values
  ('communication.sms_messages', '', 'queued'),
  ('communication.sms_messages', 'queued', 'sending'),
  ('communication.sms_messages', 'queued', 'cancelled'),
  ('communication.sms_messages', 'sending', 'sent'),
  ('communication.sms_messages', 'sending', 'failed'),
  ('communication.sms_messages', 'sent', 'delivered'),
  ('communication.sms_messages', 'sent', 'failed'),
  ('communication.sms_messages', 'sent', 'expired'),
  ('communication.sms_messages', 'failed', 'queued'),
  ('communication.sms_messages', 'failed', 'dead')
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on communication.sms_messages to notification_app;
grant select on communication.sms_messages to notification_ro;

-- communication.whatsapp_messages: messages in and out. One partition a month by created_at.
-- Outside the 24-hour session that an inbound message opens, WhatsApp takes approved templates only.
create table if not exists communication.whatsapp_messages (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  notification_id uuid,
  direction text not null,
  wa_id_enc bytea not null,
  wa_id_bidx bytea not null,
  template_name text,
  body_enc bytea,
  media_document_id uuid, -- the ehr module adds the foreign key to ehr.documents
  provider_ref text,
  conversation_ref text,
  session_expires_at timestamptz,
  sent_at timestamptz,
  delivered_at timestamptz,
  read_at timestamptz,
  error_code text,
  attempts smallint not null default 0,
  status text not null default 'queued',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint whatsapp_messages_pkey primary key (tenant_id, id, created_at),
  constraint whatsapp_messages_provider_ref_key unique (tenant_id, provider_ref, created_at),
  constraint whatsapp_messages_direction_known check (direction in ('in', 'out')),
  constraint whatsapp_messages_status_known check (
    status in ('queued', 'sending', 'sent', 'delivered', 'read', 'received', 'failed', 'cancelled', 'dead')
  ),
  constraint whatsapp_messages_received_is_inbound check (direction = 'in' or status <> 'received'),
  constraint whatsapp_messages_template_or_session check (
    direction = 'in' or template_name is not null or coalesce(session_expires_at > created_at, false)
  ),
  constraint whatsapp_messages_attempts_range check (attempts >= 0)
) partition by range (created_at);

create table if not exists communication.whatsapp_messages_default partition of communication.whatsapp_messages default;

create index if not exists whatsapp_messages_notification_idx on communication.whatsapp_messages (tenant_id, notification_id);
create index if not exists whatsapp_messages_wa_id_bidx_idx on communication.whatsapp_messages (tenant_id, wa_id_bidx, created_at);
create index if not exists whatsapp_messages_queued_idx on communication.whatsapp_messages (tenant_id, created_at) where status = 'queued';

comment on table communication.whatsapp_messages is 'class=pii;scope=tenant;owner=notification;fhir=Communication;retention=medical_record;partition=month;about=One WhatsApp message, in or out.';
comment on column communication.whatsapp_messages.notification_id is 'class=operational;about=The notification it carries, null for a direct or inbound message.';
comment on column communication.whatsapp_messages.direction is 'class=operational;about=in or out.';
comment on column communication.whatsapp_messages.wa_id_enc is 'class=pii;enc=1;mask=last4;about=The other side''s WhatsApp id, encrypted.';
comment on column communication.whatsapp_messages.wa_id_bidx is 'class=pii;about=Blind index of the WhatsApp id.';
comment on column communication.whatsapp_messages.template_name is 'class=operational;about=Approved template it was sent with.';
comment on column communication.whatsapp_messages.body_enc is 'class=pii;enc=1;about=Text, encrypted; null for media only.';
comment on column communication.whatsapp_messages.media_document_id is 'class=operational;about=Document sent or received with it.';
comment on column communication.whatsapp_messages.provider_ref is 'class=operational;about=WhatsApp''s id of the message.';
comment on column communication.whatsapp_messages.conversation_ref is 'class=operational;about=WhatsApp''s id of the conversation.';
comment on column communication.whatsapp_messages.session_expires_at is 'class=operational;about=Until when free text may be sent.';
comment on column communication.whatsapp_messages.sent_at is 'class=operational;about=When WhatsApp took it.';
comment on column communication.whatsapp_messages.delivered_at is 'class=operational;about=When it reached the phone.';
comment on column communication.whatsapp_messages.read_at is 'class=operational;about=When it was read.';
comment on column communication.whatsapp_messages.error_code is 'class=operational;about=WhatsApp''s error code.';
comment on column communication.whatsapp_messages.attempts is 'class=operational;about=Attempts to send it so far.';
comment on column communication.whatsapp_messages.status is 'class=operational;about=queued, sending, sent, delivered, read, received (inbound), failed, cancelled or dead.';

select core.comment_standard_columns('communication.whatsapp_messages');

alter table communication.whatsapp_messages enable row level security;
alter table communication.whatsapp_messages force row level security;

drop policy if exists tenant_isolation on communication.whatsapp_messages;
create policy tenant_isolation on communication.whatsapp_messages
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

alter table communication.whatsapp_messages_default enable row level security;
alter table communication.whatsapp_messages_default force row level security;

drop policy if exists tenant_isolation on communication.whatsapp_messages_default;
create policy tenant_isolation on communication.whatsapp_messages_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger whatsapp_messages_touch before update on communication.whatsapp_messages
  for each row execute function core.update_updated_at_column('row_version');

create or replace trigger whatsapp_messages_transition before insert or update of status on communication.whatsapp_messages
  for each row execute function core.enforce_transition('communication.whatsapp_messages', 'status');

select audit.track('communication.whatsapp_messages');

insert into core.transition_rules (machine, from_state, to_state) values
  ('communication.whatsapp_messages', '', 'queued'),
  ('communication.whatsapp_messages', '', 'received'),
  ('communication.whatsapp_messages', 'queued', 'sending'),
  ('communication.whatsapp_messages', 'queued', 'cancelled'),
  ('communication.whatsapp_messages', 'queued', 'received'),
  ('communication.whatsapp_messages', 'sending', 'sent'),
  ('communication.whatsapp_messages', 'sending', 'failed'),
  ('communication.whatsapp_messages', 'sent', 'delivered'),
  ('communication.whatsapp_messages', 'sent', 'failed'),
  ('communication.whatsapp_messages', 'delivered', 'read'),
  ('communication.whatsapp_messages', 'failed', 'queued'),
  ('communication.whatsapp_messages', 'failed', 'dead')
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on communication.whatsapp_messages to notification_app;
grant select on communication.whatsapp_messages to notification_ro;

-- communication.email_messages: one e-mail to one address. One partition a month by created_at.
-- The subject is shown by mail servers and lock screens: it never holds health data.
create table if not exists communication.email_messages (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  notification_id uuid,
  to_enc bytea not null,
  to_bidx bytea not null,
  subject text not null,
  body_enc bytea not null,
  attachment_document_ids uuid[] not null default '{}',
  provider text not null,
  provider_ref text,
  sent_at timestamptz,
  delivered_at timestamptz,
  opened_at timestamptz,
  bounce_kind text,
  error_code text,
  attempts smallint not null default 0,
  status text not null default 'queued',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint email_messages_pkey primary key (tenant_id, id, created_at),
  constraint email_messages_provider_ref_key unique (tenant_id, provider, provider_ref, created_at),
  constraint email_messages_status_known check (
    status in (
      'queued', 'sending', 'sent', 'delivered', 'opened', 'bounced', 'complained', 'failed', 'cancelled', 'dead'
    )
  ),
  constraint email_messages_bounce_kind_known check (bounce_kind in ('hard', 'soft')),
  constraint email_messages_attempts_range check (attempts >= 0)
) partition by range (created_at);

create table if not exists communication.email_messages_default partition of communication.email_messages default;

create index if not exists email_messages_notification_idx on communication.email_messages (tenant_id, notification_id);
create index if not exists email_messages_to_bidx_idx on communication.email_messages (tenant_id, to_bidx, created_at);
create index if not exists email_messages_queued_idx on communication.email_messages (tenant_id, created_at) where status = 'queued';

comment on table communication.email_messages is 'class=pii;scope=tenant;owner=notification;fhir=Communication;retention=medical_record;partition=month;about=One e-mail to one address.';
comment on column communication.email_messages.notification_id is 'class=operational;about=The notification it carries, null for a direct message.';
comment on column communication.email_messages.to_enc is 'class=pii;enc=1;about=Address it goes to, encrypted.';
comment on column communication.email_messages.to_bidx is 'class=pii;about=Blind index of the address.';
comment on column communication.email_messages.subject is 'class=pii;about=Subject line, without health data.';
comment on column communication.email_messages.body_enc is 'class=pii;enc=1;about=Body as sent, encrypted.';
comment on column communication.email_messages.attachment_document_ids is 'class=operational;about=Documents attached.';
comment on column communication.email_messages.provider is 'class=operational;about=Mail service that sends it.';
comment on column communication.email_messages.provider_ref is 'class=operational;about=The mail service''s id of the message.';
comment on column communication.email_messages.sent_at is 'class=operational;about=When the mail service took it.';
comment on column communication.email_messages.delivered_at is 'class=operational;about=When the receiving server took it.';
comment on column communication.email_messages.opened_at is 'class=operational;about=When it was opened, as far as that can be known.';
comment on column communication.email_messages.bounce_kind is 'class=operational;about=hard (the address does not exist) or soft.';
comment on column communication.email_messages.error_code is 'class=operational;about=The mail service''s error code.';
comment on column communication.email_messages.attempts is 'class=operational;about=Attempts to send it so far.';
comment on column communication.email_messages.status is 'class=operational;about=queued, sending, sent, delivered, opened, bounced, complained, failed, cancelled or dead.';

select core.comment_standard_columns('communication.email_messages');

alter table communication.email_messages enable row level security;
alter table communication.email_messages force row level security;

drop policy if exists tenant_isolation on communication.email_messages;
create policy tenant_isolation on communication.email_messages
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

alter table communication.email_messages_default enable row level security;
alter table communication.email_messages_default force row level security;

drop policy if exists tenant_isolation on communication.email_messages_default;
create policy tenant_isolation on communication.email_messages_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger email_messages_touch before update on communication.email_messages
  for each row execute function core.update_updated_at_column('row_version');

create or replace trigger email_messages_transition before insert or update of status on communication.email_messages
  for each row execute function core.enforce_transition('communication.email_messages', 'status');

select audit.track('communication.email_messages');

insert into core.transition_rules (machine, from_state, to_state) values
  ('communication.email_messages', '', 'queued'),
  ('communication.email_messages', 'queued', 'sending'),
  ('communication.email_messages', 'queued', 'cancelled'),
  ('communication.email_messages', 'sending', 'sent'),
  ('communication.email_messages', 'sending', 'failed'),
  ('communication.email_messages', 'sent', 'delivered'),
  ('communication.email_messages', 'sent', 'bounced'),
  ('communication.email_messages', 'sent', 'complained'),
  ('communication.email_messages', 'delivered', 'opened'),
  ('communication.email_messages', 'failed', 'queued'),
  ('communication.email_messages', 'failed', 'dead')
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on communication.email_messages to notification_app;
grant select on communication.email_messages to notification_ro;

-- communication.contact_preferences: what a person agreed to receive, per channel and category. Without a row,
-- transactional and service messages are allowed and promotional ones are not.
create table if not exists communication.contact_preferences (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  subject_type text not null,
  subject_id uuid not null,
  channel text not null,
  category text not null,
  opted_in boolean not null default false,
  consent_id uuid, -- the compliance module adds the foreign key to compliance.consents
  quiet_hours communication.timemultirange,
  locale text,
  push_token_hash bytea,
  push_token_enc bytea,
  bounced boolean not null default false,
  changed_at timestamptz not null default now(),
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint contact_preferences_pkey primary key (tenant_id, id),
  constraint contact_preferences_subject_key unique (tenant_id, subject_type, subject_id, channel, category),
  constraint contact_preferences_subject_type_known check (subject_type in ('patient', 'user', 'contact')),
  constraint contact_preferences_channel_known check (channel in ('in_app', 'sms', 'whatsapp', 'email', 'push')),
  constraint contact_preferences_category_known check (category in ('transactional', 'service', 'promotional')),
  constraint contact_preferences_promotional_needs_consent check (
    category <> 'promotional' or not opted_in or consent_id is not null
  ),
  constraint contact_preferences_push_token_is_whole check ((push_token_hash is null) = (push_token_enc is null))
);

comment on table communication.contact_preferences is 'class=pii;scope=tenant;owner=notification;fhir=Consent;retention=medical_record;about=What a person agreed to receive over one channel, and when.';
comment on column communication.contact_preferences.subject_type is 'class=operational;about=patient, user or contact.';
comment on column communication.contact_preferences.subject_id is 'class=pii;about=The person, in the table that subject_type names.';
comment on column communication.contact_preferences.channel is 'class=operational;about=in_app, sms, whatsapp, email or push.';
comment on column communication.contact_preferences.category is 'class=operational;about=transactional, service or promotional.';
comment on column communication.contact_preferences.opted_in is 'class=pii;about=Whether such messages may be sent.';
comment on column communication.contact_preferences.consent_id is 'class=pii;about=The consent that an opt-in to promotional messages rests on.';
comment on column communication.contact_preferences.quiet_hours is 'class=pii;about=Times of the day, in the tenant''s zone, when only critical messages are sent.';
comment on column communication.contact_preferences.locale is 'class=pii;about=Language the person wants (BCP 47).';
comment on column communication.contact_preferences.push_token_hash is 'class=pii;about=Hash of the device''s push token, to find it again.';
comment on column communication.contact_preferences.push_token_enc is 'class=pii;enc=1;about=The device''s push token, encrypted.';
comment on column communication.contact_preferences.bounced is 'class=pii;about=The address does not work: nothing is sent until it is corrected.';
comment on column communication.contact_preferences.changed_at is 'class=operational;about=When the person last decided.';

select core.comment_standard_columns('communication.contact_preferences');

alter table communication.contact_preferences enable row level security;
alter table communication.contact_preferences force row level security;

drop policy if exists tenant_isolation on communication.contact_preferences;
create policy tenant_isolation on communication.contact_preferences
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger contact_preferences_touch before update on communication.contact_preferences
  for each row execute function core.update_updated_at_column('row_version');

select audit.track('communication.contact_preferences');

grant select, insert, update on communication.contact_preferences to notification_app;
grant select on communication.contact_preferences to notification_ro;

-- facility: tables

-- A care site of any kind: hospital, clinic, laboratory, pharmacy, blood centre. Registry numbers are those of the
-- Indian registries; sites elsewhere leave them empty.
create table if not exists facility.clinics (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  code text not null,
  name text not null,
  kind text not null,
  country char(2) not null,
  timezone text not null,
  address jsonb not null default '{}',
  pin_code text,
  state_code text,
  district_lgd integer,
  phone text,
  opening_hours jsonb not null default '{}',
  bed_capacity integer not null default 0,
  hfr_id text,
  hip_id text,
  nin_id text,
  rohini_id text,
  pmjay_hospital_id text,
  establishment_reg_no text,
  gstin text,
  drug_licence_no text,
  nabh_no text,
  nabl_no text,
  status text not null default 'draft',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint clinics_pkey primary key (tenant_id, id),
  constraint clinics_code_format check (code ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,19}$'),
  constraint clinics_kind_check check (
    kind in ('hospital', 'clinic', 'day_care', 'diagnostic_lab', 'pharmacy', 'blood_centre', 'telehealth')
  ),
  constraint clinics_status_check check (status in ('draft', 'active', 'suspended', 'closed')),
  constraint clinics_country_format check (country ~ '^[A-Z]{2}$'),
  constraint clinics_gstin_valid check (gstin is null or core.valid_gstin(gstin)),
  constraint clinics_indian_pin_code check (country <> 'IN' or pin_code ~ '^[1-9][0-9]{5}$'),
  constraint clinics_bed_capacity_not_negative check (bed_capacity >= 0),
  constraint clinics_address_is_object check (jsonb_typeof(address) = 'object'),
  constraint clinics_opening_hours_is_object check (jsonb_typeof(opening_hours) = 'object')
);

create unique index if not exists clinics_code_key on facility.clinics (tenant_id, code) where deleted_at is null;
create unique index if not exists clinics_hfr_id_key on facility.clinics (tenant_id, hfr_id)
  where hfr_id is not null and deleted_at is null;

comment on table facility.clinics is 'class=operational;scope=tenant;owner=facility;fhir=Organization,Location;retention=operational;about=A care site of any kind (hospital, clinic, laboratory, pharmacy, blood centre).';
comment on column facility.clinics.code is 'class=operational;about=Short code, unique in the tenant; appears in numbers such as those of appointments.';
comment on column facility.clinics.name is 'class=operational;about=Name of the site.';
comment on column facility.clinics.kind is 'class=operational;about=hospital, clinic, day_care, diagnostic_lab, pharmacy, blood_centre or telehealth.';
comment on column facility.clinics.country is 'class=operational;about=ISO 3166-1 alpha-2 code.';
comment on column facility.clinics.timezone is 'class=operational;about=IANA time zone; opening hours, schedules and days of numbers are counted in it.';
comment on column facility.clinics.address is 'class=operational;about=Postal address: lines, city, district, state.';
comment on column facility.clinics.pin_code is 'class=operational;about=Postal code; six digits in India.';
comment on column facility.clinics.state_code is 'class=operational;about=State by its GST or ISO 3166-2 code.';
comment on column facility.clinics.district_lgd is 'class=operational;about=District by its code in the Local Government Directory.';
comment on column facility.clinics.phone is 'class=operational;about=Public telephone number of the site.';
comment on column facility.clinics.opening_hours is 'class=operational;about=Weekday to list of {from, to} in local time; empty means not declared.';
comment on column facility.clinics.bed_capacity is 'class=operational;about=Sanctioned number of beds.';
comment on column facility.clinics.hfr_id is 'class=operational;about=Health Facility Registry id (ABDM).';
comment on column facility.clinics.hip_id is 'class=operational;about=Id as Health Information Provider (ABDM).';
comment on column facility.clinics.nin_id is 'class=operational;about=National Identification Number of a public facility.';
comment on column facility.clinics.rohini_id is 'class=operational;about=Id in the insurers'' hospital registry ROHINI.';
comment on column facility.clinics.pmjay_hospital_id is 'class=operational;about=Empanelment id under PM-JAY.';
comment on column facility.clinics.establishment_reg_no is 'class=operational;about=Registration under the clinical establishments law.';
comment on column facility.clinics.gstin is 'class=operational;about=Goods and Services Tax number; its check character is tested.';
comment on column facility.clinics.drug_licence_no is 'class=operational;about=Drug licence of its pharmacy.';
comment on column facility.clinics.nabh_no is 'class=operational;about=NABH accreditation number.';
comment on column facility.clinics.nabl_no is 'class=operational;about=NABL accreditation number of its laboratory.';
comment on column facility.clinics.status is 'class=operational;about=draft, active, suspended or closed (for good).';
select core.comment_standard_columns('facility.clinics');

alter table facility.clinics enable row level security;
alter table facility.clinics force row level security;
drop policy if exists tenant_isolation on facility.clinics;
create policy tenant_isolation on facility.clinics
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger clinics_touch before update on facility.clinics
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger clinics_transition before insert or update of status on facility.clinics
  for each row execute function core.enforce_transition('facility.clinics', 'status');
create or replace trigger clinics_check before insert or update of timezone, hfr_id on facility.clinics
  for each row execute function facility.check_clinic();

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('facility.clinics', '', 'draft', false, null),
  ('facility.clinics', 'draft', 'active', false, null),
  ('facility.clinics', 'active', 'suspended', true, null),
  ('facility.clinics', 'active', 'closed', true, null),
  ('facility.clinics', 'suspended', 'active', false, null),
  ('facility.clinics', 'suspended', 'closed', true, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on facility.clinics to facility_app;
grant select on facility.clinics to facility_ro;

-- Clinical and support departments of a clinic. The tree of departments has no cycles.
create table if not exists facility.departments (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  clinic_id uuid not null,
  parent_department_id uuid,
  code text not null,
  name text not null,
  kind text not null,
  specialty_code text,
  cost_centre text,
  head_staff_id uuid,
  active boolean not null default true,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint departments_pkey primary key (tenant_id, id),
  constraint departments_kind_check check (kind in ('clinical', 'diagnostic', 'pharmacy', 'support', 'administrative'))
);

create unique index if not exists departments_code_key on facility.departments (tenant_id, clinic_id, code)
  where deleted_at is null;
create index if not exists departments_clinic_idx on facility.departments (tenant_id, clinic_id);
create index if not exists departments_parent_department_idx on facility.departments (tenant_id, parent_department_id)
  where parent_department_id is not null;
create index if not exists departments_head_staff_idx on facility.departments (tenant_id, head_staff_id)
  where head_staff_id is not null;

comment on table facility.departments is 'class=operational;scope=tenant;owner=facility;fhir=Organization;retention=operational;about=Clinical and support departments.';
comment on column facility.departments.clinic_id is 'class=operational;about=The clinic it belongs to.';
comment on column facility.departments.parent_department_id is 'class=operational;about=The department above it in the same clinic.';
comment on column facility.departments.code is 'class=operational;about=Short code, unique in the clinic.';
comment on column facility.departments.name is 'class=operational;about=Name of the department.';
comment on column facility.departments.kind is 'class=operational;about=clinical, diagnostic, pharmacy, support or administrative.';
comment on column facility.departments.specialty_code is 'class=operational;about=Medical specialty (SNOMED CT or the tenant''s own code).';
comment on column facility.departments.cost_centre is 'class=operational;about=Cost centre in the books.';
comment on column facility.departments.head_staff_id is 'class=operational;about=Member of staff who heads it.';
comment on column facility.departments.active is 'class=operational;about=False hides it from new work.';
select core.comment_standard_columns('facility.departments');

alter table facility.departments enable row level security;
alter table facility.departments force row level security;
drop policy if exists tenant_isolation on facility.departments;
create policy tenant_isolation on facility.departments
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger departments_touch before update on facility.departments
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger departments_tree before insert or update of parent_department_id, clinic_id on facility.departments
  for each row execute function facility.check_department_tree();

grant select, insert, update on facility.departments to facility_app;
grant select on facility.departments to facility_ro;

-- Buildings, floors, wards, rooms, bays, theatres, stores, collection points: one tree a clinic, without cycles.
-- path is kept by triggers (codes from the root, '/main/2/icu'), so a whole ward is one range of an index:
-- path = '/main/2' or path ~>=~ '/main/2/' and path ~<~ '/main/20'.
create table if not exists facility.locations (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  clinic_id uuid not null,
  parent_location_id uuid,
  department_id uuid,
  path text not null default '',
  kind text not null,
  code text not null,
  name text not null,
  care_class text,
  sex_policy text not null default 'any',
  isolation_capable boolean not null default false,
  active boolean not null default true,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint locations_pkey primary key (tenant_id, id),
  constraint locations_kind_check check (
    kind in (
      'building', 'floor', 'ward', 'room', 'bay', 'theatre', 'store', 'collection_point', 'counter', 'cold_store',
      'mortuary'
    )
  ),
  constraint locations_care_class_check check (
    care_class in (
      'general', 'semi_private', 'private', 'deluxe', 'icu', 'hdu', 'nicu', 'picu', 'isolation', 'day_care'
    )
  ),
  constraint locations_sex_policy_check check (sex_policy in ('any', 'male', 'female', 'paediatric')),
  constraint locations_care_class_of_bed_places check (care_class is null or kind in ('ward', 'room', 'bay')),
  constraint locations_code_format check (code ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,29}$')
);

create unique index if not exists locations_code_key on facility.locations (tenant_id, clinic_id, code) where deleted_at is null;
create unique index if not exists locations_path_key on facility.locations (tenant_id, clinic_id, path text_pattern_ops)
  where deleted_at is null;
create index if not exists locations_clinic_idx on facility.locations (tenant_id, clinic_id);
create index if not exists locations_parent_location_idx on facility.locations (tenant_id, parent_location_id)
  where parent_location_id is not null;
create index if not exists locations_department_idx on facility.locations (tenant_id, department_id)
  where department_id is not null;

comment on table facility.locations is 'class=operational;scope=tenant;owner=facility;fhir=Location;retention=operational;about=Buildings, floors, wards, rooms, bays, theatres, stores, collection points.';
comment on column facility.locations.clinic_id is 'class=operational;about=The clinic it is in.';
comment on column facility.locations.parent_location_id is 'class=operational;about=The place that contains it, in the same clinic.';
comment on column facility.locations.department_id is 'class=operational;about=The department that runs it.';
comment on column facility.locations.path is 'class=operational;about=Codes from the root in lower case, such as /main/2/icu; kept by a trigger.';
comment on column facility.locations.kind is 'class=operational;about=building, floor, ward, room, bay, theatre, store, collection_point, counter, cold_store or mortuary.';
comment on column facility.locations.code is 'class=operational;about=Short code, unique in the clinic.';
comment on column facility.locations.name is 'class=operational;about=Name on the door.';
comment on column facility.locations.care_class is 'class=operational;about=Class of care given here; only for wards, rooms and bays.';
comment on column facility.locations.sex_policy is 'class=operational;about=Who may lie here: any, male, female or paediatric.';
comment on column facility.locations.isolation_capable is 'class=operational;about=Has what isolation of a patient needs.';
comment on column facility.locations.active is 'class=operational;about=False hides it from new work.';
select core.comment_standard_columns('facility.locations');

alter table facility.locations enable row level security;
alter table facility.locations force row level security;
drop policy if exists tenant_isolation on facility.locations;
create policy tenant_isolation on facility.locations
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger locations_touch before update on facility.locations
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger locations_path before insert or update of path, code, clinic_id, parent_location_id on facility.locations
  for each row execute function facility.set_location_path();
create or replace trigger locations_path_below after update of path, code, clinic_id, parent_location_id on facility.locations
  for each row when (old.path is distinct from new.path) execute function facility.carry_location_path();

grant select, insert, update on facility.locations to facility_app;
grant select on facility.locations to facility_ro;

-- A bed that can be allocated. It is freed by the step "patient has physically left", never by the discharge order:
-- occupied goes to cleaning, and only cleaning leads back to vacant.
create table if not exists facility.beds (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  location_id uuid not null,
  code text not null,
  bed_type text not null default 'standard',
  charge_code text,
  current_allocation_id uuid,
  status_changed_at timestamptz not null default now(),
  status text not null default 'vacant',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint beds_pkey primary key (tenant_id, id),
  constraint beds_bed_type_check check (
    bed_type in ('standard', 'icu', 'ventilator', 'nicu', 'labour', 'dialysis', 'day_care', 'trolley')
  ),
  constraint beds_status_check check (
    status in ('vacant', 'reserved', 'occupied', 'cleaning', 'blocked', 'maintenance')
  ),
  constraint beds_occupied_has_allocation check ((status = 'occupied') = (current_allocation_id is not null))
);

create unique index if not exists beds_code_key on facility.beds (tenant_id, location_id, code) where deleted_at is null;
create index if not exists beds_location_idx on facility.beds (tenant_id, location_id);
create index if not exists beds_current_allocation_idx on facility.beds (tenant_id, current_allocation_id)
  where current_allocation_id is not null;
create index if not exists beds_vacant_idx on facility.beds (tenant_id, location_id, bed_type)
  where status = 'vacant' and deleted_at is null;

comment on table facility.beds is 'class=operational;scope=tenant;owner=facility;fhir=Location;retention=operational;about=A bed that can be allocated.';
comment on column facility.beds.location_id is 'class=operational;about=The ward, room or bay it stands in.';
comment on column facility.beds.code is 'class=operational;about=Code on the bed, unique in its location.';
comment on column facility.beds.bed_type is 'class=operational;about=standard, icu, ventilator, nicu, labour, dialysis, day_care or trolley.';
comment on column facility.beds.charge_code is 'class=operational;about=What a day in it is charged as.';
comment on column facility.beds.current_allocation_id is 'class=operational;about=The allocation that occupies it now; set exactly while status is occupied.';
comment on column facility.beds.status_changed_at is 'class=operational;about=Since when it is in its status.';
comment on column facility.beds.status is 'class=operational;about=vacant, reserved, occupied, cleaning, blocked or maintenance.';
select core.comment_standard_columns('facility.beds');

alter table facility.beds enable row level security;
alter table facility.beds force row level security;
drop policy if exists tenant_isolation on facility.beds;
create policy tenant_isolation on facility.beds
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger beds_touch before update on facility.beds
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger beds_transition before insert or update of status on facility.beds
  for each row execute function core.enforce_transition('facility.beds', 'status');
create or replace trigger beds_status_changed before update of status on facility.beds
  for each row when (old.status is distinct from new.status) execute function facility.note_bed_status();

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('facility.beds', '', 'vacant', false, null),
  ('facility.beds', 'vacant', 'reserved', false, null),
  ('facility.beds', 'vacant', 'occupied', false, null),
  ('facility.beds', 'vacant', 'blocked', true, null),
  ('facility.beds', 'vacant', 'maintenance', false, null),
  ('facility.beds', 'reserved', 'occupied', false, null),
  ('facility.beds', 'reserved', 'vacant', false, null),
  ('facility.beds', 'occupied', 'cleaning', false, null),
  ('facility.beds', 'cleaning', 'vacant', false, null),
  ('facility.beds', 'cleaning', 'maintenance', false, null),
  ('facility.beds', 'blocked', 'vacant', false, null),
  ('facility.beds', 'maintenance', 'vacant', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on facility.beds to facility_app;
grant select on facility.beds to facility_ro;

-- Who lies, lay or will lie in which bed, as ranges of time. The exclusion constraints are the last word: no bed holds
-- two patients at one instant, no encounter occupies two beds. The clinical module adds the foreign key of
-- encounter_id.
create table if not exists facility.bed_allocations (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  bed_id uuid not null,
  encounter_id uuid not null,
  patient_id uuid not null,
  kind text not null,
  period tstzrange not null,
  reserved_until timestamptz,
  transfer_from_id uuid,
  reason text,
  released_by uuid,
  status text not null default 'reserved',
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint bed_allocations_pkey primary key (tenant_id, id),
  constraint bed_allocations_one_patient_per_bed exclude using gist (
    tenant_id with =, bed_id with =, period with &&
  ) where (status in ('reserved', 'active')),
  constraint bed_allocations_one_bed_per_encounter exclude using gist (
    tenant_id with =, encounter_id with =, period with &&
  ) where (status = 'active' and kind = 'occupancy'),
  constraint bed_allocations_kind_check check (kind in ('reservation', 'occupancy')),
  constraint bed_allocations_status_check check (status in ('reserved', 'active', 'completed', 'released', 'expired')),
  constraint bed_allocations_period_not_empty check (not isempty(period)),
  constraint bed_allocations_reservation_lapses check (kind <> 'reservation' or reserved_until is not null),
  constraint bed_allocations_completed_has_end check (status <> 'completed' or upper(period) is not null)
);

create index if not exists bed_allocations_bed_idx on facility.bed_allocations (tenant_id, bed_id);
create index if not exists bed_allocations_encounter_idx on facility.bed_allocations (tenant_id, encounter_id);
create index if not exists bed_allocations_patient_idx on facility.bed_allocations (tenant_id, patient_id);
create index if not exists bed_allocations_transfer_from_idx on facility.bed_allocations (tenant_id, transfer_from_id)
  where transfer_from_id is not null;
create index if not exists bed_allocations_lapsing_idx on facility.bed_allocations (tenant_id, reserved_until)
  where status = 'reserved';

comment on table facility.bed_allocations is 'class=phi;scope=tenant;owner=facility;fhir=Encounter.location;retention=medical_record;about=Who lies, lay or will lie in which bed, as time ranges.';
comment on column facility.bed_allocations.bed_id is 'class=phi;about=The bed.';
comment on column facility.bed_allocations.encounter_id is 'class=phi;about=The encounter it is for.';
comment on column facility.bed_allocations.patient_id is 'class=phi;about=The patient.';
comment on column facility.bed_allocations.kind is 'class=phi;about=reservation (may lapse) or occupancy.';
comment on column facility.bed_allocations.period is 'class=phi;about=From when to when, start included and end excluded; open while the patient is there.';
comment on column facility.bed_allocations.reserved_until is 'class=phi;about=When a reservation lapses.';
comment on column facility.bed_allocations.transfer_from_id is 'class=phi;about=The allocation that the patient was moved from.';
comment on column facility.bed_allocations.reason is 'class=phi;about=Why this bed, or why it was given up.';
comment on column facility.bed_allocations.released_by is 'class=phi;about=User who ended it.';
comment on column facility.bed_allocations.status is 'class=phi;about=reserved, active, completed, released or expired.';
select core.comment_standard_columns('facility.bed_allocations');

alter table facility.bed_allocations enable row level security;
alter table facility.bed_allocations force row level security;
drop policy if exists tenant_isolation on facility.bed_allocations;
create policy tenant_isolation on facility.bed_allocations
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger bed_allocations_touch before update on facility.bed_allocations
  for each row execute function core.update_updated_at_column();
create or replace trigger bed_allocations_transition before insert or update of status on facility.bed_allocations
  for each row execute function core.enforce_transition('facility.bed_allocations', 'status');
select audit.track('facility.bed_allocations');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('facility.bed_allocations', '', 'reserved', false, null),
  ('facility.bed_allocations', 'reserved', 'active', false, null),
  ('facility.bed_allocations', 'reserved', 'released', false, null),
  ('facility.bed_allocations', 'reserved', 'expired', false, null),
  ('facility.bed_allocations', 'active', 'completed', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on facility.bed_allocations to facility_app;
grant select on facility.bed_allocations to facility_ro;

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
  constraint patients_merged_has_survivor check ((status = 'merged') = (merged_into_id is not null))
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

alter table patient.patients enable row level security;
alter table patient.patients force row level security;
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

grant select, insert, update on patient.patients to clinical_app;
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
  constraint patient_identifiers_verified_somehow check (verified_at is null or verification_method is not null)
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

alter table patient.patient_identifiers enable row level security;
alter table patient.patient_identifiers force row level security;
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
  constraint patient_contacts_not_self check (related_patient_id <> patient_id)
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

alter table patient.patient_contacts enable row level security;
alter table patient.patient_contacts force row level security;
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
  constraint patient_merges_reversed_has_time check ((status = 'reversed') = (reversed_at is not null))
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

alter table patient.patient_merges enable row level security;
alter table patient.patient_merges force row level security;
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

-- webhook: tables

-- webhook.integration_webhooks: registered endpoints, inbound sources and FHIR subscriptions.
-- The database keeps the name of a secret, never the secret. That a host resolves to a public address is checked by the
-- sender at the moment of sending: DNS answers change after a row was written.
create table if not exists webhook.integration_webhooks (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  code text not null,
  direction text not null,
  kind text not null default 'generic',
  url text,
  event_types text[] not null default '{}',
  criteria text,
  secret_ref text not null,
  signature_alg text not null default 'hmac_sha256',
  max_attempts smallint not null default 12,
  timeout_ms integer not null default 10000,
  backoff jsonb not null default '{"base_ms": 1000, "factor": 2, "max_ms": 3600000}',
  ip_allowlist cidr[],
  failure_count integer not null default 0,
  disabled_reason text,
  status text not null default 'active',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint integration_webhooks_pkey primary key (tenant_id, id),
  constraint integration_webhooks_code_key unique (tenant_id, code),
  constraint integration_webhooks_direction_known check (direction in ('in', 'out')),
  constraint integration_webhooks_kind_known check (
    kind in ('generic', 'fhir_subscription', 'payment', 'abdm', 'nhcx', 'lab_partner')
  ),
  constraint integration_webhooks_signature_alg_known check (signature_alg in ('hmac_sha256', 'ed25519', 'provider')),
  constraint integration_webhooks_status_known check (status in ('active', 'paused', 'disabled')),
  -- no user:password@ in the address: it would end up in logs
  constraint integration_webhooks_out_is_https check (
    direction <> 'out' or (url is not null and url ~ '^https://[^/@[:space:]]+([/?#][^[:space:]]*)?$')
  ),
  constraint integration_webhooks_max_attempts_range check (max_attempts between 1 and 20),
  constraint integration_webhooks_timeout_range check (timeout_ms between 100 and 60000),
  constraint integration_webhooks_failure_count_range check (failure_count >= 0),
  constraint integration_webhooks_backoff_form check (
    jsonb_typeof(backoff) = 'object'
    and (backoff ->> 'base_ms')::numeric between 1 and 3600000
    and (backoff ->> 'factor')::numeric between 1 and 10
    and (backoff ->> 'max_ms')::numeric between 1 and 86400000
  )
);

comment on table webhook.integration_webhooks is 'class=operational;scope=tenant;owner=interop;fhir=Subscription;retention=operational;about=A registered endpoint, inbound source or FHIR subscription.';
comment on column webhook.integration_webhooks.code is 'class=operational;about=Short name that operations call it by, unique in the tenant.';
comment on column webhook.integration_webhooks.direction is 'class=operational;about=in: somebody calls us; out: we call somebody.';
comment on column webhook.integration_webhooks.kind is 'class=operational;about=generic, fhir_subscription, payment, abdm, nhcx or lab_partner.';
comment on column webhook.integration_webhooks.url is 'class=operational;about=Where outgoing events are posted to, https only.';
comment on column webhook.integration_webhooks.event_types is 'class=operational;about=Event types that are sent or accepted; empty means all.';
comment on column webhook.integration_webhooks.criteria is 'class=operational;about=FHIR search that a subscription listens to.';
comment on column webhook.integration_webhooks.secret_ref is 'class=operational;about=Name of the signing secret in the secret store.';
comment on column webhook.integration_webhooks.signature_alg is 'class=operational;about=hmac_sha256, ed25519, or provider for the sender''s own scheme.';
comment on column webhook.integration_webhooks.max_attempts is 'class=operational;about=Attempts before an event is parked as dead, 1 to 20.';
comment on column webhook.integration_webhooks.timeout_ms is 'class=operational;about=How long an attempt may take, in milliseconds.';
comment on column webhook.integration_webhooks.backoff is 'class=operational;about=Waiting time between attempts: base_ms times factor for every further attempt, at most max_ms.';
comment on column webhook.integration_webhooks.ip_allowlist is 'class=operational;about=Networks that an inbound source may call from; null for any.';
comment on column webhook.integration_webhooks.failure_count is 'class=operational;about=Failed attempts since the last success; 10 and more show as failing.';
comment on column webhook.integration_webhooks.disabled_reason is 'class=operational;about=Why it was disabled.';
comment on column webhook.integration_webhooks.status is 'class=operational;about=active, paused (events wait) or disabled (events are refused).';

select core.comment_standard_columns('webhook.integration_webhooks');

alter table webhook.integration_webhooks enable row level security;
alter table webhook.integration_webhooks force row level security;

drop policy if exists tenant_isolation on webhook.integration_webhooks;
create policy tenant_isolation on webhook.integration_webhooks
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger integration_webhooks_touch before update on webhook.integration_webhooks
  for each row execute function core.update_updated_at_column('row_version');

create or replace trigger integration_webhooks_transition before insert or update of status on webhook.integration_webhooks
  for each row execute function core.enforce_transition('webhook.integration_webhooks', 'status');

select audit.track('webhook.integration_webhooks');

insert into core.transition_rules (machine, from_state, to_state) values
  ('webhook.integration_webhooks', '', 'active'),
  ('webhook.integration_webhooks', 'active', 'paused'),
  ('webhook.integration_webhooks', 'active', 'disabled'),
  ('webhook.integration_webhooks', 'paused', 'active'),
  ('webhook.integration_webhooks', 'paused', 'disabled'),
  ('webhook.integration_webhooks', 'disabled', 'active')
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on webhook.integration_webhooks to interop_app;
grant select on webhook.integration_webhooks to interop_ro;

-- webhook.webhook_events: the queue that claim_next_event and mark_event_result work on.
-- Only the operations of this module write it; applications read. Within one endpoint and order_key, queue_number is
-- the order of commit (enqueue_event holds a lock on the key), so "oldest unfinished" has one meaning for all workers.
create table if not exists webhook.webhook_events (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  webhook_id uuid not null,
  direction text not null,
  event_type text not null,
  dedupe_key text not null,
  payload_enc bytea not null,
  payload_hash bytea not null,
  signature_ok boolean,
  received_at timestamptz not null default now(),
  priority smallint not null default 5,
  order_key text,
  queue_number bigint generated by default as identity,
  attempts smallint not null default 0,
  max_attempts smallint not null,
  next_attempt_at timestamptz not null default now(),
  claimed_at timestamptz,
  locked_by text,
  locked_until timestamptz,
  lock_token uuid,
  finished_at timestamptz,
  last_error text,
  status text not null default 'pending',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint webhook_events_pkey primary key (tenant_id, id),
  constraint webhook_events_direction_known check (direction in ('in', 'out')),
  constraint webhook_events_status_known check (
    status in ('pending', 'processing', 'rejected', 'succeeded', 'retry', 'dead')
  ),
  constraint webhook_events_priority_range check (priority between 1 and 9),
  constraint webhook_events_attempts_range check (attempts between 0 and max_attempts),
  constraint webhook_events_locked_while_processing check (
    (status = 'processing') = (lock_token is not null)
    and (locked_by is null) = (lock_token is null)
    and (locked_until is null) = (lock_token is null)
  ),
  constraint webhook_events_finished_has_time check (
    (status in ('succeeded', 'dead', 'rejected')) = (finished_at is not null)
  ),
  constraint webhook_events_in_is_signed check (direction <> 'in' or status = 'rejected' or signature_ok is true)
);

-- a rejected event does not hold its key: a forged one would otherwise keep the real one out
create unique index if not exists webhook_events_dedupe_key on webhook.webhook_events (tenant_id, webhook_id, dedupe_key)
  where status <> 'rejected';
create index if not exists webhook_events_webhook_idx on webhook.webhook_events (tenant_id, webhook_id);
create index if not exists webhook_events_due_idx on webhook.webhook_events (tenant_id, priority, next_attempt_at, queue_number)
  where status in ('pending', 'retry');
create index if not exists webhook_events_lease_idx on webhook.webhook_events (tenant_id, locked_until) where status = 'processing';
create index if not exists webhook_events_order_idx on webhook.webhook_events (tenant_id, webhook_id, order_key, queue_number)
  where status in ('pending', 'processing', 'retry') and order_key is not null;
create index if not exists webhook_events_dead_idx on webhook.webhook_events (tenant_id, finished_at) where status = 'dead';

comment on table webhook.webhook_events is 'class=operational;scope=tenant;owner=interop;fhir=none;retention=operational;about=One event to send or to handle, and where it stands in the queue.';
comment on column webhook.webhook_events.webhook_id is 'class=operational;about=The endpoint that it goes to or came from.';
comment on column webhook.webhook_events.direction is 'class=operational;about=in or out, as the endpoint was when the event was queued.';
comment on column webhook.webhook_events.event_type is 'class=operational;about=What happened, such as appointment.booked.v1.';
comment on column webhook.webhook_events.dedupe_key is 'class=operational;about=The sender''s id of the event: the same key at an endpoint is one event.';
comment on column webhook.webhook_events.payload_enc is 'class=pii;enc=1;about=The body, encrypted.';
comment on column webhook.webhook_events.payload_hash is 'class=operational;about=SHA-256 of the plain body: tells a repeat from another event under the same key.';
comment on column webhook.webhook_events.signature_ok is 'class=operational;about=Whether the signature of an inbound event was right; null for outgoing ones.';
comment on column webhook.webhook_events.received_at is 'class=operational;about=When it entered the queue.';
comment on column webhook.webhook_events.priority is 'class=operational;about=1 (first) to 9 (last) among the events that are due.';
comment on column webhook.webhook_events.order_key is 'class=operational;about=Events of one endpoint and key are handled strictly one after another; null for no order.';
comment on column webhook.webhook_events.queue_number is 'class=operational;about=Place in the queue; a replayed event goes to the end.';
comment on column webhook.webhook_events.attempts is 'class=operational;about=Attempts begun so far.';
comment on column webhook.webhook_events.max_attempts is 'class=operational;about=Attempts before it is parked as dead, copied from the endpoint.';
comment on column webhook.webhook_events.next_attempt_at is 'class=operational;about=Not claimable before this moment.';
comment on column webhook.webhook_events.claimed_at is 'class=operational;about=When the latest attempt began.';
comment on column webhook.webhook_events.locked_by is 'class=operational;about=The worker that holds it.';
comment on column webhook.webhook_events.locked_until is 'class=operational;about=End of the lease; afterwards others may claim it.';
comment on column webhook.webhook_events.lock_token is 'class=operational;about=Fencing token of the lease: a result with another token is refused.';
comment on column webhook.webhook_events.finished_at is 'class=operational;about=When it succeeded, died or was rejected.';
comment on column webhook.webhook_events.last_error is 'class=operational;about=Error of the latest failed attempt, without data of persons.';
comment on column webhook.webhook_events.status is 'class=operational;about=pending, processing, retry, succeeded, dead or rejected.';

select core.comment_standard_columns('webhook.webhook_events');

alter table webhook.webhook_events enable row level security;
alter table webhook.webhook_events force row level security;

drop policy if exists tenant_isolation on webhook.webhook_events;
create policy tenant_isolation on webhook.webhook_events
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger webhook_events_touch before update on webhook.webhook_events
  for each row execute function core.update_updated_at_column('row_version');

create or replace trigger webhook_events_transition before insert or update of status on webhook.webhook_events
  for each row execute function core.enforce_transition('webhook.webhook_events', 'status');

insert into core.transition_rules (machine, from_state, to_state, guard) values
  ('webhook.webhook_events', '', 'pending', null),
  ('webhook.webhook_events', '', 'rejected', 'the signature of an inbound event was wrong'),
  ('webhook.webhook_events', 'pending', 'processing', 'claimed'),
  ('webhook.webhook_events', 'pending', 'rejected', null),
  ('webhook.webhook_events', 'processing', 'succeeded', null),
  ('webhook.webhook_events', 'processing', 'retry', 'attempts are left'),
  ('webhook.webhook_events', 'processing', 'dead', 'no attempts are left, or trying again is useless'),
  ('webhook.webhook_events', 'retry', 'processing', 'claimed'),
  ('webhook.webhook_events', 'retry', 'dead', null),
  ('webhook.webhook_events', 'dead', 'pending', 'replayed')
on conflict (machine, from_state, to_state) do nothing;

grant select on webhook.webhook_events to interop_app, interop_ro;

-- webhook.webhook_logs: one row per delivery or processing attempt. Append-only, one partition a month, kept a year.
-- event_id has no foreign key: the log outlives the events that it tells of.
create table if not exists webhook.webhook_logs (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  event_id uuid not null,
  webhook_id uuid not null,
  attempt_no smallint not null,
  attempted_at timestamptz not null,
  worker text not null,
  request_headers jsonb not null default '{}',
  response_status smallint,
  response_excerpt text,
  duration_ms integer not null,
  outcome text not null,
  error text,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint webhook_logs_pkey primary key (tenant_id, id, attempted_at),
  constraint webhook_logs_attempt_key unique (tenant_id, event_id, attempt_no, attempted_at),
  constraint webhook_logs_outcome_known check (
    outcome in ('success', 'retryable', 'permanent', 'timeout', 'lost_lock')
  ),
  constraint webhook_logs_duration_range check (duration_ms >= 0),
  constraint webhook_logs_no_credentials check (
    not request_headers ?| array['authorization', 'Authorization', 'cookie', 'Cookie']
  ),
  constraint webhook_logs_excerpt_is_short check (length(response_excerpt) <= 2048)
) partition by range (attempted_at);

create table if not exists webhook.webhook_logs_default partition of webhook.webhook_logs default;

create index if not exists webhook_logs_webhook_idx on webhook.webhook_logs (tenant_id, webhook_id, attempted_at);

comment on table webhook.webhook_logs is 'class=operational;scope=tenant;owner=interop;fhir=none;retention=operational;append_only=1;partition=month;about=One attempt to deliver or to handle an event.';
comment on column webhook.webhook_logs.event_id is 'class=operational;about=The event that was attempted.';
comment on column webhook.webhook_logs.webhook_id is 'class=operational;about=The endpoint of the event.';
comment on column webhook.webhook_logs.attempt_no is 'class=operational;about=1 for the first attempt; starts over when the event is replayed.';
comment on column webhook.webhook_logs.attempted_at is 'class=operational;about=When the attempt began.';
comment on column webhook.webhook_logs.worker is 'class=operational;about=The worker that made it.';
comment on column webhook.webhook_logs.request_headers is 'class=operational;about=Headers sent or received, without credentials and signatures.';
comment on column webhook.webhook_logs.response_status is 'class=operational;about=HTTP status of the answer, null when there was none.';
comment on column webhook.webhook_logs.response_excerpt is 'class=operational;about=First 2,048 characters of the answer; the caller leaves out bodies that may hold health data.';
comment on column webhook.webhook_logs.duration_ms is 'class=operational;about=How long the attempt took, in milliseconds.';
comment on column webhook.webhook_logs.outcome is 'class=operational;about=success, retryable, permanent, timeout, or lost_lock when the worker''s lease ran out.';
comment on column webhook.webhook_logs.error is 'class=operational;about=Error text, without data of persons.';

select core.comment_standard_columns('webhook.webhook_logs');

alter table webhook.webhook_logs enable row level security;
alter table webhook.webhook_logs force row level security;

drop policy if exists tenant_isolation on webhook.webhook_logs;
create policy tenant_isolation on webhook.webhook_logs
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

alter table webhook.webhook_logs_default enable row level security;
alter table webhook.webhook_logs_default force row level security;

drop policy if exists tenant_isolation on webhook.webhook_logs_default;
create policy tenant_isolation on webhook.webhook_logs_default
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger webhook_logs_append_only before update or delete on webhook.webhook_logs
  for each row execute function core.refuse_change();

create or replace trigger webhook_logs_no_truncate before truncate on webhook.webhook_logs
  for each statement execute function core.refuse_change();

create or replace trigger webhook_logs_default_no_truncate before truncate on webhook.webhook_logs_default
  for each statement execute function core.refuse_change();

grant select on webhook.webhook_logs to interop_app, interop_ro;

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
  constraint staff_left_after_joining check (left_on is null or left_on >= joined_on)
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

alter table workforce.staff enable row level security;
alter table workforce.staff force row level security;
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
  constraint doctors_fee_not_negative check (default_fee >= 0)
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

alter table workforce.doctors enable row level security;
alter table workforce.doctors force row level security;
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
  constraint staff_credentials_valid_during_not_empty check (not isempty(valid_during))
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

alter table workforce.staff_credentials enable row level security;
alter table workforce.staff_credentials force row level security;
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
  constraint shifts_min_staff_not_negative check (min_staff >= 0)
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

alter table workforce.shifts enable row level security;
alter table workforce.shifts force row level security;
drop policy if exists tenant_isolation on workforce.shifts;
create policy tenant_isolation on workforce.shifts
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger shifts_touch before update on workforce.shifts
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger shifts_transition before insert or update of status on workforce.shifts
  for each row execute function core.enforce_transition('workforce.shifts', 'status');

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
  constraint shift_assignments_out_after_in check (checked_out_at is null or checked_out_at >= checked_in_at)
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

alter table workforce.shift_assignments enable row level security;
alter table workforce.shift_assignments force row level security;
drop policy if exists tenant_isolation on workforce.shift_assignments;
create policy tenant_isolation on workforce.shift_assignments
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger shift_assignments_touch before update on workforce.shift_assignments
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger shift_assignments_transition before insert or update of status on workforce.shift_assignments
  for each row execute function core.enforce_transition('workforce.shift_assignments', 'status');

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

-- scheduling: tables

-- scheduling.schedules: weekly availability and dated exceptions of a doctor or department.
--
-- A rule is either weekly (weekday) or dated (on_date). regular and extra rules make slots (scheduling.generate_slots);
-- a closed rule takes time away: no slot is generated in it and no existing slot inside it can be booked (IM105).
-- Times are wall-clock times of the clinic.
create table if not exists scheduling.schedules (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  clinic_id uuid not null,
  doctor_id uuid,
  department_id uuid,
  location_id uuid,
  kind text not null default 'regular',
  weekday smallint,
  on_date date,
  start_time time not null,
  end_time time not null,
  slot_minutes smallint not null default 15,
  capacity_per_slot smallint not null default 1,
  appointment_type text not null default 'any',
  channel text not null default 'in_person',
  valid_during daterange not null default '(,)',
  reason text,
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint schedules_pkey primary key (tenant_id, id),
  constraint schedules_kind_check check (kind in ('regular', 'extra', 'closed')),
  constraint schedules_channel_check check (channel in ('in_person', 'video', 'both')),
  constraint schedules_appointment_type_check check (
    appointment_type in ('any', 'new', 'follow_up', 'procedure', 'diagnostic', 'teleconsult', 'vaccination')
  ),
  constraint schedules_of_doctor_or_department check (num_nonnulls(doctor_id, department_id) >= 1),
  constraint schedules_weekly_or_dated check (num_nonnulls(weekday, on_date) = 1),
  constraint schedules_weekday_is_iso check (weekday between 1 and 7),
  constraint schedules_end_after_start check (end_time > start_time),
  constraint schedules_slot_minutes_check check (slot_minutes between 3 and 240),
  constraint schedules_capacity_check check (capacity_per_slot between 1 and 50),
  constraint schedules_valid_during_not_empty check (not isempty(valid_during))
);

-- kind is second so that a booking finds a doctor's closed rules in one index entry
create index if not exists schedules_doctor_idx on scheduling.schedules (tenant_id, doctor_id, kind);
create index if not exists schedules_department_idx on scheduling.schedules (tenant_id, department_id, kind);
create index if not exists schedules_clinic_idx on scheduling.schedules (tenant_id, clinic_id);
create index if not exists schedules_location_idx on scheduling.schedules (tenant_id, location_id);

comment on table scheduling.schedules is 'class=operational;scope=tenant;owner=appointment;fhir=Schedule;retention=operational;about=Weekly availability and dated exceptions of a doctor or department.';
comment on column scheduling.schedules.clinic_id is 'class=operational;about=The clinic where the rule holds; its time zone gives start_time and end_time their meaning.';
comment on column scheduling.schedules.doctor_id is 'class=operational;about=The doctor whose time this is; null for a rule of a whole department.';
comment on column scheduling.schedules.department_id is 'class=operational;about=The department of the rule; without a doctor the slots belong to the department.';
comment on column scheduling.schedules.location_id is 'class=operational;about=The room or counter where patients are seen.';
comment on column scheduling.schedules.kind is 'class=operational;about=regular weekly hours, extra hours, or closed: time in which nobody is seen.';
comment on column scheduling.schedules.weekday is 'class=operational;about=ISO day of the week, 1 Monday to 7 Sunday; null for a dated rule.';
comment on column scheduling.schedules.on_date is 'class=operational;about=The one day of a dated rule; null for a weekly rule.';
comment on column scheduling.schedules.start_time is 'class=operational;about=First minute, in the clinic''s time zone.';
comment on column scheduling.schedules.end_time is 'class=operational;about=End, exclusive, in the clinic''s time zone; a rule does not cross midnight.';
comment on column scheduling.schedules.slot_minutes is 'class=operational;about=Length of each slot in minutes.';
comment on column scheduling.schedules.capacity_per_slot is 'class=operational;about=How many patients one slot takes.';
comment on column scheduling.schedules.appointment_type is 'class=operational;about=The type of visit that the hours are meant for, or any.';
comment on column scheduling.schedules.channel is 'class=operational;about=Whether patients come in person, by video, or either.';
comment on column scheduling.schedules.valid_during is 'class=operational;about=The dates between which the rule holds; open on both sides by default.';
comment on column scheduling.schedules.reason is 'class=operational;about=Why the rule exists, such as leave or a public holiday.';
select core.comment_standard_columns('scheduling.schedules');

alter table scheduling.schedules enable row level security;
alter table scheduling.schedules force row level security;
drop policy if exists tenant_isolation on scheduling.schedules;
create policy tenant_isolation on scheduling.schedules
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger schedules_touch before update on scheduling.schedules
  for each row execute function core.update_updated_at_column('row_version');

grant select, insert, update, delete on scheduling.schedules to appointment_app;
grant select on scheduling.schedules to appointment_ro;

-- scheduling.appointment_slots: concrete bookable interval with a capacity counter.
--
-- The counter row is the lock of every booking: operations change the counts in one conditional UPDATE, and the check
-- appointment_slots_not_overfilled is the last guard. booked_count is the number of appointments of the slot that are
-- not proposed, cancelled or rescheduled; held_count the number of booking requests in state held.
create table if not exists scheduling.appointment_slots (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  clinic_id uuid not null,
  doctor_id uuid,
  department_id uuid,
  location_id uuid,
  schedule_id uuid,
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  capacity smallint not null default 1,
  overbook_limit smallint not null default 0,
  booked_count smallint not null default 0,
  held_count smallint not null default 0,
  status text not null default 'open',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint appointment_slots_pkey primary key (tenant_id, id),
  constraint appointment_slots_status_check check (status in ('open', 'full', 'blocked', 'cancelled', 'past')),
  constraint appointment_slots_of_doctor_or_department check (num_nonnulls(doctor_id, department_id) >= 1),
  constraint appointment_slots_end_after_start check (ends_at > starts_at),
  constraint appointment_slots_capacity_check check (capacity between 1 and 50),
  constraint appointment_slots_overbook_limit_check check (overbook_limit between 0 and 10),
  constraint appointment_slots_counts_not_negative check (booked_count >= 0 and held_count >= 0),
  constraint appointment_slots_not_overfilled check (booked_count + held_count <= capacity + overbook_limit),
  constraint appointment_slots_cancelled_is_empty check (status <> 'cancelled' or booked_count + held_count = 0),
  constraint slots_not_overlapping exclude using gist (
    tenant_id with =, doctor_id with =, tstzrange(starts_at, ends_at) with &&
  ) where (doctor_id is not null and status <> 'cancelled')
);

create unique index if not exists appointment_slots_department_start_key
  on scheduling.appointment_slots (tenant_id, department_id, clinic_id, starts_at)
  where doctor_id is null and status <> 'cancelled';
-- generating twice makes nothing new, not even in the place of a slot that was cancelled
create unique index if not exists appointment_slots_schedule_start_key
  on scheduling.appointment_slots (tenant_id, schedule_id, starts_at)
  where schedule_id is not null;
create index if not exists appointment_slots_doctor_idx on scheduling.appointment_slots (tenant_id, doctor_id, starts_at);
create index if not exists appointment_slots_department_idx on scheduling.appointment_slots (tenant_id, department_id, starts_at);
create index if not exists appointment_slots_clinic_idx on scheduling.appointment_slots (tenant_id, clinic_id, starts_at);
create index if not exists appointment_slots_location_idx on scheduling.appointment_slots (tenant_id, location_id);
-- what is over but not yet marked past
create index if not exists appointment_slots_to_close_idx
  on scheduling.appointment_slots (tenant_id, ends_at)
  where status in ('open', 'full', 'blocked');

comment on table scheduling.appointment_slots is 'class=operational;scope=tenant;owner=appointment;fhir=Slot;retention=operational;about=Concrete bookable interval with a capacity counter.';
comment on column scheduling.appointment_slots.clinic_id is 'class=operational;about=The clinic where the visit takes place.';
comment on column scheduling.appointment_slots.doctor_id is 'class=operational;about=The doctor of the slot; null when the department gives it to whoever is free.';
comment on column scheduling.appointment_slots.department_id is 'class=operational;about=The department of the slot.';
comment on column scheduling.appointment_slots.location_id is 'class=operational;about=The room or counter of the visit.';
comment on column scheduling.appointment_slots.schedule_id is 'class=operational;about=The rule that the slot was generated from; null for a slot made by hand.';
comment on column scheduling.appointment_slots.starts_at is 'class=operational;about=Start of the interval.';
comment on column scheduling.appointment_slots.ends_at is 'class=operational;about=End of the interval, exclusive.';
comment on column scheduling.appointment_slots.capacity is 'class=operational;about=How many patients the slot takes.';
comment on column scheduling.appointment_slots.overbook_limit is 'class=operational;about=How many patients beyond the capacity are accepted.';
comment on column scheduling.appointment_slots.booked_count is 'class=operational;about=Appointments of the slot that are not proposed, cancelled or rescheduled; changed by operations only.';
comment on column scheduling.appointment_slots.held_count is 'class=operational;about=Places held by booking requests; changed by operations only.';
comment on column scheduling.appointment_slots.status is 'class=operational;about=open and full follow the counts; blocked and cancelled are set by people, past by scheduling.close_past_slots.';
select core.comment_standard_columns('scheduling.appointment_slots');

alter table scheduling.appointment_slots enable row level security;
alter table scheduling.appointment_slots force row level security;
drop policy if exists tenant_isolation on scheduling.appointment_slots;
create policy tenant_isolation on scheduling.appointment_slots
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

-- Triggers fire by name: the state follows the counts first, then the move is checked. The check is not limited to
-- "update of status", because the state also changes when only the counts were set.
create or replace trigger appointment_slots_counts before insert or update on scheduling.appointment_slots
  for each row execute function scheduling.follow_slot_counts();
create or replace trigger appointment_slots_touch before update on scheduling.appointment_slots
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger appointment_slots_transition before insert or update on scheduling.appointment_slots
  for each row execute function core.enforce_transition('scheduling.appointment_slots', 'status');

insert into core.transition_rules (machine, from_state, to_state) values
  ('scheduling.appointment_slots', '', 'open'),
  ('scheduling.appointment_slots', 'open', 'full'),
  ('scheduling.appointment_slots', 'open', 'blocked'),
  ('scheduling.appointment_slots', 'open', 'cancelled'),
  ('scheduling.appointment_slots', 'open', 'past'),
  ('scheduling.appointment_slots', 'full', 'open'),
  ('scheduling.appointment_slots', 'full', 'cancelled'),
  ('scheduling.appointment_slots', 'full', 'past'),
  ('scheduling.appointment_slots', 'blocked', 'open'),
  ('scheduling.appointment_slots', 'blocked', 'cancelled'),
  ('scheduling.appointment_slots', 'blocked', 'past')
on conflict (machine, from_state, to_state) do nothing;

-- The counts belong to the operations: no grant names booked_count or held_count.
grant select on scheduling.appointment_slots to appointment_app, appointment_ro;
grant
  insert (tenant_id, id, clinic_id, doctor_id, department_id, location_id, schedule_id, starts_at, ends_at, capacity, overbook_limit),
  update (location_id, capacity, overbook_limit, status, row_version)
on scheduling.appointment_slots to appointment_app;

-- scheduling.appointments: a booked visit.
--
-- Rows are made and moved by operations only (booking.*, scheduling.*), which keep the counts of the slot in step.
-- Every appointment that is not proposed, cancelled or rescheduled takes one place of its slot.
create table if not exists scheduling.appointments (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  appointment_number text not null,
  patient_id uuid not null,
  clinic_id uuid not null,
  doctor_id uuid,
  department_id uuid,
  slot_id uuid,
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  type text not null default 'new',
  channel text not null default 'counter',
  priority text not null default 'routine',
  reason_enc bytea,
  fee_status text not null default 'unpaid',
  booking_request_id uuid,
  rescheduled_from_id uuid,
  checked_in_at timestamptz,
  cancelled_reason text,
  encounter_id uuid, -- the module clinical adds the foreign key
  status scheduling.appointment_status not null default 'proposed',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text,
  constraint appointments_pkey primary key (tenant_id, id),
  constraint appointments_type_check check (
    type in ('new', 'follow_up', 'procedure', 'diagnostic', 'teleconsult', 'vaccination')
  ),
  constraint appointments_channel_check check (channel in ('counter', 'phone', 'portal', 'whatsapp', 'abdm', 'api')),
  constraint appointments_priority_check check (priority in ('routine', 'urgent', 'emergency')),
  constraint appointments_fee_status_check check (fee_status in ('unpaid', 'paid', 'waived', 'free_followup')),
  constraint appointments_end_after_start check (ends_at > starts_at),
  constraint appointments_cancelled_with_reason check (status <> 'cancelled' or cancelled_reason is not null),
  constraint appointments_not_from_itself check (rescheduled_from_id <> id),
  -- a live appointment holds a place of its slot: cancel it before deleting it
  constraint appointments_live_not_deleted check (
    deleted_at is null or status in ('proposed', 'cancelled', 'rescheduled', 'no_show', 'left', 'completed')
  )
);

create unique index if not exists appointments_number_key on scheduling.appointments (tenant_id, appointment_number);
create unique index if not exists appointments_one_per_request
  on scheduling.appointments (tenant_id, booking_request_id)
  where booking_request_id is not null;
create unique index if not exists appointments_moved_once
  on scheduling.appointments (tenant_id, rescheduled_from_id)
  where rescheduled_from_id is not null;
create unique index if not exists appointments_not_twice_at_once
  on scheduling.appointments (tenant_id, patient_id, doctor_id, starts_at)
  where status not in ('cancelled', 'no_show', 'rescheduled') and deleted_at is null;
create index if not exists appointments_patient_idx on scheduling.appointments (tenant_id, patient_id, starts_at);
create index if not exists appointments_doctor_idx on scheduling.appointments (tenant_id, doctor_id, starts_at);
create index if not exists appointments_department_idx on scheduling.appointments (tenant_id, department_id, starts_at);
create index if not exists appointments_clinic_idx on scheduling.appointments (tenant_id, clinic_id, starts_at);
create index if not exists appointments_slot_idx on scheduling.appointments (tenant_id, slot_id);
create index if not exists appointments_encounter_idx on scheduling.appointments (tenant_id, encounter_id) where encounter_id is not null;
-- the day's list and the upcoming list: live states only, in order of time
create index if not exists appointments_live_idx
  on scheduling.appointments (tenant_id, starts_at)
  where status in ('booked', 'confirmed', 'checked_in', 'in_consultation');

comment on table scheduling.appointments is 'class=phi;scope=tenant;owner=appointment;fhir=Appointment;retention=medical_record;about=A booked visit.';
comment on column scheduling.appointments.appointment_number is 'class=phi;about=Number for people, APT-<clinic>-<yyyymmdd>-<n>; counts 1, 2, 3 per clinic and day without gaps.';
comment on column scheduling.appointments.patient_id is 'class=phi;about=Who comes.';
comment on column scheduling.appointments.clinic_id is 'class=operational;about=Where the visit takes place.';
comment on column scheduling.appointments.doctor_id is 'class=operational;about=The doctor who is seen; null when the department decides.';
comment on column scheduling.appointments.department_id is 'class=operational;about=The department that is visited.';
comment on column scheduling.appointments.slot_id is 'class=operational;about=The slot that the visit takes a place of; null for a visit outside the slots.';
comment on column scheduling.appointments.starts_at is 'class=phi;about=Agreed start.';
comment on column scheduling.appointments.ends_at is 'class=phi;about=Agreed end, exclusive.';
comment on column scheduling.appointments.type is 'class=phi;about=Kind of visit.';
comment on column scheduling.appointments.channel is 'class=operational;about=How the visit was booked.';
comment on column scheduling.appointments.priority is 'class=phi;about=How urgent the visit is.';
comment on column scheduling.appointments.reason_enc is 'class=phi;enc=1;about=Why the patient comes, encrypted by the application.';
comment on column scheduling.appointments.fee_status is 'class=financial;about=Whether the consultation fee is paid, waived or not due.';
comment on column scheduling.appointments.booking_request_id is 'class=operational;about=The booking request that made the appointment.';
comment on column scheduling.appointments.rescheduled_from_id is 'class=operational;about=The appointment that this one replaces.';
comment on column scheduling.appointments.checked_in_at is 'class=phi;about=When the patient reported at the desk.';
comment on column scheduling.appointments.cancelled_reason is 'class=phi;about=Why the visit was cancelled.';
comment on column scheduling.appointments.encounter_id is 'class=phi;about=The clinical encounter that came of the visit.';
comment on column scheduling.appointments.status is 'class=phi;about=Where the visit stands.';
select core.comment_standard_columns('scheduling.appointments');

alter table scheduling.appointments enable row level security;
alter table scheduling.appointments force row level security;
drop policy if exists tenant_isolation on scheduling.appointments;
create policy tenant_isolation on scheduling.appointments
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger appointments_touch before update on scheduling.appointments
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger appointments_transition before insert or update of status on scheduling.appointments
  for each row execute function core.enforce_transition('scheduling.appointments', 'status');
create or replace trigger appointments_first_state after insert on scheduling.appointments
  for each row execute function core.announce_first_state('scheduling.appointments');
select audit.track('scheduling.appointments');

-- booked is an initial state too: a booking that takes its place at once was never a proposal
insert into core.transition_rules (machine, from_state, to_state, emits_event) values
  ('scheduling.appointments', '', 'proposed', null),
  ('scheduling.appointments', '', 'booked', 'appointment.booked.v1'),
  ('scheduling.appointments', 'proposed', 'booked', 'appointment.booked.v1'),
  ('scheduling.appointments', 'proposed', 'cancelled', 'appointment.cancelled.v1'),
  ('scheduling.appointments', 'booked', 'confirmed', null),
  ('scheduling.appointments', 'booked', 'checked_in', null),
  ('scheduling.appointments', 'booked', 'cancelled', 'appointment.cancelled.v1'),
  ('scheduling.appointments', 'booked', 'no_show', 'appointment.no_show.v1'),
  ('scheduling.appointments', 'booked', 'rescheduled', 'appointment.rescheduled.v1'),
  ('scheduling.appointments', 'confirmed', 'checked_in', null),
  ('scheduling.appointments', 'confirmed', 'cancelled', 'appointment.cancelled.v1'),
  ('scheduling.appointments', 'confirmed', 'no_show', 'appointment.no_show.v1'),
  ('scheduling.appointments', 'confirmed', 'rescheduled', 'appointment.rescheduled.v1'),
  ('scheduling.appointments', 'checked_in', 'in_consultation', null),
  ('scheduling.appointments', 'checked_in', 'cancelled', 'appointment.cancelled.v1'),
  ('scheduling.appointments', 'checked_in', 'left', null),
  ('scheduling.appointments', 'in_consultation', 'completed', null),
  ('scheduling.appointments', 'no_show', 'booked', 'appointment.booked.v1')
on conflict (machine, from_state, to_state) do nothing;

-- status, slot, patient and times belong to the operations
grant select on scheduling.appointments to appointment_app, appointment_ro;
grant update (type, priority, reason_enc, fee_status, encounter_id, deleted_at, deleted_by, delete_reason, row_version)
  on scheduling.appointments to appointment_app;

-- scheduling.queue_management: token queues of a day, counter or doctor; also ABDM scan-and-share tokens.
--
-- One row is one token. Numbers count 1, 2, 3 per queue and day without gaps (core.next_number, scope token). Tokens are
-- issued and moved by operations only.
create table if not exists scheduling.queue_management (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  queue_key text not null,
  queue_date date not null,
  token_number integer not null,
  token_label text not null,
  clinic_id uuid not null,
  department_id uuid,
  doctor_id uuid,
  counter_location_id uuid,
  patient_id uuid,
  appointment_id uuid,
  source text not null default 'counter',
  abdm_request_id uuid,
  token_expires_at timestamptz,
  transferred_from_id uuid,
  priority smallint not null default 0,
  issued_at timestamptz not null default now(),
  called_at timestamptz,
  started_at timestamptz,
  finished_at timestamptz,
  recall_count smallint not null default 0,
  status text not null default 'waiting',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint queue_management_pkey primary key (tenant_id, id),
  constraint queue_management_number_key unique (tenant_id, queue_key, queue_date, token_number),
  constraint queue_management_source_check check (source in ('counter', 'kiosk', 'appointment', 'abdm_scan_share')),
  constraint queue_management_status_check check (
    status in ('waiting', 'called', 'in_service', 'skipped', 'done', 'transferred', 'left', 'expired')
  ),
  constraint queue_management_queue_key_check check (queue_key ~ '^[a-z0-9][a-z0-9_.:-]{0,59}$'),
  constraint queue_management_token_number_check check (token_number > 0),
  constraint queue_management_priority_check check (priority between 0 and 9),
  constraint queue_management_called_after_issued check (called_at >= issued_at),
  constraint queue_management_started_after_called check (started_at >= called_at),
  constraint queue_management_finished_after_started check (finished_at >= started_at),
  constraint queue_management_scan_share_expires check (source <> 'abdm_scan_share' or token_expires_at is not null),
  constraint queue_management_not_from_itself check (transferred_from_id <> id)
);

-- an appointment has one token at a time, in one queue; one that was transferred, left or expired may get another
create unique index if not exists queue_management_one_token_per_appointment
  on scheduling.queue_management (tenant_id, appointment_id)
  where appointment_id is not null and status in ('waiting', 'called', 'in_service', 'skipped', 'done');
create unique index if not exists queue_management_one_token_per_abdm_request
  on scheduling.queue_management (tenant_id, abdm_request_id)
  where abdm_request_id is not null and transferred_from_id is null;
create unique index if not exists queue_management_transferred_once
  on scheduling.queue_management (tenant_id, transferred_from_id)
  where transferred_from_id is not null;
-- the order in which tokens are called
create index if not exists queue_management_waiting_idx
  on scheduling.queue_management (tenant_id, queue_key, queue_date, priority desc, token_number)
  where status = 'waiting';
create index if not exists queue_management_to_expire_idx
  on scheduling.queue_management (tenant_id, queue_date, id)
  where status in ('waiting', 'called', 'skipped');
create index if not exists queue_management_clinic_idx on scheduling.queue_management (tenant_id, clinic_id, queue_date);
create index if not exists queue_management_department_idx on scheduling.queue_management (tenant_id, department_id);
create index if not exists queue_management_doctor_idx on scheduling.queue_management (tenant_id, doctor_id);
create index if not exists queue_management_counter_location_idx on scheduling.queue_management (tenant_id, counter_location_id);
create index if not exists queue_management_patient_idx on scheduling.queue_management (tenant_id, patient_id);
create index if not exists queue_management_appointment_idx on scheduling.queue_management (tenant_id, appointment_id);

comment on table scheduling.queue_management is 'class=phi;scope=tenant;owner=appointment;fhir=Appointment,Task;retention=medical_record;about=Token queues of a day, counter or doctor; also ABDM scan-and-share tokens.';
comment on column scheduling.queue_management.queue_key is 'class=operational;about=Name of the queue, unique in the tenant, such as opd-general or pharmacy.';
comment on column scheduling.queue_management.queue_date is 'class=operational;about=The day of the queue, in the clinic''s time zone.';
comment on column scheduling.queue_management.token_number is 'class=operational;about=1, 2, 3 per queue and day, without gaps.';
comment on column scheduling.queue_management.token_label is 'class=operational;about=What is printed and announced: the number as the series writes it, such as A-017 (core.configure_series, scope token).';
comment on column scheduling.queue_management.clinic_id is 'class=operational;about=The clinic of the queue.';
comment on column scheduling.queue_management.department_id is 'class=operational;about=The department that serves the queue.';
comment on column scheduling.queue_management.doctor_id is 'class=operational;about=The doctor whom the token is for.';
comment on column scheduling.queue_management.counter_location_id is 'class=operational;about=The counter or room that called the token.';
comment on column scheduling.queue_management.patient_id is 'class=phi;about=Who waits; null until the patient is known.';
comment on column scheduling.queue_management.appointment_id is 'class=phi;about=The appointment that the patient checked in for.';
comment on column scheduling.queue_management.source is 'class=operational;about=How the token was asked for.';
comment on column scheduling.queue_management.abdm_request_id is 'class=operational;about=Request id of the ABDM scan-and-share message.';
comment on column scheduling.queue_management.token_expires_at is 'class=operational;about=When a waiting token lapses; always set for scan-and-share.';
comment on column scheduling.queue_management.transferred_from_id is 'class=operational;about=The token of the queue that the patient was sent here from.';
comment on column scheduling.queue_management.priority is 'class=phi;about=0 to 9; higher is called first, equal ones by number.';
comment on column scheduling.queue_management.issued_at is 'class=operational;about=When the token was issued.';
comment on column scheduling.queue_management.called_at is 'class=operational;about=When the token was last called.';
comment on column scheduling.queue_management.started_at is 'class=operational;about=When service began.';
comment on column scheduling.queue_management.finished_at is 'class=operational;about=When service ended.';
comment on column scheduling.queue_management.recall_count is 'class=operational;about=How often the token was called again.';
comment on column scheduling.queue_management.status is 'class=operational;about=Where the token stands.';
select core.comment_standard_columns('scheduling.queue_management');

alter table scheduling.queue_management enable row level security;
alter table scheduling.queue_management force row level security;
drop policy if exists tenant_isolation on scheduling.queue_management;
create policy tenant_isolation on scheduling.queue_management
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger queue_management_touch before update on scheduling.queue_management
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger queue_management_transition before insert or update of status on scheduling.queue_management
  for each row execute function core.enforce_transition('scheduling.queue_management', 'status');
create or replace trigger queue_management_first_state after insert on scheduling.queue_management
  for each row execute function core.announce_first_state('scheduling.queue_management');
select audit.track('scheduling.queue_management');

insert into core.transition_rules (machine, from_state, to_state, emits_event) values
  ('scheduling.queue_management', '', 'waiting', 'queue.token_issued.v1'),
  ('scheduling.queue_management', 'waiting', 'called', 'queue.token_called.v1'),
  ('scheduling.queue_management', 'waiting', 'transferred', null),
  ('scheduling.queue_management', 'waiting', 'left', null),
  ('scheduling.queue_management', 'waiting', 'expired', null),
  ('scheduling.queue_management', 'called', 'in_service', null),
  ('scheduling.queue_management', 'called', 'waiting', null),
  ('scheduling.queue_management', 'called', 'skipped', null),
  ('scheduling.queue_management', 'called', 'left', null),
  ('scheduling.queue_management', 'skipped', 'waiting', null),
  ('scheduling.queue_management', 'skipped', 'left', null),
  ('scheduling.queue_management', 'in_service', 'done', null),
  ('scheduling.queue_management', 'in_service', 'waiting', null)
on conflict (machine, from_state, to_state) do nothing;

grant select on scheduling.queue_management to appointment_app, appointment_ro;
grant update (patient_id, priority, row_version) on scheduling.queue_management to appointment_app;

-- scheduling.resource_bookings: theatre, procedure-room and equipment bookings.
--
-- Two live bookings never share a minute of a room or device: the exclusion constraints decide. Setting up and cleaning
-- belong to the period, so that the next booking cannot begin while the room is being cleaned.
create table if not exists scheduling.resource_bookings (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  location_id uuid,
  device_id uuid, -- the module device adds the foreign key
  purpose text not null,
  encounter_id uuid, -- the module clinical adds the foreign key
  procedure_id uuid, -- the module clinical adds the foreign key
  period tstzrange not null,
  setup_minutes smallint not null default 0,
  cleanup_minutes smallint not null default 0,
  booked_by uuid not null default core.current_user_id(),
  status text not null default 'tentative',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint resource_bookings_pkey primary key (tenant_id, id),
  constraint resource_bookings_purpose_check check (purpose in ('surgery', 'procedure', 'imaging', 'dialysis', 'other')),
  constraint resource_bookings_status_check check (status in ('tentative', 'confirmed', 'in_use', 'released', 'cancelled')),
  constraint resource_bookings_of_room_or_device check (num_nonnulls(location_id, device_id) >= 1),
  constraint resource_bookings_period_is_bounded check (
    not isempty(period) and not lower_inf(period) and not upper_inf(period)
  ),
  constraint resource_bookings_setup_minutes_check check (setup_minutes between 0 and 480),
  constraint resource_bookings_cleanup_minutes_check check (cleanup_minutes between 0 and 480),
  constraint room_bookings_not_overlapping exclude using gist (
    tenant_id with =, location_id with =, period with &&
  ) where (location_id is not null and status in ('tentative', 'confirmed', 'in_use')),
  constraint device_bookings_not_overlapping exclude using gist (
    tenant_id with =, device_id with =, period with &&
  ) where (device_id is not null and status in ('tentative', 'confirmed', 'in_use'))
);

create index if not exists resource_bookings_location_idx on scheduling.resource_bookings (tenant_id, location_id);
create index if not exists resource_bookings_device_idx on scheduling.resource_bookings (tenant_id, device_id) where device_id is not null;
create index if not exists resource_bookings_encounter_idx on scheduling.resource_bookings (tenant_id, encounter_id) where encounter_id is not null;

comment on table scheduling.resource_bookings is 'class=operational;scope=tenant;owner=appointment;fhir=Appointment;retention=operational;about=Theatre, procedure-room and equipment bookings.';
comment on column scheduling.resource_bookings.location_id is 'class=operational;about=The room that is booked.';
comment on column scheduling.resource_bookings.device_id is 'class=operational;about=The device that is booked.';
comment on column scheduling.resource_bookings.purpose is 'class=operational;about=What the room or device is needed for.';
comment on column scheduling.resource_bookings.encounter_id is 'class=phi;about=The encounter that needs the resource.';
comment on column scheduling.resource_bookings.procedure_id is 'class=phi;about=The procedure that needs the resource.';
comment on column scheduling.resource_bookings.period is 'class=operational;about=From the first minute of setting up to the last minute of cleaning.';
comment on column scheduling.resource_bookings.setup_minutes is 'class=operational;about=Minutes at the start of the period that go to setting up.';
comment on column scheduling.resource_bookings.cleanup_minutes is 'class=operational;about=Minutes at the end of the period that go to cleaning.';
comment on column scheduling.resource_bookings.booked_by is 'class=operational;about=The user who asked for the resource.';
comment on column scheduling.resource_bookings.status is 'class=operational;about=Where the booking stands.';
select core.comment_standard_columns('scheduling.resource_bookings');

alter table scheduling.resource_bookings enable row level security;
alter table scheduling.resource_bookings force row level security;
drop policy if exists tenant_isolation on scheduling.resource_bookings;
create policy tenant_isolation on scheduling.resource_bookings
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger resource_bookings_touch before update on scheduling.resource_bookings
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger resource_bookings_transition before insert or update of status on scheduling.resource_bookings
  for each row execute function core.enforce_transition('scheduling.resource_bookings', 'status');

insert into core.transition_rules (machine, from_state, to_state) values
  ('scheduling.resource_bookings', '', 'tentative'),
  ('scheduling.resource_bookings', 'tentative', 'confirmed'),
  ('scheduling.resource_bookings', 'tentative', 'cancelled'),
  ('scheduling.resource_bookings', 'confirmed', 'in_use'),
  ('scheduling.resource_bookings', 'confirmed', 'cancelled'),
  ('scheduling.resource_bookings', 'in_use', 'released')
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on scheduling.resource_bookings to appointment_app;
grant select on scheduling.resource_bookings to appointment_ro;

-- scheduling.telemedicine_sessions: a video or audio consultation with its consent and prescribing limits.
--
-- India's Telemedicine Practice Guidelines (2020) know three lists of medicines: O (over the counter), A (first video
-- consultation), B (follow-up only). No list allows Schedule X or NDPS drugs; the module medication refuses those.
create table if not exists scheduling.telemedicine_sessions (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  appointment_id uuid not null,
  encounter_id uuid, -- the module clinical adds the foreign key
  patient_id uuid not null,
  doctor_id uuid not null,
  mode text not null default 'video',
  provider text not null,
  room_ref text not null,
  join_token_hash bytea,
  patient_location text,
  identity_verified_by text,
  consent_kind text not null default 'implied',
  consent_id uuid, -- the module compliance adds the foreign key
  prescribing_list text not null default 'O',
  started_at timestamptz,
  ended_at timestamptz,
  recording_document_id uuid, -- the module ehr adds the foreign key
  quality jsonb,
  status text not null default 'scheduled',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint telemedicine_sessions_pkey primary key (tenant_id, id),
  constraint telemedicine_sessions_mode_check check (mode in ('video', 'audio', 'chat')),
  constraint telemedicine_sessions_consent_kind_check check (consent_kind in ('implied', 'explicit')),
  constraint telemedicine_sessions_prescribing_list_check check (prescribing_list in ('O', 'A', 'B', 'none')),
  constraint telemedicine_sessions_status_check check (
    status in ('scheduled', 'waiting', 'in_progress', 'dropped', 'completed', 'no_show', 'cancelled')
  ),
  constraint telemedicine_sessions_end_after_start check (ended_at >= started_at),
  constraint telemedicine_sessions_recorded_with_consent check (recording_document_id is null or consent_kind = 'explicit'),
  constraint telemedicine_sessions_explicit_consent_named check (consent_kind <> 'explicit' or consent_id is not null)
);

create unique index if not exists telemedicine_sessions_one_live_per_appointment
  on scheduling.telemedicine_sessions (tenant_id, appointment_id)
  where status in ('scheduled', 'waiting', 'in_progress', 'dropped');
create index if not exists telemedicine_sessions_appointment_idx on scheduling.telemedicine_sessions (tenant_id, appointment_id);
create index if not exists telemedicine_sessions_patient_idx on scheduling.telemedicine_sessions (tenant_id, patient_id);
create index if not exists telemedicine_sessions_doctor_idx on scheduling.telemedicine_sessions (tenant_id, doctor_id);

comment on table scheduling.telemedicine_sessions is 'class=phi;scope=tenant;owner=appointment;fhir=Encounter;retention=medical_record;about=A video or audio consultation with its consent and prescribing limits.';
comment on column scheduling.telemedicine_sessions.appointment_id is 'class=phi;about=The appointment that is held remotely.';
comment on column scheduling.telemedicine_sessions.encounter_id is 'class=phi;about=The encounter that documents the consultation.';
comment on column scheduling.telemedicine_sessions.patient_id is 'class=phi;about=Who consults.';
comment on column scheduling.telemedicine_sessions.doctor_id is 'class=phi;about=The doctor who is consulted.';
comment on column scheduling.telemedicine_sessions.mode is 'class=operational;about=Video, audio or chat; some medicines need video.';
comment on column scheduling.telemedicine_sessions.provider is 'class=operational;about=The service that carries the call.';
comment on column scheduling.telemedicine_sessions.room_ref is 'class=operational;about=The provider''s name of the room.';
comment on column scheduling.telemedicine_sessions.join_token_hash is 'class=operational;about=SHA-256 of the token that admits the patient; the token itself is not kept.';
comment on column scheduling.telemedicine_sessions.patient_location is 'class=phi;about=Where the patient is, as told; decides emergency referral.';
comment on column scheduling.telemedicine_sessions.identity_verified_by is 'class=pii;about=How the patient''s identity was checked.';
comment on column scheduling.telemedicine_sessions.consent_kind is 'class=phi;about=implied when the patient called, explicit when it was asked for and recorded.';
comment on column scheduling.telemedicine_sessions.consent_id is 'class=phi;about=The recorded consent.';
comment on column scheduling.telemedicine_sessions.prescribing_list is 'class=phi;about=The list of medicines that may be prescribed in this session: O, A, B or none.';
comment on column scheduling.telemedicine_sessions.started_at is 'class=phi;about=When doctor and patient first met.';
comment on column scheduling.telemedicine_sessions.ended_at is 'class=phi;about=When the call ended.';
comment on column scheduling.telemedicine_sessions.recording_document_id is 'class=phi;about=The recording, only with explicit consent.';
comment on column scheduling.telemedicine_sessions.quality is 'class=operational;about=Measurements of the connection.';
comment on column scheduling.telemedicine_sessions.status is 'class=operational;about=Where the session stands.';
select core.comment_standard_columns('scheduling.telemedicine_sessions');

alter table scheduling.telemedicine_sessions enable row level security;
alter table scheduling.telemedicine_sessions force row level security;
drop policy if exists tenant_isolation on scheduling.telemedicine_sessions;
create policy tenant_isolation on scheduling.telemedicine_sessions
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger telemedicine_sessions_touch before update on scheduling.telemedicine_sessions
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger telemedicine_sessions_transition before insert or update of status on scheduling.telemedicine_sessions
  for each row execute function core.enforce_transition('scheduling.telemedicine_sessions', 'status');
select audit.track('scheduling.telemedicine_sessions');

insert into core.transition_rules (machine, from_state, to_state) values
  ('scheduling.telemedicine_sessions', '', 'scheduled'),
  ('scheduling.telemedicine_sessions', 'scheduled', 'waiting'),
  ('scheduling.telemedicine_sessions', 'scheduled', 'cancelled'),
  ('scheduling.telemedicine_sessions', 'scheduled', 'no_show'),
  ('scheduling.telemedicine_sessions', 'waiting', 'in_progress'),
  ('scheduling.telemedicine_sessions', 'waiting', 'no_show'),
  ('scheduling.telemedicine_sessions', 'waiting', 'cancelled'),
  ('scheduling.telemedicine_sessions', 'in_progress', 'completed'),
  ('scheduling.telemedicine_sessions', 'in_progress', 'dropped'),
  ('scheduling.telemedicine_sessions', 'dropped', 'in_progress'),
  ('scheduling.telemedicine_sessions', 'dropped', 'completed')
on conflict (machine, from_state, to_state) do nothing;

grant select, insert, update on scheduling.telemedicine_sessions to appointment_app;
grant select on scheduling.telemedicine_sessions to appointment_ro;

-- booking: tables

-- booking.booking_requests: one request to book; its idempotency key, its hold, its outcome.
--
-- The row is the idempotency record: whoever inserts the key decides, everybody else with that key waits for the
-- decision and reads it. Only the operations of this module write here; a refusal is a stored outcome, not an error.
create table if not exists booking.booking_requests (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  idempotency_key text not null,
  request_hash bytea not null,
  patient_id uuid not null,
  slot_id uuid not null,
  requested_by uuid,
  channel text not null,
  payload jsonb not null default '{}',
  hold_expires_at timestamptz,
  attempts smallint not null default 0,
  failure_code text,
  appointment_id uuid,
  decided_at timestamptz,
  status text not null default 'received',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint booking_requests_pkey primary key (tenant_id, id),
  constraint booking_requests_idempotency_key_key unique (tenant_id, idempotency_key),
  constraint booking_requests_status_check check (
    status in ('received', 'held', 'confirmed', 'rejected', 'released', 'expired')
  ),
  constraint booking_requests_channel_check check (channel in ('counter', 'phone', 'portal', 'whatsapp', 'abdm', 'api')),
  constraint booking_requests_idempotency_key_check check (length(idempotency_key) between 8 and 200),
  constraint booking_requests_failure_code_check check (failure_code ~ '^IM[0-9]{3}$'),
  constraint booking_requests_rejected_with_code check (status <> 'rejected' or failure_code is not null),
  constraint booking_requests_confirmed_with_appointment check (status <> 'confirmed' or appointment_id is not null),
  constraint booking_requests_held_with_end check (status <> 'held' or hold_expires_at is not null),
  constraint booking_requests_hold_is_short check (hold_expires_at <= created_at + interval '15 minutes')
);

create index if not exists booking_requests_patient_idx on booking.booking_requests (tenant_id, patient_id);
create index if not exists booking_requests_slot_idx on booking.booking_requests (tenant_id, slot_id);
create index if not exists booking_requests_appointment_idx on booking.booking_requests (tenant_id, appointment_id) where appointment_id is not null;
-- holds that run out, for the whole tenant and for one slot that looks full
create index if not exists booking_requests_held_idx on booking.booking_requests (tenant_id, hold_expires_at) where status = 'held';
create index if not exists booking_requests_held_slot_idx on booking.booking_requests (tenant_id, slot_id, hold_expires_at) where status = 'held';

comment on table booking.booking_requests is 'class=phi;scope=tenant;owner=appointment;fhir=Appointment;retention=medical_record;about=One request to book: its idempotency key, its hold, its outcome.';
comment on column booking.booking_requests.idempotency_key is 'class=operational;about=Chosen by the client, 8 to 200 characters; the same key gives the same answer.';
comment on column booking.booking_requests.request_hash is 'class=operational;about=SHA-256 of what was asked; the same key with another content is refused (IM011).';
comment on column booking.booking_requests.patient_id is 'class=phi;about=For whom the visit is.';
comment on column booking.booking_requests.slot_id is 'class=operational;about=The slot that was asked for.';
comment on column booking.booking_requests.requested_by is 'class=operational;about=The user who asked, and who alone may confirm or release the hold.';
comment on column booking.booking_requests.channel is 'class=operational;about=How the request came in.';
comment on column booking.booking_requests.payload is 'class=phi;about=Further wishes: type, priority, reason_enc (base64 of the encrypted reason).';
comment on column booking.booking_requests.hold_expires_at is 'class=operational;about=Until when the place is held, at most 15 minutes after the request.';
comment on column booking.booking_requests.attempts is 'class=operational;about=How often the request was decided; a repeated key does not count.';
comment on column booking.booking_requests.failure_code is 'class=operational;about=Why the request was refused or the hold not confirmed, an IM code.';
comment on column booking.booking_requests.appointment_id is 'class=phi;about=The appointment that came of the request.';
comment on column booking.booking_requests.decided_at is 'class=operational;about=When the outcome was settled.';
comment on column booking.booking_requests.status is 'class=operational;about=Where the request stands.';
select core.comment_standard_columns('booking.booking_requests');

alter table booking.booking_requests enable row level security;
alter table booking.booking_requests force row level security;
drop policy if exists tenant_isolation on booking.booking_requests;
create policy tenant_isolation on booking.booking_requests
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create or replace trigger booking_requests_touch before update on booking.booking_requests
  for each row execute function core.update_updated_at_column('row_version');
create or replace trigger booking_requests_transition before insert or update of status on booking.booking_requests
  for each row execute function core.enforce_transition('booking.booking_requests', 'status');
select audit.track('booking.booking_requests');

-- rejected is an initial state too: in a rush for few places most requests are refused as they come in
insert into core.transition_rules (machine, from_state, to_state) values
  ('booking.booking_requests', '', 'received'),
  ('booking.booking_requests', '', 'held'),
  ('booking.booking_requests', '', 'rejected'),
  ('booking.booking_requests', 'received', 'held'),
  ('booking.booking_requests', 'received', 'confirmed'),
  ('booking.booking_requests', 'received', 'rejected'),
  ('booking.booking_requests', 'held', 'confirmed'),
  ('booking.booking_requests', 'held', 'released'),
  ('booking.booking_requests', 'held', 'expired'),
  ('booking.booking_requests', 'rejected', 'received')
on conflict (machine, from_state, to_state) do nothing;

grant select on booking.booking_requests to appointment_app, appointment_ro;


-- =====================================================================================================================
-- FOREIGN KEYS
-- =====================================================================================================================

-- core: foreign keys

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'core.tenants'::pg_catalog.regclass and conname = 'tenants_parent_tenant_fkey') then
    alter table core.tenants add constraint tenants_parent_tenant_fkey
  foreign key (parent_tenant_id) references core.tenants (id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'core.system_settings'::pg_catalog.regclass and conname = 'system_settings_tenant_fkey') then
    alter table core.system_settings add constraint system_settings_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'core.feature_flags'::pg_catalog.regclass and conname = 'feature_flags_tenant_fkey') then
    alter table core.feature_flags add constraint feature_flags_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'core.id_sequences'::pg_catalog.regclass and conname = 'id_sequences_tenant_fkey') then
    alter table core.id_sequences add constraint id_sequences_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'core.idempotency_keys'::pg_catalog.regclass and conname = 'idempotency_keys_tenant_fkey') then
    alter table core.idempotency_keys add constraint idempotency_keys_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'core.encryption_keys'::pg_catalog.regclass and conname = 'encryption_keys_tenant_fkey') then
    alter table core.encryption_keys add constraint encryption_keys_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'core.entity_refs'::pg_catalog.regclass and conname = 'entity_refs_tenant_fkey') then
    alter table core.entity_refs add constraint entity_refs_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
end
$$;

-- audit: foreign keys

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'audit.break_glass_sessions'::pg_catalog.regclass and conname = 'break_glass_sessions_tenant_fkey') then
    alter table audit.break_glass_sessions add constraint break_glass_sessions_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'audit.audit_chain_anchors'::pg_catalog.regclass and conname = 'audit_chain_anchors_tenant_fkey') then
    alter table audit.audit_chain_anchors add constraint audit_chain_anchors_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'audit.metrics_hourly'::pg_catalog.regclass and conname = 'metrics_hourly_tenant_fkey') then
    alter table audit.metrics_hourly add constraint metrics_hourly_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'audit.compliance_daily'::pg_catalog.regclass and conname = 'compliance_daily_tenant_fkey') then
    alter table audit.compliance_daily add constraint compliance_daily_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
end
$$;

-- auth: foreign keys

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'auth.users'::pg_catalog.regclass and conname = 'users_tenant_fkey') then
    alter table auth.users add constraint users_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'auth.users'::pg_catalog.regclass and conname = 'users_department_fkey') then
    alter table auth.users add constraint users_department_fkey
  foreign key (tenant_id, department_id) references facility.departments (tenant_id, id)
  deferrable initially deferred;
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'auth.roles'::pg_catalog.regclass and conname = 'roles_tenant_fkey') then
    alter table auth.roles add constraint roles_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'auth.role_permissions'::pg_catalog.regclass and conname = 'role_permissions_tenant_fkey') then
    alter table auth.role_permissions add constraint role_permissions_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'auth.role_permissions'::pg_catalog.regclass and conname = 'role_permissions_role_fkey') then
    alter table auth.role_permissions add constraint role_permissions_role_fkey
  foreign key (role_id) references auth.roles (id) on delete cascade;
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'auth.role_permissions'::pg_catalog.regclass and conname = 'role_permissions_permission_fkey') then
    alter table auth.role_permissions add constraint role_permissions_permission_fkey
  foreign key (permission_code) references auth.permissions (code);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'auth.user_roles'::pg_catalog.regclass and conname = 'user_roles_tenant_fkey') then
    alter table auth.user_roles add constraint user_roles_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'auth.user_roles'::pg_catalog.regclass and conname = 'user_roles_user_fkey') then
    alter table auth.user_roles add constraint user_roles_user_fkey
  foreign key (tenant_id, user_id) references auth.users (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'auth.user_roles'::pg_catalog.regclass and conname = 'user_roles_role_fkey') then
    alter table auth.user_roles add constraint user_roles_role_fkey
  foreign key (role_id) references auth.roles (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'auth.user_roles'::pg_catalog.regclass and conname = 'user_roles_clinic_fkey') then
    alter table auth.user_roles add constraint user_roles_clinic_fkey
  foreign key (tenant_id, clinic_id) references facility.clinics (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'auth.user_roles'::pg_catalog.regclass and conname = 'user_roles_department_fkey') then
    alter table auth.user_roles add constraint user_roles_department_fkey
  foreign key (tenant_id, department_id) references facility.departments (tenant_id, id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'auth.sessions'::pg_catalog.regclass and conname = 'sessions_tenant_fkey') then
    alter table auth.sessions add constraint sessions_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'auth.sessions'::pg_catalog.regclass and conname = 'sessions_user_fkey') then
    alter table auth.sessions add constraint sessions_user_fkey
  foreign key (tenant_id, user_id) references auth.users (tenant_id, id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'auth.mfa_factors'::pg_catalog.regclass and conname = 'mfa_factors_tenant_fkey') then
    alter table auth.mfa_factors add constraint mfa_factors_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'auth.mfa_factors'::pg_catalog.regclass and conname = 'mfa_factors_user_fkey') then
    alter table auth.mfa_factors add constraint mfa_factors_user_fkey
  foreign key (tenant_id, user_id) references auth.users (tenant_id, id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'auth.api_clients'::pg_catalog.regclass and conname = 'api_clients_tenant_fkey') then
    alter table auth.api_clients add constraint api_clients_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'auth.api_clients'::pg_catalog.regclass and conname = 'api_clients_owner_user_fkey') then
    alter table auth.api_clients add constraint api_clients_owner_user_fkey
  foreign key (tenant_id, owner_user_id) references auth.users (tenant_id, id);
  end if;
end
$$;

-- communication: foreign keys

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'communication.notification_templates'::pg_catalog.regclass and conname = 'notification_templates_tenant_fkey') then
    alter table communication.notification_templates
  add constraint notification_templates_tenant_fkey foreign key (tenant_id) references core.tenants (id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'communication.notifications'::pg_catalog.regclass and conname = 'notifications_tenant_fkey') then
    alter table communication.notifications
  add constraint notifications_tenant_fkey foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'communication.notifications'::pg_catalog.regclass and conname = 'notifications_template_fkey') then
    alter table communication.notifications
  add constraint notifications_template_fkey foreign key (template_id) references communication.notification_templates (id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'communication.sms_messages'::pg_catalog.regclass and conname = 'sms_messages_tenant_fkey') then
    alter table communication.sms_messages
  add constraint sms_messages_tenant_fkey foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'communication.sms_messages'::pg_catalog.regclass and conname = 'sms_messages_notification_fkey') then
    alter table communication.sms_messages
  add constraint sms_messages_notification_fkey foreign key (tenant_id, notification_id) references communication.notifications (tenant_id, id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'communication.whatsapp_messages'::pg_catalog.regclass and conname = 'whatsapp_messages_tenant_fkey') then
    alter table communication.whatsapp_messages
  add constraint whatsapp_messages_tenant_fkey foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'communication.whatsapp_messages'::pg_catalog.regclass and conname = 'whatsapp_messages_notification_fkey') then
    alter table communication.whatsapp_messages
  add constraint whatsapp_messages_notification_fkey foreign key (tenant_id, notification_id) references communication.notifications (tenant_id, id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'communication.email_messages'::pg_catalog.regclass and conname = 'email_messages_tenant_fkey') then
    alter table communication.email_messages
  add constraint email_messages_tenant_fkey foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'communication.email_messages'::pg_catalog.regclass and conname = 'email_messages_notification_fkey') then
    alter table communication.email_messages
  add constraint email_messages_notification_fkey foreign key (tenant_id, notification_id) references communication.notifications (tenant_id, id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'communication.contact_preferences'::pg_catalog.regclass and conname = 'contact_preferences_tenant_fkey') then
    alter table communication.contact_preferences
  add constraint contact_preferences_tenant_fkey foreign key (tenant_id) references core.tenants (id);
  end if;
end
$$;

-- facility: foreign keys

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'facility.clinics'::pg_catalog.regclass and conname = 'clinics_tenant_fkey') then
    alter table facility.clinics add constraint clinics_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'facility.departments'::pg_catalog.regclass and conname = 'departments_tenant_fkey') then
    alter table facility.departments add constraint departments_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'facility.departments'::pg_catalog.regclass and conname = 'departments_clinic_fkey') then
    alter table facility.departments add constraint departments_clinic_fkey
  foreign key (tenant_id, clinic_id) references facility.clinics (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'facility.departments'::pg_catalog.regclass and conname = 'departments_parent_department_fkey') then
    alter table facility.departments add constraint departments_parent_department_fkey
  foreign key (tenant_id, parent_department_id) references facility.departments (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'facility.departments'::pg_catalog.regclass and conname = 'departments_head_staff_fkey') then
    alter table facility.departments add constraint departments_head_staff_fkey
  foreign key (tenant_id, head_staff_id) references workforce.staff (tenant_id, id)
  deferrable initially deferred;
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'facility.locations'::pg_catalog.regclass and conname = 'locations_tenant_fkey') then
    alter table facility.locations add constraint locations_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'facility.locations'::pg_catalog.regclass and conname = 'locations_clinic_fkey') then
    alter table facility.locations add constraint locations_clinic_fkey
  foreign key (tenant_id, clinic_id) references facility.clinics (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'facility.locations'::pg_catalog.regclass and conname = 'locations_parent_location_fkey') then
    alter table facility.locations add constraint locations_parent_location_fkey
  foreign key (tenant_id, parent_location_id) references facility.locations (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'facility.locations'::pg_catalog.regclass and conname = 'locations_department_fkey') then
    alter table facility.locations add constraint locations_department_fkey
  foreign key (tenant_id, department_id) references facility.departments (tenant_id, id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'facility.beds'::pg_catalog.regclass and conname = 'beds_tenant_fkey') then
    alter table facility.beds add constraint beds_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'facility.beds'::pg_catalog.regclass and conname = 'beds_location_fkey') then
    alter table facility.beds add constraint beds_location_fkey
  foreign key (tenant_id, location_id) references facility.locations (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'facility.beds'::pg_catalog.regclass and conname = 'beds_current_allocation_fkey') then
    -- bed and allocation point to each other: checked at commit
    alter table facility.beds add constraint beds_current_allocation_fkey
  foreign key (tenant_id, current_allocation_id) references facility.bed_allocations (tenant_id, id)
  deferrable initially deferred;
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'facility.bed_allocations'::pg_catalog.regclass and conname = 'bed_allocations_tenant_fkey') then
    alter table facility.bed_allocations add constraint bed_allocations_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'facility.bed_allocations'::pg_catalog.regclass and conname = 'bed_allocations_bed_fkey') then
    alter table facility.bed_allocations add constraint bed_allocations_bed_fkey
  foreign key (tenant_id, bed_id) references facility.beds (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'facility.bed_allocations'::pg_catalog.regclass and conname = 'bed_allocations_patient_fkey') then
    alter table facility.bed_allocations add constraint bed_allocations_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'facility.bed_allocations'::pg_catalog.regclass and conname = 'bed_allocations_transfer_from_fkey') then
    alter table facility.bed_allocations add constraint bed_allocations_transfer_from_fkey
  foreign key (tenant_id, transfer_from_id) references facility.bed_allocations (tenant_id, id);
  end if;
end
$$;

-- patient: foreign keys

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'patient.patients'::pg_catalog.regclass and conname = 'patients_tenant_fkey') then
    alter table patient.patients add constraint patients_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'patient.patients'::pg_catalog.regclass and conname = 'patients_portal_user_fkey') then
    alter table patient.patients add constraint patients_portal_user_fkey
  foreign key (tenant_id, portal_user_id) references auth.users (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'patient.patients'::pg_catalog.regclass and conname = 'patients_merged_into_fkey') then
    alter table patient.patients add constraint patients_merged_into_fkey
  foreign key (tenant_id, merged_into_id) references patient.patients (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'patient.patients'::pg_catalog.regclass and conname = 'patients_registered_clinic_fkey') then
    alter table patient.patients add constraint patients_registered_clinic_fkey
  foreign key (tenant_id, registered_clinic_id) references facility.clinics (tenant_id, id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'patient.patient_identifiers'::pg_catalog.regclass and conname = 'patient_identifiers_tenant_fkey') then
    alter table patient.patient_identifiers add constraint patient_identifiers_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'patient.patient_identifiers'::pg_catalog.regclass and conname = 'patient_identifiers_patient_fkey') then
    alter table patient.patient_identifiers add constraint patient_identifiers_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'patient.patient_contacts'::pg_catalog.regclass and conname = 'patient_contacts_tenant_fkey') then
    alter table patient.patient_contacts add constraint patient_contacts_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'patient.patient_contacts'::pg_catalog.regclass and conname = 'patient_contacts_patient_fkey') then
    alter table patient.patient_contacts add constraint patient_contacts_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'patient.patient_contacts'::pg_catalog.regclass and conname = 'patient_contacts_related_patient_fkey') then
    alter table patient.patient_contacts add constraint patient_contacts_related_patient_fkey
  foreign key (tenant_id, related_patient_id) references patient.patients (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'patient.patient_contacts'::pg_catalog.regclass and conname = 'patient_contacts_user_fkey') then
    alter table patient.patient_contacts add constraint patient_contacts_user_fkey
  foreign key (tenant_id, user_id) references auth.users (tenant_id, id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'patient.patient_merges'::pg_catalog.regclass and conname = 'patient_merges_tenant_fkey') then
    alter table patient.patient_merges add constraint patient_merges_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'patient.patient_merges'::pg_catalog.regclass and conname = 'patient_merges_survivor_fkey') then
    alter table patient.patient_merges add constraint patient_merges_survivor_fkey
  foreign key (tenant_id, survivor_id) references patient.patients (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'patient.patient_merges'::pg_catalog.regclass and conname = 'patient_merges_duplicate_fkey') then
    alter table patient.patient_merges add constraint patient_merges_duplicate_fkey
  foreign key (tenant_id, duplicate_id) references patient.patients (tenant_id, id);
  end if;
end
$$;

-- webhook: foreign keys

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'webhook.integration_webhooks'::pg_catalog.regclass and conname = 'integration_webhooks_tenant_fkey') then
    alter table webhook.integration_webhooks
  add constraint integration_webhooks_tenant_fkey foreign key (tenant_id) references core.tenants (id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'webhook.webhook_events'::pg_catalog.regclass and conname = 'webhook_events_tenant_fkey') then
    alter table webhook.webhook_events
  add constraint webhook_events_tenant_fkey foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'webhook.webhook_events'::pg_catalog.regclass and conname = 'webhook_events_webhook_fkey') then
    alter table webhook.webhook_events
  add constraint webhook_events_webhook_fkey foreign key (tenant_id, webhook_id) references webhook.integration_webhooks (tenant_id, id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'webhook.webhook_logs'::pg_catalog.regclass and conname = 'webhook_logs_tenant_fkey') then
    alter table webhook.webhook_logs
  add constraint webhook_logs_tenant_fkey foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'webhook.webhook_logs'::pg_catalog.regclass and conname = 'webhook_logs_webhook_fkey') then
    alter table webhook.webhook_logs
  add constraint webhook_logs_webhook_fkey foreign key (tenant_id, webhook_id) references webhook.integration_webhooks (tenant_id, id);
  end if;
end
$$;

-- workforce: foreign keys

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'workforce.staff'::pg_catalog.regclass and conname = 'staff_tenant_fkey') then
    alter table workforce.staff add constraint staff_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'workforce.staff'::pg_catalog.regclass and conname = 'staff_user_fkey') then
    alter table workforce.staff add constraint staff_user_fkey
  foreign key (tenant_id, user_id) references auth.users (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'workforce.staff'::pg_catalog.regclass and conname = 'staff_department_fkey') then
    alter table workforce.staff add constraint staff_department_fkey
  foreign key (tenant_id, department_id) references facility.departments (tenant_id, id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'workforce.doctors'::pg_catalog.regclass and conname = 'doctors_tenant_fkey') then
    alter table workforce.doctors add constraint doctors_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'workforce.doctors'::pg_catalog.regclass and conname = 'doctors_staff_fkey') then
    alter table workforce.doctors add constraint doctors_staff_fkey
  foreign key (tenant_id, staff_id) references workforce.staff (tenant_id, id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'workforce.staff_credentials'::pg_catalog.regclass and conname = 'staff_credentials_tenant_fkey') then
    alter table workforce.staff_credentials add constraint staff_credentials_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'workforce.staff_credentials'::pg_catalog.regclass and conname = 'staff_credentials_staff_fkey') then
    alter table workforce.staff_credentials add constraint staff_credentials_staff_fkey
  foreign key (tenant_id, staff_id) references workforce.staff (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'workforce.staff_credentials'::pg_catalog.regclass and conname = 'staff_credentials_verified_by_fkey') then
    alter table workforce.staff_credentials add constraint staff_credentials_verified_by_fkey
  foreign key (tenant_id, verified_by) references workforce.staff (tenant_id, id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'workforce.shifts'::pg_catalog.regclass and conname = 'shifts_tenant_fkey') then
    alter table workforce.shifts add constraint shifts_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'workforce.shifts'::pg_catalog.regclass and conname = 'shifts_department_fkey') then
    alter table workforce.shifts add constraint shifts_department_fkey
  foreign key (tenant_id, department_id) references facility.departments (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'workforce.shifts'::pg_catalog.regclass and conname = 'shifts_location_fkey') then
    alter table workforce.shifts add constraint shifts_location_fkey
  foreign key (tenant_id, location_id) references facility.locations (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'workforce.shifts'::pg_catalog.regclass and conname = 'shifts_in_charge_staff_fkey') then
    alter table workforce.shifts add constraint shifts_in_charge_staff_fkey
  foreign key (tenant_id, in_charge_staff_id) references workforce.staff (tenant_id, id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'workforce.shift_assignments'::pg_catalog.regclass and conname = 'shift_assignments_tenant_fkey') then
    alter table workforce.shift_assignments add constraint shift_assignments_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'workforce.shift_assignments'::pg_catalog.regclass and conname = 'shift_assignments_shift_fkey') then
    alter table workforce.shift_assignments add constraint shift_assignments_shift_fkey
  foreign key (tenant_id, shift_id) references workforce.shifts (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'workforce.shift_assignments'::pg_catalog.regclass and conname = 'shift_assignments_staff_fkey') then
    alter table workforce.shift_assignments add constraint shift_assignments_staff_fkey
  foreign key (tenant_id, staff_id) references workforce.staff (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'workforce.shift_assignments'::pg_catalog.regclass and conname = 'shift_assignments_swapped_with_fkey') then
    alter table workforce.shift_assignments add constraint shift_assignments_swapped_with_fkey
  foreign key (tenant_id, swapped_with_id) references workforce.shift_assignments (tenant_id, id);
  end if;
end
$$;

-- scheduling: foreign keys

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.schedules'::pg_catalog.regclass and conname = 'schedules_tenant_fkey') then
    alter table scheduling.schedules
  add constraint schedules_tenant_fkey foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.schedules'::pg_catalog.regclass and conname = 'schedules_clinic_fkey') then
    alter table scheduling.schedules
  add constraint schedules_clinic_fkey foreign key (tenant_id, clinic_id) references facility.clinics (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.schedules'::pg_catalog.regclass and conname = 'schedules_doctor_fkey') then
    alter table scheduling.schedules
  add constraint schedules_doctor_fkey foreign key (tenant_id, doctor_id) references workforce.doctors (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.schedules'::pg_catalog.regclass and conname = 'schedules_department_fkey') then
    alter table scheduling.schedules
  add constraint schedules_department_fkey foreign key (tenant_id, department_id) references facility.departments (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.schedules'::pg_catalog.regclass and conname = 'schedules_location_fkey') then
    alter table scheduling.schedules
  add constraint schedules_location_fkey foreign key (tenant_id, location_id) references facility.locations (tenant_id, id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.appointment_slots'::pg_catalog.regclass and conname = 'appointment_slots_tenant_fkey') then
    alter table scheduling.appointment_slots
  add constraint appointment_slots_tenant_fkey foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.appointment_slots'::pg_catalog.regclass and conname = 'appointment_slots_clinic_fkey') then
    alter table scheduling.appointment_slots
  add constraint appointment_slots_clinic_fkey foreign key (tenant_id, clinic_id) references facility.clinics (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.appointment_slots'::pg_catalog.regclass and conname = 'appointment_slots_doctor_fkey') then
    alter table scheduling.appointment_slots
  add constraint appointment_slots_doctor_fkey foreign key (tenant_id, doctor_id) references workforce.doctors (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.appointment_slots'::pg_catalog.regclass and conname = 'appointment_slots_department_fkey') then
    alter table scheduling.appointment_slots
  add constraint appointment_slots_department_fkey foreign key (tenant_id, department_id) references facility.departments (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.appointment_slots'::pg_catalog.regclass and conname = 'appointment_slots_location_fkey') then
    alter table scheduling.appointment_slots
  add constraint appointment_slots_location_fkey foreign key (tenant_id, location_id) references facility.locations (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.appointment_slots'::pg_catalog.regclass and conname = 'appointment_slots_schedule_fkey') then
    alter table scheduling.appointment_slots
  add constraint appointment_slots_schedule_fkey foreign key (tenant_id, schedule_id) references scheduling.schedules (tenant_id, id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.appointments'::pg_catalog.regclass and conname = 'appointments_tenant_fkey') then
    alter table scheduling.appointments
  add constraint appointments_tenant_fkey foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.appointments'::pg_catalog.regclass and conname = 'appointments_patient_fkey') then
    alter table scheduling.appointments
  add constraint appointments_patient_fkey foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.appointments'::pg_catalog.regclass and conname = 'appointments_clinic_fkey') then
    alter table scheduling.appointments
  add constraint appointments_clinic_fkey foreign key (tenant_id, clinic_id) references facility.clinics (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.appointments'::pg_catalog.regclass and conname = 'appointments_doctor_fkey') then
    alter table scheduling.appointments
  add constraint appointments_doctor_fkey foreign key (tenant_id, doctor_id) references workforce.doctors (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.appointments'::pg_catalog.regclass and conname = 'appointments_department_fkey') then
    alter table scheduling.appointments
  add constraint appointments_department_fkey foreign key (tenant_id, department_id) references facility.departments (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.appointments'::pg_catalog.regclass and conname = 'appointments_slot_fkey') then
    alter table scheduling.appointments
  add constraint appointments_slot_fkey foreign key (tenant_id, slot_id) references scheduling.appointment_slots (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.appointments'::pg_catalog.regclass and conname = 'appointments_booking_request_fkey') then
    -- request and appointment point at each other: checked at commit
    alter table scheduling.appointments
  add constraint appointments_booking_request_fkey foreign key (tenant_id, booking_request_id)
  references booking.booking_requests (tenant_id, id) deferrable initially deferred;
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.appointments'::pg_catalog.regclass and conname = 'appointments_rescheduled_from_fkey') then
    alter table scheduling.appointments
  add constraint appointments_rescheduled_from_fkey foreign key (tenant_id, rescheduled_from_id)
  references scheduling.appointments (tenant_id, id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.queue_management'::pg_catalog.regclass and conname = 'queue_management_tenant_fkey') then
    alter table scheduling.queue_management
  add constraint queue_management_tenant_fkey foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.queue_management'::pg_catalog.regclass and conname = 'queue_management_clinic_fkey') then
    alter table scheduling.queue_management
  add constraint queue_management_clinic_fkey foreign key (tenant_id, clinic_id) references facility.clinics (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.queue_management'::pg_catalog.regclass and conname = 'queue_management_department_fkey') then
    alter table scheduling.queue_management
  add constraint queue_management_department_fkey foreign key (tenant_id, department_id) references facility.departments (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.queue_management'::pg_catalog.regclass and conname = 'queue_management_doctor_fkey') then
    alter table scheduling.queue_management
  add constraint queue_management_doctor_fkey foreign key (tenant_id, doctor_id) references workforce.doctors (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.queue_management'::pg_catalog.regclass and conname = 'queue_management_counter_location_fkey') then
    alter table scheduling.queue_management
  add constraint queue_management_counter_location_fkey foreign key (tenant_id, counter_location_id) references facility.locations (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.queue_management'::pg_catalog.regclass and conname = 'queue_management_patient_fkey') then
    alter table scheduling.queue_management
  add constraint queue_management_patient_fkey foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.queue_management'::pg_catalog.regclass and conname = 'queue_management_appointment_fkey') then
    alter table scheduling.queue_management
  add constraint queue_management_appointment_fkey foreign key (tenant_id, appointment_id) references scheduling.appointments (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.queue_management'::pg_catalog.regclass and conname = 'queue_management_transferred_from_fkey') then
    alter table scheduling.queue_management
  add constraint queue_management_transferred_from_fkey foreign key (tenant_id, transferred_from_id) references scheduling.queue_management (tenant_id, id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.resource_bookings'::pg_catalog.regclass and conname = 'resource_bookings_tenant_fkey') then
    alter table scheduling.resource_bookings
  add constraint resource_bookings_tenant_fkey foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.resource_bookings'::pg_catalog.regclass and conname = 'resource_bookings_location_fkey') then
    alter table scheduling.resource_bookings
  add constraint resource_bookings_location_fkey foreign key (tenant_id, location_id) references facility.locations (tenant_id, id);
  end if;
end
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.telemedicine_sessions'::pg_catalog.regclass and conname = 'telemedicine_sessions_tenant_fkey') then
    alter table scheduling.telemedicine_sessions
  add constraint telemedicine_sessions_tenant_fkey foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.telemedicine_sessions'::pg_catalog.regclass and conname = 'telemedicine_sessions_appointment_fkey') then
    alter table scheduling.telemedicine_sessions
  add constraint telemedicine_sessions_appointment_fkey foreign key (tenant_id, appointment_id) references scheduling.appointments (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.telemedicine_sessions'::pg_catalog.regclass and conname = 'telemedicine_sessions_patient_fkey') then
    alter table scheduling.telemedicine_sessions
  add constraint telemedicine_sessions_patient_fkey foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'scheduling.telemedicine_sessions'::pg_catalog.regclass and conname = 'telemedicine_sessions_doctor_fkey') then
    alter table scheduling.telemedicine_sessions
  add constraint telemedicine_sessions_doctor_fkey foreign key (tenant_id, doctor_id) references workforce.doctors (tenant_id, id);
  end if;
end
$$;

-- booking: foreign keys

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'booking.booking_requests'::pg_catalog.regclass and conname = 'booking_requests_tenant_fkey') then
    alter table booking.booking_requests
  add constraint booking_requests_tenant_fkey foreign key (tenant_id) references core.tenants (id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'booking.booking_requests'::pg_catalog.regclass and conname = 'booking_requests_patient_fkey') then
    alter table booking.booking_requests
  add constraint booking_requests_patient_fkey foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'booking.booking_requests'::pg_catalog.regclass and conname = 'booking_requests_slot_fkey') then
    alter table booking.booking_requests
  add constraint booking_requests_slot_fkey foreign key (tenant_id, slot_id) references scheduling.appointment_slots (tenant_id, id);
  end if;
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'booking.booking_requests'::pg_catalog.regclass and conname = 'booking_requests_appointment_fkey') then
    -- request and appointment point at each other: checked at commit
    alter table booking.booking_requests
  add constraint booking_requests_appointment_fkey foreign key (tenant_id, appointment_id)
  references scheduling.appointments (tenant_id, id) deferrable initially deferred;
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

create or replace function core.next_number(p_scope text, p_series text, p_at date default current_date) returns text
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

create or replace function core.shred_key(p_kid text, p_reason text) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  update core.encryption_keys k
  set status = 'destroyed', wrapped_key = null, destroyed_at = now(), destroy_reason = p_reason
  where k.tenant_id = core.require_tenant() and k.kid = p_kid and k.status in ('active', 'retired');
  if not found then
    raise exception 'no key "%" that may be destroyed', p_kid
      using errcode = 'IM005', hint = 'a retiring key must be retired first';
  end if;
end
$$;

comment on function core.shred_key(text, text) is 'about=Destroys a wrapped key: what it encrypted can never be read again. IM005 no such active or retired key.';

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

create or replace function audit.seal(p_log text) returns bigint
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_last record;
  v_no bigint;
  v_from bigint;
  v_to bigint := pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text::bigint;
  v_prev bytea;
  v_count bigint;
  v_leaves bytea;
  v_root bytea;
begin
  -- one sealer a tenant and log; another one has nothing to do
  if not pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended('audit.seal:' || p_log || v_tenant::text, 0)) then
    return 0;
  end if;
  select a.seal_no, a.to_txid, a.digest into v_last
  from audit.audit_chain_anchors a
  where a.tenant_id = v_tenant and a.log_name = p_log
  order by a.seal_no desc
  limit 1;
  v_no := coalesce(v_last.seal_no, 0) + 1;
  v_from := coalesce(v_last.to_txid, 0::bigint);
  v_prev := coalesce(v_last.digest, pg_catalog.decode(pg_catalog.repeat('00', 32), 'hex'));
  if v_to <= v_from then
    return 0;
  end if;

  select
    pg_catalog.count(*),
    pg_catalog.string_agg(pg_catalog.int8send(r.seq) || pg_catalog.substr(r.hash, 1, 16), ''::bytea order by r.txid, r.seq),
    pg_catalog.sha256(pg_catalog.string_agg(r.hash, ''::bytea order by r.txid, r.seq))
  into v_count, v_leaves, v_root
  from audit.hashed_log_rows(p_log, v_from, v_to) r;
  if v_count = 0 then
    return 0;
  end if;

  insert into audit.audit_chain_anchors (
    tenant_id, log_name, seal_no, from_txid, to_txid, row_count, leaves, root, prev_digest, digest
  )
  values (
    v_tenant, p_log, v_no, v_from, v_to, v_count, v_leaves, v_root, v_prev,
    audit.seal_digest(v_prev, v_root, v_count, v_no, v_from, v_to)
  );
  if p_log = 'audit_logs' then
    perform audit.add_to_rollups(v_from, v_to);
  end if;
  return v_count;
end
$$;

comment on function audit.seal(text) is 'about=Seals the rows of the tenant''s log that can no longer change and adds them to the rollups; returns how many.';

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

-- Retention: a month of evidence is dropped as a whole, after its time, by the retention job alone.
create or replace function audit.drop_expired_partitions(p_keep interval default interval '7 years') returns text[]
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_partition record;
  v_dropped text[] := '{}';
begin
  if p_keep < interval '7 years' then
    raise exception 'evidence is kept for at least 7 years'
      using errcode = 'IM006', hint = 'pass an interval of 7 years or more';
  end if;
  for v_partition in
    select
      c.oid::pg_catalog.regclass as name,
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
    execute pg_catalog.format('drop table %s', v_partition.name);
    v_dropped := v_dropped || v_partition.name::text;
  end loop;
  return v_dropped;
end
$$;

comment on function audit.drop_expired_partitions(interval) is 'about=Drops the monthly partitions of the logs and their archives that ended more than p_keep (at least 7 years) ago and returns their names. IM006 less than 7 years.';

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

-- Nobody sees all tenants' rows, the owner of the log included. To learn whose rows a month holds, the owner stops being
-- bound by the policy for this transaction, under a lock that lets nobody else in meanwhile; a rollback undoes both.
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

create or replace function audit.is_packed(p_partition regclass) returns boolean
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_log record := audit.log_partition(p_partition);
  v_rows bigint;
  v_seq_sum numeric;
begin
  execute pg_catalog.format('select count(*), sum(l.seq) from %s l where l.tenant_id = $1', p_partition)
  into v_rows, v_seq_sum
  using v_tenant;
  return (
    select
      coalesce(pg_catalog.sum(a.row_count), 0) = v_rows and coalesce(pg_catalog.sum(a.seq_sum), 0) = coalesce(v_seq_sum, 0)
    from audit.audit_archives a
    where a.tenant_id = v_tenant and a.log_name = v_log.log_name and a.first_at >= v_log.from_at and a.first_at < v_log.to_at
  );
end
$$;

comment on function audit.is_packed(regclass) is 'about=Whether the archives hold as many of the tenant''s rows as this month of the log, with the same sum of seq. What they hold was compared when it was packed, and neither can change since.';

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
    exit when v_day is not null or audit.is_packed(p_partition);
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
  set app.tenant_id = '' -- the tenants that it walks through end with the call
as $$
declare
  v_tenant uuid;
  v_packed boolean := true;
begin
  perform audit.log_partition(p_partition);
  -- from here on nobody can add a row to this month
  execute pg_catalog.format('lock table %s in access exclusive mode', p_partition);
  for v_tenant in select t from audit.begin_packing(p_partition) as t loop
    perform pg_catalog.set_config('app.tenant_id', v_tenant::text, true);
    if not audit.is_packed(p_partition) then
      v_packed := false;
      exit;
    end if;
  end loop;
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

-- auth: functions

-- Sign-in is recorded here and nowhere else, so that guessing a password costs a lock. The answer is a row, not an
-- error: an error would roll the count back.
create or replace function auth.record_sign_in(p_user_id uuid, p_success boolean, p_ip inet default null)
  returns table (allowed boolean, status text, failed_attempts smallint, locked_until timestamptz)
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_max_failed int := coalesce((core.setting('auth.max_failed_attempts') #>> '{}')::int, 5);
  v_lock_minutes int := coalesce((core.setting('auth.lockout_minutes') #>> '{}')::int, 15);
  v_user auth.users;
  v_allowed boolean;
begin
  select u.* into v_user
  from auth.users u
  where u.tenant_id = v_tenant and u.id = p_user_id and u.deleted_at is null
  for no key update;
  if not found then
    raise exception 'user % does not exist', p_user_id
      using errcode = 'IM005', hint = 'look the user up by name again';
  end if;

  -- a lock that has run out ends with the next attempt, whatever that brings
  if v_user.status = 'locked' and v_user.locked_until <= now() then
    v_user.status := 'active';
    v_user.failed_attempts := 0;
    v_user.locked_until := null;
  end if;

  v_allowed := p_success and v_user.status = 'active';
  if v_allowed then
    v_user.failed_attempts := 0;
    v_user.last_login_at := now();
  elsif not p_success then
    v_user.failed_attempts := least(v_user.failed_attempts + 1, 50);
    if v_user.status = 'active' and v_user.failed_attempts >= v_max_failed then
      v_user.status := 'locked';
      v_user.locked_until := now() + make_interval(mins => v_lock_minutes);
    end if;
  end if;

  perform core.set_reason(
    case when v_allowed then 'signed in' when p_success then 'sign-in refused' else 'sign-in failed' end
    || coalesce(' from ' || host(p_ip), '')
  );
  update auth.users u
  set
    status = v_user.status,
    failed_attempts = v_user.failed_attempts,
    locked_until = v_user.locked_until,
    last_login_at = v_user.last_login_at
  where u.tenant_id = v_tenant and u.id = p_user_id;

  return query select v_allowed, v_user.status, v_user.failed_attempts, v_user.locked_until;
end
$$;

comment on function auth.record_sign_in(uuid, boolean, inet) is 'about=Records a sign-in whose credentials were right (p_success) or wrong. allowed tells whether the user may come in; too many failures lock (settings auth.max_failed_attempts, auth.lockout_minutes). IM003 no tenant, IM005 no such user.';

-- Sessions: start, rotate, revoke. The user's row is locked first, so that ending a family and refreshing it cannot
-- miss each other.
create or replace function auth.start_session(
  p_user_id uuid,
  p_refresh_hash bytea,
  p_ip inet,
  p_user_agent text,
  p_amr text[] default '{}',
  p_device_label text default null,
  p_node_id text default null
) returns uuid
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_idle_minutes int := least(coalesce((core.setting('auth.session_idle_minutes') #>> '{}')::int, 30), 30);
  v_max_hours int := least(coalesce((core.setting('auth.session_max_hours') #>> '{}')::int, 24), 24);
  v_id uuid := core.uuid_v7();
begin
  perform
  from auth.users u
  where u.tenant_id = v_tenant and u.id = p_user_id and u.status = 'active' and u.deleted_at is null
  for no key update;
  if not found then
    raise exception 'user % cannot sign in', p_user_id
      using errcode = 'IM005', hint = 'the user does not exist or is not active';
  end if;

  insert into auth.sessions (
    tenant_id, id, user_id, family_id, refresh_hash, device_label, node_id, ip, user_agent, amr, idle_expires_at,
    expires_at
  )
  values (
    v_tenant, v_id, p_user_id, v_id, p_refresh_hash, p_device_label, p_node_id, p_ip, left(p_user_agent, 400), p_amr,
    now() + make_interval(mins => v_idle_minutes), now() + make_interval(hours => v_max_hours)
  );
  return v_id;
end
$$;

comment on function auth.start_session(uuid, bytea, inet, text, text[], text, text) is 'about=Begins a session of an active user and a new family of refresh tokens; returns the session. p_refresh_hash is the SHA-256 of the token. IM003 no tenant, IM005 no such active user.';

create or replace function auth.rotate_session(p_refresh_hash bytea, p_new_hash bytea, p_ip inet, p_user_agent text)
  returns table (
    outcome text, session_id uuid, user_id uuid, family_id uuid, idle_expires_at timestamptz, expires_at timestamptz
  )
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_idle_minutes int := least(coalesce((core.setting('auth.session_idle_minutes') #>> '{}')::int, 30), 30);
  v_session auth.sessions;
  v_user_status text;
  v_id uuid := core.uuid_v7();
begin
  select s.* into v_session
  from auth.sessions s
  where s.tenant_id = v_tenant and s.refresh_hash = p_refresh_hash;
  if not found then
    return query select 'unknown', null::uuid, null::uuid, null::uuid, null::timestamptz, null::timestamptz;
    return;
  end if;

  select u.status into v_user_status
  from auth.users u
  where u.tenant_id = v_tenant and u.id = v_session.user_id and u.deleted_at is null
  for no key update;
  -- read again: whoever held the lock may have rotated or revoked it
  select s.* into v_session
  from auth.sessions s
  where s.tenant_id = v_tenant and s.id = v_session.id;

  if v_session.revoked_at is not null then
    if v_session.revoke_reason = 'rotated' then
      -- a token is used once; a second use means that two parties hold it, and one of them is a thief
      update auth.sessions s
      set revoked_at = now(), revoke_reason = 'reuse'
      where s.tenant_id = v_tenant and s.family_id = v_session.family_id and s.revoked_at is null;
      return query
      select 'reused', null::uuid, v_session.user_id, v_session.family_id, null::timestamptz, null::timestamptz;
      return;
    end if;
    return query
    select 'revoked', null::uuid, v_session.user_id, v_session.family_id, null::timestamptz, null::timestamptz;
    return;
  end if;
  if v_session.idle_expires_at <= now() or v_session.expires_at <= now() then
    return query
    select 'expired', null::uuid, v_session.user_id, v_session.family_id, null::timestamptz, null::timestamptz;
    return;
  end if;
  if v_user_status is distinct from 'active' then
    return query
    select 'user_inactive', null::uuid, v_session.user_id, v_session.family_id, null::timestamptz, null::timestamptz;
    return;
  end if;

  update auth.sessions s
  set revoked_at = now(), revoke_reason = 'rotated'
  where s.tenant_id = v_tenant and s.id = v_session.id;
  insert into auth.sessions (
    tenant_id, id, user_id, family_id, refresh_hash, device_label, node_id, ip, user_agent, amr, idle_expires_at,
    expires_at
  )
  values (
    v_tenant, v_id, v_session.user_id, v_session.family_id, p_new_hash, v_session.device_label, v_session.node_id, p_ip,
    left(p_user_agent, 400), v_session.amr, now() + make_interval(mins => v_idle_minutes), v_session.expires_at
  );
  return query
  select
    'rotated', v_id, v_session.user_id, v_session.family_id, now() + make_interval(mins => v_idle_minutes),
    v_session.expires_at;
end
$$;

comment on function auth.rotate_session(bytea, bytea, inet, text) is 'about=Exchanges a refresh token for a new one of the same family. outcome: rotated, reused (the whole family is now revoked), revoked, expired, user_inactive or unknown; refusals are rows because an error would roll the revocation back. IM003 no tenant.';

create or replace function auth.revoke_sessions(p_user_id uuid, p_reason text, p_family_id uuid default null) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_count int;
begin
  perform from auth.users u where u.tenant_id = v_tenant and u.id = p_user_id for no key update;
  update auth.sessions s
  set revoked_at = now(), revoke_reason = p_reason
  where
    s.tenant_id = v_tenant
    and s.user_id = p_user_id
    and (p_family_id is null or s.family_id = p_family_id)
    and s.revoked_at is null;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

comment on function auth.revoke_sessions(uuid, text, uuid) is 'about=Ends the live sessions of a user, or of one family (sign out on one device); returns how many. p_reason is kept, signed_out by convention. IM003 no tenant.';

-- communication: functions

-- What a person agreed to, and when a message may reach them.
create or replace function communication.set_contact_preference(
  p_subject_type text,
  p_subject_id uuid,
  p_channel text,
  p_category text,
  p_opted_in boolean,
  p_consent uuid default null,
  p_quiet_hours communication.timemultirange default null,
  p_locale text default null
) returns uuid
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_id uuid;
begin
  insert into communication.contact_preferences as c
    (tenant_id, subject_type, subject_id, channel, category, opted_in, consent_id, quiet_hours, locale)
  values
    (core.require_tenant(), p_subject_type, p_subject_id, p_channel, p_category, p_opted_in, p_consent, p_quiet_hours,
     p_locale)
  on conflict (tenant_id, subject_type, subject_id, channel, category) do update
  set
    opted_in = excluded.opted_in, consent_id = excluded.consent_id, quiet_hours = excluded.quiet_hours,
    locale = excluded.locale, changed_at = now()
  returning c.id into v_id;
  return v_id;
end
$$;

comment on function communication.set_contact_preference(text, uuid, text, text, boolean, uuid, communication.timemultirange, text) is 'about=Records what a person wants for a channel and category, in place of what stood there, and returns the row. An opt-in to promotional messages needs a consent (contact_preferences_promotional_needs_consent).';

create or replace function communication.after_quiet_hours(
  p_at timestamptz,
  p_quiet_hours communication.timemultirange,
  p_timezone text
) returns timestamptz
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_local timestamp := p_at at time zone p_timezone;
  v_end time;
begin
  -- hours that pass midnight are two ranges, so one step may lead into the next; four are more than any day has
  for v_step in 1..4 loop
    select coalesce(pg_catalog.upper(q.hours), '24:00') into v_end
    from pg_catalog.unnest(p_quiet_hours) as q (hours)
    where q.hours @> v_local::time;
    if not found then
      return v_local at time zone p_timezone;
    end if;
    v_local := pg_catalog.date_trunc('day', v_local) + v_end;
  end loop;
  return p_at; -- quiet all day: that would be an opt-out, not quiet hours
end
$$;

comment on function communication.after_quiet_hours(timestamptz, communication.timemultirange, text) is 'about=The first moment from p_at on that is outside the quiet hours of the time zone.';

-- Asking for a message, once per key, as far as the person wants it.
create or replace function communication.find_template(p_code text, p_channel text, p_locales text[])
  returns communication.notification_templates
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select t.*
  from communication.notification_templates t
  where
    t.code = p_code and t.channel = p_channel and t.status = 'active' and t.locale = any (p_locales)
    and (t.tenant_id = core.current_tenant_id() or t.tenant_id is null)
  order by pg_catalog.array_position(p_locales, t.locale), t.tenant_id nulls last, t.version desc
  limit 1
$$;

comment on function communication.find_template(text, text, text[]) is 'about=The active template in the first language of the list that there is one for: the tenant''s own before the shared one, the highest version.';

create or replace function communication.queue_notification(
  p_template text,
  p_channel text,
  p_recipient_type text,
  p_recipient_id uuid,
  p_purpose text,
  p_payload_enc bytea,
  p_dedupe_key text,
  p_priority text default 'normal',
  p_scheduled_at timestamptz default null,
  p_expires_at timestamptz default null,
  p_subject_type text default null,
  p_subject_id uuid default null,
  p_locale text default null,
  p_id uuid default null,
  out notification_id uuid,
  out status text,
  out scheduled_at timestamptz,
  out suppressed_reason text,
  out created boolean
) returns record
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant record;
  v_preferred_locale text;
  v_template communication.notification_templates;
  v_preference communication.contact_preferences;
  v_known communication.notifications;
begin
  select t.id, t.timezone, t.locale, t.country into strict v_tenant
  from core.tenants t
  where t.id = core.require_tenant();
  select c.locale into v_preferred_locale
  from communication.contact_preferences c
  where
    c.tenant_id = v_tenant.id and c.subject_type = p_recipient_type and c.subject_id = p_recipient_id
    and c.channel = p_channel and c.locale is not null
  order by c.changed_at desc
  limit 1;
  v_template := communication.find_template(
    p_template, p_channel, array[p_locale, v_preferred_locale, v_tenant.locale::text, 'en']
  );
  if v_template.id is null then
    raise exception 'no active template "%" for %', p_template, p_channel
      using errcode = 'IM005', hint = 'add one to communication.notification_templates and make it active';
  end if;
  if p_channel = 'sms' and v_tenant.country = 'IN' and v_template.dlt_template_id is null then
    raise exception 'template % has no DLT id', v_template.id
      using errcode = 'IM006', hint = 'add a version of the tenant with its dlt_template_id';
  end if;

  select c.* into v_preference
  from communication.contact_preferences c
  where
    c.tenant_id = v_tenant.id and c.subject_type = p_recipient_type and c.subject_id = p_recipient_id
    and c.channel = p_channel and c.category = v_template.category;
  scheduled_at := coalesce(p_scheduled_at, now());
  if p_priority <> 'critical' and v_preference.quiet_hours is not null then
    scheduled_at := communication.after_quiet_hours(scheduled_at, v_preference.quiet_hours, v_tenant.timezone);
  end if;
  suppressed_reason := case
    when v_preference.bounced then 'bounced'
    when not v_preference.opted_in then 'opted_out'
    when v_preference.id is null and v_template.category = 'promotional' then 'no_opt_in'
    when p_expires_at <= scheduled_at then 'quiet_until_expiry'
  end;
  status := case when suppressed_reason is null then 'pending' else 'suppressed' end;

  insert into communication.notifications as n (
    tenant_id, id, template_id, recipient_type, recipient_id, purpose, payload_enc, priority, dedupe_key,
    scheduled_at, expires_at, subject_type, subject_id, suppressed_reason, status
  )
  values (
    v_tenant.id, coalesce(p_id, core.uuid_v7()), v_template.id, p_recipient_type, p_recipient_id, p_purpose,
    p_payload_enc, p_priority, p_dedupe_key, queue_notification.scheduled_at, p_expires_at, p_subject_type,
    p_subject_id, queue_notification.suppressed_reason, queue_notification.status
  )
  on conflict (tenant_id, dedupe_key) do nothing
  returning n.id into notification_id;
  created := notification_id is not null;
  if created then
    return;
  end if;

  select n.* into strict v_known
  from communication.notifications n
  where n.tenant_id = v_tenant.id and n.dedupe_key = p_dedupe_key;
  -- ciphertexts of one text differ, so the content is what can be compared
  if
    (v_known.recipient_type, v_known.recipient_id, v_known.purpose, v_known.subject_id)
    is distinct from (p_recipient_type, p_recipient_id, p_purpose, p_subject_id)
  then
    raise exception 'key "%" was used for another notification', p_dedupe_key
      using errcode = 'IM011', hint = 'choose a new key for a new notification';
  end if;
  notification_id := v_known.id;
  status := v_known.status;
  scheduled_at := v_known.scheduled_at;
  suppressed_reason := v_known.suppressed_reason;
end
$$;

comment on function communication.queue_notification(text, text, text, uuid, text, bytea, text, text, timestamptz, timestamptz, text, uuid, text, uuid) is 'about=Asks for one message to one person. The same dedupe key gives the same notification (created false). It waits until quiet hours are over unless critical, and is kept as suppressed when the person opted out, never opted in to promotions, or the address bounced. IM005 no active template, IM006 no DLT id, IM011 same key for another message.';

create or replace function communication.cancel_notification(p_notification uuid) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  update communication.notifications n
  set status = 'cancelled'
  where n.tenant_id = core.require_tenant() and n.id = p_notification;
  if not found then
    raise exception 'notification % does not exist', p_notification
      using errcode = 'IM005', hint = 'list communication.notifications';
  end if;
end
$$;

comment on function communication.cancel_notification(uuid) is 'about=Takes back a notification that nobody has begun to send; again changes nothing. IM001 it is being sent or was sent, IM005 no such notification.';

-- Sending: a dispatcher claims due notifications, sends them, reports. Claims are per tenant, as everywhere.
create or replace function communication.claim_notifications(p_limit int default 50, p_lease interval default interval '5 minutes')
  returns setof communication.notifications
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_notification communication.notifications;
begin
  -- a dispatcher that died left these behind
  for v_notification in
    select n.*
    from communication.notifications n
    where n.tenant_id = v_tenant and n.status = 'processing' and n.updated_at < now() - p_lease
    order by n.updated_at
    limit p_limit
    for update skip locked
  loop
    update communication.notifications n
    set status = 'failed'
    where n.tenant_id = v_tenant and n.id = v_notification.id;
    update communication.notifications n
    set status = 'pending'
    where n.tenant_id = v_tenant and n.id = v_notification.id;
  end loop;

  for v_notification in
    select n.*
    from communication.notifications n
    where n.tenant_id = v_tenant and n.status = 'pending' and n.scheduled_at <= now()
    order by n.scheduled_at
    limit p_limit
    for update skip locked
  loop
    update communication.notifications n
    set status = case when n.expires_at <= now() then 'cancelled' else 'processing' end
    where n.tenant_id = v_tenant and n.id = v_notification.id
    returning n.* into v_notification;
    if v_notification.status = 'processing' then
      return next v_notification;
    end if;
  end loop;
end
$$;

comment on function communication.claim_notifications(int, interval) is 'about=Takes up to p_limit due notifications of the tenant for sending; expired ones are cancelled instead, and those that a dispatcher held longer than p_lease are taken over.';

create or replace function communication.finish_notification(p_notification uuid, p_status text) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_status not in ('sent', 'partially_sent', 'failed', 'read', 'dead', 'pending') then
    raise exception 'unknown result "%"', p_status
      using errcode = '22023', hint = 'use sent, partially_sent, failed, read, dead, or pending to try again';
  end if;
  update communication.notifications n
  set status = p_status, read_at = case when p_status = 'read' then coalesce(n.read_at, now()) else n.read_at end
  where n.tenant_id = core.require_tenant() and n.id = p_notification;
  if not found then
    raise exception 'notification % does not exist', p_notification
      using errcode = 'IM005', hint = 'list communication.notifications';
  end if;
end
$$;

comment on function communication.finish_notification(uuid, text) is 'about=Reports what became of a notification: sent, partially_sent, failed, then read, or dead, or pending to try a failed one again. IM001 the move is not allowed, IM005 no such notification.';

create or replace function communication.record_delivery(
  p_channel text,
  p_provider_ref text,
  p_status text,
  p_at timestamptz,
  p_error_code text default null,
  p_provider text default null
) returns boolean
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_machine text := 'communication.' || p_channel || '_messages';
  v_message record;
begin
  if p_channel not in ('sms', 'whatsapp', 'email') then
    raise exception 'channel "%" has no delivery reports', p_channel
      using errcode = '22023', hint = 'use sms, whatsapp or email';
  end if;
  execute pg_catalog.format(
    'select m.id, m.created_at, m.status from communication.%I m
     where m.tenant_id = $1 and m.provider_ref = $2 %s
     order by m.created_at desc limit 1 for update',
    p_channel || '_messages', case when p_channel <> 'whatsapp' then 'and m.provider = $3' else '' end
  )
  into v_message
  using v_tenant, p_provider_ref, p_provider;
  if v_message.id is null then
    raise exception '% message "%" does not exist', p_channel, p_provider_ref
      using errcode = 'IM005', hint = 'the report may have overtaken the sender; repeat it in a moment';
  end if;
  -- reports come late and out of order: one that would go backwards says nothing new
  if not exists (
    select
    from core.transition_rules r
    where r.machine = v_machine and r.from_state = v_message.status and r.to_state = p_status
  ) then
    return false;
  end if;

  case p_channel
    when 'sms' then
      update communication.sms_messages m
      set
        status = p_status, error_code = coalesce(p_error_code, m.error_code),
        delivered_at = case when p_status = 'delivered' then p_at else m.delivered_at end
      where m.tenant_id = v_tenant and m.id = v_message.id and m.created_at = v_message.created_at;
    when 'whatsapp' then
      update communication.whatsapp_messages m
      set
        status = p_status, error_code = coalesce(p_error_code, m.error_code),
        delivered_at = case when p_status = 'delivered' then p_at else m.delivered_at end,
        read_at = case when p_status = 'read' then p_at else m.read_at end
      where m.tenant_id = v_tenant and m.id = v_message.id and m.created_at = v_message.created_at;
    when 'email' then
      update communication.email_messages m
      set
        status = p_status, error_code = coalesce(p_error_code, m.error_code),
        delivered_at = case when p_status = 'delivered' then p_at else m.delivered_at end,
        opened_at = case when p_status = 'opened' then p_at else m.opened_at end
      where m.tenant_id = v_tenant and m.id = v_message.id and m.created_at = v_message.created_at;
  end case;
  return true;
end
$$;

comment on function communication.record_delivery(text, text, text, timestamptz, text, text) is 'about=Takes a provider''s delivery report (p_provider is needed for sms and email). False when the message is already further. IM005 no such message.';

-- patient: functions

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

-- Merging duplicates: proposed by one person, approved by another, reversible. Rows of other modules keep the id of the
-- duplicate; whoever reads them follows merged_into_id, or listens to patient.merged.v1.
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

-- webhook: functions

-- Into the queue, and back into it.
create or replace function webhook.lock_order_key(p_tenant uuid, p_webhook uuid, p_order_key text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_order_key is not null then
    perform pg_catalog.pg_advisory_xact_lock(
      pg_catalog.hashtextextended(p_tenant::text || p_webhook::text || p_order_key, 850)
    );
  end if;
end
$$;

comment on function webhook.lock_order_key(uuid, uuid, text) is 'about=Held until commit by whoever puts an event of this key into the queue, so that numbers are committed in their order.';

create or replace function webhook.enqueue_event(
  p_webhook text,
  p_event_type text,
  p_dedupe_key text,
  p_payload_enc bytea,
  p_payload_hash bytea,
  p_order_key text default null,
  p_priority smallint default 5::smallint,
  p_due_at timestamptz default null,
  p_signature_ok boolean default null,
  p_id uuid default null,
  out event_id uuid,
  out status text,
  out created boolean
) returns record
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column -- status in ON CONFLICT is the column
declare
  v_tenant uuid := core.require_tenant();
  v_webhook webhook.integration_webhooks;
  v_known webhook.webhook_events;
begin
  select w.* into v_webhook
  from webhook.integration_webhooks w
  where w.tenant_id = v_tenant and w.code = p_webhook;
  if not found then
    raise exception 'webhook "%" does not exist', p_webhook
      using errcode = 'IM005', hint = 'register it in webhook.integration_webhooks';
  end if;
  if v_webhook.status = 'disabled' then
    raise exception 'webhook "%" is disabled', p_webhook
      using errcode = 'IM852', hint = 'see disabled_reason, then set its status to active';
  end if;
  if pg_catalog.cardinality(v_webhook.event_types) > 0 and not p_event_type = any (v_webhook.event_types) then
    raise exception 'webhook "%" does not take "%"', p_webhook, p_event_type
      using errcode = 'IM853', hint = 'add the type to its event_types';
  end if;
  status := case when v_webhook.direction = 'in' and p_signature_ok is not true then 'rejected' else 'pending' end;

  perform webhook.lock_order_key(v_tenant, v_webhook.id, p_order_key);
  insert into webhook.webhook_events (
    tenant_id, id, webhook_id, direction, event_type, dedupe_key, payload_enc, payload_hash, signature_ok,
    priority, order_key, max_attempts, next_attempt_at, finished_at, status
  )
  values (
    v_tenant, coalesce(p_id, core.uuid_v7()), v_webhook.id, v_webhook.direction, p_event_type, p_dedupe_key,
    p_payload_enc, p_payload_hash, case v_webhook.direction when 'in' then coalesce(p_signature_ok, false) end,
    p_priority, p_order_key, v_webhook.max_attempts, coalesce(p_due_at, now()),
    case enqueue_event.status when 'rejected' then now() end, enqueue_event.status
  )
  on conflict (tenant_id, webhook_id, dedupe_key) where status <> 'rejected' do nothing
  returning id into event_id;
  created := event_id is not null;
  if created then
    return;
  end if;

  select e.* into strict v_known
  from webhook.webhook_events e
  where
    e.tenant_id = v_tenant and e.webhook_id = v_webhook.id and e.dedupe_key = p_dedupe_key and e.status <> 'rejected';
  if v_known.payload_hash <> p_payload_hash or v_known.event_type <> p_event_type then
    raise exception 'key "%" of webhook "%" was used for another event', p_dedupe_key, p_webhook
      using errcode = 'IM011', hint = 'choose a new key for a new event';
  end if;
  event_id := v_known.id;
  status := v_known.status;
end
$$;

comment on function webhook.enqueue_event(text, text, text, bytea, bytea, text, smallint, timestamptz, boolean, uuid) is 'about=Puts an event into the queue of the endpoint with code p_webhook. The same dedupe key and content gives the same event (created false). An inbound event without a right signature is kept as rejected. p_id is for callers that bind the ciphertext to the row. IM005 no such endpoint, IM011 same key with other content, IM852 endpoint disabled, IM853 type not taken.';

create or replace function webhook.replay_event(p_event uuid) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_event webhook.webhook_events;
  v_number bigint;
begin
  select e.* into v_event from webhook.webhook_events e where e.tenant_id = v_tenant and e.id = p_event;
  if not found then
    raise exception 'event % does not exist', p_event using errcode = 'IM005', hint = 'list webhook.webhook_events';
  end if;
  perform webhook.lock_order_key(v_tenant, v_event.webhook_id, v_event.order_key);
  -- later events of its key may be done by now, so it starts again at the end
  v_number := pg_catalog.nextval('webhook.webhook_events_queue_number_seq');
  update webhook.webhook_events e
  set status = 'pending', attempts = 0, next_attempt_at = now(), finished_at = null, queue_number = v_number
  where e.tenant_id = v_tenant and e.id = p_event and e.status = 'dead';
  if not found then
    raise exception 'event % is not dead', p_event
      using errcode = 'IM001', hint = 'only dead events are replayed; the others run by themselves or are done';
  end if;
end
$$;

comment on function webhook.replay_event(uuid) is 'about=Puts a dead event back into the queue, behind the others of its order key, with all its attempts. IM001 the event is not dead, IM005 no such event.';

-- Claims: a worker takes due events under a lease with a fencing token. The claim is per tenant: a worker walks
-- core.active_tenants(), which also keeps one busy tenant from starving the others.
create or replace function webhook.release_expired_leases(p_limit int default 100) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_event webhook.webhook_events;
  v_released int := 0;
begin
  for v_event in
    select e.*
    from webhook.webhook_events e
    where e.tenant_id = v_tenant and e.status = 'processing' and e.locked_until < now()
    order by e.locked_until
    limit p_limit
    for update skip locked
  loop
    insert into webhook.webhook_logs
      (tenant_id, event_id, webhook_id, attempt_no, attempted_at, worker, duration_ms, outcome, error)
    values (
      v_tenant, v_event.id, v_event.webhook_id, v_event.attempts, v_event.claimed_at, v_event.locked_by,
      (extract(epoch from v_event.locked_until - v_event.claimed_at) * 1000)::int, 'lost_lock', 'the lease ran out'
    );
    update webhook.webhook_events e
    set
      status = case when e.attempts >= e.max_attempts then 'dead' else 'retry' end,
      next_attempt_at = now(),
      finished_at = case when e.attempts >= e.max_attempts then now() end,
      last_error = 'the lease ran out', locked_by = null, locked_until = null, lock_token = null
    where e.tenant_id = v_tenant and e.id = v_event.id;
    v_released := v_released + 1;
  end loop;
  return v_released;
end
$$;

comment on function webhook.release_expired_leases(int) is 'about=Gives up to p_limit events whose lease ran out back to the queue (their attempt counts) and returns how many. Every claim does it first.';

create or replace function webhook.claim_events(
  p_worker text,
  p_limit int default 20,
  p_lease interval default interval '30 seconds',
  p_directions text[] default null,
  p_types text[] default null
) returns setof webhook.webhook_events
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_token uuid := pg_catalog.gen_random_uuid();
  v_event webhook.webhook_events;
begin
  if p_limit not between 1 and 1000 or p_lease not between interval '1 second' and interval '1 hour' then
    raise exception 'limit % or lease % is out of range', p_limit, p_lease
      using errcode = '22023', hint = 'claim 1 to 1000 events for 1 second to 1 hour';
  end if;
  perform webhook.release_expired_leases(p_limit);

  for v_event in
    select e.*
    from webhook.webhook_events e
    where
      e.tenant_id = v_tenant
      and e.status in ('pending', 'retry')
      and e.next_attempt_at <= now()
      and (p_directions is null or e.direction = any (p_directions))
      and (p_types is null or e.event_type = any (p_types))
      and exists (
        select
        from webhook.integration_webhooks w
        where w.tenant_id = v_tenant and w.id = e.webhook_id and w.status = 'active'
      )
      -- nothing overtakes an unfinished event of its key, whoever holds that one
      and (
        e.order_key is null
        or not exists (
          select
          from webhook.webhook_events older
          where
            older.tenant_id = v_tenant
            and older.webhook_id = e.webhook_id
            and older.order_key = e.order_key
            and older.queue_number < e.queue_number
            and older.status in ('pending', 'processing', 'retry')
        )
      )
    order by e.priority, e.next_attempt_at, e.queue_number
    limit p_limit
    for update of e skip locked
  loop
    update webhook.webhook_events e
    set
      status = 'processing', attempts = e.attempts + 1, claimed_at = now(), locked_by = p_worker,
      lock_token = v_token, locked_until = now() + p_lease
    where e.tenant_id = v_tenant and e.id = v_event.id
    returning e.* into v_event;
    return next v_event;
  end loop;
end
$$;

comment on function webhook.claim_events(text, int, interval, text[], text[]) is 'about=Claims up to p_limit due events of the tenant by priority, then age; of an order key only the oldest unfinished one. All carry the same lock_token. Events of paused and disabled endpoints wait.';

create or replace function webhook.claim_next_event(
  p_worker text,
  p_lease interval default interval '30 seconds',
  p_directions text[] default null,
  p_types text[] default null
) returns setof webhook.webhook_events
  language sql
  security definer
  set search_path = pg_catalog, pg_temp
as $$ select * from webhook.claim_events(p_worker, 1, p_lease, p_directions, p_types) $$;

comment on function webhook.claim_next_event(text, interval, text[], text[]) is 'about=Claims the next due event of the tenant with its lock_token; no row when there is none.';

create or replace function webhook.extend_lease(p_event uuid, p_lock_token uuid, p_lease interval default interval '30 seconds')
  returns timestamptz
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_until timestamptz;
begin
  update webhook.webhook_events e
  set locked_until = now() + p_lease
  where
    e.tenant_id = core.require_tenant() and e.id = p_event
    and e.status = 'processing' and e.lock_token = p_lock_token
  returning e.locked_until into v_until;
  if not found then
    raise exception 'the lock on event % was lost', p_event
      using errcode = 'IM850', hint = 'another worker may have taken it over; stop working on it';
  end if;
  return v_until;
end
$$;

comment on function webhook.extend_lease(uuid, uuid, interval) is 'about=Prolongs the lease of a claimed event from now on and returns its new end. IM850 the lock was lost.';

-- The end of an attempt. The token fences: a worker that slept through its lease cannot overwrite another's result.
create or replace function webhook.retry_delay(p_backoff jsonb, p_event uuid, p_attempt int) returns interval
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  -- between half and the whole of the exponential delay; the fraction is a hash, so that a repeat gives the same time
  select interval '1 millisecond' * (
    least(
      coalesce((p_backoff ->> 'max_ms')::double precision, 3600000),
      coalesce((p_backoff ->> 'base_ms')::double precision, 1000)
        * coalesce((p_backoff ->> 'factor')::double precision, 2) ^ (p_attempt - 1)
    )
    * (0.5 + (pg_catalog.hashtextextended(p_event::text, p_attempt) & 65535)::double precision / 131072)
  )
$$;

comment on function webhook.retry_delay(jsonb, uuid, int) is 'about=How long to wait after attempt p_attempt (1 for the first): exponential with jitter, at most max_ms.';

create or replace function webhook.without_credentials(p_headers jsonb) returns jsonb
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(pg_catalog.jsonb_object_agg(pg_catalog.lower(h.key), h.value), '{}')
  from pg_catalog.jsonb_each(p_headers) as h
  where pg_catalog.lower(h.key) !~ '^(authorization|proxy-authorization|cookie|set-cookie)$|token|secret|signature|api-?key'
$$;

comment on function webhook.without_credentials(jsonb) is 'about=Headers in lower case without those that carry credentials or signatures.';

create or replace function webhook.mark_event_result(
  p_event uuid,
  p_lock_token uuid,
  p_outcome text,
  p_response_status int,
  p_error text,
  p_duration_ms int,
  p_response_excerpt text default null,
  p_retry_after interval default null,
  p_request_headers jsonb default '{}'
) returns text
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_event webhook.webhook_events;
  v_webhook webhook.integration_webhooks;
  v_gone boolean := p_response_status = 410;
  v_status text;
  v_next timestamptz;
begin
  if p_outcome not in ('success', 'retryable', 'permanent', 'timeout') then
    raise exception 'unknown outcome "%"', p_outcome
      using errcode = '22023', hint = 'use success, retryable, permanent or timeout';
  end if;
  select e.* into v_event
  from webhook.webhook_events e
  where e.tenant_id = v_tenant and e.id = p_event
  for update;
  if not found then
    raise exception 'event % does not exist', p_event using errcode = 'IM005', hint = 'claim an event first';
  end if;
  if v_event.status <> 'processing' then
    raise exception 'event % is not being processed but "%"', p_event, v_event.status
      using errcode = 'IM851', hint = 'drop the result: it was reported before, or the lease was lost';
  end if;
  if v_event.lock_token is distinct from p_lock_token then
    raise exception 'the lock on event % was lost', p_event
      using errcode = 'IM850', hint = 'drop the result: another worker took the event over after the lease';
  end if;
  select w.* into strict v_webhook
  from webhook.integration_webhooks w
  where w.tenant_id = v_tenant and w.id = v_event.webhook_id;

  v_status := case
    when p_outcome = 'success' then 'succeeded'
    when p_outcome = 'permanent' or v_gone or v_event.attempts >= v_event.max_attempts then 'dead'
    else 'retry'
  end;
  v_next := now();
  if v_status = 'retry' then
    -- what the receiver asks for counts, but no receiver holds an event for more than a day
    v_next := v_next + greatest(
      webhook.retry_delay(v_webhook.backoff, p_event, v_event.attempts), least(coalesce(p_retry_after, interval '0'), interval '1 day')
    );
  end if;

  -- the endpoint before the event's children: it is the aggregate's root
  if p_outcome = 'success' then
    update webhook.integration_webhooks w
    set failure_count = 0
    where w.tenant_id = v_tenant and w.id = v_webhook.id and w.failure_count <> 0;
  else
    update webhook.integration_webhooks w
    set
      failure_count = w.failure_count + 1,
      status = case when v_gone then 'disabled' else w.status end,
      disabled_reason = case when v_gone then 'the endpoint answered 410 Gone' else w.disabled_reason end
    where w.tenant_id = v_tenant and w.id = v_webhook.id;
  end if;

  update webhook.webhook_events e
  set
    status = v_status, next_attempt_at = v_next,
    finished_at = case when v_status <> 'retry' then now() end,
    last_error = case when p_outcome <> 'success' then pg_catalog.left(coalesce(p_error, p_outcome), 500) end,
    locked_by = null, locked_until = null, lock_token = null
  where e.tenant_id = v_tenant and e.id = p_event;

  insert into webhook.webhook_logs (
    tenant_id, event_id, webhook_id, attempt_no, attempted_at, worker, request_headers, response_status,
    response_excerpt, duration_ms, outcome, error
  )
  values (
    v_tenant, p_event, v_event.webhook_id, v_event.attempts, v_event.claimed_at, v_event.locked_by,
    webhook.without_credentials(p_request_headers), p_response_status::smallint,
    pg_catalog.left(p_response_excerpt, 2048), p_duration_ms, p_outcome, pg_catalog.left(p_error, 500)
  );
  return v_status;
end
$$;

comment on function webhook.mark_event_result(uuid, uuid, text, int, text, int, text, interval, jsonb) is 'about=Reports an attempt (success, retryable, timeout or permanent), writes the log and returns the event''s new status: succeeded, retry, or dead when attempts are used up, the failure is permanent or the endpoint answered 410, which also disables the endpoint. IM005 no such event, IM850 lock lost, IM851 not being processed.';

-- scheduling: functions

-- Clinic time and appointment numbers.
create or replace function scheduling.clinic_today(p_clinic_id uuid) returns date
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_timezone text;
begin
  select c.timezone into v_timezone
  from facility.clinics c
  where c.tenant_id = v_tenant and c.id = p_clinic_id;
  if not found then
    raise exception 'clinic % does not exist', p_clinic_id
      using errcode = 'IM005', hint = 'choose a clinic of the tenant';
  end if;
  return (now() at time zone v_timezone)::date;
end
$$;

comment on function scheduling.clinic_today(uuid) is 'about=The date in the time zone of a clinic. IM005 no such clinic.';

create or replace function scheduling.generate_appointment_number(p_clinic_id uuid, p_on date default null) returns text
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_code text;
begin
  select c.code into v_code
  from facility.clinics c
  where c.tenant_id = v_tenant and c.id = p_clinic_id;
  if not found then
    raise exception 'clinic % does not exist', p_clinic_id
      using errcode = 'IM005', hint = 'choose a clinic of the tenant';
  end if;
  -- a new clinic has no series yet: describe it once, its counter then starts by itself every day
  if not exists (
    select
    from core.id_sequences s
    where s.tenant_id = v_tenant and s.scope = 'appointment' and s.series = v_code and s.period_key = ''
  ) then
    perform core.configure_series('appointment', v_code, 'APT-' || v_code || '-{YYYY}{MM}{DD}-', 4, 'day');
  end if;
  return core.next_number('appointment', v_code, coalesce(p_on, scheduling.clinic_today(p_clinic_id)));
end
$$;

comment on function scheduling.generate_appointment_number(uuid, date) is 'about=The next appointment number of a clinic and day, APT-<clinic code>-<yyyymmdd>-<n>; today at the clinic unless a date is given. Gapless: the counter stays locked until the transaction ends. IM005 no such clinic.';

-- What stands between a patient and a slot. These helpers belong to the operations of scheduling and booking; no
-- application role may call them.
create or replace function scheduling.is_closed(
  p_tenant_id uuid,
  p_clinic_id uuid,
  p_doctor_id uuid,
  p_department_id uuid,
  p_local_start timestamp,
  p_local_end timestamp
) returns boolean
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_date date := p_local_start::date;
begin
  return exists (
    select
    from scheduling.schedules c
    where
      c.tenant_id = p_tenant_id
      and c.kind = 'closed'
      and c.clinic_id = p_clinic_id
      -- a doctor's leave holds in every department, a department's holiday for every doctor
      and (c.doctor_id = p_doctor_id or (c.doctor_id is null and c.department_id = p_department_id))
      and (c.on_date = v_date or c.weekday = extract(isodow from v_date))
      and c.valid_during @> v_date
      and v_date + c.start_time < p_local_end
      and v_date + c.end_time > p_local_start
  );
end
$$;

comment on function scheduling.is_closed(uuid, uuid, uuid, uuid, timestamp, timestamp) is 'about=Whether a closed schedule of the doctor or department covers part of the time, given as wall-clock time of the clinic.';

create or replace function scheduling.slot_refusal(p_slot scheduling.appointment_slots, p_places int default 1) returns text
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_timezone text;
begin
  if p_slot.status = 'cancelled' then
    return 'IM100';
  end if;
  if p_slot.status = 'past' or p_slot.starts_at <= now() then
    return 'IM102';
  end if;
  if p_slot.status = 'blocked' then
    return 'IM105';
  end if;
  select c.timezone into v_timezone
  from facility.clinics c
  where c.tenant_id = p_slot.tenant_id and c.id = p_slot.clinic_id;
  if scheduling.is_closed(
    p_slot.tenant_id, p_slot.clinic_id, p_slot.doctor_id, p_slot.department_id,
    p_slot.starts_at at time zone v_timezone, p_slot.ends_at at time zone v_timezone
  ) then
    return 'IM105';
  end if;
  if p_places > 0 and p_slot.booked_count + p_slot.held_count + p_places > p_slot.capacity + p_slot.overbook_limit then
    return 'IM101';
  end if;
  return null;
end
$$;

comment on function scheduling.slot_refusal(scheduling.appointment_slots, int) is 'about=Why a slot takes no more patients, as a failure code, or null: IM100 cancelled, IM101 full, IM102 past, IM105 doctor away or slot blocked.';

create or replace function scheduling.change_slot_counts(p_tenant_id uuid, p_slot_id uuid, p_booked int, p_held int) returns boolean
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  -- one conditional update: it waits for the row lock, then decides on the newest counts
  update scheduling.appointment_slots s
  set booked_count = s.booked_count + p_booked, held_count = s.held_count + p_held
  where
    s.tenant_id = p_tenant_id
    and s.id = p_slot_id
    and (
      p_booked + p_held <= 0
      or (
        s.status = 'open'
        and s.starts_at > now()
        and s.booked_count + s.held_count + p_booked + p_held <= s.capacity + s.overbook_limit
      )
    );
  return found;
end
$$;

comment on function scheduling.change_slot_counts(uuid, uuid, int, int) is 'about=Takes places of a slot or gives them back; false when the slot is not open, past or has too few places. Locks the slot until the transaction ends.';

create or replace function scheduling.patient_is_busy(
  p_tenant_id uuid,
  p_patient_id uuid,
  p_starts_at timestamptz,
  p_ends_at timestamptz,
  p_except uuid default null
) returns boolean
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  -- Two bookings of one patient for different slots share no row: this lock makes the second wait until the first is
  -- visible. The query below must begin after it, hence read committed.
  perform pg_catalog.pg_advisory_xact_lock(
    pg_catalog.hashtextextended('scheduling.patient ' || p_tenant_id || ' ' || p_patient_id, 0)
  );
  return exists (
    select
    from scheduling.appointments a
    where
      a.tenant_id = p_tenant_id
      and a.patient_id = p_patient_id
      and a.starts_at < p_ends_at
      and a.ends_at > p_starts_at
      and a.status in ('booked', 'confirmed', 'checked_in', 'in_consultation')
      and a.deleted_at is null
      and a.id is distinct from p_except
  );
end
$$;

comment on function scheduling.patient_is_busy(uuid, uuid, timestamptz, timestamptz, uuid) is 'about=Whether the patient has a live appointment in part of the time. Locks the patient''s calendar until the transaction ends.';

create or replace function scheduling.add_appointment(
  p_slot scheduling.appointment_slots,
  p_patient_id uuid,
  p_type text,
  p_channel text,
  p_priority text,
  p_reason_enc bytea,
  p_fee_status text,
  p_booking_request_id uuid,
  p_rescheduled_from_id uuid
) returns scheduling.appointments
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_date date;
  v_appointment scheduling.appointments;
begin
  select (p_slot.starts_at at time zone c.timezone)::date into v_date
  from facility.clinics c
  where c.tenant_id = p_slot.tenant_id and c.id = p_slot.clinic_id;

  insert into scheduling.appointments as a (
    tenant_id, appointment_number, patient_id, clinic_id, doctor_id, department_id, slot_id, starts_at, ends_at,
    type, channel, priority, reason_enc, fee_status, booking_request_id, rescheduled_from_id, status
  )
  values (
    p_slot.tenant_id, scheduling.generate_appointment_number(p_slot.clinic_id, v_date), p_patient_id,
    p_slot.clinic_id, p_slot.doctor_id, p_slot.department_id, p_slot.id, p_slot.starts_at, p_slot.ends_at,
    p_type, p_channel, coalesce(p_priority, 'routine'), p_reason_enc, coalesce(p_fee_status, 'unpaid'),
    p_booking_request_id, p_rescheduled_from_id, 'booked'
  )
  returning a.* into v_appointment;
  return v_appointment;
end
$$;

comment on function scheduling.add_appointment(scheduling.appointment_slots, uuid, text, text, text, bytea, text, uuid, uuid) is 'about=Writes a booked appointment in a slot whose place the caller has taken; takes its number last.';

-- From schedules to bookable slots.
create or replace function scheduling.generate_slots(
  p_from date,
  p_to date,
  p_doctor_id uuid default null,
  p_schedule_id uuid default null
) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_rule record;
  v_local timestamp;
  v_until timestamp;
  v_length interval;
  v_row_count int;
  v_made int := 0;
begin
  if p_to < p_from or p_to > p_from + 366 then
    raise exception 'cannot generate slots from % to %', p_from, p_to
      using errcode = '22023', hint = 'give a first and a last day at most 366 days apart';
  end if;
  if p_schedule_id is not null and not exists (
    select from scheduling.schedules s where s.tenant_id = v_tenant and s.id = p_schedule_id
  ) then
    raise exception 'schedule % does not exist', p_schedule_id
      using errcode = 'IM005', hint = 'choose a schedule of the tenant';
  end if;

  for v_rule in
    select
      s.id, s.clinic_id, s.doctor_id, s.department_id, s.location_id, s.capacity_per_slot, s.slot_minutes,
      d.day + s.start_time as local_start, d.day + s.end_time as local_end, c.timezone
    from scheduling.schedules s
    join facility.clinics c on c.tenant_id = s.tenant_id and c.id = s.clinic_id
    cross join lateral (
      select g::date as day from pg_catalog.generate_series(p_from::timestamp, p_to::timestamp, interval '1 day') g
    ) d
    where
      s.tenant_id = v_tenant
      and s.kind in ('regular', 'extra')
      and (p_doctor_id is null or s.doctor_id = p_doctor_id)
      and (p_schedule_id is null or s.id = p_schedule_id)
      and (s.on_date = d.day or s.weekday = extract(isodow from d.day))
      and s.valid_during @> d.day
    order by d.day, s.start_time, s.id
  loop
    v_length := pg_catalog.make_interval(mins => v_rule.slot_minutes);
    v_local := v_rule.local_start;
    while v_local + v_length <= v_rule.local_end loop
      v_until := v_local + v_length;
      if not scheduling.is_closed(
        v_tenant, v_rule.clinic_id, v_rule.doctor_id, v_rule.department_id, v_local, v_until
      ) then
        -- a slot that is there already, or whose time the doctor has given to another clinic, stays as it is
        insert into scheduling.appointment_slots (
          tenant_id, clinic_id, doctor_id, department_id, location_id, schedule_id, starts_at, ends_at, capacity
        )
        values (
          v_tenant, v_rule.clinic_id, v_rule.doctor_id, v_rule.department_id, v_rule.location_id, v_rule.id,
          v_local at time zone v_rule.timezone, (v_local at time zone v_rule.timezone) + v_length,
          v_rule.capacity_per_slot
        )
        on conflict do nothing;
        get diagnostics v_row_count = row_count;
        v_made := v_made + v_row_count;
      end if;
      v_local := v_until;
    end loop;
  end loop;
  return v_made;
end
$$;

comment on function scheduling.generate_slots(date, date, uuid, uuid) is 'about=Makes the slots of the regular and extra schedules from p_from to p_to (dates of the clinics, both included), leaving out closed time; all schedules, one doctor''s or one schedule. Returns how many are new; repeating it makes nothing twice. IM005 no such schedule.';

create or replace function scheduling.close_past_slots(p_limit int default 1000) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_slot_id uuid;
  v_closed int := 0;
begin
  for v_slot_id in
    select s.id
    from scheduling.appointment_slots s
    where s.tenant_id = v_tenant and s.status in ('open', 'full', 'blocked') and s.ends_at <= now()
    order by s.ends_at, s.id
    limit p_limit
    for no key update skip locked
  loop
    update scheduling.appointment_slots s set status = 'past' where s.tenant_id = v_tenant and s.id = v_slot_id;
    v_closed := v_closed + 1;
  end loop;
  return v_closed;
end
$$;

comment on function scheduling.close_past_slots(int) is 'about=Marks up to p_limit slots that are over as past, and returns how many. For a job that runs every few minutes; bookings of the past are refused without it as well.';

-- From booking to the end of the visit. Each operation locks the appointment, answers the same when it is repeated, and
-- keeps the slot's count and the patient's token in step.
create or replace function scheduling.lock_appointment(p_appointment_id uuid) returns scheduling.appointments
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_appointment scheduling.appointments;
begin
  select a.* into v_appointment
  from scheduling.appointments a
  where a.tenant_id = v_tenant and a.id = p_appointment_id and a.deleted_at is null
  for no key update;
  if not found then
    raise exception 'appointment % does not exist', p_appointment_id
      using errcode = 'IM005', hint = 'choose an appointment of the tenant that is not deleted';
  end if;
  return v_appointment;
end
$$;

comment on function scheduling.lock_appointment(uuid) is 'about=The appointment, locked until the transaction ends. IM005 no such appointment.';

create or replace function scheduling.set_appointment_status(
  p_appointment scheduling.appointments,
  p_status scheduling.appointment_status
) returns scheduling.appointments
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_appointment scheduling.appointments;
begin
  update scheduling.appointments a
  set status = p_status
  where a.tenant_id = p_appointment.tenant_id and a.id = p_appointment.id
  returning a.* into v_appointment;
  return v_appointment;
end
$$;

comment on function scheduling.set_appointment_status(scheduling.appointments, scheduling.appointment_status) is 'about=Moves an appointment that the caller has locked. IM001 the state machine has no such move.';

create or replace function scheduling.release_token(p_appointment scheduling.appointments) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  update scheduling.queue_management q
  set status = 'left'
  where
    q.tenant_id = p_appointment.tenant_id
    and q.appointment_id = p_appointment.id
    and q.status in ('waiting', 'called', 'skipped');
end
$$;

comment on function scheduling.release_token(scheduling.appointments) is 'about=Takes the appointment''s token, if it still waits, out of its queue.';

create or replace function scheduling.confirm_appointment(p_appointment_id uuid) returns scheduling.appointments
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_appointment scheduling.appointments := scheduling.lock_appointment(p_appointment_id);
begin
  if v_appointment.status = 'confirmed' then
    return v_appointment;
  end if;
  return scheduling.set_appointment_status(v_appointment, 'confirmed');
end
$$;

comment on function scheduling.confirm_appointment(uuid) is 'about=The patient said that they will come: booked to confirmed. IM001 not booked, IM005 no such appointment.';

create or replace function scheduling.cancel_appointment(p_appointment_id uuid, p_reason text) returns scheduling.appointments
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_appointment scheduling.appointments := scheduling.lock_appointment(p_appointment_id);
begin
  if v_appointment.status = 'cancelled' then
    return v_appointment;
  end if;
  if coalesce(pg_catalog.btrim(p_reason), '') = '' then
    raise exception 'appointment % needs a reason to be cancelled', p_appointment_id
      using errcode = 'IM002', hint = 'say why in p_reason';
  end if;
  if v_appointment.status in ('booked', 'confirmed') and v_appointment.ends_at <= now() then
    raise exception 'appointment % is over', p_appointment_id
      using errcode = 'IM108', hint = 'use scheduling.mark_no_show';
  end if;
  perform core.set_reason(p_reason);
  if v_appointment.slot_id is not null and v_appointment.status in ('booked', 'confirmed', 'checked_in') then
    perform scheduling.change_slot_counts(v_appointment.tenant_id, v_appointment.slot_id, -1, 0);
  end if;
  update scheduling.appointments a
  set status = 'cancelled', cancelled_reason = p_reason
  where a.tenant_id = v_appointment.tenant_id and a.id = v_appointment.id
  returning a.* into v_appointment;
  perform scheduling.release_token(v_appointment);
  return v_appointment;
end
$$;

comment on function scheduling.cancel_appointment(uuid, text) is 'about=Cancels an appointment that has not begun, and gives its place in the slot back. IM001 it cannot be cancelled any more, IM002 no reason, IM005 no such appointment, IM108 its time is over.';

create or replace function scheduling.mark_no_show(p_appointment_id uuid) returns scheduling.appointments
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_appointment scheduling.appointments := scheduling.lock_appointment(p_appointment_id);
begin
  if v_appointment.status = 'no_show' then
    return v_appointment;
  end if;
  if v_appointment.starts_at > now() then
    raise exception 'appointment % has not begun yet', p_appointment_id
      using errcode = 'IM001', hint = 'wait for its start, or use scheduling.cancel_appointment';
  end if;
  return scheduling.set_appointment_status(v_appointment, 'no_show');
end
$$;

comment on function scheduling.mark_no_show(uuid) is 'about=The patient did not come; the place stays taken. IM001 not booked or confirmed, or not begun yet, IM005 no such appointment.';

create or replace function scheduling.mark_left(p_appointment_id uuid) returns scheduling.appointments
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_appointment scheduling.appointments := scheduling.lock_appointment(p_appointment_id);
begin
  if v_appointment.status = 'left' then
    return v_appointment;
  end if;
  v_appointment := scheduling.set_appointment_status(v_appointment, 'left');
  perform scheduling.release_token(v_appointment);
  return v_appointment;
end
$$;

comment on function scheduling.mark_left(uuid) is 'about=The patient checked in and left without being seen; the token leaves its queue. IM001 not checked in, IM005 no such appointment.';

create or replace function scheduling.start_consultation(p_appointment_id uuid, p_encounter_id uuid default null)
  returns scheduling.appointments
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_appointment scheduling.appointments := scheduling.lock_appointment(p_appointment_id);
begin
  if v_appointment.status = 'in_consultation' then
    return v_appointment;
  end if;
  update scheduling.appointments a
  set status = 'in_consultation', encounter_id = coalesce(p_encounter_id, a.encounter_id)
  where a.tenant_id = v_appointment.tenant_id and a.id = v_appointment.id
  returning a.* into v_appointment;
  -- a doctor may fetch the patient without calling the token: then it is called now
  update scheduling.queue_management q
  set status = 'waiting'
  where q.tenant_id = v_appointment.tenant_id and q.appointment_id = v_appointment.id and q.status = 'skipped';
  update scheduling.queue_management q
  set status = 'called', called_at = greatest(now(), q.issued_at)
  where q.tenant_id = v_appointment.tenant_id and q.appointment_id = v_appointment.id and q.status = 'waiting';
  update scheduling.queue_management q
  set status = 'in_service', started_at = greatest(now(), q.called_at)
  where q.tenant_id = v_appointment.tenant_id and q.appointment_id = v_appointment.id and q.status = 'called';
  return v_appointment;
end
$$;

comment on function scheduling.start_consultation(uuid, uuid) is 'about=Checked in to in consultation, with the encounter when there is one already; the token goes into service. IM001 not checked in, IM005 no such appointment.';

create or replace function scheduling.complete_appointment(p_appointment_id uuid) returns scheduling.appointments
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_appointment scheduling.appointments := scheduling.lock_appointment(p_appointment_id);
begin
  if v_appointment.status = 'completed' then
    return v_appointment;
  end if;
  v_appointment := scheduling.set_appointment_status(v_appointment, 'completed');
  update scheduling.queue_management q
  set status = 'done', finished_at = greatest(now(), q.started_at)
  where q.tenant_id = v_appointment.tenant_id and q.appointment_id = v_appointment.id and q.status = 'in_service';
  return v_appointment;
end
$$;

comment on function scheduling.complete_appointment(uuid) is 'about=The consultation is over; the token is done. IM001 not in consultation, IM005 no such appointment.';

-- Rescheduling makes a new appointment and keeps the old one: the history of a visit is a chain of rows.
create or replace function scheduling.reschedule_appointment(p_appointment_id uuid, p_slot_id uuid, p_reason text default null)
  returns scheduling.appointments
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_old scheduling.appointments := scheduling.lock_appointment(p_appointment_id);
  v_new scheduling.appointments;
  v_slot scheduling.appointment_slots;
  v_failure text;
begin
  if v_old.status = 'rescheduled' then -- asked again: the same answer, if the slot is the same
    select a.* into v_new
    from scheduling.appointments a
    where a.tenant_id = v_old.tenant_id and a.rescheduled_from_id = v_old.id and a.slot_id = p_slot_id;
    if found then
      return v_new;
    end if;
  end if;
  if v_old.status not in ('booked', 'confirmed') then
    raise exception 'appointment % is %', p_appointment_id, v_old.status
      using errcode = 'IM001', hint = 'only a booked or confirmed appointment can be rescheduled';
  end if;
  if v_old.starts_at <= now() then
    raise exception 'appointment % has begun', p_appointment_id
      using errcode = 'IM108', hint = 'book a new appointment';
  end if;
  if v_old.slot_id = p_slot_id then
    raise exception 'appointment % is in slot % already', p_appointment_id, p_slot_id
      using errcode = '22023', hint = 'choose another slot';
  end if;

  select s.* into v_slot
  from scheduling.appointment_slots s
  where s.tenant_id = v_old.tenant_id and s.id = p_slot_id;
  if not found then
    raise exception 'slot % does not exist', p_slot_id using errcode = 'IM100', hint = 'choose a slot of the tenant';
  end if;
  v_failure := scheduling.slot_refusal(v_slot);
  if v_failure is null and scheduling.patient_is_busy(
    v_old.tenant_id, v_old.patient_id, v_slot.starts_at, v_slot.ends_at, v_old.id
  ) then
    v_failure := 'IM103';
  end if;
  if v_failure is null then
    -- both counters in the order of their ids, so that two moves in opposite directions cannot block each other
    if v_old.slot_id < p_slot_id then
      perform scheduling.change_slot_counts(v_old.tenant_id, v_old.slot_id, -1, 0);
    end if;
    if not scheduling.change_slot_counts(v_old.tenant_id, p_slot_id, 1, 0) then
      v_failure := 'IM101';
    end if;
    if v_old.slot_id > p_slot_id then
      perform scheduling.change_slot_counts(v_old.tenant_id, v_old.slot_id, -1, 0);
    end if;
  end if;
  if v_failure is not null then
    raise exception 'appointment % cannot move to slot %: %', p_appointment_id, p_slot_id,
      case v_failure
        when 'IM100' then 'the slot is cancelled'
        when 'IM101' then 'the slot is full'
        when 'IM102' then 'the slot is past'
        when 'IM103' then 'the patient has another appointment then'
        else 'the doctor is away'
      end
      using errcode = v_failure, hint = 'choose another slot';
  end if;

  if p_reason is not null then
    perform core.set_reason(p_reason);
  end if;
  perform scheduling.set_appointment_status(v_old, 'rescheduled');
  return scheduling.add_appointment(
    v_slot, v_old.patient_id, v_old.type, v_old.channel, v_old.priority, v_old.reason_enc, v_old.fee_status,
    null, v_old.id
  );
end
$$;

comment on function scheduling.reschedule_appointment(uuid, uuid, text) is 'about=Moves a booked or confirmed appointment to another slot and returns the new one, which names the old in rescheduled_from_id. The old place is free exactly when the new one is taken. IM001 not booked or confirmed, IM005 no such appointment, IM100 no such slot, IM101 full, IM102 past, IM103 patient has another appointment, IM105 doctor away, IM108 the appointment has begun.';

-- Tokens: issue and transfer.
create or replace function scheduling.add_token(p_token scheduling.queue_management) returns scheduling.queue_management
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_label text;
  v_token scheduling.queue_management;
begin
  if not exists (
    select
    from core.id_sequences s
    where
      s.tenant_id = p_token.tenant_id and s.scope = 'token' and s.series = p_token.queue_key and s.period_key = ''
  ) then
    perform core.configure_series('token', p_token.queue_key, '', 3, 'day');
  end if;
  -- the counter row stays locked until the transaction ends: that is what makes the numbers gapless
  v_label := core.next_number('token', p_token.queue_key, p_token.queue_date);

  insert into scheduling.queue_management as q (
    tenant_id, queue_key, queue_date, token_number, token_label, clinic_id, department_id, doctor_id, patient_id,
    appointment_id, source, abdm_request_id, token_expires_at, transferred_from_id, priority
  )
  values (
    p_token.tenant_id, p_token.queue_key, p_token.queue_date, pg_catalog.substring(v_label, '[0-9]+$')::int, v_label,
    p_token.clinic_id, p_token.department_id, p_token.doctor_id, p_token.patient_id, p_token.appointment_id,
    p_token.source, p_token.abdm_request_id, p_token.token_expires_at, p_token.transferred_from_id,
    coalesce(p_token.priority, 0)
  )
  returning q.* into v_token;
  return v_token;
end
$$;

comment on function scheduling.add_token(scheduling.queue_management) is 'about=Gives a token its number and writes it; a queue that is new gets its series of numbers.';

create or replace function scheduling.issue_token(
  p_queue_key text,
  p_source text,
  p_clinic_id uuid default null,
  p_appointment_id uuid default null,
  p_patient_id uuid default null,
  p_queue_date date default null,
  p_priority int default 0,
  p_doctor_id uuid default null,
  p_department_id uuid default null,
  p_abdm_request_id uuid default null,
  p_expires_at timestamptz default null
) returns scheduling.queue_management
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_appointment scheduling.appointments;
  v_clinic_status text;
  v_today date;
  v_token scheduling.queue_management;
  v_new scheduling.queue_management;
begin
  if p_appointment_id is not null then
    v_appointment := scheduling.lock_appointment(p_appointment_id);
    select q.* into v_token
    from scheduling.queue_management q
    where
      q.tenant_id = v_tenant
      and q.appointment_id = p_appointment_id
      and q.status in ('waiting', 'called', 'in_service', 'skipped', 'done');
    if found then
      if v_token.queue_key = p_queue_key then
        return v_token;
      end if;
      raise exception 'appointment % has a token of queue "%" already', p_appointment_id, v_token.queue_key
        using errcode = 'IM151', hint = 'use scheduling.transfer_token to send the patient on';
    end if;
  end if;
  if p_abdm_request_id is not null then -- the gateway may deliver a scan twice, at the same time
    perform pg_catalog.pg_advisory_xact_lock(
      pg_catalog.hashtextextended('scheduling.scan_share ' || v_tenant || ' ' || p_abdm_request_id, 0)
    );
    select q.* into v_token
    from scheduling.queue_management q
    where q.tenant_id = v_tenant and q.abdm_request_id = p_abdm_request_id and q.transferred_from_id is null;
    if found then
      return v_token;
    end if;
  end if;

  v_new.clinic_id := coalesce(v_appointment.clinic_id, p_clinic_id);
  if v_new.clinic_id is null then
    raise exception 'no clinic given' using errcode = '22023', hint = 'pass p_clinic_id or p_appointment_id';
  end if;
  v_today := scheduling.clinic_today(v_new.clinic_id);
  select c.status into v_clinic_status
  from facility.clinics c
  where c.tenant_id = v_tenant and c.id = v_new.clinic_id;
  if v_clinic_status <> 'active' or p_queue_date < v_today then
    raise exception 'queue "%" is closed', p_queue_key
      using errcode = 'IM150', hint = 'tokens are issued for today or later, at active clinics';
  end if;
  if p_expires_at <= now() then
    raise exception 'the token would be expired at once'
      using errcode = 'IM152', hint = 'ask for a new token';
  end if;

  v_new.tenant_id := v_tenant;
  v_new.queue_key := p_queue_key;
  v_new.queue_date := coalesce(p_queue_date, v_today);
  v_new.department_id := coalesce(p_department_id, v_appointment.department_id);
  v_new.doctor_id := coalesce(p_doctor_id, v_appointment.doctor_id);
  v_new.patient_id := coalesce(v_appointment.patient_id, p_patient_id);
  v_new.appointment_id := p_appointment_id;
  v_new.source := p_source;
  v_new.abdm_request_id := p_abdm_request_id;
  v_new.token_expires_at := coalesce(
    p_expires_at,
    case when p_source = 'abdm_scan_share' then
      now() + pg_catalog.make_interval(
        mins => coalesce((core.setting('queue.scan_share_minutes') #>> '{}')::int, 30)
      )
    end
  );
  v_new.priority := p_priority;
  return scheduling.add_token(v_new);
end
$$;

comment on function scheduling.issue_token(text, text, uuid, uuid, uuid, date, int, uuid, uuid, uuid, timestamptz) is 'about=Issues the next token of a queue and day (today at the clinic unless given). An appointment, and an ABDM scan-and-share request, gets one token: asked again, the same is returned. Scan-and-share tokens expire after setting queue.scan_share_minutes (default 30). IM005 no such appointment or clinic, IM150 queue closed, IM151 the appointment has a token of another queue, IM152 expired.';

create or replace function scheduling.transfer_token(p_token_id uuid, p_queue_key text, p_priority int default null)
  returns scheduling.queue_management
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_old scheduling.queue_management := scheduling.lock_token(p_token_id);
  v_new scheduling.queue_management;
begin
  if v_old.status = 'transferred' then
    select q.* into v_new
    from scheduling.queue_management q
    where q.tenant_id = v_tenant and q.transferred_from_id = v_old.id and q.queue_key = p_queue_key;
    if found then
      return v_new;
    end if;
  end if;
  if p_queue_key = v_old.queue_key then
    raise exception 'token % is in queue "%" already', p_token_id, p_queue_key
      using errcode = 'IM151', hint = 'choose another queue, or use scheduling.return_to_waiting';
  end if;
  -- the state machine transfers waiting tokens: who was called or is being served waits again first
  if v_old.status in ('called', 'skipped', 'in_service') then
    update scheduling.queue_management q
    set status = 'waiting'
    where q.tenant_id = v_tenant and q.id = v_old.id;
  end if;
  update scheduling.queue_management q
  set status = 'transferred', finished_at = case when q.started_at is not null then greatest(now(), q.started_at) end
  where q.tenant_id = v_tenant and q.id = v_old.id;

  v_new := v_old;
  v_new.queue_key := p_queue_key;
  v_new.transferred_from_id := v_old.id;
  v_new.doctor_id := null; -- whoever serves the other queue
  v_new.department_id := null;
  v_new.token_expires_at := case when v_old.source = 'abdm_scan_share' then v_old.token_expires_at end;
  v_new.priority := coalesce(p_priority, v_old.priority);
  return scheduling.add_token(v_new);
end
$$;

comment on function scheduling.transfer_token(uuid, text, int) is 'about=Sends a waiting, called, skipped or served patient to another queue of the same day, where they get a new token; the old one is transferred. IM001 the token is finished, IM005 no such token, IM151 it is in that queue already, IM152 expired.';

-- At the counter: call, recall, skip, serve. Two counters never call the same token, because each skips the rows that the
-- other has locked.
create or replace function scheduling.lock_token(p_token_id uuid) returns scheduling.queue_management
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_token scheduling.queue_management;
begin
  select q.* into v_token
  from scheduling.queue_management q
  where q.tenant_id = v_tenant and q.id = p_token_id
  for no key update;
  if not found then
    raise exception 'token % does not exist', p_token_id
      using errcode = 'IM005', hint = 'choose a token of the tenant';
  end if;
  if v_token.status = 'expired' or (v_token.status = 'waiting' and v_token.token_expires_at <= now()) then
    raise exception 'token % has expired', p_token_id using errcode = 'IM152', hint = 'issue a new token';
  end if;
  return v_token;
end
$$;

comment on function scheduling.lock_token(uuid) is 'about=The token, locked until the transaction ends. IM005 no such token, IM152 expired.';

create or replace function scheduling.queue_today(p_queue_key text) returns date
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  -- a queue belongs to one clinic: the clinic of its latest token
  return (
    select scheduling.clinic_today(q.clinic_id)
    from scheduling.queue_management q
    where q.tenant_id = v_tenant and q.queue_key = p_queue_key
    order by q.queue_date desc, q.token_number desc
    limit 1
  );
end
$$;

comment on function scheduling.queue_today(text) is 'about=The date at the clinic of a queue; null when the queue never had a token.';

create or replace function scheduling.call_next(
  p_queue_key text,
  p_counter_location_id uuid default null,
  p_queue_date date default null
) returns scheduling.queue_management
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_date date := coalesce(p_queue_date, scheduling.queue_today(p_queue_key));
  v_token_id uuid;
  v_token scheduling.queue_management;
begin
  select q.id into v_token_id
  from scheduling.queue_management q
  where
    q.tenant_id = v_tenant
    and q.queue_key = p_queue_key
    and q.queue_date = v_date
    and q.status = 'waiting'
    and (q.token_expires_at is null or q.token_expires_at > now())
  order by q.priority desc, q.token_number
  limit 1
  for no key update skip locked;
  if not found then
    raise exception 'nobody waits in queue "%"', p_queue_key
      using errcode = 'IM153', hint = 'try again when a token was issued';
  end if;
  -- greatest: this transaction may have begun before the one that issued the token
  update scheduling.queue_management q
  set
    status = 'called', called_at = greatest(now(), q.issued_at), started_at = null,
    counter_location_id = p_counter_location_id
  where q.tenant_id = v_tenant and q.id = v_token_id
  returning q.* into v_token;
  return v_token;
end
$$;

comment on function scheduling.call_next(text, uuid, date) is 'about=Calls the waiting token with the highest priority, then the lowest number, of today''s queue to a counter. IM153 nobody waits.';

create or replace function scheduling.recall_token(p_token_id uuid) returns scheduling.queue_management
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_token scheduling.queue_management := scheduling.lock_token(p_token_id);
begin
  if v_token.status = 'called' then
    perform core.enqueue(
      'queue', v_token.id, 'queue.token_called.v1',
      pg_catalog.jsonb_build_object('id', v_token.id, 'from', 'called', 'to', 'called')
    );
  elsif v_token.status = 'skipped' then
    update scheduling.queue_management q
    set status = 'waiting'
    where q.tenant_id = v_token.tenant_id and q.id = v_token.id;
  else
    raise exception 'token % is %', p_token_id, v_token.status
      using errcode = 'IM001', hint = 'only a called or skipped token can be called again';
  end if;
  update scheduling.queue_management q
  set status = 'called', called_at = greatest(now(), q.issued_at), recall_count = q.recall_count + 1
  where q.tenant_id = v_token.tenant_id and q.id = v_token.id
  returning q.* into v_token;
  return v_token;
end
$$;

comment on function scheduling.recall_token(uuid) is 'about=Calls a called or skipped token once more. IM001 neither called nor skipped, IM005 no such token, IM152 expired.';

create or replace function scheduling.skip_token(p_token_id uuid) returns scheduling.queue_management
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_token scheduling.queue_management := scheduling.lock_token(p_token_id);
begin
  if v_token.status = 'skipped' then
    return v_token;
  end if;
  update scheduling.queue_management q
  set status = 'skipped'
  where q.tenant_id = v_token.tenant_id and q.id = v_token.id
  returning q.* into v_token;
  return v_token;
end
$$;

comment on function scheduling.skip_token(uuid) is 'about=Nobody came when the token was called. IM001 not called, IM005 no such token, IM152 expired.';

create or replace function scheduling.return_to_waiting(p_token_id uuid) returns scheduling.queue_management
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_token scheduling.queue_management := scheduling.lock_token(p_token_id);
begin
  if v_token.status = 'waiting' then
    return v_token;
  end if;
  update scheduling.queue_management q
  set status = 'waiting', called_at = null, started_at = null, counter_location_id = null
  where q.tenant_id = v_token.tenant_id and q.id = v_token.id
  returning q.* into v_token;
  return v_token;
end
$$;

comment on function scheduling.return_to_waiting(uuid) is 'about=Puts a called, skipped or served token back; it keeps its number and so its turn. IM001 the token is finished, IM005 no such token, IM152 expired.';

create or replace function scheduling.start_service(p_token_id uuid) returns scheduling.queue_management
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_token scheduling.queue_management := scheduling.lock_token(p_token_id);
begin
  if v_token.status = 'in_service' then
    return v_token;
  end if;
  update scheduling.queue_management q
  set status = 'in_service', started_at = greatest(now(), q.called_at)
  where q.tenant_id = v_token.tenant_id and q.id = v_token.id
  returning q.* into v_token;
  return v_token;
end
$$;

comment on function scheduling.start_service(uuid) is 'about=The called patient is at the counter. IM001 not called, IM005 no such token, IM152 expired.';

create or replace function scheduling.finish_service(p_token_id uuid) returns scheduling.queue_management
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_token scheduling.queue_management := scheduling.lock_token(p_token_id);
begin
  if v_token.status = 'done' then
    return v_token;
  end if;
  update scheduling.queue_management q
  set status = 'done', finished_at = greatest(now(), q.started_at)
  where q.tenant_id = v_token.tenant_id and q.id = v_token.id
  returning q.* into v_token;
  return v_token;
end
$$;

comment on function scheduling.finish_service(uuid) is 'about=Service at the counter is over. IM001 not in service, IM005 no such token.';

create or replace function scheduling.leave_queue(p_token_id uuid) returns scheduling.queue_management
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_token scheduling.queue_management := scheduling.lock_token(p_token_id);
begin
  if v_token.status = 'left' then
    return v_token;
  end if;
  update scheduling.queue_management q
  set status = 'left'
  where q.tenant_id = v_token.tenant_id and q.id = v_token.id
  returning q.* into v_token;
  return v_token;
end
$$;

comment on function scheduling.leave_queue(uuid) is 'about=The patient gave up waiting. IM001 in service or finished, IM005 no such token, IM152 expired.';

create or replace function scheduling.expire_tokens(p_limit int default 1000) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_token record;
  v_expired int := 0;
begin
  for v_token in
    select q.id, q.status
    from scheduling.queue_management q
    join facility.clinics c on c.tenant_id = q.tenant_id and c.id = q.clinic_id
    where
      q.tenant_id = v_tenant
      and q.status in ('waiting', 'called', 'skipped')
      and (
        (q.status = 'waiting' and q.token_expires_at <= now())
        or q.queue_date < (now() at time zone c.timezone)::date
      )
    order by q.queue_date, q.id
    limit p_limit
    for no key update of q skip locked
  loop
    update scheduling.queue_management q
    set status = case v_token.status when 'waiting' then 'expired' else 'left' end
    where q.tenant_id = v_tenant and q.id = v_token.id;
    v_expired := v_expired + 1;
  end loop;
  return v_expired;
end
$$;

comment on function scheduling.expire_tokens(int) is 'about=Ends up to p_limit tokens that nobody will call any more, and returns how many: waiting ones past their time or day expire, called and skipped ones of earlier days left. For a job.';

-- The patient reports at the desk.
create or replace function scheduling.check_in(p_appointment_id uuid, p_queue_key text default null, p_priority int default 0)
  returns table (
    appointment_id uuid,
    status scheduling.appointment_status,
    checked_in_at timestamptz,
    token_id uuid,
    token_number int,
    token_label text
  )
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_appointment scheduling.appointments := scheduling.lock_appointment(p_appointment_id);
  v_token scheduling.queue_management;
begin
  if v_appointment.status <> 'checked_in' then
    update scheduling.appointments a
    set status = 'checked_in', checked_in_at = now()
    where a.tenant_id = v_appointment.tenant_id and a.id = v_appointment.id
    returning a.* into v_appointment;
  end if;
  if p_queue_key is not null then
    v_token := scheduling.issue_token(
      p_queue_key, 'appointment', p_appointment_id => p_appointment_id, p_priority => p_priority
    );
  end if;
  return query
  select
    v_appointment.id, v_appointment.status, v_appointment.checked_in_at,
    v_token.id, v_token.token_number, v_token.token_label;
end
$$;

comment on function scheduling.check_in(uuid, text, int) is 'about=Booked or confirmed to checked in and, when a queue is named, the token of the appointment. Asked again: the same answer. IM001 not booked or confirmed, IM005 no such appointment, IM150 queue closed, IM151 it has a token of another queue.';

-- booking: functions

-- One road for create_booking and hold_slot: the patient's calendar, then the slot's counter, then the key, then the rest.
-- Whoever inserts the key decides; the same key waits for that decision, gives its place back and returns it. The slot
-- comes before the key, so that in a rush a refusal is one insert by a session that holds no lock on the slot.
create or replace function booking.expire_slot_holds(p_tenant_id uuid, p_slot_id uuid) returns int
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_expired int;
begin
  with due as (
    select r.id
    from booking.booking_requests r
    where
      r.tenant_id = p_tenant_id and r.slot_id = p_slot_id and r.status = 'held' and r.hold_expires_at <= now()
    for no key update skip locked -- a hold that is being confirmed is its holder's
  ),
  expired as (
    update booking.booking_requests r
    set status = 'expired', failure_code = 'IM104', decided_at = now()
    from due
    where r.tenant_id = p_tenant_id and r.id = due.id
    returning r.id
  )
  select pg_catalog.count(*) into v_expired from expired;
  if v_expired > 0 then
    perform scheduling.change_slot_counts(p_tenant_id, p_slot_id, 0, -v_expired);
  end if;
  return v_expired;
end
$$;

comment on function booking.expire_slot_holds(uuid, uuid) is 'about=Ends the holds of one slot whose time is over and gives their places back; returns how many.';

create or replace function booking.refusal_of_patient(p_tenant_id uuid, p_patient_id uuid) returns text
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_status text;
begin
  select p.status into v_status
  from patient.patients p
  where p.tenant_id = p_tenant_id and p.id = p_patient_id and p.deleted_at is null;
  if not found then
    raise exception 'patient % does not exist', p_patient_id
      using errcode = 'IM005', hint = 'choose a patient of the tenant that is not deleted';
  end if;
  return case when v_status <> 'active' then 'IM106' end;
end
$$;

comment on function booking.refusal_of_patient(uuid, uuid) is 'about=IM106 when the patient is merged, inactive or deceased, else null. Raises IM005 no such patient.';

create or replace function booking.take_place(
  p_slot scheduling.appointment_slots,
  p_booked int,
  p_held int
) returns text
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_slot scheduling.appointment_slots := p_slot;
  v_failure text;
begin
  for v_try in 1..3 loop
    if scheduling.change_slot_counts(v_slot.tenant_id, v_slot.id, p_booked, p_held) then
      return null;
    end if;
    -- refused by the newest counts: say why, unless a lapsed hold or a cancellation has made room meanwhile
    select s.* into v_slot
    from scheduling.appointment_slots s
    where s.tenant_id = p_slot.tenant_id and s.id = p_slot.id;
    v_failure := scheduling.slot_refusal(v_slot);
    if v_failure = 'IM101' and booking.expire_slot_holds(v_slot.tenant_id, v_slot.id) = 0 then
      return v_failure;
    end if;
    exit when v_failure <> 'IM101';
  end loop;
  return coalesce(v_failure, 'IM101');
end
$$;

comment on function booking.take_place(scheduling.appointment_slots, int, int) is 'about=Takes a booked or a held place of a slot; null when that worked, else the failure code. Lapsed holds of a full slot are ended first.';

create or replace function booking.add_appointment(p_request booking.booking_requests, p_slot scheduling.appointment_slots)
  returns scheduling.appointments
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  return scheduling.add_appointment(
    p_slot, p_request.patient_id, p_request.payload ->> 'type', p_request.channel, p_request.payload ->> 'priority',
    pg_catalog.decode(p_request.payload ->> 'reason_enc', 'base64'), p_request.payload ->> 'fee_status',
    p_request.id, null
  );
end
$$;

comment on function booking.add_appointment(booking.booking_requests, scheduling.appointment_slots) is 'about=The appointment that a request asks for, in a slot whose place is taken.';

create or replace function booking.same_request(p_request booking.booking_requests, p_hash bytea) returns booking.booking_requests
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if p_request.request_hash <> p_hash then
    raise exception 'idempotency key of booking request % was used with other content', p_request.id
      using errcode = 'IM011', hint = 'use a new key for a new request';
  end if;
  return p_request;
end
$$;

comment on function booking.same_request(booking.booking_requests, bytea) is 'about=The stored request of a key, when its content is the same; else IM011.';

create or replace function booking.decide_request(
  p_idempotency_key text,
  p_patient_id uuid,
  p_slot_id uuid,
  p_type text,
  p_channel text,
  p_payload jsonb,
  p_hold interval -- null: book at once
) returns booking.booking_requests
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_payload jsonb := coalesce(p_payload, '{}') || pg_catalog.jsonb_build_object('type', p_type);
  v_hash bytea := pg_catalog.sha256(pg_catalog.convert_to(
    pg_catalog.jsonb_build_array(p_patient_id, p_slot_id, p_channel, v_payload, p_hold)::text, 'UTF8'
  ));
  v_slot scheduling.appointment_slots;
  v_request booking.booking_requests;
  v_appointment scheduling.appointments;
  v_failure text;
  v_taken boolean := false;
begin
  select r.* into v_request
  from booking.booking_requests r
  where r.tenant_id = v_tenant and r.idempotency_key = p_idempotency_key;
  if found then
    return booking.same_request(v_request, v_hash);
  end if;

  -- A request row refers to its slot and patient: when one does not exist nothing can be stored, so this is raised.
  select s.* into v_slot
  from scheduling.appointment_slots s
  where s.tenant_id = v_tenant and s.id = p_slot_id;
  if not found then
    raise exception 'slot % does not exist', p_slot_id using errcode = 'IM100', hint = 'choose a slot of the tenant';
  end if;
  -- What the slot says without being locked settles most refusals of a rush. A full slot with held places is looked at
  -- again below, because a lapsed hold makes room.
  v_failure := coalesce(booking.refusal_of_patient(v_tenant, p_patient_id), scheduling.slot_refusal(v_slot));
  if v_failure = 'IM101' and v_slot.held_count > 0 then
    v_failure := null;
  end if;
  if v_failure is null and scheduling.patient_is_busy(v_tenant, p_patient_id, v_slot.starts_at, v_slot.ends_at) then
    v_failure := 'IM103';
  end if;
  if v_failure is null then
    v_failure := booking.take_place(v_slot, (p_hold is null)::int, (p_hold is not null)::int);
    v_taken := v_failure is null;
  end if;

  -- waits while another transaction decides the same key
  insert into booking.booking_requests as r (
    tenant_id, idempotency_key, request_hash, patient_id, slot_id, requested_by, channel, payload, attempts,
    status, failure_code, hold_expires_at, decided_at
  )
  values (
    v_tenant, p_idempotency_key, v_hash, p_patient_id, p_slot_id, core.current_user_id(), p_channel, v_payload, 1,
    case when not v_taken then 'rejected' when p_hold is not null then 'held' else 'received' end,
    v_failure,
    case when v_taken then now() + p_hold end,
    case when not v_taken then now() end
  )
  on conflict (tenant_id, idempotency_key) do nothing
  returning r.* into v_request;
  if not found then
    if v_taken then
      perform scheduling.change_slot_counts(v_tenant, p_slot_id, -(p_hold is null)::int, -(p_hold is not null)::int);
    end if;
    select r.* into v_request
    from booking.booking_requests r
    where r.tenant_id = v_tenant and r.idempotency_key = p_idempotency_key;
    return booking.same_request(v_request, v_hash);
  end if;

  if v_request.status = 'received' then
    v_appointment := booking.add_appointment(v_request, v_slot);
    update booking.booking_requests r
    set status = 'confirmed', appointment_id = v_appointment.id, decided_at = now()
    where r.tenant_id = v_tenant and r.id = v_request.id
    returning r.* into v_request;
  end if;
  return v_request;
end
$$;

comment on function booking.decide_request(text, uuid, uuid, text, text, jsonb, interval) is 'about=Stores a request under its key and decides it: confirmed, held (when p_hold is given) or rejected with a failure code; a key that was decided before returns that decision.';

-- The answer of every booking operation, read from the stored request.
create or replace function booking.answer(p_request booking.booking_requests)
  returns table (
    request_id uuid,
    appointment_id uuid,
    appointment_number text,
    status text,
    failure_code text,
    hold_expires_at timestamptz
  )
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  request_id := p_request.id;
  appointment_id := p_request.appointment_id;
  status := p_request.status;
  failure_code := p_request.failure_code;
  hold_expires_at := p_request.hold_expires_at;
  if p_request.appointment_id is not null then
    select a.appointment_number into appointment_number
    from scheduling.appointments a
    where a.tenant_id = p_request.tenant_id and a.id = p_request.appointment_id;
  end if;
  return next;
end
$$;

comment on function booking.answer(booking.booking_requests) is 'about=A request as its caller sees it, with the number of its appointment.';

-- Book a slot in one step. Plans are generic from the first call: look-ups by key gain nothing from custom plans, which
-- a new connection would make five times for every statement (with 200 connections a third of the time).
create or replace function booking.create_booking(
  p_idempotency_key text,
  p_patient_id uuid,
  p_slot_id uuid,
  p_type text default 'new',
  p_channel text default 'counter',
  p_payload jsonb default '{}'
) returns table (
  request_id uuid,
  appointment_id uuid,
  appointment_number text,
  status text,
  failure_code text,
  hold_expires_at timestamptz
)
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_request booking.booking_requests;
begin
  v_request := booking.decide_request(
    p_idempotency_key, p_patient_id, p_slot_id, p_type, p_channel, p_payload, null
  );
  return query select * from booking.answer(v_request);
end
$$;

comment on function booking.create_booking(text, uuid, uuid, text, text, jsonb) is 'about=Books a place of a slot for a patient; p_payload may carry priority, fee_status and reason_enc (base64). One row: status confirmed with the appointment, or rejected with failure_code IM100 slot cancelled, IM101 full, IM102 past, IM103 the patient has another appointment then, IM105 doctor away, IM106 patient merged or blocked. Outcomes are stored: the same key returns the same answer. Raises IM005 no such patient, IM011 key used with other content, IM100 no such slot; 55P03 after 3 s behind other requests, then ask again.';

-- Hold a place while the patient decides or pays, then confirm or release it. A hold counts against the slot like a
-- booking does, for at most 15 minutes.
create or replace function booking.hold_slot(
  p_idempotency_key text,
  p_patient_id uuid,
  p_slot_id uuid,
  p_type text default 'new',
  p_channel text default 'portal',
  p_payload jsonb default '{}',
  p_hold interval default interval '5 minutes'
) returns table (
  request_id uuid,
  appointment_id uuid,
  appointment_number text,
  status text,
  failure_code text,
  hold_expires_at timestamptz
)
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_request booking.booking_requests;
begin
  if p_hold is null or p_hold <= interval '0' or p_hold > interval '15 minutes' then
    raise exception 'a place cannot be held for %', p_hold
      using errcode = '22023', hint = 'hold it for at most 15 minutes';
  end if;
  v_request := booking.decide_request(
    p_idempotency_key, p_patient_id, p_slot_id, p_type, p_channel, p_payload, p_hold
  );
  return query select * from booking.answer(v_request);
end
$$;

comment on function booking.hold_slot(text, uuid, uuid, text, text, jsonb, interval) is 'about=Holds a place of a slot for up to 15 minutes. One row: status held with hold_expires_at, or rejected with the failure codes of booking.create_booking; the same key returns the request as it stands. Raises IM005, IM011, IM100 as booking.create_booking does.';

create or replace function booking.lock_request(p_request_id uuid) returns booking.booking_requests
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_request booking.booking_requests;
begin
  select r.* into v_request
  from booking.booking_requests r
  where r.tenant_id = v_tenant and r.id = p_request_id
  for no key update;
  if not found then
    raise exception 'booking request % does not exist', p_request_id
      using errcode = 'IM005', hint = 'use the request_id that booking.hold_slot returned';
  end if;
  if v_request.requested_by is distinct from core.current_user_id() then
    raise exception 'booking request % is held by another user', p_request_id
      using errcode = 'IM107', hint = 'only the user who holds a place may confirm or release it';
  end if;
  return v_request;
end
$$;

comment on function booking.lock_request(uuid) is 'about=The request, locked until the transaction ends. IM005 no such request, IM107 another user holds it.';

create or replace function booking.end_hold(p_request booking.booking_requests, p_status text, p_failure_code text)
  returns booking.booking_requests
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_request booking.booking_requests;
begin
  perform scheduling.change_slot_counts(p_request.tenant_id, p_request.slot_id, 0, -1);
  update booking.booking_requests r
  set status = p_status, failure_code = p_failure_code, decided_at = now()
  where r.tenant_id = p_request.tenant_id and r.id = p_request.id
  returning r.* into v_request;
  return v_request;
end
$$;

comment on function booking.end_hold(booking.booking_requests, text, text) is 'about=Ends a hold that the caller has locked, without an appointment, and gives its place back.';

create or replace function booking.confirm_hold(p_request_id uuid)
  returns table (
    request_id uuid,
    appointment_id uuid,
    appointment_number text,
    status text,
    failure_code text,
    hold_expires_at timestamptz
  )
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_request booking.booking_requests := booking.lock_request(p_request_id);
  v_slot scheduling.appointment_slots;
  v_appointment scheduling.appointments;
  v_failure text;
begin
  if v_request.status <> 'held' then -- decided before: the same answer
    return query select * from booking.answer(v_request);
    return;
  end if;
  if v_request.hold_expires_at <= now() then
    return query select * from booking.answer(booking.end_hold(v_request, 'expired', 'IM104'));
    return;
  end if;

  select s.* into v_slot
  from scheduling.appointment_slots s
  where s.tenant_id = v_request.tenant_id and s.id = v_request.slot_id;
  v_failure := coalesce(
    booking.refusal_of_patient(v_request.tenant_id, v_request.patient_id),
    scheduling.slot_refusal(v_slot, 0) -- the held place is there already
  );
  if v_failure is null and scheduling.patient_is_busy(
    v_request.tenant_id, v_request.patient_id, v_slot.starts_at, v_slot.ends_at
  ) then
    v_failure := 'IM103';
  end if;
  if v_failure is not null then
    return query select * from booking.answer(booking.end_hold(v_request, 'released', v_failure));
    return;
  end if;

  perform scheduling.change_slot_counts(v_request.tenant_id, v_request.slot_id, 1, -1);
  v_appointment := booking.add_appointment(v_request, v_slot);
  update booking.booking_requests r
  set status = 'confirmed', appointment_id = v_appointment.id, decided_at = now()
  where r.tenant_id = v_request.tenant_id and r.id = v_request.id
  returning r.* into v_request;
  return query select * from booking.answer(v_request);
end
$$;

comment on function booking.confirm_hold(uuid) is 'about=Turns a held place into an appointment. One row: status confirmed; or expired with IM104; or released with IM102 past, IM103 the patient has another appointment, IM105 doctor away, IM106 patient merged or blocked. Repeating it returns the same answer. Raises IM005 no such request, IM107 not the holder.';

create or replace function booking.release_hold(p_request_id uuid)
  returns table (
    request_id uuid,
    appointment_id uuid,
    appointment_number text,
    status text,
    failure_code text,
    hold_expires_at timestamptz
  )
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set lock_timeout = '3s'
as $$
declare
  v_request booking.booking_requests := booking.lock_request(p_request_id);
begin
  if v_request.status = 'confirmed' then
    raise exception 'booking request % is confirmed', p_request_id
      using errcode = 'IM001', hint = 'use scheduling.cancel_appointment';
  end if;
  if v_request.status = 'held' then
    if v_request.hold_expires_at <= now() then
      v_request := booking.end_hold(v_request, 'expired', 'IM104');
    else
      v_request := booking.end_hold(v_request, 'released', null);
    end if;
  end if;
  return query select * from booking.answer(v_request);
end
$$;

comment on function booking.release_hold(uuid) is 'about=Gives a held place back. One row: status released, or expired with IM104; repeating it returns the same answer. Raises IM001 confirmed already, IM005 no such request, IM107 not the holder.';

create or replace function booking.expire_holds(p_limit int default 500) returns int
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_slot_id uuid;
  v_expired int := 0;
begin
  for v_slot_id in
    select distinct due.slot_id
    from (
      select r.slot_id
      from booking.booking_requests r
      where r.tenant_id = v_tenant and r.status = 'held' and r.hold_expires_at <= now()
      order by r.hold_expires_at
      limit p_limit
    ) due
    order by due.slot_id -- slots are locked in the order of their ids
  loop
    v_expired := v_expired + booking.expire_slot_holds(v_tenant, v_slot_id);
  end loop;
  return v_expired;
end
$$;

comment on function booking.expire_holds(int) is 'about=Ends holds whose time is over, for the slots of the p_limit oldest ones, and returns how many. For a job that runs every minute; a request for a full slot ends that slot''s lapsed holds by itself.';


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

-- auth: views

-- What a user may do now. The server compiles it at sign-in; nothing checks it row by row.
create or replace view auth.user_permissions
  with (security_invoker = true)
as
select
  ur.tenant_id, ur.user_id, rp.permission_code, p.phi_level, ur.clinic_id, ur.department_id, r.code as role_code,
  ur.valid_to
from auth.user_roles ur
join auth.roles r on r.id = ur.role_id
join auth.role_permissions rp on rp.role_id = r.id and (rp.tenant_id is null or rp.tenant_id = ur.tenant_id)
join auth.permissions p on p.code = rp.permission_code
where ur.valid_from <= now() and (ur.valid_to is null or ur.valid_to > now());

comment on view auth.user_permissions is 'class=operational;scope=tenant;owner=auth;about=Permissions that each user holds at this moment, with the clinic and department they are limited to.';

-- facility: views

-- The board of beds: every bed in service, where it stands and who is in it. Ids of patients only; names come from the
-- patient service, which logs that it was asked.
create or replace view facility.bed_board
  with (security_invoker = true)
as
select
  b.tenant_id,
  b.id as bed_id,
  b.code as bed_code,
  b.bed_type,
  b.status,
  b.status_changed_at,
  c.id as clinic_id,
  c.name as clinic_name,
  l.department_id,
  d.name as department_name,
  l.id as location_id,
  l.name as location_name,
  l.path as location_path,
  l.care_class,
  l.sex_policy,
  l.isolation_capable,
  a.id as allocation_id,
  a.encounter_id,
  a.patient_id,
  lower(a.period) as occupied_since,
  r.id as reservation_id,
  r.reserved_until
from facility.beds b
join facility.locations l on l.tenant_id = b.tenant_id and l.id = b.location_id
join facility.clinics c on c.tenant_id = l.tenant_id and c.id = l.clinic_id
left join facility.departments d on d.tenant_id = l.tenant_id and d.id = l.department_id
left join facility.bed_allocations a on a.tenant_id = b.tenant_id and a.id = b.current_allocation_id
left join lateral (
  select n.id, n.reserved_until
  from facility.bed_allocations n
  where n.tenant_id = b.tenant_id and n.bed_id = b.id and n.status = 'reserved'
  order by lower(n.period), n.id
  limit 1
) r on true
where b.deleted_at is null and l.deleted_at is null and c.deleted_at is null;

comment on view facility.bed_board is 'class=phi;scope=tenant;owner=facility;about=Every bed in service with its place, status, present allocation and next reservation.';

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
    year from age(coalesce((p.deceased_at at time zone 'UTC')::date, current_date), p.birth_date)
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
    and (k.valid_to is null or k.valid_to >= current_date)
) c on true
where p.deleted_at is null;

comment on view patient.patient_summary is 'class=phi;scope=tenant;owner=clinical;about=Head of the chart of each patient: identity, age, identifiers held, contacts, merged duplicates.';

-- webhook: views

-- What the person on call looks at first.
create or replace view webhook.endpoint_health with (security_invoker = true) as
select
  w.tenant_id,
  w.id as webhook_id,
  w.code,
  w.direction,
  w.status,
  w.failure_count,
  w.failure_count >= 10 as is_failing,
  w.disabled_reason,
  coalesce(e.waiting, 0) as waiting,
  coalesce(e.processing, 0) as processing,
  coalesce(e.dead, 0) as dead,
  e.oldest_waiting_at
from webhook.integration_webhooks w
left join (
  select
    v.tenant_id,
    v.webhook_id,
    pg_catalog.count(*) filter (where v.status in ('pending', 'retry')) as waiting,
    pg_catalog.count(*) filter (where v.status = 'processing') as processing,
    pg_catalog.count(*) filter (where v.status = 'dead') as dead,
    pg_catalog.min(v.received_at) filter (where v.status in ('pending', 'retry')) as oldest_waiting_at
  from webhook.webhook_events v
  where v.status in ('pending', 'retry', 'processing', 'dead')
  group by v.tenant_id, v.webhook_id
) as e on e.tenant_id = w.tenant_id and e.webhook_id = w.id;

comment on view webhook.endpoint_health is 'about=One row an endpoint: its status, consecutive failures, and how many events wait, run or are dead.';

-- scheduling: views

-- What the front desk sees first: visits that are still to come or under way.
create or replace view scheduling.upcoming_appointments
  with (security_invoker = true)
as
select
  a.tenant_id,
  a.id as appointment_id,
  a.appointment_number,
  a.starts_at,
  a.ends_at,
  (a.starts_at at time zone c.timezone)::date as local_date,
  (a.starts_at at time zone c.timezone)::time as local_time,
  a.status,
  a.type,
  a.channel,
  a.priority,
  a.fee_status,
  a.patient_id,
  p.mrn,
  pg_catalog.concat_ws(' ', p.given_name, p.middle_name, p.family_name) as patient_name,
  a.doctor_id,
  pg_catalog.concat_ws(' ', s.given_name, s.family_name) as doctor_name,
  a.department_id,
  d.name as department_name,
  a.clinic_id,
  c.name as clinic_name,
  c.timezone,
  a.slot_id
from scheduling.appointments a
join patient.patients p on p.tenant_id = a.tenant_id and p.id = a.patient_id
join facility.clinics c on c.tenant_id = a.tenant_id and c.id = a.clinic_id
left join facility.departments d on d.tenant_id = a.tenant_id and d.id = a.department_id
left join workforce.doctors doc on doc.tenant_id = a.tenant_id and doc.id = a.doctor_id
left join workforce.staff s on s.tenant_id = doc.tenant_id and s.id = doc.staff_id
where
  a.status in ('booked', 'confirmed', 'checked_in', 'in_consultation')
  and a.ends_at > now()
  and a.deleted_at is null;

comment on view scheduling.upcoming_appointments is 'class=phi;scope=tenant;owner=appointment;about=Live appointments that are not over, with the names that a list needs and the clinic''s wall-clock time.';

-- The board in the waiting room. It shows labels, never who a patient is.
create or replace view scheduling.queue_board
  with (security_invoker = true)
as
select
  q.tenant_id,
  q.clinic_id,
  c.name as clinic_name,
  q.queue_key,
  q.queue_date,
  q.id as token_id,
  q.token_label,
  q.status,
  q.counter_location_id,
  l.name as counter_name,
  q.called_at,
  case when q.status = 'waiting' then
    pg_catalog.row_number() over (
      partition by q.tenant_id, q.queue_key, q.queue_date, q.status order by q.priority desc, q.token_number
    )
  end as place_in_line
from scheduling.queue_management q
join facility.clinics c on c.tenant_id = q.tenant_id and c.id = q.clinic_id
left join facility.locations l on l.tenant_id = q.tenant_id and l.id = q.counter_location_id
where
  q.status in ('waiting', 'called', 'in_service', 'skipped')
  and (q.token_expires_at is null or q.token_expires_at > now() or q.status <> 'waiting')
  and q.queue_date = (now() at time zone c.timezone)::date;

comment on view scheduling.queue_board is 'class=operational;scope=tenant;owner=appointment;about=Today''s live tokens of every queue with counter and place in line; labels only, no patient.';


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
  core.uuid_v7(), core.zero_uuid(), core.current_tenant_id(), core.require_tenant(), core.current_user_id(),
  core.current_role_name(), core.current_reason(), core.tag(text, text),
  core.valid_luhn(text), core.valid_verhoeff(text), core.verhoeff_sum(text), core.valid_mod37_2(text),
  core.check_character(text, text), core.valid_gstin(text), core.valid_timezone(text),
  core.looks_like_aadhaar(text)
to public;

grant execute on function
  core.begin_request(uuid, uuid, text, text, uuid, jsonb), core.set_reason(text),
  core.setting(text), core.environment(), core.assert_not_production(), core.active_tenants(),
  core.period_key(text, date), core.next_number(text, text, date),
  core.configure_series(text, text, text, int, text, boolean, text, int),
  core.idempotent_begin(text, text, bytea, interval), core.idempotent_finish(text, text, jsonb, text),
  core.forget_idempotency_keys(int), core.enqueue(text, uuid, text, jsonb),
  core.claim_outbox(text, int, interval), core.mark_published(uuid[], uuid),
  core.mark_failed(uuid, uuid, text, int), core.replay_event(uuid)
to kernel_app;

grant execute on function
  core.begin_request(uuid, uuid, text, text, uuid, jsonb), core.setting(text), core.environment(), core.active_tenants()
to kernel_ro, audit_reader, audit_writer, retention_job;

grant execute on function
  core.provision_tenant(uuid, text, text, text, text, text, text), core.assert_not_production(), core.environment(),
  core.shred_key(text, text)
to imhotep_platform;

grant select on core.v_tables, core.v_columns to kernel_app, kernel_ro, audit_reader;

select core.ensure_partitions('core.outbox_events', 'day', 7);

-- audit: grants

-- audit_writer alone inserts into the logs, audit_reader reads them; applications can do neither.
select core.hand_over('audit', 'kernel');

grant usage on schema audit to kernel_owner, audit_writer, audit_reader, retention_job;

grant execute on function
  audit.log_event(text, text, text, uuid, text), audit.log_access(text, uuid, uuid, text, text[], int),
  audit.open_break_glass(uuid, text, text, interval), audit.close_break_glass(uuid),
  audit.review_break_glass(uuid, text)
to kernel_app;

grant execute on function
  audit.get_audit_logs_time_range(timestamptz, timestamptz, uuid, text, int), audit.get_compliance_summary(date, date),
  audit.verify_chain(text), audit.chain_head(text),
  audit.archived_audit_logs(timestamptz, timestamptz, uuid, text, int),
  audit.archived_phi_access_logs(timestamptz, timestamptz, uuid),
  audit.archives_between(text, timestamptz, timestamptz, bigint, bigint), audit.unpack_archive(audit.audit_archives),
  audit.decode_rows(bytea, jsonb), audit.decompress(bytea, text)
to audit_reader;

grant execute on function audit.seal(text), audit.verify_chain(text), audit.chain_head(text) to imhotep_platform;

grant usage on schema audit to imhotep_platform;

-- only sealed rows are packed, and a tenant that is no longer active still has rows to seal
grant execute on function
  audit.drop_expired_partitions(interval), audit.packable_partitions(interval), audit.log_partition(regclass),
  audit.begin_packing(regclass), audit.pack_partition(regclass), audit.drop_packed_partition(regclass), audit.seal(text)
to retention_job;

grant select on
  audit.audit_logs_recent, audit.unsealed_audit_logs, audit.audit_metrics_hourly, audit.audit_compliance_daily
to audit_reader;

-- the kernel's own tables that matter to security
select audit.track('core.system_settings');
select audit.track('audit.break_glass_sessions');

select core.ensure_partitions('audit.audit_logs', 'month', 3);
select core.ensure_partitions('audit.phi_access_logs', 'month', 3);

-- auth: grants

-- From here on auth_owner owns the module; applications hold what their operations need.
select core.hand_over('auth', 'auth');

grant execute on function
  auth.record_sign_in(uuid, boolean, inet),
  auth.start_session(uuid, bytea, inet, text, text[], text, text),
  auth.rotate_session(bytea, bytea, inet, text),
  auth.revoke_sessions(uuid, text, uuid)
to auth_app;

grant select on auth.user_permissions to auth_app;
grant select on auth.user_permissions to auth_ro;

-- communication: grants

select core.hand_over('communication', 'notification');

grant usage on type communication.timerange to notification_app, notification_ro;

grant execute on function
  communication.set_contact_preference(text, uuid, text, text, boolean, uuid, communication.timemultirange, text),
  communication.queue_notification(
    text, text, text, uuid, text, bytea, text, text, timestamptz, timestamptz, text, uuid, text, uuid
  ),
  communication.cancel_notification(uuid),
  communication.claim_notifications(int, interval),
  communication.finish_notification(uuid, text),
  communication.record_delivery(text, text, text, timestamptz, text, text)
to notification_app;

select core.ensure_partitions('communication.sms_messages', 'month', 3);
select core.ensure_partitions('communication.whatsapp_messages', 'month', 3);
select core.ensure_partitions('communication.email_messages', 'month', 3);

-- facility: grants

-- From here on facility_owner owns the module.
select core.hand_over('facility', 'facility');

grant select on facility.bed_board to facility_app;
grant select on facility.bed_board to facility_ro;

-- patient: grants

-- From here on clinical_owner owns the module.
select core.hand_over('patient', 'clinical');

grant execute on function
  patient.calculate_bmi(numeric, numeric),
  patient.find_duplicates(text, date, text, text, bytea, numeric),
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

grant select on patient.patient_summary to clinical_app;
grant select on patient.patient_summary to clinical_ro;

-- patient.register reads the clinic that it registers for
grant usage on schema facility to clinical_owner;
grant select (tenant_id, id, code, status, deleted_at) on facility.clinics to clinical_owner;

-- webhook: grants

-- webhook.webhook_events and webhook_logs are written by the operations only.
select core.hand_over('webhook', 'interop');

grant execute on function
  webhook.enqueue_event(text, text, text, bytea, bytea, text, smallint, timestamptz, boolean, uuid),
  webhook.replay_event(uuid),
  webhook.release_expired_leases(int),
  webhook.claim_events(text, int, interval, text[], text[]),
  webhook.claim_next_event(text, interval, text[], text[]),
  webhook.extend_lease(uuid, uuid, interval),
  webhook.mark_event_result(uuid, uuid, text, int, text, int, text, interval, jsonb)
to interop_app;

grant select on webhook.endpoint_health to interop_app, interop_ro;

select core.ensure_partitions('webhook.webhook_logs', 'month', 3);

-- workforce: grants

-- From here on business_owner owns the module.
select core.hand_over('workforce', 'business');

-- scheduling: grants

-- The module belongs to appointment_owner. Its operations read a few columns of other services' tables; those are the
-- grants that a service of its own replaces by projections.
select core.hand_over('scheduling', 'appointment');

grant usage on schema facility, workforce, patient to appointment_owner, appointment_app, appointment_ro;
grant select (tenant_id, id, code, timezone, status) on facility.clinics to appointment_owner;
grant select (tenant_id, id, status, deleted_at) on patient.patients to appointment_owner;

-- the names that scheduling.upcoming_appointments and queue_board show
grant select (tenant_id, id, name, timezone) on facility.clinics to appointment_app, appointment_ro;
grant select (tenant_id, id, name) on facility.departments to appointment_app, appointment_ro;
grant select (tenant_id, id, name) on facility.locations to appointment_app, appointment_ro;
grant select (tenant_id, id, staff_id) on workforce.doctors to appointment_app, appointment_ro;
grant select (tenant_id, id, given_name, family_name) on workforce.staff to appointment_app, appointment_ro;
grant select (tenant_id, id, mrn, given_name, middle_name, family_name) on patient.patients to appointment_app, appointment_ro;
grant select on scheduling.upcoming_appointments, scheduling.queue_board to appointment_app, appointment_ro;

-- Operations. The helpers that lock, count and write (lock_*, add_*, change_slot_counts, ...) are nobody else's, and so is
-- scheduling.generate_appointment_number: a number that is taken and not used would be a gap.
grant execute on function
  scheduling.generate_slots(date, date, uuid, uuid),
  scheduling.close_past_slots(int),
  scheduling.confirm_appointment(uuid),
  scheduling.cancel_appointment(uuid, text),
  scheduling.reschedule_appointment(uuid, uuid, text),
  scheduling.check_in(uuid, text, int),
  scheduling.start_consultation(uuid, uuid),
  scheduling.complete_appointment(uuid),
  scheduling.mark_no_show(uuid),
  scheduling.mark_left(uuid),
  scheduling.issue_token(text, text, uuid, uuid, uuid, date, int, uuid, uuid, uuid, timestamptz),
  scheduling.transfer_token(uuid, text, int),
  scheduling.call_next(text, uuid, date),
  scheduling.recall_token(uuid),
  scheduling.skip_token(uuid),
  scheduling.return_to_waiting(uuid),
  scheduling.start_service(uuid),
  scheduling.finish_service(uuid),
  scheduling.leave_queue(uuid),
  scheduling.expire_tokens(int)
to appointment_app;

-- booking: grants

-- The module belongs to appointment_owner, as scheduling does. Applications read requests and call operations; nobody
-- but the operations writes.
select core.hand_over('booking', 'appointment');

grant usage on schema patient to appointment_owner;
grant select (tenant_id, id, status, deleted_at) on patient.patients to appointment_owner;

grant execute on function
  booking.create_booking(text, uuid, uuid, text, text, jsonb),
  booking.hold_slot(text, uuid, uuid, text, text, jsonb, interval),
  booking.confirm_hold(uuid),
  booking.release_hold(uuid),
  booking.expire_holds(int)
to appointment_app;
