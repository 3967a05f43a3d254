-- Roles. They belong to the whole server, so each is made only where it is missing.
--
-- <service>_owner owns a service's objects and runs its operations (SECURITY DEFINER); it is no superuser and has no
-- BYPASSRLS, and RLS is forced, so the tenant predicate holds inside operations as well.
-- <service>_app may call operations and write as granted; <service>_ro may read.
-- imhotep_app is what an application that hosts every module logs in as: a member of all <service>_app.

create function core.create_role_if_missing(p_role text) returns void
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

create function core.grant_role_if_missing(p_role text, p_member text) returns void
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

create function core.create_service_roles(p_service text) returns void
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

create function core.hand_over(p_schema text, p_service text) returns void
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
